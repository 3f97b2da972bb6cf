//! The last line: what can be pressed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::keys::{Action, Binding};
use crate::tui::model::{Enter, Page, Run};
use crate::tui::page::Extent;
use crate::tui::theme::Role;

use super::{dialog, put};

/// The keys that count now, the next one highlighted.
pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect, card: Option<Extent>) {
    if run.ui.dialog.is_some() {
        let line = dialog::keys(run);
        put(buffer, area, &line);
        return;
    }
    let mut parts = Vec::new();
    let hints = run.bindings().filter(|binding| binding.hint);
    for binding in hints.filter(|binding| !(run.watching && binding.action.decides())) {
        let enabled = run.why_not(binding.action).is_none();
        // A no where nothing is asked would only be in the way.
        let is_far = run.ui.page != Page::Main || binding.action == Action::Decline;
        if !enabled && is_far {
            continue;
        }
        match binding.action {
            Action::Act => parts.push(enter_part(run, card)),
            Action::Pace => {
                let label = format!("pace: {}", run.state.pace.as_str());
                parts.push(hint(binding, &label, enabled));
            }
            Action::Pause if run.state.paused => parts.push(hint(binding, "continue", enabled)),
            _ => parts.push(hint(binding, binding.label, enabled)),
        }
    }
    put(buffer, area, &keys_line(parts, usize::from(area.width)));
}

/// What Enter does, or why it does nothing yet.
fn enter_part(run: &Run, card: Option<Extent>) -> (Line<'static>, bool) {
    let act = run.enter_seeing(card);
    let (style, words) = match &act {
        Enter::Confirm(Some(left)) | Enter::Fill(Some(left)) => {
            let tenths = left.as_millis().div_ceil(100);
            (
                Role::Dim,
                format!(" armed in {}.{} s ", tenths / 10, tenths % 10),
            )
        }
        Enter::Nothing if run.watching => (Role::Plain, " [q] stop watching ".to_owned()),
        Enter::Nothing => (Role::Dim, " nothing to press ".to_owned()),
        act => (Role::Chosen, format!(" [Enter] {} ", run.enter_label(act))),
    };
    (Line::styled(words, style.style()), true)
}

/// One hint, and whether the key does something now.
pub(in crate::tui) fn hint<A>(
    binding: &Binding<A>,
    label: &str,
    enabled: bool,
) -> (Line<'static>, bool) {
    let key = binding
        .keys
        .first()
        .map(|press| press.name())
        .unwrap_or_default();
    let (key_role, role) = if enabled {
        (Role::Key, Role::Plain)
    } else {
        (Role::Dim, Role::Dim)
    };
    let line = Line::from(vec![
        Span::styled(format!("[{key}]"), key_role.style()),
        Span::styled(format!(" {label}"), role.style()),
    ]);
    (line, enabled)
}

/// Hints in a line. Where room is short, first those that do nothing now give way, then the last
/// ones; the first and the last (help) stay.
pub(in crate::tui) fn keys_line(
    mut parts: Vec<(Line<'static>, bool)>,
    width: usize,
) -> Line<'static> {
    let total = |parts: &[(Line<'_>, bool)]| {
        parts
            .iter()
            .map(|(line, _)| line.width() + 2)
            .sum::<usize>()
    };
    while total(&parts) > width && parts.len() > 2 {
        let dead = parts.iter().rposition(|(_, enabled)| !enabled);
        parts.remove(dead.unwrap_or(parts.len() - 2));
    }
    let mut spans = vec![Span::raw(" ")];
    for (line, _) in parts {
        spans.extend(line.spans.into_iter().map(|span| {
            let style = line.style.patch(span.style);
            span.style(style)
        }));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}
