//! The files of one folder: what the run placed is removed, files of before it get their names back or
//! are deleted.

use std::collections::BTreeSet;

use crate::engine::{ProbeAnswer, Proposal, Thing};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell::FileStat;
use crate::names::RunId;
use crate::plan::Close;
use crate::transfer::{Folder, vm_files};

use super::super::action::Action;
use super::super::answer::{Known, blocked, done, needed};
use super::super::arrivals::{remove_empty, remove_named};
use super::super::context::Ctx;
use super::super::datastores::as_listed;
use super::super::later::KeptByLater;
use super::super::link::ActError;
use super::super::place::{VmAt, file_name};
use super::super::registered::{Entry, Unlisted};
use super::super::stop_lost::nothing_comes;
use super::super::store::Store;
use super::super::{configuration, registered};
use super::tell_gone;

/// The step about one folder.
pub(in crate::actions) struct EndFiles<'a> {
    pub(super) close: &'a Close,
    pub(super) at: VmAt,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(in crate::actions) struct Seen {
    pub(super) store: Store,
    /// The folder is there.
    pub(super) folder: bool,
    pub(super) entries: Vec<(String, Option<FileStat>)>,
    /// VMs that are registered from the folder.
    pub(super) registered: Vec<FromHere>,
    /// The files of the folder that these are made of; nothing where that is not known.
    pub(super) used: Option<BTreeSet<String>>,
    /// What there is of a VM in the folder, where none is registered from it.
    pub(super) unlisted: Unlisted,
    /// Not every line of the inventory was understood.
    pub(super) doubtful: bool,
    /// That the VM runs at both sites.
    pub(super) twice: Option<String>,
    /// What a run that came later keeps in the folder.
    pub(super) later: Option<KeptByLater>,
    /// The run.
    pub(super) run: RunId,
}

/// A VM that is registered from the folder.
#[derive(Clone, Debug)]
pub(in crate::actions) struct FromHere {
    pub(super) vmid: Vmid,
    /// The name of its .vmx.
    pub(super) vmx: String,
    pub(super) on: bool,
    pub(super) view: View,
}

/// How a host's view of a VM stands to a .vmx that gets its name back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::actions) enum View {
    /// None does, or the VM is not off.
    #[default]
    OfOther,
    /// The host has not read it since.
    Unread,
    /// This step had the host read it; in what the two differ all the same.
    Read(Option<String>),
}

impl Seen {
    pub(super) fn has(&self, path: &str) -> Option<&(String, Option<FileStat>)> {
        let name = file_name(path)?;
        self.entries.iter().find(|(known, _)| known == name)
    }

    pub(super) fn size(&self, path: &str) -> Option<u64> {
        self.has(path)?.1.map(|stat| stat.size)
    }
}

impl<'a> EndFiles<'a> {
    /// The step for the folder at that place, whichever .vmx lies in it.
    pub fn new(close: &'a Close, at: VmAt) -> Self {
        let at = VmAt { vmx: None, ..at };
        Self { close, at }
    }

    /// The folder's place with this .vmx.
    pub(super) fn of_vmx(&self, vmx: &str) -> VmAt {
        VmAt {
            vmx: Some(vmx.to_owned()),
            ..self.at.clone()
        }
    }

    /// The files of the folder that a VM with this .vmx is made of; nothing where that cannot be told.
    async fn files_of(&self, ctx: &Ctx, vmx: &str) -> Option<BTreeSet<String>> {
        if !matches!(self.close, Close::RemoveFiles { .. }) {
            return None;
        }
        let folder = Folder::On {
            host: ctx.host(&self.at.host).ok()?,
            path: self.at.folder_path(),
            lane: Lane::Control,
        };
        let files = vm_files(&folder, vmx).await.ok()?;
        let own = files
            .items
            .into_iter()
            .filter(|item| !item.at.starts_with('/'));
        Some(own.map(|item| item.at).collect())
    }
}

