//! A point on the recovery host itself: cloned there, with a stand-in for `vmkfstools`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::site::{Journal, Site, put_vm, put_vm_of};
use crate::runbook::model::Driver;
use crate::transfer::{Against, Landing, Mover, Tell};

/// Clones, checks and renames as the host's own tool does: progress with carriage returns, a new
/// content id, the data's name inside the descriptor.
const VMKFSTOOLS: &str = r#"#!/bin/sh
case "$1" in
  -i) src=$2; dst=$5
    [ -e "$dst" ] && { echo 'Failed to clone disk: The file already exists (39).'; exit 255; }
    printf 'Destination disk format: VMFS thin-provisioned\nClone: 37%% done.\rClone: 100%% done.\n'
    cp --sparse=always "${src%.vmdk}-flat.vmdk" "${dst%.vmdk}-flat.vmdk" || exit 1
    base=${dst##*/}
    sed -e 's/^CID=.*/CID=deadbeef/' -e "s/\"[^\"]*-flat.vmdk\"/\"${base%.vmdk}-flat.vmdk\"/" "$src" >"$dst";;
  -e) [ -e "${2%.vmdk}-flat.vmdk" ] && echo 'Disk chain is consistent.';;
  -E) base=${3##*/}
    mv "${2%.vmdk}-flat.vmdk" "${3%.vmdk}-flat.vmdk" || exit 1
    sed "s/\"[^\"]*-flat.vmdk\"/\"${base%.vmdk}-flat.vmdk\"/" "$2" >"$3" && rm "$2";;
  *) exit 1;;
esac
"#;

fn quiet() -> Tell {
    Arc::new(|_| {})
}

/// A site whose `esx1` has that tool.
pub(super) fn site() -> Option<Site> {
    let site = Site::start(Driver::Esxi, "")?;
    let tool = site.path("bin/vmkfstools");
    std::fs::write(&tool, VMKFSTOOLS).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(site)
}

#[tokio::test]
async fn disks_are_cloned_on_the_host_and_their_data_is_proven() {
    let Some(site) = site() else { return };
    let items = put_vm(&site.path("there"));
    let delivery = site.delivery(site.on("esx1", "there"), items, Landing::Fresh);
    assert_eq!(delivery.mover(), Mover::OnHost);
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(journal.announced(), preview);
    assert!(
        site.link.passed() < 1 << 20,
        "{} bytes went up",
        site.link.passed()
    );
    let against: Vec<_> = landed
        .iter()
        .map(|file| (file.name.as_str(), file.against))
        .collect();
    assert_eq!(
        against,
        [
            ("web01.nvram", Against::Recorded),
            ("web01.vmsd", Against::Recorded),
            ("web01-flat.vmdk", Against::Recorded),
            ("web01.vmdk", Against::Rewritten),
            ("web01.vmx", Against::Recorded),
        ]
    );
    assert_eq!(
        site.arrived(),
        [
            "web01-flat.vmdk",
            "web01.nvram",
            "web01.vmdk",
            "web01.vmsd",
            "web01.vmx"
        ]
    );
    let descriptor = std::fs::read_to_string(site.path("target/vm/web01.vmdk")).unwrap();
    assert!(descriptor.contains("\"web01-flat.vmdk\""), "{descriptor}");
    let again = Journal::new();
    let landed = delivery.bring(&again, quiet()).await.unwrap();
    assert_eq!(again.announced(), [""; 0]);
    assert!(landed.iter().all(|file| file.was_there));
    assert!(delivery.observe().await.unwrap().is_done());
}

#[tokio::test]
async fn a_crash_while_cloning_is_gone_on_from() {
    let Some(site) = site() else { return };
    let items = put_vm_of(&site.path("there"), 5);
    let delivery = site.delivery(site.on("esx1", "there"), items, Landing::Fresh);
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    for crash in 0..whole.announced().len() {
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
        assert!(
            delivery
                .bring(&Journal::crashing_at(crash), quiet())
                .await
                .is_err()
        );
        delivery.bring(&Journal::new(), quiet()).await.unwrap();
        assert_eq!(site.arrived().len(), 5, "crash before write {crash}");
        assert!(delivery.observe().await.unwrap().is_done());
    }
}

#[tokio::test]
async fn a_corrupt_disk_is_not_even_cloned() {
    let Some(site) = site() else { return };
    let items = put_vm(&site.path("there"));
    let disk = site.path("there/web01-flat.vmdk");
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&disk, bytes).unwrap();
    let delivery = site.delivery(site.on("esx1", "there"), items, Landing::Fresh);
    let journal = Journal::new();
    let error = delivery.bring(&journal, quiet()).await.unwrap_err();
    assert!(
        error.fault().what.starts_with("web01-flat.vmdk is corrupt"),
        "{error}"
    );
    assert!(
        !journal
            .announced()
            .iter()
            .any(|line| line.contains("vmkfstools"))
    );
    assert!(!site.arrived().contains(&"web01.vmx".to_owned()));
}

#[tokio::test]
async fn what_a_clone_would_change_is_refused() {
    let Some(site) = site() else { return };
    let items = put_vm(&site.path("there"));
    let descriptor = site.path("there/web01.vmdk");
    let text = std::fs::read_to_string(&descriptor).unwrap();
    let link = text.replace(
        "parentCID=ffffffff",
        "parentCID=1\nparentFileNameHint=\"base.vmdk\"",
    );
    std::fs::write(&descriptor, link).unwrap();
    let delivery = site.delivery(site.on("esx1", "there"), items, Landing::Fresh);
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    assert_eq!(
        error.fault().what,
        "web01.vmdk is a snapshot, and a clone would merge it"
    );
}
