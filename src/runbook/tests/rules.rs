//! What does not fit together.

use super::*;

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
fn one_misspelling_is_one_problem_and_what_follows_from_it_is_none() {
    let found = |was: &str, typed: &str| {
        let text = BUNDLED.replacen(was, typed, 1);
        assert_ne!(text, BUNDLED, "{was}");
        let found = problems(&text);
        assert_eq!(found.list.len(), 1, "{found}");
        (listed(&found), text)
    };
    let (said, _) = found("recovery: { host: lee-esx1", "recovery: { host: lee-esx2");
    assert!(said.contains("unknown host `lee-esx2`\n    did you mean `lee-esx1`?"));
    let (said, _) = found("backup: nightly", "backup: nigthly");
    assert!(said.contains("unknown backup `nigthly`\n    did you mean `nightly`?"));
    // A name that is misspelt where it is given is so at each place that uses it.
    let (said, text) = found("\n  lee-bk1:", "\n  lee-bk2:");
    let uses = text.matches("lee-bk1").count();
    assert!(said.contains("unknown host `lee-bk1`\n    did you mean `lee-bk2`?"));
    assert_eq!(said.matches("and here").count(), uses - 1, "{said}");
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
