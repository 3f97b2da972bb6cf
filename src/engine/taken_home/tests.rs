use super::*;
use crate::engine::{Fact, RunEvent, RunResult, StopOutcome};
use crate::names::OpId;

fn run(events: Vec<RunEvent>) -> RunState {
    run_of(None, events)
}

fn run_of(step: Option<&str>, events: Vec<RunEvent>) -> RunState {
    let mut state = RunState::default();
    for event in events {
        state.tell(step, event);
    }
    state
}

fn intended(op: u64, command: &str) -> RunEvent {
    RunEvent::WriteIntended {
        op: OpId(op),
        host: "lon-esx1".into(),
        command: command.to_owned(),
        bulk: false,
    }
}

fn finished(failed: usize) -> RunEvent {
    let result = RunResult {
        failed,
        ..RunResult::default()
    };
    RunEvent::RunFinished { result }
}

fn failover(vms: &[&str]) -> RunState {
    let on = |vm: &&str| {
        RunEvent::FactFound(Fact::PoweredOn {
            vm: (*vm).into(),
            host: "lee-esx1".into(),
        })
    };
    run(vms.iter().map(on).chain([finished(0)]).collect())
}

fn of(by: &str, vms: &[&str]) -> TakenBy {
    TakenBy {
        by: by.into(),
        vms: vms.iter().map(|vm| (*vm).into()).collect(),
    }
}

#[test]
fn a_failback_that_touched_no_vm_took_nothing_home() {
    let out = failover(&["sql01"]);
    let has_taken = |events| {
        let home = TakenHome::of(Some(&out), [(of("r2", &[]), &run(events))]);
        home.is_some_and(|home| !home.by.is_empty())
    };
    let lock = || {
        RunEvent::FactFound(Fact::LockWanted {
            vm: None,
            host: "lon-esx1".into(),
            path: "/vmfs/volumes/u/.lifeboat-lock".to_owned(),
        })
    };
    let locked = || intended(1, "mkdir /vmfs/volumes/u/.lifeboat-lock");
    let moved = || intended(2, "mv /vmfs/volumes/u/sql01 /vmfs/volumes/u/old");
    let never = RunEvent::LostStopped {
        op: OpId(2),
        outcome: StopOutcome::NeverSent,
    };
    let not_sent = RunEvent::WriteNotSent {
        op: OpId(2),
        why: "left".to_owned(),
    };
    assert!(!has_taken(vec![lock(), locked()]));
    for never in [never, not_sent] {
        assert!(!has_taken(vec![lock(), locked(), moved(), never]));
    }
    assert!(has_taken(vec![lock(), locked(), moved()]));
}

/// The backup's tool brought the files, somebody registered and started it.
#[test]
fn a_failback_by_which_people_took_a_vm_home_took_it() {
    let out = failover(&["sql01"]);
    let has_taken = |events| {
        let failback = run_of(Some("failback/go-home/sql01/power_on"), events);
        let home = TakenHome::of(Some(&out), [(of("r2", &[]), &failback)]);
        home.is_some_and(|home| !home.by.is_empty())
    };
    let by_hand = RunEvent::StepByHand {
        by: "alice".to_owned(),
        evidence: "started in the host client".to_owned(),
    };
    let shell = RunEvent::ShellOpened {
        host: "lon-esx1".into(),
        by: "alice".to_owned(),
        reason: "its files".to_owned(),
    };
    let found_on = RunEvent::FactFound(Fact::PoweredOn {
        vm: "sql01".into(),
        host: "lon-esx1".into(),
    });
    assert!(!has_taken(vec![RunEvent::StepStarted]));
    for did in [by_hand, shell, found_on] {
        assert!(
            has_taken(vec![RunEvent::StepStarted, did.clone()]),
            "{did:?}"
        );
    }
}

#[test]
fn what_is_committed_is_not_to_be_taken_back_first() {
    let out = failover(&["sql01", "web01"]);
    let moved = || vec![intended(1, "mv a b"), finished(0)];
    let opened = RunEvent::ChapterOpened {
        chapter: Chapter::Commit,
        by: "alice".to_owned(),
        plan: "f".to_owned(),
        keeping: None,
        despite: None,
    };
    let (stands, begun) = (run(moved()), run([moved(), vec![opened.clone()]].concat()));
    let committed = run([moved(), vec![opened, finished(0)]].concat());
    let next = |failbacks: Vec<(TakenBy, &RunState)>| {
        let home = TakenHome::of(Some(&out), failbacks).unwrap();
        home.in_place_of_rollback(&"r1".into())
    };
    let back = next(vec![(of("r2", &["web01"]), &stands)]);
    assert!(back.ends_with("lifeboat rollback r2"), "{back}");
    // A commit of which nothing was done is left with the rollback.
    let left = next(vec![(of("r2", &["web01"]), &begun)]);
    assert_eq!(left, back);
    let part = next(vec![(of("r2", &["web01"]), &committed)]);
    assert!(
        !part.contains("rollback")
            && part.contains("lifeboat failback r1")
            && part.ends_with("lifeboat commit r1"),
        "{part}"
    );
    let sql = (of("r3", &["sql01"]), &stands);
    let all = next(vec![sql, (of("r2", &["web01"]), &committed)]);
    assert!(
        !all.contains("rollback") && !all.contains("lifeboat failback"),
        "{all}"
    );
    // Nothing is in none of them: what one has not finished is for it to finish.
    let failed = run(vec![intended(1, "mv a b"), finished(1)]);
    let sql = (of("r3", &["sql01"]), &failed);
    let all = next(vec![sql, (of("r2", &["web01"]), &committed)]);
    assert!(!all.contains("the others"), "{all}");
}

