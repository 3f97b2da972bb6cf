//! Making, renaming and removing files and folders by exact name: never over another, never more
//! than the one that was named.

use super::{operand, parent};
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{succeeded, unexpected};

/// Whether the folder is to be the only new thing, or those above it may be made too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folders {
    /// The last one alone; it must not exist.
    Last,
    /// All that are missing.
    Missing,
}

/// Makes a folder. With [`Folders::Last`] one that exists is a failure: who makes it owns it.
#[must_use]
pub fn make_folder(path: &str, folders: Folders) -> HostCommand {
    let path = operand(path);
    match folders {
        Folders::Last => HostCommand::write(["mkdir".to_owned(), path]),
        Folders::Missing => HostCommand::write(["mkdir".to_owned(), "-p".to_owned(), path]),
    }
}

/// Checks the reply of [`make_folder`], [`set_mode`] or [`copy_sparse`].
///
/// # Errors
///
/// The host's own words.
pub fn check_quiet(output: &Output) -> Result<(), DriverFault> {
    succeeded(output, "mkdir, chmod or cp")
}

/// Sets a file's permission bits.
#[must_use]
pub fn set_mode(path: &str, mode: u32) -> HostCommand {
    HostCommand::write([
        "chmod".to_owned(),
        format!("{:o}", mode & 0o7777),
        operand(path),
    ])
}

/// Makes a file of exactly `$2` bytes if it is not there, sets its mode to `$3`. What is in it
/// stays; what is added is a hole. No byte is written.
pub(super) const MAKE_FILE: &str = r#"if [ ! -e "$1" ]; then : >"$1" || exit; fi
chmod "$3" "$1" || exit
dd if=/dev/null of="$1" bs=1 count=0 seek="$2" 2>/dev/null || exit
stat -c %s "$1""#;

/// Makes or keeps a file, with its final length in bytes and its permission bits; prints the
/// length that it has.
#[must_use]
pub fn make_file(path: &str, bytes: u64, mode: u32) -> HostCommand {
    let words = [operand(path), bytes.to_string(), format!("{mode:o}")];
    HostCommand::script(Effect::Write, MAKE_FILE, words)
}

/// Copies `$1` to `$2`, holes and zeros as holes where `cp` can do that; by reference where the
/// file system can.
pub(super) const COPY_SPARSE: &str = r#"if [ -e "$2" ]; then echo "$2 is there already" >&2; exit 1; fi
cp --reflink=auto --sparse=always "$1" "$2" 2>/dev/null || cp "$1" "$2""#;

/// Copies a file to a name that must be free. Set the deadline after its size; check the reply with
/// [`check_quiet`].
#[must_use]
pub fn copy_sparse(from: &str, to: &str) -> HostCommand {
    HostCommand::script(Effect::Write, COPY_SPARSE, [operand(from), operand(to)])
}

/// Renames `$1` to this name if nothing has it, and says what came of it. `mv -n` is missing in older
/// BusyBoxes and hard links on VMFS, so the name is looked at right before; only Lifeboat writes in
/// these folders.
macro_rules! rename_1_to {
    ($name:literal) => {
        concat!(
            r#"if [ -e ""#,
            $name,
            r#"" ] || [ -L ""#,
            $name,
            r#"" ]; then echo taken; exit 0; fi
if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo absent; exit 0; fi
mv "$1" ""#,
            $name,
            r#"" || exit
if [ -e "$1" ] || [ -L "$1" ]; then echo both; exit 0; fi
if [ -e ""#,
            $name,
            r#"" ] || [ -L ""#,
            $name,
            r#"" ]; then echo renamed; fi"#
        )
    };
}
pub(super) use rename_1_to;

/// Renames `$1` to `$2` if nothing has that name.
pub(super) const RENAME: &str = rename_1_to!("$2");

/// What became of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// The new name is there, the old one is not.
    Done,
    /// The new name is somebody's; nothing was changed.
    Taken,
    /// There is nothing with the old name, and nothing was changed.
    Absent,
}

/// Renames a file or folder within its volume, never over another.
#[must_use]
pub fn rename(from: &str, to: &str) -> HostCommand {
    HostCommand::script(Effect::Write, RENAME, [operand(from), operand(to)])
}

impl Renamed {
    /// Reads the reply of [`rename`].
    ///
    /// # Errors
    ///
    /// It failed, perhaps half way: look at both names.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "mv")?;
        let text = output.text();
        Self::named(text.trim()).ok_or_else(|| unexpected("the outcome of the rename", &text))
    }

    /// What the script calls an outcome that leaves one of both names.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "renamed" => Some(Self::Done),
            "taken" => Some(Self::Taken),
            "absent" => Some(Self::Absent),
            _ => None,
        }
    }
}

/// Removes `$1` alone, and only if it is no folder.
pub(super) const REMOVE: &str = r#"if [ -d "$1" ] && [ ! -L "$1" ]; then echo folder; exit 0; fi
if [ ! -e "$1" ] && [ ! -L "$1" ]; then
  if [ -d "$2" ] && [ -x "$2" ]; then echo absent; else echo no-folder; fi
  exit 0
fi
rm -f "$1" || exit
if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo removed; fi"#;

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was there and is gone.
    Done,
    /// It was not there.
    Absent,
    /// It is a folder, which is left alone.
    IsFolder,
    /// Its folder is not there or cannot be looked into.
    NoFolder,
}

/// Removes one file by its exact name; no pattern, no folder.
#[must_use]
pub fn remove_file(path: &str) -> HostCommand {
    HostCommand::script(
        Effect::Write,
        REMOVE,
        [operand(path), operand(parent(path))],
    )
}

impl Removed {
    /// Reads the reply of [`remove_file`].
    ///
    /// # Errors
    ///
    /// It could not be removed: the host's own words.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "rm")?;
        let text = output.text();
        match text.trim() {
            "removed" => Ok(Self::Done),
            "absent" => Ok(Self::Absent),
            "folder" => Ok(Self::IsFolder),
            "no-folder" => Ok(Self::NoFolder),
            _ => Err(unexpected("the outcome of the removal", &text)),
        }
    }
}

/// Removes an empty folder, and tells a full one from a failure.
pub(super) const REMOVE_FOLDER: &str = r#"if [ ! -d "$1" ] || [ -L "$1" ]; then echo absent; exit 0; fi
for n in "$1"/* "$1"/.?*; do
  case "$n" in */..) continue;; esac
  if [ -e "$n" ] || [ -L "$n" ]; then echo full; exit 0; fi
done
rmdir "$1" && echo removed"#;

/// What became of removing a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRemoval {
    /// It was empty and is gone.
    Done,
    /// There is no such folder.
    Absent,
    /// Something is in it; it was left alone.
    Full,
}

/// Removes a folder if it is empty.
#[must_use]
pub fn remove_empty_folder(path: &str) -> HostCommand {
    HostCommand::script(Effect::Write, REMOVE_FOLDER, [operand(path)])
}

impl FolderRemoval {
    /// Reads the reply of [`remove_empty_folder`].
    ///
    /// # Errors
    ///
    /// It could not be removed: the host's own words.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "rmdir")?;
        let text = output.text();
        match text.trim() {
            "removed" => Ok(Self::Done),
            "absent" => Ok(Self::Absent),
            "full" => Ok(Self::Full),
            _ => Err(unexpected("the outcome of the removal", &text)),
        }
    }
}

#[cfg(test)]
mod tests;
