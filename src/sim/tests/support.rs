//! A small site and a client for tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::names::{HostName, SiteName, VmName};
use crate::runbook::model::{
    Adapter, Backup, BackupForm, Driver, Host, HostAddress, MacPolicy, Network, Place, PortGroup,
    PortGroupSpec, Runbook, Rung, Site as SiteEntry, SiteRole, Vm,
};
use crate::sim::{Endpoint, Site, SiteOptions};

/// What a command left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: i32,
    pub(super) out: String,
    pub(super) err: String,
}

/// One SSH session.
pub(super) struct Client {
    pub(super) session: ssh2::Session,
}

impl Client {
    pub(super) fn connect(endpoint: &Endpoint) -> Self {
        let session = handshake(endpoint);
        session
            .userauth_pubkey_file(&endpoint.user, None, &endpoint.key_file, None)
            .unwrap();
        Self { session }
    }

    pub(super) fn run(&self, line: &str) -> Ran {
        self.run_with(line, b"")
    }

    pub(super) fn run_with(&self, line: &str, input: &[u8]) -> Ran {
        self.exec(line, input).unwrap()
    }

    pub(super) fn try_run(&self, line: &str) -> Result<Ran, ssh2::Error> {
        self.exec(line, b"")
    }

    fn exec(&self, line: &str, input: &[u8]) -> Result<Ran, ssh2::Error> {
        let mut channel = self.session.channel_session()?;
        channel.exec(line)?;
        let lost = |_| ssh2::Error::unknown();
        channel.write_all(input).map_err(lost)?;
        channel.send_eof()?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        channel.read_to_end(&mut out).map_err(lost)?;
        channel.stderr().read_to_end(&mut err).map_err(lost)?;
        channel.wait_close()?;
        Ok(Ran {
            status: channel.exit_status()?,
            out: String::from_utf8_lossy(&out).into_owned(),
            err: String::from_utf8_lossy(&err).into_owned(),
        })
    }
}

/// A connected session, not logged in.
pub(super) fn handshake(endpoint: &Endpoint) -> ssh2::Session {
    try_handshake(endpoint).unwrap()
}

/// The same with a host that may cut it.
pub(super) fn try_handshake(
    endpoint: &Endpoint,
) -> Result<ssh2::Session, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(endpoint.address)?;
    stream.set_nodelay(true)?;
    let mut session = ssh2::Session::new()?;
    session.set_tcp_stream(stream);
    // A `power.on` that waits on a question is read for as long as the test takes to get there.
    session.set_timeout(120_000);
    session.handshake()?;
    Ok(session)
}

/// A running site in a folder of its own.
pub(super) struct TestSite {
    pub(super) site: Site,
    pub(super) runbook: Runbook,
    pub(super) folder: tempfile::TempDir,
}

impl TestSite {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut SiteOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runbook = runbook();
        let mut options = options(folder.path());
        change(&mut options);
        let site = Site::start(&runbook, options).await.unwrap();
        Self {
            site,
            runbook,
            folder,
        }
    }

    pub(super) fn endpoint(&self, host: &str) -> &Endpoint {
        self.site.endpoint(&HostName::from(host)).unwrap()
    }

    pub(super) fn client(&self, host: &str) -> Client {
        Client::connect(self.endpoint(host))
    }

    pub(super) fn root(&self, host: &str) -> PathBuf {
        self.site.host_root(&HostName::from(host)).unwrap()
    }

    /// The vmid of a VM on a host.
    pub(super) fn vmid(&self, host: &str, vm: &str) -> String {
        let listed = self.client(host).run("vim-cmd vmsvc/getallvms");
        let row = listed
            .out
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(vm));
        row.unwrap_or_else(|| panic!("no {vm} in {}", listed.out))
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    }

    /// Waits for a condition, at most a minute.
    pub(super) fn wait_until(&self, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "it did not happen within a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Shuts the site down and hands out its folder, which goes with it.
    pub(super) async fn stop(self) -> tempfile::TempDir {
        self.site.shutdown().await;
        self.folder
    }
}

/// Fast and small.
pub(super) fn options(dir: &Path) -> SiteOptions {
    SiteOptions {
        scale: 512 << 10,
        seed: 7,
        speed: 50.0,
        ..SiteOptions::new(dir)
    }
}

