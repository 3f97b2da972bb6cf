//! Leaving an ending of a run that was begun and of which nothing was done: the run then stands as
//! before, and every way to end it is open again. Pure.

use jiff::Timestamp;

use super::event::{Chapter, RunEvent, RunResult};
use super::state::{Op, OpenedChapter, RunState};
use super::step::Status;
use crate::names::StepId;

impl RunState {
    /// Whether something may have been done for steps: a command of theirs that counts may have had an
    /// effect, or somebody did one of them by hand or had a shell on a host for one, whatever became of
    /// the step since.
    pub(super) fn was_worked_on(
        &self,
        own: impl Fn(&StepId) -> bool,
        counts: impl Fn(&Op) -> bool,
    ) -> bool {
        let mut ops = self.ops.values();
        let mut steps = self.steps.iter();
        let mut visits = self.people.shells.iter();
        ops.any(|op| op.may_have_acted() && own(&op.step) && counts(op))
            || steps.any(|(id, step)| step.by_hand && own(id))
            || visits.any(|visit| visit.step.as_ref().is_some_and(&own))
    }

    /// The chapter that is under way and can be left, because nothing was done for it.
    #[must_use]
    pub fn leavable(&self) -> Option<&OpenedChapter> {
        let opened = self.chapter().filter(|opened| opened.ended.is_none())?;
        let own = |id: &StepId| opened.steps.contains(id);
        (!self.was_worked_on(own, |_| true)).then_some(opened)
    }

    /// What is written where a chapter is left; `None`: it is not there to be left.
    #[must_use]
    pub fn leaving(&self, chapter: Chapter, by: String, reason: String) -> Option<RunEvent> {
        let begun = self.leavable()?;
        (begun.chapter == chapter).then(|| RunEvent::ChapterLeft {
            chapter,
            by,
            reason,
            result: self.settled_before(),
        })
    }

    /// Takes the run back to where it stood before its last chapter was opened: what that chapter asked
    /// is asked anew if it is ever opened again.
    pub(super) fn leave_chapter(&mut self, at: Timestamp) {
        let Some(left) = self.chapters.pop() else {
            return;
        };
        let own = |id: &StepId| left.steps.contains(id);
        for (_, step) in self.steps.iter_mut().filter(|(id, _)| own(id)) {
            step.move_to(Status::Waiting, at);
        }
        (self.finished_at, self.finished) = self.ended(self.chapter()).cloned().unzip();
        self.detached = true;
    }

    /// How the run was settled before its last chapter was opened, if it was.
    #[must_use]
    pub fn settled_before(&self) -> Option<RunResult> {
        self.ended(self.chapter_before())
            .map(|(_, result)| result.clone())
    }

    /// The chapter by which the run was ended, or was to be, before the last one was opened.
    #[must_use]
    pub fn chapter_before(&self) -> Option<&OpenedChapter> {
        self.chapters.iter().rev().nth(1)
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
