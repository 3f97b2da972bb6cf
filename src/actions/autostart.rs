//! The autostart entry that `fence` took away: whether it is due back, and putting it back.

use crate::engine::{AutostartEntry, Fact, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::{Vmid, commands};

use super::answer::{Known, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;

/// The entry that `fence` took away on this host, if it is not back.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn due(ctx: &Ctx, at: &VmAt, vmid: Vmid) -> Result<Option<AutostartEntry>, Fault> {
    let removed = ctx.facts().find_map(|fact| match fact {
        Fact::AutostartRemoved { vm, host, entry } if *vm == at.vm && *host == at.host => {
            Some(entry)
        }
        _ => None,
    });
    let Some(removed) = removed else {
        return Ok(None);
    };
    let parse = AutostartEntry::parse_all;
    let doing = "reading the start order";
    let entries = ctx
        .read(
            &at.host,
            Lane::Control,
            &commands::autostart(),
            parse,
            doing,
        )
        .await?;
    let there = entries
        .iter()
        .any(|(its, entry)| *its == vmid && entry.starts());
    Ok((!there).then(|| removed.clone()))
}

/// In which forms it is put back, one after the other until the host's list has it: whether the options are
/// ended before it. What a `vim-cmd` makes of that end is seen from its list alone.
fn forms(entry: &AutostartEntry) -> &'static [bool] {
    if entry.has_dash() {
        &[true, false]
    } else {
        &[false]
    }
}

/// The commands that put it back; the second is sent only where the host's list lacks it after the first.
pub(super) fn shown(at: &VmAt, vmid: Known<Vmid>, entry: &AutostartEntry) -> Vec<ShownCommand> {
    let shown = |ends: &bool| {
        shown_for(&at.host, &at.vm, vmid, |vmid| {
            commands::update_autostart_restore(vmid, entry, *ends)
        })
    };
    forms(entry).iter().map(shown).collect()
}

/// Puts it back.
///
/// # Errors
/// The host refused it in every form, which the first refusal tells of, or the write was lost.
pub(super) async fn put_back(
    ctx: &Ctx,
    at: &VmAt,
    vmid: Vmid,
    entry: &AutostartEntry,
) -> Result<(), ActError> {
    let doing = format!("putting back the autostart entry of {}", at.vm);
    let mut put = Ok(());
    for ends in forms(entry) {
        let command = commands::update_autostart_restore(vmid, entry, *ends);
        match ctx.order(&at.host, &command, check_silent, &doing).await {
            Ok(()) if due(ctx, at, vmid).await?.is_none() => return Ok(()),
            Ok(()) => {}
            Err(ActError::Failed(fault)) => put = put.and(Err(ActError::Failed(fault))),
            Err(error) => return Err(error),
        }
    }
    put
}
