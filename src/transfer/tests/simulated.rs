//! Transfers at the simulated site: ESXi's shell and tools as far as they are imitated.

use std::time::Duration;

use indexmap::IndexMap;

use super::site::{Journal, Link, quiet};
use crate::host::{Credential, HostConfig, Hosts, Lane, Policy, Redactor};
use crate::names::{HostName, SiteName};
use crate::runbook::model::{
    Backup, BackupForm, Driver, Host, HostAddress, Mode, Place, PointChoice, Runbook,
    Site as SiteEntry, SiteRole, Vm,
};
use crate::sim::{Injection, Site, SiteOptions};
use crate::transfer::{
    Against, Delivery, Folder, Item, Landing, Mover, Patience, Seeds, Sum, Target, choose, points,
    vm_files,
};

const RUN: &str = "20260102-030405-simu";

pub(super) struct Simulated {
    pub(super) site: Site,
    pub(super) hosts: Hosts,
    _dir: tempfile::TempDir,
}

/// `sql01` is backed up on a host of its own, `web01` on the recovery host.
fn runbook() -> Runbook {
    let host = |site: &str, driver| Host {
        site: site.into(),
        driver,
        address: HostAddress {
            host: "192.0.2.1".into(),
            port: 22,
        },
        user: "root".into(),
        auth: vec![],
        host_key: vec![],
        ..Host::default()
    };
    let place = |host: &str, vm: &str, vmx: Option<String>| {
        Some(Place {
            host: host.into(),
            datastore: "local1".into(),
            folder: vm.into(),
            vmx,
            disk: None,
        })
    };
    let vm = |name: &str, backup: &str| Vm {
        priority: 3,
        protected: place("lon", name, Some(format!("{name}.vmx"))),
        recovery: place("lee", name, None),
        backup: Some(backup.into()),
        ..Vm::default()
    };
    let site = |role| SiteEntry {
        role,
        title: String::new(),
        transfers_onto: Default::default(),
    };
    let backup = |host: &str, path: &str| Backup {
        host: Some(host.into()),
        form: BackupForm::Folder(path.into()),
        layout: None,
    };
    Runbook {
        name: "test".into(),
        title: String::new(),
        description: String::new(),
        contacts: vec![],
        objectives: Default::default(),
        drill: Default::default(),
        variables: IndexMap::new(),
        sites: IndexMap::from([
            (SiteName::from("london"), site(SiteRole::Protected)),
            (SiteName::from("leeds"), site(SiteRole::Recovery)),
        ]),
        hosts: IndexMap::from([
            (HostName::from("lon"), host("london", Driver::Esxi)),
            (HostName::from("lee"), host("leeds", Driver::Esxi)),
            (HostName::from("bk1"), host("leeds", Driver::Posix)),
        ]),
        networks: IndexMap::new(),
        backups: IndexMap::from([
            ("nightly".into(), backup("bk1", "/backup/nightly")),
            ("local".into(), backup("lee", "/vmfs/volumes/backup")),
        ]),
        vms: IndexMap::from([
            ("sql01".into(), vm("sql01", "nightly")),
            ("web01".into(), vm("web01", "local")),
        ]),
        failover: vec![],
        commit: crate::runbook::model::CommitRules::default(),
        updates: crate::runbook::model::Updates::default(),
        failback: vec![],
        isolation: None,
    }
}

impl Simulated {
    pub(super) async fn start(scale: u64) -> Self {
        Self::start_behind(scale, |_, port| port).await
    }

    /// The same; `way` gives the port at which a host is reached for its name and its own port.
    async fn start_behind(scale: u64, mut way: impl FnMut(&HostName, u16) -> u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runbook = runbook();
        let options = SiteOptions {
            scale,
            speed: 50.0,
            ..SiteOptions::new(dir.path())
        };
        let site = Site::start(&runbook, options).await.unwrap();
        let configs = runbook.hosts.iter().map(|(name, host)| {
            let endpoint = site.endpoint(name).unwrap();
            let address = HostAddress {
                host: "127.0.0.1".into(),
                port: way(name, endpoint.address.port()),
            };
            HostConfig {
                role: runbook.sites[&host.site].role,
                driver: host.driver,
                auth: vec![Credential::Key(endpoint.key_file.clone())],
                host_keys: endpoint.host_keys.clone(),
                ..HostConfig::plain(name.clone(), address, endpoint.user.clone())
            }
        });
        let hosts = Hosts::new(
            configs.collect(),
            Policy::for_mode(Mode::Practice),
            Redactor::new(),
        );
        Self {
            site,
            hosts,
            _dir: dir,
        }
    }

