//! Objectives against actuals.
//!
//! RTO actual runs from the outage to the last rung of `ready`, for each VM and for the set; RPO
//! actual from the restore point to the outage. A planned run counts its RTO from the first stop of
//! the set, and each VM's RPO from its own. On the way home both count from the stop of the source:
//! what was copied after it stopped has lost nothing.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::engine::{Fact, RunInfo, Status};
use crate::names::{StepId, VmName};
use crate::plan::ActionSpec;
use crate::runbook::model::Section;

use super::Run;
use super::text::duration;

/// How an actual compares with its objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Kept.
    Within,
    /// Missed, by less than as much again.
    UpToTwice,
    /// Missed, by less than four times.
    UpToFourTimes,
    /// Missed by more.
    Beyond,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Within => "within",
            Self::UpToTwice => "missed, up to 2x",
            Self::UpToFourTimes => "missed, up to 4x",
            Self::Beyond => "missed, beyond 4x",
        })
    }
}

/// An objective and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// What was wanted.
    pub objective: Option<SignedDuration>,
    /// What it was; `None` while it is not known, or was never reached.
    pub actual: Option<SignedDuration>,
}

impl Measure {
    /// How they compare, where both are known.
    #[must_use]
    pub fn grade(&self) -> Option<Grade> {
        let (objective, actual) = (self.objective?, self.actual?);
        let times = |factor: i32| objective.checked_mul(factor).unwrap_or(SignedDuration::MAX);
        Some(if actual <= objective {
            Grade::Within
        } else if actual <= times(2) {
            Grade::UpToTwice
        } else if actual <= times(4) {
            Grade::UpToFourTimes
        } else {
            Grade::Beyond
        })
    }

    pub(super) fn objective_text(&self) -> String {
        self.objective.map_or_else(|| "none".to_owned(), duration)
    }

    /// By how much, which may be less than the two show.
    fn missed_text(&self) -> String {
        let over = self.actual.zip(self.objective);
        let over = over.and_then(|(actual, objective)| actual.checked_sub(objective));
        over.map_or_else(String::new, |over| {
            format!(", missed by {}", duration(over))
        })
    }

    pub(super) fn actual_text(&self) -> String {
        self.actual
            .map_or_else(|| "not reached".to_owned(), duration)
    }
}

/// Both measures of one VM in one half of the runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmMeasure {
    /// In which half.
    pub section: Section,
    /// Which VM; `None` is the set.
    pub vm: Option<VmName>,
    /// From the loss of service to service.
    pub rto: Measure,
    /// From the restore point to the loss of service.
    pub rpo: Measure,
    /// Where its data comes from, in words.
    pub source: String,
    /// When it came to serve.
    pub serves: Option<Timestamp>,
}

/// Every VM's measures and the set's, in plan order, for each half of the runbook that was walked.
#[must_use]
pub fn measures(run: &Run<'_>) -> Vec<VmMeasure> {
    let info = run.info;
    let mut all = Vec::new();
    for section in &info.sections {
        let vms: Vec<VmMeasure> = run
            .plan
            .vms
            .iter()
            .filter(|vm| is_brought_up(run, *section, vm))
            .map(|vm| measure(run, info, *section, vm))
            .collect();
        let Some(set) = measure_set(run, info, *section, &vms) else {
            continue;
        };
        all.extend(vms);
        all.push(set);
    }
    all
}

/// Objectives that were missed, and VMs that were not moved after all, in words.
pub(super) fn findings(run: &Run<'_>) -> Vec<String> {
    let stayed = run.plan.vms.iter().filter_map(|vm| {
        let (site, by) = run.state.lives_elsewhere(vm)?;
        Some(format!(
            "{vm} was not moved: it ran at both sites, and {by} chose that it lives in {site}"
        ))
    });
    let words = |name: &str, what: &str, measure: &Measure| {
        measure
            .grade()
            .filter(|grade| *grade > Grade::Within)
            .map(|_| {
                format!(
                    "{name}: {what} was {}, the objective is {}{}",
                    measure.actual_text(),
                    measure.objective_text(),
                    measure.missed_text()
                )
            })
    };
    let measures = measures(run);
    let missed = measures
        .iter()
        .flat_map(|measure| {
            let name = format!(
                "{} ({})",
                measure.vm.as_ref().map_or("the set", VmName::as_str),
                measure.section
            );
            [
                words(&name, "RTO", &measure.rto),
                words(&name, "RPO", &measure.rpo),
            ]
        })
        .flatten();
    stayed.chain(missed).collect()
}

fn is_brought_up(run: &Run<'_>, section: Section, vm: &VmName) -> bool {
    run.plan.steps.iter().any(|step| {
        is_of(&step.id, section)
            && matches!(
                &step.action,
                ActionSpec::PowerOn { vm: of } | ActionSpec::Ready { vm: of } if of == vm
            )
    })
}

pub(super) fn is_of(step: &StepId, section: Section) -> bool {
    step.section() == section.as_str()
}

/// What `pick` recognises among the facts that steps of this half found, newest first.
fn latest<T>(
    run: &Run<'_>,
    section: Section,
    pick: impl Fn(&Fact, Timestamp) -> Option<T>,
) -> Option<T> {
    run.state
        .facts
        .iter()
        .rev()
        .filter(|found| found.step.as_ref().is_some_and(|step| is_of(step, section)))
        .find_map(|found| pick(&found.fact, found.at))
}

