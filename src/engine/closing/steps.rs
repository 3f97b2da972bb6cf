//! The steps of a chapter, from the ledger of the run that it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::event::Chapter;
use super::super::fact::Fact;
use super::super::ledger::{Item, Ledger, Thing, folder_of};
use super::super::protection::Unprotected;
use super::super::stage::residue;
use super::super::state::{Op, OpStatus, RunState};
use super::super::step::Status;
use super::Closing;
use crate::names::{HostName, StepId, VmName};
use crate::plan::{ActionSpec, Aside, Close, Placed, Plan, Risk, Step, Subject};
use crate::runbook::model::{DeclaredEffect, Mode, OnFailure, Runbook, SiteRole};

/// The parts of a chapter: as in step ids, and for people.
pub(super) const PHASES: [(&str, &str); 4] = [AGREE, TAKE_DOWN, BRING_BACK, CLEAR_AWAY];
/// Every verb that a step of a chapter can have.
pub(super) const VERBS: [&str; 13] = [
    "agree",
    "stop",
    "unregister",
    "names_back",
    "register",
    "power_on",
    "return_capacity",
    "autostart_back",
    "remove_files",
    "keep_disks",
    "remove_networks",
    "remove_originals",
    "note",
];

const AGREE: (&str, &str) = ("agree", "Agree");
const TAKE_DOWN: (&str, &str) = ("take-down", "Take down");
const BRING_BACK: (&str, &str) = ("bring-back", "Bring back");
const CLEAR_AWAY: (&str, &str) = ("clear-away", "Clear away");

/// How long a step may take that asks one host for one thing.
const SHORT: Duration = Duration::from_secs(2 * 60);
/// How long a guest may take to shut down, and removing large files.
const LONG: Duration = Duration::from_secs(10 * 60);

/// The steps of a chapter; their `after` counts from the first of them.
pub(super) fn of(closing: Closing, runbook: &Runbook, run: &Plan, state: &RunState) -> Vec<Step> {
    let Closing { chapter, keeps } = closing;
    let mut draft = Draft {
        chapter,
        keeps,
        runbook,
        run,
        state,
        ledger: Ledger::of(state),
        steps: Vec::new(),
    };
    match chapter {
        Chapter::Commit => draft.commit(),
        Chapter::Rollback => draft.take_back(&[]),
        Chapter::Cleanup => {
            let agreed = draft.agree();
            draft.take_back(&[agreed]);
        }
    }
    draft.steps
}

struct Draft<'a> {
    chapter: Chapter,
    /// The disks of a drill stay.
    keeps: bool,
    runbook: &'a Runbook,
    run: &'a Plan,
    state: &'a RunState,
    ledger: Ledger,
    steps: Vec<Step>,
}

