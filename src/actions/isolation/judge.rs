//! Whether what a host shows is an isolation. Pure.

use std::collections::BTreeSet;

use crate::actions::place::path_tail;
use crate::hypervisor::esxi::network::{PortGroup, Vmknic, Vswitch};
use crate::runbook::drill_of;
use crate::runbook::model::Isolation;
use crate::vmfiles::Adapter;

/// What a host shows of its networks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    pub switches: Vec<Vswitch>,
    pub groups: Vec<PortGroup>,
    pub vmknics: Vec<Vmknic>,
    /// The VMs of the host, one that is in the inventory and runs twice over.
    pub joined: Vec<Joined>,
}

/// A VM and the adapters that it sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::actions) struct Joined {
    pub name: String,
    /// Its .vmx on the host.
    pub vmx: String,
    /// The host lists it among those that run.
    pub running: bool,
    pub adapters: Vec<Adapter>,
    /// Why its .vmx could not be read, so that its adapters are not known.
    pub unread: Option<String>,
}

impl Joined {
    /// Whether one of its adapters is joined to this port group, be the VM off.
    pub(in crate::actions) fn is_to(&self, group: &str) -> bool {
        let mut names = self.adapters.iter().map(|its| its.network_name.as_deref());
        names.any(|name| name == Some(group))
    }

    /// Whether it is this drill's: its folder bears the run's id.
    fn is_ours(&self, isolation: &Isolation) -> bool {
        let mut parts = self.vmx.rsplit('/').skip(1);
        parts.next().and_then(drill_of).as_ref() == Some(&isolation.run)
    }
}

/// Why it is no isolation, and what shows that it is one.
pub(super) fn judge(isolation: &Isolation, view: &View) -> (Vec<String>, Vec<String>) {
    let mut flaws = Vec::new();
    let mut lines = Vec::new();
    let switch = &isolation.vswitch;
    match view.switches.iter().find(|its| its.name == *switch) {
        None => lines.push(format!("there is no switch {switch} yet")),
        Some(its) if its.uplinks.is_empty() => {
            lines.push(format!("{switch} has no uplink (vswitch standard list)"));
        }
        Some(its) => flaws.push(format!(
            "{switch} has an uplink, {}",
            its.uplinks.join(", ")
        )),
    }
    flaws.extend(foreign_groups(isolation, view));
    flaws.extend(own_adapters(isolation, view));
    flaws.extend(foreign_vms(isolation, view));
    flaws.extend(bridges(isolation, view));
    flaws.extend(unread_of_drill(isolation, view));
    flaws.extend(unseen_clients(isolation, view));
    if flaws.is_empty() {
        let groups = names(isolation).collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "no port group on it but {groups}, no vmkernel interface, and no VM but this drill's is joined to them"
        ));
        lines.extend(doubts(&view.joined));
    }
    (flaws, lines)
}

/// What is said of each VM, once: one that runs stands in the inventory too, by another name of its
/// volume.
fn once<'a>(
    vms: impl Iterator<Item = &'a Joined>,
    say: impl Fn(&Joined) -> Option<String>,
) -> Vec<String> {
    let mut told = BTreeSet::new();
    let said = vms.filter_map(|vm| Some((vm, say(vm)?)));
    said.filter(|(vm, _)| told.insert(path_tail(&vm.vmx)))
        .map(|(_, said)| said)
        .collect()
}

/// What is not known of VMs whose .vmx could not be read.
pub(in crate::actions) fn doubts(joined: &[Joined]) -> Vec<String> {
    once(joined.iter(), |vm| {
        let Joined { name, vmx, .. } = vm;
        let why = vm.unread.as_ref()?;
        Some(format!(
            "{vmx} cannot be read ({why}): whether {name} is joined to one of them is not ruled out"
        ))
    })
}

fn names(isolation: &Isolation) -> impl Iterator<Item = &str> {
    let all = isolation.groups.iter().map(|group| group.name.as_str());
    let spare = isolation.spare.name.as_str();
    all.chain((!isolation.groups.iter().any(|group| group.name == spare)).then_some(spare))
}

fn is_drill_group(isolation: &Isolation, name: &str) -> bool {
    names(isolation).any(|its| its == name)
}

fn foreign_groups(isolation: &Isolation, view: &View) -> Vec<String> {
    let on_it = |group: &&PortGroup| {
        group.vswitch == isolation.vswitch && !is_drill_group(isolation, &group.name)
    };
    let foreign = view.groups.iter().filter(on_it);
    foreign
        .map(|group| {
            format!(
                "port group {} is on {} too, and is not the drill's",
                group.name, group.vswitch
            )
        })
        .collect()
}

