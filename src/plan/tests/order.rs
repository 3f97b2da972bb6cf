//! What waits for what.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[test]
fn failover_goes_vm_by_vm() {
    let plan = failover(&runbook(BUNDLED));
    let mut expected = vec!["failover/declare/-/confirm".to_owned()];
    for vm in ["sql01", "app01", "web01"] {
        for verb in [
            "fence", "restore", "register", "network", "power_on", "ready",
        ] {
            expected.push(format!("failover/recover/{vm}/{verb}"));
        }
    }
    expected.push("failover/announce/lee-bk1/command".to_owned());
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, expected);
    assert_eq!(plan.vms, ["sql01", "app01", "web01"].map(VmName::from));
    assert_eq!(plan.left_out, []);
}

#[test]
fn failback_stops_in_reverse_and_starts_forward() {
    let plan = make(
        &runbook(BUNDLED),
        Section::Failback,
        Mode::Failback,
        &inputs(&[]),
    )
    .unwrap();
    let expected = "-/confirm \
        web01/shut_down web01/copy_back web01/register web01/network \
        app01/shut_down app01/copy_back app01/register app01/network \
        sql01/shut_down sql01/copy_back sql01/register sql01/network sql01/power_on sql01/ready sql01/unregister \
        app01/power_on app01/ready app01/unregister \
        web01/power_on web01/ready web01/unregister \
        lee-bk1/command";
    assert_eq!(walk(&plan), expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        after(&plan, "failback/go-home/sql01/shut_down"),
        [
            "failback/agree/-/confirm",
            "failback/go-home/app01/shut_down"
        ][1..]
    );
}

#[test]
fn only_power_on_waits_for_other_vms() {
    let plan = failover(&runbook(BUNDLED));
    assert_eq!(
        after(&plan, "failover/recover/web01/fence"),
        ["failover/declare/-/confirm"]
    );
    assert_eq!(
        after(&plan, "failover/recover/web01/restore"),
        ["failover/recover/web01/fence"]
    );
    assert_eq!(
        after(&plan, "failover/recover/web01/power_on"),
        [
            "failover/recover/app01/ready",
            "failover/recover/web01/network"
        ]
    );
    // The phase after waits for the ends of all chains.
    assert_eq!(
        after(&plan, "failover/announce/lee-bk1/command"),
        ["failover/recover/web01/ready"]
    );
}

