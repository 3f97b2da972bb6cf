//! Disks that no ESXi host can run: brought beside, proven, converted, named.

use std::path::Path;

use super::cloning::site;
use super::simulated::Simulated;
use super::site::{Journal, Site, items_of, noise, put_vm_of, quiet};
use crate::hypervisor::esxi::commands::DiskFormat;
use crate::transfer::{Against, Delivery, Item, Landing, Sum, choose, points};
use crate::vmfiles::images;

/// A VM whose one disk is of a hosted type; its data.
fn put_hosted(folder: &Path, create_type: &str) -> Vec<u8> {
    put_vm_of(folder, 5);
    std::fs::remove_file(folder.join("web01-flat.vmdk")).unwrap();
    let mut data = vec![0; 3 << 20];
    data[..400_000].copy_from_slice(&noise(400_000, 3));
    data[(2 << 20) + 70_000..][..9000].copy_from_slice(&noise(9000, 5));
    for (name, bytes) in images::disk(create_type, "web01", &data) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    data
}

const WHOLE: [&str; 5] = [
    "web01-flat.vmdk",
    "web01.nvram",
    "web01.vmdk",
    "web01.vmsd",
    "web01.vmx",
];

/// Puts a VM of that type into a backup folder of the simulated site, and makes a delivery of it.
async fn in_the_simulated_site(
    simulated: &Simulated,
    host: &str,
    backup: &str,
    create_type: &str,
) -> (Delivery, Vec<u8>) {
    let vm = create_type.to_lowercase();
    let root = simulated.site.host_root(&host.into()).unwrap();
    let folder = root
        .join(backup.trim_start_matches('/'))
        .join(&vm)
        .join("20260102T030405Z");
    // A datastore's folder is a link to the volume.
    std::fs::create_dir_all(&folder).unwrap();
    let data = put_hosted(&folder, create_type);
    let sums: String = items_of(&folder)
        .iter()
        .map(|item| format!("{}  {}\n", item.sum.unwrap(), item.name))
        .collect();
    std::fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    let backup = simulated.on(host, backup);
    let found = points(&backup, &vm).await.unwrap();
    let latest = crate::runbook::model::PointChoice::Latest;
    let chosen = choose(&found, &latest).unwrap();
    let from = backup.join(&vm);
    let to = format!("/vmfs/volumes/local1/{vm}");
    let delivery = simulated.delivery(from, Item::of(&chosen.point, false), "lee", &to);
    (delivery, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_becomes_a_disk_that_the_simulated_host_runs() {
    let simulated = Simulated::start(1 << 20).await;
    let lee = simulated.hosts.host(&"lee".into()).unwrap();
    for create_type in images::TYPES {
        let (delivery, data) =
            in_the_simulated_site(&simulated, "bk1", "/backup/nightly", create_type).await;
        let kept = ("/vmfs/volumes/local1/kept", [].into());
        let seeds = delivery.seeds_in(kept.0, &kept.1).await.unwrap();
        let whole: Vec<String> = seeds.into_values().map(|seed| seed.unwrap_err()).collect();
        let flat = create_type == "monolithicFlat";
        let why = if flat {
            "is no plain file there"
        } else {
            "only a flat disk is cloned"
        };
        assert!(!whole.is_empty(), "{create_type}");
        assert!(
            whole.iter().all(|said| said.contains(why)),
            "{create_type}: {whole:?}"
        );
        if create_type == "twoGbMaxExtentSparse" {
            // Found out before anything is sent.
            let refused = delivery.clone().surveyed(None).await.err().unwrap();
            assert!(
                refused.next.contains("module load -m multiextent"),
                "{refused}"
            );
            let load = crate::host::HostCommand::write(["vmkload_mod", "multiextent"]);
            let intent = crate::journal::Intent::for_test("lee");
            let lane = crate::host::Lane::Control;
            lee.write(lane, &load, intent, |_| {}).await.unwrap();
        }
        let delivery = delivery.surveyed(None).await.unwrap();
        let preview = delivery.preview(&delivery.observe().await.unwrap());
        let journal = Journal::new();
        let landed = delivery.bring(&journal, quiet()).await.unwrap();
        assert_eq!(journal.announced(), preview, "{create_type}");
        let flat = landed
            .iter()
            .find(|file| file.name == "web01-flat.vmdk")
            .unwrap();
        let expected = if create_type.ends_with("Flat") {
            Against::Recorded
        } else {
            Against::Converted
        };
        assert_eq!(flat.against, expected, "{create_type}");
        let content = simulated.content("lee", &delivery.to.path("web01-flat.vmdk"));
        assert!(content == data, "{create_type}");
        assert_eq!(flat.sum, Sum::of(&data));
        assert!(delivery.observe().await.unwrap().is_done());
        let again = Journal::new();
        delivery.bring(&again, quiet()).await.unwrap();
        assert_eq!(again.announced(), [""; 0]);
    }
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_disk_on_the_recovery_host_is_converted_where_it_lies() {
    let simulated = Simulated::start(1 << 20).await;
    let (delivery, data) =
        in_the_simulated_site(&simulated, "lee", "/vmfs/volumes/backup", "streamOptimized").await;
    let delivery = delivery
        .surveyed(Some(DiskFormat::ZeroedThick))
        .await
        .unwrap();
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    let content = simulated.content("lee", &delivery.to.path("web01-flat.vmdk"));
    assert!(content == data);
    let lines = journal.announced().join("\n");
    assert!(lines.contains("-d zeroedthick"), "{lines}");
    assert!(
        !lines.contains("rm "),
        "the point's own files stay:\n{lines}"
    );
    simulated.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_conversion_of_extents_is_gone_on_from() {
    crash_at_any_write("twoGbMaxExtentFlat").await;
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_conversion_of_a_sparse_disk_is_gone_on_from() {
    crash_at_any_write("monolithicSparse").await;
}

async fn crash_at_any_write(create_type: &str) {
    let Some(site) = site() else { return };
    let from = site.path(&format!("here/{create_type}"));
    std::fs::create_dir(&from).unwrap();
    put_hosted(&from, create_type);
    let delivery = hosted(&site, create_type);
    let whole = Journal::new();
    delivery.bring(&whole, quiet()).await.unwrap();
    assert_eq!(site.arrived(), WHOLE);
    for crash in 0..whole.announced().len() {
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
        let crashed = Journal::crashing_at(crash);
        assert!(delivery.bring(&crashed, quiet()).await.is_err());
        let on = Journal::new();
        delivery.bring(&on, quiet()).await.unwrap();
        assert_eq!(
            site.arrived(),
            WHOLE,
            "crash before {}",
            whole.announced()[crash]
        );
        assert!(delivery.observe().await.unwrap().is_done());
    }
}

fn hosted(site: &Site, create_type: &str) -> Delivery {
    let from = site.path(&format!("here/{create_type}"));
    let items = items_of(&from);
    site.delivery(crate::transfer::Folder::Here(from), items, Landing::Fresh)
}

#[tokio::test]
async fn a_flat_disk_is_laid_out_as_asked_and_compared() {
    let Some(site) = site() else { return };
    let items = put_vm_of(&site.path("here"), 5);
    let from = crate::transfer::Folder::Here(site.path("here"));
    let delivery = site.delivery(from, items, Landing::Fresh);
    let delivery = delivery
        .surveyed(Some(DiskFormat::EagerZeroedThick))
        .await
        .unwrap();
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(site.arrived(), WHOLE);
    assert!(
        landed
            .iter()
            .all(|file| matches!(file.against, Against::Recorded | Against::Rewritten))
    );
    let format = std::fs::read_to_string(site.path("bin/format")).unwrap();
    assert_eq!(format, "eagerzeroedthick\n");
}

#[tokio::test]
async fn what_speaks_against_a_conversion_is_named() {
    let Some(site) = site() else { return };
    let from = site.path("here/monolithicSparse");
    std::fs::create_dir(&from).unwrap();
    put_hosted(&from, "monolithicSparse");
    let disk = from.join("web01.vmdk");
    let whole = std::fs::read(&disk).unwrap();
    std::fs::write(&disk, &whole[..20_000]).unwrap();
    let cut = hosted(&site, "monolithicSparse").surveyed(None).await;
    let cut = cut.err().unwrap();
    assert!(
        cut.what
            .starts_with("web01.vmdk cannot be used: it is cut short: its grain tables"),
        "{cut}"
    );
    std::fs::write(&disk, &whole).unwrap();
    // A disk of that name that this run did not make is never taken for its own.
    let target = site.path("target/vm");
    std::fs::create_dir(&target).unwrap();
    let text = "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\nRW 6144 VMFS \"web01-flat.vmdk\"\n";
    std::fs::write(target.join("web01.vmdk"), text).unwrap();
    std::fs::write(target.join("web01-flat.vmdk"), vec![0; 3 << 20]).unwrap();
    let delivery = hosted(&site, "monolithicSparse");
    let journal = Journal::new();
    let error = delivery.bring(&journal, quiet()).await.unwrap_err();
    assert!(
        error.fault().what.contains("web01-flat.vmdk, web01.vmdk"),
        "{error}"
    );
    assert_eq!(journal.announced(), [""; 0]);
}
