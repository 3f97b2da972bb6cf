//! A run that lies in the state folder, read back with its frozen runbook and its plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{RunEvent, RunInfo, RunState, TakenBy, closing_plan};
use crate::error::Fault;
use crate::journal::{self, JournalError, ReadJournal, RunFolder};
use crate::names::VariableName;
use crate::plan::{self, Plan, PlanError, PlanInputs};
use crate::report;
use crate::runbook::Loaded;
use crate::runbook::model::{Mode, Runbook, Section};
use crate::settings::elsewhere;

use super::drill::as_walked;
use super::exit::{Exit, Failure};
use super::load::load_runbook;

/// A run as it lies there.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) folder: RunFolder,
    pub(super) journal: ReadJournal,
    pub(super) info: Box<RunInfo>,
    pub(super) loaded: Loaded,
    pub(super) plan: Plan,
}

impl Past {
    /// Reads a run. A journal with a line that does not fit is read up to there.
    pub(super) fn read(folder: RunFolder) -> Result<Self, Failure> {
        let journal = journal::read(&folder.journal())?;
        Self::of(folder, journal)
    }

    /// A run whose journal was read.
    pub(super) fn of(folder: RunFolder, journal: ReadJournal) -> Result<Self, Failure> {
        let path = folder.journal();
        let Some(info) = first_line(&journal) else {
            return Err(match journal.problem {
                Some(problem) => JournalError::Broken { path, problem }.into(),
                None => JournalError::without_lines(path).into(),
            });
        };
        let state = RunState::fold(journal.entries.iter().map(Arc::as_ref));
        let (loaded, plan) = planned(&folder, &info, &state)?;
        let plan = with_chapters(plan, &loaded.runbook, &state, &journal);
        Ok(Self {
            folder,
            journal,
            info,
            loaded,
            plan,
        })
    }

    pub(super) fn state(&self) -> RunState {
        RunState::fold(self.journal.entries.iter().map(Arc::as_ref))
    }

    /// The same where failbacks have VMs of it: where those run is no longer for it to judge.
    pub(super) fn state_at(&self, home: &[TakenBy]) -> RunState {
        let mut state = self.state();
        for taken in home {
            state.take_home(taken);
        }
        state
    }

    /// The run for a report.
    pub(super) fn report(&self) -> report::Run<'_> {
        self.report_at(elsewhere(&self.folder.path))
    }

    /// The same with what its commands need behind its id.
    pub(super) fn report_at(&self, elsewhere: String) -> report::Run<'_> {
        report::Run::new(
            &self.journal.entries,
            &self.info,
            &self.plan,
            &self.loaded.runbook,
            &self.journal.head,
            elsewhere,
        )
    }

    /// Refuses a journal with a line that does not fit.
    pub(super) fn whole(self) -> Result<Self, Failure> {
        match self.journal.problem {
            Some(problem) => Err(JournalError::Broken {
                path: self.folder.journal(),
                problem,
            }
            .into()),
            None => Ok(self),
        }
    }
}

fn first_line(journal: &ReadJournal) -> Option<Box<RunInfo>> {
    match &journal.entries.first()?.event {
        RunEvent::RunStarted(info) => Some(info.clone()),
        _ => None,
    }
}

/// A run's runbook as it is walked, and the plan of its own part.
pub(super) fn planned(
    folder: &RunFolder,
    info: &RunInfo,
    state: &RunState,
) -> Result<(Loaded, Plan), Failure> {
    let mut loaded = runbook_in_force(folder, state)?;
    loaded.runbook = as_walked(loaded.runbook, info.mode, &folder.id);
    let plan = plan_of(&loaded.runbook, info, state.variables())?;
    Ok((loaded, plan))
}

/// The newest version of the run's runbook, as the journal knows it.
fn runbook_in_force(folder: &RunFolder, state: &RunState) -> Result<Loaded, Failure> {
    let known = state.runbook_in_force();
    let path = match known.and_then(|known| known.file) {
        Some(file) => folder.version(file),
        None => folder.runbook(),
    };
    let loaded = load_runbook(&path)?;
    if known.is_none_or(|known| known.sha256 == loaded.sha256) {
        return Ok(loaded);
    }
    Err(Failure::of(
        Exit::Refused,
        &Fault::new(
            "the run's frozen runbook was changed since the run took it up",
            path.display().to_string(),
            "nothing was sent to any host; the journal is as it was",
            "put the file back as it was (its SHA-256 is in the journal); to correct a runbook, edit a copy: `lifeboat resume RUN --runbook FILE`",
        ),
    ))
}

/// The run's plan with the chapters that were opened to end it, each made from the run as it was then.
fn with_chapters(plan: Plan, runbook: &Runbook, state: &RunState, journal: &ReadJournal) -> Plan {
    state.chapters.iter().fold(plan, |plan, opened| {
        let entries = journal.entries.iter().map(Arc::as_ref);
        let before = RunState::fold(entries.take_while(|entry| entry.seq < opened.seq));
        closing_plan(opened, runbook, plan, &before)
    })
}

/// The plan of a version of the run's runbook.
pub(super) fn plan_of(
    runbook: &Runbook,
    info: &RunInfo,
    variables: BTreeMap<VariableName, String>,
) -> Result<Plan, Failure> {
    let inputs = PlanInputs {
        variables,
        only: info.only.clone(),
    };
    make_plan(
        runbook,
        &info.sections,
        info.mode.unwrap_or(Mode::Failover),
        &inputs,
    )
}

/// The plan of one section, or of several walked as one run.
pub(super) fn make_plan(
    runbook: &Runbook,
    sections: &[Section],
    mode: Mode,
    inputs: &PlanInputs,
) -> Result<Plan, Failure> {
    let plans: Result<Vec<Plan>, PlanError> = sections
        .iter()
        .map(|section| plan::make(runbook, *section, mode, inputs))
        .collect();
    let joined = plans.map(|plans| plans.into_iter().reduce(plan::join));
    match joined {
        Ok(Some(plan)) => Ok(plan),
        Ok(None) => Err(no_plan(runbook, &"no section was chosen")),
        Err(error) => Err(no_plan(runbook, &error)),
    }
}

fn no_plan(runbook: &Runbook, why: &dyn std::fmt::Display) -> Failure {
    Failure::invalid(
        format!("there is no plan: {why}"),
        format!("runbook {}", runbook.name),
        "see what the runbook holds with `lifeboat validate` and `lifeboat plan`",
    )
}
