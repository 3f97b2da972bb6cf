//! `network`: joins the VM's adapters to the port groups of the site, in its .vmx.
//!
//! The file is edited only while the VM is off and nothing locks it. The new file is written beside
//! it and summed by the host; then the old one is renamed aside and the new one gets its name.
//! Whatever a crash leaves of that is seen by the next look, which goes on from there: the bytes to
//! start from are in the file, or else in the one that this run renamed aside.

use crate::engine::{Fact, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::locks::Lock;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::shell::Found;
use crate::names::{NetworkName, VmName};
use crate::plan::{Risk, Step};
use crate::runbook::model::{Identity, MacPolicy, PortGroup, Runbook, SiteRole};
use crate::vmfiles::{AdapterFit, Vmx, diff, fit_adapters, fit_identity};

use super::action::Action;
use super::answer::{Known, blocked, console, done, needed, shown_for};
use super::configuration::{self, Configuration, Content};
use super::context::{ActError, Ctx};
use super::place::VmAt;
use super::port_groups::{self, Groups};
use super::registered::{self, Entry, Registration};
use super::replacing::{self, Names};
use super::words::count;

/// The verb about one VM.
pub(super) struct Network {
    at: VmAt,
    wanted: Vec<Wanted>,
}

/// What one adapter is to become.
#[derive(Clone, Debug)]
struct Wanted {
    adapter: String,
    network: NetworkName,
    group: PortGroup,
    mac: MacPolicy,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    at: Option<VmAt>,
    registration: Known<Registration>,
    configuration: Known<Configuration>,
    groups: Known<Groups>,
    /// hostd's own view, of a VM that is registered.
    devices: Option<Devices>,
    /// Who else holds the file.
    locked_by: Option<String>,
    /// The VM's files came here by this run, so the host has to be told that it was moved.
    arrived: bool,
    /// Names in its folder.
    folder: Vec<String>,
    /// The run's id, for names of its own.
    run: String,
}

impl Seen {
    fn names(&self, at: &VmAt, content: &Content) -> Names {
        Names::new(at, &self.run, &self.folder, content.path == at.vmx_path())
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
        let adapters = runbook.vms.get(vm).into_iter().flat_map(|vm| &vm.adapters);
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
            })
        });
        let wanted = wanted.collect::<Result<_, Fault>>()?;
        Ok(Self { at, wanted })
    }

    fn groups(&self) -> Vec<&PortGroup> {
        let mut groups: Vec<&PortGroup> = Vec::new();
        for wanted in &self.wanted {
            if !groups.iter().any(|group| group.name == wanted.group.name) {
                groups.push(&wanted.group);
            }
        }
        groups
    }

    /// The file as it is to be, from the file as it is.
    fn fitted(&self, content: &Content, arrived: bool) -> Result<Vmx, String> {
        let mut vmx = content.vmx.clone();
        let fits: Vec<AdapterFit> = self
            .wanted
            .iter()
            .map(|wanted| AdapterFit {
                adapter: wanted.adapter.clone(),
                portgroup: wanted.group.name.clone(),
                mac: wanted.mac,
                start_connected: true,
            })
            .collect();
        fit_adapters(&mut vmx, &fits).map_err(|error| error.to_string())?;
        if arrived {
            fit_identity(&mut vmx, Identity::Moved).map_err(|error| error.to_string())?;
        }
        Ok(vmx)
    }

    /// Adapters that the host shows joined to something else than wanted.
    fn misjoined(&self, devices: &Devices) -> Vec<String> {
        let network_of = |name: &str| {
            let its = devices.adapters.iter().find(|adapter| {
                adapter
                    .vmx_name()
                    .is_some_and(|its| its.eq_ignore_ascii_case(name))
            });
            its.and_then(|adapter| adapter.network.clone())
        };
        let wrong = self.wanted.iter().filter_map(|wanted| {
            let now = network_of(&wanted.adapter);
            (now.as_ref() != Some(&wanted.group.name)).then(|| {
                format!(
                    "{} is joined to {}",
                    wanted.adapter,
                    now.as_deref().unwrap_or("nothing")
                )
            })
        });
        wrong.collect()
    }

    fn outline(&self) -> ProbeAnswer {
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        for wanted in &self.wanted {
            changes.push(format!(
                "+ {}.networkName = \"{}\" ({})",
                wanted.adapter, wanted.group.name, wanted.network
            ));
        }
        changes.push("+ uuid.action = \"keep\"".into());
        for group in self.groups() {
            if let Some(spec) = &group.create {
                changes.push(format!(
                    "port group {} is made on {} (VLAN {}) if it is missing",
                    group.name, spec.vswitch, spec.vlan
                ));
                commands.extend(port_groups::shown_making(&self.at.host, &group.name, spec));
            }
        }
        let names = Names::new(&self.at, "‹run›", &[], true);
        commands.extend(replacing::shown(&self.at.host, &names, replacing::MODE));
        commands.push(shown_for(
            &self.at.host,
            &self.at.vm,
            Known::Not,
            commands::reload,
        ));
        needed("not asked", self.proposal(changes, commands))
    }

    fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            changes,
            commands,
            then: "the file says so, and so does the host".into(),
            undo: Some("the file as it was gets its name back".into()),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn evidence(&self, at: &VmAt, entry: Option<&Entry>) -> Vec<String> {
        let by = if entry.is_some() {
            " and device.getdevices"
        } else {
            ""
        };
        let mut lines: Vec<String> = self
            .wanted
            .iter()
            .map(|wanted| {
                format!(
                    "{}: {} is joined to {}",
                    at.who(),
                    wanted.adapter,
                    wanted.group.name
                )
            })
            .collect();
        lines.push(format!("seen in {}{by}", at.vmx_path()));
        lines
    }

    fn locked(&self, at: &VmAt, who: &str) -> ProbeAnswer {
        let fault = Fault::new(
            format!("the .vmx of {} is locked by {who}", at.vm),
            format!("{}: {}", at.host, at.vmx_path()),
            "nothing was changed",
            "find the host with that address and make sure that the VM does not run there, then retry",
        );
        blocked(format!("locked by {who}"), fault, &[])
    }

    fn runs(&self, at: &VmAt, misjoined: &[String]) -> ProbeAnswer {
        let found = if misjoined.is_empty() {
            "it runs, and its .vmx says otherwise than the runbook".to_owned()
        } else {
            format!("it runs; {}", misjoined.join(", "))
        };
        let fault = Fault::new(
            format!("{} runs, so its .vmx cannot be edited", at.who()),
            at.host.as_str(),
            format!("{found}; nothing was changed"),
            "shut it down first, or change the adapter in the host's own client; then retry",
        );
        blocked(found, fault, &[])
    }

    /// What is missing in the file and in the host's view of it.
    fn decide_file(
        &self,
        seen: &Seen,
        at: &VmAt,
        content: &Content,
        groups: &Groups,
    ) -> ProbeAnswer {
        let entry = seen
            .registration
            .get()
            .and_then(|registration| registration.entry.as_ref());
        let runs = entry.is_some_and(|entry| entry.power() != PowerState::Off);
        // A running VM's file was rewritten by its host, which drops what it has acted upon.
        let fitted = match self.fitted(content, seen.arrived && !runs) {
            Ok(fitted) => fitted,
            Err(why) => {
                let unfit = Configuration::Unfit {
                    path: content.path.clone(),
                    why,
                };
                return unfit.blocks(at).unwrap_or_else(|| self.outline());
            }
        };
        let misjoined = seen
            .devices
            .as_ref()
            .map(|devices| self.misjoined(devices))
            .unwrap_or_default();
        let same = fitted.to_bytes() == content.bytes && content.path == at.vmx_path();
        let found = match (same, misjoined.is_empty()) {
            (true, true) => "adapters are joined as the runbook says".to_owned(),
            (true, false) => format!("the file is right, but {}", misjoined.join(", ")),
            (false, _) => {
                let changes = diff(&content.vmx, &fitted).len();
                format!(
                    "the .vmx differs from the runbook ({})",
                    count(changes, "key")
                )
            }
        };
        if same && misjoined.is_empty() && groups.missing.is_empty() && groups.half_made.is_empty()
        {
            return done(found, self.evidence(at, entry));
        }
        if runs {
            return self.runs(at, &misjoined);
        }
        if let Some(who) = &seen.locked_by {
            return self.locked(at, who);
        }
        self.needed(found, seen, at, (content, &fitted), groups)
    }

    fn needed(
        &self,
        found: String,
        seen: &Seen,
        at: &VmAt,
        (content, fitted): (&Content, &Vmx),
        groups: &Groups,
    ) -> ProbeAnswer {
        let entry = seen
            .registration
            .get()
            .and_then(|registration| registration.entry.as_ref());
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        for (name, spec) in &groups.missing {
            changes.push(format!(
                "port group {name} is made on {} (VLAN {})",
                spec.vswitch, spec.vlan
            ));
            commands.extend(port_groups::shown_making(&at.host, name, spec));
        }
        for (name, spec) in &groups.half_made {
            changes.push(format!(
                "port group {name}, made by this run, gets VLAN {}",
                spec.vlan
            ));
            commands.push(port_groups::shown_finishing(&at.host, name, spec));
        }
        for change in diff(&content.vmx, fitted) {
            let line = |sign, value: &Option<String>| {
                value
                    .as_ref()
                    .map(|value| format!("{sign} {} = \"{value}\"", change.key))
            };
            changes.extend(line('-', &change.before));
            changes.extend(line('+', &change.after));
        }
        if fitted.to_bytes() != content.bytes || content.path != at.vmx_path() {
            let copy = replacing::copy_name(at, &replacing::hex_sum(&content.bytes));
            commands.push(console(format!(
                "keep the file as it was in the run's folder: {copy}"
            )));
            commands.extend(replacing::shown(
                &at.host,
                &seen.names(at, content),
                content.mode,
            ));
        }
        if let Some(entry) = entry {
            commands.push(shown_for(
                &at.host,
                &at.vm,
                Known::Is(entry.vmid),
                commands::reload,
            ));
        }
        needed(found, self.proposal(changes, commands))
    }
}

