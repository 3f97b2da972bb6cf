//! The keys while a run is on screen.

use crossterm::event::KeyCode;

use super::{Binding, char, ctrl, hint, on, row};

/// What keys do while a run is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Action {
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
    /// Compare a host key that is not accepted.
    HostKey,
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
    pub(in crate::tui) fn decides(self) -> bool {
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
pub(in crate::tui) const RUN: &[Binding<Action>] = &[
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
        Action::HostKey,
        &[char('i')],
        "host key",
        "Compare a host key that is not accepted; until then the host stays refused.",
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
