//! `.vmx` and `.vmsd`: reading, editing, fitting.

use crate::runbook::model::{Identity, MacPolicy};
use crate::vmfiles::{
    AdapterFit, Change, DeviceKind, FitError, MAX_TEXT, Vmsd, Vmx, VmxError, diff, fit_adapters,
    fit_identity,
};

/// A host's file with most of the oddities in one place.
const ODD: &str = concat!(
    "#!/usr/bin/vmware\r\n",
    ".encoding = \"UTF-8\"\r\n",
    "\r\n",
    "DisplayName = \"Orders |22live|22 |7C 1\"   # the boss's own\r\n",
    "memsize=4096\r\n",
    "numvcpus= \"2\"\r\n",
    "guestOS   =  other-64 # unquoted\r\n",
    ";ignored = \"1\"\r\n",
    "# ignored.too = \"1\"\r\n",
    "free text {% if x %}\r\n",
    "annotation = \"one|0Atwo\"\r\n",
    "broken = \"never closes\r\n",
    "empty = \"\"\r\n",
    "last = \"no line end\"",
);

fn vmx(text: &str) -> Vmx {
    Vmx::parse(text.as_bytes()).unwrap()
}

fn text(vmx: &Vmx) -> String {
    String::from_utf8(vmx.to_bytes()).unwrap()
}

#[test]
fn lines_that_end_as_on_an_old_mac_are_not_passed_over() {
    let lone = |text: &str| Vmx::parse(text.as_bytes()).unwrap_err();
    let mac = "displayName = \"a\"\ruuid.bios = \"56 4d\"\rethernet0.present = \"TRUE\"\r";
    assert_eq!(lone(mac), VmxError::LoneReturn { line: 1 });
    let mixed = "displayName = \"a\"\r\nmemSize = \"4\"\rnumvcpus = \"2\"\n";
    assert_eq!(lone(mixed), VmxError::LoneReturn { line: 2 });
    let said = lone(mac).to_string();
    assert!(said.contains("tr '\\r' '\\n'"), "{said}");
    // What a line end is made of twice is still one.
    let twice = vmx("a = \"1\"\r\r\n\r\nb = \"2\"\r\r\n");
    assert_eq!(twice.get("b").as_deref(), Some("2"));
}

#[test]
fn lines_that_a_host_refuses_are_counted_from_1() {
    assert_eq!(vmx(ODD).odd_lines(), [8, 10]);
    assert!(
        vmx("#!/usr/bin/vmware\n\n  # a note\nmemsize=4096\n")
            .odd_lines()
            .is_empty()
    );
}

#[test]
fn every_odd_line_is_read_and_kept() {
    let vmx = vmx(ODD);
    assert_eq!(text(&vmx), ODD);
    for (key, value) in [
        ("displayname", Some("Orders \"live\" | 1")),
        ("MEMSIZE", Some("4096")),
        ("numvcpus", Some("2")),
        ("guestOS", Some("other-64")),
        ("annotation", Some("one\ntwo")),
        ("broken", Some("never closes")),
        ("empty", Some("")),
        ("last", Some("no line end")),
        ("ignored", None),
        ("ignored.too", None),
        ("", None),
    ] {
        assert_eq!(vmx.get(key).as_deref(), value, "{key}");
    }
    assert_eq!(vmx.duplicates(), []);
}

#[test]
fn an_edit_touches_its_own_line_alone() {
    let mut edited = vmx(ODD);
    assert_eq!(edited.set("displayname", "Kopie #2"), Ok(true));
    assert_eq!(
        text(&edited),
        ODD.replace("\"Orders |22live|22 |7C 1\"", "\"Kopie |232\""),
        "key, blanks and comment stay"
    );
    for (key, old, new) in [
        ("memsize", "memsize=4096", "memsize=\"8192\""),
        ("guestOS", "  other-64 # unquoted", "  \"8192\" # unquoted"),
        ("broken", "\"never closes", "\"8192\""),
        ("last", "\"no line end\"", "\"8192\""),
        ("empty", "empty = \"\"", "empty = \"8192\""),
    ] {
        let mut edited = vmx(ODD);
        assert_eq!(edited.set(key, "8192"), Ok(true), "{key}");
        assert_eq!(text(&edited), ODD.replace(old, new), "{key}");
        assert_eq!(edited.get(key).as_deref(), Some("8192"));
    }
}

