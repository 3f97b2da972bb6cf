//! The answers file: decisions that were made before the run, for a console without a person.
//!
//! ```yaml
//! variables: { ticket: INC000001 }
//! secrets: { root_password: { env: ESXI_PASSWORD } }   # or file: PATH, or command: …
//! steps:
//!   failover/recover/sql01/power_on: { by: alice }
//!   failover/recover/web01/power_on: { by: alice, answer: { "Cannot open the disk": Cancel } }
//!   failover/declare/-/confirm: { by: alice, second: bob, signs: [power, network] }
//! drill: { abort: any alarm in production, limit: 4h, abort_key: bob, findings: none }
//! ```

mod drill;
mod secrets;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_yaml::Value;

use crate::engine::is_closing_id;
use crate::headless::StepAnswer;
use crate::names::{StepId, VariableName};
use crate::plan;
use crate::runbook::model::Runbook;

use super::exit::Failure;
use secrets::take_secret;
use steps::take_step;

pub use drill::DrillAnswers;
pub use secrets::SecretSource;

/// No answers file is larger.
const MOST_BYTES: u64 = 1 << 20;
/// Everything that a file answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Values of variables that are not secret.
    pub variables: BTreeMap<VariableName, String>,
    /// When service was lost, as written.
    pub outage_at: Option<String>,
    /// Why that is not now.
    pub outage_reason: Option<String>,
    /// Where secrets come from.
    pub secrets: BTreeMap<VariableName, SecretSource>,
    /// Decisions, by step.
    pub steps: BTreeMap<StepId, StepAnswer>,
    /// What a drill's people agreed on, and what they learnt.
    pub drill: DrillAnswers,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    variables: Value,
    secrets: Value,
    steps: Value,
    drill: Value,
}

/// Reads an answers file for this runbook.
///
/// # Errors
/// Status 2, with every problem of the file.
pub fn read(path: &Path, runbook: &Runbook) -> Result<Answers, Failure> {
    let place = path.display().to_string();
    let cannot = |why: std::io::Error| {
        Failure::invalid(
            format!("the answers cannot be read: {why}"),
            &*place,
            "name the answers file with --answers FILE",
        )
    };
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text))
        .map_err(cannot)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::list(
            &place,
            &["it is larger than 1 MiB".to_owned()],
        ));
    }
    let text = String::from_utf8(text)
        .map_err(|_| Failure::list(&place, &["it is not UTF-8 text".to_owned()]))?;
    parse(&text, runbook).map_err(|problems| Failure::list(&place, &problems))
}

/// Takes the text of an answers file apart. Pure.
///
/// # Errors
/// Every problem, in words.
pub fn parse(text: &str, runbook: &Runbook) -> Result<Answers, Vec<String>> {
    // A value first: it refuses duplicate keys, which a map would swallow.
    let value: Value = serde_yaml::from_str(text).map_err(|error| vec![error.to_string()])?;
    if value.is_null() {
        return Ok(Answers::default());
    }
    let file: File = serde_yaml::from_value(value).map_err(|error| vec![error.to_string()])?;
    let mut answers = Answers::default();
    let mut problems = Vec::new();
    for (name, value) in named(file.variables, "variables", &mut problems) {
        if let Err(problem) = take_variable(&mut answers, runbook, &name, &value) {
            problems.push(format!("variables.{name}: {problem}"));
        }
    }
    for (name, value) in named(file.secrets, "secrets", &mut problems) {
        match take_secret(runbook, &name, value) {
            Ok(source) => {
                answers.secrets.insert(name.into(), source);
            }
            Err(problem) => problems.push(format!("secrets.{name}: {problem}")),
        }
    }
    let known = plan::step_ids(runbook);
    for (id, fields) in named(file.steps, "steps", &mut problems) {
        let fields = named(fields, &format!("steps.{id}"), &mut problems);
        let id = StepId::from(id);
        if !known.contains(&id) && !is_closing_id(runbook, &id) {
            let near = did_you_mean(id.as_str(), known.iter().map(StepId::as_str));
            problems.push(format!("steps: this runbook has no step `{id}`{near}"));
            continue;
        }
        match take_step(&id, fields) {
            Ok(answer) => {
                answers.steps.insert(id, answer);
            }
            Err(problem) => problems.push(format!("steps.{id}: {problem}")),
        }
    }
    if !file.drill.is_null() {
        match serde_yaml::from_value(file.drill) {
            Ok(drill) => answers.drill = drill,
            Err(error) => problems.push(format!("drill: {error}")),
        }
    }
    if problems.is_empty() {
        Ok(answers)
    } else {
        Err(problems)
    }
}

/// The entries of a mapping whose keys are words; what is none is a problem.
fn named(value: Value, place: &str, problems: &mut Vec<String>) -> Vec<(String, Value)> {
    let entries = match value {
        Value::Null => return Vec::new(),
        Value::Mapping(entries) => entries,
        _ => {
            problems.push(format!("{place}: expected `name: value` pairs"));
            return Vec::new();
        }
    };
    let mut named = Vec::new();
    for (key, value) in entries {
        match scalar(&key) {
            Ok(name) => named.push((name, value)),
            Err(why) => problems.push(format!("{place}: a key {why}")),
        }
    }
    named
}

fn take_variable(
    answers: &mut Answers,
    runbook: &Runbook,
    name: &str,
    value: &Value,
) -> Result<(), String> {
    let text = scalar(value).map_err(|why| format!("this {why}"))?;
    match name {
        "outage_at" => answers.outage_at = Some(text),
        "outage_reason" => answers.outage_reason = Some(text),
        _ => {
            check_variable(runbook, name, &text)?;
            answers.variables.insert(name.into(), text);
        }
    }
    Ok(())
}

/// Whether a variable of this name may have this value in the open.
pub(super) fn check_variable(runbook: &Runbook, name: &str, value: &str) -> Result<(), String> {
    let Some(variable) = runbook.variables.get(name) else {
        let near = did_you_mean(name, runbook.variables.keys().map(VariableName::as_str));
        return Err(format!("this runbook has no variable `{name}`{near}"));
    };
    if variable.secret {
        return Err(format!(
            "`{name}` is a secret and must not stand in the open: give it under `secrets` in an answers file, by env, file or command"
        ));
    }
    variable.check(value)
}

/// A single value as it was written; what is wrong with it, as a sentence about it goes on.
fn scalar(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_f64() => {
            Err("is a number that is not kept as it was written (1.10 is 1.1): put it in quotes")
        }
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err("is not a single value"),
    }
}

pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}
