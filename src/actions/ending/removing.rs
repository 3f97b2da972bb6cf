//! What the run placed in a folder is removed, and the folder that it made.

use crate::engine::{ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::shell;
use crate::plan::{Placed, Risk};
use crate::vmfiles::{FileKind, is_flat, snapshot_of};

use super::super::answer::{blocked, done, needed, shown};
use super::super::place::file_name;
use super::super::words::count;
use super::LEFT;
use super::files::{EndFiles, Seen};

/// Names that a run gives to work it has in hand. Files of before the run are not among them.
const WORK: [&str; 5] = ["part", "clone", "source", "new", "undone"];

impl EndFiles<'_> {
    /// Names in the folder that came by the run.
    pub(super) fn doomed(&self, placed: &Placed, seen: &Seen) -> Vec<String> {
        let mark = seen.run.mark();
        let own = |name: &String| {
            self.is_placed(placed, name, seen)
                || is_work(name, &mark)
                || (placed.made && is_left_by_vm(name))
        };
        let names = seen.entries.iter().map(|(name, _)| name);
        names.filter(|name| own(name)).cloned().collect()
    }

    /// The run placed the file of that name: where its last rename was not seen to take effect, what
    /// it renamed is not there any more.
    fn is_placed(&self, placed: &Placed, name: &str, seen: &Seen) -> bool {
        let path = self.at.file_path(name);
        let mut files = placed.files.iter().filter(|file| file.path == path);
        files.any(|file| {
            let part = file.part.as_ref();
            part.is_none_or(|part| seen.has(part).is_none())
        })
    }

    /// Nobody knows whether a rename took effect, and both what it was to rename and a file of that name
    /// are there: that one is somebody else's, as long as the other shows it.
    fn unclear(&self, placed: &Placed, seen: &Seen) -> Option<Fault> {
        let (path, part) = placed.files.iter().find_map(|file| {
            let part = file.part.as_ref().filter(|part| seen.has(part).is_some())?;
            seen.has(&file.path).map(|_| (&file.path, part))
        })?;
        Some(Fault::new(
            format!(
                "{part} was to get the name {path}, and a file of that name is there beside it"
            ),
            self.at.host.as_str(),
            "nothing was removed",
            // While both are there, one shows whose the other is: with that alone gone it would go, too.
            format!(
                "find out whose {path} is: if it is not the run's, move it to another folder; if it is, remove both \
                 by hand; then retry"
            ),
        ))
    }

    /// A flat disk that is not as large as the one that the run placed: it may be another. Others grow
    /// while their VM runs.
    fn changed(&self, placed: &Placed, seen: &Seen) -> Option<Fault> {
        let (file, was, is) = placed.files.iter().find_map(|file| {
            let (was, is) = (file.bytes?, seen.size(&file.path)?);
            let name = file_name(&file.path)?;
            let is_disk = is_flat(name, was) && self.is_placed(placed, name, seen);
            (is_disk && was != is).then_some((&file.path, was, is))
        })?;
        Some(Fault::new(
            format!(
                "{file} has another size than the disk that the run placed: {is} bytes, not {was}"
            ),
            self.at.host.as_str(),
            "nothing was removed",
            "find out whose it is; remove by hand what is not needed, then retry, or skip the step",
        ))
    }

    /// Names in the folder that others put there, beside those that go.
    pub(super) fn others<'s>(doomed: &[String], seen: &'s Seen) -> Vec<&'s str> {
        let names = seen.entries.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| !doomed.iter().any(|own| own == name))
            .collect()
    }

    /// The run made the folder, and nothing of others is in it.
    pub(super) fn folder_goes(placed: &Placed, others: &[&str], seen: &Seen) -> bool {
        placed.made && seen.folder && others.is_empty()
    }

    pub(super) fn remove(&self, placed: &Placed, seen: &Seen) -> ProbeAnswer {
        let folder = self.at.folder_path();
        if let Some(fault) = self.unclear(placed, seen) {
            return blocked(fault.what.clone(), fault, &[LEFT]);
        }
        let doomed = self.doomed(placed, seen);
        let others = Self::others(&doomed, seen);
        let folder_goes = Self::folder_goes(placed, &others, seen);
        if doomed.is_empty() && !folder_goes {
            let mut evidence = vec![format!("nothing that the run placed is in {folder}")];
            if placed.made && seen.folder {
                evidence.push(format!("others' files keep it: {}", others.join(", ")));
            }
            return done(evidence.join("; "), evidence);
        }
        let found = format!(
            "{} of the run in {folder}, {} of others",
            count(doomed.len(), "file"),
            others.len()
        );
        // Work files are no part of a VM, so the one that lives on in the folder keeps none of them.
        let mark = seen.run.mark();
        let is_vms = |name: &String| !name.contains(&mark);
        let in_use = folder_goes || doomed.iter().any(is_vms);
        if let Some(kept) = seen.later.as_ref().filter(|_| in_use) {
            let fault = kept.fault(&self.at, format!("{found}; nothing was removed"));
            return blocked(found, fault, &[LEFT]);
        }
        if let Some(fault) = self.changed(placed, seen) {
            return blocked(found, fault, &[LEFT]);
        }
        if let Some(answer) = seen.unlisted.blocks(&self.at, LEFT).filter(|_| in_use) {
            return answer;
        }
        // What came for a VM that has its files of before again is no part of it any more.
        let is_used = |name: &&String| {
            let used = seen.used.as_ref();
            !self.is_placed(placed, name, seen) || used.is_none_or(|used| used.contains(*name))
        };
        let of_entry = folder_goes || doomed.iter().filter(is_used).any(is_vms);
        let has_entry = of_entry && !seen.registered.is_empty();
        if has_entry || (in_use && seen.unlisted.invalid.is_some()) {
            let fault = Fault::new(
                format!("a VM is registered from {folder}, so its files stay"),
                self.at.host.as_str(),
                format!("{found}; nothing was removed"),
                "unregister it first (retry that step, or by hand), then retry",
            );
            return blocked(found, fault, &[LEFT]);
        }
        let mut proposal = self.removal(placed, &doomed, &others, folder_goes);
        if in_use && seen.doubtful {
            proposal.changes.push(
                "some lines of the inventory could not be read: look that no VM has these files"
                    .to_owned(),
            );
        }
        needed(found, proposal)
    }

    fn removal(
        &self,
        placed: &Placed,
        doomed: &[String],
        others: &[&str],
        folder_goes: bool,
    ) -> Proposal {
        let (folder, host) = (self.at.folder_path(), &self.at.host);
        let mut changes = vec![format!(
            "{} of {} on {host} are removed from {folder}",
            count(doomed.len(), "file"),
            self.at.vm
        )];
        if placed.typed {
            changes.push(format!(
                "{} has run from them: what it wrote since may be nowhere else",
                self.at.vm
            ));
        }
        if !others.is_empty() {
            changes.push(format!(
                "these stay, the run did not place them: {}",
                others.join(", ")
            ));
        }
        let remove = |name: &String| shown(host, &shell::remove_file(&self.at.file_path(name)));
        let mut commands: Vec<ShownCommand> = doomed.iter().map(remove).collect();
        if folder_goes {
            changes.push("the folder is removed: the run made it".to_owned());
            commands.push(shown(host, &shell::remove_empty_folder(&folder)));
        }
        let typed = placed.typed.then(|| self.at.vm.to_string());
        Proposal {
            changes,
            commands,
            then: format!("nothing that the run placed is in {folder}"),
            risk: Some(if typed.is_some() {
                Risk::Typed
            } else {
                Risk::Write
            }),
            typed,
            ..Proposal::default()
        }
    }
}

fn is_work(name: &str, mark: &str) -> bool {
    let suffix = name.split_once(mark).map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| WORK.iter().any(|work| suffix.starts_with(work)))
}

/// Whether a host makes files of such a name beside a VM that is registered or runs.
fn is_left_by_vm(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".vmdk").unwrap_or(&lower);
    let tail = stem.rsplit_once('-').map_or("", |(_, tail)| tail);
    match FileKind::of(name) {
        FileKind::Nvram
        | FileKind::Vmsd
        | FileKind::State
        | FileKind::Log
        | FileKind::LeftBehind(_) => true,
        // Of a snapshot: the run places disks without any.
        FileKind::Descriptor => snapshot_of(&lower).is_some(),
        FileKind::Extent => matches!(tail, "delta" | "sesparse"),
        FileKind::Vmx | FileKind::Other => {
            lower.ends_with(".vmxf") || lower.starts_with("vmware-vmx-zdump")
        }
    }
}
