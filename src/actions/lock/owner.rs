//! What a lock says of its owner.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actions::context::Ctx;
use crate::digest::sha256;
use crate::host::sanitise;
use crate::names::RunId;

/// Longest text of another console's that is shown, in characters.
const LONGEST: usize = 80;

/// What a lock says of its owner: one line of JSON, so that a person can read it with `cat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) run: RunId,
    mark: String,
    operator: String,
    console: String,
    since: Option<Timestamp>,
}

impl Owner {
    /// This run, by this step. The mark changes with each command that the step sends, so that none
    /// of those from before is taken for it; and with nothing else, for the card shows it, and what is
    /// confirmed must be what the next look finds.
    pub(super) fn this(ctx: &Ctx) -> Self {
        let info = ctx.state.info.as_deref();
        let own = ctx.state.ops.values().filter(|op| op.step == ctx.step.id);
        let turn = format!("{} {}", ctx.step.id, own.count());
        Self {
            run: ctx.run.clone(),
            mark: format!("{}-{}", key(ctx), short_sum(&turn, 8)),
            operator: info.map_or_else(String::new, |info| info.operator.clone()),
            console: info.map_or_else(String::new, |info| info.console.clone()),
            since: ctx
                .state
                .steps
                .get(&ctx.step.id)
                .and_then(|step| step.started),
        }
    }

    /// As it stands in the lock.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it is this run.
    pub(super) fn is_this(&self, ctx: &Ctx) -> bool {
        self.run == ctx.run && self.mark.split('-').next() == Some(key(ctx).as_str())
    }

    /// As it may be shown: what another console wrote is as strange as what a host prints.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut owner: Self = serde_json::from_str(text).ok()?;
        owner.run = RunId::from(clean(owner.run.as_str()));
        owner.operator = clean(&owner.operator);
        owner.console = clean(&owner.console);
        Some(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.run)?;
        if !self.operator.is_empty() {
            write!(f, " of {}", self.operator)?;
        }
        if !self.console.is_empty() {
            write!(f, " on {}", self.console)?;
        }
        match self.since {
            Some(since) => write!(f, ", since {since:.0}"),
            None => Ok(()),
        }
    }
}

fn clean(text: &str) -> String {
    let text = sanitise::sanitise(text.replace('\n', " ").as_bytes());
    text.chars().take(LONGEST).collect()
}

/// Tells this run from every other, one with the same id in another state folder included.
fn key(ctx: &Ctx) -> String {
    let info = ctx.state.info.as_deref();
    let first = info.map(|info| {
        [
            info.operator.as_str(),
            info.console.as_str(),
            info.runbook_sha256.as_str(),
            info.plan.as_str(),
        ]
        .join("\n")
    });
    let started = ctx.state.started.map(|at| at.to_string());
    short_sum(&format!("{}\n{started:?}\n{first:?}", ctx.run), 16)
}

fn short_sum(text: &str, digits: usize) -> String {
    let mut hex = sha256(text);
    hex.truncate(digits);
    hex
}
