//! Files arrive whole, sparse, in order, and never over somebody else's.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::{Arc, Mutex};

use super::site::{Journal, Site, noise, put_vm, quiet, with_sums};
use crate::host::HostCommand;
use crate::runbook::model::Driver;
use crate::transfer::{
    Against, Folder, Item, Landing, Mover, Phase, Progress, Standing, Tell, TransferError, vm_files,
};
use crate::vmfiles::FileKind;

fn same(left: &std::path::Path, right: &std::path::Path) -> bool {
    std::fs::read(left).unwrap() == std::fs::read(right).unwrap()
}

#[tokio::test]
async fn from_a_folder_here() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("here"));
    let delivery = site.delivery(
        Folder::Here(site.path("here")),
        items.clone(),
        Landing::Fresh,
    );
    assert_eq!(delivery.mover(), Mover::FromHere);
    for landing in [Landing::Fresh, Landing::Patch] {
        let small = site.delivery(delivery.from.clone(), items.clone(), landing);
        let command = small.command(&items[0], &[], "");
        assert!(
            command.time_limit() > HostCommand::DEADLINE,
            "on a slow line"
        );
    }
    let before = delivery.observe().await.unwrap();
    assert!(!before.folder && !before.is_done());
    let journal = Journal::new();
    let told = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let sink = told.clone();
    let tell: Tell = Arc::new(move |progress| sink.lock().unwrap().push(progress));
    let bring = tokio::spawn({
        let (delivery, journal) = (delivery.clone(), journal.clone());
        async move { delivery.bring(&journal, tell).await }
    });
    let landed = bring.await.unwrap().unwrap();

    let order: Vec<&str> = landed.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        order,
        [
            "web01.nvram",
            "web01.vmdk",
            "web01.vmsd",
            "web01-flat.vmdk",
            "web01.vmx"
        ],
        "the .vmx last of all"
    );
    for item in &items {
        assert!(same(
            &site.path("here").join(&item.name),
            &site.path("target/vm").join(&item.name)
        ));
    }
    assert_eq!(
        site.arrived().len(),
        items.len(),
        "no temporary file is left"
    );
    assert!(
        landed
            .iter()
            .all(|file| file.against == Against::Recorded && !file.was_there)
    );
    let mode = |name: &str| {
        std::fs::metadata(site.path("target/vm").join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("web01.vmx"), mode("web01-flat.vmdk")), (0o755, 0o600));
    let disk = std::fs::metadata(site.path("target/vm/web01-flat.vmdk")).unwrap();
    assert!(
        disk.blocks() * 512 < 8 << 20,
        "holes stay holes: {} bytes",
        disk.blocks() * 512
    );
    assert!(
        journal.sent() < 6 << 20,
        "{} bytes for 4.5 MiB of data",
        journal.sent()
    );

    let told = std::mem::take(&mut *told.lock().unwrap());
    let last = told.last().unwrap();
    assert_eq!(
        (last.done, last.bytes),
        (delivery.bytes(), delivery.bytes())
    );
    for phase in [Phase::Sending, Phase::Proving] {
        assert!(
            told.iter().any(|progress| progress.phase == phase),
            "{phase:?}"
        );
    }

    let again = Journal::new();
    let landed = delivery.bring(&again, quiet()).await.unwrap();
    assert!(landed.iter().all(|file| file.was_there));
    assert_eq!(again.announced(), [""; 0], "what is done sends no write");
    assert!(delivery.observe().await.unwrap().is_done());
}

#[tokio::test]
async fn every_write_was_previewed_as_it_is_announced() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    let items = put_vm(&site.path("here"));
    let from = Folder::Here(site.path("here"));
    let delivery = site.delivery(from.clone(), items.clone(), Landing::Fresh);
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    assert!(preview[0].starts_with("mkdir /"));
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(journal.announced(), preview);
    assert_eq!(
        delivery.preview(&delivery.observe().await.unwrap()),
        [""; 0]
    );

    std::fs::write(site.path("target/vm/web01.vmx"), "old").unwrap();
    std::fs::write(site.path("target/vm/web01.nvram"), "old").unwrap();
    let delivery = site.delivery(from, items, Landing::Patch);
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    assert_eq!(preview.len(), 2 * 3);
    assert!(
        preview[2].ends_with("/web01.vmx.lifeboat-20260102-030405-test-original"),
        "{preview:?}"
    );
    assert!(preview[5].ends_with("/web01.vmx"), "{preview:?}");
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(journal.announced(), preview);
}

