//! A drill that is to be cleaned up while an unfinished failover may yet restore from the disks that it
//! kept: held until somebody says why it cannot wait.

use crate::engine::{OperatorInput, may_need_disks};
use crate::error::Fault;
use crate::journal::Store;
use crate::names::RunId;
use crate::runbook::model::Mode;

use super::args::EndArgs;
use super::console::{Console, as_typed};
use super::exit::Failure;
use super::leaving::{Asked, why};
use super::past::Past;
use super::runs::Row;

/// Asks why, where there is such a run; what was said is a remark for the drill's journal.
///
/// # Errors
/// Status 4 where nobody says why.
pub(super) async fn hold(
    console: &mut Console,
    args: &EndArgs,
    drill: &Past,
) -> Result<Option<OperatorInput>, Failure> {
    if drill.info.mode != Some(Mode::Drill) {
        return Ok(None);
    }
    let Some(live) = needed_by(&console.store, &drill.folder.id)? else {
        return Ok(None);
    };
    let why = why(console, args, asked(drill, &live)).await?;
    Ok(Some(OperatorInput::Note {
        step: None,
        by: console.settings.operator.clone(),
        text: format!(
            "cleaned up although run {live} is not finished and restores from its disks: {why}"
        ),
    }))
}

fn asked(drill: &Past, live: &RunId) -> Asked {
    let run = &drill.folder.id;
    let go_on = as_typed(&drill.folder, &format!("lifeboat resume {live}"));
    Asked {
        title: format!("Clean up drill {run} in spite of run {live}"),
        intro: format!(
            "Run {live} is not finished, and its restores start from the disks of this drill. Without them it \
             sends what it has yet to restore whole. Finish it first: {go_on}"
        ),
        prompt: "Why are its disks deleted now?".to_owned(),
        unasked: "nothing was begun; the drill is as it was",
        unsaid: Fault::new(
            format!(
                "run {live} is not finished, and its restores start from the disks of this drill"
            ),
            format!("run {run}"),
            "the drill is as it was; nothing was sent to any host",
            as_typed(
                &drill.folder,
                &format!(
                    "go on with that first: {go_on}; or, where they cannot stay (it then sends whole what it has \
                     yet to restore): lifeboat cleanup {run} --reason TEXT"
                ),
            ),
        ),
    }
}

/// The unfinished run that restores from what the drill kept.
fn needed_by(store: &Store, drill: &RunId) -> Result<Option<RunId>, Failure> {
    for other in store.list()? {
        let info = other.info.as_ref();
        let from = info.and_then(|info| info.from_drill.as_ref());
        let is_from = from.is_some_and(|from| from.run == *drill);
        if !is_from || !other.is_unfinished() {
            continue;
        }
        // One whose journal does not fit goes on no more.
        if Row::read(&other).state.as_ref().is_some_and(may_need_disks) {
            return Ok(Some(other.folder.id));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::runs::tests::{finished, keep_as, opened};
    use crate::engine::{Chapter, FromDrill, RunEvent, RunInfo};

    #[test]
    fn a_drill_is_held_while_a_run_from_its_disks_has_steps_left() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let drill = RunId::from("20260101-030405-aaaa");
        let from = |run: &RunId, then: Vec<RunEvent>| {
            let from_drill = Some(FromDrill {
                run: run.clone(),
                head: String::new(),
                kept: Vec::new(),
            });
            let info = RunInfo {
                from_drill,
                ..RunInfo::default()
            };
            keep_as(&store, info, then)
        };
        from(&RunId::from("20260101-030405-bbbb"), Vec::new());
        from(&drill, vec![finished(0)]);
        from(&drill, vec![finished(0), opened(Chapter::Commit)]);
        let rollback = vec![opened(Chapter::Rollback), finished(0)];
        from(&drill, rollback);
        assert_eq!(needed_by(&store, &drill).unwrap(), None);
        let live = from(&drill, Vec::new());
        assert_eq!(needed_by(&store, &drill).unwrap(), Some(live));
    }
}
