mod beginning;
mod live;

use super::*;
use crate::engine::{
    AutostartEntry, Confirmation, Consent, Fact, RunEvent, RunInfo, RunResult, StopOutcome, TakenBy,
};
use crate::names::OpId;
use crate::plan::{ActionSpec, PlanInputs, make};
use crate::runbook::model::Section;
use crate::runbook::{Limits, load};

const RUNBOOK: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

fn runbook() -> Runbook {
    let loaded = load("r.yaml", RUNBOOK, &Limits::default());
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .runbook
}

fn own_plan(runbook: &Runbook, mode: Mode) -> Plan {
    let inputs = PlanInputs {
        variables: [("ticket".into(), "INC000001".to_owned())].into(),
        only: Vec::new(),
    };
    make(runbook, Section::Failover, mode, &inputs).unwrap()
}

fn started(mode: Mode) -> RunState {
    RunState::begun(RunInfo {
        run: "r1".into(),
        mode: Some(mode),
        ..RunInfo::default()
    })
}

fn sent(state: &mut RunState, step: &str, command: &str) {
    let event = RunEvent::WriteIntended {
        op: OpId(state.last_seq),
        host: "lee-esx1".into(),
        command: command.to_owned(),
        bulk: false,
    };
    state.tell(step, event);
}

fn placed(path: &str) -> RunEvent {
    RunEvent::FactFound(Fact::FilePlaced {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        path: path.to_owned(),
        bytes: 3,
        sha256: String::new(),
        proof: String::new(),
    })
}

const FOLDER: &str = "/vmfs/volumes/local1/sql01";
const VMX: &str = "/vmfs/volumes/local1/sql01/sql01.vmx";

#[test]
fn what_a_rollback_sets_aside_itself_is_not_left_of_the_run() {
    let kept = |step: &str| {
        let mut state = started(Mode::Failover);
        let fact = Fact::OriginalKept {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            path: VMX.to_owned(),
            aside: format!("{VMX}.lifeboat-r1-before"),
            bytes: None,
        };
        state.tell(step, RunEvent::FactFound(fact));
        crate::engine::stage::residue(&Ledger::of(&state), Chapter::Rollback).len()
    };
    assert_eq!(kept("failback/go-home/sql01/register"), 1);
    assert_eq!(kept("rollback/bring-back/sql01/register"), 0);
}

/// sql01 was stopped at home, restored and registered; it was not started.
fn half_way(mode: Mode) -> RunState {
    let mut state = started(mode);
    let entry = AutostartEntry {
        start_action: "powerOn".to_owned(),
        start_delay: -1,
        start_order: 1,
        stop_action: "systemDefault".to_owned(),
        stop_delay: -1,
        wait_for_heartbeat: "systemDefault".to_owned(),
    };
    let (vm, host) = (|| "sql01".into(), || "lon-esx1".into());
    let vmx = "[local1] sql01/sql01.vmx".to_owned();
    let fence = "failover/recover/sql01/fence";
    for fact in [
        Fact::StopWanted {
            vm: vm(),
            host: host(),
            vmx,
        },
        Fact::AutostartRemoved {
            vm: vm(),
            host: host(),
            entry,
        },
    ] {
        state.tell(fence, RunEvent::FactFound(fact));
    }
    let restore = "failover/recover/sql01/restore";
    let made = Fact::FolderMade {
        host: "lee-esx1".into(),
        path: FOLDER.to_owned(),
    };
    state.tell(restore, RunEvent::FactFound(made));
    state.tell(restore, placed(VMX));
    let command = format!("vim-cmd solo/registervm {VMX}");
    sent(&mut state, "failover/recover/sql01/register", &command);
    state
}

fn run_on(state: &mut RunState) {
    sent(
        state,
        "failover/recover/sql01/power_on",
        "vim-cmd vmsvc/power.on 7",
    );
}

fn closed(closing: impl Into<Closing>, mode: Mode, state: &RunState) -> Plan {
    let runbook = runbook();
    let own = own_plan(&runbook, mode);
    closing_plan(closing, &runbook, own, state)
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.open_steps()
        .iter()
        .map(|step| step.id.as_str())
        .collect()
}

fn names(placed: &crate::plan::Placed) -> Vec<&str> {
    placed.files.iter().map(|file| file.path.as_str()).collect()
}

