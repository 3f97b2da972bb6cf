//! `restore`: brings the files of a restore point into the VM's folder at the other site.
//!
//! A look at the step sums nothing: files that this run placed were proven when they got their
//! names. A file under a final name that no fact of the run speaks of is somebody else's, unless a
//! command of this very step worked on it before a crash; that one is summed when the step goes on.

use jiff::Timestamp;

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell;
use crate::names::{BackupName, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::{Backup, Consistency, DiskFormat, PointChoice, Runbook};
use crate::transfer::{self, Delivery, Folder, Item, Landing, NoPoint, Point, Seeds};

mod pick;
mod points;
mod seeding;

use self::pick::{Deviation, Taken};
use self::seeding::Seeding;
use super::action::Action;
use super::answer::{Known, blocked, done, needed, shown};
use super::arrivals::{self, Arrivals};
use super::configuration;
use super::context::Ctx;
use super::link::ActError;
use super::moving;
use super::place::VmAt;
use super::registered;
use super::room::Room;
use super::store::Store;
use super::words::{count, size};

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
    /// When service was lost.
    outage: Option<Timestamp>,
}

/// What is restored.
#[derive(Clone, Debug)]
enum Source {
    /// This point.
    Use(Box<Use>),
    /// The runbook's choice cannot be used, another could: a person has to choose.
    Open(Fault),
    /// No point can be used.
    Nothing(Fault),
}

/// The point that is used.
#[derive(Clone, Debug)]
struct Use {
    point: Point,
    vmx: String,
    passed_over: Vec<String>,
    commands: Vec<ShownCommand>,
    mover: &'static str,
    /// The command that prints its files, where a tool does.
    printed_by: Option<String>,
    /// Disks that the host makes itself, in words.
    makes: Vec<String>,
    /// What a drill gives, where the run starts from its disks.
    seeding: Option<Seeding>,
    /// What it takes on the datastore, and what else is to land there.
    room: Room,
    /// A person chose it instead of the runbook's.
    deviation: Option<Deviation>,
    /// Files of it were placed already, so that no other can be taken.
    begun: bool,
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

    fn source(&self, ctx: &Ctx) -> Result<Folder, Fault> {
        Ok(match moving::source(ctx, &self.place, &self.at.vm)? {
            Folder::Stream(stream) => Folder::Stream(stream.looking_for(self.sought(ctx))),
            folder => folder,
        })
    }

    /// Where the VM's points lie, for people.
    fn points_at(&self) -> String {
        moving::points_at(&self.place, &self.at.vm)
    }

    async fn delivery(&self, ctx: &Ctx, point: &Point) -> Result<Delivery, Fault> {
        let delivery = Delivery {
            from: self.source(ctx)?.join(self.at.vm.as_str()),
            items: Item::of(point, self.logs),
            to: moving::target(ctx, &self.at)?,
            landing: Landing::Fresh,
            patience: moving::patience(),
            seeds: Seeds::new(),
            survey: None,
        };
        delivery.surveyed(self.disk).await
    }

    /// The folder of the point of which files were placed: it stays, though a newer one may have
    /// come meanwhile. Files that are gone again, because the step was taken back, bind nobody.
    fn begun_with(&self, ctx: &Ctx, arrivals: &Arrivals) -> Option<String> {
        if arrivals.placed.is_empty() {
            return None;
        }
        let facts = ctx.run_facts().into_iter().rev();
        facts.into_iter().find_map(|fact| match fact {
            Fact::PointChosen { vm, path, .. } if vm == self.at.vm => Some(path),
            _ => None,
        })
    }

    /// What a backup's tool is asked about, which tells of few points: the one that was taken
    /// before, else what the runbook wants.
    fn sought(&self, ctx: &Ctx) -> PointChoice {
        let facts = ctx.run_facts().into_iter().rev();
        let taken = facts.into_iter().find_map(|fact| match fact {
            Fact::PointChosen { vm, stamp, .. } if vm == self.at.vm => Some(stamp),
            _ => None,
        });
        taken.map_or_else(|| self.choice.clone(), PointChoice::Stamp)
    }

