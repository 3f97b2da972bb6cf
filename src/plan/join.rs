//! Two plans walked as one run.

use super::{Plan, Step, fingerprint};

/// The steps of `first`, then those of `then`: nothing of `then` begins before all of `first` is over.
#[must_use]
pub fn join(first: Plan, then: Plan) -> Plan {
    let before = first.steps.len();
    let all_before: Vec<usize> = (0..before).collect();
    let Plan {
        section,
        mode,
        mut steps,
        mut vms,
        mut left_out,
        frozen,
        ..
    } = first;
    for mut step in then.steps {
        if step.after.is_empty() {
            step.after.clone_from(&all_before);
        } else {
            for index in &mut step.after {
                *index += before;
            }
        }
        steps.push(step);
    }
    vms.extend(
        then.vms
            .into_iter()
            .filter(|vm| !vms.contains(vm))
            .collect::<Vec<_>>(),
    );
    left_out.extend(
        then.left_out
            .into_iter()
            .filter(|pair| !left_out.contains(pair))
            .collect::<Vec<_>>(),
    );
    let fingerprint = fingerprint::fingerprint(&steps);
    Plan {
        section,
        mode,
        steps,
        fingerprint,
        vms,
        left_out,
        frozen,
    }
}

/// The plan of a run that is being closed: all of its steps so far, none of which is started again,
/// then those that close it. Their `after` counts from the first of them.
#[must_use]
pub fn then_closed(run: Plan, closing: Vec<Step>) -> Plan {
    let frozen = run.steps.len();
    let mut steps = run.steps;
    steps.extend(closing.into_iter().map(|mut step| {
        for index in &mut step.after {
            *index += frozen;
        }
        step
    }));
    let fingerprint = fingerprint::fingerprint(&steps);
    Plan {
        steps,
        fingerprint,
        frozen,
        ..run
    }
}
