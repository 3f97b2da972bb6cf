//! Whole files: valid ones, one with every rule broken, and hostile ones.

mod backups;
mod hops;
mod hostile;
mod meaning;
mod probes;
mod prompts;
mod rules;

use super::model::{
    Adapter, Auth, CommandLine, DeclaredEffect, DiskFormat, ForEach, HostAddress, MacPolicy,
    PointChoice, Rung, SiteRole, Verb,
};
use super::*;
use crate::names::{NetworkName, VariableName, VmName};

const EVERY_RULE: &str = include_str!("tests/every-rule.yaml");
const EVERY_RULE_EXPECTED: &str = include_str!("tests/every-rule.txt");
const BUNDLED: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

/// A small valid runbook; `VMS`, `FAILOVER` and `FAILBACK` are replaced by what a test is about.
const SMALL: &str = r#"lifeboat: 1
name: small
sites: { london: { role: protected }, leeds: { role: recovery } }
hosts:
  lon-esx1: { site: london, driver: esxi, address: 192.0.2.11 }
  lee-esx1: { site: leeds, driver: esxi, address: 198.51.100.11 }
  lee-bk1: { site: leeds, driver: posix, address: "[2001:db8::20]:2222" }
backups: { nightly: { host: lee-bk1, path: /backup } }
variables: { ticket: { prompt: Ticket }, pin: { prompt: Pin, secret: true } }
"#;

fn small(rest: &str) -> String {
    format!("{SMALL}{rest}")
}

/// A VM with both places and a backup.
fn vm(name: &str, more: &str) -> String {
    format!(
        "  {name}: {{ protected: {{ host: lon-esx1, datastore: d, vmx: {name}/{name}.vmx }}, \
         recovery: {{ host: lee-esx1, datastore: d }}, backup: nightly{more} }}\n"
    )
}

fn valid(text: &str) -> Runbook {
    load("dr.yaml", text, &Limits::default()).unwrap().runbook
}

fn problems(text: &str) -> Diagnostics {
    load("dr.yaml", text, &Limits::default()).unwrap_err()
}

/// `line:column message` of each problem, with hint and labels beneath.
fn listed(problems: &Diagnostics) -> String {
    let mut listed = String::new();
    for problem in &problems.list {
        listed.push_str(&format!(
            "{}:{} {}\n",
            problem.line, problem.column, problem.message
        ));
        if let Some(hint) = &problem.hint {
            listed.push_str(&format!("    {hint}\n"));
        }
        for label in &problem.labels {
            listed.push_str(&format!(
                "    {}:{} {}\n",
                label.line, label.column, label.text
            ));
        }
    }
    listed
}

#[test]
fn every_broken_rule_is_reported_where_it_stands() {
    let found = problems(EVERY_RULE);
    // To accept a reviewed change: write `listed` to the file that it is compared with.
    assert_eq!(listed(&found), EVERY_RULE_EXPECTED);
    assert_eq!(found.left_off, 0);
}

#[test]
fn a_problem_is_shown_with_its_line_and_a_caret() {
    let text = BUNDLED.replace("needs: [sql01]", "needs: [sql1]");
    let rendered = problems(&text).render(false);
    let expected = "\
error: unknown VM `sql1`
  --> dr.yaml:96:13
   |
96 |     needs: [sql1]              # powered on only once sql01 is ready
   |             ^^^^
   |
   = help: did you mean `sql01`?

dr.yaml: 1 problem
";
    assert_eq!(rendered, expected);
}

#[test]
fn every_runbook_of_the_project_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks");
    for entry in std::fs::read_dir(folder).unwrap() {
        valid(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
}
