//! `lifeboat cleanup`, `commit` and `rollback`: a run ended in one of its ways.

use std::collections::BTreeMap;

use crate::engine::{
    Chapter, Closing, Opening, RunState, Stage, TakenBy, TakenHome, closing_plan, opening,
};
use crate::error::Fault;
use crate::journal::RunFolder;
use crate::names::listed;
use crate::runbook::model::Mode;
use crate::runner::Opens;

use super::answers::{self, Answers};
use super::args::EndArgs;
use super::console::{Conclusion, Console, as_typed};
use super::exit::{Exit, Failure};
use super::findings;
use super::handover::take_over;
use super::homeward::{Homeward, failbacks, taken_home};
use super::in_use;
use super::leaving::{Asked, leave, leave_for, why};
use super::past::Past;
use super::resume::{free, go_on};

/// Opens the chapter, or goes on with it, and walks it.
pub(super) async fn end(
    console: &mut Console,
    chapter: Chapter,
    args: &EndArgs,
) -> Result<Conclusion, Failure> {
    let folder = free(console.store.find(&args.run)?)?;
    let past = Past::read(folder)?.whole()?;
    if args.leave {
        return leave(console, chapter, args, &past).await;
    }
    walk(console, chapter.into(), args, past, None).await
}

/// Walks it, for the reason where it keeps a drill's disks.
pub(super) async fn walk(
    console: &mut Console,
    closing: Closing,
    args: &EndArgs,
    mut past: Past,
    keeping: Option<String>,
) -> Result<Conclusion, Failure> {
    let chapter = closing.chapter;
    let failbacks = failbacks(&console.store, &past.folder.id)?;
    let home = home_of(chapter, &past, &failbacks);
    let state = past.state_at(&home);
    let run = past.folder.id.clone();
    let opens = match opening(closing, &run, &state) {
        Opening::GoOn => None,
        opening @ (Opening::New | Opening::AfterLeaving) => {
            let is_drills = past.info.mode == Some(Mode::Drill);
            let despite = if is_drills && chapter == Chapter::Cleanup && !closing.keeps {
                in_use::hold(console, args, &past.folder).await?
            } else {
                despite_failbacks(console, chapter, args, (&past.folder, &state), &failbacks)
                    .await?
            };
            if opening == Opening::AfterLeaving {
                past = leave_for(console, chapter, args, past).await?;
            }
            let state = past.state_at(&home);
            past.plan = closing_plan(closing, &past.loaded.runbook, past.plan, &state);
            Some(Opens {
                chapter,
                keeping,
                despite,
                judged_at: state.last_seq,
            })
        }
        Opening::Nothing(why) => {
            return Ok(Conclusion {
                exit: if Stage::of(&state).ended_well() {
                    Exit::Clean
                } else {
                    Exit::Findings
                },
                lines: vec![format!(
                    "run {run}: nothing to do: {}",
                    as_typed(&past.folder, &why)
                )],
            });
        }
        Opening::Findings => {
            let answers = match &console.act.answers {
                Some(path) => answers::read(path, &past.loaded.runbook)?,
                None => Answers::default(),
            };
            return findings::close(
                console,
                &past.folder,
                &answers.drill,
                &BTreeMap::new(),
                None,
            )
            .await;
        }
        Opening::Refused(why, next) => {
            let home = (chapter == Chapter::Rollback)
                .then(|| taken_home(&failbacks, &state))
                .flatten();
            let next = home
                .and_then(|home| home.in_place_of_moving())
                .unwrap_or(next);
            return Err(refused(chapter, &past.folder, why, &next));
        }
    };
    let mut up = take_over(console, &past, args.take_over).await?;
    up.opens = opens;
    up.home = home;
    go_on(console, past, up).await
}

pub(super) fn refused(chapter: Chapter, folder: &RunFolder, why: String, next: &str) -> Failure {
    let fault = Fault::new(
        format!("there can be no {chapter} of this run: {why}"),
        format!("run {}", folder.id),
        "nothing was sent to any host; the run is as it was",
        as_typed(folder, next),
    );
    Failure::of(Exit::Refused, &fault)
}

