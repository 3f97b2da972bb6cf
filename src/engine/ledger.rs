//! The ledger: everything that a run made or changed at the sites, in the order in which it did, and
//! what of it is gone again or given back. Pure: read from the run's facts and from the commands that
//! it announced.
//!
//! What a command was announced for counts from then on, whether or not a fact ever said that it
//! worked: a console that died in between leaves its work behind all the same. And what the run found
//! as it wanted it, without a command of its own, is not the run's.

mod announced;
mod item;
mod reply;
mod told;
mod work;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::event::Chapter;
use super::fact::Fact;
use super::state::{Op, RunState};
use super::step::Status;
use crate::names::{HostName, StepId, VmName};
use crate::plan::PlacedFile;
use announced::Announced;
use work::{Work, has_ended_well};

pub use item::{Item, Thing, folder_of};

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
    seen_on: BTreeSet<(HostName, VmName)>,
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
            op.may_have_acted()
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
                Line::Sent(Announced::Settled { path, reply }, op) => {
                    if has_ended_well(state, op, reply) {
                        ledger.work.settle(&op.host, &path);
                    }
                }
                Line::Sent(announced, op) => ledger.sent(at, announced, op),
                Line::Said(fact, step) => {
                    ledger.said(at, fact, step);
                    ledger.note_seen_on(at, fact, step, state);
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
        self.was_started(vm, host) || self.seen_on.contains(&(host.clone(), vm.clone()))
    }

    /// Whether the run started the VM there, be it stopped again by now.
    fn was_started(&self, vm: &VmName, host: &HostName) -> bool {
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
        !earlier
            .filter(|item| item.host == original.host)
            .any(|item| {
                matches!(&item.thing, Thing::File(PlacedFile { path: other, .. })
                | Thing::Original { path: other, .. } if other == path)
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
            Announced::Named { path, part, reply } => match reply.took_effect(&op.status) {
                Some(false) => return,
                told => {
                    let part = told.is_none().then_some(part);
                    let bytes = None;
                    (Thing::File(PlacedFile { path, bytes, part }), Some(vm))
                }
            },
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
            let stopped = self.items.iter().rev().find_map(|item| match &item.thing {
                Thing::Stopped(vmx) if item.host == *host && item.vm.as_ref() == Some(vm) => {
                    Some(vmx.clone())
                }
                _ => None,
            });
            let (vm, thing) = (Some(vm.clone()), Thing::Unregistered(stopped));
            self.add(at, host.clone(), vm, thing, Some(step), true);
        }
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
                // Stopped once more it may be elsewhere by now.
                if !announced || matches!(item.thing, Thing::Stopped(_)) {
                    known.thing = item.thing;
                }
                known.announced &= announced;
            }
            _ => self.items.push(item),
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

    /// Entries that an `unregister` took out, the run's own and those of before: the step is done, so that
    /// was seen.
    fn take_unregistered(&mut self, state: &RunState) {
        for (id, step) in &state.steps {
            let is_done = matches!(step.status, Status::Done | Status::AlreadyDone);
            let is_out = is_done && id.verb() == "unregister";
            let ops = state.ops.values().filter(|op| is_out && op.step == *id);
            for op in ops {
                self.saw(&op.host, &VmName::from(id.subject()), |thing| {
                    matches!(thing, Thing::Unregistered(_))
                });
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

/// The final names that a command of a run gave, or may have given, to what had arrived under others.
#[must_use]
pub fn given_names(state: &RunState, op: &Op) -> Vec<String> {
    if !op.may_have_acted() {
        return Vec::new();
    }
    let announced = announced::of(&op.command, &mark(state)).into_iter();
    let given = announced.filter_map(|announced| match announced {
        Announced::Named { path, reply, .. } => {
            (reply.took_effect(&op.status) != Some(false)).then_some(path)
        }
        _ => None,
    });
    given.collect()
}

/// What stands in every name that a run gives to a file for itself.
fn mark(state: &RunState) -> String {
    let run = state.info.as_ref().map(|info| info.run.clone());
    run.unwrap_or_default().mark()
}

/// Whether the commands of a step are the runbook's own words. What they do is known to the site
/// alone, however much they look like what a verb sends.
fn is_sites_own(step: &StepId) -> bool {
    matches!(step.verb(), "command" | "restore_files")
}
