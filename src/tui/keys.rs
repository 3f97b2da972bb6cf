//! Every key of every screen, as tables: the hint line, the help overlay and the lookup are made
//! from them, so they cannot disagree.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key as it is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Press {
    code: KeyCode,
    ctrl: bool,
}

impl Press {
    fn is(self, key: &KeyEvent) -> bool {
        self.code == key.code
            && self.ctrl == key.modifiers.contains(KeyModifiers::CONTROL)
            && !key.modifiers.contains(KeyModifiers::ALT)
    }

    /// As it is written on screens: `Enter`, `Ctrl-C`, `s`.
    pub(super) fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.ctrl => c.to_ascii_uppercase().to_string(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "Up".to_owned(),
            KeyCode::Down => "Down".to_owned(),
            KeyCode::Left => "Left".to_owned(),
            KeyCode::Right => "Right".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(n) => format!("F{n}"),
            code => format!("{code:?}"),
        };
        if self.ctrl {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }
}

const fn on(code: KeyCode) -> Press {
    Press { code, ctrl: false }
}

const fn char(c: char) -> Press {
    on(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Press {
    Press {
        code: KeyCode::Char(c),
        ctrl: true,
    }
}

/// One row of a table.
#[derive(Debug)]
pub(super) struct Binding<A: 'static> {
    /// What it does.
    pub action: A,
    /// The keys; the first is the one that is shown.
    pub keys: &'static [Press],
    /// A word or two for the hint line.
    pub label: &'static str,
    /// A sentence for the help overlay.
    pub help: &'static str,
    /// Whether the hint line shows it.
    pub hint: bool,
}

const fn row<A>(
    action: A,
    keys: &'static [Press],
    label: &'static str,
    help: &'static str,
) -> Binding<A> {
    Binding {
        action,
        keys,
        label,
        help,
        hint: false,
    }
}

const fn hint<A>(
    action: A,
    keys: &'static [Press],
    label: &'static str,
    help: &'static str,
) -> Binding<A> {
    Binding {
        action,
        keys,
        label,
        help,
        hint: true,
    }
}

/// What each key of a table does, a line for each, as a pager shows it.
pub(super) fn told<A>(table: &[Binding<A>]) -> String {
    let lines = table.iter().map(|binding| {
        let names: Vec<String> = binding.keys.iter().map(|press| press.name()).collect();
        format!("{:<16}  {}", names.join(", "), binding.help)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The action that a key stands for.
pub(super) fn lookup<A: Copy>(table: &[Binding<A>], key: &KeyEvent) -> Option<A> {
    table
        .iter()
        .find(|binding| binding.keys.iter().any(|press| press.is(key)))
        .map(|binding| binding.action)
}

/// What keys do while a run is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The highlighted default.
    Act,
    /// Leave the step out.
    Skip,
    /// Say no to what a prompt or a gate asks.
    Decline,
    /// It was done outside Lifeboat.
    ByHand,
    /// Try again.
    Retry,
    /// Take the step back.
    Undo,
    /// Choose the pace.
    Pace,
    /// Start nothing new, or go on.
    Pause,
    /// The grid.
    Grid,
    /// One host.
    Host,
    /// The log.
    Log,
    /// A remark.
    Note,
    /// Tell those who wait.
    Update,
    /// How the run stands, and handing it over.
    Handover,
    /// End a drill early.
    Abort,
    /// The next step that waits for a person.
    Next,
    /// The one before.
    Previous,
    /// Help.
    Help,
    /// Leave the run.
    Leave,
    /// The next pane.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// A pane by its number.
    Pane(u8),
    /// Choose otherwise than is proposed.
    Choose,
    /// Scripts on the card whole, or by their names again.
    Exact,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    First,
    /// To the end.
    Last,
    /// Search.
    Search,
    /// What the log shows.
    Filter,
    /// Back; means no.
    Back,
    /// Leave at once, if pressed twice.
    Detach,
    /// Draw everything anew.
    Redraw,
}

impl Action {
    /// Whether it tells the run something; whoever only watches cannot.
    pub(super) fn decides(self) -> bool {
        matches!(
            self,
            Self::Skip
                | Self::Decline
                | Self::ByHand
                | Self::Retry
                | Self::Undo
                | Self::Pace
                | Self::Pause
                | Self::Note
                | Self::Update
                | Self::Choose
                | Self::Abort
        )
    }
}

/// Keys of the run screen, its most needed first.
pub(super) const RUN: &[Binding<Action>] = &[
    hint(
        Action::Act,
        &[on(KeyCode::Enter)],
        "go on",
        "Do what is highlighted at the bottom left: the next right thing.",
    ),
    hint(
        Action::Abort,
        &[char('x')],
        "abort",
        "End the drill at once, on the word of whoever holds the abort key; a reason is asked.",
    ),
    hint(
        Action::Decline,
        &[char('d')],
        "no",
        "Decline what a prompt or a gate asks: it fails, and your reason is reported.",
    ),
    hint(
        Action::Skip,
        &[char('s')],
        "skip",
        "Leave this step out; a reason is asked and reported.",
    ),
    hint(
        Action::ByHand,
        &[char('h')],
        "by hand",
        "This step was done outside Lifeboat; evidence is asked and reported.",
    ),
    hint(
        Action::Retry,
        &[char('r')],
        "retry",
        "Try again: this step, everything of this VM, or everything that failed.",
    ),
    hint(
        Action::Undo,
        &[char('u')],
        "undo",
        "Take this step back, where the step says how.",
    ),
    row(
        Action::Choose,
        &[char('c')],
        "choose",
        "Another restore point than the step proposes; its card is shown before anything is sent.",
    ),
    row(
        Action::Exact,
        &[char('e')],
        "exact",
        "On the card: the scripts behind its commands, whole, or by their names again.",
    ),
    hint(
        Action::Pace,
        &[char('p')],
        "pace",
        "How far the run goes on its own: step, phase or auto. Gates always wait.",
    ),
    hint(
        Action::Log,
        &[char('l')],
        "log",
        "Every command and event; / searches, f filters.",
    ),
    hint(
        Action::Host,
        &[char('z')],
        "host",
        "One host on the whole screen, with the commands it got.",
    ),
    hint(
        Action::Grid,
        &[char('g')],
        "grid",
        "Every VM against every phase.",
    ),
    hint(
        Action::Pause,
        &[char('a')],
        "pause",
        "Start nothing new; what runs goes on to its end. Again to continue.",
    ),
    hint(
        Action::Note,
        &[char('!')],
        "note",
        "A remark for the journal and the report.",
    ),
    row(
        Action::Update,
        &[char('t')],
        "update",
        "Tell those who wait how things stand; a line is proposed. The bell rings when it is due.",
    ),
    row(
        Action::Handover,
        &[char('o')],
        "hand over",
        "How the run stands in 20 lines; from there it is offered to another person, or taken over.",
    ),
    row(
        Action::Next,
        &[char('n')],
        "next",
        "The next step that waits for a person; in the log the next match.",
    ),
    row(
        Action::Previous,
        &[char('N')],
        "previous",
        "The one before it.",
    ),
    hint(
        Action::Help,
        &[char('?'), on(KeyCode::F(1))],
        "help",
        "This page.",
    ),
    row(
        Action::Leave,
        &[char('q')],
        "leave",
        "Leave the run; it asks first, and the run stays resumable.",
    ),
    row(
        Action::NextPane,
        &[on(KeyCode::Tab)],
        "next pane",
        "Move to the next pane.",
    ),
    row(
        Action::PreviousPane,
        &[on(KeyCode::BackTab)],
        "pane before",
        "Move to the pane before.",
    ),
    row(Action::Pane(1), &[char('1')], "steps", "The steps."),
    row(
        Action::Pane(2),
        &[char('2')],
        "step card",
        "The step: why, what will be sent, what was found.",
    ),
    row(Action::Pane(3), &[char('3')], "hosts", "The hosts."),
    row(
        Action::Pane(4),
        &[char('4')],
        "output",
        "What was sent to hosts and what they printed.",
    ),
    row(
        Action::Up,
        &[on(KeyCode::Up), char('k')],
        "up",
        "Move up in the pane.",
    ),
    row(
        Action::Down,
        &[on(KeyCode::Down), char('j')],
        "down",
        "Move down in the pane.",
    ),
    row(
        Action::Left,
        &[on(KeyCode::Left)],
        "left",
        "The host before, in the view of one host.",
    ),
    row(
        Action::Right,
        &[on(KeyCode::Right)],
        "right",
        "The next host, in the view of one host.",
    ),
    row(
        Action::PageUp,
        &[on(KeyCode::PageUp), ctrl('u')],
        "page up",
        "Scroll up by a page; the step card if no other pane is in use.",
    ),
    row(
        Action::PageDown,
        &[on(KeyCode::PageDown), ctrl('d')],
        "page down",
        "Scroll down by a page.",
    ),
    row(
        Action::First,
        &[on(KeyCode::Home)],
        "first",
        "To the beginning.",
    ),
    row(
        Action::Last,
        &[on(KeyCode::End), char('G')],
        "last",
        "To the end.",
    ),
    row(Action::Search, &[char('/')], "search", "Search the log."),
    row(
        Action::Filter,
        &[char('f')],
        "filter",
        "In the log: all, commands, events, output.",
    ),
    row(
        Action::Back,
        &[on(KeyCode::Esc)],
        "back",
        "Back, to the step that is next; in a dialog it means no.",
    ),
    row(
        Action::Detach,
        &[ctrl('c')],
        "detach",
        "Twice within 2 s: leave at once. The run stays resumable, nothing is lost.",
    ),
    row(
        Action::Redraw,
        &[ctrl('l')],
        "redraw",
        "Draw the screen anew.",
    ),
];

/// What keys do at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HomeAction {
    /// The highlighted default.
    Act,
    /// Practise.
    Practice,
    /// A drill beside production.
    Drill,
    /// The real thing.
    Run,
    /// The way home.
    Failback,
    /// What the run did stays.
    Commit,
    /// What the run did is taken back.
    Rollback,
    /// What the run made is removed.
    Cleanup,
    /// An ending that was begun is left.
    LeaveEnding,
    /// Read the report.
    Report,
    /// What the keys do.
    Help,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Leave.
    Quit,
}

/// Keys of home.
pub(super) const HOME: &[Binding<HomeAction>] = &[
    hint(
        HomeAction::Act,
        &[on(KeyCode::Enter)],
        "open",
        "What is highlighted: resume an unfinished run, open a runbook or a report.",
    ),
    hint(
        HomeAction::Practice,
        &[char('p')],
        "practice",
        "Practise with this runbook on a simulated site.",
    ),
    hint(
        HomeAction::Drill,
        &[char('d')],
        "drill",
        "Drill this runbook beside production, in isolation; the protected site is left alone.",
    ),
    hint(
        HomeAction::Run,
        &[char('r')],
        "failover",
        "Run this runbook for real, on a drill from its disks; every step is shown before it is sent.",
    ),
    hint(
        HomeAction::Failback,
        &[char('b')],
        "fail back",
        "Bring the VMs of this run, or this runbook, home.",
    ),
    hint(
        HomeAction::Commit,
        &[char('c')],
        "commit",
        "What this run did stays; it shows what is deleted, and asks.",
    ),
    hint(
        HomeAction::Rollback,
        &[char('u')],
        "roll back",
        "Take back what this run did, step by step.",
    ),
    hint(
        HomeAction::Cleanup,
        &[char('x')],
        "clean up",
        "Remove what this run made; it shows the list, and asks.",
    ),
    hint(
        HomeAction::LeaveEnding,
        &[char('l')],
        "leave",
        "Leave an ending of which nothing was done, with a reason.",
    ),
    hint(
        HomeAction::Report,
        &[char('v')],
        "report",
        "Read this run's report.",
    ),
    hint(
        HomeAction::Help,
        &[char('?')],
        "help",
        "What each key does.",
    ),
    row(
        HomeAction::Up,
        &[on(KeyCode::Up), char('k')],
        "up",
        "Move up.",
    ),
    row(
        HomeAction::Down,
        &[on(KeyCode::Down), char('j')],
        "down",
        "Move down.",
    ),
    hint(
        HomeAction::Quit,
        &[char('q'), on(KeyCode::Esc), ctrl('c')],
        "quit",
        "Leave; nothing is running.",
    ),
];

/// What keys do in a form, beside typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormAction {
    /// Take the value and go on.
    Accept,
    /// The next field.
    Next,
    /// The field before.
    Previous,
    /// Give up.
    Cancel,
}

/// Keys of a form.
pub(super) const FORM: &[Binding<FormAction>] = &[
    hint(
        FormAction::Accept,
        &[on(KeyCode::Enter)],
        "accept",
        "Take the value and go on; after the last one the form is done.",
    ),
    hint(
        FormAction::Next,
        &[on(KeyCode::Down), on(KeyCode::Tab)],
        "next",
        "The next field.",
    ),
    hint(
        FormAction::Previous,
        &[on(KeyCode::Up), on(KeyCode::BackTab)],
        "back",
        "The field before.",
    ),
    hint(
        FormAction::Cancel,
        &[on(KeyCode::Esc), ctrl('c')],
        "give up",
        "Leave; nothing is started.",
    ),
];

/// What keys do in a pager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PagerAction {
    /// Up.
    Up,
    /// Down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    First,
    /// To the end.
    Last,
    /// Close.
    Close,
}

