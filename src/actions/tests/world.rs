//! A site, a run on it, and the smallest runner: it keeps every event, grants intents from a real
//! journal, and answers questions as it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::actions::{self, Begun, Ctx, Link, Request};
use crate::clock::Clock;
use crate::engine::{
    Answer, Confirmation, Consent, Entry, Fact, Performed, ProbeAnswer, Prompt, Proposal, Question,
    RunEvent, RunInfo, RunState, StopOutcome, Verdict, YES,
};
use crate::error::Fault;
use crate::host::{Credential, HostCommand, HostConfig, Hosts, Lane, Policy, Redactor};
use crate::journal::Journal;
use crate::names::{Attempt, OpId, RunId};
use crate::plan::{self, Plan, PlanInputs, Step};
use crate::runbook::model::{Mode, Runbook, Section, SiteRole};
use crate::runbook::{self, Limits};
use crate::sim::{Site, SiteOptions};

use super::RUNBOOK;
use super::link::{CutLink, Loss};

/// The run's id.
const RUN: &str = "20260102-030405-test";

/// A site with a run on it.
pub(in crate::actions) struct World {
    pub site: Site,
    /// The run's id: what this machine's commands carry, so that others' are left alone.
    pub run_id: RunId,
    pub runbook: Arc<Runbook>,
    pub plans: Vec<Plan>,
    pub hosts: Hosts,
    pub keeper: Arc<Keeper>,
    /// Whether somebody answers a VM's question, as is suggested.
    pub answers: Arc<AtomicBool>,
    /// The way to lee-esx1.
    pub link: CutLink,
    begun: Begun,
    dir: TempDir,
}

/// The run: its state is the fold of its journal.
pub(in crate::actions) struct Keeper {
    journal: Mutex<Journal>,
    pub state: Mutex<RunState>,
    /// Questions that were asked.
    pub asked: Mutex<Vec<Question>>,
    /// What actions said they were doing.
    pub told: Mutex<Vec<String>>,
    clock: Clock,
    /// One request at a time, as the runner takes them.
    turn: Mutex<()>,
    /// Of the way to lee-esx1.
    loss: Arc<Loss>,
    /// What others do at the moment that a write is announced, by its line.
    pub meanwhile: Mutex<Option<Meanwhile>>,
}

type Meanwhile = Box<dyn FnMut(&str) + Send>;

impl Keeper {
    pub fn record(&self, step: Option<&Step>, event: RunEvent) -> Entry {
        let mut journal = self.journal.lock().unwrap();
        let entry = Entry {
            seq: journal.last_seq() + 1,
            at: self.clock.now(),
            step: step.map(|step| step.id.clone()),
            attempt: step.map(|step| self.attempt(step, matches!(event, RunEvent::StepStarted))),
            event,
        };
        journal.append(&entry).unwrap();
        self.state.lock().unwrap().apply(&entry);
        entry
    }

    /// The step's attempt, or the one that begins now.
    fn attempt(&self, step: &Step, begins: bool) -> Attempt {
        let last = self.state.lock().unwrap().step(&step.id).attempt;
        if begins {
            last.next()
        } else {
            last.max(Attempt::FIRST)
        }
    }

    fn request(&self, step: &Step, request: Request, answers: &AtomicBool) {
        let _turn = self.turn.lock().unwrap();
        match request {
            Request::Intend {
                host,
                command,
                bulk,
                reply,
            } => {
                if let Some(meanwhile) = self.meanwhile.lock().unwrap().as_mut() {
                    meanwhile(&command);
                }
                let op = OpId(self.state.lock().unwrap().ops.len() as u64 + 1);
                let entry = self.record(
                    Some(step),
                    RunEvent::WriteIntended {
                        op,
                        host,
                        command,
                        bulk,
                    },
                );
                let intent = self.journal.lock().unwrap().intent(&entry).unwrap();
                self.loss.announced();
                let _ = reply.send(intent);
            }
            Request::Started { op, pid } => {
                self.record(Some(step), RunEvent::WriteStarted { op, pid });
            }
            Request::Finished {
                op,
                exit,
                took_ms,
                output_sha256,
            } => {
                self.record(
                    Some(step),
                    RunEvent::WriteFinished {
                        op,
                        exit,
                        took_ms,
                        output_sha256,
                    },
                );
            }
            Request::Lost { op, why } => {
                self.record(Some(step), RunEvent::WriteLost { op, why });
            }
            Request::NotSent { op, why } => {
                self.record(Some(step), RunEvent::WriteNotSent { op, why });
            }
            Request::Fact { fact, reply } => {
                self.record(Some(step), RunEvent::FactFound(*fact));
                let _ = reply.send(());
            }
            Request::Ask { question, reply } => {
                let chosen = question
                    .suggested
                    .clone()
                    .filter(|_| answers.load(Ordering::Relaxed));
                self.asked.lock().unwrap().push(*question);
                if let Some(chosen) = chosen {
                    let _ = reply.send(chosen);
                } else {
                    // Nobody answers: the action waits.
                    std::mem::forget(reply);
                }
            }
            Request::Progress(progress) => self.told.lock().unwrap().push(progress.doing),
        }
    }
}

