//! What can be done now: the highlighted default, and why anything else cannot be.

use std::time::Duration;

use crate::engine::{
    self, Confirmation, Consent, Prompt, Proposal, RetryScope, RunState, Status, can_decline,
};
use crate::names::StepId;
use crate::plan::{ActionSpec, Plan, Risk};
use crate::tui::keys::Action;
use crate::tui::page::Extent;
use crate::tui::text;

use super::dialog::{Field, Stage};
use super::{Page, Run};

/// What Enter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Enter {
    /// Leave a run that is over.
    Leave,
    /// Back to the steps.
    ShowSteps,
    /// Compare a host key, where nothing else waits.
    HostKey,
    /// Look at a VM's question.
    Question(usize),
    /// Show the rest of the card before it can be confirmed.
    ReadOn,
    /// Confirm; not before this long.
    Confirm(Option<Duration>),
    /// Ask for what the confirmation needs.
    Fill(Option<Duration>),
    /// Choose a way on after a failure.
    Trouble,
    /// Go to the step that waits.
    GoTo(usize),
    /// Start things again.
    Continue,
    /// Hand the run over.
    Handover,
    /// Go to the grid's VM.
    GridRow,
    /// Nothing waits for a person.
    Nothing,
}

/// How long a card must have been on screen before Enter counts. A second where somebody would
/// feel it; else just long enough that the same keystroke cannot meet two cards.
pub(in crate::tui) const fn armed_after(disruptive: bool) -> Duration {
    Duration::from_millis(if disruptive { 1000 } else { 250 })
}

impl Run {
    /// What the shown step proposes.
    pub(in crate::tui) fn proposal(&self) -> Option<&Proposal> {
        self.known(self.ui.shown)?.proposal.as_deref()
    }

    /// The risk of the shown step as things are; never lower than the plan's.
    pub(in crate::tui) fn risk(&self, index: usize) -> Risk {
        let planned = self
            .plan
            .steps
            .get(index)
            .map_or(Risk::Disruptive, |step| step.risk);
        let found = self
            .known(index)
            .and_then(|known| known.proposal.as_ref()?.risk);
        found.map_or(planned, |found| found.max(planned))
    }

    pub(super) fn arming(&self) -> Duration {
        armed_after(self.risk(self.ui.shown) >= Risk::Disruptive)
    }

    /// How long until Enter counts; `None` if it does.
    pub(in crate::tui) fn arms_in(&self) -> Option<Duration> {
        let Some(since) = self.ui.card.since else {
            return Some(self.arming());
        };
        let left = (since + self.arming()).saturating_sub(self.now.mono);
        (!left.is_zero()).then_some(left)
    }

    /// What Enter does now, without a dialog.
    pub(in crate::tui) fn enter(&self) -> Enter {
        self.enter_seeing(self.ui.seen.card)
    }

    /// What Enter does while this much of the card is on screen (`None`: it is not).
    pub(in crate::tui) fn enter_seeing(&self, card: Option<Extent>) -> Enter {
        match self.enter_at_work(card) {
            Enter::HostKey
            | Enter::Question(_)
            | Enter::Confirm(_)
            | Enter::Fill(_)
            | Enter::Trouble
            | Enter::Continue
            | Enter::Handover
                if self.watching =>
            {
                Enter::Nothing
            }
            enter => enter,
        }
    }

    fn enter_at_work(&self, card: Option<Extent>) -> Enter {
        if self.end.is_some() && matches!(self.ui.page, Page::Main | Page::Debrief) {
            return Enter::Leave;
        }
        match self.ui.page {
            Page::Main => {}
            Page::Grid => return Enter::GridRow,
            Page::Debrief => return Enter::Nothing,
            Page::Brief if self.is_over() => return Enter::ShowSteps,
            Page::Brief => return Enter::Handover,
            Page::Host(_) | Page::Log | Page::Help => return Enter::ShowSteps,
        }
        if self.is_over() {
            return Enter::Nothing;
        }
        let shown = self.ui.shown;
        if self
            .known(shown)
            .is_some_and(|known| known.question.is_some())
        {
            return Enter::Question(shown);
        }
        if !self.needs_person(shown) {
            return match self.waiting_for_person().next() {
                Some(_) => Enter::GoTo(self.ui.current),
                None if self.state.paused => Enter::Continue,
                None if !self.host_keys.is_empty() => Enter::HostKey,
                None if shown != self.ui.current => Enter::GoTo(self.ui.current),
                None => Enter::Nothing,
            };
        }
        let Some(card) = card else {
            return Enter::ShowSteps;
        };
        if self.status(shown) != Status::Asking {
            return Enter::Trouble;
        }
        if self.ui.card.read_to.max(self.ui.card.scroll + card.rows) < card.lines {
            return Enter::ReadOn;
        }
        if self.stages(shown).is_empty() {
            Enter::Confirm(self.arms_in())
        } else {
            Enter::Fill(self.arms_in())
        }
    }

