//! Two runs that want one VM, against the simulated site.

use std::path::PathBuf;
use std::time::Duration;

use super::claim::{Claim, taken};
use super::giving_back::off;
use super::owner::Owner;
use super::place::Place;
use crate::actions;
use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::tests::world::{World, consent, home, is_done, out};
use crate::actions::tests::{lines, needed};
use crate::engine::{Fact, Performed, ProbeAnswer, Proposal, RunEvent, RunState, Verdict};
use crate::host::{HostCommand, Lane, Output};
use crate::hypervisor::shell::LockTaken;
use crate::plan::Risk;
use crate::runbook::model::SiteRole;

mod commands;

const OTHER: &str = r#"{"run":"20260101-000000-zzzz","mark":"0-0","operator":"bob\u001b[31m","console":"noc-9","since":"2026-01-01T00:00:00Z"}"#;

fn folder(world: &World) -> PathBuf {
    world.on("lee-esx1", "/vmfs/volumes/local1/.lifeboat-lock-sql01")
}

fn owner(world: &World) -> String {
    std::fs::read_to_string(folder(world).join("owner")).unwrap_or_default()
}

/// As another console leaves it.
fn lock_by(path: &std::path::Path, owner: &str) {
    std::fs::create_dir(path).unwrap();
    std::fs::write(path.join("owner"), format!("{owner}\n")).unwrap();
}

async fn close(world: &World) {
    let step = world.step("sql01/ready");
    world
        .run(&step, None, |ctx| async move { actions::close(&ctx).await })
        .await;
}

fn locks_in(proposal: &Proposal) -> usize {
    lines(proposal)
        .iter()
        .filter(|line| line.contains(".lifeboat-lock-"))
        .count()
}

