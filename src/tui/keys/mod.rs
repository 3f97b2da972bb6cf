//! Every key of every screen, as tables: the hint line, the help overlay and the lookup are made
//! from them, so they cannot disagree.

mod form;
mod home;
mod pager;
mod run;

#[cfg(test)]
mod tests;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub(super) use form::{FORM, FormAction};
pub(super) use home::{HOME, HomeAction};
pub(super) use pager::{PAGER, PagerAction};
pub(super) use run::{Action, RUN};

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
