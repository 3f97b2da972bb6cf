//! Writes: the licence to send one, and what becomes of it.

use crate::error::Fault;
use crate::names::{Attempt, HostName, OpId, StepId};

use super::super::fact::Fact;
#[cfg(test)]
use super::planted::{self, Bug};
use super::{Closing, Effect, Engine, Wait, back_off};
use crate::engine::{Op, Question, RunEvent, Status, StopOutcome};

impl Engine {
    pub(super) fn write_wanted(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        ticket: u64,
        host: HostName,
        command: String,
        bulk: bool,
    ) {
        let acts = [
            Status::Running,
            Status::Undoing,
            Status::InDoubt,
            Status::Stopping,
        ];
        let closes = self.closes(step);
        if !closes && self.current(step, attempt, &acts).is_none() {
            self.effects.push(Effect::Deny { ticket });
            return;
        }
        let held = self.state.status(step) == Status::Running && self.must_not_start(step);
        #[cfg(test)]
        let held =
            held && !(self.planted == Some(Bug::AnswerNotHeld) && command == planted::ANSWER);
        if held {
            self.effects.push(Effect::Deny { ticket });
            self.take_start_back(step);
            return;
        }
        if !closes {
            self.closing = Closing::Open;
        }
        let op = OpId(self.next_op);
        self.next_op += 1;
        #[cfg(test)]
        if self.planted == Some(Bug::RecordAfterRun) {
            self.effects.push(Effect::Grant { ticket, op });
        }
        self.record(
            (!closes).then_some(step),
            RunEvent::WriteIntended {
                op,
                host,
                command,
                bulk,
            },
        );
        self.effects.push(Effect::Grant { ticket, op });
    }

    /// Where the VM asks something, its start is under way, and only what answers it was refused:
    /// that command is stopped before the step looks again.
    fn take_start_back(&mut self, step: &StepId) {
        let why = "something speaks against a start since it looked";
        let is_clear = self.has_sent_nothing(step);
        #[cfg(test)]
        let is_clear = is_clear || self.planted == Some(Bug::StartForgotten);
        if is_clear {
            self.begin_anew(step, why);
        } else {
            self.abandon(step);
            self.lose_open_ops(step, why);
            self.after_loss(step);
        }
    }

    pub(super) fn write_started(&mut self, op: OpId, pid: u32) {
        self.write_event(op, RunEvent::WriteStarted { op, pid });
    }

    /// Records what became of a write; one that is settled already stays as it is.
    pub(super) fn write_event(&mut self, op: OpId, event: RunEvent) {
        let Some(known) = self.state.ops.get(&op) else {
            return;
        };
        if !known.status.is_unsettled() {
            return;
        }
        let (step, attempt) = (known.step.clone(), known.attempt);
        #[cfg(test)]
        let exit_0 = matches!(event, RunEvent::WriteFinished { exit: 0, .. });
        let of_step = step != StepId::default();
        let about = of_step.then_some(&step);
        self.record_attempt(about, about.map(|_| attempt), event);
        #[cfg(test)]
        if self.planted == Some(Bug::ExitIsProof) && exit_0 {
            let evidence = vec!["exit status 0".to_owned()];
            self.record(Some(&step), RunEvent::StepDone { evidence });
        }
    }

    pub(super) fn fact_found(&mut self, step: &StepId, attempt: Attempt, ticket: u64, fact: Fact) {
        let acts = [Status::Probing, Status::Running, Status::Undoing];
        let closes = self.closes(step);
        if !closes && self.current(step, attempt, &acts).is_none() {
            self.effects.push(Effect::Deny { ticket });
            return;
        }
        self.record((!closes).then_some(step), RunEvent::FactFound(fact.clone()));
        self.effects.push(Effect::Kept { ticket });
        self.weigh(&fact);
        self.copy_anew(&fact);
    }

