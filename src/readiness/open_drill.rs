//! A drill that is not cleaned up: what it holds of what a failover needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::actions::size;
use crate::engine::{Fact, Ledger, RunState, Stage, Thing};
use crate::names::{HostName, RunId, VmName, listed};
use crate::runbook::model::Mode;

/// A drill of which something stands, as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDrill {
    /// The run.
    pub run: RunId,
    /// How it stands, in words.
    pub stage: String,
    /// Nothing is left of it but disks that are kept for a live restore to start from.
    pub kept: bool,
    /// What it holds of each host.
    pub holds: BTreeMap<HostName, Holds>,
}

/// What a drill holds of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// VMs that it started.
    pub on: BTreeSet<VmName>,
    /// VMs that are there and were not started.
    pub off: BTreeSet<VmName>,
    /// Bytes of files by datastore.
    pub space: BTreeMap<String, u64>,
    /// Bytes of memory.
    pub memory: u64,
}

impl OpenDrill {
    /// What a drill holds; `None`: the run is no drill, or nothing of it is left.
    #[must_use]
    pub fn of(run: &RunId, state: &RunState) -> Option<Self> {
        if state.info.as_ref()?.mode != Some(Mode::Drill) {
            return None;
        }
        let mut holds: BTreeMap<HostName, Holds> = BTreeMap::new();
        for item in Ledger::of(state).standing() {
            let held = holds.entry(item.host.clone()).or_default();
            let Some(vm) = item.vm.clone() else {
                continue;
            };
            match item.thing {
                Thing::Started => held.on.insert(vm),
                Thing::Registered(_) | Thing::File(_) | Thing::Folder(_) => held.off.insert(vm),
                _ => continue,
            };
        }
        for held in holds.values_mut() {
            held.off = &held.off - &held.on;
        }
        for (host, held) in &mut holds {
            held.count(host, state);
        }
        let stage = Stage::of(state);
        (!holds.is_empty()).then(|| Self {
            run: run.clone(),
            stage: stage.words(),
            kept: matches!(stage, Stage::DisksKept { .. }),
            holds,
        })
    }

    /// `sql01 is on and web01 lies on lee-esx1: 18.2 GiB of local1, 8.0 GiB of memory`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let each: Vec<String> = self
            .holds
            .iter()
            .map(|(host, held)| format!("{} {host}{}", held.vms(), held.taken()))
            .collect();
        each.join("; ")
    }
}

impl Holds {
    /// What was counted for the VMs that are here.
    fn count(&mut self, host: &HostName, state: &RunState) {
        let mut counted = BTreeSet::new();
        // The newest count of each VM.
        for found in state.facts.iter().rev() {
            let Fact::RoomCounted {
                vm,
                host: of,
                label,
                bytes,
                swap,
            } = &found.fact
            else {
                continue;
            };
            let is_here = self.on.contains(vm) || self.off.contains(vm);
            if of != host || !is_here || !counted.insert(vm) {
                continue;
            }
            *self.space.entry(label.clone()).or_default() += bytes;
            if self.on.contains(vm) {
                self.memory += swap;
            }
        }
    }

    fn vms(&self) -> String {
        let part = |vms: &BTreeSet<VmName>, what: &str| {
            let verb = if vms.len() == 1 { "is" } else { "are" };
            let names: Vec<&VmName> = vms.iter().collect();
            (!vms.is_empty()).then(|| format!("{} {verb} {what}", listed(&names)))
        };
        let parts = [part(&self.on, "on"), part(&self.off, "there, off")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            "its networks or folders are on".to_owned()
        } else {
            format!("{}, at", parts.join(", "))
        }
    }

    fn taken(&self) -> String {
        let mut parts: Vec<String> = self
            .space
            .iter()
            .map(|(label, bytes)| format!("{} of {label}", size(*bytes)))
            .collect();
        if self.memory > 0 {
            parts.push(format!("{} of memory", size(self.memory)));
        }
        if parts.is_empty() {
            String::new()
        } else {
            format!(" ({})", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{RunEvent, RunInfo};
    use crate::names::OpId;

    fn fold(mode: Mode, events: &[(&str, RunEvent)]) -> RunState {
        let mut state = RunState::begun(RunInfo {
            mode: Some(mode),
            ..RunInfo::default()
        });
        for (step, event) in events {
            state.tell(*step, event.clone());
        }
        state
    }

    fn restored(step: &'static str, vm: &str) -> [(&'static str, RunEvent); 2] {
        let counted = Fact::RoomCounted {
            vm: vm.into(),
            host: "lee-esx1".into(),
            label: "local1".to_owned(),
            bytes: 3 << 30,
            swap: 1 << 30,
        };
        let made = Fact::FolderMade {
            host: "lee-esx1".into(),
            path: format!("/vmfs/volumes/local1/drill-r1-{vm}"),
        };
        [counted, made].map(|fact| (step, RunEvent::FactFound(fact)))
    }

    #[test]
    fn what_stands_of_a_drill_is_told_with_what_it_takes() {
        let power_on = "failover/recover/sql01/power_on";
        let sent = RunEvent::WriteIntended {
            op: OpId(1),
            host: "lee-esx1".into(),
            command: "vim-cmd vmsvc/power.on 7".to_owned(),
            bulk: false,
        };
        let mut events = Vec::new();
        events.extend(restored("failover/recover/sql01/restore", "sql01"));
        events.extend(restored("failover/recover/web01/restore", "web01"));
        events.push((power_on, sent));
        let run = RunId::from("r1");
        let drill = OpenDrill::of(&run, &fold(Mode::Drill, &events)).unwrap();
        assert_eq!(
            drill.in_words(),
            "sql01 is on, web01 is there, off, at lee-esx1 (6.0 GiB of local1, 1.0 GiB of memory)"
        );
        assert_eq!(OpenDrill::of(&run, &fold(Mode::Failover, &events)), None);
        assert_eq!(OpenDrill::of(&run, &fold(Mode::Drill, &[])), None);
    }
}
