//! A host without SFTP: `dd` writes its files, in few and long runs.

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::site::{Journal, Site, noise, put_vm, quiet};
use crate::hypervisor::shell::SumTool;
use crate::runbook::model::Driver;
use crate::transfer::{Folder, Item, Landed, Landing, Sum, SummedBy};
use crate::vmfiles::FileKind;

/// A site without SFTP, on which every `dd` that writes to a disk is noted.
fn start() -> Option<Site> {
    let site = Site::start(Driver::Esxi, "Subsystem other /bin/false")?;
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *of=*disk*) echo \"$*\" >> {};; esac\nexec /bin/dd \"$@\"\n",
        site.path("runs").display()
    );
    let dd = site.path("bin/dd");
    std::fs::write(&dd, script).unwrap();
    std::fs::set_permissions(&dd, std::fs::Permissions::from_mode(0o755)).unwrap();
    Some(site)
}

/// Of a disk that is brought: what is told of it, and how often a `dd` wrote to it.
async fn bring(site: &Site, item: Item) -> (Landed, usize) {
    let _ = std::fs::remove_dir_all(site.path("target/vm"));
    let _ = std::fs::remove_file(site.path("runs"));
    let delivery = site.delivery(Folder::Here(site.path("here")), vec![item], Landing::Fresh);
    let mut landed = delivery.bring(&Journal::new(), quiet()).await.unwrap();
    let read = |path: &str| std::fs::read(site.path(path)).unwrap();
    assert!(read("here/disk") == read("target/vm/disk"));
    let runs = std::fs::read_to_string(site.path("runs")).unwrap();
    let data = runs.lines().filter(|line| !line.contains("if=/dev/null"));
    (landed.remove(0), data.count())
}

fn item(disk: &Path) -> Item {
    let bytes = std::fs::read(disk).unwrap();
    Item {
        name: "disk".to_owned(),
        kind: FileKind::Other,
        at: "disk".to_owned(),
        bytes: bytes.len() as u64,
        sum: Some(Sum::of(&bytes)),
        recorded: true,
        text: None,
    }
}

#[tokio::test]
async fn a_vm_comes_and_goes_where_neither_end_has_sftp() {
    let Some(site) = start() else { return };
    let items = put_vm(&site.path("there"));
    let delivery = site.delivery(site.on("bk1", "there"), items.clone(), Landing::Fresh);
    delivery.bring(&Journal::new(), quiet()).await.unwrap();
    for item in &items {
        let read = |path: &str| std::fs::read(site.path(path).join(&item.name)).unwrap();
        assert!(read("there") == read("target/vm"), "{}", item.name);
    }
}

#[tokio::test]
async fn a_disk_of_small_pieces_costs_few_commands() {
    let Some(site) = start() else { return };
    let disk = site.path("here/disk");
    let file = std::fs::File::create(&disk).unwrap();
    let block = 64 << 10;
    file.set_len(48 << 20).unwrap();
    // Every second block for 16 MiB, as zeros and as holes; then little.
    for number in 0..128 {
        let at = number * 2 * block;
        file.write_all_at(&noise(64 << 10, number + 1), at).unwrap();
        if number < 64 {
            file.write_all_at(&[0; 64 << 10], at + block).unwrap();
        }
    }
    file.write_all_at(b"end", (40 << 20) + 5).unwrap();
    let (_, runs) = bring(&site, item(&disk)).await;
    let there = std::fs::metadata(site.path("target/vm/disk")).unwrap();
    assert!(there.blocks() * 512 < 20 << 20, "{}", there.blocks() * 512);
    assert!(runs <= 2, "{runs} commands");
}

#[tokio::test]
async fn a_dense_disk_is_summed_while_it_arrives() {
    let Some(site) = start() else { return };
    let disk = site.path("here/disk");
    std::fs::write(&disk, noise(150 << 20, 1)).unwrap();
    let (landed, runs) = bring(&site, item(&disk)).await;
    assert_eq!(runs, 3);
    let python = Path::new("/usr/bin/python3").exists();
    let along = landed.summed_by == SummedBy::Host(SumTool::Python3);
    assert_eq!(along, python, "{:?}", landed.summed_by);
}
