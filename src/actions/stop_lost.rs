//! Making sure that a write whose connection died can no longer take effect.
//!
//! Closing a channel ends nothing on the host, and hostd carries its tasks on without whoever asked
//! for them. So the process is looked for by its recorded number and stopped only if the host still
//! shows that very command behind it; without a number nothing is ever stopped, only waited for.
//! Then the VM's task list must show no such task at work. The one task that may be left is a
//! power-on that waits for an answer: it goes nowhere until somebody gives one, and the step's own
//! next look finds it there, waits for it and never sends another.
//!
//! A host that is a VM's guest, and does not answer, runs nothing while that VM is off.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Op, OpStatus, StopOutcome};
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output, sanitise};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::shell::{self, Trace};
use crate::names::{HostName, OpId};
use crate::runbook::model::{CommandSpec, Driver};

use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::waiting::Pauses;
use super::words::span;
use super::{local, power_tasks, powered_off, questions};

/// How long is waited where the step has no time of its own.
const PATIENCE: Duration = Duration::from_secs(120);
/// Looks in a row that must not see a command whose number is not known: the first may come before
/// the host has started it.
const UNSEEN: u32 = 3;
/// A command that told nothing of its start for so long was sent into a silence.
const SILENT: Duration = Duration::from_secs(5);
/// For how long such a command must not be seen: it may have waited on its way, at a jump host or in
/// front of a host that hung.
const LATE: Duration = Duration::from_secs(30);
/// Stand in a kept command where a secret was, or a character that no terminal gets.
const REPLACED: [&str; 2] = ["***", "\u{fffd}"];

/// Pauses between looks at a host that does not answer: the first one, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONG_PAUSE: Duration = Duration::from_secs(15);

/// Makes sure that a lost write can no longer take effect, and tells how that is known. What may pass
/// is waited for that long, for the host that lost the connection is mostly back by then.
///
/// # Errors
/// It could not be found out, or it could not be stopped: a person decides.
pub async fn stop_patiently(ctx: &Ctx, op: OpId, patience: Duration) -> Result<StopOutcome, Fault> {
    let deadline = Instant::now() + patience;
    let mut pause = PAUSE;
    loop {
        match stop_lost(ctx, op).await {
            Err(fault) if fault.passing && Instant::now() + pause < deadline => {
                tracing::info!("{op} may still take effect, and is looked for again: {fault}");
                tokio::time::sleep(pause).await;
                pause = LONG_PAUSE.min(pause * 2);
            }
            Err(fault) if fault.passing => {
                let state = "a command that was sent there may still take effect, or have taken it";
                return Err(Fault {
                    state: state.to_owned(),
                    ..fault
                });
            }
            outcome => return outcome,
        }
    }
}

/// The same, looked at once.
///
/// # Errors
/// As there.
pub(super) async fn stop_lost(ctx: &Ctx, op: OpId) -> Result<StopOutcome, Fault> {
    let Some(lost) = ctx.state.ops.get(&op) else {
        return Err(Fault::new(
            format!("the run knows no write {op}"),
            "journal",
            "nothing was sent",
            "verify the run, then retry",
        ));
    };
    if lost.bulk {
        // Bytes at absolute offsets: what arrives late is what would be sent again.
        return Ok(StopOutcome::Gone);
    }
    if lost.host.as_str() == CommandSpec::CONSOLE {
        return local::stop_lost(ctx, op, lost).await;
    }
    let command = sent(lost);
    let ended = match lost.pid {
        Some(pid) => stop_process(ctx, lost, pid, &command).await,
        None => wait_until_unseen(ctx, lost, &command).await,
    };
    let outcome = match ended {
        Err(fault) if fault.passing => powered_off::over_unless(ctx, &lost.host, fault).await?,
        ended => ended?,
    };
    if ctx.host(&lost.host)?.driver() == Driver::Esxi {
        wait_for_tasks(ctx, lost, &command).await?;
    }
    Ok(outcome)
}

/// The command as it was sent, as far as the journal keeps it.
fn sent(lost: &Op) -> HostCommand {
    let words = shell_words::split(&lost.command).unwrap_or_else(|_| vec![lost.command.clone()]);
    HostCommand::write(words)
}

