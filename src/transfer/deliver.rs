//! A set of files that is to be brought to a host.

use std::sync::{Arc, Mutex};

use super::observe::Observed;
use super::point::Point;
use super::progress::{Meter, Tell};
use super::seed::Seeds;
use super::source::Folder;
use super::staging;
use super::sums::Sum;
use super::survey::Survey;
use super::target::{Patience, SummedBy, Target, Work};
use super::writes::{Corrupt, TransferError};
use crate::error::Fault;
use crate::host::HostCommand;
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Folders};
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

    /// What is at the target, as [`Delivery::bring`] begins with it.
    #[cfg(test)]
    pub(super) async fn observe(&self) -> Result<Observed, Fault> {
        if self.survey.is_some() {
            return super::observe::observe(&self.looking(), self).await;
        }
        let surveyed = self.clone().surveyed(None).await?;
        super::observe::observe(&surveyed.looking(), &surveyed).await
    }

    pub(super) fn looking(&self) -> Work<()> {
        self.work(&Arc::new(()), Arc::new(|_| {}))
    }

    pub(super) fn work<W>(&self, writes: &Arc<W>, tell: Tell) -> Work<W> {
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

    /// What a file of the restore point comes to where it lies must be what was recorded.
    pub(super) fn check_recorded(&self, item: &Item, sum: Sum) -> Result<(), TransferError> {
        match item.sum {
            Some(recorded) if recorded != sum => {
                let place = self.from.join(&item.at).place();
                let state = "it did not get its final name; nothing was registered".to_owned();
                Err(Corrupt::of(&item.name, (sum, recorded), place, state))
            }
            _ => Ok(()),
        }
    }

    /// A copy that is not what it was copied from.
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
