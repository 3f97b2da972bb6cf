//! Disks that a VM has at the target already, outside the folder that its files come to: each is what
//! the disk of the same slot is made from, so that only what differs travels. They are only read, and
//! stay where they are.

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell;
use crate::transfer::{Delivery, Seeds};
use crate::vmfiles::{DeviceKind, path_on_host};

use super::arrivals::Arrivals;
use super::configuration;
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
    /// Looks at the disks that the .vmx at the target names. `slots` are the descriptors that come, by
    /// the slots that they are in.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(
        ctx: &Ctx,
        to: &VmAt,
        delivery: &Delivery,
        slots: &BTreeMap<String, String>,
        arrivals: &Arrivals,
    ) -> Result<Self, Fault> {
        let mut elsewhere = Self::default();
        if slots.is_empty() {
            return Ok(elsewhere);
        }
        let to = configuration::name_vmx(ctx, to.clone()).await?;
        let configuration = configuration::read(ctx, &to).await?;
        let Some(content) = configuration.content() else {
            return Ok(elsewhere);
        };
        let is_there = |name: &str| arrivals.entries.iter().any(|(its, _)| its == name);
        for disk in content.vmx.disks() {
            let is_away = disk.kind == DeviceKind::HardDisk && disk.file.contains('/');
            let comes = slots.get(&disk.device).filter(|_| disk.present && is_away);
            let data =
                comes.and_then(|name| Some(format!("{}-flat.vmdk", name.strip_suffix(".vmdk")?)));
            let item = delivery
                .items
                .iter()
                .find(|item| data.as_ref() == Some(&item.name));
            if let Some(item) = item.filter(|item| !is_there(&item.name)) {
                let descriptor = path_on_host(&disk.file, &to.folder_path());
                elsewhere
                    .take(ctx, &to, delivery, (&item.name, item.bytes), &descriptor)
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
        if configuration::find(ctx, to, folder).await?.stat().is_none() {
            return Ok(());
        }
        let (command, doing) = (shell::list(folder), format!("listing {folder}"));
        let entries = ctx
            .read(&to.host, Lane::Control, &command, shell::entries, &doing)
            .await?;
        let files = entries.iter().filter_map(|entry| {
            let stat = entry
                .stat
                .filter(|stat| stat.kind == shell::FileKind::File)?;
            Some((entry.text()?.to_owned(), stat))
        });
        let files: BTreeMap<String, shell::FileStat> = files.collect();
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
