//! What all sessions of one host share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::bulk::{self, Budget, Proven, ProvenWay};
use super::config::{AgentSocket, HostConfig};
use super::error::HostError;
use super::gate::Gate;
use super::live::OutputSink;
use super::login::RefusedPasswords;
use super::policy::Policy;
use super::redact::Redactor;
use super::turn::Turn;

/// How often in a row a connection may die during the login before that counts as a refusal.
const MAX_BROKEN_LOGINS: u32 = 3;

/// How long things may take that no command sets a deadline for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) handshake: Duration,
    /// All ways to log in together; hosts wait some seconds after each refusal.
    pub(super) login: Duration,
    /// One call on an open file.
    pub(super) file: Duration,
    /// Bringing a file to disk.
    pub(super) sync: Duration,
    /// A host that is silent for so long is asked for a sign of life, three times. Firewalls forget
    /// idle connections after minutes; a dead one must be noticed while somebody waits for it.
    pub(super) keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            handshake: seconds(20),
            login: seconds(30),
            file: seconds(120),
            sync: seconds(600),
            keepalive: seconds(15),
        }
    }
}

/// What all hosts of a run share.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) policy: Policy,
    pub(super) redactor: Redactor,
    pub(super) refused: Arc<RefusedPasswords>,
    pub(super) sink: Arc<RwLock<Option<OutputSink>>>,
    pub(super) agent_socket: Option<PathBuf>,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
}

pub(super) struct Shared {
    pub(super) config: HostConfig,
    pub(super) run: Run,
    pub(super) turn: Turn,
    pub(super) gate: Arc<Gate>,
    /// Who follows what commands of this host redraw, beside the run's sink.
    followers: Mutex<Followers>,
    /// The sessions that carry bulk data.
    pub(super) bulk: bulk::Sessions,
    /// The last hop on the way there.
    pub(super) hop: Option<Arc<Shared>>,
    /// The sessions that carry connections to the hosts behind this one.
    pub(super) forwards: bulk::Sessions,
    /// The host has no SFTP subsystem, as older ESXi hosts do.
    without_sftp: AtomicBool,
    without_data_session: AtomicBool,
    /// Whether its login shell prints words before each command, once that is known.
    greets: OnceLock<bool>,
    login: Mutex<Login>,
    broken_logins: AtomicU32,
}

/// Those who follow, each by the number it was given.
#[derive(Default)]
struct Followers {
    next: u64,
    sinks: Vec<(u64, OutputSink)>,
}

#[derive(Default)]
struct Login {
    /// Host key fingerprints that a person typed in this run.
    trusted: Vec<String>,
    /// How the last login was refused; it stands until a person changes something.
    refused: Option<HostError>,
    /// The type of the key that the host showed last, of those that are accepted.
    key_type: String,
    /// How the last login got in; `None` once a person changes something.
    accepted: Option<ProvenWay>,
}

impl Shared {
    pub(super) fn new(config: HostConfig, run: Run, hop: Option<Arc<Self>>) -> Self {
        Self {
            config,
            run,
            hop,
            forwards: bulk::Sessions::default(),
            turn: Turn::default(),
            gate: Arc::default(),
            followers: Mutex::default(),
            bulk: bulk::Sessions::default(),
            without_sftp: AtomicBool::new(false),
            without_data_session: AtomicBool::new(false),
            greets: OnceLock::new(),
            login: Mutex::default(),
            broken_logins: AtomicU32::new(0),
        }
    }

    /// The host has no SFTP subsystem, as older ESXi hosts do.
    pub(super) fn lacks_sftp(&self) -> bool {
        self.without_sftp.load(Ordering::Relaxed)
    }

    pub(super) fn note_lack_of_sftp(&self) {
        self.without_sftp.store(true, Ordering::Relaxed);
    }

    /// A further session for files came to nothing: it is not tried again, for a host may count it
    /// as a failed login.
    pub(super) fn lacks_data_session(&self) -> bool {
        self.without_data_session.load(Ordering::Relaxed)
    }