#[test]
fn what_is_there_already_is_not_rewritten() {
    let mut edited = vmx(ODD);
    assert_eq!(
        edited.set("MEMSIZE", "4096"),
        Ok(false),
        "an unquoted value stays unquoted"
    );
    assert_eq!(edited.set("annotation", "one\ntwo"), Ok(false));
    assert!(!edited.remove("absent"));
    assert_eq!(text(&edited), ODD);
}

#[test]
fn a_new_key_goes_behind_its_kin_and_spares_an_open_last_line() {
    let mut edited = vmx("ethernet0.present = \"TRUE\"\na = \"1\"\nb = \"2\"");
    edited.set("ethernet0.networkName", "VM Network").unwrap();
    edited.set("uuid.action", "keep").unwrap();
    assert_eq!(
        text(&edited),
        "ethernet0.present = \"TRUE\"\nethernet0.networkName = \"VM Network\"\na = \"1\"\n\
         uuid.action = \"keep\"\nb = \"2\""
    );
}

#[test]
fn removal_takes_the_whole_line_and_every_duplicate() {
    let mut edited = vmx("a = \"1\"\nB = \"2\"\nb = \"3\"\nc = \"4\"\n");
    assert_eq!(edited.duplicates(), [("b".to_owned(), vec![2, 3])]);
    let refused = edited.set("b", "5").unwrap_err();
    assert_eq!(refused.to_string(), "`b` is set on lines 2, 3");
    assert!(edited.remove("b"));
    assert_eq!(text(&edited), "a = \"1\"\nc = \"4\"\n");
}

#[test]
fn values_are_written_in_the_files_own_encoding() {
    let source = b".encoding = \"windows-1252\"\nx = \"caf\xe9\"\ny = \"\xd0\xbf\"\n";
    let mut edited = Vmx::parse(source).unwrap();
    assert_eq!(edited.get("x").as_deref(), Some("café"));
    assert_eq!(edited.set("z", "naïve"), Ok(true));
    assert!(edited.to_bytes().ends_with(b"z = \"na\xefve\"\n"));
    assert!(
        edited.to_bytes().starts_with(source),
        "what contradicts the encoding is kept"
    );
    let refused = edited.set("x", "日本").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`日本` for `x` cannot be written in the file's encoding, windows-1252"
    );
    let unknown = Vmx::parse(b".encoding = \"klingon\"\nx = \"1\"\n").unwrap();
    assert!(unknown.clone().set("x", "2").is_ok(), "ASCII fits anywhere");
    assert!(unknown.clone().set("x", "ü").is_err());
}

#[test]
fn what_is_no_vmx_is_named() {
    let big = vec![b'a'; MAX_TEXT + 1];
    assert_eq!(
        Vmx::parse(&big),
        Err(VmxError::TooLarge {
            bytes: MAX_TEXT + 1
        })
    );
    assert_eq!(
        Vmx::parse(b"a = \"1\"\n\x7fELF\0"),
        Err(VmxError::Binary { line: 2 })
    );
    assert_eq!(Vmx::parse(b""), Err(VmxError::NoEntries));
    assert_eq!(Vmx::parse(b"<html>\nhello\n"), Err(VmxError::NoEntries));
    for key in ["", "a b", "a=b", "a\"", "#a", ";a", "a\n", "ä"] {
        assert_eq!(
            vmx(ODD).set(key, "1"),
            Err(VmxError::BadKey(key.to_owned())),
            "{key:?}"
        );
    }
}

