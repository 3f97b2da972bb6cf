use super::super::tests::parts::{entry, registration};
use super::super::tests::{blocked, done, lines, needed, step};
use super::files::View;
use super::*;
use crate::actions::action::Action;
use crate::actions::answer::Known;
use crate::actions::isolation::Joined;
use crate::actions::later::KeptByLater;
use crate::actions::registered::{Registration, Unlisted};
use crate::actions::store::Store;
use crate::engine::{Entry as Line, RunEvent, RunInfo, RunState};
use crate::host::HostCommand;
use crate::hypervisor::esxi::network::{PortGroup, Vswitch};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::hypervisor::shell::{self, FileKind, FileStat};
use crate::names::{HostName, OpId};
use crate::plan::{Aside, Placed, PlacedFile};
use crate::runbook::model::SiteRole;
use crate::vmfiles::Adapter;

const FOLDER: &str = "/vmfs/volumes/local1/sql01";
const MARK: &str = ".lifeboat-r1-";

fn at() -> VmAt {
    let (runbook, mut step) = step("failover/recover/sql01/register");
    step.hosts = vec!["lee-esx1".into()];
    place(
        &runbook,
        &step,
        &"sql01".into(),
        &format!("{FOLDER}/sql01.vmx"),
    )
    .unwrap()
}

#[test]
fn a_place_is_read_in_either_of_a_hosts_spellings() {
    let (runbook, mut step) = step("failover/recover/sql01/register");
    step.hosts = vec!["lee-esx1".into()];
    let vm = VmName::from("sql01");
    let one = at();
    assert_eq!(
        (one.role, one.vmx.as_deref()),
        (SiteRole::Recovery, Some("sql01.vmx"))
    );
    assert_eq!(one.folder_path(), FOLDER);
    let other = place(&runbook, &step, &vm, "[local1] sql01/sql01.vmx").unwrap();
    assert_eq!(other, one);
    let deep = place(&runbook, &step, &vm, "/vmfs/volumes/local1/a/b/").unwrap();
    assert_eq!((deep.folder.as_str(), deep.vmx), ("a/b", None));
    for wrong in ["", "/", "/etc/passwd", "/vmfs/volumes/local1", "sql01.vmx"] {
        assert!(place(&runbook, &step, &vm, wrong).is_err(), "{wrong}");
    }
}

fn folder(names: &[&str]) -> files::Seen {
    let stat = FileStat {
        kind: FileKind::File,
        size: 5,
        mode: 0o600,
        modified: 0,
        allocated: 5,
    };
    files::Seen {
        store: Store::Here {
            uuid: "u".to_owned(),
            free: 1,
        },
        folder: true,
        entries: names
            .iter()
            .map(|name| ((*name).to_owned(), Some(stat)))
            .collect(),
        registered: Vec::new(),
        used: None,
        unlisted: Unlisted::default(),
        doubtful: false,
        twice: None,
        later: None,
        run: "r1".into(),
    }
}

/// The VM that is registered from there.
fn from_here(on: bool) -> files::FromHere {
    files::FromHere {
        vmid: Vmid(7),
        vmx: "sql01.vmx".to_owned(),
        on,
        view: View::default(),
    }
}

/// A file that was placed with the size that all files of [`folder`] have.
fn file(name: &str) -> PlacedFile {
    PlacedFile {
        path: format!("{FOLDER}/{name}"),
        bytes: Some(5),
        part: None,
    }
}

fn removal(made: bool) -> Close {
    Close::RemoveFiles {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        placed: Placed {
            folder: FOLDER.to_owned(),
            made,
            files: vec![file("sql01.vmdk")],
            typed: false,
        },
    }
}

fn decide(close: &Close, seen: files::Seen) -> ProbeAnswer {
    EndFiles::new(close, at()).decide(&Known::Is(seen))
}

/// What each command is about, within the folder.
fn about(proposal: &Proposal) -> Vec<&str> {
    lines(proposal)
        .into_iter()
        .map(|line| line.split(" _ ").last().unwrap_or_default())
        .map(|words| words.split(' ').next().unwrap_or_default())
        .map(|path| path.strip_prefix(FOLDER).unwrap_or(path))
        .collect()
}

