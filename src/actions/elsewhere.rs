//! Disks that a VM has at the target already, outside the folder that its files come to: each is what
//! the disk of the same slot is made from, so that only what differs travels. They are only read, and
//! stay where they are.

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::hypervisor::shell::{FileKind, FileStat};
use crate::transfer::{Delivery, Seeds};
use crate::vmfiles::path_on_host;

use super::arrivals::Arrivals;
use super::configuration::{self, Content};
use super::context::Ctx;
use super::place::VmAt;

/// What is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Elsewhere {
    /// Which files are made from one.
    pub seeds: Seeds,
    /// Bytes that a clone for each takes.
    pub takes: BTreeMap<String, u64>,
}

impl Elsewhere {
    /// Looks at the disks that the .vmx at the target names, where there is one. `slots` are the
    /// descriptors that come, by the slots that they are in.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(
        ctx: &Ctx,
        to: &VmAt,
        delivery: &Delivery,
        (there, slots): (Option<&Content>, &BTreeMap<String, String>),
        arrivals: &Arrivals,
    ) -> Result<Self, Fault> {
        let mut elsewhere = Self::default();
        let is_there = |name: &str| arrivals.entries.iter().any(|(its, _)| its == name);
        let disks = there.into_iter().flat_map(|there| there.vmx.hard_disks());
        for disk in disks.filter(|disk| disk.file.contains('/')) {
            let comes = slots.get(&disk.device);
            let data =
                comes.and_then(|name| Some(format!("{}-flat.vmdk", name.strip_suffix(".vmdk")?)));
            let item = delivery
                .items
                .iter()
                .find(|item| data.as_ref() == Some(&item.name));
            if let Some(item) = item.filter(|item| !is_there(&item.name)) {
                let descriptor = path_on_host(&disk.file, &to.folder_path());
                elsewhere
                    .take(ctx, to, delivery, (&item.name, item.bytes), &descriptor)
                    .await?;
            }
        }
        Ok(elsewhere)
    }

    async fn take(
        &mut self,
        ctx: &Ctx,
        to: &VmAt,
        delivery: &Delivery,
        (name, bytes): (&str, u64),
        descriptor: &str,
    ) -> Result<(), Fault> {
        let folder = descriptor.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(entries) = configuration::listed_at(ctx, to, folder).await? else {
            return Ok(());
        };
        let is_file = |stat: &FileStat| stat.kind == FileKind::File;
        let files = entries.into_iter();
        let files: BTreeMap<String, FileStat> = files
            .filter_map(|(name, stat)| Some((name, stat.filter(is_file)?)))
            .collect();
        let sizes = files
            .iter()
            .map(|(name, stat)| (name.clone(), stat.size))
            .collect();
        if let Ok(seed) = delivery.seed_of(bytes, descriptor, &sizes).await? {
            let data = format!("{}-flat.vmdk", descriptor.trim_end_matches(".vmdk"));
            let data = data.rsplit('/').next().and_then(|data| files.get(data));
            self.takes
                .insert(name.to_owned(), data.map_or(bytes, |stat| stat.allocated));
            self.seeds.insert(name.to_owned(), seed);
        }
        Ok(())
    }
}
