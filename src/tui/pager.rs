//! A text to read: a report, a diagnosis.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::keys::{self, Binding, PagerAction};
use super::page::{Cmd, Extent, Msg, Now, Page, Seen};
use super::text;
use super::theme::Role;
use super::view::{WIDEST_TEXT, hint, keys_line, put, rule};

/// The screen of a text.
#[derive(Debug)]
pub(super) struct Pager {
    title: String,
    text: String,
    /// Its lines begin with labels.
    labelled: bool,
    offset: usize,
    seen: Extent,
}

impl Pager {
    pub(super) fn new(title: &str, text: &str) -> Self {
        Self {
            title: title.to_owned(),
            text: text.to_owned(),
            labelled: false,
            offset: 0,
            seen: Extent::default(),
        }
    }

    /// What the keys of a table do.
    pub(super) fn of_keys<A>(table: &[Binding<A>]) -> Self {
        Self {
            labelled: true,
            ..Self::new("keys", &keys::told(table))
        }
    }
}

impl Page for Pager {
    type Exit = ();

    fn update(&mut self, _: Now, msg: Msg) -> Vec<Cmd<()>> {
        let last = self.seen.last_offset();
        let page = self.seen.rows.saturating_sub(1).max(1);
        match msg {
            Msg::Ending(_) => return vec![Cmd::Leave(())],
            Msg::Painted(seen) => self.seen = seen.list,
            Msg::Key(key) => match keys::lookup(keys::PAGER, &key) {
                Some(PagerAction::Up) => self.offset = self.offset.min(last).saturating_sub(1),
                Some(PagerAction::Down) => self.offset = (self.offset + 1).min(last),
                Some(PagerAction::PageUp) => {
                    self.offset = self.offset.min(last).saturating_sub(page)
                }
                Some(PagerAction::PageDown) => self.offset = (self.offset + page).min(last),
                Some(PagerAction::First) => self.offset = 0,
                Some(PagerAction::Last) => self.offset = last,
                Some(PagerAction::Close) => return vec![Cmd::Leave(())],
                None => {}
            },
            _ => {}
        }
        Vec::new()
    }

    fn view(&self, buffer: &mut Buffer) -> Seen {
        let area = *buffer.area();
        let [top, body, bottom] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let width = usize::from(area.width.saturating_sub(2).min(WIDEST_TEXT));
        let lines = if self.labelled {
            text::wrap_labelled(&self.text, width)
        } else {
            text::wrap(&self.text, width)
        };
        let extent = Extent {
            lines: lines.len(),
            rows: usize::from(body.height),
        };
        let offset = self.offset.min(extent.last_offset());
        rule(
            buffer,
            top,
            &self.title,
            &super::view::place(extent, offset),
            Role::Strong.style(),
        );
        for (line, y) in lines.into_iter().skip(offset).zip(body.y..body.bottom()) {
            put(
                buffer,
                Rect {
                    x: body.x + 1,
                    y,
                    height: 1,
                    ..body
                },
                &Line::raw(line),
            );
        }
        let shown = keys::PAGER.iter().filter(|binding| binding.hint);
        let parts = shown
            .map(|binding| hint(binding, binding.label, true))
            .collect();
        put(buffer, bottom, &keys_line(parts, usize::from(bottom.width)));
        Seen {
            area,
            list: extent,
            ..Seen::default()
        }
    }

    fn title(&self) -> String {
        format!("Lifeboat - {}", self.title)
    }

    fn wake(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::{FULL, bare, parse, text};

    #[test]
    fn a_long_text_is_read_to_its_end() {
        let long: String = (1..=100).map(|n| format!("line {n}\n")).collect();
        let mut pager = Pager::new("report", &long);
        let mut left = false;
        let mut shot = |pager: &mut Pager, keys: &str| {
            for key in parse(keys) {
                left |= !pager.update(Now::default(), Msg::Key(key)).is_empty();
            }
            let mut buffer = bare((60, 16));
            let seen = pager.view(&mut buffer);
            pager.update(Now::default(), Msg::Painted(seen));
            FULL.degrade(&mut buffer);
            text(&buffer)
        };
        assert!(shot(&mut pager, "").contains("line 1\n"));
        let page = shot(&mut pager, "<PgDn>");
        // The last line of a page is the first of the next.
        assert!(
            page.contains("line 14\n") && page.contains("14-27 of 101"),
            "{page}"
        );
        assert!(shot(&mut pager, "G").contains("line 100\n"));
        assert!(shot(&mut pager, "g").contains("line 1\n"));
        shot(&mut pager, "q");
        assert!(left);
    }
}
