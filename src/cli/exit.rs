//! How a command ends: its exit status, and what is said on the way out.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::error::Fault;
use crate::journal::{JournalError, StoreError};

use super::load::LoadError;

/// Exit statuses, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: finished, nothing found.
    Clean,
    /// 1: finished with failed or skipped steps, findings, or a journal that does not verify.
    Findings,
    /// 2: usage, invalid file, unknown run.
    Invalid,
    /// 3: refused by a safety rule, or the run is held elsewhere.
    Refused,
    /// 4: a signal, or an answer is missing; the run can be resumed.
    Resumable,
}

impl Exit {
    /// As the operating system sees it.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Invalid => 2,
            Self::Refused => 3,
            Self::Resumable => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Why a command did not get to do its work, for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What a person reads; several lines, the last without a newline.
    pub text: String,
}

impl Failure {
    /// A failure with a text of its own.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
        }
    }

    /// A failure in the four answers of a fault.
    #[must_use]
    pub fn of(exit: Exit, fault: &Fault) -> Self {
        Self::new(exit, format!("error: {fault}"))
    }

    /// What was typed, or what a file says, cannot be used; nothing was started.
    pub fn invalid(
        what: impl Into<String>,
        place: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::of(
            Exit::Invalid,
            &Fault::new(what, place, "nothing was started", next),
        )
    }

    /// Several things are wrong with one file.
    pub(super) fn list(place: &str, problems: &[String]) -> Self {
        let mut text = String::new();
        for problem in problems {
            let _ = writeln!(text, "error: {place}: {problem}");
        }
        text.push_str("  now: nothing was started");
        Self::new(Exit::Invalid, text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(Exit::Invalid, &error.fault())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::Held { .. } => Exit::Refused,
            JournalError::Broken { .. } | JournalError::Emptied(_) => Exit::Findings,
            JournalError::Io { .. } | JournalError::Poisoned(_) => Exit::Resumable,
            JournalError::Missing(_)
            | JournalError::Exists(_)
            | JournalError::Empty(_)
            | JournalError::Newer { .. }
            | JournalError::OutOfOrder { .. }
            | JournalError::Encode(_) => Exit::Invalid,
        };
        Self::of(exit, &error.fault())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let colour = super::is_coloured(&std::io::stderr());
        Self::new(Exit::Invalid, error.render(colour).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_manual() {
        let all = [
            Exit::Clean,
            Exit::Findings,
            Exit::Invalid,
            Exit::Refused,
            Exit::Resumable,
        ];
        assert_eq!(all.map(Exit::status), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_held_run_is_refused_and_a_broken_one_found() {
        let held = JournalError::Held {
            path: "j".into(),
            holder: crate::journal::Holder::default(),
        };
        assert_eq!(Failure::from(held).exit, Exit::Refused);
        let problem = crate::journal::LineProblem {
            line: 3,
            why: "changed".to_owned(),
        };
        let broken = Failure::from(JournalError::Broken {
            path: "j".into(),
            problem,
        });
        assert_eq!(broken.exit, Exit::Findings);
        assert!(
            broken.text.contains("line 3") && broken.text.contains("\n  next: "),
            "{}",
            broken.text
        );
    }
}
