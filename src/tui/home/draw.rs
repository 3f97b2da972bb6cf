//! How home looks.

use std::time::Duration;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::engine::Way;
use crate::report::{DrillDue, decide_by};
use crate::runbook::model::Mode;

use super::super::keys::{self, HomeAction};
use super::super::page::{Extent, Now};
use super::super::text;
use super::super::theme::{Role, mode_style};
use super::super::view::{hint, keys_line, labelled, put, rule};
use super::{FinishedRun, HomePage, Row, RunbookEntry, UnfinishedRun, choice};

/// What stands where no runbook was found.
const NO_RUNBOOKS: &str = "none in this folder; [Enter] practises with the bundled one";

/// A line of the list.
enum Listed {
    Heading(&'static str),
    /// What can be chosen, by its number.
    Row(usize, Line<'static>),
    Remark(Line<'static>),
}

fn remark(words: String) -> Listed {
    Listed::Remark(Line::styled(format!(" {words}"), Role::Dim.style()))
}

impl HomePage {
    pub(super) fn draw_rows(&self, buffer: &mut Buffer, area: Rect) -> Extent {
        let width = usize::from(area.width);
        let lines = self.listed(width);
        let rows = usize::from(area.height);
        let extent = Extent {
            lines: lines.len(),
            rows,
        };
        let is_chosen = |line: &Listed| matches!(line, Listed::Row(row, _) if *row == self.at);
        let at = lines.iter().position(is_chosen).unwrap_or(0);
        let top = (at + 2).saturating_sub(rows).min(extent.last_offset());
        for (line, y) in lines.into_iter().skip(top).zip(area.y..area.bottom()) {
            let place = Rect {
                y,
                height: 1,
                ..area
            };
            match line {
                Listed::Heading(words) => rule(buffer, place, words, "", Role::Strong.style()),
                Listed::Row(row, line) if row == self.at => {
                    let line = cut_line(line, width).patch_style(Role::Chosen.style());
                    put(buffer, place, &line);
                }
                Listed::Row(_, line) | Listed::Remark(line) => {
                    put(buffer, place, &cut_line(line, width));
                }
            }
        }
        extent
    }

    /// Everything that can be chosen, under its headings.
    fn listed(&self, width: usize) -> Vec<Listed> {
        let home = &self.home;
        let mut lines = Vec::new();
        let mut index = 0;
        let mut section = |name, rows: Vec<Line<'static>>| {
            lines.push(Listed::Heading(name));
            if rows.is_empty() {
                lines.push(remark(NO_RUNBOOKS.to_owned()));
            }
            for row in rows {
                lines.push(Listed::Row(index, row));
                index += 1;
            }
        };
        if !home.unfinished.is_empty() {
            let rows = home.unfinished.iter();
            let rows = rows.map(|run| self.unfinished_line(run));
            section("unfinished runs", rows.collect());
        }
        let rows = home.runbooks.iter();
        let rows = rows.map(|runbook| runbook_line(runbook, width, self.now));
        section("runbooks", rows.collect());
        if !home.finished.is_empty() {
            let rows = home.finished.iter();
            let rows = rows.map(|run| self.finished_line(run));
            section("runs before", rows.collect());
        }
        if home.older > 0 {
            let words = format!("and {} before them: lifeboat runs", home.older);
            lines.push(remark(words));
        }
        lines
    }

    fn unfinished_line(&self, run: &UnfinishedRun) -> Line<'static> {
        let state = match (&run.problem, &run.waits_for) {
            (Some(problem), _) => (Role::Bad, problem.clone()),
            (None, _) if run.holder.is_some() => {
                let holder = run.holder.as_deref().unwrap_or_default();
                (Role::Plain, format!("held by {holder}"))
            }
            (None, Some(step)) => (Role::Warn, format!("needs you: {step}")),
            (None, None) => (Role::Plain, String::new()),
        };
        let age = text::ago(run.last, self.now.wall);
        Line::from(vec![
            Span::raw(format!(
                " {}  ",
                text::fit(&text::clean(run.run.as_str()), 20)
            )),
            mode_span(run.mode),
            Span::raw(format!("  {}/{}  {age}  ", run.settled, run.steps)),
            Span::styled(text::clean(&state.1).into_owned(), state.0.style()),
        ])
    }

    fn finished_line(&self, run: &FinishedRun) -> Line<'static> {
        let left = run.window.and_then(|window| window.left(self.now.wall));
        let late = left.filter(|left| left.is_negative());
        let (role, words) = match (&run.stage, late) {
            (Some(_), Some(late)) => {
                let late = text::short(late.as_secs().unsigned_abs());
                (Role::Bad, format!("overdue by {late}: commit or roll back"))
            }
            (Some(stage), None) => {
                let role = if stage.is_well() {
                    Role::Good
                } else {
                    Role::Warn
                };
                (role, run.stands().unwrap_or_default())
            }
            (None, _) => (Role::Bad, "its journal does not fit".to_owned()),
        };
        Line::from(vec![
            Span::raw(format!(
                " {}  ",
                text::fit(&text::clean(run.run.as_str()), 20)
            )),
            mode_span(run.mode),
            Span::raw(format!("  {}  ", text::ago(run.ended, self.now.wall))),
            Span::styled(words, role.style()),
        ])
    }

