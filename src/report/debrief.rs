//! The end of a run in a few lines, for the terminal.

use crate::engine::Fact;
use crate::names::VmName;

use super::objectives::{Measure, VmMeasure, measures};
use super::{Run, findings, steps};

/// What came of the run, as plain lines: result, objectives, findings, what was vouched for.
#[must_use]
pub fn debrief(run: &Run<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(info) = &run.state.info else {
        return lines;
    };
    let mode = info.mode.map_or("", |mode| mode.as_str()).to_uppercase();
    match &run.state.finished {
        Some(result) => lines.push(format!(
            "{mode} finished: {} steps done, {} by hand, {} skipped, {} failed",
            result.done, result.by_hand, result.skipped, result.failed
        )),
        None => lines.push(format!("{mode} is not finished; it can be resumed")),
    }
    let is_over = run.state.finished.is_some();
    for VmMeasure {
        section,
        vm,
        rto,
        rpo,
        ..
    } in measures(run)
    {
        if !is_over && rto.actual.is_none() && rpo.actual.is_none() {
            continue;
        }
        let name = vm.as_ref().map_or("the set", VmName::as_str);
        lines.push(format!(
            "  {section:<8}  {name:<16}  RTO {}  RPO {}",
            against(&rto),
            against(&rpo)
        ));
    }
    for found in &run.state.facts {
        if let Fact::Attested { vm, by, words, .. } = &found.fact {
            lines.push(format!("attested, not proven: {vm}, by {by}: {words}"));
        }
    }
    lines.extend(
        findings(run)
            .into_iter()
            .map(|finding| format!("finding: {finding}")),
    );
    for open in steps::open_ends(run) {
        let next = run
            .state
            .step(&open.step.id)
            .fault
            .map(|fault| fault.next)
            .unwrap_or_default();
        lines.push(format!(
            "open: {} is {}: {}",
            open.step.id,
            open.status.as_str(),
            open.why
        ));
        if !next.is_empty() {
            lines.push(format!("  next: {next}"));
        }
    }
    lines
}

fn against(measure: &Measure) -> String {
    let grade = measure.grade_text();
    match measure.objective {
        Some(_) if grade.is_empty() => {
            format!(
                "{} (objective {})",
                measure.actual_text(),
                measure.objective_text()
            )
        }
        Some(_) => format!(
            "{} of {} ({grade})",
            measure.actual_text(),
            measure.objective_text()
        ),
        None => measure.actual_text(),
    }
}