impl World {
    /// A new site with the bundled runbook.
    pub async fn new() -> Self {
        Self::with(RUNBOOK).await
    }

    /// A new site with a runbook of its own.
    pub async fn with(text: &str) -> Self {
        Self::paced(text, 60.0).await
    }

    /// The same at a pace of its own: site seconds in a real one.
    pub async fn paced(text: &str, speed: f64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let written = runbook::load("source", text, &Limits::default())
            .unwrap()
            .runbook;
        let mut options = SiteOptions::new(dir.path().join("site"));
        (options.scale, options.speed) = (512 << 10, speed);
        let site = Site::start(&written, options).await.unwrap();
        let mapped = site.emit(text).unwrap();
        let runbook = runbook::load("emitted", &mapped, &Limits::default())
            .unwrap()
            .runbook;
        let inputs = PlanInputs {
            variables: BTreeMap::from([("ticket".into(), "INC000001".to_owned())]),
            ..PlanInputs::default()
        };
        let sections = [
            (Section::Failover, Mode::Failover),
            (Section::Failback, Mode::Failback),
        ];
        let plans = sections
            .into_iter()
            .filter_map(|(section, mode)| plan::make(&runbook, section, mode, &inputs).ok())
            .collect();
        let link = CutLink::to(site.endpoint(&"lee-esx1".into()).unwrap().address).await;
        let mut configs = configs(&runbook, &site);
        for config in configs
            .iter_mut()
            .filter(|config| config.name.as_str() == "lee-esx1")
        {
            config.address.port = link.address.port();
        }
        let hosts = Hosts::new(configs, Policy::for_mode(Mode::Failover), Redactor::new());
        let run_dir = dir.path().join("run");
        std::fs::create_dir(&run_dir).unwrap();
        let keeper = Keeper {
            journal: Mutex::new(Journal::create(&run_dir, "alice", "test").unwrap()),
            state: Mutex::default(),
            asked: Mutex::default(),
            told: Mutex::default(),
            turn: Mutex::default(),
            clock: Clock::system(),
            loss: Arc::clone(&link.loss),
            meanwhile: Mutex::default(),
        };
        let now = keeper.clock.now();
        let info = RunInfo {
            run: RUN.into(),
            outage_at: Some(now),
            console: crate::settings::machine_name(),
            variables: inputs.variables,
            ..RunInfo::default()
        };
        keeper.record(None, RunEvent::RunStarted(Box::new(info)));
        Self {
            site,
            run_id: RUN.into(),
            runbook: Arc::new(runbook),
            plans,
            hosts,
            keeper: Arc::new(keeper),
            answers: Arc::new(AtomicBool::new(true)),
            link,
            begun: Begun::default(),
            dir,
        }
    }

    /// The only step that ends like this: `sql01/fence`, or with its section before it.
    pub fn step(&self, id: &str) -> Step {
        let steps = self.plans.iter().flat_map(|plan| &plan.steps);
        let mut found =
            steps.filter(|step| step.id.as_str().ends_with(id) || step.id.as_str().contains(id));
        found
            .next()
            .unwrap_or_else(|| panic!("no step {id}"))
            .clone()
    }

    pub fn facts(&self) -> Vec<Fact> {
        let state = self.keeper.state.lock().unwrap();
        state.facts.iter().map(|found| found.fact.clone()).collect()
    }

    /// Paths of the files that a step told it has placed.
    pub fn told(&self, id: &str) -> Vec<String> {
        let step = self.step(id).id;
        let state = self.keeper.state.lock().unwrap();
        let own = state
            .facts
            .iter()
            .filter(|found| found.step.as_ref() == Some(&step));
        let paths = own.filter_map(|found| match &found.fact {
            Fact::FilePlaced { path, .. } => Some(path.clone()),
            _ => None,
        });
        paths.collect()
    }

