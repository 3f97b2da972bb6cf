//! What follows from what was seen of a .vmx, the host's view of it and its port groups.

use crate::actions::answer::{Known, blocked, done, needed, shown_for};
use crate::actions::configuration::{self, Configuration, Content};
use crate::actions::place::VmAt;
use crate::actions::port_groups::{self, Groups};
use crate::actions::registered::Entry;
use crate::actions::replacing::{self, Names};
use crate::actions::view::Stale;
use crate::actions::words::count;
use crate::engine::{ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::power::PowerState;
use crate::plan::Risk;
use crate::runbook::model::{Identity, MacPolicy, PortGroup};
use crate::vmfiles::{
    AdapterFit, Surroundings, Vmx, diff, fit_adapters, fit_identity, fit_to_host,
};

use super::{Network, Seen, Wanted};

/// The file with everything cut off that a drill would share with production.
fn set_apart(content: &Content, around: &Surroundings) -> Result<Vmx, String> {
    let fitting = fit_to_host(&content.vmx, around);
    match fitting.obstacles.first() {
        Some(obstacle) => Err(format!("{}; {}", obstacle.what, obstacle.next)),
        None => fitting
            .apply(&content.vmx)
            .map_err(|error| error.to_string()),
    }
}

impl Network {
    pub(super) fn groups(&self) -> Vec<&PortGroup> {
        let mut groups: Vec<&PortGroup> = Vec::new();
        for wanted in &self.wanted {
            if !groups.iter().any(|group| group.name == wanted.group.name) {
                groups.push(&wanted.group);
            }
        }
        groups
    }

    /// The file as it is to be, from the file as it is. Of a VM that runs, what is only for its
    /// start stays as it is.
    pub(super) fn fitted(&self, content: &Content, seen: &Seen, runs: bool) -> Result<Vmx, String> {
        let arrives = seen.arrived && !runs;
        let identity = self
            .isolation
            .as_ref()
            .map_or(Identity::Moved, |isolation| isolation.identity);
        let is_new = arrives && identity == Identity::Copied;
        let mut vmx = match &seen.around {
            Some(around) if arrives => set_apart(content, around)?,
            _ => content.vmx.clone(),
        };
        let adapters = vmx.adapters();
        let starts_as_it_is = |wanted: &Wanted| {
            let mut its = adapters.iter();
            its.find(|its| its.name.eq_ignore_ascii_case(&wanted.adapter))
                .is_none_or(|its| its.start_connected)
        };
        let mut fits: Vec<AdapterFit> = self
            .wanted
            .iter()
            .map(|wanted| AdapterFit {
                adapter: wanted.adapter.clone(),
                portgroup: wanted.group.name.clone(),
                mac: if is_new {
                    MacPolicy::Generate
                } else {
                    wanted.mac
                },
                start_connected: if runs && wanted.blind {
                    starts_as_it_is(wanted)
                } else {
                    seen.isolated || !wanted.blind
                },
            })
            .collect();
        if is_new {
            fits.extend(self.unnamed(&vmx));
        }
        fit_adapters(&mut vmx, &fits).map_err(|error| error.to_string())?;
        if arrives {
            fit_identity(&mut vmx, identity).map_err(|error| error.to_string())?;
        }
        Ok(vmx)
    }

    /// Adapters that the runbook does not name, for a new identity.
    fn unnamed(&self, vmx: &Vmx) -> Vec<AdapterFit> {
        let named = |name: &str| {
            let mut wanted = self.wanted.iter();
            wanted.any(|wanted| wanted.adapter.eq_ignore_ascii_case(name))
        };
        vmx.adapters()
            .into_iter()
            .filter(|adapter| adapter.present && !named(&adapter.name))
            .map(|adapter| AdapterFit {
                portgroup: adapter.network_name.unwrap_or_default(),
                adapter: adapter.name,
                mac: MacPolicy::Generate,
                start_connected: false,
            })
            .collect()
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

    pub(super) fn outline(&self) -> ProbeAnswer {
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        for wanted in &self.wanted {
            changes.push(format!(
                "+ {}.networkName = \"{}\" ({})",
                wanted.adapter, wanted.group.name, wanted.network
            ));
        }
        changes.extend(self.apart.iter().map(|apart| {
            format!(
                "+ displayName = \"{}\"; whatever else it would share with production is cut off, each line with \
                 its reason",
                apart.name
            )
        }));
        let blind = self.wanted.iter().filter(|wanted| wanted.blind);
        let blind = blind.filter(|_| self.isolation.is_none());
        changes.extend(blind.map(|wanted| {
            let name = &wanted.adapter;
            format!("+ {name}.startConnected = \"FALSE\" (its address is not known)")
        }));
        let action = match &self.isolation {
            Some(isolation) if isolation.identity == Identity::Copied => "create",
            _ => "keep",
        };
        changes.push(format!("+ uuid.action = \"{action}\""));
        // In a drill the step before has made them.
        let made_here = self
            .groups()
            .into_iter()
            .filter(|_| self.isolation.is_none());
        for group in made_here {
            if let Some(spec) = &group.create {
                changes.push(format!(
                    "port group {} is made on {} (VLAN {}) if it is missing",
                    group.name, spec.vswitch, spec.vlan
                ));
                commands.extend(port_groups::shown_making(&self.at.host, &group.name, spec));
            }
        }
        let names = Names::new(&self.at, &"‹run›".into(), &[]);
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
    pub(super) fn decide_file(
        &self,
        seen: &Seen,
        at: &VmAt,
        content: &Content,
        groups: &Groups,
    ) -> ProbeAnswer {
        let entry = seen.entry();
        let runs = entry.is_some_and(|entry| entry.power() != PowerState::Off);
        // A running VM's file was rewritten by its host, which drops what it has acted upon.
        let fitted = match self.fitted(content, seen, runs) {
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
        let unseen = match (&seen.stale, misjoined.is_empty()) {
            (_, false) => Some(misjoined.join(", ")),
            (stale, true) => stale.as_ref().map(Stale::found),
        };
        let found = match (same, &unseen) {
            (true, None) if groups.is_whole() => {
                "adapters are joined as the runbook says".to_owned()
            }
            (true, None) => format!("the file is right, but {}", groups.lacking()),
            (true, Some(unseen)) => format!("the file is right, but {unseen}"),
            (false, _) => {
                let changes = diff(&content.vmx, &fitted).len();
                format!(
                    "the .vmx differs from the runbook ({})",
                    count(changes, "key")
                )
            }
        };
        if same && unseen.is_none() && groups.is_whole() {
            return done(found, self.evidence(at, entry));
        }
        if runs {
            return self.runs(at, &misjoined);
        }
        if let Some(who) = &seen.locked_by {
            return configuration::locked(at, who);
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
        let entry = seen.entry();
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        changes.extend(port_groups::changes(&at.host, groups));
        commands.extend(port_groups::shown_all(&at.host, groups));
        for change in diff(&content.vmx, fitted) {
            changes.extend(replacing::signed(&change));
        }
        let unplugged = |wanted: &&Wanted| wanted.blind && !seen.isolated;
        changes.extend(self.wanted.iter().filter(unplugged).map(|wanted| {
            format!(
                "{} comes up disconnected: its address is not known, so nobody can be asked who has it",
                wanted.adapter
            )
        }));
        if fitted.to_bytes() != content.bytes || content.path != at.vmx_path() {
            commands.extend(replacing::shown_edit(at, &seen.names(at, content), content));
        }
        if let Some(entry) = entry {
            changes.extend(seen.stale.iter().map(|stale| stale.change(at)));
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
