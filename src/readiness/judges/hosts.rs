//! The hosts themselves: clocks, how long they take, their SSH servers and programs, maintenance, licences,
//! vCenter.

use jiff::{SignedDuration, Timestamp};

use crate::actions::span;
use crate::error::Fault;
use crate::hypervisor::esxi::licence::Licence;
use crate::names::{HostName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, HostSeen, Seen};
use crate::readiness::task::Task;

/// A licence that ends within this time is named.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &seen.hosts {
        let Ok(host) = host else { continue };
        findings.extend(clock(task, name, host));
        findings.extend(slow(task, name, host));
        findings.extend(one_channel(task, name, host));
        findings.extend(programs(task, name, host));
        let Some(esxi) = host.esxi.as_deref() else {
            continue;
        };
        findings.extend(maintenance(task, name, esxi));
        findings.extend(licence(task, name, esxi, seen.at));
        findings.extend(vcenter(task, name, esxi));
        findings.extend(release(task, name, esxi));
    }
    findings
}

fn clock(task: &Task, name: &HostName, host: &HostSeen) -> Option<Finding> {
    let ahead = host.clock_off()?;
    let by = ahead.unsigned_abs();
    let way = if ahead.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    let fault = Fault::new(
        format!("its clock is {} {way} this console's", span(by)),
        name.as_str(),
        "ages of restore points and times in logs and in guests would be wrong by that much",
        "find out which of the two is right, and set the other by NTP (ESXi: esxcli system ntp set)",
    );
    let key = format!("host/{name}/clock");
    Some(Finding::warning(key, task.leaning(name), fault))
}

fn slow(task: &Task, name: &HostName, host: &HostSeen) -> Option<Finding> {
    let call = host.slow_call?;
    let fault = Fault::new(
        format!(
            "a call to its management agent takes {:.1} s (the median of the last ones)",
            call.as_secs_f32()
        ),
        name.as_str(),
        "a step is some ten such calls there, one after the other: each takes minutes where it usually takes seconds",
        "find out what keeps it busy (esxtop, /var/log/hostd.log), or restart its agent (/etc/init.d/hostd restart \
         there; what runs goes on); else reckon with that time, and give its steps a longer `timeout`",
    );
    let key = format!("host/{name}/slow");
    Some(Finding::warning(key, task.leaning(name), fault))
}

fn one_channel(task: &Task, name: &HostName, host: &HostSeen) -> Option<Finding> {
    let fault = Fault::new(
        "its SSH server lets a session have one channel at a time (MaxSessions 1)",
        name.as_str(),
        "a transfer there takes longer, and stops where a command has to go beside the file that it sends",
        "raise MaxSessions in /etc/ssh/sshd_config there (its default is 10), and have its SSH server read that \
         (ESXi: /etc/init.d/SSH restart)",
    );
    let key = format!("host/{name}/channels");
    host.one_channel
        .then(|| Finding::warning(key, task.leaning(name), fault))
}

fn programs(task: &Task, name: &HostName, host: &HostSeen) -> Option<Finding> {
    let lacks = host.lacks.as_ref().ok().filter(|lacks| !lacks.is_empty())?;
    let fault = Fault::new(
        format!("it lacks {}, which steps run there", listed(lacks)),
        name.as_str(),
        "files can be neither read nor placed there as a step needs it",
        "install that there for the user who logs in (it has to be in the PATH of `ssh HOST command`), or name another \
         host in the runbook for what this one is to do",
    );
    let key = format!("host/{name}/programs");
    Some(Finding::stops(key, task.leaning(name), fault))
}

fn maintenance(task: &Task, name: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
    let summary = esxi.summary.as_ref().ok()?;
    if summary.in_maintenance != Some(true) {
        return None;
    }
    let fault = Fault::new(
        "it is in maintenance mode",
        name.as_str(),
        "no VM can be powered on there",
        "ask who put it there; then `esxcli system maintenanceMode set --enable false`",
    );
    let key = format!("host/{name}/maintenance");
    Some(Finding::stops(key, task.landing(name), fault))
}

fn licence(task: &Task, name: &HostName, esxi: &EsxiSeen, now: Timestamp) -> Option<Finding> {
    let licences = esxi.licences.as_ref().ok()?;
    let key = format!("host/{name}/licence");
    // One that lasts is enough; without one, the one that lasts longest counts.
    let lasting = |licence: &&Licence| licence.expires.is_none() && !licence.evaluation;
    if licences.iter().any(|licence| lasting(&licence)) {
        return None;
    }
    let last = licences.iter().max_by_key(|licence| licence.expires)?;
    let ends = last.expires?;
    let kind = if last.evaluation {
        "evaluation"
    } else {
        "licence"
    };
    let next = "assign a licence (host client: Manage, Licensing), then check again";
    if ends <= now {
        let fault = Fault::new(
            format!("its {kind} ({}) ended {}", last.name, day(ends)),
            name.as_str(),
            "VMs cannot be powered on there",
            next,
        );
        return Some(Finding::stops(key, task.landing(name), fault));
    }
    let fault = Fault::new(
        format!("its {kind} ({}) ends {}", last.name, day(ends)),
        name.as_str(),
        "from then on VMs cannot be powered on there",
        next,
    );
    let vms = task.landing(name);
    Some(if ends.duration_since(now) <= SOON {
        Finding::warning(key, vms, fault)
    } else {
        Finding::note(key, vms, fault)
    })
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn vcenter(task: &Task, name: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
    let summary = esxi.summary.as_ref().ok();
    let manager = summary.and_then(|summary| summary.managed_by.as_ref());
    let runs = esxi.vcenter.as_ref().is_ok_and(|runs| *runs);
    let vms = task.landing(name);
    if vms.is_empty() || !(runs || manager.is_some()) {
        return None;
    }
    let by = manager.map_or_else(|| "a vCenter".to_owned(), |at| format!("the vCenter {at}"));
    let fault = Fault::new(
        format!("it is managed by {by}"),
        name.as_str(),
        "its DRS may move VMs away and its HA may start them elsewhere during a run; distributed port groups are in no list of the host",
        "set DRS of that cluster to manual and look at its HA before a run, or take the host out of it",
    );
    Some(Finding::warning(format!("host/{name}/vcenter"), vms, fault))
}

fn release(task: &Task, name: &HostName, esxi: &EsxiSeen) -> Option<Finding> {
    let version = esxi.version.as_ref().ok()?;
    let key = format!("host/{name}/release");
    if version.is_before_5() {
        let fault = Fault::new(
            format!(
                "it is {} {}: a restore needs 5.0 or later",
                version.product, version.version
            ),
            name.as_str(),
            "it lacks commands that a restore needs; nothing else was asked there",
            "upgrade it, or name another host in the runbook for what it is to do",
        );
        return Some(Finding::stops(key, task.leaning(name), fault));
    }
    if version.newest_hardware().is_some() {
        return None;
    }
    let fault = Fault::new(
        format!(
            "{} {} is no release known here",
            version.product, version.version
        ),
        name.as_str(),
        "which virtual hardware it runs is not known, so that of VMs was not compared",
        "rehearse with that host before you rely on it",
    );
    Some(Finding::note(key, task.landing(name), fault))
}
