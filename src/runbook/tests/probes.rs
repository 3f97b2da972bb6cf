//! The verbs that look, wait and ask others, as they are read.

use std::time::Duration;

use super::*;
use crate::runbook::model::{Expect, HandOff, Look, Probe, VmSign, WaitSpec, Young};

/// The verbs of these steps, in a phase for sql01.
fn verbs(steps: &str) -> Vec<Verb> {
    let contacts = "contacts: [{ name: Storage on call, phone: \"+44 1\" }]";
    let text = small(&format!(
        "{contacts}\nvms:\n{}failover:\n  - phase: Look\n    for_each: vms\n    steps:\n{steps}",
        vm("sql01", ", rpo: 1h")
    ));
    let runbook = valid(&text);
    let steps = &runbook.failover[0].steps;
    steps.iter().map(|step| step.verb.clone()).collect()
}

fn probe(text: &str) -> Probe {
    match verbs(&format!("      - check: {text}\n")).remove(0) {
        Verb::Check(mut probes) => probes.remove(0),
        other => panic!("{other:?}"),
    }
}

fn look(words: &[&str]) -> Look {
    Look {
        host: "lee-bk1".into(),
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

#[test]
fn every_kind_of_probe_is_read() {
    let vm = |sign, site: Option<&str>| Probe::Vm {
        vm: "${vm}".into(),
        site: site.map(Into::into),
        sign,
    };
    assert_eq!(
        probe("{ vm: \"${vm}\", tools: true }"),
        vm(VmSign::Tools, None)
    );
    assert_eq!(
        probe("{ vm: \"${vm}\", power: on }"),
        vm(VmSign::On, None),
        "`on` is a word here, not true"
    );
    assert_eq!(
        probe("{ vm: \"${vm}\", site: london, power: off }"),
        vm(VmSign::Off, Some("london"))
    );
    let tcp = |host: &str, port, from: Option<&str>| Probe::Tcp {
        host: host.into(),
        port,
        from: from.map(Into::into),
    };
    assert_eq!(probe("{ tcp: lee-bk1 }"), tcp("lee-bk1", None, None));
    assert_eq!(
        probe("{ tcp: \"dns.example.net:53\", from: lee-bk1 }"),
        tcp("dns.example.net", Some(53), Some("lee-bk1"))
    );
    let http = Probe::Http {
        url: "http://10.20.0.12/health".into(),
        status: 200,
        from: None,
    };
    assert_eq!(probe("{ http: \"http://10.20.0.12/health\" }"), http);
    let point = Probe::Point {
        vm: "${vm}".into(),
        backup: None,
        young: Young::Within(None),
    };
    assert_eq!(probe("{ point: { vm: \"${vm}\" } }"), point);
    let since = Probe::Point {
        vm: "${vm}".into(),
        backup: Some("nightly".into()),
        young: Young::SinceMove,
    };
    let given = "{ point: { vm: \"${vm}\", in: nightly, since: move } }";
    assert_eq!(probe(given), since);
    let words = ["cat", "/etc/release"];
    let both = "{ compare: [{ host: lee-bk1, argv: [cat, /etc/release] }, { host: lee-bk1, argv: [date] }] }";
    assert_eq!(
        probe(both),
        Probe::Compare(Box::new([look(&words), look(&["date"])]))
    );
    let attested = Probe::Attested {
        what: "the documents are right".into(),
        dated: "2026-01-31".into(),
        by: Some("Anna".into()),
        every: Duration::from_secs(90 * 86_400),
    };
    let given = "{ attested: the documents are right, dated: 2026-01-31, by: Anna, every: 90d }";
    assert_eq!(probe(given), attested);
}

#[test]
fn what_a_command_prints_may_be_a_text_a_pattern_or_a_number() {
    for (expected, expect) in [
        ("", Expect::Success),
        (", equals: \"15.2\"", Expect::Equals("15.2".into())),
        (", matches: \"^ok\"", Expect::Matches("^ok".into())),
        (
            ", at_most: 5",
            Expect::Within {
                at_least: None,
                at_most: Some(5.0),
            },
        ),
    ] {
        let of = format!("{{ host: lee-bk1, argv: [lag]{expected} }}");
        let command = Probe::Command {
            look: look(&["lag"]),
            expect,
        };
        assert_eq!(probe(&of), command);
    }
}

#[test]
fn pauses_and_requests_have_a_pace_of_their_own() {
    let steps = "      - wait: 10m
      - wait: { until: \"2026-01-02T03:04:05Z\" }
      - wait: { for: { vm: \"${vm}\", ready: true }, every: 30s }
      - hand_off: { to: Storage on call, ask: \"Promote the replica of ${vm}\", verify: { tcp: \"lee-bk1:22\" } }
      - hand_off: { to: Storage on call, ask: Look at it }
      - power_off: \"${vm}\"
      - power_off: { vm: \"${vm}\", site: leeds }
";
    let verbs = verbs(steps);
    let seconds = Duration::from_secs;
    assert_eq!(verbs[0], Verb::Wait(WaitSpec::Span(seconds(600))));
    let time = "2026-01-02T03:04:05Z".to_owned();
    assert_eq!(verbs[1], Verb::Wait(WaitSpec::Until(time)));
    assert!(matches!(
        &verbs[2],
        Verb::Wait(WaitSpec::For { every, .. }) if *every == seconds(30)
    ));
    let of = |verify, ask: &str| HandOff {
        to: "Storage on call".into(),
        ask: ask.into(),
        verify,
        every: seconds(10),
    };
    let tcp = Probe::Tcp {
        host: "lee-bk1".into(),
        port: Some(22),
        from: None,
    };
    let promote = of(Some(tcp), "Promote the replica of ${vm}");
    assert_eq!(verbs[3], Verb::HandOff(promote));
    assert_eq!(verbs[4], Verb::HandOff(of(None, "Look at it")));
    let off = |site: Option<&str>| Verb::PowerOff {
        vm: "${vm}".into(),
        site: site.map(Into::into),
    };
    assert_eq!(verbs[5..], [off(None), off(Some("leeds"))]);
}
