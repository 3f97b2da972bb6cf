//! What `esxcli` prints, whatever form it comes in.
//!
//! Lifeboat asks for csv, which every version documents, and reads what comes by its look: csv,
//! xml, a table with a ruler line, or blocks of `Key: value`. Field names lose their blanks in
//! csv and xml (`World ID`, `WorldID`), so they are compared without blanks and without case.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::faults::check;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::unexpected;

/// Records that are read of one reply, at most; no host has that many of anything.
const RECORDS: usize = 100_000;

/// One record of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(Vec<(String, String)>);

impl Record {
    /// The value of a field, without blanks around it; `None` where the reply has no such field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        let wanted = key(field);
        self.0
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    ///
    /// [`DriverFault::Unexpected`] where the record has no such field.
    pub fn need(&self, field: &str, what: &'static str) -> Result<&str, DriverFault> {
        self.get(field)
            .ok_or_else(|| unexpected(what, &format!("a record without {field:?}")))
    }

    /// A whole number that must be there.
    ///
    /// # Errors
    ///
    /// [`DriverFault::Unexpected`] where there is no such field or it is no number.
    pub fn number(&self, field: &str, what: &'static str) -> Result<u64, DriverFault> {
        let text = self.need(field, what)?;
        text.parse()
            .map_err(|_| unexpected(what, &format!("{field} {text:?}")))
    }

    fn push(&mut self, name: &str, value: &str) {
        self.0.push((key(name), value.trim().to_owned()));
    }
}

