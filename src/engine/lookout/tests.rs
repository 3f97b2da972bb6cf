use super::*;
use crate::engine::{Chapter, RunEvent, RunResult, Stage, TakenBy};
use crate::runbook::Limits;

const TEXT: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

/// A failover whose steps are over, and its watch.
struct Story {
    state: RunState,
    lookout: Lookout,
    second: i64,
    /// What the host that is looked at lists.
    listed: Vec<(VmName, Listed)>,
}

impl Story {
    /// sql01 and app01 were started in Leeds while London was silent.
    fn over() -> Self {
        let runbook = crate::runbook::load("bundled", TEXT, &Limits::default());
        let mut story = Self {
            state: RunState::default(),
            lookout: Lookout::new(&runbook.unwrap().runbook),
            second: 0,
            listed: Vec::new(),
        };
        for vm in ["sql01", "app01"] {
            story.fact(Fact::OwnershipEvidence {
                vm: vm.into(),
                lines: Vec::new(),
                whole: false,
                silent: vec!["lon-esx1".into()],
                at: story.now(),
            });
            story.fact(Fact::PoweredOn {
                vm: vm.into(),
                host: "lee-esx1".into(),
            });
        }
        let result = RunResult::default();
        story.happens(RunEvent::RunFinished { result });
        story
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_000 + self.second).unwrap()
    }

    fn happens(&mut self, event: RunEvent) {
        self.second += 1;
        self.state.tell_at(self.now(), None, event);
    }

    fn fact(&mut self, fact: Fact) {
        self.happens(RunEvent::FactFound(fact));
    }

    /// A look at a host; what it says in words.
    fn look(&mut self, host: &str, running: Result<&[&str], &str>) -> Vec<String> {
        self.signs(host, running)
            .iter()
            .map(Sign::in_words)
            .collect()
    }

    fn signs(&mut self, host: &str, running: Result<&[&str], &str>) -> Vec<Sign> {
        let running = running.map(|vms| vms.iter().map(|vm| (*vm).into()).collect());
        let presence = Presence::Dark;
        self.seen(host, running.map_err(|why| (why, presence)))
    }

    /// A look at London, which does not tell.
    fn met(&mut self, presence: Presence, why: &str) -> Vec<Sign> {
        self.seen("lon-esx1", Err((why, presence)))
    }

    fn seen(&mut self, host: &str, told: Result<Vec<VmName>, (&str, Presence)>) -> Vec<Sign> {
        self.second += 1;
        let role = match host {
            "lon-esx1" => SiteRole::Protected,
            _ => SiteRole::Recovery,
        };
        let sighting = Sighting {
            host: host.into(),
            role,
            asked: self.now(),
            running: told.map_err(|(why, presence)| Unheard {
                why: why.to_owned(),
                presence,
            }),
            listed: self.listed.clone(),
        };
        self.lookout.take(&self.state, &sighting)
    }

    fn evidence(&self) -> Vec<Fact> {
        self.lookout.evidence(&self.state)
    }

    /// What belongs in the journal is written there.
    fn keep(&mut self) {
        for fact in self.evidence() {
            self.fact(fact);
        }
        assert!(self.evidence().is_empty(), "once is enough");
    }

    /// sql01 was seen at both sites, and that is kept.
    fn split() -> Self {
        let mut story = Self::watched();
        story.look("lon-esx1", Ok(&["sql01"]));
        story.look("lee-esx1", Ok(&["app01", "sql01"]));
        story.keep();
        assert_eq!(story.state.splits().len(), 1);
        story
    }

    /// Leeds runs both, London is dark, and both were looked at.
    fn watched() -> Self {
        let mut story = Self::over();
        let leeds = story.look("lee-esx1", Ok(&["app01", "sql01"]));
        assert_eq!(leeds, ["lee-esx1 answers; it runs app01, sql01"]);
        let london = story.signs("lon-esx1", Err("no route to it"));
        assert!(!london[0].is_alarm(), "it was dark before: {london:?}");
        assert!(story.lookout.wrong().is_empty());
        story
    }
}

