//! Files that are sent ahead: of a VM that is off its own, of one that runs its restore point.

use super::world::World;
use super::{RUNBOOK, blocked, needed};
use crate::engine::Fact;
use crate::plan::Risk;
use crate::vmfiles::FileKind;

const FOLDER: &str = "/vmfs/volumes/local1/sql01";

/// The bundled runbook with a phase that replicates sql01, then shuts it down and does so again.
pub(super) fn runbook() -> String {
    let phase = "failover:\n  - phase: Ahead\n    steps:\n      - replicate: sql01\n      - shut_down: sql01\n      - replicate: sql01\n";
    assert!(RUNBOOK.contains("\nfailover:\n"));
    RUNBOOK.replacen("failover:\n", phase, 1)
}

fn same(world: &World, name: &str) -> bool {
    let read = |host| std::fs::read(world.on(host, &format!("{FOLDER}/{name}"))).unwrap();
    read("lon-esx1") == read("lee-esx1")
}

/// The console dies once it has told of the first of a step's files.
async fn all_is_told_though_only_the_first_was(world: &World, id: &str) {
    let all = world.told(id).len();
    let mut first = true;
    world.told_only(id, |_| std::mem::take(&mut first));
    assert!(all > 1 && world.told(id).len() == 1);
    world.go(id).await;
    let told = world.told(id).len();
    assert_eq!(told, all, "of each that it brought or found equal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_vm_is_sent_as_its_restore_point() {
    let world = World::with(&runbook()).await;
    let answer = world.probe("ahead/sql01/replicate").await;
    let proposal = needed(&answer);
    assert_eq!(proposal.risk, Some(Risk::Write));
    assert!(
        proposal.changes[0].contains("runs in London")
            && proposal.changes[0].contains("nothing is quiesced")
            && proposal.changes[1].contains(" from lee-bk1 to lee-esx1"),
        "{:?}",
        proposal.changes
    );
    world.go("ahead/sql01/replicate").await;
    let facts = world.facts();
    let chosen = facts
        .iter()
        .any(|fact| matches!(fact, Fact::PointChosen { vm, .. } if vm.as_str() == "sql01"));
    assert!(chosen, "the report must know how old the data is");
    assert!(
        !same(&world, "sql01-flat.vmdk"),
        "it runs: its own disk is another"
    );
    let writes = world.all_writes();
    assert!(super::world::is_done(
        &world.probe("ahead/sql01/replicate").await
    ));
    assert_eq!(world.all_writes(), writes);

    // What was sent ahead gives way to the VM's last state.
    world.go("ahead/sql01/shut_down").await;
    world.go("ahead/sql01/replicate.2").await;
    assert!(same(&world, "sql01-flat.vmdk") && same(&world, "sql01.vmx"));
    let kept = world.facts().into_iter().any(
        |fact| matches!(fact, Fact::OriginalKept { path, .. } if path.ends_with("sql01-flat.vmdk")),
    );
    assert!(kept, "it overwrites nothing");
    assert!(super::world::is_done(
        &world.probe("ahead/sql01/replicate.2").await
    ));
    all_is_told_though_only_the_first_was(&world, "ahead/sql01/replicate.2").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_is_off_is_patched_over_what_an_earlier_run_left() {
    let world = World::with(&runbook()).await;
    world.go("ahead/sql01/shut_down").await;
    let (from, to) = (world.on("lon-esx1", FOLDER), world.on("lee-esx1", FOLDER));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let name = entry.unwrap().file_name();
        if FileKind::of(name.to_str().unwrap()) != FileKind::Log {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
    let disk = to.join("sql01-flat.vmdk");
    let mut old = std::fs::read(&disk).unwrap();
    old[200_000] ^= 1;
    std::fs::write(&disk, &old).unwrap();

    let answer = world.probe("ahead/sql01/replicate").await;
    let proposal = needed(&answer);
    let changes = proposal.changes.join("\n");
    assert!(
        changes.contains("sql01 is off in London")
            && changes.contains("into a clone of the one there (disk sql01.vmdk)")
            && changes.contains("sql01.vmx (")
            && changes.contains("is there and equal"),
        "{changes}"
    );
    world.go("ahead/sql01/replicate").await;
    assert!(same(&world, "sql01-flat.vmdk") && same(&world, "sql01.vmx"));
    let aside = world.facts().into_iter().find_map(|fact| match fact {
        Fact::OriginalKept { aside, path, .. } if path.ends_with("sql01-flat.vmdk") => Some(aside),
        _ => None,
    });
    let kept = std::fs::read(world.on("lee-esx1", &aside.unwrap())).unwrap();
    assert!(kept == old, "what was there is kept");
    let sent: Vec<String> = {
        let state = world.keeper.state.lock().unwrap();
        let lines = state.ops.values().map(|op| op.command.clone());
        lines
            .filter(|line| line.starts_with("write up to"))
            .collect()
    };
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].starts_with("write up to 65536 bytes"), "{sent:?}");
    all_is_told_though_only_the_first_was(&world, "ahead/sql01/replicate").await;
    // The restore that the runbook goes on with finds everything there.
    assert!(super::world::is_done(
        &world.probe("recover/sql01/restore").await
    ));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_vm_without_a_backup_has_to_be_shut_down_first() {
    let without = |text: String, from: &str, lines: usize| {
        let start = text.find(from).unwrap();
        let rest = text[start..].split_inclusive('\n').skip(lines);
        format!("{}{}", &text[..start], rest.collect::<String>())
    };
    let text = without(runbook(), "    backup: nightly", 2);
    let text = without(text, "      - restore:", 3);
    let world = World::with(&text).await;
    let answer = world.probe("ahead/sql01/replicate").await;
    let fault = blocked(&answer);
    assert!(
        fault.what.contains("runs in London and has no backup") && fault.next.contains("shut_down"),
        "{fault}"
    );
    world.end().await;
}

/// Its descriptors bear names as a disk's data does, and nothing recorded what its point consists of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_whose_name_ends_as_data_does_goes_there_and_home() {
    const VM: &str = "db-s001";
    let world = World::with(&runbook().replace("sql01", VM)).await;
    let backup = world.on("lee-bk1", &format!("/backup/nightly/{VM}"));
    let points = std::fs::read_dir(&backup).unwrap();
    let mut points: Vec<_> = points.map(|point| point.unwrap().path()).collect();
    points.sort();
    let plain = backup.join("by hand");
    std::fs::rename(points.pop().unwrap(), &plain).unwrap();
    std::fs::remove_file(plain.join("SHA256SUMS")).unwrap();
    for older in points {
        std::fs::remove_dir_all(older).unwrap();
    }
    let same = |name: &str| {
        let path = format!("{FOLDER}/{name}").replace("sql01", VM);
        let read = |host| std::fs::read(world.on(host, &path)).unwrap();
        let (home, away) = (read("lon-esx1"), read("lee-esx1"));
        !away.is_empty() && home == away
    };
    let id = |step: &str| step.replace("VM", VM);
    world.go(&id("recover/VM/restore")).await;
    let restored = world.on("lee-esx1", &FOLDER.replace("sql01", VM));
    let disks = std::fs::read_dir(&plain).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        let is_disk = name.ends_with(".vmdk") && !name.ends_with("-ctk.vmdk");
        assert!(!is_disk || restored.join(&name).exists(), "{name}");
        is_disk
    });
    assert!(disks.count() > 1);
    world.go(&id("ahead/VM/shut_down")).await;
    world.go(&id("ahead/VM/replicate.2")).await;
    assert!(same("sql01.vmdk") && same("sql01-flat.vmdk"));
    for step in [
        "recover/VM/register",
        "recover/VM/network",
        "recover/VM/power_on",
    ] {
        world.go(&id(step)).await;
    }
    for step in ["shut_down", "copy_back"] {
        world.go(&id(&format!("failback/go-home/VM/{step}"))).await;
    }
    assert!(same("sql01.vmdk") && same("sql01-flat.vmdk"));
    world.end().await;
}
