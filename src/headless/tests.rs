//! Replies by rule, and a walk against a scripted runner.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::*;
use crate::engine::{
    Answer, AttestRequest, Choice, Consent, ProbeAnswer, Prompt, Proposal, Question, ShownCommand,
    Verdict,
};
use crate::hypervisor::shell;
use crate::names::{OpId, RunId};
use crate::plan::{ActionSpec, Plan, PlanInputs, Risk, Step};
use crate::runbook::model::{Ask, Challenge, Mode, Runbook, Section};
use crate::runbook::{Limits, load};

fn runbook() -> Runbook {
    let text = include_str!("../../runbooks/v2v-image-restore.yaml");
    load("bundled", text, &Limits::default()).unwrap().runbook
}

fn plan(runbook: &Runbook) -> Plan {
    let variables = BTreeMap::from([("ticket".into(), "INC000001".to_owned())]);
    let inputs = PlanInputs {
        variables,
        only: Vec::new(),
    };
    crate::plan::make(runbook, Section::Failover, Mode::Failover, &inputs).unwrap()
}

fn step(id: &str) -> Step {
    plan(&runbook()).step(&StepId::from(id)).unwrap().clone()
}

fn proposal(risk: Risk) -> Proposal {
    Proposal {
        risk: Some(risk),
        ..Proposal::default()
    }
}

fn replies(yes: bool, practice: bool) -> Replies {
    Replies {
        operator: "alice".to_owned(),
        yes,
        practice,
        steps: BTreeMap::new(),
    }
}

fn with(mut replies: Replies, id: &str, answer: StepAnswer) -> Replies {
    replies.steps.insert(StepId::from(id), answer);
    replies
}

fn missing<T: std::fmt::Debug>(reply: Reply<T>) -> String {
    match reply {
        Reply::Missing(lacks) => lacks,
        Reply::Given(given) => panic!("given: {given:?}"),
    }
}

fn given<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Given(given) => given,
        Reply::Missing(lacks) => panic!("missing: {lacks}"),
    }
}

const REGISTER: &str = "failover/recover/sql01/register";
const POWER_ON: &str = "failover/recover/sql01/power_on";
const FENCE: &str = "failover/recover/sql01/fence";
const CONFIRM: &str = "failover/declare/-/confirm";

#[test]
fn yes_accepts_reads_and_writes_and_nothing_else() {
    let write = proposal(Risk::Write);
    let disruptive = proposal(Risk::Disruptive);
    let (register, power_on) = (step(REGISTER), step(POWER_ON));
    assert_eq!(
        given(replies(true, false).to_step(&register, &write)).how,
        Consent::Yes
    );
    assert!(missing(replies(false, false).to_step(&register, &write)).contains("--yes"));
    let lacks = missing(replies(true, false).to_step(&power_on, &disruptive));
    assert!(
        lacks.contains("disruptive") && lacks.contains("entry"),
        "{lacks}"
    );

    let entry = StepAnswer {
        by: Some("bob".to_owned()),
        ..StepAnswer::default()
    };
    let said = given(with(replies(false, false), POWER_ON, entry).to_step(&power_on, &disruptive));
    assert_eq!((said.by.as_str(), said.how), ("bob", Consent::Answers));
    let entry = StepAnswer::default();
    assert_eq!(
        given(with(replies(true, false), POWER_ON, entry).to_step(&power_on, &disruptive)).by,
        "alice"
    );
}

