//! Where Lifeboat keeps its state and who works at the console.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::error::Fault;

/// What every command goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The state folder: runs and logs.
    pub state: PathBuf,
    /// Who works at the console.
    pub operator: String,
    /// The machine that the console runs on.
    pub console: String,
}

impl Settings {
    /// The state folder is `state`, else `LIFEBOAT_STATE`, else `lifeboat` in the XDG state folder;
    /// the operator is `operator`, else the login name. `env` looks a variable up.
    ///
    /// # Errors
    /// Where no state folder can be found: no flag, no variable, no home.
    pub fn resolve(
        state: Option<PathBuf>,
        operator: Option<String>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Fault> {
        let from_env = || {
            env("LIFEBOAT_STATE")
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let state = match state.or_else(from_env) {
            Some(state) => state,
            None => xdg_state()?.join("lifeboat"),
        };
        let given = operator
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        Ok(Self {
            state,
            operator: given.unwrap_or_else(|| login_name(&env)),
            console: machine_name(),
        })
    }

    /// The folder of log files.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }
}

/// What a command needs behind the id of the run in this folder, for it to look there: nothing where it
/// does so by itself, else ` --state DIR`.
#[must_use]
pub fn elsewhere(run: &Path) -> String {
    let state = run.ancestors().nth(2).unwrap_or(run);
    let own = Settings::resolve(None, None, |name| std::env::var_os(name));
    if own.is_ok_and(|own| own.state == state) {
        return String::new();
    }
    state_option(&state.to_string_lossy())
}

/// The same as somebody else had it; nothing where it is no such thing.
#[must_use]
pub fn as_elsewhere(words: &str) -> Option<String> {
    match &shell_words::split(words).ok()?[..] {
        [] => Some(String::new()),
        [option, state] if option == "--state" => Some(state_option(state)),
        _ => None,
    }
}

fn state_option(state: &str) -> String {
    format!(" --state {}", shell_words::quote(state))
}

fn xdg_state() -> Result<PathBuf, Fault> {
    let nowhere = |why: String| {
        Fault::new(
            format!("there is no folder to keep runs in: {why}"),
            "the environment",
            "nothing was started",
            "give one with --state DIR, or set LIFEBOAT_STATE",
        )
    };
    let folders = etcetera::choose_base_strategy().map_err(|error| nowhere(error.to_string()))?;
    folders
        .state_dir()
        .ok_or_else(|| nowhere("this system has no state folder".to_owned()))
}

fn login_name(env: &impl Fn(&str) -> Option<OsString>) -> String {
    ["LOGNAME", "USER"]
        .into_iter()
        .filter_map(|name| env(name)?.into_string().ok())
        .find(|name| !name.is_empty())
        .or_else(account_name)
        .unwrap_or_else(|| "operator".to_owned())
}

/// The login name of this process's account, as `ssh` takes it where nobody gives one.
#[must_use]
pub fn account() -> String {
    account_name().unwrap_or_else(|| login_name(&|name| std::env::var_os(name)))
}

/// The name of this process's account, where the environment does not tell (a service, a container).
fn account_name() -> Option<String> {
    let uid = fs::metadata("/proc/self").ok()?.uid();
    named_in(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn named_in(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, account) = (fields.next()?, fields.nth(1)?);
        (account == uid).then(|| name.to_owned())
    })
}

/// The name of this machine, as the journal has it.
#[must_use]
pub fn machine_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "console".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<OsString> {
        match name {
            "LIFEBOAT_STATE" => Some("/srv/lifeboat".into()),
            "LOGNAME" => Some("alice".into()),
            _ => None,
        }
    }

    #[test]
    fn flags_win_over_the_environment() {
        let plain = Settings::resolve(None, None, env).unwrap();
        assert_eq!(
            (plain.state.to_str().unwrap(), plain.operator.as_str()),
            ("/srv/lifeboat", "alice")
        );
        assert_eq!(plain.logs(), PathBuf::from("/srv/lifeboat/logs"));

        let flagged = Settings::resolve(Some("/tmp/x".into()), Some(" bob ".into()), env).unwrap();
        assert_eq!(
            (flagged.state.to_str().unwrap(), flagged.operator.as_str()),
            ("/tmp/x", "bob")
        );
    }

    #[test]
    fn an_account_without_login_variables_still_has_a_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbackup:x:34:34::/var/backups:/bin/sh\n";
        assert_eq!(named_in(passwd, 34).as_deref(), Some("backup"));
        assert_eq!(named_in(passwd, 99), None);
        assert!(
            !Settings::resolve(Some("/tmp/x".into()), None, |_| None)
                .unwrap()
                .operator
                .is_empty()
        );
    }

    #[test]
    fn where_a_run_is_kept_is_one_option_and_nothing_else() {
        for (words, as_written) in [
            ("", Some("")),
            (" --state /srv/runs", Some(" --state /srv/runs")),
            (
                " --state '/srv/two words'",
                Some(" --state '/srv/two words'"),
            ),
            (" --state \"a;b\"", Some(" --state 'a;b'")),
            (" --state /srv/runs --yes", None),
            ("; reboot", None),
            (" --state 'open", None),
        ] {
            assert_eq!(as_elsewhere(words).as_deref(), as_written, "{words}");
        }
    }
}
