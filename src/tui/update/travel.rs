//! Moving about: pages, panes, steps, scrolling. Nothing here decides anything.

use crate::tui::keys::Action;
use crate::tui::model::{Page as View, Run};
use crate::tui::page::Extent;

impl Run {
    pub(super) fn open(&mut self, page: View) {
        let page = if self.ui.page == page {
            View::Main
        } else {
            page
        };
        self.ui.offset = match page {
            View::Log | View::Host(_) => None,
            _ => Some(0),
        };
        if page == View::Grid {
            let vm = self.shown().and_then(|step| step.subject.vm());
            let row = vm.and_then(|vm| self.plan.vms.iter().position(|other| other == vm));
            self.ui.row = row.unwrap_or_default();
        }
        self.ui.page = page;
    }

    pub(super) fn back(&mut self) {
        if !self.ui.banners.is_empty() {
            self.ui.banners.clear();
        } else if self.ui.page == View::Log && !self.ui.search.is_empty() {
            self.ui.search.clear();
        } else if self.ui.page != View::Main {
            self.open(View::Main);
        } else if self.is_over() {
            self.open(View::Debrief);
        } else if self.ui.pane > 2 || self.ui.seen.card_alone {
            self.focus(1);
        } else {
            self.show(self.ui.current, true);
        }
    }

    pub(super) fn focus(&mut self, pane: u8) {
        if self.ui.page != View::Main {
            self.open(View::Main);
        }
        if self.ui.pane != pane {
            self.ui.offset = if pane == 4 { None } else { Some(0) };
        }
        if pane != 2 && self.ui.seen.card_alone {
            self.ui.card.beside = true;
            self.ui.card.scroll = 0;
        } else if pane == 2 {
            self.ui.card.beside = false;
        }
        self.ui.pane = pane;
    }

    /// Shows a step, and whether the screen goes on with the run from there.
    pub(super) fn show(&mut self, step: usize, follow: bool) {
        if self.ui.page != View::Main {
            self.open(View::Main);
        }
        if self.ui.pane > 2 {
            self.focus(1);
        }
        self.ui.shown = step;
        self.ui.follow = follow;
        if follow {
            self.ui.current = step;
        }
    }

    /// To the next step that waits for a person, or the next match in the log.
    pub(super) fn jump(&mut self, forward: bool) {
        if self.ui.page == View::Log {
            self.jump_to_match(forward);
            return;
        }
        let shown = self.ui.shown;
        let mut waiting: Vec<usize> = self.waiting_for_person().collect();
        if !forward {
            waiting.reverse();
        }
        let beyond = waiting.iter().find(|step| {
            if forward {
                **step > shown
            } else {
                **step < shown
            }
        });
        if let Some(step) = beyond.or(waiting.first()).copied() {
            self.show(step, true);
        }
    }

    pub(super) fn jump_to_match(&mut self, forward: bool) {
        let rows = crate::tui::view::log::rows(self, self.ui.seen.area.width);
        let hits: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.hit)
            .map(|(at, _)| at)
            .collect();
        let at = self.ui.offset.unwrap_or(self.ui.seen.list.last_offset());
        let hit = if forward {
            hits.iter().find(|hit| **hit > at).or(hits.first())
        } else {
            hits.iter().rev().find(|hit| **hit < at).or(hits.last())
        };
        match hit {
            Some(hit) => self.ui.offset = Some(*hit),
            None => self.say("no match"),
        }
    }

    pub(super) fn card_page(&self) -> isize {
        let rows = self.ui.seen.card.map_or(1, |card| card.rows);
        isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
    }

    pub(super) fn scroll_card(&mut self, by: isize) {
        let last = self.ui.seen.card.map_or(0, Extent::last_offset);
        self.ui.card.scroll = self.ui.card.scroll.saturating_add_signed(by).min(last);
    }

    pub(super) fn travel(&mut self, action: Action) {
        match (&self.ui.page, self.ui.pane) {
            (View::Main, 1) if !self.ui.seen.card_alone => self.travel_steps(action),
            (View::Main, 1 | 2) => match action {
                Action::Up => self.scroll_card(-1),
                Action::Down => self.scroll_card(1),
                Action::PageUp => self.scroll_card(-self.card_page()),
                Action::PageDown => self.scroll_card(self.card_page()),
                Action::First => self.scroll_card(isize::MIN),
                Action::Last => self.scroll_card(isize::MAX),
                _ => {}
            },
            (View::Grid, _) => self.travel_grid(action),
            (View::Host(at), _) if matches!(action, Action::Left | Action::Right) => {
                let count = self.runbook.hosts.len().max(1);
                let step = if action == Action::Right {
                    1
                } else {
                    count - 1
                };
                self.ui.page = View::Host((at + step) % count);
            }
            _ => self.travel_list(action),
        }
    }

    fn travel_steps(&mut self, action: Action) {
        let order = &self.outline.order;
        let Some(last) = order.len().checked_sub(1) else {
            return;
        };
        let at = self.outline.position[self.ui.shown];
        let to = match action {
            Action::Up => at.saturating_sub(1),
            Action::Down => (at + 1).min(last),
            Action::First => 0,
            Action::Last => last,
            // The card is what one wants to read on while the steps have the keys.
            Action::PageUp => return self.scroll_card(-self.card_page()),
            Action::PageDown => return self.scroll_card(self.card_page()),
            _ => return,
        };
        let step = order[to];
        self.show(step, false);
        self.ui.follow = step == self.ui.current;
    }

    fn travel_grid(&mut self, action: Action) {
        let last = self.plan.vms.len().saturating_sub(1);
        self.ui.row = match action {
            Action::Up => self.ui.row.saturating_sub(1),
            Action::Down => (self.ui.row + 1).min(last),
            Action::PageUp | Action::First => 0,
            Action::PageDown | Action::Last => last,
            _ => self.ui.row,
        };
    }

    pub(super) fn leave_grid(&mut self) {
        let Some(vm) = self.plan.vms.get(self.ui.row) else {
            return;
        };
        let of_vm = |index: &usize| self.plan.steps[*index].subject.vm() == Some(vm);
        let steps: Vec<usize> = (0..self.plan.steps.len()).filter(of_vm).collect();
        let waits = steps.iter().find(|step| self.needs_person(**step));
        let open = || steps.iter().find(|step| !self.status(**step).is_met());
        if let Some(step) = waits.or_else(open).or(steps.last()).copied() {
            self.show(step, false);
        }
    }

    /// Scrolls a list; at its end a log follows what comes.
    fn travel_list(&mut self, action: Action) {
        let list = self.ui.seen.list;
        let last = list.last_offset();
        let page = list.rows.saturating_sub(1).max(1);
        let at = self.ui.offset.unwrap_or(last).min(last);
        let to = match action {
            Action::Up => at.saturating_sub(1),
            Action::Down => at + 1,
            Action::PageUp => at.saturating_sub(page),
            Action::PageDown => at + page,
            Action::First => 0,
            Action::Last => last,
            _ => return,
        };
        let follows = match self.ui.page {
            View::Log | View::Host(_) => true,
            View::Main => self.ui.pane == 4,
            View::Grid | View::Help | View::Brief | View::Debrief => false,
        };
        self.ui.offset = if follows && to >= last {
            None
        } else {
            Some(to.min(last))
        };
    }
}
