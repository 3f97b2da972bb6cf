//! A small site and a run on it, for the tests of the screens, and a bench that stands in for the
//! terminal: keys go in, frames and commands come out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use indexmap::IndexMap;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use tokio::sync::mpsc;

use crate::actions::Progress;
use crate::engine::{
    AttestRequest, Confirmation, Consent, Entry, Fact, ProbeAnswer, Prompt, Proposal, Question,
    RunEvent, RunInfo, RunResult, ShownCommand, Verdict,
};
use crate::error::Fault;
use crate::names::{Attempt, HostName, OpId, StepId, VmName};
use crate::plan::{ActionSpec, Plan, Risk, Step, Subject};
use crate::runbook::model::{
    Ask, CommandLine, CommandSpec, DeclaredEffect, Driver, Host, HostAddress, Mode, Objectives,
    OnFailure, PointChoice, Runbook, Section, Site, SiteRole, Vm,
};
use crate::runner::{Live, RunHandle, Update};
use crate::telemetry::{HostFigures, LinkState, VmFigures};

use super::RunExit;
use super::model::Run;
use super::page::{Cmd, Msg, Now, Page};
use super::theme::{ColourLevel, Theme};

pub(super) const FULL: Theme = Theme {
    colour: ColourLevel::Sixteen,
    unicode: true,
    title: true,
};
pub(super) const PLAIN: Theme = Theme {
    colour: ColourLevel::Mono,
    unicode: false,
    title: false,
};

/// The run's start: 2026-01-02 03:04:05 UTC.
pub(super) const START: i64 = 1_767_323_045;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

fn host(site: &str, driver: Driver, address: &str) -> Host {
    Host {
        site: site.into(),
        driver,
        address: HostAddress {
            host: address.to_owned(),
            port: 22,
        },
        user: "root".to_owned(),
        auth: Vec::new(),
        host_key: Vec::new(),
        ..Host::default()
    }
}

pub(super) fn runbook() -> Runbook {
    let site = |role, title: &str| Site {
        role,
        title: title.to_owned(),
        transfers_onto: BTreeMap::new(),
    };
    let vm = |title: &str| Vm {
        title: title.to_owned(),
        ..Vm::default()
    };
    Runbook {
        name: "tier2-image-restore".to_owned(),
        title: "Tier-2 applications, restored from image backups".to_owned(),
        description: String::new(),
        contacts: Vec::new(),
        objectives: Objectives {
            rto: Some(Duration::from_secs(14_400)),
            rpo: Some(Duration::from_secs(86_400)),
        },
        drill: crate::runbook::model::DrillRules::default(),
        variables: IndexMap::new(),
        sites: [
            ("london".into(), site(SiteRole::Protected, "London")),
            ("leeds".into(), site(SiteRole::Recovery, "Leeds")),
        ]
        .into_iter()
        .collect(),
        hosts: [
            (
                "lon-esx1".into(),
                host("london", Driver::Esxi, "192.0.2.11"),
            ),
            (
                "lee-esx1".into(),
                host("leeds", Driver::Esxi, "198.51.100.11"),
            ),
            (
                "lee-bk1".into(),
                host("leeds", Driver::Posix, "198.51.100.20"),
            ),
        ]
        .into_iter()
        .collect(),
        networks: IndexMap::new(),
        backups: IndexMap::new(),
        vms: [
            ("sql01".into(), vm("Orders database")),
            ("web01".into(), vm("Shop")),
            ("files01".into(), vm("Files")),
        ]
        .into_iter()
        .collect(),
        failover: Vec::new(),
        commit: crate::runbook::model::CommitRules::default(),
        updates: crate::runbook::model::Updates { every: None },
        failback: Vec::new(),
        isolation: None,
    }
}

/// Section, phase slug, phase, subject, action, risk.
fn step(phase: &str, subject: Subject, action: ActionSpec, risk: Risk) -> Step {
    let verb = action.verb();
    let slug = phase.to_lowercase();
    let title = match &subject {
        Subject::Vm(vm) => format!("{} {vm}", verb.replace('_', " ")),
        Subject::Host(_) | Subject::Run => verb.replace('_', " "),
    };
    Step {
        id: format!("failover/{slug}/{}/{verb}", subject.as_str()).into(),
        phase: phase.to_owned(),
        subject,
        action,
        side: SiteRole::Recovery,
        title,
        why: None,
        text: None,
        risk,
        after: Vec::new(),
        timeout: None,
        retries: 0,
        on_failure: OnFailure::Ask,
        usually: None,
        gate: false,
        typed: None,
        people: 1,
        challenge: None,
        transfer: false,
        datastore: None,
        hosts: vec!["lee-esx1".into()],
        vmx: None,
        line: 1,
    }
}