    /// The word for what Enter does.
    pub(in crate::tui) fn enter_label(&self, act: &Enter) -> String {
        match act {
            Enter::Leave => "leave".to_owned(),
            Enter::ShowSteps => "back to the steps".to_owned(),
            Enter::HostKey => "compare the host key".to_owned(),
            Enter::Question(_) => "answer the question".to_owned(),
            Enter::ReadOn => "read on".to_owned(),
            Enter::Confirm(_) => self.confirm_label().to_owned(),
            Enter::Fill(_) => "answer".to_owned(),
            Enter::Trouble => "what now?".to_owned(),
            Enter::GoTo(step) => {
                let title = self
                    .plan
                    .steps
                    .get(*step)
                    .map_or("", |step| step.title.as_str());
                format!("go to {}", text::cut(&text::clean(title), 24))
            }
            Enter::Continue => "continue".to_owned(),
            Enter::Handover => "hand over".to_owned(),
            Enter::GridRow => "go to this VM".to_owned(),
            Enter::Nothing => String::new(),
        }
    }

    fn confirm_label(&self) -> &'static str {
        match self.shown().map(|step| &step.action) {
            Some(ActionSpec::Note { .. }) => "noted",
            Some(ActionSpec::Confirm { .. }) => "confirm",
            _ if self
                .proposal()
                .is_some_and(|p| p.commands.iter().any(|c| c.write)) =>
            {
                "send"
            }
            _ => "go on",
        }
    }

    /// Why an action cannot be taken now; `None` if it can.
    pub(in crate::tui) fn why_not(&self, action: Action) -> Option<String> {
        let on_steps = matches!(self.ui.page, Page::Main | Page::Debrief);
        match action {
            action if self.watching && action.decides() => self.why_not_beside_steps(action),
            Action::Skip
            | Action::ByHand
            | Action::Retry
            | Action::Undo
            | Action::Choose
            | Action::Decline
                if !on_steps =>
            {
                Some("that works beside the step: Esc goes back to it".to_owned())
            }
            action => self.why_not_beside_steps(action),
        }
    }

    /// Why an action could not be taken with the steps on screen.
    pub(in crate::tui) fn why_not_beside_steps(&self, action: Action) -> Option<String> {
        let over = || self.is_over().then(|| "the run is over".to_owned());
        if self.watching && action.decides() {
            return Some("watching, read only: the console that holds the run decides".to_owned());
        }
        match action {
            Action::Skip | Action::ByHand => {
                over().or_else(|| self.asked_of_shown(engine::can_settle))
            }
            Action::Choose => over().or_else(|| self.choosing(self.ui.shown).err()),
            Action::Decline => over().or_else(|| self.why_not_declined()),
            Action::Retry => over().or_else(|| self.why_not_retried()),
            Action::HostKey => over().or_else(|| {
                let none = self.host_keys.is_empty();
                none.then(|| "no host shows a key that is not accepted".to_owned())
            }),
            Action::Undo => over().or_else(|| self.asked_of_shown(engine::can_undo)),
            Action::Abort => self.why_not_aborted(),
            Action::Pace | Action::Pause | Action::Note | Action::Update => over(),
            Action::Next | Action::Previous if self.ui.page != Page::Log => {
                let any = self.waiting_for_person().next().is_some();
                (!any).then(|| "no step waits for you".to_owned())
            }
            Action::Search | Action::Filter if self.ui.page != Page::Log => {
                Some("that works in the log: l".to_owned())
            }
            _ => None,
        }
    }

    /// What the engine says of an order about the shown step.
    fn asked_of_shown(
        &self,
        is_open: impl Fn(&Plan, &RunState, &StepId) -> Result<(), String>,
    ) -> Option<String> {
        let step = self.shown()?;
        is_open(&self.plan, &self.state, &step.id).err()
    }

    fn why_not_retried(&self) -> Option<String> {
        let failed = engine::retried(&self.plan, &self.state, &RetryScope::AllFailed);
        if !failed.is_empty() {
            return None;
        }
        self.asked_of_shown(engine::can_retry)
    }

    fn why_not_declined(&self) -> Option<String> {
        let step = self.shown()?;
        let status = self.status(self.ui.shown);
        if status != Status::Asking {
            let status = status.as_str();
            return Some(format!("{} is {status}: nothing is asked", step.title));
        }
        let asks = can_decline(step);
        (!asks).then(|| format!("{} asks no yes or no: s leaves it out", step.title))
    }

    pub(super) fn is_in_trouble(&self, step: usize) -> bool {
        matches!(
            self.status(step),
            Status::Failed | Status::Held | Status::Undone
        )
    }

    /// What the confirmation of a step needs beside Enter.
    pub(in crate::tui) fn stages(&self, index: usize) -> Vec<Stage> {
        let Some(step) = self.plan.steps.get(index) else {
            return Vec::new();
        };
        let Some(proposal) = self
            .known(index)
            .and_then(|known| known.proposal.as_deref())
        else {
            return Vec::new();
        };
        let mut stages: Vec<Stage> = proposal
            .ask
            .iter()
            .map(|(key, ask)| stage(key, ask))
            .collect();
        if let Some(choice) = &proposal.choice
            && choice.taken.is_none()
        {
            stages.extend(picking(choice));
        }
        if let Some(request) = &proposal.attest {
            stages.push(Stage::Attest {
                request: request.clone(),
                field: Field::default(),
            });
        }
        let risk = self.risk(index);
        let fallback = || (risk == Risk::Typed).then(|| step.subject.as_str().to_owned());
        let word = proposal
            .typed
            .clone()
            .or_else(|| step.typed.clone())
            .or_else(fallback);
        if let Some(word) = word {
            stages.push(Stage::Typed {
                word,
                field: Field::default(),
            });
        }
        if step.people > 1 {
            stages.push(Stage::Second {
                field: Field::default(),
            });
        }
        if let Some(challenge) = &step.challenge {
            stages.push(Stage::Response {
                challenge: challenge.clone(),
                field: Field::default(),
            });
        }
        stages
    }

    /// What is asked where something else is chosen than is proposed, and why nothing can be.
    pub(in crate::tui) fn choosing(&self, index: usize) -> Result<Vec<Stage>, String> {
        let step = self.plan.steps.get(index).map_or("", |step| &step.title);
        let known = self.known(index);
        let choice = known.and_then(|known| known.proposal.as_deref()?.choice.as_ref());
        let Some(choice) = choice else {
            return Err(format!("{step} leaves nothing to choose"));
        };
        if self.status(index) != Status::Asking {
            let status = self.status(index).as_str();
            return Err(format!("{step} is {status}: nothing can be chosen now"));
        }
        let mut stages = self.stages(index);
        if choice.taken.is_some() {
            stages.splice(0..0, picking(choice));
        }
        Ok(stages)
    }

    pub(in crate::tui) fn confirmation(&self) -> Confirmation {
        Confirmation::plain(self.operator.as_str(), Consent::Person)
    }
}

