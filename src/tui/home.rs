//! Home: runs that are not finished first, then runbooks, then what was done before.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::{CommitWindow, Stage, Way};
use crate::names::RunId;
use crate::report::{DrillDue, decide_by};
use crate::runbook::model::Mode;

use super::keys::{self, HomeAction};
use super::page::{Cmd, Extent, Msg, Now, Page, Seen};
use super::text;
use super::theme::{Role, mode_style};
use super::view::{hint, keys_line, labelled, put, rule};

/// What home shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Runs that can be resumed, the latest first.
    pub unfinished: Vec<UnfinishedRun>,
    /// Runbooks that were found, the bundled one last.
    pub runbooks: Vec<RunbookEntry>,
    /// Runs that are over, the latest first.
    pub finished: Vec<FinishedRun>,
    /// How many more there are, older ones.
    pub older: usize,
    /// Where runs are kept.
    pub state_dir: PathBuf,
}

/// A run that can be resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its id.
    pub run: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// How it is done.
    pub mode: Option<Mode>,
    /// When something last happened in it.
    pub last: Timestamp,
    /// Steps that are over.
    pub settled: usize,
    /// Steps in all.
    pub steps: usize,
    /// The title of the step that waits for a person.
    pub waits_for: Option<String>,
    /// The console that holds it: here it can be watched.
    pub holder: Option<String>,
    /// Why it cannot be resumed: its journal does not verify.
    pub problem: Option<String>,
}

/// A runbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunbookEntry {
    /// The file; `None` is the bundled runbook, which can only be practised.
    pub path: Option<PathBuf>,
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Titles of its protected and its recovery site.
    pub sites: [String; 2],
    /// How many VMs it recovers.
    pub vms: usize,
    /// From the outage to service.
    pub rto: Option<Duration>,
    /// From the restore point to the outage.
    pub rpo: Option<Duration>,
    /// It has steps for the way home.
    pub failback: bool,
    /// Why it is not valid: the first of its errors, and how many there are.
    pub problem: Option<String>,
    /// How often it is to be drilled.
    pub drill_every: Option<Duration>,
    /// When it was last drilled.
    pub last_drill: Option<Timestamp>,
}

/// A run that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinishedRun {
    /// Its id.
    pub run: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// How it was done.
    pub mode: Option<Mode>,
    /// When it ended.
    pub ended: Timestamp,
    /// Where it stands; nothing where its journal does not fit.
    pub stage: Option<Stage>,
    /// The time in which it is to be committed or rolled back.
    pub window: Option<CommitWindow>,
    /// The commands that lead on.
    pub ways: Vec<Way>,
    /// A failback can take it home.
    pub can_fail_back: bool,
}

/// What was chosen at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeChoice {
    /// Go on with a run.
    Resume(RunId),
    /// Practise; `None` is the bundled runbook.
    Practice(Option<PathBuf>),
    /// A drill beside production.
    Drill(PathBuf),
    /// The real thing.
    Run(PathBuf),
    /// Bring home what a run has moved.
    FailbackRun(RunId),
    /// Bring home what a runbook names.
    FailbackRunbook(PathBuf),
    /// Read a report.
    Report(RunId),
    /// Look at a run that another console drives.
    Watch(RunId),
    /// Leave.
    Quit,
}

/// The screen of [`Home`].
#[derive(Debug)]
pub(super) struct HomePage {
    home: Home,
    at: usize,
    now: Now,
    toast: Option<String>,
}