pub(super) fn plan() -> Plan {
    let ask = Ask::Choose {
        options: ["power", "network", "building"].map(str::to_owned).to_vec(),
        at_least: 2,
    };
    let question = "Is London really down?".to_owned();
    let action = ActionSpec::Confirm {
        question,
        ask: [("signs".to_owned(), ask)].into_iter().collect(),
    };
    let mut declare = step("Declare", Subject::Run, action, Risk::Read);
    declare.title = "Is London really down?".to_owned();
    declare.text =
        Some("Call the London duty manager. Two independent signs are needed.".to_owned());
    declare.people = 2;
    declare.gate = true;
    declare.hosts.clear();
    let mut steps = vec![declare];
    for name in ["sql01", "web01", "files01"] {
        let vm = VmName::from(name);
        let subject = || Subject::Vm(vm.clone());
        let first = steps.len();
        let verbs = [
            (ActionSpec::Fence { vm: vm.clone() }, Risk::Read),
            (
                ActionSpec::Restore {
                    vm: vm.clone(),
                    point: PointChoice::Latest,
                    logs: false,
                },
                Risk::Write,
            ),
            (ActionSpec::Register { vm: vm.clone() }, Risk::Write),
            (ActionSpec::Network { vm: vm.clone() }, Risk::Write),
            (ActionSpec::PowerOn { vm: vm.clone() }, Risk::Disruptive),
            (ActionSpec::Ready { vm: vm.clone() }, Risk::Read),
        ];
        for (index, (action, risk)) in verbs.into_iter().enumerate() {
            let mut step = step("Recover", subject(), action, risk);
            step.after = vec![if index == 0 { 0 } else { first + index - 1 }];
            step.usually = (index == 1).then(|| Duration::from_secs(180));
            steps.push(step);
        }
    }
    let spec = CommandSpec {
        host: "lee-bk1".into(),
        line: CommandLine::Argv(vec!["logger".to_owned(), "failover complete".to_owned()]),
        effect: DeclaredEffect::Write,
        done_if: None,
        verify: None,
        environment: Vec::new(),
    };
    let mut announce = step(
        "Announce",
        Subject::Host("lee-bk1".into()),
        ActionSpec::Command(spec),
        Risk::Write,
    );
    announce.why = Some("The auditors look here.".to_owned());
    announce.after = (1..steps.len()).collect();
    steps.push(announce);
    Plan {
        section: Section::Failover,
        mode: Mode::Failover,
        steps,
        fingerprint: "f".repeat(64),
        vms: ["sql01", "web01", "files01"].map(Into::into).to_vec(),
        left_out: Vec::new(),
        frozen: 0,
    }
}

/// Out and home in one plan, as practice walks it.
pub(super) fn there_and_back() -> Plan {
    let mut plan = plan();
    plan.mode = Mode::Practice;
    let first = plan.steps.len();
    for name in ["sql01", "web01"] {
        let vm = VmName::from(name);
        let actions = [
            (ActionSpec::ShutDown { vm: vm.clone() }, Risk::Disruptive),
            (ActionSpec::CopyBack { vm: vm.clone() }, Risk::Typed),
            (ActionSpec::Ready { vm: vm.clone() }, Risk::Read),
        ];
        for (action, risk) in actions {
            let verb = action.verb();
            let mut step = step("Go home", Subject::Vm(vm.clone()), action, risk);
            step.id = format!("failback/go-home/{name}/{verb}").into();
            step.side = SiteRole::Protected;
            step.after = vec![first - 1];
            plan.steps.push(step);
        }
    }
    plan
}

pub(super) fn id(vm: &str, verb: &str) -> StepId {
    let phase = if vm == "-" { "declare" } else { "recover" };
    format!("failover/{phase}/{vm}/{verb}").into()
}

pub(super) fn write(host: &str, line: &str) -> ShownCommand {
    ShownCommand {
        host: Some(host.into()),
        line: line.to_owned(),
        write: true,
    }
}

