//! Files: what the run placed is removed, files of before it get their names back or are deleted.

use std::collections::BTreeSet;

use crate::engine::{ProbeAnswer, Proposal, ShownCommand, Thing};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::hypervisor::shell::{self, FileStat};
use crate::names::RunId;
use crate::names::own::{Asides, UNDONE};
use crate::plan::{Aside, Close, Placed, Risk};
use crate::transfer::{Folder, vm_files};
use crate::vmfiles::{FileKind, is_flat};

use super::super::action::Action;
use super::super::answer::{Known, blocked, done, needed, shown};
use super::super::arrivals::{remove_empty, remove_named};
use super::super::context::Ctx;
use super::super::later::KeptByLater;
use super::super::link::ActError;
use super::super::place::{VmAt, file_name};
use super::super::registered::Unlisted;
use super::super::stop_lost::nothing_comes;
use super::super::store::Store;
use super::super::words::{count, size};
use super::super::{configuration, registered, replacing};
use super::{LEFT, tell_gone};

/// Names that a run gives to work it has in hand. Files of before the run are not among them.
const WORK: [&str; 5] = ["part", "clone", "source", "new", "undone"];
/// The step about one folder.
pub(in crate::actions) struct EndFiles<'a> {
    pub(super) close: &'a Close,
    pub(super) at: VmAt,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(in crate::actions) struct Seen {
    pub(super) store: Store,
    /// The folder is there.
    pub(super) folder: bool,
    pub(super) entries: Vec<(String, Option<FileStat>)>,
    /// VMs that are registered from the folder, and whether each is on.
    pub(super) registered: Vec<(Vmid, bool)>,
    /// The files of the folder that these are made of; nothing where that is not known.
    pub(super) used: Option<BTreeSet<String>>,
    /// What there is of a VM in the folder, where none is registered from it.
    pub(super) unlisted: Unlisted,
    /// Not every line of the inventory was understood.
    pub(super) doubtful: bool,
    /// That the VM runs at both sites.
    pub(super) twice: Option<String>,
    /// What a run that came later keeps in the folder.
    pub(super) later: Option<KeptByLater>,
    /// The run.
    pub(super) run: RunId,
}

impl Seen {
    fn has(&self, path: &str) -> Option<&(String, Option<FileStat>)> {
        let name = file_name(path)?;
        self.entries.iter().find(|(known, _)| known == name)
    }

    fn size(&self, path: &str) -> Option<u64> {
        self.has(path)?.1.map(|stat| stat.size)
    }
}

impl<'a> EndFiles<'a> {
    /// The step for the folder at that place, whichever .vmx lies in it.
    pub fn new(close: &'a Close, at: VmAt) -> Self {
        let at = VmAt { vmx: None, ..at };
        Self { close, at }
    }

