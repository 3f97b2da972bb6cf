//! How much room a delivery takes where it lands.

use std::collections::BTreeMap;

use super::Made;
use crate::transfer::deliver::{Delivery, Item, Mover};
use crate::vmfiles::Vmx;

/// Bytes that a delivery takes on the target's volume while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// So much at least, at its fullest.
    pub least: u64,
    /// So much at most, where disks that are converted turn out to be full of data.
    pub most: u64,
    /// Of these, so much only until disks are converted: what they are made of.
    pub passing: u64,
}

impl Delivery {
    /// Bytes that it takes on the target's volume, if its files take so many where they lie (by
    /// [`Item::at`]; their length where that is not known).
    #[must_use]
    pub fn takes(&self, allocated: &BTreeMap<String, u64>) -> Takes {
        let copied = self.mover() == Mover::OnHost;
        let data = |item: &Item| {
            let own = allocated.get(&item.at).copied().unwrap_or(item.bytes);
            own.min(item.bytes)
        };
        // `cp` writes holes out (a host's own, too).
        let lands = |item: &Item| if copied { item.bytes } else { data(item) };
        let plain = self.items.iter().filter(|item| !self.is_source(&item.name));
        let stays: u64 = plain.map(lands).fold(0, u64::saturating_add);
        let mut takes = Takes {
            least: stays,
            most: stays,
            passing: 0,
        };
        // Disks are made one after another, and what one is made of goes before the next.
        let (mut least, mut most) = (stays, stays);
        for made in self.made_disks() {
            let sources = || {
                let of = |item: &&Item| made.sources.contains(&item.name);
                self.items.iter().filter(of)
            };
            let staged = if made.staged {
                sources().map(lands).fold(0, u64::saturating_add)
            } else {
                0
            };
            let written = sources().map(data).fold(0, u64::saturating_add);
            least = least.saturating_add(made.least(written));
            most = most.saturating_add(made.most(written));
            takes.least = takes.least.max(least.saturating_add(staged));
            takes.most = takes.most.max(most.saturating_add(staged));
            takes.passing = takes.passing.max(staged);
        }
        takes
    }
}

impl Made {
    /// What it takes afterwards, if its sources take so much: data only ever grows when it is
    /// inflated.
    fn least(&self, written: u64) -> u64 {
        if self.format.is_thick() {
            self.capacity
        } else {
            written.min(self.capacity)
        }
    }

    fn most(&self, written: u64) -> u64 {
        if self.pieces.is_some() {
            self.least(written)
        } else {
            self.capacity
        }
    }
}

/// Memory that is not reserved, in bytes: `memSize` and `sched.mem.min` are in MiB.
pub(super) fn swap(vmx: &Vmx) -> u64 {
    let number = |key: &str| vmx.get(key)?.trim().parse::<u64>().ok();
    let memory = number("memSize").unwrap_or(0);
    let reserved = if vmx.flag("sched.mem.pin") == Some(true) {
        memory
    } else {
        number("sched.mem.min").unwrap_or(0)
    };
    memory.saturating_sub(reserved).saturating_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_reserved_becomes_swap() {
        let swap = |text: &str| swap(&Vmx::parse(text.as_bytes()).unwrap());
        assert_eq!(swap("memSize = \"4096\"\n"), 4 << 30);
        assert_eq!(
            swap("memSize = \"4096\"\nsched.mem.min = \"1024\"\n"),
            3 << 30
        );
        assert_eq!(swap("memSize = \"4096\"\nsched.mem.pin = \"TRUE\"\n"), 0);
        assert_eq!(swap("memSize = \"lots\"\n"), 0);
        assert_eq!(swap("memSize = \"18446744073709551615\"\n"), u64::MAX);
    }
}
