//! Disks made from those that lie in another folder of the same host: little is sent, the seed is only
//! read, and the whole is proven.

use std::collections::BTreeMap;

use super::cloning;
use super::site::{Journal, Site, items_of, names, noise, put_vm_of, quiet, write};
use crate::transfer::ranges::BLOCK;
use crate::transfer::{Against, Delivery, Landing, Mover};

const DISK: &str = "web01-flat.vmdk";

/// A point with a disk of so many MiB, and the same in a drill's folder on the target's host.
fn put_both(site: &Site, mib: u64) {
    for folder in ["there", "drill"] {
        let folder = site.path(folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        put_vm_of(&folder, mib);
        write(&folder.join(DISK), 0, &noise((mib << 20) as usize, 17));
    }
    let _ = std::fs::remove_dir_all(site.path("target/vm"));
}

/// The sizes of the files there, as somebody saw them.
fn sizes(site: &Site) -> BTreeMap<String, u64> {
    let folder = site.path("drill");
    let size = |name: &String| std::fs::metadata(folder.join(name)).unwrap().len();
    let all = names(&folder);
    all.iter().map(|name| (name.clone(), size(name))).collect()
}

async fn seeded(site: &Site) -> Delivery {
    let items = items_of(&site.path("there"));
    let mut delivery = site.delivery(site.on("bk1", "there"), items, Landing::Fresh);
    let folder = site.path("drill").to_str().unwrap().to_owned();
    let found = delivery.seeds_in(&folder, &sizes(site)).await.unwrap();
    let fits = found.into_iter().map(|(name, seed)| (name, seed.unwrap()));
    delivery.seeds = fits.collect();
    assert_eq!(delivery.mover(), Mover::Relayed);
    delivery
}

fn content(site: &Site, folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = site.path(folder);
    let read = |name: String| (name.clone(), std::fs::read(folder.join(name)).unwrap());
    names(&folder).into_iter().map(read).collect()
}

#[tokio::test]
async fn of_a_disk_of_which_a_drill_changed_one_block_in_a_hundred_few_bytes_travel() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 64);
    for n in 0..10 {
        let at = n * 101 * BLOCK as u64 + 5000;
        write(&site.path("drill").join(DISK), at, &noise(4096, n + 1));
    }
    let before = content(&site, "drill");
    let delivery = seeded(&site).await;
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert!(content(&site, "there") == content(&site, "target/vm"));
    assert!(content(&site, "drill") == before, "the seed is only read");
    assert!(landed.iter().all(|file| file.against == Against::Recorded));
    for (what, bytes) in [("sent", journal.sent()), ("up", site.link.passed())] {
        assert!(bytes * 100 < (64 << 20) * 3, "{bytes} bytes {what}");
    }
    let drill = site.path("drill").to_str().unwrap().to_owned();
    let (cloned, others): (Vec<String>, Vec<String>) = journal
        .announced()
        .into_iter()
        .partition(|line| line.starts_with("vmkfstools -i"));
    assert!(
        others.iter().all(|line| !line.contains(&drill)),
        "{others:#?}"
    );
    assert_eq!(cloned.len(), 1);
    let is_size = |line: &&String| !line.starts_with("write up to ");
    let announced = journal.announced();
    let shown: Vec<&String> = preview.iter().filter(is_size).collect();
    let done: Vec<&String> = announced.iter().filter(is_size).collect();
    assert_eq!(done, shown, "the card is what is done");
}

#[tokio::test]
async fn a_crash_at_any_write_is_gone_on_from() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 5);
    write(&site.path("drill").join(DISK), 900_000, &noise(1000, 4));
    let before = content(&site, "drill");
    let whole = Journal::new();
    let delivery = seeded(&site).await;
    delivery.bring(&whole, quiet()).await.unwrap();
    for crash in 0..whole.announced().len() {
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
        let crashed = delivery.bring(&Journal::crashing_at(crash), quiet()).await;
        assert!(crashed.is_err());
        let again = Journal::new();
        delivery.bring(&again, quiet()).await.unwrap();
        let same = content(&site, "there") == content(&site, "target/vm");
        assert!(same, "crash before write {crash}");
        assert!(again.sent() < 1 << 20, "{} bytes were sent", again.sent());
    }
    assert!(content(&site, "drill") == before);
}

#[tokio::test]
async fn a_disk_that_does_not_fit_is_named_and_one_that_is_not_what_it_seems_costs_time_alone() {
    let Some(site) = cloning::site() else { return };
    put_both(&site, 5);
    let delivery = seeded(&site).await;
    let folder = site.path("drill").to_str().unwrap().to_owned();
    for (name, size, why) in [
        (DISK, None, "no plain file"),
        (DISK, Some(7), "another size"),
        ("web01.vmdk", None, "no descriptor"),
    ] {
        let mut sizes = sizes(&site);
        sizes.remove(name);
        sizes.extend(size.map(|size| (name.to_owned(), size)));
        let found = delivery.seeds_in(&folder, &sizes).await.unwrap();
        let said = found[DISK].as_ref().unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    // Other data altogether.
    write(&site.path("drill").join(DISK), 0, &noise(5 << 20, 99));
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    assert!(content(&site, "there") == content(&site, "target/vm"));
    assert_eq!(journal.sent() >> 20, 5);
}