impl Action for Network {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let run = ctx.run.to_string();
        let folder = configuration::folder(ctx, &at).await?;
        let folder: Vec<String> = folder.into_iter().map(|(name, _)| name).collect();
        let mut configuration = configuration::read(ctx, &at).await?;
        if let (Configuration::Missing(_), Some(aside)) =
            (&configuration, Names::newest_aside(&at, &run, &folder))
        {
            configuration = configuration::read_file(ctx, &at, &aside).await?;
        }
        let registration = registered::look(ctx, &at, Lane::Control).await?;
        let mut seen = Seen {
            arrived: arrived(ctx, &at),
            folder,
            run,
            ..Seen::default()
        };
        if let Some(entry) = registration.entry.as_ref().filter(|entry| entry.is_valid()) {
            let command = commands::devices(entry.vmid);
            let doing = "reading the VM's devices";
            seen.devices = Some(
                ctx.read(&at.host, Lane::Control, &command, Devices::parse, doing)
                    .await?,
            );
        }
        let off = registration
            .entry
            .as_ref()
            .is_none_or(|entry| entry.power() == PowerState::Off);
        if off && let Some(content) = configuration.content() {
            seen.locked_by = locked_by(ctx, &at, &content.path).await;
        }
        seen.groups = Known::Is(port_groups::look(ctx, &at.host, &self.groups()).await?);
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
        if let Some(fault) = groups.problems.first() {
            return blocked(fault.what.clone(), fault.clone(), &[]);
        }
        match configuration.content() {
            Some(content) => self.decide_file(seen, at, content, groups),
            None => self.outline(),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = seen.at.as_ref().unwrap_or(&self.at);
        for (name, spec) in seen.groups.get().iter().flat_map(|groups| &groups.missing) {
            port_groups::make(ctx, &at.host, name, spec).await?;
        }
        for (name, spec) in seen
            .groups
            .get()
            .iter()
            .flat_map(|groups| &groups.half_made)
        {
            port_groups::finish(ctx, &at.host, name, spec).await?;
        }
        let Some(content) = seen.configuration.get().and_then(Configuration::content) else {
            return Ok(());
        };
        let fitted = self.fitted(content, seen.arrived).map_err(|why| {
            Fault::new(
                why,
                content.path.clone(),
                "the .vmx is as it was",
                "look at that file",
            )
        })?;
        let bytes = fitted.to_bytes();
        if bytes != content.bytes || content.path != at.vmx_path() {
            replacing::keep_copy(ctx, at, &content.path, &content.bytes).await?;
            let names = seen.names(at, content);
            replacing::replace(ctx, at, &names, &bytes, content.mode).await?;
            self.keep_joins(ctx, &content.vmx).await?;
        }
        if let Some(entry) = seen.registration.get().and_then(|r| r.entry.as_ref()) {
            let vmid =
                registered::vmid_of(ctx, &at.host, Lane::Control, &entry.inventory_path()).await?;
            let doing = format!("making {} read the new .vmx", at.host);
            ctx.order(&at.host, &commands::reload(vmid), check_silent, &doing)
                .await?;
        }
        Ok(())
    }