#[tokio::test]
async fn from_another_host_through_this_machine() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("there"));
    let delivery = site.delivery(site.on("bk1", "there"), items.clone(), Landing::Fresh);
    assert_eq!(delivery.mover(), Mover::Relayed);
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    for item in &items {
        assert!(same(
            &site.path("there").join(&item.name),
            &site.path("target/vm").join(&item.name)
        ));
    }
    let disk = std::fs::metadata(site.path("target/vm/web01-flat.vmdk")).unwrap();
    assert!(
        disk.blocks() * 512 < 8 << 20,
        "holes stay holes: {} bytes",
        disk.blocks() * 512
    );
}

#[tokio::test]
async fn foreign_files_are_in_the_way_and_stay() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("here"));
    std::fs::create_dir(site.path("target/vm")).unwrap();
    std::fs::write(site.path("target/vm/notes.txt"), "mine").unwrap();
    std::fs::write(site.path("target/vm/web01.vmx"), "somebody's").unwrap();
    let delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    let observed = delivery.observe().await.unwrap();
    assert_eq!(observed.foreign, ["notes.txt"]);
    assert_eq!(observed.files["web01.vmx"], Standing::Different);
    let journal = Journal::new();
    let Err(TransferError::Failed(fault)) = delivery.bring(&journal, quiet()).await else {
        panic!()
    };
    assert_eq!(
        fault.what,
        "the folder holds files that this run did not put there: web01.vmx, notes.txt"
    );
    assert_eq!(journal.announced(), [""; 0]);
    assert_eq!(
        std::fs::read(site.path("target/vm/web01.vmx")).unwrap(),
        b"somebody's"
    );
}

