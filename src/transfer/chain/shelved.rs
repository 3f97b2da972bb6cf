//! A folder of a VM's backup as it was read, with the folders in it that the VM's texts lead to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::layout::{Dated, Layout, PointKind, Stamp};
use super::super::point::PointFile;
use super::super::shelf::{Contents, Listed};
use super::super::sums::{Sum, SumsError, is_plain_path, parse_sums};
use crate::vmfiles::{FileKind, Vmx};

/// A folder of a VM's backup, read.
#[derive(Clone, Debug)]
pub(in crate::transfer) struct Shelved {
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) contents: Contents,
    /// What lies in folders of it, each by its path from there.
    pub(super) within: BTreeMap<String, Contents>,
    pub(super) sums: Option<Result<BTreeMap<String, Sum>, SumsError>>,
    pub(super) time: (Stamp, Dated),
    /// What there is in place of a folder.
    pub(super) instead: Option<Instead>,
}

/// What may bear the name of a point and is no folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// One file with the whole point in it.
    Archive,
    /// A link.
    Link,
}

impl Shelved {
    /// A folder by its name and what it holds; `None` if it is no restore point.
    pub(in crate::transfer) fn new(name: &str, vm: &str, contents: Contents) -> Option<Self> {
        let layout = Layout::of(name, vm);
        let has_vmx = contents
            .entries
            .iter()
            .any(|entry| FileKind::of(&entry.name) == FileKind::Vmx);
        if matches!(layout, Layout::Plain(_)) && !has_vmx {
            return None;
        }
        let time = match layout {
            Layout::Plain(told) => told.or_else(|| written(&contents)),
            other => other
                .stamp()
                .map(|stamp| (stamp, Dated::Name))
                .or_else(|| written(&contents)),
        }?;
        let text = contents
            .texts
            .get("SHA256SUMS")
            .map(|text| parse_sums(text));
        // One that may not be read is no better than one with nonsense in it.
        let unread = || {
            let entry = contents.entry("SHA256SUMS").filter(|entry| entry.is_file);
            entry.map(|_| Err(SumsError::Closed))
        };
        Some(Self {
            sums: text.or_else(unread),
            name: name.to_owned(),
            layout,
            contents,
            within: BTreeMap::new(),
            time,
            instead: None,
        })
    }

    fn instead(name: &str, layout: Layout, time: (Stamp, Dated), what: Instead) -> Self {
        Self {
            name: name.to_owned(),
            layout,
            contents: Contents::default(),
            within: BTreeMap::new(),
            sums: None,
            time,
            instead: Some(what),
        }
    }

    /// An archive that ghettoVCB made of a point; `None` if the file is something else. Where its name
    /// tells no time, that is when it was `written`, if anybody knows.
    pub(in crate::transfer) fn archive(file: &str, vm: &str, written: Option<i64>) -> Option<Self> {
        let layout = Layout::of(file.strip_suffix(".gz")?, vm);
        let time = match layout {
            Layout::GhettoVcb(Some(stamp)) => (stamp, Dated::Name),
            Layout::GhettoVcb(None) => written
                .and_then(Stamp::at_second)
                .map_or((Stamp::UNKNOWN, Dated::Nothing), |stamp| {
                    (stamp, Dated::Archive)
                }),
            _ => return None,
        };
        Some(Self::instead(file, layout, time, Instead::Archive))
    }

    /// A link that is called like a point, which is not looked behind.
    pub(in crate::transfer) fn link(name: &str, vm: &str) -> Option<Self> {
        let layout = Layout::of(name, vm);
        let stamp = match layout {
            Layout::Stamped { stamp, .. } | Layout::GhettoVcb(Some(stamp)) => stamp,
            _ => return None,
        };
        let time = (stamp, Dated::Name);
        Some(Self::instead(name, layout, time, Instead::Link))
    }

    pub(super) fn is_archive(&self) -> bool {
        self.instead == Some(Instead::Archive)
    }

    /// Where nothing was recorded, the point consists of what its `.vmx` names.
    pub(in crate::transfer) fn do_without_sums(&mut self) {
        if self.sums.is_none() {
            let (stamp, _) = self.time;
            self.layout = Layout::Plain(Some((stamp, Dated::Tool)));
            self.time = (stamp, Dated::Tool);
        }
    }

    pub(super) fn rank(&self) -> (Reverse<Stamp>, u8, &str) {
        let made = match self.layout {
            // An increment that was made in the same second as a full one rests on it.
            Layout::Stamped { says, .. } => match says {
                Some(PointKind::Incremental) => 0,
                None => 1,
                Some(_) => 2,
            },
            Layout::GhettoVcb(_) => 3,
            Layout::Plain(_) => 4,
        };
        (Reverse(self.time.0), made, &self.name)
    }

    /// Its name below the folder of the VM's backup.
    pub(in crate::transfer) fn name(&self) -> &str {
        &self.name
    }

    /// The moment that it holds.
    pub(in crate::transfer) fn stamp(&self) -> Stamp {
        self.time.0
    }

    pub(super) fn is_stamped(&self) -> bool {
        matches!(self.layout, Layout::Stamped { .. })
    }

    pub(super) fn recorded(&self, path: &str) -> Option<&Sum> {
        self.sums.as_ref()?.as_ref().ok()?.get(path)
    }

