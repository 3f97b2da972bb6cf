//! The report as a page: headings, lists and tables in the order in which they are read. Markdown
//! and HTML are written from it; neither looks anything up.

mod appendix;
mod objectives;
mod summary;

use super::document::{Document, Timeline, Tone};
use super::prose::{Text, plain};

/// A page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The mode's word, in capitals.
    pub mode: String,
    /// The runbook's title.
    pub title: String,
    /// From where to where.
    pub way: String,
    /// How it ended.
    pub verdict: Text,
    /// How good that is.
    pub tone: Tone,
    /// The figures that matter most.
    pub tiles: Vec<Tile>,
    /// What the run was: a label and a text each.
    pub facts: Vec<(String, Text)>,
    /// Everything else.
    pub sections: Vec<Section>,
}

/// A figure.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub label: String,
    pub value: String,
    pub note: String,
    pub tone: Tone,
}

/// A heading and what stands under it.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub heading: &'static str,
    /// How to read it.
    pub lead: String,
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// A list.
    Items(Vec<(Tone, Text)>),
    /// A heading of the second order.
    Heading(String),
    /// A table.
    Table(Table),
    /// The run over time.
    Timeline(Timeline),
    /// Something to copy into a shell.
    Script(String),
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub caption: String,
    pub columns: Vec<(&'static str, Kind)>,
    pub rows: Vec<Vec<Cell>>,
}

/// What a column holds: how wide it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name.
    Name,
    /// A figure or a time, never broken over lines.
    Figure,
    /// Words.
    Words,
    /// A path or a command.
    Code,
    /// A sum.
    Sum,
}

/// A table's cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub text: Text,
    pub tone: Tone,
    /// The part of an objective that was used, in percent.
    pub used: Option<u32>,
}

impl From<Text> for Cell {
    fn from(text: Text) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        plain(text).into()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        plain(text).into()
    }
}

/// Lays a report out.
pub(super) fn page(document: &Document) -> Page {
    let mut sections = summary::sections(document);
    sections.extend(appendix::sections(document));
    sections.retain(|section| !section.blocks.is_empty());
    summary::page(document, sections)
}

/// A section with a list, or with a sentence where that is empty; no sentence, no section.
fn listed(
    heading: &'static str,
    lead: &str,
    items: Vec<(Tone, Text)>,
    empty: Option<(Tone, &str)>,
) -> Section {
    let items = match (items.is_empty(), empty) {
        (true, Some((tone, words))) => vec![(tone, plain(words))],
        _ => items,
    };
    let blocks = if items.is_empty() {
        Vec::new()
    } else {
        vec![Block::Items(items)]
    };
    Section {
        heading,
        lead: lead.to_owned(),
        blocks,
    }
}

/// A section with a table; no rows, no section.
fn tabled(heading: &'static str, lead: &str, table: Table) -> Section {
    let blocks = if table.rows.is_empty() {
        Vec::new()
    } else {
        vec![Block::Table(table)]
    };
    Section {
        heading,
        lead: lead.to_owned(),
        blocks,
    }
}
