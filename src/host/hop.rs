//! The way to a host through another one: a jump host.
//!
//! A hop is a host like any other as far as its key and its login go, and is never sent a command:
//! all that is asked of it is to carry a connection on (`direct-tcpip`, RFC 4254 section 7.2). Its
//! first login goes through ssh2 by the rules of every login; the session that carries connections
//! is russh's, logged in the same way, because libssh2 would spend most of a processor on it. One
//! such session serves every lane of every host behind the hop, and is opened again when it died.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::runbook::model::HostAddress;

use super::bulk::{Session, bounded};
use super::connect::prove;
use super::error::HostError;
use super::link::{Cancel, Wake};
use super::policy::Deed;
use super::shared::Shared;
use super::wire::Wire;

/// Bytes from the far side that may wait for a session that does not read. Each session bounds what
/// its host may send, far below this; a hop that sends more is not to fill the memory.
const MAX_WAITING: usize = 64 << 20;

const CHUNK: usize = 32 << 10;

/// Connects to `target` from `hop`. To be called on a thread within a runtime.
pub(super) fn dial_from(
    hop: &Arc<Shared>,
    target: &HostAddress,
    cancel: &Cancel,
) -> Result<Wire, HostError> {
    hop.run.policy.permit(Deed::Forward(target))?;
    open(hop, target, cancel).map_err(|cause| match cause {
        HostError::Cancelled | HostError::Closed | HostError::Hop { .. } => cause,
        HostError::NotForwarded { .. } | HostError::UnreachableFromHop { .. } => cause,
        cause => HostError::Hop {
            hop: hop.config.name.clone(),
            cause: Box::new(cause),
        },
    })
}

fn open(hop: &Arc<Shared>, target: &HostAddress, cancel: &Cancel) -> Result<Wire, HostError> {
    let lost =
        |what: &str, error: &dyn std::fmt::Display| HostError::Lost(format!("{what}: {error}"));
    let runtime = Handle::try_current().map_err(|error| lost("forwarding", &error))?;
    if hop.proven().is_none() {
        let wake = Wake::new().map_err(|error| lost("opening a session", &error))?;
        prove(hop, &Arc::new(wake), cancel)?;
    }
    let (near, far) = UnixStream::pair().map_err(|error| lost("forwarding", &error))?;
    far.set_nonblocking(true)
        .map_err(|error| lost("forwarding", &error))?;
    let limits = hop.run.limits;
    runtime.block_on(async {
        // The session's own steps have limits; this one bounds their sum.
        let all = limits.connect + limits.handshake + limits.login;
        let opening = hop.forwards.get(hop);
        let Some(session) = bounded(all, cancel, "opening a session", opening).await?? else {
            hop.forwards.forget_failures();
            return Err(HostError::Handshake {
                detail: "the session that is to carry connections came to nothing".to_owned(),
            });
        };
        let what = format!("connecting to {target} from {}", hop.config.name);
        let channel = bounded(
            limits.connect,
            cancel,
            &what,
            channel(session, target.clone()),
        )
        .await?
        .map_err(|error| refusal(hop, target, error))?;
        let far =
            tokio::net::UnixStream::from_std(far).map_err(|error| lost("forwarding", &error))?;
        tokio::spawn(carry(channel, far));
        Ok(Wire::ThroughHop(near))
    })
}

/// Asks for a channel. If nobody waits any more when it comes, it is closed.
async fn channel(session: Arc<Session>, target: HostAddress) -> Result<Channel<Msg>, russh::Error> {
    let (give, take) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let opened = session.direct(&target).await;
        if let Err(Ok(unwanted)) = give.send(opened) {
            let _ = unwanted.close().await;
        }
    });
    take.await.unwrap_or(Err(russh::Error::RecvError))
}

fn refusal(hop: &Shared, target: &HostAddress, error: russh::Error) -> HostError {
    let (hop, target) = (hop.config.name.clone(), target.to_string());
    match error {
        russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed) => {
            HostError::UnreachableFromHop { hop, target }
        }
        russh::Error::ChannelOpenFailure(_) => HostError::NotForwarded { hop, target },
        error => HostError::Lost(format!("asking for a connection to {target}: {error}")),
    }
}

/// Carries bytes both ways until either side ends.
async fn carry(channel: Channel<Msg>, far: tokio::net::UnixStream) {
    let (from_hop, to_hop) = channel.split();
    let (from_near, to_near) = far.into_split();
    let (queue, queued) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    tokio::select! {
        () = upwards(from_near, &to_hop) => {}
        () = async {
            tokio::join!(take_in(from_hop, queue, &waiting), hand_on(queued, to_near, &waiting));
        } => {}
    }
    let _ = to_hop.close().await;
}

async fn upwards(mut from: tokio::net::unix::OwnedReadHalf, to: &ChannelWriteHalf<Msg>) {
    loop {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        match from.read_buf(&mut chunk).await {
            Ok(count) if count > 0 && to.data_bytes(chunk.freeze()).await.is_ok() => {}
            _ => return,
        }
    }
}

/// Takes what comes from the hop at once: russh stops the whole session while one channel's
/// messages wait, and a session that does not read must not hold up the others.
async fn take_in(
    mut from: ChannelReadHalf,
    queue: mpsc::UnboundedSender<bytes::Bytes>,
    waiting: &AtomicUsize,
) {
    while let Some(message) = from.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let before = waiting.fetch_add(data.len(), Ordering::Relaxed);
                if before > MAX_WAITING || queue.send(data).is_err() {
                    return;
                }
            }
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn hand_on(
    mut queued: mpsc::UnboundedReceiver<bytes::Bytes>,
    mut to: tokio::net::unix::OwnedWriteHalf,
    waiting: &AtomicUsize,
) {
    while let Some(chunk) = queued.recv().await {
        if to.write_all(&chunk).await.is_err() {
            return;
        }
        waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
    }
}
