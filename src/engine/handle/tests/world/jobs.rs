//! What actions do at the sites, one message at a time: look, ask for the licence to send, send, look
//! again. The world decides how each command fares.

use std::collections::VecDeque;

use super::super::super::planted::ANSWER;
use super::super::*;
use super::promises::{Broken, position};
use super::shapes::{HOSTS, Kind, VMS};
use super::site::{Flight, Write};
use super::{Mischief, World};
use crate::engine::{Fact, Performed, Question, StopOutcome};
use crate::error::Fault;
use crate::names::OpId;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    Probe,
    Perform,
    Undo,
    Stop(OpId),
}

/// What an action has to do next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Keep a fact of the run.
    Keep(Fact),
    /// Send a command.
    Send(Write),
    /// Look whether what a command was to stop is off.
    SeeOff(Write),
    /// Things are no longer as they were shown.
    ShowAnew,
    /// See a start through that waits on its question.
    SeeThrough,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Begin,
    /// The next of the job's acts; after the last, what comes then.
    Do,
    AwaitGrant(u64),
    Sent,
    Ask,
    AwaitAnswer,
    /// The answer goes out as a write of its own, while the first is under way.
    Answer,
    AwaitAnswerGrant(u64),
    Answered(OpId),
    /// What was answered goes on; whether it came up is seen then.
    AwaitStart(OpId),
    Outcome,
    Verify,
    AwaitKept(u64),
    Found(Result<ProbeAnswer, Fault>),
    End(Performed),
    StopEnd(Result<StopOutcome, Fault>),
}

/// How a command fares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Good,
    /// Status 0 and nothing happened.
    Idle,
    Bad,
    /// A status other than 0, and yet it worked.
    BadDone,
    /// Lost; it may take effect at any time, unless it never started.
    Lost,
    NotSent,
    /// The action itself dies and tells nothing.
    Panic,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) step: usize,
    pub(super) attempt: Attempt,
    pub(super) task: Task,
    pub(super) stage: Stage,
    /// What was confirmed, while it acts.
    said: Option<Box<Confirmation>>,
    acts: VecDeque<Act>,
    then: Stage,
    op: OpId,
    write: Write,
    fate: Fate,
    /// What it started was begun before.
    sees_through: bool,
}

impl Job {
    pub(super) fn new(
        step: usize,
        attempt: Attempt,
        task: Task,
        said: Option<Box<Confirmation>>,
    ) -> Self {
        Self {
            step,
            attempt,
            task,
            stage: Stage::Begin,
            said,
            acts: VecDeque::new(),
            then: Stage::Verify,
            op: OpId(0),
            write: Write::Set(0),
            fate: Fate::Good,
            sees_through: false,
        }
    }

    /// Does these one after the other, and then that.
    fn go_on(&mut self, acts: impl IntoIterator<Item = Act>, then: Stage) {
        self.acts = acts.into_iter().collect();
        self.then = then;
        self.stage = Stage::Do;
    }

    pub(super) fn can_go_on(&self) -> bool {
        !matches!(
            self.stage,
            Stage::AwaitGrant(_)
                | Stage::AwaitAnswer
                | Stage::AwaitAnswerGrant(_)
                | Stage::AwaitKept(_)
        )
    }

    /// It waits for the licence to send.
    pub(super) fn awaits_grant(&self, ticket: u64) -> bool {
        self.stage == Stage::AwaitGrant(ticket) || self.stage == Stage::AwaitAnswerGrant(ticket)
    }
}

impl World {
    /// Lets one job go on until it has something to say; it is gone once it has reported its end.
    pub(super) fn work_on(&mut self, index: usize) -> Result<Input, Broken> {
        let mut job = self.jobs.swap_remove(index);
        let input = loop {
            if let Some(input) = self.work(&mut job)? {
                break input;
            }
        };
        let ended = matches!(
            input,
            Input::Probed { .. } | Input::Performed { .. } | Input::Stopped { .. }
        );
        if !ended {
            self.jobs.push(job);
        }
        Ok(input)
    }

