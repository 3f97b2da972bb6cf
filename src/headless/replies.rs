//! Answers that were given before: flags, an answers file, and the rules of practice.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Labels for questions that come up while the step acts, by a part of their text.
    pub questions: BTreeMap<String, String>,
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

    /// The label to answer a question with, by whom and on whose behalf. One that Lifeboat does not
    /// know is answered only as the answers file says for its text; that a command worked is taken
    /// from its exit status where whoever started the run accepted that beforehand.
    #[must_use]
    pub fn to_question(
        &self,
        step: &StepId,
        question: &Question,
    ) -> Reply<(String, String, Consent)> {
        let entry = self.steps.get(step);
        let by = entry
            .and_then(|entry| entry.by.clone())
            .unwrap_or_else(|| self.operator.clone());
        let how = match (entry, written(entry, question)) {
            (_, Written::Label(label)) => return Reply::Given((label, by, Consent::Answers)),
            (_, Written::Wrong(lacks)) => return Reply::Missing(lacks),
            (Some(_), Written::Nothing) => Some(Consent::Answers),
            (None, Written::Nothing) => self.yes.then_some(Consent::Yes),
        };
        let worked = question.vm.is_none().then(|| Question::WORKED.to_owned());
        match (question.suggested.clone().or(worked), how) {
            (Some(label), Some(how)) => Reply::Given((label, by, how)),
            (Some(_), None) => {
                Reply::Missing("it needs --yes, or an entry in the answers".to_owned())
            }
            (None, _) => Reply::Missing(format!(
                "{} asks \u{201c}{}\u{201d}, which Lifeboat does not know: a person has to choose one of {}, {}",
                question.asker(),
                one_line(&question.text),
                question.choices.join(", "),
                ways_to_answer(step, question, entry),
            )),
        }
    }
}

/// What an answers file says to a question.
enum Written {
    /// This label, which is one of its own.
    Label(String),
    /// Nothing.
    Nothing,
    /// Something that is no answer to it.
    Wrong(String),
}

/// Case and the host's line breaks make no difference to a text; to a label they do.
fn written(entry: Option<&StepAnswer>, question: &Question) -> Written {
    let asked = one_line(&question.text).to_lowercase();
    let parts = entry.into_iter().flat_map(|entry| &entry.questions);
    let labels: BTreeSet<&String> = parts
        .filter(|(part, _)| asked.contains(&one_line(part).to_lowercase()))
        .map(|(_, label)| label)
        .collect();
    let wrong = |why: &str| {
        let (text, choices) = (one_line(&question.text), question.choices.join(", "));
        Written::Wrong(format!(
            "to \u{201c}{text}\u{201d} the answers say {why} {choices}"
        ))
    };
    match (labels.first(), labels.len()) {
        (None, _) => Written::Nothing,
        (Some(label), 1) if question.choices.contains(label) => Written::Label((*label).clone()),
        (Some(label), 1) => wrong(&format!("{}, which is not one of", quoted(label))),
        _ => wrong("more than one thing: leave one of"),
    }
}

/// Where a question that nobody answered is answered: what to type, and what to write.
fn ways_to_answer(step: &StepId, question: &Question, entry: Option<&StepAnswer>) -> String {
    let key = format!(
        "answer: {{ {}: LABEL }}",
        quoted(&beginning(&question.text))
    );
    let place = match entry {
        Some(_) => format!("in the entry of {step} in the answers file: {key}"),
        None => format!("in the answers file, under steps: {step}: {{ {key} }}"),
    };
    let parts = entry.into_iter().flat_map(|entry| entry.questions.keys());
    let parts: Vec<String> = parts.map(|part| quoted(part)).collect();
    let now = match &parts[..] {
        [] => String::new(),
        parts => format!(
            " (what its `answer` has now, {}, is not in that text)",
            parts.join(", ")
        ),
    };
    format!(
        "at a terminal (lifeboat resume without --headless) or {place}, with one of these for LABEL{now}"
    )
}

/// As YAML reads it back, whatever stands in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Enough of a question to tell it by, up to the end of a word.
fn beginning(text: &str) -> String {
    const ENOUGH: usize = 120;
    let text = one_line(text);
    let Some((cut, _)) = text.char_indices().nth(ENOUGH) else {
        return text;
    };
    let end = text[..cut].rfind(' ').unwrap_or(cut);
    text[..end].to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