#[test]
fn a_word_or_an_attestation_is_never_supplied_outside_practice() {
    let fence = step(FENCE);
    let typed = Proposal {
        typed: Some("sql01".to_owned()),
        ..proposal(Risk::Typed)
    };
    let entry = StepAnswer::default();
    assert!(
        missing(with(replies(true, false), FENCE, entry).to_step(&fence, &typed))
            .contains("type sql01")
    );
    let wrong = StepAnswer {
        typed: Some("sql02".to_owned()),
        ..StepAnswer::default()
    };
    assert!(
        missing(with(replies(true, false), FENCE, wrong).to_step(&fence, &typed))
            .contains("type sql01")
    );
    let right = StepAnswer {
        typed: Some("sql01".to_owned()),
        ..StepAnswer::default()
    };
    given(with(replies(false, false), FENCE, right).to_step(&fence, &typed));
    assert_eq!(
        given(replies(true, true).to_step(&fence, &typed))
            .typed
            .as_deref(),
        Some("sql01")
    );

    let attest = Proposal {
        attest: Some(AttestRequest {
            vm: Some("sql01".into()),
            statement: "sql01 does not run in London".to_owned(),
            evidence: vec!["lon-esx1 does not answer".to_owned()],
        }),
        ..proposal(Risk::Read)
    };
    assert!(missing(replies(true, false).to_step(&fence, &attest)).contains("attest"));
    let words = StepAnswer {
        attest: Some("the site is without power".to_owned()),
        ..StepAnswer::default()
    };
    given(with(replies(true, false), FENCE, words).to_step(&fence, &attest));
    assert_eq!(
        given(replies(true, true).to_step(&fence, &attest))
            .attest
            .as_deref(),
        Some("practice")
    );
    assert!(missing(replies(false, true).to_step(&fence, &attest)).contains("attest"));
}

#[test]
fn a_value_with_a_pattern_is_given_in_practice_where_the_runbook_has_an_example() {
    let mut confirm = step(CONFIRM);
    let (prompt, pattern) = ("Ticket".to_owned(), Some("INC[0-9]+".to_owned()));
    let mut runs = |example: Option<&str>| {
        let asked = Ask::Value {
            prompt: prompt.clone(),
            pattern: pattern.clone(),
            example: example.map(str::to_owned),
        };
        confirm.action = ActionSpec::Confirm {
            question: "Is it so?".to_owned(),
            ask: IndexMap::from([("ticket".to_owned(), asked)]),
        };
        let (prompt, pattern) = (prompt.clone(), pattern.clone());
        let ask = IndexMap::from([("ticket".to_owned(), Prompt::Value { prompt, pattern })]);
        let proposal = Proposal {
            ask,
            ..proposal(Risk::Read)
        };
        replies(true, true).to_step(&confirm, &proposal)
    };
    let said = given(runs(Some("INC7"))).answers;
    assert_eq!(said["ticket"], Answer::Value("INC7".to_owned()));
    let lacks = missing(runs(None));
    assert!(
        lacks.contains("INC[0-9]+") && lacks.contains("`example`"),
        "{lacks}"
    );
    let choice = Choice {
        key: "point".to_owned(),
        of: "the restore point".to_owned(),
        options: Vec::new(),
        taken: None,
    };
    let choosing = Proposal {
        choice: Some(choice),
        ..proposal(Risk::Read)
    };
    let lacks = missing(replies(true, true).to_step(&step(CONFIRM), &choosing));
    assert!(lacks.contains("point") && !lacks.contains("`example`"));
}

#[test]
fn prompts_take_their_answers_from_the_file_or_the_rules_of_practice() {
    let mut confirm = step(CONFIRM);
    confirm.people = 2;
    let options = ["power", "network", "building"].map(str::to_owned).to_vec();
    let ask = IndexMap::from([(
        "signs".to_owned(),
        Prompt::Choose {
            options,
            at_least: 2,
        },
    )]);
    let asks = Proposal {
        ask,
        ..proposal(Risk::Read)
    };

    let lacks = missing(replies(true, false).to_step(&confirm, &asks));
    assert!(
        lacks.contains("signs") && lacks.contains("second"),
        "{lacks}"
    );
    let chosen = Answer::Chosen(vec!["power".to_owned(), "building".to_owned()]);
    let entry = StepAnswer {
        second: Some("bob".to_owned()),
        asks: BTreeMap::from([
            ("signs".to_owned(), chosen.clone()),
            ("more".to_owned(), chosen.clone()),
        ]),
        ..StepAnswer::default()
    };
    let said = given(with(replies(false, false), CONFIRM, entry).to_step(&confirm, &asks));
    assert_eq!(said.answers, BTreeMap::from([("signs".to_owned(), chosen)]));
    let same = StepAnswer {
        second: Some("alice".to_owned()),
        ..StepAnswer::default()
    };
    assert!(
        missing(with(replies(true, false), CONFIRM, same).to_step(&confirm, &asks))
            .contains("second")
    );

    let said = given(replies(true, true).to_step(&confirm, &asks));
    assert_eq!(
        said.answers["signs"],
        Answer::Chosen(vec!["power".to_owned(), "network".to_owned()])
    );
    assert!(said.second.is_some_and(|second| second != "alice"));
}

