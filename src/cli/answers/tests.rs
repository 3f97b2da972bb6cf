use proptest::prelude::*;

use super::*;
use crate::cli::load::load_bundled;
use crate::engine::Answer;

fn runbook() -> Runbook {
    load_bundled().unwrap().runbook
}

#[test]
fn a_whole_file_is_read() {
    let text = "
variables: { ticket: INC000001, outage_at: 2026-01-02T03:04:05Z, outage_reason: rang late }
secrets: { esxi_password: { env: ESXI_PASSWORD } }
steps:
  failover/declare/-/confirm: { by: alice, second: bob, signs: [power, network], more: 7 }
  failback/go-home/sql01/copy_back: { typed: sql01, attest: 'seen it' }
";
    let answers = parse(text, &runbook()).unwrap();
    assert_eq!(answers.variables["ticket"], "INC000001");
    assert_eq!(answers.outage_at.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(
        answers.secrets["esxi_password"],
        SecretSource::Env("ESXI_PASSWORD".to_owned())
    );
    let confirm = &answers.steps["failover/declare/-/confirm"];
    assert_eq!(
        (confirm.by.as_deref(), confirm.second.as_deref()),
        (Some("alice"), Some("bob"))
    );
    let signs = Answer::Chosen(vec!["power".to_owned(), "network".to_owned()]);
    assert_eq!(confirm.asks["signs"], signs);
    assert_eq!(confirm.asks["more"], Answer::Value("7".to_owned()));
    let copy = &answers.steps["failback/go-home/sql01/copy_back"];
    assert_eq!(
        (copy.typed.as_deref(), copy.attest.as_deref()),
        (Some("sql01"), Some("seen it"))
    );
    assert_eq!(parse("", &runbook()), Ok(Answers::default()));
}

#[test]
fn every_problem_is_named_at_once() {
    let text = "
variables: { tiket: INC000001, ticket: INC1, esxi_password: hunter2, outage_reason: 1.10 }
secrets: { ticket: { env: X }, esxi_password: hunter2 }
steps:
  failover/recover/sql01/levitate: { by: alice }
  failover/recover/sql01/fence: { by: [alice] }
";
    let problems = parse(text, &runbook()).unwrap_err();
    let expected = [
        "`esxi_password` is a secret",
        "INC1",
        "this is a number that is not kept as it was written",
        "no variable `tiket`; did you mean `ticket`?",
        "secrets.esxi_password: say where it comes from",
        "`ticket` is no secret",
        "steps.failover/recover/sql01/fence: `by` is not a single value",
        "no step `failover/recover/sql01/levitate`",
    ];
    for part in expected {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    assert!(!problems.join("\n").contains("hunter2"), "{problems:#?}");
}

#[test]
fn what_a_vm_is_answered_stands_by_its_text_and_is_never_taken_for_something_else() {
    let step = |id: &str, fields: &str| {
        let file = format!("steps: {{ failover/{id}: {{ {fields} }} }}");
        parse(&file, &runbook()).map(|mut answers| answers.steps.remove(&*format!("failover/{id}")))
    };
    let power_on = "recover/sql01/power_on";
    let read = step(power_on, "answer: { Cannot open the disk: Yes, again: 7 }");
    let read = read.unwrap().unwrap();
    assert_eq!(read.questions["Cannot open the disk"], "Yes");
    assert_eq!(read.questions["again"], "7");
    assert_eq!(read.asks, BTreeMap::new());
    for wrong in [
        "answer: Yes",
        "answer: [Yes]",
        "answer: {}",
        "answer: { ' ': Yes }",
        "answer: { Cannot: '' }",
        "answer: { Cannot: [Yes] }",
        "answers: { Cannot: Yes }",
    ] {
        step(power_on, wrong).expect_err(wrong);
    }
    // What a prompt asks may have that name.
    let prompt = step("declare/-/confirm", "answer: 42").unwrap().unwrap();
    assert_eq!(prompt.asks["answer"], Answer::Value("42".to_owned()));
    step("declare/-/confirm", "answer: { Cannot: Yes }").unwrap_err();
}

#[test]
fn what_a_drill_agrees_on_can_be_written_down() {
    let drill = |text: &str| parse(text, &runbook()).map(|answers| answers.drill);
    let read = drill("drill: { abort: any alarm, limit: 4h, abort_key: bob }").unwrap();
    assert_eq!(read.abort_key.as_deref(), Some("bob"));
    assert_eq!(read.limit.as_deref(), Some("4h"));
    assert_eq!(drill("drill: {}").unwrap(), DrillAnswers::default());
    let problems = drill("drill: { abort_kay: bob }").unwrap_err();
    assert!(problems[0].starts_with("drill: "), "{problems:?}");
}

#[test]
fn what_a_drill_showed_is_stated_in_full_or_not_at_all() {
    let findings = |text: &str| {
        let file = format!("drill: {{ {text} }}");
        parse(&file, &runbook()).map(|answers| answers.drill.findings)
    };
    let whole = "findings: [{ text: slow, owner: ann, due: 2026-02-01 }]";
    let read = findings(whole).unwrap().unwrap();
    assert_eq!(read[0].in_words(), "slow (ann, by 2026-02-01)");
    assert_eq!(findings("findings: none"), Ok(Some(Vec::new())));
    assert_eq!(findings("abort_key: bob"), Ok(None));
    for wrong in [
        "findings: []",
        "findings: nothing",
        "findings: [{ text: x }]",
        "findings: [{ text: x, owner: ' ', due: 2026-02-01 }]",
        "findings: [{ text: x, owner: ann, due: soon }]",
    ] {
        let problems = findings(wrong).unwrap_err().join("\n");
        assert!(
            problems.contains("drill: ") && problems.contains("due as 2026-02-01"),
            "{problems}"
        );
    }
}

#[test]
fn unknown_and_duplicate_keys_are_refused() {
    for (text, part) in [
        ("stps: {}\n", "unknown field `stps`"),
        (
            "variables: { ticket: INC000001, ticket: INC000002 }\n",
            "duplicate",
        ),
        ("steps: [a]\n", "steps: expected"),
        ("- a\n", "expected"),
        ("a: [\n", "line"),
    ] {
        let problems = parse(text, &runbook()).unwrap_err();
        assert!(problems[0].contains(part), "{text:?}: {problems:?}");
    }
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\nrest\n").unwrap();
    assert_eq!(SecretSource::File(path).fetch().as_deref(), Ok("hunter2"));
    let command = SecretSource::Command("printf 'a b\\nc\\n'".to_owned());
    assert_eq!(command.fetch().as_deref(), Ok("a b"));
    let env = SecretSource::Env("LIFEBOAT_NO_SUCH_VARIABLE".to_owned()).fetch();
    assert!(env.unwrap_err().contains("is not set"));
    assert!(
        SecretSource::Command("exit 3".to_owned())
            .fetch()
            .unwrap_err()
            .contains("failed")
    );
    assert!(
        SecretSource::Command("true".to_owned())
            .fetch()
            .unwrap_err()
            .contains("empty")
    );
}

proptest! {
#![proptest_config(ProptestConfig::with_cases(64))]
#[test]
fn any_text_is_an_answer_or_an_error(text in "(variables|secrets|steps|[a-z]{0,4}|[:{}\\[\\], \n&*-]){0,40}") {
    let _ = parse(&text, &runbook());
}
}
