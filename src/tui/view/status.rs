//! The status line: what the person should know now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::engine::DrillTerms;
use crate::tui::model::Run;
use crate::tui::text;
use crate::tui::theme::Role;

use super::put;

/// Draws it, and how long until the next update is due.
pub(super) fn draw(run: &Run, buffer: &mut Buffer, area: Rect) {
    let (role, words) = most_urgent(run, usize::from(area.width));
    let words = text::clean(&words).into_owned();
    put(
        buffer,
        area,
        &Line::styled(format!(" {words}"), role.style()),
    );
    countdown(run, buffer, area, text::width(&words));
}

/// What the person should know now: the most urgent thing first.
fn most_urgent(run: &Run, width: usize) -> (Role, String) {
    if let Some((toast, _)) = &run.ui.toast {
        return (Role::Warn, toast.clone());
    }
    if run.leaving.is_some() {
        let words = "leaving: waiting for the journal to be closed";
        return (Role::Warn, words.to_owned());
    }
    if let Some(fault) = run.end.as_ref().and_then(|end| end.fault.as_ref()) {
        let next = if fault.next.is_empty() {
            "resume it"
        } else {
            &fault.next
        };
        let words = format!("the run stopped: {}; next: {next}", fault.what);
        return (Role::Bad, words);
    }
    if let Some(banner) = run.ui.banners.back() {
        const SEEN: &str = "  [Esc] seen";
        let room = width.saturating_sub(1 + SEEN.len());
        return (Role::Bad, format!("{}{SEEN}", text::cut(banner, room)));
    }
    if let Some(key) = run.new_key() {
        let words = format!("{} shows a host key that is not accepted", key.host);
        return (Role::Bad, words);
    }
    if let Some(words) = update_due(run) {
        return (Role::Warn, words);
    }
    where_it_stands(run)
}

/// The same where nothing has happened that the person does not know.
fn where_it_stands(run: &Run) -> (Role, String) {
    if run.state.paused {
        let words = "paused: nothing new starts; [a] continues";
        return (Role::Warn, words.to_owned());
    }
    let waiting = run.waiting_for_person();
    match waiting.filter(|step| *step != run.ui.shown).count() {
        0 => {}
        1 => return (Role::Warn, "1 more step needs you: [n]".to_owned()),
        more => return (Role::Warn, format!("{more} more steps need you: [n]")),
    }
    if run.stuck {
        let words = "nothing else can go on until this is decided";
        return (Role::Warn, words.to_owned());
    }
    if let Some(unknown) = run.host_keys.front().filter(|_| !run.is_over()) {
        let host = &unknown.key.host;
        let words = format!("{host} stays refused: its key is not accepted; [i] compares it");
        return (Role::Warn, words);
    }
    let terms = run.terms().filter(|_| !run.is_over());
    (
        Role::Dim,
        terms.map(DrillTerms::in_words).unwrap_or_default(),
    )
}

/// That an update is due, until it is posted.
fn update_due(run: &Run) -> Option<String> {
    let late = text::seconds(run.update_due()?, run.now.wall);
    (late >= 0).then(|| "those who wait are due an update: [t]".to_owned())
}

/// How long until the next update is due, at the right end, where there is room.
fn countdown(run: &Run, buffer: &mut Buffer, area: Rect, taken: usize) {
    let Some(left) = run
        .update_due()
        .map(|due| text::seconds(run.now.wall, due))
        .filter(|left| *left > 0)
    else {
        return;
    };
    let words = format!("update in {}:{:02} [t]", left / 60, left % 60);
    let width = text::width(&words);
    let Some(gap) = usize::from(area.width)
        .checked_sub(width + 1)
        .filter(|gap| *gap > taken + 2)
    else {
        return;
    };
    let place = Rect {
        x: area.x + u16::try_from(gap).unwrap_or(0),
        width: u16::try_from(width).unwrap_or(0),
        ..area
    };
    put(buffer, place, &Line::styled(words, Role::Dim.style()));
}
