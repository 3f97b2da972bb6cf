//! `restore`: brings the files of a restore point into the VM's folder at the other site.
//!
//! A look at the step sums nothing: files that this run placed were proven when they got their
//! names. A file under a final name that no fact of the run speaks of is somebody else's, unless a
//! command of this very step worked on it before a crash; that one is summed when the step goes on.

mod card;
mod pick;
mod points;
mod seeding;
mod source;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::engine::{Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::Lane;
use crate::names::{BackupName, VmName};
use crate::plan::Step;
use crate::runbook::model::{Backup, Consistency, DiskFormat, PointChoice, Runbook};
use crate::transfer::{self, Point};

use self::source::Source;
use super::action::Action;
use super::answer::{Known, blocked, done, needed};
use super::arrivals::{self, Arrivals};
use super::configuration;
use super::context::Ctx;
use super::link::ActError;
use super::moving;
use super::place::VmAt;
use super::registered;
use super::store::Store;
use super::words::count;

/// The verb about one VM.
pub(super) struct Restore {
    at: VmAt,
    backup: BackupName,
    place: Backup,
    choice: PointChoice,
    logs: bool,
    consistency: Option<Consistency>,
    rpo: Option<std::time::Duration>,
    /// How its disks are to be laid out, where the runbook says.
    disk: Option<DiskFormat>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    store: Store,
    arrivals: Arrivals,
    /// What is restored; not looked for once everything is there.
    point: Option<Source>,
    /// All points, newest first.
    points: Vec<Point>,
    /// Those that this run proved corrupt: by folder, the file that was.
    corrupt: BTreeMap<String, String>,
    /// When service was lost.
    outage: Option<Timestamp>,
}

impl Restore {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there, or no backup.
    pub fn new(
        runbook: &Runbook,
        step: &Step,
        vm: &VmName,
        choice: &PointChoice,
        logs: bool,
    ) -> Result<Self, Fault> {
        let spec = runbook.vms.get(vm);
        let backup = spec.and_then(|spec| spec.backup.clone());
        let known = backup.and_then(|name| Some((runbook.backups.get(&name)?.clone(), name)));
        let (place, backup) = known.ok_or_else(|| {
            Fault::new(
                format!("{vm} has no backup to be restored from"),
                format!("vms.{vm} in the runbook"),
                "nothing was sent",
                "name its backup there, then start a run with that runbook",
            )
        })?;
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
            backup,
            place,
            choice: choice.clone(),
            logs,
            consistency: spec.and_then(|spec| spec.consistency),
            rpo: runbook.rpo(vm),
            disk: spec
                .and_then(|spec| spec.place(step.side))
                .and_then(|place| place.disk),
        })
    }

    /// Where the VM's points lie, for people.
    fn points_at(&self) -> String {
        moving::points_at(&self.place, &self.at.vm)
    }
}

