//! The isolation of a drill, as a host shows it: a switch without uplinks, its port groups on it
//! alone, and nothing joined to them but this drill's own VMs.
//!
//! It is looked at anew whenever something rests on it: when it is made, when adapters are joined to
//! it, and right before each VM starts. What was seen is judged in one pure place ([`judge`]).

use jiff::Timestamp;

use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::joined;
use crate::hypervisor::esxi::network::Vmknic;
use crate::hypervisor::esxi::vmx_lines::Unread;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{HostName, VmName};
use crate::runbook::model::{Isolation, PortGroup, Runbook};
use crate::vmfiles::{Vmx, fit_to_host};

use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::port_groups::{self, Groups};
use super::register::fit;
use super::{registered, view};

mod judge;

use judge::View;

pub(super) use judge::{Joined, doubts};

/// What a host has of the drill's network.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ground {
    /// What is missing, and what stands in the way of making it.
    pub groups: Groups,
    /// Why it is no isolation, one reason a line.
    pub flaws: Vec<String>,
    /// What shows that it is one, for people.
    pub lines: Vec<String>,
    /// When asking the host began.
    pub at: Option<Timestamp>,
}

impl Ground {
    /// Why nothing may rest on it, whatever is made.
    pub fn broken(&self, who: &str, host: &HostName) -> Option<Fault> {
        if let Some(problem) = self.groups.problems.first() {
            return Some(problem.clone());
        }
        let first = self.flaws.first()?;
        let fault = Fault::new(
            format!("{who} would not be isolated: {first}"),
            host.as_str(),
            format!(
                "nothing was sent; {}",
                if self.flaws.len() > 1 {
                    self.flaws[1..].join("; ")
                } else {
                    "the drill's VMs stay as they are".to_owned()
                }
            ),
            "take that away from the drill's switch, then retry: the isolation is looked at anew",
        );
        // A host counts the ports of its switches only now and then.
        Some(fault.passing())
    }

    /// Whether it stands as it is.
    pub fn stands(&self) -> bool {
        self.at.is_some()
            && self.flaws.is_empty()
            && self.groups.is_whole()
            && self.groups.problems.is_empty()
    }
}

/// The port groups that a VM of a drill is joined to, the one for adapters that nobody named among
/// them.
pub(super) fn groups_of(runbook: &Runbook, isolation: &Isolation, vm: &VmName) -> Vec<PortGroup> {
    let site = runbook.recovery_site();
    let adapters = runbook
        .vms
        .get(vm)
        .into_iter()
        .flat_map(|vm| vm.adapters.values());
    let joined =
        adapters.filter_map(|adapter| runbook.networks.get(&adapter.network)?.at.get(&site));
    let mut groups: Vec<PortGroup> = Vec::new();
    for group in joined.chain([&isolation.spare]) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}

/// Looks at a host's isolation. Sends reads only. Where it fails by the number of clients alone, it is
/// looked at once more: the port groups are read before the VMs, and one that was stopped in between
/// was counted and no longer there.
///
/// # Errors
/// The host could not be asked: then nothing is proven.
pub(super) async fn look(
    ctx: &Ctx,
    isolation: &Isolation,
    host: &HostName,
    wanted: &[PortGroup],
) -> Result<Ground, Fault> {
    twice_by_clients(isolation, || look_once(ctx, isolation, host, wanted)).await
}

async fn twice_by_clients<F>(
    isolation: &Isolation,
    mut look: impl FnMut() -> F,
) -> Result<Ground, Fault>
where
    F: Future<Output = Result<(Ground, View), Fault>>,
{
    let (ground, view) = look().await?;
    if judge::fails_by_clients_alone(isolation, &view) {
        return Ok(look().await?.0);
    }
    Ok(ground)
}

async fn look_once(
    ctx: &Ctx,
    isolation: &Isolation,
    host: &HostName,
    wanted: &[PortGroup],
) -> Result<(Ground, View), Fault> {
    ctx.forget(host);
    let at = ctx.clock.now();
    let wanted: Vec<&PortGroup> = wanted.iter().collect();
    let (groups, listed, switches) = port_groups::look_whole(ctx, host, &wanted).await?;
    let lane = Lane::Control;
    let doing = "reading the host's own adapters";
    let command = commands::vmknics();
    let vmknics = ctx.read(host, lane, &command, Vmknic::parse_all, doing);
    let view = View {
        vmknics: vmknics.await?,
        joined: joined(ctx, host).await?,
        groups: listed,
        switches,
    };
    let (flaws, lines) = judge::judge(isolation, &view);
    let ground = Ground {
        groups,
        flaws,
        lines,
        at: Some(at),
    };
    Ok((ground, view))
}

