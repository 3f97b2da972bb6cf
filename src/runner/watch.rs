//! A run that another console drives, or that is over: its journal read as it grows. What it hands
//! out looks like a run of one's own, but decisions go nowhere and no host is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::engine::RunState;
use crate::error::Fault;
use crate::journal::{self, FILE_NAME, Follower, JournalError};
use crate::names::RunId;
use crate::plan::Plan;
use crate::runbook::model::Runbook;
use crate::settings;

use super::handle::{RunHandle, Update};

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks in a row that find nobody at the run before it is called left: a console that takes it up
/// reads it first.
const NOBODY: u32 = 10;

/// Follows the run in `dir`. The updates end with [`Update::Ended`] when the run is finished, when
/// no console holds it any more, or when a line does not fit.
///
/// # Errors
/// The journal cannot be read.
pub fn watch(
    run: RunId,
    dir: &Path,
    plan: Arc<Plan>,
    runbook: Arc<Runbook>,
) -> Result<RunHandle, Fault> {
    let follower = Follower::open(&dir.join(FILE_NAME)).map_err(|error| error.fault())?;
    let (inputs, _) = mpsc::unbounded_channel();
    let (out, updates) = mpsc::unbounded_channel();
    let handle = RunHandle {
        run,
        dir: dir.to_owned(),
        elsewhere: settings::elsewhere(dir),
        plan,
        runbook,
        past: follower.journal().entries.clone(),
        hosts: None,
        inputs,
        updates,
    };
    tokio::spawn(follow(follower, dir.to_owned(), out));
    Ok(handle)
}

async fn follow(mut follower: Follower, dir: PathBuf, out: mpsc::UnboundedSender<Update>) {
    let mut state = RunState::fold(follower.journal().entries.iter().map(AsRef::as_ref));
    let mut alone = 0;
    let fault = loop {
        // Asked before the journal is read: what a console wrote before it went is then seen.
        let held = journal::held_by(&dir);
        let new = match follower.poll() {
            Ok(new) => new,
            Err(error) => break Some(error.fault()),
        };
        let quiet = new.is_empty();
        for entry in new {
            state.apply(entry);
            if out.send(Update::Entry(Arc::clone(entry))).is_err() {
                return;
            }
        }
        if let Some(problem) = &follower.journal().problem {
            let path = dir.join(FILE_NAME);
            let problem = problem.clone();
            break Some(JournalError::Broken { path, problem }.fault());
        }
        alone = match held {
            Ok(None) if quiet => alone + 1,
            _ => 0,
        };
        let over = state.finished.is_some() || state.detached;
        if alone > 0 && (over || alone >= NOBODY) {
            break None;
        }
        tokio::time::sleep(PAUSE).await;
        if out.is_closed() {
            return;
        }
    };
    let head = follower.journal().head.clone();
    let _ = out.send(Update::Ended { head, fault });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Entry, RunEvent, RunInfo, RunResult};
    use crate::journal::Journal;
    use crate::plan::{self, PlanInputs};
    use crate::runbook::Limits;
    use crate::runbook::model::{Mode, Section};

    fn entry(seq: u64, event: RunEvent) -> Entry {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        Entry::told(seq, at, None, event)
    }

    fn begun(dir: &Path) -> Journal {
        let mut journal = Journal::create(dir, "alice", "noc-3").unwrap();
        let info = RunInfo {
            format: 1,
            ..RunInfo::default()
        };
        let started = RunEvent::RunStarted(Box::new(info));
        journal.append(&entry(1, started)).unwrap();
        journal
    }

    fn note(seq: u64) -> Entry {
        let (by, text) = ("alice".to_owned(), format!("note {seq}"));
        entry(seq, RunEvent::NoteAdded { by, text })
    }

    fn watched(dir: &Path) -> RunHandle {
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let runbook = crate::runbook::load("bundled", text, &Limits::default());
        let runbook = runbook.unwrap().runbook;
        let inputs = PlanInputs {
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            ..PlanInputs::default()
        };
        let plan = plan::make(&runbook, Section::Failover, Mode::Failover, &inputs).unwrap();
        watch("r".into(), dir, Arc::new(plan), Arc::new(runbook)).unwrap()
    }

    #[tokio::test]
    async fn lines_come_as_they_are_written_and_the_end_when_the_run_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = begun(dir.path());
        let mut handle = watched(dir.path());
        assert_eq!(handle.past.len(), 1);
        for seq in 2..5 {
            journal.append(&note(seq)).unwrap();
            match handle.updates.recv().await {
                Some(Update::Entry(seen)) => assert_eq!(seen.seq, seq),
                other => panic!("{other:?}"),
            }
        }
        let result = RunResult::default();
        journal
            .append(&entry(5, RunEvent::RunFinished { result }))
            .unwrap();
        assert!(matches!(
            handle.updates.recv().await,
            Some(Update::Entry(_))
        ));
        let written = journal.head().to_owned();
        drop(journal);
        match handle.updates.recv().await {
            Some(Update::Ended { head, fault: None }) => assert_eq!(head, written),
            other => panic!("{other:?}"),
        }
        assert!(handle.updates.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_nobody_holds_ends_and_a_changed_line_is_told() {
        let dir = tempfile::tempdir().unwrap();
        drop(begun(dir.path()));
        let mut handle = watched(dir.path());
        let last = handle.updates.recv().await;
        assert!(
            matches!(last, Some(Update::Ended { fault: None, .. })),
            "{last:?}"
        );

        let path = dir.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"seq\":2}}\n")).unwrap();
        let mut handle = watched(dir.path());
        match handle.updates.recv().await {
            Some(Update::Ended {
                fault: Some(fault), ..
            }) => assert!(fault.what.contains("line 2")),
            other => panic!("{other:?}"),
        }
    }
}
