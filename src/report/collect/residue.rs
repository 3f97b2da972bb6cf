//! What the run left on hosts: originals kept aside, what it made, and what it took away.

use crate::engine::{Fact, Ledger};
use crate::names::HostName;
use crate::report::Run;
use crate::report::document::Residue;
use crate::report::prose::{Text, plain};

/// Everything that a person may look for on hosts after the run, site by site.
pub(super) fn residue(run: &Run<'_>) -> Vec<Residue> {
    let ledger = Ledger::of(&run.state);
    let mut all: Vec<Residue> = run
        .state
        .facts
        .iter()
        .filter(|found| !ledger.is_gone(&found.fact))
        .filter_map(|found| left(&found.fact))
        .map(|(host, text)| Residue {
            site: site_of(run, host),
            host: host.clone(),
            text,
        })
        .collect();
    all.sort_by(|a, b| (&a.site, &a.host).cmp(&(&b.site, &b.host)));
    all
}

fn site_of(run: &Run<'_>, host: &HostName) -> String {
    let site = run.runbook.hosts.get(host).map(|host| &host.site);
    site.and_then(|site| run.runbook.sites.get(site))
        .map_or_else(String::new, |site| site.title.clone())
}

fn left(fact: &Fact) -> Option<(&HostName, Text)> {
    Some(match fact {
        Fact::OriginalKept {
            host, path, aside, ..
        } => (
            host,
            plain("kept aside: ")
                .code(aside)
                .plain(", before ")
                .code(path),
        ),
        Fact::ConfigKept {
            host,
            path,
            copy,
            sha256,
            ..
        } => (
            host,
            plain("the old ")
                .code(path)
                .plain(" is in the run's folder as ")
                .code(copy)
                .plain(" (SHA-256 ")
                .code(sha256)
                .plain(")"),
        ),
        Fact::PortGroupMade {
            host,
            name,
            vswitch,
            vlan,
        } => (
            host,
            plain("made: port group ")
                .code(name)
                .plain(" on ")
                .code(vswitch)
                .plain(format!(", VLAN {vlan}")),
        ),
        Fact::VswitchMade { host, name } => (host, plain("made: virtual switch ").code(name)),
        Fact::CapacityFreed {
            host, name, vmx, ..
        } => (
            host,
            plain("stopped to free capacity, and off since: ")
                .code(name.as_str())
                .plain(" (")
                .code(vmx)
                .plain(")"),
        ),
        Fact::FolderMade { host, path } => (host, plain("made: folder ").code(path)),
        Fact::AutostartRemoved { vm, host, entry } => (
            host,
            plain("taken away: the autostart entry of ")
                .code(vm.as_str())
                .plain(format!(
                    " (order {}, {})",
                    entry.start_order, entry.start_action
                )),
        ),
        _ => return None,
    })
}