#[test]
fn one_choice_need_not_be_a_list() {
    let prompt = Prompt::Choose {
        options: ["connect", "leave"].map(str::to_owned).to_vec(),
        at_least: 1,
    };
    let asks = Proposal {
        ask: IndexMap::from([("adapters".to_owned(), prompt)]),
        ..proposal(Risk::Disruptive)
    };
    let said = |word: &str| StepAnswer {
        asks: BTreeMap::from([("adapters".to_owned(), Answer::Value(word.to_owned()))]),
        ..StepAnswer::default()
    };
    let power_on = step(POWER_ON);
    let to = |word| with(replies(false, false), POWER_ON, said(word)).to_step(&power_on, &asks);
    let chosen = given(to("connect")).answers.remove("adapters");
    assert_eq!(chosen, Some(Answer::Chosen(vec!["connect".to_owned()])));
    assert!(missing(to("plug")).contains("plug is not one of connect, leave"));
}

#[test]
fn a_no_and_another_answer_to_a_challenge_are_answers() {
    let mut confirm = step(CONFIRM);
    confirm.people = 2;
    confirm.challenge = Some(Challenge {
        say: "Which site stops?".to_owned(),
        response: "Leeds".to_owned(),
    });
    let statement = "Users lose an hour".to_owned();
    let asks = Proposal {
        ask: [("loss".to_owned(), Prompt::Acknowledge { statement })].into(),
        ..proposal(Risk::Read)
    };
    let entry = |loss: &str, response: Option<&str>, decline: Option<&str>| StepAnswer {
        second: Some("bob".to_owned()),
        response: response.map(str::to_owned),
        decline: decline.map(str::to_owned),
        asks: BTreeMap::from([("loss".to_owned(), Answer::Value(loss.to_owned()))]),
        ..StepAnswer::default()
    };
    let said = |entry| with(replies(false, false), CONFIRM, entry).to_step(&confirm, &asks);
    assert!(missing(said(entry("yes", None, None))).contains("challenge"));
    assert!(missing(said(entry("no", None, None))).contains("decline"));
    // A wrong one goes to the engine, which records and refuses it.
    let wrong = given(said(entry("yes", Some("London"), None)));
    assert_eq!(wrong.response.as_deref(), Some("London"));
    let no = given(said(entry("no", None, Some("not tonight"))));
    assert_eq!(no.decline.as_deref(), Some("not tonight"));
    let rehearsed = given(replies(true, true).to_step(&confirm, &asks));
    assert_eq!(rehearsed.response.as_deref(), Some("Leeds"));
    assert_eq!(rehearsed.answers["loss"], Answer::Value("yes".to_owned()));
}

