use super::*;

fn each() -> Vec<HostError> {
    let text = || "x".to_owned();
    let key = || (text(), text(), vec![text()]);
    let (fingerprint, key_type, known) = key();
    let unknown = HostError::HostKeyUnknown {
        fingerprint,
        key_type,
        known,
    };
    let (fingerprint, key_type, known) = key();
    let changed = HostError::HostKeyChanged {
        fingerprint,
        key_type,
        known,
    };
    vec![
        HostError::Refused { address: text() },
        HostError::Unreachable {
            address: text(),
            reason: text(),
        },
        HostError::TimedOut {
            what: text(),
            after: Duration::from_millis(1500),
        },
        unknown,
        changed,
        HostError::LoginRefused {
            user: text(),
            tried: vec![],
        },
        HostError::NoCommonAlgorithm { detail: text() },
        HostError::Handshake { detail: text() },
        HostError::Hop {
            hop: "bastion".into(),
            cause: Box::new(HostError::Lost(text())),
        },
        HostError::NotForwarded {
            hop: "bastion".into(),
            target: text(),
        },
        HostError::UnreachableFromHop {
            hop: "bastion".into(),
            target: text(),
        },
        HostError::NoWay(text()),
        HostError::PolicyRefused(text()),
        HostError::TooLong { bytes: 2, most: 1 },
        HostError::NotRun(text()),
        HostError::File {
            path: text(),
            detail: text(),
        },
        HostError::TooMuchOutput(1),
        HostError::Lost(text()),
        HostError::Cancelled,
        HostError::Closed,
    ]
}

#[test]
fn every_error_names_the_host_the_state_and_a_next_move() {
    let host = HostName::from("lee1");
    for error in each() {
        let fault = error.fault(&host);
        assert_eq!(fault.place, "lee1");
        assert!(fault.state.len() > 10 && fault.next.len() > 10, "{fault:?}");
        assert_eq!(fault.passing, error.passing());
    }
}

#[test]
fn what_a_hop_did_is_said_of_the_hop() {
    let refused = HostError::LoginRefused {
        user: "ops".into(),
        tried: vec![],
    };
    let inner = HostError::Hop {
        hop: "inner".into(),
        cause: Box::new(refused.clone()),
    };
    let error = HostError::Hop {
        hop: "outer".into(),
        cause: Box::new(inner),
    };
    let host = HostName::from("lee1");
    assert_eq!(error.origin(&host), (&"inner".into(), &refused));
    let fault = error.fault(&host);
    assert_eq!(
        fault.what,
        "through outer: through inner: login as ops was refused (nothing to try)"
    );
    assert!(
        fault.state.contains("nothing was sent to inner"),
        "{fault:?}"
    );
    assert!(fault.next.starts_with("on outer: on inner: "), "{fault:?}");
}

#[test]
fn the_way_on_from_a_hop_is_its_own() {
    let host = HostName::from("lee1");
    for cause in each() {
        let error = HostError::Hop {
            hop: "bastion".into(),
            cause: Box::new(cause.clone()),
        };
        let of_target = matches!(cause, HostError::UnreachableFromHop { .. });
        let next = error.fault(&host).next;
        assert!(of_target || !next.contains("ESXi"), "{next}");
    }
    let unknown = HostError::HostKeyUnknown {
        fingerprint: "SHA256:a".into(),
        key_type: "ssh-ed25519".into(),
        known: Vec::new(),
    };
    let error = HostError::Hop {
        hop: "bastion".into(),
        cause: Box::new(unknown.clone()),
    };
    let next = error.fault(&host).next;
    assert!(
        next.contains("ssh-keygen -lf") && next.contains("known_hosts"),
        "{next}"
    );
    assert!(unknown.fault(&host).next.contains("console"));
}

#[test]
fn only_what_is_proven_is_said_of_a_write() {
    let host = HostName::from("lee1");
    for cause in each() {
        let not_sent = WriteError::NotSent(cause.clone()).fault(&host).state;
        assert!(not_sent.contains("nothing changed"), "{not_sent}");
        let lost = WriteError::Lost {
            pid: Some(7),
            cause,
        }
        .fault(&host);
        assert!(
            lost.state.contains("unknown") && lost.state.contains("process 7"),
            "{lost:?}"
        );
        assert!(lost.next.contains("do not send it again"), "{lost:?}");
    }
}

#[test]
fn a_session_without_a_further_channel_points_at_the_setting_that_limits_it() {
    let refused = "opening: [Session(-21)] Channel open failure (connect failed)";
    let fault = HostError::Lost(refused.to_owned()).fault(&"lee1".into());
    assert!(fault.next.contains("MaxSessions"), "{fault}");
}
