//! A run whose steps are over, and its hosts: both looked at until somebody ends the run.
//!
//! It polls the hosts as the panes of a run do and reads the journal as it grows. What it sees of a
//! VM's owner it adds to the journal, where the run's steps are over, nothing was done to take it back
//! and no console has it open: it takes the journal's lock for that line and gives it back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::engine::{Chapter, Entry, Lookout, RunEvent, RunState, Sign, TakenBy};
use crate::error::Fault;
use crate::host::Hosts;
use crate::journal::{FILE_NAME, Follower, JournalError};
use crate::runbook::model::Runbook;
use crate::telemetry::{self, HostFigures, Panes};

use super::polls;
use super::rest::AtRest;

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
    /// The run as it was read. What was read since the watch began counts from then: looks are
    /// measured against it, and another console's clock may tell another time.
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

    /// Leaves out the VMs that these failbacks took home, and no others; whether that is new.
    pub fn leave_out(&mut self, home: &[TakenBy]) -> bool {
        if self.state.home == home {
            return false;
        }
        self.state.home.clear();
        for taken in home {
            self.state.take_home(taken);
        }
        true
    }

    /// Waits a while for something new; what was waited for is not lost where this is dropped.
    ///
    /// # Errors
    /// The journal cannot be read, or a line of it does not fit.
    pub async fn next(&mut self) -> Result<Vec<News>, Fault> {
        let figures = timeout_at(Instant::now() + PAUSE, self.figures.recv()).await;
        self.read_on()?;
        if let Some(ending) = ending(&self.state) {
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
        let at = self.clock.now();
        for entry in self.follower.poll().map_err(|error| error.fault())? {
            let entry = Entry::clone(entry);
            self.state.apply(&Entry { at, ..entry });
        }
        let Some(problem) = self.follower.journal().problem.clone() else {
            return Ok(());
        };
        let path = self.dir.join(FILE_NAME);
        Err(JournalError::Broken { path, problem }.fault())
    }

    /// Adds to the journal what belongs there and is not there. An engine that walks the run watches
    /// for itself, and does more than to write it down, so nothing is put in beside it.
    fn keep(&mut self) -> Result<Vec<News>, Fault> {
        if !takes_evidence(&self.state) || self.lookout.evidence(&self.state).is_empty() {
            self.not_kept = None;
            return Ok(Vec::new());
        }
        let mut kept = 0;
        let error = self.write(&mut kept)?.map(|error| error.fault().what);
        self.read_on()?;
        let mut news = vec![News::Kept; kept];
        if self.not_kept != error {
            news.extend(error.clone().map(News::NotKept));
            self.not_kept = error;
        }
        Ok(news)
    }

    /// Writes what is still missing once the journal is this console's, and counts those lines; why
    /// the journal did not take one, if it did not.
    fn write(&mut self, kept: &mut usize) -> Result<Option<JournalError>, Fault> {
        let (operator, console) = &self.operator;
        let mut run = match AtRest::take(&self.dir, operator, console) {
            Ok(run) => run,
            Err(error) => return Ok(Some(error)),
        };
        // Somebody may have gone on with it, or said this, since it was read.
        self.read_on()?;
        if !takes_evidence(&self.state) {
            return Ok(None);
        }
        for fact in self.lookout.evidence(&self.state) {
            if let Err(error) = run.add(&self.clock, RunEvent::FactFound(fact)) {
                return Ok(Some(error));
            }
            *kept += 1;
        }
        Ok(None)
    }
}

/// How the watch over a run comes to its end, if it has.
fn ending(state: &RunState) -> Option<Ending> {
    // One that was only begun can be left, and the run is then watched as before.
    let opened = match state.leavable() {
        Some(_) => state.chapter_before()?,
        None => state.chapter()?,
    };
    match opened.chapter {
        // It moves no VM.
        Chapter::Commit => opened.ended.as_ref().map(|_| Ending::Committed),
        Chapter::Rollback | Chapter::Cleanup => Some(Ending::TakenBack),
    }
}

