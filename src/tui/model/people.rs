//! Handing the run over, telling those who wait, shells on hosts: what the screen knows and asks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tui_input::Input;

use crate::engine::PeopleInput;
use crate::names::{HostName, StepId};
use crate::report::{self, Standing};
use crate::runbook::model::{Mode, SiteRole};

use super::Run;
use super::dialog::{About, Choice, Dialog, Field, Item, Kind, Menu, Purpose, TakeOver, Text};
use super::menus::item;

impl Run {
    /// The run for a brief: how long a step goes on is measured here where it tells its progress.
    pub(in crate::tui) fn standing<T>(&self, tell: impl FnOnce(&Standing<'_>) -> T) -> T {
        let left = |id: &StepId| {
            let progress = self.progress.get(self.outline.index.get(id)?)?;
            let rest = progress.total.checked_sub(progress.done)?;
            let seconds = rest.checked_div(progress.rate)?;
            (progress.total > 0).then(|| Duration::from_secs(seconds))
        };
        tell(&Standing {
            plan: &self.plan,
            state: &self.state,
            now: self.now.wall,
            left: &left,
        })
    }

    /// When those who wait are to be told something; `None` where nobody is.
    pub(in crate::tui) fn update_due(&self) -> Option<Timestamp> {
        let every = SignedDuration::try_from(self.runbook.updates.every?).ok()?;
        if self.is_over() {
            return None;
        }
        let last = self.state.people.told_at().or(self.state.started)?;
        last.checked_add(every).ok()
    }

    /// Whether the bell is to ring because an update is due; once for each.
    pub(super) fn update_rings(&mut self) -> bool {
        let due = self
            .update_due()
            .filter(|due| *due <= self.now.wall && !self.watching);
        if due.is_none() || self.ui.update_rung == due {
            return false;
        }
        self.ui.update_rung = due;
        true
    }

    /// The dialog in which those who wait are told how things stand; a line is proposed.
    pub(in crate::tui) fn update_dialog(&self) -> Dialog {
        let line = self.standing(report::status_line);
        let field = Field {
            input: Input::new(line),
            error: None,
        };
        let purpose = Purpose::Update;
        Dialog::new(Kind::Text(Text { purpose, field }))
    }

    /// What can be done about a hand-over.
    pub(in crate::tui) fn handover_menu(&self) -> Dialog {
        let by = self.operator.clone();
        let (body, items) = match &self.state.people.offer {
            None => (
                "You stay accountable until somebody else takes the run over. Every decision from then on stands in their name.",
                vec![
                    item(None, "keep it", "", Choice::Close),
                    item(
                        Some('o'),
                        "offer to hand it over",
                        "the other takes it, here or elsewhere",
                        Choice::People(PeopleInput::Offer { by }),
                    ),
                ],
            ),
            Some(_) => (
                "At another terminal: leave here, then `lifeboat resume` there; it shows the brief and asks for a name.",
                vec![
                    item(
                        Some('t'),
                        "take it over here",
                        "a name and a phrase are typed",
                        Choice::TakeOver,
                    ),
                    item(
                        Some('y'),
                        "leave, for another terminal",
                        "the offer stands",
                        Choice::Leave,
                    ),
                    item(
                        Some('k'),
                        "keep it after all",
                        "the offer is withdrawn",
                        Choice::People(PeopleInput::Withdraw { by }),
                    ),
                ],
            ),
        };
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: "Hand the run over".to_owned(),
            body: vec![body.to_owned()],
            items,
            at: Some(0),
            error: None,
        }))
    }

    /// The dialog in which the incoming person takes the run over.
    pub(in crate::tui) fn take_over_dialog(&self) -> Dialog {
        Dialog::new(Kind::TakeOver(TakeOver {
            brief: self.standing(report::brief_text),
            ..TakeOver::default()
        }))
    }

    /// The hosts of a step on which a shell can be had, and why on some it cannot.
    pub(super) fn shell_items(&self, step: usize) -> Vec<Item> {
        let Some(planned) = self.plan.steps.get(step) else {
            return Vec::new();
        };
        let hosts = planned.hosts.iter().enumerate();
        hosts
            .map(|(at, host)| Item {
                key: (at == 0).then_some('x'),
                label: format!("a shell on {host}"),
                help: "a reason is asked, then the step looks again".to_owned(),
                choice: Choice::Shell(step, at),
                disabled: self.why_no_shell(host),
            })
            .collect()
    }

    fn why_no_shell(&self, host: &HostName) -> Option<String> {
        let role = self.runbook.role_of(host)?;
        (self.plan.mode == Mode::Drill && role == SiteRole::Protected)
            .then(|| "not in a drill: it belongs to the protected site".to_owned())
    }

    /// How the runbook is corrected while the run is under way.
    pub(in crate::tui) fn correct_menu(&self) -> Dialog {
        Dialog::new(Kind::Menu(Menu {
            about: About::Anything,
            title: "A corrected runbook".to_owned(),
            body: vec![
                format!(
                    "Copy runbook.yaml (or its newest version) out of the run's folder, {}, correct the copy, then go on with it:",
                    self.dir.display()
                ),
                format!("lifeboat resume {}{} --runbook FILE", self.run, self.elsewhere),
                "Steps that have not begun may change, and new ones may come. It shows the difference and asks why before anything goes on.".to_owned(),
            ],
            items: vec![
                item(None, "stay", "", Choice::Close),
                item(Some('y'), "leave the run for that", "nothing is lost", Choice::Leave),
            ],
            at: Some(0),
            error: None,
        }))
    }

    /// The item of a failed step's menu that leads there.
    pub(super) fn correct_item() -> Item {
        item(
            Some('c'),
            "a corrected runbook",
            "steps that have not begun may change",
            Choice::Correct,
        )
    }
}
