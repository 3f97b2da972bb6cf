//! A run's folder as evidence: the sums of its files, and whether they are those of its report.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::journal::{FILE_NAME, ReadJournal, SITE};
use crate::report::{Evidence, Format};
use crate::transfer::Sum;

/// What the report as data says of the folder in which it lies.
#[derive(Debug, Deserialize)]
struct Reported {
    integrity: Integrity,
    evidence: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Integrity {
    head: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    path: String,
    sha256: Option<String>,
}

/// Compares the folder's files with what its report says of them; whether they are the same. `None` where
/// the run went on since the report was written, or there is no report: nothing can be said; a report
/// that cannot be read, or of a line that the journal has not, is no such case. The journal is checked by
/// its own chain.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn compare(
    folder: &Path,
    journal: &ReadJournal,
    out: &mut dyn Write,
) -> io::Result<Option<bool>> {
    let name = Format::Json.file();
    let reported = match read(&folder.join(name)) {
        Ok(Some(reported)) => reported,
        Ok(None) => return Ok(None),
        Err(why) => {
            writeln!(out, "  {name} cannot be read: {why}")?;
            return Ok(Some(false));
        }
    };
    if reported.integrity.head != journal.head {
        let line = journal.line_with_hash(&reported.integrity.head);
        if journal.problem.is_none() && line.is_none() {
            writeln!(
                out,
                "  the head hash in {name} is of no line: lines were rewritten or cut off"
            )?;
            return Ok(Some(false));
        }
        writeln!(
            out,
            "  the other files were not compared: {name} is not of this journal's last line"
        )?;
        return Ok(None);
    }
    let mut there: BTreeMap<String, Option<String>> = evidence(folder)
        .into_iter()
        .map(|file| (file.path, file.sha256))
        .collect();
    there.remove(FILE_NAME);
    let listed = reported
        .evidence
        .iter()
        .filter(|file| file.path != FILE_NAME);
    let (mut same, mut wrong) = (0, 0);
    for Listed { path, sha256 } in listed {
        let how = match there.remove(path) {
            Some(Some(sum)) if Some(&sum) == sha256.as_ref() => {
                same += 1;
                continue;
            }
            Some(Some(_)) => "was changed",
            Some(None) => "cannot be read",
            None => "is gone",
        };
        wrong += 1;
        writeln!(
            out,
            "  {} {how} since {name} was written",
            path.escape_debug()
        )?;
    }
    for path in there.keys() {
        writeln!(out, "  {} is not in {name}", path.escape_debug())?;
    }
    writeln!(out, "  {same} other files of the folder are as {name} says")?;
    Ok(Some(wrong == 0))
}

/// `None` where there is none.
fn read(path: &Path) -> io::Result<Option<Reported>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every file of the run's folder with its sum: not the reports, which say it, nor a practice's
/// site, which is no evidence.
pub(super) fn evidence(folder: &Path) -> Vec<Evidence> {
    let mut found = Vec::new();
    let reports = Format::ALL.map(|format| folder.join(format.file()));
    collect(folder, &mut found);
    found.retain(|file| !reports.contains(file) && !file.starts_with(folder.join(SITE)));
    found.sort();
    found
        .iter()
        .map(|file| {
            let summed = sum(file).ok();
            Evidence {
                path: file
                    .strip_prefix(folder)
                    .unwrap_or(file)
                    .display()
                    .to_string(),
                bytes: summed.as_ref().map(|(bytes, _)| *bytes),
                sha256: summed.map(|(_, sum)| sum.to_string()),
            }
        })
        .collect()
}

/// Plain files below a folder. Links are left alone: what they lead to is not in the folder.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Size and SHA-256 of a file, of what lies there now.
fn sum(path: &Path) -> io::Result<(u64, Sum)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, Sum::finish(hash)));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{self, Store};

    #[test]
    fn evidence_is_what_lies_in_the_folder_beside_the_reports() {
        let root = tempfile::tempdir().unwrap();
        let folder = Store::new(root.path())
            .create("2026-01-02T03:04:05Z".parse().unwrap())
            .unwrap();
        for (name, text) in [
            ("journal.jsonl", "x"),
            ("report.md", "r"),
            ("report.html", "r"),
            ("report.json", "r"),
            ("output/lee-esx1.log", ""),
            ("site/lee-esx1/disk", "d"),
        ] {
            let path = folder.path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path.join("link")).unwrap();
        let found = evidence(&folder.path);
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["journal.jsonl", "output/lee-esx1.log"]);
        assert_eq!(
            (found[0].bytes, found[0].sha256.as_deref()),
            (
                Some(1),
                Some("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
            )
        );
    }

    #[test]
    fn a_file_that_is_not_as_the_report_says_is_named() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        write("journal.jsonl", "");
        write("runbook.yaml", "lifeboat: 1\n");
        write("practice.json", "{}");
        let journal = ReadJournal {
            head: "5f70".to_owned(),
            ..journal::read(&root.path().join("journal.jsonl")).unwrap()
        };
        let compared = || {
            let mut out = Vec::new();
            let same = compare(root.path(), &journal, &mut out).unwrap();
            (same, String::from_utf8(out).unwrap())
        };
        assert_eq!(compared(), (None, String::new()));
        let report = |head: &str| {
            let files = evidence(root.path());
            let report = serde_json::json!({ "integrity": { "head": head }, "evidence": files });
            write("report.json", &report.to_string());
        };
        report("5f70");
        let (same, said) = compared();
        assert!(
            same == Some(true) && said.contains("2 other files"),
            "{said}"
        );
        write("runbook.yaml", "lifeboat: 2\n");
        write("note.txt", "x");
        fs::remove_file(root.path().join("practice.json")).unwrap();
        let (same, said) = compared();
        assert_eq!(same, Some(false), "{said}");
        for part in [
            "runbook.yaml was changed",
            "practice.json is gone",
            "note.txt is not in report.json",
            "0 other files",
        ] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        report("0000");
        let (same, said) = compared();
        assert!(
            same == Some(false) && said.contains("is of no line"),
            "{said}"
        );
        write("report.json", "{\"integrity\":");
        let (same, said) = compared();
        assert!(
            same == Some(false) && said.contains("cannot be read"),
            "{said}"
        );
    }
}
