//! What failbacks leave of the failover that they take home: no rollback, and less to watch for. Pure.

use serde::{Deserialize, Serialize};

use super::event::Chapter;
use super::stage::{Move, Stage, Way};
use super::state::RunState;
use crate::names::{RunId, VmName, listed};

/// A failback that moved VMs of a run home, or began to. What stands of them at both sites is no
/// longer what the run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBy {
    /// The failback's run.
    pub by: RunId,
    /// The VMs that it takes home; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vms: Vec<VmName>,
}

impl TakenBy {
    /// Whether it takes this VM home.
    #[must_use]
    pub fn holds(&self, vm: &VmName) -> bool {
        self.vms.is_empty() || self.vms.contains(vm)
    }

    /// That it has them now, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let vms = match self.vms.as_slice() {
            [] => "its VMs".to_owned(),
            vms => listed(vms),
        };
        format!(
            "failback {} took {vms} home: what runs where is for that run to judge",
            self.by
        )
    }
}

/// What failbacks moved home of a run, or began to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenHome {
    /// The failbacks.
    pub by: Vec<TakenBy>,
    /// Those of them of whose commit something was done: nothing takes them back.
    pub committed: Vec<RunId>,
    /// Those of them that were rolled back and left something: a cleanup takes that away.
    pub left_over: Vec<RunId>,
    /// One that is open and has moved nothing yet.
    pub open: Option<RunId>,
    /// Every VM that the run started is in one of them: it has none left to watch.
    pub all: bool,
    /// Every one is in one whose steps were all done.
    pub whole: bool,
}

impl TakenHome {
    /// What a run's failbacks did, each with its state; `None` where none is open and they sent nothing,
    /// or all of it was taken back. Of a run that is not known itself, some of its VMs may be in none of
    /// them.
    #[must_use]
    pub fn of<'a>(
        run: Option<&RunState>,
        failbacks: impl IntoIterator<Item = (TakenBy, &'a RunState)>,
    ) -> Option<Self> {
        let (begun, idle): (Vec<_>, Vec<_>) = failbacks
            .into_iter()
            .partition(|(_, state)| has_begun(state));
        let mut idle = idle.into_iter();
        let open = idle.find(|(_, state)| state.finished.is_none());
        let open = open.map(|(taken, _)| taken.by);
        let (by, states): (Vec<TakenBy>, Vec<&RunState>) = begun.into_iter().unzip();
        let those = |are: fn(&RunState) -> bool| {
            let those = by.iter().zip(&states).filter(move |(_, state)| are(state));
            those.map(|(by, _)| by)
        };
        let runs = |are| those(are).map(|taken| taken.by.clone()).collect();
        let (committed, left_over) = (runs(is_committed), runs(has_left_over));
        let done: Vec<&TakenBy> = those(is_done).collect();
        let started = run.map(RunState::started);
        let all_in = |failbacks: &[&TakenBy]| {
            let is_in = |vm: &VmName| failbacks.iter().any(|taken| taken.holds(vm));
            !failbacks.is_empty() && started.as_ref().is_some_and(|vms| vms.iter().all(is_in))
        };
        let (all, whole) = (all_in(&by.iter().collect::<Vec<_>>()), all_in(&done));
        (!by.is_empty() || open.is_some()).then_some(Self {
            by,
            committed,
            left_over,
            open,
            all,
            whole,
        })
    }

    /// The failbacks' runs: `r3, r2`.
    #[must_use]
    pub fn runs(&self) -> String {
        let runs: Vec<&RunId> = self.by.iter().map(|taken| &taken.by).collect();
        listed(&runs)
    }

