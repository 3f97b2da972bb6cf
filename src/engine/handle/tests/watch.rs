//! A host of the other site answers again, at every moment of a failover.

use super::*;
use crate::engine::{
    Chapter, Fact, Pace, Performed, RunEvent, Split, Status, StopOutcome, TakenBy,
};
use crate::error::Fault;
use crate::names::{OpId, VmName};
use crate::plan::{Close, then_closed};

const FENCE: usize = 0;
const POWER_ON: usize = 2;

/// fence, register and `power_on` of vm0, then a register of vm1.
fn failover() -> Arc<Plan> {
    let mut plan = Arc::unwrap_or_clone(plan(&[&[], &[0], &[1], &[]]));
    let vm: VmName = "vm0".into();
    let verbs = [
        ("fence", ActionSpec::Fence { vm: vm.clone() }, "lon"),
        ("register", ActionSpec::Register { vm: vm.clone() }, "lee"),
        ("power_on", ActionSpec::PowerOn { vm: vm.clone() }, "lee"),
    ];
    for (step, (verb, action, host)) in plan.steps.iter_mut().zip(verbs) {
        step.id = format!("failover/recover/vm0/{verb}").as_str().into();
        step.action = action;
        step.subject = Subject::Vm(vm.clone());
        step.hosts = vec![host.into()];
    }
    plan.steps[FENCE].side = SiteRole::Protected;
    Arc::new(plan)
}

/// A run and what happens to it, second by second.
struct Story {
    engine: Engine,
    plan: Arc<Plan>,
    second: i64,
}

impl Story {
    /// vm0 was fenced by attestation, London being silent, and is about to be registered.
    fn attested() -> Self {
        let mut story = Self::unheard();
        story.answer(FENCE, already());
        story
    }

    /// The fence of vm0 looks, and London is silent.
    fn unheard() -> Self {
        Self::unheard_in(failover())
    }

    fn unheard_in(plan: Arc<Plan>) -> Self {
        let mut story = Self {
            engine: engine(&plan),
            plan,
            second: 0,
        };
        story.put(Input::Start(info()));
        story.put(Input::Operator(OperatorInput::SetPace {
            pace: Pace::Auto,
            by: "alice".to_owned(),
        }));
        story.evidence(&["lon"]);
        story
    }

    fn put(&mut self, input: Input) -> Vec<String> {
        self.second += 1;
        names(&self.engine.handle(at(self.second), input))
    }

    fn id(&self, step: usize) -> StepId {
        self.plan.steps[step].id.clone()
    }

    fn status(&self, step: usize) -> Status {
        self.engine.state().status(&self.id(step))
    }

    fn answer(&mut self, step: usize, answer: ProbeAnswer) -> Vec<String> {
        let step = self.id(step);
        let attempt = self.engine.state().step(&step).attempt;
        self.put(Input::Probed {
            step,
            attempt,
            answer: Ok(answer),
        })
    }

    fn fact(&mut self, step: usize, fact: Fact) {
        let step = self.id(step);
        let attempt = self.engine.state().step(&step).attempt;
        let effects = self.put(Input::FactFound {
            step,
            attempt,
            ticket: 1,
            fact,
        });
        assert!(effects.contains(&"KEPT".to_owned()), "{effects:?}");
    }

    /// The start of vm0 wants to send something.
    fn wants(&mut self, command: &str) -> Vec<String> {
        self.step_wants(POWER_ON, command)
    }

    fn step_wants(&mut self, step: usize, command: &str) -> Vec<String> {
        let step = self.id(step);
        self.put(Input::WriteWanted {
            step,
            attempt: Attempt(1),
            ticket: 9,
            host: "lee".into(),
            command: command.to_owned(),
            bulk: false,
        })
    }

    fn evidence(&mut self, silent: &[&str]) {
        self.evidence_of(FENCE, silent);
    }

    fn evidence_of(&mut self, step: usize, silent: &[&str]) {
        let fact = Fact::OwnershipEvidence {
            vm: "vm0".into(),
            lines: vec![],
            whole: silent.is_empty(),
            silent: silent.iter().map(|host| (*host).into()).collect(),
            at: at(self.second),
        };
        self.fact(step, fact);
    }

