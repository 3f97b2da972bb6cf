use super::*;
use crate::engine::{Note, RunResult};
use crate::names::RunId;

#[test]
fn every_stage_that_is_not_the_end_names_the_next_move() {
    let run = RunId::from("r1");
    let next = |stage: Stage, mode| {
        let ways = stage.ways(&run, Some(mode));
        ways.first()
            .and_then(|way| way.command.split(' ').nth(1))
            .map(str::to_owned)
    };
    let due = |failed| Stage::CommitDue { failed, skipped: 0 };
    for (stage, mode, wanted) in [
        (Stage::Interrupted, Mode::Failover, Some("resume")),
        (due(0), Mode::Failover, Some("commit")),
        (Stage::RollingBack, Mode::Failover, Some("rollback")),
        (
            Stage::RolledBack { residue: 2 },
            Mode::Failover,
            Some("cleanup"),
        ),
        (Stage::RolledBack { residue: 0 }, Mode::Failover, None),
        (
            Stage::Committed { residue: 1 },
            Mode::Failover,
            Some("commit"),
        ),
        (Stage::CleanupDue, Mode::Drill, Some("cleanup")),
        (
            Stage::CleanupIncomplete { residue: 1 },
            Mode::Drill,
            Some("cleanup"),
        ),
        (Stage::FindingsDue, Mode::Drill, Some("cleanup")),
        (Stage::Closed { findings: 2 }, Mode::Drill, None),
        (Stage::Cleaned, Mode::Failover, None),
        (
            Stage::Finished {
                failed: 1,
                skipped: 0,
            },
            Mode::Practice,
            None,
        ),
    ] {
        let words = stage.words();
        assert_eq!(next(stage, mode).as_deref(), wanted, "{words}");
    }
    assert!(due(2).words().starts_with("partially recovered, 2 failed"));
    assert_eq!(
        Stage::CleanupIncomplete { residue: 1 }.words(),
        "cleanup incomplete, 1 thing is left"
    );
}

#[test]
fn a_drill_is_held_and_a_rehearsal_by_its_own_end() {
    let end = |failed| {
        let result = RunResult {
            failed,
            ..RunResult::default()
        };
        Some((Timestamp::UNIX_EPOCH, result))
    };
    let mut state = RunState {
        // Its cleanup ended well.
        finished: Some(RunResult::default()),
        finished_at: Some(Timestamp::MAX),
        ..RunState::default()
    };
    assert_eq!(state.rehearsed(), None, "cleaned up before its end");
    assert_eq!(state.drilled(), None);
    state.own_end = end(1);
    assert!(state.drilled().is_some(), "it was held");
    assert_eq!(state.rehearsed(), None, "a step failed");
    state.own_end = end(0);
    // Its cleanup is half done.
    state.finished = None;
    assert_eq!(state.rehearsed(), Some(Timestamp::UNIX_EPOCH));
    state.people.aborted = Some(Note {
        at: Timestamp::UNIX_EPOCH,
        by: "bob".to_owned(),
        text: "an alarm".to_owned(),
        step: None,
    });
    assert_eq!(
        (state.drilled(), state.rehearsed()),
        (None, None),
        "aborted"
    );
}
