//! Plans of the bundled runbook and of small ones.

use super::*;
use crate::runbook::{Limits, load};

fn bundled() -> Runbook {
    let text = include_str!("../../runbooks/v2v-image-restore.yaml");
    load("bundled", text, &Limits::default()).unwrap().runbook
}

fn inputs(only: &[&str]) -> PlanInputs {
    PlanInputs {
        variables: [(VariableName::from("ticket"), "INC000042".to_owned())].into(),
        only: only.iter().map(|vm| VmName::from(*vm)).collect(),
    }
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn bundled_failover_goes_vm_by_vm() {
    let plan = make(&bundled(), Section::Failover, Mode::Failover, &inputs(&[])).unwrap();
    let mut expected = vec!["failover/declare/-/confirm".to_owned()];
    for vm in ["sql01", "app01", "web01"] {
        for verb in [
            "fence", "restore", "register", "network", "power_on", "ready",
        ] {
            expected.push(format!("failover/recover/{vm}/{verb}"));
        }
    }
    expected.push("failover/announce/lee-bk1/command".to_owned());
    assert_eq!(ids(&plan), expected);
    assert_eq!(plan.vms, ["sql01", "app01", "web01"].map(VmName::from));
}
