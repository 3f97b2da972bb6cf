//! `lifeboat verify`: whether a journal is whole, line by line, and still the one that was reported, and
//! whether its reports say what it gives.

mod named;
mod reports;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::journal::{self, FILE_NAME, JournalError, ReadJournal, RunFolder, Store};
use crate::names::RunId;
use crate::report::Format;

use super::evidence;
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
        (
            journal,
            folder.path.join(FILE_NAME).display().to_string(),
            recorded,
        )
    };
    if journal.entries.is_empty() && journal.problem.is_none() {
        return Err(JournalError::without_lines(name.into()).into());
    }
    let folder = Path::new(&name)
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Whoever reads along has seen enough when the pipe is closed.
    let exit = say(&name, &journal, &recorded, out).unwrap_or(Exit::Clean);
    let compared = evidence::compare(folder, &journal, out).unwrap_or(Some(true));
    let lies_in = RunFolder {
        id: RunId::default(),
        path: folder.to_owned(),
    };
    let all_there = named::compare(&lies_in, &journal, compared.is_some(), out).unwrap_or(true);
    let same = compared.unwrap_or(true) && all_there;
    let given = reports::compare(folder, journal, out).unwrap_or(true);
    Ok(if same && given { exit } else { Exit::Findings })
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
        writeln!(
            out,
            "{name}: line {} does not fit: {}",
            problem.line, problem.why
        )?;
        writeln!(
            out,
            "  the {lines} lines before it are whole; their head hash is {}",
            journal.head
        )?;
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
                writeln!(
                    out,
                    "  the head hash in {place} is of no line: lines were rewritten or cut off"
                )?;
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
    if let Ok(report) = fs::read_to_string(folder.path.join(Format::Markdown.file()))
        && let Some(head) = head_in_report(&report)
    {
        heads.push(Recorded {
            place: Format::Markdown.file().to_owned(),
            head,
        });
    }
    for run in store.list().unwrap_or_default() {
        if let Some(parent) = run.info.and_then(|info| info.parent)
            && parent.run == folder.id
        {
            heads.push(Recorded {
                place: format!("run {}", run.folder.id),
                head: parent.head,
            });
        }
    }
    heads
}

