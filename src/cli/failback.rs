//! `lifeboat failback`: a finished failover, taken back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Chapter, Move, Parent, RunState, Stage, Way, WayOut};
use crate::error::Fault;
use crate::journal::{Ending, Store};
use crate::names::{RunId, VmName, listed};
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Runbook, Section, SiteRole};

use super::args::StartArgs;
use super::console::{Conclusion, Console, as_typed};
use super::exit::{Exit, Failure};
use super::homeward::{Homeward, failbacks};
use super::load::load_runbook;
use super::past::Past;
use super::start::{Before, Order, start};

/// Starts the way home of a run, or of a runbook, and walks it.
pub(super) async fn failback(
    console: &mut Console,
    what: &str,
    mut args: StartArgs,
    looks_first: bool,
) -> Result<Conclusion, Failure> {
    let way = way_home(console, what, args.only)?;
    args.only = way.only;
    let order = Order {
        loaded: way.loaded,
        path: way.path,
        mode: Mode::Failback,
        sections: vec![Section::Failback],
        parent: way.before,
        from_drill: None,
        start: args,
        looks_first,
    };
    start(console, order).await
}

/// What is taken home.
pub(super) struct WayHome {
    pub(super) loaded: Loaded,
    /// The runbook's file; none of the bundled one.
    pub(super) path: Option<PathBuf>,
    /// The run that is taken back; none where a runbook has no such run.
    pub(super) before: Option<Before>,
    /// The VMs that go home; empty means all.
    pub(super) only: Vec<String>,
}

/// The way home of a run, or of the newest failover of a runbook that stands.
pub(super) fn way_home(
    console: &Console,
    what: &str,
    only: Vec<String>,
) -> Result<WayHome, Failure> {
    let as_path = Path::new(what);
    let (loaded, path, before) = if as_path.is_file() {
        let loaded = load_runbook(as_path)?;
        let before = newest_failover(console, &loaded)?;
        (loaded, Some(as_path.to_owned()), before)
    } else {
        let past = Past::read(console.store.find(what)?)?.whole()?;
        let path = Some(past.info.runbook_path.clone()).filter(|path| !path.is_empty());
        let loaded = past.loaded.clone();
        (
            loaded,
            path.map(Into::into),
            Some(taken_back(console, past)?),
        )
    };
    let only = match &before {
        Some(before) => selection(&loaded.runbook, &before.parent, only)?,
        None => only,
    };
    Ok(WayHome {
        loaded,
        path,
        before,
        only,
    })
}

fn refused<T>(run: &RunId, what: String, next: String) -> Result<T, Failure> {
    let place = format!("run {run}");
    let fault = Fault::new(what, place, "nothing was started", next);
    Err(Failure::of(Exit::Refused, &fault))
}

/// The VMs that go home: those that were asked for, without those that the run never moved.
fn selection(
    runbook: &Runbook,
    parent: &Parent,
    asked: Vec<String>,
) -> Result<Vec<String>, Failure> {
    let why = |vm: &str| {
        parent
            .stayed
            .iter()
            .find(|(stayed, _)| stayed.as_str() == vm)
    };
    if let Some((vm, why)) = asked.iter().find_map(|vm| why(vm.trim())) {
        let what = format!("{vm} does not go home: {why}");
        let next = "leave it out of --only".to_owned();
        return refused(&parent.run, what, next);
    }
    if parent.stayed.is_empty() || !asked.is_empty() {
        return Ok(asked);
    }
    let all = runbook.recoverable_vms().map(|(name, _)| name.to_string());
    Ok(all.filter(|vm| why(vm).is_none()).collect())
}

