//! What has to be so at the other site before a VM is stopped in order to move there: it does not run
//! there too, and what brings its files finds their datastore, which takes them. A VM that was stopped
//! without that would stay off.

use crate::engine::ProbeAnswer;
use crate::error::Fault;
use crate::names::{HostName, VmName};
use crate::plan::{self, Step};
use crate::runbook::model::{Mode, Runbook, Section, Verb};

use crate::actions::answer::blocked;
use crate::actions::barred;
use crate::actions::context::Ctx;
use crate::actions::fence;
use crate::actions::ownership::{Copy, Ownership, copy_line};
use crate::actions::place::VmAt;
use crate::actions::sighting;
use crate::actions::store::Store;

/// Where a VM goes once it is stopped.
pub(super) struct Onward {
    to: VmAt,
    /// Its files are brought there by a step of this run.
    copied: bool,
}

/// What was seen there, while the VM still runs where it leaves.
pub(super) struct Seen {
    there: Ownership,
    /// Why its files cannot be brought there.
    no_place: Option<Fault>,
}

impl Onward {
    /// Where the step's VM goes; `None` where it goes nowhere, or to hardware.
    pub fn of(runbook: &Runbook, step: &Step, vm: &VmName) -> Option<Self> {
        let to = VmAt::new(runbook, vm, step.side.other()).ok()?;
        Some(Self {
            to,
            copied: copies(runbook, step),
        })
    }

    /// Looks there. A failover without a plan stops what its site still runs, whatever runs elsewhere:
    /// its fence asks which copy lives.
    ///
    /// # Errors
    /// The host to which its files are to be brought could not be asked.
    pub async fn look(&self, ctx: &Ctx) -> Result<Option<Seen>, Fault> {
        let moves =
            ctx.mode == Mode::Planned || ctx.step.id.section() == Section::Failback.as_str();
        if !moves {
            return Ok(None);
        }
        let there = sighting::of_hosts(ctx, &self.to.vm, self.to.role).await;
        let twice = there.running().next().is_some();
        let no_place = match self.copied && !twice {
            true => self.no_place(ctx).await?,
            false => None,
        };
        Ok(Some(Seen { there, no_place }))
    }

    async fn no_place(&self, ctx: &Ctx) -> Result<Option<Fault>, Fault> {
        match Store::look(ctx, &self.to).await?.fault(&self.to) {
            None => barred::look(ctx, &self.to).await,
            missing => Ok(missing),
        }
    }

    /// Why the VM is not to be stopped now.
    pub fn held(&self, seen: &Seen, ownership: &Ownership) -> Option<ProbeAnswer> {
        if let Some(second) = seen.there.running().next() {
            let drills = fence::a_drills(&self.to.vm, &ownership.site, &seen.there);
            return Some(drills.unwrap_or_else(|| self.runs_twice(seen, ownership, second)));
        }
        let fault = seen.no_place.clone()?;
        Some(blocked(
            fault.what.clone(),
            Fault {
                state: format!("{} was not stopped", self.to.vm),
                ..fault
            },
            &[],
        ))
    }

    fn runs_twice(
        &self,
        seen: &Seen,
        ownership: &Ownership,
        (host, copy): (&HostName, &Copy),
    ) -> ProbeAnswer {
        let vm = &self.to.vm;
        let (here, there) = (&ownership.site, &seen.there.site);
        let what = format!("{vm} runs in {here} and in {there}");
        let on = |(host, copy): (_, &Copy)| format!("{host}: {}", copy_line(copy));
        let running = ownership.running().chain(seen.there.running());
        let found: Vec<String> = running.map(on).collect();
        let how = copy.shut_down_by();
        let fault = Fault::new(
            what.clone(),
            host.as_str(),
            format!("{}; nothing was stopped", found.join("; ")),
            format!(
                "decide which copy lives: if it is the one in {here}, shut down the one on {host} ({how}), then \
                 retry; if it is the one in {there}, leave this run, which would put the files from {here} in the \
                 place of its own"
            ),
        );
        blocked(what, fault, &[])
    }
}

/// Whether the step's section brings the files of what it stops. What stops nothing as it is written has
/// the steps that every way home has.
fn copies(runbook: &Runbook, step: &Step) -> bool {
    let stops = |verb: &Verb| matches!(verb, Verb::ShutDown { .. } | Verb::PowerOff { .. });
    let brings = |verb: &Verb| {
        matches!(
            verb,
            Verb::CopyBack { .. } | Verb::Replicate { .. } | Verb::Restore { .. }
        )
    };
    let has = |is: fn(&Verb) -> bool| plan::has_verb(runbook, &step.id, is);
    has(brings) || !has(stops)
}