/// Two sites, two ESXi hosts, a backup host, two VMs and some spare ones.
pub(super) fn runbook() -> Runbook {
    let (london, leeds) = (SiteName::from("london"), SiteName::from("leeds"));
    let site = |role| SiteEntry {
        role,
        title: String::new(),
        transfers_onto: Default::default(),
    };
    let host = |site: &SiteName, driver, address: &str, user: &str| Host {
        site: site.clone(),
        driver,
        address: HostAddress {
            host: address.to_owned(),
            port: 22,
        },
        user: user.to_owned(),
        auth: Vec::new(),
        host_key: Vec::new(),
        ..Host::default()
    };
    let place = |host: &str, folder: &str, vmx: Option<&str>| Place {
        host: HostName::from(host),
        datastore: "local1".to_owned(),
        folder: folder.to_owned(),
        vmx: vmx.map(str::to_owned),
        disk: None,
    };
    let group = |name: &str| PortGroup {
        name: name.to_owned(),
        create: None,
    };
    let vm = |name: &str, address: &str, ready: Vec<Rung>| Vm {
        title: name.to_owned(),
        priority: 3,
        protected: Some(place("lon-esx1", name, Some(&format!("{name}.vmx")))),
        recovery: Some(place("lee-esx1", name, None)),
        backup: Some("nightly".into()),
        adapters: IndexMap::from([(
            "ethernet0".to_owned(),
            Adapter {
                network: "production".into(),
                mac: MacPolicy::Keep,
                address: Some(address.parse().unwrap()),
                prefix: Some(24),
                duplicate_probe: true,
            },
        )]),
        ready,
        ..Vm::default()
    };
    let spare = Vm {
        recovery: Some(place("lee-esx1", "", None)),
        expendable: true,
        priority: 5,
        ..Vm::default()
    };
    let web = vec![
        Rung::Tools,
        Rung::Http {
            url: "http://10.20.0.12/health".into(),
            status: 200,
            from: Some("lee-bk1".into()),
        },
    ];
    Runbook {
        name: "test".into(),
        title: "Test".into(),
        description: String::new(),
        contacts: Vec::new(),
        objectives: Default::default(),
        drill: Default::default(),
        variables: IndexMap::new(),
        sites: IndexMap::from([
            (london.clone(), site(SiteRole::Protected)),
            (leeds.clone(), site(SiteRole::Recovery)),
        ]),
        hosts: IndexMap::from([
            (
                HostName::from("lon-esx1"),
                host(&london, Driver::Esxi, "192.0.2.11", "root"),
            ),
            (
                HostName::from("lee-esx1"),
                host(&leeds, Driver::Esxi, "198.51.100.11", "root"),
            ),
            (
                HostName::from("lee-bk1"),
                host(&leeds, Driver::Posix, "198.51.100.20", "backup"),
            ),
        ]),
        networks: IndexMap::from([(
            "production".into(),
            Network {
                at: [
                    (london, group("VM Network")),
                    (
                        leeds,
                        PortGroup {
                            name: "Tier2".into(),
                            create: Some(PortGroupSpec {
                                vswitch: "vSwitch0".into(),
                                vlan: 20,
                            }),
                        },
                    ),
                ]
                .into(),
                drill: None,
                probe_from: None,
            },
        )]),
        backups: IndexMap::from([
            (
                "nightly".into(),
                Backup {
                    host: Some("lee-bk1".into()),
                    form: BackupForm::Folder("/backup/nightly".into()),
                    layout: None,
                },
            ),
            (
                "here".into(),
                Backup {
                    host: None,
                    form: BackupForm::Folder("points".into()),
                    layout: None,
                },
            ),
        ]),
        vms: IndexMap::from([
            (
                VmName::from("sql01"),
                vm(
                    "sql01",
                    "10.20.0.11",
                    vec![
                        Rung::Tools,
                        Rung::Tcp {
                            host: None,
                            port: 1433,
                        },
                    ],
                ),
            ),
            (VmName::from("web01"), vm("web01", "10.20.0.12", web)),
            (VmName::from("lab-*"), spare),
        ]),
        failover: Vec::new(),
        commit: crate::runbook::model::CommitRules::default(),
        updates: crate::runbook::model::Updates::default(),
        failback: Vec::new(),
        isolation: None,
    }
}
