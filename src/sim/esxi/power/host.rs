//! The host itself loses its power, goes away, and comes back.

use std::sync::Arc;

use super::release;
use super::start::{begin, finish};
use crate::sim::esxi::inventory::read_config;
use crate::sim::host::SimHost;

/// The host lost its power: nothing is written, locks and swap files stay behind.
pub(crate) fn power_cut(host: &Arc<SimHost>) {
    let Some(esxi) = &host.esxi else { return };
    let mut state = esxi.lock();
    for running in std::mem::take(&mut state.running).into_values() {
        release(host, &running);
    }
    for vm in &mut state.saved.vms {
        vm.on = false;
    }
    state.tasks.clear();
    esxi.save(host, &state);
    esxi.changed.notify_all();
}

/// The simulator goes away: nothing that is on disk changes.
pub(crate) fn freeze(host: &Arc<SimHost>) {
    let Some(esxi) = &host.esxi else { return };
    let mut state = esxi.lock();
    for running in std::mem::take(&mut state.running).into_values() {
        release(host, &running);
    }
    esxi.changed.notify_all();
}

/// The site starts: hostd reads every .vmx; what ran runs again, rebooted, or, at a new site, as if
/// it had run for `ahead` site seconds.
pub(crate) fn resume(host: &Arc<SimHost>, ahead: f64) {
    let Some(esxi) = &host.esxi else { return };
    let mut state = esxi.lock();
    for vm in state.saved.vms.clone() {
        if let Some(config) = read_config(host, &vm.path) {
            state.configs.insert(vm.id, config);
        }
    }
    for vm in state.saved.vms.clone() {
        if !vm.on {
            continue;
        }
        let task = state.begin_task(vm.id, "powerOn");
        match begin(host, esxi, &mut state, vm.id, &vm.path, &task) {
            Ok(true) => {
                finish(host, esxi, &mut state, vm.id, ahead);
                state.end_task(&task, Ok(()));
            }
            Ok(false) => {}
            Err(fault) => {
                if let Some(entry) = state.vm_mut(vm.id) {
                    entry.on = false;
                }
                state.end_task(&task, Err(fault));
            }
        }
    }
    state.tasks.retain(|task| task.outcome.is_none());
    esxi.save(host, &state);
}
