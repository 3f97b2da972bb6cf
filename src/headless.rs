//! A run without a terminal: its events as plain lines, its asks answered from what was given before.
//!
//! Nothing here waits for a person. What has no answer is remembered and left; the rest of the run
//! goes on as far as it can, then the console leaves, and the run can be resumed.

mod lines;
mod replies;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::engine::{Entry, OperatorInput, Question, RunEvent, RunState, Status};
use crate::error::Fault;
use crate::host::where_its_key_is_read;
use crate::names::{Attempt, StepId};
use crate::runner::{Live, RunHandle, Update};
use crate::telemetry::RefusedKey;

use lines::Printer;
pub use replies::{Replies, Reply, StepAnswer};

/// How a headless run came to its end.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that is on disk of it.
    pub entries: Vec<Arc<Entry>>,
    /// Their fold.
    pub state: RunState,
    /// Steps whose answer was missing, and what they lack.
    pub unanswered: BTreeMap<StepId, String>,
    /// The hash of the journal's last line.
    pub head: String,
    /// Why the run stopped, where that was not on purpose.
    pub fault: Option<Fault>,
}

/// Walks the run to its end, or as far as the answers lead.
///
/// `out` gets a line for each event; whether anybody reads them makes no difference to the run. An
/// interrupt or a termination request makes the console leave; a second one at once.
///
/// # Errors
/// If signals cannot be listened for; the run has not been touched then.
pub async fn walk(
    handle: RunHandle,
    replies: Replies,
    out: &mut (dyn Write + Send),
) -> std::io::Result<Outcome> {
    let interrupts = Interrupts::listen()?;
    Ok(Walk::new(handle, replies, out, Clock::system())
        .follow(interrupts)
        .await)
}

/// Prints a run that another console drives, or that is over, as it goes on; decides nothing.
/// An interrupt ends it: [`Outcome::state`] is then as far as was read.
///
/// # Errors
/// If signals cannot be listened for.
pub async fn watch(
    mut handle: RunHandle,
    out: &mut (dyn Write + Send),
) -> std::io::Result<Outcome> {
    let mut interrupts = Interrupts::listen()?;
    let past = std::mem::take(&mut handle.past);
    let replies = Replies::default();
    let mut watch = Walk::new(handle, replies, out, Clock::system());
    for entry in past {
        watch.shown(entry);
    }
    loop {
        let update = tokio::select! {
            biased;
            _ = interrupts.next() => return Ok(watch.ended(String::new(), None)),
            update = watch.handle.updates.recv() => update,
        };
        match update {
            Some(Update::Entry(entry)) => watch.shown(entry),
            Some(Update::Live(_) | Update::Stuck { .. }) => {}
            Some(Update::Ended { head, fault }) => return Ok(watch.ended(head, fault)),
            None => return Ok(watch.ended(String::new(), None)),
        }
    }
}

/// What the operating system may send.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted (SIGINT)",
            _ = self.terminate.recv() => "asked to end (SIGTERM)",
            _ = self.hang_up.recv() => "the terminal went away (SIGHUP)",
        }
    }
}

struct Walk<'o> {
    handle: RunHandle,
    replies: Replies,
    printer: Printer<'o>,
    entries: Vec<Arc<Entry>>,
    state: RunState,
    unanswered: BTreeMap<StepId, String>,
    leaving: bool,
    clock: Clock,
    /// What the clock showed when the last entry came.
    heard: Timestamp,
}

impl<'o> Walk<'o> {
    fn new(
        handle: RunHandle,
        replies: Replies,
        out: &'o mut (dyn Write + Send),
        clock: Clock,
    ) -> Self {
        let entries = handle.past.clone();
        let state = RunState::fold(entries.iter().map(AsRef::as_ref));
        let printer = Printer::new(out, state.started);
        Self {
            handle,
            replies,
            printer,
            entries,
            state,
            unanswered: BTreeMap::new(),
            leaving: false,
            heard: clock.now(),
            clock,
        }
    }

    /// The time for what is in no entry: the last one's, and what has passed since it came.
    fn now(&self) -> Option<Timestamp> {
        let since = self.clock.now().duration_since(self.heard);
        let last = self.state.last_at?;
        Some(last.checked_add(since).unwrap_or(last))
    }

    async fn follow(mut self, mut interrupts: Interrupts) -> Outcome {
        // Whoever starts a console again wants the run to go on, paused or not.
        if self.state.paused {
            let by = self.replies.operator.clone();
            self.send(OperatorInput::Continue { by });
        }
        loop {
            let update = tokio::select! {
                biased;
                why = interrupts.next() => {
                    if self.leaving {
                        return self.ended(String::new(), None);
                    }
                    self.leave(why);
                    continue;
                }
                update = self.handle.updates.recv() => update,
            };
            match update {
                Some(Update::Entry(entry)) => self.entry(entry),
                Some(Update::Live(live)) => self.live(&live),
                Some(Update::Stuck { waiting }) => self.stuck(&waiting),
                Some(Update::Ended { head, fault }) => return self.ended(head, fault),
                None => {
                    let fault = Fault::new(
                        "the run's task ended without a word",
                        self.handle.run.as_str(),
                        "everything recorded is kept",
                        format!(
                            "look into the log, then `lifeboat resume {}`",
                            self.handle.run
                        ),
                    );
                    return self.ended(String::new(), Some(fault));
                }
            }
        }
    }

