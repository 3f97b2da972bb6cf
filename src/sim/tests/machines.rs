//! Machines whose operating system is a host of the runbook: a guest that stands ready, a physical
//! server, their units, and files that go from one to the other.

use std::fs;
use std::net::TcpStream;

use super::support::{Client, TestSite, options};
use crate::runbook::model::SiteRole;
use crate::runbook::{Limits, load};
use crate::sim::Site;

/// A physical server, a VM that stands ready for it, switched off, and what steps start in it.
const RUNBOOK: &str = r#"lifeboat: 1
name: machines
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
  lee-bk1: { site: leeds, driver: posix, address: 198.51.100.20 }
  crm-lon: { site: london, driver: posix, address: 192.0.2.50, guest: crm01 }
  crm-lee: { site: leeds, driver: posix, address: 198.51.100.50, guest: crm01 }
networks: { production: { london: VM Network, leeds: VM Network, drill: d } }
backups: { files: { host: lee-bk1, path: /backup/files } }
vms:
  crm01:
    physical: { address: 192.0.2.50 }
    recovery: { host: lee-esx1, datastore: local1, folder: crm01 }
    backup: files
    adapters: { ethernet0: { network: production, address: 10.20.0.50/24 } }
    ready: [tools, { tcp: 443 }]
failover:
  - phase: Files
    steps:
      - power_on: crm01
      - restore_files:
          vm: crm01
          host: crm-lee
          quiesced: its database was dumped
          argv: [rsync, -a, "lee-bk1:${point}/", /srv/crm01/]
      - command: { host: crm-lee, argv: [systemctl, start, crm01] }
failback:
  - phase: Home
    steps:
      - command: { host: crm-lon, argv: [systemctl, start, crm01] }
"#;

async fn site() -> TestSite {
    site_of(RUNBOOK).await
}

async fn site_of(text: &str) -> TestSite {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load("m.yaml", text, &Limits::default());
    let runbook = loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .runbook;
    let site = Site::start(&runbook, options(folder.path())).await.unwrap();
    let site = TestSite {
        site,
        runbook,
        folder,
    };
    // Doors open and shut while the site starts, at moments of their own.
    site.wait_until(|| answers(&site, "crm-lon") && !answers(&site, "crm-lee"));
    site
}

fn answers(site: &TestSite, host: &str) -> bool {
    TcpStream::connect(site.endpoint(host).address).is_ok()
}

fn serves(site: &TestSite, address: &str) -> bool {
    TcpStream::connect(site.site.guest_address(address, 443).unwrap()).is_ok()
}

