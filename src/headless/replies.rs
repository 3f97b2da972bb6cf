//! Answers that were given before: flags, an answers file, and the rules of practice.

use std::collections::BTreeMap;

use crate::engine::{
    Answer, Choice, Confirmation, Consent, Gap, Prompt, Proposal, Question, YES, confirmation_gaps,
    is_same_person, is_wrong_response, risk, typed_word,
};
use crate::names::StepId;
use crate::plan::{Risk, Step};

/// What an answers file says to one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepAnswer {
    /// Who decides; the operator where nobody is named.
    pub by: Option<String>,
    /// The second person.
    pub second: Option<String>,
    /// The word to type.
    pub typed: Option<String>,
    /// An attestation, in words.
    pub attest: Option<String>,
    /// What the second person answers to the challenge.
    pub response: Option<String>,
    /// Why the answer is no, in words.
    pub decline: Option<String>,
    /// Answers to what a prompt asks for, by its key.
    pub asks: BTreeMap<String, Answer>,
}

/// Everything that can be answered without asking.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// Who started the run.
    pub operator: String,
    /// `--yes`.
    pub yes: bool,
    /// Nothing here is real, so `--yes` accepts everything.
    pub practice: bool,
    /// What the answers file says.
    pub steps: BTreeMap<StepId, StepAnswer>,
}

/// An answer, or what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// It was given.
    Given(T),
    /// It was not; what is missing, in words.
    Missing(String),
}

/// The second person of a practice; nobody is asked.
const SECOND_IN_PRACTICE: &str = "practice";
/// Where the first is called so.
const OTHER_IN_PRACTICE: &str = "second in practice";

impl Replies {
    /// Whether this step may go on as proposed, and on whose behalf.
    #[must_use]
    pub fn to_step(&self, step: &Step, proposal: &Proposal) -> Reply<Confirmation> {
        let entry = self.steps.get(&step.id);
        let rehearsed = self.yes && self.practice;
        let confirmation = self.confirmation(step, proposal, entry, rehearsed);
        let gaps = confirmation_gaps(step, proposal, &confirmation);
        // Another answer to the challenge is an answer: it is recorded, and refused.
        if !gaps.is_empty() && !is_wrong_response(&gaps, &confirmation) {
            let told = |gap: &Gap| match gap {
                Gap::Answer(key, why)
                    if rehearsed && !is_answered(entry, key) && is_value(proposal, key) =>
                {
                    format!(
                        "{key}: {why}; practice gives the `example` that the runbook has for it"
                    )
                }
                gap => gap.to_string(),
            };
            let lacks: Vec<String> = gaps.iter().map(told).collect();
            return Reply::Missing(lacks.join("; "));
        }
        let risk = risk(step, proposal);
        if entry.is_some() || rehearsed || (self.yes && risk <= Risk::Write) {
            return Reply::Given(confirmation);
        }
        Reply::Missing(if self.yes {
            format!(
                "its risk is {}, so it needs an entry of its own in the answers",
                risk.as_str()
            )
        } else {
            "it needs --yes, or an entry in the answers".to_owned()
        })
    }

    fn confirmation(
        &self,
        step: &Step,
        proposal: &Proposal,
        entry: Option<&StepAnswer>,
        rehearsed: bool,
    ) -> Confirmation {
        let given = entry.cloned().unwrap_or_default();
        let in_practice = |value: String| rehearsed.then_some(value);
        let by = given.by.unwrap_or_else(|| self.operator.clone());
        let needs_second = step.people > 1;
        let rehearsing = if is_same_person(&by, SECOND_IN_PRACTICE) {
            OTHER_IN_PRACTICE
        } else {
            SECOND_IN_PRACTICE
        };
        let typed = given
            .typed
            .or_else(|| in_practice(typed_word(step, proposal)?.to_owned()));
        let attest = given
            .attest
            .or_else(|| in_practice(proposal.attest.as_ref().map(|_| "practice".to_owned())?));
        let response = given
            .response
            .or_else(|| in_practice(step.challenge.as_ref()?.response.clone()));
        let mut answers = given.asks;
        let chosen = |key: &str| {
            let choice = proposal.choice.as_ref();
            choice.is_some_and(|choice| key == choice.key || key == Choice::WHY)
        };
        answers.retain(|key, _| proposal.ask.contains_key(key) || chosen(key));
        for (key, answer) in &mut answers {
            // One choice need not be written as a list.
            if let (Answer::Value(word), Some(Prompt::Choose { .. })) =
                (&*answer, proposal.ask.get(key))
            {
                *answer = Answer::Chosen(vec![word.clone()]);
            }
        }
        if rehearsed {
            for (key, ask) in &proposal.ask {
                answers
                    .entry(key.clone())
                    .or_insert_with(|| rehearsed_answer(ask, step.example(key)));
            }
        }
        Confirmation {
            by,
            second: given
                .second
                .or_else(|| in_practice(rehearsing.to_owned()).filter(|_| needs_second)),
            typed,
            attest,
            response,
            decline: given.decline,
            answers,
            how: if entry.is_some() {
                Consent::Answers
            } else {
                Consent::Yes
            },
        }
    }

    /// The label to answer a question with, by whom and on whose behalf. A VM's question that
    /// Lifeboat does not know is never answered; that a command worked is taken from its exit
    /// status where whoever started the run accepted that beforehand.
    #[must_use]
    pub fn to_question(
        &self,
        step: &StepId,
        question: &Question,
    ) -> Reply<(String, String, Consent)> {
        let entry = self.steps.get(step);
        let worked = question.vm.is_none().then(|| Question::WORKED.to_owned());
        let Some(label) = question.suggested.clone().or(worked) else {
            return Reply::Missing(format!(
                "{} asks \u{201c}{}\u{201d}, which Lifeboat does not know: a person has to choose one of {}, at a terminal \
                 (lifeboat resume without --headless)",
                question.asker(),
                question
                    .text
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                question.choices.join(", ")
            ));
        };
        let how = match entry {
            Some(_) => Consent::Answers,
            None if self.yes => Consent::Yes,
            None => return Reply::Missing("it needs --yes, or an entry in the answers".to_owned()),
        };
        let by = entry
            .and_then(|entry| entry.by.clone())
            .unwrap_or_else(|| self.operator.clone());
        Reply::Given((label, by, how))
    }
}

fn is_answered(entry: Option<&StepAnswer>, key: &str) -> bool {
    entry.is_some_and(|entry| entry.asks.contains_key(key))
}

/// Whether it is asked as a value: only such a one has an example.
fn is_value(proposal: &Proposal, key: &str) -> bool {
    matches!(proposal.ask.get(key), Some(Prompt::Value { .. }))
}

fn rehearsed_answer(asked: &Prompt, example: Option<&str>) -> Answer {
    match asked {
        Prompt::Choose { options, at_least } => {
            Answer::Chosen(options.iter().take(*at_least).cloned().collect())
        }
        Prompt::Value { .. } | Prompt::Evidence { .. } => {
            Answer::Value(example.unwrap_or("practice").to_owned())
        }
        Prompt::Acknowledge { .. } | Prompt::Check { .. } => Answer::Value(YES.to_owned()),
        Prompt::Compare { printed, .. } => Answer::Value(printed.clone().unwrap_or_default()),
    }
}
