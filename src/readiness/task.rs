//! What is to be found ready: the runbook, and the VMs that a failover of it would bring up, or that a
//! failback would bring home.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::open_drill::OpenDrill;
use crate::names::{HostName, RunId, VmName};
use crate::plan::{ActionSpec, Plan, Step};
use crate::runbook::model::{
    Adapter, DeclaredEffect, Mode, Place, PointChoice, PortGroup, Runbook, SiteRole, Vm,
};

/// What a failover would do, and what was done before.
#[derive(Clone, Debug)]
pub struct Task {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// The site at which they come up: the recovery site, or on the way home the protected one.
    pub side: SiteRole,
    /// The mode of the run that would bring them up.
    pub mode: Mode,
    /// The VMs that are brought up.
    pub vms: Vec<VmName>,
    /// Those whose files are taken home from where they run.
    pub homing: Vec<VmName>,
    /// Those whose own files are sent ahead from where they are.
    pub ahead: Vec<VmName>,
    /// Those that a planned run shuts down where they live, before it brings them up.
    pub stopped: Vec<VmName>,
    /// Those that are restored, and from which point, in the order of the plan.
    pub restores: IndexMap<VmName, Restore>,
    /// Keys of expendable VMs that are shut down to free capacity.
    pub frees: Vec<VmName>,
    /// Those that no step brings to the recovery site, though steps use them there.
    pub standing: IndexMap<VmName, Standing>,
    /// The last drill of this runbook, if there was one.
    pub rehearsal: Option<Rehearsal>,
    /// Runs of this runbook that are not finished.
    pub unfinished: Vec<Unfinished>,
    /// Drills of this runbook of which something stands.
    pub drills: Vec<OpenDrill>,
    /// What commands need behind a run's id to be typed elsewhere.
    pub elsewhere: String,
}

/// A restore that the plan has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Which point it takes.
    pub point: PointChoice,
    /// Whether logs of the lost site come along.
    pub logs: bool,
    /// The machine into which files are restored; `None` where the whole VM is.
    pub into: Option<HostName>,
}

/// A VM that has to stand ready at the recovery site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// A step registers it, so that its files are enough.
    pub registered_by_plan: bool,
    /// A step starts it.
    pub started_by_plan: bool,
    /// A command or a hand-off before its first step may bring it, register it or start it: an
    /// array's own promotion, a site's scripts.
    pub prepared_by_plan: bool,
}

/// A drill that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// The run.
    pub run: RunId,
    /// When it was.
    pub at: Timestamp,
    /// What the runbook says otherwise since; `None` where that is not known.
    pub changed: Option<Vec<String>>,
}

/// A run that can be resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// Its mode, in words.
    pub mode: String,
    /// Who began it.
    pub operator: String,
}

impl Task {
    /// The task of a plan.
    #[must_use]
    pub fn new(runbook: Arc<Runbook>, plan: &Plan) -> Self {
        let frees = plan.steps.iter().flat_map(|step| match &step.action {
            ActionSpec::FreeCapacity { vms } => vms.as_slice(),
            _ => &[],
        });
        Self {
            restores: restores(plan),
            standing: standing(&runbook, plan),
            frees: frees.cloned().collect(),
            side: match plan.mode {
                Mode::Failback => SiteRole::Protected,
                _ => SiteRole::Recovery,
            },
            homing: of_steps(plan, |action| match action {
                ActionSpec::CopyBack { vm } => Some(vm),
                _ => None,
            }),
            ahead: of_steps(plan, |action| match action {
                ActionSpec::Replicate { vm } => Some(vm),
                _ => None,
            }),
            stopped: match plan.mode {
                Mode::Planned => of_steps(plan, |action| match action {
                    ActionSpec::ShutDown { vm } => Some(vm),
                    _ => None,
                }),
                _ => Vec::new(),
            },
            mode: plan.mode,
            vms: plan.vms.clone(),
            runbook,
            rehearsal: None,
            unfinished: Vec::new(),
            drills: Vec::new(),
            elsewhere: String::new(),
        }
    }

