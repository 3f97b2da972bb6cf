//! Runs that are being ended, and what is not known: neither may look better or worse than it is.

use super::*;
use crate::engine::{Chapter, DrillTerms, Finding, Question, TakenBy};
use crate::names::{Attempt, OpId};

fn opened(chapter: Chapter) -> RunEvent {
    RunEvent::ChapterOpened {
        chapter,
        by: "alice".to_owned(),
        plan: "f".to_owned(),
        keeping: None,
        despite: None,
    }
}

fn ended() -> RunEvent {
    RunEvent::RunFinished {
        result: RunResult::default(),
    }
}

fn drill() -> Case {
    let mut case = Case::new(&[Section::Failover], Mode::Drill);
    case.info.drill = Some(DrillTerms {
        abort: "any alarm".to_owned(),
        limit_s: Some(3_600),
        abort_key: "bob".to_owned(),
    });
    case
}

fn aborted() -> RunEvent {
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    RunEvent::DrillAborted { by, why }
}

fn placed(path: &str) -> Fact {
    Fact::FilePlaced {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        path: path.to_owned(),
        bytes: 7,
        sha256: "ab".repeat(32),
        proof: "sha256sum on lee-esx1".to_owned(),
    }
}

/// What is looked back on: the plan of a chapter begins behind it.
fn freeze(case: &mut Case) {
    case.plan.frozen = case.plan.steps.len();
}

#[test]
fn a_drill_is_measured_to_its_own_end_and_not_to_that_of_its_cleanup() {
    for (first, over) in [(ended(), 45), (aborted(), 45)] {
        let mut case = drill();
        case.run(over, first);
        case.run(3_000, opened(Chapter::Cleanup));
        case.run(3_001, ended());
        let text = markdown(&case.report());
        assert!(!text.contains("its limit was"), "{text}");
    }
}

#[test]
fn a_lock_that_stays_is_told_of_where_its_host_does() {
    for (mode, stays) in [(Mode::Failover, true), (Mode::Practice, false)] {
        let mut case = Case::new(&[Section::Failover], mode);
        let wanted = Fact::LockWanted {
            vm: None,
            host: "lee-bk1".into(),
            path: ".lifeboat-commands-x+lee-bk1".to_owned(),
        };
        case.fact(5, "failover/announce/lee-bk1/command", wanted);
        case.run(20, ended());
        let lines = crate::report::debrief(&document(&case.report(), &[])).join("\n");
        assert_eq!(lines.contains("could not be given back"), stays, "{lines}");
    }
}

#[test]
fn what_a_failback_took_home_stands_once_however_often_the_run_was_taken_up() {
    let said = |vms: &[&str]| {
        let mut case = Case::new(&[Section::Failover], Mode::Failover);
        let split = Fact::SplitBrain {
            vm: "sql01".into(),
            started: "lee-esx1".into(),
            also: "lon-esx1".into(),
        };
        case.run(15, RunEvent::FactFound(split));
        case.run(20, ended());
        for minute in [60, 70, 80] {
            let taken = TakenBy {
                by: "20260102-050607-b2c3".into(),
                vms: vms.iter().map(|vm| (*vm).into()).collect(),
            };
            case.run(minute, resumed());
            case.run(minute, RunEvent::FactFound(Fact::TakenHome(taken)));
        }
        let statements = document(&case.report(), &[]).statements;
        let texts = statements.iter().map(|said| format!("{:?}", said.text));
        texts
            .filter(|text| text.contains("took"))
            .collect::<Vec<_>>()
    };
    let once = said(&["app01", "sql01"]);
    assert!(
        matches!(once.as_slice(), [said] if said.contains("took app01, sql01 home")),
        "{once:?}"
    );
    assert_eq!(said(&["app01"]), [""; 0], "that one ran at one site");
}

fn resumed() -> RunEvent {
    RunEvent::RunResumed {
        operator: "alice".to_owned(),
        console: "noc-3".to_owned(),
        clock_back_s: None,
    }
}

