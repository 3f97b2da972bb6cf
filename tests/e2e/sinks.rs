//! Secrets and control codes reach no sink: a whole run with password logins, whose hosts print the
//! password and escape sequences, is searched: journal, report, log, output, screen lines, and the
//! command lines of every process of this machine while it ran. All of it belongs to its owner only.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_yaml::Value;

use crate::kill::real_answers;
use crate::program::{Place, finish, headless};
use crate::site::{Site, answers};

/// What hosts print besides: a title, a colour, a reordering and an 8-bit sequence.
const NOISE: &str = r"\033]0;owned\007\033[31mred\342\200\256txt\302\2332J";

/// Everything below a folder: files and folders.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_type().expect("a kind").is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// What of `text` must not be in a sink.
fn offences(text: &str, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.contains(secret) {
        found.push("the secret".to_owned());
    }
    let hidden = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}')
    };
    found.extend(text.chars().filter(hidden).map(|c| format!("{c:?}")));
    // A journal shown with standard tools would turn these back.
    for escaped in ["\\u001b", "\\u009b", "\\u202e", "\\u0007"] {
        if text.to_ascii_lowercase().contains(escaped) {
            found.push(escaped.to_owned());
        }
    }
    found
}

/// Looks at every process's command line and environment-free words until told to stop.
fn watch_processes(secret: String, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains(&secret) {
                    seen.push(line);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        seen
    })
}

/// The site's runbook with passwords as the only way in, and two steps that print the password:
/// one that ends well and one that fails.
fn chatty(site: &Site, place: &Place, secret: &str) -> PathBuf {
    let mut document = site.document();
    let asks: Value =
        serde_yaml::from_str("{prompt: ESXi root password, secret: true}").expect("YAML");
    document["variables"]["site_password"] = asks;
    let way: Value = serde_yaml::from_str("[{password: '${site_password}'}]").expect("YAML");
    let hosts = document["hosts"].as_mapping_mut().expect("hosts");
    for (_, host) in hosts.iter_mut() {
        host["auth"] = way.clone();
    }
    let (head, rest) = secret.split_at(secret.len() / 2);
    let says = format!("printf 'it is %s%s {NOISE}\\n' '{head}' '{rest}'");
    let phase = serde_json::json!([{"phase": "Chatter", "steps": [
        {"command": {"host": "lee-bk1", "sh": says, "effect": "read"}},
        {"command": {"host": "lee-bk1", "sh": format!("{says} >&2; exit 3"), "effect": "read"}, "on_failure": "continue"},
    ]}]);
    let more: Value = serde_yaml::from_str(&phase.to_string()).expect("YAML");
    let phases = document["failover"].as_sequence_mut().expect("phases");
    phases.extend(more.as_sequence().expect("phases").clone());
    let path = place.path().join("chatty.yaml");
    std::fs::write(&path, serde_yaml::to_string(&document).expect("YAML")).expect("a runbook");
    path
}

fn password_file(site: &Site) -> PathBuf {
    let found = walk(&site.dir)
        .into_iter()
        .find(|path| path.ends_with("password"));
    found.expect("the site's password")
}

/// `lifeboat ARGS` by somebody whose umask keeps nothing from others.
fn open_handed(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "umask 000; exec \"$@\"",
            "_",
            env!("CARGO_BIN_EXE_lifeboat"),
        ])
        .args(args)
        .current_dir(place.path())
        .stdin(Stdio::null())
        .env_remove("SSH_AUTH_SOCK");
    for (name, value) in place.environment() {
        command.env(name, value);
    }
    command
}

#[test]
fn no_sink_of_a_run_holds_a_secret_or_a_control_code_or_is_open_to_others() {
    let place = Place::new();
    let site = Site::start(&place, &["--speed", "20", "--scale", "1MiB"]);
    let file = password_file(&site);
    let secret = std::fs::read_to_string(&file)
        .expect("a password")
        .trim()
        .to_owned();
    let runbook = chatty(&site, &place, &secret)
        .to_string_lossy()
        .into_owned();
    let secrets = format!(
        "secrets: {{ site_password: {{ file: '{}' }} }}\n",
        file.display()
    );
    let answers = answers(&place, &format!("{secrets}{}", real_answers()));
    // Folders of an older version that others could look into.
    let runs = place.state().join("runs");
    std::fs::create_dir_all(&runs).expect("a folder");
    std::fs::set_permissions(&runs, std::fs::Permissions::from_mode(0o755)).expect("its mode");

    let stop = Arc::new(AtomicBool::new(false));
    let watcher = watch_processes(secret.clone(), stop.clone());
    let args = headless(&["run", &runbook, "--only", "sql01"], &answers);
    let ran = finish(open_handed(&place, &args), &args, Duration::from_secs(150));
    stop.store(true, Ordering::Relaxed);
    let shown = watcher.join().expect("the watcher");
    ran.expect(1);
    assert!(shown.is_empty(), "command lines held it: {shown:?}");

    let mut sinks = vec![("the terminal".to_owned(), ran.all())];
    for path in walk(&place.state()) {
        let mode = path.metadata().expect("a mode").permissions().mode() & 0o777;
        if path.is_dir() {
            // The state folder itself may be anything that a person gave.
            assert!(
                path == place.state() || mode == 0o700,
                "{} is {mode:o}",
                path.display()
            );
            continue;
        }
        assert_eq!(mode, 0o600, "{}", path.display());
        let text = std::fs::read_to_string(&path).expect("text");
        sinks.push((path.display().to_string(), text));
    }
    for name in [
        "journal.jsonl",
        "report.md",
        "report.html",
        "report.json",
        "lee-bk1.log",
        "lifeboat.",
        "runbook.yaml",
    ] {
        assert!(
            sinks.iter().any(|(sink, _)| sink.contains(name)),
            "no {name}"
        );
    }
    let masked = |name: &str| {
        sinks
            .iter()
            .any(|(sink, text)| sink.contains(name) && text.replace('\\', "").contains("it is ***"))
    };
    for name in [
        "journal.jsonl",
        "report.md",
        "report.html",
        "report.json",
        "lee-bk1.log",
    ] {
        assert!(masked(name), "{name} does not tell what the host said");
    }
    for (sink, text) in &sinks {
        let found = offences(text, &secret);
        assert!(found.is_empty(), "{sink} holds {found:?}");
    }
}

/// The search above can fail.
#[test]
fn planted_secrets_and_control_codes_are_found() {
    let secret = "hunter22";
    assert!(offences("a line\n\tand another", secret).is_empty());
    for planted in [
        "x hunter22 y",
        "\u{1b}[2J",
        "\u{9b}2J",
        "a\u{202e}b",
        "\r",
        "{\"text\":\"\\u001B[2J\"}",
    ] {
        assert!(!offences(planted, secret).is_empty(), "{planted:?}");
    }
    let place = Place::new();
    std::fs::create_dir_all(place.state().join("runs/x")).expect("a folder");
    std::fs::write(place.state().join("runs/x/a.log"), "hunter22").expect("a file");
    let found = walk(&place.state())
        .into_iter()
        .filter(|path| path.is_file());
    let found: Vec<_> = found
        .map(|path| std::fs::read_to_string(path).expect("text"))
        .collect();
    assert_eq!(offences(&found.concat(), secret), ["the secret"]);
}
