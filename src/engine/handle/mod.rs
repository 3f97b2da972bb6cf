//! The engine proper: one input in, effects out.
//!
//! Every change of state goes through `Engine::record`, which folds the entry into the engine's
//! own [`RunState`] and orders it to be written, so the engine's state *is* the fold of the journal.

mod advance;
mod begin;
mod close;
mod operator;
mod patience;
#[cfg(test)]
pub(in crate::engine) mod planted;
mod results;
#[cfg(test)]
mod tests;
mod watch;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::Fault;
use crate::names::{Attempt, HostName, OpId, StepId, VmName};
use crate::plan::{Plan, Step};
use crate::runbook::model::{AtOnce, OnFailure, SiteRole};

use super::effect::{Effect, TimerId};
use super::input::{Input, OperatorInput};
use super::state::RunState;
use super::step::Status;
use crate::engine::{Entry, RunEvent};

/// How the engine works, beside the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Everything asks, whatever the pace, and an answers file replies.
    pub headless: bool,
    /// How much may go on at a time at each host; at one that is not named, the usual.
    pub at_once: BTreeMap<HostName, AtOnce>,
    /// How many steps may move disks onto a datastore of a site at a time; any number onto one that
    /// is not named.
    pub transfers_onto: BTreeMap<(SiteRole, String), usize>,
    /// How long a step that cannot look looks again before it fails.
    pub unseen: Duration,
    /// How long a step looks again at what stands against it and may pass, before it is held.
    pub blocked: Duration,
    /// Times that a step may be cut short by what passes before it fails.
    pub cuts: u32,
    /// Lost writes of one step before a person must look.
    pub losses: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headless: false,
            at_once: BTreeMap::new(),
            transfers_onto: BTreeMap::new(),
            unseen: Duration::from_secs(3 * 60),
            blocked: Duration::from_secs(60),
            cuts: 5,
            losses: 20,
        }
    }
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wait {
    /// Look again.
    Probe(StepId, Attempt),
    /// Begin the next attempt.
    Begin(StepId),
}

/// How far the end of the run is, once every step is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Not there, or a step has sent something since.
    Open,
    /// What the run holds on hosts is being given back.
    Under,
    /// That was tried: the run may end.
    Tried,
}

/// The engine of one run.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    state: RunState,
    settings: Settings,
    now: Timestamp,
    effects: Vec<Effect>,
    next_op: u64,
    next_timer: u64,
    timers: BTreeMap<TimerId, Wait>,
    /// Steps that look again, and since when.
    spells: BTreeMap<(StepId, patience::Cause), patience::Spell>,
    /// Steps for which something was ordered in this session and has not reported back.
    live: BTreeSet<StepId>,
    /// Steps whose ask nobody will answer (headless).
    unanswered: BTreeSet<StepId>,
    /// Hosts that did not answer the last poll.
    quiet: BTreeSet<HostName>,
    /// When this console learned last that a VM does not run at the other site, by its own clock.
    learned: BTreeMap<VmName, Timestamp>,
    /// When it learned that a VM was started, by the same clock.
    started: BTreeMap<VmName, Timestamp>,
    /// What each host told last.
    sighted: BTreeMap<HostName, watch::Sight>,
    /// VMs seen running elsewhere since their `power_on` has looked.
    doubted: BTreeSet<VmName>,
    /// The time as the input came with it.
    clock: Timestamp,
    closing: Closing,
    left: bool,
    #[cfg(test)]
    planted: Option<planted::Bug>,
}

