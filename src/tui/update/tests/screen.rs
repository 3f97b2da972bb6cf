//! What the screen shows by itself: the step that matters, alarms, the bell.

use super::*;

#[test]
fn the_screen_follows_the_run_until_somebody_looks_elsewhere() {
    let mut bench = Bench::new(&failed(), SMALL);
    bench.keys("<Up><Up>");
    assert!(
        bench.text().contains("[Enter] go to register sql01"),
        "{}",
        bench.text()
    );
    bench.keys("<Enter>");
    assert!(
        bench.text().contains("[Enter] what now?"),
        "{}",
        bench.text()
    );
    // The search of the log, and back.
    bench.keys("l/already<Enter>");
    assert!(
        bench.text().contains("/already 1 found"),
        "{}",
        bench.text()
    );
    bench.keys("<Esc><Esc>");
    assert!(
        bench.text().contains("[Enter] what now?"),
        "{}",
        bench.text()
    );
    bench.keys("g<Down><Enter>");
    assert!(bench.text().contains("fence web01"), "{}", bench.text());
}

#[test]
fn the_first_step_that_asks_is_shown_whichever_asked_first_until_a_key_is_pressed() {
    let shown_after = |keys: &str| {
        let mut story = Story::begun();
        story.probe("web01", "fence", 1, typed());
        let mut bench = Bench::new(&story, SMALL);
        bench.keys(keys);
        let known = story.entries.len();
        story.probe("sql01", "fence", 1, typed());
        let entries = story.entries[known..].iter().cloned();
        bench.msg(Msg::Updates(entries.map(Update::Entry).collect()));
        bench.run.plan.steps[bench.run.ui.shown].title.clone()
    };
    assert_eq!(shown_after(""), "fence sql01");
    assert_eq!(shown_after("<PgDn>"), "fence web01");
}

#[test]
fn the_fence_of_a_vm_at_both_sites_comes_first_once_it_asks() {
    let mut story = failed();
    story.event(RunEvent::FactFound(Fact::SplitBrain {
        vm: "web01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    }));
    let mut bench = Bench::new(&story, SMALL);
    let shown = |bench: &Bench| bench.run.plan.steps[bench.run.ui.shown].id.to_string();
    assert!(
        shown(&bench).contains("sql01/register"),
        "{}",
        shown(&bench)
    );
    let known = story.entries.len();
    story.probe("web01", "fence", 1, typed());
    let entries = story.entries[known..].iter().cloned();
    bench.msg(Msg::Updates(entries.map(Update::Entry).collect()));
    bench.draw();
    assert!(shown(&bench).contains("web01/fence"), "{}", shown(&bench));
    bench.calmly("N");
    bench.wait(100);
    assert!(
        shown(&bench).contains("sql01/register"),
        "it is not brought back: {}",
        shown(&bench)
    );
}

#[test]
fn the_bell_rings_once_and_only_for_somebody_who_looks_away() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.wait(5000);
    assert!(!bench.sent.contains(&Cmd::Ring));
    bench.wait(6000).wait(20_000).wait(20_000);
    let rings = bench.sent.iter().filter(|cmd| **cmd == Cmd::Ring).count();
    assert_eq!(rings, 1);
}

#[test]
fn titles_and_cells_carry_nothing_that_a_host_smuggled_in() {
    let mut bench = Bench::new(&Story::asking(), (110, 30));
    let line = "\u{1b}]0;owned\u{7}\u{202e}evil\ttab".to_owned();
    bench.live(Live::Output {
        host: "lee-esx1".into(),
        line,
        replaces: false,
    });
    bench.live(Live::Banner("\u{9b}31mred\nline".to_owned()));
    assert!(
        !bench.text().chars().any(|c| c != '\n' && c.is_control()),
        "{}",
        bench.text()
    );
    assert!(
        bench.text().contains("]0;ownedevil tab"),
        "{}",
        bench.text()
    );
    assert!(at(0) < bench.now.wall);
}

#[test]
fn an_alarm_that_has_no_room_is_cut_and_keeps_its_key() {
    let mut bench = Bench::new(&Story::asking(), SMALL);
    bench.live(Live::Banner(format!("sql01 RUNS {}", "there ".repeat(20))));
    assert!(bench.text().contains("…  [Esc] seen"), "{}", bench.text());
}

#[test]
fn a_window_that_has_grown_says_no_more_that_it_is_too_small() {
    let mut bench = Bench::new(&Story::asking(), (60, 15));
    bench.keys("s");
    bench.area = ratatui::layout::Rect::new(0, 0, 80, 24);
    bench.draw();
    bench.draw();
    assert!(!bench.text().contains("too small"), "{}", bench.text());
}
