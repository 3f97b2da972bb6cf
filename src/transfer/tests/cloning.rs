//! A point on the recovery host itself: cloned there, with a stand-in for `vmkfstools`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::site::{Journal, Site, items_of, noise, put_vm, put_vm_of, quiet};
use crate::runbook::model::{DiskFormat, Driver};
use crate::transfer::{Against, Landing, Mover, Sum, Tell};

/// Clones, checks and renames as the host's own tool does: progress with carriage returns, a new
/// content id, the data's name inside the descriptor.
const VMKFSTOOLS: &str = r#"#!/bin/sh
case "$1" in
  -i) src=$2; dst=$5; echo "$4" >"$(dirname "$0")/format"
    [ -e "$dst" ] && { echo 'Failed to clone disk: The file already exists (39).'; exit 255; }
    base=${dst##*/}; flat=${dst%.vmdk}-flat.vmdk; folder=$(dirname "$src")
    [ -e "$(dirname "$0")/slow" ] && sleep 0.3
    printf 'Destination disk format: VMFS thin-provisioned\nClone: 37%% done.\rClone: 100%% done.\n'
    case $(grep -a createType= "$src") in
      *vmfs*) cp --sparse=always "${src%.vmdk}-flat.vmdk" "$flat" || exit 1;;
      *Flat*) : >"$flat"; grep -a '^RW' "$src" | sed 's/.*"\(.*\)".*/\1/' | while read -r name; do
        cat "$folder/$name" >>"$flat" || exit 1; done;;
      *) [ -e "$folder/refuse" ] && { echo 'Failed to open: The system cannot find the file specified (25).'; exit 255; }
        truncate -s $(( $(grep -a '^RW' "$src" | cut -d' ' -f2) * 512 )) "$flat";;
    esac
    sectors=$(( $(stat -c %s "$flat") / 512 ))
    printf '# Disk DescriptorFile\nCID=deadbeef\nparentCID=ffffffff\ncreateType="vmfs"\nRW %s VMFS "%s"\n' \
      "$sectors" "${base%.vmdk}-flat.vmdk" >"$dst";;
  -e) [ -e "${2%.vmdk}-flat.vmdk" ] && echo 'Disk chain is consistent.';;
  -E) base=${3##*/}
    mv "${2%.vmdk}-flat.vmdk" "${3%.vmdk}-flat.vmdk" || exit 1
    sed "s/\"[^\"]*-flat.vmdk\"/\"${base%.vmdk}-flat.vmdk\"/" "$2" >"$3" && rm "$2";;
  *) exit 1;;
esac
"#;

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
    let delivery = delivery.surveyed(None).await.unwrap();
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

/// A chain is copied link by link: a clone would merge it, or no longer fit its snapshots. So are
/// the files of a disk that lie in two points' folders.
#[tokio::test]
async fn what_a_clone_would_change_is_copied() {
    let Some(site) = site() else { return };
    put_vm_of(&site.path("there"), 5);
    let base = std::fs::read_to_string(site.path("there/web01.vmdk")).unwrap();
    let link = base
        .replace("web01-flat.vmdk", "web01-000001-delta.vmdk")
        .replace(
            "parentCID=ffffffff",
            "parentCID=1\nparentFileNameHint=\"web01.vmdk\"",
        )
        .replace("\"vmfs\"", "\"vmfsSparse\"")
        .replace(" VMFS ", " VMFSSPARSE ");
    std::fs::write(site.path("there/web01-000001.vmdk"), link).unwrap();
    std::fs::write(site.path("there/web01-000001-delta.vmdk"), noise(9000, 3)).unwrap();
    std::fs::create_dir(site.path("there/1")).unwrap();
    let flat = "web01-flat.vmdk";
    std::fs::rename(
        site.path("there").join(flat),
        site.path("there/1").join(flat),
    )
    .unwrap();
    let mut items = items_of(&site.path("there"));
    let mut moved = items_of(&site.path("there/1"));
    moved[0].at = format!("1/{flat}");
    items.retain(|item| item.name != "1");
    items.extend(moved);
    let delivery = site.delivery(site.on("esx1", "there"), items.clone(), Landing::Fresh);
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert!(landed.iter().all(|file| file.against == Against::Recorded));
    assert_eq!(landed.len(), 7);
    let tools = journal.announced().join("\n");
    assert!(!tools.contains("vmkfstools"), "{tools}");
    for item in items {
        let arrived = std::fs::read(site.path("target/vm").join(&item.name)).unwrap();
        assert_eq!(Some(Sum::of(&arrived)), item.sum, "{}", item.name);
    }
}

#[tokio::test]
async fn a_clone_is_laid_out_as_asked() {
    let Some(site) = site() else { return };
    let items = put_vm_of(&site.path("there"), 5);
    let delivery = site.delivery(site.on("esx1", "there"), items, Landing::Fresh);
    let delivery = delivery
        .surveyed(Some(DiskFormat::EagerZeroedThick))
        .await
        .unwrap();
    // The meter tells one phase ten times a second.
    std::fs::write(site.path("bin/slow"), "").unwrap();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = told.clone();
    let tell: Tell = Arc::new(move |now: crate::transfer::Progress| {
        sink.lock().unwrap().push((now.phase, now.file_done));
    });
    delivery.bring(&Journal::new(), tell).await.unwrap();
    let format = std::fs::read_to_string(site.path("bin/format")).unwrap();
    assert_eq!(format, "eagerzeroedthick\n");
    let between = |(phase, done): &(crate::transfer::Phase, u64)| {
        *phase == crate::transfer::Phase::Cloning && (1 << 20..5 << 20).contains(done)
    };
    assert!(
        told.lock().unwrap().iter().any(between),
        "what vmkfstools says moves the meter: {:?}",
        told.lock().unwrap()
    );
}
