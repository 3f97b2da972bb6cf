//! Restore points: what one consists of, and whether it can be relied on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::flaw::Flaw;
use super::sums::{Sum, parse_sums};
use crate::vmfiles::{Descriptor, FileKind, Runnable, Vmx};

/// The moment that a restore point holds, to the second, in UTC. `Display` is the folder's name
/// without its suffix, `20260102T030405Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(Timestamp);

/// The text is no stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form YYYYMMDDTHHMMSSZ")]
pub struct ParseStampError;

const FORM: &str = "%Y%m%dT%H%M%SZ";

impl Stamp {
    /// The moment itself.
    #[must_use]
    pub fn time(self) -> Timestamp {
        self.0
    }

    /// How much is lost if this point is used after an outage at that time: the actual RPO.
    /// Negative for a point made after the outage.
    #[must_use]
    pub fn age_at(self, outage: Timestamp) -> SignedDuration {
        outage.duration_since(self.0)
    }
}

impl FromStr for Stamp {
    type Err = ParseStampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser of times is more generous than the format of folders.
        let digits = |range: std::ops::Range<usize>| {
            text.as_bytes()
                .get(range)
                .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
        };
        let shaped = text.len() == 16
            && digits(0..8)
            && text.as_bytes().get(8) == Some(&b'T')
            && digits(9..15)
            && text.ends_with('Z');
        let time = shaped
            .then(|| DateTime::strptime(FORM, text).ok())
            .flatten();
        let time = time.and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
        time.map(Self).ok_or(ParseStampError)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.strftime(FORM).to_string())
    }
}

/// What the folder's suffix says of how the point was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// No suffix, or `-full`: every file is in this folder.
    Full,
    /// `-incr`: files that did not change lie in an earlier point's folder.
    Incremental,
}

/// The stamp and kind in a folder's name; `None` if the folder is no restore point.
#[must_use]
pub fn parse_point_name(name: &str) -> Option<(Stamp, PointKind)> {
    let (stamp, kind) = match name.split_once('-') {
        None => (name, PointKind::Full),
        Some((stamp, "full")) => (stamp, PointKind::Full),
        Some((stamp, "incr")) => (stamp, PointKind::Incremental),
        Some(_) => return None,
    };
    Some((stamp.parse().ok()?, kind))
}

/// One file of a restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointFile {
    /// Its name, which is no path.
    pub name: String,
    /// Its size in bytes as it lies there.
    pub bytes: u64,
    /// Its sum as recorded when the point was made.
    pub sum: Sum,
}

/// A restore point of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The moment that it holds.
    pub stamp: Stamp,
    /// How it was made.
    pub kind: PointKind,
    /// Its folder, where it lies.
    pub path: String,
    /// The VM's files, by name. What must never be carried is not among them.
    pub files: Vec<PointFile>,
    /// Files that `SHA256SUMS` names and that are left behind, with the reason.
    pub left_behind: Vec<(String, &'static str)>,
    /// Everything that keeps it from being used; a point without any is sound.
    pub flaws: Vec<Flaw>,
}

/// One entry of a folder, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// A plain file: not a folder, a link or a device.
    pub is_file: bool,
}

impl Point {
    /// A point as its folder's listing and its `SHA256SUMS` (`None`: there is none) show it. What
    /// its texts say is added by [`Point::check_texts`].
    #[must_use]
    pub fn assess(
        (stamp, kind): (Stamp, PointKind),
        path: impl Into<String>,
        listing: &[Listed],
        sums: Option<&[u8]>,
    ) -> Self {
        let mut point = Self {
            stamp,
            kind,
            path: path.into(),
            files: Vec::new(),
            left_behind: Vec::new(),
            flaws: Vec::new(),
        };
        let listed: BTreeMap<&str, &Listed> = listing
            .iter()
            .map(|entry| (entry.name.as_str(), entry))
            .collect();
        match sums.map(parse_sums) {
            None => point.flaws.push(Flaw::NoSums),
            Some(Err(why)) => point.flaws.push(Flaw::BadSums(why)),
            Some(Ok(sums)) => {
                for (name, sum) in sums {
                    point.take(&listed, name, sum);
                }
            }
        }
        if point.flaws.is_empty() {
            let vmx = point
                .named(FileKind::Vmx)
                .map(str::to_owned)
                .collect::<Vec<_>>();
            if vmx.len() != 1 {
                point.flaws.push(Flaw::NotOneVmx { names: vmx });
            }
        }
        point
    }

    fn take(&mut self, listed: &BTreeMap<&str, &Listed>, name: String, sum: Sum) {
        match FileKind::of(&name) {
            FileKind::LeftBehind(why) => return self.left_behind.push((name, why.as_str())),
            FileKind::Log => return self.left_behind.push((name, "a log of the lost site")),
            _ => {}
        }
        match listed.get(name.as_str()) {
            Some(entry) if entry.is_file => {
                self.files.push(PointFile {
                    name,
                    bytes: entry.bytes,
                    sum,
                });
            }
            Some(_) => self.flaws.push(Flaw::NotAFile { name }),
            None if self.kind == PointKind::Incremental => {
                self.flaws.push(Flaw::Elsewhere { name });
            }
            None => self.flaws.push(Flaw::Missing { name }),
        }
    }

