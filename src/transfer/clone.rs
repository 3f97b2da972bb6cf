//! A restore whose point lies on the recovery host itself: disks are cloned there by `vmkfstools`,
//! small files copied, and nothing passes through the console.
//!
//! A clone gets a descriptor of its own (new content id), so what is proven of a disk is its data:
//! the source's sum before, the exit status, the chain, the clone's sum after.

use std::time::Instant;

use super::deliver::{Against, Delivery, Item, Landed, Landing, listed, mode};
use super::observe::{Observed, Standing};
use super::progress::Phase;
use super::source::{Folder, join};
use super::sums::Sum;
use super::target::{SummedBy, UNCHANGED, Work, time_for};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::HostCommand;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::commands::{DiskFormat, check_disk_chain, clone_disk, rename_disk};
use crate::hypervisor::esxi::vmkfstools;
use crate::hypervisor::shell::{self, Removed};
use crate::vmfiles::{Descriptor, FileKind};

/// A disk of the set: a descriptor and the one file that holds its data.
struct Disk<'a> {
    descriptor: &'a Item,
    data: &'a Item,
}

impl Disk<'_> {
    fn stem(&self) -> &str {
        stem(&self.descriptor.name)
    }
}

fn stem(descriptor: &str) -> &str {
    descriptor.strip_suffix(".vmdk").unwrap_or(descriptor)
}

/// `vmkfstools` derives the data's name from the descriptor's, so the temporary name keeps its end.
fn part_stem(delivery: &Delivery, stem: &str) -> String {
    format!("{stem}.lifeboat-{}-part", delivery.to.run)
}

/// The writes that are still to be done, the folder apart.
pub(super) fn preview(delivery: &Delivery, found: &Observed) -> Vec<String> {
    let to = &delivery.to;
    let source = |at: &str| match delivery.from.join(at) {
        Folder::On { path, .. } => path,
        other => other.place(),
    };
    let mut lines = Vec::new();
    for item in delivery.ordered() {
        if matches!(found.standing(&item.name), Standing::Whole(..)) {
            continue;
        }
        match FileKind::of(&item.name) {
            // A disk's data comes with its descriptor.
            FileKind::Descriptor => {}
            FileKind::Extent => {
                let stem = item.name.strip_suffix("-flat.vmdk").unwrap_or(&item.name);
                let part = part_stem(delivery, stem);
                let (descriptor, data) = (format!("{part}.vmdk"), format!("{part}-flat.vmdk"));
                for left in [&descriptor, &data]
                    .into_iter()
                    .filter(|left| found.own.contains(left))
                {
                    lines.push(shell::remove_file(&to.path(left)).line());
                }
                let (name, part) = (format!("{stem}.vmdk"), to.path(&descriptor));
                let descriptor = delivery.items.iter().find(|item| item.name == name);
                let from = source(descriptor.map_or(&name, |descriptor| &descriptor.at));
                lines.push(clone_disk(&from, &part, DiskFormat::Thin).line());
                lines.push(rename_disk(&part, &to.path(&name)).line());
            }
            _ => {
                let part = to.part_name(&item.name);
                lines.push(copy(&source(&item.at), &to.path(&part), item.bytes).line());
                lines.push(shell::set_mode(&to.path(&part), mode(&item.name)).line());
                lines.push(to.rename(&part, &item.name).line());
            }
        }
    }
    lines
}

fn copy(from: &str, to: &str, bytes: u64) -> HostCommand {
    HostCommand::write(["cp", from, to]).deadline(time_for(bytes))
}

/// A descriptor that a clone wrote is not the one of the point; it counts as whole if it describes
/// the very data that was proven.
pub(super) async fn accept_rewritten<W>(
    work: &Work<W>,
    delivery: &Delivery,
    observed: &mut Observed,
) -> Result<(), Fault> {
    let folder = Folder::On {
        host: work.to.host.clone(),
        path: work.to.folder.clone(),
        lane: work.to.lane,
    };
    for item in &delivery.items {
        let different = observed.files.get(&item.name) == Some(&Standing::Different);
        if !different || FileKind::of(&item.name) != FileKind::Descriptor {
            continue;
        }
        let text = folder.head(&item.name, Descriptor::PREFIX).await?;
        let Ok(disk) = Descriptor::parse(&text) else {
            continue;
        };
        let whole = |name: &str| matches!(observed.files.get(name), Some(Standing::Whole(..)));
        let sized = |name: &str| {
            delivery
                .items
                .iter()
                .any(|item| item.name == name && item.bytes == disk.capacity())
        };
        let mut files = disk.files();
        let only = files.next().filter(|_| files.next().is_none());
        if !disk.is_link() && only.is_some_and(|name| whole(name) && sized(name)) {
            let standing = Standing::Whole(Sum::of(&text), SummedBy::ReadingBack);
            observed.files.insert(item.name.clone(), standing);
        }
    }
    Ok(())
}