    fn work(&mut self, job: &mut Job) -> Result<Option<Input>, Broken> {
        let step = self.shape.plan.steps[job.step].id.clone();
        let attempt = job.attempt;
        match job.stage.clone() {
            Stage::Begin => {
                if !matches!(job.task, Task::Stop(_)) {
                    self.site.wait_for_start(self.shape, job.step)?;
                }
                self.look_first(job);
            }
            Stage::Do => return Ok(self.act(job)),
            Stage::Sent => {
                job.stage = Stage::Ask;
                if self.dice.one_in(2) && job.fate != Fate::NotSent {
                    return Ok(Some(Input::WriteStarted { op: job.op, pid: 7 }));
                }
            }
            Stage::Ask => {
                let starts = self.shape.work[job.step].kind == Kind::PowerOn;
                let seldom = if starts { 2 } else { 8 };
                let asks = job.fate == Fate::Good && self.dice.one_in(seldom);
                job.stage = if asks {
                    Stage::AwaitAnswer
                } else {
                    Stage::Outcome
                };
                if asks && job.task == Task::Perform {
                    self.comes_to_its_question(job);
                    return Ok(Some(Input::Questioned {
                        step,
                        attempt,
                        question: self.question(),
                    }));
                }
                job.stage = Stage::Outcome;
            }
            Stage::Answer => {
                self.ticket += 1;
                job.stage = Stage::AwaitAnswerGrant(self.ticket);
                return Ok(Some(Input::WriteWanted {
                    step,
                    attempt,
                    ticket: self.ticket,
                    host: HOSTS[self.shape.work[job.step].host].into(),
                    bulk: false,
                    command: ANSWER.to_owned(),
                }));
            }
            Stage::Answered(op) => return Ok(Some(self.answered(job, op))),
            Stage::AwaitStart(op) => {
                if let Some(flight) = self.site.flight(op.0) {
                    self.site.land(self.shape, flight)?;
                }
                job.stage = Stage::Do;
            }
            Stage::Outcome => return self.outcome(job),
            Stage::Verify => self.verify(job),
            Stage::Found(answer) => {
                return Ok(Some(Input::Probed {
                    step,
                    attempt,
                    answer,
                }));
            }
            Stage::End(result) => {
                return Ok(Some(Input::Performed {
                    step,
                    attempt,
                    result,
                }));
            }
            Stage::StopEnd(outcome) => {
                let Task::Stop(op) = job.task else {
                    return Err(Broken::new(0, "the world is wrong: no stop"));
                };
                return Ok(Some(Input::Stopped {
                    step,
                    attempt,
                    op,
                    outcome,
                }));
            }
            Stage::AwaitGrant(_)
            | Stage::AwaitAnswer
            | Stage::AwaitAnswerGrant(_)
            | Stage::AwaitKept(_) => {
                return Err(Broken::new(0, "the world is wrong: a waiting job went on"));
            }
        }
        Ok(None)
    }

