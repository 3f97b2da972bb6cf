//! How runs compare with those before them, and when a runbook's next drill is due.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::names::RunId;

use super::Run;
use super::document::Graded;
use super::objectives::measures;
use super::text::duration;

/// Signs of a bar, each a tenth of the objective.
const TENTHS: i128 = 10;

/// What a run reached, to compare it with others.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Which run.
    pub run: RunId,
    /// The RTO of the set; in a practice, of the way there.
    pub rto: Graded,
}

impl Reached {
    /// Of a run; nothing where no VM was to be brought up.
    #[must_use]
    pub fn of(run: &Run<'_>) -> Option<Self> {
        let set = measures(run).into_iter().find(|row| row.vm.is_none())?;
        Some(Self {
            run: run.info.run.clone(),
            rto: set.rto.into(),
        })
    }
}

/// Runs of one runbook and mode, oldest first, as lines: actual, objective, the part of it that was
/// used, and how that compares with the run before.
#[must_use]
pub fn trend(runs: &[Reached]) -> Vec<String> {
    let mut before = None;
    runs.iter()
        .map(|run| {
            let rto = &run.rto;
            let actual = rto
                .actual
                .map_or_else(|| "not reached".to_owned(), duration);
            let objective = rto
                .objective
                .map_or_else(String::new, |wanted| format!("of {}", duration(wanted)));
            let line = format!(
                "{:<20} {actual:>11} {objective:<10} {:<19} {}",
                run.run,
                bar(rto),
                compared(before, rto.actual)
            );
            before = rto.actual.or(before);
            line.trim_end().to_owned()
        })
        .collect()
}

/// `[#####-----]`; with a word where the objective was missed.
fn bar(rto: &Graded) -> String {
    let (Some(objective), Some(actual)) = (rto.objective, rto.actual) else {
        return String::new();
    };
    let used = actual.as_millis().max(0) * TENTHS / objective.as_millis().max(1);
    let used = usize::try_from(used.min(TENTHS)).unwrap_or_default();
    let missed = if actual > objective { " missed" } else { "" };
    format!("[{:-<10}]{missed}", "#".repeat(used))
}

fn compared(before: Option<SignedDuration>, now: Option<SignedDuration>) -> String {
    let (Some(before), Some(now)) = (before, now) else {
        return String::new();
    };
    let off = now - before;
    match off.as_millis() {
        0 => "as long".to_owned(),
        _ if off.is_negative() => format!("{} shorter", duration(off.abs())),
        _ => format!("{} longer", duration(off)),
    }
}

/// How a runbook that is to be drilled every so often stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillDue {
    /// It was never drilled.
    Never,
    /// The next one is due by then.
    By(Timestamp),
    /// It has been due since then.
    Overdue(Timestamp),
}

impl DrillDue {
    /// From the beginning of the last drill that was finished.
    #[must_use]
    pub fn new(last: Option<Timestamp>, every: Duration, now: Timestamp) -> Self {
        let Some(last) = last else {
            return Self::Never;
        };
        match last.checked_add(every) {
            Ok(due) if due < now => Self::Overdue(due),
            Ok(due) => Self::By(due),
            Err(_) => Self::By(Timestamp::MAX),
        }
    }
}

impl fmt::Display for DrillDue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: &Timestamp| at.strftime("%Y-%m-%d").to_string();
        match self {
            Self::Never => f.write_str("never drilled"),
            Self::By(at) => write!(f, "next drill due by {}", day(at)),
            Self::Overdue(at) => write!(f, "drill overdue since {}", day(at)),
        }
    }
}