    /// A poll of London that begins and ends now.
    fn london(&mut self, running: Option<&[&str]>) -> Vec<String> {
        self.poll("lon", SiteRole::Protected, running)
    }

    fn poll(&mut self, host: &str, role: SiteRole, running: Option<&[&str]>) -> Vec<String> {
        let vms = |vms: &[&str]| vms.iter().map(|vm| (*vm).into()).collect();
        let asked = at(self.second + 1);
        self.put(Input::HostSeen {
            host: host.into(),
            role,
            asked,
            running: running.map(vms),
        })
    }

    /// Another console takes the run up where its journal ends.
    fn taken_over(&mut self, state: RunState) {
        self.taken_over_with(state, Vec::new());
    }

    fn taken_over_with(&mut self, state: RunState, with: Vec<RunEvent>) {
        self.engine = Engine::new(Arc::clone(&self.plan), state, Settings::default());
        self.put(Input::Resume {
            operator: "bob".to_owned(),
            console: "c".to_owned(),
            clock_back_s: None,
            with,
        });
    }

    /// vm0 runs in Leeds, and nothing is left to do but vm1.
    fn started() -> Self {
        let mut story = Self::attested();
        story.answer(1, already());
        story.fact(
            POWER_ON,
            Fact::PoweredOn {
                vm: "vm0".into(),
                host: "lee".into(),
            },
        );
        story.answer(POWER_ON, already());
        story
    }
}

/// Whether something was found that everybody must hear of.
fn returned(effects: &[String]) -> bool {
    effects.contains(&"fact-found".to_owned())
}

#[test]
fn a_silent_host_that_answers_rings_and_is_asked_before_any_start() {
    let mut story = Story::attested();
    story.answer(1, already());
    story.answer(POWER_ON, needed());
    assert_eq!(story.status(POWER_ON), Status::Running, "pace auto");
    assert!(!returned(&story.london(None)), "silence is no news");
    let effects = story.london(Some(&[]));
    assert!(returned(&effects), "{effects:?}");
    assert_eq!(story.status(POWER_ON), Status::Waiting, "nothing was sent");
    assert_eq!(story.status(FENCE), Status::Probing, "London is asked");
    assert!(!returned(&story.london(Some(&[]))), "once");
    assert_eq!(story.status(POWER_ON), Status::Waiting);
    // A late word of the attempt that was taken back starts nothing.
    assert_eq!(story.wants("vim-cmd vmsvc/power.on 7"), ["DENY"]);
    story.evidence(&[]);
    let effects = story.answer(FENCE, already());
    assert!(effects.contains(&"PROBE 2".to_owned()), "{effects:?}");
    assert_eq!(story.status(POWER_ON), Status::Probing, "held no more");
    assert!(!returned(&story.london(Some(&[]))));
}

/// Its own files were copied while it was off, and before it starts it is seen that it ran since.
#[test]
fn what_was_copied_of_a_vm_that_ran_since_is_copied_once_more_before_it_starts() {
    const COPY: usize = 1;
    let mut plan = Arc::unwrap_or_clone(failover());
    let vm: VmName = "vm0".into();
    plan.steps[COPY].action = ActionSpec::Replicate { vm: vm.clone() };
    let mut story = Story::unheard_in(Arc::new(plan));
    story.answer(FENCE, already());
    story.answer(COPY, already());
    assert_eq!(story.status(POWER_ON), Status::Probing);
    let ran = Fact::RanSinceCopied {
        vm,
        host: "lon".into(),
        seen: "vm0-flat.vmdk has changed".to_owned(),
    };
    story.fact(POWER_ON, ran);
    assert_eq!(story.status(COPY), Status::Probing, "it is compared again");
    assert_eq!(
        story.status(POWER_ON),
        Status::Waiting,
        "what it saw is over"
    );
    story.answer(POWER_ON, needed());
    assert_eq!(story.status(POWER_ON), Status::Waiting);
    story.answer(COPY, already());
    assert_eq!(story.status(POWER_ON), Status::Probing);
}

