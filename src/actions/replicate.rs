//! `replicate`: sends the VM's files to the other site before it has to run there; of what lies there
//! already only the blocks that differ travel.
//!
//! A VM that is off is copied from its own folder. The files of one that runs are never read as if
//! they were whole, and nothing is quiesced for it: its newest sound restore point is sent instead,
//! whose state is whatever the backup tool saw to. Without a backup it has to be shut down first.
//! It is sent from where it was shut down, though the runbook places it elsewhere. Files that are there
//! under the same names, from an earlier run say or from a copy that was sent ahead, are renamed aside.

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand, copy_counts};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{BackupName, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::{Backup, Consistency, PointChoice, Runbook};
use crate::transfer::{self, Folder, Item, Point, VmFiles, choose};

use super::action::Action;
use super::answer::{Known, blocked, done, needed};
use super::arrivals::Arrivals;
use super::configuration::{self, Configuration};
use super::context::Ctx;
use super::copying::rest::Rest;
use super::copying::{self, Load, blocked_by_owner, reached};
use super::link::ActError;
use super::moving;
use super::ownership::Ownership;
use super::place::VmAt;
use super::sighting;
use super::store::Store;
use super::whereabouts;
use super::words::count;

/// The verb about one VM.
pub(super) struct Replicate {
    from: VmAt,
    to: VmAt,
    backup: Option<(BackupName, Backup)>,
    consistency: Option<Consistency>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The VM where it comes from, and where it goes.
    owners: [Ownership; 2],
    /// Where it was left, or runs.
    from: VmAt,
    store: Store,
    arrivals: Arrivals,
    /// What travels, or why nothing can; not looked for once everything is there.
    load: Option<Result<(Origin, Load), Fault>>,
}

/// Where the files come from.
#[derive(Clone, Debug)]
enum Origin {
    /// The VM's own folder; it is off.
    Live,
    /// A restore point, because the VM runs.
    Point(Box<Point>),
}

impl Replicate {
    /// The verb for the VM, to the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place at one of the sites.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let spec = runbook.vms.get(vm);
        let backup = spec.and_then(|spec| spec.backup.clone());
        Ok(Self {
            from: VmAt::new(runbook, vm, step.side.other())?,
            to: VmAt::of_step(runbook, step, vm)?,
            backup: backup
                .and_then(|name| Some((name.clone(), runbook.backups.get(&name)?.clone()))),
            consistency: spec.and_then(|spec| spec.consistency),
        })
    }

    /// A folder of a host, read over another session than the one that writes to this host.
    fn folder(
        &self,
        ctx: &Ctx,
        host: &crate::names::HostName,
        path: &str,
    ) -> Result<Folder, Fault> {
        let writes = moving::lane(&ctx.runbook, &self.to.vm);
        let reads = match writes {
            _ if *host != self.to.host => writes,
            Lane::Transfer(0) => Lane::Transfer(1),
            _ => Lane::Transfer(0),
        };
        Ok(Folder::On {
            host: ctx.host(host)?,
            path: path.to_owned(),
            lane: reads,
        })
    }

    fn origin_folder(&self, ctx: &Ctx, from: &VmAt, origin: &Origin) -> Result<Folder, Fault> {
        let backup = self.backup.as_ref().map(|(_, place)| place);
        match (origin, backup) {
            (Origin::Live, _) => self.folder(ctx, &from.host, &from.folder_path()),
            (Origin::Point(_), Some(place)) => {
                Ok(self.points_folder(ctx, place)?.join(self.from.vm.as_str()))
            }
            (Origin::Point(_), None) => Err(Fault::default()),
        }
    }

    fn points_folder(&self, ctx: &Ctx, backup: &Backup) -> Result<Folder, Fault> {
        match (&backup.host, backup.path()) {
            (Some(host), Some(path)) => self.folder(ctx, host, path),
            _ => moving::source(ctx, backup, &self.from.vm),
        }
    }

    /// What travels, or why nothing can.
    async fn load(&self, ctx: &Ctx, seen: &Seen) -> Result<Result<(Origin, Load), Fault>, Fault> {
        let [at_source, _] = &seen.owners;
        let awake = at_source
            .copies()
            .any(|(_, copy)| copy.power != PowerState::Off);
        let origin = if awake {
            match self.point(ctx).await? {
                Ok(point) => Origin::Point(Box::new(point)),
                Err(fault) => return Ok(Err(fault)),
            }
        } else {
            Origin::Live
        };
        let folder = self.origin_folder(ctx, &seen.from, &origin)?;
        let (files, there) = match &origin {
            Origin::Live => match copying::files_of(ctx, &seen.from, &folder).await? {
                Ok((_, files)) => (files, Some(configuration::search(ctx, &self.to).await?)),
                Err(fault) => return Ok(Err(fault)),
            },
            Origin::Point(point) => {
                let files = VmFiles {
                    items: Item::of(point, false),
                    renamed: point.renamed.clone(),
                    ..VmFiles::default()
                };
                (files, None)
            }
        };
        let there = there.as_ref().and_then(Configuration::content);
        let ends = (&seen.arrivals, &seen.store);
        let load = Load::look(ctx, &self.to, folder, files, there, ends).await?;
        Ok(Ok((origin, load)))
    }

    /// The restore point that stands for the running VM: the newest sound one, or the one that this
    /// step began with.
    async fn point(&self, ctx: &Ctx) -> Result<Result<Point, Fault>, Fault> {
        let (vm, site) = (&self.from.vm, &self.from.site);
        let no = |what: String| {
            Fault::new(
                what,
                self.from.host.as_str(),
                "nothing was changed; the files of a running VM are not copied, for they are not whole",
                format!(
                    "shut {vm} down in {site} first (shut_down), or give it a backup; then retry"
                ),
            )
        };
        let Some((_, place)) = &self.backup else {
            return Ok(Err(no(format!("{vm} runs in {site} and has no backup"))));
        };
        let folder = self.points_folder(ctx, place)?;
        let begun: Option<PointChoice> =
            ctx.state
                .facts
                .iter()
                .rev()
                .find_map(|found| match &found.fact {
                    Fact::PointChosen { vm: of, stamp, .. }
                        if of == vm && found.step.as_ref() == Some(&ctx.step.id) =>
                    {
                        Some(PointChoice::Stamp(stamp.clone()))
                    }
                    _ => None,
                });
        let wanted = begun.unwrap_or_default();
        let asked = std::slice::from_ref(&wanted);
        let points = transfer::points_for(&folder, vm.as_str(), asked).await?;
        Ok(match choose(&points, &wanted) {
            Ok(chosen) => Ok(chosen.point),
            Err(why) => Err(no(format!("{vm} runs in {site}, and {why}"))),
        })
    }

    fn outline(&self) -> ProbeAnswer {
        let changes = vec![
            format!(
                "the files of {} come from {}:{} to {}:{}",
                self.to.vm,
                self.from.host,
                self.from.folder_path(),
                self.to.host,
                self.to.folder_path()
            ),
            match &self.backup {
                Some((backup, _)) => format!(
                    "if it runs, its newest restore point in {backup} is sent instead; nothing is quiesced"
                ),
                None => "it has to be off: it has no backup that could be sent instead".to_owned(),
            },
            "of a disk that is there only the blocks that differ travel, into a clone of it".into(),
            "files there with the same names are renamed aside and kept".into(),
        ];
        let mut proposal = self.proposal(changes, Vec::new());
        proposal.commands = copying::outline(&self.to);
        needed("not asked", proposal)
    }

    fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            risk: Some(Risk::Write),
            ..copying::proposal(&self.to, changes, commands)
        }
    }

    /// Where the files are read.
    fn read_on<'a>(&'a self, from: &'a VmAt, origin: &Origin) -> &'a str {
        match (origin, &self.backup) {
            (Origin::Point(_), Some((_, place))) => {
                let host = place.host.as_ref();
                host.map_or("this machine", |host| host.as_str())
            }
            _ => from.host.as_str(),
        }
    }

    /// What the files are, in the card's first line.
    fn state_of(&self, origin: &Origin) -> String {
        let (vm, site) = (&self.from.vm, &self.from.site);
        match origin {
            Origin::Live => {
                format!("{vm} is off in {site}: its own files are sent, as it left them")
            }
            Origin::Point(point) => {
                let state = match self.consistency {
                    None => "in what state the backup tool left it is not stated",
                    Some(Consistency::Crash) => "crash-consistent",
                    Some(Consistency::Filesystem) => "file systems consistent",
                    Some(Consistency::Application) => "applications consistent",
                    Some(Consistency::PoweredOff) => "taken while off",
                };
                format!(
                    "{vm} runs in {site}, so its own files are not read, and nothing is quiesced: restore point {} is \
                     sent ({state}); what changed since is not in it",
                    point.stamp
                )
            }
        }
    }

    fn decide_load(&self, from: &VmAt, origin: &Origin, load: &Load) -> ProbeAnswer {
        let found = match origin {
            Origin::Live => format!("off in {} and in {}", self.from.site, self.to.site),
            Origin::Point(_) => format!("runs in {}, not in {}", self.from.site, self.to.site),
        };
        if let Some(fault) = load.no_room(&self.to) {
            return blocked(found, fault, &[]);
        }
        let mut changes = vec![self.state_of(origin)];
        if let Origin::Point(point) = origin
            && !point.verified
        {
            changes.push(
                "source unverified: no sums were recorded with it, so each file is compared with what is read \
                 from the backup now"
                    .to_owned(),
            );
        }
        changes.extend(load.changes(from, self.read_on(from, origin), &self.to));
        if matches!(origin, Origin::Live) {
            changes.extend(whereabouts::elsewhere(&self.from, from));
        }
        let mut proposal = self.proposal(changes, load.commands.clone());
        if let Some(word) = load.typed(&self.to) {
            (proposal.risk, proposal.typed) = (Some(Risk::Typed), Some(word));
        }
        needed(found, proposal)
    }
}