/// Makes sure that nothing which was lost may still come to a VM where it is about to be looked for as
/// gone, as far as a host shows it: a person may have settled a step by hand whose command could not be
/// stopped. What a host goes on with by itself and lists as no task of the VM, a registration, is not
/// seen. Sends reads only.
///
/// # Errors
/// Such a command is still there, or the host could not tell.
pub(super) async fn nothing_comes(ctx: &Ctx, at: &VmAt) -> Result<(), Fault> {
    let about = |op: &Op| {
        let vm = op.step.subject() == at.vm.as_str();
        // One that is open is at work for another step right now, and was not lost.
        let lost = op.status == OpStatus::Lost && !op.bulk;
        vm && lost && op.host == at.host && op.step != ctx.step.id
    };
    for lost in ctx.state.ops.values().filter(|op| about(op)) {
        let command = sent(lost);
        if is_there(ctx, lost, &command).await? {
            let next = if is_asked(ctx, &lost.host, task_of(&command)).await {
                "its VM asks something, and the start ends only with an answer: give one in the host's own client, \
                 one that cancels it where there is one; then retry"
            } else {
                "wait until it has ended there, or end it by hand, then retry"
            };
            return Err(Fault::new(
                format!(
                    "a command of {} that was lost is still under way on {}",
                    lost.step, lost.host
                ),
                lost.host.as_str(),
                format!("it may still take effect: {}", lost.command),
                next,
            ));
        }
    }
    Ok(())
}

/// Whether a lost command is still there, as a process or as the host's task. A number that belongs to
/// something else by now says nothing: then the list of all processes does.
async fn is_there(ctx: &Ctx, lost: &Op, command: &HostCommand) -> Result<bool, Fault> {
    let traced = match lost.pid {
        Some(pid) => Some(traced(ctx, lost, pid, command).await?),
        None => None,
    };
    let runs = match traced {
        Some(Trace::Ended | Trace::Stopped) => false,
        Some(Trace::Running) => true,
        Some(Trace::Other { .. }) | None => mentions(&processes(ctx, &lost.host).await?, command),
    };
    if runs || ctx.host(&lost.host)?.driver() != Driver::Esxi {
        return Ok(runs);
    }
    let Some((vmid, kind)) = task_of(command) else {
        return Ok(false);
    };
    let tasks = power_tasks::unended(ctx, &lost.host, Lane::Control, vmid, kind).await?;
    Ok(!tasks.is_empty())
}

async fn traced(ctx: &Ctx, lost: &Op, pid: u32, command: &HostCommand) -> Result<Trace, Fault> {
    let look = shell::trace(ctx.host(&lost.host)?.driver(), pid, command);
    let doing = "looking for the lost command";
    ctx.read(&lost.host, Lane::Control, &look, Trace::parse, doing)
        .await
}

async fn processes(ctx: &Ctx, host: &HostName) -> Result<String, Fault> {
    let (list, doing) = (shell::list_processes(), "listing the host's processes");
    ctx.read(host, Lane::Control, &list, listing, doing).await
}

fn patience(ctx: &Ctx) -> Duration {
    ctx.step.timeout.unwrap_or(PATIENCE).max(PATIENCE)
}

async fn stop_process(
    ctx: &Ctx,
    lost: &Op,
    pid: u32,
    command: &HostCommand,
) -> Result<StopOutcome, Fault> {
    let host = &lost.host;
    let driver = ctx.host(host)?.driver();
    match traced(ctx, lost, pid, command).await? {
        Trace::Ended | Trace::Stopped => return Ok(StopOutcome::Gone),
        Trace::Other { shown } => return Err(unclear(lost, pid, &shown)),
        Trace::Running => {}
    }
    if is_altered(command) {
        return Err(unclear(
            lost,
            pid,
            "a command of which the journal does not keep every character, so it is not compared",
        ));
    }
    let stopped = ctx
        .order(
            host,
            &shell::stop(driver, pid, command),
            Trace::parse,
            "stopping it",
        )
        .await;
    match stopped {
        Ok(Trace::Stopped) => Ok(StopOutcome::Killed),
        Ok(Trace::Ended | Trace::Other { .. }) => Ok(StopOutcome::Gone),
        Ok(Trace::Running) => Err(Fault::new(
            format!("the lost command still runs on {host} as process {pid} and does not stop"),
            host.as_str(),
            format!("it may still take effect: {}", lost.command),
            "look at that process on the host; retry once it has ended",
        )),
        Err(ActError::Failed(fault)) => Err(fault),
        Err(ActError::Held { fault, .. }) => Err(*fault),
        Err(ActError::Lost | ActError::Stale) => Err(Fault::new(
            format!("the connection to {host} died again while the lost command was being stopped"),
            host.as_str(),
            format!("it may still take effect: {}", lost.command),
            "retry once the host answers",
        )
        .passing()),
    }
}

