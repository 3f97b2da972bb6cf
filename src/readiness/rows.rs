//! Rows of the lists of VMs that a finding would rest on. A line of some VM's note may look like a row,
//! so what it would show is believed only once its host has told what has that number.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::ask::Asker;
use super::judges::identities;
use super::seen::{Registered, Seen};
use super::task::Task;
use crate::host::{Host, Hosts};
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::identity::Identity;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::names::{HostName, VmName};
use crate::runbook::model::Place;

/// Takes out of what was seen the rows that are none, of those that a finding would rest on.
pub(super) async fn confirm(task: &Task, hosts: &Hosts, seen: &mut Seen) {
    let asking = in_question(task, seen)
        .into_iter()
        .filter_map(|(name, rows)| {
            let host = hosts.host(&name)?;
            Some(async move { (name, no_vms(host, rows).await) })
        });
    for (host, none) in join_all(asking.collect::<Vec<_>>()).await {
        let esxi = seen.esxi_mut(&host);
        if let Some(rows) = esxi.and_then(|esxi| esxi.registered.as_mut().ok()) {
            rows.retain(|row| !none.contains(row));
        }
    }
}

/// The rows of which the host tells that they are no VM. One that it tells nothing of stays.
async fn no_vms(host: Arc<Host>, rows: Vec<Registered>) -> Vec<Registered> {
    let mut asker = Asker::new(host);
    let mut none = Vec::new();
    for row in rows {
        let told = asker
            .ask_extra(
                "which rows of its list are VMs",
                commands::summary(row.vmid),
                |output| VmSummary::only_of(VmSummary::parse(output), &row.datastore, &row.path),
            )
            .await;
        if matches!(told, Ok(None)) {
            none.push(row);
        }
    }
    none
}

/// The rows that a finding would rest on, by host.
pub(super) fn in_question(task: &Task, seen: &Seen) -> BTreeMap<HostName, Vec<Registered>> {
    let own = identities(task, seen);
    let mut asked = BTreeMap::new();
    for host in seen.hosts.keys() {
        let rows = seen
            .esxi(host)
            .and_then(|esxi| esxi.registered.as_ref().ok());
        let rows = rows.into_iter().flatten();
        let told = rows.filter(|row| tells(task, &own, host, row));
        let told: Vec<Registered> = told.cloned().collect();
        if !told.is_empty() {
            asked.insert(host.clone(), told);
        }
    }
    asked
}

/// Whether a finding would rest on the row: it has the place where a VM of the task comes up, its name
/// or its identity, and is not that VM where it is expected to be now.
fn tells(task: &Task, own: &[(&VmName, Identity)], host: &HostName, row: &Registered) -> bool {
    task.chosen().any(|(name, vm)| {
        let lies = |place: &Place| place.host == *host && row.within(place).is_some();
        let identity = own.iter().find(|(of, _)| *of == name).map(|(_, own)| own);
        if vm.place(task.side.other()).is_some_and(lies) {
            let uuid = identity.and_then(|own| own.uuid);
            return uuid
                .zip(row.identity.uuid)
                .is_some_and(|(own, its)| own != its);
        }
        task.place(vm).is_some_and(lies)
            || row.name.eq_ignore_ascii_case(name.as_str())
            || identity.is_some_and(|own| own.shared_with(&row.identity).is_some())
    })
}
