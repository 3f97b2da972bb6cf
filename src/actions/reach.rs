//! Asking an address whether it answers: from a host on its network by what that host has, else from
//! the console. Who asked is part of every answer.

mod address;
mod asker;
mod port;
mod server;
mod targets;

use std::net::IpAddr;

use super::context::Ctx;
use super::ownership::{Look, Sign};
use crate::names::VmName;
use crate::runbook::model::SiteRole;

pub(super) use port::{ask as ask_port, resolve};
use targets::{Target, targets};
pub(super) use targets::{endpoint, probe_from};

/// Asks every address of a VM and every port that its readiness ladder names: the sign that does not
/// pass through the hosts of a site. A physical server there is asked itself, where the runbook lists it
/// as a host.
pub(super) async fn sign(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Sign {
    let mut looks = Vec::new();
    for target in targets(ctx, vm) {
        looks.push(ask(ctx, &target).await);
    }
    let spec = ctx.runbook.vms.get(vm);
    if spec.is_some_and(|vm| vm.place(role).is_none()) {
        let site = ctx.runbook.site_with(role);
        let of_site = ctx.runbook.hosts_of(&site);
        for (name, host) in of_site.filter(|(_, host)| host.guest.as_ref() == Some(vm)) {
            looks.push(server::ask(ctx, name, &host.address).await);
        }
    }
    Sign {
        looks,
        ..Sign::default()
    }
}

/// Asks one address of a VM that the runbook does not name, from the place that sees its network.
pub(super) async fn ask_alone(ctx: &Ctx, vm: &VmName, address: IpAddr) -> Look {
    let host = address.to_string();
    let spec = ctx.runbook.vms.get(vm);
    let from = spec.and_then(|spec| probe_from(ctx, spec, &host));
    let target = Target {
        host,
        port: None,
        from,
    };
    ask(ctx, &target).await
}

/// Other VMs of the runbook that would answer there too.
pub(super) fn sharing<'a>(ctx: &'a Ctx, vm: &VmName, look: &Look) -> Vec<&'a VmName> {
    let answers = |other: &&VmName| {
        let mut targets = targets(ctx, other).into_iter();
        *other != vm && targets.any(|target| target.name() == look.target)
    };
    ctx.runbook.vms.keys().filter(answers).collect()
}

async fn ask(ctx: &Ctx, target: &Target) -> Look {
    match target.port {
        Some(port) => port::ask(ctx, target.from.as_ref(), &target.host, port).await,
        None => address::ask(ctx, target).await,
    }
}
