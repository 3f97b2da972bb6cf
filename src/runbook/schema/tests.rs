//! The schema against the reader.

use std::path::Path;

use super::*;
use crate::runbook::{Limits, load};

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&schema()).unwrap()
}

fn as_json(yaml: &str) -> Value {
    let value: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
    serde_json::to_value(value).unwrap()
}

/// A mapping that the reader knows with a key that has no kind here.
fn untyped(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let at = format!("{at}/{key}");
                if *value == Value::Bool(true) && at.contains("/properties/") && key != "const" {
                    found.push(at);
                } else {
                    untyped(&at, value, found);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                untyped(at, item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_reader_has_a_kind() {
    let mut found = Vec::new();
    untyped("", &schema(), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_bundled_runbook_fits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let validator = validator();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&as_json(&text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
        seen += 1;
    }
    assert!(seen > 1);
}

const SMALL: &str = r#"
lifeboat: 1
name: small
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lon-esx1: { site: london, driver: esxi, address: 192.0.2.11 }
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
vms:
  sql01:
    protected: { host: lon-esx1, datastore: local1, vmx: sql01/sql01.vmx }
    recovery: { host: lee-esx1, datastore: local1 }
failover:
  - phase: Recover
    for_each: vms
    steps:
      - fence: "${vm}"
"#;

/// What one file says wrong is found by both; what is right in it is let pass by both.
#[test]
fn it_refuses_what_the_reader_refuses() {
    let validator = validator();
    let agree = |yaml: &str, valid: bool| {
        let reads = load("small.yaml", yaml, &Limits::default());
        assert_eq!(reads.is_ok(), valid, "{yaml}\n{:?}", reads.err());
        assert_eq!(validator.is_valid(&as_json(yaml)), valid, "{yaml}");
    };
    agree(SMALL, true);
    for (right, other) in [
        ("driver: esxi,", "driver: esxi, user: root,"),
        (
            "driver: esxi,",
            "driver: esxi, transfers: 1, steps: 8, bulk_session: false,",
        ),
        (
            "- fence: \"${vm}\"",
            "- fence: { vm: \"${vm}\" }\n        timeout: 1h 30m",
        ),
        (
            "role: recovery",
            "role: recovery, datastores: { local1: { transfers: 1 } }",
        ),
        ("for_each: vms", "for_each: [sql01]"),
        ("name: small", "name: small\nx-anchors: { any: thing }"),
        ("local1 }", "local1, disk: thin }"),
    ] {
        agree(&SMALL.replacen(right, other, 1), true);
    }
    for (right, wrong) in [
        ("lifeboat: 1", "lifeboat: one"),
        ("name: small", "name: Small One"),
        ("name: small", "name: small\nsteps: []"),
        ("driver: esxi,", "driver: esix,"),
        (
            "driver: esxi,",
            "driver: esxi, auth: [{ password: plain }],",
        ),
        ("driver: esxi,", "driver: esxi, host_key: \"MD5:12\","),
        ("driver: esxi,", "driver: esxi, transfers: 0,"),
        ("driver: esxi,", "driver: esxi, transfers: 5,"),
        ("driver: esxi,", "driver: esxi, steps: 9,"),
        ("driver: esxi,", "driver: esxi, bulk_session: maybe,"),
        ("role: recovery", "role: spare"),
        (
            "role: recovery",
            "role: recovery, datastores: { local1: { transfers: 0 } }",
        ),
        (
            "role: recovery",
            "role: recovery, datastores: { local1: {} }",
        ),
        ("local1 }", "local1, disk: fat }"),
        ("for_each: vms", "for_each: all"),
        ("- fence: \"${vm}\"", "- fense: \"${vm}\""),
        (
            "- fence: \"${vm}\"",
            "- fence: \"${vm}\"\n        note: two",
        ),
        (
            "- fence: \"${vm}\"",
            "- fence: \"${vm}\"\n        timeout: 5",
        ),
        (
            "- fence: \"${vm}\"",
            "- fence: \"${vm}\"\n        people: 3",
        ),
        (
            "- fence: \"${vm}\"",
            "- fence: \"${vm}\"\n        ask: { a: { value: b } }",
        ),
        (
            "- fence: \"${vm}\"",
            "- fence: \"${vm}\"\n        challenge: { say: a, response: b }",
        ),
        (
            "- fence: \"${vm}\"",
            "- confirm: c\n        ask: { a: { acknowledge: b, evidence: c } }",
        ),
        (
            "- fence: \"${vm}\"",
            "- confirm: c\n        ask: { a: { compare: b } }",
        ),
        (
            "- fence: \"${vm}\"",
            "- confirm: c\n        ask: { a: { evidence: b, pattern: c } }",
        ),
        ("- fence: \"${vm}\"", "- command: { host: lee-esx1 }"),
        ("- fence: \"${vm}\"", "- why: none"),
    ] {
        agree(&SMALL.replacen(right, wrong, 1), false);
    }
}
