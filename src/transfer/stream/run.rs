//! A run of a tool: on a host, or on the console's own machine.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::super::source::{ReadError, read_error};
use super::super::target::UNCHANGED;
use super::RunsOn;
use crate::error::Fault;
use crate::host::{Effect, Host, OutputEnd, Program, RemoteOutput, sanitise};

/// Of standard error, its end.
const KEPT_MESSAGE: usize = 8 << 10;
/// How long nothing may come from a tool here, as on a host.
const STALL: Duration = Duration::from_secs(300);

/// A tool whose output is being read. Dropping it ends the tool.
pub(super) enum Run {
    There(Arc<Host>, RemoteOutput),
    Here(Box<Local>),
}

/// What a tool printed that ran to its end.
pub(super) struct Answer {
    pub(super) printed: Vec<u8>,
    pub(super) end: OutputEnd,
    pub(super) truncated: bool,
}

/// A tool on the console's own machine, in a process group of its own.
pub(super) struct Local {
    child: Child,
    output: ChildStdout,
    message: JoinHandle<Vec<u8>>,
    /// Bytes that are still to be read over.
    skip: u64,
}

/// Runs a tool to its end.
pub(super) async fn ask(
    on: &RunsOn,
    program: &Program,
    time: Duration,
    most: usize,
) -> Result<Answer, ReadError> {
    match on {
        RunsOn::Host(host, lane) => {
            let command = program
                .command(Effect::Read)
                .deadline(time)
                .max_output(most);
            let output = host.read(*lane, &command).await;
            let output = output.map_err(|error| read_error(host, error))?;
            Ok(Answer {
                end: OutputEnd {
                    status: output.status,
                    said: sanitise::sanitise(&output.stderr).trim().to_owned(),
                },
                printed: output.stdout,
                truncated: output.truncated,
            })
        }
        RunsOn::Here => {
            let mut run = Local::start(program, 0)?;
            let printed = match tokio::time::timeout(time, run.read(most)).await {
                Ok(printed) => printed?,
                Err(_) => return Err(stalled(time)),
            };
            let truncated = printed.len() == most;
            let end = run.end().await?;
            Ok(Answer {
                printed,
                end,
                truncated,
            })
        }
    }
}

impl Run {
    /// Starts a tool whose output is wanted from byte `from` on.
    pub(super) async fn start(
        on: &RunsOn,
        program: &Program,
        from: u64,
    ) -> Result<Self, ReadError> {
        match on {
            RunsOn::Host(host, lane) => {
                let output = host.open_output(*lane, program, from).await;
                let output = output.map_err(|error| read_error(host, error))?;
                Ok(Self::There(host.clone(), output))
            }
            RunsOn::Here => Ok(Self::Here(Box::new(Local::start(program, from)?))),
        }
    }

    /// The next `len` bytes; fewer only at the end.
    pub(super) async fn read(&mut self, len: usize) -> Result<Vec<u8>, ReadError> {
        match self {
            Self::There(host, output) => {
                let read = output.read(len).await;
                read.map_err(|error| read_error(host, error))
            }
            Self::Here(local) => local.read(len).await,
        }
    }

    /// How it ended, once all of it was read.
    pub(super) async fn end(self) -> Result<OutputEnd, ReadError> {
        match self {
            Self::There(host, output) => {
                let end = output.end().await;
                end.map_err(|error| read_error(&host, error))
            }
            Self::Here(local) => local.end().await,
        }
    }
}

impl Local {
    fn start(program: &Program, skip: u64) -> Result<Self, ReadError> {
        let Some((tool, args)) = program.words().split_first() else {
            return Err(failed("a command without words".to_owned()));
        };
        let secrets = program
            .secrets()
            .iter()
            .map(|(name, secret)| (name, secret.expose()));
        let mut child = Command::new(tool)
            .args(args)
            .envs(secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("{tool} could not be started: {error}")))?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(format!("{tool} has no output")));
        };
        Ok(Self {
            child,
            output,
            message: tokio::spawn(keep_end(errors)),
            skip,
        })
    }

    async fn read(&mut self, len: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while self.skip > 0 || bytes.len() < len {
            let wanted = if self.skip > 0 {
                usize::try_from(self.skip).unwrap_or(usize::MAX)
            } else {
                len - bytes.len()
            };
            let most = wanted.min(buffer.len());
            let part = buffer.get_mut(..most).unwrap_or_default();
            let count = match tokio::time::timeout(STALL, self.output.read(part)).await {
                Ok(count) => count.map_err(|error| failed(format!("reading failed: {error}")))?,
                Err(_) => return Err(stalled(STALL)),
            };
            if count == 0 {
                break;
            }
            if self.skip > 0 {
                self.skip -= count as u64;
            } else {
                bytes.extend_from_slice(part.get(..count).unwrap_or_default());
            }
        }
        Ok(bytes)
    }

    async fn end(mut self) -> Result<OutputEnd, ReadError> {
        use std::os::unix::process::ExitStatusExt;
        drop(self.output);
        let ended = tokio::time::timeout(STALL, self.child.wait()).await;
        let status = ended
            .map_err(|_| stalled(STALL))?
            .map_err(|error| failed(format!("its end is not known: {error}")))?;
        let signal = status.signal().map(|signal| 128 + signal);
        Ok(OutputEnd {
            status: status.code().or(signal).unwrap_or(-1),
            said: sanitise::sanitise(&self.message.await.unwrap_or_default())
                .trim()
                .to_owned(),
        })
    }
}

/// Reads to the end and keeps the last of it.
async fn keep_end(mut errors: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 4 << 10];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let over = kept.len().saturating_sub(KEPT_MESSAGE);
        kept.drain(..over);
    }
    kept
}

fn failed(what: String) -> ReadError {
    ReadError::Failed(Fault::new(
        what,
        "this machine",
        UNCHANGED,
        "see that the tool is installed here and that the runbook names it rightly, then retry",
    ))
}

fn stalled(after: Duration) -> ReadError {
    failed(format!(
        "nothing came from the tool for {} s",
        after.as_secs()
    ))
}
