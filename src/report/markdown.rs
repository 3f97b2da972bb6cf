//! The report as Markdown.

use crate::engine::{RunInfo, RunResult};
use crate::names::VmName;
use crate::runbook::model::{Mode, Section};

use super::objectives::{VmMeasure, measures};
use super::text::{code, duration, head, item, plain, row, section, time};
use super::{Run, statements, steps, timeline};

/// Checks a journal with nothing but a shell and `sha256sum`; prints the head hash if it is whole.
pub const CHECK: &str = r#"prev=$(printf '%064d' 0)
while IFS= read -r line; do
  hash=${line##*,\"hash\":\"}; hash=${hash%\"\}}
  body=${line%,\"hash\":*}
  case $body in *",\"prev\":\"$prev\"") ;; *) echo "broken: $line"; exit 1 ;; esac
  [ "$(printf %s "$body" | sha256sum | cut -c1-64)" = "$hash" ] || { echo "changed: $line"; exit 1; }
  prev=$hash
done < journal.jsonl
echo "$prev""#;

/// The report of a run, finished or not.
#[must_use]
pub fn markdown(run: &Run<'_>) -> String {
    let Some(info) = &run.state.info else {
        return "# A run that never began\n\nIts journal holds no line.\n".to_owned();
    };
    let mut out = title(info);
    out.push_str(&identity(run, info));
    section(&mut out, "Statements", &statements::statements(run));
    section(&mut out, "Objectives", &objectives(run));
    section(&mut out, "Findings", &findings(run));
    section(&mut out, "Overrides", &steps::overrides(run));
    section(&mut out, "Left behind", &statements::residue(run));
    section(&mut out, "Steps", &steps::table(run));
    section(&mut out, "Decisions", &timeline::decisions(run));
    section(&mut out, "Commands", &timeline::commands(run));
    section(&mut out, "Files", &steps::files(run));
    section(&mut out, "Notes", &timeline::notes(run));
    section(&mut out, "Integrity", &integrity(run, info));
    out
}

fn title(info: &RunInfo) -> String {
    let mode = info.mode.map_or("", |mode| mode.as_str()).to_uppercase();
    let [protected, recovery] = &info.sites;
    let home = info.sections == [Section::Failback];
    let (from, to) = if home {
        (recovery, protected)
    } else {
        (protected, recovery)
    };
    format!(
        "# {mode}: {}, {} \u{2192} {}\n\n",
        plain(&info.title),
        plain(from),
        plain(to)
    )
}

fn identity(run: &Run<'_>, info: &RunInfo) -> String {
    let mut out = String::new();
    let state = &run.state;
    item(&mut out, &format!("**Result:** {}", result(run)));
    item(
        &mut out,
        &format!(
            "**Run:** {} of runbook {}",
            code(info.run.as_str()),
            code(&info.runbook)
        ),
    );
    item(
        &mut out,
        &format!(
            "**Operator:** {} on {}",
            plain(&info.operator),
            plain(&info.console)
        ),
    );
    if let Some(started) = state.started {
        let end = state.finished_at.or(state.last_at).unwrap_or(started);
        let word = if state.finished.is_some() {
            "ended"
        } else {
            "last line"
        };
        item(
            &mut out,
            &format!(
                "**Time:** began {}, {word} {}, {}",
                time(started),
                time(end),
                duration(end.duration_since(started))
            ),
        );
    }
    if let Some(outage) = run.state.service_lost() {
        let word = match info.mode {
            Some(Mode::Planned) => "stopped",
            _ => "lost",
        };
        let why = info
            .outage_reason
            .as_ref()
            .map_or_else(String::new, |why| format!(" ({})", plain(why)));
        item(
            &mut out,
            &format!("**Service {word}:** {}{why}", time(outage)),
        );
    }
    out.push_str(&choices(run, info));
    out
}

