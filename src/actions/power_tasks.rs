//! A host's tasks about a VM's power: whether one is still at work, and why the last one failed,
//! which `power.on` itself does not say.

use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output, sanitise};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::tasks::{Task, parse_keys};
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::HostName;

use super::context::Ctx;
use super::place::VmAt;
use super::registered::vmid_of;

/// Lines of vmware.log that are looked through for a reason.
const TAIL: &str = "80";
/// Characters of one line that are shown.
const LINE: usize = 200;

/// Tasks of a VM that have not ended, of one kind (`powerOn`, `powerOff`, …).
///
/// # Errors
/// The host could not be asked.
pub(super) async fn unended(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    vmid: Vmid,
    kind: &str,
) -> Result<Vec<Task>, Fault> {
    let mut unended = Vec::new();
    for key in keys(ctx, host, lane, vmid, kind).await? {
        match info(ctx, host, lane, &key).await? {
            Some(task) if !task.state.has_ended() => unended.push(task),
            // It has ended, or so long ago that the host forgot it.
            _ => {}
        }
    }
    Ok(unended)
}

/// Whether a power-on that was ordered before is still at work.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn is_under_way(ctx: &Ctx, at: &VmAt, vmid: Vmid) -> Result<bool, Fault> {
    Ok(!unended(ctx, &at.host, Lane::Control, vmid, "powerOn")
        .await?
        .is_empty())
}

async fn keys(
    ctx: &Ctx,
    host: &HostName,
    lane: Lane,
    vmid: Vmid,
    kind: &str,
) -> Result<Vec<String>, Fault> {
    let command = commands::tasks(vmid);
    let parse = |output: &Output| match parse_keys(output) {
        // No such VM any more has no tasks either.
        Err(DriverFault::NotFound { .. }) => Ok(Vec::new()),
        other => other,
    };
    let mut keys = ctx
        .read(host, lane, &command, parse, "reading the VM's tasks")
        .await?;
    keys.retain(|key| {
        key.to_ascii_lowercase()
            .contains(&kind.to_ascii_lowercase())
    });
    Ok(keys)
}

async fn info(ctx: &Ctx, host: &HostName, lane: Lane, key: &str) -> Result<Option<Task>, Fault> {
    let parse = |output: &Output| match Task::parse(output) {
        Ok(task) => Ok(Some(task)),
        Err(DriverFault::NotFound { .. }) => Ok(None),
        Err(fault) => Err(fault),
    };
    ctx.read(
        host,
        lane,
        &commands::task_info(key),
        parse,
        "reading a task",
    )
    .await
}

/// Why a power-on failed, as far as tasks and the VM's own log tell it.
pub(super) async fn fault(ctx: &Ctx, at: &VmAt, vmx: &str, said: &str) -> Fault {
    let mut reasons = Vec::new();
    if let Ok(vmid) = vmid_of(ctx, &at.host, Lane::Control, vmx).await
        && let Ok(keys) = keys(ctx, &at.host, Lane::Control, vmid, "powerOn").await
        && let Some(last) = keys.last()
        && let Ok(Some(task)) = info(ctx, &at.host, Lane::Control, last).await
        && let Some(error) = task.error
    {
        reasons.push(error);
    }
    reasons.extend(log_lines(ctx, at).await);
    let reason = if reasons.is_empty() {
        "no reason was found".to_owned()
    } else {
        reasons.join("; ")
    };
    Fault::new(
        format!("{} did not start ({}): {reason}", at.vm, one_line(said)),
        at.host.as_str(),
        format!("{} is off", at.who()),
        next_move(&reason),
    )
}

/// The move that fits the reason.
fn next_move(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["not allowed in the current state", "maintenance mode"]) {
        "the host may be in maintenance mode, where no VM starts (esxcli system maintenanceMode get): ask who put it \
         there, then esxcli system maintenanceMode set --enable false, and retry"
    } else if has_word(&reason, &["lock", "locks", "locked", "filelocked"])
        || has(&["resource busy"])
    {
        "another host or process holds its files: find it (vmkfstools -D on the -flat file names the \
         MAC address), make sure that the VM does not run there, then retry"
    } else if has(&[
        "no space",
        "outofspace",
        "insufficient disk",
        "not enough space",
    ]) {
        "its swap file finds no room: free space on that datastore, then retry"
    } else if has(&[
        "insufficient",
        "sufficient memory",
        "enough memory",
        "out of memory",
        "admission",
    ]) {
        "the host has too little memory or CPU left for it: free capacity, then retry"
    } else if has(&[
        "cannot open the disk",
        "cannot find",
        "not found",
        "nobackend",
    ]) {
        "a disk or a file of it is missing: compare its folder with the restore point, then retry"
    } else if has(&[
        "hardware version",
        "unsupported",
        "featurecompat",
        "not supported",
    ]) {
        "this host is too old for the VM, or lacks a CPU feature: start it on another host"
    } else {
        "look at its vmware.log and at /var/log/hostd.log on the host, then retry"
    }
}