    pub(super) fn on(&self, host: &str, path: &str) -> Folder {
        let host = self.hosts.host(&host.into()).unwrap();
        Folder::On {
            host,
            path: path.to_owned(),
            lane: Lane::Transfer(1),
        }
    }

    pub(super) fn delivery(
        &self,
        from: Folder,
        items: Vec<Item>,
        host: &str,
        folder: &str,
    ) -> Delivery {
        let ms = Duration::from_millis;
        Delivery {
            from,
            items,
            to: Target {
                host: self.hosts.host(&host.into()).unwrap(),
                lane: Lane::Transfer(0),
                folder: folder.to_owned(),
                run: RUN.into(),
            },
            landing: Landing::Fresh,
            patience: Patience {
                first: ms(50),
                longest: ms(300),
                total: ms(20_000),
            },
            seeds: Seeds::new(),
            survey: None,
        }
    }

    /// The newest restore point of a VM, to its folder at the recovery host.
    pub(super) async fn restore(&self, backup: Folder, vm: &str) -> Delivery {
        let found = points(&backup, vm).await.unwrap();
        assert!(found.len() >= 2);
        let chosen = choose(&found, &PointChoice::Latest).unwrap();
        assert_eq!(chosen.passed_over, []);
        self.delivery(
            backup.join(vm),
            Item::of(&chosen.point, false),
            "lee",
            &format!("/vmfs/volumes/local1/{vm}"),
        )
    }

    /// What a host has in a file.
    pub(super) fn content(&self, host: &str, path: &str) -> Vec<u8> {
        let root = self.site.host_root(&host.into()).unwrap();
        std::fs::read(root.join(path.trim_start_matches('/'))).unwrap()
    }

    fn check(&self, delivery: &Delivery) {
        for item in &delivery.items {
            let arrived = self.content("lee", &delivery.to.path(&item.name));
            assert_eq!(Some(Sum::of(&arrived)), item.sum, "{}", item.name);
        }
    }

