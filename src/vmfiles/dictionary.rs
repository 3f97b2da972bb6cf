//! Lines of `key = "value"`, every byte kept: the syntax that `.vmx` and `.vmsd` files share.

use std::collections::BTreeMap;
use std::ops::Range;

use encoding_rs::Encoding;

use super::text;

/// A document of `key = "value"` lines, with whatever else stands between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dictionary {
    /// A byte order mark, if the file begins with one.
    mark: &'static [u8],
    lines: Vec<Line>,
    /// Lower-case key to the lines that give it a value, in order.
    index: BTreeMap<String, Vec<usize>>,
    encoding: Option<&'static Encoding>,
    line_end: &'static [u8],
}

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// With its line end, if it has one.
    raw: Vec<u8>,
    entry: Option<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// As written.
    key: String,
    /// Where the value stands in the line, with its quotes.
    span: Range<usize>,
    /// Where its text stands, without them.
    text: Range<usize>,
}

impl Dictionary {
    /// Reads any bytes. Lines that are not `key = value` are kept and mean nothing.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let (mark, bytes) = match bytes.strip_prefix(MARK) {
            Some(rest) => (MARK, rest),
            None => (&b""[..], bytes),
        };
        let lines: Vec<Line> = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|raw| Line {
                raw: raw.to_vec(),
                entry: entry(raw),
            })
            .collect();
        let crlf = lines
            .first()
            .is_some_and(|line| line.raw.ends_with(b"\r\n"));
        let mut document = Self {
            mark,
            lines,
            index: BTreeMap::new(),
            encoding: Some(encoding_rs::UTF_8),
            line_end: if crlf { b"\r\n" } else { b"\n" },
        };
        document.reindex();
        document.encoding = text::declared(document.get(".encoding").as_deref());
        document
    }

    /// The whole document, as it stands now.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.lines.iter().map(|line| &line.raw[..]);
        std::iter::once(self.mark)
            .chain(lines)
            .collect::<Vec<_>>()
            .concat()
    }

    /// The value of a key, whatever its case; the first one if there are several.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        let at = *self.index.get(&key.to_ascii_lowercase())?.first()?;
        self.lines.get(at).and_then(|line| self.value(line))
    }

    /// Every value that a key is given, in order.
    pub(super) fn values(&self, key: &str) -> Vec<String> {
        let lines = self
            .index
            .get(&key.to_ascii_lowercase())
            .map_or(&[][..], Vec::as_slice);
        lines
            .iter()
            .filter_map(|at| self.lines.get(*at))
            .filter_map(|l| self.value(l))
            .collect()
    }

    /// Numbers of the lines, from 1, that give this key a value.
    pub(super) fn lines_of(&self, key: &str) -> Vec<usize> {
        let lines = self
            .index
            .get(&key.to_ascii_lowercase())
            .map_or(&[][..], Vec::as_slice);
        lines.iter().map(|at| at + 1).collect()
    }

    /// Numbers of the lines, from 1, that are neither an entry nor blank nor a comment.
    pub(super) fn odd_lines(&self) -> Vec<usize> {
        let is_odd = |line: &Line| {
            let text = line.raw.trim_ascii();
            line.entry.is_none() && !text.is_empty() && !text.starts_with(b"#")
        };
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| is_odd(line))
            .map(|(at, _)| at + 1)
            .collect()
    }

    /// Keys as written, in the order of their first lines.
    pub(super) fn keys(&self) -> Vec<&str> {
        let mut first: Vec<usize> = self
            .index
            .values()
            .filter_map(|lines| lines.first().copied())
            .collect();
        first.sort_unstable();
        first.iter().filter_map(|at| self.key_at(*at)).collect()
    }

    /// Lower-case keys that begin with a (lower-case) prefix, sorted.
    pub(super) fn keys_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.index
            .range(prefix.to_owned()..)
            .map(|(key, _)| key.as_str())
            .take_while(move |key| key.starts_with(prefix))
    }

    /// Lower-case keys that stand on more than one line.
    pub(super) fn duplicates(&self) -> impl Iterator<Item = &str> {
        self.index
            .iter()
            .filter(|(_, lines)| lines.len() > 1)
            .map(|(key, _)| key.as_str())
    }

    /// Whether there is any entry.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The encoding that values are written in; `None` where the declared one is not known.
    pub(super) fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }

    /// Gives a key, which stands on one line at most, a value already encoded and escaped. The
    /// line keeps its key's spelling, its blanks and its comment; a new one goes behind its kin.
    pub(super) fn put(&mut self, key: &str, value: &[u8]) {
        let lower = key.to_ascii_lowercase();
        let at = self
            .index
            .get(&lower)
            .and_then(|lines| lines.first().copied());
        let line = at.and_then(|at| self.lines.get_mut(at));
        if let Some(line) = line {
            if let Some(entry) = &line.entry {
                let mut raw = line.raw[..entry.span.start].to_vec();
                raw.push(b'"');
                raw.extend_from_slice(value);
                raw.push(b'"');
                raw.extend_from_slice(&line.raw[entry.span.end..]);
                line.entry = self::entry(&raw);
                line.raw = raw;
            }
            return;
        }
        let mut raw = format!("{key} = \"").into_bytes();
        raw.extend_from_slice(value);
        raw.push(b'"');
        raw.extend_from_slice(self.line_end);
        let at = self.place_for(&lower);
        self.lines.insert(
            at,
            Line {
                entry: entry(&raw),
                raw,
            },
        );
        self.reindex();
    }

    /// Takes out every line that gives this key a value; says how many there were.
    pub(super) fn remove(&mut self, key: &str) -> usize {
        let lines = self
            .index
            .get(&key.to_ascii_lowercase())
            .cloned()
            .unwrap_or_default();
        for at in lines.iter().rev() {
            self.lines.remove(*at);
        }
        if !lines.is_empty() {
            self.reindex();
        }
        lines.len()
    }

    /// Behind the last line of the same device (`ethernet0.…`), else at the end; in front of a last
    /// line without a line end, because that line's bytes are not to be touched.
    fn place_for(&self, lower: &str) -> usize {
        let kin = lower
            .split_once('.')
            .map(|(device, _)| format!("{device}."));
        let behind = kin.filter(|kin| kin.len() > 1).and_then(|kin| {
            let lines = self.index.range(kin.clone()..);
            lines
                .take_while(|(key, _)| key.starts_with(&kin))
                .flat_map(|(_, lines)| lines.iter().copied())
                .max()
        });
        let at = behind.map_or(self.lines.len(), |at| at + 1);
        let open = self
            .lines
            .last()
            .is_some_and(|line| !line.raw.ends_with(b"\n"));
        if open && at == self.lines.len() {
            at - 1
        } else {
            at
        }
    }

    fn reindex(&mut self) {
        self.index.clear();
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(entry) = &line.entry {
                self.index
                    .entry(entry.key.to_ascii_lowercase())
                    .or_default()
                    .push(at);
            }
        }
    }

    fn key_at(&self, at: usize) -> Option<&str> {
        self.lines
            .get(at)
            .and_then(|line| line.entry.as_ref())
            .map(|entry| entry.key.as_str())
    }

    fn value(&self, line: &Line) -> Option<String> {
        let raw = line.raw.get(line.entry.as_ref()?.text.clone())?;
        Some(text::unescape(
            &text::decode(raw, self.encoding),
            self.encoding,
        ))
    }
}