impl Action for Replicate {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let vm = &self.to.vm;
        let arrivals = Arrivals::of_step(ctx, &self.to).await?;
        let (source, target) = futures_util::join!(
            sighting::of_hosts(ctx, vm, self.from.role),
            sighting::of_hosts(ctx, vm, self.to.role)
        );
        let mut seen = Seen {
            from: whereabouts::left_at(ctx, &self.from, &source).await,
            owners: [source, target],
            store: Store::look(ctx, &self.to).await?,
            arrivals,
            load: None,
        };
        if copying::is_finished(&seen.arrivals) {
            return Ok(Known::Is(seen));
        }
        for (owner, place) in seen.owners.iter().zip([&seen.from, &self.to]) {
            reached(owner, place)?;
        }
        let [_, target] = &seen.owners;
        if blocked_by_owner(&self.to, target).is_none() && seen.store.fault(&self.to).is_none() {
            seen.load = Some(self.load(ctx, &seen).await?);
        }
        Ok(Known::Is(seen))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            return self.outline();
        };
        if copying::is_finished(&seen.arrivals) {
            let found = format!(
                "all {} are in {}",
                count(seen.arrivals.placed.len(), "file"),
                self.to.folder_path()
            );
            return done(found, copying::evidence(&seen.arrivals));
        }
        let [_, target] = &seen.owners;
        let awake = blocked_by_owner(&self.to, target);
        match (&seen.load, awake, seen.store.fault(&self.to)) {
            (_, Some(answer), _) => answer,
            (_, None, Some(fault)) => blocked(fault.what.clone(), fault, &[]),
            (Some(Ok((origin, load))), None, None) => self.decide_load(&seen.from, origin, load),
            (Some(Err(fault)), None, None) => blocked(fault.what.clone(), fault.clone(), &[]),
            (None, None, None) => self.outline(),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Some(Seen {
            load: Some(Ok((origin, load))),
            from,
            store,
            arrivals,
            ..
        }) = seen.get()
        else {
            return Ok(());
        };
        store.keep(ctx, &self.to).await?;
        if let (Origin::Point(point), Some((backup, _))) = (origin, &self.backup) {
            let fact = Fact::PointChosen {
                vm: self.to.vm.clone(),
                backup: backup.clone(),
                stamp: point.stamp.to_string(),
                path: point.path.clone(),
                taken: point.stamp.time(),
                verified: point.verified,
                vmx: point.vmx().unwrap_or_default().to_owned(),
            };
            let same = fact.clone();
            // It is told anew where the VM's own files were copied in between.
            let counts = copy_counts(&self.to.vm, &ctx.run_facts());
            ctx.keep_once(fact, |kept| counts && *kept == same).await?;
        }
        if !arrivals.folder {
            let fact = Fact::FolderMade {
                host: self.to.host.clone(),
                path: self.to.folder_path(),
            };
            let same = fact.clone();
            ctx.keep_once(fact, |kept| *kept == same).await?;
        }
        let folder = self.origin_folder(ctx, from, origin)?;
        let delivery = load.delivery(ctx, &self.to, folder)?;
        if matches!(origin, Origin::Point(_)) {
            return moving::bring(ctx, &self.to, &delivery).await;
        }
        let rest = Rest::begin(ctx, from).await?;
        moving::bring(ctx, &self.to, &delivery).await?;
        rest.held(ctx).await
    }
}
