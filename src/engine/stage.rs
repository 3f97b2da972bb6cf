//! Where a run stands in its life, by name. Pure.
//!
//! A run is over when somebody said what becomes of it: a drill is cleaned up, a failover is
//! committed or rolled back. Until then its state says what is due.

mod ways;

use jiff::Timestamp;

use super::event::Chapter;
use super::ledger::{Item, Ledger, Thing};
use super::owners::Split;
use super::state::RunState;
use crate::runbook::model::Mode;

pub use ways::{Move, Way};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Steps are left; the console left on purpose.
    Unfinished,
    /// Steps are left, and the console did not say that it leaves: it is at work, or died.
    Interrupted,
    /// A VM runs at both sites, while steps are walked.
    RecoveryRequired(Vec<Split>),
    /// A VM was seen running at both sites after every step was settled.
    SplitSince(Vec<Split>),
    /// The same, and it was begun to be ended in this way, of which nothing was done: it can be left.
    SplitBefore(Chapter, Vec<Split>),
    /// The same, and something was done of what ends it. A commit does not go on, and nothing takes
    /// the run back.
    SplitIn(Chapter, Vec<Split>),
    /// Every step is settled, and nothing is due.
    Finished {
        /// Steps that failed.
        failed: usize,
        /// Steps that were skipped.
        skipped: usize,
    },
    /// Every step is settled: to be committed or rolled back.
    CommitDue {
        /// Steps that failed.
        failed: usize,
        /// Steps that were skipped.
        skipped: usize,
    },
    /// It was begun to be ended in this way, and nothing was done of that: it can be left.
    Begun(Chapter),
    /// What it was ended by left something, and the same was begun again, of which nothing was done.
    BegunAgain(Chapter),
    /// A commit is under way.
    Committing,
    /// What it did stays.
    Committed {
        /// Files of before the run that are still there.
        residue: usize,
    },
    /// A rollback is under way.
    RollingBack,
    /// What it did was taken back.
    RolledBack {
        /// What it left.
        residue: usize,
    },
    /// A drill's steps are settled, and what it made is there.
    CleanupDue,
    /// A cleanup is under way.
    CleaningUp,
    /// A cleanup came to its end, and something is left to do.
    CleanupIncomplete {
        /// What is still there.
        residue: usize,
    },
    /// A drill's cleanup came to its end, and nothing is left but the disks that it kept.
    DisksKept {
        /// The folders that hold them.
        folders: usize,
    },
    /// Nothing that it made is left.
    Cleaned,
    /// Nothing that a drill made is left, and its people have not said what they learnt.
    FindingsDue,
    /// Nothing that a drill made is left, and what was learnt is stated.
    Closed {
        /// How many findings were stated.
        findings: usize,
    },
}

