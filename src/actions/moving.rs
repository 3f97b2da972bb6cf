//! What `restore` and `copy_back` share: announcing what a transfer writes, telling how far it is,
//! and telling a file that this run placed from one that somebody else did.

use std::sync::Arc;

use crate::engine::{Fact, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::shell::{self, FileKind, FileStat, Removed};
use crate::journal::Intent;
use crate::names::{HostName, OpId, VmName};
use crate::runbook::model::Runbook;
use crate::transfer::{
    self, Delivery, Folder, Item, Landed, Observed, Patience, Standing, SummedBy, Target, Tell,
    TransferError, Writes, Written,
};

use super::configuration;
use super::context::{ActError, Ctx, Progress, Request, sum_of};
use super::place::{VmAt, file_name};
use super::words::{count, size};

/// Sessions of a host that carry bulk data.
const LANES: usize = 3;

/// The journal's side of a transfer.
#[derive(Clone)]
pub(super) struct Announced(Ctx);

impl Announced {
    /// Announces to the run of this context.
    pub fn new(ctx: &Ctx) -> Arc<Self> {
        Arc::new(Self(ctx.clone()))
    }

    fn tell(&self, request: Request) -> Result<(), Fault> {
        self.0.link.send(request).map_err(|_| no_longer_wanted())
    }
}

fn no_longer_wanted() -> Fault {
    Fault::new(
        "the step was taken back from this attempt",
        "console",
        "no further command was sent; what is proven stays where it is",
        "look at the step again",
    )
}

impl Writes for Announced {
    async fn intend(&self, host: &HostName, shown: String, bulk: bool) -> Result<Intent, Fault> {
        self.0
            .link
            .intend(host, shown, bulk)
            .await
            .map_err(|_| no_longer_wanted())
    }

    fn started(&self, op: OpId, pid: u32) {
        let _ = self.0.link.send(Request::Started { op, pid });
    }

    async fn finished(&self, op: OpId, outcome: Written) -> Result<(), Fault> {
        let finished = |exit, took_ms, output_sha256| Request::Finished {
            op,
            exit,
            took_ms,
            output_sha256,
        };
        self.tell(match outcome {
            Written::Ran(output) => {
                let took = u64::try_from(output.took.as_millis()).unwrap_or(u64::MAX);
                finished(output.status, took, Some(sum_of(&output)))
            }
            Written::Sent(_) => finished(0, 0, None),
            Written::NotSent(why) => Request::NotSent { op, why },
            Written::Failed(_) => finished(-1, 0, None),
        })
    }

    async fn lost(&self, op: OpId, why: String) -> Result<(), Fault> {
        self.tell(Request::Lost { op, why })
    }
}

/// Brings the files of a delivery and keeps what was proven of each.
///
/// # Errors
/// The transfer failed, or the outcome of one of its commands is unknown.
pub(super) async fn bring(ctx: &Ctx, at: &VmAt, delivery: &Delivery) -> Result<(), ActError> {
    let landed = match Box::pin(delivery.bring(&Announced::new(ctx), tell(ctx))).await {
        Ok(landed) => landed,
        Err(TransferError::Failed(fault)) => return Err(ActError::Failed(fault)),
        Err(TransferError::Lost { .. }) => return Err(ActError::Lost),
    };
    for file in landed {
        keep(ctx, at, &delivery.to, file).await?;
    }
    Ok(())
}

async fn keep(ctx: &Ctx, at: &VmAt, to: &Target, file: Landed) -> Result<(), ActError> {
    let path = to.path(&file.name);
    if let Some(aside) = &file.original {
        let (vm, host) = (at.vm.clone(), at.host.clone());
        let aside = to.path(aside);
        ctx.link
            .fact(Fact::OriginalKept {
                vm,
                host,
                path: path.clone(),
                aside,
            })
            .await?;
    }
    let against = match file.against {
        transfer::Against::Recorded => "equals the recorded sum",
        transfer::Against::Source => "equals the source's own sum (source unverified)",
        transfer::Against::Rewritten => "written anew by the host beside its proven data",
    };
    let fact = Fact::FilePlaced {
        vm: at.vm.clone(),
        host: at.host.clone(),
        path,
        bytes: file.bytes,
        sha256: file.sum.to_string(),
        proof: format!("{}: {against}", file.summed_by.as_str()),
    };
    let same = fact.clone();
    ctx.keep_once(fact, |kept| *kept == same).await
}

fn tell(ctx: &Ctx) -> Tell {
    let link = ctx.link.clone();
    let clock = ctx.clock.clone();
    Arc::new(move |now: transfer::Progress| {
        let eta = now
            .remaining
            .and_then(|left| clock.now().checked_add(left).ok());
        let progress = Progress {
            doing: format!("{} {}", now.phase.as_str(), now.file),
            done: now.done,
            total: now.bytes,
            rate: now.rate.unwrap_or_default(),
            eta,
        };
        let _ = link.send(Request::Progress(progress));
    })
}

/// Where files arrive for a VM.
///
/// # Errors
/// The run has no such host.
pub(super) fn target(ctx: &Ctx, at: &VmAt) -> Result<Target, Fault> {
    Ok(Target {
        host: ctx.host(&at.host)?,
        lane: lane(&ctx.runbook, &at.vm),
        folder: at.folder_path(),
        run: ctx.run.clone(),
    })
}

/// VMs that move at the same time use sessions of their own.
pub(super) fn lane(runbook: &Runbook, vm: &VmName) -> Lane {
    let index = runbook.vms.get_index_of(vm).unwrap_or_default() % LANES;
    Lane::Transfer(u8::try_from(index).unwrap_or_default())
}

/// How long a transfer waits for a link that is down.
pub(super) fn patience() -> Patience {
    Patience::default()
}

/// The commands of a delivery as a person sees them, with what is in the folder already left out.
pub(super) fn shown(
    host: &HostName,
    delivery: &Delivery,
    arrivals: &Arrivals,
) -> Vec<ShownCommand> {
    let line = |line| ShownCommand {
        host: Some(host.clone()),
        line,
        write: true,
    };
    delivery
        .preview(&arrivals.observed())
        .into_iter()
        .map(line)
        .collect()
}

/// The VM's datastore on its host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Store {
    /// There is no datastore with that label; there are these.
    Missing(Vec<String>),
    /// The label means another volume than when the run first used it.
    Changed {
        /// The volume then.
        was: String,
        /// The volume now.
        is: String,
    },
    /// It is there.
    Here {
        /// The volume.
        uuid: String,
        /// Bytes free.
        free: u64,
    },
}

