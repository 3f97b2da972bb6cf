//! An ESXi host's figures: five whole-host calls, and the summary of one of its VMs in turn. A host
//! whose calls take long gets two: what runs there, and something else in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::host::HostCommand;
use crate::host::{Host, HostError, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry};
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::hypervisor::esxi::version::Version;
use crate::hypervisor::esxi::{Vmid, commands};

use super::watch::Watched;
use super::{HostFigures, Running, VmFigures};

/// Polls after which a row that was no VM's is asked about again.
const AGAIN: usize = 12;

/// What is known of a host from one poll to the next.
#[derive(Debug, Default)]
pub(super) struct Known {
    turn: usize,
    rows: Rows,
    /// What it has registered; `None` before it told that, and where it told it last in no form that can
    /// be believed.
    inventory: Option<Inventory>,
    volumes: Volumes,
}

/// What a host is asked beside what runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Version,
    Summary,
    Volumes,
    Inventory,
    OneVm,
}

/// All of it, in this order.
const WHOLE: [Part; 5] = [
    Part::Version,
    Part::Summary,
    Part::Volumes,
    Part::Inventory,
    Part::OneVm,
];

/// One of it at a time, where calls take long. What is registered changes most.
const IN_TURN: [Part; 6] = [
    Part::Inventory,
    Part::OneVm,
    Part::Inventory,
    Part::Volumes,
    Part::Inventory,
    Part::Summary,
];

/// Calls that a poll of a slow host is.
pub(super) const CALLS_OF_SLOW: u32 = 2;

impl Known {
    /// What this poll asks for beside what runs.
    fn parts(&self, is_slow: bool) -> &'static [Part] {
        match (is_slow, &self.inventory) {
            (false, _) => &WHOLE,
            // Without it nothing can be made of what runs.
            (true, None) => &IN_TURN[..1],
            (true, Some(_)) => {
                let at = self.turn % IN_TURN.len();
                &IN_TURN[at..=at]
            }
        }
    }

    /// Asks for a part of what concerns the whole host.
    async fn ask(
        &mut self,
        host: &Host,
        part: Part,
        figures: &mut HostFigures,
        trouble: &mut Option<String>,
    ) -> Result<(), HostError> {
        let read = match part {
            Part::Version => {
                let started = Instant::now();
                let version = ask(host, commands::version()).await?;
                figures.round_trip = Some(started.elapsed());
                Version::parse(&version).map(|version| {
                    figures.product = format!("{} {}", version.product, version.version);
                })
            }
            Part::Summary => {
                let summary = ask(host, commands::host_summary()).await?;
                HostSummary::parse(&summary).map(|summary| take(figures, &summary))
            }
            Part::Volumes => {
                let volumes = Volumes::parse(&ask(host, commands::volumes()).await?);
                self.volumes = volumes.clone().unwrap_or_default();
                volumes.map(|volumes| figures.volumes = spaces(&volumes))
            }
            Part::Inventory => {
                let inventory = Inventory::parse(&ask(host, commands::getallvms()).await?);
                self.inventory = inventory.as_ref().ok().cloned();
                inventory.map(drop)
            }
            Part::OneVm => Ok(()),
        };
        note(trouble, read);
        Ok(())
    }
}

/// Fills the figures in; a reply that the host garbles is a trouble to show, not an error. Of a slow host
/// one part of them is asked anew, beside what runs.
///
/// # Errors
/// If the host does not answer at all.
pub(super) async fn poll(
    host: &Host,
    watched: &[Watched],
    (known, is_slow): (&mut Known, bool),
    figures: &mut HostFigures,
) -> Result<Option<String>, HostError> {
    let mut trouble = None;
    known.turn = known.turn.wrapping_add(1);
    let parts = known.parts(is_slow);
    for part in parts {
        known.ask(host, *part, figures, &mut trouble).await?;
    }
    let running = RunningVm::parse_all(&ask(host, commands::running()).await?);
    let Known {
        turn,
        rows,
        inventory,
        volumes,
    } = known;
    match (inventory, running) {
        (Some(inventory), Ok(running)) => {
            rows.forget(inventory, *turn);
            let list = List {
                inventory,
                running: &running,
                volumes,
            };
            figures.vms = list.vms(watched, rows, &figures.vms);
            figures.running = list.running();
            // Whoever ordered the poll knows when it began.
            figures.asked = Some(Timestamp::UNIX_EPOCH);
            if parts.contains(&Part::OneVm) {
                look_closer(host, watched, &list, (rows, *turn), figures).await?;
            }
        }
        (_, Err(fault)) => note(&mut trouble, Err(fault)),
        // Why it is not known has been noted.
        (None, Ok(_)) => {}
    }
    Ok(trouble)
}

