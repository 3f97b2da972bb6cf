//! What a person decides.

use crate::error::Fault;
use crate::names::{Attempt, StepId};
use crate::runbook::model::Mode;

use super::super::consent;
use super::super::input::{OperatorInput, PeopleInput, RetryScope};
use super::super::orders;
#[cfg(test)]
use super::planted::Bug;
use super::{Closing, Effect, Engine};
use crate::engine::Status;
use crate::engine::{Chapter, Confirmation, RunEvent};

impl Engine {
    pub(super) fn operator(&mut self, input: OperatorInput) {
        match input {
            OperatorInput::Confirm {
                step,
                attempt,
                confirmation,
            } => {
                self.confirmed(&step, attempt, confirmation);
            }
            OperatorInput::Skip { step, by, reason } => {
                if !reason.trim().is_empty() && self.can_settle(&step) {
                    self.abandon(&step);
                    self.record(Some(&step), RunEvent::StepSkipped { by, reason });
                }
            }
            OperatorInput::ByHand { step, by, evidence } => {
                if !evidence.trim().is_empty() && self.can_settle(&step) {
                    self.abandon(&step);
                    self.seen_to_by_hand(&step, &by, &evidence);
                    self.record(Some(&step), RunEvent::StepByHand { by, evidence });
                }
            }
            OperatorInput::Retry { scope, by } => self.retry(&scope, &by),
            OperatorInput::Undo { step, by } => self.undo(&step, by),
            OperatorInput::AnswerQuestion {
                step,
                attempt,
                label,
                by,
                how,
            } => {
                self.answer_question(&step, attempt, label, by, how);
            }
            OperatorInput::NoAnswer { .. } => self.no_answer(input),
            OperatorInput::Pause { by } => {
                if !self.state.paused {
                    self.record(None, RunEvent::RunPaused { by });
                }
            }
            OperatorInput::Continue { by } => {
                if self.state.paused {
                    self.record(None, RunEvent::RunContinued { by });
                }
            }
            OperatorInput::SetPace { pace, by } => {
                if self.state.pace != pace {
                    self.record(None, RunEvent::PaceSet { pace, by });
                }
            }
            OperatorInput::Note { step, by, text } => {
                self.record(step.as_ref(), RunEvent::NoteAdded { by, text });
            }
            OperatorInput::TrustHost {
                host,
                fingerprint,
                by,
            } => {
                self.record(
                    None,
                    RunEvent::HostTrusted {
                        host,
                        fingerprint,
                        by,
                    },
                );
            }
            OperatorInput::People(input) => self.people(input),
            OperatorInput::Detach { why } => self.detach(why),
        }
    }

    fn confirmed(&mut self, id: &StepId, attempt: Attempt, confirmation: Confirmation) {
        #[cfg(test)]
        let attempt = match self.planted {
            Some(Bug::OldConfirmation) => self.state.attempt(id),
            _ => attempt,
        };
        if self.state.people.shell().is_some() {
            return;
        }
        let Some(step) = self.current(id, attempt, &[Status::Asking]) else {
            return;
        };
        let Some(proposal) = self
            .state
            .steps
            .get(id)
            .and_then(|step| step.proposal.as_ref())
        else {
            return;
        };
        let gaps = consent::confirmation_gaps(step, proposal, &confirmation);
        if consent::is_wrong_response(&gaps, &confirmation) {
            self.refuse_response(id, confirmation);
        } else if gaps.is_empty() {
            let objection = consent::objection(proposal, &confirmation);
            let confirmation = consent::to_keep(step, confirmation);
            match objection {
                Some(why) => self.decline(id, confirmation, &why),
                None => self.confirm(id, confirmation),
            }
        }
    }

    /// A no fails the step; no rule tries it again, for it is a person who said it.
    fn decline(&mut self, id: &StepId, confirmation: Confirmation, why: &str) {
        let by = &confirmation.by;
        let what = match &confirmation.decline {
            Some(_) => format!("{by} answered no: {why}"),
            None => format!("what {by} answered does not hold: {why}"),
        };
        let fault = Fault::new(
            what,
            id.as_str(),
            "nothing was sent in this attempt",
            "settle what stands against it, then try again; or leave it out with a reason",
        );
        self.unanswered.remove(id);
        self.record(Some(id), RunEvent::StepDeclined(Box::new(confirmation)));
        self.record(Some(id), RunEvent::StepFailed { fault });
        self.stop_on_failure(id);
    }

    fn refuse_response(&mut self, id: &StepId, confirmation: Confirmation) {
        let Confirmation {
            by,
            second,
            response,
            how,
            ..
        } = confirmation;
        let event = RunEvent::ResponseRefused {
            by,
            second: second.unwrap_or_default(),
            said: response.unwrap_or_default(),
            how,
        };
        self.record(Some(id), event);
    }

    fn can_settle(&self, id: &StepId) -> bool {
        #[cfg(test)]
        if self.planted == Some(Bug::SkipInDoubt) && self.state.status(id) == Status::InDoubt {
            return true;
        }
        orders::can_settle(&self.plan, &self.state, id).is_ok()
    }

    /// As [`orders::is_walked`] says of the run as it stands.
    pub(super) fn is_walked(&self, id: &StepId) -> bool {
        orders::is_walked(&self.plan, &self.state, id)
    }

