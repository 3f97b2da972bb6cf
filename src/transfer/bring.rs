//! Bringing a set of files to a host: all of them proven, the `.vmx` last, or none registered.

use std::sync::Arc;
use std::time::Instant;

use super::bulk::Bulk;
use super::clone;
use super::convert;
use super::deliver::{Against, Delivery, Item, Landed, Landing, Mover, mode};
use super::observe::{Observed, Standing, observe};
use super::patch;
use super::progress::{Phase, Tell};
use super::reading::Wanted;
use super::small::{Put, Texts};
use super::sums::{Sum, is_plain_name};
use super::target::{SummedBy, Work};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Renamed};

impl Delivery {
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
}
