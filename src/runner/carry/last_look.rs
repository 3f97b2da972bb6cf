//! The last look at hosts before a run ends: one that did not answer so far may be back, and what runs
//! there is seen then or by nobody. It is bounded, and what was not seen is told.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::names::{HostName, VmName, listed};
use crate::runbook::model::{Driver, Runbook, SiteRole};
use crate::telemetry::HostFigures;

/// How long hosts get.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A look that is under way.
#[derive(Debug)]
pub(super) struct LastLook {
    /// When it began; polls of before do not count.
    pub(super) since: Timestamp,
    awaited: BTreeSet<HostName>,
    silent: BTreeSet<HostName>,
}

impl LastLook {
    /// At these hosts; none where there are none.
    pub(super) fn at(hosts: BTreeSet<HostName>, since: Timestamp) -> Option<Self> {
        (!hosts.is_empty()).then_some(Self {
            since,
            awaited: hosts,
            silent: BTreeSet::new(),
        })
    }

    /// The hosts that were not polled since it began.
    pub(super) fn awaited(&self) -> &BTreeSet<HostName> {
        &self.awaited
    }

    /// A host was polled, and told what runs there or did not. Whether it was the last one.
    pub(super) fn polled(&mut self, figures: &HostFigures) -> bool {
        let counts = figures.began >= self.since && self.awaited.remove(&figures.host);
        if counts && figures.asked.is_none() {
            self.silent.insert(figures.host.clone());
        }
        self.awaited.is_empty()
    }

    /// What begins, in words.
    pub(super) fn in_words(&self) -> String {
        let hosts: Vec<&HostName> = self.awaited.iter().collect();
        format!(
            "looking once more at {}, for up to {} s: what runs there was not told so far",
            listed(&hosts),
            PATIENCE.as_secs()
        )
    }

    /// What was not seen, in words; `next` looks on.
    pub(super) fn unseen(&self, next: Option<&str>) -> Option<String> {
        let hosts: Vec<&HostName> = self.awaited.union(&self.silent).collect();
        let next = next.map_or_else(String::new, |next| format!("; {next} looks on, and rings"));
        let what = format!("what runs on {} was not seen at the end", listed(&hosts));
        (!hosts.is_empty()).then(|| format!("{what}{next}"))
    }
}

/// Whether one of these VMs may run on a host, at either site.
pub(super) fn may_run_vms(runbook: &Runbook, vms: &[VmName], host: &HostName) -> bool {
    let driver = runbook.hosts.get(host).map(|host| host.driver);
    let site = runbook.role_of(host);
    let mut known = vms.iter().filter_map(|vm| runbook.vms.get(vm));
    driver == Some(Driver::Esxi)
        && known.any(|vm| {
            [SiteRole::Protected, SiteRole::Recovery]
                .into_iter()
                .any(|role| site == Some(role) && vm.place(role).is_some())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn polled(host: &str, began: i64, told: bool) -> HostFigures {
        HostFigures {
            host: host.into(),
            began: at(began),
            asked: told.then(|| at(began)),
            ..HostFigures::default()
        }
    }

    #[test]
    fn it_waits_for_polls_that_began_since_and_tells_who_did_not_answer() {
        let hosts = ["a".into(), "b".into()].into();
        let mut look = LastLook::at(hosts, at(10)).unwrap();
        assert!(look.in_words().contains("at a, b, for up to 10 s"));
        assert!(!look.polled(&polled("a", 9, true)), "from before");
        assert!(!look.polled(&polled("a", 10, true)));
        assert!(!look.polled(&polled("c", 11, true)), "nobody waits for it");
        // In time for one, and not for the other.
        let late = look.unseen(Some("`watch`")).unwrap();
        assert_eq!(
            late,
            "what runs on b was not seen at the end; `watch` looks on, and rings"
        );
        assert!(look.polled(&polled("b", 12, false)));
        assert_eq!(
            look.unseen(None).unwrap(),
            "what runs on b was not seen at the end"
        );
    }

    #[test]
    fn where_all_answered_nothing_is_told_and_where_none_is_asked_nothing_waits() {
        let mut look = LastLook::at(["a".into()].into(), at(10)).unwrap();
        assert!(look.polled(&polled("a", 10, true)));
        assert_eq!(look.unseen(None), None);
        assert!(LastLook::at(BTreeSet::new(), at(10)).is_none());
    }

    #[test]
    fn hosts_of_either_site_that_may_run_a_vm_are_looked_at() {
        let text = include_str!("../../../runbooks/v2v-image-restore.yaml");
        let runbook = crate::runbook::load("r", text, &crate::runbook::Limits::default());
        let runbook = runbook.unwrap().runbook;
        let may = |vms: &[VmName], host: &str| may_run_vms(&runbook, vms, &host.into());
        let one = ["sql01".into()];
        assert!(may(&one, "lon-esx1") && may(&one, "lee-esx1"));
        assert!(!may(&one, "lee-bk1") && !may(&[], "lon-esx1"));
    }
}
