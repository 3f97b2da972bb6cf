//! What a login needs: where, as whom, with what, and which host key to expect.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::names::HostName;
use crate::runbook::model::{Driver, HostAddress, SiteRole};

/// One host as the sessions need it.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its name in the runbook.
    pub name: HostName,
    /// The role of its site.
    pub role: SiteRole,
    /// What it understands.
    pub driver: Driver,
    /// Where its SSH server listens.
    pub address: HostAddress,
    /// Login name.
    pub user: String,
    /// Ways to log in, in order, except that named keys come before agent keys; empty means
    /// the agent, then `~/.ssh/id_*`.
    pub auth: Vec<Credential>,
    /// Accepted fingerprints, `SHA256:…`; empty means that `known_hosts` decides.
    pub host_keys: Vec<String>,
    /// Files in OpenSSH's known_hosts format; missing ones are ignored.
    pub known_hosts: Vec<PathBuf>,
    /// The name to look for in them, instead of the address.
    pub host_key_alias: Option<String>,
    /// Which agent is asked.
    pub agent: AgentSocket,
    /// How long connecting may take; `None` is the usual time.
    pub connect_timeout: Option<Duration>,
    /// The way there.
    pub via: Via,
    /// Bulk data may have a session of its own.
    pub bulk_session: bool,
    /// How many transfers go on at a time, which share its channels.
    pub transfers: usize,
    /// What of this comes from ssh's configuration, and what there is not honoured; a line each.
    pub notes: Vec<String>,
}

/// The way to a host.
#[derive(Clone, Debug, Default)]
pub enum Via {
    /// Straight from here.
    #[default]
    Direct,
    /// From another host, the last hop before this one.
    Hop(Box<HostConfig>),
    /// None that Lifeboat can take; why, in words.
    NoWay(String),
}

/// Where an SSH agent listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgentSocket {
    /// Where the environment says.
    #[default]
    Running,
    /// This one.
    At(PathBuf),
    /// None is asked.
    Nowhere,
}

/// One way to log in.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Up to three keys of the running SSH agent.
    Agent,
    /// A private key file without passphrase; `~/` is the operator's home.
    Key(PathBuf),
    /// A password, for `password` or `keyboard-interactive`.
    Password(Secret),
}

/// A secret: wiped from memory when its last holder is gone, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself: for a login and for the [`Redactor`](super::Redactor), nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl HostConfig {
    /// The hosts on the way, the first hop first, then this one: `bastion > lee-esx1`.
    #[must_use]
    pub fn route(&self) -> String {
        match &self.via {
            Via::Hop(hop) => format!("{} > {}", hop.route(), self.name),
            Via::Direct | Via::NoWay(_) => self.name.to_string(),
        }
    }

    /// A host whose sessions go straight there, with the agent and the usual keys, trusted if
    /// `known_hosts` says so.
    #[must_use]
    pub fn plain(name: HostName, address: HostAddress, user: String) -> Self {
        Self {
            name,
            role: SiteRole::Protected,
            driver: Driver::Posix,
            address,
            user,
            auth: Vec::new(),
            host_keys: Vec::new(),
            known_hosts: Vec::new(),
            host_key_alias: None,
            agent: AgentSocket::default(),
            connect_timeout: None,
            via: Via::Direct,
            bulk_session: true,
            transfers: 2,
            notes: Vec::new(),
        }
    }

    /// The ways to log in, in the order in which they are tried.
    pub(super) fn credentials(&self) -> Vec<Credential> {
        if self.auth.is_empty() {
            return default_credentials();
        }
        let is_key = |way: &&Credential| matches!(way, Credential::Key(_));
        let Some(agent) = self
            .auth
            .iter()
            .position(|way| matches!(way, Credential::Agent))
        else {
            return self.auth.clone();
        };
        let (before, after) = self.auth.split_at(agent);
        before
            .iter()
            .chain(after.iter().filter(is_key))
            .chain(after.iter().filter(|way| !is_key(way)))
            .cloned()
            .collect()
    }
}

fn default_credentials() -> Vec<Credential> {
    let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| PathBuf::from("~/.ssh").join(name));
    std::iter::once(Credential::Agent)
        .chain(
            keys.into_iter()
                .filter(|path| expand_home(path).exists())
                .map(Credential::Key),
        )
        .collect()
}

/// `~/x` as a path in the operator's home.
pub(super) fn expand_home(path: &std::path::Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(auth: Vec<Credential>) -> HostConfig {
        let address = HostAddress {
            host: "h".into(),
            port: 22,
        };
        HostConfig {
            auth,
            ..HostConfig::plain("a".into(), address, "root".into())
        }
    }

    #[test]
    fn named_keys_come_before_agent_keys_and_the_rest_keeps_its_place() {
        let password = || Credential::Password(Secret::new("hunter22".into()));
        let order = |auth| {
            config(auth)
                .credentials()
                .iter()
                .map(|way| match way {
                    Credential::Agent => 'a',
                    Credential::Key(_) => 'k',
                    Credential::Password(_) => 'p',
                })
                .collect::<String>()
        };
        let key = || Credential::Key("k".into());
        assert_eq!(order(vec![Credential::Agent, key(), password()]), "kap");
        assert_eq!(order(vec![password(), Credential::Agent, key()]), "pka");
        assert_eq!(order(vec![key(), password()]), "kp");
    }

    #[test]
    fn a_secret_never_prints() {
        let shown = format!(
            "{:?}",
            config(vec![Credential::Password(Secret::new("hunter22".into()))])
        );
        assert!(
            !shown.contains("hunter22") && shown.contains("***"),
            "{shown}"
        );
    }
}
