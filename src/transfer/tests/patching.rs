//! Copies that send only what differs: into a clone of what is there, or into the thing itself.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::cloning;
use super::site::{Journal, Site, noise, put_vm_of, quiet, with_sums, write};
use crate::runbook::model::Driver;
use crate::transfer::ranges::BLOCK;
use crate::transfer::{Delivery, Item, Landing, Standing, vm_files};
use crate::vmfiles::FileKind;

const DISK: &str = "web01-flat.vmdk";

/// A VM of one disk with so many MiB at home, and the same where it ran meanwhile.
fn put_both(site: &Site, mib: u64) {
    for folder in ["there", "target/vm"] {
        let folder = site.path(folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        put_vm_of(&folder, mib);
    }
}

async fn delivery(site: &Site, landing: Landing) -> Delivery {
    let from = site.on("bk1", "there");
    let items = vm_files(&from, "web01.vmx").await.unwrap().items;
    site.delivery(from, items, landing)
}

fn aside(name: &str) -> String {
    format!("{name}.lifeboat-20260102-030405-test-original")
}

fn read(site: &Site, folder: &str, name: &str) -> Vec<u8> {
    std::fs::read(site.path(folder).join(name)).unwrap()
}

/// What ran there is home, and nothing of the way is left but originals.
fn check(site: &Site, originals: &[&str]) {
    let mut expected = super::site::names(&site.path("there"));
    for name in &expected {
        assert!(
            read(site, "there", name) == read(site, "target/vm", name),
            "{name}"
        );
    }
    expected.extend(originals.iter().map(|name| aside(name)));
    expected.sort();
    assert_eq!(site.arrived(), expected);
}

#[tokio::test]
async fn after_one_block_in_a_hundred_changed_few_bytes_travel() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 64);
    let disk = site.path("there").join(DISK);
    // Both have data everywhere; 10 of 1024 blocks of 64 KiB then change, far from each other.
    for folder in ["there", "target/vm"] {
        write(&site.path(folder).join(DISK), 0, &noise(64 << 20, 17));
    }
    let old = read(&site, "target/vm", DISK);
    for n in 0..10 {
        write(&disk, n * 101 * BLOCK as u64 + 5000, &noise(4096, n + 1));
    }
    write(&site.path("there/web01.nvram"), 100, b"changed");
    let delivery = delivery(&site, Landing::Patch).await;
    let preview = delivery.preview(&delivery.glance().await.unwrap());
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, &[DISK, "web01.nvram"]);
    assert!(
        read(&site, "target/vm", &aside(DISK)) == old,
        "the original"
    );
    assert!(
        journal.sent() * 100 < (64 << 20) * 3,
        "{} bytes were sent",
        journal.sent()
    );
    assert!(
        site.link.passed() * 100 < (64 << 20) * 3,
        "{} bytes went up",
        site.link.passed()
    );
    let but_sizes = |lines: &[String]| -> Vec<String> {
        let but_size = |line: &String| match line.strip_prefix("write up to ") {
            Some(rest) => rest.split_once(' ').unwrap().1.to_owned(),
            None => line.clone(),
        };
        lines.iter().map(but_size).collect()
    };
    assert_eq!(
        but_sizes(&journal.announced()),
        but_sizes(&preview),
        "the card is what is done"
    );
}

#[tokio::test]
async fn a_crash_before_any_write_costs_no_second_clone() {
    let Some(site) = cloning::site() else { return };
    let fresh = || {
        put_both(&site, 5);
        let disk = site.path("there").join(DISK);
        write(&disk, 900_000, &noise(1000, 4));
        write(&disk, 100, &vec![0; 200_000]);
    };
    fresh();
    let delivery = delivery(&site, Landing::Patch).await;
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    let clones = |journal: &Journal| {
        let lines = journal.announced();
        lines.iter().filter(|line| line.contains(" -i ")).count()
    };
    let complete = 1 + whole
        .announced()
        .iter()
        .position(|line| line.contains("-clone-flat.vmdk"))
        .unwrap();
    for crash in 0..whole.announced().len() {
        fresh();
        let first = Journal::crashing_at(crash);
        assert!(delivery.bring(&first, quiet()).await.is_err());
        let second = Journal::new();
        delivery.bring(&second, quiet()).await.unwrap();
        check(&site, &[DISK]);
        if crash >= complete {
            assert_eq!(clones(&second), 0, "crash before {crash}");
        }
        assert_eq!(first.sent() + second.sent(), whole.sent());
    }
}

