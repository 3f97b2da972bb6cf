//! What each restore point consists of, found from what the folders of a VM's backup hold. Pure.
//!
//! A point's `SHA256SUMS` names the whole VM. A file that is not in its folder is taken from the
//! newest earlier point whose own sums name it with the same sum and that still holds it. Points
//! without sums consist of what their `.vmx` names.
//!
//! Until a point is whole its files go by their paths from its folder; then those that lie in folders
//! of it get names beside the others (`unite`).

mod check;
mod shelved;
mod unite;

use std::collections::{BTreeMap, BTreeSet};

use super::flaw::{Flaw, short};
use super::layout::{Layout, PointKind, Stamp};
use super::point::Point;
use super::shelf::Listed;
use super::sums::Sum;
use crate::vmfiles::{Descriptor, FileKind, Vmsd, Vmx, mapped_disk};

pub(super) use self::shelved::Shelved;
use self::shelved::{Instead, set_apart};

/// Puts folders in order, the newest first.
pub(super) fn newest_first(shelf: &mut [Shelved]) {
    shelf.sort_by(|left, right| left.rank().cmp(&right.rank()));
}

/// The moment of the newest of these points, by their names, that names a file which none holds.
pub(super) fn newest_open(shelf: &[Shelved], points: &BTreeSet<String>) -> Option<Stamp> {
    let open = |at: usize, folder: &Shelved| {
        folder.sums.iter().flatten().any(|sums| {
            let missing = |name: &str, sum| matches!(find(shelf, at, name, sum), Place::Nowhere);
            let mut named = sums.iter();
            named.any(|(name, sum)| may_belong(name, sums) && missing(name, sum))
        })
    };
    let mut folders = shelf.iter().enumerate();
    let found = folders.find(|(at, one)| points.contains(one.name()) && open(*at, one));
    found.map(|(_, one)| one.stamp())
}

/// Where a file of a point is.
enum Place<'a> {
    At(&'a Shelved, &'a Listed),
    NotAFile,
    Nowhere,
}

fn find<'a>(shelf: &'a [Shelved], at: usize, name: &str, sum: &Sum) -> Place<'a> {
    let Some(own) = shelf.get(at) else {
        return Place::Nowhere;
    };
    match own.entry(name) {
        Some(entry) if entry.is_file => return Place::At(own, entry),
        Some(_) => return Place::NotAFile,
        None if !own.is_stamped() => return Place::Nowhere,
        None => {}
    }
    let holds = |folder: &'a Shelved| {
        let same = folder.is_stamped() && folder.recorded(name) == Some(sum);
        let entry = folder.entry(name).filter(|entry| entry.is_file)?;
        same.then_some(Place::At(folder, entry))
    };
    let earlier = shelf.get(at + 1..).unwrap_or_default();
    earlier.iter().find_map(holds).unwrap_or(Place::Nowhere)
}

/// Where a file was looked for in vain, in words.
fn looked(shelf: &[Shelved], at: usize, name: &str, sum: &Sum) -> String {
    let earlier: Vec<&Shelved> = shelf
        .get(at + 1..)
        .unwrap_or_default()
        .iter()
        .filter(|folder| folder.is_stamped())
        .collect();
    let (Some(last), Some(own)) = (earlier.last(), shelf.get(at)) else {
        return String::new();
    };
    if !own.is_stamped() {
        return String::new();
    }
    let mut words = format!(
        ", nor with that sum in {} back to {}",
        match earlier.len() {
            1 => "the earlier point".to_owned(),
            n => format!("the {n} earlier points"),
        },
        last.name
    );
    let lost = earlier
        .iter()
        .find(|folder| folder.recorded(name) == Some(sum));
    let other = earlier
        .iter()
        .find(|folder| folder.recorded(name).is_some());
    if let Some(lost) = lost {
        words.push_str(&format!("; {} names it and does not hold it", lost.name));
    } else if let Some(other) = other {
        let sum = other.recorded(name).map(short).unwrap_or_default();
        words.push_str(&format!("; in {} its sum is {sum}…", other.name));
    }
    let torn = earlier
        .iter()
        .find(|folder| !matches!(folder.sums, Some(Ok(_))));
    if let Some(torn) = torn {
        let why = match &torn.sums {
            Some(Err(why)) => why.to_string(),
            _ if torn.instead.is_some() => "it is a link".to_owned(),
            _ => "it has no SHA256SUMS".to_owned(),
        };
        words.push_str(&format!("; {} could not serve: {why}", torn.name));
    }
    words
}

