//! Links that drop, runs that crash: nothing proven is sent again, and the end is whole.

use std::sync::atomic::Ordering;

use super::site::{Journal, Site, noise, put_vm, put_vm_of, quiet};
use crate::runbook::model::Driver;
use crate::transfer::{Folder, Item, Landing, Sum};
use crate::vmfiles::FileKind;

fn check(site: &Site, from: &str, items: &[Item]) {
    for item in items {
        let arrived = std::fs::read(site.path("target/vm").join(&item.name)).unwrap();
        assert_eq!(Some(Sum::of(&arrived)), item.sum, "{} of {from}", item.name);
    }
    assert_eq!(site.arrived().len(), items.len(), "{:?}", site.arrived());
}

#[tokio::test]
async fn a_link_that_drops_again_and_again_costs_little() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let data = noise(48 << 20, 1);
    std::fs::write(site.path("here/disk"), &data).unwrap();
    let item = Item {
        name: "disk".to_owned(),
        kind: FileKind::Other,
        at: "disk".to_owned(),
        bytes: 48 << 20,
        sum: Some(Sum::of(&data)),
        recorded: true,
        text: None,
    };
    let delivery = site.delivery(
        Folder::Here(site.path("here")),
        vec![item.clone()],
        Landing::Fresh,
    );
    let cuts = 8;
    site.link.cut_every(6 << 20, cuts);
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, "here", &[item]);
    assert!(journal.lost.load(Ordering::Relaxed) >= 5, "it was not cut");
    let again = site.link.passed().saturating_sub(48 << 20);
    // For each way what was in flight (1 MiB), what it is rounded up to (1 MiB).
    let ways = u64::try_from(site.ways()).unwrap();
    assert!(
        again < ways * (2 << 20),
        "{again} bytes were sent again after {cuts} cuts, over {ways} ways in all"
    );
}

#[tokio::test]
async fn of_a_large_file_only_what_had_not_arrived_is_sent() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let folder = site.path("here");
    let file = std::fs::File::create(folder.join("disk")).unwrap();
    let (head, tail) = (noise(3 << 20, 1), noise(2 << 20, 2));
    std::os::unix::fs::FileExt::write_all_at(&file, &head, 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &tail, 130 << 20).unwrap();
    let bytes = (132 << 20) + 5;
    file.set_len(bytes).unwrap();
    let sum = Sum::of(&std::fs::read(folder.join("disk")).unwrap());
    let item = Item {
        name: "disk".to_owned(),
        kind: FileKind::Other,
        at: "disk".to_owned(),
        bytes,
        sum: Some(sum),
        recorded: true,
        text: None,
    };
    std::fs::create_dir(site.path("target/vm")).unwrap();
    // One of the first three MiB is there, and nothing else.
    let part = site.path("target/vm/disk.lifeboat-20260102-030405-test-part");
    let there = std::fs::File::create(&part).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&there, &head[..1 << 20], 0).unwrap();
    let delivery = site.delivery(Folder::Here(folder), vec![item.clone()], Landing::Fresh);
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, "here", &[item]);
    assert_eq!(journal.sent(), (2 << 20) + (2 << 20));
}

#[tokio::test]
async fn a_relay_survives_cuts_too() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("there"));
    let delivery = site.delivery(site.on("bk1", "there"), items.clone(), Landing::Fresh);
    site.link.cut_every(2 << 20, 2);
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    check(&site, "there", &items);
    assert!(journal.lost.load(Ordering::Relaxed) > 0, "it was not cut");
}

#[tokio::test]
async fn a_crash_before_any_write_is_gone_on_from() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm_of(&site.path("here"), 5);
    let delivery = site.delivery(
        Folder::Here(site.path("here")),
        items.clone(),
        Landing::Fresh,
    );
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    let writes = whole.announced().len();
    for crash in 0..writes {
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
        let first = Journal::crashing_at(crash);
        assert!(delivery.bring(&first, quiet()).await.is_err());
        assert!(!site.arrived().contains(&"web01.vmx".to_owned()));
        let second = Journal::new();
        delivery.bring(&second, quiet()).await.unwrap();
        check(&site, "here", &items);
        let sent = first.sent() + second.sent();
        assert_eq!(
            sent,
            whole.sent(),
            "crash before write {crash}: proven bytes were sent again"
        );
    }
}

#[tokio::test]
async fn a_crash_while_originals_make_room_is_gone_on_from() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm_of(&site.path("here"), 5);
    let fresh = || {
        let _ = std::fs::remove_dir_all(site.path("target/vm"));
        std::fs::create_dir(site.path("target/vm")).unwrap();
        std::fs::write(site.path("target/vm/web01.vmx"), "old").unwrap();
        std::fs::write(site.path("target/vm/web01.nvram"), "old").unwrap();
    };
    let delivery = site.delivery(
        Folder::Here(site.path("here")),
        items.clone(),
        Landing::Patch,
    );
    fresh();
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    for crash in 0..whole.announced().len() {
        fresh();
        assert!(
            delivery
                .bring(&Journal::crashing_at(crash), quiet())
                .await
                .is_err()
        );
        delivery.bring(&Journal::new(), quiet()).await.unwrap();
        for name in ["web01.vmx", "web01.nvram"] {
            let aside = format!("target/vm/{name}.lifeboat-20260102-030405-test-original");
            assert_eq!(
                std::fs::read(site.path(&aside)).unwrap(),
                b"old",
                "crash before {crash}"
            );
            let now = std::fs::read(site.path("target/vm").join(name)).unwrap();
            assert_eq!(now, std::fs::read(site.path("here").join(name)).unwrap());
        }
        assert_eq!(site.arrived().len(), items.len() + 2);
    }
}

#[tokio::test]
async fn what_lies_wrong_at_the_target_is_mended() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("here"));
    std::fs::create_dir(site.path("target/vm")).unwrap();
    // An unfinished file with rubbish where the source has a hole, and too long.
    let part = site.path("target/vm/web01-flat.vmdk.lifeboat-20260102-030405-test-part");
    std::fs::write(&part, noise(40 << 20, 23)).unwrap();
    let delivery = site.delivery(
        Folder::Here(site.path("here")),
        items.clone(),
        Landing::Fresh,
    );
    delivery.bring(&Journal::new(), quiet()).await.unwrap();
    check(&site, "here", &items);
}

#[tokio::test]
async fn a_host_that_stays_away_is_given_up_on_with_words() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_vm(&site.path("here"));
    let mut delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    delivery.patience.total = std::time::Duration::from_millis(600);
    delivery.observe().await.unwrap();
    site.link.cut_every(1 << 20, u64::MAX);
    let refusing = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        site.link.refuse();
    };
    let journal = Journal::new();
    let (brought, ()) = tokio::join!(delivery.bring(&journal, quiet()), refusing);
    let fault = brought.unwrap_err().fault().clone();
    assert!(fault.passing, "{fault}");
    assert!(!fault.next.is_empty() && !fault.state.is_empty(), "{fault}");
}
