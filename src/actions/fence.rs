//! `fence`: makes sure that the VM does not run at the site it came from, and cannot start there by
//! itself.
//!
//! It looks at every listed host of that site. What runs is shut down after its name was typed;
//! what is off loses its autostart entry, else the next boot there starts the old copy. What cannot
//! be asked is vouched for by a person, for this VM alone, and never against a sign that
//! contradicts.

use std::time::Duration;

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::names::{HostName, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::{Mode, Runbook, SiteRole};

mod survivor;

pub(super) use survivor::a_drills;

use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::ownership::{Copy, Heard, Look, Ownership, Sign, Told, copy_line};
use super::place::{VmAt, site_title};
use super::words::span;
use super::{reach, sighting, stopping};

/// The verb about one VM.
pub(super) struct Fence {
    vm: VmName,
    role: SiteRole,
    site: String,
    /// Where the runbook places it there; a physical server has no such place.
    home: Option<VmAt>,
    physical: Option<String>,
    patience: Duration,
}

/// What was seen of the VM at that site.
pub(super) struct Seen {
    ownership: Ownership,
    /// What is known of it at the other site, asked where it runs here or its address answers.
    elsewhere: Option<Ownership>,
    /// Who answers at its address, where that is another VM's too.
    shared: Option<String>,
    /// The title of the site where it is to live, chosen while it ran at both.
    lives: Option<String>,
    /// Both sites are alive: nobody has to lose what a guest has not written.
    calm: bool,
}

impl Fence {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there, and it is no physical server.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let physical = runbook.vms.get(vm).and_then(|vm| vm.physical.clone());
        let home = match VmAt::of_step(runbook, step, vm) {
            Ok(home) => Some(home),
            Err(_) if physical.is_some() && step.side == SiteRole::Protected => None,
            Err(fault) => return Err(fault),
        };
        Ok(Self {
            vm: vm.clone(),
            role: step.side,
            site: site_title(runbook, step.side),
            physical: if home.is_none() { physical } else { None },
            home,
            patience: step.timeout.unwrap_or(stopping::PATIENCE),
        })
    }

    /// What stopping and disarming the copies takes.
    fn commands(&self, ownership: &Ownership) -> Vec<ShownCommand> {
        let mut all = Vec::new();
        for (host, copy) in ownership.copies() {
            let Some(vmid) = copy.vmid else { continue };
            let shown = |make: fn(_) -> _| shown_for(host, &self.vm, Known::Is(vmid), make);
            if copy.runs() {
                all.extend([shown(commands::shutdown_guest), shown(commands::power_off)]);
            }
            if starts_by_itself(copy) {
                all.push(shown(commands::update_autostart_remove));
            }
        }
        all
    }

    fn changes(&self, ownership: &Ownership, calm: bool) -> Vec<String> {
        let mut changes = Vec::new();
        let how = match calm {
            true => stopping::guest_alone,
            false => stopping::guest_first,
        };
        for (host, copy) in ownership.copies() {
            if copy.runs() {
                changes.push(format!(
                    "{} on {host} is stopped: {}; {}",
                    self.vm,
                    copy_line(copy),
                    how(copy.tools, self.patience)
                ));
            }
            if let Some(entry) = copy.autostart.as_ref().filter(|_| starts_by_itself(copy)) {
                changes.push(format!(
                    "its autostart entry on {host} (position {}) is removed, or the next boot of \
                     {host} starts this copy; it is remembered for the way back",
                    entry.start_order
                ));
            }
        }
        for host in ownership.silent_hosts() {
            changes.push(format!(
                "{host} cannot be asked: what it has of {} stays as it is, its autostart entry too",
                self.vm
            ));
        }
        changes
    }

    fn then(&self) -> String {
        format!(
            "{} runs on no host of {} that answers, and starts with none",
            self.vm, self.site
        )
    }

    /// What the step would do, when no host was asked.
    fn outline(&self) -> ProbeAnswer {
        let mut commands = Vec::new();
        let mut changes = vec![format!(
            "every listed host of {} is asked for {}; where it is off or not registered, nothing is \
             stopped",
            self.site, self.vm
        )];
        match &self.home {
            Some(home) => {
                let shown = |make: fn(_) -> _| shown_for(&home.host, &self.vm, Known::Not, make);
                changes.push(format!(
                    "where it runs, its guest is asked to shut down once its name was typed, and \
                     after {} it is powered off; its autostart entry is removed",
                    span(self.patience)
                ));
                commands.extend([
                    shown(commands::shutdown_guest),
                    shown(commands::power_off),
                    shown(commands::update_autostart_remove),
                ]);
            }
            None => changes.push(format!(
                "it is a physical server ({}): a person vouches that it is off",
                self.physical.as_deref().unwrap_or("no address")
            )),
        }
        changes.push("what cannot be asked is vouched for by a person, for this VM alone".into());
        let proposal = Proposal {
            changes,
            commands,
            then: self.then(),
            ..Proposal::default()
        };
        needed("not asked", proposal)
    }

    /// A planned run does not go on over a home that does not answer: nobody vouches for what the
    /// run itself can see to.
    ///
    /// # Errors
    /// The VM's home is silent.
    fn planned_gap(&self, ctx: &Ctx, ownership: &Ownership) -> Result<(), Fault> {
        let silent = |home: &&VmAt| ownership.silent_hosts().any(|host| *host == home.host);
        match self.home.as_ref().filter(silent) {
            Some(home) if ctx.mode == Mode::Planned && self.role == SiteRole::Protected => {
                Err(Fault::new(
                    format!("{} does not answer", home.host),
                    home.host.as_str(),
                    format!("it is not known whether {} runs; nothing was sent", self.vm),
                    sighting::way_on(ctx, self.role, &self.site),
                )
                .passing())
            }
            _ => Ok(()),
        }
    }

    fn blocked_by_unregistered(&self, found: &str, host: &HostName, copy: &Copy) -> ProbeAnswer {
        let fault = Fault::new(
            format!("{} runs on {host} without being registered there", self.vm),
            host.as_str(),
            format!("{}; nothing was sent", copy_line(copy)),
            "shut it down from inside its guest, or register it on that host again; then retry",
        );
        blocked(
            found,
            fault,
            &["esxcli vm process kill -t soft -w <world>, by hand on that host"],
        )
    }

    /// Asks the site, then whose answer it may be that its address gives.
    async fn look(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let ownership = sighting::unvouched(ctx, &self.vm, self.role).await;
        self.planned_gap(ctx, &ownership)?;
        let answered = ownership.sign.heard() == Heard::Answer;
        let lives = survivor::chosen(ctx, &self.vm);
        let running = ownership.running().next().is_some();
        let elsewhere = if answered || running || lives.is_some() {
            Some(sighting::of_hosts(ctx, &self.vm, self.role.other()).await)
        } else {
            None
        };
        let shared = self.served_by_others(ctx, &ownership.sign).await;
        Ok(Seen {
            ownership,
            elsewhere,
            shared,
            lives,
            calm: ctx.mode == Mode::Planned || self.role == SiteRole::Recovery,
        })
    }

    /// Why what answers says nothing of this VM, if it does not.
    async fn served_by_others(&self, ctx: &Ctx, sign: &Sign) -> Option<String> {
        let mut whose = Vec::new();
        for look in sign.answers() {
            whose.push(self.served_by_another(ctx, look).await);
        }
        of_others(whose)
    }

    /// The VM whose service address this is, too, and which this run has seen serve and which runs at
    /// the other site: an address that moves from one machine to the other says nothing of the one
    /// that left it.
    async fn served_by_another(&self, ctx: &Ctx, look: &Look) -> Option<String> {
        let mut sharing = reach::sharing(ctx, &self.vm, look).into_iter();
        let other = sharing.find(|other| ctx.state.served_at(other).is_some())?;
        let there = sighting::of_hosts(ctx, other, self.role.other()).await;
        let (host, _) = there.running().next()?;
        Some(format!(
            "{other} has {} too, and serves on {host}",
            look.target
        ))
    }

    /// Why a lock on its files is in the way, where one is: no attestation overrides it.
    fn decide_locked(&self, found: &str, ownership: &Ownership) -> Option<ProbeAnswer> {
        let beyond = self.role.other();
        let (held, next) = match ownership.locked_there() {
            Some(held) => (held, ownership.way_past_lock()),
            None => (
                ownership.locks.contradiction_beyond(beyond)?,
                ownership.locks.way_past_beyond(beyond),
            ),
        };
        Some(self.blocked_by_lock(found, &held, &next.unwrap_or_default()))
    }

    fn blocked_by_lock(&self, found: &str, held: &str, next: &str) -> ProbeAnswer {
        let fault = Fault::new(
            format!("somebody holds the files of {}: {held}", self.vm),
            self.site.clone(),
            format!(
                "no listed host of {} that answered runs {}; nothing was sent",
                self.site, self.vm
            ),
            next,
        )
        .passing();
        blocked(found, fault, &["an attestation does not override this"])
    }

    fn blocked_by_address(&self, found: &str, what: &str, ownership: &Ownership) -> ProbeAnswer {
        let address = format!("something answers at the address of {}", self.vm);
        if ownership.sightings.is_empty() {
            let fault = Fault::new(
                address,
                what,
                "it is no VM there, so no host could tell; nothing was sent",
                "shut that server down, or find out which machine answers and stop it; then retry",
            );
            let way = "an attestation does not override this";
            return blocked(found, fault, &[way]);
        }
        let silent: Vec<&str> = ownership.silent_hosts().map(|host| host.as_str()).collect();
        let (title, next) = if silent.is_empty() {
            (
                format!("{address}, which no listed host runs"),
                "find out which machine answers (its MAC address, its console) and stop it, then retry"
                    .to_owned(),
            )
        } else {
            (
                format!(
                    "{address}, and {} did not tell what they run",
                    silent.join(", ")
                ),
                format!(
                    "it may be {} itself: stop it at the own console of the host that runs it, or let \
                     that host answer again; then retry",
                    self.vm
                ),
            )
        };
        let now = format!(
            "no listed host of {} that answered runs {}; nothing was sent",
            self.site, self.vm
        );
        // A guest that goes down answers for a while yet.
        let fault = Fault::new(title, what, now, next).passing();
        blocked(
            found,
            fault,
            &["list the host it runs on in the runbook, and start again with that"],
        )
    }
}