    /// The next thing to do; nothing is said where it goes on without.
    fn act(&mut self, job: &mut Job) -> Option<Input> {
        let step = self.shape.plan.steps[job.step].id.clone();
        let (attempt, work) = (job.attempt, &self.shape.work[job.step]);
        match job.acts.pop_front() {
            None => {
                job.stage = std::mem::replace(&mut job.then, Stage::Verify);
                None
            }
            // It was answered at its host, or is over.
            Some(Act::SeeThrough) if !self.site.begun[work.vm] => None,
            Some(Act::SeeThrough) => {
                (job.write, job.sees_through) = (Write::Set(0), true);
                job.stage = Stage::AwaitAnswer;
                Some(Input::Questioned {
                    step,
                    attempt,
                    question: self.question(),
                })
            }
            Some(Act::SeeOff(write)) => {
                let home = self.site.homes[work.vm];
                let unseen = write == Write::StopHome && home.dark;
                if unseen || !self.site.stands(self.shape, job.step, write) {
                    job.stage = Stage::End(Performed::Failed(Fault::default()));
                }
                None
            }
            Some(Act::ShowAnew) if job.task == Task::Undo => {
                job.stage = Stage::End(Performed::Held {
                    fault: Fault::default(),
                    remedies: vec!["retry".to_owned()],
                });
                None
            }
            Some(Act::ShowAnew) => {
                let seen = self.look(job.step, None);
                if matches!(seen.answer.verdict, Verdict::AlreadyDone { .. }) {
                    let evidence = vec!["there".to_owned()];
                    let end = Stage::End(Performed::Done { evidence });
                    job.go_on(seen.settle.into_iter().map(Act::Keep), end);
                } else {
                    job.stage = Stage::End(Performed::Changed(Box::new(seen.answer)));
                }
                None
            }
            Some(Act::Keep(fact)) => {
                self.ticket += 1;
                job.stage = Stage::AwaitKept(self.ticket);
                Some(Input::FactFound {
                    step,
                    attempt,
                    ticket: self.ticket,
                    fact,
                })
            }
            Some(Act::Send(write)) => {
                job.write = write;
                self.ticket += 1;
                job.stage = Stage::AwaitGrant(self.ticket);
                // Files are removed by commands like any other.
                let bulk = work.kind == Kind::Copy && matches!(write, Write::Set(_));
                let command = match (&job.task, write) {
                    (Task::Stop(op), _) => format!("kill {op}"),
                    // Taking back looks for itself.
                    (Task::Undo, Write::Lock(_) | Write::Break(..)) => "undo: lock".to_owned(),
                    (_, Write::Lock(_)) => "lock".to_owned(),
                    (_, Write::Break(owner, _)) => format!("break {owner:?}"),
                    (_, Write::Set(part)) => format!("do {part}"),
                    (_, Write::Clear(part)) => format!("undo {part}"),
                    (_, Write::Take(of, part)) => format!("take {part} of {of} back"),
                    (_, Write::StopHome) => "stop at home".to_owned(),
                    (_, Write::StopHere) => "stop here".to_owned(),
                };
                Some(Input::WriteWanted {
                    step,
                    attempt,
                    ticket: self.ticket,
                    host: HOSTS[work.host].into(),
                    bulk,
                    command,
                })
            }
        }
    }

    fn verify(&mut self, job: &mut Job) {
        if job.task == Task::Undo {
            // The file that late bulk data goes into was removed.
            let (step, shape) = (job.step, self.shape);
            self.site.flights.retain(|flight| {
                let bulk = shape.work[step].kind == Kind::Copy;
                flight.step != step || !matches!(flight.write, Write::Set(_)) || !bulk
            });
            job.stage = Stage::End(if self.site.is_gone(shape, step) {
                Performed::Undone {
                    evidence: vec!["not there".to_owned()],
                }
            } else {
                Performed::Failed(Fault::default())
            });
            return;
        }
        if self.mischief(Mischief::Unreachable, 12) {
            // It may have worked, and could not be looked at.
            job.stage = Stage::End(Performed::Failed(Fault::default().passing()));
            return;
        }
        let seen = self.look(job.step, job.said.as_deref());
        if !matches!(seen.answer.verdict, Verdict::AlreadyDone { .. }) {
            job.stage = Stage::End(Performed::Failed(Fault::default()));
            return;
        }
        let mut settle = seen.settle;
        if self.dice.one_in(6) {
            settle.push(Fact::Serves {
                vm: VMS[self.shape.work[job.step].vm].into(),
            });
        }
        let end = Performed::Done {
            evidence: vec!["there".to_owned()],
        };
        job.go_on(settle.into_iter().map(Act::Keep), Stage::End(end));
    }

