//! The people: who does what the screen asks for, and who does anything else.

use super::super::*;
use super::looks::{LIVES, SITES};
use super::shapes::TICKET;
use super::{Mischief, World};
use crate::engine::{Answer, Chapter, Pace, PeopleInput, RetryScope, Status, typed_word};

/// Retries after which a person who behaves leaves a step out.
const TRIES: u8 = 4;

impl World {
    fn who(&self) -> String {
        if self.resumes.is_multiple_of(2) {
            "alice"
        } else {
            "bob"
        }
        .to_owned()
    }

    /// Everything that the card of this step asks for.
    fn full(&self, index: usize) -> Confirmation {
        let step = &self.shape.plan.steps[index];
        let mut confirmation = Confirmation {
            by: self.who(),
            how: if self.headless {
                Consent::Answers
            } else {
                Consent::Person
            },
            ..confirmation()
        };
        if let Some(proposal) = self.proposal(index) {
            confirmation.typed = typed_word(step, proposal).map(str::to_owned);
            confirmation.attest = proposal.attest.as_ref().map(|_| "I saw it off".to_owned());
            for key in proposal.ask.keys() {
                let answer = if key == LIVES {
                    Answer::Chosen(vec![SITES[usize::from(self.prefers_here)].to_owned()])
                } else {
                    Answer::Value(TICKET.to_owned())
                };
                confirmation.answers.insert(key.clone(), answer);
            }
        }
        confirmation.second = (step.people > 1).then(|| "carol".to_owned());
        confirmation
    }

    fn proposal(&self, index: usize) -> Option<&Proposal> {
        let id = &self.shape.plan.steps[index].id;
        self.folded.steps.get(id)?.proposal.as_deref()
    }

    fn confirm(&self, index: usize, attempt: Attempt, confirmation: Confirmation) -> OperatorInput {
        OperatorInput::Confirm {
            step: self.shape.plan.steps[index].id.clone(),
            attempt,
            confirmation,
        }
    }

    fn answer_question(&mut self, index: usize, wrong: bool) -> Option<OperatorInput> {
        let id = self.shape.plan.steps[index].id.clone();
        let known = self.folded.steps.get(&id)?;
        let question = known.question.as_ref()?;
        let label = if wrong {
            "I Forgot".to_owned()
        } else {
            question.choices[self.dice.below(question.choices.len())].clone()
        };
        Some(OperatorInput::AnswerQuestion {
            attempt: known.attempt,
            step: id,
            label,
            by: self.who(),
            how: Consent::Person,
        })
    }

    /// What somebody does who follows the screen: the way on that leads out of everything.
    pub(super) fn behave(&mut self, stuck: &[StepId]) -> Option<OperatorInput> {
        if self.folded.paused {
            return Some(OperatorInput::Continue { by: self.who() });
        }
        if self.folded.people.shell().is_some() {
            let by = self.who();
            return Some(OperatorInput::People(PeopleInput::CloseShell { by }));
        }
        let first = self.dice.below(stuck.len().max(1));
        for turn in 0..stuck.len() {
            let id = &stuck[(first + turn) % stuck.len()];
            let index = super::promises::position(self.shape, id)?;
            let status = self.folded.status(id);
            match status {
                Status::Asking => {
                    let attempt = self.folded.step(id).attempt;
                    return Some(self.confirm(index, attempt, self.full(index)));
                }
                Status::Failed | Status::Held | Status::Undone => {
                    self.tries[index] += 1;
                    let by = self.who();
                    if self.tries[index] > TRIES {
                        let reason = "not tonight".to_owned();
                        self.disown(index);
                        return Some(OperatorInput::Skip {
                            step: id.clone(),
                            by,
                            reason,
                        });
                    }
                    let scope = RetryScope::Step(id.clone());
                    return Some(OperatorInput::Retry { scope, by });
                }
                _ => {
                    if let Some(answer) = self.answer_question(index, false) {
                        return Some(answer);
                    }
                }
            }
        }
        None
    }