fn head_in_report(report: &str) -> Option<String> {
    let (_, rest) = report.rsplit_once("head hash `")?;
    let head = rest.get(..64)?;
    head.bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| head.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Entry, Parent, RunEvent, RunInfo};
    use crate::journal::Journal;

    fn at() -> jiff::Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn run_of(store: &Store, lines: u64, parent: Option<Parent>) -> (RunFolder, String) {
        let folder = store.create(at()).unwrap();
        let mut journal = Journal::create(&folder.path, "alice", "noc-3").unwrap();
        for seq in 1..=lines {
            let event = if seq == 1 {
                let info = RunInfo {
                    format: 1,
                    parent: parent.clone(),
                    ..RunInfo::default()
                };
                RunEvent::RunStarted(Box::new(info))
            } else {
                RunEvent::NoteAdded {
                    by: "alice".to_owned(),
                    text: format!("note {seq}, \"hash\": \\"),
                }
            };
            journal
                .append(&Entry::told(seq, at(), None, event))
                .unwrap();
        }
        let head = journal.head().to_owned();
        (folder, head)
    }

    fn verified(store: &Store, asked: &str) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = verify(store, asked, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_whole_journal_is_ok_by_id_and_by_path() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (folder, head) = run_of(&store, 5, None);
        let (exit, said) = verified(&store, folder.id.as_str());
        assert_eq!(exit, Exit::Clean);
        assert!(
            said.contains("ok: 5 lines") && said.contains(&head),
            "{said}"
        );
        let path = folder.journal().display().to_string();
        assert_eq!(verified(&Store::new("/nowhere"), &path).0, Exit::Clean);
        assert_eq!(
            verify(&store, "nothing", &mut Vec::new()).unwrap_err().exit,
            Exit::Invalid
        );
    }

    #[test]
    fn a_changed_line_is_named_and_an_unfinished_one_is_not_held_against_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (folder, _) = run_of(&store, 5, None);
        let text = fs::read_to_string(folder.journal()).unwrap();
        fs::write(folder.journal(), text.replace("note 3", "note x")).unwrap();
        let (exit, said) = verified(&store, folder.id.as_str());
        assert_eq!(exit, Exit::Findings);
        assert!(said.contains("line 3 does not fit"), "{said}");
        fs::write(folder.journal(), format!("{text}{{\"seq\":6")).unwrap();
        let (exit, said) = verified(&store, folder.id.as_str());
        assert_eq!(exit, Exit::Clean);
        assert!(said.contains("never finished"), "{said}");
    }

    #[test]
    fn a_journal_without_lines_beside_a_report_was_emptied() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (folder, _) = run_of(&store, 5, None);
        fs::write(folder.journal(), "").unwrap();
        let refused = |asked: &str| verify(&store, asked, &mut Vec::new()).unwrap_err();
        let never = refused(folder.id.as_str());
        assert_eq!(never.exit, Exit::Invalid);
        assert!(never.text.contains("never began"), "{}", never.text);
        let emptied = |asked: &str| {
            let emptied = refused(asked);
            assert_eq!(emptied.exit, Exit::Findings);
            assert!(!emptied.text.contains("can be deleted"), "{}", emptied.text);
        };
        for format in Format::ALL {
            let report = folder.path.join(format.file());
            fs::write(&report, "{}").unwrap();
            for asked in [folder.id.as_str(), &folder.journal().display().to_string()] {
                emptied(asked);
            }
            fs::remove_file(report).unwrap();
        }
        fs::remove_file(folder.journal()).unwrap();
        assert_eq!(refused(folder.id.as_str()).exit, Exit::Invalid);
        fs::write(folder.path.join("report.md"), "").unwrap();
        emptied(folder.id.as_str());
    }

    #[test]
    fn a_tail_that_was_cut_off_shows_against_what_was_recorded_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (folder, head) = run_of(&store, 5, None);
        fs::write(
            folder.path.join(Format::Markdown.file()),
            format!("- Journal: 5 lines, head hash `{head}`\n"),
        )
        .unwrap();
        let parent = Parent {
            stayed: Vec::new(),
            by_people: Vec::new(),
            run: folder.id.clone(),
            head,
        };
        let (child, _) = run_of(&store, 2, Some(parent));
        let (exit, said) = verified(&store, folder.id.as_str());
        assert_eq!(
            (exit, said.matches("is that of line 5").count()),
            (Exit::Clean, 2),
            "{said}"
        );
        let text = fs::read_to_string(folder.journal()).unwrap();
        let cut: String = text.split_inclusive('\n').take(4).collect();
        fs::write(folder.journal(), cut).unwrap();
        let (exit, said) = verified(&store, folder.id.as_str());
        assert_eq!(exit, Exit::Findings);
        assert!(
            said.contains("in report.md is of no line") && said.contains(child.id.as_str()),
            "{said}"
        );
    }

    /// The check that a report prints works without Lifeboat.
    #[test]
    fn a_shell_and_sha256sum_come_to_the_same_head() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let (folder, head) = run_of(&store, 4, None);
        let check = |folder: &RunFolder| {
            let output = std::process::Command::new("sh")
                .args(["-c", crate::report::CHECK])
                .current_dir(&folder.path)
                .output()
                .unwrap();
            (
                output.status.success(),
                String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            )
        };
        assert_eq!(check(&folder), (true, head));
        let text = fs::read_to_string(folder.journal()).unwrap();
        fs::write(folder.journal(), text.replace("note 2", "note x")).unwrap();
        let (sound, said) = check(&folder);
        assert!(!sound && said.contains("changed"), "{said}");
    }
}
