//! Expendable VMs that make room and come back, against the simulated site.

use super::ending::take_back;
use super::world::World;
use super::{RUNBOOK, done, lines, needed};
use crate::engine::{Fact, Performed, Verdict};
use crate::host::{HostCommand, Lane};

pub(in crate::actions) const FREE: &str = "failover/make-room/-/free_capacity";
const BACK: &str = "rollback/bring-back/-/return_capacity";

/// The bundled runbook with expendable VMs in Leeds, which make room first.
pub(in crate::actions) fn with_spares() -> String {
    let vms = "\nvms:\n  \"lab-*\": { recovery: { host: lee-esx1 }, role: expendable }\n";
    let phase = "\nfailover:\n  - phase: Make room\n    steps: [{ free_capacity: [\"lab-*\"] }]\n";
    let text = RUNBOOK.replacen("\nvms:\n", vms, 1);
    text.replacen("\nfailover:\n", phase, 1)
}

fn returned(world: &World) -> usize {
    let facts = world.facts();
    let gone = |fact: &&Fact| matches!(fact, Fact::Gone { .. });
    facts.iter().filter(gone).count()
}

fn freed(world: &World) -> Vec<String> {
    let facts = world.facts().into_iter();
    facts
        .filter_map(|fact| match fact {
            Fact::CapacityFreed { name, how, .. } => Some(format!("{name}: {how}")),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_made_room_is_named_shut_down_by_its_guest_and_started_again() {
    let mut world = World::with(&with_spares()).await;
    let answer = world.probe(FREE).await;
    let shown = needed(&answer);
    assert!(shown.changes[0].contains("lab-1 on lee-esx1"), "{shown:?}");
    assert_eq!(shown.changes.len(), 3, "two of them, and the host's lock");
    let commands: Vec<String> = lines(shown).into_iter().map(str::to_owned).collect();
    assert!(
        commands
            .iter()
            .skip(1)
            .all(|line| line.contains("power.shutdown")),
        "a guest is asked before anything else: {commands:?}"
    );
    let evidence = world.go(FREE).await;
    assert!(
        evidence.iter().any(|line| line.contains("of memory free")),
        "{evidence:?}"
    );
    let stopped = ["lab-1", "lab-2"].map(|vm| format!("{vm}: shut down by its guest"));
    assert_eq!(freed(&world), stopped);
    assert_eq!(world.writes("lee-esx1").len(), 3);
    done(&world.probe(FREE).await);
    assert_eq!(freed(&world), stopped, "told once");

    take_back(&mut world);
    let answer = world.probe(BACK).await;
    assert_eq!(lines(needed(&answer)).len(), 2, "{answer:?}");
    let evidence = world.go(BACK).await;
    assert_eq!(evidence[0], "lab-1 on lee-esx1 is on, as it was before");
    let before = world.writes("lee-esx1").len();
    done(&world.probe(BACK).await);
    assert_eq!(world.writes("lee-esx1").len(), before);
    assert_eq!(returned(&world), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_again_is_not_left_over_though_another_cannot_be_started() {
    let mut world = World::with(&with_spares()).await;
    world.go(FREE).await;
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let by_hand = async |words: &[&str]| {
        let command = HostCommand::read(words.iter().copied());
        let output = host.read(Lane::Telemetry, &command).await.unwrap();
        output.text().to_string()
    };
    let list = by_hand(&["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("lab-1.vmx"));
    let vmid = row.and_then(|row| row.split_whitespace().next()).unwrap();
    by_hand(&["vim-cmd", "vmsvc/unregister", vmid]).await;

    take_back(&mut world);
    assert_eq!(lines(needed(&world.probe(BACK).await)).len(), 1);
    let Performed::Changed(answer) = world.perform(BACK).await else {
        panic!("nobody can start lab-1 here");
    };
    assert!(matches!(answer.verdict, Verdict::Blocked { .. }));
    assert_eq!(returned(&world), 1, "lab-2 is on");
    world.end().await;
}