#[test]
fn a_dark_host_that_comes_back_rings_once_and_says_what_runs_there() {
    let mut story = Story::watched();
    assert!(story.look("lon-esx1", Err("no route to it")).is_empty());
    let back = story.signs("lon-esx1", Ok(&[]));
    let said =
        "lon-esx1 ANSWERS AGAIN; it runs none of this run's VMs (silent before about app01, sql01)";
    assert_eq!(back[0].in_words(), said);
    assert!(back[0].is_alarm() && back.len() == 1, "{back:?}");
    let kept = story.evidence();
    assert!(matches!(&kept[..], [Fact::HostReturned { .. }]), "{kept:?}");
    story.keep();
    assert!(story.look("lon-esx1", Ok(&[])).is_empty(), "no news");
    assert!(story.lookout.wrong().is_empty());
}

#[test]
fn a_vm_that_comes_up_twice_is_recovery_required_until_one_copy_is_off() {
    let mut story = Story::watched();
    let signs = story.signs("lon-esx1", Ok(&["sql01"]));
    let [back, elsewhere] = &signs[..] else {
        panic!("{signs:?}")
    };
    assert!(back.in_words().contains("it runs sql01 (silent"));
    let said = "sql01 RUNS ON lon-esx1; whether it runs on lee-esx1 too is not known yet";
    assert_eq!(elsewhere.in_words(), said, "Leeds was asked before");
    assert!(elsewhere.is_alarm());
    story.keep();
    assert!(story.state.splits().is_empty(), "it is not proven");

    let renamed = Listed {
        vmid: Some(12),
        name: "sql01-new".to_owned(),
    };
    story.listed = vec![("sql01".into(), renamed)];
    let signs = story.signs("lee-esx1", Ok(&["app01", "sql01"]));
    let [split] = &signs[..] else {
        panic!("{signs:?}")
    };
    let said = "RECOVERY REQUIRED (split brain): sql01 runs on lee-esx1 and on lon-esx1";
    assert_eq!(split.in_words(), said);
    let stage = Stage::of(&story.state);
    let ways = split.ways(&"r1".into(), &stage, &story.lookout);
    assert!(
        ways[0].contains("vim-cmd vmsvc/power.shutdown \u{2039}vmid of sql01"),
        "nobody told its number there: {ways:?}"
    );
    assert!(ways[1].contains("lifeboat rollback r1"), "{ways:?}");
    let ways = split.ways(&"r1".into(), &Stage::Committing, &story.lookout);
    assert!(
        ways[1].contains("power.shutdown 12 (listed there as sql01-new with vmid 12"),
        "{ways:?}"
    );
    assert!(!ways.concat().contains("rollback"), "{ways:?}");
    story.listed.clear();
    story.keep();
    assert_eq!(story.state.splits().len(), 1);

    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
    story.look("lon-esx1", Err("gone"));
    story.look("lon-esx1", Err("gone"));
    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
    let standing = |story: &Story| story.lookout.wrong().iter().any(|sign| sign == split);
    assert!(standing(&story), "a silent host may run it still");

    let over = story.look("lon-esx1", Ok(&[]));
    assert!(over[1].contains("sql01 runs at one site again"), "{over:?}");
    assert!(!standing(&story));
    story.keep();
    assert!(story.state.splits().is_empty());
    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
}