    /// What they did, of the run.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.open {
            Some(open) if self.by.is_empty() => {
                format!("failback {open} of it is open, and has moved nothing yet")
            }
            _ => {
                let part = if self.whole { "" } else { " in part" };
                format!("taken home{part} by failback {}", self.runs())
            }
        }
    }

    /// What is left to do for whoever wants to roll the run back.
    #[must_use]
    pub fn in_place_of_rollback(&self, run: &RunId) -> String {
        if let (Some(open), true) = (&self.open, self.by.is_empty()) {
            return format!(
                "end that one first, which would go on to take home what is then no longer there: lifeboat \
                 rollback {open}; or go on with it: lifeboat resume {open}"
            );
        }
        if !self.committed.is_empty() {
            let others = if self.all {
                String::new()
            } else {
                format!("take the others home, too (lifeboat failback {run}), or ")
            };
            return format!(
                "what failback {} took home is committed, and stays there: {others}commit this run: lifeboat commit {run}",
                listed(&self.committed)
            );
        }
        let back = |taken: &TakenBy| match self.left_over.contains(&taken.by) {
            true => format!("lifeboat cleanup {} (what its rollback left)", taken.by),
            false => format!("lifeboat rollback {}", taken.by),
        };
        let back: Vec<String> = self.by.iter().map(back).collect();
        format!(
            "take that back first, if that is what you want: {}",
            back.join(", then ")
        )
    }

    /// Where the run stands with that.
    #[must_use]
    pub fn stands(&self, stage: &Stage) -> String {
        let taken = self.words();
        match *stage {
            // No rollback is left, and so nothing to decide by a time.
            Stage::CommitDue { failed, skipped } => {
                let ended = Stage::Finished { failed, skipped }.words();
                format!("{ended}; {taken}: it can be committed, and not rolled back")
            }
            _ => format!("{}; {taken}", stage.words()),
        }
    }

    /// The ways on that are left: those that are not refused.
    #[must_use]
    pub fn leaves(&self, ways: Vec<Way>) -> Vec<Way> {
        let is_left = |way: &Way| match way.to {
            Move::Close(Chapter::Rollback) => false,
            Move::Watch => !self.all,
            _ => true,
        };
        ways.into_iter().filter(is_left).collect()
    }
}

/// Whether a failback changed something that is not as before again, or found a VM at home that people
/// took there. A lock is no change: it is given back with the run.
fn has_begun(failback: &RunState) -> bool {
    let stage = Stage::of(failback);
    let undone = matches!(stage, Stage::RolledBack { residue: 0 } | Stage::Cleaned);
    let at_work = failback.was_worked_on(|_| true, |op| !failback.is_about_lock(op));
    !undone && (at_work || !failback.started().is_empty())
}

/// Whether its ending lets nobody take it back any more: a commit of which nothing was done can be left.
fn is_committed(failback: &RunState) -> bool {
    let stage = Stage::of(failback);
    stage.is_being_committed() || matches!(stage, Stage::Committed { .. })
}

/// Whether it was rolled back, and something of it is still there.
fn has_left_over(failback: &RunState) -> bool {
    matches!(
        Stage::of(failback),
        Stage::RolledBack { .. } | Stage::CleanupIncomplete { .. } | Stage::CleaningUp
    )
}

