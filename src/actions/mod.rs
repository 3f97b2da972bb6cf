//! The verbs of a runbook, one file each: probe, decide, act, verify, undo.
//!
//! Whoever uses this module needs six functions: [`probe`] looks and decides, [`perform`] looks
//! again, acts and verifies, [`undo`] takes back, [`outline`] shows what a step would do without
//! asking any host, and [`stop_patiently`] makes sure that a write whose connection died can no longer
//! take effect. At the run's end [`close`] gives back what it holds.
//!
//! A verb is an `Action`: `observe` asks hosts and fills a struct, `decide` is pure
//! and turns that struct into an answer, `act` does what is missing. What was not asked is a hole in
//! the struct, so that the outline, the step card and the deed all come from the same `decide`.

mod action;
mod answer;
mod arrivals;
mod autostart;
pub mod barred;
mod check;
mod checks;
mod command;
mod configuration;
mod confirm;
mod context;
mod copy_back;
mod copying;
mod datastores;
mod elsewhere;
mod ending;
mod evidence;
mod fence;
mod file_locks;
mod free_capacity;
mod giving_back;
mod hand_off;
mod http;
mod isolate;
mod isolation;
mod later;
mod link;
mod local;
mod lock;
mod memo;
mod moving;
mod network;
mod ownership;
mod place;
mod port_groups;
mod power_on;
mod power_tasks;
mod powered_off;
mod questions;
mod reach;
mod ready;
mod register;
mod registered;
mod replacing;
mod replicate;
mod restore;
mod restore_files;
mod return_capacity;
mod room;
mod seeded;
mod shut_down;
mod sighting;
mod spares;
mod stop_lost;
mod stopping;
mod store;
#[cfg(test)]
mod tests;
mod twins;
mod unregister;
mod view;
mod wait;
mod waiting;
mod whereabouts;
mod words;

pub use configuration::{content, content_of};
pub use context::Ctx;
pub use copy_back::other_disks;
pub use copying::{Need, Way, way};
pub use later::clearing;
pub use link::{ActError, Link, Progress, Request};
pub use lock::{close, holder, lock_folder};
pub use port_groups::{Groups, compare as compare_port_groups};
pub use room::Begun;
pub use stop_lost::stop_patiently;
pub use words::{count, size, span};

use crate::engine::{Performed, ProbeAnswer};
use crate::error::Fault;
use crate::plan::{ActionSpec, Close, Step};
use crate::runbook::model::Runbook;

use action::Action;
use check::Check;
use command::Command;
use confirm::Confirm;
use copy_back::CopyBack;
use ending::{EndFiles, EndNetworks, EndVm};
use fence::Fence;
use free_capacity::FreeCapacity;
use hand_off::HandOff;
use isolate::Isolate;
use network::Network;
use power_on::PowerOn;
use ready::Ready;
use register::Register;
use replicate::Replicate;
use restore::Restore;
use restore_files::RestoreFiles;
use return_capacity::ReturnCapacity;
use shut_down::ShutDown;
use unregister::Unregister;
use wait::Wait;

