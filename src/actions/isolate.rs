//! `fence` in a drill: nothing is fenced, the VM is kept apart instead. The recovery host gets a
//! switch without uplinks with the drill's port groups on it, and shows that nothing leads out of it.
//! The protected site is not asked for anything.

use crate::engine::{ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::names::VmName;
use crate::plan::{Risk, Step};
use crate::runbook::model::{Isolation, PortGroup, Runbook, SiteRole};

use super::action::Action;
use super::answer::{blocked, done, needed};
use super::context::Ctx;
use super::isolation::{self, Ground};
use super::link::ActError;
use super::place::{VmAt, site_title};
use super::port_groups::{self, Groups};

/// The verb about one VM.
pub(super) struct Isolate {
    at: VmAt,
    home: String,
    isolation: Isolation,
    wanted: Vec<PortGroup>,
}

impl Isolate {
    /// The verb for the VM at the recovery site.
    ///
    /// # Errors
    /// The runbook gives the VM no place there.
    pub fn new(
        runbook: &Runbook,
        isolation: &Isolation,
        step: &Step,
        vm: &VmName,
    ) -> Result<Self, Fault> {
        Ok(Self {
            at: VmAt::of_step(runbook, step, vm)?,
            home: site_title(runbook, SiteRole::Protected),
            isolation: isolation.clone(),
            wanted: isolation::groups_of(runbook, isolation, vm),
        })
    }

    fn proposal(&self, groups: &Groups) -> Proposal {
        let mut changes = port_groups::changes(&self.at.host, groups);
        changes.push(format!(
            "{} is left as it is: in a drill nothing is fenced, {} is kept apart instead",
            self.home, self.at.vm
        ));
        Proposal {
            changes,
            commands: port_groups::shown_all(&self.at.host, groups),
            then: format!(
                "{} has no uplink, and nothing is joined to it but this drill's VMs",
                self.isolation.vswitch
            ),
            undo: None,
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    /// Everything that is to be made, when no host was asked.
    fn all(&self) -> Groups {
        let spec = |group: &PortGroup| Some((group.name.clone(), group.create.clone()?));
        Groups {
            switch: Some(self.isolation.vswitch.clone()),
            missing: self.wanted.iter().filter_map(spec).collect(),
            ..Groups::default()
        }
    }
}

impl Action for Isolate {
    type Observed = Ground;

    fn unknown(&self) -> Ground {
        Ground::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Ground, Fault> {
        isolation::look(ctx, &self.isolation, &self.at.host, &self.wanted).await
    }

    fn decide(&self, ground: &Ground) -> ProbeAnswer {
        if ground.at.is_none() {
            return needed("not asked", self.proposal(&self.all()));
        }
        if let Some(fault) = ground.broken(self.at.vm.as_str(), &self.at.host) {
            return blocked(fault.what.clone(), fault, &[]);
        }
        if ground.stands() {
            let found = format!("{} is isolated on {}", self.at.vm, self.at.host);
            return done(found, ground.lines.clone());
        }
        let found = format!("{} has no isolation yet", self.at.host);
        needed(found, self.proposal(&ground.groups))
    }

    async fn act(&self, ctx: &Ctx, ground: &Ground) -> Result<(), ActError> {
        port_groups::make_all(ctx, &self.at.host, &ground.groups).await
    }

    async fn settle(&self, ctx: &Ctx, ground: &Ground) -> Result<(), ActError> {
        isolation::keep(ctx, &self.isolation, &self.at, &self.wanted, ground).await
    }
}
