//! Sessions over SSH to the hosts of a runbook: logins, host keys, policy, commands, files.
//!
//! This is the only module that knows `ssh2`, and besides the simulator the only one that knows
//! `russh`, which carries bulk data alone (`bulk`). [`Hosts`] holds a run's hosts. Each session lives on
//! a thread of its own ([`Lane`]) and is opened on first use; what has died is opened again on the
//! next use, but a write is never sent twice. Every connection, command and file passes [`Policy`].
//!
//! From the top: `hosts` (what others call), `lane` (a session's thread), `connect`, `login`,
//! `host_key` and `algorithms` (getting in), `process`, `file`, `sftp`, `dd` and `bulk` (doing things),
//! `link` (libssh2 and every wait), `hop` (through another host), `ssh_config` (what OpenSSH's client
//! would do). What comes back is shown and kept only through [`sanitise`] and
//! [`Redactor`].
mod algorithms;
mod bulk;
mod channels;
mod command;
mod config;
mod connect;
mod dd;
mod dialogue;
mod error;
mod file;
mod gate;
mod greeting;
mod hop;
mod host_key;
mod hosts;
mod lane;
mod link;
mod live;
mod login;
mod opening;
mod output;
mod plan;
mod policy;
mod private_key;
mod process;
mod reach;
mod redact;
pub mod sanitise;
mod sftp;
mod shared;
mod shell;
mod ssh_config;
mod stream;
mod together;
mod turn;
mod wire;

pub use command::{Effect, HostCommand};
pub use config::{AgentSocket, Credential, HostConfig, Secret, Via};
pub use dialogue::Dialogue;
pub use error::{HostError, WriteError, where_its_key_is_read};
pub use file::{FileAccess, Opened, RemoteFile};
pub use hosts::{Following, Host, Hosts};
pub use lane::Lane;
pub use live::{LiveOutput, OutputEvent, OutputSink, Stream};
pub use output::Output;
pub use policy::Policy;
pub use reach::{Fixed, Way, WrittenHop};
pub use redact::Redactor;
pub use sanitise::visible;
pub use shell::{Shell, Window};
pub use ssh_config::SshConfig;
pub use stream::{OutputEnd, Program, RemoteOutput};

#[cfg(test)]
pub(crate) mod tests;