impl Stage {
    /// Where the run stands.
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let splits = state.splits();
        let opened = state.chapter();
        let begun = state.leavable().map(|opened| opened.chapter);
        if !splits.is_empty() {
            match opened.filter(|opened| opened.ended.is_none()) {
                Some(opened) if begun.is_some() && state.chapter_before().is_none() => {
                    return Self::SplitBefore(opened.chapter, splits);
                }
                Some(opened) => return Self::SplitIn(opened.chapter, splits),
                None if state.finished.is_none() => return Self::RecoveryRequired(splits),
                None => {}
            }
        }
        let Some(opened) = opened else {
            return if splits.is_empty() {
                Self::without_chapter(state)
            } else {
                Self::SplitSince(splits)
            };
        };
        if let Some(begun) = begun {
            return match state.chapter_before() {
                None => Self::Begun(begun),
                Some(_) => Self::BegunAgain(begun),
            };
        }
        let mode = state.info.as_ref().and_then(|info| info.mode);
        let left = || residue(&Ledger::of(state), opened.chapter).len();
        match (opened.chapter, &opened.ended) {
            (Chapter::Commit, None) => Self::Committing,
            (Chapter::Rollback, None) => Self::RollingBack,
            (Chapter::Cleanup, None) => Self::CleaningUp,
            (Chapter::Commit, Some(_)) => Self::Committed { residue: left() },
            (Chapter::Rollback, Some(_)) => Self::RolledBack { residue: left() },
            (Chapter::Cleanup, Some(_)) if opened.keeping.is_some() && left() > 0 => {
                let ledger = Ledger::of(state);
                let left = residue(&ledger, opened.chapter);
                match kept_folders(&left) {
                    Some(folders) => Self::DisksKept { folders },
                    None => Self::CleanupIncomplete {
                        residue: left.len(),
                    },
                }
            }
            (Chapter::Cleanup, Some(_)) => match left() {
                0 if mode == Some(Mode::Drill) => match &state.people.findings {
                    None => Self::FindingsDue,
                    Some(stated) => Self::Closed {
                        findings: stated.findings.len(),
                    },
                },
                0 => Self::Cleaned,
                residue => Self::CleanupIncomplete { residue },
            },
        }
    }

    fn without_chapter(state: &RunState) -> Self {
        if state.people.aborted.is_some() {
            return Self::CleanupDue;
        }
        let Some((_, result)) = &state.own_end else {
            return if state.detached {
                Self::Unfinished
            } else {
                Self::Interrupted
            };
        };
        let (failed, skipped) = (result.failed, result.skipped);
        match state.info.as_ref().and_then(|info| info.mode) {
            Some(Mode::Drill) => Self::CleanupDue,
            Some(Mode::Failover | Mode::Planned | Mode::Failback) => {
                Self::CommitDue { failed, skipped }
            }
            Some(Mode::Practice) | None => Self::Finished { failed, skipped },
        }
    }

    /// Its name and what there is to know.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Unfinished => "unfinished: the console left".to_owned(),
            Self::Interrupted => "unfinished: the console died".to_owned(),
            Self::RecoveryRequired(splits)
            | Self::SplitSince(splits)
            | Self::SplitBefore(_, splits)
            | Self::SplitIn(_, splits) => {
                let first = splits.first().map(Split::in_words).unwrap_or_default();
                format!("{}: {first}", Split::STATE)
            }
            Self::Finished {
                failed: 0,
                skipped: 0,
            } => "finished".to_owned(),
            Self::Finished { failed, skipped } => {
                format!("finished, {failed} failed, {skipped} skipped")
            }
            Self::CommitDue {
                failed: 0,
                skipped: 0,
            } => "finished: commit or roll back".to_owned(),
            Self::CommitDue { failed, skipped } => format!(
                "partially recovered, {failed} failed, {skipped} skipped: commit or roll back"
            ),
            Self::Begun(chapter) => format!("{chapter} begun, and nothing of it was done"),
            Self::BegunAgain(chapter) => {
                format!("{chapter} begun again, and nothing of that was done")
            }
            Self::Committing => "partly committed".to_owned(),
            Self::Committed { residue } => with_residue("committed", *residue),
            Self::RollingBack => "partly rolled back".to_owned(),
            Self::RolledBack { residue } => with_residue("rolled back", *residue),
            Self::CleanupDue => "cleanup due".to_owned(),
            Self::CleaningUp => "partly cleaned up".to_owned(),
            Self::CleanupIncomplete { residue } => with_residue("cleanup incomplete", *residue),
            Self::DisksKept { folders: 1 } => {
                "cleanup due: 1 folder of disks is kept for going live".to_owned()
            }
            Self::DisksKept { folders } => {
                format!("cleanup due: {folders} folders of disks are kept for going live")
            }
            Self::Cleaned => "cleaned".to_owned(),
            Self::FindingsDue => "cleaned, findings not stated".to_owned(),
            Self::Closed { findings: 0 } => "closed, no findings".to_owned(),
            Self::Closed { findings: 1 } => "closed, 1 finding".to_owned(),
            Self::Closed { findings } => format!("closed, {findings} findings"),
        }
    }

    /// Whether an ending was begun of which nothing was done.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        matches!(self, Self::Begun(_) | Self::BegunAgain(_))
    }

    /// Whether its own steps are being walked, so that they ask.
    #[must_use]
    pub fn is_walked(&self) -> bool {
        matches!(
            self,
            Self::Unfinished | Self::Interrupted | Self::RecoveryRequired(_)
        )
    }

    /// Whether `lifeboat resume` goes on where something is left to do: a commit does not while a VM
    /// runs at both sites.
    #[must_use]
    pub fn can_be_resumed(&self) -> bool {
        !matches!(
            self,
            Self::SplitBefore(Chapter::Commit, _) | Self::SplitIn(Chapter::Commit, _)
        )
    }

    /// Whether a VM runs at both sites.
    #[must_use]
    pub fn is_split(&self) -> bool {
        matches!(
            self,
            Self::RecoveryRequired(_)
                | Self::SplitSince(_)
                | Self::SplitBefore(..)
                | Self::SplitIn(..)
        )
    }

    /// Whether something of a commit was done, so that nothing takes the run back any more.
    #[must_use]
    pub fn is_being_committed(&self) -> bool {
        matches!(
            self,
            Self::Committing
                | Self::SplitIn(Chapter::Commit, _)
                | Self::BegunAgain(Chapter::Commit)
        )
    }

    /// Whether nothing is left to do and nothing was left out.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let finished = Self::Finished {
            failed: 0,
            skipped: 0,
        };
        *self == finished || self.is_over()
    }

    /// Whether its last ending did all that it was to do, be it that disks are kept on purpose.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        matches!(self, Self::DisksKept { .. }) || self.is_over()
    }

    /// Whether the run was ended in one of its ways and nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Committed { residue: 0 }
                | Self::RolledBack { residue: 0 }
                | Self::Cleaned
                | Self::Closed { .. }
        )
    }
}

