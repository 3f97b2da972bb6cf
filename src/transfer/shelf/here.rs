//! Folders on the console's machine.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::{Contents, Kind, Listed, MOST_NAMES, Name, text_limit};

pub(super) fn names_here(path: &Path) -> std::io::Result<Option<Vec<Name>>> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = match entry.file_type()? {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            kind if kind.is_symlink() => Kind::Link,
            _ => continue,
        };
        if let Ok(text) = entry.file_name().into_string() {
            names.push(Name { text, kind });
        }
    }
    Ok(Some(names))
}

pub(super) fn contents_here(top: &Path, folder: &str) -> Contents {
    let path = top.join(folder);
    let read = || -> std::io::Result<Contents> {
        let mut contents = Contents::default();
        for entry in std::fs::read_dir(&path)? {
            if contents.entries.len() > MOST_NAMES {
                return Ok(Contents::crowded());
            }
            let entry = entry?;
            // Not followed if it is a link.
            let facts = entry.metadata()?;
            if let Ok(name) = entry.file_name().into_string() {
                contents.entries.push(listed_here(name, &facts));
            }
        }
        contents
            .entries
            .sort_by(|left, right| left.name.cmp(&right.name));
        for entry in contents.entries.clone() {
            if let Some(limit) = text_limit(&entry).filter(|_| entry.is_file)
                && let Ok(file) = std::fs::File::open(path.join(&entry.name))
            {
                let mut text = Vec::new();
                if file.take(limit as u64).read_to_end(&mut text).is_ok() {
                    contents.keep(&entry, text);
                }
            }
        }
        Ok(contents)
    };
    read().unwrap_or_else(|error| Contents::in_trouble(error.to_string()))
}

fn listed_here(name: String, facts: &std::fs::Metadata) -> Listed {
    #[cfg(unix)]
    let (allocated, modified) = {
        use std::os::unix::fs::MetadataExt;
        (facts.blocks().saturating_mul(512), facts.mtime())
    };
    #[cfg(not(unix))]
    let (allocated, modified) = (facts.len(), 0);
    Listed {
        name,
        bytes: facts.len(),
        allocated,
        modified,
        is_file: facts.is_file(),
        is_folder: facts.is_dir(),
    }
}
