use super::*;
use crate::actions::tests::trouble::power_off_by_hand;
use crate::actions::tests::world::{World, out};
use crate::actions::tests::{blocked, done, needed, step};

fn ready() -> Ready {
    let (runbook, step) = step("failover/recover/sql01/ready");
    Ready::new(&runbook, &step, &"sql01".into()).unwrap()
}

fn seen(runs: Option<bool>, reached: usize, waits_for: Option<&str>) -> Seen {
    let reached = ["its tools run", "accepts connections"]
        .iter()
        .take(reached);
    Seen {
        runs,
        reached: reached.map(|saw| (*saw).to_owned()).collect(),
        waits_for: waits_for.map(str::to_owned),
    }
}

#[test]
fn all_rungs_make_it_serve() {
    let answer = ready().decide(&seen(Some(true), 2, None));
    assert_eq!(
        done(&answer),
        [
            "tools: its tools run",
            "tcp 10.20.0.11:1433: accepts connections"
        ]
    );
}

#[test]
fn a_rung_that_is_missing_is_waited_for_and_nothing_is_sent() {
    for seen in [seen(None, 0, None), seen(Some(true), 1, Some("no reply"))] {
        let answer = ready().decide(&seen);
        let proposal = needed(&answer);
        assert!(proposal.commands.is_empty());
        assert_eq!(proposal.risk, Some(Risk::Read));
        assert!(proposal.changes[0].contains("10m to reach: tools, then tcp 10.20.0.11:1433"));
    }
}

#[test]
fn a_vm_that_is_off_cannot_serve() {
    assert!(
        blocked(&ready().decide(&seen(Some(false), 0, None)))
            .next
            .starts_with("power it on")
    );
}

#[test]
fn the_fault_names_the_rung_and_what_was_seen_last() {
    let fault = ready().too_late(&seen(
        Some(true),
        1,
        Some("no reply (asked by lee-bk1 (nc))"),
    ));
    assert!(
        fault.what.contains("tcp 10.20.0.11:1433 was not reached"),
        "{fault}"
    );
    assert!(
        fault.state.contains("1 of 2 rungs") && fault.state.contains("no reply"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_went_off_is_not_waited_for() {
    let world = World::out_to("ready").await;
    power_off_by_hand(&world).await;
    let step = world.step(&out("ready"));
    let waited = world.run(&step, None, |ctx| async move {
        let ready = Ready::new(&ctx.runbook, &ctx.step, &"sql01".into()).unwrap();
        ready.act(&ctx, &ready.unknown()).await
    });
    let ended = tokio::time::timeout(PATIENCE / 10, waited).await.unwrap();
    let Err(ActError::Failed(fault)) = ended else {
        panic!("{ended:?}")
    };
    assert!(
        fault.what.contains("sql01 does not run any more"),
        "{fault}"
    );
    assert!(fault.next.contains("retry power_on"), "{fault}");
    world.end().await;
}
