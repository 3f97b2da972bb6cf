//! `esxcli network …`: switches, port groups, adapters, addresses, the ports of VMs.

use std::sync::Arc;

use super::table::{Cell, Fields, Shown};
use super::{Answer, Request};
use crate::sim::esxi::{Group, State, Switch, guest};
use crate::sim::host::SimHost;

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

/// How many running adapters are joined to a port group.
pub(in super::super) fn clients(state: &State, group: &str) -> u64 {
    let vms = state.running.keys().filter_map(|id| state.configs.get(id));
    let count: usize = vms
        .map(|config| {
            let joined =
                |adapter: &String| config.get(&format!("{adapter}.networkName")) == Some(group);
            config
                .adapters()
                .iter()
                .filter(|adapter| joined(adapter))
                .count()
        })
        .sum();
    count as u64 + u64::from(group == "Management Network")
}

/// Answers a command; `None` where there is no such one.
pub(super) fn answer(host: &Arc<SimHost>, words: &[&str], request: &Request) -> Option<Answer> {
    let esxi = host.esxi.as_ref()?;
    let mut state = esxi.lock();
    Some(match words {
        ["vswitch", "standard", "list"] => {
            let wanted = request.option("vswitch-name", "v");
            let switches: Vec<&Switch> = state
                .saved
                .switches
                .iter()
                .filter(|s| wanted.is_none_or(|name| name == s.name))
                .collect();
            if let (Some(name), true) = (wanted, switches.is_empty()) {
                return Some(Answer::Error(format!("Unable to find vswitch {name}")));
            }
            let blocks = switches
                .into_iter()
                .map(|s| (s.name.clone(), switch_fields(&state, s)))
                .collect();
            Answer::Shown(Shown::Blocks("VirtualSwitch", blocks))
        }
        ["vswitch", "standard", "add"] => {
            let Some(name) = request.option("vswitch-name", "v").map(str::to_owned) else {
                return Some(missing("vswitch standard add", "--vswitch-name"));
            };
            if state
                .saved
                .switches
                .iter()
                .any(|switch| switch.name == name)
            {
                return Some(Answer::Error(format!(
                    "A vswitch with the name {name} already exists"
                )));
            }
            let ports = request
                .option("ports", "P")
                .and_then(|ports| ports.parse().ok())
                .unwrap_or(128);
            state.saved.switches.push(Switch {
                name,
                uplinks: Vec::new(),
                ports,
            });
            esxi.save(host, &state);
            Answer::Silent
        }
        ["vswitch", "standard", "remove"] => {
            let name = request
                .option("vswitch-name", "v")
                .unwrap_or_default()
                .to_owned();
            let groups: Vec<String> = state
                .saved
                .groups
                .iter()
                .filter(|group| group.switch == name)
                .map(|group| group.name.clone())
                .collect();
            if !state
                .saved
                .switches
                .iter()
                .any(|switch| switch.name == name)
            {
                return Some(Answer::Error(format!("Unable to find vswitch {name}")));
            }
            if groups.iter().any(|group| clients(&state, group) > 0) {
                return Some(Answer::Error(format!(
                    "Unable to remove vswitch {name}: The resource '{name}' is in use."
                )));
            }
            state.saved.groups.retain(|group| group.switch != name);
            state.saved.switches.retain(|switch| switch.name != name);
            esxi.save(host, &state);
            Answer::Silent
        }
        ["vswitch", "standard", "portgroup", "list"] => {
            let mut groups: Vec<&Group> = state.saved.groups.iter().collect();
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            let rows = groups
                .into_iter()
                .map(|group| {
                    vec![
                        ("Name", text(group.name.clone())),
                        ("Virtual Switch", text(group.switch.clone())),
                        ("Active Clients", Cell::Number(clients(&state, &group.name))),
                        ("VLAN ID", Cell::Number(u64::from(group.vlan))),
                    ]
                })
                .collect();
            let labels = vec!["Name", "Virtual Switch", "Active Clients", "VLAN ID"];
            Answer::Shown(Shown::Table("PortGroup", labels, rows))
        }
        [
            "vswitch",
            "standard",
            "portgroup",
            verb @ ("add" | "set" | "remove"),
        ] => {
            let answer = change_group(&mut state, verb, request);
            if matches!(answer, Answer::Silent) {
                esxi.save(host, &state);
            }
            answer
        }
        ["ip", "interface", "list"] => {
            let own = vec![("vmk0".to_owned(), own_adapter(&state, &esxi.identity.mac))];
            Answer::Shown(Shown::Blocks("NetworkInterface", own))
        }
        ["ip", "interface", "ipv4", "get"] => Answer::Shown(interfaces(&esxi.identity.address)),
        ["ip", "neighbor", "list"] => Answer::Shown(neighbours(&state)),
        ["nic", "list"] => Answer::Shown(nics(&esxi.identity.mac)),
        ["vm", "list"] => {
            let rows = state
                .running
                .iter()
                .filter_map(|(id, running)| {
                    let vm = state.saved.vms.iter().find(|vm| vm.id == *id)?;
                    let config = state.configs.get(id)?;
                    let adapters = config.adapters();
                    let networks = adapters
                        .iter()
                        .filter_map(|a| config.get(&format!("{a}.networkName")));
                    Some(vec![
                        ("World ID", Cell::Number(u64::from(running.world))),
                        ("Name", text(state.name(vm))),
                        ("Num Ports", Cell::Number(adapters.len() as u64)),
                        (
                            "Networks",
                            Cell::List(networks.map(str::to_owned).collect()),
                        ),
                    ])
                })
                .collect();
            Answer::Shown(Shown::Table(
                "VM",
                vec!["World ID", "Name", "Num Ports", "Networks"],
                rows,
            ))
        }
        ["vm", "port", "list"] => vm_ports(host, &state, request),
        _ => return None,
    })
}

