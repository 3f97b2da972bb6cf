//! The keys of a long text.

use crossterm::event::KeyCode;

use super::{Binding, char, ctrl, hint, on, row};

/// What keys do in a pager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum PagerAction {
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
pub(in crate::tui) const PAGER: &[Binding<PagerAction>] = &[
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
