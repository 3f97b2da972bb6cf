//! Another VM of the same site that has this VM's identity: its uuid.bios or a MAC of its adapters.
//! Two of a kind on one network take each other's place, whoever starts second.
//!
//! Each ESXi host of the site is asked twice: for its inventory, and for the lines of all its .vmx
//! files that bear an identity, in one exec. One that has something of a drill is asked what runs, too.

use crate::engine::ProbeAnswer;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::identity::{Identity, parse_all};
use crate::hypervisor::esxi::vmx_lines::Unread;
use crate::names::{HostName, RunId};
use crate::runbook::drill_of;
use crate::runbook::model::Driver;

use super::answer::blocked;
use super::context::Ctx;
use super::datastores::as_listed;
use super::place::{VmAt, path_tail};
use super::registered;

/// What the hosts of a site have beside the VM itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Twins {
    /// Others that share an identity with it.
    pub found: Vec<Twin>,
    /// Hosts that could not be asked.
    pub silent: Vec<HostName>,
    /// Others whose .vmx could not be read: which, and why.
    pub unread: Vec<String>,
}

/// A registered VM that shares an identity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Twin {
    /// Where it is registered.
    pub host: HostName,
    /// Its name there.
    pub name: String,
    /// `[datastore] path`.
    pub vmx: String,
    /// What both have: `uuid.bios 564d…`, `MAC 00:50:56:…`.
    pub shares: String,
    /// It is this very VM, entered at a second host or from a second copy.
    pub is_same: bool,
    /// The drill that made it, and whether it runs.
    pub drill: Option<(RunId, bool)>,
}

/// Looks for others on the site's hosts that share an identity with the VM at the place. `own_file` is its
/// .vmx, which an edit that broke off leaves under another name.
///
/// # Errors
/// The VM's own host could not be asked, or could not read that file.
pub(super) async fn look(ctx: &Ctx, at: &VmAt, own_file: &str) -> Result<Twins, Fault> {
    let listed = as_listed(ctx, at).await?;
    let (own, mut rows) = on_host(ctx, &at.host, Some((&listed, own_file))).await?;
    let own = own.unwrap_or(Ok(Identity::default()));
    let own = own.map_err(|Unread(why)| {
        Fault::new(
            format!("{} cannot read the .vmx of {}: {why}", at.host, at.vm),
            format!("{}: {own_file}", at.host),
            "so it is not known whether another VM has its identity; nothing was changed",
            "see whether somebody moves or holds that file; then retry",
        )
    })?;
    let site = ctx.runbook.site_with(at.role);
    let others = ctx
        .runbook
        .hosts_of(&site)
        .filter(|(name, host)| host.driver == Driver::Esxi && **name != at.host);
    let mut silent = Vec::new();
    for (host, _) in others {
        match on_host(ctx, host, None).await {
            Ok((_, more)) => rows.extend(more),
            Err(_) => silent.push(host.clone()),
        }
    }
    Ok(Twins::of(&rows, silent, at, &own))
}

/// A registered VM with its identity.
struct Row {
    host: HostName,
    name: String,
    datastore: String,
    path: String,
    identity: Result<Identity, Unread>,
    /// Whether it runs; asked of what a drill made alone.
    runs: bool,
}

impl Row {
    /// The drill that made it.
    fn drill(&self) -> Option<RunId> {
        path_tail(&self.path).and_then(|(folder, _)| drill_of(folder))
    }

    /// `copy on lee-esx1 ([local1] copy/copy.vmx: Device or resource busy)`.
    fn unread(&self) -> Option<String> {
        let Unread(why) = self.identity.as_ref().err()?;
        let Self { host, name, .. } = self;
        let (datastore, path) = (&self.datastore, &self.path);
        Some(format!("{name} on {host} ([{datastore}] {path}: {why})"))
    }

    fn twin(&self, at: &VmAt, own: &Identity) -> Option<Twin> {
        let its_own = self.identity.as_ref().ok()?;
        let shares = own.shared_with(its_own)?;
        let its = path_tail(&self.path);
        let is_own_file = its.is_some() && its == path_tail(&at.vmx_path());
        let same_uuid = own.uuid.is_some() && own.uuid == its_own.uuid;
        Some(Twin {
            host: self.host.clone(),
            name: self.name.clone(),
            vmx: format!("[{}] {}", self.datastore, self.path),
            shares,
            is_same: same_uuid
                && (is_own_file || self.name.eq_ignore_ascii_case(at.display_name())),
            drill: self.drill().map(|run| (run, self.runs)),
        })
    }
}

