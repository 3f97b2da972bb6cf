//! Leaving an ending of a run that was begun and of which nothing was done: the run then stands as
//! before, and every way to end it is open again. Pure.

use jiff::Timestamp;

use super::event::{Chapter, RunResult, StopOutcome};
use super::state::{Op, OpStatus, OpenedChapter, RunState};
use super::step::Status;
use crate::names::StepId;

impl RunState {
    /// The chapter that is under way and can be left: nothing that may have had an effect was sent for
    /// it, and nobody did a step of it by hand or had a shell on a host for one, whatever became of the
    /// step since.
    #[must_use]
    pub fn leavable(&self) -> Option<&OpenedChapter> {
        let opened = self.chapter().filter(|opened| opened.ended.is_none())?;
        let own = |id: &StepId| Chapter::of(id) == Some(opened.chapter);
        let had_effect = |op: &Op| !matches!(op.status, NOT_SENT | NEVER_SENT) && own(&op.step);
        let by_hand = || {
            let mut steps = self.steps.iter().filter(|(id, _)| own(id));
            steps.any(|(_, step)| step.by_hand)
        };
        let looked_into = || {
            let mut visits = self.people.shells.iter();
            visits.any(|visit| visit.step.as_ref().is_some_and(own))
        };
        // What an earlier one of its kind did stands.
        let mut before = self.chapters.iter().rev().skip(1);
        let again = before.any(|other| other.chapter == opened.chapter);
        // A drill that was aborted has no other way on.
        let only_way = self.people.aborted.is_some();
        let sent = self.ops.values().any(had_effect);
        let done = again || only_way || sent || by_hand() || looked_into();
        (!done).then_some(opened)
    }

    /// Takes the run back to where it stood before its last chapter was opened: what that chapter asked
    /// is asked anew if it is ever opened again.
    pub(super) fn leave_chapter(&mut self, at: Timestamp) {
        let Some(left) = self.chapters.pop() else {
            return;
        };
        let own = |id: &StepId| Chapter::of(id) == Some(left.chapter);
        for (_, step) in self.steps.iter_mut().filter(|(id, _)| own(id)) {
            step.move_to(Status::Waiting, at);
        }
        (self.finished_at, self.finished) = self.ended(self.chapter()).cloned().unzip();
        self.detached = true;
    }

    /// How the run was settled before its last chapter was opened, if it was.
    #[must_use]
    pub fn settled_before(&self) -> Option<RunResult> {
        let before = self.chapters.iter().rev().nth(1);
        self.ended(before).map(|(_, result)| result.clone())
    }

    /// When a chapter ended, or the run's own part where it has none, and how.
    fn ended<'a>(
        &'a self,
        chapter: Option<&'a OpenedChapter>,
    ) -> Option<&'a (Timestamp, RunResult)> {
        match chapter {
            Some(opened) => opened.ended.as_ref(),
            None => self.own_end.as_ref(),
        }
    }
}

const NOT_SENT: OpStatus = OpStatus::NotSent;
const NEVER_SENT: OpStatus = OpStatus::Stopped(StopOutcome::NeverSent);
