//! Disks that lie on the same host in another folder, where they were left to make new ones from: a
//! file is made from a clone of its seed, and only what differs from the source is sent.
//!
//! The seed itself is only read. What the clone comes to is proven like every other file, by the sum
//! of the whole: a seed that is not what it seems costs time, and nothing else.

use std::collections::BTreeMap;

use super::deliver::{Delivery, Item};
use super::observe::Observed;
use super::patch::{Base, Clones, Deed, Whole, disk, left_behind};
use super::source::{Folder, join};
use crate::error::Fault;
use crate::vmfiles::FileKind;

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
        let data = |item: &&Item| FileKind::of(&item.name) == FileKind::Extent;
        for item in self.items.iter().filter(data) {
            let seed = match disk(item, &there, &size).await? {
                Ok(Base::Disk(name)) => Ok(Seed {
                    descriptor: join(folder, &name),
                }),
                Ok(Base::File) => Err("is no disk there".to_owned()),
                Err(why) => Err(why),
            };
            seeds.insert(item.name.clone(), seed);
        }
        Ok(seeds)
    }
}

/// What is to be done before a file's data is sent: what a crash left is taken away, and its seed
/// cloned, unless the file has begun to arrive.
pub(super) fn deeds(delivery: &Delivery, item: &Item, found: &Observed) -> Vec<Deed> {
    let Some(seed) = delivery.seeds.get(&item.name) else {
        return Vec::new();
    };
    let to = &delivery.to;
    let Clones {
        descriptor: Some(descriptor),
        data: Some(data),
        ..
    } = Clones::of(&to.run, &item.name)
    else {
        return Vec::new();
    };
    let mut deeds = left_behind([Some(&data), Some(&descriptor)], found);
    if found.begun(&item.name).is_none() {
        deeds.extend([
            Deed::CloneSeed(seed.descriptor.clone(), descriptor.clone()),
            Deed::Rename(data, to.part_name(&item.name)),
            Deed::Remove(descriptor),
        ]);
    }
    deeds
}