fn removed(plan: &Plan) -> Option<&crate::plan::Placed> {
    plan.open_steps()
        .iter()
        .find_map(|step| match &step.action {
            ActionSpec::Close(Close::RemoveFiles { placed, .. }) => Some(placed),
            _ => None,
        })
}

#[test]
fn half_of_a_failover_is_taken_back_by_what_it_did_and_nothing_else() {
    let plan = closed(Chapter::Rollback, Mode::Failover, &half_way(Mode::Failover));
    assert_eq!(
        ids(&plan),
        [
            "rollback/take-down/sql01/unregister",
            "rollback/bring-back/sql01/power_on",
            "rollback/bring-back/sql01/autostart_back",
            "rollback/clear-away/sql01/remove_files",
        ]
    );
    let back = &plan.open_steps()[1];
    assert_eq!(back.hosts, ["lon-esx1".into()]);
    assert_eq!(back.vmx.as_deref(), Some("[local1] sql01/sql01.vmx"));
    assert_eq!(back.side.other(), crate::runbook::model::SiteRole::Recovery);
    assert_eq!(
        back.after,
        [plan.frozen],
        "the copy away is taken down first"
    );
    let placed = removed(&plan).unwrap();
    assert!(placed.made && !placed.typed);
    assert_eq!(names(placed), [VMX]);
    let runbook = runbook();
    for id in ids(&plan) {
        assert!(is_closing_id(&runbook, &id.into()), "{id}");
    }
    assert!(!is_closing_id(
        &runbook,
        &"rollback/take-down/nobody/stop".into()
    ));
    assert!(!is_closing_id(
        &runbook,
        &"failover/take-down/sql01/stop".into()
    ));
}

#[test]
fn a_vm_comes_back_where_it_was_stopped_last_and_taken_out_of_the_inventory() {
    let mut state = started(Mode::Failover);
    let stopped = |vmx: &str| {
        RunEvent::FactFound(Fact::StopWanted {
            vm: "sql01".into(),
            host: "lon-esx2".into(),
            vmx: vmx.to_owned(),
        })
    };
    let fence = "failover/recover/sql01/fence";
    let moved = "[ds2] moved/sql01.vmx";
    for vmx in ["[ds1] sql01/sql01.vmx", moved] {
        state.tell(fence, stopped(vmx));
    }
    let sent = RunEvent::WriteIntended {
        op: OpId(99),
        host: "lon-esx2".into(),
        command: "vim-cmd vmsvc/unregister 7".to_owned(),
        bulk: false,
    };
    state.tell("failover/recover/sql01/unregister", sent);
    let plan = closed(Chapter::Rollback, Mode::Failover, &state);
    let steps = plan.open_steps();
    let told: Vec<_> = steps
        .iter()
        .map(|step| (step.id.as_str(), step.vmx.as_deref(), step.hosts.as_slice()))
        .collect();
    let on = ["lon-esx2".into()];
    assert_eq!(
        told,
        [
            ("rollback/bring-back/sql01/register", Some(moved), &on[..]),
            ("rollback/bring-back/sql01/power_on", Some(moved), &on[..]),
        ]
    );
}

#[test]
fn what_has_run_is_stopped_first_and_its_files_take_its_name() {
    let mut state = half_way(Mode::Failover);
    run_on(&mut state);
    let plan = closed(Chapter::Rollback, Mode::Failover, &state);
    assert_eq!(ids(&plan)[0], "rollback/take-down/sql01/stop");
    assert_eq!(plan.open_steps()[1].after, [plan.frozen]);
    assert!(removed(&plan).unwrap().typed);
}

#[test]
fn what_a_person_started_as_a_step_of_the_run_is_stopped_and_its_files_take_its_name() {
    let step = "failover/recover/sql01/power_on";
    let on = || {
        RunEvent::FactFound(Fact::PoweredOn {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
        })
    };
    let by_hand = || RunEvent::StepByHand {
        by: "alice".to_owned(),
        evidence: "started in the host client".to_owned(),
    };
    let mut state = half_way(Mode::Failover);
    state.tell(step, on());
    state.tell(step, by_hand());
    let plan = closed(Chapter::Rollback, Mode::Failover, &state);
    assert_eq!(ids(&plan)[0], "rollback/take-down/sql01/stop");
    assert!(removed(&plan).unwrap().typed);

    let mut replicated = started(Mode::Failover);
    let registered = Fact::Registered {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        vmx: VMX.to_owned(),
        uuid_bios: String::new(),
    };
    let found = RunEvent::FactFound(registered);
    replicated.tell("failover/recover/sql01/register", found);
    replicated.tell(step, on());
    let found_on = replicated.clone();
    replicated.tell(step, by_hand());
    let (by, evidence) = ("alice".to_owned(), Vec::new());
    replicated.tell(step, RunEvent::StepRetried { by });
    replicated.tell(step, RunEvent::StepAlreadyDone { evidence });
    let stop = "rollback/take-down/sql01/stop";
    let stops = |state: &RunState| {
        let plan = closed(Chapter::Rollback, Mode::Failover, state);
        ids(&plan).contains(&stop)
    };
    assert!(stops(&replicated));
    assert!(!stops(&found_on), "it ran before the run");
}

