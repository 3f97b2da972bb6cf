//! Every text that goes in comes out cleaned, wherever it stands.

use std::collections::BTreeMap;

use super::*;
use crate::engine::{AttestRequest, Consent, RunInfo, ShownCommand};
use crate::names::{Attempt, OpId};

const BAD: &str = "hunter22";

fn bad() -> String {
    format!("said {BAD} here")
}

fn fault() -> Fault {
    Fault::new(bad(), bad(), bad(), bad())
}

fn proposal() -> Proposal {
    Proposal {
        changes: vec![bad()],
        commands: vec![ShownCommand {
            host: Some("lee1".into()),
            line: bad(),
            write: true,
        }],
        then: bad(),
        undo: Some(bad()),
        attest: Some(AttestRequest {
            vm: Some("sql01".into()),
            statement: bad(),
            evidence: vec![bad()],
        }),
        ask: [
            (
                "orders".to_owned(),
                Prompt::Compare {
                    prompt: "Open orders".to_owned(),
                    by: "wc".to_owned(),
                    printed: Some(bad()),
                },
            ),
            (
                "runs".to_owned(),
                Prompt::Check {
                    prompt: "Is that right?".to_owned(),
                    seen: Some(bad()),
                },
            ),
        ]
        .into(),
        ..Proposal::default()
    }
}

fn answers() -> Vec<ProbeAnswer> {
    let verdicts = [
        Verdict::AlreadyDone {
            evidence: vec![bad()],
        },
        Verdict::Needed(Box::new(proposal())),
        Verdict::Blocked {
            fault: fault(),
            remedies: vec![bad()],
        },
    ];
    verdicts
        .into_iter()
        .map(|verdict| ProbeAnswer {
            found: bad(),
            verdict,
        })
        .collect()
}

fn results() -> Vec<Performed> {
    vec![
        Performed::Done {
            evidence: vec![bad(), bad()],
        },
        Performed::Undone {
            evidence: vec![bad()],
        },
        Performed::Changed(Box::new(answers().remove(1))),
        Performed::Failed(fault()),
        Performed::Held {
            fault: fault(),
            remedies: vec![bad()],
        },
    ]
}

fn facts() -> Vec<Fact> {
    let at = jiff::Timestamp::UNIX_EPOCH;
    vec![
        Fact::OwnershipEvidence {
            vm: "sql01".into(),
            lines: vec![bad()],
            whole: false,
            silent: vec![],
            at,
        },
        Fact::RungReached {
            vm: "sql01".into(),
            rung: bad(),
            seen: bad(),
        },
        Fact::Stopped {
            vm: "sql01".into(),
            host: "lee1".into(),
            how: bad(),
            at,
        },
        Fact::Attested {
            vm: "sql01".into(),
            by: "alice".into(),
            words: bad(),
            statement: bad(),
        },
    ]
}

fn decisions() -> Vec<OperatorInput> {
    let (step, by) = (|| "failover/a/b/c".into(), || "alice".to_owned());
    vec![
        OperatorInput::Confirm {
            step: step(),
            attempt: Attempt::FIRST,
            confirmation: Confirmation {
                by: by(),
                second: Some(bad()),
                typed: None,
                attest: Some(bad()),
                response: Some(bad()),
                decline: Some(bad()),
                answers: BTreeMap::from([("sign".to_owned(), Answer::Value(bad()))]),
                how: Consent::Person,
            },
        },
        OperatorInput::Skip {
            step: step(),
            by: by(),
            reason: bad(),
        },
        OperatorInput::ByHand {
            step: step(),
            by: by(),
            evidence: bad(),
        },
        OperatorInput::Note {
            step: None,
            by: by(),
            text: bad(),
        },
        OperatorInput::Detach { why: bad() },
    ]
}

fn inputs() -> Vec<Input> {
    let (step, attempt) = (|| "failover/a/b/c".into(), || Attempt::FIRST);
    let op = || OpId(1);
    let mut inputs = vec![
        Input::Start(Box::new(RunInfo {
            outage_reason: Some(bad()),
            ..RunInfo::default()
        })),
        Input::Probed {
            step: step(),
            attempt: attempt(),
            answer: Err(fault()),
        },
        Input::WriteWanted {
            step: step(),
            attempt: attempt(),
            ticket: 1,
            host: "lee1".into(),
            command: bad(),
            bulk: false,
        },
        Input::WriteLost {
            op: op(),
            why: bad(),
        },
        Input::WriteNotSent {
            op: op(),
            why: bad(),
        },
        Input::Questioned {
            step: step(),
            attempt: attempt(),
            question: Question {
                vm: None,
                host: "lee1".into(),
                id: "1".to_owned(),
                text: bad(),
                choices: vec!["Yes".to_owned()],
                suggested: None,
                why: Some(bad()),
            },
        },
        Input::Stopped {
            step: step(),
            attempt: attempt(),
            op: op(),
            outcome: Err(fault()),
        },
    ];
    inputs.extend(answers().into_iter().map(|answer| Input::Probed {
        step: step(),
        attempt: attempt(),
        answer: Ok(answer),
    }));
    inputs.extend(results().into_iter().map(|result| Input::Performed {
        step: step(),
        attempt: attempt(),
        result,
    }));
    inputs.extend(facts().into_iter().map(|fact| Input::FactFound {
        step: step(),
        attempt: attempt(),
        ticket: 1,
        fact,
    }));
    inputs.extend(decisions().into_iter().map(Input::Operator));
    inputs
}

#[test]
fn no_text_of_a_host_or_a_person_gets_past_the_cleaning() {
    for input in inputs() {
        let before = format!("{input:?}");
        assert!(before.contains(BAD), "{before} tests nothing");
        let after = format!("{:?}", input.cleaned(&|text| text.replace(BAD, "***")));
        assert!(!after.contains(BAD), "{after}");
        assert_eq!(
            after.matches("***").count(),
            before.matches(BAD).count(),
            "{after}"
        );
    }
}
