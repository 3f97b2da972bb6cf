//! From an address to a session that is logged in.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use crate::runbook::model::HostAddress;

use super::algorithms::{self, Algorithms};
use super::config::Via;
use super::error::HostError;
use super::greeting;
use super::hop;
use super::host_key::{Expected, ShownKey};
use super::link::{Cancel, Limit, Link, Stopped, Wake, code};
use super::login;
use super::policy::Deed;
use super::shared::Shared;
use super::wire::Wire;

/// Ciphers in the order in which they are asked for, the fastest first; an ESXi host in FIPS mode
/// has those with AES only. None that is broken is among them.
const CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,\
    chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";

/// What a failure is a failure of.
const HANDSHAKE: &str = "the SSH handshake";

/// Opens a session, after every other login to this host that is under way.
pub(super) fn connect(host: &Shared, wake: &Arc<Wake>, cancel: &Cancel) -> Result<Link, HostError> {
    host.turn.take(cancel, || {
        let (mut link, limit) = log_in(host, wake, cancel)?;
        link.establish(&limit)
            .map_err(|stopped| stopped.during("opening a session"))?;
        greeting::listen(host, &mut link, cancel)?;
        Ok(link)
    })
}

/// Finds out how to log in to a host that is only a hop, unless that is known by the time it is
/// this caller's turn.
pub(super) fn prove(host: &Shared, wake: &Arc<Wake>, cancel: &Cancel) -> Result<(), HostError> {
    host.turn.take(cancel, || {
        if host.proven().is_none() {
            log_in(host, wake, cancel)?.0.leave();
        }
        Ok(())
    })
}

fn log_in(host: &Shared, wake: &Arc<Wake>, cancel: &Cancel) -> Result<(Link, Limit), HostError> {
    host.may_log_in()?;
    let mut link = greet(host, wake, cancel)?;
    let limit = Limit::new(host.run.limits.login, cancel);
    login::authenticate(host, &mut link, &limit)?;
    Ok((link, limit))
}

