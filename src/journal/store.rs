//! The folder in which runs lie: `runs/<id>/` with journal, frozen runbook, output, report, site.
//!
//! Files are 0600 and folders 0700: a journal tells how to break into a recovery.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::RunInfo;
use crate::names::RunId;

use super::error::StoreError;
use super::holder::Holder;
use super::writer::held_by;

/// How much of a journal's end is read at first for the list of runs.
const TAIL: u64 = 64 << 10;
/// How many times as much, where that does not tell how the run stands.
const FURTHER: u64 = 8;
/// How much of its first line.
const FIRST_LINE: u64 = 1 << 20;
/// Letters and digits that are not taken for each other when read out on the phone.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The state folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    /// Its id.
    pub id: RunId,
    /// Where it lies.
    pub path: PathBuf,
}

/// The simulated site of a practice, in the run's folder.
pub const SITE: &str = "site";

impl RunFolder {
    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join(super::FILE_NAME)
    }

    /// The runbook, frozen at the start.
    #[must_use]
    pub fn runbook(&self) -> PathBuf {
        self.path.join("runbook.yaml")
    }

    /// A later version of the runbook, by the name that the journal gives; nothing outside the folder.
    #[must_use]
    pub fn version(&self, file: &str) -> PathBuf {
        let name = Path::new(file).file_name().unwrap_or_default();
        self.path.join(name)
    }

    /// The simulated site of a practice.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.path.join(SITE)
    }

    /// Writes a file of the run: whole or not at all, on disk when this returns, for the owner only.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        write_private(path, bytes).map_err(StoreError::io("writing", path))
    }
}

/// How a run stands, as its journal's end tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every step is settled.
    Finished,
    /// A drill was ended early; it is cleaned up, not resumed.
    Aborted,
    /// The console left on purpose; it can be resumed.
    Detached,
    /// The console is at work, or died.
    Open,
}

impl Ending {
    /// Whether the run's own steps are over.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finished | Self::Aborted)
    }
}

/// A run in the list.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Where it lies.
    pub folder: RunFolder,
    /// What it is; `None` where the first line cannot be read.
    pub info: Option<Box<RunInfo>>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When its last whole line was written.
    pub last_at: Option<Timestamp>,
    /// How it stands.
    pub ending: Ending,
    /// The console that has it open.
    pub holder: Option<Holder>,
}

impl RunSummary {
    /// Whether it can be resumed.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.info.is_some() && !self.ending.is_final()
    }
}

#[derive(Deserialize)]
struct Glance {
    at: Timestamp,
    event: String,
    data: Value,
}

impl Glance {
    fn settles(&self) -> bool {
        matches!(
            self.event.as_str(),
            "run-finished" | "drill-aborted" | "run-resumed" | "chapter-left"
        )
    }
}

impl Store {
    /// The state folder at `root`; nothing is made before it is needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Makes the folder of a new run that begins `at`; its id is `YYYYMMDD-HHMMSS-xxxx` (UTC).
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create(&self, at: Timestamp) -> Result<RunFolder, StoreError> {
        new_folder(&self.runs(), at)
    }

    /// Makes a folder for a simulated site that belongs to no run.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create_site(&self, at: Timestamp) -> Result<RunFolder, StoreError> {
        new_folder(&self.root.join("sites"), at)
    }

    /// All runs' folders, oldest first.
    ///
    /// # Errors
    /// What the operating system says; a state folder that is not there yet holds no runs.
    pub fn folders(&self) -> Result<Vec<RunFolder>, StoreError> {
        let runs = self.runs();
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("listing", &runs)(error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(StoreError::io("listing", &runs))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(name) = entry.file_name().to_str()
                && is_folder
                && looks_like_run(name)
            {
                folders.push(RunFolder {
                    id: RunId::from(name),
                    path: entry.path(),
                });
            }
        }
        folders.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(folders)
    }

    /// All runs, newest first. Reads the first line and the end of each journal, and checks neither.
    ///
    /// # Errors
    /// What the operating system says about the folder; a run that cannot be read is still listed.
    pub fn list(&self) -> Result<Vec<RunSummary>, StoreError> {
        let mut folders = self.folders()?;
        folders.reverse();
        Ok(folders.into_iter().map(summarise).collect())
    }

    /// The run with this id, or the only one whose id begins or ends so.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`], [`StoreError::Io`].
    pub fn find(&self, asked: &str) -> Result<RunFolder, StoreError> {
        let mut found = self.folders()?;
        if let Some(exact) = found.iter().find(|folder| folder.id.as_str() == asked) {
            return Ok(exact.clone());
        }
        found.retain(|folder| {
            let id = folder.id.as_str();
            !asked.is_empty() && (id.starts_with(asked) || id.ends_with(&format!("-{asked}")))
        });
        match <[RunFolder; 1]>::try_from(found) {
            Ok([only]) => Ok(only),
            Err(none) if none.is_empty() => Err(StoreError::Unknown {
                asked: asked.to_owned(),
                runs: self.runs(),
            }),
            Err(several) => Err(StoreError::Ambiguous {
                asked: asked.to_owned(),
                found: several.into_iter().map(|folder| folder.id).collect(),
                runs: self.runs(),
            }),
        }
    }

    /// Runs that can be resumed, newest first.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn unfinished(&self) -> Result<Vec<RunSummary>, StoreError> {
        let mut runs = self.list()?;
        runs.retain(RunSummary::is_unfinished);
        Ok(runs)
    }
}

