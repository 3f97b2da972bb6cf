//! The end of a run in a few lines, for the terminal.

use crate::engine::{self, FindingsStatement};
use crate::names::VmName;

use super::document::{Document, FindingKind, Graded, StatementKind};
use super::text::duration;

/// What came of the run, as plain lines: result, objectives, findings, what was vouched for.
#[must_use]
pub fn debrief(document: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    let mode = &document.run.heading;
    let result = &document.result;
    if result.finished {
        lines.push(format!(
            "{mode} finished: {} steps done, {} by hand, {} skipped, {} failed",
            result.done, result.by_hand, result.skipped, result.failed
        ));
    } else {
        lines.push(format!("{mode} {}, {}", result.state, result.detail));
    }
    for row in &document.objectives {
        if !result.finished && row.rto.actual.is_none() && row.rpo.actual.is_none() {
            continue;
        }
        let name = row.vm.as_ref().map_or("the set", VmName::as_str);
        // Both are longer than a line of a small terminal.
        let who = format!("  {:<8}  {name:<16}", row.section.to_string());
        let rto = row.rto.in_words("not reached");
        let rpo = row.rpo.in_words("not known");
        lines.push(format!("{who}  RTO {rto}"));
        lines.push(format!("{:who$}  RPO {rpo}", "", who = who.chars().count()));
    }
    let told = document
        .statements
        .iter()
        .filter(|said| matches!(said.kind, StatementKind::Attested | StatementKind::LockLeft));
    lines.extend(told.map(|said| said.text.words()));
    for finding in &document.findings {
        let what = match finding.kind {
            FindingKind::Step => "open",
            FindingKind::Objective
            | FindingKind::Drill
            | FindingKind::RestorePoint
            | FindingKind::Window => "finding",
        };
        lines.push(format!("{what}: {}", finding.text.words()));
        if let Some(next) = &finding.next {
            lines.push(format!("  next: {next}"));
        }
    }
    if let Some(FindingsStatement { by, findings, .. }) = &document.stated {
        let each = findings.iter().map(engine::Finding::in_words);
        lines.extend(each.map(|words| format!("stated by {by}: {words}")));
        if findings.is_empty() {
            lines.push(format!("stated by {by}: there are no findings"));
        }
    }
    lines
}

impl Graded {
    /// `42m 10s of 4h 00m (within)`; `unknown` where there is no figure.
    #[must_use]
    pub fn in_words(&self, unknown: &str) -> String {
        let actual = self.actual.map_or_else(|| unknown.to_owned(), duration);
        match (self.objective.map(duration), self.grade) {
            (Some(objective), Some(grade)) => format!("{actual} of {objective} ({grade})"),
            (Some(objective), None) => format!("{actual} (objective {objective})"),
            (None, _) => actual,
        }
    }
}
