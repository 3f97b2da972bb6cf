//! What can go on now: confirmations that the pace gives, steps that may begin, the end of the run.

use crate::names::StepId;
use crate::plan::{ActionSpec, Step};
use crate::runbook::model::Mode;

use super::super::consent;
use super::super::input::OperatorInput;
use super::super::orders;
#[cfg(test)]
use super::planted::Bug;
use super::{Closing, Effect, Engine, Wait};
use crate::engine::Status;
use crate::engine::{Confirmation, Consent, Pace, RunEvent};

impl Engine {
    pub(super) fn advance(&mut self) {
        if self.left || self.state.info.is_none() || self.state.finished.is_some() {
            return;
        }
        self.recall();
        // Nobody is at the keys while a shell is open.
        if !self.state.paused && self.state.people.shell().is_none() {
            self.confirm_by_agreement();
            self.confirm_by_pace();
            self.answer_by_pace();
            self.begin_steps();
        }
        self.finish();
    }

    /// What rests on a step that is not settled any more, and has sent nothing yet, waits for it again;
    /// so does a start that something speaks against, be it since before this console.
    fn recall(&mut self) {
        #[cfg(test)]
        if self.planted == Some(Bug::NotRecalled) {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        for step in &plan.steps {
            if !matches!(
                self.state.status(&step.id),
                Status::Asking | Status::Probing
            ) {
                continue;
            }
            let why = match self.first_unmet(step) {
                Some(open) => format!(
                    "{}, which comes before it, is not settled any more",
                    open.id
                ),
                None if self.must_not_start(&step.id) => {
                    "what runs at the other site is looked into before any start".to_owned()
                }
                None => continue,
            };
            self.begin_anew(&step.id, &why);
        }
    }

    /// Lets go on what the pace does not hold up; without a terminal everything asks.
    fn confirm_by_pace(&mut self) {
        if self.settings.headless {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        for step in &plan.steps {
            let Some(known) = self.state.steps.get(&step.id) else {
                continue;
            };
            if known.status != Status::Asking {
                continue;
            }
            let Some(proposal) = known.proposal.clone() else {
                continue;
            };
            let waits = consent::waits_for_person(&plan, &self.state, step, &proposal);
            #[cfg(test)]
            let waits = waits
                && !(self.planted == Some(Bug::PaceVouches)
                    && self.state.pace == Pace::Auto
                    && proposal.attest.is_some());
            if waits {
                continue;
            }
            let confirmation = Confirmation::plain(self.operator_name(), Consent::Pace);
            self.confirm(&step.id, confirmation);
        }
    }

    /// Lets go on what somebody agreed to with everything else that the run is ended by. What asks for
    /// more than a yes asks for itself.
    fn confirm_by_agreement(&mut self) {
        let plan = std::sync::Arc::clone(&self.plan);
        let Some(by) = consent::agreed_by(&plan, &self.state) else {
            return;
        };
        for step in plan.open_steps() {
            let known = self.state.steps.get(&step.id);
            let asks = known
                .filter(|known| known.status == Status::Asking)
                .and_then(|known| known.proposal.as_deref())
                .is_some_and(|proposal| consent::is_covered(step, proposal));
            if asks {
                let confirmation = Confirmation::plain(by.clone(), Consent::Agreed);
                self.confirm(&step.id, confirmation);
            }
        }
    }

    /// Answers the questions that Lifeboat knows, where the pace does not wait for each step.
    fn answer_by_pace(&mut self) {
        if self.settings.headless || self.state.pace == Pace::Step {
            return;
        }
        let known: Vec<_> = self
            .state
            .steps
            .iter()
            .filter_map(|(id, step)| {
                let label = step.question.as_ref()?.suggested.clone()?;
                Some((id.clone(), step.attempt, label))
            })
            .collect();
        for (step, attempt, label) in known {
            let by = self.operator_name();
            self.answer_question(&step, attempt, label, by, Consent::Pace);
        }
    }

    /// Records a confirmation and orders the step to act.
    pub(super) fn confirm(&mut self, id: &StepId, confirmation: Confirmation) {
        let attempt = self.state.attempt(id);
        self.unanswered.remove(id);
        self.record(Some(id), RunEvent::StepConfirmed(Box::new(confirmation)));
        self.live.insert(id.clone());
        self.effects.push(Effect::Start {
            step: id.clone(),
            attempt,
        });
    }

    fn begin_steps(&mut self) {
        if self.closing == Closing::Under || self.frozen_is_open() {
            return;
        }
        let plan = std::sync::Arc::clone(&self.plan);
        let held = self.power_on_is_held();
        let one_at_a_time = self.state.pace == Pace::Step && !self.settings.headless;
        for step in plan.open_steps() {
            if self.state.status(&step.id) != Status::Waiting || !self.may_begin(step) {
                continue;
            }
            let waits = one_at_a_time
                && !self.is_reopened(step)
                && orders::under_way(&self.plan, &self.state).is_some();
            if waits || (held && matches!(step.action, ActionSpec::PowerOn { .. })) {
                continue;
            }
            if !self.has_room(step) {
                continue;
            }
            let attempt = self.state.attempt(&step.id).next();
            self.record_attempt(Some(&step.id), Some(attempt), RunEvent::StepStarted);
            self.order_probe(&step.id, attempt);
        }
    }

    /// As [`orders::frozen_is_open`] says of the run as it stands.
    fn frozen_is_open(&self) -> bool {
        #[cfg(test)]
        if self.planted == Some(Bug::FrozenInDoubt) {
            return false;
        }
        orders::frozen_is_open(&self.plan, &self.state)
    }

    fn may_begin(&self, step: &Step) -> bool {
        let delayed = self
            .timers
            .values()
            .any(|wait| matches!(wait, Wait::Begin(id) if *id == step.id));
        #[cfg(test)]
        if self.planted == Some(Bug::AnyBefore) && step.after.len() > 1 {
            let mut before = step
                .after
                .iter()
                .filter_map(|index| self.plan.steps.get(*index));
            return before.any(|earlier| self.is_met(earlier));
        }
        !delayed && self.first_unmet(step).is_none()
    }

    /// A step that has to be over first and is not.
    pub(super) fn first_unmet(&self, step: &Step) -> Option<&Step> {
        let earlier = |index: &usize| self.plan.steps.get(*index);
        step.after
            .iter()
            .filter_map(earlier)
            .find(|step| !self.is_met(step))
    }

    fn is_met(&self, step: &Step) -> bool {
        let status = self.state.status(&step.id);
        status.is_met() || self.is_reopened(step) || status.is_passed_over(step)
    }

    /// It was over once: what comes after it goes on while it looks again, starts of VMs apart.
    fn is_reopened(&self, step: &Step) -> bool {
        let known = self.state.steps.get(&step.id);
        known.is_some_and(|known| known.reopened)
    }

    /// Whether each of the step's hosts takes one more of its kind, and its datastore, too.
    fn has_room(&self, step: &Step) -> bool {
        self.has_room_on_datastore(step) && self.has_room_at_hosts(step)
    }

    fn has_room_on_datastore(&self, step: &Step) -> bool {
        let Some(label) = &step.datastore else {
            return true;
        };
        let onto = (step.side, label.clone());
        let Some(most) = self.settings.transfers_onto.get(&onto) else {
            return true;
        };
        let busy = self.plan.steps.iter().filter(|other| {
            (other.side, &other.datastore) == (step.side, &step.datastore) && self.takes_room(other)
        });
        busy.count() < *most
    }

    fn has_room_at_hosts(&self, step: &Step) -> bool {
        let most = |host| {
            let at_once = self.settings.at_once.get(host).copied().unwrap_or_default();
            if step.transfer {
                at_once.transfers
            } else {
                at_once.steps
            }
        };
        // Two VMs may want the same port group: the second finds it whole, not half made.
        let drill = self.plan.mode == Mode::Drill;
        let networks = |step: &Step| match step.action.verb() {
            "network" => true,
            "fence" => drill,
            _ => false,
        };
        step.hosts.iter().all(|host| {
            let busy = || {
                self.plan.steps.iter().filter(|other| {
                    other.transfer == step.transfer
                        && other.hosts.contains(host)
                        && self.takes_room(other)
                })
            };
            busy().count() < most(host) && !(networks(step) && busy().any(networks))
        })
    }

    fn takes_room(&self, step: &Step) -> bool {
        match self.state.status(&step.id) {
            status if status.is_active() => true,
            // Without a terminal the answer is about to come; a person may take all night.
            Status::Asking => self.settings.headless && !self.unanswered.contains(&step.id),
            _ => false,
        }
    }

    fn finish(&mut self) {
        if self.state.people.shell().is_some() {
            return;
        }
        if !self.live.is_empty() || self.plan.steps.is_empty() || !self.state.splits().is_empty() {
            return;
        }
        let Some(result) = orders::settled(&self.plan, &self.state) else {
            return;
        };
        if self.frozen_is_open() || !self.is_closed() {
            return;
        }
        self.record(None, RunEvent::RunFinished { result });
        self.effects.push(Effect::Leave);
        self.left = true;
    }

    /// Answers a VM's question if it is the one that is asked.
    pub(super) fn answer_question(
        &mut self,
        step: &StepId,
        attempt: crate::names::Attempt,
        label: String,
        by: String,
        how: Consent,
    ) {
        let acts = [Status::Running, Status::Undoing];
        if self.current(step, attempt, &acts).is_none() {
            return;
        }
        let asked = self
            .state
            .steps
            .get(step)
            .and_then(|step| step.question.as_ref());
        if !asked.is_some_and(|question| question.choices.contains(&label)) {
            return;
        }
        self.unanswered.remove(step);
        self.record(
            Some(step),
            RunEvent::QuestionAnswered {
                by,
                label: label.clone(),
                how,
            },
        );
        self.effects.push(Effect::Answer {
            step: step.clone(),
            attempt,
            label,
        });
    }

    pub(super) fn no_answer(&mut self, input: OperatorInput) {
        if let OperatorInput::NoAnswer { step } = input {
            self.unanswered.insert(step);
        }
    }
}
