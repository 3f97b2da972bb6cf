//! The destination's sum is taken while the file arrives, and finds what it would find afterwards.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use super::site::{Journal, Site, noise, put_vm, quiet};
use crate::hypervisor::shell::SumTool;
use crate::runbook::model::Driver;
use crate::transfer::{Delivery, Folder, Item, Landed, Landing, Sum, SummedBy};
use crate::vmfiles::FileKind;

const PYTHON: &str = "/usr/bin/python3";

/// A site whose hosts have a python: it sums what arrives, and nothing else that is looked at here.
fn start() -> Option<Site> {
    start_with(true)
}

fn start_with(bulk_session: bool) -> Option<Site> {
    if !Path::new(PYTHON).exists() {
        println!("SKIPPED: {PYTHON} is not installed");
        return None;
    }
    Site::start_with(Driver::Esxi, "", bulk_session)
}

fn tool(landed: &[Landed], name: &str) -> SummedBy {
    landed
        .iter()
        .find(|file| file.name == name)
        .unwrap()
        .summed_by
}

fn sessions(journal: &Journal) -> usize {
    let announced = journal.announced();
    let of_disk = |line: &&String| line.starts_with("write up to") && line.contains("flat.vmdk");
    announced.iter().filter(of_disk).count()
}

fn same(site: &Site, from: &str) -> bool {
    let name = "web01-flat.vmdk";
    let read = |path: &str| std::fs::read(site.path(path).join(name)).unwrap();
    read(from) == read("target/vm")
}

#[tokio::test]
async fn a_large_file_is_summed_while_it_arrives() {
    for bulk_session in [true, false] {
        let Some(site) = start_with(bulk_session) else {
            return;
        };
        is_summed_while_it_arrives(&site).await;
    }
}

