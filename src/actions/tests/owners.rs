//! London comes back: what was vouched for is looked at, and a VM at both sites gets one owner.

use std::sync::Arc;

use super::world::{World, consent, home, is_done, out};
use super::{blocked, needed};
use crate::actions::sighting;
use crate::engine::{Answer, Confirmation, Fact, Performed, Verdict};
use crate::host::{HostCommand, Lane};
use crate::runbook::model::{Rung, SiteRole};

/// sql01 runs in Leeds by an attestation, and in London too.
async fn split() -> World {
    let world = World::out_to("ready").await;
    world.site.come_back(SiteRole::Protected);
    world.start_in_london().await;
    world
}

async fn choose(world: &World, site: &str) -> Vec<String> {
    let answer = world.probe(&out("fence")).await;
    assert!(answer.found.starts_with("split brain"), "{}", answer.found);
    let shown = needed(&answer).clone();
    let confirmation = Confirmation {
        answers: [("lives".into(), Answer::Chosen(vec![site.into()]))].into(),
        ..consent(&shown)
    };
    match world.perform_as(&out("fence"), confirmation).await {
        Performed::Done { evidence } => evidence,
        other => panic!("{other:?}"),
    }
}

async fn runs(world: &World, host: &str) -> bool {
    let host = world.hosts.host(&host.into()).unwrap();
    let command = HostCommand::read(["esxcli", "vm", "process", "list"]);
    let output = host.read(Lane::Telemetry, &command).await.unwrap();
    output.text().contains("sql01.vmx")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_the_one_in_leeds_is_chosen() {
    let world = split().await;
    let evidence = choose(&world, "Leeds").await;
    assert!(evidence[0].contains("off"), "{evidence:?}");
    assert_eq!(
        (
            runs(&world, "lon-esx1").await,
            runs(&world, "lee-esx1").await
        ),
        (false, true)
    );
    assert!(is_done(&world.probe(&out("fence")).await));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_copies_the_one_in_london_is_chosen() {
    let world = split().await;
    let both = needed(&world.probe(&out("fence")).await).clone();
    let none = Confirmation {
        answers: [].into(),
        ..consent(&both)
    };
    let Performed::Failed(fault) = world.perform_as(&out("fence"), none).await else {
        panic!("nothing was chosen")
    };
    assert!(fault.state.contains("both copies still run"), "{fault}");
    let evidence = choose(&world, "London").await;
    assert!(evidence[0].contains("lives in London"), "{evidence:?}");
    assert_eq!(
        (
            runs(&world, "lon-esx1").await,
            runs(&world, "lee-esx1").await
        ),
        (true, false)
    );
    let stopped =
        |fact: &Fact| matches!(fact, Fact::Stopped { host, .. } if host.as_str() == "lee-esx1");
    assert!(world.facts().iter().any(stopped));
    assert!(is_done(&world.probe(&out("fence")).await));
    let again = world.probe(&out("power_on")).await;
    assert!(blocked(&again).what.contains("must not start"), "{again:?}");
    world.end().await;
}

/// sql01's service is a port here, which answers so many connections and then no more: nobody takes
/// them, and no further one can wait.
fn answers(world: &mut World, times: u32) -> tokio::net::TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Linux lets one more wait than it is asked for.
    let listener = socket.listen(times - 1).unwrap();
    let rung = Rung::Tcp {
        host: Some("127.0.0.1".into()),
        port: listener.local_addr().unwrap().port(),
    };
    let runbook = Arc::make_mut(&mut world.runbook);
    runbook.vms.get_mut("sql01").unwrap().ready = vec![rung];
    listener
}

/// The copy in Leeds is stopped between the question to its address and that to its host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_falls_silent_with_the_copy_in_leeds_is_asked_anew() {
    let mut world = World::new().await;
    world.go(&out("fence")).await;
    let _once = answers(&mut world, 1);
    assert!(is_done(&world.probe(&out("fence")).await));
    let _twice = answers(&mut world, 2);
    let still = world.probe(&out("fence")).await;
    assert!(
        blocked(&still).what.contains("no listed host runs"),
        "{still:?}"
    );
    world.end().await;
}

