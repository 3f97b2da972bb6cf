//! Leaving an ending that was begun and of which nothing was done, for a reason.

use std::collections::BTreeMap;

use crate::engine::{Chapter, OpenedChapter, RunState, Stage};
use crate::error::Fault;
use crate::host::visible;
use crate::journal::RunFolder;
use crate::runner;
use crate::tui::FormField;

use super::args::EndArgs;
use super::console::{Conclusion, Console, as_typed, conclude};
use super::exit::{Exit, Failure};
use super::forms;
use super::past::Past;

/// What `--reason` and the form's field are called.
const REASON: &str = "reason";

/// `--leave`: the run stands as before it was begun to be ended.
///
/// # Errors
/// Status 3 where there is nothing to leave or something of it was done, 4 where nobody says why.
pub(super) async fn leave(
    console: &mut Console,
    chapter: Chapter,
    args: &EndArgs,
    past: &Past,
) -> Result<Conclusion, Failure> {
    let state = past.state();
    let Some(begun) = state.leavable().filter(|begun| begun.chapter == chapter) else {
        return Err(nothing_to_leave(chapter, &past.folder, &state));
    };
    let then = "The run then stands as before.".to_owned();
    let reason = reason(console, begun, args, &past.folder, then).await?;
    left(console, chapter, past, reason)?;
    conclude(&past.folder, &BTreeMap::new(), None)
}

/// Leaves what was begun for another way to end the run.
pub(super) async fn leave_for(
    console: &mut Console,
    wanted: Chapter,
    args: &EndArgs,
    past: Past,
) -> Result<Past, Failure> {
    let state = past.state();
    let Some(begun) = state.leavable() else {
        return Ok(past);
    };
    let then = format!("The {wanted} is begun once you have said why.");
    let reason = reason(console, begun, args, &past.folder, then).await?;
    left(console, begun.chapter, &past, reason)?;
    Past::read(past.folder)?.whole()
}

/// Who begun it, and why it is left.
async fn reason(
    console: &mut Console,
    begun: &OpenedChapter,
    args: &EndArgs,
    folder: &RunFolder,
    then: String,
) -> Result<String, Failure> {
    let OpenedChapter { chapter, by, .. } = begun;
    let run = &folder.id;
    why(
        console,
        args,
        Asked {
            title: format!("Leave the {chapter} of {run}"),
            intro: format!("{by} began the {chapter}, and nothing of it was done. {then}"),
            prompt: format!("Why is the {chapter} left?"),
            unasked: "nothing was left; the run is as it was",
            unsaid: Fault::new(
                format!("its {chapter} was begun by {by}, and nobody said why it is left"),
                format!("run {run}"),
                "the run is as it was; nothing was sent to any host",
                as_typed(
                    folder,
                    &format!("give --reason TEXT; or go on with it: lifeboat {chapter} {run}"),
                ),
            ),
        },
    )
    .await
}

/// A reason that is asked for.
pub(super) struct Asked {
    pub(super) title: String,
    pub(super) intro: String,
    pub(super) prompt: String,
    /// What became of it where the person gives none.
    pub(super) unasked: &'static str,
    /// What is missing where nobody is asked.
    pub(super) unsaid: Fault,
}

/// The reason that was given with the command, or is asked for at a terminal.
///
/// # Errors
/// Status 4 where nobody says why.
pub(super) async fn why(
    console: &mut Console,
    args: &EndArgs,
    asked: Asked,
) -> Result<String, Failure> {
    let given = args.reason.as_deref().map_or("", str::trim);
    let typed = if console.act.headless {
        given.to_owned()
    } else {
        let field = FormField {
            default: given.to_owned(),
            help: "it stands in the journal and in the report".to_owned(),
            ..FormField::new(REASON, asked.prompt)
        };
        let filled = forms::fill(console, asked.title, vec![asked.intro], vec![field]).await?;
        let Some(mut filled) = filled else {
            return Err(Failure::new(Exit::Resumable, asked.unasked));
        };
        filled.remove(REASON).unwrap_or_default()
    };
    let said = console.redactor.mask(&visible(typed.trim()));
    if said.is_empty() {
        return Err(Failure::of(Exit::Resumable, &asked.unsaid));
    }
    Ok(said)
}

fn left(console: &Console, chapter: Chapter, past: &Past, reason: String) -> Result<(), Failure> {
    let who = (
        console.settings.operator.as_str(),
        console.settings.console.as_str(),
    );
    runner::leave_chapter(&past.folder.path, who, chapter, reason)
        .map_err(|fault| Failure::of(Exit::Refused, &fault))
}

fn nothing_to_leave(chapter: Chapter, folder: &RunFolder, state: &RunState) -> Failure {
    let run = &folder.id;
    let begun = state.chapter().filter(|opened| opened.ended.is_none());
    let (what, next) = match begun {
        Some(opened) if opened.chapter == chapter => (
            format!("something of its {chapter} was done already"),
            format!("finish it: lifeboat {chapter} {run}"),
        ),
        _ => (
            format!(
                "there is no {chapter} that was begun: {}",
                Stage::of(state).words()
            ),
            "see how it stands with `lifeboat runs`".to_owned(),
        ),
    };
    let fault = Fault::new(
        what,
        format!("run {run}"),
        "nothing was left; the run is as it was",
        as_typed(folder, &next),
    );
    Failure::of(Exit::Refused, &fault)
}