/// Datastores: label, free and total bytes.
fn spaces(volumes: &Volumes) -> Vec<(String, u64, u64)> {
    let datastores = volumes.0.iter().filter(|volume| volume.is_datastore());
    let spaces = datastores.map(|volume| (volume.label.clone(), volume.free, volume.size));
    spaces.collect()
}

async fn ask(host: &Host, command: HostCommand) -> Result<Output, HostError> {
    host.read(Lane::Telemetry, &command.deadline(Duration::from_secs(30)))
        .await
}

fn note(trouble: &mut Option<String>, answer: Result<(), DriverFault>) {
    if let Err(fault) = answer {
        trouble.get_or_insert(fault.to_string());
    }
}

fn take(figures: &mut HostFigures, summary: &HostSummary) {
    figures.cpu_percent = summary
        .cpu_percent()
        .and_then(|percent| u8::try_from(percent.min(100)).ok());
    figures.memory = summary.memory_used.zip(summary.memory);
    figures.uptime = summary.uptime.map(Duration::from_secs);
}

/// What is known of rows of the inventory: a line of a VM's note may look like one, so each is
/// confirmed once by what the host tells of its number.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<(Vmid, String), bool>);

impl Rows {
    fn key(row: &InventoryEntry) -> (Vmid, String) {
        (row.vmid, row.vmx_path())
    }

    /// Whether a row is that of a VM; `None`: it was not asked yet.
    fn is_of_a_vm(&self, row: &InventoryEntry) -> Option<bool> {
        self.0.get(&Self::key(row)).copied()
    }

    fn keep(&mut self, row: &InventoryEntry, is_of_a_vm: bool) {
        self.0.insert(Self::key(row), is_of_a_vm);
    }

    /// Keeps what is still listed; now and then a row that was none is asked about again, for its
    /// number may be a VM's by now.
    fn forget(&mut self, inventory: &Inventory, turn: usize) {
        let rows: BTreeSet<_> = inventory.vms.iter().map(Self::key).collect();
        let again = turn.is_multiple_of(AGAIN);
        self.0
            .retain(|row, is_of_a_vm| rows.contains(row) && (*is_of_a_vm || !again));
    }
}

/// What a host has registered, and what of that runs.
struct List<'a> {
    inventory: &'a Inventory,
    running: &'a [RunningVm],
    volumes: &'a Volumes,
}

