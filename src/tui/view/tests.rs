//! Every screen in every size that has a layout of its own, as a person would see it.

use std::time::Duration;

use crate::engine::{RunEvent, Status};
use crate::names::{HostName, OpId};
use crate::plan::{ActionSpec, Plan};
use crate::runbook::model::{Ask, Challenge, Contact, Expect, HandOff, Look, Mode, Probe};
use crate::runner::{Live, Update};
use crate::telemetry::{HostFigures, LinkState, RefusedKey};
use crate::tui::fixture::{
    Bench, PLAIN, Story, attested, declare, fault, plan, power_on, question, register, runbook,
    there_and_back, typed, write,
};
use crate::tui::page::Msg;
use crate::tui::theme::Theme;

const SIZES: [(u16, u16); 5] = [(80, 24), (110, 30), (200, 60), (84, 50), (59, 15)];

/// A screen at a moment, ready to be looked at.
fn shot(story: &Story, size: (u16, u16), theme: Theme, act: impl Fn(&mut Bench)) -> Bench {
    let mut bench = Bench::new(story, size);
    bench.theme = theme;
    bench.with_hosts();
    act(&mut bench);
    bench.draw();
    bench
}

/// One screen in all sizes; its styles at 80x24, and once without colour and Unicode.
fn matrix(name: &str, story: &Story, act: impl Fn(&mut Bench)) {
    for size @ (width, height) in SIZES {
        let bench = shot(story, size, crate::tui::fixture::FULL, &act);
        let text = if width == 80 {
            bench.styled()
        } else {
            bench.text()
        };
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), text);
    }
    let plain = shot(story, (80, 24), PLAIN, &act);
    assert!(plain.text().is_ascii(), "{}", plain.text());
    insta::assert_snapshot!(format!("{name}-80x24-plain"), plain.styled());
}

/// One screen at 80x24, with its styles.
fn small(name: &str, story: &Story, act: impl Fn(&mut Bench)) {
    let bench = shot(story, (80, 24), crate::tui::fixture::FULL, act);
    insta::assert_snapshot!(name, bench.styled());
}

fn failed() -> Story {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    story.sends(
        "sql01",
        "register",
        "vim-cmd solo/registervm /vmfs/volumes/local1/sql01/sql01.vmx",
    );
    let ended = RunEvent::WriteFinished {
        op: OpId(1),
        exit: 1,
        took_ms: 400,
        output_sha256: None,
    };
    story.of("sql01", "register", 1, ended);
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::StepFailed { fault: fault() },
    );
    story
}

fn restoring() -> Story {
    let mut story = Story::begun();
    story
        .step("-", "confirm", declare())
        .done("-", "confirm", "power, network");
    story.already("sql01", "fence", "not registered on lon-esx1");
    story.step("sql01", "restore", register());
    story.sends(
        "sql01",
        "restore",
        "dd of=/vmfs/volumes/local1/sql01/.sql01-flat.vmdk.part",
    );
    story.wait(88);
    story
}

fn ended(bench: &mut Bench) {
    bench.msg(Msg::Updates(vec![Update::Ended {
        head: "5e".repeat(32),
        fault: None,
    }]));
}

#[test]
fn asking() {
    matrix("asking", &Story::asking(), |bench| {
        bench.wait(400);
    });
}

#[test]
fn running() {
    matrix("running", &restoring(), |bench| {
        bench.restoring();
    });
}

#[test]
fn a_step_that_was_taken_back_waits_for_a_person() {
    let mut story = Story::asking();
    story
        .confirmed("sql01", "register")
        .done("sql01", "register", "registered, off");
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::StepUndone {
            evidence: Vec::new(),
        },
    );
    let bench = shot(&story, (80, 24), crate::tui::fixture::FULL, |bench| {
        bench.calmly("<Enter>");
    });
    let text = bench.text();
    assert!(text.contains("register sql01 undone"), "{text}");
    assert!(text.contains("[r] retry this step"), "{text}");
    assert!(text.contains("steps 3/20, 1 needs you"), "{text}");
}

#[test]
fn a_host_that_hangs_is_not_called_up() {
    let bench = shot(
        &restoring(),
        (110, 30),
        crate::tui::fixture::FULL,
        |bench| {
            bench.wait(15_000);
        },
    );
    assert!(
        bench.text().contains("lee-esx1  silent"),
        "{}",
        bench.text()
    );
}

