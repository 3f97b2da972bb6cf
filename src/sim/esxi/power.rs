//! Power: what is checked, what is locked, what is written, what happens afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::question::{Choice, Question};
use super::value::Fault;
use super::{Esxi, Running, State, guest, replace};
use crate::sim::host::SimHost;
use crate::sim::seed::{Draw, spell_uuid};
use crate::sim::vmx::{Vmx, extents};

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

/// Checks a VM and makes it run, or stand before its question (`false`).
fn begin(
    host: &Arc<SimHost>,
    esxi: &Esxi,
    state: &mut State,
    id: u32,
    path: &str,
    task: &str,
) -> Result<bool, Fault> {
    if state.running.contains_key(&id) {
        return Err(Fault::power_state("poweredOn", "poweredOn", "Powered On"));
    }
    if state.saved.maintenance {
        return Err(Fault::new(
            "vim.fault.InvalidState",
            "The operation is not allowed in the current state.",
        ));
    }
    if esxi.faults.power_on_fails.load(Ordering::Acquire) {
        return Err(Fault::new(
            "vim.fault.InsufficientMemoryResourcesFault",
            "The available Memory resources in the parent resource pool are insufficient for the operation.",
        ));
    }
    let config = state
        .configs
        .get(&id)
        .filter(|_| host.vfs.exists(path))
        .cloned();
    let Some(mut config) = config else {
        return Err(Fault::new(
            "vim.fault.InvalidVmConfig",
            "Invalid virtual machine configuration.",
        ));
    };
    check_addresses(&config)?;
    let held = check_disks(host, path, &config)?;
    let place = location(&esxi.identity.uuid, path);
    let known = config.get("uuid.location").map(str::to_owned);
    let mut question = None;
    if known.is_some_and(|known| known != place) {
        match config.get("uuid.action") {
            Some("keep") => {}
            Some("create") => renew_identity(&mut config, esxi, path),
            _ if config.is_true("msg.autoAnswer") => renew_identity(&mut config, esxi, path),
            _ => question = Some(Question::new(esxi.identity.seed, path)),
        }
    }
    if question.is_none() {
        config.set("uuid.location", &place);
        question = missing_image(host, path, &config).map(|drive| Question::no_device(&drive));
    }
    state.configs.insert(id, config);
    let (cartel, world) = state.next_worlds();
    let asks = question.is_some();
    host.vfs.lock_files(&held, true);
    state.running.insert(
        id,
        Running {
            world,
            cartel,
            since: Instant::now(),
            ahead: 0.0,
            booted: Timestamp::now(),
            question,
            held,
            guest: None,
            holder: format!("{}/{id}/{world}", host.name),
            timers: Vec::new(),
            stopping: false,
            switched: BTreeMap::new(),
            task: task.to_owned(),
        },
    );
    Ok(!asks)
}

/// A static MAC in the range of generated ones stops a power-on unless the check is off.
fn check_addresses(config: &Vmx) -> Result<(), Fault> {
    for adapter in config.adapters() {
        let fixed = config.get(&format!("{adapter}.addressType")) == Some("static");
        let unchecked = config
            .get(&format!("{adapter}.checkMACAddress"))
            .is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let mac = config.mac(&adapter).unwrap_or_default().to_lowercase();
        if fixed && !unchecked && mac.starts_with("00:0c:29") {
            return Err(Fault::new(
                "vim.fault.GenericVmConfigFault",
                format!(
                    "{mac} is not an allowed static Ethernet address. It conflicts with VMware reserved MACs"
                ),
            ));
        }
    }
    Ok(())
}

/// A drive that comes up with a CD image that is not there.
fn missing_image(host: &SimHost, path: &str, config: &Vmx) -> Option<String> {
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let mut drives = config.entries().iter().filter_map(|(key, value)| {
        let device = key.strip_suffix(".fileName")?;
        let is_image = config.get(&format!("{device}.deviceType")) == Some("cdrom-image");
        let unplugged = config
            .get(&format!("{device}.startConnected"))
            .is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let present = config.is_true(&format!("{device}.present"));
        (present && is_image && !unplugged).then_some((device, value))
    });
    let gone = |file: &str| {
        let beside = format!("{folder}/{file}");
        !host
            .vfs
            .exists(if file.starts_with('/') { file } else { &beside })
    };
    drives
        .find(|(_, file)| gone(file))
        .map(|(device, _)| device.to_owned())
}

