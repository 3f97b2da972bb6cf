//! What prompts ask for, as it is read.

use super::*;
use crate::runbook::model::{Ask, Challenge, Expect, Look, Probe, StepSpec, VmSign};

fn steps(written: &str) -> Vec<StepSpec> {
    let vms = vm("sql01", "");
    let text = small(&format!(
        "vms:\n{vms}failover:\n  - phase: Ask\n    for_each: vms\n    steps:\n{written}"
    ));
    valid(&text).failover[0].steps.clone()
}

#[test]
fn every_kind_of_question_is_read() {
    let mut read = steps(
        "      - confirm: Is it right?
        ask:
          signs: { choose: [power, network], at_least: 2 }
          ticket: { value: Ticket, pattern: \"INC[0-9]+\", example: INC1 }
          loss: { acknowledge: \"Users of ${vm} lose an hour\" }
          who: { evidence: Who says so? }
          count: { compare: Open orders, with: { host: lee-bk1, argv: [wc, -l, orders] } }
          runs: { check: Does it look right?, probe: { vm: \"${vm}\", power: on } }
",
    );
    let Verb::Confirm { ask, .. } = read.remove(0).verb else {
        panic!("{read:?}")
    };
    let keys: Vec<&str> = ask.keys().map(String::as_str).collect();
    assert_eq!(keys, ["signs", "ticket", "loss", "who", "count", "runs"]);
    let look = Look {
        host: "lee-bk1".into(),
        argv: ["wc", "-l", "orders"].map(str::to_owned).to_vec(),
    };
    let expect = Expect::Success;
    let asked: Vec<Ask> = ask.into_values().skip(1).collect();
    let expected = [
        Ask::Value {
            prompt: "Ticket".into(),
            pattern: Some("INC[0-9]+".into()),
            example: Some("INC1".into()),
        },
        Ask::Acknowledge {
            statement: "Users of ${vm} lose an hour".into(),
        },
        Ask::Evidence {
            prompt: "Who says so?".into(),
        },
        Ask::Compare {
            prompt: "Open orders".into(),
            with: Probe::Command { look, expect },
        },
        Ask::Check {
            prompt: "Does it look right?".into(),
            probe: Probe::Vm {
                vm: "${vm}".into(),
                site: None,
                sign: VmSign::On,
            },
        },
    ];
    assert_eq!(asked, expected);
}

#[test]
fn a_challenge_stands_at_any_step_of_two_people() {
    let read = steps(
        "      - power_on: \"${vm}\"
        gate: true
        people: 2
        challenge: { say: \"Which site serves ${vm} now?\", response: Leeds }
",
    );
    let challenge = Challenge {
        say: "Which site serves ${vm} now?".into(),
        response: "Leeds".into(),
    };
    assert!(challenge.is_met_by(" leeds"));
    assert!(!challenge.is_met_by("Leeds serves"));
    assert_eq!(read[0].challenge, Some(challenge));
}
