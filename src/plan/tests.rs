//! Plans of the bundled runbook, of small ones, and of random ones.

mod difference;
mod modes;
mod order;
mod steps;

use super::*;
use crate::runbook::model::CommandLine;
use crate::runbook::{Limits, load};

const BUNDLED: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

fn runbook(text: &str) -> Runbook {
    load("dr.yaml", text, &Limits::default()).unwrap().runbook
}

/// A runbook with these VMs (`name` and what its mapping has beside its places) and sections.
fn small(vms: &[(&str, &str)], sections: &str) -> Runbook {
    let mut text = "lifeboat: 1
name: small
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lon-esx1: { site: london, driver: esxi, address: 192.0.2.11 }
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
  lee-bk1: { site: leeds, driver: posix, address: 198.51.100.20 }
backups: { nightly: { host: lee-bk1, path: /backup } }
variables: { ticket: { prompt: Ticket, default: INC7 }, pin: { prompt: Pin, secret: true } }
vms:
"
    .to_owned();
    for (name, more) in vms {
        text.push_str(&format!(
            "  {name}: {{ protected: {{ host: lon-esx1, datastore: d, vmx: {name}/{name}.vmx }}, \
             recovery: {{ host: lee-esx1, datastore: d }}, backup: nightly{more} }}\n"
        ));
    }
    text.push_str(sections);
    runbook(&text)
}

fn inputs(only: &[&str]) -> PlanInputs {
    PlanInputs {
        variables: [(VariableName::from("ticket"), "INC000042".to_owned())].into(),
        only: only.iter().map(|vm| VmName::from(*vm)).collect(),
    }
}

fn failover(runbook: &Runbook) -> Plan {
    make(runbook, Section::Failover, Mode::Failover, &inputs(&[])).unwrap()
}

/// `sql01/fence` for each step, in order.
fn walk(plan: &Plan) -> Vec<String> {
    let word = |step: &Step| format!("{}/{}", step.subject.as_str(), step.action.verb());
    plan.steps.iter().map(word).collect()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    plan.step(&StepId::from(id)).unwrap()
}

/// The ids of the steps that a step waits for.
fn after<'p>(plan: &'p Plan, id: &str) -> Vec<&'p str> {
    step(plan, id)
        .after
        .iter()
        .map(|index| plan.steps[*index].id.as_str())
        .collect()
}
