//! When this runbook was last drilled, and whether it still is what was drilled.

use std::time::Duration;

use crate::actions::span;
use crate::error::Fault;
use crate::readiness::finding::Finding;
use crate::readiness::seen::Seen;
use crate::readiness::task::Task;
use crate::runbook::model::SiteRole;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    if task.side == SiteRole::Protected {
        // A drill goes the other way.
        return Vec::new();
    }
    let every = task.runbook.drill.every;
    let place = format!("runbook {}", task.runbook.name);
    let Some(last) = &task.rehearsal else {
        let fault = Fault::new(
            "no drill of this runbook has ended well on this console",
            place,
            "nobody knows whether it works",
            "rehearse it (`lifeboat practice`), then drill it",
        );
        let key = "runbook/drill".to_owned();
        // Who wants a drill every so often wants to hear that there was none.
        return vec![match every {
            Some(_) => Finding::warning(key, Vec::new(), fault),
            None => Finding::note(key, Vec::new(), fault),
        }];
    };
    let mut findings = Vec::new();
    let age = Duration::try_from(seen.at.duration_since(last.at)).unwrap_or_default();
    if let Some(every) = every.filter(|every| age > *every) {
        let fault = Fault::new(
            format!("the last drill, {}, was {} ago", last.run, span(age)),
            place.clone(),
            format!("one is due every {}", span(every)),
            "plan the next one",
        );
        findings.push(Finding::warning(
            "runbook/drill".to_owned(),
            Vec::new(),
            fault,
        ));
    }
    let changed = match &last.changed {
        Some(changed) if changed.is_empty() => return findings,
        Some(changed) => changed.join("; "),
        None => "what changed is not known".to_owned(),
    };
    let fault = Fault::new(
        format!(
            "the runbook was changed since its last drill, {}: {changed}",
            last.run
        ),
        place,
        "needs verifying: what changed was never drilled",
        "drill it again, or have a second person read what changed",
    );
    findings.push(Finding::warning(
        "runbook/changed".to_owned(),
        Vec::new(),
        fault,
    ));
    findings
}
