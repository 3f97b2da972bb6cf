//! Transitions by table, then whole runs by a seeded world.

mod chapters;
mod prompts;
mod transitions;
mod waits;
mod watch;
mod world;

use std::sync::Arc;

use jiff::Timestamp;

use super::{Engine, Settings};
use crate::engine::{
    Confirmation, Consent, Effect, Input, OperatorInput, ProbeAnswer, Proposal, RunInfo, RunState,
    ShownCommand, Verdict,
};
use crate::names::{Attempt, StepId};
use crate::plan::{ActionSpec, Plan, Risk, Step, Subject};
use crate::runbook::model::{Mode, OnFailure, Section, SiteRole};

/// A plan of write steps; `after[i]` are the indexes that step `i` waits for.
fn plan(after: &[&[usize]]) -> Arc<Plan> {
    let steps = after
        .iter()
        .enumerate()
        .map(|(index, after)| Step {
            id: format!("failover/recover/vm{index}/register")
                .as_str()
                .into(),
            phase: "Recover".to_owned(),
            subject: Subject::Vm(format!("vm{index}").as_str().into()),
            action: ActionSpec::Register {
                vm: format!("vm{index}").as_str().into(),
            },
            side: SiteRole::Recovery,
            title: format!("register vm{index}"),
            why: None,
            text: None,
            risk: Risk::Write,
            after: after.to_vec(),
            timeout: None,
            retries: 0,
            on_failure: OnFailure::Ask,
            usually: None,
            gate: false,
            typed: None,
            people: 1,
            challenge: None,
            transfer: false,
            datastore: None,
            hosts: vec!["esx".into()],
            vmx: None,
            line: index + 1,
        })
        .collect();
    Arc::new(Plan {
        section: Section::Failover,
        mode: Mode::Failover,
        steps,
        fingerprint: "f".to_owned(),
        vms: Vec::new(),
        left_out: Vec::new(),
        frozen: 0,
    })
}

fn info() -> Box<RunInfo> {
    Box::new(RunInfo {
        format: 1,
        mode: Some(Mode::Failover),
        operator: "alice".to_owned(),
        ..RunInfo::default()
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn engine(plan: &Arc<Plan>) -> Engine {
    Engine::new(Arc::clone(plan), RunState::default(), Settings::default())
}

fn needed() -> ProbeAnswer {
    let command = ShownCommand {
        host: Some("esx".into()),
        line: "vim-cmd solo/registervm x.vmx".to_owned(),
        write: true,
    };
    ProbeAnswer {
        found: "not registered".to_owned(),
        verdict: Verdict::Needed(Box::new(Proposal {
            commands: vec![command],
            then: "registered".to_owned(),
            undo: Some("unregister".to_owned()),
            ..Proposal::default()
        })),
    }
}

fn already() -> ProbeAnswer {
    ProbeAnswer {
        found: "registered".to_owned(),
        verdict: Verdict::AlreadyDone {
            evidence: vec!["vmid 1".to_owned()],
        },
    }
}

fn confirmation() -> Confirmation {
    Confirmation::plain("alice", Consent::Person)
}

fn confirm(step: &StepId, attempt: u32) -> Input {
    Input::Operator(OperatorInput::Confirm {
        step: step.clone(),
        attempt: Attempt(attempt),
        confirmation: confirmation(),
    })
}

/// Short names of effects, events by their tag, for exact comparisons.
fn names(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Record(entry) => {
                let json = serde_json::to_value(&entry.event).unwrap();
                json["event"].as_str().unwrap_or_default().to_owned()
            }
            Effect::Probe { attempt, .. } => format!("PROBE {attempt}"),
            Effect::Start { attempt, .. } => format!("START {attempt}"),
            Effect::Undo { .. } => "UNDO".to_owned(),
            Effect::StopLost { op, .. } => format!("STOP {op}"),
            Effect::Grant { op, .. } => format!("GRANT {op}"),
            Effect::Kept { .. } => "KEPT".to_owned(),
            Effect::Deny { .. } => "DENY".to_owned(),
            Effect::Answer { label, .. } => format!("ANSWER {label}"),
            Effect::Timer { .. } => "TIMER".to_owned(),
            Effect::Cancel { .. } => "CANCEL".to_owned(),
            Effect::Close => "CLOSE".to_owned(),
            Effect::Leave => "LEAVE".to_owned(),
        })
        .collect()
}
