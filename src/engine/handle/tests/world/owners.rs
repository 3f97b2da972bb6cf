//! One owner: what the console knows of where each VM runs, and what it must not do then.
//!
//! Moments are counted in inputs, so that no clock can turn them around.

use super::promises::{Broken, ensure, position};
use super::shapes::{HOSTS, Shape, VMS};
use crate::engine::{Entry, Fact, RunEvent, RunState, Status};
use crate::names::VmName;
use crate::plan::{ActionSpec, Close, Plan};

/// What is known of one VM.
#[derive(Clone, Copy, Default)]
struct Known {
    /// When the newest poll was ordered that was heard and saw it run at home.
    runs: Option<u64>,
    /// When somebody looked last and found it off there, or vouched for that.
    off: Option<u64>,
    /// When its fence looked last.
    fence_looked: u64,
    /// When its start here became known.
    started: u64,
    /// When it was last said to run at both sites, or not any more.
    split: u64,
    /// Its fence was over and has to look again, for its host came back.
    unasked: bool,
}

/// What is known of all of them.
#[derive(Default)]
pub(super) struct Owners {
    vms: [Known; 2],
    now: u64,
    /// When the poll was ordered that is heard right now.
    heard: Option<u64>,
    /// Which VM it told to run at home, and when the one before it that did was ordered.
    told: Option<(usize, Option<u64>)>,
}

/// What has to be in the journal once a poll was taken in.
pub(super) enum Due {
    /// A host that had been silent about the VM answers.
    Return(usize),
    /// It runs at both sites.
    Split(usize),
}

impl Owners {
    /// It was found off at home.
    pub(super) fn off(&mut self, vm: usize, now: u64) {
        self.vms[vm].off = Some(now);
    }

    pub(super) fn fence_looked(&mut self, vm: usize, now: u64) {
        self.vms[vm].fence_looked = now;
    }

    /// The next input is about to be taken in.
    pub(super) fn tick(&mut self, now: u64) {
        (self.now, self.heard, self.told) = (now, None, None);
    }

    /// A poll that was ordered at `asked` is about to be taken in.
    pub(super) fn hear(
        &mut self,
        state: &RunState,
        host: usize,
        asked: u64,
        running: &[VmName],
        plan: &Plan,
    ) -> Vec<Due> {
        self.heard = Some(asked);
        let mut due = Vec::new();
        let Some(known) = self.vms.get_mut(host) else {
            return due;
        };
        let name: VmName = VMS[host].into();
        if is_silent_about(state, host) {
            due.push(Due::Return(host));
        }
        if running.contains(&name) {
            self.told = Some((host, known.runs));
            known.runs = known.runs.max(Some(asked));
            let off = known.off.unwrap_or_default();
            let looked = known
                .fence_looked
                .max(known.started)
                .max(known.split)
                .max(off);
            let twice =
                state.started_on(&name).is_some() && !is_stopped_by_hand(plan, state, &name);
            if twice && asked > looked {
                due.push(Due::Split(host));
            }
        }
        due
    }

    /// The console died before it kept anything of the poll: nobody ever hears of it.
    pub(super) fn unheard(&mut self) {
        if let Some((vm, runs)) = self.told.take() {
            self.vms[vm].runs = runs;
        }
    }

    /// What was due is in the journal.
    pub(super) fn heard_all(
        &self,
        before: usize,
        after: &RunState,
        due: &[Due],
    ) -> Result<(), Broken> {
        for due in due {
            let (said, what) = match due {
                Due::Return(vm) => {
                    let told = |fact: &Fact| matches!(fact, Fact::HostReturned { vms, .. } if vms.contains(&VMS[*vm].into()));
                    let new = after.facts.iter().skip(before);
                    (new.into_iter().any(|found| told(&found.fact)), "a return")
                }
                Due::Split(vm) => {
                    let named = after
                        .splits()
                        .iter()
                        .any(|split| split.vm == VMS[*vm].into());
                    (named, "a VM that runs at both sites")
                }
            };
            ensure(said, 3, || format!("{what} is seen and not told"))?;
        }
        Ok(())
    }

    /// A VM is about to be started at the recovery site.
    pub(super) fn starts(&self, state: &RunState, vm: usize) -> Result<(), Broken> {
        let known = self.vms[vm];
        ensure(known.runs <= known.off, 3, || {
            format!("vm{vm} is started, and what was seen last says that it runs at home")
        })?;
        ensure(state.splits().is_empty(), 3, || {
            format!("vm{vm} is started while a VM runs at both sites")
        })?;
        let unasked = self.vms.iter().position(|known| known.unasked);
        ensure(unasked.is_none(), 3, || {
            format!("vm{vm} is started while a host that came back was not asked about {unasked:?}")
        })
    }