impl Action for EndFiles<'_> {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let at = &self.at;
        nothing_comes(ctx, at).await?;
        let entries = configuration::listed(ctx, at).await?;
        let inside = format!("{}/", at.folder);
        let datastore = as_listed(ctx, at).await?.datastore;
        let inventory = registered::inventory(ctx, &at.host, Lane::Control).await?;
        let mut registered = Vec::new();
        let mut used = Some(BTreeSet::new());
        for row in &inventory.vms {
            if row.datastore == datastore && row.path.starts_with(&inside) {
                let told = registered::confirmed(ctx, &at.host, Lane::Control, row).await?;
                if let Some(summary) = told {
                    let vmx = row.path.strip_prefix(&inside).unwrap_or_default();
                    let its = self.files_of(ctx, vmx).await;
                    used = used.zip(its).map(|(known, its)| &known | &its);
                    let entry = Entry {
                        vmid: row.vmid,
                        summary,
                    };
                    registered.push(FromHere {
                        vmid: entry.vmid,
                        vmx: vmx.to_owned(),
                        on: entry.power() == PowerState::On,
                        view: self.view(ctx, vmx, &entry).await?,
                    });
                }
            }
        }
        let unlisted = if registered.is_empty() {
            Unlisted::look(ctx, at, &inventory.invalid).await?
        } else {
            Unlisted::default()
        };
        let splits = ctx.state.splits().into_iter();
        let mut splits = splits.filter(|split| split.vm == at.vm);
        let names = entries.iter().flatten().map(|(name, _)| name.as_str());
        let later = KeptByLater::find(names, ctx.run.as_str());
        Ok(Known::Is(Seen {
            later,
            store: Store::look(ctx, at).await?,
            folder: entries.is_some(),
            entries: entries.unwrap_or_default(),
            registered,
            used,
            unlisted,
            doubtful: !inventory.unread.is_empty(),
            twice: splits.next().map(|split| split.in_words()),
            run: ctx.run.clone(),
        }))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            let what = format!(
                "looks into {} on {} first",
                self.at.folder_path(),
                self.at.host
            );
            let proposal = Proposal {
                changes: vec![what],
                ..Proposal::default()
            };
            return needed("not asked", proposal);
        };
        if let Some(fault) = seen.store.fault(&self.at) {
            return blocked(fault.what.clone(), fault, &[]);
        }
        match self.close {
            Close::RemoveFiles { placed, .. } => self.remove(placed, seen),
            Close::KeepDisks { .. } => self.keep(seen),
            Close::RemoveOriginals { originals, .. } => self.originals_go(originals, seen),
            Close::NamesBack { originals, .. } => self.names_back(originals, seen),
            _ => done("nothing to do", Vec::new()),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Known::Is(seen) = seen else {
            return Ok(());
        };
        match self.close {
            Close::RemoveFiles { placed, .. } => {
                let doomed = self.doomed(placed, seen);
                remove_named(ctx, &self.at, &doomed, &seen.run.mark()).await?;
                if Self::folder_goes(placed, &Self::others(&doomed, seen), seen) {
                    remove_empty(ctx, &self.at, &self.at.folder_path()).await?;
                }
                Ok(())
            }
            Close::RemoveOriginals { originals, .. } => {
                let names = originals.iter().filter_map(|original| {
                    let (name, _) = seen.has(&original.aside)?;
                    Some(name.clone())
                });
                let names: Vec<String> = names.collect();
                // No folder is among them, so that no mark makes one the run's own.
                remove_named(ctx, &self.at, &names, "/").await?;
                Ok(())
            }
            Close::NamesBack { originals, .. } => self.give_names_back(ctx, originals, seen).await,
            _ => Ok(()),
        }
    }

    async fn settle(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let host = &self.at.host;
        let folder = seen.get().filter(|seen| !seen.folder);
        let gone = folder.map(|_| self.at.folder_path());
        tell_gone(ctx, self.close, |item| {
            matches!(&item.thing, Thing::Folder(path) if Some(path) == gone.as_ref())
                && item.host == *host
        })
        .await?;
        self.tell_kept(ctx, seen.get()).await
    }
}
