//! Datastores that the runbook names by their UUIDs.

use super::*;
use crate::hypervisor::esxi::storage::may_be_uuid;

const UUID: &str = "0dc8b7c6-2f3a1a11";

/// The runbook by UUIDs, in the `first` places alone.
fn runbook(first: usize) -> String {
    RUNBOOK.replacen("datastore: local1", &format!("datastore: {UUID}"), first)
}

/// The site, on each host of which local1 has that UUID.
fn site() -> Seen {
    let mut seen = seen();
    for host in ["lon-esx1", "lee-esx1"] {
        let esxi = at(&mut seen, host).esxi.as_deref_mut().unwrap();
        esxi.volumes.as_mut().unwrap().0[0].uuid = UUID.into();
        for row in esxi.registered.as_mut().unwrap() {
            row.volume = Some(UUID.into());
        }
    }
    seen
}

fn of(text: &str, change: impl FnOnce(&mut Seen)) -> (Vec<String>, String) {
    let mut seen = site();
    change(&mut seen);
    told(&judge(&task_of(text), &seen))
}

#[test]
fn a_site_is_judged_as_it_is_by_labels() {
    assert!(may_be_uuid(UUID) && !runbook(9).contains("local1"));
    let standing = |volume: Option<&str>| {
        let row = Registered {
            volume: volume.map(str::to_owned),
            ..registered(3, "sql01")
        };
        move |seen: &mut Seen| {
            lee(seen).registered = Ok(vec![row]);
            lee(seen).folders.insert("sql01".into(), Ok(Vec::new()));
        }
    };
    type Change = Box<dyn Fn(&mut Seen)>;
    let changes: [Change; 4] = [
        Box::new(|_: &mut Seen| ()),
        Box::new(|seen: &mut Seen| lee(seen).volumes.as_mut().unwrap().0[0].free = 8 * GIB),
        Box::new(move |seen: &mut Seen| standing(Some(UUID))(seen)),
        Box::new(|seen: &mut Seen| {
            lee(seen).access.insert("local1".into(), Ok(Access::Gone));
        }),
    ];
    for (case, change) in changes.iter().enumerate() {
        let by_label = of(RUNBOOK, |seen| change(seen)).0;
        let by_uuid = of(&runbook(9), |seen| change(seen));
        let as_labels: Vec<String> = by_uuid
            .0
            .iter()
            .map(|key| key.replace(UUID, "local1"))
            .collect();
        assert_eq!(as_labels, by_label, "case {case}: {}", by_uuid.1);
        assert_eq!(by_label.is_empty(), case == 0);
    }
    // A VM in its folder is believed to be on its volume where the host tells no volumes.
    for (volume, is_there) in [(None, true), (Some("another"), false)] {
        let (_, texts) = of(&runbook(9), standing(volume));
        assert_eq!(
            texts.contains("sql01 is registered from there"),
            is_there,
            "{texts}"
        );
    }
}

#[test]
fn what_lands_on_one_volume_under_two_names_is_counted_together() {
    let full = |seen: &mut Seen| lee(seen).volumes.as_mut().unwrap().0[0].free = 8 * GIB;
    let (keys, texts) = of(&runbook(3), full);
    assert_eq!(keys.len(), 1, "{texts}");
    assert!(texts.contains("9.0 GiB are needed: "), "{texts}");
}

#[test]
fn the_way_to_a_volume_that_is_not_there_goes_by_its_uuid() {
    let volumes = |seen: &mut Seen, change: fn(&mut Volume)| {
        change(&mut lee(seen).volumes.as_mut().unwrap().0[0]);
    };
    let told = |words: &str, change: &dyn Fn(&mut Seen)| {
        let (keys, texts) = of(&runbook(9), change);
        assert_eq!(
            keys,
            [format!("blocker store/lee-esx1/{UUID}/there")],
            "{texts}"
        );
        assert!(texts.contains(words), "{texts}");
    };
    told(
        &format!("there is no datastore {UUID}; there are local1"),
        &|seen| {
            volumes(seen, |volume| volume.uuid = "another".into());
        },
    );
    let mount = format!("datastore {UUID} (local1) is not mounted");
    told(&mount, &|seen| {
        volumes(seen, |volume| volume.mounted = false)
    });
    told(&format!("filesystem mount -u {UUID}"), &|seen| {
        volumes(seen, |volume| volume.mounted = false);
    });
    told("nfs remove -v local1", &|seen| {
        volumes(seen, |volume| volume.kind = "NFS".into());
        lee(seen).nfs = vec![Ok(vec![mounted("local1", Some(true))])];
    });
    for (can_mount, words) in [(true, "mount -u"), (false, "resignature -u")] {
        told(&format!("snapshot {words} {UUID}"), &|seen| {
            volumes(seen, |volume| volume.uuid = "another".into());
            lee(seen).replicas = Ok(vec![Replica {
                label: "local1".into(),
                uuid: UUID.into(),
                can_mount,
                why_not: "the original is online".into(),
            }]);
        });
    }
}
