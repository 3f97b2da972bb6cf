//! Files and folders by exact name: looking, summing, making, renaming, removing.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{SHORT, operand, parent};
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, said, succeeded, unexpected, whole};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; it is never followed at the end of a path.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// A path's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub size: u64,
    /// Permission bits, e.g. `0o755`.
    pub mode: u32,
    /// When its data changed, in seconds since 1970 UTC.
    pub modified: i64,
    /// Bytes that it takes up on the volume; fewer than its length where it has holes.
    pub allocated: u64,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is.
    There(FileStat),
    /// Its folder can be looked into and has no such name.
    Absent,
    /// Its folder is not there, or cannot be looked into, so nothing is known.
    NoFolder,
}

/// Prints kind, size, mode, time, blocks, bytes of a block of `$1`; words of its own otherwise.
const FIND: &str = r#"k=other
if [ -L "$1" ]; then k=link
elif [ -d "$1" ]; then k=folder
elif [ -f "$1" ]; then k=file
elif [ ! -e "$1" ]; then
  if [ -d "$2" ] && [ -x "$2" ]; then echo absent; else echo no-folder; fi
  exit 0
fi
s=$(stat -c '%s %a %Y %b %B' "$1") && echo "$k $s""#;

/// Looks at one path.
#[must_use]
pub fn find(path: &str) -> HostCommand {
    HostCommand::script(Effect::Read, FIND, [operand(path), operand(parent(path))])
        .max_output(SHORT)
}

impl Found {
    /// Reads the reply of [`find`].
    ///
    /// # Errors
    ///
    /// It could not be looked at: the host's own words.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "stat")?;
        let text = output.text();
        match text.trim_end() {
            "absent" => Ok(Self::Absent),
            "no-folder" => Ok(Self::NoFolder),
            line => stat(line)
                .map(Self::There)
                .ok_or_else(|| unexpected("the file's facts", &text)),
        }
    }

    /// The facts, where it is there.
    #[must_use]
    pub fn stat(self) -> Option<FileStat> {
        match self {
            Self::There(stat) => Some(stat),
            Self::Absent | Self::NoFolder => None,
        }
    }
}

fn stat(line: &str) -> Option<FileStat> {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, size, mode, modified, blocks, block] = words.as_slice() else {
        return None;
    };
    let kind = match *kind {
        "file" => FileKind::File,
        "folder" => FileKind::Folder,
        "link" => FileKind::Link,
        "other" => FileKind::Other,
        _ => return None,
    };
    let blocks: u64 = blocks.parse().ok()?;
    Some(FileStat {
        kind,
        size: size.parse().ok()?,
        mode: u32::from_str_radix(mode, 8).ok()?,
        modified: modified.parse().ok()?,
        allocated: blocks.saturating_mul(block.parse().ok()?),
    })
}

/// One name in a folder. Names are bytes; a host may hold some that are no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as the host has it.
    pub name: Vec<u8>,
    /// Its facts; `None` where it vanished, or could not be looked at, meanwhile.
    pub stat: Option<FileStat>,
}

impl Entry {
    /// The name where it is UTF-8, as every name that can be sent back must be.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.name).ok()
    }

    /// The name for people, on one line and bounded.
    #[must_use]
    pub fn display(&self) -> String {
        excerpt(&String::from_utf8_lossy(&self.name))
    }
}

/// Prints, for each name in `$1`, its facts on a line, then the name and a slash, which no name
/// can hold, so that a name may hold newlines; then a dot as the proof of the end.
const LIST: &str = r#"cd "$1" || exit 3
ls -a . >/dev/null || exit 4
for n in * .?*; do
  if [ "$n" = .. ]; then continue; fi
  k=other
  if [ -L "./$n" ]; then k=link
  elif [ -d "./$n" ]; then k=folder
  elif [ -f "./$n" ]; then k=file
  elif [ ! -e "./$n" ]; then continue
  fi
  if s=$(stat -c '%s %a %Y %b %B' "./$n"); then echo "$k $s"; else echo unknown; fi
  printf '%s/\n' "$n"
done
echo ."#;

/// Lists a folder, hidden names included.
#[must_use]
pub fn list(folder: &str) -> HostCommand {
    HostCommand::script(Effect::Read, LIST, [operand(folder)])
}

/// Reads the reply of [`list`].
///
/// # Errors
///
/// The folder is not there or cannot be read; a list without its end.
pub fn entries(output: &Output) -> Result<Vec<Entry>, DriverFault> {
    whole(output)?;
    succeeded(output, "stat")?;
    let broken = || unexpected("the folder's list", "a list without its end");
    let mut rest = output.stdout.as_slice();
    let mut found = Vec::new();
    loop {
        let line_end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(broken)?;
        let (line, after) = rest.split_at(line_end);
        let line = String::from_utf8_lossy(line);
        rest = &after[1..];
        if line == "." && rest.is_empty() {
            return Ok(found);
        }
        let facts = stat(&line);
        if facts.is_none() && line != "unknown" {
            return Err(unexpected("the folder's list", &line));
        }
        let name_end = rest
            .iter()
            .position(|byte| *byte == b'/')
            .ok_or_else(broken)?;
        let (name, after) = rest.split_at(name_end);
        rest = after.strip_prefix(b"/\n").ok_or_else(broken)?;
        found.push(Entry {
            name: name.to_vec(),
            stat: facts,
        });
    }
}

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

