//! What actions do at the sites, one message at a time: look, ask for the licence to send, send, look
//! again. The world decides how each command fares.

use super::super::*;
use super::promises::{Broken, position};
use super::shapes::{HOSTS, Kind, asked};
use super::site::{Evidence, Flight, Site};
use super::{Mischief, World};
use crate::engine::{AttestRequest, Fact, Performed, Question, StopOutcome};
use crate::error::Fault;
use crate::names::OpId;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    Probe,
    Perform,
    Undo,
    Stop(OpId),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Begin,
    Want(u8),
    AwaitGrant(u64),
    Sent,
    Ask,
    AwaitAnswer,
    Outcome,
    Verify,
    AwaitKept(u64),
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
    /// The confirmation holds an attestation.
    vouched: bool,
    op: OpId,
    part: u8,
    fate: Fate,
}

impl Job {
    pub(super) fn new(step: usize, attempt: Attempt, task: Task, vouched: bool) -> Self {
        Self {
            step,
            attempt,
            task,
            stage: Stage::Begin,
            vouched,
            op: OpId(0),
            part: 0,
            fate: Fate::Good,
        }
    }

    pub(super) fn can_go_on(&self) -> bool {
        !matches!(
            self.stage,
            Stage::AwaitGrant(_) | Stage::AwaitAnswer | Stage::AwaitKept(_)
        )
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
            Stage::Begin => return Ok(self.look_first(job)),
            Stage::Want(part) => {
                job.part = part;
                self.ticket += 1;
                job.stage = Stage::AwaitGrant(self.ticket);
                let work = &self.shape.work[job.step];
                // Files are removed by commands like any other.
                let bulk = work.kind == Kind::Copy;
                let command = match &job.task {
                    Task::Stop(op) => format!("kill {op}"),
                    Task::Undo => format!("undo {part}"),
                    Task::Probe | Task::Perform => format!("do {part}"),
                };
                return Ok(Some(Input::WriteWanted {
                    step,
                    attempt,
                    ticket: self.ticket,
                    host: HOSTS[work.host].into(),
                    bulk: bulk && job.task == Task::Perform,
                    command,
                }));
            }
            Stage::Sent => {
                job.stage = Stage::Ask;
                if self.dice.one_in(2) && job.fate != Fate::NotSent {
                    return Ok(Some(Input::WriteStarted { op: job.op, pid: 7 }));
                }
            }
            Stage::Ask => {
                let asks = job.fate == Fate::Good && self.dice.one_in(8);
                job.stage = if asks {
                    Stage::AwaitAnswer
                } else {
                    Stage::Outcome
                };
                if asks && job.task == Task::Perform {
                    return Ok(Some(Input::Questioned {
                        step,
                        attempt,
                        question: self.question(),
                    }));
                }
                job.stage = Stage::Outcome;
            }
            Stage::Outcome => return self.outcome(job),
            Stage::Verify => {
                if job.task == Task::Undo {
                    // The file that late bulk data goes into was removed.
                    let (step, shape) = (job.step, self.shape);
                    self.site.flights.retain(|flight| {
                        flight.step != step || !flight.sets || shape.work[step].kind != Kind::Copy
                    });
                }
                let green = self.site.is_done(self.shape, job.step);
                job.stage = Stage::End(match (&job.task, green) {
                    (Task::Undo, _) if self.site.bits[job.step] == 0 => Performed::Undone {
                        evidence: vec!["not there".to_owned()],
                    },
                    (Task::Undo, _) | (_, false) => Performed::Failed(Fault::default()),
                    (_, true) => Performed::Done {
                        evidence: vec!["there".to_owned()],
                    },
                });
                if self.dice.one_in(3) {
                    self.ticket += 1;
                    let next = std::mem::replace(&mut job.stage, Stage::AwaitKept(self.ticket));
                    self.kept.insert(self.ticket, next);
                    let vm = "vm0".into();
                    return Ok(Some(Input::FactFound {
                        step,
                        attempt,
                        ticket: self.ticket,
                        fact: Fact::Serves { vm },
                    }));
                }
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
            Stage::AwaitGrant(_) | Stage::AwaitAnswer | Stage::AwaitKept(_) => {
                return Err(Broken::new(0, "the world is wrong: a waiting job went on"));
            }
        }
        Ok(None)
    }