#[test]
fn a_change_is_shown_key_by_key() {
    let old = vmx("a = \"1\"\nb = \"2\"\nc = \"3\"\n");
    let mut new = old.clone();
    new.set("B", "two").unwrap();
    new.remove("c");
    new.set("d", "4").unwrap();
    let change = |key: &str, before: Option<&str>, after: Option<&str>| Change {
        key: key.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    assert_eq!(
        diff(&old, &new),
        [
            change("b", Some("2"), Some("two")),
            change("c", Some("3"), None),
            change("d", None, Some("4"))
        ]
    );
    assert_eq!(
        diff(&old, &vmx("# new comment\nc = \"3\"\nB=2\na = \"1\"\n")),
        []
    );
}

const HOST: &str = r#".encoding = "UTF-8"
virtualHW.version = "17"
displayName = "web01"
nvram = "web01.nvram"
extendedConfigFile = "web01.vmxf"
uuid.bios = "56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b"
scsi0.present = "TRUE"
scsi0:10.present = "TRUE"
scsi0:10.fileName = "web01_1.vmdk"
scsi0:2.deviceType = "scsi-hardDisk"
scsi0:2.present = "TRUE"
scsi0:2.fileName = "/vmfs/volumes/6345f1d2-aa11bb22-0c0c-001122334455/web01/web01.vmdk"
scsi1:0.present = "TRUE"
scsi1:0.fileName = "unplugged-controller.vmdk"
ide1:0.deviceType = "cdrom-image"
ide1:0.fileName = "/vmfs/volumes/iso/boot.iso"
ide1:0.present = "TRUE"
sata0:0.deviceType = "atapi-cdrom"
sata0:0.fileName = "auto detect"
sata0:0.present = "FALSE"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.addressType = "vpx"
ethernet0.generatedAddress = "00:50:56:9b:01:02"
ethernet0.dvs.switchId = "50 1b"
ethernet0.dvs.portgroupId = "dvportgroup-12"
ethernet0.dvs.portId = "7"
ethernet0.dvs.connectionId = "99"
Ethernet1.present = "TRUE"
Ethernet1.networkName = "Backup"
Ethernet1.startConnected = "FALSE"
Ethernet1.addressType = "static"
Ethernet1.address = "00:50:56:01:02:03"
ethernet10.present = "FALSE"
msg.autoAnswer = "TRUE"
sched.swap.derivedName = "/vmfs/volumes/6345f1d2-aa11bb22-0c0c-001122334455/web01/web01.vswp"
"#;

#[test]
fn devices_are_read_as_the_vm_sees_them() {
    let vmx = vmx(HOST);
    let disks = vmx.disks();
    let seen: Vec<_> = disks
        .iter()
        .map(|d| (d.device.as_str(), &d.kind, d.present))
        .collect();
    assert_eq!(
        seen,
        [
            ("ide1:0", &DeviceKind::CdromImage, true),
            ("sata0:0", &DeviceKind::CdromHost, false),
            ("scsi0:2", &DeviceKind::HardDisk, true),
            ("scsi0:10", &DeviceKind::HardDisk, true),
            ("scsi1:0", &DeviceKind::HardDisk, false),
        ]
    );
    assert_eq!(vmx.disk_files().len(), 2);
    let adapters = vmx.adapters();
    let names: Vec<_> = adapters
        .iter()
        .map(|a| (a.name.as_str(), a.present))
        .collect();
    assert_eq!(
        names,
        [
            ("ethernet0", true),
            ("ethernet1", true),
            ("ethernet10", false)
        ]
    );
    assert_eq!(adapters[0].address.as_deref(), Some("00:50:56:9b:01:02"));
    assert_eq!(adapters[0].switch_keys.len(), 4);
    assert!(adapters[0].start_connected);
    assert_eq!(adapters[1].address.as_deref(), Some("00:50:56:01:02:03"));
    assert!(!adapters[1].start_connected);
    assert_eq!(vmx.hardware_version(), Some(17));
    assert_eq!(vmx.nvram().as_deref(), Some("web01.nvram"));
    assert_eq!(vmx.extended_config().as_deref(), Some("web01.vmxf"));
    assert_eq!(
        vmx.uuid_bios().as_deref(),
        Some("56 4d 6c 27 96 ea 12 07-6f 0b b1 1d 81 46 9b 0b")
    );
    let paths: Vec<String> = vmx
        .absolute_paths()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        paths,
        [
            "scsi0:2.fileName",
            "ide1:0.fileName",
            "sched.swap.derivedName"
        ]
    );
}

fn fit(adapter: &str, portgroup: &str, mac: MacPolicy, start_connected: bool) -> AdapterFit {
    AdapterFit {
        adapter: adapter.into(),
        portgroup: portgroup.into(),
        mac,
        start_connected,
    }
}