#[test]
fn failed_step_and_its_menu() {
    matrix("failed", &failed(), |_| {});
    small("failed-menu", &failed(), |bench| {
        bench.calmly("<Enter>");
    });
    small("skip", &failed(), |bench| {
        bench.keys("sthe files are on another volume");
    });
}

#[test]
fn disruptive_step_is_armed() {
    let mut story = Story::asking();
    story
        .confirmed("sql01", "register")
        .done("sql01", "register", "registered, off");
    story.probe("sql01", "power_on", 1, power_on());
    small("arming", &story, |bench| {
        bench.wait(300);
    });
}

/// Twelve scripts that differ in their values.
fn renames() -> Story {
    let mut proposal = register();
    proposal.commands = (1..=12)
        .map(|n| {
            let path = format!("/vmfs/volumes/local1/sql01/sql01_{n}-flat.vmdk");
            let command = crate::hypervisor::shell::rename(&format!("{path}.lifeboat-part"), &path);
            write("lee-esx1", &command.line())
        })
        .collect();
    let mut story = Story::begun();
    story.probe("sql01", "restore", 1, proposal);
    story
}

#[test]
fn a_long_card_has_the_whole_screen_until_the_steps_are_wanted() {
    small("long-card", &renames(), |_| {});
    small("long-card-read", &renames(), |bench| {
        bench.calmly("<Enter>");
    });
    small("long-card-exact", &renames(), |bench| {
        bench.calmly("e<Enter>");
    });
    let beside = shot(&renames(), (80, 24), crate::tui::fixture::FULL, |bench| {
        bench.calmly("1");
    });
    assert!(beside.text().contains("[1] steps"), "{}", beside.text());
    let mut bench = shot(&renames(), (80, 24), crate::tui::fixture::FULL, |bench| {
        bench.calmly("<Enter>");
    });
    assert!(
        bench.sent().is_empty(),
        "confirmed before its last line was on screen"
    );
}

#[test]
fn a_step_of_an_ending_is_numbered_among_those_that_the_header_counts() {
    let mut plan = crate::tui::fixture::plan();
    plan.frozen = 1;
    let walked = plan.steps.len() - 1;
    let bench = Bench::of(plan, &Story::asking(), (80, 24));
    let shown = bench.run.ui.shown;
    let text = bench.text();
    assert!(
        text.contains(&format!("step {shown}/{walked}  register sql01")),
        "{text}"
    );
    assert!(text.contains(&format!("/{walked}, 1 needs you")), "{text}");
}

#[test]
fn long_names_are_cut_where_they_can_be_seen_to_be() {
    let mut plan = crate::tui::fixture::plan();
    for step in &mut plan.steps {
        step.title = "as long as ".repeat(10);
    }
    let mut bench = Bench::of(plan, &Story::asking(), (80, 24));
    bench.keys("!");
    assert!(bench.text().contains("… ╗"), "{}", bench.text());
}

#[test]
fn confirmation_dialogs() {
    let mut story = Story::begun();
    story.probe("-", "confirm", 1, declare());
    small("ticks", &story, |bench| {
        bench.calmly("<Enter><Enter>").calmly(" <Down>");
    });
    let mut story = Story::begun();
    story.probe("sql01", "power_on", 1, attested());
    small("attestation", &story, |bench| {
        bench
            .calmly("<Enter><Enter>")
            .keys("the duty manager sees the racks dark");
    });
    let mut story = Story::begun();
    story.probe("sql01", "fence", 1, typed());
    small("typed", &story, |bench| {
        bench.calmly("<Enter><Enter><Enter>").keys("sql<Enter>");
    });
}

/// A run that asks for this step first, which sends nothing but looks.
fn looks_only(title: &str, action: ActionSpec) -> (Plan, Story) {
    let mut runbook = runbook();
    runbook.contacts = vec![Contact {
        name: "Storage on call".to_owned(),
        phone: "+44 113 496 0200".to_owned(),
        role: "backups and datastores".to_owned(),
    }];
    let mut plan = plan();
    plan.steps[0].title = title.to_owned();
    plan.steps[0].text = None;
    plan.steps[0].people = 1;
    plan.steps[0].action = action;
    let answer = crate::actions::outline(&runbook, &plan.steps[0]);
    let mut story = Story::begun();
    story.of("-", "confirm", 1, RunEvent::StepStarted);
    let answered = RunEvent::ProbeAnswered(Box::new(answer));
    story.of("-", "confirm", 1, answered);
    (plan, story)
}

