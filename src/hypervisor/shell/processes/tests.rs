//! Processes of this machine, each started and ended by its own test.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::tests::{run, shells};
use super::*;

/// A process that ends with its test.
struct Running(Child);

impl Running {
    /// Started, and shown as what it is: for a moment it is not yet.
    fn start(command: &HostCommand) -> Self {
        let words = command.words();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .spawn();
        let child = Self(child.unwrap());
        let shell = ["sh", "-c"].map(str::to_owned);
        let look = trace(Driver::Posix, child.0.id(), command);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = Trace::parse(&run(&shell, &look));
            if seen == Ok(Trace::Running) {
                return child;
            }
            assert!(Instant::now() < end, "{seen:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleeper() -> HostCommand {
    HostCommand::write(["sleep", "300"])
}

#[test]
fn a_process_is_known_by_its_command_alone() {
    for shell in shells() {
        let child = Running::start(&sleeper());
        let pid = child.0.id();
        let look = |command: &HostCommand| {
            Trace::parse(&run(&shell, &trace(Driver::Posix, pid, command))).unwrap()
        };
        assert_eq!(look(&sleeper()), Trace::Running);
        for other in [
            vec!["sleep", "30"],
            vec!["sleep", "3000"],
            vec!["vim-cmd", "vmsvc/power.on", "3"],
        ] {
            let other = HostCommand::write(other);
            assert!(matches!(look(&other), Trace::Other { shown } if shown.contains("sleep 300")));
            let outcome = Trace::parse(&run(&shell, &stop(Driver::Posix, pid, &other))).unwrap();
            assert!(matches!(outcome, Trace::Other { .. }));
        }
        assert_eq!(look(&sleeper()), Trace::Running);
    }
}

#[test]
fn a_lost_command_is_stopped_and_stays_so() {
    for shell in shells() {
        let mut child = Running::start(&sleeper());
        let pid = child.0.id();
        // Reaps it once it is stopped, as a host's sshd does.
        let reaper = std::thread::spawn(move || {
            let _ = child.0.wait();
        });
        let outcome = Trace::parse(&run(&shell, &stop(Driver::Posix, pid, &sleeper())));
        assert_eq!(outcome, Ok(Trace::Stopped));
        reaper.join().unwrap();
        let again = Trace::parse(&run(&shell, &stop(Driver::Posix, pid, &sleeper())));
        assert_eq!(again, Ok(Trace::Ended));
    }
}

#[test]
fn a_script_with_newlines_is_known_again() {
    let lost = HostCommand::script(Effect::Write, "read -r line\necho \"$1\"", ["it's\n\u{e9}"]);
    let shell = &shells()[0];
    let child = Running::start(&lost);
    let found = Trace::parse(&run(shell, &trace(Driver::Posix, child.0.id(), &lost)));
    assert_eq!(found, Ok(Trace::Running));
}

/// VMware's ps stands in a folder that comes first in PATH.
#[test]
fn vmwares_ps_is_read_by_its_columns() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let ps = dir.path().join("ps");
    let list = "WID      CID      WorldName            CMD\n65537    0        idle1\n2101     2101     vim-cmd              /bin/vim-cmd vmsvc/power.on 12\n2102     2101     vim-cmd-worker       /bin/vim-cmd vmsvc/power.on 12\n3001     3001     python               /bin/python /bin/esxcli.py network vswitch standard portgroup add -p VM Network -v vSwitch0\n";
    std::fs::write(&ps, format!("#!/bin/sh\ncat <<'X'\n{list}X\n")).unwrap();
    std::fs::set_permissions(&ps, std::fs::Permissions::from_mode(0o755)).unwrap();
    let look = |pid: u32, words: &[&str]| {
        let command = trace(
            Driver::Esxi,
            pid,
            &HostCommand::write(words.iter().copied()),
        );
        let script = format!(
            "PATH={}:$PATH\n{}",
            dir.path().display(),
            command.words()[2]
        );
        let args = command.words()[4..].to_vec();
        Trace::parse(&run(
            &shells()[0],
            &HostCommand::script(Effect::Read, &script, args),
        ))
        .unwrap()
    };
    assert_eq!(
        look(2101, &["vim-cmd", "vmsvc/power.on", "12"]),
        Trace::Running
    );
    assert!(matches!(
        look(2101, &["vim-cmd", "vmsvc/power.on", "1"]),
        Trace::Other { .. }
    ));
    let add = [
        "esxcli",
        "network",
        "vswitch",
        "standard",
        "portgroup",
        "add",
        "-p",
        "VM Network",
        "-v",
        "vSwitch0",
    ];
    assert_eq!(look(3001, &add), Trace::Running);
    assert_eq!(look(4711, &add), Trace::Ended);
}

#[test]
fn a_host_that_cannot_show_its_processes_proves_nothing() {
    for output in [
        Output {
            status: 5,
            ..Output::default()
        },
        Output::default(),
        Output {
            stdout: "something\n".into(),
            ..Output::default()
        },
    ] {
        assert!(Trace::parse(&output).is_err());
    }
}

/// procps answers `ps -c` with status 0 and no commands, BusyBox with its usage.
#[test]
fn another_makes_ps_is_not_taken_for_vmwares() {
    for ps in [
        "echo '  PID CLS PRI TTY TIME CMD'; echo '    1 TS 19 ? 00:00:00 sh'",
        "return 1",
    ] {
        let asked = |command: &HostCommand| {
            let script = format!("ps() {{ {ps}; }}\n{}", command.words()[2]);
            HostCommand::script(Effect::Read, &script, command.words()[4..].to_vec())
        };
        for shell in shells() {
            let child = Running::start(&sleeper());
            let look = asked(&trace(Driver::Esxi, child.0.id(), &sleeper()));
            assert_eq!(
                Trace::parse(&run(&shell, &look)),
                Ok(Trace::Running),
                "{ps}"
            );
            let list = run(&shell, &asked(&list_processes()));
            assert!(
                list.text().lines().any(|line| line.trim() == "sleep 300"),
                "{ps}"
            );
        }
    }
}

proptest! {
    #[test]
    fn needles_are_bounded(words in proptest::collection::vec(".{0,200}", 1..5)) {
        let needle = needle(&HostCommand::write(words));
        prop_assert!(needle.len() <= 1000);
    }
}
