use jiff::SignedDuration;

use super::*;
use crate::engine::TakenBy;

use crate::tui::fixture::{FULL, PLAIN, at, bare, parse, text};
use crate::tui::theme::Theme;

fn home() -> Home {
    let due = Stage::CommitDue {
        failed: 0,
        skipped: 1,
    };
    Home {
        unfinished: vec![
            UnfinishedRun {
                run: "20260102-030405-k7qd".into(),
                runbook: "tier2-image-restore".to_owned(),
                mode: Some(Mode::Failover),
                last: at(-700),
                settled: 14,
                steps: 37,
                waits_for: Some("register sql01".to_owned()),
                ways: Stage::Unfinished.ways(&"20260102-030405-k7qd".into(), Some(Mode::Failover)),
                stage: Some(Stage::Unfinished),
                ..UnfinishedRun::default()
            },
            UnfinishedRun {
                run: "20260101-120000-9xab".into(),
                runbook: "tier2-image-restore".to_owned(),
                mode: Some(Mode::Practice),
                last: at(-54_000),
                settled: 3,
                steps: 37,
                waits_for: None,
                holder: Some("bob on dr-console, process 4711".to_owned()),
                ..UnfinishedRun::default()
            },
        ],
        runbooks: vec![
            RunbookEntry {
                path: Some("runbooks/tier2.yaml".into()),
                name: "tier2-image-restore".to_owned(),
                title: "Tier-2 applications, restored from image backups".to_owned(),
                sites: ["London", "Leeds"].map(str::to_owned),
                vms: 3,
                rto: Some(Duration::from_secs(14_400)),
                rpo: Some(Duration::from_secs(86_400)),
                failback: true,
                last_drill: Some(at(-86_400 * 12)),
                ..RunbookEntry::default()
            },
            RunbookEntry {
                path: Some("runbooks/broken.yaml".into()),
                name: "broken".to_owned(),
                problem: Some("broken.yaml:12:7: unknown host lee-esx3 (and 2 more)".to_owned()),
                ..RunbookEntry::default()
            },
            RunbookEntry {
                name: "v2v-image-restore".to_owned(),
                vms: 3,
                ..RunbookEntry::default()
            },
        ],
        finished: vec![FinishedRun {
            run: "20251230-080000-aaaa".into(),
            runbook: "tier2-image-restore".to_owned(),
            mode: Some(Mode::Failover),
            ended: at(-250_000),
            window: Some(CommitWindow {
                within: SignedDuration::from_hours(72),
                until: at(9_200),
                decided: None,
            }),
            ways: due.ways(&"20251230-080000-aaaa".into(), Some(Mode::Failover)),
            stage: Some(due),
            home: None,
            can_fail_back: true,
        }],
        older: 0,
        state_dir: "/home/alice/.local/state/lifeboat".into(),
    }
}

fn page(home: Home) -> HomePage {
    HomePage::new(
        home,
        Now {
            wall: at(0),
            mono: Duration::ZERO,
        },
    )
}

fn press(page: &mut HomePage, keys: &str) -> Option<HomeChoice> {
    parse(keys)
        .into_iter()
        .find_map(|key| match page.update(page.now, Msg::Key(key)).pop() {
            Some(Cmd::Leave(choice)) => Some(choice),
            _ => None,
        })
}

fn shot(page: &HomePage, size: (u16, u16), theme: Theme) -> String {
    let mut buffer = bare(size);
    page.view(&mut buffer);
    theme.degrade(&mut buffer);
    text(&buffer)
}

#[test]
fn runs_that_are_not_shown_are_counted() {
    let many = Home {
        older: 12,
        ..home()
    };
    let shown = shot(&page(many), (84, 50), FULL);
    assert!(
        shown.contains("and 12 before them: lifeboat runs"),
        "{shown}"
    );
}

#[test]
fn home_looks_like_this() {
    for (width, height) in [(80, 24), (110, 30), (200, 60), (84, 50), (59, 15)] {
        let name = format!("home-{width}x{height}");
        insta::assert_snapshot!(name, shot(&page(home()), (width, height), FULL));
    }
    insta::assert_snapshot!("home-80x24-plain", shot(&page(home()), (80, 24), PLAIN));
    insta::assert_snapshot!("home-empty", shot(&page(Home::default()), (80, 24), FULL));
}

