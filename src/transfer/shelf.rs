//! Reading the folder of a VM's backup: the names in it, then what its folders hold. Two commands on
//! a host, however many points there are; links are never followed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::flaw::NO_DESCRIPTOR;
use super::source::Folder;
use super::stream::Stream;
use super::sums::MAX_SUMS;
use crate::error::Fault;
use crate::host::sanitise::sanitise;
use crate::host::{Effect, HostCommand, Output};
use crate::vmfiles::{Descriptor, FileKind, MAX_TEXT};

/// Names that a folder of a point may hold; one with more is no VM's.
const MOST_NAMES: usize = 2000;
/// Bytes of names that are kept of a VM's folder: some hundred thousand folders.
const MOST_OUTPUT: usize = 32 << 20;
/// Bytes of a file in which ghettoVCB says how a backup went.
const MOST_STATUS: usize = 512;

/// One name in the folder of a VM's backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The name.
    pub(super) text: String,
    /// What bears it.
    pub(super) kind: Kind,
}

/// What a name stands for; nothing else is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A plain file.
    File,
    /// A link, wherever it leads.
    Link,
}

/// One entry of a folder, as listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes that it takes up; fewer than its length where it has holes.
    pub allocated: u64,
    /// When its data changed, in seconds since 1970 UTC.
    pub modified: i64,
    /// A plain file: not a folder, a link or a device.
    pub is_file: bool,
    /// A folder, which is no link to one.
    pub is_folder: bool,
}

/// What one folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Everything in it whose name is text.
    pub(super) entries: Vec<Listed>,
    /// Beginnings of the files that tell what the folder is, by name: see [`text_limit`]. One that
    /// may not be read is not among them.
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    /// Such files that may be read and do not open: whoever runs the VM has them open.
    pub(super) locked: BTreeSet<String>,
    /// Why it could not be read; then nothing else is known.
    pub(super) trouble: Option<String>,
}

impl Contents {
    fn in_trouble(why: impl Into<String>) -> Self {
        Self {
            trouble: Some(why.into()),
            ..Self::default()
        }
    }

    /// Keeps a file's beginning; of what bears the name of data, a descriptor's alone.
    pub(super) fn keep(&mut self, entry: &Listed, text: Vec<u8>) {
        let is_data = FileKind::may_be_descriptor(&entry.name, entry.bytes);
        if !is_data || Descriptor::begins(&text) {
            self.texts.insert(entry.name.clone(), text);
        }
    }

    /// The beginning of a file that tells what the folder is, or what is the matter with that file.
    pub(super) fn text(&self, name: &str) -> Result<&[u8], String> {
        if let Some(text) = self.texts.get(name) {
            return Ok(text);
        }
        Err(if self.entry(name).is_none() {
            "is not there".to_owned()
        } else if self.locked.contains(name) {
            "is locked: a VM or a program has it open".to_owned()
        } else if FileKind::of(name).is_disk_data() {
            format!("is named as a disk, and is {NO_DESCRIPTOR}")
        } else {
            "may not be read".to_owned()
        })
    }

    /// What the file of this name is, by its text where its name may deceive.
    pub(super) fn kind(&self, name: &str) -> FileKind {
        FileKind::with_text(name, self.texts.get(name).map(Vec::as_slice))
    }

