//! An ESXi host's figures: four whole-host calls, and the summary of one of its VMs in turn.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::host::HostCommand;
use crate::host::{Host, HostError, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::host_summary::HostSummary;
use crate::hypervisor::esxi::inventory::{Inventory, InventoryEntry};
use crate::hypervisor::esxi::process::RunningVm;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::summary::VmSummary;
use crate::hypervisor::esxi::version::Version;

use super::watch::Watched;
use super::{HostFigures, VmFigures};

/// Fills the figures in; a reply that the host garbles is a trouble to show, not an error.
///
/// # Errors
/// If the host does not answer at all.
pub(super) async fn poll(
    host: &Host,
    watched: &[Watched],
    turn: usize,
    figures: &mut HostFigures,
) -> Result<Option<String>, HostError> {
    let mut trouble = None;
    let started = Instant::now();
    let version = ask(host, commands::version()).await?;
    figures.round_trip = Some(started.elapsed());
    note(
        &mut trouble,
        Version::parse(&version).map(|version| {
            figures.product = format!("{} {}", version.product, version.version);
        }),
    );
    let summary = ask(host, commands::host_summary()).await?;
    note(
        &mut trouble,
        HostSummary::parse(&summary).map(|summary| take(figures, &summary)),
    );
    let volumes = ask(host, commands::volumes()).await?;
    note(
        &mut trouble,
        Volumes::parse(&volumes).map(|volumes| {
            figures.volumes = volumes
                .0
                .iter()
                .filter(|volume| volume.is_datastore())
                .map(|volume| (volume.label.clone(), volume.free, volume.size))
                .collect();
        }),
    );
    let inventory = ask(host, commands::getallvms()).await?;
    let running = ask(host, commands::running()).await?;
    match (Inventory::parse(&inventory), RunningVm::parse_all(&running)) {
        (Ok(inventory), Ok(running)) => {
            figures.vms = vms(watched, &inventory, &running, &figures.vms);
            figures.running = running.iter().map(as_told).collect();
            // Whoever ordered the poll knows when it began.
            figures.asked = Some(Timestamp::UNIX_EPOCH);
            look_closer(host, watched, &inventory, turn, figures).await?;
        }
        (Err(fault), _) | (_, Err(fault)) => note(&mut trouble, Err(fault)),
    }
    Ok(trouble)
}

fn as_told(vm: &RunningVm) -> (Option<String>, String) {
    let uuid = vm.uuid_bios.map(|uuid| uuid.to_string().replace('-', ""));
    (uuid, vm.config_file.clone())
}

async fn ask(host: &Host, command: HostCommand) -> Result<Output, HostError> {
    host.read(Lane::Telemetry, &command.deadline(Duration::from_secs(30)))
        .await
}

fn note(trouble: &mut Option<String>, answer: Result<(), DriverFault>) {
    if let Err(fault) = answer {
        trouble.get_or_insert(fault.to_string());
    }
}

fn take(figures: &mut HostFigures, summary: &HostSummary) {
    figures.cpu_percent = summary
        .cpu_percent()
        .and_then(|percent| u8::try_from(percent.min(100)).ok());
    figures.memory = summary.memory_used.zip(summary.memory);
    figures.uptime = summary.uptime.map(Duration::from_secs);
}

/// The entry of a VM: in its folder on its datastore.
fn entry<'a>(watched: &Watched, inventory: &'a Inventory) -> Option<&'a InventoryEntry> {
    let folder = format!("{}/", watched.place.folder);
    inventory
        .vms
        .iter()
        .find(|entry| entry.datastore == watched.place.datastore && entry.path.starts_with(&folder))
}

fn vms(
    watched: &[Watched],
    inventory: &Inventory,
    running: &[RunningVm],
    before: &[VmFigures],
) -> Vec<VmFigures> {
    watched
        .iter()
        .map(|watched| {
            let known = before.iter().find(|known| known.vm == watched.vm);
            let Some(entry) = entry(watched, inventory) else {
                let power = "-".to_owned();
                return VmFigures {
                    vm: watched.vm.clone(),
                    power,
                    ..VmFigures::default()
                };
            };
            let is_on = running.iter().any(|vm| vm.is_from(&entry.path, None));
            VmFigures {
                vm: watched.vm.clone(),
                power: if is_on { "on" } else { "off" }.to_owned(),
                question: is_on && known.is_some_and(|known| known.question),
                guest: known
                    .filter(|_| is_on)
                    .map(|known| known.guest.clone())
                    .unwrap_or_default(),
            }
        })
        .collect()
}

/// Asks for the summary of one VM, another one each time: whether it waits for an answer, and what
/// its tools tell.
async fn look_closer(
    host: &Host,
    watched: &[Watched],
    inventory: &Inventory,
    turn: usize,
    figures: &mut HostFigures,
) -> Result<(), HostError> {
    let running: Vec<usize> = (0..figures.vms.len())
        .filter(|index| figures.vms[*index].power == "on")
        .collect();
    let Some(index) = running.get(turn % running.len().max(1)).copied() else {
        return Ok(());
    };
    let Some(entry) = watched
        .get(index)
        .and_then(|watched| entry(watched, inventory))
    else {
        return Ok(());
    };
    let summary = ask(host, commands::summary(entry.vmid)).await?;
    let (Ok(summary), Some(vm)) = (VmSummary::parse(&summary), figures.vms.get_mut(index)) else {
        return Ok(());
    };
    if summary.path != entry.path {
        // A line of another VM's note that looks like a row.
        return Ok(());
    }
    vm.question = summary.has_question;
    vm.guest = match (summary.tools_running, summary.ip_address) {
        (true, Some(address)) => address,
        (true, None) => "tools".to_owned(),
        (false, _) => String::new(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::esxi::Vmid;
    use crate::runbook::model::Place;

    fn watched(vm: &str) -> Watched {
        Watched {
            vm: vm.into(),
            place: Place {
                host: "lee-esx1".into(),
                datastore: "local1".to_owned(),
                folder: vm.to_owned(),
                vmx: None,
                disk: None,
            },
        }
    }

    #[test]
    fn vms_are_known_by_their_folder_and_run_by_their_file() {
        let entry = |name: &str, datastore: &str| InventoryEntry {
            vmid: Vmid(3),
            name: name.to_owned(),
            datastore: datastore.to_owned(),
            path: format!("{name}/{name}.vmx"),
            guest_os: String::new(),
            version: String::new(),
        };
        let inventory = Inventory {
            vms: vec![entry("sql01", "local1"), entry("web01", "local2")],
            ..Inventory::default()
        };
        let running = [RunningVm {
            world_id: 1,
            uuid_bios: None,
            config_file: "/vmfs/volumes/600d-1/sql01/sql01.vmx".to_owned(),
            name: "sql01".to_owned(),
        }];
        let shown = vms(
            &[watched("sql01"), watched("web01")],
            &inventory,
            &running,
            &[],
        );
        let power: Vec<&str> = shown.iter().map(|vm| vm.power.as_str()).collect();
        assert_eq!(
            power,
            ["on", "-"],
            "web01 is registered from another datastore"
        );
    }
}
