//! `lifeboat cleanup`, `commit` and `rollback`: a run ended in one of its ways.

use std::collections::BTreeMap;

use crate::engine::{Chapter, Closing, Opening, Stage, TakenBy, closing_plan, opening};
use crate::error::Fault;
use crate::journal::RunFolder;
use crate::runbook::model::Mode;
use crate::runner::Opens;

use super::answers::{self, Answers};
use super::args::EndArgs;
use super::console::{Conclusion, Console, as_typed};
use super::exit::{Exit, Failure};
use super::findings;
use super::handover::take_over;
use super::homeward::{open_failback, taken_home};
use super::in_use;
use super::leaving::{leave, leave_for};
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
    let home = home_of(console, chapter, &past)?;
    let state = past.state_at(&home);
    let run = past.folder.id.clone();
    let opens = match opening(closing, &run, &state) {
        Opening::GoOn => None,
        opening @ (Opening::New | Opening::AfterLeaving) => {
            if chapter == Chapter::Rollback {
                refuse_if_taken_home(console, &past)?;
            }
            let is_drills = past.info.mode == Some(Mode::Drill);
            let despite = if is_drills && chapter == Chapter::Cleanup && !closing.keeps {
                in_use::hold(console, args, &past.folder).await?
            } else {
                None
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
        Opening::Refused(why, next) => return Err(refused(chapter, &past.folder, why, &next)),
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
fn refuse_if_taken_home(console: &Console, past: &Past) -> Result<(), Failure> {
    let folder = &past.folder;
    let Some(home) = taken_home(&console.store, &folder.id, &past.state())? else {
        return match open_failback(&console.store, &folder.id)? {
            None => Ok(()),
            Some(open) => {
                let why = format!(
                    "failback {open} of it is open: it has moved nothing yet, and would go on to take home \
                     what is then no longer there"
                );
                let next = format!(
                    "end that one first: lifeboat rollback {open}; or go on with it: lifeboat resume {open}"
                );
                Err(refused(Chapter::Rollback, folder, why, &next))
            }
        };
    };
    let next = home.in_place_of_rollback(&folder.id);
    Err(refused(Chapter::Rollback, folder, home.words(), &next))
}

/// The failbacks that have VMs of a run that is committed after they began.
pub(super) fn home_of(
    console: &Console,
    chapter: Chapter,
    past: &Past,
) -> Result<Vec<TakenBy>, Failure> {
    let home = match chapter {
        Chapter::Commit => taken_home(&console.store, &past.folder.id, &past.state())?,
        Chapter::Rollback | Chapter::Cleanup => None,
    };
    Ok(home.map_or_else(Vec::new, |home| home.by))
}
