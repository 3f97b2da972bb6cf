//! A whole site over SSH, driven with a client that shares no code with it.

mod esxi;
mod formats;
mod login;
mod machines;
mod openssh;
mod shell;
mod support;
mod transfer;

use std::time::Duration;

use self::support::{Client, TestSite, options};
use super::Site;
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
async fn restore_points_carry_sums_that_fit_and_lie_within_a_day() {
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
    let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", &newest)
        .unwrap()
        .to_datetime()
        .unwrap();
    let age = jiff::Timestamp::now()
        .duration_since(time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
    assert!(age.as_hours() < 24 && age.as_mins() >= 1, "{age}");
    let flat = client.run(&format!(
        "cd /backup/nightly/sql01/{newest}; stat -c '%s %b' sql01-flat.vmdk"
    ));
    let sizes: Vec<u64> = flat
        .out
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    assert_eq!(sizes[0], 512 << 10);
    assert!(
        sizes[1] * 512 < sizes[0],
        "the flat file has no holes: {}",
        flat.out
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_site_refuses_and_comes_back_with_its_vms_off() {
    let site = TestSite::start().await;
    let client = site.client("lon-esx1");
    assert_eq!(client.run("true").status, 0);
    let guest = site.site.guest_address("10.20.0.11", 1433).unwrap();
    site.wait_until(|| std::net::TcpStream::connect(guest).is_ok());
    site.site.go_dark(SiteRole::Protected);
    let address = site
        .site
        .endpoint(&HostName::from("lon-esx1"))
        .unwrap()
        .address;
    site.wait_until(|| std::net::TcpStream::connect(address).is_err());
    site.wait_until(|| std::net::TcpStream::connect(guest).is_err());
    assert!(
        client.try_run("true").is_err(),
        "an established connection outlived the power cut"
    );
    site.site.come_back(SiteRole::Protected);
    site.wait_until(|| {
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    });
    let id = site.vmid("lon-esx1", "sql01");
    let state = site
        .client("lon-esx1")
        .run(&format!("vim-cmd vmsvc/power.getstate {id}"));
    assert_eq!(state.out, "Retrieved runtime info\nPowered off\n");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_started_again_on_its_folder_goes_on() {
    let site = TestSite::start().await;
    let (fingerprint, address) = {
        let endpoint = site.endpoint("lee-esx1");
        (endpoint.host_keys.clone(), endpoint.address)
    };
    site.client("lee-esx1")
        .run("mkdir /vmfs/volumes/local1/kept; echo hi > /vmfs/volumes/local1/kept/file");
    let id = site.vmid("lee-esx1", "lab-2");
    site.client("lee-esx1")
        .run(&format!("vim-cmd vmsvc/power.off {id}"));
    let TestSite {
        site: running,
        runbook,
        folder,
    } = site;
    // Dropped, not shut down: as after a crash of the console.
    drop(running);
    let site = Site::start(&runbook, options(folder.path())).await.unwrap();
    let endpoint = site.endpoint(&HostName::from("lee-esx1")).unwrap();
    assert_eq!(endpoint.host_keys, fingerprint);
    assert_eq!(endpoint.address.port(), address.port());
    let client = Client::connect(endpoint);
    assert_eq!(client.run("cat /vmfs/volumes/local1/kept/file").out, "hi\n");
    let state = client.run(&format!("vim-cmd vmsvc/power.getstate {id}"));
    assert!(state.out.ends_with("Powered off\n"), "{}", state.out);
    let running = client.run("esxcli vm process list");
    assert!(
        running.out.contains("lab-1") && !running.out.contains("lab-2"),
        "{}",
        running.out
    );
    site.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_somebody_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let refused = Site::start(&support::runbook(), options(folder.path())).await;
    assert!(matches!(
        refused,
        Err(super::SimError::ForeignFolder { .. })
    ));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answers_after_a_shutdown() {
    let site = TestSite::start().await;
    let (host, guest) = (
        site.endpoint("lee-esx1").address,
        site.site.guest_address("10.20.0.12", 80).unwrap(),
    );
    let log = site.site.command_log(&HostName::from("lee-esx1"));
    let client = site.client("lee-esx1");
    let worker = std::thread::spawn(move || {
        client
            .try_run("echo begun; sleep 100000")
            .map(|ran| ran.status)
    });
    site.wait_until(|| {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains("echo begun")
    });
    let _folder = site.stop().await;
    assert!(std::net::TcpStream::connect(host).is_err());
    assert!(std::net::TcpStream::connect(guest).is_err());
    assert_ne!(worker.join().unwrap().ok(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_log_holds_each_line_with_its_pid_and_its_exit() {
    let site = TestSite::start().await;
    site.client("lee-esx1").run("echo 'one'; exit 3");
    let log = site.site.command_log(&HostName::from("lee-esx1"));
    let mut lines = Vec::new();
    site.wait_until(|| {
        let text = std::fs::read_to_string(&log).unwrap();
        lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .collect();
        lines.len() == 2
    });
    assert_eq!(lines[0]["line"], "echo 'one'; exit 3");
    assert_eq!(lines[1]["exit"], 3);
    assert_eq!(lines[0]["pid"], lines[1]["pid"]);
    assert_eq!(lines[0]["session"], lines[1]["session"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emitted_runbook_names_only_loopback() {
    let site = TestSite::start().await;
    let source = "lifeboat: 1\nname: test\nvariables:\n  root_password: { prompt: P, secret: true }\n\
        hosts:\n  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11, jump: [a], auth: [{ password: \"${root_password}\" }] }\n\
        backups:\n  here: { path: points }\n  nightly: { host: lee-bk1, path: /backup/nightly }\n\
        vms:\n  sql01:\n    adapters: { ethernet0: { network: production, address: 10.20.0.11/24 } }\n    ready: [tools, { tcp: 1433 }]\n\
        \x20 web01:\n    ready: [{ http: \"http://10.20.0.12/health\", status: 200 }]\n";
    let emitted = site.site.emit(source).unwrap();
    let value: serde_yaml::Value = serde_yaml::from_str(&emitted).unwrap();
    let endpoint = site.endpoint("lee-esx1");
    let host = &value["hosts"]["lee-esx1"];
    assert_eq!(
        host["address"].as_str(),
        Some(endpoint.address.to_string().as_str())
    );
    assert_eq!(
        host["host_key"][0].as_str(),
        Some(endpoint.host_keys[0].as_str())
    );
    assert_eq!(host["auth"][0]["key"].as_str(), endpoint.key_file.to_str());
    assert!(host.get("jump").is_none(), "{emitted}");
    let port = site.site.guest_address("10.20.0.11", 1433).unwrap();
    assert_eq!(
        value["vms"]["sql01"]["ready"][1]["tcp"].as_str(),
        Some(port.to_string().as_str())
    );
    assert_eq!(
        value["vms"]["sql01"]["adapters"]["ethernet0"]["address"].as_str(),
        Some("127.20.0.11/8")
    );
    let web = site.site.guest_address("10.20.0.12", 80).unwrap();
    assert_eq!(
        value["vms"]["web01"]["ready"][0]["http"].as_str(),
        Some(format!("http://{web}/health").as_str())
    );
    assert_eq!(
        value["backups"]["nightly"]["path"].as_str(),
        Some("/backup/nightly")
    );
    let here = site.site.backup_path(&"here".into()).unwrap();
    assert_eq!(value["backups"]["here"]["path"].as_str(), here.to_str());
    assert!(!emitted.contains("root_password"), "{emitted}");
    site.stop().await;
}
