//! hostd's inventory: `getallvms`, `registervm`, `unregister`, `destroy`, `reload`.

use std::sync::Arc;

use super::value::{Fault, Value};
use super::{Registered, Saved, State};
use crate::sim::host::{SimHost, Volume};
use crate::sim::vmx::Vmx;

/// `vmInventory.xml`
pub(super) fn xml(saved: &Saved) -> String {
    let mut text = String::from("<ConfigRoot>\n");
    for (index, vm) in saved.vms.iter().enumerate() {
        let path = vm
            .path
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text.push_str(&format!(
            "  <ConfigEntry id=\"{index:04}\">\n    <objID>{}</objID>\n    <secDomain/>\n    <vmxCfgPath>{path}</vmxCfgPath>\n  </ConfigEntry>\n",
            vm.id
        ));
    }
    text.push_str("</ConfigRoot>\n");
    text
}

/// A path of a datastore as hostd keeps it: by the volume's UUID, links followed.
pub(super) fn canonical(host: &SimHost, path: &str) -> Option<String> {
    let real = host.vfs.real(path, true).ok()?;
    Some(host.vfs.shown(&real))
}

/// `/vmfs/volumes/UUID/dir/x.vmx` as `[label] dir/x.vmx`.
pub(super) fn datastore_path(host: &SimHost, path: &str) -> String {
    let rest = path.strip_prefix("/vmfs/volumes/").unwrap_or(path);
    let (uuid, inside) = rest.split_once('/').unwrap_or((rest, ""));
    let volume: Option<&Volume> = host.volumes.iter().find(|volume| volume.uuid == uuid);
    let label = volume
        .and_then(|volume| volume.label.as_deref())
        .unwrap_or(uuid);
    format!("[{label}] {inside}")
}

/// The path behind what was typed: `[label] dir/x.vmx`, a label's path or a UUID's.
fn typed_path(typed: &str) -> String {
    match typed
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((label, inside)) => format!("/vmfs/volumes/{label}/{inside}"),
        None => typed.to_owned(),
    }
}

/// The newest virtual hardware of an 8.0.2 host.
const NEWEST_HARDWARE: u32 = 21;

/// Reads a .vmx into hostd's view; `None` where it cannot be used: unreadable, or of hardware that
/// is newer than the host's.
pub(super) fn read_config(host: &SimHost, path: &str) -> Option<Vmx> {
    read_any(host, path).filter(|config| {
        let version = config.get("virtualHW.version").unwrap_or_default();
        version
            .parse::<u32>()
            .map_or(true, |version| version <= NEWEST_HARDWARE)
    })
}

fn read_any(host: &SimHost, path: &str) -> Option<Vmx> {
    Vmx::parse(&host.vfs.read_text(path).ok()?)
}

/// Whether the VM's .vmx is there and readable; else it is "invalid".
fn is_valid(host: &SimHost, state: &State, vm: &Registered) -> bool {
    state.configs.contains_key(&vm.id) && host.vfs.exists(&vm.path)
}

/// `vmsvc/getallvms`: what goes to standard output and to standard error.
pub(super) fn getallvms(host: &SimHost, state: &State) -> (String, String) {
    let mut skipped = String::new();
    let mut rows = Vec::new();
    let mut vms: Vec<&Registered> = state.saved.vms.iter().collect();
    // Rows are in the order of the ids as text: 10 before 2.
    vms.sort_by_key(|vm| vm.id.to_string());
    for vm in vms {
        let Some(config) = state
            .configs
            .get(&vm.id)
            .filter(|_| is_valid(host, state, vm))
        else {
            skipped.push_str(&format!("Skipping invalid VM '{}'\n", vm.id));
            continue;
        };
        let version = config.get("virtualHW.version").unwrap_or("19");
        rows.push([
            vm.id.to_string(),
            state.name(vm),
            datastore_path(host, &vm.path),
            guest_id(config),
            format!("vmx-{:0>2}", version),
            config.get("annotation").unwrap_or_default().to_owned(),
        ]);
    }
    (table(&rows), skipped)
}

/// The layout of `getallvms`: a column is as wide as its widest cell or header, in characters;
/// cells are padded on the right, also the last; headers are centred; three blanks between.
pub(super) fn table(rows: &[[String; 6]]) -> String {
    let headers = ["Vmid", "Name", "File", "Guest OS", "Version", "Annotation"];
    let mut widths = headers.map(|header| header.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = headers
        .iter()
        .zip(widths)
        .map(|(header, width)| {
            let left = (width - header.chars().count()) / 2;
            format!("{:<width$}", format!("{}{header}", " ".repeat(left)))
        })
        .collect();
    let mut text = format!("{}\n", head.join("   "));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(&format!("{}\n", cells.join("   ")));
    }
    text
}

