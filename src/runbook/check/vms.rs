//! Rules about VMs: places, folders, addresses, needs and priorities.

use std::collections::HashMap;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use super::Checker;
use crate::names::VmName;
use crate::runbook::model::{Driver, SiteRole, Vm};
use crate::runbook::places::NodeId;

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    places(checker);
    folders(checker);
    guest_addresses(checker);
    needs(checker);
    circles(checker);
}

/// A place is on a hypervisor of the site that it is for.
fn places(checker: &mut Checker<'_, '_>) {
    let runbook = checker.runbook;
    for (name, vm) in &runbook.vms {
        for (key, role) in [
            ("protected", SiteRole::Protected),
            ("recovery", SiteRole::Recovery),
        ] {
            let Some(place) = vm.place(role) else {
                continue;
            };
            let Some(host) = runbook.hosts.get(&place.host) else {
                continue;
            };
            let node = checker.find(&["vms", name.as_str(), key, "host"]);
            if host.driver != Driver::Esxi {
                let message = format!("{} runs no VMs: it is a posix host", place.host);
                checker.report(node, message, None, "name a host with `driver: esxi`");
            }
            let Some(site) = runbook.sites.get(&host.site) else {
                continue;
            };
            if site.role != role {
                let label = (
                    checker.find(&["hosts", place.host.as_str(), "site"]),
                    format!("{} is here", place.host),
                );
                let message = format!("{} is not at the {key} site", place.host);
                checker.report(
                    node,
                    message,
                    Some(label),
                    &format!("name a host of the {key} site"),
                );
            }
        }
    }
}

/// Two VMs with one folder would overwrite each other.
fn folders(checker: &mut Checker<'_, '_>) {
    let runbook = checker.runbook;
    let mut seen: HashMap<(&str, &str, &str), (&VmName, &str)> = HashMap::new();
    for (name, vm) in runbook.recoverable_vms() {
        for (key, role) in [
            ("protected", SiteRole::Protected),
            ("recovery", SiteRole::Recovery),
        ] {
            let Some(place) = vm.place(role) else {
                continue;
            };
            let at = (
                place.host.as_str(),
                place.datastore.as_str(),
                place.folder.as_str(),
            );
            let Some((first, first_key)) = seen.insert(at, (name, key)) else {
                continue;
            };
            let label = (
                place_of_folder(checker, first, first_key),
                format!("the folder of {first}"),
            );
            let message = format!(
                "{name} has the folder of {first}: {} on {} of {}",
                place.folder, place.datastore, place.host
            );
            let node = place_of_folder(checker, name, key);
            checker.report(
                node,
                message,
                Some(label),
                "each VM has a folder of its own",
            );
        }
    }
}

/// Where a VM's folder is written: as such, within the .vmx path, or not at all.
fn place_of_folder(checker: &Checker<'_, '_>, vm: &VmName, place: &str) -> NodeId {
    let node = checker.find(&["vms", vm.as_str(), place]);
    let places = checker.reader.places;
    places
        .child(node, "folder")
        .or_else(|| places.child(node, "vmx"))
        .unwrap_or(node)
}

/// Two VMs with one address on one network would take it from each other.
fn guest_addresses(checker: &mut Checker<'_, '_>) {
    let runbook = checker.runbook;
    let mut seen = HashMap::new();
    for (name, vm) in &runbook.vms {
        for (adapter, settings) in &vm.adapters {
            let Some(address) = settings.address else {
                continue;
            };
            let path = |vm: &VmName, adapter: &str, checker: &Checker<'_, '_>| {
                checker.find(&["vms", vm.as_str(), "adapters", adapter, "address"])
            };
            if let Some((first, other)) = seen.insert((&settings.network, address), (name, adapter))
            {
                let label = (path(first, other, checker), format!("{first} has it"));
                let message = format!("a second adapter with the address {address} on one network");
                let node = path(name, adapter, checker);
                checker.report(
                    node,
                    message,
                    Some(label),
                    "give each adapter an address of its own",
                );
            }
        }
    }
}