#[test]
fn an_unknown_question_is_never_answered_by_itself() {
    let id = StepId::from(POWER_ON);
    let mut question = Question {
        vm: Some("sql01".into()),
        host: "lee-esx1".into(),
        id: "1".to_owned(),
        text: "Did you move it, or did you copy it?".to_owned(),
        choices: vec!["Cancel".to_owned(), "I _moved it".to_owned()],
        suggested: Some("I _moved it".to_owned()),
        why: None,
    };
    assert_eq!(
        given(replies(true, false).to_question(&id, &question)).0,
        "I _moved it"
    );
    let entry = StepAnswer {
        by: Some("bob".to_owned()),
        ..StepAnswer::default()
    };
    let said = given(with(replies(false, false), POWER_ON, entry).to_question(&id, &question));
    assert_eq!((said.1.as_str(), said.2), ("bob", Consent::Answers));
    missing(replies(false, false).to_question(&id, &question));
    question.suggested = None;
    question.text = "Cannot open the disk.\nContinue without it?".to_owned();
    let lacks = missing(replies(true, true).to_question(&id, &question));
    assert!(
        lacks.contains("the disk. Continue without it?\u{201d}, which Lifeboat does not know"),
        "{lacks}"
    );
}

#[test]
fn a_question_is_answered_as_the_answers_say_to_its_text_and_by_a_label_of_its_own() {
    let id = StepId::from(POWER_ON);
    let question = Question {
        vm: Some("sql01".into()),
        host: "lee-esx1".into(),
        id: "7".to_owned(),
        text: "Cannot connect ide1:0.\nTry again at every start?".to_owned(),
        choices: vec!["Yes".to_owned(), "No".to_owned()],
        suggested: None,
        why: None,
    };
    let said = |answers: &[(&str, &str)]| {
        let questions = answers.iter();
        let entry = StepAnswer {
            by: Some("bob".to_owned()),
            questions: questions
                .map(|(part, label)| ((*part).to_owned(), (*label).to_owned()))
                .collect(),
            ..StepAnswer::default()
        };
        with(replies(true, false), POWER_ON, entry).to_question(&id, &question)
    };
    for part in ["ide1:0. try AGAIN", "Cannot connect ide1:0."] {
        let bob = ("No".to_owned(), "bob".to_owned(), Consent::Answers);
        assert_eq!(given(said(&[(part, "No"), ("disk", "Yes")])), bob, "{part}");
    }
    let both = missing(said(&[("Cannot", "No"), ("Try", "Yes")]));
    assert!(both.contains("more than one thing"), "{both}");
    let label = missing(said(&[("Cannot", "no")]));
    assert!(
        label.contains("say \"no\", which is not one of Yes, No"),
        "{label}"
    );
    // What the file has for another text is named beside the line to write.
    let other = missing(said(&[("Cannot open the disk", "No")]));
    let key = "answer: { \"Cannot connect ide1:0. Try again at every start?\": LABEL }";
    let place = format!("in the entry of {POWER_ON} in the answers file: {key}, with one");
    assert!(other.contains(&place), "{other}");
    let none = missing(replies(true, true).to_question(&id, &question));
    let place = format!("in the answers file, under steps: {POWER_ON}: {{ {key} }}, with one");
    assert!(none.contains(&place), "{none}");
    assert!(
        other.contains("has now, \"Cannot open the disk\""),
        "{other}"
    );
}

/// A runner that a test plays by hand.
struct Script {
    updates: mpsc::UnboundedSender<Update>,
    inputs: mpsc::UnboundedReceiver<OperatorInput>,
    seq: u64,
}

fn at(seq: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seq)
}

impl Script {
    fn new() -> (Self, RunHandle) {
        let (inputs_out, inputs) = mpsc::unbounded_channel();
        let (updates, updates_in) = mpsc::unbounded_channel();
        let runbook = runbook();
        let handle = RunHandle {
            run: RunId::from("20260102-030405-k7qd"),
            dir: "/home/alice/.local/state/lifeboat/runs/20260102-030405-k7qd".into(),
            elsewhere: String::new(),
            plan: Arc::new(plan(&runbook)),
            runbook: Arc::new(runbook),
            past: Vec::new(),
            hosts: None,
            inputs: inputs_out,
            updates: updates_in,
        };
        (
            Self {
                updates,
                inputs,
                seq: 0,
            },
            handle,
        )
    }

