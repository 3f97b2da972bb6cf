//! `copy_back`: brings the VM's files home from the site where it ran meanwhile.
//!
//! What comes home is the VM's data: its disks, its nvram and what stands beside them. The .vmx at
//! home stays, because it holds what belongs there (port groups, paths, adapters); only where there
//! is none, or where it names other disks than those that come, the other site's .vmx comes too, and
//! `network` fits it. Every file is brought whole under a temporary name and proven; then the
//! originals are renamed aside, where they stay, and the new ones get their names.

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell;
use crate::names::VmName;
use crate::plan::{Risk, Step};
use crate::runbook::model::Runbook;
use crate::transfer::{self, Delivery, Folder, Item, Landing};
use crate::vmfiles::Vmx;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown};
use super::arrivals::Arrivals;
use super::configuration::{self, Configuration};
use super::context::Ctx;
use super::link::ActError;
use super::moving;
use super::ownership::{Ownership, Told, copy_line};
use super::place::VmAt;
use super::sighting;
use super::store::{self, Store};
use super::words::{count, size};

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
    store: Store,
    arrivals: Arrivals,
    /// What comes home; not looked for once everything is there.
    load: Option<Load>,
}

/// What comes home.
#[derive(Clone, Debug)]
struct Load {
    items: Vec<Item>,
    commands: Vec<ShownCommand>,
    /// Why the other site's .vmx comes too; `None` where the one at home stays.
    vmx: Option<String>,
    /// Names that are taken at home.
    replaced: Vec<String>,
    /// Bytes that the files take where they lie.
    data: u64,
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

    fn delivery(&self, ctx: &Ctx, from: &VmAt, items: Vec<Item>) -> Result<Delivery, Fault> {
        Ok(Delivery {
            from: self.source(ctx, from)?,
            items,
            to: moving::target(ctx, &self.to)?,
            landing: Landing::Replace,
            patience: moving::patience(),
            survey: None,
        })
    }

    async fn load(&self, ctx: &Ctx, arrivals: &Arrivals) -> Result<Load, Fault> {
        let from = configuration::name_vmx(ctx, self.from.clone().with_facts(ctx)).await?;
        let Some(file) = from.vmx.clone() else {
            return Err(Fault::new(
                format!(
                    "{} has no .vmx in {}, or several",
                    from.vm,
                    from.folder_path()
                ),
                from.host.as_str(),
                "nothing was changed",
                "look into that folder; name the .vmx in the runbook, then retry",
            ));
        };
        let mut items = transfer::vm_files(&self.source(ctx, &from)?, &file).await?;
        let home = configuration::read(ctx, &self.to).await?;
        let vmx = self.why_vmx_comes(&home, &items, &file);
        if vmx.is_none() {
            items.retain(|item| item.name != file);
        }
        let taken = |name: &String| arrivals.entries.iter().any(|(its, _)| its == name);
        let replaced = items
            .iter()
            .map(|item| item.name.clone())
            .filter(taken)
            .collect();
        let delivery = self.delivery(ctx, &from, items.clone())?;
        let data = moving::data_bytes(ctx, &delivery).await;
        let commands = moving::shown(&self.to.host, &delivery, arrivals);
        Ok(Load {
            items,
            commands,
            vmx,
            replaced,
            data,
        })
    }

    /// Why the .vmx at home cannot stay.
    fn why_vmx_comes(&self, home: &Configuration, items: &[Item], file: &str) -> Option<String> {
        let reason = match home {
            Configuration::Missing(_) => "there is none at home".to_owned(),
            Configuration::Unfit { why, .. } => format!("the one at home cannot be used: {why}"),
            Configuration::Read(content) => stray_disk(&content.vmx, items)?,
        };
        Some(format!("{file} comes too: {reason}"))
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
            "originals at home are renamed aside and kept; the .vmx at home stays".into(),
        ];
        let mut proposal = self.proposal(changes, Vec::new());
        let file = self.to.file_path("‹file›");
        let folder = shell::make_folder(&self.to.folder_path(), shell::Folders::Missing);
        proposal.commands = vec![shown(&self.to.host, &folder)];
        let lines = [
            format!("write ‹file› to {file}.lifeboat-‹run›-part"),
            format!("mv {file} {file}.lifeboat-‹run›-original"),
            format!("mv {file}.lifeboat-‹run›-part {file}"),
        ];
        proposal
            .commands
            .extend(moving::changing(&self.to.host, lines));
        needed("not asked", proposal)
    }

    fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            changes,
            commands,
            then: format!(
                "every file is in {}, equal to its source",
                self.to.folder_path()
            ),
            undo: None,
            risk: Some(Risk::Typed),
            typed: Some(self.to.vm.to_string()),
            ..Proposal::default()
        }
    }

    fn changes(&self, load: &Load) -> Vec<String> {
        let bytes = load
            .items
            .iter()
            .fold(0, |sum: u64, item| sum.saturating_add(item.bytes));
        let mut changes = vec![format!(
            "{} in {} from {} to {}, relayed through this machine",
            count(load.items.len(), "file"),
            size(bytes),
            self.from.host,
            self.to.host
        )];
        for item in &load.items {
            changes.push(format!("+ {} ({})", item.name, size(item.bytes)));
            if load.replaced.contains(&item.name) {
                changes.push(format!(
                    "- {} there now is renamed aside and kept",
                    item.name
                ));
            }
        }
        changes.push(
            load.vmx
                .clone()
                .unwrap_or_else(|| "the .vmx at home stays as it is".into()),
        );
        changes
    }

    /// Copying while the VM runs or is suspended anywhere would bring half a state home.
    fn blocked_by_owner(&self, owner: &Ownership) -> Option<ProbeAnswer> {
        let awake = owner
            .copies()
            .find(|(_, copy)| copy.power != PowerState::Off);
        let (host, copy) = awake?;
        let found = format!("{} on {host}: {}", self.to.vm, copy_line(copy));
        let (what, next) = if copy.runs() {
            (
                "runs",
                format!(
                    "fence it in {}, or shut it down there; then retry",
                    owner.site
                ),
            )
        } else {
            (
                "is suspended",
                format!("resume it in {} and shut it down; then retry", owner.site),
            )
        };
        let fault = Fault::new(
            format!(
                "{} {what} in {}, so its files cannot be copied",
                self.to.vm, owner.site
            ),
            host.as_str(),
            format!("{found}; nothing was changed"),
            next,
        );
        Some(blocked(found, fault, &[]))
    }
}

