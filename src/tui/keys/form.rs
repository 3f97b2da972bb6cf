//! The keys of a form.

use crossterm::event::KeyCode;

use super::{Binding, ctrl, hint, on};

/// What keys do in a form, beside typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) enum FormAction {
    /// Take the value and go on.
    Accept,
    /// The next field.
    Next,
    /// The field before.
    Previous,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Give up.
    Cancel,
}

/// Keys of a form.
pub(in crate::tui) const FORM: &[Binding<FormAction>] = &[
    hint(
        FormAction::Accept,
        &[on(KeyCode::Enter)],
        "accept",
        "Take the value and go on; after the last one the form is done. What stands above is read to its end first.",
    ),
    hint(
        FormAction::PageUp,
        &[on(KeyCode::PageUp)],
        "up",
        "A page up.",
    ),
    hint(
        FormAction::PageDown,
        &[on(KeyCode::PageDown)],
        "down",
        "A page down.",
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