/// The host's own adapters would carry the drill's traffic out, or production's in.
fn own_adapters(isolation: &Isolation, view: &View) -> Vec<String> {
    let mut flaws = Vec::new();
    for own in &view.vmknics {
        let untold = own.vswitch.is_empty() && own.port_group.is_empty();
        if untold {
            flaws.push(format!(
                "the host does not tell where its own adapter {} is",
                own.name
            ));
        } else if own.vswitch == isolation.vswitch || is_drill_group(isolation, &own.port_group) {
            flaws.push(format!(
                "the host's own adapter {} is on {} ({})",
                own.name, own.vswitch, own.port_group
            ));
        }
    }
    flaws
}

fn is_joined(isolation: &Isolation, adapter: &Adapter) -> bool {
    adapter
        .network_name
        .as_deref()
        .is_some_and(|name| is_drill_group(isolation, name))
}

fn foreign_vms(isolation: &Isolation, view: &View) -> Vec<String> {
    let foreign = view.joined.iter().filter(|vm| !vm.is_ours(isolation));
    once(foreign, |vm| {
        let adapter = vm.adapters.iter().find(|its| is_joined(isolation, its))?;
        let group = adapter.network_name.as_deref().unwrap_or_default();
        Some(format!(
            "{} ({}) is joined to {group} and is not this drill's",
            vm.name, vm.vmx
        ))
    })
}

/// A VM of the drill with one foot in production would carry traffic across.
fn bridges(isolation: &Isolation, view: &View) -> Vec<String> {
    let own = view.joined.iter().filter(|vm| vm.is_ours(isolation));
    let inside = own.filter(|vm| vm.adapters.iter().any(|its| is_joined(isolation, its)));
    once(inside, |vm| {
        let out = |its: &&Adapter| !is_joined(isolation, its) || !its.switch_keys.is_empty();
        let adapter = vm.adapters.iter().find(out)?;
        let network = adapter.network_name.as_deref().unwrap_or("another switch");
        Some(format!(
            "{} of {} is joined to {network}",
            adapter.name, vm.name
        ))
    })
}

/// One that runs could have a foot in production. Of a VM that is off, its own start reads the file; of one
/// that is not the drill's and runs, the number of clients tells.
fn unread_of_drill(isolation: &Isolation, view: &View) -> Vec<String> {
    let own = view.joined.iter();
    let own = own.filter(|vm| vm.running && vm.is_ours(isolation));
    once(own, |vm| {
        let why = vm.unread.as_ref()?;
        Some(format!(
            "{} runs, and its .vmx cannot be read ({why}), so nothing tells what else it is joined to",
            vm.name
        ))
    })
}

/// Whether nothing but the number of clients speaks against the isolation.
pub(super) fn fails_by_clients_alone(isolation: &Isolation, view: &View) -> bool {
    let flaws = judge(isolation, view).0;
    !flaws.is_empty() && flaws == unseen_clients(isolation, view)
}