pub(super) fn register() -> Proposal {
    Proposal {
        changes: vec!["sql01 stands in the inventory of lee-esx1".to_owned()],
        commands: vec![
            write(
                "lee-esx1",
                "vim-cmd solo/registervm /vmfs/volumes/local1/sql01/sql01.vmx sql01",
            ),
            ShownCommand {
                host: Some("lee-esx1".into()),
                line: "vim-cmd vmsvc/getallvms".to_owned(),
                write: false,
            },
        ],
        then: "power state off, not invalid".to_owned(),
        undo: Some("vim-cmd vmsvc/unregister ‹vmid of sql01›".to_owned()),
        risk: Some(Risk::Write),
        ..Proposal::default()
    }
}

pub(super) fn power_on() -> Proposal {
    Proposal {
        commands: vec![write("lee-esx1", "vim-cmd vmsvc/power.on ‹vmid of sql01›")],
        then: "power state on".to_owned(),
        undo: Some("vim-cmd vmsvc/power.off ‹vmid of sql01›".to_owned()),
        risk: Some(Risk::Disruptive),
        ..Proposal::default()
    }
}

pub(super) fn declare() -> Proposal {
    let signs = Prompt::Choose {
        options: ["power", "network", "building"].map(str::to_owned).to_vec(),
        at_least: 2,
    };
    Proposal {
        then: "the run goes on".to_owned(),
        ask: [("signs".to_owned(), signs)].into(),
        risk: Some(Risk::Read),
        ..Proposal::default()
    }
}

pub(super) fn attested() -> Proposal {
    Proposal {
        changes: vec!["sql01 is started in Leeds".to_owned()],
        attest: Some(AttestRequest {
            vm: Some("sql01".into()),
            statement: "sql01 does not run in London".to_owned(),
            evidence: vec![
                "lon-esx1: no answer for 12m (connect timed out)".to_owned(),
                "10.20.0.11: silent, asked by lee-bk1 with nc".to_owned(),
            ],
        }),
        ..power_on()
    }
}

pub(super) fn typed() -> Proposal {
    Proposal {
        changes: vec!["sql01 runs in London since 41d and serves".to_owned()],
        commands: vec![
            write("lon-esx1", "vim-cmd vmsvc/power.shutdown ‹vmid of sql01›"),
            write(
                "lon-esx1",
                "vim-cmd hostsvc/autostartmanager/update_autostartentry ‹vmid of sql01› none 0 0 systemDefault 0 systemDefault",
            ),
        ],
        then: "power state off".to_owned(),
        typed: Some("sql01".to_owned()),
        risk: Some(Risk::Typed),
        ..Proposal::default()
    }
}

pub(super) fn question() -> Question {
    Question {
        vm: Some("sql01".into()),
        host: "lee-esx1".into(),
        id: "0".to_owned(),
        text: "msg.uuid.altered:This virtual machine might have been moved or copied.".to_owned(),
        choices: ["Cancel", "I Moved It", "I Copied It"]
            .map(str::to_owned)
            .to_vec(),
        suggested: Some("I Moved It".to_owned()),
        why: Some("the runbook moves it: identity stays".to_owned()),
    }
}

pub(super) fn fault() -> Fault {
    Fault::new(
        "registering sql01 failed: the .vmx was not found",
        "lee-esx1, /vmfs/volumes/local1/sql01/sql01.vmx",
        "nothing was changed on lee-esx1",
        "restore its files first, then retry",
    )
}

/// Writes a run's events down, one after the other, two seconds apart.
#[derive(Default)]
pub(super) struct Story {
    pub entries: Vec<Arc<Entry>>,
    clock: i64,
    ops: u64,
}

impl Story {
    pub(super) fn begun() -> Self {
        let mut story = Self::default();
        story.event(RunEvent::RunStarted(Box::new(RunInfo {
            format: 1,
            run: "20260102-030405-k7qd".into(),
            mode: Some(Mode::Failover),
            sections: vec![Section::Failover],
            operator: "alice".to_owned(),
            console: "dr-console".to_owned(),
            runbook: "tier2-image-restore".to_owned(),
            sites: ["London", "Leeds"].map(str::to_owned),
            outage_at: Some(at(-2400)),
            rto_s: Some(14_400),
            rpo_s: Some(86_400),
            ..RunInfo::default()
        })));
        story
    }

    /// Everything up to the proposal of `register sql01`.
    pub(super) fn asking() -> Self {
        let mut story = Self::begun();
        story
            .step("-", "confirm", declare())
            .done("-", "confirm", "power, network");
        story.already("sql01", "fence", "not registered on lon-esx1");
        story.step("sql01", "restore", Proposal::default());
        story
            .wait(250)
            .done("sql01", "restore", "3 files, sums equal");
        story.probe("sql01", "register", 1, register());
        story
    }

