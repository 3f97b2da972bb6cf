//! What is checked before a VM runs, and what is written when it does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;

use super::files::{folder_and_stem, log, write_config, write_plain};
use super::location;
use crate::sim::esxi::question::Question;
use crate::sim::esxi::value::Fault;
use crate::sim::esxi::{Esxi, Running, State, guest};
use crate::sim::host::SimHost;
use crate::sim::seed::Draw;
use crate::sim::vmx::{Vmx, extents};

/// Checks a VM and makes it run, or stand before its question (`false`).
pub(super) fn begin(
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
pub(super) fn renew_identity(config: &mut Vmx, esxi: &Esxi, path: &str) {
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
pub(super) fn finish(host: &Arc<SimHost>, esxi: &Esxi, state: &mut State, id: u32, ahead: f64) {
    let Some(path) = state.saved.path_of(id) else {
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
