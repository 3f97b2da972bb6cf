//! How long there is to decide what becomes of a run that is over: a clock that does nothing by
//! itself. Pure.

use jiff::{SignedDuration, Timestamp};

use super::closing::agreed_at;
use super::event::Chapter;
use super::state::RunState;
use crate::runbook::model::Mode;

/// The time in which a run is to be committed or rolled back, from the end of its own steps on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitWindow {
    /// How long it is.
    pub within: SignedDuration,
    /// When it ends.
    pub until: Timestamp,
    /// When it was decided: somebody agreed to the commit, or the rollback began.
    pub decided: Option<Timestamp>,
}

impl CommitWindow {
    /// The window of a run that has one and whose own steps are settled.
    #[must_use]
    pub fn of(state: &RunState) -> Option<Self> {
        let info = state.info.as_ref()?;
        let moves = matches!(info.mode?, Mode::Failover | Mode::Planned | Mode::Failback);
        let within = info.commit_within_s.filter(|_| moves)?;
        let within = SignedDuration::from_secs(i64::try_from(within).ok()?);
        let (ended, _) = state.own_end.as_ref()?;
        let decided = state
            .chapters
            .iter()
            .find_map(|opened| match opened.chapter {
                // To open it only asks; it came to its end as well where somebody left the asking out.
                Chapter::Commit => {
                    let ended = opened.ended.as_ref().map(|(at, _)| *at);
                    agreed_at(Chapter::Commit, state).or(ended)
                }
                Chapter::Rollback => Some(opened.at),
                // It only follows a rollback.
                Chapter::Cleanup => None,
            });
        Some(Self {
            within,
            until: ended.checked_add(within).ok()?,
            decided,
        })
    }

    /// What is left of it; negative once it is over. `None`: it was decided.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<SignedDuration> {
        self.decided
            .is_none()
            .then(|| self.until.duration_since(now))
    }

    /// By how much the decision came after its end.
    #[must_use]
    pub fn late(&self) -> Option<SignedDuration> {
        let late = self.decided?.duration_since(self.until);
        late.is_positive().then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{RunEvent, RunInfo, RunResult};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn fold(mode: Mode, within: Option<u64>, then: &[(i64, RunEvent)]) -> RunState {
        let mut state = RunState::begun(RunInfo {
            mode: Some(mode),
            commit_within_s: within,
            ..RunInfo::default()
        });
        for (second, event) in then {
            state.tell_at(at(*second), None, event.clone());
        }
        state
    }

    fn ended() -> RunEvent {
        let result = RunResult::default();
        RunEvent::RunFinished { result }
    }

    fn opened(chapter: Chapter) -> RunEvent {
        let (by, plan) = ("alice".to_owned(), "f".to_owned());
        RunEvent::ChapterOpened {
            chapter,
            by,
            plan,
            keeping: None,
            despite: None,
        }
    }

    #[test]
    fn it_runs_from_the_end_of_the_steps_to_the_decision_and_past_its_end() {
        let over = [(100, ended())];
        let window = CommitWindow::of(&fold(Mode::Failover, Some(60), &over)).unwrap();
        assert_eq!(window.left(at(110)), Some(SignedDuration::from_secs(50)));
        assert_eq!(window.left(at(170)), Some(SignedDuration::from_secs(-10)));
        for (second, late) in [(150, None), (170, Some(SignedDuration::from_secs(10)))] {
            let decided = [over[0].clone(), (second, opened(Chapter::Rollback))];
            let window = CommitWindow::of(&fold(Mode::Failover, Some(60), &decided)).unwrap();
            assert_eq!((window.left(at(900)), window.late()), (None, late));
        }
    }

    #[test]
    fn a_commit_is_decided_once_somebody_agreed_to_it() {
        let asked = [(100, ended()), (110, opened(Chapter::Commit))];
        let mut state = fold(Mode::Failover, Some(60), &asked);
        let window = CommitWindow::of(&state).unwrap();
        assert_eq!(window.left(at(170)), Some(SignedDuration::from_secs(-10)));
        for event in [
            RunEvent::StepStarted,
            RunEvent::StepDone { evidence: vec![] },
        ] {
            state.tell_at(at(180), "commit/agree/-/agree", event);
        }
        let window = CommitWindow::of(&state).unwrap();
        assert_eq!(window.decided, Some(at(180)));
        assert_eq!(window.late(), Some(SignedDuration::from_secs(20)));
    }

    #[test]
    fn only_a_run_that_is_to_be_decided_has_one() {
        let over = [(100, ended())];
        let half_way = [(50, opened(Chapter::Rollback)), (100, ended())];
        for (mode, within, then, has) in [
            (Mode::Planned, Some(60), &over[..], true),
            (Mode::Failback, Some(60), &over, true),
            (Mode::Failover, None, &over, false),
            (Mode::Failover, Some(60), &[], false),
            (Mode::Failover, Some(60), &half_way, false),
            (Mode::Drill, Some(60), &over, false),
            (Mode::Practice, Some(60), &over, false),
            (Mode::Failover, Some(u64::MAX), &over, false),
        ] {
            let state = fold(mode, within, then);
            assert_eq!(
                CommitWindow::of(&state).is_some(),
                has,
                "{mode:?} {within:?}"
            );
        }
    }
}
