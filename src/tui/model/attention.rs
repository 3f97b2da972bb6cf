//! How the screen gets a person's attention: the bell, the title, banners, and when it wakes by itself.

use std::time::Duration;

use crate::tui::text;

use super::{Run, armed_after};

/// Between two figures of a countdown.
const COUNTDOWN: Duration = Duration::from_millis(100);

/// A person who pressed a key this recently is not rung for.
const ATTENTION: Duration = Duration::from_secs(10);

/// A proposal that stands this long was not let go on by the pace.
const SETTLED: Duration = Duration::from_millis(300);

impl Run {
    /// Says something until Esc is pressed.
    pub(in crate::tui) fn banner(&mut self, words: String) {
        const KEPT: usize = 8;
        let words = text::clean(&words).into_owned();
        if self.ui.banners.back() != Some(&words) {
            self.ui.banners.push_back(words);
        }
        if self.ui.banners.len() > KEPT {
            self.ui.banners.pop_front();
        }
    }

    /// Whether the bell is due: somebody is needed, and not looking.
    pub(in crate::tui) fn takes_bell(&mut self) -> bool {
        let due = self.bell_at().is_some_and(|at| at <= self.now.mono);
        self.ui.rung |= due;
        due | self.update_rings() | std::mem::take(&mut self.ui.alarm)
    }

    fn bell_at(&self) -> Option<Duration> {
        let needed = self.ui.needed.filter(|_| !self.ui.rung && !self.watching)?;
        Some((needed + SETTLED).max(self.ui.last_key + ATTENTION))
    }

    /// When something on screen changes although nothing happens.
    pub(in crate::tui) fn wake(&self) -> Option<Duration> {
        let toast = self.ui.toast.as_ref().map(|(_, until)| *until);
        // While a card is being armed its countdown moves.
        let armed = self
            .arms_in()
            .filter(|_| self.ui.card.since.is_some())
            .map(|left| self.now.mono + left.min(COUNTDOWN));
        let dialog = self.ui.dialog.as_ref().and_then(|dialog| dialog.since);
        let times = [
            toast,
            armed,
            dialog.map(|since| since + armed_after(true)),
            self.bell_at(),
        ];
        times
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now.mono)
            .min()
    }

    /// A line for the window's title.
    pub(in crate::tui) fn title(&self) -> String {
        let (over, all) = self.counts();
        let mode = self.state.heading(Some(self.plan.mode));
        let state = match self.waiting_for_person().next() {
            _ if self.state.finished.is_some() => "finished".to_owned(),
            _ if self.new_key().is_some() => "needs you: a host key".to_owned(),
            _ if self.watching => "watching".to_owned(),
            Some(step) => format!("needs you: {}", self.plan.steps[step].title),
            None if self.state.paused => "paused".to_owned(),
            None => "running".to_owned(),
        };
        format!("{mode} {over}/{all} - {state}")
    }
}
