//! The file tree that a simulated host shows: a real folder, out of which no path leads.
//!
//! Symbolic links are followed here, component by component and inside the tree, never by the
//! kernel. Locks of running VMs, the quota of a datastore and whether it is mounted read-only are
//! kept here, because every way to a file (shell, SFTP, scp, vmkfstools) passes through.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Linux error numbers that the standard library has no stable kind for.
const EBUSY: i32 = 16;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const ELOOP: i32 = 40;

/// A host's tree.
#[derive(Debug)]
pub(crate) struct Vfs {
    root: PathBuf,
    locked: RwLock<BTreeSet<PathBuf>>,
    quotas: RwLock<BTreeMap<PathBuf, u64>>,
    read_only: RwLock<BTreeSet<PathBuf>>,
}

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteMode {
    /// Every write goes to the end.
    pub(crate) append: bool,
    /// What was there is dropped.
    pub(crate) truncate: bool,
    /// It is also read.
    pub(crate) read: bool,
    /// It must not exist.
    pub(crate) new: bool,
    /// It must exist.
    pub(crate) existing: bool,
}

impl Vfs {
    /// The tree under `root`, a real folder.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            locked: RwLock::default(),
            quotas: RwLock::default(),
            read_only: RwLock::default(),
        }
    }

    /// The real folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The real path of an absolute virtual one. The last component need not exist; if it is a
    /// link, it is followed only with `follow`.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory` on the way, too many links.
    pub(crate) fn real(&self, path: &str, follow: bool) -> io::Result<PathBuf> {
        let mut left: Vec<String> = split(path).into_iter().rev().collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            let here = self.join(&done).join(&part);
            let last = left.is_empty();
            match fs::symlink_metadata(&here) {
                Ok(meta) if meta.is_symlink() && (follow || !last) => {
                    links += 1;
                    if links > 16 {
                        return Err(io::Error::from_raw_os_error(ELOOP));
                    }
                    let target = fs::read_link(&here)?.to_string_lossy().into_owned();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    left.extend(split(&target).into_iter().rev());
                }
                Ok(meta) if !last && !meta.is_dir() => {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                Ok(_) => done.push(part),
                Err(error) if last && error.kind() == io::ErrorKind::NotFound => done.push(part),
                Err(error) => return Err(error),
            }
        }
        Ok(self.join(&done))
    }

    /// The virtual path of a real one inside the tree.
    pub(crate) fn shown(&self, real: &Path) -> String {
        let inside = real
            .strip_prefix(&self.root)
            .unwrap_or(real)
            .to_string_lossy()
            .into_owned();
        format!("/{inside}")
    }

    fn join(&self, parts: &[String]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts);
        path
    }

    /// Metadata, following links if asked.
    ///
    /// # Errors
    /// As `stat(2)`.
    pub(crate) fn metadata(&self, path: &str, follow: bool) -> io::Result<fs::Metadata> {
        fs::symlink_metadata(self.real(path, follow)?)
    }

    /// Whether something is there (links followed).
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.metadata(path, true).is_ok()
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    /// As `open(2)`; `EBUSY` for what a running VM holds.
    pub(crate) fn open(&self, path: &str) -> io::Result<File> {
        let real = self.real(path, true)?;
        self.refuse_locked(&real)?;
        if real.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        File::open(real)
    }

    /// Opens or makes a file to write it.
    ///
    /// # Errors
    /// As `open(2)`; `EBUSY` for what a running VM holds, `ENOSPC` on a full datastore.
    pub(crate) fn open_write(&self, path: &str, mode: WriteMode) -> io::Result<(File, PathBuf)> {
        let real = self.real(path, true)?;
        self.refuse_locked(&real)?;
        self.refuse_read_only(&real)?;
        if real.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !real.exists() {
            self.make_room(&real, 1)?;
        }
        let mut options = OpenOptions::new();
        options.read(mode.read).mode(0o644);
        if mode.append {
            options.append(true);
        } else {
            options.write(true).truncate(mode.truncate);
        }
        if mode.new {
            options.create_new(true);
        } else {
            options.create(!mode.existing);
        }
        Ok((options.open(&real)?, real))
    }

    /// Removes a file or link.
    ///
    /// # Errors
    /// As `unlink(2)`; `EBUSY` for what a running VM holds.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        let real = self.real(path, false)?;
        self.refuse_locked(&real)?;
        self.refuse_read_only(&real)?;
        fs::remove_file(real)
    }

    /// Renames.
    ///
    /// # Errors
    /// As `rename(2)`; `EBUSY` for what a running VM holds.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.real(from, false)?, self.real(to, false)?);
        self.refuse_locked(&from)?;
        self.refuse_locked(&to)?;
        self.refuse_read_only(&from)?;
        self.refuse_read_only(&to)?;
        fs::rename(from, to)
    }

    /// The names in a folder, sorted by bytes.
    ///
    /// # Errors
    /// As `opendir(3)`.
    pub(crate) fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.real(path, true)?)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// A whole small file as text.
    ///
    /// # Errors
    /// As `open(2)`.
    pub(crate) fn read_text(&self, path: &str) -> io::Result<String> {
        let bytes = fs::read(self.real(path, true)?)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Marks real paths as held by a running VM, or frees them.
    pub(crate) fn lock_files(&self, paths: &[PathBuf], held: bool) {
        let mut locked = self.locked.write().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            if held {
                locked.insert(path.clone());
            } else {
                locked.remove(path);
            }
        }
    }

    /// Whether a running VM holds this real path.
    pub(crate) fn is_locked(&self, real: &Path) -> bool {
        self.locked
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(real)
    }

    fn refuse_locked(&self, real: &Path) -> io::Result<()> {
        if self.is_locked(real) {
            Err(io::Error::from_raw_os_error(EBUSY))
        } else {
            Ok(())
        }
    }

    /// Makes a real folder one that is mounted read-only, or no more: its bits do not show it.
    pub(crate) fn set_read_only(&self, folder: PathBuf, is_read_only: bool) {
        let folders = self.read_only.write();
        let mut folders = folders.unwrap_or_else(PoisonError::into_inner);
        if is_read_only {
            folders.insert(folder);
        } else {
            folders.remove(&folder);
        }
    }

    fn refuse_read_only(&self, real: &Path) -> io::Result<()> {
        let folders = self.read_only.read();
        let folders = folders.unwrap_or_else(PoisonError::into_inner);
        match folders.iter().any(|folder| real.starts_with(folder)) {
            true => Err(io::Error::from_raw_os_error(EROFS)),
            false => Ok(()),
        }
    }

    /// Limits what a real folder may take, in bytes; `None` lifts the limit.
    pub(crate) fn set_quota(&self, folder: PathBuf, bytes: Option<u64>) {
        let mut quotas = self.quotas.write().unwrap_or_else(PoisonError::into_inner);
        match bytes {
            Some(bytes) => quotas.insert(folder, bytes),
            None => quotas.remove(&folder),
        };
    }

    /// The limit of a real folder.
    pub(crate) fn quota(&self, folder: &Path) -> Option<u64> {
        self.quotas
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(folder)
            .copied()
    }

    /// Checks that `more` bytes still fit where this real path lies.
    ///
    /// # Errors
    /// `ENOSPC`; `EROFS` where nothing can be written.
    pub(crate) fn make_room(&self, real: &Path, more: u64) -> io::Result<()> {
        self.refuse_read_only(real)?;
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        for (folder, limit) in quotas.iter() {
            if real.starts_with(folder) && used(folder).saturating_add(more) > *limit {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
        }
        Ok(())
    }
}

