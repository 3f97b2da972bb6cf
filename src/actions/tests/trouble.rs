//! What goes wrong on the way.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::going_home::by_hand;
use super::world::{World, is_done, out};
use super::{blocked, lines, needed};
use crate::actions::context::Ctx;
use crate::actions::evidence::Evidence;
use crate::actions::isolation::Ground;
use crate::actions::link::ActError;
use crate::actions::place::VmAt;
use crate::actions::questions::{self, Watch};
use crate::actions::{power_on, registered};
use crate::engine::{Fact, Performed, StopOutcome};
use crate::host::{HostCommand, Lane};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell;
use crate::journal::FILE_NAME;
use crate::runbook::isolated;
use crate::runbook::model::SiteRole;
use crate::sim::Injection;

/// A person's question: `I moved it` in whatever spelling the host has.
fn moved(label: &str) -> bool {
    label.to_lowercase().contains("moved")
}

/// Somebody switches sql01 off in Leeds, past Lifeboat.
pub(in crate::actions) async fn power_off_by_hand(world: &World) {
    let list = by_hand(world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("sql01.vmx"));
    let vmid = row.and_then(|row| row.split_whitespace().next()).unwrap();
    by_hand(world, "lee-esx1", &["vim-cmd", "vmsvc/power.off", vmid]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_is_answered_by_its_label() {
    let world = World::out_to("network").await;
    // Without the network step nothing in the .vmx says that it was moved, so the host asks.
    let evidence = world.go(&out("power_on")).await;
    assert!(evidence[0].contains("on since"), "{evidence:?}");
    let asked = world.keeper.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].suggested.as_deref().is_some_and(moved),
        "{asked:?}"
    );
    assert!(asked[0].choices.len() > 2);
    let answers = world
        .writes("lee-esx1")
        .into_iter()
        .filter(|line| line.contains("vmsvc/message"));
    assert_eq!(answers.count(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_on_that_was_lost_at_its_question_is_never_sent_again() {
    let world = World::out_to("network").await;
    world.answers.store(false, Ordering::Relaxed);
    needed(&world.probe(&out("power_on")).await);
    let id = out("power_on");
    let performing = world.perform(&id);
    let cutting = async {
        while world.keeper.asked.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.link.cut();
    };
    let (performed, ()) = tokio::join!(performing, cutting);
    assert_eq!(performed, Performed::Lost);

    // The command is stopped; the host's task still waits for an answer, which the next look finds.
    assert_eq!(world.settle(&out("power_on")).await, [StopOutcome::Killed]);
    let answer = world.probe(&out("power_on")).await;
    assert!(answer.found.contains("question"), "{answer:?}");
    let shown = lines(needed(&answer));
    assert!(
        shown.len() == 1 && shown[0].ends_with("‹number of your choice›"),
        "{shown:?}"
    );
    world.answers.store(true, Ordering::Relaxed);
    let evidence = world.go(&out("power_on")).await;
    assert!(evidence[0].contains("on since"), "{evidence:?}");
    let sent = world
        .writes("lee-esx1")
        .into_iter()
        .filter(|line| line.contains("vim-cmd vmsvc/power.on"));
    assert_eq!(sent.count(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_sent_on_an_old_proof_of_a_drills_isolation() {
    let world = World::out_to("network").await;
    let id = out("power_on");
    let step = world.step(&id);
    let isolation = isolated(&world.runbook, &"20260102-030405-k7qd".into()).isolation;
    let old = Evidence::Apart {
        isolation: isolation.unwrap(),
        seen: Ground::default(),
    };
    let (first, later) = (Some(old.clone()), Some(old));
    let place = |ctx: &Ctx| VmAt::of_step(&ctx.runbook, &ctx.step, &"sql01".into());
    let started = world.run(&step, None, move |ctx| async move {
        let at = place(&ctx).unwrap().with_facts(&ctx);
        let found = registered::look(&ctx, &at, Lane::Control).await.unwrap();
        // It asks its question, which is answered, while `power.on` holds the control session.
        power_on::start(&ctx, &at, &found.entry.unwrap(), first, |_| pending()).await
    });
    assert_eq!(started.await, Err(ActError::Lost));
    let journal = std::fs::read_to_string(world.run_dir().join(FILE_NAME)).unwrap();
    let lost = |line: &&str| line.contains("\"write-lost\"");
    let why = journal.lines().find(lost).unwrap();
    assert!(why.contains("there is no virtual switch drill-"), "{why}");
    assert!(!why.contains("Fault {"), "in words: {why}");

    // The host still waits for the answer. A console that comes later gives none either.
    assert_eq!(world.settle(&id).await, [StopOutcome::Killed]);
    let gone_on = world.run(&step, None, move |ctx| async move {
        let at = place(&ctx).unwrap().with_facts(&ctx);
        let vmx = "[local1] sql01/sql01.vmx";
        let mut watch = Watch::new(&at, vmx, Duration::from_secs(60), later);
        questions::answer_until_on(&ctx, &mut watch).await
    });
    assert!(matches!(gone_on.await, Err(ActError::Held { .. })));
    assert_eq!(world.keeper.asked.lock().unwrap().len(), 2);
    let answers = world.writes("lee-esx1").into_iter();
    assert_eq!(
        answers
            .filter(|line| line.contains("vmsvc/message"))
            .count(),
        0
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_under_way_is_awaited_while_its_vm_still_shows_as_off() {
    let world = World::out_to("power_on").await;
    let lingers = |on| {
        let lingers = Injection::PowerOnLingers(on);
        world.site.inject(&"lee-esx1".into(), lingers).unwrap();
    };
    let list = by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("sql01.vmx"));
    let vmid = row.and_then(|row| row.split_whitespace().next()).unwrap();
    lingers(true);
    by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/power.on", vmid]).await;
    lingers(false);
    let step = world.step(&out("power_on"));
    let awaited = world.run(&step, None, move |ctx| async move {
        let at = VmAt::of_step(&ctx.runbook, &ctx.step, &"sql01".into()).unwrap();
        let vmx = "[local1] sql01/sql01.vmx";
        let mut watch = Watch::new(&at, vmx, Duration::from_secs(60), None);
        questions::answer_until_on(&ctx, &mut watch).await?;
        registered::entry_of(&ctx, &at.host, Lane::Answer, vmx).await
    });
    let goes_on = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/power.on", vmid]).await;
    };
    let (entry, ()) = tokio::join!(awaited, goes_on);
    assert_eq!(entry.unwrap().power(), PowerState::On);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_host_takes_no_sums_an_edited_vmx_is_read_back() {
    let world = World::out_to("network").await;
    world
        .site
        .inject(&"lee-esx1".into(), Injection::WithoutSums(true))
        .unwrap();
    let evidence = world.go(&out("network")).await;
    assert!(evidence[0].contains("is joined to"), "{evidence:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_without_a_number_is_waited_for_and_never_stopped() {
    let world = World::new().await;
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let line = ["sleep", "240"];
    let runs = tokio::spawn(async move {
        host.read(Lane::Telemetry, &HostCommand::read(line))
            .await
            .map(|output| output.status)
    });
    let op = world.lose(&out("register"), "lee-esx1", "sleep 240");
    let outcome = world.stop_lost(&out("register"), op).await;
    // The site's time runs 60 times as fast: 240 s are four of ours.
    assert_eq!(outcome, Ok(StopOutcome::Gone));
    assert_eq!(runs.await.unwrap(), Ok(0), "it ended by itself");
    let started = world.writes("lee-esx1").len();
    assert_eq!(started, 0, "and nothing was sent to end it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_taken_back_has_stopped_although_the_vm_was_off_by_then() {
    let world = World::out_to("power_on").await;
    world.go(&out("power_on")).await;
    power_off_by_hand(&world).await;
    let stops = || {
        let facts = world.facts();
        let here = facts.iter().filter(
            |fact| matches!(fact, Fact::Stopped { host, .. } if host.as_str() == "lee-esx1"),
        );
        here.count()
    };
    for _ in 0..2 {
        let undone = world.undo(&out("power_on")).await;
        assert!(matches!(undone, Performed::Undone { .. }), "{undone:?}");
        assert_eq!(stops(), 1, "once");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_worked_is_seen_to_have_worked() {
    let world = World::out_to("power_on").await;
    world
        .site
        .inject(&"lee-esx1".into(), Injection::PowerOnLies(true))
        .unwrap();
    let evidence = world.go(&out("power_on")).await;
    assert!(evidence[0].contains("on since"), "{evidence:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_does_not_start_gives_its_reason() {
    let world = World::out_to("power_on").await;
    world
        .site
        .inject(&"lee-esx1".into(), Injection::PowerOnFails(true))
        .unwrap();
    needed(&world.probe(&out("power_on")).await);
    let Performed::Failed(fault) = world.perform(&out("power_on")).await else {
        panic!()
    };
    assert!(fault.what.contains("sql01 did not start"), "{fault}");
    assert!(!fault.what.contains("no reason was found"), "{fault}");
    assert!(!fault.next.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_files_block_and_stay() {
    let world = World::new().await;
    let folder = world.on("lee-esx1", "/vmfs/volumes/local1/sql01");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("sql01.vmx"), "somebody else's").unwrap();
    let answer = world.probe(&out("restore")).await;
    let fault = blocked(&answer);
    assert!(fault.what.contains("sql01.vmx"), "{fault}");
    assert!(fault.next.contains("taken home since"), "{fault}");
    assert_eq!(world.writes("lee-esx1").len(), 0);
    assert_eq!(
        std::fs::read(folder.join("sql01.vmx")).unwrap(),
        b"somebody else's"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datastore_without_room_is_told_before_anything_is_sent() {
    let world = World::new().await;
    world
        .site
        .set_quota(&"lee-esx1".into(), "local1", Some(64 << 10))
        .unwrap();
    let answer = world.probe(&out("restore")).await;
    let fault = blocked(&answer);
    assert!(
        fault.what.contains("free") && fault.next.starts_with("free "),
        "{fault}"
    );
    assert_eq!(world.writes("lee-esx1").len(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_cut_goes_on_from_what_is_there() {
    let world = World::new().await;
    needed(&world.probe(&out("restore")).await);
    let id = out("restore");
    let performing = world.perform(&id);
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        world.link.cut();
    };
    let (performed, ()) = tokio::join!(performing, cutting);
    if performed == Performed::Lost {
        let outcomes = world.settle(&out("restore")).await;
        assert!(!outcomes.is_empty());
    }
    let evidence = world.go(&out("restore")).await;
    assert_eq!(evidence.len(), 7, "{evidence:?}");
    assert!(is_done(&world.probe(&out("restore")).await));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_hostd_is_no_evidence() {
    let world = World::new().await;
    world
        .site
        .inject(&"lon-esx1".into(), Injection::HostdDown(true))
        .unwrap();
    let answer = world.probe(&out("fence")).await;
    // Its address answers, and no host could say that it does not run: it is never vouched for.
    assert!(
        blocked(&answer).what.contains("something answers"),
        "{answer:?}"
    );
    world
        .site
        .inject(&"lee-esx1".into(), Injection::HostdDown(true))
        .unwrap();
    let fault = world.try_probe(&out("register")).await.unwrap_err();
    assert!(fault.passing && fault.what.contains("hostd"), "{fault}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_came_to_life_elsewhere_is_not_started() {
    let world = World::out_to("power_on").await;
    needed(&world.probe(&out("power_on")).await);
    // The attestation was given; then London returned, and somebody started the old copy.
    world.site.come_back(SiteRole::Protected);
    world.start_in_london().await;
    let before = world.all_writes();
    let Performed::Changed(answer) = world.perform(&out("power_on")).await else {
        panic!()
    };
    assert!(
        blocked(&answer).what.contains("must not start"),
        "{answer:?}"
    );
    assert_eq!(world.all_writes(), before);
    world.end().await;
}

/// The link or the console is lost right after the .vmx was renamed aside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vmx_that_was_renamed_aside_and_not_told_is_given_back() {
    let world = World::out_to("network").await;
    let vmx = "/vmfs/volumes/local1/sql01/sql01.vmx";
    let there = |path: &str| std::fs::read(world.on("lee-esx1", path)).ok();
    let names = ["", "2"].map(|n| format!("{vmx}.lifeboat-20260102-030405-test-before{n}"));
    let aside = names.iter().find(|name| there(name).is_none()).unwrap();
    let before = there(vmx).unwrap();
    let cut_off = || {
        let command = shell::rename(vmx, aside).line();
        world.lose(&out("network"), "lee-esx1", &command);
        std::fs::rename(world.on("lee-esx1", vmx), world.on("lee-esx1", aside)).unwrap();
    };
    cut_off();
    let undone = world.undo(&out("network")).await;
    assert!(matches!(undone, Performed::Undone { .. }), "{undone:?}");
    assert!(there(vmx).as_ref() == Some(&before) && there(aside).is_none());
    cut_off();
    // The host lists no VM without a .vmx: it reads the new one all the same.
    world.go(&out("network")).await;
    let told = world.facts().into_iter().any(
        |fact| matches!(fact, Fact::OriginalKept { aside: told, bytes, .. } if told == *aside && bytes.is_some()),
    );
    assert!(told, "the report and the ledger must know where it lies");
    assert!(there(vmx).as_ref() != Some(&before));
    world.undo(&out("network")).await;
    assert!(there(vmx) == Some(before) && there(aside).is_none());
    world.end().await;
}

/// Its host has read the file of before meanwhile: that it has to read this one is not told by the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vmx_that_is_replaced_again_is_told_again() {
    let world = World::out_to("network").await;
    let told = || {
        let facts = world.facts().into_iter();
        let kept = facts.filter(
            |fact| matches!(fact, Fact::OriginalKept { path, .. } if path.ends_with("sql01.vmx")),
        );
        kept.count()
    };
    world.go(&out("network")).await;
    assert_eq!(told(), 1);
    let undone = world.undo(&out("network")).await;
    assert!(matches!(undone, Performed::Undone { .. }), "{undone:?}");
    world.go(&out("network")).await;
    assert_eq!(told(), 2);
    world.end().await;
}
