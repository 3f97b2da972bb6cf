//! The dialogs that a decision opens: what they say and what can be chosen in them.

use crate::engine::{self, Pace, RetryScope, Stage};
use crate::tui::keys::Action;

use super::Run;
use super::dialog::{self, About, Choice, Dialog, Flow, Item, Kind, Menu};

impl Run {
    /// The dialog that asks for what a confirmation needs.
    pub(in crate::tui) fn flow(&self, step: usize) -> Dialog {
        self.asking(step, self.stages(step))
    }

    fn asking(&self, step: usize, stages: Vec<dialog::Stage>) -> Dialog {
        Dialog::new(Kind::Flow(Flow {
            step,
            attempt: self.attempt(step),
            stages,
            at: 0,
            confirmation: self.confirmation(),
        }))
    }

    /// The dialog in which something else is chosen than the step proposes.
    pub(in crate::tui) fn choice(&self, step: usize) -> Option<Dialog> {
        let stages = self.choosing(step).ok()?;
        Some(self.asking(step, stages))
    }

    /// Ways on after a failure.
    pub(in crate::tui) fn trouble_menu(&self, step: usize) -> Dialog {
        let mut body = Vec::new();
        if let Some(known) = self.known(step) {
            body.extend(known.fault.iter().map(ToString::to_string));
            body.extend(
                known
                    .remedies
                    .iter()
                    .map(|remedy| format!("way on: {remedy}")),
            );
        }
        body.extend(
            self.runbook
                .contacts
                .iter()
                .map(|contact| format!("call {} {} {}", contact.name, contact.phone, contact.role)),
        );
        let mut items = self.retry_items(step);
        let opens = [
            (
                's',
                Action::Skip,
                "skip it",
                "a reason is asked; what needs it goes on without it",
            ),
            (
                'h',
                Action::ByHand,
                "done by hand",
                "evidence is asked; it counts as done",
            ),
            ('u', Action::Undo, "take it back", "undo what it did"),
            ('!', Action::Note, "note", "write something down first"),
        ];
        let compare = (
            'i',
            Action::HostKey,
            "compare a host key",
            "a host stays refused until somebody has",
        );
        let compare = (!self.host_keys.is_empty()).then_some(compare);
        for (key, action, label, help) in compare.into_iter().chain(opens) {
            items.push(Item {
                key: Some(key),
                label: label.to_owned(),
                help: help.to_owned(),
                choice: Choice::Open(action),
                disabled: self.why_not(action),
            });
        }
        items.extend(self.shell_items(step));
        if !self.state.paused {
            items.push(Item {
                key: Some('a'),
                label: "pause the run".to_owned(),
                help: "start nothing new until you continue".to_owned(),
                choice: Choice::Open(Action::Pause),
                disabled: None,
            });
        }
        items.push(Self::correct_item());
        let status = self.status(step).as_str();
        let title = self
            .plan
            .steps
            .get(step)
            .map_or("", |step| step.title.as_str());
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
        let retry = |scope| engine::retried(&self.plan, &self.state, &scope).len();
        let failed = |label: String, scope: RetryScope| {
            let count = retry(scope.clone());
            Item {
                key: None,
                label,
                help: format!("{count} failed or held"),
                choice: Choice::Retry(scope),
                disabled: (count == 0).then(|| "nothing of it has failed".to_owned()),
            }
        };
        let mut items = vec![Item {
            key: Some('r'),
            label: "retry this step".to_owned(),
            help: step.title.clone(),
            choice: Choice::Retry(RetryScope::Step(step.id.clone())),
            disabled: engine::can_retry(&self.plan, &self.state, &step.id).err(),
        }];
        if let Some(vm) = step.subject.vm() {
            let scope = RetryScope::VmOf(step.id.clone());
            items.push(failed(format!("retry all of {vm}"), scope));
        }
        items.push(failed(
            "retry everything failed".to_owned(),
            RetryScope::AllFailed,
        ));
        items
    }

    /// A VM's question as a decision.
    pub(in crate::tui) fn question_menu(&self, step: usize) -> Option<Dialog> {
        let question = self.known(step)?.question.as_deref()?;
        let at = question
            .suggested
            .as_ref()
            .and_then(|label| question.choices.iter().position(|choice| choice == label));
        let items = question
            .choices
            .iter()
            .enumerate()
            .map(|(index, label)| Item {
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
        if at.is_none() && question.vm.is_some() {
            body.push("Lifeboat does not know this question and suggests nothing.".to_owned());
        }
        Some(Dialog::new(Kind::Menu(Menu {
            about: About::Question(step, self.attempt(step), question.id.clone()),
            title: format!("{} asks", question.asker()),
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
            at: items
                .iter()
                .position(|item| item.choice == Choice::Pace(self.state.pace)),
            items,
            error: None,
        }))
    }

    pub(in crate::tui) fn undo_menu(&self, step: usize) -> Dialog {
        let title = self
            .plan
            .steps
            .get(step)
            .map_or("", |step| step.title.as_str());
        let undo = self
            .known(step)
            .and_then(|known| known.proposal.as_ref()?.undo.clone());
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

    /// What is typed next once this screen is left before the run's end.
    pub(in crate::tui) fn way_on(&self) -> String {
        let stage = Stage::of(&self.state);
        let mode = self.state.info.as_ref().and_then(|info| info.mode);
        let way = stage.ways(&self.run, mode).into_iter().next();
        let way = way.filter(|_| !stage.can_be_resumed());
        let resume = || format!("lifeboat resume {}", self.run);
        way.map_or_else(resume, |way| way.command) + &self.elsewhere
    }

    pub(in crate::tui) fn leave_menu(&self) -> Dialog {
        let active: Vec<&str> = (0..self.plan.steps.len())
            .filter(|step| self.status(*step).is_active())
            .map(|step| self.plan.steps[step].title.as_str())
            .collect();
        let stays = if Stage::of(&self.state).can_be_resumed() {
            "The run stays resumable"
        } else {
            "The commit goes on once no VM runs at both sites"
        };
        let mut body = vec![format!("{stays}: {}", self.way_on())];
        if !active.is_empty() {
            body.push(format!(
                "Under way, to be stopped between two commands: {}",
                active.join(", ")
            ));
        }
        let mut items = vec![
            item(None, "stay", "", Choice::Close),
            item(Some('y'), "leave", "nothing is lost", Choice::Leave),
        ];
        items.extend(self.state.leavable().map(|begun| {
            item(
                Some('e'),
                &format!("leave the {} too", begun.chapter),
                "nothing of it was done; a reason is asked",
                Choice::LeaveEnding(begun.chapter),
            )
        }));
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

pub(super) fn item(key: Option<char>, label: &str, help: &str, choice: Choice) -> Item {
    Item {
        key,
        label: label.to_owned(),
        help: help.to_owned(),
        choice,
        disabled: None,
    }
}
