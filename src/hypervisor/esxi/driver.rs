//! The reads of an ESXi host, asked over one of its sessions.

use std::sync::Arc;

use super::autostart::AutostartEntry;
use super::devices::Devices;
use super::guest::Guest;
use super::host_summary::HostSummary;
use super::inventory::{Inventory, InventoryEntry};
use super::locks::Lock;
use super::network::{Neighbor, Nic, PortGroup, Vswitch};
use super::power::PowerState;
use super::process::RunningVm;
use super::question::Question;
use super::storage::Volumes;
use super::summary::VmSummary;
use super::tasks::{self, Task};
use super::version::Version;
use super::{Vmid, commands, vm_inventory, vmkfstools};
use crate::host::{Host, Lane};
use crate::hypervisor::shell::Shell;
use crate::hypervisor::{DriverError, DriverFault};

/// Tasks of one VM that are asked for, the newest ones; a host forgets ended ones soon.
const TASKS: usize = 16;

/// An ESXi host, asked over one lane. Writes are not here: they are built by [`commands`], sent by
/// whoever holds their intents, and judged by reading again.
#[derive(Clone)]
pub struct Esxi {
    shell: Shell,
}

/// Whether a file is in the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is, as this VM; its summary confirms the file.
    As(Vmid, Box<VmSummary>),
    /// It is, as an invalid entry: hostd cannot read the file.
    Invalid(Vmid),
    /// It is not.
    No,
    /// It is not found, but the inventory has lines that may be rows in a form that is not known,
    /// or invalid entries of which the files cannot be told.
    Unproven {
        /// Those lines, and why.
        unread: Vec<String>,
    },
}

impl Esxi {
    /// Reads of `host` over `lane`.
    #[must_use]
    pub fn new(host: Arc<Host>, lane: Lane) -> Self {
        Self {
            shell: Shell::new(host, lane),
        }
    }

    /// Files, processes and probes of the same host over the same lane.
    #[must_use]
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Product, version and build; answered without hostd.
    ///
    /// # Errors
    /// The host cannot be asked, or is no ESXi.
    pub async fn version(&self) -> Result<Version, DriverError> {
        self.shell.ask(&commands::version(), Version::parse).await
    }

    /// Everything that is registered. Rows are claims: see [`Esxi::registration`].
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no inventory.
    pub async fn inventory(&self) -> Result<Inventory, DriverError> {
        self.shell
            .ask(&commands::getallvms(), Inventory::parse)
            .await
    }

