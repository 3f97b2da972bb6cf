//! Restore points: what one consists of, and what speaks against it.

use super::flaw::Flaw;
use super::layout::{Dated, PointKind, Stamp};
use super::sums::Sum;
use crate::vmfiles::{Change, FileKind};

/// One file of a restore point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointFile {
    /// Its name, which is no path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Where it lies below the folder of the VM's backup: `<folder>/<name>`, of this point or of the
    /// earlier one that holds it.
    pub at: String,
    /// Its size in bytes as it lies there.
    pub bytes: u64,
    /// Bytes that it takes up there; fewer than its length where it has holes.
    pub allocated: u64,
    /// Its sum as recorded when the point was made; `None` where nothing was recorded.
    pub sum: Option<Sum>,
    /// What is brought in its place: a text that names disks as they are called beside it.
    pub text: Option<Vec<u8>>,
}

/// A restore point of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The moment that it holds.
    pub stamp: Stamp,
    /// From what that moment is known.
    pub dated: Dated,
    /// How it was made.
    pub kind: PointKind,
    /// Its folder's name below that of the VM's backup, which no other point has; `.` where the
    /// files lie in that folder itself.
    pub name: String,
    /// Its folder, where it lies.
    pub path: String,
    /// The VM's files, by name. What must never be carried is not among them.
    pub files: Vec<PointFile>,
    /// Logs of the lost site, which come along by choice.
    pub logs: Vec<PointFile>,
    /// Files that are left behind, with the reason.
    pub left_behind: Vec<(String, &'static str)>,
    /// Whether sums were recorded with it. Without them it is `source unverified`.
    pub verified: bool,
    /// What the `.vmx` that comes says otherwise than the one in the point, because disks that lie in
    /// folders of it come beside the others.
    pub renamed: Vec<Change>,
    /// What a person should know before using it, though nothing of it keeps it from being used.
    pub remarks: Vec<String>,
    /// Everything that keeps it from being used; a point without any is sound.
    pub flaws: Vec<Flaw>,
}

impl Point {
    /// The file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&PointFile> {
        self.files.iter().find(|file| file.name == name)
    }

    pub(super) fn named(&self, kind: FileKind) -> impl Iterator<Item = &PointFile> {
        let of_kind = move |file: &&PointFile| file.kind == kind;
        self.files.iter().filter(of_kind)
    }

    /// The configuration's name, in a point that has exactly one.
    #[must_use]
    pub fn vmx(&self) -> Option<&str> {
        let mut found = self.named(FileKind::Vmx);
        let only = found.next().filter(|_| found.next().is_none());
        only.map(|file| file.name.as_str())
    }

    /// Whether nothing speaks against it. The sums of large files are proven where they arrive.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
    }

    /// All flaws, for people: `a.vmx …; b.vmdk …`.
    #[must_use]
    pub fn flaws_in_words(&self) -> String {
        /// More than anybody reads; the rest is counted.
        const SHOWN: usize = 6;
        let shown = self.flaws.iter().take(SHOWN).map(ToString::to_string);
        let mut words = shown.collect::<Vec<_>>().join("; ");
        if self.flaws.len() > SHOWN {
            words.push_str(&format!("; and {} more", self.flaws.len() - SHOWN));
        }
        words
    }

    /// The earlier point that holds a file of it; `None` if it does itself.
    #[must_use]
    pub fn holder<'a>(&self, file: &'a PointFile) -> Option<&'a str> {
        let (folder, _) = file.at.split_once('/')?;
        (folder != self.name && self.name != ".").then_some(folder)
    }

    /// The path of a file in the folder that holds it.
    #[must_use]
    pub fn path_within<'a>(&self, file: &'a PointFile) -> &'a str {
        match file.at.split_once('/') {
            Some((_, path)) if self.name != "." => path,
            _ => &file.at,
        }
    }

    /// Bytes that a restore moves at most.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.files.iter().map(|file| file.bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// Folders of other points that hold files of this one, each with how many, oldest last.
    #[must_use]
    pub fn leans_on(&self) -> Vec<(&str, usize)> {
        let mut folders: Vec<(&str, usize)> = Vec::new();
        for file in &self.files {
            let Some(folder) = self.holder(file) else {
                continue;
            };
            match folders.iter_mut().find(|(known, _)| *known == folder) {
                Some((_, count)) => *count += 1,
                None => folders.push((folder, 1)),
            }
        }
        folders.sort_by(|left, right| right.0.cmp(left.0));
        folders
    }
}
