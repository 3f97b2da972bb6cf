//! A host of the other site that answers SSH while its management agent does not tell what it runs.

use super::unplugged::unaddressed;
use super::world::{World, out};
use super::{blocked, needed};
use crate::host::{HostCommand, Lane};
use crate::runbook::model::SiteRole;
use crate::sim::Injection;

fn hostd_down(world: &World, down: bool) {
    let host = "lon-esx1".into();
    let injected = world.site.inject(&host, Injection::HostdDown(down));
    injected.unwrap();
}

/// Somebody stops sql01 in London.
async fn stopped_in_london(world: &World) {
    let host = world.hosts.host(&"lon-esx1".into()).unwrap();
    let stop =
        "row=$(vim-cmd vmsvc/getallvms | grep sql01.vmx); set -- $row; vim-cmd vmsvc/power.off $1";
    let stop = HostCommand::read(["sh", "-c", stop]);
    let stopped = host.read(Lane::Telemetry, &stop).await.unwrap();
    assert_eq!(stopped.status, 0, "{stopped:?}");
}

/// What stands in the way of a step is a lock on the VM's files in London.
async fn is_locked_out(world: &World, verb: &str) {
    let answer = world.probe(&out(verb)).await;
    let fault = blocked(&answer);
    assert!(fault.what.contains("holds the lock of"), "{fault}");
    let evidence = "lon-esx1: answers SSH, but its management agent does not tell what runs";
    assert!(answer.found.contains(evidence), "{}", answer.found);
    assert!(answer.found.contains("/vmfs/volumes/local1/sql01"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_london_is_seen_where_hostd_is_down_and_no_attestation_overrides_it() {
    let world = unaddressed().await;
    hostd_down(&world, true);
    is_locked_out(&world, "fence").await;
    hostd_down(&world, false);
    stopped_in_london(&world).await;
    hostd_down(&world, true);
    let answer = world.probe(&out("fence")).await;
    let attest = needed(&answer).attest.as_ref().unwrap();
    let told = |line: &String| {
        line.starts_with("nobody holds the lock of its files in /vmfs/volumes/local1/sql01 (")
            && line.contains("read by lon-esx1")
    };
    assert!(attest.evidence.iter().any(told), "{attest:?}");
    for verb in ["fence", "restore", "register", "network"] {
        world.go(&out(verb)).await;
    }
    let answer = world.probe(&out("power_on")).await;
    assert!(needed(&answer).attest.is_none(), "it was vouched for");
    let told = "put there by this run: no evidence of the other site";
    assert!(answer.found.contains(told), "{}", answer.found);

    // Somebody starts the old copy, and hostd there falls silent again.
    hostd_down(&world, false);
    world.power_on_in_london().await;
    hostd_down(&world, true);
    let before = world.all_writes();
    is_locked_out(&world, "power_on").await;
    assert_eq!(world.all_writes(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_failed_in_passing_asks_nobody_to_vouch() {
    let world = unaddressed().await;
    hostd_down(&world, true);
    let asked = |world: &World| {
        let sent = world.sent("lon-esx1").into_iter();
        sent.filter(|line| line.contains("vm process list")).count()
    };
    let fence = out("fence");
    let looking = world.probe(&fence);
    let mending = async {
        // It is asked once more by itself: then hostd is back for the next time.
        while asked(&world) < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        hostd_down(&world, false);
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = looking => answer,
        () = mending => unreachable!(),
    };
    let proposal = needed(&answer);
    assert!(proposal.attest.is_none() && proposal.typed.is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_entry_is_told() {
    let world = unaddressed().await;
    stopped_in_london(&world).await;
    let vmx = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    std::fs::remove_file(vmx).unwrap();
    let answer = world.probe(&out("fence")).await;
    let told =
        "lon-esx1: does not run it, and has it in no entry that can be read; it has an invalid";
    assert!(answer.found.contains(told), "{}", answer.found);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_answer_ssh_is_not_said_to() {
    let world = unaddressed().await;
    world.site.go_dark(SiteRole::Protected);
    let answer = world.probe(&out("fence")).await;
    assert!(answer.found.contains("lon-esx1: no answer ("));
    assert!(!answer.found.contains("by lon-esx1, vmkfstools"));
    world.end().await;
}