#[test]
fn a_chapter_that_is_under_way_is_gone_on_with_and_counts_its_own_steps() {
    for (mode, first, chapter, state, next) in [
        (
            Mode::Failover,
            ended(),
            Chapter::Rollback,
            "rollback begun, and nothing of it was done",
            "lifeboat rollback 20260102-030405-k7qd",
        ),
        (
            Mode::Drill,
            aborted(),
            Chapter::Cleanup,
            "cleanup begun, and nothing of it was done",
            "lifeboat cleanup 20260102-030405-k7qd",
        ),
    ] {
        let mut case = drill();
        case.info.mode = Some(mode);
        case.run(20, first);
        case.run(60, resumed());
        case.run(60, opened(chapter));
        case.run(61, RunEvent::RunDetached { why: "left".into() });
        freeze(&mut case);
        let report = document(&case.report(), &[]);
        assert_eq!(report.result.state, state);
        assert_eq!((report.result.open, report.result.finished), (0, false));
        assert_eq!(report.result.next.as_deref(), Some(next));
        assert_eq!(
            report.run.took,
            Some(SignedDuration::from_mins(56)),
            "to the last line"
        );
    }
    // Ended, and taken up again to give its locks back.
    let mut case = drill();
    case.info.mode = Some(Mode::Failover);
    case.run(20, ended());
    case.run(60, opened(Chapter::Commit));
    case.run(61, ended());
    case.run(70, resumed());
    case.run(71, RunEvent::RunDetached { why: "left".into() });
    freeze(&mut case);
    let result = document(&case.report(), &[]).result;
    assert_eq!(result.state, "committed");
    assert!(result.detail.contains("its locks"), "{}", result.detail);
    let resume = "lifeboat resume 20260102-030405-k7qd";
    assert_eq!(result.next.as_deref(), Some(resume));

    let mut case = drill();
    case.run(20, aborted());
    let next = document(&case.report(), &[]).result.next;
    assert_eq!(
        next.as_deref(),
        Some("lifeboat cleanup 20260102-030405-k7qd")
    );
}

#[test]
fn an_rpo_that_is_not_known_is_told_and_nothing_is_called_proven() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    case.fact(
        6,
        "failover/recover/sql01/restore",
        point("sql01", 7, false),
    );
    serves(&mut case, 30, "failover", "recover", "sql01");
    case.run(40, ended());
    let page = Format::Html.render(&document(&case.report(), &[]));
    let tile = page.split("RPO, worst VM").nth(1).unwrap();
    let value: String = tile.chars().take(160).collect();
    assert!(value.contains("of 2 not known"), "{value}");
    assert!(!page.contains("all was proven"));
}

#[test]
fn a_drill_is_closed_by_what_its_people_state() {
    let mut case = drill();
    case.run(20, ended());
    case.run(30, opened(Chapter::Cleanup));
    case.run(31, ended());
    let missing = document(&case.report(), &[]);
    assert_eq!(missing.result.state, "cleaned, findings not stated");
    assert_eq!(missing.result.tone, Tone::Warn);
    let next = missing.result.next.as_deref();
    assert_eq!(next, Some("lifeboat cleanup 20260102-030405-k7qd"));
    case.elsewhere = " --state /srv/dr";
    let elsewhere = document(&case.report(), &[]);
    let typed = "lifeboat cleanup 20260102-030405-k7qd --state /srv/dr";
    assert_eq!(elsewhere.result.next.as_deref(), Some(typed));
    let words = format!("Not stated yet, so the drill is not closed: `{typed}`");
    assert!(markdown(&case.report()).contains(&words));
    let slow = Finding {
        text: "the restore was slow".to_owned(),
        owner: "ann".to_owned(),
        due: "2026-02-01".parse().unwrap(),
    };
    for (findings, state, words, tile) in [
        (
            vec![],
            "closed, no findings",
            "That there were none",
            "<dt>Findings</dt><dd><b>0</b> <span>none</span>",
        ),
        (
            vec![slow],
            "closed, 1 finding",
            "was slow (ann, by 2026-02-01)",
            "<b>1</b> <span>0 of the run itself, 1 stated by people</span>",
        ),
    ] {
        let mut case = case.clone();
        let stated = RunEvent::FindingsStated {
            by: "bob".to_owned(),
            findings,
            unstated: vec!["the drill took 2h".to_owned()],
        };
        case.run(50, stated);
        let closed = document(&case.report(), &[]);
        assert_eq!(closed.result.state, state);
        assert_eq!(closed.result.next, None);
        let text = markdown(&case.report());
        assert!(text.contains(words), "{text}");
        assert!(text.contains("Stated by bob"), "{text}");
        let page = Format::Html.render(&closed);
        assert!(page.contains(tile), "{page}");
        let left = "nobody stated what the run itself showed: the drill took 2h";
        assert!(text.contains(left), "{text}");
    }
}