impl Store {
    /// Looks the VM's datastore up.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt) -> Result<Self, Fault> {
        let command = commands::volumes();
        let doing = "reading the volumes";
        let volumes = ctx
            .read(&at.host, Lane::Control, &command, Volumes::parse, doing)
            .await?;
        let Some(volume) = volumes
            .labelled(&at.datastore)
            .filter(|volume| volume.mounted)
        else {
            let labels = volumes.0.iter().filter(|volume| volume.is_datastore());
            return Ok(Self::Missing(
                labels.map(|volume| volume.label.clone()).collect(),
            ));
        };
        let seen = ctx.facts().find_map(|fact| match fact {
            Fact::DatastoreSeen { host, label, uuid }
                if *host == at.host && *label == at.datastore =>
            {
                Some(uuid.clone())
            }
            _ => None,
        });
        let is = volume.uuid.clone();
        Ok(match seen {
            Some(was) if was != is => Self::Changed { was, is },
            _ => Self::Here {
                uuid: is,
                free: volume.free,
            },
        })
    }

    /// Why the datastore cannot be used.
    pub fn fault(&self, at: &VmAt) -> Option<Fault> {
        let place = at.host.as_str();
        match self {
            Self::Here { .. } => None,
            Self::Missing(labels) => Some(Fault::new(
                format!(
                    "there is no datastore {}; there are {}",
                    at.datastore,
                    labels.join(", ")
                ),
                place,
                "nothing was changed",
                "mount it, or correct its label in the runbook, then retry",
            )),
            Self::Changed { was, is } => Some(Fault::new(
                format!(
                    "datastore {} is not the volume that it was: {is}, it was {was}",
                    at.datastore
                ),
                place,
                "nothing was changed on the volume that bears the label now",
                "find out what was mounted under that label; mount the right volume, then retry",
            )),
        }
    }

    /// Keeps which volume the label means.
    ///
    /// # Errors
    /// The run no longer waits for this action.
    pub async fn keep(&self, ctx: &Ctx, at: &VmAt) -> Result<(), ActError> {
        let Self::Here { uuid, .. } = self else {
            return Ok(());
        };
        let (host, label, uuid) = (at.host.clone(), at.datastore.clone(), uuid.clone());
        let fact = Fact::DatastoreSeen { host, label, uuid };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await
    }
}

