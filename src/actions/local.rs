//! Commands on the console's own machine, for `local`: announced, sent once, and looked for again
//! like those on hosts.
//!
//! Every process of such a command has a mark of its own in its environment, so that a console that
//! was killed under it finds it again, children included, whatever became of its number.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::engine::{Op, StopOutcome};
use crate::error::Fault;
use crate::host::{HostCommand, Output, sanitise};
use crate::names::{HostName, OpId};
use crate::runbook::model::CommandSpec;
use crate::settings::machine_name;

use super::context::{Ctx, sum_of};
use super::link::{ActError, Request};

/// Where the mark stands in the environment of a process.
const MARK: &str = "LIFEBOAT_WRITE";
/// Bytes of each output that are kept; the rest is read and dropped.
const MOST: u64 = 1 << 20;
/// How long a process may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a command that only looks.
///
/// # Errors
/// It could not be started, or did not end in time.
pub(super) async fn read(ctx: &Ctx, command: &HostCommand) -> Result<Output, Fault> {
    let (mut child, group) = start(&mut program(command)?).map_err(|e| not_run(command, &e))?;
    let ended = timeout(command.time_limit(), finished(&mut child)).await;
    let output = ended.map_err(|_| {
        Fault::new(
            format!("{} did not end in time and was stopped", command.line()),
            CommandSpec::CONSOLE,
            "it only looks, so nothing was changed",
            "give the step a longer `timeout`, then retry",
        )
    })?;
    let output = output.map_err(|error| not_run(command, &error))?;
    group.leave();
    Ok(masked(ctx, output))
}

/// Announces a command that changes something, runs it once that is on disk, and reports how it went.
///
/// # Errors
/// It did not start, it did not end in time, or the run no longer waits for this action.
pub(super) async fn write(ctx: &Ctx, command: &HostCommand) -> Result<Output, ActError> {
    let mut program = program(command)?;
    let host = HostName::from(CommandSpec::CONSOLE);
    let op = ctx.link.intend(&host, command.line(), false).await?.op();
    let began = ctx.clock.now();
    program.env(MARK, mark(ctx, op));
    let (mut child, group) = match start(&mut program) {
        Ok(started) => started,
        Err(error) => {
            let why = error.to_string();
            ctx.link.send(Request::NotSent { op, why })?;
            return Err(not_run(command, &error).into());
        }
    };
    if let Some(pid) = child.id() {
        ctx.link.send(Request::Started { op, pid })?;
    }
    let why = match timeout(command.time_limit(), finished(&mut child)).await {
        Ok(Ok(output)) => {
            group.leave();
            let output = masked(ctx, output);
            ctx.link.send(Request::Finished {
                op,
                exit: output.status,
                took_ms: ctx.millis_since(began),
                output_sha256: Some(sum_of(&output)),
            })?;
            return Ok(output);
        }
        Ok(Err(error)) => format!("its output could not be read: {error}"),
        Err(_) => "it did not end in time and was stopped".to_owned(),
    };
    group.ask_to_end();
    // Whoever does not end is killed with the group.
    let _ = timeout(GRACE, child.wait()).await;
    drop(group);
    ctx.link.send(Request::Lost { op, why })?;
    Err(ActError::Lost)
}

