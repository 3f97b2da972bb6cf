//! From a runbook's hosts to what their sessions need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::host::sanitise::visible;
use crate::host::{
    Credential, Fixed, HostConfig, Hosts, Policy, Secret, SshConfig, Via, Way, WrittenHop,
};
use crate::names::{HostName, VariableName};
use crate::runbook::model::{Auth, Hop, Host, Mode, Runbook, SiteRole};

use super::answers::Answers;
use super::console::Console;
use super::exit::Failure;
use super::forms;
use super::start::{fetch_secrets, keep_secrets, with_own_paths};

/// More hops in a row than any site has; a circle ends here.
const MAX_HOPS: usize = 8;

/// One configuration for each host, with those of its hops. A password whose secret was not given is
/// left out where the host has another way in. `ssh` fills in what the runbook does not say.
///
/// # Errors
/// Status 2 where a host has no way in.
pub(super) fn host_configs(
    runbook: &Runbook,
    secrets: &BTreeMap<VariableName, Secret>,
    known_hosts: &[PathBuf],
    ssh: &SshConfig,
) -> Result<Vec<HostConfig>, Failure> {
    let sources = Sources {
        runbook,
        secrets,
        known_hosts,
        ssh,
    };
    let hosts = runbook.hosts.iter();
    hosts
        .map(|(name, host)| sources.host(name, host, MAX_HOPS))
        .collect()
}

/// Sessions that carry nothing but reads, for no command of them has an intent, and the runbook as
/// they reach its hosts. Secrets that `answers` do not give are asked for at a terminal.
pub(super) async fn readers(
    console: &mut Console,
    answers: &Answers,
    runbook: &Runbook,
    path: &Path,
) -> Result<(Arc<Runbook>, Hosts), Failure> {
    let mut secrets = fetch_secrets(console, answers)?;
    if !console.act.headless {
        let typed = forms::secrets(console, "To look at the hosts", runbook, &secrets).await?;
        secrets.extend(keep_secrets(console, typed));
        console.close_screen();
    }
    let configs = host_configs(runbook, &secrets, &known_hosts(), &ssh_config())?;
    let reached = with_own_paths(runbook, &path.display().to_string());
    let reached = as_reached(reached, &configs);
    // The strictest rules that there are.
    let policy = Policy::for_mode(Mode::Drill);
    let hosts = Hosts::new(configs, policy, console.redactor.clone()).with_secrets(secrets);
    Ok((Arc::new(reached), hosts))
}

/// The runbook as people are shown it in a run: with the addresses and users that are really used,
/// and where they come from.
pub(super) fn as_reached(mut runbook: Runbook, configs: &[HostConfig]) -> Runbook {
    for config in configs {
        if let Some(host) = runbook.hosts.get_mut(&config.name) {
            host.address.clone_from(&config.address);
            host.user.clone_from(&config.user);
            host.notes.clone_from(&config.notes);
        }
    }
    runbook
}

struct Sources<'a> {
    runbook: &'a Runbook,
    secrets: &'a BTreeMap<VariableName, Secret>,
    known_hosts: &'a [PathBuf],
    ssh: &'a SshConfig,
}