#[test]
fn what_a_vm_with_its_files_of_before_is_not_made_of_goes_from_beside_them() {
    let used = |names: &[&str]| {
        let mut seen = folder(&["sql01.vmdk", "sql01.vmx"]);
        seen.registered = vec![from_here(true)];
        seen.used = Some(names.iter().map(|name| (*name).to_owned()).collect());
        seen
    };
    let answer = decide(&removal(false), used(&["sql01.vmx", "other.vmdk"]));
    assert_eq!(about(needed(&answer)), ["/sql01.vmdk"]);
    for (made, names) in [(false, ["sql01.vmx", "sql01.vmdk"]), (true, ["", ""])] {
        let mut seen = used(&names);
        seen.entries
            .retain(|(name, _)| !made || name == "sql01.vmdk");
        let answer = decide(&removal(made), seen);
        assert!(
            blocked(&answer).what.contains("a VM is registered"),
            "{answer:?}"
        );
    }
}

#[test]
fn files_go_by_name_and_what_others_put_there_stays() {
    let names = [
        "sql01.vmdk",
        "notes.txt",
        "sql01.vmx.lifeboat-r1-new",
        "sql01.vmx.lifeboat-r1-before",
        "sql01.vmx.lifeboat-r2-new",
        "vmware.log",
        "sql01-000001.vmdk",
    ];
    let answer = decide(&removal(false), folder(&names));
    assert_eq!(
        about(needed(&answer)),
        ["/sql01.vmdk", "/sql01.vmx.lifeboat-r1-new"],
        "in a folder of before a host's files may be another VM's; a kept file is no work file"
    );
    let answer = decide(&removal(true), folder(&names));
    let proposal = needed(&answer);
    assert_eq!(
        about(proposal),
        [
            "/sql01.vmdk",
            "/sql01.vmx.lifeboat-r1-new",
            "/vmware.log",
            "/sql01-000001.vmdk"
        ]
    );
    let stays = proposal
        .changes
        .iter()
        .find(|line| line.starts_with("these stay"));
    assert!(stays.unwrap().contains("notes.txt"), "{stays:?}");
    let answer = decide(&removal(true), folder(&["sql01.vmdk"]));
    assert_eq!(
        about(needed(&answer)),
        ["/sql01.vmdk", ""],
        "then the folder itself"
    );
    // Names of guests that are older than their host's taste.
    let answer = decide(&removal(true), folder(&["WEB01.NVRAM", "vmware-0.LOG"]));
    assert_eq!(
        about(needed(&answer)),
        ["/WEB01.NVRAM", "/vmware-0.LOG", ""]
    );
    done(&decide(&removal(true), folder(&["notes.txt"])));
    done(&decide(&removal(false), folder(&[])));
}

fn removal_of(files: Vec<PlacedFile>) -> Close {
    Close::RemoveFiles {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        placed: Placed {
            folder: FOLDER.to_owned(),
            made: true,
            files,
            typed: false,
        },
    }
}

#[test]
fn files_that_a_later_run_put_in_the_place_of_this_runs_stay() {
    let aside = "sql01.vmdk.lifeboat-r2-original";
    let seen = || {
        let mut seen = folder(&["sql01.vmdk", aside, "sql01.vmdk.lifeboat-r1-original"]);
        seen.later = KeptByLater::find([aside], "r1");
        seen
    };
    for close in [removal(true), names_back()] {
        let answer = decide(&close, seen());
        let fault = blocked(&answer);
        assert!(
            fault.what.contains(aside) && fault.next.contains("lifeboat rollback r2"),
            "{fault}"
        );
    }
    let large = PlacedFile {
        bytes: Some(1 << 20),
        ..file("sql01-flat.vmdk")
    };
    let answer = decide(&removal_of(vec![large]), folder(&["sql01-flat.vmdk"]));
    assert!(blocked(&answer).what.contains("another size"), "{answer:?}");
    // A host writes into the small ones as it pleases.
    let small = PlacedFile {
        bytes: Some(6),
        ..file("sql01.vmx")
    };
    let answer = decide(&removal_of(vec![small]), folder(&["sql01.vmx"]));
    assert_eq!(about(needed(&answer)), ["/sql01.vmx", ""]);
}

