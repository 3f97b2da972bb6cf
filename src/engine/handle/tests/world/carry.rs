//! Carries the engine's orders out, strictly in order, as the runner does; the console may die before
//! each of them, and a journal may be cut.

use super::super::*;
use super::jobs::{Job, Stage, Task};
use super::locks::{self, Closer};
use super::promises::{Broken, Watch, position};
use super::shapes::Kind;
use super::{Flow, Mischief, World, coverage};
use crate::engine::{Entry, Performed, RunEvent, Status};
use crate::error::Fault;

impl World {
    pub(super) fn carry(&mut self, effect: Effect) -> Result<Flow, Broken> {
        if self.mischief(Mischief::Crash, 60) {
            if let Effect::Record(entry) = &effect {
                self.tear(entry)?;
            }
            return Ok(Flow::Crash);
        }
        self.say(|_| format!("<- {effect:?}"));
        match effect {
            Effect::Record(entry) => self.record(entry)?,
            Effect::Probe { step, attempt } => {
                self.order(&step, attempt, Task::Probe, Status::Probing)?;
            }
            Effect::Start { step, attempt } => {
                self.order(&step, attempt, Task::Perform, Status::Running)?;
            }
            Effect::Undo { step, attempt } => {
                self.order(&step, attempt, Task::Undo, Status::Undoing)?;
            }
            Effect::StopLost { step, attempt, op } => {
                let open = self.folded.open_ops(&step).any(|(open, _)| open == op);
                if !open {
                    return Err(Broken::new(
                        0,
                        format!("write {op} is stopped and is not lost"),
                    ));
                }
                self.add_job(&step, attempt, Task::Stop(op))?;
            }
            Effect::Grant { ticket, op } => self.send(ticket, op)?,
            Effect::Kept { ticket } => {
                if let Some(closer) = &mut self.closer {
                    closer.kept(ticket);
                }
                let waits = |job: &&mut Job| job.stage == Stage::AwaitKept(ticket);
                if let Some(job) = self.jobs.iter_mut().find(waits) {
                    job.stage = Stage::Do;
                }
            }
            Effect::Deny { ticket } => {
                let stale = |job: &&mut Job| {
                    job.awaits_grant(ticket) || job.stage == Stage::AwaitKept(ticket)
                };
                if let Some(job) = self.jobs.iter_mut().find(stale) {
                    job.stage = match job.task {
                        // A fact of a look that cannot be kept now is kept when it looks again.
                        Task::Probe => Stage::Do,
                        Task::Stop(_) => Stage::StopEnd(Err(Fault::default().passing())),
                        _ => Stage::End(Performed::Failed(Fault::default())),
                    };
                }
            }
            Effect::Answer { step, attempt, .. } => {
                let index = position(self.shape, &step);
                let asks = |job: &&mut Job| {
                    Some(job.step) == index
                        && job.attempt == attempt
                        && job.stage == Stage::AwaitAnswer
                };
                match self.jobs.iter_mut().find(asks) {
                    Some(job) => job.stage = Stage::Answer,
                    None => return Err(Broken::new(8, "an answer that nobody asked for")),
                }
            }
            Effect::Timer { id, .. } => self.timers.push(id),
            Effect::Cancel { step, .. } => self.cancel(&step)?,
            Effect::Close => self.closer = Some(Closer::new(&self.folded)),
            Effect::Leave => return Ok(Flow::Leave),
        }
        Ok(Flow::On)
    }

    fn order(
        &mut self,
        step: &StepId,
        attempt: Attempt,
        task: Task,
        wanted: Status,
    ) -> Result<(), Broken> {
        let known = self.folded.steps.get(step);
        let stands = known.map(|known| (known.status, known.attempt));
        if stands != Some((wanted, attempt)) {
            return Err(Broken::new(
                0,
                format!("{task:?} {attempt} of {step} is ordered while it is {stands:?}"),
            ));
        }
        if self
            .jobs
            .iter()
            .any(|job| Some(job.step) == position(self.shape, step) && job.task == task)
        {
            return Err(Broken::new(
                0,
                format!("{task:?} of {step} is ordered twice"),
            ));
        }
        self.add_job(step, attempt, task)
    }

    fn add_job(&mut self, step: &StepId, attempt: Attempt, task: Task) -> Result<(), Broken> {
        let index = position(self.shape, step).ok_or_else(|| Broken::new(0, "no such step"))?;
        let known = self.folded.steps.get(step);
        let said = known.and_then(|step| step.confirmation.clone());
        let said = said.filter(|_| task == Task::Perform);
        self.jobs.push(Job::new(index, attempt, task, said));
        Ok(())
    }

    fn record(&mut self, entry: Arc<Entry>) -> Result<(), Broken> {
        self.watch
            .judge(self.shape, &self.site, &self.folded, &entry)?;
        locks::judge(&self.folded, &entry)?;
        self.watch.learn(self.shape, &entry);
        self.watch.owners.learn(self.shape, &self.folded, &entry)?;
        self.coverage.events[coverage::event(&entry.event)] += 1;
        let by_hand = matches!(entry.event, RunEvent::StepByHand { .. });
        let step = entry.step.as_ref().filter(|_| by_hand);
        if let Some(step) = step.and_then(|id| position(self.shape, id)) {
            let work = &self.shape.work[step];
            let untrue = work.kind == Kind::PowerOn && !self.site.runs_here(self.shape, work.vm);
            self.coverage.untrue_starts += u64::from(untrue);
        }
        self.folded.apply(&entry);
        self.journal.push(entry);
        Ok(())
    }

    /// The console dies while a line is being written. What was synced stands: the line is there,
    /// or it is torn and set aside. Where the disk lied, or somebody cut the file, the journal ends
    /// anywhere; the same power cut ends what was under way on the hosts.
    fn tear(&mut self, entry: &Arc<Entry>) -> Result<(), Broken> {
        if self.mischief(Mischief::CutAnywhere, 8) {
            return self.cut();
        }
        if self.mischief(Mischief::Torn, 2) {
            // As far as its readers go, a torn line is none; `runs` cuts real bytes.
            return Ok(());
        }
        self.say(|_| format!("<- {entry:?}, then nothing"));
        self.record(Arc::clone(entry))
    }

    fn cut(&mut self) -> Result<(), Broken> {
        self.coverage.cuts += 1;
        let bytes = crate::journal::in_memory::write(&self.journal);
        let kept = self.dice.below(bytes.len() + 1);
        let readable = crate::journal::in_memory::read(&bytes[..kept]);
        if self.journal[..readable.len()] != readable[..] {
            return Err(Broken::new(5, "a cut journal reads differently"));
        }
        self.journal = readable;
        self.folded = RunState::fold(self.journal.iter().map(AsRef::as_ref));
        let owners = std::mem::take(&mut self.watch.owners);
        self.watch = Watch::replay(self.shape, self.tries.len(), &self.journal);
        self.watch.owners = owners.remember(self.shape, &self.folded);
        self.site.flights.clear();
        self.site.begun = [false; 2];
        self.site.locks.forgotten();
        self.say(|world| format!("   the journal ends after {} lines", world.journal.len()));
        Ok(())
    }
}