/// Whether what is seen is to be added to a run: its own steps are over, and it is not being taken
/// back. What was begun and left must not go on over a split that nobody wrote down.
fn takes_evidence(state: &RunState) -> bool {
    match state.chapter() {
        None => state.finished.is_some(),
        Some(opened) => ending(state).is_none() && opened.ended.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Fact, RunInfo, RunResult, Sighting};
    use crate::host::Policy;
    use crate::host::Redactor;
    use crate::journal::{Journal, read};
    use crate::names::{HostName, OpId, VmName};
    use crate::runbook::Limits;
    use crate::runbook::model::{Mode, SiteRole};

    const TEXT: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

    #[test]
    fn a_rollback_that_was_only_begun_ends_no_watch() {
        let mut state = RunState::default();
        let mut add = |event| {
            state.tell("rollback/take-down/sql01/stop", event);
            ending(&state)
        };
        let info = RunInfo::default();
        assert_eq!(add(RunEvent::RunStarted(Box::new(info))), None);
        let opened = RunEvent::ChapterOpened {
            chapter: Chapter::Rollback,
            by: "alice".to_owned(),
            plan: String::new(),
            keeping: None,
            despite: None,
        };
        assert_eq!(add(opened), None);
        let left = RunEvent::WriteIntended {
            op: OpId(1),
            host: "lee-esx1".into(),
            command: "vim-cmd vmsvc/power.off 7".to_owned(),
            bulk: false,
        };
        assert_eq!(add(left), Some(Ending::TakenBack));
    }

    #[tokio::test]
    async fn a_console_whose_clock_is_ahead_does_not_hold_up_the_watch() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let mut other = Journal::create(dir, "alice", "noc-1").unwrap();
        let mut seq = 0;
        let mut says = |event, at| {
            seq += 1;
            other.append(&Entry::told(seq, at, None, event)).unwrap();
        };
        let now = Clock::system().now();
        let (vm, host): (VmName, HostName) = ("sql01".into(), "lee-esx1".into());
        let on = Fact::PoweredOn {
            vm: vm.clone(),
            host: host.clone(),
        };
        let info = RunInfo {
            format: 1,
            ..RunInfo::default()
        };
        says(RunEvent::RunStarted(Box::new(info)), now);
        says(RunEvent::FactFound(on), now);
        let result = RunResult::default();
        says(RunEvent::RunFinished { result }, now);
        let runbook = crate::runbook::load("bundled", TEXT, &Limits::default());
        let hosts = Hosts::new(
            Vec::new(),
            Policy::for_mode(Mode::Drill),
            Redactor::default(),
        );
        let mut watch = Watch::begin(
            dir.to_owned(),
            Arc::new(runbook.unwrap().runbook),
            hosts,
            "bob".to_owned(),
            "noc-2".to_owned(),
        )
        .unwrap();
        let split = Fact::SplitBrain {
            vm,
            started: host,
            also: "lon-esx1".into(),
        };
        let ahead = now + Duration::from_secs(3_600);
        says(RunEvent::FactFound(split), ahead);
        drop(other);

        watch.read_on().unwrap();
        let sighting = Sighting {
            host: "lon-esx1".into(),
            role: SiteRole::Protected,
            asked: watch.clock.now() + Duration::from_millis(1),
            running: Ok(Vec::new()),
            listed: Vec::new(),
        };
        watch.lookout.take(&watch.state, &sighting);
        assert_eq!(watch.keep().unwrap(), [News::Kept]);
        assert!(watch.state.splits().is_empty());
        let lines = read(&dir.join(FILE_NAME)).unwrap().entries;
        assert_eq!(lines.last().unwrap().at, ahead, "no time goes back");

        // Taken home by a failback, which is taken back later.
        let home = [TakenBy {
            by: "r2".into(),
            vms: vec!["sql01".into()],
        }];
        for (home, both) in [(&home[..], 0), (&[], 1)] {
            assert!(watch.leave_out(home));
            assert!(!watch.leave_out(home), "known");
            let asked = watch.clock.now() + Duration::from_secs(7_200);
            let running = Ok(vec!["sql01".into()]);
            for (host, role) in [
                ("lee-esx1", SiteRole::Recovery),
                ("lon-esx1", SiteRole::Protected),
            ] {
                let sighting = Sighting {
                    host: host.into(),
                    role,
                    asked,
                    running: running.clone(),
                    listed: Vec::new(),
                };
                watch.lookout.take(&watch.state, &sighting);
            }
            assert_eq!(watch.lookout.wrong().len(), both);
        }
    }
}
