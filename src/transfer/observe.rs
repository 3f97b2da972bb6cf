//! What the target already has: the only record of progress that is believed.

use std::collections::BTreeMap;
use std::time::Instant;

use super::clone;
use super::deliver::{Delivery, Item, Mover};
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

    /// Size of a file's temporary one, if it is there.
    pub(super) fn begun(&self, name: &str) -> Option<u64> {
        self.begun.get(name).copied()
    }

    /// How things stand with a file.
    #[must_use]
    pub fn standing(&self, name: &str) -> Standing {
        self.files.get(name).copied().unwrap_or(Standing::Absent)
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
    let mut observed = Observed::default();
    let Some(entries) = work.list().await? else {
        for item in &delivery.items {
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
        let wanted = delivery.items.iter().any(|item| item.name == name);
        if work.to.is_own(&name) {
            observed.own.push(name.clone());
        } else if !wanted {
            observed.foreign.push(entry.display());
        }
        let stat = entry.stat.filter(|stat| stat.kind == shell::FileKind::File);
        there.insert(name, stat.map(|stat| stat.size));
    }
    for item in &delivery.items {
        if let Some(Some(bytes)) = there.get(&work.to.part_name(&item.name)) {
            observed.begun.insert(item.name.clone(), *bytes);
        }
        let standing = match there.get(&item.name) {
            None => observed
                .begun(&item.name)
                .map_or(Standing::Absent, Standing::Begun),
            Some(Some(bytes)) if *bytes == item.bytes => {
                work.meter.file(&item.name, item.bytes, Instant::now());
                compare(work, item).await?
            }
            Some(_) => Standing::Different,
        };
        observed.files.insert(item.name.clone(), standing);
    }
    if delivery.patches() {
        observed.bases = patch::bases(work, delivery, &observed).await?;
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
