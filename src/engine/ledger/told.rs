//! What the facts of a run tell the ledger.

use jiff::Timestamp;

use crate::engine::event::Chapter;
use crate::engine::fact::Fact;
use crate::engine::state::RunState;
use crate::names::{HostName, StepId, VmName};
use crate::plan::PlacedFile;

use super::{Item, Ledger, Thing};

impl Ledger {
    pub(super) fn said(&mut self, at: Timestamp, fact: &Fact, step: Option<&StepId>) {
        if let Some((host, vm, thing)) = made(fact, step) {
            self.add(at, host.clone(), vm, thing, step, false);
            return;
        }
        match fact {
            Fact::FilePlaced {
                vm,
                host,
                path,
                bytes,
                ..
            } if self.is_brought(host, path) => {
                let (host, vm) = (host.clone(), Some(vm.clone()));
                let file = PlacedFile {
                    path: path.clone(),
                    bytes: Some(*bytes),
                    part: None,
                };
                self.add(at, host, vm, Thing::File(file), step, false);
            }
            Fact::StopWanted { vm, host, vmx } => {
                if step.is_some_and(|step| step.verb() == "free_capacity") {
                    let (thing, vm) = (Thing::Freed(vmx.clone()), Some(vm.clone()));
                    self.add(at, host.clone(), vm, thing, step, true);
                } else {
                    self.stopped(at, (host, vm), vmx, step);
                }
            }
            Fact::Registered { vm, host, .. } => {
                self.saw(host, vm, |thing| matches!(thing, Thing::Registered(_)));
                self.end(at, host, vm, |thing| {
                    matches!(thing, Thing::Unregistered(_))
                });
            }
            Fact::PoweredOn { vm, host } => {
                self.saw(host, vm, |thing| *thing == Thing::Started);
                self.end(at, host, vm, |thing| matches!(thing, Thing::Stopped(_)));
            }
            Fact::AutostartRestored { vm, host } => {
                self.end(at, host, vm, |thing| matches!(thing, Thing::Autostart(_)));
            }
            Fact::Stopped { vm, host, .. } => {
                self.saw(host, vm, |thing| matches!(thing, Thing::Stopped(_)));
                self.end(at, host, vm, |thing| *thing == Thing::Started);
            }
            Fact::DisksKept { host, folder, .. } => self.keep(host, folder),
            Fact::Gone { host, what } => self.gone(at, host, what),
            _ => {}
        }
    }

    /// What a person started as a step of the run is the run's, to be stopped again; what was found on
    /// is not.
    pub(super) fn note_seen_on(
        &mut self,
        at: Timestamp,
        fact: &Fact,
        step: Option<&StepId>,
        state: &RunState,
    ) {
        let (Fact::PoweredOn { vm, host }, Some(step)) = (fact, step) else {
            return;
        };
        if Chapter::of(step).is_some() {
            return;
        }
        self.seen_on.insert((host.clone(), vm.clone()));
        let by_hand = state.steps.get(step).is_some_and(|step| step.by_hand);
        if by_hand {
            let (host, vm) = (host.clone(), Some(vm.clone()));
            self.add(at, host, vm, Thing::Started, Some(step), false);
        }
    }

    /// A VM that the run had started is not one that it stopped.
    fn stopped(
        &mut self,
        at: Timestamp,
        (host, vm): (&HostName, &VmName),
        vmx: &str,
        step: Option<&StepId>,
    ) {
        if !self.was_started(vm, host) {
            let (host, vm) = (host.clone(), Some(vm.clone()));
            self.add(at, host, vm, Thing::Stopped(vmx.to_owned()), step, true);
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

    pub(super) fn saw(&mut self, host: &HostName, vm: &VmName, is: impl Fn(&Thing) -> bool) {
        for item in &mut self.items {
            if item.host == *host && item.vm.as_ref() == Some(vm) && is(&item.thing) {
                item.announced = false;
            }
        }
    }

    fn end(&mut self, at: Timestamp, host: &HostName, vm: &VmName, is: impl Fn(&Thing) -> bool) {
        for item in &mut self.items {
            if item.host == *host && item.vm.as_ref() == Some(vm) && is(&item.thing) {
                item.gone.get_or_insert(at);
            }
        }
    }

    /// What stands in a folder stays there, for a live restore to start from.
    fn keep(&mut self, host: &HostName, folder: &str) {
        for item in &mut self.items {
            if item.host == *host && item.place() == Some(folder) && item.stands() {
                item.kept = true;
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
}

/// What a fact tells that the run made or changed itself, where, and of which VM.
fn made<'a>(
    fact: &'a Fact,
    step: Option<&StepId>,
) -> Option<(&'a HostName, Option<VmName>, Thing)> {
    Some(match fact {
        Fact::FolderMade { host, path } => {
            let vm = step.map(|step| VmName::from(step.subject()));
            (host, vm, Thing::Folder(path.clone()))
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
            (host, Some(vm.clone()), thing)
        }
        Fact::AutostartRemoved { vm, host, entry } => {
            (host, Some(vm.clone()), Thing::Autostart(entry.clone()))
        }
        Fact::VswitchMade { host, name } => (host, None, Thing::Vswitch(name.clone())),
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
            (host, None, thing)
        }
        Fact::CapacityFreed {
            host, name, vmx, ..
        } => (host, Some(name.clone()), Thing::Freed(vmx.clone())),
        _ => return None,
    })
}
