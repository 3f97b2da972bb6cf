//! Whole files: valid ones, one with every rule broken, and hostile ones.

mod probes;
mod prompts;

use std::time::Instant;

use proptest::prelude::*;

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

/// `SMALL` with one more backup, and a VM with it; `more` are further steps.
fn with_backup(backup: &str, more: &str) -> String {
    format!(
        "{}vms:\n{}failover:\n  - phase: All\n    steps:\n      - note: hello\n{more}",
        SMALL.replace(
            "backups: { nightly: { host: lee-bk1, path: /backup } }",
            &format!("backups:\n  nightly: {{ host: lee-bk1, path: /backup }}\n  vault: {backup}"),
        ),
        vm("sql01", "").replace("backup: nightly", "backup: vault"),
    )
}

#[test]
fn a_backup_may_be_what_a_tool_prints() {
    let restic = "{ host: lee-bk1, restic: { repository: /srv/repo, path: \"/vms/${vm}\", password: \"${pin}\" } }";
    let runbook = valid(&with_backup(restic, ""));
    let tool = runbook.backups["vault"].tool().unwrap();
    assert_eq!(
        tool.environment,
        [("RESTIC_PASSWORD".to_owned(), VariableName::from("pin"))]
    );
    assert_eq!(tool.points[..2], ["restic", "--no-lock"]);
    let borg = "{ borg: { repository: /srv/attic, path: vms, archives: \"${vm}-*\" } }";
    assert!(
        valid(&with_backup(borg, "")).backups["vault"]
            .host
            .is_none()
    );
    let command = "{ host: lee-bk1, command: { points: [ls, \"/p/${vm}\"], files: [cat, \"/p/${vm}/${point}/FILES\"], \
        file: [zcat, \"/p/${vm}/${point}/${file}.gz\"], environment: { KEY_1: \"${pin}\" } } }";
    assert_eq!(
        valid(&with_backup(command, "")).backups["vault"]
            .tool()
            .unwrap()
            .file,
        ["zcat", "/p/${vm}/${point}/${file}.gz"]
    );
}

#[test]
fn a_backup_that_could_not_work_says_why() {
    for (backup, expected) in [
        ("{ host: lee-bk1 }", "a backup of no form"),
        (
            "{ path: /x, borg: { repository: r, path: \"${vm}\" } }",
            "a backup has one form",
        ),
        (
            "{ host: lee-esx1, borg: { repository: r, path: \"${vm}\" } }",
            "no backup tool runs there",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\" } }",
            "restic needs one of `password` and `password_file`",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\", password: \"${ticket}\" } }",
            "the variable `ticket` is not a secret",
        ),
        (
            "{ restic: { repository: r, path: \"/${vm}\", password: hunter2 } }",
            "a password does not stand in a runbook",
        ),
        (
            "{ restic: { repository: r, path: /vms, password_file: /k } }",
            "every VM would get the same files",
        ),
        (
            "{ borg: { repository: r, path: \"/vms/${vm}\" } }",
            "without a leading `/`",
        ),
        (
            "{ borg: { repository: r, path: \"${vm}/${file}\" } }",
            "`${file}` has no meaning here",
        ),
        (
            "{ command: { points: ls, files: [cat, \"${vm}${point}\"], file: [zcat, \"${point}${file}\"] } }",
            "a command is a list of words",
        ),
        (
            "{ command: { points: [ls, \"${vm}\"], files: [cat, x], file: [zcat, \"${point}\"] } }",
            "`files` prints the same whatever `${point}` is",
        ),
    ] {
        let found = listed(&problems(&with_backup(backup, "")));
        assert!(found.contains(expected), "{backup}: {found}");
    }
}

