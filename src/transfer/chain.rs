//! What each restore point consists of, found from what the folders of a VM's backup hold. Pure.
//!
//! A point's `SHA256SUMS` names the whole VM. A file that is not in its folder is taken from the
//! newest earlier point whose own sums name it with the same sum and that still holds it. Points
//! without sums consist of what their `.vmx` names.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::flaw::{Flaw, short};
use super::layout::{Dated, Layout, PointKind, Stamp};
use super::point::{Point, PointFile};
use super::shelf::{Contents, Listed};
use super::sums::{Sum, SumsError, parse_sums};
use crate::vmfiles::{Descriptor, FileKind, Runnable, Vmsd, Vmx};

/// A folder of a VM's backup, read.
#[derive(Clone, Debug)]
pub(super) struct Shelved {
    name: String,
    layout: Layout,
    contents: Contents,
    sums: Option<Result<BTreeMap<String, Sum>, SumsError>>,
    time: (Stamp, Dated),
    /// The whole point is one archive of this name.
    packed: bool,
}

impl Shelved {
    /// A folder by its name and what it holds; `None` if it is no restore point.
    pub(super) fn new(name: &str, vm: &str, contents: Contents) -> Option<Self> {
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
            time,
            packed: false,
        })
    }

    /// An archive that ghettoVCB made of a point; `None` if the file is something else.
    pub(super) fn archive(file: &str, vm: &str) -> Option<Self> {
        let layout = Layout::of(file.strip_suffix(".gz")?, vm);
        let Layout::GhettoVcb(Some(stamp)) = layout else {
            return None;
        };
        Some(Self {
            name: file.to_owned(),
            layout,
            contents: Contents::default(),
            sums: None,
            time: (stamp, Dated::Name),
            packed: true,
        })
    }

    /// Where nothing was recorded, the point consists of what its `.vmx` names.
    pub(super) fn do_without_sums(&mut self) {
        if self.sums.is_none() {
            let (stamp, _) = self.time;
            self.layout = Layout::Plain(Some((stamp, Dated::Tool)));
            self.time = (stamp, Dated::Tool);
        }
    }

    fn rank(&self) -> (Reverse<Stamp>, u8, &str) {
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

    fn is_stamped(&self) -> bool {
        matches!(self.layout, Layout::Stamped { .. })
    }

    fn recorded(&self, name: &str) -> Option<&Sum> {
        self.sums.as_ref()?.as_ref().ok()?.get(name)
    }

    fn at(&self, name: &str) -> String {
        if self.name == "." {
            name.to_owned()
        } else {
            format!("{}/{name}", self.name)
        }
    }

    fn file(&self, entry: &Listed, sum: Option<Sum>) -> PointFile {
        PointFile {
            name: entry.name.clone(),
            at: self.at(&entry.name),
            bytes: entry.bytes,
            allocated: entry.allocated.min(entry.bytes),
            sum,
        }
    }
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

/// Puts folders in order, the newest first.
pub(super) fn newest_first(shelf: &mut [Shelved]) {
    shelf.sort_by(|left, right| left.rank().cmp(&right.rank()));
}

/// Whether one of the first `points` folders names a file that none of these holds.
pub(super) fn leaves_open(shelf: &[Shelved], points: usize) -> bool {
    (0..points.min(shelf.len())).any(|at| {
        let Some(Ok(sums)) = shelf.get(at).and_then(|folder| folder.sums.as_ref()) else {
            return false;
        };
        sums.iter()
            .filter(|(name, _)| belongs(name) == Belongs::Yes)
            .any(|(name, sum)| matches!(find(shelf, at, name, sum), Place::Nowhere))
    })
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
    match own.contents.entry(name) {
        Some(entry) if entry.is_file => return Place::At(own, entry),
        Some(_) => return Place::NotAFile,
        None if !own.is_stamped() => return Place::Nowhere,
        None => {}
    }
    let holds = |folder: &'a Shelved| {
        let same = folder.is_stamped() && folder.recorded(name) == Some(sum);
        let entry = folder.contents.entry(name).filter(|entry| entry.is_file)?;
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

/// Whether a file of this name is part of a VM.
fn belongs(name: &str) -> Belongs {
    match FileKind::of(name) {
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
            remarks: dated.remark(kind).map(str::to_owned).into_iter().collect(),
            flaws: Vec::new(),
        },
    };
    if own.packed {
        draft.point.flaws.push(Flaw::Packed(own.name.clone()));
    } else if let Some(why) = &own.contents.trouble {
        draft.point.flaws.push(Flaw::Closed(why.clone()));
    } else {
        draft.take_status();
        match &own.sums {
            Some(Ok(sums)) => draft.take_recorded(shelf, at, sums),
            Some(Err(why)) => draft.point.flaws.push(Flaw::BadSums(why.clone())),
            None if own.is_stamped() => draft.point.flaws.push(Flaw::NoSums),
            None => draft.take_named(),
        }
        draft.check();
    }
    Some(draft.point)
}

/// A point while it is put together.
struct Draft<'a> {
    own: &'a Shelved,
    point: Point,
    /// Texts of its files, wherever those lie.
    texts: BTreeMap<String, Option<&'a [u8]>>,
}

