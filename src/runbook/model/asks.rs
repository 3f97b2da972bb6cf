//! What a prompt asks people for, and what one person asks another.

use super::Probe;

/// One thing that a prompt asks for, as written; `${…}` may still be in its strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Tick some of these.
    Choose {
        /// What there is to tick.
        options: Vec<String>,
        /// How many at least.
        at_least: usize,
    },
    /// Type a value.
    Value {
        /// What to type.
        prompt: String,
        /// A regular expression for the whole value.
        pattern: Option<String>,
        /// A value that may be typed; it is the answer of a practice.
        example: Option<String>,
    },
    /// Say yes to a statement; no fails the step.
    Acknowledge {
        /// The statement.
        statement: String,
    },
    /// Write what shows that something is so.
    Evidence {
        /// What is to be shown.
        prompt: String,
    },
    /// Read a value elsewhere; another one than a command prints fails the step.
    Compare {
        /// What to read.
        prompt: String,
        /// The command, as a [`Probe::Command`].
        with: Probe,
    },
    /// Judge what a probe shows; no fails the step.
    Check {
        /// What is to be judged.
        prompt: String,
        /// What is looked at; where it is not as expected nobody is asked.
        probe: Probe,
    },
}

impl Ask {
    /// Keys of an answer that mean something else than what is asked: who confirmed it, and how.
    pub const RESERVED: [&str; 6] = ["by", "second", "typed", "attest", "response", "decline"];

    /// What is looked at before anybody is asked.
    #[must_use]
    pub fn probe(&self) -> Option<&Probe> {
        match self {
            Self::Compare { with: probe, .. } | Self::Check { probe, .. } => Some(probe),
            Self::Choose { .. }
            | Self::Value { .. }
            | Self::Acknowledge { .. }
            | Self::Evidence { .. } => None,
        }
    }

    /// The same with its texts filled in.
    ///
    /// # Errors
    /// Whatever `fill` says.
    pub fn filled<E>(&self, fill: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        let mut filled = self.clone();
        match &mut filled {
            Self::Choose { .. } => {}
            Self::Value { prompt: text, .. }
            | Self::Acknowledge { statement: text }
            | Self::Evidence { prompt: text } => *text = fill(text)?,
            Self::Compare {
                prompt: text,
                with: probe,
            }
            | Self::Check {
                prompt: text,
                probe,
            } => {
                *text = fill(text)?;
                *probe = probe.filled(&fill)?;
            }
        }
        Ok(filled)
    }
}

/// A text as it is heard: upper and lower case and blanks make no other one of it.
#[must_use]
pub fn spoken(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// What the first of two people reads aloud, and what the second has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What is read aloud.
    pub say: String,
    /// The answer; the screen does not show it, except in practice.
    pub response: String,
}

impl Challenge {
    /// Whether this is the answer; upper and lower case and blanks make no other one of it.
    #[must_use]
    pub fn is_met_by(&self, said: &str) -> bool {
        spoken(&self.response) == spoken(said)
    }
}
