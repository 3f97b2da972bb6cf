//! The watch of the other site: a host that was silent answers again, a VM runs at both sites.
//!
//! Whoever vouched for a silent host vouched for what it could not say. Once it answers it is asked:
//! the `fence` steps of its VMs look again, and until they are over no VM is started. What is then
//! found running there is fenced as ever, by its typed name.

use jiff::Timestamp;

use crate::names::{HostName, StepId, VmName};
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::SiteRole;

use super::Engine;
use crate::engine::{BY_RULE, Fact, RunEvent, Status};

impl Engine {
    /// A host told what it runs, asked at `asked`; `None`: it did not answer.
    pub(super) fn host_seen(
        &mut self,
        host: &HostName,
        role: SiteRole,
        asked: Timestamp,
        running: Option<&[VmName]>,
    ) {
        if self.state.info.is_none() || self.state.finished.is_some() {
            return;
        }
        let Some(running) = running else {
            self.quiet.insert(host.clone());
            return;
        };
        self.end_splits(host, asked, running);
        self.find_splits(host, role, asked, running);
        self.take_return(host, role, running);
        self.quiet.remove(host);
    }

    /// No VM is started while a host that came back has not been asked about all its VMs, or while
    /// one runs at both sites.
    pub(super) fn power_on_is_held(&self) -> bool {
        let asked_again = self.plan.steps.iter().any(|step| {
            let known = self.state.steps.get(&step.id);
            known.is_some_and(|known| known.reopened)
        });
        asked_again || !self.state.splits().is_empty()
    }

    fn end_splits(&mut self, host: &HostName, asked: Timestamp, running: &[VmName]) {
        for split in self.state.splits() {
            let is_newer = self
                .split_seen_at(&split.vm)
                .is_some_and(|seen| asked > seen);
            if split.also == *host && is_newer && !running.contains(&split.vm) {
                let how = format!("{host} does not run it any more (esxcli vm process list)");
                let vm = split.vm;
                self.record(None, RunEvent::FactFound(Fact::SplitBrainEnded { vm, how }));
            }
        }
    }

    fn split_seen_at(&self, vm: &VmName) -> Option<Timestamp> {
        let is_it = |fact: &Fact| matches!(fact, Fact::SplitBrain { vm: of, .. } if of == vm);
        let mut found = self.state.facts.iter().rev();
        found.find(|found| is_it(&found.fact)).map(|found| found.at)
    }

    fn find_splits(
        &mut self,
        host: &HostName,
        role: SiteRole,
        asked: Timestamp,
        running: &[VmName],
    ) {
        for vm in running {
            let Some((started, since)) = self.state.started_on(vm) else {
                continue;
            };
            let started = started.clone();
            let known = self.state.splits().iter().any(|split| split.vm == *vm);
            // A list that was asked for before the VM was started here may still have the old copy.
            if known || asked <= since || self.side_of(vm, &started) != Some(role.other()) {
                continue;
            }
            let fact = Fact::SplitBrain {
                vm: vm.clone(),
                started,
                also: host.clone(),
            };
            self.record(None, RunEvent::FactFound(fact));
            self.look_again(role, std::slice::from_ref(vm), true);
            self.hold_power_on(host);
        }
    }

    /// The site of the host on which the plan starts a VM.
    fn side_of(&self, vm: &VmName, host: &HostName) -> Option<SiteRole> {
        let starts = |step: &&Step| {
            matches!(&step.action, ActionSpec::PowerOn { vm: of } if of == vm)
                && step.hosts.contains(host)
        };
        self.plan.steps.iter().find(starts).map(|step| step.side)
    }

    fn take_return(&mut self, host: &HostName, role: SiteRole, running: &[VmName]) {
        let was_quiet = self.quiet.contains(host);
        let silent = self.state.silent_for(host).into_iter();
        let vms: Vec<VmName> = silent
            .filter(|(_, answered)| was_quiet || !answered)
            .map(|(vm, _)| vm)
            .collect();
        if vms.is_empty() {
            return;
        }
        let fact = Fact::HostReturned {
            host: host.clone(),
            vms: vms.clone(),
            running: running.to_vec(),
        };
        self.record(None, RunEvent::FactFound(fact));
        self.look_again(role, &vms, false);
        self.hold_power_on(host);
    }

    /// Lets the `fence` steps of VMs at a site look again. Where a VM is on its way back there, its
    /// own steps look at both sites, and only a VM that runs at both is fenced once more.
    fn look_again(&mut self, role: SiteRole, vms: &[VmName], is_split: bool) {
        let plan = std::sync::Arc::clone(&self.plan);
        for step in &plan.steps {
            let ActionSpec::Fence { vm } = &step.action else {
                continue;
            };
            let counts = step.side == role
                && vms.contains(vm)
                && self.state.status(&step.id).is_met()
                && (is_split || !self.is_on_its_way_back(step, vm));
            if counts {
                let by = BY_RULE.to_owned();
                self.record(Some(&step.id), RunEvent::StepRetried { by });
            }
        }
    }

    fn is_on_its_way_back(&self, fence: &Step, vm: &VmName) -> bool {
        let section = |id: &StepId| id.as_str().split('/').next().map(str::to_owned);
        self.plan.steps.iter().any(|step| {
            step.subject.vm() == Some(vm)
                && section(&step.id) != section(&fence.id)
                && self.state.status(&step.id) != Status::Waiting
        })
    }

    /// Takes back every start that has not been sent: it looks again once nothing holds it.
    fn hold_power_on(&mut self, host: &HostName) {
        if !self.power_on_is_held() {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        for step in &plan.steps {
            let unsent = match self.state.status(&step.id) {
                Status::Probing | Status::Asking => true,
                Status::Running => self.state.open_ops(&step.id).next().is_none(),
                _ => false,
            };
            if step.action.verb() == "power_on" && unsent {
                self.abandon(&step.id);
                let why = format!("{host} answers again: it is asked first what runs there");
                self.record(Some(&step.id), RunEvent::StepInterrupted { why });
            }
        }
    }
}
