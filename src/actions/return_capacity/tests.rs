use jiff::Timestamp;

use super::super::tests::{blocked, lines, needed, step};
use super::*;
use crate::hypervisor::esxi::Vmid;
use crate::hypervisor::esxi::summary::VmSummary;

/// An expendable VM as it was found; `None`: its host does not know it.
fn due(vm: &str, power: Option<PowerState>) -> Due {
    let vmx = format!("[local1] {vm}/{vm}.vmx");
    let at = VmAt {
        vm: vm.into(),
        role: SiteRole::Recovery,
        site: "Leeds".to_owned(),
        host: "lee-esx1".into(),
        datastore: "local1".to_owned(),
        folder: vm.to_owned(),
        vmx: Some(format!("{vm}.vmx")),
    };
    let entry = power.map(|power| Entry {
        vmid: Vmid(7),
        summary: VmSummary {
            name: vm.to_owned(),
            datastore: "local1".to_owned(),
            path: format!("{vm}/{vm}.vmx"),
            uuid_bios: None,
            power,
            connection: "connected".to_owned(),
            has_question: false,
            boot_time: None,
            uptime: None,
            tools_running: false,
            ip_address: None,
            heartbeat: None,
            memory_mib: None,
            cpus: None,
            annotation: String::new(),
        },
    });
    Due {
        item: Item {
            host: at.host.clone(),
            vm: Some(at.vm.clone()),
            thing: Thing::Freed(vmx),
            since: Timestamp::UNIX_EPOCH,
            step: None,
            announced: false,
            kept: false,
            gone: None,
        },
        at,
        registration: Registration {
            entry,
            ..Registration::default()
        },
        question: None,
        under_way: false,
    }
}

fn decided(due: Vec<Due>, tenants: &[&str]) -> ProbeAnswer {
    let (_, step) = step("failover/recover/sql01/register");
    let tenants = tenants.iter().map(|who| (*who).to_owned()).collect();
    ReturnCapacity::new(&step, &[]).decide(&Some(Seen { due, tenants }))
}

#[test]
fn nothing_takes_the_memory_of_what_still_runs_there_without_a_word() {
    let off = || vec![due("lab-1", Some(PowerState::Off))];
    let answer = decided(off(), &[]);
    assert_eq!(needed(&answer).typed, None);
    let answer = decided(off(), &["app01 on lee-esx1"]);
    let asked = needed(&answer);
    assert_eq!(asked.typed.as_deref(), Some(CONSENT));
    assert!(asked.changes[1].ends_with("runs there: app01 on lee-esx1"));
    let gone = decided(vec![due("lab-1", None)], &["app01 on lee-esx1"]);
    blocked(&gone);
}

#[test]
fn what_was_started_before_is_not_started_again() {
    let mut asks = due("lab-1", Some(PowerState::On));
    asks.question = Some(Question {
        id: "4".to_owned(),
        key: None,
        text: "moved or copied?".to_owned(),
        choices: Vec::new(),
        default: None,
    });
    let mut starts = due("lab-2", Some(PowerState::Off));
    starts.under_way = true;
    let answer = decided(vec![asks, starts, due("lab-3", Some(PowerState::Off))], &[]);
    let words = ["waits on a question", "is being started", "is off"];
    let found: Vec<&str> = answer.found.split("; ").collect();
    assert!(found.iter().zip(words).all(|(is, word)| is.ends_with(word)));
    let shown = lines(needed(&answer));
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].starts_with("vim-cmd vmsvc/message 7"), "{shown:?}");
    assert_eq!(shown[1], "vim-cmd vmsvc/power.on 7");
}

#[test]
fn what_the_list_does_not_have_is_told_as_far_as_that_is_known() {
    let gone = |change: &dyn Fn(&mut Registration)| {
        let mut gone = due("lab-1", None);
        change(&mut gone.registration);
        decided(vec![gone], &[]).found
    };
    assert!(gone(&|_| ()).ends_with("is not registered (getallvms)"));
    let unread = gone(&|seen| seen.unread = 1);
    assert!(unread.contains("some lines could not be read"), "{unread}");
    let invalid = gone(&|seen| seen.unlisted.invalid = Some(Vmid(9)));
    assert!(invalid.contains("an unreadable entry"), "{invalid}");
    let runs = gone(&|seen| seen.unlisted.runs = true);
    assert!(runs.contains("lab-1 on lee-esx1 runs"), "{runs}");
}

#[test]
fn an_undo_starts_nothing_beside_what_still_runs_there() {
    let (_, step) = step("failover/recover/sql01/register");
    let back = ReturnCapacity::new(&step, &[]);
    let may = |power, tenants: &[&str]| {
        let tenants = tenants.iter().map(|who| (*who).to_owned()).collect();
        let due = vec![due("lab-1", Some(power))];
        back.may_start_unasked(&Some(Seen { due, tenants }))
    };
    assert_eq!(may(PowerState::Off, &[]), Ok(()));
    assert_eq!(may(PowerState::On, &["app01 on lee-esx1"]), Ok(()));
    let why = may(PowerState::Off, &["app01 on lee-esx1"]).unwrap_err();
    assert!(why.what.contains("app01 on lee-esx1"), "{}", why.what);
}

#[test]
fn each_that_did_not_start_is_named() {
    let fault = |vm: &str| Fault::new(format!("{vm} is not on"), "lee-esx1", "off", "retry");
    let all = together(vec![fault("lab-1"), fault("lab-2")]).unwrap();
    assert_eq!(all.what, "lab-1 is not on; lab-2 is not on");
    assert_eq!(together(Vec::new()), None);
}