    /// Where a file of it lies, from the folder of the VM's backup.
    pub(in crate::transfer) fn at(&self, path: &str) -> String {
        if self.name == "." {
            path.to_owned()
        } else {
            format!("{}/{path}", self.name)
        }
    }

    pub(super) fn file(&self, path: &str, entry: &Listed, sum: Option<Sum>) -> PointFile {
        PointFile {
            name: path.to_owned(),
            kind: self.kind(path),
            at: self.at(path),
            bytes: entry.bytes,
            allocated: entry.allocated.min(entry.bytes),
            sum,
            text: None,
        }
    }

    /// Why it, or a folder of it, could not be read.
    pub(super) fn trouble(&self) -> Option<String> {
        let within = self.within.iter().find_map(|(folder, contents)| {
            let why = contents.trouble.as_ref()?;
            Some(format!("{folder}: {why}"))
        });
        self.contents.trouble.clone().or(within)
    }

    /// What lies there, by its path from the folder.
    pub(in crate::transfer) fn entry(&self, path: &str) -> Option<&Listed> {
        let (contents, name) = self.part(path)?;
        contents.entry(name)
    }

    /// The beginning of a file that tells what the point is, or what is the matter with that file.
    pub(super) fn text(&self, path: &str) -> Result<&[u8], String> {
        let part = self.part(path);
        let (contents, name) = part.ok_or_else(|| "is not there".to_owned())?;
        contents.text(name)
    }

    /// What a file of it is, by its text where its name may deceive.
    pub(super) fn kind(&self, path: &str) -> FileKind {
        let part = self.part(path);
        part.map_or(FileKind::Other, |(contents, name)| contents.kind(name))
    }

    fn part<'p>(&self, path: &'p str) -> Option<(&Contents, &'p str)> {
        match path.rsplit_once('/') {
            Some((folder, name)) => Some((self.within.get(folder)?, name)),
            None => Some((&self.contents, path)),
        }
    }

    /// The plain files of it and of the folders in it that were read, by their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &Listed)> {
        let own = self.contents.entries.iter();
        let own = own.map(|entry| (entry.name.clone(), entry));
        let within = self.within.iter().flat_map(|(folder, contents)| {
            let path = move |entry: &Listed| format!("{folder}/{}", entry.name);
            let entries = contents.entries.iter();
            entries.map(move |entry| (path(entry), entry))
        });
        own.chain(within).filter(|(_, entry)| entry.is_file)
    }

    /// Folders in it that its texts lead to and that were not read yet, each by its path. Of one
    /// within another the outer one comes first; links are not followed.
    pub(in crate::transfer) fn unread(&self) -> Vec<String> {
        let texts = self.contents.texts.iter();
        let vmx = texts.filter(|(name, _)| FileKind::of(name) == FileKind::Vmx);
        let disks = vmx
            .filter_map(|(_, text)| Vmx::parse(text).ok())
            .flat_map(|vmx| vmx.disk_files())
            .flat_map(|disk| [set_apart(&disk), is_plain_path(&disk).then_some(disk)]);
        let sums = self.sums.iter().flatten();
        let recorded = sums.flat_map(|sums| sums.keys().cloned().map(Some));
        let mut unread: Vec<String> = disks
            .chain(recorded)
            .flatten()
            .filter_map(|path| self.next_folder(&path))
            .collect();
        unread.sort_unstable();
        unread.dedup();
        unread
    }

    /// Keeps what lies in a folder of it.
    pub(in crate::transfer) fn put_within(&mut self, path: String, contents: Contents) {
        self.within.insert(path, contents);
    }

    /// The first folder on the way to a file that was not read yet, if it is there.
    fn next_folder(&self, path: &str) -> Option<String> {
        let slashes = path.match_indices('/').map(|(at, _)| at);
        let folders = slashes.filter_map(|at| path.get(..at));
        let next = folders
            .into_iter()
            .find(|folder| !self.within.contains_key(*folder))?;
        let there = self.entry(next).is_some_and(|entry| entry.is_folder);
        there.then(|| next.to_owned())
    }
}

/// Where ghettoVCB puts a disk that the `.vmx` names by an absolute path, from the point's folder: into
/// one that is called as what stands between `/vmfs/volumes/` and the disk's own folder, which is the
/// datastore. (Of a disk that lies in no folder it takes the whole path for that.)
pub(super) fn set_apart(written: &str) -> Option<String> {
    let below = written.strip_prefix("/vmfs/volumes/")?;
    let (folders, name) = below.rsplit_once('/')?;
    let folder = folders.rsplit_once('/').map_or(below, |(folder, _)| folder);
    let path = format!("{folder}/{name}");
    is_plain_path(&path).then_some(path)
}

/// When a folder's `.vmx` was written, else the youngest of its files.
fn written(contents: &Contents) -> Option<(Stamp, Dated)> {
    let of = |wanted: &dyn Fn(&Listed) -> bool| {
        let files = contents.entries.iter().filter(|entry| entry.is_file);
        files
            .filter(|entry| wanted(entry))
            .map(|e| e.modified)
            .max()
    };
    let vmx = of(&|entry| FileKind::of(&entry.name) == FileKind::Vmx);
    let stamp = Stamp::at_second(vmx.or_else(|| of(&|_| true))?)?;
    Some((stamp, Dated::Configuration))
}
