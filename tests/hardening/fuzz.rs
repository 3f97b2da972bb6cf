//! Mutation fuzzing of everything that reads what others wrote: seeds from `corpus/`, damaged by a
//! seeded generator. In the suite each target gets a few hundred inputs; `LIFEBOAT_FUZZ=N` gives
//! each N, `LIFEBOAT_FUZZ_SEED=S` other ones, `LIFEBOAT_FUZZ_ONLY=NAME` a single target.
//!
//! What is asked of each: no panic, no input that takes longer than a second, memory that does not
//! grow with the number of inputs, errors that a terminal can show.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate::{Random, damage};
use crate::targets::{TARGETS, Target};

/// Inputs for each target in the suite.
const INPUTS: u64 = 250;
/// No input of at most 64 KiB takes a debug build more of the processor's time.
const LONGEST: Duration = Duration::from_secs(5);
/// The most that the whole run may keep, in KiB.
const MEMORY_KIB: u64 = 1 << 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn seeds(family: &str) -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = match family {
        "runbooks" => root.join("runbooks"),
        family => root.join("tests/hardening/corpus").join(family),
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn nothing_that_others_wrote_panics_hangs_or_fills_the_memory() {
    let inputs = setting("LIFEBOAT_FUZZ", INPUTS);
    let seed = setting("LIFEBOAT_FUZZ_SEED", 1);
    let only = std::env::var("LIFEBOAT_FUZZ_ONLY").ok();
    let began = Instant::now();
    let mut tried = 0;
    for target in TARGETS {
        if only.as_ref().is_none_or(|only| only == target.name) {
            tried += run(target, inputs, seed);
        }
    }
    eprintln!(
        "{tried} inputs, {} targets, {:.1?}",
        TARGETS.len(),
        began.elapsed()
    );
    assert!(tried > 0, "no target of that name");
    if let Some(peak) = peak_kib() {
        assert!(peak < MEMORY_KIB, "{peak} KiB were needed");
    }
}

fn run(target: &Target, inputs: u64, seed: u64) -> u64 {
    let began = Instant::now();
    let seeds = seeds(target.family);
    // Damage to what the reader takes gets deeper than damage to another command's reply.
    let taken: Vec<&Vec<u8>> = seeds
        .iter()
        .filter(|seed| judge(target, seed, "a seed as it stands"))
        .collect();
    assert!(
        !taken.is_empty(),
        "{}: none of its seeds can be read",
        target.name
    );
    let mut read = 0_u64;
    let inputs = inputs / target.cost;
    for turn in 0..inputs {
        let mut random = Random::new(seed.wrapping_mul(1 << 32).wrapping_add(turn));
        let other = &seeds[random.below(seeds.len())];
        let one = match random.below(4) {
            0 => other,
            _ => taken[random.below(taken.len())],
        };
        let input = damage(one, other, &mut random);
        let place = format!(
            "LIFEBOAT_FUZZ_SEED={seed} LIFEBOAT_FUZZ_ONLY={} turn {turn}",
            target.name
        );
        read += u64::from(judge(target, &input, &place));
    }
    eprintln!(
        "{:<20} {inputs:>8} inputs, {read:>8} read, {:.1?}",
        target.name,
        began.elapsed()
    );
    inputs
}

/// Whether the reader took it; a panic or a hang is told with the input that did it.
fn judge(target: &Target, input: &[u8], place: &str) -> bool {
    let began = worked();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
    let took = worked() - began;
    let shown = || {
        String::from_utf8_lossy(&input[..input.len().min(2000)])
            .escape_debug()
            .to_string()
    };
    assert!(
        took < LONGEST,
        "{place}: {took:?} for {} bytes: {}",
        input.len(),
        shown()
    );
    read.unwrap_or_else(|_| panic!("{place}: {} bytes: {}", input.len(), shown()))
}

/// The processor's time that this thread had: the machine may be busy with others.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time")
}

/// The most memory that this process ever had, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