#[test]
fn the_default_key_resumes_and_every_row_has_its_own() {
    let id = |run: &str| RunId::from(run);
    assert_eq!(
        press(&mut page(home()), "<Enter>"),
        Some(HomeChoice::Resume(id("20260102-030405-k7qd")))
    );
    let tier2 = || PathBuf::from("runbooks/tier2.yaml");
    assert_eq!(
        press(&mut page(home()), "jj<Enter>"),
        Some(HomeChoice::Practice(Some(tier2())))
    );
    assert_eq!(
        press(&mut page(home()), "jjr"),
        Some(HomeChoice::Run(tier2()))
    );
    assert_eq!(
        press(&mut page(home()), "jjb"),
        Some(HomeChoice::FailbackRunbook(tier2()))
    );
    assert_eq!(
        press(&mut page(home()), "jjjjp"),
        Some(HomeChoice::Practice(None))
    );
    let done = || id("20251230-080000-aaaa");
    assert_eq!(
        press(&mut page(home()), "jjjjjb"),
        Some(HomeChoice::FailbackRun(done()))
    );
    assert_eq!(
        press(&mut page(home()), "jjjjjjjj<Enter>"),
        Some(HomeChoice::Report(done()))
    );
    let watched = HomeChoice::Watch("20260101-120000-9xab".into());
    assert_eq!(press(&mut page(home()), "j<Enter>"), Some(watched));
    assert_eq!(press(&mut page(home()), "q"), Some(HomeChoice::Quit));
    assert_eq!(
        press(&mut page(Home::default()), "<Enter>"),
        Some(HomeChoice::Practice(None))
    );
}

#[test]
fn a_run_is_ended_in_the_ways_that_its_stage_allows() {
    let close = |run: &str, chapter| Some(HomeChoice::Close(run.into(), chapter));
    let (half_way, due) = ("20260102-030405-k7qd", "20251230-080000-aaaa");
    let pressed = |keys| press(&mut page(home()), keys);
    assert_eq!(pressed("u"), close(half_way, Chapter::Rollback));
    assert_eq!(pressed("jjjjjc"), close(due, Chapter::Commit));
    assert_eq!(pressed("jjjjju"), close(due, Chapter::Rollback));
    let mut begun = home();
    let run = begun.unfinished.first_mut().unwrap();
    let stage = Stage::Begun(Chapter::Commit);
    run.ways = stage.ways(&run.run, run.mode);
    run.stage = Some(stage);
    run.waits_for = Some("agree to the commit".to_owned());
    let left = HomeChoice::Leave(half_way.into(), Chapter::Commit);
    assert_eq!(press(&mut page(begun.clone()), "l"), Some(left));
    assert_eq!(
        press(&mut page(begun.clone()), "u"),
        close(half_way, Chapter::Rollback)
    );
    insta::assert_snapshot!("home-begun", shot(&page(begun), (80, 24), FULL));
    let mut at_due = page(home());
    assert_eq!(press(&mut at_due, "jjjjj"), None);
    insta::assert_snapshot!("home-due", shot(&at_due, (80, 24), FULL));
}

#[test]
fn a_commit_that_waits_for_the_end_of_a_split_is_not_offered_to_be_resumed() {
    let mut split = home();
    let run = split.unfinished.first_mut().unwrap();
    let stage = Stage::SplitBefore(Chapter::Commit, Vec::new());
    run.ways = stage.ways(&run.run, run.mode);
    run.stage = Some(stage);
    let left = HomeChoice::Leave("20260102-030405-k7qd".into(), Chapter::Commit);
    assert_eq!(press(&mut page(split.clone()), "l"), Some(left));
    let mut page = page(split);
    assert_eq!(press(&mut page, "<Enter>"), None);
    let text = shot(&page, (80, 24), FULL);
    assert!(text.contains("lifeboat watch --hosts"), "{text}");
    assert!(!text.contains("[Enter]"), "{text}");
}

#[test]
fn a_run_that_was_taken_home_says_so_and_is_not_rolled_back() {
    let mut taken = home();
    let run = taken.finished.first_mut().unwrap();
    let by = TakenBy {
        by: "20251231-090000-bbbb".into(),
        vms: Vec::new(),
    };
    let home = TakenHome {
        by: vec![by],
        all: true,
        whole: true,
        ..TakenHome::default()
    };
    run.ways = home.leaves(run.ways.clone());
    run.window = None;
    run.home = Some(home);
    let commit = HomeChoice::Close("20251230-080000-aaaa".into(), Chapter::Commit);
    assert_eq!(press(&mut page(taken.clone()), "jjjjjc"), Some(commit));
    let mut page = page(taken);
    assert_eq!(press(&mut page, "jjjjju"), None);
    let shown = shot(&page, (110, 30), FULL);
    for words in [
        "1 skipped; taken home by failback 20251231-090000-bbbb: it can be",
        "no rollback of this run: finished, 0 failed, 1 skipped; taken home by",
        "[c] lifeboat commit 20251230-080000-aaaa",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("lifeboat rollback"), "{shown}");
}

