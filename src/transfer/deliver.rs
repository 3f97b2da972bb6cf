//! Bringing a set of files to a host: all of them proven, the `.vmx` last, or none registered.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::bulk::Bulk;
use super::clone;
use super::convert;
use super::observe::{Observed, Standing, observe};
use super::patch;
use super::point::Point;
use super::progress::{Meter, Phase, Tell};
use super::reading::Wanted;
use super::seed::Seeds;
use super::small::{Put, Texts};
use super::source::Folder;
use super::staging;
use super::sums::{Sum, is_plain_name};
use super::survey::Survey;
use super::target::{Patience, SummedBy, Target, Work};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::{HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Folders, Renamed};
use crate::vmfiles::FileKind;

/// A file to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name at the target.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its path below the folder that the delivery comes from; for a file of an earlier point of a
    /// chain, that point's folder and its name. Absolute, on the same host, for one that lies
    /// elsewhere.
    pub at: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it must come to; `None` until it is taken from the source, which must hold still.
    pub sum: Option<Sum>,
    /// Whether that sum was recorded with the restore point.
    pub recorded: bool,
    /// What is written in its place: a text that names disks as they are called at the target.
    pub text: Option<Vec<u8>>,
}

impl Item {
    /// The files of a restore point, from the folder of the VM's backup; logs by choice.
    #[must_use]
    pub fn of(point: &Point, logs: bool) -> Vec<Self> {
        let item = |file: &super::point::PointFile| {
            let text = file.text.clone();
            Self {
                name: file.name.clone(),
                kind: file.kind,
                at: file.at.clone(),
                bytes: text.as_ref().map_or(file.bytes, |text| text.len() as u64),
                sum: text.as_ref().map_or(file.sum, |text| Some(Sum::of(text))),
                recorded: text.is_none() && file.sum.is_some(),
                text,
            }
        };
        let logs = point.logs.iter().filter(|_| logs);
        point.files.iter().chain(logs).map(item).collect()
    }
}

/// What becomes of files that lie under the final names already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// There must be none, nor any other file: a restore.
    Fresh,
    /// They are renamed aside, once everything is proven. A disk is made from a clone of the one
    /// that is there, and only what differs is sent; one that cannot be cloned comes whole.
    Patch,
    /// As [`Landing::Patch`], but what is there is written to instead of a clone of it, and lost.
    InPlace,
}

/// What is to be brought where.
#[derive(Clone)]
pub struct Delivery {
    /// The folder that the files come from, each by its path below it.
    pub from: Folder,
    /// The files.
    pub items: Vec<Item>,
    /// Where to.
    pub to: Target,
    /// What becomes of files that are there.
    pub landing: Landing,
    /// Disks beside the target from which files are made that come as they are.
    pub seeds: Seeds,
    /// How long a dropped link is waited for.
    pub patience: Patience,
    /// What its texts say; `None` until they are read ([`Delivery::surveyed`]).
    pub survey: Option<Survey>,
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
    /// Printed by a backup tool, through the console.
    Printed,
}

impl Mover {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromHere => "sent from this machine",
            Self::Relayed => "relayed through this machine",
            Self::OnHost => "cloned on the host",
            Self::Printed => "printed by the backup's tool, through this machine",
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
    /// The source's own, taken while it was read: reported as `source unverified`.
    Source,
    /// That of the text as it was shown: it names disks as they are called at the target.
    Shown,
    /// Nothing: the host wrote this small file itself when it made the disk.
    Rewritten,
    /// Nothing: the host made this disk out of files whose sums were proven before. Exit status,
    /// chain, capacity and the new descriptor were checked; the data cannot be compared.
    Converted,
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
fn rank(kind: FileKind) -> u8 {
    match kind {
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
            Folder::On { host, .. }
                if host.name() == self.to.host.name() && self.landing == Landing::Fresh =>
            {
                Mover::OnHost
            }
            Folder::On { .. } => Mover::Relayed,
            Folder::Stream(_) => Mover::Printed,
        }
    }

    /// Whether disks are made from those that are there.
    pub(super) fn patches(&self) -> bool {
        matches!(self.landing, Landing::Patch | Landing::InPlace)
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
        items.sort_by_key(|item| (rank(item.kind), item.name.as_str()));
        items
    }

    /// Items that come as they are, in order.
    pub(super) fn as_they_are(&self) -> Vec<&Item> {
        let mut items = self.ordered();
        items.retain(|item| !self.is_source(&item.name));
        items
    }

    /// The same, parted by whether they come before or after the disks that the host makes.
    pub(super) fn around_disks(&self) -> (Vec<&Item>, Vec<&Item>) {
        let items = self.as_they_are();
        if self.made_disks().is_empty() {
            return (items, Vec::new());
        }
        let is_last = |item: &&Item| item.kind == FileKind::Vmx;
        let (last, first) = items.into_iter().partition(is_last);
        (first, last)
    }

