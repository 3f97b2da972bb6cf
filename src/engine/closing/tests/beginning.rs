//! Which ending a run can be given, and how one that was begun is left again.

use super::*;

/// In the order commit, rollback, cleanup.
fn words(state: &RunState) -> [&'static str; 3] {
    [Chapter::Commit, Chapter::Rollback, Chapter::Cleanup].map(|chapter| word(chapter, state))
}

#[test]
fn a_run_can_be_ended_in_one_way_and_only_when_it_may_be() {
    let mut state = half_way(Mode::Failover);
    assert_eq!(words(&state), ["refused", "new", "refused"], "half-way");
    finish(&mut state);
    assert_eq!(words(&state), ["new", "new", "refused"], "finished");
    let mut rolled = state.clone();
    open(&mut rolled, Chapter::Rollback);
    assert_eq!(
        words(&rolled),
        ["after leaving", "go on", "refused"],
        "rollback begun"
    );
    let Opening::Refused(_, next) = opening(Chapter::Cleanup, &"r1".into(), &rolled) else {
        panic!("it is begun");
    };
    assert!(next.ends_with("lifeboat rollback --leave r1"), "{next}");
    sent(&mut rolled, "rollback/take-down/sql01/stop", "power.off");
    assert_eq!(
        words(&rolled),
        ["refused", "go on", "refused"],
        "rolling back"
    );
    finish(&mut rolled);
    assert_eq!(
        words(&rolled),
        ["refused", "nothing", "new"],
        "rolled back with residue"
    );
    let mut committed = state;
    open(&mut committed, Chapter::Commit);
    finish(&mut committed);
    assert_eq!(
        words(&committed),
        ["nothing", "refused", "refused"],
        "committed"
    );
    let mut drill = half_way(Mode::Drill);
    assert_eq!(words(&drill), ["refused", "refused", "new"], "a drill");
    open(&mut drill, Chapter::Cleanup);
    finish(&mut drill);
    assert_eq!(words(&drill)[2], "new", "residue is tried again");
    let mut clean = started(Mode::Drill);
    open(&mut clean, Chapter::Cleanup);
    finish(&mut clean);
    assert_eq!(words(&clean)[2], "findings", "before it is closed");
    let stated = RunEvent::FindingsStated {
        by: "alice".to_owned(),
        findings: Vec::new(),
        unstated: Vec::new(),
    };
    clean.tell("-", stated);
    assert_eq!(words(&clean)[2], "nothing");
    assert_eq!(words(&half_way(Mode::Practice)), ["refused"; 3]);
}

fn leave(state: &mut RunState, chapter: Chapter) {
    let left = RunEvent::ChapterLeft {
        chapter,
        by: "bob".to_owned(),
        reason: "its owner is against it".to_owned(),
        result: state.settled_before(),
    };
    state.tell("-", left);
}

#[test]
fn an_ending_of_which_nothing_was_done_is_left_as_if_it_had_not_begun() {
    let agree = "commit/agree/-/agree";
    let mut state = half_way(Mode::Failover);
    finish(&mut state);
    let before = (words(&state), Stage::of(&state));
    open(&mut state, Chapter::Commit);
    assert_eq!(words(&state), ["go on", "after leaving", "refused"]);
    assert_eq!(Stage::of(&state), Stage::Begun(Chapter::Commit));
    // Agreed to, and what it would have deleted was not asked to go.
    state.tell(agree, RunEvent::StepStarted);
    state.tell(agree, RunEvent::StepDone { evidence: vec![] });
    let never = "commit/clear-away/sql01/remove_originals";
    let op = OpId(state.last_seq);
    sent(&mut state, never, "rm");
    assert_eq!(words(&state)[1], "refused", "it may have left");
    let why = "the link was down".to_owned();
    state.tell(never, RunEvent::WriteNotSent { op, why });
    leave(&mut state, Chapter::Commit);
    assert_eq!((words(&state), Stage::of(&state)), before);
    assert!(state.finished.is_some() && state.chapter().is_none());
    let again = closed(Chapter::Commit, Mode::Failover, &state);
    let asks = &again.open_steps()[0].id;
    assert_eq!(
        (asks.as_str(), state.status(asks)),
        (agree, Status::Waiting)
    );
}