/// A file that this run placed under its final name with a proven sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its name in the VM's folder.
    pub name: String,
    /// Its size when it was placed.
    pub bytes: u64,
    /// Its sum when it was placed.
    pub sha256: String,
}

/// What lies in the folder that files are to arrive in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arrivals {
    /// Whether the folder is there.
    pub folder: bool,
    /// Names and facts of what is in it.
    pub entries: Vec<(String, Option<FileStat>)>,
    /// What this run placed there.
    pub placed: Vec<Placed>,
    /// Final names that this run began to work on: what bears one is summed before it is believed.
    pub begun: Vec<String>,
    /// What marks names of this run's own.
    pub mark: String,
}

impl Arrivals {
    /// The same for a delivery: what this run placed is whole, for it was proven then.
    fn observed(&self) -> Observed {
        let mut observed = Observed::default();
        observed.folder = self.folder;
        for placed in &self.placed {
            if let Ok(sum) = placed.sha256.parse() {
                let whole = Standing::Whole(sum, SummedBy::ReadingBack);
                observed.files.insert(placed.name.clone(), whole);
            }
        }
        observed
    }

    /// Looks into the VM's folder, and at what the run knows of it.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt) -> Result<Self, Fault> {
        let folder = configuration::find(ctx, at, &at.folder_path())
            .await?
            .stat()
            .is_some();
        let entries = if folder {
            configuration::folder(ctx, at).await?
        } else {
            Vec::new()
        };
        let prefix = format!("{}/", at.folder_path());
        let mark = format!(".lifeboat-{}-", ctx.run);
        let mut placed: Vec<Placed> = Vec::new();
        for fact in ctx.run_facts() {
            if let Fact::FilePlaced {
                vm,
                host,
                path,
                bytes,
                sha256,
                ..
            } = fact
                && vm == at.vm
                && host == at.host
                && let Some(name) = path.strip_prefix(&prefix)
            {
                placed.retain(|known| known.name != name);
                placed.push(Placed {
                    name: name.to_owned(),
                    bytes,
                    sha256,
                });
            }
        }
        let own = ctx
            .state
            .ops
            .values()
            .filter(|op| op.step == ctx.step.id && op.host == at.host);
        let begun = own
            .flat_map(|op| names_in(&op.command, &prefix, &mark))
            .collect();
        Ok(Self {
            folder,
            entries,
            placed,
            begun,
            mark,
        })
    }

    /// Whether everything that was placed is still there; disks also with their size. A host
    /// rewrites the small files of a VM as it pleases.
    pub fn missing(&self) -> Vec<String> {
        let there = |placed: &&Placed| {
            self.entries.iter().any(|(name, stat)| {
                *name == placed.name
                    && stat.is_some_and(|stat| {
                        stat.kind == FileKind::File
                            && (stat.size == placed.bytes || !name.ends_with("-flat.vmdk"))
                    })
            })
        };
        self.placed
            .iter()
            .filter(|placed| !there(placed))
            .map(|placed| placed.name.clone())
            .collect()
    }

    /// Names of what this run did not put there.
    pub fn foreign(&self) -> Vec<String> {
        let own = |name: &String| {
            name.contains(&self.mark)
                || self.begun.contains(name)
                || self.placed.iter().any(|placed| placed.name == *name)
        };
        let names = self.entries.iter().map(|(name, _)| name);
        names.filter(|name| !own(name)).cloned().collect()
    }
}

