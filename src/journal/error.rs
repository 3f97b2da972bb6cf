//! What can go wrong with a journal or the folder of runs, in words for a person.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::error::Fault;
use crate::names::RunId;

use super::holder::Holder;
use super::reader::LineProblem;

/// Why a journal cannot be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// There is no journal.
    #[error("there is no journal at {0}")]
    Missing(PathBuf),
    /// A journal stands where a new one was to begin.
    #[error("a journal already stands at {0}")]
    Exists(PathBuf),
    /// Its first line was never finished.
    #[error("the journal {0} holds no whole line: the run never began")]
    Empty(PathBuf),
    /// It is gone or holds no line, and a report stands beside it.
    #[error(
        "the journal {0} holds no whole line, and a report of the run stands beside it: it was deleted or emptied"
    )]
    Emptied(PathBuf),
    /// A newer version wrote it.
    #[error(
        "the journal {path} has format {format}, written by Lifeboat {}; this is {}, which knows format {}",
        if version.is_empty() { "of a later version" } else { version.as_str() },
        env!("CARGO_PKG_VERSION"),
        super::FORMAT
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its format.
        format: u64,
        /// The version that wrote it; empty where its first line does not say.
        version: String,
    },
    /// Another console writes it.
    #[error("the run is held by another console: {holder}")]
    Held {
        /// The journal.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// A line does not fit.
    #[error("line {} of {path} does not fit: {}", problem.line, problem.why)]
    Broken {
        /// The journal.
        path: PathBuf,
        /// Which line and why.
        problem: LineProblem,
    },
    /// The operating system refused something.
    #[error("{doing} {path} failed: {source}")]
    Io {
        /// What was being done: `reading`, `syncing`.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An earlier write or sync failed: nothing more is appended until the journal is reopened.
    #[error("the journal {0} could not be written before and is closed")]
    Poisoned(PathBuf),
    /// An entry is not the next one.
    #[error("line {expected} of {path} was to be written, and line {got} came")]
    OutOfOrder {
        /// The journal.
        path: PathBuf,
        /// The next line's number.
        expected: u64,
        /// The entry's.
        got: u64,
    },
    /// An event could not be put into words.
    #[error("an event could not be encoded: {0}")]
    Encode(String),
}

impl JournalError {
    /// What a journal without a whole line is: of a run that never began, unless somebody could report
    /// that run.
    #[must_use]
    pub fn without_lines(path: PathBuf) -> Self {
        match is_reported(&path) {
            true => Self::Emptied(path),
            false => Self::Empty(path),
        }
    }

    /// What a journal that is not there is: of a run that somebody could report, it was deleted.
    pub(in crate::journal) fn not_there(path: PathBuf) -> Self {
        match is_reported(&path) {
            true => Self::Emptied(path),
            false => Self::Missing(path),
        }
    }

    pub(in crate::journal) fn io<'a>(
        doing: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// The same for a person: what failed, where, what state things are in, the next move.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (place, state, next) = match self {
            Self::Missing(path) => (
                path,
                "nothing was changed",
                "list the runs with `lifeboat runs`, or give the right --state folder",
            ),
            Self::Exists(path) => (
                path,
                "nothing was changed, and nothing was sent to any host",
                "start again: the new run gets an id of its own",
            ),
            Self::Empty(path) => (
                path,
                "nothing was ever sent to a host by this run",
                "start a new run; this folder can be deleted",
            ),
            Self::Emptied(path) => (
                path,
                "what the run did stands in its report; nothing was changed",
                "keep the folder as it is; get the journal from a copy of it",
            ),
            Self::Newer { path, .. } => (
                path,
                "nothing was changed",
                "use the version of Lifeboat that wrote it, or a later one",
            ),
            Self::Held { path, .. } => return self.held(path),
            Self::Broken { path, .. } => (
                path,
                "the lines before it are whole; nothing was changed and nothing is sent on its word",
                "keep a copy, see `lifeboat verify`, and restore the file from a copy that verifies",
            ),
            Self::Io { path, .. } => (
                path,
                "everything recorded so far is kept, and nothing that is not recorded is sent",
                "free space or mend the disk and its permissions, then `lifeboat resume`",
            ),
            Self::Poisoned(path) => (
                path,
                "everything recorded so far is kept, and nothing that is not recorded is sent",
                "mend the disk, then `lifeboat resume`",
            ),
            Self::Encode(_) | Self::OutOfOrder { .. } => {
                return Fault::new(
                    self.to_string(),
                    "the journal",
                    "nothing that is not recorded is sent",
                    "leave and `lifeboat resume`; if it comes back, report it as a defect",
                );
            }
        };
        Fault::new(self.to_string(), place.display().to_string(), state, next)
    }
}

impl JournalError {
    fn held(&self, path: &Path) -> Fault {
        let run = path.parent().and_then(Path::file_name);
        let run = run.map_or("RUN".into(), |name| name.to_string_lossy());
        Fault::new(
            self.to_string(),
            path.display().to_string(),
            "that console goes on; this one did nothing",
            format!(
                "look on with `lifeboat watch {run}`; or work at that console, or leave it there (q) and then resume here"
            ),
        )
    }
}

/// Whether a report, in whatever format, stands beside a journal.
fn is_reported(journal: &Path) -> bool {
    let formats = ["report.json", "report.md", "report.html"];
    let mut reports = formats.map(|name| journal.with_file_name(name)).into_iter();
    reports.any(|report| report.exists())
}

/// Why a run cannot be found or made.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No run has this id, nor one that begins so.
    #[error("no run is called `{asked}`")]
    Unknown {
        /// As asked.
        asked: String,
        /// The folder of runs.
        runs: PathBuf,
    },
    /// Several runs begin so.
    #[error("`{asked}` is the beginning of several runs: {}", list(found))]
    Ambiguous {
        /// As asked.
        asked: String,
        /// All of them.
        found: Vec<RunId>,
        /// The folder of runs.
        runs: PathBuf,
    },
    /// The operating system refused something.
    #[error("{doing} {path} failed: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl StoreError {
    pub(in crate::journal) fn io<'a>(
        doing: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// The same for a person.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (place, next) = match self {
            Self::Unknown { runs, .. } => (
                runs,
                "list the runs with `lifeboat runs`, or give the right --state folder",
            ),
            Self::Ambiguous { runs, .. } => (runs, "give more of the id"),
            Self::Io { path, .. } => (
                path,
                "check the folder and its permissions, or give another with --state",
            ),
        };
        Fault::new(
            self.to_string(),
            place.display().to_string(),
            "nothing was changed",
            next,
        )
    }
}

fn list(runs: &[RunId]) -> String {
    runs.iter()
        .map(RunId::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
