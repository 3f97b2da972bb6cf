//! The names of a run's own under which something of it may lie, and when one is free again.

use std::collections::BTreeSet;

use super::super::state::{Op, OpStatus, RunState};
use super::super::step::Status;
use super::folder_of;
use super::reply::Reply;
use crate::names::HostName;

/// Names of a run's own that are taken, for all that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// What stands in each of them.
    mark: String,
    names: BTreeSet<(HostName, String)>,
}

impl Work {
    pub(super) fn new(mark: &str) -> Self {
        Self {
            mark: mark.to_owned(),
            names: BTreeSet::new(),
        }
    }

    /// Something comes to lie under a name. In which folder: what lies in one of the run's own is told
    /// where that one lies.
    pub(super) fn add(&mut self, host: &HostName, path: String) -> String {
        let folder = self.folder(&path).to_owned();
        self.names.insert((host.clone(), path));
        folder
    }

    /// A name is free again, and what lay below it is gone.
    pub(super) fn settle(&mut self, host: &HostName, path: &str) {
        self.names.retain(|(on, known)| {
            let below = known.strip_prefix(path);
            let is_it = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            on != host || !is_it
        });
    }

    /// Whether something may lie in a folder.
    pub(super) fn is_in(&self, host: &HostName, folder: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|(on, path)| on == host && self.folder(path) == folder)
    }

    fn folder<'a>(&self, path: &'a str) -> &'a str {
        let before = path.split_once(&self.mark);
        folder_of(before.map_or(path, |(before, _)| before))
    }
}

/// Whether a command did what it is for: it ended well, nothing that it printed says otherwise, and its
/// step was seen to be done, for an exit status alone proves nothing.
pub(super) fn has_ended_well(state: &RunState, op: &Op, reply: Reply) -> bool {
    let done = matches!(state.status(&op.step), Status::Done | Status::AlreadyDone);
    let ended = matches!(op.status, OpStatus::Finished { exit: 0, .. });
    done && ended && reply.took_effect(&op.status) != Some(false)
}
