//! What a failover really did with its VMs: the way home is made from that, not from what was
//! planned. Pure.

use crate::names::VmName;
use crate::plan::{ActionSpec, Plan, Step};
use crate::runbook::model::{Mode, Section};

use super::event::{FromDrill, Parent, RunInfo};
use super::state::RunState;
use super::step::Status;

/// What became of the VMs of a failover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayOut {
    /// VMs that it started, or that somebody started by hand, in plan order.
    pub moved: Vec<VmName>,
    /// VMs that it was to start and did not, each with the reason.
    pub stayed: Vec<(VmName, String)>,
    /// Steps that people did or left out, in words.
    pub by_people: Vec<String>,
}

impl WayOut {
    /// Reads a run. VMs that its runbook starts by other means than `power_on` are in neither list.
    #[must_use]
    pub fn of(plan: &Plan, state: &RunState) -> Self {
        let mut way = Self::default();
        for vm in &plan.vms {
            let starts: Vec<&Step> = way_out(plan)
                .filter(|step| matches!(&step.action, ActionSpec::PowerOn { vm: of } if of == vm))
                .collect();
            if starts.is_empty() {
                continue;
            }
            let is_up = |step: &&Step| {
                matches!(
                    state.status(&step.id),
                    Status::Done | Status::AlreadyDone | Status::ByHand
                )
            };
            if let Some((site, by)) = state.lives_elsewhere(vm) {
                let why = format!("it ran at both sites, and {by} chose that it lives in {site}");
                way.stayed.push((vm.clone(), why));
            } else if starts.iter().any(is_up) || state.started_on(vm).is_some() {
                way.moved.push(vm.clone());
            } else if let Some(last) = starts.last() {
                way.stayed.push((vm.clone(), why_not(state, last)));
            }
        }
        let settled = |step: &Step| match state.status(&step.id) {
            status @ (Status::Skipped | Status::ByHand) => Some(settled(state, step, status)),
            _ => None,
        };
        way.by_people = way_out(plan).filter_map(settled).collect();
        way
    }
}

impl Parent {
    /// What people have to know of the run that is taken back.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let stayed = self
            .stayed
            .iter()
            .map(|(vm, why)| format!("{vm} does not go home: {why}"));
        let by_people = self
            .by_people
            .iter()
            .map(|step| format!("on the way out {step}"));
        stayed.chain(by_people).collect()
    }
}

impl RunInfo {
    /// `London -> Leeds`: from which site to which it moves VMs.
    #[must_use]
    pub fn way(&self) -> String {
        let [protected, recovery] = &self.sites;
        match self.mode {
            Some(Mode::Failback) => format!("{recovery} -> {protected}"),
            _ => format!("{protected} -> {recovery}"),
        }
    }

    /// Which run it follows: `, takes back run X (…)` for a failback, the drill for one that starts from
    /// its disks; else nothing.
    #[must_use]
    pub fn follows(&self) -> String {
        let Some(parent) = &self.parent else {
            let drill = self.from_drill.as_ref().map(FromDrill::in_words);
            return drill.map_or_else(String::new, |drill| format!(", {drill}"));
        };
        let words = parent.in_words();
        if words.is_empty() {
            return format!(", takes back run {}", parent.run);
        }
        format!(", takes back run {} ({})", parent.run, words.join("; "))
    }
}

fn way_out(plan: &Plan) -> impl Iterator<Item = &Step> {
    let own = format!("{}/", Section::Failover);
    plan.steps
        .iter()
        .filter(move |step| step.id.as_str().starts_with(&own))
}

fn why_not(state: &RunState, step: &Step) -> String {
    match state.status(&step.id) {
        status @ Status::Skipped => settled(state, step, status),
        Status::Undone => format!("{} was taken back", step.id),
        Status::Waiting => format!("{} was never reached", step.id),
        other => format!("{} is {}", step.id, other.as_str()),
    }
}

