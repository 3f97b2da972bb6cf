//! `wait`: a pause with a countdown, up to a time, or until a probe shows what is waited for.
//!
//! A pause counts from its start in the journal, whatever became of the console meanwhile. A person
//! may end it at any time (see [`ActionSpec::only_waits`](crate::plan::ActionSpec::only_waits)).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use crate::clock::utc;
use crate::engine::{Fact, Performed, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::plan::{Risk, Step};
use crate::runbook::model::{Mode, Probe, WaitSpec};

use super::action::ended;
use super::answer::{done, needed};
use super::checks;
use super::context::Ctx;
use super::link::{ActError, Progress, Request};
use super::words::{count, span};

/// How long something is waited for where the runbook says nothing.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest pause in practice.
const REHEARSED: SignedDuration = SignedDuration::from_secs(5);

/// The verb about one pause.
pub(super) struct Wait<'a> {
    spec: &'a WaitSpec,
    patience: Duration,
}

impl<'a> Wait<'a> {
    /// The verb.
    pub fn new(step: &Step, spec: &'a WaitSpec) -> Self {
        Self {
            spec,
            patience: step.timeout.unwrap_or(PATIENCE),
        }
    }

    /// What it waits for, when nothing is known.
    pub fn outline(&self) -> ProbeAnswer {
        needed("not begun", self.proposal(None))
    }

    /// Whether there is still something to wait for.
    pub fn probe(&self, ctx: &Ctx) -> ProbeAnswer {
        let now = ctx.clock.now();
        match (self.end(ctx), began(ctx)) {
            (Some(end), _) if end <= now => {
                let found = format!("{} has passed", utc(end));
                done(found.clone(), vec![found])
            }
            (Some(end), Some(at)) => needed(
                format!("began at {}, goes on until {}", utc(at), utc(end)),
                self.proposal(Some(end)),
            ),
            (end, _) => needed("not begun", self.proposal(end)),
        }
    }

    /// When a pause of known length ends, once that is known.
    fn end(&self, ctx: &Ctx) -> Option<Timestamp> {
        match self.spec {
            WaitSpec::Span(_) => began(ctx).map(|at| at + self.length(ctx)),
            WaitSpec::Until(time) => time.parse().ok(),
            WaitSpec::For { .. } => None,
        }
    }

    fn length(&self, ctx: &Ctx) -> SignedDuration {
        let length = match self.spec {
            WaitSpec::Span(span) => SignedDuration::try_from(*span).unwrap_or(SignedDuration::MAX),
            WaitSpec::Until(_) | WaitSpec::For { .. } => SignedDuration::ZERO,
        };
        match ctx.mode {
            Mode::Practice => length.min(REHEARSED),
            _ => length,
        }
    }

    fn proposal(&self, end: Option<Timestamp>) -> Proposal {
        let (what, then, commands) = match self.spec {
            WaitSpec::Span(length) => (
                format!("nothing is sent for {}", span(*length)),
                match end {
                    Some(end) => format!("it is {}", utc(end)),
                    None => format!("{} have passed", span(*length)),
                },
                Vec::new(),
            ),
            WaitSpec::Until(time) => (
                format!("nothing is sent until {time}"),
                format!("it is {time}"),
                Vec::new(),
            ),
            WaitSpec::For { probe, every } => (
                format!(
                    "it is looked every {} for {}",
                    span(*every),
                    span(self.patience)
                ),
                checks::in_words(probe),
                checks::sends(probe),
            ),
        };
        Proposal {
            changes: vec![
                what,
                "`done by hand` (h) ends it early, with the reason".to_owned(),
            ],
            commands,
            then,
            risk: Some(Risk::Read),
            ..Proposal::default()
        }
    }

    /// Waits.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        let waited = match self.spec {
            WaitSpec::For { probe, every } => {
                until_seen(ctx, probe, *every, self.patience, "waiting").await
            }
            WaitSpec::Span(_) | WaitSpec::Until(_) => self.pause(ctx).await,
        };
        waited.map_or_else(ended, |evidence| Performed::Done { evidence })
    }

    async fn pause(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let now = ctx.clock.now();
        let at = began(ctx).unwrap_or(now);
        let end = match self.spec {
            WaitSpec::Until(time) => time.parse().map_err(|_| {
                let state = "nothing was sent";
                let next = "correct the variable, or end the wait by hand";
                Fault::new(
                    format!("{time:?} is not a time with its zone"),
                    ctx.step.id.as_str(),
                    state,
                    next,
                )
            })?,
            WaitSpec::Span(_) | WaitSpec::For { .. } => at + self.length(ctx),
        };
        let fact = Fact::WaitBegan { at, until: end };
        ctx.keep_once(fact, |kept| matches!(kept, Fact::WaitBegan { .. }))
            .await?;
        // Practice does not wait for a time of day.
        let end = match ctx.mode {
            Mode::Practice => end.min(now + REHEARSED),
            _ => end,
        };
        loop {
            let left = end.duration_since(ctx.clock.now());
            let Ok(left) = Duration::try_from(left) else {
                break;
            };
            if left.is_zero() {
                break;
            }
            let progress = Progress {
                doing: format!("waiting, {} left", span(left)),
                eta: Some(end),
                ..Progress::default()
            };
            ctx.link.send(Request::Progress(progress))?;
            sleep(left.min(tick(left))).await;
        }
        let now = ctx.clock.now();
        let waited = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let mut evidence = vec![format!(
            "waited {}, from {} to {}",
            span(waited),
            utc(at),
            utc(now)
        )];
        if ctx.mode == Mode::Practice {
            evidence.push("practice: shortened to a few seconds".to_owned());
        }
        Ok(evidence)
    }
}

/// How long the countdown stands still: it is told by the second where a second matters.
fn tick(left: Duration) -> Duration {
    let second = Duration::from_secs(1);
    if left <= Duration::from_secs(90) {
        second
    } else {
        second * 10
    }
}

/// Looks again and again, and gives what was seen in the end.
///
/// # Errors
/// It was not seen in time.
pub(super) async fn until_seen(
    ctx: &Ctx,
    probe: &Probe,
    every: Duration,
    patience: Duration,
    doing: &str,
) -> Result<Vec<String>, ActError> {
    let began = Instant::now();
    let mut looks = 0_usize;
    loop {
        let seen = checks::look(ctx, probe, patience.min(super::check::PATIENCE)).await;
        looks += 1;
        let took = began.elapsed();
        if seen.passed {
            seen.keep(ctx).await?;
            let when = format!("seen after {} ({})", span(took), count(looks, "look"));
            return Ok(vec![seen.line(), when]);
        }
        let left = patience.saturating_sub(took);
        if left.is_zero() {
            return Err(ActError::Failed(Fault::new(
                format!("after {} it was not seen that {}", span(took), seen.asked),
                ctx.step.id.as_str(),
                format!("last seen: {}", seen.said),
                "find out why, then retry, which waits again from here",
            )));
        }
        ctx.doing(format!(
            "{doing} for {}, {} left; {}",
            span(took),
            span(left),
            seen.said
        ));
        sleep(every.min(left)).await;
    }
}

/// When the step's pause began.
fn began(ctx: &Ctx) -> Option<Timestamp> {
    ctx.own_fact(|fact| match fact {
        Fact::WaitBegan { at, .. } => Some(*at),
        _ => None,
    })
}
