//! Where a run's locks lie, and on what.

use crate::actions::place::VmAt;
use crate::engine::{Fact, Op};
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::{Driver, Runbook, Section, SiteRole};

/// A lock's name beside the VM's folder; the folder's name follows.
const OF_VM: &str = ".lifeboat-lock-";
/// A lock's name on a host that a runbook's own commands change, or the end of its run; the
/// runbook's and the host's follow.
const OF_HOST: &str = ".lifeboat-commands-";

/// Where a lock lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The VM that it keeps; `None` where it is what the runbook's commands do on the host.
    pub(super) vm: Option<VmName>,
    pub(super) host: HostName,
    /// The lock's folder; relative to where a login of the host begins if it has no `/`.
    pub(super) folder: String,
}

impl Place {
    /// What a step has to hold, in the order in which the locks are taken: its VM; and where it is
    /// about none that has a place, the hosts that it changes.
    pub(super) fn of_step(runbook: &Runbook, step: &Step) -> Vec<Self> {
        let of_vm: Vec<Self> = of_vm(runbook, step)
            .map(|at| Self {
                folder: lock_folder(&at.datastore, &at.folder),
                vm: Some(at.vm),
                host: at.host,
            })
            .collect();
        if of_vm.is_empty() {
            let hosts = hosts_changed(step).into_iter();
            hosts
                .filter_map(|host| Self::of_host(runbook, host))
                .collect()
        } else {
            of_vm
        }
    }

    /// Of a host that a step changes without being about a VM. Consoles with other runbooks are
    /// not kept off it: what is to be driven once is this runbook.
    pub(super) fn of_host(runbook: &Runbook, host: &HostName) -> Option<Self> {
        let name = format!("{OF_HOST}{}+{host}", runbook.name);
        let folder = match runbook.hosts.get(host)?.driver {
            Driver::Esxi => format!("{}/{name}", volume_on(runbook, host)?),
            Driver::Posix => name,
        };
        Some(Self {
            vm: None,
            host: host.clone(),
            folder,
        })
    }

    /// Whether the folder in which it lies may be closed to the login.
    pub(super) fn is_at_home(&self) -> bool {
        !self.folder.contains('/')
    }

    /// Whether the run wanted this lock.
    pub(super) fn is_of(&self, fact: &Fact) -> bool {
        matches!(fact, Fact::LockWanted { host, path, .. } if *host == self.host && *path == self.folder)
    }

    /// Whether a command was about this lock.
    pub(super) fn is_meant_by(&self, op: &Op) -> bool {
        op.is_about(&self.host, &self.folder)
    }

    /// What it keeps, by name.
    pub(super) fn name(&self) -> &str {
        self.vm.as_ref().map_or(self.host.as_str(), VmName::as_str)
    }

    /// The same with the host.
    pub(super) fn who(&self) -> String {
        Fact::locked(self.vm.as_ref(), &self.host)
    }
}

/// Where the VM of a step is, or comes to be: at the recovery site, and on the way home at both.
pub(super) fn of_vm<'a>(runbook: &'a Runbook, step: &'a Step) -> impl Iterator<Item = VmAt> + 'a {
    let home = format!("{}/", Section::Failback.as_str());
    let roles: &[SiteRole] = if step.id.as_str().starts_with(&home) {
        &[SiteRole::Recovery, SiteRole::Protected]
    } else {
        &[SiteRole::Recovery]
    };
    let vm = step.subject.vm();
    roles
        .iter()
        .filter_map(move |role| VmAt::new(runbook, vm?, *role).ok())
}

/// The hosts that a step changes by a command of the runbook's own, to make room and give it back, or
/// to end a run.
pub(super) fn hosts_changed(step: &Step) -> Vec<&HostName> {
    match &step.action {
        ActionSpec::Command(command) | ActionSpec::RestoreFiles { command, .. } => {
            vec![&command.host]
        }
        ActionSpec::FreeCapacity { .. } | ActionSpec::ReturnCapacity { .. } => {
            step.hosts.iter().collect()
        }
        ActionSpec::Close(close) => close.host().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The lock on the VM in a folder of a datastore, as a path on its host.
#[must_use]
pub fn lock_folder(datastore: &str, folder: &str) -> String {
    // A folder in a folder: what is above it may not be there yet.
    let folder = folder.replace('/', "+");
    format!("/vmfs/volumes/{datastore}/{OF_VM}{folder}")
}

/// A datastore of an ESXi host that the runbook knows: a VM's there, else a backup's. Nothing of a
/// run lies on a host's own small disk in memory.
fn volume_on(runbook: &Runbook, host: &HostName) -> Option<String> {
    let places = runbook.vms.values().flat_map(|vm| {
        let roles = [SiteRole::Recovery, SiteRole::Protected];
        roles.into_iter().filter_map(|role| vm.place(role))
    });
    let mut of_vms = places
        // What is expendable need not say where it lies.
        .filter(|place| place.host == *host && !place.datastore.is_empty())
        .map(|place| format!("/vmfs/volumes/{}", place.datastore));
    let mut of_backups = runbook.backups.values().filter_map(|backup| {
        let path = backup.path().filter(|_| backup.host.as_ref() == Some(host));
        path.map(str::to_owned)
    });
    of_vms.next().or_else(|| of_backups.next())
}
