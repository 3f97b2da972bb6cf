//! Looking at a VM of the runbook.

use crate::actions::action::Action;
use crate::actions::context::Ctx;
use crate::actions::place::VmAt;
use crate::actions::ready::Ready;
use crate::actions::{configuration, registered};
use crate::engine::Verdict;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{SiteName, VmName};
use crate::plan::Step;
use crate::runbook::model::VmSign;

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
    let Some(entry) = entry else {
        let said = format!("it is not registered on {}", at.host);
        return Ok(if sign == VmSign::Off {
            Ok(said)
        } else {
            Err(said)
        });
    };
    let power = entry.power();
    let said = format!("power state {power} on {}", at.host);
    Ok(match (sign, power == PowerState::On) {
        (VmSign::On, true) | (VmSign::Off, false) => Ok(said),
        (VmSign::On | VmSign::Tools, false) | (VmSign::Off, true) => Err(said),
        (VmSign::Tools | VmSign::Ready, _) => {
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