#[test]
fn a_cleanup_asks_once_about_everything_and_numbers_its_second_try() {
    let mut state = half_way(Mode::Drill);
    run_on(&mut state);
    let plan = closed(Chapter::Cleanup, Mode::Drill, &state);
    assert_eq!(ids(&plan)[0], "cleanup/agree/-/agree");
    let rest = &plan.open_steps()[1..];
    assert_eq!(rest[0].after, [plan.frozen], "nothing before the yes");
    assert!(rest.iter().all(|step| !step.after.is_empty()));
    assert!(!removed(&plan).unwrap().typed, "a drill's data is nobody's");
    let again = closing_plan(Chapter::Cleanup, &runbook(), plan, &state);
    assert_eq!(ids(&again)[0], "cleanup/agree/-/agree.2");
    assert!(is_closing_id(&runbook(), &"cleanup/agree/-/agree.2".into()));
}

#[test]
fn a_file_of_before_gets_its_name_back_and_is_never_removed() {
    let mut state = half_way(Mode::Failover);
    let disk = format!("{FOLDER}/sql01-flat.vmdk");
    let aside = format!("{disk}.lifeboat-r1-original");
    let kept = Fact::OriginalKept {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        path: disk.clone(),
        aside: aside.clone(),
        bytes: Some(9),
    };
    let step = "failover/recover/sql01/restore";
    state.tell(step, RunEvent::FactFound(kept));
    state.tell(step, placed(&disk));
    let plan = closed(Chapter::Rollback, Mode::Failover, &state);
    assert!(ids(&plan).contains(&"rollback/bring-back/sql01/names_back"));
    let files = names(removed(&plan).unwrap());
    assert!(
        !files.contains(&disk.as_str()) && !files.contains(&aside.as_str()),
        "{files:?}"
    );
    let plan = closed(Chapter::Commit, Mode::Failover, &state);
    assert_eq!(
        ids(&plan),
        [
            "commit/agree/-/agree",
            "commit/clear-away/sql01/remove_originals"
        ]
    );
    // Once it was given back, the path is still that of a file of before.
    let gone = Fact::Gone {
        host: "lee-esx1".into(),
        what: format!("original {disk}, renamed to sql01-flat.vmdk.lifeboat-r1-original"),
    };
    state.tell(
        "rollback/bring-back/sql01/names_back",
        RunEvent::FactFound(gone),
    );
    let plan = closed(Chapter::Cleanup, Mode::Failover, &state);
    assert!(!names(removed(&plan).unwrap()).contains(&disk.as_str()));
}

#[test]
fn what_is_taken_back_by_a_step_is_named() {
    let close = Close::Unregister {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        vmx: VMX.to_owned(),
    };
    let state = half_way(Mode::Failover);
    let ledger = Ledger::of(&state);
    let named: Vec<String> = ledger
        .standing()
        .filter(|item| takes_back(&close, item))
        .map(Item::what)
        .collect();
    assert_eq!(named, [format!("sql01 registered from {VMX}")]);
}

#[test]
fn a_file_gives_way_to_the_one_of_before() {
    let mut state = half_way(Mode::Failover);
    let (disk, other) = (format!("{FOLDER}/a.vmdk"), format!("{FOLDER}/b.vmdk"));
    for path in [&disk, &other] {
        state.tell("failover/recover/sql01/restore", placed(path));
    }
    let original = Aside {
        aside: format!("{disk}.lifeboat-r1-original"),
        path: disk.clone(),
        bytes: None,
    };
    let close = Close::NamesBack {
        vm: "sql01".into(),
        host: "lee-esx1".into(),
        originals: vec![original],
    };
    let ledger = Ledger::of(&state);
    let taken = ledger.standing().filter(|item| takes_back(&close, item));
    let taken: Vec<String> = taken.map(Item::what).collect();
    assert_eq!(taken, [format!("file {disk}")]);
}