    fn look_first(&mut self, job: &mut Job) -> Option<Input> {
        let step = self.shape.plan.steps[job.step].id.clone();
        let work = self.shape.work[job.step].clone();
        match job.task {
            Task::Probe => {
                let answer = if self.mischief(Mischief::Fail, 8) {
                    let fault = Fault::default();
                    Err(if self.dice.one_in(4) {
                        fault
                    } else {
                        fault.passing()
                    })
                } else {
                    Ok(self.answer(job.step, false))
                };
                return Some(Input::Probed {
                    step,
                    attempt: job.attempt,
                    answer,
                });
            }
            Task::Stop(op) => {
                job.stage = if self.mischief(Mischief::Unreachable, 5) {
                    Stage::StopEnd(Err(Fault::default()))
                } else if let Some(flight) = self.site.flight(op.0) {
                    if self.dice.one_in(4) {
                        // It ended by itself, without effect, before it was looked for.
                        self.site.flights.swap_remove(flight);
                        Stage::StopEnd(Ok(StopOutcome::Gone))
                    } else {
                        Stage::Want(0)
                    }
                } else {
                    Stage::StopEnd(Ok(StopOutcome::Gone))
                };
                return None;
            }
            Task::Perform | Task::Undo => {}
        }
        if self.mischief(Mischief::Fail, 20) {
            let fault = Fault::default();
            let remedies = vec!["retry".to_owned()];
            job.stage = Stage::End(match self.dice.roll(4) {
                0 => Performed::Held { fault, remedies },
                // A look was lost, no write.
                1 => Performed::Lost,
                _ => Performed::Failed(fault),
            });
            return None;
        }
        let bits = self.site.bits[job.step];
        let missing = match job.task {
            Task::Undo => bits,
            _ => Site::full(self.shape, job.step) & !bits,
        };
        let evidence = self.site.elsewhere[work.vm].look();
        let power_on = work.kind == Kind::PowerOn && job.task == Task::Perform;
        job.stage = if work.kind == Kind::Prompt {
            Stage::End(Performed::Done {
                evidence: vec!["declared".to_owned()],
            })
        } else if missing == 0
            && work.kind == Kind::Fence
            && !self.site.is_done(self.shape, job.step)
        {
            Stage::Want(0)
        } else if missing == 0 {
            Stage::Verify
        } else if power_on
            && (evidence == Evidence::Contradicts
                || (evidence == Evidence::Partial && !job.vouched))
        {
            Stage::End(Performed::Changed(Box::new(self.answer(job.step, true))))
        } else {
            Stage::Want(missing.trailing_zeros() as u8)
        };
        None
    }

    /// What a look at a step gives.
    fn answer(&mut self, step: usize, changed: bool) -> ProbeAnswer {
        let shape = self.shape;
        let work = &shape.work[step];
        if self.site.is_done(shape, step) {
            return already();
        }
        let mut answer = needed();
        let Verdict::Needed(proposal) = &mut answer.verdict else {
            return answer;
        };
        if matches!(work.kind, Kind::Prompt | Kind::Fence) || self.dice.one_in(5) {
            proposal.undo = None;
        }
        if work.kind == Kind::Prompt {
            proposal.ask = asked();
        }
        if work.kind == Kind::PowerOn {
            match self.site.elsewhere[work.vm].look() {
                Evidence::Whole => {}
                Evidence::Partial => {
                    proposal.attest = Some(AttestRequest {
                        vm: Some("vm".into()),
                        statement: "it does not run there".to_owned(),
                        evidence: Vec::new(),
                    });
                }
                Evidence::Contradicts => {
                    answer.verdict = Verdict::Blocked {
                        fault: Fault::default(),
                        remedies: vec!["fence it".to_owned()],
                    };
                }
            }
        } else if !changed && self.mischief(Mischief::Fail, 25) {
            answer.verdict = Verdict::Blocked {
                fault: Fault::default(),
                remedies: Vec::new(),
            };
        }
        answer
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
        let waits = |job: &&mut Job| job.stage == Stage::AwaitGrant(ticket);
        let Some(at) = self.jobs.iter_mut().position(|job| waits(&job)) else {
            // The action is gone: nothing leaves.
            let why = "its action had ended".to_owned();
            self.late.push(Input::WriteNotSent { op, why });
            return Ok(());
        };
        let mut job = self.jobs.swap_remove(at);
        job.op = op;
        job.stage = Stage::Sent;
        job.fate = self.fate();
        let sets = job.task == Task::Perform;
        if !matches!(job.task, Task::Stop(_)) {
            self.check_send(&job, sets)?;
        }
        if !matches!(job.task, Task::Stop(_))
            && matches!(job.fate, Fate::Good | Fate::BadDone | Fate::Lost | Fate::Panic)
            // A lost command may never have been started.
            && (job.fate == Fate::Good || !self.dice.one_in(4))
        {
            self.site.flights.push(Flight {
                op: op.0,
                step: job.step,
                part: job.part,
                sets,
                disowned: false,
            });
        }
        self.jobs.push(job);
        Ok(())
    }

    fn check_send(&self, job: &Job, sets: bool) -> Result<(), Broken> {
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
        let there = self.site.elsewhere[work.vm];
        if work.kind == Kind::PowerOn && sets && there.runs && !job.vouched {
            return Err(Broken::new(
                3,
                format!("step {} starts a VM that runs elsewhere", job.step),
            ));
        }
        Ok(())
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
        let landed = {
            let is_set = self.site.bits[job.step] & (1 << job.part) != 0;
            is_set == (job.task == Task::Perform)
        };
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
                job.stage = Stage::Verify;
                if good && job.task == Task::Perform {
                    let missing = Site::full(self.shape, job.step) & !self.site.bits[job.step];
                    if missing != 0 {
                        job.stage = Stage::Want(missing.trailing_zeros() as u8);
                    }
                } else if good && self.site.bits[job.step] != 0 {
                    job.stage = Stage::Want(self.site.bits[job.step].trailing_zeros() as u8);
                } else if !good && self.dice.one_in(2) {
                    job.stage = Stage::End(Performed::Failed(Fault::default()));
                }
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
                job.stage = Stage::End(Performed::Failed(Fault::default()));
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
