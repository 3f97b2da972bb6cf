//! The host itself loses its power, goes away, and comes back.

use std::sync::Arc;

use super::release;
use super::start::{begin, finish};
use crate::sim::esxi::inventory::read_config;
use crate::sim::esxi::{Esxi, State};
use crate::sim::host::SimHost;

/// The host lost its power: nothing is written, locks and swap files stay behind.
pub(crate) fn power_cut(host: &Arc<SimHost>) {
    if let Some(esxi) = &host.esxi {
        lose_power(host, esxi, &mut esxi.lock());
    }
}

fn lose_power(host: &SimHost, esxi: &Esxi, state: &mut State) {
    for running in std::mem::take(&mut state.running).into_values() {
        release(host, &running);
    }
    for vm in &mut state.saved.vms {
        vm.on = false;
    }
    state.leaving.clear();
    state.tasks.clear();
    esxi.save(host, state);
    esxi.changed.notify_all();
}

/// The host loses its power and starts again, unless a VM runs. Whether it did: no VM can start
/// between that look and the start.
pub(crate) fn restart_idle(host: &Arc<SimHost>) -> bool {
    let Some(esxi) = &host.esxi else { return true };
    let mut state = esxi.lock();
    let is_idle = state.running.is_empty();
    if is_idle {
        lose_power(host, esxi, &mut state);
        start_up(host, esxi, &mut state, 0.0);
    }
    is_idle
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
    if let Some(esxi) = &host.esxi {
        start_up(host, esxi, &mut esxi.lock(), ahead);
    }
}

fn start_up(host: &Arc<SimHost>, esxi: &Esxi, state: &mut State, ahead: f64) {
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
        match begin(host, esxi, state, vm.id, &vm.path, &task) {
            Ok(true) => {
                finish(host, esxi, state, vm.id, ahead);
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
    esxi.save(host, state);
}
