//! Disks that `vmkfstools` makes on the host: clones of what lies there, and disks of the host's own
//! kind out of those that no host can run.
//!
//! What such a disk is made of is brought whole, each file proven, into a folder of this run's own
//! beside the VM's other files, under the names that the descriptor has for them. The result gets its
//! final name after the exit status, the chain, the capacity and the new descriptor; then what it
//! was made of is removed, file by file. Where the bytes of the disk are those of flat files, they
//! are compared too; else the folder, empty at last, stays until the `.vmx` has its name, as the
//! sign that the disk is this run's own.

use std::collections::BTreeMap;
use std::time::Instant;

use super::deliver::{Against, Delivery, Landed};
use super::observe::{Observed, Standing};
use super::progress::Phase;
use super::staging::{Place, is_to_tidy, remove_folder};
use super::sums::Sum;
use super::survey::Made;
use super::target::{SummedBy, Target, Work};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::commands::check_disk_chain;
use crate::hypervisor::esxi::vmkfstools;
use crate::hypervisor::shell::{self, FolderRemoval, Removed};
use crate::vmfiles::Descriptor;

/// Removes the folders that were needed only meanwhile. What somebody else put there stays.
pub(super) async fn tidy<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    found: &Observed,
) -> Result<(), TransferError> {
    for disk in delivery.made_disks() {
        if !is_to_tidy(delivery, disk, found) {
            continue;
        }
        let place = Place::new(delivery, disk);
        let output = work.send(&remove_folder(&place)).await?;
        let doing = format!("removing the folder {}", place.own_folder());
        FolderRemoval::parse(&output).map_err(|fault| delivery.failed(&doing, &fault))?;
    }
    Ok(())
}

/// How things stand with a disk and with the folder of what it is made of. `there` is what lies in
/// the VM's folder, files with their sizes.
pub(super) async fn look<W>(
    work: &Work<W>,
    delivery: &Delivery,
    disk: &Made,
    there: &BTreeMap<String, Option<u64>>,
    observed: &mut Observed,
) -> Result<(), Fault> {
    let place = Place::new(delivery, disk);
    if there.contains_key(&place.own_folder()) {
        let staging = place.staging();
        let found = staging.observe_files(&work.at(place.target())).await?;
        observed.unsummed.extend_from_slice(&found.unsummed);
        observed.staged.insert(disk.descriptor.clone(), found);
    }
    let (descriptor, flat) = (&disk.descriptor, disk.flat());
    for name in [descriptor, &flat] {
        let standing = if there.contains_key(name) {
            Standing::Different
        } else {
            Standing::Absent
        };
        observed.files.insert(name.clone(), standing);
    }
    if there.get(&flat) != Some(&Some(disk.capacity)) {
        return Ok(());
    }
    let text = described(work, disk, descriptor, &flat).await?;
    let named = observed
        .files
        .iter()
        .any(|(name, standing)| name.ends_with(".vmx") && matches!(standing, Standing::Whole(..)));
    let marked = observed.staged.contains_key(descriptor) || named;
    // A disk whose data cannot be compared is believed by the signs of this run alone.
    if disk.pieces.is_none() && (text.is_none() || !marked) {
        return Ok(());
    }
    let text = text.filter(|_| there.contains_key(descriptor));
    compare(work, delivery, disk, text, observed).await
}

