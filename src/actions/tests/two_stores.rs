//! A VM whose third disk lies on another datastore, under the name of the first: it is moved to Leeds
//! and taken home again.

use std::path::PathBuf;

use super::going_home::by_hand;
use super::world::{World, home, is_done, out};
use super::{RUNBOOK, lines, needed};
use crate::engine::{Fact, OpStatus};

const FOLDER: &str = "/vmfs/volumes/local1/sql01";
const OTHER: &str = "/vmfs/volumes/local2/sql01";
const THIRD: usize = 3 << 20;

/// The bundled runbook, in which London has a second datastore, and sql01 is moved while it is off.
fn runbook() -> String {
    let there = "datastore: local1, vmx: web01/web01.vmx";
    let phase = "failover:\n  - phase: Ahead\n    steps:\n      - shut_down: sql01\n      - replicate: sql01\n";
    assert!(RUNBOOK.contains(there) && RUNBOOK.contains("\nfailover:\n"));
    RUNBOOK
        .replacen(there, &there.replace("local1", "local2"), 1)
        .replacen("failover:\n", phase, 1)
}

/// Gives sql01 its third disk in London; returns the datastore's UUID.
async fn add_disk(world: &World) -> String {
    let real = std::fs::canonicalize(world.on("lon-esx1", "/vmfs/volumes/local2")).unwrap();
    let uuid = real.file_name().unwrap().to_str().unwrap().to_owned();
    let other = world.on("lon-esx1", OTHER);
    std::fs::create_dir(&other).unwrap();
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=0badcafe\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\
         RW {} VMFS \"sql01-flat.vmdk\"\nchangeTrackPath=\"sql01-ctk.vmdk\"\nddb.thinProvisioned = \"1\"\n",
        THIRD / 512
    );
    std::fs::write(other.join("sql01.vmdk"), descriptor).unwrap();
    let data: Vec<u8> = (0..THIRD).map(|at| (at / 4096 + at) as u8 | 1).collect();
    std::fs::write(other.join("sql01-flat.vmdk"), data).unwrap();
    let vmx = world.on("lon-esx1", &format!("{FOLDER}/sql01.vmx"));
    let mut text = std::fs::read_to_string(&vmx).unwrap();
    text.push_str(&format!(
        "scsi0:2.present = \"TRUE\"\nscsi0:2.deviceType = \"scsi-hardDisk\"\n\
         scsi0:2.fileName = \"/vmfs/volumes/{uuid}/sql01/sql01.vmdk\"\n"
    ));
    std::fs::write(&vmx, text).unwrap();
    let list = by_hand(world, "lon-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|row| row.contains("sql01/sql01.vmx"));
    let vmid = row.unwrap().split_whitespace().next().unwrap();
    by_hand(world, "lon-esx1", &["vim-cmd", "vmsvc/reload", vmid]).await;
    uuid
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Bytes of data that a step sent.
fn sent(world: &World, verb: &str) -> u64 {
    let state = world.keeper.state.lock().unwrap();
    let ops = state.ops.values();
    let own = ops.filter(|op| op.step.as_str().contains(verb) && op.status != OpStatus::NotSent);
    own.filter_map(|op| {
        let bytes = op.command.strip_prefix("write up to ")?;
        bytes.split(' ').next()?.parse::<u64>().ok()
    })
    .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_with_disks_on_two_datastores_moves_and_goes_home() {
    let world = World::with(&runbook()).await;
    world.go("ahead/sql01/shut_down").await;
    let uuid = add_disk(&world).await;
    let answer = world.probe("ahead/sql01/replicate").await;
    let changes = needed(&answer).changes.join("\n");
    let line = |sign, name: &str| format!("{sign} scsi0:2.fileName = \"{name}\"");
    let before = line('-', &format!("/vmfs/volumes/{uuid}/sql01/sql01.vmdk"));
    assert!(
        changes.contains(&before) && changes.contains(&line('+', "sql01_2.vmdk")),
        "{changes}"
    );
    world.go("ahead/sql01/replicate").await;
    let leeds = |name: &str| read(world.on("lee-esx1", &format!("{FOLDER}/{name}")));
    let london = |path: &str| read(world.on("lon-esx1", path));
    assert!(leeds("sql01-flat.vmdk") == london(&format!("{FOLDER}/sql01-flat.vmdk")));
    assert!(leeds("sql01_2-flat.vmdk") == london(&format!("{OTHER}/sql01-flat.vmdk")));
    let descriptor = String::from_utf8(leeds("sql01_2.vmdk")).unwrap();
    assert!(
        descriptor.contains("VMFS \"sql01_2-flat.vmdk\"")
            && descriptor.contains("changeTrackPath=\"sql01_2-ctk.vmdk\""),
        "{descriptor}"
    );
    let proofs: Vec<String> = world
        .facts()
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::FilePlaced { path, proof, .. } => Some(format!("{path} {proof}")),
            _ => None,
        })
        .filter(|placed| placed.contains("the text that was shown"))
        .collect();
    assert_eq!(proofs.len(), 2, "the .vmx and the descriptor: {proofs:?}");
    let writes = world.all_writes();
    assert!(is_done(&world.probe("ahead/sql01/replicate").await));
    assert_eq!(world.all_writes(), writes);

    world.go(&out("register")).await;
    let disk = world.on("lee-esx1", &format!("{FOLDER}/sql01_2-flat.vmdk"));
    let mut data = read(disk.clone());
    data[2_000_000..2_000_016].copy_from_slice(b"written in Leeds");
    std::fs::write(&disk, &data).unwrap();
    let answer = world.probe(&home("copy_back")).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("sql01.vmx comes too: the one at home names")
            && changes.contains(&format!(
                "into a clone of /vmfs/volumes/{uuid}/sql01/sql01.vmdk"
            )),
        "{changes}"
    );
    world.go(&home("copy_back")).await;
    // The console dies before it has told of the .vmx, which fits by now what comes.
    let all = world.told(&home("copy_back")).len();
    world.told_only(&home("copy_back"), |path| !path.ends_with("/sql01.vmx"));
    assert_eq!(world.told(&home("copy_back")).len(), all - 1);
    let answer = world.probe(&home("copy_back")).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("sql01.vmx comes too: this step has begun to bring it"),
        "{changes}"
    );
    let writes = world.all_writes();
    world.go(&home("copy_back")).await;
    assert_eq!(world.told(&home("copy_back")).len(), all);
    assert_eq!(world.all_writes(), writes, "all of it was there");
    it_starts_from_the_disks_that_came(&world).await;
    assert!(london(&format!("{FOLDER}/sql01_2-flat.vmdk")) == data);
    assert!(
        london(&format!("{OTHER}/sql01-flat.vmdk")) != data,
        "what was there is as it was"
    );
    let bytes = sent(&world, "copy_back");
    assert!(bytes < THIRD as u64 / 2, "{bytes} bytes were sent home");
    world.end().await;
}

/// London knows sql01 by its .vmx of before, and would write that back over the one that came.
async fn it_starts_from_the_disks_that_came(world: &World) {
    for verb in ["register", "network", "power_on"] {
        let answer = world.probe(&home(verb)).await;
        let proposal = needed(&answer);
        let lines = lines(proposal);
        assert!(
            lines.iter().any(|line| line.contains("vmsvc/reload")),
            "{verb}: {lines:?}"
        );
        let changes = proposal.changes.join("\n");
        let gone = format!("{OTHER}/sql01.vmdk on the host, not in the file");
        assert!(changes.contains(&gone), "{verb}: {changes}");
    }
    world.go(&home("register")).await;
    assert!(is_done(&world.probe(&home("register")).await));
    world.go(&home("network")).await;
    world.go(&home("power_on")).await;
    let vmx = read(world.on("lon-esx1", &format!("{FOLDER}/sql01.vmx")));
    let vmx = String::from_utf8(vmx).unwrap();
    assert!(vmx.contains("scsi0:2.fileName = \"sql01_2.vmdk\""), "{vmx}");
}
