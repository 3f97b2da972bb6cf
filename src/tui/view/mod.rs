//! The run screen drawn from its model. Pure: the same model gives the same cells.

mod brief;
mod card;
mod commands;
mod debrief;
mod dialog;
mod flow;
mod frame;
mod grid;
mod header;
mod help;
mod hosts;
mod keys;
pub(super) mod log;
mod status;
mod steps;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::model::{Page, Run};
use super::page::{Extent, Seen};
use super::theme::Role;
use super::update::SMALLEST;

pub(super) use dialog::input_line;
pub(super) use frame::{labelled, put, rule};
pub(super) use keys::{hint, keys_line};

use frame::{pane, spans, vertical};

/// Text is never stretched beyond this.
pub(super) const WIDEST_TEXT: u16 = 100;
/// From this width on, hosts and output stand beside the steps.
const NORMAL: u16 = 110;
/// From this width on, the header is one line.
const ONE_LINE: u16 = 150;
/// From this width on, the output has a column of its own.
const WIDE: u16 = 180;
/// Rows that the output keeps below a long card.
const OUTPUT: u16 = 5;
/// From this height on, a narrow screen stacks its panes.
const TALL: u16 = 44;

/// Draws the run.
pub(super) fn draw(run: &Run, buffer: &mut Buffer) -> Seen {
    let area = *buffer.area();
    let mut seen = Seen {
        area,
        ..Seen::default()
    };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(run, buffer, area);
        return seen;
    }
    let head = if area.width < ONE_LINE { 2 } else { 1 };
    let [top, body, status, keys] = Layout::vertical([
        Constraint::Length(head),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    header::draw(run, buffer, top);
    match &run.ui.page {
        Page::Main => main(run, buffer, body, &mut seen),
        Page::Grid => seen.list = grid::draw(run, buffer, body),
        Page::Host(at) => seen.list = hosts::zoom(run, buffer, body, *at),
        Page::Log => seen.list = log::draw(run, buffer, body),
        Page::Brief => seen.list = brief::draw(run, buffer, body),
        Page::Help => seen.list = help::draw(run, buffer, body),
        Page::Debrief => seen.list = debrief::draw(run, buffer, body),
    }
    if let Some(open) = &run.ui.dialog {
        (seen.dialog, seen.cursor) = dialog::draw(run, open, buffer, body);
    }
    status::draw(run, buffer, status);
    keys::draw(run, buffer, keys, seen.card);
    seen
}

/// Steps and card; hosts and output beside them where there is room, else in the card's place.
fn main(run: &Run, buffer: &mut Buffer, area: Rect, seen: &mut Seen) {
    if area.width >= NORMAL {
        in_columns(run, buffer, area, seen);
    } else if area.height >= TALL {
        stacked(run, buffer, area, seen);
    } else {
        in_turn(run, buffer, area, seen);
    }
}

/// Steps, card and hosts side by side; the output below the card, or beside it.
fn in_columns(run: &Run, buffer: &mut Buffer, area: Rect, seen: &mut Seen) {
    let wide = area.width >= WIDE;
    let (left, right) = if wide { (44, 38) } else { (36, 31) };
    let [steps, middle, hosts] = Layout::horizontal([
        Constraint::Length(left),
        Constraint::Fill(1),
        Constraint::Length(right),
    ])
    .spacing(1)
    .areas(area);
    let [card, output] = if wide {
        let halves = Layout::horizontal([Constraint::Percentage(56), Constraint::Fill(1)]);
        halves.spacing(1).areas(middle)
    } else {
        // The card comes first: the output gets what it leaves, and a few lines at least.
        let most = middle.height.saturating_sub(OUTPUT);
        let card = card::height(run, middle.width)
            .min(most)
            .max(middle.height * 3 / 5);
        Layout::vertical([Constraint::Length(card), Constraint::Fill(1)]).areas(middle)
    };
    if card_alone(run, buffer, area, card, seen) {
        return;
    }
    vertical(buffer, steps);
    vertical(buffer, middle);
    if wide {
        vertical(buffer, card);
    }
    steps::draw(run, buffer, steps);
    seen.card = Some(card::draw(run, buffer, card));
    let printed = log::output(run, buffer, output);
    let listed = hosts::draw(run, buffer, hosts);
    seen.list = if run.ui.pane == 3 { listed } else { printed };
}

/// Everything below each other, the hosts a line each.
fn stacked(run: &Run, buffer: &mut Buffer, area: Rect, seen: &mut Seen) {
    let hosts = u16::try_from(run.runbook.hosts.len())
        .unwrap_or(8)
        .clamp(1, 8)
        + 1;
    let [steps, card, output, hosts] = Layout::vertical([
        Constraint::Percentage(36),
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(hosts),
    ])
    .areas(area);
    if card_alone(run, buffer, area, card, seen) {
        return;
    }
    steps::draw(run, buffer, steps);
    let zoomed = run.ui.pane == 3;
    if zoomed {
        seen.list = hosts::draw(run, buffer, card);
    } else {
        seen.card = Some(card::draw(run, buffer, card));
    }
    let printed = log::output(run, buffer, output);
    if !zoomed {
        seen.list = printed;
    }
    hosts::lines(run, buffer, hosts);
}

/// The steps, and one of the other panes.
fn in_turn(run: &Run, buffer: &mut Buffer, area: Rect, seen: &mut Seen) {
    let left = (area.width * 2 / 5).clamp(28, 36);
    let [steps, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)])
        .spacing(1)
        .areas(area);
    if card_alone(run, buffer, area, right, seen) {
        return;
    }
    vertical(buffer, steps);
    steps::draw(run, buffer, steps);
    match run.ui.pane {
        3 => seen.list = hosts::draw(run, buffer, right),
        4 => seen.list = log::output(run, buffer, right),
        _ => seen.card = Some(card::draw(run, buffer, right)),
    }
}