    fn ended(self, head: String, fault: Option<Fault>) -> Outcome {
        Outcome {
            entries: self.entries,
            state: self.state,
            unanswered: self.unanswered,
            head,
            fault,
        }
    }

    fn send(&self, input: OperatorInput) {
        // A runner that is gone says so with its last update.
        let _ = self.handle.inputs.send(input);
    }

    fn leave(&mut self, why: &str) {
        if !self.leaving {
            self.leaving = true;
            self.printer
                .say(self.now(), None, &format!("leaving: {why}"));
            self.send(OperatorInput::Detach {
                why: why.to_owned(),
            });
        }
    }

    fn shown(&mut self, entry: Arc<Entry>) {
        self.state.apply(&entry);
        self.heard = self.clock.now();
        self.printer.entry(&entry);
        self.entries.push(entry);
    }

    fn entry(&mut self, entry: Arc<Entry>) {
        self.shown(Arc::clone(&entry));
        let Some(id) = &entry.step else { return };
        match &entry.event {
            RunEvent::ProbeAnswered(_) if self.state.status(id) == Status::Asking => {
                self.answer_step(id, entry.attempt.unwrap_or_default());
            }
            RunEvent::QuestionAsked(question) => {
                let attempt = entry.attempt.unwrap_or_default();
                let reply = match self.replies.to_question(id, question) {
                    Reply::Given((label, ..)) if self.comes_again(&entry, question) => {
                        let choices = question.choices.join(", ");
                        Reply::Missing(format!(
                            "{} was answered with {label} and asks it again: choose one of {choices} at a terminal \
                             (lifeboat resume without --headless), or mend what it asks about",
                            question.asker()
                        ))
                    }
                    reply => reply,
                };
                match reply {
                    Reply::Given((label, by, how)) => self.send(OperatorInput::AnswerQuestion {
                        step: id.clone(),
                        attempt,
                        label,
                        by,
                        how,
                    }),
                    Reply::Missing(lacks) => self.no_answer(id, lacks),
                }
            }
            RunEvent::ResponseRefused { .. } => {
                let lacks = "the second person's answer to the challenge was refused";
                self.no_answer(id, lacks.to_owned());
            }
            RunEvent::StepConfirmed(_)
            | RunEvent::StepDeclined(_)
            | RunEvent::StepSkipped { .. }
            | RunEvent::StepByHand { .. }
            | RunEvent::QuestionAnswered { .. } => {
                self.unanswered.remove(id);
            }
            _ => {}
        }
    }

    /// Whether somebody's answer to this question, which is not a known one, brought it up again: to
    /// give it once more by rule might go on for ever.
    fn comes_again(&self, asks: &Entry, question: &Question) -> bool {
        let attempt = self.entries.iter().filter(|entry| {
            (&entry.step, entry.attempt) == (&asks.step, asks.attempt) && entry.seq < asks.seq
        });
        question.suggested.is_none()
            && attempt
                .skip_while(|entry| {
                    !matches!(&entry.event, RunEvent::QuestionAsked(asked) if asked.text == question.text)
                })
                .any(|entry| matches!(entry.event, RunEvent::QuestionAnswered { .. }))
    }

    fn answer_step(&mut self, id: &StepId, attempt: Attempt) {
        let Some(step) = self.handle.plan.step(id) else {
            return;
        };
        let Some(proposal) = self
            .state
            .steps
            .get(id)
            .and_then(|step| step.proposal.as_deref())
        else {
            return;
        };
        match self.replies.to_step(step, proposal) {
            Reply::Given(confirmation) => self.send(OperatorInput::Confirm {
                step: id.clone(),
                attempt,
                confirmation,
            }),
            Reply::Missing(lacks) => self.no_answer(id, lacks),
        }
    }

    fn no_answer(&mut self, id: &StepId, lacks: String) {
        self.printer.say(
            self.now(),
            Some(id),
            &format!("no answer was given: {lacks}"),
        );
        self.unanswered.insert(id.clone(), lacks);
        self.send(OperatorInput::NoAnswer { step: id.clone() });
    }

    fn live(&mut self, live: &Live) {
        let now = self.now();
        match live {
            Live::Progress { step, progress } => self.printer.progress(now, step, progress),
            Live::HostKey(RefusedKey {
                host,
                key_type,
                shown,
                known,
            }) => {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                let driver = self.handle.runbook.hosts.get(host).map(|host| host.driver);
                self.printer.say(now, None, &format!(
                    "{host} showed the host key {key_type} {shown}; known: {known}. It is refused. To go on, {}; then pin it ({}), or accept it at a terminal.",
                    where_its_key_is_read(driver),
                    if driver.is_some() { "host_key in the runbook" } else { "known_hosts" },
                ));
            }
            Live::Banner(text) => self.printer.say(now, None, text),
            Live::Output { .. } | Live::Sent { .. } | Live::CommandEnded { .. } | Live::Host(_) => {
            }
        }
    }

    /// Nothing goes on without a decision, and there is nobody to make one. What failed was said
    /// when it did.
    fn stuck(&mut self, waiting: &[StepId]) {
        let waiting: Vec<&str> = waiting.iter().map(StepId::as_str).collect();
        self.leave(&format!(
            "nothing more can go on without a decision on {}",
            if waiting.is_empty() {
                "the run".to_owned()
            } else {
                waiting.join(", ")
            }
        ));
    }
}
