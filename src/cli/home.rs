//! `lifeboat` alone: what there is, and one key to the next right thing.

mod runbooks;
mod survey;

use std::path::PathBuf;

use crate::report::Format;
use crate::runbook::model::Mode;
use crate::tui::HomeChoice;

use super::args::{ActArgs, EndArgs, PracticeArgs, ResumeArgs, StartArgs};
use super::console::{Conclusion, Console, no_terminal};
use super::exit::{Exit, Failure};
use super::past::Past;
use super::report::document;
use super::{ending, failback, failover, failover_from, keeping, practice, resume, watch};
use survey::survey;

/// Shows what there is until the person leaves.
pub(super) async fn home(state: Option<PathBuf>) -> Result<Exit, Failure> {
    let mut console = Console::open(state, ActArgs::default())?;
    loop {
        let home = survey(&console.store)?;
        let choice = console
            .screen()?
            .home(home)
            .await
            .map_err(|error| no_terminal(&error))?;
        let refused = match choice {
            HomeChoice::Leave(..) => "Not left",
            _ => "Not started",
        };
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
                screen
                    .pager(refused, &failure.text)
                    .await
                    .map_err(|error| no_terminal(&error))?;
            }
        }
    }
}

async fn follow(console: &mut Console, choice: HomeChoice) -> Result<Conclusion, Failure> {
    match choice {
        HomeChoice::Resume(run) => {
            let args = ResumeArgs {
                run: Some(run.to_string()),
                ..ResumeArgs::default()
            };
            resume::resume(console, &args).await
        }
        HomeChoice::Practice(runbook) => {
            practice::practice(console, PracticeArgs::of(runbook)).await
        }
        HomeChoice::Drill(runbook) => {
            failover(console, runbook, Mode::Drill, StartArgs::default(), false).await
        }
        HomeChoice::Run(runbook) => {
            failover(console, runbook, Mode::Failover, StartArgs::default(), true).await
        }
        HomeChoice::KeepDisks(run) => keeping::keep_disks(console, &EndArgs::of(&run)).await,
        HomeChoice::RunFromDrill(run) => {
            let past = Past::read(console.store.find(run.as_str())?)?;
            let path = PathBuf::from(&past.info.runbook_path);
            let args = StartArgs::default();
            failover_from(console, path, run.as_str(), args, true).await
        }
        HomeChoice::FailbackRun(run) => {
            failback::failback(console, run.as_str(), StartArgs::default(), true).await
        }
        HomeChoice::FailbackRunbook(path) => {
            failback::failback(console, &path.to_string_lossy(), StartArgs::default(), true).await
        }
        HomeChoice::Close(run, chapter) => ending::end(console, chapter, &EndArgs::of(&run)).await,
        HomeChoice::Leave(run, chapter) => {
            let args = EndArgs {
                leave: true,
                ..EndArgs::of(&run)
            };
            let left = ending::end(console, chapter, &args).await?;
            // It stands as before, and that is seen at home.
            Ok(Conclusion {
                exit: Exit::Clean,
                ..left
            })
        }
        // Whoever stops watching is back at home, however that run stands.
        HomeChoice::Watch(run) => {
            watch::watch(console, run.as_str()).await?;
            Ok(Conclusion::back_home())
        }
        HomeChoice::Report(run) => {
            let past = Past::read(console.store.find(run.as_str())?)?;
            let text = Format::Markdown.render(&document(&past));
            let screen = console.screen()?;
            screen
                .pager(run.as_str(), &text)
                .await
                .map_err(|error| no_terminal(&error))?;
            Ok(Conclusion::back_home())
        }
        HomeChoice::Quit => Ok(Conclusion::back_home()),
    }
}
