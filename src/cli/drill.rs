//! `lifeboat drill`: what is agreed on before it begins, and the places that it walks.

use std::collections::BTreeMap;

use crate::engine::DrillTerms;
use crate::error::Fault;
use crate::names::RunId;
use crate::runbook::model::{Mode, Runbook};
use crate::runbook::{self, isolated};
use crate::tui::FormField;

use super::answers::DrillAnswers;
use super::console::as_typed;
use super::exit::{Exit, Failure};
use super::past::Past;

const ABORT: &str = "abort";
const LIMIT: &str = "limit";
const KEY: &str = "abort_key";

/// The runbook as its run walks it: a drill has places of its own.
pub(super) fn as_walked(runbook: Runbook, mode: Option<Mode>, run: &RunId) -> Runbook {
    match mode {
        Some(Mode::Drill) => isolated(&runbook, run),
        _ => runbook,
    }
}

/// What is proposed to a drill's people, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proposed {
    abort: String,
    limit: String,
    abort_key: String,
}

impl Proposed {
    /// From the answers file, else from the runbook's own limit and whoever works at the console.
    pub(super) fn new(answers: &DrillAnswers, runbook: &Runbook, operator: &str) -> Self {
        let limit = || runbook.drill.limit.map(in_seconds).unwrap_or_default();
        Self {
            abort: answers.abort.clone().unwrap_or_default(),
            limit: answers.limit.clone().unwrap_or_else(limit),
            abort_key: answers
                .abort_key
                .clone()
                .unwrap_or_else(|| operator.to_owned()),
        }
    }

    /// The terms, where nobody is asked.
    ///
    /// # Errors
    /// Status 2 where the limit cannot be read.
    pub(super) fn terms(&self) -> Result<DrillTerms, Failure> {
        let limit_s = limit(&self.limit).map_err(|why| {
            let place = "drill.limit in the answers file";
            Failure::invalid(why, place, "say a length of time, such as 4h")
        })?;
        Ok(DrillTerms {
            abort: self.abort.trim().to_owned(),
            limit_s,
            abort_key: self.abort_key.trim().to_owned(),
        })
    }

    /// What is asked at a terminal.
    pub(super) fn fields(&self) -> [FormField; 3] {
        let said = |value: &str| {
            if value.trim().is_empty() {
                Err("say it before the drill begins".to_owned())
            } else {
                Ok(())
            }
        };
        let field = |key: &str, prompt: &str, default: &str, help: &str| FormField {
            default: default.to_owned(),
            help: help.to_owned(),
            ..FormField::new(key, prompt)
        };
        [
            FormField {
                check: Box::new(said),
                ..field(
                    ABORT,
                    "What ends the drill early?",
                    &self.abort,
                    "the abort criterion, such as: any alarm in production",
                )
            },
            FormField {
                check: Box::new(|value: &str| limit(value).map(drop)),
                ..field(
                    LIMIT,
                    "How long may it take?",
                    &self.limit,
                    "such as 4h; empty: no limit. It is shown beside the clock, and stops nothing",
                )
            },
            FormField {
                check: Box::new(said),
                ..field(
                    KEY,
                    "Who holds the abort key?",
                    &self.abort_key,
                    "one key ends the drill at once, on that person's word",
                )
            },
        ]
    }

    /// The terms, as they were filled in.
    ///
    /// # Errors
    /// Status 2 where the limit cannot be read.
    pub(super) fn filled(answers: &mut BTreeMap<String, String>) -> Result<DrillTerms, Failure> {
        let mut take = |key: &str| answers.remove(key).unwrap_or_default();
        Self {
            abort: take(ABORT),
            limit: take(LIMIT),
            abort_key: take(KEY),
        }
        .terms()
    }
}

fn limit(text: &str) -> Result<Option<u64>, String> {
    match text.trim() {
        "" => Ok(None),
        text => runbook::parse_duration(text).map(|limit| Some(limit.as_secs())),
    }
}

/// As a runbook writes it.
fn in_seconds(limit: std::time::Duration) -> String {
    match limit.as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// A drill that was ended early is not gone on with.
pub(super) fn refuse_aborted(past: &Past) -> Result<(), Failure> {
    let state = past.state();
    // What cleans it up can be gone on with.
    let Some(aborted) = state.people.aborted.filter(|_| state.chapters.is_empty()) else {
        return Ok(());
    };
    let run = &past.folder.id;
    Err(Failure::of(
        Exit::Refused,
        &Fault::new(
            format!("this drill was aborted by {}: {}", aborted.by, aborted.text),
            format!("run {run}"),
            "nothing was sent; what it made is still there",
            as_typed(
                &past.folder,
                &format!("remove it with `lifeboat cleanup {run}`; then start a new drill"),
            ),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_bundled;
    use crate::cli::past::make_plan;
    use crate::plan::PlanInputs;
    use crate::runbook::model::Section;

    #[test]
    fn terms_come_from_the_answers_then_from_the_runbook() {
        let runbook = load_bundled().unwrap().runbook;
        let own = Proposed::new(&DrillAnswers::default(), &runbook, "alice");
        let terms = own.terms().unwrap();
        assert_eq!(terms.abort_key, "alice");
        assert_eq!(terms.limit_s, runbook.drill.limit.map(|its| its.as_secs()));
        let answers = DrillAnswers {
            abort: Some("any alarm".to_owned()),
            limit: Some("90m".to_owned()),
            abort_key: Some("bob".to_owned()),
            ..DrillAnswers::default()
        };
        let given = Proposed::new(&answers, &runbook, "alice");
        let terms = given.terms().unwrap();
        assert_eq!(
            (terms.limit_s, terms.abort_key.as_str()),
            (Some(5_400), "bob")
        );
        let mut filled: BTreeMap<String, String> = given
            .fields()
            .iter()
            .map(|field| (field.key.clone(), field.default.clone()))
            .collect();
        assert_eq!(Proposed::filled(&mut filled).unwrap(), terms);
        let wrong = DrillAnswers {
            limit: Some("soon".to_owned()),
            ..answers
        };
        let wrong = Proposed::new(&wrong, &runbook, "alice");
        assert_eq!(wrong.terms().unwrap_err().exit, Exit::Invalid);
        let [abort, limit, _] = wrong.fields();
        assert!((abort.check)(" ").is_err() && (limit.check)("").is_ok());
    }

    #[test]
    fn a_drill_that_is_read_back_has_the_plan_that_it_began_with() {
        let runbook = load_bundled().unwrap().runbook;
        let variables = BTreeMap::from([("ticket".into(), "INC000001".to_owned())]);
        let inputs = PlanInputs {
            variables,
            only: Vec::new(),
        };
        let plan = |runbook: &Runbook| {
            make_plan(runbook, &[Section::Failover], Mode::Drill, &inputs).unwrap()
        };
        let run = RunId::from("20260102-030405-k7qd");
        let walked = as_walked(runbook.clone(), Some(Mode::Drill), &run);
        assert_ne!(walked, runbook);
        assert_eq!(plan(&walked).fingerprint, plan(&runbook).fingerprint);
        assert_eq!(
            as_walked(runbook.clone(), Some(Mode::Failover), &run),
            runbook
        );
    }
}