fn measure(run: &Run<'_>, info: &RunInfo, section: Section, vm: &VmName) -> VmMeasure {
    let (rto, rpo) = objectives_of(info, vm);
    let serves = latest(run, section, |fact, at| match fact {
        Fact::Serves { vm: found } if found == vm => Some(at),
        _ => None,
    });
    // What was stopped again because it lives at the other site does not serve at this one.
    let serves =
        serves.filter(|_| section == Section::Failback || run.state.lives_elsewhere(vm).is_none());
    let (lost_at, data) = match section {
        Section::Failover => (run.state.service_lost(), from_point(run, vm)),
        Section::Failback => from_source(run, info, vm),
    };
    let (lost, source) = data;
    VmMeasure {
        section,
        vm: Some(vm.clone()),
        rto: Measure {
            objective: rto,
            actual: since(lost_at, serves),
        },
        rpo: Measure {
            objective: rpo,
            actual: lost,
        },
        source,
        serves,
    }
}

/// A point does not count whose step failed or was left out: it brought nothing that serves.
fn from_point(run: &Run<'_>, vm: &VmName) -> (Option<SignedDuration>, String) {
    let chosen = run.state.facts.iter().rev().find_map(|found| {
        let step = found.step.as_ref();
        let step = step.filter(|step| is_of(step, Section::Failover))?;
        match &found.fact {
            Fact::PointChosen {
                vm: of,
                stamp,
                taken,
                backup,
                ..
            }
            | Fact::FilesChosen {
                vm: of,
                stamp,
                taken,
                backup,
                ..
            } if of == vm => Some((
                run.state.status(step),
                *taken,
                format!("{stamp} of {backup}"),
            )),
            _ => None,
        }
    });
    match chosen {
        Some((status, _, point)) if came_to_nothing(status) => (
            None,
            format!("{point}, and that step is {}", status.as_str()),
        ),
        Some((_, taken, point)) => (since(Some(taken), run.state.wrote_until(vm)), point),
        None if is_done(run, Section::Failover, "replicate", vm) => {
            let copied = "its own files, sent while it was off".to_owned();
            (Some(SignedDuration::ZERO), copied)
        }
        None => (None, "no restore point was chosen".to_owned()),
    }
}

/// Whether a step did not do what it is for, as far as the run goes.
pub(super) fn came_to_nothing(status: Status) -> bool {
    matches!(status, Status::Failed | Status::Held | Status::Skipped)
}

/// When the VM stopped at the recovery site, and what was lost of what it had written by then.
fn from_source(
    run: &Run<'_>,
    info: &RunInfo,
    vm: &VmName,
) -> (Option<Timestamp>, (Option<SignedDuration>, String)) {
    let stopped = latest(run, Section::Failback, |fact, _| match fact {
        Fact::Stopped { vm: found, at, .. } if found == vm => Some(*at),
        _ => None,
    });
    let copied = is_done(run, Section::Failback, "copy_back", vm);
    let data = match stopped {
        Some(_) if copied => (
            Some(SignedDuration::ZERO),
            "copied after it was stopped".to_owned(),
        ),
        _ => (None, "not copied back by this run".to_owned()),
    };
    // In a practice the way out has an outage of its own; the way home begins with the stop.
    let outage = if info.sections.len() > 1 {
        None
    } else {
        info.outage_at
    };
    (stopped.or(outage), data)
}

fn is_done(run: &Run<'_>, section: Section, verb: &str, vm: &VmName) -> bool {
    run.plan.steps.iter().any(|step| {
        is_of(&step.id, section)
            && step.action.verb() == verb
            && step.action.vm() == Some(vm)
            && matches!(
                run.state.status(&step.id),
                Status::Done | Status::AlreadyDone
            )
    })
}

pub(super) fn objectives_of(
    info: &RunInfo,
    vm: &VmName,
) -> (Option<SignedDuration>, Option<SignedDuration>) {
    let (rto, rpo) = info.vm_objectives.get(vm).copied().unwrap_or_default();
    (seconds(rto.or(info.rto_s)), seconds(rpo.or(info.rpo_s)))
}

/// The set serves when its last VM does, and has lost as much as its worst.
fn measure_set(
    run: &Run<'_>,
    info: &RunInfo,
    section: Section,
    vms: &[VmMeasure],
) -> Option<VmMeasure> {
    if vms.is_empty() {
        return None;
    }
    let serves = vms
        .iter()
        .map(|vm| vm.serves)
        .collect::<Option<Vec<_>>>()
        .and_then(latest_of);
    let rto_actual = match section {
        Section::Failover => since(run.state.service_lost(), serves),
        Section::Failback => worst(vms.iter().map(|vm| vm.rto.actual)),
    };
    Some(VmMeasure {
        section,
        vm: None,
        rto: Measure {
            objective: seconds(info.rto_s),
            actual: rto_actual,
        },
        // Each VM has its own objective; the set's worst says nothing about one that has another.
        rpo: Measure {
            objective: None,
            actual: worst(vms.iter().map(|vm| vm.rpo.actual)),
        },
        source: String::new(),
        serves,
    })
}

fn latest_of(times: Vec<Timestamp>) -> Option<Timestamp> {
    times.into_iter().max()
}

fn worst(actuals: impl Iterator<Item = Option<SignedDuration>>) -> Option<SignedDuration> {
    actuals.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What lies between, never below zero.
fn since(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<SignedDuration> {
    Some(to?.duration_since(from?).max(SignedDuration::ZERO))
}

fn seconds(count: Option<u64>) -> Option<SignedDuration> {
    count.map(|count| SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX)))
}
