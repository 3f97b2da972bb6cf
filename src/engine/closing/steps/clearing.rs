//! What the run brought goes, and what cannot be taken back is said.

use std::collections::BTreeMap;

use super::{CLEAR_AWAY, Draft};
use crate::engine::ledger::{Thing, folder_of};
use crate::engine::state::Op;
use crate::engine::step::Status;
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Close, Placed, PlacedFile, Step, Subject};
use crate::runbook::model::{DeclaredEffect, Mode};

impl Draft<'_> {
    /// Removes the files that the run placed, and nothing that was there before.
    pub(super) fn clear_away(&mut self, vm: &VmName, before: &[usize]) {
        let standing = self.standing_of(vm);
        let kept: Vec<&String> = self
            .ledger
            .items
            .iter()
            .filter(|item| item.vm.as_ref() == Some(vm) && self.ledger.is_of_before(item))
            .filter_map(|item| match &item.thing {
                Thing::Original { path, .. } => Some(path),
                _ => None,
            })
            .collect();
        let mut folders: BTreeMap<(HostName, String), Placed> = BTreeMap::new();
        for item in &standing {
            let (folder, file) = match &item.thing {
                Thing::Folder(path) | Thing::Workfiles(path) => (path.as_str(), None),
                Thing::File(file) if !kept.contains(&&file.path) => {
                    (folder_of(&file.path), Some(file.clone()))
                }
                Thing::Original { aside, bytes, .. } if !self.ledger.is_of_before(item) => {
                    let file = PlacedFile {
                        path: aside.clone(),
                        bytes: *bytes,
                        part: None,
                    };
                    (folder_of(aside), Some(file))
                }
                // What makes room for it lies beside it then.
                Thing::Original { path, .. } => (folder_of(path), None),
                _ => continue,
            };
            let place = (item.host.clone(), folder.to_owned());
            let placed = folders.entry(place).or_default();
            placed.made |= matches!(item.thing, Thing::Folder(_));
            placed.files.extend(file);
        }
        let drill = self.run.mode == Mode::Drill;
        for ((host, folder), placed) in folders {
            let typed = !drill && self.ledger.has_run(vm, &host);
            let vm = vm.clone();
            let placed = Placed {
                folder,
                typed,
                ..placed
            };
            let close = if self.keeps && placed.made {
                let folder = placed.folder;
                Close::KeepDisks { vm, host, folder }
            } else {
                Close::RemoveFiles { vm, host, placed }
            };
            self.close(CLEAR_AWAY, close, before.to_vec());
        }
    }

    /// Removes port groups and switches once no VM of the run is registered any more.
    pub(super) fn clear_networks(&mut self, before: &[usize]) {
        type Made = (Vec<(String, String)>, Vec<String>);
        let mut hosts: BTreeMap<HostName, Made> = BTreeMap::new();
        for item in self.ledger.standing() {
            let entry = || item.host.clone();
            match &item.thing {
                Thing::PortGroup { name, vswitch } => {
                    let made = hosts.entry(entry()).or_default();
                    made.0.push((name.clone(), vswitch.clone()));
                }
                Thing::Vswitch(name) => hosts.entry(entry()).or_default().1.push(name.clone()),
                _ => {}
            }
        }
        for (host, (groups, switches)) in hosts {
            let close = Close::RemoveNetworks {
                host,
                groups,
                switches,
            };
            self.close(CLEAR_AWAY, close, before.to_vec());
        }
    }

    /// What commands of the site's own and other teams did is not known here, so nobody is to think that it is undone.
    pub(super) fn say_what_stays(&mut self, before: &[usize]) {
        let own = |step: &&Step| {
            let writes = match &step.action {
                ActionSpec::Command(command) => command.effect != DeclaredEffect::Read,
                ActionSpec::RestoreFiles { .. } => true,
                _ => false,
            };
            let went = |op: &Op| op.step == step.id && op.may_have_acted();
            let sent = || self.state.ops.values().any(went);
            let status = self.state.status(&step.id);
            let others = matches!(step.action, ActionSpec::HandOff(_)) && status.is_met();
            (writes && status != Status::Undone && sent()) || others
        };
        let commands: Vec<&str> = self
            .run
            .steps
            .iter()
            .filter(own)
            .map(|step| step.title.as_str())
            .collect();
        let text = if !commands.is_empty() {
            format!(
                "Not taken back, for what they did is known to the site alone: {}",
                commands.join("; ")
            )
        } else if self.steps.is_empty() {
            "Nothing that the run made or changed stands".to_owned()
        } else {
            return;
        };
        let note = ActionSpec::Note { text };
        self.push(CLEAR_AWAY, Subject::Run, note, before.to_vec());
    }
}
