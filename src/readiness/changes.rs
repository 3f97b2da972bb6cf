//! What is different between two looks.

use super::finding::{Finding, Severity};
use super::seen::{HostSeen, Seen};
use super::task::Task;
use super::whereabouts::left_at;
use crate::names::{HostName, VmName};

/// How a finding differs from the look before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    New(Finding),
    /// It is there still, and something else depends on it now.
    Was(Severity, Finding),
    /// It is there no more.
    Gone(Finding),
}

impl Change {
    /// Whether things became worse by it, so that somebody should hear of it.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        match self {
            Self::New(finding) => finding.severity < Severity::Note,
            Self::Was(before, finding) => finding.severity < *before,
            Self::Gone(_) => false,
        }
    }
}

/// What changed, by key and severity: words alone, such as an age that grows, are no change.
#[must_use]
pub fn changes(before: &[Finding], now: &[Finding]) -> Vec<Change> {
    let of = |findings: &[Finding], key: &str| {
        let found = findings.iter().find(|finding| finding.key == key);
        found.map(|finding| finding.severity)
    };
    let here = now.iter().filter_map(|finding| {
        let finding = finding.clone();
        match of(before, &finding.key) {
            None => Some(Change::New(finding)),
            Some(severity) if severity != finding.severity => Some(Change::Was(severity, finding)),
            Some(_) => None,
        }
    });
    let gone = before
        .iter()
        .filter(|finding| of(now, &finding.key).is_none())
        .map(|finding| Change::Gone(finding.clone()));
    here.chain(gone).collect()
}

/// Adds what was found before and could not be judged this time: that a host is silent mends nothing.
pub fn carry_over(task: &Task, seen: &Seen, before: &[Finding], now: &mut Vec<Finding>) {
    let lost: Vec<Finding> = before
        .iter()
        .filter(|old| !now.iter().any(|new| new.key == old.key))
        .filter(|old| !was_judged(task, seen, old))
        .cloned()
        .collect();
    now.extend(lost);
    now.sort_by(Finding::order);
}

/// Whether what a finding rests on was told.
fn was_judged(task: &Task, seen: &Seen, finding: &Finding) -> bool {
    let about = finding.key.rsplit('/').next().unwrap_or_default();
    // Whether a host can be reached is known in any case.
    if about == "reach" {
        return true;
    }
    let place = HostName::from(finding.fault.place.as_str());
    let of_host = match seen.hosts.get(&place) {
        None => true,
        Some(Ok(host)) => about == "answers" || (tells(host) && tells_of(host, about)),
        Some(Err(_)) => false,
    };
    let is_known = |host: &HostName| matches!(seen.hosts.get(host), Some(Ok(host)) if tells(host));
    let of_vm = |vm: &VmName| {
        let place = task.runbook.vms.get(vm).and_then(|vm| task.place(vm));
        let restored = task.restores.contains_key(vm);
        let from = left_at(task, seen, vm).map(|(host, _)| host);
        let sent_from = task.source_of(vm);
        place.is_none_or(|place| is_known(&place.host))
            && (!restored || seen.points.get(vm).is_some_and(Result::is_ok))
            && (task.leaves(vm).is_none() || from.is_some_and(is_known))
            && sent_from.is_none_or(is_known)
    };
    // What comes counts, and that is known of each VM by itself.
    let is_sum = ["memory", "room", "copies", "swap"].contains(&about);
    let rests_on_vms = is_sum || finding.key.starts_with("vm/");
    of_host && (!rests_on_vms || finding.vms.iter().all(of_vm))
}

/// Whether a host answered everything that matters.
fn tells(host: &HostSeen) -> bool {
    let esxi = host.esxi.as_ref();
    esxi.is_none_or(|esxi| esxi.silences().iter().all(|silence| silence.is_extra))
}

/// Whether a host told what a finding of this name rests on, where it may keep silent about it.
fn tells_of(host: &HostSeen, about: &str) -> bool {
    if about == "clock" {
        return host.clock.is_ok();
    }
    host.esxi.as_ref().is_none_or(|esxi| match about {
        "maintenance" => esxi.summary.is_ok(),
        "memory" => esxi.summary.is_ok() && esxi.spares.is_ok(),
        "spares" => esxi.spares.is_ok(),
        "licence" => esxi.licences.is_ok(),
        "vcenter" => esxi.summary.is_ok() && esxi.vcenter.is_ok(),
        "uplink" => esxi.nics.is_ok(),
        "autostart" => esxi.autostart.is_ok(),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn finding(key: &str, severity: Severity, what: &str) -> Finding {
        Finding {
            key: key.to_owned(),
            severity,
            vms: Vec::new(),
            fault: Fault::new(what, "", "", ""),
        }
    }

    #[test]
    fn words_alone_are_no_change_and_what_gets_worse_is_heard() {
        let before = [
            finding("a", Severity::Warning, "5 h old"),
            finding("b", Severity::Warning, "full soon"),
            finding("c", Severity::Blocker, "silent"),
        ];
        let now = [
            finding("a", Severity::Warning, "6 h old"),
            finding("b", Severity::Blocker, "full"),
            finding("d", Severity::Note, "to know"),
        ];
        let changed = changes(&before, &now);
        assert_eq!(
            changed,
            [
                Change::Was(Severity::Warning, now[1].clone()),
                Change::New(now[2].clone()),
                Change::Gone(before[2].clone()),
            ]
        );
        let worse: Vec<bool> = changed.iter().map(Change::is_worse).collect();
        assert_eq!(worse, [true, false, false]);
        assert!(changes(&now, &now).is_empty());
    }
}
