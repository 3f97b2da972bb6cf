//! What happened, applied to the run screen: message in, commands out. Pure.

mod dialog;
mod flow;
mod travel;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;

use crate::engine::{OperatorInput, Pace, PeopleInput};

use super::RunExit;
use super::keys::{self, Action};
use super::model::dialog::{Dialog, Field, Kind, Purpose, Text};
use super::model::{End, Enter, Page as View, Run, host_keys};
use super::page::{Cmd as PageCmd, Msg, Now, Page, Seen};

/// What the run screen asks for.
pub(super) type Cmd = PageCmd<RunExit>;

/// Ctrl-C counts as pressed twice within this.
const TWICE: Duration = Duration::from_secs(2);
/// Leaving waits this long for the journal to be closed.
const LEAVING: Duration = Duration::from_secs(10);
/// The smallest screen on which anything can be decided, in columns and rows.
pub(super) const SMALLEST: (u16, u16) = (60, 16);

impl Page for Run {
    type Exit = RunExit;

    fn update(&mut self, now: Now, msg: Msg) -> Vec<Cmd> {
        self.now = now;
        let mut cmds = Vec::new();
        match msg {
            Msg::Key(key) => {
                self.ui.last_key = now.mono;
                self.ui.touched = true;
                self.press(key, &mut cmds);
            }
            Msg::Paste(text) => self.paste(&text),
            Msg::Painted(seen) => self.painted(seen),
            Msg::Updates(updates) => updates.into_iter().for_each(|update| self.take(update)),
            Msg::FeedClosed if self.end.is_none() => {
                self.end = Some(End::default());
                let over = self.state.finished.is_some() || self.state.detached;
                if !over && self.leaving.is_none() {
                    self.banner(
                        "the runner stopped without a word; the run can be resumed".to_owned(),
                    );
                }
            }
            Msg::FeedClosed | Msg::Tick => {}
            Msg::ShellLeft(words) => {
                let by = self.operator.clone();
                let left = PeopleInput::CloseShell { by };
                cmds.push(Cmd::Send(OperatorInput::People(left)));
                match words {
                    Ok(words) => self.say(words),
                    Err(words) => self.banner(words),
                }
            }
            Msg::Ending(why) => cmds.push(self.ending(why)),
            Msg::Panicked(place) => {
                self.banner(format!(
                    "a task of the console panicked at {place}; the log file has more"
                ));
            }
        }
        self.refresh();
        if self.takes_bell() {
            cmds.push(Cmd::Ring);
        }
        if let Some(host) = self.ui.shell.take() {
            cmds.push(Cmd::Shell(host));
        }
        if let Some(exit) = self.exit() {
            cmds.push(Cmd::Leave(exit));
        }
        cmds
    }

    fn view(&self, buffer: &mut Buffer) -> Seen {
        super::view::draw(self, buffer)
    }

    fn title(&self) -> String {
        Run::title(self)
    }

    fn wake(&self) -> Option<Duration> {
        Run::wake(self)
    }
}

impl Run {
    /// The screen is over by itself: it was asked to leave and the journal is closed, or takes too
    /// long to close; or the run was left from elsewhere.
    fn exit(&self) -> Option<RunExit> {
        let closed = self.end.is_some();
        let late = self
            .leaving
            .is_some_and(|since| self.now.mono > since + LEAVING);
        if self.leaving.is_some() && (closed || late) {
            return Some(self.exit_now());
        }
        let left = closed && self.state.detached && !self.watching;
        left.then(|| self.exit_now())
    }

    fn exit_now(&self) -> RunExit {
        let finished = self.state.finished.clone();
        RunExit {
            detached: finished.is_none(),
            finished,
        }
    }

    fn ending(&mut self, why: &str) -> Cmd {
        if self.end.is_some() || self.watching {
            Cmd::Leave(self.exit_now())
        } else {
            Cmd::Send(self.detach(why.to_owned()))
        }
    }

