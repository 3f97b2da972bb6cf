//! The autostart entry that `fence` took away: whether it is due back, and putting it back.

use crate::engine::{AutostartEntry, Fact};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::{Vmid, commands};

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

/// Puts it back. What a `vim-cmd` makes of `--` is seen from its list; one that does not know it gets
/// the entry without.
///
/// # Errors
/// The host refused it, or the write was lost.
pub(super) async fn put_back(
    ctx: &Ctx,
    at: &VmAt,
    vmid: Vmid,
    entry: &AutostartEntry,
) -> Result<(), ActError> {
    let doing = format!("putting back the autostart entry of {}", at.vm);
    let command = commands::update_autostart_restore(vmid, entry);
    let put = ctx.order(&at.host, &command, check_silent, &doing).await;
    let Some(bare) = commands::update_autostart_restore_bare(vmid, entry) else {
        return put;
    };
    match put {
        Ok(()) if due(ctx, at, vmid).await?.is_none() => Ok(()),
        Ok(()) | Err(ActError::Failed(_)) => ctx.order(&at.host, &bare, check_silent, &doing).await,
        put => put,
    }
}
