//! Where a VM would answer, and which host sees its network.

use crate::actions::context::Ctx;
use crate::actions::http::Url;
use crate::names::{HostName, VmName};
use crate::runbook::model::{Rung, Vm};

/// What is asked about a VM.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) host: String,
    /// `None` asks the address itself, by ping and ARP.
    pub(super) port: Option<u16>,
    pub(super) from: Option<HostName>,
}

impl Target {
    pub(super) fn name(&self) -> String {
        match self.port {
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// Where a VM would answer. An address whose network no place can see is left out.
pub(super) fn targets(ctx: &Ctx, vm: &VmName) -> Vec<Target> {
    let Some(spec) = ctx.runbook.vms.get(vm) else {
        return Vec::new();
    };
    let mut targets: Vec<Target> = Vec::new();
    let mut add = |target: Target| {
        if !targets.contains(&target) {
            targets.push(target);
        }
    };
    for adapter in spec.adapters.values() {
        if let Some(address) = adapter.address
            && adapter.duplicate_probe
            && !address.is_loopback()
        {
            // On loopback every address replies, so the ports alone count there.
            let from = probe_from(ctx, spec, &address.to_string());
            add(Target {
                host: address.to_string(),
                port: None,
                from,
            });
        }
    }
    if let Some(server) = &spec.physical {
        let from = probe_from(ctx, spec, server);
        add(Target {
            host: server.clone(),
            port: None,
            from,
        });
    }
    for rung in &spec.ready {
        let Some((host, port)) = endpoint(spec, rung) else {
            continue;
        };
        let blind = spec.adapters.values().any(|adapter| {
            !adapter.duplicate_probe && adapter.address.is_some_and(|its| its.to_string() == host)
        });
        if !blind {
            let from = probe_from(ctx, spec, &host);
            add(Target {
                host,
                port: Some(port),
                from,
            });
        }
    }
    targets
}

/// Host and port of a rung, as far as the runbook tells them.
pub(in crate::actions) fn endpoint(vm: &Vm, rung: &Rung) -> Option<(String, u16)> {
    match rung {
        Rung::Tools => None,
        Rung::Tcp {
            host: Some(host),
            port,
        } => Some((host.clone(), *port)),
        Rung::Tcp { host: None, port } => {
            let address = vm.adapters.values().find_map(|adapter| adapter.address)?;
            Some((address.to_string(), *port))
        }
        Rung::Http { url, .. } => Url::parse(url).map(|url| (url.host, url.port)),
    }
}

/// The host that can see an address: that of its adapter's network, else of the first one.
pub(in crate::actions) fn probe_from(ctx: &Ctx, vm: &Vm, address: &str) -> Option<HostName> {
    let own = vm.adapters.values().find(|adapter| {
        adapter
            .address
            .is_some_and(|its| its.to_string() == address)
    });
    let network = own
        .or_else(|| vm.adapters.values().next())
        .map(|adapter| &adapter.network)?;
    ctx.runbook.networks.get(network)?.probe_from.clone()
}
