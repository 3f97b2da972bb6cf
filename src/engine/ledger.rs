//! The ledger: everything that a run made or changed at the sites, in the order in which it did, and
//! what of it is gone again or given back. Pure: read from the run's facts and from the commands that
//! it announced.
//!
//! What a command was announced for counts from then on, whether or not a fact ever said that it
//! worked: a console that died in between leaves its work behind all the same. And what the run found
//! as it wanted it, without a command of its own, is not the run's.

mod announced;
mod work;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::event::Chapter;
use super::fact::{AutostartEntry, Fact};
use super::state::{Op, OpStatus, RunState};
use super::step::Status;
use crate::names::{HostName, StepId, VmName};
use announced::Announced;
use work::{Work, has_ended_well};

/// Something that the run made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A folder that was made.
    Folder(String),
    /// A file that was placed.
    File(String),
    /// A file of before the run that was renamed aside.
    Original {
        /// Its name before.
        path: String,
        /// Its name now.
        aside: String,
        /// Its size when it was renamed, where that was noted.
        bytes: Option<u64>,
    },
    /// Files under names of the run's own, in a folder: what is half done.
    Workfiles(String),
    /// A VM that was entered into the inventory, by its .vmx.
    Registered(String),
    /// A VM that was taken out of the inventory.
    Unregistered,
    /// A VM that was started.
    Started,
    /// A VM that ran and was stopped.
    Stopped,
    /// An expendable VM that ran and was stopped to free capacity, by its .vmx.
    Freed(String),
    /// An autostart entry that was taken away.
    Autostart(AutostartEntry),
    /// A port group that was made.
    PortGroup {
        /// Its name.
        name: String,
        /// On which switch.
        vswitch: String,
    },
    /// A virtual switch that was made.
    Vswitch(String),
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where.
    pub host: HostName,
    /// Of which VM, where it is one's.
    pub vm: Option<VmName>,
    /// What.
    pub thing: Thing,
    /// Since when.
    pub since: Timestamp,
    /// By which step.
    pub step: Option<StepId>,
    /// A command was announced for it, and nothing was seen of it yet.
    pub announced: bool,
    /// A drill's cleanup left it where it is, for a live restore to start from.
    pub kept: bool,
    /// When it was seen gone again, or given back.
    pub gone: Option<Timestamp>,
}

impl Item {
    /// What it is, in the ledger's words: [`Fact::Gone`] speaks of it by them.
    #[must_use]
    pub fn what(&self) -> String {
        let vm = self.vm.as_ref().map_or("", |vm| vm.as_str());
        match &self.thing {
            Thing::Folder(path) => format!("folder {path}"),
            Thing::File(path) => format!("file {path}"),
            Thing::Original { path, aside, .. } => {
                format!("original {path}, renamed to {}", name_of(aside))
            }
            Thing::Workfiles(folder) => format!("work files of the run in {folder}"),
            Thing::Registered(vmx) => format!("{vm} registered from {vmx}"),
            Thing::Unregistered => format!("{vm} taken out of the inventory"),
            Thing::Started => format!("{vm} powered on"),
            Thing::Stopped => format!("{vm} stopped"),
            Thing::Freed(vmx) => format!("{vm} ({vmx}) stopped to free capacity"),
            Thing::Autostart(_) => format!("autostart entry of {vm}, taken away"),
            Thing::PortGroup { name, vswitch } => format!("port group {name} on {vswitch}"),
            Thing::Vswitch(name) => format!("virtual switch {name}"),
        }
    }

    /// It stands as the run left it.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.gone.is_none()
    }

    /// The folder that it lies in, or is, where it is one or a file.
    fn place(&self) -> Option<&str> {
        match &self.thing {
            Thing::Folder(folder) | Thing::Workfiles(folder) => Some(folder),
            Thing::File(path) | Thing::Original { aside: path, .. } => Some(folder_of(path)),
            _ => None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && self.vm == other.vm && self.what() == other.what()
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.announced {
            " (announced, not seen)"
        } else {
            ""
        };
        let kept = if self.kept {
            " (kept for going live)"
        } else {
            ""
        };
        write!(f, "{}: {}{doubt}{kept}", self.host, self.what())
    }
}

/// What a path is in; nothing for a bare name.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Everything that a run made or changed, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Its lines.
    pub items: Vec<Item>,
    /// Files that commands of the run brought under their final names.
    brought: BTreeSet<(HostName, String)>,
    /// Names of the run's own under which something may lie.
    work: Work,
    /// Where steps of the run saw a VM on, whoever started it.
    ran: BTreeSet<(HostName, VmName)>,
}