#[test]
fn what_a_rollback_left_is_for_a_cleanup_to_take_away() {
    let out = failover(&["sql01"]);
    let made = RunEvent::FactFound(Fact::FolderMade {
        host: "lon-esx1".into(),
        path: "/vmfs/volumes/u/new".to_owned(),
    });
    let opened = |chapter| RunEvent::ChapterOpened {
        chapter,
        by: "alice".to_owned(),
        plan: "f".to_owned(),
        keeping: None,
        despite: None,
    };
    let moved = vec![intended(1, "mv a b"), made, finished(0)];
    let rolled = [moved, vec![opened(Chapter::Rollback), finished(0)]].concat();
    let cleaning = [&rolled[..], &[opened(Chapter::Cleanup)]].concat();
    let again = [&cleaning[..], &[finished(1)]].concat();
    for events in [rolled, again] {
        let back = run(events);
        let home = TakenHome::of(Some(&out), [(of("r2", &[]), &back)]).unwrap();
        let next = home.in_place_of_rollback(&"r1".into());
        assert!(
            next.contains("lifeboat cleanup r2") && !next.contains("lifeboat rollback"),
            "{next}"
        );
    }
}

#[test]
fn one_that_is_open_and_idle_keeps_the_run_from_a_rollback_and_is_named() {
    let out = failover(&["sql01"]);
    let idle = run(Vec::new());
    let home = TakenHome::of(Some(&out), [(of("r2", &[]), &idle)]).unwrap();
    assert_eq!((home.open.clone(), home.all), (Some("r2".into()), false));
    let due = Stage::CommitDue {
        failed: 0,
        skipped: 0,
    };
    assert!(home.stands(&due).contains("failback r2 of it is open"));
    let left = home.leaves(due.ways(&"r1".into(), None));
    let back = Move::Close(Chapter::Rollback);
    assert!(left.iter().all(|way| way.to != back), "{left:?}");
    let next = home.in_place_of_rollback(&"r1".into());
    assert!(next.contains("lifeboat resume r2"), "{next}");
}

#[test]
fn failbacks_add_up_and_a_vm_in_none_of_them_is_left() {
    let out = failover(&["app01", "sql01", "web01"]);
    let done = run(vec![intended(1, "mv a b"), finished(0)]);
    let failed = run(vec![intended(1, "mv a b"), finished(1)]);
    let taken = |failbacks: &[(TakenBy, &RunState)]| {
        let home = TakenHome::of(Some(&out), failbacks.to_vec()).unwrap();
        (home.all, home.whole, home.by.len())
    };
    let web = || (of("r2", &["web01"]), &done);
    let others = ["sql01", "app01"];
    assert_eq!(taken(&[web()]), (false, false, 1));
    let half = [(of("r3", &others), &failed), web()];
    assert_eq!(taken(&half), (true, false, 2));
    // What failed once was done by another one.
    let again = [&[(of("r4", &others), &done)][..], &half].concat();
    assert_eq!(taken(&again), (true, true, 3));
    assert_eq!(taken(&[(of("r2", &[]), &done)]), (true, true, 1));
    let idle = run(vec![finished(0)]);
    assert_eq!(
        taken(&[(of("r3", &others), &idle), web()]),
        (false, false, 1)
    );
    assert!(TakenHome::of(Some(&out), [(of("r3", &others), &idle)]).is_none());
}

#[test]
fn while_a_vm_is_left_the_hosts_are_watched_and_it_can_be_moved_home() {
    let ways = |all| {
        let due = Stage::CommitDue {
            failed: 0,
            skipped: 0,
        };
        let home = TakenHome {
            by: vec![of("r2", &["web01"])],
            all,
            whole: all,
            ..TakenHome::default()
        };
        let left = home.leaves(due.ways(&"r1".into(), None));
        left.into_iter().map(|way| way.to).collect::<Vec<_>>()
    };
    let moving = |all| {
        let home = TakenHome {
            by: vec![of("r2", &["web01"])],
            all,
            ..TakenHome::default()
        };
        home.in_place_of_moving()
    };
    assert_eq!(moving(false), None);
    let next = moving(true).unwrap();
    assert!(
        next.starts_with("nothing is left to be moved home")
            && next.ends_with("lifeboat report r2"),
        "{next}"
    );
    let commit = Move::Close(Chapter::Commit);
    assert_eq!(ways(true), [commit]);
    assert_eq!(ways(false), [commit, Move::Watch]);
}

#[test]
fn a_journal_that_names_no_vms_means_all() {
    let old = r#"{"fact":"taken-home","by":"r2"}"#;
    let fact: Fact = serde_json::from_str(old).unwrap();
    assert_eq!(fact, Fact::TakenHome(of("r2", &[])));
    assert_eq!(serde_json::to_string(&fact).unwrap(), old);
    let part = Fact::TakenHome(of("r2", &["web01"]));
    let new = serde_json::to_string(&part).unwrap();
    assert_eq!(serde_json::from_str::<Fact>(&new).unwrap(), part);
}
