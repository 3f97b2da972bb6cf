//! Values cannot inject: whatever a variable, a path or a name holds reaches the host's program byte
//! by byte as one word, through a real shell of each make that is installed.

use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::engine::Verdict;
use lifeboat::host::{Effect, HostCommand};
use lifeboat::names::VariableName;
use lifeboat::plan::{self, PlanInputs};
use lifeboat::runbook;
use lifeboat::runbook::model::{Mode, Runbook, Section};
use proptest::prelude::*;

/// The shells of the hosts: dash and bash of Linux, ash of ESXi.
const SHELLS: [&[&str]; 3] = [&["/bin/dash"], &["/usr/bin/busybox", "ash"], &["/bin/bash"]];

/// How a write is wrapped on its way; see `host::process`.
const WRAPPED: &str = r#"sh -c 'echo $$; exec "$@"' _ "#;

fn shells() -> Vec<&'static [&'static str]> {
    let installed = |shell: &&[&str]| Path::new(shell[0]).exists();
    let found: Vec<_> = SHELLS.iter().copied().filter(installed).collect();
    assert!(!found.is_empty(), "no shell is installed");
    found
}

fn run(shell: &[&str], line: &str) -> Vec<u8> {
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", line])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("a shell");
    output.stdout
}

/// Text that breaks quoting more often than chance would.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("$(touch owned)".to_owned()),
        Just("`id`".to_owned()),
        Just("${IFS}".to_owned()),
        Just("; rm -rf /".to_owned()),
        Just("\n".to_owned()),
        Just("&& false |".to_owned()),
        Just("> owned".to_owned()),
        Just("~root".to_owned()),
        Just("*".to_owned()),
        Just("!!".to_owned()),
        Just("-rf".to_owned()),
        Just("a=b".to_owned()),
        Just("#".to_owned()),
        "[^\\x00]{0,4}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn expected(words: &[String]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| [word.as_bytes(), b"\0"].concat())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_word_arrives_as_it_is(words in proptest::collection::vec(awkward(), 1..5)) {
        let print = ["printf", "%s\\0"].map(str::to_owned);
        let all: Vec<String> = print.into_iter().chain(words.iter().cloned()).collect();
        let plain = HostCommand::read(all).line();
        let script = HostCommand::script(Effect::Read, r#"printf '%s\0' "$@""#, words.clone()).line();
        for shell in shells() {
            for line in [&plain, &script] {
                prop_assert_eq!(run(shell, line), expected(&words), "{:?} read {}", shell, line);
                let wrapped = run(shell, &format!("{WRAPPED}{line}"));
                let after = wrapped.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                prop_assert_eq!(&wrapped[after..], expected(&words), "{:?} read {}", shell, line);
            }
        }
    }
}

const RUNBOOK: &str = r#"
lifeboat: 1
name: quoting
title: Values that try to break out
variables:
  note: { prompt: Anything, example: x }
  other: { prompt: Anything, example: x }
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lon: { site: london, driver: esxi, address: 192.0.2.1, user: a, auth: [agent] }
  les: { site: leeds, driver: esxi, address: 192.0.2.3, user: a, auth: [agent] }
  lee: { site: leeds, driver: posix, address: 192.0.2.2, user: a, auth: [agent] }
vms:
  web01:
    protected: { host: lon, datastore: a, vmx: web01/web01.vmx }
    recovery: { host: les, datastore: a }
failover:
  - phase: Say
    steps:
      - command: { host: lee, argv: [printf, '%s\0', "${note}", "a ${other} b"], effect: read }
      - command: { host: lee, sh: 'printf "%s\0" "$note" "a $other b"', effect: read }
"#;

/// The command lines of both steps, as they are shown and sent.
fn lines(runbook: &Runbook, values: [&String; 2]) -> Vec<String> {
    let names = ["note", "other"].map(VariableName::from);
    let inputs = PlanInputs {
        variables: names.into_iter().zip(values.map(String::clone)).collect(),
        only: Vec::new(),
    };
    let plan = plan::make(runbook, Section::Failover, Mode::Failover, &inputs).expect("a plan");
    plan.steps
        .iter()
        .map(
            |step| match lifeboat::actions::outline(runbook, step).verdict {
                Verdict::Needed(proposal) => proposal.commands[0].line.clone(),
                other => panic!("{other:?}"),
            },
        )
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_variable_stays_one_word_in_argv_and_in_the_environment(note in awkward(), other in awkward()) {
        let limits = runbook::Limits::default();
        let runbook = runbook::load("quoting.yaml", RUNBOOK, &limits).expect("a runbook").runbook;
        let both = lines(&runbook, [&note, &other]);
        prop_assert_eq!(both.len(), 2);
        let wanted = expected(&[note, format!("a {other} b")]);
        for shell in shells() {
            for line in &both {
                prop_assert_eq!(&run(shell, line), &wanted, "{:?} read {}", shell, line);
            }
        }
    }
}

/// The test above can fail: without quoting the same values do harm.
#[test]
fn unquoted_values_would_break_out() {
    let words = ["a b", "$(echo c)"].map(str::to_owned);
    let line = format!("printf '%s\\0' {}", words.join(" "));
    for shell in shells() {
        assert_ne!(run(shell, &line), expected(&words));
    }
}
