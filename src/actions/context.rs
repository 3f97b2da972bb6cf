//! What an action gets to work with: the step, the hosts, and the one way to send a write.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::digest;
use crate::engine::{Confirmation, Fact, RunState};
use crate::error::Fault;
use crate::host::{Host, HostCommand, Hosts, Lane, Output, WriteError};
use crate::hypervisor::DriverFault;
use crate::names::{Attempt, HostName, RunId};
use crate::plan::Step;
use crate::runbook::model::{Mode, Runbook};

use super::link::{ActError, Link, Progress, Request};
use super::memo::Memo;
use super::room::Begun;

/// The state after a look that failed, where nothing was sent before it.
pub(super) const ONLY_LOOKED: &str = "nothing was changed by looking";
/// After these pauses a patient look is made again.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Everything an action of one attempt works with.
#[derive(Clone)]
pub struct Ctx {
    /// The run.
    pub run: RunId,
    /// How it is done.
    pub mode: Mode,
    /// The frozen runbook.
    pub runbook: Arc<Runbook>,
    /// The step.
    pub step: Arc<Step>,
    /// Its attempt.
    pub attempt: Attempt,
    /// The run as it stood when this action was started (facts, ops, earlier steps).
    pub state: Arc<RunState>,
    /// What a person confirmed, while acting.
    pub confirmation: Option<Confirmation>,
    /// For a failback of its own: how the run stood that it takes back.
    pub parent: Option<Arc<RunState>>,
    /// The hosts.
    pub hosts: Hosts,
    /// The run's clock.
    pub clock: Clock,
    /// The run's folder.
    pub run_dir: PathBuf,
    /// Restores that began while this console drives the run.
    pub begun: Begun,
    /// The way to the runner.
    pub link: Link,
    /// The host whose control session may be held by a command of this action: what is read there
    /// meanwhile goes beside it.
    pub beside: Option<HostName>,
    /// A host that replies with a trouble that passes by itself is asked again, twice.
    pub patient: bool,
    /// What was told within the look that this is for; `None` where each question is asked anew.
    pub memo: Option<Memo>,
}

/// Tells whether a write has reached its host.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent(Arc<AtomicBool>);

