//! What a drill cuts off, and that nothing is forgotten.

use proptest::prelude::*;

use super::corpus::corpus;
use crate::vmfiles::{Apart, Fitting, Surroundings, Vmx, fit_to_host};

const FOLDER: &str = "drill-20260102-030405-k7qd-web01";

fn apart() -> Apart {
    Apart {
        name: FOLDER.into(),
        folder: FOLDER.into(),
        groups: vec![("ethernet0".into(), "lifeboat-drill".into())],
        spare: "lifeboat-spare".into(),
    }
}

fn around(folder: &[&str]) -> Surroundings {
    Surroundings {
        host: "a drill on lee-esx1".into(),
        folder: folder.iter().map(|name| (*name).to_owned()).collect(),
        came: true,
        apart: Some(apart()),
        ..Surroundings::default()
    }
}

fn set_apart(text: &str, folder: &[&str]) -> (Vmx, Fitting) {
    let vmx = Vmx::parse(text.as_bytes()).unwrap();
    let fitting = fit_to_host(&vmx, &around(folder));
    let new = fitting.apply(&vmx).unwrap();
    assert_eq!(
        fit_to_host(&new, &around(folder)).fixes,
        [],
        "a second pass finds nothing: {text}"
    );
    (new, fitting)
}

/// Why nobody may start this file in a drill; `None` where everything has been cut off.
fn leak(vmx: &Vmx) -> Option<String> {
    for adapter in vmx.adapters().into_iter().filter(|adapter| adapter.present) {
        let group = adapter.network_name.unwrap_or_default();
        if !group.starts_with("lifeboat-") || !adapter.switch_keys.is_empty() {
            return Some(format!("{} is joined to {group:?}", adapter.name));
        }
    }
    for disk in vmx.disks().into_iter().filter(|disk| disk.present) {
        let unplugged = vmx.flag(&format!("{}.startConnected", disk.device)) == Some(false)
            || vmx.flag(&format!("{}.clientDevice", disk.device)) == Some(true);
        if !apart().is_own(&disk.file) && !unplugged {
            return Some(format!("{} is {}", disk.device, disk.file));
        }
    }
    for key in vmx.keys() {
        let lower = key.to_ascii_lowercase();
        let value = vmx.get(key).unwrap_or_default();
        let is_port = lower.starts_with("serial") || lower.starts_with("parallel");
        if is_port && lower.ends_with(".filetype") {
            let device = lower.trim_end_matches(".filetype");
            let on = vmx.flag(&format!("{device}.present")) == Some(true);
            if on && !["file", "thinprint"].contains(&value.to_ascii_lowercase().as_str()) {
                return Some(format!("{device} is a {value}"));
            }
        }
        if lower.contains("hbr_filter")
            || (lower.ends_with("sharedbus") && !value.eq_ignore_ascii_case("none"))
        {
            return Some(format!("{key} = {value}"));
        }
    }
    None
}

