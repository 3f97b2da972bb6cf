//! From what a runbook says about reaching a host to how it is done: ssh's configuration fills in
//! what the runbook leaves out, never more, and each value keeps the line that it came from.

use std::path::PathBuf;

use crate::names::HostName;
use crate::runbook::model::HostAddress;

use super::config::{AgentSocket, Credential, HostConfig, Via};
use super::ssh_config::{Found, Given, Proxy, Query, SshConfig};

/// Which parts of a configuration stand in the runbook, which wins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed {
    /// The user.
    pub user: bool,
    /// The port.
    pub port: bool,
    /// The way there.
    pub way: bool,
}

/// What ssh's configuration wants for the way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Unsaid,
    /// Hops, each as written there, and the line.
    Jump(Vec<String>, String),
}

/// A hop as ssh's configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenHop {
    /// The login name, where given.
    pub user: Option<String>,
    /// Name, alias or address.
    pub host: String,
    /// The port, where given.
    pub port: Option<u16>,
}

impl WrittenHop {
    /// Reads `user@host:port`, also as `ssh://user@host:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("ssh://").unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = match place
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if place.matches(':').count() > 1 => (place, None),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
            None => None,
        };
        (!host.is_empty() && user.as_deref() != Some("")).then(|| Self {
            user,
            host: host.to_owned(),
            port,
        })
    }
}

impl HostConfig {
    /// Fills in what ssh's configuration says about this host and the runbook does not. The way
    /// that it wants is handed back, since its hops are hosts of their own.
    pub fn complete(&mut self, fixed: Fixed, ssh: &SshConfig) -> Way {
        let written = self.address.host.clone();
        let default_user = self.user.clone();
        let found = ssh.look_up(&Query {
            host: &written,
            user: fixed.user.then_some(default_user.as_str()),
            default_user: &default_user,
            port: fixed.port.then_some(self.address.port),
        });
        let Found {
            host_name,
            port,
            user,
            host_key_alias,
            connect_timeout,
            proxy,
            ..
        } = found.clone();
        self.use_keys(&found);
        self.use_known_hosts(&found);
        if let Some(given) = host_name {
            self.note("address", &given.value, &given.at);
            self.address.host = given.value;
        }
        if let Some(given) = port.filter(|_| !fixed.port) {
            self.note("port", &given.value, &given.at);
            self.address.port = given.value;
        }
        if let Some(given) = user.filter(|_| !fixed.user) {
            self.note("user", &given.value, &given.at);
            self.user = given.value;
        }
        if let Some(given) = host_key_alias {
            self.note("its host key is known as", &given.value, &given.at);
            self.host_key_alias = Some(given.value);
        }
        if let Some(given) = connect_timeout {
            self.connect_timeout = Some(given.value);
        }
        self.notes.extend(found.notes);
        match proxy.filter(|_| !fixed.way) {
            Some(Given {
                value: Proxy::Jump(hops),
                at,
            }) => Way::Jump(hops, at),
            Some(Given {
                value: Proxy::Command,
                at,
            }) => {
                self.via = Via::NoWay(format!(
                    "{at} gives {} a ProxyCommand, which Lifeboat does not run",
                    self.name
                ));
                Way::Unsaid
            }
            Some(Given {
                value: Proxy::None, ..
            })
            | None => Way::Unsaid,
        }
    }

    fn use_keys(&mut self, found: &Found) {
        if let Some(given) = &found.identity_agent {
            let shown = given
                .value
                .as_ref()
                .map_or("none".to_owned(), |path| path.display().to_string());
            self.note("agent", &shown, &given.at);
            self.agent = match &given.value {
                Some(path) => AgentSocket::At(path.clone()),
                None => AgentSocket::Nowhere,
            };
        }
        if !self.auth.is_empty() {
            return;
        }
        let only = found.identities_only.as_ref().filter(|given| given.value);
        if found.identity_files.is_empty() && only.is_none() {
            return;
        }
        for given in &found.identity_files {
            self.note("key", &given.value.display(), &given.at);
            self.auth.push(Credential::Key(given.value.clone()));
        }
        if found.identity_files.is_empty() {
            let keys = self.credentials().into_iter();
            self.auth = keys
                .filter(|way| matches!(way, Credential::Key(_)))
                .collect();
        }
        match only {
            Some(given) => self.note("no further keys of the agent", &"", &given.at),
            None => self.auth.push(Credential::Agent),
        }
    }

    /// The first of the files is the user's own, the others are the system's.
    fn use_known_hosts(&mut self, found: &Found) {
        let split = self.known_hosts.len().min(1);
        let system = self.known_hosts.split_off(split);
        let own = std::mem::take(&mut self.known_hosts);
        for (given, usual) in [
            (&found.user_known_hosts, own),
            (&found.global_known_hosts, system),
        ] {
            let Some(given) = given else {
                self.known_hosts.extend(usual);
                continue;
            };
            let shown = given.value.iter().map(|path| path.display().to_string());
            let shown = shown.collect::<Vec<_>>().join(" ");
            self.note("known hosts", &shown, &given.at);
            self.known_hosts.extend(given.value.iter().cloned());
        }
    }

