//! Rules of a drill: whatever a VM would share with production is cut off, and what cannot be cut off
//! stands in the way.

use super::devices::DeviceKind;
use super::fit_files::{is_absolute, is_plugged};
use super::fit_host::{Apart, Draft, Severity};
use super::vmx::Vmx;

/// Keys, in lower case, that name a file or folder without ending in `.filename`.
const FILES: [&str; 6] = [
    "nvram",
    "extendedconfigfile",
    "workingdir",
    "sched.swap.dir",
    "suspend.directory",
    "checkpoint.vmstate",
];

/// Switches that open a way out of the VM which is no network adapter.
const DOORS: [(&str, &str); 2] = [
    (
        "RemoteDisplay.vnc.enabled",
        "its console would be reachable from the host's own network",
    ),
    (
        "vmci0.unrestricted",
        "it could talk to every other VM of its host past all networks",
    ),
];

impl Apart {
    /// Whether a path leads into the drill's own folder, or is a name beside the `.vmx`.
    #[must_use]
    pub fn is_own(&self, path: &str) -> bool {
        let mut parts = path.split(['/', '\\']);
        if parts.clone().any(|part| part == "..") {
            return false;
        }
        let is_name = !is_absolute(path) && !path.contains(['/', '\\']);
        is_name || parts.any(|part| part == self.folder)
    }
}

/// Every rule of this file.
pub(super) fn all(draft: &mut Draft<'_>, apart: &Apart) {
    let why = "it is seen from its name that it is a drill's";
    draft.set("displayName", &apart.name, Severity::Must, why);
    adapters(draft, apart);
    ports(draft, apart);
    drives(draft, apart);
    doors(draft);
    replication(draft);
    outside(draft, apart);
}

fn adapters(draft: &mut Draft<'_>, apart: &Apart) {
    for adapter in draft.vmx.adapters() {
        let (name, device) = (&adapter.name, adapter.virtual_dev.as_deref());
        if !adapter.present {
            continue;
        }
        if device.is_some_and(|device| device.eq_ignore_ascii_case("sriov")) {
            let why =
                format!("{name} is a part of a physical adapter, which leads out of the drill");
            draft.set(&format!("{name}.present"), "FALSE", Severity::Must, &why);
            continue;
        }
        let named = apart
            .groups
            .iter()
            .find(|(its, _)| its.eq_ignore_ascii_case(name));
        let group = named.map_or(&apart.spare, |(_, group)| group);
        let why = format!("{name} is joined to the drill's own network");
        draft.set(&format!("{name}.networkName"), group, Severity::Must, &why);
        for tie in &adapter.switch_keys {
            draft.remove(tie, Severity::Must, &why);
        }
        if named.is_none() {
            let why = format!(
                "{name} stands in no runbook: it is joined to the drill's network and starts unplugged"
            );
            draft.set(
                &format!("{name}.startConnected"),
                "FALSE",
                Severity::Must,
                &why,
            );
        }
    }
}

/// Serial and parallel ports lead to another machine, to a program or to a device of the host.
fn ports(draft: &mut Draft<'_>, apart: &Apart) {
    let kinds = ["serial", "parallel"].into_iter();
    for device in kinds.flat_map(|kind| (0..32).map(move |number| format!("{kind}{number}"))) {
        let vmx = draft.vmx;
        if vmx.flag(&format!("{device}.present")) != Some(true) {
            continue;
        }
        let kind = vmx.get(&format!("{device}.fileType")).unwrap_or_default();
        let file = vmx.get(&format!("{device}.fileName")).unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "thinprint" => {}
            "file" if apart.is_own(&file) => {}
            "file" => {
                let name = file.rsplit(['/', '\\']).next().unwrap_or(&file);
                let why =
                    format!("{device} writes to {file}; in a drill it writes beside the .vmx");
                draft.set(&format!("{device}.fileName"), name, Severity::Must, &why);
            }
            _ => {
                let why = format!("{device} leads out of the drill ({file})");
                draft.set(&format!("{device}.present"), "FALSE", Severity::Must, &why);
            }
        }
    }
}

