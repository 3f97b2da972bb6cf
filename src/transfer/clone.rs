//! Files of a restore point that lies on the recovery host itself: copied there, never through the
//! console. Disks that stand alone and lie whole in one folder are cloned instead (`convert`).
//!
//! `cp` writes holes out, so a disk takes its full size; it keeps every byte, which a chain of
//! snapshots needs: a clone gets a new content id, and its snapshots would no longer fit it.

use std::time::Instant;

use super::deliver::{Delivery, Item, Landed, mode};
use super::observe::Observed;
use super::progress::Phase;
use super::source::join;
use super::target::{Work, time_for};
use super::writes::{TransferError, Writes};
use crate::host::HostCommand;
use crate::hypervisor::shell;

/// The writes for one file.
pub(super) fn preview(delivery: &Delivery, item: &Item) -> Vec<String> {
    let to = &delivery.to;
    let part = to.part_name(&item.name);
    vec![
        copy(delivery, item).line(),
        shell::set_mode(&to.path(&part), mode(&item.name)).line(),
        to.rename(&part, &item.name).line(),
    ]
}

fn copy(delivery: &Delivery, item: &Item) -> HostCommand {
    let from = join(delivery.from.host_path().unwrap_or_default(), &item.at);
    let to = &delivery.to;
    let part = to.path(&to.part_name(&item.name));
    HostCommand::write(["cp", &from, &part]).deadline(time_for(item.bytes))
}

/// Copies one file, and proves the copy.
pub(super) async fn bring<W: Writes>(
    delivery: &Delivery,
    work: &Work<W>,
    item: &Item,
    found: &Observed,
) -> Result<Landed, TransferError> {
    let to = &delivery.to;
    // What was recorded long ago is proven where it lies before hours go into copying it.
    work.meter.phase(Phase::Reading, Instant::now());
    let before = delivery.source_sum(work, item).await?;
    delivery.check_recorded(item, before)?;
    work.meter.phase(Phase::Cloning, Instant::now());
    let part = to.part_name(&item.name);
    for command in [
        copy(delivery, item),
        shell::set_mode(&to.path(&part), mode(&item.name)),
    ] {
        let output = work.send(&command).await?;
        let doing = format!("copying {}", item.name);
        shell::check_quiet(&output).map_err(|fault| delivery.failed(&doing, &fault))?;
    }
    work.meter.settle(item.bytes, 0, Instant::now());
    work.meter.phase(Phase::Proving, Instant::now());
    let (sum, summed_by) = work.sum(&part, item.bytes).await?;
    if sum != before {
        return Err(delivery.corrupt(&part, sum, Some(before)).into());
    }
    delivery.rename(work, &part, &item.name).await?;
    Ok(delivery.landed(item, sum, summed_by, found))
}
