//! Whether the reports that lie in a run's folder say what its journal gives, each in its format.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::evidence::evidence;
use crate::cli::past::Past;
use crate::engine::RunEvent;
use crate::journal::{ReadJournal, RunFolder};
use crate::names::{RunId, listed};
use crate::report::{self, Document, Evidence, Format};
use crate::settings::{as_elsewhere, elsewhere};

/// What stands before the version of Lifeboat that wrote a report.
const WRITER: &str = "Written by Lifeboat ";
/// Hex digits of a SHA-256.
const DIGITS: usize = 64;

/// A report as it lies there.
struct Lying {
    format: Format,
    text: String,
}

/// Makes each report of the journal's last line anew and compares; whether they are the same. The sums of
/// the folder's other files are compared by themselves: here they are taken as the report as data has them.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn compare(
    folder: &Path,
    journal: ReadJournal,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let (of_last, all_known) = reports_of_last_line(folder, &journal, out)?;
    let Some(run) = run_of(&journal).filter(|_| !of_last.is_empty()) else {
        return Ok(all_known);
    };
    let path = folder.to_owned();
    let past = match Past::of(RunFolder { id: run, path }, journal) {
        Ok(past) => past,
        Err(failure) => {
            let why = failure.text.lines().next().unwrap_or_default();
            writeln!(
                out,
                "  the reports were not compared with the journal: {why}"
            )?;
            return Ok(all_known);
        }
    };
    let given = as_given(&past, &of_last);
    let is_given = |lying: &&Lying| {
        let mut given = given.iter();
        given.any(|document| lying.format.render(document) == lying.text)
    };
    let (same, others): (Vec<_>, Vec<_>) = of_last.iter().partition(is_given);
    let mut none_changed = true;
    for lying in others {
        none_changed &= say_why_not(lying, out)?;
    }
    if !same.is_empty() {
        let names: Vec<_> = same.iter().map(|lying| lying.format.file()).collect();
        writeln!(out, "  as the journal gives it: {}", listed(&names))?;
    }
    Ok(all_known && none_changed)
}

/// What the journal gives, wherever the run may have lain when its reports were written: where the report
/// as data says, where it lies, or where a command finds it by itself.
fn as_given(past: &Past, of_last: &[Lying]) -> Vec<Document> {
    let folder = &past.folder.path;
    let as_data = of_last.iter().find(|lying| lying.format == Format::Json);
    let as_data = as_data.and_then(|lying| serde_json::from_str::<Value>(&lying.text).ok());
    let as_data = as_data.as_ref();
    let files = as_data.and_then(listed_files);
    let files = files.unwrap_or_else(|| evidence(folder));
    let noted = as_data.and_then(|report| report.pointer("/integrity/elsewhere"));
    let lain = noted.and_then(Value::as_str).and_then(as_elsewhere);
    let places = BTreeSet::from_iter([String::new(), elsewhere(folder)].into_iter().chain(lain));
    let given = places.into_iter().map(|place| {
        let mut document = report::document(&past.report_at(place), &files);
        if noted.is_none() {
            // It needs nothing there, or is of before this was noted.
            document.integrity.elsewhere.clear();
        }
        document
    });
    given.collect()
}

/// Says of a report that is not as the journal gives it why that is; false where it may have been changed.
fn say_why_not(Lying { format, text }: &Lying, out: &mut dyn Write) -> io::Result<bool> {
    let name = format.file();
    let another = match writer(text) {
        Some(writer) if writer != env!("CARGO_PKG_VERSION") => {
            writeln!(out, "  {name} was not compared: Lifeboat {writer} wrote it")?;
            return Ok(true);
        }
        Some(_) => "another build of Lifeboat",
        None => "a version that does not name itself",
    };
    writeln!(
        out,
        "  {name} does not say what the journal gives: it was changed since it was written, or {another} wrote it"
    )?;
    Ok(false)
}

/// The reports that are of the journal's last line; false where one is of no line. Those of an earlier
/// line are named: the run went on.
fn reports_of_last_line(
    folder: &Path,
    journal: &ReadJournal,
    out: &mut dyn Write,
) -> io::Result<(Vec<Lying>, bool)> {
    let (mut of_last, mut all_known) = (Vec::new(), true);
    if journal.problem.is_some() {
        return Ok((of_last, all_known));
    }
    for format in Format::ALL {
        let name = format.file();
        let Ok(text) = fs::read_to_string(folder.join(name)) else {
            continue;
        };
        if text.contains(&journal.head) {
            of_last.push(Lying { format, text });
        } else if hashes(&text).any(|hash| journal.line_with_hash(hash).is_some()) {
            writeln!(
                out,
                "  {name} was not compared: the run went on since it was written"
            )?;
        } else if format == Format::Html {
            // Of the others their heads were looked up already.
            all_known = false;
            writeln!(out, "  {name} is of no line of the journal")?;
        }
    }
    Ok((of_last, all_known))
}

