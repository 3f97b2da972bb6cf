//! Home: runs that are not finished first, then runbooks, then what was done before.

mod choice;
mod draw;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::engine::{Chapter, CommitWindow, Stage, TakenHome, Way};
use crate::names::RunId;
use crate::runbook::model::Mode;

use super::keys::{self, HomeAction};
use super::page::{Cmd, Msg, Now, Page, Seen};
use super::pager::Pager;
use super::text;
use super::theme::Role;
use super::view::{put, rule};

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
    /// Where it stands; nothing where its journal does not fit.
    pub stage: Option<Stage>,
    /// The commands that lead on.
    pub ways: Vec<Way>,
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
    /// What failbacks took home of it.
    pub home: Option<TakenHome>,
    /// The commands that lead on.
    pub ways: Vec<Way>,
    /// A failback can take it home.
    pub can_fail_back: bool,
}

impl FinishedRun {
    /// Where it stands, in words; `None` where its journal does not fit.
    fn stands(&self) -> Option<String> {
        let stage = self.stage.as_ref()?;
        let home = self.home.as_ref();
        Some(home.map_or_else(|| stage.words(), |home| home.stands(stage)))
    }
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
    /// Clean a drill up, but keep its disks for the real thing to start from.
    KeepDisks(RunId),
    /// The real thing, from the disks that a drill kept.
    RunFromDrill(RunId),
    /// Bring home what a run has moved.
    FailbackRun(RunId),
    /// Bring home what a runbook names.
    FailbackRunbook(PathBuf),
    /// End a run in a way, or go on with that.
    Close(RunId, Chapter),
    /// Leave an ending of a run that was begun.
    Leave(RunId, Chapter),
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
    /// What the keys do, while somebody reads it.
    help: Option<Pager>,
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
            help: None,
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let home = &self.home;
        let unfinished = home.unfinished.iter().map(Row::Unfinished);
        let runbooks = home.runbooks.iter().map(Row::Runbook);
        let finished = home.finished.iter().map(Row::Finished);
        unfinished.chain(runbooks).chain(finished).collect()
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

impl Page for HomePage {
    type Exit = HomeChoice;

    fn update(&mut self, now: Now, msg: Msg) -> Vec<Cmd<HomeChoice>> {
        self.now = now;
        if let (Some(help), false) = (&mut self.help, matches!(msg, Msg::Ending(_))) {
            if !help.update(now, msg).is_empty() {
                self.help = None;
            }
            return Vec::new();
        }
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
            Some(HomeAction::Help) => self.help = Some(Pager::of_keys(keys::HOME)),
            Some(action) => match self.choice(action) {
                Ok(choice) => return vec![Cmd::Leave(choice)],
                Err(why) => self.toast = Some(why),
            },
            None => {}
        }
        Vec::new()
    }

    fn view(&self, buffer: &mut Buffer) -> Seen {
        if let Some(help) = &self.help {
            return help.view(buffer);
        }
        let area = *buffer.area();
        let width = usize::from(area.width);
        let about = self.detail(width);
        let about_rows = about.len().clamp(4, usize::from(area.height / 3).max(4));
        let words = self.toast.as_deref().unwrap_or_default();
        let said = text::wrap(words, width.saturating_sub(2));
        let [top, body, line, detail, status, bottom] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
            Constraint::Length(rows(about_rows)),
            Constraint::Length(rows(said.len().min(3))),
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
        rule(buffer, line, "", "", Style::new());
        put_lines(buffer, detail, about);
        let said = said.into_iter();
        put_lines(
            buffer,
            status,
            said.map(|words| Line::styled(words, Role::Warn.style())),
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

fn rows(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// As many of the lines as the area has rows, a column from its edge.
fn put_lines(buffer: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Line<'static>>) {
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        let place = Rect {
            x: area.x + 1,
            y,
            width: area.width.saturating_sub(1),
            height: 1,
        };
        put(buffer, place, &line);
    }
}

#[cfg(test)]
mod tests;
