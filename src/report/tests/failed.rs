//! What did not go as it should is told, whatever came of it in the end.

use super::*;
use crate::engine::{BY_RULE, Despite};
use crate::names::Attempt;

const RESTORE: &str = "failover/recover/app01/restore";

fn corrupt() -> Fact {
    Fact::PointCorrupt {
        vm: "app01".into(),
        backup: "nightly".into(),
        stamp: "20260101T200000Z".to_owned(),
        path: "/backup/nightly/app01/20260101T200000Z".to_owned(),
        file: "app01-flat.vmdk".to_owned(),
        place: "lee-bk1:/backup/nightly/app01/20260101T200000Z/app01-flat.vmdk".to_owned(),
        sum: "ab".repeat(32),
        recorded: "cd".repeat(32),
    }
}

fn done() -> RunEvent {
    RunEvent::StepDone {
        evidence: Vec::new(),
    }
}

fn failed(what: &str) -> RunEvent {
    RunEvent::StepFailed {
        fault: Fault::new(what, "lee-esx2", "it is as it was", "retry"),
    }
}

fn retried(by: &str) -> RunEvent {
    RunEvent::StepRetried { by: by.to_owned() }
}

/// A restore that comes to its end after all.
fn restored() -> Case {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let steps = [
        (1, RunEvent::StepStarted),
        (1, failed("the datastore is full")),
        (1, retried("alice")),
        (2, RunEvent::StepStarted),
        (2, RunEvent::FactFound(corrupt())),
        (2, failed("app01-flat.vmdk is corrupt")),
        (2, retried(BY_RULE)),
        (3, RunEvent::StepStarted),
        (3, done()),
    ];
    for (minute, (attempt, event)) in (10..).zip(steps) {
        case.step(minute, RESTORE, event);
        let last = case.entries.last_mut().unwrap();
        Arc::make_mut(last).attempt = Some(Attempt(attempt));
    }
    case
}

#[test]
fn a_restore_point_that_was_proven_corrupt_is_a_finding_though_its_step_is_done() {
    let case = restored();
    let run = case.report();
    let words = "restore point 20260101T200000Z of nightly for app01 is corrupt: the sum of app01-flat.vmdk is";
    assert!(
        findings(&run)
            .iter()
            .any(|finding| finding.starts_with(words)),
        "{:?}",
        findings(&run)
    );
    for format in Format::ALL {
        let text = format.render(&document(&run, &[]));
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn every_attempt_that_failed_is_told_with_its_reason_and_what_became_of_it() {
    let case = restored();
    let attempts = document(&case.report(), &[]).failed_attempts;
    let told: Vec<_> = attempts
        .iter()
        .map(|one| (one.attempt, one.what.as_str(), one.became.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "the datastore is full", "tried again by alice"),
            (
                2,
                "app01-flat.vmdk is corrupt",
                "tried again by itself, done with attempt 3"
            ),
        ]
    );
    for format in Format::ALL {
        let text = format.render(&document(&case.report(), &[]));
        for part in [
            "the datastore is full",
            "it is as it was",
            "done with attempt 3",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}

#[test]
fn an_attempt_that_nobody_went_on_with_says_where_its_step_stands() {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let confirmation = Confirmation::plain("alice", Consent::Person);
    case.step(10, RESTORE, RunEvent::StepStarted);
    let confirmed = RunEvent::StepConfirmed(Box::new(confirmation));
    case.step(11, RESTORE, confirmed);
    case.step(12, RESTORE, RunEvent::StepStarted);
    case.step(13, RESTORE, failed("the datastore is full"));
    let attempts = document(&case.report(), &[]).failed_attempts;
    let became: Vec<_> = attempts.iter().map(|one| one.became.as_str()).collect();
    assert_eq!(became, ["shown anew", "it is failed"]);
}

#[test]
fn a_start_over_blockers_is_an_override() {
    let overridden = |reason: &str| {
        let mut case = Case::new(&[Section::Failover], Mode::Failover);
        case.info.despite = Some(Despite {
            blockers: vec!["lee-esx1: it is silent".to_owned()],
            reason: reason.to_owned(),
        });
        let text = markdown(&case.report());
        let (_, after) = text.split_once("## Overrides").unwrap();
        after.split("\n## ").next().unwrap().to_owned()
    };
    let with_reason = "alice started the run over what blocked it (lee-esx1: it is silent): \u{201c}its console works\u{201d}";
    let said = overridden("its console works");
    assert!(said.contains(with_reason), "{said}");
    let said = overridden("");
    assert!(said.contains("nobody was asked why"), "{said}");
}