#[test]
fn a_file_whose_rename_was_not_seen_goes_only_where_nothing_has_its_old_name() {
    let part = "sql01-flat.vmdk.lifeboat-r1-part";
    let renamed = PlacedFile {
        bytes: None,
        part: Some(format!("{FOLDER}/{part}")),
        ..file("sql01-flat.vmdk")
    };
    let close = removal_of(vec![renamed]);
    let answer = decide(&close, folder(&["sql01-flat.vmdk"]));
    assert_eq!(about(needed(&answer)), ["/sql01-flat.vmdk", ""]);
    // As long as its old name is there it is not the run's, and that name is all that shows it.
    let both = decide(&close, folder(&["sql01-flat.vmdk", part]));
    let fault = blocked(&both);
    assert!(fault.what.contains(part), "{fault}");
    // With that alone gone, the next look would take the file for the run's.
    assert!(
        fault.next.contains("move it to another folder") && !fault.next.contains("skip"),
        "{fault}"
    );
    assert!(!fault.next.contains(part), "{fault}");
}

#[test]
fn a_disk_that_grew_since_is_the_runs_all_the_same() {
    let delta = PlacedFile {
        bytes: Some(6),
        ..file("sql01-000001-delta.vmdk")
    };
    let close = removal_of(vec![delta]);
    let answer = decide(&close, folder(&["sql01-000001-delta.vmdk"]));
    assert_eq!(about(needed(&answer)), ["/sql01-000001-delta.vmdk", ""]);
}

/// A rollback of a move home leaves such a file beside the VM that lives on there.
#[test]
fn work_files_go_though_a_vm_is_registered_from_their_folder() {
    let undone = "sql01.vmx.lifeboat-r1-undone";
    let mut seen = folder(&["sql01.vmx", undone]);
    seen.registered = vec![from_here(true)];
    let answer = decide(&removal(false), seen);
    assert_eq!(about(needed(&answer)), [format!("/{undone}")]);
}

#[test]
fn files_stay_while_a_vm_is_registered_from_them_or_the_volume_is_another() {
    let mut seen = folder(&["sql01.vmdk"]);
    seen.registered = vec![from_here(false)];
    assert!(
        blocked(&decide(&removal(true), seen))
            .what
            .contains("registered")
    );
    let mut seen = folder(&["sql01.vmdk"]);
    seen.store = Store::Changed {
        was: "a".to_owned(),
        is: "b".to_owned(),
    };
    assert!(
        blocked(&decide(&removal(true), seen))
            .what
            .contains("not the volume")
    );
}

fn original() -> Vec<Aside> {
    let path = format!("{FOLDER}/sql01.vmdk");
    vec![Aside {
        aside: format!("{path}{MARK}original"),
        path,
        bytes: Some(5),
    }]
}

fn names_back() -> Close {
    Close::NamesBack {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        originals: original(),
    }
}

#[test]
fn a_file_of_before_gets_its_name_back_and_nothing_is_overwritten() {
    let aside = "sql01.vmdk.lifeboat-r1-original";
    let answer = decide(&names_back(), folder(&["sql01.vmdk", aside]));
    let renames: Vec<String> = [
        ("sql01.vmdk", "sql01.vmdk.lifeboat-r1-undone"),
        (aside, "sql01.vmdk"),
    ]
    .iter()
    .map(|(from, to)| shell::rename(&format!("{FOLDER}/{from}"), &format!("{FOLDER}/{to}")).line())
    .collect();
    assert_eq!(lines(needed(&answer)), renames);
    let answer = decide(&names_back(), folder(&[aside]));
    assert_eq!(
        lines(needed(&answer)),
        renames[1..],
        "cut off between the two"
    );
    done(&decide(&names_back(), folder(&["sql01.vmdk"])));
    let mut other = folder(&["sql01.vmdk"]);
    other.entries[0].1.as_mut().unwrap().size = 6;
    blocked(&decide(&names_back(), other));
    blocked(&decide(&names_back(), folder(&[])));
    let mut on = folder(&["sql01.vmdk", aside]);
    on.registered = vec![from_here(true)];
    blocked(&decide(&names_back(), on));
}

