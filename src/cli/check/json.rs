//! A look as JSON, for whoever watches: one object a line.
//!
//! The first line is the whole look, `{"lifeboat_check":1,"runbook","sha256","way":"failover"|"planned"|
//! "failback","at","took_ms","ready","vms","hosts":[{"host","answers","product","ahead_s",
//! "round_trip_ms"}],"points":[{"vm","point","at","age_s","rpo_s","grade","bytes","verified"}],
//! "findings":[FINDING]}`; each later one, where it watches, what changed: `{"lifeboat_check":1,"way",
//! "at","changes":[{"change":"new"|"was"|"gone","was"?,"finding":FINDING}]}`. A FINDING is `{"key",
//! "severity","vms","what","where","now","next"}`, its key the same from one look to the next. Fields may
//! be added; none is taken away or changed.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::names::{HostName, VmName};
use crate::readiness::{Change, Finding, HostSeen, Severity, Shut, Task, is_ready};
use crate::runbook::model::Mode;
use crate::transfer::Grade;

use super::lines::Round;

/// The form of these lines.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Whole<'a> {
    lifeboat_check: u32,
    runbook: &'a str,
    sha256: &'a str,
    way: &'static str,
    at: Timestamp,
    took_ms: u64,
    ready: bool,
    vms: &'a [VmName],
    hosts: Vec<HostLine<'a>>,
    points: Vec<PointLine<'a>>,
    findings: Vec<FindingLine<'a>>,
}

#[derive(Serialize)]
struct HostLine<'a> {
    host: &'a HostName,
    answers: bool,
    product: Option<String>,
    ahead_s: Option<i64>,
    round_trip_ms: Option<u64>,
}

#[derive(Serialize)]
struct PointLine<'a> {
    vm: &'a VmName,
    /// `None` where none is known that can be used.
    point: Option<&'a str>,
    at: Option<Timestamp>,
    age_s: Option<i64>,
    rpo_s: Option<u64>,
    grade: Option<Grade>,
    bytes: Option<u64>,
    verified: Option<bool>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    key: &'a str,
    severity: Severity,
    vms: &'a [VmName],
    what: &'a str,
    #[serde(rename = "where")]
    place: &'a str,
    now: &'a str,
    next: &'a str,
}

#[derive(Serialize)]
struct Changes<'a> {
    lifeboat_check: u32,
    way: &'static str,
    at: Timestamp,
    changes: Vec<ChangeLine<'a>>,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<Severity>,
    finding: FindingLine<'a>,
}

/// The whole look.
pub(super) fn whole(round: &Round<'_>) -> String {
    let findings = round.findings;
    let vms = round.task.restores.keys();
    line(&Whole {
        lifeboat_check: FORMAT,
        runbook: &round.task.runbook.name,
        sha256: round.sha256,
        way: way(round.task),
        at: round.seen.at,
        took_ms: in_ms(round.took),
        ready: is_ready(findings),
        vms: &round.task.vms,
        hosts: round
            .seen
            .hosts
            .iter()
            .map(|(host, seen)| HostLine::new(host, seen.as_ref()))
            .collect(),
        points: vms.map(|vm| PointLine::new(round, vm)).collect(),
        findings: findings.iter().map(FindingLine::new).collect(),
    })
}

/// What changed since the look before.
pub(super) fn changes(task: &Task, at: Timestamp, changed: &[Change]) -> String {
    let changes = changed.iter().map(|change| {
        let (change, was, finding) = match change {
            Change::New(finding) => ("new", None, finding),
            Change::Was(was, finding) => ("was", Some(*was), finding),
            Change::Gone(finding) => ("gone", None, finding),
        };
        ChangeLine {
            change,
            was,
            finding: FindingLine::new(finding),
        }
    });
    line(&Changes {
        lifeboat_check: FORMAT,
        way: way(task),
        at,
        changes: changes.collect(),
    })
}

fn way(task: &Task) -> &'static str {
    match task.mode {
        Mode::Failback => "failback",
        Mode::Planned => "planned",
        _ => "failover",
    }
}

fn line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> HostLine<'a> {
    fn new(host: &'a HostName, seen: Result<&HostSeen, &Shut>) -> Self {
        let told = seen.ok();
        let version = told
            .and_then(|told| told.esxi.as_deref())
            .and_then(|esxi| esxi.version.as_ref().ok());
        Self {
            host,
            answers: told.is_some(),
            product: version.map(|version| format!("{} {}", version.product, version.version)),
            ahead_s: told
                .and_then(|told| told.clock.as_ref().ok())
                .map(|clock| clock.ahead().as_secs()),
            round_trip_ms: told.map(|told| in_ms(told.round_trip)),
        }
    }
}

impl<'a> PointLine<'a> {
    fn new(round: &'a Round<'_>, vm: &'a VmName) -> Self {
        let rpo = round.task.runbook.rpo(vm);
        let used = round.seen.used(vm);
        let age = used.map(|used| used.point.stamp.age_at(round.seen.at));
        let lost = age.map(|age| Duration::try_from(age).unwrap_or_default());
        Self {
            vm,
            point: used.map(|used| used.point.name.as_str()),
            at: used.map(|used| used.point.stamp.time()),
            age_s: age.map(|age| age.as_secs()),
            rpo_s: rpo.map(|rpo| rpo.as_secs()),
            grade: lost.zip(rpo).map(|(lost, rpo)| Grade::of(lost, rpo)),
            bytes: used
                .filter(|_| round.task.brings(vm))
                .map(|used| used.point.bytes()),
            verified: used.map(|used| used.point.verified),
        }
    }
}

impl<'a> FindingLine<'a> {
    fn new(finding: &'a Finding) -> Self {
        Self {
            key: &finding.key,
            severity: finding.severity,
            vms: &finding.vms,
            what: &finding.fault.what,
            place: &finding.fault.place,
            now: &finding.fault.state,
            next: &finding.fault.next,
        }
    }
}
