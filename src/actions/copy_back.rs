//! `copy_back`: brings the VM's files home from the site where it ran meanwhile.
//!
//! What comes home is the VM's data: its disks, its nvram and what stands beside them. The .vmx at
//! home stays, because it holds what belongs there (port groups, paths, adapters); only where there
//! is none, or where it names other disks than those that come, the other site's .vmx comes too:
//! `register` makes the host read it, and `network` fits it. Of a disk only the blocks that differ from the one at home travel, into a clone
//! of that; every file is proven whole under a temporary name, then the originals are renamed aside,
//! where they stay, and the new ones get their names.

use std::collections::BTreeMap;

use crate::engine::{ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::names::VmName;
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;
use crate::transfer::{Folder, VmFiles};
use crate::vmfiles::Vmx;

use super::action::Action;
use super::answer::{Known, blocked, done, needed};
use super::arrivals::Arrivals;
use super::configuration::{self, Configuration};
use super::context::Ctx;
use super::copying::rest::Rest;
use super::copying::{self, Load, blocked_by_owner, reached};
use super::link::ActError;
use super::moving;
use super::ownership::Ownership;
use super::place::VmAt;
use super::sighting;
use super::store::Store;
use super::whereabouts;
use super::words::count;

/// The verb about one VM.
pub(super) struct CopyBack {
    from: VmAt,
    to: VmAt,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The VM at the site that it leaves, and at home.
    owners: [Ownership; 2],
    /// Where it was left.
    from: VmAt,
    store: Store,
    arrivals: Arrivals,
    /// What comes home; not looked for once everything is there.
    load: Option<Load>,
    /// Why the other site's .vmx comes too; `None` where the one at home stays.
    vmx: Option<String>,
}

impl CopyBack {
    /// The verb for the VM, to the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place at one of the sites.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        Ok(Self {
            from: VmAt::new(runbook, vm, step.side.other())?,
            to: VmAt::of_step(runbook, step, vm)?,
        })
    }

    fn source(&self, ctx: &Ctx, from: &VmAt) -> Result<Folder, Fault> {
        Ok(Folder::On {
            host: ctx.host(&from.host)?,
            path: from.folder_path(),
            lane: moving::lane(&ctx.runbook, &from.vm),
        })
    }

    /// What comes home, and why the .vmx is part of it.
    async fn load(
        &self,
        ctx: &Ctx,
        from: &VmAt,
        arrivals: &Arrivals,
        store: &Store,
    ) -> Result<(Load, Option<String>), Fault> {
        let source = self.source(ctx, from)?;
        let (file, mut files) = copying::files_of(ctx, from, &source).await??;
        let home = configuration::search(ctx, &self.to).await?;
        let vmx = why_vmx_comes(&home, &files, &file, &arrivals.begun);
        if vmx.is_none() {
            files.items.retain(|item| item.name != file);
            files.renamed.clear();
        }
        let ends = (arrivals, store);
        Ok((
            Load::look(ctx, &self.to, source, files, home.content(), ends).await?,
            vmx,
        ))
    }

    fn outline(&self) -> ProbeAnswer {
        let changes = vec![
            format!(
                "the disks of {} and what stands beside them come from {}:{} to {}:{}",
                self.to.vm,
                self.from.host,
                self.from.folder_path(),
                self.to.host,
                self.to.folder_path()
            ),
            "of a disk that is there only the blocks that differ travel, into a clone of it".into(),
            "originals at home are renamed aside and kept; the .vmx at home stays".into(),
        ];
        let mut proposal = self.proposal(changes, Vec::new());
        proposal.commands = copying::outline(&self.to);
        needed("not asked", proposal)
    }

    fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            risk: Some(Risk::Typed),
            typed: Some(self.to.vm.to_string()),
            ..copying::proposal(&self.to, changes, commands)
        }
    }

    fn awake(&self, seen: &Seen) -> Option<ProbeAnswer> {
        let mut owners = seen.owners.iter();
        owners.find_map(|owner| blocked_by_owner(&self.to, owner))
    }

    fn decide_load(&self, seen: &Seen, load: &Load) -> ProbeAnswer {
        let found = format!("off in {} and in {}", self.from.site, self.to.site);
        if let Some(fault) = load.no_room(&self.to) {
            return blocked(found, fault, &[]);
        }
        let read = seen.from.host.as_str();
        let mut changes = load.changes(&seen.from, read, &self.to);
        changes.extend(whereabouts::elsewhere(&self.from, &seen.from));
        let stays = || "the .vmx at home stays as it is".to_owned();
        changes.push(seen.vmx.clone().unwrap_or_else(stays));
        let mut proposal = self.proposal(changes, load.commands.clone());
        if let Some(word) = load.typed(&self.to) {
            proposal.typed = Some(word);
        }
        needed(found, proposal)
    }
}

