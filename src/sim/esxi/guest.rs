//! The guest inside a running VM: it boots from its disk, gets tools, an address and ports, each
//! after its own while.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Running, State};
use crate::sim::host::SimHost;
use crate::sim::seed::Draw;
use crate::sim::vmx::Vmx;

/// Site seconds from power-on until the tools run.
pub(crate) const TOOLS_AFTER: f64 = 8.0;
/// Until the tools report a link-local address.
pub(crate) const LINK_LOCAL_AFTER: f64 = 10.0;
/// Until they report the guest's own address.
pub(crate) const ADDRESS_AFTER: f64 = 13.0;
/// Until the guest's ports are open.
pub(crate) const SERVICES_AFTER: f64 = 18.0;
/// Between two pages that a guest writes while it serves.
const PAGE_EVERY: f64 = 20.0;
/// How long a guest takes to shut down.
pub(crate) const SHUTDOWN_TAKES: f64 = 6.0;

/// A port that a guest opens.
#[derive(Clone, Debug)]
pub(crate) struct GuestService {
    /// The address, as the runbook writes it.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The adapter that must be connected.
    pub(crate) adapter: String,
}

/// What the disk of a VM holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct GuestPlan {
    /// Its host name.
    pub(crate) name: String,
    /// Its address on each adapter.
    pub(crate) addresses: Vec<(String, String)>,
    /// Its ports.
    pub(crate) services: Vec<GuestService>,
}

/// What the tools said last; kept after power-off, as hostd keeps it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct GuestFacts {
    /// The guest's host name.
    pub(crate) host_name: Option<String>,
    /// Its primary address.
    pub(crate) address: Option<String>,
    /// Adapter's network, MAC, addresses.
    pub(crate) nics: Vec<(String, String, Vec<String>)>,
}

/// The mark at the beginning of a system disk, before the guest's name.
pub(crate) const MARK: &[u8] = b"\xeb\x63\x90SIMULATED GUEST ";
/// Where a guest writes a line at each boot and stop, so that its disk differs from any backup.
const DIARY_AT: u64 = 4096;
const DIARY_LINE: u64 = 64;
const DIARY_LINES: u64 = 512;

/// The first sector of a system disk.
pub(crate) fn boot_sector(name: &str) -> Vec<u8> {
    let mut sector = MARK.to_vec();
    sector.extend_from_slice(name.as_bytes());
    sector.push(0);
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xaa]);
    sector
}

/// The name of the guest on this flat file, if it boots.
pub(super) fn on_disk(flat: &Path) -> io::Result<Option<String>> {
    let mut sector = [0; 512];
    File::open(flat)?.read_exact_at(&mut sector, 0)?;
    let Some(rest) = sector.strip_prefix(MARK) else {
        return Ok(None);
    };
    if !sector.ends_with(&[0x55, 0xaa]) {
        return Ok(None);
    }
    let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(name).into_owned()))
}

/// The guest writes a line into its disk.
pub(super) fn write_diary(flat: &Path, event: &str, host: &str) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(flat)?;
    let room = file.metadata()?.len().saturating_sub(DIARY_AT) / DIARY_LINE;
    for line in 0..room.min(DIARY_LINES) {
        let at = DIARY_AT + line * DIARY_LINE;
        let mut first = [0];
        file.read_exact_at(&mut first, at)?;
        if first == [0] {
            let text = format!(
                "{} {event} on {host}",
                Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
            );
            let mut bytes = text.into_bytes();
            bytes.resize(DIARY_LINE as usize - 1, b' ');
            bytes.push(b'\n');
            return file.write_all_at(&bytes, at);
        }
    }
    Ok(())
}

/// The guest at work: it writes a page of its disk, elsewhere each time. Whether it still runs.
fn work(host: &SimHost, id: u32, world: u32) -> bool {
    let Some(esxi) = &host.esxi else { return false };
    // Nothing is written after the VM has stopped, which takes this lock.
    let state = esxi.lock();
    let running = state.running.get(&id).filter(|own| own.world == world);
    let Some(disk) = running.and_then(|running| running.held.first()) else {
        return false;
    };
    // A disk that cannot be written to does not stop a guest.
    let _ = write_page(disk);
    true
}

/// A page behind the first blocks, which hold what the guest boots from and its diary.
fn write_page(flat: &Path) -> io::Result<()> {
    const PAGE: u64 = 4096;
    const FIRST: u64 = 64 << 10;
    let file = File::options().write(true).open(flat)?;
    let pages = file.metadata()?.len().saturating_sub(FIRST) / PAGE;
    if pages == 0 {
        return Ok(());
    }
    let mut draw = Draw::new(0, &Timestamp::now().as_nanosecond().to_string());
    let at = FIRST + draw.below(pages) * PAGE;
    file.write_all_at(&draw.bytes(PAGE as usize), at)
}

