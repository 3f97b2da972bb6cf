//! The console of one command that acts: settings, log, secrets, and the screen or the printer.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{self, CommitWindow, Move, Stage, Thing, going_live, left_over};
use crate::error::Fault;
use crate::headless::{self, Replies};
use crate::host::Redactor;
use crate::journal::{RunFolder, Store};
use crate::logging;
use crate::names::{StepId, in_commands};
use crate::report;
use crate::runbook::model::Runbook;
use crate::runner::RunHandle;
use crate::settings::{Settings, elsewhere};
use crate::tui::{Screen, Theme};

use super::answers::Answers;
use super::args::ActArgs;
use super::exit::{Exit, Failure};
use super::findings;
use super::past::Past;
use super::report::{document, write_all};

/// What the commands that act share.
pub(super) struct Console {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) redactor: Redactor,
    pub(super) act: ActArgs,
    screen: Option<Screen>,
}

/// How a run was left.
pub(super) struct Conclusion {
    pub(super) exit: Exit,
    /// For standard output, once the terminal is as it was.
    pub(super) lines: Vec<String>,
}

impl Conclusion {
    /// Nothing more is said: whoever only looked is back at home.
    pub(super) fn back_home() -> Self {
        Self {
            exit: Exit::Clean,
            lines: Vec::new(),
        }
    }

    /// Adds what is told of what came after the run; a failure of it takes nothing of the rest away.
    pub(super) fn take_in(&mut self, then: Result<Vec<String>, Failure>) {
        match then {
            Ok(lines) => self.lines.extend(lines),
            Err(failure) => {
                self.lines.push(failure.text);
                self.exit = failure.exit;
            }
        }
    }
}

impl Console {
    /// Settles where things are and starts the log. Without `--headless` there must be a terminal.
    pub(super) fn open(state: Option<PathBuf>, act: ActArgs) -> Result<Self, Failure> {
        let settings =
            Settings::resolve(state, act.operator.clone(), |name| std::env::var_os(name))
                .map_err(|fault| Failure::of(Exit::Invalid, &fault))?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !(act.headless || terminal) {
            return Err(Failure::invalid(
                "there is no terminal here",
                "standard input and output",
                "start it in a terminal, or use --headless",
            ));
        }
        let redactor = Redactor::new();
        let mask = {
            let redactor = redactor.clone();
            Arc::new(move |line: &str| redactor.mask(line))
        };
        if let Err(error) = logging::start(&settings.logs(), mask) {
            return Err(Failure::of(
                Exit::Invalid,
                &Fault::new(
                    format!("the log cannot be written: {error}"),
                    settings.logs().display().to_string(),
                    "nothing was started",
                    "check the state folder and its permissions, or give another with --state",
                ),
            ));
        }
        let store = Store::new(&settings.state);
        Ok(Self {
            settings,
            store,
            redactor,
            act,
            screen: None,
        })
    }

    /// One without a terminal and without a log.
    #[cfg(test)]
    pub(super) fn headless(state: &std::path::Path) -> Self {
        let state = Some(state.to_owned());
        let act = ActArgs {
            headless: true,
            ..ActArgs::default()
        };
        let settings = Settings::resolve(state, None, |_| None).unwrap();
        Self {
            store: Store::new(&settings.state),
            settings,
            redactor: Redactor::new(),
            act,
            screen: None,
        }
    }

    /// The screen; opened when it is first needed, so that what is wrong before is said in lines.
    pub(super) fn screen(&mut self) -> Result<&mut Screen, Failure> {
        if self.screen.is_none() {
            let theme = Theme::detect(|name| std::env::var(name).ok());
            self.screen = Some(Screen::open(theme).map_err(|error| no_terminal(&error))?);
        }
        self.screen
            .as_mut()
            .ok_or_else(|| no_terminal(&std::io::Error::other("it was not opened")))
    }

    /// Gives the terminal back.
    pub(super) fn close_screen(&mut self) {
        self.screen = None;
    }

    /// How the engine works at this console.
    pub(super) fn engine_settings(&self, runbook: &Runbook) -> engine::Settings {
        let hosts = runbook.hosts.iter();
        let datastores = runbook.sites.values().flat_map(|site| {
            let each = site.transfers_onto.iter();
            each.map(|(label, most)| ((site.role, label.clone()), *most))
        });
        engine::Settings {
            headless: self.act.headless,
            at_once: hosts
                .map(|(name, host)| (name.clone(), host.at_once))
                .collect(),
            transfers_onto: datastores.collect(),
            ..engine::Settings::default()
        }
    }

    /// Walks the run until it ends or is left, then writes its report.
    pub(super) async fn walk(
        &mut self,
        folder: &RunFolder,
        handle: RunHandle,
        answers: Answers,
        practice: bool,
    ) -> Result<Conclusion, Failure> {
        let mut unanswered = BTreeMap::new();
        let mut fault = None;
        let drill = answers.drill;
        if self.act.headless {
            let replies = Replies {
                operator: self.settings.operator.clone(),
                yes: self.act.yes,
                practice,
                steps: answers.steps,
            };
            let outcome = headless::walk(handle, replies, &mut std::io::stdout())
                .await
                .map_err(|error| no_terminal(&error))?;
            unanswered = outcome.unanswered;
            fault = outcome.fault;
        } else {
            let operator = self.settings.operator.clone();
            self.screen()?
                .run(handle, &operator)
                .await
                .map_err(|error| no_terminal(&error))?;
        }
        findings::close(self, folder, &drill, &unanswered, fault.as_ref()).await
    }
}

