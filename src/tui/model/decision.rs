//! What can be done now: the highlighted default, and why anything else cannot be.

use std::time::Duration;

use crate::engine::{Confirmation, Consent, Pace, Proposal, RetryScope, Status};
use crate::plan::{ActionSpec, Risk};
use crate::runbook::model::Ask;
use crate::tui::keys::Action;
use crate::tui::page::Extent;
use crate::tui::text;

use super::dialog::{About, Choice, Dialog, Field, Flow, Item, Kind, Menu, Stage};
use super::{Page, Run};

/// What Enter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) enum Enter {
    /// Leave a run that is over.
    Leave,
    /// Back to the steps.
    ShowSteps,
    /// Look at a host key.
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
        let planned = self.plan.steps.get(index).map_or(Risk::Disruptive, |step| step.risk);
        let found = self.known(index).and_then(|known| known.proposal.as_ref()?.risk);
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
        if self.end.is_some() && matches!(self.ui.page, Page::Main | Page::Debrief) {
            return Enter::Leave;
        }
        match self.ui.page {
            Page::Main => {}
            Page::Grid => return Enter::GridRow,
            Page::Debrief => return Enter::Nothing,
            Page::Host(_) | Page::Log | Page::Help => return Enter::ShowSteps,
        }
        if self.is_over() {
            return Enter::Nothing;
        }
        if !self.host_keys.is_empty() {
            return Enter::HostKey;
        }
        let shown = self.ui.shown;
        if self.known(shown).is_some_and(|known| known.question.is_some()) {
            return Enter::Question(shown);
        }
        if !self.needs_person(shown) {
            return match self.waiting_for_person().next() {
                Some(_) => Enter::GoTo(self.ui.current),
                None if self.state.paused => Enter::Continue,
                None if shown != self.ui.current => Enter::GoTo(self.ui.current),
                None => Enter::Nothing,
            };
        }
        let Some(card) = card else { return Enter::ShowSteps };
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
            Enter::HostKey => "look at the host key".to_owned(),
            Enter::Question(_) => "answer the question".to_owned(),
            Enter::ReadOn => "read on".to_owned(),
            Enter::Confirm(_) => self.confirm_label().to_owned(),
            Enter::Fill(_) => "answer".to_owned(),
            Enter::Trouble => "what now?".to_owned(),
            Enter::GoTo(step) => {
                let title = self.plan.steps.get(*step).map_or("", |step| step.title.as_str());
                format!("go to {}", text::cut(&text::clean(title), 24))
            }
            Enter::Continue => "continue".to_owned(),
            Enter::GridRow => "go to this VM".to_owned(),
            Enter::Nothing => String::new(),
        }
    }

    fn confirm_label(&self) -> &'static str {
        match self.shown().map(|step| &step.action) {
            Some(ActionSpec::Note { .. }) => "noted",
            Some(ActionSpec::Confirm { .. }) => "confirm",
            _ if self.proposal().is_some_and(|p| p.commands.iter().any(|c| c.write)) => "send",
            _ => "go on",
        }
    }

    /// Why an action cannot be taken now; `None` if it can.
    pub(in crate::tui) fn why_not(&self, action: Action) -> Option<String> {
        let over = || self.is_over().then(|| "the run is over".to_owned());
        match action {
            Action::Skip | Action::ByHand | Action::Retry | Action::Undo
                if !matches!(self.ui.page, Page::Main | Page::Debrief) =>
            {
                Some("that works beside the step: Esc goes back to it".to_owned())
            }
            Action::Skip | Action::ByHand => over().or_else(|| self.why_not_settled()),
            Action::Retry => over().or_else(|| {
                let any = (0..self.plan.steps.len()).any(|step| self.can_retry(step));
                (!any).then(|| "nothing has failed".to_owned())
            }),
            Action::Undo => over().or_else(|| self.why_not_undone()),
            Action::Pace | Action::Pause | Action::Note => over(),
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

    fn why_not_settled(&self) -> Option<String> {
        let step = self.shown()?;
        let status = self.status(self.ui.shown);
        let looking_in_vain = status == Status::Probing
            && self.known(self.ui.shown).is_some_and(|known| known.fault.is_some());
        if status.is_met() {
            Some(format!("{} is {} already", step.title, status.as_str()))
        } else if status.is_active() && !looking_in_vain {
            Some(format!("{} is {}: it has to end first", step.title, status.as_str()))
        } else {
            None
        }
    }

    fn why_not_undone(&self) -> Option<String> {
        let step = self.shown()?;
        let undoable = self.proposal().is_some_and(|proposal| proposal.undo.is_some());
        match self.status(self.ui.shown) {
            Status::Done | Status::Failed | Status::Held if undoable => None,
            Status::Done | Status::Failed | Status::Held => {
                Some(format!("{} has nothing to take back", step.title))
            }
            status => Some(format!("{} is {}: nothing to take back", step.title, status.as_str())),
        }
    }

    pub(super) fn can_retry(&self, step: usize) -> bool {
        matches!(self.status(step), Status::Failed | Status::Held | Status::Undone)
    }

    /// What the confirmation of a step needs beside Enter.
    pub(in crate::tui) fn stages(&self, index: usize) -> Vec<Stage> {
        let Some(step) = self.plan.steps.get(index) else {
            return Vec::new();
        };
        let Some(proposal) = self.known(index).and_then(|known| known.proposal.as_deref()) else {
            return Vec::new();
        };
        let mut stages: Vec<Stage> =
            proposal.ask.iter().map(|(key, ask)| stage(key, ask)).collect();
        if let Some(request) = &proposal.attest {
            stages.push(Stage::Attest { request: request.clone(), field: Field::default() });
        }
        let risk = self.risk(index);
        let fallback = || (risk == Risk::Typed).then(|| step.subject.as_str().to_owned());
        let word = proposal.typed.clone().or_else(|| step.typed.clone()).or_else(fallback);
        if let Some(word) = word {
            stages.push(Stage::Typed { word, field: Field::default() });
        }
        if step.people > 1 {
            stages.push(Stage::Second { field: Field::default() });
        }
        stages
    }

    pub(in crate::tui) fn confirmation(&self) -> Confirmation {
        Confirmation {
            by: self.operator.clone(),
            second: None,
            typed: None,
            attest: None,
            answers: std::collections::BTreeMap::new(),
            how: Consent::Person,
        }
    }

    /// The dialog that asks for what a confirmation needs.
    pub(in crate::tui) fn flow(&self, step: usize) -> Dialog {
        Dialog::new(Kind::Flow(Flow {
            step,
            attempt: self.attempt(step),
            stages: self.stages(step),
            at: 0,
            confirmation: self.confirmation(),
        }))
    }

    /// Ways on after a failure.
    pub(in crate::tui) fn trouble_menu(&self, step: usize) -> Dialog {
        let mut body = Vec::new();
        if let Some(known) = self.known(step) {
            body.extend(known.fault.iter().map(ToString::to_string));
            body.extend(known.remedies.iter().map(|remedy| format!("way on: {remedy}")));
        }
        body.extend(
            self.runbook
                .contacts
                .iter()
                .map(|contact| format!("call {} {} {}", contact.name, contact.phone, contact.role)),
        );
        let mut items = self.retry_items(step);
        let opens = [
            ('s', Action::Skip, "skip it", "a reason is asked; what needs it goes on without it"),
            ('h', Action::ByHand, "done by hand", "evidence is asked; it counts as done"),
            ('u', Action::Undo, "take it back", "undo what it did"),
            ('!', Action::Note, "note", "write something down first"),
        ];
        for (key, action, label, help) in opens {
            items.push(Item {
                key: Some(key),
                label: label.to_owned(),
                help: help.to_owned(),
                choice: Choice::Open(action),
                disabled: self.why_not(action),
            });
        }
        if !self.state.paused {
            items.push(Item {
                key: Some('a'),
                label: "pause the run".to_owned(),
                help: "start nothing new until you continue".to_owned(),
                choice: Choice::Open(Action::Pause),
                disabled: None,
            });
        }
        let status = self.status(step).as_str();
        let title = self.plan.steps.get(step).map_or("", |step| step.title.as_str());
        Dialog::new(Kind::Menu(Menu {
            about: About::Trouble(step, self.attempt(step)),
            title: format!("{title} {status}"),
            body,
            items,
            at: Some(0),
            error: None,
        }))
    }

    /// What to try again.
    pub(in crate::tui) fn retry_menu(&self, step: usize) -> Dialog {
        let items = self.retry_items(step);
        let at = items.iter().position(|item| item.disabled.is_none());
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: "Try again".to_owned(),
            body: vec!["Each step looks first and does only what is still missing.".to_owned()],
            items,
            at,
            error: None,
        }))
    }

    fn retry_items(&self, index: usize) -> Vec<Item> {
        let Some(step) = self.plan.steps.get(index) else {
            return Vec::new();
        };
        let none = |any: bool| (!any).then(|| "nothing of it has failed".to_owned());
        let failed = |pick: &dyn Fn(usize) -> bool| {
            (0..self.plan.steps.len()).filter(|i| self.can_retry(*i) && pick(*i)).count()
        };
        let mut items = vec![Item {
            key: Some('r'),
            label: "retry this step".to_owned(),
            help: step.title.clone(),
            choice: Choice::Retry(RetryScope::Step(step.id.clone())),
            disabled: none(self.can_retry(index)),
        }];
        if let Some(vm) = step.subject.vm() {
            let count = failed(&|other| self.plan.steps[other].subject.vm() == Some(vm));
            items.push(Item {
                key: None,
                label: format!("retry all of {vm}"),
                help: format!("{count} failed or held"),
                choice: Choice::Retry(RetryScope::VmOf(step.id.clone())),
                disabled: none(count > 0),
            });
        }
        let count = failed(&|_| true);
        items.push(Item {
            key: None,
            label: "retry everything failed".to_owned(),
            help: format!("{count} failed or held"),
            choice: Choice::Retry(RetryScope::AllFailed),
            disabled: none(count > 0),
        });
        items
    }

    /// A VM's question as a decision.
    pub(in crate::tui) fn question_menu(&self, step: usize) -> Option<Dialog> {
        let question = self.known(step)?.question.as_deref()?;
        let at = question
            .suggested
            .as_ref()
            .and_then(|label| question.choices.iter().position(|choice| choice == label));
        let items = question.choices.iter().enumerate().map(|(index, label)| Item {
            key: None,
            label: label.clone(),
            help: match &question.why {
                Some(why) if at == Some(index) => format!("suggested: {why}"),
                _ if at == Some(index) => "suggested".to_owned(),
                _ => String::new(),
            },
            choice: Choice::Answer(label.clone()),
            disabled: None,
        });
        let mut body = vec![question.text.clone()];
        if at.is_none() {
            body.push("Lifeboat does not know this question and suggests nothing.".to_owned());
        }
        Some(Dialog::new(Kind::Menu(Menu {
            about: About::Question(step, self.attempt(step), question.id.clone()),
            title: format!("{} on {} asks", question.vm, question.host),
            items: items.collect(),
            body,
            at,
            error: None,
        })))
    }

    pub(in crate::tui) fn pace_menu(&self) -> Dialog {
        let item = |key, pace: Pace, help: &str| Item {
            key: Some(key),
            label: pace.as_str().to_owned(),
            help: help.to_owned(),
            choice: Choice::Pace(pace),
            disabled: None,
        };
        let items = vec![
            item('s', Pace::Step, "each step waits for you"),
            item('p', Pace::Phase, "waits where a phase begins"),
            item('a', Pace::Auto, "waits at gates and prompts only"),
        ];
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: "Pace".to_owned(),
            body: vec![
                "How far the run goes on its own. Gates and prompts always wait.".to_owned(),
            ],
            at: items.iter().position(|item| item.choice == Choice::Pace(self.state.pace)),
            items,
            error: None,
        }))
    }

    pub(in crate::tui) fn undo_menu(&self, step: usize) -> Dialog {
        let title = self.plan.steps.get(step).map_or("", |step| step.title.as_str());
        let undo = self.known(step).and_then(|known| known.proposal.as_ref()?.undo.clone());
        let items = vec![
            item(None, "no, leave it", "", Choice::Close),
            item(
                None,
                "take it back",
                "each command is announced in the journal first",
                Choice::Undo(step),
            ),
        ];
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: format!("Take back: {title}"),
            body: vec![format!("It will: {}", undo.unwrap_or_default())],
            items,
            at: Some(0),
            error: None,
        }))
    }

    pub(in crate::tui) fn leave_menu(&self) -> Dialog {
        let active: Vec<&str> = (0..self.plan.steps.len())
            .filter(|step| self.status(*step).is_active())
            .map(|step| self.plan.steps[step].title.as_str())
            .collect();
        let mut body = vec![format!("The run stays resumable: lifeboat resume {}", self.run)];
        if !active.is_empty() {
            body.push(format!(
                "Under way, to be stopped between two commands: {}",
                active.join(", ")
            ));
        }
        let items = vec![
            item(None, "stay", "", Choice::Close),
            item(Some('y'), "leave", "nothing is lost", Choice::Leave),
        ];
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: "Leave the run?".to_owned(),
            body,
            items,
            at: Some(0),
            error: None,
        }))
    }
}

fn item(key: Option<char>, label: &str, help: &str, choice: Choice) -> Item {
    Item { key, label: label.to_owned(), help: help.to_owned(), choice, disabled: None }
}

fn stage(key: &str, ask: &Ask) -> Stage {
    match ask {
        Ask::Choose { options, at_least } => Stage::Choose {
            key: key.to_owned(),
            options: options.iter().map(|option| (option.clone(), false)).collect(),
            at_least: *at_least,
            at: 0,
            error: None,
        },
        Ask::Value { prompt, pattern } => Stage::Value {
            key: key.to_owned(),
            prompt: prompt.clone(),
            pattern: pattern.clone(),
            field: Field::default(),
        },
    }
}