#[tokio::test]
async fn what_a_broken_clone_left_is_taken_away() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 5);
    write(&site.path("there").join(DISK), 0, b"new");
    let tool = site.path("bin/vmkfstools");
    let whole = std::fs::read_to_string(&tool).unwrap();
    let breaks = whole.replace(
        "cp --sparse=always",
        "echo half >\"${dst%.vmdk}-flat.vmdk\"; exit 1; cp",
    );
    std::fs::write(&tool, breaks).unwrap();
    let delivery = delivery(&site, Landing::Patch).await;
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    assert!(
        error.fault().what.starts_with("cloning web01.vmdk failed"),
        "{error}"
    );
    std::fs::write(&tool, whole).unwrap();
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, &[DISK]);
    assert!(journal.sent() < 200_000, "{} were sent", journal.sent());
}

#[tokio::test]
async fn links_that_drop_while_it_patches_cost_little() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 40);
    write(&site.path("there").join(DISK), 3 << 20, &noise(12 << 20, 9));
    let delivery = delivery(&site, Landing::Patch).await;
    site.link.cut_every(3 << 20, 3);
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, &[DISK]);
    assert!(journal.lost.load(Ordering::Relaxed) > 0, "it was not cut");
    // For each way what was in flight (1 MiB), what it is rounded up to (1 MiB).
    let ways = u64::try_from(site.ways()).unwrap();
    let most = (12 << 20) + ways * (2 << 20);
    let passed = site.link.passed();
    assert!(passed < most, "{passed} went up over {ways} ways");
}

#[tokio::test]
async fn a_source_that_changes_meanwhile_is_found() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 5);
    let disk = site.path("there").join(DISK);
    write(&disk, 0, b"before");
    let delivery = delivery(&site, Landing::Patch).await;
    let delivery = with_sums(delivery, &site.path("there"));
    write(&disk, 0, b"behind its back");
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    assert!(
        error.fault().what.contains("changed while it was copied"),
        "{error}"
    );
    let arrived = site.arrived();
    assert!(arrived.contains(&DISK.to_owned()) && !arrived.contains(&aside(DISK)));
}

