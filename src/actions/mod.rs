//! The verbs of a runbook, one file each: probe, decide, act, verify, undo.
//!
//! Whoever uses this module needs four functions: [`probe`] looks and decides, [`perform`] looks
//! again, acts and verifies, [`undo`] takes back, [`outline`] shows what a step would do without
//! asking any host.
mod context;

pub use context::{ActError, Ctx, Link, Progress, Request};
