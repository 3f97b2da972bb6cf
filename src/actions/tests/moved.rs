//! A VM that somebody moved by hand, away from where the runbook places it.

use super::ending::take_back;
use super::going_home::by_hand;
use super::needed;
use super::replicating::runbook;
use super::world::World;

const HOME: &str = "/vmfs/volumes/local1/sql01";
const MOVED: &str = "/vmfs/volumes/local1/moved";

/// Takes the VM from a folder of a host to another one, where it runs again. The old folder stays.
pub(super) async fn move_by_hand(world: &World, from: (&str, &str), to: (&str, &str)) {
    let vmid = entry(world, from.0).await;
    by_hand(world, from.0, &["vim-cmd", "vmsvc/power.off", &vmid]).await;
    by_hand(world, from.0, &["vim-cmd", "vmsvc/unregister", &vmid]).await;
    let (old, new) = (world.on(from.0, from.1), world.on(to.0, to.1));
    std::fs::create_dir(&new).unwrap();
    for file in std::fs::read_dir(&old).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), new.join(file.file_name())).unwrap();
    }
    // They have said that they moved it.
    let text = std::fs::read_to_string(new.join("sql01.vmx")).unwrap();
    let lines = text.split_inclusive('\n');
    let kept: String = lines
        .filter(|line| !line.starts_with("uuid.action"))
        .collect();
    std::fs::write(
        new.join("sql01.vmx"),
        format!("{kept}uuid.action = \"keep\"\n"),
    )
    .unwrap();
    let vmx = format!("{}/sql01.vmx", to.1);
    by_hand(world, to.0, &["vim-cmd", "solo/registervm", &vmx]).await;
    let vmid = entry(world, to.0).await;
    by_hand(world, to.0, &["vim-cmd", "vmsvc/power.on", &vmid]).await;
    world.tools_run(to.0, &vmid).await;
}

/// The VM's number in the inventory of a host.
pub(super) async fn entry(world: &World, host: &str) -> String {
    let list = by_hand(world, host, &["vim-cmd", "vmsvc/getallvms"]).await;
    let row = list.lines().find(|line| line.contains("sql01.vmx"));
    let row = row.unwrap_or_else(|| panic!("{list}"));
    row.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_starts_a_vm_again_where_the_run_stopped_it() {
    let mut world = World::new().await;
    move_by_hand(&world, ("lon-esx1", HOME), ("lon-esx1", MOVED)).await;
    world.go("failover/recover/sql01/fence").await;
    take_back(&mut world);
    let started = world.go("rollback/bring-back/sql01/power_on").await;
    let runs = by_hand(&world, "lon-esx1", &["esxcli", "vm", "process", "list"]).await;
    assert!(runs.contains("/moved/sql01.vmx"), "{started:?}: {runs}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_is_sent_from_where_it_was_shut_down() {
    let world = World::with(&runbook()).await;
    move_by_hand(&world, ("lon-esx1", HOME), ("lon-esx1", MOVED)).await;
    let disk = |host, folder| world.on(host, &format!("{folder}/sql01-flat.vmdk"));
    world.go("ahead/sql01/shut_down").await;
    let mut data = std::fs::read(disk("lon-esx1", MOVED)).unwrap();
    data[100_000] ^= 1;
    std::fs::write(disk("lon-esx1", MOVED), &data).unwrap();
    let answer = world.probe("ahead/sql01/replicate").await;
    let changes = needed(&answer).changes.join("\n");
    assert!(
        changes.contains("found on lon-esx1 in [local1] moved"),
        "{changes}"
    );
    world.go("ahead/sql01/replicate").await;
    assert!(std::fs::read(disk("lee-esx1", HOME)).unwrap() == data);
    world.end().await;
}