#[test]
fn a_vmx_that_got_its_name_back_is_read_before_that_counts_as_done() {
    let with = |names: &[&str], on, view| {
        let mut seen = folder(names);
        seen.registered = vec![files::FromHere {
            view,
            ..from_here(on)
        }];
        decide(&names_back(), seen)
    };
    let reload = "vim-cmd vmsvc/reload 7";
    let home = ["sql01.vmdk"];
    assert_eq!(lines(needed(&with(&home, false, View::Unread))), [reload]);
    done(&with(&home, false, View::Read(None)));
    let aside = "sql01.vmdk.lifeboat-r1-original";
    let answer = with(&[aside], false, View::OfOther);
    assert_eq!(lines(needed(&answer)).last(), Some(&reload));
}

#[test]
fn an_original_is_deleted_only_beside_the_file_that_took_its_place() {
    let close = Close::RemoveOriginals {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        originals: original(),
    };
    let aside = "sql01.vmdk.lifeboat-r1-original";
    let answer = decide(&close, folder(&["sql01.vmdk", aside]));
    assert_eq!(about(needed(&answer)), ["/sql01.vmdk.lifeboat-r1-original"]);
    blocked(&decide(&close, folder(&[aside])));
    let mut other = folder(&["sql01.vmdk", aside]);
    other.entries[1].1.as_mut().unwrap().size = 6;
    blocked(&decide(&close, other));
    done(&decide(&close, folder(&["sql01.vmdk"])));
    let mut split = folder(&["sql01.vmdk", aside]);
    split.twice = Some("sql01 runs on lee-esx1 and on lon-esx1".to_owned());
    let answer = decide(&close, split);
    assert!(
        blocked(&answer)
            .next
            .contains("watch --hosts r1; then retry"),
        "{answer:?}"
    );
}

/// To unregister it, to give its autostart entry back, and to stop it.
fn of_a_vm() -> [Close; 3] {
    let vmx = format!("{FOLDER}/sql01.vmx");
    let (vm, host) = (VmName::from("sql01"), HostName::from("lee-esx1"));
    let unregister = Close::Unregister {
        vm: vm.clone(),
        host: host.clone(),
        vmx: vmx.clone(),
    };
    let autostart = Close::AutostartBack {
        vm: vm.clone(),
        host: host.clone(),
        vmx: vmx.clone(),
    };
    [unregister, autostart, Close::Stop { vm, host, vmx }]
}

fn decide_vm(close: &Close, registration: Registration) -> ProbeAnswer {
    let seen = vms::Seen {
        registration: Known::Is(registration),
        ..vms::Seen::default()
    };
    EndVm::new(close, at()).decide(&seen)
}

#[test]
fn a_vm_is_unregistered_when_it_is_off_and_stopped_when_it_is_on() {
    let [unregister, _, stop] = of_a_vm();
    let decide = |close: &Close, power: Option<PowerState>| {
        let entry = power.map(|power| entry(power, "connected"));
        decide_vm(close, registration(entry))
    };
    assert_eq!(
        lines(needed(&decide(&unregister, Some(PowerState::Off)))),
        ["vim-cmd vmsvc/unregister 7"]
    );
    blocked(&decide(&unregister, Some(PowerState::On)));
    done(&decide(&unregister, None));
    assert_eq!(
        lines(needed(&decide(&stop, Some(PowerState::On)))),
        [
            "vim-cmd vmsvc/power.shutdown 7",
            "vim-cmd vmsvc/power.off 7"
        ]
    );
    done(&decide(&stop, Some(PowerState::Off)));
    done(&decide(&stop, None));
}