/// Final names that a command of this run worked on: those of which it mentions a temporary one.
fn names_in(command: &str, prefix: &str, mark: &str) -> Vec<String> {
    let words = shell_words::split(command).unwrap_or_default();
    let own = words
        .iter()
        .filter(|word| word.starts_with(prefix) && word.contains(mark));
    let mut names: Vec<String> = Vec::new();
    for word in own {
        let name = file_name(word).unwrap_or_default();
        let Some((before, after)) = name.split_once(mark) else {
            continue;
        };
        // A clone's temporary name carries the mark before its end: `x.lifeboat-run-part-flat.vmdk`.
        let end = after.strip_prefix("part").unwrap_or_default();
        names.push(format!("{before}{end}"));
        if end == ".vmdk" {
            names.push(format!("{before}-flat.vmdk"));
        }
    }
    names
}

/// Bytes that the files take where they lie, holes left out; their length where that is not told.
pub(super) async fn data_bytes(ctx: &Ctx, delivery: &Delivery) -> u64 {
    let allocated: Vec<(String, u64)> = match &delivery.from {
        Folder::Here(path) => here(path, &delivery.items),
        Folder::On { host, path, .. } => {
            let parse = |output: &_| shell::entries(output);
            let command = shell::list(path);
            let listed = ctx
                .read(
                    host.name(),
                    Lane::Control,
                    &command,
                    parse,
                    "listing the point",
                )
                .await;
            let entries = listed.unwrap_or_default();
            let stat =
                |entry: shell::Entry| Some((entry.text()?.to_owned(), entry.stat?.allocated));
            entries.into_iter().filter_map(stat).collect()
        }
    };
    delivery.items.iter().fold(0, |sum, item| {
        let own = allocated
            .iter()
            .find(|(name, _)| *name == item.name)
            .map(|(_, bytes)| *bytes);
        sum + own.unwrap_or(item.bytes).min(item.bytes)
    })
}

#[cfg(unix)]
fn here(folder: &std::path::Path, items: &[Item]) -> Vec<(String, u64)> {
    use std::os::unix::fs::MetadataExt;
    let blocks = |item: &Item| {
        let facts = std::fs::metadata(folder.join(&item.name)).ok()?;
        Some((item.name.clone(), facts.blocks() * 512))
    };
    items.iter().filter_map(blocks).collect()
}

#[cfg(not(unix))]
fn here(_folder: &std::path::Path, _items: &[Item]) -> Vec<(String, u64)> {
    Vec::new()
}

/// Why there is too little room, with figures.
pub(super) fn no_room(at: &VmAt, needed: u64, free: u64) -> Fault {
    Fault::new(
        format!(
            "datastore {} has {} free, and the files of {} take {}",
            at.datastore,
            size(free),
            at.vm,
            size(needed)
        ),
        at.host.as_str(),
        "nothing was changed",
        format!(
            "free {} there, or place the VM on another datastore; then retry",
            size(needed - free)
        ),
    )
}

/// Files that stand in the way, as a fault.
pub(super) fn foreign_fault(at: &VmAt, foreign: &[String]) -> Fault {
    const SHOWN: usize = 8;
    let mut list = foreign
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if foreign.len() > SHOWN {
        list = format!("{list} and {}", count(foreign.len() - SHOWN, "other"));
    }
    Fault::new(
        format!("the folder holds files that this run did not put there: {list}"),
        format!("{}:{}", at.host, at.folder_path()),
        "nothing was changed; they are not overwritten",
        "look whose they are; move them away if they are not needed, or give this VM another folder in \
         the runbook; then retry",
    )
}

/// Files that this run placed and that are not as they were.
pub(super) fn vanished(at: &VmAt, names: &[String]) -> Fault {
    Fault::new(
        format!(
            "files that this run placed are gone or have another size: {}",
            names.join(", ")
        ),
        format!("{}:{}", at.host, at.folder_path()),
        "the other files are as they were placed",
        "find out who changed them; put them back, or undo the step and restore again",
    )
}

