//! `lifeboat verify`: whether a journal is whole, line by line, and still the one that was reported.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::engine::RunEvent;
use crate::journal::{self, FILE_NAME, JournalError, ReadJournal, RunFolder, Store};

use super::exit::{Exit, Failure};

/// A head hash that stands somewhere else than in the journal.
#[derive(Debug)]
struct Recorded {
    place: String,
    head: String,
}

/// Checks a run of the store, or a journal file by its path.
///
/// # Errors
/// Status 2 for an unknown run and a journal of a newer format.
pub fn verify(store: &Store, asked: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
    let as_path = Path::new(asked);
    let (journal, name, recorded) = if as_path.is_file() {
        (journal::read(as_path)?, asked.to_owned(), Vec::new())
    } else {
        let folder = store.find(asked)?;
        let journal = journal::read(&folder.journal())?;
        let recorded = recorded_heads(store, &folder);
        (journal, folder.path.join(FILE_NAME).display().to_string(), recorded)
    };
    if journal.entries.is_empty() && journal.problem.is_none() {
        return Err(JournalError::Empty(name.into()).into());
    }
    // Whoever reads along has seen enough when the pipe is closed.
    Ok(say(&name, &journal, &recorded, out).unwrap_or(Exit::Clean))
}

fn say(
    name: &str,
    journal: &ReadJournal,
    recorded: &[Recorded],
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let lines = journal.entries.len();
    let mut exit = Exit::Clean;
    if let Some(problem) = &journal.problem {
        writeln!(out, "{name}: line {} does not fit: {}", problem.line, problem.why)?;
        writeln!(out, "  the {lines} lines before it are whole; their head hash is {}", journal.head)?;
        exit = Exit::Findings;
    } else {
        writeln!(out, "{name}: ok: {lines} lines")?;
        writeln!(out, "  head hash {}", journal.head)?;
    }
    if !journal.torn.is_empty() {
        writeln!(
            out,
            "  the last {} bytes are a line that was never finished; `lifeboat resume` sets it aside",
            journal.torn.len()
        )?;
    }
    for Recorded { place, head } in recorded {
        match journal.line_with_hash(head) {
            Some(line) => writeln!(out, "  the head hash in {place} is that of line {line}")?,
            None if journal.problem.is_some() => {}
            None => {
                writeln!(out, "  the head hash in {place} is of no line: lines were rewritten or cut off")?;
                writeln!(out, "    recorded: {head}")?;
                exit = Exit::Findings;
            }
        }
    }
    Ok(exit)
}

/// The heads that the run's report and the runs that take it back have recorded.
fn recorded_heads(store: &Store, folder: &RunFolder) -> Vec<Recorded> {
    let mut heads = Vec::new();
    if let Ok(report) = fs::read_to_string(folder.report())
        && let Some(head) = head_in_report(&report)
    {
        heads.push(Recorded { place: "report.md".to_owned(), head });
    }
    for run in store.list().unwrap_or_default() {
        if let Some(parent) = run.info.and_then(|info| info.parent)
            && parent.run == folder.id
        {
            heads.push(Recorded { place: format!("run {}", run.folder.id), head: parent.head });
        }
    }
    heads
}

fn head_in_report(report: &str) -> Option<String> {
    let (_, rest) = report.rsplit_once("head hash `")?;
    let head = rest.get(..64)?;
    head.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| head.to_owned())
}

/// Whether the journal's last word is that the run is over.
pub(super) fn is_finished(journal: &ReadJournal) -> bool {
    let last = journal.entries.iter().rev().find(|entry| {
        matches!(entry.event, RunEvent::RunFinished { .. } | RunEvent::RunResumed { .. })
    });
    last.is_some_and(|entry| matches!(entry.event, RunEvent::RunFinished { .. }))
}