#[derive(PartialEq, Eq)]
enum Belongs {
    Yes,
    Log,
    No(&'static str),
}

/// The name at the end of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path of what a text of a point names that lies beside it.
fn beside(path: &str, named: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{named}"),
        None => named.to_owned(),
    }
}

/// Whether a file that was not read may be part of a VM whose sums are these. One named like the map of
/// changed blocks of a disk that they name is that map; else it may be a disk.
fn may_belong(path: &str, sums: &BTreeMap<String, Sum>) -> bool {
    let kind = FileKind::of(base(path));
    match mapped_disk(path) {
        Some(disk) => !sums.contains_key(&disk),
        None => belongs(path, kind) == Belongs::Yes,
    }
}

/// Whether a file of this path and kind is part of a VM.
fn belongs(path: &str, kind: FileKind) -> Belongs {
    let name = base(path);
    match kind {
        FileKind::LeftBehind(why) => Belongs::No(why.as_str()),
        FileKind::Log => Belongs::Log,
        FileKind::Other if !name.to_ascii_lowercase().ends_with(".vmxf") => {
            Belongs::No("not one of a VM's files")
        }
        _ => Belongs::Yes,
    }
}

/// The point in the folder at this place of the shelf, which is in order; `top` is where the shelf
/// lies.
pub(super) fn assess(shelf: &[Shelved], at: usize, top: &str) -> Option<Point> {
    let own = shelf.get(at)?;
    let (stamp, dated) = own.time;
    let kind = match own.layout {
        Layout::Stamped { says, .. } => says.unwrap_or(PointKind::Full),
        Layout::GhettoVcb(_) => PointKind::GhettoVcb,
        Layout::Plain(_) => PointKind::Plain,
    };
    let path = if own.name == "." {
        top.to_owned()
    } else {
        format!("{}/{}", top.trim_end_matches('/'), own.name)
    };
    let mut draft = Draft {
        own,
        texts: BTreeMap::new(),
        point: Point {
            stamp,
            dated,
            kind,
            name: own.name.clone(),
            path,
            files: Vec::new(),
            logs: Vec::new(),
            left_behind: Vec::new(),
            verified: matches!(own.sums, Some(Ok(_))),
            renamed: Vec::new(),
            remarks: dated.remark(kind).map(str::to_owned).into_iter().collect(),
            flaws: Vec::new(),
        },
    };
    if let Some(what) = own.instead {
        draft.point.flaws.push(match what {
            Instead::Archive => Flaw::Packed(own.name.clone()),
            Instead::Link => Flaw::Link,
        });
    } else if let Some(why) = own.trouble() {
        draft.point.flaws.push(Flaw::Closed(why));
    } else {
        let archive = format!("{}.gz", own.name);
        let unpacked = shelf
            .iter()
            .any(|one| one.is_archive() && one.name == archive);
        draft.take_status(unpacked.then_some(archive));
        match &own.sums {
            Some(Ok(sums)) => draft.take_recorded(shelf, at, sums),
            Some(Err(why)) => draft.point.flaws.push(Flaw::BadSums(why.clone())),
            None if own.is_stamped() => draft.point.flaws.push(Flaw::NoSums),
            None => draft.take_named(),
        }
        draft.check();
        draft.unite();
    }
    Some(draft.point)
}

