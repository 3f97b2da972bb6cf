//! What the worlds have reached, so that the simulator itself cannot rot unseen.

use crate::engine::{Fact, Input, OperatorInput, Performed, RunEvent, Status};

/// What the ordinary runs reach: kinds of input and the statuses in which their step stood. Pairs that
/// are met less than 40 times are left out, so that a change elsewhere does not lose one by chance.
pub(super) const REACHED: [(&str, &str); KINDS.len()] = [
    ("start", "-"),
    ("resume", "-"),
    ("confirm", "A"),
    ("skip", "WPARDHdabsF"),
    ("by-hand", "WPARDHdabsF"),
    ("retry", "WPARDHdabsFu-"),
    ("undo", "WPARDHdabsF"),
    ("answer", "R"),
    ("no-answer", "AR"),
    ("pause", "-"),
    ("continue", "-"),
    ("pace", "-"),
    ("note", "-"),
    ("trust", "-"),
    ("detach", "-"),
    ("probed-done", "WPARDHdaF"),
    ("probed-needed", "Pbs"),
    ("probed-blocked", "P"),
    ("probe-failed", "P"),
    ("want-bulk", "R"),
    ("want-write", "RU"),
    ("want-kill", "DS"),
    ("write-started", "RDSU"),
    ("write-finished", "RDSU"),
    ("write-lost", "RDU"),
    ("write-not-sent", "RD"),
    ("fact", "RU"),
    ("questioned", "R"),
    ("performed-done", "WPARDHdaFu"),
    ("performed-changed", "R"),
    ("performed-failed", "RU"),
    ("performed-held", "R"),
    ("performed-lost", "RDU"),
    ("performed-undone", "U"),
    ("stopped", "WPARDSHa"),
    ("stop-failed", "DSH"),
    ("timer", "-"),
    ("timer-stale", "-"),
    ("people", "-"),
    ("host-told", "-"),
    ("host-silent", "-"),
    ("closed", "-"),
];

/// Kinds of input, in the order of [`kind`].
pub(super) const KINDS: [&str; 42] = [
    "start",
    "resume",
    "confirm",
    "skip",
    "by-hand",
    "retry",
    "undo",
    "answer",
    "no-answer",
    "pause",
    "continue",
    "pace",
    "note",
    "trust",
    "detach",
    "probed-done",
    "probed-needed",
    "probed-blocked",
    "probe-failed",
    "want-bulk",
    "want-write",
    "want-kill",
    "write-started",
    "write-finished",
    "write-lost",
    "write-not-sent",
    "fact",
    "questioned",
    "performed-done",
    "performed-changed",
    "performed-failed",
    "performed-held",
    "performed-lost",
    "performed-undone",
    "stopped",
    "stop-failed",
    "timer",
    "timer-stale",
    "people",
    "host-told",
    "host-silent",
    "closed",
];

/// Statuses, in the order of the enum; the last column is for inputs without a step.
pub(super) const LETTERS: &str = "WPARDSHdabsFUu-";

pub(super) fn column(status: Option<Status>) -> usize {
    match status {
        Some(Status::Waiting) => 0,
        Some(Status::Probing) => 1,
        Some(Status::Asking) => 2,
        Some(Status::Running) => 3,
        Some(Status::InDoubt) => 4,
        Some(Status::Stopping) => 5,
        Some(Status::Held) => 6,
        Some(Status::Done) => 7,
        Some(Status::AlreadyDone) => 8,
        Some(Status::ByHand) => 9,
        Some(Status::Skipped) => 10,
        Some(Status::Failed) => 11,
        Some(Status::Undoing) => 12,
        Some(Status::Undone) => 13,
        None => 14,
    }
}

pub(super) fn kind(input: &Input, stale_timer: bool) -> usize {
    use crate::engine::Verdict;
    match input {
        Input::Start(_) => 0,
        Input::Resume { .. } => 1,
        Input::Operator(decision) => match decision {
            OperatorInput::Confirm { .. } => 2,
            OperatorInput::Skip { .. } => 3,
            OperatorInput::ByHand { .. } => 4,
            OperatorInput::Retry { .. } => 5,
            OperatorInput::Undo { .. } => 6,
            OperatorInput::AnswerQuestion { .. } => 7,
            OperatorInput::NoAnswer { .. } => 8,
            OperatorInput::Pause { .. } => 9,
            OperatorInput::Continue { .. } => 10,
            OperatorInput::SetPace { .. } => 11,
            OperatorInput::Note { .. } => 12,
            OperatorInput::TrustHost { .. } => 13,
            OperatorInput::Detach { .. } => 14,
            OperatorInput::People(_) => 38,
        },
        Input::Probed { answer, .. } => match answer.as_ref().map(|answer| &answer.verdict) {
            Ok(Verdict::AlreadyDone { .. }) => 15,
            Ok(Verdict::Needed(_)) => 16,
            Ok(Verdict::Blocked { .. }) => 17,
            Err(_) => 18,
        },
        Input::WriteWanted { bulk: true, .. } => 19,
        Input::WriteWanted { command, .. } if command.starts_with("kill") => 21,
        Input::WriteWanted { .. } => 20,
        Input::WriteStarted { .. } => 22,
        Input::WriteFinished { .. } => 23,
        Input::WriteLost { .. } => 24,
        Input::WriteNotSent { .. } => 25,
        Input::FactFound { .. } => 26,
        Input::Questioned { .. } => 27,
        Input::Performed { result, .. } => match result {
            Performed::Done { .. } => 28,
            Performed::Changed(_) => 29,
            Performed::Failed(_) => 30,
            Performed::Held { .. } => 31,
            Performed::Lost => 32,
            Performed::Undone { .. } => 33,
        },
        Input::Stopped { outcome: Ok(_), .. } => 34,
        Input::Stopped { .. } => 35,
        Input::Timer(_) if stale_timer => 37,
        Input::HostSeen {
            running: Some(_), ..
        } => 39,
        Input::HostSeen { running: None, .. } => 40,
        Input::Closed => 41,
        Input::Timer(_) => 36,
    }
}

