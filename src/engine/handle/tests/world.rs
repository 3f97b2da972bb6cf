//! A seeded world: every write may succeed, fail, be lost with or without effect, or take effect
//! late; the console may crash after any effect. The promises are checked as things happen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::engine::{Entry, Performed, RetryScope, Status, StopOutcome};
use crate::error::Fault;
use crate::names::OpId;

/// A small generator (xorshift64*), so that a seed replays exactly.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

struct World {
    dice: Dice,
    plan: Arc<Plan>,
    journal: Vec<Arc<Entry>>,
    /// What is true on the host, and how often a command made it so.
    done: BTreeMap<StepId, u32>,
    /// Commands that may still take effect although the console lost them.
    ghosts: BTreeMap<OpId, StepId>,
    clock: i64,
}

/// What one action reports, in order.
type Queue = VecDeque<Input>;

enum End {
    Finished,
    Crashed,
}

impl World {
    fn is_done(&self, step: &StepId) -> bool {
        self.done.get(step).is_some_and(|times| *times > 0)
    }

    fn apply(&mut self, step: &StepId) {
        let times = self.done.entry(step.clone()).or_default();
        *times += 1;
        assert_eq!(*times, 1, "{step} took effect twice");
    }

    /// A lost command may wake up at any time until it is stopped.
    fn ghosts_stir(&mut self) {
        for (op, step) in self.ghosts.clone() {
            if self.dice.roll(4) == 0 {
                self.ghosts.remove(&op);
                self.apply(&step);
            }
        }
    }

    fn answer(&self, step: &StepId) -> ProbeAnswer {
        if self.is_done(step) {
            already()
        } else {
            needed()
        }
    }

    /// One console from start or resume until the end or a crash.
    fn session(&mut self, first: Input) -> End {
        let state = RunState::fold(self.journal.iter().map(AsRef::as_ref));
        let settings = Settings {
            losses: 1000,
            probe_tries: 2,
            ..Settings::default()
        };
        let mut engine = Engine::new(Arc::clone(&self.plan), state, settings);
        let mut inputs = vec![VecDeque::from([first])];
        loop {
            if inputs.is_empty() {
                inputs = self.person(&engine);
                assert!(!inputs.is_empty(), "a dead end: {:?}", engine.stuck());
            }
            let next = self.dice.roll(inputs.len() as u64) as usize;
            let input = inputs[next].pop_front().expect("no queue is empty");
            inputs.retain(|queue| !queue.is_empty());
            self.clock += 1;
            for effect in engine.handle(at(self.clock), input) {
                if self.dice.roll(60) == 0 {
                    return End::Crashed;
                }
                if effect == Effect::Leave {
                    return End::Finished;
                }
                self.carry(effect, &mut inputs);
                let folded = RunState::fold(self.journal.iter().map(AsRef::as_ref));
                self.check(&folded);
            }
            assert_eq!(
                *engine.state(),
                RunState::fold(self.journal.iter().map(AsRef::as_ref)),
                "the engine believes something that is not in the journal"
            );
            self.ghosts_stir();
        }
    }

    fn check(&self, state: &RunState) {
        for (id, step) in &state.steps {
            if matches!(step.status, Status::Done | Status::AlreadyDone) {
                assert!(self.is_done(id), "{id} is green and not done");
            }
        }
    }

    fn person(&mut self, engine: &Engine) -> Vec<Queue> {
        let mut inputs = Vec::new();
        for step in &self.plan.steps {
            let attempt = engine.state().step(&step.id).attempt;
            match engine.state().status(&step.id) {
                Status::Asking => inputs.push([confirm(&step.id, attempt.0)].into()),
                Status::Failed | Status::Held => {
                    let retry = OperatorInput::Retry {
                        scope: RetryScope::Step(step.id.clone()),
                        by: "alice".to_owned(),
                    };
                    inputs.push([Input::Operator(retry)].into());
                }
                _ => {}
            }
        }
        inputs
    }