/// `guestOS` as vim spells it.
pub(super) fn guest_id(config: &Vmx) -> String {
    let os = config.get("guestOS").unwrap_or("other");
    let name = os.replace("-64", "_64");
    if name.ends_with("Guest") {
        name
    } else {
        format!("{name}Guest")
    }
}

/// `solo/registervm PATH [NAME]`: the new vmid.
pub(super) fn register(host: &Arc<SimHost>, typed: &str, name: Option<&str>) -> Result<u32, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(missing());
    };
    let path = typed_path(typed);
    let file = host.vfs.metadata(&path, true);
    let canonical = canonical(host, &path).ok_or_else(missing)?;
    let mut state = esxi.lock();
    // Also an entry whose .vmx is gone ("invalid") counts as existing.
    if let Some(existing) = state.saved.vms.iter().find(|vm| vm.path == canonical) {
        return Err(Fault {
            kind: "vim.fault.AlreadyExists",
            fields: vec![("name", Value::text(existing.id.to_string()))],
            message: format!(
                "The specified key, name, or identifier '{}' already exists.",
                existing.id
            ),
        });
    }
    if !file.is_ok_and(|meta| meta.is_file()) {
        return Err(missing());
    }
    if read_any(host, &canonical).is_none() {
        return Err(Fault::new(
            "vim.fault.InvalidVmConfig",
            "Invalid virtual machine configuration.",
        ));
    }
    let id = state.saved.next.max(1);
    state.saved.next = id + 1;
    // Without a configuration that it can use, the entry is an invalid one.
    if let Some(config) = read_config(host, &canonical) {
        state.configs.insert(id, config);
    }
    state.saved.vms.push(Registered {
        id,
        path: canonical,
        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        on: false,
        facts: None,
    });
    esxi.save(host, &state);
    Ok(id)
}

fn missing() -> Fault {
    Fault::new(
        "vim.fault.NotFound",
        "The object or item referred to could not be found.",
    )
}

/// `vmsvc/unregister ID`
pub(super) fn unregister(host: &Arc<SimHost>, id: &str) -> Result<(), Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(missing());
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.id;
    if state.running.contains_key(&vm) {
        return Err(Fault::power_state("poweredOff", "poweredOn", "Powered On"));
    }
    state.saved.vms.retain(|entry| entry.id != vm);
    state.saved.autostart.retain(|entry| entry.id != vm);
    state.configs.remove(&vm);
    esxi.save(host, &state);
    Ok(())
}

/// `vmsvc/destroy ID`: takes it out of the inventory and deletes its files.
pub(super) fn destroy(host: &Arc<SimHost>, id: &str) -> Result<(), Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(missing());
    };
    let (path, config) = {
        let state = esxi.lock();
        let vm = state.find(id)?;
        (
            vm.path.clone(),
            state.configs.get(&vm.id).cloned().unwrap_or_default(),
        )
    };
    unregister(host, id)?;
    let folder = path
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder)
        .to_owned();
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".vmx")
        .to_owned();
    let mut files: Vec<String> = ["vmx", "vmsd", "nvram", "vmxf"]
        .map(|end| format!("{stem}.{end}"))
        .into();
    for (_, disk) in config.disks() {
        let descriptor = host
            .vfs
            .read_text(&format!("{folder}/{disk}"))
            .unwrap_or_default();
        files.extend(
            crate::sim::vmx::extents(&descriptor)
                .into_iter()
                .map(|extent| extent.file),
        );
        files.push(disk);
    }
    for file in files {
        let _ = host.vfs.remove(&format!("{folder}/{file}"));
    }
    if let Ok(real) = host.vfs.real(&folder, true) {
        // Only an empty folder goes.
        let _ = std::fs::remove_dir(real);
    }
    Ok(())
}

/// `vmsvc/reload ID`: hostd reads the .vmx again.
pub(super) fn reload(host: &Arc<SimHost>, id: &str) -> Result<(), Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(missing());
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.clone();
    if state.running.contains_key(&vm.id) {
        // A running VM's file is written by its vmx process, not read again.
        return Ok(());
    }
    match read_config(host, &vm.path) {
        Some(config) => {
            state.configs.insert(vm.id, config);
            if let Some(entry) = state.vm_mut(vm.id) {
                entry.name = None;
            }
        }
        None => {
            state.configs.remove(&vm.id);
        }
    }
    esxi.save(host, &state);
    Ok(())
}
