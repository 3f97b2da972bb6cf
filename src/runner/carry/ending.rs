//! What the task does at the run's end, before its last line: it looks once more at hosts that did not
//! answer so far, then gives back what the run holds.

use std::collections::BTreeSet;

use crate::engine::Input;
use crate::names::{Attempt, HostName, StepId};
use crate::runbook::model::Mode;
use crate::settings::elsewhere;
use crate::telemetry::HostFigures;

use super::last_look::{LastLook, PATIENCE, may_run_vms};
use super::{Carrier, Job, Live, Message, Update};

impl Carrier {
    /// Begins the end: with the look, where there is somebody to look at.
    pub(super) fn close(&mut self) {
        let since = self.launch.clock.now();
        self.last_look = LastLook::at(self.unseen(), since);
        let Some(look) = &self.last_look else {
            self.give_back();
            return;
        };
        self.tell(look.in_words());
        for host in look.awaited() {
            if let Some(panes) = &self.panes {
                panes.look_at_once(host);
            }
        }
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            let _ = inbox.send(Message::LookedEnough(since));
        });
    }

    /// Polled hosts that may run a VM of the run, and did not tell at the last poll what they run.
    fn unseen(&self) -> BTreeSet<HostName> {
        let (runbook, vms) = (&self.launch.runbook, &self.launch.plan.vms);
        let polled = self.panes.iter().flat_map(|panes| panes.hosts());
        polled
            .filter(|host| !self.seen.contains(*host) && may_run_vms(runbook, vms, host))
            .cloned()
            .collect()
    }

    /// Keeps whether a host told what it runs, and ends the last look with the last of its hosts.
    pub(super) fn polled(&mut self, figures: &HostFigures) {
        if figures.asked.is_some() {
            self.seen.insert(figures.host.clone());
        } else {
            self.seen.remove(&figures.host);
        }
        if self
            .last_look
            .as_mut()
            .is_some_and(|look| look.polled(figures))
        {
            self.looked();
        }
    }

    /// Tells what was not seen, and goes on with the end.
    pub(super) fn looked(&mut self) {
        let Some(look) = self.last_look.take() else {
            return;
        };
        let state = self.engine.state();
        // What was practised, or is being taken back, is not watched afterwards.
        let is_watched = self.launch.plan.mode != Mode::Practice && state.chapter().is_none();
        let next = is_watched.then(|| {
            let (run, elsewhere) = (&self.launch.run, elsewhere(&self.launch.dir));
            format!("`lifeboat watch --hosts {run}{elsewhere}`")
        });
        if let Some(unseen) = look.unseen(next.as_deref()) {
            self.tell(unseen);
        }
        self.give_back();
    }

    fn tell(&self, words: String) {
        let _ = self.updates.send(Update::Live(Live::Banner(words)));
    }

    /// Gives back what the run holds. An action always has a step to work with, here the last one;
    /// what it records is no step's.
    fn give_back(&mut self) {
        match self.launch.plan.steps.last().cloned() {
            Some(last) => {
                self.start_with(Job::Close, last, StepId::default(), Attempt::default());
            }
            None => {
                let _ = self.inbox.send(Message::Input(Input::Closed));
            }
        }
    }
}
