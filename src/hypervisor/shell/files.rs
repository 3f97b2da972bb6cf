//! Looking at files, folders and volumes.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{SHORT, operand, parent};
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, succeeded, unexpected, whole};

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

/// Says of each of `$1` … whether it is there, one word a line.
const WHICH: &str = r#"for p in "$@"; do
  if [ -e "$p" ]; then echo there; else echo absent; fi
done"#;

/// Asks which of some paths are there, whatever they are; a link counts if what it points to does.
#[must_use]
pub fn which(paths: &[String]) -> HostCommand {
    HostCommand::script(Effect::Read, WHICH, paths.iter().map(|path| operand(path)))
        .max_output(SHORT)
}

/// Reads the reply of [`which`] for that many paths, in their order.
///
/// # Errors
///
/// It could not be asked, or did not answer for each.
pub fn parse_which(output: &Output, paths: usize) -> Result<Vec<bool>, DriverFault> {
    succeeded(output, "sh")?;
    let text = output.text();
    let answers: Option<Vec<bool>> = text
        .lines()
        .map(|line| match line {
            "there" => Some(true),
            "absent" => Some(false),
            _ => None,
        })
        .collect();
    answers
        .filter(|answers| answers.len() == paths)
        .ok_or_else(|| unexpected("which files are there", &text))
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

static DF: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\s(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+/").ok());

/// Whether a login may write into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing speaks against it. To root that says little: BusyBox grants it every folder, on a volume
    /// that is mounted read-only too.
    Open,
    /// It may not.
    Closed,
    /// There is no such folder, or what holds it does not answer any more.
    Gone,
}

/// Looks whether the login may write into a folder, and whether that is there at all.
#[must_use]
pub fn access(folder: &str) -> HostCommand {
    let script = r#"if [ ! -d "$1" ]; then echo gone
elif [ -w "$1" ]; then echo open
else echo closed; fi"#;
    HostCommand::script(Effect::Read, script, [operand(folder)]).max_output(SHORT)
}

impl Access {
    /// Reads the reply of [`access`].
    ///
    /// # Errors
    ///
    /// The look could not be made: then nothing is known.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "test")?;
        match output.text().trim() {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "gone" => Ok(Self::Gone),
            text => Err(unexpected("whether it may be written to", text)),
        }
    }
}

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
mod tests;
