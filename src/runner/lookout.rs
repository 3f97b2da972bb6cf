//! A run whose steps are over, and its hosts: both looked at until somebody ends the run.
//!
//! It polls the hosts as the panes of a run do and reads the journal as it grows. What it sees of a
//! VM's owner it adds to the journal, where the run's steps are over, nothing was begun to end it and
//! no console has it open: it takes the journal's lock for that line and gives it back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::engine::{Chapter, Entry, Lookout, RunEvent, RunState, Sign};
use crate::error::Fault;
use crate::host::Hosts;
use crate::journal::{FILE_NAME, Follower, Journal, JournalError};
use crate::runbook::model::Runbook;
use crate::telemetry::{self, HostFigures, Panes};

use super::polls;

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_secs(2);

/// What there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A host told something new.
    Sign(Sign),
    /// The journal has a line more about it.
    Kept,
    /// It belongs in the journal and could not be written there; it is tried again at each look.
    NotKept(String),
    /// Nothing is left to watch.
    Ended(Ending),
}

/// Why nothing is left to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What the run did stays.
    Committed,
    /// It is being taken back, or cleaned up: whoever does that looks.
    TakenBack,
}

/// The watch of one run. Dropping it ends the polls.
pub struct Watch {
    dir: PathBuf,
    runbook: Arc<Runbook>,
    hosts: Hosts,
    clock: Clock,
    operator: (String, String),
    follower: Follower,
    state: RunState,
    lookout: Lookout,
    /// Why the journal did not take a line, as last said.
    not_kept: Option<String>,
    figures: mpsc::UnboundedReceiver<HostFigures>,
    _panes: Panes,
}

impl Watch {
    /// Begins to look at the run in `dir`; `operator` and `console` are told to whoever wants the
    /// journal while a line is written.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn begin(
        dir: PathBuf,
        runbook: Arc<Runbook>,
        hosts: Hosts,
        operator: String,
        console: String,
    ) -> Result<Self, Fault> {
        let follower = Follower::open(&dir.join(FILE_NAME)).map_err(|error| error.fault())?;
        let state = RunState::fold(follower.journal().entries.iter().map(AsRef::as_ref));
        for (host, fingerprint) in &state.trusted {
            hosts.trust_for_run(host, fingerprint);
        }
        // Times move on from the last line's, whatever the wall clock says.
        let clock = Clock::system();
        let clock = state
            .last_at
            .map_or(clock.clone(), |at| clock.not_before(at).0);
        let (out, figures) = mpsc::unbounded_channel();
        let panes = telemetry::watch(&hosts, &runbook, &clock, move |figures| {
            let _ = out.send(figures);
        });
        Ok(Self {
            dir,
            lookout: Lookout::new(&runbook),
            not_kept: None,
            runbook,
            hosts,
            clock,
            operator: (operator, console),
            follower,
            state,
            figures,
            _panes: panes,
        })
    }

    /// The run, as far as it was read.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// What was seen of its hosts.
    #[must_use]
    pub fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    /// Waits a while for something new; what was waited for is not lost where this is dropped.
    ///
    /// # Errors
    /// The journal cannot be read, or a line of it does not fit.
    pub async fn next(&mut self) -> Result<Vec<News>, Fault> {
        let figures = timeout_at(Instant::now() + PAUSE, self.figures.recv()).await;
        self.read_on()?;
        if let Some(ending) = self.ending() {
            return Ok(vec![News::Ended(ending)]);
        }
        let Ok(Some(figures)) = figures else {
            return Ok(Vec::new());
        };
        let Some(mut sighting) = polls::seen(&self.runbook, &self.state, &figures) else {
            return Ok(Vec::new());
        };
        if let Err(unheard) = &mut sighting.running {
            unheard.why = self.hosts.clean(&unheard.why);
        }
        let signs = self.lookout.take(&self.state, &sighting);
        let mut news: Vec<News> = signs.into_iter().map(News::Sign).collect();
        news.extend(self.keep()?);
        Ok(news)
    }

    fn read_on(&mut self) -> Result<(), Fault> {
        for entry in self.follower.poll().map_err(|error| error.fault())? {
            self.state.apply(entry);
        }
        let Some(problem) = self.follower.journal().problem.clone() else {
            return Ok(());
        };
        let path = self.dir.join(FILE_NAME);
        Err(JournalError::Broken { path, problem }.fault())
    }

    fn ending(&self) -> Option<Ending> {
        let opened = self.state.chapter()?;
        match opened.chapter {
            // It moves no VM.
            Chapter::Commit => opened.ended.as_ref().map(|_| Ending::Committed),
            Chapter::Rollback | Chapter::Cleanup => Some(Ending::TakenBack),
        }
    }

    /// Adds to the journal what belongs there and is not there. An engine that walks the run watches
    /// for itself, and does more than to write it down, so nothing is put in beside it.
    fn keep(&mut self) -> Result<Vec<News>, Fault> {
        if !takes_evidence(&self.state) || self.lookout.evidence(&self.state).is_empty() {
            self.not_kept = None;
            return Ok(Vec::new());
        }
        let (kept, error) = match self.write() {
            Ok(kept) => (kept, None),
            Err(error) => (0, Some(error.fault().what)),
        };
        self.read_on()?;
        let mut news = vec![News::Kept; kept];
        if self.not_kept != error {
            news.extend(error.clone().map(News::NotKept));
            self.not_kept = error;
        }
        Ok(news)
    }

    /// Writes what is still missing once the journal is this console's, and how many lines that were.
    fn write(&self) -> Result<usize, JournalError> {
        let (operator, console) = &self.operator;
        let (mut journal, entries) = Journal::reopen(&self.dir, operator, console)?;
        let state = RunState::fold(entries.iter().map(AsRef::as_ref));
        // Somebody may have gone on with it, or said this, since it was read.
        if !takes_evidence(&state) {
            return Ok(0);
        }
        let facts = self.lookout.evidence(&state);
        for (seq, fact) in (state.last_seq + 1..).zip(&facts) {
            journal.append(&Entry {
                seq,
                at: self.clock.now(),
                step: None,
                attempt: None,
                event: RunEvent::FactFound(fact.clone()),
            })?;
        }
        Ok(facts.len())
    }
}

/// Whether what is seen is to be added to a run: its own steps are over, and it is not being taken
/// back. A commit that was begun and left must not go on over a split that nobody wrote down.
fn takes_evidence(state: &RunState) -> bool {
    match state.chapter() {
        None => state.finished.is_some(),
        Some(opened) => opened.chapter == Chapter::Commit && opened.ended.is_none(),
    }
}
