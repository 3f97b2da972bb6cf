use super::*;
use crate::actions::tests::parts::place;

const OWN: &str = "564dc4d7-deeb-7781-dc69-4e96d4c6184f";
const OTHER: &str = "564dc4d7-deeb-7781-dc69-4e96d4c61850";

fn marks(uuid: Option<&str>) -> Marks {
    Marks {
        uuid: uuid.and_then(BiosUuid::parse),
        place: Some(place(Some("sql01.vmx"))),
        names: vec!["sql01".into()],
    }
}

fn running(uuid: &str, path: &str, name: &str) -> RunningVm {
    RunningVm {
        world_id: 1,
        uuid_bios: BiosUuid::parse(uuid),
        config_file: format!("/vmfs/volumes/5cc5b591-875b0190-c587-001871eaca38/{path}"),
        name: name.into(),
    }
}

#[test]
fn what_runs_is_recognised_by_uuid_then_path_then_name() {
    let elsewhere = "other/other.vmx";
    for (uuid, vm, by) in [
        (
            Some(OWN),
            running(OWN, elsewhere, "renamed"),
            Some("uuid.bios"),
        ),
        (Some(OWN), running(OTHER, elsewhere, "sql01"), None),
        (
            Some(OWN),
            running(OTHER, "sql01/sql01.vmx", "x"),
            Some("path"),
        ),
        (None, running(OTHER, elsewhere, "SQL01"), Some("name")),
        (None, running(OTHER, elsewhere, "x"), None),
    ] {
        let mut copies = vec![];
        add_running(&mut copies, std::slice::from_ref(&vm), &marks(uuid)).unwrap();
        assert_eq!(copies.first().map(|copy| copy.by), by, "{vm:?}");
    }
}

#[test]
fn a_vm_that_cannot_be_compared_spoils_the_answer() {
    let unknown = running("n/a", "other/other.vmx", "x");
    let own = running(OWN, "sql01/sql01.vmx", "sql01");
    let mut copies = vec![];
    assert!(add_running(&mut copies, &[unknown, own], &marks(Some(OWN))).is_err());
    assert!(copies[0].runs(), "the one after it is seen all the same");
}

#[test]
fn the_list_of_what_runs_overrules_the_inventory() {
    let mut copies = vec![Copy {
        vmid: Some(Vmid(7)),
        name: "sql01".into(),
        vmx: "[local1] sql01/sql01.vmx".into(),
        by: "path",
        power: PowerState::Off,
        since: None,
        tools: false,
        autostart: None,
    }];
    add_running(
        &mut copies,
        &[running(OWN, "sql01/sql01.vmx", "sql01")],
        &marks(Some(OWN)),
    )
    .unwrap();
    assert!(copies.len() == 1 && copies[0].runs() && copies[0].vmid.is_some());
}

#[test]
fn what_was_vouched_for_stands_until_the_vm_is_seen_running() {
    let wanted = "sql01 does not run in London";
    let attested = Fact::Attested {
        vm: "sql01".into(),
        by: "alice".into(),
        words: "the rack is off".into(),
        statement: wanted.into(),
    };
    let returned = |running: &[&str]| Fact::HostReturned {
        host: "lon-esx1".into(),
        vms: vec!["sql01".into()],
        running: running.iter().map(|vm| (*vm).into()).collect(),
    };
    let seen = Fact::RunsElsewhere {
        vm: "sql01".into(),
        host: "lon-esx1".into(),
    };
    let contradicted = |statement: &str| Fact::Contradicted {
        vm: "sql01".into(),
        statement: statement.into(),
        seen: "its address answers".into(),
    };
    let stands = |later: &[&Fact]| {
        let facts = std::iter::once(&attested).chain(later.iter().copied());
        let facts: Vec<Fact> = facts.cloned().collect();
        kept_attestation(&facts, &"sql01".into(), wanted).is_some()
    };
    assert!(!stands(&[&contradicted(wanted)]));
    assert!(stands(&[&contradicted("sql01 does not run in Leeds")]));
    assert!(stands(&[]));
    assert!(
        stands(&[&returned(&["web01"])]),
        "a return contradicts nothing"
    );
    assert!(!stands(&[&returned(&["sql01"])]));
    assert!(!stands(&[&seen]));
    assert!(stands(&[&seen, &attested]), "vouched for once more");
}

#[test]
fn what_a_host_tells_counts_although_it_lacks_a_command() {
    let mut lists = Lists::default();
    let lacks = Fault::new("esxcli knows no vm process list", "lon-esx1", "", "");
    assert_eq!(lists.told(Ok(7)), Some(7));
    assert_eq!(lists.missing, None);
    assert_eq!(lists.told::<u8>(Err(lacks)), None);
    let second = Fault::new("the start order is odd", "lon-esx1", "", "");
    lists.told::<u8>(Err(second));
    let why = lists.missing.as_deref();
    assert_eq!(why, Some("esxcli knows no vm process list"));
}

#[test]
fn what_runs_stays_told_where_the_host_then_falls_silent() {
    let silent = || Fault::new("no reply to getallvms", "lon-esx1", "", "").passing();
    let told = |running: &[RunningVm]| {
        let mut lists = Lists::default();
        lists.told::<Inventory>(Err(silent()));
        let mut copies = vec![];
        add_running(&mut copies, running, &marks(Some(OWN))).unwrap();
        lists.in_all(copies)
    };
    let told_some = told(&[running(OWN, "sql01/sql01.vmx", "sql01")]);
    let Told::Part { why, copies } = told_some else {
        panic!("{told_some:?}")
    };
    assert!(copies[0].runs() && why == "no reply to getallvms", "{why}");
    // That it does not run is not told by that.
    let nothing = told(&[running(OTHER, "web01/web01.vmx", "web01")]);
    let Told::Part { copies, .. } = nothing else {
        panic!("{nothing:?}")
    };
    assert_eq!(copies, []);
}
