//! Who holds a VM's files: the locks of a shared or stretched datastore, as the host on which the VM
//! would start reads them, and those at the other site, as hosts there read them that tell nothing else.
//!
//! A lock names one adapter of the host that holds it, so the name is found by asking hosts for
//! theirs. A host that does not answer has no name here; its lock holds all the same.

use std::collections::BTreeMap;

use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::locks::{FileLock, Lock};
use crate::hypervisor::esxi::network::{Nic, Vmknic};
use crate::names::{HostName, VmName, listed};
use crate::runbook::model::{Driver, SiteRole};

use super::context::Ctx;
use super::datastores::Datastores;
use super::place::{VmAt, file_name};
use super::registered;

mod there;
mod way_past;

pub(super) use there::by_mute_hosts;

/// What was read of the locks of a VM's files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Locks {
    /// Which host read them; `None` where nobody did.
    pub by: Option<HostName>,
    /// The site that is asked about, where that host is one of it and does not tell what it runs.
    pub there: Option<SiteRole>,
    /// Whose files they are, in words.
    pub whose: String,
    /// Why it could not.
    pub trouble: Option<String>,
    /// Files whose lock was read.
    pub read: usize,
    /// Files whose volume does not tell.
    pub untold: usize,
    /// Files that somebody holds.
    pub held: Vec<Hold>,
}

/// A file that somebody holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hold {
    /// Its name; of a lock file its path, for it is hidden from most lists.
    pub file: String,
    /// Who.
    pub holder: Holder,
}

/// Who holds a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Holder {
    /// The host that read the lock.
    Reader,
    /// Another host of the runbook.
    Listed(HostName, SiteRole),
    /// A host with this adapter: none that answered has it.
    Stranger {
        /// Its MAC.
        mac: String,
        /// Hosts that were asked for their MACs and did not tell: one of them may be it.
        silent: Vec<HostName>,
    },
    /// Several hosts may, and the lock does not say which.
    Several,
    /// A hidden lock file stands there, which may be left over.
    LockFile,
}

impl Hold {
    /// `lon-esx1 holds sql01.vmx`, if that is another host than the one that would start the VM.
    pub fn by_another(&self) -> Option<String> {
        match &self.holder {
            Holder::Listed(host, _) => Some(format!("{host} holds the lock of {}", self.file)),
            Holder::Stranger { mac, silent } if silent.is_empty() => Some(format!(
                "a host that is not in the runbook holds the lock of {} (MAC {mac})",
                self.file
            )),
            Holder::Stranger { mac, silent } => Some(format!(
                "a host that does not tell its MACs ({}) or is not in the runbook holds the lock of \
                 {} (MAC {mac})",
                listed(silent),
                self.file
            )),
            Holder::Reader | Holder::Several | Holder::LockFile => None,
        }
    }
}

impl Locks {
    /// The lock that contradicts that the VM runs nowhere else: another host's, and at the site that
    /// is asked about also that of the host that read it, or one of which nobody can say whose it is.
    pub fn contradiction(&self) -> Option<String> {
        let (hold, by) = (self.contradicting()?, self.by.as_ref()?);
        match &hold.holder {
            Holder::Reader => Some(format!("{by} itself holds the lock of {}", hold.file)),
            Holder::LockFile => Some(format!(
                "an NFS lock file ({}) stands beside its files on {by}: some host holds one of them, or went down \
                 while it did",
                hold.file
            )),
            Holder::Listed(..) | Holder::Stranger { .. } | Holder::Several => hold.by_another(),
        }
    }

    fn contradicting(&self) -> Option<&Hold> {
        let counts = |hold: &&Hold| match (&hold.holder, self.there) {
            (Holder::Listed(_, at), Some(site)) => *at == site,
            (Holder::Reader | Holder::LockFile, there) => there.is_some(),
            (Holder::Several, _) => false,
            (Holder::Listed(..) | Holder::Stranger { .. }, _) => true,
        };
        self.held.iter().find(counts)
    }

    /// The same, of a host that is not at the site of this role.
    pub fn contradiction_beyond(&self, role: SiteRole) -> Option<String> {
        self.contradicting_beyond(role)?.by_another()
    }

    fn contradicting_beyond(&self, role: SiteRole) -> Option<&Hold> {
        let beyond = |hold: &&Hold| match &hold.holder {
            Holder::Listed(_, at) => *at != role,
            Holder::Stranger { .. } => true,
            Holder::Reader | Holder::Several | Holder::LockFile => false,
        };
        self.held.iter().find(beyond)
    }

