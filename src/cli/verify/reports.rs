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
use crate::report::{self, Evidence, Format};
use crate::settings::elsewhere;

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
    journal: &ReadJournal,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let (of_last, mut same) = reports_of_last_line(folder, journal, out)?;
    let Some(run) = run_of(journal).filter(|_| !of_last.is_empty()) else {
        return Ok(same);
    };
    let path = folder.to_owned();
    let past = match Past::read(RunFolder { id: run, path }) {
        Ok(past) => past,
        Err(failure) => {
            let why = failure.text.lines().next().unwrap_or_default();
            writeln!(
                out,
                "  the reports were not compared with the journal: {why}"
            )?;
            return Ok(same);
        }
    };
    let as_data = of_last.iter().find(|lying| lying.format == Format::Json);
    let as_data = as_data.and_then(|lying| serde_json::from_str::<Value>(&lying.text).ok());
    let files = as_data.as_ref().and_then(listed_files);
    let files = files.unwrap_or_else(|| evidence(folder));
    let mut places = BTreeSet::from([String::new(), elsewhere(folder)]);
    if let Some(value) = &as_data {
        add_places(value, &mut places);
    }
    let documents: Vec<_> = places
        .into_iter()
        .map(|place| report::document(&past.report_at(place), &files))
        .collect();
    let mut as_given = Vec::new();
    for Lying { format, text } in &of_last {
        let name = format.file();
        if documents
            .iter()
            .any(|document| format.render(document) == *text)
        {
            as_given.push(name);
            continue;
        }
        match writer(text) {
            Some(writer) if writer != env!("CARGO_PKG_VERSION") => {
                writeln!(out, "  {name} was not compared: Lifeboat {writer} wrote it")?;
            }
            writer => {
                same = false;
                let another = match writer {
                    Some(_) => "another build of Lifeboat",
                    None => "a version that does not name itself",
                };
                writeln!(
                    out,
                    "  {name} does not say what the journal gives: it was changed since it was written, or {another} \
                     wrote it"
                )?;
            }
        }
    }
    if !as_given.is_empty() {
        writeln!(out, "  as the journal gives it: {}", listed(&as_given))?;
    }
    Ok(same)
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

/// Where the run lay when the report was written, by the commands in it: whoever checks it may have it
/// somewhere else.
fn add_places(value: &Value, places: &mut BTreeSet<String>) {
    const OPTION: &str = " --state ";
    match value {
        Value::String(text) => {
            for (at, _) in text.match_indices(OPTION) {
                let rest = text.get(at + OPTION.len()..).unwrap_or_default();
                let rest = rest.split('`').next().unwrap_or_default();
                let words = shell_words::split(rest).unwrap_or_default();
                if let Some(place) = words.first() {
                    places.insert(format!("{OPTION}{}", shell_words::quote(place)));
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add_places(value, places)),
        Value::Object(fields) => fields.values().for_each(|value| add_places(value, places)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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

    #[test]
    fn where_it_lay_is_told_by_its_commands() {
        let report = serde_json::json!({
            "next": "lifeboat commit r1 --state /srv/runs",
            "more": ["`lifeboat resume r1 --state '/srv/two words'` tries again", 7],
        });
        let mut places = BTreeSet::new();
        add_places(&report, &mut places);
        let places: Vec<_> = places.iter().map(String::as_str).collect();
        assert_eq!(places, [" --state '/srv/two words'", " --state /srv/runs"]);
    }
}