/// Whether all of its steps were done, and none is being taken back.
fn is_done(failback: &RunState) -> bool {
    let mut chapters = failback.chapters.iter();
    let undoing =
        failback.leavable().is_none() && chapters.any(|opened| opened.chapter == Chapter::Rollback);
    let done = failback.own_end.as_ref();
    !undoing && done.is_some_and(|(_, result)| result.is_clean())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Entry, Fact, RunEvent, RunResult, StopOutcome};
    use crate::names::OpId;

    fn run(events: Vec<RunEvent>) -> RunState {
        run_of(None, events)
    }

    fn run_of(step: Option<&str>, events: Vec<RunEvent>) -> RunState {
        let entries: Vec<Entry> = (1..)
            .zip(events)
            .map(|(seq, event)| Entry {
                seq,
                at: "2026-01-02T03:04:05Z".parse().unwrap(),
                step: step.map(Into::into),
                attempt: None,
                event,
            })
            .collect();
        RunState::fold(&entries)
    }

    fn intended(op: u64, command: &str) -> RunEvent {
        RunEvent::WriteIntended {
            op: OpId(op),
            host: "lon-esx1".into(),
            command: command.to_owned(),
            bulk: false,
        }
    }

    fn finished(failed: usize) -> RunEvent {
        let result = RunResult {
            failed,
            ..RunResult::default()
        };
        RunEvent::RunFinished { result }
    }

    fn failover(vms: &[&str]) -> RunState {
        let on = |vm: &&str| {
            RunEvent::FactFound(Fact::PoweredOn {
                vm: (*vm).into(),
                host: "lee-esx1".into(),
            })
        };
        run(vms.iter().map(on).chain([finished(0)]).collect())
    }

    fn of(by: &str, vms: &[&str]) -> TakenBy {
        TakenBy {
            by: by.into(),
            vms: vms.iter().map(|vm| (*vm).into()).collect(),
        }
    }

    #[test]
    fn a_failback_that_touched_no_vm_took_nothing_home() {
        let out = failover(&["sql01"]);
        let has_taken = |events| {
            let home = TakenHome::of(Some(&out), [(of("r2", &[]), &run(events))]);
            home.is_some_and(|home| !home.by.is_empty())
        };
        let lock = || {
            RunEvent::FactFound(Fact::LockWanted {
                vm: None,
                host: "lon-esx1".into(),
                path: "/vmfs/volumes/u/.lifeboat-lock".to_owned(),
            })
        };
        let locked = || intended(1, "mkdir /vmfs/volumes/u/.lifeboat-lock");
        let moved = || intended(2, "mv /vmfs/volumes/u/sql01 /vmfs/volumes/u/old");
        let never = RunEvent::LostStopped {
            op: OpId(2),
            outcome: StopOutcome::NeverSent,
        };
        let not_sent = RunEvent::WriteNotSent {
            op: OpId(2),
            why: "left".to_owned(),
        };
        assert!(!has_taken(vec![lock(), locked()]));
        for never in [never, not_sent] {
            assert!(!has_taken(vec![lock(), locked(), moved(), never]));
        }
        assert!(has_taken(vec![lock(), locked(), moved()]));
    }

    /// The backup's tool brought the files, somebody registered and started it.
    #[test]
    fn a_failback_by_which_people_took_a_vm_home_took_it() {
        let out = failover(&["sql01"]);
        let has_taken = |events| {
            let failback = run_of(Some("failback/go-home/sql01/power_on"), events);
            let home = TakenHome::of(Some(&out), [(of("r2", &[]), &failback)]);
            home.is_some_and(|home| !home.by.is_empty())
        };
        let by_hand = RunEvent::StepByHand {
            by: "alice".to_owned(),
            evidence: "started in the host client".to_owned(),
        };
        let shell = RunEvent::ShellOpened {
            host: "lon-esx1".into(),
            by: "alice".to_owned(),
            reason: "its files".to_owned(),
        };
        let found_on = RunEvent::FactFound(Fact::PoweredOn {
            vm: "sql01".into(),
            host: "lon-esx1".into(),
        });
        assert!(!has_taken(vec![RunEvent::StepStarted]));
        for did in [by_hand, shell, found_on] {
            assert!(
                has_taken(vec![RunEvent::StepStarted, did.clone()]),
                "{did:?}"
            );
        }
    }

    #[test]
    fn what_is_committed_is_not_to_be_taken_back_first() {
        let out = failover(&["sql01", "web01"]);
        let moved = || vec![intended(1, "mv a b"), finished(0)];
        let opened = RunEvent::ChapterOpened {
            chapter: Chapter::Commit,
            by: "alice".to_owned(),
            plan: "f".to_owned(),
            keeping: None,
            despite: None,
        };
        let (stands, begun) = (run(moved()), run([moved(), vec![opened.clone()]].concat()));
        let committed = run([moved(), vec![opened, finished(0)]].concat());
        let next = |failbacks: Vec<(TakenBy, &RunState)>| {
            let home = TakenHome::of(Some(&out), failbacks).unwrap();
            home.in_place_of_rollback(&"r1".into())
        };
        let back = next(vec![(of("r2", &["web01"]), &stands)]);
        assert!(back.ends_with("lifeboat rollback r2"), "{back}");
        // A commit of which nothing was done is left with the rollback.
        let left = next(vec![(of("r2", &["web01"]), &begun)]);
        assert_eq!(left, back);
        let part = next(vec![(of("r2", &["web01"]), &committed)]);
        assert!(
            !part.contains("rollback")
                && part.contains("lifeboat failback r1")
                && part.ends_with("lifeboat commit r1"),
            "{part}"
        );
        let sql = (of("r3", &["sql01"]), &stands);
        let all = next(vec![sql, (of("r2", &["web01"]), &committed)]);
        assert!(
            !all.contains("rollback") && !all.contains("lifeboat failback"),
            "{all}"
        );
        // Nothing is in none of them: what one has not finished is for it to finish.
        let failed = run(vec![intended(1, "mv a b"), finished(1)]);
        let sql = (of("r3", &["sql01"]), &failed);
        let all = next(vec![sql, (of("r2", &["web01"]), &committed)]);
        assert!(!all.contains("the others"), "{all}");
    }

    #[test]
    fn what_a_rollback_left_is_for_a_cleanup_to_take_away() {
        let out = failover(&["sql01"]);
        let made = RunEvent::FactFound(Fact::FolderMade {
            host: "lon-esx1".into(),
            path: "/vmfs/volumes/u/new".to_owned(),
        });
        let opened = |chapter| RunEvent::ChapterOpened {
            chapter,
            by: "alice".to_owned(),
            plan: "f".to_owned(),
            keeping: None,
            despite: None,
        };
        let moved = vec![intended(1, "mv a b"), made, finished(0)];
        let rolled = [moved, vec![opened(Chapter::Rollback), finished(0)]].concat();
        let cleaning = [&rolled[..], &[opened(Chapter::Cleanup)]].concat();
        let again = [&cleaning[..], &[finished(1)]].concat();
        for events in [rolled, again] {
            let back = run(events);
            let home = TakenHome::of(Some(&out), [(of("r2", &[]), &back)]).unwrap();
            let next = home.in_place_of_rollback(&"r1".into());
            assert!(
                next.contains("lifeboat cleanup r2") && !next.contains("lifeboat rollback"),
                "{next}"
            );
        }
    }

    #[test]
    fn one_that_is_open_and_idle_keeps_the_run_from_a_rollback_and_is_named() {
        let out = failover(&["sql01"]);
        let idle = run(Vec::new());
        let home = TakenHome::of(Some(&out), [(of("r2", &[]), &idle)]).unwrap();
        assert_eq!((home.open.clone(), home.all), (Some("r2".into()), false));
        let due = Stage::CommitDue {
            failed: 0,
            skipped: 0,
        };
        assert!(home.stands(&due).contains("failback r2 of it is open"));
        let left = home.leaves(due.ways(&"r1".into(), None));
        let back = Move::Close(Chapter::Rollback);
        assert!(left.iter().all(|way| way.to != back), "{left:?}");
        let next = home.in_place_of_rollback(&"r1".into());
        assert!(next.contains("lifeboat resume r2"), "{next}");
    }

    #[test]
    fn failbacks_add_up_and_a_vm_in_none_of_them_is_left() {
        let out = failover(&["app01", "sql01", "web01"]);
        let done = run(vec![intended(1, "mv a b"), finished(0)]);
        let failed = run(vec![intended(1, "mv a b"), finished(1)]);
        let taken = |failbacks: &[(TakenBy, &RunState)]| {
            let home = TakenHome::of(Some(&out), failbacks.to_vec()).unwrap();
            (home.all, home.whole, home.by.len())
        };
        let web = || (of("r2", &["web01"]), &done);
        let others = ["sql01", "app01"];
        assert_eq!(taken(&[web()]), (false, false, 1));
        let half = [(of("r3", &others), &failed), web()];
        assert_eq!(taken(&half), (true, false, 2));
        // What failed once was done by another one.
        let again = [&[(of("r4", &others), &done)][..], &half].concat();
        assert_eq!(taken(&again), (true, true, 3));
        assert_eq!(taken(&[(of("r2", &[]), &done)]), (true, true, 1));
        let idle = run(vec![finished(0)]);
        assert_eq!(
            taken(&[(of("r3", &others), &idle), web()]),
            (false, false, 1)
        );
        assert!(TakenHome::of(Some(&out), [(of("r3", &others), &idle)]).is_none());
    }

    #[test]
    fn while_a_vm_is_left_the_hosts_are_watched() {
        let ways = |all| {
            let due = Stage::CommitDue {
                failed: 0,
                skipped: 0,
            };
            let home = TakenHome {
                by: vec![of("r2", &["web01"])],
                all,
                whole: all,
                ..TakenHome::default()
            };
            let left = home.leaves(due.ways(&"r1".into(), None));
            left.into_iter().map(|way| way.to).collect::<Vec<_>>()
        };
        let commit = Move::Close(Chapter::Commit);
        assert_eq!(ways(true), [commit]);
        assert_eq!(ways(false), [commit, Move::Watch]);
    }

    #[test]
    fn a_journal_that_names_no_vms_means_all() {
        let old = r#"{"fact":"taken-home","by":"r2"}"#;
        let fact: Fact = serde_json::from_str(old).unwrap();
        assert_eq!(fact, Fact::TakenHome(of("r2", &[])));
        assert_eq!(serde_json::to_string(&fact).unwrap(), old);
        let part = Fact::TakenHome(of("r2", &["web01"]));
        let new = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&new).unwrap(), part);
    }
}