    pub(super) fn wait(&mut self, seconds: i64) -> &mut Self {
        self.clock += seconds;
        self
    }

    pub(super) fn event(&mut self, event: RunEvent) -> &mut Self {
        self.push(None, event)
    }

    fn push(&mut self, step: Option<(StepId, u32)>, event: RunEvent) -> &mut Self {
        let (step, attempt) = step.unzip();
        self.entries.push(Arc::new(Entry {
            seq: self.entries.len() as u64 + 1,
            at: at(self.clock),
            step,
            attempt: attempt.map(Attempt),
            event,
        }));
        self.clock += 2;
        self
    }

    pub(super) fn of(&mut self, vm: &str, verb: &str, attempt: u32, event: RunEvent) -> &mut Self {
        self.push(Some((id(vm, verb), attempt)), event)
    }

    pub(super) fn probe(
        &mut self,
        vm: &str,
        verb: &str,
        attempt: u32,
        proposal: Proposal,
    ) -> &mut Self {
        self.probe_step(id(vm, verb), attempt, proposal)
    }

    pub(super) fn probe_step(
        &mut self,
        step: StepId,
        attempt: u32,
        proposal: Proposal,
    ) -> &mut Self {
        let found = "not registered (getallvms)".to_owned();
        let verdict = Verdict::Needed(Box::new(proposal));
        let answer = RunEvent::ProbeAnswered(Box::new(ProbeAnswer { found, verdict }));
        self.push(Some((step.clone(), attempt)), RunEvent::StepStarted);
        self.push(Some((step, attempt)), answer)
    }

    /// Probed and confirmed.
    pub(super) fn step(&mut self, vm: &str, verb: &str, proposal: Proposal) -> &mut Self {
        self.probe(vm, verb, 1, proposal);
        self.confirmed(vm, verb)
    }

    pub(super) fn confirmed(&mut self, vm: &str, verb: &str) -> &mut Self {
        let confirmation = Confirmation {
            by: "alice".to_owned(),
            second: None,
            typed: None,
            attest: None,
            response: None,
            decline: None,
            answers: BTreeMap::new(),
            how: Consent::Person,
        };
        self.of(vm, verb, 1, RunEvent::StepConfirmed(Box::new(confirmation)))
    }

    pub(super) fn sends(&mut self, vm: &str, verb: &str, line: &str) -> &mut Self {
        self.ops += 1;
        let op = OpId(self.ops);
        let (host, command) = ("lee-esx1".into(), line.to_owned());
        self.of(
            vm,
            verb,
            1,
            RunEvent::WriteIntended {
                op,
                host,
                command,
                bulk: false,
            },
        )
    }

    pub(super) fn done(&mut self, vm: &str, verb: &str, evidence: &str) -> &mut Self {
        self.of(
            vm,
            verb,
            1,
            RunEvent::StepDone {
                evidence: vec![evidence.to_owned()],
            },
        )
    }

    pub(super) fn already(&mut self, vm: &str, verb: &str, evidence: &str) -> &mut Self {
        self.of(vm, verb, 1, RunEvent::StepStarted);
        self.of(
            vm,
            verb,
            1,
            RunEvent::StepAlreadyDone {
                evidence: vec![evidence.to_owned()],
            },
        )
    }

    pub(super) fn finished() -> Self {
        let mut story = Self::asking();
        story
            .confirmed("sql01", "register")
            .done("sql01", "register", "registered, off");
        for vm in ["sql01", "web01", "files01"] {
            for verb in [
                "fence", "restore", "register", "network", "power_on", "ready",
            ] {
                if vm == "sql01" && matches!(verb, "fence" | "restore" | "register") {
                    continue;
                }
                if vm == "files01" && verb == "ready" {
                    let (by, reason) = (
                        "alice".to_owned(),
                        "its share is not needed tonight".to_owned(),
                    );
                    story.of(vm, verb, 1, RunEvent::StepSkipped { by, reason });
                    continue;
                }
                story.already(vm, verb, "seen");
                if verb == "restore" {
                    let fact = Fact::PointChosen {
                        vm: vm.into(),
                        backup: "nightly".into(),
                        stamp: "20260101T220000Z".to_owned(),
                        path: "/backup/nightly".to_owned(),
                        taken: at(-18_245),
                        verified: vm != "web01",
                        vmx: format!("{vm}.vmx"),
                    };
                    story.of(vm, verb, 1, RunEvent::FactFound(fact));
                }
            }
            if vm != "files01" {
                story.of(
                    vm,
                    "ready",
                    1,
                    RunEvent::FactFound(Fact::Serves { vm: vm.into() }),
                );
            }
        }
        let fact = Fact::Attested {
            vm: "sql01".into(),
            by: "alice".to_owned(),
            words: "the duty manager sees the racks dark".to_owned(),
            statement: "sql01 does not run in London".to_owned(),
        };
        story.of("sql01", "power_on", 1, RunEvent::FactFound(fact));
        let announce: StepId = "failover/announce/lee-bk1/command".into();
        story.push(
            Some((announce, 1)),
            RunEvent::StepAlreadyDone {
                evidence: Vec::new(),
            },
        );
        let result = RunResult {
            done: 19,
            by_hand: 0,
            skipped: 1,
            failed: 0,
        };
        story.event(RunEvent::RunFinished { result });
        story
    }
}