/// Why the .vmx at home cannot stay. One that this step began to bring fits what comes, because it is
/// what came: it is seen through, and told.
fn why_vmx_comes(
    home: &Configuration,
    files: &VmFiles,
    file: &str,
    begun: &[String],
) -> Option<String> {
    let reason = match home {
        Configuration::Missing(_) => "there is none at home".to_owned(),
        Configuration::Unfit { why, .. } => format!("the one at home cannot be used: {why}"),
        Configuration::Read(_) if begun.iter().any(|name| name == file) => {
            "this step has begun to bring it".to_owned()
        }
        Configuration::Read(content) => other_disks(&content.vmx, files)?,
    };
    Some(format!("{file} comes too: {reason}"))
}

/// How the disks of the .vmx at home are not those that come for its slots: with it the VM would start
/// without some of them, or from what they were before a snapshot, so the other site's .vmx comes too.
#[must_use]
pub fn other_disks(home: &Vmx, VmFiles { items, slots, .. }: &VmFiles) -> Option<String> {
    let comes = |disk: &String| items.iter().any(|item| item.name == *disk);
    let stray = home.disk_files().into_iter().find(|disk| !comes(disk));
    if let Some(stray) = stray {
        return Some(format!(
            "the one at home names {stray}, which does not come"
        ));
    }
    let own = disk_slots(home);
    let is_other = |(slot, disk): &(&String, &String)| own.get(*slot) != Some(disk);
    if let Some((slot, disk)) = slots.iter().find(is_other) {
        return Some(match own.get(slot) {
            Some(own) => format!("the one at home has {own} as {slot}, for which {disk} comes"),
            None => format!("the one at home has no {slot}, for which {disk} comes"),
        });
    }
    let (slot, disk) = own.iter().find(|(slot, _)| !slots.contains_key(*slot))?;
    Some(format!(
        "the one at home has {disk} as {slot}, where none comes"
    ))
}

/// The disks that a VM sees, by slot, as its .vmx names them.
fn disk_slots(vmx: &Vmx) -> BTreeMap<String, String> {
    vmx.hard_disks()
        .map(|disk| (disk.device, disk.file))
        .collect()
}

impl Action for CopyBack {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let vm = &self.to.vm;
        let arrivals = Arrivals::of_step(ctx, &self.to).await?;
        let store = Store::look(ctx, &self.to).await?;
        let (leaves, home) = futures_util::join!(
            sighting::of_hosts(ctx, vm, self.from.role),
            sighting::of_hosts(ctx, vm, self.to.role)
        );
        let from = whereabouts::left_at(ctx, &self.from, &leaves).await;
        let mut seen = Seen {
            from,
            owners: [leaves, home],
            store,
            arrivals,
            load: None,
            vmx: None,
        };
        if copying::is_finished(&seen.arrivals) {
            return Ok(Known::Is(seen));
        }
        for (owner, place) in seen.owners.iter().zip([&seen.from, &self.to]) {
            reached(owner, place)?;
        }
        if self.awake(&seen).is_none() && seen.store.fault(&self.to).is_none() {
            let (load, vmx) = self
                .load(ctx, &seen.from, &seen.arrivals, &seen.store)
                .await?;
            seen.load = Some(load);
            seen.vmx = vmx;
        }
        Ok(Known::Is(seen))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            return self.outline();
        };
        let awake = self.awake(seen);
        let fault = seen.store.fault(&self.to);
        if let (Some(load), None, None) = (&seen.load, &awake, &fault) {
            return self.decide_load(seen, load);
        }
        if !copying::is_finished(&seen.arrivals) {
            return match (awake, fault) {
                (Some(answer), _) => answer,
                (None, Some(fault)) => blocked(fault.what.clone(), fault, &[]),
                (None, None) => self.outline(),
            };
        }
        let found = format!(
            "all {} are in {}",
            count(seen.arrivals.placed.len(), "file"),
            self.to.folder_path()
        );
        done(found, copying::evidence(&seen.arrivals))
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Some(seen) = seen.get() else {
            return Ok(());
        };
        let Some(load) = &seen.load else {
            return Ok(());
        };
        seen.store.keep(ctx, &self.to).await?;
        let delivery = load.delivery(ctx, &self.to, self.source(ctx, &seen.from)?)?;
        let rest = Rest::begin(ctx, &seen.from).await?;
        moving::bring(ctx, &self.to, &delivery).await?;
        rest.held(ctx).await
    }
}

#[cfg(test)]
mod tests;