/// What a run's journal says at one point.
enum Line<'a> {
    Said(&'a Fact, Option<&'a StepId>),
    Sent(Announced, &'a Op),
}

impl Ledger {
    /// The ledger of a run.
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let facts = state
            .facts
            .iter()
            .map(|found| (found.at, Line::Said(&found.fact, found.step.as_ref())));
        let mark = mark(state);
        let counts = |op: &&Op| {
            op.status != OpStatus::NotSent
                && !is_sites_own(&op.step)
                // What they start again is told by facts, an undo's too.
                && !matches!(op.step.verb(), "free_capacity" | "return_capacity")
        };
        let sent = state.ops.values().filter(counts).flat_map(|op| {
            // A chapter brings nothing; what it replaces lies under a name of the run's own for a while.
            let own = Chapter::of(&op.step).is_none();
            let announced = announced::of(&op.command, &mark).into_iter();
            let counted = announced.filter(move |announced| own || announced.is_of_work());
            counted.map(|announced| (op.intended, Line::Sent(announced, op)))
        });
        let mut lines: Vec<(Timestamp, Line<'_>)> = sent.chain(facts).collect();
        // A command before the fact of the same moment that tells of it.
        lines.sort_by_key(|(at, _)| *at);
        let mut ledger = Self {
            work: Work::new(&mark),
            ..Self::default()
        };
        for (at, line) in lines {
            match line {
                Line::Sent(Announced::Settled { path, replies }, op) => {
                    if has_ended_well(state, op, replies) {
                        ledger.work.settle(&op.host, &path);
                    }
                }
                Line::Sent(announced, op) => ledger.sent(at, announced, op),
                Line::Said(fact, step) => {
                    ledger.said(at, fact, step);
                    ledger.ran(at, fact, step, state);
                }
            }
        }
        ledger.forget_settled_work();
        ledger.take_undone(state);
        ledger.take_unregistered(state);
        ledger
    }

