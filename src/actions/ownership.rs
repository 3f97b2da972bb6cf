//! One owner: what is known about a VM at a site, and whether that is enough (promise 3).
//!
//! Pure. The evidence is gathered by [`sighting`](super::sighting) and [`reach`](super::reach). An
//! empty answer of a host counts only as what it is: the list came whole, and the VM was not in it.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{AttestRequest, AutostartEntry};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{HostName, VmName};

use super::file_locks::Locks;

/// Evidence older than this is no evidence.
const FRESH: Duration = Duration::from_secs(60);

/// Whether what was seen then, or never, is too old to act on.
pub(super) fn is_stale(now: Timestamp, seen: Option<Timestamp>) -> bool {
    seen.is_none_or(|at| now.duration_since(at).unsigned_abs() > FRESH)
}

/// What one host told about the VM.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sighting {
    /// Which host.
    pub host: HostName,
    /// What it told.
    pub told: Told,
    /// Entries of its inventory that nobody can identify: their files cannot be read.
    pub invalid: usize,
}

/// What a host tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// Nobody asked it.
    NotAsked,
    /// It could not be asked.
    Nothing(String),
    /// It answers SSH, and told not all that was asked, or nothing of it: what it has may be more than
    /// this. A copy that runs, runs; that none does is no evidence.
    Part {
        /// What is missing.
        why: String,
        /// What it told of the VM.
        copies: Vec<Copy>,
    },
    /// What it has of this VM; empty means that it answered in full and has nothing.
    Copies(Vec<Copy>),
}

/// The VM on a host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Copy {
    /// Its number there; `None` where it runs without being registered.
    pub vmid: Option<Vmid>,
    /// What it is called there.
    pub name: String,
    /// Its .vmx, as the host names it.
    pub vmx: String,
    /// By what it was recognised: `uuid.bios`, `path`, `name`.
    pub by: &'static str,
    /// Whether it runs.
    pub power: PowerState,
    /// Since when, where the host tells.
    pub since: Option<Timestamp>,
    /// Whether the guest's tools run, so that it can be asked to shut down.
    pub tools: bool,
    /// Its autostart entry.
    pub autostart: Option<AutostartEntry>,
}

impl Copy {
    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.power == PowerState::On
    }

    /// By what it is found on its host: `vmid 12, called sql01`.
    pub fn listed(&self) -> String {
        match self.vmid {
            Some(vmid) => format!("vmid {vmid}, called {}", self.name),
            None => format!("not registered, called {}", self.name),
        }
    }

    /// How a person shuts it down at its host: `vim-cmd vmsvc/power.shutdown 12`.
    pub fn shut_down_by(&self) -> String {
        self.vmid
            .map_or("from inside its guest".to_owned(), |vmid| {
                commands::shutdown_guest(vmid).line()
            })
    }
}

/// The sign that does not pass through the site's hosts: whether the guest's addresses answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sign {
    /// Each address or port that was asked.
    pub looks: Vec<Look>,
    /// Why none was, where that is no gap of the runbook.
    pub left_out: Option<&'static str>,
}

/// What one address or port said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    /// `10.20.0.11`, `10.20.0.11:1433`.
    pub target: String,
    /// `lee-bk1 (nc)`, `the console`.
    pub by: String,
    /// What came back.
    pub heard: Heard,
    /// In words: `refuses connections`, `no reply`.
    pub said: String,
    /// How it was asked.
    pub way: Way,
    /// Asked from a place that the runbook says is on that network.
    pub near: bool,
    /// A port that something listens on: a refusal, too, is an answer of the address.
    pub open: bool,
}

/// How an address is asked, which decides what its silence is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// ARP, which a machine on the same network cannot leave unanswered.
    Arp,
    /// Ping, which a machine may drop.
    Ping,
    /// One port, which a machine may not serve.
    Port,
    /// One port on loopback, where every address replies.
    LoopbackPort,
}

impl Look {
    /// `10.20.0.11:1433: no reply (asked by lee-bk1 (nc))`.
    pub fn line(&self) -> String {
        format!("{}: {} (asked by {})", self.target, self.said, self.by)
    }

    /// What was seen of a port, as an error unless something listens on it.
    pub fn accepts(&self) -> Result<String, String> {
        let seen = format!("{} (asked by {})", self.said, self.by);
        if self.open { Ok(seen) } else { Err(seen) }
    }
}

impl Sign {
    /// What the answers mean together. One that answers outweighs all others; one that could not be
    /// asked leaves it open.
    pub fn heard(&self) -> Heard {
        if self.looks.is_empty() {
            return Heard::NotAsked;
        }
        let answers = |look: &&Look| look.heard == Heard::Answer;
        if self.looks.iter().any(|look| answers(&look)) {
            Heard::Answer
        } else if self.looks.iter().all(|look| look.heard == Heard::Silence) {
            Heard::Silence
        } else {
            Heard::Unknown
        }
    }

