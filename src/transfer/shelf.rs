//! Reading the folder of a VM's backup: the names in it, then what its folders hold. Two commands on
//! a host, however many points there are; links are never followed.

mod here;
mod on_host;

use std::collections::{BTreeMap, BTreeSet};

use super::flaw::NO_DESCRIPTOR;
use super::source::Folder;
use super::stream::Stream;
use super::sums::MAX_SUMS;
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::vmfiles::{Descriptor, FileKind, MAX_TEXT};

use self::here::{contents_here, names_here};
use self::on_host::{CONTENTS, NAMES, first_line, parse_contents, parse_names};

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

    fn crowded() -> Self {
        Self::in_trouble(format!("it holds more than {MOST_NAMES} names"))
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
