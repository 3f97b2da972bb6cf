//! The promises, checked from outside: from the journal's lines and from what is true at the sites.

use std::sync::Arc;

use super::super::super::super::consent;
use super::super::super::planted::ANSWER;
use super::chapters;
use super::owners::Owners;
use super::shapes::{Kind, Shape};
use super::site::Site;
use crate::engine::{BY_RULE, Consent, Entry, OpStatus, OperatorInput, RunEvent, RunState, Status};
use crate::names::{Attempt, OpId, StepId};
use crate::runbook::model::OnFailure;

/// A promise that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Its number; 0: the design's own rules (a run is its list of events, stale inputs are ignored).
    pub(super) promise: u8,
    pub(super) how: String,
}

impl Broken {
    pub(super) fn new(promise: u8, how: impl Into<String>) -> Self {
        Self {
            promise,
            how: how.into(),
        }
    }
}

pub(super) fn ensure(holds: bool, promise: u8, how: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken::new(promise, how()))
    }
}

struct Sent {
    op: OpId,
    /// None where it is about the run as a whole.
    step: Option<usize>,
    command: String,
    bulk: bool,
    /// It left, or may have left.
    granted: bool,
    /// The line since which it is known that it can no longer take effect.
    settled: Option<u64>,
}

impl Sent {
    fn stops_another(&self) -> bool {
        self.command.starts_with("kill")
    }
}

/// What was seen of a run so far.
#[derive(Default)]
pub(super) struct Watch {
    sent: Vec<Sent>,
    /// The last line of each step that told what a look at the world gave.
    looked: Vec<u64>,
    /// A person wants it taken back and has not said otherwise.
    unwanted: Vec<bool>,
    /// What the person who is heard right now confirms.
    pub(super) confirming: Option<(StepId, Attempt)>,
    /// What is known of where the VMs run.
    pub(super) owners: Owners,
}