    fn look_first(&mut self, job: &mut Job) {
        match job.task {
            Task::Probe if self.may_still_come(job.step) => {
                job.stage = Stage::Found(Err(Fault::default()));
            }
            Task::Perform if self.may_still_come(job.step) => {
                job.stage = Stage::End(Performed::Failed(Fault::default()));
            }
            Task::Probe if self.mischief(Mischief::Fail, 8) => {
                let fault = Fault::default();
                let passes = !self.dice.one_in(4);
                job.stage = Stage::Found(Err(if passes { fault.passing() } else { fault }));
            }
            Task::Probe => {
                let seen = self.look(job.step, None);
                let settle = seen.settle.into_iter().map(Act::Keep);
                job.go_on(settle, Stage::Found(Ok(seen.answer)));
            }
            Task::Stop(op) => self.look_for_lost(job, op),
            Task::Perform | Task::Undo if self.mischief(Mischief::Fail, 20) => {
                let fault = Fault::default();
                let remedies = vec!["retry".to_owned()];
                job.stage = Stage::End(match self.dice.roll(4) {
                    0 => Performed::Held { fault, remedies },
                    // A look was lost, no write.
                    1 => Performed::Lost,
                    2 => Performed::Failed(fault.passing()),
                    _ => Performed::Failed(fault),
                });
            }
            Task::Perform => self.look_again(job),
            Task::Undo => {
                let parts = self.site.standing(self.shape, job.step);
                let mut acts: Vec<Act> = parts.map(|part| Act::Send(Write::Clear(part))).collect();
                let work = &self.shape.work[job.step];
                if work.kind == Kind::PowerOn && self.site.bits[job.step] & 1 == 1 {
                    acts.push(Act::Keep(self.stopped(work.vm, HOSTS[work.host])));
                }
                match self.hold(work.vm) {
                    Some(locks) => job.go_on(locks.into_iter().chain(acts), Stage::Verify),
                    None => {
                        job.stage = Stage::End(Performed::Held {
                            fault: Fault::default(),
                            remedies: vec!["retry".to_owned()],
                        });
                    }
                }
            }
        }
    }

    fn look_for_lost(&mut self, job: &mut Job, op: OpId) {
        job.stage = if self.mischief(Mischief::Unreachable, 5) {
            Stage::StopEnd(Err(Fault::default()))
        } else if let Some(flight) = self.site.flight(op.0) {
            if self.dice.one_in(4) {
                // It ended by itself, without effect, before it was looked for.
                self.site.flights.swap_remove(flight);
                Stage::StopEnd(Ok(StopOutcome::Gone))
            } else {
                return job.go_on([Act::Send(job.write)], Stage::Verify);
            }
        } else {
            Stage::StopEnd(Ok(StopOutcome::Gone))
        };
    }

    /// Looks again and acts if things are as confirmed.
    fn look_again(&mut self, job: &mut Job) {
        let said = job.said.clone();
        let mut seen = self.look(job.step, said.as_deref());
        let id = &self.shape.plan.steps[job.step].id;
        let known = self.folded.steps.get(id);
        let shown = known.and_then(|step| step.proposal.as_deref());
        let as_confirmed = shown.zip(said).is_some_and(|(shown, said)| {
            seen.proposal().is_none_or(|now| {
                now.then == shown.then
                    && (now.typed.is_none() || now.typed == said.typed)
                    && (now.attest.is_none() || said.attest.is_some())
            })
        });
        let done = Performed::Done {
            evidence: vec!["as it is to be".to_owned()],
        };
        match &seen.answer.verdict {
            Verdict::AlreadyDone { .. } => {
                job.go_on(seen.settle.into_iter().map(Act::Keep), Stage::End(done));
            }
            Verdict::Needed(_) if as_confirmed => {
                let prompt = matches!(self.shape.work[job.step].kind, Kind::Prompt | Kind::Agree);
                let then = if prompt {
                    Stage::End(done)
                } else {
                    Stage::Verify
                };
                job.go_on(seen.acts, then);
            }
            Verdict::Needed(_) | Verdict::Blocked { .. } => {
                job.stage = Stage::End(Performed::Changed(Box::new(seen.answer)));
            }
        }
    }

    fn question(&mut self) -> Question {
        let choices = vec!["I Moved It".to_owned(), "I Copied It".to_owned()];
        Question {
            vm: Some("vm0".into()),
            host: HOSTS[1].into(),
            id: "1".to_owned(),
            text: "Moved or copied?".to_owned(),
            suggested: self.dice.one_in(2).then(|| choices[0].clone()),
            choices,
            why: None,
        }
    }