impl Sources<'_> {
    fn host(&self, name: &HostName, host: &Host, most: usize) -> Result<HostConfig, Failure> {
        let auth = credentials(host, self.secrets).map_err(|missing| {
            Failure::invalid(
                format!("there is no way to log in to {name}: the secret {missing} was not given"),
                format!("host {name} of runbook {}", self.runbook.name),
                format!("give `secrets: {{ {missing}: {{ env: NAME }} }}` in an answers file (--answers FILE), or add a key or the agent to its `auth`"),
            )
        })?;
        let mut config = HostConfig {
            role: self.runbook.role_of(name).unwrap_or(SiteRole::Protected),
            driver: host.driver,
            auth,
            host_keys: host.host_key.clone(),
            known_hosts: self.known_hosts.to_vec(),
            bulk_session: host.bulk_session,
            transfers: host.at_once.transfers,
            ..HostConfig::plain(name.clone(), host.address.clone(), host.user.clone())
        };
        let fixed = Fixed {
            user: host.user_given,
            port: host.port_given,
            way: host.jump.is_some(),
        };
        let way = config.complete(fixed, self.ssh);
        match &host.jump {
            Some(hops) => self.lead(&mut config, hops, None, most)?,
            None => self.follow(&mut config, way, most)?,
        }
        Ok(config)
    }

    /// Takes the way that ssh's configuration wants.
    fn follow(&self, config: &mut HostConfig, way: Way, most: usize) -> Result<(), Failure> {
        let Way::Jump(written, at) = way else {
            return Ok(());
        };
        let mut hops = Vec::new();
        for written in written {
            let Some(hop) = WrittenHop::parse(&written) else {
                let why = format!("{at}: `{}` is no hop (user@host:port)", visible(&written));
                config.via = Via::NoWay(why);
                return Ok(());
            };
            let WrittenHop { user, host, port } = hop;
            hops.push(Hop::Machine {
                written,
                user,
                host,
                port,
            });
        }
        self.lead(config, &hops, Some(&at), most)
    }

    /// Sets the way to a host over hops, the first one first. What is said about the way to a hop
    /// counts for the first one; the others are reached from the one before.
    fn lead(
        &self,
        config: &mut HostConfig,
        hops: &[Hop],
        at: Option<&str>,
        most: usize,
    ) -> Result<(), Failure> {
        config.via = Via::Direct;
        if hops.len() > most || (most == 0 && !hops.is_empty()) {
            let why = format!("the hops on the way to {} lead in a circle", config.name);
            config.via = Via::NoWay(why);
            return Ok(());
        }
        let mut way: Option<HostConfig> = None;
        for hop in hops {
            let mut next = self.hop(hop, way.is_none(), most - 1)?;
            if let Some(before) = way.take() {
                next.via = Via::Hop(Box::new(before));
            }
            if let Via::NoWay(why) = &next.via {
                config.via = Via::NoWay(why.clone());
                return Ok(());
            }
            way = Some(next);
        }
        if let Some(last) = way {
            let from = at.map_or_else(String::new, |at| format!(" ({at})"));
            config.notes.push(format!("through {}{from}", last.route()));
            config.via = Via::Hop(Box::new(last));
        }
        Ok(())
    }

    fn hop(&self, hop: &Hop, first: bool, most: usize) -> Result<HostConfig, Failure> {
        match hop {
            Hop::Host(name) => {
                let Some(host) = self.runbook.hosts.get(name) else {
                    // The reader refused it.
                    return Err(Failure::invalid(
                        format!("the hop {name} is no host of the runbook"),
                        format!("runbook {}", self.runbook.name),
                        "correct `jump`",
                    ));
                };
                if first {
                    return self.host(name, host, most);
                }
                let direct = Host {
                    jump: Some(Vec::new()),
                    ..host.clone()
                };
                self.host(name, &direct, most)
            }
            Hop::Machine {
                written,
                user,
                host,
                port,
            } => {
                let hop = WrittenHop {
                    user: user.clone(),
                    host: host.clone(),
                    port: *port,
                };
                let (mut config, way) = HostConfig::hop(written, &hop, self.known_hosts, self.ssh);
                if first {
                    self.follow(&mut config, way, most)?;
                } else {
                    config.via = Via::Direct;
                }
                Ok(config)
            }
        }
    }
}

fn credentials(
    host: &Host,
    secrets: &BTreeMap<VariableName, Secret>,
) -> Result<Vec<Credential>, VariableName> {
    let mut ways = Vec::new();
    let mut missing = None;
    for way in &host.auth {
        match way {
            Auth::Agent => ways.push(Credential::Agent),
            Auth::Key(path) => ways.push(Credential::Key(path.clone())),
            Auth::Password(name) => match secrets.get(name) {
                Some(secret) => ways.push(Credential::Password(secret.clone())),
                None => missing = Some(name.clone()),
            },
        }
    }
    // An empty list would mean the agent and the usual keys, which the runbook does not say.
    match missing {
        Some(name) if ways.is_empty() => Err(name),
        _ => Ok(ways),
    }
}