#[test]
fn a_decision_has_its_time_and_is_told_to_be_late() {
    let told = |decided: &[(u64, RunEvent)]| {
        let mut case = Case::new(&[Section::Failover], Mode::Failover);
        case.info.commit_within_s = Some(3_600);
        case.entries.clear();
        case.run(5, RunEvent::RunStarted(Box::new(case.info.clone())));
        case.run(30, ended());
        for (minute, event) in decided {
            case.run(*minute, event.clone());
        }
        (document(&case.report(), &[]), markdown(&case.report()))
    };
    let (open, text) = told(&[]);
    assert!(
        text.contains("1h 00m: to be decided by 2026-01-02 04:30"),
        "{text}"
    );
    assert_eq!(open.run.window.unwrap().decided_at, None);
    let (_, text) = told(&[(60, opened(Chapter::Commit)), (61, ended())]);
    assert!(
        text.contains("decided at") && !text.contains(" late"),
        "{text}"
    );
    let (late, text) = told(&[(100, opened(Chapter::Rollback)), (101, ended())]);
    assert!(text.contains("10m 00s late"), "{text}");
    let found = |finding: &document::Finding| finding.kind == FindingKind::Window;
    assert!(late.findings.iter().any(found));
}

#[test]
fn a_hosts_wrong_clock_is_told_once() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    case.info.clocks_off = [("lee-bk1".into(), -95), ("lee-esx1".into(), 7_200)].into();
    let text = markdown(&case.report());
    for said in [
        "The clock of lee-bk1 was 1m 35s behind the console's",
        "The clock of lee-esx1 was 2h 00m ahead of the console's",
    ] {
        assert_eq!(text.matches(said).count(), 1, "{text}");
    }
}

#[test]
fn a_command_that_nothing_verified_is_told_with_whose_word_it_rests_on() {
    let of = |how, label: &str, done| {
        let mut case = Case::new(&[Section::Failover], Mode::Failover);
        let id = case.plan.steps.last().unwrap().id.to_string();
        assert!(id.ends_with("/command"), "{id}");
        let (by, label) = ("bob".to_owned(), label.to_owned());
        case.step(6, &id, RunEvent::StepStarted);
        case.step(7, &id, RunEvent::QuestionAnswered { by, label, how });
        if done {
            let evidence = Vec::new();
            case.step(8, &id, RunEvent::StepDone { evidence });
        }
        let report = case.report();
        let said = document(&report, &[]).statements;
        let kind = |said: &&document::Statement| said.kind == document::StatementKind::NotVerified;
        let text: Vec<_> = said.iter().filter(kind).collect();
        format!("{text:?}")
    };
    let unattended = of(Consent::Yes, Question::WORKED, true);
    for words in [
        "announce/lee-bk1/command",
        "as --yes accepts; nobody looked.",
    ] {
        assert!(unattended.contains(words), "{unattended}");
    }
    let answers = of(Consent::Answers, Question::WORKED, true);
    assert!(answers.contains("An answers file said so"), "{answers}");
    let seen = of(Consent::Person, Question::WORKED, true);
    assert!(seen.contains("bob said at"), "{seen}");
    // What did not work, or is asked anew, is no statement.
    for (label, done) in [(Question::FAILED, true), (Question::WORKED, false)] {
        assert_eq!(of(Consent::Yes, label, done), "[]");
    }
}

