//! Steps by which a run is ended, against the simulated site.

use super::world::World;
use super::{done, lines, needed};
use crate::engine::{Chapter, closing_plan};

const FOLDER: &str = "/vmfs/volumes/local1/sql01";

/// sql01 stands in Leeds, registered and not started, and is to be taken back.
async fn half_way() -> World {
    let mut world = World::out_to("network").await;
    let state = world.keeper.state.lock().unwrap().clone();
    let own = world.plans[0].clone();
    let plan = closing_plan(Chapter::Rollback, &world.runbook, own, &state);
    world.plans.push(plan);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_others_files_is_not_asked_to_go() {
    let world = half_way().await;
    world.go("rollback/take-down/sql01/unregister").await;
    std::fs::write(world.on("lee-esx1", &format!("{FOLDER}/notes.txt")), "x").unwrap();
    let answer = world.probe("remove_files").await;
    let shown: Vec<String> = lines(needed(&answer))
        .into_iter()
        .map(str::to_owned)
        .collect();
    let before = world.writes("lee-esx1").len();
    world.go("remove_files").await;
    let sent = world.writes("lee-esx1").split_off(before);
    assert_eq!(sent.len(), shown.len(), "{sent:?} of {shown:?}");
    assert!(world.on("lee-esx1", FOLDER).join("notes.txt").exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_the_host_hides_is_taken_out_all_the_same() {
    let world = half_way().await;
    std::fs::remove_file(world.on("lee-esx1", &format!("{FOLDER}/sql01.vmx"))).unwrap();
    let unregister = "rollback/take-down/sql01/unregister";
    let answer = world.probe(unregister).await;
    assert!(
        answer.found.contains("unreadable entry"),
        "{}",
        answer.found
    );
    needed(&answer);
    world.go(unregister).await;
    done(&world.probe(unregister).await);
    world.end().await;
}
