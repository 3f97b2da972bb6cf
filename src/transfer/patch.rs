//! Making a file from the one that bears its name at the target, so that only what differs is sent.
//!
//! The original is not written to: `vmkfstools` clones the disk that it belongs to (on a posix host
//! `cp` copies the file) under a name of this run's own. A clone gets the name under which files
//! arrive when it is complete; one that was cut short is known by its name, and made anew. Where a
//! clone has no room and a person agreed, the original itself takes that name, and is lost.

use std::collections::BTreeMap;
use std::time::Instant;

use super::deliver::{Delivery, Item, Landing};
use super::observe::{Observed, Standing, observe};
use super::progress::Phase;
use super::seed;
use super::source::Folder;
use super::target::{Work, time_for};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::HostCommand;
use crate::hypervisor::esxi::commands::{DiskFormat, clone_disk};
use crate::hypervisor::esxi::vmkfstools;
use crate::hypervisor::shell::{self, FileKind as Kind, Removed};
use crate::names::RunId;
use crate::runbook::model::Driver;
use crate::vmfiles::{Descriptor, FileKind};

/// Files up to this many bytes are compared whenever somebody looks.
const SMALL: u64 = 1 << 20;

/// What a file is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The flat disk whose descriptor has this name at the target.
    Disk(String),
    /// The file of the same name, where the host has no disks.
    File,
}

/// Why a file comes whole, in words that go on after its name: `has another size there`.
pub type Whole = String;

impl Delivery {
    /// What is at the target, as far as it can be told without reading disks: files of up to a
    /// mebibyte are summed at both ends, larger ones that bear the name of one to bring count as
    /// different.
    ///
    /// # Errors
    /// The target or the source cannot be looked at.
    pub async fn glance(&self) -> Result<Observed, Fault> {
        let mut small = self.clone();
        let work = self.looking();
        for item in &mut small.items {
            item.sum = match item.sum {
                _ if item.bytes > SMALL => None,
                None => Some(self.source_sum(&work, item).await?),
                known => known,
            };
        }
        observe(&work, &small).await
    }
}

/// From what each file can be made that has another one's name at the target, or why it comes whole.
pub(super) async fn bases<W>(
    work: &Work<W>,
    delivery: &Delivery,
    observed: &Observed,
) -> Result<BTreeMap<String, Result<Base, Whole>>, Fault> {
    let mut bases = BTreeMap::new();
    let wanted = |item: &&Item| {
        item.kind == FileKind::Extent
            && observed.standing(&item.name) == Standing::Different
            && observed.begun(&item.name).is_none()
    };
    let open: Vec<&Item> = delivery.items.iter().filter(wanted).collect();
    if open.is_empty() {
        return Ok(bases);
    }
    let entries = work.list().await?.unwrap_or_default();
    let size = |name: &str| {
        let entry = entries.iter().find(|entry| entry.text() == Some(name))?;
        let stat = entry.stat.filter(|stat| stat.kind == Kind::File)?;
        Some(stat.size)
    };
    let folder = Folder::On {
        host: work.to.host.clone(),
        path: work.to.folder.clone(),
        lane: work.to.lane,
    };
    for item in open {
        let base = match size(&item.name) {
            Some(bytes) if bytes == item.bytes && work.to.host.driver() == Driver::Posix => {
                Ok(Base::File)
            }
            _ => disk(&item.name, item.bytes, &folder, &size).await?,
        };
        bases.insert(item.name.clone(), base);
    }
    Ok(bases)
}

/// The disk whose data has that name and size in a folder, by which a host clones it, or why there
/// is none.
pub(super) async fn disk(
    data: &str,
    bytes: u64,
    folder: &Folder,
    size: &(impl Fn(&str) -> Option<u64> + Sync),
) -> Result<Result<Base, Whole>, Fault> {
    Ok(match size(data) {
        None => Err("is no plain file there".to_owned()),
        Some(there) if there != bytes => Err("has another size there".to_owned()),
        Some(_) => match descriptor_of(data) {
            Some(name) if size(&name).is_some() => {
                let text = folder.head(&name, Descriptor::PREFIX).await?;
                flat_disk(data, bytes, name, &text)
            }
            _ => Err("has no descriptor there to clone it by".to_owned()),
        },
    })
}

/// `vmkfstools` finds a disk's data by its descriptor, and names a clone's data after it.
pub(super) fn descriptor_of(data: &str) -> Option<String> {
    let stem = data.strip_suffix("-flat.vmdk")?;
    Some(format!("{stem}.vmdk"))
}

fn flat_disk(data: &str, bytes: u64, descriptor: String, text: &[u8]) -> Result<Base, Whole> {
    let disk = Descriptor::parse(text)
        .map_err(|why| format!("cannot be cloned there: {descriptor}: {why}"))?;
    if disk.is_link() {
        return Err(format!(
            "cannot be cloned there: {descriptor} is a snapshot"
        ));
    }
    if !disk.files().eq([data]) || disk.capacity() != bytes {
        return Err(format!(
            "cannot be cloned there: {descriptor} describes another disk"
        ));
    }
    Ok(Base::Disk(descriptor))
}

/// A command on the way to a base.
pub(super) enum Deed {
    /// A file of this run's own that a crash left.
    Remove(String),
    /// By descriptors.
    CloneDisk(String, String),
    /// From the path of a descriptor in another folder.
    CloneSeed(String, String),
    Copy(String, String, u64),
    Rename(String, String),
}