/// A row that can be highlighted.
#[derive(Clone, Copy)]
enum Row<'a> {
    Unfinished(&'a UnfinishedRun),
    Runbook(&'a RunbookEntry),
    Finished(&'a FinishedRun),
}

impl HomePage {
    pub(super) fn new(home: Home, now: Now) -> Self {
        Self {
            home,
            at: 0,
            now,
            toast: None,
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let home = &self.home;
        let unfinished = home.unfinished.iter().map(Row::Unfinished);
        let runbooks = home.runbooks.iter().map(Row::Runbook);
        let finished = home.finished.iter().map(Row::Finished);
        unfinished.chain(runbooks).chain(finished).collect()
    }

    /// What an action would choose in the highlighted row, or why it does not.
    fn choice(&self, action: HomeAction) -> Result<HomeChoice, String> {
        if action == HomeAction::Quit {
            return Ok(HomeChoice::Quit);
        }
        let Some(row) = self.rows().get(self.at).copied() else {
            return match action {
                HomeAction::Act | HomeAction::Practice => Ok(HomeChoice::Practice(None)),
                _ => Err("there is no runbook here yet".to_owned()),
            };
        };
        match row {
            Row::Unfinished(run) => of_unfinished(run, action),
            Row::Runbook(runbook) => of_runbook(runbook, action),
            Row::Finished(run) => of_finished(run, action),
        }
    }

    fn act_label(&self) -> &'static str {
        match self.rows().get(self.at) {
            Some(Row::Unfinished(run)) if run.holder.is_some() => "watch",
            Some(Row::Unfinished(_)) => "resume",
            Some(Row::Finished(_)) => "report",
            Some(Row::Runbook(_)) | None => "practice",
        }
    }
}

fn of_unfinished(run: &UnfinishedRun, action: HomeAction) -> Result<HomeChoice, String> {
    match (action, &run.problem) {
        (HomeAction::Act, Some(problem)) => Err(problem.clone()),
        (HomeAction::Act, None) if run.holder.is_some() => Ok(HomeChoice::Watch(run.run.clone())),
        (HomeAction::Act, None) => Ok(HomeChoice::Resume(run.run.clone())),
        (HomeAction::Report, _) => Ok(HomeChoice::Report(run.run.clone())),
        _ => Err("this is a run: Enter resumes it; choose a runbook for that".to_owned()),
    }
}

fn of_runbook(runbook: &RunbookEntry, action: HomeAction) -> Result<HomeChoice, String> {
    if let Some(problem) = &runbook.problem {
        return Err(format!("not valid: {problem}"));
    }
    let path = || {
        let bundled = "the bundled runbook names no site of yours: it can only be practised";
        runbook.path.clone().ok_or_else(|| bundled.to_owned())
    };
    match action {
        HomeAction::Act | HomeAction::Practice => Ok(HomeChoice::Practice(runbook.path.clone())),
        HomeAction::Drill => path().map(HomeChoice::Drill),
        HomeAction::Run => path().map(HomeChoice::Run),
        HomeAction::Failback if runbook.failback => path().map(HomeChoice::FailbackRunbook),
        HomeAction::Failback => Err("this runbook has no steps for the way home".to_owned()),
        _ => Err("reports belong to runs: choose one below".to_owned()),
    }
}

fn of_finished(run: &FinishedRun, action: HomeAction) -> Result<HomeChoice, String> {
    match action {
        HomeAction::Act | HomeAction::Report => Ok(HomeChoice::Report(run.run.clone())),
        HomeAction::Failback if run.can_fail_back => Ok(HomeChoice::FailbackRun(run.run.clone())),
        HomeAction::Failback => Err("this run moved nothing that could go home".to_owned()),
        _ => Err("this run is over: choose a runbook for that".to_owned()),
    }
}

impl Page for HomePage {
    type Exit = HomeChoice;

    fn update(&mut self, now: Now, msg: Msg) -> Vec<Cmd<HomeChoice>> {
        self.now = now;
        let action = match msg {
            Msg::Ending(_) => return vec![Cmd::Leave(HomeChoice::Quit)],
            Msg::Key(key) => {
                self.toast = None;
                keys::lookup(keys::HOME, &key)
            }
            _ => None,
        };
        let last = self.rows().len().saturating_sub(1);
        match action {
            Some(HomeAction::Up) => self.at = self.at.saturating_sub(1),
            Some(HomeAction::Down) => self.at = (self.at + 1).min(last),
            Some(action) => match self.choice(action) {
                Ok(choice) => return vec![Cmd::Leave(choice)],
                Err(why) => self.toast = Some(why),
            },
            None => {}
        }
        Vec::new()
    }

    fn view(&self, buffer: &mut Buffer) -> Seen {
        let area = *buffer.area();
        let [top, body, detail, status, bottom] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(5),
            Constraint::Length(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let head = vec![
            Span::styled(
                " LIFEBOAT ",
                Role::Chosen.style().patch(Role::Strong.style()),
            ),
            Span::raw(format!(
                "  {}",
                text::clean(&self.home.state_dir.display().to_string())
            )),
        ];
        put(buffer, top, &Line::from(head));
        let list = self.draw_rows(buffer, body);
        self.draw_detail(buffer, detail);
        let words = self.toast.as_deref().unwrap_or_default();
        put(
            buffer,
            status,
            &Line::styled(format!(" {}", text::clean(words)), Role::Warn.style()),
        );
        self.draw_keys(buffer, bottom);
        Seen {
            area,
            list,
            ..Seen::default()
        }
    }

    fn title(&self) -> String {
        match self.home.unfinished.len() {
            0 => "Lifeboat".to_owned(),
            1 => "Lifeboat - 1 unfinished run".to_owned(),
            n => format!("Lifeboat - {n} unfinished runs"),
        }
    }

    fn wake(&self) -> Option<Duration> {
        None
    }
}

impl HomePage {
    fn draw_rows(&self, buffer: &mut Buffer, area: Rect) -> Extent {
        let width = usize::from(area.width);
        // A heading is a line without a row's index.
        let mut lines: Vec<(Option<usize>, Line<'static>, &str)> = Vec::new();
        let mut index = 0;
        let mut section = |name, rows: Vec<Line<'static>>, empty: &'static str| {
            lines.push((None, Line::default(), name));
            if rows.is_empty() {
                lines.push((
                    None,
                    Line::styled(format!(" {empty}"), Role::Dim.style()),
                    "",
                ));
            }
            for row in rows {
                lines.push((Some(index), row, ""));
                index += 1;
            }
        };
        let home = &self.home;
        if !home.unfinished.is_empty() {
            let rows = home
                .unfinished
                .iter()
                .map(|run| self.unfinished_line(run))
                .collect();
            section("unfinished runs", rows, "");
        }
        let rows = home
            .runbooks
            .iter()
            .map(|runbook| runbook_line(runbook, width, self.now))
            .collect();
        section(
            "runbooks",
            rows,
            "none in this folder; [Enter] practises with the bundled one",
        );
        if !home.finished.is_empty() {
            let rows = home
                .finished
                .iter()
                .map(|run| self.finished_line(run))
                .collect();
            section("runs before", rows, "");
        }
        if home.older > 0 {
            let words = format!(" and {} before them: lifeboat runs", home.older);
            lines.push((None, Line::styled(words, Role::Dim.style()), ""));
        }
        let rows = usize::from(area.height);
        let extent = Extent {
            lines: lines.len(),
            rows,
        };
        let at = lines
            .iter()
            .position(|(row, ..)| *row == Some(self.at))
            .unwrap_or(0);
        let top = (at + 2).saturating_sub(rows).min(extent.last_offset());
        for ((row, line, heading), y) in lines.into_iter().skip(top).zip(area.y..area.bottom()) {
            let place = Rect {
                y,
                height: 1,
                ..area
            };
            if !heading.is_empty() {
                rule(buffer, place, heading, "", Role::Strong.style());
            } else if row == Some(self.at) {
                put(buffer, place, &line.patch_style(Role::Chosen.style()));
            } else {
                put(buffer, place, &line);
            }
        }
        extent
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
            (Some(stage), None) if stage.is_well() => (Role::Good, stage.words()),
            (Some(stage), None) => (Role::Warn, stage.words()),
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

    fn draw_detail(&self, buffer: &mut Buffer, area: Rect) {
        rule(buffer, area, "", "", Style::new());
        let width = usize::from(area.width.saturating_sub(2)).min(100);
        let mut lines = Vec::new();
        match self.rows().get(self.at) {
            Some(Row::Unfinished(run)) => {
                labelled(&mut lines, width, "runbook", Role::Plain, &run.runbook);
                labelled(
                    &mut lines,
                    width,
                    "last",
                    Role::Plain,
                    &text::date(run.last),
                );
                let held = run.holder.as_ref().map(|holder| {
                    format!("{holder} drives it; Enter looks on and decides nothing")
                });
                let (label, words) = match (&run.problem, &held) {
                    (Some(problem), _) => ("resume", problem.as_str()),
                    (None, Some(held)) => ("watch", held.as_str()),
                    (None, None) => ("resume", "nothing is lost: it goes on where it stood"),
                };
                labelled(&mut lines, width, label, Role::Plain, words);
            }
            Some(Row::Runbook(runbook)) => {
                labelled(&mut lines, width, "title", Role::Plain, &runbook.title);
                let [from, to] = &runbook.sites;
                let way = if from.is_empty() {
                    String::new()
                } else {
                    format!("{from} -> {to}")
                };
                labelled(&mut lines, width, "sites", Role::Plain, &way);
                let bundled = "in the program itself".to_owned();
                let path = runbook
                    .path
                    .as_ref()
                    .map_or(bundled, |path| path.display().to_string());
                labelled(&mut lines, width, "file", Role::Plain, &path);
                let problem = runbook.problem.as_deref().unwrap_or_default();
                labelled(&mut lines, width, "wrong", Role::Bad, problem);
            }
            Some(Row::Finished(run)) => {
                let words = format!("{}, ended {}", run.runbook, text::date(run.ended));
                labelled(&mut lines, width, "runbook", Role::Plain, &words);
                let window = run.window.as_ref();
                let decide = window.and_then(|window| decide_by(window, self.now.wall));
                if let Some(words) = decide {
                    labelled(&mut lines, width, "window", Role::Warn, &words);
                }
                for way in &run.ways {
                    labelled(&mut lines, width, "next", Role::Plain, &way.command);
                }
            }
            None => {}
        }
        for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
            put(
                buffer,
                Rect {
                    x: area.x + 1,
                    y,
                    height: 1,
                    ..area
                },
                line,
            );
        }
    }

    fn draw_keys(&self, buffer: &mut Buffer, area: Rect) {
        let mut parts = Vec::new();
        for binding in keys::HOME.iter().filter(|binding| binding.hint) {
            let enabled = self.choice(binding.action).is_ok();
            match binding.action {
                HomeAction::Act if enabled => {
                    let words = format!(" [Enter] {} ", self.act_label());
                    parts.push((Line::styled(words, Role::Chosen.style()), true));
                }
                HomeAction::Act => {}
                _ => parts.push(hint(binding, binding.label, enabled)),
            }
        }
        put(buffer, area, &keys_line(parts, usize::from(area.width)));
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

fn runbook_line(runbook: &RunbookEntry, width: usize, now: Now) -> Line<'static> {
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

#[cfg(test)]
mod tests;