async fn is_summed_while_it_arrives(site: &Site) {
    for from in ["here", "there"] {
        let items = put_vm(&site.path(from));
        let source = match from {
            "here" => Folder::Here(site.path(from)),
            _ => site.on("bk1", from),
        };
        let delivery = site.delivery(source, items, Landing::Fresh);
        let landed = delivery.bring(&Journal::new(), quiet()).await.unwrap();
        let by = tool(&landed, "web01-flat.vmdk");
        assert_eq!(by, SummedBy::Host(SumTool::Python3), "{from}");
        let small = tool(&landed, "web01.nvram");
        assert_ne!(small, SummedBy::Host(SumTool::Python3));
        assert!(same(site, from));
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

/// A python that first, once, changes a byte of the file that it is to sum.
fn change_behind_our_back(site: &Site, place: u64) {
    let mark = site.path("changed");
    let _ = std::fs::remove_file(&mark);
    let script = format!(
        "case \"$2\" in *hash.update*) if [ ! -e {mark} ]; then read -r line; : >{mark}\n\
         printf '\\377' | dd of=\"$3\" bs=1 seek={place} conv=notrunc 2>/dev/null\n\
         {{ echo \"$line\"; cat; }} | {PYTHON} \"$@\"; exit; fi;; esac\n",
        mark = mark.display()
    );
    put_python(site, &script);
}

/// A python that does something else before, or instead.
fn put_python(site: &Site, first: &str) {
    let script = format!("#!/bin/sh\n{first}exec {PYTHON} \"$@\"\n");
    let path = site.path("bin/python3");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_byte_that_changes_there_before_it_is_summed_is_found_and_mended() {
    let Some(site) = start() else { return };
    let mut items = put_vm(&site.path("here"));
    let disk = site.path("here/web01-flat.vmdk");
    // Whatever is changed, it becomes another.
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
    let file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
    for place in [0, 5 << 20, 30 * (1 << 20) - 70_000] {
        let end = bytes.len().min(place + (4 << 20));
        file.write_all_at(&bytes[place..end], place as u64).unwrap();
    }
    let item = items.iter_mut().find(|item| item.name.contains("flat"));
    item.unwrap().sum = Some(Sum::of(&std::fs::read(&disk).unwrap()));
    // In data that arrived, in a hole that is passed, in both that are still to come.
    let places = [5, 7 << 20, 3 << 20, 20 << 20, (30 << 20) - 3];
    for place in places {
        change_behind_our_back(&site, place);
        let from = Folder::Here(site.path("here"));
        let delivery = site.delivery(from, items.clone(), Landing::Fresh);
        let journal = Journal::new();
        delivery.bring(&journal, quiet()).await.unwrap();
        assert!(site.path("changed").exists(), "nothing was changed");
        assert!(same(&site, "here"), "the change at {place} stayed");
        // What came later than the change may have covered it.
        let mended = if place == (30 << 20) - 3 {
            1..=2
        } else {
            2..=2
        };
        assert!(mended.contains(&sessions(&journal)), "change at {place}");
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

#[tokio::test]
async fn a_sum_taken_along_that_alone_speaks_against_a_file_is_taken_again() {
    let Some(site) = start() else { return };
    let items = put_vm(&site.path("here"));
    // As if the host's file system told of a hole where there is data.
    put_python(
        &site,
        "case \"$2\" in *hash.update*) cat >/dev/null; echo python3; printf '%064d\\n' 0; exit;; esac\n",
    );
    let from = Folder::Here(site.path("here"));
    let delivery = site.delivery(from, items, Landing::Fresh);
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    let by = tool(&landed, "web01-flat.vmdk");
    assert_ne!(by, SummedBy::Host(SumTool::Python3));
    assert_eq!(sessions(&journal), 1);
}

#[tokio::test]
async fn what_is_sent_in_two_goes_is_summed_only_where_it_stays() {
    let Some(site) = start() else { return };
    let data = noise(40 << 20, 3);
    std::fs::write(site.path("here/web01-flat.vmdk"), &data).unwrap();
    std::fs::create_dir(site.path("target/vm")).unwrap();
    // A hole that is filled last comes before what is corrected first.
    let part = site.path("target/vm/web01-flat.vmdk.lifeboat-20260102-030405-test-part");
    let there = std::fs::File::create(&part).unwrap();
    there.write_all_at(&data[..12 << 20], 0).unwrap();
    there.write_all_at(&noise(24 << 20, 4), 16 << 20).unwrap();
    let item = Item {
        name: "web01-flat.vmdk".to_owned(),
        kind: FileKind::Extent,
        at: "web01-flat.vmdk".to_owned(),
        bytes: 40 << 20,
        sum: Some(Sum::of(&data)),
        recorded: true,
        text: None,
    };
    let from = Folder::Here(site.path("here"));
    let delivery: Delivery = site.delivery(from, vec![item], Landing::Fresh);
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    let by = tool(&landed, "web01-flat.vmdk");
    assert_eq!(by, SummedBy::Host(SumTool::Python3));
    assert_eq!(journal.sent(), 28 << 20);
    assert_eq!(sessions(&journal), 2);
    assert!(same(&site, "here"));
}

#[tokio::test]
async fn a_host_that_changes_its_keys_all_the_time_gets_all_of_it() {
    for bulk_session in [true, false] {
        let Some(site) = Site::start_with(Driver::Esxi, "RekeyLimit 1M", bulk_session) else {
            return;
        };
        let mut items = put_vm(&site.path("here"));
        let disk = site.path("here/web01-flat.vmdk");
        std::fs::write(&disk, noise(30 << 20, 9)).unwrap();
        let item = items.iter_mut().find(|item| item.name.contains("flat"));
        item.unwrap().sum = Some(Sum::of(&std::fs::read(&disk).unwrap()));
        let from = Folder::Here(site.path("here"));
        let delivery = site.delivery(from, items, Landing::Fresh);
        delivery.bring(&Journal::new(), quiet()).await.unwrap();
        assert!(same(&site, "here"), "bulk session: {bulk_session}");
    }
}
