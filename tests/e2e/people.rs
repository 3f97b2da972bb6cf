//! More than one person at one run: a shell in which one mends what failed, a hand-over from one
//! terminal to another, a runbook corrected in mid-run.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::practice::run_id;
use crate::program::{Place, until};
use crate::site::Site;
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(60);

/// A step that fails until somebody makes a file, and a remark after it.
const PHASES: &str = "failover:
- phase: Look
  steps:
  - command: { host: lee-bk1, argv: [test, -e, /tmp/mended], effect: read }
  - note: All is well
";

/// The site's runbook with other phases, and without questions before the start.
pub fn runbook(site: &Site, place: &Place, phases: &str) -> PathBuf {
    let text = std::fs::read_to_string(&site.runbook).expect("the emitted runbook");
    let cut = |text: &str, from: &str, to: &str| {
        let (before, rest) = text.split_once(from).expect("a part");
        let (_, after) = rest.split_once(to).expect("the next part");
        format!("{before}{to}{after}")
    };
    let text = cut(&text, "variables:\n", "sites:\n");
    let (sites, _) = text.split_once("\nfailover:\n").expect("the phases");
    let path = place.path().join("people.yaml");
    std::fs::write(&path, format!("{sites}\n{phases}")).expect("a runbook");
    path
}

pub fn tags(journal: &[Value]) -> Vec<&str> {
    journal
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect()
}

/// Starts the run in a terminal and goes on to its failed step.
fn until_it_fails(place: &Place, runbook: &str, operator: &str) -> Terminal {
    let args = ["run", runbook, "--operator", operator];
    let mut terminal = Terminal::open(place, &args, 80, 24);
    terminal.wait_for("When was service lost?", SOON);
    terminal.press("\r");
    terminal.press("\r");
    terminal.wait_for("asking", SOON);
    terminal.press_for("\r", "what now?", SOON);
    terminal
}

#[test]
fn a_failed_step_is_mended_in_a_shell_and_looks_again() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let runbook = runbook(&site, &place, PHASES);
    let mut terminal = until_it_fails(&place, &runbook.to_string_lossy(), "alice");
    terminal.press("\r");
    terminal.wait_for("a shell on lee-bk1", SOON);
    terminal.press_for("x", "What is it for?", SOON);
    terminal.press("make the file");
    terminal.press_for("\r", "exit or Ctrl-D ends it", SOON);
    terminal.wait_for("# ", SOON);
    assert!(
        !terminal.in_alternate_screen(),
        "the shell has the terminal"
    );
    terminal.press("sleep 600\r");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("\x03");
    terminal.press("touch /tmp/mended\r");
    terminal.press("echo mended: $?\r");
    terminal.wait_for("mended: 0", SOON);
    terminal.press("\x04");
    terminal.wait_for("ended with status 0; its step looks again", SOON);
    assert!(terminal.in_alternate_screen(), "the screen is back");
    // The screen may say so a moment before the disk has it.
    until(SOON, "the step does not look again", || {
        tags(&place.journal()).contains(&"step-retried")
    });
    let journal = place.journal();
    let tags = tags(&journal);
    let opened = tags
        .iter()
        .position(|tag| *tag == "shell-opened")
        .expect("an opening");
    assert_eq!(
        tags[opened + 1..opened + 3],
        ["shell-closed", "step-retried"]
    );
    assert_eq!(journal[opened]["data"]["reason"], "make the file");
    let text = std::fs::read_to_string(place.run_dir().join("journal.jsonl")).expect("it");
    assert!(!text.contains("touch"), "what is typed is not recorded");
    terminal.press_for("\r", "step 2/2  All is well", SOON);
    terminal.kill();
    let report = place.run(&["report", &run_id(&place)], SOON);
    let said = "Changes made in a shell are not recorded";
    assert!(report.stdout.contains(said), "{}", report.stdout);
}

#[test]
fn a_shell_is_cut_off_by_its_escape_and_survives_nothing_else_by_accident() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let runbook = runbook(&site, &place, PHASES);
    let mut terminal = until_it_fails(&place, &runbook.to_string_lossy(), "alice");
    terminal.press("\r");
    terminal.wait_for("a shell on lee-bk1", SOON);
    terminal.press_for("x", "What is it for?", SOON);
    terminal.press("look");
    terminal.press_for("\r", "exit or Ctrl-D ends it", SOON);
    terminal.wait_for("# ", SOON);
    terminal.press("sleep 600\r~.");
    terminal.wait_for("was cut off (~.)", SOON);
    // A console that is told to end in a shell gives the terminal back and leaves the run whole.
    terminal.wait_for("attempt 2", SOON);
    terminal.press_for("\r", "what now?", SOON);
    terminal.press("\r");
    terminal.wait_for("a shell on lee-bk1", SOON);
    terminal.press_for("x", "What is it for?", SOON);
    terminal.press("look");
    terminal.press_for("\r", "exit or Ctrl-D ends it", SOON);
    let pid = terminal.pid().to_string();
    let told = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(told.expect("kill").success());
    assert_eq!(terminal.exit(SOON), 4);
    assert!(!terminal.in_alternate_screen());
    let journal = place.journal();
    assert_eq!(tags(&journal).last(), Some(&"run-detached"));
}