/// What is needed must be recovered at all, and started before what needs it.
fn needs(checker: &mut Checker<'_, '_>) {
    let runbook = checker.runbook;
    for (name, vm) in &runbook.vms {
        for need in &vm.needs {
            let Some(needed) = runbook.vms.get(need) else {
                continue;
            };
            let node = need_node(checker, name, need);
            if needed.expendable || Vm::is_pattern(need) {
                let message =
                    format!("{name} needs {need}, which is expendable and never recovered");
                checker.report(
                    node,
                    message,
                    None,
                    "only VMs that are recovered can be needed",
                );
            } else if needed.priority > vm.priority {
                let label = (
                    checker.find(&["vms", need.as_str(), "priority"]),
                    format!("{need} starts with priority {}", needed.priority),
                );
                let message = format!(
                    "{name} (priority {}) needs {need} (priority {}), which starts later",
                    vm.priority, needed.priority
                );
                let hint = format!("give {need} a priority of {} or less", vm.priority);
                checker.report(node, message, Some(label), &hint);
            }
        }
    }
}

fn need_node(checker: &Checker<'_, '_>, vm: &VmName, need: &VmName) -> NodeId {
    let list = checker.find(&["vms", vm.as_str(), "needs"]);
    checker
        .reader
        .places
        .item_named(list, need.as_str())
        .unwrap_or(list)
}

/// VMs that wait for each other would wait for ever.
fn circles(checker: &mut Checker<'_, '_>) {
    let runbook = checker.runbook;
    let mut graph: DiGraphMap<usize, ()> = DiGraphMap::new();
    for (index, vm) in runbook.vms.values().enumerate() {
        for need in vm
            .needs
            .iter()
            .filter_map(|need| runbook.vms.get_index_of(need))
        {
            graph.add_edge(index, need, ());
        }
    }
    for group in tarjan_scc(&graph) {
        let Some(first) = group.iter().copied().min() else {
            continue;
        };
        if group.len() == 1 && !graph.contains_edge(first, first) {
            continue;
        }
        let circle = circle_through(&graph, &group, first);
        let names: Vec<&VmName> = circle
            .iter()
            .filter_map(|vm| runbook.vms.get_index(*vm).map(|(name, _)| name))
            .collect();
        report_circle(checker, &names);
    }
}

/// The shortest way from a VM back to itself along needs, within a group in which there is one.
fn circle_through(graph: &DiGraphMap<usize, ()>, group: &[usize], first: usize) -> Vec<usize> {
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([first]);
    while let Some(at) = queue.pop_front() {
        for next in graph.neighbors(at).filter(|next| group.contains(next)) {
            if next == first {
                let mut circle = vec![at];
                while let Some(before) = circle.last().and_then(|last| came_from.get(last)) {
                    circle.push(*before);
                }
                circle.reverse();
                return circle;
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = came_from.entry(next) {
                entry.insert(at);
                queue.push_back(next);
            }
        }
    }
    vec![first]
}

fn report_circle(checker: &mut Checker<'_, '_>, names: &[&VmName]) {
    let [first, .., last] = names else {
        if let [only] = names {
            let node = need_node(checker, only, only);
            checker.report(
                node,
                format!("{only} needs itself"),
                None,
                "remove it from its own needs",
            );
        }
        return;
    };
    let words: Vec<&str> = names
        .iter()
        .chain([first])
        .map(|name| name.as_str())
        .collect();
    let shown = if words.len() > 9 {
        format!(
            "{} … {}",
            words[..8].join(" needs "),
            words[words.len() - 1]
        )
    } else {
        words.join(" needs ")
    };
    let label = (
        need_node(checker, last, first),
        "and here the circle closes".to_owned(),
    );
    let node = need_node(checker, first, names[1]);
    checker.report(
        node,
        format!("a circle of needs: {shown}"),
        Some(label),
        "remove one of them",
    );
}
