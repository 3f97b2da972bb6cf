//! What follows from what was seen of a .vmx, the host's view of it and its port groups.

use crate::actions::answer::{Known, blocked, done, needed, shown_for};
use crate::actions::configuration::{self, Configuration, Content};
use crate::actions::place::VmAt;
use crate::actions::port_groups::{self, Groups};
use crate::actions::registered::Entry;
use crate::actions::replacing::{self, Names};
use crate::actions::words::count;
use crate::engine::{ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::power::PowerState;
use crate::plan::Risk;
use crate::runbook::model::{Identity, PortGroup};
use crate::vmfiles::{AdapterFit, Vmx, diff, fit_adapters, fit_identity};

use super::{Network, Seen, Wanted};

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
        let mut vmx = content.vmx.clone();
        let adapters = vmx.adapters();
        let starts_as_it_is = |wanted: &Wanted| {
            let mut its = adapters.iter();
            its.find(|its| its.name.eq_ignore_ascii_case(&wanted.adapter))
                .is_none_or(|its| its.start_connected)
        };
        let fits: Vec<AdapterFit> = self
            .wanted
            .iter()
            .map(|wanted| AdapterFit {
                adapter: wanted.adapter.clone(),
                portgroup: wanted.group.name.clone(),
                mac: wanted.mac,
                start_connected: if runs && wanted.blind {
                    starts_as_it_is(wanted)
                } else {
                    seen.isolated || !wanted.blind
                },
            })
            .collect();
        fit_adapters(&mut vmx, &fits).map_err(|error| error.to_string())?;
        if seen.arrived && !runs {
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

    pub(super) fn outline(&self) -> ProbeAnswer {
        let mut changes = Vec::new();
        let mut commands = Vec::new();
        for wanted in &self.wanted {
            changes.push(format!(
                "+ {}.networkName = \"{}\" ({})",
                wanted.adapter, wanted.group.name, wanted.network
            ));
        }
        changes.extend(
            self.wanted
                .iter()
                .filter(|wanted| wanted.blind)
                .map(|wanted| {
                    let name = &wanted.adapter;
                    format!("+ {name}.startConnected = \"FALSE\" (its address is not known)")
                }),
        );
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
        let entry = seen
            .registration
            .get()
            .and_then(|registration| registration.entry.as_ref());
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
