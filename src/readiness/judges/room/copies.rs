//! Room for the files of VMs that are copied from where they are: those that go home, and those whose
//! own files are sent to the other site.

use crate::actions::{Need, Way, way};
use crate::names::VmName;
use crate::readiness::seen::Seen;
use crate::runbook::model::Place;

/// VMs in the order in which they come.
#[derive(Default)]
pub(super) struct Copies<'a>(pub(super) Vec<Copy<'a>>);

/// What one VM takes where it comes.
pub(super) struct Copy<'a> {
    pub(super) vm: &'a VmName,
    needs: Vec<Need>,
    /// The swap file that its host makes at power-on, at most.
    swap: u64,
}

/// Which VMs would find what, each coming after those before it.
pub(super) struct Walk {
    pub(super) in_place: Vec<VmName>,
    pub(super) no_room: Vec<VmName>,
    /// Bytes that are free in the end.
    pub(super) left: u64,
}

impl Walk {
    /// Whether not all of them can come beside what lies there.
    pub(super) fn is_short(&self) -> bool {
        !self.no_room.is_empty() || !self.in_place.is_empty()
    }
}

impl<'a> Copy<'a> {
    /// What it takes, where that is known.
    pub(super) fn of(vm: &'a VmName, place: &Place, seen: &Seen) -> Option<Self> {
        let taken = seen.esxi(&place.host)?.taken.get(vm)?;
        let apart = seen.apart(vm).map(|disk| disk.bytes.as_ref());
        let apart: Vec<_> = apart.collect::<Result<_, _>>().ok()?;
        let leaving = seen.leaving(vm)?;
        let files = leaving.files.iter();
        let needs = files.map(|(name, bytes)| Need::of(*bytes, None, taken.get(name).copied()));
        // What comes from outside its folder has none of its own there beside the others.
        let apart = apart.into_iter().flatten();
        let apart = apart.map(|bytes| Need::of(*bytes, None, None));
        Some(Self {
            vm,
            needs: needs.chain(apart).collect(),
            swap: leaving.memory.as_ref().ok().copied().flatten().unwrap_or(0),
        })
    }

    /// Bytes that it takes beside what lies there.
    pub(super) fn beside(&self) -> u64 {
        Need::sum(&self.needs).beside
    }
}

impl Copies<'_> {
    /// They come one after the other to so many bytes that are free.
    pub(super) fn walk(&self, free: u64) -> Walk {
        let mut walk = Walk {
            in_place: Vec::new(),
            no_room: Vec::new(),
            left: free,
        };
        for copy in &self.0 {
            let need = Need::sum(&copy.needs);
            match way(&copy.needs, walk.left) {
                Way::Clone => walk.left -= need.beside,
                Way::InPlace => {
                    walk.left -= need.in_place;
                    walk.in_place.push(copy.vm.clone());
                }
                Way::NoRoom { .. } => walk.no_room.push(copy.vm.clone()),
            }
        }
        walk
    }

    /// Bytes that all of them take beside what lies there.
    pub(super) fn beside(&self) -> u64 {
        self.0.iter().map(Copy::beside).fold(0, u64::saturating_add)
    }

    /// Bytes of the swap files that hosts make for them at power-on, at most.
    pub(super) fn swap(&self) -> u64 {
        let swap = self.0.iter().map(|copy| copy.swap);
        swap.fold(0, u64::saturating_add)
    }
}