/// Brings everything that is not there yet.
pub(super) async fn bring<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    found: &Observed,
) -> Result<Vec<Landed>, TransferError> {
    if delivery.landing == Landing::Replace {
        let what = "files of a host cannot be copied back to the same host".to_owned();
        return Err(delivery.blocked(what).into());
    }
    let disks = disks(delivery).await?;
    let mut landed = Vec::new();
    for item in delivery.ordered() {
        work.meter.file(&item.name, item.bytes, Instant::now());
        if let Standing::Whole(sum, by) = found.standing(&item.name) {
            work.meter.settle(item.bytes, 0, Instant::now());
            let mut file = delivery.landed(item, sum, by, found);
            if item.sum != Some(sum) {
                file.against = Against::Rewritten;
            }
            landed.push(file);
            continue;
        }
        if let Some(disk) = disks.iter().find(|disk| disk.data.name == item.name) {
            landed.extend(clone(delivery, work, disk, found).await?);
        } else if let Some(disk) = disks.iter().find(|disk| disk.descriptor.name == item.name) {
            // It comes with its data, unless that has its final name already.
            if matches!(found.standing(&disk.data.name), Standing::Whole(..)) {
                return Err(delivery.blocked(half_renamed(&item.name)).into());
            }
        } else {
            landed.push(copy_small(delivery, work, item, found).await?);
        }
    }
    Ok(landed)
}

/// The set's disks. What `vmkfstools` would turn into something else is refused.
async fn disks(delivery: &Delivery) -> Result<Vec<Disk<'_>>, Fault> {
    let refuse = |what: String| {
        Fault::new(
            what,
            delivery.from.place(),
            UNCHANGED,
            "choose a restore point without snapshots, or one that lies elsewhere than on the recovery host",
        )
    };
    let mut disks = Vec::new();
    for item in &delivery.items {
        if FileKind::of(&item.name) != FileKind::Descriptor {
            continue;
        }
        let text = delivery.from.head(&item.at, Descriptor::PREFIX).await?;
        let disk =
            Descriptor::parse(&text).map_err(|why| refuse(format!("{}: {why}", item.name)))?;
        if disk.is_link() {
            let what = format!("{} is a snapshot, and a clone would merge it", item.name);
            return Err(refuse(what));
        }
        let expected = format!("{}-flat.vmdk", stem(&item.name));
        let files: Vec<&str> = disk.files().collect();
        let data = delivery.items.iter().find(|data| data.name == expected);
        match data {
            Some(data) if files == [expected.as_str()] => {
                disks.push(Disk {
                    descriptor: item,
                    data,
                });
            }
            _ => {
                let what = format!(
                    "{} keeps its data in {}, not in {expected}",
                    item.name,
                    listed(&files)
                );
                return Err(refuse(what));
            }
        }
    }
    Ok(disks)
}

fn half_renamed(descriptor: &str) -> String {
    format!(
        "renaming the clone to {descriptor} stopped half way: its data has the final name, the descriptor has not"
    )
}

async fn copy_small<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    item: &Item,
    found: &Observed,
) -> Result<Landed, TransferError> {
    let to = &delivery.to;
    let Folder::On { path: from, .. } = delivery.from.join(&item.at) else {
        return Err(Fault::default().into());
    };
    work.meter.phase(Phase::Cloning, Instant::now());
    let part = to.part_name(&item.name);
    for command in [
        copy(&from, &to.path(&part), item.bytes),
        shell::set_mode(&to.path(&part), mode(&item.name)),
    ] {
        let output = work.send(&command).await?;
        let doing = format!("copying {}", item.name);
        shell::check_quiet(&output).map_err(|fault| delivery.failed(&doing, &fault))?;
    }
    work.meter.settle(item.bytes, 0, Instant::now());
    work.meter.phase(Phase::Proving, Instant::now());
    let (sum, summed_by) = work.sum(&part, item.bytes).await?;
    if item.sum.is_some_and(|recorded| recorded != sum) {
        return Err(differs(delivery, &item.name, sum, item.sum).into());
    }
    delivery.rename(work, &part, &item.name).await?;
    Ok(delivery.landed(item, sum, summed_by, found))
}

