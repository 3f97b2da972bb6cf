//! The VMs of a site, and what of them answers.

use std::collections::BTreeMap;

use crate::runbook::model::{Runbook, Rung, Vm};
use crate::sim::esxi::{GuestPlan, GuestService};
use crate::sim::network::Answer;
use crate::sim::seed::Draw;

/// How many expendable VMs stand for one pattern.
const PER_PATTERN: usize = 2;

/// A VM of the simulated site.
#[derive(Clone, Debug)]
pub(in crate::sim) struct SimVm {
    /// Its name, also where the runbook has only a pattern.
    pub(in crate::sim) name: String,
    /// What the runbook says of it.
    pub(in crate::sim) vm: Vm,
    /// Adapter, port group at the protected site and at the recovery site.
    pub(super) adapters: Vec<(String, String, String)>,
    pub(super) disks: usize,
    /// From one backup to the next, in seconds: once a night, or as often as its RPO asks for.
    pub(super) backed_up_every: i64,
}

impl SimVm {
    /// The guest on its disk.
    pub(in crate::sim) fn guest(&self, seed: u64) -> GuestPlan {
        let addresses: Vec<(String, String)> = self
            .adapters
            .iter()
            .map(|(adapter, _, _)| {
                let given = self
                    .vm
                    .adapters
                    .get(adapter)
                    .and_then(|adapter| adapter.address);
                let address = given.map(|address| address.to_string()).unwrap_or_else(|| {
                    let mut draw = Draw::new(seed, &format!("address {} {adapter}", self.name));
                    format!("10.66.{}.{}", 1 + draw.below(250), 1 + draw.below(250))
                });
                (adapter.clone(), address)
            })
            .collect();
        let services = self
            .vm
            .ready
            .iter()
            .filter_map(|rung| {
                let (host, port, _) = rung_address(rung, &addresses)?;
                let adapter = addresses
                    .iter()
                    .find(|(_, address)| *address == host)
                    .or(addresses.first());
                Some(GuestService {
                    host,
                    port,
                    adapter: adapter?.0.clone(),
                })
            })
            .collect();
        GuestPlan {
            name: self.name.clone(),
            addresses,
            services,
        }
    }

    /// Its ports as a physical server, at its address as one.
    pub(super) fn physical_ports(&self) -> Vec<(String, u16)> {
        let served = self.physically_served(&self.guest(0));
        served
            .into_iter()
            .map(|(host, port, _)| (host, port))
            .collect()
    }

    /// What its ports answer as long as it is a physical server: those of its own address are at the
    /// server's.
    fn physically_served(&self, guest: &GuestPlan) -> Vec<Served> {
        let Some(physical) = &self.vm.physical else {
            return Vec::new();
        };
        let mut served = self.served(guest);
        for (host, _, _) in &mut served {
            if guest.addresses.iter().any(|(_, address)| address == host) {
                host.clone_from(physical);
            }
        }
        served
    }

    /// What its ports answer: address, port, and status by path.
    fn served(&self, guest: &GuestPlan) -> Vec<Served> {
        self.vm
            .ready
            .iter()
            .filter_map(|rung| rung_address(rung, &guest.addresses))
            .collect()
    }
}

/// Address, port, and where HTTP is spoken the path with its status.
type Served = (String, u16, Option<(String, u16)>);

/// What a rung asks for, if it asks for a port.
fn rung_address(rung: &Rung, addresses: &[(String, String)]) -> Option<Served> {
    match rung {
        Rung::Tools => None,
        Rung::Tcp { host, port } => {
            let host = host
                .clone()
                .or_else(|| addresses.first().map(|(_, address)| address.clone()))?;
            Some((host.trim_matches(['[', ']']).to_owned(), *port, None))
        }
        Rung::Http { url, status, .. } => {
            let (host, port, path) = split_url(url)?;
            Some((host, port, Some((path, *status))))
        }
    }
}

/// Host, port and path of an `http://` URL.
pub(in crate::sim) fn split_url(url: &str) -> Option<(String, u16, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        (
            host,
            after
                .strip_prefix(':')
                .map_or(Some(80), |port| port.parse().ok())?,
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, 80),
        }
    };
    Some((host.to_owned(), port, path.to_owned()))
}

/// The VMs of a runbook, patterns replaced by a couple of names.
pub(in crate::sim) fn vms(runbook: &Runbook) -> Vec<SimVm> {
    let (protected, recovery) = (runbook.protected_site(), runbook.recovery_site());
    let mut vms = Vec::new();
    for (index, (name, vm)) in runbook.vms.iter().enumerate() {
        let names: Vec<String> = if Vm::is_pattern(name) {
            (1..=PER_PATTERN)
                .map(|n| {
                    name.as_str()
                        .replacen('*', &n.to_string(), 1)
                        .replace('*', "")
                })
                .collect()
        } else {
            vec![name.as_str().to_owned()]
        };
        let mut adapters: Vec<(String, String, String)> = vm
            .adapters
            .iter()
            .map(|(adapter, wanted)| {
                let group = |site| {
                    let network = runbook.networks.get(&wanted.network)?;
                    Some(network.at.get(site)?.name.clone())
                };
                let here = group(&protected).unwrap_or_else(|| "VM Network".to_owned());
                (
                    adapter.clone(),
                    here.clone(),
                    group(&recovery).unwrap_or(here),
                )
            })
            .collect();
        if adapters.is_empty() {
            adapters.push(("ethernet0".into(), "VM Network".into(), "VM Network".into()));
        }
        let backed_up_every = runbook.rpo(name).map_or(86_400, |rpo| {
            i64::try_from(rpo.as_secs()).map_or(86_400, |rpo| rpo.clamp(60, 86_400))
        });
        for name in names {
            let disks = if index == 0 { 2 } else { 1 };
            vms.push(SimVm {
                name,
                vm: vm.clone(),
                adapters: adapters.clone(),
                disks,
                backed_up_every,
            });
        }
    }
    vms
}

/// All guests by name.
pub(in crate::sim) fn guests(vms: &[SimVm], seed: u64) -> BTreeMap<String, GuestPlan> {
    vms.iter()
        .map(|vm| (vm.name.clone(), vm.guest(seed)))
        .collect()
}

/// What the guests' ports answer, by address and port.
pub(in crate::sim) fn answers(vms: &[SimVm], seed: u64) -> BTreeMap<(String, u16), Answer> {
    let mut all: BTreeMap<(String, u16), Answer> = BTreeMap::new();
    for vm in vms {
        let guest = vm.guest(seed);
        let served = vm.served(&guest).into_iter();
        for (host, port, page) in served.chain(vm.physically_served(&guest)) {
            let answer = all.entry((host, port)).or_default();
            answer.pages.extend(page);
        }
    }
    all
}
