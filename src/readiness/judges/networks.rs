//! Port groups that adapters are joined to at the recovery site, and whether they lead anywhere.

use std::collections::BTreeMap;

use crate::actions::compare_port_groups;
use crate::error::Fault;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, Seen};
use crate::readiness::task::Task;
use crate::runbook::model::PortGroup;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut joined: BTreeMap<(&HostName, &str), (&PortGroup, Vec<VmName>)> = BTreeMap::new();
    for (name, vm) in task.chosen() {
        let Some(place) = task.place(vm) else {
            continue;
        };
        for group in vm
            .adapters
            .values()
            .filter_map(|adapter| task.port_group(adapter))
        {
            let entry = joined.entry((&place.host, &group.name));
            let (_, vms) = entry.or_insert_with(|| (group, Vec::new()));
            if !vms.contains(name) {
                vms.push(name.clone());
            }
        }
    }
    let mut findings = Vec::new();
    for ((host, _), (group, vms)) in joined {
        if let Some(esxi) = seen.esxi(host) {
            findings.extend(there(host, group, &vms, esxi));
            findings.extend(leads_out(host, group, &vms, esxi));
        }
    }
    findings
}

fn there(host: &HostName, group: &PortGroup, vms: &[VmName], esxi: &EsxiSeen) -> Option<Finding> {
    let (groups, switches) = (esxi.groups.as_ref().ok()?, esxi.switches.as_ref().ok()?);
    let found = compare_port_groups(host, &[group], groups, switches, None, &|_| false);
    let mut fault = found.problems.into_iter().next()?;
    fault.state = format!("the adapters of {} cannot be joined to it", listed(vms));
    if !groups.iter().any(|its| its.name == group.name) {
        fault.next = format!(
            "{}; a distributed port group is in no list of the host: name a standard one instead",
            fault.next.trim_end_matches(", then retry")
        );
    }
    let key = format!("network/{host}/{}/there", group.name);
    Some(Finding::stops(key, vms.to_vec(), fault))
}

/// A switch without a live uplink leads nowhere.
fn leads_out(
    host: &HostName,
    group: &PortGroup,
    vms: &[VmName],
    esxi: &EsxiSeen,
) -> Option<Finding> {
    let groups = esxi.groups.as_ref().ok()?;
    let existing = groups.iter().find(|its| its.name == group.name);
    let switch = match (existing, &group.create) {
        (Some(existing), _) => &existing.vswitch,
        (None, Some(spec)) => &spec.vswitch,
        (None, None) => return None,
    };
    let switches = esxi.switches.as_ref().ok()?;
    let switch = switches.iter().find(|its| its.name == *switch)?;
    let is_up = |uplink: &String| {
        let nics = esxi.nics.as_ref().ok();
        let nic = nics.and_then(|nics| nics.iter().find(|nic| nic.name == *uplink));
        nic.is_none_or(|nic| nic.up)
    };
    if switch.uplinks.iter().any(is_up) {
        return None;
    }
    let why = if switch.uplinks.is_empty() {
        "has no uplink".to_owned()
    } else {
        format!("has no uplink with a link ({})", listed(&switch.uplinks))
    };
    let fault = Fault::new(
        format!(
            "virtual switch {} of port group {} {why}",
            switch.name, group.name
        ),
        host.as_str(),
        format!("nobody outside that host reaches {}", listed(vms)),
        "see to the cable or the uplink, or name another port group in the runbook",
    );
    let key = format!("network/{host}/{}/uplink", group.name);
    Some(Finding::warning(key, vms.to_vec(), fault))
}
