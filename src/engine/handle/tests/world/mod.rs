//! Seeded worlds: every command may work, fail, be lost with or without effect, or take effect late;
//! the console may crash before and after any effect; journals are cut; hosts go dark and come back,
//! and are polled beside the steps; another console drives the same VMs; somebody ends the run at any
//! moment; people press what they like. The promises are checked after every event ([`promises`]), and after
//! a while each world turns calm: then somebody who follows the screen must reach the end.

mod carry;
mod chapters;
mod coverage;
mod dice;
mod inputs;
mod jobs;
mod locks;
mod looks;
mod owners;
mod people;
mod polls;
mod promises;
mod runs;
mod shapes;
mod site;

use std::collections::BTreeSet;

use super::super::planted::Bug;
use super::*;
use crate::engine::{Entry, TimerId};
use coverage::Coverage;
use dice::Dice;
use inputs::{older, step_of};
use jobs::Job;
use locks::{Closer, Locks};
use owners::Due;
use polls::{Heard, Poll};
use promises::{Broken, Watch};
use shapes::{Kind, Shape, shapes};
use site::{Home, Site, Write};

/// Ways in which a world can be unkind; each can be taken out to make a failing run smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mischief {
    Crash,
    Torn,
    CutAnywhere,
    Lost,
    Fail,
    Unreachable,
    Panic,
    Late,
    StaleTimer,
    Person,
    Reboot,
    Dark,
    Clock,
    Again,
    Poll,
    Other,
    Asks,
}

impl Mischief {
    const ALL: [Self; 17] = [
        Self::Crash,
        Self::Torn,
        Self::CutAnywhere,
        Self::Lost,
        Self::Fail,
        Self::Unreachable,
        Self::Panic,
        Self::Late,
        Self::StaleTimer,
        Self::Person,
        Self::Reboot,
        Self::Dark,
        Self::Clock,
        Self::Again,
        Self::Poll,
        Self::Other,
        Self::Asks,
    ];
}

/// What a world is made from: the same recipe gives the same run.
#[derive(Clone, Debug)]
struct Recipe {
    seed: u64,
    bug: Option<Bug>,
    /// Inputs after which nothing goes wrong any more; `None`: as the seed says.
    calm_after: Option<u32>,
    /// One bit for each [`Mischief`] that is left out.
    without: u32,
}

impl Recipe {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            seed,
            bug,
            calm_after: None,
            without: 0,
        }
    }
}

/// Inputs of a calm world within which its run must end.
const PATIENCE: u32 = 1200;

struct World {
    recipe: Recipe,
    dice: Dice,
    calm_after: u32,
    shape: &'static Shape,
    shape_index: usize,
    site: Site,
    journal: Vec<Arc<Entry>>,
    /// The fold of the journal, line by line.
    folded: RunState,
    watch: Watch,
    jobs: Vec<Job>,
    /// Gives the run's locks back, at its end.
    closer: Option<Closer>,
    timers: Vec<TimerId>,
    fired: Vec<TimerId>,
    /// What was said by those who are gone, and arrives yet.
    late: Vec<Input>,
    polls: Vec<Poll>,
    /// The answer to a poll that is heard right now.
    heard: Option<Heard>,
    /// Of two copies, the one at the recovery site is to live.
    prefers_here: bool,
    /// Whether the other site ends dark and with nothing running once the world is calm.
    fades: bool,
    unanswered: BTreeSet<(usize, Attempt)>,
    tries: Vec<u8>,
    millis: i64,
    ticket: u64,
    resumes: u32,
    headless: bool,
    coverage: Coverage,
    /// What happened, for people; only where somebody wants to read it.
    trace: Option<Vec<String>>,
}

enum End {
    Finished,
    Left,
    Crashed,
}

enum Flow {
    On,
    Crash,
    Leave,
}

