//! Practice: the main job of a newcomer, without and with a terminal.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::program::Place;
use crate::terminal::Terminal;

const FAST: [&str; 5] = ["practice", "--speed", "20", "--scale", "4MiB"];

#[test]
fn headless_practice_fails_over_and_back_and_ends_clean() {
    let place = Place::new();
    let args = [&FAST[..], &["--headless", "--yes"]].concat();
    let ran = place.run(&args, Duration::from_secs(120));
    ran.expect(0);
    let journal = place.journal();
    let count = |tag: &str| journal.iter().filter(|line| line["event"] == tag).count();
    assert_eq!(count("run-finished"), 1);
    assert_eq!(count("step-failed"), 0, "{}", ran.stdout);
    let serves = journal
        .iter()
        .filter(|line| line["data"]["fact"] == "serves")
        .count();
    assert_eq!(
        serves, 6,
        "three VMs come to serve in Leeds, and again in London"
    );
    assert_eq!(
        count("write-intended"),
        count("write-finished"),
        "no write is left open"
    );
    let verified = place.run(&["verify", &run_id(&place)], Duration::from_secs(60));
    verified.expect(0);
    let report = place.run(&["report", &run_id(&place)], Duration::from_secs(60));
    report.expect(0);
    assert!(report.stdout.contains("PRACTICE"), "{}", report.stdout);
    assert!(
        !place.run_dir().join("site").exists(),
        "the simulated site is gone"
    );
}

/// What a run leaves is a folder that can be passed on: reports in three formats that agree, and the
/// sum of every other file in it.
#[test]
fn a_run_leaves_reports_and_the_sums_of_its_evidence() {
    let place = Place::new();
    let args = [&FAST[..], &["--headless", "--yes", "--only", "web01"]].concat();
    place.run(&args, Duration::from_secs(120)).expect(0);
    let folder = place.run_dir();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a report");
    let (markdown, html) = (read("report.md"), read("report.html"));
    let report: serde_json::Value = serde_json::from_str(&read("report.json")).expect("JSON");
    let head = report["integrity"]["head"].as_str().expect("a head");
    assert_eq!(head, place.journal().last().expect("a line")["hash"]);
    for word in [head, "PRACTICE", "finished, nothing found", "web01"] {
        assert!(markdown.contains(word), "no {word} in {markdown}");
        assert!(html.contains(word), "no {word} in {html}");
    }
    assert!(html.contains("<svg"), "the timeline is drawn");
    let rto = &report["objectives"][0]["rto"];
    assert!(
        rto["actual_s"].is_number() && rto["grade"] == "within",
        "{rto}"
    );
    let evidence = report["evidence"].as_array().expect("files");
    for file in evidence {
        let path = folder.join(file["path"].as_str().expect("a path"));
        let bytes = std::fs::read(&path).expect("the file");
        assert_eq!(file["sha256"], sha256(&bytes), "{}", path.display());
    }
    let named = |name: &str| evidence.iter().any(|file| file["path"] == name);
    for name in ["journal.jsonl", "runbook.yaml", "output/lee-esx1.log"] {
        assert!(named(name), "{name} is not among {evidence:?}");
    }
    for (format, text) in [("md", &markdown), ("html", &html)] {
        let id = run_id(&place);
        let args = ["report", &id, "--format", format];
        let printed = place.run(&args, Duration::from_secs(60));
        printed.expect(0);
        assert_eq!(&printed.stdout, text);
    }
    let verify = || place.run(&["verify", &run_id(&place)], Duration::from_secs(60));
    let whole = verify();
    whole.expect(0);
    let said = "as the journal gives it: report.md, report.html, report.json";
    assert!(whole.stdout.contains(said), "{}", whole.stdout);
    for (name, was, edited) in [
        ("report.md", "nothing found", "nothing lost"),
        ("report.html", "nothing found", "nothing lost"),
        ("report.json", "\"within\"", "\"beyond\""),
    ] {
        let text = read(name);
        let path = folder.join(name);
        std::fs::write(&path, text.replacen(was, edited, 1)).expect("a report");
        assert_ne!(read(name), text, "{name}");
        let changed = verify();
        changed.expect(1);
        let said = format!("{name} does not say what the journal gives");
        assert!(changed.stdout.contains(&said), "{}", changed.stdout);
        assert_eq!(changed.stdout.matches("does not say").count(), 1);
        std::fs::write(&path, text).expect("a report");
    }
    // Whoever gets the folder may have it anywhere.
    let elsewhere = place.state().join("passed-on");
    std::fs::rename(&folder, &elsewhere).expect("another place");
    let journal = elsewhere.join("journal.jsonl");
    let args = ["verify", journal.to_str().expect("a path")];
    let whole = place.run(&args, Duration::from_secs(60));
    whole.expect(0);
    assert!(whole.stdout.contains("report.html"), "{}", whole.stdout);
}

