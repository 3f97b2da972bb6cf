//! `lifeboat report`, and the reports that lie in a run's folder.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::journal::{JournalError, RunFolder, Store};
use crate::report::{self, Document, Evidence, Format};
use crate::transfer::Sum;

use super::args::ReportArgs;
use super::exit::{Exit, Failure};
use super::past::Past;

/// Prints a report in one format, or writes it in several into the run's folder.
///
/// # Errors
/// Status 2 for an unknown run, 1 for a journal with a line that does not fit; what stands before
/// that line is reported all the same.
pub(super) fn report(
    store: &Store,
    args: &ReportArgs,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let past = Past::read(store.find(&args.run)?)?;
    let document = document(&past);
    // Whoever reads along has seen enough when the pipe is closed.
    if let [format] = args.format[..] {
        let _ = out.write_all(Format::from(format).render(&document).as_bytes());
    } else {
        for format in &args.format {
            let path = write(&past.folder, (*format).into(), &document)?;
            let _ = writeln!(out, "{}", path.display());
        }
    }
    match past.journal.problem {
        None => Ok(Exit::Clean),
        Some(problem) => Err(JournalError::Broken {
            path: past.folder.journal(),
            problem,
        }
        .into()),
    }
}

/// What a run's report says, its folder's files included.
pub(super) fn document(past: &Past) -> Document {
    report::document(&past.report(), &evidence(&past.folder))
}

/// Writes the report in every format into the run's folder; gives back where the Markdown lies.
pub(super) fn write_all(folder: &RunFolder, document: &Document) -> Result<PathBuf, Failure> {
    for format in Format::ALL {
        write(folder, format, document)?;
    }
    Ok(path(folder, Format::Markdown))
}

/// Where a run's report lies.
pub(super) fn path(folder: &RunFolder, format: Format) -> PathBuf {
    folder.path.join(format.file())
}

fn write(folder: &RunFolder, format: Format, document: &Document) -> Result<PathBuf, Failure> {
    let path = path(folder, format);
    folder.write(&path, format.render(document).as_bytes())?;
    Ok(path)
}

/// Every file of the run's folder with its sum: not the reports, which say it, nor a practice's
/// site, which is no evidence.
fn evidence(folder: &RunFolder) -> Vec<Evidence> {
    let mut found = Vec::new();
    let reports = Format::ALL.map(|format| path(folder, format));
    collect(&folder.path, &mut found);
    found.retain(|file| !reports.contains(file) && !file.starts_with(folder.site()));
    found.sort();
    found
        .iter()
        .map(|file| {
            let summed = sum(file).ok();
            Evidence {
                path: file
                    .strip_prefix(&folder.path)
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
        let found = evidence(&folder);
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
}