    /// What there is to know of the highlighted row, whole where its line may be cut.
    pub(super) fn detail(&self, width: usize) -> Vec<Line<'static>> {
        let width = width.saturating_sub(2).min(100);
        let mut lines = Vec::new();
        match self.rows().get(self.at) {
            Some(Row::Unfinished(run)) => about_unfinished(&mut lines, width, run),
            Some(Row::Runbook(runbook)) => about_runbook(&mut lines, width, runbook),
            Some(Row::Finished(run)) => about_finished(&mut lines, width, run, self.now),
            None => {}
        }
        lines
    }

    pub(super) fn draw_keys(&self, buffer: &mut Buffer, area: Rect) {
        let mut parts = Vec::new();
        for binding in keys::HOME.iter().filter(|binding| binding.hint) {
            let helps = binding.action == HomeAction::Help;
            let enabled = helps || self.choice(binding.action).is_ok();
            match binding.action {
                HomeAction::Act if enabled => {
                    let words = format!(" [Enter] {} ", self.act_label());
                    parts.push((Line::styled(words, Role::Chosen.style()), true));
                }
                HomeAction::Act => {}
                action if !enabled && is_ending(action) => {}
                _ => parts.push(hint(binding, binding.label, enabled)),
            }
        }
        put(buffer, area, &keys_line(parts, usize::from(area.width)));
    }
}

fn about_unfinished(lines: &mut Vec<Line<'static>>, width: usize, run: &UnfinishedRun) {
    let mut say = |label, words: &str| labelled(lines, width, label, Role::Plain, words);
    say("runbook", &run.runbook);
    say("last", &text::date(run.last));
    say("needs", run.waits_for.as_deref().unwrap_or_default());
    let stage = run.stage.as_ref();
    let stands = stage.filter(|stage| stage.is_begun() || stage.is_split());
    match (&run.problem, &run.holder, stands) {
        (Some(problem), ..) => say("resume", problem),
        (None, Some(holder), _) => {
            let words = format!("{holder} drives it; Enter looks on and decides nothing");
            say("watch", &words);
        }
        (None, None, Some(stage)) => say("stands", &stage.words()),
        (None, None, None) => say("resume", "nothing is lost: it goes on where it stood"),
    }
}

fn about_runbook(lines: &mut Vec<Line<'static>>, width: usize, runbook: &RunbookEntry) {
    labelled(lines, width, "title", Role::Plain, &runbook.title);
    let [from, to] = &runbook.sites;
    let way = if from.is_empty() {
        String::new()
    } else {
        format!("{from} -> {to}")
    };
    labelled(lines, width, "sites", Role::Plain, &way);
    let bundled = "in the program itself".to_owned();
    let path = runbook
        .path
        .as_ref()
        .map_or(bundled, |path| path.display().to_string());
    labelled(lines, width, "file", Role::Plain, &path);
    let problem = runbook.problem.as_deref().unwrap_or_default();
    labelled(lines, width, "wrong", Role::Bad, problem);
}

