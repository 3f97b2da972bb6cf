//! A command on the session for bulk data that is told more while it runs.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::command::{Effect, HostCommand};
use super::super::error::HostError;
use super::super::lane::Lane;
use super::super::live::{Stream, Tap};
use super::super::output::Output;
use super::super::shared::{Limits, Shared};
use super::Session;

/// A running command that only looks. Dropping it closes its standard input and its channel.
pub struct Dialogue {
    out: Arc<ChannelWriteHalf<Msg>>,
    /// What it said on standard error so far, its last whole line; closed with the channel.
    said: watch::Receiver<String>,
    listening: JoinHandle<Option<Output>>,
    /// Dropped when its end is no longer waited for.
    wanted: Option<oneshot::Sender<()>>,
    command: HostCommand,
    limits: Limits,
    /// Keeps the connection.
    _session: Arc<Session>,
}

impl Dialogue {
    pub(in super::super) async fn start(
        host: &Arc<Shared>,
        session: Arc<Session>,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Self, HostError> {
        let limits = session.limits;
        let starting = async {
            let channel = session.channel().await?;
            channel.exec(true, command.line()).await?;
            Ok(channel)
        };
        let late = || HostError::Lost("starting a command beside a file took too long".to_owned());
        let started = timeout(limits.file, starting).await.map_err(|_| late())?;
        let channel =
            started.map_err(|error: russh::Error| HostError::NotRun(error.to_string()))?;
        let tap = Tap::new(
            host.sink(),
            host.config.name.clone(),
            lane,
            &command.line(),
            Effect::Read,
            host.run.redactor.clone(),
        );
        tap.sent();
        let (arriving, out) = channel.split();
        let (say, said) = watch::channel(String::new());
        let (wanted, unwanted) = oneshot::channel();
        let listening = listen(arriving, tap, command.output_limit(), say, unwanted);
        Ok(Self {
            out: Arc::new(out),
            said,
            listening: tokio::spawn(listening),
            wanted: Some(wanted),
            command: command.clone(),
            limits,
            _session: session,
        })
    }

    /// Puts a line on its standard input.
    ///
    /// # Errors
    /// It has ended, or the connection did.
    pub async fn tell(&mut self, line: &str) -> Result<(), HostError> {
        let line = Bytes::from(format!("{line}\n"));
        let out = self.out.clone();
        let telling = async {
            tokio::select! {
                biased;
                () = self.ended() => false,
                sent = out.data_bytes(line) => sent.is_ok(),
            }
        };
        if timeout(self.limits.file, telling).await == Ok(true) {
            Ok(())
        } else {
            Err(ended())
        }
    }

    /// The last whole line that it said on standard error; its channel closes when it ends.
    #[must_use]
    pub fn said(&self) -> watch::Receiver<String> {
        self.said.clone()
    }

    /// Tells it that nothing more comes, and waits for its end.
    ///
    /// # Errors
    /// The connection ended before it did, or its time limit, counted from here, is over.
    pub async fn finish(&mut self) -> Result<Output, HostError> {
        // If nobody is there any more, the end has no status.
        let _ = self.out.eof().await;
        match timeout(self.command.time_limit(), &mut self.listening).await {
            Ok(Ok(Some(output))) => Ok(output),
            Ok(_) => Err(ended()),
            Err(_) => {
                self.wanted = None;
                Err(HostError::Lost(
                    "a command beside a file did not come to its end in time".to_owned(),
                ))
            }
        }
    }

    async fn ended(&self) {
        let mut said = self.said.clone();
        while said.changed().await.is_ok() {}
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let out = self.out.clone();
            runtime.spawn(async move { out.close().await });
        }
    }
}

fn ended() -> HostError {
    HostError::Lost("a command beside a file ended early".to_owned())
}

/// Takes what a command says until its channel ends or nobody wants it; `None` where no exit status
/// came.
async fn listen(
    mut arriving: ChannelReadHalf,
    mut tap: Tap,
    keep: usize,
    say: watch::Sender<String>,
    mut unwanted: oneshot::Receiver<()>,
) -> Option<Output> {
    let begun = Instant::now();
    let mut output = Output::default();
    let mut status = None;
    let mut line = Vec::new();
    loop {
        let message = tokio::select! {
            message = arriving.wait() => message,
            _ = &mut unwanted => None,
        };
        let Some(message) = message else { break };
        match message {
            ChannelMsg::Data { data } => {
                tap.feed(Stream::Out, &data);
                let room = keep.saturating_sub(output.stdout.len()).min(data.len());
                output.truncated |= room < data.len();
                output.stdout.extend(data.iter().take(room));
            }
            ChannelMsg::ExtendedData { data, .. } => {
                tap.feed(Stream::Err, &data);
                for byte in data {
                    match byte {
                        b'\n' => {
                            let text = String::from_utf8_lossy(&line).into_owned();
                            say.send_replace(text);
                            line.clear();
                        }
                        byte if line.len() < keep => line.push(byte),
                        _ => {}
                    }
                }
            }
            ChannelMsg::ExitStatus { exit_status } => {
                status = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
            }
            ChannelMsg::Close | ChannelMsg::Failure => break,
            _ => {}
        }
    }
    tap.ended(status);
    output.status = status?;
    output.took = begun.elapsed();
    Some(output)
}