    /// What stands as the run left it.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.iter().filter(|item| item.stands())
    }

    /// Whether the VM has run there in this run, be it off by now and whoever started it: what it has
    /// run from may hold data.
    #[must_use]
    pub fn has_run(&self, vm: &VmName, host: &HostName) -> bool {
        self.is_started(vm, host) || self.ran.contains(&(host.clone(), vm.clone()))
    }

    fn is_started(&self, vm: &VmName, host: &HostName) -> bool {
        self.items.iter().any(|item| {
            item.thing == Thing::Started && item.vm.as_ref() == Some(vm) && item.host == *host
        })
    }

    /// Whether an original is a file of before the run: one that the run placed or edited before is
    /// its own.
    #[must_use]
    pub fn is_of_before(&self, original: &Item) -> bool {
        let Thing::Original { path, .. } = &original.thing else {
            return false;
        };
        let earlier = self.items.iter().take_while(|item| *item != original);
        !earlier.filter(|item| item.host == original.host).any(|item| {
            matches!(&item.thing, Thing::File(other) | Thing::Original { path: other, .. } if other == path)
        })
    }

    fn sent(&mut self, at: Timestamp, announced: Announced, op: &Op) {
        let Op { host, step, .. } = op;
        let vm = VmName::from(step.subject());
        let (thing, vm) = match announced {
            Announced::Register(vmx) => (Thing::Registered(vmx), Some(vm)),
            Announced::Unregister => {
                self.unregistered(at, host, &vm, step);
                return;
            }
            Announced::PowerOn => (Thing::Started, Some(vm)),
            Announced::PortGroup { name, vswitch } => (Thing::PortGroup { name, vswitch }, None),
            Announced::Vswitch(name) => (Thing::Vswitch(name), None),
            Announced::Aside { path, aside } => {
                let bytes = None;
                (Thing::Original { path, aside, bytes }, Some(vm))
            }
            Announced::Work(path) => {
                let folder = self.work.add(host, path);
                (Thing::Workfiles(folder), Some(vm))
            }
            Announced::Final(path) => {
                self.brought.insert((host.clone(), path));
                return;
            }
            // Told by itself, once its command has ended well.
            Announced::Settled { .. } => return,
        };
        self.add(at, host.clone(), vm, thing, Some(step), true);
    }

    /// Folders in which every file of the run's own got its final name, or was removed, hold none.
    fn forget_settled_work(&mut self) {
        let Self { items, work, .. } = self;
        items.retain(|item| match &item.thing {
            Thing::Workfiles(folder) => work.is_in(&item.host, folder),
            _ => true,
        });
    }

    /// A VM that the run had entered leaves the inventory only when that was seen; one that was there
    /// before is to be entered again.
    fn unregistered(&mut self, at: Timestamp, host: &HostName, vm: &VmName, step: &StepId) {
        let of_run = self.items.iter().any(|item| {
            matches!(item.thing, Thing::Registered(_))
                && item.host == *host
                && item.vm.as_ref() == Some(vm)
        });
        if !of_run {
            let vm = Some(vm.clone());
            self.add(at, host.clone(), vm, Thing::Unregistered, Some(step), true);
        }
    }

    /// A VM that the run had started is not one that it stopped.
    fn stopped(&mut self, at: Timestamp, host: &HostName, vm: &VmName, step: Option<&StepId>) {
        if !self.is_started(vm, host) {
            let (host, vm) = (host.clone(), Some(vm.clone()));
            self.add(at, host, vm, Thing::Stopped, step, true);
        }
    }

    fn said(&mut self, at: Timestamp, fact: &Fact, step: Option<&StepId>) {
        match fact {
            Fact::FolderMade { host, path } => {
                let vm = step.map(|step| VmName::from(step.subject()));
                self.add(
                    at,
                    host.clone(),
                    vm,
                    Thing::Folder(path.clone()),
                    step,
                    false,
                );
            }
            Fact::FilePlaced { vm, host, path, .. } if self.is_brought(host, path) => {
                let (host, vm) = (host.clone(), Some(vm.clone()));
                self.add(at, host, vm, Thing::File(path.clone()), step, false);
            }
            Fact::OriginalKept {
                vm,
                host,
                path,
                aside,
                bytes,
            } => {
                let thing = Thing::Original {
                    path: path.clone(),
                    aside: aside.clone(),
                    bytes: *bytes,
                };
                self.add(at, host.clone(), Some(vm.clone()), thing, step, false);
            }
            Fact::AutostartRemoved { vm, host, entry } => {
                let thing = Thing::Autostart(entry.clone());
                self.add(at, host.clone(), Some(vm.clone()), thing, step, false);
            }
            Fact::VswitchMade { host, name } => {
                let thing = Thing::Vswitch(name.clone());
                self.add(at, host.clone(), None, thing, step, false);
            }
            Fact::PortGroupMade {
                host,
                name,
                vswitch,
                ..
            } => {
                let thing = Thing::PortGroup {
                    name: name.clone(),
                    vswitch: vswitch.clone(),
                };
                self.add(at, host.clone(), None, thing, step, false);
            }
            Fact::StopWanted { vm, host, vmx } => {
                if step.is_some_and(|step| step.verb() == "free_capacity") {
                    let (thing, vm) = (Thing::Freed(vmx.clone()), Some(vm.clone()));
                    self.add(at, host.clone(), vm, thing, step, true);
                } else {
                    self.stopped(at, host, vm, step);
                }
            }
            Fact::CapacityFreed {
                host, name, vmx, ..
            } => {
                let (thing, vm) = (Thing::Freed(vmx.clone()), Some(name.clone()));
                self.add(at, host.clone(), vm, thing, step, false);
            }
            Fact::Registered { vm, host, .. } => {
                self.saw(host, vm, |thing| matches!(thing, Thing::Registered(_)));
                self.end(at, host, vm, &Thing::Unregistered);
            }
            Fact::PoweredOn { vm, host } => {
                self.saw(host, vm, |thing| *thing == Thing::Started);
                self.end(at, host, vm, &Thing::Stopped);
            }
            Fact::Stopped { vm, host, .. } => {
                self.saw(host, vm, |thing| *thing == Thing::Stopped);
                self.end(at, host, vm, &Thing::Started);
            }
            Fact::DisksKept { host, folder, .. } => {
                let mut items = self.items.iter_mut();
                let here = |item: &&mut Item| {
                    item.host == *host && item.place() == Some(folder.as_str()) && item.stands()
                };
                items
                    .by_ref()
                    .filter(here)
                    .for_each(|item| item.kept = true);
            }
            Fact::Gone { host, what } => self.gone(at, host, what),
            _ => {}
        }
    }

    /// What a person started as a step of the run is the run's, to be stopped again; what was found on
    /// is not.
    fn ran(&mut self, at: Timestamp, fact: &Fact, step: Option<&StepId>, state: &RunState) {
        let (Fact::PoweredOn { vm, host }, Some(step)) = (fact, step) else {
            return;
        };
        if Chapter::of(step).is_some() {
            return;
        }
        self.ran.insert((host.clone(), vm.clone()));
        let by_hand = state.steps.get(step).is_some_and(|step| step.by_hand);
        if by_hand {
            let (host, vm) = (host.clone(), Some(vm.clone()));
            self.add(at, host, vm, Thing::Started, Some(step), false);
        }
    }

    /// Whether a file that is proven in its place came there by the run: one that was there and equal
    /// is told as placed, too, and is the site's.
    fn is_brought(&self, host: &HostName, path: &str) -> bool {
        let made = |item: &Item| {
            let folder = path.rsplit_once('/').map(|(folder, _)| folder);
            item.host == *host
                && matches!(&item.thing, Thing::Folder(made) if Some(made.as_str()) == folder)
        };
        self.brought.contains(&(host.clone(), path.to_owned())) || self.items.iter().any(made)
    }

    fn add(
        &mut self,
        at: Timestamp,
        host: HostName,
        vm: Option<VmName>,
        thing: Thing,
        step: Option<&StepId>,
        announced: bool,
    ) {
        let item = Item {
            host,
            vm,
            thing,
            since: at,
            step: step.cloned(),
            announced,
            kept: false,
            gone: None,
        };
        match self.items.iter_mut().rfind(|known| known.is_same(&item)) {
            Some(known) if known.stands() => {
                if matches!(item.thing, Thing::Freed(_)) {
                    // Started by hand in between: the step that stopped it last is to give it back.
                    known.step = item.step;
                }
                if !announced {
                    known.thing = item.thing;
                }
                known.announced &= announced;
            }
            _ => self.items.push(item),
        }
    }

    fn saw(&mut self, host: &HostName, vm: &VmName, is: impl Fn(&Thing) -> bool) {
        for item in &mut self.items {
            if item.host == *host && item.vm.as_ref() == Some(vm) && is(&item.thing) {
                item.announced = false;
            }
        }
    }

    fn end(&mut self, at: Timestamp, host: &HostName, vm: &VmName, thing: &Thing) {
        for item in &mut self.items {
            if item.host == *host && item.vm.as_ref() == Some(vm) && item.thing == *thing {
                item.gone.get_or_insert(at);
            }
        }
    }

    fn gone(&mut self, at: Timestamp, host: &HostName, what: &str) {
        for item in &mut self.items {
            if item.host == *host && item.what() == what {
                item.gone.get_or_insert(at);
            }
        }
    }

    /// What a step had done is gone where that step was taken back. Work files are not: taking back
    /// gives names of the run's own to what it replaces.
    fn take_undone(&mut self, state: &RunState) {
        let goes = |item: &&mut Item| !matches!(item.thing, Thing::Workfiles(_));
        for item in self.items.iter_mut().filter(goes) {
            let step = item.step.as_ref().and_then(|id| state.steps.get(id));
            if let Some(step) = step.filter(|step| step.status == Status::Undone) {
                item.gone = item.gone.or(step.ended);
            }
        }
    }

    /// Entries of the run's that an `unregister` of its own took out: the step is done, so that was seen.
    fn take_unregistered(&mut self, state: &RunState) {
        for (id, step) in &state.steps {
            let is_done = matches!(step.status, Status::Done | Status::AlreadyDone);
            let is_out = is_done && id.verb() == "unregister";
            let ops = state.ops.values().filter(|op| is_out && op.step == *id);
            for op in ops {
                let of_step = |item: &&mut Item| {
                    matches!(item.thing, Thing::Registered(_))
                        && item.host == op.host
                        && item
                            .vm
                            .as_ref()
                            .is_some_and(|vm| vm.as_str() == id.subject())
                        && item.since < op.intended
                };
                for item in self.items.iter_mut().filter(of_step) {
                    item.gone = item.gone.or(step.ended);
                }
            }
        }
    }
}

/// What stands in every name that a run gives to a file for itself.
fn mark(state: &RunState) -> String {
    let run = state.info.as_ref().map_or("", |info| info.run.as_str());
    format!(".lifeboat-{run}-")
}

/// Whether the commands of a step are the runbook's own words. What they do is known to the site
/// alone, however much they look like what a verb sends.
fn is_sites_own(step: &StepId) -> bool {
    matches!(step.verb(), "command" | "restore_files")
}

#[cfg(test)]
mod tests;
