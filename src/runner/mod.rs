//! Carries the engine's effects out: journal, actions, timers, signals, output spool. Async.
//!
//! One task owns the engine and the journal and takes one message at a time, so there is one order
//! of events. Actions run in tasks of their own and talk to it through [`crate::actions::Link`].

mod carry;
mod findings;
mod handle;
mod launch;
mod leaving;
mod lookout;
mod polls;
mod rest;
mod spool;
mod tasks;
mod watch;

pub use findings::state_findings;
pub use handle::{Live, RunHandle, Update};
pub use launch::{Corrected, Launch, Opens, Resumption, resume, start};
pub use leaving::leave_chapter;
pub use lookout::{Ending, News, Watch};
pub use watch::watch;
