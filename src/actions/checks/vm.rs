//! Looking at a VM of the runbook.

use crate::actions::action::Action;
use crate::actions::context::Ctx;
use crate::actions::ownership::{Ownership, copy_line};
use crate::actions::place::VmAt;
use crate::actions::ready::Ready;
use crate::actions::registered::Entry;
use crate::actions::{configuration, registered, sighting};
use crate::engine::Verdict;
use crate::error::Fault;
use crate::host::Lane;
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
    let unregistered = || format!("it is not registered on {}", at.host);
    let power = |entry: &Entry| format!("power state {} on {}", entry.power(), at.host);
    let said = entry.as_ref().map_or_else(unregistered, power);
    let power = entry.as_ref().map_or(PowerState::Off, Entry::power);
    if let Some(is_so) = told_by_power(sign, power) {
        return Ok(if is_so { Ok(said) } else { Err(said) });
    }
    let Some(entry) = entry.filter(|_| power == PowerState::On) else {
        let owner = sighting::of_hosts(ctx, vm, step.side).await;
        return Ok(off_everywhere(&owner).map(|()| said));
    };
    let guest = registered::guest(ctx, &at.host, entry.vmid).await?;
    Ok(if guest.tools_running {
        Ok("its tools run (get.guest)".to_owned())
    } else {
        let status = guest.tools_status.as_deref().unwrap_or("no status");
        Err(format!("its tools do not run ({status})"))
    })
}

/// Whether a sign holds, where the VM's power state at its place tells it. A suspended one is not off:
/// it goes on where it was, once somebody resumes it.
fn told_by_power(sign: VmSign, power: PowerState) -> Option<bool> {
    match (sign, power) {
        (VmSign::On, power) => Some(power == PowerState::On),
        (VmSign::Off, PowerState::On | PowerState::Suspended) => Some(false),
        (VmSign::Tools | VmSign::Ready, PowerState::Off | PowerState::Suspended) => Some(false),
        (VmSign::Off, PowerState::Off) | (VmSign::Tools | VmSign::Ready, PowerState::On) => None,
    }
}

/// Whether a VM that is off at its place is off on every other host of the site, and in every other
/// folder: it may have been moved, registered anew, or run without an entry.
fn off_everywhere(owner: &Ownership) -> Result<(), String> {
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
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::ownership::{Heard, Told};
    use crate::actions::tests::parts::{copy, ownership};

    #[test]
    fn a_suspended_vm_is_neither_on_nor_off() {
        let asleep = PowerState::Suspended;
        for sign in [VmSign::On, VmSign::Off, VmSign::Tools] {
            assert_eq!(told_by_power(sign, asleep), Some(false), "{sign:?}");
        }
        let off = |powers: &[PowerState]| {
            let told: Vec<Told> = powers
                .iter()
                .map(|power| Told::Copies(vec![copy(*power)]))
                .collect();
            off_everywhere(&ownership("London", &told, Heard::NotAsked))
        };
        assert_eq!(off(&[PowerState::Off, PowerState::Off]), Ok(()));
        let said = off(&[PowerState::Off, asleep]).unwrap_err();
        assert!(said.starts_with("it is suspended on lon-esx2: "), "{said}");
    }
}