/// Makes sure that a command whose console was killed, or that took too long, can no longer take
/// effect.
///
/// # Errors
/// It runs on another machine, or it could not be stopped: a person decides.
pub(super) async fn stop_lost(ctx: &Ctx, id: OpId, lost: &Op) -> Result<StopOutcome, Fault> {
    let here = machine_name();
    let there = &lost.console;
    if *there != here {
        return Err(Fault::new(
            format!("the lost command was sent on {there}, and this is {here}"),
            there.as_str(),
            format!("it may still take effect: {}", lost.command),
            "look for it there; once it has ended, mark the step by hand or skip it, or resume the run there",
        ));
    }
    let list = Path::new("/proc");
    if !list.join("self").exists() {
        return Err(Fault::new(
            "this system has no /proc in which to look for the lost command",
            here,
            format!("it may still take effect: {}", lost.command),
            "look whether it still runs; once it has ended, mark the step by hand or skip it",
        ));
    }
    let words = shell_words::split(&lost.command).unwrap_or_default();
    let mark = format!("{MARK}={}", mark(ctx, id));
    let at_work = || processes(list, &mark, lost.pid, &words);
    if at_work().is_empty() {
        return Ok(StopOutcome::Gone);
    }
    for signal in [Signal::TERM, Signal::KILL] {
        for pid in at_work() {
            if let Some(pid) = Pid::from_raw(pid) {
                // What cannot be stopped is still there afterwards.
                let _ = kill_process(pid, signal);
            }
        }
        let gone = async {
            while !at_work().is_empty() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        if timeout(GRACE, gone).await.is_ok() {
            return Ok(StopOutcome::Killed);
        }
    }
    let left: Vec<String> = at_work().iter().map(ToString::to_string).collect();
    Err(Fault::new(
        format!(
            "the lost command does not stop: process {}",
            left.join(", ")
        ),
        CommandSpec::CONSOLE,
        format!("it may still take effect: {}", lost.command),
        "look at it on this machine; retry once it has ended",
    ))
}

/// A process group that is killed when nobody waits for it any more: an abort, a limit of time.
struct Group(Option<Pid>);

impl Group {
    /// It ended by itself; what it left running on purpose is its own affair.
    fn leave(mut self) {
        self.0 = None;
    }

    fn ask_to_end(&self) {
        if let Some(leader) = self.0 {
            // Whoever is gone already needs no asking.
            let _ = kill_process_group(leader, Signal::TERM);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Whoever is gone already cannot be killed.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The program, apart from this console's terminal and signals. No shell reads its words.
fn program(command: &HostCommand) -> Result<Command, Fault> {
    let Some((tool, arguments)) = command.words().split_first() else {
        return Err(Fault::new(
            "a command without words",
            CommandSpec::CONSOLE,
            "nothing was changed",
            "correct the runbook",
        ));
    };
    let mut program = Command::new(tool);
    program
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    Ok(program)
}

fn start(program: &mut Command) -> io::Result<(Child, Group)> {
    let child = program.spawn()?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let group = Group(leader.and_then(Pid::from_raw));
    Ok((child, group))
}

/// What it printed, without control sequences and with every secret of the run masked.
fn masked(ctx: &Ctx, output: Output) -> Output {
    let mask = |bytes: Vec<u8>| {
        let text = sanitise::sanitise(&bytes);
        let lines: Vec<String> = text.lines().map(|line| ctx.hosts.clean(line)).collect();
        lines.join("\n").into_bytes()
    };
    Output {
        stdout: mask(output.stdout),
        stderr: mask(output.stderr),
        ..output
    }
}

async fn finished(child: &mut Child) -> io::Result<Output> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::join!(printed(out), printed(err));
    let status = child.wait().await?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    let (stdout, stderr) = (stdout?, stderr?);
    let truncated = [&stdout, &stderr]
        .iter()
        .any(|bytes| bytes.len() as u64 == MOST);
    Ok(Output {
        status: status.code().or(signal).unwrap_or(-1),
        stdout,
        stderr,
        truncated,
        ..Output::default()
    })
}

async fn printed(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(MOST).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

fn not_run(command: &HostCommand, error: &io::Error) -> Fault {
    Fault::new(
        format!("{} could not be run: {error}", command.line()),
        CommandSpec::CONSOLE,
        "nothing was changed",
        "install it on this machine or correct the runbook, then retry",
    )
}

/// What tells the processes of one write from all others.
fn mark(ctx: &Ctx, op: OpId) -> String {
    format!("{}:{op}", ctx.run)
}

/// The processes that carry the mark, and the one of that number if it shows these words. `proc` is
/// the kernel's list.
fn processes(proc: &Path, mark: &str, pid: Option<u32>, words: &[String]) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let marked = || has_word(&read("environ"), mark);
        let shown = || {
            let line = read("cmdline");
            let line = line.strip_suffix(b"\0").unwrap_or(&line);
            let shown = line.split(|byte| *byte == 0);
            shown.eq(words.iter().map(String::as_bytes))
        };
        let is_its_number = pid.is_some_and(|pid| i64::from(pid) == i64::from(number));
        if !is_dead(&read("stat")) && (marked() || (is_its_number && shown())) {
            found.push(number);
        }
    }
    found
}

fn has_word(list: &[u8], word: &str) -> bool {
    list.split(|byte| *byte == 0)
        .any(|one| one == OsStr::new(word).as_encoded_bytes())
}

/// Ended, and only not yet taken note of by its parent. The state follows the name, which stands in
/// parentheses and may hold any character.
fn is_dead(stat: &[u8]) -> bool {
    let end = stat.iter().rposition(|byte| *byte == b')');
    let state = end.and_then(|end| stat.get(end + 2));
    matches!(state, None | Some(b'Z' | b'X'))
}
