//! Plans of the bundled runbook, of small ones, and of random ones.

mod difference;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::runbook::model::CommandLine;
use crate::runbook::{Limits, load};

const BUNDLED: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

fn runbook(text: &str) -> Runbook {
    load("dr.yaml", text, &Limits::default()).unwrap().runbook
}

/// A runbook with these VMs (`name` and what its mapping has beside its places) and sections.
fn small(vms: &[(&str, &str)], sections: &str) -> Runbook {
    let mut text = "lifeboat: 1
name: small
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lon-esx1: { site: london, driver: esxi, address: 192.0.2.11 }
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
  lee-bk1: { site: leeds, driver: posix, address: 198.51.100.20 }
backups: { nightly: { host: lee-bk1, path: /backup } }
variables: { ticket: { prompt: Ticket, default: INC7 }, pin: { prompt: Pin, secret: true } }
vms:
"
    .to_owned();
    for (name, more) in vms {
        text.push_str(&format!(
            "  {name}: {{ protected: {{ host: lon-esx1, datastore: d, vmx: {name}/{name}.vmx }}, \
             recovery: {{ host: lee-esx1, datastore: d }}, backup: nightly{more} }}\n"
        ));
    }
    text.push_str(sections);
    runbook(&text)
}

fn inputs(only: &[&str]) -> PlanInputs {
    PlanInputs {
        variables: [(VariableName::from("ticket"), "INC000042".to_owned())].into(),
        only: only.iter().map(|vm| VmName::from(*vm)).collect(),
    }
}

fn failover(runbook: &Runbook) -> Plan {
    make(runbook, Section::Failover, Mode::Failover, &inputs(&[])).unwrap()
}

/// `sql01/fence` for each step, in order.
fn walk(plan: &Plan) -> Vec<String> {
    let word = |step: &Step| format!("{}/{}", step.subject.as_str(), step.action.verb());
    plan.steps.iter().map(word).collect()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    plan.step(&StepId::from(id)).unwrap()
}

/// The ids of the steps that a step waits for.
fn after<'p>(plan: &'p Plan, id: &str) -> Vec<&'p str> {
    step(plan, id)
        .after
        .iter()
        .map(|index| plan.steps[*index].id.as_str())
        .collect()
}

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
fn disks_move_onto_the_datastore_of_their_site() {
    let text = BUNDLED.replacen("datastore: local1", "datastore: san-london", 1);
    let runbook = runbook(&text);
    let onto = |section, mode, verb: &str| {
        let plan = make(&runbook, section, mode, &inputs(&["sql01"])).unwrap();
        let mut named = plan.steps.iter().filter(|step| step.datastore.is_some());
        let step = named.next().unwrap();
        assert_eq!(step.action.verb(), verb);
        assert_eq!(named.next(), None, "no other step moves disks");
        step.datastore.clone().unwrap()
    };
    let there = onto(Section::Failover, Mode::Failover, "restore");
    let home = onto(Section::Failback, Mode::Failback, "copy_back");
    assert_eq!((&*there, &*home), ("local1", "san-london"));
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
fn equal_ids_are_numbered_whatever_the_mode_and_selection() {
    let runbook = small(
        &[("a", ""), ("b", "")],
        "failover:
  - phase: Say it!
    for_each: vms
    steps:
      - { note: one, modes: [drill] }
      - { note: two }
  - phase: say-it
    steps: [{ note: three }, { register: a }, { note: four }]
",
    );
    let plan = make(&runbook, Section::Failover, Mode::Failover, &inputs(&["b"])).unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "failover/say-it/b/note.2",
            "failover/say-it/-/note",
            "failover/say-it/-/note.2"
        ]
    );
    let all = step_ids(&runbook);
    assert_eq!(all.len(), 7);
    assert!(ids.iter().all(|id| all.contains(*id)));
    assert!(all.contains("failover/say-it/a/register"));
}

