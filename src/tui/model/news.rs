//! What happens in the run reaches the screen.

use std::sync::Arc;

use crate::actions::Progress;
use crate::engine::{Entry, RunEvent, Status};
use crate::names::{Attempt, StepId};
use crate::plan::ActionSpec;
use crate::runner::{Live, Update};

use super::dialog::{About, Kind, Purpose};
use super::ui::{Card, Page};
use super::{End, Run, host_keys};

impl Run {
    /// Takes in what happened in the run.
    pub(in crate::tui) fn take(&mut self, update: Update) {
        match update {
            Update::Entry(entry) => {
                self.stuck = false;
                self.take_entry(&entry);
                if let RunEvent::FactFound(fact) = &entry.event
                    && let Some(words) = fact.alarm()
                {
                    self.banner(words);
                    self.ui.alarm = true;
                }
                match &entry.event {
                    RunEvent::DecisionRefused { wish, why, .. } if !self.watching => {
                        self.say(format!("not done ({wish}): {why}"));
                    }
                    RunEvent::HandoverTaken { by, .. } if !self.watching => {
                        self.operator.clone_from(by);
                    }
                    RunEvent::ShellOpened { host, .. } if !self.watching => {
                        self.ui.shell = Some(host.clone());
                    }
                    _ => {}
                }
            }
            Update::Live(live) => self.take_live(live),
            Update::Stuck { .. } => self.stuck = true,
            Update::Ended { head, fault } => self.end = Some(End { head, fault }),
        }
    }

    pub(super) fn take_entry(&mut self, entry: &Arc<Entry>) {
        self.state.apply(entry);
        self.log.event(entry);
        // What becomes of a write moves the step that sent it.
        let sender = match &entry.event {
            RunEvent::WriteLost { op, .. } | RunEvent::LostStopped { op, .. } => {
                self.state.ops.get(op).map(|op| &op.step)
            }
            _ => None,
        };
        let step = sender.or(entry.step.as_ref());
        if let Some(index) = step.and_then(|id| self.outline.index.get(id)) {
            self.statuses[*index] = self.state.status(&self.plan.steps[*index].id);
            if !self.statuses[*index].is_active() {
                self.progress.remove(index);
            }
        }
        if let RunEvent::HostTrusted { host, .. } = &entry.event {
            self.forget_key(host);
        }
    }

    fn take_live(&mut self, live: Live) {
        let at = self.now.wall;
        match live {
            Live::Output {
                host,
                line,
                replaces,
            } => self.log.output(at, host, &line, replaces),
            // Writes are in the journal, so they come as events.
            Live::Sent { write: true, .. } | Live::CommandEnded { .. } => {}
            Live::Sent {
                host,
                command,
                write: false,
            } => self.log.sent(at, host, &command),
            Live::Progress { step, progress } => self.take_progress(&step, progress),
            Live::Host(figures) => {
                self.hosts.insert(figures.host.clone(), *figures);
            }
            Live::HostKey(key) => self.take_host_key(key),
            Live::Banner(words) => self.banner(words),
        }
    }

    fn take_progress(&mut self, step: &StepId, progress: Progress) {
        if let Some(index) = self.outline.index.get(step).copied()
            && self.status(index).is_active()
        {
            self.progress.insert(index, progress);
        }
    }

    /// Brings what follows from the run up to date, after anything happened.
    pub(in crate::tui) fn refresh(&mut self) {
        self.choose_current();
        if self.ui.follow {
            self.ui.shown = self.ui.current;
        }
        let key = (
            self.ui.shown,
            self.attempt(self.ui.shown),
            self.status(self.ui.shown),
        );
        if self.ui.card.key != key {
            self.ui.card = Card {
                key,
                ..Card::default()
            };
        }
        if self
            .ui
            .toast
            .as_ref()
            .is_some_and(|(_, until)| *until <= self.now.mono)
        {
            self.ui.toast = None;
        }
        if self.is_over() && !self.ui.debriefed && self.ui.page == Page::Main {
            self.ui.debriefed = true;
            self.ui.page = Page::Debrief;
            self.ui.offset = Some(0);
        }
        if !self.is_over() && self.ui.debriefed {
            // A run that was over was taken up again.
            self.ui.debriefed = false;
            self.ui.page = Page::Main;
        }
        self.forget_settled_questions();
        self.close_stale_dialog();
        self.open_urgent_dialog();
        let needed = self.waiting_for_person().next().is_some() || self.new_key().is_some();
        if !needed {
            self.ui.needed = None;
            self.ui.rung = false;
        } else if self.ui.needed.is_none() {
            self.ui.needed = Some(self.now.mono);
        }
    }

