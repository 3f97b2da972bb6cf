use super::*;
use crate::digest::sha256;
use crate::engine::{RunEvent, RunInfo, StopOutcome};
use crate::names::OpId;

const AT_HOME: &str = "lon-esx1";
const AWAY: &str = "lee-esx1";

/// A run's journal, a line at a time.
struct Told {
    state: RunState,
    ops: u64,
}

impl Told {
    fn new() -> Self {
        let info = RunInfo {
            run: "r1".into(),
            ..RunInfo::default()
        };
        Self {
            state: RunState::begun(info),
            ops: 0,
        }
    }

    fn line(&mut self, step: &str, event: RunEvent) {
        self.state.tell(step, event);
    }

    fn sent(&mut self, step: &str, host: &str, command: &str) -> OpId {
        self.ops += 1;
        let op = OpId(self.ops);
        let (host, command) = (host.into(), command.to_owned());
        let event = RunEvent::WriteIntended {
            op,
            host,
            command,
            bulk: false,
        };
        self.line(step, event);
        op
    }

    /// A command that printed this and ended well.
    fn ended(&mut self, step: &str, command: &str, printed: &str) {
        let op = self.sent(step, AWAY, command);
        let event = RunEvent::WriteFinished {
            op,
            exit: 0,
            took_ms: 1,
            output_sha256: Some(sha256(format!("{printed}\n"))),
        };
        self.line(step, event);
    }

    fn said(&mut self, step: &str, fact: Fact) {
        self.line(step, RunEvent::FactFound(fact));
    }

    fn standing(&self) -> Vec<String> {
        let ledger = Ledger::of(&self.state);
        ledger.standing().map(ToString::to_string).collect()
    }

    fn work_files(&self) -> Vec<String> {
        let mut standing = self.standing();
        standing.retain(|line| line.contains("work files"));
        standing
    }
}

fn registered(host: &str) -> Fact {
    Fact::Registered {
        vm: "sql01".into(),
        host: host.into(),
        vmx: "/vmfs/volumes/local1/sql01/sql01.vmx".to_owned(),
        uuid_bios: String::new(),
    }
}

fn powered_on(host: &str) -> Fact {
    Fact::PoweredOn {
        vm: "sql01".into(),
        host: host.into(),
    }
}

fn stop_wanted(host: &str) -> Fact {
    Fact::StopWanted {
        vm: "sql01".into(),
        host: host.into(),
        vmx: "[local1] sql01/sql01.vmx".to_owned(),
    }
}

fn placed(path: &str) -> Fact {
    Fact::FilePlaced {
        vm: "sql01".into(),
        host: AWAY.into(),
        path: path.to_owned(),
        bytes: 3,
        sha256: String::new(),
        proof: String::new(),
    }
}

fn kept(path: &str, aside: &str) -> Fact {
    Fact::OriginalKept {
        vm: "sql01".into(),
        host: AWAY.into(),
        path: path.to_owned(),
        aside: aside.to_owned(),
        bytes: Some(3),
    }
}

#[test]
fn what_was_found_as_wanted_is_not_the_runs() {
    let mut told = Told::new();
    told.said("failover/recover/sql01/register", registered(AWAY));
    told.said("failover/recover/sql01/power_on", powered_on(AWAY));
    assert_eq!(told.standing(), [""; 0]);
}

#[test]
fn a_command_counts_from_its_announcement_unless_it_never_left() {
    let mut told = Told::new();
    let step = "failover/recover/sql01/register";
    let command = "vim-cmd solo/registervm /vmfs/volumes/local1/sql01/sql01.vmx";
    let op = told.sent(step, AWAY, command);
    let line = "lee-esx1: sql01 registered from /vmfs/volumes/local1/sql01/sql01.vmx";
    assert_eq!(told.standing(), [format!("{line} (announced, not seen)")]);
    let mut never = Told::new();
    never.sent(step, AWAY, command);
    let why = "the link was down".to_owned();
    never.line(step, RunEvent::WriteNotSent { op, why });
    assert_eq!(never.standing(), [""; 0]);
    told.said(step, registered(AWAY));
    assert_eq!(told.standing(), [line]);
}

