//! Colours, glyphs and what a terminal can show of them.
//!
//! Views draw with Unicode signs and the sixteen named colours, so that the person's own colour
//! scheme rules, and never ask what the terminal can do: [`Theme::degrade`] is one pass over the
//! finished buffer. Meaning is always a word or a sign as well as a colour.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::engine::Status;
use crate::runbook::model::Mode;
use crate::telemetry::LinkState;

use super::text;

/// How much colour a terminal gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourLevel {
    /// None: bold, reverse and dim only.
    Mono,
    /// The sixteen named colours.
    Sixteen,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// How much colour.
    pub colour: ColourLevel,
    /// Lines and signs beyond ASCII.
    pub unicode: bool,
    /// It understands a window title.
    pub title: bool,
}

impl Theme {
    /// Reads the environment through `var`: `NO_COLOR` (not empty) wins, then `FORCE_COLOR` and
    /// `CLICOLOR_FORCE`, then `TERM`. Unicode needs a UTF-8 locale and a terminal with the signs,
    /// which the Linux console is not.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let plain = term.is_empty() || term == "dumb" || term.starts_with("vt");
        let forced = ["FORCE_COLOR", "CLICOLOR_FORCE"]
            .iter()
            .any(|name| set(name).is_some_and(|v| v != "0"));
        let colour = if set("NO_COLOR").is_some() || (plain && !forced) {
            ColourLevel::Mono
        } else {
            ColourLevel::Sixteen
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| set(name));
        let utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let signs = !plain && term != "linux";
        Self {
            colour,
            unicode: utf8 && signs,
            title: signs,
        }
    }

    /// Brings a finished buffer down to what the terminal can show, and keeps anything that could
    /// steer a terminal out of it whatever the views drew.
    pub(super) fn degrade(self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if self.colour == ColourLevel::Mono {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            let symbol = cell.symbol();
            if symbol.is_ascii() && !symbol.bytes().any(|byte| byte.is_ascii_control()) {
                continue;
            }
            if symbol.chars().any(text::is_unsafe) {
                cell.set_symbol("?");
            } else if !self.unicode {
                let plain = symbol.chars().next().map_or("?", ascii);
                cell.set_symbol(plain);
            }
        }
    }
}

/// The nearest ASCII to a sign.
fn ascii(sign: char) -> &'static str {
    match sign {
        '─' | '━' | '═' | '–' | '—' | '░' => "-",
        '│' | '┃' | '║' => "|",
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╔' | '╗' | '╚' | '╝' => {
            "+"
        }
        '✓' => "+",
        '▸' | '→' | '›' | '»' => ">",
        '▾' | '↓' => "v",
        '↑' => "^",
        '←' | '‹' | '«' => "<",
        '✗' | '×' => "x",
        '∙' | '·' => ".",
        '█' => "#",
        '…' => "~",
        '‘' | '’' => "'",
        '“' | '”' => "\"",
        '±' => "~",
        _ => "?",
    }
}

/// What something on the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Text.
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// Achieved.
    Good,
    /// Wrong.
    Bad,
    /// Needs attention.
    Warn,
    /// Under way.
    Busy,
    /// A key to press.
    Key,
    /// The key to press next, and the line that is selected.
    Chosen,
    /// A host's name.
    Host,
}

impl Role {
    pub(super) const fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Plain => style,
            Self::Dim => style.add_modifier(Modifier::DIM),
            Self::Strong => style.add_modifier(Modifier::BOLD),
            Self::Good => style.fg(Color::Green),
            Self::Bad => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Warn => style.fg(Color::Yellow).add_modifier(Modifier::BOLD),
            Self::Busy => style.fg(Color::Cyan),
            Self::Key => style.add_modifier(Modifier::BOLD),
            Self::Chosen => style.add_modifier(Modifier::REVERSED),
            Self::Host => style.fg(Color::Blue).add_modifier(Modifier::BOLD),
        }
    }
}

