//! What `copy_back` and `replicate` share: what of a VM's files has to travel to the other site, on
//! which way it gets its place there, and what a person is told of it before.
//!
//! A disk that lies at the target already is not sent anew: a clone of it is patched with what
//! differs; nor is one that the VM has there in another folder. Where a clone has no room, the disk itself can be patched, which loses what it was; that
//! takes a word of its own, typed.

pub(super) mod rest;
mod way;

use crate::engine::{ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::commands::{DiskFormat, clone_disk};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell::{self, FileStat};
use crate::transfer::{
    self, Base, Delivery, Folder, Item, Landing, Observed, Seeds, Standing, VmFiles,
};
use crate::vmfiles::Change;

use super::answer::blocked;
use super::arrivals::Arrivals;
use super::configuration::{self, Content};
use super::context::Ctx;
use super::elsewhere::Elsewhere;
use super::moving;
use super::ownership::{Ownership, Told, copy_line};
use super::place::VmAt;
use super::replacing;
use super::store::{self, Store};
use super::words::{count, size};

pub use way::{Need, Way, way};

/// What travels, and how it gets its place.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub items: Vec<Item>,
    /// What the .vmx that comes says otherwise than the one where it comes from.
    pub renamed: Vec<Change>,
    /// Disks of the VM elsewhere at the target, of which files are made.
    pub seeds: Seeds,
    /// What is at the target, disks unread.
    pub found: Observed,
    pub way: Way,
    pub commands: Vec<ShownCommand>,
    /// Bytes that travel at most: what the files take where they lie, without those that are equal.
    pub most: u64,
    pub mover: &'static str,
}

impl Load {
    /// Looks at both ends; `there` is the .vmx at the target, where there is one. Files that this step has
    /// placed already are taken as they were proven.
    ///
    /// # Errors
    /// One of the ends could not be looked at.
    pub async fn look(
        ctx: &Ctx,
        to: &VmAt,
        from: Folder,
        files: VmFiles,
        there: Option<&Content>,
        (arrivals, store): (&Arrivals, &Store),
    ) -> Result<Self, Fault> {
        let mut delivery = delivery(ctx, to, from, files.items, Landing::Patch)?;
        let elsewhere =
            Elsewhere::look(ctx, to, &delivery, (there, &files.slots), arrivals).await?;
        delivery.seeds = elsewhere.seeds;
        let mut found = delivery.glance().await?;
        found.files.extend(arrivals.observed().files);
        let taken = moving::allocated(ctx, &delivery).await;
        let open = |item: &&Item| !matches!(found.standing(&item.name), Standing::Whole(..));
        let source = |item: &Item| {
            let own = taken.get(&item.at).copied();
            own.unwrap_or(item.bytes).min(item.bytes)
        };
        let here = |name: &str| -> Option<u64> {
            let (_, stat) = arrivals.entries.iter().find(|(its, _)| its == name)?;
            stat.map(|stat: FileStat| stat.allocated)
        };
        let needs: Vec<Need> = delivery
            .items
            .iter()
            .filter(open)
            .map(|item| {
                let begun = here(&delivery.to.part_name(&item.name));
                let base = matches!(found.bases.get(&item.name), Some(Ok(_)));
                let base = here(&item.name).filter(|_| base);
                match elsewhere.takes.get(&item.name) {
                    // A clone of it takes its room whatever is done with what is there.
                    Some(clone) => Need::of(source(item).max(*clone), begun, None),
                    None => Need::of(source(item), begun, base),
                }
            })
            .collect();
        let free = match store {
            Store::Here { free, .. } => *free,
            Store::Missing(_) | Store::Objects(_) | Store::Changed { .. } => 0,
        };
        let way = way(&needs, free.saturating_add(left_behind(arrivals)));
        delivery.landing = way.landing();
        let commands = moving::changing(delivery.to.host.name(), delivery.preview(&found));
        Ok(Self {
            most: delivery.items.iter().filter(open).map(source).sum(),
            mover: delivery.mover().as_str(),
            items: delivery.items,
            renamed: files.renamed,
            seeds: delivery.seeds,
            found,
            way,
            commands,
        })
    }

    /// The delivery as it was shown.
    ///
    /// # Errors
    /// The run has no such host.
    pub fn delivery(&self, ctx: &Ctx, to: &VmAt, from: Folder) -> Result<Delivery, Fault> {
        let mut delivery = delivery(ctx, to, from, self.items.clone(), self.way.landing())?;
        delivery.seeds = self.seeds.clone();
        Ok(delivery)
    }

    /// Why it cannot be done: there is no room.
    pub fn no_room(&self, at: &VmAt) -> Option<Fault> {
        match self.way {
            Way::NoRoom { needed, free } => Some(store::no_room(at, needed, free)),
            Way::Clone | Way::InPlace => None,
        }
    }

