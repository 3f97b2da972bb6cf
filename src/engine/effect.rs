//! What the engine orders.

use std::sync::Arc;
use std::time::Duration;

use crate::names::{Attempt, OpId, StepId};

use super::event::Entry;

/// A timer of the engine; a new timer for the same thing has a new id, and the old one is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);

/// An order to the runner.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append to the journal and sync. If that fails, nothing after it is carried out.
    Record(Arc<Entry>),
    /// Let the step's action look at the world, then send [`super::Input::Probed`].
    Probe {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Let the step's action look again, act and verify, then send [`super::Input::Performed`].
    Start {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Let the step's action take itself back, then send [`super::Input::Performed`].
    Undo {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Make sure that a lost write can no longer take effect, then send [`super::Input::Stopped`].
    StopLost {
        /// Of which step.
        step: StepId,
        /// Of which attempt.
        attempt: Attempt,
        /// Which write.
        op: OpId,
    },
    /// The intent is on disk: hand it to the waiting action.
    Grant {
        /// Who waits.
        ticket: u64,
        /// Which write.
        op: OpId,
    },
    /// The fact is on disk: let the waiting action go on.
    Kept {
        /// Who waits.
        ticket: u64,
    },
    /// The action that waits is stale: end it.
    Deny {
        /// Who waits.
        ticket: u64,
    },
    /// Hand the chosen label to the action that waits for the VM's answer.
    Answer {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: Attempt,
        /// The choice's label.
        label: String,
    },
    /// Send [`super::Input::Timer`] after this long.
    Timer {
        /// With this id.
        id: TimerId,
        /// After this long.
        after: Duration,
    },
    /// Stop whatever the step's action is doing between two commands.
    Cancel {
        /// Which step.
        step: StepId,
        /// Which attempt.
        attempt: Attempt,
    },
    /// Every step is settled: give back what the run holds on hosts, then send
    /// [`super::Input::Closed`]. What is recorded on the way belongs to no step.
    Close,
    /// The console leaves: nothing more will be ordered.
    Leave,
}
