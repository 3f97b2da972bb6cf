//! The ways on from where a run stands, as commands.

use std::fmt;

use super::Stage;
use crate::engine::event::Chapter;
use crate::names::RunId;
use crate::runbook::model::Mode;

/// What can be done next with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Walk on where it stopped.
    Resume,
    /// Open a chapter, or go on with it.
    Close(Chapter),
    /// Leave a chapter of which nothing was done.
    Leave(Chapter),
    /// Look at its hosts.
    Watch,
}

/// A command with which a run can be gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What it leads to.
    pub to: Move,
    /// `lifeboat commit RUN`.
    pub command: String,
    /// What it does.
    pub does: &'static str,
}

impl Way {
    /// The same with options behind it, as ` --state DIR` where the run is kept elsewhere.
    #[must_use]
    pub fn with(mut self, options: &str) -> Self {
        self.command.push_str(options);
        self
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}    {}", self.command, self.does)
    }
}

impl Stage {
    /// What to type next, and what that does; the first is the usual one.
    #[must_use]
    pub fn ways(&self, run: &RunId, mode: Option<Mode>) -> Vec<Way> {
        let way = |to: Move, does: &'static str| Way {
            to,
            command: match to {
                Move::Resume => format!("lifeboat resume {run}"),
                Move::Close(chapter) => format!("lifeboat {chapter} {run}"),
                Move::Leave(chapter) => format!("lifeboat {chapter} --leave {run}"),
                Move::Watch => format!("lifeboat watch --hosts {run}"),
            },
            does,
        };
        let commit = |does| way(Move::Close(Chapter::Commit), does);
        let rollback = |does| way(Move::Close(Chapter::Rollback), does);
        let cleanup = |does| way(Move::Close(Chapter::Cleanup), does);
        let leave = |chapter| way(Move::Leave(chapter), "leave it: the run is as before");
        let leave_first = "leave it, and take back what the run did";
        let (go_on, take_back) = ("go on with it", "take back what it did");
        let watch_split = || {
            let does = "what can be done, and sees when it is over";
            way(Move::Watch, does)
        };
        let stops_own = |chapter| {
            let does = "go on: it stops the copy that the run started";
            way(Move::Close(chapter), does)
        };
        match self {
            Self::Unfinished | Self::Interrupted => {
                let mut ways = vec![way(Move::Resume, "go on where it stopped")];
                match mode {
                    Some(Mode::Drill) => ways.push(cleanup("remove what it made so far")),
                    Some(Mode::Failover | Mode::Planned | Mode::Failback) => {
                        ways.push(rollback(take_back));
                    }
                    Some(Mode::Practice) | None => {}
                }
                ways
            }
            Self::RecoveryRequired(_) => vec![way(Move::Resume, "end the split first")],
            Self::SplitSince(_) => vec![watch_split(), rollback(take_back)],
            Self::SplitBefore(Chapter::Commit, _) => {
                vec![watch_split(), rollback(leave_first), leave(Chapter::Commit)]
            }
            Self::SplitIn(Chapter::Commit, _) => vec![watch_split()],
            Self::SplitBefore(chapter, _) => {
                vec![stops_own(*chapter), watch_split(), leave(*chapter)]
            }
            Self::SplitIn(chapter, _) => vec![stops_own(*chapter)],
            Self::CommitDue { .. } => {
                let until = "until then: rings when a VM comes up twice";
                vec![
                    commit("what it did stays"),
                    rollback(take_back),
                    way(Move::Watch, until),
                ]
            }
            Self::Begun(chapter) => {
                let mut ways = vec![way(Move::Close(*chapter), go_on)];
                if *chapter == Chapter::Commit {
                    ways.push(rollback(leave_first));
                }
                ways.push(leave(*chapter));
                ways
            }
            Self::BegunAgain(chapter) => {
                vec![way(Move::Close(*chapter), go_on), leave(*chapter)]
            }
            Self::Committing => vec![commit(go_on)],
            Self::RollingBack => vec![rollback(go_on)],
            Self::CleanupDue => vec![cleanup("remove what it made, and prove it")],
            Self::CleaningUp => vec![cleanup(go_on)],
            Self::CleanupIncomplete { .. } => vec![cleanup("try again what is left")],
            Self::DisksKept { .. } => vec![cleanup("delete the disks that it kept, and prove it")],
            Self::Committed { residue: 0 } | Self::RolledBack { residue: 0 } => Vec::new(),
            Self::Committed { .. } => vec![commit("try again what is left")],
            Self::RolledBack { .. } => vec![cleanup("remove what is left")],
            Self::FindingsDue => vec![cleanup("say what was learnt, or that there was nothing")],
            Self::Finished { .. } | Self::Cleaned | Self::Closed { .. } => Vec::new(),
        }
    }
}
