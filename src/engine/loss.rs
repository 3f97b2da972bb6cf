//! When a run's VMs ceased to serve: what RTO and RPO are counted from.
//!
//! In a failover that is the outage, which a person states. A planned run stops the VMs itself: the
//! set is down from the first stop, and what a VM wrote is lost only if it is younger than what was
//! copied after that VM's own stop.

use jiff::Timestamp;

use super::fact::Fact;
use super::state::{FoundFact, RunState};
use crate::names::VmName;
use crate::runbook::model::{Mode, Section};

impl RunState {
    /// When the set ceased to serve; `None` as long as a planned run has stopped nothing.
    #[must_use]
    pub fn service_lost(&self) -> Option<Timestamp> {
        if !self.is_planned() {
            return self.info.as_ref()?.outage_at;
        }
        let stops = self
            .facts
            .iter()
            .filter(|found| is_at_source(found))
            .filter_map(|found| match &found.fact {
                Fact::Stopped { at, .. } => Some(*at),
                _ => None,
            });
        stops.min()
    }

    /// Until when a VM wrote: the outage, in a planned run its own stop. Looks of later steps that
    /// find it off move nothing; being stopped once more does.
    #[must_use]
    pub fn wrote_until(&self, vm: &VmName) -> Option<Timestamp> {
        if !self.is_planned() {
            return self.service_lost();
        }
        let mut until = None;
        for found in self.facts.iter().filter(|found| is_at_source(found)) {
            match &found.fact {
                Fact::StopWanted { vm: of, .. } if of == vm => until = None,
                Fact::Stopped { vm: of, at, .. } if of == vm => until = until.or(Some(*at)),
                _ => {}
            }
        }
        until
    }

    /// What a clock counts from: that, or the run's start where nobody said when it was lost.
    #[must_use]
    pub fn counts_from(&self) -> Option<Timestamp> {
        let start = self.started.filter(|_| !self.is_planned());
        self.service_lost().or(start)
    }

    fn is_planned(&self) -> bool {
        let mode = self.info.as_ref().and_then(|info| info.mode);
        mode == Some(Mode::Planned)
    }
}

/// Whether it was found by a step that stops VMs where they come from.
fn is_at_source(found: &FoundFact) -> bool {
    let Some(id) = &found.step else {
        return false;
    };
    id.section() == Section::Failover.as_str() && matches!(id.verb(), "shut_down" | "fence")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RunInfo;
    use crate::names::StepId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn found(step: &str, fact: Fact) -> FoundFact {
        FoundFact {
            at: at(0),
            step: Some(StepId::from(step)),
            fact,
        }
    }

    fn stopped(vm: &str, second: i64) -> Fact {
        Fact::Stopped {
            vm: vm.into(),
            host: "h".into(),
            how: "in words".into(),
            at: at(second),
        }
    }

    fn wanted(vm: &str) -> Fact {
        let (host, vmx) = ("h".into(), "[d] v/v.vmx".into());
        Fact::StopWanted {
            vm: vm.into(),
            host,
            vmx,
        }
    }

    #[test]
    fn a_planned_run_counts_from_its_own_stops_and_any_other_from_the_outage() {
        let mut state = RunState {
            facts: vec![
                found("failover/go/web/shut_down", wanted("web")),
                found("failover/go/web/shut_down", stopped("web", 10)),
                found("failover/go/web/fence", stopped("web", 15)),
                found("failover/go/db/shut_down.2", stopped("db", 20)),
                found("failover/go/db/power_on", stopped("db", 99)),
            ],
            ..RunState::default()
        };
        let info = |mode| RunInfo {
            mode: Some(mode),
            outage_at: Some(at(1)),
            ..RunInfo::default()
        };
        state.info = Some(Box::new(info(Mode::Failover)));
        assert_eq!(state.service_lost(), Some(at(1)));
        assert_eq!(state.wrote_until(&"db".into()), Some(at(1)));
        state.info = Some(Box::new(info(Mode::Planned)));
        assert_eq!(state.service_lost(), Some(at(10)));
        assert_eq!(state.wrote_until(&"web".into()), Some(at(10)));
        assert_eq!(state.wrote_until(&"db".into()), Some(at(20)));
        assert_eq!(state.wrote_until(&"app".into()), None);
        let again = [wanted("web"), stopped("web", 30)];
        let again = again.map(|fact| found("failover/go/web/fence", fact));
        state.facts.extend(again);
        assert_eq!(state.wrote_until(&"web".into()), Some(at(30)));
    }
}
