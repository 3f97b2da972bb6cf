//! `check`: probes that all have to be as expected. One that is not fails the step.

use std::time::Duration;

use crate::engine::{Performed, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::plan::{Risk, Step};
use crate::runbook::model::Probe;

use super::action::ended;
use super::answer::needed;
use super::checks::{self, Seen};
use super::context::Ctx;
use super::words::count;

/// How long a probe's command may take where the runbook says nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The verb about some probes.
pub(super) struct Check<'a> {
    probes: &'a [Probe],
    patience: Duration,
}

impl<'a> Check<'a> {
    /// The verb.
    pub fn new(step: &Step, probes: &'a [Probe]) -> Self {
        Self {
            probes,
            patience: step.timeout.unwrap_or(PATIENCE),
        }
    }

    /// What it is going to look at. Looking is all that it does, so it looks once: when it is let.
    pub fn outline(&self) -> ProbeAnswer {
        let asks = self.probes.iter().map(checks::in_words);
        let proposal = Proposal {
            changes: std::iter::once("nothing is changed; it is looked whether".to_owned())
                .chain(asks)
                .collect(),
            commands: self.probes.iter().flat_map(checks::sends).collect(),
            then: "all of that was seen; else the step fails with what was seen instead".into(),
            risk: Some(Risk::Read),
            ..Proposal::default()
        };
        needed(
            format!("{} to look at", count(self.probes.len(), "thing")),
            proposal,
        )
    }

    /// Looks at everything, also after the first that is not as expected.
    pub async fn perform(&self, ctx: &Ctx) -> Performed {
        let mut seen = Vec::with_capacity(self.probes.len());
        for probe in self.probes {
            ctx.doing(format!("looking whether {}", checks::in_words(probe)));
            let looked = checks::look(ctx, probe, self.patience).await;
            if let Err(error) = looked.keep(ctx).await {
                return ended(error);
            }
            seen.push(looked);
        }
        let (passed, failed): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(|one| one.passed);
        let lines = |seen: &[Seen]| seen.iter().map(Seen::line).collect::<Vec<_>>();
        if failed.is_empty() {
            return Performed::Done {
                evidence: lines(&passed),
            };
        }
        let state = if passed.is_empty() {
            "nothing was changed by looking".to_owned()
        } else {
            format!("as expected: {}", lines(&passed).join("; "))
        };
        Performed::Failed(Fault::new(
            format!(
                "{} of {}: {}",
                failed.len(),
                count(self.probes.len(), "check") + " failed",
                lines(&failed).join("; ")
            ),
            ctx.step.id.as_str(),
            state,
            "mend it and retry, or go on without it: skip, with a reason",
        ))
    }
}
