//! The steps of a chapter, from the ledger of the run that it ends.

mod clearing;
mod made;
mod taking_back;

use std::collections::BTreeMap;

use super::super::event::Chapter;
use super::super::fact::Fact;
use super::super::ledger::{Item, Ledger, Thing};
use super::super::protection::Unprotected;
use super::super::stage::residue;
use super::super::state::RunState;
use super::Closing;
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Aside, Close, Placed, Plan, Step, Subject};
use crate::runbook::model::{Runbook, SiteRole};

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
}
