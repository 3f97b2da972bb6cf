//! Every rule that makes a `.vmx` fit another host, and what no rule may do.

use proptest::prelude::*;

use crate::vmfiles::{
    Fitting, Severity, Surroundings, Vmx, diff, fit_to_host, path_on_host, plain_path,
};

/// A place that has nothing of the other site.
fn around() -> Surroundings {
    Surroundings {
        host: "lee-esx1".into(),
        folder: [
            "web01.vmx",
            "web01.vmdk",
            "web01_1.vmdk",
            "web01.nvram",
            "tools.iso",
        ]
        .map(str::to_owned)
        .into(),
        newest_hardware: Some(19),
        came: true,
        ..Surroundings::default()
    }
}

/// Makes it fit, checks what holds for every file, and gives what was found and the diff.
fn fitted(text: &str, around: &Surroundings) -> (Fitting, Vec<String>) {
    let vmx = Vmx::parse(text.as_bytes()).unwrap();
    let fitting = fit_to_host(&vmx, around);
    let new = fitting.apply(&vmx).unwrap();
    assert_eq!(
        fit_to_host(&new, around).fixes,
        [],
        "a second pass finds nothing"
    );
    let lines = diff(&vmx, &new).into_iter().map(|change| {
        let value =
            |value: Option<String>| value.map_or("-".to_owned(), |value| format!("{value:?}"));
        format!(
            "{} {} {}",
            change.key,
            value(change.before),
            value(change.after)
        )
    });
    let lines: Vec<String> = lines.collect();
    assert_eq!(lines.len(), fitting.fixes.len(), "{fitting:?}");
    (fitting, lines)
}

fn changes(text: &str) -> Vec<String> {
    let (fitting, lines) = fitted(text, &around());
    assert_eq!(fitting.obstacles, [], "{text}");
    lines
}

fn obstacle(text: &str, around: &Surroundings) -> String {
    let (fitting, lines) = fitted(text, around);
    assert_eq!(
        lines,
        [] as [&str; 0],
        "nothing is changed where a person has to look"
    );
    let [obstacle] = &fitting.obstacles[..] else {
        panic!("{fitting:?}")
    };
    assert!(!obstacle.next.is_empty());
    obstacle.what.clone()
}

const DISK: &str = "scsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.deviceType = \"scsi-hardDisk\"\n";

#[test]
fn a_file_that_fits_is_left_alone() {
    let text = format!(
        "{DISK}scsi0:0.fileName = \"web01.vmdk\"\nscsi0:0.ctkEnabled = \"TRUE\"\nvirtualHW.version = \"19\"\n\
         nvram = \"web01.nvram\"\nannotation = \"/vmfs/volumes/old is no path\"\nfloppy0.present = \"FALSE\"\n\
         floppy0.fileName = \"/dev/fd0\"\nvmotion.checkpointFBSize = \"4194304\"\nmigrate.encryptionMode = \"opportunistic\"\n\
         sata0.present = \"TRUE\"\nsata0:0.present = \"TRUE\"\nsata0:0.deviceType = \"cdrom-raw\"\nsata0:0.clientDevice = \"TRUE\"\n\
         sata0:0.fileName = \"emptyBackingString\"\nsata0:0.startConnected = \"FALSE\"\nide1:0.present = \"TRUE\"\n\
         ide1:0.deviceType = \"cdrom-image\"\nide1:0.fileName = \"tools.iso\"\nserial0.present = \"TRUE\"\n\
         serial0.fileType = \"network\"\nserial0.fileName = \"tcp://1.2.3.4:5\"\ncheckpoint.vmState = \"\"\n"
    );
    assert_eq!(changes(&text), [] as [&str; 0]);
}

