//! Rules about virtual hardware: its version, devices that stayed with the other host, addresses.

use super::fit_host::{Draft, Severity};
use super::vmx::Vmx;

/// Every rule of this file.
pub(super) fn all(draft: &mut Draft<'_>) {
    version(draft);
    sealed(draft);
    devices(draft);
    addresses(draft);
}

/// A device or setting that older virtual hardware does not know.
struct Need {
    since: u32,
    what: &'static str,
    is_there: fn(&Vmx) -> bool,
}

/// From "Hardware features available with virtual machine compatibility settings" of vSphere 5.5 to
/// 8.0; the oldest host that is spoken to (5.0) runs version 8.
const NEEDS: [Need; 6] = [
    Need {
        since: 10,
        what: "a SATA controller",
        is_there: |vmx| has_controller(vmx, "sata"),
    },
    Need {
        since: 13,
        what: "an NVMe controller",
        is_there: |vmx| has_controller(vmx, "nvme"),
    },
    Need {
        since: 13,
        what: "secure boot",
        is_there: |vmx| vmx.flag("uefi.secureBoot.enabled") == Some(true),
    },
    Need {
        since: 14,
        what: "a virtual IOMMU",
        is_there: |vmx| vmx.flag("vvtd.enable") == Some(true),
    },
    Need {
        since: 14,
        what: "virtualization-based security",
        is_there: |vmx| vmx.flag("windows.vbs.enabled") == Some(true),
    },
    Need {
        since: 14,
        what: "persistent memory",
        is_there: |vmx| vmx.flag("nvdimm0.present") == Some(true),
    },
];

/// Processors and GiB of memory that a version can have, from the same tables: from this version on.
const LIMITS: [(u32, u64, u64); 7] = [
    (18, 768, 24560),
    (15, 256, 6128),
    (13, 128, 6128),
    (11, 128, 4080),
    (9, 64, 1011),
    (8, 32, 1011),
    (7, 8, 255),
];

fn has_controller(vmx: &Vmx, bus: &str) -> bool {
    (0..4).any(|number| vmx.flag(&format!("{bus}{number}.present")) == Some(true))
}

/// A host enters a VM with hardware newer than its own as an invalid one (a backup from 6.7 on a 6.5
/// host: github.com/lamw/ghettoVCB issue 154, mended by lowering the version).
fn version(draft: &mut Draft<'_>) {
    let (Some(has), Some(newest)) = (draft.vmx.hardware_version(), draft.around.newest_hardware)
    else {
        return;
    };
    if has <= newest {
        return;
    }
    let host = &draft.around.host;
    let needs = needs(draft.vmx, newest);
    if !needs.is_empty() {
        let what = format!(
            "its virtual hardware is version {has}, {host} runs up to {newest}, and it has what that version does not know: {}",
            needs.join(", ")
        );
        let next = "recover it on a newer host (correct the runbook), or take that device out of the .vmx by \
                    hand if the guest can do without; then retry";
        return draft.obstacle(what, next);
    }
    let guest = draft.vmx.get("guestOS").map_or_else(String::new, |guest| {
        format!(", and if {host} does not know the guest type {guest} it takes it for some other")
    });
    let why = format!(
        "{host} runs virtual hardware up to version {newest} and would enter this VM as invalid; the guest \
         sees the older hardware{guest}"
    );
    let key = "virtualHW.version";
    draft.set(key, &newest.to_string(), Severity::Must, &why);
}

/// What the VM has that virtual hardware of this version does not know.
fn needs(vmx: &Vmx, version: u32) -> Vec<String> {
    let number = |key: &str| vmx.get(key)?.trim().parse::<u64>().ok();
    let missing = NEEDS
        .iter()
        .filter(|need| need.since > version && (need.is_there)(vmx));
    let mut needs: Vec<String> = missing.map(|need| need.what.to_owned()).collect();
    let limits = LIMITS.iter().find(|(since, ..)| *since <= version);
    if let Some((_, most_cpus, most_gib)) = limits {
        let cpus = number("numvcpus").unwrap_or(1);
        if cpus > *most_cpus {
            needs.push(format!("{cpus} processors ({most_cpus} at most)"));
        }
        let gib = number("memSize").unwrap_or(0) / 1024;
        if gib > *most_gib {
            needs.push(format!("{gib} GiB of memory ({most_gib} at most)"));
        }
    }
    needs
}

/// A TPM's content is sealed with a key of the site that it came from.
fn sealed(draft: &mut Draft<'_>) {
    if draft.around.came && draft.vmx.flag("vtpm.present") == Some(true) {
        draft.obstacle(
            "it has a virtual TPM, which opens only with the key provider of the site that it came from".into(),
            "give that host the same key provider, register and start the VM in the host's own client, and \
             mark the step as done by hand; or take the TPM out of the .vmx by hand if the guest can do \
             without (a guest that seals its disks needs its recovery key), then retry",
        );
    }
}

/// Devices of the host that it came from.
fn devices(draft: &mut Draft<'_>) {
    if !draft.around.came {
        return;
    }
    for number in 0..16 {
        let key = format!("pciPassthru{number}.present");
        if draft.vmx.flag(&key) == Some(true) {
            let why = format!(
                "pciPassthru{number} is a card of the other host, and without it the VM would not start; a \
                 like one of {} can be added in that host's client",
                draft.around.host
            );
            draft.set(&key, "FALSE", Severity::Must, &why);
        }
    }
    let prefix = "usb.autoconnect.device";
    let keys: Vec<String> = draft.vmx.keys_under(prefix).map(str::to_owned).collect();
    for key in keys {
        let why = "it names a USB device that is plugged into the other host";
        draft.remove(&key, Severity::Should, why);
    }
}

/// A host refuses to start a VM with a static address outside the range for those: `… is not an
/// allowed static Ethernet address. It conflicts with VMware reserved MACs`.
fn addresses(draft: &mut Draft<'_>) {
    for adapter in draft.vmx.adapters() {
        let is_static = adapter
            .address_type
            .is_some_and(|kind| kind.eq_ignore_ascii_case("static"));
        let key = format!("{}.checkMACAddress", adapter.name);
        let Some(address) = adapter.address.filter(|_| is_static && adapter.present) else {
            continue;
        };
        if !is_outside(&address) || draft.vmx.flag(&key) == Some(false) {
            continue;
        }
        let why = format!(
            "{} has the fixed address {address}; a host starts a VM with an address outside \
             00:50:56:00:00:00 to 00:50:56:3f:ff:ff only where this check is off",
            adapter.name
        );
        draft.set(&key, "FALSE", Severity::Must, &why);
    }
}

/// Whether it is an address, and not one that may be given by hand.
fn is_outside(address: &str) -> bool {
    let bytes: Option<Vec<u8>> = address
        .split([':', '-'])
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    match bytes.as_deref() {
        Some([0x00, 0x50, 0x56, fourth, _, _]) => *fourth > 0x3f,
        Some([_, _, _, _, _, _]) => true,
        _ => false,
    }
}