/// Drives of the host, and buses that other VMs may share.
fn drives(draft: &mut Draft<'_>, apart: &Apart) {
    for drive in draft.vmx.disks() {
        let key = format!("{}.startConnected", drive.device);
        let is_host = drive.kind == DeviceKind::CdromHost && drive.file != "emptyBackingString";
        if drive.present
            && is_host
            && is_plugged(draft.vmx, &drive.device)
            && !draft.is_changed(&key)
        {
            let why = format!("{} is a drive of the host", drive.device);
            draft.set(&key, "FALSE", Severity::Must, &why);
        }
    }
    for device in ["floppy0", "floppy1"] {
        let Some(file) = draft.vmx.get(&format!("{device}.fileName")) else {
            continue;
        };
        let key = format!("{device}.startConnected");
        let kind = draft
            .vmx
            .get(&format!("{device}.fileType"))
            .unwrap_or_default();
        let is_own = kind.eq_ignore_ascii_case("file") && apart.is_own(&file);
        let present = draft.vmx.flag(&format!("{device}.present")) != Some(false);
        if present && !is_own && is_plugged(draft.vmx, device) && !draft.is_changed(&key) {
            let why = format!("{device} is a drive of the host");
            draft.set(&key, "FALSE", Severity::Must, &why);
        }
    }
    let vmx = draft.vmx;
    let is_shared = |key: &&str| {
        let value = vmx.get(key).unwrap_or_default();
        key.to_ascii_lowercase().ends_with(".sharedbus")
            && !value.is_empty()
            && !value.eq_ignore_ascii_case("none")
    };
    for key in vmx.keys().into_iter().filter(is_shared) {
        let bus = key.split('.').next().unwrap_or_default();
        let why = format!("{bus} may be shared with other VMs; in a drill it is the VM's own");
        draft.set(key, "none", Severity::Must, &why);
    }
}

fn doors(draft: &mut Draft<'_>) {
    for (key, why) in DOORS {
        if draft.vmx.flag(key) == Some(true) {
            draft.set(key, "FALSE", Severity::Must, why);
        }
    }
    for prefix in ["usb_xhci.autoconnect.", "ehci.autoconnect."] {
        let keys: Vec<String> = draft.vmx.keys_under(prefix).map(str::to_owned).collect();
        for key in keys {
            let why = "it names a USB device that is plugged into the other host";
            draft.remove(&key, Severity::Must, why);
        }
    }
}

/// A VM that is replicated by its host would send the drill's data over the real replica.
fn replication(draft: &mut Draft<'_>) {
    let why = "its host would replicate the drill's data to where production's goes";
    let is_it = |key: &&str| {
        let key = key.to_ascii_lowercase();
        key.starts_with("hbr_filter.") || key.contains(".hbr_filter.")
    };
    let vmx = draft.vmx;
    for key in vmx.keys().into_iter().filter(is_it) {
        draft.remove(key, Severity::Must, why);
    }
    let filters = |key: &&str| key.to_ascii_lowercase().ends_with(".filters");
    for key in vmx.keys().into_iter().filter(filters) {
        if vmx
            .get(key)
            .is_some_and(|value| value.contains("hbr_filter"))
        {
            draft.remove(key, Severity::Must, why);
        }
    }
}

/// Whatever else still leads out of the drill's folder is a person's to mend.
fn outside(draft: &mut Draft<'_>, apart: &Apart) {
    let vmx = draft.vmx;
    let unseen: Vec<String> = vmx
        .disks()
        .into_iter()
        .filter(|drive| !drive.present || is_unplugged_drive(vmx, &drive.device, &drive.kind))
        .map(|drive| drive.device)
        .collect();
    for key in vmx.keys() {
        let lower = key.to_ascii_lowercase();
        let Some(path) = vmx.get(key) else { continue };
        let device = lower.strip_suffix(".filename");
        if (device.is_none() && !FILES.contains(&lower.as_str()))
            || apart.is_own(&path)
            || draft.is_changed(key)
        {
            continue;
        }
        if let Some(device) = device {
            let is_off = vmx.flag(&format!("{device}.present")) == Some(false)
                || draft.is_changed(&format!("{device}.present"))
                || unseen.iter().any(|its| its == device)
                || (device.starts_with("floppy") && !is_plugged(vmx, device))
                || draft.is_changed(&format!("{device}.startConnected"));
            let is_disk = vmx.disk_files().contains(&path);
            // A disk has been judged where it lies; what it needs stands among the obstacles.
            if is_off || is_disk {
                continue;
            }
        }
        draft.obstacle(
            format!("{key} is {path}, outside the drill's folder"),
            "restore it into the VM's folder and name it there, or take that line out of the .vmx by hand; \
             then retry",
        );
    }
}

fn is_unplugged_drive(vmx: &Vmx, device: &str, kind: &DeviceKind) -> bool {
    *kind != DeviceKind::HardDisk && !is_plugged(vmx, device)
}
