//! Networks and devices of a VM.

use std::sync::Arc;

use super::{number, view};
use crate::sim::esxi::guest::is_plugged;
use crate::sim::esxi::inventory::datastore_path;
use crate::sim::esxi::value::{Fault, Value};
use crate::sim::esxi::vim_cmd::titled;
use crate::sim::host::SimHost;

/// `vmsvc/get.networks ID`
pub(in super::super) fn networks(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    let mut text = String::from("Networks:\n\n");
    for adapter in view.config.adapters() {
        let name = view
            .config
            .get(&format!("{adapter}.networkName"))
            .unwrap_or_default();
        let there = state.saved.groups.iter().any(|group| group.name == name);
        let value = Value::Object(
            "vim.Network.Summary",
            vec![
                (
                    "network",
                    Value::Reference(format!("vim.Network:HaNetwork-{name}")),
                ),
                ("name", Value::text(name)),
                ("accessible", Value::bare(there)),
                ("ipPoolName", Value::text("")),
                ("ipPoolId", Value::Unset),
            ],
        );
        text.push_str(&value.print());
    }
    Ok(text)
}

/// `vmsvc/device.getdevices ID`: controllers, disks and adapters.
pub(in super::super) fn devices(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    let describe = |label: String, summary: String| {
        Value::Object(
            "vim.Description",
            vec![
                ("label", Value::text(label)),
                ("summary", Value::text(summary)),
            ],
        )
    };
    let mut devices = vec![Value::Object(
        "vim.vm.device.ParaVirtualSCSIController",
        vec![
            ("key", Value::bare(1000)),
            (
                "deviceInfo",
                describe("SCSI controller 0".into(), "VMware paravirtual SCSI".into()),
            ),
            ("busNumber", Value::bare(0)),
        ],
    )];
    let folder = view
        .vm
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    for (index, (_, file)) in view.config.disks().iter().enumerate() {
        let path = if file.starts_with('/') {
            file.clone()
        } else {
            format!("{folder}/{file}")
        };
        let backing = Value::Object(
            "vim.vm.device.VirtualDisk.FlatVer2BackingInfo",
            vec![
                ("fileName", Value::text(datastore_path(host, &path))),
                ("thinProvisioned", Value::bare(true)),
            ],
        );
        devices.push(Value::Object(
            "vim.vm.device.VirtualDisk",
            vec![
                ("key", Value::bare(2000 + index)),
                (
                    "deviceInfo",
                    describe(format!("Hard disk {}", index + 1), String::new()),
                ),
                ("backing", backing),
                ("controllerKey", Value::bare(1000)),
                ("unitNumber", Value::bare(index)),
            ],
        ));
    }
    for (index, adapter) in view.config.adapters().iter().enumerate() {
        let connected = is_plugged(&state, view.vm.id, &view.config, adapter);
        let plugged = view
            .config
            .get(&format!("{adapter}.startConnected"))
            .is_none_or(|value| !value.eq_ignore_ascii_case("false"));
        let name = view
            .config
            .get(&format!("{adapter}.networkName"))
            .unwrap_or_default()
            .to_owned();
        let connectable = Value::Object(
            "vim.vm.device.VirtualDevice.ConnectInfo",
            vec![
                ("startConnected", Value::bare(plugged)),
                ("allowGuestControl", Value::bare(true)),
                ("connected", Value::bare(view.on && connected)),
                (
                    "status",
                    Value::text(if view.on { "ok" } else { "untried" }),
                ),
            ],
        );
        devices.push(Value::Object(
            "vim.vm.device.VirtualVmxnet3",
            vec![
                ("key", Value::bare(4000 + index)),
                (
                    "deviceInfo",
                    describe(format!("Network adapter {}", index + 1), name.clone()),
                ),
                (
                    "backing",
                    Value::Object(
                        "vim.vm.device.VirtualEthernetCard.NetworkBackingInfo",
                        vec![
                            ("deviceName", Value::text(name.clone())),
                            ("useAutoDetect", Value::bare(false)),
                            (
                                "network",
                                Value::Reference(format!("vim.Network:HaNetwork-{name}")),
                            ),
                            ("inPassthroughMode", Value::Unset),
                        ],
                    ),
                ),
                ("connectable", connectable),
                (
                    "addressType",
                    Value::text(
                        view.config
                            .get(&format!("{adapter}.addressType"))
                            .unwrap_or("generated"),
                    ),
                ),
                (
                    "macAddress",
                    Value::text(view.config.mac(adapter).unwrap_or_default()),
                ),
            ],
        ));
    }
    let value = Value::Object(
        "vim.vm.VirtualHardware",
        vec![
            ("numCPU", Value::bare(number(&view.config, "numvcpus", 1))),
            ("numCoresPerSocket", Value::bare(1)),
            ("memoryMB", Value::bare(number(&view.config, "memSize", 32))),
            (
                "device",
                Value::List("vim.vm.device.VirtualDevice", devices),
            ),
        ],
    );
    Ok(titled("Devices:", &value))
}
