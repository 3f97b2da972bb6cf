//! The report as Markdown.

use super::page::{Block, Cell, Page, Section, Table};
use super::prose::{Span, Text, visible};

/// The page as Markdown. The timeline is left to HTML: its times stand in the tables of steps.
pub(super) fn render(page: &Page) -> String {
    let mut out = format!(
        "# {}: {}, {}\n\n",
        page.mode,
        plain(&page.title),
        plain(&page.way)
    );
    item(&mut out, &format!("**Result:** {}", inline(&page.verdict)));
    for (label, text) in &page.facts {
        item(&mut out, &format!("**{}:** {}", plain(label), inline(text)));
    }
    for section in &page.sections {
        render_section(&mut out, section);
    }
    out
}

fn render_section(out: &mut String, section: &Section) {
    let mut body = String::new();
    for block in &section.blocks {
        if !body.is_empty() && !body.ends_with("\n\n") {
            body.push('\n');
        }
        match block {
            Block::Items(items) => {
                for (_, text) in items {
                    item(&mut body, &inline(text));
                }
            }
            Block::Heading(words) => body.push_str(&format!("### {}\n\n", plain(words))),
            Block::Table(table) => render_table(&mut body, table),
            Block::Timeline(_) => {}
            Block::Script(script) => body.push_str(&format!("```sh\n{script}\n```\n")),
        }
    }
    if body.is_empty() {
        return;
    }
    out.push_str(&format!("\n## {}\n\n", section.heading));
    if !section.lead.is_empty() {
        out.push_str(&format!("{}\n\n", plain(&section.lead)));
    }
    out.push_str(&body);
}

fn render_table(out: &mut String, table: &Table) {
    row(
        out,
        table.columns.iter().map(|(title, _)| (*title).to_owned()),
    );
    row(out, table.columns.iter().map(|_| "---".to_owned()));
    for cells in &table.rows {
        row(out, cells.iter().map(|Cell { text, .. }| inline(text)));
    }
}

fn row(out: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        out.push_str(&format!("| {cell} "));
    }
    out.push_str("|\n");
}

fn item(out: &mut String, text: &str) {
    out.push_str(&format!("- {text}\n"));
}

fn inline(text: &Text) -> String {
    let spans = text.0.iter().map(|span| match span {
        Span::Plain(words) => escaped(words),
        Span::Code(name) => code(name),
        Span::Strong(words) => format!("**{}**", plain(words)),
    });
    spans.collect::<String>().trim().to_owned()
}

/// Plain text in running Markdown or a table's cell: one line, nothing of it is markup.
fn plain(text: &str) -> String {
    escaped(text.trim())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in visible(text).chars() {
        if matches!(
            sign,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~'
        ) {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}

/// Text as code, in running Markdown or a table's cell.
fn code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    if text.is_empty() {
        return text;
    }
    let longest = text
        .split(|sign| sign != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}
