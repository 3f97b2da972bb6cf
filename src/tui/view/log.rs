//! The log: what was sent, what was printed, what happened.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::names::HostName;
use crate::tui::model::Run;
use crate::tui::model::log::{Filter, Line as Logged, Look};
use crate::tui::page::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

use super::{pane, place, put, rule};

/// A line of the log in words, with how it looks.
pub(in crate::tui) struct Said {
    at: String,
    look: Look,
    words: String,
}

/// Every line that the filter lets through.
pub(in crate::tui) fn lines(run: &Run) -> Vec<Said> {
    said(run, run.log.lines().filter(|line| line.passes(run.ui.filter)))
}

fn said<'a>(run: &Run, lines: impl Iterator<Item = &'a Logged>) -> Vec<Said> {
    lines
        .map(|line| {
            let (look, words) = line.say(&run.state);
            Said { at: text::time(line.at), look, words: text::clean(&words).into_owned() }
        })
        .collect()
}

/// Whether a line holds what is searched for (which is in lower case).
pub(in crate::tui) fn matches(line: &Said, search: &str) -> bool {
    !search.is_empty() && line.words.to_lowercase().contains(search)
}

fn role(look: Look) -> Role {
    match look {
        Look::Read | Look::Event => Role::Plain,
        Look::Write => Role::Strong,
        Look::Output => Role::Dim,
        Look::Good => Role::Good,
        Look::Bad => Role::Bad,
    }
}

/// The log on the whole screen.
pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let lines = lines(run);
    let rows = usize::from(area.height.saturating_sub(1));
    let extent = Extent { lines: lines.len(), rows };
    let offset = run.ui.offset.unwrap_or(extent.last_offset());
    let mut title = format!("log: {}", run.ui.filter.as_str());
    if !run.ui.search.is_empty() {
        let hits = lines.iter().filter(|line| matches(line, &run.ui.search)).count();
        title.push_str(&format!("  /{} {hits} found", text::clean(&run.ui.search)));
    }
    let mut note = match run.ui.offset {
        None => "follows".to_owned(),
        Some(_) => place(extent, offset),
    };
    if run.log.dropped > 0 {
        note = format!("{} earlier lines in journal.jsonl  {note}", run.log.dropped);
    }
    let heading = Rect { height: 1, ..area };
    rule(
        buffer,
        heading,
        &format!("{title}  [/] search [f] filter [Esc] back"),
        &note,
        Role::Strong.style(),
    );
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    rows_at(run, buffer, inner, &lines, offset.min(extent.last_offset()));
    extent
}

fn rows_at(run: &Run, buffer: &mut Buffer, area: Rect, lines: &[Said], offset: usize) {
    for (said, y) in lines.iter().skip(offset).zip(area.y..area.bottom()) {
        let mut style = role(said.look).style();
        if matches(said, &run.ui.search) {
            style = style.patch(Role::Chosen.style());
        }
        let line = Line::from(vec![
            Span::styled(format!(" {} ", said.at), Role::Dim.style()),
            Span::styled(said.words.as_str(), style),
        ]);
        put(buffer, Rect { y, height: 1, ..area }, &line);
    }
}

/// Commands and what hosts printed, the newest at the bottom, wrapped so that nothing is lost.
pub(super) fn output(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let focused = run.ui.pane == 4;
    let note = if focused && run.ui.offset.is_some() { "scrolled" } else { "" };
    let inner = pane(buffer, area, 4, "output", note, focused);
    tail(run, buffer, inner, |line| line.passes(Filter::Commands), focused)
}

/// The same for one host.
pub(super) fn of_host(run: &Run, buffer: &mut Buffer, area: Rect, host: &HostName) -> Extent {
    if area.height < 2 {
        return Extent::default();
    }
    rule(buffer, Rect { height: 1, ..area }, "commands", "", Role::Strong.style());
    let inner = Rect { y: area.y + 1, height: area.height - 1, ..area };
    tail(run, buffer, inner, |line| line.host(&run.state) == Some(host), false)
}

fn tail(
    run: &Run,
    buffer: &mut Buffer,
    area: Rect,
    pick: impl Fn(&Logged) -> bool,
    focused: bool,
) -> Extent {
    let rows = usize::from(area.height);
    let width = usize::from(area.width.saturating_sub(1));
    let scrolled = run.ui.offset.filter(|_| focused);
    // At the end only as much is looked at as fits: a line takes at least one row.
    let most = if focused { usize::MAX } else { rows };
    let picked: Vec<&Logged> = run.log.lines().rev().filter(|line| pick(line)).take(most).collect();
    let mut lines = Vec::new();
    for said in said(run, picked.into_iter().rev()) {
        let style = role(said.look).style();
        lines.extend(
            text::wrap(&said.words, width).into_iter().map(|line| Line::styled(line, style)),
        );
    }
    let extent = Extent { lines: lines.len(), rows };
    let offset = scrolled.unwrap_or(extent.last_offset());
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    super::list(buffer, inner, &lines, offset)
}
