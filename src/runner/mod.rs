//! Carries the engine's effects out: journal, actions, timers, signals, output spool. Async.
mod handle;

pub use handle::{Live, RunHandle, Update};
