//! The report as one HTML file: no scripts, nothing from elsewhere, for a screen and for paper.
//!
//! All text goes through [`escaped`], the one place where a text becomes part of the page.

mod svg;

use super::document::Tone;
use super::page::{Block, Cell, Kind, Page, Section, Table, Tile};
use super::prose::{Span, Text, visible};

/// Everything that is not content.
const STYLE: &str = include_str!("style.css");

/// The page as HTML.
pub(super) fn render(page: &Page) -> String {
    let mode = escaped(&page.mode);
    let title = escaped(&page.title);
    let way = escaped(&page.way);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{mode}: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header class=\"{}\">\n<p class=\"mode\">{mode}</p>\n<h1>{title}</h1>\n<p class=\"way\">{way}</p>\n\
         <p class=\"verdict {}\">{}</p>\n</header>\n",
        page.mode.to_lowercase(),
        class(page.tone),
        inline(&page.verdict)
    );
    tiles(&mut out, &page.tiles);
    contents(&mut out, &page.sections);
    out.push_str("<main>\n");
    let mut drawings = 0;
    for (at, section) in page.sections.iter().enumerate() {
        render_section(&mut out, at, section, &mut drawings);
        // What was vouched for stands before everything; what the run was comes right behind it.
        if at == 0 {
            facts(&mut out, &page.facts);
        }
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn tiles(out: &mut String, tiles: &[Tile]) {
    out.push_str("<dl class=\"tiles\">\n");
    for tile in tiles {
        out.push_str(&format!(
            "<div class=\"{}\"><dt>{}</dt><dd><b>{}</b> <span>{}</span></dd></div>\n",
            class(tile.tone),
            escaped(&tile.label),
            escaped(&tile.value),
            escaped(&tile.note)
        ));
    }
    out.push_str("</dl>\n");
}

fn contents(out: &mut String, sections: &[Section]) {
    out.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for (at, section) in sections.iter().enumerate() {
        out.push_str(&format!(
            "<li><a href=\"#s{at}\">{}</a></li>\n",
            escaped(section.heading)
        ));
    }
    out.push_str("</ul></nav>\n");
}

fn facts(out: &mut String, facts: &[(String, Text)]) {
    out.push_str("<dl class=\"facts\">\n");
    for (label, text) in facts {
        out.push_str(&format!(
            "<div><dt>{}</dt><dd>{}</dd></div>\n",
            escaped(label),
            inline(text)
        ));
    }
    out.push_str("</dl>\n");
}

fn render_section(out: &mut String, at: usize, section: &Section, drawings: &mut usize) {
    out.push_str(&format!(
        "<section aria-labelledby=\"s{at}\">\n<h2 id=\"s{at}\">{}</h2>\n",
        escaped(section.heading)
    ));
    if !section.lead.is_empty() {
        out.push_str(&format!(
            "<p class=\"lead\">{}</p>\n",
            escaped(&section.lead)
        ));
    }
    for block in &section.blocks {
        match block {
            Block::Items(items) => {
                out.push_str("<ul class=\"items\">\n");
                for (tone, text) in items {
                    out.push_str(&format!(
                        "<li class=\"{}\">{}</li>\n",
                        class(*tone),
                        inline(text)
                    ));
                }
                out.push_str("</ul>\n");
            }
            Block::Heading(words) => out.push_str(&format!("<h3>{}</h3>\n", escaped(words))),
            Block::Table(table) => render_table(out, table),
            Block::Timeline(timeline) => svg::draw(out, timeline, drawings),
            Block::Script(script) => {
                out.push_str(&format!("<pre><code>{}</code></pre>\n", lines(script)));
            }
        }
    }
    out.push_str("</section>\n");
}

fn render_table(out: &mut String, table: &Table) {
    let caption = escaped(&table.caption);
    out.push_str(&format!(
        "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\">\n\
         <table>\n<caption>{caption}</caption>\n<thead><tr>"
    ));
    for (title, kind) in &table.columns {
        out.push_str(&format!(
            "<th scope=\"col\" class=\"{}\">{}</th>",
            width(*kind),
            escaped(title)
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (cell, (_, kind)) in row.iter().zip(&table.columns) {
            render_cell(out, cell, *kind);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn render_cell(out: &mut String, cell: &Cell, kind: Kind) {
    out.push_str(&format!(
        "<td class=\"{} {}\">",
        width(kind),
        class(cell.tone)
    ));
    out.push_str(&inline(&cell.text));
    if let Some(used) = cell.used {
        out.push_str(&format!(
            "<span class=\"gauge\"><i style=\"width:{}%\"></i></span>",
            used.min(100)
        ));
    }
    out.push_str("</td>");
}

fn width(kind: Kind) -> &'static str {
    match kind {
        Kind::Name => "name",
        Kind::Figure => "figure",
        Kind::Words => "words",
        Kind::Code => "long",
        Kind::Sum => "sum",
    }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

fn inline(text: &Text) -> String {
    text.0
        .iter()
        .map(|span| match span {
            Span::Plain(words) => escaped(words),
            Span::Code(name) if name.is_empty() => String::new(),
            Span::Code(name) => {
                // Paths and step ids break behind a slash, not in a word.
                let parts: Vec<String> = name.split_inclusive('/').map(escaped).collect();
                format!("<code>{}</code>", parts.join("<wbr>"))
            }
            Span::Strong(words) => format!("<strong>{}</strong>", escaped(words)),
        })
        .collect()
}

fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}

/// Text in a page or in an attribute between double quotes: one line, nothing of it is markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in visible(text).chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
    }
    out
}