impl World {
    fn new(recipe: Recipe, trace: bool) -> Self {
        let mut dice = Dice::new(recipe.seed);
        let shape_index = dice.below(shapes().len());
        let shape = &shapes()[shape_index];
        let steps = chapters::closing_shapes()[shape_index].work.len();
        let recipe_seed = recipe.seed;
        let seeded = 10 + dice.roll(70);
        let mut home = || Home {
            runs: dice.one_in(2),
            dark: dice.one_in(2),
            reachable: dice.one_in(2),
        };
        let homes = [home(), home()];
        let fades = dice.one_in(2);
        let headless = dice.one_in(8);
        Self {
            calm_after: recipe.calm_after.unwrap_or(seeded),
            recipe,
            dice,
            shape,
            shape_index,
            site: Site {
                bits: vec![0; steps],
                homes,
                begun: [false; 2],
                given_up: [false; 2],
                flights: Vec::new(),
                locks: Locks::default(),
            },
            journal: Vec::new(),
            folded: RunState::default(),
            watch: Watch::new(steps),
            jobs: Vec::new(),
            closer: None,
            timers: Vec::new(),
            fired: Vec::new(),
            late: Vec::new(),
            polls: Vec::new(),
            heard: None,
            prefers_here: fades || recipe_seed.is_multiple_of(3),
            fades,
            unanswered: BTreeSet::new(),
            tries: vec![0; steps],
            millis: 0,
            ticket: 0,
            resumes: 0,
            headless,
            coverage: Coverage::default(),
            trace: trace.then(Vec::new),
        }
    }

    fn is_calm(&self) -> bool {
        self.coverage.inputs >= u64::from(self.calm_after)
    }

    /// Rolls in any case, so that leaving one kind of mischief out changes little else.
    fn mischief(&mut self, kind: Mischief, sides: u32) -> bool {
        let hit = self.dice.one_in(sides);
        hit && !self.is_calm() && self.recipe.without & (1 << kind as u32) == 0
    }

