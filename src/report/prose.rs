//! Text of a report before any renderer has seen it: words, names as code, and what is stressed.

use serde::{Serialize, Serializer};

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Words.
    Plain(String),
    /// A name, a path, a command: printed as it is.
    Code(String),
    /// Words that matter most.
    Strong(String),
}

/// One line of text. In JSON it is the words alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub(super) Vec<Span>);

/// Words.
pub(super) fn plain(text: impl Into<String>) -> Text {
    Text::default().plain(text)
}

/// A name, a path or a command.
pub(super) fn code(text: impl Into<String>) -> Text {
    Text::default().code(text)
}

/// Words that matter most.
pub(super) fn strong(text: impl Into<String>) -> Text {
    Text::default().strong(text)
}

impl Text {
    /// The same with more words.
    pub(super) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Plain(text.into()));
        self
    }

    /// The same with a name, a path or a command.
    pub(super) fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Code(text.into()));
        self
    }

    /// The same with words that matter most.
    pub(super) fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Strong(text.into()));
        self
    }

    /// The same with somebody's own words between quotation marks.
    pub(super) fn quoted(self, text: &str) -> Self {
        self.plain(format!("\u{201c}{text}\u{201d}"))
    }

    /// The same with another text behind it.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The words alone.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.iter().map(Span::as_str).collect()
    }
}

impl Span {
    fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Code(text) | Self::Strong(text) => text,
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&visible(&self.words()))
    }
}

/// The same text on one line, without what a terminal or a browser would obey instead of showing:
/// control codes, and signs that change the direction of writing.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .map(|sign| if is_unseen(sign) { ' ' } else { sign })
        .collect()
}

fn is_unseen(sign: char) -> bool {
    sign.is_control()
        || matches!(sign,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
