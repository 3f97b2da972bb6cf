//! What came before that somebody has to know of: the attempt that failed, or was confirmed while
//! things were otherwise, and what a step waits for that nothing comes before any more.

use ratatui::text::Line;

use crate::engine::{self, Pace, Proposal, ShownCommand, StepState};
use crate::hypervisor::shell;
use crate::plan::Step;
use crate::tui::model::Run;
use crate::tui::text;
use crate::tui::theme::Role;

use super::super::frame::{beside_label, labelled, under_label};

/// Why a step asks again: what was wrong in the attempt before, or what is not as it was confirmed.
pub(super) fn draw(lines: &mut Vec<Line<'static>>, width: usize, known: &StepState) {
    let Some(earlier) = &known.earlier else {
        return;
    };
    let attempt = earlier.attempt;
    if let Some(fault) = &earlier.fault {
        let words = format!("attempt {attempt}: {}", fault.what);
        labelled(lines, width, "before", Role::Warn, &words);
    }
    let (Some(confirmed), Some(proposal)) = (&earlier.confirmed, &known.proposal) else {
        return;
    };
    let words = format!("attempt {attempt} was confirmed; since then this differs:");
    let differ = differences(confirmed, proposal);
    if differ.is_empty() {
        return;
    }
    labelled(lines, width, "anew", Role::Warn, &words);
    let room = beside_label(width);
    let differ = differ.into_iter().flat_map(|(role, line)| {
        let wrapped = text::wrap(&line, room).into_iter();
        wrapped.map(move |line| (role, line))
    });
    under_label(lines, "", differ);
}

/// What is gone and what is new, a line each. Commands follow from the rest, and are told where nothing
/// else differs.
fn differences(confirmed: &Proposal, proposal: &Proposal) -> Vec<(Role, String)> {
    let said = apart(&said(confirmed), &said(proposal), |line| (*line).to_owned());
    if said.is_empty() {
        let (before, now) = (&confirmed.commands, &proposal.commands);
        return apart(before, now, short);
    }
    said
}

fn apart<T: PartialEq>(
    before: &[T],
    now: &[T],
    words: impl Fn(&T) -> String,
) -> Vec<(Role, String)> {
    let gone = before.iter().filter(|line| !now.contains(line));
    let new = now.iter().filter(|line| !before.contains(line));
    gone.map(|line| (Role::Bad, format!("gone: {}", words(line))))
        .chain(new.map(|line| (Role::Good, format!("new: {}", words(line)))))
        .collect()
}

/// What a proposal says of itself and has vouched for.
fn said(proposal: &Proposal) -> Vec<&str> {
    let changes = proposal.changes.iter().map(String::as_str);
    let attest = proposal.attest.iter();
    changes
        .chain(attest.map(|request| request.statement.as_str()))
        .collect()
}

fn short(command: &ShownCommand) -> String {
    let line = shell::in_short(&command.line);
    match &command.host {
        Some(host) => format!("{host}: {line}"),
        None => line,
    }
}

/// What holds up a step that could begin: at this pace one goes at a time.
pub(super) fn waits(run: &Run, lines: &mut Vec<Line<'static>>, width: usize, step: &Step) {
    let before = step.after.iter();
    let is_over = |index: &usize| {
        let status = run.status(*index);
        let passed = run.plan.steps.get(*index);
        status.is_met() || passed.is_some_and(|step| status.is_passed_over(step))
    };
    if run.watching || run.state.pace != Pace::Step || !before.clone().all(is_over) {
        return;
    }
    let Some(first) = engine::under_way(&run.plan, &run.state) else {
        return;
    };
    let words = format!(
        "{} is {}: at pace step one step goes at a time; [p] phase or auto lets others begin meanwhile",
        first.title,
        run.state.status(&first.id).as_str()
    );
    labelled(lines, width, "waits", Role::Busy, &words);
}