    fn say(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>8.3}  {}", self.millis as f64 / 1000.0, what(self));
            self.trace.get_or_insert_default().push(line);
        }
    }

    /// From the start of the run until its end, over all crashes.
    fn run(&mut self) -> Result<(), Broken> {
        let info = || {
            Input::Start(Box::new(RunInfo {
                format: 1,
                mode: Some(Mode::Failover),
                operator: "alice".to_owned(),
                ..RunInfo::default()
            }))
        };
        let mut first = info();
        let mut again = false;
        loop {
            match self.session(first)? {
                End::Finished if self.folded.chapter().is_some() => return Ok(()),
                End::Finished if again || !self.dice.one_in(4) => return Ok(()),
                End::Finished => again = true,
                End::Left | End::Crashed => {}
            }
            self.console_is_gone();
            first = if self.journal.is_empty() {
                self.site.locks.run += 1;
                self.shape = &shapes()[self.shape_index];
                info()
            } else {
                self.resumes += 1;
                let back = self.mischief(Mischief::Clock, 4);
                Input::Resume {
                    operator: "bob".to_owned(),
                    console: "c".to_owned(),
                    clock_back_s: back.then_some(600),
                    with: self.take_up(),
                }
            };
            if let Input::Resume { clock_back_s, .. } = &first {
                // The wall clock went back, or the night went by.
                self.millis += clock_back_s.map_or(3_000, |seconds| -1000 * seconds);
            }
        }
    }

    /// Processes on the hosts stay; everything on the console is gone.
    fn console_is_gone(&mut self) {
        self.jobs.clear();
        self.closer = None;
        self.timers.clear();
        self.fired.clear();
        self.late.clear();
        self.polls.clear();
        self.heard = None;
        self.unanswered.clear();
        self.headless = self.headless && !self.is_calm() && self.dice.one_in(2);
        self.say(|_| "the console is gone".to_owned());
    }

    /// One console, from start or resume until it leaves or crashes.
    fn session(&mut self, first: Input) -> Result<End, Broken> {
        let settings = Settings {
            headless: self.headless,
            unseen: std::time::Duration::from_secs(1),
            blocked: std::time::Duration::from_secs(1),
            losses: 3,
            cuts: 2,
            ..Settings::default()
        };
        let mut engine = Engine::new(Arc::clone(&self.shape.plan), self.folded.clone(), settings);
        engine.planted = self.recipe.bug;
        let mut next = Some(first);
        loop {
            let input = match next.take() {
                Some(input) => input,
                None => self.choose(&engine)?,
            };
            if self.coverage.inputs > u64::from(self.calm_after + PATIENCE) {
                return Err(Broken::new(9, "the run does not end"));
            }
            self.millis += i64::from(self.dice.roll(2000));
            self.hear(&input);
            let due = self.due();
            let facts = self.folded.facts.len();
            for effect in engine.handle(self.now(), input) {
                match self.carry(effect)? {
                    Flow::On => {}
                    Flow::Crash => {
                        self.coverage.crashes += 1;
                        if self.folded.facts.len() == facts {
                            self.watch.owners.unheard();
                        }
                        return Ok(End::Crashed);
                    }
                    Flow::Leave if self.folded.finished.is_some() => return Ok(End::Finished),
                    Flow::Leave => return Ok(End::Left),
                }
            }
            self.watch.confirming = None;
            self.watch.owners.heard_all(facts, &self.folded, &due)?;
            if engine.state().last_seq != self.folded.last_seq
                || (self.dice.one_in(16) && *engine.state() != self.folded)
            {
                return Err(Broken::new(
                    0,
                    "the engine believes what is not in the journal",
                ));
            }
            self.weather()?;
        }
    }

    /// What a poll that is about to be heard has to lead to.
    fn due(&mut self) -> Vec<Due> {
        let heard = self.heard.take();
        let goes_on = self.folded.info.is_some() && self.folded.finished.is_none();
        let heard = heard.filter(|_| goes_on);
        let owners = &mut self.watch.owners;
        heard.map_or_else(Vec::new, |heard| {
            let plan = &self.shape.plan;
            owners.hear(&self.folded, heard.host, heard.asked, &heard.running, plan)
        })
    }

    /// Notes what is about to be handed to the engine.
    fn hear(&mut self, input: &Input) {
        self.coverage.inputs += 1;
        self.watch.owners.tick(self.coverage.inputs);
        let stale = matches!(input, Input::Timer(id) if !self.timers.contains(id));
        if let Input::Timer(id) = input {
            self.timers.retain(|timer| timer != id);
            self.fired.push(*id);
        }
        if let Input::Operator(decision) = input {
            self.watch.confirming = promises::confirming(decision);
        }
        let step = step_of(input, &self.folded);
        let status = step.map(|step| self.folded.status(&step));
        let kind = coverage::kind(input, stale);
        self.coverage.pairs[kind][coverage::column(status)] += 1;
        self.say(|_| format!("-> {input:?}"));
    }

    /// What happens next.
    fn choose(&mut self, engine: &Engine) -> Result<Input, Broken> {
        if self.mischief(Mischief::Person, 8)
            && !self.headless
            && let Some(decision) = self.meddle()
        {
            return Ok(Input::Operator(decision));
        }
        if !self.late.is_empty() && self.mischief(Mischief::Late, 3) {
            let at = self.dice.below(self.late.len());
            return Ok(self.late.swap_remove(at));
        }
        if !self.fired.is_empty() && self.mischief(Mischief::StaleTimer, 16) {
            return Ok(Input::Timer(self.fired[self.dice.below(self.fired.len())]));
        }
        if let Some(seen) = self.arriving(4) {
            return Ok(seen);
        }
        let closes = self.closer.as_ref().is_some_and(Closer::can_go_on);
        if closes && self.dice.one_in(2) {
            return Ok(self.close());
        }
        let ready: Vec<usize> = (0..self.jobs.len())
            .filter(|index| self.jobs[*index].can_go_on())
            .collect();
        let under_way = ready.len() + self.timers.len();
        if under_way > 0 {
            let pick = self.dice.below(under_way);
            return match ready.get(pick) {
                Some(job) => self.report(*job),
                None => Ok(Input::Timer(self.timers[pick - ready.len()])),
            };
        }
        if closes {
            return Ok(self.close());
        }
        if let Some(said) = self.late.pop() {
            return Ok(said);
        }
        if let Some(seen) = self.arriving(2) {
            return Ok(seen);
        }
        self.decide(engine)
    }

    /// What a job says; sometimes it is said again when nobody waits for it any more.
    fn report(&mut self, job: usize) -> Result<Input, Broken> {
        let input = self.work_on(job)?;
        let ends = matches!(
            input,
            Input::Probed { .. } | Input::Performed { .. } | Input::Stopped { .. }
        );
        if ends && self.mischief(Mischief::Again, 6) {
            self.late.push(older(&input));
        }
        Ok(input)
    }

    /// Nothing is under way: it must be clear what a person can do, and doing it must lead on.
    fn decide(&mut self, engine: &Engine) -> Result<Input, Broken> {
        if self.headless
            && let Some(decision) = self.answer_from_file()
        {
            return Ok(Input::Operator(decision));
        }
        let Some(stuck) = engine.stuck() else {
            return Err(Broken::new(9, "nothing is under way, and nobody is asked"));
        };
        if self.headless {
            let why = "an answer is missing".to_owned();
            return Ok(Input::Operator(OperatorInput::Detach { why }));
        }
        if stuck.is_empty()
            && let Some(input) = self.settle_split()
        {
            return Ok(input);
        }
        match self.behave(&stuck) {
            Some(decision) => Ok(Input::Operator(decision)),
            None => Err(Broken::new(9, format!("a dead end: {stuck:?}"))),
        }
    }

    /// A command does what it says; a start may come to a question first.
    fn take_effect(&mut self, flight: usize) -> Result<(), Broken> {
        let known = &self.site.flights[flight];
        let starts = self.shape.work[known.step].kind == Kind::PowerOn;
        let is_new = starts && known.write == Write::Set(0) && !known.disowned;
        if is_new && self.mischief(Mischief::Asks, 3) {
            self.say(|world| format!("   {:?} asks", world.site.flights[flight]));
            self.site.asks(self.shape, flight);
            return Ok(());
        }
        self.say(|world| format!("   {:?} takes effect", world.site.flights[flight]));
        self.site.land(self.shape, flight)
    }

    /// Somebody answers a VM's question at its host.
    fn answered_by_others(&mut self) -> Result<(), Broken> {
        let vm = self.dice.below(shapes::VMS.len());
        let answers = self.mischief(Mischief::Asks, 30);
        let Some(step) = self.shape.starts[vm].filter(|_| answers && self.site.begun[vm]) else {
            return Ok(());
        };
        self.say(|_| format!("   the question of vm{vm} is answered at its host"));
        self.site.goes_on(self.shape, step, 0);
        self.site.land(self.shape, self.site.flights.len() - 1)
    }

    /// Commands land, hosts go dark, come back and start anew.
    fn weather(&mut self) -> Result<(), Broken> {
        let mut index = 0;
        while index < self.site.flights.len() {
            if self.dice.one_in(if self.is_calm() { 2 } else { 8 }) {
                self.take_effect(index)?;
            } else {
                index += 1;
            }
        }
        self.answered_by_others()?;
        if self.mischief(Mischief::Reboot, 60) {
            let host = self.dice.below(shapes::HOSTS.len());
            self.site.reboot(self.shape, host);
            self.say(|_| format!("   host {host} starts anew"));
        }
        let vm = self.dice.below(2);
        if self.mischief(Mischief::Dark, 8) {
            let there = &mut self.site.homes[vm];
            match self.dice.roll(4) {
                0 => there.reachable = !there.reachable,
                1 => there.runs = !there.runs,
                _ => there.dark = !there.dark,
            }
            self.say(|world| format!("   vm{vm} at home: {:?}", world.site.homes[vm]));
        }
        if self.is_calm() && self.fades {
            for there in &mut self.site.homes {
                (there.runs, there.dark) = (false, true);
            }
        }
        self.poll();
        self.others()?;
        Ok(())
    }
}