#[test]
fn commands_of_the_sites_own_are_said_not_to_be_taken_back() {
    let mut state = started(Mode::Failover);
    let own = own_plan(&runbook(), Mode::Failover);
    let is_command = |step: &&crate::plan::Step| matches!(step.action, ActionSpec::Command(_));
    let step = own.steps.iter().find(is_command).unwrap();
    sent(&mut state, step.id.as_str(), "logger done");
    let plan = closed(Chapter::Rollback, Mode::Failover, &state);
    let ActionSpec::Note { text } = &plan.open_steps()[0].action else {
        panic!("no note");
    };
    assert!(text.ends_with(&step.title), "{text}");
}

#[test]
fn a_command_that_never_left_is_not_said_to_stay() {
    let mut state = started(Mode::Failover);
    let own = own_plan(&runbook(), Mode::Failover);
    let is_command = |step: &&crate::plan::Step| matches!(step.action, ActionSpec::Command(_));
    let step = own.steps.iter().find(is_command).unwrap();
    let op = OpId(state.last_seq);
    sent(&mut state, step.id.as_str(), "logger done");
    let why = "the link was down".to_owned();
    let outcome = StopOutcome::NeverSent;
    let never = RunEvent::LostStopped { op, outcome };
    for never in [RunEvent::WriteNotSent { op, why }, never] {
        let mut state = state.clone();
        state.tell(step.id.as_str(), never);
        let plan = closed(Chapter::Rollback, Mode::Failover, &state);
        let ActionSpec::Note { text } = &plan.open_steps()[0].action else {
            panic!("no note");
        };
        assert!(!text.contains(&step.title), "{text}");
    }
}

fn open(state: &mut RunState, closing: impl Into<Closing>) {
    let Closing { chapter, keeps } = closing.into();
    let opened = RunEvent::ChapterOpened {
        chapter,
        by: "alice".to_owned(),
        plan: "f".to_owned(),
        keeping: keeps.then(|| "London is dark".to_owned()),
        despite: None,
    };
    state.tell("-", opened);
}

fn finish(state: &mut RunState) {
    let result = RunResult::default();
    state.tell("-", RunEvent::RunFinished { result });
}

fn word(closing: impl Into<Closing>, state: &RunState) -> &'static str {
    match opening(closing, &"r1".into(), state) {
        Opening::New => "new",
        Opening::GoOn => "go on",
        Opening::Nothing(_) => "nothing",
        Opening::Findings => "findings",
        Opening::AfterLeaving => "after leaving",
        Opening::Refused(why, next) => {
            assert!(!why.is_empty() && !next.is_empty());
            "refused"
        }
    }
}

#[test]
fn what_made_room_comes_back_once_nothing_of_the_run_needs_it() {
    let mut state = half_way(Mode::Drill);
    run_on(&mut state);
    let freed = Fact::CapacityFreed {
        host: "lee-esx1".into(),
        name: "lab-1".into(),
        vmx: "[local1] lab-1/lab-1.vmx".to_owned(),
        how: "shut down by its guest".to_owned(),
    };
    let free = "failover/make-room/-/free_capacity";
    let before = closed(Chapter::Commit, Mode::Drill, &state);
    state.tell(free, RunEvent::FactFound(freed));
    let plan = closed(Chapter::Cleanup, Mode::Drill, &state);
    let all = plan.open_steps();
    let at = |id: &str| all.iter().position(|step| step.id.as_str() == id).unwrap();
    let back = &all[at("cleanup/bring-back/-/return_capacity")];
    let stop = plan.frozen + at("cleanup/take-down/sql01/stop");
    assert!(back.after.contains(&stop), "{:?}", back.after);
    assert_eq!(back.hosts, ["lee-esx1".into()]);
    assert!(is_closing_id(&runbook(), &back.id));
    let commit = closed(Chapter::Commit, Mode::Drill, &state);
    let ActionSpec::Close(Close::Agree { lines, .. }) = &commit.open_steps()[0].action else {
        panic!("it asks first");
    };
    let told = lines.iter().find(|line| line.contains("lab-1")).unwrap();
    assert!(told.contains("not looked at since"), "{told}");
    assert_eq!(commit.fingerprint, before.fingerprint, "it is only told");
}
