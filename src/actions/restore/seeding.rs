//! The disks that a drill's cleanup kept, as what a restore starts from: each is cloned on its host,
//! and only what differs from the restore point is sent. The drill's folder is only read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::actions::context::Ctx;
use crate::actions::datastores::{Datastores, as_listed};
use crate::actions::place::VmAt;
use crate::actions::registered::{self, Unlisted};
use crate::actions::words::{size, span};
use crate::actions::{configuration, moving};
use crate::engine::KeptFolder;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::locks::{FileLock, Lock};
use crate::hypervisor::shell::{FileKind, FileStat};
use crate::names::RunId;
use crate::transfer::{Delivery, Mover, Point, Seeds, Whole};

/// What a drill gives to the restore of one VM.
#[derive(Clone, Debug)]
pub(super) struct Seeding {
    /// The drill.
    drill: RunId,
    /// What it kept of the VM.
    kept: Result<KeptFolder, String>,
    /// The disks that are made from its own.
    pub seeds: Seeds,
    /// The disks that come whole, each with the reason.
    whole: Vec<(String, Whole)>,
    /// Bytes that clones take beyond what the files take where they come from.
    pub beyond: u64,
}

impl Seeding {
    /// Looks at what the run's drill kept of the VM; nothing where the run does not start from one.
    pub async fn look(ctx: &Ctx, at: &VmAt, delivery: &Delivery) -> Option<Self> {
        let from = ctx.state.info.as_ref()?.from_drill.as_ref()?;
        let kept = from.kept.iter().find(|kept| kept.vm == at.vm);
        let none = |why: String| Self {
            drill: from.run.clone(),
            kept: Err(why),
            seeds: Seeds::new(),
            whole: Vec::new(),
            beyond: 0,
        };
        let Some(kept) = kept else {
            return Some(none("it kept no disks of this VM".to_owned()));
        };
        let found = match beside(ctx, at, kept, delivery).await {
            Ok(there) => match Files::look(ctx, &there).await {
                Ok(files) => files.seed(ctx, &there, delivery).await,
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        let (seeds, whole, beyond) = match found {
            Ok(found) => found,
            Err(why) => return Some(none(why)),
        };
        Some(Self {
            drill: from.run.clone(),
            kept: Ok(kept.clone()),
            seeds,
            whole,
            beyond,
        })
    }

    /// There is no room for its clones: everything comes whole.
    pub fn give_up_room(&mut self) {
        let beyond = size(self.beyond);
        self.kept = Err(format!(
            "there is no room for clones of its disks, which take {beyond} more"
        ));
        (self.seeds, self.whole, self.beyond) = (Seeds::new(), Vec::new(), 0);
    }

    /// For the step card.
    pub fn lines(&self, point: &Point) -> Vec<String> {
        let drill = &self.drill;
        let kept = match &self.kept {
            Ok(kept) => kept,
            Err(why) => return vec![format!("restored whole, not from drill {drill}: {why}")],
        };
        let mut lines = Vec::new();
        if !self.seeds.is_empty() {
            lines.push(format!(
                "starts from the disks that drill {drill} kept in {}{}: they are cloned, and only the blocks that \
                 differ from this point are sent",
                kept.folder,
                brought(kept, point.stamp.time())
            ));
        }
        lines.extend(
            self.seeds
                .keys()
                .map(|name| format!("{name}: the blocks that differ, into a clone of the drill's")),
        );
        lines.extend(
            self.whole
                .iter()
                .map(|(name, why)| format!("{name} is sent whole: the drill's {why}")),
        );
        lines
    }
}

/// How old the drill's point is beside the one that is restored.
fn brought(kept: &KeptFolder, taken: Timestamp) -> String {
    let Some((stamp, then)) = &kept.point else {
        return String::new();
    };
    let between = taken.duration_since(*then);
    let words = span(between.unsigned_abs());
    if between.is_zero() {
        format!(" (brought from {stamp}, the same point)")
    } else if between.is_negative() {
        format!(" (brought from {stamp}, {words} after this point)")
    } else {
        format!(" (brought from {stamp}, {words} before this point)")
    }
}

/// The drill's folder, where it lies beside the one that is restored to.
async fn beside(
    ctx: &Ctx,
    at: &VmAt,
    kept: &KeptFolder,
    delivery: &Delivery,
) -> Result<VmAt, String> {
    let folder = format!("{}/", kept.folder);
    let there = VmAt::of_path(&ctx.runbook, at.role, (&kept.host, &at.vm), &folder);
    let there = there.ok_or_else(|| format!("{} is no place on a datastore", kept.folder))?;
    if there.host != at.host {
        return Err(format!("its disks are on {}", there.host));
    }
    let names = [&there.datastore, &at.datastore].map(String::as_str);
    let datastores = Datastores::look(ctx, &at.host, names).await;
    let datastores = datastores.map_err(unseen)?;
    if !datastores.are_one(&there.datastore, &at.datastore) {
        return Err(format!("its disks are on datastore {}", there.datastore));
    }
    if delivery.mover() == Mover::OnHost {
        return Err(
            "the restore point lies on the host itself, so that nothing is sent".to_owned(),
        );
    }
    Ok(there)
}

fn unseen(fault: Fault) -> String {
    format!("its folder could not be looked at: {}", fault.what)
}

/// What lies in the drill's folder.
struct Files(BTreeMap<String, FileStat>);

impl Files {
    /// Looks into the folder; the error says why nothing there may be used.
    async fn look(ctx: &Ctx, there: &VmAt) -> Result<Self, String> {
        let folder = there.folder_path();
        let listed = configuration::listed(ctx, there).await.map_err(unseen)?;
        let listed = listed.ok_or_else(|| format!("{folder} is gone"))?;
        let inventory = registered::inventory(ctx, &there.host, Lane::Control);
        let inventory = inventory.await.map_err(unseen)?;
        let inside = format!("{}/", there.folder);
        let datastore = as_listed(ctx, there).await.map_err(unseen)?.datastore;
        let mut rows = inventory.vms.iter();
        if rows.any(|row| row.datastore == datastore && row.path.starts_with(&inside)) {
            return Err("a VM is registered from its folder".to_owned());
        }
        let unlisted = Unlisted::look(ctx, there, &inventory.invalid).await;
        let unlisted = unlisted.map_err(unseen)?;
        if unlisted.runs || unlisted.invalid.is_some() {
            return Err("a VM runs from its folder, or is registered from there".to_owned());
        }
        let command = commands::folder_locks(&[folder]);
        let doing = "reading the locks of its files";
        let locks = ctx.read(
            &there.host,
            Lane::Control,
            &command,
            FileLock::parse_all,
            doing,
        );
        let is_held = |file: &&FileLock| !matches!(file.lock, None | Some(Lock::Free));
        if let Some(held) = locks.await.map_err(unseen)?.iter().find(is_held) {
            return Err(format!("{} is locked", held.path));
        }
        let files = listed.into_iter().filter_map(|(name, stat)| {
            let stat = stat.filter(|stat| stat.kind == FileKind::File)?;
            Some((name, stat))
        });
        Ok(Self(files.collect()))
    }

    /// Which files of the delivery can be made from what lies there.
    async fn seed(
        &self,
        ctx: &Ctx,
        there: &VmAt,
        delivery: &Delivery,
    ) -> Result<(Seeds, Vec<(String, Whole)>, u64), String> {
        let sizes = self.0.iter().map(|(name, stat)| (name.clone(), stat.size));
        let (folder, sizes) = (there.folder_path(), sizes.collect());
        let found = delivery.seeds_in(&folder, &sizes).await.map_err(unseen)?;
        if found.is_empty() {
            return Err("the restore point has no disk that could be made from one".to_owned());
        }
        let takes = moving::allocated(ctx, delivery).await;
        let (mut seeds, mut whole, mut beyond) = (Seeds::new(), Vec::new(), 0_u64);
        for (name, seed) in found {
            let seed = match seed {
                Ok(seed) => seed,
                Err(why) => {
                    whole.push((name, why));
                    continue;
                }
            };
            let item = delivery.items.iter().find(|item| item.name == name);
            let source = item.map_or(0, |item| {
                let known = takes.get(&item.at).copied();
                known.unwrap_or(item.bytes).min(item.bytes)
            });
            let clone = self.0.get(&name).map_or(0, |stat| stat.allocated);
            beyond = beyond.saturating_add(clone.saturating_sub(source));
            seeds.insert(name, seed);
        }
        Ok((seeds, whole, beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ages_of_both_points_are_told() {
        let kept = KeptFolder {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            folder: "/vmfs/volumes/local1/drill-r1-sql01".to_owned(),
            point: Some((
                "20260102T030405Z".to_owned(),
                "2026-01-02T03:04:05Z".parse().unwrap(),
            )),
        };
        for (taken, told) in [
            ("2026-01-02T05:04:05Z", "2h before this point)"),
            ("2026-01-02T03:04:05Z", "the same point)"),
            ("2026-01-01T03:04:05Z", "1d after this point)"),
        ] {
            let words = brought(&kept, taken.parse().unwrap());
            assert!(words.ends_with(told), "{words}");
        }
        let untold = KeptFolder {
            point: None,
            ..kept
        };
        assert_eq!(brought(&untold, Timestamp::UNIX_EPOCH), "");
    }
}