    /// What a silence does not rule out: the machines that the way in which it was asked cannot see.
    pub fn blind_to(&self) -> Vec<String> {
        let asked = |way| self.looks.iter().any(|look| look.way == way);
        if self.heard() != Heard::Silence || asked(Way::LoopbackPort) {
            return Vec::new();
        }
        let mut blind = Vec::new();
        if !asked(Way::Arp) {
            blind.push(if asked(Way::Ping) {
                "not seen by this: a machine that drops ping and serves none of these ports".to_owned()
            } else {
                "not seen by this: a machine that serves none of these ports (its address itself was \
                 not asked)"
                    .to_owned()
            });
        }
        if !self.looks.iter().any(|look| look.near) {
            blind.push(
                "not seen by this: a machine on a network that the console does not reach (the \
                 runbook names no probe_from that could ask)"
                    .to_owned(),
            );
        }
        blind
    }

    /// What answers.
    pub fn answering(&self) -> Option<&Look> {
        self.answers().next()
    }

    /// All that answers.
    pub fn answers(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| look.heard == Heard::Answer)
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There is nothing to ask.
    NotAsked,
    /// Asked, without an outcome that can be trusted.
    Unknown,
    /// No reply from anything.
    Silence,
    /// Something answered.
    Answer,
}

/// All there is about one VM at one site.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ownership {
    /// Which VM.
    pub vm: VmName,
    /// The site as people call it.
    pub site: String,
    /// Every listed host of the site.
    pub sightings: Vec<Sighting>,
    /// Whether the hosts were asked by uuid.bios.
    pub by_uuid: bool,
    /// The independent sign.
    pub sign: Sign,
    /// Who holds its files, as the host on which it would start sees them.
    pub locks: Locks,
    /// Who holds its files at that site, as each host there sees them that does not tell what it runs.
    pub locks_there: Vec<Locks>,
    /// Who vouched for what, if somebody did.
    pub attested: Option<String>,
    /// When gathering began; `None` where nothing was gathered.
    pub at: Option<Timestamp>,
}

/// Whether the evidence is enough.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Every listed host answered no, and the independent sign agrees.
    Whole,
    /// A person vouched for it, and nothing contradicts.
    Attested,
    /// A person has to vouch for it.
    Open,
    /// Something contradicts: no attestation overrides it.
    Contradicted(String),
}

impl Ownership {
    /// Whether the evidence is enough for starting the VM at the other site.
    pub fn standing(&self) -> Standing {
        if let Some((host, copy)) = self.running().next() {
            return Standing::Contradicted(format!(
                "{} runs on {host} ({}; {}, recognised by {})",
                self.vm,
                copy.listed(),
                copy.vmx,
                copy.by
            ));
        }
        if let Some(look) = self.sign.answering() {
            return Standing::Contradicted(format!(
                "the address of {} answers: {}",
                self.vm,
                look.line()
            ));
        }
        if let Some(held) = self.locked_there().or_else(|| self.locks.contradiction()) {
            return Standing::Contradicted(held);
        }
        if self.is_whole() {
            Standing::Whole
        } else if self.attested.is_some() {
            Standing::Attested
        } else {
            Standing::Open
        }
    }

    /// Something answers at its address, and no listed host there runs it.
    pub fn has_stranger(&self) -> bool {
        self.sign.answering().is_some() && self.running().next().is_none()
    }

    /// A lock on its files at that site, which says that it runs there.
    pub fn locked_there(&self) -> Option<String> {
        self.locks_there.iter().find_map(Locks::contradiction)
    }

    /// What to do about the lock that contradicts.
    pub fn way_past_lock(&self) -> Option<String> {
        let there = self.locks_there.iter().find_map(Locks::way_past);
        there.or_else(|| self.locks.way_past())
    }

    /// Copies that run there.
    pub fn running(&self) -> impl Iterator<Item = (&HostName, &Copy)> {
        self.copies().filter(|(_, copy)| copy.runs())
    }

    /// Copies that hosts there have; of a host that did not tell all, those that run.
    pub fn copies(&self) -> impl Iterator<Item = (&HostName, &Copy)> {
        self.sightings.iter().flat_map(|sighting| {
            let (copies, whole) = match &sighting.told {
                Told::Copies(copies) => (copies.as_slice(), true),
                Told::Part { copies, .. } => (copies.as_slice(), false),
                Told::NotAsked | Told::Nothing(_) => (&[][..], true),
            };
            let counts = move |copy: &&Copy| whole || copy.runs();
            let copies = copies.iter().filter(counts);
            copies.map(|copy| (&sighting.host, copy))
        })
    }