/// Once a failback has begun to move the VMs home, what stands at both sites is no longer what this
/// run left; and one that is open would go on to take home what is no longer there.
fn refuse_if_taken_home(
    folder: &RunFolder,
    state: &RunState,
    failbacks: &[&Homeward],
) -> Result<(), Failure> {
    let known = failbacks.iter().filter_map(|one| one.known());
    let Some(home) = TakenHome::of(Some(state), known) else {
        return Ok(());
    };
    let next = home.in_place_of_rollback(&folder.id);
    Err(refused(Chapter::Rollback, folder, home.words(), &next))
}

/// Why the run is ended although failbacks of it, whose journals are damaged, may have its VMs: what
/// stands in the journal with the opening. A commit counts such a one up to where its journal fits.
///
/// # Errors
/// Status 3 where failbacks keep it from a rollback, 4 where nobody says why.
async fn despite_failbacks(
    console: &mut Console,
    chapter: Chapter,
    args: &EndArgs,
    (folder, state): (&RunFolder, &RunState),
    failbacks: &[Homeward],
) -> Result<Option<String>, Failure> {
    let (damaged, sound): (Vec<_>, Vec<_>) = failbacks.iter().partition(|one| one.damage.is_some());
    let counts = |one: &&Homeward| match (chapter, one.known()) {
        (Chapter::Cleanup, _) | (Chapter::Commit, Some(_)) => false,
        (Chapter::Rollback, Some(known)) => TakenHome::of(Some(state), [known]).is_some(),
        (Chapter::Rollback | Chapter::Commit, None) => true,
    };
    if chapter == Chapter::Rollback {
        refuse_if_taken_home(folder, state, &sound)?;
    }
    let counted: Vec<&Homeward> = damaged.into_iter().filter(counts).collect();
    if counted.is_empty() {
        return Ok(None);
    }
    let what = counted.iter().filter_map(|one| one.damaged_in_words());
    let what = what.collect::<Vec<_>>().join("; ");
    let why = why(console, args, asked(chapter, folder, &counted, &what)).await?;
    Ok(Some(format!("{what}: {why}")))
}

/// Asks why a run is ended in spite of failbacks that are damaged so.
fn asked(chapter: Chapter, folder: &RunFolder, failbacks: &[&Homeward], what: &str) -> Asked {
    let run = &folder.id;
    let names: Vec<&str> = failbacks.iter().map(|one| one.taken.by.as_str()).collect();
    let verified: Vec<String> = names
        .iter()
        .map(|by| format!("`lifeboat verify {by}`"))
        .collect();
    let verified = listed(&verified);
    let (failback, them, journal) = match names.len() {
        1 => ("failback", "it", "its journal"),
        _ => ("failbacks", "them", "their journals"),
    };
    Asked {
        title: format!(
            "Begin the {chapter} of {run} in spite of {failback} {}",
            listed(&names)
        ),
        intro: format!(
            "{what}. VMs of this run may have gone home with {them}. See what is told by {verified}, get {journal} \
             from a copy, or look where each VM runs before you go on."
        ),
        prompt: format!("How do you know that the {chapter} is right?"),
        unasked: "nothing was begun; the run is as it was",
        unsaid: Fault::new(
            what.to_owned(),
            format!("run {run}"),
            "nothing was sent to any host; the run is as it was",
            as_typed(
                folder,
                &format!(
                    "see {verified}, and get {journal} from a copy; or, once you know where each VM runs: lifeboat \
                     {chapter} {run} --reason TEXT"
                ),
            ),
        ),
    }
}

