//! What the card says of steps for which the runbook says nothing.

use crate::plan::{ActionSpec, Close, Risk};

/// What a risk means.
pub(super) fn risk(risk: Risk, action: &ActionSpec) -> &'static str {
    match risk {
        Risk::Read => "read: it only looks",
        Risk::Write => "write: it changes something that nobody uses yet",
        Risk::Disruptive => "disruptive: it interrupts or exposes somebody",
        // A rollback starts the VM again; who used it meanwhile was cut off all the same.
        Risk::Typed if matches!(action, ActionSpec::Fence { .. }) => "typed: it cuts users off",
        Risk::Typed => "typed: it cannot be taken back",
    }
}

/// What takes back a step that has no undo of its own.
pub(in crate::tui::view) fn no_undo(action: Option<&ActionSpec>) -> &'static str {
    match action {
        Some(ActionSpec::Fence { .. }) => "none; a rollback starts it again",
        _ => "none, this cannot be taken back",
    }
}

/// Why a step is there by which a run is ended.
fn why_closed(close: &Close) -> &'static str {
    match close {
        Close::Agree { .. } => "",
        Close::Stop { .. } => "the run started it; it must not run on while the run is taken back",
        Close::Unregister { .. } => "the run registered it",
        Close::NamesBack { .. } => "these files were here before the run",
        Close::AutostartBack { .. } => "the run took it away so that the old copy did not start",
        Close::RemoveFiles { .. } => "the run brought these files, and nothing else is removed",
        Close::KeepDisks { .. } => "a live restore starts from them, and sends only what differs",
        Close::RemoveNetworks { .. } => "the run made them, and no VM that runs uses them",
        Close::RemoveOriginals { .. } => "they were kept in case that the run had to be taken back",
    }
}

/// Why a verb is there, where the runbook says nothing.
pub(super) fn why(action: &ActionSpec) -> &'static str {
    match action {
        ActionSpec::Confirm { .. } | ActionSpec::Note { .. } => "",
        ActionSpec::Fence { .. } => "the VM must run at one site only",
        ActionSpec::Restore { .. } => "the VM's files have to be here before a host can run it",
        ActionSpec::Replicate { .. } => "what is there already need not travel when it is urgent",
        ActionSpec::Register { .. } => "the host must know the VM to run it",
        ActionSpec::Network { .. } => "its adapters must be joined to this site's port groups",
        ActionSpec::PowerOn { .. } => "the VM has everything it needs here",
        ActionSpec::Ready { .. } => "on is not enough: it counts once it serves",
        ActionSpec::PowerOff { .. } => "it must not run here any longer",
        ActionSpec::ShutDown { .. } => "its last state has to be on disk before it moves",
        ActionSpec::CopyBack { .. } => "what was written here since has to go home with it",
        ActionSpec::Unregister { .. } => "no host may start the copy that was left behind",
        ActionSpec::FreeCapacity { .. } => "what comes up here needs the memory more",
        ActionSpec::ReturnCapacity { .. } => "they made room, which is free again",
        ActionSpec::RestoreFiles { .. } => "its data has to be here before it can serve",
        ActionSpec::Command(_) | ActionSpec::Local(_) => "a command of this site's own",
        ActionSpec::Wait(_) => "what comes next needs time",
        ActionSpec::Check(_) => "what comes next rests on it",
        ActionSpec::HandOff(_) => "another team has to do this",
        ActionSpec::Close(close) => why_closed(close),
    }
}