    /// A write leaves: its intent is on disk, and nothing of it is under way.
    pub(super) fn send(&mut self, ticket: u64, op: OpId) -> Result<(), Broken> {
        self.watch.leaves(&self.journal, op)?;
        if let Some(closer) = self.closer.as_mut().filter(|it| it.waits_for_grant(ticket)) {
            if let Some(vm) = closer.sends(op) {
                self.site.locks.releasing(vm);
            }
            return Ok(());
        }
        let Some(at) = self.jobs.iter().position(|job| job.awaits_grant(ticket)) else {
            // The action is gone: nothing leaves.
            let why = "its action had ended".to_owned();
            self.late.push(Input::WriteNotSent { op, why });
            return Ok(());
        };
        if self.jobs[at].stage == Stage::AwaitAnswerGrant(ticket) {
            self.jobs[at].stage = Stage::Answered(op);
            return self.check_start(&self.jobs[at]);
        }
        let mut job = self.jobs.swap_remove(at);
        job.op = op;
        job.stage = Stage::Sent;
        job.fate = self.fate();
        if !matches!(job.task, Task::Stop(_)) {
            self.check_send(&job)?;
            if !job.write.is_about_lock() {
                self.site.locks.sends(self.shape.work[job.step].vm)?;
            }
        }
        if !matches!(job.task, Task::Stop(_))
            && matches!(job.fate, Fate::Good | Fate::BadDone | Fate::Lost | Fate::Panic)
            // A lost command may never have been started.
            && (job.fate == Fate::Good || !self.dice.one_in(4))
        {
            self.site.flights.push(Flight {
                op: op.0,
                step: job.step,
                write: job.write,
                disowned: false,
                told: false,
            });
        }
        self.jobs.push(job);
        Ok(())
    }

    fn check_send(&self, job: &Job) -> Result<(), Broken> {
        let work = &self.shape.work[job.step];
        let under_way =
            self.site.flights.iter().any(|flight| {
                flight.step == job.step && !flight.disowned && work.kind != Kind::Copy
            });
        if under_way {
            return Err(Broken::new(
                5,
                format!("step {} is sent while a write of it is under way", job.step),
            ));
        }
        let starts = work.kind == Kind::PowerOn && job.write == Write::Set(0);
        if starts && self.site.begun[work.vm] {
            let how = format!(
                "step {} is sent while its start waits on a question",
                job.step
            );
            return Err(Broken::new(5, how));
        }
        self.check_start(job)
    }

    /// The start that it sent waits on its question from now on, whoever is there to answer.
    fn comes_to_its_question(&mut self, job: &Job) {
        let starts = self.shape.work[job.step].kind == Kind::PowerOn;
        let flight = self.site.flight(job.op.0);
        if let Some(flight) = flight.filter(|_| starts && job.write == Write::Set(0)) {
            self.site.asks(self.shape, flight);
        }
    }

    /// The answer to a VM's question lets its start go on, and is one as well.
    fn check_start(&self, job: &Job) -> Result<(), Broken> {
        let work = &self.shape.work[job.step];
        if work.kind == Kind::PowerOn && job.write == Write::Set(0) {
            self.watch.owners.starts(&self.folded, work.vm)?;
        }
        Ok(())
    }

    /// Where the answer is lost, nobody knows what the first write does.
    fn answered(&mut self, job: &mut Job, op: OpId) -> Input {
        let lost = self.mischief(Mischief::Lost, 8);
        let waits = self.site.is_begun(self.shape, job.step);
        if waits && (!lost || self.dice.one_in(2)) {
            let sent = if job.sees_through || lost { op } else { job.op };
            self.site.goes_on(self.shape, job.step, sent.0);
        }
        if lost {
            job.stage = Stage::End(Performed::Lost);
            let why = "cut".to_owned();
            return Input::WriteLost { op, why };
        }
        if std::mem::take(&mut job.sees_through) {
            self.coverage.seen_through += 1;
            job.stage = Stage::AwaitStart(op);
        } else {
            job.stage = Stage::Outcome;
        }
        Input::WriteFinished {
            op,
            exit: 0,
            took_ms: 1,
            output_sha256: None,
        }
    }