/// The failbacks that have VMs of a run that is committed after they began.
pub(super) fn home_of(chapter: Chapter, past: &Past, failbacks: &[Homeward]) -> Vec<TakenBy> {
    let home = match chapter {
        Chapter::Commit => taken_home(failbacks, &past.state()),
        Chapter::Rollback | Chapter::Cleanup => None,
    };
    home.map_or_else(Vec::new, |home| home.by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::runs::tests::{back, damage, finished, make_newer, sent, went_out};
    use crate::journal::{self, Store};
    use crate::names::RunId;

    /// What is said of the failbacks where the failover is ended, with a reason or without.
    async fn held(
        store: &Store,
        chapter: Chapter,
        run: &RunId,
        reason: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let folder = store.find(run.as_str()).unwrap();
        let journal = journal::read(&folder.journal()).unwrap();
        let state = RunState::fold(journal.entries.iter().map(AsRef::as_ref));
        let failbacks = failbacks(store, run)?;
        let args = EndArgs {
            reason: reason.map(str::to_owned),
            ..EndArgs::of(run)
        };
        let mut console = Console::headless(store.root());
        // That everything of the run's own is accepted says nothing of where its VMs are.
        console.act.yes = true;
        despite_failbacks(&mut console, chapter, &args, (&folder, &state), &failbacks).await
    }

    #[tokio::test]
    async fn a_damaged_failback_keeps_its_failover_from_its_end_until_somebody_says_why_not() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let run = went_out(&store);
        let open = back(&store, &run, "web01", Vec::new());
        let refused = held(&store, Chapter::Rollback, &run, None).await;
        assert_eq!(refused.unwrap_err().exit, Exit::Refused, "it can be ended");
        for harm in [damage, make_newer] {
            harm(&store, &open);
            let unsaid = held(&store, Chapter::Rollback, &run, None).await;
            let unsaid = unsaid.unwrap_err();
            assert_eq!(unsaid.exit, Exit::Resumable, "{}", unsaid.text);
            for words in [
                format!("failback {open} of it cannot be judged"),
                format!("lifeboat verify {open}"),
                format!("lifeboat rollback {run}"),
                "--reason TEXT".to_owned(),
            ] {
                assert!(unsaid.text.contains(&words), "{words}: {}", unsaid.text);
            }
            let reason = Some("both sites were looked at");
            let said = held(&store, Chapter::Rollback, &run, reason).await;
            let said = said.unwrap_or_else(|failure| panic!("{}", failure.text));
            assert!(said.unwrap().ends_with(": both sites were looked at"));
        }
        // A commit counts what it knows of one, and nothing of this one is known.
        let unsaid = held(&store, Chapter::Commit, &run, None).await;
        assert_eq!(unsaid.unwrap_err().exit, Exit::Resumable);
    }

    #[tokio::test]
    async fn every_damaged_failback_is_named_to_whoever_says_why_and_in_the_journal() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let run = went_out(&store);
        let both = ["web01", "sql01"].map(|vm| back(&store, &run, vm, vec![sent()]));
        for one in &both {
            damage(&store, one);
        }
        let unsaid = held(&store, Chapter::Rollback, &run, None).await;
        let unsaid = unsaid.unwrap_err().text;
        let reason = Some("both sites were looked at");
        let said = held(&store, Chapter::Rollback, &run, reason).await;
        let said = said.unwrap_or_else(|failure| panic!("{}", failure.text));
        let said = said.unwrap();
        assert!(said.ends_with(": both sites were looked at"), "{said}");
        for one in &both {
            let words = format!("failback {one} of it cannot be judged: ");
            assert!(unsaid.contains(&words), "{unsaid}");
            assert!(
                unsaid.contains(&format!("lifeboat verify {one}")),
                "{unsaid}"
            );
            assert!(said.contains(&words), "{said}");
        }
    }

    #[tokio::test]
    async fn a_failback_that_can_be_read_is_taken_back_first_whatever_another_is() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let run = went_out(&store);
        let web = back(&store, &run, "web01", vec![sent(), finished(0)]);
        let sql = back(&store, &run, "sql01", vec![sent()]);
        damage(&store, &sql);
        let reason = Some("both sites were looked at");
        let refused = held(&store, Chapter::Rollback, &run, reason).await;
        let text = refused.unwrap_err().text;
        assert!(text.contains(&format!("lifeboat rollback {web}")), "{text}");
        assert!(
            !text.contains(&format!("lifeboat rollback {sql}")),
            "{text}"
        );
    }
}