#[test]
fn a_start_that_asks_something_is_stopped_before_it_begins_anew() {
    let mut story = Story::attested();
    story.answer(1, already());
    story.answer(POWER_ON, needed());
    let sent = story.wants("vim-cmd vmsvc/power.on 7");
    assert_eq!(sent, ["write-intended", "GRANT 1"]);
    story.london(Some(&[]));
    assert_eq!(story.status(POWER_ON), Status::Running, "it is on its way");
    let refused = story.wants("vim-cmd vmsvc/message 7 _vmx1 2");
    assert_eq!(refused, ["DENY", "CANCEL", "write-lost", "STOP 1"]);
    story.evidence(&[]);
    story.answer(FENCE, already());
    assert_eq!(story.status(POWER_ON), Status::InDoubt, "London was asked");
    let (step, op) = (story.id(POWER_ON), OpId(1));
    story.put(Input::Stopped {
        step,
        attempt: Attempt(1),
        op,
        outcome: Ok(StopOutcome::Killed),
    });
    assert_eq!(story.status(POWER_ON), Status::Probing);
}

#[test]
fn a_fence_that_a_person_settled_in_doubt_is_stopped_before_it_looks_again() {
    let mut story = Story::unheard();
    story.answer(FENCE, needed());
    let sent = story.step_wants(FENCE, "vim-cmd vmsvc/power.off 7");
    assert_eq!(sent, ["write-intended", "GRANT 1"]);
    let (op, step, attempt) = (OpId(1), story.id(FENCE), Attempt(1));
    let why = "cut".to_owned();
    story.put(Input::WriteLost { op, why });
    let result = Performed::Lost;
    story.put(Input::Performed {
        step,
        attempt,
        result,
    });
    let stop_failed = |story: &Story| Input::Stopped {
        step: story.id(FENCE),
        attempt,
        op,
        outcome: Err(Fault::default()),
    };
    story.put(stop_failed(&story));
    let by_hand = OperatorInput::ByHand {
        step: story.id(FENCE),
        by: "alice".to_owned(),
        evidence: "seen off in the host client".to_owned(),
    };
    story.put(Input::Operator(by_hand));
    assert_eq!(story.status(FENCE), Status::ByHand);

    let told = story.london(Some(&["vm0"]));
    assert!(told.contains(&"STOP 1".to_owned()), "{told:?}");
    assert_eq!(story.status(FENCE), Status::InDoubt);
    story.put(stop_failed(&story));
    assert_eq!(story.status(FENCE), Status::Held, "a person is asked");
}

#[test]
fn what_a_console_told_before_it_died_is_looked_into_by_the_next() {
    looked_into_by_the_next(failover());
    // A check that asks London is a step of the way to Leeds, and tells of no host's site.
    let mut plan = Arc::unwrap_or_clone(failover());
    plan.steps[FENCE].hosts.push("lon-2".into());
    plan.steps[3].action = ActionSpec::Check(Vec::new());
    plan.steps[3].hosts = vec!["lon".into()];
    looked_into_by_the_next(Arc::new(plan));
}

fn looked_into_by_the_next(plan: Arc<Plan>) {
    let mut story = Story::unheard_in(plan);
    story.answer(FENCE, already());
    let mut state = story.engine.state().clone();
    let told = story.engine.handle(
        at(90),
        Input::HostSeen {
            host: "lon".into(),
            role: SiteRole::Protected,
            asked: at(89),
            running: Some(vec!["vm0".into()]),
        },
    );
    let Some(Effect::Record(first)) = told.first() else {
        panic!("nothing was kept: {told:?}");
    };
    state.apply(first);
    story.taken_over(state.clone());
    assert_eq!(story.status(FENCE), Status::Probing, "London is asked");
    assert_eq!(story.status(1), Status::Probing, "what is no start goes on");

    story.evidence(&["lon"]);
    story.answer(FENCE, already());
    story.taken_over(story.engine.state().clone());
    assert_eq!(story.status(FENCE), Status::AlreadyDone, "once");
}