    /// Final names of the disks that the host makes.
    pub(super) fn results(&self) -> Vec<String> {
        let disks = self.made_disks().iter();
        disks
            .flat_map(|disk| [disk.descriptor.clone(), disk.flat()])
            .collect()
    }

    /// The VM's folder alone: where the datastore is missing, nothing must be made in its place.
    pub(super) fn make_folder(&self) -> HostCommand {
        shell::make_folder(&self.to.folder, Folders::Last)
    }

    /// What is at the target. Files under their final names are summed there, which takes as long
    /// as reading them does; files without a sum count as different.
    ///
    /// # Errors
    /// The target cannot be looked at.
    pub async fn observe(&self) -> Result<Observed, Fault> {
        if self.survey.is_some() {
            return observe(&self.looking(), self).await;
        }
        let surveyed = self.clone().surveyed(None).await?;
        observe(&surveyed.looking(), &surveyed).await
    }

    pub(super) fn looking(&self) -> Work<()> {
        self.work(&Arc::new(()), Arc::new(|_| {}))
    }

    fn work<W>(&self, writes: &Arc<W>, tell: Tell) -> Work<W> {
        Work {
            to: self.to.clone(),
            writes: writes.clone(),
            patience: self.patience,
            meter: Arc::new(Meter::new(
                self.bytes().saturating_add(staging::extra_bytes(self)),
                tell,
            )),
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
            let what = format!("{:?} cannot be the name of a file", item.name);
            return Err(self.blocked(what).into());
        }
        let mut delivery = self.clone();
        if delivery.survey.is_none() {
            delivery = delivery.surveyed(None).await?;
        }
        let work = delivery.work(writes, tell);
        let mut found = observe(&work, &delivery).await?;
        if !found.unsummed.is_empty() {
            delivery.sum_source(&work, &found.unsummed).await?;
            found = observe(&work, &delivery).await?;
        }
        delivery.check_room(&found)?;
        delivery.make_folder_if_missing(&work, &found).await?;
        let (first, last) = delivery.around_disks();
        let texts = delivery.read_small(&delivery.as_they_are(), &found).await;
        let ends = (&found, &texts);
        let mut landed = delivery.bring_and_tell(&work, &first, ends).await?;
        for disk in delivery.made_disks() {
            let made = Box::pin(convert::make(&delivery, &work, disk, &found)).await?;
            landed.extend(work.told(made).await?);
        }
        landed.extend(delivery.bring_and_tell(&work, &last, ends).await?);
        convert::tidy(&delivery, &work, &found).await?;
        Ok(landed)
    }

    pub(super) async fn make_folder_if_missing<W: Writes>(
        &self,
        work: &Work<W>,
        found: &Observed,
    ) -> Result<(), TransferError> {
        if !found.folder {
            let output = work.send(&self.make_folder()).await?;
            shell::check_quiet(&output)
                .map_err(|fault| self.failed("making the folder", &fault))?;
        }
        Ok(())
    }

    /// As [`Delivery::bring_files`], and tells of each file as soon as it has its final name: what
    /// fails later must not make it a stranger's.
    async fn bring_and_tell<W: Writes>(
        &self,
        work: &Work<W>,
        items: &[&Item],
        ends: (&Observed, &Texts),
    ) -> Result<Vec<Landed>, TransferError> {
        let at_once = match self.landing {
            Landing::Fresh => 1,
            Landing::Patch | Landing::InPlace => items.len().max(1),
        };
        let mut landed = Vec::with_capacity(items.len());
        for items in items.chunks(at_once) {
            let brought = Box::pin(self.bring_files(work, items, ends)).await?;
            landed.extend(work.told(brought).await?);
        }
        Ok(landed)
    }

    /// Brings files that come as they are, in this order.
    pub(super) async fn bring_files<W: Writes>(
        &self,
        work: &Work<W>,
        items: &[&Item],
        (found, texts): (&Observed, &Texts),
    ) -> Result<Vec<Landed>, TransferError> {
        let mut landed = Vec::new();
        let mut proven = Vec::new();
        for item in items {
            work.meter.file(&item.name, item.bytes, Instant::now());
            if let Standing::Whole(sum, by) = found.standing(&item.name) {
                work.meter.settle(item.bytes, 0, Instant::now());
                landed.push(self.landed(item, sum, by, found));
                continue;
            }
            if let Some(bytes) = texts.of(item) {
                match Box::pin(self.put(work, item, bytes, found)).await? {
                    Put::Named(file) => landed.push(file),
                    Put::Proven(file) => proven.push(file),
                }
                continue;
            }
            if self.mover() == Mover::OnHost {
                landed.push(clone::bring(self, work, item, found).await?);
                continue;
            }
            let (sum, by) = self.send_one(work, item, found).await?;
            proven.push(self.landed(item, sum, by, found));
            if self.landing == Landing::Fresh {
                landed.extend(self.name_all(work, &mut proven, found).await?);
            }
        }
        landed.extend(self.name_all(work, &mut proven, found).await?);
        Ok(landed)
    }

