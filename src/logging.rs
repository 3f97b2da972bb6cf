//! The log: a file for each day under the state folder, secrets masked. It is for finding defects;
//! what happened in a run is in its journal.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tracing::Level;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::fmt::MakeWriter;

use crate::clock::Clock;

/// Masks secrets in a line before it is written.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Days that are kept.
const DAYS: usize = 30;
const PREFIX: &str = "lifeboat";
const SUFFIX: &str = "log";

/// Starts logging into `folder` (made for the owner only) for the whole process.
///
/// # Errors
/// If the folder or today's file cannot be made, or logging was started before.
pub fn start(folder: &Path, mask: Mask) -> io::Result<()> {
    let subscriber = subscriber(folder, mask)?;
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}

fn subscriber(folder: &Path, mask: Mask) -> io::Result<impl tracing::Subscriber + Send + Sync> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // One that was there before may be open to others.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let files = DayFiles::open(folder)?;
    Ok(tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(Level::INFO)
        .with_writer(MaskedFiles {
            files: Arc::new(Mutex::new(files)),
            mask,
        })
        .finish())
}

/// The appender, with each day's file made for the owner only before it is opened.
struct DayFiles {
    folder: PathBuf,
    day: String,
    appender: RollingFileAppender,
}

impl DayFiles {
    fn open(folder: &Path) -> io::Result<Self> {
        let day = day(Clock::system().now());
        make_private(&file_of(folder, &day))?;
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(PREFIX)
            .filename_suffix(SUFFIX)
            .max_log_files(DAYS)
            .build(folder)
            .map_err(io::Error::other)?;
        Ok(Self {
            folder: folder.to_owned(),
            day,
            appender,
        })
    }

    fn write(&mut self, line: &[u8], now: Timestamp) -> io::Result<()> {
        let today = day(now);
        if today != self.day {
            make_private(&file_of(&self.folder, &today))?;
            self.day = today;
        }
        self.appender.write_all(line)
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn file_of(folder: &Path, day: &str) -> PathBuf {
    folder.join(format!("{PREFIX}.{day}.{SUFFIX}"))
}

/// The appender opens what is there, so a file that is made first keeps its mode.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Hands a writer to each event.
struct MaskedFiles {
    files: Arc<Mutex<DayFiles>>,
    mask: Mask,
}

/// Takes one event's line.
struct MaskedLine {
    files: Arc<Mutex<DayFiles>>,
    mask: Mask,
}

impl MakeWriter<'_> for MaskedFiles {
    type Writer = MaskedLine;

    fn make_writer(&self) -> MaskedLine {
        MaskedLine {
            files: Arc::clone(&self.files),
            mask: Arc::clone(&self.mask),
        }
    }
}

impl Write for MaskedLine {
    /// `fmt` hands over a whole event at once, so a secret never lies across two calls.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let masked = (self.mask)(&String::from_utf8_lossy(line));
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.write(masked.as_bytes(), Clock::system().now())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_masked_and_files_are_for_the_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state/logs");
        let mask: Mask = Arc::new(|line: &str| line.replace("hunter2", "***"));
        let subscriber = subscriber(&folder, mask).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(password = "hunter2", "logging in");
            tracing::debug!("too fine");
        });
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap())
            .collect();
        assert_eq!(files.len(), 1);
        let text = fs::read_to_string(files[0].path()).unwrap();
        assert!(
            text.contains("logging in") && text.contains("***"),
            "{text}"
        );
        assert!(
            !text.contains("hunter2") && !text.contains("too fine") && !text.contains('\u{1b}')
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&files[0].path())), (0o700, 0o600));
    }

    #[test]
    fn the_next_day_gets_a_private_file_too() {
        let root = tempfile::tempdir().unwrap();
        let mut files = DayFiles::open(root.path()).unwrap();
        let tomorrow: Timestamp = "2031-05-06T00:00:01Z".parse().unwrap();
        files.write(b"line\n", tomorrow).unwrap();
        let made = root.path().join("lifeboat.2031-05-06.log");
        assert_eq!(
            fs::metadata(made).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