/// Sums the data of a disk that is there, and tells whether that is what it would be made of; `text` is
/// its descriptor there, where that fits.
async fn compare<W>(
    work: &Work<W>,
    delivery: &Delivery,
    disk: &Made,
    text: Option<Vec<u8>>,
    observed: &mut Observed,
) -> Result<(), Fault> {
    let flat = disk.flat();
    let known = |name: &str| {
        let item = delivery.items.iter().find(|item| item.name == name)?;
        item.sum
    };
    let pieces = disk.pieces.iter().flatten().map(|(name, _)| name);
    let unsummed: Vec<String> = pieces
        .filter(|name| known(name).is_none())
        .cloned()
        .collect();
    if !unsummed.is_empty() {
        observed.unsummed.extend(unsummed);
        return Ok(());
    }
    let shown = Place::new(delivery, disk).shown();
    work.meter.file(&shown, disk.capacity, Instant::now());
    work.meter.phase(Phase::Comparing, Instant::now());
    let (sum, by) = work.sum(&flat, disk.capacity).await?;
    if data_fits(work, disk, &flat, sum, &known).await? == Some(false) {
        return Ok(());
    }
    observed.files.insert(flat, Standing::Whole(sum, by));
    // Without one that fits it stays as it was seen: another, or absent.
    if let Some(text) = text {
        let standing = Standing::Whole(Sum::of(&text), SummedBy::ReadingBack);
        observed.files.insert(disk.descriptor.clone(), standing);
    }
    Ok(())
}

/// The text of a descriptor in the target's folder if it describes the disk, with its data in
/// `flat`.
async fn described<W>(
    work: &Work<W>,
    disk: &Made,
    descriptor: &str,
    flat: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    let text = work.head(descriptor, Descriptor::PREFIX).await?;
    let fits = |text: &Vec<u8>| {
        Descriptor::parse(text).is_ok_and(|found| {
            found.capacity() == disk.capacity && !found.is_link() && found.files().eq([flat])
        })
    };
    Ok(text.filter(fits))
}

