//! How the run stands, in as many lines as a screen has.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::report::{self, BriefLine};
use crate::tui::model::Run;
use crate::tui::page::Extent;
use crate::tui::theme::Role;

use super::{labelled, list, place, rule, text_width};

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let width = text_width(area).saturating_sub(2);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for BriefLine { label, text } in run.standing(report::brief) {
        let role = match label {
            "risk" => Role::Bad,
            "needs" => Role::Warn,
            _ => Role::Plain,
        };
        labelled(&mut lines, width, label, role, &text);
    }
    let inner = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(1),
        height: area.height.saturating_sub(1),
    };
    let extent = Extent {
        lines: lines.len(),
        rows: usize::from(inner.height),
    };
    let offset = run.ui.offset.unwrap_or(0);
    let note = format!("{}  [Esc] back", place(extent, offset));
    rule(
        buffer,
        Rect { height: 1, ..area },
        "brief",
        note.trim_start(),
        Role::Strong.style(),
    );
    list(buffer, inner, &lines, offset)
}
