//! The VMs where they live on a good day: registered where the runbook says, and the machines that
//! their backups are of.

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::hypervisor::esxi::identity::Identity;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Registered, Seen};
use crate::readiness::task::Task;
use crate::runbook::model::{Place, SiteRole};
use crate::vmfiles::Vmx;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    if task.side == SiteRole::Protected {
        // They come back, and what stands for them there is judged by itself.
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut starts: BTreeMap<&HostName, Vec<VmName>> = BTreeMap::new();
    for (name, vm) in task.chosen() {
        let Some(place) = vm.protected.as_ref() else {
            continue;
        };
        let Some(esxi) = seen.esxi(&place.host) else {
            continue;
        };
        let Some(registered) = esxi.at(place) else {
            continue;
        };
        match registered {
            Some(row) => {
                findings.extend(backed_up(name, place, row, seen));
                let starting = esxi.autostart.as_ref();
                if starting.is_ok_and(|starting| starting.contains(&row.vmid)) {
                    starts.entry(&place.host).or_default().push(name.clone());
                }
            }
            None => findings.push(elsewhere(task, name, place, seen)),
        }
    }
    findings.extend(starts.into_iter().map(|(host, vms)| autostart(host, vms)));
    findings
}

/// The VM is not where the runbook says.
fn elsewhere(task: &Task, vm: &VmName, place: &Place, seen: &Seen) -> Finding {
    let is_sent = task.sent_from(&place.host).any(|(sent, _)| sent == vm);
    let site = task.runbook.site_with(SiteRole::Protected);
    let at_home = |host: &HostName| {
        let known = task.runbook.hosts.get(host);
        known.is_some_and(|known| known.site == site)
    };
    let mut found = Vec::new();
    for (host, _) in seen
        .hosts
        .iter()
        .filter(|(host, _)| !is_sent || at_home(host))
    {
        let rows = seen
            .esxi(host)
            .and_then(|esxi| esxi.registered.as_ref().ok());
        let rows = rows.into_iter().flatten();
        let same = rows.filter(|row| row.name.eq_ignore_ascii_case(vm.as_str()));
        found.extend(same.map(|row| format!("[{}] {} on {host}", row.datastore, row.path)));
    }
    let is = match found.first() {
        None => "no host that was asked has a VM of that name".to_owned(),
        Some(first) => format!("there is {first}"),
    };
    let state = match (is_sent, found.len()) {
        (false, _) => "its fence, a planned move and the way home go by the place in the runbook",
        (true, 1) => {
            "it is shut down there and sent from there; the way home goes by the place in the runbook"
        }
        (true, _) => "nobody can tell from where `replicate` is to send it",
    };
    let fault = Fault::new(
        format!(
            "{vm} is not registered as [{}] {}; {is}",
            place.datastore, place.folder
        ),
        place.host.as_str(),
        state,
        "correct `protected` in the runbook, or move the VM back",
    );
    let (key, vms) = (format!("vm/{vm}/home"), vec![vm.clone()]);
    if is_sent && found.len() != 1 {
        Finding::stops(key, vms, fault)
    } else {
        Finding::warning(key, vms, fault)
    }
}

/// Whether the restore point is of the machine that runs there.
fn backed_up(vm: &VmName, place: &Place, row: &Registered, seen: &Seen) -> Option<Finding> {
    let bytes = seen.used(vm)?.vmx()?;
    let restored = Identity::of(&Vmx::parse(bytes).ok()?).uuid?;
    let lives = row.identity.uuid?;
    (restored != lives).then(|| {
        let fault = Fault::new(
            format!("{vm} has uuid.bios {lives}, and its restore point {restored}"),
            place.host.as_str(),
            "the backup is of another machine, or the VM was made anew since",
            "see what is backed up under that name, and take a backup of the VM that runs",
        );
        Finding::warning(format!("vm/{vm}/backup-of"), vec![vm.clone()], fault)
    })
}

/// VMs that would come up again with their host.
fn autostart(host: &HostName, vms: Vec<VmName>) -> Finding {
    let fault = Fault::new(
        format!(
            "started with the host, by its start order: {}",
            listed(&vms)
        ),
        host.as_str(),
        "old copies come up with the host after a failover, unless `fence` reached it before",
        "nothing has to be done while the host can be reached: `fence` takes the entries out",
    );
    Finding::note(format!("host/{host}/autostart"), vms, fault)
}