/// Every disk must be there whole and free; gives the real paths that the VM will hold.
fn check_disks(host: &SimHost, path: &str, config: &Vmx) -> Result<Vec<PathBuf>, Fault> {
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let mut held = Vec::new();
    for (_, disk) in config.disks() {
        let descriptor = if disk.starts_with('/') {
            disk.clone()
        } else {
            format!("{folder}/{disk}")
        };
        let beside = descriptor
            .rsplit_once('/')
            .map_or("/", |(folder, _)| folder)
            .to_owned();
        let broken = |text: &str| {
            Fault::new(
                "vim.fault.FileNotFound",
                format!(
                    "{text}\nCannot open the disk '{descriptor}' or one of the snapshot disks it depends on. "
                ),
            )
        };
        let text = host
            .vfs
            .read_text(&descriptor)
            .map_err(|_| broken("The system cannot find the file specified"))?;
        let parts = extents(&text);
        if parts.is_empty() {
            return Err(broken("The file specified is not a virtual disk"));
        }
        for part in parts {
            let flat = format!("{beside}/{}", part.file);
            let real = host.vfs.real(&flat, true);
            let size = real
                .as_ref()
                .ok()
                .and_then(|real| std::fs::metadata(real).ok())
                .map(|meta| meta.len());
            match (real, size) {
                (Ok(real), Some(size)) if size == part.bytes => {
                    if host.vfs.is_locked(&real) {
                        return Err(broken("Failed to lock the file"));
                    }
                    held.push(real);
                }
                (_, Some(_)) => return Err(broken("The specified virtual disk needs repair")),
                _ => return Err(broken("The system cannot find the file specified")),
            }
        }
    }
    Ok(held)
}

/// A copied VM gets a new `uuid.bios`, and with it new generated MACs.
fn renew_identity(config: &mut Vmx, esxi: &Esxi, path: &str) {
    let mut draw = Draw::new(
        esxi.identity.seed,
        &format!("copy {path} {}", Timestamp::now()),
    );
    let uuid = draw.vmx_uuid();
    let tail: Vec<&str> = uuid.rsplit(' ').take(3).collect();
    if let [f, e, d] = tail.as_slice() {
        for (index, adapter) in config.adapters().iter().enumerate() {
            if config.get(&format!("{adapter}.addressType")) == Some("generated") {
                let last = u8::from_str_radix(f, 16)
                    .unwrap_or(0)
                    .wrapping_add(u8::try_from(index * 10).unwrap_or(0));
                config.set(
                    &format!("{adapter}.generatedAddress"),
                    &format!("00:0c:29:{d}:{e}:{last:02x}"),
                );
            }
        }
    }
    config.set("uuid.bios", &uuid);
}

/// The VM runs: files appear, hostd writes the .vmx anew, the guest boots.
fn finish(host: &Arc<SimHost>, esxi: &Esxi, state: &mut State, id: u32, ahead: f64) {
    let Some(path) = state
        .saved
        .vms
        .iter()
        .find(|vm| vm.id == id)
        .map(|vm| vm.path.clone())
    else {
        return;
    };
    let (folder, stem) = folder_and_stem(&path);
    let config = state.configs.entry(id).or_default();
    config.remove("uuid.action");
    config.set("cleanShutdown", "FALSE");
    let swap = format!(
        "{stem}-{:08x}.vswp",
        Draw::new(esxi.identity.seed, &path).next() as u32
    );
    config.set("sched.swap.derivedName", &format!("{folder}/{swap}"));
    let config = config.clone();
    let memory = config
        .get("memSize")
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(32)
        << 20;
    write_config(host, &path, &config);
    // The swap file of a VM has the size of its memory, but takes no room here.
    let mut held = Vec::new();
    for (name, length) in [(swap, memory), (format!("vmx-{stem}-1.vswp"), 80 << 20)] {
        if let Ok((file, real)) = host
            .vfs
            .open_write(&format!("{folder}/{name}"), Default::default())
        {
            let _ = file.set_len(length);
            held.push(real);
        }
    }
    for (name, text) in [
        (format!("{stem}.vmx.lck"), String::new()),
        (format!("{stem}.vmx~"), config.text()),
    ] {
        write_plain(host, &format!("{folder}/{name}"), &text);
    }
    log(host, &path, "Log for VMware ESX pid; PowerOn");
    let flat = state
        .running
        .get(&id)
        .and_then(|running| running.held.first().cloned());
    let name = flat
        .as_deref()
        .and_then(|flat| guest::on_disk(flat).ok().flatten());
    if let (Some(flat), Some(_)) = (&flat, &name) {
        let _ = guest::write_diary(flat, "boot", host.name.as_str());
    }
    host.vfs.lock_files(&held, true);
    if let Some(running) = state.running.get_mut(&id) {
        running.question = None;
        running.since = Instant::now();
        running.ahead = ahead;
        let before = jiff::SignedDuration::try_from_secs_f64(ahead).unwrap_or_default();
        running.booted = Timestamp::now()
            .saturating_sub(before)
            .unwrap_or_else(|_| Timestamp::now());
        running.held.extend(held);
        running.guest = name.and_then(|name| esxi.guests.get(&name).cloned());
    }
    if let Some(vm) = state.vm_mut(id) {
        vm.on = true;
        vm.facts = None;
    }
    guest::start(host, state, id);
    esxi.save(host, state);
}

