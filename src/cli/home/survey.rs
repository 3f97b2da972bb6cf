//! What there is: runs with the ways on from them, and runbooks.

use std::collections::BTreeSet;

use super::runbooks;
use crate::cli::exit::Failure;
use crate::cli::homeward::takes_home;
use crate::cli::past::Past;
use crate::cli::runs::{Row, drilled, last_drills, taken_home};
use crate::engine::{CommitWindow, RunState, Stage, TakenHome, Way, needs_person};
use crate::journal::{self, RunFolder, RunSummary, Store};
use crate::runbook::model::Mode;
use crate::settings::elsewhere;
use crate::tui::{FinishedRun, Home, UnfinishedRun};

/// No more unfinished runs are read for their steps.
const MOST_UNFINISHED: usize = 8;
/// No more runs that are over are shown; `lifeboat runs` lists all.
const MOST_FINISHED: usize = 30;

/// What home shows.
pub(super) fn survey(store: &Store) -> Result<Home, Failure> {
    let runs = store.list()?;
    let rows = rows_of(&runs);
    let drills = last_drills(&rows);
    let mut runbooks = runbooks::offered();
    for runbook in &mut runbooks {
        runbook.last_drill = drills.get(runbook.name.as_str()).copied();
    }
    let homes = taken_home(&rows);
    let known = runs.iter().filter(|run| run.info.is_some());
    let (unfinished, over): (Vec<_>, Vec<_>) = known.partition(|run| run.is_unfinished());
    let finished: Vec<FinishedRun> = rows
        .into_iter()
        .filter(|row| !row.run.is_unfinished())
        .take(MOST_FINISHED)
        .filter_map(|row| {
            let home = homes.get(&row.run.folder.id).cloned();
            finished_of(row, home)
        })
        .collect();
    Ok(Home {
        unfinished: real_ones_first(unfinished)
            .into_iter()
            .take(MOST_UNFINISHED)
            .map(|run| unfinished_of(run, homes.get(&run.folder.id)))
            .collect(),
        runbooks,
        older: over.len() - finished.len(),
        finished,
        state_dir: store.root().to_owned(),
    })
}

/// The runs whose journals home needs, each read once: the newest that are over, failbacks that are not
/// (each takes one of the others home) and what they take home, and of each runbook the drills back to the last one that came to
/// its end.
fn rows_of(runs: &[RunSummary]) -> Vec<Row<'_>> {
    let mut shown = 0;
    let mut drills = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let mut rows = Vec::new();
    for run in runs.iter().filter(|run| run.info.is_some()) {
        let is_shown = !run.is_unfinished() && shown < MOST_FINISHED;
        shown += usize::from(is_shown);
        let drill = drilled(run).filter(|runbook| !drills.contains(runbook));
        let goes_home = run.is_unfinished() && takes_home(run).is_some();
        let is_taken = run.is_unfinished() && taken.contains(&run.folder.id);
        if !is_shown && drill.is_none() && !goes_home && !is_taken {
            continue;
        }
        taken.extend(takes_home(run));
        let row = Row::read(run);
        let was_held = row.state.as_ref().and_then(RunState::drilled).is_some();
        drills.extend(drill.filter(|_| was_held));
        rows.push(row);
    }
    rows
}

/// A practice can wait, a drill nearly so: what is unfinished in earnest comes before them, each the
/// latest first.
fn real_ones_first(mut unfinished: Vec<&RunSummary>) -> Vec<&RunSummary> {
    unfinished.sort_by_key(|run| match run.info.as_ref().and_then(|info| info.mode) {
        Some(Mode::Failover | Mode::Planned | Mode::Failback) | None => 0,
        Some(Mode::Drill) => 1,
        Some(Mode::Practice) => 2,
    });
    unfinished
}

fn unfinished_of(run: &RunSummary, home: Option<&TakenHome>) -> UnfinishedRun {
    let info = run.info.as_deref();
    let mut shown = UnfinishedRun {
        run: run.folder.id.clone(),
        runbook: info.map(|info| info.runbook.clone()).unwrap_or_default(),
        mode: info.and_then(|info| info.mode),
        last: run.last_at.or(run.started).unwrap_or_default(),
        ..UnfinishedRun::default()
    };
    match journal::held_by(&run.folder.path) {
        Ok(Some(holder)) => shown.holder = Some(holder.to_string()),
        Ok(None) => {}
        Err(error) => shown.problem = Some(error.to_string()),
    }
    match Past::read(run.folder.clone()).and_then(Past::whole) {
        Ok(past) => {
            let state = past.state();
            let is_over = |step: &&crate::plan::Step| state.status(&step.id).is_met();
            let steps = past.plan.open_steps();
            shown.steps = steps.len();
            shown.settled = steps.iter().filter(is_over).count();
            let waits = |step: &&crate::plan::Step| needs_person(&past.plan, &state, step);
            let stage = Stage::of(&state);
            shown.ways = ways_of(&run.folder, &stage, shown.mode, home);
            shown.stage = Some(stage);
            let split = state.splits().into_iter().next();
            shown.waits_for = split
                .map(|split| split.alarm())
                .or_else(|| steps.iter().find(waits).map(|step| step.title.clone()));
        }
        Err(failure) => {
            let line = failure.text.lines().next().unwrap_or_default();
            shown.problem = Some(line.trim_start_matches("error: ").to_owned());
        }
    }
    shown
}