#[test]
fn a_vm_that_a_person_started_is_watched_as_one_of_the_run() {
    let mut story = Story::attested();
    story.answer(1, already());
    story.answer(POWER_ON, needed());
    let result = Performed::Failed(Fault::default());
    let step = story.id(POWER_ON);
    let attempt = Attempt(1);
    story.put(Input::Performed {
        step: step.clone(),
        attempt,
        result,
    });
    story.put(Input::Operator(OperatorInput::ByHand {
        step,
        by: "alice".to_owned(),
        evidence: "started in the host client".to_owned(),
    }));
    assert_eq!(story.status(POWER_ON), Status::ByHand);
    story.london(Some(&["vm0"]));
    let splits = story.engine.state().splits();
    let split = splits.first().map(Split::in_words);
    assert_eq!(split.as_deref(), Some("vm0 runs on lee and on lon"));
}

#[test]
fn what_is_no_start_goes_on_while_the_host_is_asked() {
    let mut story = Story::attested();
    story.answer(1, needed());
    story.london(Some(&[]));
    assert_eq!(story.status(1), Status::Running);
    let step = story.id(1);
    story.put(Input::Performed {
        step,
        attempt: Attempt(1),
        result: Performed::Done { evidence: vec![] },
    });
    assert_eq!(story.status(FENCE), Status::Probing);
    assert_eq!(story.status(POWER_ON), Status::Waiting, "held");
}

#[test]
fn a_host_that_comes_and_goes_rings_each_time() {
    let mut story = Story::attested();
    assert!(returned(&story.london(Some(&[]))));
    story.answer(FENCE, already());
    story.london(None);
    assert!(returned(&story.london(Some(&[]))));
}

#[test]
fn a_vm_at_both_sites_is_named_until_one_copy_is_gone() {
    let mut story = Story::started();
    let effects = story.london(Some(&["vm0"]));
    assert!(returned(&effects), "{effects:?}");
    let splits = story.engine.state().splits();
    assert_eq!(splits[0].in_words(), "vm0 runs on lee and on lon");
    assert_eq!(story.status(FENCE), Status::Probing);
    story.london(Some(&["vm0"]));
    assert_eq!(story.engine.state().splits().len(), 1, "named once");
    // Everything else is over, and yet the run is not.
    story.answer(3, already());
    let stopped = Fact::Stopped {
        vm: "vm0".into(),
        host: "lon".into(),
        how: "powered off".into(),
        at: at(story.second),
    };
    story.fact(FENCE, stopped);
    assert!(story.engine.state().splits().is_empty());
    let effects = story.answer(FENCE, already());
    assert!(effects.contains(&"run-finished".to_owned()), "{effects:?}");
}

#[test]
fn a_vm_that_is_yet_to_go_home_may_run_where_the_run_started_it() {
    const HOME: usize = 3;
    let mut plan = Arc::unwrap_or_clone(failover());
    plan.steps[HOME] = Step {
        id: "failback/go-home/vm0/power_on".into(),
        side: SiteRole::Protected,
        hosts: vec!["lon".into()],
        ..plan.steps[POWER_ON].clone()
    };
    let mut story = Story::unheard_in(Arc::new(plan));
    story.answer(FENCE, already());
    story.answer(1, already());
    let started = Fact::PoweredOn {
        vm: "vm0".into(),
        host: "lee".into(),
    };
    story.fact(POWER_ON, started);
    story.answer(POWER_ON, already());
    let quiet = story.poll("lee", SiteRole::Recovery, Some(&["vm0"]));
    assert!(!returned(&quiet), "{quiet:?}");
    assert_eq!(story.status(HOME), Status::Probing);
    story.evidence_of(HOME, &[]);
    let told = story.poll("lee", SiteRole::Recovery, Some(&["vm0"]));
    assert!(returned(&told), "seen off, and then on again: {told:?}");
}

#[test]
fn a_split_ends_too_when_the_host_says_that_it_runs_it_no_more() {
    let mut story = Story::started();
    story.london(Some(&["vm0"]));
    story.answer(FENCE, already());
    story.answer(3, already());
    assert!(story.engine.state().finished.is_none(), "both run");
    let ended = story.london(Some(&[]));
    assert!(ended.contains(&"run-finished".to_owned()), "{ended:?}");
}