#[test]
fn a_run_with_an_open_failback_names_it_and_is_not_rolled_back() {
    let mut open = home();
    let run = open.finished.first_mut().unwrap();
    let failback = TakenHome {
        open: Some("20251231-090000-bbbb".into()),
        ..TakenHome::default()
    };
    run.ways = failback.leaves(run.ways.clone());
    run.window = None;
    run.home = Some(failback);
    let mut page = page(open);
    assert_eq!(press(&mut page, "jjjjju"), None);
    let shown = shot(&page, (110, 30), FULL);
    let words = "failback 20251231-090000-bbbb of it is open, and has moved nothing yet";
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        shown.matches(words).count(),
        2,
        "its row, and why it is not rolled back: {shown}"
    );
    assert!(!shown.contains("lifeboat rollback"), "{shown}");
}

#[test]
fn a_drill_is_cleaned_up_from_home() {
    let mut drilled = home();
    let run = drilled.finished.first_mut().unwrap();
    run.mode = Some(Mode::Drill);
    run.window = None;
    run.ways = Stage::CleanupDue.ways(&run.run, run.mode);
    run.stage = Some(Stage::CleanupDue);
    let cleanup = HomeChoice::Close("20251230-080000-aaaa".into(), Chapter::Cleanup);
    assert_eq!(press(&mut page(drilled.clone()), "jjjjjx"), Some(cleanup));
    let keep = HomeChoice::KeepDisks("20251230-080000-aaaa".into());
    assert_eq!(press(&mut page(drilled.clone()), "jjjjjr"), Some(keep));
    drilled.finished.first_mut().unwrap().stage = Some(Stage::DisksKept { folders: 3 });
    let live = HomeChoice::RunFromDrill("20251230-080000-aaaa".into());
    assert_eq!(press(&mut page(drilled), "jjjjjr"), Some(live));
}

#[test]
fn what_cannot_be_chosen_says_why() {
    let mut broken = home();
    broken.unfinished[1].problem = Some("line 7 does not fit".to_owned());
    let mut page_of_broken = page(broken);
    assert_eq!(press(&mut page_of_broken, "j<Enter>"), None);
    assert!(shot(&page_of_broken, (80, 24), FULL).contains("line 7 does not fit"));
    let refused = [
        ("r", "choose a runbook"),
        ("c", "no commit of this run: unfinished"),
        ("l", "no ending of this run was begun"),
        ("jx", "held by bob"),
        ("jjc", "endings belong to runs"),
        ("jjjjjx", "no cleanup of this run: partially recovered"),
        ("jjjr", "unknown host lee-esx3"),
        ("jjjjr", "can only be practised"),
    ];
    for (keys, why) in refused {
        let mut page = page(home());
        assert_eq!(press(&mut page, keys), None);
        let shown = shot(&page, (80, 24), FULL);
        assert!(shown.contains(why), "{shown}");
    }
}

#[test]
fn why_a_key_has_no_effect_is_said_whole_on_a_narrow_terminal() {
    let mut page = page(home());
    assert_eq!(press(&mut page, "jjjjjx"), None);
    insta::assert_snapshot!("home-refused", shot(&page, (80, 24), FULL));
}

#[test]
fn a_drill_that_is_overdue_is_said() {
    let drilled = |every: u64| {
        let runbook = RunbookEntry {
            path: Some("a.yaml".into()),
            name: "tier2".to_owned(),
            drill_every: Some(Duration::from_secs(every * 86_400)),
            last_drill: Some(at(-86_400 * 12)),
            ..RunbookEntry::default()
        };
        let now = Now {
            wall: at(0),
            mono: Duration::ZERO,
        };
        super::draw::runbook_line(&runbook, 80, now).to_string()
    };
    assert!(
        drilled(13).contains("valid  drilled 12d"),
        "{}",
        drilled(13)
    );
    assert!(
        drilled(11).contains("overdue: drilled 12d"),
        "{}",
        drilled(11)
    );
}

#[test]
fn help_tells_what_each_key_does_and_gives_home_back() {
    let mut page = page(home());
    assert_eq!(press(&mut page, "?"), None);
    let help = shot(&page, (80, 24), FULL);
    assert!(
        help.contains("Practise with this runbook on a simulated site."),
        "{help}"
    );
    assert_eq!(press(&mut page, "<Esc>"), None);
    assert!(shot(&page, (80, 24), FULL).contains("tier2-image-restore"));
    assert_eq!(press(&mut page, "q"), Some(HomeChoice::Quit));
}
