//! What hosts print, kept in files beside the journal. Not evidence: sampled on screen, whole here.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::names::HostName;

use super::handle::Live;

/// Bytes of output kept of one host; what comes after is only shown.
const MOST_BYTES: u64 = 64 << 20;

/// `output/<host>.log` for each host.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    files: HashMap<HostName, (File, u64)>,
    failed: bool,
}

impl Spool {
    /// A spool into this folder, which is made with the first line.
    pub(super) fn open(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            files: HashMap::new(),
            failed: false,
        }
    }

    /// Keeps a command or a line of output. A spool that cannot be written is given up, with a line
    /// in the log: a full disk under it must not stop a recovery.
    pub(super) fn keep(&mut self, live: &Live) {
        let (host, line) = match live {
            Live::Sent {
                host,
                command,
                write,
            } => (
                host,
                format!("{} {command}\n", if *write { "#" } else { "$" }),
            ),
            Live::CommandEnded {
                host,
                status: Some(status),
            } if *status != 0 => (host, format!("(exit status {status})\n")),
            Live::Output {
                host,
                line,
                replaces: false,
            } => (host, format!("{line}\n")),
            Live::Output { .. }
            | Live::CommandEnded { .. }
            | Live::Progress { .. }
            | Live::Host(_)
            | Live::HostKey(_)
            | Live::Banner(_) => return,
        };
        if self.failed {
            return;
        }
        if let Err(error) = self.write(host, line.as_bytes()) {
            self.failed = true;
            tracing::warn!(folder = %self.dir.display(), %error, "host output is no longer kept");
        }
    }

    fn write(&mut self, host: &HostName, line: &[u8]) -> std::io::Result<()> {
        if !self.files.contains_key(host) {
            let file = self.file(host)?;
            let size = file.metadata()?.len();
            self.files.insert(host.clone(), (file, size));
        }
        if let Some((file, size)) = self.files.get_mut(host)
            && *size < MOST_BYTES
        {
            file.write_all(line)?;
            *size += line.len() as u64;
        }
        Ok(())
    }

    fn file(&self, host: &HostName) -> std::io::Result<File> {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        let path = self.dir.join(format!("{host}.log"));
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
    }
}