#[tokio::test]
async fn what_cannot_be_cloned_comes_whole_and_says_why() {
    let Some(site) = cloning::site() else { return };
    let grow = |site: &Site| {
        let disk = File::options()
            .write(true)
            .open(site.path("target/vm").join(DISK))
            .unwrap();
        disk.set_len(6 << 20).unwrap();
    };
    let link = |site: &Site| {
        let path = site.path("target/vm/web01.vmdk");
        let text = std::fs::read_to_string(&path).unwrap();
        let link = "parentCID=1\nparentFileNameHint=\"base.vmdk\"";
        std::fs::write(&path, text.replace("parentCID=ffffffff", link)).unwrap();
    };
    let alone = |site: &Site| std::fs::remove_file(site.path("target/vm/web01.vmdk")).unwrap();
    type Spoil<'a> = &'a dyn Fn(&Site);
    let cases: [(Spoil<'_>, &str, &[&str]); 3] = [
        (&grow, "another size", &[DISK]),
        (&link, "is a snapshot", &[DISK, "web01.vmdk"]),
        (&alone, "no descriptor", &[DISK]),
    ];
    for (spoil, why, originals) in cases {
        put_both(&site, 5);
        write(&site.path("there").join(DISK), 0, b"new");
        spoil(&site);
        let delivery = delivery(&site, Landing::Patch).await;
        let seen = delivery.glance().await.unwrap();
        let base = seen.bases.get(DISK).unwrap();
        assert!(base.as_ref().unwrap_err().contains(why), "{base:?}");
        let journal = Journal::new();
        delivery.bring(&journal, quiet()).await.unwrap();
        check(&site, originals);
        assert!(!journal.announced().iter().any(|line| line.contains(" -i ")));
    }
}

#[tokio::test]
async fn in_place_the_disk_itself_is_written_to_and_never_under_its_name() {
    let Some(site) = cloning::site() else { return };
    let fresh = || {
        put_both(&site, 5);
        write(&site.path("there").join(DISK), 70_000, &noise(9000, 4));
    };
    fresh();
    let delivery = delivery(&site, Landing::InPlace).await;
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    check(&site, &[]);
    assert!(whole.sent() <= 2 * BLOCK as u64);
    for crash in 0..whole.announced().len() {
        fresh();
        let journal = Journal::crashing_at(crash);
        assert!(delivery.bring(&journal, quiet()).await.is_err());
        if journal.sent() > 0 {
            let there = site.path("target/vm").join(DISK);
            assert!(!there.exists() || read(&site, "there", DISK) == std::fs::read(there).unwrap());
        }
        delivery.bring(&Journal::new(), quiet()).await.unwrap();
        check(&site, &[]);
    }
}

#[tokio::test]
async fn a_look_reads_no_disk_and_tells_small_files_apart() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 5);
    write(&site.path("there/web01.nvram"), 0, b"new");
    let delivery = delivery(&site, Landing::Patch).await;
    let seen = delivery.glance().await.unwrap();
    let standing: Vec<_> = seen.different().collect();
    assert_eq!(standing, [DISK, "web01.nvram"]);
    assert!(matches!(seen.standing("web01.vmdk"), Standing::Whole(..)));
    assert!(seen.bases[DISK].is_ok());
}

/// A file of some blocks: each is zeros, or noise of its own seed.
fn of_blocks(path: &Path, blocks: &[u64], odd: u64) {
    let file = File::create(path).unwrap();
    let block = BLOCK as u64;
    for (at, seed) in (0..).zip(blocks).filter(|(_, seed)| **seed > 0) {
        file.write_all_at(&noise(BLOCK, *seed), at * block).unwrap();
    }
    file.set_len(blocks.len() as u64 * block - odd).unwrap();
}

#[test]
fn whatever_differs_the_copy_is_the_source_and_no_more_than_that_is_sent() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let site = {
        let _entered = runtime.enter();
        let Some(site) = Site::start(Driver::Posix, "") else {
            return;
        };
        site
    };
    let blocks = || proptest::collection::vec(0..3_u64, 20..50);
    let mut runner = TestRunner::new(Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    });
    let odd = prop_oneof![Just(0_u64), Just(1), 2..60_000_u64];
    let tried = runner.run(&(blocks(), blocks(), odd), |(old, new, odd)| {
        let size = old.len().min(new.len());
        let (old, new) = (&old[..size], &new[..size]);
        for (folder, blocks) in [("there", new), ("target/vm", old)] {
            let folder = site.path(folder);
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir(&folder).unwrap();
            of_blocks(&folder.join(DISK), blocks, odd);
        }
        let item = Item {
            name: DISK.to_owned(),
            kind: FileKind::Extent,
            at: DISK.to_owned(),
            bytes: (size * BLOCK) as u64 - odd,
            sum: None,
            recorded: false,
            text: None,
        };
        let delivery = site.delivery(site.on("bk1", "there"), vec![item], Landing::Patch);
        let journal = Journal::new();
        runtime.block_on(delivery.bring(&journal, quiet())).unwrap();
        let differ = old.iter().zip(new).filter(|(old, new)| old != new).count();
        prop_assert!(journal.sent() <= (differ * BLOCK) as u64);
        prop_assert!(read(&site, "there", DISK) == read(&site, "target/vm", DISK));
        Ok(())
    });
    drop(runtime);
    tried.unwrap();
}