#[test]
fn a_selection_leaves_other_vms_out_and_says_what_they_were_needed_for() {
    let runbook = runbook(BUNDLED);
    let plan = make(
        &runbook,
        Section::Failover,
        Mode::Failover,
        &inputs(&["web01"]),
    )
    .unwrap();
    assert_eq!(plan.vms, [VmName::from("web01")]);
    assert_eq!(plan.steps.len(), 1 + 6 + 1);
    assert_eq!(
        plan.left_out,
        [(VmName::from("web01"), VmName::from("app01"))]
    );
    assert_eq!(
        after(&plan, "failover/recover/web01/power_on"),
        ["failover/recover/web01/network"]
    );
    let error = make(
        &runbook,
        Section::Failover,
        Mode::Failover,
        &inputs(&["web1"]),
    )
    .unwrap_err();
    assert_eq!(error, PlanError::UnknownVm(VmName::from("web1")));
}

#[test]
fn modes_filter_steps() {
    let runbook = small(
        &[("a", "")],
        "failover:
  - phase: P
    steps:
      - { note: always }
      - { note: real, modes: [failover, planned] }
      - { note: play, modes: [practice] }
",
    );
    let titles = |mode| -> Vec<String> {
        let plan = make(&runbook, Section::Failover, mode, &inputs(&[])).unwrap();
        plan.steps.iter().map(|step| step.title.clone()).collect()
    };
    assert_eq!(titles(Mode::Planned), ["always", "real"]);
    assert_eq!(titles(Mode::Practice), ["always", "play"]);
    assert_eq!(titles(Mode::Drill), ["always"]);
    let error = make(&runbook, Section::Failback, Mode::Failback, &inputs(&[])).unwrap_err();
    assert_eq!(error.to_string(), "this runbook has no `failback`");
}

#[test]
fn verbs_bring_their_risk_timeout_side_and_hosts() {
    let runbook = runbook(BUNDLED);
    let out = failover(&runbook);
    let home = make(&runbook, Section::Failback, Mode::Failback, &inputs(&[])).unwrap();
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let cases = [
        (
            &out,
            "declare/-/confirm",
            Risk::Read,
            None,
            SiteRole::Recovery,
            "",
        ),
        (
            &out,
            "recover/sql01/fence",
            Risk::Read,
            minutes(5),
            SiteRole::Protected,
            "lon-esx1",
        ),
        (
            &out,
            "recover/sql01/restore",
            Risk::Write,
            None,
            SiteRole::Recovery,
            "lee-esx1 lee-bk1",
        ),
        (
            &out,
            "recover/sql01/register",
            Risk::Write,
            minutes(2),
            SiteRole::Recovery,
            "lee-esx1",
        ),
        (
            &out,
            "recover/sql01/power_on",
            Risk::Disruptive,
            minutes(2),
            SiteRole::Recovery,
            "lee-esx1",
        ),
        (
            &out,
            "recover/sql01/ready",
            Risk::Read,
            minutes(10),
            SiteRole::Recovery,
            "lee-esx1",
        ),
        (
            &out,
            "announce/lee-bk1/command",
            Risk::Write,
            Some(Duration::from_secs(30)),
            SiteRole::Recovery,
            "lee-bk1",
        ),
        (
            &home,
            "go-home/sql01/shut_down",
            Risk::Disruptive,
            minutes(5),
            SiteRole::Recovery,
            "lee-esx1",
        ),
        (
            &home,
            "go-home/sql01/copy_back",
            Risk::Typed,
            None,
            SiteRole::Protected,
            "lon-esx1 lee-esx1",
        ),
        (
            &home,
            "go-home/sql01/power_on",
            Risk::Disruptive,
            minutes(2),
            SiteRole::Protected,
            "lon-esx1",
        ),
        (
            &home,
            "go-home/sql01/unregister",
            Risk::Disruptive,
            minutes(2),
            SiteRole::Recovery,
            "lee-esx1",
        ),
    ];
    for (plan, id, risk, timeout, side, hosts) in cases {
        let step = step(plan, &format!("{}/{id}", plan.section));
        assert_eq!(
            (step.risk, step.timeout, step.side),
            (risk, timeout, side),
            "{id}"
        );
        let names: Vec<&str> = step.hosts.iter().map(HostName::as_str).collect();
        assert_eq!(names, hosts.split_whitespace().collect::<Vec<_>>(), "{id}");
        assert_eq!(
            step.transfer,
            id.ends_with("restore") || id.ends_with("copy_back"),
            "{id}"
        );
    }
    assert_eq!(
        step(&home, "failback/go-home/sql01/copy_back")
            .typed
            .as_deref(),
        Some("sql01")
    );
    assert_eq!(step(&home, "failback/agree/-/confirm").people, 2);
}

