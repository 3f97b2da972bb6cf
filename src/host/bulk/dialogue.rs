//! A command on the session for bulk data that is told more while it runs.

use std::sync::Arc;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::command::HostCommand;
use super::super::dialogue::Heard;
use super::super::error::HostError;
use super::super::lane::Lane;
use super::super::live::Stream;
use super::super::output::Output;
use super::super::shared::{Limits, Shared};
use super::Session;

/// See [`Dialogue`](super::super::Dialogue).
pub(in super::super) struct Dialogue {
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
    /// Starts a command; `None` where the host opens no further channel on this session.
    pub(in super::super) async fn start(
        host: &Arc<Shared>,
        session: Arc<Session>,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Option<Self>, HostError> {
        let limits = session.limits;
        let starting = async {
            let channel = session.channel().await?;
            channel.exec(true, command.line()).await?;
            Ok(channel)
        };
        let late = || HostError::Lost("starting a command beside a file took too long".to_owned());
        let started = timeout(limits.file, starting).await.map_err(|_| late())?;
        let channel = match started {
            Ok(channel) => channel,
            Err(russh::Error::ChannelOpenFailure(_)) => return Ok(None),
            Err(error) => return Err(HostError::NotRun(error.to_string())),
        };
        let (heard, said) = Heard::new(host, lane, command);
        heard.sent();
        let (arriving, out) = channel.split();
        let (wanted, unwanted) = oneshot::channel();
        let listening = tokio::spawn(listen(arriving, heard, unwanted));
        Ok(Some(Self {
            out: Arc::new(out),
            said,
            listening,
            wanted: Some(wanted),
            command: command.clone(),
            limits,
            _session: session,
        }))
    }

    pub(in super::super) async fn tell(&mut self, line: &str) -> Result<(), HostError> {
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

    pub(in super::super) fn said(&self) -> watch::Receiver<String> {
        self.said.clone()
    }

    pub(in super::super) async fn finish(&mut self) -> Result<Output, HostError> {
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
    mut heard: Heard,
    mut unwanted: oneshot::Receiver<()>,
) -> Option<Output> {
    let mut status = None;
    loop {
        let message = tokio::select! {
            message = arriving.wait() => message,
            _ = &mut unwanted => None,
        };
        let Some(message) = message else { break };
        match message {
            ChannelMsg::Data { data } => heard.take(Stream::Out, &data),
            ChannelMsg::ExtendedData { data, .. } => heard.take(Stream::Err, &data),
            ChannelMsg::ExitStatus { exit_status } => {
                status = Some(i32::try_from(exit_status).unwrap_or(i32::MAX));
            }
            ChannelMsg::Close | ChannelMsg::Failure => break,
            _ => {}
        }
    }
    heard.end(status)
}
