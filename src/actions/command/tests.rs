use super::*;
use crate::actions::tests::{done, lines, needed, step};
use crate::engine::{Fact, FoundFact, Op};
use crate::names::OpId;

fn spec(effect: DeclaredEffect, done_if: bool, verify: bool) -> CommandSpec {
    let words =
        |yes: bool, word: &str| yes.then(|| vec!["test".to_owned(), "-e".into(), word.into()]);
    CommandSpec {
        host: "lee-bk1".into(),
        line: CommandLine::Argv(vec!["logger".into(), "it's done".into()]),
        effect,
        done_if: words(done_if, "/done"),
        verify: words(verify, "/verified"),
        environment: vec![],
    }
}

fn decide(spec: &CommandSpec, seen: &Seen) -> ProbeAnswer {
    let (_, step) = step("failover/announce/lee-bk1/command");
    Command::new(&step, spec).decide(seen)
}

fn reply(status: i32) -> Option<Reply> {
    Some(Reply {
        line: "test -e /x".into(),
        status,
        said: String::new(),
    })
}

fn sent(step: &Step, command: &str, status: OpStatus) -> Op {
    Op {
        step: step.id.clone(),
        attempt: crate::names::Attempt::FIRST,
        host: "lee-bk1".into(),
        console: "noc-4".into(),
        command: command.into(),
        bulk: false,
        pid: None,
        intended: jiff::Timestamp::UNIX_EPOCH,
        lasted: None,
        status,
    }
}

#[test]
fn done_if_decides_before_and_verify_only_in_doubt() {
    let spec = spec(DeclaredEffect::Write, true, true);
    done(&decide(
        &spec,
        &Seen {
            done_if: reply(0),
            ..Seen::default()
        },
    ));
    needed(&decide(
        &spec,
        &Seen {
            done_if: reply(1),
            ..Seen::default()
        },
    ));
    done(&decide(
        &spec,
        &Seen {
            done_if: reply(1),
            verify: reply(0),
            in_doubt: true,
        },
    ));
}

#[test]
fn words_are_quoted_and_the_check_is_shown() {
    let answer = decide(&spec(DeclaredEffect::Write, false, true), &Seen::default());
    assert_eq!(
        lines(needed(&answer)),
        ["logger 'it'\\''s done'", "test -e /verified"]
    );
    assert_eq!(needed(&answer).risk, Some(Risk::Write));
}

#[test]
fn one_in_doubt_is_sent_again_only_by_a_person_who_types_it() {
    let doubt = Seen {
        in_doubt: true,
        ..Seen::default()
    };
    let answer = decide(&spec(DeclaredEffect::Write, false, false), &doubt);
    assert_eq!(needed(&answer).typed.as_deref(), Some(AGAIN));
    assert_eq!(needed(&answer).risk, Some(Risk::Typed));
    // done_if says that the first did not work, so a second is the first.
    let known = Seen {
        done_if: reply(1),
        ..doubt
    };
    assert_eq!(
        needed(&decide(&spec(DeclaredEffect::Write, true, false), &known)).typed,
        None
    );
}

#[test]
fn doubt_is_a_write_that_may_have_left() {
    let (_, step) = step("failover/announce/lee-bk1/command");
    for (status, doubt) in [
        (OpStatus::Open, true),
        (OpStatus::Lost, true),
        (OpStatus::Stopped(StopOutcome::Killed), true),
        (OpStatus::Stopped(StopOutcome::NeverSent), false),
        (OpStatus::NotSent, false),
        (
            OpStatus::Finished {
                exit: 1,
                took_ms: 1,
                printed: None,
            },
            false,
        ),
    ] {
        let mut state = RunState::default();
        let op = sent(&step, "logger x", status.clone());
        state.ops.insert(OpId(1), op);
        assert_eq!(is_in_doubt(&state, &step), doubt, "{status:?}");
        let other = Step {
            id: "other".into(),
            ..step.clone()
        };
        assert!(!is_in_doubt(&state, &other));
    }
}

#[test]
fn a_lock_on_the_host_of_an_older_runbook_leaves_no_doubt() {
    let (_, step) = step("failover/announce/lee-bk1/command");
    let taken = OpStatus::Finished {
        exit: 0,
        took_ms: 1,
        printed: None,
    };
    let mut state = RunState::default();
    let op = Op {
        host: "lee-old".into(),
        ..sent(&step, "mkdir .lifeboat-commands-erp+lee-old", taken.clone())
    };
    state.ops.insert(OpId(1), op);
    assert!(is_in_doubt(&state, &step));
    state.facts.push(FoundFact {
        at: jiff::Timestamp::UNIX_EPOCH,
        step: Some(step.id.clone()),
        fact: Fact::LockWanted {
            vm: None,
            host: "lee-old".into(),
            path: ".lifeboat-commands-erp+lee-old".into(),
        },
    });
    assert!(!is_in_doubt(&state, &step));
    // Its own command was sent there as well.
    let own = sent(&step, "logger x", taken);
    state.ops.insert(OpId(2), own);
    assert!(is_in_doubt(&state, &step));
}

#[test]
fn a_script_gets_the_values_that_it_mentions() {
    let given = [("ticket", "INC 1; rm"), ("mode", "failover")];
    let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let script = "logger \"$ticket\" $modes";
    assert_eq!(
        script_words(script, &given),
        ["env", "ticket=INC 1; rm", "sh", "-c", script]
    );
    assert_eq!(
        script_words("logger $tickets", &given),
        ["sh", "-c", "logger $tickets"]
    );
}