    /// The word to type where what is there gets lost.
    pub fn typed(&self, at: &VmAt) -> Option<String> {
        (self.way == Way::InPlace).then(|| format!("{} in place", at.vm))
    }

    /// What changes at the target, file by file. `read` is where the files are read.
    pub fn changes(&self, from: &VmAt, read: &str, to: &VmAt) -> Vec<String> {
        let bytes = self
            .items
            .iter()
            .fold(0, |sum: u64, item| sum.saturating_add(item.bytes));
        let mut changes = vec![format!(
            "{} in {} from {} to {}, {}; at most {} travel, of a disk that is there only the blocks that differ",
            count(self.items.len(), "file"),
            size(bytes),
            read,
            to.host,
            self.mover,
            size(self.most)
        )];
        for item in &self.items {
            self.change(item, &mut changes);
        }
        self.rename(from, to, &mut changes);
        if self.way == Way::InPlace {
            changes.push(format!(
                "there is no room for a clone: the disks in {} are written to themselves. What they were is lost with \
                 the first byte, and until the end the only whole copy of {} is the one on {}",
                to.folder_path(),
                to.vm,
                read
            ));
        }
        changes
    }

    /// What the .vmx says otherwise, because all disks come into one folder.
    fn rename(&self, from: &VmAt, to: &VmAt, changes: &mut Vec<String>) {
        if self.renamed.is_empty() {
            return;
        }
        changes.push(format!(
            "{} has disks outside {} on {}: all of them come into {}, and its .vmx comes with their names there:",
            from.vm,
            from.folder_path(),
            from.host,
            to.folder_path()
        ));
        changes.extend(self.renamed.iter().flat_map(replacing::signed));
    }

    fn change(&self, item: &Item, changes: &mut Vec<String>) {
        let name = if item.at.starts_with('/') && item.at.rsplit('/').next() != Some(&item.name) {
            format!("{} (there {})", item.name, item.at)
        } else {
            item.name.clone()
        };
        let bytes = size(item.bytes);
        let standing = self.found.standing(&item.name);
        let base = self.found.bases.get(&item.name);
        let mut aside = standing == Standing::Different;
        match (standing, base) {
            (Standing::Whole(..), _) => {
                changes.push(format!("{name} ({bytes}) is there and equal: it stays"));
            }
            (_, Some(Ok(base))) if self.way == Way::InPlace => {
                aside = false;
                changes.push(format!("- {name} there now is overwritten{}", of(base)));
                changes.push(format!("+ {name} ({bytes}): the blocks that differ"));
            }
            (_, Some(Ok(base))) => changes.push(format!(
                "+ {name} ({bytes}): the blocks that differ, into a clone of the one there{}",
                of(base)
            )),
            (_, Some(Err(why))) => changes.push(format!("+ {name} ({bytes}), whole: it {why}")),
            (_, None) => match self.seeds.get(&item.name) {
                Some(seed) => changes.push(format!(
                    "+ {name} ({bytes}): the blocks that differ, into a clone of {}, which stays and is used no more",
                    seed.descriptor
                )),
                None => changes.push(format!("+ {name} ({bytes})")),
            },
        }
        if aside {
            let unless = if matches!(base, Some(Ok(_))) {
                ", unless it proves equal"
            } else {
                ""
            };
            changes.push(format!(
                "- {name} there now is renamed aside and kept{unless}"
            ));
        }
    }
}

/// What is proposed of files that come to a place.
pub(super) fn proposal(to: &VmAt, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
    Proposal {
        changes,
        commands,
        then: format!("every file is in {}, equal to its source", to.folder_path()),
        ..Proposal::default()
    }
}

fn delivery(
    ctx: &Ctx,
    to: &VmAt,
    from: Folder,
    items: Vec<Item>,
    landing: Landing,
) -> Result<Delivery, Fault> {
    Ok(Delivery {
        from,
        items,
        to: moving::target(ctx, to)?,
        landing,
        patience: moving::patience(),
        seeds: Seeds::new(),
        survey: None,
    })
}

fn of(base: &Base) -> String {
    match base {
        Base::Disk(descriptor) => format!(" (disk {descriptor})"),
        Base::File => String::new(),
    }
}

/// Bytes of unfinished clones, which are taken away first.
fn left_behind(arrivals: &Arrivals) -> u64 {
    let mark = format!("{}clone", arrivals.mark);
    let left = arrivals
        .entries
        .iter()
        .filter(|(name, _)| name.contains(&mark));
    left.filter_map(|(_, stat)| stat.map(|stat| stat.allocated))
        .fold(0, u64::saturating_add)
}