    /// Judges and takes in a line that is about to be written.
    pub(super) fn learn(
        &mut self,
        shape: &Shape,
        before: &RunState,
        entry: &Entry,
    ) -> Result<(), Broken> {
        let fence = entry.step.as_ref().and_then(|id| {
            let index = position(shape, id);
            shape
                .fences
                .iter()
                .position(|fence| fence.is_some() && *fence == index)
        });
        match (&entry.event, fence) {
            (RunEvent::FactFound(fact), _) => self.fact(shape, before, fact),
            (
                RunEvent::StepDone { .. }
                | RunEvent::StepAlreadyDone { .. }
                | RunEvent::StepByHand { .. }
                | RunEvent::StepSkipped { .. },
                Some(vm),
            ) => {
                self.vms[vm].unasked = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fact(&mut self, shape: &Shape, before: &RunState, fact: &Fact) -> Result<(), Broken> {
        let at = |vm: &VmName| VMS.iter().position(|name| vm.as_str() == *name);
        let now = self.now;
        match fact {
            Fact::PoweredOn { vm, .. } => {
                if let Some(vm) = at(vm) {
                    self.vms[vm].started = now;
                }
            }
            Fact::Attested { vm, .. } => {
                if let Some(vm) = at(vm) {
                    self.vms[vm].off = Some(now);
                }
            }
            Fact::HostReturned { vms, .. } => {
                for vm in vms.iter().filter_map(at) {
                    let fence = shape.fences[vm].map(|step| &shape.plan.steps[step].id);
                    let asks = fence.filter(|id| !shape.plan.is_frozen(id));
                    self.vms[vm].unasked |= asks.is_some_and(|id| before.status(id).is_met());
                }
            }
            Fact::SplitBrain { vm, .. } => {
                let Some(vm) = at(vm) else { return Ok(()) };
                let heard = self.heard;
                let known = &mut self.vms[vm];
                known.split = now;
                return ensure(heard.is_some_and(|asked| asked > known.started), 3, || {
                    format!("vm{vm} is said to run at both sites by a list from before its start")
                });
            }
            Fact::SplitBrainEnded { vm, .. } => {
                let Some(vm) = at(vm) else { return Ok(()) };
                let known = &mut self.vms[vm];
                let split = std::mem::replace(&mut known.split, now);
                let stale = self.heard.is_some_and(|asked| asked <= split);
                return ensure(!stale, 3, || {
                    format!("vm{vm} is said to run once by a list from before it ran twice")
                });
            }
            Fact::OwnershipEvidence { vm, .. } => {
                let split = before.splits().iter().any(|split| split.vm == *vm);
                let known = at(vm).map(|vm| self.vms[vm]).unwrap_or_default();
                return ensure(!split || known.fence_looked >= known.split, 3, || {
                    format!("{vm} is said to run once by a look from before it ran twice")
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What is left of it where the journal was cut: people remember, the run does not.
    pub(super) fn remember(mut self, shape: &Shape, state: &RunState) -> Self {
        for (vm, known) in self.vms.iter_mut().enumerate() {
            let fence = shape.fences[vm].map(|step| &shape.plan.steps[step].id);
            let again = fence.and_then(|id| state.steps.get(id));
            known.unasked &= again.is_some_and(|step| step.reopened);
            (known.runs, known.split, known.started) = (None, 0, 0);
        }
        self
    }
}

/// A person says that the copy here is off: until its host tells otherwise that is believed.
fn is_stopped_by_hand(plan: &Plan, state: &RunState, vm: &VmName) -> bool {
    plan.steps.iter().any(|step| {
        let stops =
            matches!(&step.action, ActionSpec::Close(Close::Stop { vm: of, .. }) if of == vm);
        stops && state.status(&step.id) == Status::ByHand
    })
}

/// Whether a VM's host at home was silent when its owner was looked for last, and no answer of it
/// has been told since.
fn is_silent_about(state: &RunState, vm: usize) -> bool {
    let (name, host) = (VmName::from(VMS[vm]), HOSTS[vm]);
    let mut words = state.facts_of(|fact| match fact {
        Fact::OwnershipEvidence { vm, silent, .. } if *vm == name => {
            Some(silent.iter().any(|silent| silent.as_str() == host))
        }
        Fact::HostReturned { host: of, vms, .. } if of.as_str() == host && vms.contains(&name) => {
            Some(false)
        }
        _ => None,
    });
    words.next().unwrap_or(false)
}
