//! Sessions over SSH to the hosts of a runbook: logins, host keys, policy, commands, files.
//!
//! This is the only module that knows `ssh2`.
mod command;
mod output;

pub use command::{Effect, HostCommand};
pub use output::Output;
