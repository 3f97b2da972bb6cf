//! What goes on by itself, and how much at a time.

use super::*;

#[test]
fn pace_auto_goes_on_alone_up_to_the_caps_and_waits_at_gates() {
    let plan = {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[], &[], &[], &[], &[]]));
        plan.steps[1].gate = true;
        for step in &mut plan.steps[2..] {
            step.transfer = true;
        }
        Arc::new(plan)
    };
    let (mut engine, first) = started(&plan);
    let auto = OperatorInput::SetPace {
        pace: Pace::Auto,
        by: "alice".to_owned(),
    };
    let effects = engine.handle(at(1), Input::Operator(auto));
    let probes = names(&effects)
        .iter()
        .filter(|name| name.starts_with("PROBE"))
        .count();
    assert_eq!(
        probes,
        3,
        "the gate and two transfers: {:?}",
        names(&effects)
    );
    let effects = engine.handle(at(2), probed(&first, 1, Ok(needed())));
    assert_eq!(
        names(&effects),
        ["probe-answered", "step-confirmed", "START 1"]
    );
    let gate = plan.steps[1].id.clone();
    let effects = engine.handle(at(3), probed(&gate, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"]);
}

#[test]
fn a_person_who_takes_up_a_headless_run_is_shown_each_step() {
    let plan = plan(&[&[]]);
    let headless = Settings {
        headless: true,
        ..Settings::default()
    };
    let mut alone = Engine::new(Arc::clone(&plan), RunState::default(), headless);
    let mut info = info();
    info.headless = true;
    let _ = alone.handle(at(0), Input::Start(info));
    assert_eq!(alone.state().pace, Pace::Auto);
    let state = alone.state().clone();
    let mut engine = Engine::new(Arc::clone(&plan), state, Settings::default());
    let resumed = Input::Resume {
        operator: "alice".to_owned(),
        console: "c".to_owned(),
        clock_back_s: None,
        with: Vec::new(),
    };
    let _ = engine.handle(at(1), resumed);
    assert_eq!(engine.state().pace, Pace::Step);
}

#[test]
fn hosts_and_datastores_get_as_much_at_a_time_as_the_runbook_says() {
    let probes_with = |settings| {
        let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[], &[], &[], &[], &[], &[]]));
        for step in &mut plan.steps[4..] {
            step.transfer = true;
            step.datastore = Some("shared".to_owned());
        }
        let (mut engine, _) = started_with(&Arc::new(plan), settings);
        let auto = OperatorInput::SetPace {
            pace: Pace::Auto,
            by: "alice".to_owned(),
        };
        let effects = engine.handle(at(1), Input::Operator(auto));
        let names = names(&effects);
        let probes = names.iter().filter(|name| name.starts_with("PROBE"));
        probes.count()
    };
    let at_once = |transfers, steps| Settings {
        at_once: BTreeMap::from([("esx".into(), AtOnce { transfers, steps })]),
        ..Settings::default()
    };
    // The first step was begun before.
    assert_eq!(probes_with(at_once(1, 2)), 1 + 1);
    assert_eq!(probes_with(at_once(3, 1)), 3);
    assert_eq!(probes_with(at_once(8, 8)), 6);
    let onto = |side| Settings {
        transfers_onto: BTreeMap::from([((side, "shared".to_owned()), 1)]),
        ..at_once(3, 1)
    };
    assert_eq!(probes_with(onto(SiteRole::Recovery)), 1);
    assert_eq!(probes_with(onto(SiteRole::Protected)), 3, "another site's");
}

#[test]
fn in_a_drill_one_step_at_a_time_makes_a_hosts_networks() {
    let mut drill = plan(&[&[], &[], &[]]);
    let plan = Arc::make_mut(&mut drill);
    for (index, step) in plan.steps.iter_mut().enumerate() {
        let vm = crate::names::VmName::from(format!("vm{index}"));
        step.action = match index {
            2 => ActionSpec::Network { vm },
            _ => ActionSpec::Fence { vm },
        };
    }
    let begun = |mode| {
        let mut plan = (*drill).clone();
        plan.mode = mode;
        let mut engine = engine(&Arc::new(plan));
        let auto = OperatorInput::SetPace {
            pace: crate::engine::Pace::Auto,
            by: "alice".to_owned(),
        };
        let _ = engine.handle(at(0), Input::Start(info()));
        let _ = engine.handle(at(1), Input::Operator(auto));
        let steps = engine.state().steps.values();
        steps.filter(|step| step.status.is_active()).count()
    };
    assert_eq!(begun(Mode::Failover), 3);
    assert_eq!(begun(Mode::Drill), 1);
}

#[test]
fn nothing_starts_while_a_shell_is_open_and_its_step_then_waits_for_a_person() {
    let plan = plan(&[&[], &[]]);
    let (first, other) = (plan.steps[0].id.clone(), plan.steps[1].id.clone());
    let mut engine = engine(&plan);
    let _ = engine.handle(at(0), Input::Start(info()));
    let people = |input| Input::Operator(OperatorInput::People(input));
    let by = || "alice".to_owned();
    let pace = crate::engine::Pace::Auto;
    let auto = OperatorInput::SetPace { pace, by: by() };
    let _ = engine.handle(at(1), Input::Operator(auto));
    let down = Fault::new("no answer", "esx", "", "");
    let _ = engine.handle(at(2), probed(&first, 1, Ok(needed())));
    let failed = Input::Performed {
        step: first.clone(),
        attempt: Attempt(1),
        result: Performed::Failed(down),
    };
    let _ = engine.handle(at(3), failed);
    assert_eq!(engine.state().status(&first), Status::Failed);
    let open = |reason: &str| PeopleInput::OpenShell {
        step: first.clone(),
        host: "esx".into(),
        by: by(),
        reason: reason.to_owned(),
    };
    assert!(
        engine.handle(at(4), people(open(" "))).is_empty(),
        "no reason"
    );
    let effects = engine.handle(at(4), people(open("look")));
    assert_eq!(names(&effects), ["shell-opened"]);
    assert!(engine.handle(at(4), people(open("twice"))).is_empty());
    // What was under way goes on; what it leads to waits.
    let effects = engine.handle(at(5), probed(&other, 1, Ok(needed())));
    assert_eq!(names(&effects), ["probe-answered"]);
    let effects = engine.handle(at(6), people(PeopleInput::CloseShell { by: by() }));
    assert_eq!(
        names(&effects)[..2],
        ["shell-closed".to_owned(), "step-retried".to_owned()]
    );
    assert_eq!(engine.state().status(&other), Status::Running, "by pace");
    let _ = engine.handle(at(7), probed(&first, 2, Ok(needed())));
    assert_eq!(
        engine.state().status(&first),
        Status::Asking,
        "for a person"
    );
    let effects = engine.handle(at(8), confirm(&first, 2));
    assert_eq!(names(&effects), ["step-confirmed", "START 2"]);
}
