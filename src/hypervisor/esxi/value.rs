//! The value syntax in which `vim-cmd` prints what hostd told it.
//!
//! `(type) {` … `}` is an object, `(type) [` … `]` a list, `(type) null` nothing, `<unset>` not
//! set, `"…"` a string, `'…'` a reference, anything else a bare word. There is no escaping: inner
//! quotes and newlines stand in strings as they are. Commas come and go between versions (5.x ends
//! every field with one, 6.x and later leave out the last), as does `dynamicType`, so the parser
//! goes by lines and needs no separators.
//!
//! A string ends at a quote at a line's end, if what follows looks like the next field. A note
//! that imitates that can add fields after itself, never before: [`Value::get`] takes the first
//! field of a name, and what decides anything (`runtime`, `name`, `vmPathName`, `uuid`) stands
//! before the annotation.

use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::unexpected;

/// Deepest nesting that is followed; real replies stay under ten.
const DEPTH: usize = 64;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `<unset>`, or `(type) null`.
    Unset,
    /// A string.
    Text(String),
    /// A managed object reference, e.g. `vim.VirtualMachine:101`.
    Reference(String),
    /// A number, a boolean, or a word.
    Bare(String),
    /// A list.
    List(Vec<Value>),
    /// An object: its type and its fields in the order in which they came.
    Object(String, Vec<(String, Value)>),
}

impl Value {
    /// Reads the first value of a reply; lines before it (`Listsummary:`) are left aside.
    ///
    /// # Errors
    ///
    /// [`DriverFault::Unexpected`] where there is none or where it ends in the middle.
    pub fn parse(text: &str, what: &'static str) -> Result<Self, DriverFault> {
        match Self::parse_prefix(text) {
            Some((value, true)) => Ok(value),
            Some((_, false)) => Err(unexpected(what, "a reply that ends in the middle")),
            None => Err(unexpected(what, text)),
        }
    }

    /// Reads the first value of a text, and whether it came to its end.
    pub(super) fn parse_prefix(text: &str) -> Option<(Self, bool)> {
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.iter().position(|line| line.starts_with('('))?;
        let mut reader = Reader {
            lines: &lines,
            next: start + 1,
            complete: true,
        };
        let value = reader.value(lines[start], false, 0);
        Some((value, reader.complete))
    }

    /// A field of an object; the first of that name. [`Value::Unset`] where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Self::Object(_, fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map_or(&Self::Unset, |(_, value)| value),
            _ => &Self::Unset,
        }
    }

    /// A field of a field of …
    #[must_use]
    pub fn at(&self, path: &[&str]) -> &Value {
        path.iter().fold(self, |value, name| value.get(name))
    }

    /// The text of a string or of a reference.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Reference(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string that is not empty.
    #[must_use]
    pub fn filled(&self) -> Option<&str> {
        self.text().filter(|text| !text.is_empty())
    }

    /// A whole number that is not negative; also where it was printed as a string.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Bare(text) | Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number with its sign.
    #[must_use]
    pub fn signed(&self) -> Option<i64> {
        match self {
            Self::Bare(text) | Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The items of a list; nothing for anything else.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Whether this is `<unset>` or null.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// The type of an object, e.g. `vim.vm.Summary`.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        match self {
            Self::Object(name, _) => Some(name),
            _ => None,
        }
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    next: usize,
    complete: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.next).copied();
        match line {
            Some(_) => self.next += 1,
            None => self.complete = false,
        }
        line
    }

    /// Reads the value that begins with `first`, the rest of the current line.
    fn value(&mut self, first: &str, in_list: bool, depth: usize) -> Value {
        if let Some(rest) = first.strip_prefix('"') {
            return Value::Text(self.string(rest, in_list));
        }
        let bare = first.trim_end();
        let bare = bare.strip_suffix(',').unwrap_or(bare).trim_end();
        if bare == "<unset>" {
            return Value::Unset;
        }
        if let Some(reference) = bare.strip_prefix('\'') {
            return Value::Reference(reference.strip_suffix('\'').unwrap_or(reference).to_owned());
        }
        let typed = bare.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match typed.map(|(name, rest)| (name, rest.trim())) {
            Some((_, "null")) => Value::Unset,
            Some((_, "[]")) => Value::List(Vec::new()),
            Some((name, "{}")) => Value::Object(name.to_owned(), Vec::new()),
            Some((_, "[" | "{")) if depth == DEPTH => {
                self.complete = false;
                self.next = self.lines.len();
                Value::Unset
            }
            Some((_, "[")) => Value::List(self.list(depth + 1)),
            Some((name, "{")) => Value::Object(name.to_owned(), self.object(depth + 1)),
            _ => Value::Bare(bare.to_owned()),
        }
    }

    fn object(&mut self, depth: usize) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        while let Some(line) = self.line() {
            let line = line.trim_start();
            if line.starts_with('}') {
                break;
            }
            if line.starts_with(']') {
                self.complete = false;
                break;
            }
            if let Some((name, first)) = field(line) {
                let value = self.value(first, false, depth);
                fields.push((name.to_owned(), value));
            }
        }
        fields
    }

    fn list(&mut self, depth: usize) -> Vec<Value> {
        let mut items = Vec::new();
        while let Some(line) = self.line() {
            let line = line.trim_start();
            if line.starts_with(']') {
                break;
            }
            if line.starts_with('}') {
                self.complete = false;
                break;
            }
            if !line.is_empty() {
                let item = self.value(line, true, depth);
                items.push(item);
            }
        }
        items
    }

    /// Reads the string of which `rest` is the first line, after its opening quote.
    fn string(&mut self, rest: &str, in_list: bool) -> String {
        let mut text = String::new();
        let mut line = rest;
        loop {
            let trimmed = line.trim_end();
            let trimmed = trimmed.strip_suffix(',').unwrap_or(trimmed).trim_end();
            if let Some(last) = trimmed.strip_suffix('"')
                && self.continues(in_list)
            {
                text.push_str(last);
                return text;
            }
            text.push_str(line);
            match self.line() {
                Some(next) => line = next,
                None => return text,
            }
            text.push('\n');
        }
    }

    /// Whether the next lines look like what follows a finished value.
    fn continues(&self, in_list: bool) -> bool {
        let rest = self.lines.get(self.next..).unwrap_or_default();
        let Some(line) = rest
            .iter()
            .map(|line| line.trim())
            .find(|line| !line.is_empty())
        else {
            return true;
        };
        if in_list {
            line.starts_with([']', '"', '\'', '(', '<'])
        } else {
            line.starts_with(['}', ']']) || field(line).is_some()
        }
    }
}

