//! What failbacks leave of the failover that they take home: no rollback, and less to watch for. Pure.

use serde::{Deserialize, Serialize};

use super::event::Chapter;
use super::stage::{Move, Stage, Way};
use super::state::RunState;
use crate::names::{RunId, VmName, listed};

/// A failback that moved VMs of a run home, or began to. What stands of them at both sites is no
/// longer what the run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBy {
    /// The failback's run.
    pub by: RunId,
    /// The VMs that it takes home; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vms: Vec<VmName>,
}

impl TakenBy {
    /// Whether it takes this VM home.
    #[must_use]
    pub fn holds(&self, vm: &VmName) -> bool {
        self.vms.is_empty() || self.vms.contains(vm)
    }

    /// That it has them now, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let vms = match self.vms.as_slice() {
            [] => "its VMs".to_owned(),
            vms => listed(vms),
        };
        format!(
            "failback {} took {vms} home: what runs where is for that run to judge",
            self.by
        )
    }
}

/// What failbacks moved home of a run, or began to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenHome {
    /// The failbacks.
    pub by: Vec<TakenBy>,
    /// Those of them of whose commit something was done: nothing takes them back.
    pub committed: Vec<RunId>,
    /// Those of them that were rolled back and left something: a cleanup takes that away.
    pub left_over: Vec<RunId>,
    /// One that is open and has moved nothing yet.
    pub open: Option<RunId>,
    /// Every VM that the run started is in one of them: it has none left to watch.
    pub all: bool,
    /// Every one is in one whose steps were all done.
    pub whole: bool,
}

impl TakenHome {
    /// What a run's failbacks did, each with its state; `None` where none is open and they sent nothing,
    /// or all of it was taken back. Of a run that is not known itself, some of its VMs may be in none of
    /// them.
    #[must_use]
    pub fn of<'a>(
        run: Option<&RunState>,
        failbacks: impl IntoIterator<Item = (TakenBy, &'a RunState)>,
    ) -> Option<Self> {
        let (begun, idle): (Vec<_>, Vec<_>) = failbacks
            .into_iter()
            .partition(|(_, state)| has_begun(state));
        let mut idle = idle.into_iter();
        let open = idle.find(|(_, state)| state.finished.is_none());
        let open = open.map(|(taken, _)| taken.by);
        let (by, states): (Vec<TakenBy>, Vec<&RunState>) = begun.into_iter().unzip();
        let those = |are: fn(&RunState) -> bool| {
            let those = by.iter().zip(&states).filter(move |(_, state)| are(state));
            those.map(|(by, _)| by)
        };
        let runs = |are| those(are).map(|taken| taken.by.clone()).collect();
        let (committed, left_over) = (runs(is_committed), runs(has_left_over));
        let done: Vec<&TakenBy> = those(is_done).collect();
        let started = run.map(RunState::started);
        let all_in = |failbacks: &[&TakenBy]| {
            let is_in = |vm: &VmName| failbacks.iter().any(|taken| taken.holds(vm));
            !failbacks.is_empty() && started.as_ref().is_some_and(|vms| vms.iter().all(is_in))
        };
        let (all, whole) = (all_in(&by.iter().collect::<Vec<_>>()), all_in(&done));
        (!by.is_empty() || open.is_some()).then_some(Self {
            by,
            committed,
            left_over,
            open,
            all,
            whole,
        })
    }

    /// The failbacks' runs: `r3, r2`.
    #[must_use]
    pub fn runs(&self) -> String {
        let runs: Vec<&RunId> = self.by.iter().map(|taken| &taken.by).collect();
        listed(&runs)
    }

    /// What they did, of the run.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.open {
            Some(open) if self.by.is_empty() => {
                format!("failback {open} of it is open, and has moved nothing yet")
            }
            _ => {
                let part = if self.whole { "" } else { " in part" };
                format!("taken home{part} by failback {}", self.runs())
            }
        }
    }

    /// What is left to do for whoever wants to roll the run back.
    #[must_use]
    pub fn in_place_of_rollback(&self, run: &RunId) -> String {
        if let (Some(open), true) = (&self.open, self.by.is_empty()) {
            return format!(
                "end that one first, which would go on to take home what is then no longer there: lifeboat \
                 rollback {open}; or go on with it: lifeboat resume {open}"
            );
        }
        if !self.committed.is_empty() {
            let others = if self.all {
                String::new()
            } else {
                format!("take the others home, too (lifeboat failback {run}), or ")
            };
            return format!(
                "what failback {} took home is committed, and stays there: {others}commit this run: lifeboat commit {run}",
                listed(&self.committed)
            );
        }
        let back = |taken: &TakenBy| match self.left_over.contains(&taken.by) {
            true => format!("lifeboat cleanup {} (what its rollback left)", taken.by),
            false => format!("lifeboat rollback {}", taken.by),
        };
        let back: Vec<String> = self.by.iter().map(back).collect();
        format!(
            "take that back first, if that is what you want: {}",
            back.join(", then ")
        )
    }

    /// What is left to do for whoever would move the run's VMs home; `None` where some of them are not yet.
    #[must_use]
    pub fn in_place_of_moving(&self) -> Option<String> {
        let last = self.by.last().filter(|_| self.all)?;
        Some(format!(
            "nothing is left to be moved home: failback {} has its VMs; see how that stands: lifeboat report {}",
            self.runs(),
            last.by
        ))
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
    pub fn leaves(&self, ways: Vec<Way>) -> Vec<Way> {
        let is_left = |way: &Way| match way.to {
            Move::Close(Chapter::Rollback) => false,
            Move::Watch => !self.all,
            _ => true,
        };
        ways.into_iter().filter(is_left).collect()
    }
}

/// Whether a failback changed something that is not as before again, or found a VM at home that people
/// took there. A lock is no change: it is given back with the run.
fn has_begun(failback: &RunState) -> bool {
    let stage = Stage::of(failback);
    let undone = matches!(stage, Stage::RolledBack { residue: 0 } | Stage::Cleaned);
    let at_work = failback.was_worked_on(|_| true, |op| !failback.is_about_lock(op));
    !undone && (at_work || !failback.started().is_empty())
}

/// Whether its ending lets nobody take it back any more: a commit of which nothing was done can be left.
fn is_committed(failback: &RunState) -> bool {
    let stage = Stage::of(failback);
    stage.is_being_committed() || matches!(stage, Stage::Committed { .. })
}

/// Whether it was rolled back, and something of it is still there.
fn has_left_over(failback: &RunState) -> bool {
    matches!(
        Stage::of(failback),
        Stage::RolledBack { .. } | Stage::CleanupIncomplete { .. } | Stage::CleaningUp
    )
}

/// Whether all of its steps were done, and none is being taken back.
fn is_done(failback: &RunState) -> bool {
    let mut chapters = failback.chapters.iter();
    let undoing =
        failback.leavable().is_none() && chapters.any(|opened| opened.chapter == Chapter::Rollback);
    let done = failback.own_end.as_ref();
    !undoing && done.is_some_and(|(_, result)| result.is_clean())
}

#[cfg(test)]
mod tests;
