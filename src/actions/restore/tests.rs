use std::collections::BTreeMap;
use std::time::Duration;

use super::pick::Deviation;
use super::source::Use;
use super::*;
use crate::actions::room::Room;
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::transfer::{Dated, Flaw, PointFile, PointKind, Sum};
use crate::vmfiles::FileKind;

const OUTAGE: &str = "2026-01-02T06:00:00Z";

fn restore() -> Restore {
    let (runbook, step) = step("failover/recover/sql01/restore");
    Restore::new(
        &runbook,
        &step,
        &"sql01".into(),
        &PointChoice::Latest,
        false,
    )
    .unwrap()
}

fn point(stamp: &str) -> Point {
    let file = |name: &str, bytes, allocated| PointFile {
        name: name.into(),
        kind: FileKind::of(name),
        at: format!("{stamp}/{name}"),
        bytes,
        allocated,
        sum: Some(Sum::of(name.as_bytes())),
        text: None,
    };
    Point {
        stamp: stamp.parse().unwrap(),
        dated: Dated::Name,
        kind: PointKind::Full,
        name: stamp.to_owned(),
        path: format!("/backup/nightly/sql01/{stamp}"),
        files: vec![
            file("sql01.vmx", 3000, 0),
            file("sql01-flat.vmdk", 2 << 30, 1 << 30),
        ],
        logs: vec![file("vmware.log", 5, 5)],
        left_behind: vec![],
        verified: true,
        renamed: vec![],
        remarks: vec![],
        flaws: vec![],
    }
}

fn used(stamp: &str) -> Use {
    Use {
        point: point(stamp),
        vmx: "sql01.vmx".into(),
        passed_over: vec!["20260102T050000Z: it has no SHA256SUMS".into()],
        commands: vec![],
        mover: "relayed through this machine",
        printed_by: None,
        makes: vec!["sql01.vmdk (streamOptimized) becomes thin".into()],
        seeding: None,
        room: Room {
            own: crate::transfer::Takes {
                least: 1 << 30,
                most: 1 << 30,
                passing: 0,
            },
            ..Room::default()
        },
        deviation: None,
        begun: false,
        replaced: Vec::new(),
    }
}

fn seen(source: Option<Source>) -> Seen {
    let mut torn = point("20260102T050000Z");
    torn.flaws.push(Flaw::NoSums);
    Seen {
        store: Store::Here {
            uuid: "u1".into(),
            free: 10 << 30,
        },
        arrivals: Arrivals::default(),
        point: source,
        points: vec![torn, point("20260102T000000Z"), point("20251231T000000Z")],
        corrupt: BTreeMap::new(),
        outage: OUTAGE.parse().ok(),
    }
}

fn using(stamp: &str) -> Option<Source> {
    Some(Source::Use(Box::new(used(stamp))))
}

fn decide(seen: Seen) -> ProbeAnswer {
    restore().decide(&Known::Is(seen))
}

#[test]
fn every_file_is_shown_with_its_size_and_what_is_lost() {
    let answer = decide(seen(using("20260102T000000Z")));
    let changes = needed(&answer).changes.join("\n");
    for part in [
        "restore point 20260102T000000Z (full, applications consistent), 2 files in 2.0 GiB",
        "RPO 6h: within the objective of 12h",
        "newer, but not usable: 20260102T050000Z",
        "+ sql01.vmx (2.9 KiB)",
        "+ sql01-flat.vmdk (2.0 GiB)",
        "sql01.vmdk (streamOptimized) becomes thin",
        "left behind: 1 log",
    ] {
        assert!(changes.contains(part), "{part} is not in:\n{changes}");
    }
    assert!(answer.found.contains("6h before the outage"));
}

#[test]
fn the_loss_is_graded_against_the_objective() {
    let restore = restore();
    assert_eq!(restore.rpo, Some(Duration::from_secs(12 * 3600)));
    let outage = "2026-01-10T00:00:00Z".parse().unwrap();
    for (stamp, grade) in [
        ("20260109T130000Z", "within"),
        ("20260109T000000Z", "up to twice"),
        ("20260108T010000Z", "up to four times"),
        ("20260107T000000Z", "beyond four times"),
    ] {
        let loss = points::loss(&point(stamp), outage, restore.rpo);
        assert!(loss.contains(grade), "{stamp}: {loss}");
    }
}

#[test]
fn what_stands_in_the_way_blocks() {
    let point = || using("20260102T000000Z");
    let foreign = Arrivals {
        entries: vec![("notes.txt".into(), None)],
        mark: ".lifeboat-r1-".into(),
        ..Arrivals::default()
    };
    let full = Store::Here {
        uuid: "u1".into(),
        free: 1 << 20,
    };
    let gone = Store::Missing(vec!["local2".into()]);
    let other = Store::Changed {
        was: "u0".into(),
        is: "u1".into(),
    };
    let no_point = Fault::new("there is no restore point", "", "", "");
    for (seen, what) in [
        (
            Seen {
                arrivals: foreign,
                ..seen(point())
            },
            "notes.txt",
        ),
        (
            Seen {
                store: full,
                ..seen(point())
            },
            "has 1.0 MiB free",
        ),
        (
            Seen {
                store: gone,
                ..seen(None)
            },
            "no datastore local1; there are local2",
        ),
        (
            Seen {
                store: other,
                ..seen(None)
            },
            "is not the volume that it was",
        ),
        (seen(Some(Source::Nothing(no_point))), "no restore point"),
    ] {
        let answer = decide(seen);
        assert!(blocked(&answer).what.contains(what), "{answer:?}");
    }
}