#[test]
fn what_the_run_stopped_at_the_source_is_told_from_what_it_had_started() {
    let mut told = Told::new();
    told.said("failover/recover/sql01/fence", stop_wanted(AT_HOME));
    let step = "failover/recover/sql01/power_on";
    told.sent(step, AWAY, "vim-cmd vmsvc/power.on 7");
    told.said(step, powered_on(AWAY));
    told.said("rollback/take-down/sql01/stop", stop_wanted(AWAY));
    assert_eq!(
        told.standing(),
        [
            "lon-esx1: sql01 stopped (announced, not seen)",
            "lee-esx1: sql01 powered on"
        ]
    );
    let stopped = Fact::Stopped {
        vm: "sql01".into(),
        host: AWAY.into(),
        how: String::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    told.said("rollback/take-down/sql01/stop", stopped);
    told.said("rollback/bring-back/sql01/power_on", powered_on(AT_HOME));
    assert_eq!(told.standing(), [""; 0]);
    let ledger = Ledger::of(&told.state);
    assert!(
        ledger.has_run(&"sql01".into(), &AWAY.into()),
        "its files may hold data"
    );
}

#[test]
fn an_original_is_of_before_only_where_the_run_had_not_placed_that_file() {
    let mut told = Told::new();
    let (own, other) = ("/v/local1/sql01/sql01.vmx", "/v/local1/sql01/sql01.nvram");
    let renamed = format!("sh -c 'mv' _ {own}.lifeboat-r1-part {own}");
    told.sent("failover/recover/sql01/restore", AWAY, &renamed);
    told.said("failover/recover/sql01/restore", placed(own));
    told.said(
        "failover/recover/sql01/network",
        kept(own, "/v/local1/sql01/a"),
    );
    told.said(
        "failover/recover/sql01/network",
        kept(other, "/v/local1/sql01/b"),
    );
    told.said("failover/recover/sql01/network", placed(other));
    told.said(
        "failover/recover/sql01/network",
        kept(other, "/v/local1/sql01/c"),
    );
    let ledger = Ledger::of(&told.state);
    let is_original = |item: &&Item| matches!(item.thing, Thing::Original { .. });
    let of_before: Vec<bool> = ledger
        .items
        .iter()
        .filter(is_original)
        .map(|item| ledger.is_of_before(item))
        .collect();
    assert_eq!(of_before, [false, true, false]);
}

#[test]
fn a_rename_that_was_announced_and_not_told_keeps_the_original_in_mind() {
    let mut told = Told::new();
    let command =
        "sh -c 'mv' _ /vmfs/volumes/ds/sql01/x.vmx /vmfs/volumes/ds/sql01/x.vmx.lifeboat-r1-before";
    told.sent("failback/go-home/sql01/network", AT_HOME, command);
    let work = "sh -c 'cat' _ /vmfs/volumes/ds/sql01/x.vmx.lifeboat-r1-new";
    told.sent("failback/go-home/sql01/network", AT_HOME, work);
    // Those of another run are nothing to this one.
    let others = "sh -c 'cat' _ /vmfs/volumes/ds/sql01/x.vmx.lifeboat-r2-new";
    told.sent("failback/go-home/sql01/network", AT_HOME, others);
    assert_eq!(
        told.standing(),
        [
            "lon-esx1: original /vmfs/volumes/ds/sql01/x.vmx, renamed to x.vmx.lifeboat-r1-before \
             (announced, not seen)",
            "lon-esx1: work files of the run in /vmfs/volumes/ds/sql01 (announced, not seen)",
        ]
    );
}

#[test]
fn what_was_undone_or_seen_gone_stands_no_more() {
    let mut told = Told::new();
    let step = "failover/recover/sql01/network";
    let made = Fact::PortGroupMade {
        host: AWAY.into(),
        name: "Recovered".to_owned(),
        vswitch: "vSwitch0".to_owned(),
        vlan: 20,
    };
    told.said(step, made);
    let folder = Fact::FolderMade {
        host: AWAY.into(),
        path: "/v/local1/sql01".to_owned(),
    };
    told.said("failover/recover/sql01/restore", folder);
    assert_eq!(told.standing().len(), 2);
    let gone = Fact::Gone {
        host: AWAY.into(),
        what: "port group Recovered on vSwitch0".to_owned(),
    };
    told.said("cleanup/clear-away/lee-esx1/remove_networks", gone);
    assert_eq!(told.standing(), ["lee-esx1: folder /v/local1/sql01"]);
    let evidence = Vec::new();
    told.line(
        "failover/recover/sql01/restore",
        RunEvent::StepUndone { evidence },
    );
    assert_eq!(told.standing(), [""; 0]);
}

#[test]
fn a_switch_that_was_seen_gone_is_not_told_as_left() {
    let mut told = Told::new();
    let made = Fact::VswitchMade {
        host: AWAY.into(),
        name: "drill-r1".to_owned(),
    };
    told.said("failover/recover/sql01/network", made);
    assert_eq!(told.standing(), ["lee-esx1: virtual switch drill-r1"]);
    let gone = Fact::Gone {
        host: AWAY.into(),
        what: "virtual switch drill-r1".to_owned(),
    };
    told.said("cleanup/clear-away/lee-esx1/remove_networks", gone);
    assert_eq!(told.standing(), [""; 0]);
}

#[test]
fn commands_in_the_runbooks_own_words_are_no_verbs_of_the_run() {
    let mut told = Told::new();
    for step in [
        "failover/recover/sql01/command",
        "failover/recover/sql01/command.2",
        "failover/recover/sql01/restore_files",
    ] {
        told.sent(step, AWAY, "vim-cmd vmsvc/power.on 7");
        told.sent(step, AWAY, "vim-cmd solo/registervm /v/local1/x/x.vmx");
    }
    assert_eq!(told.standing(), [""; 0]);
}

/// Taking back renames what it replaces: that lies there until somebody removes it.
#[test]
fn work_files_outlive_the_step_that_was_taken_back() {
    let mut told = Told::new();
    let step = "failback/go-home/sql01/network";
    let vmx = "/vmfs/volumes/ds/sql01/x.vmx";
    told.said(step, kept(vmx, &format!("{vmx}.lifeboat-r1-before")));
    let undone = format!("sh -c 'mv' _ {vmx} {vmx}.lifeboat-r1-undone");
    told.sent(step, AWAY, &undone);
    let evidence = Vec::new();
    told.line(step, RunEvent::StepUndone { evidence });
    assert_eq!(
        told.standing(),
        ["lee-esx1: work files of the run in /vmfs/volumes/ds/sql01 (announced, not seen)"]
    );
}

#[test]
fn work_files_that_got_their_final_names_are_not_told_as_left() {
    let step = "failover/recover/sql01/restore";
    let (file, disk) = (
        "/vmfs/volumes/ds/sql01/x.vmx",
        "/vmfs/volumes/ds/sql01/x.lifeboat-r1-part",
    );
    let finished = |op, exit| RunEvent::WriteFinished {
        op,
        exit,
        took_ms: 1,
        output_sha256: None,
    };
    let left = ["lee-esx1: work files of the run in /vmfs/volumes/ds/sql01 (announced, not seen)"];
    let mut told = Told::new();
    told.sent(
        step,
        AWAY,
        &format!("sh -c 'cat' _ {file}.lifeboat-r1-part"),
    );
    let renames = told.sent(
        step,
        AWAY,
        &format!("sh -c 'mv' _ {file}.lifeboat-r1-part {file}"),
    );
    told.line(step, finished(renames, 0));
    told.sent(
        step,
        AWAY,
        &format!("write up to 9 bytes to {disk}-flat.vmdk"),
    );
    assert_eq!(told.work_files(), left, "nothing was seen of it yet");
    let mut half = told.state.clone();
    let whole = format!("vmkfstools -E {disk}.vmdk /vmfs/volumes/ds/sql01/x.vmdk");
    let moves = told.sent(step, AWAY, &whole);
    told.line(step, finished(moves, 0));
    let evidence = Vec::new();
    told.line(step, RunEvent::StepDone { evidence });
    assert_eq!(told.work_files(), [""; 0]);
    std::mem::swap(&mut half, &mut told.state);
    let evidence = Vec::new();
    told.line(step, RunEvent::StepDone { evidence });
    assert_eq!(told.work_files(), left, "the disk's data was not renamed");
    let again = told.sent(
        step,
        AWAY,
        &format!("sh -c 'rm' _ {disk}-flat.vmdk /vmfs/volumes/ds/sql01"),
    );
    told.line(step, finished(again, 1));
    assert_eq!(told.work_files(), left, "it was not removed");
}

#[test]
fn what_makes_room_for_an_original_is_a_work_file_until_it_is_removed() {
    let mut told = Told::new();
    let vmx = "/vmfs/volumes/ds/sql01/x.vmx";
    let work = format!("{vmx}.lifeboat-r1-replaced");
    let (back, away) = (
        "rollback/bring-back/sql01/names_back",
        "rollback/clear-away/sql01/remove_files",
    );
    let finished = |op| RunEvent::WriteFinished {
        op,
        exit: 0,
        took_ms: 1,
        output_sha256: None,
    };
    let moves = told.sent(back, AWAY, &format!("sh -c 'mv' _ {vmx} {work}"));
    told.line(back, finished(moves));
    let evidence = Vec::new();
    told.line(back, RunEvent::StepDone { evidence });
    let left = ["lee-esx1: work files of the run in /vmfs/volumes/ds/sql01 (announced, not seen)"];
    assert_eq!(told.standing(), left);
    // A chapter's own starts are nothing that the run brought.
    told.sent(
        "rollback/bring-back/sql01/power_on",
        AWAY,
        "vim-cmd vmsvc/power.on 7",
    );
    assert_eq!(told.standing(), left);
    let removes = told.sent(
        away,
        AWAY,
        &format!("sh -c 'rm' _ {work} /vmfs/volumes/ds/sql01"),
    );
    told.line(away, finished(removes));
    let evidence = Vec::new();
    told.line(away, RunEvent::StepDone { evidence });
    assert_eq!(told.standing(), [""; 0]);
}

/// A disk that is made of files beside it, in a folder of the run's own that goes with them.
#[test]
fn what_a_disk_was_made_of_is_told_in_the_vms_folder_until_its_own_is_gone() {
    let step = "failover/recover/sql01/restore";
    let folder = "/vmfs/volumes/ds/sql01";
    let source = format!("{folder}/x.lifeboat-r1-source");
    let left = ["lee-esx1: work files of the run in /vmfs/volumes/ds/sql01 (announced, not seen)"];
    let mut told = Told::new();
    told.sent(step, AWAY, &format!("mkdir {source}"));
    for name in ["y.vmdk", "y-flat.vmdk"] {
        let part = format!("{source}/{name}.lifeboat-r1-part");
        told.ended(
            step,
            &format!("sh -c 'mv' _ {part} {source}/{name}"),
            "renamed",
        );
    }
    assert_eq!(told.standing(), left, "in one folder");
    let removal = format!("sh -c 'rmdir' _ {source}");
    told.ended(step, &removal, "full");
    let evidence = Vec::new();
    told.line(step, RunEvent::StepDone { evidence });
    assert_eq!(told.standing(), left, "something lies in it");
    let away = "cleanup/clear-away/sql01/remove_files";
    let what = Ledger::of(&told.state).items[0].what();
    let host = AWAY.into();
    told.said(away, Fact::Gone { host, what });
    let removal = format!("sh -c 'rm' _ {source}/y.vmdk {source}");
    told.ended(away, &removal, "removed");
    assert_eq!(told.standing(), [""; 0], "nothing comes by a removal");
    let removal = format!("sh -c 'rmdir' _ {source}");
    told.ended(away, &removal, "removed");
    let evidence = Vec::new();
    told.line(away, RunEvent::StepDone { evidence });
    assert_eq!(Ledger::of(&told.state).items.len(), 0, "with all below it");
}

#[test]
fn a_command_gives_a_name_unless_it_is_seen_not_to_have_done_so() {
    let step = "failback/go-home/sql01/copy_back";
    let file = "/vmfs/volumes/ds/sql01/x.nvram";
    let (part, aside) = (
        format!("{file}.lifeboat-r1-part"),
        format!("{file}.lifeboat-r1-original"),
    );
    let gives = |line: &str, then: &dyn Fn(&mut Told, OpId)| {
        let mut told = Told::new();
        let op = told.sent(step, AWAY, line);
        then(&mut told, op);
        let given = given_names(&told.state, &told.state.ops[&op]);
        (given == [file], Ledger::of(&told.state).items.len())
    };
    let named = format!("sh -c 'mv' _ {part} {file}");
    let open = |_: &mut Told, _| ();
    assert!(gives(&named, &open).0);
    for line in [
        format!("sh -c 'cat' _ {part} 600"),
        format!("sh -c 'mv' _ {file} {aside}"),
    ] {
        assert!(!gives(&line, &open).0, "{line}");
    }
    let taken = |told: &mut Told, op| {
        let (exit, took_ms) = (0, 1);
        let output_sha256 = Some(sha256("taken\n"));
        told.line(
            step,
            RunEvent::WriteFinished {
                op,
                exit,
                took_ms,
                output_sha256,
            },
        );
    };
    assert!(!gives(&named, &taken).0);
    // What never left made nothing either.
    let not_sent = |told: &mut Told, op| {
        let why = "cut".to_owned();
        told.line(step, RunEvent::WriteNotSent { op, why });
    };
    let never = |told: &mut Told, op| {
        let outcome = StopOutcome::NeverSent;
        told.line(step, RunEvent::LostStopped { op, outcome });
    };
    assert_eq!(gives(&named, &not_sent), (false, 0));
    assert_eq!(gives(&named, &never), (false, 0));
}

#[test]
fn a_name_is_free_only_where_its_command_says_so() {
    let step = "failover/recover/sql01/copy_back";
    let file = "/vmfs/volumes/ds/sql01/x.nvram";
    let (clone, part) = (
        format!("{file}.lifeboat-r1-clone"),
        format!("{file}.lifeboat-r1-part"),
    );
    let ends = |said: &str| {
        let mut told = Told::new();
        told.sent(step, AWAY, &format!("sh -c 'cp' _ {file} {clone}"));
        told.ended(step, &format!("sh -c 'mv' _ {clone} {part}"), "renamed");
        told.ended(step, &format!("sh -c 'mv' _ {part} {file}"), said);
        let evidence = Vec::new();
        told.line(step, RunEvent::StepAlreadyDone { evidence });
        told.work_files().len()
    };
    assert_eq!(ends("renamed"), 0);
    assert_eq!(ends("taken"), 1, "it ends with 0, too, and changes nothing");
    // A descriptor that is removed leaves its data.
    let mut told = Told::new();
    let disk = "/vmfs/volumes/ds/sql01/x.lifeboat-r1-clone";
    told.sent(step, AWAY, &format!("vmkfstools -i /v/y.vmdk {disk}.vmdk"));
    told.sent(step, AWAY, &format!("sh -c 'cat' _ {disk}-flat.vmdk"));
    let removal = format!("sh -c 'rm' _ {disk}.vmdk /vmfs/volumes/ds/sql01");
    told.ended(step, &removal, "removed");
    let evidence = Vec::new();
    told.line(step, RunEvent::StepDone { evidence });
    assert_eq!(told.standing().len(), 1);
}

/// A console that died before it could tell of the file leaves it behind all the same.
#[test]
fn a_file_counts_from_the_rename_that_gave_it_its_name() {
    let step = "failover/recover/sql01/restore";
    let file = "/vmfs/volumes/ds/sql01/x-flat.vmdk";
    let part = format!("{file}.lifeboat-r1-part");
    let command = format!("sh -c 'mv' _ {part} {file}");
    let line = |told: &Told| {
        let items = Ledger::of(&told.state).items;
        let mut files = items.into_iter().filter_map(|item| match &item.thing {
            Thing::File(file) => Some((item.announced, file.clone())),
            _ => None,
        });
        (files.next(), files.next())
    };
    let placed_as = |part: Option<&str>, bytes| PlacedFile {
        path: file.to_owned(),
        bytes,
        part: part.map(str::to_owned),
    };
    let mut told = Told::new();
    told.ended(step, &command, "renamed");
    let announced = Some((true, placed_as(None, None)));
    assert_eq!(line(&told), (announced, None));
    told.said(step, placed(file));
    let proven = Some((false, placed_as(None, Some(3))));
    assert_eq!(line(&told), (proven, None), "it is the same file");
    let mut refused = Told::new();
    refused.ended(step, &command, "taken");
    assert_eq!(line(&refused), (None, None));
    let mut cut_off = Told::new();
    cut_off.sent(step, AWAY, &command);
    let doubtful = Some((true, placed_as(Some(&part), None)));
    assert_eq!(line(&cut_off), (doubtful, None));
    // A host that renames a disk prints nothing, and takes its data along.
    let mut disk = Told::new();
    let folder = "/vmfs/volumes/ds/sql01";
    let rename = format!("vmkfstools -E {folder}/x.lifeboat-r1-part.vmdk {folder}/x.vmdk");
    disk.ended(step, &rename, "");
    let (descriptor, data) = line(&disk);
    let path = |found: Option<(bool, PlacedFile)>| found.map(|(_, file)| file.path);
    assert_eq!(path(descriptor), Some(format!("{folder}/x.vmdk")));
    assert_eq!(path(data).as_deref(), Some(file));
    // An edit of a .vmx places none.
    let mut edited = Told::new();
    let vmx = format!("{folder}/x.vmx");
    edited.ended(
        step,
        &format!("sh -c 'mv' _ {vmx}.lifeboat-r1-new {vmx}"),
        "renamed",
    );
    assert_eq!(line(&edited), (None, None));
}

/// What is proven equal stays where it is, and its proof is told as that of a file that came.
#[test]
fn a_file_that_was_there_and_equal_is_not_the_runs() {
    let mut told = Told::new();
    let step = "failback/go-home/sql01/copy_back";
    let folder = "/vmfs/volumes/ds/a b";
    let files: Vec<String> = ["x.nvram", "x.vmdk", "x-flat.vmdk", "y.vmdk", "y-flat.vmdk"]
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .collect();
    let renamed = format!(
        "sh -c 'mv' _ '{}.lifeboat-r1-part' '{}'",
        files[1], files[1]
    );
    told.sent(step, AWAY, &renamed);
    let cloned = format!("vmkfstools -i /v/z.vmdk '{folder}/y.lifeboat-r1-part.vmdk'");
    told.sent(step, AWAY, &cloned);
    // Giving a name back brings nothing.
    let back = format!(
        "sh -c 'mv' _ '{}.lifeboat-r1-original' '{}'",
        files[2], files[2]
    );
    told.sent(step, AWAY, &back);
    for file in &files {
        told.said(step, placed(file));
    }
    let ledger = Ledger::of(&told.state);
    let placed = ledger.items.iter().filter_map(|item| match &item.thing {
        Thing::File(file) => Some(file.path.as_str()),
        _ => None,
    });
    assert_eq!(
        placed.collect::<Vec<_>>(),
        [&files[1], &files[3], &files[4]]
    );
}

#[test]
fn what_made_room_is_due_back_from_its_announcement_until_it_is_seen_on() {
    let mut told = Told::new();
    let step = "failover/make-room/-/free_capacity";
    let (host, vmx) = (HostName::from(AWAY), "[local1] lab-1/lab-1.vmx".to_owned());
    let wanted = Fact::StopWanted {
        vm: "lab-1".into(),
        host: host.clone(),
        vmx: vmx.clone(),
    };
    told.said(step, wanted);
    let line = "lee-esx1: lab-1 ([local1] lab-1/lab-1.vmx) stopped to free capacity";
    assert_eq!(told.standing(), [format!("{line} (announced, not seen)")]);
    let freed = Fact::CapacityFreed {
        host: host.clone(),
        name: "lab-1".into(),
        vmx,
        how: "shut down by its guest".to_owned(),
    };
    told.said(step, freed);
    assert_eq!(told.standing(), [line]);
    // Starting it again is not a start of the run's: not by an undo that failed half way, either.
    told.sent(step, AWAY, "vim-cmd vmsvc/power.on 7");
    assert_eq!(told.standing(), [line]);
    let back = "failback/give-back/-/return_capacity";
    told.sent(back, AWAY, "vim-cmd vmsvc/power.on 7");
    assert_eq!(told.standing(), [line]);
    let what = Ledger::of(&told.state).items[0].what();
    told.said(back, Fact::Gone { host, what });
    assert_eq!(told.standing(), [""; 0]);
}

#[test]
fn what_is_stopped_again_is_given_back_by_the_step_that_stopped_it_last() {
    let mut told = Told::new();
    let steps = ["failover/a/-/free_capacity", "failover/b/-/free_capacity"];
    for step in steps {
        told.said(step, stop_wanted(AWAY));
    }
    let ledger = Ledger::of(&told.state);
    let of: Vec<_> = ledger.standing().map(|item| item.step.clone()).collect();
    assert_eq!(of, [Some(steps[1].into())]);
}

#[test]
fn what_the_run_entered_and_took_out_of_an_inventory_itself_is_not_left() {
    let mut told = Told::new();
    let entered = "failover/recover/sql01/register";
    told.sent(
        entered,
        AWAY,
        "vim-cmd solo/registervm /vmfs/volumes/local1/sql01/sql01.vmx",
    );
    told.said(entered, registered(AWAY));
    let there = "lee-esx1: sql01 registered from /vmfs/volumes/local1/sql01/sql01.vmx";
    assert_eq!(told.standing(), [there]);
    let out = "failback/go-home/sql01/unregister";
    told.sent(out, AWAY, "vim-cmd vmsvc/unregister 3");
    assert_eq!(told.standing(), [there], "not seen yet");
    let evidence = Vec::new();
    told.line(out, RunEvent::StepDone { evidence });
    assert_eq!(told.standing(), [""; 0]);
}

#[test]
fn a_vm_of_before_that_was_taken_out_of_the_inventory_is_seen_out_once_its_step_is_done() {
    let mut told = Told::new();
    let out = "failback/go-home/sql01/unregister";
    told.sent(out, AWAY, "vim-cmd vmsvc/unregister 3");
    let line = "lee-esx1: sql01 taken out of the inventory";
    assert_eq!(told.standing(), [format!("{line} (announced, not seen)")]);
    let evidence = Vec::new();
    told.line(out, RunEvent::StepDone { evidence });
    assert_eq!(told.standing(), [line]);
}

#[test]
fn what_a_person_starts_after_its_start_was_taken_back_is_the_runs_again() {
    let mut told = Told::new();
    let step = "failover/recover/sql01/power_on";
    told.sent(step, AWAY, "vim-cmd vmsvc/power.on 7");
    told.said(step, powered_on(AWAY));
    let stopped = Fact::Stopped {
        vm: "sql01".into(),
        host: AWAY.into(),
        how: "shut down by its guest".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    told.said(step, stopped);
    let evidence = Vec::new();
    told.line(step, RunEvent::StepUndone { evidence });
    assert_eq!(told.standing(), [""; 0]);
    told.said(step, powered_on(AWAY));
    let (by, evidence) = ("alice".to_owned(), "started it".to_owned());
    told.line(step, RunEvent::StepByHand { by, evidence });
    assert_eq!(told.standing(), ["lee-esx1: sql01 powered on"]);
}