impl<'a> List<'a> {
    /// The entry of a VM: in its folder on its datastore; of several, one that the host confirmed.
    fn entry(&self, watched: &Watched, rows: &Rows) -> Option<&'a InventoryEntry> {
        let place = &watched.place;
        let folder = format!("{}/", place.folder);
        let is_there = |row: &&InventoryEntry| {
            let file = row.path.strip_prefix(&folder);
            let wanted = place.vmx.as_deref();
            row.datastore == self.volumes.label_of(&place.datastore)
                && file.is_some_and(|file| wanted.is_none_or(|wanted| file == wanted))
        };
        let claims = self.inventory.vms.iter().filter(is_there);
        let mut open = claims.filter(|row| rows.is_of_a_vm(row) != Some(false));
        let first = open.next()?;
        let mut all = std::iter::once(first).chain(open);
        let confirmed = all.find(|row| rows.is_of_a_vm(row) == Some(true));
        Some(confirmed.unwrap_or(first))
    }

    fn runs(&self, row: &InventoryEntry) -> bool {
        self.running.iter().any(|vm| self.is_of(vm, row))
    }

    /// A VM of the same folder and file may run from another datastore.
    fn is_of(&self, vm: &RunningVm, row: &InventoryEntry) -> bool {
        vm.is_from(&row.path, None) && self.volumes.may_be_one(&vm.config_file, &row.vmx_path())
    }

    /// Everything that runs, as it is listed.
    fn running(&self) -> Vec<Running> {
        let as_listed = |vm: &RunningVm| {
            let mut rows = self.inventory.vms.iter();
            let row = rows.find(|row| self.is_of(vm, row));
            Running {
                uuid: vm.uuid_bios.map(|uuid| uuid.to_string().replace('-', "")),
                vmid: row.map(|row| row.vmid),
                name: row.map_or(&vm.name, |row| &row.name).clone(),
            }
        };
        self.running.iter().map(as_listed).collect()
    }

    fn vms(&self, watched: &[Watched], rows: &Rows, before: &[VmFigures]) -> Vec<VmFigures> {
        let figures = |watched: &Watched| {
            let known = before.iter().find(|known| known.vm == watched.vm);
            let Some(entry) = self.entry(watched, rows) else {
                let power = "-".to_owned();
                return VmFigures {
                    vm: watched.vm.clone(),
                    power,
                    ..VmFigures::default()
                };
            };
            let is_on = self.runs(entry);
            VmFigures {
                vm: watched.vm.clone(),
                vmid: Some(entry.vmid),
                name: entry.name.clone(),
                power: if is_on { "on" } else { "off" }.to_owned(),
                question: is_on && known.is_some_and(|known| known.question),
                guest: known
                    .filter(|_| is_on)
                    .map(|known| known.guest.clone())
                    .unwrap_or_default(),
            }
        };
        watched.iter().map(figures).collect()
    }

    /// The VM whose summary is asked for in its turn: one whose row is not confirmed yet, else one that
    /// runs.
    fn in_turn(
        &self,
        watched: &[Watched],
        (rows, turn): (&Rows, usize),
        shown: &[VmFigures],
    ) -> Option<(usize, &'a InventoryEntry)> {
        let entries = watched.iter().enumerate();
        let entries = entries.filter_map(|(index, watched)| {
            let entry = self.entry(watched, rows)?;
            Some((index, entry))
        });
        let entries: Vec<_> = entries.collect();
        let is_open = |(_, row): &&(usize, &InventoryEntry)| rows.is_of_a_vm(row).is_none();
        let is_on = |(index, _): &&(usize, &InventoryEntry)| {
            shown.get(*index).is_some_and(|vm| vm.power == "on")
        };
        let mut asked: Vec<_> = entries.iter().filter(is_open).copied().collect();
        if asked.is_empty() {
            asked = entries.iter().filter(is_on).copied().collect();
        }
        asked.get(turn % asked.len().max(1)).copied()
    }
}

