//! `lifeboat` alone: what there is, and one key to the next right thing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::journal::{RunSummary, Store};
use crate::report;
use crate::runbook::Loaded;
use crate::tui::{Home, HomeChoice, RunbookEntry, UnfinishedRun};

use super::args::{ActArgs, PracticeArgs, StartArgs};
use super::console::{Conclusion, Console, no_terminal};
use super::exit::{Exit, Failure};
use super::load::{LoadError, load_bundled, load_runbook};
use super::past::Past;
use super::{failback, failover, practice, resume};

/// No more files of a folder are looked at.
const MOST_FILES: usize = 200;

/// A runbook that was found.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// The runbook, or the first line of what is wrong with it.
    loaded: Result<Loaded, String>,
}

/// Shows what there is until the person leaves.
pub(super) async fn home(state: Option<PathBuf>) -> Result<Exit, Failure> {
    let mut console = Console::open(state, ActArgs::default())?;
    loop {
        let home = survey(&console.store)?;
        let choice = console.screen()?.home(home).await.map_err(|error| no_terminal(&error))?;
        let walked = match choice {
            HomeChoice::Quit => return Ok(Exit::Clean),
            choice => follow(&mut console, choice).await,
        };
        match walked {
            // Who leaves a run leaves the program: that run goes on some other time.
            Ok(conclusion) if conclusion.exit == Exit::Resumable => {
                console.close_screen();
                return Ok(conclusion.say());
            }
            Ok(_) => {}
            Err(failure) => {
                let screen = console.screen()?;
                screen.pager("Not started", &failure.text).await.map_err(|error| no_terminal(&error))?;
            }
        }
    }
}

async fn follow(console: &mut Console, choice: HomeChoice) -> Result<Conclusion, Failure> {
    match choice {
        HomeChoice::Resume(run) => resume::resume(console, Some(run.as_str())).await,
        HomeChoice::Practice(runbook) => {
            practice::practice(console, PracticeArgs::of(runbook)).await
        }
        HomeChoice::Run(runbook) => failover(console, runbook, StartArgs::default()).await,
        HomeChoice::Failback(what) => {
            failback::failback(console, &what, StartArgs::default()).await
        }
        HomeChoice::Report(run) => {
            let past = Past::read(console.store.find(run.as_str())?)?;
            let text = report::markdown(&past.report());
            let screen = console.screen()?;
            screen.pager(run.as_str(), &text).await.map_err(|error| no_terminal(&error))?;
            Ok(Conclusion { exit: Exit::Clean, lines: Vec::new() })
        }
        HomeChoice::Quit => Ok(Conclusion { exit: Exit::Clean, lines: Vec::new() }),
    }
}

fn survey(store: &Store) -> Result<Home, Failure> {
    let runs = store.list()?;
    todo_map(runs, found_runbooks(), store)
}

/// The runbooks here and in `./runbooks`, then the bundled one.
fn found_runbooks() -> Vec<Found> {
    let mut found: Vec<Found> = [".", "runbooks"].iter().flat_map(|folder| in_folder(Path::new(folder))).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// YAML files that mean to be runbooks: those that begin with the format's key.
fn in_folder(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .take(MOST_FILES)
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end == "yaml" || end == "yml"))
        .filter_map(|path| {
            let loaded = match load_runbook(&path) {
                Ok(loaded) => Ok(loaded),
                Err(error) if means_to_be_one(&path) => Err(first_line(&error)),
                Err(_) => return None,
            };
            let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
            Some(Found { path, loaded })
        })
        .collect()
}

fn means_to_be_one(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)])
            .lines()
            .any(|line| line.starts_with("lifeboat:"))
    })
}

fn first_line(error: &LoadError) -> String {
    error.render(false).lines().next().unwrap_or_default().to_owned()
}
