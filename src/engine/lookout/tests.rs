use super::*;
use crate::engine::{Entry, RunEvent, RunResult};
use crate::runbook::Limits;

const TEXT: &str = include_str!("../../../runbooks/v2v-image-restore.yaml");

/// A failover whose steps are over, and its watch.
struct Story {
    state: RunState,
    lookout: Lookout,
    second: i64,
}

impl Story {
    /// sql01 and app01 were started in Leeds while London was silent.
    fn over() -> Self {
        let runbook = crate::runbook::load("bundled", TEXT, &Limits::default());
        let mut story = Self {
            state: RunState::default(),
            lookout: Lookout::new(&runbook.unwrap().runbook),
            second: 0,
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
        self.state.apply(&Entry {
            seq: self.state.last_seq + 1,
            at: self.now(),
            step: None,
            attempt: None,
            event,
        });
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
        self.second += 1;
        let running = running.map(|vms| vms.iter().map(|vm| (*vm).into()).collect());
        let role = match host {
            "lon-esx1" => SiteRole::Protected,
            _ => SiteRole::Recovery,
        };
        let sighting = Sighting {
            host: host.into(),
            role,
            asked: self.now(),
            running: running.map_err(str::to_owned),
        };
        self.lookout.take(&self.state, &sighting)
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
        "lon-esx1 ANSWERS AGAIN (silent before about app01, sql01); it runs none of this run's VMs";
    assert_eq!(back[0].in_words(), said);
    assert!(back[0].is_alarm() && back.len() == 1, "{back:?}");
    assert!(matches!(
        back[0].evidence(),
        Some(Fact::HostReturned { .. })
    ));
    assert!(story.look("lon-esx1", Ok(&[])).is_empty(), "no news");
    assert!(story.lookout.wrong().is_empty());
}

#[test]
fn a_vm_that_comes_up_twice_is_recovery_required_until_one_copy_is_off() {
    let mut story = Story::watched();
    let signs = story.signs("lon-esx1", Ok(&["sql01"]));
    let [back, split] = &signs[..] else {
        panic!("{signs:?}")
    };
    assert!(back.in_words().ends_with("it runs sql01"));
    let said = "RECOVERY REQUIRED (split brain): sql01 runs on lee-esx1 and on lon-esx1";
    assert_eq!(split.in_words(), said);
    let ways = split.ways(&"r1".into(), false);
    assert!(ways[0].contains("vim-cmd vmsvc/power.shutdown"), "{ways:?}");
    assert!(ways[1].contains("lifeboat rollback r1"), "{ways:?}");
    story.fact(split.evidence().unwrap());

    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
    story.look("lon-esx1", Err("gone"));
    story.look("lon-esx1", Err("gone"));
    assert!(story.look("lee-esx1", Ok(&["app01", "sql01"])).is_empty());
    let standing = |story: &Story| story.lookout.wrong().iter().any(|sign| sign == split);
    assert!(standing(&story), "a silent host may run it still");

    let over = story.look("lon-esx1", Ok(&[]));
    assert!(over[1].contains("sql01 runs at one site again"), "{over:?}");
    assert!(!standing(&story));
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
    let ended = |sign: &Sign| matches!(sign.evidence(), Some(Fact::SplitBrainEnded { .. }));
    assert!(signs.iter().any(ended), "{signs:?}");
    let again = story.signs("lon-esx1", Ok(&[]));
    assert!(again.is_empty(), "said once: {again:?}");
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
    let away = |sign: &Sign| matches!(sign, Sign::Away { .. }) && sign.evidence().is_none();
    assert!(signs.iter().any(away), "{signs:?}");
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