#[test]
fn a_vm_whose_guest_cannot_be_asked_is_powered_off_at_once_only_if_a_drill_made_it() {
    let [_, _, stop] = of_a_vm();
    let answer = |is_drills| {
        let mut deaf = entry(PowerState::On, "connected");
        deaf.summary.tools_running = false;
        let seen = vms::Seen {
            registration: Known::Is(registration(Some(deaf))),
            is_drills,
            ..vms::Seen::default()
        };
        EndVm::new(&stop, at()).decide(&seen)
    };
    let off = "vim-cmd vmsvc/power.off 7";
    let drills = answer(true);
    assert_eq!(lines(needed(&drills)), [off]);
    assert!(needed(&drills).changes[0].contains("what a drill made is not kept"));
    let own = answer(false);
    assert_eq!(lines(needed(&own)), ["vim-cmd vmsvc/power.shutdown 7", off]);
    let change = &needed(&own).changes[0];
    assert!(
        change.contains("unless they do by then, after 5m"),
        "{change}"
    );
}

#[test]
fn a_vm_without_a_row_in_the_list_may_run_and_may_have_an_entry() {
    let [unregister, autostart, stop] = of_a_vm();
    let of_vm = |close: &Close, unread: usize, unlisted: &Unlisted| {
        let registration = Registration {
            unread,
            unlisted: unlisted.clone(),
            ..Registration::default()
        };
        decide_vm(close, registration)
    };
    let of_files = |names: &[&str], unlisted: &Unlisted| {
        let mut seen = folder(names);
        seen.unlisted = unlisted.clone();
        decide(&removal(true), seen)
    };
    let runs = Unlisted {
        invalid: None,
        runs: true,
    };
    for close in [&unregister, &stop, &autostart] {
        let what = blocked(&of_vm(close, 0, &runs)).what.clone();
        assert!(what.contains("without being registered"), "{what}");
    }
    blocked(&of_files(&["sql01.vmdk"], &runs));
    let work = "sql01.vmx.lifeboat-r1-new";
    needed(&of_files(&["sql01.vmx", work], &runs));
    let invalid = Unlisted {
        invalid: Some(Vmid(9)),
        runs: false,
    };
    let goes = of_vm(&unregister, 0, &invalid);
    assert_eq!(lines(needed(&goes)), ["vim-cmd vmsvc/unregister 9"]);
    assert_eq!(done(&of_vm(&stop, 0, &invalid)).len(), 2);
    blocked(&of_vm(&autostart, 0, &invalid));
    blocked(&of_files(&["sql01.vmdk"], &invalid));
    let nothing = Unlisted::default();
    let doubt = "some lines could not be read";
    assert!(done(&of_vm(&unregister, 1, &nothing))[0].contains(doubt));
    let mut seen = folder(&["sql01.vmdk"]);
    seen.doubtful = true;
    let answer = decide(&removal(true), seen);
    let changes = &needed(&answer).changes;
    assert!(
        changes
            .iter()
            .any(|line| line.contains("could not be read"))
    );
}

