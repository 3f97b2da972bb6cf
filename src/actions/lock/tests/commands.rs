//! What the runbook's own commands do is driven by one run, too.

use super::*;
use crate::actions::lock::place::Place;
use crate::actions::tests::RUNBOOK;
use crate::actions::tests::capacity::{FREE, with_spares};
use crate::plan::{ActionSpec, Close, Step, Subject};
use crate::runbook::model::Runbook;
use std::os::unix::fs::PermissionsExt;

const LOGGED: &str = "failover/announce/lee-bk1/command";
const HOME_LOGGED: &str = "failback/announce/lee-bk1/command";
const NAME: &str = ".lifeboat-commands-v2v-image-restore+lee-bk1";

/// A site whose log can be looked at; the login of its backup server has a home folder.
async fn logging() -> World {
    logging_in(RUNBOOK).await
}

/// The same with this runbook.
async fn logging_in(text: &str) -> World {
    let line = "effect: write\n        name: Log";
    let seen = "effect: write\n          verify: [test, -d, /backup]\n        name: Log";
    assert_eq!(text.matches(line).count(), 2);
    let world = World::with(&text.replace(line, seen)).await;
    std::fs::create_dir_all(world.on("lee-bk1", "/home/backup")).unwrap();
    world
}

fn on_host(world: &World) -> PathBuf {
    world.on("lee-bk1", "/home/backup").join(NAME)
}

fn host_locks_in(proposal: &Proposal) -> usize {
    let lines = lines(proposal).into_iter();
    lines.filter(|line| line.contains(NAME)).count()
}

/// The run finds something out.
fn tell(world: &World, fact: Fact) -> RunState {
    let mut state = world.keeper.state.lock().unwrap();
    state.facts.push(crate::engine::FoundFact {
        at: jiff::Timestamp::UNIX_EPOCH,
        step: None,
        fact,
    });
    state.clone()
}

