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
struct Said {
    at: String,
    look: Look,
    words: String,
}

/// One row on the screen.
pub(in crate::tui) struct Row {
    /// The time, on the first row of a line.
    at: Option<String>,
    look: Look,
    words: String,
    /// The first row of a line that holds what is searched for.
    pub hit: bool,
    /// Any row of such a line.
    marked: bool,
}

/// Columns of the time.
const TIME: usize = 10;

/// Every line that the filter lets through, wrapped.
pub(in crate::tui) fn rows(run: &Run, width: u16) -> Vec<Row> {
    let width = usize::from(width).saturating_sub(TIME);
    let picked = run.log.lines().filter(|line| line.passes(run.ui.filter));
    let mut rows = Vec::new();
    for said in said(run, picked) {
        let marked = matches(&said, &run.ui.search);
        let mut at = Some(said.at);
        for words in text::wrap(&said.words, width) {
            let hit = marked && at.is_some();
            rows.push(Row {
                at: at.take(),
                look: said.look,
                words,
                hit,
                marked,
            });
        }
    }
    rows
}

fn said<'a>(run: &Run, lines: impl Iterator<Item = &'a Logged>) -> Vec<Said> {
    lines
        .map(|line| {
            let (look, words) = line.say(&run.state);
            Said {
                at: text::time(line.at),
                look,
                words: text::clean(&words).into_owned(),
            }
        })
        .collect()
}

/// Whether a line holds what is searched for (which is in lower case).
fn matches(line: &Said, search: &str) -> bool {
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
    let lines = rows(run, area.width);
    let extent = Extent {
        lines: lines.len(),
        rows: usize::from(area.height.saturating_sub(1)),
    };
    let offset = run
        .ui
        .offset
        .unwrap_or(extent.last_offset())
        .min(extent.last_offset());
    let mut title = format!("log in UTC: {}", run.ui.filter.as_str());
    if !run.ui.search.is_empty() {
        let hits = lines.iter().filter(|line| line.hit).count();
        title.push_str(&format!("  /{} {hits} found", text::clean(&run.ui.search)));
    }
    let mut note = match run.ui.offset {
        None => "follows".to_owned(),
        Some(_) => place(extent, offset),
    };
    if run.log.dropped > 0 {
        note = format!("{} earlier lines in journal.jsonl  {note}", run.log.dropped);
    }
    let title = format!("{title}  [/] search [f] filter [Esc] back");
    rule(
        buffer,
        Rect { height: 1, ..area },
        &title,
        &note,
        Role::Strong.style(),
    );
    for (row, y) in lines.iter().skip(offset).zip(area.y + 1..area.bottom()) {
        let mut style = role(row.look).style();
        if row.marked {
            style = style.patch(Role::Chosen.style());
        }
        let at = text::fit(row.at.as_deref().unwrap_or_default(), TIME - 2);
        let line = Line::from(vec![
            Span::styled(format!(" {at} "), Role::Dim.style()),
            Span::styled(row.words.as_str(), style),
        ]);
        put(
            buffer,
            Rect {
                y,
                height: 1,
                ..area
            },
            &line,
        );
    }
    extent
}

/// Commands and what hosts printed, the newest at the bottom, wrapped so that nothing is lost.
pub(super) fn output(run: &Run, buffer: &mut Buffer, area: Rect) -> Extent {
    let focused = run.ui.pane == 4;
    let note = if focused && run.ui.offset.is_some() {
        "scrolled"
    } else {
        ""
    };
    let inner = pane(buffer, area, 4, "output", note, focused);
    tail(
        run,
        buffer,
        inner,
        |line| line.passes(Filter::Commands),
        focused,
    )
}

/// The same for one host.
pub(super) fn of_host(run: &Run, buffer: &mut Buffer, area: Rect, host: &HostName) -> Extent {
    if area.height < 2 {
        return Extent::default();
    }
    let note = if run.ui.offset.is_some() {
        "scrolled"
    } else {
        "follows"
    };
    rule(
        buffer,
        Rect { height: 1, ..area },
        "commands",
        note,
        Role::Strong.style(),
    );
    let inner = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    tail(
        run,
        buffer,
        inner,
        |line| line.host(&run.state) == Some(host),
        true,
    )
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
    let picked: Vec<&Logged> = run
        .log
        .lines()
        .rev()
        .filter(|line| pick(line))
        .take(most)
        .collect();
    let mut lines = Vec::new();
    for said in said(run, picked.into_iter().rev()) {
        let style = role(said.look).style();
        lines.extend(
            text::wrap(&said.words, width)
                .into_iter()
                .map(|line| Line::styled(line, style)),
        );
    }
    let extent = Extent {
        lines: lines.len(),
        rows,
    };
    let offset = scrolled.unwrap_or(extent.last_offset());
    let inner = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(1),
        ..area
    };
    super::list(buffer, inner, &lines, offset)
}
