//! The verbs against the simulated site: real SSH, real files, the hosts' own command logs.

mod asked_once;
mod by_uuid;
pub(super) mod capacity;
mod deaf;
mod edited;
mod ending;
mod failover;
mod going_home;
mod here;
mod link;
mod looking;
mod lost;
mod moved;
mod mute;
mod owners;
pub(super) mod parts;
mod points;
mod replicating;
mod rested;
mod seeding;
mod slow_stops;
pub(super) mod trouble;
mod two_stores;
mod unplugged;
pub(super) mod world;

use std::collections::BTreeMap;

use crate::engine::{ProbeAnswer, Proposal, Verdict};
use crate::error::Fault;
use crate::plan::{self, PlanInputs, Step};
use crate::runbook::model::{Mode, Runbook, Section};
use crate::runbook::{self, Limits};

/// The runbook that every user meets first.
pub(super) const RUNBOOK: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

/// The bundled runbook and one of its steps: `failover/recover/sql01/fence`.
pub(super) fn step(id: &str) -> (Runbook, Step) {
    let loaded = runbook::load("bundled", RUNBOOK, &Limits::default());
    let runbook = loaded
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .runbook;
    let section = if id.starts_with("failback") {
        Section::Failback
    } else {
        Section::Failover
    };
    let inputs = PlanInputs {
        variables: BTreeMap::from([("ticket".into(), "INC000001".to_owned())]),
        ..PlanInputs::default()
    };
    let plan = plan::make(&runbook, section, Mode::Failover, &inputs).unwrap();
    let found = plan
        .steps
        .iter()
        .find(|step| step.id.as_str() == id)
        .cloned();
    (runbook, found.unwrap_or_else(|| panic!("no step {id}")))
}

/// What is needed, or why nothing is.
pub(super) fn needed(answer: &ProbeAnswer) -> &Proposal {
    match &answer.verdict {
        Verdict::Needed(proposal) => proposal,
        other => panic!("{}: {other:?}", answer.found),
    }
}

/// What is in the way.
pub(super) fn blocked(answer: &ProbeAnswer) -> &Fault {
    match &answer.verdict {
        Verdict::Blocked { fault, .. } => fault,
        other => panic!("{}: {other:?}", answer.found),
    }
}

/// The evidence of a step that is done.
pub(super) fn done(answer: &ProbeAnswer) -> &[String] {
    match &answer.verdict {
        Verdict::AlreadyDone { evidence } => evidence,
        other => panic!("{}: {other:?}", answer.found),
    }
}

/// The lines of a proposal's commands.
pub(super) fn lines(proposal: &Proposal) -> Vec<&str> {
    proposal
        .commands
        .iter()
        .map(|command| command.line.as_str())
        .collect()
}

#[test]
fn every_step_has_an_outline_that_asks_nobody_and_claims_no_number() {
    let (runbook, _) = step("failover/recover/sql01/fence");
    let inputs = PlanInputs {
        variables: BTreeMap::from([("ticket".into(), "INC000001".to_owned())]),
        ..PlanInputs::default()
    };
    for section in [Section::Failover, Section::Failback] {
        let plan = plan::make(&runbook, section, Mode::Failover, &inputs).unwrap();
        for step in &plan.steps {
            let answer = crate::actions::outline(&runbook, step);
            let proposal = needed(&answer);
            assert!(
                !proposal.changes.is_empty() && !proposal.then.is_empty(),
                "{}",
                step.id
            );
            for line in lines(proposal) {
                let by_number = line.contains("vmsvc/") || line.contains("update_autostartentry");
                assert_eq!(by_number, line.contains("‹vmid of "), "{}: {line}", step.id);
            }
        }
    }
}
