//! Restore points in the words of the step card.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::actions::context::Ctx;
use crate::actions::replacing;
use crate::actions::words::{count, size, span};
use crate::engine::{Choice, ChoiceOption, Fact};
use crate::names::VmName;
use crate::runbook::model::Consistency;
use crate::transfer::{Flaw, Grade, Point, PointFile};

use super::pick::POINT;

/// What is said of a point of which this run found a file with another sum than the recorded one.
const CORRUPT: &str = "proven CORRUPT in this run";

/// The VM's points that this run proved corrupt: by folder, the file that was. One that a person chose
/// since may have been mended.
pub(super) fn proven_corrupt(ctx: &Ctx, vm: &VmName) -> BTreeMap<String, String> {
    let mut corrupt = BTreeMap::new();
    for fact in ctx.run_facts() {
        match fact {
            Fact::PointCorrupt {
                vm: of, path, file, ..
            } if of == *vm => {
                corrupt.insert(path, file);
            }
            Fact::PointPicked { vm: of, point, .. } if of == *vm => {
                corrupt.retain(|path, _| path.rsplit('/').next() != Some(point.as_str()));
            }
            _ => {}
        }
    }
    corrupt
}

/// The points as the runbook's rule sees them: what was proven corrupt is not sound.
pub(super) fn judged(points: &[Point], corrupt: &BTreeMap<String, String>) -> Vec<Point> {
    let mut judged = points.to_vec();
    for point in &mut judged {
        let file = corrupt.get(&point.path);
        point.flaws.extend(file.cloned().map(Flaw::Proven));
    }
    judged
}

/// In what state the guest was when the backup was taken.
pub(super) fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Crash => "crash-consistent",
        Consistency::Filesystem => "file systems consistent",
        Consistency::Application => "applications consistent",
        Consistency::PoweredOff => "taken while off",
    }
}

/// What was written between the point and the outage; nothing where the point is younger.
fn lost(point: &Point, outage: Timestamp) -> Duration {
    Duration::try_from(point.stamp.age_at(outage)).unwrap_or_default()
}

/// What is lost with this point, against the objective.
pub(super) fn loss(point: &Point, outage: Timestamp, rpo: Option<Duration>) -> String {
    let lost = lost(point, outage);
    let words = match rpo {
        None => format!(
            "what changed in the last {} before the outage is lost",
            span(lost)
        ),
        Some(rpo) => format!(
            "RPO {}: {} the objective of {}",
            span(lost),
            Grade::of(lost, rpo),
            span(rpo)
        ),
    };
    if point.stamp.age_at(outage).is_negative() {
        return format!("{words}, by its time, which is {}", age(point, outage));
    }
    words
}

/// `5h 10m before the outage`, also for a point that is younger than the outage.
fn age(point: &Point, outage: Timestamp) -> String {
    let age = point.stamp.age_at(outage);
    let words = span(age.unsigned_abs());
    if age.is_negative() {
        format!("{words} AFTER the outage")
    } else {
        format!("{words} before the outage")
    }
}

/// A point in a line: its age, kind, completeness, and what is lost with it.
fn about(
    point: &Point,
    is_corrupt: bool,
    outage: Option<Timestamp>,
    rpo: Option<Duration>,
) -> String {
    let mut parts = Vec::new();
    parts.extend(outage.map(|outage| age(point, outage)));
    // Before the rest, which a narrow screen cuts off.
    if let Some((outage, rpo)) = outage.zip(rpo) {
        parts.push(format!("RPO {}", Grade::of(lost(point, outage), rpo)));
    }
    parts.push(point.kind.as_str().to_owned());
    let whole = match (point.is_sound(), point.verified) {
        (false, _) => "not usable",
        (true, _) if is_corrupt => CORRUPT,
        (true, true) => "whole",
        (true, false) => "whole, unverified",
    };
    parts.push(whole.to_owned());
    parts.push(size(point.bytes()));
    parts.join(", ")
}

/// What there is to choose from; `None` where there is nothing but what is taken.
pub(super) fn choice(
    points: &[Point],
    corrupt: &BTreeMap<String, String>,
    taken: Option<String>,
    outage: Option<Timestamp>,
    rpo: Option<Duration>,
) -> Option<Choice> {
    let option = |point: &Point| ChoiceOption {
        name: point.name.clone(),
        about: about(point, corrupt.contains_key(&point.path), outage, rpo),
        unusable: (!point.is_sound()).then(|| point.flaws_in_words()),
    };
    (points.len() > 1 || taken.is_none()).then(|| Choice {
        key: POINT.to_owned(),
        of: "the restore point".to_owned(),
        options: points.iter().map(option).collect(),
        taken,
    })
}

/// `points: 20260102T030405Z 5h 10m before the outage, …`, newest first.
pub(super) fn found(
    points: &[Point],
    corrupt: &BTreeMap<String, String>,
    outage: Option<Timestamp>,
) -> String {
    const SHOWN: usize = 4;
    let line = |point: &Point| {
        let age = outage.map(|outage| format!(" {}", age(point, outage)));
        let flaw = if !point.is_sound() {
            " (not usable)".to_owned()
        } else if corrupt.contains_key(&point.path) {
            format!(" ({CORRUPT})")
        } else {
            String::new()
        };
        format!("{}{}{flaw}", point.name, age.unwrap_or_default())
    };
    let mut lines: Vec<String> = points.iter().take(SHOWN).map(line).collect();
    if points.len() > SHOWN {
        lines.push(format!("{} older", points.len() - SHOWN));
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    format!("points: {}", lines.join(", "))
}

/// Which earlier points hold files of this one.
pub(super) fn chain(point: &Point) -> Option<String> {
    let folders: Vec<String> = point
        .leans_on()
        .iter()
        .map(|(folder, files)| format!("{} from {folder}", count(*files, "file")))
        .collect();
    (!folders.is_empty()).then(|| format!("not changed since: {}", folders.join(", ")))
}

/// `+ web01.vmdk (2.0 KiB)`, with the earlier point that it comes from, and with its path in the point
/// where that is another one.
pub(super) fn file(point: &Point, file: &PointFile) -> String {
    let from = point.holder(file).map(|folder| format!(" from {folder}"));
    let path = point.path_within(file);
    let there = (path != file.name).then(|| format!(" (there {path})"));
    format!(
        "+ {} ({}){}{}",
        file.name,
        size(file.bytes),
        from.unwrap_or_default(),
        there.unwrap_or_default()
    )
}

/// What the .vmx says otherwise than in the point, because all disks come into one folder.
pub(super) fn renamed(point: &Point) -> Vec<String> {
    let what = "disks lie in folders of the point: all come into the VM's folder, and the .vmx with their names there:";
    let first = (!point.renamed.is_empty()).then(|| what.to_owned());
    let changes = point.renamed.iter().flat_map(replacing::signed);
    first.into_iter().chain(changes).collect()
}

/// What stays where it is, and why.
pub(super) fn left_behind(point: &Point, logs: bool) -> Option<String> {
    const SHOWN: usize = 4;
    let own = point.left_behind.iter();
    let mut left: Vec<String> = own.map(|(name, why)| format!("{name} ({why})")).collect();
    if !logs && !point.logs.is_empty() {
        left.push(count(point.logs.len(), "log"));
    }
    let more = left.len().saturating_sub(SHOWN);
    left.truncate(SHOWN);
    if more > 0 {
        left.push(format!("{more} more"));
    }
    (!left.is_empty()).then(|| format!("left behind: {}", left.join(", ")))
}