/// The run as something that can be taken back.
fn taken_back(console: &Console, past: Past) -> Result<Before, Failure> {
    let state = past.state();
    refuse_unless_it_stands(&past, &state)?;
    let refused =
        |what: String, next: String| refused(&past.folder.id, what, as_typed(&past.folder, &next));
    let WayOut {
        moved,
        mut stayed,
        by_people,
    } = WayOut::of(&past.plan, &state);
    if let (true, Some((vm, why))) = (moved.is_empty(), stayed.first()) {
        let what = format!("that run moved no VM: {vm} stayed, for {why}");
        let next = "look at its report; what it left on the hosts is listed there".to_owned();
        return refused(what, next);
    }
    let home = at_home(&console.store, &past)?;
    let is_home = |vm: &VmName| home.iter().any(|(of, _)| of == vm);
    if !home.is_empty() && moved.iter().all(is_home) {
        let by: BTreeSet<&RunId> = home.iter().map(|(_, by)| by).collect();
        let by: Vec<&RunId> = by.into_iter().collect();
        let reports: Vec<String> = by
            .iter()
            .map(|by| format!("`lifeboat report {by}`"))
            .collect();
        let what = format!(
            "every VM that it moved is home again, by failback {}",
            listed(&by)
        );
        let next = format!("see what stands since: {}", reports.join(", "));
        return refused(what, next);
    }
    stayed.extend(home.into_iter().map(|(vm, by)| {
        let why = format!("it is home already, by failback {by}");
        (vm, why)
    }));
    if !past.info.only.is_empty() {
        let vms = past.loaded.runbook.recoverable_vms();
        let out = vms.filter(|(vm, _)| !past.plan.vms.contains(vm));
        stayed.extend(out.map(|(vm, _)| (vm.clone(), "it was left out of that run".to_owned())));
    }
    Ok(Before {
        parent: Parent {
            run: past.folder.id,
            head: past.journal.head,
            stayed,
            by_people,
        },
        state: Arc::new(state),
        variables: past.info.variables,
    })
}

/// Only a failover that came to its end and stands can be taken home.
fn refuse_unless_it_stands(past: &Past, state: &RunState) -> Result<(), Failure> {
    let refused =
        |what: String, next: String| refused(&past.folder.id, what, as_typed(&past.folder, &next));
    match past.info.mode {
        Some(Mode::Failover | Mode::Planned) => {}
        other => {
            let mode = other.map_or("unknown", Mode::as_str);
            return refused(
                format!("only a failover can be taken back, and this run's mode is {mode}"),
                "name the failover's run: `lifeboat runs` lists them".to_owned(),
            );
        }
    }
    if state.finished.is_none() {
        let stage = Stage::of(state);
        let next = if state.ends_anew() {
            format!(
                "first lifeboat resume {} (it gives its locks back)",
                past.folder.id
            )
        } else {
            first(&stage.ways(&past.folder.id, past.info.mode))
        };
        let what = format!("the failover is not finished ({})", stage.words());
        return refused(what, next);
    }
    if was_rolled_back(state) {
        return refused(
            "that failover was rolled back: nothing of it is left to be taken home".to_owned(),
            format!("see what it left: `lifeboat report {}`", past.folder.id),
        );
    }
    Ok(())
}

/// The VMs of a run that failbacks have started at home, each with the failback that did. One that was
/// rolled back has started them where they had been.
fn at_home(store: &Store, past: &Past) -> Result<Vec<(VmName, RunId)>, Failure> {
    let mut home = Vec::new();
    let runbook = &past.loaded.runbook;
    for failback in failbacks(store, &past.folder.id)? {
        let taken = &failback.taken;
        let Some(state) = &failback.state else {
            return unknown(past, &failback);
        };
        let is_home = |vm: &&VmName| {
            let started = state.started_on(vm);
            started.is_some_and(|(on, _)| runbook.role_of(on) == Some(SiteRole::Protected))
        };
        let own = past.plan.vms.iter().filter(|vm| taken.holds(vm));
        let (at_home, away): (Vec<_>, Vec<_>) = own.partition(is_home);
        // Behind the damage it may have started these too.
        if failback.damage.is_some() && !away.is_empty() {
            return unknown(past, &failback);
        }
        let at_home = at_home.into_iter();
        home.extend(at_home.map(|vm| (vm.clone(), taken.by.clone())));
    }
    Ok(home)
}

/// Nobody takes home what may be there already.
fn unknown<T>(past: &Past, failback: &Homeward) -> Result<T, Failure> {
    let by = &failback.taken.by;
    let next = format!(
        "see `lifeboat verify {by}`, and get its journal from a copy; or, once you know where each VM runs, move \
         the folder {by} out of the folder of runs: it then counts no more"
    );
    let what = failback.damaged_in_words().unwrap_or_default();
    refused(&past.folder.id, what, as_typed(&past.folder, &next))
}

/// What comes before a way home.
fn first(ways: &[Way]) -> String {
    let way = |way: &Way| {
        let instead = match way.to {
            Move::Close(Chapter::Rollback) => ", in place of a failback",
            _ => "",
        };
        format!("{} ({}{instead})", way.command, way.does)
    };
    let ways: Vec<String> = ways.iter().map(way).collect();
    format!("first {}", ways.join(", or "))
}

/// Whether its VMs run at home again, or were about to.
fn was_rolled_back(state: &RunState) -> bool {
    let mut chapters = state.chapters.iter();
    chapters.any(|opened| opened.chapter == Chapter::Rollback)
}