impl Draft<'_> {
    /// The question about everything that follows.
    fn agree(&mut self) -> usize {
        let left = residue(&self.ledger, self.chapter);
        let mut lines: Vec<String> = left.iter().map(ToString::to_string).collect();
        let question = match (self.chapter, lines.len()) {
            (Chapter::Commit, 0) => "What the run did stays. It keeps no files of before".to_owned(),
            (Chapter::Commit, _) => {
                "What the run did stays, and the files of before it that it kept are deleted. There \
                 is no rollback after that"
                    .to_owned()
            }
            (_, 0) => "Nothing that the run made is left. Close it".to_owned(),
            _ if self.keeps => {
                "Everything that the drill made is taken down and removed, but the folders with its disks: they \
                 stay for a live restore to start from, until `lifeboat cleanup` without --keep-disks deletes them"
                    .to_owned()
            }
            _ => "Everything that the run made is taken down and removed".to_owned(),
        };
        if self.chapter == Chapter::Commit {
            let freed = self.ledger.standing();
            let freed = freed.filter(|item| matches!(item.thing, Thing::Freed(_)));
            let unprotected = self.state.unprotected();
            lines.extend(unprotected.iter().map(Unprotected::in_full));
            // Another run may have taken it back by now.
            lines.extend(freed.map(|item| {
                format!("{item}: not looked at since; a failback starts it again, if none has")
            }));
        }
        let close = Close::Agree { question, lines };
        self.push(AGREE, Subject::Run, ActionSpec::Close(close), Vec::new())
    }

    /// What the run did stays; what it kept for a rollback goes.
    fn commit(&mut self) {
        let agreed = self.agree();
        let mut originals: BTreeMap<(HostName, VmName), Vec<Aside>> = BTreeMap::new();
        let mut folders = Vec::new();
        for item in self.ledger.standing() {
            match (&item.thing, &item.vm) {
                (Thing::Original { path, aside, bytes }, Some(vm)) => originals
                    .entry((item.host.clone(), vm.clone()))
                    .or_default()
                    .push(Aside {
                        path: path.clone(),
                        aside: aside.clone(),
                        bytes: *bytes,
                    }),
                (Thing::Workfiles(folder), Some(vm)) => {
                    let placed = Placed {
                        folder: folder.clone(),
                        ..Placed::default()
                    };
                    folders.push((vm.clone(), item.host.clone(), placed));
                }
                _ => {}
            }
        }
        for ((host, vm), originals) in originals {
            let close = Close::RemoveOriginals {
                vm,
                host,
                originals,
            };
            self.close(CLEAR_AWAY, close, vec![agreed]);
        }
        for (vm, host, placed) in folders {
            let close = Close::RemoveFiles { vm, host, placed };
            self.close(CLEAR_AWAY, close, vec![agreed]);
        }
    }

    /// What the run did is undone, the last VM first; then what was before comes back, and what the
    /// run brought goes.
    fn take_back(&mut self, first: &[usize]) {
        let vms = self.vms();
        let mut down: BTreeMap<VmName, Vec<usize>> = BTreeMap::new();
        let mut stopped = first.to_vec();
        for vm in vms.iter().rev() {
            let own = self.take_down(vm, &mut stopped);
            down.insert(vm.clone(), own);
        }
        let mut started: BTreeMap<VmName, usize> = BTreeMap::new();
        for vm in &vms {
            let mut before = down.get(vm).cloned().unwrap_or_default();
            before.extend(first);
            let back = self.bring_back(vm, &before, &mut started);
            down.entry(vm.clone()).or_default().extend(back);
        }
        for vm in &vms {
            let mut before = down.get(vm).cloned().unwrap_or_default();
            before.extend(first);
            self.clear_away(vm, &before);
        }
        let mut all: Vec<usize> = down.into_values().flatten().collect();
        all.extend(first);
        self.return_capacity(&stopped);
        self.clear_networks(&all);
        self.say_what_stays(&all);
    }

    /// The VMs that the ledger tells of, those of the plan in its order first.
    fn vms(&self) -> Vec<VmName> {
        let mut vms = self.run.vms.clone();
        for vm in self.ledger.items.iter().filter_map(|item| item.vm.as_ref()) {
            if !vms.contains(vm) {
                vms.push(vm.clone());
            }
        }
        vms
    }

    fn standing_of(&self, vm: &VmName) -> Vec<Item> {
        let of_vm = |item: &&Item| item.vm.as_ref() == Some(vm);
        self.ledger.standing().filter(of_vm).cloned().collect()
    }

    /// Stops and unregisters a VM wherever the run started or registered it. VMs are stopped one
    /// after the other.
    fn take_down(&mut self, vm: &VmName, stopped: &mut Vec<usize>) -> Vec<usize> {
        let standing = self.standing_of(vm);
        let mut own = Vec::new();
        let mut hosts: Vec<HostName> = Vec::new();
        for item in &standing {
            let runs = matches!(item.thing, Thing::Started | Thing::Registered(_));
            if runs && self.ledger.has_run(vm, &item.host) && !hosts.contains(&item.host) {
                hosts.push(item.host.clone());
            }
        }
        for host in hosts {
            let Some(vmx) = self.vmx(vm, &host) else {
                continue;
            };
            let vm = vm.clone();
            let close = Close::Stop { vm, host, vmx };
            let index = self.close(TAKE_DOWN, close, stopped.clone());
            *stopped = vec![index];
            own.push(index);
        }
        for item in &standing {
            if let Thing::Registered(vmx) = &item.thing {
                let (vm, host, vmx) = (vm.clone(), item.host.clone(), vmx.clone());
                let close = Close::Unregister { vm, host, vmx };
                let before = if own.is_empty() {
                    stopped.clone()
                } else {
                    own.clone()
                };
                own.push(self.close(TAKE_DOWN, close, before));
            }
        }
        own
    }

    /// Gives a VM back what it had before the run.
    fn bring_back(
        &mut self,
        vm: &VmName,
        down: &[usize],
        started: &mut BTreeMap<VmName, usize>,
    ) -> Vec<usize> {
        let standing = self.standing_of(vm);
        let mut before = down.to_vec();
        let mut own = Vec::new();
        for (host, originals) in self.originals(&standing) {
            let close = Close::NamesBack {
                vm: vm.clone(),
                host,
                originals,
            };
            own.push(self.close(BRING_BACK, close, before.clone()));
        }
        before.extend(&own);
        let verb = |thing: &Thing| match thing {
            Thing::Unregistered => Some(ActionSpec::Register { vm: vm.clone() }),
            Thing::Stopped => Some(ActionSpec::PowerOn { vm: vm.clone() }),
            _ => None,
        };
        for wanted in [&Thing::Unregistered, &Thing::Stopped] {
            for item in standing.iter().filter(|item| item.thing == *wanted) {
                let Some(action) = verb(wanted) else { continue };
                let mut after = before.clone();
                if *wanted == Thing::Stopped {
                    after.extend(self.needed(vm).filter_map(|need| started.get(need)));
                }
                let subject = Subject::Vm(vm.clone());
                let index = self.push(BRING_BACK, subject, action, after);
                self.at(index, &item.host);
                if *wanted == Thing::Stopped {
                    started.insert(vm.clone(), index);
                }
                before.push(index);
                own.push(index);
            }
        }
        for item in &standing {
            let vmx = self.vmx(vm, &item.host);
            if let (Thing::Autostart(_), Some(vmx)) = (&item.thing, vmx) {
                let (vm, host) = (vm.clone(), item.host.clone());
                let close = Close::AutostartBack { vm, host, vmx };
                own.push(self.close(BRING_BACK, close, before.clone()));
            }
        }
        own
    }

    /// Starts again what made room, once nothing that the run started needs it any more.
    fn return_capacity(&mut self, before: &[usize]) {
        let freed = self.ledger.standing();
        let freed = freed.filter(|item| matches!(item.thing, Thing::Freed(_)));
        let hosts: BTreeSet<HostName> = freed.map(|item| item.host.clone()).collect();
        if hosts.is_empty() {
            return;
        }
        let action = ActionSpec::ReturnCapacity { vms: Vec::new() };
        let index = self.push(BRING_BACK, Subject::Run, action, before.to_vec());
        if let Some(step) = self.steps.get_mut(index) {
            step.hosts = hosts.into_iter().collect();
        }
    }

    fn needed(&self, vm: &VmName) -> impl Iterator<Item = &VmName> {
        let known = self.runbook.vms.get(vm);
        known.into_iter().flat_map(|vm| &vm.needs)
    }

    /// Files of before the run, by host.
    fn originals(&self, standing: &[Item]) -> BTreeMap<HostName, Vec<Aside>> {
        let mut found: BTreeMap<HostName, Vec<Aside>> = BTreeMap::new();
        for item in standing {
            if let Thing::Original { path, aside, bytes } = &item.thing
                && self.ledger.is_of_before(item)
            {
                found.entry(item.host.clone()).or_default().push(Aside {
                    path: path.clone(),
                    aside: aside.clone(),
                    bytes: *bytes,
                });
            }
        }
        found
    }

    /// Removes the files that the run placed, and nothing that was there before.
    fn clear_away(&mut self, vm: &VmName, before: &[usize]) {
        let standing = self.standing_of(vm);
        let kept: Vec<&String> = self
            .ledger
            .items
            .iter()
            .filter(|item| item.vm.as_ref() == Some(vm) && self.ledger.is_of_before(item))
            .filter_map(|item| match &item.thing {
                Thing::Original { path, .. } => Some(path),
                _ => None,
            })
            .collect();
        let mut folders: BTreeMap<(HostName, String), Placed> = BTreeMap::new();
        for item in &standing {
            let (folder, file) = match &item.thing {
                Thing::Folder(path) | Thing::Workfiles(path) => (path.as_str(), None),
                Thing::File(path) if !kept.contains(&path) => (folder_of(path), Some(path)),
                Thing::Original { aside, .. } if !self.ledger.is_of_before(item) => {
                    (folder_of(aside), Some(aside))
                }
                // What makes room for it lies beside it then.
                Thing::Original { path, .. } => (folder_of(path), None),
                _ => continue,
            };
            let place = (item.host.clone(), folder.to_owned());
            let placed = folders.entry(place).or_default();
            placed.made |= matches!(item.thing, Thing::Folder(_));
            placed.files.extend(file.cloned());
        }
        let drill = self.run.mode == Mode::Drill;
        for ((host, folder), placed) in folders {
            let typed = !drill && self.ledger.has_run(vm, &host);
            let vm = vm.clone();
            let placed = Placed {
                folder,
                typed,
                ..placed
            };
            let close = if self.keeps && placed.made {
                let folder = placed.folder;
                Close::KeepDisks { vm, host, folder }
            } else {
                Close::RemoveFiles { vm, host, placed }
            };
            self.close(CLEAR_AWAY, close, before.to_vec());
        }
    }

    /// Removes port groups and switches once no VM of the run is registered any more.
    fn clear_networks(&mut self, before: &[usize]) {
        type Made = (Vec<(String, String)>, Vec<String>);
        let mut hosts: BTreeMap<HostName, Made> = BTreeMap::new();
        for item in self.ledger.standing() {
            let entry = || item.host.clone();
            match &item.thing {
                Thing::PortGroup { name, vswitch } => {
                    let made = hosts.entry(entry()).or_default();
                    made.0.push((name.clone(), vswitch.clone()));
                }
                Thing::Vswitch(name) => hosts.entry(entry()).or_default().1.push(name.clone()),
                _ => {}
            }
        }
        for (host, (groups, switches)) in hosts {
            let close = Close::RemoveNetworks {
                host,
                groups,
                switches,
            };
            self.close(CLEAR_AWAY, close, before.to_vec());
        }
    }

    /// What commands of the site's own and other teams did is not known here, so nobody is to think that it is undone.
    fn say_what_stays(&mut self, before: &[usize]) {
        let own = |step: &&Step| {
            let writes = match &step.action {
                ActionSpec::Command(command) => command.effect != DeclaredEffect::Read,
                ActionSpec::RestoreFiles { .. } => true,
                _ => false,
            };
            let went = |op: &Op| op.step == step.id && op.status != OpStatus::NotSent;
            let sent = || self.state.ops.values().any(went);
            let status = self.state.status(&step.id);
            let others = matches!(step.action, ActionSpec::HandOff(_)) && status.is_met();
            (writes && status != Status::Undone && sent()) || others
        };
        let commands: Vec<&str> = self
            .run
            .steps
            .iter()
            .filter(own)
            .map(|step| step.title.as_str())
            .collect();
        let text = if !commands.is_empty() {
            format!(
                "Not taken back, for what they did is known to the site alone: {}",
                commands.join("; ")
            )
        } else if self.steps.is_empty() {
            "Nothing that the run made or changed stands".to_owned()
        } else {
            return;
        };
        let note = ActionSpec::Note { text };
        self.push(CLEAR_AWAY, Subject::Run, note, before.to_vec());
    }

    /// The VM's .vmx on a host: as the run registered or stopped it there.
    fn vmx(&self, vm: &VmName, host: &HostName) -> Option<String> {
        self.state
            .facts_of(|fact| match fact {
                Fact::Registered {
                    vm: of,
                    host: on,
                    vmx,
                    ..
                }
                | Fact::StopWanted {
                    vm: of,
                    host: on,
                    vmx,
                } if of == vm && on == host => Some(vmx.clone()),
                _ => None,
            })
            .next()
            .or_else(|| self.announced_vmx(vm, host))
            .or_else(|| self.planned_vmx(vm, host))
    }

    /// As a command of the run named it that nothing was seen of.
    fn announced_vmx(&self, vm: &VmName, host: &HostName) -> Option<String> {
        let of_vm = |item: &&Item| item.vm.as_ref() == Some(vm) && item.host == *host;
        let items = self.ledger.items.iter().rev().filter(of_vm);
        let mut paths = items.filter_map(|item| match &item.thing {
            Thing::Registered(vmx) => Some(vmx.clone()),
            _ => None,
        });
        paths.next()
    }

    /// Where the runbook places it, which is where steps of the run look for it.
    fn planned_vmx(&self, vm: &VmName, host: &HostName) -> Option<String> {
        let place = self.runbook.vms.get(vm)?.place(self.role(host))?;
        let vmx = place.vmx.as_ref()?;
        Some(format!(
            "/vmfs/volumes/{}/{}/{vmx}",
            place.datastore, place.folder
        ))
    }

    fn role(&self, host: &HostName) -> SiteRole {
        self.runbook.role_of(host).unwrap_or(SiteRole::Recovery)
    }

    fn close(&mut self, phase: (&str, &str), close: Close, after: Vec<usize>) -> usize {
        let host = close.host().cloned();
        let subject = match (close.vm(), &host) {
            (Some(vm), _) => Subject::Vm(vm.clone()),
            (None, Some(host)) => Subject::Host(host.clone()),
            (None, None) => Subject::Run,
        };
        let index = self.push(phase, subject, ActionSpec::Close(close), after);
        if let Some(host) = host {
            self.at(index, &host);
        }
        index
    }

    fn at(&mut self, index: usize, host: &HostName) {
        let side = self.role(host);
        if let Some(step) = self.steps.get_mut(index) {
            step.hosts = vec![host.clone()];
            step.side = side;
        }
    }

    fn push(
        &mut self,
        (slug, phase): (&str, &str),
        subject: Subject,
        action: ActionSpec,
        mut after: Vec<usize>,
    ) -> usize {
        after.sort_unstable();
        after.dedup();
        let verb = action.verb();
        let id = self.free_id(&format!(
            "{}/{slug}/{}/{verb}",
            self.chapter,
            subject.as_str()
        ));
        let agrees = matches!(action, ActionSpec::Close(Close::Agree { .. }));
        self.steps.push(Step {
            title: title(&action, self.chapter, &subject),
            id,
            phase: phase.to_owned(),
            subject,
            side: SiteRole::Recovery,
            why: None,
            text: None,
            risk: risk(&action),
            after,
            timeout: timeout(&action),
            retries: 0,
            on_failure: OnFailure::Ask,
            usually: None,
            gate: agrees,
            typed: None,
            people: 1,
            challenge: None,
            transfer: false,
            datastore: None,
            hosts: Vec::new(),
            line: 0,
            action,
        });
        self.steps.len() - 1
    }

    /// An id that no step of the run has, and none of a chapter before this one.
    fn free_id(&self, wanted: &str) -> StepId {
        let taken = |id: &str| {
            let mut all = self.run.steps.iter().chain(&self.steps);
            all.any(|step| step.id.as_str() == id)
        };
        if !taken(wanted) {
            return wanted.into();
        }
        let numbered = (2..).map(|n: u32| format!("{wanted}.{n}"));
        let mut free = numbered.filter(|id| !taken(id));
        free.next().unwrap_or_default().into()
    }
}

