//! `lifeboat validate`: runbook files alone, without any network.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::load::{LoadError, load_runbook};
use crate::plan::{self, PlanError, PlanInputs};
use crate::runbook::model::{Mode, Runbook, Section};

/// Checks each file and says what is wrong with it, or `ok` and what is in it. Returns whether all
/// are valid.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn validate(paths: &[PathBuf], colour: bool, out: &mut dyn Write) -> io::Result<bool> {
    let mut all_valid = true;
    for path in paths {
        match check(path) {
            Ok(summary) => writeln!(out, "{}: ok: {summary}", path.display())?,
            Err(problem) => {
                all_valid = false;
                out.write_all(problem.render(colour).as_bytes())?;
            }
        }
    }
    Ok(all_valid)
}

/// Why a file is not valid.
enum Problem {
    File(LoadError),
    /// A file that reads well, but of which no plan can be made.
    Plan {
        path: PathBuf,
        section: Section,
        mode: Mode,
        error: PlanError,
    },
}

impl Problem {
    fn render(&self, colour: bool) -> String {
        match self {
            Self::File(error) => error.render(colour),
            Self::Plan {
                path,
                section,
                mode,
                error,
            } => {
                let line = match error {
                    PlanError::NoValue { line, .. }
                    | PlanError::DrillWrites { line, .. }
                    | PlanError::Circle { line, .. } => {
                        format!(":{line}")
                    }
                    PlanError::NoSection(_) | PlanError::Empty | PlanError::UnknownVm(_) => {
                        String::new()
                    }
                };
                format!(
                    "error: {}{line}: {section} as {mode}: {error}\n",
                    path.display()
                )
            }
        }
    }
}

/// One line of what is in a valid file.
fn check(path: &Path) -> Result<String, Problem> {
    let runbook = load_runbook(path).map_err(Problem::File)?.runbook;
    let modes = [Mode::Failover, Mode::Drill];
    let failover = steps(path, &runbook, Section::Failover, &modes)?;
    steps(path, &runbook, Section::Failover, &[Mode::Planned])?;
    let planned = planned(&runbook);
    let failback = steps(path, &runbook, Section::Failback, &[Mode::Failback])?;
    let vms = runbook.recoverable_vms().count();
    Ok(format!(
        "{}, {} and {}; failover {}{planned}, failback {}",
        runbook.name,
        counted(vms, "VM"),
        counted(runbook.hosts.len(), "host"),
        counted(failover, "step"),
        counted(failback, "step"),
    ))
}

/// Whether `run --planned` can walk it, in words.
fn planned(runbook: &Runbook) -> String {
    let inputs = PlanInputs {
        variables: stand_ins(runbook),
        only: Vec::new(),
    };
    match plan::make(runbook, Section::Failover, Mode::Planned, &inputs) {
        Ok(plan) if plan::planned_gaps(&plan, runbook).is_empty() => {
            format!(", planned {}", counted(plan.steps.len(), "step"))
        }
        _ => String::new(),
    }
}

/// How many steps a section has in the mode that has most. Practice is tried as well.
fn steps(
    path: &Path,
    runbook: &Runbook,
    section: Section,
    modes: &[Mode],
) -> Result<usize, Problem> {
    let inputs = PlanInputs {
        variables: stand_ins(runbook),
        only: Vec::new(),
    };
    let mut most = 0;
    for mode in modes.iter().copied().chain([Mode::Practice]) {
        match plan::make(runbook, section, mode, &inputs) {
            Ok(plan) => most = most.max(plan.steps.len()),
            // A section may be absent, or have nothing for a mode.
            Err(PlanError::NoSection(_) | PlanError::Empty) => {}
            Err(error) => {
                return Err(Problem::Plan {
                    path: path.to_owned(),
                    section,
                    mode,
                    error,
                });
            }
        }
    }
    Ok(most)
}

/// Values for variables that nobody has been asked for.
fn stand_ins(runbook: &Runbook) -> BTreeMap<crate::names::VariableName, String> {
    let variables = runbook
        .variables
        .iter()
        .filter(|(_, variable)| !variable.secret);
    variables
        .map(|(name, _)| (name.clone(), format!("‹{name}›")))
        .collect()
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let valid = validate(&[path], false, &mut out).unwrap();
        (valid, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_valid_file_gets_one_line() {
        let (valid, out) = run(include_str!("../../runbooks/v2v-image-restore.yaml"));
        assert!(valid, "{out}");
        assert!(
            out.ends_with("x.yaml: ok: v2v-image-restore, 3 VMs and 3 hosts; failover 20 steps, planned 23 steps, failback 23 steps\n"),
            "{out}"
        );
    }

    #[test]
    fn a_file_without_a_walkable_order_is_invalid() {
        let text = include_str!("../../runbooks/v2v-image-restore.yaml");
        let (valid, out) = run(&text.replace(
            "      - shut_down: \"${vm}\"\n",
            "      - power_on: \"${vm}\"\n      - shut_down: \"${vm}\"\n",
        ));
        assert!(!valid);
        assert!(out.contains("steps wait for each other"), "{out}");
        assert!(out.contains("x.yaml:1"), "{out}");
    }

    #[test]
    fn an_invalid_file_gets_its_problems() {
        let (valid, out) = run("lifeboat: 1\nnmae: x\n");
        assert!(!valid);
        assert!(out.contains("x.yaml:2:1"), "{out}");
        assert!(out.contains("did you mean `name`?"), "{out}");
    }
}