    fn fate(&mut self) -> Fate {
        if self.mischief(Mischief::Lost, 4) {
            return Fate::Lost;
        }
        if self.mischief(Mischief::Panic, 30) {
            return Fate::Panic;
        }
        if !self.mischief(Mischief::Fail, 5) {
            return Fate::Good;
        }
        [Fate::Bad, Fate::BadDone, Fate::Idle, Fate::NotSent][self.dice.below(4)]
    }

    fn outcome(&mut self, job: &mut Job) -> Result<Option<Input>, Broken> {
        let op = job.op;
        let flight = self.site.flight(op.0);
        let finished = |exit| Input::WriteFinished {
            op,
            exit,
            took_ms: 1,
            output_sha256: None,
        };
        if let Task::Stop(victim) = job.task {
            let known = matches!(
                job.fate,
                Fate::Good | Fate::Idle | Fate::Bad | Fate::BadDone
            );
            if (known || self.dice.one_in(2))
                && let Some(ghost) = self.site.flight(victim.0)
            {
                self.site.flights.swap_remove(ghost);
            }
            job.stage = Stage::StopEnd(if known {
                Ok(StopOutcome::Killed)
            } else {
                Err(Fault::default().passing())
            });
            return Ok(match job.fate {
                Fate::Panic => None,
                Fate::Lost => Some(Input::WriteLost {
                    op,
                    why: "cut".to_owned(),
                }),
                Fate::NotSent => Some(Input::WriteNotSent {
                    op,
                    why: "no session".to_owned(),
                }),
                _ => Some(finished(0)),
            });
        }
        let landed = self.site.stands(self.shape, job.step, job.write);
        match job.fate {
            Fate::Good | Fate::BadDone => {
                if let Some(flight) = flight {
                    self.site.land(self.shape, flight)?;
                } else if !landed && job.fate == Fate::Good {
                    // Its host went down under it.
                    job.stage = Stage::End(Performed::Lost);
                    return Ok(Some(Input::WriteLost {
                        op,
                        why: "reboot".to_owned(),
                    }));
                }
                let good = job.fate == Fate::Good;
                if job.write.is_about_lock() && !self.site.stands(self.shape, job.step, job.write) {
                    // Somebody was faster.
                    job.acts = VecDeque::from([Act::ShowAnew]);
                }
                job.stage = if good {
                    Stage::Do
                } else if self.dice.one_in(2) {
                    Stage::End(Performed::Failed(Fault::default()))
                } else {
                    Stage::Verify
                };
                Ok(Some(finished(i32::from(!good))))
            }
            Fate::Idle => {
                job.stage = Stage::Verify;
                Ok(Some(finished(0)))
            }
            Fate::Bad => {
                job.stage = Stage::End(Performed::Failed(Fault::default()));
                Ok(Some(finished(1)))
            }
            Fate::NotSent => {
                job.stage = Stage::End(Performed::Failed(Fault::default().passing()));
                Ok(Some(Input::WriteNotSent {
                    op,
                    why: "no session".to_owned(),
                }))
            }
            Fate::Lost => {
                job.stage = Stage::End(Performed::Lost);
                Ok(Some(Input::WriteLost {
                    op,
                    why: "cut".to_owned(),
                }))
            }
            Fate::Panic => {
                job.stage = Stage::End(Performed::Failed(Fault::default()));
                Ok(None)
            }
        }
    }

    /// The steps's actions end; what one of them had said already may still arrive.
    pub(super) fn cancel(&mut self, step: &StepId) -> Result<(), Broken> {
        let Some(index) = position(self.shape, step) else {
            return Ok(());
        };
        while let Some(at) = self.jobs.iter().position(|job| job.step == index) {
            if self.jobs[at].can_go_on() && self.dice.one_in(2) {
                let said = self.work_on(at)?;
                self.late.push(said);
                if let Some(at) = self.jobs.iter().position(|job| job.step == index) {
                    self.jobs.swap_remove(at);
                }
            } else {
                self.jobs.swap_remove(at);
            }
        }
        Ok(())
    }
}
