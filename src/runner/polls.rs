//! What a poll of a host means for the run: which of its VMs run there.

use crate::engine::{Fact, Listed, RunState, Sighting, Unheard};
use crate::hypervisor::esxi::Vmid;
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
    let vms = runbook.vms.keys().filter(|name| !Vm::is_pattern(name));
    let running = vms.filter_map(|vm| Some((vm.clone(), listed(state, figures, vm)?)));
    let listed: Vec<(VmName, Listed)> = running.collect();
    let running = || listed.iter().map(|(vm, _)| vm.clone()).collect();
    let running = figures.asked.map(|_| running());
    let unheard = || Unheard {
        why: figures.trouble.clone().unwrap_or_default(),
        presence: figures.presence,
    };
    Some(Sighting {
        host: figures.host.clone(),
        role,
        asked: figures.asked.unwrap_or_default(),
        running: running.ok_or_else(unheard),
        listed,
    })
}

/// What a VM that runs on the host is on its list: by its uuid.bios, where the run has learned it, or by
/// its place.
fn listed(state: &RunState, figures: &HostFigures, vm: &VmName) -> Option<Listed> {
    let as_listed = |vmid: Option<Vmid>, name: &str| Listed {
        vmid: vmid.map(|Vmid(number)| number),
        name: name.to_owned(),
    };
    let by_place = |known: &&crate::telemetry::VmFigures| known.vm == *vm && known.power == "on";
    if let Some(known) = figures.vms.iter().find(by_place) {
        return Some(as_listed(known.vmid, &known.name));
    }
    let mut uuids = state.facts_of(|fact| match fact {
        Fact::Registered {
            vm: of, uuid_bios, ..
        } if of == vm && !uuid_bios.is_empty() => Some(uuid_bios),
        _ => None,
    });
    let own = uuids.next()?;
    let is_own = |uuid: &String| uuid.eq_ignore_ascii_case(own);
    let mut running = figures.running.iter();
    let found = running.find(|vm| vm.uuid.as_ref().is_some_and(is_own))?;
    Some(as_listed(found.vmid, &found.name))
}
