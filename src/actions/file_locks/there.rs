//! The locks of a VM's files at the very site that is asked about, read by the hosts there that answer
//! SSH and do not tell what they run: hostd may be down where a VM runs on, and its lock stands then too.

use futures_util::future::join_all;

use crate::actions::context::Ctx;
use crate::actions::ownership::{Copy, Sighting, Told};
use crate::actions::place::VmAt;
use crate::actions::whereabouts;
use crate::engine::Fact;
use crate::names::HostName;

use super::{Locks, read};

/// Asks each of those hosts for the locks in the folders of the VM whose home there this is.
pub(in crate::actions) async fn by_mute_hosts(
    ctx: &Ctx,
    home: &VmAt,
    sightings: &[Sighting],
) -> Vec<Locks> {
    let mute = sightings.iter().filter_map(|seen| match &seen.told {
        Told::Part { copies, .. } => Some((&seen.host, copies.as_slice())),
        Told::NotAsked | Told::Nothing(_) | Told::Copies(_) => None,
    });
    let reads = mute.map(|(host, copies)| async move {
        let folders = folders(ctx, home, host, copies);
        Locks {
            there: Some(home.role),
            ..read(ctx, &home.vm, host, &folders).await
        }
    });
    join_all(reads).await
}

/// Where its files may lie: at its home, where this run knows it from, and where that host has it.
fn folders(ctx: &Ctx, home: &VmAt, host: &HostName, copies: &[Copy]) -> Vec<String> {
    let at =
        |host: &HostName, vmx: &str| VmAt::of_path(&ctx.runbook, home.role, (host, &home.vm), vmx);
    let site = ctx.runbook.site_with(home.role);
    let is_here = |host: &HostName| ctx.runbook.hosts_of(&site).any(|(name, _)| name == host);
    let known = ctx.facts().filter_map(|fact| match fact {
        Fact::Registered { vm, host, vmx, .. } if *vm == home.vm && is_here(host) => at(host, vmx),
        _ => None,
    });
    let places = std::iter::once(home.clone())
        .chain(whereabouts::stopped_at(ctx, home))
        .chain(known)
        .chain(copies.iter().filter_map(|copy| at(host, &copy.vmx)));
    let mut folders: Vec<String> = Vec::new();
    for folder in places.map(|place| place.folder_path()) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}