    /// What is reported of a file that is proven; an original may have made room for it in an
    /// earlier try.
    pub(super) fn landed(
        &self,
        item: &Item,
        sum: Sum,
        summed_by: SummedBy,
        found: &Observed,
    ) -> Landed {
        Landed {
            name: item.name.clone(),
            bytes: item.bytes,
            sum,
            against: match &item.text {
                Some(_) => Against::Shown,
                None if item.recorded => Against::Recorded,
                None => Against::Source,
            },
            summed_by,
            was_there: matches!(found.standing(&item.name), Standing::Whole(..)),
            original: self.to.asides(&item.name).last(|name| found.is_own(name)),
        }
    }

    async fn send_one<W: Writes>(
        &self,
        work: &Work<W>,
        item: &Item,
        found: &Observed,
    ) -> Result<(Sum, SummedBy), TransferError> {
        let part = self.to.part_name(&item.name);
        let made = patch::make(self, work, item, found).await?;
        let begun = made || found.begun(&item.name).is_some_and(|bytes| bytes > 0);
        let prepare = self.to.prepare(&part, item.bytes, mode(&item.name));
        let output = work.send(&prepare).await?;
        self.prepared(&output, item)?;
        let source = self.from.join(&item.at);
        let bulk = Bulk {
            work,
            wanted: Wanted::of(work, &source, item).await?,
            source,
            item,
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

    /// Gives proven files their final names. Originals make room first, the `.vmx` before all
    /// others, so that at no time a VM can be started from old and new files mixed.
    async fn name_all<W: Writes>(
        &self,
        work: &Work<W>,
        proven: &mut Vec<Landed>,
        found: &Observed,
    ) -> Result<Vec<Landed>, TransferError> {
        for file in proven.iter_mut().rev() {
            if patch::makes_room(self, &file.name, found) {
                let aside = self.to.asides(&file.name);
                let aside = aside.free(|name| found.is_own(name));
                self.rename(work, &file.name, &aside).await?;
                file.original = Some(aside);
            }
        }
        for file in proven.iter() {
            self.rename(work, &self.to.part_name(&file.name), &file.name)
                .await?;
        }
        Ok(std::mem::take(proven))
    }

    pub(super) async fn rename<W: Writes>(
        &self,
        work: &Work<W>,
        from: &str,
        to: &str,
    ) -> Result<(), TransferError> {
        let output = work.send(&self.to.rename(from, to)).await?;
        let doing = format!("renaming {from} to {to}");
        match Renamed::parse(&output).map_err(|fault| self.failed(&doing, &fault))? {
            Renamed::Done => Ok(()),
            Renamed::Taken => Err(self.blocked(format!("{doing}: the name is taken")).into()),
            Renamed::Absent => Err(self.blocked(format!("{doing}: {from} is gone")).into()),
        }
    }

    /// Takes the sums of these files from the source, where nobody recorded them.
    async fn sum_source<W>(&mut self, work: &Work<W>, names: &[String]) -> Result<(), Fault> {
        let mut items = self.items.clone();
        let open = |item: &&mut Item| item.sum.is_none() && names.contains(&item.name);
        for item in items.iter_mut().filter(open) {
            work.meter.file(&item.name, item.bytes, Instant::now());
            work.meter.phase(Phase::Reading, Instant::now());
            item.sum = Some(self.source_sum(work, item).await?);
        }
        self.items = items;
        Ok(())
    }

    pub(super) async fn source_sum<W>(&self, work: &Work<W>, item: &Item) -> Result<Sum, Fault> {
        work.source_sum(&self.from.join(&item.at), item.bytes).await
    }

    pub(super) fn check_room(&self, observed: &Observed) -> Result<(), Fault> {
        if self.landing != Landing::Fresh {
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

    /// A file that is not what was recorded, or a copy that is not what it was copied from.
    pub(super) fn corrupt(&self, name: &str, sum: Sum, wanted: Option<Sum>) -> Fault {
        let recorded = wanted.map_or_else(
            || "that of the files it is made of".to_owned(),
            |sum| sum.to_string(),
        );
        Fault::new(
            format!("{name} is corrupt: its sum is {sum}, recorded is {recorded}"),
            self.from.place(),
            "it did not get its final name; nothing was registered",
            "choose another restore point, or mend this one, then retry",
        )
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
