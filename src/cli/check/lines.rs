//! A look as plain lines of at most 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::actions::{count, size, span};
use crate::clock::utc;
use crate::names::VmName;
use crate::readiness::{Change, Finding, HostSeen, Seen, Severity, Shut, Task};
use crate::runbook::model::Mode;
use crate::transfer::Grade;
use crate::tui::wrap;

const WIDTH: usize = 80;
/// Where the words of a finding begin.
const INDENT: usize = 9;
/// Columns of `now` and `next` within them.
const TAG: usize = 5;
/// Columns of a host's or a VM's name, at most.
const NAME: usize = 24;

/// One look.
pub(super) struct Round<'a> {
    pub(super) task: &'a Task,
    pub(super) seen: &'a Seen,
    pub(super) findings: &'a [Finding],
    /// The runbook's.
    pub(super) sha256: &'a str,
    /// How long the look took.
    pub(super) took: Duration,
}

/// Everything: hosts, restore points, findings, and how it stands.
pub(super) fn whole(round: &Round<'_>, colour: bool) -> String {
    let mut text = String::new();
    let name = &round.task.runbook.name;
    let way = match round.task.mode {
        Mode::Failback => ", the way home",
        Mode::Planned => ", as a planned run",
        _ => "",
    };
    let _ = writeln!(
        text,
        "{name}{way}: {} looked at in {:.1} s, {}\n",
        count(round.seen.hosts.len(), "host"),
        round.took.as_secs_f32(),
        utc(round.seen.at)
    );
    let hosts = round.seen.hosts.iter().map(|(host, seen)| {
        let words = seen.as_ref().map_or_else(shut, told);
        (host.as_str(), words)
    });
    put_list(&mut text, &hosts.collect::<Vec<_>>());
    let vms = round.task.restores.keys();
    let points: Vec<_> = vms.map(|vm| (vm.as_str(), point(round, vm))).collect();
    if !points.is_empty() {
        text.push('\n');
        put_list(&mut text, &points);
    }
    for finding in round.findings {
        text.push('\n');
        put_finding(&mut text, "", finding, colour);
    }
    let _ = writeln!(text, "\n{}", verdict(round.findings));
    text
}

/// A host that was not asked, in a word: only one that does not answer is dark.
fn shut(shut: &Shut) -> String {
    let words = if shut.is_silent {
        "no answer"
    } else {
        "not looked at (see below)"
    };
    words.to_owned()
}

/// Names with what is known of each.
fn put_list(text: &mut String, rows: &[(&str, String)]) {
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max();
    let columns = longest.unwrap_or_default().min(NAME) + 2;
    for (name, words) in rows {
        let name: String = name.chars().take(columns - 1).collect();
        put(text, &painted(&name, columns, ""), words, columns);
    }
}

/// What changed since the look before, and when that was seen.
pub(super) fn changes(at: Timestamp, changed: &[Change], colour: bool) -> String {
    let mut text = format!("\n{}\n", utc(at));
    for change in changed {
        match change {
            Change::New(finding) => put_finding(&mut text, "new: ", finding, colour),
            Change::Was(before, finding) => {
                let lead = format!("was {}: ", before.as_str());
                put_finding(&mut text, &lead, finding, colour);
            }
            Change::Gone(finding) => {
                let words = format!(
                    "{} no more: {}",
                    finding.severity.as_str(),
                    subject(finding)
                );
                put(&mut text, &painted("gone", INDENT, ""), &words, INDENT);
            }
        }
    }
    text
}

/// `ready`, or what keeps it from that.
pub(in crate::cli) fn verdict(findings: &[Finding]) -> String {
    let of = |severity| {
        let same = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        same.count()
    };
    let (blockers, warnings, notes) = (
        of(Severity::Blocker),
        of(Severity::Warning),
        of(Severity::Note),
    );
    let all = [
        (blockers, "blocker"),
        (warnings, "warning"),
        (notes, "note"),
    ];
    let counted: Vec<String> = all
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, noun)| count(*amount, noun))
        .collect();
    let word = match (blockers, warnings) {
        (0, 0) => "ready",
        (0, _) => "can be walked, not as it should be",
        _ => "NOT READY",
    };
    if counted.is_empty() {
        format!("{word}: nothing found")
    } else {
        format!("{word}: {}", counted.join(", "))
    }
}

fn told(host: &HostSeen) -> String {
    let mut words = vec![format!("answers in {} ms", host.round_trip.as_millis())];
    if let Some(esxi) = &host.esxi {
        if let Ok(version) = &esxi.version {
            words.push(format!("{} {}", version.product, version.version));
        }
        if let Ok(volumes) = &esxi.volumes {
            let stores = volumes.0.iter().filter(|volume| volume.is_datastore());
            words.extend(
                stores.map(|volume| format!("{} {} free", volume.label, size(volume.free))),
            );
        }
    }
    words.join(", ")
}

fn point(round: &Round<'_>, vm: &VmName) -> String {
    let Some(used) = round.seen.used(vm) else {
        return "no restore point that is known and can be used".to_owned();
    };
    let age = used.point.stamp.age_at(round.seen.at);
    let age = Duration::try_from(age).unwrap_or_default();
    let mut words = format!("{}, {} old", used.point.name, span(age));
    if round.task.brings(vm) {
        let _ = write!(words, ", {}", size(used.point.bytes()));
    } else {
        words.push_str(", files alone");
    }
    if let Some(rpo) = round.task.runbook.rpo(vm) {
        let _ = write!(words, ", {} the RPO of {}", Grade::of(age, rpo), span(rpo));
    }
    words
}

fn put_finding(text: &mut String, lead: &str, finding: &Finding, colour: bool) {
    let code = match (colour, finding.severity) {
        (true, Severity::Blocker) => "31",
        (true, Severity::Warning) => "33",
        _ => "",
    };
    let label = painted(finding.severity.as_str(), INDENT, code);
    put(text, &label, &format!("{lead}{}", subject(finding)), INDENT);
    let fault = &finding.fault;
    for (label, words) in [("now", &fault.state), ("next", &fault.next)] {
        if !words.is_empty() {
            let label = " ".repeat(INDENT) + &painted(label, TAG, "");
            put(text, &label, words, INDENT + TAG);
        }
    }
}

fn subject(finding: &Finding) -> String {
    let fault = &finding.fault;
    if fault.place.is_empty() {
        fault.what.clone()
    } else {
        format!("{}: {}", fault.place, fault.what)
    }
}

/// A label that takes so many columns, in a colour if one is given.
fn painted(label: &str, columns: usize, code: &str) -> String {
    let label = format!("{label:<columns$}");
    if code.is_empty() {
        label
    } else {
        format!("\x1b[{code}m{label}\x1b[0m")
    }
}

/// A label, and words that go on under each other beside it.
pub(in crate::cli) fn put(text: &mut String, label: &str, words: &str, indent: usize) {
    let mut label = label.to_owned();
    for line in wrap(words, WIDTH - indent) {
        let _ = writeln!(text, "{label}{line}");
        label = " ".repeat(indent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    #[test]
    fn only_a_host_that_does_not_answer_is_said_not_to() {
        let told = |is_silent| {
            let fault = Fault::new("it shows another host key", "lon-esx2", "", "compare it");
            let by = "lon-esx2".into();
            shut(&Shut {
                by,
                fault,
                is_silent,
            })
        };
        assert_eq!(told(true), "no answer");
        assert!(!told(false).contains("no answer"));
    }
}
