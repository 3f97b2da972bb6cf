//! Everything the run screen knows: the run as folded from its events, what is live, and where the
//! person is on the screen. No terminal, no clock, no channel.

mod decision;
pub(super) mod dialog;
mod drill;
mod facts;
pub(super) mod log;
mod menus;
pub(super) mod outline;
pub(super) mod people;
mod ui;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::Progress;
use crate::engine::{Entry, OperatorInput, RunEvent, RunState, Status, StepState, is_walked};
use crate::error::Fault;
use crate::names::{Attempt, HostName, RunId, StepId};
use crate::plan::{ActionSpec, Plan, Step};
use crate::runbook::model::{OnFailure, Runbook};
use crate::runner::{Live, RunHandle, Update};
use crate::telemetry::HostFigures;

use super::page::Now;
use super::text;

pub(super) use decision::{Enter, armed_after};
pub(super) use ui::Page;

use dialog::{About, Dialog, Kind, Purpose};
use log::Log;
use outline::Outline;
use ui::{Card, Ui};

/// How long a remark of the screen itself stays.
const TOAST: Duration = Duration::from_secs(4);
/// Between two figures of a countdown.
const COUNTDOWN: Duration = Duration::from_millis(100);
/// A person who pressed a key this recently is not rung for.
const ATTENTION: Duration = Duration::from_secs(10);
/// A proposal that stands this long was not let go on by the pace.
const SETTLED: Duration = Duration::from_millis(300);

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
    pub host_keys: VecDeque<UnknownKey>,
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

