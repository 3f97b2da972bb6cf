//! Rows of the lists of VMs that are asked about before they are believed.

use super::*;
use crate::readiness::rows::in_question;

#[test]
fn only_rows_that_would_lead_to_a_finding_are_asked_about() {
    let asked = |rows: Vec<Registered>| {
        let (task, mut seen) = (task(), seen());
        lee(&mut seen).registered = Ok(rows);
        let asked = in_question(&task, &seen).into_iter();
        let asked =
            asked.flat_map(|(host, rows)| rows.into_iter().map(move |row| (host.clone(), row)));
        let asked = asked.map(|(host, row)| format!("{host} {}", row.vmid));
        asked.collect::<Vec<_>>()
    };
    let row = |vmid, name: &str, folder: &str, identity: &str| Registered {
        name: name.to_owned(),
        path: format!("{folder}/a.vmx"),
        ..registered(vmid, identity)
    };
    // Those at home are where they are expected.
    assert_eq!(asked(vec![row(9, "other", "other", "other")]), [""; 0]);
    let rows = vec![
        row(10, "SQL01", "old", "other"),
        row(11, "other", "old", "sql01"),
        row(12, "other", "sql01", "other"),
    ];
    let all = ["lee-esx1 10", "lee-esx1 11", "lee-esx1 12"];
    assert_eq!(asked(rows), all);
}

#[test]
fn a_vm_at_home_that_is_another_machine_is_asked_about() {
    let (task, mut seen) = (task(), seen());
    let home = seen.esxi_mut(&"lon-esx1".into()).unwrap();
    let rows = home.registered.as_mut().unwrap();
    rows[1].identity = registered(1, "other").identity;
    let wanted = [("lon-esx1".into(), vec![rows[1].clone()])];
    assert_eq!(in_question(&task, &seen), wanted.into());
}