fn missing(command: &str, option: &str) -> Answer {
    Answer::Error(format!(
        "Error: Missing required parameter {option}\n\nUsage: esxcli network {command} [cmd options]"
    ))
}

fn switch_fields(state: &State, switch: &Switch) -> Fields {
    let groups: Vec<String> = state
        .saved
        .groups
        .iter()
        .filter(|g| g.switch == switch.name)
        .map(|g| g.name.clone())
        .collect();
    let used: u64 = groups.iter().map(|group| clients(state, group)).sum();
    vec![
        ("Name", text(switch.name.clone())),
        ("Class", text("cswitch")),
        ("Num Ports", Cell::Number(2816)),
        (
            "Used Ports",
            Cell::Number(1 + used + switch.uplinks.len() as u64),
        ),
        ("Configured Ports", Cell::Number(u64::from(switch.ports))),
        ("MTU", Cell::Number(1500)),
        ("CDP Status", text("listen")),
        ("Beacon Enabled", Cell::Flag(false)),
        ("Beacon Interval", Cell::Number(1)),
        ("Beacon Threshold", Cell::Number(3)),
        ("Beacon Required By", text("")),
        ("Uplinks", Cell::List(switch.uplinks.clone())),
        ("Portgroups", Cell::List(groups)),
    ]
}