/// A point while it is put together.
struct Draft<'a> {
    own: &'a Shelved,
    point: Point,
    /// Texts of its files, wherever those lie, or why they are not known.
    texts: BTreeMap<String, Result<&'a [u8], String>>,
}

impl<'a> Draft<'a> {
    /// What ghettoVCB says of the backup, whatever the folder is called. One that was `unpacked` from an
    /// archive cannot say it: it is packed before that is known.
    fn take_status(&mut self, unpacked: Option<String>) {
        if self.own.is_stamped() {
            return;
        }
        let said = |name: &str| {
            let text = self.own.contents.texts.get(name)?;
            let text = String::from_utf8_lossy(text);
            let line = text.lines().next().unwrap_or_default().trim();
            let clean = |c: &char| !c.is_control();
            Some(line.chars().filter(clean).take(200).collect::<String>())
        };
        if let Some(why) = said("STATUS.error") {
            self.point.flaws.push(Flaw::Reported(why));
        } else if let Some(warning) = said("STATUS.warn") {
            let remark = format!("ghettoVCB reported in STATUS.warn: {warning}");
            self.point.remarks.push(remark);
        } else if self.point.kind == PointKind::GhettoVcb && said("STATUS.ok").is_none() {
            match unpacked {
                Some(archive) => self.point.remarks.push(format!(
                    "it is from {archive}, in which ghettoVCB does not say how the backup went: that each disk is \
                     there and as long as it must be is all that is known"
                )),
                None => self.point.flaws.push(Flaw::NoStatus),
            }
        }
    }

    fn add(&mut self, path: &str, holder: &'a Shelved, entry: &Listed, sum: Option<Sum>) {
        let file = holder.file(path, entry, sum);
        let told = [FileKind::Vmx, FileKind::Descriptor, FileKind::Vmsd];
        if told.contains(&file.kind) {
            self.texts.insert(path.to_owned(), holder.text(path));
        }
        self.point.files.push(file);
    }

    /// Everything that the sums name.
    fn take_recorded(&mut self, shelf: &'a [Shelved], at: usize, sums: &BTreeMap<String, Sum>) {
        let mut elsewhere = Vec::new();
        for (name, sum) in sums {
            let place = find(shelf, at, name, sum);
            let kind = match &place {
                Place::At(holder, _) => holder.kind(name),
                Place::NotAFile | Place::Nowhere => FileKind::of(base(name)),
            };
            match belongs(name, kind) {
                Belongs::Yes => {}
                Belongs::No(why) => {
                    self.point.left_behind.push((name.clone(), why));
                    continue;
                }
                Belongs::Log => {
                    let entry = self.own.contents.entry(name);
                    let log = entry.filter(|entry| entry.is_file);
                    let log = log.map(|entry| self.own.file(name, entry, Some(*sum)));
                    self.point.logs.extend(log);
                    continue;
                }
            }
            match place {
                Place::At(holder, entry) => {
                    if !std::ptr::eq(holder, self.own) {
                        elsewhere.push(name.clone());
                    }
                    self.add(name, holder, entry, Some(*sum));
                }
                Place::NotAFile => self.point.flaws.push(Flaw::NotAFile { name: name.clone() }),
                Place::Nowhere => self.point.flaws.push(Flaw::Missing {
                    name: name.clone(),
                    sum: *sum,
                    looked: looked(shelf, at, name, sum),
                }),
            }
        }
        let says = match self.own.layout {
            Layout::Stamped { says, .. } => says,
            _ => None,
        };
        if !elsewhere.is_empty() && says.is_none() && self.own.is_stamped() {
            self.point.kind = PointKind::Incremental;
        } else if !elsewhere.is_empty() && says == Some(PointKind::Full) {
            self.point.remarks.push(format!(
                "it calls itself full, but {} lies in an earlier point, with the same sum",
                elsewhere.join(", ")
            ));
        }
    }

