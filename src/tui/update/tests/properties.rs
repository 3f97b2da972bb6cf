//! Whatever is pressed and whatever arrives, nothing panics and nothing is confirmed that is not asked.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Keys(String),
    Wait(u64),
    Next(usize),
    Resize(u16, u16),
    Live(u8),
    Paste(String),
}

fn event() -> impl Strategy<Value = Event> {
    let special = prop::sample::select(vec![
        "<Enter>", "<Esc>", "<Up>", "<Down>", "<Left>", "<Right>", "<Tab>", "<PgDn>", "<PgUp>",
        "s", "h", "u", "r", "p", "g", "z", "l", "!", "a", "?", "q", "n", "N", "/", "f", "G", " ",
        "1", "2", "3", "4", "y", "sql01", "bob", "<C-c>",
    ]);
    prop_oneof![
        6 => special.prop_map(|keys| Event::Keys(keys.to_owned())),
        2 => (0_u64..3000).prop_map(Event::Wait),
        3 => (1_usize..4).prop_map(Event::Next),
        1 => (0_u16..220, 0_u16..70).prop_map(|(width, height)| Event::Resize(width, height)),
        1 => any::<u8>().prop_map(Event::Live),
        1 => any::<String>().prop_map(Event::Paste),
    ]
}

fn long_story() -> Story {
    let mut story = failed();
    story.of(
        "sql01",
        "register",
        2,
        RunEvent::StepRetried {
            by: "alice".to_owned(),
        },
    );
    story.probe("sql01", "register", 2, attested());
    story.of(
        "sql01",
        "power_on",
        1,
        RunEvent::QuestionAsked(Box::new(question())),
    );
    let rest = Story::finished();
    story.entries.extend(rest.entries);
    story
}

fn live(kind: u8) -> Live {
    match kind % 4 {
        0 => host_key(&[]),
        1 => Live::Banner(format!("banner {kind}")),
        2 => Live::Host(Box::new(crate::tui::fixture::figures(
            "lee-esx1",
            i64::from(kind),
        ))),
        _ => Live::Progress {
            step: id("sql01", "restore"),
            progress: crate::actions::Progress {
                done: u64::from(kind) << 56,
                total: u64::from(kind),
                ..Default::default()
            },
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_messages_panics_or_confirms_what_is_not_asked(
        events in prop::collection::vec(event(), 1..60)
    ) {
        let story = long_story();
        let mut bench = Bench::new(&Story::begun(), (80, 24));
        let mut next = 1;
        for event in events {
            match event {
                Event::Keys(keys) => { bench.keys(&keys); }
                Event::Wait(ms) => { bench.wait(ms); }
                Event::Next(count) => {
                    let to = (next + count).min(story.entries.len());
                    for entry in &story.entries[next.min(to)..to] {
                        bench.msg(Msg::Updates(vec![Update::Entry(std::sync::Arc::clone(entry))]));
                    }
                    next = to;
                    bench.draw();
                }
                Event::Resize(width, height) => {
                    bench.area = ratatui::layout::Rect::new(0, 0, width, height);
                    bench.draw();
                }
                Event::Live(kind) => { bench.live(live(kind)); }
                Event::Paste(text) => bench.msg(Msg::Paste(text)),
            }
            for input in sends(&mut bench) {
                if let OperatorInput::Confirm { step, attempt, .. } = input {
                    let known = bench.run.state.step(&step);
                    prop_assert_eq!(known.status, crate::engine::Status::Asking);
                    prop_assert_eq!(known.attempt, attempt);
                }
            }
            prop_assert!(bench.run.ui.shown < bench.run.plan.steps.len());
        }
        let folded = crate::engine::RunState::fold(
            story.entries[..next].iter().map(std::sync::Arc::as_ref),
        );
        prop_assert_eq!(&bench.run.state.steps, &folded.steps);
    }
}
