//! The hosts of a run: what the layers above call.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::error::Fault;
use crate::journal::Intent;
use crate::names::{HostName, VariableName};
use crate::runbook::model::{Driver, HostAddress, SiteRole};

use super::bulk::Budget;
use super::command::HostCommand;
use super::config::{Credential, HostConfig, Secret, Via};
use super::error::{HostError, WriteError};
use super::gate::{Pass, calls_hostd, may_wait};
use super::lane::{Lane, LaneThread, Sendable};
use super::live::{LiveOutput, OutputSink};
use super::output::Output;
use super::policy::{Deed, Policy};
use super::process::WRITE_PREFIX;
use super::redact::Redactor;
use super::sanitise::visible;
use super::shared::{Limits, Run, Shared};
use super::together::Together;

/// How long closing waits for threads; one that hangs in the network is left behind.
const CLOSING: Duration = Duration::from_secs(2);

/// All hosts of a run, with what they share: policy, redaction, refused passwords, live output.
#[derive(Clone)]
pub struct Hosts(Arc<Inner>);

struct Inner {
    hosts: HashMap<HostName, Arc<Host>>,
    /// The hosts and their hops, by the route to each: hosts behind one hop share it.
    routes: HashMap<String, Arc<Shared>>,
    run: Run,
    /// What programs of the runbook find in their environment, by the variable's name.
    secrets: RwLock<HashMap<VariableName, Secret>>,
}

impl Hosts {
    /// Nothing is connected before it is used. Passwords of the configurations are masked by
    /// `redactor` from now on.
    #[must_use]
    pub fn new(configs: Vec<HostConfig>, policy: Policy, redactor: Redactor) -> Self {
        let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
        Self::with_settings(configs, policy, redactor, agent, Limits::default())
    }

    pub(super) fn with_settings(
        configs: Vec<HostConfig>,
        policy: Policy,
        redactor: Redactor,
        agent_socket: Option<PathBuf>,
        limits: Limits,
    ) -> Self {
        let run = Run {
            policy,
            redactor,
            refused: Arc::default(),
            sink: Arc::default(),
            agent_socket,
            limits,
            budget: Budget::default(),
        };
        let mut routes = HashMap::new();
        let hosts = configs
            .into_iter()
            .map(|config| {
                let name = config.name.clone();
                let host = Host::new(shared(config, &run, &mut routes));
                (name, Arc::new(host))
            })
            .collect();
        Self(Arc::new(Inner {
            hosts,
            routes,
            run,
            secrets: RwLock::default(),
        }))
    }

    /// The host or hop of that name; a hop that is reached over several routes is several.
    fn routes_to<'a>(&'a self, name: &'a HostName) -> impl Iterator<Item = &'a Arc<Shared>> {
        let all = self.0.routes.values();
        all.filter(move |shared| shared.config.name == *name)
    }

    /// `text` as it may be kept and shown: secrets of the run masked, and nothing in it that could
    /// control a terminal.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.0.run.redactor.mask(&visible(text))
    }

    /// The host of that name, if the run has it.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<Arc<Host>> {
        self.0.hosts.get(name).cloned()
    }

    /// The host of that name.
    ///
    /// # Errors
    /// The run has no such host.
    pub fn named(&self, name: &HostName) -> Result<Arc<Host>, Fault> {
        self.host(name).ok_or_else(|| {
            Fault::new(
                format!("{name} is not one of the hosts of this run"),
                name.as_str(),
                "nothing was sent",
                "start again with a runbook that lists it",
            )
        })
    }

    /// Secrets that programs of the runbook may be given, masked from now on.
    #[must_use]
    pub fn with_secrets(self, secrets: impl IntoIterator<Item = (VariableName, Secret)>) -> Self {
        let mut kept = self
            .0
            .secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, secret) in secrets {
            self.0.run.redactor.add(secret.expose());
            kept.insert(name, secret);
        }
        drop(kept);
        self
    }

    /// A secret of the runbook, if it was given.
    #[must_use]
    pub fn secret(&self, name: &VariableName) -> Option<Secret> {
        let secrets = self
            .0
            .secrets
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        secrets.get(name).cloned()
    }

    /// From now on every command's output is told to `sink` as it comes.
    pub fn set_output_sink(&self, sink: OutputSink) {
        *self
            .0
            .run
            .sink
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }

    /// Accepts the key (`SHA256:…`) of a host or hop for this run, because a person read it on the
    /// host's own console.
    pub fn trust_for_run(&self, host: &HostName, fingerprint: &str) {
        self.routes_to(host)
            .for_each(|shared| shared.trust(fingerprint));
    }

    /// A person wants a refused login tried again, for example after unlocking the account.
    /// Refused passwords stay dead: whoever resumes the run is asked for them anew.
    pub fn retry_login(&self, host: &HostName) {
        if let Some(host) = self.0.hosts.get(host) {
            host.shared.retry_login();
        }
    }

    /// Ends all sessions and waits for their threads, two seconds at most: one that hangs in the
    /// network is left behind and holds up nobody. Later calls fail with [`HostError::Closed`].
    pub async fn close(&self) {
        let threads: Vec<_> = self
            .0
            .hosts
            .values()
            .flat_map(|host| host.close())
            .collect();
        let all_ended = async {
            for shared in self.0.routes.values() {
                shared.bulk.close().await;
            }
            for shared in self.0.routes.values() {
                shared.forwards.close().await;
            }
            for thread in &threads {
                thread.ended().await;
            }
        };
        let _ = tokio::time::timeout(CLOSING, all_ended).await;
    }
}

