//! What is asked in the terminal before a run starts: variables, secrets, and when service was lost.

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned};

use crate::engine::DrillTerms;
use crate::host::Secret;
use crate::names::VariableName;
use crate::runbook::model::{Auth, Backup, Mode, Runbook, Variable};
use crate::tui::{Form, FormField};

use super::console::{Console, no_terminal};
use super::drill::Proposed;
use super::exit::{Exit, Failure};
use super::outage;
use super::variables::Values;

const OUTAGE: &str = "outage_at";
const REASON: &str = "outage_reason";

/// What was filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) variables: BTreeMap<VariableName, String>,
    pub(super) secrets: BTreeMap<VariableName, String>,
    /// When service was lost and why that is not now; `None` where it was not asked.
    pub(super) outage: Option<(Timestamp, Option<String>)>,
    /// What a drill's people agreed on.
    pub(super) drill: Option<DrillTerms>,
}

/// What is asked before a new run.
#[derive(Debug)]
pub(super) struct Before<'a> {
    pub(super) runbook: &'a Runbook,
    pub(super) mode: Mode,
    pub(super) values: Values,
    pub(super) secrets: &'a BTreeMap<VariableName, Secret>,
    pub(super) outage_at: Option<&'a str>,
    pub(super) outage_reason: Option<&'a str>,
    /// What a drill's people are to agree on.
    pub(super) drill: Option<Proposed>,
    /// What is to be known of the run that this one follows.
    pub(super) notes: Vec<String>,
}

/// Asks, where there is something to ask.
pub(super) async fn before_start(
    console: &mut Console,
    before: Before<'_>,
    now: &Zoned,
) -> Result<Filled, Failure> {
    let mut fields = variable_fields(&before);
    let asks_outage = before.mode == Mode::Failover;
    if before.mode != Mode::Practice {
        fields.extend(secret_fields(before.runbook, before.secrets));
    }
    if asks_outage {
        fields.extend(outage_fields(&before, now));
    }
    fields.extend(before.drill.iter().flat_map(Proposed::fields));
    let mut answers = show(console, title(&before), intro(&before), fields).await?;
    let drill = match &before.drill {
        Some(_) => Some(Proposed::filled(&mut answers)?),
        None => None,
    };
    let mut outage = match answers.remove(OUTAGE).filter(|_| asks_outage) {
        Some(text) => Some(read_outage(&text, answers.remove(REASON), now)?),
        None => None,
    };
    if let Some((at, reason)) = &mut outage
        && *at != now.timestamp()
        && reason.is_none()
    {
        *reason = show(console, title(&before), Vec::new(), vec![reason_field()])
            .await?
            .remove(REASON);
    }
    Ok(Filled {
        drill,
        ..sort_out(before, answers, outage)
    })
}

/// Asks for the secrets that are not known, under that title.
pub(super) async fn secrets(
    console: &mut Console,
    title: &str,
    runbook: &Runbook,
    known: &BTreeMap<VariableName, Secret>,
) -> Result<BTreeMap<VariableName, String>, Failure> {
    let fields = secret_fields(runbook, known);
    let answers = show(console, title.to_owned(), Vec::new(), fields).await?;
    Ok(answers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.into(), value))
        .collect())
}

/// Asks for the values of variables that a corrected runbook brings.
pub(super) async fn new_variables(
    console: &mut Console,
    runbook: &Runbook,
    missing: &[VariableName],
) -> Result<BTreeMap<VariableName, String>, Failure> {
    let fields = variable_fields_of(runbook, |name| missing.contains(name), |_| None);
    let title = "What the corrected runbook asks".to_owned();
    let answers = show(console, title, Vec::new(), fields).await?;
    Ok(answers
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect())
}

pub(super) async fn show(
    console: &mut Console,
    title: String,
    intro: Vec<String>,
    fields: Vec<FormField>,
) -> Result<BTreeMap<String, String>, Failure> {
    if fields.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filled = fill(console, title, intro, fields).await?;
    filled.ok_or_else(|| Failure::new(Exit::Invalid, "left before the start: nothing was started"))
}

/// Shows a form; `None` where the person leaves it.
pub(super) async fn fill(
    console: &mut Console,
    title: String,
    intro: Vec<String>,
    fields: Vec<FormField>,
) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let form = Form {
        title,
        intro,
        fields,
    };
    let screen = console.screen()?;
    screen.form(form).await.map_err(|error| no_terminal(&error))
}

