//! Where a disk is made, under which names, and which writes that takes.

use super::deliver::{Delivery, Item};
use super::observe::{Observed, Standing};
use super::source::join;
use super::survey::{Made, Survey};
use super::target::Target;
use crate::host::HostCommand;
use crate::hypervisor::esxi::commands::{clone_disk, rename_disk};
use crate::hypervisor::shell;

/// Where one disk is made, and under which names until it is proven.
pub(super) struct Place<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) disk: &'a Made,
}

impl<'a> Place<'a> {
    pub(super) fn new(delivery: &'a Delivery, disk: &'a Made) -> Self {
        Self { delivery, disk }
    }

    /// `vmkfstools` derives the data's name from the descriptor's, so the temporary name keeps its
    /// end.
    pub(super) fn part(&self) -> String {
        self.part_named(".vmdk")
    }

    pub(super) fn part_flat(&self) -> String {
        self.part_named("-flat.vmdk")
    }

    pub(super) fn part_named(&self, end: &str) -> String {
        let mark = self.delivery.to.run.mark();
        format!("{}{mark}part{end}", self.disk.stem())
    }

    /// The folder of what it is made of.
    pub(super) fn own_folder(&self) -> String {
        format!("{}{}source", self.disk.stem(), self.delivery.to.run.mark())
    }

    /// Whether there is such a folder at all.
    pub(super) fn has_own_folder(&self) -> bool {
        self.disk.staged || self.disk.pieces.is_none()
    }

    pub(super) fn target(&self) -> Target {
        let to = &self.delivery.to;
        Target {
            folder: to.path(&self.own_folder()),
            ..to.clone()
        }
    }

    pub(super) fn sources(&self) -> Vec<Item> {
        let of = |name: &String| self.delivery.items.iter().find(|item| item.name == *name);
        self.disk.sources.iter().filter_map(of).cloned().collect()
    }

    /// Bringing what it is made of; nothing, where that lies on the host already.
    pub(super) fn staging(&self) -> Delivery {
        Delivery {
            items: if self.disk.staged {
                self.sources()
            } else {
                Vec::new()
            },
            to: self.target(),
            survey: Some(Survey::default()),
            ..self.delivery.clone()
        }
    }

    /// The descriptor that is given to `vmkfstools`.
    pub(super) fn origin(&self) -> String {
        let descriptor = &self.disk.descriptor;
        if self.disk.staged {
            return self.target().path(descriptor);
        }
        let known = self.delivery.items.iter();
        let item = known.clone().find(|item| item.name == *descriptor);
        let at = item.map_or(descriptor, |item| &item.at);
        join(self.delivery.from.host_path().unwrap_or_default(), at)
    }

    pub(super) fn clone_command(&self) -> HostCommand {
        let part = self.delivery.to.path(&self.part());
        clone_disk(&self.origin(), &part, self.disk.format)
    }

    pub(super) fn rename_command(&self) -> HostCommand {
        let to = &self.delivery.to;
        rename_disk(&to.path(&self.part()), &to.path(&self.disk.descriptor))
    }

    /// What the meter calls it: the file that comes to be, which a source of the same name must not
    /// be mixed up with.
    pub(super) fn shown(&self) -> String {
        if self.disk.staged {
            format!("{} as {}", self.disk.descriptor, self.disk.format)
        } else {
            self.disk.flat()
        }
    }
}

/// Bytes that making the disks adds to what is brought.
pub(super) fn extra_bytes(delivery: &Delivery) -> u64 {
    let made = delivery.made_disks().iter();
    made.filter(|disk| disk.staged || disk.pieces.is_none())
        .fold(0, |sum, disk| sum.saturating_add(disk.capacity))
}

/// The writes that are still to be done for one disk.
pub(super) fn preview(delivery: &Delivery, disk: &Made, found: &Observed) -> Vec<String> {
    let place = Place::new(delivery, disk);
    let (to, target) = (&delivery.to, place.target());
    let staged = found.staged.get(&disk.descriptor);
    let remove = |name: &String| shell::remove_file(&target.path(name)).line();
    if matches!(found.standing(&disk.descriptor), Standing::Whole(..)) {
        let left = staged.iter().flat_map(|staged| staged.there());
        return left.map(remove).collect();
    }
    let mut lines = Vec::new();
    if place.has_own_folder() {
        let none = Observed::default();
        lines.extend(place.staging().preview(staged.unwrap_or(&none)));
    }
    for left in [place.part(), place.part_flat()] {
        if found.own.contains(&left) {
            lines.push(shell::remove_file(&to.path(&left)).line());
        }
    }
    lines.push(place.clone_command().line());
    lines.push(place.rename_command().line());
    if disk.staged {
        lines.extend(disk.sources.iter().map(remove));
    }
    lines
}

/// The last writes of all: the folders that were needed only meanwhile.
pub(super) fn preview_tidying(delivery: &Delivery, found: &Observed) -> Vec<String> {
    let disks = delivery.made_disks().iter();
    disks
        .filter(|disk| is_to_tidy(delivery, disk, found))
        .map(|disk| remove_folder(&Place::new(delivery, disk)).line())
        .collect()
}

pub(super) fn is_to_tidy(delivery: &Delivery, disk: &Made, found: &Observed) -> bool {
    let done = matches!(found.standing(&disk.descriptor), Standing::Whole(..));
    let place = Place::new(delivery, disk);
    place.has_own_folder() && (!done || found.staged.contains_key(&disk.descriptor))
}

pub(super) fn remove_folder(place: &Place<'_>) -> HostCommand {
    shell::remove_empty_folder(&place.target().folder)
}