/// Copying onto or from a VM that runs or is suspended would bring half a state.
pub(super) fn blocked_by_owner(vm: &VmAt, owner: &Ownership) -> Option<ProbeAnswer> {
    let awake = owner
        .copies()
        .find(|(_, copy)| copy.power != PowerState::Off);
    let (host, copy) = awake?;
    let found = format!("{} on {host}: {}", vm.vm, copy_line(copy));
    let (what, next) = if copy.runs() {
        (
            "runs",
            format!(
                "make sure that nobody works with it in {}, and shut it down on {host} ({}); then retry",
                owner.site,
                copy.shut_down_by()
            ),
        )
    } else {
        (
            "is suspended",
            format!("resume it in {} and shut it down; then retry", owner.site),
        )
    };
    let fault = Fault::new(
        format!(
            "{} {what} in {}, so its files cannot be copied",
            vm.vm, owner.site
        ),
        host.as_str(),
        format!("{found}; nothing was changed"),
        next,
    );
    Some(blocked(found, fault, &[]))
}

/// The host that has the VM must have told whether it runs.
///
/// # Errors
/// It did not.
pub(super) fn reached(owner: &Ownership, place: &VmAt) -> Result<(), Fault> {
    let told = owner
        .sightings
        .iter()
        .find(|seen| seen.host == place.host)
        .map(|seen| &seen.told);
    match told {
        Some(Told::Copies(_)) => Ok(()),
        Some(Told::Nothing(why) | Told::Part { why, .. }) => Err(Fault::new(
            format!("{} could not be looked at: {why}", place.who()),
            place.host.as_str(),
            "nothing was sent",
            "reach that host, then retry",
        )
        .passing()),
        Some(Told::NotAsked) | None => Err(Fault::new(
            format!("{} is not one of the hosts of {}", place.host, place.site),
            place.host.as_str(),
            "nothing was sent",
            "correct the runbook",
        )),
    }
}

/// What is sent to bring files to a place where older ones may lie, before anything is known of it.
pub(super) fn outline(to: &VmAt) -> Vec<ShownCommand> {
    let file = to.file_path("‹file›");
    let part = format!("{file}.lifeboat-‹run›-part");
    let lines = [
        shell::make_folder(&to.folder_path(), shell::Folders::Missing).line(),
        clone_disk(
            &file,
            &format!("{file}.lifeboat-‹run›-clone"),
            DiskFormat::Thin,
        )
        .line(),
        format!("write what differs of ‹file› to {part}"),
        shell::rename(&file, &format!("{file}.lifeboat-‹run›-original")).line(),
        shell::rename(&part, &file).line(),
    ];
    moving::changing(&to.host, lines)
}

/// The name of the VM's .vmx and the files that it names, from where the VM was left, or why its .vmx
/// cannot be told. `folder` is how that place is read.
///
/// # Errors
/// The host could not be asked, or a file that is needed is not there.
pub(super) async fn files_of(
    ctx: &Ctx,
    from: &VmAt,
    folder: &Folder,
) -> Result<Result<(String, VmFiles), Fault>, Fault> {
    let named = configuration::name_vmx(ctx, from.clone().with_facts(ctx)).await?;
    let Some(vmx) = named.vmx else {
        return Ok(Err(Fault::new(
            format!(
                "{} has no .vmx in {}, or several",
                from.vm,
                from.folder_path()
            ),
            from.host.as_str(),
            "nothing was changed",
            "look into that folder; name the .vmx in the runbook, then retry",
        )));
    };
    let files = transfer::vm_files(folder, &vmx).await?;
    Ok(Ok((vmx, files)))
}

/// Whether this very step has placed what it brings. It tells of its files once all of them have their
/// names, so one that it gave a name and has not told was cut off in between. One that it only began is
/// not awaited: the VM may have lost it meanwhile, and what bears the name may be what was there before.
pub(super) fn is_finished(arrivals: &Arrivals) -> bool {
    let is_there = |name: &String| arrivals.entries.iter().any(|(its, _)| its == name);
    let is_told = |name: &String| arrivals.placed.iter().any(|placed| placed.name == *name);
    let mut given = arrivals.given.iter();
    let untold = given.any(|name| is_there(name) && !is_told(name));
    !arrivals.placed.is_empty() && !untold && arrivals.missing().is_empty()
}

/// What shows that it is done.
pub(super) fn evidence(arrivals: &Arrivals) -> Vec<String> {
    let line = |file: &super::arrivals::Placed| {
        format!(
            "{} ({}), equal to its source when it arrived",
            file.name,
            size(file.bytes)
        )
    };
    arrivals.placed.iter().map(line).collect()
}

/// From what a file can be made, for tests of cards.
#[cfg(test)]
pub(super) fn based(name: &str, base: Result<Base, crate::transfer::Whole>) -> Observed {
    let mut found = Observed::default();
    found.files.insert(name.into(), Standing::Different);
    found.bases.insert(name.into(), base);
    found
}