/// What was chosen for this run, and what came over it.
fn choices(run: &Run<'_>, info: &RunInfo) -> String {
    let mut out = String::new();
    if let Some(parent) = &info.parent {
        item(
            &mut out,
            &format!(
                "**Takes back:** run {}, whose journal ended in {}",
                code(parent.run.as_str()),
                code(&parent.head)
            ),
        );
        for words in parent.in_words() {
            item(&mut out, &plain(&words));
        }
    }
    if !info.only.is_empty() {
        let only: Vec<_> = info.only.iter().map(VmName::as_str).collect();
        item(
            &mut out,
            &format!(
                "**Selection:** {} (the other VMs' steps are not in this run)",
                plain(&only.join(", "))
            ),
        );
    }
    for (name, value) in run.state.variables() {
        item(
            &mut out,
            &format!("**{}:** {}", plain(name.as_str()), plain(&value)),
        );
    }
    let resumes = run.state.resumes;
    if resumes > 0 {
        let times = if resumes == 1 {
            "once".to_owned()
        } else {
            format!("{resumes} times")
        };
        item(&mut out, &format!("**Taken up again:** {times}"));
    }
    out
}

fn result(run: &Run<'_>) -> String {
    let Some(result) = &run.state.finished else {
        let open = steps::open_ends(run).len();
        let waits = match open {
            0 => String::new(),
            1 => ", one step failed or waits for a decision".to_owned(),
            open => format!(", {open} steps failed or wait for a decision"),
        };
        let splits = run.state.splits();
        if splits.is_empty() {
            return format!("not finished{waits}; it can be resumed");
        }
        let splits: Vec<String> = splits
            .iter()
            .map(|split| plain(&split.in_words()))
            .collect();
        return format!(
            "**recovery required (split brain)**: {}; not finished{waits}",
            splits.join("; ")
        );
    };
    let RunResult {
        done,
        by_hand,
        skipped,
        failed,
    } = result;
    let verdict = if !result.is_clean() {
        "finished with failed or skipped steps"
    } else if super::findings(run).is_empty() {
        "finished, nothing found"
    } else {
        "finished, with findings"
    };
    format!("{verdict}: {done} steps done, {by_hand} by hand, {skipped} skipped, {failed} failed")
}

fn objectives(run: &Run<'_>) -> String {
    let all = measures(run);
    if all.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    head(
        &mut out,
        &[
            "",
            "VM",
            "RTO",
            "actual",
            "",
            "RPO",
            "actual",
            "",
            "data from",
            "serves since",
        ],
    );
    for VmMeasure {
        section,
        vm,
        rto,
        rpo,
        source,
        serves,
    } in &all
    {
        let rpo_wanted = if vm.is_some() {
            rpo.objective_text()
        } else {
            String::new()
        };
        row(
            &mut out,
            [
                section.to_string(),
                vm.as_ref()
                    .map_or_else(|| "**the set**".to_owned(), |vm| plain(vm.as_str())),
                rto.objective_text(),
                rto.actual_text(),
                rto.grade_text(),
                rpo_wanted,
                rpo.actual_text(),
                rpo.grade_text(),
                plain(source),
                serves.map_or_else(String::new, time),
            ],
        );
    }
    out
}

fn findings(run: &Run<'_>) -> String {
    let mut out = String::new();
    for finding in super::findings(run) {
        item(&mut out, &plain(&finding));
    }
    for open in steps::open_ends(run) {
        item(&mut out, &open.markdown());
    }
    out
}

fn integrity(run: &Run<'_>, info: &RunInfo) -> String {
    let mut out = String::new();
    item(
        &mut out,
        &format!(
            "Journal: {} lines, head hash {}",
            run.entries.len(),
            code(run.head)
        ),
    );
    item(
        &mut out,
        &format!("Runbook: SHA-256 {}", code(&info.runbook_sha256)),
    );
    item(&mut out, &format!("Plan: {}", code(&info.plan)));
    for correction in &run.state.people.corrections {
        item(
            &mut out,
            &format!(
                "Corrected runbook {} since {}: SHA-256 {}, plan {}",
                code(&correction.file),
                time(correction.at),
                code(&correction.sha256),
                code(&correction.plan)
            ),
        );
    }
    item(
        &mut out,
        &format!("Written by Lifeboat {}", plain(&info.version)),
    );
    out.push_str(&format!(
        "\nCheck it with `lifeboat verify {}`, or in the run's folder with a shell alone; it prints the head hash:\n\n```sh\n{CHECK}\n```\n",
        info.run
    ));
    out
}
