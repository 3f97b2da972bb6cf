//! What the looks at one host have told so far.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Sign;
use crate::engine::owners::Split;
use crate::names::{HostName, VmName};

/// What is at the address of a host that does not tell what it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing answers.
    #[default]
    Dark,
    /// Something refuses the connection: no SSH server runs there.
    NoServer,
    /// It answers, and lets nobody in or is not understood.
    Answers,
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// What it last told.
    pub(super) told: Option<Told>,
    /// What it had told when it fell silent: what it ran then, it may run still.
    pub(super) before: Option<Told>,
    /// Looks in a row that it missed.
    pub(super) misses: u32,
    /// What was said of it since it tells nothing any more, and what was at its address then.
    pub(super) unheard: Option<(Sign, Presence)>,
}

impl Look {
    /// Whether the VM was found there by the last list that the host gave, asked after `since`. One
    /// that is silent now tells of no VM that it does not run it.
    pub(super) fn runs(&self, vm: &VmName, since: Timestamp) -> Option<bool> {
        let before = self.before.as_ref().filter(|before| before.runs(vm));
        let told = self.told.as_ref().or(before)?;
        (told.asked > since).then(|| told.runs(vm))
    }
}

/// What a host told that runs there.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// When it was asked.
    pub(super) asked: Timestamp,
    /// The VMs, and since when each look has found them there.
    running: BTreeMap<VmName, Timestamp>,
}

impl Told {
    /// A look, after those before it.
    pub(super) fn after(before: Option<&Self>, asked: Timestamp, running: &[VmName]) -> Self {
        let since = |vm| before.and_then(|told| told.running.get(vm)).copied();
        let running = running.iter();
        Self {
            asked,
            running: running
                .map(|vm| (vm.clone(), since(vm).unwrap_or(asked)))
                .collect(),
        }
    }

    pub(super) fn runs(&self, vm: &VmName) -> bool {
        self.running.contains_key(vm)
    }

    /// All of them.
    pub(super) fn running(&self) -> Vec<VmName> {
        self.running.keys().cloned().collect()
    }

    /// From when to when each look found the VM there, as far as that is later than `after`.
    pub(super) fn stay<'a>(
        &self,
        host: &'a HostName,
        vm: &VmName,
        after: Timestamp,
    ) -> Option<Stay<'a>> {
        let since = *self.running.get(vm)?;
        let (from, to) = (since.max(after), self.asked);
        Some(Stay { host, from, to })
    }
}

/// A time in which a VM was found running on a host.
#[derive(Clone, Copy)]
pub(super) struct Stay<'a> {
    pub(super) host: &'a HostName,
    from: Timestamp,
    to: Timestamp,
}

/// Where a VM that the run started was found, as far as the hosts told it since.
pub(super) struct Whereabouts<'a> {
    /// Where the run started it.
    pub(super) started: &'a HostName,
    /// Whether it was found there; `None` where that host has not told.
    pub(super) own: Option<bool>,
    /// At that site.
    pub(super) here: Vec<Stay<'a>>,
    /// At the site that it left.
    pub(super) there: Vec<Stay<'a>>,
}

impl Whereabouts<'_> {
    /// A copy at each site at the same time: a list of one host that is older than the other's
    /// proves nothing, for the VM may have been moved in between.
    pub(super) fn split(&self, vm: &VmName) -> Option<Split> {
        let pairs = self.here.iter().flat_map(|here| {
            let there = self.there.iter();
            there.map(move |there| (here, there))
        });
        let mut at_once =
            pairs.filter(|(here, there)| here.from <= there.to && there.from <= here.to);
        let (here, there) = at_once.next()?;
        Some(Split {
            vm: vm.clone(),
            started: here.host.clone(),
            also: there.host.clone(),
            at: here.to.max(there.to),
        })
    }
}