/// Asks for the summary of one VM, another one each time: whether its row is that of a VM, whether it
/// waits for an answer, and what its tools tell.
async fn look_closer(
    host: &Host,
    watched: &[Watched],
    list: &List<'_>,
    (rows, turn): (&mut Rows, usize),
    figures: &mut HostFigures,
) -> Result<(), HostError> {
    let Some((index, entry)) = list.in_turn(watched, (rows, turn), &figures.vms) else {
        return Ok(());
    };
    let told = ask(host, commands::summary(entry.vmid)).await?;
    let Ok(told) = entry.confirmed(VmSummary::parse(&told)) else {
        return Ok(());
    };
    rows.keep(entry, told.is_some());
    let Some(summary) = told else {
        figures.vms = list.vms(watched, rows, &figures.vms);
        return Ok(());
    };
    let Some(vm) = figures.vms.get_mut(index).filter(|vm| vm.power == "on") else {
        return Ok(());
    };
    vm.question = summary.has_question;
    vm.guest = match (summary.tools_running, summary.ip_address) {
        (true, Some(address)) => address,
        (true, None) => "tools".to_owned(),
        (false, _) => String::new(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Credential, HostConfig, Hosts, Policy, Redactor};
    use crate::hypervisor::esxi::Vmid;
    use crate::names::HostName;
    use crate::runbook::model::{HostAddress, Mode, Place};
    use crate::runbook::{self, Limits};
    use crate::sim::{Site, SiteOptions};

    fn watched(vm: &str) -> Watched {
        Watched {
            vm: vm.into(),
            place: Place {
                host: "lee-esx1".into(),
                datastore: "local1".to_owned(),
                folder: vm.to_owned(),
                vmx: None,
                disk: None,
            },
        }
    }

    fn row(vmid: u32, name: &str, datastore: &str) -> InventoryEntry {
        InventoryEntry {
            vmid: Vmid(vmid),
            name: name.to_owned(),
            datastore: datastore.to_owned(),
            path: format!("{name}/{name}.vmx"),
            guest_os: String::new(),
            version: String::new(),
        }
    }

    fn running(volume: &str, name: &str) -> RunningVm {
        RunningVm {
            world_id: 1,
            uuid_bios: None,
            config_file: format!("/vmfs/volumes/{volume}/{name}/{name}.vmx"),
            name: name.to_owned(),
        }
    }

    fn volumes() -> Volumes {
        let csv = "Free,MountPoint,Mounted,Size,Type,UUID,VolumeName,\n\
            1,/vmfs/volumes/600d-1,true,2,VMFS-6,600d-1,local1,\n\
            1,/vmfs/volumes/600d-2,true,2,VMFS-6,600d-2,local2,\n";
        Volumes::parse(&Output::of(csv)).unwrap()
    }

    fn inventory(rows: &[InventoryEntry]) -> Inventory {
        Inventory {
            vms: rows.to_vec(),
            ..Inventory::default()
        }
    }

    fn power(rows: &[InventoryEntry], runs: &[RunningVm], known: &Rows) -> Vec<String> {
        let inventory = inventory(rows);
        let volumes = volumes();
        let list = List {
            inventory: &inventory,
            running: runs,
            volumes: &volumes,
        };
        let watched = [watched("sql01"), watched("web01")];
        let shown = list.vms(&watched, known, &[]);
        shown.into_iter().map(|vm| vm.power).collect()
    }

    #[test]
    fn a_slow_host_is_asked_for_one_part_at_a_time_and_for_each_in_its_turn() {
        let mut known = Known::default();
        assert_eq!(known.parts(false), WHOLE);
        assert_eq!(known.parts(true), [Part::Inventory], "nothing is known yet");
        known.inventory = Some(Inventory::default());
        let mut asked = Vec::new();
        for _ in 0..IN_TURN.len() {
            known.turn += 1;
            let parts = known.parts(true);
            assert_eq!(
                parts.len() + 1,
                CALLS_OF_SLOW as usize,
                "what runs beside it"
            );
            asked.extend(parts);
        }
        let others = WHOLE.iter().filter(|part| **part != Part::Version);
        assert!(
            others.into_iter().all(|part| asked.contains(part)),
            "{asked:?}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_poll_of_a_slow_host_is_two_calls_and_tells_what_runs_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let loaded = runbook::load("r.yaml", text, &Limits::default()).unwrap();
        let mut options = SiteOptions::new(dir.path().join("site"));
        options.scale = 512 << 10;
        let site = Site::start(&loaded.runbook, options).await.unwrap();
        let name = HostName::from("lon-esx1");
        let endpoint = site.endpoint(&name).unwrap();
        let address = HostAddress {
            host: endpoint.address.ip().to_string(),
            port: endpoint.address.port(),
        };
        let config = HostConfig {
            auth: vec![Credential::Key(endpoint.key_file.clone())],
            host_keys: endpoint.host_keys.clone(),
            ..HostConfig::plain(name.clone(), address, endpoint.user.clone())
        };
        let policy = Policy::for_mode(Mode::Failover);
        let hosts = Hosts::new(vec![config], policy, Redactor::new());
        let (host, watched) = (hosts.host(&name).unwrap(), [watched("sql01")]);
        let sent = || {
            let log = std::fs::read_to_string(site.command_log(&name)).unwrap();
            let calls = log.lines();
            let calls = calls.filter(|line| line.contains("vim-cmd") || line.contains("esxcli"));
            calls.count()
        };
        let (mut known, mut figures) = (Known::default(), HostFigures::default());
        for is_slow in std::iter::once(false).chain([true; IN_TURN.len()]) {
            figures.asked = None;
            let before = if is_slow { sent() } else { 0 };
            let known = (&mut known, is_slow);
            let trouble = poll(&host, &watched, known, &mut figures).await.unwrap();
            assert_eq!(trouble, None);
            assert!(figures.asked.is_some() && !figures.running.is_empty());
            assert_eq!(figures.vms[0].power, "on");
            if is_slow {
                assert_eq!(sent() - before, CALLS_OF_SLOW as usize);
            }
        }
        hosts.close().await;
        site.shutdown().await;
    }

    #[test]
    fn vms_are_known_by_their_folder_and_run_by_their_file() {
        let rows = [row(3, "sql01", "local1"), row(4, "web01", "local2")];
        let runs = [running("600d-1", "sql01")];
        assert_eq!(
            power(&rows, &runs, &Rows::default()),
            ["on", "-"],
            "web01 is registered from another datastore"
        );
        // The same name runs from another datastore; one that the host does not list says nothing.
        let other = [running("600d-2", "sql01")];
        assert_eq!(power(&rows, &other, &Rows::default()), ["off", "-"]);
        let unlisted = [running("600d-3", "sql01")];
        assert_eq!(power(&rows, &unlisted, &Rows::default()), ["on", "-"]);
    }

    #[test]
    fn a_vm_is_known_on_a_datastore_that_is_named_by_its_uuid() {
        let mut by_uuid = watched("sql01");
        let rows = [row(2, "sql01", "local2"), row(3, "sql01", "local1")];
        let inventory = inventory(&rows);
        let volumes = volumes();
        let list = List {
            inventory: &inventory,
            running: &[],
            volumes: &volumes,
        };
        for (name, vmid) in [("600d-1", 3), ("600d-2", 2), ("local1", 3)] {
            by_uuid.place.datastore = name.to_owned();
            let entry = list.entry(&by_uuid, &Rows::default()).unwrap();
            assert_eq!(entry.vmid, Vmid(vmid), "{name}");
        }
    }

    #[test]
    fn what_runs_is_told_as_the_host_lists_it() {
        let mut renamed = row(12, "sql01", "local1");
        renamed.name = "sql01-new".to_owned();
        let inventory = Inventory {
            vms: vec![renamed],
            ..Inventory::default()
        };
        let volumes = volumes();
        let list = List {
            inventory: &inventory,
            running: &[running("600d-1", "sql01"), running("600d-2", "web01")],
            volumes: &volumes,
        };
        let told = list.running().into_iter().map(|vm| (vm.vmid, vm.name));
        let told: Vec<_> = told.collect();
        let (sql, web) = ("sql01-new".to_owned(), "web01".to_owned());
        assert_eq!(told, [(Some(Vmid(12)), sql), (None, web)]);
    }

    #[test]
    fn a_line_of_a_note_that_looks_like_a_row_is_found_out_and_passed_over() {
        let mut note = row(9, "sql01", "local1");
        note.path = "sql01/old.vmx".to_owned();
        let rows = [note.clone(), row(3, "sql01", "local1")];
        let runs = [running("600d-1", "sql01")];
        let mut known = Rows::default();
        assert_eq!(power(&rows, &runs, &known)[0], "off", "nobody knows yet");
        known.keep(&note, false);
        assert_eq!(power(&rows, &runs, &known)[0], "on");
        let inventory = Inventory {
            vms: rows[1..].to_vec(),
            ..Inventory::default()
        };
        known.forget(&inventory, 1);
        assert_eq!(known.is_of_a_vm(&note), None, "it is gone");
        known.keep(&rows[1], false);
        known.forget(&inventory, AGAIN + 1);
        assert_eq!(known.is_of_a_vm(&rows[1]), Some(false));
        known.forget(&inventory, AGAIN);
        assert_eq!(known.is_of_a_vm(&rows[1]), None, "it may be a VM's by now");
    }
}