#[test]
fn adapters_are_made_to_fit_and_nothing_else_changes() {
    let old = vmx(HOST);
    let mut new = old.clone();
    let done = fit_adapters(
        &mut new,
        &[fit("ethernet0", "VM Network", MacPolicy::Keep, false)],
    );
    assert_eq!(done.unwrap().unnamed, ["ethernet1"]);
    let changed: Vec<_> = diff(&old, &new)
        .into_iter()
        .map(|c| (c.key, c.after))
        .collect();
    let gone = |key: &str| (key.to_owned(), None);
    let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    assert_eq!(
        changed,
        [
            gone("ethernet0.dvs.switchId"),
            gone("ethernet0.dvs.portgroupId"),
            gone("ethernet0.dvs.portId"),
            gone("ethernet0.dvs.connectionId"),
            gone("msg.autoAnswer"),
            set("ethernet0.networkName", "VM Network"),
            set("ethernet0.startConnected", "FALSE"),
        ]
    );
    let again = new.clone();
    fit_adapters(
        &mut new,
        &[fit("ethernet0", "VM Network", MacPolicy::Keep, false)],
    )
    .unwrap();
    assert_eq!(new, again, "doing it twice is doing it once");
}

#[test]
fn a_new_mac_leaves_no_trace_of_the_old_one() {
    let mut new = vmx(HOST);
    fit_adapters(
        &mut new,
        &[fit("Ethernet1", "Drill", MacPolicy::Generate, true)],
    )
    .unwrap();
    let adapter = new.adapters().remove(1);
    assert_eq!(adapter.address_type.as_deref(), Some("generated"));
    assert_eq!((adapter.address, adapter.start_connected), (None, true));
    assert!(text(&new).contains("Ethernet1.networkName = \"Drill\"\n"));
}

#[test]
fn what_cannot_be_fitted_is_left_as_it_was() {
    let mut new = vmx(HOST);
    let wanted = [
        fit("ethernet0", "VM Network", MacPolicy::Keep, true),
        fit("ethernet10", "VM Network", MacPolicy::Keep, true),
    ];
    let refused = fit_adapters(&mut new, &wanted).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the VM has no adapter ethernet10; it has ethernet0, ethernet1"
    );
    assert_eq!(text(&new), HOST);
    let mut sealed = vmx("encryption.keySafe = \"vmware:key/list/x\"\nencryption.data = \"y\"\n");
    assert_eq!(fit_adapters(&mut sealed, &[]), Err(FitError::Encrypted));
    assert_eq!(
        fit_identity(&mut sealed, Identity::Moved),
        Err(FitError::Encrypted)
    );
}

#[test]
fn identity_is_said_in_advance() {
    for (identity, action) in [(Identity::Moved, "keep"), (Identity::Copied, "create")] {
        let mut new = vmx(HOST);
        fit_identity(&mut new, identity).unwrap();
        assert_eq!(new.get("uuid.action").as_deref(), Some(action));
    }
}

#[test]
fn a_snapshot_catalogue_may_be_empty() {
    assert_eq!(Vmsd::parse(b"").unwrap().count(), 0);
    let text = b".encoding = \"UTF-8\"\nsnapshot.lastUID = \"4\"\nsnapshot.numSnapshots = \"2\"\n\
        snapshot0.uid = \"1\"\nsnapshot0.displayName = \"before\"\nsnapshot0.disk0.fileName = \"a.vmdk\"\n\
        snapshot1.uid = \"4\"\nsnapshot1.disk0.fileName = \"a-000001.vmdk\"\n";
    let vmsd = Vmsd::parse(text).unwrap();
    assert_eq!(vmsd.count(), 2);
    assert_eq!(vmsd.snapshots[0].name.as_deref(), Some("before"));
    assert_eq!(vmsd.snapshots[1].disks, ["a-000001.vmdk"]);
    assert_eq!(
        Vmsd::parse(b"snapshot.numSnapshots = \"3\"\n")
            .unwrap()
            .count(),
        3
    );
    assert_eq!(Vmsd::parse(b"\0"), Err(VmxError::Binary { line: 1 }));
}