/// Removes what this run placed in the VM's folder, each file by its name, then the folder if the run made it and it is empty.
///
/// # Errors
/// The host refused it, or a write was lost.
pub(super) async fn remove_placed(ctx: &Ctx, at: &VmAt) -> Result<Vec<String>, ActError> {
    let arrivals = Arrivals::look(ctx, at).await?;
    let mark = format!(".lifeboat-{}-", ctx.run);
    let own = arrivals.entries.iter().filter(|(name, _)| {
        name.contains(&mark) || arrivals.placed.iter().any(|placed| placed.name == *name)
    });
    let mut evidence = Vec::new();
    for (name, _) in own {
        let path = at.file_path(name);
        let doing = format!("removing {path}");
        let command = shell::remove_file(&path);
        match ctx
            .order(&at.host, &command, Removed::parse, &doing)
            .await?
        {
            Removed::Done => evidence.push(format!("{path} is removed")),
            Removed::Absent => evidence.push(format!("{path} was gone")),
            Removed::IsFolder | Removed::NoFolder => {
                evidence.push(format!("{path} is no file and stays"));
            }
        }
    }
    let folder = at.folder_path();
    let made = ctx.run_facts().into_iter().any(
        |fact| matches!(fact, Fact::FolderMade { host, path } if host == at.host && path == folder),
    );
    if made {
        let command = shell::remove_empty_folder(&folder);
        let parse = shell::FolderRemoval::parse;
        let line = match ctx
            .order(&at.host, &command, parse, "removing the folder")
            .await?
        {
            shell::FolderRemoval::Done => "is removed",
            shell::FolderRemoval::Absent => "was gone",
            shell::FolderRemoval::Full => "holds other files and stays",
        };
        evidence.push(format!("{folder} {line}"));
    }
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> (String, Option<FileStat>) {
        let stat = FileStat {
            kind: FileKind::File,
            size,
            mode: 0o600,
            modified: 0,
            allocated: size,
        };
        (name.to_owned(), Some(stat))
    }

    fn placed(name: &str, bytes: u64) -> Placed {
        Placed {
            name: name.into(),
            bytes,
            sha256: String::new(),
        }
    }

    #[test]
    fn own_files_are_told_from_others() {
        let arrivals = Arrivals {
            folder: true,
            entries: vec![
                entry("sql01.vmx", 3000),
                entry("sql01-flat.vmdk", 100),
                entry("sql01.nvram", 8),
                entry("sql01.vmx.lifeboat-r1-part", 5),
                entry("sql01.vmx.lifeboat-r2-part", 5),
                entry("notes.txt", 1),
            ],
            placed: vec![placed("sql01.vmx", 2900), placed("sql01-flat.vmdk", 100)],
            begun: vec!["sql01.nvram".into()],
            mark: ".lifeboat-r1-".into(),
        };
        assert_eq!(
            arrivals.foreign(),
            ["sql01.vmx.lifeboat-r2-part", "notes.txt"]
        );
        assert_eq!(arrivals.missing(), Vec::<String>::new());
        let shrunk = Arrivals {
            placed: vec![placed("sql01-flat.vmdk", 101), placed("gone", 1)],
            ..arrivals
        };
        assert_eq!(shrunk.missing(), ["sql01-flat.vmdk", "gone"]);
    }

    #[test]
    fn a_command_names_the_files_it_worked_on() {
        let names = |command: &str| names_in(command, "/v/ds/sql01/", ".lifeboat-r1-");
        assert_eq!(
            names("sh -c 'x' _ /v/ds/sql01/sql01.vmx.lifeboat-r1-part /v/ds/sql01/sql01.vmx"),
            ["sql01.vmx"]
        );
        let clone =
            names("vmkfstools -E /v/ds/sql01/sql01.lifeboat-r1-part.vmdk /v/ds/sql01/sql01.vmdk");
        assert_eq!(clone, ["sql01.vmdk", "sql01-flat.vmdk"]);
        assert_eq!(
            names("mv /v/ds/sql01/a /v/ds/sql01/b"),
            Vec::<String>::new()
        );
        assert_eq!(names("x 'unbalanced"), Vec::<String>::new());
    }
}