/// The question was answered.
pub(super) fn answered(host: &Arc<SimHost>, id: u32, choice: Choice) {
    let Some(esxi) = &host.esxi else { return };
    let mut state = esxi.lock();
    let Some(path) = state
        .saved
        .vms
        .iter()
        .find(|vm| vm.id == id)
        .map(|vm| vm.path.clone())
    else {
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
    state.end_task(
        &running.task,
        Err(Fault::new(
            "vmodl.fault.RequestCanceled",
            "The task was canceled by a user.",
        )),
    );
    let Some(path) = state
        .saved
        .vms
        .iter()
        .find(|vm| vm.id == id)
        .map(|vm| vm.path.clone())
    else {
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
        if let Some(config) = super::inventory::read_config(host, &vm.path) {
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
            // This timer must not abort itself before it has written what is to be written.
            if let Some(running) = state.running.get_mut(&vm) {
                running.timers.clear();
            }
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

/// Where a VM's files lie, and the name that they share.
pub(super) fn folder_and_stem(path: &str) -> (String, String) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("/", path));
    (folder.to_owned(), name.trim_end_matches(".vmx").to_owned())
}

fn clear_files(host: &SimHost, path: &str) {
    let (folder, stem) = folder_and_stem(path);
    for name in host.vfs.names(&folder).unwrap_or_default() {
        let mine = name.ends_with(".vswp")
            || name == format!("{stem}.vmx.lck")
            || name == format!("{stem}.vmx~");
        if mine {
            let _ = host.vfs.remove(&format!("{folder}/{name}"));
        }
    }
}

fn write_config(host: &SimHost, path: &str, config: &Vmx) {
    write_plain(host, path, &config.text());
}

/// Replaces a small file, keeping its mode.
fn write_plain(host: &SimHost, path: &str, text: &str) {
    let Ok(real) = host.vfs.real(path, true) else {
        return;
    };
    let mode = std::fs::metadata(&real).map(|meta| meta.permissions()).ok();
    if let Err(error) = replace(&real, text.as_bytes()) {
        tracing::warn!(host = %host.name, path, %error, "a VM's file cannot be written");
        return;
    }
    if let Some(mode) = mode {
        let _ = std::fs::set_permissions(&real, mode);
    }
}

fn note_failure(host: &SimHost, path: &str, fault: &Fault) {
    log(host, path, &format!("PowerOn failed: {}", fault.message));
}

/// A line in the VM's `vmware.log`.
fn log(host: &SimHost, path: &str, text: &str) {
    let (folder, _) = folder_and_stem(path);
    let mode = crate::sim::vfs::WriteMode {
        append: true,
        ..Default::default()
    };
    if let Ok((mut file, _)) = host.vfs.open_write(&format!("{folder}/vmware.log"), mode) {
        let line = format!(
            "{} In(05) vmx - {text}\n",
            Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        );
        let _ = std::io::Write::write_all(&mut file, line.as_bytes());
    }
}