#[test]
fn what_was_said_of_an_earlier_attempt_is_no_word_on_the_last() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let id = case.plan.steps.last().unwrap().id.to_string();
    let worked = RunEvent::QuestionAnswered {
        by: "bob".to_owned(),
        label: Question::WORKED.to_owned(),
        how: Consent::Person,
    };
    let not_verified = |case: &Case| {
        let said = document(&case.report(), &[]).statements.into_iter();
        said.filter(|said| said.kind == document::StatementKind::NotVerified)
            .count()
    };
    case.step(6, &id, RunEvent::StepStarted);
    case.step(7, &id, worked);
    let evidence = vec!["it was seen".to_owned()];
    let done = || RunEvent::StepDone {
        evidence: evidence.clone(),
    };
    case.step(8, &id, done());
    assert_eq!(not_verified(&case), 1);
    for event in [RunEvent::StepStarted, done()] {
        case.step(9, &id, event);
        let entry = case.entries.last_mut().unwrap();
        std::sync::Arc::make_mut(entry).attempt = Some(Attempt(2));
    }
    assert_eq!(not_verified(&case), 0);
}

#[test]
fn what_is_left_behind_is_what_stands_in_the_ledger() {
    let restore = "failover/recover/sql01/restore";
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let folder = "/vmfs/volumes/local1/sql01";
    case.fact(
        6,
        restore,
        Fact::FolderMade {
            host: "lee-esx1".into(),
            path: folder.to_owned(),
        },
    );
    for name in ["sql01.vmdk", "sql01.vmx"] {
        let path = format!("{folder}/{name}");
        case.fact(7, restore, placed(&path));
    }
    case.run(40, ended());
    let left = |case: &Case| {
        let residue = document(&case.report(), &[]).residue;
        residue
            .iter()
            .map(|left| left.text.words())
            .collect::<Vec<_>>()
    };
    let both = [format!("folder {folder}"), format!("2 files in {folder}")];
    assert_eq!(left(&case), both);
    // Taken away by the run that this one takes back.
    let mut back = case.clone();
    let entry = Fact::AutostartRestored {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
    };
    back.fact(41, "failback/go-home/sql01/power_on", entry);
    assert_eq!(left(&back)[2..], ["autostart entry of sql01, put back"]);
    case.run(60, opened(Chapter::Rollback));
    let gone = Fact::Gone {
        host: "lee-esx1".into(),
        what: format!("file {folder}/sql01.vmx"),
    };
    case.fact(61, "rollback/clear-away/sql01/remove_files", gone);
    let one = [
        format!("folder {folder}"),
        format!("file {folder}/sql01.vmdk"),
    ];
    assert_eq!(left(&case), one);
}

#[test]
fn a_decision_of_the_next_day_bears_its_day() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let skip = || RunEvent::StepSkipped {
        by: "bob".to_owned(),
        reason: "not today".to_owned(),
    };
    case.step(10, "failover/recover/sql01/fence", skip());
    case.step(1_441, "failover/recover/app01/fence", skip());
    let text = markdown(&case.report());
    let table = text.split("## Decisions").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().filter(|row| row.contains("bob")).collect();
    assert!(!rows[0].contains("2026-"), "{rows:?}");
    assert!(rows[1].starts_with("| 2026-01-03 "), "{rows:?}");
}

#[test]
fn a_script_stands_once_below_the_commands_and_whole_in_the_json() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let lines = ["sql01", "app01"].map(|vm| {
        let folder = format!("/vmfs/volumes/local1/.lifeboat-lock-{vm}");
        crate::hypervisor::shell::take_lock(&folder, "r1").line()
    });
    for (op, line) in (1..).zip(&lines) {
        let intended = RunEvent::WriteIntended {
            op: OpId(op),
            host: "lee-esx1".into(),
            command: line.clone(),
            bulk: false,
        };
        case.step(10, "failover/recover/sql01/restore", intended);
    }
    let report = document(&case.report(), &[]);
    let text = Format::Markdown.render(&report);
    let table = text.split("## Commands").nth(1).unwrap();
    assert!(
        table.contains("`‹lock› /vmfs/volumes/local1/.lifeboat-lock-app01 r1`"),
        "{table}"
    );
    assert_eq!(table.matches("mkdir").count(), 1, "{table}");
    assert_eq!(report.commands[1].command, lines[1]);
}
