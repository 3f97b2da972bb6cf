//! How far a transfer is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a transfer is doing with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Taking the source's sum, where none was recorded and it was not taken along the way.
    Reading,
    /// Finding out what the destination already has.
    Comparing,
    /// Sending what it lacks.
    Sending,
    /// Cloning on the host itself.
    Cloning,
    /// Taking the destination's sum.
    Proving,
    /// Waiting for a dropped link to come back.
    Reconnecting,
}

impl Phase {
    /// The word on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Comparing => "comparing",
            Self::Sending => "sending",
            Self::Cloning => "cloning",
            Self::Proving => "checking",
            Self::Reconnecting => "reconnecting",
        }
    }
}

/// How far a transfer is, as a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file that it is at.
    pub file: String,
    /// What is done with it.
    pub phase: Phase,
    /// Bytes of this file that need no more sending, holes included.
    pub file_done: u64,
    /// Its size in bytes.
    pub file_bytes: u64,
    /// The same of all files together.
    pub done: u64,
    /// Size of all files together, in bytes.
    pub bytes: u64,
    /// Bytes that went over the wire so far; holes and what was there already did not.
    pub sent: u64,
    /// Bytes a second over the wire, of late; `None` until it can be told.
    pub rate: Option<u64>,
    /// Until everything is there and checked; `None` until it can be told.
    pub remaining: Option<Duration>,
}

/// Where progress goes. It is called often, and must not block.
pub type Tell = Arc<dyn Fn(Progress) + Send + Sync>;

/// Bytes a second that a host sums, until it has shown: what BusyBox's sha256sum does on an old one.
const ASSUMED_PROOF: f64 = 200e6;
/// Rates are those of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// A rate over less than this says nothing.
const LEAST: Duration = Duration::from_millis(500);
/// Between two tellings of one phase.
const PAUSE: Duration = Duration::from_millis(100);

/// Counts, and tells now and then.
pub(super) struct Meter {
    state: Mutex<State>,
    tell: Tell,
}

struct State {
    now: Progress,
    /// What is done of each file that was begun.
    files: BTreeMap<String, u64>,
    /// `(when, done, sent)`, oldest first.
    samples: VecDeque<(Instant, u64, u64)>,
    proving: Proving,
    following: Option<Following>,
    told: Option<(Instant, Phase)>,
}

/// What taking sums on the destination costs.
#[derive(Default)]
struct Proving {
    bytes: u64,
    took: Duration,
    begun: Option<Instant>,
}

/// The destination sums the file while it arrives.
#[derive(Clone, Copy)]
struct Following {
    begun: Instant,
    /// Bytes that are in the sum.
    bytes: u64,
}

impl Meter {
    /// For files of so many bytes together.
    pub(super) fn new(bytes: u64, tell: Tell) -> Self {
        let now = Progress {
            file: String::new(),
            phase: Phase::Comparing,
            file_done: 0,
            file_bytes: 0,
            done: 0,
            bytes,
            sent: 0,
            rate: None,
            remaining: None,
        };
        let state = State {
            now,
            files: BTreeMap::new(),
            samples: VecDeque::new(),
            proving: Proving::default(),
            following: None,
            told: None,
        };
        Self {
            state: Mutex::new(state),
            tell,
        }
    }

    /// It is at this file now, perhaps not for the first time.
    pub(super) fn file(&self, name: &str, bytes: u64, now: Instant) {
        self.change(now, |state| {
            state.end_proof(now);
            state.following = None;
            name.clone_into(&mut state.now.file);
            state.now.file_bytes = bytes;
            state.now.file_done = state.files.get(name).copied().unwrap_or(0);
            state.now.phase = Phase::Comparing;
        });
    }

    /// Another phase of the same file.
    pub(super) fn phase(&self, phase: Phase, now: Instant) {
        self.change(now, |state| {
            // A proof that a dropped link interrupts says nothing of how long proofs take.
            if phase == Phase::Reconnecting {
                state.proving.begun = None;
            }
            state.end_proof(now);
            if phase == Phase::Proving {
                state.proving.begun = Some(now);
            }
            state.now.phase = phase;
        });
    }

    /// What it is doing.
    pub(super) fn current(&self) -> Phase {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .now
            .phase
    }

    /// The destination sums the file while it arrives, and has so many bytes in its sum.
    pub(super) fn summed(&self, bytes: u64, now: Instant) {
        self.change(now, |state| {
            let begun = match state.following {
                Some(following) if following.bytes <= bytes => following.begun,
                _ => now,
            };
            state.following = Some(Following { begun, bytes });
        });
    }

    /// So many bytes of the file need no more sending; so many more went over the wire.
    pub(super) fn settle(&self, file_done: u64, sent: u64, now: Instant) {
        self.change(now, |state| {
            state.now.file_done = file_done.min(state.now.file_bytes);
            state.now.sent = state.now.sent.saturating_add(sent);
        });
    }

    fn change(&self, now: Instant, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.count(now);
        let phase = state.now.phase;
        let due = state
            .told
            .is_none_or(|(at, told)| told != phase || now >= at + PAUSE);
        let over = state.now.file_done == state.now.file_bytes;
        if due || over {
            state.told = Some((now, phase));
            let progress = state.now.clone();
            drop(state);
            (self.tell)(progress);
        }
    }
}

impl State {
    fn end_proof(&mut self, now: Instant) {
        if let Some(begun) = self.proving.begun.take() {
            self.proving.took += now.saturating_duration_since(begun);
            self.proving.bytes = self.proving.bytes.saturating_add(self.now.file_bytes);
            self.following = None;
        }
    }