/// Everything in a text that may be a line's hash.
fn hashes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_hexdigit())
        .filter(|word| word.len() == DIGITS)
}

fn run_of(journal: &ReadJournal) -> Option<RunId> {
    match &journal.entries.first()?.event {
        RunEvent::RunStarted(info) => Some(info.run.clone()),
        _ => None,
    }
}

fn listed_files(report: &Value) -> Option<Vec<Evidence>> {
    Vec::<Evidence>::deserialize(report.get("evidence")?).ok()
}

/// The version of Lifeboat that wrote a report, by its own words.
fn writer(text: &str) -> Option<&str> {
    let data = "\"written_by\":";
    if let Some((_, rest)) = text.split_once(data) {
        return rest.trim_start().strip_prefix('"')?.split('"').next();
    }
    let (_, rest) = text.rsplit_once(WRITER)?;
    rest.split(|letter: char| letter.is_whitespace() || letter == '<')
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::cli::runs::tests::{RUNBOOK, keep_as};
    use crate::cli::verify::verify;
    use crate::digest::sha256;
    use crate::engine::RunInfo;
    use crate::journal::Store;
    use crate::runbook::model::{Mode, Section};

    #[test]
    fn each_report_tells_who_wrote_it() {
        for (text, by) in [
            ("- Written by Lifeboat 0.1.0\n- Check", Some("0.1.0")),
            ("<li>Written by Lifeboat 1.2</li>", Some("1.2")),
            ("{\"written_by\": \"0.9.1\",\n\"x\": 1}", Some("0.9.1")),
            ("{\"written_by\":\"0.9.1\"}", Some("0.9.1")),
            ("nothing of it", None),
        ] {
            assert_eq!(writer(text), by, "{text}");
        }
    }

    /// A failover that lies in a folder of its own, and its reports as they were written where it lay before.
    fn reported(store: &Store, lain: &str) -> RunFolder {
        let info = RunInfo {
            run: "20260102-030405-abcd".into(),
            mode: Some(Mode::Failover),
            sections: vec![Section::Failover],
            runbook_sha256: sha256(RUNBOOK),
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            ..RunInfo::default()
        };
        let run = keep_as(store, info, Vec::new());
        let folder = store.find(run.as_str()).unwrap();
        fs::write(folder.runbook(), RUNBOOK).unwrap();
        let past = Past::read(folder.clone()).unwrap_or_else(|failure| panic!("{}", failure.text));
        let document = report::document(&past.report_at(lain.to_owned()), &evidence(&folder.path));
        let next = document.result.next.as_deref().unwrap_or_default();
        assert!(next.ends_with(lain), "{next}");
        for format in Format::ALL {
            let path = folder.path.join(format.file());
            fs::write(path, format.render(&document)).unwrap();
        }
        folder
    }

    fn verified(store: &Store, folder: &RunFolder) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = verify(store, folder.id.as_str(), &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    const AS_GIVEN: &str = "as the journal gives it: report.md, report.html, report.json";

    #[test]
    fn where_a_run_lay_stands_in_its_report_as_data() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let lain = " --state '/srv/two words'";
        let folder = reported(&store, lain);
        let (exit, said) = verified(&store, &folder);
        assert!(exit == Exit::Clean && said.contains(AS_GIVEN), "{said}");
        let path = folder.path.join(Format::Json.file());
        let text = fs::read_to_string(&path).unwrap();
        let noted = |words: &str| format!("\"elsewhere\": \"{words}\"");
        for edited in [
            text.replace(&noted(lain), &noted(" --state /srv/other")),
            text.replace(lain, "; reboot"),
        ] {
            assert_ne!(edited, text);
            fs::write(&path, &edited).unwrap();
            let (exit, said) = verified(&store, &folder);
            let said_so = said.contains("report.json does not say what the journal gives");
            assert!(exit == Exit::Findings && said_so, "{said}");
        }
    }

    #[test]
    fn a_report_of_before_that_was_noted_is_compared_where_it_lies() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let folder = reported(&store, &format!(" --state {}", root.path().display()));
        let path = folder.path.join(Format::Json.file());
        let mut data: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let integrity = data["integrity"].as_object_mut().unwrap();
        assert!(integrity.remove("elsewhere").is_some());
        fs::write(&path, format!("{data:#}\n")).unwrap();
        let (exit, said) = verified(&store, &folder);
        assert!(exit == Exit::Clean && said.contains(AS_GIVEN), "{said}");
    }
}