pub(super) fn figures(host: &str, answered: i64) -> HostFigures {
    let vm = |name: &str, power: &str| VmFigures {
        vm: name.into(),
        power: power.to_owned(),
        ..VmFigures::default()
    };
    let mut figures = HostFigures {
        host: host.into(),
        answered: Some(at(answered)),
        link: LinkState::Up,
        product: "VMware ESXi 8.0.2".to_owned(),
        uptime: Some(Duration::from_secs(41 * 86_400)),
        round_trip: Some(Duration::from_millis(12)),
        cpu_percent: Some(22),
        memory: Some((61 << 30, 96 << 30)),
        volumes: vec![("local1".to_owned(), 412 << 30, 1 << 40)],
        vms: vec![vm("sql01", "off"), vm("web01", "-"), vm("files01", "-")],
        poll_took: Some(Duration::from_millis(640)),
        trouble: None,
        refused_key: None,
        ..HostFigures::default()
    };
    if host == "lon-esx1" {
        figures.link = LinkState::Down;
        figures.vms.clear();
        figures.trouble = Some("no answer from 192.0.2.11:22: connect timed out".to_owned());
    }
    figures
}

/// A run on a screen of a certain size.
pub(super) struct Bench {
    pub run: Run,
    pub now: Now,
    pub area: Rect,
    pub theme: Theme,
    pub sent: Vec<Cmd<RunExit>>,
    buffer: Buffer,
}

impl Bench {
    pub(super) fn new(story: &Story, size: (u16, u16)) -> Self {
        Self::of(plan(), story, size)
    }

    pub(super) fn of(plan: Plan, story: &Story, (width, height): (u16, u16)) -> Self {
        let (inputs, _decisions) = mpsc::unbounded_channel();
        let (_events, updates) = mpsc::unbounded_channel();
        let handle = RunHandle {
            run: "20260102-030405-k7qd".into(),
            dir: "/home/alice/.local/state/lifeboat/runs/20260102-030405-k7qd".into(),
            elsewhere: String::new(),
            plan: Arc::new(plan),
            runbook: Arc::new(runbook()),
            past: story.entries.clone(),
            hosts: None,
            inputs,
            updates,
        };
        // As if the console had just shown the last line, with everybody looking.
        let last = story.entries.last().map_or(at(0), |entry| entry.at);
        let now = Now {
            wall: last + Duration::from_secs(2),
            mono: Duration::from_secs(100),
        };
        let area = Rect::new(0, 0, width, height);
        let run = Run::new(&handle, "alice", now);
        let mut bench = Self {
            run,
            now,
            area,
            theme: FULL,
            sent: Vec::new(),
            buffer: Buffer::empty(area),
        };
        bench.draw();
        bench
    }

    pub(super) fn draw(&mut self) {
        let mut buffer = Buffer::empty(self.area);
        let seen = self.run.view(&mut buffer);
        self.theme.degrade(&mut buffer);
        self.buffer = buffer;
        self.msg(Msg::Painted(seen));
    }

    pub(super) fn msg(&mut self, msg: Msg) {
        let cmds = self.run.update(self.now, msg);
        self.sent.extend(cmds);
    }

    /// Lets time pass, and is drawn again.
    pub(super) fn wait(&mut self, milliseconds: u64) -> &mut Self {
        self.now.mono += Duration::from_millis(milliseconds);
        self.now.wall += Duration::from_millis(milliseconds);
        self.msg(Msg::Tick);
        self.draw();
        self
    }

    /// Presses keys: characters as they are, others as `<Enter>`, `<C-c>`. Each is drawn.
    pub(super) fn keys(&mut self, keys: &str) -> &mut Self {
        for key in parse(keys) {
            self.msg(Msg::Key(key));
            self.draw();
        }
        self
    }