/// Whose answers they are, where each is another VM's: a single one that is not may be this VM's.
fn of_others(whose: Vec<Option<String>>) -> Option<String> {
    let whose: Option<Vec<String>> = whose.into_iter().collect();
    whose
        .filter(|whose| !whose.is_empty())
        .map(|whose| whose.join("; "))
}

/// Whether the host starts this copy at its own boot.
fn starts_by_itself(copy: &Copy) -> bool {
    let entry = copy.autostart.as_ref();
    entry.is_some_and(|entry| !entry.start_action.eq_ignore_ascii_case("none"))
}

impl Seen {
    /// Something answers at its address, and nobody is known who would.
    fn is_unexplained(&self) -> bool {
        self.ownership.has_stranger() && !self.runs_elsewhere() && self.shared.is_none()
    }

    /// What was found.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.ownership.lines();
        lines.extend(self.shared.clone());
        lines
    }
}

impl Action for Fence {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        let home = self.home.iter().map(|home| sighting::not_asked(&home.host));
        Seen {
            ownership: sighting::nothing_known(&self.vm, &self.site, home.collect()),
            elsewhere: None,
            shared: None,
            lives: None,
            calm: false,
        }
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let mut seen = self.look(ctx).await?;
        if seen.is_unexplained() {
            // Whose answer it was may have been stopped, started or moved between the questions.
            seen = self.look(&ctx.looking()).await?;
        }
        sighting::vouched(ctx, &mut seen.ownership).await;
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let ownership = &seen.ownership;
        if ownership.at.is_none() {
            return self.outline();
        }
        let found = seen.lines().join("; ");
        let unregistered = ownership.running().find(|(_, copy)| copy.vmid.is_none());
        if let Some((host, copy)) = unregistered {
            return self.blocked_by_unregistered(&found, host, copy);
        }
        let running = ownership.running().next().is_some();
        if let Some(answer) = self.decide_survivor(seen, &found) {
            return answer;
        }
        if seen.calm
            && let Some((host, copy)) = stopping::deaf_copy(ownership, self.patience)
        {
            return stopping::deaf(found, host, &self.vm, copy);
        }
        if let Some(look) = ownership.sign.answering()
            && seen.is_unexplained()
        {
            return self.blocked_by_address(&found, &look.line(), ownership);
        }
        if !running && let Some(answer) = self.decide_locked(&found, ownership) {
            return answer;
        }
        let commands = self.commands(ownership);
        let proven = ownership.all_answered() && !ownership.locks.leave_open();
        let attested = ownership.attested.is_some();
        if commands.is_empty() && (proven || attested) {
            let mut evidence = seen.lines();
            if !proven {
                evidence.insert(
                    0,
                    format!("{}: attested, not proven", ownership.statement()),
                );
            }
            return done(found, evidence);
        }
        let attest = (!proven && !attested).then(|| ownership.attest_request());
        let risk = match (running, commands.is_empty()) {
            (true, _) => Risk::Typed,
            (false, false) => Risk::Write,
            (false, true) => Risk::Read,
        };
        let proposal = Proposal {
            changes: self.changes(ownership, seen.calm),
            commands,
            then: self.then(),
            undo: None,
            risk: Some(risk),
            typed: running.then(|| self.vm.to_string()),
            attest,
            ..Proposal::default()
        };
        needed(found, proposal)
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        if seen.is_split() && self.act_on_choice(ctx, seen).await? {
            return Ok(());
        }
        sighting::keep_attestation(ctx, &seen.ownership).await?;
        for (host, copy) in seen.ownership.copies() {
            if copy.vmid.is_none() {
                continue;
            }
            if let Some(entry) = copy.autostart.as_ref().filter(|_| starts_by_itself(copy)) {
                // Before it goes: what a crash forgets here could never be put back.
                let (vm, host) = (self.vm.clone(), host.clone());
                ctx.link
                    .fact(Fact::AutostartRemoved {
                        vm,
                        host,
                        entry: entry.clone(),
                    })
                    .await?;
            }
            if copy.runs() {
                let way = match seen.calm {
                    true => stopping::Way::Asked(self.patience),
                    false => stopping::Way::GuestFirst(self.patience),
                };
                stopping::stop(ctx, host, &self.vm, &copy.vmx, way).await?;
            }
            if starts_by_itself(copy) {
                stopping::remove_autostart(ctx, host, &self.vm, &copy.vmx).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        sighting::keep_attestation(ctx, &seen.ownership).await?;
        sighting::keep_evidence(ctx, &seen.ownership).await?;
        for sighting in &seen.ownership.sightings {
            let Told::Copies(copies) = &sighting.told else {
                continue;
            };
            if copies.iter().any(Copy::runs) {
                continue;
            }
            let how = match (copies.is_empty(), sighting.invalid) {
                (false, _) => "found off",
                (true, 0) => "not registered",
                (true, _) => "not running, and in no entry that can be read",
            };
            stopping::keep_stopped(ctx, &self.vm, &sighting.host, how).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
