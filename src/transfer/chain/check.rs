//! What speaks against a point, as its texts tell.

use std::collections::BTreeMap;

use super::super::flaw::{Flaw, NO_DESCRIPTOR};
use super::super::layout::PointKind;
use super::super::point::PointFile;
use super::super::sums::Sum;
use super::shelved::set_apart;
use super::{Draft, base, beside, place};
use crate::vmfiles::{Descriptor, Disk, FileKind, Runnable, Vmx, snapshot_of};

impl Draft<'_> {
    /// Checks what its texts say: their own sums, that every disk the VM sees and every file a disk
    /// needs is in the point and as long as it must be, and that snapshots fit each other.
    pub(super) fn check(&mut self) {
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
        let disks = self.check_texts(&mut flaws);
        check_snapshots(&disks, &mut flaws);
        self.point.flaws.extend(flaws);
        self.remark_lost_nvram();
    }

    /// Checks the VM's file and the disks' descriptors; the disks that they describe.
    fn check_texts(&self, flaws: &mut Vec<Flaw>) -> BTreeMap<&str, Descriptor> {
        let mut disks = BTreeMap::new();
        for (name, text) in &self.texts {
            let Some(file) = self.point.file(name) else {
                continue;
            };
            let unreadable = |why: String| Flaw::Unreadable {
                name: self.shown(file),
                why,
            };
            let text = match text {
                Ok(text) => text,
                Err(why) => {
                    flaws.push(unreadable(format!("it {why}")));
                    continue;
                }
            };
            let whole = u64::try_from(text.len()) == Ok(file.bytes);
            if whole && file.sum.is_some_and(|sum| Sum::of(text) != sum) {
                let name = self.shown(file);
                flaws.push(Flaw::SumMismatch { name });
                continue;
            }
            match file.kind {
                FileKind::Vmx => match Vmx::parse(text) {
                    Ok(vmx) => self.check_vmx(name, &vmx, flaws),
                    Err(why) => flaws.push(unreadable(why.to_string())),
                },
                FileKind::Descriptor => match Descriptor::parse(text) {
                    Ok(disk) => {
                        self.check_descriptor(name, &disk, flaws);
                        disks.insert(name.as_str(), disk);
                    }
                    Err(why) => flaws.push(unreadable(why.to_string())),
                },
                _ => {}
            }
        }
        disks
    }

    /// Its name, with the point that it lies in where that is an earlier one.
    fn shown(&self, file: &PointFile) -> String {
        match self.point.holder(file) {
            Some(folder) => format!("{} in {folder}", file.name),
            None => file.name.clone(),
        }
    }

    fn need(&self, needed_by: &str, path: &str, flaws: &mut Vec<Flaw>) -> Option<&PointFile> {
        let found = self.point.file(path);
        if found.is_none() && !self.is_flawed(path) {
            let (needed_by, name) = (needed_by.to_owned(), path.to_owned());
            let there = self.own.entry(path).is_some();
            flaws.push(if there && self.point.verified {
                Flaw::Unlisted { needed_by, name }
            } else {
                let why = String::new();
                Flaw::Needs {
                    needed_by,
                    name,
                    why,
                }
            });
        }
        found
    }

    fn check_vmx(&self, name: &str, vmx: &Vmx, flaws: &mut Vec<Flaw>) {
        let there = |path: &str| {
            self.point.file(path).is_some()
                || self.is_flawed(path)
                || self.own.entry(path).is_some()
        };
        let mut found: BTreeMap<String, Disk> = BTreeMap::new();
        for disk in vmx.hard_disks() {
            let Some(path) = place(vmx, &disk.file, there) else {
                flaws.push(Flaw::Needs {
                    needed_by: name.to_owned(),
                    why: self.why_missing(&disk),
                    name: disk.file,
                });
                continue;
            };
            let file = self.need(name, &path, flaws);
            if let Some(file) = file.filter(|file| file.kind.is_disk_data()) {
                let (name, why) = (self.shown(file), format!("it is {NO_DESCRIPTOR}"));
                flaws.push(Flaw::Unreadable { name, why });
            }
            let other = found.get(&path).filter(|other| other.file != disk.file);
            if let Some(other) = other {
                let shown = |disk: &Disk| format!("{} ({})", disk.device, disk.file);
                flaws.push(Flaw::OneForTwo {
                    name: path.clone(),
                    disks: format!("{} and {}", shown(other), shown(&disk)),
                });
            }
            found.insert(path, disk);
        }
        // A host makes these anew where they are missing; a torn list must not lose them.
        for beside in [vmx.nvram(), vmx.extended_config()].into_iter().flatten() {
            if self.own.contents.entry(&beside).is_some() {
                self.need(name, &beside, flaws);
            }
        }
    }

    /// What may have become of a disk that is not there; empty where nothing can be said.
    fn why_missing(&self, disk: &Disk) -> String {
        if self.own.is_stamped() {
            return String::new();
        }
        let by_ghettovcb = self.point.kind == PointKind::GhettoVcb;
        let mode = disk.mode.as_deref().unwrap_or_default();
        if by_ghettovcb && mode.to_ascii_lowercase().starts_with("independent") {
            return format!(
                ": ghettoVCB leaves out independent disks (put a copy of it there, or take {} out of the .vmx there, \
                 if the VM can do without)",
                disk.device
            );
        }
        if let Some(below) = snapshot_of(base(&disk.file)).map(|disk| format!("{disk}.vmdk"))
            && self.own.entry(&below).is_some()
            && self.point.file(&below).is_none()
        {
            return format!(
                ": {below} is there, and nothing names it (was a snapshot removed while the backup began? Then it is \
                 that disk: have the .vmx there name it)"
            );
        }
        match set_apart(&disk.file) {
            Some(path) => format!(", nor is it there as {path}"),
            None if by_ghettovcb => ": was it left out (VMDK_FILES_TO_BACKUP)?".to_owned(),
            None => String::new(),
        }
    }

    fn remark_lost_nvram(&mut self) {
        let vmx = self
            .point
            .vmx()
            .and_then(|name| self.texts.get(name)?.as_ref().ok())
            .map(|text| Vmx::parse(text));
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
            self.need(name, &beside(name, parent), flaws);
        }
        for extent in disk.extents.iter().filter(|_| !disk.embedded) {
            let Some(needed) = extent.file.as_deref() else {
                continue;
            };
            let Some(file) = self.need(name, &beside(name, needed), flaws) else {
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
        let hint = beside(&name, hint);
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
        let below = |(path, from): &(String, &Descriptor)| {
            let path = beside(path, from.parent_hint.as_deref()?);
            let found = disks.get(path.as_str())?;
            Some((path, found))
        };
        let chain = std::iter::successors(Some((name.clone(), disk)), |above| below(above));
        if chain.take(disks.len() + 1).count() > disks.len() {
            flaws.push(Flaw::Circle { name });
        }
    }
}