#[test]
fn a_port_group_goes_only_from_the_switch_on_which_the_run_made_it_and_unused() {
    let host = HostName::from("lee-esx1");
    let groups = [("Recovered".to_owned(), "vSwitch0".to_owned())];
    let switches = ["drill".to_owned()];
    let close = Close::RemoveNetworks {
        host: host.clone(),
        groups: groups.to_vec(),
        switches: switches.to_vec(),
    };
    let group = |name: &str, vswitch: &str, active_clients| PortGroup {
        name: name.to_owned(),
        vswitch: vswitch.to_owned(),
        vlan: 0,
        active_clients,
    };
    let switch = Vswitch {
        name: "drill".to_owned(),
        uplinks: Vec::new(),
        port_groups: Vec::new(),
        mtu: 1500,
    };
    let decide_with = |groups_there: Vec<PortGroup>, switches_there, joined| {
        let seen = networks::Seen {
            groups: groups_there,
            switches: switches_there,
            joined,
        };
        EndNetworks::new(&close, &host, &groups, &switches).decide(&Known::Is(seen))
    };
    let decide =
        |groups: Vec<PortGroup>, switches: Vec<Vswitch>| decide_with(groups, switches, Vec::new());
    let answer = decide(
        vec![group("Recovered", "vSwitch0", 0)],
        vec![switch.clone()],
    );
    assert_eq!(
        lines(needed(&answer)),
        [
            "esxcli network vswitch standard portgroup remove -p Recovered -v vSwitch0",
            "esxcli network vswitch standard remove -v drill"
        ]
    );
    done(&decide(vec![group("Recovered", "vSwitch1", 0)], vec![]));
    blocked(&decide(vec![group("Recovered", "vSwitch0", 1)], vec![]));
    // A VM that is off is no client, and would come up without its network.
    let off = |network: &str| Joined {
        name: "theirs".to_owned(),
        vmx: "/vmfs/volumes/local1/theirs/theirs.vmx".to_owned(),
        running: false,
        adapters: vec![Adapter {
            name: "ethernet0".to_owned(),
            present: true,
            network_name: Some(network.to_owned()),
            ..Adapter::default()
        }],
        unread: None,
    };
    let there = || vec![group("Recovered", "vSwitch0", 0)];
    let answer = decide_with(there(), vec![], vec![off("VM Network"), off("Recovered")]);
    let told = format!("{:?}", answer.verdict);
    assert!(
        told.contains("port group Recovered, to which theirs is joined, is in use"),
        "{told}"
    );
    assert!(told.contains("theirs/theirs.vmx) names it"), "{told}");
    needed(&decide_with(there(), vec![], vec![off("VM Network")]));
    let unread = Joined {
        adapters: vec![],
        unread: Some("Device or resource busy".to_owned()),
        ..off("")
    };
    let answer = decide_with(there(), vec![], vec![unread]);
    let changes = needed(&answer).changes.join("\n");
    assert!(changes.contains("whether theirs is joined"), "{changes}");
    blocked(&decide(vec![group("theirs", "drill", 0)], vec![switch]));
}

/// The ledger reads what the drivers write.
#[test]
fn commands_are_found_again_in_the_ledger() {
    let renamed = format!("{FOLDER}/sql01.vmx{MARK}before");
    let written = format!("{FOLDER}/sql01.vmx{MARK}new");
    let vmx = format!("{FOLDER}/sql01.vmx");
    let told = |command: &HostCommand| {
        let mut state = RunState::default();
        let info = RunInfo {
            run: "r1".into(),
            ..RunInfo::default()
        };
        let sent = RunEvent::WriteIntended {
            op: OpId(1),
            host: "lee-esx1".into(),
            command: command.line(),
            bulk: false,
        };
        for (seq, event) in (1..).zip([RunEvent::RunStarted(Box::new(info)), sent]) {
            state.apply(&Line {
                seq,
                at: jiff::Timestamp::UNIX_EPOCH,
                step: Some("failover/recover/sql01/network".into()),
                attempt: None,
                event,
            });
        }
        let ledger = Ledger::of(&state);
        ledger.items.iter().map(Item::what).collect::<Vec<_>>()
    };
    for (command, what) in [
        (
            commands::register(&vmx),
            format!("sql01 registered from {vmx}"),
        ),
        (
            commands::unregister(Vmid(7)),
            "sql01 taken out of the inventory".to_owned(),
        ),
        (commands::power_on(Vmid(7)), "sql01 powered on".to_owned()),
        (
            commands::portgroup_add("A b", "vSwitch0"),
            "port group A b on vSwitch0".to_owned(),
        ),
        (
            shell::rename(&vmx, &renamed),
            format!("original {vmx}, renamed to sql01.vmx{MARK}before"),
        ),
        (
            shell::rename(&written, &vmx),
            format!("work files of the run in {FOLDER}"),
        ),
    ] {
        assert_eq!(told(&command), [what], "{}", command.line());
    }
    assert!(told(&commands::power_off(Vmid(7))).is_empty());
}
