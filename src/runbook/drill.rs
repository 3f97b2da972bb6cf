//! A runbook as a drill walks it: the same steps, at places of the drill's own. Pure.
//!
//! Everything that the drill makes bears its run's id: the VMs' folders and names, and a virtual
//! switch without uplinks on each recovery host, which holds the port groups that networks have in
//! drills. The result depends on the runbook and the id alone, so a drill that is taken up again
//! walks the same places.

use super::model::{Isolation, PortGroup, PortGroupSpec, Runbook, Vm};
use crate::names::{HostName, RunId, VmName};

/// How names that drills give begin.
const PREFIX: &str = "drill-";
/// Lengths of the parts of a run's id: day, time, and four letters and digits.
const ID: [usize; 3] = [8, 6, 4];

/// What a VM and its folder are called in a drill.
#[must_use]
pub fn drill_name(run: &RunId, vm: &VmName) -> String {
    format!("{PREFIX}{run}-{vm}")
}

/// The drill that gave a VM, a folder or a switch this name, if one did.
#[must_use]
pub fn drill_of(name: &str) -> Option<RunId> {
    let rest = name.strip_prefix(PREFIX)?;
    let mut parts = rest.splitn(ID.len() + 1, '-');
    let mut length = ID.len() - 1;
    for expected in ID {
        let part = parts.next()?;
        let fits = part.len() == expected && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return None;
        }
        length += part.len();
    }
    rest.get(..length).map(RunId::from)
}

/// The runbook with the drill's own places: folders at the recovery site, and port groups on a
/// switch without uplinks. What is expendable stays where it is.
#[must_use]
pub fn isolated(runbook: &Runbook, run: &RunId) -> Runbook {
    let mut drill = runbook.clone();
    let vswitch = format!("{PREFIX}{run}");
    let groups = groups(runbook, &vswitch);
    let site = runbook.recovery_site();
    for network in drill.networks.values_mut() {
        let name = network.drill.as_deref().unwrap_or(&vswitch);
        if let Some(group) = groups.iter().find(|group| group.name == name) {
            network.at.insert(site.clone(), group.clone());
        }
        // Nothing outside has a path into the isolation.
        network.probe_from = None;
    }
    let mut written = Vec::new();
    for (name, vm) in &mut drill.vms {
        if vm.expendable || Vm::is_pattern(name) {
            continue;
        }
        if let Some(place) = &mut vm.recovery {
            written.push(place.clone());
            place.folder = drill_name(run, name);
        }
    }
    let first = groups.first().cloned();
    drill.isolation = Some(Isolation {
        run: run.clone(),
        written,
        spare: first.unwrap_or_else(|| group(&vswitch, &vswitch, 0)),
        vswitch,
        groups,
        identity: runbook.drill.identity,
    });
    drill
}

impl Runbook {
    /// Whether a host is production's, which a drill has nothing to ask.
    #[must_use]
    pub fn is_left_alone(&self, host: &HostName) -> bool {
        let site = self.hosts.get(host).map(|host| &host.site);
        self.isolation.is_some() && site == Some(&self.protected_site())
    }
}

/// The port groups of a drill, each with a VLAN of its own: what production keeps apart stays apart.
fn groups(runbook: &Runbook, vswitch: &str) -> Vec<PortGroup> {
    let mut groups: Vec<PortGroup> = Vec::new();
    for network in runbook.networks.values() {
        let name = network.drill.as_deref().unwrap_or(vswitch);
        if !groups.iter().any(|group| group.name == name) {
            let vlan = u16::try_from(groups.len()).unwrap_or_default();
            groups.push(group(name, vswitch, vlan));
        }
    }
    groups
}

fn group(name: &str, vswitch: &str, vlan: u16) -> PortGroup {
    PortGroup {
        name: name.to_owned(),
        create: Some(PortGroupSpec {
            vswitch: vswitch.to_owned(),
            vlan,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::{Limits, load};

    const TEXT: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

    fn run() -> RunId {
        RunId::from("20260102-030405-k7qd")
    }

    fn bundled() -> Runbook {
        load("bundled", TEXT, &Limits::default()).unwrap().runbook
    }

    #[test]
    fn the_drill_has_places_of_its_own_and_leaves_the_protected_site_as_it_is() {
        let (before, drill) = (bundled(), isolated(&bundled(), &run()));
        let isolation = drill.isolation.as_ref().unwrap();
        assert_eq!(isolation.vswitch, "drill-20260102-030405-k7qd");
        let site = drill.recovery_site();
        for (name, network) in &drill.networks {
            let here = &network.at[&site];
            assert!(isolation.groups.contains(here), "{name}");
            assert_eq!(here.create.as_ref().unwrap().vswitch, isolation.vswitch);
            assert!(network.probe_from.is_none());
            let others = network.at.iter().filter(|(its, _)| **its != site);
            assert!(
                others
                    .clone()
                    .all(|(its, group)| before.networks[name].at[its] == *group)
            );
        }
        for (name, vm) in before.recoverable_vms() {
            let (was, is) = (
                vm.recovery.as_ref().unwrap(),
                drill.vms[name].recovery.as_ref().unwrap(),
            );
            assert_eq!(is.folder, format!("drill-{}-{name}", run()));
            assert_eq!((&is.host, &is.datastore), (&was.host, &was.datastore));
            assert_eq!(drill.vms[name].protected, vm.protected);
        }
        assert_eq!(
            (&drill.failover, &drill.hosts),
            (&before.failover, &before.hosts)
        );
        assert!(drill.is_left_alone(&"lon-esx1".into()));
        assert!(!drill.is_left_alone(&"lee-esx1".into()));
        assert!(!before.is_left_alone(&"lon-esx1".into()));
        assert_eq!(
            isolated(&before, &run()),
            drill,
            "a resumed drill is where it was"
        );
    }

    #[test]
    fn networks_that_production_keeps_apart_stay_apart() {
        let mut runbook = bundled();
        let (_, first) = runbook.networks.get_index(0).unwrap();
        let mut second = first.clone();
        second.drill = Some("drill-dmz".into());
        runbook.networks.insert("dmz".into(), second);
        let isolation = isolated(&runbook, &run()).isolation.unwrap();
        let vlans: Vec<u16> = isolation
            .groups
            .iter()
            .filter_map(|group| Some(group.create.as_ref()?.vlan))
            .collect();
        assert_eq!(vlans, [0, 1]);
        assert_eq!(isolation.spare, isolation.groups[0]);
    }

    #[test]
    fn a_name_tells_its_drill() {
        let name = drill_name(&run(), &"lab-sql-01".into());
        assert_eq!(drill_of(&name), Some(run()));
        assert_eq!(drill_of("drill-20260102-030405-k7qd"), Some(run()));
        for other in [
            "sql01",
            "drill-sql01",
            "drill-2026-030405-k7qd-sql01",
            "drill-20260102-030405",
            "",
        ] {
            assert_eq!(drill_of(other), None, "{other}");
        }
    }
}
