//! The task that owns the engine and the journal.

mod ending;
mod last_look;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::actions::Request;
use crate::engine::{BY_RULE, Effect, Engine, Entry, Input, OperatorInput, RunEvent, RunState};
use crate::error::Fault;
use crate::host::{self, Lane, LiveOutput, OutputEvent};
use crate::journal::{Intent, Journal, JournalError};
use crate::names::{Attempt, HostName, StepId};
use crate::plan::Step;
use crate::telemetry::{self, HostFigures, Panes};

use super::handle::{Live, Update};
use super::launch::Launch;
use super::polls;
use super::spool::Spool;
use super::tasks::{Job, Tasks, spawn};
use last_look::LastLook;

/// What reaches the task.
#[derive(Debug)]
pub(super) enum Message {
    /// For the engine, as it stands.
    Input(Input),
    /// An action asks for something.
    Request {
        step: StepId,
        attempt: Attempt,
        request: Request,
    },
    /// For the screen and the spool.
    Live(Live),
    /// The last look that began then has had its time.
    LookedEnough(Timestamp),
}

/// Why the task stops.
pub(super) enum Stop {
    /// The engine ordered it.
    Left,
    /// The journal cannot be written.
    Journal(JournalError),
}

impl Stop {
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Left => Fault::default(),
            Self::Journal(error) => error.fault(),
        }
    }
}

/// An action that waits for its line to be on disk.
enum Waiting {
    Intent(oneshot::Sender<Intent>),
    Fact(oneshot::Sender<()>),
}

/// Engine, journal and whatever is under way.
pub(super) struct Carrier {
    launch: Arc<Launch>,
    engine: Engine,
    journal: Journal,
    spool: Spool,
    updates: mpsc::UnboundedSender<Update>,
    inbox: mpsc::UnboundedSender<Message>,
    messages: Option<mpsc::UnboundedReceiver<Message>>,
    next_ticket: u64,
    waiting: HashMap<u64, Waiting>,
    asking: HashMap<(StepId, Attempt), oneshot::Sender<String>>,
    running: Tasks,
    last: Option<Arc<Entry>>,
    stuck: Option<Vec<StepId>>,
    refused: HashMap<HostName, String>,
    panes: Option<Panes>,
    /// Hosts whose last poll told what runs there.
    seen: BTreeSet<HostName>,
    last_look: Option<LastLook>,
}

impl Carrier {
    pub(super) fn new(
        launch: Launch,
        engine: Engine,
        journal: Journal,
        spool: Spool,
        updates: mpsc::UnboundedSender<Update>,
    ) -> Self {
        let (inbox, messages) = mpsc::unbounded_channel();
        Self {
            launch: Arc::new(launch),
            engine,
            journal,
            spool,
            updates,
            inbox,
            messages: Some(messages),
            next_ticket: 1,
            waiting: HashMap::new(),
            asking: HashMap::new(),
            running: Tasks::default(),
            last: None,
            stuck: None,
            refused: HashMap::new(),
            panes: None,
            seen: BTreeSet::new(),
            last_look: None,
        }
    }

    /// Runs until the engine leaves, the journal fails or the last screen is gone.
    pub(super) async fn run(mut self, mut decisions: mpsc::UnboundedReceiver<OperatorInput>) {
        let Some(mut messages) = self.messages.take() else {
            return;
        };
        self.listen_to_hosts();
        self.panes = Some(telemetry::watch(
            &self.launch.hosts,
            &self.launch.runbook,
            &self.launch.clock,
            {
                let inbox = self.inbox.clone();
                move |figures| {
                    let _ = inbox.send(Message::Live(Live::Host(Box::new(figures))));
                }
            },
        ));
        let mut stop = self.settled().err();
        while stop.is_none() {
            let message = tokio::select! {
                biased;
                decision = decisions.recv() => match decision {
                    Some(decision) => Message::Input(Input::Operator(decision)),
                    None => Message::Input(Input::Operator(OperatorInput::Detach {
                        why: "the screen is gone".to_owned(),
                    })),
                },
                Some(message) = messages.recv() => message,
            };
            stop = self.message(message).err();
        }
        self.running.end_all();
        self.panes = None;
        let fault = match &stop {
            Some(Stop::Left) | None => None,
            Some(stop @ Stop::Journal(_)) => Some(stop.fault()),
        };
        let head = self.journal.head().to_owned();
        self.launch.hosts.close().await;
        drop(self.journal);
        let _ = self.updates.send(Update::Ended { head, fault });
    }

