//! What the run did is undone: VMs are taken down, and what was before comes back.

use std::collections::{BTreeMap, BTreeSet};

use super::{BRING_BACK, Draft, TAKE_DOWN};
use crate::engine::ledger::{Item, Thing};
use crate::names::{HostName, VmName};
use crate::plan::{ActionSpec, Aside, Close, Subject};

impl Draft<'_> {
    /// Stops and unregisters a VM wherever the run started or registered it. VMs are stopped one
    /// after the other.
    pub(super) fn take_down(&mut self, vm: &VmName, stopped: &mut Vec<usize>) -> Vec<usize> {
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
    pub(super) fn bring_back(
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
        let subject = || Subject::Vm(vm.clone());
        for item in &standing {
            if let Thing::Unregistered(vmx) = &item.thing {
                let action = ActionSpec::Register { vm: vm.clone() };
                let index = self.push(BRING_BACK, subject(), action, before.clone());
                self.at(index, &item.host, vmx.clone());
                before.push(index);
                own.push(index);
            }
        }
        for item in &standing {
            if let Thing::Stopped(vmx) = &item.thing {
                let mut after = before.clone();
                after.extend(self.needed(vm).filter_map(|need| started.get(need)));
                let action = ActionSpec::PowerOn { vm: vm.clone() };
                let index = self.push(BRING_BACK, subject(), action, after);
                self.at(index, &item.host, Some(vmx.clone()));
                started.insert(vm.clone(), index);
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
    pub(super) fn return_capacity(&mut self, before: &[usize]) {
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
}