/// Powers the VM that stands ready on, and waits for its guest.
fn guest(site: &TestSite) -> Client {
    let vmid = site.vmid("lee-esx1", "crm01");
    let esxi = site.client("lee-esx1");
    assert_eq!(
        esxi.run(&format!("vim-cmd vmsvc/power.on {vmid}")).status,
        0
    );
    site.wait_until(|| answers(site, "crm-lee"));
    site.client("crm-lee")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_answers_while_its_vm_runs_and_serves_while_its_unit_does() {
    let site = site().await;
    assert!(answers(&site, "crm-lon") && !answers(&site, "crm-lee"));
    assert!(serves(&site, "192.0.2.50") && !serves(&site, "10.20.0.50"));
    let unreachable = site.client("lee-bk1").run("rsync -a crm-lee:/srv/ /tmp/x/");
    assert_eq!(unreachable.status, 255, "{}", unreachable.err);
    let crm = guest(&site);
    let asked = crm.run("systemctl is-active crm01; systemctl is-enabled crm01");
    assert_eq!(asked.out, "inactive\ndisabled\n");
    assert_eq!(crm.run("systemctl is-active -q crm01").status, 3);
    let unknown = crm.run("systemctl start nothing");
    assert_eq!(
        (unknown.status, unknown.err.as_str()),
        (
            5,
            "Failed to start nothing.service: Unit nothing.service not found.\n"
        )
    );
    assert!(!serves(&site, "10.20.0.50"), "its application does not run");
    assert_eq!(crm.run("systemctl start crm01").status, 0);
    site.wait_until(|| serves(&site, "10.20.0.50"));
    assert_eq!(crm.run("systemctl stop crm01").status, 0);
    site.wait_until(|| !serves(&site, "10.20.0.50"));
    let vmid = site.vmid("lee-esx1", "crm01");
    let esxi = site.client("lee-esx1");
    esxi.run(&format!("vim-cmd vmsvc/power.off {vmid}"));
    site.wait_until(|| !answers(&site, "crm-lee"));
    assert!(crm.try_run("true").is_err(), "its sessions went with it");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_physical_server_loses_its_power_and_boots_with_what_is_enabled() {
    let site = site().await;
    assert_eq!(
        site.client("crm-lon").run("systemctl is-active crm01").out,
        "active\n"
    );
    site.site.go_dark(SiteRole::Protected);
    site.wait_until(|| !answers(&site, "crm-lon") && !serves(&site, "192.0.2.50"));
    site.site.come_back(SiteRole::Protected);
    site.wait_until(|| answers(&site, "crm-lon") && !answers(&site, "crm-lee"));
    let crm = site.client("crm-lon");
    assert_eq!(crm.run("systemctl is-active crm01").out, "inactive\n");
    assert_eq!(
        crm.run("systemctl enable --now crm01").err,
        "Created symlink /etc/systemd/system/multi-user.target.wants/crm01.service → \
         /etc/systemd/system/crm01.service.\n"
    );
    site.site.go_dark(SiteRole::Protected);
    site.site.come_back(SiteRole::Protected);
    site.wait_until(|| serves(&site, "192.0.2.50"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_restore_point_come_into_a_guest_and_go_on_to_the_server() {
    let site = site().await;
    let crm = guest(&site);
    let backup = site.root("lee-bk1").join("backup/files/crm01");
    let mut points: Vec<String> = fs::read_dir(backup)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    points.sort();
    assert_eq!(points.len(), 3, "{points:?}");
    let from = format!("lee-bk1:/backup/files/crm01/{}/", points[2]);
    let brought = crm.run(&format!("rsync -a {from} /srv/crm01/"));
    assert_eq!((brought.status, brought.err.as_str()), (0, ""));
    assert_eq!(
        crm.run("cd /srv/crm01 && ls && sha256sum -c SHA256SUMS")
            .out,
        "SHA256SUMS\ndata.db\nsettings.conf\ndata.db: OK\nsettings.conf: OK\n"
    );
    crm.run("systemctl start crm01");
    assert_eq!(
        crm.run("cd /srv/crm01 && sha256sum -c SHA256SUMS").status,
        1,
        "an application writes as it starts"
    );
    fs::write(site.root("crm-lon").join("srv/crm01/old"), "x").unwrap();
    let taken = crm.run("rsync -ac --delete /srv/crm01/ crm-lon:/srv/crm01/");
    assert_eq!((taken.status, taken.err.as_str()), (0, ""));
    assert!(!site.root("crm-lon").join("srv/crm01/old").exists());
    let data = |host: &str| fs::read(site.root(host).join("srv/crm01/data.db")).unwrap();
    assert_eq!(data("crm-lee"), data("crm-lon"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_may_be_written_with_its_kind_and_never_with_a_folder_of_the_console() {
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = format!("{}/crm02.service", outside.path().display());
    let text = RUNBOOK.replace("start, crm01]", "start, crm01.service]")
        + &format!("      - command: {{ host: crm-lon, argv: [systemctl, start, {elsewhere}] }}\n");
    let site = site_of(&text).await;
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    let crm = guest(&site);
    assert!(!serves(&site, "10.20.0.50"), "its application does not run");
    let started = crm.run("systemctl start crm01.service");
    assert_eq!((started.status, started.err.as_str()), (0, ""));
    site.wait_until(|| serves(&site, "10.20.0.50"));
    let server = site.client("crm-lon");
    for verb in ["stop", "start", "disable", "enable", "stop"] {
        server.run(&format!("systemctl {verb} {elsewhere}"));
    }
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    assert_eq!(
        server.run("systemctl is-enabled crm02").out,
        "enabled\n",
        "it is a unit of the server's own"
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_leads_rsync_out_of_the_site() {
    let site = site().await;
    let outside = tempfile::tempdir().unwrap();
    let keep = outside.path().join("keep");
    fs::write(&keep, "mine").unwrap();
    let out = outside.path().display();
    let host = site.client("lee-bk1");
    let made = host.run(&format!(
        "mkdir -p /tmp/from/folder /tmp/to && cd /tmp/from && echo new > keep && \
         echo new > folder/keep && ln -s {out} out && cd /tmp/to && ln -s {out} folder && \
         ln -s {out}/keep keep && ln -s {out} old && mkdir gone && ln -s {out}/keep gone/keep"
    ));
    assert_eq!((made.status, made.err.as_str()), (0, ""));
    for options in ["-a --delete", "-ac --delete"] {
        let ran = host.run(&format!("rsync {options} /tmp/from/ /tmp/to/"));
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        let left: Vec<_> = outside.path().read_dir().unwrap().flatten().collect();
        assert_eq!((left.len(), left[0].path()), (1, keep.clone()));
        assert_eq!(fs::read_to_string(&keep).unwrap(), "mine");
    }
    let to = site.root("lee-bk1").join("tmp/to");
    assert!(to.join("out").is_symlink(), "a link stays one");
    assert!(!to.join("folder").is_symlink() && !to.join("keep").is_symlink());
    assert_eq!(fs::read_to_string(to.join("folder/keep")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(to.join("keep")).unwrap(), "new\n");
    assert!(!to.join("old").is_symlink() && !to.join("gone").exists());
    site.stop().await;
}