impl Watch {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            looked: vec![0; steps],
            unwanted: vec![false; steps],
            ..Self::default()
        }
    }

    /// Learns what a journal says, without judging it.
    pub(super) fn replay(shape: &Shape, steps: usize, journal: &[Arc<Entry>]) -> Self {
        let mut watch = Self::new(steps);
        for entry in journal {
            watch.learn(shape, entry);
        }
        // Who knows what left before the crash.
        watch.sent.iter_mut().for_each(|sent| sent.granted = true);
        watch
    }

    pub(super) fn learn(&mut self, shape: &Shape, entry: &Entry) {
        let index = entry.step.as_ref().and_then(|id| position(shape, id));
        match (&entry.event, index) {
            (
                RunEvent::WriteIntended {
                    op, command, bulk, ..
                },
                step,
            ) => {
                self.sent.push(Sent {
                    op: *op,
                    step,
                    command: command.clone(),
                    bulk: *bulk,
                    granted: false,
                    settled: None,
                });
            }
            (
                RunEvent::WriteFinished { op, .. }
                | RunEvent::WriteNotSent { op, .. }
                | RunEvent::LostStopped { op, .. },
                _,
            ) => {
                if let Some(sent) = self.sent.iter_mut().rfind(|sent| sent.op == *op) {
                    sent.settled = Some(entry.seq);
                }
            }
            (RunEvent::ProbeAnswered(_), Some(step)) => self.looked[step] = entry.seq,
            (RunEvent::UndoStarted { .. }, Some(step)) => self.unwanted[step] = true,
            (RunEvent::StepUndone { .. } | RunEvent::StepSkipped { .. }, Some(step))
            | (RunEvent::StepByHand { .. }, Some(step)) => self.unwanted[step] = false,
            (RunEvent::StepRetried { by }, Some(step)) if by != BY_RULE => {
                self.unwanted[step] = false;
            }
            _ => {}
        }
    }

    /// Judges a line that is about to be written; `before` is the run without it.
    pub(super) fn judge(
        &self,
        shape: &Shape,
        site: &Site,
        before: &RunState,
        entry: &Entry,
    ) -> Result<(), Broken> {
        ensure(entry.seq == before.last_seq + 1, 0, || {
            format!("line {} after line {}", entry.seq, before.last_seq)
        })?;
        ensure(
            before.last_at.is_none_or(|last| last <= entry.at),
            0,
            || "the journal's time went back".to_owned(),
        )?;
        if let RunEvent::RunFinished { .. } = entry.event {
            site.locks.ended()?;
            chapters::ended(shape, site, before)?;
            return self.finished(shape, before);
        }
        let Some(id) = &entry.step else { return Ok(()) };
        let begins = matches!(
            entry.event,
            RunEvent::StepStarted | RunEvent::StepConfirmed(_) | RunEvent::ProbeAnswered(_)
        );
        ensure(!begins || !shape.plan.is_frozen(id), 0, || {
            format!("{id} goes on in a run that is being ended")
        })?;
        let index = position(shape, id).ok_or_else(|| Broken::new(0, format!("no step {id}")))?;
        let status = before.status(id);
        let open = || before.open_ops(id).next().is_some();
        let begins = match &entry.event {
            RunEvent::StepStarted => status == Status::Waiting,
            RunEvent::StepConfirmed(_) => true,
            _ => false,
        };
        ensure(!begins || before.people.shell().is_none(), 9, || {
            format!("{id} began while somebody was in a shell")
        })?;
        match &entry.event {
            RunEvent::StepStarted => {
                ensure(
                    matches!(status, Status::Waiting | Status::Running),
                    0,
                    || format!("{id} began while {}", status.as_str()),
                )?;
                ensure(!open(), 5, || {
                    format!("{id} began while a write of it may still take effect")
                })?;
                // One that asks again right before it acts has begun already.
                ensure(
                    status == Status::Running || rests(shape, before, index),
                    3,
                    || format!("{id} began before what it rests on"),
                )
            }
            RunEvent::StepConfirmed(confirmation) => {
                let doubt = matches!(status, Status::InDoubt | Status::Stopping);
                let promise = if doubt { 5 } else { 0 };
                ensure(status == Status::Asking, promise, || {
                    format!("{id} was confirmed while {}", status.as_str())
                })?;
                self.confirmed(shape, before, index, entry.attempt, confirmation)
            }
            RunEvent::WriteIntended { command, bulk, .. } => {
                self.intended(before, index, status, command, *bulk)
            }
            RunEvent::StepDone { .. } | RunEvent::StepAlreadyDone { .. } => {
                let from = match entry.event {
                    RunEvent::StepDone { .. } => Status::Running,
                    _ => Status::Probing,
                };
                let asked_again = status == Status::Asking;
                ensure(status == from || asked_again, 2, || {
                    format!("{id} turned green while {}", status.as_str())
                })?;
                ensure(!open(), 5, || {
                    format!("{id} is green with a write in doubt")
                })?;
                // A fence rests on what is seen of the other site, or vouched for.
                let words = matches!(
                    shape.work[index].kind,
                    Kind::Prompt | Kind::Fence | Kind::Agree
                );
                ensure(words || site.took_effect(shape, index), 2, || {
                    format!("{id} is green and not done")
                })
            }
            RunEvent::StepUndone { .. } => ensure(site.is_gone(shape, index), 2, || {
                format!("{id} is undone and something of it stands")
            }),
            RunEvent::StepSkipped { .. } | RunEvent::StepByHand { .. } => {
                let acts = matches!(
                    status,
                    Status::Running | Status::InDoubt | Status::Stopping | Status::Undoing
                );
                ensure(!acts, 5, || {
                    format!("{id} was settled while {}", status.as_str())
                })
            }
            RunEvent::QuestionAnswered { label, how, .. } => {
                let asked = before.steps.get(id).and_then(|step| step.question.as_ref());
                let known = asked.is_some_and(|asked| {
                    asked.choices.contains(label)
                        && (*how != Consent::Pace || asked.suggested.as_ref() == Some(label))
                });
                ensure(known, 8, || format!("{id} got the answer {label}"))
            }
            _ => Ok(()),
        }
    }

    fn confirmed(
        &self,
        shape: &Shape,
        before: &RunState,
        index: usize,
        attempt: Option<Attempt>,
        confirmation: &crate::engine::Confirmation,
    ) -> Result<(), Broken> {
        let step = &shape.plan.steps[index];
        let id = &step.id;
        ensure(rests(shape, before, index), 3, || {
            format!("{id} was let go on before what it rests on")
        })?;
        let known = before.steps.get(id);
        let Some(proposal) = known.and_then(|step| step.proposal.as_deref()) else {
            return Err(Broken::new(
                2,
                format!("{id} was confirmed without a proposal"),
            ));
        };
        let gaps = consent::confirmation_gaps(step, proposal, confirmation);
        if confirmation.how == Consent::Pace {
            let vouched = proposal.attest.is_none() && gaps.is_empty();
            ensure(vouched, 3, || format!("a pace vouched for {id}"))?;
            ensure(!self.unwanted[index], 9, || {
                format!("a pace did {id} again, which a person wanted taken back")
            })?;
            let waits = consent::waits_for_person(&shape.plan, before, step, proposal);
            return ensure(!waits, 0, || {
                format!("a pace confirmed {id}, which waits for a person")
            });
        }
        ensure(gaps.is_empty(), 3, || format!("{id}: {gaps:?}"))?;
        if confirmation.how == Consent::Agreed {
            let agreed = shape
                .work
                .iter()
                .zip(&shape.plan.steps)
                .any(|(work, step)| {
                    work.kind == Kind::Agree && before.status(&step.id) == Status::Done
                });
            return ensure(agreed, 0, || format!("nobody agreed to {id}"));
        }
        let shown = self.confirming.as_ref();
        ensure(
            shown.is_some_and(|(shown, held)| shown == id && Some(*held) == attempt),
            3,
            || format!("{id}: what was confirmed was shown for {shown:?}, it acts as {attempt:?}"),
        )
    }

    fn intended(
        &self,
        before: &RunState,
        step: usize,
        status: Status,
        command: &str,
        bulk: bool,
    ) -> Result<(), Broken> {
        let acts = match status {
            Status::Running | Status::Undoing => true,
            Status::InDoubt | Status::Stopping => command.starts_with("kill"),
            _ => false,
        };
        ensure(acts, 5, || {
            format!("`{command}` was granted while {}", status.as_str())
        })?;
        // An answer goes out while what asks is under way.
        if bulk || command.starts_with("kill") || command == ANSWER {
            return Ok(());
        }
        for earlier in &self.sent {
            if earlier.step != Some(step) || earlier.bulk || earlier.stops_another() {
                continue;
            }
            let not_sent = before
                .ops
                .get(&earlier.op)
                .is_some_and(|op| op.status == OpStatus::NotSent);
            let Some(settled) = earlier.settled else {
                return Err(Broken::new(
                    5,
                    format!(
                        "`{command}` goes out while write {} may still take effect",
                        earlier.op
                    ),
                ));
            };
            // An undo looks for itself; that look is no line of its own.
            let same = earlier.command == command && !not_sent && !command.starts_with("undo");
            ensure(!same || self.looked[step] > settled, 5, || {
                format!(
                    "`{command}` goes out again without a look after write {}",
                    earlier.op
                )
            })?;
        }
        Ok(())
    }

    /// A write leaves: its intent is the journal's last line, and nothing has left under its number.
    pub(super) fn leaves(&mut self, journal: &[Arc<Entry>], op: OpId) -> Result<(), Broken> {
        let announced = journal.last().is_some_and(|last| {
            matches!(&last.event, RunEvent::WriteIntended { op: intended, .. } if *intended == op)
        });
        ensure(announced, 1, || {
            format!("write {op} left before its intent was on disk")
        })?;
        let Some(sent) = self.sent.iter_mut().rfind(|sent| sent.op == op) else {
            return Err(Broken::new(1, format!("write {op} was never announced")));
        };
        ensure(!std::mem::replace(&mut sent.granted, true), 5, || {
            format!("write {op} left twice")
        })
    }

    fn finished(&self, shape: &Shape, before: &RunState) -> Result<(), Broken> {
        for (index, step) in shape.plan.steps.iter().enumerate() {
            let status = before.status(&step.id);
            let left = shape.plan.is_frozen(&step.id);
            ensure(left || met(shape, before, index), 9, || {
                format!("the run is finished and {} is {}", step.id, status.as_str())
            })?;
            let settled_by_person = matches!(status, Status::Skipped | Status::ByHand);
            let open = before.open_ops(&step.id).next().is_some();
            ensure(settled_by_person || !open, 5, || {
                format!("the run is finished and a write of {} is in doubt", step.id)
            })?;
        }
        Ok(())
    }
}

pub(super) fn position(shape: &Shape, id: &StepId) -> Option<usize> {
    shape.plan.steps.iter().position(|step| step.id == *id)
}

fn met(shape: &Shape, state: &RunState, index: usize) -> bool {
    let step = &shape.plan.steps[index];
    let status = state.status(&step.id);
    status.is_met() || (status == Status::Failed && step.on_failure == OnFailure::Continue)
}

/// Starts of VMs apart, what comes after a step that looks again goes on.
fn rests(shape: &Shape, state: &RunState, index: usize) -> bool {
    let starts = shape.work[index].kind == Kind::PowerOn;
    let looks_again = |earlier: usize| {
        let known = state.steps.get(&shape.plan.steps[earlier].id);
        known.is_some_and(|step| step.reopened)
    };
    let mut after = shape.plan.steps[index].after.iter();
    after.all(|earlier| met(shape, state, *earlier) || (!starts && looks_again(*earlier)))
}

/// The attempt that a decision was shown for, where it confirms something.
pub(super) fn confirming(decision: &OperatorInput) -> Option<(StepId, Attempt)> {
    match decision {
        OperatorInput::Confirm { step, attempt, .. } => Some((step.clone(), *attempt)),
        _ => None,
    }
}