/// What a line says, if it is `key = value`: quoted, unquoted, with a quote that never closes, with
/// blanks anywhere, with a comment behind it.
fn entry(raw: &[u8]) -> Option<Entry> {
    let end = raw.len() - trailing(raw);
    let start = blanks(&raw[..end]);
    let equals = start + raw[start..end].iter().position(|byte| *byte == b'=')?;
    let name = raw[start..equals].trim_ascii_end();
    let odd =
        |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"#".contains(byte);
    if name.is_empty() || name.starts_with(b";") || name.iter().any(odd) {
        return None;
    }
    let key = String::from_utf8(name.to_vec()).ok()?;
    let from = equals + 1 + blanks(&raw[equals + 1..end]);
    if raw.get(from) == Some(&b'"') && from < end {
        let close = raw[from + 1..end].iter().position(|byte| *byte == b'"');
        let (span, text) = match close {
            Some(length) => (from..from + length + 2, from + 1..from + 1 + length),
            None => (from..end, from + 1..end),
        };
        return Some(Entry { key, span, text });
    }
    let comment = raw[from..end]
        .iter()
        .position(|byte| *byte == b'#')
        .unwrap_or(end - from);
    let to = from + raw[from..from + comment].trim_ascii_end().len();
    Some(Entry {
        key,
        span: from..to,
        text: from..to,
    })
}

/// Length of a line's end: the line feed with its carriage return, and blanks before it.
fn trailing(raw: &[u8]) -> usize {
    raw.len() - raw.trim_ascii_end().len()
}

fn blanks(raw: &[u8]) -> usize {
    raw.len() - raw.trim_ascii_start().len()
}
