//! A channel that speaks SFTP: requests under way, and the task that takes their answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::super::file::FileError;
use super::super::link::Stopped;
use super::Session;
use super::file::NotOpen;
use super::packet::{self, Reply, Request};

/// What the file and the task that takes answers share.
pub(super) struct Wire {
    state: Mutex<State>,
    /// A permit for each write in flight.
    pub(super) writes: Arc<Semaphore>,
    pub(super) ended: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct State {
    number: u32,
    pub(super) waiting: HashMap<u32, Waiter>,
    /// The first write that the server refused: it stands for all later calls.
    pub(super) refused: Option<(u32, String)>,
    pub(super) ended: bool,
}

/// Who waits for an answer.
pub(super) enum Waiter {
    Write {
        at: u64,
        _permit: OwnedSemaphorePermit,
    },
    Answer(oneshot::Sender<Reply>),
}

/// Opens a channel that speaks SFTP.
pub(super) async fn start_sftp(session: &Session, path: &str) -> Result<Channel<Msg>, NotOpen> {
    let broken = || {
        let why = "the host hung up".to_owned();
        let lost = FileError::of(path, "opening", Stopped::Ssh(0, why));
        if session.is_closed() {
            NotOpen::Failed(lost)
        } else {
            NotOpen::NoSftp
        }
    };
    let opened = session.channel().await.map_err(|error| match error {
        russh::Error::ChannelOpenFailure(_) => NotOpen::NoChannel,
        _ => broken(),
    });
    let mut channel = opened?;
    let asked = channel.request_subsystem(true, "sftp").await;
    asked.map_err(|_| broken())?;
    let mut arrived = BytesMut::new();
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => {
                // The version takes the place of a request's number.
                let hello = Request::new(packet::INIT, 3).finish(0);
                channel.data_bytes(hello).await.map_err(|_| broken())?;
            }
            Some(ChannelMsg::Data { data }) => {
                arrived.extend_from_slice(&data);
                match packet::take(&mut arrived) {
                    Ok(None) => {}
                    Ok(Some((packet::VERSION, _))) => return Ok(channel),
                    Ok(Some(_)) | Err(()) => return Err(NotOpen::NoSftp),
                }
            }
            Some(ChannelMsg::Failure | ChannelMsg::Close | ChannelMsg::Eof) | None => {
                return Err(broken());
            }
            Some(_) => {}
        }
    }
}

/// Takes answers to whom they are for, until the channel ends.
pub(super) async fn take_replies(mut arriving: ChannelReadHalf, wire: Arc<Wire>) {
    let mut arrived = BytesMut::new();
    'channel: while let Some(message) = arriving.wait().await {
        match message {
            ChannelMsg::Data { data } => arrived.extend_from_slice(&data),
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => continue,
        }
        loop {
            match packet::take(&mut arrived) {
                Ok(Some((kind, body))) => match packet::reply(kind, body) {
                    Some((number, reply)) => wire.answer(number, reply),
                    None => break 'channel,
                },
                Ok(None) => break,
                Err(()) => break 'channel,
            }
        }
    }
    wire.end();
}

impl Wire {
    /// With so many writes in flight at most.
    pub(super) fn new(in_flight: usize) -> Self {
        Self {
            state: Mutex::default(),
            writes: Arc::new(Semaphore::new(in_flight)),
            ended: watch::Sender::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new request. After the end nobody waits: an answer's sender is dropped.
    pub(super) fn expect(&self, waiter: Waiter) -> u32 {
        let mut state = self.state();
        state.number = state.number.wrapping_add(1);
        let number = state.number;
        if !state.ended {
            state.waiting.insert(number, waiter);
        }
        number
    }

    fn answer(&self, number: u32, reply: Reply) {
        let mut state = self.state();
        match state.waiting.remove(&number) {
            Some(Waiter::Answer(sender)) => {
                // Who no longer waits needs no answer.
                let _ = sender.send(reply);
            }
            Some(Waiter::Write { .. }) => match reply {
                Reply::Status { code, .. } if code == packet::OK => {}
                Reply::Status { code, text } => {
                    state.refused.get_or_insert((code, text));
                }
                _ => {
                    let text = "no answer to a write".to_owned();
                    state.refused.get_or_insert((u32::MAX, text));
                }
            },
            None => {}
        }
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        // Before the permits of unconfirmed writes come back, none may be had any more.
        self.writes.close();
        state.waiting.clear();
        drop(state);
        self.ended.send_replace(true);
    }
}