impl Sent {
    /// Whether the host has started it.
    pub fn has_started(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The host has started it.
    pub fn mark_started(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Ctx {
    /// Facts of the run, newest first, then those of the run that it takes back.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        super::place::facts_of(&self.state, self.parent.as_deref())
    }

    /// Facts of this run alone, oldest first, with those that this action has kept.
    pub(super) fn run_facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self
            .state
            .facts
            .iter()
            .map(|found| found.fact.clone())
            .collect();
        facts.extend(self.link.kept());
        facts
    }

    /// The facts of this step, those that it has just kept too.
    pub(super) fn step_facts(&self) -> Vec<Fact> {
        let all = self.state.facts.iter();
        let own = all.filter(|found| found.step.as_ref() == Some(&self.step.id));
        let mut facts: Vec<Fact> = own.map(|found| found.fact.clone()).collect();
        facts.extend(self.link.kept());
        facts
    }

    /// The first of this step's facts that `pick` takes.
    pub(super) fn own_fact<T>(&self, pick: impl Fn(&Fact) -> Option<T>) -> Option<T> {
        let mut own = self.state.facts.iter();
        own.find_map(|found| {
            let is_own = found.step.as_ref() == Some(&self.step.id);
            is_own.then(|| pick(&found.fact)).flatten()
        })
    }

    /// Keeps a fact unless this step has kept one that `is` takes for the same.
    ///
    /// # Errors
    /// [`ActError::Stale`] if the run no longer waits for this action.
    pub(super) async fn keep_once(
        &self,
        fact: Fact,
        is: impl Fn(&Fact) -> bool,
    ) -> Result<(), ActError> {
        let known = self.own_fact(|fact| is(fact).then_some(()));
        if known.is_some() || self.link.kept().iter().any(is) {
            return Ok(());
        }
        self.link.fact(fact).await
    }

    /// The host of that name.
    ///
    /// # Errors
    /// The run has no such host.
    pub(super) fn host(&self, name: &HostName) -> Result<Arc<Host>, Fault> {
        self.hosts.named(name)
    }

    /// The same while a `power.on` may hold the control session of a host for as long as its VM asks.
    pub(super) fn beside(&self, host: &HostName) -> Self {
        Self {
            beside: Some(host.clone()),
            ..self.clone()
        }
    }

    /// The same for looks on which much hangs: one reply that failed in passing decides nothing.
    pub(super) fn patient(&self) -> Self {
        Self {
            patient: true,
            ..self.clone()
        }
    }

    /// The same for one look: what it asks for in two places is sent for once.
    pub(super) fn looking(&self) -> Self {
        Self {
            memo: Some(Memo::default()),
            ..self.clone()
        }
    }

    /// What comes next is to be no older than now, whatever a host told within this look: lists that
    /// are held against each other.
    pub(super) fn forget(&self, host: &HostName) {
        if let Some(memo) = &self.memo {
            memo.forget(host);
        }
    }

    /// Sends a command that only looks, and reads its reply. `doing` is what a person reads when
    /// that fails: `reading the inventory`.
    ///
    /// # Errors
    /// The host could not be asked, or its reply is not to be believed.
    pub(super) async fn read<T>(
        &self,
        host: &HostName,
        lane: Lane,
        command: &HostCommand,
        parse: impl Fn(&Output) -> Result<T, DriverFault>,
        doing: &str,
    ) -> Result<T, Fault> {
        self.reply(host, lane, command, parse, doing).await?
    }

    /// As [`Ctx::read`], with a reply that is not to be believed told apart from none.
    ///
    /// # Errors
    /// No reply came.
    pub(super) async fn reply<T>(
        &self,
        host: &HostName,
        lane: Lane,
        command: &HostCommand,
        parse: impl Fn(&Output) -> Result<T, DriverFault>,
        doing: &str,
    ) -> Result<Result<T, Fault>, Fault> {
        let lane = match lane {
            Lane::Control if self.beside.as_ref() == Some(host) => Lane::Answer,
            lane => lane,
        };
        let target = self.host(host)?;
        let read = |output: &Output| {
            parse(output).map_err(|fault| fault.fault(doing, host.as_str(), ONLY_LOOKED))
        };
        let memo = self.memo.as_ref();
        if let Some(output) = memo.and_then(|memo| memo.told(host, command)) {
            return Ok(read(&output));
        }
        let pauses: &[Duration] = if self.patient { &AGAIN } else { &[] };
        let mut pauses = pauses.iter();
        let mut before = None;
        loop {
            let told = match target.read(lane, command).await {
                Ok(output) => {
                    let told = read(&output);
                    if let (Ok(_), Some(memo)) = (&told, memo) {
                        memo.keep(host, command, output);
                    }
                    told
                }
                // It did reply, and is not waited for a second time.
                Err(error) => {
                    return before.map_or_else(|| Err(error.fault(host)), |it| Ok(Err(it)));
                }
            };
            match (told, pauses.next()) {
                (Err(fault), Some(pause)) if fault.passing => {
                    before = Some(fault);
                    sleep(*pause).await;
                }
                (told, _) => return Ok(told),
            }
        }
    }

    /// Announces a write, sends it once that is on disk, and reports how it went. The only way in
    /// which an action sends a write.
    ///
    /// # Errors
    /// It did not leave, it was lost, or the run no longer waits for this action. An exit status of
    /// any value is no error here.
    pub(super) async fn write(
        &self,
        host: &HostName,
        lane: Lane,
        command: &HostCommand,
    ) -> Result<Output, ActError> {
        self.write_until(host, lane, command, |_| std::future::pending())
            .await
    }

    /// As [`Ctx::write`], but gives it up for lost when `enough` ends first; what that gives says
    /// why.
    ///
    /// # Errors
    /// As [`Ctx::write`].
    pub(super) async fn write_until<E>(
        &self,
        host: &HostName,
        lane: Lane,
        command: &HostCommand,
        enough: impl FnOnce(Sent) -> E,
    ) -> Result<Output, ActError>
    where
        E: Future<Output = Result<String, ActError>>,
    {
        let target = self.host(host)?;
        let intent = self.link.intend(host, command.line(), false).await?;
        let op = intent.op();
        let link = self.link.clone();
        let began = self.clock.now();
        let sent = Sent::default();
        let left = sent.clone();
        let started = move |pid| {
            left.mark_started();
            let _ = link.send(Request::Started { op, pid });
        };
        let result = tokio::select! {
            result = target.write(lane, command, intent, started) => result,
            why = enough(sent) => {
                // The session is dropped with the unfinished write.
                let why = why.unwrap_or_else(|error| format!("waiting for it ended: {error}"));
                self.link.send(Request::Lost { op, why })?;
                return Err(ActError::Lost);
            }
        };
        match result {
            Ok(output) => {
                self.link.send(Request::Finished {
                    op,
                    exit: output.status,
                    took_ms: self.millis_since(began),
                    output_sha256: Some(sum_of(&output)),
                })?;
                Ok(output)
            }
            Err(error) => {
                let why = error.to_string();
                match &error {
                    WriteError::NotSent(_) => self.link.send(Request::NotSent { op, why })?,
                    WriteError::Failed(_) => self.link.send(Request::Finished {
                        op,
                        exit: -1,
                        took_ms: self.millis_since(began),
                        output_sha256: None,
                    })?,
                    WriteError::Lost { .. } => {
                        self.link.send(Request::Lost { op, why })?;
                        return Err(ActError::Lost);
                    }
                }
                Err(ActError::Failed(error.fault(host)))
            }
        }
    }

    /// Sends a write and reads its reply, which by itself proves nothing.
    ///
    /// # Errors
    /// As [`Ctx::write`], and what the host complained about.
    pub(super) async fn order<T>(
        &self,
        host: &HostName,
        command: &HostCommand,
        parse: impl FnOnce(&Output) -> Result<T, DriverFault>,
        doing: &str,
    ) -> Result<T, ActError> {
        let output = self.write(host, Lane::Control, command).await?;
        parse(&output).map_err(|fault| {
            let state = format!("the command ended with status {}", output.status);
            ActError::Failed(fault.fault(doing, host.as_str(), state))
        })
    }

    /// Milliseconds from then to now.
    pub(super) fn millis_since(&self, began: Timestamp) -> u64 {
        u64::try_from(self.clock.now().duration_since(began).as_millis()).unwrap_or_default()
    }

    /// Tells what is going on.
    pub(super) fn doing(&self, what: impl Into<String>) {
        let progress = Progress {
            doing: what.into(),
            ..Progress::default()
        };
        let _ = self.link.send(Request::Progress(progress));
    }
}

/// SHA-256 of what it printed, stdout then stderr.
pub(super) fn sum_of(output: &Output) -> String {
    let mut sum = Sha256::new();
    sum.update(&output.stdout);
    sum.update(&output.stderr);
    digest::finish(sum)
}
