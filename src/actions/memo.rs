//! What hosts have told within one look: a list that two parts of it ask for is sent for once. A call
//! may take ten seconds, and a look is many of them.
//!
//! It lives as long as the look, and nothing that is written comes in between. What has to be taken
//! anew within it says so ([`Ctx::forget`](super::context::Ctx::forget)).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::host::{HostCommand, Output};
use crate::names::HostName;

/// The answers of one look, shared by all that looks with it.
#[derive(Clone, Debug, Default)]
pub struct Memo(Arc<Mutex<Vec<Answer>>>);

#[derive(Debug)]
struct Answer {
    host: HostName,
    command: HostCommand,
    output: Output,
}

impl Memo {
    /// What the host told to this question.
    pub(super) fn told(&self, host: &HostName, command: &HostCommand) -> Option<Output> {
        let answers = self.answers();
        let mut answers = answers.iter();
        let found = answers.find(|answer| answer.host == *host && answer.command == *command);
        found.map(|answer| answer.output.clone())
    }

    /// Keeps an answer that could be believed, of a question that others may ask.
    pub(super) fn keep(&self, host: &HostName, command: &HostCommand, output: Output) {
        if command.is_shared() {
            let (host, command) = (host.clone(), command.clone());
            self.answers().push(Answer {
                host,
                command,
                output,
            });
        }
    }

    /// Forgets what a host told.
    pub(super) fn forget(&self, host: &HostName) {
        self.answers().retain(|answer| answer.host != *host);
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
