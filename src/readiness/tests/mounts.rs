//! What stands in a host's own lists of mounts, asked of a site that runs.

use std::sync::Arc;

use super::fixture::{RUNBOOK, task};
use crate::host::{Credential, HostConfig, Hosts, Policy, Redactor};
use crate::readiness::{judge, look};
use crate::runbook::model::Mode;
use crate::runbook::{self, Limits};
use crate::sim::{NfsMount, NfsVersion, Site, SiteOptions};

/// What is said of the datastore that everything comes to, where it is mounted so.
async fn said_of(site: &Site, mount: Option<NfsMount>) -> Option<String> {
    if let Some(mount) = mount {
        site.mount_nfs(&"lee-esx1".into(), "local1", mount).unwrap();
    }
    let emitted = site.emit(RUNBOOK).unwrap();
    let loaded = runbook::load("emitted", &emitted, &Limits::default()).unwrap();
    let mut task = task();
    task.runbook = Arc::new(loaded.runbook);
    let configs = task.runbook.hosts.iter().map(|(name, host)| {
        let endpoint = site.endpoint(name).unwrap();
        HostConfig {
            role: task.runbook.sites[&host.site].role,
            driver: host.driver,
            auth: vec![Credential::Key(endpoint.key_file.clone())],
            host_keys: endpoint.host_keys.clone(),
            ..HostConfig::plain(name.clone(), host.address.clone(), endpoint.user.clone())
        }
    });
    let policy = Policy::for_mode(Mode::Drill);
    let hosts = Hosts::new(configs.collect(), policy, Redactor::new());
    let seen = look(&task, &hosts, &|_, _, _| ()).await;
    let findings = judge(&task, &seen);
    let mut found = findings.iter();
    let found = found.find(|finding| finding.key == "store/lee-esx1/local1/there")?;
    assert_eq!(found.fault.place, "lee-esx1");
    Some(found.fault.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_mount_is_found_although_root_may_write_by_its_bits() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = runbook::load("source", RUNBOOK, &Limits::default()).unwrap();
    let mut options = SiteOptions::new(dir.path().join("site"));
    (options.scale, options.speed) = (512 << 10, 60.0);
    let site = Site::start(&loaded.runbook, options).await.unwrap();
    assert_eq!(said_of(&site, None).await, None);
    for (version, namespace) in [(NfsVersion::V3, "nfs"), (NfsVersion::V41, "nfs41")] {
        let mount = |read_only| Some(NfsMount { version, read_only });
        let said = said_of(&site, mount(true)).await.unwrap();
        let next = format!("esxcli storage {namespace} remove -v local1");
        assert!(said.contains(&next), "{said}");
        assert_eq!(said_of(&site, mount(false)).await, None, "{namespace}");
    }
    site.shutdown().await;
}