    pub(super) fn note_lack_of_data_session(&self) {
        self.without_data_session.store(true, Ordering::Relaxed);
    }

    /// Whether its login shell prints words before each command, once that is known.
    pub(super) fn greets(&self) -> Option<bool> {
        self.greets.get().copied()
    }

    /// The same shell starts the SFTP server, whose first bytes would be those words.
    pub(super) fn note_greeting(&self, greets: bool) {
        if greets {
            self.note_lack_of_sftp();
        }
        let _ = self.greets.set(greets);
    }

    /// Where output goes: to the run's sink and to whoever follows now.
    pub(super) fn sink(&self) -> Option<OutputSink> {
        let run = self.run.sink.read();
        let run = run.unwrap_or_else(PoisonError::into_inner).clone();
        let mut sinks: Vec<OutputSink> = {
            let followers = self.followers();
            followers
                .sinks
                .iter()
                .map(|(_, sink)| sink.clone())
                .collect()
        };
        if sinks.is_empty() {
            return run;
        }
        sinks.extend(run);
        Some(Arc::new(move |event| {
            for sink in &sinks {
                sink(event.clone());
            }
        }))
    }

    /// Tells the output of commands sent from now on; gives the number to stop it by.
    pub(super) fn follow(&self, sink: OutputSink) -> u64 {
        let mut followers = self.followers();
        followers.next += 1;
        let number = followers.next;
        followers.sinks.push((number, sink));
        number
    }

    pub(super) fn unfollow(&self, number: u64) {
        self.followers().sinks.retain(|(known, _)| *known != number);
    }

    fn followers(&self) -> MutexGuard<'_, Followers> {
        self.followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trusted(&self) -> Vec<String> {
        self.login().trusted.clone()
    }

    pub(super) fn trust(&self, fingerprint: &str) {
        self.login().trusted.push(fingerprint.to_owned());
    }

    /// Where the agent listens that is asked for this host, if there is one.
    pub(super) fn agent_socket(&self) -> Option<&Path> {
        match &self.config.agent {
            AgentSocket::Running => self.run.agent_socket.as_deref(),
            AgentSocket::At(path) => Some(path),
            AgentSocket::Nowhere => None,
        }
    }

    /// A person wants the login tried again, on the way there too.
    pub(super) fn retry_login(&self) {
        if let Some(hop) = &self.hop {
            hop.retry_login();
        }
        let mut login = self.login();
        (login.refused, login.accepted) = (None, None);
        drop(login);
        self.login_answered();
    }

    /// A refused login is not tried again by itself.
    pub(super) fn may_log_in(&self) -> Result<(), HostError> {
        self.login().refused.clone().map_or(Ok(()), Err)
    }

    pub(super) fn key_accepted(&self, key_type: String) {
        self.login().key_type = key_type;
    }

    pub(super) fn login_accepted(&self, way: ProvenWay) {
        self.login().accepted = Some(way);
    }

    /// How the last login got in, and the key that the host showed then.
    pub(super) fn proven(&self) -> Option<Proven> {
        let login = self.login();
        Some(Proven {
            key_type: login.key_type.clone(),
            way: login.accepted.clone()?,
        })
    }

    pub(super) fn login_answered(&self) {
        self.broken_logins.store(0, Ordering::Relaxed);
    }

    pub(super) fn login_refused(&self, tried: Vec<String>) -> HostError {
        let error = HostError::LoginRefused {
            user: self.config.user.clone(),
            tried,
        };
        self.login().refused = Some(error.clone());
        error
    }

    /// The connection died during a login. If that keeps happening the host may be counting
    /// failures, so it counts as refused.
    pub(super) fn login_broke(&self, error: HostError, mut tried: Vec<String>) -> HostError {
        if matches!(error, HostError::Cancelled)
            || self.broken_logins.fetch_add(1, Ordering::Relaxed) + 1 < MAX_BROKEN_LOGINS
        {
            return error;
        }
        tried.push(format!("{error}, {MAX_BROKEN_LOGINS} times in a row"));
        self.login_refused(tried)
    }

    fn login(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