#[tokio::test]
async fn a_corrupt_source_is_named_and_nothing_can_be_registered() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    for from in ["here", "there"] {
        let items = put_vm(&site.path(from));
        let disk = site.path(from).join("web01-flat.vmdk");
        let mut bytes = std::fs::read(&disk).unwrap();
        bytes[6 << 20] ^= 4;
        std::fs::write(&disk, bytes).unwrap();
        let source = if from == "here" {
            Folder::Here(site.path(from))
        } else {
            site.on("bk1", from)
        };
        let delivery = site.delivery(source, items, Landing::Fresh);
        let journal = Journal::new();
        let error = delivery.bring(&journal, quiet()).await.unwrap_err();
        let what = &error.fault().what;
        let told = journal.landed.lock().unwrap().clone();
        assert_eq!(told, ["web01.nvram", "web01.vmdk", "web01.vmsd"]);
        assert!(
            what.starts_with("web01-flat.vmdk is corrupt in its restore point: its sum is "),
            "{what}"
        );
        let arrived = site.arrived();
        assert!(!arrived.contains(&"web01.vmx".to_owned()), "{arrived:?}");
        assert!(arrived.contains(&"web01-flat.vmdk.lifeboat-20260102-030405-test-part".to_owned()));
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

#[tokio::test]
async fn a_source_that_is_cut_short_is_named() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    for from in ["here", "there"] {
        let items = put_vm(&site.path(from));
        let disk = std::fs::OpenOptions::new()
            .write(true)
            .open(site.path(from).join("web01-flat.vmdk"));
        disk.unwrap().set_len(20 << 20).unwrap();
        let source = if from == "here" {
            Folder::Here(site.path(from))
        } else {
            site.on("bk1", from)
        };
        let delivery = site.delivery(source, items, Landing::Fresh);
        let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
        let what = &error.fault().what;
        assert!(
            what.contains("web01-flat.vmdk ended") && what.contains("changed while it was read"),
            "{what}"
        );
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

#[tokio::test]
async fn a_copy_back_moves_originals_aside_once_all_is_proven() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    put_vm(&site.path("there"));
    std::fs::create_dir(site.path("target/vm")).unwrap();
    let originals = put_vm(&site.path("target/vm"));
    std::fs::write(site.path("target/vm/web01.vmx"), "displayName = \"old\"\n").unwrap();
    std::fs::write(site.path("target/vm/web01-flat.vmdk"), noise(1 << 20, 99)).unwrap();
    std::fs::write(site.path("target/vm/vmware.log"), "kept").unwrap();
    std::fs::write(site.path("there/web01.vmx~"), "left behind").unwrap();
    let source = site.on("bk1", "there");
    let items = vm_files(&source, "web01.vmx").await.unwrap().items;
    let mut names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        originals
            .iter()
            .map(|item| item.name.as_str())
            .collect::<Vec<_>>()
    );
    assert!(items.iter().all(|item| item.sum.is_none()));
    let delivery = site.delivery(source, items, Landing::Patch);
    let landed = delivery.bring(&Journal::new(), quiet()).await.unwrap();
    assert!(landed.iter().all(|file| file.against == Against::Source));
    let aside = |name: &str| format!("{name}.lifeboat-20260102-030405-test-original");
    let moved: Vec<_> = landed
        .iter()
        .filter_map(|file| file.original.clone())
        .collect();
    assert_eq!(
        moved,
        [aside("web01-flat.vmdk"), aside("web01.vmx")],
        "what is equal stays"
    );
    assert_eq!(
        std::fs::read(site.path("target/vm").join(aside("web01.vmx"))).unwrap(),
        b"displayName = \"old\"\n"
    );
    for name in ["web01.vmx", "web01-flat.vmdk", "web01.nvram"] {
        assert!(
            same(
                &site.path("there").join(name),
                &site.path("target/vm").join(name)
            ),
            "{name}"
        );
    }
    assert_eq!(site.arrived().len(), 5 + 2 + 1);
    let again = Journal::new();
    let landed = delivery.bring(&again, quiet()).await.unwrap();
    assert_eq!(again.announced(), [""; 0]);
    assert_eq!(
        landed.iter().filter(|file| file.original.is_some()).count(),
        2
    );
    assert!(
        !delivery.observe().await.unwrap().is_done(),
        "without sums nothing is known"
    );
    let delivery = with_sums(delivery, &site.path("there"));
    assert!(delivery.observe().await.unwrap().is_done());
}

#[tokio::test]
async fn a_name_that_is_a_path_never_leaves() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = vec![Item {
        name: "../escape".to_owned(),
        kind: FileKind::Other,
        at: "../escape".to_owned(),
        bytes: 0,
        sum: None,
        recorded: false,
        text: None,
    }];
    let delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    let journal = Journal::new();
    let error = delivery.bring(&journal, quiet()).await.unwrap_err();
    assert_eq!(
        error.fault().what,
        "\"../escape\" cannot be the name of a file"
    );
    assert_eq!(journal.announced(), [""; 0]);
}

#[tokio::test]
async fn a_full_volume_is_named_with_what_is_free() {
    let Some(site) = Site::start(Driver::Posix, "") else {
        return;
    };
    let mut mount = std::process::Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=3m", "none"])
        .arg(site.path("target"));
    if !mount.status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: no small volume can be mounted here");
        return;
    }
    let items = put_vm(&site.path("here"));
    let delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    let brought = delivery.bring(&Journal::new(), quiet()).await;
    let arrived = site.arrived();
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(site.path("target"))
        .status();
    assert!(unmounted.unwrap().success());
    let fault = brought.unwrap_err().fault().clone();
    assert!(
        fault.what.starts_with("writing web01-flat.vmdk failed: "),
        "{fault}"
    );
    assert!(
        fault
            .next
            .contains(" free on that volume; the file needs 30.0 MiB in all"),
        "{fault}"
    );
    assert!(!arrived.contains(&"web01.vmx".to_owned()));
    assert!(arrived.contains(&"web01-flat.vmdk.lifeboat-20260102-030405-test-part".to_owned()));
}