#[test]
fn files_are_restored_into_a_machine_that_is_there() {
    let backup =
        "{ host: lee-bk1, restic: { repository: r, path: \"/${vm}\", password_file: /k } }";
    let step = |fields: &str| {
        with_backup(
            backup,
            &format!("      - restore_files: {{ vm: sql01, {fields} }}\n"),
        )
    };
    let runbook = valid(&step(
        "host: lee-bk1, quiesced: dumped, from: 20260102T030405Z, argv: [restic, restore, \"${point}\"]",
    ));
    let Verb::RestoreFiles(files) = &runbook.failover[0].steps[1].verb else {
        panic!()
    };
    assert_eq!(files.from, PointChoice::Stamp("20260102T030405Z".into()));
    assert_eq!(files.command.effect, DeclaredEffect::Write);
    for (fields, expected) in [
        (
            "host: lee-bk1, argv: [restic, \"${point}\"]",
            "needs the key `quiesced`",
        ),
        (
            "host: lee-esx1, quiesced: x, argv: [restic, \"${point}\"]",
            "lee-esx1 is an ESXi host",
        ),
        (
            "host: lee-bk1, quiesced: x, argv: [restic, latest]",
            "whatever point is chosen",
        ),
        (
            "host: lee-bk1, quiesced: \"${point}\", argv: [restic, \"${point}\"]",
            "unknown variable `point`",
        ),
    ] {
        let found = listed(&problems(&step(fields)));
        assert!(found.contains(expected), "{fields}: {found}");
    }
}

