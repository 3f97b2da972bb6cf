//! Bringing a set of files to a host: all of them proven, the `.vmx` last, or none registered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::bulk::Bulk;
use super::clone;
use super::point::Point;
use super::progress::{Meter, Phase, Tell};
use super::ranges::whole;
use super::source::{Folder, sums_here};
use super::sums::{Sum, is_plain_name};
use super::target::{Patience, SummedBy, Target, Work};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Folders, Renamed};
use crate::vmfiles::FileKind;

/// A file to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name, at both ends.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it must come to; `None` where nobody recorded it, so that it is taken from the source
    /// first, which must then hold still.
    pub sum: Option<Sum>,
}

impl Item {
    /// The files of a restore point.
    #[must_use]
    pub fn of(point: &Point) -> Vec<Self> {
        let item = |file: &super::point::PointFile| Self {
            name: file.name.clone(),
            bytes: file.bytes,
            sum: Some(file.sum),
        };
        point.files.iter().map(item).collect()
    }
}

/// What becomes of files that lie under the final names already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// There must be none, nor any other file: a restore.
    Fresh,
    /// They are renamed aside, once everything is proven: a copy back.
    Replace,
}

/// What is to be brought where.
#[derive(Clone)]
pub struct Delivery {
    /// The folder that the files come from.
    pub from: Folder,
    /// The files.
    pub items: Vec<Item>,
    /// Where to.
    pub to: Target,
    /// What becomes of files that are there.
    pub landing: Landing,
    /// How long a dropped link is waited for.
    pub patience: Patience,
}

/// How files travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    /// From the console's machine.
    FromHere,
    /// From one host to another, through the console.
    Relayed,
    /// On the target itself: cloned, never through the console.
    OnHost,
}

impl Mover {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromHere => "sent from this machine",
            Self::Relayed => "relayed through this machine",
            Self::OnHost => "cloned on the host",
        }
    }
}

/// A file that arrived and was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Its final name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its sum, taken on the destination.
    pub sum: Sum,
    /// What that sum was compared with.
    pub against: Against,
    /// What took it.
    pub summed_by: SummedBy,
    /// It was there before, whole.
    pub was_there: bool,
    /// The name of the original that made room for it.
    pub original: Option<String>,
}

/// What a destination's sum was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The sum recorded with the restore point.
    Recorded,
    /// The source's own, taken before the copy: reported as `source unverified`.
    Source,
    /// Nothing: the host wrote this small file itself when it cloned the disk, whose data was
    /// compared.
    Rewritten,
}

/// How things stand with a file at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is there.
    Absent,
    /// Its temporary file is there, with so many bytes.
    Begun(u64),
    /// It is there under its final name, whole.
    Whole(Sum, SummedBy),
    /// Something else has its name.
    Different,
}

/// What was found at the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether the folder is there.
    pub folder: bool,
    /// Each file, by name.
    pub files: BTreeMap<String, Standing>,
    /// What else is there that this run did not make.
    pub foreign: Vec<String>,
    /// Temporary files of this run, whatever became of them.
    pub(super) own: Vec<String>,
    /// Sizes in bytes of the temporary files, by final name.
    begun: BTreeMap<String, u64>,
}

impl Observed {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.folder
            && self
                .files
                .values()
                .all(|found| matches!(found, Standing::Whole(..)))
    }

    /// Files that have the name of one to bring and are not it.
    pub fn different(&self) -> impl Iterator<Item = &str> {
        let different = self
            .files
            .iter()
            .filter(|(_, found)| **found == Standing::Different);
        different.map(|(name, _)| name.as_str())
    }
}

/// `0600` as hosts give disks, `0755` as they give a `.vmx`.
pub(super) fn mode(name: &str) -> u32 {
    if FileKind::of(name) == FileKind::Vmx {
        0o755
    } else {
        0o600
    }
}

/// Small files first, so that what is refused is refused early; disks; the `.vmx` last of all.
fn rank(name: &str) -> u8 {
    match FileKind::of(name) {
        FileKind::Vmx => 2,
        FileKind::Extent => 1,
        _ => 0,
    }
}