#[test]
fn a_rollback_begun_too_early_is_left_and_the_run_goes_on() {
    let mut state = half_way(Mode::Failover);
    open(&mut state, Chapter::Rollback);
    let mut by_hand = state.clone();
    leave(&mut state, Chapter::Rollback);
    assert_eq!(Stage::of(&state), Stage::Unfinished);
    assert_eq!(words(&state), ["refused", "new", "refused"], "half-way");
    let (by, evidence) = ("bob".to_owned(), "off at its console".to_owned());
    let stop = "rollback/take-down/sql01/stop";
    by_hand.tell(stop, RunEvent::StepByHand { by, evidence });
    assert_eq!(by_hand.leavable(), None, "somebody stopped a VM");
    let by = "bob".to_owned();
    by_hand.tell(stop, RunEvent::StepRetried { by });
    by_hand.tell(stop, RunEvent::StepAlreadyDone { evidence: vec![] });
    assert_eq!(by_hand.leavable(), None, "and it stays stopped");
    let mut looked = half_way(Mode::Failover);
    open(&mut looked, Chapter::Rollback);
    let opened = RunEvent::ShellOpened {
        host: "lee-esx1".into(),
        by: "bob".to_owned(),
        reason: "to see why it does not stop".to_owned(),
    };
    looked.tell(stop, opened);
    let by = "bob".to_owned();
    looked.tell(stop, RunEvent::ShellClosed { by });
    assert_eq!(looked.leavable(), None, "somebody was on a host");
    let confirmed = Confirmation::plain("alice", Consent::Person);
    let confirmed = RunEvent::StepConfirmed(Box::new(confirmed));
    looked.tell(stop, confirmed);
    assert_eq!(looked.leavable(), None, "whatever was confirmed since");
}

#[test]
fn what_is_begun_again_for_what_was_left_can_be_left_and_keeps_what_was_done_before() {
    for (mode, chapter) in [
        (Mode::Drill, Chapter::Cleanup),
        (Mode::Failover, Chapter::Commit),
    ] {
        let mut state = half_way(mode);
        finish(&mut state);
        open(&mut state, chapter);
        let first = format!("{chapter}/clear-away/sql01/remove_files");
        let (by, evidence) = ("bob".to_owned(), "removed at its console".to_owned());
        sent(&mut state, &first, "rm");
        state.tell(first.as_str(), RunEvent::StepByHand { by, evidence });
        finish(&mut state);
        let before = (words(&state), Stage::of(&state), state.finished.clone());
        open(&mut state, chapter);
        assert_eq!(Stage::of(&state), Stage::BegunAgain(chapter));
        let ways = Stage::of(&state).ways(&"r1".into(), Some(mode));
        let ways: Vec<String> = ways.into_iter().map(|way| way.command).collect();
        let (again, left) = (
            format!("lifeboat {chapter} r1"),
            format!("lifeboat {chapter} --leave r1"),
        );
        assert_eq!(ways, [again, left], "nothing takes it back");
        let second = format!("{first}.2");
        state.tell(second.as_str(), RunEvent::StepStarted);
        let mut done = state.clone();
        leave(&mut state, chapter);
        let now = (words(&state), Stage::of(&state), state.finished.clone());
        assert_eq!(now, before);
        assert_eq!(state.status(&first.as_str().into()), Status::ByHand);
        assert_eq!(state.status(&second.as_str().into()), Status::Waiting);
        sent(&mut done, &second, "rm");
        assert_eq!(done.leavable(), None, "its own command may have left");
    }
}

#[test]
fn a_rollback_left_once_is_begun_and_left_again() {
    let mut state = half_way(Mode::Failover);
    let before = Stage::Unfinished;
    for _ in 0..2 {
        open(&mut state, Chapter::Rollback);
        state.tell("rollback/take-down/sql01/stop", RunEvent::StepStarted);
        assert_eq!(Stage::of(&state), Stage::Begun(Chapter::Rollback));
        leave(&mut state, Chapter::Rollback);
        assert_eq!(Stage::of(&state), before);
    }
}

#[test]
fn the_cleanup_of_an_aborted_drill_is_left_until_it_is_due_again() {
    let mut state = half_way(Mode::Drill);
    let (by, why) = ("bob".to_owned(), "an alarm".to_owned());
    state.tell("-", RunEvent::DrillAborted { by, why });
    open(&mut state, Chapter::Cleanup);
    assert_eq!(Stage::of(&state), Stage::Begun(Chapter::Cleanup));
    leave(&mut state, Chapter::Cleanup);
    assert_eq!(Stage::of(&state), Stage::CleanupDue);
    assert_eq!(words(&state), ["refused", "refused", "new"]);
}