    /// Whether somebody holds a file of which nobody can say who it is.
    pub fn leave_open(&self) -> bool {
        let open = |hold: &Hold| matches!(hold.holder, Holder::Several | Holder::LockFile);
        self.held.iter().any(open)
    }

    /// A line or a few for the step card; none where there was nothing to read.
    pub fn lines(&self) -> Vec<String> {
        let Some(by) = &self.by else {
            return Vec::new();
        };
        let whose = &self.whose;
        if let Some(why) = &self.trouble {
            return vec![format!("locks of {whose}: not read by {by} ({why})")];
        }
        let held = self.held.iter();
        let mut lines: Vec<String> = held.map(|hold| self.held_line(by, hold)).collect();
        if lines.is_empty() && self.read > 0 {
            lines.push(format!(
                "nobody holds the lock of {whose} ({} read by {by}, vmkfstools -D)",
                self.read
            ));
        }
        if self.untold > 0 {
            lines.push(format!(
                "{by} cannot tell who holds {} of {whose}: their datastore has no such locks",
                self.untold
            ));
        }
        if lines.is_empty() && self.there.is_some() {
            lines.push(format!("{by} sees no lock: it finds none of {whose}"));
        }
        lines
    }

    fn held_line(&self, by: &HostName, hold: &Hold) -> String {
        let file = &hold.file;
        let held = match &hold.holder {
            Holder::Reader => format!("{by} itself holds the lock of {file}"),
            Holder::Several => {
                format!("several hosts may write {file}; its lock does not say which do")
            }
            Holder::LockFile => format!("NFS lock file {file}: some host holds a file, or did"),
            Holder::Listed(..) | Holder::Stranger { .. } => hold.by_another().unwrap_or_default(),
        };
        format!("{held} (vmkfstools -D on {by}, of {})", self.whose)
    }
}

/// Reads the locks of a VM's files as its host at the site of `reader` sees them: those in its own
/// folder, and those of the other site's folder where that datastore is seen there too.
pub(super) async fn of_vm(ctx: &Ctx, vm: &VmName, reader: SiteRole) -> Locks {
    let Ok(at) = VmAt::new(&ctx.runbook, vm, reader) else {
        return Locks::default();
    };
    let mut folders = vec![at.folder_path()];
    if let Ok(other) = VmAt::new(&ctx.runbook, vm, reader.other()) {
        let names = [&at.datastore, &other.datastore].map(String::as_str);
        let datastores = Datastores::look(ctx, &at.host, names).await;
        if !datastores.unwrap_or_default().are_one(names[0], names[1]) {
            folders.push(other.folder_path());
        }
    }
    read(ctx, vm, &at.host, &folders).await
}

/// Reads the locks of a VM's files in these folders as this host sees them.
async fn read(ctx: &Ctx, vm: &VmName, by: &HostName, folders: &[String]) -> Locks {
    let command = commands::folder_locks(folders);
    let (parse, doing) = (FileLock::parse_all, "reading the locks of its files");
    let told = ctx.read(by, Lane::Control, &command, parse, doing).await;
    let locks = match told {
        Ok(files) if files.iter().any(names_somebody) => weigh(&files, &Names::ask(ctx, by).await),
        Ok(files) => weigh(&files, &Names::default()),
        Err(fault) => Locks {
            trouble: Some(fault.what),
            ..Locks::default()
        },
    };
    Locks {
        by: Some(by.clone()),
        whose: whose(&ctx.run_facts(), vm, by, folders),
        ..locks
    }
}

/// Whose files lie in these folders of a host. What this run has put there a moment ago says nothing
/// of the VM at the other site.
fn whose(facts: &[Fact], vm: &VmName, host: &HostName, folders: &[String]) -> String {
    let is_placed = |folder: &str| {
        facts.iter().any(|fact| {
            matches!(fact, Fact::FilePlaced { vm: of, host: at, path, .. }
                if of == vm && at == host && path.starts_with(&format!("{folder}/")))
        })
    };
    let folders: Vec<String> = folders
        .iter()
        .map(|folder| match is_placed(folder) {
            true => format!("{folder} (put there by this run: no evidence of the other site)"),
            false => folder.clone(),
        })
        .collect();
    format!("its files in {}", folders.join(" and "))
}

fn names_somebody(file: &FileLock) -> bool {
    matches!(file.lock, Some(Lock::Exclusive(_) | Lock::ReadOnly(_)))
}

