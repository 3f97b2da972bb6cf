use super::*;
use crate::cli::homeward;
use crate::engine::{Chapter, Entry, Fact, Parent, RunEvent, RunInfo, RunResult};
use crate::journal::{Ending, Journal, Store};
use crate::names::OpId;
use crate::runbook::model::{Mode, Section};

pub(in crate::cli) const RUNBOOK: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

fn began() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(in crate::cli) fn keep(store: &Store, mode: Mode, then: Vec<RunEvent>) {
    keep_child(store, mode, None, then);
}

pub(in crate::cli) fn sent() -> RunEvent {
    RunEvent::WriteIntended {
        op: OpId(1),
        host: "lon-esx1".into(),
        command: "vim-cmd".to_owned(),
        bulk: false,
    }
}

pub(in crate::cli) fn keep_child(
    store: &Store,
    mode: Mode,
    parent: Option<&RunId>,
    then: Vec<RunEvent>,
) -> RunId {
    let info = RunInfo {
        mode: Some(mode),
        commit_within_s: Some(3_600),
        parent: parent.map(parent_of),
        ..RunInfo::default()
    };
    keep_as(store, info, then)
}

fn parent_of(run: &RunId) -> Parent {
    Parent {
        run: run.clone(),
        head: String::new(),
        stayed: Vec::new(),
        by_people: Vec::new(),
    }
}

pub(in crate::cli) fn keep_as(store: &Store, info: RunInfo, then: Vec<RunEvent>) -> RunId {
    let info = RunInfo {
        format: 1,
        operator: "alice".to_owned(),
        runbook: "v2v".to_owned(),
        ..info
    };
    let folder = store.create(began()).unwrap();
    let mut journal = Journal::create(&folder.path, "alice", "noc-3").unwrap();
    let events = std::iter::once(RunEvent::RunStarted(Box::new(info))).chain(then);
    for (seq, event) in (1..).zip(events) {
        journal
            .append(&Entry::told(seq, began(), None, event))
            .unwrap();
    }
    folder.id
}

fn listed(mode: Mode, then: Vec<RunEvent>) -> String {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path());
    keep(&store, mode, then);
    let mut out = Vec::new();
    let runs = store.list().unwrap();
    print(&runs, began(), Layout::Lines, &mut out).unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .to_owned()
}

pub(in crate::cli) fn finished(skipped: usize) -> RunEvent {
    RunEvent::RunFinished {
        result: RunResult {
            skipped,
            ..RunResult::default()
        },
    }
}

pub(in crate::cli) fn opened(chapter: Chapter) -> RunEvent {
    RunEvent::ChapterOpened {
        chapter,
        by: "alice".to_owned(),
        plan: "f".to_owned(),
        keeping: None,
        despite: None,
    }
}

#[test]
fn a_drill_counts_once_it_came_to_its_own_end() {
    let counts = |then: Vec<RunEvent>| {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        keep(&store, Mode::Drill, then);
        let runs = store.list().unwrap();
        !last_drills(&drills_of(&runs, "v2v")).is_empty()
    };
    let cleaned = || [opened(Chapter::Cleanup), finished(0)];
    let aborted = RunEvent::DrillAborted {
        by: "bob".to_owned(),
        why: "an alarm".to_owned(),
    };
    assert!(counts(vec![finished(0)]));
    assert!(counts([&[finished(0)][..], &cleaned()].concat()));
    assert!(counts(vec![finished(0), opened(Chapter::Cleanup)]));
    assert!(!counts([&[aborted][..], &cleaned()].concat()));
    assert!(!counts(cleaned().to_vec()));
}

#[test]
fn a_failover_that_was_taken_home_is_not_to_be_rolled_back() {
    let stands = |failback: Vec<RunEvent>| {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        let run = keep_child(&store, Mode::Failover, None, vec![finished(0)]);
        let home = keep_child(&store, Mode::Failback, Some(&run), failback);
        let runs = store.list().unwrap();
        let rows: Vec<Row<'_>> = runs.iter().map(Row::read).collect();
        let mut out = Vec::new();
        list(&rows, began(), Layout::Lines, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(&run.to_string()));
        (line.unwrap().to_owned(), home)
    };
    let committed = || vec![sent(), finished(0), opened(Chapter::Commit), finished(0)];
    let (line, home) = stands(committed());
    let taken = |home, part| {
        format!(
            " finished; taken home{part} by failback {home}: it can be committed, and not rolled back"
        )
    };
    assert!(line.ends_with(&taken(home, "")), "{line}");
    for half_way in [vec![sent()], vec![sent(), finished(1)]] {
        let (line, home) = stands(half_way);
        assert!(line.ends_with(&taken(home, " in part")), "{line}");
    }
    // It sent nothing, or all of it was taken back.
    let back = vec![sent(), finished(0), opened(Chapter::Rollback), finished(0)];
    for undone in [vec![finished(0)], back] {
        let (line, _) = stands(undone);
        assert!(line.contains("finished: commit or roll back"), "{line}");
    }
}