/// The ways on from where a run stands, as they are to be typed.
fn ways_of(
    folder: &RunFolder,
    stage: &Stage,
    mode: Option<Mode>,
    home: Option<&TakenHome>,
) -> Vec<Way> {
    let elsewhere = elsewhere(&folder.path);
    let mut ways = stage.ways(&folder.id, mode);
    if let Some(home) = home {
        ways = home.leaves(ways);
    }
    ways.into_iter().map(|way| way.with(&elsewhere)).collect()
}

fn finished_of(Row { run, state, .. }: Row<'_>, home: Option<TakenHome>) -> Option<FinishedRun> {
    let stage = state.as_ref().map(Stage::of);
    let info = run.info.as_deref()?;
    let ways = stage
        .as_ref()
        .map(|stage| ways_of(&run.folder, stage, info.mode, home.as_ref()));
    Some(FinishedRun {
        run: run.folder.id.clone(),
        runbook: info.runbook.clone(),
        mode: info.mode,
        ended: run.last_at.or(run.started).unwrap_or_default(),
        window: state
            .as_ref()
            .filter(|_| home.is_none())
            .and_then(CommitWindow::of),
        home,
        ways: ways.unwrap_or_default(),
        stage,
        can_fail_back: matches!(info.mode, Some(Mode::Failover | Mode::Planned)),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::runs::tests::{finished, keep, keep_child, sent};
    use crate::engine::{Chapter, Move, RunEvent};

    #[test]
    fn a_practice_is_offered_below_what_is_unfinished_in_earnest() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        // They begin in the same second: the failover is the older one for certain.
        let real = keep_child(&store, Mode::Failover, None, Vec::new());
        let first = store.runs().join("20250101-000000-aaaa");
        fs::rename(store.find(real.as_str()).unwrap().path, first).unwrap();
        for _ in 0..MOST_UNFINISHED {
            keep(&store, Mode::Practice, Vec::new());
        }
        keep(&store, Mode::Drill, Vec::new());
        let home = survey(&store).map_err(|failure| failure.text).unwrap();
        let modes: Vec<_> = home.unfinished.iter().map(|run| run.mode).collect();
        assert_eq!(modes[..2], [Some(Mode::Failover), Some(Mode::Drill)]);
    }

    #[test]
    fn the_newest_runs_are_read_and_the_last_drill_of_each_runbook() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        for _ in 0..=MOST_FINISHED {
            keep(&store, Mode::Practice, vec![finished(0)]);
        }
        keep(&store, Mode::Drill, vec![finished(0)]);
        keep(&store, Mode::Failover, vec![finished(0)]);
        keep(&store, Mode::Failover, Vec::new());
        let home = survey(&store).unwrap();
        let ended = home.finished.iter().find_map(|run| run.ways.first());
        let folder = state.path().to_string_lossy();
        let typed = &ended.unwrap().command;
        assert!(typed.ends_with(folder.as_ref()), "{typed}");
        assert_eq!((home.finished.len(), home.older), (MOST_FINISHED, 3));
        assert_eq!(home.unfinished.len(), 1);
        let runs = store.list().unwrap();
        let rows = rows_of(&runs);
        assert!(rows.len() <= MOST_FINISHED + 1);
        assert!(last_drills(&rows).contains_key("v2v"));
    }

    #[test]
    fn a_failover_that_was_taken_home_is_offered_nothing_that_is_refused() {
        let shown = |then: Vec<RunEvent>| {
            let state = tempfile::tempdir().unwrap();
            let store = Store::new(state.path());
            let run = keep_child(&store, Mode::Failover, None, vec![finished(0)]);
            keep_child(&store, Mode::Failback, Some(&run), then);
            let home = survey(&store).unwrap();
            let failover = home.finished.into_iter().find(|shown| shown.run == run);
            let failover = failover.unwrap();
            let ways: Vec<Move> = failover.ways.iter().map(|way| way.to).collect();
            (ways, failover.window.is_some(), failover.home.is_some())
        };
        let commit = Move::Close(Chapter::Commit);
        // Half-way home, and home.
        for then in [vec![sent()], vec![sent(), finished(0)]] {
            assert_eq!(shown(then), (vec![commit], false, true));
        }
        // One that has moved nothing yet is about to.
        assert_eq!(shown(Vec::new()), (vec![commit, Move::Watch], false, true));
        let rollback = Move::Close(Chapter::Rollback);
        let all = vec![commit, rollback, Move::Watch];
        assert_eq!(shown(vec![finished(0)]), (all, true, false));
    }

    #[test]
    fn an_empty_state_folder_leads_to_practice() {
        let root = tempfile::tempdir().unwrap();
        let home = survey(&Store::new(root.path().join("none"))).unwrap();
        assert!(home.unfinished.is_empty() && home.finished.is_empty());
        assert!(
            home.runbooks
                .last()
                .is_some_and(|bundled| bundled.path.is_none())
        );
    }
}
