//! Looking at a VM of the runbook.

use crate::actions::action::Action;
use crate::actions::context::Ctx;
use crate::actions::ownership::copy_line;
use crate::actions::place::VmAt;
use crate::actions::ready::Ready;
use crate::actions::registered::Entry;
use crate::actions::{configuration, registered, sighting};
use crate::engine::Verdict;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{SiteName, VmName};
use crate::plan::Step;
use crate::runbook::model::{SiteRole, VmSign};

use super::Looked;

pub(super) async fn vm_sign(ctx: &Ctx, vm: &str, site: Option<&SiteName>, sign: VmSign) -> Looked {
    let vm = VmName::from(vm);
    let role = site.and_then(|site| ctx.runbook.sites.get(site));
    let step = Step {
        side: role.map_or(ctx.step.side, |site| site.role),
        ..Step::clone(&ctx.step)
    };
    vm_signs(ctx, &step, &vm, sign)
        .await
        .unwrap_or_else(|fault| Err(fault.what))
}

async fn vm_signs(ctx: &Ctx, step: &Step, vm: &VmName, sign: VmSign) -> Result<Looked, Fault> {
    if sign == VmSign::Ready {
        let ready = Ready::new(&ctx.runbook, step, vm)?;
        let answer = ready.decide(&ready.observe(ctx).await?);
        return Ok(match answer.verdict {
            Verdict::AlreadyDone { evidence } => Ok(evidence.join("; ")),
            Verdict::Needed(_) | Verdict::Blocked { .. } => Err(answer.found),
        });
    }
    let at = VmAt::of_step(&ctx.runbook, step, vm)?.with_facts(ctx);
    let at = configuration::name_vmx(ctx, at).await?;
    let entry = registered::look(ctx, &at, Lane::Control).await?.entry;
    let unregistered = || format!("it is not registered on {}", at.host);
    let power = |entry: &Entry| format!("power state {} on {}", entry.power(), at.host);
    let said = entry.as_ref().map_or_else(unregistered, power);
    let power = entry.as_ref().map_or(PowerState::Off, Entry::power);
    let runs = entry.as_ref().filter(|_| power == PowerState::On);
    Ok(match (sign, runs) {
        (VmSign::On, Some(_)) => Ok(said),
        // A suspended one goes on where it was, once somebody resumes it.
        (VmSign::Off, _) if power != PowerState::Off => Err(said),
        (VmSign::Off, _) => awake_nowhere(ctx, vm, step.side).await.map(|_| said),
        (VmSign::On | VmSign::Tools | VmSign::Ready, None) => Err(said),
        (VmSign::Tools | VmSign::Ready, Some(entry)) => {
            let command = commands::guest(entry.vmid);
            let doing = "reading what the guest's tools told";
            let guest = ctx
                .read(&at.host, Lane::Control, &command, Guest::parse, doing)
                .await?;
            if guest.tools_running {
                Ok("its tools run (get.guest)".to_owned())
            } else {
                let status = guest.tools_status.as_deref().unwrap_or("no status");
                Err(format!("its tools do not run ({status})"))
            }
        }
    })
}

/// Whether a VM that is off at its place is off on every other host of the site, and in every other
/// folder: it may have been moved, registered anew, or run without an entry.
async fn awake_nowhere(ctx: &Ctx, vm: &VmName, side: SiteRole) -> Looked {
    let owner = sighting::of_hosts(ctx, vm, side).await;
    let mut copies = owner.copies();
    if let Some((host, copy)) = copies.find(|(_, copy)| copy.power != PowerState::Off) {
        let does = if copy.runs() {
            "it runs"
        } else {
            "it is suspended"
        };
        return Err(format!("{does} on {host}: {}", copy_line(copy)));
    }
    match owner.silent_hosts().next() {
        Some(host) => Err(format!("{host} did not tell whether it runs there")),
        None => Ok(String::new()),
    }
}