#[test]
fn a_disk_is_found_beside_the_file_or_a_person_has_to_look() {
    let lost = "/vmfs/volumes/6345f1d2/web01/web01.vmdk";
    let text = format!("{DISK}scsi0:0.fileName = \"{lost}\"\n");
    assert_eq!(
        changes(&text),
        [format!("scsi0:0.fileName \"{lost}\" \"web01.vmdk\"")]
    );
    // The host has it: it stays where it is.
    let has = Surroundings {
        there: vec![lost.into()],
        ..around()
    };
    assert_eq!(fitted(&text, &has).1, [] as [&str; 0]);
    // One of that name is there by chance: what came with the VM's files is its disk.
    let brought = Surroundings {
        brought: vec!["web01.vmdk".into()],
        ..has
    };
    let came = [format!("scsi0:0.fileName \"{lost}\" \"web01.vmdk\"")];
    assert_eq!(fitted(&text, &brought).1, came);
    for gone in [
        "/vmfs/volumes/6345f1d2/web01/other.vmdk",
        "other.vmdk",
        "D:\\vm\\other.vmdk",
    ] {
        let text = format!("{DISK}scsi0:0.fileName = \"{gone}\"\n");
        assert!(obstacle(&text, &around()).contains(gone));
    }
    // On another datastore a disk often has the name of the first: never both slots on one disk.
    let twice = format!(
        "{DISK}scsi0:0.fileName = \"web01.vmdk\"\nscsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"{lost}\"\n"
    );
    assert!(obstacle(&twice, &around()).contains("scsi0:1"));
    let pointing = Surroundings {
        pointers: vec!["web01.vmdk".into()],
        ..around()
    };
    let text = format!("{DISK}scsi0:0.fileName = \"web01.vmdk\"\n");
    assert!(obstacle(&text, &pointing).contains("points to a device"));
}

#[test]
fn a_cd_or_floppy_that_is_not_there_starts_empty() {
    let drive = "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-image\"\n";
    let lost = "/vmfs/volumes/6345f1d2/iso/debian.iso";
    assert_eq!(
        changes(&format!("{drive}ide1:0.fileName = \"{lost}\"\n")),
        [
            "ide1:0.deviceType \"cdrom-image\" \"cdrom-raw\"".to_owned(),
            format!("ide1:0.fileName \"{lost}\" \"emptyBackingString\""),
            "ide1:0.startConnected - \"FALSE\"".into(),
            "ide1:0.clientDevice - \"TRUE\"".into(),
        ]
    );
    assert_eq!(
        changes(&format!(
            "{drive}ide1:0.fileName = \"/vmfs/volumes/6345f1d2/tools.iso\"\n"
        ))
        .len(),
        1,
        "it lies beside the .vmx"
    );
    // Plugged out, or left to the host to find: nobody asks for it.
    let out = format!("{drive}ide1:0.fileName = \"{lost}\"\nide1:0.startConnected = \"false\"\n");
    assert_eq!(changes(&out), [] as [&str; 0]);
    let raw = "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"atapi-cdrom\"\n";
    assert_eq!(
        changes(&format!("{raw}ide1:0.fileName = \"auto detect\"\n")),
        [] as [&str; 0]
    );
    let host = format!("{raw}ide1:0.fileName = \"/vmfs/devices/cdrom/mpx.vmhba0:C0:T4:L0\"\n");
    assert_eq!(changes(&host).len(), 4);
    let floppy =
        "floppy0.fileType = \"file\"\nfloppy0.fileName = \"/vmfs/volumes/6345f1d2/drivers.flp\"\n";
    assert_eq!(
        changes(floppy),
        [
            "floppy0.fileType \"file\" -",
            "floppy0.fileName \"/vmfs/volumes/6345f1d2/drivers.flp\" \"vmware-null-remote-floppy\"",
            "floppy0.startConnected - \"FALSE\"",
            "floppy0.clientDevice - \"TRUE\"",
        ]
    );
}

#[test]
fn devices_of_the_other_host_are_unplugged() {
    let text = "serial0.present = \"TRUE\"\nserial0.fileName = \"/dev/ttyS0\"\n\
        serial1.present = \"TRUE\"\nserial1.fileType = \"file\"\nserial1.fileName = \"/vmfs/volumes/6345f1d2/log/serial.txt\"\n\
        parallel0.present = \"TRUE\"\nparallel0.fileName = \"/dev/parport0\"\nparallel0.startConnected = \"FALSE\"\n\
        pciPassthru0.present = \"TRUE\"\nusb.autoConnect.device0 = \"path:1/1/7 autoclean:1\"\n\
        scsi1.present = \"TRUE\"\nscsi1:0.present = \"TRUE\"\nscsi1:0.deviceType = \"scsi-passthru\"\nscsi1:0.fileName = \"/vmfs/devices/genscsi/mpx.vmhba2\"\n";
    assert_eq!(
        changes(text),
        [
            "serial1.fileName \"/vmfs/volumes/6345f1d2/log/serial.txt\" \"serial.txt\"",
            "pciPassthru0.present \"TRUE\" \"FALSE\"",
            "usb.autoConnect.device0 \"path:1/1/7 autoclean:1\" -",
            "scsi1:0.present \"TRUE\" \"FALSE\"",
            "serial0.startConnected - \"FALSE\"",
        ]
    );
    // At home its devices are where they were; only what is really missing goes.
    let home = Surroundings {
        came: false,
        there: vec![
            "/dev/ttyS0".into(),
            "/vmfs/volumes/6345f1d2/log".into(),
            "/vmfs/devices/genscsi/mpx.vmhba2".into(),
        ],
        ..around()
    };
    assert_eq!(fitted(text, &home).1, [] as [&str; 0]);
}