fn differs(delivery: &Delivery, name: &str, sum: Sum, wanted: Option<Sum>) -> Fault {
    let recorded = wanted.map_or_else(|| "unknown".to_owned(), |sum| sum.to_string());
    Fault::new(
        format!("{name} is corrupt: its sum is {sum}, recorded is {recorded}"),
        delivery.from.place(),
        "it did not get its final name; nothing was registered",
        "choose another restore point, or mend this one, then retry",
    )
}

async fn clone<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    disk: &Disk<'_>,
    found: &Observed,
) -> Result<Vec<Landed>, TransferError> {
    let to = &delivery.to;
    work.meter.phase(Phase::Reading, Instant::now());
    let before = delivery.source_sum(work, disk.data).await?;
    if disk.data.sum.is_some_and(|recorded| recorded != before) {
        return Err(differs(delivery, &disk.data.name, before, disk.data.sum).into());
    }
    let part = part_stem(delivery, disk.stem());
    let (part_descriptor, part_data) = (format!("{part}.vmdk"), format!("{part}-flat.vmdk"));
    clear(delivery, work, found, &[&part_descriptor, &part_data]).await?;
    work.meter.phase(Phase::Cloning, Instant::now());
    let from = match &delivery.from {
        Folder::On { path, .. } => join(path, &disk.descriptor.at),
        Folder::Here(_) | Folder::Stream(_) => return Err(Fault::default().into()),
    };
    let target = to.path(&part_descriptor);
    let doing = format!("cloning {}", disk.descriptor.name);
    let failed = |fault: DriverFault| delivery.failed(&doing, &fault);
    let output = work
        .send(&clone_disk(&from, &target, DiskFormat::Thin))
        .await?;
    vmkfstools::check(&output).map_err(failed)?;
    work.meter.settle(disk.data.bytes, 0, Instant::now());
    work.meter.phase(Phase::Proving, Instant::now());
    let output = work
        .look(&to.host, to.lane, &check_disk_chain(&target))
        .await?;
    vmkfstools::check_chain(&output).map_err(failed)?;
    let (after, summed_by) = work.sum(&part_data, disk.data.bytes).await?;
    if after != before {
        return Err(differs(delivery, &part_data, after, Some(before)).into());
    }
    let output = work
        .send(&rename_disk(&target, &to.path(&disk.descriptor.name)))
        .await?;
    vmkfstools::check(&output).map_err(failed)?;
    let data = delivery.landed(disk.data, after, summed_by, found);
    let descriptor = landed_descriptor(delivery, work, disk).await?;
    Ok(vec![data, descriptor])
}

/// Takes away what an earlier try of this run left; a clone cannot go on from it.
async fn clear<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    found: &Observed,
    names: &[&str],
) -> Result<(), TransferError> {
    for name in names {
        if !found.own.iter().any(|own| own == name) {
            continue;
        }
        let output = work
            .send(&shell::remove_file(&delivery.to.path(name)))
            .await?;
        let doing = format!("removing the unfinished {name}");
        match Removed::parse(&output).map_err(|fault| delivery.failed(&doing, &fault))? {
            Removed::Done | Removed::Absent => {}
            Removed::IsFolder | Removed::NoFolder => {
                return Err(delivery
                    .blocked(format!("{doing}: it is not a file"))
                    .into());
            }
        }
    }
    Ok(())
}

/// The rename is believed when both files are there under their final names and fit.
async fn landed_descriptor<W>(
    delivery: &Delivery,
    work: &Work<W>,
    disk: &Disk<'_>,
) -> Result<Landed, TransferError> {
    let to = &delivery.to;
    let folder = Folder::On {
        host: to.host.clone(),
        path: to.folder.clone(),
        lane: to.lane,
    };
    let name = &disk.descriptor.name;
    let text = folder.head(name, Descriptor::PREFIX).await?;
    let described = Descriptor::parse(&text);
    let fits = described.as_ref().is_ok_and(|found| {
        found.capacity() == disk.data.bytes && found.files().eq([disk.data.name.as_str()])
    });
    let output = work
        .look(&to.host, to.lane, &shell::find(&to.path(&disk.data.name)))
        .await?;
    let found = shell::Found::parse(&output)
        .map_err(|fault| delivery.failed(&format!("looking at {}", disk.data.name), &fault))?;
    if !fits || found.stat().is_none_or(|stat| stat.size != disk.data.bytes) {
        return Err(delivery.blocked(half_renamed(name)).into());
    }
    Ok(Landed {
        name: name.clone(),
        bytes: text.len() as u64,
        sum: Sum::of(&text),
        against: Against::Rewritten,
        summed_by: SummedBy::ReadingBack,
        was_there: false,
        original: None,
    })
}
