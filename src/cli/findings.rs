//! What a drill's people state to have learnt, once it is cleaned up: without it a drill is not closed.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::engine::{Chapter, Finding, Stage, Status};
use crate::error::Fault;
use crate::host::visible;
use crate::journal::RunFolder;
use crate::names::StepId;
use crate::report;
use crate::runner;
use crate::tui::FormField;

use super::answers::DrillAnswers;
use super::console::{Conclusion, Console, conclude};
use super::exit::{Exit, Failure};
use super::forms;
use super::past::Past;

const TEXT: &str = "text";
const OWNER: &str = "owner";
const DUE: &str = "due";
/// What is typed where there is nothing, or nothing more.
const NONE: &str = "none";
/// What a console without a person lacks.
const MISSING: &str =
    "answer missing: drill.findings: say `none`, or a list of { text, owner, due }";

/// Has a drill's findings stated if it is their time, then concludes: whatever keeps them from being
/// stated, what the run did is told.
pub(super) async fn close(
    console: &mut Console,
    folder: &RunFolder,
    answers: &DrillAnswers,
    unanswered: &BTreeMap<StepId, String>,
    fault: Option<&Fault>,
) -> Result<Conclusion, Failure> {
    let stated = have_stated(console, folder, answers).await;
    let mut conclusion = conclude(folder, unanswered, fault)?;
    conclusion.take_in(stated);
    Ok(conclusion)
}

/// Has a drill's findings stated if it is their time; in lines, what is missing where nobody does.
async fn have_stated(
    console: &mut Console,
    folder: &RunFolder,
    answers: &DrillAnswers,
) -> Result<Vec<String>, Failure> {
    let past = Past::read(folder.clone())?;
    if Stage::of(&past.state()) != Stage::FindingsDue {
        return Ok(Vec::new());
    }
    let headless = console.act.headless;
    let given = answers.findings.as_deref();
    if headless && given.is_none() {
        return Ok(vec![MISSING.to_owned()]);
    }
    let mut draft = Draft::new(shown_by_itself(&past), given.unwrap_or_default());
    if !headless && !asked(console, &past, &mut draft).await? {
        return Ok(draft.dropped());
    }
    let clean = |text: &str| console.redactor.mask(&visible(text.trim()));
    let unstated = draft.unstated().map(|text| clean(text)).collect();
    let findings = draft
        .stated
        .iter()
        .map(|finding| Finding {
            text: clean(&finding.text),
            owner: clean(&finding.owner),
            due: finding.due,
        })
        .collect();
    let (by, at) = (&console.settings.operator, &console.settings.console);
    runner::state_findings(&folder.path, by, at, findings, unstated)
        .map(|()| Vec::new())
        .map_err(|fault| Failure::of(Exit::Refused, &fault))
}

/// Asks for one finding after the other; false where the person leaves it for later.
async fn asked(console: &mut Console, past: &Past, draft: &mut Draft) -> Result<bool, Failure> {
    loop {
        let title = format!("What did drill {} show?", past.folder.id);
        let fields = vec![text_field(draft.stated.is_empty(), draft.proposed())];
        let Some(mut filled) = forms::fill(console, title, draft.intro(), fields).await? else {
            if draft.may_leave() {
                return Ok(false);
            }
            continue;
        };
        let text = filled.remove(TEXT).unwrap_or_default();
        if is_none(&text) {
            if draft.may_end() {
                return Ok(true);
            }
            continue;
        }
        draft.typed = Some(text.clone());
        let Some(mut filled) =
            forms::fill(console, text.clone(), Vec::new(), mended_by().into()).await?
        else {
            continue;
        };
        let due = filled.remove(DUE).unwrap_or_default();
        draft.state(Finding {
            text,
            owner: filled.remove(OWNER).unwrap_or_default(),
            due: read_date(&due).map_err(|why| Failure::invalid(why, DUE, "start again"))?,
        });
    }
}

/// What is lost, or left out, once it is said again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Warned {
    Leaving,
    Ending,
}

/// What is stated so far. It is kept as a whole, once its people say that this was all.
struct Draft {
    /// What the run itself shows.
    shown: Vec<String>,
    stated: Vec<Finding>,
    /// A finding without its owner.
    typed: Option<String>,
    warned: Option<Warned>,
}

impl Draft {
    /// What stands in the answers file is stated already: at a terminal a person says that it was all.
    fn new(shown: Vec<String>, given: &[Finding]) -> Self {
        Self {
            shown,
            stated: given.to_vec(),
            typed: None,
            warned: None,
        }
    }

    /// What the run itself shows and nobody stated yet.
    fn unstated(&self) -> impl Iterator<Item = &String> {
        let is_stated = |shown: &String| {
            let mut stated = self.stated.iter();
            stated.any(|finding| is_about(&finding.text, shown))
        };
        self.shown.iter().filter(move |shown| !is_stated(shown))
    }

    /// What stands in the line already.
    fn proposed(&self) -> &str {
        let typed = self.typed.as_ref();
        typed
            .or_else(|| self.unstated().next())
            .map_or("", String::as_str)
    }

    fn state(&mut self, finding: Finding) {
        self.stated.push(finding);
        self.typed = None;
        self.warned = None;
    }

    /// Whether nothing is lost by leaving now, or it was said that it is.
    fn may_leave(&mut self) -> bool {
        (self.stated.is_empty() && self.typed.is_none()) || self.is_said_again(Warned::Leaving)
    }

    /// Whether all that the run itself shows is stated, or it was said that it is not.
    fn may_end(&mut self) -> bool {
        let complete = self.typed.is_none() && self.unstated().next().is_none();
        complete || self.is_said_again(Warned::Ending)
    }

    fn is_said_again(&mut self, what: Warned) -> bool {
        self.warned.replace(what) == Some(what)
    }