/// Runs are compared with those before them, and a folder that was changed is found out.
#[test]
fn runs_are_compared_and_a_changed_folder_is_found_out() {
    let place = Place::new();
    let args = [&FAST[..], &["--headless", "--yes", "--only", "web01"]].concat();
    for _ in 0..2 {
        place.run(&args, Duration::from_secs(120)).expect(0);
    }
    let soon = Duration::from_secs(60);
    let listed = place.run(&["runs"], soon);
    listed.expect(0);
    let compared = |line: &&str| line.contains("of 4h 00m") && line.contains("[----------]");
    assert_eq!(
        listed.stdout.lines().filter(compared).count(),
        2,
        "{}",
        listed.stdout
    );
    let lines: Vec<&str> = listed.stdout.lines().collect();
    let last = lines.last().expect("a line");
    let ends = ["shorter", "longer", "as long"];
    assert!(
        ends.iter().any(|end| last.ends_with(end)),
        "{}",
        listed.stdout
    );

    let runs = std::fs::read_dir(place.state().join("runs")).expect("runs");
    let folder = runs.flatten().next().expect("a run").path();
    let journal = folder.join("journal.jsonl");
    let verify = ["verify", journal.to_str().expect("a path")];
    let whole = place.run(&verify, soon);
    whole.expect(0);
    assert!(
        whole.stdout.contains("other files of the folder are as"),
        "{}",
        whole.stdout
    );
    std::fs::write(folder.join("output/lee-esx1.log"), "all was well\n").expect("a file");
    let changed = place.run(&verify, soon);
    changed.expect(1);
    let said = "output/lee-esx1.log was changed since report.json was written";
    assert!(changed.stdout.contains(said), "{}", changed.stdout);
    let kept = std::fs::read(folder.join("report.json")).expect("the report");
    let run = folder.file_name().expect("a name").to_string_lossy();
    let covers = place.run(&["report", &run, "--format", "md,json"], soon);
    covers.expect(3);
    assert_eq!(
        std::fs::read(folder.join("report.json")).expect("the report"),
        kept
    );
}

fn sha256(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn run_id(place: &Place) -> String {
    place
        .run_dir()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn a_changed_byte_in_the_journal_is_named() {
    let place = Place::new();
    let args = [&FAST[..], &["--headless", "--yes", "--only", "sql01"]].concat();
    place.run(&args, Duration::from_secs(120)).expect(0);
    let path = place.run_dir().join("journal.jsonl");
    let mut bytes = std::fs::read(&path).expect("the journal");
    let third = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(index, _)| index)
        .nth(1)
        .expect("two lines");
    let digit = (third..bytes.len())
        .find(|index| bytes[*index].is_ascii_digit())
        .expect("a digit");
    bytes[digit] = if bytes[digit] == b'0' { b'1' } else { b'0' };
    std::fs::write(&path, bytes).expect("the journal");
    let verified = place.run(&["verify", &run_id(&place)], Duration::from_secs(60));
    verified.expect(1);
    assert!(verified.all().contains("line 3"), "{}", verified.all());
}

#[test]
fn in_a_terminal_the_highlighted_key_leads_through_and_every_mode_is_restored() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, &FAST, 80, 24);
    terminal.wait_for("PRACTICE", Duration::from_secs(60));
    terminal.press("q");
    terminal.wait_for("Leave the run?", Duration::from_secs(60));
    terminal.press("\x1b");
    terminal.wait_until("the question gone", Duration::from_secs(60), |text| {
        !text.contains("Leave the run?")
    });
    terminal.press("\x03\x03");
    assert_eq!(
        terminal.exit(Duration::from_secs(60)),
        4,
        "it can be resumed"
    );
    assert!(!terminal.in_alternate_screen(), "the terminal is as it was");
}
