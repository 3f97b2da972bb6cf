//! A whole site over SSH, driven with a client that shares no code with it.

mod support;

use std::time::Duration;

use self::support::TestSite;
use crate::names::HostName;
use crate::runbook::model::SiteRole;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_output_its_errors_and_its_status() {
    let site = TestSite::start().await;
    let client = site.client("lee-esx1");
    let ran = client.run("echo out; echo err >&2; exit 7");
    assert_eq!(
        (ran.status, ran.out.as_str(), ran.err.as_str()),
        (7, "out\n", "err\n")
    );
    let echoed = client.run_with("cat | tr a-z A-Z", b"some input");
    assert_eq!(echoed.out, "SOME INPUT");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protected_host_runs_its_vms_and_the_recovery_host_its_spare_ones() {
    let site = TestSite::start().await;
    let listed = site.client("lon-esx1").run("vim-cmd vmsvc/getallvms");
    assert_eq!(listed.status, 0);
    assert!(listed.out.starts_with("Vmid"), "{}", listed.out);
    assert!(
        listed.out.contains("[local1] sql01/sql01.vmx"),
        "{}",
        listed.out
    );
    let spare = site.client("lee-esx1").run("vim-cmd vmsvc/getallvms");
    assert!(
        spare.out.contains("lab-1") && spare.out.contains("lab-2"),
        "{}",
        spare.out
    );
    assert!(!spare.out.contains("sql01"), "{}", spare.out);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_points_carry_sums_that_fit() {
    let site = TestSite::start().await;
    let client = site.client("lee-bk1");
    let points = client.run("ls /backup/nightly/sql01");
    assert_eq!(points.out.lines().count(), 3, "{}", points.out);
    let newest = points.out.lines().last().unwrap().to_owned();
    let checked = client.run(&format!(
        "cd /backup/nightly/sql01/{newest} && sha256sum -c SHA256SUMS"
    ));
    assert_eq!(checked.status, 0, "{}{}", checked.out, checked.err);
    assert!(
        checked.out.contains("sql01-flat.vmdk: OK"),
        "{}",
        checked.out
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_site_refuses_and_comes_back_with_its_vms_off() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    assert_eq!(client.run("true").status, 0);
    site.site.go_dark(SiteRole::Protected);
    let address = site
        .site
        .endpoint(&HostName::from("lon-esx1"))
        .unwrap()
        .address;
    site.wait_until(|| std::net::TcpStream::connect(address).is_err());
    assert!(
        client.try_run("true").is_err(),
        "an established connection outlived the power cut"
    );
    site.site.come_back(SiteRole::Protected);
    site.wait_until(|| {
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    });
    let ids = site.vmids("lon-esx1", "sql01");
    let state = site
        .client("lon-esx1")
        .run(&format!("vim-cmd vmsvc/power.getstate {ids}"));
    assert_eq!(state.out, "Retrieved runtime info\nPowered off\n");
    site.stop().await;
}
