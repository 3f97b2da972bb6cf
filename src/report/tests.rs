//! A report tells what was vouched for first, measures against objectives, and leaves nothing out.

mod brief;
mod chapters;
mod failed;
mod history;
mod rendered;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::engine::{Answer, Confirmation, Consent, Fact, Parent, RunEvent, RunInfo, RunResult};
use crate::error::Fault;
use crate::names::{OpId, RunId, VmName};
use crate::plan::PlanInputs;
use crate::runbook::model::{Mode, OnFailure, Section};
use crate::runbook::{Limits, load};

const HEAD: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

#[derive(Clone)]
struct Case {
    info: RunInfo,
    runbook: Runbook,
    plan: Plan,
    entries: Vec<Arc<Entry>>,
    elsewhere: &'static str,
}

fn outage() -> Timestamp {
    "2026-01-02T03:00:00Z".parse().unwrap()
}

impl Case {
    fn new(sections: &[Section], mode: Mode) -> Self {
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let mut runbook = load("bundled", text, &Limits::default()).unwrap().runbook;
        let sql01 = runbook.vms.get_mut(&VmName::from("sql01")).unwrap();
        sql01.adapters[0].duplicate_probe = false;
        let variables = BTreeMap::from([("ticket".into(), "INC000001".to_owned())]);
        let inputs = PlanInputs {
            variables,
            only: Vec::new(),
        };
        let mut plans = sections
            .iter()
            .map(|section| crate::plan::make(&runbook, *section, mode, &inputs).unwrap());
        let first = plans.next().unwrap();
        let plan = plans.fold(first, crate::plan::join);
        let info = RunInfo {
            format: 1,
            run: RunId::from("20260102-030405-k7qd"),
            mode: Some(mode),
            sections: sections.to_vec(),
            operator: "alice".to_owned(),
            console: "noc-3".to_owned(),
            title: runbook.title.clone(),
            runbook: runbook.name.clone(),
            sites: ["London".to_owned(), "Leeds".to_owned()],
            outage_at: Some(outage()),
            rto_s: Some(4 * 3_600),
            rpo_s: Some(24 * 3_600),
            vm_objectives: BTreeMap::from([("sql01".into(), (None, Some(12 * 3_600)))]),
            ..RunInfo::default()
        };
        let mut case = Self {
            info: info.clone(),
            runbook,
            plan,
            entries: Vec::new(),
            elsewhere: "",
        };
        case.run(5, RunEvent::RunStarted(Box::new(info)));
        case
    }

    fn run(&mut self, minute: u64, event: RunEvent) {
        self.push(minute, None, event);
    }

    fn step(&mut self, minute: u64, step: &str, event: RunEvent) {
        self.push(minute, Some(step), event);
    }

    fn fact(&mut self, minute: u64, step: &str, fact: Fact) {
        self.step(minute, step, RunEvent::FactFound(fact));
    }

    fn push(&mut self, minute: u64, step: Option<&str>, event: RunEvent) {
        let seq = self.entries.len() as u64 + 1;
        let at = outage() + Duration::from_secs(60 * minute);
        self.entries
            .push(Arc::new(Entry::told(seq, at, step, event)));
    }

    fn report(&self) -> Run<'_> {
        let elsewhere = self.elsewhere.to_owned();
        Run::new(
            &self.entries,
            &self.info,
            &self.plan,
            &self.runbook,
            HEAD,
            elsewhere,
        )
    }
}

fn markdown(run: &Run<'_>) -> String {
    Format::Markdown.render(&document(run, &[]))
}

fn point(vm: &str, hours_before: i64, verified: bool) -> Fact {
    Fact::PointChosen {
        vm: vm.into(),
        backup: "nightly".into(),
        stamp: "20260101T200000Z".to_owned(),
        path: format!("/backup/nightly/{vm}/20260101T200000Z"),
        taken: outage() - SignedDuration::from_hours(hours_before),
        verified,
        vmx: format!("{vm}.vmx"),
    }
}

fn serves(case: &mut Case, minute: u64, section: &str, phase: &str, vm: &str) {
    let step = format!("{section}/{phase}/{vm}/ready");
    case.fact(minute, &step, Fact::Serves { vm: vm.into() });
}

