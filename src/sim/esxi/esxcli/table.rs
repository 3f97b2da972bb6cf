//! How `esxcli` prints: tables, structures, csv, xml, key and value, json.

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formatter {
    Text,
    Csv,
    Xml,
    KeyValue,
    Json,
}

impl Formatter {
    /// The formatter of that name; json is known only with `--debug`.
    pub(super) fn named(name: &str, debug: bool) -> Option<Self> {
        Some(match name {
            "csv" => Self::Csv,
            "xml" => Self::Xml,
            "keyvalue" => Self::KeyValue,
            "json" if debug => Self::Json,
            _ => return None,
        })
    }
}

/// One value with the type that xml and key-value name.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
}

impl Cell {
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => items.join(", "),
        }
    }

    fn is_right(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Flag(_))
    }

    fn xml(&self) -> String {
        let escape = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        match self {
            Self::Text(text) => format!("<string>{}</string>", escape(text)),
            Self::Number(number) => format!("<integer>{number}</integer>"),
            Self::Flag(flag) => format!("<boolean>{flag}</boolean>"),
            Self::List(items) => {
                let items: String = items
                    .iter()
                    .map(|item| format!("<string>{}</string>", escape(item)))
                    .collect();
                format!("<list type=\"string\">{items}</list>")
            }
        }
    }

    fn csv(&self) -> String {
        let quote = |text: &str| {
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.to_owned()
            }
        };
        match self {
            // A list is one quoted field in which each item is followed by a comma.
            Self::List(items) if items.is_empty() => String::new(),
            Self::List(items) => {
                let inner: String = items.iter().map(|item| format!("{item},")).collect();
                format!("\"{}\"", inner.replace('"', "\"\""))
            }
            other => quote(&other.plain()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number(_) => "integer",
            Self::Flag(_) => "boolean",
            Self::List(_) => "string[]",
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::List(items) => items.clone().into(),
        }
    }
}