#[test]
fn a_split_is_no_reason_against_a_commit_once_a_failback_has_its_vm() {
    let mut state = half_way(Mode::Failover);
    finish(&mut state);
    let split = Fact::SplitBrain {
        vm: "sql01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    };
    state.tell("-", RunEvent::FactFound(split));
    assert_eq!(word(Chapter::Commit, &state), "refused");
    for (vm, said) in [("app01", "refused"), ("sql01", "new")] {
        state.take_home(&TakenBy {
            by: "r2".into(),
            vms: vec![vm.into()],
        });
        assert_eq!(word(Chapter::Commit, &state), said, "{vm}");
    }
}

#[test]
fn a_split_seen_over_a_rollback_that_was_only_begun_names_both_ways_out() {
    let mut state = half_way(Mode::Failover);
    open(&mut state, Chapter::Rollback);
    let split = Fact::SplitBrain {
        vm: "sql01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    };
    state.tell("-", RunEvent::FactFound(split));
    let commands = |state: &RunState| -> Vec<String> {
        let ways = Stage::of(state).ways(&"r1".into(), Some(Mode::Failover));
        ways.into_iter().map(|way| way.command).collect()
    };
    assert_eq!(
        commands(&state),
        [
            "lifeboat rollback r1",
            "lifeboat watch --hosts r1",
            "lifeboat rollback --leave r1"
        ]
    );
    assert_eq!(word(Chapter::Rollback, &state), "go on");
    let mut under_way = state.clone();
    sent(&mut under_way, "rollback/take-down/sql01/stop", "power.off");
    assert_eq!(commands(&under_way), ["lifeboat rollback r1"]);
    assert!(Stage::of(&under_way).is_split() && !Stage::of(&under_way).is_walked());
    leave(&mut state, Chapter::Rollback);
    assert!(Stage::of(&state).is_walked(), "its fence asks again");
}

#[test]
fn a_commit_that_was_left_does_not_go_on_over_a_split() {
    let mut state = half_way(Mode::Failover);
    finish(&mut state);
    let mut before = state.clone();
    open(&mut state, Chapter::Commit);
    assert_eq!(word(Chapter::Commit, &state), "go on");
    let found = |fact| RunEvent::FactFound(fact);
    let split = Fact::SplitBrain {
        vm: "sql01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    };
    state.tell("-", found(split.clone()));
    let run = "r1".into();
    let stage = Stage::of(&state);
    assert!(stage.is_split() && !stage.is_being_committed(), "{stage:?}");
    assert!(!stage.can_be_resumed());
    assert_eq!(word(Chapter::Rollback, &state), "after leaving");
    let ways = stage.ways(&run, Some(Mode::Failover)).into_iter();
    let ways: Vec<String> = ways.map(|way| way.with(" --state d").command).collect();
    assert_eq!(
        ways,
        [
            "lifeboat watch --hosts r1 --state d",
            "lifeboat rollback r1 --state d",
            "lifeboat commit --leave r1 --state d",
        ]
    );
    sent(&mut state, "commit/clear-away/sql01/remove_originals", "rm");
    let stage = Stage::of(&state);
    assert!(stage.is_split() && stage.is_being_committed(), "{stage:?}");
    let ways = stage.ways(&run, Some(Mode::Failover));
    assert_eq!(ways[0].command, "lifeboat watch --hosts r1");
    before.tell("-", found(split));
    let waits = |chapter, state: &RunState| match opening(chapter, &run, state) {
        Opening::Refused(_, next) => next.contains("watch --hosts r1"),
        _ => false,
    };
    for chapter in [Chapter::Commit, Chapter::Rollback, Chapter::Cleanup] {
        assert!(waits(chapter, &state), "{chapter} while it is committed");
        let is_way_out = chapter == Chapter::Rollback;
        assert_ne!(waits(chapter, &before), is_way_out, "{chapter} before");
    }
    let (vm, how) = ("sql01".into(), "seen".to_owned());
    state.tell("-", found(Fact::SplitBrainEnded { vm, how }));
    assert_eq!(word(Chapter::Commit, &state), "go on");
}
