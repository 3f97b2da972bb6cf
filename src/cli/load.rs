//! Reading runbook files: every way in which a path can disappoint has its own message.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::runbook::{self, Diagnostics, Limits, Loaded};

/// The runbook that is part of the program.
const BUNDLED: &str = include_str!("../../runbooks/v2v-image-restore.yaml");
/// What it is called in messages.
const BUNDLED_NAME: &str = "v2v-image-restore.yaml (bundled)";

/// Why a runbook could not be loaded. Nothing has been changed then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing is at the path.
    #[error("{}: there is no such file{}", path.display(), did_you_mean(similar.as_deref()))]
    Missing {
        /// As given.
        path: PathBuf,
        /// A YAML file with a similar name beside it.
        similar: Option<PathBuf>,
    },
    /// A folder.
    #[error("{}: this is a folder{}", path.display(), did_you_mean(inside.as_deref()))]
    Folder {
        /// As given.
        path: PathBuf,
        /// A YAML file within it.
        inside: Option<PathBuf>,
    },
    /// A device, pipe or socket.
    #[error("{}: this is no regular file; name the runbook's YAML file", path.display())]
    NotAFile {
        /// As given.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: cannot be read: {source}; check who may read it", path.display())]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Binary noise, an image, an archive …
    #[error("{}: this is no text (byte {at} is 0x{byte:02x}); name the runbook's YAML file", path.display())]
    NotText {
        /// As given.
        path: PathBuf,
        /// Offset of the first byte that no text has, from 0.
        at: usize,
        /// That byte.
        byte: u8,
    },
    /// Text in another encoding.
    #[error("{}:{line}: this is not UTF-8 (byte 0x{byte:02x}){hint}; save the file as UTF-8", path.display())]
    NotUtf8 {
        /// As given.
        path: PathBuf,
        /// Line of the first byte that does not fit, from 1.
        line: usize,
        /// That byte.
        byte: u8,
        /// What it rather seems to be; may be empty.
        hint: &'static str,
    },
    /// A YAML file that is no valid runbook.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

impl LoadError {
    /// The message for people, ending in a line feed.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Invalid(diagnostics) => diagnostics.render(colour),
            other => format!("error: {other}\n"),
        }
    }
}

fn did_you_mean(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| {
        format!("; did you mean {}?", path.display())
    })
}

/// Loads a runbook from a file, within the usual limits.
///
/// # Errors
///
/// See [`LoadError`].
pub fn load_runbook(path: &Path) -> Result<Loaded, LoadError> {
    load_within(path, &Limits::default())
}

/// Loads a runbook from a file. Never reads more than the limit.
///
/// # Errors
///
/// See [`LoadError`].
pub fn load_within(path: &Path, limits: &Limits) -> Result<Loaded, LoadError> {
    let bytes = read(path, limits)?;
    let text = into_text(path, bytes)?;
    Ok(runbook::load(&path.display().to_string(), &text, limits)?)
}

/// Loads the runbook that is part of the program.
///
/// # Errors
///
/// None: a test proves that it is valid.
pub fn load_bundled() -> Result<Loaded, LoadError> {
    Ok(runbook::load(BUNDLED_NAME, BUNDLED, &Limits::default())?)
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Asked before opening: opening a pipe without a writer would wait for ever.
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing {
            path: path.to_owned(),
            similar: similar_file(path),
        },
        _ => unreadable(error),
    })?;
    if metadata.is_dir() {
        return Err(LoadError::Folder {
            path: path.to_owned(),
            inside: yaml_files(path).next(),
        });
    }
    if !metadata.is_file() {
        return Err(LoadError::NotAFile {
            path: path.to_owned(),
        });
    }
    let label = path.display().to_string();
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > limits.bytes {
        return Err(runbook::too_large(&label, size, limits).into());
    }
    let mut bytes = Vec::with_capacity(size);
    let most = u64::try_from(limits.bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn into_text(path: &Path, bytes: Vec<u8>) -> Result<String, LoadError> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let noise = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some(at) = bytes.iter().position(noise).filter(|_| !utf16) {
        return Err(LoadError::NotText {
            path: path.to_owned(),
            at,
            byte: bytes[at],
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        LoadError::NotUtf8 {
            path: path.to_owned(),
            line: bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1,
            byte: bytes.get(at).copied().unwrap_or_default(),
            hint: if utf16 { ": it looks like UTF-16" } else { "" },
        }
    })
}

/// The YAML file beside a missing one whose name is most like it.
fn similar_file(path: &Path) -> Option<PathBuf> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let distance = |file: &PathBuf| {
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        strsim::osa_distance(&wanted, &name.unwrap_or_default())
    };
    let nearest = yaml_files(folder).min_by_key(distance)?;
    (distance(&nearest) <= wanted.len() / 3).then_some(nearest)
}

/// The first hundred or so YAML files of a folder, by name.
fn yaml_files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    let mut files: Vec<PathBuf> = entries
        .take(1_000)
        .map(|entry| entry.path())
        .filter(is_yaml)
        .collect();
    files.sort();
    files.into_iter()
}

#[cfg(test)]
mod tests;
