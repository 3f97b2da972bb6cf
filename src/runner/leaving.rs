//! An ending of a run left that was begun and of which nothing was done. No host takes part.

use std::path::Path;

use crate::clock::Clock;
use crate::engine::{Chapter, Stage};
use crate::error::Fault;

use super::rest::AtRest;

/// Writes that a chapter is left, and why: the run stands as before it was opened.
///
/// # Errors
/// If the journal is held by another console or cannot be written; if something of the chapter was
/// done, or it was not begun.
pub fn leave_chapter(
    dir: &Path,
    (by, console): (&str, &str),
    chapter: Chapter,
    reason: String,
) -> Result<(), Fault> {
    let mut run = AtRest::take(dir, by, console).map_err(|error| error.fault())?;
    let state = run.state();
    let Some(left) = state.leaving(chapter, by.to_owned(), reason) else {
        return Err(Fault::new(
            format!(
                "there is no {chapter} that could be left: {}",
                Stage::of(state).words()
            ),
            dir.display().to_string(),
            "nothing was written, and nothing was sent to any host",
            "see how it stands with `lifeboat runs`; what was begun and of which something was done is finished",
        ));
    };
    run.add(&Clock::system(), left)
        .map_err(|error| error.fault())
}
