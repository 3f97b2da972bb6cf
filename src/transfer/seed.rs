//! Disks that lie on the same host in another folder, where they were left to make new ones from, or
//! are those of the VM at another place: a file is made from a clone of its seed, and only what differs from the source is sent.
//!
//! The seed itself is only read. What the clone comes to is proven like every other file, by the sum
//! of the whole: a seed that is not what it seems costs time, and nothing else.

use std::collections::BTreeMap;

use super::deliver::{Delivery, Item};
use super::observe::Observed;
use super::patch::{Base, Clones, Deed, Whole, descriptor_of, disk, left_behind};
use super::source::{Folder, join};
use super::survey::stem;
use crate::error::Fault;
use crate::vmfiles::{Descriptor, FileKind};

/// Disks to make files from, by the files' names.
pub type Seeds = BTreeMap<String, Seed>;

/// A disk to make a file from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The path of its descriptor on the target's host.
    pub descriptor: String,
}

impl Delivery {
    /// Which of its files can be made from disks in a folder of the target's host, where `sizes` are
    /// the files there; of the others that hold a disk's data, why not.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn seeds_in(
        &self,
        folder: &str,
        sizes: &BTreeMap<String, u64>,
    ) -> Result<BTreeMap<String, Result<Seed, Whole>>, Fault> {
        let there = Folder::On {
            host: self.to.host.clone(),
            path: folder.to_owned(),
            lane: self.to.lane,
        };
        let size = |name: &str| sizes.get(name).copied();
        let mut seeds = BTreeMap::new();
        let data = |item: &&Item| match item.kind {
            FileKind::Extent => true,
            // A disk may hold its own data.
            FileKind::Descriptor => item.bytes > Descriptor::PREFIX as u64,
            _ => false,
        };
        for item in self.items.iter().filter(data) {
            let seed = match descriptor_of(&item.name) {
                None => Err("is not made from: only a flat disk is cloned".to_owned()),
                Some(_) => match disk(&item.name, item.bytes, &there, &size).await? {
                    Ok(Base::Disk(name)) => Ok(Seed {
                        descriptor: join(folder, &name),
                    }),
                    Ok(Base::File) => Err("is no disk there".to_owned()),
                    Err(why) => Err(why),
                },
            };
            seeds.insert(item.name.clone(), seed);
        }
        Ok(seeds)
    }

    /// Whether a file of so many bytes can be made from the disk with this descriptor, a path on the
    /// target's host, where `sizes` are the files beside it; else why not.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub async fn seed_of(
        &self,
        bytes: u64,
        descriptor: &str,
        sizes: &BTreeMap<String, u64>,
    ) -> Result<Result<Seed, Whole>, Fault> {
        let (folder, name) = descriptor.rsplit_once('/').unwrap_or(("", descriptor));
        let there = Folder::On {
            host: self.to.host.clone(),
            path: folder.to_owned(),
            lane: self.to.lane,
        };
        let data = format!("{}-flat.vmdk", stem(name));
        let size = |name: &str| sizes.get(name).copied();
        let found = disk(&data, bytes, &there, &size).await?;
        Ok(found.map(|_| Seed {
            descriptor: descriptor.to_owned(),
        }))
    }
}

/// What is to be done before a file's data is sent: what a crash left is taken away, and its seed
/// cloned, unless the file has begun to arrive.
pub(super) fn deeds(delivery: &Delivery, item: &Item, found: &Observed) -> Vec<Deed> {
    if !delivery.seeds.contains_key(&item.name) {
        return Vec::new();
    }
    let Clones {
        descriptor, data, ..
    } = Clones::of(&delivery.to.run, &item.name);
    let mut deeds = left_behind([data.as_ref(), descriptor.as_ref()], found);
    deeds.extend(clone(delivery, item, found));
    deeds
}

/// Cloning a file's seed, unless the file has begun to arrive, or is there.
pub(super) fn clone(delivery: &Delivery, item: &Item, found: &Observed) -> Vec<Deed> {
    let to = &delivery.to;
    let names = Clones::of(&to.run, &item.name);
    let begun = found.begun(&item.name).is_some();
    match (delivery.seeds.get(&item.name), names.descriptor, names.data) {
        (Some(seed), Some(descriptor), Some(data)) if !begun => vec![
            Deed::CloneSeed(seed.descriptor.clone(), descriptor.clone()),
            Deed::Rename(data, to.part_name(&item.name)),
            Deed::Remove(descriptor),
        ],
        _ => Vec::new(),
    }
}