/// Connects and checks the host key. Where fingerprints are pinned, which do not tell the type of
/// their key, a host that shows another one is asked again for keys of its other types.
fn greet(host: &Shared, wake: &Arc<Wake>, cancel: &Cancel) -> Result<Link, HostError> {
    let expected = Expected::load(&host.config);
    let mut spent = Vec::new();
    let mut refused = None;
    while let Some(preference) = expected.preference(&spent) {
        let link = match shake_hands(host, &preference, wake, cancel) {
            Ok(link) => link,
            Err(error) => return Err(refused.unwrap_or(error)),
        };
        let shown = match link.session().host_key() {
            Some((blob, _)) => ShownKey::new(blob),
            None => {
                return Err(HostError::Handshake {
                    detail: "no host key was shown".to_owned(),
                });
            }
        };
        match expected.judge(&shown, &host.trusted()) {
            Ok(()) => {
                host.key_accepted(shown.key_type);
                return Ok(link);
            }
            Err(error) if expected.by_pin() => {
                refused.get_or_insert(error);
                spent.push(shown.key_type);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or(HostError::NoCommonAlgorithm {
        detail: "no host key type is left".to_owned(),
    }))
}

fn shake_hands(
    host: &Shared,
    host_key_algorithms: &str,
    wake: &Arc<Wake>,
    cancel: &Cancel,
) -> Result<Link, HostError> {
    let socket = dial(host, cancel)?;
    let allowed = host.run.limits.handshake;
    let _cutter = Cutter::after(&socket, allowed + GRACE)
        .map_err(|error| HostError::Lost(format!("{HANDSHAKE}: {error}")))?;
    let mut link = Link::new(socket, wake.clone(), host.run.limits.keepalive)
        .map_err(|stopped| stopped.during(HANDSHAKE))?;
    for (method, preference) in [
        (MethodType::HostKey, host_key_algorithms),
        (MethodType::CryptCs, CIPHERS),
        (MethodType::CryptSc, CIPHERS),
    ] {
        link.session()
            .method_pref(method, preference)
            .map_err(|error| Stopped::from(error).during(HANDSHAKE))?;
    }
    match link.handshake(&Limit::new(host.run.limits.handshake, cancel)) {
        Ok(()) => Ok(link),
        Err(Stopped::Ssh(code::KEX_FAILURE | code::KEY_EXCHANGE_FAILURE, _)) => Err(no_agreement(
            host,
            link.session(),
            host_key_algorithms,
            cancel,
        )),
        Err(Stopped::Ssh(_, detail)) if !greeted(link.session()) => {
            Err(HostError::Handshake { detail })
        }
        Err(stopped) => Err(stopped.during(HANDSHAKE)),
    }
}

/// How much later than its deadline a handshake is cut off from outside.
const GRACE: Duration = Duration::from_secs(1);

/// Cuts a connection off unless it is dropped in time. While a host sends without a pause what is
/// no greeting, libssh2 reads on and on and never looks at a deadline.
struct Cutter(#[expect(dead_code, reason = "its end is the signal")] mpsc::Sender<()>);

impl Cutter {
    fn after(socket: &Wire, allowed: Duration) -> io::Result<Self> {
        let socket = socket.try_clone()?;
        let (keep, gone) = mpsc::channel();
        std::thread::Builder::new()
            .name("cutter".to_owned())
            .spawn(move || {
                if gone.recv_timeout(allowed) == Err(RecvTimeoutError::Timeout) {
                    socket.cut();
                }
            })?;
        Ok(Self(keep))
    }
}

/// Whether the host greeted as an SSH server does.
fn greeted(session: &Session) -> bool {
    session
        .banner_bytes()
        .is_some_and(|banner| banner.starts_with(b"SSH-"))
}

/// The handshake failed over its algorithms, or because the connection died: libssh2 does not
/// tell, but the host's offer does.
fn no_agreement(
    host: &Shared,
    session: &Session,
    host_key_algorithms: &str,
    cancel: &Cancel,
) -> HostError {
    let names = |list: &str| list.split(',').map(str::to_owned).collect();
    let key_exchange = session.supported_algs(MethodType::Kex).unwrap_or_default();
    let ours = Algorithms {
        key_exchange: key_exchange.into_iter().map(str::to_owned).collect(),
        host_key: names(host_key_algorithms),
        cipher: names(CIPHERS),
    };
    let offered = dial(host, cancel).and_then(|socket| {
        algorithms::offered_by(socket).map_err(|error| HostError::Lost(error.to_string()))
    });
    match offered {
        Ok(theirs) => match ours.missing_in(&theirs) {
            Some(detail) => HostError::NoCommonAlgorithm { detail },
            None => HostError::Lost(format!("{HANDSHAKE}: the host hung up")),
        },
        Err(error) => error,
    }
}

/// A stream to the host's SSH server: from a hop, where it is behind one, else from here. Every
/// connection to a host begins here.
pub(super) fn dial(host: &Shared, cancel: &Cancel) -> Result<Wire, HostError> {
    match (&host.hop, &host.config.via) {
        (Some(hop), _) => hop::dial_from(hop, &host.config.address, cancel),
        (None, Via::NoWay(why)) => Err(HostError::NoWay(why.clone())),
        (None, _) => dial_straight(host, cancel),
    }
}

/// Connects to the first address of the name that answers; each must pass the policy.
fn dial_straight(host: &Shared, cancel: &Cancel) -> Result<Wire, HostError> {
    let allowed = host.config.connect_timeout;
    let limit = Limit::new(allowed.unwrap_or(host.run.limits.connect), cancel);
    let shown = host.config.address.to_string();
    let addresses = resolve(&host.config.address)?;
    let mut failure = None;
    for (index, address) in addresses.iter().enumerate() {
        host.run.policy.permit(Deed::Connect(address.ip()))?;
        let left = limit
            .left()
            .map_err(|stopped| stopped.during("connecting"))?;
        let others = u32::try_from(addresses.len() - index).unwrap_or(1);
        let started = Instant::now();
        match TcpStream::connect_timeout(address, left / others) {
            Ok(socket) => {
                // Commands are small packets that somebody waits for.
                let _ = socket.set_nodelay(true);
                return Wire::direct(socket).map_err(|error| HostError::Lost(error.to_string()));
            }
            Err(error) => failure = Some((error, started.elapsed())),
        }
    }
    Err(match failure {
        Some((error, _)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            HostError::Refused { address: shown }
        }
        Some((error, after)) if error.kind() == io::ErrorKind::TimedOut => HostError::TimedOut {
            what: format!("connecting to {shown}"),
            after,
        },
        Some((error, _)) => HostError::Unreachable {
            address: shown,
            reason: error.to_string(),
        },
        None => HostError::Unreachable {
            address: shown,
            reason: "the name has no address".to_owned(),
        },
    })
}

fn resolve(address: &HostAddress) -> Result<Vec<SocketAddr>, HostError> {
    (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map(Iterator::collect)
        .map_err(|error| HostError::Unreachable {
            address: address.to_string(),
            reason: error.to_string(),
        })
}
