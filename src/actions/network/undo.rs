//! Giving the .vmx back that was renamed aside.

use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell::Found;

use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::place::VmAt;
use crate::actions::{configuration, registered, replacing};

/// Takes the edit back and gives what was seen afterwards.
///
/// # Errors
/// The VM runs, the host refused it, or a write was lost.
pub(super) async fn undo(ctx: &Ctx, at: &VmAt) -> Result<Vec<String>, ActError> {
    let path = at.vmx_path();
    let aside = ctx
        .state
        .facts
        .iter()
        .rev()
        .find_map(|found| match &found.fact {
            Fact::OriginalKept {
                vm,
                host,
                path: of,
                aside,
            } if *vm == at.vm && *host == at.host && *of == path => Some(aside.clone()),
            _ => None,
        });
    let Some(aside) = aside else {
        return Ok(vec![format!("{path} was not changed by this run")]);
    };
    let registration = registered::look(ctx, at, Lane::Control).await?;
    if let Some(entry) = registration
        .entry
        .as_ref()
        .filter(|e| e.power() != PowerState::Off)
    {
        return Err(ActError::Failed(Fault::new(
            format!(
                "{} is {}, so its .vmx cannot be changed back",
                at.who(),
                entry.power()
            ),
            at.host.as_str(),
            "nothing was changed",
            "shut it down first, then undo again",
        )));
    }
    let folder = configuration::folder(ctx, at).await?;
    let present = |path: &str| folder.iter().any(|(name, _)| at.file_path(name) == path);
    let undone = format!("{path}.lifeboat-{}-undone", ctx.run);
    if present(&path) && present(&aside) {
        replacing::rename(ctx, at, &path, &undone).await?;
    }
    if present(&aside) {
        replacing::rename(ctx, at, &aside, &path).await?;
    }
    if let Some(entry) = &registration.entry {
        let doing = format!("making {} read the old .vmx", at.host);
        ctx.order(
            &at.host,
            &commands::reload(entry.vmid),
            check_silent,
            &doing,
        )
        .await?;
    }
    match configuration::find(ctx, at, &path).await? {
        Found::There(_) => Ok(vec![format!(
            "{path} is the file as it was; the edited one is {undone}"
        )]),
        Found::Absent | Found::NoFolder => Err(ActError::Failed(Fault::new(
            format!("{path} is not there"),
            at.host.as_str(),
            format!("the file as it was should be {aside}"),
            "give it its name back by hand",
        ))),
    }
}
