//! Runs commands as a host would: their line through a shell.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::host::{HostCommand, Output};

/// Names that break careless scripts.
pub(super) const NAMES: [&str; 16] = [
    "plain.vmx",
    "with blank",
    "it's \"quoted\"",
    "new\nline",
    "-rf",
    "[bracket]",
    "star*",
    "q?",
    "$HOME",
    "`id`",
    "caf\u{e9} \u{6f22}",
    " lead and trail ",
    "back\\slash",
    ".hidden",
    "...",
    "!",
];

/// A path of a test's own, which is always text.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The shells that are here: `sh`, and BusyBox's ash, as ESXi has it, with BusyBox's own tools.
pub(super) fn shells() -> Vec<Vec<String>> {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut shells = vec![words(&["sh", "-c"])];
    let busybox = Command::new("busybox").args(["ash", "-c", "true"]).output();
    if busybox.is_ok_and(|output| output.status.success()) {
        shells.push(words(&["busybox", "ash", "-c"]));
    } else {
        println!("busybox is not installed: its shell and tools are NOT TESTED");
    }
    shells
}

/// Runs a command through a shell and gives what a host would give.
pub(super) fn run(shell: &[String], command: &HostCommand) -> Output {
    // Within BusyBox, sh and every tool are BusyBox's own, as on ESXi.
    let line = match shell[0].as_str() {
        "busybox" if command.words()[0] == "sh" => format!("busybox {}", command.line()),
        _ => command.line(),
    };
    let mut child = Command::new(&shell[0])
        .args(&shell[1..])
        .arg(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A script may end before it has read its input.
    if let Err(error) = child.stdin.take().unwrap().write_all(command.input()) {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
    }
    let output = child.wait_with_output().unwrap();
    Output {
        status: output.status.code().unwrap_or(255),
        stdout: output.stdout,
        stderr: output.stderr,
        took: Duration::ZERO,
        truncated: false,
    }
}

#[test]
fn operands_are_never_options() {
    assert_eq!(operand("-rf"), "./-rf");
    assert_eq!(operand("/a -b"), "/a -b");
    assert_eq!(parent("/a/b/"), "/a");
    assert_eq!(parent("/a"), "/");
    assert_eq!(parent("a"), ".");
}