/// What every VM of a host is joined to: those in its inventory and those that run without being
/// in it.
pub(super) async fn joined(ctx: &Ctx, host: &HostName) -> Result<Vec<Joined>, Fault> {
    let inventory = registered::inventory(ctx, host, Lane::Control).await?;
    let running = registered::running(ctx, host).await?;
    let listed = inventory.vms.iter().map(|entry| Joined {
        name: entry.name.clone(),
        vmx: entry.vmx_path(),
        ..Joined::default()
    });
    let running = running.into_iter().map(|vm| Joined {
        name: vm.name,
        vmx: vm.config_file,
        running: true,
        ..Joined::default()
    });
    let mut vms: Vec<Joined> = listed.chain(running).collect();
    if vms.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<String> = vms.iter().map(|vm| vm.vmx.clone()).collect();
    let command = commands::joined(&paths);
    let doing = "reading what its VMs are joined to";
    let parse = |output: &_| joined::parse_all(output, paths.len());
    let adapters = ctx
        .read(host, Lane::Control, &command, parse, doing)
        .await?;
    for (vm, adapters) in vms.iter_mut().zip(adapters) {
        match adapters {
            Ok(adapters) => vm.adapters = adapters,
            Err(Unread(why)) => vm.unread = Some(why),
        }
    }
    Ok(vms)
}

/// Looks at the isolation of a VM that is about to start: its host's, and the VM itself, as its file
/// has it and as the host does.
///
/// # Errors
/// The host could not be asked: then nothing is proven.
pub(super) async fn look_at_vm(
    ctx: &Ctx,
    isolation: &Isolation,
    at: &VmAt,
    vmid: Vmid,
) -> Result<Ground, Fault> {
    let wanted = groups_of(&ctx.runbook, isolation, &at.vm);
    let mut ground = look(ctx, isolation, &at.host, &wanted).await?;
    ground.flaws.extend(missing(&ground.groups));
    let devices = view::devices(ctx, at, vmid).await?;
    let content = super::configuration::read(ctx, at).await?;
    let Some(content) = content.content() else {
        ground
            .flaws
            .push(format!("{} cannot be read", at.vmx_path()));
        return Ok(ground);
    };
    let folder = super::configuration::folder(ctx, at).await?;
    let around = fit::surroundings(ctx, at, &content.vmx, &folder).await?;
    ground.flaws.extend(joined_elsewhere(isolation, &devices));
    ground.flaws.extend(left_in_file(&content.vmx, &around));
    if ground.flaws.is_empty() {
        ground.lines.push(format!(
            "{}: every adapter is joined to the drill's switch (device.getdevices, .vmx), and its .vmx names \
             nothing outside its folder",
            at.vm
        ));
    }
    Ok(ground)
}

fn missing(groups: &Groups) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    missing.extend(
        groups
            .switch
            .iter()
            .map(|switch| format!("there is no switch {switch}")),
    );
    let names = groups.missing.iter().chain(&groups.half_made);
    missing.extend(names.map(|(name, _)| format!("port group {name} is not made")));
    missing
}

/// Adapters that the host has on something else than the drill's switch.
fn joined_elsewhere(isolation: &Isolation, devices: &Devices) -> Vec<String> {
    let is_ours = |name: &str| {
        isolation
            .groups
            .iter()
            .chain([&isolation.spare])
            .any(|its| its.name == name)
    };
    let elsewhere = devices.adapters.iter().filter(|adapter| {
        !adapter.network.as_deref().is_some_and(is_ours)
            && (adapter.network.is_some() || adapter.connected || adapter.start_connected)
    });
    elsewhere
        .map(|adapter| {
            let name = adapter.vmx_name().unwrap_or_else(|| adapter.label.clone());
            let network = adapter
                .network
                .as_deref()
                .unwrap_or("no standard port group");
            format!("{name} is joined to {network}")
        })
        .collect()
}

/// What a drill's rules would still change in a file.
fn left_in_file(vmx: &Vmx, around: &crate::vmfiles::Surroundings) -> Vec<String> {
    let fitting = fit_to_host(vmx, around);
    let must = crate::vmfiles::Severity::Must;
    let fixes = fitting.fixes.iter().filter(|fix| fix.severity == must);
    let fixes = fixes.map(|fix| format!("its .vmx is not set apart: {}", fix.why));
    let obstacles = fitting
        .obstacles
        .iter()
        .map(|obstacle| obstacle.what.clone());
    obstacles.chain(fixes).collect()
}

/// Keeps what this run made on the host and what was seen of it.
///
/// # Errors
/// [`ActError::Stale`] if the run no longer waits for this action.
pub(super) async fn keep(
    ctx: &Ctx,
    isolation: &Isolation,
    at: &VmAt,
    wanted: &[PortGroup],
    ground: &Ground,
) -> Result<(), ActError> {
    // Their names are this run's own: whoever was cut off between making one and saying so.
    let made = |group: &PortGroup| {
        let spec = group.create.as_ref()?;
        Some(Fact::PortGroupMade {
            host: at.host.clone(),
            name: group.name.clone(),
            vswitch: spec.vswitch.clone(),
            vlan: spec.vlan,
        })
    };
    let switch = Fact::VswitchMade {
        host: at.host.clone(),
        name: isolation.vswitch.clone(),
    };
    let known = ctx.run_facts();
    for fact in std::iter::once(switch).chain(wanted.iter().filter_map(made)) {
        if !known.contains(&fact) {
            ctx.link.fact(fact).await?;
        }
    }
    let seen = Fact::IsolationSeen {
        vm: at.vm.clone(),
        host: at.host.clone(),
        lines: ground.lines.clone(),
        at: ground.at.unwrap_or_else(|| ctx.clock.now()),
    };
    ctx.link.fact(seen).await
}
