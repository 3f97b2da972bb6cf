//! Where a VM was left at the site that it leaves: where the runbook places it, or where somebody
//! has moved it meanwhile.

use crate::engine::Fact;
use crate::hypervisor::esxi::inventory::split_datastore_path;
use crate::names::HostName;

use super::context::Ctx;
use super::datastores::as_listed;
use super::ownership::Ownership;
use super::place::VmAt;

/// Where this run stopped the VM at that site, else what the site's hosts show, else where the
/// runbook places it. That place keeps the name that the runbook has for its datastore.
pub(super) async fn left_at(ctx: &Ctx, planned: &VmAt, ownership: &Ownership) -> VmAt {
    let listed = as_listed(ctx, planned).await;
    let listed = listed.unwrap_or_else(|_| planned.clone());
    let found = stopped_at(ctx, planned).unwrap_or_else(|| shown(planned, &listed, ownership));
    if is_same(&found, &listed) {
        let datastore = planned.datastore.clone();
        return VmAt { datastore, ..found };
    }
    found
}

/// What the hosts of the site that it leaves show, else where the runbook places it, which its host
/// has in its list as `listed`.
fn shown(planned: &VmAt, listed: &VmAt, ownership: &Ownership) -> VmAt {
    let copies = ownership
        .copies()
        .filter(|(_, copy)| copy.vmid.is_some())
        .filter_map(|(host, copy)| at(planned, host, &copy.vmx));
    let mut copies: Vec<VmAt> = copies.collect();
    let at_home = copies.iter().position(|copy| is_same(copy, listed));
    match (at_home, copies.len()) {
        (None, 1) => copies.swap_remove(0),
        // Several would have to be told apart by a person; the runbook's place decides.
        _ => planned.clone(),
    }
}

/// Where this run stopped it.
pub(super) fn stopped_at(ctx: &Ctx, planned: &VmAt) -> Option<VmAt> {
    let site = ctx.runbook.site_with(planned.role);
    let here = |host: &HostName| {
        ctx.runbook
            .hosts
            .get(host)
            .is_some_and(|host| host.site == site)
    };
    let facts = ctx.run_facts().into_iter().rev();
    facts.into_iter().find_map(|fact| match fact {
        Fact::StopWanted { vm, host, vmx } if vm == planned.vm && here(&host) => {
            at(planned, &host, &vmx)
        }
        _ => None,
    })
}

/// `found on lee-esx2 in [ds2] sql01, not on lee-esx1`, where it is elsewhere.
pub(super) fn elsewhere(planned: &VmAt, found: &VmAt) -> Option<String> {
    (!is_same(planned, found)).then(|| {
        format!(
            "{} was found on {} in [{}] {}, not on {} in [{}] {} as the runbook says",
            found.vm,
            found.host,
            found.datastore,
            found.folder,
            planned.host,
            planned.datastore,
            planned.folder
        )
    })
}

fn is_same(one: &VmAt, other: &VmAt) -> bool {
    (&one.host, &one.datastore, &one.folder) == (&other.host, &other.datastore, &other.folder)
}

/// The place of a .vmx as a host names it.
fn at(planned: &VmAt, host: &HostName, vmx: &str) -> Option<VmAt> {
    let (datastore, path) = split_datastore_path(vmx)?;
    let (folder, file) = path.rsplit_once('/')?;
    Some(VmAt {
        host: host.clone(),
        datastore: datastore.to_owned(),
        folder: folder.to_owned(),
        vmx: Some(file.to_owned()),
        ..planned.clone()
    })
}