/// Whether an adapter is plugged in: as its .vmx says, unless that was changed while the VM runs.
pub(super) fn is_plugged(state: &State, id: u32, config: &Vmx, adapter: &str) -> bool {
    let running = state.running.get(&id);
    let switched = running.and_then(|running| running.switched.get(adapter));
    switched.copied().unwrap_or_else(|| {
        config
            .get(&format!("{adapter}.startConnected"))
            .is_none_or(|v| !v.eq_ignore_ascii_case("false"))
    })
}

/// Whether an adapter reaches the network: present, plugged in, its port group exists, and the
/// switch has an uplink.
pub(super) fn is_connected(state: &State, id: u32, config: &Vmx, adapter: &str) -> bool {
    let plugged = is_plugged(state, id, config, adapter);
    let name = config
        .get(&format!("{adapter}.networkName"))
        .unwrap_or_default();
    let group = state.saved.groups.iter().find(|group| group.name == name);
    let switch =
        group.and_then(|group| state.saved.switches.iter().find(|s| s.name == group.switch));
    config.is_true(&format!("{adapter}.present"))
        && plugged
        && switch.is_some_and(|s| !s.uplinks.is_empty())
}

/// Starts the timers of a guest that was just powered on, or whose adapters were just switched.
pub(super) fn start(host: &Arc<SimHost>, state: &mut State, id: u32) {
    let Some(esxi) = &host.esxi else { return };
    let config = state.configs.get(&id).cloned().unwrap_or_default();
    let Some(running) = state.running.get(&id) else {
        return;
    };
    let Some(plan) = running.guest.clone() else {
        return;
    };
    let ahead = age(host, running).unwrap_or_default();
    let holder = running.holder.clone();
    let world = running.world;
    let up: Vec<String> = config
        .adapters()
        .into_iter()
        .filter(|adapter| is_connected(state, id, &config, adapter))
        .collect();
    let network = Arc::clone(&host.network);
    let (pace, serving) = (host.pace, Arc::clone(host));
    let timer = esxi.runtime.spawn(async move {
        tokio::time::sleep(pace.real(ADDRESS_AFTER - ahead)).await;
        for (adapter, address) in &plan.addresses {
            if up.contains(adapter) {
                network.take_address(&holder, address);
            }
        }
        tokio::time::sleep(pace.real(SERVICES_AFTER - ADDRESS_AFTER.max(ahead))).await;
        let ports = plan.services.iter();
        let ports: Vec<(String, u16)> = ports
            .filter(|service| up.contains(&service.adapter))
            .map(|service| (service.host.clone(), service.port))
            .collect();
        match network.guest_at(&plan.name, &serving.site) {
            Some(machine) if !up.is_empty() => {
                machine.start(&network, &holder, ports, ahead == 0.0)
            }
            _ => ports
                .iter()
                .for_each(|(address, port)| network.open(&holder, address, *port)),
        }
        // It serves, and keeps what it is told.
        while work(&serving, id, world) {
            tokio::time::sleep(pace.real(PAGE_EVERY)).await;
        }
    });
    if let Some(running) = state.running.get_mut(&id) {
        running.timers.push(timer.abort_handle());
    }
}

/// How far a guest has come, in site seconds since power-on; `None` where none boots.
pub(super) fn age(host: &SimHost, running: &Running) -> Option<f64> {
    if running.question.is_some() || running.guest.is_none() {
        return None;
    }
    Some(running.ahead + host.pace.site(running.since.elapsed()))
}

/// What the tools report now.
pub(super) fn facts(host: &SimHost, state: &State, id: u32) -> Option<GuestFacts> {
    let running = state.running.get(&id)?;
    let age = age(host, running)?;
    let plan = running.guest.as_ref()?;
    if age < TOOLS_AFTER {
        return None;
    }
    let config = state.configs.get(&id)?;
    let mut facts = GuestFacts {
        host_name: Some(plan.name.clone()),
        ..GuestFacts::default()
    };
    for adapter in config.adapters() {
        let network = config
            .get(&format!("{adapter}.networkName"))
            .unwrap_or_default()
            .to_owned();
        let mac = config.mac(&adapter).unwrap_or_default().to_owned();
        let mut addresses = Vec::new();
        if age >= LINK_LOCAL_AFTER {
            if age >= ADDRESS_AFTER
                && let Some((_, own)) = plan.addresses.iter().find(|(name, _)| *name == adapter)
            {
                addresses.push(own.clone());
            }
            addresses.push(link_local(&mac));
        }
        if facts.address.is_none() {
            facts.address = addresses.first().cloned();
        }
        facts.nics.push((network, mac, addresses));
    }
    Some(facts)
}

/// The IPv6 link-local address that belongs to a MAC.
fn link_local(mac: &str) -> String {
    let bytes: Vec<u8> = mac
        .split(':')
        .filter_map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    match bytes.as_slice() {
        [a, b, c, d, e, f] => {
            format!(
                "fe80::{:x}{b:02x}:{c:x}ff:fe{d:02x}:{:x}",
                a ^ 2,
                u16::from(*e) << 8 | u16::from(*f)
            )
        }
        _ => "fe80::1".to_owned(),
    }
}
