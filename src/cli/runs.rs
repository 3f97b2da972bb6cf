//! `lifeboat runs`: what lies in the state folder, newest first; how runs compare, and drills due.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::past::Past;
use super::{check, ending};
use crate::engine::{CommitWindow, RunState, Stage, TakenHome};
use crate::journal::{self, Ending, ReadJournal, RunSummary};
use crate::names::RunId;
use crate::report::{DrillDue, Reached, decide_by, duration, trend};
use crate::runbook::model::Mode;

/// Before how a run stands, where that has a line of its own.
const BELOW: &str = "    ";
/// No more runs of a runbook and mode are compared.
const MOST_COMPARED: usize = 8;

/// How the list of runs is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A line for each run, however long: for other programs.
    Lines,
    /// How a run stands below what it is, in the columns of the smallest terminal.
    Columns,
}

/// Prints everything: each run, the RTO of the newest finished runs, run by run, and drills that are
/// due. Each journal is read once.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn whole(
    runs: &[RunSummary],
    now: Timestamp,
    layout: Layout,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows = looked_into(runs);
    list(&rows, now, layout, out)?;
    compared(&rows, out)?;
    drills(&rows, now, out)
}

/// Prints the runs alone.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn print(
    runs: &[RunSummary],
    now: Timestamp,
    layout: Layout,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<Row<'_>> = runs.iter().map(Row::read).collect();
    list(&rows, now, layout, out)
}

/// A run, and what its journal tells.
pub(super) struct Row<'a> {
    pub(super) run: &'a RunSummary,
    /// How it stands; nothing where its journal does not fit.
    pub(super) state: Option<RunState>,
    /// What it reached, of one that is compared.
    reached: Option<Reached>,
    /// How often its runbook is to be drilled, of the newest run of one.
    every: Option<Duration>,
}

impl<'a> Row<'a> {
    pub(super) fn read(run: &'a RunSummary) -> Self {
        Self::of(run, journal_of(run).as_ref())
    }

    fn of(run: &'a RunSummary, journal: Option<&ReadJournal>) -> Self {
        let whole = journal.filter(|journal| journal.problem.is_none());
        let fold = |journal: &ReadJournal| RunState::fold(journal.entries.iter().map(Arc::as_ref));
        Self {
            run,
            state: whole.map(fold),
            reached: None,
            every: None,
        }
    }
}

fn journal_of(run: &RunSummary) -> Option<ReadJournal> {
    journal::read(&run.folder.journal()).ok()
}

/// The rows with what is compared: of each runbook and mode the newest finished runs, and what the
/// newest run of a runbook says of drills.
fn looked_into(runs: &[RunSummary]) -> Vec<Row<'_>> {
    let mut compared: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let look = |run| {
        let journal = journal_of(run);
        let mut row = Row::of(run, journal.as_ref());
        let Some((name, group)) = group(run) else {
            return row;
        };
        let is_newest = seen.insert(name);
        let count = group.map(|group| compared.entry(group).or_default());
        let count = count.filter(|count| **count < MOST_COMPARED);
        if !is_newest && count.is_none() {
            return row;
        }
        // A folder that cannot be read is named by the list, and by `verify`.
        let past = journal.and_then(|journal| Past::of(run.folder.clone(), journal).ok());
        let Some(past) = past else { return row };
        if is_newest {
            row.every = past.loaded.runbook.drill.every;
        }
        if let Some(count) = count {
            row.reached = Reached::of(&past.report());
            *count += usize::from(row.reached.is_some());
        }
        row
    };
    runs.iter().map(look).collect()
}

/// A run's runbook; with its mode, if it is finished, what it is compared within.
fn group(run: &RunSummary) -> Option<(&str, Option<(&str, &str)>)> {
    let info = run.info.as_deref()?;
    let mode = info.mode.filter(|_| is_finished(run));
    let group = mode.map(|mode| (info.runbook.as_str(), mode.as_str()));
    Some((info.runbook.as_str(), group))
}

