//! What a step is: its verb's risk, hosts and words, its id, what the runbook says otherwise.

use super::*;

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
