//! What a poll of a host means for the run: which of its VMs run there.

use crate::engine::{Fact, RunState, Sighting, Unheard};
use crate::names::VmName;
use crate::runbook::model::{Driver, Runbook, Vm};
use crate::telemetry::{HostFigures, LinkState};

/// The figures of a host that runs VMs, in the engine's words; `None` for other hosts, and before
/// the first poll.
pub(super) fn seen(runbook: &Runbook, state: &RunState, figures: &HostFigures) -> Option<Sighting> {
    let host = runbook.hosts.get(&figures.host)?;
    if host.driver != Driver::Esxi || figures.link == LinkState::Unknown {
        return None;
    }
    let role = runbook.role_of(&figures.host)?;
    let running = figures.asked.map(|_| {
        let vms = runbook.vms.keys().filter(|name| !Vm::is_pattern(name));
        vms.filter(|vm| runs(state, figures, vm)).cloned().collect()
    });
    let unheard = || Unheard {
        why: figures.trouble.clone().unwrap_or_default(),
        presence: figures.presence,
    };
    Some(Sighting {
        host: figures.host.clone(),
        role,
        asked: figures.asked.unwrap_or_default(),
        running: running.ok_or_else(unheard),
    })
}

/// Whether a VM runs on the host: by its uuid.bios, where the run has learned it, or by its place.
fn runs(state: &RunState, figures: &HostFigures, vm: &VmName) -> bool {
    let by_place = |known: &crate::telemetry::VmFigures| known.vm == *vm && known.power == "on";
    if figures.vms.iter().any(by_place) {
        return true;
    }
    let mut uuids = state.facts_of(|fact| match fact {
        Fact::Registered {
            vm: of, uuid_bios, ..
        } if of == vm && !uuid_bios.is_empty() => Some(uuid_bios),
        _ => None,
    });
    let Some(own) = uuids.next() else {
        return false;
    };
    let is_own = |uuid: &String| uuid.eq_ignore_ascii_case(own);
    let mut running = figures.running.iter();
    running.any(|(uuid, _)| uuid.as_ref().is_some_and(is_own))
}
