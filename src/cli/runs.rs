//! `lifeboat runs`: what lies in the state folder, newest first; how runs compare, and drills due.

mod drills;
mod rows;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::check;
use crate::engine::{CommitWindow, RunState, Stage, TakenBy, TakenHome};
use crate::journal::{JournalError, RunSummary};
use crate::names::RunId;
use crate::report::{Reached, decide_by, trend};
use drills::drills;
use rows::{group, read_to_compare};

pub(super) use drills::{drilled, drills_of, last_drills};
pub(super) use rows::Row;

/// Before how a run stands, where that has a line of its own.
const BELOW: &str = "    ";

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
    let rows = read_to_compare(runs);
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

/// The runs that failbacks took home, or began to, and were not taken back: each with what they did.
pub(super) fn taken_home(rows: &[Row<'_>]) -> BTreeMap<RunId, TakenHome> {
    let mut failbacks: BTreeMap<&RunId, Vec<(TakenBy, &RunState)>> = BTreeMap::new();
    for one in rows.iter().filter_map(|row| row.homeward.as_ref()) {
        failbacks.entry(&one.of).or_default().extend(one.known());
    }
    let home = failbacks.into_iter().filter_map(|(run, failbacks)| {
        let row = rows.iter().find(|row| row.run.folder.id == *run);
        let state = row.and_then(|row| row.state.as_ref());
        Some((run.clone(), TakenHome::of(state, failbacks)?))
    });
    home.collect()
}

/// How a run stands; `home` is what failbacks took home of it.
fn how_it_stands(row: &Row<'_>, home: Option<&TakenHome>, now: Timestamp) -> String {
    let run = row.run;
    let journal = run.folder.journal();
    if run.info.is_none() && !journal.exists() {
        return match JournalError::without_lines(journal) {
            JournalError::Empty(_) => "never began; its folder can be deleted".to_owned(),
            _ => "its journal is gone, and it was reported; see `lifeboat verify`".to_owned(),
        };
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