/// A label with its value.
pub(super) type Fields = Vec<(&'static str, Cell)>;

/// What is printed.
pub(super) enum Shown {
    /// One structure; with a headline for the few that have one.
    One(&'static str, Option<&'static str>, Fields),
    /// A table.
    Table(&'static str, Vec<&'static str>, Vec<Fields>),
    /// Wide structures below each other, each under its name.
    Blocks(&'static str, Vec<(String, Fields)>),
    /// One line.
    Line(String),
}

impl Shown {
    /// As printed.
    pub(super) fn print(&self, formatter: Formatter, fields: Option<&str>) -> String {
        match formatter {
            Formatter::Text => self.text(),
            Formatter::Csv => self.csv(fields),
            Formatter::Xml => self.xml(),
            Formatter::KeyValue => self.key_value(),
            Formatter::Json => self.json(),
        }
    }

    fn rows(&self) -> (&'static str, Vec<&Fields>) {
        match self {
            Self::One(kind, _, fields) => (kind, vec![fields]),
            Self::Table(kind, _, rows) => (kind, rows.iter().collect()),
            Self::Blocks(kind, blocks) => (kind, blocks.iter().map(|(_, fields)| fields).collect()),
            Self::Line(_) => ("string", Vec::new()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Line(line) => format!("{line}\n"),
            Self::One(_, headline, fields) => {
                let head = headline.map(|line| format!("{line}\n")).unwrap_or_default();
                format!("{head}{}", indented(fields))
            }
            Self::Blocks(_, blocks) => {
                let blocks: Vec<String> = blocks
                    .iter()
                    .map(|(name, fields)| format!("{name}\n{}", indented(fields)))
                    .collect();
                blocks.join("\n")
            }
            Self::Table(_, labels, rows) => table(labels, rows),
        }
    }

    /// Fields in alphabetical order or the order asked for; every line ends in a comma.
    fn csv(&self, wanted: Option<&str>) -> String {
        if let Self::Line(line) = self {
            return format!("{line}\n");
        }
        let (_, rows) = self.rows();
        let names: Vec<String> = match wanted {
            Some(list) => list
                .trim_matches('"')
                .split(',')
                .map(str::to_owned)
                .collect(),
            None => {
                let mut names: Vec<String> = match (self, rows.first()) {
                    (Self::Table(_, labels, _), _) => {
                        labels.iter().map(|label| bare(label)).collect()
                    }
                    (_, Some(first)) => first.iter().map(|(label, _)| bare(label)).collect(),
                    (_, None) => Vec::new(),
                };
                names.sort();
                names
            }
        };
        let mut text: String = names.iter().map(|name| format!("{name},")).collect();
        text.push('\n');
        for row in rows {
            for name in &names {
                let cell = row
                    .iter()
                    .find(|(label, _)| bare(label).eq_ignore_ascii_case(name));
                text.push_str(&cell.map(|(_, cell)| cell.csv()).unwrap_or_default());
                text.push(',');
            }
            text.push('\n');
        }
        text
    }

    fn xml(&self) -> String {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<output xmlns=\"http://www.vmware.com/Products/ESX/5.0/esxcli\">\n<root>\n",
        );
        let structure = |kind: &str, row: &Fields, pad: &str| {
            let mut fields: Vec<_> = row
                .iter()
                .map(|(label, cell)| (bare(label), cell))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            let inner: String = fields
                .iter()
                .map(|(name, cell)| {
                    format!(
                        "{pad}   <field name=\"{name}\">\n{pad}      {}\n{pad}   </field>\n",
                        cell.xml()
                    )
                })
                .collect();
            format!("{pad}<structure typeName=\"{kind}\">\n{inner}{pad}</structure>\n")
        };
        match self {
            Self::Line(line) => text.push_str(&format!("   <string>{line}</string>\n")),
            Self::One(kind, _, row) => text.push_str(&structure(kind, row, "   ")),
            Self::Table(..) | Self::Blocks(..) => {
                let (kind, rows) = self.rows();
                text.push_str("   <list type=\"structure\">\n");
                for row in rows {
                    text.push_str(&structure(kind, row, "      "));
                }
                text.push_str("   </list>\n");
            }
        }
        text.push_str("</root>\n</output>\n");
        text
    }

    /// One line a field (form from knowledge).
    fn key_value(&self) -> String {
        if let Self::Line(line) = self {
            return format!("string={line}\n");
        }
        let (kind, rows) = self.rows();
        let single = matches!(self, Self::One(..));
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            for (label, cell) in row.iter() {
                let place = if single {
                    kind.to_owned()
                } else {
                    format!("{kind}[{index}]")
                };
                let value = match cell {
                    Cell::List(items) => items.join(","),
                    other => other.plain(),
                };
                text.push_str(&format!(
                    "{place}.{}.{}={value}\n",
                    bare(label),
                    cell.kind()
                ));
            }
        }
        text
    }

    fn json(&self) -> String {
        let object = |row: &Fields| {
            let map: serde_json::Map<String, serde_json::Value> = row
                .iter()
                .map(|(label, cell)| (bare(label), cell.json()))
                .collect();
            serde_json::Value::Object(map)
        };
        let value = match self {
            Self::Line(line) => line.clone().into(),
            Self::One(_, _, row) => object(row),
            Self::Table(..) | Self::Blocks(..) => self
                .rows()
                .1
                .into_iter()
                .map(object)
                .collect::<Vec<_>>()
                .into(),
        };
        format!("{value}\n")
    }
}

/// A label without its blanks and punctuation.
fn bare(label: &str) -> String {
    label
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect()
}

fn indented(fields: &Fields) -> String {
    fields
        .iter()
        .map(|(label, cell)| format!("   {label}: {}\n", cell.plain()))
        .collect()
}

/// Columns as wide as their widest cell, two blanks apart, a ruler below the labels; numbers and
/// flags on the right, as their labels; the last column is not padded.
fn table(labels: &[&'static str], rows: &[Fields]) -> String {
    let cell = |row: &Fields, label: &str| {
        row.iter()
            .find(|(name, _)| *name == label)
            .map(|(_, cell)| cell.clone())
    };
    let columns: Vec<(Vec<String>, bool, usize)> = labels
        .iter()
        .map(|label| {
            let cells: Vec<Option<Cell>> = rows.iter().map(|row| cell(row, label)).collect();
            let right = cells.iter().flatten().any(Cell::is_right);
            let texts: Vec<String> = cells
                .into_iter()
                .map(|cell| cell.map(|cell| cell.plain()).unwrap_or_default())
                .collect();
            let width = texts
                .iter()
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
                .max(label.len());
            (texts, right, width)
        })
        .collect();
    let line = |parts: Vec<(String, bool, usize)>| {
        let last = parts.len().saturating_sub(1);
        let padded: Vec<String> = parts
            .into_iter()
            .enumerate()
            .map(
                |(index, (text, right, width))| match (right, index == last) {
                    (true, _) => format!("{text:>width$}"),
                    (false, true) => text,
                    (false, false) => format!("{text:<width$}"),
                },
            )
            .collect();
        format!("{}\n", padded.join("  "))
    };
    let mut text = line(
        labels
            .iter()
            .zip(&columns)
            .map(|(label, (_, right, width))| ((*label).to_owned(), *right, *width))
            .collect(),
    );
    text.push_str(&line(
        columns
            .iter()
            .map(|(_, _, width)| ("-".repeat(*width), false, *width))
            .collect(),
    ));
    for index in 0..rows.len() {
        text.push_str(&line(
            columns
                .iter()
                .map(|(texts, right, width)| {
                    (
                        texts.get(index).cloned().unwrap_or_default(),
                        *right,
                        *width,
                    )
                })
                .collect(),
        ));
    }
    text
}
