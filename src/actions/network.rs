//! `network`: joins the VM's adapters to the port groups of the site, in its .vmx.
//!
//! The file is edited only while the VM is off and nothing locks it. The new file is written beside
//! it and summed by the host; then the old one is renamed aside and the new one gets its name.
//! Whatever a crash leaves of that is seen by the next look, which goes on from there: the bytes to
//! start from are in the file, or else in the one that this run renamed aside.

use crate::engine::{Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::power::PowerState;
use crate::names::{NetworkName, RunId, VmName};
use crate::plan::Step;
use crate::runbook::model::{Isolation, MacPolicy, PortGroup, Runbook, SiteRole};
use crate::vmfiles::{Apart, Surroundings, Vmx};

mod decision;

use super::action::Action;
use super::answer::{Known, blocked};
use super::configuration::{self, Configuration, Content};
use super::context::Ctx;
use super::file_locks;
use super::giving_back::give_back;
use super::isolation::{self, Ground};
use super::link::ActError;
use super::place::VmAt;
use super::port_groups::{self, Groups};
use super::register::fit;
use super::registered::{self, Entry, Registration};
use super::replacing::{self, Names};
use super::view::{self, Stale};

/// The verb about one VM.
pub(super) struct Network {
    at: VmAt,
    wanted: Vec<Wanted>,
    /// Where a drill keeps itself apart.
    isolation: Option<Isolation>,
    /// What a drill makes of the VM.
    apart: Option<Apart>,
}

/// What one adapter is to become.
#[derive(Clone, Debug)]
struct Wanted {
    adapter: String,
    network: NetworkName,
    group: PortGroup,
    mac: MacPolicy,
    /// Nobody knows its address, so the VM starts with it unplugged.
    blind: bool,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    at: Option<VmAt>,
    registration: Known<Registration>,
    configuration: Known<Configuration>,
    groups: Known<Groups>,
    /// The isolation of the host, in a drill.
    ground: Option<Ground>,
    /// What decides, in a drill, what else of the .vmx is cut off.
    around: Option<Surroundings>,
    /// hostd's own view, of a VM that is registered.
    devices: Option<Devices>,
    /// That view is not what the file says.
    stale: Option<Stale>,
    /// Who else holds the file.
    locked_by: Option<String>,
    /// The VM's files came here by this run, so the host has to be told that it was moved.
    arrived: bool,
    /// Nothing gets out of its networks, so that no address can be somebody else's.
    isolated: bool,
    /// Names in its folder.
    folder: Vec<String>,
    /// The run's id, for names of its own.
    run: RunId,
}

impl Seen {
    /// The VM in the host's inventory.
    fn entry(&self) -> Option<&Entry> {
        self.registration.get()?.entry.as_ref()
    }

    fn names(&self, at: &VmAt, content: &Content) -> Names {
        Names::of_read(at, &self.run, &self.folder, content)
    }
}

impl Network {
    /// The verb for the VM at the step's side.
    ///
    /// # Errors
    /// The runbook gives the VM no place there, or an adapter no network there.
    pub fn new(runbook: &Runbook, step: &Step, vm: &VmName) -> Result<Self, Fault> {
        let at = VmAt::of_step(runbook, step, vm)?;
        let site = runbook.site_with(step.side);
        let spec = runbook.vms.get(vm);
        let blind: Vec<&str> = spec.iter().flat_map(|vm| vm.blind_adapters()).collect();
        let adapters = spec.into_iter().flat_map(|vm| &vm.adapters);
        let wanted = adapters.map(|(name, adapter)| {
            let network = runbook.networks.get(&adapter.network);
            let group = network
                .and_then(|network| network.at.get(&site))
                .ok_or_else(|| {
                    Fault::new(
                        format!(
                            "network {} has no port group in {}",
                            adapter.network, at.site
                        ),
                        format!("networks.{} in the runbook", adapter.network),
                        "nothing was sent",
                        "name its port group there, then start a run with that runbook",
                    )
                })?;
            Ok(Wanted {
                adapter: name.clone(),
                network: adapter.network.clone(),
                group: group.clone(),
                mac: adapter.mac,
                blind: blind.contains(&name.as_str()),
            })
        });
        let wanted = wanted.collect::<Result<_, Fault>>()?;
        Ok(Self {
            apart: fit::apart(runbook, &at),
            isolation: runbook.isolation.clone(),
            at,
            wanted,
        })
    }
}

impl Action for Network {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let run = ctx.run.clone();
        let stats = configuration::folder(ctx, &at).await?;
        let folder: Vec<String> = stats.iter().map(|(name, _)| name.clone()).collect();
        let configuration = configuration::read_or_aside(ctx, &at, &folder).await?;
        let registration = registered::look(ctx, &at, Lane::Control).await?;
        let mut seen = Seen {
            arrived: arrived(ctx, &at),
            isolated: self.isolation.is_some(),
            folder,
            run,
            ..Seen::default()
        };
        if let Some(entry) = registration.entry.as_ref().filter(|entry| entry.is_valid()) {
            let devices = view::devices(ctx, &at, entry.vmid).await?;
            if let Some(content) = configuration.content() {
                seen.stale = Stale::between(ctx, &at, entry, &devices, &content.vmx).await?;
            }
            seen.devices = Some(devices);
        }
        let off = registration
            .entry
            .as_ref()
            .is_none_or(|entry| entry.power() == PowerState::Off);
        if off && let Some(content) = configuration.content() {
            seen.locked_by = file_locks::locked_by(ctx, &at, &content.path).await;
        }
        if let Some(isolation) = &self.isolation {
            let groups = isolation::groups_of(&ctx.runbook, isolation, &at.vm);
            let ground = isolation::look(ctx, isolation, &at.host, &groups).await?;
            seen.groups = Known::Is(ground.groups.clone());
            seen.ground = Some(ground);
            if let Some(content) = configuration.content() {
                seen.around = Some(fit::surroundings(ctx, &at, &content.vmx, &stats).await?);
            }
        } else {
            seen.groups = Known::Is(port_groups::look(ctx, &at.host, &self.groups()).await?);
        }
        seen.registration = Known::Is(registration);
        seen.configuration = Known::Is(configuration);
        seen.at = Some(at);
        Ok(seen)
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let (Known::Is(configuration), Known::Is(groups)) = (&seen.configuration, &seen.groups)
        else {
            return self.outline();
        };
        if let Some(answer) = configuration.blocks(at) {
            return answer;
        }
        let broken = seen
            .ground
            .as_ref()
            .and_then(|ground| ground.broken(at.vm.as_str(), &at.host));
        if let Some(fault) = broken.as_ref().or(groups.problems.first()) {
            return blocked(fault.what.clone(), fault.clone(), &[]);
        }
        match configuration.content() {
            Some(content) => self.decide_file(seen, at, content, groups),
            None => self.outline(),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        if let Some(groups) = seen.groups.get() {
            port_groups::make_all(ctx, &at.host, groups).await?;
        }
        let Some(content) = seen.configuration.get().and_then(Configuration::content) else {
            return Ok(());
        };
        let fitted = self.fitted(content, seen, false).map_err(|why| {
            Fault::new(
                why,
                content.path.clone(),
                "the .vmx is as it was",
                "look at that file",
            )
        })?;
        let bytes = fitted.to_bytes();
        if bytes != content.bytes || content.path != at.vmx_path() {
            let names = seen.names(at, content);
            replacing::edit(ctx, at, &names, content, &bytes).await?;
            self.keep_joins(ctx, &content.vmx).await?;
        }
        let listed = seen.registration.get().and_then(|r| r.entry.clone());
        let entry = match listed {
            Some(entry) => Some(entry),
            // A host lists no VM whose .vmx was cut off between its names.
            None => registered::look(ctx, at, Lane::Control).await?.entry,
        };
        if let Some(entry) = entry {
            let vmid =
                registered::vmid_of(ctx, &at.host, Lane::Control, &entry.inventory_path()).await?;
            view::read_again(ctx, at, vmid).await?;
        }
        Ok(())
    }

    async fn settle(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let (Some(isolation), Some(ground)) = (&self.isolation, &seen.ground) else {
            return Ok(());
        };
        let at = seen.at.as_ref().unwrap_or(&self.at);
        let groups = isolation::groups_of(&ctx.runbook, isolation, &at.vm);
        isolation::keep(ctx, isolation, at, &groups, ground).await
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let entry = registered::look(ctx, &at, Lane::Control).await?.entry;
        if let Some(entry) = entry.as_ref().filter(|e| e.power() != PowerState::Off) {
            return Err(ActError::Failed(Fault::new(
                format!(
                    "{} is {}, so its .vmx cannot be changed back",
                    at.who(),
                    entry.power()
                ),
                at.host.as_str(),
                "nothing was changed",
                "shut it down first, then undo again",
            )));
        }
        let Some(seen) = give_back(ctx, &at).await? else {
            return Ok(vec![format!(
                "{} was not changed by this step",
                at.vmx_path()
            )]);
        };
        if let Some(entry) = &entry {
            view::read_again(ctx, &at, entry.vmid).await?;
        }
        Ok(vec![seen])
    }
}

impl Network {
    async fn keep_joins(&self, ctx: &Ctx, before: &Vmx) -> Result<(), ActError> {
        let adapters = before.adapters();
        for wanted in &self.wanted {
            let was = adapters
                .iter()
                .find(|its| its.name.eq_ignore_ascii_case(&wanted.adapter));
            let fact = Fact::AdapterJoined {
                vm: self.at.vm.clone(),
                adapter: wanted.adapter.clone(),
                network: wanted.network.clone(),
                before: was.and_then(|adapter| adapter.network_name.clone()),
                after: wanted.group.name.clone(),
            };
            ctx.link.fact(fact).await?;
        }
        Ok(())
    }
}

/// Whether this run brought the VM's files to that place; at home they are where they always were.
fn arrived(ctx: &Ctx, at: &VmAt) -> bool {
    at.role == SiteRole::Recovery
        || ctx.state.facts.iter().any(|found| match &found.fact {
            Fact::FilePlaced { vm, host, path, .. } => {
                *vm == at.vm && *host == at.host && *path == at.vmx_path()
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests;
