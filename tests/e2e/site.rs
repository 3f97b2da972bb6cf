//! `lifeboat sim` in the foreground, and the runbook that it emits.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_yaml::Value;

use crate::program::{Place, until};

/// The bundled runbook, as a user would start from it.
pub const RUNBOOK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/runbooks/v2v-image-restore.yaml"
);

/// A simulated site in a process of its own.
pub struct Site {
    child: Child,
    pub runbook: PathBuf,
    pub dir: PathBuf,
}

impl Site {
    pub fn start(place: &Place, args: &[&str]) -> Self {
        Self::of(place, RUNBOOK, args)
    }

    /// The site of a runbook of the test's own.
    pub fn of(place: &Place, source: &str, args: &[&str]) -> Self {
        let runbook = place.path().join("site-runbook.yaml");
        let state = place.path().join("site-state");
        let mut all = vec!["sim", source, "--emit"];
        let emitted = runbook.to_string_lossy().into_owned();
        all.push(&emitted);
        let state_text = state.to_string_lossy().into_owned();
        all.extend(["--state", &state_text]);
        all.extend(args);
        let child = place
            .command(&all)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the simulated site");
        let site = Self {
            child,
            runbook,
            dir: state,
        };
        let limit = Duration::from_secs(60);
        until(limit, "the site emits no runbook", || site.runbook.exists());
        site
    }

    pub fn document(&self) -> Value {
        let text = std::fs::read_to_string(&self.runbook).expect("the emitted runbook");
        serde_yaml::from_str(&text).expect("YAML")
    }

    pub fn address(&self, host: &str) -> SocketAddr {
        let document = self.document();
        let address = document["hosts"][host]["address"]
            .as_str()
            .expect("an address");
        address.parse().expect("host:port")
    }

    pub fn user(&self, host: &str) -> String {
        self.document()["hosts"][host]["user"]
            .as_str()
            .expect("a user")
            .to_owned()
    }

    /// The private key that every host of the site accepts.
    pub fn key(&self) -> PathBuf {
        let document = self.document();
        let auth = document["hosts"]["lee-esx1"]["auth"]
            .as_sequence()
            .expect("auth")
            .clone();
        let key = auth
            .iter()
            .find_map(|way| way["key"].as_str())
            .expect("a key");
        PathBuf::from(key)
    }

    /// The lines that a host was sent, in order.
    pub fn command_log(&self, host: &str) -> Vec<String> {
        let path = find(&self.dir, host).unwrap_or_else(|| panic!("no command log of {host}"));
        std::fs::read_to_string(path)
            .expect("a command log")
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|line| line["line"].as_str().map(str::to_owned))
            .collect()
    }

    /// The same without the looks whether a lost command still runs, which quote that command.
    pub fn work_log(&self, host: &str) -> Vec<String> {
        let mut log = self.command_log(host);
        log.retain(|line| !line.starts_with("sh -c 'all=$(ps -c"));
        log
    }
}

fn find(dir: &Path, host: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, host) {
                return Some(found);
            }
        } else if path
            .file_name()
            .is_some_and(|name| name == "commands.jsonl")
            && path
                .parent()
                .and_then(Path::file_name)
                .is_some_and(|name| name == host)
        {
            return Some(path);
        }
    }
    None
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers for a real run of the bundled runbook.
pub fn answers(place: &Place, extra: &str) -> String {
    let path = place.path().join("answers.yaml");
    let text = format!("variables:\n  ticket: INC000001\n{extra}");
    std::fs::write(&path, text).expect("the answers");
    path.to_string_lossy().into_owned()
}
