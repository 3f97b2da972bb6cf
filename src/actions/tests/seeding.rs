//! A restore that starts from the disks that a drill kept.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::needed;
use super::world::World;
use crate::engine::{Fact, FromDrill, KeptFolder};
use crate::host::{HostCommand, Lane};

const DRILL: &str = "20260101-030405-dril";
const STEP: &str = "sql01/restore";
const HOST: &str = "lee-esx1";
const LIVE: &str = "/vmfs/volumes/local1/sql01";

fn folder() -> String {
    format!("/vmfs/volumes/local1/drill-{DRILL}-sql01")
}

fn seeds(world: &World) -> PathBuf {
    world.on(HOST, &folder())
}

/// A run that starts from what a drill left of sql01: the files of its point.
async fn world() -> World {
    let world = World::new().await;
    world.go(STEP).await;
    fs::rename(world.on(HOST, LIVE), seeds(&world)).unwrap();
    keep(&world, HOST, &folder());
    world
}

fn keep(world: &World, host: &str, folder: &str) {
    let kept = KeptFolder {
        vm: "sql01".into(),
        host: host.into(),
        folder: folder.to_owned(),
        point: None,
    };
    let mut state = world.keeper.state.lock().unwrap();
    state.info.as_mut().unwrap().from_drill = Some(FromDrill {
        run: DRILL.into(),
        head: "h".to_owned(),
        kept: vec![kept],
    });
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// What the card says of the drill.
async fn said(world: &World) -> String {
    let answer = world.probe(STEP).await;
    let lines = needed(&answer).changes.iter();
    let of_drill: Vec<&str> = lines
        .map(String::as_str)
        .filter(|line| line.contains("drill"))
        .collect();
    of_drill.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_starts_from_a_drills_disks_and_leaves_them_as_they_are() {
    let world = world().await;
    let placed = contents(&seeds(&world));
    let disk = seeds(&world).join("sql01_1-flat.vmdk");
    let file = fs::File::options().write(true).open(&disk).unwrap();
    file.write_all_at(b"what the drill wrote", 100_000).unwrap();
    let before = contents(&seeds(&world));
    let writes = world.writes(HOST).len();

    let words = said(&world).await;
    for part in [
        "starts from the disks that drill",
        "sql01-flat.vmdk: the blocks",
        "sql01_1-flat.vmdk: the blocks",
    ] {
        assert!(words.contains(part), "{words}");
    }
    world.go(STEP).await;
    let live = contents(&world.on(HOST, LIVE));
    let data = |files: &[(PathBuf, Vec<u8>)]| -> Vec<Vec<u8>> {
        files.iter().map(|(_, bytes)| bytes.clone()).collect()
    };
    assert!(data(&live) == data(&placed), "as the point has it");
    assert!(contents(&seeds(&world)) == before, "the drill's folder");
    let own = world.writes(HOST).split_off(writes);
    let reads = |line: &String| line.contains("vmkfstools") && line.contains("-i");
    let others = own.iter().filter(|line| !reads(line));
    assert!(others.clone().count() > 0);
    assert_eq!(
        others
            .filter(|line| line.contains(DRILL))
            .collect::<Vec<_>>(),
        [""; 0]
    );
    let seeded: Vec<_> = world
        .facts()
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::Seeded {
                file, bytes, sent, ..
            } => Some((file, bytes, sent)),
            _ => None,
        })
        .collect();
    assert_eq!(seeded.len(), 2, "{seeded:?}");
    // A block of the one, and nothing of the other.
    for (file, bytes, sent) in &seeded {
        let most = if file == "sql01_1-flat.vmdk" {
            64 << 10
        } else {
            0
        };
        assert!(sent <= &most && bytes > &most, "{file}: {sent} of {bytes}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_said_and_restored_whole() {
    let world = world().await;
    let disk = fs::File::options()
        .write(true)
        .open(seeds(&world).join("sql01-flat.vmdk"));
    disk.unwrap().set_len(4096).unwrap();
    let words = said(&world).await;
    let whole = "sql01-flat.vmdk is sent whole: the drill's has another size there";
    assert!(words.contains(whole), "{words}");
    assert!(words.contains("sql01_1-flat.vmdk: the blocks"), "{words}");

    let elsewhere = format!("/vmfs/volumes/other/drill-{DRILL}-sql01");
    for (host, folder, why) in [
        ("lee-esx2", folder(), "its disks are on lee-esx2"),
        (HOST, elsewhere, "its disks are on datastore other"),
        (HOST, format!("{}-2", folder()), "is gone"),
    ] {
        keep(&world, host, &folder);
        let words = said(&world).await;
        assert!(
            words.starts_with("restored whole, not from drill"),
            "{words}"
        );
        assert!(words.contains(why), "{words}");
    }

    keep(&world, HOST, &folder());
    let vmx = format!("{}/sql01.vmx", folder());
    let register = HostCommand::read(["vim-cmd", "solo/registervm", &vmx]);
    let host = world.hosts.host(&HOST.into()).unwrap();
    assert_eq!(
        host.read(Lane::Telemetry, &register).await.unwrap().status,
        0
    );
    let words = said(&world).await;
    assert!(
        words.contains("a VM is registered from its folder"),
        "{words}"
    );
    world.go(STEP).await;
    let seeded = |fact: &Fact| matches!(fact, Fact::Seeded { .. });
    assert!(!world.facts().iter().any(seeded));
    world.end().await;
}