/// Someone hears what commands print, until this is dropped.
pub struct Following {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.shared.unfollow(self.number);
    }
}

/// One host with its sessions.
pub struct Host {
    pub(super) shared: Arc<Shared>,
    lanes: Mutex<Lanes>,
    together: Together,
}

#[derive(Default)]
struct Lanes {
    threads: HashMap<Lane, Arc<LaneThread>>,
    closed: bool,
}

impl Host {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            lanes: Mutex::default(),
            together: Together::default(),
        }
    }

    /// Its name in the runbook.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.shared.config.name
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The role of its site.
    #[must_use]
    pub fn role(&self) -> SiteRole {
        self.shared.config.role
    }

    /// What it understands.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.shared.config.driver
    }

    /// Where its SSH server listens.
    #[must_use]
    pub fn address(&self) -> &HostAddress {
        &self.shared.config.address
    }

    /// Whether it is reached from here without another host between.
    #[must_use]
    pub fn is_reached_directly(&self) -> bool {
        matches!(self.shared.config.via, Via::Direct)
    }

    /// Runs a command that only looks. If the session proves dead before the host answered
    /// anything, it is sent once more on a new one.
    ///
    /// # Errors
    /// [`HostError::PolicyRefused`] for a command whose effect is `Write`; else why there is no
    /// exit status.
    pub async fn read(&self, lane: Lane, command: &HostCommand) -> Result<Output, HostError> {
        if command.is_shared() {
            let read = |open| self.read_after(lane, command, open);
            self.together.ask(lane, command, read).await
        } else {
            self.read_after(lane, command, ()).await
        }
    }

    /// Sends it once what is given has been dropped.
    async fn read_after<T>(
        &self,
        lane: Lane,
        command: &HostCommand,
        first: T,
    ) -> Result<Output, HostError> {
        self.shared
            .run
            .policy
            .permit(Deed::Read(command.effect()))?;
        let (thread, _order) = self.turn(lane).await?;
        let pass = self.pass(lane, command).await;
        let sendable = sendable(command, command.line());
        drop(first);
        thread
            .call(move |worker, cancel| {
                let result = worker.read(&sendable, cancel);
                if let (Ok(_), Some(pass)) = (&result, &pass) {
                    pass.answered();
                }
                result
            })
            .await?
    }

    /// Runs a command that changes something, on the licence of `intent`. It is sent as
    /// `sh -c 'echo $$; exec "$@"' _ WORD…`; `started` gets the process id on the session's thread
    /// as soon as the host tells it, and the line that told it is not part of the output.
    ///
    /// Dropping the future abandons the command, which may still take effect: treat it as lost.
    ///
    /// # Errors
    /// [`WriteError::NotSent`] if it is proven that it did not leave, else [`WriteError::Lost`].
    pub async fn write(
        &self,
        lane: Lane,
        command: &HostCommand,
        intent: Intent,
        started: impl FnOnce(u32) + Send + 'static,
    ) -> Result<Output, WriteError> {
        self.permit_write(&intent).map_err(WriteError::NotSent)?;
        let (thread, _order) = self.turn(lane).await.map_err(WriteError::NotSent)?;
        let pass = self.pass(lane, command).await;
        let sendable = sendable(command, format!("{WRITE_PREFIX}{}", command.line()));
        let waits = may_wait(command);
        thread
            .call(move |worker, cancel| {
                // A power-on may wait for an answer to a question: once it runs, others may pass.
                let (mut early, late) = if waits { (pass, None) } else { (None, pass) };
                let on_start = Box::new(move |pid| {
                    drop(early.take());
                    started(pid);
                });
                let result = worker.write(&sendable, on_start, cancel);
                if let (Ok(_), Some(pass)) = (&result, &late) {
                    pass.answered();
                }
                result
            })
            .await
            .unwrap_or_else(|cause| Err(WriteError::Lost { pid: None, cause }))
    }

    /// Tells each line that this command prints, as it stands, redrawn ones too, if it is sent on
    /// this lane before what is given back is dropped. `hear` is called on session threads, and must
    /// not block.
    #[must_use]
    pub fn follow(
        &self,
        lane: Lane,
        command: &HostCommand,
        hear: impl Fn(&str) + Send + Sync + 'static,
    ) -> Following {
        let shown = self.shared.run.redactor.mask(&command.line());
        let sink: OutputSink = Arc::new(move |event| {
            if lane.takes(event.lane)
                && *event.command == *shown
                && let LiveOutput::Line { text, .. } | LiveOutput::Progress { text, .. } =
                    &event.what
            {
                hear(text);
            }
        });
        Following {
            number: self.shared.follow(sink),
            shared: self.shared.clone(),
        }
    }

    pub(super) fn permit_write(&self, intent: &Intent) -> Result<(), HostError> {
        self.shared.run.policy.permit(Deed::Write {
            host: self.name(),
            role: self.role(),
            intended: intent.host(),
        })
    }

    async fn pass(&self, lane: Lane, command: &HostCommand) -> Option<Pass> {
        if !calls_hostd(command) {
            return None;
        }
        Some(self.shared.gate.enter(lane != Lane::Telemetry).await)
    }

    /// The thread of a lane, started if there is none.
    pub(super) fn lane(&self, lane: Lane) -> Result<Arc<LaneThread>, HostError> {
        let lane = lane.session();
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(HostError::Closed);
        }
        if let Some(thread) = lanes.threads.get(&lane).filter(|thread| thread.is_alive()) {
            return Ok(thread.clone());
        }
        let thread = LaneThread::spawn(self.shared.clone(), lane)
            .map_err(|error| HostError::Lost(format!("no thread for the session: {error}")))?;
        let thread = Arc::new(thread);
        lanes.threads.insert(lane, thread.clone());
        Ok(thread)
    }

    /// The thread for a command, once it is its turn there. Transfers share their sessions: where
    /// another one's command runs for an hour, this one goes over the session that is free first.
    async fn turn(&self, lane: Lane) -> Result<(Arc<LaneThread>, OwnedMutexGuard<()>), HostError> {
        let own = self.lane(lane)?;
        if let Ok(order) = own.order.clone().try_lock_owned() {
            return Ok((own, order));
        }
        let Some(other) = lane.other() else {
            let order = own.order.clone().lock_owned().await;
            return Ok((own, order));
        };
        let other = self.lane(other)?;
        tokio::select! {
            biased;
            order = own.order.clone().lock_owned() => Ok((own, order)),
            order = other.order.clone().lock_owned(), if other.is_idle() => Ok((other, order)),
        }
    }

    fn close(&self) -> Vec<Arc<LaneThread>> {
        let mut lanes = self.lanes();
        lanes.closed = true;
        let threads: Vec<_> = lanes.threads.drain().map(|(_, thread)| thread).collect();
        threads.iter().for_each(|thread| thread.close());
        threads
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sessions to a host share, made with that of its hops if nobody had it made before.
fn shared(config: HostConfig, run: &Run, routes: &mut HashMap<String, Arc<Shared>>) -> Arc<Shared> {
    let route = config.route();
    if let Some(shared) = routes.get(&route) {
        return shared.clone();
    }
    for way in &config.auth {
        if let Credential::Password(password) = way {
            run.redactor.add(password.expose());
        }
    }
    let hop = match &config.via {
        Via::Hop(hop) => Some(shared(hop.as_ref().clone(), run, routes)),
        Via::Direct | Via::NoWay(_) => None,
    };
    let made = Arc::new(Shared::new(config, run.clone(), hop));
    routes.insert(route, made.clone());
    made
}

fn sendable(command: &HostCommand, line: String) -> Sendable {
    Sendable {
        line,
        shown: command.line(),
        stdin: command.input().to_vec(),
        keep: command.output_limit(),
        allowed: command.time_limit(),
        untold: command.is_untold(),
    }
}