#[test]
fn a_split_in_a_rollback_ends_when_a_person_has_stopped_the_runs_copy() {
    const STOP: usize = 4;
    const BACK: usize = 5;
    let mut story = Story::started();
    story.answer(3, already());
    let plan = Arc::unwrap_or_clone(failover());
    let stop = Step {
        id: "rollback/take-down/vm0/stop".into(),
        action: ActionSpec::Close(Close::Stop {
            vm: "vm0".into(),
            host: "lee".into(),
            vmx: String::new(),
        }),
        after: Vec::new(),
        ..plan.steps[POWER_ON].clone()
    };
    let back = Step {
        id: "rollback/bring-back/vm1/power_on".into(),
        action: ActionSpec::PowerOn { vm: "vm1".into() },
        side: SiteRole::Protected,
        ..plan.steps[3].clone()
    };
    story.plan = Arc::new(then_closed(plan, vec![stop, back]));
    let state = story.engine.state().clone();
    story.taken_over_with(
        state,
        vec![RunEvent::ChapterOpened {
            chapter: Chapter::Rollback,
            by: "bob".to_owned(),
            plan: story.plan.fingerprint.clone(),
            keeping: None,
            despite: None,
        }],
    );
    story.london(Some(&["vm0"]));
    assert_eq!(story.engine.state().splits().len(), 1, "both run");
    assert_eq!(story.status(BACK), Status::Waiting, "no start");
    // Its host is dead: it cannot be stopped from here.
    story.put(Input::Operator(OperatorInput::ByHand {
        step: story.id(STOP),
        by: "bob".to_owned(),
        evidence: "pulled its power".to_owned(),
    }));
    assert!(story.engine.state().splits().is_empty());
    assert_eq!(story.status(BACK), Status::Probing);
    assert!(!returned(&story.london(Some(&["vm0"]))), "it is to live");
    // Unless its host tells otherwise.
    story.poll("lee", SiteRole::Recovery, Some(&["vm0"]));
    assert!(returned(&story.london(Some(&["vm0"]))));
    assert_eq!(story.engine.state().splits().len(), 1);
}

#[test]
fn a_copy_that_was_moved_within_its_site_is_a_second_one_still() {
    let mut story = Story::started();
    story.london(Some(&["vm0"]));
    story.answer(FENCE, already());
    story.answer(3, already());
    let moved = |story: &mut Story, running: &[&str]| {
        let running = running.iter().map(|vm| (*vm).into()).collect();
        story.put(Input::HostSeen {
            host: "lon2".into(),
            role: SiteRole::Protected,
            asked: at(story.second + 1),
            running: Some(running),
        });
    };
    moved(&mut story, &["vm0"]);
    story.london(Some(&[]));
    assert_eq!(story.engine.state().splits().len(), 1, "lon2 runs it");
    moved(&mut story, &[]);
    story.london(Some(&[]));
    assert!(story.engine.state().splits().is_empty());
}

#[test]
fn a_list_from_before_the_start_is_no_second_copy() {
    let mut story = Story::started();
    let old = Input::HostSeen {
        host: "lon".into(),
        role: SiteRole::Protected,
        asked: at(1),
        running: Some(vec!["vm0".into()]),
    };
    story.put(old);
    assert!(story.engine.state().splits().is_empty());
    // Nor is a copy at the same site, to which it may have been moved.
    story.put(Input::HostSeen {
        host: "lee2".into(),
        role: SiteRole::Recovery,
        asked: at(story.second + 1),
        running: Some(vec!["vm0".into()]),
    });
    assert!(story.engine.state().splits().is_empty());
}

fn taken_by(by: &str, vms: &[&str]) -> Fact {
    Fact::TakenHome(TakenBy {
        by: by.into(),
        vms: vms.iter().map(|vm| (*vm).into()).collect(),
    })
}