fn change_group(state: &mut State, verb: &str, request: &Request) -> Answer {
    let Some(name) = request.option("portgroup-name", "p").map(str::to_owned) else {
        return missing(
            &format!("vswitch standard portgroup {verb}"),
            "--portgroup-name",
        );
    };
    let there = state
        .saved
        .groups
        .iter()
        .position(|group| group.name == name);
    match verb {
        "add" => {
            let Some(switch) = request.option("vswitch-name", "v").map(str::to_owned) else {
                return missing("vswitch standard portgroup add", "--vswitch-name");
            };
            if there.is_some() {
                return Answer::Error(format!("A portgroup with the name {name} already exists"));
            }
            if !state
                .saved
                .switches
                .iter()
                .any(|known| known.name == switch)
            {
                return Answer::Error(format!("Unable to find vswitch {switch}"));
            }
            state.saved.groups.push(Group {
                name,
                switch,
                vlan: 0,
            });
            Answer::Silent
        }
        "set" => {
            let typed = request.option("vlan-id", "v").unwrap_or("0");
            let Ok(vlan) = typed.parse::<u16>() else {
                return Answer::Error(format!(
                    "Error: While processing '--vlan-id'. Argument type mismatch. Expecting integer value. Got '{typed}'\n\n{SET_USAGE}"
                ));
            };
            if vlan > 4095 {
                return Answer::Error(format!(
                    "Error: Invalid VLAN ID {vlan}. This value is in the range (0 - 4095)"
                ));
            }
            match there.and_then(|at| state.saved.groups.get_mut(at)) {
                Some(group) => {
                    group.vlan = vlan;
                    Answer::Silent
                }
                None => Answer::Error(format!("Unable to find portgroup {name}")),
            }
        }
        _ => match there {
            None => Answer::Error(format!("Unable to find portgroup {name}")),
            Some(_) if clients(state, &name) > 0 => Answer::Error(format!(
                "Unable to remove portgroup {name}: The resource '{name}' is in use."
            )),
            Some(at) => {
                state.saved.groups.remove(at);
                Answer::Silent
            }
        },
    }
}

const SET_USAGE: &str = "Usage: esxcli network vswitch standard portgroup set [cmd options]\n\n\
Description: \n  set                   Set the vlan id for the given port group\n\n\
Cmd options:\n  -p|--portgroup-name=<str>\n                        The name of the port group to set vlan id for. (required)\n  \
-v|--vlan-id=<long>   The vlan id for this port group. This value is in the range (0 - 4095)";

/// The host's own adapter, on the port group of its management.
fn own_adapter(state: &State, mac: &str) -> Fields {
    let group = state
        .saved
        .groups
        .iter()
        .find(|group| group.name == "Management Network");
    let switch = group.map_or("vSwitch0", |group| group.switch.as_str());
    vec![
        ("Name", text("vmk0")),
        ("MAC Address", text(mac)),
        ("Enabled", Cell::Flag(true)),
        ("Portset", text(switch)),
        ("Portgroup", text("Management Network")),
        ("Netstack Instance", text("defaultTcpipStack")),
        ("VDS Name", text("N/A")),
        ("VDS UUID", text("N/A")),
        ("VDS Port", text("N/A")),
        ("VDS Connection", text("-1")),
        ("Opaque Network ID", text("N/A")),
        ("Opaque Network Type", text("N/A")),
        ("External ID", text("N/A")),
        ("MTU", Cell::Number(1500)),
        ("TSO MSS", Cell::Number(65535)),
        ("RXDispQueue Size", Cell::Number(1)),
        ("Port ID", Cell::Number(33_554_443)),
    ]
}

fn interfaces(address: &str) -> Shown {
    let octets: Vec<&str> = address.split('.').collect();
    let with_last = |last: &str| match octets.as_slice() {
        [a, b, c, _] => format!("{a}.{b}.{c}.{last}"),
        _ => "192.0.2.1".to_owned(),
    };
    let row = vec![
        ("Name", text("vmk0")),
        ("IPv4 Address", text(address)),
        ("IPv4 Netmask", text("255.255.255.0")),
        ("IPv4 Broadcast", text(with_last("255"))),
        ("Address Type", text("STATIC")),
        ("Gateway", text(with_last("1"))),
        ("DHCP DNS", Cell::Flag(false)),
    ];
    let labels = vec![
        "Name",
        "IPv4 Address",
        "IPv4 Netmask",
        "IPv4 Broadcast",
        "Address Type",
        "Gateway",
        "DHCP DNS",
    ];
    Shown::Table("IPv4Interface", labels, vec![row])
}

