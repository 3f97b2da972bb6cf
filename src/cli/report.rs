//! `lifeboat report`, and the reports that lie in a run's folder.

use std::io::Write;
use std::path::PathBuf;

use crate::error::Fault;
use crate::journal::{JournalError, RunFolder, Store};
use crate::report::{self, Document, Format};

use super::args::ReportArgs;
use super::evidence::{self, evidence};
use super::exit::{Exit, Failure};
use super::past::Past;

/// Prints a report in one format, or writes it in several into the run's folder.
///
/// # Errors
/// Status 2 for an unknown run, 3 where a report would cover up that the folder was changed, 1 for a journal with a line that does not fit; what stands before
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
        refuse_to_cover(&past)?;
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

/// A report that is written anew takes the place of the sums that tell what was changed since.
fn refuse_to_cover(past: &Past) -> Result<(), Failure> {
    let as_reported = evidence::compare(&past.folder.path, &past.journal, &mut std::io::sink());
    if past.journal.problem.is_none() && as_reported.is_ok_and(|same| same != Some(false)) {
        return Ok(());
    }
    let run = &past.folder.id;
    Err(Failure::of(
        Exit::Refused,
        &Fault::new(
            "the run's folder is not as its report says it was",
            past.folder.path.display().to_string(),
            "nothing was written; the report that lies there still tells what it was",
            format!(
                "see what was changed with `lifeboat verify {run}`; `lifeboat report {run}` prints it as it is now"
            ),
        ),
    ))
}

/// What a run's report says, its folder's files included.
pub(super) fn document(past: &Past) -> Document {
    report::document(&past.report(), &evidence(&past.folder.path))
}

/// Writes the report in every format into the run's folder; gives back where the Markdown lies.
pub(super) fn write_all(folder: &RunFolder, document: &Document) -> Result<PathBuf, Failure> {
    for format in Format::ALL {
        write(folder, format, document)?;
    }
    Ok(folder.path.join(Format::Markdown.file()))
}

fn write(folder: &RunFolder, format: Format, document: &Document) -> Result<PathBuf, Failure> {
    let path = folder.path.join(format.file());
    folder.write(&path, format.render(document).as_bytes())?;
    Ok(path)
}