#[test]
fn a_phase_waits_for_the_ends_of_all_chains_before_it() {
    let plan = failover(&small(
        &[("a", ""), ("b", "")],
        "failover:
  - phase: One
    for_each: vms
    steps: [{ register: \"${vm}\" }, { network: \"${vm}\" }]
  - phase: Never
    steps: [{ note: only in drills, modes: [drill] }]
  - phase: Two
    for_each: vms
    steps: [{ ready: \"${vm}\" }]
",
    ));
    for vm in ["a", "b"] {
        assert_eq!(
            after(&plan, &format!("failover/two/{vm}/ready")),
            ["failover/one/a/network", "failover/one/b/network"]
        );
    }
}

#[test]
fn smaller_priority_serves_first_and_equal_ones_run_side_by_side() {
    let steps = "failover:
  - phase: Up
    for_each: vms
    steps: [{ power_on: \"${vm}\" }, { ready: \"${vm}\" }]
failback:
  - phase: Down
    for_each: vms
    steps: [{ shut_down: \"${vm}\" }]
";
    let runbook = small(
        &[
            ("late", ", priority: 5"),
            ("one", ", priority: 1"),
            ("mid", ""),
            ("two", ", priority: 1"),
        ],
        steps,
    );
    let plan = failover(&runbook);
    let names: Vec<&str> = plan.vms.iter().map(VmName::as_str).collect();
    assert_eq!(names, ["one", "two", "mid", "late"]);
    assert!(after(&plan, "failover/up/two/power_on").is_empty());
    assert_eq!(
        after(&plan, "failover/up/mid/power_on"),
        ["failover/up/one/ready", "failover/up/two/ready"]
    );
    assert_eq!(
        after(&plan, "failover/up/late/power_on"),
        ["failover/up/mid/ready"]
    );
    let plan = make(&runbook, Section::Failback, Mode::Failback, &inputs(&[])).unwrap();
    assert_eq!(
        walk(&plan),
        [
            "late/shut_down",
            "mid/shut_down",
            "one/shut_down",
            "two/shut_down"
        ]
    );
    assert_eq!(
        after(&plan, "failback/down/one/shut_down"),
        ["failback/down/mid/shut_down"]
    );
}

#[test]
fn without_ready_the_power_on_counts() {
    let plan = failover(&small(
        &[("b", ", needs: [a]"), ("a", "")],
        "failover:
  - phase: Up
    for_each: vms
    steps: [{ power_on: \"${vm}\" }]
",
    ));
    assert_eq!(walk(&plan), ["a/power_on", "b/power_on"]);
    assert_eq!(
        after(&plan, "failover/up/b/power_on"),
        ["failover/up/a/power_on"]
    );
}

#[test]
fn steps_that_stand_once_follow_one_another() {
    let plan = failover(&small(
        &[("a", "")],
        "failover:
  - phase: By hand
    steps:
      - confirm: Ready?
      - command: { host: lee-bk1, argv: [\"true\"] }
      - register: a
      - note: done
",
    ));
    assert_eq!(
        walk(&plan),
        ["-/confirm", "lee-bk1/command", "a/register", "-/note"]
    );
    let waits: Vec<&[usize]> = plan
        .steps
        .iter()
        .map(|step| step.after.as_slice())
        .collect();
    assert_eq!(waits, [&[][..], &[0], &[1], &[2]]);
}

#[test]
fn stopping_in_an_impossible_order_is_an_error_and_not_a_hang() {
    let runbook = small(
        &[("a", ""), ("b", ", needs: [a]")],
        "failover:
  - phase: P
    for_each: vms
    steps:
      - power_on: \"${vm}\"
      - shut_down: \"${vm}\"
      - power_on: \"${vm}\"
",
    );
    let error = make(&runbook, Section::Failover, Mode::Failover, &inputs(&[])).unwrap_err();
    let PlanError::Circle { steps, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        steps.contains(&StepId::from("failover/p/b/power_on")),
        "{error}"
    );
}

/// VMs with random priorities and needs that validation accepts.
fn systems() -> impl Strategy<Value = Vec<(u8, Vec<usize>)>> {
    prop::collection::vec(
        (
            1u8..=5,
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        ),
        1..12,
    )
    .prop_map(|raw| {
        let priorities: Vec<u8> = raw.iter().map(|(priority, _)| *priority).collect();
        let needs = |index: usize, picks: &[prop::sample::Index]| {
            let earlier = |other: &usize| (priorities[*other], *other) < (priorities[index], index);
            let mut needs: Vec<usize> = picks
                .iter()
                .map(|pick| pick.index(priorities.len()))
                .filter(earlier)
                .collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        };
        raw.iter()
            .enumerate()
            .map(|(index, (priority, picks))| (*priority, needs(index, picks)))
            .collect()
    })
}

proptest! {
    #[test]
    fn every_plan_can_be_walked_and_keeps_its_promises(system in systems()) {
        let names: Vec<String> = (0..system.len()).map(|index| format!("v{index}")).collect();
        let more: Vec<String> = system.iter().map(|(priority, needs)| {
            let needs: Vec<&str> = needs.iter().map(|need| names[*need].as_str()).collect();
            format!(", priority: {priority}, needs: [{}]", needs.join(", "))
        }).collect();
        let vms: Vec<(&str, &str)> =
            names.iter().map(String::as_str).zip(more.iter().map(String::as_str)).collect();
        let runbook = small(&vms, "failover:
  - phase: P
    for_each: vms
    steps: [{ shut_down: \"${vm}\" }, { restore: \"${vm}\" }, { power_on: \"${vm}\" }, { ready: \"${vm}\" }]
  - phase: Q
    steps: [{ note: end }]
");
        let plan = failover(&runbook);
        prop_assert_eq!(plan.steps.len(), 4 * system.len() + 1);
        let at: HashMap<String, usize> =
            walk(&plan).into_iter().enumerate().map(|(index, word)| (word, index)).collect();
        // Everything that must be over before a step, directly or not.
        let mut before: Vec<BTreeSet<usize>> = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let mut all = BTreeSet::new();
            for earlier in &step.after {
                prop_assert!(*earlier < index, "a step is listed before one that it waits for");
                all.insert(*earlier);
                all.extend(before[*earlier].clone());
            }
            before.push(all);
        }
        let waits = |later: &str, earlier: &str| before[at[later]].contains(&at[earlier]);
        for (index, (priority, needs)) in system.iter().enumerate() {
            let vm = &names[index];
            let own_power_on = format!("{vm}/power_on");
            let own_restore = format!("{vm}/restore");
            let own_stop = format!("{vm}/shut_down");
            prop_assert!(waits(&own_power_on, &own_restore));
            for (other, (other_priority, _)) in system.iter().enumerate() {
                let ready = format!("{}/ready", names[other]);
                let stop = format!("{}/shut_down", names[other]);
                let first = needs.contains(&other) || other_priority < priority;
                if first {
                    prop_assert!(waits(&own_power_on, &ready));
                    prop_assert!(waits(&stop, &own_stop));
                }
                if other != index {
                    prop_assert!(!waits(&own_restore, &ready), "only power_on waits for others");
                }
            }
        }
        prop_assert_eq!(before.last().map(BTreeSet::len), Some(plan.steps.len() - 1));
    }
}