    /// What the `.vmx` names, and what that names: all there is to go by without sums.
    fn take_named(&mut self) {
        let contents = &self.own.contents;
        let files = || contents.entries.iter().filter(|entry| entry.is_file);
        let configurations: Vec<&Listed> = files()
            .filter(|entry| FileKind::of(&entry.name) == FileKind::Vmx)
            .collect();
        for entry in &configurations {
            self.add(&entry.name, self.own, entry, None);
        }
        let [vmx] = configurations.as_slice() else {
            return;
        };
        let parsed = contents.texts.get(&vmx.name).map(|text| Vmx::parse(text));
        let Some(Ok(parsed)) = parsed else {
            return;
        };
        if parsed.is_encrypted() {
            self.point.flaws.push(Flaw::Unreadable {
                name: vmx.name.clone(),
                why: "it is encrypted, so its disks are not known".to_owned(),
            });
            return;
        }
        let stem = vmx.name.get(..vmx.name.len() - 4).unwrap_or_default();
        let of_vm = |extension: &str| format!("{stem}.{extension}");
        let mut wanted = vec![of_vm("vmxf"), of_vm("vmsd"), of_vm("nvram")];
        wanted.extend(parsed.nvram());
        wanted.extend(parsed.extended_config());
        let there = |path: &str| self.own.entry(path).is_some();
        let disks = parsed.disk_files().into_iter();
        wanted.extend(disks.filter_map(|disk| place(&parsed, &disk, there)));
        let catalogue = contents.texts.get(&of_vm("vmsd"));
        let catalogue = catalogue.and_then(|text| Vmsd::parse(text).ok());
        if let Some(catalogue) = catalogue.filter(|catalogue| catalogue.count() > 0) {
            let disks = catalogue.snapshots.into_iter().flat_map(|one| one.disks);
            wanted.extend(disks.filter_map(|disk| place(&parsed, &disk, there)));
            let states = files().filter(|entry| FileKind::of(&entry.name) == FileKind::State);
            wanted.extend(states.map(|entry| entry.name.clone()));
        }
        while let Some(path) = wanted.pop() {
            let entry = self.own.entry(&path).filter(|entry| entry.is_file);
            let Some(entry) = entry.filter(|_| self.point.file(&path).is_none()) else {
                continue;
            };
            self.add(&path, self.own, entry, None);
            if self.own.kind(&path) == FileKind::Descriptor
                && let Ok(text) = self.own.text(&path)
                && let Ok(disk) = Descriptor::parse(text)
            {
                wanted.extend(disk.files().map(|file| beside(&path, file)));
                wanted.extend(disk.parent_hint.map(|parent| beside(&path, &parent)));
            }
        }
        self.leave_behind();
    }

    fn leave_behind(&mut self) {
        for (path, entry) in self.own.files() {
            if self.point.file(&path).is_some() {
                continue;
            }
            let kind = self.own.kind(&path);
            let why = match belongs(&path, kind) {
                Belongs::Log => {
                    self.point.logs.push(self.own.file(&path, entry, None));
                    continue;
                }
                Belongs::No(_) if kind == FileKind::Other => continue,
                Belongs::No(why) => why,
                Belongs::Yes => UNNAMED,
            };
            self.point.left_behind.push((path, why));
        }
    }
}

/// Why a file is left behind that could be one of the VM's.
const UNNAMED: &str = "nothing of the VM names it";

/// Where a disk is that the `.vmx` names: where it says, else where ghettoVCB puts one from another
/// datastore, else beside the others, if no other disk has that name.
fn place(vmx: &Vmx, written: &str, there: impl Fn(&str) -> bool) -> Option<String> {
    let places = [
        Some(written.to_owned()),
        set_apart(written),
        vmx.beside(written),
    ];
    places.into_iter().flatten().find(|path| there(path))
}

#[cfg(test)]
mod tests;