    /// Keys with a second and a half before each, as a person who reads would press them.
    pub(super) fn calmly(&mut self, keys: &str) -> &mut Self {
        for key in parse(keys) {
            self.wait(1500);
            self.msg(Msg::Key(key));
            self.draw();
        }
        self
    }

    pub(super) fn live(&mut self, live: Live) -> &mut Self {
        self.msg(Msg::Updates(vec![Update::Live(live)]));
        self.draw();
        self
    }

    /// The commands since the last time, without the bell.
    pub(super) fn sent(&mut self) -> Vec<Cmd<RunExit>> {
        std::mem::take(&mut self.sent)
            .into_iter()
            .filter(|cmd| *cmd != Cmd::Ring)
            .collect()
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(super) fn text(&self) -> String {
        text(&self.buffer)
    }

    /// Text, then the runs of cells that are not plain.
    pub(super) fn styled(&self) -> String {
        format!("{}\n{}", text(&self.buffer), styles(&self.buffer))
    }

    pub(super) fn with_hosts(&mut self) -> &mut Self {
        let now = self.now.wall.as_second() - START;
        for (host, age) in [("lee-esx1", 3), ("lee-bk1", 1), ("lon-esx1", 700)] {
            let mut figures = figures(host, now - age);
            if host == "lee-bk1" {
                figures.product = "Debian GNU/Linux 12".to_owned();
                figures.vms.clear();
                figures.volumes = vec![("/backup".to_owned(), 90 << 30, 2 << 40)];
            }
            self.live(Live::Host(Box::new(figures)));
        }
        for line in [
            "Vmid Name File Guest OS Version",
            "1 other [local1] other/other.vmx",
        ] {
            let (host, line) = (HostName::from("lee-esx1"), line.to_owned());
            self.live(Live::Output {
                host,
                line,
                replaces: false,
            });
        }
        self
    }

    pub(super) fn restoring(&mut self) -> &mut Self {
        let progress = Progress {
            doing: "sending sql01-flat.vmdk".to_owned(),
            done: 8 << 30,
            total: 18 << 30,
            rate: 117 << 20,
            eta: Some(self.now.wall + Duration::from_secs(87)),
        };
        self.live(Live::Progress {
            step: id("sql01", "restore"),
            progress,
        })
    }
}

pub(super) fn parse(keys: &str) -> Vec<KeyEvent> {
    let mut parsed = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'));
        if let Some((name, tail)) = named {
            rest = tail;
            let code = match name {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                "Tab" => KeyCode::Tab,
                "PgDn" => KeyCode::PageDown,
                "PgUp" => KeyCode::PageUp,
                "C-c" => {
                    parsed.push(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
                    continue;
                }
                "C-u" => {
                    parsed.push(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
                    continue;
                }
                "A-l" => {
                    parsed.push(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::ALT));
                    continue;
                }
                "A-C-c" => {
                    let both = KeyModifiers::ALT | KeyModifiers::CONTROL;
                    parsed.push(KeyEvent::new(KeyCode::Char('c'), both));
                    continue;
                }
                other => panic!("no key {other}"),
            };
            parsed.push(KeyEvent::new(code, KeyModifiers::NONE));
        } else {
            rest = &rest[c.len_utf8()..];
            parsed.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
    }
    parsed
}

/// An empty screen.
pub(super) fn bare((width, height): (u16, u16)) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut lines = Vec::new();
    for row in buffer.content.chunks(width) {
        let mut line = String::new();
        let mut skip = 0;
        for cell in row {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = super::text::width(cell.symbol()).saturating_sub(1);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn styles(buffer: &Buffer) -> String {
    let mut runs = Vec::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let look = (cell.fg, cell.bg, cell.modifier);
            let from = x;
            while x < buffer.area.width && {
                let cell = &buffer[(x, y)];
                (cell.fg, cell.bg, cell.modifier) == look
            } {
                x += 1;
            }
            let plain = look == (Color::Reset, Color::Reset, Modifier::empty());
            // Rules and labels are dim everywhere and say nothing here.
            if !plain && look.2 != Modifier::DIM {
                let words: String = (from..x).map(|x| buffer[(x, y)].symbol()).collect();
                runs.push(format!(
                    "{y:2},{from:<3} {:?} {:?} {:?}",
                    look.0,
                    look.2,
                    words.trim_end()
                ));
            }
        }
    }
    runs.join("\n")
}
