//! Sessions against real servers on loopback: OpenSSH's sshd, and small ones that misbehave.

mod beside;
mod commands;
mod files;
mod hops;
mod hostile;
mod lanes;
mod logins;
mod passwords;
mod ports;
mod proxy;
mod reading;
mod shells;
mod sshd;
mod toy;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) use ports::{free_port, refusing_port};

use super::shared::Limits;
use super::*;
use crate::journal::Intent;
use crate::names::HostName;
use crate::runbook::model::{HostAddress, Mode, SiteRole};

/// Far less than what is waited for would take, far more than a busy machine needs.
const SOON: Duration = Duration::from_secs(60);

/// A host under test, on loopback.
fn config(port: u16, auth: Vec<Credential>) -> HostConfig {
    let address = HostAddress {
        host: "127.0.0.1".into(),
        port,
    };
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    HostConfig {
        role: SiteRole::Recovery,
        auth,
        ..HostConfig::plain("lee1".into(), address, user)
    }
}

/// Limits that fit a test: a host that hangs must not make it long.
fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        handshake: Duration::from_secs(10),
        login: Duration::from_secs(15),
        file: Duration::from_secs(30),
        sync: Duration::from_secs(30),
        keepalive: Duration::from_secs(15),
    }
}

fn hosts(configs: Vec<HostConfig>) -> Hosts {
    hosts_within(configs, limits())
}

fn hosts_within(configs: Vec<HostConfig>, limits: Limits) -> Hosts {
    let policy = Policy::for_mode(Mode::Failover);
    Hosts::with_settings(configs, policy, Redactor::new(), None, limits)
}

fn one(config: HostConfig) -> (Hosts, Arc<Host>) {
    let name = config.name.clone();
    let hosts = hosts(vec![config]);
    let host = hosts.host(&name).unwrap();
    (hosts, host)
}

/// Waits for the first session of a host whose limits are so short that a busy machine misses them.
async fn connected(host: &Host, lane: Lane) {
    let end = Instant::now() + Duration::from_secs(60);
    while let Err(why) = host.read(lane, &sh("true")).await {
        assert!(Instant::now() < end, "{why}");
    }
}

fn intent() -> Intent {
    Intent::for_test("lee1")
}

fn sh(script: &str) -> HostCommand {
    HostCommand::script(Effect::Read, script, [""; 0])
}

fn password(text: &str) -> Credential {
    Credential::Password(Secret::new(text.to_owned()))
}

/// Remembers the process id that a write was given.
fn pid_slot() -> (Arc<Mutex<Option<u32>>>, impl FnOnce(u32) + Send + 'static) {
    let slot = Arc::new(Mutex::new(None));
    let inside = slot.clone();
    (slot, move |pid| *inside.lock().unwrap() = Some(pid))
}

fn name() -> HostName {
    "lee1".into()
}