#[test]
fn steps_that_look_or_are_for_others() {
    let tcp = Probe::Tcp {
        host: "lee-bk1".to_owned(),
        port: None,
        from: None,
    };
    let promote = |verify| {
        ActionSpec::HandOff(HandOff {
            to: "Storage on call".to_owned(),
            ask: "Promote the replica of the orders volume".to_owned(),
            verify,
            every: Duration::from_secs(10),
        })
    };
    let look = Look {
        host: "lee-bk1".into(),
        argv: ["lag", "orders"].map(str::to_owned).to_vec(),
    };
    let expect = Expect::Within {
        at_least: None,
        at_most: Some(5.0),
    };
    let check = ActionSpec::Check(vec![tcp.clone(), Probe::Command { look, expect }]);
    let others = "hand off to Storage on call";
    for (name, title, action) in [
        ("hand-off-seen", others, promote(Some(tcp))),
        ("hand-off-told", others, promote(None)),
        ("check", "check lee-bk1", check),
    ] {
        let (plan, story) = looks_only(title, action);
        let mut bench = Bench::of(plan, &story, (80, 24));
        bench.with_hosts().wait(400);
        bench.draw();
        insta::assert_snapshot!(name, bench.styled());
    }
}

#[test]
fn who_practises_is_told_what_others_would_say() {
    let ticket = Ask::Value {
        prompt: "Change ticket".to_owned(),
        pattern: None,
        example: Some("CHG77".to_owned()),
    };
    let confirm = ActionSpec::Confirm {
        question: "May it stop?".to_owned(),
        ask: [("ticket".to_owned(), ticket)].into_iter().collect(),
    };
    let (mut plan, story) = looks_only("May it stop?", confirm);
    plan.steps[0].people = 2;
    plan.steps[0].challenge = Some(Challenge {
        say: "Which site stops?".to_owned(),
        response: "Leeds".to_owned(),
    });
    for (mode, told) in [(Mode::Practice, true), (Mode::Failover, false)] {
        plan.mode = mode;
        let mut bench = Bench::of(plan.clone(), &story, (80, 24));
        bench.calmly("<Enter>");
        let says = |bench: &Bench, answer: &str| {
            let words = format!("In practice the answer is: {answer}");
            bench.text().contains(&words)
        };
        assert!(bench.text().contains("Change ticket"), "{}", bench.text());
        assert_eq!(says(&bench, "CHG77"), told, "{}", bench.text());
        bench.keys("CHG77<Enter>bob<Enter>");
        assert!(bench.text().contains("bob answers"), "{}", bench.text());
        assert_eq!(says(&bench, "Leeds"), told, "{}", bench.text());
    }
}

#[test]
fn decisions_that_open_by_themselves() {
    let mut story = Story::asking();
    story.confirmed("sql01", "register");
    story.of(
        "sql01",
        "register",
        1,
        RunEvent::QuestionAsked(Box::new(question())),
    );
    small("question", &story, |_| {});
    small("host-key", &Story::begun(), |bench| {
        bench.live(Live::HostKey(RefusedKey {
            host: "lee-esx1".into(),
            key_type: "ssh-ed25519".to_owned(),
            shown: "SHA256:dLkgm3ZyYcUJ8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZc".to_owned(),
            known: vec!["SHA256:8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZcdLkgm3ZyYcUJ".to_owned()],
        }));
    });
    small("host-key-of-a-hop", &Story::begun(), |bench| {
        bench.live(Live::HostKey(RefusedKey {
            host: "bastion.example.net".into(),
            key_type: "ssh-ed25519".to_owned(),
            shown: "SHA256:dLkgm3ZyYcUJ8uJGZJr1TbUqZsQ2y1yWZ0yX9n5hPZc".to_owned(),
            known: Vec::new(),
        }));
    });
}

#[test]
fn finished() {
    matrix("finished", &Story::finished(), ended);
}

#[test]
fn the_way_home_follows_the_way_out() {
    let mut story = Story::finished();
    // The way out is over, the way home has begun.
    story.entries.pop();
    let plan = there_and_back();
    let section = plan
        .steps
        .iter()
        .find(|step| step.id.as_str().starts_with("failback"));
    let step = section.map(|step| step.id.clone()).unwrap();
    story.probe_step(step, 1, power_on());
    let mut bench = Bench::of(plan, &story, (110, 30));
    bench.with_hosts().wait(400);
    insta::assert_snapshot!("way-home-110x30", bench.text());
}