/// Keys of the pager.
pub(super) const PAGER: &[Binding<PagerAction>] = &[
    hint(
        PagerAction::Up,
        &[on(KeyCode::Up), char('k')],
        "up",
        "A line up.",
    ),
    hint(
        PagerAction::Down,
        &[on(KeyCode::Down), char('j')],
        "down",
        "A line down.",
    ),
    hint(
        PagerAction::PageUp,
        &[on(KeyCode::PageUp), ctrl('u'), char('b')],
        "page up",
        "A page up.",
    ),
    hint(
        PagerAction::PageDown,
        &[on(KeyCode::PageDown), ctrl('d'), char(' ')],
        "page down",
        "A page down.",
    ),
    row(
        PagerAction::First,
        &[on(KeyCode::Home), char('g')],
        "first",
        "To the beginning.",
    ),
    row(
        PagerAction::Last,
        &[on(KeyCode::End), char('G')],
        "last",
        "To the end.",
    ),
    hint(
        PagerAction::Close,
        &[char('q'), on(KeyCode::Esc), on(KeyCode::Enter), ctrl('c')],
        "close",
        "Close.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check<A: Copy + std::fmt::Debug + PartialEq>(table: &[Binding<A>]) {
        let mut seen: Vec<Press> = Vec::new();
        for binding in table {
            assert!(!binding.keys.is_empty(), "{:?} has no key", binding.action);
            assert!(
                !binding.label.is_empty() && binding.label.len() <= 12,
                "{:?}",
                binding.action
            );
            assert!(
                binding.help.ends_with('.'),
                "{:?} has no sentence",
                binding.action
            );
            for press in binding.keys {
                assert!(!seen.contains(press), "{} is bound twice", press.name());
                seen.push(*press);
                let mut key = KeyEvent::new(press.code, KeyModifiers::NONE);
                if press.ctrl {
                    key.modifiers = KeyModifiers::CONTROL;
                }
                assert_eq!(lookup(table, &key), Some(binding.action));
            }
            let rows = table
                .iter()
                .filter(|other| other.action == binding.action)
                .count();
            assert_eq!(rows, 1, "{:?} stands twice", binding.action);
        }
    }

    #[test]
    fn every_action_has_a_key_a_label_and_a_sentence() {
        check(RUN);
        check(HOME);
        check(FORM);
        check(PAGER);
    }

    #[test]
    fn shift_does_not_hide_a_sign_and_alt_does() {
        let key = KeyEvent::new(KeyCode::Char('!'), KeyModifiers::SHIFT);
        assert_eq!(lookup(RUN, &key), Some(Action::Note));
        let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::ALT);
        assert_eq!(lookup(RUN, &key), None);
        let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
        assert_eq!(lookup(RUN, &key), None);
    }
}
