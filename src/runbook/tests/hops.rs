//! The way to a host.

use super::*;

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
