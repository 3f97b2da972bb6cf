//! Disks that lie in folders of a point, as ghettoVCB puts those of other datastores.

use super::*;
use crate::transfer::Item;

const NAME: &str = "web01-2026-01-02_03-04-05";
const UUID: &str = "5e5a1b2c-0a1b2c3d-4e5f-001122334455";

/// A `.vmx` with further disks, from `scsi0:1` on.
fn vmx(more: &[&str]) -> String {
    let slot = |(number, disk): (usize, &&str)| {
        let slot = format!("scsi0:{}", number + 1);
        format!("{slot}.present = \"TRUE\"\n{slot}.fileName = \"{disk}\"\n")
    };
    let slots = more.iter().enumerate().map(slot);
    slots.fold(VMX.to_owned(), |text, slot| text + &slot)
}

fn disk(name: &str) -> String {
    DISK.replace("web01-flat", &format!("{name}-flat"))
}

/// A point of ghettoVCB with further disks in it: each with its folder, which may be none.
fn ghetto(vmx: &str, disks: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::without_sums(NAME)
        .with("web01.vmx", vmx)
        .with("STATUS.ok", "Successfully completed backup\n");
    for (at, name) in disks {
        folder.put(&format!("{at}{name}.vmdk"), &disk(name));
        folder.put(&format!("{at}{name}-flat.vmdk"), &"y".repeat(4096));
    }
    folder
}

fn text<'a>(point: &'a Point, name: &str) -> &'a str {
    let text = point.file(name).and_then(|file| file.text.as_deref());
    std::str::from_utf8(text.unwrap_or_else(|| panic!("{name} is not written anew"))).unwrap()
}