/// Bytes on disk below a real folder.
pub(crate) fn used(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match fs::symlink_metadata(entry.path()) {
            Ok(meta) if meta.is_dir() => used(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

fn split(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect()
}

/// An absolute virtual path, without `.` and `..`, for a path as typed in `folder`.
pub(crate) fn absolute(folder: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            // A `..` after a link must see the link: it is left to the walk through the tree.
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What a C library says about this error.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(EBUSY) => "Device or resource busy",
        Some(ENOSPC) => "No space left on device",
        Some(EROFS) => "Read-only file system",
        Some(ELOOP) => "Too many levels of symbolic links",
        _ => match error.kind() {
            io::ErrorKind::NotFound => "No such file or directory",
            io::ErrorKind::PermissionDenied => "Permission denied",
            io::ErrorKind::AlreadyExists => "File exists",
            io::ErrorKind::IsADirectory => "Is a directory",
            io::ErrorKind::NotADirectory => "Not a directory",
            io::ErrorKind::DirectoryNotEmpty => "Directory not empty",
            io::ErrorKind::StorageFull => "No space left on device",
            io::ErrorKind::BrokenPipe => "Broken pipe",
            io::ErrorKind::InvalidInput => "Invalid argument",
            _ => return error.to_string(),
        },
    };
    text.to_owned()
}