    /// What the run's commands print goes to the screen and the spool; the panes' polls do not, nor
    /// do the sums by which a transfer compares: a disk has a million of them.
    fn listen_to_hosts(&self) {
        let inbox = self.inbox.clone();
        self.launch
            .hosts
            .set_output_sink(Arc::new(move |event: OutputEvent| {
                if event.lane == Lane::Telemetry {
                    return;
                }
                let sums =
                    matches!(event.lane, Lane::Transfer(_)) && event.effect == host::Effect::Read;
                if sums && matches!(event.what, LiveOutput::Line { .. }) {
                    return;
                }
                let host = event.host;
                let live = match event.what {
                    LiveOutput::Sent => Live::Sent {
                        host,
                        command: event.command.to_string(),
                        write: event.effect == host::Effect::Write,
                    },
                    LiveOutput::Line { text, .. } => Live::Output {
                        host,
                        line: text,
                        replaces: false,
                    },
                    LiveOutput::Progress { text, .. } => Live::Output {
                        host,
                        line: text,
                        replaces: true,
                    },
                    LiveOutput::Ended { status } => Live::CommandEnded { host, status },
                };
                let _ = inbox.send(Message::Live(live));
            }));
    }

    fn message(&mut self, message: Message) -> Result<(), Stop> {
        match message {
            Message::Input(input) => self.take(input)?,
            Message::Request {
                step,
                attempt,
                request,
            } => self.request(step, attempt, request)?,
            Message::Live(live) => {
                if !self.live(live)? {
                    return Ok(());
                }
            }
            Message::LookedEnough(since) => {
                let look = self.last_look.as_ref();
                if look.is_some_and(|look| look.since == since) {
                    self.looked();
                }
            }
        }
        self.settled()
    }

    /// Passes on what is for the screen; whether it was for the engine, too.
    fn live(&mut self, live: Live) -> Result<bool, Stop> {
        let mut figures = None;
        if let Live::Host(polled) = &live {
            self.show_refused_key(polled);
            figures = Some(polled.clone());
        }
        self.spool.keep(&live);
        let _ = self.updates.send(Update::Live(live));
        let Some(figures) = figures else {
            return Ok(false);
        };
        let seen = polls::seen(&self.launch.runbook, self.engine.state(), &figures);
        let is_seen = seen.is_some();
        if let Some(seen) = seen {
            self.take(seen.into())?;
        }
        self.polled(&figures);
        Ok(is_seen)
    }

    /// Shows a refused host key once; the panes ask every host, so they meet it first.
    fn show_refused_key(&mut self, figures: &HostFigures) {
        let Some(key) = &figures.refused_key else {
            self.refused.remove(&figures.host);
            return;
        };
        if self
            .refused
            .insert(figures.host.clone(), key.shown.clone())
            .as_ref()
            != Some(&key.shown)
        {
            let key = Live::HostKey(key.clone());
            let _ = self.updates.send(Update::Live(key));
        }
    }

    /// Hands an input to the engine and carries its effects out, strictly in order. Whatever hosts
    /// and people said is cleaned here, before anything is kept or shown of it.
    pub(super) fn take(&mut self, input: Input) -> Result<(), Stop> {
        let input = input.cleaned(&|text| self.launch.hosts.clean(text));
        let now = self.launch.clock.now();
        for effect in self.engine.handle(now, input) {
            self.carry(effect)?;
        }
        Ok(())
    }

    /// Says so, once, when nothing can go on without a decision.
    fn settled(&mut self) -> Result<(), Stop> {
        let stuck = self.engine.stuck();
        if let Some(waiting) = stuck.clone().filter(|_| stuck != self.stuck) {
            let _ = self.updates.send(Update::Stuck { waiting });
        }
        self.stuck = stuck;
        Ok(())
    }