    fn painted(&mut self, seen: Seen) {
        let before = &self.ui.seen;
        let resized = seen.area != before.area || seen.card_alone != before.card_alone;
        if let Some(card) = seen.card {
            let bottom = self.ui.card.scroll + card.rows;
            let before = if resized { 0 } else { self.ui.card.read_to };
            self.ui.card.read_to = before.max(bottom);
        }
        // Whatever covers the card, a key meant for that must not meet the card afterwards.
        if seen.card.is_some() && self.ui.dialog.is_none() {
            self.ui.card.since.get_or_insert(self.now.mono);
        } else {
            self.ui.card.since = None;
        }
        if let Some(dialog) = &mut self.ui.dialog {
            dialog.since.get_or_insert(self.now.mono);
        }
        let was_too_small = self.is_too_small();
        self.ui.seen = seen;
        if was_too_small && !self.is_too_small() {
            // What keys were answered with while it was.
            self.ui.toast = None;
        }
    }

    fn is_too_small(&self) -> bool {
        let area = self.ui.seen.area;
        area.width < SMALLEST.0 || area.height < SMALLEST.1
    }

    fn press(&mut self, key: KeyEvent, cmds: &mut Vec<Cmd>) {
        if key.modifiers.contains(KeyModifiers::ALT) {
            self.press_after_esc(key, cmds);
            return;
        }
        if keys::lookup(keys::RUN, &key) == Some(Action::Detach) {
            self.interrupt(cmds);
            return;
        }
        if self.leaving.is_some() {
            self.say("leaving: waiting for the journal to be closed");
            return;
        }
        if self.is_too_small() {
            self.say("the window is too small to decide anything");
            return;
        }
        if self.ui.dialog.is_some() {
            dialog::press(self, key, cmds);
            return;
        }
        let Some(action) = keys::lookup(keys::RUN, &key) else {
            if let KeyCode::Char(c) = key.code
                && key.modifiers.difference(KeyModifiers::SHIFT).is_empty()
            {
                self.say(format!("{c} does nothing here; ? shows the keys"));
            }
            return;
        };
        match self.why_not(action) {
            Some(why) => self.say(why),
            None => self.act(action, cmds),
        }
    }

