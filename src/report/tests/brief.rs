//! A brief tells an incoming person what they need, in few lines, from the state alone.

use super::*;
use crate::engine::{ProbeAnswer, RunState, Verdict};
use crate::report::{Standing, brief, brief_text, status_line};

const REGISTER: &str = "failover/recover/sql01/register";
const RESTORE: &str = "failover/recover/app01/restore";

fn confirmed(by: &str) -> Confirmation {
    Confirmation::plain(by, Consent::Person)
}

fn begun(case: &mut Case, minute: u64, step: &str, confirmation: Confirmation) {
    case.step(minute, step, RunEvent::StepStarted);
    let verdict = Verdict::Needed(Box::default());
    let found = String::new();
    let answer = RunEvent::ProbeAnswered(Box::new(ProbeAnswer { found, verdict }));
    case.step(minute, step, answer);
    case.step(
        minute,
        step,
        RunEvent::StepConfirmed(Box::new(confirmation)),
    );
}

fn done(case: &mut Case, minute: u64, step: &str) {
    let evidence = vec!["seen".to_owned()];
    case.step(minute, step, RunEvent::StepDone { evidence });
}

/// Everything of which a brief speaks.
fn half_way() -> Case {
    let mut case = Case::new(&[Section::Failover], Mode::Failover);
    let signs = Answer::Chosen(vec!["power".to_owned(), "network".to_owned()]);
    let declared = Confirmation {
        answers: BTreeMap::from([("signs".to_owned(), signs)]),
        ..confirmed("alice")
    };
    begun(&mut case, 6, "failover/declare/-/confirm", declared);
    done(&mut case, 6, "failover/declare/-/confirm");
    let attested = Fact::Attested {
        vm: "sql01".into(),
        by: "alice".to_owned(),
        words: "the building has no power".to_owned(),
        statement: "it is off".to_owned(),
    };
    case.fact(8, "failover/recover/sql01/fence", attested);
    begun(
        &mut case,
        8,
        "failover/recover/sql01/restore",
        confirmed("alice"),
    );
    done(&mut case, 20, "failover/recover/sql01/restore");
    begun(&mut case, 21, REGISTER, confirmed("alice"));
    let fault = Fault::new("the datastore is full", "lee-esx1", "", "");
    case.step(22, REGISTER, RunEvent::StepFailed { fault });
    begun(&mut case, 21, RESTORE, confirmed("alice"));
    let skipped = RunEvent::StepSkipped {
        by: "alice".to_owned(),
        reason: "its owner says so".to_owned(),
    };
    case.step(23, "failover/recover/web01/fence", skipped);
    let by = || "alice".to_owned();
    let text = "storage is called".to_owned();
    case.run(24, RunEvent::NoteAdded { by: by(), text });
    let text = "one VM is back".to_owned();
    case.run(25, RunEvent::UpdatePosted { by: by(), text });
    case.run(26, RunEvent::HandoverOffered { by: by() });
    case
}

fn standing<'a>(case: &'a Case, state: &'a RunState) -> Standing<'a> {
    Standing {
        plan: &case.plan,
        state,
        now: outage() + SignedDuration::from_mins(31),
        left: &|step| (step.as_str() == RESTORE).then_some(Duration::from_secs(240)),
    }
}