/// Whether the journal keeps the command otherwise than it was sent.
fn is_altered(command: &HostCommand) -> bool {
    let replaced = |word: &String| REPLACED.iter().any(|sign| word.contains(sign));
    command.words().iter().any(replaced)
}

fn unclear(lost: &Op, pid: u32, shown: &str) -> Fault {
    Fault::new(
        format!(
            "whether the lost command still runs on {} cannot be told",
            lost.host
        ),
        format!("{}, process {pid}", lost.host),
        format!("the host shows: {shown}; sent was: {}", lost.command),
        "look at that process on the host; if it is another one, mark the step by hand, or retry once it \
         is gone",
    )
}

/// Nothing is stopped whose number is not known: it is waited for until the host does not show it.
async fn wait_until_unseen(
    ctx: &Ctx,
    lost: &Op,
    command: &HostCommand,
) -> Result<StopOutcome, Fault> {
    let host = &lost.host;
    let limit = patience(ctx);
    let mut pauses = Pauses::within(limit);
    let mut unseen = 0;
    let late = may_be_late(lost);
    if !late.is_zero() {
        let span = span(late);
        ctx.doing(format!(
            "looking for {span} whether the lost command still reaches {host}: nothing was heard of its start"
        ));
    }
    let since = Instant::now();
    loop {
        let shown = processes(ctx, host).await?;
        unseen = if mentions(&shown, command) {
            0
        } else {
            unseen + 1
        };
        if unseen >= UNSEEN && since.elapsed() >= late {
            return Ok(StopOutcome::Gone);
        }
        if !pauses.pause().await {
            return Err(Fault::new(
                format!(
                    "a command like the lost one still runs on {host} after {}",
                    span(limit)
                ),
                host.as_str(),
                format!("it may still take effect: {}", lost.command),
                "its process number is not known, so nothing was stopped: look at it on the host, then retry",
            ));
        }
    }
}

/// How long a command without a number may still be on its way to its host. Where the connection was
/// refused or ended by the other side, that came at once.
fn may_be_late(lost: &Op) -> Duration {
    match lost.lasted {
        Some(lasted) if lasted >= SILENT => LATE,
        _ => Duration::ZERO,
    }
}

fn listing(output: &Output) -> Result<String, DriverFault> {
    let text = sanitise::sanitise(&output.stdout);
    if output.status == 0 && !output.truncated && !text.trim().is_empty() {
        return Ok(text);
    }
    Err(DriverFault::Failed {
        status: output.status,
        text: output.error_text().trim().to_owned(),
    })
}