#[test]
fn measures_run_from_the_outage_and_are_graded() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    for (vm, hours, minute) in [("sql01", 13, 60), ("app01", 30, 100), ("web01", 7, 250)] {
        case.fact(
            6,
            &format!("failover/recover/{vm}/restore"),
            point(vm, hours, true),
        );
        serves(&mut case, minute, "failover", "recover", vm);
    }
    let run = case.report();
    let all = measures(&run);
    let row = |name: Option<&str>| {
        all.iter()
            .find(|row| row.vm.as_ref().map(VmName::as_str) == name)
            .unwrap()
    };
    let sql01 = row(Some("sql01"));
    assert_eq!(sql01.rto.actual, Some(SignedDuration::from_mins(60)));
    assert_eq!(
        (sql01.rto.grade(), sql01.rpo.grade()),
        (Some(Grade::Within), Some(Grade::UpToTwice))
    );
    assert_eq!(row(Some("app01")).rpo.grade(), Some(Grade::UpToTwice));
    assert_eq!(row(Some("web01")).rto.grade(), Some(Grade::UpToTwice));
    let set = row(None);
    assert_eq!(set.rto.actual, Some(SignedDuration::from_mins(250)));
    assert_eq!(set.rpo.actual, Some(SignedDuration::from_hours(30)));
    let found = findings(&run);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(
        found[0].contains(
            "sql01 (failover): RPO was 13h 00m, the objective is 12h 00m, missed by 1h 00m"
        ),
        "{found:?}"
    );
}

#[test]
fn what_is_not_known_is_not_graded() {
    let case = Case::new(&[Section::Failover], Mode::Failover);
    let run = case.report();
    assert!(findings(&run).is_empty());
    assert!(
        measures(&run)
            .iter()
            .all(|row| row.rto.actual.is_none() && row.rto.grade().is_none())
    );
    assert!(markdown(&run).contains("not reached"));
}

#[test]
fn a_point_whose_restore_failed_brought_nothing_that_could_be_measured() {
    let id = "failover/recover/sql01/restore";
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    case.fact(6, id, point("sql01", 7, true));
    let rpo = |case: &Case| {
        let all = measures(&case.report());
        let of = |row: &&VmMeasure| row.vm.as_ref().is_some_and(|vm| vm.as_str() == "sql01");
        let row = all.iter().find(of).unwrap();
        (row.rpo.actual, row.source.clone())
    };
    assert_eq!(rpo(&case).0, Some(SignedDuration::from_hours(7)));
    let fault = Fault::default();
    case.step(7, id, RunEvent::StepFailed { fault });
    let (actual, source) = rpo(&case);
    assert_eq!(actual, None);
    assert!(source.ends_with(", and that step is failed"), "{source}");
}

#[test]
fn the_way_home_counts_from_the_stop_and_a_practice_has_both_ways() {
    let mut case = Case::new(&[Section::Failover, Section::Failback], Mode::Practice);
    case.fact(6, "failover/recover/sql01/restore", point("sql01", 7, true));
    serves(&mut case, 10, "failover", "recover", "sql01");
    let stopped = Fact::Stopped {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        how: "shut down by the guest".to_owned(),
        at: outage() + SignedDuration::from_mins(30),
    };
    case.fact(30, "failback/go-home/sql01/shut_down", stopped);
    case.step(
        40,
        "failback/go-home/sql01/copy_back",
        RunEvent::StepDone { evidence: vec![] },
    );
    serves(&mut case, 45, "failback", "go-home", "sql01");
    let run = case.report();
    let of = |section| {
        let all = measures(&run);
        all.into_iter()
            .find(|row| {
                row.section == section && row.vm.as_ref().is_some_and(|vm| vm.as_str() == "sql01")
            })
            .unwrap()
    };
    assert_eq!(
        of(Section::Failover).rto.actual,
        Some(SignedDuration::from_mins(10))
    );
    assert_eq!(
        of(Section::Failback).rto.actual,
        Some(SignedDuration::from_mins(15))
    );
    assert_eq!(of(Section::Failback).rpo.actual, Some(SignedDuration::ZERO));
}

