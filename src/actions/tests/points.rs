//! Restore points as practice lays them out, restored; and another one chosen at run time.

use crate::engine::{Answer, Confirmation, Consent, Fact, Performed};

use super::world::World;
use super::{RUNBOOK, needed};

async fn site(layout: &str) -> World {
    let plain = "path: /backup/nightly }";
    assert!(RUNBOOK.contains(plain));
    let text = RUNBOOK.replace(
        plain,
        &format!("path: /backup/nightly, layout: {layout} }}"),
    );
    World::with(&text).await
}

fn choosing(point: &str) -> Confirmation {
    let answers = [("point", point), ("why", "the newer one is suspect")];
    let answer = |(key, text): (&str, &str)| (key.to_owned(), Answer::Value(text.to_owned()));
    Confirmation {
        answers: answers.map(answer).into(),
        ..Confirmation::plain("alice", Consent::Person)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_increment_is_restored_from_all_the_points_that_hold_it() {
    let world = site("incremental").await;
    let answer = world.probe("sql01/restore").await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("(incremental, applications consistent)"),
        "{changes}"
    );
    assert!(changes.contains("not changed since: "), "{changes}");
    let evidence = world.go("sql01/restore").await;
    assert_eq!(evidence.len(), 7, "{evidence:?}");
    let chosen = world.facts().into_iter().find_map(|fact| match fact {
        Fact::PointChosen { path, verified, .. } => Some((path, verified)),
        _ => None,
    });
    let (path, verified) = chosen.unwrap();
    assert!(path.ends_with("Z-incr") && verified, "{path}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_point_is_chosen_shown_and_only_then_restored() {
    let world = site("ghettovcb").await;
    let answer = world.probe("sql01/restore").await;
    let first = needed(&answer);
    let choice = first.choice.clone().unwrap();
    let older = choice.options[1].name.clone();
    assert_eq!(choice.options.len(), 3);
    assert!(
        first
            .changes
            .iter()
            .any(|line| line.starts_with("source unverified"))
    );

    let Performed::Changed(shown) = world.perform_as("sql01/restore", choosing(&older)).await
    else {
        panic!("nothing may be sent before the other card was shown");
    };
    assert_eq!(world.keeper.state.lock().unwrap().ops.len(), 0);
    let second = needed(&shown);
    assert_eq!(second.choice.as_ref().unwrap().taken, Some(older.clone()));
    // One of its disks was on another datastore, under the name of the first.
    let apart = second
        .changes
        .iter()
        .position(|line| line.starts_with("disks lie in folders"));
    let diff = &second.changes[apart.unwrap() + 1..][..2];
    assert!(
        diff[0].starts_with("- scsi0:1.fileName = \"/vmfs/volumes/"),
        "{diff:?}"
    );
    assert_eq!(diff[1], "+ scsi0:1.fileName = \"sql01_1.vmdk\"");
    let line = format!(
        "chosen by alice instead of {}: the newer one is suspect",
        choice.options[0].name
    );
    assert!(second.changes.contains(&line), "{:?}", second.changes);

    // The choice outlives the console that it was made at.
    let again = world.probe("sql01/restore").await;
    assert_eq!(needed(&again).changes, second.changes);
    let evidence = world.go("sql01/restore").await;
    assert_eq!(evidence.len(), 6, "{evidence:?}");
    assert!(
        evidence
            .iter()
            .any(|line| line.starts_with("sql01_1-flat.vmdk ")),
        "{evidence:?}"
    );
    let facts = world.facts();
    let picked = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::PointPicked { .. }));
    assert_eq!(picked.count(), 1);
    assert!(facts.iter().any(|fact| matches!(
        fact,
        Fact::PointChosen { path, verified: false, .. } if path.ends_with(&older)
    )));
    world.end().await;
}

/// What no look can find is found on arrival: the disk does not get its name, nor is there a .vmx that
/// could be registered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_found_on_arrival_and_nothing_can_be_registered() {
    use std::os::unix::fs::FileExt;
    let world = site("full").await;
    let answer = world.probe("sql01/restore").await;
    let choice = needed(&answer).choice.clone().unwrap();
    let newest = choice.taken.unwrap();
    let path = format!("/backup/nightly/sql01/{newest}/sql01-flat.vmdk");
    let disk = std::fs::File::options()
        .read(true)
        .write(true)
        .open(world.on("lee-bk1", &path))
        .unwrap();
    let mut byte = [0];
    disk.read_exact_at(&mut byte, 300_000).unwrap();
    disk.write_all_at(&[byte[0] ^ 1], 300_000).unwrap();
    let Performed::Failed(fault) = world.perform("sql01/restore").await else {
        panic!("a flipped bit went unseen");
    };
    assert!(fault.what.contains("sql01-flat.vmdk"), "{fault}");
    let arrived = |name: &str| {
        let path = format!("/vmfs/volumes/local1/sql01/{name}");
        world.on("lee-esx1", &path).exists()
    };
    assert!(!arrived("sql01-flat.vmdk") && !arrived("sql01.vmx"));
    // The way on: what came of it is taken away again, and an older point serves.
    assert!(arrived("sql01.nvram") || arrived("sql01.vmdk"));
    // Which one was proven corrupt is known from now on.
    let facts = world.facts();
    let corrupt = facts.iter().filter_map(|fact| match fact {
        Fact::PointCorrupt { path, file, .. } => Some((path.as_str(), file.as_str())),
        _ => None,
    });
    let folder = format!("/backup/nightly/sql01/{newest}");
    assert_eq!(
        corrupt.collect::<Vec<_>>(),
        [(folder.as_str(), "sql01-flat.vmdk")]
    );
    let answer = world.probe("sql01/restore").await;
    let proposal = needed(&answer);
    let again = proposal.choice.clone().unwrap();
    assert!(
        again.options[0].about.contains("proven CORRUPT"),
        "{again:?}"
    );
    assert!(!again.options[1].about.contains("CORRUPT"), "{again:?}");
    // The newest sound one is next, and what arrived of the other makes way.
    assert_eq!(again.taken.as_ref(), Some(&choice.options[1].name));
    let changes = proposal.changes.join("\n");
    assert!(
        changes.contains("proved sql01-flat.vmdk corrupt"),
        "{changes}"
    );
    assert!(changes.contains("is removed first"), "{changes}");
    let removals = proposal
        .commands
        .iter()
        .filter(|command| command.line.contains("rm "));
    assert!(removals.count() > 0, "{:?}", proposal.commands);
    world.go("sql01/restore").await;
    assert!(arrived("sql01-flat.vmdk") && arrived("sql01.vmx"));
    let placed = world.told("sql01/restore");
    let flat = placed
        .iter()
        .filter(|path| path.ends_with("/sql01-flat.vmdk"));
    assert_eq!(flat.count(), 1, "{placed:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_taken_back_may_take_another_point() {
    let world = site("full").await;
    world.go("sql01/restore").await;
    let undone = world.undo("sql01/restore").await;
    assert!(matches!(undone, Performed::Undone { .. }), "{undone:?}");
    let answer = world.probe("sql01/restore").await;
    let choice = needed(&answer).choice.clone().unwrap();
    let older = choice.options[2].name.clone();
    world.perform_as("sql01/restore", choosing(&older)).await;
    world.go("sql01/restore").await;
    let facts = world.facts();
    let last = facts.iter().rev().find_map(|fact| match fact {
        Fact::PointChosen { stamp, .. } => Some(stamp.clone()),
        _ => None,
    });
    assert_eq!(last, Some(older));
    world.end().await;
}
