//! What a drill's people state to have learnt, once it is cleaned up: without it a drill is not closed.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::engine::{Chapter, Finding, Stage, Status};
use crate::host::visible;
use crate::journal::RunFolder;
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

/// Has a drill's findings stated where that is all that is left to do, and says how it stands then.
pub(super) async fn close(
    console: &mut Console,
    folder: &RunFolder,
    answers: &DrillAnswers,
) -> Result<Conclusion, Failure> {
    let missing = have_stated(console, folder, answers).await?;
    let mut conclusion = conclude(folder, &BTreeMap::new(), None)?;
    conclusion.lines.extend(missing);
    Ok(conclusion)
}

/// Has a drill's findings stated if it is their time; what is missing where nobody states them.
pub(super) async fn have_stated(
    console: &mut Console,
    folder: &RunFolder,
    answers: &DrillAnswers,
) -> Result<Option<String>, Failure> {
    let past = Past::read(folder.clone())?;
    if Stage::of(&past.state()) != Stage::FindingsDue {
        return Ok(None);
    }
    let headless = console.act.headless;
    let said = match &answers.findings {
        Some(findings) => Some(findings.clone()),
        None if headless => None,
        None => asked(console, &past).await?,
    };
    let Some(findings) = said else {
        return Ok(headless.then(|| MISSING.to_owned()));
    };
    let clean = |text: &str| console.redactor.mask(&visible(text.trim()));
    let findings = findings
        .into_iter()
        .map(|finding| Finding {
            text: clean(&finding.text),
            owner: clean(&finding.owner),
            due: finding.due,
        })
        .collect();
    let (by, at) = (&console.settings.operator, &console.settings.console);
    runner::state_findings(&folder.path, by, at, findings)
        .map(|()| None)
        .map_err(|fault| Failure::of(Exit::Refused, &fault))
}

/// Asks for one finding after the other; `None` where the person leaves it for later.
async fn asked(console: &mut Console, past: &Past) -> Result<Option<Vec<Finding>>, Failure> {
    let shown = shown_by_itself(past);
    let mut stated: Vec<Finding> = Vec::new();
    loop {
        let title = format!("What did drill {} show?", past.folder.id);
        let proposed = shown.get(stated.len()).map_or("", String::as_str);
        let fields = vec![text_field(stated.is_empty(), proposed)];
        let intro = intro(&shown, &stated);
        let Some(mut filled) = forms::fill(console, title, intro, fields).await? else {
            return Ok(None);
        };
        let text = filled.remove(TEXT).unwrap_or_default();
        if is_none(&text) {
            return Ok(Some(stated));
        }
        let Some(mut filled) =
            forms::fill(console, text.clone(), Vec::new(), mended_by().into()).await?
        else {
            continue;
        };
        let due = filled.remove(DUE).unwrap_or_default();
        stated.push(Finding {
            text,
            owner: filled.remove(OWNER).unwrap_or_default(),
            due: read_date(&due).map_err(|why| Failure::invalid(why, DUE, "start again"))?,
        });
    }
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

fn intro(shown: &[String], stated: &[Finding]) -> Vec<String> {
    let mut intro = vec![
        "Nothing that the drill made is left. It is closed by what was learnt, each with somebody \
         who mends it by a date, or by the statement that there was nothing."
            .to_owned(),
    ];
    intro.extend(
        shown
            .iter()
            .map(|found| format!("The run itself shows: {found}")),
    );
    intro.extend(
        stated
            .iter()
            .map(|finding| format!("Stated: {}", finding.in_words())),
    );
    intro
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