    /// Every listed host answered in full.
    pub fn all_answered(&self) -> bool {
        !self.sightings.is_empty()
            && self
                .sightings
                .iter()
                .all(|seen| matches!(seen.told, Told::Copies(_)))
    }

    /// Hosts that did not answer in full.
    pub fn silent_hosts(&self) -> impl Iterator<Item = &HostName> {
        let silent = |seen: &&Sighting| !matches!(seen.told, Told::Copies(_));
        self.sightings.iter().filter(silent).map(|seen| &seen.host)
    }

    /// Whether all that was to be asked says so: of a start that is under way the guest's address is
    /// left out, for this very copy may answer it.
    pub fn is_kept_as_whole(&self) -> bool {
        self.standing() == Standing::Whole || self.sign.left_out.is_some() && self.hosts_agree()
    }

    fn is_whole(&self) -> bool {
        self.sign.heard() == Heard::Silence && self.hosts_agree()
    }

    fn hosts_agree(&self) -> bool {
        self.all_answered()
            && self.by_uuid
            && !self.locks.leave_open()
            && self.running().next().is_none()
    }

    /// Whether it is too old to act on.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        is_stale(now, self.at)
    }

    /// What a person would vouch for. The same words at `fence` and at `power_on`, so that one
    /// attestation stands for both.
    pub fn statement(&self) -> String {
        statement(&self.vm, &self.site)
    }

    /// The request for an attestation, evidence first.
    pub fn attest_request(&self) -> AttestRequest {
        AttestRequest {
            vm: Some(self.vm.clone()),
            statement: self.statement(),
            evidence: self.lines(),
        }
    }

    /// One line for each source.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.sightings.iter().map(sighting_line).collect();
        if self.sightings.is_empty() {
            lines.push(format!("no host of {} can be asked about it", self.site));
        } else if !self.by_uuid && self.all_answered() {
            lines.push("its uuid.bios is not known, so it was looked for by path and name".into());
        }
        if self.sign.looks.is_empty() {
            let why = self.sign.left_out;
            let why = why.unwrap_or("the runbook names none that can be asked");
            lines.push(format!("its address was not asked: {why}"));
        }
        lines.extend(self.sign.looks.iter().map(Look::line));
        lines.extend(self.sign.blind_to());
        lines.extend(self.locks_there.iter().flat_map(Locks::lines));
        lines.extend(self.locks.lines());
        if let Some(attested) = &self.attested {
            lines.push(format!("attested: {attested}"));
        }
        lines
    }
}

/// What a person vouches for.
pub(super) fn statement(vm: &VmName, site: &str) -> String {
    format!("{vm} does not run in {site}")
}

fn sighting_line(sighting: &Sighting) -> String {
    let line = told_line(sighting);
    match sighting.invalid {
        0 => line,
        1 => format!("{line}; it has an invalid entry that nobody can identify"),
        n => format!("{line}; it has {n} invalid entries that nobody can identify"),
    }
}

fn told_line(sighting: &Sighting) -> String {
    let host = &sighting.host;
    match &sighting.told {
        Told::NotAsked => format!("{host}: not asked"),
        Told::Nothing(why) => format!("{host}: no answer ({why})"),
        Told::Part { why, copies } if copies.is_empty() => {
            format!("{host}: answers SSH, but its management agent does not tell what runs ({why})")
        }
        Told::Part { why, copies } => {
            format!(
                "{host}: {}; it answers SSH, but its management agent did not tell all ({why})",
                copy_lines(copies)
            )
        }
        Told::Copies(copies) if copies.is_empty() && sighting.invalid > 0 => {
            format!("{host}: does not run it, and has it in no entry that can be read")
        }
        Told::Copies(copies) if copies.is_empty() => {
            format!("{host}: does not run it and does not know it")
        }
        Told::Copies(copies) => format!("{host}: {}", copy_lines(copies)),
    }
}

fn copy_lines(copies: &[Copy]) -> String {
    let copies: Vec<String> = copies.iter().map(copy_line).collect();
    copies.join("; ")
}

/// `on since 2026-01-02T03:04:05Z (vmid 12, called sql01; [local1] sql01/sql01.vmx, recognised by uuid.bios)`.
pub(super) fn copy_line(copy: &Copy) -> String {
    // A host says it to the microsecond, which nobody reads.
    let since = copy
        .since
        .map(|since| since.strftime(" since %Y-%m-%dT%H:%M:%SZ").to_string());
    let since = since.unwrap_or_default();
    format!(
        "{}{since} ({}; {}, recognised by {})",
        copy.power,
        copy.listed(),
        copy.vmx,
        copy.by
    )
}

#[cfg(test)]
mod tests;
