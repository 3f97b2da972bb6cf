use proptest::prelude::*;

use super::*;

/// A public key blob of a type, with some content.
fn blob(key_type: &str, content: &str) -> Vec<u8> {
    let mut blob = u32::try_from(key_type.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    blob.extend(key_type.bytes().chain(content.bytes()));
    blob
}

fn line(hosts: &str, key_type: &str, content: &str) -> String {
    format!(
        "{hosts} {key_type} {}\n",
        STANDARD.encode(blob(key_type, content))
    )
}

fn hashed(name: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"01234567890123456789").unwrap();
    mac.update(name.as_bytes());
    let hash = STANDARD.encode(mac.finalize().into_bytes());
    format!("|1|{}|{hash}", STANDARD.encode(b"01234567890123456789"))
}

fn expected(text: &str, host: &str, port: u16) -> Expected {
    let mut expected = Expected::default();
    let address = HostAddress {
        host: host.into(),
        port,
    };
    expected.read_known_hosts(text, &Names::of(&address, None));
    expected
}

fn shown(key_type: &str, content: &str) -> ShownKey {
    ShownKey::new(&blob(key_type, content))
}

#[test]
fn each_form_of_a_line_names_its_host() {
    for (field, host, port, named) in [
        ("lee1", "lee1", 22, true),
        ("lee1", "LEE1", 22, true),
        ("lee1", "lee1", 2222, false),
        ("[lee1]:2222", "lee1", 2222, true),
        ("[lee1]:2222", "lee1", 22, false),
        ("lon1,lee1,192.0.2.1", "192.0.2.1", 22, true),
        ("*.example.org,!bad.example.org", "a.example.org", 22, true),
        (
            "*.example.org,!bad.example.org",
            "bad.example.org",
            22,
            false,
        ),
        ("lee?", "lee1", 22, true),
        ("lee?", "lee", 22, false),
        (&hashed("lee1"), "lee1", 22, true),
        (&hashed("[lee1]:2222"), "lee1", 2222, true),
        (&hashed("lee1"), "lee2", 22, false),
        ("|1|broken", "lee1", 22, false),
        ("#lee1", "lee1", 22, false),
    ] {
        let found = expected(&line(field, "ssh-rsa", "k"), host, port);
        assert_eq!(!found.known.is_empty(), named, "{field} for {host}:{port}");
    }
}

#[test]
fn another_key_of_a_known_type_has_changed_and_another_type_is_unknown() {
    let expected = expected(&line("lee1", "ssh-rsa", "old"), "lee1", 22);
    assert_eq!(expected.judge(&shown("ssh-rsa", "old"), &[]), Ok(()));
    let changed = expected.judge(&shown("ssh-rsa", "new"), &[]);
    let known = shown("ssh-rsa", "old").fingerprint;
    assert!(
        matches!(&changed, Err(HostError::HostKeyChanged { known: k, .. }) if k[0].ends_with(&known)),
        "{changed:?}"
    );
    let unknown = expected.judge(&shown("ssh-ed25519", "new"), &[]);
    assert!(
        matches!(&unknown, Err(HostError::HostKeyUnknown { known: k, .. }) if k.len() == 1),
        "{unknown:?}"
    );
    let typed = shown("ssh-ed25519", "new");
    assert_eq!(
        expected.judge(&typed, std::slice::from_ref(&typed.fingerprint)),
        Ok(())
    );
}