impl Delivery {
    /// How the files travel.
    #[must_use]
    pub fn mover(&self) -> Mover {
        match &self.from {
            Folder::Here(_) => Mover::FromHere,
            Folder::On { host, .. } if host.name() == self.to.host.name() => Mover::OnHost,
            Folder::On { .. } => Mover::Relayed,
        }
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.items
            .iter()
            .map(|item| item.bytes)
            .fold(0, u64::saturating_add)
    }

    pub(super) fn ordered(&self) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by_key(|item| (rank(&item.name), item.name.as_str()));
        items
    }

    /// Every write that the delivery comes to if nothing is there yet, as a person reads it.
    #[must_use]
    pub fn preview(&self) -> Vec<String> {
        let to = &self.to;
        let mut lines = vec![shell::make_folder(&to.folder, Folders::Missing).line()];
        if self.mover() == Mover::OnHost {
            lines.extend(clone::preview(self));
            return lines;
        }
        let mut names = Vec::new();
        for item in self.ordered() {
            let part = to.part_name(&item.name);
            let mode = mode(&item.name);
            lines.push(format!(
                "make {} ({} bytes, mode {mode:o}), all hole",
                to.path(&part),
                item.bytes
            ));
            lines.push(format!(
                "write its data from {}",
                self.from.join(&item.name).place()
            ));
            let rename =
                |from: &str, to_name: &str| format!("mv {} {}", to.path(from), to.path(to_name));
            if self.landing == Landing::Replace {
                names.push(rename(&item.name, &to.aside_name(&item.name)));
                names.push(rename(&part, &item.name));
            } else {
                lines.push(rename(&part, &item.name));
            }
        }
        lines.extend(names);
        lines
    }

    /// What is at the target. Files under their final names are summed there, which takes as long
    /// as reading them does; files whose sum nobody recorded count as different.
    ///
    /// # Errors
    /// The target cannot be looked at.
    pub async fn observe(&self) -> Result<Observed, Fault> {
        let work = self.work(&Arc::new(()), Arc::new(|_| {}));
        observe(&work, self, &self.items).await
    }

    fn work<W>(&self, writes: &Arc<W>, tell: Tell) -> Work<W> {
        Work {
            to: self.to.clone(),
            writes: writes.clone(),
            patience: self.patience,
            meter: Meter::new(self.bytes(), tell),
            holes: Mutex::default(),
        }
    }

    /// Brings the files. It may be called again after any failure or crash, and goes on from what
    /// the target proves to have.
    ///
    /// # Errors
    /// [`TransferError::Failed`] with what is in the way; [`TransferError::Lost`] if the outcome of
    /// a command is unknown.
    pub async fn bring<W: Writes>(
        &self,
        writes: &Arc<W>,
        tell: Tell,
    ) -> Result<Vec<Landed>, TransferError> {
        if let Some(item) = self.items.iter().find(|item| !is_plain_name(&item.name)) {
            return Err(self
                .blocked(format!("{:?} cannot be the name of a file", item.name))
                .into());
        }
        let work = self.work(writes, tell);
        let summed = self.with_sums(&work).await?;
        let with_sum = |(item, sum): &(&Item, Sum)| Item {
            sum: Some(*sum),
            ..(*item).clone()
        };
        let items: Vec<Item> = summed.iter().map(with_sum).collect();
        let observed = observe(&work, self, &items).await?;
        self.check_room(&observed)?;
        if !observed.folder {
            let output = work
                .send(&shell::make_folder(&self.to.folder, Folders::Missing))
                .await?;
            shell::check_quiet(&output)
                .map_err(|fault| self.failed("making the folder", &fault))?;
        }
        if self.mover() == Mover::OnHost {
            return clone::bring(self, &work, &observed).await;
        }
        let mut landed = Vec::new();
        let mut proven = Vec::new();
        for (item, sum) in &summed {
            let standing = observed
                .files
                .get(&item.name)
                .copied()
                .unwrap_or(Standing::Absent);
            work.meter.file(&item.name, item.bytes, Instant::now());
            let mut file = Landed {
                name: item.name.clone(),
                bytes: item.bytes,
                sum: *sum,
                against: self.against(&item.name),
                summed_by: SummedBy::ReadingBack,
                was_there: false,
                original: None,
            };
            if let Standing::Whole(_, by) = standing {
                work.meter.settle(item.bytes, 0, Instant::now());
                (file.summed_by, file.was_there) = (by, true);
                landed.push(file);
                continue;
            }
            file.summed_by = self.bring_one(&work, item, *sum, &observed).await?;
            proven.push((file, standing));
            if self.landing == Landing::Fresh {
                landed.extend(self.name_all(&work, &mut proven).await?);
            }
        }
        landed.extend(self.name_all(&work, &mut proven).await?);
        Ok(landed)
    }

    pub(super) fn against(&self, name: &str) -> Against {
        let recorded = self
            .items
            .iter()
            .any(|item| item.name == name && item.sum.is_some());
        if recorded {
            Against::Recorded
        } else {
            Against::Source
        }
    }

    async fn bring_one<W: Writes>(
        &self,
        work: &Work<W>,
        item: &Item,
        sum: Sum,
        observed: &Observed,
    ) -> Result<SummedBy, TransferError> {
        let part = self.to.part_name(&item.name);
        let begun = observed.parts(&item.name).is_some_and(|bytes| bytes > 0);
        let prepare = self.to.prepare(&part, item.bytes, mode(&item.name));
        let output = work.send(&prepare).await?;
        self.prepared(&output, item)?;
        let bulk = Bulk {
            work,
            source: self.from.join(&item.name),
            name: &item.name,
            bytes: item.bytes,
            sum,
            recorded: self.against(&item.name) == Against::Recorded,
        };
        bulk.bring(!begun).await
    }

    fn prepared(&self, output: &Output, item: &Item) -> Result<(), Fault> {
        let made = output.text().trim().parse() == Ok(item.bytes);
        if output.status == 0 && made {
            return Ok(());
        }
        let text = format!("{}{}", output.text(), output.error_text());
        let fault = DriverFault::Failed {
            status: output.status,
            text: text.trim().to_owned(),
        };
        Err(self.failed(&format!("making room for {}", item.name), &fault))
    }

    /// Gives proven files their final names.
    async fn name_all<W: Writes>(
        &self,
        work: &Work<W>,
        proven: &mut Vec<(Landed, Standing)>,
    ) -> Result<Vec<Landed>, TransferError> {
        let mut landed = Vec::new();
        for (mut file, standing) in proven.drain(..) {
            if standing == Standing::Different {
                let aside = self.to.aside_name(&file.name);
                self.rename(work, &file.name, &aside).await?;
                file.original = Some(aside);
            }
            self.rename(work, &self.to.part_name(&file.name), &file.name)
                .await?;
            landed.push(file);
        }
        Ok(landed)
    }

    pub(super) async fn rename<W: Writes>(
        &self,
        work: &Work<W>,
        from: &str,
        to: &str,
    ) -> Result<(), TransferError> {
        let command = shell::rename(&self.to.path(from), &self.to.path(to));
        let output = work.send(&command).await?;
        let doing = format!("renaming {from} to {to}");
        match Renamed::parse(&output).map_err(|fault| self.failed(&doing, &fault))? {
            Renamed::Done => Ok(()),
            Renamed::Taken => Err(self.blocked(format!("{doing}: the name is taken")).into()),
            Renamed::Absent => Err(self.blocked(format!("{doing}: {from} is gone")).into()),
        }
    }

    /// The items in their order, with the sums they must come to.
    async fn with_sums<W>(&self, work: &Work<W>) -> Result<Vec<(&Item, Sum)>, Fault> {
        let mut summed = Vec::new();
        for item in self.ordered() {
            let sum = match item.sum {
                Some(sum) => sum,
                None => {
                    work.meter.file(&item.name, item.bytes, Instant::now());
                    work.meter.phase(Phase::Reading, Instant::now());
                    self.source_sum(work, item).await?
                }
            };
            summed.push((item, sum));
        }
        Ok(summed)
    }

    pub(super) async fn source_sum<W>(&self, work: &Work<W>, item: &Item) -> Result<Sum, Fault> {
        match self.from.join(&item.name) {
            Folder::Here(path) => {
                let sums = sums_here(path, whole(item.bytes)).await?;
                // Nothing is asked for of an empty file.
                Ok(sums.first().copied().unwrap_or_else(|| Sum::of(&[])))
            }
            Folder::On { host, path, lane } => {
                Ok(work.sum_on(&host, lane, &path, item.bytes).await?.0)
            }
        }
    }

    fn check_room(&self, observed: &Observed) -> Result<(), Fault> {
        if self.landing == Landing::Replace {
            return Ok(());
        }
        let in_the_way: Vec<&str> = observed
            .different()
            .chain(observed.foreign.iter().map(String::as_str))
            .collect();
        if in_the_way.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            format!(
                "the folder holds files that this run did not put there: {}",
                listed(&in_the_way)
            ),
            self.to.place(),
            "nothing was changed; they are not overwritten",
            "move them away if they are not needed, or give this VM another folder in the runbook; then retry",
        ))
    }

    pub(super) fn blocked(&self, what: String) -> Fault {
        Fault::new(
            what,
            self.to.place(),
            "nothing was overwritten; what is proven stays under its temporary name",
            "look who else works in that folder, then retry",
        )
    }

    pub(super) fn failed(&self, doing: &str, fault: &DriverFault) -> Fault {
        fault.fault(
            doing,
            self.to.place(),
            "what is proven stays there and is not sent again",
        )
    }
}

