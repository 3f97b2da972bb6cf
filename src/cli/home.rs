//! `lifeboat` alone: what there is, and one key to the next right thing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::{CommitWindow, RunState, Stage, TakenHome, Way, needs_person};
use crate::journal::{self, RunFolder, RunSummary, Store};
use crate::report::Format;
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Runbook, SiteRole};
use crate::settings::elsewhere;
use crate::tui::{FinishedRun, Home, HomeChoice, RunbookEntry, UnfinishedRun};

use super::args::{ActArgs, EndArgs, PracticeArgs, ResumeArgs, StartArgs};
use super::console::{Conclusion, Console, no_terminal};
use super::exit::{Exit, Failure};
use super::homeward::takes_home;
use super::load::{LoadError, load_bundled, load_runbook};
use super::past::Past;
use super::report::document;
use super::runs::{Row, drilled, last_drills, taken_home};
use super::{ending, failback, failover, failover_from, keeping, practice, resume, watch};

/// No more files of a folder are looked at.
const MOST_FILES: usize = 200;
/// No more unfinished runs are read for their steps.
const MOST_UNFINISHED: usize = 8;
/// No more runs that are over are shown; `lifeboat runs` lists all.
const MOST_FINISHED: usize = 30;

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

fn survey(store: &Store) -> Result<Home, Failure> {
    let runs = store.list()?;
    let rows = rows_of(&runs);
    let drills = last_drills(&rows);
    let mut runbooks: Vec<RunbookEntry> = found_runbooks().into_iter().map(entry_of).collect();
    runbooks.extend(
        load_bundled()
            .ok()
            .map(|loaded| described(&loaded.runbook, None)),
    );
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

fn entry_of(found: Found) -> RunbookEntry {
    match found.loaded {
        Ok(loaded) => described(&loaded.runbook, Some(found.path)),
        Err(problem) => RunbookEntry {
            name: found.path.display().to_string(),
            path: Some(found.path),
            problem: Some(problem),
            ..RunbookEntry::default()
        },
    }
}

fn described(runbook: &Runbook, path: Option<PathBuf>) -> RunbookEntry {
    let site = |role| {
        runbook
            .sites
            .get(&runbook.site_with(role))
            .map(|site| site.title.clone())
    };
    RunbookEntry {
        path,
        name: runbook.name.clone(),
        title: runbook.title.clone(),
        sites: [SiteRole::Protected, SiteRole::Recovery].map(|role| site(role).unwrap_or_default()),
        vms: runbook.recoverable_vms().count(),
        rto: runbook.objectives.rto,
        rpo: runbook.objectives.rpo,
        failback: !runbook.failback.is_empty(),
        problem: None,
        drill_every: runbook.drill.every,
        last_drill: None,
    }
}

/// The runbooks here and in `./runbooks`, then the bundled one.
fn found_runbooks() -> Vec<Found> {
    let mut found: Vec<Found> = [".", "runbooks"]
        .iter()
        .flat_map(|folder| in_folder(Path::new(folder)))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// YAML files that mean to be runbooks: those that begin with the format's key.
fn in_folder(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .take(MOST_FILES)
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_file()
                && path
                    .extension()
                    .is_some_and(|end| end == "yaml" || end == "yml")
        })
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
    error
        .render(false)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
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
    fn runbooks_are_found_and_other_yaml_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "good.yaml",
            include_str!("../../runbooks/v2v-image-restore.yaml"),
        );
        write("bad.yml", "lifeboat: 1\nnmae: x\n");
        write("compose.yaml", "services: {}\n");
        write("notes.txt", "lifeboat: 1\n");
        let mut found = in_folder(folder.path());
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let entries: Vec<RunbookEntry> = found.into_iter().map(entry_of).collect();
        assert_eq!(entries.len(), 2, "{entries:?}");
        assert!(
            entries[0]
                .problem
                .as_ref()
                .is_some_and(|problem| !problem.is_empty()),
            "{entries:?}"
        );
        assert_eq!((entries[1].vms, entries[1].failback), (3, true));
        assert_eq!(entries[1].sites, ["London".to_owned(), "Leeds".to_owned()]);
        assert!(in_folder(Path::new("/no/such/folder")).is_empty());
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