/// A run in which about everything happened that a report has a place for.
fn eventful() -> Case {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    case.run(
        6,
        RunEvent::RunResumed {
            operator: "bob".to_owned(),
            console: "noc-4".to_owned(),
            clock_back_s: Some(75),
        },
    );
    let confirmation = Confirmation {
        second: Some("carol".to_owned()),
        answers: BTreeMap::from([(
            "signs".to_owned(),
            Answer::Chosen(vec!["no power".to_owned()]),
        )]),
        ..Confirmation::plain("bob", Consent::Person)
    };
    case.step(
        7,
        "failover/declare/-/confirm",
        RunEvent::StepConfirmed(Box::new(confirmation)),
    );
    case.fact(
        8,
        "failover/recover/sql01/fence",
        Fact::Attested {
            vm: "sql01".into(),
            by: "bob".to_owned(),
            words: "seen with my own eyes | *really*".to_owned(),
            statement: "sql01 does not run in London".to_owned(),
        },
    );
    let reason = "its host is <gone>".to_owned();
    case.step(
        9,
        "failover/recover/app01/fence",
        RunEvent::StepSkipped {
            by: "bob".to_owned(),
            reason,
        },
    );
    case.fact(
        10,
        "failover/recover/sql01/restore",
        point("sql01", 7, false),
    );
    case.fact(
        11,
        "failover/recover/sql01/restore",
        Fact::FilePlaced {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            path: "/vmfs/volumes/local1/sql01/sql01-flat.vmdk".to_owned(),
            bytes: 16 << 20,
            sha256: "ab".repeat(32),
            proof: "sha256sum on lee-esx1".to_owned(),
        },
    );
    case.fact(
        12,
        "failover/recover/sql01/network",
        Fact::OriginalKept {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            path: "/vmfs/volumes/local1/sql01/sql01.vmx".to_owned(),
            aside: "/vmfs/volumes/local1/sql01/sql01.vmx.before-20260102".to_owned(),
            bytes: None,
        },
    );
    let command = "vim-cmd vmsvc/power.on 12 | cat `x`".to_owned();
    let power_on = "failover/recover/app01/power_on";
    case.step(13, power_on, RunEvent::StepStarted);
    case.step(
        13,
        power_on,
        RunEvent::WriteIntended {
            op: OpId(1),
            host: "lee-esx1".into(),
            command,
            bulk: false,
        },
    );
    case.step(
        13,
        power_on,
        RunEvent::WriteFinished {
            op: OpId(1),
            exit: 1,
            took_ms: 2_500,
            output_sha256: None,
        },
    );
    let fault = Fault::new(
        "power on failed",
        "lee-esx1",
        "it is off",
        "free memory, then retry",
    );
    case.step(14, power_on, RunEvent::StepFailed { fault });
    case.run(
        15,
        RunEvent::NoteAdded {
            by: "bob".to_owned(),
            text: "rang\nVMware".to_owned(),
        },
    );
    case
}

#[test]
fn statements_come_first_and_attestations_before_them_all() {
    let case = eventful();
    let text = markdown(&case.report());
    let order = [
        "# FAILOVER: Orders, restored from image backups, London \u{2192} Leeds",
        "**Result:** not finished, one step failed or waits for a decision; it can be resumed",
        "## Statements",
        "**Attested, not proven**, for sql01: sql01 does not run in London. bob vouched",
        "app01 was not fenced: `failover/recover/app01/fence` is skipped.",
        "Source unverified",
        "No duplicate-address probe for ethernet0 of sql01",
        "stood 75 s before",
        "## Objectives",
        "## Findings",
        "`failover/recover/app01/power_on` is failed: power on failed",
        "## Overrides",
        "was skipped by bob: its host is \\<gone\\>",
        "## Left behind",
        "renamed to `/vmfs/volumes/local1/sql01/sql01.vmx.before-20260102`",
        "## Steps",
        "## Decisions",
        "## Commands",
        "`` vim-cmd vmsvc/power.on 12 \\| cat `x` `` | exit 1 | 2.5 s |",
        "## Files",
        "16.0 MiB",
        "## Notes",
        "rang VMware",
        "## Integrity",
        HEAD,
    ];
    let mut from = 0;
    for part in order {
        let found = text[from..].find(part);
        from += found.unwrap_or_else(|| panic!("{part:?} is missing or out of place in:\n{text}"));
    }
    assert!(
        text.contains("seen with my own eyes \\| \\*really\\*"),
        "{text}"
    );
    assert!(
        text.contains("let it go on, with carol, signs: no power"),
        "{text}"
    );
}

#[test]
fn every_row_of_a_table_has_as_many_cells_as_its_head() {
    let text = markdown(&eventful().report());
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut width = None;
    for line in text.lines() {
        if !line.starts_with('|') {
            width = None;
            continue;
        }
        let expected = *width.get_or_insert(cells(line));
        assert_eq!(cells(line), expected, "{line}");
    }
}

#[test]
fn a_finished_run_says_how_it_ended() {
    let mut case = Case::new(&[Section::Failback], Mode::Failback);
    case.info.parent = Some(Parent {
        stayed: vec![("app01".into(), "it was never reached".to_owned())],
        by_people: Vec::new(),
        run: "20260101-000000-abcd".into(),
        head: HEAD.to_owned(),
    });
    case.run(
        50,
        RunEvent::RunFinished {
            result: RunResult {
                done: 9,
                skipped: 1,
                ..RunResult::default()
            },
        },
    );
    let text = markdown(&case.report());
    assert!(text.contains("Leeds \u{2192} London"), "{text}");
    assert!(
        text.contains("finished with failed or skipped steps: 9 steps done, 0 by hand, 1 skipped"),
        "{text}"
    );
    assert!(
        text.contains("**Takes back:** run `20260101-000000-abcd`"),
        "{text}"
    );
    let lines = debrief(&document(&case.report(), &[]));
    assert!(
        lines[0].starts_with("FAILBACK finished: 9 steps done"),
        "{lines:?}"
    );
}

