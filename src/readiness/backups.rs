//! What backups hold: the restore points of the VMs, and of the one that a restore would take its
//! configuration and the room that it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::seen::{Needs, PointsSeen, Seen, Silence, Told, Used};
use super::task::{Restore, Task};
use crate::error::Fault;
use crate::host::{Hosts, Lane};
use crate::hypervisor::esxi::inventory::on_host;
use crate::hypervisor::shell;
use crate::names::{HostName, RunId, VmName};
use crate::runbook::model::{Backup, Place};
use crate::transfer::{
    self, Chosen, Delivery, Folder, Item, Landing, Patience, Point, Seeds, Target,
};
use crate::vmfiles::{Vmx, path_on_host};

/// How long a backup may take to tell what it holds of one VM.
const PATIENCE: Duration = Duration::from_secs(180);

/// The points of VMs, or why they are not known.
pub(super) type Points = BTreeMap<VmName, Told<PointsSeen>>;

/// Reads the points that lie on a host (`None`: on the console's machine), all VMs at the same time.
pub(super) async fn read(task: &Task, hosts: &Hosts, on: Option<&HostName>) -> Points {
    let wanted = task.restores.iter().filter_map(|(name, restore)| {
        let vm = task.runbook.vms.get(name)?;
        let backup = task.runbook.backups.get(vm.backup.as_ref()?)?;
        (backup.host.as_ref() == on).then_some((name, restore, backup, task.place(vm)))
    });
    let reading = wanted.enumerate().map(async |(index, wanted)| {
        let (name, restore, backup, place) = wanted;
        let lane = Lane::transfer(index);
        let source = Source {
            vm: name,
            restore,
            lane,
        };
        // Those on one lane are read one after the other.
        let before = u32::try_from(Lane::queue(index)).unwrap_or(u32::MAX);
        let patience = PATIENCE.saturating_mul(before.saturating_add(1));
        let reading = tokio::time::timeout(patience, source.read(hosts, backup, place));
        let told = reading
            .await
            .unwrap_or_else(|_| Err(source.too_slow(on, patience)));
        (name.clone(), told)
    });
    join_all(reading).await.into_iter().collect()
}

/// One VM whose points are read.
struct Source<'a> {
    vm: &'a VmName,
    restore: &'a Restore,
    lane: Lane,
}

impl Source<'_> {
    async fn read(
        &self,
        hosts: &Hosts,
        backup: &Backup,
        place: Option<&Place>,
    ) -> Told<PointsSeen> {
        let folder = Folder::of_backup(hosts, backup, self.lane).map_err(silence)?;
        let folder = match folder {
            Folder::Stream(stream) => {
                Folder::Stream(stream.looking_for(self.restore.point.clone()))
            }
            folder => folder,
        };
        let (vm, by_file) = (self.vm.as_str(), self.restore.into.is_some());
        let asked = std::slice::from_ref(&self.restore.point);
        let points = if by_file {
            transfer::points_of_files(&folder, vm, asked).await
        } else {
            transfer::points_for(&folder, vm, asked).await
        };
        let points = points.map_err(silence)?;
        let used = match transfer::choose(&points, &self.restore.point) {
            Ok(chosen) => Ok(Box::new(self.used(hosts, &folder, chosen, place).await)),
            Err(why) => Err(why),
        };
        Ok(PointsSeen { points, used })
    }

    async fn used(
        &self,
        hosts: &Hosts,
        folder: &Folder,
        chosen: Chosen,
        place: Option<&Place>,
    ) -> Used {
        let Chosen { point, passed_over } = chosen;
        if self.restore.into.is_some() {
            // They come into a machine that is there: how much room it has is its own business.
            return Used {
                needs: Ok(Needs::default()),
                vmx: Ok(None),
                point,
                passed_over,
                there: Vec::new(),
            };
        }
        let vmx = transfer::vmx_of(folder, self.vm.as_str(), &point)
            .await
            .map(|vmx| Some(vmx.unwrap_or_default()))
            .map_err(silence);
        let needs = self.needs(hosts, folder, &point, place).await;
        Used {
            needs: needs.map_err(silence),
            vmx,
            point,
            passed_over,
            there: Vec::new(),
        }
    }

    /// The room that the point takes where it lands.
    async fn needs(
        &self,
        hosts: &Hosts,
        folder: &Folder,
        point: &Point,
        place: Option<&Place>,
    ) -> Result<Needs, Fault> {
        let target = place.and_then(|place| Some((hosts.host(&place.host)?, place)));
        let Some((host, place)) = target else {
            return Ok(Needs::default());
        };
        let delivery = Delivery {
            from: folder.join(self.vm.as_str()),
            items: Item::of(point, self.restore.logs),
            to: Target {
                host,
                lane: Lane::Control,
                folder: on_host(&place.datastore, &place.folder),
                // Nothing is written, so nothing needs its name.
                run: RunId::default(),
            },
            landing: Landing::Fresh,
            patience: Patience::default(),
            seeds: Seeds::new(),
            survey: None,
        };
        let delivery = delivery.surveyed(place.disk).await?;
        let files = point.files.iter().chain(&point.logs);
        let allocated = files
            .map(|file| (file.at.clone(), file.allocated))
            .collect();
        Ok(Needs {
            files: delivery.takes(&allocated),
            swap: delivery.survey.as_ref().map_or(0, |survey| survey.swap),
        })
    }

    fn too_slow(&self, on: Option<&HostName>, patience: Duration) -> Silence {
        silence(Fault::new(
            format!(
                "the backup did not tell within {} s what it holds of {}",
                patience.as_secs(),
                self.vm
            ),
            on.map_or("the console's machine", HostName::as_str),
            "nothing was changed",
            "see whether its storage answers, then check again",
        ))
    }
}

fn silence(fault: Fault) -> Silence {
    Silence {
        asked: "its restore points",
        fault,
        is_extra: false,
    }
}

/// Asks recovery hosts which of the files exist that a .vmx names outside the VM's folder.
pub(super) async fn look_outside(task: &Task, hosts: &Hosts, seen: &mut Seen) {
    let asking = task.chosen().filter_map(|(name, vm)| {
        let place = task.place(vm)?;
        seen.esxi(&place.host)?;
        let vmx = seen.used(name)?.vmx()?;
        let paths = Vmx::parse(vmx).ok()?.outside_paths();
        (!paths.is_empty()).then(|| existing(hosts, name, place, paths))
    });
    let found = join_all(asking.collect::<Vec<_>>()).await;
    for (name, there) in found {
        if let Some(Ok(points)) = seen.points.get_mut(&name)
            && let Ok(used) = &mut points.used
        {
            used.there = there;
        }
    }
}

async fn existing(
    hosts: &Hosts,
    vm: &VmName,
    place: &Place,
    mut paths: Vec<String>,
) -> (VmName, Vec<String>) {
    let folder = on_host(&place.datastore, &place.folder);
    let full: Vec<String> = paths
        .iter()
        .map(|path| path_on_host(path, &folder))
        .collect();
    let answer = match hosts.host(&place.host) {
        Some(host) => host.read(Lane::Control, &shell::which(&full)).await.ok(),
        None => None,
    };
    let there = answer.and_then(|output| shell::parse_which(&output, paths.len()).ok());
    let mut there = there.unwrap_or_default().into_iter();
    paths.retain(|_| there.next() == Some(true));
    (vm.clone(), paths)
}