/// The newest finished failover of the same runbook that stands, where there is one.
fn newest_failover(console: &Console, loaded: &Loaded) -> Result<Option<Before>, Failure> {
    for run in console.store.list()? {
        let is_one = run.ending == Ending::Finished
            && run.info.as_ref().is_some_and(|info| {
                info.runbook == loaded.runbook.name
                    && matches!(info.mode, Some(Mode::Failover | Mode::Planned))
            });
        if !is_one {
            continue;
        }
        let past = Past::read(run.folder)?.whole()?;
        if !was_rolled_back(&past.state()) {
            return taken_back(console, past).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::runs::tests::{RUNBOOK, back, damage, finished, keep_as, sent};
    use crate::engine::{Fact, RunEvent, RunInfo};
    use crate::runbook::model::Section;

    fn on(vm: &str, host: &str) -> RunEvent {
        let (vm, host) = (vm.into(), host.into());
        RunEvent::FactFound(Fact::PoweredOn { vm, host })
    }

    /// A failover that started sql01 and web01 and came to its end.
    fn went_out(store: &Store) -> RunId {
        let info = RunInfo {
            mode: Some(Mode::Failover),
            sections: vec![Section::Failover],
            runbook_sha256: crate::digest::sha256(RUNBOOK),
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            ..RunInfo::default()
        };
        let out = ["sql01", "web01"].map(|vm| on(vm, "lee-esx1"));
        let run = keep_as(store, info, [&out[..], &[finished(0)]].concat());
        let folder = store.find(run.as_str()).unwrap();
        std::fs::write(folder.runbook(), RUNBOOK).unwrap();
        run
    }

    #[test]
    fn what_is_home_already_is_not_taken_home_again() {
        let root = tempfile::tempdir().unwrap();
        let console = Console::headless(root.path());
        let run = went_out(&console.store);
        let again = |only: &[&str]| {
            let only = only.iter().map(|vm| (*vm).to_owned()).collect();
            way_home(&console, run.as_str(), only).map(|way| way.only)
        };
        let refused = |only: &[&str]| {
            let failure = again(only).unwrap_err();
            assert_eq!(failure.exit, Exit::Refused);
            failure.text
        };
        let go_home = |vm: &str| {
            back(
                &console.store,
                &run,
                vm,
                vec![on(vm, "lon-esx1"), finished(0)],
            )
        };
        let web = go_home("web01");
        let rest = again(&[]).map_err(|failure| failure.text);
        assert_eq!(rest.unwrap(), ["sql01"]);
        let text = refused(&["web01"]);
        let why = format!("web01 does not go home: it is home already, by failback {web}");
        assert!(
            text.contains(&why) && text.contains("leave it out of --only"),
            "{text}"
        );
        let sql = go_home("sql01");
        let text = refused(&[]);
        assert!(text.contains("nothing was started"), "{text}");
        let (what, next) = text.split_once("see what stands since: ").unwrap();
        assert!(
            what.contains("every VM that it moved is home again, by failback "),
            "{what}"
        );
        for by in [web, sql] {
            assert!(what.contains(by.as_str()), "{by}: {what}");
            assert!(
                next.contains(&format!("`lifeboat report {by} --state ")),
                "{next}"
            );
        }
    }

    #[test]
    fn a_damaged_failback_may_have_started_more_than_is_known() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let run = went_out(&store);
        let home = || {
            let past = Past::read(store.find(run.as_str()).unwrap());
            let past = past.unwrap_or_else(|failure| panic!("{}", failure.text));
            let home = at_home(&store, &past);
            home.map(|home| {
                home.into_iter()
                    .map(|(vm, _)| vm.to_string())
                    .collect::<Vec<_>>()
            })
        };
        let web = back(&store, &run, "web01", vec![on("web01", "lon-esx1")]);
        damage(&store, &web);
        assert_eq!(
            home().unwrap_or_else(|failure| panic!("{}", failure.text)),
            ["web01"]
        );
        let sql = back(&store, &run, "sql01", vec![sent()]);
        assert!(home().is_ok());
        damage(&store, &sql);
        let refused = home().unwrap_err();
        assert!(
            refused
                .text
                .contains(&format!("failback {sql} of it cannot be judged")),
            "{}",
            refused.text
        );
    }

    #[test]
    fn what_comes_before_a_way_home_is_a_command_and_what_it_does() {
        let ways = Stage::Unfinished.ways(&"r1".into(), Some(Mode::Failover));
        assert_eq!(
            first(&ways),
            "first lifeboat resume r1 (go on where it stopped), or lifeboat rollback r1 (take back \
             what it did, in place of a failback)"
        );
    }
}
