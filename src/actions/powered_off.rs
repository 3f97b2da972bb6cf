//! Whether the VM is off in whose operating system a host runs: then nothing goes on there.

use crate::engine::StopOutcome;
use crate::error::Fault;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{HostName, VmName};
use crate::runbook::model::SiteRole;

use super::context::Ctx;
use super::ownership::{Copy, Ownership};
use super::sighting;

/// What became of a command on a host that cannot be asked for it, for this reason: it is over where that
/// host's VM is off. It ended with the machine, and is not there when that is started again.
///
/// # Errors
/// The reason, where the host is no VM's guest or its VM is not known to be off.
pub(super) async fn over_unless(
    ctx: &Ctx,
    host: &HostName,
    unasked: Fault,
) -> Result<StopOutcome, Fault> {
    let Some((vm, role)) = guest(ctx, host) else {
        return Err(unasked);
    };
    if is_off(&sighting::of_hosts(ctx, &vm, role).await) {
        ctx.doing(format!("{vm} is off: nothing goes on in its guest {host}"));
        return Ok(StopOutcome::Gone);
    }
    let next = format!(
        "{}; or retry once {vm}, whose guest it is, is seen off by every host there: then nothing goes on in it",
        unasked.next
    );
    Err(Fault { next, ..unasked })
}

/// The VM whose operating system a host is, and where.
fn guest(ctx: &Ctx, host: &HostName) -> Option<(VmName, SiteRole)> {
    let vm = ctx.runbook.hosts.get(host)?.guest.clone()?;
    Some((vm, ctx.runbook.role_of(host)?))
}

/// Every listed host of its site answered in full and by its identity, one of them has it, and wherever it
/// is it is off. A suspended one would go on with whatever ran in it.
fn is_off(seen: &Ownership) -> bool {
    let is_its = |copy: &Copy| matches!(copy.by, "uuid.bios" | "path");
    seen.all_answered()
        && seen.by_uuid
        && seen.copies().any(|(_, copy)| is_its(copy))
        && seen.copies().all(|(_, copy)| copy.power == PowerState::Off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::ownership::{Sighting, Told};
    use crate::actions::sighting::nothing_known;

    fn copy(by: &'static str, power: PowerState) -> Copy {
        Copy {
            vmid: None,
            name: "hr01".to_owned(),
            vmx: "[local1] hr01/hr01.vmx".to_owned(),
            by,
            power,
            since: None,
            tools: false,
            autostart: None,
        }
    }

    /// Whether it counts as off where the hosts of the site told this.
    fn off(by_uuid: bool, told: &[Told]) -> bool {
        let sightings = told.iter().map(|told| Sighting {
            host: "lee-esx1".into(),
            told: told.clone(),
            invalid: 0,
        });
        is_off(&Ownership {
            by_uuid,
            ..nothing_known(&"hr01".into(), "Leeds", sightings.collect())
        })
    }

    #[test]
    fn a_machine_is_off_where_every_host_tells_all_and_one_shows_it_off() {
        use PowerState::{Off, On, Suspended};
        let has = |by, power| Told::Copies(vec![copy(by, power)]);
        let none = || Told::Copies(Vec::new());
        for by in ["uuid.bios", "path"] {
            assert!(off(true, &[has(by, Off), none()]), "{by}");
        }
        let whole = || has("uuid.bios", Off);
        assert!(!off(false, &[whole()]), "its identity is not known");
        assert!(!off(true, &[has("name", Off)]), "it may be another");
        assert!(!off(true, &[none(), none()]), "nobody has it");
        assert!(!off(true, &[]), "nobody was asked");
        for power in [On, Suspended] {
            assert!(!off(true, &[has("path", power)]));
            assert!(!off(true, &[whole(), has("name", power)]), "{power}");
        }
        let part = Told::Part {
            why: "hostd".to_owned(),
            copies: vec![copy("path", Off)],
        };
        for silent in [part, Told::NotAsked, Told::Nothing("silent".to_owned())] {
            assert!(!off(true, &[whole(), silent.clone()]), "{silent:?}");
        }
    }
}