    async fn choose(
        &self,
        ctx: &Ctx,
        points: &[Point],
        arrivals: &Arrivals,
        free: Option<u64>,
    ) -> Result<Source, Fault> {
        let begun = self.begun_with(ctx, arrivals);
        let taken = match &begun {
            Some(path) => pick::begun(points, path),
            None => pick::take(ctx, &self.at.vm, points, &self.choice).await,
        };
        let Taken { chosen, deviation } = match taken {
            Ok(taken) => taken,
            Err(why) => {
                let what = format!("{} cannot be restored: {why}", self.at.vm);
                let place = self.points_at();
                let state = "nothing was changed";
                if let NoPoint::BeforeStop { .. } = why {
                    let next = "take a backup of it now and look again, or choose a point (c) and lose that";
                    return Ok(Source::Open(Fault::new(what, place, state, next)));
                }
                return Ok(if begun.is_none() && points.iter().any(Point::is_sound) {
                    let next =
                        "choose another point (c), or name one in the runbook (point: STAMP)";
                    Source::Open(Fault::new(what, place, state, next))
                } else {
                    let next =
                        "mend the backup, or take this step back if it has begun; then retry";
                    Source::Nothing(Fault::new(what, place, state, next))
                });
            }
        };
        let vmx = chosen.point.vmx().unwrap_or_default().to_owned();
        if let Some(wanted) = self.at.vmx.as_ref().filter(|wanted| **wanted != vmx) {
            return Ok(Source::Nothing(Fault::new(
                format!("the .vmx of the restore point is {vmx}, the runbook says {wanted}"),
                self.points_at(),
                "nothing was changed",
                "leave vmx out in the runbook, or correct it; then retry",
            )));
        }
        let mut delivery = match self.delivery(ctx, &chosen.point).await {
            Ok(delivery) => delivery,
            Err(fault) => return Ok(Source::Nothing(fault)),
        };
        let mut room = Room::count(ctx, &self.at, &delivery).await;
        let mut seeding = Seeding::look(ctx, &self.at, &delivery).await;
        if let Some(seeded) = seeding.as_mut() {
            let with_clones = room.clone().with(seeded.beyond);
            let fits = |room: &Room| free.is_none_or(|free| room.fault(&self.at, free).is_none());
            // What was begun without clones may have been so for want of room.
            let begun = !arrivals.begun.is_empty();
            let open = if begun { !arrivals.clones } else { fits(&room) };
            if open && !fits(&with_clones) {
                seeded.give_up_room();
            } else {
                room = with_clones;
            }
            delivery.seeds = seeded.seeds.clone();
        }
        let printed_by = match &delivery.from {
            Folder::Stream(stream) => Some(stream.join(&chosen.point.name).command_line().await?),
            _ => None,
        };
        let passed_over = chosen
            .passed_over
            .iter()
            .map(|(name, why)| format!("{name}: {why}"));
        Ok(Source::Use(Box::new(Use {
            commands: moving::shown(&self.at.host, &delivery, arrivals),
            mover: delivery.mover().as_str(),
            passed_over: passed_over.collect(),
            point: chosen.point,
            vmx,
            printed_by,
            makes: delivery.makes(),
            seeding,
            room,
            deviation,
            begun: begun.is_some(),
        })))
    }