#[test]
fn whatever_would_share_something_with_production_is_cut_off() {
    for (text, expected) in [
        (
            "displayName = \"web01\"\n",
            "displayName = drill-20260102-030405-k7qd-web01",
        ),
        (
            "ethernet0.present = \"TRUE\"\nethernet0.networkName = \"VM Network\"\n",
            "ethernet0.networkName = lifeboat-drill",
        ),
        (
            "ethernet0.present = \"TRUE\"\n",
            "ethernet0.networkName = lifeboat-drill",
        ),
        (
            "ethernet1.present = \"TRUE\"\nethernet1.networkName = \"DMZ\"\n",
            "ethernet1.networkName = lifeboat-spare",
        ),
        (
            "ethernet1.present = \"TRUE\"\nethernet1.networkName = \"DMZ\"\n",
            "ethernet1.startConnected = FALSE",
        ),
        (
            "ethernet2.present = \"TRUE\"\nethernet2.dvs.switchId = \"50 03\"\n",
            "ethernet2.networkName = lifeboat-spare",
        ),
        (
            "ethernet0.present = \"TRUE\"\nethernet0.virtualDev = \"sriov\"\n",
            "ethernet0.present = FALSE",
        ),
        (
            "serial0.present = \"TRUE\"\nserial0.fileType = \"network\"\nserial0.fileName = \"tcp://192.0.2.17:42001\"\n",
            "serial0.present = FALSE",
        ),
        (
            "serial1.present = \"TRUE\"\nserial1.fileType = \"pipe\"\nserial1.fileName = \"socket.serial1\"\n",
            "serial1.present = FALSE",
        ),
        (
            "serial0.present = \"TRUE\"\nserial0.fileType = \"file\"\nserial0.fileName = \"../log.txt\"\n",
            "serial0.fileName = log.txt",
        ),
        (
            "parallel0.present = \"TRUE\"\nparallel0.fileType = \"device\"\nparallel0.fileName = \"/dev/parport0\"\n",
            "parallel0.present = FALSE",
        ),
        (
            "floppy0.present = \"TRUE\"\nfloppy0.fileType = \"file\"\nfloppy0.fileName = \"/vmfs/volumes/iso/boot.flp\"\n",
            "floppy0.startConnected = FALSE",
        ),
        (
            "floppy0.present = \"TRUE\"\nfloppy0.fileName = \"A:\"\n",
            "floppy0.startConnected = FALSE",
        ),
        (
            "sata0.present = \"TRUE\"\nsata0:0.present = \"TRUE\"\nsata0:0.deviceType = \"cdrom-image\"\nsata0:0.fileName = \"/vmfs/volumes/iso/tools.iso\"\n",
            "sata0:0.startConnected = FALSE",
        ),
        (
            "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"atapi-cdrom\"\nide1:0.fileName = \"auto detect\"\n",
            "ide1:0.startConnected = FALSE",
        ),
        ("scsi0.sharedBus = \"physical\"\n", "scsi0.sharedBus = none"),
        (
            "RemoteDisplay.vnc.enabled = \"TRUE\"\n",
            "RemoteDisplay.vnc.enabled = FALSE",
        ),
        (
            "vmci0.unrestricted = \"TRUE\"\n",
            "vmci0.unrestricted = FALSE",
        ),
        (
            "pciPassthru0.present = \"TRUE\"\n",
            "pciPassthru0.present = FALSE",
        ),
        (
            "workingDir = \"/vmfs/volumes/local1/web01\"\n",
            "workingDir =",
        ),
        (
            "nvram = \"/vmfs/volumes/local1/web01/web01.nvram\"\n",
            "nvram = web01.nvram",
        ),
        (
            "hbr_filter.destination = \"192.0.2.9\"\n",
            "hbr_filter.destination =",
        ),
        ("scsi0:0.filters = \"hbr_filter\"\n", "scsi0:0.filters ="),
        (
            "scsi0:0.hbr_filter.rdid = \"RDID-1\"\n",
            "scsi0:0.hbr_filter.rdid =",
        ),
    ] {
        let (new, fitting) = set_apart(text, &["web01.vmx", "web01.nvram"]);
        let (key, value) = expected.split_once(" =").unwrap();
        assert_eq!(
            new.get(key).unwrap_or_default(),
            value.trim(),
            "{text}{fitting:?}"
        );
        assert_eq!((fitting.obstacles.len(), leak(&new)), (0, None), "{text}");
    }
}

#[test]
fn a_disk_of_another_place_is_the_one_beside_it_or_stands_in_the_way() {
    let disk = |file: &str| {
        format!(
            "scsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"{file}\"\n"
        )
    };
    let shared = "/vmfs/volumes/san1/web01/web01.vmdk";
    let (new, _) = set_apart(&disk(shared), &["web01.vmdk"]);
    assert_eq!(new.get("scsi0:0.fileName").as_deref(), Some("web01.vmdk"));
    for foreign in [
        shared,
        "../web01/web01.vmdk",
        "/vmfs/devices/disks/naa.6000",
    ] {
        let (_, fitting) = set_apart(&disk(foreign), &["web01.vmx"]);
        assert_eq!(fitting.obstacles.len(), 1, "{foreign}: {fitting:?}");
    }
    // As a host writes it once the VM ran: its own folder under whatever name the volume has.
    let own = format!("/vmfs/volumes/5cc5b591-875b0190-c587-001871eaca38/{FOLDER}/web01.vmdk");
    let mut here = around(&["web01.vmdk"]);
    here.there = vec![own.clone()];
    let vmx = Vmx::parse(disk(&own).as_bytes()).unwrap();
    assert_eq!(fit_to_host(&vmx, &here).fixes.len(), 1, "its name alone");
}

