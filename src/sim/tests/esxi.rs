//! A VM's way from its files to service: register, question, power, guest.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::support::{Client, TestSite, try_handshake};
use crate::names::HostName;
use crate::sim::Injection;

/// Brings the newest point of a VM to the recovery host, as a restore would, and registers it.
fn restore(site: &TestSite, vm: &str) -> String {
    let from = site.root("lee-bk1").join("backup/nightly").join(vm);
    let newest = std::fs::read_dir(&from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    let label = site.root("lee-esx1").join("vmfs/volumes/local1");
    let to = std::fs::canonicalize(label).unwrap().join(vm);
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(newest).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let ran = site.client("lee-esx1").run(&format!(
        "vim-cmd solo/registervm /vmfs/volumes/local1/{vm}/{vm}.vmx"
    ));
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.out.trim().to_owned()
}

/// The number of the choice whose line holds `words`.
fn choice(message: &str, words: &str) -> String {
    let line = message
        .lines()
        .find(|line| line.contains(words))
        .unwrap_or_else(|| panic!("{message}"));
    line.trim().split('.').next().unwrap().to_owned()
}

fn join_network(client: &Client) {
    let made = client.run("esxcli network vswitch standard portgroup add -p Tier2 -v vSwitch0");
    assert_eq!(made.status, 0, "{made:?}");
}

fn retarget(client: &Client, id: &str, vm: &str) {
    let edited = client.run(&format!(
        "cd /vmfs/volumes/local1/{vm} && sed 's/networkName = .*/networkName = \"Tier2\"/' {vm}.vmx > n && mv n {vm}.vmx && vim-cmd vmsvc/reload {id}"
    ));
    assert_eq!((edited.status, edited.out.as_str()), (0, ""), "{edited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn power_on_hangs_on_the_question_until_it_is_answered_by_its_words() {
    let site = TestSite::start().await;
    site.site
        .go_dark(crate::runbook::model::SiteRole::Protected);
    let client = site.client("lee-esx1");
    let id = restore(&site, "web01");
    join_network(&client);
    retarget(&client, &id, "web01");
    let uuid = client
        .run("grep uuid.bios /vmfs/volumes/local1/web01/web01.vmx")
        .out;
    let asking = site.client("lee-esx1");
    let command = format!("vim-cmd vmsvc/power.on {id}");
    let worker = std::thread::spawn(move || asking.run(&command));
    let mut message = String::new();
    site.wait_until(|| {
        message = client.run(&format!("vim-cmd vmsvc/message {id}")).out;
        message != "No message.\n"
    });
    assert!(
        message.starts_with("Virtual machine message _vmx1:\nmsg.uuid.altered:"),
        "{message}"
    );
    assert!(
        !worker.is_finished(),
        "power.on returned with the question open"
    );
    let summary = client.run(&format!("vim-cmd vmsvc/get.summary {id}")).out;
    assert!(
        summary.contains("question = (vim.vm.QuestionInfo) {"),
        "{summary}"
    );
    let number = choice(&message, "button.uuid.movedTheVM");
    let power = Instant::now();
    let answered = client.run(&format!("vim-cmd vmsvc/message {id} _vmx1 {number}"));
    assert_eq!((answered.status, answered.out.as_str()), (0, ""));
    let ran = worker.join().unwrap();
    assert_eq!((ran.status, ran.out.as_str()), (0, "Powering on VM:\n"));
    assert_eq!(
        client
            .run("grep uuid.bios /vmfs/volumes/local1/web01/web01.vmx")
            .out,
        uuid
    );
    let guest = site.site.guest_address("10.20.0.12", 80).unwrap();
    // It takes 18 seconds of the site, which are 360 ms here.
    let serves = TcpStream::connect(guest).is_ok();
    assert!(
        !serves || power.elapsed() >= Duration::from_millis(360),
        "the guest served before it had booted"
    );
    site.wait_until(|| TcpStream::connect(guest).is_ok());
    let told = client.run(&format!("vim-cmd vmsvc/get.guest {id}")).out;
    assert!(
        told.contains("toolsVersionStatus2 = \"guestToolsUnmanaged\", \n"),
        "{told}"
    );
    assert!(told.contains("   ipAddress = \"10.20.0.12\", \n"), "{told}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_identity_asks_nothing_and_a_copied_one_is_new() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let id = restore(&site, "web01");
    let vmx = "/vmfs/volumes/local1/web01/web01.vmx";
    let before = client.run(&format!("grep uuid.bios {vmx}")).out;
    client.run(&format!(
        "echo 'uuid.action = \"keep\"' >> {vmx}; vim-cmd vmsvc/reload {id}"
    ));
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/power.on {id}")).out,
        "Powering on VM:\n"
    );
    assert_eq!(client.run(&format!("grep uuid.bios {vmx}")).out, before);
    // Its port group is not there: it runs, but nobody reaches it.
    let state = client
        .run(&format!("vim-cmd vmsvc/device.getdevices {id}"))
        .out;
    assert!(state.contains("label = \"Network adapter 1\""), "{state}");
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    client.run(&format!(
        "sed -i 's/^uuid.location.*/uuid.location = \"56 4d\"/' {vmx}; echo 'uuid.action = \"create\"' >> {vmx}; vim-cmd vmsvc/reload {id}"
    ));
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/power.on {id}")).status,
        0
    );
    assert_ne!(client.run(&format!("grep uuid.bios {vmx}")).out, before);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_facts_come_late_and_go_stale() {
    let site = TestSite::start_with(|options| options.speed = 8.0).await;
    let client = site.client("lon-esx1");
    let id = site.vmid("lon-esx1", "sql01");
    let guest = |client: &Client| client.run(&format!("vim-cmd vmsvc/get.guest {id}")).out;
    assert!(
        guest(&client).contains("ipAddress = \"10.20.0.11\""),
        "a settled VM has its address"
    );
    client.run(&format!("vim-cmd vmsvc/power.reset {id}"));
    let fresh = guest(&client);
    assert!(
        fresh.contains("ipAddress = <unset>") && fresh.contains("guestToolsNotRunning"),
        "{fresh}"
    );
    let mut seen_link_local = false;
    site.wait_until(|| {
        let now = guest(&client);
        seen_link_local |= now.contains("   ipAddress = \"fe80::");
        now.contains("   ipAddress = \"10.20.0.11\"")
    });
    assert!(seen_link_local, "the link-local address never came first");
    let silent = client.run(&format!("vim-cmd vmsvc/power.shutdown {id}"));
    assert_eq!((silent.status, silent.out.as_str()), (0, ""));
    let state = format!("vim-cmd vmsvc/power.getstate {id}");
    assert!(
        client.run(&state).out.ends_with("Powered on\n"),
        "a guest takes its time"
    );
    site.wait_until(|| client.run(&state).out.ends_with("Powered off\n"));
    let stale = guest(&client);
    assert!(
        stale.contains("   ipAddress = \"10.20.0.11\"") && stale.contains("guestToolsNotRunning"),
        "{stale}"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_on_gives_no_reason_and_may_lie() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let host = HostName::from("lon-esx1");
    let id = site.vmid("lon-esx1", "web01");
    let failed = client.run(&format!("vim-cmd vmsvc/power.on {id}"));
    assert_eq!(
        (failed.status, failed.out.as_str()),
        (1, "Powering on VM:\nPower on failed\n")
    );
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/power.off {id}")).out,
        "Powering off VM:\nPower off failed\n"
    );
    site.site
        .inject(&host, Injection::PowerOnFails(true))
        .unwrap();
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/power.on {id}")).status,
        1
    );
    let tasks = client.run(&format!("vim-cmd vmsvc/get.tasklist {id}")).out;
    let last = tasks
        .lines()
        .rev()
        .find(|line| line.contains("powerOn"))
        .unwrap();
    let key = last
        .trim()
        .trim_matches(['\'', ',', ' '])
        .trim_start_matches("vim.Task:");
    let info = client.run(&format!("vim-cmd vimsvc/task_info {key}")).out;
    assert!(
        info.contains("state = \"error\", \n") && info.contains("InsufficientMemory"),
        "{info}"
    );
    let log = client
        .run("tail -n 1 /vmfs/volumes/local1/web01/vmware.log")
        .out;
    assert!(
        log.contains("PowerOn failed: The available Memory"),
        "{log}"
    );
    site.site
        .inject(&host, Injection::PowerOnFails(false))
        .unwrap();
    site.site
        .inject(&host, Injection::PowerOnLies(true))
        .unwrap();
    assert!(
        client
            .run(&format!("vim-cmd vmsvc/power.on {id}"))
            .out
            .ends_with("Power on failed\n")
    );
    assert!(
        client
            .run(&format!("vim-cmd vmsvc/power.getstate {id}"))
            .out
            .ends_with("Powered on\n")
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_host_that_runs_no_vm_is_reset() {
    let site = TestSite::start().await;
    let host = HostName::from("lon-esx1");
    let id = site.vmid("lon-esx1", "web01");
    let client = site.client("lon-esx1");
    assert!(!site.site.reset_idle(&host).unwrap());
    let state = client.run(&format!("vim-cmd vmsvc/power.getstate {id}"));
    assert!(state.out.ends_with("Powered on\n"), "{state:?}");
    let listed = client.run("vim-cmd vmsvc/getallvms").out;
    for row in listed.lines().skip(1) {
        let id = row.split_whitespace().next().unwrap();
        client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    }
    assert!(site.site.reset_idle(&host).unwrap());
    assert!(client.try_run("true").is_err(), "its connections are gone");
    // Its door opens anew at a moment of its own.
    site.wait_until(|| try_handshake(site.endpoint("lon-esx1")).is_ok());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_disk_does_not_start_or_does_not_boot() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let id = site.vmid("lon-esx1", "web01");
    let flat = "/vmfs/volumes/local1/web01/web01-flat.vmdk";
    client.run(&format!(
        "vim-cmd vmsvc/power.off {id}; dd if=/dev/zero of={flat} bs=512 count=1 conv=notrunc"
    ));
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/power.on {id}")).status,
        0
    );
    let guest = site.site.guest_address("10.20.0.12", 80).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert!(
        TcpStream::connect(guest).is_err(),
        "a guest booted from a disk without a boot sector"
    );
    client.run(&format!(
        "vim-cmd vmsvc/power.off {id}; truncate -s 1000 {flat}"
    ));
    let short = client.run(&format!("vim-cmd vmsvc/power.on {id}"));
    assert_eq!(short.out, "Powering on VM:\nPower on failed\n");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_counts_only_after_a_reload() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let id = site.vmid("lon-esx1", "web01");
    let vmx = "/vmfs/volumes/local1/web01/web01.vmx";
    let edit = format!("sed -i 's/^memSize.*/memSize = \"1024\"/' {vmx}");
    client.run(&format!(
        "vim-cmd vmsvc/power.off {id}; {edit}; vim-cmd vmsvc/power.on {id}"
    ));
    assert!(
        !client
            .run(&format!("cat {vmx}"))
            .out
            .contains("memSize = \"1024\"")
    );
    client.run(&format!("vim-cmd vmsvc/power.off {id}; {edit}; vim-cmd vmsvc/reload {id}; vim-cmd vmsvc/power.on {id}"));
    assert!(
        client
            .run(&format!("cat {vmx}"))
            .out
            .contains("memSize = \"1024\"")
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autostart_entries_are_listed_and_removed() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    let id = site.vmid("lon-esx1", "sql01");
    let sequence = "vim-cmd hostsvc/autostartmanager/get_autostartseq";
    assert!(
        client
            .run(sequence)
            .out
            .contains(&format!("key = 'vim.VirtualMachine:{id}', \n"))
    );
    let removed = client.run(&format!(
        "vim-cmd hostsvc/autostartmanager/update_autostartentry {id} none 0 0 none 0 yes"
    ));
    assert_eq!(removed.status, 0);
    assert!(
        !client
            .run(sequence)
            .out
            .contains(&format!("VirtualMachine:{id}'"))
    );
    // `-1` is an option unless options have ended.
    let entry = format!("{id} powerOn -1 1 systemDefault -1 systemDefault");
    let update = "vim-cmd hostsvc/autostartmanager/update_autostartentry";
    let refused = client.run(&format!("{update} {entry}"));
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("invalid option"), "{refused:?}");
    assert_eq!(client.run(&format!("{update} -- {entry}")).status, 0);
    let listed = client.run(sequence).out;
    assert!(listed.contains("startDelay = -1, \n"), "{listed}");
    let busy = client.run(&format!("vim-cmd vmsvc/unregister {id}"));
    assert!(
        busy.out.starts_with("(vim.fault.InvalidPowerState) {"),
        "{busy:?}"
    );
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    assert_eq!(
        client.run(&format!("vim-cmd vmsvc/unregister {id}")).out,
        ""
    );
    assert_eq!(
        client.run("ls /vmfs/volumes/local1/sql01/sql01.vmx").status,
        0
    );
    let xml = client.run("cat /etc/vmware/hostd/vmInventory.xml").out;
    assert!(
        !xml.contains("sql01.vmx") && xml.contains("web01.vmx"),
        "{xml}"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_power_on_leaves_the_question_open_and_the_task_running() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let id = restore(&site, "web01");
    let asking = site.client("lee-esx1");
    let line = format!("sh -c 'echo $$; exec \"$@\"' _ vim-cmd vmsvc/power.on {id}");
    let worker = std::thread::spawn(move || asking.run(&line));
    let shown =
        format!("ps -c | grep 'vim-cmd vmsvc/power.on {id}$' | tail -n 1 | awk '{{print $1}}'");
    let mut pid = String::new();
    // Until it asks, the shell around it may be all that is there.
    site.wait_until(|| {
        let asked = client.run(&format!("vim-cmd vmsvc/message {id}")).out != "No message.\n";
        pid = client.run(&shown).out.trim().to_owned();
        asked && !pid.is_empty()
    });
    client.run(&format!("kill {pid}"));
    let ran = worker.join().unwrap();
    assert_eq!(
        (ran.status, ran.out.lines().next()),
        (143, Some(pid.as_str())),
        "{ran:?}"
    );
    let tasks = client.run(&format!("vim-cmd vmsvc/get.tasklist {id}")).out;
    let key = tasks
        .lines()
        .nth(1)
        .unwrap()
        .trim()
        .trim_matches(['\'', ',', ' '])
        .to_owned();
    let info = format!(
        "vim-cmd vimsvc/task_info {}",
        key.trim_start_matches("vim.Task:")
    );
    assert!(client.run(&info).out.contains("state = \"running\", \n"));
    let message = client.run(&format!("vim-cmd vmsvc/message {id}")).out;
    client.run(&format!(
        "vim-cmd vmsvc/message {id} _vmx1 {}",
        choice(&message, "button.uuid.cancel")
    ));
    assert!(client.run(&info).out.contains("RequestCanceled"));
    let state = client
        .run(&format!("vim-cmd vmsvc/power.getstate {id}"))
        .out;
    assert!(state.ends_with("Powered off\n"), "{state}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_what_runs_can_lag_behind_the_power_state() {
    let site = TestSite::start().await;
    let (client, id) = (site.client("lee-esx1"), site.vmid("lee-esx1", "lab-2"));
    let lags = |seconds| {
        let lags = Injection::ListLags(seconds);
        site.site.inject(&HostName::from("lee-esx1"), lags).unwrap();
    };
    let is_listed = || {
        let list = client.run("esxcli vm process list").out;
        list.contains("lab-2.vmx")
    };
    lags(120);
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    let state = client.run(&format!("vim-cmd vmsvc/power.getstate {id}"));
    assert!(state.out.ends_with("Powered off\n") && is_listed());
    let until = Instant::now() + Duration::from_secs(60);
    while is_listed() {
        assert!(Instant::now() < until, "it is never gone");
        std::thread::sleep(Duration::from_millis(50));
    }
    lags(0);
    client.run(&format!("vim-cmd vmsvc/power.on {id}"));
    client.run(&format!("vim-cmd vmsvc/power.off {id}"));
    assert!(!is_listed());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_was_shut_down_while_it_booted_does_not_come_up_after_all() {
    let site = TestSite::start().await;
    let (client, id) = (site.client("lon-esx1"), site.vmid("lon-esx1", "web01"));
    let guest = site.site.guest_address("10.20.0.12", 80).unwrap();
    let run = |verb: &str| client.run(&format!("vim-cmd vmsvc/{verb} {id}"));
    run("power.off");
    run("power.on");
    site.wait_until(|| run("power.shutdown").status == 0);
    site.wait_until(|| run("power.getstate").out.ends_with("Powered off\n"));
    // It would have served 360 ms after it was powered on.
    std::thread::sleep(Duration::from_millis(600));
    assert!(TcpStream::connect(guest).is_err());
    site.stop().await;
}