fn logged(world: &World) -> usize {
    let writes = world.writes("lee-bk1");
    let logged = writes.iter().filter(|line| line.contains("logger"));
    logged.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_locks_its_host_until_the_run_ends() {
    let world = logging().await;
    let answer = world.probe(LOGGED).await;
    let proposal = needed(&answer);
    assert_eq!(host_locks_in(proposal), 1);
    assert!(proposal.commands[0].line.contains(NAME), "it comes first");
    let said = proposal.changes.last().unwrap();
    assert!(said.starts_with("lee-bk1 is locked for this run"), "{said}");
    world.go(LOGGED).await;
    let owner = std::fs::read_to_string(on_host(&world).join("owner")).unwrap();
    assert!(owner.contains("20260102-030405-test"), "{owner}");

    let again = world.probe(HOME_LOGGED).await;
    assert_eq!(host_locks_in(needed(&again)), 0, "it is held already");
    world.go(HOME_LOGGED).await;
    assert_eq!(logged(&world), 2);
    close(&world).await;
    assert!(!on_host(&world).exists());
    assert!(world.keeper.state.lock().unwrap().locks().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_a_vm_that_somebody_started_again_is_given_back() {
    let mut world = logging().await;
    world.go(LOGGED).await;
    assert!(on_host(&world).exists());
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    runbook.hosts.get_mut("lee-bk1").unwrap().guest = Some("sql01".into());
    let stopped = Fact::Stopped {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        how: "shut down by its guest".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let state = tell(&world, stopped);
    assert!(off(&world.runbook, &state, &"lee-bk1".into()).is_some());
    close(&world).await;
    assert!(!on_host(&world).exists());
    world.end().await;
}

/// sql01 runs in Leeds, and the run has a lock in it.
async fn locked_in_guest() -> World {
    let mut world = logging().await;
    world.site.go_dark(SiteRole::Protected);
    for verb in ["fence", "restore", "register", "network", "power_on"] {
        world.go(&out(verb)).await;
    }
    world.go(LOGGED).await;
    assert!(on_host(&world).exists());
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    runbook.hosts.get_mut("lee-bk1").unwrap().guest = Some("sql01".into());
    world
}

fn assert_given_back_before(world: &World) {
    assert!(!on_host(world).exists());
    let facts = world.facts();
    let at = |is: fn(&Fact) -> bool| facts.iter().position(is).unwrap();
    let released = at(|fact| matches!(fact, Fact::LockReleased { .. }));
    let stopped = at(|fact| matches!(fact, Fact::Stopped { .. }));
    assert!(released < stopped, "{facts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_a_vm_is_given_back_before_the_run_stops_that_vm() {
    let world = locked_in_guest().await;
    world.site.come_back(SiteRole::Protected);
    let step = world.step(&home("shut_down"));
    let planned = crate::actions::outline(&world.runbook, &step);
    assert_eq!(host_locks_in(needed(&planned)), 1);

    let answer = world.probe(&home("shut_down")).await;
    let proposal = needed(&answer);
    assert_eq!(host_locks_in(proposal), 1, "{proposal:?}");
    let said = "the lock on lee-bk1, which lies in it, is given back first".to_owned();
    assert!(proposal.changes.contains(&said), "{proposal:?}");
    world.go(&home("shut_down")).await;
    assert_given_back_before(&world);
    // The next command there takes it anew.
    assert_eq!(host_locks_in(needed(&world.probe(HOME_LOGGED).await)), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_a_vm_is_given_back_before_its_start_is_taken_back() {
    let world = locked_in_guest().await;
    world.undo(&out("power_on")).await;
    assert_given_back_before(&world);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_in_a_vm_that_makes_room_is_given_back_before_it_is_stopped() {
    let mut world = logging_in(&with_spares()).await;
    world.go(LOGGED).await;
    assert!(on_host(&world).exists());
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    runbook.hosts.get_mut("lee-bk1").unwrap().guest = Some("lab-*".into());
    let planned = crate::actions::outline(&world.runbook, &world.step(FREE));
    assert_eq!(host_locks_in(needed(&planned)), 1);
    assert_eq!(host_locks_in(needed(&world.probe(FREE).await)), 1);
    world.go(FREE).await;
    assert!(!on_host(&world).exists());
    let facts = world.facts();
    let at = |is: fn(&Fact) -> bool| facts.iter().position(is).unwrap();
    let released = at(|fact| matches!(fact, Fact::LockReleased { .. }));
    let wanted = at(|fact| matches!(fact, Fact::StopWanted { .. }));
    assert!(released < wanted, "{facts:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_answer_is_tried_for_one_of_its_locks() {
    let mut world = World::new().await;
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    runbook.hosts.get_mut("lee-bk1").unwrap().guest = Some("sql01".into());
    tell(
        &world,
        Fact::Stopped {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            how: "shut down by its guest".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
        },
    );
    for path in ["/srv/a", "/srv/b"] {
        let wanted = Fact::LockWanted {
            vm: None,
            host: "lee-bk1".into(),
            path: path.to_owned(),
        };
        tell(&world, wanted);
    }
    world.site.go_dark(SiteRole::Recovery);
    close(&world).await;
    let told = world.keeper.told.lock().unwrap().clone();
    let stays: Vec<&String> = told.iter().filter(|line| line.contains(" stays")).collect();
    assert_eq!(stays.len(), 2, "{told:?}");
    assert!(stays[0].contains("which this run stopped: "), "{told:?}");
    let end = ": lee-bk1 did not answer for another lock either";
    assert!(stays[1].ends_with(end), "{told:?}");
    assert_eq!(world.keeper.state.lock().unwrap().locks().len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_consoles_with_one_runbook_one_sends_its_commands() {
    let world = logging().await;
    world.probe(LOGGED).await;
    // The other is faster.
    lock_by(&on_host(&world), OTHER);
    let held = changed(world.perform(LOGGED).await);
    let proposal = needed(&held);
    assert!(held.found.starts_with("lee-bk1 is held by run 20260101"));
    assert_eq!(proposal.typed.as_deref(), Some("20260101-000000-zzzz"));
    assert_eq!(
        proposal.attest.as_ref().map(|attest| &attest.vm),
        Some(&None)
    );
    assert_eq!(logged(&world), 0);
    // Broken with a reason, the command is shown before it is sent.
    world.probe(LOGGED).await;
    let own = changed(world.perform(LOGGED).await);
    assert_eq!(host_locks_in(needed(&own)), 0, "{own:?}");
    assert_eq!(logged(&world), 0);
    world.go(LOGGED).await;
    assert_eq!(logged(&world), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lock_does_not_put_the_command_in_doubt() {
    // Nothing in this runbook shows whether it was logged.
    let world = World::new().await;
    let (host, path) = ("lee-bk1".into(), NAME.to_owned());
    let vm = None;
    tell(&world, Fact::LockWanted { vm, host, path });
    let lock = format!("sh -c … _ {NAME} {{}}");
    world.lose(LOGGED, "lee-bk1", &lock);
    let answer = world.probe(LOGGED).await;
    assert_eq!(needed(&answer).typed, None);
    world.lose(LOGGED, "lee-bk1", "logger -t lifeboat done");
    let answer = world.probe(LOGGED).await;
    assert!(answer.found.contains("unknown outcome"), "{}", answer.found);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_home_is_closed_is_told_and_not_stopped() {
    let world = logging().await;
    let home = world.on("lee-bk1", "/home/backup");
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o555)).unwrap();
    let answer = world.probe(LOGGED).await;
    let proposal = needed(&answer);
    assert_eq!(host_locks_in(proposal), 0);
    let said = proposal.changes.last().unwrap();
    assert!(said.contains("not locked for this run"), "{said}");
    world.go(LOGGED).await;
    assert_eq!(logged(&world), 1);
    world.end().await;
}

/// The step of a command on a host, or about a VM.
fn commanding(host: &str, vm: Option<&str>) -> (Runbook, Step) {
    let (runbook, mut step) = crate::actions::tests::step(LOGGED);
    if let ActionSpec::Command(command) = &mut step.action {
        command.host = host.into();
    }
    step.subject = vm.map_or_else(|| Subject::Host(host.into()), |vm| Subject::Vm(vm.into()));
    (runbook, step)
}

#[test]
fn a_command_is_kept_by_its_vm_or_by_its_host_where_that_has_a_place() {
    let places = |(runbook, step): &(Runbook, Step)| -> Vec<String> {
        let places = Place::of_step(runbook, step).into_iter();
        places.map(|place| place.folder).collect()
    };
    assert_eq!(
        places(&commanding("lee-bk1", Some("sql01"))),
        ["/vmfs/volumes/local1/.lifeboat-lock-sql01"]
    );
    assert_eq!(
        places(&commanding("lee-esx1", None)),
        ["/vmfs/volumes/local1/.lifeboat-commands-v2v-image-restore+lee-esx1"]
    );
    let mut other = commanding("lee-bk1", None);
    assert_eq!(places(&other), [NAME]);
    other.0.name = "mail".into();
    assert_eq!(places(&other), [".lifeboat-commands-mail+lee-bk1"]);

    let mut ending = commanding("lee-esx1", None);
    ending.1.action = ActionSpec::Close(Close::RemoveNetworks {
        host: "lee-esx1".into(),
        groups: vec![("Recovered Production".into(), "vSwitch0".into())],
        switches: Vec::new(),
    });
    assert_eq!(places(&ending), places(&commanding("lee-esx1", None)));

    let mut room = commanding("lee-esx1", None);
    room.1.action = ActionSpec::FreeCapacity {
        vms: vec!["lab-*".into()],
    };
    room.1.subject = Subject::Run;
    room.1.hosts = vec!["lee-esx1".into()];
    assert_eq!(places(&room), places(&commanding("lee-esx1", None)));

    let (mut runbook, step) = commanding("lee-esx1", None);
    let first = runbook.vms.get_mut("sql01").unwrap();
    (first.expendable, first.recovery.as_mut().unwrap().datastore) = (true, String::new());
    assert_eq!(
        places(&(runbook.clone(), step.clone())),
        places(&commanding("lee-esx1", None)),
        "what is expendable need not say where it lies"
    );
    runbook.vms.clear();
    assert!(places(&(runbook.clone(), step.clone())).is_empty());
    let outline = actions::outline(&runbook, &step);
    let said = needed(&outline).changes.last().unwrap().clone();
    assert!(said.contains("names no datastore there"), "{said}");
}