    /// A question that comes again, with the same id of the host's, opens its dialog again.
    fn forget_settled_questions(&mut self) {
        let mut dismissed = std::mem::take(&mut self.ui.dismissed);
        dismissed.retain(|(step, id)| {
            let question = self.known(*step).and_then(|known| known.question.as_ref());
            question.is_some_and(|asked| asked.id == *id)
        });
        self.ui.dismissed = dismissed;
    }

    /// The first step that waits for a person; one that is on screen stays there until settled,
    /// so that it is not exchanged under somebody's eyes, except for a VM that runs at both sites; but
    /// until the first key nobody has begun with any of those that ask as the console starts.
    /// Else the first that is under way.
    fn choose_current(&mut self) {
        if let Some(fence) = self.fence_of_a_split() {
            self.ui.put_first.insert((fence, self.attempt(fence)));
            self.ui.current = fence;
        }
        let current = (self.ui.current, self.attempt(self.ui.current));
        let is_begun_with = self.ui.touched || self.ui.put_first.contains(&current);
        if is_begun_with && self.needs_person(self.ui.current) {
            return;
        }
        let active = || self.statuses.iter().position(|status| status.is_active());
        let waiting = || {
            let mut walked = self.walked().iter();
            let first = walked.position(|status| *status == Status::Waiting)?;
            Some(self.plan.frozen + first)
        };
        let last = self.statuses.len().saturating_sub(1);
        let next = self
            .waiting_for_person()
            .next()
            .or_else(active)
            .or_else(waiting);
        self.ui.current = next.unwrap_or(last);
    }

    /// The fence of a VM that runs at both sites, once as it begins to wait for a person.
    fn fence_of_a_split(&self) -> Option<usize> {
        // Somebody is about to answer something else.
        if self.ui.dialog.is_some() {
            return None;
        }
        let splits = self.state.splits();
        let is_split = |index: &usize| match &self.plan.steps[*index].action {
            ActionSpec::Fence { vm } => splits.iter().any(|split| split.vm == *vm),
            _ => false,
        };
        let is_new = |index: &usize| !self.ui.put_first.contains(&(*index, self.attempt(*index)));
        let mut waiting = self.waiting_for_person().filter(|_| !splits.is_empty());
        waiting.find(|index| is_split(index) && is_new(index))
    }

    fn close_stale_dialog(&mut self) {
        let Some(dialog) = &self.ui.dialog else {
            return;
        };
        let is_asked = |step: usize, attempt: Attempt| {
            self.status(step) == Status::Asking && self.attempt(step) == attempt
        };
        let stale = match &dialog.kind {
            Kind::Flow(flow) => !is_asked(flow.step, flow.attempt),
            Kind::Menu(menu) => match &menu.about {
                About::Trouble(step, attempt) => {
                    !self.is_in_trouble(*step) || self.attempt(*step) != *attempt
                }
                About::Question(step, attempt, id) => {
                    let question = self.known(*step).and_then(|known| known.question.as_ref());
                    self.attempt(*step) != *attempt || question.is_none_or(|asked| asked.id != *id)
                }
                About::Anything => false,
            },
            Kind::HostKey(dialog) => self.unknown_key(&dialog.host).is_none(),
            Kind::TakeOver(_) => self.state.people.offer.is_none(),
            Kind::Text(text) => match text.purpose {
                Purpose::Decline(step, attempt) => !is_asked(step, attempt),
                _ => false,
            },
        };
        if stale || self.is_over() && !matches!(dialog.kind, Kind::Text(_)) {
            self.ui.dialog = None;
            self.say("that is settled by now");
        }
    }

    /// Opens what cannot wait, unless the person is in another dialog or has closed it before.
    fn open_urgent_dialog(&mut self) {
        if self.ui.dialog.is_some() || self.is_over() || self.leaving.is_some() {
            return;
        }
        if let Some(key) = self.new_key() {
            self.ui.dialog = Some(host_keys::dialog(key));
            return;
        }
        let asked = (0..self.plan.steps.len())
            .filter(|step| self.status(*step).is_active())
            .find(|index| {
                let question = self.known(*index).and_then(|known| known.question.as_ref());
                question
                    .is_some_and(|asked| !self.ui.dismissed.contains(&(*index, asked.id.clone())))
            });
        if let Some(step) = asked.filter(|_| !self.watching) {
            self.ui.dialog = self.question_menu(step);
        }
    }
}