impl RunState {
    /// When a drill came to its own end: it was held, however well it went. One that was aborted was
    /// not, whatever became of its cleanup.
    #[must_use]
    pub fn drilled(&self) -> Option<Timestamp> {
        let own_end = self.own_end.as_ref();
        own_end
            .filter(|_| self.people.aborted.is_none())
            .map(|(at, _)| *at)
    }

    /// When a drill came to that end with nothing failed or skipped: it was a rehearsal.
    #[must_use]
    pub fn rehearsed(&self) -> Option<Timestamp> {
        let (_, result) = self.own_end.as_ref()?;
        self.drilled().filter(|_| result.is_clean())
    }
}

/// What a chapter of this kind leaves behind if it ended now. What it sets aside itself where it
/// brings a VM back is kept on purpose: that is no original of before the run.
#[must_use]
pub(super) fn residue(ledger: &Ledger, chapter: Chapter) -> Vec<&Item> {
    let by_chapter = |item: &Item| item.step.as_ref().and_then(Chapter::of).is_some();
    let counts = |item: &&Item| match &item.thing {
        Thing::Original { .. } => chapter == Chapter::Commit || !by_chapter(item),
        Thing::Workfiles(_) => true,
        _ => chapter != Chapter::Commit,
    };
    ledger.standing().filter(counts).collect()
}

/// How many folders are kept; none where something else is left too.
fn kept_folders(left: &[&Item]) -> Option<usize> {
    let folders = left
        .iter()
        .filter(|item| matches!(item.thing, Thing::Folder(_)));
    left.iter().all(|item| item.kept).then(|| folders.count())
}

fn with_residue(word: &str, residue: usize) -> String {
    match residue {
        0 => word.to_owned(),
        1 => format!("{word}, 1 thing is left"),
        several => format!("{word}, {several} things are left"),
    }
}

#[cfg(test)]
mod tests;