    /// The entry of this name.
    pub(super) fn entry(&self, name: &str) -> Option<&Listed> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// How much of a file is read to know what a folder is; `None` for data.
pub(super) fn text_limit(entry: &Listed) -> Option<usize> {
    let name = entry.name.as_str();
    if name == "SHA256SUMS" {
        return Some(MAX_SUMS + 1);
    }
    if name.starts_with("STATUS.") {
        return Some(MOST_STATUS);
    }
    match FileKind::of(name) {
        FileKind::Vmx | FileKind::Vmsd => Some(MAX_TEXT + 1),
        FileKind::Descriptor => Some(Descriptor::PREFIX),
        _ => FileKind::may_be_descriptor(name, entry.bytes).then_some(Descriptor::PREFIX),
    }
}

/// Kind and name of everything in `$1`, each behind a letter and ended by a slash, which no name can
/// hold; then a dot as the proof of the end. Nothing is forked for a name.
const NAMES: &str = r#"if [ ! -e "$1" ] && [ ! -L "$1" ]; then echo absent; exit 0; fi
cd "$1" || exit 3
ls . >/dev/null || exit 4
for n in * .?*; do
  if [ "$n" = .. ]; then continue; fi
  if [ -L "./$n" ]; then printf 'l %s/\n' "$n"
  elif [ -d "./$n" ]; then printf 'd %s/\n' "$n"; elif [ -f "./$n" ]; then printf 'f %s/\n' "$n"; fi
done
echo ."#;

/// For each folder `$5` … below `$1`: facts and names of what is in it, in one `stat`; then the
/// beginnings of its telling files, `$2` bytes of its sums, `$3` of a `.vmx`, `$4` of a descriptor,
/// which may bear the name of a disk's data. A length is that which `stat` showed; the slash behind the
/// bytes proves it. A file that a running VM holds does not open.
const CONTENTS: &str = r#"top=$1; sums=$2; most=$3; head=$4; shift 4
for d in "$@"; do
  if ! cd "$top/$d" 2>/dev/null || ! ls . >/dev/null 2>&1; then echo unreadable; continue; fi
  set -- ./* ./.?*
  if [ $# -gt 2000 ]; then echo crowded; continue; fi
  echo listed
  stat -c '%f %s %Y %b %B %n/' "$@" 2>/dev/null
  echo .
  for n in "$@"; do
    case $n in
      ./SHA256SUMS) m=$sums ;;
      ./STATUS.*) m=512 ;;
      *.[vV][mM][xX]|*.[vV][mM][sS][dD]) m=$most ;;
      *.[vV][mM][dD][kK]) m=$head ;;
      *) continue ;;
    esac
    if [ -L "$n" ] || [ ! -f "$n" ] || [ ! -r "$n" ]; then continue; fi
    case $n in
      *-[fF][lL][aA][tT].*|*-[cC][tT][kK].*|*-[dD][eE][lL][tT][aA].*|*-[sS][eE][sS][pP][aA][rR][sS][eE].*|*-[sSfF][0-9][0-9][0-9].*)
        [ "$(stat -c %s "$n")" -le "$head" ] || continue ;;
    esac
    if ! true 2>/dev/null <"$n"; then printf 'locked %s/\n' "$n"; continue; fi
    printf 'text %s/\n' "$n"
    dd if="$n" bs="$m" count=1 2>/dev/null
    echo /
  done
  echo ..
done
echo end"#;

impl Folder {
    /// The names in it, sorted; `None` if it is not there.
    pub(super) async fn names(&self) -> Result<Option<Vec<Name>>, Fault> {
        let mut names = match self {
            Self::Here(path) => names_here(path).map_err(|error| self.unreadable(&error))?,
            Self::On { host, path, lane } => {
                let command = HostCommand::script(Effect::Read, NAMES, [path.as_str()])
                    .max_output(MOST_OUTPUT);
                let output = host.read(*lane, &command).await;
                let output = output.map_err(|error| error.fault(host.name()))?;
                parse_names(&output).map_err(|why| self.unreadable(&why))?
            }
            Self::Stream(stream) => stream.list().await?.map(|listed| {
                let name = |entry: Listed| Name {
                    text: entry.name,
                    kind: if entry.is_file {
                        Kind::File
                    } else {
                        Kind::Folder
                    },
                };
                listed.into_iter().map(name).collect()
            }),
        };
        if let Some(names) = &mut names {
            names.sort_by(|left, right| left.text.cmp(&right.text));
        }
        Ok(names)
    }

    /// What these of its folders hold, in their order; `.` is the folder itself.
    pub(super) async fn contents(&self, folders: &[&str]) -> Result<Vec<Contents>, Fault> {
        let (host, path, lane) = match self {
            Self::Here(path) => {
                let read = folders.iter().map(|folder| contents_here(path, folder));
                return Ok(read.collect());
            }
            Self::On { host, path, lane } => (host, path, *lane),
            Self::Stream(stream) => {
                let mut contents = Vec::with_capacity(folders.len());
                for folder in folders {
                    contents.push(printed(&stream.join(folder)).await?);
                }
                return Ok(contents);
            }
        };
        let mut contents = Vec::with_capacity(folders.len());
        while let Some(wanted) = folders
            .get(contents.len()..)
            .filter(|left| !left.is_empty())
            .map(HostCommand::fitting)
        {
            let limits = [MAX_SUMS + 1, MAX_TEXT + 1, Descriptor::PREFIX].map(|n| n.to_string());
            let words = [path.clone()]
                .into_iter()
                .chain(limits)
                .chain(wanted.iter().map(|&folder| folder.to_owned()));
            let command = HostCommand::script(Effect::Read, CONTENTS, words)
                .max_output(MOST_OUTPUT)
                .untold();
            let output = host.read(lane, &command).await;
            let output = output.map_err(|error| error.fault(host.name()))?;
            let (read, whole) = parse_contents(&output.stdout, wanted.len());
            // A file that grew between two looks at it, or more than is kept, ends a reply early: the
            // rest is asked for again.
            let stuck = read.is_empty() && !whole;
            if stuck && output.status != 0 {
                return Err(self.unreadable(&first_line(&output)));
            }
            contents.extend(read);
            if stuck {
                contents.push(Contents::in_trouble("it changed while it was read"));
            }
        }
        Ok(contents)
    }

    /// As a fault: this place cannot be read, and why.
    pub(super) fn unreadable(&self, why: &dyn std::fmt::Display) -> Fault {
        Fault::new(
            format!("{} cannot be read: {why}", self.place()),
            self.place(),
            super::target::UNCHANGED,
            "check the path in the runbook, and that the user may read it there; then retry",
        )
    }
}

/// What a tool's point holds.
async fn printed(point: &Stream) -> Result<Contents, Fault> {
    let mut contents = Contents {
        entries: point.list().await?.unwrap_or_default(),
        ..Contents::default()
    };
    for entry in contents.entries.clone() {
        if let Some(limit) = text_limit(&entry) {
            let text = point.head(&entry.name, limit).await?;
            contents.keep(&entry, text);
        }
    }
    Ok(contents)
}

fn parse_names(output: &Output) -> Result<Option<Vec<Name>>, String> {
    if output.truncated {
        return Err(format!(
            "the list of names is longer than {MOST_OUTPUT} bytes"
        ));
    }
    if output.status != 0 {
        return Err(first_line(output));
    }
    if output.stdout == b"absent\n" {
        return Ok(None);
    }
    let mut names = Vec::new();
    let mut rest = output.stdout.as_slice();
    while rest != b".\n" {
        let (record, after) = until_slash(rest).ok_or("a list without its end")?;
        rest = after;
        let (kind, name) = record.split_at_checked(2).ok_or("a list of another form")?;
        // What is no text cannot be in a runbook or in SHA256SUMS.
        if let Ok(text) = String::from_utf8(name.to_vec()) {
            let kind = match kind {
                b"d " => Kind::Folder,
                b"l " => Kind::Link,
                _ => Kind::File,
            };
            names.push(Name { text, kind });
        }
    }
    Ok(Some(names))
}

/// What the host complained about.
fn first_line(output: &Output) -> String {
    let said = output.error_text();
    let said = said.lines().find(|line| !line.trim().is_empty());
    sanitise(
        said.unwrap_or("it is no folder, or may not be read")
            .as_bytes(),
    )
}

/// What stands before the next slash and newline, and what follows them.
fn until_slash(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'/')?;
    let (record, after) = bytes.split_at(end);
    Some((record, after.strip_prefix(b"/\n")?))
}

/// As many folders as stand whole in a reply of [`CONTENTS`], and whether those are all.
fn parse_contents(reply: &[u8], wanted: usize) -> (Vec<Contents>, bool) {
    let mut contents = Vec::new();
    let mut rest = reply;
    while contents.len() < wanted {
        let Some((read, after)) = next_contents(rest) else {
            return (contents, false);
        };
        contents.push(read);
        rest = after;
    }
    (contents, true)
}

fn next_contents(reply: &[u8]) -> Option<(Contents, &[u8])> {
    if let Some(rest) = reply.strip_prefix(b"unreadable\n") {
        let why = "it is gone, no folder, or may not be read";
        return Some((Contents::in_trouble(why), rest));
    }
    if let Some(rest) = reply.strip_prefix(b"crowded\n") {
        return Some((Contents::in_trouble(crowded()), rest));
    }
    let mut rest = reply.strip_prefix(b"listed\n")?;
    let mut contents = Contents::default();
    while !rest.starts_with(b".\n") {
        // `81a4 120 1767322800 8 512 ./` before the name's own slash.
        let (facts, after) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'/')?)?;
        let (name, after) = until_slash(after.get(1..)?)?;
        rest = after;
        let entry = listed(std::str::from_utf8(facts).ok()?, name)?;
        contents.entries.extend(entry);
    }
    // A shell's order depends on the host's locale.
    contents
        .entries
        .sort_by(|left, right| left.name.cmp(&right.name));
    rest = rest.strip_prefix(b".\n")?;
    loop {
        if let Some(after) = rest.strip_prefix(b"..\n") {
            return Some((contents, after));
        }
        if let Some(after) = rest.strip_prefix(b"locked ./") {
            let (name, after) = until_slash(after)?;
            contents.locked.extend(String::from_utf8(name.to_vec()));
            rest = after;
            continue;
        }
        let (name, after) = until_slash(rest.strip_prefix(b"text ./")?)?;
        let entry = String::from_utf8(name.to_vec()).ok();
        let entry = entry.and_then(|name| contents.entry(&name).cloned())?;
        let length = usize::try_from(entry.bytes)
            .unwrap_or(usize::MAX)
            .min(text_limit(&entry).unwrap_or(0));
        let (text, after) = after.split_at_checked(length)?;
        rest = after.strip_prefix(b"/\n")?;
        contents.keep(&entry, text.to_vec());
    }
}

fn crowded() -> String {
    format!("it holds more than {MOST_NAMES} names")
}

/// An entry from what `stat` printed of it; `Some(None)` for what is no entry of a point.
fn listed(facts: &str, name: &[u8]) -> Option<Option<Listed>> {
    let words: Vec<&str> = facts.split(' ').collect();
    let [mode, bytes, modified, blocks, block, "."] = words.as_slice() else {
        return None;
    };
    let mode = u32::from_str_radix(mode, 16).ok()?;
    let blocks: u64 = blocks.parse().ok()?;
    let entry = Listed {
        name: match std::str::from_utf8(name) {
            Ok(".." | ".") | Err(_) => return Some(None),
            Ok(name) => name.to_owned(),
        },
        bytes: bytes.parse().ok()?,
        allocated: blocks.saturating_mul(block.parse().ok()?),
        modified: modified.parse().ok()?,
        // S_IFMT, with S_IFREG and S_IFDIR.
        is_file: mode & 0o170_000 == 0o100_000,
        is_folder: mode & 0o170_000 == 0o040_000,
    };
    Some(Some(entry))
}

fn names_here(path: &Path) -> std::io::Result<Option<Vec<Name>>> {
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

fn contents_here(top: &Path, folder: &str) -> Contents {
    let path = top.join(folder);
    let read = || -> std::io::Result<Contents> {
        let mut contents = Contents::default();
        for entry in std::fs::read_dir(&path)? {
            if contents.entries.len() > MOST_NAMES {
                return Ok(Contents::in_trouble(crowded()));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPLY: &[u8] = b"listed\n81a4 3 1767322800 8 512 ./SHA256SUMS/\n\
        81a4 5 1767322800 8 512 ./a b\nc/\na1ff 7 1767322800 0 512 ./link/\n\
        41ed 4096 1767322800 8 512 ./../\n.\ntext ./SHA256SUMS/\nx/\n/\nlocked ./a b\nc/\n..\nunreadable\ncrowded\nend\n";

    #[test]
    fn a_reply_is_taken_apart_whatever_the_names_are() {
        let (read, whole) = parse_contents(REPLY, 3);
        assert!(whole);
        let names: Vec<(&str, bool)> = read[0]
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.is_file))
            .collect();
        let expected = [("SHA256SUMS", true), ("a b\nc", true), ("link", false)];
        assert_eq!(names, expected);
        assert_eq!(read[0].text("SHA256SUMS"), Ok(b"x/\n".as_slice()));
        assert!(read[0].text("a b\nc").unwrap_err().contains("locked"));
        assert!(read[0].text("link").unwrap_err().contains("may not"));
        assert_eq!(read[0].entries[1].allocated, 4096);
        assert!(read[1].trouble.as_deref().unwrap().contains("gone"));
        assert!(read[2].trouble.as_deref().unwrap().contains("2000"));
        // More was asked for than came: what came whole is kept.
        let (read, whole) = parse_contents(REPLY, 4);
        assert_eq!((read.len(), whole), (3, false));
        for cut in 0..REPLY.len() {
            let (read, _) = parse_contents(&REPLY[..cut], 3);
            assert!(read.len() <= 3);
        }
        // One byte more than was listed: the file grew meanwhile.
        let grown = String::from_utf8(REPLY.to_vec())
            .unwrap()
            .replace("x/\n/\n", "xy/\n/\n");
        assert_eq!(parse_contents(grown.as_bytes(), 3).0.len(), 0);
    }

    #[test]
    fn names_are_believed_to_their_end_alone() {
        let output = |stdout: &str, status| Output {
            stdout: stdout.into(),
            status,
            ..Output::default()
        };
        let names = |stdout: &str| parse_names(&output(stdout, 0));
        assert_eq!(names("absent\n"), Ok(None));
        assert_eq!(names(".\n"), Ok(Some(vec![])));
        let found = names("d 20260102T030405Z/\nf two\nlines/\n.\n")
            .unwrap()
            .unwrap();
        assert_eq!(
            (found[0].kind, found[1].text.as_str()),
            (Kind::Folder, "two\nlines")
        );
        assert!(names("d a/\n").is_err());
        assert!(names("").is_err());
        assert!(parse_names(&output("", 3)).is_err());
    }

    proptest! {
        #[test]
        fn no_reply_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..REPLY.len()) {
            let mut reply = REPLY.to_vec();
            reply.splice(at..at, bytes.iter().copied());
            let _ = parse_contents(&reply, 4);
            let _ = parse_contents(&bytes, 4);
            let _ = parse_names(&Output { stdout: reply, ..Output::default() });
        }
    }
}
