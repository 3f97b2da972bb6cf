//! The verbs of a runbook, one file each: probe, decide, act, verify, undo.
//!
//! Whoever uses this module needs five functions: [`probe`] looks and decides, [`perform`] looks
//! again, acts and verifies, [`undo`] takes back, [`outline`] shows what a step would do without
//! asking any host, and [`stop_lost`] makes sure that a write whose connection died can no longer
//! take effect.
//!
//! A verb is a [`Action`](action::Action): `observe` asks hosts and fills a struct, `decide` is pure
//! and turns that struct into an answer, `act` does what is missing. What was not asked is a hole in
//! the struct, so that the outline, the step card and the deed all come from the same `decide`.
mod action;
mod answer;
mod command;
mod configuration;
mod confirm;
mod context;
mod fence;
mod http;
mod network;
mod ownership;
mod place;
mod port_groups;
mod power_on;
mod power_tasks;
mod questions;
mod reach;
mod ready;
mod register;
mod registered;
mod replacing;
mod shut_down;
mod sighting;
mod stopping;
mod unregister;
mod waiting;
mod words;

pub use context::{ActError, Ctx, Link, Progress, Request};

use crate::engine::{Performed, ProbeAnswer};
use crate::error::Fault;
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::Runbook;

use action::Action;
use command::Command;
use fence::Fence;
use network::Network;
use power_on::PowerOn;
use ready::Ready;
use register::Register;
use shut_down::ShutDown;
use unregister::Unregister;

/// Runs one expression with the step's verb bound to a name.
macro_rules! with_verb {
    ($runbook:expr, $step:expr, $spec:expr, $wrong:expr, $verb:ident => $body:expr) => {
        match $spec {
            ActionSpec::Fence { vm } => with_verb!(@ Fence, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::Register { vm } => with_verb!(@ Register, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::Network { vm } => with_verb!(@ Network, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::PowerOn { vm } => with_verb!(@ PowerOn, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::Ready { vm } => with_verb!(@ Ready, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::ShutDown { vm } => with_verb!(@ ShutDown, $runbook, $step, vm, $wrong, $verb => $body),
            ActionSpec::Unregister { vm } => with_verb!(@ Unregister, $runbook, $step, vm, $wrong, $verb => $body),
            _ => $wrong(Fault::default()),
        }
    };
    (@ $type:ident, $runbook:expr, $step:expr, $vm:expr, $wrong:expr, $verb:ident => $body:expr) => {
        match $type::new($runbook, $step, $vm) {
            Ok($verb) => $body,
            Err(fault) => $wrong(fault),
        }
    };
}

/// Looks at the world and decides what the step needs. Sends reads only.
///
/// # Errors
/// It could not look: a host did not answer, or not in a form that can be believed.
pub async fn probe(ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
    match &ctx.step.action {
        ActionSpec::Confirm { question, ask } => Ok(confirm::ask(question, ask)),
        ActionSpec::Note { text } => Ok(confirm::note(text)),
        ActionSpec::Command(spec) => {
            Box::pin(Command::new(&ctx.runbook, &ctx.step, spec, Some(&ctx.state)).probe(ctx)).await
        }
        spec => with_verb!(&ctx.runbook, &ctx.step, spec, Err, verb => Box::pin(action::probe(&verb, ctx)).await),
    }
}

/// Looks again; if what is needed is still what was confirmed, does it, and looks whether it worked.
pub async fn perform(ctx: &Ctx) -> Performed {
    match &ctx.step.action {
        ActionSpec::Confirm { question, ask } => confirm::perform(ctx, question, ask),
        ActionSpec::Note { text } => confirm::noted(ctx, text),
        ActionSpec::Command(spec) => {
            Box::pin(Command::new(&ctx.runbook, &ctx.step, spec, Some(&ctx.state)).perform(ctx)).await
        }
        spec => {
            with_verb!(&ctx.runbook, &ctx.step, spec, Performed::Failed, verb => Box::pin(action::perform(&verb, ctx)).await)
        }
    }
}

/// Takes the step back, where its verb can.
pub async fn undo(ctx: &Ctx) -> Performed {
    match &ctx.step.action {
        ActionSpec::Confirm { .. } | ActionSpec::Note { .. } | ActionSpec::Command(_) => {
            Performed::Failed(action::no_undo(ctx))
        }
        spec => {
            with_verb!(&ctx.runbook, &ctx.step, spec, Performed::Failed, verb => Box::pin(action::undo(&verb, ctx)).await)
        }
    }
}

/// What a step would do, without asking any host: what is not known stands as `‹vmid of sql01›`.
#[must_use]
pub fn outline(runbook: &Runbook, step: &Step) -> ProbeAnswer {
    match &step.action {
        ActionSpec::Confirm { question, ask } => confirm::ask(question, ask),
        ActionSpec::Note { text } => confirm::note(text),
        ActionSpec::Command(spec) => Command::new(runbook, step, spec, None).outline(),
        spec => {
            with_verb!(runbook, step, spec, wrong, verb => verb.decide(&verb.unknown()))
        }
    }
}

fn wrong(fault: Fault) -> ProbeAnswer {
    answer::blocked("not asked", fault, &[])
}