/// Whether a list of processes shows the command, quoted or not.
fn mentions(list: &str, command: &HostCommand) -> bool {
    let words = command.words();
    let rest = words
        .get(1..)
        .filter(|rest| !rest.is_empty())
        .unwrap_or(words);
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // What was replaced is not known; what stands before it is.
    let wanted = plain(&rest.join(" "));
    let known = REPLACED.iter().filter_map(|sign| wanted.find(sign)).min();
    let wanted = wanted[..known.unwrap_or(wanted.len())].trim();
    // A script has lines of its own, which some hosts show as such.
    let list = plain(list);
    list.match_indices(wanted).any(|(at, _)| {
        // `power.on 1` is not `power.on 12`.
        list.get(at + wanted.len()..)
            .is_none_or(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The kind of task that a command makes hostd do, and of which VM.
fn task_of(command: &HostCommand) -> Option<(Vmid, &'static str)> {
    let words: Vec<&str> = command.words().iter().map(String::as_str).collect();
    let ["vim-cmd", verb, vmid, ..] = words.as_slice() else {
        return None;
    };
    let kind = match *verb {
        "vmsvc/power.on" => "powerOn",
        "vmsvc/power.off" => "powerOff",
        "vmsvc/power.shutdown" => "shutdownGuest",
        "vmsvc/unregister" => "unregister",
        "vmsvc/reload" => "reload",
        // registervm names no VM yet; the host takes one file once, so it cannot work twice.
        _ => return None,
    };
    Some((Vmid(vmid.parse().ok()?), kind))
}

/// Whether a task is a start whose VM asks something: it goes nowhere until that is answered.
async fn is_asked(ctx: &Ctx, host: &HostName, task: Option<(Vmid, &str)>) -> bool {
    let Some((vmid, "powerOn")) = task else {
        return false;
    };
    let asked = questions::pending(ctx, host, Lane::Control, vmid).await;
    asked.is_ok_and(|question| question.is_some())
}

async fn wait_for_tasks(ctx: &Ctx, lost: &Op, command: &HostCommand) -> Result<(), Fault> {
    let Some((vmid, kind)) = task_of(command) else {
        return Ok(());
    };
    let host: &HostName = &lost.host;
    let limit = patience(ctx);
    let mut pauses = Pauses::within(limit);
    loop {
        let tasks = power_tasks::unended(ctx, host, Lane::Control, vmid, kind).await?;
        let Some(task) = tasks.first() else {
            return Ok(());
        };
        if is_asked(ctx, host, Some((vmid, kind))).await {
            return Ok(());
        }
        if !pauses.pause().await {
            let progress = task
                .progress
                .map_or_else(String::new, |percent| format!(" at {percent} %"));
            return Err(Fault::new(
                format!(
                    "{host} still works on {} after {}{progress}",
                    task.operation,
                    span(limit)
                ),
                host.as_str(),
                format!("it may still take effect: {}", lost.command),
                "wait for that task on the host, then retry",
            )
            .passing());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> HostCommand {
        HostCommand::write(shell_words::split(line).unwrap())
    }

    #[test]
    fn a_command_is_seen_in_a_list_whatever_its_quotes() {
        let list = "  WID    CID  WorldName  Command\n\
                    1001   1001  sh    sh -c echo $$; exec \"$@\" _ vim-cmd vmsvc/power.on 12\n\
                    1002   1002  mv    mv /vmfs/volumes/a b/x /vmfs/volumes/a b/y\n";
        assert!(mentions(list, &command("vim-cmd vmsvc/power.on 12")));
        assert!(!mentions(list, &command("vim-cmd vmsvc/power.on 1")));
        assert!(mentions(
            list,
            &command("mv '/vmfs/volumes/a b/x' '/vmfs/volumes/a b/y'")
        ));
        assert!(!mentions(list, &command("vim-cmd vmsvc/power.off 12")));
        let script =
            "1003  1003  sh  sh -c if [ -d a ]\nthen mv a b; fi _ x\n1004 1004 vpxa  vpxa\n";
        assert!(mentions(
            script,
            &command("sh -c 'if [ -d a ]\nthen mv a b; fi' _ x")
        ));
        assert!(mentions(
            "1 1 x logger -t a secret",
            &command("logger -t a '***'")
        ));
    }

    #[test]
    fn a_command_that_was_sent_into_a_silence_is_looked_for_longer() {
        let lasted = |lasted: Option<u64>| {
            may_be_late(&Op {
                step: "failover/recover/sql01/register".into(),
                attempt: crate::names::Attempt::FIRST,
                host: "lee-esx1".into(),
                console: "noc-1".to_owned(),
                command: "true".to_owned(),
                bulk: false,
                pid: None,
                intended: jiff::Timestamp::UNIX_EPOCH,
                lasted: lasted.map(Duration::from_secs),
                status: OpStatus::Lost,
            })
        };
        assert_eq!(lasted(Some(0)), Duration::ZERO);
        assert_eq!(lasted(Some(60)), LATE);
        assert_eq!(
            lasted(None),
            Duration::ZERO,
            "a console that ended drops what it had not delivered"
        );
    }

    #[test]
    fn tasks_are_waited_for_where_hostd_has_some() {
        assert_eq!(
            task_of(&command("vim-cmd vmsvc/power.on 12")),
            Some((Vmid(12), "powerOn"))
        );
        assert_eq!(
            task_of(&command("vim-cmd vmsvc/unregister 3")),
            Some((Vmid(3), "unregister"))
        );
        assert_eq!(
            task_of(&command("vim-cmd solo/registervm /vmfs/volumes/a/b.vmx")),
            None
        );
        assert_eq!(task_of(&command("mv a b")), None);
    }
}
