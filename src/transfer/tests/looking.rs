//! Restore points as they lie here and on hosts.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::LIKE_DATA;
use super::site::{Site, names, put_vm};
use crate::host::{LiveOutput, OutputEvent};
use crate::runbook::model::{Driver, PointChoice};
use crate::transfer::{Dated, Folder, Item, Landing, Sum, choose, points, points_for, vm_files};
use crate::vmfiles::FileKind;

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
async fn a_file_whose_head_is_asked_for_while_the_link_drops_is_not_taken_for_a_missing_one() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    std::fs::create_dir(site.path("target/vm")).unwrap();
    std::fs::write(site.path("target/vm/disk.vmdk"), "its text").unwrap();
    let told = Arc::<Mutex<Vec<OutputEvent>>>::default();
    let sink = told.clone();
    site.hosts
        .set_output_sink(Arc::new(move |event| sink.lock().unwrap().push(event)));
    let from = Folder::Here(site.path("here"));
    let work = site.delivery(from, Vec::new(), Landing::Fresh).looking();
    assert_eq!(work.head("none.vmdk", 100).await.unwrap(), None);
    site.link.cut_every(0, 3);
    let head = work.head("disk.vmdk", 3).await.unwrap();
    assert_eq!(head.as_deref(), Some(b"its".as_slice()));
    // What is in a VM's files is told to nobody, on whatever lane it was asked for.
    site.on("bk1", "target/vm")
        .head("disk.vmdk", 8)
        .await
        .unwrap();
    let told = told.lock().unwrap();
    assert!(told.iter().any(|event| event.what == LiveOutput::Sent));
    let is_text = |event: &&OutputEvent| matches!(event.what, LiveOutput::Line { .. });
    assert_eq!(told.iter().find(is_text), None);
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
    // One file is dropped that no earlier point holds either, and one that an earlier point does.
    let dropped = of("20260104T000000Z", "web01.nvram");
    let sums = std::fs::read_to_string(of("20260104T000000Z", "SHA256SUMS")).unwrap();
    let nvram = Sum::of(&std::fs::read(&dropped).unwrap()).to_string();
    let sums = sums.replace(&nvram, &Sum::of(b"other").to_string());
    std::fs::write(of("20260104T000000Z", "SHA256SUMS"), sums).unwrap();
    std::fs::remove_file(dropped).unwrap();
    std::fs::remove_file(of("20260102T000000Z-full", "web01.vmsd")).unwrap();
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
        let dropped = &flaws[1];
        assert!(
            dropped.starts_with("web01.nvram (sum ")
                && dropped.contains("nor with that sum in the 3 earlier points"),
            "{dropped}"
        );
        assert_eq!(
            flaws[2],
            "web01-flat.vmdk is shorter than its descriptor says: 1048576 bytes, not 31457280"
        );
        assert_eq!(flaws[3..], ["", ""]);
        let chosen = choose(&found, &PointChoice::Latest).unwrap();
        assert_eq!(chosen.point.stamp.to_string(), "20260102T000000Z");
        assert_eq!(chosen.passed_over.len(), 3);
        let items = Item::of(&chosen.point, false);
        assert_eq!(items.len(), 5, "SHA256SUMS and STATUS.ok are not the VM's");
        for item in items {
            let elsewhere = item.at == "20260101T000000Z/web01.vmsd";
            assert!(
                elsewhere || item.at.starts_with("20260102T000000Z-full/"),
                "{}",
                item.at
            );
            let bytes = std::fs::read(backup.join("web01").join(&item.at)).unwrap();
            assert_eq!(
                (item.bytes, item.sum),
                (bytes.len() as u64, Some(Sum::of(&bytes)))
            );
        }
        assert_eq!(points(&folder, "nobody").await.unwrap(), []);
    }
}