    /// Esc and the next key, when they arrive together, look like one key with Alt. Within a text it
    /// is left alone, for many people move by words with Alt, and Esc would lose what they typed.
    fn press_after_esc(&mut self, key: KeyEvent, cmds: &mut Vec<Cmd>) {
        let key = KeyEvent {
            modifiers: key.modifiers.difference(KeyModifiers::ALT),
            ..key
        };
        let typing = self
            .ui
            .dialog
            .as_mut()
            .is_some_and(|dialog| dialog.field_mut().is_some());
        if keys::lookup(keys::RUN, &key) == Some(Action::Detach) {
            self.interrupt(cmds);
        } else if !typing {
            self.press(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE), cmds);
            self.press(key, cmds);
        }
    }

    fn interrupt(&mut self, cmds: &mut Vec<Cmd>) {
        let twice = self
            .ui
            .interrupted
            .is_some_and(|first| self.now.mono <= first + TWICE);
        if self.watching {
            cmds.push(Cmd::Leave(self.exit_now()));
        } else if !twice {
            self.ui.interrupted = Some(self.now.mono);
            self.say("Ctrl-C again within 2 s leaves at once; the run stays resumable");
        } else if self.end.is_some() {
            cmds.push(Cmd::Leave(self.exit_now()));
        } else if self.leaving.is_none() {
            let why = format!("{} pressed Ctrl-C twice", self.operator);
            cmds.push(Cmd::Send(self.detach(why)));
        }
    }

    /// Pasted text goes into text fields and nowhere else.
    fn paste(&mut self, text: &str) {
        match self.ui.dialog.as_mut().and_then(Dialog::field_mut) {
            Some(field) => field.paste(text),
            None => self.say("pasted text is taken in text fields only"),
        }
    }

    /// What an action does, once it is known that it can be taken.
    pub(super) fn act(&mut self, action: Action, cmds: &mut Vec<Cmd>) {
        let by = self.operator.clone();
        let shown = self.ui.shown;
        match action {
            Action::Act => self.press_enter(cmds),
            Action::Skip => self.ask(Purpose::Skip(shown)),
            Action::ByHand => self.ask(Purpose::ByHand(shown)),
            Action::Decline => self.ask(Purpose::Decline(shown, self.attempt(shown))),
            Action::Note => self.ask(Purpose::Note(shown)),
            Action::Abort => self.ask(Purpose::Abort),
            Action::Search => self.ask(Purpose::Search),
            Action::Retry => self.ui.dialog = Some(self.retry_menu(shown)),
            Action::Undo => self.ui.dialog = Some(self.undo_menu(shown)),
            Action::Choose => self.ui.dialog = self.choice(shown),
            Action::HostKey => self.ui.dialog = self.key_to_compare().map(host_keys::dialog),
            Action::Exact => self.ui.card.exact = !self.ui.card.exact,
            Action::Pace => self.ui.dialog = Some(self.pace_menu()),
            Action::Pause if self.state.paused => {
                cmds.push(Cmd::Send(OperatorInput::Continue { by }));
            }
            Action::Pause => cmds.push(Cmd::Send(OperatorInput::Pause { by })),
            Action::Grid => self.open(View::Grid),
            Action::Host => self.open(View::Host(0)),
            Action::Log => self.open(View::Log),
            Action::Help => self.open(View::Help),
            Action::Handover => self.open(View::Brief),
            Action::Update => self.ui.dialog = Some(self.update_dialog()),
            Action::Leave if self.end.is_some() || self.watching => {
                cmds.push(Cmd::Leave(self.exit_now()));
            }
            Action::Leave => self.ui.dialog = Some(self.leave_menu()),
            Action::Detach => {}
            Action::Redraw => cmds.push(Cmd::Redraw),
            Action::Back => self.back(),
            Action::Next => self.jump(true),
            Action::Previous => self.jump(false),
            Action::Filter => {
                self.ui.filter = self.ui.filter.next();
                self.ui.offset = None;
            }
            Action::NextPane => self.focus(self.ui.pane % 4 + 1),
            Action::PreviousPane => self.focus((self.ui.pane + 2) % 4 + 1),
            Action::Pane(pane) => self.focus(pane),
            Action::Up
            | Action::Down
            | Action::Left
            | Action::Right
            | Action::PageUp
            | Action::PageDown
            | Action::First
            | Action::Last => self.travel(action),
        }
    }

    fn press_enter(&mut self, cmds: &mut Vec<Cmd>) {
        match self.enter() {
            Enter::Leave => cmds.push(Cmd::Leave(self.exit_now())),
            Enter::ShowSteps => {
                self.open(View::Main);
                self.focus(2);
            }
            Enter::HostKey => self.act(Action::HostKey, cmds),
            Enter::Question(step) => self.ui.dialog = self.question_menu(step),
            Enter::ReadOn => self.scroll_card(self.card_page()),
            Enter::Confirm(Some(_)) | Enter::Fill(Some(_)) => {
                // A key that is held down, or was meant for the card before, never gets through.
                self.ui.card.since = Some(self.now.mono);
                self.say("too early: read the step, then press Enter");
            }
            Enter::Confirm(None) => self.confirm(cmds),
            Enter::Fill(None) => self.ui.dialog = Some(self.flow(self.ui.shown)),
            Enter::Trouble => self.ui.dialog = Some(self.trouble_menu(self.ui.shown)),
            Enter::GoTo(step) => self.show(step, true),
            Enter::Continue => {
                cmds.push(Cmd::Send(OperatorInput::Continue {
                    by: self.operator.clone(),
                }));
            }
            Enter::Handover => self.ui.dialog = Some(self.handover_menu()),
            Enter::GridRow => self.leave_grid(),
            Enter::Nothing => {}
        }
    }

    fn confirm(&mut self, cmds: &mut Vec<Cmd>) {
        let Some(step) = self.shown() else { return };
        cmds.push(Cmd::Send(OperatorInput::Confirm {
            step: step.id.clone(),
            attempt: self.attempt(self.ui.shown),
            confirmation: self.confirmation(),
        }));
        // The same card cannot be confirmed twice while the engine takes it in.
        self.ui.card.since = Some(self.now.mono);
        self.ui.follow = true;
    }

    pub(super) fn ask(&mut self, purpose: Purpose) {
        let text = Text {
            purpose,
            field: Field::default(),
        };
        self.ui.dialog = Some(Dialog::new(Kind::Text(text)));
    }

    /// Sets the pace, as chosen in a menu.
    pub(super) fn set_pace(&self, pace: Pace) -> Cmd {
        Cmd::Send(OperatorInput::SetPace {
            pace,
            by: self.operator.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