    fn event(&mut self, step: Option<&str>, event: RunEvent) {
        self.seq += 1;
        let entry = Entry::told(self.seq, at(self.seq), step, event);
        self.updates.send(Update::Entry(Arc::new(entry))).unwrap();
    }

    fn proposes(&mut self, step: &str, proposal: Proposal) {
        self.event(Some(step), RunEvent::StepStarted);
        let verdict = Verdict::Needed(Box::new(proposal));
        let answer = ProbeAnswer {
            found: "not registered\u{1b}[2J".to_owned(),
            verdict,
        };
        self.event(Some(step), RunEvent::ProbeAnswered(Box::new(answer)));
    }
}

#[tokio::test]
async fn a_question_that_comes_again_is_not_answered_again() {
    let (mut script, handle) = Script::new();
    let questions = BTreeMap::from([("locked".to_owned(), "Retry".to_owned())]);
    let entry = StepAnswer {
        questions,
        ..StepAnswer::default()
    };
    let replies = with(replies(true, false), POWER_ON, entry);
    let walked = tokio::spawn(async move {
        let mut out = Vec::new();
        walk(handle, replies, &mut out).await.unwrap()
    });
    let question = Question {
        vm: Some("sql01".into()),
        host: "lee-esx1".into(),
        id: "7".to_owned(),
        text: "The file is locked.".to_owned(),
        choices: vec!["Retry".to_owned(), "Cancel".to_owned()],
        suggested: None,
        why: None,
    };
    script.event(None, RunEvent::RunStarted(Box::default()));
    script.event(Some(POWER_ON), RunEvent::StepStarted);
    let asked = RunEvent::QuestionAsked(Box::new(question));
    script.event(Some(POWER_ON), asked.clone());
    let OperatorInput::AnswerQuestion { label, by, how, .. } = script.inputs.recv().await.unwrap()
    else {
        panic!("not answered");
    };
    assert_eq!((label.as_str(), how), ("Retry", Consent::Answers));
    script.event(
        Some(POWER_ON),
        RunEvent::QuestionAnswered { by, label, how },
    );
    script.event(Some(POWER_ON), asked);
    let no_answer = OperatorInput::NoAnswer {
        step: POWER_ON.into(),
    };
    assert_eq!(script.inputs.recv().await.unwrap(), no_answer);
    drop(script);
    let outcome = walked.await.unwrap();
    assert!(outcome.unanswered[&StepId::from(POWER_ON)].contains("asks it again"));
}