    /// Looks a .vmx up in the inventory, by its path with the volume's label or UUID, and confirms
    /// what the inventory claims with the VM's own summary.
    ///
    /// # Errors
    /// The host cannot be asked, or a reply is not understood.
    pub async fn registration(
        &self,
        vmx_path: &str,
        volumes: &Volumes,
    ) -> Result<Registration, DriverError> {
        let wanted = volumes.by_uuid(vmx_path);
        let is_wanted = |path: String| volumes.by_uuid(&path) == wanted;
        let inventory = self.inventory().await?;
        let claims = |entry: &&InventoryEntry| is_wanted(entry.vmx_path());
        for entry in inventory.vms.iter().filter(claims) {
            match self.summary(entry.vmid).await {
                Ok(summary) if is_wanted(summary.vmx_path()) => {
                    return Ok(Registration::As(entry.vmid, Box::new(summary)));
                }
                // A row that a note imitates: another VM has that number, or none.
                Ok(_) | Err(DriverError::Reply(DriverFault::NotFound { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let mut unread = inventory.unread;
        if !inventory.invalid.is_empty() {
            match self
                .shell
                .ask(&commands::vm_inventory(), vm_inventory::parse)
                .await
            {
                Ok(files) => {
                    let mut files = files.into_iter();
                    let fits = |(vmid, path): &(Vmid, String)| {
                        inventory.invalid.contains(vmid) && is_wanted(path.clone())
                    };
                    if let Some((vmid, _)) = files.find(fits) {
                        return Ok(Registration::Invalid(vmid));
                    }
                }
                Err(DriverError::Reply(fault)) => {
                    let ids: Vec<_> = inventory.invalid.iter().map(Vmid::to_string).collect();
                    unread.push(format!("invalid entries {}: {fault}", ids.join(", ")));
                }
                Err(error) => return Err(error),
            }
        }
        if unread.is_empty() {
            Ok(Registration::No)
        } else {
            Ok(Registration::Unproven { unread })
        }
    }

    /// What hostd knows of a VM.
    ///
    /// # Errors
    /// The host cannot be asked; [`DriverFault::NotFound`] where it has no such VM.
    pub async fn summary(&self, vmid: Vmid) -> Result<VmSummary, DriverError> {
        self.shell
            .ask(&commands::summary(vmid), VmSummary::parse)
            .await
    }

    /// Whether a VM runs.
    ///
    /// # Errors
    /// As [`Esxi::summary`].
    pub async fn power_state(&self, vmid: Vmid) -> Result<PowerState, DriverError> {
        self.shell
            .ask(&commands::power_state(vmid), PowerState::parse)
            .await
    }

    /// What the guest's tools told last.
    ///
    /// # Errors
    /// As [`Esxi::summary`].
    pub async fn guest(&self, vmid: Vmid) -> Result<Guest, DriverError> {
        self.shell.ask(&commands::guest(vmid), Guest::parse).await
    }

    /// A VM's adapters and disks as hostd sees them.
    ///
    /// # Errors
    /// As [`Esxi::summary`].
    pub async fn devices(&self, vmid: Vmid) -> Result<Devices, DriverError> {
        self.shell
            .ask(&commands::devices(vmid), Devices::parse)
            .await
    }

    /// The question that a VM waits on. While `power.on` blocks one session, ask over another.
    ///
    /// # Errors
    /// As [`Esxi::summary`].
    pub async fn question(&self, vmid: Vmid) -> Result<Option<Question>, DriverError> {
        self.shell
            .ask(&commands::question(vmid), Question::parse)
            .await
    }

    /// A VM's recent tasks, oldest first; those that the host has forgotten meanwhile are left out.
    ///
    /// # Errors
    /// As [`Esxi::summary`].
    pub async fn tasks(&self, vmid: Vmid) -> Result<Vec<Task>, DriverError> {
        let keys = self
            .shell
            .ask(&commands::tasks(vmid), tasks::parse_keys)
            .await?;
        let mut tasks = Vec::new();
        for key in keys.iter().skip(keys.len().saturating_sub(TASKS)) {
            match self.shell.ask(&commands::task_info(key), Task::parse).await {
                Ok(task) => tasks.push(task),
                Err(DriverError::Reply(DriverFault::NotFound { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tasks)
    }

    /// The VMs that run here. An empty list is proof that none does.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply does not prove itself: then nothing is known.
    pub async fn running(&self) -> Result<Vec<RunningVm>, DriverError> {
        self.shell
            .ask(&commands::running(), RunningVm::parse_all)
            .await
    }

    /// The mounted volumes.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no list of volumes.
    pub async fn volumes(&self) -> Result<Volumes, DriverError> {
        self.shell.ask(&commands::volumes(), Volumes::parse).await
    }

    /// The port groups of standard switches.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no such list.
    pub async fn port_groups(&self) -> Result<Vec<PortGroup>, DriverError> {
        self.shell
            .ask(&commands::port_groups(), PortGroup::parse_all)
            .await
    }

    /// The standard switches.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no such list.
    pub async fn vswitches(&self) -> Result<Vec<Vswitch>, DriverError> {
        self.shell
            .ask(&commands::vswitches(), Vswitch::parse_all)
            .await
    }

    /// The physical adapters.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no such list.
    pub async fn nics(&self) -> Result<Vec<Nic>, DriverError> {
        self.shell.ask(&commands::nics(), Nic::parse_all).await
    }

    /// Whose MACs the host has seen behind addresses.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no such list.
    pub async fn neighbors(&self) -> Result<Vec<Neighbor>, DriverError> {
        self.shell
            .ask(&commands::neighbors(), Neighbor::parse_all)
            .await
    }

    /// The VMs that have an entry in the start order.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no start order.
    pub async fn autostart(&self) -> Result<Vec<(Vmid, AutostartEntry)>, DriverError> {
        self.shell
            .ask(&commands::autostart(), AutostartEntry::parse_all)
            .await
    }

    /// Size, load and uptime.
    ///
    /// # Errors
    /// The host cannot be asked, or its reply is no summary.
    pub async fn host_summary(&self) -> Result<HostSummary, DriverError> {
        self.shell
            .ask(&commands::host_summary(), HostSummary::parse)
            .await
    }

    /// Who locks a file of a VMFS volume.
    ///
    /// # Errors
    /// The host cannot be asked; the file is not there or not on VMFS.
    pub async fn lock(&self, path: &str) -> Result<Lock, DriverError> {
        self.shell.ask(&commands::lock(path), Lock::parse).await
    }

    /// Checks that a disk's chain of snapshots fits together.
    ///
    /// # Errors
    /// The host cannot be asked; the chain does not fit.
    pub async fn check_disk_chain(&self, descriptor: &str) -> Result<(), DriverError> {
        self.shell
            .ask(
                &commands::check_disk_chain(descriptor),
                vmkfstools::check_chain,
            )
            .await
    }
}
