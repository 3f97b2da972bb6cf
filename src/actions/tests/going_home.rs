//! The way home: London is back, sql01 leaves Leeds.

use super::moved::move_by_hand;
use super::world::{World, home, out};
use super::{RUNBOOK, blocked, needed};
use crate::engine::{Fact, RunEvent};
use crate::host::{HostCommand, Lane};
use crate::hypervisor::shell;
use crate::plan::Risk;
use crate::runbook::model::SiteRole;
use crate::sim::{NfsMount, NfsVersion};

const VERBS: [&str; 7] = [
    "shut_down",
    "copy_back",
    "register",
    "network",
    "power_on",
    "ready",
    "unregister",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_goes_home_with_what_it_did_meanwhile() {
    let world = World::new().await;
    // Alive, so that fence finds something to stop and an autostart entry to remember.
    for verb in [
        "fence", "restore", "register", "network", "power_on", "ready",
    ] {
        world.go(&out(verb)).await;
    }
    let copying = world.probe(&home("copy_back")).await;
    assert!(
        blocked(&copying).what.contains("runs in Leeds"),
        "{copying:?}"
    );

    world.go(&home("shut_down")).await;
    let work = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01-flat.vmdk");
    let mut bytes = std::fs::read(&work).unwrap();
    bytes[1000..1016].copy_from_slice(b"written in Leeds");
    std::fs::write(&work, &bytes).unwrap();

    // A first try put a part of a snapshot's disk, which was merged in Leeds since; home has its own.
    let snapshot = "/vmfs/volumes/local1/sql01/sql01-000001.vmdk";
    std::fs::write(world.on("lon-esx1", snapshot), "of before").unwrap();
    let part = format!("{snapshot}.lifeboat-20260102-030405-test-part");
    let put = shell::put_file(&part, b"of Leeds", 0o600).line();
    let op = world.send(&home("copy_back"), "lon-esx1", &put);
    let (exit, took_ms, output_sha256) = (0, 1, None);
    world.keeper.record(
        Some(&world.step(&home("copy_back"))),
        RunEvent::WriteFinished {
            op,
            exit,
            took_ms,
            output_sha256,
        },
    );

    let answer = world.probe(&home("copy_back")).await;
    let proposal = needed(&answer);
    assert_eq!(
        (proposal.risk, proposal.typed.as_deref()),
        (Some(Risk::Typed), Some("sql01"))
    );
    assert!(
        proposal
            .changes
            .iter()
            .any(|line| line == "the .vmx at home stays as it is"),
        "{:?}",
        proposal.changes
    );
    for verb in &VERBS[1..] {
        world.go(&home(verb)).await;
    }
    let at_home = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01-flat.vmdk");
    assert_eq!(
        &std::fs::read(&at_home).unwrap()[1000..1016],
        b"written in Leeds"
    );

    let facts = world.facts();
    let kept = facts.iter().any(|fact| {
        matches!(fact, Fact::OriginalKept { host, path, aside, .. }
            if host.as_str() == "lon-esx1" && path.ends_with("sql01-flat.vmdk") && world.on("lon-esx1", aside).exists())
    });
    assert!(kept, "the original stays aside");
    let removed = facts
        .iter()
        .any(|fact| matches!(fact, Fact::AutostartRemoved { .. }));
    let restored = facts
        .iter()
        .any(|fact| matches!(fact, Fact::AutostartRestored { .. }));
    assert_eq!(restored, removed);
    let put_back = world
        .writes("lon-esx1")
        .iter()
        .filter(|line| line.contains("update_autostartentry"))
        .count();
    assert_eq!(
        put_back,
        if removed { 2 } else { 0 },
        "what fence took away is put back"
    );

    world.all_done(VERBS.map(home)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_came_back_from_the_dark_takes_its_vm_home() {
    let world = World::out_to("nothing").await;
    world.site.come_back(SiteRole::Protected);
    for verb in VERBS {
        world.go(&home(verb)).await;
    }
    let facts = world.facts();
    let home = facts.iter().rev().find_map(|fact| match fact {
        Fact::PoweredOn { host, .. } => Some(host.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(home.as_deref(), Some("lon-esx1"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_is_called_otherwise_is_known_by_its_identity_though_no_journal_tells_of_it() {
    let world = World::new().await;
    for verb in ["fence", "restore"] {
        world.go(&out(verb)).await;
    }
    let vmx = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    let text = std::fs::read_to_string(&vmx).unwrap();
    let named = "displayName = \"sql01\"";
    assert!(text.contains(named), "{text}");
    std::fs::write(&vmx, text.replace(named, "displayName = \"orders\"")).unwrap();
    for verb in ["register", "network", "power_on", "ready"] {
        world.go(&out(verb)).await;
    }
    world.keeper.state.lock().unwrap().facts.clear();
    let answer = world.probe(&home("shut_down")).await;
    let proposal = needed(&answer);
    assert!(
        proposal.changes[0].contains("recognised by uuid.bios"),
        "{proposal:?}"
    );
    world.go(&home("shut_down")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_somebody_moved_meanwhile_is_found_where_it_is() {
    let second =
        "  lee-esx2: { site: leeds, driver: esxi, address: 198.51.100.12, user: root }\n  lee-bk1:";
    let world = World::with(&RUNBOOK.replacen("  lee-bk1:", second, 1)).await;
    for verb in [
        "fence", "restore", "register", "network", "power_on", "ready",
    ] {
        world.go(&out(verb)).await;
    }
    let from = ("lee-esx1", "/vmfs/volumes/local1/sql01");
    let to = ("lee-esx2", "/vmfs/volumes/datastore1/moved");
    move_by_hand(&world, from, to).await;
    let nvram = world.on(to.0, to.1).join("sql01.nvram");
    std::fs::write(nvram, "written on lee-esx2").unwrap();

    world.go(&home("shut_down")).await;
    let changes = needed(&world.probe(&home("copy_back")).await)
        .changes
        .join("\n");
    assert!(
        changes.contains("found on lee-esx2 in [datastore1] moved, not on lee-esx1"),
        "{changes}"
    );
    for verb in &VERBS[1..] {
        world.go(&home(verb)).await;
    }
    let nvram = world.on("lon-esx1", "/vmfs/volumes/local1/sql01/sql01.nvram");
    assert_eq!(std::fs::read(nvram).unwrap(), b"written on lee-esx2");
    let left = by_hand(&world, "lee-esx2", &["vim-cmd", "vmsvc/getallvms"]).await;
    assert!(!left.contains("sql01.vmx"), "{left}");
    world.end().await;
}

/// Somebody works on a host past Lifeboat.
pub(super) async fn by_hand(world: &World, host: &str, words: &[&str]) -> String {
    let host = world.hosts.host(&host.into()).unwrap();
    let command = HostCommand::read(words.iter().copied());
    let output = host.read(Lane::Telemetry, &command).await.unwrap();
    assert_eq!(output.status, 0, "{words:?}: {}", output.text());
    output.text().to_string()
}

/// sql01 stands in Leeds, London being up.
async fn out_and_back() -> World {
    let world = World::new().await;
    for verb in [
        "fence", "restore", "register", "network", "power_on", "ready",
    ] {
        world.go(&out(verb)).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_runs_at_home_too_is_not_stopped_to_go_there() {
    let world = out_and_back().await;
    let vmid = world.power_on_in_london().await;
    let before = world.all_writes();
    let answer = world.probe(&home("shut_down")).await;
    let fault = blocked(&answer);
    assert_eq!(fault.what, "sql01 runs in Leeds and in London");
    let next = format!("shut down the one on lon-esx1 (vim-cmd vmsvc/power.shutdown {vmid})");
    assert!(fault.next.contains(&next), "{fault}");
    assert_eq!(world.all_writes(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_is_not_stopped_to_go_where_nothing_can_be_written() {
    let world = out_and_back().await;
    let mount = |read_only| {
        let version = NfsVersion::V3;
        let mount = NfsMount { version, read_only };
        let host = "lon-esx1".into();
        world.site.mount_nfs(&host, "local1", mount).unwrap();
    };
    mount(true);
    let answer = world.probe(&home("shut_down")).await;
    let fault = blocked(&answer);
    assert!(fault.what.contains("mounted read-only"), "{fault}");
    assert_eq!(fault.state, "sql01 was not stopped");
    mount(false);
    needed(&world.probe(&home("shut_down")).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_is_not_stopped_to_go_where_its_datastore_is_not() {
    let mut world = out_and_back().await;
    let runbook = std::sync::Arc::make_mut(&mut world.runbook);
    let at_home = runbook.vms.get_mut("sql01").unwrap().protected.as_mut();
    at_home.unwrap().datastore = "gone".into();
    let answer = world.probe(&home("shut_down")).await;
    let fault = blocked(&answer);
    assert!(fault.what.contains("there is no datastore gone"), "{fault}");
    assert_eq!(fault.state, "sql01 was not stopped");
    world.end().await;
}
