//! By what a command is known to have taken effect: what the drivers' scripts print of what they did.

use super::super::state::OpStatus;
use crate::digest::{SumTool, sha256};

/// What a command prints that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing to go by.
    None,
    /// It renamed a file.
    Renamed,
    /// It wrote a file, proved it with what it names first, and renamed it.
    Placed,
    /// It removed something, or found that it was gone.
    Removed,
}

impl Reply {
    /// The replies of which the journal keeps the sum.
    fn words(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Renamed => vec!["renamed\n".to_owned()],
            Self::Placed => SumTool::ALL
                .map(|tool| format!("{} renamed\n", tool.as_str()))
                .into(),
            Self::Removed => vec!["removed\n".to_owned(), "absent\n".to_owned()],
        }
    }

    /// Whether a command took effect: by what it printed where it prints something to go by, else by
    /// its exit status. `None` where that is not known: another status than 0 proves nothing.
    pub(super) fn took_effect(self, status: &OpStatus) -> Option<bool> {
        let OpStatus::Finished {
            exit: 0, printed, ..
        } = status
        else {
            return None;
        };
        let words = self.words();
        if words.is_empty() {
            return Some(true);
        }
        let printed = printed.as_ref()?;
        Some(words.iter().any(|word| sha256(word) == *printed))
    }
}
