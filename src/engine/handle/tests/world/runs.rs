//! Many worlds on all cores: the ordinary twenty thousand, millions on demand, one seed with its
//! story, and the planted bugs. What seeds once found in the engine is planted too: a seed by itself
//! means another run as soon as the worlds change.
//!
//! `SEED=7 cargo test --lib replays_one -- --ignored --nocapture` tells one run;
//! `LIFEBOAT_SEEDS=1000000 cargo test --release --lib millions -- --ignored --nocapture` does many.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;

/// Seeds that a worker takes at a time.
const BATCH: u64 = 32;

#[derive(Default)]
struct Outcome {
    coverage: Coverage,
    /// The lowest seed at which a promise broke, and how.
    failure: Option<(u64, Broken)>,
}

fn live(recipe: Recipe, trace: bool) -> (World, Result<(), Broken>) {
    let mut world = World::new(recipe, trace);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()))
        .unwrap_or_else(|_| Err(Broken::new(9, "it panicked")));
    (world, result)
}

fn explore(seeds: Range<u64>, bug: Option<Bug>) -> Outcome {
    let next = AtomicU64::new(seeds.start);
    let lowest = AtomicU64::new(u64::MAX);
    let outcome = Mutex::new(Outcome::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut mine = Outcome::default();
                loop {
                    let batch = next.fetch_add(BATCH, Ordering::Relaxed);
                    if batch >= seeds.end || batch > lowest.load(Ordering::Relaxed) {
                        break;
                    }
                    for seed in batch..(batch + BATCH).min(seeds.end) {
                        let (world, result) = live(Recipe::new(seed, bug), false);
                        mine.coverage.add(&world.coverage);
                        if let Err(broken) = result {
                            lowest.fetch_min(seed, Ordering::Relaxed);
                            mine.failure = Some((seed, broken));
                            break;
                        }
                    }
                    if mine.failure.is_some() {
                        break;
                    }
                }
                let mut all = outcome.lock().unwrap();
                all.coverage.add(&mine.coverage);
                let both = all.failure.take().into_iter().chain(mine.failure);
                all.failure = both.min_by_key(|(seed, _)| *seed);
            });
        }
    });
    outcome.into_inner().unwrap()
}

/// The same failure with as few kinds of mischief and as little of it as possible.
fn shrink(seed: u64, bug: Option<Bug>, broken: &Broken) -> Recipe {
    let fails = |recipe: &Recipe| {
        let (_, result) = live(recipe.clone(), false);
        result
            .err()
            .is_some_and(|other| other.promise == broken.promise)
    };
    let mut recipe = Recipe::new(seed, bug);
    for kind in Mischief::ALL {
        let without = recipe.without | 1 << kind as u32;
        let simpler = Recipe {
            without,
            ..recipe.clone()
        };
        if fails(&simpler) {
            recipe = simpler;
        }
    }
    let shorter = (0..80).map(|calm| Recipe {
        calm_after: Some(calm),
        ..recipe.clone()
    });
    shorter.into_iter().find(fails).unwrap_or(recipe)
}

fn story(recipe: &Recipe) -> String {
    let (world, result) = live(recipe.clone(), true);
    let mut told = world.trace.unwrap_or_default();
    let plan = world
        .shape
        .plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let (after, retries, failure) = (&step.after, step.retries, step.on_failure);
            format!(
                "{index} {} after {after:?}, retries {retries}, {failure:?}",
                step.id
            )
        });
    told.splice(0..0, plan);
    told.push(match result {
        Ok(()) => "every promise held".to_owned(),
        Err(broken) => format!("promise {}: {}", broken.promise, broken.how),
    });
    told.join("\n")
}

/// Ends the test at a broken promise, with its story.
fn hold(outcome: &Outcome) {
    if let Some((seed, broken)) = &outcome.failure {
        let recipe = shrink(*seed, None, broken);
        panic!(
            "{}\nSEED={seed} promise {}: {}\n(the story is shrunk: {recipe:?})",
            story(&recipe),
            broken.promise,
            broken.how
        );
    }
}

fn report(what: &str, runs: u64, begun: Instant, coverage: &Coverage) {
    let took = begun.elapsed().as_secs_f64();
    let lines: u64 = coverage.events.iter().sum();
    eprintln!(
        "{what}: {runs} runs in {took:.1} s ({:.0} runs/s), {} inputs, {lines} journal lines, {} crashes, \
         {} journals cut, {} starts seen through, {} untrue, {} pairs of status and input",
        runs as f64 / took,
        coverage.inputs,
        coverage.crashes,
        coverage.cuts,
        coverage.seen_through,
        coverage.untrue_starts,
        coverage.pairs_met(),
    );
}

#[test]
fn twenty_thousand_runs_keep_the_promises() {
    let begun = Instant::now();
    let outcome = explore(0..20_000, None);
    report("ordinary", 20_000, begun, &outcome.coverage);
    hold(&outcome);
    if let Some(missed) = outcome.coverage.missed() {
        panic!("the worlds no longer reach what they did: {missed}");
    }
}

#[test]
#[ignore = "as many runs as LIFEBOAT_SEEDS says, from LIFEBOAT_FIRST_SEED on"]
fn millions_of_runs_keep_the_promises() {
    let number = |name: &str, otherwise| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let first = number("LIFEBOAT_FIRST_SEED", 0);
    let count = number("LIFEBOAT_SEEDS", 1_000_000);
    let begun = Instant::now();
    let outcome = explore(first..first + count, None);
    report("on demand", count, begun, &outcome.coverage);
    for (kind, letters) in outcome.coverage.table(40) {
        eprintln!("(\"{kind}\", \"{letters}\"),");
    }
    hold(&outcome);
}

#[test]
#[ignore = "tells the run of SEED"]
fn replays_one_seed_with_its_story() {
    let seed = std::env::var("SEED").map_or(0, |seed| seed.parse().expect("SEED is a number"));
    eprintln!("{}", story(&Recipe::new(seed, None)));
}

/// Seeds within which each planted bug has to be found; most take a handful.
const BOUND: u64 = 10_000;

#[test]
fn every_planted_bug_is_found_and_is_the_only_one() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let outcome = explore(0..BOUND, Some(bug));
        let Some((seed, broken)) = outcome.failure else {
            missed.push(bug);
            continue;
        };
        eprintln!(
            "{bug:?}: seed {seed}, promise {}: {}",
            broken.promise, broken.how
        );
        let (_, without) = live(Recipe::new(seed, None), false);
        assert_eq!(without, Ok(()), "seed {seed} fails without {bug:?} too");
        let (_, again) = live(shrink(seed, Some(bug), &broken), false);
        let again = again.expect_err("the shrunk run fails as well");
        assert_eq!(again.promise, broken.promise);
    }
    assert_eq!(missed, [], "not found within {BOUND} seeds");
}
