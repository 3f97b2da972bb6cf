//! `lifeboat runs`: what lies in the state folder, newest first; how runs compare, and drills due.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::past::Past;
use crate::engine::{CommitWindow, RunState, Stage};
use crate::journal::{self, Ending, RunSummary};
use crate::report::{DrillDue, Reached, decide_by, duration, trend};
use crate::runbook::model::Mode;

/// No more runs of a runbook and mode are compared.
const MOST_COMPARED: usize = 8;

/// Prints a line for each run.
///
/// # Errors
/// When `out` cannot be written.
pub fn print(runs: &[RunSummary], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    if runs.is_empty() {
        return writeln!(out, "no runs yet; `lifeboat practice` makes the first");
    }
    writeln!(
        out,
        "{:<20}  {:<8}  {:<22}  {:<10}  {:<20}  STATE",
        "RUN", "MODE", "RUNBOOK", "OPERATOR", "BEGAN (UTC)"
    )?;
    for run in runs {
        let info = run.info.as_deref();
        let mode = info
            .and_then(|info| info.mode)
            .map_or("?", |mode| mode.as_str());
        writeln!(
            out,
            "{:<20}  {mode:<8}  {:<22}  {:<10}  {:<20}  {}",
            run.folder.id,
            info.map_or("?", |info| &info.runbook),
            info.map_or("?", |info| &info.operator),
            run.started.map_or_else(
                || "?".to_owned(),
                |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()
            ),
            state(run, now)
        )?;
    }
    Ok(())
}