#[tokio::test]
async fn what_has_no_answer_is_named_and_the_console_leaves_once_nothing_goes_on() {
    let (mut script, handle) = Script::new();
    let walked = tokio::spawn(async move {
        let mut out = Vec::new();
        let outcome = walk(handle, replies(true, false), &mut out).await.unwrap();
        (outcome, String::from_utf8(out).unwrap())
    });
    script.event(None, RunEvent::RunStarted(Box::default()));
    script.proposes(REGISTER, proposal(Risk::Write));
    match script.inputs.recv().await.unwrap() {
        OperatorInput::Confirm { step, attempt, .. } => {
            assert_eq!((step.as_str(), attempt), (REGISTER, Attempt(1)));
        }
        other => panic!("{other:?}"),
    }
    script.proposes(POWER_ON, proposal(Risk::Disruptive));
    let no_answer = script.inputs.recv().await.unwrap();
    assert_eq!(
        no_answer,
        OperatorInput::NoAnswer {
            step: POWER_ON.into()
        }
    );
    script
        .updates
        .send(Update::Stuck {
            waiting: vec![POWER_ON.into()],
        })
        .unwrap();
    assert!(matches!(
        script.inputs.recv().await.unwrap(),
        OperatorInput::Detach { .. }
    ));
    script.event(
        None,
        RunEvent::RunDetached {
            why: "test".to_owned(),
        },
    );
    script
        .updates
        .send(Update::Ended {
            head: "ab".repeat(32),
            fault: None,
        })
        .unwrap();
    let (outcome, text) = walked.await.unwrap();
    assert_eq!(
        outcome
            .unanswered
            .keys()
            .map(StepId::as_str)
            .collect::<Vec<_>>(),
        [POWER_ON]
    );
    assert_eq!(outcome.entries.len(), 6);
    assert!(
        text.contains(&format!("00:00:04  {POWER_ON}  found: not registered [2J")),
        "{text}"
    );
    assert!(text.contains("no answer was given"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn what_goes_on_between_two_entries_is_told_with_its_own_time() {
    let (_script, handle) = Script::new();
    let (clock, hand) = Clock::manual(at(0));
    let mut out = Vec::new();
    let mut walk = Walk::new(handle, replies(true, false), &mut out, clock);
    hand.advance(Duration::from_secs(600));
    for (seq, event) in [
        (1, RunEvent::RunStarted(Box::default())),
        (6, RunEvent::RunPaused { by: "x".to_owned() }),
    ] {
        walk.entry(Arc::new(Entry::told(seq, at(seq), None, event)));
    }
    hand.advance(Duration::from_secs(60));
    walk.live(&Live::Banner("still copying".to_owned()));
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("00:01:05  -  still copying"), "{text}");
}

#[tokio::test]
async fn a_paused_run_is_continued_and_progress_is_a_line_a_tenth() {
    let (mut script, mut handle) = Script::new();
    let paused = |seq, event| Arc::new(Entry::told(seq, at(seq), None, event));
    handle.past = vec![
        paused(1, RunEvent::RunStarted(Box::default())),
        paused(
            2,
            RunEvent::RunPaused {
                by: "lifeboat".to_owned(),
            },
        ),
    ];
    let walked = tokio::spawn(async move {
        let mut out = Vec::new();
        walk(handle, replies(true, false), &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    });
    assert!(
        matches!(script.inputs.recv().await.unwrap(), OperatorInput::Continue { by } if by == "alice")
    );
    for done in 0..=1_000 {
        let progress = crate::actions::Progress {
            doing: "sending".to_owned(),
            done,
            total: 1_000,
            ..Default::default()
        };
        script
            .updates
            .send(Update::Live(Live::Progress {
                step: REGISTER.into(),
                progress,
            }))
            .unwrap();
    }
    script
        .updates
        .send(Update::Ended {
            head: String::new(),
            fault: None,
        })
        .unwrap();
    let text = walked.await.unwrap();
    assert_eq!(text.matches("sending").count(), 11, "{text}");
    assert!(text.contains("sending 100 % of 1000 B"), "{text}");
}

#[test]
fn a_script_is_said_in_short_when_it_is_sent() {
    let intended = RunEvent::WriteIntended {
        op: OpId(1),
        host: "lee-esx1".into(),
        command: shell::take_lock("/vmfs/volumes/d/x", "r1").line(),
        bulk: false,
    };
    let entry = Entry::told(1, at(1), None, intended);
    let mut out = Vec::new();
    Printer::new(&mut out, None).entry(&entry);
    let said = String::from_utf8(out).unwrap();
    let short = "sending to lee-esx1: ‹lock› /vmfs/volumes/d/x r1\n";
    assert!(said.ends_with(short), "{said}");
}

#[test]
fn a_script_keeps_its_lines_before_it_is_sent() {
    let mut proposal = proposal(Risk::Write);
    proposal.commands = vec![ShownCommand {
        host: Some("lee-esx1".into()),
        line: "for f in a b; do\n  rm $f\ndone".to_owned(),
        write: true,
    }];
    let answered = RunEvent::ProbeAnswered(Box::new(ProbeAnswer {
        found: "x".into(),
        verdict: Verdict::Needed(Box::new(proposal)),
    }));
    let entry = Entry::told(1, at(1), None, answered);
    let mut out = Vec::new();
    Printer::new(&mut out, None).entry(&entry);
    let said = String::from_utf8(out).unwrap();
    for line in [
        "will send: lee-esx1: for f in a b; do\n",
        "    rm $f\n",
        "  done\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}
