//! Stopping a VM: its guest is asked first, after a while it is powered off.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::{PowerReply, PowerState};
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{HostName, VmName};

use super::answer::blocked;
use super::context::Ctx;
use super::link::ActError;
use super::ownership::{Copy, Ownership, copy_line};
use super::place::path_tail;
use super::registered::{entry_of, running, vmid_of};
use super::waiting::Pauses;
use super::words::span;

/// How long a guest may take to shut down where the runbook says nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How long a host may take to power a VM off once it accepted that.
const POWER_OFF: Duration = Duration::from_secs(60);
/// How long a VM that is off may stand among those that run.
const SETTLE: Duration = Duration::from_secs(10);

/// How a VM is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its guest is asked as soon as its tools run; what still runs after this long is powered off.
    GuestFirst(Duration),
    /// As [`Way::GuestFirst`], but a VM whose guest cannot be asked is left running: what it has not
    /// written is no one's to lose but a person's.
    Asked(Duration),
    /// It is powered off, whatever its guest does, for this reason.
    AtOnce(&'static str),
}

/// How a guest is dealt with, for a card: whether its tools run makes the difference.
pub(super) fn guest_first(tools: bool, patience: Duration) -> String {
    let patience = span(patience);
    if tools {
        format!("its guest is asked first, after {patience} it is powered off")
    } else {
        format!(
            "its guest's tools do not run: unless they do by then, after {patience} it is powered off without its \
             guest, and what that has not written is lost"
        )
    }
}

/// The same of a VM whose guest must be asked: what cannot be asked runs on.
pub(super) fn guest_alone(tools: bool, patience: Duration) -> String {
    if tools {
        return guest_first(true, patience);
    }
    let patience = span(patience);
    format!(
        "it has just started, and its guest's tools are waited for, {patience} at most; then its guest \
         is asked, after {patience} it is powered off; one that cannot be asked runs on"
    )
}

/// Whether a VM that runs since then started so little before `now` that its tools may yet come up.
pub(super) fn is_starting(since: Option<Timestamp>, now: Timestamp, patience: Duration) -> bool {
    let ran = since.and_then(|since| Duration::try_from(now.duration_since(since)).ok());
    ran.is_some_and(|ran| ran < patience)
}

/// A guest that cannot be asked, of a VM that must not lose what it has not written.
fn not_asked(host: &HostName, vm: &VmName, vmid: Option<Vmid>, why: &str) -> Fault {
    let off = vmid.map(|vmid| commands::power_off(vmid).line());
    let off = off.map_or_else(String::new, |line| format!(" ({line})"));
    Fault::new(
        format!("the guest of {vm} cannot be asked to shut down: {why}"),
        host.as_str(),
        "it runs on, and was not powered off: what its guest has not written would be lost",
        format!(
            "shut {vm} down inside its guest (the VM's console), then retry. If it has just started, its tools need \
             a minute: retry. If what it has not written may be lost, power it off by hand{off}, then retry; a \
             runbook says so with power_off"
        ),
    )
}

/// A copy that runs, whose guest cannot be asked, and which did not start just now.
pub(super) fn deaf_copy(ownership: &Ownership, patience: Duration) -> Option<(&HostName, &Copy)> {
    let is_starting = |copy: &Copy| {
        let at = ownership.at;
        at.is_some_and(|at| is_starting(copy.since, at, patience))
    };
    let mut running = ownership.running();
    running.find(|(_, copy)| !copy.tools && !is_starting(copy))
}

/// The same before anything was sent, of a copy that was seen.
pub(super) fn deaf(found: String, host: &HostName, vm: &VmName, copy: &Copy) -> ProbeAnswer {
    let why = format!("its tools do not run; {}", copy_line(copy));
    blocked(found, not_asked(host, vm, copy.vmid, &why), &[])
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
    let (patience, must_be_asked) = match way {
        Way::GuestFirst(patience) => (patience, false),
        Way::Asked(patience) => (patience, true),
        Way::AtOnce(why) => return power_off(ctx, host, vm, vmx, why).await,
    };
    let why = match ask_in_time(ctx, host, vm, vmx, patience).await? {
        Asked::Off(how) => return Ok(how.to_owned()),
        Asked::Heedless => format!("its guest did not shut down within {}", span(patience)),
        Asked::Not(why) if must_be_asked => {
            let entry = entry_of(ctx, host, Lane::Control, vmx).await?;
            return Err(ActError::Failed(not_asked(
                host,
                vm,
                Some(entry.vmid),
                &why,
            )));
        }
        Asked::Not(why) => why,
    };
    power_off(ctx, host, vm, vmx, &why).await
}

/// What came of asking a guest.
enum Asked {
    /// The VM is off, and how it came to that.
    Off(&'static str),
    /// It was asked, and its VM runs on.
    Heedless,
    /// It could not be asked, and its VM runs on.
    Not(String),
}

/// Asks a guest as soon as its tools run, and waits for its VM to be off.
async fn ask_in_time(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
    patience: Duration,
) -> Result<Asked, ActError> {
    match await_tools(ctx, host, vm, vmx, patience).await? {
        Tools::Run => {}
        Tools::Off => return Ok(Asked::Off("it went off before its guest was asked")),
        Tools::Not => return Ok(Asked::Not("its tools do not run".to_owned())),
    }
    let refused = ask_guest(ctx, host, vm, vmx).await?.err();
    ctx.doing(format!("waiting for the guest of {vm} to shut down"));
    let off = wait_until_off(ctx, host, vmx, patience).await?;
    Ok(match (refused, off) {
        (None, true) => Asked::Off("shut down by its guest"),
        (None, false) => Asked::Heedless,
        (Some(_), true) => Asked::Off("it went off, though its guest could not be asked"),
        (Some(fault), false) => Asked::Not(fault.to_string()),
    })
}

/// What a guest's tools came to.
pub(super) enum Tools {
    /// They run: it can be asked.
    Run,
    /// Its VM went off meanwhile.
    Off,
    /// They still do not run.
    Not,
}

/// Waits for the tools of a guest.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn await_tools(
    ctx: &Ctx,
    host: &HostName,
    vm: &VmName,
    vmx: &str,
    patience: Duration,
) -> Result<Tools, ActError> {
    let mut pauses = Pauses::within(patience);
    loop {
        let now = entry_of(ctx, host, Lane::Control, vmx).await?;
        if now.power() != PowerState::On {
            return Ok(Tools::Off);
        }
        if now.summary.tools_running {
            return Ok(Tools::Run);
        }
        ctx.doing(format!("waiting for the tools of the guest of {vm}"));
        if !pauses.pause().await {
            return Ok(Tools::Not);
        }
    }
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
            wait_until_unlisted(ctx, host, vmx).await;
            return Ok(true);
        }
        if !pauses.pause().await {
            return Ok(false);
        }
    }
}

/// A VM that the host calls off may stand among those that run for a moment still, and that list is what
/// is believed afterwards. One that stays there, or that cannot be read, is left to that look.
async fn wait_until_unlisted(ctx: &Ctx, host: &HostName, vmx: &str) {
    let mut pauses = Pauses::within(SETTLE);
    loop {
        let running = running(ctx, host).await.unwrap_or_default();
        if !is_listed(&running, vmx) || !pauses.pause().await {
            return;
        }
    }
}

fn is_listed(running: &[RunningVm], vmx: &str) -> bool {
    let tail = path_tail(vmx);
    let is = |vm: &RunningVm| tail.is_some() && path_tail(&vm.config_file) == tail;
    running.iter().any(is)
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
