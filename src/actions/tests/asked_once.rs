//! A look asks a host for a list once, however many of its parts hold something against it.

use std::collections::BTreeSet;

use super::world::{World, out};
use crate::engine::{Performed, Verdict};

/// The calls to a host's management agent since it had been sent so many lines.
fn calls(world: &World, host: &str, before: usize) -> Vec<String> {
    let sent = world.sent(host);
    let is_call = |line: &&String| line.contains("vim-cmd") || line.contains("esxcli");
    sent[before..].iter().filter(is_call).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_made_twice_within_a_look() {
    const HOSTS: [&str; 2] = ["lon-esx1", "lee-esx1"];
    let world = World::new().await;
    for verb in ["fence", "restore", "register", "network", "power_on"] {
        let id = out(verb);
        let before = HOSTS.map(|host| world.sent(host).len());
        let answer = world.probe(&id).await;
        for (host, before) in HOSTS.into_iter().zip(before) {
            let calls = calls(&world, host, before);
            let distinct: BTreeSet<&String> = calls.iter().collect();
            assert_eq!(distinct.len(), calls.len(), "{verb} on {host}: {calls:#?}");
        }
        assert!(matches!(answer.verdict, Verdict::Needed(_)), "{verb}");
        let performed = world.perform(&id).await;
        assert!(matches!(performed, Performed::Done { .. }), "{performed:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_look_asks_anew() {
    let world = World::new().await;
    let id = out("fence");
    for looks in 1..=2 {
        world.probe(&id).await;
        let calls = calls(&world, "lon-esx1", 0);
        let lists = calls.iter().filter(|line| line.contains("getallvms"));
        assert_eq!(lists.count(), looks);
    }
    world.end().await;
}