/// Below the list: the RTO of the newest finished runs, run by run, and drills that are due.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn history(runs: &[RunSummary], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let mut groups: BTreeMap<(String, &str), Vec<Reached>> = BTreeMap::new();
    for run in runs.iter().filter(|run| is_finished(run)) {
        let Some((info, mode)) = run.info.as_ref().and_then(|info| Some((info, info.mode?))) else {
            continue;
        };
        let group = groups
            .entry((info.runbook.clone(), mode.as_str()))
            .or_default();
        if group.len() < MOST_COMPARED {
            group.extend(reached(run));
        }
    }
    groups.retain(|_, group| !group.is_empty());
    if !groups.is_empty() {
        writeln!(out, "\nRTO of the set, run by run, against its objective")?;
    }
    for ((runbook, mode), mut group) in groups {
        group.reverse();
        writeln!(out, "\n  {runbook}, {mode}")?;
        for line in trend(&group) {
            writeln!(out, "  {line}")?;
        }
    }
    let due = drills(runs, now);
    if !due.is_empty() {
        writeln!(out, "\nDrills")?;
    }
    for line in due {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn is_finished(run: &RunSummary) -> bool {
    matches!(run.ending, Ending::Finished(_))
}

/// What a run reached; nothing where its folder cannot be read, which the list and `verify` say.
fn reached(run: &RunSummary) -> Option<Reached> {
    let past = Past::read(run.folder.clone()).ok()?;
    Reached::of(&past.report())
}

/// A line for each runbook whose newest run says how often it is to be drilled.
fn drills(runs: &[RunSummary], now: Timestamp) -> Vec<String> {
    let last = last_drills(runs);
    let mut seen = BTreeSet::new();
    runs.iter()
        .filter_map(|run| {
            let name = &run.info.as_ref()?.runbook;
            if !seen.insert(name) {
                return None;
            }
            let past = Past::read(run.folder.clone()).ok()?;
            let every = past.loaded.runbook.drill.every?;
            let due = DrillDue::new(last.get(name.as_str()).copied(), every, now);
            let every = duration(every.try_into().ok()?);
            Some(format!("{name}: {due} (every {every})"))
        })
        .collect()
}

/// When each runbook's last drill began that came to its end; one that was aborted did not, whatever
/// became of its cleanup.
pub(super) fn last_drills(runs: &[RunSummary]) -> BTreeMap<&str, Timestamp> {
    let mut last = BTreeMap::new();
    for run in runs {
        if let (Some(info), Some(began)) = (&run.info, run.started)
            && info.mode == Some(Mode::Drill)
            && state_of(run).is_some_and(|state| state.own_end.is_some())
        {
            let newest = last.entry(info.runbook.as_str()).or_insert(began);
            *newest = began.max(*newest);
        }
    }
    last
}

fn state(run: &RunSummary, now: Timestamp) -> String {
    if run.info.is_none() && !run.folder.journal().exists() {
        return "never began; its folder can be deleted".to_owned();
    }
    if run.info.is_none() {
        return "cannot be read; see `lifeboat verify`".to_owned();
    }
    match (stands(run, now), &run.holder) {
        // What stands before everything else.
        (Some((split @ (Stage::RecoveryRequired(_) | Stage::SplitSince(_)), _)), _) => {
            split.words()
        }
        (_, Some(holder)) if run.is_unfinished() => format!("at work: {holder}"),
        (Some((stage, Some(window))), _) => format!("{}; {window}", stage.words()),
        (Some((stage, None)), _) => stage.words(),
        (None, _) => "its journal does not fit; see `lifeboat verify`".to_owned(),
    }
}

/// Where a run stands, and until when that is to be decided.
fn stands(run: &RunSummary, now: Timestamp) -> Option<(Stage, Option<String>)> {
    let state = state_of(run)?;
    let window = CommitWindow::of(&state).and_then(|window| decide_by(&window, now));
    Some((Stage::of(&state), window))
}

/// How a run stands; nothing where its journal does not fit.
pub(super) fn state_of(run: &RunSummary) -> Option<RunState> {
    let read = journal::read(&run.folder.journal()).ok()?;
    if read.problem.is_some() {
        return None;
    }
    let entries = read.entries.iter().map(Arc::as_ref);
    Some(RunState::fold(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Chapter, Entry, RunEvent, RunInfo, RunResult};
    use crate::journal::{Journal, Store};
    use crate::runbook::model::Mode;

    fn began() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn keep(store: &Store, mode: Mode, then: Vec<RunEvent>) {
        let info = RunInfo {
            format: 1,
            mode: Some(mode),
            operator: "alice".to_owned(),
            runbook: "v2v".to_owned(),
            commit_within_s: Some(3_600),
            ..RunInfo::default()
        };
        let folder = store.create(began()).unwrap();
        let mut journal = Journal::create(&folder.path, "alice", "noc-3").unwrap();
        let events = std::iter::once(RunEvent::RunStarted(Box::new(info))).chain(then);
        for (seq, event) in (1..).zip(events) {
            journal
                .append(&Entry {
                    seq,
                    at: began(),
                    step: None,
                    attempt: None,
                    event,
                })
                .unwrap();
        }
    }

    fn listed(mode: Mode, then: Vec<RunEvent>) -> String {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        keep(&store, mode, then);
        let mut out = Vec::new();
        print(&store.list().unwrap(), began(), &mut out).unwrap();
        String::from_utf8(out)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    }

    fn finished(skipped: usize) -> RunEvent {
        RunEvent::RunFinished {
            result: RunResult {
                skipped,
                ..RunResult::default()
            },
        }
    }

    fn opened(chapter: Chapter) -> RunEvent {
        RunEvent::ChapterOpened {
            chapter,
            by: "alice".to_owned(),
            plan: "f".to_owned(),
        }
    }

    #[test]
    fn a_drill_counts_once_it_came_to_its_own_end() {
        let counts = |then: Vec<RunEvent>| {
            let state = tempfile::tempdir().unwrap();
            let store = Store::new(state.path());
            keep(&store, Mode::Drill, then);
            !last_drills(&store.list().unwrap()).is_empty()
        };
        let cleaned = || [opened(Chapter::Cleanup), finished(0)];
        let aborted = RunEvent::DrillAborted {
            by: "bob".to_owned(),
            why: "an alarm".to_owned(),
        };
        assert!(counts(vec![finished(0)]));
        assert!(counts([&[finished(0)][..], &cleaned()].concat()));
        assert!(counts(vec![finished(0), opened(Chapter::Cleanup)]));
        assert!(!counts([&[aborted][..], &cleaned()].concat()));
        assert!(!counts(cleaned().to_vec()));
    }

    #[test]
    fn each_run_is_a_line_with_its_state() {
        let opened = opened(Chapter::Rollback);
        let left = RunEvent::RunDetached {
            why: "alice left".to_owned(),
        };
        for (mode, then, end) in [
            (Mode::Failover, vec![], "the console died"),
            (Mode::Failover, vec![left], "the console left"),
            (
                Mode::Failover,
                vec![finished(0)],
                "finished: commit or roll back; decide by 2026-01-02 04:04:05Z, 1h 00m left",
            ),
            (
                Mode::Planned,
                vec![finished(2)],
                "2 skipped: commit or roll back; decide by 2026-01-02 04:04:05Z, 1h 00m left",
            ),
            (Mode::Practice, vec![finished(0)], " finished"),
            (Mode::Drill, vec![finished(0)], "cleanup due"),
            (
                Mode::Failover,
                vec![opened.clone()],
                "rollback not finished",
            ),
            (Mode::Failover, vec![opened, finished(0)], "rolled back"),
        ] {
            let line = listed(mode, then);
            assert!(line.ends_with(end), "{line:?} does not end in {end:?}");
            assert!(line.contains("  v2v "), "{line}");
        }
        let mut out = Vec::new();
        print(&[], began(), &mut out).unwrap();
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("lifeboat practice")
        );
    }
}
