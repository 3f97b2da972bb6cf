//! What a key chooses in a row of home, or why it does not.

use crate::engine::{Chapter, Move, Stage, Way};
use crate::names::RunId;
use crate::runbook::model::Mode;

use super::super::keys::HomeAction;
use super::{FinishedRun, HomeChoice, HomePage, Row, RunbookEntry, UnfinishedRun};

impl HomePage {
    /// What an action would choose in the highlighted row, or why it does not.
    pub(super) fn choice(&self, action: HomeAction) -> Result<HomeChoice, String> {
        if action == HomeAction::Quit {
            return Ok(HomeChoice::Quit);
        }
        let Some(row) = self.rows().get(self.at).copied() else {
            return match action {
                HomeAction::Act | HomeAction::Practice => Ok(HomeChoice::Practice(None)),
                _ => Err("there is no runbook here yet".to_owned()),
            };
        };
        if let Some(choice) = self.ending(row, action) {
            return choice;
        }
        if let Some(choice) = live(row).filter(|_| action == HomeAction::Run) {
            return Ok(choice);
        }
        match row {
            Row::Unfinished(run) => of_unfinished(run, action),
            Row::Runbook(runbook) => of_runbook(runbook, action),
            Row::Finished(run) => of_finished(run, action),
        }
    }

    /// What a key of an ending chooses; `None` for other keys.
    fn ending(&self, row: Row<'_>, action: HomeAction) -> Option<Result<HomeChoice, String>> {
        let wanted = match action {
            HomeAction::Commit => Some(Chapter::Commit),
            HomeAction::Rollback => Some(Chapter::Rollback),
            HomeAction::Cleanup => Some(Chapter::Cleanup),
            HomeAction::LeaveEnding => None,
            _ => return None,
        };
        let (run, stands, ways) = match row {
            Row::Unfinished(run) => match (&run.problem, &run.holder) {
                (Some(problem), _) => return Some(Err(problem.clone())),
                (None, Some(holder)) => return Some(Err(format!("held by {holder}"))),
                (None, None) => (&run.run, run.stage.as_ref().map(Stage::words), &run.ways),
            },
            Row::Finished(run) => (&run.run, run.stands(), &run.ways),
            Row::Runbook(_) => return Some(Err("endings belong to runs: choose one".to_owned())),
        };
        let choice = match wanted {
            Some(chapter) => close(run, stands, ways, chapter),
            None => leave(run, ways),
        };
        Some(choice)
    }
}

/// The key of home that does this, if one does.
pub(super) fn key_of(to: Move) -> Option<HomeAction> {
    match to {
        Move::Close(Chapter::Commit) => Some(HomeAction::Commit),
        Move::Close(Chapter::Rollback) => Some(HomeAction::Rollback),
        Move::Close(Chapter::Cleanup) => Some(HomeAction::Cleanup),
        Move::Leave(_) => Some(HomeAction::LeaveEnding),
        Move::Resume | Move::Watch => None,
    }
}

/// The way to the real thing from a drill that is over.
fn live(row: Row<'_>) -> Option<HomeChoice> {
    let Row::Finished(run) = row else {
        return None;
    };
    let choice = match run
        .stage
        .as_ref()
        .filter(|_| run.mode == Some(Mode::Drill))?
    {
        Stage::CleanupDue | Stage::CleanupIncomplete { .. } => HomeChoice::KeepDisks,
        Stage::DisksKept { .. } => HomeChoice::RunFromDrill,
        _ => return None,
    };
    Some(choice(run.run.clone()))
}

/// The same in words, under the row.
pub(super) fn live_line(run: &FinishedRun) -> Option<&'static str> {
    Some(match live(Row::Finished(run))? {
        HomeChoice::KeepDisks(_) => {
            "[r] in an emergency: cleans it up but keeps its disks, for a failover to start from"
        }
        _ => "[r] in an emergency: a failover that starts from the disks that it kept",
    })
}

fn close(
    run: &RunId,
    stands: Option<String>,
    ways: &[Way],
    chapter: Chapter,
) -> Result<HomeChoice, String> {
    if ways.iter().any(|way| way.to == Move::Close(chapter)) {
        return Ok(HomeChoice::Close(run.clone(), chapter));
    }
    let stands = stands.unwrap_or_else(|| "its journal does not fit".to_owned());
    Err(format!("no {chapter} of this run: {stands}"))
}

fn leave(run: &RunId, ways: &[Way]) -> Result<HomeChoice, String> {
    let left = ways.iter().find_map(|way| match way.to {
        Move::Leave(chapter) => Some(HomeChoice::Leave(run.clone(), chapter)),
        _ => None,
    });
    left.ok_or_else(|| "no ending of this run was begun that could be left".to_owned())
}

fn of_unfinished(run: &UnfinishedRun, action: HomeAction) -> Result<HomeChoice, String> {
    match (action, &run.problem) {
        (HomeAction::Act, Some(problem)) => Err(problem.clone()),
        (HomeAction::Act, None) if run.holder.is_some() => Ok(HomeChoice::Watch(run.run.clone())),
        (HomeAction::Act, None) => resume(run),
        (HomeAction::Report, _) => Ok(HomeChoice::Report(run.run.clone())),
        _ => Err("this is a run: Enter goes on with it; choose a runbook for that".to_owned()),
    }
}

fn resume(run: &UnfinishedRun) -> Result<HomeChoice, String> {
    let waits = run
        .stage
        .as_ref()
        .is_some_and(|stage| !stage.can_be_resumed());
    match run.ways.first().filter(|_| waits) {
        Some(way) => Err(format!(
            "its commit waits while a VM runs at both sites: {}",
            way.command
        )),
        None => Ok(HomeChoice::Resume(run.run.clone())),
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
