//! What `restore`, `copy_back` and `replicate` share: announcing what a transfer writes, and telling how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Fact, ShownCommand, folder_of};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell::{self, Found};
use crate::journal::Intent;
use crate::names::{HostName, OpId, VmName};
use crate::runbook::model::{Asked, Backup, BackupForm, Runbook};
use crate::transfer::{
    self, Corrupt, Delivery, Folder, Landed, Patience, Target, Tell, TransferError, Writes, Written,
};

use super::arrivals::Arrivals;
use super::configuration;
use super::context::{Ctx, sum_of};
use super::link::{ActError, Progress, Request};
use super::place::VmAt;
use super::seeded::Seeded;
use super::words::size;

/// The journal's side of a transfer.
struct Announced {
    ctx: Ctx,
    at: VmAt,
    to: Target,
    seeded: Seeded,
}

impl Announced {
    fn tell(&self, request: Request) -> Result<(), Fault> {
        self.ctx.link.send(request).map_err(|_| no_longer_wanted())
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
        self.seeded.announced(&shown);
        self.ctx
            .link
            .intend(host, shown, bulk)
            .await
            .map_err(|_| no_longer_wanted())
    }

    fn started(&self, op: OpId, pid: u32) {
        let _ = self.ctx.link.send(Request::Started { op, pid });
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

    async fn landed(&self, file: &Landed) -> Result<(), Fault> {
        let kept = keep(&self.ctx, &self.at, &self.to, file).await;
        kept.map_err(|_| no_longer_wanted())?;
        let told = self.seeded.landed(&self.ctx, &self.at, file).await;
        told.map_err(|_| no_longer_wanted())
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
    let sent = Arc::new(AtomicU64::default());
    let announced = Arc::new(Announced {
        ctx: ctx.clone(),
        at: at.clone(),
        to: delivery.to.clone(),
        seeded: Seeded::new(ctx, delivery, sent.clone()),
    });
    match Box::pin(delivery.bring(&announced, tell(ctx, sent))).await {
        Ok(_) => Ok(()),
        Err(TransferError::Failed(fault)) => Err(ActError::Failed(fault)),
        Err(TransferError::Corrupt(found)) => {
            keep_corrupt(ctx, at, &found).await?;
            Err(ActError::Failed(found.fault))
        }
        Err(TransferError::Lost { .. }) => Err(ActError::Lost),
    }
}

/// Keeps which restore point was proven corrupt: the report tells of it, whatever the step comes to.
async fn keep_corrupt(ctx: &Ctx, at: &VmAt, found: &Corrupt) -> Result<(), ActError> {
    let chosen = ctx
        .step_facts()
        .into_iter()
        .rev()
        .find_map(|fact| match fact {
            Fact::PointChosen {
                vm,
                backup,
                stamp,
                path,
                ..
            } if vm == at.vm => Some((backup, stamp, path)),
            _ => None,
        });
    let Some((backup, stamp, path)) = chosen else {
        return Ok(());
    };
    let fact = Fact::PointCorrupt {
        vm: at.vm.clone(),
        backup,
        stamp,
        path,
        file: found.file.clone(),
        place: found.fault.place.clone(),
        sum: found.sum.to_string(),
        recorded: found.recorded.to_string(),
    };
    let same = fact.clone();
    ctx.keep_once(fact, |kept| *kept == same).await
}

async fn keep(ctx: &Ctx, at: &VmAt, to: &Target, file: &Landed) -> Result<(), ActError> {
    let path = to.path(&file.name);
    if let Some(aside) = &file.original {
        let (vm, host) = (at.vm.clone(), at.host.clone());
        let aside = to.path(aside);
        // A size that cannot be had now is missed when the original is to be deleted, not before.
        let found = configuration::find(ctx, at, &aside).await.ok();
        let bytes = found.and_then(Found::stat).map(|stat| stat.size);
        ctx.link
            .fact(Fact::OriginalKept {
                vm,
                host,
                path: path.clone(),
                aside,
                bytes,
            })
            .await?;
    }
    let against = match file.against {
        transfer::Against::Recorded => "equals the recorded sum",
        transfer::Against::Source => "equals the source's own sum (source unverified)",
        transfer::Against::Shown => {
            "equals the text that was shown, which names its disks as they are called here"
        }
        transfer::Against::Rewritten => "written anew by the host beside its data",
        transfer::Against::Converted => {
            "converted on the host: what it was made of was proven, then exit status, chain (-e), capacity \
             and descriptor; the data itself cannot be compared"
        }
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

/// `sent` gets how many bytes went over the wire.
fn tell(ctx: &Ctx, sent: Arc<AtomicU64>) -> Tell {
    let link = ctx.link.clone();
    let clock = ctx.clock.clone();
    Arc::new(move |now: transfer::Progress| {
        sent.store(now.sent, Ordering::Relaxed);
        let eta = now
            .remaining
            .and_then(|left| clock.now().checked_add(left).ok());
        let progress = Progress {
            doing: format!("{} {}", now.phase.as_str(), now.file),
            file: of_file(&now),
            done: now.done,
            total: now.bytes,
            rate: now.rate.unwrap_or_default(),
            eta,
        };
        let _ = link.send(Request::Progress(progress));
    })
}

/// How far the file at work is; `None` where it is the only one.
fn of_file(now: &transfer::Progress) -> Option<String> {
    let of_several = now.file_bytes > 0 && now.file_bytes < now.bytes;
    let percent = (u128::from(now.file_done) * 100).checked_div(now.file_bytes.into())?;
    of_several.then(|| format!("{percent}% of {}", size(now.file_bytes)))
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

/// Opens the sessions of a VM's transfer while its step is looked at, so that the data need not wait
/// for their logins. What lies on the host itself is mostly copied there, and needs none.
pub(super) fn get_ready(ctx: &Ctx, at: &VmAt, source: &Folder) {
    if matches!(source, Folder::On { host, .. } if *host.name() == at.host) {
        return;
    }
    let lane = lane(&ctx.runbook, &at.vm);
    if let Ok(host) = ctx.host(&at.host) {
        tokio::spawn(async move { host.get_ready(lane).await });
    }
}

/// VMs that move at the same time use sessions of their own.
pub(super) fn lane(runbook: &Runbook, vm: &VmName) -> Lane {
    Lane::transfer(runbook.vms.get_index_of(vm).unwrap_or_default())
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
    changing(host, delivery.preview(&arrivals.observed()))
}

/// Lines that change something on a host, as a person sees them.
pub(super) fn changing(
    host: &HostName,
    lines: impl IntoIterator<Item = String>,
) -> Vec<ShownCommand> {
    let shown = |line| ShownCommand {
        host: Some(host.clone()),
        line,
        write: true,
    };
    lines.into_iter().map(shown).collect()
}

/// Bytes that each file takes where it lies, holes left out, by its path there. A file of which
/// that is not told is left out.
pub(super) async fn allocated(ctx: &Ctx, delivery: &Delivery) -> BTreeMap<String, u64> {
    let folders: BTreeSet<&str> = delivery
        .items
        .iter()
        .map(|item| folder_of(&item.at))
        .collect();
    let mut allocated = BTreeMap::new();
    for folder in folders {
        let place = if folder.is_empty() {
            delivery.from.clone()
        } else {
            delivery.from.join(folder)
        };
        for (name, bytes) in allocated_in(ctx, &place).await {
            let at = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            allocated.insert(at, bytes);
        }
    }
    allocated
}

async fn allocated_in(ctx: &Ctx, folder: &Folder) -> Vec<(String, u64)> {
    match folder {
        Folder::Here(path) => here(path),
        Folder::On { host, path, .. } => {
            let command = shell::list(path);
            let doing = "listing the point";
            let listed = ctx
                .read(host.name(), Lane::Control, &command, shell::entries, doing)
                .await;
            let entries = listed.unwrap_or_default();
            let stat =
                |entry: shell::Entry| Some((entry.text()?.to_owned(), entry.stat?.allocated));
            entries.into_iter().filter_map(stat).collect()
        }
        // A tool tells the lengths alone.
        Folder::Stream(_) => Vec::new(),
    }
}

#[cfg(unix)]
fn here(folder: &std::path::Path) -> Vec<(String, u64)> {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let blocks = |entry: std::fs::DirEntry| {
        let facts = entry.metadata().ok()?;
        Some((entry.file_name().into_string().ok()?, facts.blocks() * 512))
    };
    entries.flatten().filter_map(blocks).collect()
}

#[cfg(not(unix))]
fn here(_folder: &std::path::Path) -> Vec<(String, u64)> {
    Vec::new()
}

/// Where the points of a backup are read from, for a VM.
///
/// # Errors
/// The run has no such host, or a secret of the backup's tool was not given.
pub(super) fn source(ctx: &Ctx, backup: &Backup, vm: &VmName) -> Result<Folder, Fault> {
    Folder::of_backup(&ctx.hosts, backup, lane(&ctx.runbook, vm))
}

/// Where the points of a VM lie, for people.
pub(super) fn points_at(backup: &Backup, vm: &VmName) -> String {
    match (&backup.form, &backup.host) {
        (BackupForm::Folder(path), None) => format!("{path}/{vm}"),
        (BackupForm::Folder(path), Some(host)) => format!("{host}:{path}/{vm}"),
        (BackupForm::Tool(tool), host) => {
            let on = host.as_ref().map_or("this machine", |host| host.as_str());
            let line = shell_words::join(tool.words(vm.as_str(), Asked::Points));
            format!("{on} (`{line}`)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_says_how_far_it_is() {
        let now = |file_done, file_bytes| transfer::Progress {
            file: "sql01-flat.vmdk".to_owned(),
            phase: transfer::Phase::Sending,
            file_done,
            file_bytes,
            done: 96 << 20,
            bytes: 256 << 20,
            sent: 0,
            rate: None,
            remaining: None,
        };
        let words = of_file(&now(32 << 20, 128 << 20));
        assert_eq!(words.as_deref(), Some("25% of 128.0 MiB"));
        assert_eq!(of_file(&now(0, 256 << 20)), None);
    }
}
