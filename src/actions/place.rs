//! A VM at one site, as the runbook places it, and the facts of the run that add to that.

use crate::engine::{Fact, RunState};
use crate::error::Fault;
use crate::hypervisor::esxi::inventory::split_datastore_path;
use crate::names::{HostName, VmName};
use crate::plan::Step;
use crate::runbook::drill_of;
use crate::runbook::model::{Driver, Runbook, SiteRole};

use super::context::Ctx;

/// Where a VM is, or comes to be, at one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VmAt {
    /// Which VM.
    pub vm: VmName,
    /// The site's role.
    pub role: SiteRole,
    /// The site as people call it.
    pub site: String,
    /// The host that runs it there.
    pub host: HostName,
    /// What the runbook, or a host, calls the datastore: its label or its UUID.
    pub datastore: String,
    /// The folder on it.
    pub folder: String,
    /// The .vmx file's name, where it is known.
    pub vmx: Option<String>,
}

impl VmAt {
    /// The VM's place at the site of a role.
    ///
    /// # Errors
    /// The runbook gives it none there, or on a host that runs no VMs.
    pub fn new(runbook: &Runbook, vm: &VmName, role: SiteRole) -> Result<Self, Fault> {
        let site = site_title(runbook, role);
        let wrong = |what: String, next: &str| {
            Fault::new(
                what,
                format!("vms.{vm} in the runbook"),
                "nothing was sent",
                next,
            )
        };
        let place = runbook
            .vms
            .get(vm)
            .and_then(|vm| vm.place(role))
            .ok_or_else(|| {
                wrong(
                    format!("{vm} has no place in {site}"),
                    "name its host and datastore there, then start a run with that runbook",
                )
            })?;
        if runbook
            .hosts
            .get(&place.host)
            .is_none_or(|host| host.driver != Driver::Esxi)
        {
            return Err(wrong(
                format!("{} runs no virtual machines", place.host),
                "place the VM on a host with driver esxi",
            ));
        }
        Ok(Self {
            vm: vm.clone(),
            role,
            site,
            host: place.host.clone(),
            datastore: place.datastore.clone(),
            folder: place.folder.clone(),
            vmx: place.vmx.clone(),
        })
    }

    /// The place at the step's own site: where a run found the VM, else where the runbook places it.
    ///
    /// # Errors
    /// As [`VmAt::new`].
    pub fn of_step(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let found = step.vmx.as_ref().zip(step.hosts.first());
        let found =
            found.and_then(|(vmx, host)| Self::of_path(runbook, step.side, (host, vm), vmx));
        found.map_or_else(|| Self::new(runbook, vm, step.side), Ok)
    }

    /// The place of a file as a host names it: `/vmfs/volumes/local1/sql01/sql01.vmx`, or
    /// `[local1] sql01/sql01.vmx`; a folder ends in `/`. `None` where it is on no datastore. A file at
    /// the root of a datastore lies in a folder without a name.
    pub fn of_path(
        runbook: &Runbook,
        role: SiteRole,
        (host, vm): (&HostName, &VmName),
        path: &str,
    ) -> Option<Self> {
        let (datastore, rest) = within(path)?;
        let (folder, file) = folder_and_file(rest);
        Some(Self {
            vm: vm.clone(),
            role,
            site: site_title(runbook, role),
            host: host.clone(),
            datastore: datastore.to_owned(),
            folder: folder.to_owned(),
            vmx: Some(file.to_owned()).filter(|file| file.ends_with(".vmx")),
        })
    }

    /// What the VM is called in a host's inventory: in a drill as its folder, else by its own name.
    pub fn display_name(&self) -> &str {
        match drill_of(&self.folder) {
            Some(_) => &self.folder,
            None => self.vm.as_str(),
        }
    }

    /// The folder on the host.
    pub fn folder_path(&self) -> String {
        let path = format!("/vmfs/volumes/{}/{}", self.datastore, self.folder);
        path.trim_end_matches('/').to_owned()
    }

    /// The .vmx file's name, or a hole.
    pub fn vmx_name(&self) -> String {
        let hole = || format!("‹.vmx of {}›", self.vm);
        self.vmx.clone().unwrap_or_else(hole)
    }

    /// The .vmx on the host, or a hole.
    pub fn vmx_path(&self) -> String {
        self.file_path(&self.vmx_name())
    }

