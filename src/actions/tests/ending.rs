//! Steps by which a run is ended, against the simulated site.

use super::going_home::by_hand;
use super::lost::started_as;
use super::world::{World, out};
use super::{done, lines, needed};
use crate::engine::{Chapter, Fact, RunEvent, StopOutcome, closing_plan};
use crate::host::Lane;
use crate::plan::{ActionSpec, Aside, Close};

const FOLDER: &str = "/vmfs/volumes/local1/sql01";

/// sql01 stands in Leeds, registered and not started, and is to be taken back.
async fn half_way() -> World {
    let mut world = World::out_to("network").await;
    take_back(&mut world);
    world
}

/// The run is to be taken back as it stands; gives the steps by which it is.
pub(super) fn take_back(world: &mut World) -> Vec<String> {
    let state = world.keeper.state.lock().unwrap().clone();
    let own = world.plans[0].clone();
    let plan = closing_plan(Chapter::Rollback, &world.runbook, own, &state);
    let steps = plan.open_steps().iter();
    let steps = steps.map(|step| step.id.to_string()).collect();
    world.plans.push(plan);
    steps
}

/// Its start was settled by hand, and its VM asks something: an answer would start it after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_gone_while_a_lost_start_waits_for_an_answer() {
    let mut world = World::out_to("network").await;
    let (host, start) = ("lee-esx1", out("power_on"));
    let list = by_hand(&world, host, &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list
        .lines()
        .find(|line| line.contains("sql01.vmx"))
        .unwrap();
    let vmid = row.split_whitespace().next().unwrap();
    let line = format!("vim-cmd vmsvc/power.on {vmid}");
    let (pid, runs) = started_as(&world, Lane::Telemetry, host, &line).await;
    let op = world.lose(&start, host, &line);
    take_back(&mut world);
    let steps = ["rollback/take-down/sql01/stop", "remove_files"];
    let held_up = async |by: &str| {
        for step in steps {
            let fault = world.try_probe(step).await.unwrap_err();
            assert!(
                fault.what.contains("is still under way on lee-esx1")
                    && fault.next.starts_with("its VM asks something"),
                "{step}, by {by}: {fault}"
            );
        }
    };
    held_up("its command among all that run").await;
    let known = RunEvent::WriteStarted { op, pid };
    world.keeper.record(Some(&world.step(&start)), known);
    held_up("its number").await;
    let stopped = world.stop_lost(&start, op).await;
    assert_eq!(stopped, Ok(StopOutcome::Killed));
    assert!(!runs.await.unwrap());
    held_up("the host's task").await;
    by_hand(&world, host, &["vim-cmd", "vmsvc/power.off", vmid]).await;
    for step in steps {
        world.probe(step).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_others_files_is_not_asked_to_go() {
    let world = half_way().await;
    world.go("rollback/take-down/sql01/unregister").await;
    std::fs::write(world.on("lee-esx1", &format!("{FOLDER}/notes.txt")), "x").unwrap();
    let answer = world.probe("remove_files").await;
    let shown: Vec<String> = lines(needed(&answer))
        .into_iter()
        .map(str::to_owned)
        .collect();
    let before = world.writes("lee-esx1").len();
    world.go("remove_files").await;
    let sent = world.writes("lee-esx1").split_off(before);
    assert_eq!(sent.len(), shown.len(), "{sent:?} of {shown:?}");
    assert!(world.on("lee-esx1", FOLDER).join("notes.txt").exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_the_host_hides_is_taken_out_all_the_same() {
    let world = half_way().await;
    std::fs::remove_file(world.on("lee-esx1", &format!("{FOLDER}/sql01.vmx"))).unwrap();
    let unregister = "rollback/take-down/sql01/unregister";
    let answer = world.probe(unregister).await;
    assert!(
        answer.found.contains("unreadable entry"),
        "{}",
        answer.found
    );
    needed(&answer);
    world.go(unregister).await;
    done(&world.probe(unregister).await);
    world.end().await;
}

/// The .vmx of before has its name back, and that is all: the link died before its host read it. Gives the
/// step and the file.
async fn named_and_unread() -> (World, String, String) {
    let mut world = half_way().await;
    world.go(&out("network")).await;
    let kept = world.facts().into_iter().rev().find_map(|fact| match fact {
        Fact::OriginalKept { path, aside, .. } if path.ends_with("sql01.vmx") => {
            Some((path, aside))
        }
        _ => None,
    });
    let (path, aside) = kept.unwrap();
    let mut step = world.step("remove_files");
    let bytes = std::fs::metadata(world.on("lee-esx1", &aside)).map(|file| file.len());
    step.id = "rollback/bring-back/sql01/names_back".into();
    step.action = ActionSpec::Close(Close::NamesBack {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        originals: vec![Aside {
            path: path.clone(),
            aside: aside.clone(),
            bytes: bytes.ok(),
        }],
    });
    let id = step.id.to_string();
    world.plans.last_mut().unwrap().steps.push(step);
    for (from, to) in [(&path, &format!("{path}.undone")), (&aside, &path)] {
        std::fs::rename(world.on("lee-esx1", from), world.on("lee-esx1", to)).unwrap();
    }
    (world, id, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_reads_the_vmx_that_got_its_name_back_though_all_names_are_there() {
    let (world, id, _) = named_and_unread().await;
    let answer = world.probe(&id).await;
    let shown = lines(needed(&answer));
    assert!(
        shown.iter().any(|line| line.contains("vmsvc/reload")),
        "{shown:?}"
    );
    world.go(&id).await;
    let before = world.all_writes();
    world.go(&id).await;
    assert_eq!(world.all_writes(), before, "read once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_differs_though_the_vmx_was_read_is_told_and_holds_no_name_back() {
    let (world, id, path) = named_and_unread().await;
    world.go(&id).await;
    let file = world.on("lee-esx1", &path);
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("uuid.bios"));
    let line = line.unwrap();
    // Of the same size, as that file is known by.
    let last = if line.ends_with("0\"") { '1' } else { '0' };
    let other = format!("{}{last}\"", &line[..line.len() - 2]);
    std::fs::write(&file, text.replace(line, &other)).unwrap();
    let answer = world.probe(&id).await;
    let told = done(&answer).join("; ");
    assert!(
        told.contains("the host's view is not its .vmx: uuid.bios") && told.contains("power_on"),
        "{told}"
    );
    let before = world.all_writes();
    world.go(&id).await;
    assert_eq!(world.all_writes(), before, "it is not read over and over");
    world.end().await;
}
