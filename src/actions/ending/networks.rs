//! Port groups and virtual switches that the run made.

use crate::engine::{ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::network::{PortGroup, Vswitch};
use crate::names::HostName;
use crate::plan::{Close, Risk};

use super::super::action::Action;
use super::super::answer::{Known, blocked, done, needed, shown};
use super::super::context::Ctx;
use super::super::isolation::{self, Joined};
use super::super::link::ActError;
use super::tell_gone;

/// The step about one host.
pub(in crate::actions) struct EndNetworks<'a> {
    close: &'a Close,
    host: &'a HostName,
    groups: &'a [(String, String)],
    switches: &'a [String],
}

/// What the host has.
#[derive(Clone, Debug)]
pub(in crate::actions) struct Seen {
    pub(super) groups: Vec<PortGroup>,
    pub(super) switches: Vec<Vswitch>,
    /// What its VMs are joined to, those that are off among them: only one that runs is a client.
    pub(super) joined: Vec<Joined>,
}

impl<'a> EndNetworks<'a> {
    /// The step for what the run made on a host.
    pub fn new(
        close: &'a Close,
        host: &'a HostName,
        groups: &'a [(String, String)],
        switches: &'a [String],
    ) -> Self {
        Self {
            close,
            host,
            groups,
            switches,
        }
    }

    /// Those of the run that are there: on the switch on which it made them.
    fn there<'s>(&self, seen: &'s Seen) -> (Vec<&'s PortGroup>, Vec<&'s Vswitch>) {
        let made = |group: &&PortGroup| {
            let mut groups = self.groups.iter();
            groups.any(|(name, switch)| *name == group.name && *switch == group.vswitch)
        };
        let switches = seen.switches.iter();
        (
            seen.groups.iter().filter(made).collect(),
            switches
                .filter(|switch| self.switches.contains(&switch.name))
                .collect(),
        )
    }

    fn proposal(&self, groups: &[(String, String)], switches: &[String]) -> Proposal {
        let group = |(name, switch): &(String, String)| {
            shown(self.host, &commands::portgroup_remove(name, switch))
        };
        let switch = |name: &String| shown(self.host, &commands::vswitch_remove(name));
        let what = groups
            .iter()
            .map(|(name, switch)| format!("port group {name} is removed from {switch}"));
        let and = switches
            .iter()
            .map(|name| format!("virtual switch {name} is removed"));
        Proposal {
            changes: what.chain(and).collect(),
            commands: groups
                .iter()
                .map(group)
                .chain(switches.iter().map(switch))
                .collect(),
            then: format!("{} lists none of them", self.host),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn in_use(&self, found: String, what: &str) -> ProbeAnswer {
        let fault = Fault::new(
            format!("{what} is in use, so it stays"),
            self.host.as_str(),
            format!("{found}; nothing was changed"),
            "move whatever uses it to another port group, then retry",
        );
        blocked(
            found,
            fault,
            &["skip the step: what stays is listed as left over"],
        )
    }
}

impl Action for EndNetworks<'_> {
    type Observed = Known<Seen>;

    fn unknown(&self) -> Known<Seen> {
        Known::Not
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Known<Seen>, Fault> {
        let lane = Lane::Control;
        let (command, doing) = (commands::port_groups(), "reading the port groups");
        let groups = ctx
            .read(self.host, lane, &command, PortGroup::parse_all, doing)
            .await?;
        let (command, doing) = (commands::vswitches(), "reading the virtual switches");
        let switches = ctx
            .read(self.host, lane, &command, Vswitch::parse_all, doing)
            .await?;
        let mut seen = Seen {
            groups,
            switches,
            joined: Vec::new(),
        };
        if !self.there(&seen).0.is_empty() {
            seen.joined = isolation::joined(ctx, self.host).await?;
        }
        Ok(Known::Is(seen))
    }

    fn decide(&self, seen: &Known<Seen>) -> ProbeAnswer {
        let Known::Is(seen) = seen else {
            return needed("not asked", self.proposal(self.groups, self.switches));
        };
        let (groups, switches) = self.there(seen);
        if groups.is_empty() && switches.is_empty() {
            let found = format!(
                "{} has none of the port groups that the run made",
                self.host
            );
            return done(found.clone(), vec![found]);
        }
        let found = groups
            .iter()
            .map(|group| {
                format!(
                    "port group {} on {}, {} in use",
                    group.name, group.vswitch, group.active_clients
                )
            })
            .chain(
                switches
                    .iter()
                    .map(|switch| format!("virtual switch {}", switch.name)),
            )
            .collect::<Vec<_>>()
            .join("; ");
        if let Some(busy) = groups.iter().find(|group| group.active_clients > 0) {
            return self.in_use(found, &format!("port group {}", busy.name));
        }
        let joined = groups.iter().find_map(|group| {
            let vm = seen.joined.iter().find(|vm| vm.is_to(&group.name))?;
            Some((group, vm))
        });
        if let Some((group, vm)) = joined {
            let what = format!("port group {}, to which {} is joined,", group.name, vm.name);
            return self.in_use(format!("{found}; {} ({}) names it", vm.name, vm.vmx), &what);
        }
        // A switch goes only with nothing on it but the run's own.
        let others = |group: &&PortGroup| {
            switches.iter().any(|switch| switch.name == group.vswitch)
                && !groups.iter().any(|own| own == group)
        };
        if let Some(other) = seen.groups.iter().find(others) {
            let what = format!(
                "virtual switch {}, with port group {} of somebody else,",
                other.vswitch, other.name
            );
            return self.in_use(found, &what);
        }
        let groups: Vec<_> = groups
            .iter()
            .map(|group| (group.name.clone(), group.vswitch.clone()))
            .collect();
        let switches: Vec<_> = switches.iter().map(|switch| switch.name.clone()).collect();
        let mut proposal = self.proposal(&groups, &switches);
        proposal.changes.extend(isolation::doubts(&seen.joined));
        needed(found, proposal)
    }

    async fn act(&self, ctx: &Ctx, seen: &Known<Seen>) -> Result<(), ActError> {
        let Known::Is(seen) = seen else {
            return Ok(());
        };
        let (groups, switches) = self.there(seen);
        for group in groups {
            let doing = format!("removing port group {}", group.name);
            let command = commands::portgroup_remove(&group.name, &group.vswitch);
            ctx.order(self.host, &command, check_silent, &doing).await?;
        }
        for switch in switches {
            let doing = format!("removing virtual switch {}", switch.name);
            let command = commands::vswitch_remove(&switch.name);
            ctx.order(self.host, &command, check_silent, &doing).await?;
        }
        Ok(())
    }

    async fn settle(&self, ctx: &Ctx, _seen: &Known<Seen>) -> Result<(), ActError> {
        tell_gone(ctx, self.close, |_| false).await
    }
}