/// Draws the card over everything where that is the quicker way to read all of it.
fn card_alone(run: &Run, buffer: &mut Buffer, whole: Rect, beside: Rect, seen: &mut Seen) -> bool {
    let hides_hosts = whole.width >= NORMAL || whole.height >= TALL;
    seen.card_alone = card::is_alone(run, whole, beside, hides_hosts);
    if seen.card_alone {
        seen.card = Some(card::draw(run, buffer, whole));
    }
    seen.card_alone
}

fn too_small(run: &Run, buffer: &mut Buffer, area: Rect) {
    let size = format!(
        "{}x{} is too small: {}x{} needed",
        area.width, area.height, SMALLEST.0, SMALLEST.1
    );
    let lines = [
        (Role::Strong, run.title()),
        (Role::Warn, size),
        (
            Role::Plain,
            "The run goes on; make the window larger.".to_owned(),
        ),
        (Role::Plain, "Ctrl-C twice leaves.".to_owned()),
    ];
    let width = usize::from(area.width);
    let mut y = area.y;
    for (role, text) in lines {
        for line in super::text::wrap(&text, width) {
            if y >= area.bottom() {
                return;
            }
            put(
                buffer,
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                &Line::styled(line, role.style()),
            );
            y += 1;
        }
    }
}

/// Lines from an offset on, and how much of them there is.
fn list(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>], offset: usize) -> Extent {
    let rows = usize::from(area.height);
    let extent = Extent {
        lines: lines.len(),
        rows,
    };
    let offset = offset.min(extent.last_offset());
    for (line, y) in lines.iter().skip(offset).zip(area.y..area.bottom()) {
        put(
            buffer,
            Rect {
                y,
                height: 1,
                ..area
            },
            line,
        );
    }
    extent
}

/// A page that is nothing but lines below its heading, which says how far it is scrolled.
fn sheet(
    run: &Run,
    buffer: &mut Buffer,
    area: Rect,
    heading: &str,
    note: &str,
    lines: &[Line<'_>],
) -> Extent {
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
    let note = format!("{}{note}", place(extent, offset));
    rule(
        buffer,
        Rect { height: 1, ..area },
        heading,
        note.trim_start(),
        Role::Strong.style(),
    );
    list(buffer, inner, lines, offset)
}

/// `lines 1-20 of 64` for a pane's title.
pub(super) fn place(extent: Extent, offset: usize) -> String {
    if extent.lines <= extent.rows {
        return String::new();
    }
    let offset = offset.min(extent.last_offset());
    format!(
        "{}-{} of {}",
        offset + 1,
        offset + extent.rows,
        extent.lines
    )
}

/// As wide as text may be.
fn text_width(area: Rect) -> usize {
    usize::from(area.width.min(WIDEST_TEXT))
}

#[cfg(test)]
mod tests;