fn title(before: &Before<'_>) -> String {
    format!(
        "{}: {}",
        before.mode.as_str().to_uppercase(),
        before.runbook.title
    )
}

fn intro(before: &Before<'_>) -> Vec<String> {
    let mut intro = Vec::new();
    if !before.runbook.description.trim().is_empty() {
        intro.push(before.runbook.description.trim().to_owned());
    }
    intro.extend(before.notes.iter().cloned());
    intro.push(match before.mode {
        Mode::Practice => "Everything is simulated: nothing real can be reached.".to_owned(),
        Mode::Drill => "A drill: the protected site is left alone, and the VMs come up beside production, cut off from it. Nothing has been sent yet.".to_owned(),
        _ => "Nothing has been sent yet. The values are frozen when the run starts.".to_owned(),
    });
    intro
}

/// In a practice only what has neither value nor example is asked: nothing depends on the rest.
fn variable_fields(before: &Before<'_>) -> Vec<FormField> {
    let is_asked = |name: &VariableName| {
        before.mode != Mode::Practice || !before.values.known.contains_key(name)
    };
    let known = |name: &VariableName| before.values.known.get(name).cloned();
    variable_fields_of(before.runbook, is_asked, known)
}

fn variable_fields_of(
    runbook: &Runbook,
    is_asked: impl Fn(&VariableName) -> bool,
    known: impl Fn(&VariableName) -> Option<String>,
) -> Vec<FormField> {
    runbook
        .variables
        .iter()
        .filter(|(name, variable)| !variable.secret && is_asked(name))
        .map(|(name, variable)| {
            let example = variable.example.clone();
            let default = known(name);
            let checked = variable.clone();
            FormField {
                default: default.unwrap_or_default(),
                help: example.map_or_else(String::new, |example| format!("for example {example}")),
                check: Box::new(move |value: &str| {
                    if value.is_empty() {
                        Err("type a value".to_owned())
                    } else {
                        checked.check(value)
                    }
                }),
                ..variable_field(name, variable)
            }
        })
        .collect()
}

fn secret_fields(runbook: &Runbook, known: &BTreeMap<VariableName, Secret>) -> Vec<FormField> {
    runbook
        .variables
        .iter()
        .filter(|(name, variable)| {
            variable.secret
                && !known.contains_key(*name)
                && (opens_a_host(runbook, name) || opens_a_backup(runbook, name))
        })
        .map(|(name, variable)| {
            let needed = is_only_way_in(runbook, name) || opens_a_backup(runbook, name);
            let checked = variable.clone();
            FormField {
                secret: true,
                help: if needed {
                    "never written anywhere".to_owned()
                } else {
                    "never written anywhere; empty: only the agent and keys are tried".to_owned()
                },
                check: Box::new(move |value: &str| match value {
                    "" if needed => Err("there is no other way in".to_owned()),
                    "" => Ok(()),
                    value => checked.check(value),
                }),
                ..variable_field(name, variable)
            }
        })
        .collect()
}

fn variable_field(name: &VariableName, variable: &Variable) -> FormField {
    let prompt = if variable.prompt.is_empty() {
        name.as_str()
    } else {
        &variable.prompt
    };
    FormField::new(name.as_str(), prompt)
}

fn opens_a_host(runbook: &Runbook, name: &VariableName) -> bool {
    let is_it = |way: &Auth| matches!(way, Auth::Password(secret) if secret == name);
    runbook
        .hosts
        .values()
        .any(|host| host.auth.iter().any(is_it))
}

fn opens_a_backup(runbook: &Runbook, name: &VariableName) -> bool {
    let tools = runbook.backups.values().filter_map(Backup::tool);
    let mut secrets = tools.flat_map(|tool| &tool.environment);
    secrets.any(|(_, secret)| secret == name)
}

fn is_only_way_in(runbook: &Runbook, name: &VariableName) -> bool {
    let is_it = |way: &Auth| matches!(way, Auth::Password(secret) if secret == name);
    runbook
        .hosts
        .values()
        .any(|host| !host.auth.is_empty() && host.auth.iter().all(is_it))
}

fn outage_fields(before: &Before<'_>, now: &Zoned) -> [FormField; 2] {
    let now = now.clone();
    [
        FormField {
            default: before.outage_at.unwrap_or("now").to_owned(),
            help: outage::FORMS.to_owned(),
            check: Box::new(move |value: &str| outage::parse(value, &now).map(drop)),
            ..FormField::new(OUTAGE, "When was service lost?")
        },
        FormField {
            default: before.outage_reason.unwrap_or_default().to_owned(),
            help: "RTO and RPO count from that time".to_owned(),
            check: Box::new(|_| Ok(())),
            ..FormField::new(REASON, "How is that known, if it is not now?")
        },
    ]
}