    fn named(&self, kind: FileKind) -> impl Iterator<Item = &str> {
        let names = self.files.iter().map(|file| file.name.as_str());
        names.filter(move |name| FileKind::of(name) == kind)
    }

    /// Files whose text tells whether the point is whole: the `.vmx` and the descriptors.
    #[must_use]
    pub fn texts(&self) -> Vec<&PointFile> {
        let wanted = |file: &&PointFile| {
            matches!(
                FileKind::of(&file.name),
                FileKind::Vmx | FileKind::Descriptor
            )
        };
        self.files.iter().filter(wanted).collect()
    }

    /// Checks what [`Point::texts`] say: sums (of those that were read to their end), that every
    /// disk the VM sees and every file a disk needs is in the point, and is as long as it must be.
    pub fn check_texts(&mut self, texts: &BTreeMap<String, Vec<u8>>) {
        let mut flaws = Vec::new();
        for (name, text) in texts {
            let Some(file) = self.file(name) else {
                continue;
            };
            if u64::try_from(text.len()) == Ok(file.bytes) && Sum::of(text) != file.sum {
                flaws.push(Flaw::SumMismatch { name: name.clone() });
                continue;
            }
            match FileKind::of(name) {
                FileKind::Vmx => self.check_vmx(name, text, &mut flaws),
                FileKind::Descriptor => self.check_descriptor(name, text, &mut flaws),
                _ => {}
            }
        }
        self.flaws.extend(flaws);
    }

    fn check_vmx(&self, name: &str, text: &[u8], flaws: &mut Vec<Flaw>) {
        let vmx = match Vmx::parse(text) {
            Ok(vmx) => vmx,
            Err(why) => {
                flaws.push(Flaw::Unreadable {
                    name: name.to_owned(),
                    why: why.to_string(),
                });
                return;
            }
        };
        for needed in vmx.disk_files() {
            if self.file(&needed).is_none() && !self.is_flawed(&needed) {
                flaws.push(Flaw::Needs {
                    needed_by: name.to_owned(),
                    name: needed,
                });
            }
        }
    }

    fn check_descriptor(&self, name: &str, text: &[u8], flaws: &mut Vec<Flaw>) {
        let disk = match Descriptor::parse(text) {
            Ok(disk) => disk,
            Err(why) => {
                flaws.push(Flaw::Unreadable {
                    name: name.to_owned(),
                    why: why.to_string(),
                });
                return;
            }
        };
        match disk.runnable() {
            Runnable::Yes => {}
            Runnable::PointsToDevice => {
                flaws.push(Flaw::PointsToDevice {
                    name: name.to_owned(),
                });
                return;
            }
            // A host makes a disk of its own kind of it; of a snapshot that would lose the chain.
            Runnable::AfterConversion if !disk.is_link() => {}
            Runnable::AfterConversion | Runnable::Unknown => {
                let create_type = disk.create_type.clone();
                flaws.push(Flaw::NotRunnable {
                    name: name.to_owned(),
                    create_type,
                });
                return;
            }
        }
        let mut needs = |needed: &str| {
            let found = self.file(needed);
            if found.is_none() && !self.is_flawed(needed) {
                let (needed_by, name) = (name.to_owned(), needed.to_owned());
                flaws.push(Flaw::Needs { needed_by, name });
            }
            found
        };
        if let Some(parent) = &disk.parent_hint {
            needs(parent);
        }
        let mut wrong = Vec::new();
        for extent in disk.extents.iter().filter(|_| !disk.embedded) {
            let Some(file) = extent.file.as_deref().and_then(&mut needs) else {
                continue;
            };
            // The file of a sparse extent is as long as what was ever written to it.
            let flat = extent.kind == "VMFS" || (extent.kind == "FLAT" && extent.offset == Some(0));
            if flat && file.bytes != extent.bytes {
                let (name, has, needs) = (file.name.clone(), file.bytes, extent.bytes);
                wrong.push(Flaw::WrongSize { name, has, needs });
            }
        }
        flaws.extend(wrong);
    }

    /// Whether a flaw already says why this file is not there.
    fn is_flawed(&self, wanted: &str) -> bool {
        self.flaws.iter().any(|flaw| match flaw {
            Flaw::Missing { name } | Flaw::Elsewhere { name } | Flaw::NotAFile { name } => {
                name == wanted
            }
            _ => false,
        })
    }

    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&PointFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The configuration's name, in a point that has exactly one.
    #[must_use]
    pub fn vmx(&self) -> Option<&str> {
        let mut names = self.named(FileKind::Vmx);
        names.next().filter(|_| names.next().is_none())
    }

    /// Whether nothing speaks against it. The sums of large files are proven where they arrive.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
    }

    /// All flaws, for people: `a.vmx …; b.vmdk …`.
    #[must_use]
    pub fn flaws_in_words(&self) -> String {
        self.flaws
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Bytes that a restore moves at most.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .map(|file| file.bytes)
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests;
