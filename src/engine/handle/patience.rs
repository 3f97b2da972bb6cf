//! How long a step looks again by itself before it asks a person: what could not be looked at, and what
//! stands against it and may pass.

use std::time::Duration;

use jiff::Timestamp;

use crate::names::{Attempt, StepId};

use super::{Engine, back_off};

/// Why a step looks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It could not look.
    Unseen,
    /// What it saw stands against it, and may pass.
    Blocked,
}

/// Looks of one attempt that led to nothing yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spell {
    attempt: Attempt,
    since: Timestamp,
    looks: u32,
    /// How long it was waited in between: a clock that stands still or is set back ends it too.
    waited: Duration,
}

impl Engine {
    /// After how long the step looks again for this cause; `None`: it has done so for long enough.
    pub(super) fn look_later(&mut self, step: &StepId, cause: Cause) -> Option<Duration> {
        let attempt = self.state.attempt(step);
        let patience = match cause {
            Cause::Unseen => self.settings.unseen,
            Cause::Blocked => self.settings.blocked,
        };
        let fresh = Spell {
            attempt,
            since: self.clock,
            looks: 0,
            waited: Duration::ZERO,
        };
        let of = (step.clone(), cause);
        let known = self.spells.remove(&of);
        let mut spell = known
            .filter(|known| known.attempt == attempt)
            .unwrap_or(fresh);
        let by_clock = Duration::try_from(self.clock.duration_since(spell.since));
        if spell.waited.max(by_clock.unwrap_or_default()) >= patience {
            return None;
        }
        spell.looks += 1;
        let after = back_off(spell.looks);
        spell.waited += after;
        self.spells.insert(of, spell);
        Some(after)
    }
}