#[test]
fn what_looks_waits_or_is_for_others_names_its_hosts_and_fills_its_words() {
    let text = "contacts: [{ name: Storage, phone: '1' }]
failover:
  - phase: Look
    for_each: vms
    steps:
      - check: [{ vm: \"${vm}\", site: london, power: on }, { host: lee-bk1, argv: [grep, \"${ticket}\", log] }]
      - wait: 90m
      - wait: { for: { compare: [{ host: lee-bk1, argv: [a] }, { host: lon-esx1, argv: [b] }] }, every: 5s }
      - hand_off: { to: Storage, ask: \"Promote ${vm}\", verify: { tcp: lee-bk1 } }
      - power_off: \"${vm}\"
      - power_off: { vm: \"${vm}\", site: leeds }
";
    let plan = failover(&small(&[("a", "")], text));
    let found: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let hosts: Vec<&str> = step.hosts.iter().map(HostName::as_str).collect();
            let minutes = step.timeout.map_or(0, |timeout| timeout.as_secs() / 60);
            format!(
                "{} | {:?} {:?} {minutes}m [{}] waits only: {}",
                step.title,
                step.risk,
                step.side,
                hosts.join(" "),
                step.action.only_waits()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "check a, lee-bk1 | Read Recovery 2m [lee-bk1] waits only: true",
            "wait 1h 30m | Read Recovery 0m [] waits only: true",
            "wait for lee-bk1, lon-esx1 | Read Recovery 10m [lee-bk1 lon-esx1] waits only: true",
            "hand off to Storage | Read Recovery 30m [] waits only: true",
            "power off a | Disruptive Protected 2m [lon-esx1] waits only: false",
            "power off a | Disruptive Recovery 2m [lee-esx1] waits only: false",
        ]
    );
    let ActionSpec::Check(probes) = &plan.steps[0].action else {
        panic!("{:?}", plan.steps[0].action)
    };
    assert_eq!(probes[1].looks()[0].argv, ["grep", "INC000042", "log"]);
    let ActionSpec::HandOff(given) = &plan.steps[3].action else {
        panic!("{:?}", plan.steps[3].action)
    };
    assert_eq!(given.ask, "Promote a");
    for (from, to) in [
        ("power: on", "power: off"),
        ("site: london", "site: leeds"),
        ("90m", "91m"),
        ("every: 5s", "every: 6s"),
        ("argv: [b]", "argv: [c]"),
        ("Promote", "Demote"),
        ("tcp: lee-bk1", "tcp: 'lee-bk1:22'"),
    ] {
        let changed = failover(&small(&[("a", "")], &text.replace(from, to)));
        assert_ne!(changed.fingerprint, plan.fingerprint, "{to}");
    }
}

#[test]
fn a_step_of_its_own_words_overrides_the_defaults() {
    let plan = failover(&small(
        &[("a", "")],
        "failover:
  - phase: P
    for_each: vms
    steps:
      - power_on: \"${vm}\"
        name: Start ${vm}
        why: ${ticket} in ${mode}
        typed: go ${vm}
        timeout: 90s
        gate: true
        retries: 2
        on_failure: stop
",
    ));
    let step = &plan.steps[0];
    assert_eq!(step.title, "Start a");
    assert_eq!(step.why.as_deref(), Some("INC000042 in failover"));
    assert_eq!(
        (step.typed.as_deref(), step.risk),
        (Some("go a"), Risk::Typed)
    );
    assert_eq!(step.timeout, Some(Duration::from_secs(90)));
    assert_eq!(
        (step.gate, step.retries, step.on_failure),
        (true, 2, OnFailure::Stop)
    );
}

#[test]
fn commands_get_values_as_words_or_as_environment() {
    let runbook = small(
        &[("a", "")],
        "failover:
  - phase: P
    for_each: vms
    steps:
      - command: { host: lee-bk1, argv: [logger, \"${vm} ${ticket}\"], verify: [test, \"${vm}\"] }
      - command: { host: lee-bk1, sh: 'logger \"$vm $ticket\"' }
",
    );
    let command = |inputs: &PlanInputs, index: usize| {
        let plan = make(&runbook, Section::Failover, Mode::Planned, inputs).unwrap();
        match &plan.steps[index].action {
            ActionSpec::Command(command) => command.clone(),
            other => panic!("{other:?}"),
        }
    };
    let words = command(&inputs(&[]), 0);
    assert_eq!(
        words.line,
        CommandLine::Argv(vec!["logger".to_owned(), "a INC000042".to_owned()])
    );
    assert_eq!(words.verify, Some(vec!["test".to_owned(), "a".to_owned()]));
    assert_eq!(words.environment, []);
    // A default stands in; the secret is not in the environment.
    let script = command(&PlanInputs::default(), 1);
    let pairs = [("mode", "planned"), ("vm", "a"), ("ticket", "INC7")];
    assert_eq!(
        script.environment,
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn a_variable_without_a_value_is_named() {
    let error = make(
        &runbook(BUNDLED),
        Section::Failover,
        Mode::Failover,
        &PlanInputs::default(),
    );
    let PlanError::NoValue { name, line } = error.unwrap_err() else {
        panic!()
    };
    assert_eq!(name.as_str(), "ticket");
    assert!(
        BUNDLED
            .lines()
            .nth(line - 1)
            .unwrap()
            .contains("- command:")
    );
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

#[test]
fn the_fingerprint_follows_what_is_done_and_not_what_is_said() {
    let plan = |text: &str| failover(&runbook(text)).fingerprint;
    let original = plan(BUNDLED);
    assert_eq!(original.len(), 64);
    assert_eq!(
        original,
        plan(&BUNDLED.replace("Powered on is not yet in service.", "Wait for it."))
    );
    for (from, to) in [
        (
            "argv: [logger, -t, lifeboat, \"${mode}",
            "argv: [logger, -t, lifeboat2, \"${mode}",
        ),
        ("point: latest", "point: 20260102T030405Z"),
        ("needs: [app01]", "needs: [sql01]"),
        ("at_least: 2", "at_least: 1"),
    ] {
        assert_ne!(original, plan(&BUNDLED.replace(from, to)), "{to}");
    }
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

#[test]
fn a_planned_run_stops_in_reverse_and_copies_what_it_stopped() {
    let runbook = runbook(BUNDLED);
    let plan = make(&runbook, Section::Failover, Mode::Planned, &inputs(&[])).unwrap();
    let expected = "-/confirm \
        web01/shut_down web01/fence web01/replicate web01/register web01/network \
        app01/shut_down app01/fence app01/replicate app01/register app01/network \
        sql01/shut_down sql01/fence sql01/replicate sql01/register sql01/network sql01/power_on sql01/ready \
        app01/power_on app01/ready web01/power_on web01/ready lee-bk1/command";
    assert_eq!(walk(&plan), expected.split_whitespace().collect::<Vec<_>>());
    let stops = step(&plan, "failover/recover/web01/shut_down");
    assert_eq!(stops.side, SiteRole::Protected);
    assert_eq!(planned_gaps(&plan, &runbook), []);
}

#[test]
fn a_runbook_for_disasters_alone_is_no_planned_run() {
    let planned = |steps: &str| {
        let sections = format!(
            "failover: [{{ phase: Go, for_each: vms, steps: [{steps}, {{ power_on: \"${{vm}}\" }}] }}]\n"
        );
        let runbook = small(&[("a", "")], &sections);
        let plan = make(&runbook, Section::Failover, Mode::Planned, &inputs(&[])).unwrap();
        planned_gaps(&plan, &runbook)
    };
    let (stop, copy) = ("{ shut_down: \"${vm}\" }", "{ replicate: \"${vm}\" }");
    let restore = "{ restore: { vm: \"${vm}\" } }";
    assert_eq!(planned(restore), [PlannedGap::NotShutDown("a".into())]);
    let ahead = format!("{copy}, {stop}");
    assert_eq!(planned(&ahead), [PlannedGap::CopiedBefore("a".into())]);
    for fit in [
        format!("{stop}, {copy}"),
        format!("{stop}, {restore}"),
        format!("{copy}, {stop}, {copy}"),
        // What another tool replicates needs no copy of ours.
        stop.to_owned(),
    ] {
        assert_eq!(planned(&fit), [], "{fit}");
    }
}

#[test]
fn what_no_step_of_the_failback_is_about_gets_a_way_home_of_its_own() {
    let go = "failover: [{ phase: Go, for_each: vms, steps: [{ power_on: \"${vm}\" }] }]\n";
    let home = "shut_down copy_back register network power_on ready unregister";
    let without = small(&[("db", ", priority: 1"), ("web", ", needs: [db]")], go);
    let plan = make(
        &without,
        Section::Failback,
        Mode::Failback,
        &inputs(&["db"]),
    )
    .unwrap();
    let expected: Vec<String> = home.split(' ').map(|verb| format!("db/{verb}")).collect();
    assert_eq!(walk(&plan), expected);
    let id = "failback/go-home/db/copy_back";
    assert_eq!(step(&plan, id).typed.as_deref(), Some("db"));
    assert!(step_ids(&without).contains(&StepId::from(id)));
    let both = make(&without, Section::Failback, Mode::Failback, &inputs(&[])).unwrap();
    assert_eq!(
        after(&both, "failback/go-home/db/shut_down"),
        ["failback/go-home/web/shut_down"],
        "in reverse, as in a runbook"
    );
    let practice = make(&without, Section::Failback, Mode::Practice, &inputs(&[]));
    assert_eq!(practice, Err(PlanError::NoSection(Section::Failback)));

    // What is written stays as it is, and what comes last still comes last.
    let some = format!(
        "{go}failback:\n  - {{ phase: Web, for_each: [web], steps: [{{ shut_down: \"${{vm}}\" }}] }}\n  \
         - {{ phase: Say, steps: [{{ note: home }}] }}\n"
    );
    let woven = small(&[("db", ""), ("web", "")], &some);
    let plan = make(&woven, Section::Failback, Mode::Failback, &inputs(&[])).unwrap();
    let mut all = vec!["web/shut_down".to_owned()];
    all.extend(expected);
    all.push("-/note".to_owned());
    assert_eq!(walk(&plan), all);
}

#[test]
fn the_way_home_to_hardware_is_a_person_s_with_evidence_for_each_step() {
    let text = "lifeboat: 1
name: p2v
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts: { lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 } }
vms: { crm: { physical: { address: 192.0.2.50 }, recovery: { host: lee-esx1, datastore: d } } }
failover: [{ phase: Go, steps: [{ power_on: crm }] }]
";
    let plan = make(
        &runbook(text),
        Section::Failback,
        Mode::Failback,
        &inputs(&[]),
    )
    .unwrap();
    let verbs: Vec<&str> = plan.steps.iter().map(|step| step.action.verb()).collect();
    let of = |verb: &str| verbs.iter().filter(|one| **one == verb).count();
    assert_eq!(
        (of("confirm"), of("shut_down"), of("unregister")),
        (7, 1, 1),
        "{verbs:?}"
    );
    assert_eq!(of("copy_back"), 0, "its disks are no files of a host");
    for step in &plan.steps {
        if let ActionSpec::Confirm { question, ask } = &step.action {
            assert!(
                question.contains("crm") && ask.len() == 1,
                "{question}: {ask:?}"
            );
        }
    }
}

#[test]
fn what_makes_room_is_one_step_and_comes_back_when_all_are_home() {
    let go = "  \"lab-*\": { recovery: { host: lee-esx1 }, role: expendable }
failover:
  - { phase: Make room, steps: [{ free_capacity: [\"lab-*\"] }] }
  - { phase: Go, for_each: vms, steps: [{ power_on: \"${vm}\" }] }
";
    let runbook = small(&[("db", "")], go);
    let plan = failover(&runbook);
    let free = step(&plan, "failover/make-room/-/free_capacity");
    assert_eq!(
        (free.risk, free.side),
        (Risk::Disruptive, SiteRole::Recovery)
    );
    assert_eq!(free.hosts, ["lee-esx1".into()]);
    assert_eq!(after(&plan, "failover/go/db/power_on"), [free.id.as_str()]);
    let home = |text: &str| {
        let runbook = small(&[("db", "")], &format!("{go}{text}"));
        let plan = make(&runbook, Section::Failback, Mode::Failback, &inputs(&[])).unwrap();
        walk(&plan)
    };
    let last = |walk: Vec<String>| walk.last().cloned().unwrap_or_default();
    assert_eq!(last(home("")), "-/return_capacity");
    let own = "failback: [{ phase: First, steps: [{ return_capacity: [\"lab-*\"] }] }]\n";
    let walked = home(own);
    assert_eq!(walked[0], "-/return_capacity");
    assert_eq!(
        last(walked),
        "db/unregister",
        "what is written stays as it is"
    );
}