    /// The console died when all files of a step had their names and it had told of these only.
    pub fn told_only(&self, id: &str, mut told: impl FnMut(&str) -> bool) {
        let step = self.step(id).id;
        let mut state = self.keeper.state.lock().unwrap();
        state.facts.retain(|found| match &found.fact {
            Fact::FilePlaced { path, .. } if found.step.as_ref() == Some(&step) => told(path),
            _ => true,
        });
    }

    /// Which volume a datastore's name meant when the run first used it.
    pub fn first_saw(&self, seen: Fact) {
        let mut state = self.keeper.state.lock().unwrap();
        for found in &mut state.facts {
            if matches!(found.fact, Fact::DatastoreSeen { .. }) {
                found.fact = seen.clone();
            }
        }
    }

    /// Looks; the answer is kept as the step's proposal.
    pub async fn probe(&self, id: &str) -> ProbeAnswer {
        self.try_probe(id)
            .await
            .unwrap_or_else(|fault| panic!("{id}: {fault}"))
    }

    pub async fn try_probe(&self, id: &str) -> Result<ProbeAnswer, Fault> {
        let step = self.step(id);
        self.keeper.record(Some(&step), RunEvent::StepStarted);
        let answer = self
            .run(&step, None, |ctx| async move { actions::probe(&ctx).await })
            .await?;
        self.keeper.record(
            Some(&step),
            RunEvent::ProbeAnswered(Box::new(answer.clone())),
        );
        Ok(answer)
    }

    /// Confirms what was shown last, with everything that it asks for, and lets it act.
    pub async fn perform(&self, id: &str) -> Performed {
        let step = self.step(id);
        let shown = self
            .keeper
            .state
            .lock()
            .unwrap()
            .step(&step.id)
            .proposal
            .unwrap_or_default();
        self.perform_as(id, consent(&shown)).await
    }

    pub async fn perform_as(&self, id: &str, confirmation: Confirmation) -> Performed {
        let step = self.step(id);
        self.keeper.record(
            Some(&step),
            RunEvent::StepConfirmed(Box::new(confirmation.clone())),
        );
        let performed = self
            .run(&step, Some(confirmation), |ctx| async move {
                actions::perform(&ctx).await
            })
            .await;
        match &performed {
            Performed::Done { evidence } => {
                let evidence = evidence.clone();
                self.keeper
                    .record(Some(&step), RunEvent::StepDone { evidence });
            }
            // What was seen instead is the card of a new attempt.
            Performed::Changed(answer) => {
                self.keeper.record(Some(&step), RunEvent::StepStarted);
                let answer = RunEvent::ProbeAnswered(answer.clone());
                self.keeper.record(Some(&step), answer);
            }
            _ => {}
        }
        performed
    }

    /// Looks, and does what is needed; gives what showed that it is done. A guest that comes up between
    /// the look and the act changes what there is to do: then that is confirmed, too, as an operator would.
    pub async fn go(&self, id: &str) -> Vec<String> {
        for _ in 0..3 {
            match self.probe(id).await.verdict {
                Verdict::AlreadyDone { evidence } => return evidence,
                Verdict::Needed(_) => match self.perform(id).await {
                    Performed::Done { evidence } => return evidence,
                    Performed::Changed(_) => {}
                    other => panic!("{id}: {other:?}"),
                },
                Verdict::Blocked { fault, .. } => panic!("{id} is blocked: {fault}"),
            }
        }
        panic!("{id} changes at every look")
    }

    /// Looks at these once more: they are done, and nothing is sent.
    pub async fn all_done(&self, ids: impl IntoIterator<Item = String>) {
        let before = self.all_writes();
        for id in ids {
            let answer = self.probe(&id).await;
            assert!(is_done(&answer), "{id}: {answer:?}");
        }
        assert_eq!(self.all_writes(), before);
    }

    pub async fn undo(&self, id: &str) -> Performed {
        let step = self.step(id);
        self.run(&step, None, |ctx| async move { actions::undo(&ctx).await })
            .await
    }