fn about_finished(lines: &mut Vec<Line<'static>>, width: usize, run: &FinishedRun, now: Now) {
    let words = format!("{}, ended {}", run.runbook, text::date(run.ended));
    labelled(lines, width, "runbook", Role::Plain, &words);
    let stands = run.stands().unwrap_or_default();
    labelled(lines, width, "stands", Role::Plain, &stands);
    let window = run.window.as_ref();
    let decide = window.and_then(|window| decide_by(window, now.wall));
    labelled(
        lines,
        width,
        "window",
        Role::Warn,
        &decide.unwrap_or_default(),
    );
    for way in &run.ways {
        labelled(lines, width, "next", Role::Plain, &way_line(way));
    }
    let live = choice::live_line(run).unwrap_or_default();
    labelled(lines, width, "live", Role::Plain, live);
}

/// The line in at most `width` columns; where it is cut shows.
fn cut_line(line: Line<'static>, width: usize) -> Line<'static> {
    let mut left = width;
    let mut kept = Vec::new();
    for span in line.spans {
        let taken = text::width(&span.content);
        if taken > left {
            kept.push(Span::styled(text::cut(&span.content, left), span.style));
            break;
        }
        left -= taken;
        kept.push(span);
    }
    Line::from(kept).style(line.style)
}

fn is_ending(action: HomeAction) -> bool {
    matches!(
        action,
        HomeAction::Commit | HomeAction::Rollback | HomeAction::Cleanup | HomeAction::LeaveEnding
    )
}

/// `[c] lifeboat commit RUN`; without the key where home has none.
fn way_line(way: &Way) -> String {
    let action = choice::key_of(way.to);
    let mut bindings = keys::HOME.iter();
    let binding = action.and_then(|action| bindings.find(|binding| binding.action == action));
    let key = binding.and_then(|binding| binding.keys.first());
    match key {
        Some(key) => format!("[{}] {}", key.name(), way.command),
        None => way.command.clone(),
    }
}

fn mode_span(mode: Option<Mode>) -> Span<'static> {
    match mode {
        Some(mode) => Span::styled(
            format!(" {:8} ", mode.as_str().to_uppercase()),
            mode_style(mode),
        ),
        None => Span::raw(" ?        "),
    }
}

pub(super) fn runbook_line(runbook: &RunbookEntry, width: usize, now: Now) -> Line<'static> {
    let mut facts = format!("{} VMs", runbook.vms);
    for (word, time) in [("RTO", runbook.rto), ("RPO", runbook.rpo)] {
        if let Some(time) = time {
            facts.push_str(&format!("  {word} {}", text::short(time.as_secs())));
        }
    }
    let (role, state) = match (&runbook.problem, runbook.last_drill) {
        (Some(_), _) => (Role::Bad, "not valid".to_owned()),
        (None, Some(at)) if is_overdue(at, runbook.drill_every, now.wall) => (
            Role::Warn,
            format!("overdue: drilled {}", text::ago(at, now.wall)),
        ),
        (None, Some(at)) => (
            Role::Plain,
            format!("valid  drilled {}", text::ago(at, now.wall)),
        ),
        (None, None) if runbook.path.is_none() => (Role::Dim, "bundled".to_owned()),
        (None, None) => (Role::Warn, "valid  never drilled".to_owned()),
    };
    let name = text::fit(&text::clean(&runbook.name), (width / 3).clamp(16, 40));
    Line::from(vec![
        Span::styled(format!(" {name}  "), Role::Strong.style()),
        Span::raw(format!("{}  ", text::fit(&facts, 24))),
        Span::styled(state, role.style()),
    ])
}

fn is_overdue(last: Timestamp, every: Option<Duration>, now: Timestamp) -> bool {
    every.is_some_and(|every| matches!(DrillDue::new(Some(last), every, now), DrillDue::Overdue(_)))
}
