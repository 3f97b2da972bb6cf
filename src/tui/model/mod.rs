//! Everything the run screen knows: the run as folded from its events, what is live, and where the
//! person is on the screen. No terminal, no clock, no channel.

mod attention;
mod decision;
pub(super) mod dialog;
mod drill;
pub(super) mod host_keys;
pub(super) mod log;
mod menus;
mod news;
pub(super) mod outline;
pub(super) mod people;
mod ui;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::Progress;
use crate::engine::{OperatorInput, RunState, Status, StepState, is_walked, needs_person};
use crate::error::Fault;
use crate::names::{Attempt, HostName, RunId};
use crate::plan::{Plan, Step};
use crate::runbook::model::Runbook;
use crate::runner::RunHandle;
use crate::telemetry::HostFigures;

use super::page::Now;

pub(super) use decision::{Enter, armed_after};
pub(super) use ui::Page;

use log::Log;
use outline::Outline;
use ui::Ui;

/// How long a remark of the screen itself stays.
const TOAST: Duration = Duration::from_secs(4);

/// The run screen's whole state.
#[derive(Debug)]
pub(super) struct Run {
    /// The run's id.
    pub run: RunId,
    /// Its folder.
    pub dir: PathBuf,
    /// What commands need behind its id, to be typed elsewhere.
    pub elsewhere: String,
    /// Its steps.
    pub plan: Arc<Plan>,
    /// The frozen runbook.
    pub runbook: Arc<Runbook>,
    /// Who is at the keys.
    pub operator: String,
    /// Another console drives the run, or it is over: nothing can be decided here.
    pub watching: bool,
    /// The plan as a tree.
    pub outline: Outline,
    /// The fold.
    pub state: RunState,
    /// Status by index of the plan.
    pub statuses: Vec<Status>,
    /// The time.
    pub now: Now,
    /// How far steps are, by index of the plan.
    pub progress: BTreeMap<usize, Progress>,
    /// Figures of the host panes.
    pub hosts: BTreeMap<HostName, HostFigures>,
    /// Host keys that wait for a person.
    pub host_keys: VecDeque<host_keys::UnknownKey>,
    /// What happened.
    pub log: Log,
    /// Steps that wait for a decision while nothing else can go on.
    pub stuck: bool,
    /// The runner has stopped.
    pub end: Option<End>,
    /// Since when it has been asked to leave.
    pub leaving: Option<Duration>,
    /// Where the person is.
    pub ui: Ui,
}

/// How the runner stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// The journal's head hash; empty where the runner vanished.
    pub head: String,
    /// Why, where that was not on purpose.
    pub fault: Option<Fault>,
}

impl Run {
    pub(super) fn new(handle: &RunHandle, operator: &str, now: Now) -> Self {
        let plan = Arc::clone(&handle.plan);
        let mut run = Self {
            run: handle.run.clone(),
            dir: handle.dir.clone(),
            elsewhere: handle.elsewhere.clone(),
            outline: Outline::new(&plan),
            statuses: vec![Status::Waiting; plan.steps.len()],
            plan,
            runbook: Arc::clone(&handle.runbook),
            operator: operator.to_owned(),
            watching: false,
            state: RunState::default(),
            now,
            progress: BTreeMap::new(),
            hosts: BTreeMap::new(),
            host_keys: VecDeque::new(),
            log: Log::default(),
            stuck: false,
            end: None,
            leaving: None,
            ui: Ui::new(now.mono),
        };
        for entry in &handle.past {
            run.take_entry(entry);
        }
        run.refresh();
        run
    }

    /// The step that is shown; `None` only in a plan without steps.
    pub(super) fn shown(&self) -> Option<&Step> {
        self.plan.steps.get(self.ui.shown)
    }

    /// What is known of a step that has begun.
    pub(super) fn known(&self, index: usize) -> Option<&StepState> {
        self.state.steps.get(&self.plan.steps.get(index)?.id)
    }

    /// Where a step stands.
    pub(super) fn status(&self, index: usize) -> Status {
        self.statuses.get(index).copied().unwrap_or_default()
    }

    pub(super) fn attempt(&self, index: usize) -> Attempt {
        self.known(index)
            .map(|step| step.attempt)
            .unwrap_or_default()
    }

    /// Nothing more will happen in this run.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some() || self.state.finished.is_some()
    }

    /// Whether a step waits for a person.
    pub(super) fn needs_person(&self, index: usize) -> bool {
        if self.is_over() {
            return false;
        }
        let Some(step) = self.plan.steps.get(index) else {
            return false;
        };
        // What is being ended is looked back on, unless a command of it may still take effect.
        if !is_walked(&self.plan, &self.state, &step.id) {
            return false;
        }
        needs_person(&self.plan, &self.state, step)
            || self.status(index).is_active() && self.asks(index)
    }

    /// Whether a step's VM waits for an answer.
    pub(super) fn asks(&self, index: usize) -> bool {
        self.known(index)
            .is_some_and(|known| known.question.is_some())
    }

    /// Steps that wait for a person, in the plan's order.
    pub(super) fn waiting_for_person(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.plan.steps.len()).filter(|index| self.needs_person(*index))
    }

    /// The steps that are walked, and not only looked back on.
    fn walked(&self) -> &[Status] {
        self.statuses.get(self.plan.frozen..).unwrap_or_default()
    }

    /// Steps that need nothing more, and all. One that was taken back is open again.
    pub(super) fn counts(&self) -> (usize, usize) {
        (
            self.walked()
                .iter()
                .filter(|status| status.is_met())
                .count(),
            self.walked().len(),
        )
    }

    /// The hosts in the order in which panes show them: the site that VMs come up at first. Those that
    /// a drill leaves alone have none.
    pub(super) fn host_order(&self) -> Vec<&HostName> {
        let target = self.runbook.site_with(self.plan.section.target());
        let (here, there): (Vec<_>, Vec<_>) = self
            .runbook
            .hosts
            .iter()
            .filter(|(name, _)| !self.runbook.is_left_alone(name))
            .partition(|(_, host)| host.site == target);
        here.into_iter()
            .chain(there)
            .map(|(name, _)| name)
            .collect()
    }

    /// Says something for a few seconds.
    pub(super) fn say(&mut self, words: impl Into<String>) {
        self.ui.toast = Some((words.into(), self.now.mono + TOAST));
    }

    /// Asks the run to end; the journal says why.
    pub(super) fn detach(&mut self, why: String) -> OperatorInput {
        self.leaving.get_or_insert(self.now.mono);
        OperatorInput::Detach { why }
    }
}