impl<'a> Draft<'a> {
    fn take_status(&mut self) {
        if !matches!(self.own.layout, Layout::GhettoVcb(_)) {
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
        } else if said("STATUS.ok").is_none() {
            self.point.flaws.push(Flaw::NoStatus);
        }
    }

    fn add(&mut self, holder: &'a Shelved, entry: &Listed, sum: Option<Sum>) {
        let text = holder.contents.texts.get(&entry.name);
        let is_text = matches!(
            FileKind::of(&entry.name),
            FileKind::Vmx | FileKind::Descriptor | FileKind::Vmsd
        );
        if is_text {
            self.texts
                .insert(entry.name.clone(), text.map(Vec::as_slice));
        }
        self.point.files.push(holder.file(entry, sum));
    }

    /// Everything that the sums name.
    fn take_recorded(&mut self, shelf: &'a [Shelved], at: usize, sums: &BTreeMap<String, Sum>) {
        let mut elsewhere = Vec::new();
        for (name, sum) in sums {
            match belongs(name) {
                Belongs::Yes => {}
                Belongs::No(why) => {
                    self.point.left_behind.push((name.clone(), why));
                    continue;
                }
                Belongs::Log => {
                    let entry = self.own.contents.entry(name);
                    let log = entry.filter(|entry| entry.is_file);
                    let log = log.map(|entry| self.own.file(entry, Some(*sum)));
                    self.point.logs.extend(log);
                    continue;
                }
            }
            match find(shelf, at, name, sum) {
                Place::At(holder, entry) => {
                    if !std::ptr::eq(holder, self.own) {
                        elsewhere.push(name.clone());
                    }
                    self.add(holder, entry, Some(*sum));
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
            self.add(self.own, entry, None);
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
        let beside = |extension: &str| format!("{stem}.{extension}");
        let mut wanted = vec![beside("vmxf"), beside("vmsd"), beside("nvram")];
        wanted.extend(parsed.nvram());
        wanted.extend(parsed.extended_config());
        // A disk from elsewhere lies beside the others in a point.
        let named = |disk: &String| contents.entry(disk).map(|_| disk.clone());
        let disks = parsed.disk_files().into_iter();
        wanted.extend(disks.filter_map(|disk| named(&disk).or_else(|| parsed.beside(&disk))));
        let catalogue = contents.texts.get(&beside("vmsd"));
        let catalogue = catalogue.and_then(|text| Vmsd::parse(text).ok());
        if let Some(catalogue) = catalogue.filter(|catalogue| catalogue.count() > 0) {
            wanted.extend(catalogue.snapshots.into_iter().flat_map(|one| one.disks));
            let states = files().filter(|entry| FileKind::of(&entry.name) == FileKind::State);
            wanted.extend(states.map(|entry| entry.name.clone()));
        }
        while let Some(name) = wanted.pop() {
            let entry = contents.entry(&name).filter(|entry| entry.is_file);
            let Some(entry) = entry.filter(|_| self.point.file(&name).is_none()) else {
                continue;
            };
            self.add(self.own, entry, None);
            if FileKind::of(&name) == FileKind::Descriptor
                && let Some(text) = contents.texts.get(&name)
                && let Ok(disk) = Descriptor::parse(text)
            {
                wanted.extend(disk.files().map(str::to_owned));
                wanted.extend(disk.parent_hint);
            }
        }
        self.leave_behind();
    }

    fn leave_behind(&mut self) {
        for entry in self.own.contents.entries.iter().filter(|e| e.is_file) {
            if self.point.file(&entry.name).is_some() {
                continue;
            }
            let why = match belongs(&entry.name) {
                Belongs::Log => {
                    self.point.logs.push(self.own.file(entry, None));
                    continue;
                }
                Belongs::No(_) if FileKind::of(&entry.name) == FileKind::Other => continue,
                Belongs::No(why) => why,
                Belongs::Yes => "nothing of the VM names it",
            };
            self.point.left_behind.push((entry.name.clone(), why));
        }
    }

    /// Checks what its texts say: their own sums, that every disk the VM sees and every file a disk
    /// needs is in the point and as long as it must be, and that snapshots fit each other.
    fn check(&mut self) {
        if self
            .point
            .flaws
            .iter()
            .any(|flaw| matches!(flaw, Flaw::NoSums | Flaw::BadSums(_)))
        {
            return;
        }
        self.point
            .files
            .sort_by(|left, right| left.name.cmp(&right.name));
        let names: Vec<String> = self
            .point
            .named(FileKind::Vmx)
            .map(|file| file.name.clone())
            .collect();
        let is_vmx = |name: &str| FileKind::of(name) == FileKind::Vmx;
        let lost = self.point.flaws.iter().any(|flaw| {
            matches!(flaw, Flaw::Missing { name, .. } | Flaw::NotAFile { name } if is_vmx(name))
        });
        if names.len() != 1 && !lost {
            self.point.flaws.push(Flaw::NotOneVmx { names });
        }
        let mut flaws = Vec::new();
        let mut disks = BTreeMap::new();
        for (name, text) in &self.texts {
            let Some(file) = self.point.file(name) else {
                continue;
            };
            let unreadable = |why: String| Flaw::Unreadable {
                name: self.shown(file),
                why,
            };
            let Some(text) = text else {
                flaws.push(unreadable("it may not be read".to_owned()));
                continue;
            };
            let whole = u64::try_from(text.len()) == Ok(file.bytes);
            if whole && file.sum.is_some_and(|sum| Sum::of(text) != sum) {
                let name = self.shown(file);
                flaws.push(Flaw::SumMismatch { name });
                continue;
            }
            match FileKind::of(name) {
                FileKind::Vmx => match Vmx::parse(text) {
                    Ok(vmx) => self.check_vmx(name, &vmx, &mut flaws),
                    Err(why) => flaws.push(unreadable(why.to_string())),
                },
                FileKind::Descriptor => match Descriptor::parse(text) {
                    Ok(disk) => {
                        self.check_descriptor(name, &disk, &mut flaws);
                        disks.insert(name.as_str(), disk);
                    }
                    Err(why) => flaws.push(unreadable(why.to_string())),
                },
                _ => {}
            }
        }
        check_snapshots(&disks, &mut flaws);
        self.point.flaws.extend(flaws);
        self.remark_lost_nvram();
    }

    /// Its name, with the point that it lies in where that is an earlier one.
    fn shown(&self, file: &PointFile) -> String {
        match file.at.split_once('/') {
            Some((folder, _)) if folder != self.own.name => {
                format!("{} in {folder}", file.name)
            }
            _ => file.name.clone(),
        }
    }

    fn need(&self, needed_by: &str, name: &str, flaws: &mut Vec<Flaw>) -> Option<&PointFile> {
        let found = self.point.file(name);
        if found.is_none() && !self.is_flawed(name) {
            let (needed_by, name) = (needed_by.to_owned(), name.to_owned());
            let there = self.own.contents.entry(&name).is_some();
            flaws.push(if there && self.point.verified {
                Flaw::Unlisted { needed_by, name }
            } else {
                Flaw::Needs { needed_by, name }
            });
        }
        found
    }

    fn check_vmx(&self, name: &str, vmx: &Vmx, flaws: &mut Vec<Flaw>) {
        for needed in vmx.disk_files() {
            let beside = vmx
                .beside(&needed)
                .filter(|name| self.point.file(name).is_some());
            self.need(name, &beside.unwrap_or(needed), flaws);
        }
        // A host makes these anew where they are missing; a torn list must not lose them.
        for beside in [vmx.nvram(), vmx.extended_config()].into_iter().flatten() {
            if self.own.contents.entry(&beside).is_some() {
                self.need(name, &beside, flaws);
            }
        }
    }

    fn remark_lost_nvram(&mut self) {
        let vmx = self
            .point
            .vmx()
            .and_then(|name| (*self.texts.get(name)?).map(Vmx::parse));
        let Some(Ok(vmx)) = vmx else { return };
        if let Some(nvram) = vmx.nvram().filter(|nvram| self.point.file(nvram).is_none()) {
            self.point.remarks.push(format!(
                "{nvram} is not in the backup: the host makes a new one, without what the firmware was set to"
            ));
        }
    }

    fn check_descriptor(&self, name: &str, disk: &Descriptor, flaws: &mut Vec<Flaw>) {
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
            Runnable::AfterConversion => {
                let (name, create_type) = (name.to_owned(), disk.create_type.clone());
                flaws.push(Flaw::HostedSnapshot { name, create_type });
                return;
            }
            Runnable::Unknown => {
                let (name, create_type) = (name.to_owned(), disk.create_type.clone());
                flaws.push(Flaw::NotRunnable { name, create_type });
                return;
            }
        }
        if let Some(parent) = &disk.parent_hint {
            self.need(name, parent, flaws);
        }
        for extent in disk.extents.iter().filter(|_| !disk.embedded) {
            let Some(needed) = extent.file.as_deref() else {
                continue;
            };
            let Some(file) = self.need(name, needed, flaws) else {
                continue;
            };
            // The file of a sparse extent is as long as what was ever written to it.
            let flat = extent.kind == "VMFS" || (extent.kind == "FLAT" && extent.offset == Some(0));
            if flat && file.bytes != extent.bytes {
                let (name, has, needs) = (self.shown(file), file.bytes, extent.bytes);
                flaws.push(Flaw::WrongSize { name, has, needs });
            }
        }
    }

    /// Whether a flaw already says why this file is not there.
    fn is_flawed(&self, wanted: &str) -> bool {
        self.point.flaws.iter().any(|flaw| match flaw {
            Flaw::Missing { name, .. } | Flaw::NotAFile { name } => name == wanted,
            _ => false,
        })
    }
}

/// Each snapshot must be one of the very state of the disk below it, down to a disk that stands
/// alone.
fn check_snapshots(disks: &BTreeMap<&str, Descriptor>, flaws: &mut Vec<Flaw>) {
    for (name, disk) in disks.iter().filter(|(_, disk)| disk.is_link()) {
        let name = (*name).to_owned();
        let Some(hint) = &disk.parent_hint else {
            flaws.push(Flaw::NoParent { name });
            continue;
        };
        // A parent that is not there was named already.
        let Some(parent) = disks.get(hint.as_str()) else {
            continue;
        };
        if let Some(wants) = disk.parent_cid.filter(|cid| parent.cid != Some(*cid)) {
            let (parent, has) = (hint.clone(), parent.cid);
            flaws.push(Flaw::OtherParent {
                name: name.clone(),
                parent,
                wants,
                has,
            });
        }
        let needs_conversion = |disk: &Descriptor| disk.runnable() == Runnable::AfterConversion;
        // Of two that need it, each link was named already.
        if needs_conversion(parent) && !parent.is_link() && !needs_conversion(disk) {
            flaws.push(Flaw::HostedBelow {
                name: hint.clone(),
                create_type: parent.create_type.clone(),
                snapshot: name.clone(),
            });
        }
        let below = |from: &&Descriptor| disks.get(from.parent_hint.as_deref()?);
        let chain = std::iter::successors(Some(disk), |disk| below(disk));
        if chain.take(disks.len() + 1).count() > disks.len() {
            flaws.push(Flaw::Circle { name });
        }
    }
}

#[cfg(test)]
mod tests;