impl Engine {
    /// An engine for a run that stands at `state`.
    #[must_use]
    pub fn new(plan: Arc<Plan>, state: RunState, settings: Settings) -> Self {
        let next_op = state
            .ops
            .keys()
            .next_back()
            .map_or(1, |OpId(last)| last + 1);
        let now = state.last_at.unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            plan,
            state,
            settings,
            now,
            effects: Vec::new(),
            next_op,
            next_timer: 1,
            timers: BTreeMap::new(),
            spells: BTreeMap::new(),
            live: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            quiet: BTreeSet::new(),
            learned: BTreeMap::new(),
            started: BTreeMap::new(),
            sighted: BTreeMap::new(),
            doubted: BTreeSet::new(),
            clock: now,
            closing: Closing::Open,
            left: false,
            #[cfg(test)]
            planted: None,
        }
    }

    /// The state of the run.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Takes an input in, at time `now`, and returns what to do, in order.
    #[must_use]
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        if self.left {
            return refuse(input);
        }
        self.clock = now;
        self.now = self.state.last_at.map_or(now, |last| last.max(now));
        match input {
            Input::Start(info) => self.record(None, RunEvent::RunStarted(info)),
            Input::Resume {
                operator,
                console,
                clock_back_s,
                with,
            } => {
                self.record(
                    None,
                    RunEvent::RunResumed {
                        operator,
                        console,
                        clock_back_s,
                    },
                );
                for event in with {
                    self.record(None, event);
                }
                self.begin();
            }
            Input::Operator(decision) => self.operator(decision),
            Input::Probed {
                step,
                attempt,
                answer,
            } => self.probed(&step, attempt, answer),
            Input::WriteWanted {
                step,
                attempt,
                ticket,
                host,
                command,
                bulk,
            } => {
                self.write_wanted(&step, attempt, ticket, host, command, bulk);
            }
            Input::Closed => self.closed(),
            Input::WriteStarted { op, pid } => self.write_started(op, pid),
            Input::WriteFinished {
                op,
                exit,
                took_ms,
                output_sha256,
            } => {
                self.write_event(
                    op,
                    RunEvent::WriteFinished {
                        op,
                        exit,
                        took_ms,
                        output_sha256,
                    },
                );
            }
            Input::WriteLost { op, why } => self.write_event(op, RunEvent::WriteLost { op, why }),
            Input::WriteNotSent { op, why } => {
                self.write_event(op, RunEvent::WriteNotSent { op, why });
            }
            Input::FactFound {
                step,
                attempt,
                ticket,
                fact,
            } => {
                self.fact_found(&step, attempt, ticket, fact);
            }
            Input::Questioned {
                step,
                attempt,
                question,
            } => {
                self.questioned(&step, attempt, question);
            }
            Input::Performed {
                step,
                attempt,
                result,
            } => self.performed(&step, attempt, result),
            Input::Stopped {
                step,
                attempt,
                op,
                outcome,
            } => {
                self.stopped(&step, attempt, op, outcome);
            }
            Input::HostSeen {
                host,
                role,
                asked,
                running,
            } => self.host_seen(&host, role, asked, running.as_deref()),
            Input::Timer(id) => self.timer(id),
        }
        self.advance();
        std::mem::take(&mut self.effects)
    }

    /// The steps that wait for a decision, if nothing else is under way; `None` while something is,
    /// and when the run is finished.
    #[must_use]
    pub fn stuck(&self) -> Option<Vec<StepId>> {
        let ends = self.left || self.closing == Closing::Under;
        if self.state.finished.is_some() || ends || !self.timers.is_empty() {
            return None;
        }
        let statuses = || {
            self.plan
                .steps
                .iter()
                .filter(|step| self.is_walked(&step.id))
                .map(|step| (step, self.state.status(&step.id)))
        };
        let waits_for_answer =
            |id: &StepId| !self.settings.headless || self.unanswered.contains(id);
        let busy = statuses().any(|(step, status)| {
            let asked = self
                .state
                .steps
                .get(&step.id)
                .is_some_and(|step| step.question.is_some());
            (status.is_active() && !(asked && waits_for_answer(&step.id)))
                || (status == Status::Asking && !waits_for_answer(&step.id))
        });
        if busy {
            return None;
        }
        Some(
            statuses()
                .filter(|(step, status)| {
                    crate::engine::needs_person(&self.plan, &self.state, step) || status.is_active()
                })
                .map(|(step, _)| step.id.clone())
                .collect(),
        )
    }

    fn record(&mut self, step: Option<&StepId>, event: RunEvent) {
        let attempt = step
            .map(|id| self.state.attempt(id))
            .filter(|attempt| attempt.0 > 0);
        self.record_attempt(step, attempt, event);
    }

    fn record_attempt(&mut self, step: Option<&StepId>, attempt: Option<Attempt>, event: RunEvent) {
        if let RunEvent::FactFound(fact) = &event {
            self.note_owner(fact);
        }
        let entry = Arc::new(Entry {
            seq: self.state.last_seq + 1,
            at: self.now,
            step: step.cloned(),
            attempt,
            event,
        });
        self.state.apply(&entry);
        self.effects.push(Effect::Record(entry));
    }

    /// The step and its state, if that very attempt stands as one of `statuses`.
    fn current(&self, id: &StepId, attempt: Attempt, statuses: &[Status]) -> Option<&Step> {
        let known = self.state.steps.get(id)?;
        #[cfg(test)]
        let attempt = match self.planted {
            Some(planted::Bug::OldResult) if statuses != [Status::Asking] => known.attempt,
            _ => attempt,
        };
        (known.attempt == attempt && statuses.contains(&known.status))
            .then(|| self.plan.step(id))
            .flatten()
    }

    fn timer_for(&mut self, wait: Wait, after: Duration) {
        let id = TimerId(self.next_timer);
        self.next_timer += 1;
        self.timers.insert(id, wait);
        self.effects.push(Effect::Timer { id, after });
    }

    fn timer(&mut self, id: TimerId) {
        match self.timers.remove(&id) {
            Some(Wait::Probe(step, attempt)) => {
                #[cfg(test)]
                if self.planted == Some(planted::Bug::StaleTimer) {
                    return self.order_probe(&step, attempt);
                }
                if self.current(&step, attempt, &[Status::Probing]).is_some() {
                    self.order_probe(&step, attempt);
                }
            }
            Some(Wait::Begin(_)) | None => {}
        }
    }

    fn order_probe(&mut self, step: &StepId, attempt: Attempt) {
        self.clear_doubt(step);
        self.live.insert(step.clone());
        self.effects.push(Effect::Probe {
            step: step.clone(),
            attempt,
        });
    }

    /// Ends the attempt as failed; what that means for the rest is the step's `on_failure`.
    fn fail(&mut self, id: &StepId, fault: Fault) {
        self.live.remove(id);
        self.record(Some(id), RunEvent::StepFailed { fault });
        let Some(step) = self.plan.step(id) else {
            return;
        };
        let retries = step.retries;
        let failures = self.state.step(id).failures;
        if failures <= retries {
            self.record(
                Some(id),
                RunEvent::StepRetried {
                    by: super::BY_RULE.to_owned(),
                },
            );
            self.timer_for(Wait::Begin(id.clone()), back_off(failures));
            return;
        }
        self.stop_on_failure(id);
    }

    /// Starts nothing new where the step's failure means that.
    fn stop_on_failure(&mut self, id: &StepId) {
        let step = self.plan.step(id);
        if step.is_some_and(|step| step.on_failure == OnFailure::Stop) && !self.state.paused {
            let by = super::BY_RULE.to_owned();
            self.record(None, RunEvent::RunPaused { by });
        }
    }

    fn hold(&mut self, id: &StepId, fault: Fault, remedies: Vec<String>) {
        self.live.remove(id);
        self.record(Some(id), RunEvent::StepHeld { fault, remedies });
    }

    /// Who stands behind what a pace lets go on.
    fn operator_name(&self) -> String {
        self.state.people.operator.clone()
    }
}

