use super::*;
use crate::engine::{Chapter, Entry, Fact, Parent, RunEvent, RunInfo, RunResult};
use crate::journal::{Ending, Journal, Store};
use crate::names::OpId;
use crate::runbook::model::{Mode, Section};

const RUNBOOK: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

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
            .append(&Entry {
                seq,
                at: began(),
                step: None,
                attempt: None,
                event,
            })
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

#[test]
fn failbacks_of_one_failover_add_up() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path());
    let on = |vm: &str| {
        let (vm, host) = (vm.into(), "lee-esx1".into());
        RunEvent::FactFound(Fact::PoweredOn { vm, host })
    };
    let out = vec![on("sql01"), on("web01"), finished(0)];
    let run = keep_child(&store, Mode::Failover, None, out);
    let back = |vm: &str, then: Vec<RunEvent>| {
        let info = RunInfo {
            mode: Some(Mode::Failback),
            parent: Some(parent_of(&run)),
            sections: vec![Section::Failback],
            runbook_sha256: crate::digest::sha256(RUNBOOK),
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            only: vec![vm.into()],
            ..RunInfo::default()
        };
        let id = keep_as(&store, info, then);
        let folder = store.find(id.as_str()).unwrap();
        std::fs::write(folder.runbook(), RUNBOOK).unwrap();
        id
    };
    let home = || {
        let runs = store.list().unwrap();
        let rows: Vec<Row<'_>> = runs.iter().map(Row::read).collect();
        let failover = rows.iter().find(|row| row.run.folder.id == run).unwrap();
        let failover = failover.state.as_ref().unwrap();
        let one = ending::taken_home(&store, &run, failover)
            .unwrap_or_else(|failure| panic!("{}", failure.text));
        assert_eq!(one, taken_home(&rows).remove(&run));
        one
    };
    assert_eq!(home(), None);
    // One that moved nothing took nothing home, and keeps its failover from a rollback while it is open.
    let open =
        || ending::open_failback(&store, &run).unwrap_or_else(|failure| panic!("{}", failure.text));
    assert_eq!(open(), None);
    back("web01", vec![finished(1)]);
    assert_eq!(open(), None);
    let began = back("web01", Vec::new());
    assert_eq!((home(), open()), (None, Some(began.clone())));
    std::fs::remove_dir_all(store.find(began.as_str()).unwrap().path).unwrap();
    let web = back("web01", vec![sent(), finished(0)]);
    let taken = home().unwrap();
    assert!(!taken.all && !taken.whole, "{taken:?}");
    let sql = back("sql01", vec![sent()]);
    let taken = home().unwrap();
    assert!(taken.all && !taken.whole, "{taken:?}");
    for id in [web, sql] {
        assert!(taken.words().contains(id.as_str()), "{taken:?}");
    }
    back("sql01", vec![sent(), finished(0)]);
    assert!(home().unwrap().whole);
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