#[test]
fn a_run_is_handed_over_from_one_terminal_to_another() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let runbook = runbook(&site, &place, PHASES);
    let mut outgoing = until_it_fails(&place, &runbook.to_string_lossy(), "alice");
    outgoing.press("o");
    outgoing.wait_for("alice has it", SOON);
    outgoing.press("\r");
    outgoing.wait_for("offer to hand it over", SOON);
    outgoing.press_for("o", "alice offers it", SOON);
    outgoing.press("\x03\x03");
    assert_eq!(outgoing.exit(SOON), 4);

    // Nobody goes on with it unless they take it.
    let args = ["resume", "--headless", "--operator", "bob"];
    let ran = place.run(&args, SOON);
    ran.expect(4);
    assert!(ran.stderr.contains("--take-over"), "{}", ran.stderr);
    assert_eq!(tags(&place.journal()).last(), Some(&"run-detached"));

    let mut incoming = Terminal::open(&place, &["resume", "--operator", "bob"], 80, 24);
    incoming.wait_for("alice offers to hand this run over", SOON);
    incoming.wait_for("needs", SOON);
    incoming.press("\r");
    incoming.press("I have control\r");
    incoming.wait_for("step 1/2", SOON);
    incoming.wait_until("bob's name in the first line", SOON, |text| {
        let first = text.lines().next().unwrap_or_default();
        first.trim_end().ends_with("  bob")
    });
    let journal = place.journal();
    let taken = journal
        .iter()
        .find(|line| line["event"] == "handover-taken");
    let taken = &taken.expect("it was taken")["data"];
    assert_eq!(
        (&taken["from"], &taken["by"]),
        (&"alice".into(), &"bob".into())
    );
    incoming.press_for("!", "What should be remembered?", SOON);
    incoming.press("mine now\r");
    incoming.wait_until("the note", SOON, |_| {
        tags(&place.journal()).contains(&"note-added")
    });
    let note = place.journal();
    let note = note.iter().find(|line| line["event"] == "note-added");
    assert_eq!(note.expect("a note")["data"]["by"], "bob");
    incoming.kill();
}

#[test]
fn a_runbook_is_corrected_in_mid_run_but_what_stands_keeps_its_meaning() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let phases = PHASES.replace("argv: [test, -e, /tmp/mended]", "argv: ['true']");
    let phases = phases.replace(
        "note: All is well",
        "confirm: Is all well?\n    typed: agreed",
    );
    let first = runbook(&site, &place, &phases);
    let first = first.to_string_lossy();
    let act = ["--headless", "--yes", "--operator", "alice"];
    place
        .run(&[&["run", &first][..], &act].concat(), SOON)
        .expect(4);
    let run = run_id(&place);
    let corrected = |from: &str, to: &str| {
        let path = place.path().join("corrected.yaml");
        let text = std::fs::read_to_string(&*first).expect("the runbook");
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replace(from, to)).expect("a correction");
        path.to_string_lossy().into_owned()
    };
    let resume = |file: &str, more: &[&str]| {
        let args = [&["resume", &run, "--runbook", file][..], &act, more].concat();
        place.run(&args, SOON)
    };
    let because = ["--reason", "nobody can answer that"];

    let bad = corrected("['true']", "['false']");
    let refused = resume(&bad, &because);
    refused.expect(3);
    assert!(
        refused.stderr.contains("failover/look/lee-bk1/command"),
        "{}",
        refused.stderr
    );

    let good = corrected("confirm: Is all well?\n    typed: agreed", "note: It is");
    resume(&good, &[]).expect(4);
    assert!(!tags(&place.journal()).contains(&"runbook-corrected"));
    let gone_on = resume(&good, &because);
    gone_on.expect(0);
    assert!(
        gone_on.stdout.contains("new: failover/look/-/note"),
        "{}",
        gone_on.stdout
    );
    assert!(place.run_dir().join("runbook.2.yaml").is_file());
    let report = place.run(&["report", &run], SOON);
    assert!(
        report.stdout.contains("runbook.2.yaml"),
        "{}",
        report.stdout
    );

    // The newest version is the run's own now: changed, it is refused.
    std::fs::write(place.run_dir().join("runbook.2.yaml"), "lifeboat: 1\n").expect("a file");
    place.run(&["report", &run], SOON).expect(2);
}
