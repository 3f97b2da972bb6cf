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

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::Value;
use zeroize::Zeroizing;

use crate::engine::{Answer, Finding, is_closing_id};
use crate::headless::StepAnswer;
use crate::names::{StepId, VariableName};
use crate::plan;
use crate::runbook::model::{Ask, Runbook};

use super::exit::Failure;

/// No answers file is larger.
const MOST_BYTES: u64 = 1 << 20;
/// Under this key stands what a VM is answered.
const QUESTIONS: &str = "answer";

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

/// What an answers file says about a drill: what its people agreed on, and what they learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillAnswers {
    /// What ends it early, in words.
    pub abort: Option<String>,
    /// How long it may take, as written.
    pub limit: Option<String>,
    /// Who holds the abort key.
    pub abort_key: Option<String>,
    /// What it showed: `none`, or a list. Missing is no statement.
    #[serde(deserialize_with = "findings")]
    pub findings: Option<Vec<Finding>>,
}

/// `none` is the statement that there is nothing, which an empty list is not.
fn findings<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<Finding>>, D::Error> {
    use serde::de::Error;
    let wrong = |why: &dyn std::fmt::Display| {
        D::Error::custom(format!(
            "findings: {why}; say `none`, or a list of {{ text, owner, due }}, due as 2026-02-01"
        ))
    };
    let items = match Value::deserialize(from)? {
        Value::Null => return Ok(None),
        Value::String(word) if word == "none" => return Ok(Some(Vec::new())),
        Value::Sequence(items) if !items.is_empty() => items,
        _ => return Err(wrong(&"they are not stated")),
    };
    let read = |item| {
        let finding: Finding = serde_yaml::from_value(item).map_err(|why| wrong(&why))?;
        match finding.lacks() {
            None => Ok(finding),
            Some(why) => Err(wrong(&why)),
        }
    };
    items
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Where a secret comes from; it never stands in the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file's first line.
    File(PathBuf),
    /// The first line that a command prints: a line for `sh -c`.
    Command(String),
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

fn take_secret(runbook: &Runbook, name: &str, value: Value) -> Result<SecretSource, String> {
    match runbook.variables.get(name) {
        Some(variable) if variable.secret => {}
        Some(_) => return Err(format!("`{name}` is no secret: give it under `variables`")),
        None => {
            let near = did_you_mean(name, runbook.variables.keys().map(VariableName::as_str));
            return Err(format!("this runbook has no variable `{name}`{near}"));
        }
    }
    let ways = "say where it comes from: { env: NAME }, { file: PATH } or { command: LINE }";
    match &value {
        Value::Mapping(ways_given) if ways_given.len() == 1 => {}
        _ => return Err(ways.to_owned()),
    }
    // An externally tagged enum is a YAML tag to serde_yaml; here it is a mapping with one key.
    serde_yaml::with::singleton_map::deserialize(value).map_err(|_| ways.to_owned())
}

fn take_step(id: &StepId, fields: Vec<(String, Value)>) -> Result<StepAnswer, String> {
    let mut answer = StepAnswer::default();
    for (key, value) in fields {
        if key == QUESTIONS && !is_prompt(id) {
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

/// Whether the step is a prompt: it asks under names of its own, and no VM asks anything in it.
fn is_prompt(id: &StepId) -> bool {
    let verb = id.as_str().rsplit('/').next().unwrap_or_default();
    verb.split('.').next() == Some("confirm")
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

impl SecretSource {
    /// Fetches the secret.
    ///
    /// # Errors
    /// Why it could not be had; never the secret itself.
    pub fn fetch(&self) -> Result<String, String> {
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let secret = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| first_line(&Zeroizing::new(text)))
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
            Self::Command(line) => {
                let output = std::process::Command::new("sh")
                    .args(["-c", line])
                    .stdin(std::process::Stdio::null())
                    .stderr(std::process::Stdio::inherit())
                    .output()
                    .map_err(|error| format!("its command could not be started: {error}"))?;
                if !output.status.success() {
                    return Err(format!("its command failed: {}", output.status));
                }
                // What it printed is wiped once its first line is taken.
                let printed = Zeroizing::new(output.stdout);
                let text = Zeroizing::new(String::from_utf8_lossy(&printed).into_owned());
                first_line(&text)
            }
        };
        if secret.is_empty() {
            Err("it is empty".to_owned())
        } else {
            Ok(secret)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::load::load_bundled;

    fn runbook() -> Runbook {
        load_bundled().unwrap().runbook
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "
variables: { ticket: INC000001, outage_at: 2026-01-02T03:04:05Z, outage_reason: rang late }
secrets: { esxi_password: { env: ESXI_PASSWORD } }
steps:
  failover/declare/-/confirm: { by: alice, second: bob, signs: [power, network], more: 7 }
  failback/go-home/sql01/copy_back: { typed: sql01, attest: 'seen it' }
";
        let answers = parse(text, &runbook()).unwrap();
        assert_eq!(answers.variables["ticket"], "INC000001");
        assert_eq!(answers.outage_at.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(
            answers.secrets["esxi_password"],
            SecretSource::Env("ESXI_PASSWORD".to_owned())
        );
        let confirm = &answers.steps["failover/declare/-/confirm"];
        assert_eq!(
            (confirm.by.as_deref(), confirm.second.as_deref()),
            (Some("alice"), Some("bob"))
        );
        let signs = Answer::Chosen(vec!["power".to_owned(), "network".to_owned()]);
        assert_eq!(confirm.asks["signs"], signs);
        assert_eq!(confirm.asks["more"], Answer::Value("7".to_owned()));
        let copy = &answers.steps["failback/go-home/sql01/copy_back"];
        assert_eq!(
            (copy.typed.as_deref(), copy.attest.as_deref()),
            (Some("sql01"), Some("seen it"))
        );
        assert_eq!(parse("", &runbook()), Ok(Answers::default()));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let text = "
variables: { tiket: INC000001, ticket: INC1, esxi_password: hunter2, outage_reason: 1.10 }
secrets: { ticket: { env: X }, esxi_password: hunter2 }
steps:
  failover/recover/sql01/levitate: { by: alice }
  failover/recover/sql01/fence: { by: [alice] }
";
        let problems = parse(text, &runbook()).unwrap_err();
        let expected = [
            "`esxi_password` is a secret",
            "INC1",
            "this is a number that is not kept as it was written",
            "no variable `tiket`; did you mean `ticket`?",
            "secrets.esxi_password: say where it comes from",
            "`ticket` is no secret",
            "steps.failover/recover/sql01/fence: `by` is not a single value",
            "no step `failover/recover/sql01/levitate`",
        ];
        for part in expected {
            assert!(
                problems.iter().any(|problem| problem.contains(part)),
                "{part}: {problems:#?}"
            );
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        assert!(!problems.join("\n").contains("hunter2"), "{problems:#?}");
    }

    #[test]
    fn what_a_vm_is_answered_stands_by_its_text_and_is_never_taken_for_something_else() {
        let step = |id: &str, fields: &str| {
            let file = format!("steps: {{ failover/{id}: {{ {fields} }} }}");
            parse(&file, &runbook())
                .map(|mut answers| answers.steps.remove(&*format!("failover/{id}")))
        };
        let power_on = "recover/sql01/power_on";
        let read = step(power_on, "answer: { Cannot open the disk: Yes, again: 7 }");
        let read = read.unwrap().unwrap();
        assert_eq!(read.questions["Cannot open the disk"], "Yes");
        assert_eq!(read.questions["again"], "7");
        assert_eq!(read.asks, BTreeMap::new());
        for wrong in [
            "answer: Yes",
            "answer: [Yes]",
            "answer: {}",
            "answer: { ' ': Yes }",
            "answer: { Cannot: '' }",
            "answer: { Cannot: [Yes] }",
            "answers: { Cannot: Yes }",
        ] {
            step(power_on, wrong).expect_err(wrong);
        }
        // What a prompt asks may have that name.
        let prompt = step("declare/-/confirm", "answer: 42").unwrap().unwrap();
        assert_eq!(prompt.asks["answer"], Answer::Value("42".to_owned()));
        step("declare/-/confirm", "answer: { Cannot: Yes }").unwrap_err();
    }

    #[test]
    fn what_a_drill_agrees_on_can_be_written_down() {
        let drill = |text: &str| parse(text, &runbook()).map(|answers| answers.drill);
        let read = drill("drill: { abort: any alarm, limit: 4h, abort_key: bob }").unwrap();
        assert_eq!(read.abort_key.as_deref(), Some("bob"));
        assert_eq!(read.limit.as_deref(), Some("4h"));
        assert_eq!(drill("drill: {}").unwrap(), DrillAnswers::default());
        let problems = drill("drill: { abort_kay: bob }").unwrap_err();
        assert!(problems[0].starts_with("drill: "), "{problems:?}");
    }

    #[test]
    fn what_a_drill_showed_is_stated_in_full_or_not_at_all() {
        let findings = |text: &str| {
            let file = format!("drill: {{ {text} }}");
            parse(&file, &runbook()).map(|answers| answers.drill.findings)
        };
        let whole = "findings: [{ text: slow, owner: ann, due: 2026-02-01 }]";
        let read = findings(whole).unwrap().unwrap();
        assert_eq!(read[0].in_words(), "slow (ann, by 2026-02-01)");
        assert_eq!(findings("findings: none"), Ok(Some(Vec::new())));
        assert_eq!(findings("abort_key: bob"), Ok(None));
        for wrong in [
            "findings: []",
            "findings: nothing",
            "findings: [{ text: x }]",
            "findings: [{ text: x, owner: ' ', due: 2026-02-01 }]",
            "findings: [{ text: x, owner: ann, due: soon }]",
        ] {
            let problems = findings(wrong).unwrap_err().join("\n");
            assert!(
                problems.contains("drill: ") && problems.contains("due as 2026-02-01"),
                "{problems}"
            );
        }
    }

    #[test]
    fn unknown_and_duplicate_keys_are_refused() {
        for (text, part) in [
            ("stps: {}\n", "unknown field `stps`"),
            (
                "variables: { ticket: INC000001, ticket: INC000002 }\n",
                "duplicate",
            ),
            ("steps: [a]\n", "steps: expected"),
            ("- a\n", "expected"),
            ("a: [\n", "line"),
        ] {
            let problems = parse(text, &runbook()).unwrap_err();
            assert!(problems[0].contains(part), "{text:?}: {problems:?}");
        }
    }

    #[test]
    fn secrets_come_from_where_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\nrest\n").unwrap();
        assert_eq!(SecretSource::File(path).fetch().as_deref(), Ok("hunter2"));
        let command = SecretSource::Command("printf 'a b\\nc\\n'".to_owned());
        assert_eq!(command.fetch().as_deref(), Ok("a b"));
        let env = SecretSource::Env("LIFEBOAT_NO_SUCH_VARIABLE".to_owned()).fetch();
        assert!(env.unwrap_err().contains("is not set"));
        assert!(
            SecretSource::Command("exit 3".to_owned())
                .fetch()
                .unwrap_err()
                .contains("failed")
        );
        assert!(
            SecretSource::Command("true".to_owned())
                .fetch()
                .unwrap_err()
                .contains("empty")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_an_answer_or_an_error(text in "(variables|secrets|steps|[a-z]{0,4}|[:{}\\[\\], \n&*-]){0,40}") {
            let _ = parse(&text, &runbook());
        }
    }
}
