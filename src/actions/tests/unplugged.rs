//! A VM whose address nobody knows starts unplugged, and a person decides what becomes of that.

use super::world::{World, consent, home, is_done, out};
use super::{RUNBOOK, blocked, lines, needed};
use crate::engine::{Answer, Confirmation, Fact, Performed, Verdict};
use crate::runbook::model::SiteRole;

const ADDRESS: &str = ", address: 10.20.0.11/24 }";
const LADDER: &str = "[tools, { tcp: 1433 }]";

/// A site where the runbook has no address of sql01.
pub(super) async fn unaddressed() -> World {
    assert!(RUNBOOK.contains(ADDRESS) && RUNBOOK.contains(LADDER));
    let text = RUNBOOK.replace(ADDRESS, " }").replace(LADDER, "[tools]");
    World::with(&text).await
}

/// Brings it up to the step before `power_on`.
async fn placed(world: World) -> World {
    for verb in ["fence", "restore", "register"] {
        world.go(&out(verb)).await;
    }
    let answer = world.probe(&out("network")).await;
    let changes = &needed(&answer).changes;
    let unplugs = "+ ethernet0.startConnected = \"FALSE\"";
    assert!(changes.iter().any(|line| line == unplugs), "{changes:?}");
    world.perform(&out("network")).await;
    world
}

/// Starts it, and gives what is asked then.
async fn started(world: &World) -> Confirmation {
    let answer = world.probe(&out("power_on")).await;
    let changes = &needed(&answer).changes;
    assert!(
        changes
            .iter()
            .any(|line| line.contains("ethernet0 starts disconnected"))
    );
    let Performed::Changed(next) = world.perform(&out("power_on")).await else {
        panic!("it was not asked what becomes of its adapter");
    };
    let proposal = needed(&next);
    assert_eq!(lines(proposal).len(), 1);
    assert!(lines(proposal)[0].ends_with(" 4000 1"), "{proposal:?}");
    consent(proposal)
}

fn connects(world: &World) -> usize {
    let writes = world.writes("lee-esx1");
    let connects = writes
        .iter()
        .filter(|line| line.contains("device.connection"));
    connects.count()
}

fn decided(world: &World) -> Vec<bool> {
    let facts = world.facts().into_iter();
    let decided = facts.filter_map(|fact| match fact {
        Fact::ConnectionDecided { connected, .. } => Some(connected),
        _ => None,
    });
    decided.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_connected_once_a_person_says_so() {
    let world = placed(unaddressed().await).await;
    let said = started(&world).await;
    assert_eq!(connects(&world), 0);
    // The guest's tools tell the address although nothing is plugged in, and it is asked for.
    let told = loop {
        let answer = world.probe(&out("power_on")).await;
        if answer.found.contains("no reply") {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(told.found.contains("(asked by lee-bk1"), "{}", told.found);
    let performed = world.perform_as(&out("power_on"), said).await;
    assert!(matches!(performed, Performed::Done { .. }), "{performed:?}");
    assert_eq!((connects(&world), decided(&world)), (1, vec![true]));
    world.go(&out("ready")).await;
    // Looked at once more, nothing is left; nor is the .vmx of what runs found wrong.
    assert!(is_done(&world.probe(&out("power_on")).await));
    assert!(is_done(&world.probe(&out("network")).await));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_left_alone_where_a_person_says_so_and_asked_about_after_the_next_start() {
    let world = placed(unaddressed().await).await;
    let mut said = started(&world).await;
    let choose = |said: &mut Confirmation, what: &[&str]| {
        let what = what.iter().map(|one| (*one).to_owned()).collect();
        said.answers.insert("adapters".into(), Answer::Chosen(what));
    };
    world.probe(&out("power_on")).await;
    choose(&mut said, &["connect", "leave"]);
    let both = world.perform_as(&out("power_on"), said.clone()).await;
    assert!(matches!(both, Performed::Failed(_)), "{both:?}");
    choose(&mut said, &["leave"]);
    world.probe(&out("power_on")).await;
    let left = world.perform_as(&out("power_on"), said).await;
    assert!(matches!(left, Performed::Done { .. }), "{left:?}");
    assert_eq!((connects(&world), decided(&world)), (0, vec![false]));
    assert!(is_done(&world.probe(&out("power_on")).await));
    world.undo(&out("power_on")).await;
    started(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_machine_with_the_address_that_its_tools_tell_keeps_it_unplugged() {
    let world = placed(unaddressed().await).await;
    let said = started(&world).await;
    // The copy in London, which nobody looks for any more, soon serves under that address.
    world.start_in_london().await;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let answer = loop {
        let answer = world.probe(&out("power_on")).await;
        if matches!(answer.verdict, Verdict::Blocked { .. }) {
            break answer;
        }
        assert!(std::time::Instant::now() < until, "{}", answer.found);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(
        blocked(&answer)
            .what
            .contains("another machine has its address")
    );
    let performed = world.perform_as(&out("power_on"), said).await;
    let Performed::Changed(shown) = performed else {
        panic!("{performed:?}");
    };
    assert!(matches!(shown.verdict, Verdict::Blocked { .. }));
    assert_eq!(connects(&world), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_its_home_kept_through_a_power_cut_does_not_stop_the_way_home() {
    let world = unaddressed().await;
    world.site.go_dark(SiteRole::Protected);
    let world = placed(world).await;
    let said = started(&world).await;
    world.probe(&out("power_on")).await;
    world.perform_as(&out("power_on"), said).await;
    world.go(&out("ready")).await;
    world.site.come_back(SiteRole::Protected);
    let lock = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx.lck");
    assert!(lock.exists(), "the power cut left no lock");
    for verb in ["shut_down", "copy_back", "register", "network"] {
        world.go(&home(verb)).await;
    }
    let vmx = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    let text = std::fs::read_to_string(vmx).unwrap();
    assert!(
        text.contains("ethernet0.startConnected = \"FALSE\""),
        "{text}"
    );
    world.end().await;
}