/// The identities of what a host has registered, and whether it runs what drills made; beside them
/// the identity of `own`, a VM with its file, which is no row of its own.
async fn on_host(
    ctx: &Ctx,
    host: &HostName,
    own: Option<(&VmAt, &str)>,
) -> Result<(Option<Result<Identity, Unread>>, Vec<Row>), Fault> {
    let inventory = registered::inventory(ctx, host, Lane::Control).await?;
    let is_own = |path: &str| own.is_some_and(|(at, _)| at.vmx_path() == path);
    let entries: Vec<_> = inventory
        .vms
        .iter()
        .filter(|entry| !is_own(&entry.vmx_path()))
        .collect();
    let mut paths: Vec<String> = own.iter().map(|(_, file)| (*file).to_owned()).collect();
    paths.extend(entries.iter().map(|entry| entry.vmx_path()));
    if paths.is_empty() {
        return Ok((None, Vec::new()));
    }
    let command = commands::identities(&paths);
    let doing = "reading the identities of its VMs";
    let parse = |output: &_| parse_all(output, paths.len());
    let mut read = ctx
        .read(host, Lane::Control, &command, parse, doing)
        .await?
        .into_iter();
    let own = own.and_then(|_| read.next());
    let rows = entries.into_iter().zip(read).map(|(entry, identity)| Row {
        host: host.clone(),
        name: entry.name.clone(),
        datastore: entry.datastore.clone(),
        path: entry.path.clone(),
        identity,
        runs: false,
    });
    let mut rows: Vec<Row> = rows.collect();
    if rows.iter().any(|row| row.drill().is_some()) {
        let running = registered::running(ctx, host).await?;
        for row in &mut rows {
            let its = path_tail(&row.path);
            let mut running = running.iter();
            row.runs = running.any(|vm| path_tail(&vm.config_file) == its);
        }
    }
    Ok((own, rows))
}

impl Twin {
    /// Whether the VM may not be there beside it. A drill is kept apart from all but itself, and what
    /// a drill left is off where nobody starts it.
    fn blocks(&self, at: &VmAt) -> bool {
        if self.is_same {
            return true;
        }
        match &self.drill {
            _ if drill_of(&at.folder).is_some() => false,
            Some((_, runs)) => *runs,
            None => true,
        }
    }
}

impl Twins {
    /// What of these rows bears on the VM.
    fn of(rows: &[Row], silent: Vec<HostName>, at: &VmAt, own: &Identity) -> Self {
        Self {
            found: rows.iter().filter_map(|row| row.twin(at, own)).collect(),
            silent,
            unread: rows.iter().filter_map(Row::unread).collect(),
        }
    }

    /// Why nothing can be done with the VM while there is another of its kind.
    pub fn blocks(&self, at: &VmAt) -> Option<ProbeAnswer> {
        let mut in_the_way = self.found.iter().filter(|twin| twin.blocks(at));
        let first = in_the_way.next()?;
        let twin = in_the_way.find(|twin| twin.is_same).unwrap_or(first);
        let Twin {
            host,
            name,
            vmx,
            shares,
            ..
        } = twin;
        let (what, next) = if let Some((run, _)) = &twin.drill {
            (
                format!(
                    "{name} on {host}, which drill {run} left running, has the same {shares} as {}",
                    at.vm
                ),
                format!(
                    "`lifeboat cleanup {run}` stops it and removes what that drill made; then retry"
                ),
            )
        } else if twin.is_same {
            (
                format!("{} is already registered on {host}, from {vmx}", at.vm),
                format!(
                    "make sure that it does not run on {host} and unregister it there (its files \
                     stay), or place it on {host} in the runbook; then retry"
                ),
            )
        } else {
            (
                format!(
                    "{name} on {host} ({vmx}) has the same {shares} as {}",
                    at.vm
                ),
                format!(
                    "one of the two is a copy: give {name} a new identity (uuid.action = \"create\", \
                     generated MACs) or unregister it (its files stay); then retry"
                ),
            )
        };
        let fault = Fault::new(what.clone(), host.as_str(), "nothing was changed", next);
        Some(blocked(what, fault, &[]))
    }

    /// What is not known, for the step card.
    pub fn doubts(&self, at: &VmAt) -> Vec<String> {
        let doubt = |host: &HostName| {
            format!(
                "{host} cannot be asked whether it has {}, its uuid.bios or its MACs",
                at.vm
            )
        };
        let harmless = self.found.iter().filter(|twin| !twin.blocks(at));
        let harmless = harmless.map(|twin| {
            let Twin { host, name, shares, .. } = twin;
            match &twin.drill {
                Some((run, _)) if drill_of(&at.folder).is_none() => format!(
                    "{name} on {host} is off and has the same {shares}: drill {run} left it, `lifeboat cleanup {run}` \
                     removes it"
                ),
                _ => format!("{name} on {host} has the same {shares}: the drill's switch keeps them apart"),
            }
        });
        let unread = self.unread.iter().map(|which| {
            format!(
                "the .vmx of {which} cannot be read: it is not ruled out that it has the uuid.bios or a MAC of {}",
                at.vm
            )
        });
        let silent = self.silent.iter().map(doubt);
        silent.chain(unread).chain(harmless).collect()
    }
}

#[cfg(test)]
mod tests;