    fn note(&mut self, what: &str, value: &dyn std::fmt::Display, at: &str) {
        let words = format!("{what} {value}");
        self.notes.push(format!("{} ({at})", words.trim_end()));
    }

    /// A hop that is no host of the runbook. Its user is the one that `ssh` would take.
    #[must_use]
    pub fn hop(
        written: &str,
        hop: &WrittenHop,
        known_hosts: &[PathBuf],
        ssh: &SshConfig,
    ) -> (Self, Way) {
        let address = HostAddress {
            host: hop.host.clone(),
            port: hop.port.unwrap_or(22),
        };
        let user = hop.user.clone();
        let user = user.unwrap_or_else(|| ssh.local_user().to_owned());
        let mut config = Self::plain(HostName::from(written.to_owned()), address, user);
        config.known_hosts = known_hosts.to_vec();
        let fixed = Fixed {
            user: hop.user.is_some(),
            port: hop.port.is_some(),
            way: false,
        };
        let way = config.complete(fixed, ssh);
        (config, way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(text: &str) -> (tempfile::TempDir, SshConfig) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config");
        std::fs::write(&file, text).unwrap();
        let files = [(file, home.path().to_owned())];
        let config = SshConfig::of(&files, home.path(), "alice");
        (home, config)
    }

    fn host() -> HostConfig {
        let address = HostAddress {
            host: "lee".into(),
            port: 22,
        };
        HostConfig {
            known_hosts: vec!["/own".into(), "/system".into()],
            ..HostConfig::plain("lee-esx1".into(), address, "root".into())
        }
    }

    const TEXT: &str = "HostName 198.51.100.11\nUser ops\nPort 2222\nIdentityFile /k\nUserKnownHostsFile /a /b\nProxyJump gate,u@g2:7\n";

    #[test]
    fn what_the_runbook_leaves_out_is_filled_in_and_says_where_it_comes_from() {
        let (_home, ssh) = ssh(TEXT);
        let mut config = host();
        let way = config.complete(Fixed::default(), &ssh);
        let hops = vec!["gate".to_owned(), "u@g2:7".to_owned()];
        assert_eq!(way, Way::Jump(hops, "~/config:6".to_owned()));
        assert_eq!(config.address.to_string(), "198.51.100.11:2222");
        assert_eq!(config.user, "ops");
        assert!(matches!(
            &config.auth[..],
            [Credential::Key(_), Credential::Agent]
        ));
        let known: Vec<PathBuf> = ["/a", "/b", "/system"].map(PathBuf::from).into();
        assert_eq!(config.known_hosts, known);
        for note in [
            "address 198.51.100.11 (~/config:1)",
            "user ops (~/config:2)",
            "key /k (~/config:4)",
        ] {
            assert!(
                config.notes.iter().any(|line| line == note),
                "{:?}",
                config.notes
            );
        }
    }

    #[test]
    fn what_the_runbook_says_wins() {
        let (_home, ssh) = ssh(TEXT);
        let mut config = host();
        config.auth = vec![Credential::Agent];
        let fixed = Fixed {
            user: true,
            port: true,
            way: true,
        };
        assert_eq!(config.complete(fixed, &ssh), Way::Unsaid);
        assert_eq!((config.user.as_str(), config.address.port), ("root", 22));
        assert!(matches!(&config.auth[..], [Credential::Agent]));

        let (_home, command) = self::ssh("ProxyCommand nc %h %p\n");
        let mut config = host();
        config.complete(fixed, &command);
        assert!(matches!(config.via, Via::Direct));
        config.complete(Fixed::default(), &command);
        assert!(matches!(&config.via, Via::NoWay(why) if why.contains("config:1")));
    }

    #[test]
    fn hops_are_read_in_each_form() {
        let hop = |user: Option<&str>, host: &str, port| {
            let (user, host) = (user.map(str::to_owned), host.to_owned());
            Some(WrittenHop { user, host, port })
        };
        for (text, read) in [
            ("gate", hop(None, "gate", None)),
            ("u@gate:7", hop(Some("u"), "gate", Some(7))),
            ("ssh://u@gate:7/", hop(Some("u"), "gate", Some(7))),
            ("a@b@gate", hop(Some("a@b"), "gate", None)),
            ("[2001:db8::1]:7", hop(None, "2001:db8::1", Some(7))),
            ("2001:db8::1", hop(None, "2001:db8::1", None)),
            ("gate:0", None),
            ("@gate", None),
            ("", None),
        ] {
            assert_eq!(WrittenHop::parse(text), read, "{text}");
        }
    }
}