/// Whose adapters are whose.
#[derive(Clone, Debug, Default)]
struct Names {
    /// Of the host that reads.
    own: Vec<String>,
    others: BTreeMap<String, (HostName, SiteRole)>,
    silent: Vec<HostName>,
}

impl Names {
    /// Asks every listed ESXi host for its MACs.
    async fn ask(ctx: &Ctx, reader: &HostName) -> Self {
        let mut names = Self::default();
        let hosts = ctx.runbook.hosts.iter();
        for (host, listed) in hosts.filter(|(_, host)| host.driver == Driver::Esxi) {
            let Some(site) = ctx.runbook.sites.get(&listed.site) else {
                continue;
            };
            let role = site.role;
            match macs(ctx, host).await {
                Some(macs) if host == reader => names.own = macs,
                Some(macs) => names
                    .others
                    .extend(macs.into_iter().map(|mac| (mac, (host.clone(), role)))),
                None => names.silent.push(host.clone()),
            }
        }
        names
    }

    fn holder(&self, mac: &str) -> Holder {
        if self.own.iter().any(|own| own == mac) {
            return Holder::Reader;
        }
        match self.others.get(mac) {
            Some((host, role)) => Holder::Listed(host.clone(), *role),
            None => Holder::Stranger {
                mac: mac.to_owned(),
                silent: self.silent.clone(),
            },
        }
    }
}

/// The MACs of a host's physical and own adapters, by which its locks may go.
async fn macs(ctx: &Ctx, host: &HostName) -> Option<Vec<String>> {
    let doing = "reading the host's adapters";
    let (physical, own) = (commands::nics(), commands::vmknics());
    let nics = ctx.read(host, Lane::Control, &physical, Nic::parse_all, doing);
    let mut macs: Vec<String> = nics.await.ok()?.into_iter().map(|nic| nic.mac).collect();
    // The physical ones alone name most locks.
    let own = ctx.read(host, Lane::Control, &own, Vmknic::parse_all, doing);
    let own = own.await.unwrap_or_default();
    macs.extend(own.into_iter().map(|own| own.mac));
    Some(macs)
}

/// Who holds a file alone, where the host can tell: on NFS it cannot.
///
/// A host that lost its power finds its own locks when it is back, and takes them over when it next
/// opens the file. So its own lock holds only while the VM runs there.
pub(super) async fn locked_by(ctx: &Ctx, at: &VmAt, path: &str) -> Option<String> {
    let doing = "asking who locks the .vmx";
    let command = commands::lock(path);
    let lock = ctx.read(&at.host, Lane::Control, &command, Lock::parse, doing);
    let Ok(Lock::Exclusive(owner)) = lock.await else {
        return None;
    };
    let own = macs(ctx, &at.host).await.unwrap_or_default();
    alone(&at.host, &owner.mac, &own, registered::runs(ctx, at).await)
}

/// Who holds a file alone, from what the host that reads its lock says of itself.
fn alone(
    reader: &HostName,
    mac: &str,
    own: &[String],
    runs: Result<bool, Fault>,
) -> Option<String> {
    if !own.iter().any(|own| own == mac) {
        return Some(format!("the host with the adapter {mac}"));
    }
    match runs {
        Ok(false) => None,
        Ok(true) => Some(format!("{reader} itself, where it runs")),
        Err(fault) => Some(format!(
            "{reader} itself, and whether it runs there is not known: {}",
            fault.what
        )),
    }
}

/// What the locks of the files come to.
fn weigh(files: &[FileLock], names: &Names) -> Locks {
    let mut locks = Locks::default();
    for file in files {
        let name = match file.is_hidden_file() {
            true => &file.path,
            false => file_name(&file.path).unwrap_or(&file.path),
        };
        let mut hold = |holder| {
            locks.held.push(Hold {
                file: name.to_owned(),
                holder,
            });
        };
        match &file.lock {
            _ if file.is_hidden_file() => hold(Holder::LockFile),
            None => {
                locks.untold += 1;
                continue;
            }
            Some(Lock::Free) => {}
            Some(Lock::Exclusive(owner)) => hold(names.holder(&owner.mac)),
            Some(Lock::ReadOnly(owners)) => owners
                .iter()
                .for_each(|owner| hold(names.holder(&owner.mac))),
            Some(Lock::MultiWriter) => hold(Holder::Several),
        }
        locks.read += 1;
    }
    locks
}

#[cfg(test)]
mod tests;
