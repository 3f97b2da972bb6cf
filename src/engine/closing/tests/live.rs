//! How a drill's disks get to serve a failover.

use super::*;
use crate::engine::Stage;

fn found(fact: Fact) -> RunEvent {
    RunEvent::FactFound(fact)
}

/// What the cleanup of sql01's drill tells, each by its step.
fn taken_down(state: &mut RunState) {
    for what in ["sql01 powered on", &format!("sql01 registered from {VMX}")] {
        let (host, what) = ("lee-esx1".into(), (*what).to_owned());
        let gone = Fact::Gone { host, what };
        state.tell("cleanup/take-down/sql01/stop", found(gone));
    }
    // What the drill's plan says of the protected site is nothing that a drill does.
    for what in ["sql01 stopped", "autostart entry of sql01, taken away"] {
        let (host, what) = ("lon-esx1".into(), what.to_owned());
        state.tell("-", found(Fact::Gone { host, what }));
    }
}

fn kept(state: &mut RunState) {
    let fact = Fact::DisksKept {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        folder: FOLDER.to_owned(),
    };
    let step = "cleanup/clear-away/sql01/keep_disks";
    state.tell(step, found(fact));
}

/// A drill of sql01 whose steps are over.
fn drilled() -> RunState {
    let mut state = half_way(Mode::Drill);
    run_on(&mut state);
    finish(&mut state);
    state
}

/// The same, cleaned up but for its disks.
fn cleaned_but_for_disks() -> RunState {
    let mut state = drilled();
    open(&mut state, Closing::KEEPING);
    taken_down(&mut state);
    kept(&mut state);
    finish(&mut state);
    state
}

#[test]
fn a_cleanup_that_keeps_the_disks_takes_down_all_else() {
    let state = drilled();
    let plan = closed(Closing::KEEPING, Mode::Drill, &state);
    let (keeping, plain) = (ids(&plan), closed(Chapter::Cleanup, Mode::Drill, &state));
    let instead = |id: &str| id.replace("remove_files", "keep_disks");
    let expected: Vec<String> = ids(&plain).into_iter().map(instead).collect();
    assert_eq!(keeping, expected);
    let keep = keeping
        .iter()
        .find(|id| id.ends_with("keep_disks"))
        .unwrap();
    assert!(is_closing_id(&runbook(), &(*keep).into()));
    assert_eq!(removed(&plan), None);
    assert_ne!(plan.fingerprint, plain.fingerprint);
}

#[test]
fn kept_disks_are_due_to_be_cleaned_up_until_a_second_cleanup_deletes_them() {
    let mut state = cleaned_but_for_disks();
    assert_eq!(Stage::of(&state), Stage::DisksKept { folders: 1 });
    let folders = kept_disks(&state);
    assert_eq!(folders.len(), 1);
    assert_eq!(
        (folders[0].vm.as_str(), folders[0].folder.as_str()),
        ("sql01", FOLDER)
    );
    let ways = Stage::of(&state).ways(&"r1".into(), Some(Mode::Drill));
    assert_eq!(ways[0].command, "lifeboat cleanup r1");
    assert_eq!(word(Closing::KEEPING, &state), "nothing");
    assert_eq!(word(Chapter::Cleanup, &state), "new");
    let plan = closed(Closing::KEEPING, Mode::Drill, &drilled());
    let again = closing_plan(Chapter::Cleanup, &runbook(), plan, &state);
    assert!(removed(&again).unwrap().made, "{:?}", ids(&again));
    open(&mut state, Chapter::Cleanup);
    assert_eq!(Stage::of(&state), Stage::BegunAgain(Chapter::Cleanup));
    assert_eq!(kept_disks(&state), [], "they may be going");
    finish(&mut state);
    assert_eq!(Stage::of(&state), Stage::CleanupIncomplete { residue: 2 });
    for what in [format!("folder {FOLDER}"), format!("file {VMX}")] {
        let host = "lee-esx1".into();
        state.tell("-", found(Fact::Gone { host, what }));
    }
    assert_eq!(Stage::of(&state), Stage::FindingsDue);
    assert_eq!(word(Closing::KEEPING, &state), "refused");
}

#[test]
fn what_else_is_left_keeps_a_drill_from_serving_a_failover() {
    let mut state = drilled();
    open(&mut state, Closing::KEEPING);
    kept(&mut state);
    assert_eq!(kept_disks(&state), [], "it is under way");
    finish(&mut state);
    let incomplete = matches!(Stage::of(&state), Stage::CleanupIncomplete { .. });
    assert!(incomplete, "{:?}", Stage::of(&state));
    assert_eq!(kept_disks(&state), [], "a VM is registered from there");
    assert_eq!(word(Closing::KEEPING, &state), "new");
}

#[test]
fn only_the_disks_of_a_drill_are_kept_and_not_those_of_a_cleanup_that_removes_them() {
    assert_eq!(word(Closing::KEEPING, &half_way(Mode::Failover)), "refused");
    assert_eq!(word(Closing::KEEPING, &started(Mode::Drill)), "refused");
    let mut state = drilled();
    open(&mut state, Chapter::Cleanup);
    assert_eq!(word(Closing::KEEPING, &state), "after leaving");
    sent(
        &mut state,
        "cleanup/take-down/sql01/stop",
        "vim-cmd vmsvc/power.off 7",
    );
    assert_eq!(word(Closing::KEEPING, &state), "refused");
    // The other way about: what was begun is ended first, and then the disks can be deleted.
    let mut state = drilled();
    open(&mut state, Closing::KEEPING);
    assert_eq!(word(Chapter::Cleanup, &state), "go on");
}

#[test]
fn the_commands_of_the_real_thing_are_as_a_shell_takes_them() {
    let told = |mut state: RunState| {
        let info = state.info.as_mut().unwrap();
        info.runbook_path = "/srv/run books/site.yaml".to_owned();
        let told = going_live(&"r1".into(), &state);
        told.unwrap().split_once(": ").unwrap().1.to_owned()
    };
    let live = "lifeboat run '/srv/run books/site.yaml' --from-drill r1";
    let first = "lifeboat cleanup r1 --keep-disks, then ";
    assert_eq!(told(drilled()), format!("{first}{live}"));
    assert_eq!(told(cleaned_but_for_disks()), live);
}