#[test]
fn whole_pages() {
    matrix("grid", &failed(), |bench| {
        bench.keys("g");
    });
    matrix("log", &failed(), |bench| {
        bench.keys("l/register<Enter>");
    });
    matrix("help", &Story::asking(), |bench| {
        bench.keys("?");
    });
    matrix("host", &failed(), |bench| {
        bench.keys("z");
    });
}

#[test]
fn panes_in_the_place_of_the_card() {
    small("hosts-pane", &Story::asking(), |bench| {
        bench.keys("3");
    });
    small("output-pane", &failed(), |bench| {
        bench.keys("4");
    });
    small("pace", &Story::asking(), |bench| {
        bench.keys("p");
    });
    small("leave", &restoring(), |bench| {
        bench.keys("q");
    });
}

#[test]
fn a_slow_host_says_what_a_call_takes_and_is_not_stale_between_its_rare_polls() {
    let seconds = Duration::from_secs;
    let mut bench = Bench::new(&Story::asking(), (110, 30));
    bench.with_hosts();
    let mut figures = bench.run.hosts[&HostName::from("lee-esx1")].clone();
    let shown = |bench: &mut Bench, figures: &HostFigures| {
        bench.live(Live::Host(Box::new(figures.clone())));
        bench.wait(0).text()
    };
    assert!(!shown(&mut bench, &figures).contains("a call takes"));
    figures.link = LinkState::Slow;
    figures.slow_call = Some(Duration::from_millis(9840));
    figures.poll_took = Some(seconds(20));
    figures.answered = Some(bench.now.wall - jiff::SignedDuration::from_secs(150));
    let text = shown(&mut bench, &figures);
    assert!(text.contains("a call takes 9.8 s"), "{text}");
    assert!(text.contains(" 150s ago"), "{text}");
    // One that is gone is not slow.
    figures.link = LinkState::Down;
    assert!(!shown(&mut bench, &figures).contains("a call takes"));
}

#[test]
fn a_large_run_is_drawn_in_a_moment() {
    let mut story = Story::begun();
    story.probe("sql01", "restore", 1, register());
    let mut bench = Bench::new(&story, (200, 60));
    let mut plan = (*bench.run.plan).clone();
    let template = plan.steps[2].clone();
    for vm in 0..2000 {
        let mut step = template.clone();
        step.id = format!("failover/recover/vm{vm}/restore").into();
        step.subject = crate::plan::Subject::Vm(format!("vm{vm}").into());
        plan.steps.push(step);
    }
    bench.run.outline = crate::tui::model::outline::Outline::new(&plan);
    bench.run.statuses.resize(plan.steps.len(), Status::Waiting);
    bench.run.plan = std::sync::Arc::new(plan);
    // Of this thread alone: the machine may be busy with others.
    let worked = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::try_from(time).unwrap()
    };
    let from = worked();
    for _ in 0..10 {
        bench.wait(1000);
    }
    // Generous for an unoptimised build: it takes a tenth of it.
    let took = worked() - from;
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

/// A run that its operator offers to somebody else, with an update due in time.
fn offered() -> Story {
    let mut story = failed();
    let by = || "alice".to_owned();
    let text = "the storage team is on it".to_owned();
    story.event(RunEvent::UpdatePosted { by: by(), text });
    story.event(RunEvent::HandoverOffered { by: by() });
    story
}

fn told_every(bench: &mut Bench, minutes: u64) {
    let every = Some(std::time::Duration::from_secs(60 * minutes));
    let runbook = std::sync::Arc::make_mut(&mut bench.run.runbook);
    runbook.updates = crate::runbook::model::Updates { every };
}

#[test]
fn brief() {
    matrix("brief", &offered(), |bench| {
        told_every(bench, 15);
        bench.calmly("o");
    });
}

#[test]
fn taking_over() {
    small("taking-over", &offered(), |bench| {
        bench.calmly("o").calmly("<Enter>").calmly("t");
        bench.keys("bob<Enter>");
    });
}

#[test]
fn an_update_is_proposed() {
    small("update", &failed(), |bench| {
        told_every(bench, 15);
        bench.calmly("t");
    });
}
