//! Which restore point is brought, and how.

use crate::actions::arrivals::Arrivals;
use crate::actions::context::Ctx;
use crate::actions::moving;
use crate::actions::room::Room;
use crate::engine::{Fact, ShownCommand};
use crate::error::Fault;
use crate::runbook::model::PointChoice;
use crate::transfer::{Delivery, Folder, Item, Landing, NoPoint, Point, Seeds};

use super::pick::{self, Deviation, Taken};
use super::seeding::Seeding;
use super::{Restore, Seen, points};

/// What is restored.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// This point.
    Use(Box<Use>),
    /// The runbook's choice cannot be used, another could: a person has to choose.
    Open(Fault),
    /// No point can be used.
    Nothing(Fault),
}

/// The point that is used.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) point: Point,
    pub(super) vmx: String,
    pub(super) passed_over: Vec<String>,
    pub(super) commands: Vec<ShownCommand>,
    pub(super) mover: &'static str,
    /// The command that prints its files, where a tool does.
    pub(super) printed_by: Option<String>,
    /// Disks that the host makes itself, in words.
    pub(super) makes: Vec<String>,
    /// What a drill gives, where the run starts from its disks.
    pub(super) seeding: Option<Seeding>,
    /// What it takes on the datastore, and what else is to land there.
    pub(super) room: Room,
    /// A person chose it instead of the runbook's.
    pub(super) deviation: Option<Deviation>,
    /// Files of it were placed already, so that no other can be taken.
    pub(super) begun: bool,
    /// Files of the point that was proven corrupt, which make way for those of this one.
    pub(super) replaced: Vec<String>,
}

impl Restore {
    pub(super) fn source(&self, ctx: &Ctx) -> Result<Folder, Fault> {
        Ok(match moving::source(ctx, &self.place, &self.at.vm)? {
            Folder::Stream(stream) => Folder::Stream(stream.looking_for(self.sought(ctx))),
            folder => folder,
        })
    }

    pub(super) async fn delivery(&self, ctx: &Ctx, point: &Point) -> Result<Delivery, Fault> {
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

    /// The points that must be looked at, however old: the runbook's, one that a person chose, and the
    /// one that was taken before.
    pub(super) fn asked(&self, ctx: &Ctx) -> Vec<PointChoice> {
        let picked = ctx.run_facts().into_iter().filter_map(|fact| match fact {
            Fact::PointPicked { vm, point, .. } if vm == self.at.vm => {
                Some(PointChoice::Stamp(point))
            }
            _ => None,
        });
        let own = [self.choice.clone(), self.sought(ctx)];
        own.into_iter().chain(picked).collect()
    }

    pub(super) async fn choose(
        &self,
        ctx: &Ctx,
        seen: &Seen,
        free: Option<u64>,
    ) -> Result<Source, Fault> {
        let (points, placed) = (&seen.points, &seen.arrivals);
        let judged = points::judged(points, &seen.corrupt);
        let mut begun = self.begun_with(ctx, placed);
        let rotten = begun.take_if(|path| seen.corrupt.contains_key(path));
        let taken = match &begun {
            Some(path) => pick::begun(points, path),
            None => pick::take(ctx, &self.at.vm, points, &judged, &self.choice).await,
        };
        // What makes way is as if it had never come.
        let (arrivals, replaced) = match rotten {
            Some(_) => (&Arrivals::default(), placed.own()),
            None => (placed, Vec::new()),
        };
        let Taken { chosen, deviation } = match taken {
            Ok(taken) => taken,
            Err(why) => return Ok(self.unusable(&why, points, begun.is_some())),
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
        let mut room = Room::count(ctx, &self.at, &delivery).await?;
        let mut seeding = Seeding::look(ctx, &self.at, &delivery).await;
        if let Some(seeded) = seeding.as_mut() {
            room = self.make_room(room, seeded, arrivals, free);
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
            commands: self
                .removing(&replaced)
                .into_iter()
                .chain(moving::shown(&self.at.host, &delivery, arrivals))
                .collect(),
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
            replaced,
        })))
    }

    /// What is left where the runbook's choice cannot be used.
    fn unusable(&self, why: &NoPoint, points: &[Point], begun: bool) -> Source {
        let fault = |next| {
            let what = format!("{} cannot be restored: {why}", self.at.vm);
            Fault::new(what, self.points_at(), "nothing was changed", next)
        };
        if let NoPoint::BeforeStop { .. } = why {
            Source::Open(fault(
                "take a backup of it now and look again, or choose a point (c) and lose that",
            ))
        } else if !begun && points.iter().any(Point::is_sound) {
            Source::Open(fault(
                "choose another point (c), or name one in the runbook (point: STAMP)",
            ))
        } else {
            Source::Nothing(fault(
                "mend the backup, or take this step back if it has begun; then retry",
            ))
        }
    }

    /// The room that it takes with a drill's disks cloned; where that does not fit, without.
    fn make_room(
        &self,
        room: Room,
        seeding: &mut Seeding,
        arrivals: &Arrivals,
        free: Option<u64>,
    ) -> Room {
        let with_clones = room.clone().with(seeding.beyond);
        let fits = |room: &Room| free.is_none_or(|free| room.fault(&self.at, free).is_none());
        // What was begun without clones may have been so for want of room.
        let begun = !arrivals.begun.is_empty();
        let open = if begun { !arrivals.clones } else { fits(&room) };
        if open && !fits(&with_clones) {
            seeding.give_up_room();
            room
        } else {
            with_clones
        }
    }
}
