//! The report of a run: Markdown, HTML and JSON for the auditor, a few lines for the terminal. Pure.
//!
//! Everything in it is read from the run's events, its plan and its frozen runbook, once, into a
//! [`Document`]; what is printed and shown is written from that. Whatever an operator vouched for
//! without proof stands first.

mod brief;
mod collect;
mod debrief;
mod document;
mod facts;
mod history;
mod html;
mod legs;
mod markdown;
mod objectives;
mod page;
mod prose;
#[cfg(test)]
mod tests;
mod text;
mod window;

use std::sync::Arc;

use crate::engine::{Entry, RunInfo, RunState};
use crate::plan::Plan;
use crate::runbook::model::Runbook;

pub use brief::{BriefLine, Standing, brief, brief_text, status_line};
pub use collect::document;
pub use debrief::debrief;
pub use document::{
    Bar, Command, Correction, Decision, Deviation, Document, Evidence, FORMAT, FailedAttempt, File,
    Finding, FindingKind, Graded, Integrity, Lane, Leg, Mark, Note, Objective, Outcome, Override,
    Phase, Residue, RunHead, Statement, StatementKind, Step, TakenBack, Timeline, Tone, Window,
};
pub use facts::fact_in_words;
pub use history::{DrillDue, Reached, trend};
pub use objectives::{Grade, Measure, VmMeasure, measures};
pub use prose::Text;
pub use text::{bytes, duration};
pub use window::decide_by;

/// Checks a journal with nothing but a shell and `sha256sum`; prints the head hash if it is whole.
pub const CHECK: &str = r#"prev=$(printf '%064d' 0)
while IFS= read -r line; do
  hash=${line##*,\"hash\":\"}; hash=${hash%\"\}}
  body=${line%,\"hash\":*}
  case $body in *",\"prev\":\"$prev\"") ;; *) echo "broken: $line"; exit 1 ;; esac
  [ "$(printf %s "$body" | sha256sum | cut -c1-64)" = "$hash" ] || { echo "changed: $line"; exit 1; }
  prev=$hash
done < journal.jsonl
echo "$prev""#;

/// A way in which a report is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For reading as it is, and for tickets.
    Markdown,
    /// One file for a browser and for paper.
    Html,
    /// For other programs.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Html, Self::Json];

    /// The file's name in the run's folder.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Markdown => "report.md",
            Self::Html => "report.html",
            Self::Json => "report.json",
        }
    }

    /// Writes a report down.
    #[must_use]
    pub fn render(self, document: &Document) -> String {
        match self {
            Self::Markdown => markdown::render(&page::page(document)),
            Self::Html => html::render(&page::page(document)),
            Self::Json => json(document),
        }
    }
}

/// The report as data.
fn json(document: &Document) -> String {
    let mut data = serde_json::to_value(document).unwrap_or_default();
    show(&mut data);
    format!("{data:#}\n")
}

/// Takes out of every text what is not meant to be seen.
fn show(data: &mut serde_json::Value) {
    match data {
        serde_json::Value::String(text) => *text = prose::visible(text),
        serde_json::Value::Array(all) => all.iter_mut().for_each(show),
        serde_json::Value::Object(all) => all.values_mut().for_each(show),
        _ => {}
    }
}

/// A run, as a report reads it.
#[derive(Debug)]
pub struct Run<'a> {
    /// Its events, all of them.
    pub entries: &'a [Arc<Entry>],
    /// What the first of them says.
    pub info: &'a RunInfo,
    /// Their fold.
    pub state: RunState,
    /// Its steps.
    pub plan: &'a Plan,
    /// Its frozen runbook.
    pub runbook: &'a Runbook,
    /// The hash of the journal's last line.
    pub head: &'a str,
    /// What commands need behind its id: ` --state DIR` where it is kept elsewhere.
    pub elsewhere: String,
}

impl<'a> Run<'a> {
    /// A run from its events.
    #[must_use]
    pub fn new(
        entries: &'a [Arc<Entry>],
        info: &'a RunInfo,
        plan: &'a Plan,
        runbook: &'a Runbook,
        head: &'a str,
        elsewhere: String,
    ) -> Self {
        let state = RunState::fold(entries.iter().map(AsRef::as_ref));
        Self {
            entries,
            info,
            state,
            plan,
            runbook,
            head,
            elsewhere,
        }
    }

    /// A command about this run, as it is to be typed.
    fn typed(&self, command: &str) -> String {
        format!("lifeboat {command} {}{}", self.info.run, self.elsewhere)
    }
}

/// What a run's end has to be judged by beside its steps, in words: objectives that were missed, a drill
/// that was aborted or passed its limit.
/// Attestations, `duplicate_probe: none` and `source unverified` are statements, not findings.
#[must_use]
pub fn findings(run: &Run<'_>) -> Vec<String> {
    collect::judged(run)
}
