//! What a delivery is going to write, before it does: the operator's card and the plan show it.

use super::clone;
use super::deliver::{Delivery, Item, Landing, Mover, mode};
use super::observe::{Observed, Standing};
use super::patch;
use super::staging;

impl Delivery {
    /// Every write that is still to be done, in order, as it will be announced. A dropped link adds
    /// further sessions of data.
    #[must_use]
    pub fn preview(&self, found: &Observed) -> Vec<String> {
        let mut lines = Vec::new();
        if !found.folder {
            lines.push(self.make_folder().line());
        }
        let (first, last) = self.around_disks();
        lines.extend(self.preview_files(&first, found));
        for disk in self.made_disks() {
            lines.extend(staging::preview(self, disk, found));
        }
        lines.extend(self.preview_files(&last, found));
        lines.extend(staging::preview_tidying(self, found));
        lines
    }

    fn preview_files(&self, ordered: &[&Item], found: &Observed) -> Vec<String> {
        let to = &self.to;
        let open = |item: &&&Item| !matches!(found.standing(&item.name), Standing::Whole(..));
        let mut lines = Vec::new();
        let on_host = self.mover() == Mover::OnHost;
        let small = self.preview_small(ordered, found);
        let mut names = Vec::new();
        for item in ordered.iter().filter(open) {
            let part = to.part_name(&item.name);
            lines.extend(patch::preview(self, item, found));
            if let Some(line) = small.get(&item.name) {
                lines.push(line.clone());
                if self.landing == Landing::Fresh {
                    continue;
                }
            } else if on_host {
                lines.extend(clone::preview(self, item));
                continue;
            } else {
                lines.push(to.prepare(&part, item.bytes, mode(&item.name)).line());
                if item.bytes > 0 {
                    lines.push(to.announce(&part, item.bytes));
                }
            }
            let name = to.rename(&part, &item.name).line();
            if self.landing == Landing::Fresh {
                lines.push(name)
            } else {
                names.push(name)
            }
        }
        for item in ordered.iter().rev().filter(open) {
            if patch::makes_room(self, &item.name, found) {
                let aside = to.asides(&item.name).free(|name| found.is_own(name));
                lines.push(to.rename(&item.name, &aside).line());
            }
        }
        lines.extend(names);
        lines
    }
}
