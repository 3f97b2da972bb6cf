//! The end of the run: what it holds on hosts is given back before its last line.

use crate::names::StepId;

use super::{Closing, Effect, Engine};

impl Engine {
    /// Orders what is left to do once every step is settled. Whether the run may end.
    pub(super) fn is_closed(&mut self) -> bool {
        #[cfg(test)]
        if self.planted == Some(super::planted::Bug::ClosedAtOnce) {
            return true;
        }
        match self.closing {
            Closing::Tried => true,
            Closing::Under => false,
            Closing::Open if self.state.locks().is_empty() => true,
            Closing::Open => {
                self.closing = Closing::Under;
                self.effects.push(Effect::Close);
                false
            }
        }
    }

    pub(super) fn closed(&mut self) {
        if self.closing == Closing::Under {
            self.closing = Closing::Tried;
        }
    }

    /// Whether this is what closes the run: it speaks for no step.
    pub(super) fn closes(&self, step: &StepId) -> bool {
        self.closing == Closing::Under && *step == StepId::default()
    }
}