#[test]
fn a_disk_is_found_in_the_folder_of_its_datastore_and_comes_beside_the_others() {
    let volume = format!("/vmfs/volumes/{UUID}/web01/web01.vmdk");
    let more = [
        volume.as_str(),
        "/vmfs/volumes/data 2/web01/logs.vmdk",
        "/vmfs/volumes/deep/a/b/deep.vmdk",
        "/vmfs/volumes/top/top.vmdk",
    ];
    let own = format!("{UUID}/");
    let mut folder = ghetto(
        &vmx(&more),
        &[
            (&own, "web01"),
            ("data 2/", "logs"),
            ("deep/a/", "deep"),
            ("top/top.vmdk/", "top"),
            ("data 2/", "spare"),
        ],
    );
    folder.put("data 2/notes.txt", "not a VM's");
    let point = point(folder);
    assert_eq!(point.flaws_in_words(), "");
    let expected = [
        ("deep-flat.vmdk", "deep/a/deep-flat.vmdk"),
        ("deep.vmdk", "deep/a/deep.vmdk"),
        ("logs-flat.vmdk", "data 2/logs-flat.vmdk"),
        ("logs.vmdk", "data 2/logs.vmdk"),
        ("top-flat.vmdk", "top/top.vmdk/top-flat.vmdk"),
        ("top.vmdk", "top/top.vmdk/top.vmdk"),
        ("web01-flat.vmdk", "web01-flat.vmdk"),
        ("web01.nvram", "web01.nvram"),
        ("web01.vmdk", "web01.vmdk"),
        ("web01.vmx", "web01.vmx"),
        ("web01_1-flat.vmdk", &format!("{UUID}/web01-flat.vmdk")),
        ("web01_1.vmdk", &format!("{UUID}/web01.vmdk")),
    ];
    let found = point.files.iter();
    let found: Vec<(&str, &str)> = found
        .map(|file| (file.name.as_str(), point.path_within(file)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(point.leans_on(), []);
    assert!(point.files.iter().all(|file| file.at.starts_with(NAME)));
    // What stays is as it lies there; what names others is written anew.
    assert!(text(&point, "web01_1.vmdk").contains("VMFS \"web01_1-flat.vmdk\""));
    assert!(point.file("logs.vmdk").unwrap().text.is_none());
    let anew = text(&point, "web01.vmx");
    for (slot, name) in ["web01_1.vmdk", "logs.vmdk", "deep.vmdk", "top.vmdk"]
        .iter()
        .enumerate()
    {
        assert!(
            anew.contains(&format!("scsi0:{}.fileName = \"{name}\"\n", slot + 1)),
            "{anew}"
        );
    }
    assert!(anew.contains("scsi0:0.fileName = \"web01.vmdk\"\n"));
    let changed = point.renamed.iter().map(|change| change.before.as_deref());
    assert_eq!(changed.collect::<Vec<_>>(), more.map(Some));
    let left = point.left_behind.iter().map(|(path, _)| path.as_str());
    assert_eq!(
        left.collect::<Vec<_>>(),
        ["data 2/spare-flat.vmdk", "data 2/spare.vmdk"]
    );
    let item = Item::of(&point, false);
    let item = item.iter().find(|item| item.name == "web01.vmx").unwrap();
    assert_eq!(
        (item.bytes, item.sum),
        (anew.len() as u64, Some(Sum::of(anew.as_bytes())))
    );
    assert!(!item.recorded);
}

#[test]
fn what_is_missing_or_may_be_one_or_the_other_is_named() {
    let flaws = |vmx: &str, disks: &[(&str, &str)]| point(ghetto(vmx, disks)).flaws_in_words();
    let logs = vmx(&["/vmfs/volumes/d2/web01/logs.vmdk"]);
    assert_eq!(
        flaws(&logs, &[]),
        "web01.vmx needs /vmfs/volumes/d2/web01/logs.vmdk, which the point does not hold, nor is it there as d2/logs.vmdk"
    );
    let short = ghetto(&logs, &[("d2/", "logs")]).with("d2/logs-flat.vmdk", "y");
    assert_eq!(
        point(short).flaws_in_words(),
        "d2/logs-flat.vmdk is shorter than its descriptor says: 1 bytes, not 4096"
    );
    let half = ghetto(&logs, &[("d2/", "logs")]).without("d2/logs-flat.vmdk");
    assert_eq!(
        point(half).flaws_in_words(),
        "d2/logs.vmdk needs d2/logs-flat.vmdk, which the point does not hold"
    );
    // ghettoVCB has one place for both; the second clone fails there, or the first was overwritten.
    let both = vmx(&[
        "/vmfs/volumes/d2/a/logs.vmdk",
        "/vmfs/volumes/d2/b/logs.vmdk",
    ]);
    assert_eq!(
        flaws(&both, &[("d2/", "logs")]),
        "d2/logs.vmdk may be one or the other of two disks of the VM, scsi0:1 (/vmfs/volumes/d2/a/logs.vmdk) and \
         scsi0:2 (/vmfs/volumes/d2/b/logs.vmdk): nothing tells which"
    );
    let left_out = flaws(&vmx(&["logs.vmdk"]), &[]);
    assert!(
        left_out.contains("needs logs.vmdk") && left_out.contains("VMDK_FILES_TO_BACKUP"),
        "{left_out}"
    );
    let independent = format!(
        "{}scsi0:1.mode = \"independent-persistent\"\n",
        vmx(&["logs.vmdk"])
    );
    let independent = flaws(&independent, &[]);
    assert!(
        independent.contains("leaves out independent disks")
            && independent.contains("take scsi0:1 out")
    );
    // A path that leads out of the point leads nowhere.
    for out in [
        "/vmfs/volumes/../x/y/logs.vmdk",
        "../d2/logs.vmdk",
        "/vmfs/volumes/logs.vmdk",
    ] {
        let found = flaws(&vmx(&[out]), &[("d2/", "logs")]);
        assert!(found.contains(&format!("needs {out}, which")), "{found}");
    }
}

#[test]
fn a_snapshot_was_made_one_with_its_disk_when_it_was_cloned() {
    let seen = VMX.replace("web01.vmdk", "web01-000001.vmdk");
    let cloned = ghetto(&seen, &[("", "web01-000001")])
        .without("web01.vmdk")
        .without("web01-flat.vmdk");
    let point_of = |folder: Folder| {
        let point = point(folder);
        (point.flaws_in_words(), names(&point).join(" "))
    };
    assert_eq!(
        point_of(cloned),
        (
            String::new(),
            "web01-000001-flat.vmdk web01-000001.vmdk web01.nvram web01.vmx".into()
        )
    );
    // It was removed after the .vmx was copied, and before the disks were.
    let (flaws, _) = point_of(ghetto(&seen, &[]));
    assert!(
        flaws.contains("needs web01-000001.vmdk") && flaws.contains("web01.vmdk is there"),
        "{flaws}"
    );
}

#[test]
fn sums_may_name_files_in_folders() {
    let logs = vmx(&["/vmfs/volumes/d2/web01/web01.vmdk"]);
    let mut summed = ghetto(&logs, &[("d2/", "web01")]);
    let files = summed.files.clone();
    summed.sums = Some(BTreeMap::new());
    for (path, bytes) in &files {
        summed.record(path, std::str::from_utf8(bytes).unwrap());
    }
    let found = point(summed.clone());
    assert_eq!(
        (found.flaws_in_words().as_str(), found.verified),
        ("", true)
    );
    let flat = found.file("web01_1-flat.vmdk").unwrap();
    assert_eq!(flat.sum, Some(Sum::of("y".repeat(4096).as_bytes())));
    let torn = |path: &str| {
        let mut torn = summed.clone();
        torn.sums.as_mut().unwrap().remove(path);
        point(torn).flaws_in_words()
    };
    assert_eq!(
        torn("d2/web01.vmdk"),
        "web01.vmx needs d2/web01.vmdk, which SHA256SUMS does not name (is it torn?)"
    );
    let lost = point(summed.clone().without("d2/web01-flat.vmdk")).flaws_in_words();
    assert!(
        lost.starts_with("d2/web01-flat.vmdk (sum ") && !lost.contains("needs"),
        "{lost}"
    );
    let changed = summed.clone().without("d2/web01.vmdk");
    let mut changed = changed;
    changed.files.insert(
        "d2/web01.vmdk".into(),
        disk("web01").replace("CID=00000001", "CID=00000002").into(),
    );
    assert_eq!(
        point(changed).flaws_in_words(),
        "d2/web01.vmdk has changed since the backup: its sum is not the recorded one"
    );
    // An increment finds them in the point that holds them.
    summed.name = FULL.into();
    let mut next = summed.clone().without("d2/web01-flat.vmdk");
    next.name = "20260103T030405Z".into();
    let found = &points(&[summed, next])[0];
    assert_eq!(found.flaws_in_words(), "");
    assert_eq!(found.leans_on(), [(FULL, 1)]);
    let flat = found.file("web01_1-flat.vmdk").unwrap();
    assert_eq!(found.path_within(flat), "d2/web01-flat.vmdk");
}

#[test]
fn a_copy_by_hand_may_have_snapshots_in_its_folders() {
    let link = DISK
        .replace(
            "parentCID=ffffffff",
            "parentCID=00000001\nparentFileNameHint=\"web01.vmdk\"",
        )
        .replace("\nCID=00000001", "\nCID=00000002")
        .replace("web01-flat", "web01-000001-delta");
    let mut folder = ghetto(
        &vmx(&["/vmfs/volumes/d2/web01/web01-000001.vmdk"]),
        &[("d2/", "web01")],
    )
    .with("d2/web01-000001.vmdk", &link)
    .with("d2/web01-000001-delta.vmdk", &"d".repeat(4096));
    folder.name = ".".into();
    let point = point(folder);
    assert_eq!(point.flaws_in_words(), "");
    assert_eq!(point.leans_on(), []);
    let above = text(&point, "web01-000001.vmdk");
    assert!(
        above.contains("parentFileNameHint=\"web01_1.vmdk\""),
        "{above}"
    );
    assert_eq!(
        point.path_within(point.file("web01_1.vmdk").unwrap()),
        "d2/web01.vmdk"
    );
}