    /// Whatever a person may press at any time.
    pub(super) fn meddle(&mut self) -> Option<OperatorInput> {
        let by = self.who();
        match self.dice.roll(24) {
            0 => return Some(OperatorInput::Pause { by }),
            1 | 2 => return Some(OperatorInput::Continue { by }),
            3..=6 => {
                let pace = [Pace::Step, Pace::Phase, Pace::Auto, Pace::Auto][self.dice.below(4)];
                return Some(OperatorInput::SetPace { pace, by });
            }
            7 => {
                let step = None;
                return Some(OperatorInput::Note {
                    step,
                    by,
                    text: "hm".to_owned(),
                });
            }
            8 => {
                return Some(OperatorInput::TrustHost {
                    host: "esx1".into(),
                    fingerprint: "SHA256:x".to_owned(),
                    by,
                });
            }
            9 => {
                return Some(OperatorInput::Detach {
                    why: "shift ends".to_owned(),
                });
            }
            10 => return None,
            11 => return Some(OperatorInput::People(self.beside_the_steps(by))),
            _ => {}
        }
        let index = self.dice.below(self.shape.work.len());
        let step = self.shape.plan.steps[index].id.clone();
        let known = self.folded.step(&step);
        if known.status == Status::Asking && !self.dice.one_in(3) {
            return Some(self.confirm_somehow(index, known.attempt));
        }
        if known.question.is_some() && self.dice.one_in(2) {
            let wrong = self.dice.one_in(3);
            return self.answer_question(index, wrong);
        }
        if known.status == Status::Done && self.dice.one_in(2) {
            return Some(OperatorInput::Undo { step, by });
        }
        match self.dice.roll(10) {
            0 => {
                self.disown(index);
                let reason = if self.dice.one_in(4) {
                    " "
                } else {
                    "not tonight"
                }
                .to_owned();
                Some(OperatorInput::Skip { step, by, reason })
            }
            1 => {
                self.do_by_hand(index);
                let evidence = "seen in the host client".to_owned();
                Some(OperatorInput::ByHand { step, by, evidence })
            }
            2 => Some(OperatorInput::Retry {
                scope: RetryScope::AllFailed,
                by,
            }),
            3 => Some(OperatorInput::Retry {
                scope: RetryScope::VmOf(step),
                by,
            }),
            4..=6 => Some(OperatorInput::Retry {
                scope: RetryScope::Step(step),
                by,
            }),
            _ => Some(OperatorInput::Undo { step, by }),
        }
    }

    fn beside_the_steps(&mut self, by: String) -> PeopleInput {
        let index = self.dice.below(self.shape.work.len());
        match self.dice.below(5) {
            4 => PeopleInput::LeaveEnding {
                chapter: Chapter::Rollback,
                by,
                reason: "too early".to_owned(),
            },
            0 => PeopleInput::Offer { by },
            1 => PeopleInput::TakeOver { by },
            2 if self.folded.people.shell().is_some() => PeopleInput::CloseShell { by },
            _ => PeopleInput::OpenShell {
                step: self.shape.plan.steps[index].id.clone(),
                host: "esx1".into(),
                by,
                reason: "what is there?".to_owned(),
            },
        }
    }

    /// In full, for what is not on screen any more, or with something missing.
    fn confirm_somehow(&mut self, index: usize, attempt: Attempt) -> OperatorInput {
        let full = self.full(index);
        match self.dice.roll(7) {
            6 => {
                let decline = Some("not tonight".to_owned());
                self.confirm(index, attempt, Confirmation { decline, ..full })
            }
            0 => self.confirm(index, Attempt(attempt.0.saturating_sub(1)), full),
            1 => self.confirm(index, attempt.next(), full),
            2 => self.confirm(index, attempt, confirmation()),
            3 => {
                let second = Some(full.by.clone());
                self.confirm(index, attempt, Confirmation { second, ..full })
            }
            _ => self.confirm(index, attempt, full),
        }
    }

    /// What may still be under way is from now on on the person's account, if the engine lets them.
    fn disown(&mut self, index: usize) {
        let id = &self.shape.plan.steps[index].id;
        if self.folded.status(id) == Status::Held {
            for flight in &mut self.site.flights {
                flight.disowned |= flight.step == index;
            }
        }
    }

    fn do_by_hand(&mut self, index: usize) {
        let id = &self.shape.plan.steps[index].id;
        if self.shape.plan.is_frozen(id) {
            return;
        }
        let acts = self.folded.status(id).is_active();
        self.disown(index);
        let work = &self.shape.work[index];
        let starts = work.kind == super::shapes::Kind::PowerOn;
        if !acts && self.dice.one_in(2) {
            self.site.begun[work.vm] &= !starts;
            self.site.bits[index] = super::site::Site::full(self.shape, index);
            if self.shape.work[index].kind == super::shapes::Kind::Fence {
                self.site.homes[self.shape.work[index].vm].runs = false;
            }
        }
    }

    /// An answers file's part: what it has and what it lacks.
    pub(super) fn answer_from_file(&mut self) -> Option<OperatorInput> {
        let asking: Vec<usize> = (0..self.shape.work.len())
            .filter(|index| {
                let known = self.folded.steps.get(&self.shape.plan.steps[*index].id);
                known.is_some_and(|step| {
                    let asks = step.status == Status::Asking || step.question.is_some();
                    asks && !self.unanswered.contains(&(*index, step.attempt))
                })
            })
            .collect();
        let index = *asking.first()?;
        let step = self.shape.plan.steps[index].id.clone();
        let attempt = self.folded.step(&step).attempt;
        let lacks = self.mischief(Mischief::Person, 4);
        if lacks {
            self.unanswered.insert((index, attempt));
            return Some(OperatorInput::NoAnswer { step });
        }
        if let Some(answer) = self.answer_question(index, false) {
            return Some(answer);
        }
        Some(self.confirm(index, attempt, self.full(index)))
    }
}
