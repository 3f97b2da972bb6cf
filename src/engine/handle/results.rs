//! What probes and actions report back.

use crate::error::Fault;
use crate::names::{Attempt, StepId};
use crate::runbook::model::OnFailure;

use super::super::input::Performed;
use super::patience::Cause;
#[cfg(test)]
use super::planted::Bug;
use super::{Engine, Wait, back_off};
use crate::engine::Status;
use crate::engine::{ProbeAnswer, RunEvent, Verdict};

/// Attempts of one step after which a person must look, whatever the reason for each.
const MOST_ATTEMPTS: u32 = 200;

impl Engine {
    pub(super) fn probed(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        answer: Result<ProbeAnswer, Fault>,
    ) {
        if self.current(step, attempt, &[Status::Probing]).is_none() {
            return;
        }
        self.live.remove(step);
        match answer {
            Ok(answer) => self.take_answer(step, answer),
            Err(fault) => {
                let again = fault.passing.then(|| self.look_later(step, Cause::Unseen));
                let after = again.flatten();
                self.record(
                    Some(step),
                    RunEvent::ProbeFailed {
                        fault: fault.clone(),
                        again_in_ms: after
                            .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
                    },
                );
                match after {
                    Some(after) => self.timer_for(Wait::Probe(step.clone(), attempt), after),
                    None => self.fail(step, fault),
                }
            }
        }
    }

    fn take_answer(&mut self, step: &StepId, answer: ProbeAnswer) {
        let verdict = answer.verdict.clone();
        // What still stands as it was seen is no news.
        if !self.stands_already(step, &answer) {
            self.record(Some(step), RunEvent::ProbeAnswered(Box::new(answer)));
        }
        match verdict {
            Verdict::AlreadyDone { evidence } => {
                self.record(Some(step), RunEvent::StepAlreadyDone { evidence });
            }
            // Whether it waits for a person or goes on is decided in `advance`, which sees a
            // change of pace too.
            Verdict::Needed(_) => {}
            Verdict::Blocked { fault, remedies } => {
                let again = fault.passing.then(|| self.look_later(step, Cause::Blocked));
                if let Some(after) = again.flatten() {
                    let attempt = self.state.attempt(step);
                    return self.timer_for(Wait::Probe(step.clone(), attempt), after);
                }
                let goes_on = self
                    .plan
                    .step(step)
                    .is_some_and(|step| step.on_failure == OnFailure::Continue);
                if goes_on {
                    self.fail(step, fault);
                } else {
                    self.hold(step, fault, remedies);
                }
            }
        }
    }

    /// Whether the step looks again at this very thing that stands against it.
    fn stands_already(&self, step: &StepId, answer: &ProbeAnswer) -> bool {
        let Verdict::Blocked { fault, remedies } = &answer.verdict else {
            return false;
        };
        let known = self.state.step(step);
        known.fault.as_ref() == Some(fault)
            && known.remedies == *remedies
            && known.found == answer.found
    }

    pub(super) fn performed(&mut self, step: &StepId, attempt: Attempt, result: Performed) {
        let acts = [Status::Running, Status::Undoing, Status::InDoubt];
        if self.current(step, attempt, &acts).is_none() {
            return;
        }
        self.live.remove(step);
        self.unanswered.remove(step);
        let undoes = self.state.status(step) == Status::Undoing;
        let open = self.state.open_ops(step).next().is_some();
        if open || result == Performed::Lost {
            self.lose_open_ops(step, "its action ended without knowing how it went");
            self.after_loss(step);
            return;
        }
        match result {
            Performed::Done { evidence } => {
                self.record(Some(step), RunEvent::StepDone { evidence })
            }
            Performed::Undone { evidence } => {
                self.record(Some(step), RunEvent::StepUndone { evidence });
            }
            Performed::Changed(answer) => self.changed(step, attempt, *answer),
            Performed::Failed(fault) if undoes && self.is_unwanted(step) => {
                self.hold_undo(step, fault);
            }
            Performed::Failed(fault) | Performed::Held { fault, .. }
                if !undoes && self.may_pass(step, &fault) =>
            {
                self.cut_short(step, fault);
            }
            Performed::Failed(fault) => self.fail(step, fault),
            Performed::Held { fault, remedies } => self.hold(step, fault, remedies),
            // Handled above: a loss without an open write has nothing to stop.
            Performed::Lost => {}
        }
    }

    pub(super) fn after_loss(&mut self, step: &StepId) {
        #[cfg(test)]
        if self.planted == Some(Bug::LostNotStopped) {
            let open: Vec<_> = self.state.open_ops(step).map(|(op, _)| op).collect();
            for op in open {
                let outcome = crate::engine::StopOutcome::Gone;
                self.record(Some(step), RunEvent::LostStopped { op, outcome });
            }
        }
        if self.state.open_ops(step).next().is_some() {
            self.stop_open_ops(step);
        } else if self.is_unwanted(step) {
            self.hold_half_undone(step);
        } else {
            let why = "the link was lost; nothing that was sent can still take effect".to_owned();
            self.record(Some(step), RunEvent::StepInterrupted { why, fault: None });
            self.timer_for(Wait::Begin(step.clone()), back_off(1));
        }
    }

    /// Whether a step that acted is to look anew by rule: only a person can say so again and again.
    fn may_pass(&self, step: &StepId, fault: &Fault) -> bool {
        fault.passing && self.state.step(step).cuts < self.settings.cuts
    }

    /// Its action met what may pass, and nothing that was sent is still under way: the step looks anew.
    /// What is left to do by then is shown as ever, for another confirmation.
    fn cut_short(&mut self, step: &StepId, fault: Fault) {
        #[cfg(test)]
        if self.planted == Some(Bug::NoProbeAfterCut)
            && let Some(confirmation) = self.state.step(step).confirmation
        {
            return self.confirm(step, *confirmation);
        }
        let why = format!("{}; this may pass, so it looks anew", fault.what);
        let fault = Some(fault);
        self.record(Some(step), RunEvent::StepInterrupted { why, fault });
        let after = back_off(self.state.step(step).cuts);
        self.timer_for(Wait::Begin(step.clone()), after);
    }

    /// Things were not as confirmed: what was seen instead is shown as a new attempt, so that the
    /// old confirmation cannot stand for it.
    fn changed(&mut self, step: &StepId, attempt: Attempt, answer: ProbeAnswer) {
        if attempt.0 >= MOST_ATTEMPTS {
            let fault = Fault::new(
                "things keep changing right before this step acts",
                step.as_str(),
                "nothing was sent in this attempt",
                "find out who else works on this VM or host, then retry",
            );
            self.hold(step, fault, vec!["retry".to_owned()]);
            return;
        }
        self.record_attempt(Some(step), Some(attempt.next()), RunEvent::StepStarted);
        self.take_answer(step, answer);
    }
}
