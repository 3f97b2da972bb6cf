use super::*;
use crate::hypervisor::esxi::locks::LockOwner;

const OWN: &str = "44:d3:ca:bc:b7:b4";
const LONDON: &str = "e4:1f:13:b6:46:14";

fn file(name: &str, lock: Option<Lock>) -> FileLock {
    FileLock {
        path: format!("/vmfs/volumes/stretched/sql01/{name}"),
        lock,
    }
}

fn owner(mac: &str) -> LockOwner {
    LockOwner {
        id: format!("53a21390-e78f7f00-f805-{}", mac.replace(':', "")),
        mac: mac.to_owned(),
    }
}

fn names(silent: &[&str]) -> Names {
    Names {
        own: vec![OWN.to_owned()],
        others: [(LONDON.to_owned(), ("lon-esx1".into(), SiteRole::Protected))].into(),
        silent: silent.iter().map(|host| (*host).into()).collect(),
    }
}

fn weighed(files: &[FileLock], silent: &[&str]) -> Locks {
    Locks {
        by: Some("lee-esx1".into()),
        ..weigh(files, &names(silent))
    }
}

#[test]
fn a_lock_of_another_host_contradicts_and_is_named() {
    let held = |mac, silent: &[&str]| {
        weighed(
            &[
                file("sql01.vmx", Some(Lock::Free)),
                file("sql01-flat.vmdk", Some(Lock::Exclusive(owner(mac)))),
            ],
            silent,
        )
    };
    let london = held(LONDON, &[]);
    assert_eq!(
        london.contradiction().unwrap(),
        "lon-esx1 holds the lock of sql01-flat.vmdk"
    );
    let stranger = held("00:11:22:33:44:55", &[]).contradiction().unwrap();
    assert!(
        stranger.starts_with("a host that is not in the runbook")
            && stranger.ends_with("(MAC 00:11:22:33:44:55)"),
        "{stranger}"
    );
    let dark = held("00:11:22:33:44:55", &["lon-esx2"])
        .contradiction()
        .unwrap();
    assert!(dark.contains("does not tell its MACs (lon-esx2)"), "{dark}");
    let own = held(OWN, &[]);
    assert_eq!(own.contradiction(), None);
    assert!(own.lines()[0].starts_with("lee-esx1 itself holds"));
    // Whoever asks about London alone is not held up by a lock of Leeds.
    assert!(london.contradiction_beyond(SiteRole::Recovery).is_some());
    assert!(london.contradiction_beyond(SiteRole::Protected).is_none());
}

#[test]
fn each_reader_of_a_base_disk_counts() {
    let readers = vec![owner(OWN), owner(LONDON)];
    let shared = weighed(
        &[file("sql01-flat.vmdk", Some(Lock::ReadOnly(readers)))],
        &[],
    );
    assert!(shared.contradiction().unwrap().starts_with("lon-esx1"));
}

/// A host of London that does not tell what it runs reads the locks of the VM's files there.
#[test]
fn what_a_host_of_that_site_sees_held_contradicts_whoever_holds_it() {
    let seen = |file: FileLock| Locks {
        there: Some(SiteRole::Protected),
        ..weighed(&[file], &[])
    };
    let held = |mac| seen(file("sql01.vmx", Some(Lock::Exclusive(owner(mac))))).contradiction();
    assert!(held(OWN).unwrap().contains("itself holds"));
    assert!(held("00:11:22:33:44:55").is_some());
    let left = seen(file(".lck-0102030405060708", None));
    assert!(left.contradiction().unwrap().contains(".lck-"));
    let free = seen(file("sql01.vmx", Some(Lock::Free)));
    assert_eq!(free.contradiction(), None);
    assert_eq!(Locks { read: 0, ..free }.lines().len(), 1, "none was found");
    // On a datastore that both sites see, what Leeds holds is no VM that runs in London.
    let of_leeds = Locks {
        there: Some(SiteRole::Recovery),
        ..weighed(
            &[file("sql01.vmx", Some(Lock::Exclusive(owner(LONDON))))],
            &[],
        )
    };
    assert_eq!(of_leeds.contradiction(), None);
    assert!(of_leeds.lines()[0].starts_with("lon-esx1 holds"));
}

#[test]
fn the_way_past_a_lock_names_whose_it_may_be_and_how_that_is_seen_on_a_host_that_does_not_tell() {
    let way = |there, silent: &[&str], file: FileLock| {
        let locks = Locks {
            there,
            ..weighed(&[file], silent)
        };
        locks.way_past()
    };
    let mute = Some(SiteRole::Protected);
    let own = file("sql01.vmx", Some(Lock::Exclusive(owner(OWN))));
    let told = way(mute, &[], own.clone()).unwrap();
    assert!(told.contains("let lee-esx1 tell what it runs"), "{told}");
    assert_eq!(way(None, &[], own), None, "it is the one that starts it");
    let left = way(mute, &[], file(".lck-0102030405060708", None)).unwrap();
    let path = "/vmfs/volumes/stretched/sql01/.lck-0102030405060708";
    for part in [format!("`cat {path}`"), format!("`rm {path}`")] {
        assert!(left.contains(&part), "{left}");
    }
    let strange = || {
        let lock = Lock::Exclusive(owner("00:11:22:33:44:55"));
        file("sql01.vmx", Some(lock))
    };
    let unknown = way(None, &[], strange()).unwrap();
    assert!(unknown.contains("esxcli system uuid get"), "{unknown}");
    let may_be = way(None, &["lon-esx2"], strange()).unwrap();
    for part in ["console of lon-esx2", "00:11:22:33:44:55", "localcli"] {
        assert!(may_be.contains(part), "{may_be}");
    }
    let london = file("sql01.vmx", Some(Lock::Exclusive(owner(LONDON))));
    let told = way(None, &[], london).unwrap();
    assert!(told.starts_with("stop the VM on lon-esx1"), "{told}");
}

#[test]
fn locks_that_name_nobody_leave_it_to_a_person() {
    for shared in [
        file("sql01-flat.vmdk", Some(Lock::MultiWriter)),
        file(".lck-0102030405060708", None),
    ] {
        let locks = weighed(&[shared], &[]);
        assert!(locks.leave_open() && locks.contradiction().is_none());
        assert_eq!(locks.lines().len(), 1, "{:?}", locks.lines());
    }
    let untold = weighed(&[file("sql01.vmx", None)], &[]);
    assert!(!untold.leave_open() && untold.lines()[0].contains("cannot tell"));
    let free = weighed(&[file("sql01.vmx", Some(Lock::Free))], &[]);
    assert!(free.lines()[0].starts_with("nobody holds"));
    assert_eq!(Locks::default().lines(), Vec::<String>::new());
}

#[test]
fn the_own_lock_of_a_host_holds_only_while_the_vm_runs_there() {
    let reader = HostName::from("lon-esx1");
    let who = |mac, runs| alone(&reader, mac, &[OWN.to_owned()], runs);
    assert_eq!(who(OWN, Ok(false)), None);
    assert_eq!(
        who(OWN, Ok(true)).as_deref(),
        Some("lon-esx1 itself, where it runs")
    );
    let silent = Fault::new("no answer", "lon-esx1", "unknown", "retry");
    assert!(who(OWN, Err(silent)).is_some_and(|who| who.ends_with("not known: no answer")));
    assert_eq!(
        who(LONDON, Ok(false)).as_deref(),
        Some("the host with the adapter e4:1f:13:b6:46:14")
    );
}
