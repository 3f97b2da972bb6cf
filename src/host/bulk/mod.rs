//! The session that carries bulk data, over russh; and, on a hop, the one that carries connections.
//!
//! libssh2 encrypts AES in calls of 16 bytes and costs five times the processor time of russh,
//! so that a transfer's speed is decided here. Nothing else goes over this session: commands, and
//! whatever a host does that russh cannot talk to, stay with ssh2; but one that sums a file while it
//! arrives goes beside it, as a [`Dialogue`]. It is opened only after an ssh2
//! session got in, in the same turn as every login, through the same `dial`; the host key is judged
//! by the same rules, and the login is the one that the host accepted before, so that it cannot be
//! refused in a new way. One session carries a channel for each open file.

mod budget;
mod channel;
mod dialogue;
mod file;
mod login;
mod packet;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, Handle, Msg};
use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Preferred, cipher, kex};
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::runbook::model::HostAddress;

use super::connect::dial;
use super::error::HostError;
use super::host_key::{Expected, ShownKey};
use super::link::{Cancel, Limit, Stopped};
use super::shared::{Limits, Shared};
use super::wire::Wire;

use budget::BESIDE;
pub(super) use budget::Budget;
pub(super) use dialogue::Dialogue;
pub(super) use file::{BulkFile, NotOpen};
pub(super) use login::{Proven, ProvenWay};

/// After so many connections in a row that came to no session, ssh2 carries the data too.
const MAX_STRIKES: u32 = 3;

/// Channels that OpenSSH opens on a connection, unless it is told otherwise.
const CHANNELS: usize = 10;

/// How many channels may be open beside the first one of each file, where so many transfers go on at a
/// time: each file, and whoever sums it while it arrives, needs one.
fn beside(transfers: usize) -> usize {
    CHANNELS
        .saturating_sub(transfers.saturating_mul(2))
        .min(BESIDE)
}

/// Bytes that a host may send on a channel before they are taken: all that a file asks for ahead.
const WINDOW: u32 = 8 << 20;

/// A logged-in connection.
pub(super) struct Session {
    handle: Handle<Judge>,
    given_up: AtomicBool,
    /// Channels for files that are open on another one already: hosts open ten in all.
    beside: Arc<Semaphore>,
    budget: Budget,
    pub(super) limits: Limits,
}

/// What a host's bulk sessions have in common.
#[derive(Default)]
pub(super) struct Sessions {
    current: Mutex<Option<Arc<Session>>>,
    /// No further one is kept; set under the lock of `current`.
    closed: Arc<AtomicBool>,
    /// Held while one is opened, until the thread that does so has ended.
    opening: Arc<tokio::sync::Mutex<()>>,
    strikes: AtomicU32,
}

/// What became of a try to open a session.
enum Opened {
    Session(Box<Session>),
    /// It came to nothing while doing that.
    Broke(&'static str, russh::Error),
    /// This host and russh do not agree on the login.
    NoAgreement,
    /// It is not known how to log in.
    Unproven,
}

impl Sessions {
    /// The session, opened if there is none. `None` where bulk data must go over ssh2. An error that
    /// may pass is to be counted by [`strike`](Self::strike) where the host is there all the same.
    pub(super) async fn get(&self, host: &Arc<Shared>) -> Result<Option<Arc<Session>>, HostError> {
        if self.is_given_up() {
            return Ok(None);
        }
        let turn = self.opening.clone().lock_owned().await;
        if let Some(session) = self.alive() {
            return Ok(Some(session));
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(HostError::Closed);
        }
        let (opened, _turn) = open(host, &self.closed, turn).await?;
        match opened? {
            Opened::Session(session) => {
                self.strikes.store(0, Ordering::Relaxed);
                self.keep(*session).await.map(Some)
            }
            Opened::Broke(what, error) if may_pass(&error) => {
                Err(HostError::Lost(format!("{what}: {error}")))
            }
            Opened::Broke(what, error) => {
                self.give_up(&format!("{what}: {error}"));
                Ok(None)
            }
            Opened::NoAgreement => {
                self.give_up("it takes no further login like the last one");
                Ok(None)
            }
            Opened::Unproven => Ok(None),
        }
    }

