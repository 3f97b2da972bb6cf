//! Steps that look, wait or are for others, as the person at the keys meets them.

use std::time::Duration;

use crate::people::{runbook, tags};
use crate::practice::run_id;
use crate::program::{Place, until};
use crate::site::Site;
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(60);

const PHASES: &str = "failover:
- phase: Look
  steps:
  - check: [{ tcp: lee-bk1 }, { host: lee-bk1, argv: [cat, /tmp/lag], at_most: 5 }]
  - wait: 10m
  - hand_off: { to: Storage on call, ask: Promote the replica }
  - note: All is well
";

/// Confirms what the card asks, until something shows that it was.
fn confirm(terminal: &mut Terminal, title: &str, shows: &str) {
    terminal.wait_until(title, SOON, |text| {
        text.contains(title) && text.contains("asking")
    });
    terminal.press_for("\r", shows, SOON);
}

#[test]
fn a_check_fails_a_pause_is_ended_and_another_team_is_called() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let runbook = runbook(&site, &place, PHASES);
    let runbook = runbook.to_string_lossy();
    let mut terminal = Terminal::open(&place, &["run", &runbook, "--operator", "alice"], 80, 24);
    terminal.wait_for("When was service lost?", SOON);
    terminal.press("\r\r");

    confirm(&mut terminal, "check lee-bk1", "1 of 2 checks failed");
    terminal.press_for("s", "Why is it left out?", SOON);
    terminal.press("the lag is on the wall");
    terminal.press_for("\r", "step 2/4", SOON);

    confirm(&mut terminal, "wait 10m", "waiting, ");
    terminal.press("h");
    terminal.wait_for("What did you see", SOON);
    terminal.press("the array is in step");
    terminal.press_for("\r", "+44 113 496 0200", SOON);
    confirm(
        &mut terminal,
        "hand off to Storage on call",
        "What shows that Storage on call did it?",
    );
    terminal.press("they read the new primary to me\r");
    terminal.wait_for("a remark", SOON);
    terminal.kill();

    let journal = place.journal();
    for tag in ["step-failed", "step-skipped", "step-by-hand"] {
        assert!(tags(&journal).contains(&tag), "{tag}");
    }
    let report = place.run(&["report", &run_id(&place)], SOON).stdout;
    for said in [
        "the lag is on the wall",
        "the array is in step",
        "they read the new primary to me",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
}

/// Whether a process works that was started with these words.
fn works(words: &[&str]) -> bool {
    let shown = words.join("\0") + "\0";
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes.into_iter().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line == shown.as_bytes()
    })
}

#[test]
fn a_command_of_this_machine_outlives_its_killed_console_no_longer_than_until_resume() {
    // Other tests of this machine have processes too: this one sleeps for a time of its own.
    let seconds = (u64::from(std::process::id()) * 10).to_string();
    let words = ["sleep", &seconds];
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let phases = format!(
        "failover:
- phase: Here
  steps:
  - local: {{ argv: [sleep, '{seconds}'], effect: write }}
    timeout: 1h
"
    );
    let runbook = runbook(&site, &place, &phases);
    let runbook = runbook.to_string_lossy();
    let mut terminal = Terminal::open(&place, &["run", &runbook, "--operator", "alice"], 80, 24);
    terminal.wait_for("When was service lost?", SOON);
    terminal.press("\r\r");
    confirm(&mut terminal, "command on this machine", "running");
    // The screen says so before the command is there.
    until(SOON, "the command does not begin", || works(&words));
    let console = terminal.pid().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &console])
        .status();
    assert!(killed.expect("kill").success());
    terminal.exit(SOON);
    assert!(works(&words), "it goes on without its console");

    let run = run_id(&place);
    let resumed = place.run(&["resume", &run, "--headless", "--yes"], SOON);
    resumed.expect(4);
    assert!(resumed.all().contains("send again"), "{}", resumed.all());
    assert!(!works(&words), "it was stopped before anybody was asked");
    assert!(tags(&place.journal()).contains(&"lost-stopped"));
}
