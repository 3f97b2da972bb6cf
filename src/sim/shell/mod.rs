//! A small POSIX-like shell, as much of BusyBox ash as operators and scripts use.
//!
//! [`Shell::run_line`] runs one command line. Programs are functions of [`super::commands`]; each
//! runs as a process of its host with a number of its own, as on a real system.

mod arithmetic;
mod ast;
mod builtins;
mod expand;
mod parse;
pub(crate) mod pattern;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::host::SimHost;
use super::process::{Killed, Process, ProcessTable};
use super::stdio::Stdio;

/// Why a list of commands ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `exit`, or `set -e`.
    Exit(i32),
    /// `break n`
    Break(u32),
    /// `continue n`
    Continue(u32),
    /// A signal.
    Killed(Killed),
}

impl From<Killed> for Flow {
    fn from(killed: Killed) -> Self {
        Self::Killed(killed)
    }
}

/// An exit status, or why the list ends here.
pub(crate) type Ran = Result<i32, Flow>;

/// One shell process.
#[derive(Clone)]
pub(crate) struct Shell {
    /// The host that it runs on.
    pub(crate) host: Arc<SimHost>,
    /// Its process.
    pub(crate) process: Arc<Process>,
    /// Variables; all of them reach the programs.
    pub(crate) variables: BTreeMap<String, String>,
    /// `$0`
    pub(crate) name: String,
    /// `$1` …
    pub(crate) args: Vec<String>,
    /// The working folder, absolute.
    pub(crate) folder: String,
    /// `$?`
    pub(crate) status: i32,
    /// The status of the last substitution in the command at hand.
    pub(crate) substituted: Option<i32>,
    /// `$!`
    pub(crate) last_background: Option<u32>,
    /// `set -e`
    pub(crate) stop_on_error: bool,
    /// `set -C`: `>` does not overwrite.
    pub(crate) keep_files: bool,
    /// The standard streams.
    pub(crate) stdio: Stdio,
    /// How deep in nested shells and substitutions.
    pub(crate) depth: usize,
}

impl Shell {
    /// A login shell of `user`.
    pub(crate) fn login(
        host: &Arc<SimHost>,
        process: &Arc<Process>,
        user: &str,
        stdio: Stdio,
    ) -> Self {
        let home = if user == "root" {
            host.root_home()
        } else {
            format!("/home/{user}")
        };
        let folder = if host.vfs.exists(&home) {
            home.clone()
        } else {
            "/".to_owned()
        };
        let variables = [
            ("HOME", home.as_str()),
            ("USER", user),
            ("LOGNAME", user),
            ("PATH", "/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin"),
            ("PWD", folder.as_str()),
            ("IFS", " \t\n"),
        ];
        Self {
            host: Arc::clone(host),
            process: Arc::clone(process),
            variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            name: "sh".to_owned(),
            args: Vec::new(),
            folder,
            status: 0,
            substituted: None,
            last_background: None,
            stop_on_error: false,
            keep_files: false,
            stdio,
            depth: 0,
        }
    }

    /// Runs a script and gives its exit status.
    pub(crate) fn run_line(&mut self, script: &str) -> i32 {
        match self.run_script(script) {
            Ok(status) | Err(Flow::Exit(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
            Err(Flow::Killed(Killed(signal))) => 128 + signal,
        }
    }

    /// Runs a script inside this shell.
    ///
    /// # Errors
    /// [`Flow`], where it ends more than the script.
    pub(crate) fn run_script(&mut self, script: &str) -> Ran {
        match parse::parse(script) {
            Ok(list) => self.run_list(&list),
            Err(error) => {
                let line = format!("{}: {}\n", self.name, error.0);
                self.complain(&line);
                self.status = 2;
                Ok(2)
            }
        }
    }

    /// Writes to the error output; a broken one is ignored, as a shell does.
    pub(crate) fn complain(&self, line: &str) {
        let killed = || self.process.killed().is_some();
        let _ = self.stdio.stderr.write_all(line.as_bytes(), &killed);
    }

    fn processes(&self) -> &Arc<ProcessTable> {
        &self.host.processes
    }
}

/// Whether a script parses, for tests.
#[cfg(test)]
pub(crate) fn parses(script: &str) -> bool {
    parse::parse(script).is_ok()
}
