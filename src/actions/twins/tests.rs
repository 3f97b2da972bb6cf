use super::*;
use crate::actions::tests::parts::place;
use crate::actions::tests::world::World;
use crate::actions::tests::{blocked, needed};
use crate::engine::Verdict;
use crate::host::HostCommand;

fn at() -> VmAt {
    place(Some("sql01.vmx"))
}

fn identity(uuid: &str, macs: &[&str]) -> Identity {
    Identity {
        uuid: crate::hypervisor::esxi::uuid::BiosUuid::parse(uuid),
        macs: macs.iter().map(|mac| (*mac).to_owned()).collect(),
        is_new: false,
    }
}

const UUID: &str = "564dc4d7-deeb-7781-dc69-4e96d4c6184f";
const OTHER: &str = "564dc4d7-deeb-7781-dc69-4e96d4c61850";

fn row(name: &str, path: &str, identity: Result<Identity, Unread>) -> Row {
    Row {
        host: "lee-esx2".into(),
        name: name.into(),
        datastore: "local1".into(),
        path: path.into(),
        identity,
        runs: false,
    }
}

fn twins(name: &str, path: &str, identity: Identity, own: &Identity) -> Twins {
    Twins::of(&[row(name, path, Ok(identity))], vec![], &at(), own)
}

#[test]
fn a_second_entry_of_the_vm_and_a_copy_of_another_are_told_apart() {
    let own = identity(UUID, &["00:50:56:01:02:03"]);
    for (name, path, its, want) in [
        (
            "renamed",
            "sql01/sql01.vmx",
            identity(UUID, &[]),
            "already registered on lee-esx2",
        ),
        (
            "sql01",
            "old/x.vmx",
            identity(UUID, &[]),
            "already registered on lee-esx2",
        ),
        (
            "web09",
            "web09/web09.vmx",
            identity(UUID, &[]),
            "has the same uuid.bios",
        ),
        (
            "web09",
            "web09/web09.vmx",
            identity(OTHER, &["00:50:56:01:02:03"]),
            "has the same MAC 00:50:56:01:02:03",
        ),
    ] {
        let answer = twins(name, path, its, &own).blocks(&at()).unwrap();
        assert!(blocked(&answer).what.contains(want), "{answer:?}");
    }
    let another = identity(OTHER, &["00:50:56:01:02:04"]);
    assert!(
        twins("web09", "web09/web09.vmx", another, &own)
            .blocks(&at())
            .is_none()
    );
    // Where the host makes a new identity, the old one is nobody's.
    let renewed = Identity {
        is_new: true,
        ..own
    };
    assert!(
        twins("web09", "w/w.vmx", identity(UUID, &[]), &renewed)
            .blocks(&at())
            .is_none()
    );
}

#[test]
fn a_vm_whose_file_cannot_be_read_is_a_doubt_on_the_card_and_blocks_nothing() {
    let busy = Err(Unread("Device or resource busy".into()));
    let rows = [row("web09", "web09/web09.vmx", busy)];
    let twins = Twins::of(&rows, vec![], &at(), &identity(UUID, &[]));
    assert_eq!(twins.blocks(&at()), None);
    let doubts = twins.doubts(&at()).join("; ");
    let which = "web09 on lee-esx2 ([local1] web09/web09.vmx: Device or resource busy)";
    assert!(
        doubts.contains(which) && doubts.contains("not ruled out"),
        "{doubts}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_file_that_cannot_be_read_proves_nothing() {
    let world = World::out_to("register").await;
    let step = world.step("failover/recover/sql01/register");
    let gone = "/vmfs/volumes/local1/sql01/gone.vmx";
    let found = world.run(&step, None, move |ctx| async move {
        look(&ctx, &at(), gone).await
    });
    let fault = found.await.unwrap_err();
    assert!(fault.what.contains("No such file or directory"), "{fault}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn register_and_power_on_refuse_a_vm_of_the_same_identity() {
    let world = World::out_to("register").await;
    let register = "failover/recover/sql01/register";
    needed(&world.probe(register).await);
    let folder = world.on("lee-esx1", "/vmfs/volumes/local1/copy");
    let own = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    std::fs::create_dir_all(&folder).unwrap();
    let text = std::fs::read_to_string(&own).unwrap();
    let renamed = text.replace("displayName = \"sql01\"", "displayName = \"copy\"");
    assert_ne!(text, renamed, "it has another name");
    std::fs::write(folder.join("copy.vmx"), renamed).unwrap();
    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    let run = async |words: &[&str]| {
        let command = HostCommand::read(words.iter().copied());
        let output = host.read(Lane::Telemetry, &command).await.unwrap();
        assert_eq!(output.status, 0, "{}", output.text());
        output.text().trim().to_owned()
    };
    let vmid = run(&[
        "vim-cmd",
        "solo/registervm",
        "/vmfs/volumes/local1/copy/copy.vmx",
    ])
    .await;
    let answer = world.probe(register).await;
    let fault = blocked(&answer);
    assert!(
        fault.what.contains("copy on lee-esx1") && fault.what.contains("uuid.bios"),
        "{fault}"
    );
    run(&["vim-cmd", "vmsvc/unregister", &vmid]).await;
    world.go(register).await;
    world.go("failover/recover/sql01/network").await;
    let free = world.probe("failover/recover/sql01/power_on").await;
    assert!(matches!(free.verdict, Verdict::Needed(_)), "{free:?}");
    assert!(
        free.found.contains("nobody holds the lock of its files"),
        "{}",
        free.found
    );
    run(&[
        "vim-cmd",
        "solo/registervm",
        "/vmfs/volumes/local1/copy/copy.vmx",
    ])
    .await;
    let again = world.probe("failover/recover/sql01/power_on").await;
    assert!(
        blocked(&again).what.contains("copy on lee-esx1"),
        "{again:?}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_asked_once_and_only_where_a_drill_left_something() {
    let world = World::out_to("register").await;
    let own = world.on("lee-esx1", "/vmfs/volumes/local1/sql01/sql01.vmx");
    let step = world.step("failover/recover/sql01/register");
    let asked = || {
        let log = std::fs::read_to_string(world.site.command_log(&"lee-esx1".into())).unwrap();
        log.matches("vm process list").count()
    };
    let find = async || {
        let before = asked();
        let found = world.run(&step, None, |ctx| async move {
            look(&ctx, &at(), &at().vmx_path()).await
        });
        (found.await.unwrap().found, asked() - before)
    };
    assert_eq!(find().await, (vec![], 0));

    let host = world.hosts.host(&"lee-esx1".into()).unwrap();
    for vm in ["a", "b"] {
        let folder = format!("/vmfs/volumes/local1/drill-20260102-030405-abcd-{vm}");
        let here = world.on("lee-esx1", &folder);
        std::fs::create_dir_all(&here).unwrap();
        let text = std::fs::read_to_string(&own).unwrap();
        let text = text.replace(
            "displayName = \"sql01\"",
            &format!("displayName = \"{vm}\""),
        );
        std::fs::write(here.join("x.vmx"), text).unwrap();
        let vmx = format!("{folder}/x.vmx");
        let command = HostCommand::read(["vim-cmd", "solo/registervm", &vmx]);
        let output = host.read(Lane::Telemetry, &command).await.unwrap();
        assert_eq!(output.status, 0, "{}", output.text());
    }
    let (found, asked) = find().await;
    let drills: Vec<_> = found.iter().map(|twin| twin.drill.clone()).collect();
    let off = Some(("20260102-030405-abcd".into(), false));
    assert_eq!((drills, asked), (vec![off.clone(), off], 1));
    world.end().await;
}