/// A disk that the .vmx at home names and that does not come.
fn stray_disk(vmx: &Vmx, items: &[Item]) -> Option<String> {
    let comes = |disk: &String| items.iter().any(|item| item.name == *disk);
    let stray = vmx.disk_files().into_iter().find(|disk| !comes(disk))?;
    Some(format!(
        "the one at home names {stray}, which does not come"
    ))
}

impl Action for CopyBack {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let vm = &self.to.vm;
        let arrivals = Arrivals::look(ctx, &self.to).await?;
        let store = Store::look(ctx, &self.to).await?;
        let finished = ctx
            .run_facts()
            .iter()
            .any(|fact| is_brought(fact, &self.to));
        let (leaves, home) = futures_util::join!(
            sighting::of_hosts(ctx, vm, self.from.role),
            sighting::of_hosts(ctx, vm, self.to.role)
        );
        let mut seen = Seen {
            owners: [leaves, home],
            store,
            arrivals,
            load: None,
        };
        if finished && seen.arrivals.missing().is_empty() {
            return Ok(Known::Is(seen));
        }
        for (owner, place) in seen.owners.iter().zip([&self.from, &self.to]) {
            reached(owner, place)?;
        }
        let awake = seen
            .owners
            .iter()
            .any(|owner| self.blocked_by_owner(owner).is_some());
        if !awake && seen.store.fault(&self.to).is_none() {
            seen.load = Some(self.load(ctx, &seen.arrivals).await?);
        }
        Ok(Known::Is(seen))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            return self.outline();
        };
        let placed = &seen.arrivals.placed;
        let awake = seen
            .owners
            .iter()
            .find_map(|owner| self.blocked_by_owner(owner));
        let fault = seen.store.fault(&self.to);
        if let (Some(load), None, None) = (&seen.load, &awake, &fault) {
            return self.decide_load(seen, load);
        }
        if placed.is_empty() || !seen.arrivals.missing().is_empty() {
            return match (awake, fault) {
                (Some(answer), _) => answer,
                (None, Some(fault)) => blocked(fault.what.clone(), fault, &[]),
                (None, None) => self.outline(),
            };
        }
        let found = format!(
            "all {} are in {}",
            count(placed.len(), "file"),
            self.to.folder_path()
        );
        let evidence = placed.iter().map(|file| {
            format!(
                "{} ({}), equal to its source when it arrived",
                file.name,
                size(file.bytes)
            )
        });
        done(found, evidence.collect())
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Some(seen) = seen.get() else {
            return Ok(());
        };
        let Some(load) = &seen.load else {
            return Ok(());
        };
        seen.store.keep(ctx, &self.to).await?;
        let from = configuration::name_vmx(ctx, self.from.clone().with_facts(ctx)).await?;
        let delivery = self.delivery(ctx, &from, load.items.clone())?;
        moving::bring(ctx, &self.to, &delivery).await
    }
}

impl CopyBack {
    fn decide_load(&self, seen: &Seen, load: &Load) -> ProbeAnswer {
        let found = format!("off in {} and in {}", self.from.site, self.to.site);
        if let Store::Here { free, .. } = seen.store
            && seen.arrivals.begun.is_empty()
            && load.data > free
        {
            return blocked(found, store::no_room(&self.to, load.data, free), &[]);
        }
        needed(
            found,
            self.proposal(self.changes(load), load.commands.clone()),
        )
    }
}

/// Whether a fact tells that the last file of a copy was placed: facts are kept once all are.
fn is_brought(fact: &Fact, to: &VmAt) -> bool {
    matches!(fact, Fact::FilePlaced { vm, host, .. } if *vm == to.vm && *host == to.host)
}

/// The host that has the VM must have told whether it runs.
fn reached(owner: &Ownership, place: &VmAt) -> Result<(), Fault> {
    let told = owner
        .sightings
        .iter()
        .find(|seen| seen.host == place.host)
        .map(|seen| &seen.told);
    match told {
        Some(Told::Copies(_)) => Ok(()),
        Some(Told::Nothing(why)) => Err(Fault::new(
            format!("{} could not be looked at: {why}", place.who()),
            place.host.as_str(),
            "nothing was sent",
            "reach that host, then retry",
        )
        .passing()),
        Some(Told::NotAsked) | None => Err(Fault::new(
            format!("{} is not one of the hosts of {}", place.host, place.site),
            place.host.as_str(),
            "nothing was sent",
            "correct the runbook",
        )),
    }
}

#[cfg(test)]
mod tests;
