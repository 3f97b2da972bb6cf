use super::*;

fn ownership(told: Vec<Told>, heard: Heard, attested: bool) -> Ownership {
    let sightings = told.into_iter().enumerate();
    Ownership {
        vm: "sql01".into(),
        site: "London".into(),
        sightings: sightings
            .map(|(n, told)| Sighting {
                host: format!("lon-esx{}", n + 1).into(),
                told,
                invalid: 0,
            })
            .collect(),
        by_uuid: true,
        sign: sign(&[heard]),
        locks: Locks::default(),
        locks_there: Vec::new(),
        attested: attested.then(|| "alice: I saw it".into()),
        at: Some(Timestamp::UNIX_EPOCH),
    }
}

/// One look for each of what was heard; none for what was not asked.
fn sign(heard: &[Heard]) -> Sign {
    let asked = heard.iter().filter(|heard| **heard != Heard::NotAsked);
    let look = |heard: &Heard| Look {
        target: "10.20.0.11".into(),
        by: "the console".into(),
        heard: *heard,
        said: String::new(),
        way: Way::Arp,
        near: true,
        open: false,
    };
    Sign {
        looks: asked.map(look).collect(),
        ..Sign::default()
    }
}

#[test]
fn one_answer_outweighs_all_and_one_gap_leaves_it_open() {
    use Heard::{Answer, NotAsked, Silence, Unknown};
    for (heard, want) in [
        (&[][..], NotAsked),
        (&[Silence, Silence], Silence),
        (&[Silence, Unknown], Unknown),
        (&[Unknown, Silence, Answer], Answer),
    ] {
        assert_eq!(sign(heard).heard(), want);
    }
}

fn copy(power: PowerState) -> Copy {
    Copy {
        vmid: Some(Vmid(1)),
        name: "sql01".into(),
        vmx: "[local1] sql01/sql01.vmx".into(),
        by: "uuid.bios",
        power,
        since: None,
        tools: true,
        autostart: None,
    }
}

#[test]
fn only_a_full_no_from_every_host_and_silence_is_whole() {
    let no = || Told::Copies(vec![]);
    let dark = || Told::Nothing("refused".into());
    let on = || Told::Copies(vec![copy(PowerState::On)]);
    let off = || Told::Copies(vec![copy(PowerState::Off)]);
    let part = |power| Told::Part {
        why: "Error: Unknown command or namespace vm process list".into(),
        copies: vec![copy(power)],
    };
    let open = Standing::Open;
    for (told, heard, attested, want) in [
        (vec![no(), off()], Heard::Silence, false, Standing::Whole),
        (vec![no(), off()], Heard::Silence, true, Standing::Whole),
        (vec![no(), dark()], Heard::Silence, false, open.clone()),
        (vec![no(), dark()], Heard::Silence, true, Standing::Attested),
        (
            vec![no(), Told::NotAsked],
            Heard::Silence,
            false,
            open.clone(),
        ),
        (
            vec![no(), part(PowerState::Off)],
            Heard::Silence,
            false,
            open.clone(),
        ),
        (vec![no(), no()], Heard::Unknown, false, open.clone()),
        (vec![no(), no()], Heard::NotAsked, false, open.clone()),
        (vec![], Heard::Silence, false, open.clone()),
        (vec![], Heard::Silence, true, Standing::Attested),
        (
            vec![dark(), dark()],
            Heard::NotAsked,
            true,
            Standing::Attested,
        ),
    ] {
        let ownership = ownership(told, heard, attested);
        assert_eq!(ownership.standing(), want, "{ownership:?}");
    }
    for (told, heard) in [
        (vec![on(), no()], Heard::Silence),
        (vec![dark(), on()], Heard::Unknown),
        (vec![no(), part(PowerState::On)], Heard::Silence),
        (vec![dark(), dark()], Heard::Answer),
        (vec![no(), no()], Heard::Answer),
    ] {
        let ownership = ownership(told, heard, true);
        assert!(
            matches!(ownership.standing(), Standing::Contradicted(_)),
            "{ownership:?}"
        );
    }
}

#[test]
fn an_address_that_is_left_out_makes_no_start_whole_and_leaves_no_gap_in_what_is_kept() {
    let no = || Told::Copies(vec![]);
    let mut started = ownership(vec![no(), no()], Heard::NotAsked, false);
    assert!(!started.is_kept_as_whole(), "a gap of the runbook");
    started.sign.left_out = Some("the copy that is being started may answer it");
    assert!(started.is_kept_as_whole());
    assert_eq!(started.standing(), Standing::Open);
    let dark = vec![no(), Told::Nothing("refused".into())];
    started.sightings = ownership(dark, Heard::NotAsked, false).sightings;
    assert!(!started.is_kept_as_whole());
}

#[test]
fn without_the_uuid_it_is_never_whole() {
    let mut unknown = ownership(vec![Told::Copies(vec![])], Heard::Silence, false);
    assert_eq!(unknown.standing(), Standing::Whole);
    unknown.by_uuid = false;
    assert_eq!(unknown.standing(), Standing::Open);
    assert!(
        unknown
            .lines()
            .iter()
            .any(|line| line.contains("uuid.bios is not known"))
    );
}

#[test]
fn a_host_with_invalid_entries_is_not_said_to_know_nothing_of_it() {
    let mut seen = ownership(vec![Told::Copies(vec![])], Heard::Silence, false);
    assert!(seen.lines()[0].ends_with("does not know it"));
    seen.sightings[0].invalid = 2;
    let line = &seen.lines()[0];
    assert!(line.ends_with("it has 2 invalid entries that nobody can identify"));
    assert!(!line.contains("does not know it"), "{line}");
    assert_eq!(
        seen.standing(),
        Standing::Whole,
        "what runs is told all the same"
    );
}

#[test]
fn evidence_ages() {
    let gathered = ownership(vec![], Heard::Silence, false);
    let after = |seconds| Timestamp::from_second(seconds).unwrap();
    assert!(!gathered.is_stale(after(60)));
    assert!(gathered.is_stale(after(61)));
    // A clock that was set back does not make it fresh for ever.
    assert!(gathered.is_stale(after(-61)));
    assert!(
        Ownership {
            at: None,
            ..gathered
        }
        .is_stale(after(0))
    );
}

#[test]
fn silence_says_what_it_cannot_see() {
    let silent = |ways: &[Way], near| Sign {
        looks: ways
            .iter()
            .map(|way| Look {
                way: *way,
                near,
                ..sign(&[Heard::Silence]).looks.remove(0)
            })
            .collect(),
        ..Sign::default()
    };
    for (ways, near, want) in [
        (&[Way::Arp, Way::Port][..], true, &[][..]),
        (&[Way::Ping, Way::Port], true, &["drops ping"]),
        (&[Way::Port], true, &["its address itself was not asked"]),
        (&[Way::Ping], false, &["drops ping", "no probe_from"]),
        (&[Way::LoopbackPort], false, &[]),
    ] {
        let blind = silent(ways, near).blind_to();
        assert_eq!(blind.len(), want.len(), "{ways:?}: {blind:?}");
        assert!(
            blind
                .iter()
                .zip(want)
                .all(|(line, word)| line.contains(word)),
            "{blind:?}"
        );
    }
    assert!(sign(&[Heard::Answer]).blind_to().is_empty());
    assert!(Sign::default().blind_to().is_empty());
}