    pub(super) async fn stop(self) {
        self.hosts.close().await;
        self.site.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_on_a_backup_host_is_relayed() {
    let simulated = Simulated::start(4 << 20).await;
    let delivery = simulated
        .restore(simulated.on("bk1", "/backup/nightly"), "sql01")
        .await;
    assert_eq!(delivery.mover(), Mover::Relayed);
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    let journal = Journal::new();
    delivery.bring(&journal, quiet()).await.unwrap();
    simulated.check(&delivery);
    assert_eq!(journal.announced(), preview);
    assert!(delivery.observe().await.unwrap().is_done());
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_on_the_recovery_host_is_cloned_there() {
    let simulated = Simulated::start(4 << 20).await;
    let delivery = simulated
        .restore(simulated.on("lee", "/vmfs/volumes/backup"), "web01")
        .await;
    assert_eq!(delivery.mover(), Mover::OnHost);
    let delivery = delivery.surveyed(None).await.unwrap();
    let preview = delivery.preview(&delivery.observe().await.unwrap());
    let journal = Journal::new();
    let landed = delivery.bring(&journal, quiet()).await.unwrap();
    assert_eq!(journal.announced(), preview);
    assert!(landed.iter().any(|file| file.against == Against::Rewritten));
    assert!(delivery.observe().await.unwrap().is_done());
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_breaks_is_named_and_made_anew() {
    let simulated = Simulated::start(4 << 20).await;
    let delivery = simulated
        .restore(simulated.on("lee", "/vmfs/volumes/backup"), "web01")
        .await;
    simulated
        .site
        .inject(&"lee".into(), Injection::CloneBreaksAt(40))
        .unwrap();
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    assert!(
        error
            .fault()
            .what
            .starts_with("cloning web01.vmdk failed: "),
        "{error}"
    );
    simulated
        .site
        .inject(&"lee".into(), Injection::CloneBreaksAt(0))
        .unwrap();
    delivery.bring(&Journal::new(), quiet()).await.unwrap();
    assert!(delivery.observe().await.unwrap().is_done());
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_goes_dark_in_between_costs_nothing() {
    let mut link = None;
    let simulated = Simulated::start_behind(48 << 20, |name, port| match name.as_str() {
        "lee" => link.insert(Link::to(port)).port,
        _ => port,
    })
    .await;
    let link = link.unwrap();
    let delivery = simulated
        .restore(simulated.on("bk1", "/backup/nightly"), "sql01")
        .await;
    let journal = Journal::new();
    // In the middle of the disk's data the link drops, and soon after that the site is dark.
    link.cut_every(16 << 20, 1);
    let dark = async {
        while link.passed() < 16 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        simulated.site.go_dark(SiteRole::Recovery);
        tokio::time::sleep(Duration::from_millis(300)).await;
        simulated.site.come_back(SiteRole::Recovery);
    };
    let (brought, ()) = tokio::join!(delivery.bring(&journal, quiet()), dark);
    brought.unwrap();
    let sessions = journal
        .announced()
        .iter()
        .filter(|line| line.starts_with("write up to"))
        .count();
    let items = delivery.items.iter();
    assert!(
        sessions
            > items
                .filter(|item| item.name.ends_with("-flat.vmdk"))
                .count(),
        "it was not cut"
    );
    simulated.check(&delivery);
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_datastore_is_named_with_what_is_free() {
    let simulated = Simulated::start(8 << 20).await;
    let delivery = simulated
        .restore(simulated.on("bk1", "/backup/nightly"), "sql01")
        .await;
    simulated
        .site
        .set_quota(&"lee".into(), "local1", Some(1 << 20))
        .unwrap();
    let error = delivery.bring(&Journal::new(), quiet()).await.unwrap_err();
    let fault = error.fault();
    assert!(
        fault.what.starts_with("writing sql01-flat.vmdk failed: "),
        "{fault}"
    );
    assert!(
        fault
            .next
            .contains(" free on that volume; the file needs 8.0 MiB in all"),
        "{fault}"
    );
    simulated
        .site
        .set_quota(&"lee".into(), "local1", None)
        .unwrap();
    delivery.bring(&Journal::new(), quiet()).await.unwrap();
    simulated.check(&delivery);
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_hosts_without_sftp_are_served() {
    let simulated = Simulated::start(1 << 20).await;
    simulated
        .site
        .inject(&"lee".into(), Injection::WithoutSftp(true))
        .unwrap();
    let delivery = simulated
        .restore(simulated.on("bk1", "/backup/nightly"), "sql01")
        .await;
    delivery.bring(&Journal::new(), quiet()).await.unwrap();
    simulated.check(&delivery);
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vm_is_copied_back_beside_its_original() {
    let simulated = Simulated::start(2 << 20).await;
    let restore = simulated
        .restore(simulated.on("bk1", "/backup/nightly"), "sql01")
        .await;
    restore.bring(&Journal::new(), quiet()).await.unwrap();
    // The VMs of the protected site are off after that.
    simulated.site.go_dark(SiteRole::Protected);
    simulated.site.come_back(SiteRole::Protected);
    let from = simulated.on("lee", "/vmfs/volumes/local1/sql01");
    let items = vm_files(&from, "sql01.vmx").await.unwrap().items;
    let mut back = simulated.delivery(from, items, "lon", "/vmfs/volumes/local1/sql01");
    back.landing = Landing::Patch;
    let landed = back.bring(&Journal::new(), quiet()).await.unwrap();
    assert!(landed.iter().all(|file| file.against == Against::Source));
    assert!(landed.iter().any(|file| file.original.is_some()));
    for file in &landed {
        let arrived = simulated.content("lon", &back.to.path(&file.name));
        assert_eq!(Sum::of(&arrived), file.sum, "{}", file.name);
    }
    simulated.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_disk_of_a_running_vm_is_no_file_that_changed() {
    let simulated = Simulated::start(1 << 20).await;
    let folder = "/vmfs/volumes/local1/sql01";
    let root = simulated.site.host_root(&"lon".into()).unwrap();
    let data = root.join(&folder[1..]).join("sql01-flat.vmdk");
    let data = std::fs::File::options().write(true).open(data).unwrap();
    data.set_len(32 << 10).unwrap();
    let from = simulated.on("lon", folder);
    let files = vm_files(&from, "sql01.vmx").await.unwrap();
    let held = |item: &&Item| item.name == "sql01-flat.vmdk" && item.bytes == 32 << 10;
    assert!(files.items.iter().any(|item| held(&item)), "{files:?}");
    // Its beginning is not empty, but not known.
    let error = from.heads(&["sql01-flat.vmdk"], 512).await.unwrap_err();
    assert!(error.what.contains("may not be read"), "{error}");
    simulated.stop().await;
}
