//! From a run to its document: every fact is looked up here, once, and nowhere else.

mod attempts;
mod commands;
mod drill;
mod head;
mod lanes;
mod people;
mod residue;
mod seeded;
mod statements;
mod steps;
mod unverified;

use crate::engine::CommitWindow;
use crate::runbook::model::Mode;

use super::document::{Document, Evidence, FORMAT, Finding, FindingKind, Integrity, Objective};
use super::objectives::{self, VmMeasure, measures};
use super::prose::plain;
use super::text::{duration, time};
use super::{Run, legs};

/// The report of a run, finished or not.
#[must_use]
pub fn document(run: &Run<'_>, evidence: &[Evidence]) -> Document {
    let findings = findings(run);
    Document {
        format: FORMAT,
        result: head::outcome(run, &findings),
        run: head::run(run),
        statements: statements::statements(run),
        objectives: objectives(run),
        findings,
        stated: run.state.people.findings.clone(),
        stated_by: stated_by(run),
        overrides: people::overrides(run),
        deviations: steps::deviations(run),
        timeline: lanes::timeline(run),
        phases: steps::phases(run),
        failed_attempts: attempts::failed_attempts(run),
        decisions: people::decisions(run),
        commands: commands::commands(run),
        files: commands::files(run),
        residue: residue::residue(run),
        notes: people::notes(run),
        integrity: integrity(run),
        evidence: evidence.to_vec(),
    }
}

fn objectives(run: &Run<'_>) -> Vec<Objective> {
    measures(run)
        .into_iter()
        .map(|measure| {
            let legs = legs::legs(run, &measure);
            let VmMeasure {
                section,
                vm,
                rto,
                rpo,
                source,
                serves,
            } = measure;
            Objective {
                section,
                vm,
                rto: rto.into(),
                rpo: rpo.into(),
                data_from: source,
                serves_at: serves,
                legs,
            }
        })
        .collect()
}

/// What a run's end has to be judged by beside its steps, in words.
pub(super) fn judged(run: &Run<'_>) -> Vec<String> {
    let mut findings = objectives::findings(run);
    findings.extend(drill::findings(run));
    findings.extend(corrupt_points(run));
    findings
}

/// Restore points that the run proved corrupt: whoever needs one next must not learn that first then.
fn corrupt_points(run: &Run<'_>) -> Vec<String> {
    let proven = run.state.facts.iter().filter_map(|found| {
        let words = found.fact.corrupt()?;
        Some(format!("{words}, seen at {}", time(found.at)))
    });
    proven.collect()
}

/// Objectives that were missed, what is to be said of a drill, restore points that are corrupt, then
/// steps that did not work.
fn findings(run: &Run<'_>) -> Vec<Finding> {
    let missed = objectives::findings(run).into_iter().map(|words| Finding {
        kind: FindingKind::Objective,
        text: plain(words),
        next: None,
    });
    let drill = drill::findings(run).into_iter().map(|words| Finding {
        kind: FindingKind::Drill,
        text: plain(words),
        next: None,
    });
    let corrupt = corrupt_points(run).into_iter().map(|words| Finding {
        kind: FindingKind::RestorePoint,
        text: plain(words),
        next: Some("find out what damaged it, and whether other points are sound".to_owned()),
    });
    let window = CommitWindow::of(&run.state);
    let late = window.and_then(|window| window.late()).map(|late| Finding {
        kind: FindingKind::Window,
        text: plain(format!(
            "it was decided {} after the time to commit or roll back was over",
            duration(late)
        )),
        next: None,
    });
    let found = missed.chain(drill).chain(corrupt).chain(late);
    found.chain(steps::open_ends(run)).collect()
}

/// By which command a drill's people say what it showed, as long as they have not.
fn stated_by(run: &Run<'_>) -> Option<String> {
    let missing = run.info.mode == Some(Mode::Drill) && run.state.people.findings.is_none();
    missing.then(|| run.typed("cleanup"))
}

fn integrity(run: &Run<'_>) -> Integrity {
    let info = run.info;
    Integrity {
        lines: run.entries.len(),
        head: run.head.to_owned(),
        runbook_sha256: info.runbook_sha256.clone(),
        plan: info.plan.clone(),
        version: info.version.clone(),
        written_by: env!("CARGO_PKG_VERSION"),
        elsewhere: run.elsewhere.clone(),
    }
}
