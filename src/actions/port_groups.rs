//! Port groups that adapters are to be joined to: there, missing and to be made, or otherwise than
//! the runbook says, which is never changed.

use crate::engine::{Fact, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::network::{PortGroup, Vswitch};
use crate::names::HostName;
use crate::runbook::drill_of;
use crate::runbook::model::{PortGroup as Wanted, PortGroupSpec};

use super::answer::shown;
use super::context::Ctx;
use super::link::ActError;

/// What a host has of the wanted port groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// The switch that is to be made for them, of a drill.
    pub switch: Option<String>,
    /// To be made.
    pub missing: Vec<(String, PortGroupSpec)>,
    /// Made by this run, their VLAN not yet set: a crash came in between.
    pub half_made: Vec<(String, PortGroupSpec)>,
    /// What stands in the way.
    pub problems: Vec<Fault>,
}

impl Groups {
    /// Whether nothing has to be made.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.switch.is_none() && self.missing.is_empty() && self.half_made.is_empty()
    }

    /// What has to be made, in words.
    #[must_use]
    pub fn lacking(&self) -> String {
        let switch = self
            .switch
            .iter()
            .map(|name| format!("virtual switch {name} is missing"));
        let missing = self.missing.iter();
        let missing = missing.map(|(name, _)| format!("port group {name} is missing"));
        let half_made = self.half_made.iter();
        let half_made = half_made.map(|(name, _)| format!("port group {name} has no VLAN yet"));
        let all: Vec<String> = switch.chain(missing).chain(half_made).collect();
        all.join(", ")
    }
}

/// Compares what is wanted with what a host has; the switch `own` is made where it is missing.
#[must_use]
pub fn compare(
    host: &HostName,
    wanted: &[&Wanted],
    groups: &[PortGroup],
    switches: &[Vswitch],
    own: Option<&str>,
    made_here: &dyn Fn(&str) -> bool,
) -> Groups {
    let has = |name: &str| switches.iter().any(|switch| switch.name == name);
    let mut found = Groups {
        switch: own.filter(|own| !has(own)).map(str::to_owned),
        ..Groups::default()
    };
    for wanted in wanted {
        let existing = groups.iter().find(|group| group.name == wanted.name);
        match (existing, &wanted.create) {
            (Some(group), Some(spec))
                if group.vswitch == spec.vswitch
                    && group.vlan == 0
                    && spec.vlan != 0
                    && made_here(&group.name) =>
            {
                found.half_made.push((wanted.name.clone(), spec.clone()));
            }
            (Some(group), Some(spec)) if group.vswitch != spec.vswitch || group.vlan != spec.vlan => {
                found.problems.push(Fault::new(
                    format!(
                        "port group {} is on {} with VLAN {}, the runbook says {} with VLAN {}",
                        wanted.name, group.vswitch, group.vlan, spec.vswitch, spec.vlan
                    ),
                    host.as_str(),
                    "nothing was changed: what others made is left as it is",
                    otherwise(&group.vswitch),
                ));
            }
            (Some(_), _) => {}
            (None, None) => found.problems.push(Fault::new(
                format!("there is no port group {}; there are {}", wanted.name, names(groups)),
                host.as_str(),
                "nothing was changed",
                "make it by hand, correct its name in the runbook (case counts), or give it a vswitch \
                 there so that it is made",
            )),
            (None, Some(spec)) if own != Some(&*spec.vswitch) && !has(&spec.vswitch) => {
                found.problems.push(Fault::new(
                    format!("there is no virtual switch {} for port group {}", spec.vswitch, wanted.name),
                    host.as_str(),
                    "nothing was changed",
                    "make the switch by hand or correct its name in the runbook, then retry",
                ));
            }
            (None, Some(spec)) => found.missing.push((wanted.name.clone(), spec.clone())),
        }
    }
    found
}

/// What to do about a port group of that name on another switch.
fn otherwise(vswitch: &str) -> String {
    match drill_of(vswitch) {
        Some(run) => format!(
            "drill {run} made it and was not cleaned up: `lifeboat cleanup {run}`, then retry"
        ),
        None => {
            "find out which is right; correct the runbook, or the port group by hand, then retry"
                .to_owned()
        }
    }
}

fn names(groups: &[PortGroup]) -> String {
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Looks at a host's port groups.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn look(ctx: &Ctx, host: &HostName, wanted: &[&Wanted]) -> Result<Groups, Fault> {
    Ok(look_whole(ctx, host, wanted).await?.0)
}

