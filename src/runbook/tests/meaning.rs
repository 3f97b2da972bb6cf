//! What a valid file means.

use super::*;

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
    // A mistake that came through a merge is reported at its own line, once for all who use it.
    let found = problems(&text.replace("backup: nightly", "backup: nightli"));
    let places: Vec<usize> = found.list.iter().map(|problem| problem.line).collect();
    assert_eq!(places, [10], "{found}");
    assert!(found.list[0].labels.is_empty(), "{found}");
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
fn colour_is_a_choice() {
    let found = problems("lifeboat: 2\n");
    assert!(!found.render(false).contains('\u{1b}'));
    assert!(found.render(true).contains('\u{1b}'));
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

fn problems_or_disk(text: &str) -> Result<Option<DiskFormat>, String> {
    let loaded = load("dr.yaml", text, &Limits::default());
    let vm = |runbook: Runbook| runbook.vms[&VmName::from("a")].recovery.clone();
    loaded
        .map(|loaded| vm(loaded.runbook).and_then(|place| place.disk))
        .map_err(|problems| listed(&problems))
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
