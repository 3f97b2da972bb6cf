//! Starting a run and taking one up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::actions::{Begun, Ctx};
use crate::clock::Clock;
use crate::engine::{Chapter, Engine, Fact, Input, RunEvent, RunInfo, RunState, Settings, TakenBy};
use crate::error::Fault;
use crate::host::Hosts;
use crate::journal::Journal;
use crate::names::{RunId, VariableName};
use crate::plan::Plan;
use crate::runbook::model::{Mode, Runbook};
use crate::settings;

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
    /// Restores that begin.
    pub begun: Begun,
}

/// How a run is taken up again.
#[derive(Clone, Debug, Default)]
pub struct Resumption {
    /// By whom.
    pub operator: String,
    /// On which machine.
    pub console: String,
    /// They take the run over from somebody who offers it.
    pub takes_over: bool,
    /// With a corrected runbook, from which the launch's plan was made.
    pub corrected: Option<Corrected>,
    /// To end it, with the launch's plan made for that.
    pub opens: Option<Opens>,
    /// The failbacks that took VMs of it home, or began to, where it is ended after that.
    pub home: Vec<TakenBy>,
}

/// A chapter that is opened with the run as it was looked at.
#[derive(Clone, Debug)]
pub struct Opens {
    /// Which.
    pub chapter: Chapter,
    /// Why it keeps a drill's disks; none: it does not.
    pub keeping: Option<String>,
    /// Which run may yet need what it removes, and why it does not wait.
    pub despite: Option<String>,
    /// Number of the event up to which the run was looked at.
    pub judged_at: u64,
}

/// A corrected runbook that was compared with the run.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// Why it was corrected.
    pub reason: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its name in the run's folder.
    pub file: String,
    /// Values of variables that it brought.
    pub variables: BTreeMap<VariableName, String>,
    /// Number of the event up to which the run was looked at.
    pub judged_at: u64,
}

/// Starts a new run: its first line is on disk when this returns.
///
/// # Errors
/// If the journal cannot be made; if it is a drill that nothing keeps apart.
pub fn start(launch: Launch, info: RunInfo) -> Result<RunHandle, Fault> {
    launch.kept_apart()?;
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
/// is not the one that the run goes by; if the run went on since a corrected runbook was compared
/// with it, or its end was planned; if nobody offers what is to be taken over; if it is a drill that
/// nothing keeps apart.
pub fn resume(mut launch: Launch, up: Resumption) -> Result<RunHandle, Fault> {
    launch.kept_apart()?;
    let (journal, past) =
        Journal::reopen(&launch.dir, &up.operator, &up.console).map_err(|error| error.fault())?;
    let state = RunState::fold(past.iter().map(AsRef::as_ref));
    let with = news(&launch, &state, &up)?;
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
        operator: up.operator,
        console: up.console,
        clock_back_s,
        with,
    };
    begin(launch, journal, state, past, input)
}