/// Looks at a host's port groups, and gives its lists too.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn look_whole(
    ctx: &Ctx,
    host: &HostName,
    wanted: &[&Wanted],
) -> Result<(Groups, Vec<PortGroup>, Vec<Vswitch>), Fault> {
    let lane = Lane::Control;
    let doing = "reading the port groups";
    let groups = ctx
        .read(
            host,
            lane,
            &commands::port_groups(),
            PortGroup::parse_all,
            doing,
        )
        .await?;
    let doing = "reading the virtual switches";
    let switches = ctx
        .read(
            host,
            lane,
            &commands::vswitches(),
            Vswitch::parse_all,
            doing,
        )
        .await?;
    let made_here = |name: &str| {
        ctx.state.ops.values().any(|op| {
            let add = |spec: &PortGroupSpec| commands::portgroup_add(name, &spec.vswitch).line();
            op.host == *host
                && op.may_have_acted()
                && wanted
                    .iter()
                    .filter_map(|wanted| wanted.create.as_ref())
                    .any(|spec| op.command == add(spec))
        })
    };
    let own = ctx.runbook.isolation.as_ref();
    let own = own.map(|isolation| isolation.vswitch.as_str());
    let found = compare(host, wanted, &groups, &switches, own, &made_here);
    Ok((found, groups, switches))
}

/// Everything that is made, in words.
pub(super) fn changes(host: &HostName, found: &Groups) -> Vec<String> {
    let mut changes = Vec::new();
    if let Some(switch) = &found.switch {
        changes.push(format!(
            "virtual switch {switch} is made on {host}, without any uplink"
        ));
    }
    for (name, spec) in &found.missing {
        changes.push(format!(
            "port group {name} is made on {} (VLAN {})",
            spec.vswitch, spec.vlan
        ));
    }
    for (name, spec) in &found.half_made {
        changes.push(format!(
            "port group {name}, made by this run, gets VLAN {}",
            spec.vlan
        ));
    }
    changes
}

/// The commands that make everything that is missing.
pub(super) fn shown_all(host: &HostName, found: &Groups) -> Vec<ShownCommand> {
    let switch = found.switch.as_deref().map(commands::vswitch_add);
    let mut all: Vec<ShownCommand> = switch.iter().map(|add| shown(host, add)).collect();
    for (name, spec) in &found.missing {
        all.extend(shown_making(host, name, spec));
    }
    for (name, spec) in &found.half_made {
        all.push(shown_finishing(host, name, spec));
    }
    all
}

/// Makes everything that is missing.
///
/// # Errors
/// The host refused it, or a write was lost.
pub(super) async fn make_all(ctx: &Ctx, host: &HostName, found: &Groups) -> Result<(), ActError> {
    if let Some(switch) = &found.switch {
        let doing = format!("making the virtual switch {switch}");
        let command = commands::vswitch_add(switch);
        ctx.order(host, &command, check_silent, &doing).await?;
        let (host, name) = (host.clone(), switch.clone());
        ctx.link.fact(Fact::VswitchMade { host, name }).await?;
    }
    for (name, spec) in &found.missing {
        make(ctx, host, name, spec).await?;
    }
    for (name, spec) in &found.half_made {
        finish(ctx, host, name, spec).await?;
    }
    Ok(())
}

/// The commands that make one.
pub(super) fn shown_making(host: &HostName, name: &str, spec: &PortGroupSpec) -> Vec<ShownCommand> {
    let mut all = vec![shown(host, &commands::portgroup_add(name, &spec.vswitch))];
    if spec.vlan != 0 {
        all.push(shown_finishing(host, name, spec));
    }
    all
}

/// The command that finishes one that is half made.
fn shown_finishing(host: &HostName, name: &str, spec: &PortGroupSpec) -> ShownCommand {
    shown(host, &commands::portgroup_set_vlan(name, spec.vlan))
}

