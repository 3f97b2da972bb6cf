//! Small files: all of them are read at once, and each is written, proven and given its name by one
//! command. Over a long line the way that large files go would cost each a dozen round trips.

use std::collections::BTreeMap;
use std::time::Instant;

use super::deliver::{Delivery, Item, Landed, Landing, Mover, mode};
use super::observe::{Observed, Standing};
use super::progress::Phase;
use super::source::Folder;
use super::sums::Sum;
use super::target::{SummedBy, Work, time_for};
use super::writes::{TransferError, Writes};
use crate::error::Fault;
use crate::host::HostCommand;
use crate::hypervisor::shell::{self, Placed};
use crate::vmfiles::FileKind;

/// Files of up to so many bytes.
const SMALL: u64 = 512 << 10;
/// Bytes of them that are kept; what does not fit goes the way of large ones.
const MOST: u64 = 8 << 20;

impl Delivery {
    /// The files that are still to come, lie where they can be read at once, and are small. One of
    /// which a part arrived goes on from there.
    fn small<'a>(&'a self, items: &[&'a Item], found: &Observed) -> Vec<&'a Item> {
        if self.mover() == Mover::OnHost || matches!(self.from, Folder::Stream(_)) {
            return Vec::new();
        }
        let mut room = MOST;
        let mut fits = |item: &Item| {
            let left = room.checked_sub(item.bytes);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let is_small = |item: &&Item| {
            item.text.is_none()
                && item.bytes <= SMALL
                && item.kind != FileKind::Extent
                && !matches!(found.standing(&item.name), Standing::Whole(..))
                && found.begun(&item.name).is_none()
        };
        let items = items.iter().copied().filter(is_small);
        items.filter(|item| fits(item)).collect()
    }

    /// Reads the small files. One that cannot be read, or is not what was recorded, is left to the way
    /// of large ones, which waits for a link, and names what is wrong.
    pub(super) async fn read_small(&self, items: &[&Item], found: &Observed) -> Texts {
        let items = self.small(items, found);
        let longest = items
            .iter()
            .map(|item| item.bytes)
            .max()
            .unwrap_or_default();
        let limit = usize::try_from(longest)
            .unwrap_or_default()
            .saturating_add(1);
        let at: Vec<&str> = items.iter().map(|item| item.at.as_str()).collect();
        let read = self.from.heads(&at, limit).await.unwrap_or_default();
        let read = items.into_iter().zip(read).filter(|(item, bytes)| {
            bytes.len() as u64 == item.bytes && item.sum.is_none_or(|sum| Sum::of(bytes) == sum)
        });
        Texts(
            read.map(|(item, bytes)| (item.name.clone(), bytes))
                .collect(),
        )
    }

    /// The commands for such of these files as go this way, before they are sent; nothing for the
    /// others.
    pub(super) fn preview_small(
        &self,
        items: &[&Item],
        found: &Observed,
    ) -> BTreeMap<String, String> {
        let small = self.small(items, found);
        let texts = items.iter().copied().filter(|item| item.text.is_some());
        let line = |item: &Item| {
            let sum = item
                .sum
                .map_or_else(|| format!("‹sum of {}›", item.name), |sum| sum.to_string());
            (item.name.clone(), self.command(item, &[], &sum).line())
        };
        small.into_iter().chain(texts).map(line).collect()
    }

    /// Where a file gets its name at once, one command does it all.
    pub(super) fn command(&self, item: &Item, bytes: &[u8], sum: &str) -> HostCommand {
        let (to, mode) = (&self.to, mode(&item.name));
        let part = to.path(&to.part_name(&item.name));
        let command = match self.landing {
            Landing::Fresh => shell::place_file(&part, bytes, mode, sum, &to.path(&item.name)),
            Landing::Patch | Landing::InPlace => shell::put_file(&part, bytes, mode),
        };
        // All of it travels within the command, over a line that others may share.
        command.deadline(time_for(item.bytes))
    }

    /// Writes a file to its temporary name and proves it; in an empty folder it then gets its own.
    pub(super) async fn put<W: Writes>(
        &self,
        work: &Work<W>,
        item: &Item,
        bytes: &[u8],
        found: &Observed,
    ) -> Result<Put, TransferError> {
        work.meter.phase(Phase::Sending, Instant::now());
        let (part, wanted) = (self.to.part_name(&item.name), Sum::of(bytes));
        let command = self.command(item, bytes, &wanted.to_string());
        let output = work.send(&command).await?;
        work.meter.settle(item.bytes, item.bytes, Instant::now());
        let landed = |sum, by| self.landed(item, sum, by, found);
        if self.landing == Landing::Fresh {
            let placed = Placed::parse(&output);
            match placed.map_err(|fault| self.failed(&format!("placing {}", item.name), &fault))? {
                Placed::Done(tool) => return Ok(Put::Named(landed(wanted, SummedBy::Host(tool)))),
                Placed::Taken => {
                    let what = format!("renaming {part} to {}: the name is taken", item.name);
                    return Err(self.blocked(what).into());
                }
                Placed::Put => {}
            }
        }
        let (sum, by) = work.summed_whole(&part, &output, item.bytes).await?;
        if sum == wanted {
            return Ok(Put::Proven(landed(sum, by)));
        }
        Err(Fault::new(
            format!(
                "{} did not arrive whole: its sum is {sum} instead of {wanted}",
                item.name
            ),
            self.to.place(),
            format!("what arrived of it stays there as {part}"),
            "make room there if the volume is full; then retry: it is written again",
        )
        .into())
    }
}

/// What was read of small files, by their names.
#[derive(Default)]
pub(super) struct Texts(BTreeMap<String, Vec<u8>>);

impl Texts {
    /// What is written of a file by one command.
    pub(super) fn of<'a>(&'a self, item: &'a Item) -> Option<&'a Vec<u8>> {
        item.text.as_ref().or_else(|| self.0.get(&item.name))
    }
}

/// How far one command brought a file.
pub(super) enum Put {
    /// It has its final name.
    Named(Landed),
    /// It is proven under its temporary name.
    Proven(Landed),
}