/// A field's name as it is compared.
fn key(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Reads the records of a reply; an empty reply has none.
///
/// # Errors
///
/// A fault of the host, or a reply whose rows do not fit its heading.
pub fn records(output: &Output, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    check(output)?;
    parse(&output.text(), what)
}

/// Reads the records of a text.
pub(super) fn parse(text: &str, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let Some(first) = lines.next() else {
        return Ok(Vec::new());
    };
    let second = lines.next().unwrap_or_default();
    if first.trim_start().starts_with("<?xml") || first.trim_start().starts_with("<output") {
        xml(text, what)
    } else if first.trim_end().ends_with(',') && !first.starts_with(' ') {
        csv(text, what)
    } else if is_ruler(second) {
        table(text, second, what)
    } else {
        blocks(text, what)
    }
}

/// A value that is a list (uplinks, port groups): `a, b` in text, `a,b,` in csv.
#[must_use]
pub fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn csv(text: &str, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let misfit = |found: &str| unexpected(what, found);
    let names = reader
        .headers()
        .map_err(|error| misfit(&error.to_string()))?
        .clone();
    let mut records = Vec::new();
    for row in reader.records().take(RECORDS) {
        let row = row.map_err(|error| misfit(&error.to_string()))?;
        // A name with a comma that was not quoted would shift every field after it.
        if row.len() != names.len() {
            let row = row.iter().collect::<Vec<_>>().join(",");
            return Err(misfit(&format!(
                "a row that does not fit the heading: {row}"
            )));
        }
        let mut record = Record::default();
        for (name, value) in names
            .iter()
            .zip(&row)
            .filter(|(name, _)| !name.trim().is_empty())
        {
            record.push(name, value);
        }
        records.push(record);
    }
    Ok(records)
}

fn is_ruler(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('-') && line.chars().all(|c| c == '-' || c == ' ')
}

/// A table: the ruler's dashes give each column's extent, in characters. Left-justified cells
/// begin where their dashes begin, numbers end where theirs end; cells may be empty.
fn table(text: &str, ruler: &str, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    let mut columns: Vec<(usize, usize)> = Vec::new();
    let mut start = None;
    for (at, character) in ruler.chars().chain([' ']).enumerate() {
        match (character, start) {
            ('-', None) => start = Some(at),
            (' ', Some(from)) => {
                columns.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let heading: Vec<char> = lines.next().unwrap_or_default().chars().collect();
    let names: Vec<String> = cells(&heading, &columns).into_iter().flatten().collect();
    if names.len() != columns.len() || names.iter().any(String::is_empty) {
        return Err(unexpected(what, text));
    }
    let mut records = Vec::new();
    for line in lines.skip(1).take(RECORDS) {
        let characters: Vec<char> = line.chars().collect();
        let Some(values) = cells(&characters, &columns) else {
            return Err(unexpected(
                what,
                &format!("a row that does not fit the heading: {line}"),
            ));
        };
        let mut record = Record::default();
        for (name, value) in names.iter().zip(&values) {
            record.push(name, value);
        }
        records.push(record);
    }
    Ok(records)
}

/// Cuts a line at its columns. The blanks between two columns must be blank, else the line was
/// shifted by a cell that is wider than its column and nothing after it can be trusted.
fn cells(line: &[char], columns: &[(usize, usize)]) -> Option<Vec<String>> {
    let mut values = Vec::with_capacity(columns.len());
    for (index, &(from, to)) in columns.iter().enumerate() {
        let last = index + 1 == columns.len();
        let end = if last { line.len() } else { to.min(line.len()) };
        values.push(
            line.get(from.min(end)..end)?
                .iter()
                .collect::<String>()
                .trim()
                .to_owned(),
        );
        if let Some(&(next, _)) = columns.get(index + 1) {
            let gap = line.get(to.min(line.len())..next.min(line.len()))?;
            if gap.iter().any(|c| *c != ' ') {
                return None;
            }
        }
    }
    Some(values)
}

/// Blocks: a line with a name, then indented `Key: value` lines; or such lines alone, where there
/// is one record. The name may be anything, so a block begins before the first key that the block
/// before has already. Deeper indented lines belong to the key above them and are left aside.
fn blocks(text: &str, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    let mut records: Vec<Record> = Vec::new();
    let mut first_key: Option<String> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let Some((name, value)) = line.trim().split_once(':') else {
            continue;
        };
        let fits = indent == INDENT && (value.is_empty() || value.starts_with(' '));
        if !fits {
            continue;
        }
        let begins = first_key.get_or_insert_with(|| name.to_owned()) == name;
        if begins {
            if records.len() == RECORDS {
                break;
            }
            records.push(Record::default());
        }
        if let Some(record) = records.last_mut() {
            record.push(name, value);
        }
    }
    if records.is_empty() {
        return Err(unexpected(what, text));
    }
    Ok(records)
}

/// Indent of the keys of a block, in blanks (5.0 to 8).
const INDENT: usize = 3;

/// `<structure>`s of `<field name=…>` with a scalar or a list of scalars.
fn xml(text: &str, what: &'static str) -> Result<Vec<Record>, DriverFault> {
    let mut reader = Reader::from_str(text);
    let mut records = Vec::new();
    let mut record: Option<Record> = None;
    let mut field: Option<(String, Vec<String>)> = None;
    let mut value: Option<String> = None;
    let misfit = |error: &dyn std::fmt::Display| unexpected(what, &format!("xml: {error}"));
    loop {
        match reader.read_event().map_err(|error| misfit(&error))? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "structure" => record = Some(Record::default()),
                "field" => {
                    let name = tag
                        .try_get_attribute("name")
                        .map_err(|error| misfit(&error))?;
                    let name = name.map(|name| name.value.into_owned());
                    field = Some((name.unwrap_or_default(), Vec::new()));
                }
                "string" | "integer" | "boolean" | "long" => value = Some(String::new()),
                _ => {}
            },
            Event::Text(piece) => {
                if let Some(value) = &mut value {
                    value.push_str(&piece);
                }
            }
            Event::GeneralRef(name) => {
                if let Some(value) = &mut value {
                    value.push_str(&reference(&name, what)?);
                }
            }
            Event::End(tag) => match tag.local_name().as_ref() {
                "structure" => records.extend(record.take()),
                "field" => {
                    if let (Some(record), Some((name, values))) = (&mut record, field.take()) {
                        record.push(&name, &values.join(","));
                    }
                }
                _ => {
                    if let (Some((_, values)), Some(value)) = (&mut field, value.take()) {
                        values.push(value);
                    }
                }
            },
            Event::Eof => break,
            _ => {}
        }
        if records.len() > RECORDS {
            return Err(unexpected(what, "more records than any host has"));
        }
    }
    if !text.trim_end().ends_with("</output>") {
        return Err(unexpected(what, "xml that ends in the middle"));
    }
    Ok(records)
}

/// `&amp;` and its like, `&#39;`.
pub(super) fn reference(
    name: &quick_xml::events::BytesRef<'_>,
    what: &'static str,
) -> Result<String, DriverFault> {
    let unknown = || unexpected(what, &format!("xml: &{};", &**name));
    if let Some(character) = name.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(character.to_string());
    }
    let text = match name.as_ref() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(unknown()),
    };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
