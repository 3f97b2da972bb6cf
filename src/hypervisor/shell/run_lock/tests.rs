//! The scripts in the shells that this machine has, against real folders.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};

use super::*;
use crate::host::HostCommand;

mod interleaved;

/// Runs it as a host would, in each shell that is here; busybox's ash is what ESXi has.
fn run_in(shell: &[&str], command: &HostCommand) -> Output {
    let words = command.words();
    assert_eq!(words.first().map(String::as_str), Some("sh"));
    let done = Command::new(shell[0])
        .args(&shell[1..])
        .args(&words[1..])
        .output()
        .unwrap();
    Output {
        status: done.status.code().unwrap_or(-1),
        stdout: done.stdout,
        stderr: done.stderr,
        ..Output::default()
    }
}

fn shells() -> Vec<&'static [&'static str]> {
    let known: [&[&str]; 3] = [&["sh"], &["bash", "--posix"], &["busybox", "ash"]];
    let is_here = |shell: &&&[&str]| {
        let probe = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", "exit 7"])
            .output();
        probe.is_ok_and(|done| done.status.code() == Some(7))
    };
    let found: Vec<_> = known.iter().filter(is_here).copied().collect();
    assert!(!found.is_empty());
    found
}

fn look(shell: &[&str], base: &str) -> Option<StandingLock> {
    StandingLock::parse(&run_in(shell, &read_lock(base))).unwrap()
}

fn taken(shell: &[&str], command: &HostCommand) -> LockTaken {
    LockTaken::parse(&run_in(shell, command)).unwrap()
}

fn lock(folder: &str, owner: &str) -> StandingLock {
    StandingLock {
        folder: folder.to_owned(),
        owner: owner.to_owned(),
    }
}

#[test]
fn a_lock_is_taken_once_broken_as_it_was_seen_and_given_back_whole() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let base = format!("{}/a b/.lifeboat-lock-sql 01", dir.path().display());
        let gone = run_in(shell, &take_lock(&base, "one"));
        assert!(
            LockTaken::parse(&gone).is_err(),
            "{shell:?}: no such volume"
        );
        std::fs::create_dir(Path::new(&base).parent().unwrap()).unwrap();

        assert_eq!(look(shell, &base), None);
        let one = r#"{"run":"1","operator":"O'Neill \\ \"x\" $HOME `id`"}"#;
        assert_eq!(taken(shell, &take_lock(&base, one)), LockTaken::Done);
        assert_eq!(taken(shell, &take_lock(&base, "two")), LockTaken::Held);
        let first = look(shell, &base).unwrap();
        assert_eq!(first, lock(&base, one), "{shell:?}");

        let stale = lock(&base, "somebody else");
        assert_eq!(taken(shell, &break_lock(&stale, "two")), LockTaken::Changed);
        assert_eq!(look(shell, &base), Some(first.clone()));
        assert_eq!(taken(shell, &break_lock(&first, "two")), LockTaken::Done);
        assert_eq!(taken(shell, &break_lock(&first, "three")), LockTaken::Held);
        let second = look(shell, &base).unwrap();
        assert_eq!(second, lock(&format!("{base}/next"), "two"));

        // The one whose lock was broken takes nothing away any more but its own name.
        assert_eq!(run_in(shell, &release_lock(&first, &base)).status, 2);
        assert_eq!(
            run_in(shell, &release_lock(&lock(&second.folder, "x"), &base)).status,
            1
        );
        assert_eq!(run_in(shell, &release_lock(&second, &base)).status, 0);
        assert_eq!(run_in(shell, &release_lock(&second, &base)).status, 1);
        assert!(!Path::new(&base).exists(), "{shell:?}");
    }
}

#[test]
fn a_lock_that_was_cut_off_half_way_has_no_name_and_can_be_broken() {
    for shell in shells() {
        let dir = tempfile::tempdir().unwrap();
        let base = format!("{}/lock", dir.path().display());
        std::fs::create_dir(&base).unwrap();
        let nameless = look(shell, &base).unwrap();
        assert_eq!(nameless, lock(&base, ""));
        assert_eq!(
            taken(shell, &break_lock(&nameless, "mine")),
            LockTaken::Done
        );
        let mine = look(shell, &base).unwrap();
        assert_eq!(mine.owner, "mine");
        assert_eq!(run_in(shell, &release_lock(&mine, &base)).status, 0);
        assert!(!Path::new(&base).exists());
    }
}

#[test]
fn of_many_that_reach_for_a_lock_at_once_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let base = format!("{}/lock", dir.path().display());
    let race = |command: fn(&str, &str) -> HostCommand| {
        let start = Arc::new(Barrier::new(8));
        let consoles: Vec<_> = (0..8)
            .map(|console| {
                let (start, base) = (Arc::clone(&start), base.clone());
                std::thread::spawn(move || {
                    let command = command(&base, &format!("console {console}"));
                    start.wait();
                    taken(&["sh"], &command)
                })
            })
            .collect();
        let ends = consoles.into_iter().map(|console| console.join().unwrap());
        ends.filter(|end| *end == LockTaken::Done).count()
    };
    assert_eq!(race(take_lock), 1);
    let first = look(&["sh"], &base).unwrap();
    std::fs::write(format!("{base}/owner"), "dead\n").unwrap();
    assert!(first.owner.starts_with("console "));
    assert_eq!(race(|base, me| break_lock(&lock(base, "dead"), me)), 1);
}

#[test]
fn a_reply_that_is_no_reply_is_no_lock_and_no_freedom() {
    let said = |status, stdout: &str| Output {
        status,
        stdout: stdout.as_bytes().to_vec(),
        ..Output::default()
    };
    for (status, text) in [
        (0, ""),
        (0, "lock /x\n{}\n"),
        (1, "end\n"),
        (0, "huh\nend\n"),
    ] {
        assert!(
            StandingLock::parse(&said(status, text)).is_err(),
            "{text:?}"
        );
    }
    assert_eq!(StandingLock::parse(&said(0, "end\n")).unwrap(), None);
    for (status, text) in [
        (0, ""),
        (0, "held"),
        (1, ""),
        (1, "unwritten"),
        (127, "taken"),
    ] {
        assert!(LockTaken::parse(&said(status, text)).is_err(), "{text:?}");
    }
}