/// A list that fits on a screen.
pub(super) fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut text = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

impl Observed {
    /// Size of a file's temporary one, if it is there.
    fn parts(&self, name: &str) -> Option<u64> {
        self.begun.get(name).copied()
    }
}

async fn observe<W>(
    work: &Work<W>,
    delivery: &Delivery,
    items: &[Item],
) -> Result<Observed, Fault> {
    let mut observed = Observed::default();
    let Some(entries) = work.list().await? else {
        for item in items {
            observed.files.insert(item.name.clone(), Standing::Absent);
        }
        return Ok(observed);
    };
    observed.folder = true;
    let mut there = BTreeMap::new();
    for entry in &entries {
        let name = entry
            .text()
            .map(str::to_owned)
            .unwrap_or_else(|| entry.display());
        if name == "." {
            continue;
        }
        let wanted = items.iter().any(|item| item.name == name);
        if work.to.is_own(&name) {
            observed.own.push(name.clone());
        } else if !wanted {
            observed.foreign.push(entry.display());
        }
        let stat = entry.stat.filter(|stat| stat.kind == shell::FileKind::File);
        there.insert(name, stat.map(|stat| stat.size));
    }
    for item in items {
        if let Some(Some(bytes)) = there.get(&work.to.part_name(&item.name)) {
            observed.begun.insert(item.name.clone(), *bytes);
        }
        let standing = match there.get(&item.name) {
            None => observed
                .parts(&item.name)
                .map_or(Standing::Absent, Standing::Begun),
            Some(Some(bytes)) if *bytes == item.bytes => {
                work.meter.file(&item.name, item.bytes, Instant::now());
                compare(work, item).await?
            }
            Some(_) => Standing::Different,
        };
        observed.files.insert(item.name.clone(), standing);
    }
    if delivery.mover() == Mover::OnHost {
        clone::accept_rewritten(work, delivery, &mut observed).await?;
    }
    Ok(observed)
}

/// Whether what has the final name is the file.
async fn compare<W>(work: &Work<W>, item: &Item) -> Result<Standing, Fault> {
    let Some(wanted) = item.sum else {
        return Ok(Standing::Different);
    };
    work.meter.phase(Phase::Comparing, Instant::now());
    let (sum, by) = work.sum(&item.name, item.bytes).await?;
    Ok(if sum == wanted {
        Standing::Whole(sum, by)
    } else {
        Standing::Different
    })
}
