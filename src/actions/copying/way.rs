//! Whether what comes has room beside what lies there.

use crate::transfer::Landing;

/// How disks that are there make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A clone of each is patched, and they are renamed aside.
    Clone,
    /// There is room only if they are written to themselves.
    InPlace,
    /// There is no room at all.
    NoRoom {
        /// Bytes that it takes at least.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
}

impl Way {
    pub(super) fn landing(self) -> Landing {
        match self {
            Self::Clone | Self::NoRoom { .. } => Landing::Patch,
            Self::InPlace => Landing::InPlace,
        }
    }
}

/// What one file takes at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes beside what is there.
    pub beside: u64,
    /// Bytes if what is there is written to.
    pub in_place: u64,
}

impl Need {
    /// Of a file that takes `source` bytes where it comes from; at the target its begun copy takes
    /// so many, and the one that it can be made from.
    #[must_use]
    pub fn of(source: u64, begun: Option<u64>, base: Option<u64>) -> Self {
        let (beside, in_place) = match (begun, base) {
            (Some(begun), _) => (source.saturating_sub(begun), source.saturating_sub(begun)),
            (None, Some(base)) => (source.max(base), source.saturating_sub(base)),
            (None, None) => (source, source),
        };
        Self { beside, in_place }
    }

    /// Of all the files of a VM.
    #[must_use]
    pub fn sum(needs: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> u64| needs.iter().map(of).fold(0, u64::saturating_add);
        Self {
            beside: sum(|need| need.beside),
            in_place: sum(|need| need.in_place),
        }
    }
}

/// Which way has room.
#[must_use]
pub fn way(needs: &[Need], free: u64) -> Way {
    let Need { beside, in_place } = Need::sum(needs);
    if beside <= free {
        Way::Clone
    } else if in_place <= free && in_place < beside {
        Way::InPlace
    } else {
        Way::NoRoom {
            needed: in_place,
            free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_made_where_it_has_room_and_else_the_disk_itself_is_offered() {
        let disk = Need::of(20, None, Some(30));
        assert_eq!((disk.beside, disk.in_place), (30, 0));
        let small = Need::of(3, None, None);
        assert_eq!(way(&[disk, small], 33), Way::Clone);
        assert_eq!(way(&[disk, small], 32), Way::InPlace);
        assert_eq!(way(&[disk, small], 3), Way::InPlace);
        let none = Way::NoRoom { needed: 3, free: 2 };
        assert_eq!(way(&[disk, small], 2), none);
        let whole = Need::of(20, None, None);
        let none = Way::NoRoom {
            needed: 20,
            free: 19,
        };
        assert_eq!(way(&[whole], 19), none, "nothing there to write to");
        assert_eq!(Need::of(20, Some(18), Some(30)).beside, 2, "it was begun");
        assert_eq!(Need::of(20, Some(25), None).in_place, 0);
    }
}