#[test]
fn durations_and_sizes_read_well() {
    let said = |seconds| duration(SignedDuration::from_secs(seconds));
    assert_eq!(
        [
            said(0),
            said(48),
            said(250),
            said(3_720),
            said(273_600),
            said(-61)
        ],
        ["0 s", "48 s", "4m 10s", "1h 02m", "3d 04h", "-1m 01s"]
    );
    assert_eq!(
        [
            bytes(0),
            bytes(1_023),
            bytes(8_684),
            bytes(19_542_101_197),
            bytes(u64::MAX)
        ],
        ["0 B", "1023 B", "8.5 KiB", "18.2 GiB", "16384.0 PiB"]
    );
}

#[test]
fn a_drill_tells_what_kept_it_apart_and_what_could_not_be_shown() {
    let mut case = Case::new(&[Section::Failover], Mode::Drill);
    let terms = crate::engine::DrillTerms {
        abort: "any alarm".to_owned(),
        limit_s: Some(3_600),
        abort_key: "bob".to_owned(),
    };
    case.info.drill = Some(terms);
    let power_on = "failover/recover/sql01/power_on";
    let host = crate::names::HostName::from("lee-esx1");
    let seen = Fact::IsolationSeen {
        vm: "sql01".into(),
        host: host.clone(),
        lines: vec!["drill-x has no uplink".to_owned()],
        at: outage(),
    };
    case.fact(10, power_on, seen);
    for vm in ["sql01", "web01"] {
        let (vm, host) = (vm.into(), host.clone());
        case.fact(11, power_on, Fact::PoweredOn { vm, host });
    }
    let rung = Fact::RungNotProvable {
        vm: "sql01".into(),
        rung: "tcp 1433".to_owned(),
    };
    case.fact(12, "failover/recover/sql01/ready", rung);
    case.run(
        80,
        RunEvent::RunFinished {
            result: RunResult::default(),
        },
    );
    let text = markdown(&case.report());
    for words in [
        "abort on: any alarm; bob holds the abort key",
        "sql01 was kept apart on lee-esx1",
        "drill-x has no uplink",
        "Nothing shows that web01 was kept apart",
        "Not provable in a drill, for sql01: tcp 1433",
        "the drill took 1h 15m, its limit was 1h 00m",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains("was not fenced:"), "{text}");
    assert!(!text.contains("duplicate-address"), "{text}");
    assert_eq!(findings(&case.report()).len(), 1);
}

#[test]
fn a_run_that_was_left_says_where_a_command_may_go_on() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let power_on = "failover/recover/app01/power_on";
    case.step(6, power_on, RunEvent::StepStarted);
    for (op, host) in [(1, "lee-esx2"), (2, "lee-esx1"), (3, "lee-esx1")] {
        let intended = RunEvent::WriteIntended {
            op: OpId(op),
            host: host.into(),
            command: "vim-cmd vmsvc/power.on 12".to_owned(),
            bulk: false,
        };
        case.step(7, power_on, intended);
    }
    let text = markdown(&case.report());
    let says =
        "what was sent to lee-esx1 and lee-esx2 may still be under way there; it can be resumed";
    assert!(text.contains(says), "{text}");
}

#[test]
fn an_aborted_drill_says_so_first_and_is_not_to_be_resumed() {
    let mut case = Case::new(&[Section::Failover], Mode::Drill);
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    case.run(20, RunEvent::DrillAborted { by, why });
    let why = "the drill was aborted".to_owned();
    case.run(20, RunEvent::RunDetached { why });
    let report = document(&case.report(), &[]);
    assert_eq!(report.result.state, "aborted");
    let lines = debrief(&report).join("\n");
    assert!(lines.contains("DRILL aborted, by bob at"), "{lines}");
    assert!(
        lines.contains("finding: the drill was aborted by bob"),
        "{lines}"
    );
    assert!(!lines.contains("resume"), "{lines}");
}

#[test]
fn what_a_step_took_that_looked_again_is_said_to_count_from_its_first_beginning() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let fence = "failover/recover/sql01/fence";
    let done = || RunEvent::StepAlreadyDone { evidence: vec![] };
    case.step(6, fence, RunEvent::StepStarted);
    case.step(8, fence, done());
    let rule = RunEvent::StepRetried {
        by: crate::engine::BY_RULE.to_owned(),
    };
    assert!(!markdown(&case.report()).contains("in all"));
    case.step(70, fence, rule);
    case.step(70, fence, RunEvent::StepStarted);
    case.step(71, fence, done());
    let text = markdown(&case.report());
    assert!(
        text.contains("1h 05m in all; again from 2026-01-02 04:10:00Z"),
        "{text}"
    );
}