/// Writes the report and says how the run ended.
pub(super) fn conclude(
    folder: &RunFolder,
    unanswered: &BTreeMap<StepId, String>,
    fault: Option<&Fault>,
) -> Result<Conclusion, Failure> {
    let past = Past::read(folder.clone())?;
    let run = past.report();
    let document = document(&past);
    let report = write_all(folder, &document);
    let mut lines = report::debrief(&document);
    let exit = verdict(&run);
    if let Some(fault) = fault {
        lines.push(format!("error: {fault}"));
    }
    for (step, lacks) in unanswered {
        lines.push(format!("answer missing: {step}: {lacks}"));
    }
    // Without it the journal still tells all of it, and how to go on.
    lines.push(match report {
        Ok(report) => format!("report: {}", report.display()),
        Err(failure) => failure.text,
    });
    lines.push(format!("journal head: {}", past.journal.head));
    lines.extend(how_it_stands(&past, exit, &elsewhere(&folder.path)));
    Ok(Conclusion { exit, lines })
}

/// Where the run stands, what is left of it, and what can be typed next.
fn how_it_stands(past: &Past, exit: Exit, elsewhere: &str) -> Vec<String> {
    let (state, run) = (past.state(), &past.folder.id);
    let stage = Stage::of(&state);
    let ways = stage.ways(run, past.info.mode).into_iter();
    let ways = ways.map(|way| way.with(elsewhere));
    let state_line = format!("state: {}", stage.words());
    if exit == Exit::Resumable && !stage.can_be_resumed() {
        let ways = ways.map(|way| format!("next: {way}"));
        return std::iter::once(state_line).chain(ways).collect();
    }
    if exit == Exit::Resumable {
        // Resuming goes on with a chapter that was begun, too.
        let begun = state.chapter().map(|opened| Move::Close(opened.chapter));
        let is_told = stage.is_begun() || stage.is_split();
        let others = ways.filter(|way| is_told && way.to != Move::Resume && Some(way.to) != begun);
        let resume = format!("resume with: lifeboat resume {run}{elsewhere}");
        return std::iter::once(resume)
            .chain(others.map(|way| format!("or: {way}")))
            .collect();
    }
    let mut lines = vec![state_line];
    let window = CommitWindow::of(&state);
    let decide = window.and_then(|window| report::decide_by(&window, Timestamp::now()));
    lines.extend(decide.map(|words| format!("window: {words}")));
    lines.extend(state.unprotected().iter().map(ToString::to_string));
    if let Some(opened) = state.chapter() {
        let left = left_over(opened.chapter, &state);
        let (kept, left): (Vec<_>, Vec<_>) = left.into_iter().partition(|item| item.kept);
        lines.extend(left.iter().map(|item| format!("left over: {item}")));
        let folders = kept
            .iter()
            .filter(|item| matches!(item.thing, Thing::Folder(_)));
        lines.extend(folders.map(|item| format!("kept: {}: {}", item.host, item.what())));
    }
    lines.extend(ways.map(|way| format!("next: {way}")));
    lines.extend(going_live(run, &state).map(|words| {
        let words = in_commands(&words, elsewhere);
        format!("in an emergency: {words}")
    }));
    lines
}

/// Words with commands that name this run or others beside it, as they are to be typed.
pub(super) fn as_typed(folder: &RunFolder, words: &str) -> String {
    in_commands(words, &elsewhere(&folder.path))
}

/// The exit status that a run stands for.
pub(super) fn verdict(run: &report::Run<'_>) -> Exit {
    // How the run's own steps went was said when they ended; a chapter answers for itself.
    if run.state.chapter().is_some()
        && let Some(result) = &run.state.finished
    {
        let clean = result.is_clean() && Stage::of(&run.state).ended_well();
        return if clean { Exit::Clean } else { Exit::Findings };
    }
    match &run.state.finished {
        Some(result) if result.is_clean() && report::findings(run).is_empty() => Exit::Clean,
        Some(_) => Exit::Findings,
        None if run.state.people.aborted.is_some() && run.state.chapter().is_none() => {
            Exit::Findings
        }
        None => Exit::Resumable,
    }
}

impl Conclusion {
    /// Prints the lines; nobody need read them.
    pub(super) fn say(self) -> Exit {
        let mut out = std::io::stdout().lock();
        for line in &self.lines {
            if writeln!(out, "{line}").is_err() {
                break;
            }
        }
        self.exit
    }
}

pub(super) fn no_terminal(error: &std::io::Error) -> Failure {
    Failure::of(
        Exit::Resumable,
        &Fault::new(
            format!("the terminal cannot be used: {error}"),
            "the terminal",
            "a run that was under way was left and can be resumed",
            "use another terminal, or --headless; then `lifeboat resume`",
        ),
    )
}
