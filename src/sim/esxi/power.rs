//! Power: what is checked, what is locked, what is written, what happens afterwards.

mod files;
mod host;
mod start;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sha2::{Digest, Sha256};

use self::files::{clear_files, log, note_failure, write_config};
use self::start::{begin, finish, renew_identity};
use super::question::Choice;
use super::value::Fault;
use super::{Esxi, Leaving, Running, State, guest};
use crate::sim::host::SimHost;
use crate::sim::seed::spell_uuid;
use crate::sim::vmx::Vmx;

pub(super) use self::files::folder_and_stem;
pub(crate) use self::host::{freeze, power_cut, restart_idle, resume};

/// Where a VM is, as ESXi remembers it in `uuid.location`: a hash of host and path.
pub(crate) fn location(host_uuid: &str, path: &str) -> String {
    let digest = Sha256::digest(format!("{host_uuid}|{path}").as_bytes());
    let mut bytes: Vec<u8> = digest.iter().copied().take(16).collect();
    for (slot, byte) in bytes.iter_mut().zip([0x56, 0x4d]) {
        *slot = byte;
    }
    spell_uuid(&bytes)
}

/// Begins to power a VM on. Gives the task's key; the task has ended unless a question is open.
///
/// # Errors
/// No such VM. Every other failure is the task's.
pub(super) fn on(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.clone();
    let task = state.begin_task(vm.id, "powerOn");
    if esxi.faults.power_on_lingers.load(Ordering::Acquire) {
        return Ok(task);
    }
    let outcome = begin(host, esxi, &mut state, vm.id, &vm.path, &task);
    match outcome {
        Ok(true) => {
            finish(host, esxi, &mut state, vm.id, 0.0);
            state.end_task(&task, Ok(()));
        }
        // The question keeps the task open.
        Ok(false) => {}
        Err(fault) => {
            note_failure(host, &vm.path, &fault);
            state.end_task(&task, Err(fault));
        }
    }
    esxi.changed.notify_all();
    Ok(task)
}

/// The question was answered.
pub(super) fn answered(host: &Arc<SimHost>, id: u32, choice: Choice) {
    let Some(esxi) = &host.esxi else { return };
    let mut state = esxi.lock();
    let Some(path) = state.saved.path_of(id) else {
        return;
    };
    let Some(task) = state
        .running
        .get(&id)
        .filter(|r| r.question.is_some())
        .map(|r| r.task.clone())
    else {
        return;
    };
    if choice == Choice::Cancel {
        stop(host, esxi, &mut state, id, false);
        state.end_task(
            &task,
            Err(Fault::new(
                "vmodl.fault.RequestCanceled",
                "The task was canceled by a user.",
            )),
        );
    } else {
        let place = location(&esxi.identity.uuid, &path);
        if let Some(config) = state.configs.get_mut(&id) {
            if choice == Choice::Copied {
                renew_identity(config, esxi, &path);
            }
            config.set("uuid.location", &place);
        }
        finish(host, esxi, &mut state, id, 0.0);
        state.end_task(&task, Ok(()));
    }
    esxi.changed.notify_all();
}

/// Powers off at once.
///
/// # Errors
/// No such VM, or it is off.
pub(super) fn off(host: &Arc<SimHost>, id: &str) -> Result<(), Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.id;
    let task = state.begin_task(vm, "powerOff");
    if !state.running.contains_key(&vm) {
        let fault = Fault::power_state("poweredOff", "poweredOff", "Powered Off");
        state.end_task(&task, Err(fault.clone()));
        return Err(fault);
    }
    stop(host, esxi, &mut state, vm, false);
    state.end_task(&task, Ok(()));
    esxi.changed.notify_all();
    Ok(())
}

/// Ends a running VM in order: facts kept, files freed, the .vmx written.
pub(super) fn stop(host: &Arc<SimHost>, esxi: &Esxi, state: &mut State, id: u32, clean: bool) {
    let facts = guest::facts(host, state, id);
    let Some(running) = state.running.remove(&id) else {
        return;
    };
    release(host, &running);
    linger(host, esxi, state, id, &running);
    state.end_task(
        &running.task,
        Err(Fault::new(
            "vmodl.fault.RequestCanceled",
            "The task was canceled by a user.",
        )),
    );
    let Some(path) = state.saved.path_of(id) else {
        return;
    };
    let started = state.saved.vms.iter().any(|vm| vm.id == id && vm.on);
    if clean && let Some(flat) = running.held.first() {
        let _ = guest::write_diary(flat, "shutdown", host.name.as_str());
    }
    if let Some(vm) = state.vm_mut(id) {
        vm.on = false;
        vm.facts = facts.or_else(|| vm.facts.take());
    }
    if started {
        clear_files(host, &path);
        if let Some(config) = state.configs.get_mut(&id) {
            config.set("cleanShutdown", "TRUE");
            config.set("softPowerOff", if clean { "TRUE" } else { "FALSE" });
            config.remove("sched.swap.derivedName");
            let config = config.clone();
            write_config(host, &path, &config);
        }
        log(host, &path, "PowerOff");
    }
    esxi.save(host, state);
}

