//! What a `.vmx` says about disks, drives and network adapters.

use super::fit_files::base_name;
use super::vmx::Vmx;

/// A disk or drive on a controller's slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its slot, e.g. `scsi0:0`, in lower case.
    pub device: String,
    /// What stands behind it: a descriptor, an ISO image, a host device. Relative to the folder of
    /// the `.vmx`, or absolute.
    pub file: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether the VM sees it: the slot and its controller are both present.
    pub present: bool,
    /// `persistent`, `independent-nonpersistent` …, where the file says.
    pub mode: Option<String>,
}

/// What is plugged into a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A virtual disk; its file is a descriptor.
    HardDisk,
    /// A drive with an image file.
    CdromImage,
    /// A drive of the host.
    CdromHost,
    /// Anything else, as the file calls it.
    Other(String),
}

/// A network adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapter {
    /// `ethernet0`, in lower case.
    pub name: String,
    /// Whether the VM sees it.
    pub present: bool,
    /// The port group of a standard switch.
    pub network_name: Option<String>,
    /// `generated`, `vpx` or `static`.
    pub address_type: Option<String>,
    /// Its MAC address as it will be used: the static one where the type is `static`, else the
    /// generated one.
    pub address: Option<String>,
    /// `vmxnet3`, `e1000` …; absent means the guest type's default.
    pub virtual_dev: Option<String>,
    /// Keys that tie it to a distributed or opaque switch of the site that it came from.
    pub switch_keys: Vec<String>,
    /// Whether it comes up plugged in.
    pub start_connected: bool,
}

/// Controllers whose slots hold disks and drives.
const BUSES: [&str; 4] = ["ide", "nvme", "sata", "scsi"];

impl Vmx {
    /// Disks and drives that have a file, by slot. What [`Disk::present`] denies is listed too.
    #[must_use]
    pub fn disks(&self) -> Vec<Disk> {
        let mut disks = Vec::new();
        for bus in BUSES {
            for key in self.keys_under(bus) {
                let Some(device) = key.strip_suffix(".filename") else {
                    continue;
                };
                let Some((controller, slot)) = split_slot(device, bus) else {
                    continue;
                };
                let Some(file) = self.get(key).filter(|file| !file.is_empty()) else {
                    continue;
                };
                let present = |name: &str| self.flag(&format!("{name}.present")) == Some(true);
                disks.push((
                    (bus, controller, slot),
                    Disk {
                        device: device.to_owned(),
                        kind: self.kind_of(device, &file),
                        file,
                        // IDE controllers are there without being declared.
                        present: present(device)
                            && (bus == "ide" || present(&format!("{bus}{controller}"))),
                        mode: self.get(&format!("{device}.mode")),
                    },
                ));
            }
        }
        disks.sort_by_key(|(slot, _)| *slot);
        disks.into_iter().map(|(_, disk)| disk).collect()
    }

    fn kind_of(&self, device: &str, file: &str) -> DeviceKind {
        let kind = self
            .get(&format!("{device}.deviceType"))
            .unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "scsi-harddisk" | "ata-harddisk" | "disk" => DeviceKind::HardDisk,
            "cdrom-image" => DeviceKind::CdromImage,
            "cdrom-raw" | "atapi-cdrom" => DeviceKind::CdromHost,
            "" if file.to_ascii_lowercase().ends_with(".vmdk") => DeviceKind::HardDisk,
            _ => DeviceKind::Other(kind),
        }
    }

    /// Descriptors of the disks that the VM sees.
    #[must_use]
    pub fn disk_files(&self) -> Vec<String> {
        self.hard_disks().map(|disk| disk.file).collect()
    }

    /// The virtual disks that the VM sees, by slot.
    pub fn hard_disks(&self) -> impl Iterator<Item = Disk> {
        let seen = |disk: &Disk| disk.present && disk.kind == DeviceKind::HardDisk;
        self.disks().into_iter().filter(seen)
    }

    /// What one of those disks from outside the folder of the `.vmx` is called where all lie beside it;
    /// `None` where that cannot be told, because another one bears the name too.
    #[must_use]
    pub fn beside(&self, disk: &str) -> Option<String> {
        let name = base_name(disk);
        let files = self.disk_files();
        let bear = files.iter().filter(|file| base_name(file) == name).count();
        (name != disk && bear == 1).then(|| name.to_owned())
    }

    /// Network adapters that the file mentions, by number.
    #[must_use]
    pub fn adapters(&self) -> Vec<Adapter> {
        let mut numbers: Vec<u32> = self
            .keys_under("ethernet")
            .filter_map(adapter_number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .map(|number| self.adapter(&format!("ethernet{number}")))
            .collect()
    }

    fn adapter(&self, name: &str) -> Adapter {
        let get = |key: &str| {
            self.get(&format!("{name}.{key}"))
                .filter(|value| !value.is_empty())
        };
        let address_type = get("addressType");
        let is_static = address_type
            .as_deref()
            .is_some_and(|t| t.eq_ignore_ascii_case("static"));
        Adapter {
            present: self.flag(&format!("{name}.present")) == Some(true),
            network_name: get("networkName"),
            address: if is_static {
                get("address")
            } else {
                get("generatedAddress")
            },
            address_type,
            virtual_dev: get("virtualDev"),
            switch_keys: switch_keys(self, name),
            start_connected: self.flag(&format!("{name}.startConnected")) != Some(false),
            name: name.to_owned(),
        }
    }
}

/// Keys of an adapter that name a distributed or opaque switch, in lower case.
fn switch_keys(vmx: &Vmx, adapter: &str) -> Vec<String> {
    ["dvs.", "opaquenetwork."]
        .iter()
        .flat_map(|kind| {
            let prefix = format!("{adapter}.{kind}");
            vmx.keys_under(&prefix)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `scsi0:10` on the bus `scsi` is controller 0, slot 10.
fn split_slot(device: &str, bus: &str) -> Option<(u32, u32)> {
    let (controller, slot) = device.strip_prefix(bus)?.split_once(':')?;
    Some((number(controller)?, number(slot)?))
}

/// The number in `ethernet0.present`.
fn adapter_number(key: &str) -> Option<u32> {
    number(key.strip_prefix("ethernet")?.split_once('.')?.0)
}

/// Digits alone, no sign, no leading zero: each device has one spelling.
fn number(text: &str) -> Option<u32> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
