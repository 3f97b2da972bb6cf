//! Starting a run and taking one up.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::actions::Ctx;
use crate::clock::Clock;
use crate::engine::{Engine, Input, RunInfo, RunState, Settings};
use crate::error::Fault;
use crate::host::Hosts;
use crate::journal::Journal;
use crate::names::RunId;
use crate::plan::Plan;
use crate::runbook::model::{Mode, Runbook};

use super::carry::Carrier;
use super::handle::RunHandle;
use super::spool::Spool;

/// What a run needs beside its journal.
pub struct Launch {
    /// Its id.
    pub run: RunId,
    /// Its folder, which exists and holds the frozen runbook.
    pub dir: PathBuf,
    /// How it is done.
    pub mode: Mode,
    /// The runbook, in practice with every address mapped to loopback.
    pub runbook: Arc<Runbook>,
    /// Its steps.
    pub plan: Arc<Plan>,
    /// Sessions to its hosts.
    pub hosts: Hosts,
    /// How the engine works.
    pub settings: Settings,
    /// The state of the run that a failback takes back.
    pub parent: Option<Arc<RunState>>,
    /// The clock that the journal goes by.
    pub clock: Clock,
}

/// Starts a new run: its first line is on disk when this returns.
///
/// # Errors
/// If the journal cannot be made.
pub fn start(launch: Launch, info: RunInfo) -> Result<RunHandle, Fault> {
    let journal = Journal::create(&launch.dir, &info.operator, &info.console)
        .map_err(|error| error.fault())?;
    begin(
        launch,
        journal,
        RunState::default(),
        Vec::new(),
        Input::Start(Box::new(info)),
    )
}

/// Takes a run up where its journal ends.
///
/// # Errors
/// If the journal is held by another console, of a newer format, or does not verify; if the plan
/// is no longer the one that the run was started with.
pub fn resume(mut launch: Launch, operator: String, console: String) -> Result<RunHandle, Fault> {
    let (journal, past) =
        Journal::reopen(&launch.dir, &operator, &console).map_err(|error| error.fault())?;
    let state = RunState::fold(past.iter().map(AsRef::as_ref));
    let planned = state
        .info
        .as_ref()
        .map(|info| info.plan.clone())
        .unwrap_or_default();
    if planned != launch.plan.fingerprint {
        return Err(Fault::new(
            "the plan is not the one that this run was started with",
            launch.dir.display().to_string(),
            "nothing was sent; the run is as it was",
            "resume it with the version of Lifeboat that started it, and the runbook.yaml in its folder unchanged",
        ));
    }
    let mut clock_back_s = None;
    if let Some(last) = state.last_at {
        // From here on times move again, whatever the wall clock says: durations stay right.
        let (clock, behind) = launch.clock.not_before(last);
        launch.clock = clock;
        clock_back_s = behind
            .map(|behind| behind.as_secs())
            .filter(|seconds| *seconds > 0);
    }
    let input = Input::Resume {
        operator,
        console,
        clock_back_s,
    };
    begin(launch, journal, state, past, input)
}

fn begin(
    launch: Launch,
    journal: Journal,
    state: RunState,
    past: Vec<Arc<crate::engine::Entry>>,
    first: Input,
) -> Result<RunHandle, Fault> {
    let (inputs, decisions) = mpsc::unbounded_channel();
    let (updates_out, updates) = mpsc::unbounded_channel();
    for (host, fingerprint) in &state.trusted {
        launch.hosts.trust_for_run(host, fingerprint);
    }
    let engine = Engine::new(Arc::clone(&launch.plan), state, launch.settings.clone());
    let spool = Spool::open(&launch.dir.join("output"));
    let handle = RunHandle {
        run: launch.run.clone(),
        plan: Arc::clone(&launch.plan),
        runbook: Arc::clone(&launch.runbook),
        past,
        inputs,
        updates,
    };
    let mut carrier = Carrier::new(launch, engine, journal, spool, updates_out);
    carrier.take(first).map_err(|stop| stop.fault())?;
    tokio::spawn(carrier.run(decisions));
    Ok(handle)
}

impl Launch {
    /// What an action of this run works with.
    pub(super) fn context(
        &self,
        step: Arc<crate::plan::Step>,
        attempt: crate::names::Attempt,
        state: Arc<RunState>,
        link: crate::actions::Link,
    ) -> Ctx {
        let confirmation = state
            .steps
            .get(&step.id)
            .and_then(|step| step.confirmation.as_deref().cloned());
        Ctx {
            run: self.run.clone(),
            mode: self.mode,
            runbook: Arc::clone(&self.runbook),
            step,
            attempt,
            state,
            parent: self.parent.clone(),
            confirmation,
            run_dir: self.dir.clone(),
            hosts: self.hosts.clone(),
            clock: self.clock.clone(),
            link,
        }
    }
}
