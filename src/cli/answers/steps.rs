//! What is decided about a step, and what its VM is answered.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::scalar;
use crate::engine::Answer;
use crate::headless::StepAnswer;
use crate::names::StepId;
use crate::runbook::model::Ask;

/// Under this key stands what a VM is answered.
const QUESTIONS: &str = "answer";

/// The fields of a step.
pub(super) fn take_step(id: &StepId, fields: Vec<(String, Value)>) -> Result<StepAnswer, String> {
    let mut answer = StepAnswer::default();
    for (key, value) in fields {
        // A prompt asks under names of its own, and no VM asks anything in it.
        if key == QUESTIONS && id.verb() != "confirm" {
            answer.questions = take_questions(value)?;
            continue;
        }
        if Ask::RESERVED.contains(&key.as_str()) {
            let text = scalar(&value).map_err(|why| format!("`{key}` {why}"))?;
            let field = match key.as_str() {
                "by" => &mut answer.by,
                "second" => &mut answer.second,
                "typed" => &mut answer.typed,
                "response" => &mut answer.response,
                "decline" => &mut answer.decline,
                _ => &mut answer.attest,
            };
            *field = Some(text);
            continue;
        }
        let wrong = |why| format!("`{key}` {why}");
        let said = match &value {
            Value::Sequence(items) => {
                let chosen: Result<_, _> = items.iter().map(scalar).collect();
                Answer::Chosen(chosen.map_err(wrong)?)
            }
            other => Answer::Value(scalar(other).map_err(wrong)?),
        };
        answer.asks.insert(key, said);
    }
    Ok(answer)
}

/// The labels for what a VM asks: each by a part of the question's text.
fn take_questions(value: Value) -> Result<BTreeMap<String, String>, String> {
    let wrong = || {
        format!(
            "`{QUESTIONS}` takes a part of the text that a VM asks, and the label to answer: {{ \"Cannot open the disk\": Cancel }}"
        )
    };
    let Value::Mapping(entries) = value else {
        return Err(wrong());
    };
    let read = |(part, label): (Value, Value)| {
        let words = |value| scalar(value).ok().filter(|text| !text.trim().is_empty());
        words(&part).zip(words(&label)).ok_or_else(wrong)
    };
    match entries.len() {
        0 => Err(wrong()),
        _ => entries.into_iter().map(read).collect(),
    }
}