/// `name = value`; a name is an identifier.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" =")?;
    let mut characters = name.chars();
    let starts = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on = characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    (starts && goes_on && (value.is_empty() || value.starts_with(' ')))
        .then(|| (name, value.trim_start_matches(' ')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "Listsummary:\n\n(vim.vm.Summary) {\n   dynamicType = <unset>, \n   vm = 'vim.VirtualMachine:7', \n   \
        runtime = (vim.vm.RuntimeInfo) {\n      dynamicType = <unset>, \n      device = (vim.X) [\n         (vim.X) {\n            key = 4000, \n            \
        why = (string) [\n               \"one\", \n               \"two\"\n            ], \n         }\n      ], \n      powerState = \"poweredOff\", \n      \
        question = (vim.vm.QuestionInfo) null, \n   }, \n   tags = (ManagedObjectReference) [], \n}\n";

    #[test]
    fn reads_the_layout_of_5x_with_its_commas_everywhere() {
        let value = Value::parse(OLD, "x").unwrap();
        assert_eq!(value.type_name(), Some("vim.vm.Summary"));
        assert_eq!(value.get("vm").text(), Some("vim.VirtualMachine:7"));
        assert_eq!(
            value.at(&["runtime", "powerState"]).text(),
            Some("poweredOff")
        );
        assert!(value.at(&["runtime", "question"]).is_unset());
        let device = &value.at(&["runtime", "device"]).items()[0];
        assert_eq!(device.get("key").number(), Some(4000));
        let why: Vec<_> = device
            .get("why")
            .items()
            .iter()
            .filter_map(Value::text)
            .collect();
        assert_eq!(why, ["one", "two"]);
        assert_eq!(value.get("tags"), &Value::List(Vec::new()));
    }

    #[test]
    fn reads_the_layout_without_commas_and_blanks() {
        let value = Value::parse(
            "(a.B) {\n x = <unset>\n y = \"v\"\n z = -1\n w = true\n}",
            "x",
        )
        .unwrap();
        assert!(value.get("x").is_unset());
        assert_eq!(value.get("y").text(), Some("v"));
        assert_eq!(value.get("z").signed(), Some(-1));
        assert_eq!(value.get("z").number(), None);
        assert_eq!(value.get("w").flag(), Some(true));
    }

    #[test]
    fn strings_keep_inner_quotes_and_newlines() {
        let text = "(a) {\n   msg = \"corresponding to \"2\"\"\n   annotation = \"He said \"no\"\nand, then,\n\n  left\", \n   uuid = \"5\"\n}";
        let value = Value::parse(text, "x").unwrap();
        assert_eq!(value.get("msg").text(), Some("corresponding to \"2\""));
        assert_eq!(
            value.get("annotation").text(),
            Some("He said \"no\"\nand, then,\n\n  left")
        );
        assert_eq!(value.get("uuid").text(), Some("5"));
        let tab = Value::parse("(a) {\n  x = \"\u{b}\n\"\n}", "x").unwrap();
        assert_eq!(tab.get("x").text(), Some("\u{b}\n"));
        assert_eq!(
            Value::parse("(a) {\n  x = \"\"\n}", "x")
                .unwrap()
                .get("x")
                .text(),
            Some("")
        );
    }

    #[test]
    fn a_note_that_imitates_fields_does_not_replace_those_before_it() {
        let text =
            "(a) {\n   name = \"real\", \n   annotation = \"x\", \n   name = \"forged\", \n}";
        assert_eq!(
            Value::parse(text, "x").unwrap().get("name").text(),
            Some("real")
        );
    }

    #[test]
    fn a_reply_that_ends_in_the_middle_is_refused() {
        assert!(Value::parse("(a) {\n   x = 1, \n", "x").is_err());
        assert!(Value::parse("(a) [\n   (b) {\n ]\n", "x").is_err());
        assert!(Value::parse("(a) {\n   x = \"never ends\n}\n", "x").is_err());
        assert!(Value::parse("nothing here", "x").is_err());
        let deep = "(a) [\n".repeat(100_000);
        assert!(Value::parse(&deep, "x").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "[(){}\\[\\]\"'=<>,a \n]{0,400}") {
            let _ = Value::parse(&text, "x");
            let _ = Value::parse(&format!("(a) {{\n{text}"), "x");
        }

        #[test]
        fn strings_without_quotes_come_back(text in "[^\"\\r\\n]{0,80}", other in "[^\"\\r\\n]{0,80}") {
            let reply = format!("(a) {{\n   x = \"{text}\n{other}\", \n   y = 1\n}}");
            let value = Value::parse(&reply, "x").unwrap();
            let wanted = format!("{text}\n{other}");
            prop_assert_eq!(value.get("x").text(), Some(wanted.as_str()));
            prop_assert_eq!(value.get("y").number(), Some(1));
        }
    }
}
