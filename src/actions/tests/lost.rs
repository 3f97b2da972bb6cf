//! Stopping what was lost, by its number, on both kinds of host.

use std::time::Duration;

use super::world::{World, out};
use crate::actions::Ctx;
use crate::actions::place::VmAt;
use crate::actions::stop_lost::nothing_comes;
use crate::engine::StopOutcome;
use crate::host::{HostCommand, Lane};
use crate::runbook::model::SiteRole;

const HOSTS: [&str; 2] = ["lee-esx1", "lee-bk1"];

/// A command that goes on for a while on a host, and its number there.
async fn started(world: &World, host: &str) -> (u32, tokio::task::JoinHandle<bool>) {
    started_as(world, Lane::Telemetry, host, "sleep 3000").await
}

/// The same of this command.
pub(super) async fn started_as(
    world: &World,
    lane: Lane,
    host: &str,
    line: &str,
) -> (u32, tokio::task::JoinHandle<bool>) {
    let notes = world.on(host, "/tmp/pid");
    let _ = std::fs::remove_file(&notes);
    let target = world.hosts.host(&host.into()).unwrap();
    // Quoted, the console does not know it for a call to hostd, for whose end its others would wait.
    let line = line.replacen("vim-cmd", "vim''-cmd", 1);
    let script = format!("echo $$ >/tmp/pid; exec {line}");
    // The site's time runs 60 times as fast: 50 s of ours.
    let runs = tokio::spawn(async move {
        let command = HostCommand::read(["sh", "-c", &script]).deadline(Duration::from_secs(90));
        let ended = target.read(lane, &command).await;
        ended.is_ok_and(|output| output.status == 0)
    });
    for _ in 0..500 {
        if let Ok(text) = std::fs::read_to_string(&notes)
            && text.ends_with('\n')
        {
            return (text.trim().parse().unwrap(), runs);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not start on {host}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_runs_is_stopped_by_its_number_and_once() {
    let world = World::new().await;
    let id = out("register");
    for host in HOSTS {
        let (pid, runs) = started(&world, host).await;
        let op = world.lose_at(&id, host, "sleep 3000", pid);
        assert_eq!(
            world.stop_lost(&id, op).await,
            Ok(StopOutcome::Killed),
            "{host}"
        );
        assert!(!runs.await.unwrap(), "{host}: it did not come to its end");
        let before = world.all_writes();
        assert_eq!(
            world.stop_lost(&id, op).await,
            Ok(StopOutcome::Gone),
            "{host}"
        );
        assert_eq!(
            world.all_writes(),
            before,
            "{host}: nothing is left to stop"
        );
    }
    world.end().await;
}

/// A person settled the step by hand; the run is taken back while its command is still at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_still_come_to_a_vm_holds_up_that_it_is_told_gone() {
    let world = World::new().await;
    let (pid, runs) = started(&world, "lee-esx1").await;
    let op = world.lose_at(&out("power_on"), "lee-esx1", "sleep 3000", pid);
    let ready = world.step("sql01/ready");
    let look = async |vm: &str| {
        let at = VmAt::new(&world.runbook, &vm.into(), SiteRole::Recovery).unwrap();
        let look = |ctx: Ctx| async move { nothing_comes(&ctx, &at).await };
        world.run(&ready, None, look).await
    };
    let before = world.all_writes();
    let fault = look("sql01").await.unwrap_err();
    assert!(
        fault.what.contains("still under way on lee-esx1"),
        "{fault}"
    );
    assert_eq!(look("web01").await, Ok(()), "it is not about that one");
    assert_eq!(world.all_writes(), before, "a look sends nothing");
    assert_eq!(
        world.stop_lost(&out("power_on"), op).await,
        Ok(StopOutcome::Killed)
    );
    assert!(!runs.await.unwrap());
    assert_eq!(look("sql01").await, Ok(()));

    // Its number belongs to something else by now, and no process is that command.
    let (pid, _runs) = started(&world, "lee-esx1").await;
    world.lose_at(
        &out("power_on"),
        "lee-esx1",
        "vim-cmd vmsvc/power.on 3",
        pid,
    );
    assert_eq!(look("sql01").await, Ok(()));
    // A command of another step that is being sent at this moment is not lost.
    world.send(&out("register"), "lee-esx1", "sleep 3000");
    assert_eq!(look("sql01").await, Ok(()));
    // That very command under another number is it all the same.
    let (other, _) = started_as(&world, Lane::Data, "lee-esx1", "sleep 4000").await;
    world.lose_at(&out("power_on"), "lee-esx1", "sleep 3000", other);
    let fault = look("sql01").await.unwrap_err();
    assert!(fault.next.contains("end it by hand"), "{fault}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_belongs_to_something_else_is_left_to_a_person() {
    let world = World::new().await;
    let id = out("register");
    for host in HOSTS {
        let (pid, runs) = started(&world, host).await;
        // Another command, the same with another end, and one whose secret is not compared.
        for line in ["vim-cmd vmsvc/power.on 3", "sleep 30000", "sleep '***'"] {
            let op = world.lose_at(&id, host, line, pid);
            let before = world.all_writes();
            let fault = world.stop_lost(&id, op).await.unwrap_err();
            assert!(
                fault.what.contains("cannot be told"),
                "{host} {line}: {fault}"
            );
            assert!(fault.next.contains("by hand"), "{fault}");
            assert_eq!(world.all_writes(), before, "{host} {line}");
            assert!(!runs.is_finished(), "{host} {line}: it was ended");
        }
        let op = world.lose_at(&id, host, "sleep 3000", pid);
        assert_eq!(world.stop_lost(&id, op).await, Ok(StopOutcome::Killed));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_answer_leaves_it_in_doubt() {
    let world = World::new().await;
    let id = out("register");
    let step = world.step(&id);
    let op = world.lose_at(&id, "lon-esx1", "sleep 3000", 4711);
    world.site.go_dark(SiteRole::Protected);
    let before = world.all_writes();
    let fault = world.stop_lost(&id, op).await.unwrap_err();
    assert!(!fault.next.is_empty(), "{fault}");
    assert_eq!(world.all_writes(), before);
    let patiently = |patience| {
        let stop =
            move |ctx: Ctx| async move { crate::actions::stop_patiently(&ctx, op, patience).await };
        world.run(&step, None, stop)
    };
    let fault = patiently(Duration::ZERO).await.unwrap_err();
    assert!(fault.state.contains("may still take effect"), "{fault}");
    let (outcome, ()) = tokio::join!(patiently(Duration::from_secs(60)), async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        world.site.come_back(SiteRole::Protected);
    });
    assert_eq!(outcome, Ok(StopOutcome::Gone), "it is waited for");
    world.end().await;
}

/// What is done by hand on a host.
async fn by_hand(world: &World, words: &[&str]) -> String {
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let command = HostCommand::read(words.iter().copied());
    let output = host.read(Lane::Telemetry, &command).await.unwrap();
    output.text().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_lost_in_a_guest_goes_on_once_its_vm_is_off() {
    const BY_AGENT: &str = include_str!("../../../runbooks/v2v-agent-restore.yaml");
    let world = World::with(BY_AGENT).await;
    let list = by_hand(&world, &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("hr01-prestaged"));
    let vmid = row.and_then(|row| row.split_whitespace().next()).unwrap();
    by_hand(&world, &["vim-cmd", "vmsvc/power.on", vmid]).await;
    let guest = world.hosts.host(&"hr-lee".into()).unwrap();
    let look = HostCommand::read(["true"]);
    for _ in 0..200 {
        if guest.read(Lane::Control, &look).await.is_ok() {
            break;
        }
        world.hosts.retry_login(&"hr-lee".into());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let id = "hr01/power_on".to_owned();
    let (pid, runs) = started(&world, "hr-lee").await;
    let ops = [
        world.lose_at(&id, "hr-lee", "sleep 3000", pid),
        world.lose(&id, "hr-lee", "sleep 3000"),
    ];
    by_hand(&world, &["vim-cmd", "vmsvc/power.off", vmid]).await;
    assert!(!runs.await.unwrap());

    // As long as its host cannot tell, it may have frozen, and go on.
    let injected = |down| {
        let injection = crate::sim::Injection::HostdDown(down);
        world.site.inject(&"lee-esx1".into(), injection).unwrap();
    };
    injected(true);
    for op in ops {
        let fault = world.stop_lost(&id, op).await.unwrap_err();
        assert!(fault.next.contains("once hr01"), "{fault}");
    }
    injected(false);
    let before = world.all_writes();
    for op in ops {
        assert_eq!(world.stop_lost(&id, op).await, Ok(StopOutcome::Gone));
    }
    assert_eq!(world.all_writes(), before, "looking sends nothing");
    // Of a machine that is nobody's guest nobody tells that.
    world.site.go_dark(SiteRole::Recovery);
    let op = world.lose(&id, "lee-bk1", "sleep 3000");
    let fault = world.stop_lost(&id, op).await.unwrap_err();
    assert!(!fault.next.contains("is seen off"), "{fault}");
    world.end().await;
}
