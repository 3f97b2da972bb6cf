//! One file goes over several ways at once: they share it, and none of them is needed.

use std::sync::atomic::Ordering;

use super::site::{Journal, Site, noise, quiet};
use crate::runbook::model::Driver;
use crate::transfer::{Delivery, Folder, Item, Landing, Sum};
use crate::vmfiles::FileKind;

const SIZE: u64 = 48 << 20;

/// A host to which ssh2 carries the data, over two sessions if it lets it.
fn start(extra: &str) -> Option<Site> {
    Site::start_with(Driver::Esxi, extra, false)
}

fn delivery(site: &Site) -> Delivery {
    let data = noise(usize::try_from(SIZE).unwrap(), 1);
    std::fs::write(site.path("here/disk"), &data).unwrap();
    let item = Item {
        name: "disk".to_owned(),
        kind: FileKind::Other,
        at: "disk".to_owned(),
        bytes: SIZE,
        sum: Some(Sum::of(&data)),
        recorded: true,
        text: None,
    };
    site.delivery(Folder::Here(site.path("here")), vec![item], Landing::Fresh)
}

fn same(site: &Site) -> bool {
    let read = |path: &str| std::fs::read(site.path(path)).unwrap();
    read("here/disk") == read("target/vm/disk")
}

#[tokio::test]
async fn a_large_file_goes_over_two_ways_in_one_write() {
    let Some(site) = start("") else {
        return;
    };
    let journal = Journal::new();
    delivery(&site).bring(&journal, quiet()).await.unwrap();
    assert!(same(&site));
    assert_eq!(site.ways(), 2);
    assert_eq!(journal.sent(), SIZE);
    let announced = journal.announced();
    let writes = announced
        .iter()
        .filter(|line| line.starts_with("write up to"));
    assert_eq!(writes.count(), 1, "{announced:?}");
}

#[tokio::test]
async fn a_way_that_breaks_costs_what_was_on_its_way_and_is_done_without() {
    let Some(site) = start("") else {
        return;
    };
    let cuts = 6;
    site.link.cut_every(5 << 20, cuts);
    let journal = Journal::new();
    delivery(&site).bring(&journal, quiet()).await.unwrap();
    assert!(same(&site));
    assert!(journal.lost.load(Ordering::Relaxed) >= 3, "it was not cut");
    let again = site.link.passed().saturating_sub(SIZE);
    // For each way what was in flight (1 MiB), what it is rounded up to (1 MiB).
    let ways = u64::try_from(site.ways()).unwrap();
    assert!(
        again < ways * (2 << 20),
        "{again} bytes were sent again after {cuts} cuts, over {ways} ways in all"
    );
}
