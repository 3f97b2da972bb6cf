//! What a run was, and what came of it.

use std::collections::BTreeSet;

use crate::engine::{CommitWindow, RunResult, Split, Stage, Status, Way};
use crate::names::{HostName, in_commands};
use crate::plan::Step;
use crate::report::Run;
use crate::report::document::{Correction, Finding, Outcome, RunHead, TakenBack, Tone, Window};
use crate::report::window::told;
use crate::runbook::model::Section;

use super::drill;
use super::steps::is_open;

pub(super) fn run(run: &Run<'_>) -> RunHead {
    let info = run.info;
    let [protected, recovery] = &info.sites;
    let home = info.sections == [Section::Failback];
    let (from, to) = if home {
        (recovery, protected)
    } else {
        (protected, recovery)
    };
    let state = &run.state;
    // A chapter that is under way has not ended when the run's own part did.
    let ended = state.finished.as_ref().and(state.finished_at);
    let last = ended.or(state.last_at).or(state.started);
    RunHead {
        id: info.run.clone(),
        mode: info.mode,
        heading: state.heading(info.mode),
        title: info.title.clone(),
        runbook: info.runbook.clone(),
        from: from.clone(),
        to: to.clone(),
        operator: info.operator.clone(),
        accountable: state.people.operator.clone(),
        console: info.console.clone(),
        began: state.started,
        last,
        took: state
            .started
            .zip(last)
            .map(|(began, last)| last.duration_since(began)),
        outage_at: state.service_lost(),
        outage_reason: info.outage_reason.clone(),
        drill: info.drill.clone(),
        window: CommitWindow::of(state).map(|window| Window {
            within: window.within,
            until: window.until,
            decided_at: window.decided,
            words: told(&window),
        }),
        parent: info.parent.as_ref().map(|parent| TakenBack {
            run: parent.run.clone(),
            head: parent.head.clone(),
            words: parent.in_words(),
        }),
        corrections: corrections(run),
        only: info.only.clone(),
        variables: state.variables(),
        resumes: state.resumes,
    }
}

fn corrections(run: &Run<'_>) -> Vec<Correction> {
    let all = run.state.people.corrections.iter();
    all.map(|correction| Correction {
        at: correction.at,
        by: correction.by.clone(),
        reason: correction.reason.clone(),
        file: correction.file.clone(),
        sha256: correction.sha256.clone(),
        plan: correction.plan.clone(),
    })
    .collect()
}

pub(super) fn outcome(run: &Run<'_>, findings: &[Finding]) -> Outcome {
    let stage = Stage::of(&run.state);
    let outcome = Outcome {
        finished: run.state.finished.is_some(),
        ..counted(run)
    };
    let outcome = match &run.state.finished {
        Some(result) => settled(outcome, run, &stage, result, findings),
        None => left_open(outcome, run, &stage),
    };
    let next = outcome.next;
    Outcome {
        next: next.map(|next| in_commands(&next, &run.elsewhere)),
        ..outcome
    }
}

/// A run of which the last step is settled, its own or of what ended it.
fn settled(
    outcome: Outcome,
    run: &Run<'_>,
    stage: &Stage,
    result: &RunResult,
    findings: &[Finding],
) -> Outcome {
    let (state, tone) = match run.state.chapter() {
        Some(_) => ended(stage),
        None if stage.is_split() => (Split::STATE.to_owned(), Tone::Bad),
        None => verdict(result, findings),
    };
    let RunResult {
        done,
        by_hand,
        skipped,
        failed,
    } = *result;
    Outcome {
        state,
        tone,
        next: the_only(stage.ways(&run.info.run, run.info.mode)),
        done,
        by_hand,
        skipped,
        failed,
        ..outcome
    }
}