fn neighbours(_state: &State) -> Shown {
    let labels = vec![
        "Neighbor",
        "Mac Address",
        "Vmknic",
        "Expiry",
        "State",
        "Type",
    ];
    // What vmk0 talks to is not simulated: the list is empty, as on a quiet host.
    Shown::Table("NeighborInfo", labels, Vec::new())
}

fn nics(mac: &str) -> Shown {
    let second = match mac.rsplit_once(':') {
        Some((head, last)) => {
            format!(
                "{head}:{:02x}",
                u8::from_str_radix(last, 16).unwrap_or(0).wrapping_add(1)
            )
        }
        None => mac.to_owned(),
    };
    let row = |name: &str, pci: &str, up: bool, mac: &str| {
        vec![
            ("Name", text(name)),
            ("PCI Device", text(pci)),
            ("Driver", text("ixgben")),
            ("Admin Status", text("Up")),
            ("Link Status", text(if up { "Up" } else { "Down" })),
            ("Speed", Cell::Number(if up { 10_000 } else { 0 })),
            ("Duplex", text(if up { "Full" } else { "Half" })),
            ("MAC Address", text(mac)),
            ("MTU", Cell::Number(1500)),
            ("Description", text("Intel(R) Ethernet Controller X540-AT2")),
        ]
    };
    let labels = vec![
        "Name",
        "PCI Device",
        "Driver",
        "Admin Status",
        "Link Status",
        "Speed",
        "Duplex",
        "MAC Address",
        "MTU",
        "Description",
    ];
    let rows = vec![
        row("vmnic0", "0000:03:00.0", true, mac),
        row("vmnic1", "0000:03:00.1", true, &second),
    ];
    Shown::Table("NIC", labels, rows)
}

fn vm_ports(host: &SimHost, state: &State, request: &Request) -> Answer {
    let world = request
        .option("world-id", "w")
        .and_then(|world| world.parse::<u32>().ok());
    let found = state
        .running
        .iter()
        .find(|(_, running)| Some(running.world) == world);
    let Some((id, _)) = found else {
        return Answer::Error(format!(
            "Unable to find a virtual machine with the world ID {}",
            request.option("world-id", "w").unwrap_or_default()
        ));
    };
    let Some(config) = state.configs.get(id) else {
        return Answer::Silent;
    };
    let facts = guest::facts(host, state, *id);
    let mut blocks = Vec::new();
    for (index, adapter) in config.adapters().iter().enumerate() {
        let name = config
            .get(&format!("{adapter}.networkName"))
            .unwrap_or_default();
        let group = state.saved.groups.iter().find(|group| group.name == name);
        let Some(group) = group.filter(|_| guest::is_connected(state, *id, config, adapter)) else {
            continue;
        };
        let switch = state
            .saved
            .switches
            .iter()
            .find(|switch| switch.name == group.switch);
        let seen = facts.as_ref().and_then(|facts| {
            let (_, _, addresses) = facts.nics.get(index)?;
            addresses
                .iter()
                .find(|address| address.contains('.'))
                .cloned()
        });
        let port = (67_108_870 + u64::from(*id) * 16 + index as u64).to_string();
        blocks.push((
            format!("   Port ID: {port}"),
            vec![
                ("vSwitch", text(group.switch.clone())),
                ("Portgroup", text(name)),
                ("DVPort ID", text("")),
                ("MAC Address", text(config.mac(adapter).unwrap_or_default())),
                // What the switch has seen the guest use.
                (
                    "IP Address",
                    text(seen.unwrap_or_else(|| "0.0.0.0".to_owned())),
                ),
                (
                    "Team Uplink",
                    text(
                        switch
                            .and_then(|switch| switch.uplinks.first().cloned())
                            .unwrap_or_else(|| "void".into()),
                    ),
                ),
                ("Uplink Port ID", text("2214592518")),
                ("Active Filters", text("")),
            ],
        ));
    }
    Answer::Shown(Shown::Blocks("Port", blocks))
}
