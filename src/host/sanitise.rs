//! What a host prints, made safe to show and to keep.
//!
//! Escape sequences, control characters (C0 and C1), bidirectional overrides, zero-width and tag
//! characters are removed; tabs become blanks; a carriage return starts the line anew, as progress
//! lines of `vmkfstools` do. A sequence never reaches over the end of its line, so that an
//! unfinished one cannot hide what follows.

use unicode_width::UnicodeWidthChar;
use vte::{Parser, Perform};

const TAB: usize = 8;

/// Longest line of live output, in bytes as shown; the rest of a longer one is dropped.
const MAX_LINE: usize = 16 << 10;
/// The same as sent: sequences take bytes that are not shown.
const MAX_RAW_LINE: usize = 64 << 10;

/// Everything in `bytes`, safe, with its line ends as `\n`. Invalid UTF-8 becomes U+FFFD.
#[must_use]
pub fn sanitise(bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| {
        let mut screen = Line::new(usize::MAX);
        Parser::new().advance(&mut screen, line);
        screen.text
    });
    let mut text = lines.next().unwrap_or_default();
    for line in lines {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// `text` with each character that could control a terminal, hide or reorder replaced by U+FFFD;
/// line ends and tabs stay. For texts that name things, such as commands and paths: nothing that
/// stands in them disappears.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if is_shown(c) => c,
            _ => '\u{fffd}',
        })
        .collect()
}

/// A piece of live output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A finished line.
    Line(String),
    /// The line as it stands, to be replaced by what comes next.
    Progress(String),
}

/// The same for output that comes in chunks.
pub struct Lines {
    parser: Parser,
    line: Line,
    /// Bytes of the line that were read.
    read: usize,
    shown: String,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            parser: Parser::new(),
            line: Line::new(MAX_LINE),
            read: 0,
            shown: String::new(),
        }
    }
}

impl Lines {
    /// Takes a chunk; hands out each finished line, and at its end the last unfinished one where
    /// it was redrawn by a carriage return.
    pub fn feed(&mut self, chunk: &[u8], mut out: impl FnMut(Piece)) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.read(&rest[..end]);
            rest = &rest[end + 1..];
            self.end_line(&mut out);
        }
        self.read(rest);
        if self.line.redrawn && self.line.text != self.shown {
            self.shown.clone_from(&self.line.text);
            out(Piece::Progress(self.line.text.clone()));
        }
    }

    /// Hands out the last line, if it has no line end.
    pub fn finish(&mut self, mut out: impl FnMut(Piece)) {
        if !self.line.text.is_empty() {
            self.end_line(&mut out);
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let room = MAX_RAW_LINE - self.read;
        let bytes = &bytes[..bytes.len().min(room)];
        self.parser.advance(&mut self.line, bytes);
        self.read += bytes.len();
    }

    fn end_line(&mut self, out: &mut impl FnMut(Piece)) {
        let line = std::mem::replace(&mut self.line, Line::new(MAX_LINE));
        self.parser = Parser::new();
        self.read = 0;
        self.shown.clear();
        out(Piece::Line(line.text));
    }
}

struct Line {
    text: String,
    column: usize,
    limit: usize,
    returned: bool,
    redrawn: bool,
}

impl Line {
    fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            column: 0,
            limit,
            returned: false,
            redrawn: false,
        }
    }

    fn push(&mut self, c: char) {
        if std::mem::take(&mut self.returned) {
            self.text.clear();
            self.column = 0;
        }
        if self.text.len() + c.len_utf8() <= self.limit {
            self.text.push(c);
            self.column += c.width().unwrap_or(0);
        }
    }
}

impl Perform for Line {
    fn print(&mut self, c: char) {
        if is_shown(c) {
            self.push(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => {
                let start = if self.returned { 0 } else { self.column };
                for _ in start % TAB..TAB {
                    self.push(' ');
                }
            }
            b'\r' => {
                self.returned = true;
                self.redrawn |= !self.text.is_empty();
            }
            _ => {}
        }
    }
}

/// Whether a character may reach a terminal: it neither controls it, nor hides, nor reorders.
fn is_shown(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<Piece> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, |piece| out.push(piece));
        }
        lines.finish(|piece| out.push(piece));
        out
    }

    #[test]
    fn sequences_vanish_and_text_stays() {
        assert_eq!(sanitise(b"\x1b[31mred\x1b[0m \x1b]0;title\x07ok"), "red ok");
        assert_eq!(sanitise(b"\x1bP1$rq\x1b\\a\x1b_x\x1b\\b\x9b2Jc"), "ab2Jc");
        assert_eq!(
            sanitise("a\u{9b}b\u{202e}c\u{200b}d\u{feff}e\u{e0041}f".as_bytes()),
            "abcdef"
        );
        assert_eq!(sanitise(b"bell\x07 nul\0 back\x08"), "bell nul back");
        assert_eq!(sanitise("Größe 5 %".as_bytes()), "Größe 5 %");
    }

    #[test]
    fn tabs_are_blanks_and_a_return_starts_the_line_anew() {
        assert_eq!(sanitise(b"a\tb\r\n\tc"), "a       b\n        c");
        assert_eq!(
            sanitise(b"Clone: 5% done.\rClone: 100% done.\r\nend"),
            "Clone: 100% done.\nend"
        );
        assert_eq!(sanitise(b"long line\r\tx"), "        x");
    }

    #[test]
    fn an_unfinished_sequence_hides_no_later_line() {
        assert_eq!(
            sanitise(b"\x1b]0;evil\nVirtual machine is running"),
            "\nVirtual machine is running"
        );
        assert_eq!(
            pieces(&[b"\x1bPevil", b"\nshown\n"]),
            [Piece::Line(String::new()), Piece::Line("shown".into())]
        );
    }

    #[test]
    fn live_output_comes_by_line_and_as_progress() {
        assert_eq!(
            pieces(&[b"one\ntw", b"o\n\r5%", b"\r10%\r", b"\r99%\nend"]),
            [
                Piece::Line("one".into()),
                Piece::Line("two".into()),
                Piece::Progress("10%".into()),
                Piece::Line("99%".into()),
                Piece::Line("end".into()),
            ]
        );
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.feed(&[b'x'; 4096], |_| {});
        }
        assert_eq!(lines.line.text.len(), MAX_LINE);
    }

    proptest! {
        #[test]
        fn nothing_that_controls_gets_through(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = sanitise(&bytes);
            prop_assert!(text.chars().all(|c| c == '\n' || is_shown(c)), "{text:?}");
            prop_assert_eq!(sanitise(text.as_bytes()), text, "not stable");
        }

        #[test]
        fn text_that_is_safe_stays(text in "[ -~äöü€漢\n]{0,200}") {
            prop_assert_eq!(sanitise(text.as_bytes()), text);
        }

        #[test]
        fn chunks_make_no_difference(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(0x1b), Just(b'['), any::<u8>()], 0..200),
            cut in 0usize..200,
        ) {
            let at = cut.min(bytes.len());
            let lines = |chunks: &[&[u8]]| -> Vec<String> {
                pieces(chunks).into_iter().filter_map(|piece| match piece {
                    Piece::Line(line) => Some(line),
                    Piece::Progress(_) => None,
                }).collect()
            };
            let (head, tail) = bytes.split_at(at);
            prop_assert_eq!(lines(&[head, tail]), lines(&[&bytes]));
        }
    }
}
