//! A VM's adapters and disks as hostd sees them: `vim-cmd vmsvc/device.getdevices`.

use super::faults::check;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::unexpected;

/// What a VM is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Network adapters, by rising key.
    pub adapters: Vec<Adapter>,
    /// Disks, by rising key.
    pub disks: Vec<Disk>,
}

/// One network adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// 4000 for `ethernet0`, 4001 for `ethernet1` …
    pub key: u64,
    /// E.g. `Network adapter 1`.
    pub label: String,
    /// The port group; `None` for a distributed one or none.
    pub network: Option<String>,
    /// Its MAC, lower case with colons; `None` before the first power-on.
    pub mac: Option<String>,
    /// Whether it is plugged in now.
    pub connected: bool,
    /// Whether it is plugged in at power-on.
    pub start_connected: bool,
}

impl Adapter {
    /// Its name in the .vmx, e.g. `ethernet0`.
    #[must_use]
    pub fn vmx_name(&self) -> Option<String> {
        self.key
            .checked_sub(4000)
            .map(|index| format!("ethernet{index}"))
    }
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// 2000 for the first one on SCSI.
    pub key: u64,
    /// Its descriptor, `[datastore] folder/disk.vmdk`.
    pub file: String,
    /// Its size in bytes.
    pub capacity: Option<u64>,
}

impl Devices {
    /// Reads the reply of [`devices`](super::commands::devices).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply without a list of devices.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        check(output)?;
        let what = "the VM's devices";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        let Value::List(devices) = value.get("device") else {
            return Err(unexpected(what, &text));
        };
        let mut found = Self::default();
        for device in devices {
            let Some(key) = device.get("key").number() else {
                continue;
            };
            // Every kind of adapter has this field, whatever its type is called.
            if device.type_name().is_some() && has(device, "macAddress") {
                found.adapters.push(adapter(key, device));
            } else if let Some(file) = device.at(&["backing", "fileName"]).filled()
                && file.ends_with(".vmdk")
            {
                let capacity = device
                    .get("capacityInKB")
                    .number()
                    .map(|kib| kib.saturating_mul(1024));
                found.disks.push(Disk {
                    key,
                    file: file.to_owned(),
                    capacity,
                });
            }
        }
        found.adapters.sort_by_key(|adapter| adapter.key);
        found.disks.sort_by_key(|disk| disk.key);
        Ok(found)
    }
}

fn has(device: &Value, name: &str) -> bool {
    matches!(device, Value::Object(_, fields) if fields.iter().any(|(field, _)| field == name))
}

fn adapter(key: u64, device: &Value) -> Adapter {
    let connectable = device.get("connectable");
    Adapter {
        key,
        label: device
            .at(&["deviceInfo", "label"])
            .text()
            .unwrap_or_default()
            .to_owned(),
        network: network(device),
        mac: device
            .get("macAddress")
            .filled()
            .map(str::to_ascii_lowercase),
        connected: connectable.get("connected").flag().unwrap_or_default(),
        start_connected: connectable.get("startConnected").flag().unwrap_or_default(),
    }
}

/// The port group's name: the backing's, else what hostd puts into the summary, which for a
/// distributed port is `DVSwitch: …`.
fn network(device: &Value) -> Option<String> {
    let backing = device.at(&["backing", "deviceName"]).filled();
    let summary = || {
        let summary = device.at(&["deviceInfo", "summary"]).filled()?;
        (device.get("backing").is_unset() && !summary.starts_with("DVSwitch")).then_some(summary)
    };
    backing.or_else(summary).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Devices:\n\n(vim.vm.VirtualHardware) {\n   numCPU = 2, \n   device = (vim.vm.device.VirtualDevice) [\n      (vim.vm.device.VirtualDisk) {\n         key = 2000, \n         backing = (vim.vm.device.VirtualDisk.FlatVer2BackingInfo) {\n            fileName = \"[ds 1] a/a.vmdk\", \n         }, \n         capacityInKB = 1024, \n      }, \n      \
        (vim.vm.device.VirtualVmxnet3) {\n         key = 4001, \n         deviceInfo = (vim.Description) {\n            label = \"Network adapter 2\", \n         }, \n         backing = (vim.vm.device.VirtualEthernetCard.NetworkBackingInfo) {\n            deviceName = \"VM Network\", \n         }, \n         connectable = (vim.vm.device.VirtualDevice.ConnectInfo) {\n            startConnected = true, \n            connected = false, \n         }, \n         macAddress = \"00:50:56:AA:BB:CC\", \n      }, \n      \
        (vim.vm.device.VirtualCdrom) {\n         key = 3000, \n         backing = (vim.x) {\n            fileName = \"[] x.iso\", \n         }, \n      }\n   ], \n}\n";

    #[test]
    fn adapters_and_disks() {
        let devices = Devices::parse(&Output::of(TEXT)).unwrap();
        assert_eq!(
            devices.disks,
            [Disk {
                key: 2000,
                file: "[ds 1] a/a.vmdk".into(),
                capacity: Some(1 << 20)
            }]
        );
        let adapter = &devices.adapters[0];
        assert_eq!(adapter.vmx_name().as_deref(), Some("ethernet1"));
        assert_eq!(adapter.network.as_deref(), Some("VM Network"));
        assert_eq!(adapter.mac.as_deref(), Some("00:50:56:aa:bb:cc"));
        assert!(adapter.start_connected && !adapter.connected);
        assert!(Devices::parse(&Output::of("(vim.vm.VirtualHardware) {\n}\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..TEXT.len(), noise in ".{0,40}") {
            let _ = Devices::parse(&Output::of(&format!("{}{noise}{}", &TEXT[..cut], &TEXT[cut..])));
        }
    }
}
