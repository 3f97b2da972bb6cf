//! OpenSSH's client configuration, `~/.ssh/config` and `/etc/ssh/ssh_config`: how a host is reached
//! where the runbook does not say.
//!
//! Read here, because no crate reads it well enough to decide where a login goes: as of 2026,
//! `ssh2-config` gives the lines of a `Match` block to the `Host` above it and keeps the last of two
//! `UserKnownHostsFile` lines, and `russh-config` knows neither `Match` nor `Include`. Asking
//! `ssh -G` would run whatever `Match exec` names. The tests compare this reader with `ssh -G`.
//!
//! `file` reads files into lines, `lookup` walks the lines for one host.

mod file;
mod lookup;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use file::Line;

/// What the configuration files say.
#[derive(Clone, Debug, Default)]
pub struct SshConfig {
    /// Files in the order in which they count.
    files: Vec<Vec<Line>>,
    /// What could not be read.
    problems: Vec<String>,
    home: PathBuf,
    local_user: String,
}

/// A value with the line that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given<T> {
    pub(super) value: T,
    /// `~/.ssh/config:12`.
    pub(super) at: String,
}

/// The way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    /// None is to be used, whatever later lines say.
    None,
    /// `ProxyJump`, each hop as written.
    Jump(Vec<String>),
    /// `ProxyCommand`, which Lifeboat does not run.
    Command,
}

/// What is asked for; what the runbook says itself comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    /// The host as the runbook writes it.
    pub(super) host: &'a str,
    pub(super) user: Option<&'a str>,
    /// Who logs in where nobody says.
    pub(super) default_user: &'a str,
    pub(super) port: Option<u16>,
}

/// What the files say about one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) host_name: Option<Given<String>>,
    pub(super) port: Option<Given<u16>>,
    pub(super) user: Option<Given<String>>,
    pub(super) identity_files: Vec<Given<PathBuf>>,
    pub(super) identities_only: Option<Given<bool>>,
    /// `None` inside: no agent is to be asked.
    pub(super) identity_agent: Option<Given<Option<PathBuf>>>,
    pub(super) user_known_hosts: Option<Given<Vec<PathBuf>>>,
    pub(super) global_known_hosts: Option<Given<Vec<PathBuf>>>,
    pub(super) host_key_alias: Option<Given<String>>,
    pub(super) proxy: Option<Given<Proxy>>,
    pub(super) connect_timeout: Option<Given<Duration>>,
    /// What stands there for this host and is not honoured.
    pub(super) notes: Vec<String>,
}

impl SshConfig {
    /// No configuration at all, as in practice.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The operator's files as they are now; missing ones say nothing.
    #[must_use]
    pub fn load(local_user: &str) -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        let own = home.join(".ssh");
        Self::of(
            &[
                (own.join("config"), own),
                ("/etc/ssh/ssh_config".into(), "/etc/ssh".into()),
            ],
            &home,
            local_user,
        )
    }

    /// Each file comes with the folder that relative `Include`s are looked for in.
    pub(super) fn of(files: &[(PathBuf, PathBuf)], home: &Path, local_user: &str) -> Self {
        let mut config = Self {
            home: home.to_owned(),
            local_user: local_user.to_owned(),
            ..Self::default()
        };
        for (path, folder) in files {
            let mut reader = file::Reader::new(home, folder, &mut config.problems);
            let lines = reader.read(path, 0);
            config.files.push(lines);
        }
        config
    }

    /// Who works at the console, by the machine's own account.
    pub(super) fn local_user(&self) -> &str {
        &self.local_user
    }

    /// What the files say about one host.
    pub(super) fn look_up(&self, query: &Query<'_>) -> Found {
        let mut found = lookup::look_up(&self.files, query, &self.home, &self.local_user);
        found.notes.extend(self.problems.iter().cloned());
        found
    }
}