/// What OpenSSH's client would do; read anew at each start.
pub(super) fn ssh_config() -> SshConfig {
    SshConfig::load(&crate::settings::account())
}

/// Where OpenSSH keeps the host keys that it knows.
pub(super) fn known_hosts() -> Vec<PathBuf> {
    let own = std::env::home_dir().map(|home| home.join(".ssh/known_hosts"));
    own.into_iter()
        .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_bundled;

    #[test]
    fn a_password_that_was_not_given_is_left_out_unless_it_is_the_only_way_in() {
        let mut runbook = load_bundled().unwrap().runbook;
        let none = BTreeMap::new();
        let configs = host_configs(&runbook, &none, &[], &SshConfig::none()).unwrap();
        let ways: Vec<usize> = configs.iter().map(|config| config.auth.len()).collect();
        assert_eq!(ways, [2, 2, 2]);
        assert_eq!(configs[0].role, SiteRole::Protected);

        let given = BTreeMap::from([("esxi_password".into(), Secret::new("hunter2".to_owned()))]);
        assert_eq!(
            host_configs(&runbook, &given, &[], &SshConfig::none()).unwrap()[0]
                .auth
                .len(),
            3
        );

        runbook.hosts[0].auth = vec![Auth::Password("esxi_password".into())];
        let failure = host_configs(&runbook, &none, &[], &SshConfig::none()).unwrap_err();
        assert!(
            failure.text.contains("no way to log in to lon-esx1"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn hops_stand_in_a_row_and_have_logins_of_their_own() {
        let mut runbook = load_bundled().unwrap().runbook;
        let gate = Hop::Machine {
            written: "ops@gate:2222".to_owned(),
            user: Some("ops".to_owned()),
            host: "gate".to_owned(),
            port: Some(2222),
        };
        runbook.hosts["lee-bk1"].jump = Some(vec![gate.clone()]);
        runbook.hosts["lee-esx1"].jump = Some(vec![Hop::Host("lee-bk1".into())]);
        runbook.hosts["lon-esx1"].jump = Some(vec![gate, Hop::Host("lee-bk1".into())]);
        let secrets = BTreeMap::from([("esxi_password".into(), Secret::new("hunter2".to_owned()))]);
        let configs = host_configs(&runbook, &secrets, &[], &SshConfig::none()).unwrap();
        for config in &configs {
            let route = match config.name.as_str() {
                "lee-bk1" => "ops@gate:2222 > lee-bk1",
                "lee-esx1" => "ops@gate:2222 > lee-bk1 > lee-esx1",
                _ => "ops@gate:2222 > lee-bk1 > lon-esx1",
            };
            assert_eq!(config.route(), route);
            let mut hop = config;
            while let Via::Hop(before) = &hop.via {
                hop = before;
            }
            assert_eq!((hop.user.as_str(), hop.address.port), ("ops", 2222));
            assert!(hop.auth.is_empty(), "no password of a host is a hop's");
        }
        let shown = as_reached(runbook.clone(), &configs);
        let notes = &shown.hosts["lee-esx1"].notes;
        assert_eq!(notes, &["through ops@gate:2222 > lee-bk1"]);

        // A circle that only ssh's configuration could make.
        runbook.hosts["lee-bk1"].jump = Some(vec![Hop::Host("lee-bk1".into())]);
        let configs = host_configs(&runbook, &secrets, &[], &SshConfig::none()).unwrap();
        let circle = configs
            .iter()
            .find(|config| config.name.as_str() == "lee-bk1");
        assert!(matches!(&circle.unwrap().via, Via::NoWay(why) if why.contains("circle")));
    }
}