#[test]
fn what_no_failback_took_home_is_watched_as_before() {
    let taken = || [taken_by("r2", &["vm1"]), taken_by("r3", &["vm2"])].map(RunEvent::FactFound);
    // Seen before, and seen since.
    let mut story = Story::started();
    story.london(Some(&["vm0"]));
    let state = story.engine.state().clone();
    story.taken_over_with(state, taken().to_vec());
    assert_eq!(story.engine.state().splits().len(), 1);
    let mut story = Story::started();
    let state = story.engine.state().clone();
    story.taken_over_with(state, taken().to_vec());
    assert!(returned(&story.london(Some(&["vm0", "vm1"]))));
    assert_eq!(story.engine.state().splits().len(), 1);
}

#[test]
fn a_host_that_comes_back_is_not_asked_about_what_was_taken_home() {
    let asked = |vms: &[&str]| {
        let mut story = Story::started();
        let state = story.engine.state().clone();
        story.taken_over_with(state, vec![RunEvent::FactFound(taken_by("r2", vms))]);
        returned(&story.london(Some(&[])))
    };
    assert!(asked(&["vm1"]));
    assert!(!asked(&["vm1", "vm0"]));
}

#[test]
fn what_a_failback_took_home_runs_nowhere_twice() {
    let mut story = Story::started();
    story.london(Some(&["vm0"]));
    let split = story.engine.state().clone();
    assert_eq!(split.splits().len(), 1, "before");
    let home = taken_by("r2", &[]);
    story.taken_over_with(split.clone(), vec![RunEvent::FactFound(home)]);
    assert!(story.engine.state().splits().is_empty());
    assert!(!returned(&story.london(Some(&["vm0"]))));
    assert!(story.engine.state().splits().is_empty());
    // The failback was rolled back since: the watch is this run's own again.
    let state = story.engine.state().clone();
    story.taken_over(state);
    story.london(Some(&["vm0"]));
    assert_eq!(story.engine.state().splits().len(), 1, "again");
}

/// Numbers that a seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

impl Story {
    /// Something happens that may happen now.
    fn anything(&mut self, dice: &mut Dice) {
        let step = usize::try_from(dice.below(4)).unwrap();
        let (id, status) = (self.id(step), self.status(step));
        let attempt = self.engine.state().step(&id).attempt;
        match (dice.below(8), status) {
            (0, _) => drop(self.london(None)),
            (1, _) => drop(self.london(Some(&[]))),
            (2, _) => drop(self.london(Some(&["vm0"]))),
            (3, _) => self.taken_over(self.engine.state().clone()),
            (4, Status::Probing) => drop(self.answer(step, already())),
            (_, Status::Probing) if step == FENCE => {
                self.evidence(if dice.below(2) == 0 { &["lon"] } else { &[] });
                self.answer(step, needed());
            }
            (_, Status::Probing) => drop(self.answer(step, needed())),
            (_, Status::Asking) => drop(self.put(confirm(&id, attempt.0))),
            (_, Status::Running) => {
                if step == POWER_ON {
                    let (vm, host) = ("vm0".into(), "lee".into());
                    self.fact(POWER_ON, Fact::PoweredOn { vm, host });
                }
                let result = Performed::Done { evidence: vec![] };
                self.put(Input::Performed {
                    step: id,
                    attempt,
                    result,
                });
            }
            _ => {}
        }
    }
}

#[test]
fn whatever_comes_back_whenever_no_start_gets_past_the_question() {
    let (mut held, mut split, mut ended) = (0, 0, 0);
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let mut story = Story::attested();
        for _ in 0..60 {
            story.anything(&mut dice);
            let is_held = story.engine.power_on_is_held();
            let status = story.status(POWER_ON);
            let at_large = matches!(status, Status::Probing | Status::Asking | Status::Running);
            assert!(!(is_held && at_large), "seed {seed}: {status:?} while held");
            held += u32::from(is_held);
            let splits = story.engine.state().splits();
            split += u32::from(!splits.is_empty());
            if story.engine.state().finished.is_some() {
                assert!(splits.is_empty(), "seed {seed}: over, and both copies run");
                ended += 1;
                break;
            }
        }
    }
    assert!(
        held > 1_000 && split > 100 && ended > 100,
        "{held} {split} {ended}"
    );
}