    /// A file of its folder on the host.
    pub fn file_path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder_path())
    }

    /// Whether a path names its .vmx, whatever its volume is called: any of its folder where the
    /// file's name is not known.
    pub fn is_at(&self, path: &str) -> bool {
        let tail = match file_name(&self.folder) {
            Some(own) => path_tail(path).filter(|(folder, _)| *folder == own),
            None => {
                let at_root = within(path).map(|(_, rest)| folder_and_file(rest));
                at_root.filter(|(folder, _)| folder.is_empty())
            }
        };
        tail.is_some_and(|(_, file)| match &self.vmx {
            Some(vmx) => file == vmx,
            None => file.ends_with(".vmx"),
        })
    }

    /// `sql01 on lee-esx1`.
    pub fn who(&self) -> String {
        format!("{} on {}", self.vm, self.host)
    }

    /// The same place with the .vmx file's name that a fact of the run tells, where the runbook
    /// leaves it open.
    pub fn with_facts(mut self, ctx: &Ctx) -> Self {
        if self.vmx.is_none() {
            self.vmx = ctx.facts().find_map(|fact| match fact {
                Fact::Registered { vm, host, vmx, .. } if *vm == self.vm && *host == self.host => {
                    file_name(vmx).map(str::to_owned)
                }
                Fact::PointChosen { vm, vmx, .. }
                    if *vm == self.vm && self.role == SiteRole::Recovery =>
                {
                    Some(vmx.clone())
                }
                _ => None,
            });
        }
        self
    }
}

/// What a site is called by people.
pub(super) fn site_title(runbook: &Runbook, role: SiteRole) -> String {
    let site = runbook.site_with(role);
    runbook
        .sites
        .get(&site)
        .map_or_else(|| site.to_string(), |known| known.title.clone())
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

/// The datastore of a path, by its label or its UUID, and the path on it.
pub(super) fn within(path: &str) -> Option<(&str, &str)> {
    let split = match path.strip_prefix("/vmfs/volumes/") {
        Some(rest) => rest.split_once('/'),
        None => split_datastore_path(path),
    };
    split.filter(|(_, rest)| !rest.is_empty())
}

/// The folder and file of a path on a datastore; of one at its root, a folder without a name.
pub(super) fn folder_and_file(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The folder and file of a path, which stay the same whatever a volume is called: of
/// `/vmfs/volumes/<volume>/folder/file.vmx` and of `[volume] folder/file.vmx`.
pub(super) fn path_tail(path: &str) -> Option<(&str, &str)> {
    let path = split_datastore_path(path).map_or(path, |(_, path)| path);
    let mut parts = path.rsplit('/');
    let file = parts.next().filter(|file| !file.is_empty())?;
    Some((parts.next()?, file))
}

/// Newest first: this run's facts, then those of the run that it takes back.
pub(super) fn facts_of<'a>(
    state: &'a RunState,
    parent: Option<&'a RunState>,
) -> impl Iterator<Item = &'a Fact> {
    let newest_first = |state: &'a RunState| state.facts.iter().rev().map(|found| &found.fact);
    newest_first(state).chain(parent.into_iter().flat_map(newest_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_at_a_place_by_its_folder_and_by_its_file_where_that_is_known() {
        let mut at = VmAt {
            vm: "sql01".into(),
            role: SiteRole::Recovery,
            site: "Leeds".into(),
            host: "lee-esx1".into(),
            datastore: "local1".into(),
            folder: "prod/sql01".into(),
            vmx: Some("sql01.vmx".into()),
        };
        let volume = "/vmfs/volumes/5cc5b591-875b0190-c587-001871eaca38/prod";
        assert!(at.is_at(&format!("{volume}/sql01/sql01.vmx")));
        assert!(!at.is_at(&format!("{volume}/sql02/sql01.vmx")));
        assert!(!at.is_at(&format!("{volume}/sql01/other.vmx")));
        at.vmx = None;
        assert!(at.is_at(&format!("{volume}/sql01/other.vmx")));
        assert!(!at.is_at(&format!("{volume}/sql02/sql01.vmx")));
    }

    #[test]
    fn a_vm_at_the_root_of_a_datastore_has_a_place() {
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let loaded = crate::runbook::load("r.yaml", text, &crate::runbook::Limits::default());
        let runbook = loaded.ok().unwrap().runbook;
        let of = |path| {
            let vm = (&"lee-esx1".into(), &"lab-1".into());
            VmAt::of_path(&runbook, SiteRole::Recovery, vm, path)
        };
        let at = of("[local1] lab-1.vmx").unwrap();
        assert_eq!(at.vmx_path(), "/vmfs/volumes/local1/lab-1.vmx");
        assert!(at.is_at("/vmfs/volumes/5cc5b591/lab-1.vmx"));
        assert!(!at.is_at("/vmfs/volumes/5cc5b591/local1/lab-1.vmx"));
        assert_eq!(of("/vmfs/volumes/local1/"), None);
        assert_eq!(of("/scratch/lab-1.vmx"), None);
    }

    #[test]
    fn one_file_is_one_file_whatever_its_volume_is_called() {
        let tail = Some(("a b", "x.vmx"));
        for path in [
            "/vmfs/volumes/local1/a b/x.vmx",
            "/vmfs/volumes/5cc5b591-875b0190-c587-001871eaca38/a b/x.vmx",
            "[local1] a b/x.vmx",
        ] {
            assert_eq!(path_tail(path), tail, "{path}");
        }
        assert_eq!(path_tail("x.vmx"), None);
        assert_eq!(path_tail("[local1] x.vmx"), None);
    }
}
