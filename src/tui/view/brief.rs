//! How the run stands, in as many lines as a screen has.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::report::{self, BriefLine};
use crate::tui::model::Run;
use crate::tui::page::Extent;
use crate::tui::theme::Role;

use super::{labelled, sheet, text_width};

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
    sheet(run, buffer, area, "brief", "  [Esc] back", &lines)
}