/// A step's verb with everything that it needs.
#[allow(
    clippy::large_enum_variant,
    reason = "one lives at a time, on the stack of its action"
)]
enum Verb<'a> {
    Confirm(Confirm<'a>),
    Note(&'a str),
    Command(Command<'a>),
    RestoreFiles(RestoreFiles<'a>),
    Wait(Wait<'a>),
    Check(Check<'a>),
    HandOff(HandOff<'a>),
    Fence(Fence),
    Isolate(Isolate),
    Restore(Restore),
    Replicate(Replicate),
    Register(Register),
    Network(Network),
    PowerOn(PowerOn),
    Ready(Ready),
    ShutDown(ShutDown),
    CopyBack(CopyBack),
    Unregister(Unregister),
    FreeCapacity(FreeCapacity<'a>),
    ReturnCapacity(ReturnCapacity<'a>),
    Agree(&'a [String], &'a str),
    EndVm(EndVm<'a>),
    EndFiles(EndFiles<'a>),
    EndNetworks(EndNetworks<'a>),
}

impl<'a> Verb<'a> {
    fn new(runbook: &Runbook, step: &'a Step) -> Result<Self, Fault> {
        Ok(match &step.action {
            ActionSpec::Confirm { question, ask } => {
                Self::Confirm(Confirm::new(step, question, ask))
            }
            ActionSpec::Note { text } => Self::Note(text),
            ActionSpec::Command(spec) | ActionSpec::Local(spec) => {
                Self::Command(Command::new(step, spec))
            }
            ActionSpec::Wait(spec) => Self::Wait(Wait::new(step, spec)),
            ActionSpec::Check(probes) => Self::Check(Check::new(step, probes)),
            ActionSpec::HandOff(spec) => Self::HandOff(HandOff::new(runbook, step, spec)?),
            ActionSpec::RestoreFiles { vm, .. } => {
                Self::RestoreFiles(RestoreFiles::new(runbook, step, vm)?)
            }
            ActionSpec::Fence { vm } => match &runbook.isolation {
                Some(isolation) => Self::Isolate(Isolate::new(runbook, isolation, step, vm)?),
                None => Self::Fence(Fence::new(runbook, step, vm)?),
            },
            ActionSpec::Restore { vm, point, logs } => {
                Self::Restore(Restore::new(runbook, step, vm, point, *logs)?)
            }
            ActionSpec::Replicate { vm } => Self::Replicate(Replicate::new(runbook, step, vm)?),
            ActionSpec::Register { vm } => Self::Register(Register::new(runbook, step, vm)?),
            ActionSpec::Network { vm } => Self::Network(Network::new(runbook, step, vm)?),
            ActionSpec::PowerOn { vm } => Self::PowerOn(PowerOn::new(runbook, step, vm)?),
            ActionSpec::Ready { vm } => Self::Ready(Ready::new(runbook, step, vm)?),
            ActionSpec::ShutDown { vm } | ActionSpec::PowerOff { vm } => {
                Self::ShutDown(ShutDown::new(runbook, step, vm)?)
            }
            ActionSpec::CopyBack { vm } => Self::CopyBack(CopyBack::new(runbook, step, vm)?),
            ActionSpec::Unregister { vm } => Self::Unregister(Unregister::new(runbook, step, vm)?),
            ActionSpec::FreeCapacity { vms } => {
                Self::FreeCapacity(FreeCapacity::new(runbook, step, vms))
            }
            ActionSpec::ReturnCapacity { vms } => {
                Self::ReturnCapacity(ReturnCapacity::new(step, vms))
            }
            ActionSpec::Close(close) => Self::ending(runbook, step, close)?,
        })
    }

    /// What a step does by which a run is ended.
    fn ending(runbook: &Runbook, step: &Step, close: &'a Close) -> Result<Self, Fault> {
        let at = |vm, path: &str| ending::place(runbook, step, vm, path);
        Ok(match close {
            Close::Agree { question, lines } => Self::Agree(lines, question),
            Close::Stop { vm, vmx, .. }
            | Close::Unregister { vm, vmx, .. }
            | Close::AutostartBack { vm, vmx, .. } => Self::EndVm(EndVm::new(close, at(vm, vmx)?)),
            Close::RemoveFiles { vm, placed, .. } => {
                let folder = format!("{}/", placed.folder);
                Self::EndFiles(EndFiles::new(close, at(vm, &folder)?))
            }
            Close::KeepDisks { vm, folder, .. } => {
                Self::EndFiles(EndFiles::new(close, at(vm, &format!("{folder}/"))?))
            }
            Close::NamesBack { vm, originals, .. }
            | Close::RemoveOriginals { vm, originals, .. } => {
                let first = originals
                    .first()
                    .map_or("", |original| original.path.as_str());
                Self::EndFiles(EndFiles::new(close, at(vm, first)?))
            }
            Close::RemoveNetworks {
                host,
                groups,
                switches,
            } => Self::EndNetworks(EndNetworks::new(close, host, groups, switches)),
        })
    }
}

/// Matches a verb: prompts and commands by arms of their own, every [`Action`] by one.
macro_rules! by_verb {
    ($verb:expr, $action:ident => $body:expr, { $($arm:pat => $own:expr,)+ }) => {
        match $verb {
            $($arm => $own,)+
            Verb::Fence($action) => $body,
            Verb::Isolate($action) => $body,
            Verb::Restore($action) => $body,
            Verb::Replicate($action) => $body,
            Verb::Register($action) => $body,
            Verb::Network($action) => $body,
            Verb::PowerOn($action) => $body,
            Verb::Ready($action) => $body,
            Verb::ShutDown($action) => $body,
            Verb::CopyBack($action) => $body,
            Verb::Unregister($action) => $body,
            Verb::FreeCapacity($action) => $body,
            Verb::ReturnCapacity($action) => $body,
            Verb::EndVm($action) => $body,
            Verb::EndFiles($action) => $body,
            Verb::EndNetworks($action) => $body,
        }
    };
}

/// Looks at the world and decides what the step needs. Sends reads only.
///
/// # Errors
/// It could not look: a host did not answer, or not in a form that can be believed.
pub async fn probe(ctx: &Ctx) -> Result<ProbeAnswer, Fault> {
    by_verb!(Verb::new(&ctx.runbook, &ctx.step)?, verb => Box::pin(action::probe(&verb, ctx)).await, {
        Verb::Confirm(prompt) => Box::pin(prompt.probe(ctx)).await,
        Verb::Note(text) => Ok(confirm::note(text)),
        Verb::Agree(lines, question) => Ok(ending::agreement(lines, question)),
        Verb::Command(command) => Box::pin(command.probe(ctx)).await,
        Verb::RestoreFiles(files) => Box::pin(files.probe(ctx)).await,
        Verb::Wait(wait) => Ok(wait.probe(ctx)),
        Verb::Check(check) => Ok(check.outline()),
        Verb::HandOff(request) => Ok(request.outline()),
    })
}

/// Looks again; if what is needed is still what was confirmed, does it, and looks whether it worked.
pub async fn perform(ctx: &Ctx) -> Performed {
    let verb = match Verb::new(&ctx.runbook, &ctx.step) {
        Ok(verb) => verb,
        Err(fault) => return Performed::Failed(fault),
    };
    by_verb!(verb, verb => Box::pin(action::perform(&verb, ctx)).await, {
        Verb::Confirm(prompt) => Box::pin(prompt.perform(ctx)).await,
        Verb::Note(text) => confirm::noted(ctx, text),
        Verb::Agree(_, question) => confirm::noted(ctx, question),
        Verb::Command(command) => Box::pin(command.perform(ctx)).await,
        Verb::RestoreFiles(files) => Box::pin(files.perform(ctx)).await,
        Verb::Wait(wait) => Box::pin(wait.perform(ctx)).await,
        Verb::Check(check) => Box::pin(check.perform(ctx)).await,
        Verb::HandOff(request) => Box::pin(request.perform(ctx)).await,
    })
}

/// Takes the step back, where its verb can.
pub async fn undo(ctx: &Ctx) -> Performed {
    let verb = match Verb::new(&ctx.runbook, &ctx.step) {
        Ok(verb) => verb,
        Err(fault) => return Performed::Failed(fault),
    };
    by_verb!(verb, verb => Box::pin(action::undo(&verb, ctx)).await, {
        Verb::Confirm(_)
        | Verb::Note(_)
        | Verb::Agree(..)
        | Verb::Command(_)
        | Verb::RestoreFiles(_)
        | Verb::Wait(_)
        | Verb::Check(_)
        | Verb::HandOff(_) => Performed::Failed(action::no_undo(ctx)),
    })
}

/// What a step would do, without asking any host: what is not known stands as `‹vmid of sql01›`.
#[must_use]
pub fn outline(runbook: &Runbook, step: &Step) -> ProbeAnswer {
    let verb = match Verb::new(runbook, step) {
        Ok(verb) => verb,
        Err(fault) => return answer::blocked("not asked", fault, &[]),
    };
    by_verb!(verb, verb => lock::outlined(runbook, step, verb.decide(&verb.unknown())), {
        Verb::Confirm(prompt) => prompt.outline(),
        Verb::Note(text) => confirm::note(text),
        Verb::Agree(lines, question) => ending::agreement(lines, question),
        Verb::Command(command) => lock::outlined(runbook, step, command.outline()),
        Verb::RestoreFiles(files) => lock::outlined(runbook, step, files.outline()),
        Verb::Wait(wait) => wait.outline(),
        Verb::Check(check) => check.outline(),
        Verb::HandOff(request) => request.outline(),
    })
}