fn list(rows: &[Row<'_>], now: Timestamp, layout: Layout, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no runs yet; `lifeboat practice` makes the first");
    }
    let head = format!("{:<20}  {:<8}  {:<22}  OPERATOR", "RUN", "MODE", "RUNBOOK");
    match layout {
        Layout::Lines => writeln!(out, "{head:<66}  {:<20}  STATE", "BEGAN (UTC)")?,
        // An id tells when its run began.
        Layout::Columns => writeln!(out, "{head}\n{BELOW}STATE")?,
    }
    let home = taken_home(rows);
    for row in rows {
        let run = row.run;
        let info = run.info.as_deref();
        let mode = info
            .and_then(|info| info.mode)
            .map_or("?", |mode| mode.as_str());
        let what = format!(
            "{:<20}  {mode:<8}  {:<22}  {}",
            run.folder.id,
            info.map_or("?", |info| &info.runbook),
            info.map_or("?", |info| &info.operator),
        );
        let stands = how_it_stands(row, home.get(&run.folder.id), now);
        let text = match layout {
            Layout::Lines => {
                let began = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
                let began = run.started.map_or_else(|| "?".to_owned(), began);
                format!("{what:<66}  {began:<20}  {stands}\n")
            }
            Layout::Columns => {
                let mut text = what + "\n";
                check::put(&mut text, BELOW, &stands, BELOW.len());
                text
            }
        };
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn compared(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut groups: BTreeMap<(&str, &str), Vec<Reached>> = BTreeMap::new();
    // Oldest first.
    for row in rows.iter().rev() {
        if let (Some((_, Some(group))), Some(reached)) = (group(row.run), &row.reached) {
            groups.entry(group).or_default().push(reached.clone());
        }
    }
    if !groups.is_empty() {
        writeln!(out, "\nRTO of the set, run by run, against its objective")?;
    }
    for ((runbook, mode), group) in groups {
        writeln!(out, "\n  {runbook}, {mode}")?;
        for line in trend(&group) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

fn is_finished(run: &RunSummary) -> bool {
    run.ending == Ending::Finished
}

/// A line for each runbook whose newest run says how often it is to be drilled.
fn drills(rows: &[Row<'_>], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let last = last_drills(rows);
    let due = rows.iter().filter_map(|row| {
        let name = row.run.info.as_ref()?.runbook.as_str();
        let every = row.every?;
        let due = DrillDue::new(last.get(name).copied(), every, now);
        let every = duration(every.try_into().ok()?);
        Some(format!("{name}: {due} (every {every})"))
    });
    let due: Vec<String> = due.collect();
    if !due.is_empty() {
        writeln!(out, "\nDrills")?;
    }
    for line in due {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// The drills of a runbook, the newest first.
pub(super) fn drills_of<'a>(runs: &'a [RunSummary], runbook: &str) -> Vec<Row<'a>> {
    let of_this = runs.iter().filter(|run| drilled(run) == Some(runbook));
    of_this.map(Row::read).collect()
}

/// The runbook that a drill drills.
pub(super) fn drilled(run: &RunSummary) -> Option<&str> {
    let info = run.info.as_deref()?;
    (info.mode == Some(Mode::Drill)).then_some(info.runbook.as_str())
}

/// When each runbook's last drill began that came to its end.
pub(super) fn last_drills<'a>(rows: &[Row<'a>]) -> BTreeMap<&'a str, Timestamp> {
    let mut last = BTreeMap::new();
    for Row { run, state, .. } in rows {
        if let (Some(runbook), Some(began), Some(state)) = (drilled(run), run.started, state)
            && state.drilled().is_some()
        {
            let newest = last.entry(runbook).or_insert(began);
            *newest = began.max(*newest);
        }
    }
    last
}

/// The runs that a failback took home, or began to, and was not taken back: each with that failback.
pub(super) fn taken_home<'a>(rows: &[Row<'a>]) -> BTreeMap<&'a RunId, TakenHome> {
    let home = rows.iter().filter_map(|row| {
        let parent = ending::takes_home(row.run)?;
        let home = TakenHome::of(&row.run.folder.id, row.state.as_ref()?)?;
        Some((parent, home))
    });
    home.collect()
}

