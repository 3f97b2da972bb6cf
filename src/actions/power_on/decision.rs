//! What follows from what was seen: whether the VM may start, and what that takes.

use crate::actions::answer::{Known, blocked, done, needed, shown_for};
use crate::actions::isolation::Ground;
use crate::actions::ownership::{Heard, Ownership, Standing};
use crate::actions::registered::Entry;
use crate::actions::{autostart, questions};
use crate::engine::{AutostartEntry, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::power::PowerState;
use crate::plan::Risk;

use super::{PowerOn, Seen};

impl PowerOn {
    fn proposal(&self, changes: Vec<String>) -> Proposal {
        let undo = shown_for(
            &self.at.host,
            self.vm(),
            Known::Not,
            commands::shutdown_guest,
        );
        Proposal {
            changes,
            then: format!(
                "{} is on: hostd says so, and the list of running VMs has it",
                self.at.who()
            ),
            undo: Some(format!("{}, after 5m power.off", undo.line)),
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    pub(super) fn outline(&self) -> ProbeAnswer {
        let mut proposal = self.proposal(match &self.isolation {
            Some(isolation) => vec![
                format!(
                    "the host is asked once more whether anything leads out of {}, and the VM's adapters are looked at",
                    isolation.vswitch
                ),
                format!("then {} starts", self.at.who()),
            ],
            None => vec![
                format!(
                    "{} is asked once more whether {} runs there",
                    self.other_site,
                    self.vm()
                ),
                format!(
                    "its address is asked whether anybody answers; then {} starts",
                    self.at.who()
                ),
            ],
        });
        let blind = self.blind.iter().filter(|_| self.isolation.is_none());
        proposal.changes.extend(blind.map(|name| {
            format!("{name} starts disconnected, and then you are asked whether it is connected")
        }));
        proposal.commands = vec![shown_for(
            &self.at.host,
            self.vm(),
            Known::Not,
            commands::power_on,
        )];
        needed("not asked", proposal)
    }

    /// Not startable as the host has it.
    pub(super) fn unready(&self, entry: Option<&Entry>) -> Option<ProbeAnswer> {
        let (found, what, next) = match entry {
            None => (
                format!("{} is not registered", self.at.who()),
                format!(
                    "{} is not registered, so it cannot be started",
                    self.at.who()
                ),
                "register it first (register), then retry",
            ),
            Some(entry) if !entry.is_valid() => (
                format!("registered, but {}", entry.summary.connection),
                format!("{} cannot read the .vmx of {}", self.at.host, self.vm()),
                "look at its files; then register it again (register), and retry",
            ),
            Some(_) => return None,
        };
        let fault = Fault::new(what, self.at.host.as_str(), "nothing was sent", next);
        Some(blocked(found, fault, &[]))
    }

    fn autostart_commands(&self, entry: &Entry, due: &AutostartEntry) -> Vec<ShownCommand> {
        autostart::shown(&self.at, Known::Is(entry.vmid), due)
    }

    /// It is on, or on its way.
    pub(super) fn decide_on(&self, seen: &Seen, entry: &Entry) -> ProbeAnswer {
        if let Some(question) = &seen.question {
            let found = format!("it waits on a question: {}", first_line(&question.text));
            if let Some(answer) = self.blocked_begun(&found, seen) {
                return answer;
            }
            let mut proposal = self.proposal(vec![
                "it was started, and waits for an answer: the question is shown, and answered as you choose"
                    .into(),
            ]);
            let command = questions::shown_answer(&self.at, entry.vmid, question);
            proposal.commands = vec![command];
            return needed(found, Self::vouched(seen, proposal));
        }
        if seen.under_way {
            let found = "a power-on is under way";
            if let Some(answer) = self.blocked_begun(found, seen) {
                return answer;
            }
            let change = "it was started before; its end is awaited, nothing is sent";
            return needed(
                found,
                Self::vouched(seen, self.proposal(vec![change.into()])),
            );
        }
        let since = entry
            .summary
            .boot_time
            .as_ref()
            .map(|time| format!(" since {time}"));
        let found = format!(
            "on{} (get.summary, vm process list)",
            since.unwrap_or_default()
        );
        if !seen.blind.open.is_empty() {
            let mut proposal = self.proposal(Vec::new());
            if let Some(due) = &seen.autostart {
                proposal.changes.push(back(due));
                proposal
                    .commands
                    .extend(self.autostart_commands(entry, due));
            }
            return self.decide_connecting(&found, entry, &seen.blind.open, proposal);
        }
        let evidence = vec![format!("{}: {found}", self.at.who())];
        match &seen.autostart {
            None => done(found, evidence),
            Some(due) => {
                let mut proposal = self.proposal(vec![back(due)]);
                proposal.risk = Some(Risk::Write);
                proposal.commands = self.autostart_commands(entry, due);
                needed(format!("{found}; its autostart entry is missing"), proposal)
            }
        }
    }

    /// That the host reads its .vmx first, where it has another view of it.
    fn reading(&self, seen: &Seen) -> impl Iterator<Item = String> {
        seen.stale.iter().map(|stale| stale.change(&self.at))
    }

    fn start_commands(&self, seen: &Seen, entry: &Entry) -> Vec<ShownCommand> {
        let reading = seen.stale.iter().map(|stale| stale.command(&self.at));
        let vmid = Known::Is(entry.vmid);
        let start = shown_for(&self.at.host, self.vm(), vmid, commands::power_on);
        reading.chain([start]).collect()
    }

    /// What it wrote at the other site after its files were copied is not here.
    fn outdated(&self, found: String, ran: &str) -> ProbeAnswer {
        let fault = Fault::new(
            format!(
                "{} has run in {} since its files were copied from there: {ran}",
                self.vm(),
                self.other_site
            ),
            self.at.host.as_str(),
            "what it wrote there is not in its files here; it was not started",
            format!(
                "see to it that it is off in {}; the step that copies its files is up once more, and then it starts",
                self.other_site
            ),
        );
        blocked(found, fault, &[])
    }

    /// It is off: may it start?
    pub(super) fn decide_off(&self, seen: &Seen, entry: &Entry, other: &Ownership) -> ProbeAnswer {
        let found = format!("{}; {}", entry.power(), other.lines().join("; "));
        let standing = other.standing();
        if let Standing::Contradicted(why) = &standing {
            return self.contradicted(found, why, other);
        }
        if let Some(ran) = &seen.ran_since {
            return self.outdated(found, ran);
        }
        if let Some(answer) = seen.twins.as_ref().and_then(|twins| twins.blocks(&self.at)) {
            return answer;
        }
        let mut changes: Vec<String> = self.reading(seen).collect();
        changes.push(format!("{} starts", self.at.who()));
        if entry.power() == PowerState::Suspended {
            changes.push("it is suspended: it goes on where it was".into());
        }
        changes.push(match standing {
            Standing::Whole => format!(
                "{}: every listed host says that it does not run there, and its address is silent",
                self.other_site
            ),
            _ => format!(
                "{}: what cannot be proven is vouched for by a person",
                self.other_site
            ),
        });
        if matches!(other.sign.heard(), Heard::NotAsked | Heard::Unknown) {
            changes.push("nobody could tell whether another machine has its address".into());
        }
        changes.extend(self.blind_at_start(&seen.blind));
        changes.extend(seen.twins.iter().flat_map(|twins| twins.doubts(&self.at)));
        changes.extend(seen.autostart.as_ref().map(back));
        let mut proposal = self.proposal(changes);
        proposal.commands = self.start_commands(seen, entry);
        if let Some(due) = &seen.autostart {
            proposal
                .commands
                .extend(self.autostart_commands(entry, due));
        }
        proposal.attest = (standing == Standing::Open).then(|| other.attest_request());
        needed(found, proposal)
    }

    /// It is off, in a drill: may it start?
    pub(super) fn decide_apart(&self, seen: &Seen, entry: &Entry, ground: &Ground) -> ProbeAnswer {
        if let Some(fault) = ground.broken(self.vm().as_str(), &self.at.host) {
            let way = "network sets it apart again where its own .vmx or adapters are named";
            return blocked(fault.what.clone(), fault, &[way]);
        }
        if let Some(answer) = seen.twins.as_ref().and_then(|twins| twins.blocks(&self.at)) {
            return answer;
        }
        let mut changes: Vec<String> = self.reading(seen).collect();
        changes.push(format!("{} starts, kept apart:", self.at.who()));
        changes.extend(ground.lines.iter().cloned());
        changes.extend(seen.twins.iter().flat_map(|twins| twins.doubts(&self.at)));
        let mut proposal = self.proposal(changes);
        proposal.commands = self.start_commands(seen, entry);
        needed(format!("{}; isolated", entry.power()), proposal)
    }

    fn contradicted(&self, found: String, why: &str, other: &Ownership) -> ProbeAnswer {
        let (place, next) = match other.running().next() {
            Some((host, copy)) if !self.fences => {
                let how = copy.shut_down_by();
                let next = format!(
                    "decide which copy lives: if it is this one, shut down the one on {host} ({how}), then retry; if it is \
                     that one, skip this step"
                );
                (host.to_string(), next)
            }
            Some((host, _)) => (
                host.to_string(),
                format!(
                    "fence it in {} (its fence step looks again once the watch has seen it; retry that \
                     step where it was skipped or done by hand), or shut it down there by hand; then \
                     retry",
                    self.other_site
                ),
            ),
            None => {
                let lock = other.way_past_lock();
                let next = lock.filter(|_| other.sign.answering().is_none());
                let next = next
                    .unwrap_or_else(|| "find out what that is, and stop it; then retry".to_owned());
                (self.other_site.clone(), next)
            }
        };
        let fault = Fault::new(
            format!("{} must not start in {}: {why}", self.vm(), self.at.site),
            place,
            format!("{} is off, and nothing was sent", self.at.who()),
            next,
        );
        // An address and a lock may outlast the VM for a moment; a VM that runs is fenced.
        let fault = match other.running().next() {
            None => fault.passing(),
            Some(_) => fault,
        };
        blocked(found, fault, &["an attestation does not override this"])
    }
}

fn back(due: &AutostartEntry) -> String {
    format!(
        "its autostart entry, which fence took away, is put back (position {})",
        due.start_order
    )
}

fn first_line(text: &str) -> &str {
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or(text)
}
