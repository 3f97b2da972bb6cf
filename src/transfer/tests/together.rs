//! A VM whose disks lie in several folders, under names that are there twice: all come into one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::cloning;
use super::site::{Journal, Site, noise, put_vm_of, quiet, write};
use crate::hypervisor::esxi::storage::{Volume, Volumes};
use crate::hypervisor::shell::folded;
use crate::runbook::model::DiskFormat;
use crate::transfer::{
    Against, Delivery, Folder, Item, Landing, Mover, Point, Seed, VmFiles, points, vm_files,
    vm_files_on,
};
use crate::vmfiles::MAX_TEXT;

const SECOND: &str = "web01_1-flat.vmdk";

/// The VM with a second disk of the same name elsewhere, which has a snapshot beside the `.vmx`; and at
/// the target's host, elsewhere too, a second disk as it was before.
fn put(site: &Site) {
    for folder in ["there", "other", "before"] {
        let folder = site.path(folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        put_vm_of(&folder, 5);
    }
    let _ = std::fs::remove_dir_all(site.path("target/vm"));
    write(
        &site.path("other/web01-flat.vmdk"),
        900_000,
        &noise(4096, 21),
    );
    let path = |name: &str| site.path(name).display().to_string();
    let snapshot = format!(
        "# Disk DescriptorFile\nCID=2\nparentCID=1\nparentFileNameHint=\"{}\"\ncreateType=\"vmfsSparse\"\n\
         RW 10240 VMFSSPARSE \"data-000001-delta.vmdk\"\n",
        path("other/web01.vmdk")
    );
    std::fs::write(site.path("there/data-000001.vmdk"), snapshot).unwrap();
    std::fs::write(site.path("there/data-000001-delta.vmdk"), noise(4096, 9)).unwrap();
    let vmx = site.path("there/web01.vmx");
    let text = std::fs::read_to_string(&vmx).unwrap();
    let more = format!(
        "scsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"data-000001.vmdk\"\nscsi0:2.present = \"TRUE\"\n\
         scsi0:2.fileName = \"{}\"\n",
        path("there/../other/./web01.vmdk")
    );
    std::fs::write(&vmx, format!("{text}{more}")).unwrap();
    let catalogue = format!(
        "snapshot.numSnapshots = \"1\"\nsnapshot0.uid = \"1\"\nsnapshot0.disk0.fileName = \"{}\"\n",
        path("other/web01.vmdk")
    );
    std::fs::write(site.path("there/web01.vmsd"), catalogue).unwrap();
}

async fn files(site: &Site) -> VmFiles {
    vm_files(&site.on("bk1", "there"), "web01.vmx")
        .await
        .unwrap()
}

async fn delivery(site: &Site) -> Delivery {
    let items = files(site).await.items;
    let mut delivery = site.delivery(site.on("bk1", "there"), items, Landing::Patch);
    let descriptor = site.path("before/web01.vmdk").display().to_string();
    delivery.seeds.insert(SECOND.into(), Seed { descriptor });
    delivery
}

#[tokio::test]
async fn a_host_whose_volumes_are_known_is_not_asked_for_them() {
    let Some(site) = cloning::site() else { return };
    put(&site);
    let from = site.on("esx1", "there");
    let sent = site.count_sent();
    let asked = vm_files(&from, "web01.vmx").await.unwrap();
    let before = sent.swap(0, Ordering::SeqCst);
    let volumes = Volumes(vec![Volume::default()]);
    let known = vm_files_on(&from, "web01.vmx", &volumes).await.unwrap();
    assert_eq!(known, asked);
    assert_eq!(sent.load(Ordering::SeqCst) + 1, before);
}

fn read(site: &Site, path: &str) -> Vec<u8> {
    std::fs::read(site.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn check(site: &Site) {
    assert_eq!(
        site.arrived(),
        [
            "data-000001-delta.vmdk",
            "data-000001.vmdk",
            "web01-flat.vmdk",
            "web01.nvram",
            "web01.vmdk",
            "web01.vmsd",
            "web01.vmx",
            SECOND,
            "web01_1.vmdk",
        ]
    );
    for (from, to) in [
        ("there/web01-flat.vmdk", "web01-flat.vmdk"),
        ("there/web01.vmdk", "web01.vmdk"),
        ("there/data-000001-delta.vmdk", "data-000001-delta.vmdk"),
        ("other/web01-flat.vmdk", SECOND),
    ] {
        assert!(
            read(site, from) == read(site, &format!("target/vm/{to}")),
            "{to}"
        );
    }
    for (name, line) in [
        ("web01_1.vmdk", "VMFS \"web01_1-flat.vmdk\""),
        ("data-000001.vmdk", "parentFileNameHint=\"web01_1.vmdk\""),
        ("web01.vmsd", "snapshot0.disk0.fileName = \"web01_1.vmdk\""),
        ("web01.vmx", "scsi0:0.fileName = \"web01.vmdk\""),
        ("web01.vmx", "scsi0:1.fileName = \"data-000001.vmdk\""),
        ("web01.vmx", "scsi0:2.fileName = \"web01_1.vmdk\""),
    ] {
        let text = String::from_utf8(read(site, &format!("target/vm/{name}"))).unwrap();
        assert!(text.contains(line), "{name}: {text}");
    }
}

#[tokio::test]
async fn all_disks_come_into_one_folder_and_every_text_names_them_there() {
    let Some(site) = cloning::site() else { return };
    put(&site);
    let there = files(&site).await;
    assert_eq!(there.renamed.len(), 1, "{:?}", there.renamed);
    assert_eq!(there.slots["scsi0:2"], "web01_1.vmdk");
    let here = vm_files(&Folder::Here(site.path("there")), "web01.vmx")
        .await
        .unwrap();
    assert_eq!(here, there, "here and there alike");
    let delivery = delivery(&site).await;
    let preview = delivery.preview(&delivery.glance().await.unwrap());
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    check(&site);
    let shown = landed.iter().filter(|file| file.against == Against::Shown);
    assert_eq!(
        shown.count(),
        4,
        "the .vmx, the catalogue and two descriptors"
    );
    assert_eq!(journal.announced().len(), preview.len());
    // Of the second disk only what differs from the one before.
    assert!(journal.sent() < (5 << 20) + (1 << 20), "{}", journal.sent());
}

/// The kinds of writes that bring this VM.
const KINDS: [&str; 7] = [
    "make file",
    "mkdir",
    "put",
    "remove file",
    "rename",
    "vmkfstools",
    "write",
];

/// What a write is called in short.
fn kind(line: &str) -> &str {
    let short = folded(line).map(|(script, _)| script.name);
    short.unwrap_or_else(|| line.split(' ').next().unwrap_or_default())
}

/// Its end may be what a snapshot needs: with what was read of it alone that would be gone.
#[tokio::test]
async fn a_list_of_snapshots_that_is_too_long_to_be_read_is_not_cut() {
    let Some(site) = cloning::site() else { return };
    put(&site);
    let path = site.path("there/web01.vmsd");
    let text = std::fs::read_to_string(&path).unwrap();
    let long = format!("{text}{}", "# more\n".repeat(MAX_TEXT / 7));
    assert!(long.len() > MAX_TEXT + 1);
    std::fs::write(&path, &long).unwrap();
    for from in [site.on("bk1", "there"), Folder::Here(site.path("there"))] {
        let fault = vm_files(&from, "web01.vmx").await.unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("web01.vmsd cannot be given the new names of its disks"),
            "{fault}"
        );
    }
    // One that stays as it is comes whole.
    std::fs::write(&path, long.replace("web01.vmdk", "web02.vmdk")).unwrap();
    let files = files(&site).await;
    let list = files.items.iter().find(|item| item.name == "web01.vmsd");
    let list = list.unwrap();
    assert_eq!((list.bytes, &list.text), (long.len() as u64, &None));
}

#[tokio::test]
async fn a_crash_in_between_is_gone_on_from() {
    let Some(site) = cloning::site() else { return };
    put(&site);
    let before = read(&site, "before/web01-flat.vmdk");
    let whole = Journal::new();
    delivery(&site).await.bring(&whole, quiet()).await.unwrap();
    let announced = whole.announced();
    let kinds: Vec<&str> = announced.iter().map(|line| kind(line)).collect();
    // Before the first of each kind of write, and before the last: all others are done by then.
    let mut crashes = BTreeMap::new();
    for (at, kind) in kinds.iter().enumerate() {
        let first = *crashes.entry(*kind).or_insert((at, at));
        crashes.insert(kind, (first.0, at));
    }
    let met: Vec<&str> = crashes.keys().copied().collect();
    assert_eq!(met, KINDS);
    let crashes: BTreeSet<usize> = crashes.into_values().flat_map(<[usize; 2]>::from).collect();
    for crash in crashes {
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
        let first = delivery(&site)
            .await
            .bring(&Journal::crashing_at(crash), quiet())
            .await;
        assert_eq!(
            first.unwrap_err().to_string(),
            "crash",
            "before {}",
            announced[crash]
        );
        delivery(&site)
            .await
            .bring(&Journal::new(), quiet())
            .await
            .unwrap();
        check(&site);
    }
    assert!(
        read(&site, "before/web01-flat.vmdk") == before,
        "it is only read"
    );
}

const POINT: &str = "web01-2026-01-02_03-04-05";
const VOLUME: &str = "5e5a1b2c-0a1b2c3d-4e5f-001122334455";

/// A point as ghettoVCB leaves one, of a VM with a second disk on another datastore that is called like
/// the first.
fn put_point(site: &Site) {
    let point = site.path("there/web01").join(POINT);
    for folder in [point.clone(), point.join(VOLUME)] {
        std::fs::create_dir_all(&folder).unwrap();
        put_vm_of(&folder, 5);
    }
    for name in ["web01.vmx", "web01.nvram", "web01.vmsd"] {
        std::fs::remove_file(point.join(VOLUME).join(name)).unwrap();
    }
    std::fs::remove_file(point.join("web01.vmsd")).unwrap();
    write(
        &point.join(VOLUME).join("web01-flat.vmdk"),
        900_000,
        &noise(4096, 21),
    );
    let vmx = point.join("web01.vmx");
    let text = std::fs::read_to_string(&vmx).unwrap();
    let more = format!(
        "scsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"/vmfs/volumes/{VOLUME}/web01/web01.vmdk\"\n"
    );
    std::fs::write(&vmx, text + &more).unwrap();
    std::fs::write(point.join("STATUS.ok"), "Successfully completed backup\n").unwrap();
}

async fn restoring(site: &Site, host: &str, format: Option<DiskFormat>) -> (Point, Delivery) {
    let from = site.on(host, "there");
    let point = points(&from, "web01").await.unwrap().remove(0);
    assert_eq!(point.flaws_in_words(), "");
    let items = Item::of(&point, false);
    let delivery = site.delivery(from.join("web01"), items, Landing::Fresh);
    (point, delivery.surveyed(format).await.unwrap())
}

fn check_restored(site: &Site) {
    assert_eq!(
        site.arrived(),
        [
            "web01-flat.vmdk",
            "web01.nvram",
            "web01.vmdk",
            "web01.vmx",
            SECOND,
            "web01_1.vmdk",
        ]
    );
    let own = format!("there/web01/{POINT}");
    for (from, to) in [
        (format!("{own}/web01-flat.vmdk"), "web01-flat.vmdk"),
        (format!("{own}/{VOLUME}/web01-flat.vmdk"), SECOND),
    ] {
        assert!(
            read(site, &from) == read(site, &format!("target/vm/{to}")),
            "{to}"
        );
    }
    for (name, line) in [
        ("web01_1.vmdk", "VMFS \"web01_1-flat.vmdk\""),
        ("web01.vmx", "scsi0:0.fileName = \"web01.vmdk\""),
        ("web01.vmx", "scsi0:1.fileName = \"web01_1.vmdk\""),
    ] {
        let text = String::from_utf8(read(site, &format!("target/vm/{name}"))).unwrap();
        assert!(text.contains(line), "{name}: {text}");
    }
}

/// Relayed; cloned on the host; and brought beside the VM to be laid out otherwise.
#[tokio::test]
async fn a_point_of_several_datastores_comes_into_one_folder_by_every_way() {
    let Some(site) = cloning::site() else { return };
    put_point(&site);
    let here = points(&Folder::Here(site.path("there")), "web01")
        .await
        .unwrap();
    for (host, format, mover) in [
        ("bk1", None, Mover::Relayed),
        ("esx1", None, Mover::OnHost),
        ("bk1", Some(DiskFormat::EagerZeroedThick), Mover::Relayed),
    ] {
        let (point, delivery) = restoring(&site, host, format).await;
        assert_eq!(point.files, here[0].files, "here and there alike");
        assert_eq!(delivery.mover(), mover);
        let preview = delivery.preview(&delivery.observe().await.unwrap());
        let journal = Journal::new();
        let landed = delivery.bring(&journal, quiet()).await.unwrap();
        check_restored(&site);
        assert_eq!(journal.announced().len(), preview.len());
        let vmx = landed.iter().find(|file| file.name == "web01.vmx").unwrap();
        assert_eq!(vmx.against, Against::Shown);
        let again = Journal::new();
        delivery.bring(&again, quiet()).await.unwrap();
        assert_eq!(again.announced(), [""; 0], "nothing is sent twice");
        for crash in (1..preview.len()).step_by(5) {
            std::fs::remove_dir_all(site.path("target/vm")).unwrap();
            let first = delivery.bring(&Journal::crashing_at(crash), quiet()).await;
            assert!(first.is_err(), "crash before write {crash}");
            let (_, delivery) = restoring(&site, host, format).await;
            delivery.bring(&Journal::new(), quiet()).await.unwrap();
            check_restored(&site);
        }
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}