fn changed(performed: Performed) -> ProbeAnswer {
    match performed {
        Performed::Changed(answer) => *answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_step_that_changes_something_takes_the_lock_and_the_end_gives_it_back() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    world.go(&out("fence")).await;
    assert!(!folder(&world).exists(), "an attestation changes no host");

    let answer = world.probe(&out("restore")).await;
    let proposal = needed(&answer);
    assert_eq!(locks_in(proposal), 1);
    let said = proposal.changes.last().unwrap();
    assert!(said.contains("sql01 on lee-esx1 is locked"), "{said}");
    assert!(proposal.commands[0].write && proposal.attest.is_none());
    world.go(&out("restore")).await;
    assert!(
        owner(&world).contains("20260102-030405-test"),
        "{}",
        owner(&world)
    );

    for verb in ["register", "network"] {
        let answer = world.probe(&out(verb)).await;
        assert_eq!(locks_in(needed(&answer)), 0, "{verb}: it is held already");
        world.go(&out(verb)).await;
    }
    close(&world).await;
    assert!(!folder(&world).exists());
    let facts = world.facts();
    assert!(
        facts
            .iter()
            .any(|fact| matches!(fact, Fact::LockReleased { how, .. } if how == "was removed"))
    );
    assert!(world.keeper.state.lock().unwrap().locks().is_empty());

    // Once more: there is nothing to give back, and nothing is sent.
    let before = world.all_writes();
    close(&world).await;
    assert!(is_done(&world.probe(&out("register")).await));
    assert_eq!(world.all_writes(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_runs_lock_is_broken_by_its_id_and_a_reason_and_by_nothing_less() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    lock_by(&folder(&world), OTHER);

    let answer = world.probe(&out("restore")).await;
    assert!(
        answer
            .found
            .contains("run 20260101-000000-zzzz of bob on noc-9, since 2026-01-01"),
        "{}",
        answer.found
    );
    let proposal = needed(&answer);
    assert_eq!(
        (proposal.risk, proposal.typed.as_deref()),
        (Some(Risk::Typed), Some("20260101-000000-zzzz"))
    );
    assert!(proposal.attest.is_some());
    assert_eq!(
        proposal.commands.len(),
        1,
        "nothing of the verb's own: {proposal:?}"
    );
    let said = proposal.changes.join(" ");
    let state = world.run_dir();
    let state = state.ancestors().nth(2).unwrap().display();
    let there = format!("lifeboat resume 20260101-000000-zzzz --state {state};");
    assert!(said.contains(&there), "{said}");

    // Neither the word alone nor the reason alone.
    for (typed, attest) in [
        (proposal.typed.clone(), None),
        (None, Some("gone".to_owned())),
    ] {
        let mut given = consent(proposal);
        (given.typed, given.attest) = (typed, attest);
        changed(world.perform_as(&out("restore"), given).await);
        assert!(!folder(&world).join("next").exists());
    }
    let own = changed(world.perform(&out("restore")).await);
    assert_eq!(locks_in(needed(&own)), 0, "it is ours now: {own:?}");
    assert!(!world.on("lee-esx1", "/vmfs/volumes/local1/sql01").exists());
    let broken = world.facts().into_iter().find_map(|fact| match fact {
        Fact::LockBroken {
            holder, by, reason, ..
        } => Some((holder, by, reason)),
        _ => None,
    });
    let (holder, by, reason) = broken.unwrap();
    assert!(holder.contains("bob on noc-9") && by == "alice" && reason.contains("fire"));
    assert!(!holder.contains('\u{1b}'));

    world.go(&out("restore")).await;
    close(&world).await;
    assert!(!folder(&world).exists(), "the broken lock goes too");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_lock_was_broken_sends_nothing_more_for_that_vm() {
    let world = World::out_to("register").await;
    let answer = world.probe(&out("register")).await;
    assert_eq!(locks_in(needed(&answer)), 0);
    lock_by(&folder(&world).join("next"), OTHER);
    let before = world.all_writes();
    let held = changed(world.perform(&out("register")).await);
    assert!(
        held.found.contains("20260101-000000-zzzz"),
        "{}",
        held.found
    );
    match world.undo(&out("restore")).await {
        Performed::Held { fault, .. } => assert!(fault.what.contains("noc-9"), "{fault}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.all_writes(), before);
    close(&world).await;
    assert!(
        folder(&world).join("next/owner").exists(),
        "it is not ours to remove"
    );
    assert!(world.keeper.state.lock().unwrap().locks().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_command_that_was_cut_off_is_known_again_by_its_own_run_alone() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    std::fs::create_dir(folder(&world)).unwrap();

    let strange = world.probe(&out("restore")).await;
    let proposal = needed(&strange);
    assert_eq!(proposal.typed.as_deref(), Some("sql01"), "nobody is named");
    assert!(proposal.attest.is_some());

    let id = out("restore");
    let of_another = ["sql011", "sql01-standby", "sql01 {}"];
    for name in of_another {
        let command = format!("sh -c … _ '/vmfs/volumes/local1/.lifeboat-lock-{name}' {{}}");
        world.lose(&id, "lee-esx1", &command);
    }
    let strange = world.probe(&id).await;
    assert!(needed(&strange).attest.is_some(), "{strange:?}");

    let command = "sh -c … _ /vmfs/volumes/local1/.lifeboat-lock-sql01 {}";
    world.lose(&id, "lee-esx1", command);
    // It lost a race, as one that was sent after it came to know.
    let op = world.send(&id, "lee-esx1", command);
    let (exit, took_ms, output_sha256) = (1, 5, None);
    let ended = RunEvent::WriteFinished {
        op,
        exit,
        took_ms,
        output_sha256,
    };
    world.keeper.record(Some(&world.step(&id)), ended);
    let strange = world.probe(&id).await;
    assert!(needed(&strange).attest.is_some(), "{strange:?}");

    world.lose(&id, "lee-esx1", command);
    let own = world.probe(&id).await;
    assert_eq!(locks_in(needed(&own)), 1);
    assert!(needed(&own).attest.is_none(), "{own:?}");
    world.go(&id).await;
    close(&world).await;
    assert!(!folder(&world).exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_was_lost_cannot_take_the_lock_from_a_step_that_goes_on() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    world.go(&out("restore")).await;
    let before = owner(&world);
    let path = "/vmfs/volumes/local1/.lifeboat-lock-sql01";
    let release = ["sh", "-c", "…", "_", path, before.trim(), path];
    world.lose_of(None, "lee-esx1", &shell_words::join(release));

    let next = world.probe(&out("register")).await;
    assert_eq!(locks_in(needed(&next)), 1, "taken anew: {next:?}");
    world.go(&out("register")).await;
    assert!(folder(&world).join("next").exists(), "out of its reach");
    let after = world.probe(&out("network")).await;
    assert_eq!(locks_in(needed(&after)), 0, "once: {after:?}");
    close(&world).await;
    assert!(!folder(&world).exists());
    world.end().await;
}

/// A person settled its step by hand while the host could not be asked; it would come after the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_command_that_may_still_take_the_lock_is_stopped_before_the_run_ends() {
    let world = World::new().await;
    let path = "/vmfs/volumes/local1/.lifeboat-lock-sql01";
    // The site's time runs 60 times as fast.
    let script = r#"echo $$ >/tmp/pid; sleep 300; mkdir "$1""#;
    let words = ["sh", "-c", script, "_", path];
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let late = tokio::spawn(async move {
        let command = HostCommand::read(words).deadline(Duration::from_secs(90));
        let ended = host.read(Lane::Telemetry, &command).await;
        ended.is_ok_and(|output| output.status == 0)
    });
    let notes = world.on("lee-esx1", "/tmp/pid");
    let mut pid = None;
    while pid.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let text = std::fs::read_to_string(&notes).unwrap_or_default();
        pid = text.strip_suffix('\n').map(|pid| pid.parse().unwrap());
    }
    let id = out("restore");
    let wanted = Fact::LockWanted {
        vm: Some("sql01".into()),
        host: "lee-esx1".into(),
        path: path.to_owned(),
    };
    world
        .keeper
        .record(Some(&world.step(&id)), RunEvent::FactFound(wanted));
    world.lose_at(&id, "lee-esx1", &shell_words::join(words), pid.unwrap());

    close(&world).await;
    assert!(world.keeper.state.lock().unwrap().locks().is_empty());
    assert!(!late.await.unwrap(), "it came to its end");
    assert!(!folder(&world).exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_that_saw_no_lock_the_slower_one_is_shown_the_faster() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    world.probe(&out("restore")).await;
    lock_by(&folder(&world), OTHER);
    let held = changed(world.perform(&out("restore")).await);
    assert!(
        held.found.contains("20260101-000000-zzzz"),
        "{}",
        held.found
    );
    assert!(!world.on("lee-esx1", "/vmfs/volumes/local1/sql01").exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_changed_before_the_lock_was_taken_is_confirmed_once_more_and_no_oftener() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);
    assert_eq!(locks_in(needed(&world.probe(&out("restore")).await)), 1);
    // The folder need not be made any more.
    std::fs::create_dir(world.on("lee-esx1", "/vmfs/volumes/local1/sql01")).unwrap();
    let shown = changed(world.perform(&out("restore")).await);
    assert_eq!(locks_in(needed(&shown)), 1);
    let done = world.perform(&out("restore")).await;
    assert!(matches!(done, Performed::Done { .. }), "{done:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_way_home_both_ends_are_locked() {
    let world = World::new().await;
    let step = world.step(&home("copy_back"));
    let folders: Vec<_> = super::Place::of_step(&world.runbook, &step)
        .into_iter()
        .map(|place| (place.host.to_string(), place.folder))
        .collect();
    let lock = |volume: &str| format!("/vmfs/volumes/{volume}/.lifeboat-lock-sql01");
    assert_eq!(
        folders,
        [
            ("lee-esx1".to_owned(), lock("local1")),
            ("lon-esx1".to_owned(), lock("local1"))
        ]
    );
    let outline = actions::outline(&world.runbook, &step);
    let Verdict::Needed(proposal) = &outline.verdict else {
        panic!("{outline:?}");
    };
    assert_eq!(locks_in(proposal), 2);
    world.end().await;
}

#[test]
fn a_lock_that_its_host_refused_is_told_as_nothing_changed() {
    let state = |status| {
        let output = Output {
            status,
            stderr: "mkdir: can't create directory: No space left on device".into(),
            ..Output::default()
        };
        let fault = taken(&output, "locking sql01", &"lee-esx1".into());
        fault.unwrap_err().state
    };
    assert!(state(1).starts_with("nothing was changed"), "{}", state(1));
    // Cut off on its way, it may have.
    assert_eq!(state(137), "the command ended with status 137");
}

#[test]
fn a_lock_in_a_vm_that_the_run_stopped_is_not_waited_for() {
    let text = include_str!("../../../runbooks/v2v-agent-restore.yaml");
    let loaded = crate::runbook::load("r.yaml", text, &crate::runbook::Limits::default());
    let runbook = loaded.unwrap().runbook;
    let mut state = RunState::default();
    let mut told = |fact| {
        state.facts.push(crate::engine::FoundFact {
            at: jiff::Timestamp::UNIX_EPOCH,
            step: None,
            fact,
        });
        let hosts = ["hr-lee", "hr-lon", "lee-esx1"];
        hosts.map(|host| off(&runbook, &state, &host.into()).is_some())
    };
    let started = || Fact::PoweredOn {
        vm: "hr01".into(),
        host: "lee-esx1".into(),
    };
    assert_eq!(told(started()), [false; 3]);
    let stopped = Fact::Stopped {
        vm: "hr01".into(),
        host: "lee-esx1".into(),
        how: "shut down by its guest".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    assert_eq!(told(stopped), [true, false, false]);
    assert_eq!(told(started()), [false; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_removal_of_a_lock_in_a_vm_holds_up_its_stop() {
    let mut world = World::new().await;
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    runbook.hosts.get_mut("lee-esx1").unwrap().guest = Some("sql01".into());
    let (host, vm) = ("lee-esx1".into(), "sql01".into());
    let place = Place::of_host(&world.runbook, &host).unwrap();
    let step = world.step(&out("power_on"));
    let take = |ctx: Ctx| async move {
        let claim = Claim::new(place, &Owner::this(&ctx).line());
        claim.take(&ctx).await.unwrap()
    };
    assert_eq!(world.run(&step, None, take).await, LockTaken::Done);
    world.link.loss.arm();
    let leave = |ctx: Ctx| async move { super::leave(&ctx, &host, &vm).await };
    let left = world.run(&step, None, leave).await;
    assert!(matches!(left, Err(ActError::Lost)), "{left:?}");
    world.end().await;
}