/// Whatever answered while the look was under way does so no more at its end: nothing speaks against the
/// start, nor against what was vouched for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_another_machines_only_if_a_second_look_does_not_explain_it() {
    let mut world = World::out_to("power_on").await;
    let contradicted = |world: &World| {
        let mut facts = world.facts().into_iter();
        facts.any(|fact| matches!(fact, Fact::Contradicted { .. }))
    };
    let _once = answers(&mut world, 1);
    let free = world.probe(&out("power_on")).await;
    assert_eq!(needed(&free).attest, None, "it was vouched for");
    assert!(!contradicted(&world));
    let _twice = answers(&mut world, 2);
    let held = world.probe(&out("power_on")).await;
    assert!(
        blocked(&held).what.contains("the address of sql01 answers"),
        "{held:?}"
    );
    assert!(contradicted(&world));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_autostart_entry_of_a_site_that_was_dark_is_removed_and_put_back() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    for verb in [
        "fence", "restore", "register", "network", "power_on", "ready",
    ] {
        world.go(&out(verb)).await;
    }
    let removed = |world: &World| {
        let facts = world.facts();
        let is_it = |fact: &&Fact| matches!(fact, Fact::AutostartRemoved { .. });
        facts.iter().filter(is_it).count()
    };
    assert_eq!(removed(&world), 0, "nobody could be asked");
    world.site.come_back(SiteRole::Protected);
    let answer = world.probe(&out("fence")).await;
    assert!(
        needed(&answer)
            .changes
            .iter()
            .any(|change| change.contains("autostart")),
        "{answer:?}"
    );
    world.go(&out("fence")).await;
    assert_eq!(removed(&world), 1);
    let entries = |world: &World| {
        let is_it = |line: &&String| line.contains("update_autostartentry");
        world.writes("lon-esx1").iter().filter(is_it).count()
    };
    assert_eq!(
        entries(&world),
        1,
        "the next boot in London does not start it"
    );
    for verb in ["shut_down", "copy_back", "register", "network", "power_on"] {
        world.go(&home(verb)).await;
    }
    assert_eq!(entries(&world), 2, "it is back where it was");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_whose_home_is_dark_is_known_by_its_restore_point() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    let answer = world.probe(&out("fence")).await;
    let Verdict::Needed(proposal) = &answer.verdict else {
        panic!("{answer:?}")
    };
    // Nobody has it registered and no host of London answers: only its backup knows its uuid.bios.
    let evidence = &proposal.attest.as_ref().unwrap().evidence;
    assert!(
        evidence.iter().any(|line| line.contains("no answer")),
        "{evidence:?}"
    );
    let step = world.step(&out("fence"));
    let known = world
        .run(&step, None, |ctx| async move {
            crate::actions::sighting::uuid_of_backup(&ctx, &"sql01".into()).await
        })
        .await;
    let vmx = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    let vmx = crate::vmfiles::Vmx::parse(&std::fs::read(vmx).unwrap()).unwrap();
    let own = crate::hypervisor::esxi::uuid::BiosUuid::parse(&vmx.uuid_bios().unwrap());
    assert!(known.is_some() && known == own, "{known:?} {own:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vms_that_are_looked_for_at_the_same_time_are_asked_for_twice_at_most() {
    let world = World::new().await;
    let step = world.step(&out("fence"));
    let seen = world
        .run(&step, None, |ctx| async move {
            let vms = ["sql01", "app01", "web01"].map(crate::names::VmName::from);
            let looks = vms.iter().chain(&vms);
            let looks = looks.map(|vm| sighting::of_hosts(&ctx, vm, SiteRole::Protected));
            futures_util::future::join_all(looks).await
        })
        .await;
    for ownership in seen {
        let vm = &ownership.vm;
        assert!(ownership.all_answered(), "{ownership:?}");
        assert!(ownership.running().next().is_some(), "{vm} was looked for");
    }
    let mut sent = world.sent("lon-esx1");
    sent.retain(|line| line.contains("vm process list"));
    // One was on its way when the others began; those share the next.
    assert!((1..=2).contains(&sent.len()), "{sent:?}");
    world.end().await;
}
