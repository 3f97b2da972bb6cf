//! Restore points as they lie here and on hosts.

use std::path::Path;

use super::site::{Site, names, put_vm};
use crate::runbook::model::{Driver, PointChoice};
use crate::transfer::{Folder, Item, Sum, choose, points, vm_files};

/// A whole point of `web01` in a backup's folder.
fn put_point(backup: &Path, stamp: &str) {
    let folder = backup.join("web01").join(stamp);
    std::fs::create_dir_all(&folder).unwrap();
    let items = put_vm(&folder);
    let line = |item: &Item| format!("{}  {}\n", item.sum.unwrap(), item.name);
    std::fs::write(
        folder.join("SHA256SUMS"),
        items.iter().map(line).collect::<String>(),
    )
    .unwrap();
    std::fs::write(folder.join("STATUS.ok"), "").unwrap();
}

#[tokio::test]
async fn points_are_found_newest_first_and_their_flaws_named() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let backup = site.path("there");
    for stamp in [
        "20260101T000000Z",
        "20260103T000000Z",
        "20260102T000000Z-full",
        "20260104T000000Z",
    ] {
        put_point(&backup, stamp);
    }
    std::fs::create_dir_all(backup.join("web01/lost+found")).unwrap();
    std::fs::write(backup.join("web01/20260105T000000Z"), "a file").unwrap();
    std::fs::create_dir_all(backup.join("web01/20260106T000000Z")).unwrap();
    let of = |stamp: &str, name: &str| backup.join("web01").join(stamp).join(name);
    std::fs::remove_file(of("20260104T000000Z", "web01.nvram")).unwrap();
    let disk = std::fs::OpenOptions::new()
        .write(true)
        .open(of("20260103T000000Z", "web01-flat.vmdk"));
    disk.unwrap().set_len(1 << 20).unwrap();
    for folder in [Folder::Here(backup.clone()), site.on("bk1", "there")] {
        let found = points(&folder, "web01").await.unwrap();
        let stamps: Vec<String> = found.iter().map(|point| point.stamp.to_string()).collect();
        assert_eq!(
            stamps,
            [
                "20260106T000000Z",
                "20260104T000000Z",
                "20260103T000000Z",
                "20260102T000000Z",
                "20260101T000000Z"
            ]
        );
        let flaws: Vec<String> = found.iter().map(|point| point.flaws_in_words()).collect();
        assert_eq!(
            flaws[0],
            "it has no SHA256SUMS (is the backup still being written?)"
        );
        assert_eq!(
            flaws[1],
            "web01.nvram is named in SHA256SUMS but is not in the folder"
        );
        assert_eq!(
            flaws[2],
            "web01-flat.vmdk is shorter than its descriptor says: 1048576 bytes, not 31457280"
        );
        assert_eq!(flaws[3..], ["", ""]);
        let chosen = choose(&found, &PointChoice::Latest).unwrap();
        assert_eq!(chosen.point.stamp.to_string(), "20260102T000000Z");
        assert_eq!(chosen.passed_over.len(), 3);
        let items = Item::of(&chosen.point);
        assert_eq!(items.len(), 5, "SHA256SUMS and STATUS.ok are not the VM's");
        for item in items {
            let bytes = std::fs::read(of("20260102T000000Z-full", &item.name)).unwrap();
            assert_eq!(
                (item.bytes, item.sum),
                (bytes.len() as u64, Some(Sum::of(&bytes)))
            );
        }
        assert_eq!(points(&folder, "nobody").await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_is_named() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    std::fs::write(site.path("there/web01"), "not a folder").unwrap();
    for folder in [Folder::Here(site.path("there")), site.on("bk1", "there")] {
        let fault = points(&folder, "web01").await.unwrap_err();
        assert!(fault.what.contains("there/web01 cannot be read"), "{fault}");
    }
}

#[tokio::test]
async fn a_vms_own_files_are_those_that_it_needs() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    put_vm(&site.path("there"));
    for other in [
        "web01.vmx~",
        "vmware.log",
        "web01-ctk.vmdk",
        "other.vmdk",
        "web01-1234.vswp",
    ] {
        std::fs::write(site.path("there").join(other), "x").unwrap();
    }
    let here = Folder::Here(site.path("there"));
    for folder in [&here, &site.on("esx1", "there")] {
        let mut found: Vec<String> = vm_files(folder, "web01.vmx")
            .await
            .unwrap()
            .into_iter()
            .map(|item| item.name)
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "web01-flat.vmdk",
                "web01.nvram",
                "web01.vmdk",
                "web01.vmsd",
                "web01.vmx"
            ]
        );
    }
    std::fs::remove_file(site.path("there/web01-flat.vmdk")).unwrap();
    let fault = vm_files(&here, "web01.vmx").await.unwrap_err();
    assert!(
        fault
            .what
            .contains("web01-flat.vmdk, which web01.vmdk needs, is not in this folder"),
        "{fault}"
    );
    assert_eq!(names(&site.path("target")), [""; 0]);
}