    pub(super) fn questioned(&mut self, step: &StepId, attempt: Attempt, question: Question) {
        // An undo may start a VM that asks.
        let acts = [Status::Running, Status::Undoing];
        if self.current(step, attempt, &acts).is_none() {
            return;
        }
        self.record(Some(step), RunEvent::QuestionAsked(Box::new(question)));
    }

    pub(super) fn stopped(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        op: OpId,
        outcome: Result<StopOutcome, Fault>,
    ) {
        let doubt = [Status::InDoubt, Status::Stopping];
        if self.current(step, attempt, &doubt).is_none() {
            return;
        }
        let is_open = self.state.open_ops(step).any(|(open, _)| open == op);
        let others = self.state.open_ops(step).any(|(open, _)| open != op);
        match outcome {
            // A second try at stopping the same command failed when the first had done it: what
            // that try itself has lost is nobody else's to stop.
            Err(fault) if is_open || others => {
                if is_open {
                    let fault = fault.clone();
                    self.record(Some(step), RunEvent::StopFailed { op, fault });
                }
                self.hold(
                    step,
                    fault,
                    vec![
                        "retry: ask the host again whether the command still runs".to_owned(),
                        "by hand: look at the host yourself and say what you see".to_owned(),
                    ],
                );
                return;
            }
            Ok(outcome) if is_open => {
                self.record(Some(step), RunEvent::LostStopped { op, outcome });
            }
            // It ended by itself and said so in the meantime.
            _ => {}
        }
        if self.state.open_ops(step).next().is_none() {
            self.live.remove(step);
            self.go_on_after_loss(step);
        }
    }

    /// What becomes of a step of which no command can take effect any more.
    fn go_on_after_loss(&mut self, step: &StepId) {
        #[cfg(test)]
        if self.planted == Some(Bug::NoProbeAfterLoss)
            && let Some(confirmation) = self.state.step(step).confirmation
        {
            return self.confirm(step, *confirmation);
        }
        let losses = self.state.step(step).losses;
        if losses > self.settings.losses {
            let fault = Fault::new(
                format!("the link was lost {losses} times under this step"),
                step.as_str(),
                "the last command can no longer take effect",
                "look at the network to the host, then retry",
            );
            self.hold(step, fault, vec!["retry".to_owned()]);
            return;
        }
        if self.is_unwanted(step) {
            self.hold_half_undone(step);
            return;
        }
        if let Some(fault) = self.overran(step) {
            self.record(Some(step), RunEvent::StepFailed { fault });
            self.stop_on_failure(step);
            return;
        }
        self.record(
            Some(step),
            RunEvent::StepRetried {
                by: super::super::BY_RULE.to_owned(),
            },
        );
        if losses > 1 {
            self.timer_for(Wait::Begin(step.clone()), back_off(losses - 1));
        }
    }

    /// A command of the runbook that took longer than its step has would do so again: one look whether
    /// it did its work all the same is worth it, sending it over and over is not.
    fn overran(&self, id: &StepId) -> Option<Fault> {
        let step = self.plan.step(id)?;
        let limit = step.command_time()?;
        let since = self.state.step(id).retried_at;
        let is_late = |op: &&Op| {
            op.step == *id
                && since.is_none_or(|since| op.intended > since)
                && op.lasted.is_some_and(|lasted| lasted >= limit)
        };
        let late: Vec<&Op> = self.state.ops.values().filter(is_late).collect();
        let allowed = usize::try_from(step.retries).unwrap_or(usize::MAX);
        let last = late
            .last()
            .filter(|_| late.len() > allowed.saturating_add(1))?;
        Some(Fault::new(
            format!(
                "the command takes longer than the {} s that the step has: it was sent {} times, and stopped",
                limit.as_secs(),
                late.len()
            ),
            last.host.as_str(),
            "what it did until then stands",
            "look there what it did; give the step a longer `timeout` in a corrected runbook, or retry",
        ))
    }
}
