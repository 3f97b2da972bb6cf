//! Giving a .vmx back that a step renamed aside.

use crate::engine::{Ledger, Thing};
use crate::error::Fault;
use crate::hypervisor::shell::Found;
use crate::names::own::{Asides, UNDONE};

use super::configuration;
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::replacing;

/// Gives the .vmx that this very step renamed aside its name back; the edited one is kept under a
/// name of its own. `None` where the step changed none. What was done of it already is not done
/// again.
///
/// # Errors
/// The host refused it, or a write was lost.
pub(super) async fn give_back(ctx: &Ctx, at: &VmAt) -> Result<Option<String>, ActError> {
    // A rename counts from its announcement: its link may have died before it could be told.
    let ledger = Ledger::of(&ctx.state);
    let kept = ledger.items.iter().rev().find_map(|item| {
        let Thing::Original { path, aside, .. } = &item.thing else {
            return None;
        };
        let own = item.step.as_ref() == Some(&ctx.step.id) && path.ends_with(".vmx");
        let here = item.vm.as_ref() == Some(&at.vm) && item.host == at.host;
        (own && here).then(|| (path.clone(), aside.clone()))
    });
    let Some((path, aside)) = kept else {
        return Ok(None);
    };
    let folder = configuration::folder(ctx, at).await?;
    let present = |path: &str| folder.iter().any(|(name, _)| at.file_path(name) == path);
    if present(&aside) {
        let mut moved = String::new();
        if present(&path) {
            let undone = Asides::of(&path, &ctx.run, UNDONE).free(present);
            replacing::rename(ctx, at, &path, &undone).await?;
            moved = format!("; the edited one is {undone}");
        }
        replacing::rename(ctx, at, &aside, &path).await?;
        return Ok(Some(format!("{path} is the file as it was{moved}")));
    }
    match configuration::find(ctx, at, &path).await? {
        Found::There(_) => Ok(Some(format!("{path} is the file as it was"))),
        Found::Absent | Found::NoFolder => Err(ActError::Failed(Fault::new(
            format!("{path} is not there"),
            at.host.as_str(),
            format!("the file as it was should be {aside}, which is not there either"),
            "look into the folder, and give the file its name back by hand; its bytes are in the run's folder too",
        ))),
    }
}
