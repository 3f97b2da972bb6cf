//! Files that are broken, huge, or not meant well.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// Files of which not even the structure holds: one problem each, then no more.
#[test]
fn broken_structure_is_one_problem() {
    let deep = "[".repeat(100);
    let deeper = "[".repeat(5_000);
    let cases: &[(&str, &str)] = &[
        (
            "",
            "1:1 the file is empty\n    a runbook begins with `lifeboat: 1`\n",
        ),
        (
            "# nothing\n",
            "1:1 the file is empty\n    a runbook begins with `lifeboat: 1`\n",
        ),
        (
            "just text\n",
            "1:1 expected a runbook as a mapping, found text\n    write it as `key: value` lines, indented, or as { key: value }\n",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1 a second document begins here\n    one file holds one runbook: move what follows `---` to a file of its own\n",
        ),
        (
            "a:\n\tb: 1\n",
            "2:1 not valid YAML: tabs disallowed within this context (block indentation)\n    YAML indents with spaces: replace the tab\n",
        ),
        (
            "a: { vm: ${vm} }\nb: 1\n",
            "1:11 not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'\n    put quotes around what holds `${…}`\n",
        ),
        (
            "a: !secret b\n",
            "1:4 YAML tags are not part of the format\n    remove the word that begins with `!`, or quote the text\n",
        ),
        (
            "a: &a [*a]\n",
            "1:8 an alias that stands inside its own anchor\n",
        ),
        (
            "a: *b\n",
            "1:4 not valid YAML: while parsing node, found unknown anchor\n    `*name` repeats what `&name` marked before; quote text that begins with `*` or `&`\n",
        ),
        (
            "a: 1\n<<: 5\n",
            "2:5 `<<` merges a mapping, and this is none\n",
        ),
        ("? [a, b]\n: c\n", "1:3 a key that is not plain text\n"),
        (
            "a: b\0c\n",
            "1:5 a control character, U+0000\n    check that this is the runbook; if so, remove the character\n",
        ),
        (
            "ä: \u{9b}31m\n",
            "1:4 a control character, U+009B\n    check that this is the runbook; if so, remove the character\n",
        ),
        (
            &deep,
            "1:65 nested deeper than 64 levels\n    a runbook needs fewer than ten\n",
        ),
        (
            &deeper,
            "1:256 nested deeper than 64 levels\n    a runbook needs fewer than ten\n",
        ),
    ];
    let found: Vec<(&str, String)> = cases
        .iter()
        .map(|(text, _)| (*text, listed(&problems(text))))
        .collect();
    let expected: Vec<(&str, String)> = cases
        .iter()
        .map(|(text, expected)| (*text, (*expected).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_newer_format_says_only_that() {
    let found =
        problems("lifeboat: 2\nname: x\nsites: {}\nhosts: {}\nvms: {}\nfailover: [nonsense]\n");
    assert_eq!(
        listed(&found),
        "1:11 this file is format 2; this Lifeboat reads format 1\n    use a newer Lifeboat\n"
    );
}

#[test]
fn names_that_yaml_takes_for_numbers_are_found() {
    let found = problems(&small("vms: { 404: {}, true: {}, ok: {} }\nfailover: []\n"));
    let expected = "\
10:8 a key must be text, and YAML reads this as a number
    put it in quotes
10:17 a key must be text, and YAML reads this as true or false
    put it in quotes
10:27 a VM needs the key `recovery`
11:1 `failover` has no phases
";
    assert_eq!(listed(&found), expected);
}

#[test]
fn bombs_are_refused_before_they_expand() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let scalars = vec!["x"; 3_000].join(", ");
    let aliases = vec!["*a"; 3_000].join(", ");
    let quadratic = format!("a: &a [{scalars}]\nb: [{aliases}]\n");
    let merges = format!("a: &a {{x: 1}}\nb:\n{}", "  - { <<: *a }\n".repeat(60_000));
    for bomb in [laughs, quadratic, merges] {
        let found = problems(&bomb);
        assert!(
            listed(&found).contains("aliases that expand to more than 50000 values"),
            "{}",
            listed(&found)
        );
    }
}

#[test]
fn a_file_beyond_the_limit_is_not_parsed() {
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let found = load("dr.yaml", "lifeboat: 1", &limits).unwrap_err();
    assert_eq!(
        found.list[0].message,
        "the file has 11 bytes; a runbook may have 10"
    );
    assert!(found.render(false).contains("dr.yaml:1:1"));
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let limits = Limits {
        problems: 3,
        ..Limits::default()
    };
    let found = load("dr.yaml", EVERY_RULE, &limits).unwrap_err();
    assert_eq!(found.list.len(), 3);
    assert_eq!(found.count(), problems(EVERY_RULE).count());
    assert!(found.render(false).contains("problems, the first 3 shown"));
}

#[test]
fn what_the_terminal_would_obey_is_not_repeated() {
    // Escapes in double quotes get past a look at the bytes.
    let text = small("vms: { \"a\\e[31m\": 5, \"b\\u202e\": 5 }\nfailover: []\n");
    let rendered = problems(&text).render(false);
    assert!(!rendered.contains(['\u{1b}', '\u{202e}']), "{rendered}");
    let long = format!("lifeboat: 1\n{}: 1\n", "x".repeat(100_000));
    let rendered = problems(&long).render(false);
    assert!(rendered.len() < 5_000, "{}", rendered.len());
    assert!(rendered.contains("dr.yaml:2:1"), "{rendered}");
}

/// 10,000 steps written out, of 100 VMs.
fn large() -> String {
    let mut text = small("vms:\n");
    for index in 0..100 {
        text.push_str(&vm(&format!("vm{index:03}"), ""));
    }
    text.push_str("failover:\n  - phase: All\n    steps:\n");
    for index in 0..10_000 {
        match index % 4 {
            0 => text.push_str(&format!("      - register: vm{:03}\n", index % 100)),
            1 => text.push_str(&format!("      - network: vm{:03}\n        timeout: 5m\n", index % 100)),
            2 => text.push_str("      - note: \"Step for ${ticket}\"\n"),
            _ => text.push_str("      - command: { host: lee-bk1, argv: [logger, \"${ticket}\"], effect: write }\n"),
        }
    }
    text
}

#[test]
fn ten_thousand_steps_are_read() {
    let text = large();
    let started = Instant::now();
    let runbook = valid(&text);
    println!(
        "{} bytes, 10,000 steps in {:?}",
        text.len(),
        started.elapsed()
    );
    assert_eq!(runbook.failover[0].steps.len(), 10_000);
    let broken = text.replace("timeout: 5m", "timeout: 5x");
    let started = Instant::now();
    let found = problems(&broken);
    let rendered = found.render(false);
    println!(
        "{} problems rendered in {:?}",
        found.count(),
        started.elapsed()
    );
    assert_eq!(found.count(), 2_500);
    assert_eq!(
        rendered.matches("is not a duration").count(),
        Limits::default().problems
    );
    // What is misspelt in many places is one problem.
    let found = problems(&text.replace("register: vm000", "register: wm000"));
    assert_eq!(found.count(), 1);
    let said = found.render(false);
    assert!(
        said.contains("(the same stands in 91 more places)"),
        "{said}"
    );
}

/// Text made of the pieces that YAML and the format are sensitive to.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n"),
        Just("  "),
        Just("- "),
        Just(": "),
        Just(":"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just("&a "),
        Just("*a"),
        Just("<<: "),
        Just("\""),
        Just("'"),
        Just("|"),
        Just(">"),
        Just("#"),
        Just("---\n"),
        Just("..."),
        Just("!t "),
        Just("? "),
        Just("%Y"),
        Just("\t"),
        Just("${vm}"),
        Just("${"),
        Just("lifeboat: 1\n"),
        Just("vms"),
        Just("failover"),
        Just("sites"),
        Just("a"),
        Just("1"),
        Just("ü"),
        Just("🚢"),
        Just("\r\n"),
        Just("~"),
        Just("null"),
        Just("@"),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Every place is within the text and on character boundaries, or showing it would panic.
fn survives(text: &str) {
    if let Err(found) = load("x", text, &Limits::default()) {
        assert!(found.count() > 0);
        assert!(found.render(true).len() >= found.render(false).len());
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn yaml_like_text_is_survived(text in yamlish()) {
        survives(&text);
    }

    /// The bundled runbook with a piece cut out, or something written over it.
    #[test]
    fn a_damaged_runbook_is_survived(
        from in 0..BUNDLED.len(), length in 0usize..80, insert in yamlish(),
    ) {
        let from = BUNDLED.floor_char_boundary(from);
        let to = BUNDLED.floor_char_boundary((from + length).min(BUNDLED.len()));
        survives(&format!("{}{insert}{}", &BUNDLED[..from], &BUNDLED[to..]));
    }
}