#[test]
fn a_key_of_the_usual_port_counts_where_none_of_its_type_is_known_for_the_other() {
    for name in [
        "lee1".to_owned(),
        hashed("lee1"),
        "lee?,192.0.2.1".to_owned(),
    ] {
        let usual = line(&name, "ssh-rsa", "k");
        let at_2222 = |more: &str| expected(&format!("{more}{usual}"), "lee1", 2222);
        let key = shown("ssh-rsa", "k");
        assert_eq!(at_2222("").judge(&key, &[]), Ok(()));
        let asked = at_2222("").preference(&[]).unwrap();
        assert!(asked.starts_with("rsa-sha2-512,"), "{asked}");
        // It speaks for a key, and never against one.
        let other = at_2222("").judge(&shown("ssh-rsa", "x"), &[]);
        assert!(
            matches!(&other, Err(HostError::HostKeyUnknown { .. })),
            "{other:?}"
        );
        // What is known for the port itself goes before, and its type is asked for first.
        let own = line("[lee1]:2222", "ssh-rsa", "new");
        let changed = at_2222(&own).judge(&key, &[]);
        assert!(
            matches!(&changed, Err(HostError::HostKeyChanged { .. })),
            "{changed:?}"
        );
        assert_eq!(at_2222(&own).judge(&shown("ssh-rsa", "new"), &[]), Ok(()));
        let own = line("[lee1]:2222", "ssh-ed25519", "e");
        assert_eq!(at_2222(&own).judge(&key, &[]), Ok(()));
        let asked = at_2222(&own).preference(&[]).unwrap();
        assert!(asked.starts_with("ssh-ed25519,rsa-sha2-512,"), "{asked}");
        // The other way round nothing counts, nor under an alias.
        let other_port = line("[lee1]:2222", "ssh-rsa", "k");
        assert!(expected(&other_port, "lee1", 22).judge(&key, &[]).is_err());
        let mut aliased = Expected::default();
        let address = HostAddress {
            host: "lee1".into(),
            port: 2222,
        };
        aliased.read_known_hosts(&usual, &Names::of(&address, Some("vault")));
        assert!(aliased.judge(&key, &[]).is_err());
    }
    let revoked = format!("@revoked {}", line("lee1", "ssh-rsa", "k"));
    let own = line("[lee1]:2222", "ssh-rsa", "k");
    let both = expected(&format!("{revoked}{own}"), "lee1", 2222);
    assert!(both.judge(&shown("ssh-rsa", "k"), &[]).is_err());
}

#[test]
fn pins_stand_above_files_and_a_revoked_key_above_all() {
    let pin = shown("ssh-rsa", "pinned").fingerprint;
    let expected = Expected {
        pins: vec![pin],
        ..Expected::default()
    };
    assert_eq!(expected.judge(&shown("ssh-rsa", "pinned"), &[]), Ok(()));
    assert!(matches!(
        expected.judge(&shown("ssh-ed25519", "x"), &[]),
        Err(HostError::HostKeyChanged { .. })
    ));
    let text = format!(
        "@revoked {}{}",
        line("*", "ssh-rsa", "k"),
        line("lee1", "ssh-rsa", "k")
    );
    let revoked = super::tests::expected(&text, "lee1", 22);
    assert!(revoked.judge(&shown("ssh-rsa", "k"), &[]).is_err());
}

#[test]
fn known_types_are_asked_for_first() {
    let rsa = expected(&line("lee1", "ssh-rsa", "k"), "lee1", 22);
    let preference = rsa.preference(&[]).unwrap();
    assert!(
        preference.starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"),
        "{preference}"
    );
    let spent: Vec<String> = ["ssh-ed25519", "ssh-rsa"].map(str::to_owned).into();
    let rest = rsa.preference(&spent).unwrap();
    assert_eq!(
        rest,
        "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"
    );
}

#[test]
fn a_fingerprint_is_what_ssh_keygen_prints() {
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIGJwl9u10QbnCnoiN9e1I4uDnN0aVnVvHtPDPFkClsU/";
    let shown = ShownKey::new(&STANDARD.decode(key).unwrap());
    assert_eq!(shown.key_type, "ssh-ed25519");
    assert_eq!(
        shown.fingerprint,
        "SHA256:rV32aOzWfm41FnnJvzYJFvvHIHQ/ggaevrkdvvcJsHM"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in "\\PC{0,300}", raw in proptest::collection::vec(any::<u8>(), 0..40)) {
        expected(&text, "lee1", 22);
        expected(&format!("lee1 x {}", STANDARD.encode(&raw)), "lee1", 22);
    }

    #[test]
    fn a_name_matches_itself_and_stars(name in "[a-z0-9.]{1,12}", cut in 0usize..12) {
        prop_assert!(matches_glob(&name, &name));
        let cut = cut.min(name.len());
        for (pattern, matches) in [
            (format!("{}*", &name[..cut]), true),
            (format!("*{}", &name[cut..]), true),
            (format!("{name}?"), false),
        ] {
            prop_assert_eq!(matches_glob(&pattern, &name), matches, "{}", pattern);
        }
    }
}