/// A host's list of what runs may lag behind the power state that it tells.
fn linger(host: &SimHost, esxi: &Esxi, state: &mut State, id: u32, running: &Running) {
    let seconds = esxi.faults.list_lags.load(Ordering::Acquire);
    if seconds > 0 {
        state.leaving.push(Leaving {
            id,
            world: running.world,
            cartel: running.cartel,
            until: Instant::now() + host.pace.real(seconds.into()),
        });
    }
}

/// Plugs an adapter of a running VM in or out: `ID KEY 0|1`.
///
/// # Errors
/// No such VM, it is off, or it has no such adapter.
pub(super) fn switch_device(host: &Arc<SimHost>, args: &[String]) -> Result<(), Fault> {
    /// The key of the first adapter.
    const FIRST: usize = 4000;
    let id = args.first().map_or("", String::as_str);
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.id;
    let index = args.get(1).and_then(|key| key.parse::<usize>().ok());
    let adapters = state.configs.get(&vm).map(Vmx::adapters);
    let adapter = adapters
        .zip(index)
        .and_then(|(adapters, key)| adapters.get(key.checked_sub(FIRST)?).cloned());
    let plugged = match args.get(2).map(String::as_str) {
        Some("1") => Some(true),
        Some("0") => Some(false),
        _ => None,
    };
    let (Some(adapter), Some(plugged)) = (adapter, plugged) else {
        return Err(Fault::new(
            "vmodl.fault.InvalidArgument",
            "A specified parameter was not correct.",
        ));
    };
    let Some(running) = state.running.get_mut(&vm) else {
        return Err(Fault::power_state("poweredOff", "poweredOn", "Powered Off"));
    };
    running.switched.insert(adapter, plugged);
    if running.stopping {
        return Ok(());
    }
    for timer in running.timers.drain(..) {
        timer.abort();
    }
    host.network.leave(&running.holder);
    guest::start(host, &mut state, vm);
    Ok(())
}

/// Frees what a running VM holds.
fn release(host: &SimHost, running: &Running) {
    for timer in &running.timers {
        timer.abort();
    }
    host.network.leave(&running.holder);
    host.vfs.lock_files(&running.held, false);
}

/// Asks the guest to shut down; it takes its time.
///
/// # Errors
/// No such VM, it is off, or its tools do not run.
pub(super) fn shutdown(host: &Arc<SimHost>, id: &str, reboot: bool) -> Result<(), Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.id;
    let tools = guest::facts(host, &state, vm).is_some();
    let Some(running) = state.running.get_mut(&vm) else {
        return Err(Fault::power_state(
            "poweredOff",
            "poweredOff",
            "Powered Off",
        ));
    };
    if !tools {
        return Err(Fault::new(
            "vim.fault.ToolsUnavailable",
            "Cannot complete operation because VMware Tools is not running in this virtual machine.",
        ));
    }
    if running.stopping {
        return Ok(());
    }
    running.stopping = true;
    let world = running.world;
    let wait = host.pace.real(guest::SHUTDOWN_TAKES);
    let host = Arc::clone(host);
    let timer = esxi.runtime.spawn(async move {
        tokio::time::sleep(wait).await;
        let Some(esxi) = &host.esxi else { return };
        let mut state = esxi.lock();
        // Only the same run of the VM is stopped.
        if state
            .running
            .get(&vm)
            .is_some_and(|running| running.world == world)
        {
            // It ends this timer too, which has nothing left to wait for.
            stop(&host, esxi, &mut state, vm, true);
            if reboot {
                drop(state);
                let _ = on(&host, &vm.to_string());
            }
        }
    });
    if let Some(running) = state.running.get_mut(&vm) {
        running.timers.push(timer.abort_handle());
    }
    Ok(())
}