    /// Counts a session that came to nothing although ssh2 got through to the host. `None` once that
    /// was so too often in a row, and ssh2 carries the data.
    pub(super) fn strike(&self, error: HostError) -> Result<Option<Arc<Session>>, HostError> {
        if self.strikes.fetch_add(1, Ordering::Relaxed) + 1 < MAX_STRIKES {
            return Err(error);
        }
        self.give_up(&error.to_string());
        Ok(None)
    }

    fn give_up(&self, why: &str) {
        tracing::warn!("ssh2 carries the data from now on, which is slower: {why}");
        self.strikes.store(MAX_STRIKES, Ordering::Relaxed);
    }

    /// Keeps a session, unless everything was closed while it was opened.
    async fn keep(&self, session: Session) -> Result<Arc<Session>, HostError> {
        let session = Arc::new(session);
        {
            let mut current = self.current();
            if !self.closed.load(Ordering::Relaxed) {
                *current = Some(session.clone());
                return Ok(session);
            }
        }
        session.end().await;
        Err(HostError::Closed)
    }

    /// The session, if there is one.
    pub(super) fn alive(&self) -> Option<Arc<Session>> {
        self.current()
            .clone()
            .filter(|session| !session.is_closed())
    }

    /// Whether none is opened any more, and ssh2 carries the data.
    pub(super) fn is_given_up(&self) -> bool {
        self.strikes.load(Ordering::Relaxed) >= MAX_STRIKES
    }

    /// Lets it be tried again after it was given up.
    pub(super) fn forget_failures(&self) {
        self.strikes.store(0, Ordering::Relaxed);
    }

    /// Ends the session, if there is one. None is opened any more, and none is being opened: whoever
    /// shakes hands is told, for it needs the runtime.
    pub(super) async fn close(&self) {
        let session = {
            let mut current = self.current();
            self.closed.store(true, Ordering::Relaxed);
            current.take()
        };
        if let Some(session) = session {
            session.end().await;
        }
        drop(self.opening.lock().await);
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// It is of no more use.
    fn is_closed(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.handle.is_closed()
    }

    /// No further file is opened over it.
    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    async fn end(&self) {
        self.give_up();
        let bye = russh::Disconnect::ByApplication;
        let _ = self.handle.disconnect(bye, "bye", "").await;
    }

    async fn channel(&self) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// A connection that the host makes.
    pub(super) async fn direct(&self, to: &HostAddress) -> Result<Channel<Msg>, russh::Error> {
        self.handle
            .channel_open_direct_tcpip(to.host.as_str(), to.port.into(), "127.0.0.1", 0)
            .await
    }
}

/// Says "no longer wanted" once its owner is dropped.
struct Wanted(Cancel);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }
}

/// What came of opening one, and the turn to do so.
type Tried = (Result<Opened, HostError>, OwnedMutexGuard<()>);

/// Opens a session when it is this host's turn to, unless all are `closed` meanwhile.
async fn open(
    host: &Arc<Shared>,
    closed: &Arc<AtomicBool>,
    turn: OwnedMutexGuard<()>,
) -> Result<Tried, HostError> {
    let wanted = Wanted(Cancel {
        given_up: Arc::default(),
        closed: closed.clone(),
    });
    let (host, cancel) = (host.clone(), wanted.0.clone());
    let runtime = tokio::runtime::Handle::current();
    let opening = tokio::task::spawn_blocking(move || {
        let opened = host.turn.take(&cancel, || {
            host.may_log_in()?;
            let socket = dial(&host, &cancel)?;
            runtime.block_on(greet(&host, socket, &cancel))
        });
        (opened, turn)
    });
    opening
        .await
        .map_err(|error| HostError::Lost(format!("opening a session: {error}")))
}

