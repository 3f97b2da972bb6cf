//! The watch of the other site: a host that was silent answers again, a VM runs at both sites.
//!
//! Whoever vouched for a silent host vouched for what it could not say. Once it answers it is asked:
//! the `fence` steps of its VMs look again, and until they are over no VM is started. What is then
//! found running there is fenced as ever, by its typed name.

use jiff::Timestamp;

use crate::names::{HostName, StepId, VmName};
use crate::plan::{ActionSpec, Close, Step};
use crate::runbook::model::SiteRole;

use super::Engine;
#[cfg(test)]
use super::planted::Bug;
use crate::engine::owners::Word;
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
        // What was taken home is no longer as the run left it: it was brought to where it runs.
        let own = running.iter().filter(|vm| !self.state.is_taken_home(vm));
        let running = own.cloned().collect::<Vec<_>>();
        let running = running.as_slice();
        self.keep_sight(host, role, asked, running);
        self.end_splits(host, asked);
        self.find_splits(host, role, asked, running);
        self.take_return(host, role, running);
        self.find_unfenced(host, role, asked, running);
        self.quiet.remove(host);
    }

    /// Keeps what each host told last: for evidence of before that is told later, and for a split
    /// whose VM was moved within a site.
    fn keep_sight(
        &mut self,
        host: &HostName,
        role: SiteRole,
        asked: Timestamp,
        running: &[VmName],
    ) {
        let known = self.sighted.get(host);
        if known.is_none_or(|seen| seen.asked <= asked) {
            let running = running.to_vec();
            let seen = Sight {
                role,
                asked,
                running,
            };
            self.sighted.insert(host.clone(), seen);
        }
    }

    /// A step told where its VM runs. A host may have been asked after that look and have told before
    /// it: what it said then counts now.
    pub(super) fn weigh(&mut self, fact: &Fact) {
        let Fact::OwnershipEvidence { vm, at, .. } = fact else {
            return;
        };
        for (host, seen) in self.sighted.clone() {
            if seen.asked > *at && seen.running.contains(vm) {
                self.find_unfenced(&host, seen.role, seen.asked, std::slice::from_ref(vm));
            }
        }
    }

    /// No VM is started while a host that came back has not been asked about all its VMs, or while
    /// one runs at both sites.
    pub(super) fn power_on_is_held(&self) -> bool {
        #[cfg(test)]
        if self.planted == Some(Bug::PowerOnNotHeld) {
            return false;
        }
        let asked_again = self.plan.open_steps().iter().any(|step| {
            let known = self.state.steps.get(&step.id);
            known.is_some_and(|known| known.reopened)
        });
        asked_again || !self.state.splits().is_empty()
    }

    /// Whether a step that has begun must not send what it is about to send: it starts a VM, and
    /// something was seen since it looked that speaks against that.
    pub(super) fn must_not_start(&self, id: &StepId) -> bool {
        let step = self.plan.step(id);
        let starts = step.and_then(started_by);
        starts.is_some_and(|vm| self.power_on_is_held() || self.doubted.contains(vm))
    }

    /// A step that starts a VM looks for itself what speaks against that.
    pub(super) fn clear_doubt(&mut self, id: &StepId) {
        if let Some(vm) = self.plan.step(id).and_then(started_by) {
            self.doubted.remove(vm);
        }
    }

    /// Keeps when this console learned that a VM does not run at the other site, and that it was
    /// started at this one: what a host says is measured against that.
    pub(super) fn note_owner(&mut self, fact: &Fact) {
        let (vm, at) = match fact {
            Fact::PoweredOn { vm, .. } => {
                self.started.insert(vm.clone(), self.clock);
                return;
            }
            Fact::OwnershipEvidence { vm, at, .. } => (vm, *at),
            Fact::Stopped { vm, at, .. } => (vm, self.clock.min(*at)),
            Fact::Attested { vm, .. }
            | Fact::SplitBrain { vm, .. }
            | Fact::SplitBrainEnded { vm, .. } => (vm, self.clock),
            _ => return,
        };
        let learned = self.learned.entry(vm.clone()).or_insert(at);
        *learned = at.max(*learned);
    }

    /// Whether a poll is younger than all that was found out of the VM at the other site. Times are
    /// compared as this console's own clock told them, for the journal's cannot go back as a clock
    /// can; what an earlier console learned is older than any poll of this one.
    fn is_news(&self, vm: &VmName, asked: Timestamp) -> bool {
        #[cfg(test)]
        if self.planted == Some(Bug::OldPoll) {
            return true;
        }
        self.learned.get(vm).is_none_or(|learned| asked > *learned)
    }

    /// Whether it is also younger than the VM's start at this site: whoever is seen running at the
    /// other one then runs at both.
    fn is_since_start(&self, vm: &VmName, asked: Timestamp) -> bool {
        #[cfg(test)]
        if self.planted == Some(Bug::OldPoll) {
            return true;
        }
        self.started.get(vm).is_none_or(|started| asked > *started)
    }

    /// What this run started runs for it until a step stops it: only the other copy is seen off.
    fn end_splits(&mut self, host: &HostName, asked: Timestamp) {
        for split in self.state.splits() {
            if split.also != *host || !self.is_news(&split.vm, asked) {
                continue;
            }
            let told = self.sighted.iter().filter(|(host, seen)| {
                **host != split.started && self.is_news(&split.vm, seen.asked)
            });
            let words = told.map(|(host, seen)| Word {
                host,
                role: seen.role,
                runs: seen.running.contains(&split.vm),
            });
            let words: Vec<Word<'_>> = words.collect();
            if let Some(over) = split.seen_off(&words).map(|off| split.ended(off)) {
                self.record(None, RunEvent::FactFound(over));
            }
        }
    }

    /// A person saw to it that a VM does not run at the site of a step any more, or that it does: what
    /// they started is watched as what the run started. What they stopped stays in the run's ledger
    /// until its host has told.
    pub(super) fn seen_to_by_hand(&mut self, step: &StepId, by: &str, evidence: &str) {
        let Some(step) = self.plan.step(step) else {
            return;
        };
        let (id, action) = (step.id.clone(), step.action.clone());
        let fact = match (action, step.hosts.first().cloned()) {
            (ActionSpec::Fence { vm }, _) if self.runs_twice(&vm) => {
                let how = format!("{by} saw to it: {evidence}");
                Fact::SplitBrainEnded { vm, how }
            }
            (ActionSpec::Close(Close::Stop { vm, host, .. }), _) if self.is_copy(&vm, &host) => {
                let how = format!("{by} saw to it: {evidence}");
                Fact::SplitBrainEnded { vm, how }
            }
            (ActionSpec::PowerOn { vm }, Some(host)) => {
                let known = self.state.started_on(&vm);
                if known.is_some_and(|(on, _)| *on == host) {
                    return;
                }
                Fact::PoweredOn { vm, host }
            }
            _ => return,
        };
        self.record(Some(&id), RunEvent::FactFound(fact));
    }

    fn runs_twice(&self, vm: &VmName) -> bool {
        self.state.splits().iter().any(|split| split.vm == *vm)
    }

    /// Whether it is this host's copy that the run started, of a VM that runs at both sites.
    fn is_copy(&self, vm: &VmName, host: &HostName) -> bool {
        let mut splits = self.state.splits().into_iter();
        splits.any(|split| split.vm == *vm && split.started == *host)
    }

    /// Whether a person saw to it that a host does not run the VM any more, and the host has not told
    /// otherwise since.
    fn is_stopped_by_hand(&self, vm: &VmName, host: &HostName) -> bool {
        let seen = self.sighted.get(host);
        let runs_at = seen.filter(|seen| seen.running.contains(vm));
        self.plan.open_steps().iter().any(|step| {
            let is_its = matches!(&step.action, ActionSpec::Close(Close::Stop { vm: of, host: on, .. })
                if of == vm && on == host);
            let known = self.state.steps.get(&step.id).filter(|_| is_its);
            known.is_some_and(|known| {
                let denied = runs_at.is_some_and(|seen| known.ended < Some(seen.asked));
                known.status == Status::ByHand && !denied
            })
        })
    }

    fn find_splits(
        &mut self,
        host: &HostName,
        role: SiteRole,
        asked: Timestamp,
        running: &[VmName],
    ) {
        for vm in running {
            let Some((started, _)) = self.state.started_on(vm) else {
                continue;
            };
            let started = started.clone();
            let known = self.runs_twice(vm) || self.is_stopped_by_hand(vm, &started);
            // A list that was asked for before the VM was started here may still have the old copy.
            let is_news = self.is_news(vm, asked) && self.is_since_start(vm, asked);
            if known || !is_news || self.side_of(vm, &started) != Some(role.other()) {
                continue;
            }
            let fact = Fact::SplitBrain {
                vm: vm.clone(),
                started,
                also: host.clone(),
            };
            self.ring(role, std::slice::from_ref(vm), fact);
            self.hold_power_on(host);
        }
    }

    /// The site of a host, where a step that has no other tells it. One that asks hosts by what it looks
    /// at may ask them at either site.
    fn side_of_host(&self, host: &HostName) -> Option<SiteRole> {
        let alone = |step: &&Step| step.hosts.iter().eq([host]) && step.action.probes().is_none();
        self.plan.steps.iter().find(alone).map(|step| step.side)
    }

    /// The site of the host on which the plan starts a VM.
    fn side_of(&self, vm: &VmName, host: &HostName) -> Option<SiteRole> {
        let starts = |step: &&Step| started_by(step) == Some(vm) && step.hosts.contains(host);
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
        // What was vouched for about them was vouched for without knowing this.
        self.doubted.extend(running.iter().cloned());
        self.ring(role, &vms, fact);
        self.hold_power_on(host);
    }

    /// Tells what was seen of VMs at a site, and lets their fences look again. It is told first: a
    /// console that dies in between leaves what speaks against their starts in the journal, and
    /// whoever takes over lets the fences look.
    fn ring(&mut self, role: SiteRole, vms: &[VmName], fact: Fact) {
        let is_split = matches!(fact, Fact::SplitBrain { .. });
        self.record(None, RunEvent::FactFound(fact));
        self.look_again(role, vms, is_split);
    }

    /// An earlier console told what was seen of a VM and died before its fence was let look again.
    pub(super) fn let_fences_look(&mut self) {
        #[cfg(test)]
        if self.planted == Some(Bug::ToldNotAsked) {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        for step in plan.open_steps() {
            let ActionSpec::Fence { vm } = &step.action else {
                continue;
            };
            let known = self.state.steps.get(&step.id);
            let ended = known.and_then(|known| known.ended);
            let Some(told) = self.state.told_against(vm) else {
                continue;
            };
            let there = told.fact.seen_on().and_then(|host| self.side_of_host(host));
            let counts = there.is_none_or(|side| side == step.side);
            if counts && ended.is_some_and(|ended| ended <= told.at) {
                let is_split = matches!(told.fact, Fact::SplitBrain { .. });
                self.let_look(step, vm, is_split);
            }
        }
    }

    /// A VM that is yet to be started here, or was being started meanwhile, was seen running where it
    /// is not to run any more, be it after it was fenced there: whatever was vouched for, it looks
    /// again before it starts.
    fn find_unfenced(
        &mut self,
        host: &HostName,
        role: SiteRole,
        asked: Timestamp,
        running: &[VmName],
    ) {
        for vm in running {
            let is_started = self.state.started_on(vm).is_some();
            let is_to_start = |step: &Step| {
                let status = self.state.status(&step.id);
                started_by(step) == Some(vm)
                    && step.side == role.other()
                    && (is_started || !status.is_met() && status != Status::Undone)
            };
            let is_split = self.runs_twice(vm);
            let is_here = |on: &HostName| on == host || self.side_of(vm, on) == Some(role);
            let counts = self.plan.open_steps().iter().any(is_to_start)
                && self.state.is_seen_off(vm, is_here)
                && !is_split
                && self.is_news(vm, asked);
            if !counts {
                continue;
            }
            let fact = Fact::RunsElsewhere {
                vm: vm.clone(),
                host: host.clone(),
            };
            self.doubted.insert(vm.clone());
            self.ring(role, std::slice::from_ref(vm), fact);
            self.hold_power_on(host);
        }
    }

    /// A VM has run where its files were copied from: they are copied once more, and until then no VM is
    /// started.
    pub(super) fn copy_anew(&mut self, fact: &Fact) {
        let Fact::RanSinceCopied { vm, host, .. } = fact else {
            return;
        };
        let plan = std::sync::Arc::clone(&self.plan);
        for step in plan.open_steps() {
            let copies = match &step.action {
                ActionSpec::CopyBack { vm: of } | ActionSpec::Replicate { vm: of } => of == vm,
                _ => false,
            };
            if copies && self.state.status(&step.id).is_met() {
                let by = BY_RULE.to_owned();
                self.record(Some(&step.id), RunEvent::StepRetried { by });
                // A person may have settled it while a command of it was in doubt.
                self.stop_open_ops(&step.id);
            }
        }
        self.hold_power_on(host);
    }

    /// Lets the `fence` steps of VMs at a site look again.
    fn look_again(&mut self, role: SiteRole, vms: &[VmName], is_split: bool) {
        let plan = std::sync::Arc::clone(&self.plan);
        for step in plan.open_steps() {
            match &step.action {
                ActionSpec::Fence { vm } if step.side == role && vms.contains(vm) => {
                    self.let_look(step, vm, is_split);
                }
                _ => {}
            }
        }
    }

    /// Where a VM is on its way back to the site of its fence, its own steps look at both sites, and
    /// only a VM that runs at both is fenced once more.
    fn let_look(&mut self, fence: &Step, vm: &VmName, is_split: bool) {
        if !is_split && self.is_on_its_way_back(fence, vm) {
            return;
        }
        if self.state.status(&fence.id).is_met() {
            let by = BY_RULE.to_owned();
            self.record(Some(&fence.id), RunEvent::StepRetried { by });
            // A person may have settled it while a command of it was in doubt.
            self.stop_open_ops(&fence.id);
        } else if self.has_sent_nothing(&fence.id) {
            self.begin_anew(&fence.id, "what it has seen so far is out of date");
        }
    }

    fn is_on_its_way_back(&self, fence: &Step, vm: &VmName) -> bool {
        self.plan.steps.iter().any(|step| {
            step.subject.vm() == Some(vm)
                && step.id.section() != fence.id.section()
                && self.state.status(&step.id) != Status::Waiting
        })
    }

    /// Takes back every start that has not been sent and that something speaks against now: it
    /// looks again once nothing holds it.
    fn hold_power_on(&mut self, host: &HostName) {
        let plan = std::sync::Arc::clone(&self.plan);
        for step in plan.open_steps() {
            let is_up = self.state.status(&step.id) == Status::Asking;
            if (is_up || self.has_sent_nothing(&step.id)) && self.must_not_start(&step.id) {
                let why = format!("what runs on {host} is looked into before any start");
                self.begin_anew(&step.id, &why);
            }
        }
    }

    /// It looks, or has begun to act, and no command of it is on its way.
    pub(super) fn has_sent_nothing(&self, id: &StepId) -> bool {
        match self.state.status(id) {
            Status::Probing => true,
            Status::Running => self.state.open_ops(id).next().is_none(),
            _ => false,
        }
    }

    /// Takes a step back from what it does; it looks again when it may.
    pub(super) fn begin_anew(&mut self, id: &StepId, why: &str) {
        self.abandon(id);
        let why = why.to_owned();
        self.record(Some(id), RunEvent::StepInterrupted { why, fault: None });
    }
}

/// What a host told last.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    role: SiteRole,
    /// When it was asked.
    asked: Timestamp,
    running: Vec<VmName>,
}

/// The VM that a step starts.
fn started_by(step: &Step) -> Option<&VmName> {
    match &step.action {
        ActionSpec::PowerOn { vm } => Some(vm),
        _ => None,
    }
}
