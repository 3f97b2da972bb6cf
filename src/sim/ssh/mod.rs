//! The SSH server of a simulated host: russh on a loopback port.

mod channel;
pub(crate) mod keys;
mod session;
mod sftp;

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::session::Session;
use super::host::SimHost;
use super::network::{bind_again, hold};

/// Who may log in, and what became of wrong passwords.
#[derive(Debug)]
pub(crate) struct Access {
    /// The login name.
    pub(crate) user: String,
    /// Its password.
    pub(crate) password: String,
    /// Its key.
    pub(crate) key: PublicKey,
    /// After how many wrong passwords in a row the account is locked.
    pub(crate) lock_after: u32,
    /// For how long.
    pub(crate) unlock_after: Duration,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    locked_since: Option<Instant>,
}

impl Access {
    /// Nobody has failed yet.
    pub(crate) fn new(
        user: String,
        password: String,
        key: PublicKey,
        lock_after: u32,
        unlock_after: Duration,
    ) -> Self {
        Self {
            user,
            password,
            key,
            lock_after,
            unlock_after,
            failures: Mutex::default(),
        }
    }

    /// Judges a password as ESXi does: while the account is locked the right one is refused too.
    fn admits(&self, user: &str, password: &str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures
            .locked_since
            .is_some_and(|since| since.elapsed() >= self.unlock_after)
        {
            *failures = Failures::default();
        }
        if failures.locked_since.is_some() {
            return false;
        }
        if user == self.user && password == self.password {
            failures.count = 0;
            return true;
        }
        failures.count += 1;
        if self.lock_after > 0 && failures.count >= self.lock_after {
            failures.locked_since = Some(Instant::now());
        }
        false
    }
}

/// The algorithms of an untouched 8.0.2 host in FIPS mode: no ed25519, no curve25519, no chacha20,
/// no encrypt-then-mac. Elliptic curves come first, because finite fields are slow in debug builds.
fn esxi_algorithms() -> Preferred {
    Preferred {
        kex: Cow::Owned(vec![
            kex::ECDH_SHA2_NISTP256,
            kex::ECDH_SHA2_NISTP384,
            kex::ECDH_SHA2_NISTP521,
            kex::DH_GEX_SHA256,
            kex::DH_G16_SHA512,
            kex::DH_G18_SHA512,
            kex::DH_G14_SHA256,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Owned(vec![
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP384,
            },
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP521,
            },
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha256),
            },
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha512),
            },
        ]),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Owned(vec![
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Owned(vec![mac::HMAC_SHA256, mac::HMAC_SHA512]),
        compression: Cow::Owned(vec![compression::NONE]),
    }
}

/// The server's settings for one host.
pub(crate) fn config(esxi: bool, host_key: PrivateKey, rekey_bytes: Option<u64>) -> Config {
    let methods: &[MethodKind] = if esxi {
        &[MethodKind::PublicKey, MethodKind::KeyboardInteractive]
    } else {
        &[
            MethodKind::PublicKey,
            MethodKind::Password,
            MethodKind::KeyboardInteractive,
        ]
    };
    let most = 1 << 30;
    let rekey = usize::try_from(rekey_bytes.unwrap_or(most))
        .unwrap_or(1 << 30)
        .clamp(1 << 16, 1 << 30);
    Config {
        server_id: SshId::Standard(Cow::Borrowed(if esxi {
            "SSH-2.0-OpenSSH_9.3"
        } else {
            "SSH-2.0-OpenSSH_9.2p1"
        })),
        methods: MethodSet::from(methods),
        // Wrong passwords cost a moment, the first look at what is offered does not.
        auth_rejection_time: Duration::from_millis(20),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        limits: Limits::new(rekey, rekey, Duration::from_secs(3600)),
        preferred: if esxi {
            esxi_algorithms()
        } else {
            Preferred::DEFAULT
        },
        max_auth_attempts: 6,
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

/// The listening side of one host.
pub(crate) struct Door {
    up: Switch,
    task: JoinHandle<()>,
}

/// Whether a host answers. It tells of changes alone.
#[derive(Clone, Debug)]
pub(crate) struct Switch(watch::Sender<bool>);

impl Switch {
    pub(crate) fn set(&self, up: bool) {
        self.0
            .send_if_modified(|now| std::mem::replace(now, up) != up);
    }
}

static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

impl Door {
    /// Opens it on a bound socket: whoever connects from now on is heard.
    ///
    /// # Errors
    /// The socket has no address, or cannot listen.
    pub(crate) fn open(
        socket: TcpSocket,
        host: Arc<SimHost>,
        access: Arc<Access>,
        config: Config,
    ) -> io::Result<Self> {
        let held = hold(&socket)?;
        let listener = socket.listen(BACKLOG)?;
        let (up, is_up) = watch::channel(true);
        let up = Switch(up);
        let task = tokio::spawn(async move {
            keep(listener, is_up, host, access, Arc::new(config)).await;
            drop(held);
        });
        Ok(Self { up, task })
    }

    /// Lets the host answer, or cuts every connection and refuses new ones.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.set(up);
    }

    /// What [`Self::set_up`] throws. It has to be let go of before [`Self::stop`] can end.
    pub(crate) fn switch(&self) -> Switch {
        self.up.clone()
    }

    /// Ends it and hands out what is to be awaited.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.up.set(false);
        drop(self.up);
        self.task
    }

    /// Ends it without waiting.
    pub(crate) fn abort(&self) {
        self.up.set(false);
        self.task.abort();
    }
}