impl Action for Restore {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let store = Store::look(ctx, &self.at).await?;
        let mut seen = Seen {
            arrivals: Arrivals::default(),
            point: None,
            points: Vec::new(),
            corrupt: points::proven_corrupt(ctx, &self.at.vm),
            outage: ctx.state.wrote_until(&self.at.vm),
            store,
        };
        if seen.store.fault(&self.at).is_some() {
            return Ok(Known::Is(seen));
        }
        seen.arrivals = Arrivals::look(ctx, &self.at).await?;
        if seen.arrivals.missing().len() == seen.arrivals.placed.len() {
            // The step was taken back: it starts anew.
            seen.arrivals.forget_placed();
        }
        // The .vmx comes last: where it is, everything is.
        let complete = seen
            .arrivals
            .placed
            .iter()
            .any(|placed| placed.name.ends_with(".vmx"));
        if complete && seen.arrivals.missing().is_empty() {
            return Ok(Known::Is(seen));
        }
        let source = self.source(ctx)?;
        moving::get_ready(ctx, &self.at, &source);
        let asked = self.asked(ctx);
        seen.points = transfer::points_for(&source, self.at.vm.as_str(), &asked).await?;
        let free = match seen.store {
            Store::Here { free, .. } => Some(free),
            _ => None,
        };
        let chosen = self.choose(ctx, &seen, free);
        seen.point = Some(chosen.await?);
        Ok(Known::Is(seen))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            return self.outline();
        };
        if let Some(fault) = seen.store.fault(&self.at) {
            return blocked(fault.what.clone(), fault, &[]);
        }
        let Some(point) = &seen.point else {
            let found = format!(
                "all {} are in {}",
                count(seen.arrivals.placed.len(), "file"),
                self.at.folder_path()
            );
            return done(found, self.evidence(&seen.arrivals));
        };
        let found = points::found(&seen.points, &seen.corrupt, seen.outage);
        let used = match point {
            Source::Use(used) => used,
            Source::Open(fault) => return self.open(seen, found, fault),
            Source::Nothing(fault) => return blocked(found, fault.clone(), &[]),
        };
        let foreign = seen.arrivals.foreign();
        if !foreign.is_empty() {
            let fault = arrivals::foreign_fault(&self.at, &foreign);
            return blocked(
                format!("{found}; foreign files: {}", foreign.join(", ")),
                fault,
                &[],
            );
        }
        let missing = seen.arrivals.missing();
        if !missing.is_empty() {
            let fault = arrivals::vanished(&self.at, &missing);
            return blocked(
                format!("{found}; gone or changed: {}", missing.join(", ")),
                fault,
                &[],
            );
        }
        let mut found = found;
        if let Store::Here { free, .. } = seen.store
            && seen.arrivals.begun.is_empty()
        {
            if let Some(fault) = used.room.fault(&self.at, free) {
                return blocked(found, fault, &[]);
            }
            found.extend(
                used.room
                    .remark(&self.at, free)
                    .map(|room| format!("; {room}")),
            );
        }
        let mut proposal = self.proposal(self.changes(used, seen.outage), used.commands.clone());
        if !used.begun {
            let taken = Some(used.point.name.clone());
            proposal.choice = self.choice_of(seen, taken);
        }
        needed(found, proposal)
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Some(seen) = seen.get() else {
            return Ok(());
        };
        let Some(Source::Use(used)) = &seen.point else {
            return Ok(());
        };
        ctx.begun.enter(&self.at, &ctx.run_facts())?;
        seen.store.keep(ctx, &self.at).await?;
        if !used.replaced.is_empty() {
            arrivals::remove_placed(ctx, &self.at).await?;
        }
        let fact = Fact::PointChosen {
            vm: self.at.vm.clone(),
            backup: self.backup.clone(),
            stamp: used.point.stamp.to_string(),
            path: used.point.path.clone(),
            taken: used.point.stamp.time(),
            verified: used.point.verified,
            vmx: used.vmx.clone(),
        };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await?;
        if !seen.arrivals.folder {
            let fact = Fact::FolderMade {
                host: self.at.host.clone(),
                path: self.at.folder_path(),
            };
            let same = fact.clone();
            ctx.keep_once(fact, |kept| *kept == same).await?;
        }
        let fact = used.room.fact(&self.at);
        let counted =
            |kept: &Fact| matches!(kept, Fact::RoomCounted { vm, .. } if *vm == self.at.vm);
        ctx.keep_once(fact, counted).await?;
        let mut delivery = self.delivery(ctx, &used.point).await?;
        if let Some(seeding) = &used.seeding {
            delivery.seeds = seeding.seeds.clone();
        }
        moving::bring(ctx, &self.at, &delivery).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let ran = |fact: &Fact| matches!(fact, Fact::PoweredOn { vm, host } if *vm == at.vm && *host == at.host);
        if ctx.run_facts().iter().any(ran) {
            return Err(ActError::Failed(Fault::new(
                format!("{} has run from these files, so they stay", at.who()),
                at.host.as_str(),
                "they may hold data that is nowhere else; nothing was removed",
                "bring that data to where it belongs first (copy_back); then remove them by hand",
            )));
        }
        if registered::look(ctx, &at, Lane::Control)
            .await?
            .entry
            .is_some()
        {
            return Err(ActError::Failed(Fault::new(
                format!("{} is registered, so its files stay", at.who()),
                at.host.as_str(),
                "nothing was removed",
                "unregister it first (undo its register step), then undo again",
            )));
        }
        arrivals::remove_placed(ctx, &at).await
    }
}