/// The mode's own colour; always beside its word.
pub(super) const fn mode_style(mode: Mode) -> Style {
    let colour = match mode {
        Mode::Practice => Color::Cyan,
        Mode::Drill => Color::Yellow,
        Mode::Failover => Color::Red,
        Mode::Planned => Color::Magenta,
        Mode::Failback => Color::Blue,
    };
    Style::new()
        .fg(colour)
        .add_modifier(Modifier::BOLD)
        .add_modifier(Modifier::REVERSED)
}

/// One cell for a step's status.
pub(super) const fn glyph(status: Status) -> &'static str {
    match status {
        Status::Waiting => "∙",
        Status::Probing | Status::Running | Status::Undoing => "▸",
        Status::Asking => "!",
        Status::InDoubt | Status::Stopping => "?",
        Status::Held => "=",
        Status::Done | Status::AlreadyDone | Status::ByHand => "✓",
        Status::Skipped => "-",
        Status::Failed => "✗",
        Status::Undone => "←",
    }
}

/// How a step's status looks.
pub(super) const fn status_role(status: Status) -> Role {
    match status {
        Status::Waiting | Status::Undone => Role::Dim,
        Status::Probing | Status::Running | Status::Undoing => Role::Busy,
        Status::Asking | Status::InDoubt | Status::Stopping | Status::Held | Status::Skipped => {
            Role::Warn
        }
        Status::Done | Status::AlreadyDone | Status::ByHand => Role::Good,
        Status::Failed => Role::Bad,
    }
}

/// The word and look of a link.
pub(super) const fn link(state: LinkState) -> (&'static str, Role) {
    match state {
        LinkState::Unknown => ("not asked yet", Role::Dim),
        LinkState::Up => ("up", Role::Good),
        LinkState::Slow => ("slow", Role::Warn),
        LinkState::Down => ("no answer", Role::Bad),
        LinkState::Refused => ("refused", Role::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    fn detect(vars: &[(&str, &str)]) -> Theme {
        Theme::detect(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_decides_what_is_shown() {
        let full = detect(&[("TERM", "xterm-256color"), ("LANG", "en_GB.UTF-8")]);
        assert_eq!(
            full,
            Theme {
                colour: ColourLevel::Sixteen,
                unicode: true,
                title: true
            }
        );
        let quiet = detect(&[("TERM", "xterm"), ("LANG", "C.utf8"), ("NO_COLOR", "1")]);
        assert_eq!(
            quiet,
            Theme {
                colour: ColourLevel::Mono,
                unicode: true,
                title: true
            }
        );
        // Set and empty is not set.
        assert_eq!(
            detect(&[("TERM", "xterm"), ("NO_COLOR", "")]).colour,
            ColourLevel::Sixteen
        );
        let console = detect(&[("TERM", "linux"), ("LANG", "en_GB.UTF-8")]);
        assert_eq!(
            console,
            Theme {
                colour: ColourLevel::Sixteen,
                unicode: false,
                title: false
            }
        );
        assert_eq!(detect(&[("TERM", "dumb")]).colour, ColourLevel::Mono);
        let forced = detect(&[("TERM", "dumb"), ("FORCE_COLOR", "1")]);
        assert_eq!(forced.colour, ColourLevel::Sixteen);
        let both = detect(&[("TERM", "xterm"), ("FORCE_COLOR", "1"), ("NO_COLOR", "1")]);
        assert_eq!(both.colour, ColourLevel::Mono);
        // LC_ALL stands above LANG.
        assert!(!detect(&[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]).unicode);
    }

    #[test]
    fn one_pass_takes_colour_signs_and_anything_that_steers_a_terminal_away() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        buffer.set_string(0, 0, "✓é┤a", mode_style(Mode::Failover));
        buffer[(4, 0)].set_symbol("\u{1b}");
        buffer[(5, 0)].set_symbol("\u{202e}");
        Theme {
            colour: ColourLevel::Mono,
            unicode: false,
            title: false,
        }
        .degrade(&mut buffer);
        let text: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(text, "+?+a??");
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
        assert!(buffer[(0, 0)].modifier.contains(Modifier::REVERSED));
    }
}