/// Makes one.
///
/// # Errors
/// The host refused it, or a write was lost.
async fn make(
    ctx: &Ctx,
    host: &HostName,
    name: &str,
    spec: &PortGroupSpec,
) -> Result<(), ActError> {
    let doing = format!("making port group {name}");
    ctx.order(
        host,
        &commands::portgroup_add(name, &spec.vswitch),
        check_silent,
        &doing,
    )
    .await?;
    let fact = Fact::PortGroupMade {
        host: host.clone(),
        name: name.to_owned(),
        vswitch: spec.vswitch.clone(),
        vlan: spec.vlan,
    };
    ctx.link.fact(fact).await?;
    if spec.vlan != 0 {
        finish(ctx, host, name, spec).await?;
    }
    Ok(())
}

/// Sets the VLAN of one that this run made.
///
/// # Errors
/// The host refused it, or the write was lost.
async fn finish(
    ctx: &Ctx,
    host: &HostName,
    name: &str,
    spec: &PortGroupSpec,
) -> Result<(), ActError> {
    let doing = format!("setting the VLAN of port group {name}");
    ctx.order(
        host,
        &commands::portgroup_set_vlan(name, spec.vlan),
        check_silent,
        &doing,
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, create: Option<(&str, u16)>) -> Wanted {
        let create = create.map(|(vswitch, vlan)| PortGroupSpec {
            vswitch: vswitch.into(),
            vlan,
        });
        Wanted {
            name: name.into(),
            create,
        }
    }

    #[test]
    fn what_has_to_be_made_is_named() {
        let spec = || PortGroupSpec {
            vswitch: "vSwitch0".into(),
            vlan: 20,
        };
        let groups = Groups {
            switch: Some("lifeboat-x".into()),
            missing: vec![("A".into(), spec())],
            half_made: vec![("B".into(), spec())],
            problems: Vec::new(),
        };
        assert_eq!(
            groups.lacking(),
            "virtual switch lifeboat-x is missing, port group A is missing, port group B has no VLAN yet"
        );
        assert_eq!(Groups::default().lacking(), "");
    }

    #[test]
    fn what_exists_otherwise_is_never_changed() {
        let group = |name: &str, vswitch: &str, vlan| PortGroup {
            name: name.into(),
            vswitch: vswitch.into(),
            vlan,
            active_clients: 0,
        };
        let groups = [group("VM Network", "vSwitch0", 20)];
        let switches = [Vswitch {
            name: "vSwitch0".into(),
            uplinks: vec!["vmnic0".into()],
            port_groups: vec![],
            mtu: 1500,
        }];
        let host = HostName::from("lee-esx1");
        for (wanted, missing, problem) in [
            (wanted("VM Network", None), 0, None),
            (
                wanted("vm network", None),
                0,
                Some("there is no port group vm network; there are VM Network"),
            ),
            (wanted("VM Network", Some(("vSwitch0", 20))), 0, None),
            (
                wanted("VM Network", Some(("vSwitch0", 21))),
                0,
                Some("VLAN 20, the runbook says vSwitch0 with VLAN 21"),
            ),
            (
                wanted("VM Network", Some(("vSwitch1", 20))),
                0,
                Some("is on vSwitch0"),
            ),
            (wanted("New", Some(("vSwitch0", 20))), 1, None),
            (
                wanted("New", Some(("vSwitch9", 20))),
                0,
                Some("no virtual switch vSwitch9"),
            ),
        ] {
            let found = compare(&host, &[&wanted], &groups, &switches, None, &|_| false);
            assert_eq!(found.missing.len(), missing, "{wanted:?}");
            let told = found.problems.first().map(|fault| fault.what.clone());
            assert_eq!(told.is_some(), problem.is_some(), "{wanted:?}: {told:?}");
            assert!(
                told.unwrap_or_default()
                    .contains(problem.unwrap_or_default())
            );
        }
        let bare = [group("VM Network", "vSwitch0", 0)];
        let wanted = wanted("VM Network", Some(("vSwitch0", 20)));
        let ours = compare(&host, &[&wanted], &bare, &switches, None, &|name| {
            name == "VM Network"
        });
        assert_eq!(
            (ours.half_made.len(), ours.problems.len()),
            (1, 0),
            "this run goes on"
        );
        let theirs = compare(&host, &[&wanted], &bare, &switches, None, &|_| false);
        assert_eq!(
            (theirs.half_made.len(), theirs.problems.len()),
            (0, 1),
            "others' is left"
        );
        assert_eq!(
            shown_making(
                &host,
                "New",
                &PortGroupSpec {
                    vswitch: "vSwitch0".into(),
                    vlan: 0
                }
            )
            .len(),
            1
        );
    }
}
