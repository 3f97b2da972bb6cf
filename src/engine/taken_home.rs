//! What a failback leaves of the failover that it takes home: no rollback, and nothing to watch for. Pure.

use super::event::Chapter;
use super::stage::{Move, Stage, Way};
use super::state::RunState;
use crate::names::RunId;

/// The failback that moved a run's VMs home, or began to. What stands at both sites is no longer what
/// the run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenHome {
    /// The failback's run.
    pub by: RunId,
    /// All of its steps were done.
    pub whole: bool,
}

impl TakenHome {
    /// What a failback did; `None` where it sent nothing, or all of it was taken back.
    #[must_use]
    pub fn of(failback: &RunId, state: &RunState) -> Option<Self> {
        let stage = Stage::of(state);
        let undone = matches!(stage, Stage::RolledBack { residue: 0 } | Stage::Cleaned);
        let done = state.own_end.as_ref();
        let undoing = state.leavable().is_none()
            && state
                .chapters
                .iter()
                .any(|opened| opened.chapter == Chapter::Rollback);
        (!undone && !state.ops.is_empty()).then(|| Self {
            by: failback.clone(),
            whole: !undoing && done.is_some_and(|(_, result)| result.is_clean()),
        })
    }

    /// What it did, of the run.
    #[must_use]
    pub fn words(&self) -> String {
        let part = if self.whole { "" } else { " in part" };
        format!("taken home{part} by failback {}", self.by)
    }

    /// Where the run stands with that.
    #[must_use]
    pub fn stands(&self, stage: &Stage) -> String {
        let taken = self.words();
        match *stage {
            // No rollback is left, and so nothing to decide by a time.
            Stage::CommitDue { failed, skipped } => {
                let ended = Stage::Finished { failed, skipped }.words();
                format!("{ended}; {taken}: it can be committed, and not rolled back")
            }
            _ => format!("{}; {taken}", stage.words()),
        }
    }

    /// The ways on that are left: those that are not refused.
    #[must_use]
    pub fn leaves(ways: Vec<Way>) -> Vec<Way> {
        let refused = [Move::Close(Chapter::Rollback), Move::Watch];
        let left = ways.into_iter().filter(|way| !refused.contains(&way.to));
        left.collect()
    }
}