/// `failover/recover/web01/ready was skipped by alice: its owner is away`.
fn settled(state: &RunState, step: &Step, status: Status) -> String {
    let settled = state.step(&step.id);
    let by = settled
        .settled_by
        .map_or_else(String::new, |by| format!(" by {by}"));
    let how = match status {
        Status::ByHand => format!("was done by hand{by}"),
        _ => format!("was skipped{by}"),
    };
    let why: Vec<&str> = settled.evidence.iter().map(String::as_str).collect();
    format!("{} {how}: {}", step.id, why.join("; "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::engine::{Fact, RunEvent};
    use crate::plan::{PlanInputs, make};
    use crate::runbook::{Limits, load};

    const RUNBOOK: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

    #[test]
    fn what_was_started_goes_home_and_what_was_not_says_why() {
        let loaded = load("r.yaml", RUNBOOK, &Limits::default());
        let runbook = loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .runbook;
        let inputs = PlanInputs {
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            only: Vec::new(),
        };
        let plan = make(&runbook, Section::Failover, Mode::Failover, &inputs).unwrap();
        let (by, reason) = ("alice".to_owned(), "its owner is away".to_owned());
        let events = [
            ("sql01/power_on", RunEvent::StepDone { evidence: vec![] }),
            (
                "app01/power_on",
                RunEvent::StepByHand {
                    by: by.clone(),
                    evidence: "at its console".to_owned(),
                },
            ),
            ("web01/power_on", RunEvent::StepSkipped { by, reason }),
        ];
        let mut state = RunState::default();
        for (step, event) in events {
            state.tell(format!("failover/recover/{step}").as_str(), event);
        }
        let way = WayOut::of(&plan, &state);
        assert_eq!(way.moved, ["sql01".into(), "app01".into()]);
        let why = "failover/recover/web01/power_on was skipped by alice: its owner is away";
        assert_eq!(way.stayed, [("web01".into(), why.to_owned())]);
        assert_eq!(way.by_people.len(), 2);
        let parent = Parent {
            run: "20260102-030405-test".into(),
            head: String::new(),
            stayed: way.stayed,
            by_people: way.by_people,
        };
        let words = parent.in_words().join("; ");
        assert!(words.starts_with("web01 does not go home"), "{words}");
        assert!(
            words.contains("power_on was done by hand by alice: at its console"),
            "{words}"
        );
    }

    #[test]
    fn what_lives_at_home_by_choice_does_not_go_home() {
        let loaded = load("r.yaml", RUNBOOK, &Limits::default());
        let runbook = loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .runbook;
        let inputs = PlanInputs {
            variables: [("ticket".into(), "INC000001".to_owned())].into(),
            only: Vec::new(),
        };
        let plan = make(&runbook, Section::Failover, Mode::Failover, &inputs).unwrap();
        let mut state = RunState::default();
        let tell = |state: &mut RunState, event: RunEvent| {
            state.tell("failover/recover/sql01/power_on", event);
        };
        let vm: VmName = "sql01".into();
        let stopped = |host: &str| Fact::Stopped {
            vm: vm.clone(),
            host: host.into(),
            at: Timestamp::UNIX_EPOCH,
            how: "by its guest".to_owned(),
        };
        let started = Fact::PoweredOn {
            vm: vm.clone(),
            host: "lee-esx1".into(),
        };
        let chosen = Fact::SurvivorChosen {
            vm: vm.clone(),
            site: "London".to_owned(),
            by: "alice".to_owned(),
        };
        tell(&mut state, RunEvent::StepDone { evidence: vec![] });
        for fact in [started.clone(), chosen, stopped("lon-esx1")] {
            tell(&mut state, RunEvent::FactFound(fact));
        }
        assert_eq!(state.lives_elsewhere(&vm), None, "its own copy runs");
        assert_eq!(WayOut::of(&plan, &state).moved, std::slice::from_ref(&vm));
        tell(&mut state, RunEvent::FactFound(stopped("lee-esx1")));
        let way = WayOut::of(&plan, &state);
        assert!(way.moved.is_empty());
        let why = "it ran at both sites, and alice chose that it lives in London";
        assert_eq!(way.stayed[0], (vm.clone(), why.to_owned()));
        tell(&mut state, RunEvent::FactFound(started.clone()));
        assert_eq!(state.lives_elsewhere(&vm), None, "started again");

        // Chosen to live where the run started it, it lives nowhere else once that is taken back.
        state.info = Some(Box::new(RunInfo {
            sites: ["London", "Leeds"].map(str::to_owned),
            ..RunInfo::default()
        }));
        for (site, lives) in [("Leeds", None), ("London", Some(("London", "alice")))] {
            let chosen = Fact::SurvivorChosen {
                vm: vm.clone(),
                site: site.to_owned(),
                by: "alice".to_owned(),
            };
            for fact in [started.clone(), chosen, stopped("lee-esx1")] {
                tell(&mut state, RunEvent::FactFound(fact));
            }
            assert_eq!(state.lives_elsewhere(&vm), lives, "{site}");
        }
    }

    #[test]
    fn a_failback_goes_the_other_way() {
        let way = |mode| {
            let sites = ["London".to_owned(), "Leeds".to_owned()];
            let info = RunInfo {
                mode: Some(mode),
                sites,
                ..RunInfo::default()
            };
            info.way()
        };
        assert_eq!(way(Mode::Planned), "London -> Leeds");
        assert_eq!(way(Mode::Failback), "Leeds -> London");
    }
}