#[test]
fn what_no_rule_knows_is_left_to_a_person() {
    let (_, fitting) = set_apart(
        "nvdimm0:0.fileName = \"/vmfs/volumes/pmem/web01.nvdimm\"\n",
        &[],
    );
    assert!(
        fitting.obstacles[0]
            .what
            .contains("outside the drill's folder"),
        "{fitting:?}"
    );
}

#[test]
fn no_real_vmx_keeps_a_way_out_unless_it_is_stopped() {
    let mut stopped = 0;
    for (name, bytes) in corpus("vmx") {
        let vmx = Vmx::parse(&bytes).unwrap_or_else(|why| panic!("{name}: {why}"));
        if !vmx.duplicates().is_empty() {
            continue;
        }
        let disks = vmx.disk_files();
        let beside: Vec<&str> = disks
            .iter()
            .filter_map(|disk| disk.rsplit('/').next())
            .collect();
        let fitting = fit_to_host(&vmx, &around(&beside));
        if !fitting.obstacles.is_empty() {
            stopped += 1;
            continue;
        }
        let new = fitting
            .apply(&vmx)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(leak(&new), None, "{name}");
        assert_eq!(fit_to_host(&new, &around(&beside)).fixes, [], "{name}");
        assert_eq!(
            new.disk_files().len(),
            disks.len(),
            "{name}: no disk is taken away"
        );
    }
    assert!(stopped < 40, "{stopped} files are stopped");
}

fn line() -> impl Strategy<Value = String> {
    let device = prop_oneof![
        Just("ethernet0"),
        Just("ethernet1"),
        Just("serial0"),
        Just("parallel0"),
        Just("floppy0"),
        Just("scsi0"),
        Just("scsi0:0"),
        Just("sata0"),
        Just("sata0:0"),
        Just("ide1:0"),
    ];
    let suffix = prop_oneof![
        Just("present"),
        Just("fileName"),
        Just("fileType"),
        Just("deviceType"),
        Just("startConnected"),
        Just("networkName"),
        Just("dvs.portId"),
        Just("sharedBus"),
        Just("hbr_filter.rdid"),
        Just("clientDevice"),
    ];
    let value = prop_oneof![
        Just("TRUE"),
        Just("FALSE"),
        Just("file"),
        Just("pipe"),
        Just("network"),
        Just("cdrom-image"),
        Just("cdrom-raw"),
        Just("scsi-hardDisk"),
        Just("web01.vmdk"),
        Just("/vmfs/volumes/san1/web01/web01.vmdk"),
        Just("../x"),
        Just("VM Network"),
        Just("virtual"),
        Just("auto detect"),
        Just("/dev/cdrom"),
    ];
    (device, suffix, value)
        .prop_map(|(device, suffix, value)| format!("{device}.{suffix} = \"{value}\"\n"))
}

proptest! {
    #[test]
    fn nothing_leaks_whatever_the_file_says(lines in prop::collection::btree_map("[a-z]{4}", line(), 1..14), beside: bool) {
        let text: String = lines.into_values().collect();
        let vmx = Vmx::parse(text.as_bytes()).unwrap();
        prop_assume!(vmx.duplicates().is_empty());
        let folder: &[&str] = if beside { &["web01.vmdk"] } else { &[] };
        let (new, fitting) = set_apart(&text, folder);
        if fitting.obstacles.is_empty() {
            prop_assert_eq!(leak(&new), None);
        }
    }
}
