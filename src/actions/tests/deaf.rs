//! A VM whose guest's tools do not run: nobody can ask it to shut down.

use std::time::Duration;

use super::world::World;
use super::{blocked, needed, replicating};
use crate::actions::link::ActError;
use crate::actions::stopping::{self, Way};
use crate::engine::Fact;

const SHUT_DOWN: &str = "ahead/sql01/shut_down";

/// sql01 runs in London, and nothing boots from its disk; it did not start within the time that its
/// guest would get.
async fn deaf() -> World {
    let slow = replicating::runbook();
    let (shut_down, fence) = ("      - shut_down: sql01\n", "      - fence: \"${vm}\"\n");
    assert!(slow.contains(shut_down) && slow.contains(fence));
    let within = |step: &str| format!("{step}        timeout: 1s\n");
    let text = slow
        .replace(shut_down, &within(shut_down))
        .replace(fence, &within(fence));
    let world = World::with(&text).await;
    world.go("ahead/sql01/shut_down").await;
    let disk = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01-flat.vmdk");
    let size = std::fs::metadata(&disk).unwrap().len();
    let empty = std::fs::File::create(&disk).unwrap();
    empty.set_len(size).unwrap();
    world.power_on_in_london().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world
}

/// Commands that stopped it in London.
fn stops(world: &World) -> Vec<String> {
    let lines = world.writes("lon-esx1").into_iter();
    lines
        .filter(|line| line.contains("power.off") || line.contains("power.shutdown"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_shut_down_leaves_it_running() {
    let world = deaf().await;
    let before = stops(&world);
    let answer = world.probe(SHUT_DOWN).await;
    let fault = blocked(&answer);
    assert!(
        fault
            .what
            .contains("cannot be asked to shut down: its tools do not run"),
        "{fault}"
    );
    assert!(fault.next.contains("vim-cmd vmsvc/power.off "), "{fault}");
    // The tools stopped after the card was shown: they are waited for, and then a person decides.
    let step = world.step(SHUT_DOWN);
    let stopped = world.run(&step, None, |ctx| async move {
        let way = Way::Asked(Duration::from_secs(1));
        let vmx = "[local1] sql01/sql01.vmx";
        stopping::stop(&ctx, &"lon-esx1".into(), &"sql01".into(), vmx, way).await
    });
    let Err(ActError::Failed(fault)) = stopped.await else {
        panic!("it must not be stopped");
    };
    assert!(fault.state.contains("was not powered off"), "{fault}");
    assert_eq!(stops(&world), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_says_so_and_powers_it_off_after_its_time() {
    let world = deaf().await;
    let before = stops(&world).len();
    let id = "recover/sql01/fence";
    let answer = world.probe(id).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains(
            "its guest's tools do not run: unless they do by then, after 1s it is powered off"
        ),
        "{changes}"
    );
    world.go(id).await;
    let sent = stops(&world);
    assert_eq!(sent.len(), before + 1, "{sent:?}");
    assert!(sent[before].contains("power.off"), "{sent:?}");
    let told = |fact: &Fact| matches!(fact, Fact::Stopped { how, .. } if how.contains("its tools do not run"));
    assert!(world.facts().iter().any(told));
    world.end().await;
}