    fn carry(&mut self, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Record(entry) => {
                self.journal.append(&entry).map_err(Stop::Journal)?;
                if let RunEvent::HostTrusted {
                    host, fingerprint, ..
                } = &entry.event
                {
                    self.launch.hosts.trust_for_run(host, fingerprint);
                }
                self.let_in_again(&entry);
                let _ = self.updates.send(Update::Entry(Arc::clone(&entry)));
                self.last = Some(entry);
            }
            Effect::Probe { step, attempt } => self.start(Job::Probe, step, attempt),
            Effect::Start { step, attempt } => self.start(Job::Perform, step, attempt),
            Effect::Undo { step, attempt } => self.start(Job::Undo, step, attempt),
            Effect::StopLost { step, attempt, op } => {
                let patience = self.launch.settings.unseen;
                self.start(Job::StopLost(op, patience), step, attempt);
            }
            Effect::Grant { ticket, .. } => {
                let intent = self
                    .last
                    .as_ref()
                    .and_then(|entry| self.journal.intent(entry));
                if let (Some(Waiting::Intent(reply)), Some(intent)) =
                    (self.waiting.remove(&ticket), intent)
                {
                    self.grant(reply, intent)?;
                }
            }
            Effect::Kept { ticket } => {
                if let Some(Waiting::Fact(reply)) = self.waiting.remove(&ticket) {
                    let _ = reply.send(());
                }
            }
            Effect::Deny { ticket } => {
                self.waiting.remove(&ticket);
            }
            Effect::Answer {
                step,
                attempt,
                label,
            } => {
                if let Some(reply) = self.asking.remove(&(step, attempt)) {
                    let _ = reply.send(label);
                }
            }
            Effect::Timer { id, after } => {
                let inbox = self.inbox.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let _ = inbox.send(Message::Input(Input::Timer(id)));
                });
            }
            Effect::Cancel { step, .. } => self.running.end(&step),
            Effect::Close => self.close(),
            Effect::Leave => return Err(Stop::Left),
        }
        Ok(())
    }

    /// A person who retries a step may have unlocked the account on its hosts meanwhile: each gets
    /// one more login. No rule of the engine's own does that, for hosts lock accounts.
    fn let_in_again(&self, entry: &Entry) {
        let RunEvent::StepRetried { by } = &entry.event else {
            return;
        };
        let step = entry.step.as_ref().and_then(|id| self.launch.plan.step(id));
        if by != BY_RULE {
            for host in step.iter().flat_map(|step| &step.hosts) {
                self.launch.hosts.retry_login(host);
            }
        }
    }

    /// An action that is gone by now will not send what was granted.
    fn grant(&mut self, reply: oneshot::Sender<Intent>, intent: Intent) -> Result<(), Stop> {
        let Err(unused) = reply.send(intent) else {
            return Ok(());
        };
        let why = "its action had ended".to_owned();
        self.take(Input::WriteNotSent {
            op: unused.op(),
            why,
        })
    }

    fn start(&mut self, job: Job, step: StepId, attempt: Attempt) {
        let Some(planned) = self.launch.plan.step(&step).cloned() else {
            return;
        };
        self.start_with(job, planned, step, attempt);
    }

    fn start_with(&mut self, job: Job, planned: Step, step: StepId, attempt: Attempt) {
        let planned = Arc::new(planned);
        let state: Arc<RunState> = Arc::new(self.engine.state().clone());
        let launch = Arc::clone(&self.launch);
        let task = spawn(
            job,
            self.inbox.clone(),
            step.clone(),
            attempt,
            move |link| launch.context(planned, attempt, state, link),
        );
        self.running.add(step, task);
    }

    fn request(&mut self, step: StepId, attempt: Attempt, request: Request) -> Result<(), Stop> {
        let input = match request {
            Request::Intend {
                host,
                command,
                bulk,
                reply,
            } => {
                let ticket = self.ticket(Waiting::Intent(reply));
                Input::WriteWanted {
                    step,
                    attempt,
                    ticket,
                    host,
                    command,
                    bulk,
                }
            }
            Request::Fact { fact, reply } => {
                let ticket = self.ticket(Waiting::Fact(reply));
                Input::FactFound {
                    step,
                    attempt,
                    ticket,
                    fact: *fact,
                }
            }
            Request::Ask { question, reply } => {
                self.asking.insert((step.clone(), attempt), reply);
                Input::Questioned {
                    step,
                    attempt,
                    question: *question,
                }
            }
            Request::Started { op, pid } => Input::WriteStarted { op, pid },
            Request::Finished {
                op,
                exit,
                took_ms,
                output_sha256,
            } => Input::WriteFinished {
                op,
                exit,
                took_ms,
                output_sha256,
            },
            Request::Lost { op, why } => Input::WriteLost { op, why },
            Request::NotSent { op, why } => Input::WriteNotSent { op, why },
            Request::Progress(mut progress) => {
                progress.doing = self.launch.hosts.clean(&progress.doing);
                // Of the run's end, which is no step's.
                let live = if step == StepId::default() {
                    Live::Banner(progress.doing)
                } else {
                    Live::Progress { step, progress }
                };
                let _ = self.updates.send(Update::Live(live));
                return Ok(());
            }
        };
        self.take(input)
    }

    fn ticket(&mut self, waiting: Waiting) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, waiting);
        ticket
    }
}
