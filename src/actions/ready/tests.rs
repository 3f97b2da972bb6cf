use super::*;
use crate::actions::tests::trouble::power_off_by_hand;
use crate::actions::tests::world::{World, out};
use crate::actions::tests::{blocked, done, needed, step};
use crate::sim::Injection;

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

/// What was seen while it waited may be gone when it is looked at once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_yet_after_it_waited_is_waited_for_still() {
    let world = World::out_to("ready").await;
    world
        .site
        .inject(&"lee-esx1".into(), Injection::HostdDown(true))
        .unwrap();
    let step = world.step(&out("ready"));
    let waited = world.run(&step, None, |ctx| async move {
        let ready = Ready::new(&ctx.runbook, &ctx.step, &"sql01".into()).unwrap();
        ready.observe_after(&ctx).await
    });
    let comes_back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world
            .site
            .inject(&"lee-esx1".into(), Injection::HostdDown(false))
            .unwrap();
    };
    let (seen, ()) = tokio::join!(waited, comes_back);
    let seen = seen.unwrap();
    assert_eq!((seen.runs, seen.waits_for), (Some(true), None));
    world.end().await;
}

#[test]
fn what_runs_without_a_row_in_the_list_is_not_off() {
    let answer = ready().decide(&unlisted());
    needed(&answer);
    assert!(
        answer.found.contains("getallvms does not list it"),
        "{}",
        answer.found
    );
}