/// Whether the data of `flat`, whose sum is known, is that of the flat files it was made of; `None`
/// where it cannot be compared.
async fn data_fits<W>(
    work: &Work<W>,
    disk: &Made,
    flat: &str,
    sum: Sum,
    source: &(dyn Fn(&str) -> Option<Sum> + Sync),
) -> Result<Option<bool>, Fault> {
    let Some(pieces) = &disk.pieces else {
        return Ok(None);
    };
    if let [(name, _)] = pieces.as_slice() {
        return Ok(Some(source(name) == Some(sum)));
    }
    let to = &work.to;
    for (name, range) in pieces {
        let part = work
            .sum_part(&to.host, to.lane, &to.path(flat), range)
            .await?;
        if source(name) != Some(part) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

/// Makes one disk, unless it is there.
pub(super) async fn make<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    disk: &Made,
    found: &Observed,
) -> Result<Vec<Landed>, TransferError> {
    let place = Place::new(delivery, disk);
    let (descriptor, flat) = (&disk.descriptor, disk.flat());
    if let Standing::Whole(sum, by) = found.standing(&flat) {
        let Standing::Whole(text, _) = found.standing(descriptor) else {
            return Err(delivery.blocked(half_renamed(descriptor)).into());
        };
        work.meter
            .file(&place.shown(), disk.capacity, Instant::now());
        work.meter.settle(disk.capacity, 0, Instant::now());
        if let Some(staged) = found.staged.get(descriptor) {
            let left: Vec<String> = staged.there().cloned().collect();
            unstage(&place, work, &left).await?;
        }
        let bytes = described(work, disk, descriptor, &flat).await?;
        let bytes = bytes.map_or(0, |text| text.len() as u64);
        let mut landed = landed(delivery, disk, (sum, by), (text, bytes));
        for file in &mut landed {
            file.was_there = true;
        }
        return Ok(landed);
    }
    let sums = sources(&place, work, found).await?;
    clear(&place, work, found).await?;
    run(&place, work).await?;
    let proven = prove(&place, work, &sums).await?;
    let output = work.send(&place.rename_command()).await?;
    let doing = format!("renaming {} to {descriptor}", place.part());
    vmkfstools::check(&output).map_err(|fault| delivery.failed(&doing, &fault))?;
    let text = renamed(&place, work).await?;
    if disk.staged {
        unstage(&place, work, &disk.sources).await?;
    }
    let text = (Sum::of(&text), text.len() as u64);
    Ok(landed(delivery, disk, proven, text))
}

fn half_renamed(descriptor: &str) -> String {
    format!(
        "renaming the disk to {descriptor} stopped half way: its data has the final name, the descriptor has not"
    )
}

/// What is reported of a disk: its data's sum, and the sum and length of the new descriptor.
fn landed(
    delivery: &Delivery,
    disk: &Made,
    (sum, summed_by): (Sum, SummedBy),
    (text, bytes): (Sum, u64),
) -> Vec<Landed> {
    let recorded = delivery
        .items
        .iter()
        .filter(|item| disk.sources.contains(&item.name))
        .all(|item| item.recorded || item.text.is_some());
    let against = match (&disk.pieces, recorded) {
        (None, _) => Against::Converted,
        (Some(_), true) => Against::Recorded,
        (Some(_), false) => Against::Source,
    };
    let file = |name: String, bytes, sum, against, summed_by| Landed {
        name,
        bytes,
        sum,
        against,
        summed_by,
        was_there: false,
        original: None,
    };
    vec![
        file(disk.flat(), disk.capacity, sum, against, summed_by),
        file(
            disk.descriptor.clone(),
            bytes,
            text,
            Against::Rewritten,
            SummedBy::ReadingBack,
        ),
    ]
}

/// Proves what the disk is made of: brought beside it, or where it lies. Gives the sums.
async fn sources<W: Writes>(
    place: &Place<'_>,
    work: &Work<W>,
    found: &Observed,
) -> Result<BTreeMap<String, Sum>, TransferError> {
    let delivery = place.delivery;
    let mut sums = BTreeMap::new();
    if place.has_own_folder() {
        let none = Observed::default();
        let staged = found.staged.get(&place.disk.descriptor).unwrap_or(&none);
        let staging = place.staging();
        staging.check_room(staged)?;
        let work = work.at(place.target());
        staging.make_folder_if_missing(&work, staged).await?;
        let items = staging.ordered();
        let texts = staging.read_small(&items, staged).await;
        for file in Box::pin(staging.bring_files(&work, &items, (staged, &texts))).await? {
            sums.insert(file.name, file.sum);
        }
    }
    if place.disk.staged {
        return Ok(sums);
    }
    work.meter
        .file(&place.shown(), place.disk.capacity, Instant::now());
    work.meter.phase(Phase::Reading, Instant::now());
    for item in place.sources() {
        // A descriptor that is written anew where it comes is used as it lies there: capacity and data
        // are compared afterwards.
        if item.text.is_some() {
            continue;
        }
        let sum = delivery.source_sum(work, &item).await?;
        delivery.check_recorded(&item, sum)?;
        sums.insert(item.name, sum);
    }
    Ok(sums)
}

/// Takes away what an earlier try of this run left; `vmkfstools` cannot go on from it.
async fn clear<W: Writes>(
    place: &Place<'_>,
    work: &Work<W>,
    found: &Observed,
) -> Result<(), TransferError> {
    for name in [place.part(), place.part_flat()] {
        if found.own.contains(&name) {
            remove(place.delivery, work, &place.delivery.to, &name).await?;
        }
    }
    Ok(())
}

/// Removes what the disk was made of, each file by its name.
async fn unstage<W: Writes>(
    place: &Place<'_>,
    work: &Work<W>,
    names: &[String],
) -> Result<(), TransferError> {
    for name in names {
        remove(place.delivery, work, &place.target(), name).await?;
    }
    Ok(())
}

async fn remove<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    target: &Target,
    name: &str,
) -> Result<(), TransferError> {
    let output = work.send(&shell::remove_file(&target.path(name))).await?;
    let doing = format!("removing {name}, which is no longer needed");
    match Removed::parse(&output).map_err(|fault| delivery.failed(&doing, &fault))? {
        Removed::Done | Removed::Absent => Ok(()),
        Removed::IsFolder | Removed::NoFolder => Err(delivery
            .blocked(format!("{doing}: it is not a file"))
            .into()),
    }
}