/// Asked alone where the time was changed and the reason left empty.
fn reason_field() -> FormField {
    FormField {
        help: "goes into the report: RTO and RPO count from that time".to_owned(),
        check: Box::new(|value: &str| {
            if value.trim().is_empty() {
                Err("say how".to_owned())
            } else {
                Ok(())
            }
        }),
        ..FormField::new(REASON, "How is it known when service was lost?")
    }
}

fn read_outage(
    text: &str,
    reason: Option<String>,
    now: &Zoned,
) -> Result<(Timestamp, Option<String>), Failure> {
    let at = outage::parse(text, now).map_err(|why| {
        Failure::invalid(
            why,
            "when service was lost",
            format!("say {}", outage::FORMS),
        )
    })?;
    Ok((at, reason.filter(|reason| !reason.trim().is_empty())))
}

fn sort_out(
    before: Before<'_>,
    answers: BTreeMap<String, String>,
    outage: Option<(Timestamp, Option<String>)>,
) -> Filled {
    let mut filled = Filled {
        variables: before.values.known,
        outage,
        ..Filled::default()
    };
    for (name, value) in answers {
        let name = VariableName::from(name);
        match before.runbook.variables.get(&name) {
            Some(variable) if variable.secret && value.is_empty() => {}
            Some(variable) if variable.secret => {
                filled.secrets.insert(name, value);
            }
            Some(_) => {
                filled.variables.insert(name, value);
            }
            None => {}
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_bundled;

    fn before<'a>(
        runbook: &'a Runbook,
        mode: Mode,
        none: &'a BTreeMap<VariableName, Secret>,
    ) -> Before<'a> {
        Before {
            runbook,
            mode,
            values: Values::default(),
            secrets: none,
            outage_at: None,
            outage_reason: None,
            drill: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_failover_asks_for_everything_and_a_practice_for_what_has_no_value() {
        let runbook = load_bundled().unwrap().runbook;
        let none = BTreeMap::new();
        let ticket = &variable_fields(&before(&runbook, Mode::Failover, &none))[0];
        assert_eq!(
            (ticket.key.as_str(), ticket.default.as_str()),
            ("ticket", "")
        );
        assert!((ticket.check)("INC1").is_err() && (ticket.check)("INC000002").is_ok());
        assert!((ticket.check)("").is_err());

        let mut known = before(&runbook, Mode::Practice, &none);
        assert_eq!(variable_fields(&known).len(), 1);
        known
            .values
            .known
            .insert("ticket".into(), "INC000001".to_owned());
        assert!(variable_fields(&known).is_empty());
        known.mode = Mode::Failover;
        assert_eq!(variable_fields(&known)[0].default, "INC000001");

        let secret = &secret_fields(&runbook, &none)[0];
        assert!(
            secret.secret && (secret.check)("").is_ok(),
            "there are other ways in"
        );
        let known = BTreeMap::from([("esxi_password".into(), Secret::new("hunter2".to_owned()))]);
        assert!(secret_fields(&runbook, &known).is_empty());
    }

    #[test]
    fn what_was_filled_in_is_sorted_out() {
        let runbook = load_bundled().unwrap().runbook;
        let none = BTreeMap::new();
        let answers = BTreeMap::from([
            ("ticket".to_owned(), "INC000007".to_owned()),
            ("esxi_password".to_owned(), "hunter2".to_owned()),
        ]);
        let filled = sort_out(before(&runbook, Mode::Failover, &none), answers, None);
        assert_eq!(filled.variables["ticket"], "INC000007");
        assert_eq!(filled.secrets["esxi_password"], "hunter2");
        assert!(!filled.variables.contains_key("esxi_password"));

        let now: Zoned = "2026-01-02T03:04:05+00:00[UTC]".parse().unwrap();
        let (at, why) = read_outage("25m ago", Some("the monitor".to_owned()), &now).unwrap();
        assert_eq!(
            (at.to_string().as_str(), why.as_deref()),
            ("2026-01-02T02:39:05Z", Some("the monitor"))
        );
        assert_eq!(
            read_outage("now", Some(" ".to_owned()), &now).unwrap().1,
            None
        );
    }
}