    fn outline(&self) -> ProbeAnswer {
        let which = match &self.choice {
            PointChoice::Latest => "the newest sound restore point".to_owned(),
            PointChoice::Stamp(stamp) => format!("restore point {stamp}"),
            PointChoice::Before(time) => format!("the newest sound restore point up to {time}"),
        };
        let changes = vec![
            format!(
                "{which} of {} in {} is brought to {}",
                self.at.vm,
                self.points_at(),
                self.at.host
            ),
            format!("into {}, which must be empty or new", self.at.folder_path()),
            "each file gets its name once its sum is proven there, the .vmx last".into(),
        ];
        let mut changes = changes;
        changes.extend(
            self.disk
                .map(|format| format!("its disks are laid out as {format}")),
        );
        let mut proposal = self.proposal(changes, Vec::new());
        let folder = shell::make_folder(&self.at.folder_path(), shell::Folders::Missing);
        proposal.commands = vec![shown(&self.at.host, &folder)];
        let file = self.at.file_path("‹file›");
        let temporary = format!("{file}.lifeboat-‹run›-part");
        let lines = [
            format!("write ‹file› to {temporary}"),
            format!("mv {temporary} {file}"),
        ];
        proposal
            .commands
            .extend(moving::changing(&self.at.host, lines));
        needed("not asked", proposal)
    }

    fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            changes,
            commands,
            then: format!(
                "every file is in {}, its sum proven there",
                self.at.folder_path()
            ),
            undo: Some("the files that this step placed are removed, each by its name".into()),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn changes(&self, used: &Use, outage: Option<Timestamp>) -> Vec<String> {
        let point = &used.point;
        let quality = self
            .consistency
            .map_or("not stated how", points::consistency);
        let mut changes = vec![format!(
            "restore point {} ({}, {quality}), {} in {}, {}",
            point.name,
            point.kind.as_str(),
            count(point.files.len(), "file"),
            size(point.bytes()),
            used.mover
        )];
        let on = self
            .place
            .host
            .as_ref()
            .map_or("this machine", |host| host.as_str());
        changes.extend(
            used.printed_by
                .iter()
                .map(|line| format!("read on {on}: {line}")),
        );
        changes.extend(outage.map(|outage| points::loss(point, outage, self.rpo)));
        changes.extend(used.deviation.as_ref().map(Deviation::in_words));
        if !point.verified {
            changes.push(
                "source unverified: no sums were recorded with it, so each file is compared with what is read \
                 from the backup now"
                    .into(),
            );
        }
        changes.extend(point.remarks.iter().cloned());
        changes.extend(points::chain(point));
        changes.extend(
            used.passed_over
                .iter()
                .map(|why| format!("newer, but not usable: {why}")),
        );
        let logs = point.logs.iter().filter(|_| self.logs);
        changes.extend(
            point
                .files
                .iter()
                .chain(logs)
                .map(|file| points::file(point, file)),
        );
        changes.extend(points::left_behind(point, self.logs));
        let seeding = used.seeding.as_ref();
        changes.extend(seeding.iter().flat_map(|seeding| seeding.lines(point)));
        changes.extend(used.makes.iter().cloned());
        if used.begun {
            changes.push("begun with this point; to take another, undo this step first".into());
        }
        changes
    }

    /// The card where nothing can be restored before a person chose a point.
    fn open(&self, seen: &Seen, found: String, fault: &Fault) -> ProbeAnswer {
        let mut changes = vec![fault.what.clone()];
        changes.push("nothing is sent before another restore point is chosen".into());
        let mut proposal = self.proposal(changes, Vec::new());
        proposal.choice = points::choice(&seen.points, None, seen.outage, self.rpo);
        needed(found, proposal)
    }

    fn evidence(&self, arrivals: &Arrivals) -> Vec<String> {
        let sum =
            |placed: &arrivals::Placed| placed.sha256.get(..12).unwrap_or_default().to_owned();
        let lines = arrivals.placed.iter().map(|placed| {
            format!(
                "{} ({}), sum {}… proven there",
                placed.name,
                size(placed.bytes),
                sum(placed)
            )
        });
        lines.collect()
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
        seen.points = transfer::points(&source, self.at.vm.as_str()).await?;
        let free = match seen.store {
            Store::Here { free, .. } => Some(free),
            _ => None,
        };
        let chosen = self.choose(ctx, &seen.points, &seen.arrivals, free);
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
        let found = points::found(&seen.points, seen.outage);
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
            proposal.choice = points::choice(&seen.points, taken, seen.outage, self.rpo);
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
        seen.store.keep(ctx, &self.at).await?;
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

#[cfg(test)]
mod tests;
