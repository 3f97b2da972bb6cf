//! Stopping a VM: its guest is asked first, after a while it is powered off.

use std::time::Duration;

use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::{PowerReply, PowerState};
use crate::names::{HostName, VmName};

use super::context::Ctx;
use super::link::ActError;
use super::registered::{entry_of, vmid_of};
use super::waiting::Pauses;
use super::words::span;

/// How long a guest may take to shut down where the runbook says nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How long a host may take to power a VM off once it accepted that.
const POWER_OFF: Duration = Duration::from_secs(60);

/// How a VM is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its guest is asked, and gets this long.
    GuestFirst(Duration),
    /// It is powered off, whatever its guest does.
    AtOnce,
}

/// Stops the VM of a file, `[datastore] path`, keeps that, and gives how it went: `shut down by its guest`.
///
/// # Errors
/// It still runs, a write was lost, or the host could not be asked.
pub(super) async fn stop(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
    way: Way,
) -> Result<String, ActError> {
    let how = bring_down(ctx, host, vm, vmx, way).await?;
    ctx.link.fact(stopped(ctx, vm, host, &how)).await?;
    Ok(how)
}

/// As [`stop`], and keeps nothing but that it runs.
async fn bring_down(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
    way: Way,
) -> Result<String, ActError> {
    let now = entry_of(ctx, host, Lane::Control, vmx).await?.summary;
    if now.power == PowerState::On {
        keep_wanted(ctx, host, vm, vmx).await?;
    }
    let (mut why, patience) = match way {
        Way::GuestFirst(patience) if now.tools_running => (String::new(), Some(patience)),
        Way::GuestFirst(_) => ("its guest's tools did not run".to_owned(), None),
        Way::AtOnce => ("as the runbook says".to_owned(), None),
    };
    if let Some(patience) = patience.filter(|_| now.power == PowerState::On) {
        match ask_guest(ctx, host, vm, vmx).await? {
            Ok(()) => {
                ctx.doing(format!("waiting for the guest of {vm} to shut down"));
                if wait_until_off(ctx, host, vmx, patience).await? {
                    return Ok("shut down by its guest".to_owned());
                }
                why = format!("its guest did not shut down within {}", span(patience));
            }
            Err(fault) => why = format!("its guest could not be asked: {fault}"),
        }
    }
    power_off(ctx, host, vm, vmx, &why).await
}

/// Powers a VM off without its guest, and gives how it went, with why.
///
/// # Errors
/// As [`stop`].
pub(super) async fn power_off(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
    why: &str,
) -> Result<String, ActError> {
    ctx.doing(format!("powering {vm} off"));
    // Minutes may have passed: the number is looked up again.
    let vmid = vmid_of(ctx, host, Lane::Control, vmx).await?;
    let doing = format!("powering {vm} off");
    let parse = |output: &_| PowerReply::parse(output, PowerState::Off);
    let reply = ctx
        .order(host, &commands::power_off(vmid), parse, &doing)
        .await?;
    if wait_until_off(ctx, host, vmx, POWER_OFF).await? {
        return Ok(format!("powered off ({why})"));
    }
    let said = match reply {
        PowerReply::Unclear { text } => format!(" ({text})"),
        PowerReply::Accepted | PowerReply::AlreadyThere => String::new(),
    };
    Err(ActError::Failed(Fault::new(
        format!("{vm} still runs though it was powered off{said}"),
        host.as_str(),
        format!("power state on; {why}"),
        "look at its tasks and its vmware.log; esxcli vm process kill -t soft, by hand, is the last \
         resort",
    )))
}

/// Keeps that the VM runs, before anything is sent that stops it; each time anew, for what it writes
/// after a stop is not in a copy that was taken since.
///
/// # Errors
/// The run no longer waits for this action.
pub(super) async fn keep_wanted(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
) -> Result<(), ActError> {
    let fact = Fact::StopWanted {
        vm: vm.clone(),
        host: host.clone(),
        vmx: vmx.to_owned(),
    };
    ctx.link.fact(fact).await
}

/// Asks the guest; the inner error says why it cannot be asked.
///
/// # Errors
/// The write did not leave or was lost, or the host could not be asked.
pub(super) async fn ask_guest(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
) -> Result<Result<(), DriverFault>, ActError> {
    ctx.doing(format!("asking the guest of {vm} to shut down"));
    let vmid = vmid_of(ctx, host, Lane::Control, vmx).await?;
    let output = ctx
        .write(host, Lane::Control, &commands::shutdown_guest(vmid))
        .await?;
    Ok(check_silent(&output))
}

/// Whether the VM was seen not running within the time.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn wait_until_off(
    ctx: &Ctx,
    host: &HostName,
    vmx: &str,
    patience: Duration,
) -> Result<bool, ActError> {
    let mut pauses = Pauses::within(patience);
    loop {
        let entry = entry_of(ctx, host, Lane::Control, vmx).await?;
        if entry.power() != PowerState::On {
            return Ok(true);
        }
        if !pauses.pause().await {
            return Ok(false);
        }
    }
}

/// Takes away the autostart entry of the VM of a file.
///
/// # Errors
/// The host refused it, the write was lost, or the host could not be asked.
pub(super) async fn remove_autostart(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
) -> Result<(), ActError> {
    let vmid = vmid_of(ctx, host, Lane::Control, vmx).await?;
    let doing = format!("removing the autostart entry of {vm}");
    ctx.order(
        host,
        &commands::update_autostart_remove(vmid),
        check_silent,
        &doing,
    )
    .await
}

/// Keeps that the VM does not run on a host, unless the run knows already since when.
///
/// # Errors
/// The run no longer waits for this action.
pub(super) async fn keep_stopped(
    ctx: &Ctx,
    vm: &VmName,
    host: &HostName,
    how: &str,
) -> Result<(), ActError> {
    let same = |kept: &Fact| matches!(kept, Fact::Stopped { vm: its, host: there, .. } if its == vm && there == host);
    ctx.keep_once(stopped(ctx, vm, host, how), same).await
}

/// That a VM was seen off now, and how it came to that.
pub(super) fn stopped(ctx: &Ctx, vm: &VmName, host: &HostName, how: &str) -> Fact {
    Fact::Stopped {
        vm: vm.clone(),
        host: host.clone(),
        how: how.to_owned(),
        at: ctx.clock.now(),
    }
}