fn picking(choice: &engine::Choice) -> [Stage; 2] {
    let is_taken = |one: &engine::ChoiceOption| Some(&one.name) == choice.taken.as_ref();
    let usable = |one: &engine::ChoiceOption| one.unusable.is_none();
    let at = choice.options.iter().position(is_taken);
    let pick = Stage::Pick {
        at: at
            .or_else(|| choice.options.iter().position(usable))
            .unwrap_or(0),
        choice: choice.clone(),
        error: None,
    };
    let prompt = "Why this one? It stands in the journal and in the report".to_owned();
    let pattern = None;
    let why = Stage::Value {
        key: engine::Choice::WHY.to_owned(),
        ask: Prompt::Value { prompt, pattern },
        field: Field::default(),
    };
    [pick, why]
}

fn stage(key: &str, ask: &Prompt) -> Stage {
    let (key, ask) = (key.to_owned(), ask.clone());
    match &ask {
        Prompt::Choose { options, .. } => Stage::Choose {
            key,
            options: options.iter().map(|one| (one.clone(), false)).collect(),
            ask,
            at: 0,
            error: None,
        },
        Prompt::Acknowledge { .. } | Prompt::Check { .. } => Stage::YesNo {
            key,
            ask,
            yes: None,
            why: None,
            error: None,
        },
        Prompt::Value { .. } | Prompt::Evidence { .. } | Prompt::Compare { .. } => Stage::Value {
            key,
            ask,
            field: Field::default(),
        },
    }
}