impl Deed {
    fn command(&self, delivery: &Delivery) -> HostCommand {
        let to = &delivery.to;
        match self {
            Self::Remove(name) => shell::remove_file(&to.path(name)),
            Self::CloneDisk(from, clone) => {
                clone_disk(&to.path(from), &to.path(clone), DiskFormat::Thin)
            }
            Self::CloneSeed(from, clone) => clone_disk(from, &to.path(clone), DiskFormat::Thin),
            Self::Copy(from, copy, bytes) => {
                shell::copy_sparse(&to.path(from), &to.path(copy)).deadline(time_for(*bytes))
            }
            Self::Rename(from, name) => to.rename(from, name),
        }
    }

    async fn run<W: Writes>(
        &self,
        delivery: &Delivery,
        work: &Work<W>,
    ) -> Result<(), TransferError> {
        if let Self::Rename(from, name) = self {
            return delivery.rename(work, from, name).await;
        }
        let output = work.send(&self.command(delivery)).await?;
        let (doing, checked) = match self {
            Self::Remove(name) => {
                let removed = Removed::parse(&output).map(drop);
                (format!("removing the unfinished {name}"), removed)
            }
            Self::CloneDisk(from, _) | Self::CloneSeed(from, _) => {
                (format!("cloning {from}"), vmkfstools::check(&output))
            }
            Self::Copy(from, ..) | Self::Rename(from, _) => {
                (format!("copying {from}"), shell::check_quiet(&output))
            }
        };
        checked.map_err(|fault| delivery.failed(&doing, &fault).into())
    }
}

/// Names of this run's own under which a file is cloned.
pub(super) struct Clones {
    copy: String,
    /// Of a flat disk.
    pub(super) descriptor: Option<String>,
    /// The data that goes with it.
    pub(super) data: Option<String>,
}

impl Clones {
    pub(super) fn of(run: &RunId, name: &str) -> Self {
        let clone = |name: &str| format!("{name}{}clone", run.mark());
        let stem = name.strip_suffix("-flat.vmdk").map(clone);
        let [descriptor, data] =
            ["", "-flat"].map(|end| stem.as_ref().map(|stem| format!("{stem}{end}.vmdk")));
        Self {
            copy: clone(name),
            descriptor,
            data,
        }
    }
}

/// Taking away what a crash left of a clone.
pub(super) fn left_behind<'a>(
    names: impl IntoIterator<Item = Option<&'a String>>,
    found: &Observed,
) -> Vec<Deed> {
    let left = names.into_iter().flatten();
    let left = left.filter(|left| found.own.contains(left));
    left.cloned().map(Deed::Remove).collect()
}

/// What is to be done before a file's data is sent: what a crash left is taken away, and its base
/// made, where there is one.
fn deeds(delivery: &Delivery, item: &Item, found: &Observed) -> Vec<Deed> {
    if !delivery.patches() {
        return seed::deeds(delivery, item, found);
    }
    let (to, name) = (&delivery.to, item.name.as_str());
    let part = to.part_name(name);
    let Clones {
        copy,
        descriptor,
        data,
    } = Clones::of(&to.run, name);
    let left = [Some(&copy), data.as_ref(), descriptor.as_ref()];
    let mut deeds = left_behind(left, found);
    let base = match found.bases.get(name) {
        Some(Ok(base)) => base,
        Some(Err(_)) => return deeds,
        None => {
            deeds.extend(seed::clone(delivery, item, found));
            return deeds;
        }
    };
    match (base, descriptor, data) {
        _ if delivery.landing == Landing::InPlace => {
            deeds.push(Deed::Rename(name.to_owned(), part));
        }
        (Base::Disk(disk), Some(descriptor), Some(data)) => deeds.extend([
            Deed::CloneDisk(disk.clone(), descriptor.clone()),
            Deed::Rename(data, part),
            Deed::Remove(descriptor),
        ]),
        _ => deeds.extend([
            Deed::Copy(name.to_owned(), copy.clone(), item.bytes),
            Deed::Rename(copy, part),
        ]),
    }
    deeds
}

/// Makes a file's base. Whether there is one now.
pub(super) async fn make<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    item: &Item,
    found: &Observed,
) -> Result<bool, TransferError> {
    let deeds = deeds(delivery, item, found);
    if !deeds.is_empty() {
        work.meter.phase(Phase::Cloning, Instant::now());
    }
    for deed in &deeds {
        deed.run(delivery, work).await?;
    }
    Ok(deeds.iter().any(|deed| matches!(deed, Deed::Rename(..))))
}

/// The same commands, before they are sent.
pub(super) fn preview(delivery: &Delivery, item: &Item, found: &Observed) -> Vec<String> {
    let deeds = deeds(delivery, item, found);
    deeds
        .iter()
        .map(|deed| deed.command(delivery).line())
        .collect()
}

/// Whether the original under this name makes room by a name aside: it is there, and is not what
/// the new file is made in.
pub(super) fn makes_room(delivery: &Delivery, name: &str, found: &Observed) -> bool {
    let used = delivery.landing == Landing::InPlace && matches!(found.bases.get(name), Some(Ok(_)));
    found.standing(name) == Standing::Different && !used
}
