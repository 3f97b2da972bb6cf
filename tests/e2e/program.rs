//! The binary under test with a state folder and a home of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A place where nothing of the tester's own is seen or touched.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("home")).expect("a home");
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `lifeboat ARGS` with this place's state folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command
            .args(args)
            .current_dir(self.path())
            .stdin(Stdio::null());
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command.env_remove("SSH_AUTH_SOCK").env_remove("NO_COLOR");
        command
    }

    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LIFEBOAT_STATE", self.state()),
            ("HOME", self.path().join("home")),
        ]
    }

    /// Runs to the end, bounded in time.
    pub fn run(&self, args: &[&str], limit: Duration) -> Ran {
        let command = self.command(args);
        finish(command, args, limit)
    }

    /// The newest run's folder.
    pub fn run_dir(&self) -> PathBuf {
        self.newest_run().expect("there is no run")
    }

    /// The newest run's folder, if there is one.
    pub fn newest_run(&self) -> Option<PathBuf> {
        let runs = std::fs::read_dir(self.state().join("runs")).ok()?;
        runs.flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .max()
    }

    /// The events of the newest run so far, as JSON; none before its first line.
    pub fn journal(&self) -> Vec<serde_json::Value> {
        let path = self.newest_run().map(|dir| dir.join("journal.jsonl"));
        let text = path
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }
}

/// The words of a command that goes on by itself where `answers` say what to.
pub fn headless<'a>(words: &[&'a str], answers: &'a str) -> Vec<&'a str> {
    [words, &["--headless", "--yes", "--answers", answers]].concat()
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    #[track_caller]
    pub fn expect(&self, status: i32) -> &Self {
        assert_eq!(
            self.status,
            Some(status),
            "after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.took,
            tail(&self.stdout),
            tail(&self.stderr)
        );
        self
    }

    /// Everything printed.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// What `look` gives at last; nothing where that takes too long.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() >= end {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until it is so.
#[track_caller]
pub fn until(limit: Duration, missing: &str, mut is_so: impl FnMut() -> bool) {
    let met = within(limit, || is_so().then_some(()));
    assert!(met.is_some(), "{missing}, for {limit:?}");
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

pub fn finish(mut command: Command, args: &[&str], limit: Duration) -> Ran {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("lifeboat {args:?}: {error}"));
    let output = wait(&mut child, limit);
    let Some(output) = output else {
        let _ = child.kill();
        let output = child.wait_with_output().expect("its output");
        panic!(
            "lifeboat {args:?} did not end within {limit:?}\n--- stdout\n{}\n--- stderr\n{}",
            tail(&String::from_utf8_lossy(&output.stdout)),
            tail(&String::from_utf8_lossy(&output.stderr))
        );
    };
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: started.elapsed(),
    }
}

/// Reads both streams on threads, so that a chatty child never blocks.
fn wait(child: &mut Child, limit: Duration) -> Option<Output> {
    use std::io::Read as _;
    let mut out = child.stdout.take()?;
    let mut err = child.stderr.take()?;
    let read_out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let read_err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let ended = within(limit, || child.try_wait().expect("its status"));
    let Some(status) = ended else {
        let _ = child.kill();
        let _ = child.wait();
        let stdout = read_out.join().unwrap_or_default();
        let stderr = read_err.join().unwrap_or_default();
        eprintln!(
            "{}\n{}",
            tail(&String::from_utf8_lossy(&stdout)),
            tail(&String::from_utf8_lossy(&stderr))
        );
        panic!("no end within {limit:?}");
    };
    let stdout = read_out.join().unwrap_or_default();
    let stderr = read_err.join().unwrap_or_default();
    Some(Output {
        status,
        stdout,
        stderr,
    })
}