    fn carry(&mut self, effect: Effect, inputs: &mut Vec<Queue>) {
        match effect {
            Effect::Record(entry) => self.journal.push(entry),
            Effect::Probe { step, attempt } => {
                let answer = if self.dice.roll(8) == 0 {
                    Err(Fault::default().passing())
                } else {
                    Ok(self.answer(&step))
                };
                inputs.push(
                    [Input::Probed {
                        step,
                        attempt,
                        answer,
                    }]
                    .into(),
                );
            }
            Effect::Start { step, attempt } => {
                if self.is_done(&step) {
                    let result = Performed::Done {
                        evidence: Vec::new(),
                    };
                    inputs.push(
                        [Input::Performed {
                            step,
                            attempt,
                            result,
                        }]
                        .into(),
                    );
                } else {
                    let ticket = self.clock.unsigned_abs();
                    let command = "register".to_owned();
                    let host = "esx".into();
                    let bulk = false;
                    let wanted = Input::WriteWanted {
                        step,
                        attempt,
                        ticket,
                        host,
                        command,
                        bulk,
                    };
                    inputs.push([wanted].into());
                }
            }
            Effect::Grant { op, .. } => self.send(op, inputs),
            Effect::StopLost { step, attempt, op } => {
                let outcome = if self.dice.roll(4) == 0 {
                    Err(Fault::default())
                } else {
                    let outcome = match self.ghosts.remove(&op) {
                        Some(_) => StopOutcome::Killed,
                        None => StopOutcome::Gone,
                    };
                    Ok(outcome)
                };
                inputs.push(
                    [Input::Stopped {
                        step,
                        attempt,
                        op,
                        outcome,
                    }]
                    .into(),
                );
            }
            Effect::Timer { id, .. } => inputs.push([Input::Timer(id)].into()),
            _ => {}
        }
    }

    /// The write leaves: by then its intent must be on disk and nothing of it may be out there.
    fn send(&mut self, op: OpId, inputs: &mut Vec<Queue>) {
        let intent = self.journal.iter().rev().find(|entry| {
            matches!(&entry.event, RunEvent::WriteIntended { op: intended, .. } if *intended == op)
        });
        let entry = intent.expect("a write left before its intent was on disk");
        let (step, attempt) = (entry.step.clone().unwrap(), entry.attempt.unwrap());
        assert!(
            !self.ghosts.values().any(|ghost| *ghost == step),
            "{step} may still be under way"
        );
        assert!(
            !self.is_done(&step),
            "{step} was sent again though it is done"
        );
        let finished = |exit| Input::WriteFinished {
            op,
            exit,
            took_ms: 1,
            output_sha256: None,
        };
        let ended = |result| Input::Performed {
            step: step.clone(),
            attempt,
            result,
        };
        let lost = || Input::WriteLost {
            op,
            why: "cut".to_owned(),
        };
        match self.dice.roll(6) {
            0 => inputs.push([finished(1), ended(Performed::Failed(Fault::default()))].into()),
            1 => {
                self.apply(&step);
                inputs.push([lost(), ended(Performed::Lost)].into());
            }
            2 => inputs.push([lost(), ended(Performed::Lost)].into()),
            3 => {
                self.ghosts.insert(op, step.clone());
                inputs.push([lost(), ended(Performed::Lost)].into());
            }
            _ => {
                self.apply(&step);
                let evidence = Vec::new();
                inputs.push([finished(0), ended(Performed::Done { evidence })].into());
            }
        }
    }
}

fn run(seed: u64) -> (usize, usize) {
    let mut world = World {
        dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        plan: plan(&[&[], &[0], &[0], &[1, 2]]),
        journal: Vec::new(),
        done: BTreeMap::new(),
        ghosts: BTreeMap::new(),
        clock: 0,
    };
    let mut crashes = 0;
    let mut input = Input::Start(info());
    while let End::Crashed = world.session(input) {
        crashes += 1;
        assert!(crashes < 500, "seed {seed}: no end");
        input = if world.journal.is_empty() {
            Input::Start(info())
        } else {
            Input::Resume {
                operator: "alice".to_owned(),
                console: "c".to_owned(),
                clock_back_s: None,
            }
        };
    }
    let finished: BTreeSet<_> = world.done.keys().cloned().collect();
    assert_eq!(finished.len(), 4, "seed {seed}: not everything is done");
    (crashes, world.journal.len())
}

#[test]
fn two_thousand_runs_keep_the_promises() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..2000,
    };
    let mut crashes = 0;
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        match outcome {
            Ok((crashed, _)) => crashes += crashed,
            Err(panic) => {
                eprintln!("replay with SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    eprintln!("{crashes} crashes survived");
}