    async fn undo(&self, ctx: &Ctx) -> Result<Vec<String>, ActError> {
        let at = configuration::name_vmx(ctx, self.at.clone().with_facts(ctx)).await?;
        let path = at.vmx_path();
        let aside = ctx
            .state
            .facts
            .iter()
            .rev()
            .find_map(|found| match &found.fact {
                Fact::OriginalKept {
                    vm,
                    host,
                    path: of,
                    aside,
                } if *vm == at.vm && *host == at.host && *of == path => Some(aside.clone()),
                _ => None,
            });
        let Some(aside) = aside else {
            return Ok(vec![format!("{path} was not changed by this run")]);
        };
        let registration = registered::look(ctx, &at, Lane::Control).await?;
        if let Some(entry) = registration
            .entry
            .as_ref()
            .filter(|e| e.power() != PowerState::Off)
        {
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
        let folder = configuration::folder(ctx, &at).await?;
        let present = |path: &str| folder.iter().any(|(name, _)| at.file_path(name) == path);
        let undone = format!("{path}.lifeboat-{}-undone", ctx.run);
        if present(&path) && present(&aside) {
            replacing::rename(ctx, &at, &path, &undone).await?;
        }
        if present(&aside) {
            replacing::rename(ctx, &at, &aside, &path).await?;
        }
        if let Some(entry) = &registration.entry {
            let doing = format!("making {} read the old .vmx", at.host);
            ctx.order(
                &at.host,
                &commands::reload(entry.vmid),
                check_silent,
                &doing,
            )
            .await?;
        }
        match configuration::find(ctx, &at, &path).await? {
            Found::There(_) => Ok(vec![format!(
                "{path} is the file as it was; the edited one is {undone}"
            )]),
            Found::Absent | Found::NoFolder => Err(ActError::Failed(Fault::new(
                format!("{path} is not there"),
                at.host.as_str(),
                format!("the file as it was should be {aside}"),
                "give it its name back by hand",
            ))),
        }
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

/// Who holds a file alone, where the host can tell: on NFS it cannot.
async fn locked_by(ctx: &Ctx, at: &VmAt, path: &str) -> Option<String> {
    let doing = "asking who locks the .vmx";
    match ctx
        .read(
            &at.host,
            Lane::Control,
            &commands::lock(path),
            Lock::parse,
            doing,
        )
        .await
    {
        Ok(Lock::Exclusive(owner)) => Some(format!("the host with the adapter {}", owner.mac)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
