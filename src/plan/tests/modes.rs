//! What a mode and a selection leave of a runbook, and what they add.

use super::*;

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