/// More is connected than the drill's VMs can account for: only one that runs is a client.
fn unseen_clients(isolation: &Isolation, view: &View) -> Vec<String> {
    let mut flaws = Vec::new();
    for name in names(isolation) {
        let group = view
            .groups
            .iter()
            .find(|group| group.name == name && group.vswitch == isolation.vswitch);
        let Some(group) = group else { continue };
        let own = view.joined.iter();
        let own = own.filter(|vm| vm.running && vm.is_ours(isolation));
        let known = own
            .flat_map(|vm| &vm.adapters)
            .filter(|its| its.network_name.as_deref() == Some(name))
            .count() as u64;
        if group.active_clients > known {
            flaws.push(format!(
                "{} are connected to {name}, and this drill's VMs have {known} adapters there",
                group.active_clients
            ));
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::isolation::{Ground, twice_by_clients};
    use crate::runbook::model::{self, Identity, PortGroupSpec};

    const SWITCH: &str = "drill-20260102-030405-k7qd";
    const GROUP: &str = "lifeboat-drill";

    fn isolation() -> Isolation {
        let group = model::PortGroup {
            name: GROUP.into(),
            create: Some(PortGroupSpec {
                vswitch: SWITCH.into(),
                vlan: 0,
            }),
        };
        Isolation {
            run: "20260102-030405-k7qd".into(),
            written: Vec::new(),
            vswitch: SWITCH.into(),
            groups: vec![group.clone()],
            spare: group,
            identity: Identity::Moved,
        }
    }

    fn adapter(name: &str, network: &str) -> Adapter {
        Adapter {
            name: name.into(),
            present: true,
            network_name: Some(network.into()),
            ..Adapter::default()
        }
    }

    fn joined(name: &str, folder: &str, networks: &[&str]) -> Joined {
        let adapters = networks.iter().enumerate();
        Joined {
            name: name.into(),
            vmx: format!("/vmfs/volumes/5cc5b591-875b0190/{folder}/{name}.vmx"),
            running: true,
            adapters: adapters
                .map(|(number, network)| adapter(&format!("ethernet{number}"), network))
                .collect(),
            unread: None,
        }
    }

    /// The same VM as the inventory has it.
    fn listed(vm: &Joined) -> Joined {
        Joined {
            vmx: vm.vmx.replace("5cc5b591-875b0190", "local1"),
            running: false,
            ..vm.clone()
        }
    }

    fn group(name: &str, vswitch: &str, active_clients: u64) -> PortGroup {
        PortGroup {
            name: name.into(),
            vswitch: vswitch.into(),
            vlan: 0,
            active_clients,
        }
    }

    fn switch(name: &str, uplinks: &[&str]) -> Vswitch {
        Vswitch {
            name: name.into(),
            uplinks: uplinks.iter().map(|name| (*name).to_owned()).collect(),
            port_groups: vec![],
            mtu: 1500,
        }
    }

    /// A host with production on vSwitch0 and one VM of the drill that runs.
    fn host() -> View {
        View {
            switches: vec![switch("vSwitch0", &["vmnic0"]), switch(SWITCH, &[])],
            groups: vec![group("VM Network", "vSwitch0", 1), group(GROUP, SWITCH, 1)],
            vmknics: vec![Vmknic {
                name: "vmk0".into(),
                mac: "00:50:56:6c:01:11".into(),
                vswitch: "vSwitch0".into(),
                port_group: "Management Network".into(),
            }],
            joined: vec![
                joined("lab-1", "lab-1", &["VM Network"]),
                joined("drill", "drill-20260102-030405-k7qd-sql01", &[GROUP]),
            ],
        }
    }

    #[test]
    fn a_switch_of_its_own_is_an_isolation() {
        let (flaws, lines) = judge(&isolation(), &host());
        assert_eq!(flaws, Vec::<String>::new());
        assert!(
            lines[0].contains("has no uplink") && lines.len() == 2,
            "{lines:?}"
        );
        let bare = View {
            switches: vec![switch("vSwitch0", &["vmnic0"])],
            groups: vec![],
            joined: vec![],
            ..host()
        };
        assert_eq!(
            judge(&isolation(), &bare).0,
            Vec::<String>::new(),
            "it can be made"
        );
    }

    type Plant = fn(&mut View);

    #[test]
    fn whatever_leads_out_of_it_is_a_flaw() {
        let planted: [(&str, Plant); 9] = [
            ("has an uplink, vmnic1", |view| {
                view.switches[1].uplinks.push("vmnic1".into())
            }),
            ("port group DMZ is on", |view| {
                view.groups.push(group("DMZ", SWITCH, 0))
            }),
            ("own adapter vmk1 is on", |view| {
                let own = Vmknic {
                    name: "vmk1".into(),
                    vswitch: SWITCH.into(),
                    port_group: "x".into(),
                    ..view.vmknics[0].clone()
                };
                view.vmknics.push(own);
            }),
            ("own adapter vmk0 is on", |view| {
                view.vmknics[0].port_group = GROUP.into()
            }),
            ("does not tell where its own adapter vmk0 is", |view| {
                view.vmknics[0].vswitch.clear();
                view.vmknics[0].port_group.clear();
            }),
            ("router (", |view| {
                view.joined
                    .push(joined("router", "router", &["VM Network", GROUP]))
            }),
            ("is not this drill's", |view| {
                view.joined.push(joined(
                    "other",
                    "drill-20260102-030405-zzzz-sql01",
                    &[GROUP],
                ));
            }),
            ("ethernet1 of drill is joined to VM Network", |view| {
                view.joined[1]
                    .adapters
                    .push(adapter("ethernet1", "VM Network"));
            }),
            ("2 are connected to", |view| {
                view.groups[1].active_clients = 2;
                view.joined.push(listed(&view.joined[1]));
            }),
        ];
        for (flaw, plant) in planted {
            let mut view = host();
            plant(&mut view);
            let (flaws, _) = judge(&isolation(), &view);
            assert!(
                flaws.iter().any(|its| its.contains(flaw)),
                "{flaw}: {flaws:?}"
            );
            let is_count = flaw.contains("are connected");
            assert_eq!(
                fails_by_clients_alone(&isolation(), &view),
                is_count,
                "{flaw}"
            );
            view.groups[1].active_clients += 5;
            assert_eq!(
                fails_by_clients_alone(&isolation(), &view),
                is_count,
                "{flaw}"
            );
        }
        assert!(!fails_by_clients_alone(&isolation(), &host()));
    }

    /// How often a host is looked at that shows these views in turn, and what speaks against its isolation then.
    async fn looked(views: &[View]) -> (usize, Vec<String>) {
        let mut looks = 0;
        let ground = twice_by_clients(&isolation(), || {
            let view = views[looks].clone();
            looks += 1;
            let flaws = judge(&isolation(), &view).0;
            let ground = Ground {
                flaws,
                ..Ground::default()
            };
            std::future::ready(Ok((ground, view)))
        })
        .await;
        (looks, ground.unwrap().flaws)
    }

    #[tokio::test]
    async fn one_client_too_many_is_looked_at_once_more_and_a_way_out_is_not() {
        let mut one_more = host();
        one_more.groups[1].active_clients += 1;
        assert_eq!(looked(&[one_more.clone(), host()]).await, (2, Vec::new()));
        let (looks, flaws) = looked(&[one_more.clone(), one_more.clone()]).await;
        assert!(
            looks == 2 && flaws[0].contains("are connected"),
            "{flaws:?}"
        );
        one_more.switches[1].uplinks.push("vmnic1".into());
        let (looks, flaws) = looked(&[one_more]).await;
        assert!(looks == 1 && flaws.len() == 2, "{flaws:?}");
        assert_eq!(looked(&[host()]).await, (1, Vec::new()));
    }

    #[test]
    fn an_adapter_that_is_tied_to_a_distributed_switch_too_is_a_way_out() {
        let mut view = host();
        view.joined[1].adapters[0]
            .switch_keys
            .push("ethernet0.dvs.portid".into());
        assert_eq!(judge(&isolation(), &view).0.len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_flaw_of_a_vm_of_the_drill_that_runs_alone() {
        let unread = |vm: Joined| Joined {
            adapters: vec![],
            unread: Some("Device or resource busy".into()),
            ..vm
        };
        let mut view = host();
        let lab = unread(listed(&view.joined[0]));
        view.joined[0] = unread(view.joined[0].clone());
        view.joined.push(lab);
        let off = joined("app", "drill-20260102-030405-k7qd-app01", &[]);
        view.joined.push(unread(listed(&off)));
        let (flaws, lines) = judge(&isolation(), &view);
        assert_eq!(flaws, Vec::<String>::new());
        let doubts = lines.iter().filter(|line| line.contains("resource busy"));
        assert_eq!(doubts.count(), 2, "{lines:?}");
        view.joined[1] = unread(view.joined[1].clone());
        let (flaws, _) = judge(&isolation(), &view);
        assert!(
            flaws[0].starts_with("drill runs, and its .vmx"),
            "{flaws:?}"
        );
    }

    #[test]
    fn a_vm_of_the_drill_that_is_off_accounts_for_no_client() {
        let mut view = host();
        view.groups[1].active_clients = 2;
        let off = joined("app", "drill-20260102-030405-k7qd-app01", &[GROUP]);
        view.joined.push(listed(&off));
        let (flaws, _) = judge(&isolation(), &view);
        assert!(flaws[0].contains("have 1 adapters there"), "{flaws:?}");
        view.joined.push(off);
        assert_eq!(
            judge(&isolation(), &view).0,
            Vec::<String>::new(),
            "it runs"
        );
    }

    #[test]
    fn an_intruder_that_runs_is_told_of_once() {
        let mut view = host();
        let mut bridge = joined("app", "drill-20260102-030405-k7qd-app01", &[GROUP]);
        bridge.adapters.push(adapter("ethernet1", "VM Network"));
        let running = [joined("router", "router", &[GROUP]), bridge];
        view.groups[1].active_clients = 2;
        view.joined.extend(running.iter().map(listed));
        view.joined.extend(running);
        let (flaws, _) = judge(&isolation(), &view);
        assert_eq!(flaws.len(), 2, "{flaws:?}");
        assert!(flaws[0].starts_with("router ("), "{flaws:?}");
        assert!(flaws[1].starts_with("ethernet1 of app"), "{flaws:?}");
    }
}