#[test]
fn a_brief_tells_everything_that_an_incoming_person_has_to_know() {
    let case = half_way();
    let run = case.report();
    let text = brief_text(&standing(&case, &run.state)).join("\n");
    for part in [
        "London -> Leeds",
        "3 of 20 steps done",
        "alice has it and offers it since 03:26Z",
        "T+31m 00s, 3h 29m left of the RTO",
        "sql01 attested, not proven, by alice: the building has no power",
        "skipped by alice: its owner says so",
        "failed: the datastore is full",
        "running for 10m 00s, until about 03:35Z",
        "03:20Z restore sql01 (12m 00s)",
        "signs power, network",
        "03:25Z by alice: one VM is back",
        "alice: storage is called",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let labels = brief(&standing(&case, &run.state));
    let next = labels.iter().find(|line| line.label == "next").unwrap();
    assert_eq!(next.text.matches(", then ").count(), 2, "{next:?}");
}

#[test]
fn in_an_ending_its_own_steps_come_next() {
    let mut case = half_way();
    let mut own = case.plan.steps[0].clone();
    own.id = "rollback/take-back/sql01/take_back".into();
    own.title = "take sql01 back".to_owned();
    case.plan.frozen = case.plan.steps.len();
    case.plan.steps.push(own);
    let run = case.report();
    let lines = brief(&standing(&case, &run.state));
    let next = lines.iter().find(|line| line.label == "next").unwrap();
    assert_eq!(next.text, "take sql01 back");
    let line = status_line(&standing(&case, &run.state));
    assert!(line.ends_with("next take sql01 back"), "{line}");
}

#[test]
fn the_clock_of_a_planned_run_begins_with_its_first_stop() {
    let mut case = Case::new(&[Section::Failover], Mode::Planned);
    let clock = |case: &Case| {
        let run = case.report();
        brief_text(&standing(case, &run.state))[1].clone()
    };
    assert!(clock(&case).ends_with("nothing is stopped yet"));
    let stopped = Fact::Stopped {
        vm: "web01".into(),
        host: "lon-esx1".into(),
        how: "shut down by its guest".to_owned(),
        at: outage() + SignedDuration::from_mins(10),
    };
    case.fact(10, "failover/recover/web01/shut_down", stopped);
    assert!(clock(&case).ends_with("T+21m 00s, 3h 39m left of the RTO"));
    for vm in case.plan.vms.clone() {
        let step = format!("failover/recover/{vm}/ready");
        case.fact(15, &step, Fact::Serves { vm });
    }
    assert!(clock(&case).ends_with("served in 5m 00s, within the RTO"));
}

#[test]
fn a_brief_stays_short_however_much_happened() {
    let mut case = half_way();
    for minute in 30..60 {
        let by = "alice".to_owned();
        let text = format!("note {minute}");
        case.run(minute, RunEvent::NoteAdded { by, text });
    }
    let steps: Vec<String> = case
        .plan
        .steps
        .iter()
        .map(|step| step.id.to_string())
        .collect();
    for step in &steps {
        let by = "alice".to_owned();
        let evidence = "the console said so".to_owned();
        case.step(60, step, RunEvent::StepByHand { by, evidence });
    }
    let run = case.report();
    let text = brief_text(&standing(&case, &run.state));
    assert!(text.len() <= 20, "{}", text.join("\n"));
    assert!(text.iter().any(|line| line.ends_with("more")), "{text:?}");
}

#[test]
fn an_update_is_one_line_with_what_is_done_runs_waits_and_comes_next() {
    let case = half_way();
    let run = case.report();
    let line = status_line(&standing(&case, &run.state));
    for part in [
        "3 of 20 steps done",
        "restore app01 running for 10m 00s, until about 03:35Z",
        "register sql01 failed: the datastore is full",
        "next ",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn what_takes_longer_than_usual_says_so() {
    let mut case = half_way();
    let step = case
        .plan
        .steps
        .iter_mut()
        .find(|step| step.id.as_str() == RESTORE);
    step.unwrap().usually = Some(Duration::from_secs(300));
    let run = case.report();
    let unmeasured = Standing {
        left: &|_| None,
        ..standing(&case, &run.state)
    };
    let line = status_line(&unmeasured);
    assert!(line.contains("5m 00s later than usual"), "{line}");
}

#[test]
fn what_failed_and_is_gone_on_without_is_a_risk_and_no_decision() {
    let mut case = half_way();
    let needs = |case: &Case| {
        let run = case.report();
        let lines = brief(&standing(case, &run.state));
        let of = |label: &str| {
            let mut label_now = "";
            let texts = lines.iter().filter(|line| {
                label_now = if line.label.is_empty() {
                    label_now
                } else {
                    line.label
                };
                label_now == label
            });
            texts
                .map(|line| line.text.clone())
                .collect::<Vec<_>>()
                .join("\n")
        };
        (of("needs"), of("risk"))
    };
    let said = "failed: the datastore is full";
    let (waits, risks) = needs(&case);
    assert!(
        waits.contains(said) && !risks.contains("datastore"),
        "{waits}\n{risks}"
    );
    assert!(markdown(&case.report()).contains("one step failed or waits for a decision; "));

    let (vm, host) = ("sql01".into(), "lon-esx1".into());
    let runs = Fact::RunsElsewhere { vm, host };
    case.run(90, RunEvent::FactFound(runs));
    let (_, risks) = needs(&case);
    assert!(risks.contains("sql01 RUNS ON lon-esx1"), "{risks}");

    let step = case
        .plan
        .steps
        .iter_mut()
        .find(|step| step.id.as_str() == REGISTER);
    step.unwrap().on_failure = OnFailure::Continue;
    let (waits, risks) = needs(&case);
    assert_eq!(waits, "");
    let said = "failed, and the run goes on without it: the datastore is full";
    assert!(risks.contains(said), "{risks}");
    let text = markdown(&case.report());
    for said in [
        "one step failed that the runbook goes on without; it can be resumed",
        "is failed, and the runbook goes on without it: the datastore is full",
    ] {
        assert!(text.contains(said), "{text}");
    }
}
