//! Rules that concern several parts of a runbook.
//!
//! Parts that could not be read are missing here, and nothing is said about what mentions them.

mod steps;
mod vms;

use std::collections::HashMap;

use super::model::{Driver, Hop, Host, Runbook, SiteRole};
use super::places::NodeId;
use super::read::Read;
use super::reader::Reader;
use crate::names::{HostName, VmName};

/// Reports what breaks a rule.
pub(super) fn check(read: &Read, root: NodeId, reader: &mut Reader<'_>) {
    let mut checker = Checker {
        runbook: &read.runbook,
        root,
        reader,
    };
    checker.sites();
    checker.datastores();
    checker.host_addresses();
    checker.guests();
    checker.hops();
    checker.drill_networks();
    vms::check(&mut checker);
    steps::check(&mut checker, read);
}

struct Checker<'c, 'a> {
    runbook: &'c Runbook,
    root: NodeId,
    reader: &'c mut Reader<'a>,
}

impl Checker<'_, '_> {
    /// The value at a path of keys, as deep as it goes.
    fn find(&self, path: &[&str]) -> NodeId {
        self.find_from(self.root, path)
    }

    fn find_from(&self, from: NodeId, path: &[&str]) -> NodeId {
        path.iter()
            .try_fold(from, |node, key| {
                self.reader.places.child(node, key).ok_or(node)
            })
            .unwrap_or_else(|deepest| deepest)
    }

    /// Whether the file gives a VM this key: what was read of it may be nothing, for it is wrong, and that
    /// is told where it stands.
    fn is_given(&self, vm: &VmName, key: &str) -> bool {
        let vm = self.find(&["vms", vm.as_str()]);
        self.reader.places.child(vm, key).is_some()
    }

    /// Reports a problem at one value, with a second place that takes part.
    fn report(
        &mut self,
        node: NodeId,
        message: impl Into<String>,
        label: Option<(NodeId, String)>,
        hint: &str,
    ) {
        let mut problem = self.reader.at(node, message);
        problem
            .labels
            .extend(label.map(|(node, text)| self.reader.places.label(node, text)));
        self.reader.push(problem, hint);
    }

    fn sites(&mut self) {
        let sites = self.find(&["sites"]);
        // A site that could not be read may be the missing one.
        let all_read = self.reader.places.len(sites) <= self.runbook.sites.len();
        for (role, word) in [
            (SiteRole::Protected, "protected"),
            (SiteRole::Recovery, "recovery"),
        ] {
            let of_role: Vec<&str> = self
                .runbook
                .sites
                .iter()
                .filter(|(_, site)| site.role == role)
                .map(|(name, _)| name.as_str())
                .collect();
            match of_role.as_slice() {
                [] if all_read => {
                    let hint = format!("give one site `role: {word}`");
                    self.report(sites, format!("no site is the {word} one"), None, &hint);
                }
                [] | [_] => {}
                [first, others @ ..] => {
                    for other in others {
                        let label = (
                            self.find(&["sites", first, "role"]),
                            "the first one".to_owned(),
                        );
                        let message = format!("a second {word} site; there is exactly one");
                        self.report(
                            self.find(&["sites", other, "role"]),
                            message,
                            Some(label),
                            "",
                        );
                    }
                }
            }
        }
    }

    /// A limit on what no VM lies on limits nothing, and is a slip.
    fn datastores(&mut self) {
        let runbook = self.runbook;
        for (name, site) in &runbook.sites {
            let has_place = |label: &String| {
                let mut places = runbook.vms.values().filter_map(|vm| vm.place(site.role));
                places.any(|place| place.datastore == *label)
            };
            for label in site.transfers_onto.keys().filter(|label| !has_place(label)) {
                let node = self.find(&["sites", name.as_str(), "datastores", label]);
                let message = format!("no VM has its place in {} on `{label}`", site.title);
                self.report(node, message, None, "name a datastore of a VM of this site");
            }
        }
    }

    /// Two names for one machine would make the recovery site out of the protected one.
    fn host_addresses(&mut self) {
        let mut seen = HashMap::new();
        for (name, host) in &self.runbook.hosts {
            if let Some(first) = seen.insert(&host.address, name) {
                let label = (
                    self.find(&["hosts", first.as_str(), "address"]),
                    first.to_string(),
                );
                let message = format!("{name} has the address of {first}");
                let node = self.find(&["hosts", name.as_str(), "address"]);
                self.report(node, message, Some(label), "each host is listed once");
            }
        }
    }

    /// A guest that could never run, or whose door no shell is behind.
    fn guests(&mut self) {
        let of = |name: &HostName, host: &Host| {
            let vm = self.runbook.vms.get(host.guest.as_ref()?)?;
            let role = self.runbook.role_of(name)?;
            let physical = role == SiteRole::Protected && vm.physical.is_some();
            Some((host.guest.clone()?, physical || vm.place(role).is_some()))
        };
        let mut wrong = Vec::new();
        for (name, host) in &self.runbook.hosts {
            let Some((vm, placed)) = of(name, host) else {
                continue;
            };
            if host.driver != Driver::Posix {
                wrong.push((name, "an ESXi host is nobody's guest".to_owned()));
            } else if !placed {
                wrong.push((name, format!("{vm} has no place in {}", host.site)));
            }
        }
        for (name, message) in wrong {
            let node = self.find(&["hosts", name.as_str(), "guest"]);
            let hint = "name the VM or physical server whose operating system this is";
            self.report(node, message, None, hint);
        }
    }

    /// A way to a host that leads over the host itself has no beginning. What a hop's own `jump`
    /// says counts for the first hop alone.
    fn hops(&mut self) {
        for (name, host) in &self.runbook.hosts {
            let hops = host.jump.as_deref().unwrap_or_default();
            let mut before: Vec<&HostName> = hops
                .iter()
                .filter_map(|hop| match hop {
                    Hop::Host(hop) => Some(hop),
                    Hop::Machine { .. } => None,
                })
                .collect();
            let mut first = hops.first();
            let mut steps = self.runbook.hosts.len();
            while let (Some(Hop::Host(hop)), 1..) = (first, steps) {
                steps -= 1;
                let further = self.runbook.hosts.get(hop);
                first = further
                    .and_then(|host| host.jump.as_deref())
                    .and_then(<[Hop]>::first);
                before.extend(match first {
                    Some(Hop::Host(hop)) => Some(hop),
                    _ => None,
                });
            }
            if before.contains(&name) {
                let node = self.find(&["hosts", name.as_str(), "jump"]);
                let message = format!("the way to {name} leads over {name} itself");
                self.report(
                    node,
                    message,
                    None,
                    "one of the hops must be reached without it",
                );
            }
        }
    }

    /// A drill on a production network would be no drill.
    fn drill_networks(&mut self) {
        let mut production = HashMap::new();
        for (name, network) in &self.runbook.networks {
            for (site, group) in &network.at {
                production
                    .entry(group.name.as_str())
                    .or_insert((name, site));
            }
        }
        for (name, network) in &self.runbook.networks {
            let Some(drill) = network.drill.as_deref() else {
                continue;
            };
            let Some((other, site)) = production.get(drill) else {
                continue;
            };
            let place = self.find(&["networks", other.as_str(), site.as_str()]);
            let label = (place, format!("production in {site}"));
            let message = format!("the drill network of {name} is a production network");
            let node = self.find(&["networks", name.as_str(), "drill"]);
            self.report(
                node,
                message,
                Some(label),
                "name a port group that only drills use",
            );
        }
    }
}
