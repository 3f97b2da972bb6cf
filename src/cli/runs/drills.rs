//! Drills of the runs, and when the next is due.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use crate::journal::RunSummary;
use crate::report::{DrillDue, duration};
use crate::runbook::model::Mode;

use super::Row;

/// A line for each runbook whose newest run says how often it is to be drilled.
pub(super) fn drills(rows: &[Row<'_>], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
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
pub(in crate::cli) fn drills_of<'a>(runs: &'a [RunSummary], runbook: &str) -> Vec<Row<'a>> {
    let of_this = runs.iter().filter(|run| drilled(run) == Some(runbook));
    of_this.map(Row::read).collect()
}

/// The runbook that a drill drills.
pub(in crate::cli) fn drilled(run: &RunSummary) -> Option<&str> {
    let info = run.info.as_deref()?;
    (info.mode == Some(Mode::Drill)).then_some(info.runbook.as_str())
}

/// When each runbook's last drill began that came to its end.
pub(in crate::cli) fn last_drills<'a>(rows: &[Row<'a>]) -> BTreeMap<&'a str, Timestamp> {
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