/// Whatever lies in a backup, it is seen alike from here and over a host's shell.
#[tokio::test]
async fn odd_folders_are_seen_alike_here_and_there() {
    use std::os::unix::fs::symlink;
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let backup = site.path("there");
    let at = |name: &str| backup.join("web01").join(name);
    let stamps = [
        "20260101T000000Z",
        "20260102T000000Z",
        "20260103T000000Z",
        "20260104T000000Z",
        "20260105T000000Z",
        "20260106T000000Z",
    ];
    for stamp in stamps {
        put_point(&backup, stamp);
    }
    let sums = std::fs::read_to_string(at("20260101T000000Z/SHA256SUMS")).unwrap();
    let edit =
        |stamp: &str, text: String| std::fs::write(at(stamp).join("SHA256SUMS"), text).unwrap();
    edit(
        "20260106T000000Z",
        format!("{sums}{}  ../../../etc/passwd\n", Sum::of(b"")),
    );
    edit("20260105T000000Z", sums[..sums.len() - 30].to_owned());
    edit(
        "20260104T000000Z",
        sums.clone() + &format!("{}  x\n", Sum::of(b"x")).repeat(1 << 14),
    );
    // A disk that is a link, to data that is the right one; a folder that is a link; names with all that
    // names may hold.
    let flat = at("20260103T000000Z/web01-flat.vmdk");
    std::fs::rename(&flat, site.path("moved")).unwrap();
    symlink(site.path("moved"), &flat).unwrap();
    symlink(at("20260101T000000Z"), at("20260107T000000Z")).unwrap();
    symlink(at("20260101T000000Z"), at("latest")).unwrap();
    std::fs::write(at("20260102T000000Z/-rf *\n'$(x)\".vmdk~"), "x").unwrap();
    std::fs::write(at("20260102T000000Z/.hidden"), "x").unwrap();
    for name in ["-n", "a b", "$(touch x)", "*", "web01-2026-01-02_03-04-05"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    put_vm(&at("a b"));
    put_vm(&at("web01-2026-01-02_03-04-05"));
    std::fs::write(
        at("web01-2026-01-02_03-04-05/STATUS.ok"),
        "Successfully completed backup\n",
    )
    .unwrap();
    std::fs::write(at("web01-2026-01-01_03-04-05.gz"), "x").unwrap();
    let here = points(&Folder::Here(backup.clone()), "web01")
        .await
        .unwrap();
    let there = points(&site.on("bk1", "there"), "web01").await.unwrap();
    assert_eq!(here, there);
    let flaws = |name: &str| {
        let point = here.iter().find(|point| point.name == name);
        point
            .unwrap_or_else(|| panic!("no {name}"))
            .flaws_in_words()
    };
    assert_eq!(
        flaws("20260106T000000Z"),
        "line 6 of SHA256SUMS names \"../../../etc/passwd\", which cannot be a file of this folder"
    );
    assert_eq!(
        flaws("20260105T000000Z"),
        "line 5 of SHA256SUMS is not `<sum>  <name>`"
    );
    assert!(flaws("20260104T000000Z").contains("more than the 1048576 that are looked at"));
    assert_eq!(
        flaws("20260103T000000Z"),
        "web01-flat.vmdk is not a plain file"
    );
    for sound in [
        "20260102T000000Z",
        "20260101T000000Z",
        "a b",
        "web01-2026-01-02_03-04-05",
    ] {
        assert_eq!(flaws(sound), "", "{sound}");
    }
    assert!(flaws("web01-2026-01-01_03-04-05.gz").contains("packed"));
    assert!(flaws("20260107T000000Z").starts_with("it is a link, and links are not followed"));
    assert_eq!(here.len(), 10);
}

#[tokio::test]
async fn ten_thousand_points_are_looked_at_in_a_few_commands() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let backup = site.path("there");
    put_point(&backup, "20200101T000000Z-full");
    let start: jiff::Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    for hour in 1..10_000 {
        let stamp = start + jiff::SignedDuration::from_hours(hour);
        let name = stamp.strftime("%Y%m%dT%H%M%SZ-incr").to_string();
        std::fs::create_dir(backup.join("web01").join(name)).unwrap();
    }
    // The newest rests on a point that is far from being offered.
    let held = |name: &str| backup.join("web01").join(name);
    let newest = "20210220T150000Z-incr";
    std::fs::copy(
        held("20200101T000000Z-full/SHA256SUMS"),
        held(newest).join("SHA256SUMS"),
    )
    .unwrap();
    for folder in [Folder::Here(backup.clone()), site.on("bk1", "there")] {
        let found = points(&folder, "web01").await.unwrap();
        assert_eq!((found.len(), found[0].name.as_str()), (30, newest));
        // Where it is not found within reason, it is said how far was looked.
        let flaws = found[0].flaws_in_words();
        assert!(
            flaws.contains("nor with that sum in the 1029 earlier points back to"),
            "{flaws}"
        );
        // What is asked for is looked at, however old.
        let asked = [
            PointChoice::Before("2020-01-01T00:30:00Z".into()),
            PointChoice::Stamp("20200102T000000Z".into()),
        ];
        let found = points_for(&folder, "web01", &asked).await.unwrap();
        assert_eq!(found.len(), 32);
        assert_eq!(found[30].name, "20200102T000000Z-incr");
        let chosen = choose(&found, &asked[0]).unwrap().point;
        assert_eq!(chosen.name, "20200101T000000Z-full");
    }
    let near = held("20210210T000000Z-incr");
    std::fs::remove_dir(&near).unwrap();
    std::fs::rename(held("20200101T000000Z-full"), &near).unwrap();
    let found = points(&site.on("bk1", "there"), "web01").await.unwrap();
    assert_eq!(found[0].flaws, []);
    assert_eq!(found[0].leans_on(), [("20210210T000000Z-incr", 5)]);
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
            .items
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
    let (vmsd, vmx) = (site.path("there/web01.vmsd"), site.path("there/web01.vmx"));
    let one = "snapshot.numSnapshots = \"1\"\nsnapshot0.uid = \"1\"\nsnapshot0.filename = \"web01-Snapshot1.vmsn\"\n";
    std::fs::write(vmsd, one).unwrap();
    std::fs::write(site.path("there/web01-Snapshot1.vmsn"), "x").unwrap();
    let items = vm_files(&here, "web01.vmx").await.unwrap().items;
    assert!(items.iter().any(|item| item.name == "web01-Snapshot1.vmsn"));
    let text = std::fs::read_to_string(&vmx).unwrap();
    let other = "scsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"../elsewhere/web01_1.vmdk\"\n";
    std::fs::write(&vmx, format!("{text}{other}")).unwrap();
    std::fs::create_dir(site.path("elsewhere")).unwrap();
    let fault = vm_files(&here, "web01.vmx").await.unwrap_err();
    assert!(
        fault
            .what
            .contains("the VM's disk ../elsewhere/web01_1.vmdk is not in this folder"),
        "{fault}"
    );
    assert!(fault.what.contains("/elsewhere cannot be read"), "{fault}");
    std::fs::write(&vmx, text).unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_whose_name_ends_as_data_does_is_known_by_its_files() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    let there = site.path("there");
    put_vm(&there);
    for vm in LIKE_DATA {
        let folder = site.path(vm);
        std::fs::create_dir(&folder).unwrap();
        for name in names(&there) {
            let new = folder.join(name.replace("web01", vm));
            if name.ends_with("-flat.vmdk") {
                std::fs::copy(there.join(name), new).unwrap();
            } else {
                let text = std::fs::read(there.join(name)).unwrap();
                let text = String::from_utf8_lossy(&text).replace("web01", vm);
                std::fs::write(new, text).unwrap();
            }
        }
        for from in [Folder::Here(folder), site.on("esx1", vm)] {
            let items = vm_files(&from, &format!("{vm}.vmx")).await.unwrap().items;
            let kind = |end: &str| {
                let name = format!("{vm}{end}");
                let item = items.iter().find(|item| item.name == name);
                item.map(|item| item.kind)
            };
            assert_eq!(items.len(), 5, "{vm}");
            assert_eq!(kind(".vmdk"), Some(FileKind::Descriptor), "{vm}");
            assert_eq!(kind("-flat.vmdk"), Some(FileKind::Extent), "{vm}");
        }
    }
    // Data that is named as a disk is none.
    let vmx = there.join("web01.vmx");
    let text = std::fs::read_to_string(&vmx).unwrap();
    std::fs::write(&vmx, text.replace("web01.vmdk", "web01-flat.vmdk")).unwrap();
    let fault = vm_files(&site.on("esx1", "there"), "web01.vmx").await;
    let what = fault.unwrap_err().what;
    assert!(
        what.contains("web01-flat.vmdk is named as a disk, and is no disk descriptor"),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_whose_data_is_in_no_file_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    put_vm(dir.path());
    let descriptor = dir.path().join("web01.vmdk");
    let text = std::fs::read_to_string(&descriptor).unwrap();
    let rdm = text.replace("\"vmfs\"", "\"vmfsPassthroughRawDeviceMap\"");
    let object = text.replace(
        "web01-flat.vmdk",
        "vsan://f252ae55-65d4-4a68-b4c7-0050569c5a6e",
    );
    for (text, told) in [
        (
            rdm,
            "web01.vmdk only points to a device of its host (a raw device mapping)",
        ),
        (
            object,
            "web01.vmdk has its data in an object of vSAN or vVols (vsan://f252ae55",
        ),
    ] {
        std::fs::write(&descriptor, text).unwrap();
        let here = Folder::Here(dir.path().to_owned());
        let fault = vm_files(&here, "web01.vmx").await.unwrap_err();
        assert!(fault.what.starts_with(told), "{fault}");
        assert!(!fault.passing && fault.next.contains("retry"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_folders_than_a_command_line_takes_are_read() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    let folders: Vec<String> = (0..800).map(|n| format!("copy of {n:050}")).collect();
    for folder in &folders {
        std::fs::create_dir(site.path("there").join(folder)).unwrap();
    }
    std::fs::write(
        site.path("there").join(&folders[799]).join("web01.vmx"),
        "x",
    )
    .unwrap();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let there = site.on("esx1", "there");
    let contents = there.contents(&folders).await.unwrap();
    assert_eq!(contents.len(), 800);
    assert!(contents[799].texts.contains_key("web01.vmx"));
    let files: Vec<String> = folders
        .iter()
        .map(|folder| format!("{folder}/web01.vmx"))
        .collect();
    for file in &files {
        std::fs::write(site.path("there").join(file), file).unwrap();
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let heads = there.heads(&files, 100).await.unwrap();
    assert!(
        heads
            .iter()
            .zip(files)
            .all(|(head, file)| head == file.as_bytes())
    );
}

#[tokio::test]
async fn an_archive_without_a_time_is_named_though_its_folder_cannot_be_listed() {
    let backup = tempfile::tempdir().unwrap();
    let folder = backup.path().join("web01");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("web01-0.gz"), "packed").unwrap();
    let here = Folder::Here(backup.path().to_owned());
    let found = points(&here, "web01").await.unwrap();
    assert_eq!(found[0].dated, Dated::Archive);
    for number in 0..=2000 {
        std::fs::write(folder.join(format!("note-{number}")), "").unwrap();
    }
    let found = points(&here, "web01").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].dated, Dated::Nothing);
    assert!(found[0].flaws_in_words().contains("tar -xzf web01-0.gz"));
}

#[tokio::test]
async fn the_folder_of_a_vm_that_is_a_point_and_holds_archives_is_read_once() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let folder = site.path("there/web01");
    std::fs::create_dir(&folder).unwrap();
    put_vm(&folder);
    std::fs::write(folder.join("web01-0.gz"), "packed").unwrap();
    let sent = site.count_sent();
    let found = points(&site.on("bk1", "there"), "web01").await.unwrap();
    let dated: Vec<Dated> = found.iter().map(|point| point.dated).collect();
    assert!(dated.contains(&Dated::Archive) && dated.contains(&Dated::Configuration));
    // The names in it, and what it holds.
    assert_eq!(sent.load(Ordering::SeqCst), 2);
}
