//! Whether VMs that a run moved are backed up where they run now. Pure.

use std::fmt;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::event::Chapter;
use super::fact::Fact;
use super::state::RunState;
use crate::clock::to_second;
use crate::names::{HostName, VmName};
use crate::runbook::model::Mode;

/// A VM of which no restore point was seen that was taken since it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unprotected {
    /// Which VM.
    pub vm: VmName,
    /// When it moved.
    pub since: Timestamp,
}

impl Unprotected {
    /// The same with how that is known.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!("{self}: no restore point was seen that was taken after it moved")
    }
}

impl fmt::Display for Unprotected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = to_second(self.since);
        write!(f, "{} is not protected since {since}", self.vm)
    }
}

/// A VM that came up by the run.
struct Moved<'a> {
    /// Where the run started it; nowhere where it stood ready.
    host: Option<&'a HostName>,
    at: Timestamp,
    protected: bool,
}

impl RunState {
    /// VMs that the run moved and that nobody has seen protected again, in the order in which they
    /// came up.
    #[must_use]
    pub fn unprotected(&self) -> Vec<Unprotected> {
        let mode = self.info.as_ref().and_then(|info| info.mode);
        if matches!(mode, None | Some(Mode::Practice | Mode::Drill)) {
            return Vec::new();
        }
        // What failbacks took home is theirs to protect.
        let open = self
            .moved()
            .into_iter()
            .filter(|(vm, moved)| !moved.protected && !self.is_taken_home(vm));
        open.map(|(vm, moved)| Unprotected {
            vm: vm.clone(),
            since: moved.at,
        })
        .collect()
    }

    /// When the run brought the VM up where it runs now.
    #[must_use]
    pub fn moved_at(&self, vm: &VmName) -> Option<Timestamp> {
        self.moved().get(vm).map(|moved| moved.at)
    }

    /// VMs that the run brought up and has not stopped since. What is taken back is no move.
    fn moved(&self) -> IndexMap<&VmName, Moved<'_>> {
        let mut all: IndexMap<&VmName, Moved<'_>> = IndexMap::new();
        for found in &self.facts {
            let takes_back = found.step.as_ref().and_then(Chapter::of).is_some();
            let came = |host| Moved {
                host,
                at: found.at,
                protected: false,
            };
            match &found.fact {
                Fact::PoweredOn { vm, .. } if takes_back => {
                    all.shift_remove(vm);
                }
                Fact::PoweredOn { vm, host } => {
                    all.insert(vm, came(Some(host)));
                }
                Fact::Serves { vm } => {
                    all.entry(vm).or_insert_with(|| came(None));
                }
                Fact::Stopped { vm, host, .. }
                    if all.get(vm).is_some_and(|moved| moved.host == Some(host)) =>
                {
                    all.shift_remove(vm);
                }
                Fact::ProtectedAgain { vm, .. } => {
                    if let Some(moved) = all.get_mut(vm) {
                        moved.protected = true;
                    }
                }
                _ => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::TakenBy;
    use crate::engine::{RunEvent, RunInfo};

    fn told(mode: Mode, facts: &[(&str, Fact)]) -> RunState {
        let mut state = RunState::begun(RunInfo {
            mode: Some(mode),
            ..RunInfo::default()
        });
        for (step, fact) in facts {
            state.tell(*step, RunEvent::FactFound(fact.clone()));
        }
        state
    }

    fn on(vm: &str) -> (&'static str, Fact) {
        let (vm, host) = (vm.into(), "lee-esx1".into());
        ("failover/recover/x/power_on", Fact::PoweredOn { vm, host })
    }

    fn off(vm: &str, host: &str) -> (&'static str, Fact) {
        let fact = Fact::Stopped {
            vm: vm.into(),
            host: host.into(),
            how: String::new(),
            at: Timestamp::UNIX_EPOCH,
        };
        ("failover/recover/x/shut_down", fact)
    }

    fn seen(vm: &str) -> (&'static str, Fact) {
        let fact = Fact::ProtectedAgain {
            vm: vm.into(),
            backup: "leeds".into(),
            point: "20260102T030405Z".to_owned(),
        };
        ("failover/protect/x/check", fact)
    }

    fn named(state: &RunState) -> Vec<String> {
        state
            .unprotected()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_moved_is_not_protected_until_a_point_of_after_it_is_seen() {
        let all = [
            on("sql01"),
            on("web01"),
            seen("sql01"),
            off("web01", "lon-esx1"),
        ];
        let state = told(Mode::Failover, &all);
        let open = "web01 is not protected since 1970-01-01 00:00:03Z";
        assert_eq!(named(&state), [open], "off at home is no stop of the move");
        assert_eq!(named(&told(Mode::Drill, &all)), [""; 0]);
        let again = told(Mode::Failover, &[on("sql01"), seen("sql01"), on("sql01")]);
        assert_eq!(named(&again).len(), 1, "a point of before its last start");
        let gone = told(Mode::Failover, &[on("sql01"), off("sql01", "lee-esx1")]);
        assert_eq!(named(&gone), [""; 0]);
        let (vm, host) = ("sql01".into(), "lon-esx1".into());
        let back = (
            "rollback/bring-back/sql01/power_on",
            Fact::PoweredOn { vm, host },
        );
        assert_eq!(named(&told(Mode::Failover, &[on("sql01"), back])), [""; 0]);
    }

    #[test]
    fn what_a_failback_took_home_is_not_asked_for_here() {
        let home = Fact::TakenHome(TakenBy {
            by: "r2".into(),
            vms: vec!["sql01".into()],
        });
        let home = ("commit/-/-/x", home);
        let all = [on("sql01"), on("web01"), home];
        let left = named(&told(Mode::Failover, &all));
        assert!(
            matches!(&left[..], [one] if one.starts_with("web01 ")),
            "{left:?}"
        );
    }

    #[test]
    fn a_machine_that_stood_ready_moved_when_it_came_to_serve() {
        let serves = (
            "failover/go/crm01/ready",
            Fact::Serves { vm: "crm01".into() },
        );
        let state = told(Mode::Planned, &[serves.clone(), serves]);
        assert_eq!(
            named(&state),
            ["crm01 is not protected since 1970-01-01 00:00:02Z"]
        );
        assert_eq!(state.moved_at(&"sql01".into()), None);
    }
}