fn title(action: &ActionSpec, chapter: Chapter, subject: &Subject) -> String {
    let name = subject.as_str();
    let ActionSpec::Close(close) = action else {
        return match action {
            ActionSpec::Note { .. } => "what is not taken back".to_owned(),
            ActionSpec::ReturnCapacity { .. } => "start again what made room".to_owned(),
            other => format!("{} {name}", other.verb()),
        };
    };
    match close {
        Close::Agree { .. } => format!("agree to the {chapter}"),
        Close::Stop { .. } => format!("stop {name}"),
        Close::Unregister { .. } => format!("unregister {name}"),
        Close::NamesBack { .. } => format!("give the files of {name} their names back"),
        Close::AutostartBack { .. } => format!("put the autostart entry of {name} back"),
        Close::RemoveFiles { .. } => format!("remove the files of {name}"),
        Close::KeepDisks { .. } => format!("keep the disks of {name}"),
        Close::RemoveNetworks { .. } => format!("remove port groups on {name}"),
        Close::RemoveOriginals { .. } => format!("delete the originals of {name}"),
    }
}

fn risk(action: &ActionSpec) -> Risk {
    match action {
        ActionSpec::Note { .. } | ActionSpec::Close(Close::KeepDisks { .. }) => Risk::Read,
        ActionSpec::PowerOn { .. }
        | ActionSpec::Close(Close::Stop { .. } | Close::Unregister { .. }) => Risk::Disruptive,
        _ => Risk::Write,
    }
}

fn timeout(action: &ActionSpec) -> Option<Duration> {
    match action {
        ActionSpec::Note { .. } | ActionSpec::Close(Close::Agree { .. }) => None,
        ActionSpec::Close(
            Close::Stop { .. } | Close::RemoveFiles { .. } | Close::RemoveOriginals { .. },
        )
        | ActionSpec::ReturnCapacity { .. } => Some(LONG),
        _ => Some(SHORT),
    }
}