    /// Its VMs with what the runbook says of them.
    pub fn chosen(&self) -> impl Iterator<Item = (&VmName, &Vm)> {
        let known = |name| self.runbook.vms.get_key_value(name);
        self.vms.iter().filter_map(known)
    }

    /// Where a VM comes up.
    #[must_use]
    pub fn place<'a>(&self, vm: &'a Vm) -> Option<&'a Place> {
        vm.place(self.side)
    }

    /// Where a VM is that goes home.
    #[must_use]
    pub fn leaves(&self, name: &VmName) -> Option<&Place> {
        let vm = self.runbook.vms.get(name)?;
        let goes = self.homing.contains(name);
        goes.then(|| vm.place(self.side.other())).flatten()
    }

    /// Whether all that comes of a VM are its own files, from where it is.
    #[must_use]
    pub fn is_copied(&self, name: &VmName) -> bool {
        self.homing.contains(name) || self.ahead.contains(name) && !self.brings(name)
    }

    /// The host from which its own files, and nothing else, are sent ahead; none of one that goes home.
    #[must_use]
    pub fn source_of(&self, name: &VmName) -> Option<&HostName> {
        let vm = self.runbook.vms.get(name)?;
        let sent = self.is_copied(name) && !self.homing.contains(name);
        let place = sent.then(|| vm.place(self.side.other())).flatten();
        place.map(|place| &place.host)
    }

    /// Its VMs whose own files are sent ahead from this host, with their places there.
    pub fn sent_from<'a>(
        &'a self,
        host: &'a HostName,
    ) -> impl Iterator<Item = (&'a VmName, &'a Place)> {
        let sent = |(name, vm): (&'a VmName, &'a Vm)| Some((name, vm.place(self.side.other())?));
        self.chosen()
            .filter(|(name, _)| self.ahead.contains(name))
            .filter_map(sent)
            .filter(move |(_, place)| place.host == *host)
    }

    /// Its VMs that come up on this host.
    #[must_use]
    pub fn landing(&self, host: &HostName) -> Vec<VmName> {
        self.names(|_, vm| self.place(vm).is_some_and(|place| place.host == *host))
    }

    /// Its VMs that come up on this datastore of this host.
    #[must_use]
    pub fn landing_on(&self, host: &HostName, datastore: &str) -> Vec<VmName> {
        self.names(|_, vm| {
            let place = self.place(vm);
            place.is_some_and(|place| place.host == *host && place.datastore == datastore)
        })
    }

    /// Its VMs that cannot be brought up without this host: they come up there, go home from there, are
    /// shut down there first, or it holds what they are restored from.
    #[must_use]
    pub fn leaning(&self, host: &HostName) -> Vec<VmName> {
        let landing = self.landing(host);
        self.names(|name, vm| {
            let backup = vm
                .backup
                .as_ref()
                .filter(|_| self.restores.contains_key(name));
            let held = backup.and_then(|backup| self.runbook.backups.get(backup)?.host.as_ref());
            let into = self
                .restores
                .get(name)
                .and_then(|restore| restore.into.as_ref());
            let stopped = self.stopped.contains(name);
            let lives = stopped.then(|| vm.place(self.side.other())).flatten();
            let from = self.leaves(name).or(lives).map(|place| &place.host);
            landing.contains(name) || from == Some(host) || [held, into].contains(&Some(host))
        })
    }

    /// Whether files of its VMs are placed, compared or renamed on this host.
    #[must_use]
    pub fn places_on(&self, host: &HostName) -> bool {
        let leaves = |vm| self.leaves(vm).is_some_and(|place| place.host == *host);
        !self.landing(host).is_empty()
            || self.homing.iter().any(leaves)
            || self.sent_from(host).next().is_some()
    }

    /// Whether restore points of its VMs are read in a folder of this host.
    #[must_use]
    pub fn reads_on(&self, host: &HostName) -> bool {
        let backup_of = |vm| {
            self.runbook
                .backups
                .get(self.runbook.vms.get(vm)?.backup.as_ref()?)
        };
        let mut backups = self.restores.keys().filter_map(backup_of);
        backups.any(|backup| backup.host.as_ref() == Some(host) && backup.path().is_some())
    }

    fn names(&self, is_wanted: impl Fn(&VmName, &Vm) -> bool) -> Vec<VmName> {
        self.chosen()
            .filter(|(name, vm)| is_wanted(name, vm))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether a step restores the VM itself, and not files into a machine that is there.
    #[must_use]
    pub fn brings(&self, vm: &VmName) -> bool {
        let restore = self.restores.get(vm);
        restore.is_some_and(|restore| restore.into.is_none())
    }

    /// The port group that an adapter is joined to where its VM comes up.
    #[must_use]
    pub fn port_group(&self, adapter: &Adapter) -> Option<&PortGroup> {
        let site = self.runbook.site_with(self.side);
        self.runbook.networks.get(&adapter.network)?.at.get(&site)
    }
}

