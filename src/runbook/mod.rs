//! A runbook file: text to typed values with places, every problem at once. Pure.
//!
//! [`load`] works in this order, and each stage protects the next one:
//!
//! 1. size and characters: what is no text never reaches a parser;
//! 2. `places`: the structure and its positions from parser events; duplicate keys, second documents, deep
//!    nesting and multiplying aliases end here;
//! 3. serde_yaml turns the text into values, and merges are applied;
//! 4. `read`: values to the typed [`model::Runbook`], each part on its own;
//! 5. `check`: rules that concern several parts.

mod check;
mod diagnostics;
mod document;
mod drill;
pub mod model;
mod places;
mod read;
mod reader;
mod schema;
mod spares;
pub(crate) mod template;
mod values;

#[cfg(test)]
mod tests;

use crate::digest::sha256;
use diagnostics::Problems;
pub use diagnostics::{Diagnostic, Diagnostics, Label};
pub use drill::{drill_name, drill_of, isolated};
use model::Runbook;
use places::Places;
use reader::{At, Reader};
pub use schema::schema;
pub use template::BUILT_IN;
pub use values::{parse_duration, parse_size, slug, spelled};

/// How much a runbook file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Values that all aliases together expand to.
    pub alias_values: u64,
    /// Steps of one section once `for_each` is expanded.
    pub steps: usize,
    /// Problems shown; further ones are counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            depth: 64,
            alias_values: 50_000,
            steps: 100_000,
            problems: 200,
        }
    }
}

/// A runbook that is valid, and the text that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub runbook: Runbook,
    /// The file as it was read; a run freezes it.
    pub text: String,
    /// SHA-256 of the text, lower-case hex.
    pub sha256: String,
}

/// Reads and checks a runbook. `path_label` is what messages call the file.
///
/// # Errors
///
/// Every problem of the file, each with its place.
pub fn load(path_label: &str, text: &str, limits: &Limits) -> Result<Loaded, Diagnostics> {
    if text.len() > limits.bytes {
        return Err(too_large(path_label, text.len(), limits));
    }
    // A byte-order mark is no part of the document, and would count as a column.
    let document = text.strip_prefix('\u{feff}').unwrap_or(text);
    match read_document(document, limits) {
        Ok(runbook) => Ok(Loaded {
            runbook,
            text: text.to_owned(),
            sha256: sha256(text),
        }),
        Err(problems) => Err(Diagnostics::new(path_label, document, problems)),
    }
}

/// The refusal of a file that is larger than a runbook may be; for whoever reads files, so that it
/// need not be read to be refused.
#[must_use]
pub fn too_large(path_label: &str, bytes: usize, limits: &Limits) -> Diagnostics {
    let message = format!(
        "the file has {bytes} bytes; a runbook may have {}",
        limits.bytes
    );
    let hint = Some("check that this is the runbook".to_owned());
    let mut problems = Problems::new(1);
    problems.push(Diagnostic {
        hint,
        ..Diagnostic::at(0..0, message)
    });
    Diagnostics::new(path_label, "", problems)
}

fn read_document(text: &str, limits: &Limits) -> Result<Runbook, Problems> {
    let mut problems = Problems::new(limits.problems);
    if let Some(problem) = control_character(text) {
        problems.push(problem);
        return Err(problems);
    }
    let Some(places) = Places::index(text, limits, &mut problems) else {
        return Err(problems);
    };
    let Some(root) = places.root() else {
        let mut problem = Diagnostic::at(0..0, "the file is empty");
        problem.hint = Some("a runbook begins with `lifeboat: 1`".to_owned());
        problems.push(problem);
        return Err(problems);
    };
    let value = match document::parse(text, places.has_merges) {
        Ok(value) => value,
        Err(error) => {
            problems.push(parser_error(&places, &error));
            return Err(problems);
        }
    };
    let mut reader = Reader::new(&places, problems);
    let runbook = read::read(
        At {
            value: &value,
            node: root,
        },
        &mut reader,
        limits,
    );
    if let Some(runbook) = &runbook {
        check::check(runbook, root, &mut reader);
    }
    match runbook {
        Some(read) if reader.problems.count() == 0 => Ok(read.runbook),
        _ => Err(reader.problems),
    }
}

/// The first character that no text has. YAML allows none, and it could steer a terminal.
fn control_character(text: &str) -> Option<Diagnostic> {
    let stray = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let (at, found) = text.char_indices().find(|(_, c)| stray(*c))?;
    let message = format!("a control character, U+{:04X}", u32::from(found));
    let hint = Some("check that this is the runbook; if so, remove the character".to_owned());
    Some(Diagnostic {
        hint,
        ..Diagnostic::at(at..at + found.len_utf8(), message)
    })
}

/// What serde_yaml refuses although the index did not.
fn parser_error(places: &Places<'_>, error: &serde_yaml::Error) -> Diagnostic {
    let at = error.location().map_or(0, |location| location.index());
    Diagnostic::at(places.near(at), format!("not valid YAML: {error}"))
}