#[test]
fn every_runbook_of_the_project_is_valid() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks");
    for entry in std::fs::read_dir(folder).unwrap() {
        valid(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
}

#[test]
fn a_limit_is_on_a_datastore_of_a_vm() {
    let rest = format!(
        "vms:\n{}failover: [{{ phase: P, steps: [{{ note: Done }}] }}]\n",
        vm("sql01", "")
    );
    let limited = |label: &str| {
        let with = format!("role: recovery, datastores: {{ {label}: {{ transfers: 1 }} }}");
        let text = small(&rest).replacen("role: recovery", &with, 1);
        load("dr.yaml", &text, &Limits::default())
    };
    let loaded = limited("d").unwrap().runbook;
    let most = &loaded.sites[&loaded.site_with(SiteRole::Recovery)].transfers_onto;
    assert_eq!(most.get("d"), Some(&1));
    let said = listed(&limited("dd").unwrap_err());
    assert!(said.contains("no VM has its place in"), "{said}");
}

#[test]
fn a_guest_is_a_posix_host_of_a_machine_at_its_site() {
    let guest = |host: &str, of: &str| {
        let rest = format!(
            "vms:\n{}  crm01: {{ physical: {{ address: 192.0.2.50 }}, recovery: {{ host: lee-esx1, datastore: d }} }}\n\
             failover: [{{ phase: P, steps: [{{ note: Done }}] }}]\n",
            vm("sql01", "")
        );
        let text = small(&rest).replace(
            &format!("  {host}: {{ "),
            &format!("  {host}: {{ guest: {of}, "),
        );
        load("dr.yaml", &text, &Limits::default())
    };
    let loaded = guest("lee-bk1", "crm01").unwrap().runbook;
    assert_eq!(loaded.hosts["lee-bk1"].guest, Some(VmName::from("crm01")));
    assert_eq!(loaded.hosts["lon-esx1"].guest, None);
    let said = |host, vm| listed(&guest(host, vm).unwrap_err());
    assert!(said("lee-esx1", "sql01").contains("an ESXi host is nobody's guest"));
    assert!(said("lee-bk1", "sql1").contains("did you mean `sql01`?"));
    let text = small(
        "vms: { far01: { protected: { host: lon-esx1, datastore: d, vmx: f/f.vmx } } }\nfailover: [{ phase: P, steps: [{ note: Done }] }]\n",
    );
    let nowhere = text.replace("  lee-bk1: { ", "  lee-bk1: { guest: far01, ");
    assert!(listed(&problems(&nowhere)).contains("far01 has no place in leeds"));
}

#[test]
fn colour_is_a_choice() {
    let found = problems("lifeboat: 2\n");
    assert!(!found.render(false).contains('\u{1b}'));
    assert!(found.render(true).contains('\u{1b}'));
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
fn sites_that_a_merge_brings_count() {
    let text = BUNDLED.replace(
        "  leeds: { role: recovery, title: Leeds }",
        "  <<: { leeds: { role: protected } }",
    );
    assert!(
        listed(&problems(&text)).contains("no site is the recovery one"),
        "{}",
        problems(&text)
    );
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
fn an_adapter_without_an_address_is_blind_unless_the_ladder_speaks_for_it() {
    const ADAPTER: &str = "ethernet0: { network: production, mac: keep, address: 10.20.0.11/24 }";
    const LADDER: &str = "[tools, { tcp: 1433 }]";
    let blind = |adapters: &str, ladder: &str| -> Vec<String> {
        assert!(BUNDLED.contains(ADAPTER) && BUNDLED.contains(LADDER));
        let runbook = valid(&BUNDLED.replace(ADAPTER, adapters).replace(LADDER, ladder));
        let blind = runbook.vms["sql01"].blind_adapters();
        blind.map(str::to_owned).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(blind(ADAPTER, LADDER), none);
    assert_eq!(blind("ethernet0: production", LADDER), ["ethernet0"]);
    for ladder in [
        "[{ tcp: \"10.20.0.11:1433\" }]",
        "[tools, { http: \"http://10.20.0.11/\", status: 200 }]",
    ] {
        assert_eq!(blind("ethernet0: production", ladder), none);
        let two = format!("{ADAPTER}\n      ethernet1: production");
        assert_eq!(blind(&two, ladder), ["ethernet1"]);
    }
    let accepted = "ethernet0: { network: production, duplicate_probe: none }";
    assert_eq!(blind(accepted, LADDER), none);
}

#[test]
fn what_the_file_says_reaches_the_model() {
    let runbook = valid(BUNDLED);
    assert_eq!(runbook.protected_site().as_str(), "london");
    assert_eq!(runbook.recovery_site().as_str(), "leeds");
    let host = &runbook.hosts["lon-esx1"];
    assert_eq!(
        host.address,
        HostAddress {
            host: "192.0.2.11".to_owned(),
            port: 22
        }
    );
    assert_eq!(
        host.auth,
        [
            Auth::Agent,
            Auth::Key("~/.ssh/id_rsa".into()),
            Auth::Password(VariableName::from("esxi_password")),
        ]
    );
    let network = &runbook.networks["production"];
    assert_eq!(network.at["london"].create, None);
    assert_eq!(
        network.at["leeds"].create.as_ref().map(|spec| spec.vlan),
        Some(20)
    );
    let sql = &runbook.vms["sql01"];
    let place = sql.place(SiteRole::Protected).unwrap();
    assert_eq!(
        (place.folder.as_str(), place.vmx.as_deref()),
        ("sql01", Some("sql01.vmx"))
    );
    assert_eq!(
        sql.adapters["ethernet0"],
        Adapter {
            network: NetworkName::from("production"),
            mac: MacPolicy::Keep,
            address: Some("10.20.0.11".parse().unwrap()),
            prefix: Some(24),
            duplicate_probe: true,
        }
    );
    assert_eq!(
        sql.ready,
        [
            Rung::Tools,
            Rung::Tcp {
                host: None,
                port: 1433
            }
        ]
    );
    assert_eq!(
        runbook.rpo(&VmName::from("sql01")).map(|rpo| rpo.as_secs()),
        Some(12 * 3_600)
    );
    assert_eq!(
        runbook.rpo(&VmName::from("web01")).map(|rpo| rpo.as_secs()),
        Some(24 * 3_600)
    );
    assert_eq!(runbook.failover[1].for_each, ForEach::Vms);
    let step = &runbook.failover[1].steps[2];
    assert_eq!(
        step.verb,
        Verb::Restore {
            vm: "${vm}".to_owned(),
            point: PointChoice::Latest,
            logs: false,
        }
    );
    assert_eq!(
        BUNDLED
            .lines()
            .nth(step.line - 1)
            .map(str::trim_start)
            .unwrap_or(""),
        "- restore: { vm: \"${vm}\", point: latest }"
    );
}

#[test]
fn short_and_long_forms_mean_the_same() {
    let text = small(&format!(
        "vms:\n{}failover:\n  - phase: All\n    for_each: [a]\n    steps:\n\
         \x20     - restore: \"${{vm}}\"\n      - restore: {{ vm: \"${{vm}}\" }}\n\
         \x20     - restore: {{ vm: \"${{vm}}\", point: 20260102T030405Z }}\n\
         \x20     - restore: {{ vm: \"${{vm}}\", point: {{ before: \"2026-01-02T03:04:05+01:00\" }} }}\n\
         \x20     - command: {{ host: lee-bk1, sh: \"echo \\\"$ticket\\\" $${{x}}\" }}\n\
         \x20     - command: {{ host: lee-bk1, argv: [\"\", \"$${{x}}\"] }}\n",
        vm("a", "")
    ));
    // A script may hold no `${` at all, not even an escaped one.
    let found = problems(&text);
    assert_eq!(found.count(), 1, "{found}");
    let runbook = valid(
        &text
            .replace(" $${x}\\\" }}", "")
            .replace("\\\"$ticket\\\" $${x}", "$ticket"),
    );
    let steps = &runbook.failover[0].steps;
    assert_eq!(steps[0].verb, steps[1].verb);
    let logs = |text: &str| match &valid(text).failover[0].steps[1].verb {
        Verb::Restore { logs, .. } => *logs,
        other => panic!("{other:?}"),
    };
    let plain = text
        .replace(" $${x}\\\" }}", "")
        .replace("\\\"$ticket\\\" $${x}", "$ticket");
    let with_logs = plain.replace("{ vm: \"${vm}\" }", "{ vm: \"${vm}\", logs: true }");
    assert!(!logs(&plain) && logs(&with_logs));
    let point = |index: usize| match &steps[index].verb {
        Verb::Restore { point, .. } => point.clone(),
        _ => PointChoice::Latest,
    };
    assert_eq!(point(2), PointChoice::Stamp("20260102T030405Z".to_owned()));
    assert_eq!(
        point(3),
        PointChoice::Before("2026-01-02T03:04:05+01:00".to_owned())
    );
    let Verb::Command(command) = &steps[5].verb else {
        panic!()
    };
    assert_eq!(command.effect, DeclaredEffect::Disruptive);
    assert_eq!(
        command.line,
        CommandLine::Argv(vec![String::new(), "$${x}".to_owned()])
    );
}

#[test]
fn anchors_and_merges_keep_the_order_of_the_file() {
    let text = small(
        "x-defaults: &base { backup: nightly, recovery: &place { host: lee-esx1, datastore: d } }\n\
         x-late: &late { <<: *base, priority: 5 }\n\
         vms:\n  c: { <<: *late, priority: 4 }\n  a: { <<: [*late, *base] }\n  b: { recovery: *place }\n\
         failover:\n  - phase: All\n    for_each: vms\n    steps: [{ register: \"${vm}\" }]\n",
    );
    let runbook = valid(&text);
    let priorities: Vec<(&str, u8)> = runbook
        .vms
        .iter()
        .map(|(name, vm)| (name.as_str(), vm.priority))
        .collect();
    assert_eq!(priorities, [("c", 4), ("a", 5), ("b", 3)]);
    assert_eq!(runbook.vms["c"].backup, runbook.vms["a"].backup);
    // A mistake that came through a merge is reported at its own line, once for each who uses it.
    let found = problems(&text.replace("backup: nightly", "backup: nightli"));
    let places: Vec<usize> = found.list.iter().map(|problem| problem.line).collect();
    assert_eq!(places, [10, 10], "{found}");
}

#[test]
fn positions_count_characters_and_survive_crlf_and_a_byte_order_mark() {
    let text = BUNDLED.replace("why: The auditors look", "wyh: Ünïcödé 🚢");
    let expected: Vec<(usize, usize)> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("wyh"))
        .map(|(index, line)| (index + 1, line.find("wyh").unwrap() + 1))
        .collect();
    assert_eq!(expected.len(), 2);
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
    ] {
        let found = problems(&text);
        let at: Vec<(usize, usize)> = found.list.iter().map(|p| (p.line, p.column)).collect();
        assert_eq!(at, expected, "{found}");
    }
    let found = problems("lifeboat: 1\n\"naïve 🚢\": x\n日本: { a: 1, a: 2 }\n");
    assert!(
        listed(&found).contains("3:13 the key `a` is given twice"),
        "{found}"
    );
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

#[test]
fn a_vm_is_not_powered_on_before_what_it_needs() {
    let vms = format!("vms:\n{}{}", vm("a", ""), vm("b", ", needs: [a]"));
    let one_phase = small(&format!(
        "{vms}failover:\n  - phase: All\n    steps:\n      - power_on: b\n      - power_on: a\n"
    ));
    let found = problems(&one_phase);
    assert_eq!(
        listed(&found),
        "16:19 b is powered on before a, which it needs\n    change the order of these steps\n    17:19 a is powered on here\n"
    );
    let two_phases = small(&format!(
        "{vms}failover:\n  - phase: One\n    for_each: [b]\n    steps: [{{ power_on: \"${{vm}}\" }}]\n  \
         - phase: Two\n    for_each: [a]\n    steps: [{{ power_on: \"${{vm}}\" }}]\n"
    ));
    assert!(listed(&problems(&two_phases)).starts_with("16:25 b is powered on before a"));
    // Side by side, the plan orders them.
    valid(&small(&format!(
        "{vms}failover:\n  - phase: All\n    for_each: [b, a]\n    steps: [{{ power_on: \"${{vm}}\" }}]\n"
    )));
}

#[test]
fn a_physical_server_is_fenced_by_word_but_not_copied_back_to() {
    let vms = "vms: { crm: { physical: { address: 192.0.2.50 }, backup: nightly, \
               recovery: { host: lee-esx1, datastore: d } } }\n";
    let steps = |section: &str, steps: &str| {
        format!("{section}:\n  - phase: All\n    for_each: vms\n    steps: [{steps}]\n")
    };
    let out = steps(
        "failover",
        "{ fence: \"${vm}\" }, { restore: \"${vm}\" }, { power_on: \"${vm}\" }",
    );
    valid(&small(&format!("{vms}{out}")));
    let home = steps("failback", "{ copy_back: \"${vm}\" }");
    let found = problems(&small(&format!("{vms}{out}{home}")));
    assert!(
        listed(&found).contains("`copy_back` cannot serve crm: it is a physical server"),
        "{found}"
    );
}

#[test]
fn an_empty_or_absurd_section_is_refused() {
    let found = problems(&small(
        "vms: {}\nfailover:\n  - phase: A\n    for_each: vms\n    steps: [{ fence: \"${vm}\" }]\n",
    ));
    assert_eq!(
        listed(&found),
        "13:15 there is no VM to recover\n    the steps of this phase would never run\n"
    );
    let limits = Limits {
        steps: 19,
        ..Limits::default()
    };
    let found = load("dr.yaml", BUNDLED, &limits).unwrap_err();
    assert!(
        found.list[0]
            .message
            .contains("`failover` makes more than 19 steps"),
        "{found}"
    );
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
    let broken = text.replace("register: vm0", "register: wm0");
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
        rendered.matches("unknown VM").count(),
        Limits::default().problems
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

#[test]
fn a_place_says_how_disks_are_laid_out() {
    let text = |disk: &str| {
        let place = format!("recovery: {{ host: lee-esx1, datastore: d, disk: {disk} }}");
        let vm = vm("a", "").replace("recovery: { host: lee-esx1, datastore: d }", &place);
        let steps =
            "failover:\n  - phase: All\n    for_each: vms\n    steps: [{ register: \"${vm}\" }]\n";
        small(&format!("vms:\n{vm}{steps}"))
    };
    let found = problems_or_disk(&text("eagerzeroedthick"));
    assert_eq!(found, Ok(Some(DiskFormat::EagerZeroedThick)));
    let refused = problems_or_disk(&text("zerothick")).unwrap_err();
    assert!(refused.contains("did you mean `zeroedthick`?"), "{refused}");
    assert!(problems_or_disk(&text("thick")).is_err());
}

fn problems_or_disk(text: &str) -> Result<Option<DiskFormat>, String> {
    let loaded = load("dr.yaml", text, &Limits::default());
    let vm = |runbook: Runbook| runbook.vms[&VmName::from("a")].recovery.clone();
    loaded
        .map(|loaded| vm(loaded.runbook).and_then(|place| place.disk))
        .map_err(|problems| listed(&problems))
}

/// The problems of the small runbook with `jump` keys for its hosts.
fn with_jumps(jumps: [&str; 3]) -> (Option<model::Runbook>, String) {
    let mut text = small(&format!(
        "vms:\n{}failover: [{{ phase: P, steps: [{{ note: n }}] }}]\n",
        vm("sql01", "")
    ));
    for (address, jump) in ["192.0.2.11", "198.51.100.11", "\"[2001:db8::20]:2222\""]
        .iter()
        .zip(jumps)
    {
        if !jump.is_empty() {
            let whole = format!("address: {address} }}");
            assert!(text.contains(&whole), "{whole}");
            text = text.replace(&whole, &format!("address: {address}, jump: {jump} }}"));
        }
    }
    match load("x.yaml", &text, &Limits::default()) {
        Ok(loaded) => (Some(loaded.runbook), String::new()),
        Err(problems) => (None, problems.render(false)),
    }
}

#[test]
fn a_hop_is_a_host_of_the_runbook_or_any_machine() {
    let jump = "[lee-bk1, ops@gate.example.net:2222, \"[2001:db8::1]\", bastion]";
    let (runbook, problems) = with_jumps(["", jump, "[]"]);
    let runbook = runbook.unwrap_or_else(|| panic!("{problems}"));
    let machine = |written: &str, user: Option<&str>, host: &str, port| model::Hop::Machine {
        written: written.into(),
        user: user.map(str::to_owned),
        host: host.into(),
        port,
    };
    assert_eq!(
        runbook.hosts["lee-esx1"].jump.as_deref(),
        Some(
            &[
                model::Hop::Host("lee-bk1".into()),
                machine(
                    "ops@gate.example.net:2222",
                    Some("ops"),
                    "gate.example.net",
                    Some(2222)
                ),
                machine("[2001:db8::1]", None, "2001:db8::1", None),
                machine("bastion", None, "bastion", None),
            ][..]
        )
    );
    assert_eq!(runbook.hosts["lee-bk1"].jump, Some(vec![]));
    assert_eq!(runbook.hosts["lon-esx1"].jump, None);
    assert!(runbook.hosts["lee-bk1"].port_given && !runbook.hosts["lon-esx1"].port_given);
    assert!(!runbook.hosts["lee-bk1"].user_given);
}

#[test]
fn a_way_that_leads_in_a_circle_is_refused_at_each_host_on_it() {
    for (jumps, named) in [
        (["", "[lee-esx1]", ""], &["lee-esx1"][..]),
        (["", "[lee-bk1]", "[lee-esx1]"], &["lee-esx1", "lee-bk1"]),
        (
            ["[lee-bk1]", "[lee-bk1, gate.example.net]", "[lon-esx1]"],
            &["lon-esx1", "lee-bk1"],
        ),
        (["", "[gate.example.net, lee-esx1]", ""], &["lee-esx1"]),
        // What the second hop says about its own way does not count.
        (["", "[gate.example.net, lee-bk1]", "[lee-esx1]"], &[]),
        (["[lee-esx1]", "[lee-bk1]", ""], &[]),
    ] {
        let (_, problems) = with_jumps(jumps);
        let wanted = |name: &str| format!("the way to {name} leads over {name} itself");
        for name in ["lon-esx1", "lee-esx1", "lee-bk1"] {
            let refused = problems.contains(&wanted(name));
            assert_eq!(
                refused,
                named.contains(&name),
                "{jumps:?} {name}: {problems}"
            );
        }
    }
    for (jump, words) in [
        ("[\"@gate\"]", "not a user's name before the @"),
        ("[\"gate:0\"]", "the port is not a number"),
        ("gate", "expected a list of hops"),
    ] {
        let (_, problems) = with_jumps(["", jump, ""]);
        assert!(problems.contains(words), "{jump}: {problems}");
    }
}

#[test]
fn those_who_wait_are_told_every_quarter_of_an_hour_unless_the_file_says_otherwise() {
    let every = |updates: &str| {
        let text = BUNDLED.replacen("lifeboat: 1", &format!("lifeboat: 1{updates}"), 1);
        let read = super::load("dr.yaml", &text, &Limits::default());
        read.map(|read| read.runbook.updates.every.map(|every| every.as_secs()))
    };
    assert_eq!(every("").unwrap(), Some(900));
    assert_eq!(every("\nupdates: { every: 30m }").unwrap(), Some(1_800));
    assert_eq!(every("\nupdates: { every: never }").unwrap(), None);
    for wrong in ["30s", "2d", "often"] {
        assert!(every(&format!("\nupdates: {{ every: {wrong} }}")).is_err());
    }
}

#[test]
fn there_is_a_time_to_commit_or_roll_back_if_the_runbook_gives_one() {
    let within = |commit: &str| {
        let bare = BUNDLED.replace("\ncommit:", "\nx-commit:");
        let text = bare.replacen("lifeboat: 1", &format!("lifeboat: 1{commit}"), 1);
        let read = load("r.yaml", &text, &Limits::default());
        read.map(|read| read.runbook.commit.within.map(|within| within.as_secs()))
    };
    assert_eq!(within("").unwrap(), None);
    assert_eq!(within("\ncommit: { within: 24h }").unwrap(), Some(86_400));
    for wrong in [
        "{ within: 10s }",
        "{ within: 91d }",
        "{ within: soon }",
        "{}",
        "24h",
    ] {
        assert!(within(&format!("\ncommit: {wrong}")).is_err(), "{wrong}");
    }
}
