//! Stops that take their time: a guest that has only begun to boot, a host whose lists lag behind.

use std::time::Duration;

use super::going_home::by_hand;
use super::moved::entry;
use super::world::{World, out};
use super::{RUNBOOK, capacity, needed};
use crate::actions::stopping::{self, Way};
use crate::engine::{Fact, Performed};
use crate::sim::Injection;

/// At this pace a guest's tools run a second after its VM was powered on.
const PACE: f64 = 8.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_guest_that_boots_and_has_it_shut_down() {
    let world = World::paced(RUNBOOK, PACE).await;
    let (host, step) = ("lon-esx1", world.step(&out("fence")));
    let vmid = entry(&world, host).await;
    let minute = Duration::from_secs(60);
    // As a fence does it in a planned run, and in a disaster.
    by_hand(&world, host, &["vim-cmd", "vmsvc/power.off", &vmid]).await;
    for way in [Way::Asked(minute), Way::GuestFirst(minute)] {
        world.power_on_in_london().await;
        let stopped = world.run(&step, None, move |ctx| async move {
            let vmx = "[local1] sql01/sql01.vmx";
            stopping::stop(&ctx, &host.into(), &"sql01".into(), vmx, way).await
        });
        assert_eq!(stopped.await.unwrap(), "shut down by its guest", "{way:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_makes_room_is_waited_for_while_its_guest_boots() {
    let world = World::paced(&capacity::with_spares(), PACE).await;
    let host = "lee-esx1";
    let list = by_hand(&world, host, &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("lab-1.vmx"));
    let vmid = row.and_then(|row| row.split_whitespace().next()).unwrap();
    for verb in ["vmsvc/power.off", "vmsvc/power.on"] {
        by_hand(&world, host, &["vim-cmd", verb, vmid]).await;
    }
    world.go(capacity::FREE).await;
    let freed = |fact: &Fact| matches!(fact, Fact::CapacityFreed { how, .. } if how == "shut down by its guest");
    assert_eq!(world.facts().into_iter().filter(freed).count(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_over_once_the_list_of_what_runs_lacks_the_vm_too() {
    let world = World::new().await;
    let host = "lon-esx1";
    // Two seconds at the pace of this site.
    world
        .site
        .inject(&host.into(), Injection::ListLags(120))
        .unwrap();
    needed(&world.probe(&out("fence")).await);
    let fenced = world.perform(&out("fence")).await;
    assert!(matches!(fenced, Performed::Done { .. }), "{fenced:?}");
    let runs = by_hand(&world, host, &["esxcli", "vm", "process", "list"]).await;
    assert!(!runs.contains("sql01.vmx"), "{runs}");
    world.end().await;
}
