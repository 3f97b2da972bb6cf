//! Help, made from the table of keys: what each does, and why it does nothing now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::engine::Status;
use crate::tui::model::Run;
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::{Role, glyph, status_role};

use super::{list, place, rule, text_width};

/// Columns of the keys.
const KEYS: usize = 18;
/// Columns of a sign.
const SIGN: usize = 5;

pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let width = text_width(area).saturating_sub(1);
    let lines = lines(run, width);
    let inner = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
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
        "keys",
        note.trim_start(),
        Role::Strong.style(),
    );
    list(buffer, inner, &lines, offset)
}

fn lines(run: &Run, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for binding in run.bindings() {
        let names: Vec<String> = binding.keys.iter().map(|press| press.name()).collect();
        let mut words = binding.help.to_owned();
        if let Some(why) = run.why_not_beside_steps(binding.action) {
            words.push_str(&format!(" Now: {why}."));
        }
        for (at, line) in text::wrap(&words, width.saturating_sub(KEYS + 1))
            .into_iter()
            .enumerate()
        {
            let names = if at == 0 {
                names.join(", ")
            } else {
                String::new()
            };
            lines.push(Line::from(vec![
                Span::styled(format!(" {}", text::fit(&names, KEYS)), Role::Key.style()),
                Span::raw(line),
            ]));
        }
    }
    if !run.runbook.contacts.is_empty() {
        lines.push(Line::default());
        lines.push(Line::styled(" Whom to call", Role::Strong.style()));
    }
    for contact in &run.runbook.contacts {
        let words = format!("  {}  {}  {}", contact.phone, contact.name, contact.role);
        lines.push(Line::raw(text::clean(&words).into_owned()));
    }
    lines.push(Line::default());
    lines.push(Line::styled(" Signs beside steps", Role::Strong.style()));
    let signs = [
        (Status::Waiting, "waiting for its turn"),
        (Status::Running, "looking, running, or being taken back"),
        (Status::Asking, "asking: it needs you"),
        (Status::Held, "held: only a person can go on"),
        (
            Status::InDoubt,
            "in doubt: a command was lost; it is stopped and looked at before anything else",
        ),
        (Status::Done, "done, already done, or done by hand"),
        (Status::Failed, "failed"),
        (Status::Skipped, "skipped, with a reason"),
        (Status::Undone, "taken back"),
    ];
    for (status, words) in signs {
        let mut sign = Span::styled(
            format!("  {}  ", glyph(status)),
            status_role(status).style(),
        );
        for line in text::wrap(words, width.saturating_sub(SIGN)) {
            lines.push(Line::from(vec![sign, Span::raw(line)]));
            sign = Span::raw(" ".repeat(SIGN));
        }
    }
    lines
}