/// How a run stands; `home` is the failback that took it home.
fn how_it_stands(row: &Row<'_>, home: Option<&TakenHome>, now: Timestamp) -> String {
    let run = row.run;
    if run.info.is_none() && !run.folder.journal().exists() {
        return "never began; its folder can be deleted".to_owned();
    }
    if run.info.is_none() {
        return "cannot be read; see `lifeboat verify`".to_owned();
    }
    match (row.state.as_ref().map(Stage::of), &run.holder, home) {
        // What stands before everything else.
        (Some(stage), ..) if stage.is_split() => stage.words(),
        (_, Some(holder), _) if run.is_unfinished() => format!("at work: {holder}"),
        (Some(stage), _, Some(home)) => home.stands(&stage),
        (Some(stage), ..) => match row.state.as_ref().and_then(|state| decided_by(state, now)) {
            Some(window) => format!("{}; {window}", stage.words()),
            None => stage.words(),
        },
        (None, ..) => "its journal does not fit; see `lifeboat verify`".to_owned(),
    }
}

/// Until when it is to be decided what becomes of the run.
fn decided_by(state: &RunState, now: Timestamp) -> Option<String> {
    CommitWindow::of(state).and_then(|window| decide_by(&window, now))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::{Chapter, Entry, Parent, RunEvent, RunInfo, RunResult};
    use crate::journal::{Ending, Journal, Store};
    use crate::names::OpId;
    use crate::runbook::model::Mode;

    fn began() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    pub(in crate::cli) fn keep(store: &Store, mode: Mode, then: Vec<RunEvent>) {
        keep_child(store, mode, None, then);
    }

    pub(in crate::cli) fn sent() -> RunEvent {
        RunEvent::WriteIntended {
            op: OpId(1),
            host: "lon-esx1".into(),
            command: "vim-cmd".to_owned(),
            bulk: false,
        }
    }

    pub(in crate::cli) fn keep_child(
        store: &Store,
        mode: Mode,
        parent: Option<&RunId>,
        then: Vec<RunEvent>,
    ) -> RunId {
        let info = RunInfo {
            mode: Some(mode),
            commit_within_s: Some(3_600),
            parent: parent.map(|run| Parent {
                run: run.clone(),
                head: String::new(),
                stayed: Vec::new(),
                by_people: Vec::new(),
            }),
            ..RunInfo::default()
        };
        keep_as(store, info, then)
    }

    pub(in crate::cli) fn keep_as(store: &Store, info: RunInfo, then: Vec<RunEvent>) -> RunId {
        let info = RunInfo {
            format: 1,
            operator: "alice".to_owned(),
            runbook: "v2v".to_owned(),
            ..info
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
        folder.id
    }

    fn listed(mode: Mode, then: Vec<RunEvent>) -> String {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        keep(&store, mode, then);
        let mut out = Vec::new();
        let runs = store.list().unwrap();
        print(&runs, began(), Layout::Lines, &mut out).unwrap();
        String::from_utf8(out)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    }

    pub(in crate::cli) fn finished(skipped: usize) -> RunEvent {
        RunEvent::RunFinished {
            result: RunResult {
                skipped,
                ..RunResult::default()
            },
        }
    }

    pub(in crate::cli) fn opened(chapter: Chapter) -> RunEvent {
        RunEvent::ChapterOpened {
            chapter,
            by: "alice".to_owned(),
            plan: "f".to_owned(),
            keeping: None,
        }
    }

    #[test]
    fn a_drill_counts_once_it_came_to_its_own_end() {
        let counts = |then: Vec<RunEvent>| {
            let state = tempfile::tempdir().unwrap();
            let store = Store::new(state.path());
            keep(&store, Mode::Drill, then);
            let runs = store.list().unwrap();
            !last_drills(&drills_of(&runs, "v2v")).is_empty()
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
    fn a_failover_that_was_taken_home_is_not_to_be_rolled_back() {
        let stands = |failback: Vec<RunEvent>| {
            let state = tempfile::tempdir().unwrap();
            let store = Store::new(state.path());
            let run = keep_child(&store, Mode::Failover, None, vec![finished(0)]);
            let home = keep_child(&store, Mode::Failback, Some(&run), failback);
            let runs = store.list().unwrap();
            let rows: Vec<Row<'_>> = runs.iter().map(Row::read).collect();
            let mut out = Vec::new();
            list(&rows, began(), Layout::Lines, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let mut lines = text.lines();
            let line = lines.find(|line| line.starts_with(&run.to_string()));
            (line.unwrap().to_owned(), home)
        };
        let committed = || vec![sent(), finished(0), opened(Chapter::Commit), finished(0)];
        let (line, home) = stands(committed());
        let taken = |home, part| {
            format!(
                " finished; taken home{part} by failback {home}: it can be committed, and not rolled back"
            )
        };
        assert!(line.ends_with(&taken(home, "")), "{line}");
        for half_way in [vec![sent()], vec![sent(), finished(1)]] {
            let (line, home) = stands(half_way);
            assert!(line.ends_with(&taken(home, " in part")), "{line}");
        }
        // It sent nothing, or all of it was taken back.
        let back = vec![sent(), finished(0), opened(Chapter::Rollback), finished(0)];
        for undone in [vec![finished(0)], back] {
            let (line, _) = stands(undone);
            assert!(line.contains("finished: commit or roll back"), "{line}");
        }
    }

    #[test]
    fn a_run_stands_as_before_once_its_ending_was_left() {
        let left = |result| RunEvent::ChapterLeft {
            chapter: Chapter::Rollback,
            by: "bob".to_owned(),
            reason: "too early".to_owned(),
            result,
        };
        let resumed = RunEvent::RunResumed {
            operator: "bob".to_owned(),
            console: "noc-1".to_owned(),
            clock_back_s: None,
        };
        let begun = [resumed, opened(Chapter::Rollback)];
        let summary = |then: Vec<RunEvent>| {
            let state = tempfile::tempdir().unwrap();
            let store = Store::new(state.path());
            keep(&store, Mode::Failover, then);
            store.list().unwrap().remove(0)
        };
        let half_way = summary([&begun[..], &[left(None)]].concat());
        assert!(half_way.is_unfinished(), "{half_way:?}");
        let settled = left(Some(RunResult::default()));
        let over = summary([&[finished(0)], &begun[..], &[settled]].concat());
        assert_eq!(over.ending, Ending::Finished);
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
                "rollback begun, and nothing of it was done",
            ),
            (Mode::Failover, vec![opened, finished(0)], "rolled back"),
        ] {
            let line = listed(mode, then);
            assert!(line.ends_with(end), "{line:?} does not end in {end:?}");
            assert!(line.contains("  v2v "), "{line}");
        }
        let mut out = Vec::new();
        print(&[], began(), Layout::Lines, &mut out).unwrap();
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("lifeboat practice")
        );
    }

    #[test]
    fn no_line_of_the_list_is_longer_than_the_smallest_terminal() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        keep(&store, Mode::Failover, vec![finished(2)]);
        let mut out = Vec::new();
        let runs = store.list().unwrap();
        whole(&runs, began(), Layout::Columns, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(
            text.contains("\n    partially recovered, 0 failed, 2 skipped:"),
            "{text}"
        );
    }
}