    fn count(&mut self, now: Instant) {
        self.files.insert(self.now.file.clone(), self.now.file_done);
        let done = self
            .files
            .values()
            .fold(0, |sum: u64, done| sum.saturating_add(*done));
        self.now.done = done.min(self.now.bytes);
        self.samples.push_back((now, self.now.done, self.now.sent));
        while self.samples.len() > 2
            && self
                .samples
                .get(1)
                .is_some_and(|(at, ..)| *at + WINDOW <= now)
        {
            self.samples.pop_front();
        }
        // A chunk every few milliseconds would make a long queue of ten seconds.
        if self.samples.len() > 512 {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
        }
        let Some((since, done, sent)) = self.samples.front().copied() else {
            return;
        };
        let took = now.saturating_duration_since(since);
        if took < LEAST {
            return;
        }
        let rate = |bytes: u64, took: Duration| bytes as f64 / took.as_secs_f64();
        let settled = rate(self.now.done.saturating_sub(done), took);
        self.now.rate = Some(rate(self.now.sent.saturating_sub(sent), took) as u64);
        let sending = seconds(self.now.bytes - self.now.done, settled);
        let ahead = self.following.map_or(0, |following| following.bytes);
        let proven = self.proving.bytes.saturating_add(ahead);
        let unproven = self.now.bytes.saturating_sub(proven);
        let proof = if self.proving.bytes == 0 {
            ASSUMED_PROOF
        } else {
            rate(self.proving.bytes, self.proving.took)
        };
        // It waits for what arrives, so that it is at least as fast as it has been.
        let proof = self.following.map_or(proof, |following| {
            let took = now.saturating_duration_since(following.begun).max(LEAST);
            proof.max(rate(following.bytes, took))
        });
        let proving = seconds(unproven, proof);
        let both = sending.zip(proving);
        self.now.remaining = both.map(|(sending, proving)| {
            if self.following.is_some() {
                sending.max(proving)
            } else {
                sending + proving
            }
        });
    }
}

/// `None` where that would be for ever, or longer than a month.
fn seconds(bytes: u64, rate: f64) -> Option<Duration> {
    if bytes == 0 {
        return Some(Duration::ZERO);
    }
    let seconds = bytes as f64 / rate;
    (seconds < 2_678_400.0).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(bytes: u64) -> (Meter, Arc<Mutex<Vec<Progress>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        (
            Meter::new(
                bytes,
                Arc::new(move |progress| sink.lock().unwrap().push(progress)),
            ),
            told,
        )
    }

    #[test]
    fn rate_and_time_left_are_those_of_late() {
        let (meter, told) = meter(3000);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        meter.file("a", 1000, at(0));
        meter.phase(Phase::Sending, at(0));
        meter.settle(500, 250, at(1000));
        let now = told.lock().unwrap().last().unwrap().clone();
        assert_eq!((now.done, now.file_done, now.sent), (500, 500, 250));
        assert_eq!(now.rate, Some(250), "what goes over the wire");
        let left = now.remaining.unwrap();
        assert_eq!(left.as_secs(), 5, "holes are quick");
        assert!(left > Duration::from_secs(5), "the proof is still to come");
        meter.settle(1000, 0, at(2000));
        meter.phase(Phase::Proving, at(2000));
        meter.file("b", 2000, at(4000));
        meter.phase(Phase::Sending, at(4000));
        let now = told.lock().unwrap().last().unwrap().clone();
        assert_eq!((now.file.as_str(), now.done, now.file_done), ("b", 1000, 0));
        meter.settle(1000, 1000, at(20_000));
        meter.settle(2000, 1000, at(21_000));
        let now = told.lock().unwrap().last().unwrap().clone();
        assert_eq!(
            now.remaining,
            Some(Duration::from_secs(4)),
            "b is still to be checked, at 500 bytes a second"
        );
        let now = told.lock().unwrap().last().unwrap().clone();
        assert_eq!((now.done, now.sent), (3000, 2250));
    }

    #[test]
    fn what_is_summed_while_it_arrives_takes_no_time_of_its_own() {
        let (meter, told) = meter(3_000_000_000);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let last = || told.lock().unwrap().last().unwrap().remaining;
        meter.file("a", 3_000_000_000, start);
        meter.phase(Phase::Sending, start);
        meter.summed(0, start);
        meter.settle(500_000_000, 500_000_000, at(5));
        assert_eq!(last(), Some(Duration::from_secs(25)), "the link is slower");
        meter.summed(500_000_000, at(5));
        meter.settle(2_000_000_000, 500_000_000, at(6));
        let left = last().unwrap();
        assert!(
            left > Duration::from_secs(12),
            "the sum lags behind: {left:?}"
        );
        meter.settle(3_000_000_000, 0, at(7));
        meter.phase(Phase::Proving, at(7));
        meter.summed(2_000_000_000, at(8));
        assert_eq!(last(), Some(Duration::from_secs(4)), "250 MB a second");
    }

    #[test]
    fn it_does_not_chatter() {
        let (meter, told) = meter(1000);
        let start = Instant::now();
        meter.file("a", 1000, start);
        meter.phase(Phase::Sending, start);
        let before = told.lock().unwrap().len();
        for done in 1..=999 {
            meter.settle(done, 1, start + Duration::from_micros(done));
        }
        assert_eq!(told.lock().unwrap().len(), before);
        meter.settle(1000, 1, start + Duration::from_millis(1));
        assert_eq!(
            told.lock().unwrap().len(),
            before + 1,
            "the end is always told"
        );
    }

    #[test]
    fn what_cannot_be_told_is_not_told() {
        assert_eq!(seconds(1, 0.0), None);
        assert_eq!(seconds(0, 0.0), Some(Duration::ZERO));
        let (meter, told) = meter(10);
        meter.file("a", 10, Instant::now());
        assert_eq!(told.lock().unwrap()[0].remaining, None);
    }
}
