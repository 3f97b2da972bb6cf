//! What was sent to hosts, and the files that came to stand there.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::engine::{Fact, Op, OpStatus, RunEvent, StopOutcome};
use crate::names::{OpId, StepId};
use crate::report::Run;
use crate::report::document::{Command, File};

/// Every write that left for a host, or was announced.
pub(super) fn commands(run: &Run<'_>) -> Vec<Command> {
    let printed = sums_of_output(run);
    run.state
        .ops
        .iter()
        .map(|(id, op)| {
            let (outcome, exit, took) = match &op.status {
                OpStatus::Open => ("unknown".to_owned(), None, None),
                OpStatus::Finished { exit, took_ms, .. } => {
                    let took =
                        SignedDuration::from_millis(i64::try_from(*took_ms).unwrap_or(i64::MAX));
                    (format!("exit {exit}"), Some(*exit), Some(took))
                }
                OpStatus::Lost => (lost(op).to_owned(), None, None),
                OpStatus::NotSent => ("not sent".to_owned(), None, None),
                OpStatus::Stopped(how) => (stopped(how).to_owned(), None, None),
            };
            Command {
                at: op.intended,
                step: op.step.clone(),
                host: op.host.clone(),
                command: op.command.clone(),
                outcome,
                exit,
                took,
                output_sha256: printed.get(id).map(|sum| (*sum).to_owned()),
            }
        })
        .collect()
}

/// A write that nobody stopped: of file data, and of what the run's end gives back, what stands was
/// looked up; any other was left to a person.
fn lost(op: &Op) -> &'static str {
    if op.bulk || op.step == StepId::default() {
        "lost: its outcome was looked up"
    } else {
        "lost: it was not stopped, and whether it took effect is not known"
    }
}

fn stopped(how: &StopOutcome) -> &'static str {
    match how {
        StopOutcome::Gone => "lost; its process was gone",
        StopOutcome::Killed => "lost; its process was ended",
        StopOutcome::NeverSent => "lost; it had never begun",
    }
}

fn sums_of_output<'a>(run: &Run<'a>) -> BTreeMap<OpId, &'a str> {
    run.entries
        .iter()
        .filter_map(|entry| match &entry.event {
            RunEvent::WriteFinished {
                op,
                output_sha256: Some(sum),
                ..
            } => Some((*op, sum.as_str())),
            _ => None,
        })
        .collect()
}

/// Every file that stands under its final name, with the sum that the destination computed.
pub(super) fn files(run: &Run<'_>) -> Vec<File> {
    run.state
        .facts
        .iter()
        .filter_map(|found| match &found.fact {
            Fact::FilePlaced {
                vm,
                host,
                path,
                bytes,
                sha256,
                proof,
            } => Some(File {
                vm: vm.clone(),
                host: host.clone(),
                path: path.clone(),
                bytes: *bytes,
                sha256: sha256.clone(),
                proof: proof.clone(),
            }),
            _ => None,
        })
        .collect()
}