/// What the run is taken up with, checked against the journal as it is now that nobody else writes it.
fn news(launch: &Launch, state: &RunState, up: &Resumption) -> Result<Vec<RunEvent>, Fault> {
    let refused = |what: String, next: &str| {
        let place = launch.dir.display().to_string();
        let now = "nothing was sent; the run is as it was";
        Err(Fault::new(what, place, now, next))
    };
    let mut news = Vec::new();
    let home = up.home.iter().cloned();
    news.extend(home.map(|taken| RunEvent::FactFound(Fact::TakenHome(taken))));
    if up.takes_over {
        if let Some(why) = state.people.why_not_taken_by(&up.operator) {
            let next = "resume it without taking it over, or under the right name (--operator)";
            return refused(format!("the run cannot be taken over: {why}"), next);
        }
        news.push(RunEvent::HandoverTaken {
            from: state.people.operator.clone(),
            by: up.operator.clone(),
        });
    }
    if let Some(opens) = &up.opens {
        if opens.judged_at != state.last_seq {
            return refused(
                "the run went on while its end was being planned".to_owned(),
                "start the command again",
            );
        }
        news.push(RunEvent::ChapterOpened {
            chapter: opens.chapter,
            by: up.operator.clone(),
            plan: launch.plan.fingerprint.clone(),
            keeping: opens.keeping.clone(),
            despite: opens.despite.clone(),
        });
        return Ok(news);
    }
    let Some(corrected) = &up.corrected else {
        let planned = state.runbook_in_force().map(|runbook| runbook.plan);
        if planned != Some(&launch.plan.fingerprint) {
            return refused(
                "the plan is not the one that this run goes by".to_owned(),
                "resume it with the version of Lifeboat that started it, and the runbook in its folder unchanged",
            );
        }
        return Ok(news);
    };
    if corrected.judged_at != state.last_seq {
        return refused(
            "the run went on while the corrected runbook was looked at".to_owned(),
            "look at the difference again",
        );
    }
    news.push(RunEvent::RunbookCorrected {
        by: up.operator.clone(),
        reason: corrected.reason.clone(),
        sha256: corrected.sha256.clone(),
        plan: launch.plan.fingerprint.clone(),
        file: corrected.file.clone(),
        variables: corrected.variables.clone(),
    });
    Ok(news)
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
        dir: launch.dir.clone(),
        elsewhere: settings::elsewhere(&launch.dir),
        plan: Arc::clone(&launch.plan),
        runbook: Arc::clone(&launch.runbook),
        past,
        hosts: Some(launch.hosts.clone()),
        inputs,
        updates,
    };
    let mut carrier = Carrier::new(launch, engine, journal, spool, updates_out);
    carrier.take(first).map_err(|stop| stop.fault())?;
    tokio::spawn(carrier.run(decisions));
    Ok(handle)
}

impl Launch {
    /// Refuses a drill whose runbook was not given places of its own: it would come up in production.
    fn kept_apart(&self) -> Result<(), Fault> {
        if self.mode != Mode::Drill || self.runbook.isolation.is_some() {
            return Ok(());
        }
        Err(Fault::new(
            "the drill has no isolation: its VMs would come up among those of production",
            format!("runbook {}", self.runbook.name),
            "nothing was sent",
            "keep the run's folder for whoever maintains Lifeboat, and do not drill with this version",
        ))
    }

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
            begun: self.begun.clone(),
            link,
            beside: None,
            patient: false,
            memo: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Policy, Redactor};
    use crate::plan::{self, PlanInputs};
    use crate::runbook::model::Section;
    use crate::runbook::{self, Limits, isolated};

    const TEXT: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

    fn launch(runbook: Runbook, dir: PathBuf) -> Launch {
        let inputs = PlanInputs {
            variables: BTreeMap::from([("ticket".into(), "INC000001".to_owned())]),
            ..PlanInputs::default()
        };
        let plan = plan::make(&runbook, Section::Failover, Mode::Drill, &inputs).unwrap();
        Launch {
            run: RunId::from("20260102-030405-k7qd"),
            dir,
            mode: Mode::Drill,
            runbook: Arc::new(runbook),
            plan: Arc::new(plan),
            hosts: Hosts::new(Vec::new(), Policy::for_mode(Mode::Drill), Redactor::new()),
            settings: Settings::default(),
            parent: None,
            clock: Clock::system(),
            begun: Begun::default(),
        }
    }

    #[tokio::test]
    async fn a_drill_that_nothing_keeps_apart_is_neither_started_nor_taken_up() {
        let written = runbook::load("r.yaml", TEXT, &Limits::default())
            .unwrap()
            .runbook;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let bare = || launch(written.clone(), path.clone());
        let refused = start(bare(), RunInfo::default()).err().unwrap();
        assert!(refused.what.contains("no isolation"), "{refused}");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);

        let run = RunId::from("20260102-030405-k7qd");
        let apart = launch(isolated(&written, &run), path.clone());
        drop(start(apart, RunInfo::default()).unwrap());
        let refused = resume(bare(), Resumption::default()).err().unwrap();
        assert!(refused.what.contains("no isolation"), "{refused}");
    }
}
