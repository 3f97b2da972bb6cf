//! What a person reads when something went wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure in words for somebody at 03:00: what failed, where, what state things are in now, and
/// the next move. It is journalled and reported as it stands, so it never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What failed, a lower-case fragment: `registering sql01 failed: the .vmx was not found`.
    pub what: String,
    /// Where: a host, a file, a place in the runbook.
    pub place: String,
    /// What state things are in now: `nothing was changed on lee-esx1`.
    pub state: String,
    /// The next move, in the imperative: `restore its files first, then retry`.
    pub next: String,
    /// Whether trying again later, unchanged, may help (a host that did not answer).
    #[serde(default)]
    pub passing: bool,
}

impl Fault {
    /// A fault with all four answers.
    pub fn new(
        what: impl Into<String>,
        place: impl Into<String>,
        state: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            place: place.into(),
            state: state.into(),
            next: next.into(),
            passing: false,
        }
    }

    /// The same fault, marked as one that may pass.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.passing = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (label, text) in [
            ("where", &self.place),
            ("now", &self.state),
            ("next", &self.next),
        ] {
            if !text.is_empty() {
                write!(f, "\n  {label}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