pub(super) const EVENTS: usize = 45;

/// A number below [`EVENTS`] for each kind of event.
pub(super) fn event(event: &RunEvent) -> usize {
    match event {
        RunEvent::RunStarted(_) => 0,
        RunEvent::RunResumed { .. } => 1,
        RunEvent::PaceSet { .. } => 2,
        RunEvent::RunPaused { .. } => 3,
        RunEvent::RunContinued { .. } => 4,
        RunEvent::StepStarted => 5,
        RunEvent::ProbeAnswered(_) => 6,
        RunEvent::ProbeFailed { .. } => 7,
        RunEvent::StepConfirmed(_) => 8,
        RunEvent::WriteIntended { .. } => 9,
        RunEvent::WriteStarted { .. } => 10,
        RunEvent::WriteFinished { .. } => 11,
        RunEvent::WriteLost { .. } => 12,
        RunEvent::WriteNotSent { .. } => 13,
        RunEvent::LostStopped { .. } => 14,
        RunEvent::StopFailed { .. } => 15,
        RunEvent::FactFound(fact) => match fact {
            Fact::HostReturned { .. } => 35,
            Fact::SplitBrain { .. } => 36,
            Fact::SplitBrainEnded { .. } => 37,
            Fact::RunsElsewhere { .. } => 38,
            Fact::SurvivorChosen { .. } => 39,
            Fact::LockWanted { .. } => 40,
            Fact::LockBroken { .. } => 41,
            Fact::LockReleased { .. } => 42,
            _ => 16,
        },
        RunEvent::QuestionAsked(_) => 17,
        RunEvent::QuestionAnswered { .. } => 18,
        RunEvent::StepDone { .. } => 19,
        RunEvent::StepAlreadyDone { .. } => 20,
        RunEvent::StepFailed { .. } => 21,
        RunEvent::StepHeld { .. } => 22,
        RunEvent::StepSkipped { .. } => 23,
        RunEvent::StepByHand { .. } => 24,
        RunEvent::StepRetried { .. } => 25,
        RunEvent::UndoStarted { .. } => 26,
        RunEvent::StepUndone { .. } => 27,
        RunEvent::StepInterrupted { .. } => 28,
        RunEvent::NoteAdded { .. } => 29,
        RunEvent::HostTrusted { .. } => 30,
        RunEvent::RunDetached { .. } => 31,
        RunEvent::RunFinished { .. } => 32,
        RunEvent::ChapterOpened { .. } => 43,
        RunEvent::ChapterLeft { .. } => 44,
        RunEvent::StepDeclined(_) => 34,
        // What people do beside the steps.
        _ => 33,
    }
}

#[derive(Clone)]
pub(super) struct Coverage {
    pub(super) pairs: [[u64; 15]; KINDS.len()],
    pub(super) events: [u64; EVENTS],
    pub(super) inputs: u64,
    pub(super) crashes: u64,
    pub(super) cuts: u64,
    /// Starts that were begun before and seen through by another look.
    pub(super) seen_through: u64,
    /// Starts that a person said they had done, and had not.
    pub(super) untrue_starts: u64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            pairs: [[0; 15]; KINDS.len()],
            events: [0; EVENTS],
            inputs: 0,
            crashes: 0,
            cuts: 0,
            seen_through: 0,
            untrue_starts: 0,
        }
    }
}

impl Coverage {
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self
            .pairs
            .iter_mut()
            .flatten()
            .zip(other.pairs.iter().flatten())
        {
            *mine += theirs;
        }
        for (mine, theirs) in self.events.iter_mut().zip(&other.events) {
            *mine += theirs;
        }
        self.inputs += other.inputs;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.seen_through += other.seen_through;
        self.untrue_starts += other.untrue_starts;
    }

    /// For each kind of input, the letters of the statuses in which it was met at least `least` times.
    pub(super) fn table(&self, least: u64) -> Vec<(&'static str, String)> {
        let letters = |row: &[u64; 15]| {
            let met = LETTERS
                .chars()
                .zip(row)
                .filter(|(_, count)| **count >= least);
            met.map(|(letter, _)| letter).collect()
        };
        KINDS
            .iter()
            .zip(&self.pairs)
            .map(|(kind, row)| (*kind, letters(row)))
            .collect()
    }

    /// The pairs of [`REACHED`] and the events that were not met.
    pub(super) fn missed(&self) -> Option<String> {
        let met = self.table(1);
        let mut missed: Vec<String> = Vec::new();
        for ((kind, expected), (_, met)) in REACHED.iter().zip(&met) {
            let letters = expected.chars().filter(|letter| !met.contains(*letter));
            missed.extend(letters.map(|letter| format!("{kind} at {letter}")));
        }
        let events = self.events.iter().enumerate();
        let never = events.filter(|(_, count)| **count == 0);
        missed.extend(never.map(|(event, _)| format!("event {event}")));
        for (count, what) in [
            (self.seen_through, "starts that are seen through"),
            (self.untrue_starts, "starts by hand that are untrue"),
        ] {
            missed.extend((count == 0).then(|| what.to_owned()));
        }
        (!missed.is_empty()).then(|| missed.join(", "))
    }

    pub(super) fn pairs_met(&self) -> usize {
        self.pairs
            .iter()
            .flatten()
            .filter(|count| **count > 0)
            .count()
    }
}
