//! Whether the .vmx in the restore point fits the host that is to run it.

use crate::error::Fault;
use crate::names::VmName;
use crate::readiness::finding::Finding;
use crate::readiness::seen::{Seen, Used};
use crate::readiness::task::Task;
use crate::runbook::model::{Place, Vm};
use crate::vmfiles::{Severity, Surroundings, Vmx, fit_to_host};

pub(super) fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let of_vm = |(name, vm): (&VmName, &Vm)| {
        let used = seen.used(name)?;
        of_vm(name, task.place(vm)?, used, seen)
    };
    task.chosen().filter_map(of_vm).flatten().collect()
}

/// What a host refuses a file for whatever else it says.
fn refused(vmx: &Vmx) -> Option<String> {
    if let Some((key, lines)) = vmx.duplicates().first() {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        return Some(format!("{key} stands on lines {}", lines.join(" and ")));
    }
    let line = *vmx.odd_lines().first()?;
    Some(format!(
        "line {line} is neither key = \"value\" nor a comment"
    ))
}

fn of_vm(name: &VmName, place: &Place, used: &Used, seen: &Seen) -> Option<Vec<Finding>> {
    let bytes = used.vmx()?;
    let point = &used.point.name;
    let stops = |what: String, next: &str| {
        let state = format!("{name} cannot be registered on {}", place.host);
        let fault = Fault::new(what, format!("restore point {point}"), state, next);
        Finding::stops(format!("vm/{name}/vmx"), vec![name.clone()], fault)
    };
    let vmx = match Vmx::parse(bytes) {
        Ok(vmx) => vmx,
        Err(why) => {
            let what = format!("the .vmx of {name} cannot be read: {why}");
            return Some(vec![stops(
                what,
                "use another restore point, or mend the backup",
            )]);
        }
    };
    if let Some(why) = refused(&vmx) {
        let what = format!("the .vmx of {name} would be refused: {why}");
        let next = "mend it in the backup, or be ready to mend it by hand once it is restored";
        return Some(vec![stops(what, next)]);
    }
    let mut findings = Vec::new();
    let written = used.point.vmx().unwrap_or_default();
    if let Some(wanted) = place.vmx.as_ref().filter(|wanted| *wanted != written) {
        let what = format!("the .vmx of {name} is {written}, and the runbook says {wanted}");
        return Some(vec![stops(
            what,
            "leave `vmx` out in the runbook, or correct it",
        )]);
    }
    let host = seen.esxi(&place.host)?;
    let files = used.point.files.iter().map(|file| file.name.clone());
    let files: Vec<String> = files.collect();
    let fitting = fit_to_host(
        &vmx,
        &Surroundings {
            host: place.host.to_string(),
            folder: files.clone(),
            brought: files,
            there: used.there.clone(),
            // A point that holds such a pointer is not sound.
            pointers: Vec::new(),
            newest_hardware: host
                .version
                .as_ref()
                .ok()
                .and_then(|version| version.newest_hardware()),
            came: true,
            apart: None,
        },
    );
    if let Some(first) = fitting.obstacles.first() {
        let whats: Vec<&str> = fitting
            .obstacles
            .iter()
            .map(|obstacle| obstacle.what.as_str())
            .collect();
        let what = format!(
            "the .vmx of {name} does not fit {}: {}",
            place.host,
            whats.join("; ")
        );
        findings.push(stops(what, &first.next));
    }
    let mut reasons: Vec<&str> = fitting
        .fixes
        .iter()
        .filter(|fix| fix.severity == Severity::Must)
        .map(|fix| fix.why.as_str())
        .collect();
    reasons.dedup();
    if !reasons.is_empty() {
        let fault = Fault::new(
            format!(
                "the .vmx of {name} will be changed before it is registered: {}",
                reasons.join("; ")
            ),
            format!("restore point {point}"),
            "the change is shown and confirmed in the run",
            "nothing has to be done",
        );
        let key = format!("vm/{name}/changes");
        findings.push(Finding::note(key, vec![name.clone()], fault));
    }
    Some(findings)
}