#[test]
fn every_point_is_offered_with_age_kind_completeness_and_grade() {
    let answer = decide(seen(using("20260102T000000Z")));
    let choice = needed(&answer).choice.clone().unwrap();
    assert_eq!(choice.taken.as_deref(), Some("20260102T000000Z"));
    let about: Vec<&str> = choice
        .options
        .iter()
        .map(|one| one.about.as_str())
        .collect();
    assert_eq!(
        about,
        [
            "1h before the outage, RPO within, full, not usable, 2.0 GiB",
            "6h before the outage, RPO within, full, whole, 2.0 GiB",
            "2d 6h before the outage, RPO beyond four times, full, whole, 2.0 GiB",
        ]
    );
    let mut rotten = seen(using("20260102T000000Z"));
    let path = rotten.points[1].path.clone();
    rotten.corrupt.insert(path, "sql01-flat.vmdk".to_owned());
    let rotten = decide(rotten);
    assert_eq!(
        needed(&rotten).choice.as_ref().unwrap().options[1].about,
        "6h before the outage, RPO within, full, proven CORRUPT in this run, 2.0 GiB"
    );
    assert!(
        choice.options[0]
            .unusable
            .as_deref()
            .unwrap()
            .contains("no SHA256SUMS")
    );
    let answered = |text: &str| {
        let answer = crate::engine::Answer::Value(text.into());
        choice.gap(&[("point".to_owned(), answer)].into())
    };
    assert_eq!(answered("20251231T000000Z"), None);
    assert!(
        answered("20260102T050000Z")
            .unwrap()
            .contains("cannot be taken: it has no SHA256SUMS")
    );
    assert!(
        answered("yesterday")
            .unwrap()
            .contains("none of 20260102T000000Z, 20251231T000000Z")
    );
    assert_eq!(
        choice.gap(&Default::default()),
        None,
        "what is proposed needs no answer"
    );

    let begun = Source::Use(Box::new(Use {
        begun: true,
        ..used("20260102T000000Z")
    }));
    let answer = decide(seen(Some(begun)));
    assert_eq!(needed(&answer).choice, None);
    assert!(
        needed(&answer)
            .changes
            .last()
            .unwrap()
            .contains("undo this step first")
    );
}

#[test]
fn where_the_runbooks_point_cannot_be_used_a_person_chooses() {
    let fault = Fault::new(
        "restore point X cannot be used; the newest sound one is Y",
        "",
        "",
        "",
    );
    let answer = decide(seen(Some(Source::Open(fault))));
    let proposal = needed(&answer);
    assert!(
        proposal.commands.is_empty() && proposal.changes[0].contains("the newest sound one is Y")
    );
    let choice = proposal.choice.as_ref().unwrap();
    assert_eq!(choice.taken, None);
    let gap = choice.gap(&Default::default()).unwrap();
    assert_eq!(
        gap,
        "choose the restore point: 20260102T000000Z, 20251231T000000Z"
    );
}

#[test]
fn what_is_not_proven_and_who_chose_stands_on_the_card() {
    let mut used = used("20260102T000000Z");
    used.point.verified = false;
    used.point.remarks.push("its time is a guess".into());
    used.point.files[1].at = "20260101T000000Z-full/sql01-flat.vmdk".into();
    used.deviation = Some(Deviation {
        by: "alice".into(),
        instead_of: "20260102T040000Z".into(),
        why: "ransomware since three".into(),
    });
    let with_logs = Restore {
        logs: true,
        ..restore()
    };
    let changes = with_logs.changes(&used, None).join("\n");
    for part in [
        "source unverified: no sums",
        "its time is a guess",
        "chosen by alice instead of 20260102T040000Z: ransomware since three",
        "not changed since: 1 file from 20260101T000000Z-full",
        "+ sql01-flat.vmdk (2.0 GiB) from 20260101T000000Z-full",
        "+ vmware.log (5 B)",
    ] {
        assert!(changes.contains(part), "{part} is not in:\n{changes}");
    }
}

#[test]
fn a_disk_with_holes_needs_room_for_its_data_alone() {
    let room = Store::Here {
        uuid: "u1".into(),
        free: (1 << 30) + 1,
    };
    needed(&decide(Seen {
        store: room,
        ..seen(using("20260102T000000Z"))
    }));
}

#[test]
fn everything_there_is_done_and_the_outline_asks_nobody() {
    done(&decide(seen(None)));
    let restore = restore();
    let answer = restore.decide(&Known::Not);
    assert!(lines(needed(&answer))[0].starts_with("mkdir -p /vmfs/volumes/local1/sql01"));
}