/// A run that is under way, or was left.
fn left_open(outcome: Outcome, run: &Run<'_>, stage: &Stage) -> Outcome {
    let (id, state, waits) = (&run.info.run, &run.state, waiting(run));
    let ways = stage.ways(id, run.info.mode);
    let resume = Some(format!("lifeboat resume {id}"));
    let outcome = Outcome {
        tone: Tone::Warn,
        ..outcome
    };
    if stage.is_split() {
        let splits = state.splits();
        let splits: Vec<String> = splits.iter().map(Split::in_words).collect();
        return Outcome {
            state: Split::STATE.to_owned(),
            detail: format!("{}; {waits}not finished", splits.join("; ")),
            tone: Tone::Bad,
            next: the_only(ways),
            ..outcome
        };
    }
    let first = || ways.into_iter().next().map(|way| way.command);
    let (stands, detail, next) = if state.ends_anew() {
        let locks = "it was taken up again to give its locks back, and can be resumed";
        (stage.words(), locks.to_owned(), resume)
    } else if state.chapter().is_some() {
        let or_left = if stage.is_begun() { ", or left" } else { "" };
        let detail = format!("{waits}it can be gone on with{or_left}");
        (stage.words(), detail, first())
    } else if let Some(aborted) = drill::aborted(run) {
        ("aborted".to_owned(), aborted, first())
    } else {
        let detail = format!("{waits}it can be resumed");
        ("not finished".to_owned(), detail, resume)
    };
    Outcome {
        state: stands,
        detail,
        next,
        ..outcome
    }
}

/// The next move, where there is no choice between several.
fn the_only(ways: Vec<Way>) -> Option<String> {
    let [only] = <[Way; 1]>::try_from(ways).ok()?;
    Some(only.command)
}

/// The end of a run that was committed, rolled back or cleaned up.
fn ended(stage: &Stage) -> (String, Tone) {
    let tone = if stage.is_over() {
        Tone::Good
    } else {
        Tone::Warn
    };
    (stage.words(), tone)
}

fn verdict(result: &RunResult, findings: &[Finding]) -> (String, Tone) {
    let (words, tone) = if !result.is_clean() {
        ("finished with failed or skipped steps", Tone::Warn)
    } else if findings.is_empty() {
        ("finished, nothing found", Tone::Good)
    } else {
        ("finished, with findings", Tone::Warn)
    };
    (words.to_owned(), tone)
}

/// How many steps wait for somebody, and how many failed without that, in words that something follows.
fn waiting(run: &Run<'_>) -> String {
    let of = |step: &&Step| run.state.status(&step.id);
    let steps = run.plan.open_steps().iter();
    let open = steps.filter(|step| is_open(of(step)));
    let (passed, open): (Vec<&Step>, Vec<&Step>) =
        open.partition(|step| of(step).is_passed_over(step));
    let open = match open.len() {
        0 => String::new(),
        1 => "one step failed or waits for a decision; ".to_owned(),
        open => format!("{open} steps failed or wait for a decision; "),
    };
    let passed = match passed.len() {
        0 => String::new(),
        1 => "one step failed that the runbook goes on without; ".to_owned(),
        passed => format!("{passed} steps failed that the runbook goes on without; "),
    };
    open + &passed + &under_way(run)
}

/// The hosts on which a command that was sent may go on without this console.
fn under_way(run: &Run<'_>) -> String {
    let sent = run.state.unsettled_ops().filter(|(_, op)| !op.bulk);
    let hosts: BTreeSet<&HostName> = sent.map(|(_, op)| &op.host).collect();
    let hosts: Vec<&str> = hosts.into_iter().map(|host| host.as_str()).collect();
    match hosts.as_slice() {
        [] => String::new(),
        hosts => format!(
            "what was sent to {} may still be under way there; ",
            hosts.join(" and ")
        ),
    }
}

/// The steps as they stand.
fn counted(run: &Run<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    for step in run.plan.open_steps() {
        let count = match run.state.status(&step.id) {
            Status::Done | Status::AlreadyDone | Status::Undone => &mut outcome.done,
            Status::ByHand => &mut outcome.by_hand,
            Status::Skipped => &mut outcome.skipped,
            Status::Failed => &mut outcome.failed,
            _ => &mut outcome.open,
        };
        *count += 1;
    }
    outcome
}