    /// Ends what the step was looking at.
    pub(super) fn abandon(&mut self, id: &StepId) {
        self.unanswered.remove(id);
        if self.live.remove(id) {
            let attempt = self.state.attempt(id);
            self.effects.push(Effect::Cancel {
                step: id.clone(),
                attempt,
            });
        }
    }

    fn retry(&mut self, scope: &RetryScope, by: &str) {
        for step in orders::retried(&self.plan, &self.state, scope) {
            self.record(Some(&step), RunEvent::StepRetried { by: by.to_owned() });
            self.stop_open_ops(&step);
        }
    }

    fn undo(&mut self, id: &StepId, by: String) {
        // What it rests on is being given back.
        if self.closing == Closing::Under {
            return self.refuse_late_undo(id, by);
        }
        let refused = orders::can_undo(&self.plan, &self.state, id).is_err();
        #[cfg(test)]
        let refused = refused
            && !(self.planted == Some(Bug::UndoInDoubt)
                && self.state.open_ops(id).next().is_some());
        if refused {
            return;
        }
        let attempt = self.state.attempt(id);
        self.record(Some(id), RunEvent::UndoStarted { by });
        self.live.insert(id.clone());
        self.effects.push(Effect::Undo {
            step: id.clone(),
            attempt,
        });
    }

    /// A screen may have offered it: the run was not at its end yet, or a VM that came to run at both
    /// sites keeps it from that.
    fn refuse_late_undo(&mut self, id: &StepId, by: String) {
        if orders::undoable(&self.plan, &self.state, id).is_ok() {
            let wish = "to take it back".to_owned();
            let why = format!("{}; try again once that is over", orders::GIVES_BACK);
            self.record(Some(id), RunEvent::DecisionRefused { by, wish, why });
        }
    }

    /// Leaves what was begun of an ending, as long as nothing was done of it.
    fn leave_ending(&mut self, chapter: Chapter, by: String, reason: String) {
        let begun = self.state.chapter().filter(|begun| begun.ended.is_none());
        if begun.is_none_or(|begun| begun.chapter != chapter) || reason.trim().is_empty() {
            return;
        }
        let shell = self.state.people.shell();
        let shell = shell.map(|shell| format!("a shell is open on {}", shell.host));
        let left = self.state.leaving(chapter, by.clone(), reason);
        let why = match (shell, left) {
            (None, Some(left)) => {
                self.record(None, left);
                return self.leave();
            }
            (Some(shell), _) => shell,
            (None, None) => format!("something of the {chapter} was done by now"),
        };
        let wish = format!("to leave the {chapter}");
        self.record(None, RunEvent::DecisionRefused { by, wish, why });
    }

    fn people(&mut self, input: PeopleInput) {
        let people = &self.state.people;
        match input {
            PeopleInput::Offer { by } if people.offer.is_none() => {
                self.record(None, RunEvent::HandoverOffered { by });
            }
            PeopleInput::Withdraw { by } if people.offer.is_some() => {
                self.record(None, RunEvent::HandoverWithdrawn { by });
            }
            PeopleInput::TakeOver { by } if people.why_not_taken_by(&by).is_none() => {
                let from = people.operator.clone();
                self.record(None, RunEvent::HandoverTaken { from, by });
            }
            PeopleInput::Update { by, text } if !text.trim().is_empty() => {
                self.record(None, RunEvent::UpdatePosted { by, text });
            }
            PeopleInput::OpenShell {
                step,
                host,
                by,
                reason,
            } if people.shell().is_none() && !reason.trim().is_empty() => {
                self.record(Some(&step), RunEvent::ShellOpened { host, by, reason });
            }
            PeopleInput::CloseShell { by } => self.close_shell(by),
            PeopleInput::LeaveEnding {
                chapter,
                by,
                reason,
            } => self.leave_ending(chapter, by, reason),
            PeopleInput::Abort { by, why }
                if self.plan.mode == Mode::Drill
                    && self.state.chapters.is_empty()
                    && !why.trim().is_empty() =>
            {
                self.record(None, RunEvent::DrillAborted { by, why });
                self.detach("the drill was aborted".to_owned());
            }
            _ => {}
        }
    }

    /// Whatever was done in the shell, its step looks again; then it waits for a person.
    fn close_shell(&mut self, by: String) {
        let Some(step) = self.state.people.shell().map(|shell| shell.step.clone()) else {
            return;
        };
        let who = by.clone();
        self.record(step.as_ref(), RunEvent::ShellClosed { by });
        // What is half taken back stays a person's to decide.
        if let Some(step) = step.filter(|step| !self.is_unwanted(step)) {
            self.retry(&RetryScope::Step(step), &who);
        }
    }

    fn detach(&mut self, why: String) {
        self.record(None, RunEvent::RunDetached { why });
        self.leave();
    }

    fn leave(&mut self) {
        let live: Vec<StepId> = std::mem::take(&mut self.live).into_iter().collect();
        for step in live {
            let attempt = self.state.attempt(&step);
            self.effects.push(Effect::Cancel { step, attempt });
        }
        self.effects.push(Effect::Leave);
        self.left = true;
    }
}