#[test]
fn a_split_that_was_seen_by_somebody_else_is_ended_by_a_look_at_its_host() {
    let mut story = Story::over();
    story.fact(Fact::SplitBrain {
        vm: "sql01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    });
    story.look("lee-esx1", Ok(&["sql01", "app01"]));
    let signs = story.signs("lon-esx1", Ok(&[]));
    let ended = |sign: &Sign| matches!(sign, Sign::Single { .. });
    assert!(signs.iter().any(ended), "{signs:?}");
    let again = story.signs("lon-esx1", Ok(&[]));
    assert!(again.is_empty(), "said once: {again:?}");
    story.keep();
    assert!(story.state.splits().is_empty(), "kept when it could be");
}

#[test]
fn a_vm_that_is_off_and_a_host_that_is_gone_ring() {
    let mut story = Story::watched();
    let off = story.signs("lee-esx1", Ok(&["app01"]));
    let said = "sql01 IS NOT ON any more on lee-esx1, where this run started it";
    assert_eq!(off[0].in_words(), said);
    assert!(off[0].is_alarm());
    let on = story.look("lee-esx1", Ok(&["app01", "sql01"]));
    assert_eq!(on, ["sql01 runs again, on lee-esx1"]);
    // A VM that the site itself moved is where it should be.
    let roles = &mut story.lookout.roles;
    roles.insert("lee-esx2".into(), SiteRole::Recovery);
    story.look("lee-esx2", Ok(&["sql01"]));
    assert!(story.look("lee-esx1", Ok(&["app01"])).is_empty());

    assert!(
        story.look("lee-esx1", Err("reset")).is_empty(),
        "once is no news"
    );
    let gone = story.signs("lee-esx1", Err("reset"));
    assert!(gone[0].is_alarm());
    let said = "lee-esx1 CANNOT BE REACHED: reset; this run started app01, sql01 there";
    assert_eq!(gone[0].in_words(), said);
    assert_eq!(story.lookout.wrong().len(), 1, "nothing is said of its VMs");
}

#[test]
fn a_copy_that_runs_only_where_the_vm_came_from_is_no_split() {
    let mut story = Story::watched();
    story.look("lee-esx1", Ok(&["app01"]));
    let signs = story.signs("lon-esx1", Ok(&["sql01"]));
    let away = |sign: &Sign| matches!(sign, Sign::Away { .. });
    assert!(signs.iter().any(away), "{signs:?}");
    story.keep();
    assert!(story.state.splits().is_empty());
}

#[test]
fn a_dark_host_that_stirs_rings_though_it_does_not_tell_what_it_runs() {
    let mut story = Story::watched();
    let stirs = story.met(Presence::NoServer, "SSH is off");
    let said = "lon-esx1 IS THERE, AND DOES NOT TELL what it runs: SSH is off";
    assert_eq!(stirs[0].in_words(), said);
    assert!(stirs[0].is_alarm());
    assert!(story.met(Presence::NoServer, "SSH is off").is_empty());
    let changed = story.met(Presence::Answers, "the host key changed");
    assert!(changed[0].is_alarm(), "{changed:?}");
    assert_eq!(story.lookout.wrong(), changed);
    // One look through the network's own trouble is no news, and no reason to ring anew.
    assert!(story.met(Presence::Dark, "no route").is_empty());
    assert!(
        story
            .met(Presence::Answers, "the host key changed")
            .is_empty()
    );
    story.met(Presence::Dark, "no route");
    let dark = story.met(Presence::Dark, "no route");
    assert!(!dark[0].is_alarm() && story.lookout.wrong().is_empty());

    let mut story = Story::over();
    let first = story.met(Presence::Answers, "login refused");
    assert!(first[0].is_alarm(), "whatever it was before: {first:?}");
}

#[test]
fn a_host_that_flaps_is_kept_once_until_owners_are_looked_for_again() {
    let mut story = Story::watched();
    story.look("lon-esx1", Ok(&[]));
    story.keep();
    for _ in 0..3 {
        story.look("lon-esx1", Err("gone"));
        story.look("lon-esx1", Err("gone"));
        let back = story.signs("lon-esx1", Ok(&[]));
        assert!(back[0].is_alarm(), "it rings each time");
        assert!(story.evidence().is_empty());
    }
}

#[test]
fn a_split_is_over_whichever_copy_went_down() {
    let mut story = Story::split();
    let signs = story.look("lee-esx1", Ok(&["app01"]));
    let said = [
        "sql01 runs at one site again: lee-esx1 does not run it any more",
        "sql01 RUNS ON lon-esx1, and no longer on lee-esx1, where this run started it",
    ];
    assert_eq!(signs, said);
    story.keep();
    assert!(story.state.splits().is_empty());
    // Leeds is to have it after all.
    story.look("lon-esx1", Ok(&[]));
    let signs = story.look("lee-esx1", Ok(&["app01", "sql01"]));
    assert_eq!(signs, ["sql01 runs again, on lee-esx1"]);
    assert!(story.lookout.wrong().is_empty() && story.evidence().is_empty());
}

#[test]
fn a_host_that_was_not_asked_since_makes_no_split() {
    let mut story = Story::over();
    story.look("lon-esx1", Ok(&["sql01"]));
    let before = story.lookout.wrong();
    assert!(matches!(before[0], Sign::Elsewhere { .. }), "{before:?}");
    story.look("lee-esx1", Ok(&["app01"]));
    let now = story.lookout.wrong();
    assert!(matches!(now[0], Sign::Away { .. }), "{now:?}");
    // Somebody moves it from London to Leeds between two looks.
    story.look("lee-esx1", Ok(&["app01", "sql01"]));
    story.look("lon-esx1", Ok(&[]));
    story.keep();
    assert!(story.state.splits().is_empty() && story.lookout.wrong().is_empty());
}

#[test]
fn a_look_from_before_a_split_does_not_end_it() {
    let mut story = Story::over();
    story.look("lee-esx1", Ok(&["sql01", "app01"]));
    // Another watch finds it while this one's question to London is on its way.
    story.second += 10;
    story.fact(Fact::SplitBrain {
        vm: "sql01".into(),
        started: "lee-esx1".into(),
        also: "lon-esx1".into(),
    });
    story.second -= 5;
    story.look("lon-esx1", Ok(&[]));
    let over = |fact: &Fact| matches!(fact, Fact::SplitBrainEnded { .. });
    assert!(!story.evidence().iter().any(over));
    story.second += 20;
    story.look("lon-esx1", Ok(&[]));
    assert!(story.evidence().iter().any(over));
}

#[test]
fn a_copy_that_was_moved_within_its_site_is_a_second_one_still() {
    let mut story = Story::split();
    let roles = &mut story.lookout.roles;
    roles.insert("lon-esx2".into(), SiteRole::Protected);
    let ended = |story: &Story| {
        let over = |fact: &Fact| matches!(fact, Fact::SplitBrainEnded { .. });
        story.evidence().iter().any(over)
    };
    story.look("lon-esx2", Ok(&["sql01"]));
    story.look("lon-esx1", Ok(&[]));
    assert!(!ended(&story), "lon-esx2 runs it");
    for _ in 0..2 {
        story.look("lon-esx2", Err("gone"));
    }
    story.look("lon-esx1", Ok(&[]));
    assert!(!ended(&story), "a silent host may run it still");
    story.look("lon-esx2", Ok(&[]));
    assert!(ended(&story));
}

#[test]
fn a_split_that_began_and_ended_while_the_journal_was_held_is_kept_whole() {
    let mut story = Story::watched();
    story.look("lon-esx1", Ok(&["sql01"]));
    story.keep();
    let signs = story.signs("lee-esx1", Ok(&["app01", "sql01"]));
    assert!(matches!(signs[..], [Sign::Split { .. }]), "{signs:?}");
    let signs = story.look("lon-esx1", Ok(&[]));
    assert!(signs[0].contains("at one site again"), "{signs:?}");
    for _ in 0..2 {
        story.look("lon-esx1", Err("gone"));
    }
    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
    let kept = story.evidence();
    assert!(
        matches!(
            &kept[..],
            [Fact::SplitBrain { .. }, Fact::SplitBrainEnded { .. }]
        ),
        "{kept:?}"
    );
    story.keep();
    // It comes up once more.
    story.look("lon-esx1", Ok(&["sql01"]));
    let signs = story.signs("lee-esx1", Ok(&["app01", "sql01"]));
    assert!(matches!(signs[..], [Sign::Split { .. }]), "{signs:?}");
    story.keep();
    assert_eq!(story.state.splits().len(), 1);
}

#[test]
fn what_another_watch_ended_is_not_written_anew() {
    let mut story = Story::watched();
    story.look("lon-esx1", Ok(&["sql01"]));
    story.look("lee-esx1", Ok(&["app01", "sql01"]));
    story.keep();
    story.fact(Fact::SplitBrainEnded {
        vm: "sql01".into(),
        how: "London does not run it any more".into(),
    });
    story.look("lee-esx1", Ok(&["app01", "sql01"]));
    assert!(story.evidence().is_empty(), "London's list is older");
    story.look("lon-esx1", Ok(&["sql01"]));
    story.look("lee-esx1", Ok(&["app01", "sql01"]));
    let again = story.evidence();
    assert!(matches!(&again[..], [Fact::SplitBrain { .. }]), "{again:?}");
}

#[test]
fn what_was_asked_before_a_start_and_what_is_walked_is_not_judged() {
    let mut story = Story::over();
    story.second -= 10;
    assert_eq!(
        story.look("lon-esx1", Ok(&["sql01"])).len(),
        1,
        "an old list"
    );
    story.second += 20;
    // Somebody goes on with the run: its own steps may stop what it started.
    story.state.own_end = None;
    assert_eq!(story.look("lee-esx1", Ok(&[])).len(), 1, "it answers");
}

#[test]
fn what_is_seen_over_a_rollback_that_was_only_begun_is_kept() {
    let mut story = Story::over();
    story.state.own_end = None;
    story.state.finished = None;
    let opened = |story: &mut Story| {
        story.happens(RunEvent::ChapterOpened {
            chapter: Chapter::Rollback,
            by: "bob".to_owned(),
            plan: String::new(),
            keeping: None,
            despite: None,
        });
    };
    story.look("lon-esx1", Ok(&["sql01"]));
    story.look("lee-esx1", Ok(&["sql01", "app01"]));
    assert_eq!(
        story.evidence(),
        [],
        "its engine watches while steps are walked"
    );
    opened(&mut story);
    story.look("lon-esx1", Ok(&["sql01"]));
    let ways = |story: &Story, sign: &Sign| {
        sign.ways(&"r1".into(), &Stage::of(&story.state), &story.lookout)
    };
    let kept = story.evidence();
    assert!(
        kept.iter()
            .any(|fact| matches!(fact, Fact::SplitBrain { .. })),
        "{kept:?}"
    );
    story.keep();
    let split = story
        .lookout
        .wrong()
        .into_iter()
        .find(|sign| matches!(sign, Sign::Split { .. }));
    let ways = ways(&story, &split.unwrap());
    assert!(ways[0].contains("lifeboat rollback r1 stops"), "{ways:?}");
    assert!(
        ways[1].ends_with("lifeboat rollback --leave r1"),
        "{ways:?}"
    );
}

#[test]
fn what_a_failback_took_home_is_not_looked_at_and_the_others_are() {
    let mut story = Story::split();
    let taken = TakenBy {
        by: "r2".into(),
        vms: vec!["sql01".into()],
    };
    story.state.take_home(&taken);
    story.look("lon-esx1", Ok(&["sql01"]));
    story.look("lee-esx1", Ok(&["app01"]));
    assert!(story.lookout.wrong().is_empty());
    assert!(story.evidence().is_empty());
    story.look("lon-esx1", Ok(&["app01", "sql01"]));
    story.look("lee-esx1", Ok(&["app01"]));
    let wrong = story.lookout.wrong();
    let of_app01 = |sign: &Sign| {
        sign.in_words()
            .contains("app01 runs on lee-esx1 and on lon-esx1")
    };
    assert!(
        matches!(wrong.as_slice(), [sign] if of_app01(sign)),
        "{wrong:?}"
    );
    assert_eq!(story.evidence().len(), 1);
}