    /// Names in the folder that came by the run.
    fn doomed(&self, placed: &Placed, seen: &Seen) -> Vec<String> {
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
    fn others<'s>(doomed: &[String], seen: &'s Seen) -> Vec<&'s str> {
        let names = seen.entries.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| !doomed.iter().any(|own| own == name))
            .collect()
    }

    /// The run made the folder, and nothing of others is in it.
    fn folder_goes(placed: &Placed, others: &[&str], seen: &Seen) -> bool {
        placed.made && seen.folder && others.is_empty()
    }

    fn remove(&self, placed: &Placed, seen: &Seen) -> ProbeAnswer {
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

    /// Those that bear the name that they got in the run; the error is a file that is nowhere.
    fn due<'o>(originals: &'o [Aside], seen: &Seen) -> Result<Vec<&'o Aside>, &'o Aside> {
        let mut due = Vec::new();
        for original in originals {
            if seen.has(&original.aside).is_some() {
                due.push(original);
                continue;
            }
            let here = seen.size(&original.path);
            let is_it = original.bytes.is_none_or(|bytes| here == Some(bytes));
            if here.is_none() || !is_it {
                return Err(original);
            }
        }
        Ok(due)
    }

    fn lost(&self, original: &Aside) -> ProbeAnswer {
        let Aside { path, aside, .. } = original;
        let found = format!("{aside} is not there, and {path} is not the file of before");
        let fault = Fault::new(
            format!("the original of {path} is not where the run left it"),
            self.at.host.as_str(),
            format!("{aside} is not there; nothing was changed"),
            "look into the folder and bring the file of before back by hand, then retry",
        );
        blocked(found, fault, &[])
    }

    fn names_back(&self, originals: &[Aside], seen: &Seen) -> ProbeAnswer {
        let due = match Self::due(originals, seen) {
            Ok(due) => due,
            Err(original) => return self.lost(original),
        };
        if due.is_empty() {
            let names = originals.iter().map(|original| original.path.as_str());
            let found = names.map(|path| format!("{path} is the file as it was"));
            let found: Vec<String> = found.collect();
            return done(found.join("; "), found);
        }
        let found = format!(
            "{} of before under names of the run",
            count(due.len(), "file")
        );
        if let Some(kept) = &seen.later {
            let fault = kept.fault(&self.at, format!("{found}; nothing was changed"));
            return blocked(found, fault, &[LEFT]);
        }
        if let Some(answer) = seen.unlisted.blocks(&self.at, LEFT) {
            return answer;
        }
        if seen.registered.iter().any(|(_, on)| *on) {
            let fault = Fault::new(
                format!("{} runs, so its files stay as they are", self.at.who()),
                self.at.host.as_str(),
                format!("{found}; nothing was changed"),
                "stop it there first (retry its stop step, or by hand), then retry",
            );
            return blocked(found, fault, &[]);
        }
        let mut commands = Vec::new();
        let mut changes = Vec::new();
        for original in due {
            let (path, aside) = (&original.path, &original.aside);
            if seen.has(path).is_some() {
                let undone = self.undone(path, seen);
                commands.push(shown(&self.at.host, &shell::rename(path, &undone)));
            }
            commands.push(shown(&self.at.host, &shell::rename(aside, path)));
            changes.push(format!(
                "{path} is the file as it was, that the run kept as {aside}"
            ));
        }
        let reload = |(vmid, _): &(Vmid, bool)| shown(&self.at.host, &commands::reload(*vmid));
        commands.extend(seen.registered.iter().map(reload));
        let proposal = Proposal {
            changes,
            commands,
            then: "every file of before has its own name".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    /// A free name for the file that the run placed under that path.
    fn undone(&self, path: &str, seen: &Seen) -> String {
        Asides::of(path, &seen.run, UNDONE).free(|name| seen.has(name).is_some())
    }

    fn originals_go(&self, originals: &[Aside], seen: &Seen) -> ProbeAnswer {
        let due: Vec<&Aside> = originals
            .iter()
            .filter(|original| seen.has(&original.aside).is_some())
            .collect();
        if due.is_empty() {
            let found = format!("{} holds no file of before", self.at.folder_path());
            return done(found.clone(), vec![found]);
        }
        let found = format!("{} of before", count(due.len(), "file"));
        if let Some(twice) = &seen.twice {
            let fault = Fault::new(
                format!(
                    "{twice}: what was kept of before may be what the copy that is to live needs"
                ),
                self.at.host.as_str(),
                format!("{found}; nothing was deleted"),
                format!(
                    "shut one copy down, and let it be seen: lifeboat watch --hosts {}; then retry",
                    seen.run
                ),
            );
            return blocked(found, fault, &[]);
        }
        let unsafe_to_go = |original: &&&Aside| {
            let other = original
                .bytes
                .is_some_and(|bytes| seen.size(&original.aside) != Some(bytes));
            other || seen.has(&original.path).is_none()
        };
        if let Some(Aside { path, aside, .. }) = due.iter().find(unsafe_to_go) {
            let fault = Fault::new(
                format!("{aside} stays: it is not as the run left it, or {path} is not there"),
                self.at.host.as_str(),
                format!("{found}; nothing was deleted"),
                "look at both files by hand; then retry, or skip the step to keep them",
            );
            return blocked(found, fault, &[]);
        }
        let line = |original: &&Aside| {
            let bytes = seen.size(&original.aside).map(size).unwrap_or_default();
            format!(
                "{} is deleted: {bytes}, {} of before",
                original.aside, original.path
            )
        };
        let remove = |original: &&Aside| shown(&self.at.host, &shell::remove_file(&original.aside));
        let proposal = Proposal {
            changes: due.iter().map(line).collect(),
            commands: due.iter().map(remove).collect(),
            then: "they are gone, and the run cannot be rolled back".to_owned(),
            risk: Some(Risk::Write),
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    /// The files of the folder that a VM with this .vmx is made of; nothing where that cannot be told.
    async fn files_of(&self, ctx: &Ctx, vmx: &str) -> Option<BTreeSet<String>> {
        if !matches!(self.close, Close::RemoveFiles { .. }) {
            return None;
        }
        let folder = Folder::On {
            host: ctx.host(&self.at.host).ok()?,
            path: self.at.folder_path(),
            lane: Lane::Control,
        };
        let files = vm_files(&folder, vmx).await.ok()?;
        let own = files
            .items
            .into_iter()
            .filter(|item| !item.at.starts_with('/'));
        Some(own.map(|item| item.at).collect())
    }

    async fn give_names_back(
        &self,
        ctx: &Ctx,
        originals: &[Aside],
        seen: &Seen,
    ) -> Result<(), ActError> {
        for original in Self::due(originals, seen).unwrap_or_default() {
            if seen.has(&original.path).is_some() {
                let undone = self.undone(&original.path, seen);
                replacing::rename(ctx, &self.at, &original.path, &undone).await?;
            }
            replacing::rename(ctx, &self.at, &original.aside, &original.path).await?;
        }
        for (vmid, _) in &seen.registered {
            let doing = format!("reloading {}", self.at.vm);
            ctx.order(
                &self.at.host,
                &commands::reload(*vmid),
                check_silent,
                &doing,
            )
            .await?;
        }
        Ok(())
    }
}

impl Action for EndFiles<'_> {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let at = &self.at;
        nothing_comes(ctx, at).await?;
        let entries = configuration::listed(ctx, at).await?;
        let inside = format!("{}/", at.folder);
        let inventory = registered::inventory(ctx, &at.host, Lane::Control).await?;
        let mut registered = Vec::new();
        let mut used = Some(BTreeSet::new());
        for row in &inventory.vms {
            if row.datastore == at.datastore && row.path.starts_with(&inside) {
                let told = registered::confirmed(ctx, &at.host, Lane::Control, row).await?;
                if let Some(now) = told {
                    registered.push((row.vmid, now.power == PowerState::On));
                    let vmx = row.path.strip_prefix(&inside).unwrap_or_default();
                    let its = self.files_of(ctx, vmx).await;
                    used = used.zip(its).map(|(known, its)| &known | &its);
                }
            }
        }
        let unlisted = if registered.is_empty() {
            Unlisted::look(ctx, at, &inventory.invalid).await?
        } else {
            Unlisted::default()
        };
        let splits = ctx.state.splits().into_iter();
        let mut splits = splits.filter(|split| split.vm == at.vm);
        let names = entries.iter().flatten().map(|(name, _)| name.as_str());
        let later = KeptByLater::find(names, ctx.run.as_str());
        Ok(Known::Is(Seen {
            later,
            store: Store::look(ctx, at).await?,
            folder: entries.is_some(),
            entries: entries.unwrap_or_default(),
            registered,
            used,
            unlisted,
            doubtful: !inventory.unread.is_empty(),
            twice: splits.next().map(|split| split.in_words()),
            run: ctx.run.clone(),
        }))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            let what = format!(
                "looks into {} on {} first",
                self.at.folder_path(),
                self.at.host
            );
            let proposal = Proposal {
                changes: vec![what],
                ..Proposal::default()
            };
            return needed("not asked", proposal);
        };
        if let Some(fault) = seen.store.fault(&self.at) {
            return blocked(fault.what.clone(), fault, &[]);
        }
        match self.close {
            Close::RemoveFiles { placed, .. } => self.remove(placed, seen),
            Close::KeepDisks { .. } => self.keep(seen),
            Close::RemoveOriginals { originals, .. } => self.originals_go(originals, seen),
            Close::NamesBack { originals, .. } => self.names_back(originals, seen),
            _ => done("nothing to do", Vec::new()),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Known::Is(seen) = seen else {
            return Ok(());
        };
        match self.close {
            Close::RemoveFiles { placed, .. } => {
                let doomed = self.doomed(placed, seen);
                remove_named(ctx, &self.at, &doomed, &seen.run.mark()).await?;
                if Self::folder_goes(placed, &Self::others(&doomed, seen), seen) {
                    remove_empty(ctx, &self.at, &self.at.folder_path()).await?;
                }
                Ok(())
            }
            Close::RemoveOriginals { originals, .. } => {
                let names = originals.iter().filter_map(|original| {
                    let (name, _) = seen.has(&original.aside)?;
                    Some(name.clone())
                });
                let names: Vec<String> = names.collect();
                // No folder is among them, so that no mark makes one the run's own.
                remove_named(ctx, &self.at, &names, "/").await?;
                Ok(())
            }
            Close::NamesBack { originals, .. } => self.give_names_back(ctx, originals, seen).await,
            _ => Ok(()),
        }
    }

    async fn settle(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let host = &self.at.host;
        let folder = seen.get().filter(|seen| !seen.folder);
        let gone = folder.map(|_| self.at.folder_path());
        tell_gone(ctx, self.close, |item| {
            matches!(&item.thing, Thing::Folder(path) if Some(path) == gone.as_ref())
                && item.host == *host
        })
        .await?;
        self.tell_kept(ctx, seen.get()).await
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
        FileKind::Descriptor => tail.len() == 6 && tail.bytes().all(|digit| digit.is_ascii_digit()),
        FileKind::Extent => matches!(tail, "delta" | "sesparse"),
        FileKind::Vmx | FileKind::Other => {
            lower.ends_with(".vmxf") || lower.starts_with("vmware-vmx-zdump")
        }
    }
}