fn restores(plan: &Plan) -> IndexMap<VmName, Restore> {
    let mut restores = IndexMap::new();
    for step in &plan.steps {
        let (vm, restore) = match &step.action {
            ActionSpec::Restore { vm, point, logs } => {
                let restore = Restore {
                    point: point.clone(),
                    logs: *logs,
                    into: None,
                };
                (vm, restore)
            }
            ActionSpec::RestoreFiles {
                vm, from, command, ..
            } => {
                let restore = Restore {
                    point: from.clone(),
                    logs: false,
                    into: Some(command.host.clone()),
                };
                (vm, restore)
            }
            _ => continue,
        };
        // Files that are put into a VM after it was restored come to where that is.
        restores.entry(vm.clone()).or_insert(restore);
    }
    restores
}

/// The VMs of certain steps, each once.
fn of_steps(plan: &Plan, of: impl Fn(&ActionSpec) -> Option<&VmName>) -> Vec<VmName> {
    let mut vms = Vec::new();
    for vm in plan.steps.iter().filter_map(|step| of(&step.action)) {
        if !vms.contains(vm) {
            vms.push(vm.clone());
        }
    }
    vms
}

/// VMs that steps use where they come up and none brings there.
fn standing(runbook: &Runbook, plan: &Plan) -> IndexMap<VmName, Standing> {
    let has = |vm: &VmName, verbs: &[&str]| {
        let mut steps = plan.steps.iter();
        steps.any(|step| step.action.vm() == Some(vm) && verbs.contains(&step.action.verb()))
    };
    let is_brought = |vm: &&VmName| has(vm, &["restore", "replicate", "copy_back"]);
    let known = plan
        .vms
        .iter()
        .filter(|vm| !is_brought(vm))
        .filter_map(|vm| {
            let is_use = |step: &Step| {
                let verb = step.action.verb();
                step.action.vm() == Some(vm)
                    && ["register", "power_on", "ready", "restore_files"].contains(&verb)
            };
            let first = plan.steps.iter().position(is_use)?;
            let standing = Standing {
                registered_by_plan: has(vm, &["register"]),
                started_by_plan: has(vm, &["power_on"]),
                prepared_by_plan: plan
                    .steps
                    .iter()
                    .take(first)
                    .any(|step| changes_unseen(runbook, step)),
            };
            Some((vm.clone(), standing))
        });
    known.collect()
}

/// Whether a step may change a site in a way that only its author knows. What is run within a guest
/// starts no machine and brings none.
fn changes_unseen(runbook: &Runbook, step: &Step) -> bool {
    match &step.action {
        ActionSpec::Command(command) => {
            let host = runbook.hosts.get(&command.host);
            command.effect != DeclaredEffect::Read && host.is_none_or(|host| host.guest.is_none())
        }
        ActionSpec::Local(command) => command.effect != DeclaredEffect::Read,
        ActionSpec::HandOff(_) => true,
        _ => false,
    }
}
