//! Restore points: one that can be used, how old it is beside the objective, and what speaks against
//! others.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::actions::{count, span};
use crate::error::Fault;
use crate::names::VmName;
use crate::readiness::finding::Finding;
use crate::readiness::seen::{PointsSeen, Seen, Used};
use crate::readiness::task::Task;
use crate::transfer::{Grade, Point};

/// A point may be so much younger than the console's clock says before that is worth a word.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    for vm in task.restores.keys() {
        match seen.points.get(vm) {
            Some(Ok(points)) => findings.extend(of_vm(task, vm, points, seen.at)),
            Some(Err(silence)) => {
                let mut fault = silence.fault.clone();
                fault.state = format!("{vm} cannot be restored while that is so");
                findings.push(stops(vm, fault));
            }
            // Its backup's host is shut, which is a finding of its own.
            None => findings.extend(no_backup(task, vm)),
        }
    }
    findings
}

fn stops(vm: &VmName, fault: Fault) -> Finding {
    Finding::stops(format!("vm/{vm}/point"), vec![vm.clone()], fault)
}

fn no_backup(task: &Task, vm: &VmName) -> Option<Finding> {
    let has = task
        .runbook
        .vms
        .get(vm)
        .is_some_and(|vm| vm.backup.is_some());
    (!has).then(|| {
        stops(
            vm,
            Fault::new(
                format!("{vm} is to be restored and has no backup"),
                format!("vms.{vm} in the runbook"),
                format!("{vm} cannot be restored"),
                "name its `backup`, or take its restore step out",
            ),
        )
    })
}

fn of_vm(task: &Task, vm: &VmName, seen: &PointsSeen, now: Timestamp) -> Vec<Finding> {
    let place = task.runbook.vms.get(vm).and_then(|vm| vm.backup.as_ref());
    let place = place.map_or_else(String::new, |backup| format!("backup {backup}"));
    let used = match &seen.used {
        Ok(used) => used,
        Err(why) => {
            let fault = Fault::new(
                format!("{vm} cannot be restored: {why}"),
                place,
                "a run would stop at its restore",
                "find out why its backup fails, take a new one, then check again",
            );
            return vec![stops(vm, fault)];
        }
    };
    let mut findings = Vec::new();
    findings.extend(age(task, vm, used, &place, now));
    findings.extend(passed_over(vm, used, &place));
    findings.extend(older(vm, seen, used, &place));
    findings.extend(remarks(vm, used, &place));
    let whole = used.vmx.as_ref().map(|_| ());
    if let Err(silence) = used.needs.as_ref().map(|_| ()).and(whole) {
        let mut fault = silence.fault.clone();
        fault.state = format!("{vm} cannot be restored from {}", used.point.name);
        findings.push(stops(vm, fault));
    }
    findings
}

/// How old what would be restored is, beside what may be lost.
fn age(task: &Task, vm: &VmName, used: &Used, place: &str, now: Timestamp) -> Option<Finding> {
    let name = &used.point.name;
    let age = used.point.stamp.age_at(now);
    let vms = vec![vm.clone()];
    let key = format!("vm/{vm}/age");
    if age < -SKEW {
        let fault = Fault::new(
            format!(
                "restore point {name} of {vm} is {} younger than this console's clock says",
                span(age.unsigned_abs())
            ),
            place,
            "how much would be lost is not known",
            "find out which clock is wrong: this console's, or that of whatever makes the backups",
        );
        return Some(Finding::warning(key, vms, fault));
    }
    let rpo = task.runbook.rpo(vm)?;
    let age = Duration::try_from(age).unwrap_or_default();
    let grade = Grade::of(age, rpo);
    if grade == Grade::Within {
        return None;
    }
    let fault = Fault::new(
        format!(
            "the newest restore point of {vm} that can be used, {name}, is {} old",
            span(age)
        ),
        place,
        format!(
            "an outage now would lose that much: {grade} the objective of {}",
            span(rpo)
        ),
        "find out why the backups since then are missing or unusable, and take one now",
    );
    Some(Finding::warning(key, vms, fault))
}

fn passed_over(vm: &VmName, used: &Used, place: &str) -> Option<Finding> {
    let (name, flaws) = used.passed_over.first()?;
    let more = match used.passed_over.len() - 1 {
        0 => String::new(),
        n => format!("; and {} more", count(n, "point")),
    };
    let fault = Fault::new(
        format!("the newest restore point of {vm}, {name}, cannot be used: {flaws}{more}"),
        place,
        format!("an older one would be taken: {}", used.point.name),
        "find out why that backup failed, and take a new one",
    );
    Some(Finding::warning(
        format!("vm/{vm}/newer-points"),
        vec![vm.clone()],
        fault,
    ))
}

fn older(vm: &VmName, seen: &PointsSeen, used: &Used, place: &str) -> Option<Finding> {
    let is_bad = |point: &&Point| !point.is_sound() && point.stamp < used.point.stamp;
    let bad: Vec<&Point> = seen.points.iter().filter(is_bad).collect();
    let first = bad.first()?;
    let fault = Fault::new(
        format!(
            "{} of {vm} cannot be used; the newest of them, {}: {}",
            count(bad.len(), "older restore point"),
            first.name,
            first.flaws_in_words()
        ),
        place,
        "they are no way back, should the newer ones turn out to be bad",
        "see whether their backups are meant to be kept",
    );
    Some(Finding::note(
        format!("vm/{vm}/older-points"),
        vec![vm.clone()],
        fault,
    ))
}

fn remarks(vm: &VmName, used: &Used, place: &str) -> Option<Finding> {
    let point = &used.point;
    let mut words = point.remarks.clone();
    if !point.verified {
        words.push("no sums were recorded with it: source unverified".to_owned());
    }
    if words.is_empty() {
        return None;
    }
    let fault = Fault::new(
        format!("restore point {} of {vm}: {}", point.name, words.join("; ")),
        place,
        "a run's report will say so",
        "nothing has to be done; a SHA256SUMS beside the files makes a point provable",
    );
    Some(Finding::note(
        format!("vm/{vm}/remarks"),
        vec![vm.clone()],
        fault,
    ))
}
