//! Datastores that the runbook names by their UUIDs, which no inventory shows.

use super::RUNBOOK;
use super::going_home::by_hand;
use super::world::{World, home, is_done, out};
use super::{blocked, done, lines, needed};
use crate::engine::{Chapter, Fact, closing_plan};
use crate::runbook::model::SiteRole;
use crate::sim::{NfsMount, NfsVersion};

const LONDON: &str = "5cc5b591-875b0190-c587-001871eaca38";
/// As NFS has them.
const LEEDS: &str = "0dc8b7c6-2f3a1a11";

const OUT: [&str; 6] = [
    "fence", "restore", "register", "network", "power_on", "ready",
];

/// The bundled runbook, with every datastore by its UUID.
fn runbook() -> String {
    let lines = RUNBOOK.lines().map(|line| {
        let uuid = if line.contains("lon-esx1") {
            LONDON
        } else {
            LEEDS
        };
        line.replace("datastore: local1", &format!("datastore: {uuid}")) + "\n"
    });
    let text: String = lines.collect();
    assert!(!text.contains("local1") && text.contains(LONDON) && text.contains(LEEDS));
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_goes_out_and_home_between_datastores_that_are_named_by_uuid() {
    let world = World::with(&runbook()).await;
    let list = by_hand(&world, "lon-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    assert!(
        list.contains("[datastore-5cc5b591] sql01/sql01.vmx"),
        "{list}"
    );
    for verb in OUT {
        world.go(&out(verb)).await;
    }
    let registered = format!("/vmfs/volumes/{LEEDS}/sql01/sql01.vmx");
    let facts = world.facts();
    assert!(facts.iter().any(
        |fact| matches!(fact, Fact::Registered { host, vmx, .. } if host.as_str() == "lee-esx1" && *vmx == registered)
    ));
    world.all_done(OUT.map(out)).await;

    world.go(&home("shut_down")).await;
    let work = format!("/vmfs/volumes/{LEEDS}/sql01/sql01-flat.vmdk");
    let work = world.on("lee-esx1", &work);
    let mut bytes = std::fs::read(&work).unwrap();
    bytes[1000..1016].copy_from_slice(b"written in Leeds");
    std::fs::write(&work, &bytes).unwrap();
    let answer = world.probe(&home("copy_back")).await;
    let changes = needed(&answer).changes.join("\n");
    assert!(!changes.contains("was found on"), "{changes}");
    let verbs = [
        "shut_down",
        "copy_back",
        "register",
        "network",
        "power_on",
        "ready",
        "unregister",
    ];
    for verb in &verbs[1..] {
        world.go(&home(verb)).await;
    }
    let at_home = world.on(
        "lon-esx1",
        &format!("/vmfs/volumes/{LONDON}/sql01/sql01-flat.vmdk"),
    );
    assert_eq!(
        &std::fs::read(&at_home).unwrap()[1000..1016],
        b"written in Leeds"
    );
    let list = by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    assert!(!list.contains("sql01.vmx"), "{list}");
    world.all_done(verbs.map(home)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datastore_named_by_uuid_is_given_back_and_keeps_what_is_registered_from_it() {
    let mut world = World::with(&runbook()).await;
    world.site.go_dark(SiteRole::Protected);
    for verb in ["fence", "restore", "register"] {
        world.go(&out(verb)).await;
    }
    let state = world.keeper.state.lock().unwrap().clone();
    let own = world.plans[0].clone();
    let plan = closing_plan(Chapter::Rollback, &world.runbook, own, &state);
    world.plans.push(plan);
    let answer = world.probe("remove_files").await;
    let said = format!("{answer:?}");
    assert!(
        !is_done(&answer) && said.contains("is registered"),
        "{said}"
    );
    world.go("rollback/take-down/sql01/unregister").await;
    let list = by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    assert!(!list.contains("sql01.vmx"), "{list}");
    world.go("remove_files").await;
    done(&world.probe("remove_files").await);
    assert!(
        !world
            .on("lee-esx1", &format!("/vmfs/volumes/{LEEDS}/sql01"))
            .exists()
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_takes_no_writes_is_told_by_its_label_too() {
    let world = World::with(&runbook()).await;
    for verb in OUT {
        world.go(&out(verb)).await;
    }
    let (version, read_only) = (NfsVersion::V3, true);
    let mount = NfsMount { version, read_only };
    let host = "lon-esx1".into();
    world.site.mount_nfs(&host, LONDON, mount).unwrap();
    let answer = world.probe(&home("shut_down")).await;
    let fault = blocked(&answer);
    let what = format!("datastore {LONDON} (datastore-5cc5b591) is an NFS share");
    assert!(fault.what.contains(&what), "{fault}");
    assert!(
        fault.next.contains("remove -v datastore-5cc5b591`"),
        "{fault}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_come_to_a_volume_by_its_label_is_counted_beside_what_comes_by_its_uuid() {
    let mut world = World::with(&runbook()).await;
    let vms = &mut std::sync::Arc::make_mut(&mut world.runbook).vms;
    let web01 = vms.get_mut("web01").unwrap().recovery.as_mut().unwrap();
    web01.datastore = "datastore-0dc8b7c6".into();
    let answer = world.probe(&out("restore")).await;
    needed(&answer);
    let found = &answer.found;
    assert!(
        found.contains("for 2 VMs that are still to come"),
        "{found}"
    );
    world.end().await;
}

/// lab-1 lies where sql01 comes to: whatever its host calls it, it is what is recovered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_that_is_recovered_makes_no_room_from_a_datastore_that_is_named_by_uuid() {
    let vms = "\nvms:\n  \"lab-*\": { recovery: { host: lee-esx1 }, role: expendable }\n";
    let phase = "\nfailover:\n  - phase: Make room\n    steps: [{ free_capacity: [\"lab-*\"] }]\n";
    let text = runbook()
        .replacen("\nvms:\n", vms, 1)
        .replacen("\nfailover:\n", phase, 1);
    let world = World::with(&text).await;
    let list = by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|row| row.contains("lab-1.vmx")).unwrap();
    let vmid = row.split_whitespace().next().unwrap();
    let from = row.split_once('[').unwrap().1.split_once(']').unwrap().0;
    for words in [
        ["vim-cmd", "vmsvc/power.off", vmid],
        ["vim-cmd", "vmsvc/unregister", vmid],
    ] {
        by_hand(&world, "lee-esx1", &words).await;
    }
    let there = |folder: &str| world.on("lee-esx1", &format!("/vmfs/volumes/{from}/{folder}"));
    std::fs::rename(
        there("lab-1"),
        world.on("lee-esx1", &format!("/vmfs/volumes/{LEEDS}/sql01")),
    )
    .unwrap();
    let path = format!("/vmfs/volumes/{LEEDS}/sql01/lab-1.vmx");
    let vmx = world.on("lee-esx1", &path);
    let text = std::fs::read_to_string(&vmx).unwrap();
    std::fs::write(&vmx, text + "uuid.action = \"keep\"\n").unwrap();
    by_hand(&world, "lee-esx1", &["vim-cmd", "solo/registervm", &path]).await;
    let list = by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|row| row.contains("lab-1.vmx")).unwrap();
    let vmid = row.split_whitespace().next().unwrap().to_owned();
    by_hand(&world, "lee-esx1", &["vim-cmd", "vmsvc/power.on", &vmid]).await;
    let answer = world.probe("failover/make-room/-/free_capacity").await;
    let shown = lines(needed(&answer)).join("\n");
    assert!(
        shown.contains("power.shutdown") && !shown.contains(&format!("power.shutdown {vmid}")),
        "{shown}"
    );
    world.end().await;
}
