//! The table of promises in `.github/SECURITY.md` names tests that exist.

use std::path::Path;

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

/// Names in backticks that look like a test: three words or more in lower case.
fn names(text: &str) -> Vec<&str> {
    let is_test = |word: &&str| {
        word.matches('_').count() >= 1
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}

/// Whether a function of that name stands under a test attribute.
fn is_test(sources: &str, name: &str) -> bool {
    let begins = format!("fn {name}(");
    sources.match_indices(&begins).any(|(at, _)| {
        let before = &sources[..at];
        let attribute = before.rfind("#[").unwrap_or(0);
        let between = &before[attribute..];
        (between.starts_with("#[test]") || between.starts_with("#[tokio::test"))
            && !between.contains("fn ")
    })
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(".github/SECURITY.md")).expect("the threat model");
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    for promise in 1..=10 {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {promise}. ")));
        let evidence = row
            .and_then(|row| row.split('|').nth(3))
            .unwrap_or_default();
        assert!(
            !names(evidence).is_empty(),
            "promise {promise} has no evidence"
        );
    }
    let missing: Vec<&str> = names(&text)
        .into_iter()
        .filter(|name| *name != "power_on" && !is_test(&code, name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    assert!(!is_test(&code, "no_such_test_is_here"));
}