/// Checks the reply of [`make_folder`] or [`set_mode`].
///
/// # Errors
///
/// The host's own words.
pub fn check_quiet(output: &Output) -> Result<(), DriverFault> {
    succeeded(output, "mkdir or chmod")
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

/// Renames `$1` to `$2` if nothing has that name. `mv -n` is missing in older BusyBoxes and hard
/// links on VMFS, so the name is looked at right before; only Lifeboat writes in these folders.
const RENAME: &str = r#"if [ -e "$2" ] || [ -L "$2" ]; then echo taken; exit 0; fi
if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo absent; exit 0; fi
mv "$1" "$2" || exit
if [ -e "$1" ] || [ -L "$1" ]; then echo both; exit 0; fi
if [ -e "$2" ] || [ -L "$2" ]; then echo renamed; fi"#;

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
        match text.trim() {
            "renamed" => Ok(Self::Done),
            "taken" => Ok(Self::Taken),
            "absent" => Ok(Self::Absent),
            _ => Err(unexpected("the outcome of the rename", &text)),
        }
    }
}

/// Removes `$1` alone, and only if it is no folder.
const REMOVE: &str = r#"if [ -d "$1" ] && [ ! -L "$1" ]; then echo folder; exit 0; fi
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
const REMOVE_FOLDER: &str = r#"if [ ! -d "$1" ] || [ -L "$1" ]; then echo absent; exit 0; fi
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

/// The sum of standard input by what the host has; says first what that is. The tools read
/// standard input, because sha256sum escapes awkward names.
const SHA256: &str = r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
if command -v sha256sum >/dev/null 2>&1; then echo sha256sum; sha256sum <"$1"
elif command -v python3 >/dev/null 2>&1; then echo python3
  python3 -c 'import hashlib, sys
h = hashlib.sha256()
for b in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): h.update(b)
print(h.hexdigest())' <"$1"
elif command -v openssl >/dev/null 2>&1; then echo openssl; openssl dgst -sha256 <"$1"
else echo none; fi"#;

/// As [`SHA256`], of `$3` blocks of a mebibyte from block `$2` on.
const SHA256_PART: &str = r#"if [ ! -f "$1" ] || [ ! -r "$1" ]; then echo unreadable; exit 0; fi
if command -v sha256sum >/dev/null 2>&1; then echo sha256sum
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | sha256sum
elif command -v python3 >/dev/null 2>&1; then echo python3
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | python3 -c 'import hashlib, sys
h = hashlib.sha256()
for b in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): h.update(b)
print(h.hexdigest())'
elif command -v openssl >/dev/null 2>&1; then echo openssl
  dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null | openssl dgst -sha256
else echo none; fi"#;

/// What a host sums with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumTool {
    /// coreutils or BusyBox.
    Sha256sum,
    /// Its hashlib.
    Python3,
    /// `openssl dgst`.
    Openssl,
}

/// A sum and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256 {
    /// 64 lower-case hexadecimal digits.
    pub hex: String,
    /// What summed.
    pub tool: SumTool,
}

/// Sums a whole file. It takes as long as reading it does: set the deadline after its size.
#[must_use]
pub fn sha256(path: &str) -> HostCommand {
    HostCommand::script(Effect::Read, SHA256, [operand(path)]).max_output(SHORT)
}

/// Sums a part of a file: `count` MiB from the `skip`th MiB on, less where the file ends before.
#[must_use]
pub fn sha256_part(path: &str, skip: u64, count: u64) -> HostCommand {
    let words = [operand(path), skip.to_string(), count.to_string()];
    HostCommand::script(Effect::Read, SHA256_PART, words).max_output(SHORT)
}

impl Sha256 {
    /// Reads the reply of [`sha256`] or [`sha256_part`].
    ///
    /// # Errors
    ///
    /// The file cannot be read; the host has nothing to sum with.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "sha256sum")?;
        let text = output.text();
        let mut lines = text.lines();
        let tool = match lines.next().unwrap_or_default() {
            "sha256sum" => SumTool::Sha256sum,
            "python3" => SumTool::Python3,
            "openssl" => SumTool::Openssl,
            "unreadable" => {
                let text =
                    "the file is not there, is no regular file, or may not be read".to_owned();
                return Err(DriverFault::Failed {
                    status: output.status,
                    text,
                });
            }
            "none" => {
                let text = "neither python3 nor openssl is there either".to_owned();
                return Err(DriverFault::ToolMissing {
                    tool: "sha256sum".to_owned(),
                    text,
                });
            }
            _ => return Err(unexpected("the file's sum", &said(output))),
        };
        let is_sum = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let hex = lines
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .find(is_sum);
        let hex = hex.ok_or_else(|| unexpected("the file's sum", &said(output)))?;
        Ok(Self {
            hex: hex.to_ascii_lowercase(),
            tool,
        })
    }
}

static DF: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\s(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+/").ok());

/// The space of the volume that holds a folder, for hosts other than ESXi, whose `df` shows types
/// and sums instead: ask for its [`volumes`](crate::hypervisor::esxi::commands::volumes).
#[must_use]
pub fn free_space(folder: &str) -> HostCommand {
    let script = r#"df -P -k "$1" 2>/dev/null || df -k "$1""#;
    HostCommand::script(Effect::Read, script, [operand(folder)]).max_output(SHORT)
}

/// Reads the reply of [`free_space`]: bytes that an ordinary user may still write.
///
/// # Errors
///
/// The folder is not there; a text that is no table of `df`.
pub fn parse_free_space(output: &Output) -> Result<u64, DriverFault> {
    succeeded(output, "df")?;
    let text = output.text();
    // Without -P a long device name pushes its figures to the next line.
    let joined = text.lines().skip(1).collect::<Vec<_>>().join(" ");
    let found = DF
        .as_ref()
        .and_then(|df| df.captures(&joined))
        .and_then(|found| found.get(3));
    let free = found.and_then(|free| free.as_str().parse::<i64>().ok());
    let free = free.ok_or_else(|| unexpected("the free space", &text))?;
    Ok(u64::try_from(free).unwrap_or(0).saturating_mul(1024))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
