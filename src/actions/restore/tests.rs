use std::time::Duration;

use super::*;
use crate::actions::tests::{blocked, done, lines, needed, step};
use crate::transfer::{PointFile, PointKind, Sum};

const OUTAGE: &str = "2026-01-02T06:00:00Z";

fn restore() -> Restore {
    let (runbook, step) = step("failover/recover/sql01/restore");
    Restore::new(&runbook, &step, &"sql01".into(), &PointChoice::Latest).unwrap()
}

fn used(stamp: &str) -> Use {
    let file = |name: &str, bytes| PointFile {
        name: name.into(),
        bytes,
        sum: Sum::of(name.as_bytes()),
    };
    Use {
        point: Point {
            stamp: stamp.parse().unwrap(),
            kind: PointKind::Full,
            path: format!("/backup/nightly/sql01/{stamp}"),
            files: vec![file("sql01.vmx", 3000), file("sql01-flat.vmdk", 2 << 30)],
            left_behind: vec![],
            flaws: vec![],
        },
        vmx: "sql01.vmx".into(),
        passed_over: vec!["20260102T050000Z: it has no SHA256SUMS".into()],
        commands: vec![],
        mover: "relayed through this machine",
        makes: vec!["sql01.vmdk (streamOptimized) becomes thin".into()],
        room: Room {
            own: crate::transfer::Takes {
                least: 1 << 30,
                most: 1 << 30,
                passing: 0,
            },
            ..Room::default()
        },
    }
}

fn seen(point: Option<Result<Use, Fault>>) -> Seen {
    Seen {
        store: Store::Here {
            uuid: "u1".into(),
            free: 10 << 30,
        },
        arrivals: Arrivals::default(),
        point,
        offered: vec!["20260102T000000Z 6h before the outage".into()],
        outage: OUTAGE.parse().ok(),
    }
}

fn decide(seen: Seen) -> ProbeAnswer {
    restore().decide(&Known::Is(seen))
}

#[test]
fn every_file_is_shown_with_its_size_and_what_is_lost() {
    let answer = decide(seen(Some(Ok(used("20260102T000000Z")))));
    let changes = needed(&answer).changes.join("\n");
    for part in [
        "restore point 20260102T000000Z (applications consistent), 2 files in 2.0 GiB",
        "RPO 6h: within the objective of 12h",
        "newer, but not usable: 20260102T050000Z",
        "+ sql01.vmx (2.9 KiB)",
        "+ sql01-flat.vmdk (2.0 GiB)",
        "sql01.vmdk (streamOptimized) becomes thin",
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
        let loss = points::loss(&used(stamp).point, outage, restore.rpo);
        assert!(loss.contains(grade), "{stamp}: {loss}");
    }
}

#[test]
fn what_stands_in_the_way_blocks() {
    let point = || Some(Ok(used("20260102T000000Z")));
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
        (seen(Some(Err(no_point))), "no restore point"),
    ] {
        let answer = decide(seen);
        assert!(blocked(&answer).what.contains(what), "{answer:?}");
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
        ..seen(Some(Ok(used("20260102T000000Z"))))
    }));
}

#[test]
fn everything_there_is_done_and_the_outline_asks_nobody() {
    done(&decide(seen(None)));
    let restore = restore();
    let answer = restore.decide(&Known::Not);
    assert!(lines(needed(&answer))[0].starts_with("mkdir -p /vmfs/volumes/local1/sql01"));
}