fn state() -> (tempfile::TempDir, Store) {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path());
    (state, store)
}

/// A failover that started sql01 and web01.
pub(in crate::cli) fn went_out(store: &Store) -> RunId {
    let on = |vm: &str| {
        let (vm, host) = (vm.into(), "lee-esx1".into());
        RunEvent::FactFound(Fact::PoweredOn { vm, host })
    };
    let out = vec![on("sql01"), on("web01"), finished(0)];
    keep_child(store, Mode::Failover, None, out)
}

/// A failback of one of its VMs.
pub(in crate::cli) fn back(store: &Store, run: &RunId, vm: &str, then: Vec<RunEvent>) -> RunId {
    let info = RunInfo {
        mode: Some(Mode::Failback),
        parent: Some(parent_of(run)),
        sections: vec![Section::Failback],
        runbook_sha256: crate::digest::sha256(RUNBOOK),
        variables: [("ticket".into(), "INC000001".to_owned())].into(),
        only: vec![vm.into()],
        ..RunInfo::default()
    };
    let id = keep_as(store, info, then);
    let folder = store.find(id.as_str()).unwrap();
    std::fs::write(folder.runbook(), RUNBOOK).unwrap();
    id
}

/// What was taken home of it: the list, and what refuses its rollback, say the same.
fn home(store: &Store, run: &RunId) -> Option<TakenHome> {
    let runs = store.list().unwrap();
    let rows: Vec<Row<'_>> = runs.iter().map(Row::read).collect();
    let failover = rows.iter().find(|row| row.run.folder.id == *run).unwrap();
    let failover = failover.state.as_ref().unwrap();
    let failbacks =
        homeward::failbacks(store, run).unwrap_or_else(|failure| panic!("{}", failure.text));
    let one = homeward::taken_home(&failbacks, failover);
    assert_eq!(one, taken_home(&rows).remove(run));
    one
}

#[test]
fn failbacks_of_one_failover_add_up() {
    let (_state, store) = state();
    let run = went_out(&store);
    assert_eq!(home(&store, &run), None);
    // One that moved nothing took nothing home, and keeps its failover from a rollback while it is open.
    back(&store, &run, "web01", vec![finished(1)]);
    assert_eq!(home(&store, &run), None);
    let began = back(&store, &run, "web01", Vec::new());
    let open = home(&store, &run).unwrap();
    assert_eq!((open.by.len(), open.open), (0, Some(began.clone())));
    std::fs::remove_dir_all(store.find(began.as_str()).unwrap().path).unwrap();
    let web = back(&store, &run, "web01", vec![sent(), finished(0)]);
    let taken = home(&store, &run).unwrap();
    assert!(!taken.all && !taken.whole, "{taken:?}");
    let sql = back(&store, &run, "sql01", vec![sent()]);
    let taken = home(&store, &run).unwrap();
    assert!(taken.all && !taken.whole, "{taken:?}");
    for id in [web, sql] {
        assert!(taken.words().contains(id.as_str()), "{taken:?}");
    }
    back(&store, &run, "sql01", vec![sent(), finished(0)]);
    assert!(home(&store, &run).unwrap().whole);
}

/// What one of them has become is no reason not to end the failover, nor to end it otherwise than the
/// list says.
#[test]
fn a_failback_that_is_damaged_counts_for_the_vms_that_it_was_begun_for() {
    let (_state, store) = state();
    let run = went_out(&store);
    let web = back(&store, &run, "web01", vec![sent(), finished(0)]);
    let idle = back(&store, &run, "sql01", vec![]);
    let whole = home(&store, &run).unwrap();
    assert!(!whole.all, "{whole:?}");
    let runbook = |id: &RunId| store.find(id.as_str()).unwrap().runbook();
    std::fs::remove_file(runbook(&web)).unwrap();
    std::fs::write(runbook(&idle), format!("{RUNBOOK}# touched\n")).unwrap();
    assert_eq!(home(&store, &run).unwrap(), whole);
    // A line that does not fit, and what stands after it.
    damage(&store, &web);
    assert_eq!(home(&store, &run).unwrap(), whole);
}

/// Its journal gets a line that does not fit.
pub(in crate::cli) fn damage(store: &Store, run: &RunId) {
    let journal = store.find(run.as_str()).unwrap().journal();
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, format!("{text}{{}}\n")).unwrap();
}

