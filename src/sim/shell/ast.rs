//! What the simulated shell understands, as a tree.

use std::sync::{Arc, OnceLock};

/// A piece of a word before expansion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text; quoted text is neither split nor globbed.
    Text {
        /// The text.
        text: String,
        /// Whether it stood in quotes.
        quoted: bool,
    },
    /// `$name`, `${name}`, `${name:-word}` …
    Parameter {
        /// A name, a digit, or one of `@ * # ? $ ! -`.
        name: String,
        /// What is done with the value.
        operation: Option<(String, Word)>,
        /// Whether it stood in double quotes.
        quoted: bool,
    },
    /// `$(…)` or backquotes.
    Command {
        /// What runs.
        list: List,
        /// Whether it stood in double quotes.
        quoted: bool,
    },
    /// `$((…))`
    Arithmetic {
        /// The expression, itself expanded first.
        expression: Word,
        /// Whether it stood in double quotes.
        quoted: bool,
    },
}

/// A word.
pub(crate) type Word = Vec<Piece>;

/// Commands one after the other.
pub(crate) type List = Vec<Item>;

/// An and-or list, possibly in the background.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// The first pipeline.
    pub(crate) first: Pipeline,
    /// The others: run on success (`&&`, true) or failure (`||`, false).
    pub(crate) rest: Vec<(bool, Pipeline)>,
    /// `&`
    pub(crate) background: bool,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    /// `!`
    pub(crate) negated: bool,
    /// At least one.
    pub(crate) commands: Vec<Command>,
}

/// One command with its redirections.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    /// What it is.
    pub(crate) kind: Kind,
    /// Applied from left to right.
    pub(crate) redirections: Vec<Redirection>,
}

/// The kinds of command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `name=value … word …`
    Simple {
        /// Assignments in front.
        assignments: Vec<(String, Word)>,
        /// The words.
        words: Vec<Word>,
    },
    /// `( … )`
    Subshell(List),
    /// `{ …; }`
    Group(List),
    /// Conditions with their branches, and what runs if none holds.
    If(Vec<(List, List)>, List),
    /// `while` (true) or `until` (false).
    Loop(bool, List, List),
    /// `for name in words`; no words means `"$@"`.
    For(String, Option<Vec<Word>>, List),
    /// `case word in pattern|pattern) …;;`
    Case(Word, Vec<(Vec<Word>, List)>),
}

/// One redirection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redirection {
    /// 0, 1 or 2.
    pub(crate) fd: u32,
    /// Where to.
    pub(crate) target: Target,
}

/// Where a stream goes to or comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// `< file`
    Read(Word),
    /// `> file`
    Write(Word),
    /// `>> file`
    Append(Word),
    /// `>&n`, `<&n`
    Same(Word),
    /// `<< word`; its text is filled in when the lines have been read.
    Here(Arc<OnceLock<Word>>),
}