/// A host key that is unknown or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnknownKey {
    /// Whose.
    pub host: HostName,
    /// What the host showed.
    pub shown: String,
    /// What was known.
    pub known: Vec<String>,
    /// The person has closed the dialog; it does not open itself again.
    pub dismissed: bool,
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
        match self.status(index) {
            Status::Asking | Status::Held | Status::Undone => true,
            Status::Failed => step.on_failure != OnFailure::Continue,
            status => status.is_active() && self.asks(index),
        }
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

    /// Takes in what happened in the run.
    pub(super) fn take(&mut self, update: Update) {
        match update {
            Update::Entry(entry) => {
                self.stuck = false;
                self.take_entry(&entry);
                if let RunEvent::FactFound(fact) = &entry.event
                    && let Some(words) = fact.alarm()
                {
                    self.banner(words);
                    self.ui.alarm = true;
                }
                match &entry.event {
                    RunEvent::HandoverTaken { by, .. } if !self.watching => {
                        self.operator.clone_from(by);
                    }
                    RunEvent::ShellOpened { host, .. } if !self.watching => {
                        self.ui.shell = Some(host.clone());
                    }
                    _ => {}
                }
            }
            Update::Live(live) => self.take_live(live),
            Update::Stuck { .. } => self.stuck = true,
            Update::Ended { head, fault } => self.end = Some(End { head, fault }),
        }
    }

    fn take_entry(&mut self, entry: &Arc<Entry>) {
        self.state.apply(entry);
        self.log.event(entry);
        // What becomes of a write moves the step that sent it.
        let sender = match &entry.event {
            RunEvent::WriteLost { op, .. } | RunEvent::LostStopped { op, .. } => {
                self.state.ops.get(op).map(|op| &op.step)
            }
            _ => None,
        };
        let step = sender.or(entry.step.as_ref());
        if let Some(index) = step.and_then(|id| self.outline.index.get(id)) {
            self.statuses[*index] = self.state.status(&self.plan.steps[*index].id);
            if !self.statuses[*index].is_active() {
                self.progress.remove(index);
            }
        }
        if let RunEvent::HostTrusted { host, .. } = &entry.event {
            self.host_keys.retain(|key| key.host != *host);
        }
    }

    fn take_live(&mut self, live: Live) {
        let at = self.now.wall;
        match live {
            Live::Output {
                host,
                line,
                replaces,
            } => self.log.output(at, host, &line, replaces),
            // Writes are in the journal, so they come as events.
            Live::Sent { write: true, .. } | Live::CommandEnded { .. } => {}
            Live::Sent {
                host,
                command,
                write: false,
            } => self.log.sent(at, host, &command),
            Live::Progress { step, progress } => self.take_progress(&step, progress),
            Live::Host(figures) => {
                self.hosts.insert(figures.host.clone(), *figures);
            }
            Live::HostKey { host, shown, known } => {
                let trusted = self.state.trusted.contains(&(host.clone(), shown.clone()));
                let listed = self
                    .host_keys
                    .iter()
                    .any(|key| key.host == host && key.shown == shown);
                if !trusted && !listed {
                    self.host_keys.retain(|key| key.host != host);
                    self.host_keys.push_back(UnknownKey {
                        host,
                        shown,
                        known,
                        dismissed: false,
                    });
                }
            }
            Live::Banner(words) => self.banner(words),
        }
    }

    fn take_progress(&mut self, step: &StepId, progress: Progress) {
        if let Some(index) = self.outline.index.get(step).copied()
            && self.status(index).is_active()
        {
            self.progress.insert(index, progress);
        }
    }

    /// Says something until Esc is pressed.
    pub(super) fn banner(&mut self, words: String) {
        const KEPT: usize = 8;
        let words = text::clean(&words).into_owned();
        if self.ui.banners.back() != Some(&words) {
            self.ui.banners.push_back(words);
        }
        if self.ui.banners.len() > KEPT {
            self.ui.banners.pop_front();
        }
    }

    /// Brings what follows from the run up to date, after anything happened.
    pub(super) fn refresh(&mut self) {
        self.choose_current();
        if self.ui.follow {
            self.ui.shown = self.ui.current;
        }
        let key = (
            self.ui.shown,
            self.attempt(self.ui.shown),
            self.status(self.ui.shown),
        );
        if self.ui.card.key != key {
            self.ui.card = Card {
                key,
                ..Card::default()
            };
        }
        if self
            .ui
            .toast
            .as_ref()
            .is_some_and(|(_, until)| *until <= self.now.mono)
        {
            self.ui.toast = None;
        }
        if self.is_over() && !self.ui.debriefed && self.ui.page == Page::Main {
            self.ui.debriefed = true;
            self.ui.page = Page::Debrief;
            self.ui.offset = Some(0);
        }
        if !self.is_over() && self.ui.debriefed {
            // A run that was over was taken up again.
            self.ui.debriefed = false;
            self.ui.page = Page::Main;
        }
        self.forget_settled_questions();
        self.close_stale_dialog();
        self.open_urgent_dialog();
        let needed = self.waiting_for_person().next().is_some() || !self.host_keys.is_empty();
        if !needed {
            self.ui.needed = None;
            self.ui.rung = false;
        } else if self.ui.needed.is_none() {
            self.ui.needed = Some(self.now.mono);
        }
    }

    /// A question that comes again, with the same id of the host's, opens its dialog again.
    fn forget_settled_questions(&mut self) {
        let mut dismissed = std::mem::take(&mut self.ui.dismissed);
        dismissed.retain(|(step, id)| {
            let question = self.known(*step).and_then(|known| known.question.as_ref());
            question.is_some_and(|asked| asked.id == *id)
        });
        self.ui.dismissed = dismissed;
    }

    /// The first step that waits for a person; one that is on screen stays there until settled,
    /// so that it is not exchanged under somebody's eyes, except for a VM that runs at both sites.
    /// Else the first that is under way.
    fn choose_current(&mut self) {
        if let Some(fence) = self.fence_of_a_split() {
            self.ui.put_first.insert((fence, self.attempt(fence)));
            self.ui.current = fence;
        }
        if self.needs_person(self.ui.current) {
            return;
        }
        let active = || self.statuses.iter().position(|status| status.is_active());
        let waiting = || {
            let mut walked = self.walked().iter();
            let first = walked.position(|status| *status == Status::Waiting)?;
            Some(self.plan.frozen + first)
        };
        let last = self.statuses.len().saturating_sub(1);
        let next = self
            .waiting_for_person()
            .next()
            .or_else(active)
            .or_else(waiting);
        self.ui.current = next.unwrap_or(last);
    }

    /// The fence of a VM that runs at both sites, once as it begins to wait for a person.
    fn fence_of_a_split(&self) -> Option<usize> {
        // Somebody is about to answer something else.
        if self.ui.dialog.is_some() {
            return None;
        }
        let splits = self.state.splits();
        let is_split = |index: &usize| match &self.plan.steps[*index].action {
            ActionSpec::Fence { vm } => splits.iter().any(|split| split.vm == *vm),
            _ => false,
        };
        let is_new = |index: &usize| !self.ui.put_first.contains(&(*index, self.attempt(*index)));
        let mut waiting = self.waiting_for_person().filter(|_| !splits.is_empty());
        waiting.find(|index| is_split(index) && is_new(index))
    }

    fn close_stale_dialog(&mut self) {
        let Some(dialog) = &self.ui.dialog else {
            return;
        };
        let is_asked = |step: usize, attempt: Attempt| {
            self.status(step) == Status::Asking && self.attempt(step) == attempt
        };
        let stale = match &dialog.kind {
            Kind::Flow(flow) => !is_asked(flow.step, flow.attempt),
            Kind::Menu(menu) => match &menu.about {
                About::Trouble(step, attempt) => {
                    !self.is_in_trouble(*step) || self.attempt(*step) != *attempt
                }
                About::Question(step, attempt, id) => {
                    let question = self.known(*step).and_then(|known| known.question.as_ref());
                    self.attempt(*step) != *attempt || question.is_none_or(|asked| asked.id != *id)
                }
                About::Anything => false,
            },
            Kind::HostKey(dialog) => !self.host_keys.iter().any(|key| key.host == dialog.host),
            Kind::TakeOver(_) => self.state.people.offer.is_none(),
            Kind::Text(text) => match text.purpose {
                Purpose::Decline(step, attempt) => !is_asked(step, attempt),
                _ => false,
            },
        };
        if stale || self.is_over() && !matches!(dialog.kind, Kind::Text(_)) {
            self.ui.dialog = None;
            self.say("that is settled by now");
        }
    }

    /// Opens what cannot wait, unless the person is in another dialog or has closed it before.
    fn open_urgent_dialog(&mut self) {
        if self.ui.dialog.is_some() || self.is_over() || self.leaving.is_some() {
            return;
        }
        if let Some(key) = self.host_keys.iter().find(|key| !key.dismissed) {
            let kind = Kind::HostKey(dialog::HostKey {
                host: key.host.clone(),
                field: dialog::Field::default(),
            });
            self.ui.dialog = Some(Dialog::new(kind));
            return;
        }
        let asked = (0..self.plan.steps.len())
            .filter(|step| self.status(*step).is_active())
            .find(|index| {
                let question = self.known(*index).and_then(|known| known.question.as_ref());
                question
                    .is_some_and(|asked| !self.ui.dismissed.contains(&(*index, asked.id.clone())))
            });
        if let Some(step) = asked.filter(|_| !self.watching) {
            self.ui.dialog = self.question_menu(step);
        }
    }

    /// Whether the bell is due: somebody is needed, and not looking.
    pub(super) fn takes_bell(&mut self) -> bool {
        let due = self.bell_at().is_some_and(|at| at <= self.now.mono);
        self.ui.rung |= due;
        due | self.update_rings() | std::mem::take(&mut self.ui.alarm)
    }

    fn bell_at(&self) -> Option<Duration> {
        let needed = self.ui.needed.filter(|_| !self.ui.rung && !self.watching)?;
        Some((needed + SETTLED).max(self.ui.last_key + ATTENTION))
    }

    /// When something on screen changes although nothing happens.
    pub(super) fn wake(&self) -> Option<Duration> {
        let toast = self.ui.toast.as_ref().map(|(_, until)| *until);
        // While a card is being armed its countdown moves.
        let armed = self
            .arms_in()
            .filter(|_| self.ui.card.since.is_some())
            .map(|left| self.now.mono + left.min(COUNTDOWN));
        let dialog = self.ui.dialog.as_ref().and_then(|dialog| dialog.since);
        let times = [
            toast,
            armed,
            dialog.map(|since| since + armed_after(true)),
            self.bell_at(),
        ];
        times
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now.mono)
            .min()
    }

    /// A line for the window's title.
    pub(super) fn title(&self) -> String {
        let (over, all) = self.counts();
        let mode = self.state.heading(Some(self.plan.mode));
        let state = match self.waiting_for_person().next() {
            _ if self.state.finished.is_some() => "finished".to_owned(),
            _ if !self.host_keys.is_empty() => "needs you: a host key".to_owned(),
            _ if self.watching => "watching".to_owned(),
            Some(step) => format!("needs you: {}", self.plan.steps[step].title),
            None if self.state.paused => "paused".to_owned(),
            None => "running".to_owned(),
        };
        format!("{mode} {over}/{all} - {state}")
    }

    /// Asks the run to end; the journal says why.
    pub(super) fn detach(&mut self, why: String) -> OperatorInput {
        self.leaving.get_or_insert(self.now.mono);
        OperatorInput::Detach { why }
    }
}
