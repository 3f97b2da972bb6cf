//! What the target already has: the only record of progress that is believed.

use std::collections::BTreeMap;
use std::time::Instant;

use super::convert;
use super::deliver::{Delivery, Item};
use super::patch::{self, Base, Whole};
use super::progress::Phase;
use super::sums::Sum;
use super::target::{SummedBy, Work};
use crate::error::Fault;
use crate::hypervisor::shell;

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
    /// From what a file can be made whose name is taken, or why it comes whole.
    pub bases: BTreeMap<String, Result<Base, Whole>>,
    /// Temporary files of this run, whatever became of them.
    pub(super) own: Vec<String>,
    /// What lies in the folders of what disks are made of, by the disk's descriptor.
    pub(super) staged: BTreeMap<String, Observed>,
    /// Files that may be there: their names are taken, and nobody knows what they must come to.
    pub(super) unsummed: Vec<String>,
    /// Sizes in bytes of the temporary files, by final name.
    begun: BTreeMap<String, u64>,
}

impl Observed {
    /// Whether there is such a temporary file of this run.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|own| own == name)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.folder
            && self.staged.is_empty()
            && self
                .files
                .values()
                .all(|found| matches!(found, Standing::Whole(..)))
    }

    /// Size of a file's temporary one, if it is there.
    pub(super) fn begun(&self, name: &str) -> Option<u64> {
        self.begun.get(name).copied()
    }

    /// How things stand with a file.
    #[must_use]
    pub fn standing(&self, name: &str) -> Standing {
        self.files.get(name).copied().unwrap_or(Standing::Absent)
    }

    /// Files of the delivery that lie there, under their final or their temporary name.
    pub(super) fn there(&self) -> impl Iterator<Item = &String> {
        let proven = self
            .files
            .iter()
            .filter(|(_, found)| matches!(found, Standing::Whole(..) | Standing::Different))
            .map(|(name, _)| name);
        proven.chain(&self.own)
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

/// Looks at the target. What has a final name is summed there.
pub(super) async fn observe<W>(work: &Work<W>, delivery: &Delivery) -> Result<Observed, Fault> {
    let (mut observed, there) = look(work, delivery).await?;
    if observed.folder {
        for disk in delivery.made_disks() {
            Box::pin(convert::look(work, delivery, disk, &there, &mut observed)).await?;
        }
    }
    Ok(observed)
}

impl Delivery {
    /// Looks at a target in whose delivery no disks are made.
    pub(super) async fn observe_files<W>(&self, work: &Work<W>) -> Result<Observed, Fault> {
        Ok(look(work, self).await?.0)
    }
}

/// How things stand with the files that come as they are, and what lies in the folder, files with
/// their sizes.
async fn look<W>(
    work: &Work<W>,
    delivery: &Delivery,
) -> Result<(Observed, BTreeMap<String, Option<u64>>), Fault> {
    let mut observed = Observed::default();
    let mut there = BTreeMap::new();
    let (plain, results) = (delivery.as_they_are(), delivery.results());
    let Some(entries) = work.list().await? else {
        let names = plain.iter().map(|item| &item.name).chain(&results);
        observed.files = names.map(|name| (name.clone(), Standing::Absent)).collect();
        return Ok((observed, there));
    };
    observed.folder = true;
    for entry in &entries {
        let name = entry
            .text()
            .map(str::to_owned)
            .unwrap_or_else(|| entry.display());
        if name == "." {
            continue;
        }
        let wanted = plain.iter().any(|item| item.name == name) || results.contains(&name);
        if work.to.is_own(&name) {
            observed.own.push(name.clone());
        } else if !wanted {
            observed.foreign.push(entry.display());
        }
        let stat = entry.stat.filter(|stat| stat.kind == shell::FileKind::File);
        there.insert(name, stat.map(|stat| stat.size));
    }
    for item in plain {
        if let Some(Some(bytes)) = there.get(&work.to.part_name(&item.name)) {
            observed.begun.insert(item.name.clone(), *bytes);
        }
        let standing = match there.get(&item.name) {
            None => observed
                .begun(&item.name)
                .map_or(Standing::Absent, Standing::Begun),
            Some(Some(bytes)) if *bytes == item.bytes => {
                work.meter.file(&item.name, item.bytes, Instant::now());
                if item.sum.is_none() {
                    observed.unsummed.push(item.name.clone());
                }
                compare(work, item).await?
            }
            Some(_) => Standing::Different,
        };
        observed.files.insert(item.name.clone(), standing);
    }
    if delivery.patches() {
        observed.bases = patch::bases(work, delivery, &observed).await?;
    }
    Ok((observed, there))
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