#[test]
fn hardware_that_is_too_new_is_lowered_unless_a_device_needs_it() {
    assert_eq!(
        changes("virtualHW.version = \"21\"\nguestOS = \"debian12-64\"\n"),
        ["virtualHW.version \"21\" \"19\""]
    );
    let at = |newest| Surroundings {
        newest_hardware: newest,
        ..around()
    };
    assert_eq!(
        fitted("virtualHW.version = \"21\"\n", &at(None)).1,
        [] as [&str; 0]
    );
    for (text, newest, what) in [
        ("nvme0.present = \"TRUE\"\n", 11, "an NVMe controller"),
        ("sata0.present = \"TRUE\"\n", 9, "a SATA controller"),
        ("uefi.secureBoot.enabled = \"TRUE\"\n", 11, "secure boot"),
        ("numvcpus = \"256\"\n", 14, "256 processors (128 at most)"),
        (
            "memSize = \"7340032\"\n",
            17,
            "7168 GiB of memory (6128 at most)",
        ),
    ] {
        let text = format!("virtualHW.version = \"19\"\n{text}");
        assert!(obstacle(&text, &at(Some(newest))).contains(what), "{text}");
        assert_eq!(changes(&text), [] as [&str; 0]);
    }
}

#[test]
fn a_fixed_address_that_a_host_refuses_is_not_checked() {
    let adapter = |address: &str| {
        format!(
            "ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\nethernet0.address = \"{address}\"\n"
        )
    };
    for address in [
        "00:0c:29:1f:4a:ab",
        "00:50:56:80:01:02",
        "02:00:00:00:00:01",
    ] {
        let lines = changes(&adapter(address));
        assert_eq!(
            lines,
            ["ethernet0.checkMACAddress - \"FALSE\""],
            "{address}"
        );
    }
    for address in ["00:50:56:3f:ff:ff", "#MAC#"] {
        assert_eq!(changes(&adapter(address)), [] as [&str; 0], "{address}");
    }
    assert_eq!(
        changes(&adapter("00:0c:29:1f:4a:ab").replace("static", "generated")),
        [] as [&str; 0]
    );
}

#[test]
fn folders_and_files_of_a_host_are_its_own() {
    let text = "nvram = \"/vmfs/volumes/6345f1d2/web01/web01.nvram\"\nworkingDir = \"/vmfs/volumes/6345f1d2/snap\"\n\
        sched.swap.dir = \"/vmfs/volumes/ssd/swap\"\ncheckpoint.vmState = \"web01-ab12.vmss\"\n";
    assert_eq!(
        changes(text),
        [
            "nvram \"/vmfs/volumes/6345f1d2/web01/web01.nvram\" \"web01.nvram\"",
            "workingDir \"/vmfs/volumes/6345f1d2/snap\" -",
            "sched.swap.dir \"/vmfs/volumes/ssd/swap\" -",
            "checkpoint.vmState \"web01-ab12.vmss\" \"\"",
        ]
    );
}

#[test]
fn leftovers_come_last_and_mislead_only() {
    let text = "sched.swap.derivedName = \"/vmfs/volumes/6345f1d2/web01/web01-1.vswp\"\nmigrate.hostlog = \"./web01-1.hlog\"\nvirtualHW.version = \"21\"\n";
    let (fitting, _) = fitted(text, &around());
    let kinds: Vec<_> = fitting
        .fixes
        .iter()
        .map(|fix| (fix.change.key.as_str(), fix.severity))
        .collect();
    assert_eq!(
        kinds,
        [
            ("virtualHW.version", Severity::Must),
            ("sched.swap.derivedName", Severity::Should),
            ("migrate.hostlog", Severity::Should),
        ]
    );
}

#[test]
fn what_is_sealed_needs_a_person() {
    assert!(obstacle("encryption.keySafe = \"vmware:key\"\n", &around()).contains("encrypted"));
    assert!(obstacle("vtpm.present = \"TRUE\"\n", &around()).contains("virtual TPM"));
}

