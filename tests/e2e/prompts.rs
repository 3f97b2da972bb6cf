//! Everything that people can be asked and answer, at a terminal and from a file: one record.

use std::time::Duration;

use serde_json::Value;

use crate::people::runbook;
use crate::practice::run_id;
use crate::program::Place;
use crate::site::Site;
use crate::terminal::Terminal;

const SOON: Duration = Duration::from_secs(60);
const STEP: &str = "failover/look/-/confirm";

const PHASES: &str = "failover:
- phase: Look
  steps:
  - confirm: Is it right?
    people: 2
    challenge: { say: Which site stops?, response: Leeds }
    ask:
      loss: { acknowledge: Users lose an hour }
      who: { evidence: Who says so? }
      number: { compare: The number on the panel, with: { host: lee-bk1, argv: [printf, n%s, four] } }
      there: { check: Is that the one?, probe: { tcp: lee-bk1 } }
";

/// What people said, in order, without on whose behalf.
fn said(place: &Place) -> Vec<(String, Value)> {
    let of_people = [
        "step-declined",
        "step-failed",
        "response-refused",
        "step-confirmed",
        "step-done",
    ];
    let journal = place.journal().into_iter();
    let said = journal.filter_map(|mut line| {
        let tag = line["event"].as_str()?.to_owned();
        let data = line.get_mut("data")?;
        if let Some(data) = data.as_object_mut() {
            data.remove("how");
            data.remove("evidence");
        }
        of_people
            .contains(&tag.as_str())
            .then(|| (tag, data.take()))
    });
    said.collect()
}

#[test]
fn what_is_said_at_a_terminal_and_in_a_file_is_one_record() {
    let place = Place::new();
    let site = Site::start(&place, &["--scale", "64KiB"]);
    let runbook = runbook(&site, &place, PHASES);
    let runbook = runbook.to_string_lossy();
    let at_terminal = at_a_terminal(&place, &runbook);
    let from_file = from_a_file(&place, &runbook);
    let tags: Vec<&str> = from_file.iter().map(|(tag, _)| tag.as_str()).collect();
    let expected = [
        "step-declined",
        "step-failed",
        "step-declined",
        "step-failed",
        "response-refused",
        "step-confirmed",
        "step-done",
    ];
    assert_eq!(tags, expected);
    assert_eq!(at_terminal, from_file);
    let report = place.run(&["report", &run_id(&place)], SOON).stdout;
    for part in [
        "answered no by the answers file: “nobody answers”",
        "number: n4",
        "whose answer “London” was refused",
        "who answered the challenge “Which site stops?” as agreed",
        "bob answered as agreed",
        "number: nfour, as printf 'n%s' four on lee-bk1 printed",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

fn from_a_file(place: &Place, runbook: &str) -> Vec<(String, Value)> {
    let answers = place.path().join("answers.yaml");
    let write = |answer: &str| {
        let text = format!("steps: {{ {STEP}: {{ by: alice, {answer} }} }}\n");
        std::fs::write(&answers, text).expect("the answers");
    };
    let path = answers.to_string_lossy();
    let given = ["--headless", "--answers", &path];
    write("loss: no, decline: nobody answers");
    let start = ["run", runbook, "--no-check"];
    place
        .run(&[start.as_slice(), &given].concat(), SOON)
        .expect(4);
    let right = "loss: yes, who: the owner, number: nfour, there: yes, second: bob";
    for (answer, status) in [
        ("loss: yes, who: the owner, number: n4".to_owned(), 4),
        (format!("{right}, response: London"), 4),
        (format!("{right}, response: Leeds"), 0),
    ] {
        write(&answer);
        place
            .run(&[["resume"].as_slice(), &given].concat(), SOON)
            .expect(status);
    }
    said(place)
}

fn at_a_terminal(place: &Place, runbook: &str) -> Vec<(String, Value)> {
    let args = ["run", runbook, "--no-check", "--operator", "alice"];
    let mut terminal = Terminal::open(place, &args, 80, 24);
    terminal.wait_for("When was service lost?", SOON);
    terminal.press("\r");
    terminal.press("\r");
    terminal.wait_for("asking", SOON);
    let ask = |terminal: &mut Terminal| {
        terminal.press_for("\r", "(1 of 6)", SOON);
    };
    let again = |terminal: &mut Terminal| {
        terminal.press_for("\r", "retry this step", SOON);
        terminal.press_for("\r", "asking", SOON);
    };
    ask(&mut terminal);
    terminal.press_for("n", "▸ [n] no", SOON);
    terminal.press_for("\r", "Why not?", SOON);
    terminal.press("nobody answers\r");
    again(&mut terminal);
    let yes = |terminal: &mut Terminal, number: &str| {
        ask(terminal);
        terminal.press_for("y", "▸ [y] yes", SOON);
        terminal.press_for("\r", "(2 of 6)", SOON);
        terminal.press("the owner\r");
        terminal.wait_for("(3 of 6)", SOON);
        terminal.press(&format!("{number}\r"));
    };
    yes(&mut terminal, "n4");
    again(&mut terminal);
    yes(&mut terminal, "nfour");
    terminal.wait_for("(4 of 6)", SOON);
    terminal.press_for("y", "▸ [y] yes", SOON);
    terminal.press_for("\r", "(5 of 6)", SOON);
    terminal.press("bob\r");
    terminal.wait_for("bob answers", SOON);
    terminal.press("London\r");
    terminal.wait_for("that is not the response", SOON);
    terminal.press("Leeds\r");
    terminal.wait_for("finished", SOON);
    terminal.kill();
    said(place)
}
