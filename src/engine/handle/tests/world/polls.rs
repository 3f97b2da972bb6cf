//! Polls of the hosts, beside the steps: each is ordered at one moment, answered at another and heard
//! at a third, or never.

use super::super::*;
use super::shapes::{HOSTS, VMS};
use super::{Mischief, World};
use crate::names::VmName;

/// A poll that is under way.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    host: usize,
    /// When it was ordered: by the console's clock, and by the count of inputs.
    at: Timestamp,
    asked: u64,
    /// What the host said; within it, `None` if it did not answer.
    told: Option<Option<Vec<VmName>>>,
}

/// One that arrives.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) host: usize,
    pub(super) asked: u64,
    pub(super) running: Vec<VmName>,
}

/// Polls at a time.
const MOST: usize = 2;

impl World {
    fn order_poll(&mut self, host: usize) -> Poll {
        Poll {
            host,
            at: self.now(),
            asked: self.coverage.inputs,
            told: None,
        }
    }

    fn told_by(&self, host: usize) -> Option<Vec<VmName>> {
        if let Some(home) = self.site.homes.get(host) {
            let runs = home.runs.then(|| VMS[host].into());
            return (!home.dark).then(|| runs.into_iter().collect());
        }
        let on_host = |vm: &usize| {
            let start = self.shape.starts[*vm].filter(|_| self.site.runs_here(self.shape, *vm));
            start.is_some_and(|step| self.shape.work[step].host == host)
        };
        let running = [0, 1].into_iter().filter(on_host);
        Some(running.map(|vm| VMS[vm].into()).collect())
    }

    /// Polls go on a little.
    pub(super) fn poll(&mut self) {
        let left_out = self.recipe.without & (1 << Mischief::Poll as u32) != 0;
        if self.polls.len() < MOST && self.dice.one_in(3) && !left_out {
            // Those of the other site have more to tell.
            let every = self.dice.one_in(4);
            let host = self.dice.below(if every { HOSTS.len() } else { VMS.len() });
            // A host is asked again once it has answered.
            if self.polls.iter().all(|poll| poll.host != host) {
                let poll = self.order_poll(host);
                self.polls.push(poll);
            }
        }
        for index in 0..self.polls.len() {
            if self.polls[index].told.is_none() && self.dice.one_in(2) {
                let told = self.told_by(self.polls[index].host);
                self.polls[index].told = Some(told);
            }
        }
    }

    /// An answer that arrives now, if one does.
    pub(super) fn arriving(&mut self, sides: u32) -> Option<Input> {
        let at = self.polls.iter().position(|poll| poll.told.is_some())?;
        if !self.dice.one_in(sides) {
            return None;
        }
        let poll = self.polls.remove(at);
        if self.mischief(Mischief::Late, 8) {
            return None;
        }
        Some(self.heard(poll))
    }

    fn heard(&mut self, poll: Poll) -> Input {
        let running = poll.told.flatten();
        self.heard = running.clone().map(|running| Heard {
            host: poll.host,
            asked: poll.asked,
            running,
        });
        Input::HostSeen {
            host: HOSTS[poll.host].into(),
            role: if poll.host < VMS.len() {
                SiteRole::Protected
            } else {
                SiteRole::Recovery
            },
            asked: poll.at,
            running,
        }
    }

    /// Nothing is left to decide in the run, and yet a VM runs at both sites: somebody has a fence look
    /// again that was left out, or goes and stops the old copy at its console.
    pub(super) fn settle_split(&mut self) -> Option<Input> {
        let split = self.folded.splits().into_iter().next()?;
        let vm = VMS.iter().position(|vm| split.vm.as_str() == *vm)?;
        let fence = self.shape.fences[vm].map(|step| self.shape.plan.steps[step].id.clone());
        if let Some(step) = fence.filter(|_| self.dice.one_in(2)) {
            let (scope, by) = (crate::engine::RetryScope::Step(step), "alice".to_owned());
            return Some(Input::Operator(OperatorInput::Retry { scope, by }));
        }
        let home = &mut self.site.homes[vm];
        (home.runs, home.dark) = (false, false);
        self.polls.retain(|poll| poll.host != vm);
        let mut poll = self.order_poll(vm);
        poll.told = Some(self.told_by(vm));
        Some(self.heard(poll))
    }
}