    /// Makes sure that every lost command of the step is over.
    pub async fn settle(&self, id: &str) -> Vec<StopOutcome> {
        let lost: Vec<OpId> = {
            let state = self.keeper.state.lock().unwrap();
            state
                .unsettled_ops()
                .filter(|(_, op)| !op.bulk)
                .map(|(id, _)| *id)
                .collect()
        };
        let step = self.step(id);
        let mut outcomes = Vec::new();
        for op in lost {
            let outcome = self
                .stop_lost(id, op)
                .await
                .unwrap_or_else(|fault| panic!("{fault}"));
            let event = RunEvent::LostStopped {
                op,
                outcome: outcome.clone(),
            };
            self.keeper.record(Some(&step), event);
            outcomes.push(outcome);
        }
        outcomes
    }

    /// A write of which nothing is known but its line.
    pub fn lose(&self, id: &str, host: &str, command: &str) -> OpId {
        self.lose_of(Some(&self.step(id)), host, command)
    }

    /// A write of a step, or of the run's end, whose connection died under it.
    pub fn lose_of(&self, step: Option<&Step>, host: &str, command: &str) -> OpId {
        let op = self.send_of(step, host, command);
        self.keeper.record(
            step,
            RunEvent::WriteLost {
                op,
                why: "cut".into(),
            },
        );
        op
    }

    /// A write that is under way.
    pub fn send(&self, id: &str, host: &str, command: &str) -> OpId {
        self.send_of(Some(&self.step(id)), host, command)
    }

    fn send_of(&self, step: Option<&Step>, host: &str, command: &str) -> OpId {
        let op = OpId(self.keeper.state.lock().unwrap().ops.len() as u64 + 1);
        let (host, command) = (host.into(), command.to_owned());
        let intended = RunEvent::WriteIntended {
            op,
            host,
            command,
            bulk: false,
        };
        self.keeper.record(step, intended);
        op
    }

    /// A write whose process is known.
    pub fn lose_at(&self, id: &str, host: &str, command: &str, pid: u32) -> OpId {
        let op = self.lose(id, host, command);
        let step = self.step(id);
        self.keeper
            .record(Some(&step), RunEvent::WriteStarted { op, pid });
        op
    }

    pub async fn stop_lost(&self, id: &str, op: OpId) -> Result<StopOutcome, Fault> {
        let step = self.step(id);
        self.run(&step, None, move |ctx| async move {
            actions::stop_lost::stop_lost(&ctx, op).await
        })
        .await
    }