#[test]
fn what_lies_outside_the_folder_is_asked_for() {
    let vmx = Vmx::parse(
        b"scsi0:0.fileName = \"more/a.vmdk\"\nide1:0.fileName = \"ds:///vmfs/volumes/x/a.iso\"\nserial0.fileName = \"/vmfs/volumes/y/s.txt\"\nnvram = \"a.nvram\"\n",
    )
    .unwrap();
    let paths = vmx.outside_paths();
    assert_eq!(
        paths,
        [
            "/vmfs/volumes/y",
            "/vmfs/volumes/y/s.txt",
            "ds:///vmfs/volumes/x/a.iso",
            "more/a.vmdk"
        ]
    );
    let on_host: Vec<String> = paths.iter().map(|path| path_on_host(path, "/vm")).collect();
    assert_eq!(
        on_host,
        [
            "/vmfs/volumes/y",
            "/vmfs/volumes/y/s.txt",
            "/vmfs/volumes/x/a.iso",
            "/vm/more/a.vmdk"
        ]
    );
}

/// Lines that the rules look at, with and without a reason.
fn any_vmx() -> impl Strategy<Value = String> {
    let device = prop_oneof![
        Just("scsi0:0"),
        Just("scsi0:1"),
        Just("ide1:0"),
        Just("floppy0"),
        Just("serial0"),
        Just("ethernet0"),
        Just("pciPassthru0"),
        Just("scsi0"),
    ];
    let suffix = prop_oneof![
        Just("present"),
        Just("fileName"),
        Just("deviceType"),
        Just("startConnected"),
        Just("clientDevice"),
        Just("fileType"),
        Just("addressType"),
        Just("address"),
    ];
    let value = prop_oneof![
        Just("TRUE"),
        Just("FALSE"),
        Just("cdrom-image"),
        Just("scsi-hardDisk"),
        Just("static"),
        Just("web01.vmdk"),
        Just("/vmfs/volumes/old/web01.vmdk"),
        Just("/vmfs/volumes/old/a.iso"),
        Just("sub/web01.vmdk"),
        Just("file"),
        Just("00:0c:29:00:00:01"),
        Just("99"),
        Just(""),
    ];
    let single = prop_oneof![
        Just("virtualHW.version"),
        Just("nvram"),
        Just("workingDir"),
        Just("checkpoint.vmState"),
        Just("sched.swap.derivedName"),
        Just("annotation"),
        Just("migrate.hostLog"),
        Just("uuid.action"),
    ];
    let key = prop_oneof![
        (device, suffix).prop_map(|(d, s)| format!("{d}.{s}")),
        single.prop_map(str::to_owned)
    ];
    proptest::collection::btree_map(key, value, 1..24).prop_map(|lines| {
        let lines = lines
            .into_iter()
            .map(|(key, value)| format!("{key} = \"{value}\"\n"));
        std::iter::once("displayName = \"web01\"\n".to_owned())
            .chain(lines)
            .collect()
    })
}

proptest! {
    #[test]
    fn fitting_is_idempotent_and_touches_only_what_it_names(text in any_vmx(), came: bool, newest in prop::option::of(8_u32..30)) {
        let around = Surroundings { came, newest_hardware: newest, ..around() };
        let vmx = Vmx::parse(text.as_bytes()).unwrap();
        let fitting = fit_to_host(&vmx, &around);
        let new = fitting.apply(&vmx).unwrap();
        let again = fit_to_host(&new, &around);
        prop_assert_eq!(&again.fixes, &[], "a second pass finds nothing");
        prop_assert_eq!(&again.obstacles, &fitting.obstacles, "and no new trouble");
        prop_assert_eq!(Vmx::parse(&new.to_bytes()).unwrap(), new.clone());
        let changed: Vec<String> = diff(&vmx, &new).into_iter().map(|change| change.key.to_lowercase()).collect();
        for key in &changed {
            let fix = fitting.fixes.iter().find(|fix| fix.change.key.to_lowercase() == *key);
            prop_assert!(fix.is_some_and(|fix| !fix.why.is_empty()), "{}", key);
        }
        for line in text.lines() {
            let key = line.split(' ').next().unwrap_or_default().to_lowercase();
            prop_assert!(changed.contains(&key) || String::from_utf8(new.to_bytes()).unwrap().contains(line));
        }
        for disk in vmx.disk_files() {
            let name = disk.rsplit('/').next().unwrap_or_default().to_owned();
            prop_assert!(new.disk_files().iter().any(|its| its.ends_with(&name)), "a disk never goes");
        }
    }
}

#[test]
fn a_path_is_plain() {
    assert_eq!(plain_path("/a//b/./c/../d/"), "/a/b/d");
    assert_eq!(plain_path("/../a"), "/a");
}
