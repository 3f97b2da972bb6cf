//! What a corrected runbook may change in mid-run, and what is behind the run.

use super::*;
use crate::plan::{Difference, Version, difference};
use crate::runbook::model::Challenge;

const FAILOVER: &str = "failover:
  - phase: Recover
    for_each: vms
    steps:
      - restore: \"${vm}\"
      - register: \"${vm}\"
      - ready: \"${vm}\"
  - phase: Announce
    steps:
      - command: { host: lee-bk1, argv: [logger, done], effect: write }
";

fn old() -> Runbook {
    small(&[("sql01", ""), ("web01", "")], FAILOVER)
}

/// The corrected runbook's text made from the first one's by a replacement.
fn corrected(vms: &[(&str, &str)], from: &str, to: &str) -> Runbook {
    assert!(FAILOVER.contains(from), "{from}");
    small(vms, &FAILOVER.replacen(from, to, 1))
}

fn compare(new: &Runbook, standing: &[&str]) -> Difference {
    let old = old();
    let (was, is) = (failover(&old), failover(new));
    let was = Version {
        plan: &was,
        runbook: &old,
    };
    let is = Version {
        plan: &is,
        runbook: new,
    };
    difference(was, is, |step| standing.contains(&step.as_str()))
}

const TWO: [(&str, &str); 2] = [("sql01", ""), ("web01", "")];
const DONE: [&str; 2] = [
    "failover/recover/sql01/restore",
    "failover/recover/sql01/register",
];
const LAST: &str = "failover/announce/lee-bk1/command";

#[test]
fn the_same_runbook_is_no_difference() {
    let found = compare(&old(), &DONE);
    assert_eq!(found, Difference::default());
    assert_eq!(found.lines(), ["no step and no entry is different"]);
}

#[test]
fn a_step_that_has_not_begun_may_change_and_one_that_stands_may_not() {
    let new = corrected(&TWO, "[logger, done]", "[logger, -t, dr, done]");
    let free = compare(&new, &DONE);
    assert!(free.refused.is_empty() && free.added.is_empty() && free.removed.is_empty());
    assert_eq!(free.changed.len(), 1);
    assert_eq!(free.changed[0].step.as_str(), LAST);
    assert_eq!(
        free.changed[0].what,
        ["what it does: lee-bk1: logger done -> lee-bk1: logger -t dr done"]
    );
    let bound = compare(&new, &[LAST]);
    assert!(bound.changed.is_empty());
    assert_eq!(bound.refused[0].step.as_str(), LAST);
}

#[test]
fn a_challenge_comes_goes_and_changes_and_its_response_is_not_told() {
    let runbook = old();
    let with = |response: Option<&str>| {
        let mut plan = failover(&runbook);
        plan.steps[0].challenge = response.map(|response| Challenge {
            say: "Which site stops?".to_owned(),
            response: response.to_owned(),
        });
        plan
    };
    let (none, leeds, london) = (with(None), with(Some("Leeds")), with(Some("London")));
    for (was, is, says) in [
        (&none, &leeds, "challenge added"),
        (&leeds, &london, "challenge changed"),
        (&leeds, &none, "challenge removed"),
    ] {
        let version = |plan| Version {
            plan,
            runbook: &runbook,
        };
        let found = difference(version(was), version(is), |_| false);
        assert_eq!(found.changed[0].what, [says]);
    }
}

#[test]
fn steps_come_and_go_unless_they_stand() {
    let new = corrected(
        &TWO,
        "      - command",
        "      - confirm: Does it answer?\n      - command",
    );
    let found = compare(&new, &DONE);
    assert_eq!(found.added, ["failover/announce/-/confirm".into()]);
    assert_eq!(found.changed[0].what, ["what comes before it differs"]);
    let new = corrected(&TWO, "      - ready: \"${vm}\"\n", "");
    let found = compare(&new, &DONE);
    assert_eq!(found.removed.len(), 2);
    let found = compare(&new, &["failover/recover/web01/ready"]);
    assert_eq!(found.removed.len(), 1);
    assert_eq!(found.refused.len(), 1);
}

#[test]
fn what_a_standing_step_rests_on_is_part_of_its_meaning() {
    let sql01 = |more: &str| small(&[("sql01", more), ("web01", "")], FAILOVER);
    // Whether a VM serves is judged by its last step alone: the others stand.
    let found = compare(&sql01(", ready: [{ tcp: 1433 }]"), &DONE);
    assert!(found.refused.is_empty(), "{found:?}");
    assert_eq!(
        found.changed[0].step.as_str(),
        "failover/recover/sql01/ready"
    );
    assert_eq!(found.entries, ["VM sql01 is different"]);

    let mut moved = old();
    let place = moved
        .vms
        .get_mut("sql01")
        .unwrap()
        .recovery
        .as_mut()
        .unwrap();
    place.datastore = "big".to_owned();
    let found = compare(&moved, &DONE);
    assert_eq!(found.refused.len(), 2, "{found:?}");
    assert_eq!(
        found.refused[0].what,
        ["its place at the recovery site: lee-esx1:d/sql01 -> lee-esx1:big/sql01"]
    );
    assert!(compare(&moved, &[]).refused.is_empty());
}

#[test]
fn another_host_behind_a_standing_step_is_refused_and_another_login_is_not() {
    let mut moved = old();
    moved.hosts.get_mut("lee-esx1").unwrap().address.host = "198.51.100.99".to_owned();
    let found = compare(&moved, &DONE);
    assert!(
        found.refused[0].what[0].starts_with("host lee-esx1: "),
        "{found:?}"
    );
    let mut other_login = old();
    other_login.hosts.get_mut("lee-esx1").unwrap().user = "admin".to_owned();
    let found = compare(&other_login, &DONE);
    assert!(found.refused.is_empty() && found.changed.is_empty());
    assert_eq!(found.entries, ["host lee-esx1 is different"]);
}

#[test]
fn other_objectives_are_named_and_do_not_become_those_of_the_run() {
    let mut sooner = old();
    sooner.objectives.rto = Some(std::time::Duration::from_secs(60));
    let lines = compare(&sooner, &DONE).lines();
    let kept = "the objectives are different; a run keeps those that it began with";
    assert_eq!(lines, [kept]);
}