    /// Runs one action with a link of its own.
    pub async fn run<T, F>(
        &self,
        step: &Step,
        confirmation: Option<Confirmation>,
        act: impl FnOnce(Ctx) -> F,
    ) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (requests, mut asked) = mpsc::unbounded_channel();
        let ctx = Ctx {
            run: self.run_id.clone(),
            mode: Mode::Failover,
            runbook: Arc::clone(&self.runbook),
            step: Arc::new(step.clone()),
            attempt: self.keeper.attempt(step, false),
            state: Arc::new(self.keeper.state.lock().unwrap().clone()),
            parent: None,
            confirmation,
            hosts: self.hosts.clone(),
            clock: self.keeper.clock.clone(),
            run_dir: self.run_dir(),
            begun: self.begun.clone(),
            link: Link::new(requests),
            beside: None,
            patient: false,
            memo: None,
        };
        let (keeper, answers, step) = (
            Arc::clone(&self.keeper),
            Arc::clone(&self.answers),
            step.clone(),
        );
        let serving = tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                keeper.request(&step, request, &answers);
            }
        });
        // Spawned, as the runner does it: an action must be able to move between threads.
        let result = tokio::spawn(act(ctx)).await.unwrap();
        serving.await.unwrap();
        result
    }

    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A path on a host as a path on this machine.
    pub fn on(&self, host: &str, path: &str) -> PathBuf {
        self.site
            .host_root(&host.into())
            .unwrap()
            .join(path.trim_start_matches('/'))
    }

    /// Command lines that changed something, as a host logged them.
    pub fn writes(&self, host: &str) -> Vec<String> {
        let mut lines = self.sent(host);
        lines.retain(|line| line.contains("echo $$; exec"));
        lines
    }

    /// All command lines, as a host logged them.
    pub fn sent(&self, host: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.site.command_log(&host.into())).unwrap_or_default();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let lines = lines.filter_map(|line| Some(line.get("line")?.as_str()?.to_owned()));
        lines.collect()
    }

    /// Everything that reached all hosts and changed something.
    pub fn all_writes(&self) -> usize {
        self.runbook
            .hosts
            .keys()
            .map(|host| self.writes(host.as_str()).len())
            .sum()
    }

    /// sql01 stands in Leeds up to a verb of the way out, London being dark.
    pub async fn out_to(verb: &str) -> Self {
        let world = Self::new().await;
        world.site.go_dark(SiteRole::Protected);
        let verbs = [
            "fence", "restore", "register", "network", "power_on", "ready",
        ];
        for verb in verbs.iter().take_while(|step| **step != verb) {
            world.go(&out(verb)).await;
        }
        world
    }

    /// Somebody starts the old copy of sql01, past Lifeboat, and its guest boots.
    pub async fn start_in_london(&self) {
        let vmid = self.power_on_in_london().await;
        self.tools_run("lon-esx1", &vmid).await;
    }

    /// Waits for the tools of a guest that boots.
    pub async fn tools_run(&self, host: &str, vmid: &str) {
        let host = self.hosts.host(&host.into()).unwrap();
        let guest = HostCommand::read(["vim-cmd", "vmsvc/get.guest", vmid]);
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let told = host.read(Lane::Telemetry, &guest).await.unwrap();
            if told.text().contains("\"guestToolsRunning\"") {
                return;
            }
            assert!(Instant::now() < until, "{}", told.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Somebody powers on the old copy of sql01, past Lifeboat; gives its number.
    pub async fn power_on_in_london(&self) -> String {
        let host = self.hosts.host(&"lon-esx1".into()).unwrap();
        let read = |words: &[&str]| HostCommand::read(words.iter().copied());
        let command = read(&["vim-cmd", "vmsvc/getallvms"]);
        // London may have come back a moment ago: its door may not be open yet.
        let until = Instant::now() + Duration::from_secs(60);
        let list = loop {
            match host.read(Lane::Telemetry, &command).await {
                Ok(list) => break list,
                Err(error) => assert!(Instant::now() < until, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let list = list.text();
        let row = list
            .lines()
            .find(|line| line.contains("sql01.vmx"))
            .unwrap();
        let vmid = row.split_whitespace().next().unwrap().to_owned();
        let on = host
            .read(
                Lane::Telemetry,
                &read(&["vim-cmd", "vmsvc/power.on", &vmid]),
            )
            .await
            .unwrap();
        assert_eq!(on.status, 0, "{}", on.text());
        vmid
    }

    /// Ends servers and sessions.
    pub async fn end(self) {
        self.hosts.close().await;
        self.site.shutdown().await;
    }
}

/// A step of sql01 on the way out.
pub(in crate::actions) fn out(verb: &str) -> String {
    format!("failover/recover/sql01/{verb}")
}

/// A step of sql01 on the way home.
pub(in crate::actions) fn home(verb: &str) -> String {
    format!("failback/go-home/sql01/{verb}")
}

/// Everything that a proposal asks for, given.
pub(in crate::actions) fn consent(shown: &Proposal) -> Confirmation {
    Confirmation {
        second: Some("bob".into()),
        typed: shown.typed.clone(),
        attest: shown
            .attest
            .as_ref()
            .map(|_| "the duty manager saw the fire".into()),
        answers: shown
            .ask
            .iter()
            .map(|(key, ask)| match ask {
                Prompt::Choose { options, at_least } => (
                    key.clone(),
                    Answer::Chosen(options.iter().take(*at_least).cloned().collect()),
                ),
                Prompt::Acknowledge { .. } | Prompt::Check { .. } => {
                    (key.clone(), Answer::Value(YES.into()))
                }
                Prompt::Compare { printed, .. } => (
                    key.clone(),
                    Answer::Value(printed.clone().unwrap_or_default()),
                ),
                Prompt::Value { .. } | Prompt::Evidence { .. } => {
                    (key.clone(), Answer::Value("x".into()))
                }
            })
            .collect(),
        ..Confirmation::plain("alice", Consent::Person)
    }
}

fn configs(runbook: &Runbook, site: &Site) -> Vec<HostConfig> {
    let configs = runbook.hosts.iter().map(|(name, host)| {
        let endpoint = site.endpoint(name).unwrap();
        HostConfig {
            role: runbook.sites[&host.site].role,
            driver: host.driver,
            auth: vec![Credential::Key(endpoint.key_file.clone())],
            host_keys: endpoint.host_keys.clone(),
            ..HostConfig::plain(name.clone(), host.address.clone(), endpoint.user.clone())
        }
    });
    configs.collect()
}

pub(in crate::actions) fn is_done(answer: &ProbeAnswer) -> bool {
    matches!(answer.verdict, Verdict::AlreadyDone { .. })
}