fn new_folder(within: &Path, at: Timestamp) -> Result<RunFolder, StoreError> {
    make_folder(within).map_err(StoreError::io("making", within))?;
    loop {
        let day = at.strftime("%Y%m%d-%H%M%S");
        let id = RunId::from(format!("{day}-{}", random_suffix()?));
        let path = within.join(id.as_str());
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {
                sync_folder(within).map_err(StoreError::io("syncing", within))?;
                return Ok(RunFolder { id, path });
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("making", &path)(error)),
        }
    }
}

fn looks_like_run(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    matches!(parts[..], [day, time, suffix]
        if day.len() == 8 && time.len() == 6 && suffix.len() == 4
            && day.bytes().chain(time.bytes()).all(|byte| byte.is_ascii_digit())
            && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn random_suffix() -> Result<String, StoreError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io {
        doing: "reading",
        path: PathBuf::from("/dev/urandom"),
        source: io::Error::other(error.to_string()),
    })?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

fn summarise(folder: RunFolder) -> RunSummary {
    let mut summary = RunSummary {
        info: None,
        started: None,
        last_at: None,
        ending: Ending::Open,
        holder: None,
        folder,
    };
    let Ok(file) = File::open(summary.folder.journal()) else {
        return summary;
    };
    if let Some(first) = first_line(&file) {
        summary.started = Some(first.at);
        summary.info = serde_json::from_value(first.data).ok();
    }
    for glance in last_lines(&file).unwrap_or_default() {
        summary.last_at = Some(glance.at);
        match glance.event.as_str() {
            "run-finished" => summary.ending = Ending::Finished,
            // It tells how the run was settled before, if it was.
            "chapter-left" if glance.data.get("result").is_some() => {
                summary.ending = Ending::Finished;
            }
            "chapter-left" => summary.ending = Ending::Detached,
            "drill-aborted" => summary.ending = Ending::Aborted,
            "run-detached" if !summary.ending.is_final() => {
                summary.ending = Ending::Detached;
            }
            "run-resumed" => summary.ending = Ending::Open,
            _ if summary.ending == Ending::Detached => summary.ending = Ending::Open,
            _ => {}
        }
    }
    if summary.ending == Ending::Open {
        // The lock, not the note beside it: a console that was killed leaves the note behind.
        summary.holder = held_by(&summary.folder.path).ok().flatten();
    }
    summary
}

fn first_line(file: &File) -> Option<Glance> {
    let mut line = Vec::new();
    BufReader::new(file)
        .take(FIRST_LINE)
        .read_until(b'\n', &mut line)
        .ok()?;
    serde_json::from_slice(&line).ok()
}

/// The lines from the last one on that tells how the run stands, whatever came before it.
fn last_lines(mut file: &File) -> io::Result<Vec<Glance>> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut reach = TAIL;
    loop {
        let lines = lines_from(file, length.saturating_sub(reach))?;
        if reach >= length || lines.iter().any(Glance::settles) {
            return Ok(lines);
        }
        reach = reach.saturating_mul(FURTHER);
    }
}

/// The whole lines after a place in the file.
fn lines_from(mut file: &File, from: u64) -> io::Result<Vec<Glance>> {
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail
        .split_inclusive(|byte| *byte == b'\n')
        .skip(usize::from(from > 0))
        .filter(|line| line.ends_with(b"\n"))
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// Makes a folder and those above it, for the owner only; one of ours that others can look into is
/// closed to them.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(folder = %path.display(), mode = %format_args!("{mode:o}"), "the folder was open to others; it is closed now");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a folder's entries durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a file whole or not at all, for the owner only, on disk when this returns.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    sync_folder(folder_of(path))
}

/// The folder that holds a file; for a bare name that is the current one.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        assert_eq!(folder_of(Path::new("site.yaml")), Path::new("."));
        assert_eq!(folder_of(Path::new("/a/b")), Path::new("/a"));
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_private(&folder.path().join("no/such/folder"), b"x").is_err());
    }
}