/// The last lines of the VM's own log that complain.
async fn log_lines(ctx: &Ctx, at: &VmAt) -> Vec<String> {
    let path = at.file_path("vmware.log");
    let command = HostCommand::read(["tail", "-n", TAIL, &path]).max_output(64 << 10);
    let Ok(host) = ctx.host(&at.host) else {
        return Vec::new();
    };
    let Ok(output) = host.read(Lane::Control, &command).await else {
        return Vec::new();
    };
    if output.status != 0 {
        return Vec::new();
    }
    complaints(&sanitise::sanitise(&output.stdout))
}

/// Whether one of these stands in a text for itself: no lock is in `block`, nor in `clock`.
fn has_word(text: &str, words: &[&str]) -> bool {
    let mut all = text.split(|c: char| !c.is_ascii_alphanumeric());
    all.any(|word| words.contains(&word))
}

/// What the VM was told, `[msg.…]`, tells the reason; other lines do where it was told nothing.
fn complaints(log: &str) -> Vec<String> {
    let told: Vec<&str> = log.lines().filter(|line| line.contains("[msg.")).collect();
    let complains = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.contains("no space")
            || has_word(&line, &["failed", "error", "lock", "locked", "cannot"])
    };
    let lines = if told.is_empty() {
        log.lines().filter(complains).collect()
    } else {
        told
    };
    let mut last: Vec<String> = Vec::new();
    for line in lines {
        let line = message(line);
        if !last.contains(&line) {
            last.push(line);
        }
    }
    last.drain(..last.len().saturating_sub(2));
    last
}

/// A line of vmware.log without its time and thread.
fn message(line: &str) -> String {
    let text = line.split_once(": ").map_or(line, |(_, text)| text);
    text.trim().chars().take(LINE).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gives_its_last_two_complaints() {
        let log = "2026-01-02T03:04:05.678Z| vmx| I005: Log for VMware ESX\n\
                   2026-01-02T03:04:06.678Z| vmx| I005: Msg_Post: Error\n\
                   2026-01-02T03:04:06.679Z| vmx| I005: [msg.fileio.lock] Failed to lock the file\n\
                   2026-01-02T03:04:06.680Z| vmx| I005: [msg.disk.noBackEnd] Cannot open the disk 'x.vmdk'\n\
                   2026-01-02T03:04:06.681Z| vmx| I005: Vix: done\n";
        assert_eq!(
            complaints(log),
            [
                "[msg.fileio.lock] Failed to lock the file",
                "[msg.disk.noBackEnd] Cannot open the disk 'x.vmdk'"
            ]
        );
        assert_eq!(complaints("all is well"), Vec::<String>::new());
        // Lines that end every log of a failed start do not push out why it failed.
        let told = "vmx| I005: [msg.fileio.lock] Failed to lock the file\n\
                    vmx| I005: Vmx exits with an error\nvmx| I005: Module failed\n";
        assert_eq!(
            complaints(told),
            ["[msg.fileio.lock] Failed to lock the file"]
        );
        let untold = "vmx| I005: It cannot go on\nvmx| I005: Clock: blocked, additionalError=4\n";
        assert_eq!(complaints(untold), ["It cannot go on"]);
    }

    #[test]
    fn the_next_move_fits_the_reason() {
        for (reason, word) in [
            (
                "The operation is not allowed in the current state of the host.",
                "maintenanceMode set --enable false",
            ),
            ("Failed to lock the file", "vmkfstools -D"),
            ("msg.hbacommon.outofspace", "free space"),
            ("vim.fault.InsufficientResourcesFault", "free capacity"),
            ("Cannot open the disk 'x'", "restore point"),
            (
                "Another process has locked a portion of the file",
                "vmkfstools -D",
            ),
            ("vim.fault.FileLocked", "vmkfstools -D"),
            (
                "Admission check failed for memory resource",
                "free capacity",
            ),
            // Neither is a lock, nor is memory scarce.
            ("A block of the clock could not be unlocked", "hostd.log"),
            (
                "Invalid memory setting: reservation should be equal to memsize",
                "hostd.log",
            ),
            ("no reason was found", "hostd.log"),
        ] {
            assert!(next_move(reason).contains(word), "{reason}");
        }
    }
}