/// What it did is unknown: it is named with what is wrong, and counts for nothing.
#[test]
fn a_failback_whose_journal_is_of_a_later_format_is_named() {
    let (_state, store) = state();
    let run = went_out(&store);
    let web = back(&store, &run, "web01", vec![sent(), finished(0)]);
    make_newer(&store, &web);
    assert_eq!(home(&store, &run), None);
    let failbacks = homeward::failbacks(&store, &run).map_err(|failure| failure.text);
    let said = failbacks.unwrap()[0].damaged_in_words().unwrap();
    assert!(
        said.contains(web.as_str()) && said.contains("format"),
        "{said}"
    );
}

/// As a later version of Lifeboat would have begun it.
pub(in crate::cli) fn make_newer(store: &Store, run: &RunId) {
    let journal = store.find(run.as_str()).unwrap().journal();
    let text = std::fs::read_to_string(&journal).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let later = first.replacen("\"format\":1", "\"format\":99", 1);
    let (body, _) = later.rsplit_once(",\"hash\":").unwrap();
    let hash = crate::digest::sha256(body);
    std::fs::write(&journal, format!("{body},\"hash\":\"{hash}\"}}\n{rest}")).unwrap();
}

#[test]
fn a_run_stands_as_before_once_its_ending_was_left() {
    let left = |result| RunEvent::ChapterLeft {
        chapter: Chapter::Rollback,
        by: "bob".to_owned(),
        reason: "too early".to_owned(),
        result,
    };
    let resumed = RunEvent::RunResumed {
        operator: "bob".to_owned(),
        console: "noc-1".to_owned(),
        clock_back_s: None,
    };
    let begun = [resumed, opened(Chapter::Rollback)];
    let summary = |then: Vec<RunEvent>| {
        let state = tempfile::tempdir().unwrap();
        let store = Store::new(state.path());
        keep(&store, Mode::Failover, then);
        store.list().unwrap().remove(0)
    };
    let half_way = summary([&begun[..], &[left(None)]].concat());
    assert!(half_way.is_unfinished(), "{half_way:?}");
    let settled = left(Some(RunResult::default()));
    let over = summary([&[finished(0)], &begun[..], &[settled]].concat());
    assert_eq!(over.ending, Ending::Finished);
}

#[test]
fn a_run_without_a_journal_never_began_unless_it_was_reported() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path());
    keep(&store, Mode::Failover, vec![finished(0)]);
    let stands = || {
        let mut out = Vec::new();
        print(&store.list().unwrap(), began(), Layout::Lines, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let folder = store.list().unwrap().remove(0).folder;
    std::fs::remove_file(folder.journal()).unwrap();
    let never = stands();
    assert!(
        never.contains("never began; its folder can be deleted"),
        "{never}"
    );
    std::fs::write(folder.path.join("report.json"), "{}").unwrap();
    let gone = stands();
    assert!(
        gone.contains("its journal is gone, and it was reported"),
        "{gone}"
    );
    assert!(!gone.contains("can be deleted"), "{gone}");
}

#[test]
fn each_run_is_a_line_with_its_state() {
    let opened = opened(Chapter::Rollback);
    let left = RunEvent::RunDetached {
        why: "alice left".to_owned(),
    };
    for (mode, then, end) in [
        (Mode::Failover, vec![], "the console died"),
        (Mode::Failover, vec![left], "the console left"),
        (
            Mode::Failover,
            vec![finished(0)],
            "finished: commit or roll back; decide by 2026-01-02 04:04:05Z, 1h 00m left",
        ),
        (
            Mode::Planned,
            vec![finished(2)],
            "2 skipped: commit or roll back; decide by 2026-01-02 04:04:05Z, 1h 00m left",
        ),
        (Mode::Practice, vec![finished(0)], " finished"),
        (Mode::Drill, vec![finished(0)], "cleanup due"),
        (
            Mode::Failover,
            vec![opened.clone()],
            "rollback begun, and nothing of it was done",
        ),
        (Mode::Failover, vec![opened, finished(0)], "rolled back"),
    ] {
        let line = listed(mode, then);
        assert!(line.ends_with(end), "{line:?} does not end in {end:?}");
        assert!(line.contains("  v2v "), "{line}");
    }
    let mut out = Vec::new();
    print(&[], began(), Layout::Lines, &mut out).unwrap();
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("lifeboat practice")
    );
}

#[test]
fn no_line_of_the_list_is_longer_than_the_smallest_terminal() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path());
    keep(&store, Mode::Failover, vec![finished(2)]);
    let mut out = Vec::new();
    let runs = store.list().unwrap();
    whole(&runs, began(), Layout::Columns, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(
        text.contains("\n    partially recovered, 0 failed, 2 skipped:"),
        "{text}"
    );
}