/// Runs `vmkfstools`, its progress on the meter.
async fn run<W: Writes>(place: &Place<'_>, work: &Work<W>) -> Result<(), TransferError> {
    let (delivery, disk) = (place.delivery, place.disk);
    let meter = work.meter.clone();
    meter.file(&place.shown(), disk.capacity, Instant::now());
    meter.phase(Phase::Cloning, Instant::now());
    let told = meter.clone();
    // In hundredths, so that no product overflows.
    let hundredth = disk.capacity / 100;
    let command = place.clone_command();
    let hear = move |line: &str| {
        if let Some(percent) = vmkfstools::progress(line) {
            told.settle(hundredth * u64::from(percent.min(99)), 0, Instant::now());
        }
    };
    let following = work.to.host.follow(work.to.lane, &command, hear);
    let output = work.send(&command).await?;
    drop(following);
    vmkfstools::check(&output).map_err(|fault| refused(delivery, disk, &fault))?;
    meter.settle(disk.capacity, 0, Instant::now());
    Ok(())
}

fn refused(delivery: &Delivery, disk: &Made, fault: &DriverFault) -> Fault {
    let doing = if disk.pieces.is_some() {
        format!("cloning {}", disk.descriptor)
    } else {
        format!("converting {} ({})", disk.descriptor, disk.create_type)
    };
    let mut shown = delivery.failed(&doing, fault);
    if let DriverFault::Failed { text, .. } = fault
        && let Some(next) = vmkfstools::remedy(&disk.create_type, text)
    {
        shown.next = next.to_owned();
    }
    shown
}

/// The chain, the capacity, the new descriptor, and the data where it can be compared.
async fn prove<W: Writes>(
    place: &Place<'_>,
    work: &Work<W>,
    sums: &BTreeMap<String, Sum>,
) -> Result<(Sum, SummedBy), TransferError> {
    let (delivery, disk, to) = (place.delivery, place.disk, &place.delivery.to);
    work.meter.phase(Phase::Proving, Instant::now());
    let (part, flat) = (place.part(), place.part_flat());
    let output = work
        .look(&to.host, to.lane, &check_disk_chain(&to.path(&part)))
        .await?;
    let doing = format!("checking the chain of {part}");
    vmkfstools::check_chain(&output).map_err(|fault| delivery.failed(&doing, &fault))?;
    let fits = described(work, disk, &part, &flat).await?.is_some();
    if !fits || !has_size(place, work, &flat).await? {
        let what = format!(
            "what the host made of {} is not one disk of {} bytes",
            disk.descriptor, disk.capacity
        );
        return Err(delivery.blocked(what).into());
    }
    let (sum, by) = work.sum(&flat, disk.capacity).await?;
    let source = |name: &str| sums.get(name).copied();
    if data_fits(work, disk, &flat, sum, &source).await? == Some(false) {
        let wanted = disk.pieces.as_deref().and_then(|pieces| match pieces {
            [(name, _)] => source(name),
            _ => None,
        });
        return Err(delivery.corrupt(&flat, sum, wanted).into());
    }
    Ok((sum, by))
}

async fn has_size<W: Writes>(
    place: &Place<'_>,
    work: &Work<W>,
    flat: &str,
) -> Result<bool, TransferError> {
    let to = &place.delivery.to;
    let output = work
        .look(&to.host, to.lane, &shell::find(&to.path(flat)))
        .await?;
    let found = shell::Found::parse(&output)
        .map_err(|fault| place.delivery.failed(&format!("looking at {flat}"), &fault))?;
    Ok(found
        .stat()
        .is_some_and(|stat| stat.size == place.disk.capacity))
}

/// The rename is believed when both files are there under their final names and fit. Gives the new
/// descriptor's text.
async fn renamed<W: Writes>(place: &Place<'_>, work: &Work<W>) -> Result<Vec<u8>, TransferError> {
    let (delivery, disk, flat) = (place.delivery, place.disk, place.disk.flat());
    let text = described(work, disk, &disk.descriptor, &flat).await?;
    match text {
        Some(text) if has_size(place, work, &flat).await? => Ok(text),
        _ => Err(delivery.blocked(half_renamed(&disk.descriptor)).into()),
    }
}
