//! A VM is copied while it is off; somebody who starts it meanwhile, past Lifeboat, makes the copy worth nothing.

use std::path::PathBuf;

use super::ending::take_back;
use super::going_home::by_hand;
use super::moved::entry;
use super::world::{World, home, is_done, out};
use super::{blocked, needed};
use crate::actions::copying::rest::Rest;
use crate::actions::link::ActError;
use crate::actions::place::VmAt;
use crate::engine::{Fact, copy_counts};
use crate::runbook::model::SiteRole;

const LEEDS: &str = "lee-esx1";
const DISK: &str = "/vmfs/volumes/local1/sql01/sql01-flat.vmdk";

/// sql01 stands in Leeds, and is shut down for its way home.
async fn shut_down() -> World {
    let world = World::out_to("ready").await;
    world.go(&out("ready")).await;
    world.site.come_back(SiteRole::Protected);
    world.go(&out("fence")).await;
    world.go(&home("shut_down")).await;
    world
}

/// Somebody starts it in Leeds, lets it write, and stops it again.
async fn runs_for_a_while(world: &World) {
    let vmid = entry(world, LEEDS).await;
    by_hand(world, LEEDS, &["vim-cmd", "vmsvc/power.on", &vmid]).await;
    let disk = world.on(LEEDS, DISK);
    let mut bytes = std::fs::read(&disk).unwrap();
    bytes[4096..4107].copy_from_slice(b"order 31337");
    std::fs::write(&disk, &bytes).unwrap();
    by_hand(world, LEEDS, &["vim-cmd", "vmsvc/power.off", &vmid]).await;
    written_later(&disk);
}

/// Its guest wrote seconds later, which a test does not wait for.
fn written_later(path: &PathBuf) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(30);
    file.set_modified(later).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_does_not_count_while_its_vm_runs_or_once_it_has_run() {
    let world = shut_down().await;
    let step = world.step(&home("copy_back"));
    let from = VmAt::new(&world.runbook, &"sql01".into(), SiteRole::Recovery).unwrap();
    let vmid = entry(&world, LEEDS).await;
    for stops in [false, true] {
        let hosts = world.hosts.clone();
        let (from, id, disk) = (from.clone(), vmid.clone(), world.on(LEEDS, DISK));
        let held = world.run(&step, None, move |ctx| async move {
            let rest = Rest::begin(&ctx, &from).await.ok().unwrap();
            let host = hosts.host(&LEEDS.into()).unwrap();
            let mut does = vec!["power.on"];
            if stops {
                does.push("power.off");
            }
            for what in does {
                let verb = format!("vmsvc/{what}");
                let command = crate::host::HostCommand::read(["vim-cmd", &verb, &id]);
                let lane = crate::host::Lane::Telemetry;
                assert_eq!(host.read(lane, &command).await.unwrap().status, 0);
            }
            if stops {
                written_later(&disk);
            }
            rest.held(&ctx).await
        });
        let Err(ActError::Failed(fault)) = held.await else {
            panic!("it ran meanwhile")
        };
        let said = match stops {
            false => "on lee-esx1 it is on",
            true => "sql01-flat.vmdk has changed",
        };
        assert!(fault.what.contains(said), "{fault}");
        assert!(!copy_counts(&"sql01".into(), &world.facts()));
        if !stops {
            by_hand(&world, LEEDS, &["vim-cmd", "vmsvc/power.off", &vmid]).await;
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_vm_wrote_after_it_was_copied_comes_home_too() {
    let world = shut_down().await;
    world.go(&home("copy_back")).await;
    assert!(is_done(&world.probe(&home("copy_back")).await));
    world.go(&home("register")).await;
    world.go(&home("network")).await;
    runs_for_a_while(&world).await;

    let start = world.probe(&home("power_on")).await;
    assert!(
        blocked(&start).what.contains("has run in Leeds since"),
        "{start:?}"
    );
    let ran = |fact: &&Fact| matches!(fact, Fact::RanSinceCopied { .. });
    assert_eq!(world.facts().iter().filter(ran).count(), 1);
    needed(&world.probe(&home("copy_back")).await);
    world.go(&home("copy_back")).await;
    let [here, there] =
        ["lon-esx1", LEEDS].map(|host| std::fs::read(world.on(host, DISK)).unwrap());
    assert!(here == there, "what it wrote came too");
    for verb in ["register", "network", "power_on"] {
        world.go(&home(verb)).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_gives_back_the_disk_of_before_though_it_was_copied_over_twice() {
    let mut world = shut_down().await;
    let at_home = world.on("lon-esx1", DISK);
    let of_before = std::fs::read(&at_home).unwrap();
    world.go(&home("copy_back")).await;
    runs_for_a_while(&world).await;
    blocked(&world.probe(&home("power_on")).await);
    world.go(&home("copy_back")).await;
    let kept = world.facts().into_iter().filter(|fact| {
        matches!(fact, Fact::OriginalKept { path, .. } if world.on("lon-esx1", path) == at_home)
    });
    assert_eq!(kept.count(), 2, "once a copy");
    for step in take_back(&mut world) {
        world.go(&step).await;
    }
    assert!(std::fs::read(&at_home).unwrap() == of_before);
    let files = std::fs::read_dir(at_home.parent().unwrap()).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        !names.iter().any(|name| name.contains("lifeboat")),
        "{names:?}"
    );
    world.end().await;
}
