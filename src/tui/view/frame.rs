//! Titles, rules and labelled text that all panes share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::tui::text;
use crate::tui::theme::Role;

/// Columns of a label with its gap.
const LABEL: usize = 8;

/// One line, cut at the area's edge.
pub(in crate::tui) fn put(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    if area.height > 0 && area.width > 0 {
        buffer.set_line(area.x, area.y, line, area.width);
    }
}

/// A line of differently styled parts. What comes from elsewhere is cleaned here.
pub(in crate::tui) fn spans<'a>(parts: impl IntoIterator<Item = (Role, &'a str)>) -> Line<'static> {
    let span =
        |(role, part): (Role, &str)| Span::styled(text::clean(part).into_owned(), role.style());
    parts.into_iter().map(span).collect::<Vec<_>>().into()
}

/// A rule with a heading on it, over the area's first row.
pub(in crate::tui) fn rule(
    buffer: &mut Buffer,
    area: Rect,
    heading: &str,
    note: &str,
    style: Style,
) {
    let width = usize::from(area.width);
    buffer.set_stringn(area.x, area.y, "─".repeat(width), width, Role::Dim.style());
    if !heading.is_empty() {
        let heading = format!(" {} ", text::cut(heading, width.saturating_sub(4)));
        buffer.set_stringn(area.x + 1, area.y, &heading, width.saturating_sub(1), style);
    }
    let used = if heading.is_empty() {
        0
    } else {
        text::width(heading) + 4
    };
    let note = format!(" {note} ");
    if note.len() > 2 && used + text::width(&note) < width {
        let x = area.right() - u16::try_from(text::width(&note)).unwrap_or(0) - 1;
        buffer.set_string(x, area.y, note, Role::Dim.style());
    }
}

/// A pane: its key and title on a rule, the rest is its content.
pub(in crate::tui) fn pane(
    buffer: &mut Buffer,
    area: Rect,
    number: u8,
    title: &str,
    note: &str,
    focused: bool,
) -> Rect {
    let style = if focused { Role::Chosen } else { Role::Strong };
    rule(
        buffer,
        area,
        &format!("[{number}] {}", text::clean(title)),
        note,
        style.style(),
    );
    Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    }
}

/// The line between an area and its right neighbour.
pub(in crate::tui) fn vertical(buffer: &mut Buffer, area: Rect) {
    for y in area.y..area.bottom() {
        if area.right() < buffer.area().right() {
            buffer.set_string(area.right(), y, "│", Role::Dim.style());
        }
    }
}

/// A label and its text, which goes on below itself.
pub(in crate::tui) fn labelled(
    lines: &mut Vec<Line<'static>>,
    width: usize,
    label: &str,
    role: Role,
    words: &str,
) {
    if words.is_empty() {
        return;
    }
    let room = width.saturating_sub(LABEL);
    under_label(
        lines,
        label,
        text::wrap(words, room).into_iter().map(|line| (role, line)),
    );
}

/// Names and what is said of each, in two columns: names are told apart by their ends too.
pub(in crate::tui) fn named(
    lines: &mut Vec<Line<'static>>,
    width: usize,
    rows: impl IntoIterator<Item = (String, Role, String)>,
) {
    let rows: Vec<_> = rows.into_iter().collect();
    let longest = rows.iter().map(|(name, ..)| text::width(name) + 1).max();
    let column = longest.unwrap_or(0).min(width / 3).max(LABEL);
    for (name, role, words) in rows {
        let broken = text::wrap(&words, width.saturating_sub(column));
        beside(
            lines,
            column,
            &name,
            broken.into_iter().map(|line| (role, line)),
        );
    }
}

/// A label and lines that are broken already.
pub(in crate::tui) fn under_label(
    lines: &mut Vec<Line<'static>>,
    label: &str,
    texts: impl IntoIterator<Item = (Role, String)>,
) {
    beside(lines, LABEL, label, texts);
}

fn beside(
    lines: &mut Vec<Line<'static>>,
    column: usize,
    label: &str,
    texts: impl IntoIterator<Item = (Role, String)>,
) {
    for (at, (role, line)) in texts.into_iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        // A name that fills its column is cut, and still set off.
        let label = text::fit(&text::cut(label, column.saturating_sub(1)), column);
        lines.push(Line::from(vec![
            Span::styled(label, Role::Dim.style()),
            Span::styled(line, role.style()),
        ]));
    }
}

/// Columns beside a label.
pub(super) fn beside_label(width: usize) -> usize {
    width.saturating_sub(LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_ends_where_there_is_room_and_words_go_on_beside_them() {
        let told = |width| {
            let rows = ["erp01", "erp01-standby"];
            let rows = rows.map(|name| (name.to_owned(), Role::Plain, "serves at home".to_owned()));
            let mut lines = Vec::new();
            named(&mut lines, width, rows);
            lines.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            told(48),
            [
                "erp01         serves at home",
                "erp01-standby serves at home"
            ]
        );
        assert_eq!(
            told(22),
            ["erp01   serves at home", "erp01-… serves at home"]
        );
        assert_eq!(told(18)[..2], ["erp01   serves at", "        home"]);
    }
}
