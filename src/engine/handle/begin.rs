//! Taking a run up: what was under way when the console stopped is settled before anything new.

use crate::error::Fault;
use crate::names::StepId;

use super::{Effect, Engine};
use crate::engine::RunEvent;
use crate::engine::Status;

impl Engine {
    /// Looks at every step that has begun and orders what makes it whole again.
    pub(super) fn begin(&mut self) {
        self.settle_bulk();
        self.let_fences_look();
        let begun: Vec<(StepId, Status)> = self
            .plan
            .steps
            .iter()
            .filter_map(|step| {
                let status = self.state.steps.get(&step.id)?.status;
                (!self.live.contains(&step.id)).then(|| (step.id.clone(), status))
            })
            .collect();
        for (step, status) in begun {
            match status {
                Status::Probing if self.rests(&step) && !self.is_left(&step) => {
                    let attempt = self.state.attempt(&step);
                    self.order_probe(&step, attempt);
                }
                Status::Probing | Status::Asking => self.interrupt(&step),
                Status::Running | Status::InDoubt | Status::Stopping | Status::Undoing => {
                    self.take_up(&step);
                }
                // What to do with it is for a person to say.
                Status::Held if self.is_unwanted(&step) => {}
                // What is being closed is left as it is.
                Status::Failed | Status::Held if !self.is_walked(&step) => {}
                Status::Failed | Status::Held => {
                    let by = super::super::BY_RULE.to_owned();
                    self.record(Some(&step), RunEvent::StepRetried { by });
                    self.stop_open_ops(&step);
                }
                Status::Waiting
                | Status::Done
                | Status::AlreadyDone
                | Status::ByHand
                | Status::Skipped
                | Status::Undone => {}
            }
        }
    }

    /// What is being closed does not look again.
    fn is_left(&self, step: &StepId) -> bool {
        #[cfg(test)]
        if self.planted == Some(super::planted::Bug::FrozenGoesOn) {
            return false;
        }
        self.plan.is_frozen(step)
    }

    /// Whether everything is over that comes before it: what failed is tried again by now.
    fn rests(&self, step: &StepId) -> bool {
        self.plan
            .step(step)
            .is_some_and(|step| self.first_unmet(step).is_none())
    }

    /// File data goes to absolute offsets of a file that has no final name yet, so a write of it
    /// that arrives late changes nothing: it is closed without being stopped.
    fn settle_bulk(&mut self) {
        let open: Vec<_> = self
            .state
            .unsettled_ops()
            .filter(|(_, op)| op.bulk && op.status == crate::engine::OpStatus::Open)
            .map(|(id, op)| (*id, op.step.clone()))
            .collect();
        for (op, step) in open {
            let why = "the console stopped while it ran".to_owned();
            self.record(Some(&step), RunEvent::WriteLost { op, why });
        }
    }

    fn take_up(&mut self, step: &StepId) {
        self.lose_open_ops(step, "the console stopped while it ran");
        if self.state.open_ops(step).next().is_some() {
            self.stop_open_ops(step);
        } else if self.is_unwanted(step) {
            self.hold_half_undone(step);
        } else {
            self.interrupt(step);
        }
    }

    /// A person wanted the step taken back, and that is not finished.
    pub(super) fn is_unwanted(&self, step: &StepId) -> bool {
        #[cfg(test)]
        if self.planted == Some(super::planted::Bug::UndoForgotten) {
            return false;
        }
        let known = self.state.steps.get(step);
        known.is_some_and(|step| step.unwanted) && !self.plan.is_frozen(step)
    }

    /// Waits for a person: to try again by rule would do what they wanted taken back.
    pub(super) fn hold_half_undone(&mut self, step: &StepId) {
        let fault = Fault::new(
            "taking this step back was cut short",
            step.as_str(),
            "some of it may be undone and some not; nothing that was sent can still take effect",
            "undo it again, which looks first; or retry the step: it does only what is missing",
        );
        self.hold_undo(step, fault);
    }

    pub(super) fn hold_undo(&mut self, step: &StepId, fault: Fault) {
        self.hold(
            step,
            fault,
            vec!["undo again".to_owned(), "retry".to_owned()],
        );
    }

    fn interrupt(&mut self, step: &StepId) {
        let why = "the console was started again; it looks once more".to_owned();
        self.record(Some(step), RunEvent::StepInterrupted { why, fault: None });
    }

    /// Marks a step's open writes as lost.
    pub(super) fn lose_open_ops(&mut self, step: &StepId, why: &str) {
        let open: Vec<_> = self
            .state
            .open_ops(step)
            .filter(|(_, op)| op.status == crate::engine::OpStatus::Open)
            .map(|(id, _)| id)
            .collect();
        for op in open {
            self.record(
                Some(step),
                RunEvent::WriteLost {
                    op,
                    why: why.to_owned(),
                },
            );
        }
    }

    /// Orders that each lost write of a step be stopped before anything else happens to it.
    pub(super) fn stop_open_ops(&mut self, step: &StepId) {
        let attempt = self.state.attempt(step);
        let open: Vec<_> = self.state.open_ops(step).map(|(id, _)| id).collect();
        for op in open {
            self.live.insert(step.clone());
            self.effects.push(Effect::StopLost {
                step: step.clone(),
                attempt,
                op,
            });
        }
    }
}