/// Shakes hands, judges the host's key and logs in.
async fn greet(host: &Arc<Shared>, socket: Wire, cancel: &Cancel) -> Result<Opened, HostError> {
    let Some(proven) = host.proven() else {
        return Ok(Opened::Unproven);
    };
    let lost = |error: std::io::Error| HostError::Lost(error.to_string());
    let socket = socket.into_async().map_err(lost)?;
    let judge = Judge {
        host: host.clone(),
        verdict: Arc::default(),
    };
    let verdict = judge.verdict.clone();
    let limits = host.run.limits;
    let config = Arc::new(config(&limits, &proven.key_type));
    let shaking = client::connect_stream(config, socket, judge);
    let what = "the SSH handshake of a further session";
    let mut handle = match bounded(limits.handshake, cancel, what, shaking).await? {
        Ok(handle) => handle,
        Err(error) => {
            let refused = verdict
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            return match refused {
                Some(refused) => Err(refused),
                None => Ok(Opened::Broke(what, error)),
            };
        }
    };
    let login = "logging in once more";
    let logging_in = proven.log_in(host, &mut handle);
    match bounded(limits.login, cancel, login, logging_in).await? {
        Ok(true) => Ok(Opened::Session(Box::new(Session {
            handle,
            given_up: AtomicBool::new(false),
            beside: Arc::new(Semaphore::new(beside(host.config.transfers))),
            budget: host.run.budget.clone(),
            limits,
        }))),
        Ok(false) => Ok(Opened::NoAgreement),
        Err(error) => Ok(Opened::Broke(login, error)),
    }
}

/// Tells a connection that broke, which may be tried again, from one that cannot work.
fn may_pass(error: &russh::Error) -> bool {
    matches!(
        error,
        russh::Error::IO(_)
            | russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::ConnectionTimeout
            | russh::Error::KeepaliveTimeout
    )
}

/// Waits no longer than `allowed`, and no longer than somebody wants it.
pub(super) async fn bounded<T>(
    allowed: std::time::Duration,
    cancel: &Cancel,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, HostError> {
    let limit = Limit::new(allowed, cancel);
    let unwanted = async {
        loop {
            if let Err(stopped) = limit.left() {
                return stopped;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        result = work => Ok(result),
        stopped = unwanted => Err(Stopped::during(stopped, what)),
    }
}

fn config(limits: &Limits, key_type: &str) -> client::Config {
    let names: &[&str] = match key_type {
        "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
        other => &[other],
    };
    let key: Vec<Algorithm> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let mut key_exchange = Preferred::DEFAULT.kex.to_vec();
    // What a host in FIPS mode has, before the slow ones over finite fields.
    let elliptic = [
        kex::ECDH_SHA2_NISTP256,
        kex::ECDH_SHA2_NISTP384,
        kex::ECDH_SHA2_NISTP521,
    ];
    let place = key_exchange
        .iter()
        .position(|name| *name == kex::DH_GEX_SHA256)
        .unwrap_or_default();
    key_exchange.splice(place..place, elliptic);
    client::Config {
        preferred: Preferred {
            kex: key_exchange.into(),
            key: key.into(),
            cipher: vec![
                cipher::AES_128_GCM,
                cipher::AES_256_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_128_CTR,
                cipher::AES_192_CTR,
                cipher::AES_256_CTR,
            ]
            .into(),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(limits.keepalive),
        keepalive_max: 3,
        window_size: WINDOW,
        ..client::Config::default()
    }
}

/// Judges the key that the host shows, by the rules of every other session.
struct Judge {
    host: Arc<Shared>,
    verdict: Arc<Mutex<Option<HostError>>>,
}

impl Judge {
    fn judge(&self, key: &PublicKey) -> Result<(), HostError> {
        let config = &self.host.config;
        let blob = key.to_bytes().map_err(|error| HostError::Handshake {
            detail: format!("the host key cannot be read: {error}"),
        })?;
        Expected::load(config).judge(&ShownKey::new(&blob), &self.host.trusted())
    }
}

impl client::Handler for Judge {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            // None was asked for.
            return Ok(false);
        };
        match self.judge(key) {
            Ok(()) => Ok(true),
            Err(refused) => {
                let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
                *verdict = Some(refused);
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_left_for_every_transfer() {
        for (transfers, most) in [(1, 4), (2, 4), (3, 4), (4, 2), (5, 0), (9, 0)] {
            assert_eq!(beside(transfers), most, "{transfers}");
            assert!(transfers > 5 || 2 * transfers + most <= CHANNELS);
        }
    }
}
