//! A drill that is to be cleaned up while an unfinished failover may yet restore from the disks that it
//! kept: held until somebody says why it does not wait, or accepts it with `--yes`.

use crate::engine::may_need_disks;
use crate::error::Fault;
use crate::journal::{RunFolder, Store};
use crate::names::RunId;

use super::args::EndArgs;
use super::console::{Console, as_typed};
use super::exit::Failure;
use super::leaving::{Asked, why};
use super::runs::Row;

/// The reason of whoever gave none and asked for no questions.
const ACCEPTED: &str = "accepted with --yes";

/// Asks why it does not wait, where there is such a run: what stands in the journal with the opening.
///
/// # Errors
/// Status 4 where nobody says why, nor accepted everything that is the run's own.
pub(super) async fn hold(
    console: &mut Console,
    args: &EndArgs,
    drill: &RunFolder,
) -> Result<Option<String>, Failure> {
    let Some(live) = needed_by(&console.store, &drill.id)? else {
        return Ok(None);
    };
    let why = if console.act.yes && args.reason.is_none() {
        ACCEPTED.to_owned()
    } else {
        why(console, args, asked(drill, &live)).await?
    };
    Ok(Some(format!(
        "run {live} is not finished and restores from its disks: {why}"
    )))
}

fn asked(drill: &RunFolder, live: &RunId) -> Asked {
    let run = &drill.id;
    let go_on = as_typed(drill, &format!("lifeboat resume {live}"));
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
                drill,
                &format!(
                    "go on with that first: {go_on}; or, where they cannot stay (it then sends whole what it has \
                     yet to restore): lifeboat cleanup {run} --reason TEXT, or --yes"
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
    use crate::cli::exit::Exit;
    use crate::cli::runs::tests::{finished, keep_as, opened};
    use crate::engine::{Chapter, FromDrill, RunEvent, RunInfo};

    fn from(store: &Store, drill: &RunId, then: Vec<RunEvent>) -> RunId {
        let from_drill = Some(FromDrill {
            run: drill.clone(),
            head: String::new(),
            kept: Vec::new(),
        });
        let info = RunInfo {
            from_drill,
            ..RunInfo::default()
        };
        keep_as(store, info, then)
    }

    #[tokio::test]
    async fn nobody_deletes_what_a_run_may_need_without_a_reason_or_yes() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let drill = keep_as(&store, RunInfo::default(), vec![finished(0)]);
        let drill = store.find(drill.as_str()).unwrap();
        let live = from(&store, &drill.id, Vec::new());
        let mut console = Console::headless(state.path());
        let mut args = EndArgs::of(&drill.id);
        let held = hold(&mut console, &args, &drill).await.unwrap_err();
        assert_eq!(held.exit, Exit::Resumable);
        assert!(
            held.text.contains("--reason TEXT, or --yes"),
            "{}",
            held.text
        );
        console.act.yes = true;
        let said = hold(&mut console, &args, &drill).await.unwrap();
        let words = format!("run {live} is not finished and restores from its disks");
        assert_eq!(said, Some(format!("{words}: accepted with --yes")));
        args.reason = Some("no room".to_owned());
        let said = hold(&mut console, &args, &drill).await.unwrap();
        assert_eq!(said, Some(format!("{words}: no room")));
    }

    #[test]
    fn a_drill_is_held_while_a_run_from_its_disks_has_steps_left() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let drill = RunId::from("20260101-030405-aaaa");
        let from = |run: &RunId, then: Vec<RunEvent>| from(&store, run, then);
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