    /// What was stated and is not kept, for whoever states it later.
    fn dropped(&self) -> Vec<String> {
        let stated = self.stated.iter().map(Finding::in_words);
        stated
            .chain(self.typed.clone())
            .map(|finding| format!("stated and not kept: {finding}"))
            .collect()
    }

    fn intro(&self) -> Vec<String> {
        let warning = self.warned.map(|warned| match warned {
            Warned::Leaving => {
                "Nothing of this is kept yet. Esc once more: leave, and drop it.".to_owned()
            }
            Warned::Ending => format!(
                "Not stated: {}. {NONE} once more: close the drill without it, which is recorded.",
                self.typed
                    .iter()
                    .chain(self.unstated())
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
        });
        let goal = "Nothing that the drill made is left. It is closed by what was learnt, each with \
                    somebody who mends it by a date, or by the statement that there was nothing.";
        let shown = self.shown.iter();
        let stated = self.stated.iter();
        warning
            .into_iter()
            .chain([goal.to_owned()])
            .chain(shown.map(|found| format!("The run itself shows: {found}")))
            .chain(stated.map(|finding| format!("Stated: {}", finding.in_words())))
            .collect()
    }
}

/// Whether a finding takes over what the run shows: it says at least the first half of it.
fn is_about(text: &str, shown: &str) -> bool {
    let half = shown.chars().count().div_ceil(2);
    let begin: String = shown.chars().take(half).collect();
    text.trim().starts_with(begin.trim_end())
}

/// What the run has to be judged by, and its own steps that failed.
fn shown_by_itself(past: &Past) -> Vec<String> {
    let state = past.state();
    let own = past.plan.steps.iter();
    let failed = own
        .filter(|step| Chapter::of(&step.id).is_none() && state.status(&step.id) == Status::Failed)
        .map(|step| {
            let fault = state.step(&step.id).fault;
            let why = fault.map_or_else(String::new, |fault| format!(": {}", fault.what));
            format!("{} failed{why}", step.id)
        });
    report::findings(&past.report())
        .into_iter()
        .chain(failed)
        .collect()
}

fn text_field(first: bool, proposed: &str) -> FormField {
    let prompt = if first {
        "A finding"
    } else {
        "Another finding"
    };
    let end = if first {
        "there was nothing to learn"
    } else {
        "that was all"
    };
    let keep = if proposed.is_empty() {
        ""
    } else {
        "Enter takes it over, Ctrl-U empties the line; "
    };
    FormField {
        default: proposed.to_owned(),
        help: format!("{keep}in a sentence; {NONE}: {end}; Esc: say it later"),
        ..FormField::new(TEXT, prompt)
    }
}

fn mended_by() -> [FormField; 2] {
    [
        FormField::new(OWNER, "Who mends it?"),
        FormField {
            help: "a date, such as 2026-02-01".to_owned(),
            check: Box::new(|value| read_date(value).map(drop)),
            ..FormField::new(DUE, "By when?")
        },
    ]
}

fn is_none(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(NONE)
}

fn read_date(text: &str) -> Result<Date, String> {
    let is_date = || format!("`{text}` is no date; say it as 2026-02-01");
    text.trim().parse().map_err(|_| is_date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(text: &str) -> Finding {
        Finding {
            text: text.to_owned(),
            owner: "ann".to_owned(),
            due: Date::constant(2026, 2, 1),
        }
    }

    #[test]
    fn a_failure_to_state_them_takes_nothing_of_the_conclusion_away() {
        let mut conclusion = crate::cli::console::Conclusion {
            exit: Exit::Findings,
            lines: vec!["journal head: ab".to_owned()],
        };
        conclusion.take_in(Err(Failure::new(Exit::Refused, "error: held")));
        assert_eq!(conclusion.lines, ["journal head: ab", "error: held"]);
        assert_eq!(conclusion.exit, Exit::Refused);
    }

    fn draft() -> Draft {
        Draft::new(
            vec!["the drill was aborted".into(), "it took 2h".into()],
            &[],
        )
    }

    #[test]
    fn what_a_file_states_is_shown_before_the_drill_is_closed_by_it() {
        let draft = Draft::new(Vec::new(), &[finding("the phone list is old")]);
        let stated = "Stated: the phone list is old (ann, by 2026-02-01)";
        assert!(draft.intro().iter().any(|line| line == stated));
    }

    #[test]
    fn what_the_run_shows_is_offered_until_it_is_stated() {
        let mut draft = draft();
        draft.state(finding("the phone list is old"));
        assert_eq!(draft.proposed(), "the drill was aborted");
        draft.state(finding("the drill was aborted by a false alarm"));
        assert_eq!(draft.proposed(), "it took 2h");
        assert!(!draft.may_end(), "it is said what stays unstated");
        assert!(draft.intro()[0].contains("Not stated: it took 2h"));
        assert!(draft.may_end());
        assert_eq!(draft.unstated().collect::<Vec<_>>(), ["it took 2h"]);
        draft.state(finding("it took 2h"));
        assert!(draft.may_end());
    }

    #[test]
    fn what_is_typed_is_not_lost_by_one_key_and_never_unsaid() {
        let mut draft = draft();
        assert!(draft.may_leave(), "nothing is stated");
        draft.typed = Some("the phone list".to_owned());
        assert_eq!(draft.proposed(), "the phone list");
        assert!(!draft.may_leave());
        draft.state(finding("the phone list is old"));
        assert!(!draft.may_leave());
        assert!(!draft.may_end(), "another key is not the same again");
        assert!(!draft.may_leave());
        assert!(draft.may_leave());
        assert_eq!(
            draft.dropped(),
            ["stated and not kept: the phone list is old (ann, by 2026-02-01)"]
        );
    }
}
