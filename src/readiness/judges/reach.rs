//! Hosts that could not be asked, and questions that have no answer, host by host.

use crate::error::Fault;
use crate::hypervisor::esxi::version::Version;
use crate::names::{HostName, VmName, listed};
use crate::readiness::finding::Finding;
use crate::readiness::seen::{EsxiSeen, HostSeen, Seen, Shut, Silence};
use crate::readiness::task::Task;
use crate::runbook::model::SiteRole;

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = shut(task, seen);
    for (name, host) in &seen.hosts {
        if let Ok(host) = host {
            findings.extend(silent(task, name, host));
        }
    }
    findings
}

/// Hosts behind one hop that is shut are one finding.
fn shut(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut causes: Vec<(&Shut, Vec<&HostName>)> = Vec::new();
    let mut asleep = Vec::new();
    for (name, host) in &seen.hosts {
        let Err(shut) = host else { continue };
        if let Some(finding) = guest_of_one_that_is_off(task, seen, name, shut) {
            asleep.push((name, finding));
            continue;
        }
        match causes.iter_mut().find(|(known, _)| known.by == shut.by) {
            Some((_, hosts)) => hosts.push(name),
            None => causes.push((shut, vec![name])),
        }
    }
    // One that others are behind is told with them.
    asleep.retain(|(name, _)| !causes.iter().any(|(shut, _)| shut.by == **name));
    let asleep = asleep.into_iter().map(|(_, finding)| finding);
    let finding = |(shut, hosts): (&Shut, Vec<&HostName>)| {
        let mut vms: Vec<VmName> = hosts.iter().flat_map(|host| task.leaning(host)).collect();
        vms.sort();
        vms.dedup();
        let mut fault = shut.fault.clone();
        if hosts.iter().any(|host| **host != shut.by) {
            fault.what = format!(
                "{}; {} {} behind it",
                fault.what,
                listed(&hosts),
                if hosts.len() == 1 { "is" } else { "are" }
            );
        }
        fault.state = consequence(task, &hosts, &vms);
        Finding::stops(format!("host/{}/reach", shut.by), vms, fault)
    };
    causes.into_iter().map(finding).chain(asleep).collect()
}

/// An operating system whose machine is off answers once that is on. Whatever answers at its address
/// meanwhile is another machine.
fn guest_of_one_that_is_off(
    task: &Task,
    seen: &Seen,
    name: &HostName,
    shut: &Shut,
) -> Option<Finding> {
    if !shut.is_silent || shut.by != *name {
        return None;
    }
    let vm = task.runbook.hosts.get(name)?.guest.as_ref()?;
    let place = task
        .runbook
        .vms
        .get(vm)?
        .place(task.runbook.role_of(name)?)?;
    let esxi = seen.esxi(&place.host)?;
    if esxi.runs(esxi.at(place)??)? {
        return None;
    }
    let fault = Fault::new(
        format!(
            "it does not answer: it is in {vm}, which is off on {}",
            place.host
        ),
        name.as_str(),
        "nothing in it was looked at",
        "nothing has to be done while that VM is meant to be off; a drill shows that its guest can be reached",
    );
    Some(Finding::note(
        format!("host/{name}/reach"),
        Vec::new(),
        fault,
    ))
}

/// What it means that nothing is known of these hosts.
fn consequence(task: &Task, hosts: &[&HostName], vms: &[VmName]) -> String {
    let is_home = |host: &&HostName| task.runbook.role_of(host) == Some(SiteRole::Protected);
    if !vms.is_empty() {
        format!("{} cannot be brought up without it", listed(vms))
    } else if hosts.iter().all(is_home) {
        "a failover can do without it; whether VMs still run there has then to be vouched for by a person, and nothing can be moved home"
            .to_owned()
    } else {
        "no VM of this check comes from there or goes there; nothing there was looked at".to_owned()
    }
}

fn silent(task: &Task, name: &HostName, host: &HostSeen) -> Vec<Finding> {
    let mut silences: Vec<&Silence> = host.clock.as_ref().err().into_iter().collect();
    silences.extend(host.lacks.as_ref().err());
    let is_asked = |esxi: &&EsxiSeen| !esxi.version.as_ref().is_ok_and(Version::is_before_5);
    if let Some(esxi) = host.esxi.as_deref().filter(is_asked) {
        silences.extend(esxi.silences());
    }
    let (extra, needed): (Vec<&Silence>, Vec<&Silence>) =
        silences.into_iter().partition(|silence| silence.is_extra);
    let mut findings = Vec::new();
    if let Some(first) = needed.first() {
        let fault = Fault::new(
            format!("{} ({} not known)", first.fault.what, asked(&needed)),
            name.as_str(),
            "what rests on these answers was not judged",
            &first.fault.next,
        );
        let key = format!("host/{name}/answers");
        findings.push(Finding::stops(key, task.leaning(name), fault));
    }
    if let Some(first) = extra.first() {
        let fault = Fault::new(
            format!("it does not tell {}: {}", asked(&extra), first.fault.what),
            name.as_str(),
            "no step needs it; it was not judged",
            "look at it on the host itself where it matters to you",
        );
        findings.push(Finding::note(
            format!("host/{name}/extras"),
            Vec::new(),
            fault,
        ));
    }
    findings
}

fn asked(silences: &[&Silence]) -> String {
    let mut words: Vec<&str> = silences.iter().map(|silence| silence.asked).collect();
    words.dedup();
    listed(&words)
}