/// What is left to say to inputs that come after the console left.
fn refuse(input: Input) -> Vec<Effect> {
    match input {
        Input::WriteWanted { ticket, .. } | Input::FactFound { ticket, .. } => {
            vec![Effect::Deny { ticket }]
        }
        Input::Start(_)
        | Input::Resume { .. }
        | Input::Operator(
            OperatorInput::Confirm { .. }
            | OperatorInput::Skip { .. }
            | OperatorInput::ByHand { .. }
            | OperatorInput::Retry { .. }
            | OperatorInput::Undo { .. }
            | OperatorInput::AnswerQuestion { .. }
            | OperatorInput::NoAnswer { .. }
            | OperatorInput::Pause { .. }
            | OperatorInput::Continue { .. }
            | OperatorInput::SetPace { .. }
            | OperatorInput::Note { .. }
            | OperatorInput::TrustHost { .. }
            | OperatorInput::People(_)
            | OperatorInput::Detach { .. },
        )
        | Input::Probed { .. }
        | Input::WriteStarted { .. }
        | Input::WriteFinished { .. }
        | Input::WriteLost { .. }
        | Input::WriteNotSent { .. }
        | Input::Questioned { .. }
        | Input::Performed { .. }
        | Input::Stopped { .. }
        | Input::HostSeen { .. }
        | Input::Closed
        | Input::Timer(_) => Vec::new(),
    }
}

/// 1, 2, 4 … 30 seconds.
fn back_off(failures: u32) -> Duration {
    Duration::from_secs(
        1u64.checked_shl(failures.saturating_sub(1))
            .unwrap_or(30)
            .clamp(1, 30),
    )
}
