//! From a runbook's hosts to what their sessions need.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::host::{Credential, HostConfig, Secret};
use crate::names::VariableName;
use crate::runbook::model::{Auth, Host, Runbook, SiteRole};

use super::exit::Failure;

/// One configuration for each host. A password whose secret was not given is left out where the
/// host has another way in.
///
/// # Errors
/// Status 2 where a host has no way in.
pub(super) fn host_configs(
    runbook: &Runbook,
    secrets: &BTreeMap<VariableName, Secret>,
    known_hosts: &[PathBuf],
) -> Result<Vec<HostConfig>, Failure> {
    runbook
        .hosts
        .iter()
        .map(|(name, host)| {
            Ok(HostConfig {
                name: name.clone(),
                role: role_of(runbook, host),
                driver: host.driver,
                address: host.address.clone(),
                user: host.user.clone(),
                auth: credentials(host, secrets).map_err(|missing| {
                    Failure::invalid(
                        format!("there is no way to log in to {name}: the secret {missing} was not given"),
                        format!("host {name} of runbook {}", runbook.name),
                        format!("give `secrets: {{ {missing}: {{ env: NAME }} }}` in an answers file (--answers FILE), or add a key or the agent to its `auth`"),
                    )
                })?,
                host_keys: host.host_key.clone(),
                known_hosts: known_hosts.to_vec(),
            })
        })
        .collect()
}

fn role_of(runbook: &Runbook, host: &Host) -> SiteRole {
    runbook
        .sites
        .get(&host.site)
        .map_or(SiteRole::Protected, |site| site.role)
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
        let configs = host_configs(&runbook, &none, &[]).unwrap();
        let ways: Vec<usize> = configs.iter().map(|config| config.auth.len()).collect();
        assert_eq!(ways, [2, 2, 2]);
        assert_eq!(configs[0].role, SiteRole::Protected);

        let given = BTreeMap::from([("esxi_password".into(), Secret::new("hunter2".to_owned()))]);
        assert_eq!(
            host_configs(&runbook, &given, &[]).unwrap()[0].auth.len(),
            3
        );

        runbook.hosts[0].auth = vec![Auth::Password("esxi_password".into())];
        let failure = host_configs(&runbook, &none, &[]).unwrap_err();
        assert!(
            failure.text.contains("no way to log in to lon-esx1"),
            "{}",
            failure.text
        );
    }
}