async fn keep(
    mut listener: TcpListener,
    mut up: watch::Receiver<bool>,
    host: Arc<SimHost>,
    access: Arc<Access>,
    config: Arc<Config>,
) {
    loop {
        let Ok(address) = listener.local_addr() else {
            return;
        };
        let over = listen(&listener, &mut up, &host, &access, &config).await;
        drop(listener);
        if over {
            return;
        }
        let Some(bound) = bind_again(address).await else {
            return;
        };
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        listener = match bound.listen(BACKLOG) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(host = %host.name, %error, "a simulated host cannot listen");
                return;
            }
        };
    }
}

/// Serves until the host goes down; true when the site is over.
async fn listen(
    listener: &TcpListener,
    up: &mut watch::Receiver<bool>,
    host: &Arc<SimHost>,
    access: &Arc<Access>,
    config: &Arc<Config>,
) -> bool {
    let mut sessions = JoinSet::new();
    let for_sessions = up.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let session = serve(
                        stream,
                        for_sessions.clone(),
                        Arc::clone(host),
                        Arc::clone(access),
                        Arc::clone(config),
                    );
                    sessions.spawn(session);
                }
            }
            Some(_) = sessions.join_next() => {}
            () = down(up) => break,
        }
    }
    // Each session cuts its own connection on the same news.
    while sessions.join_next().await.is_some() {}
    up.has_changed().is_err()
}

async fn serve(
    stream: TcpStream,
    mut up: watch::Receiver<bool>,
    host: Arc<SimHost>,
    access: Arc<Access>,
    config: Arc<Config>,
) {
    if host.is_hung() {
        // It accepts and says nothing until it goes down or the peer gives up.
        let mut byte = [0];
        tokio::select! {
            _ = async { while stream.readable().await.is_ok() { if matches!(stream.try_read(&mut byte), Ok(0)) { return; } } } => {}
            () = down(&mut up) => {}
        }
        return;
    }
    let _ = stream.set_nodelay(true);
    let Ok((stream, cutter)) = split_cutter(stream) else {
        return;
    };
    let id = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let session = Session::new(id, host, access);
    let opening = tokio::time::timeout(
        Duration::from_secs(120),
        russh::server::run_stream(config, stream, session),
    );
    let running = tokio::select! {
        opened = opening => match opened {
            Ok(Ok(running)) => running,
            // A client that only looked, or left in the middle of the greeting.
            Ok(Err(_)) | Err(_) => return,
        },
        () = down(&mut up) => return,
    };
    let mut running = std::pin::pin!(running);
    tokio::select! {
        _ = &mut running => {}
        () = down(&mut up) => {
            let _ = cutter.shutdown(std::net::Shutdown::Both);
            let _ = running.await;
        }
    }
}

/// Waits until the host goes down, even if it is up again at once, or the site is over. Whoever waits
/// has begun while it was up.
async fn down(up: &mut watch::Receiver<bool>) {
    let _ = up.changed().await;
}

/// The stream, and a second handle on its socket with which it can be cut at any time.
fn split_cutter(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let cutter = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, cutter))
}
