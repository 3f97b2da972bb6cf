//! A host's view of a registered VM, held against its .vmx.
//!
//! A host reads a .vmx when its VM is registered, and again only when it is told to (`vmsvc/reload`); when
//! the VM starts, the host writes its view over the file. So a VM that was given another .vmx is neither
//! registered nor joined nor startable before its host has read that file.

use crate::engine::{Fact, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::devices::Devices;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::inventory::{on_host, split_datastore_path};
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::storage::Volumes;
use crate::hypervisor::esxi::uuid::BiosUuid;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::names::{HostName, VmName};
use crate::vmfiles::{Vmx, path_on_host, plain_path};

use super::answer::{Known, shown_for};
use super::configuration;
use super::context::Ctx;
use super::datastores;
use super::link::ActError;
use super::place::{VmAt, file_name, within};
use super::registered::{self, Entry};

/// The view of a VM that is off is not what its .vmx says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    vmid: Vmid,
    /// In what they differ, or why they may.
    why: Vec<String>,
}

impl Stale {
    /// Holds the host's view of a VM that is off against the .vmx that lies there; `None` where they do
    /// not differ in what both tell.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt, entry: &Entry) -> Result<Option<Self>, Fault> {
        if !entry.is_valid() || entry.power() != PowerState::Off {
            return Ok(None);
        }
        let at = own_file(at, entry);
        let configuration = configuration::read(ctx, &at).await?;
        match configuration.content() {
            Some(content) => {
                let devices = devices(ctx, &at, entry.vmid).await?;
                Self::between(ctx, &at, entry, &devices, &content.vmx).await
            }
            None => Ok(None),
        }
    }

    /// The same of a view and a .vmx that were read.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn between(
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        devices: &Devices,
        vmx: &Vmx,
    ) -> Result<Option<Self>, Fault> {
        if entry.power() != PowerState::Off {
            return Ok(None);
        }
        let at = own_file(at, entry);
        let mut why = differences(
            &at,
            vmx,
            entry,
            devices,
            &datastores::volumes(ctx, &at.host).await?,
        );
        if why.is_empty() && is_unread(&ctx.run_facts(), &at) {
            why.push(
                "this run gave it another .vmx, and did not see its host read that".to_owned(),
            );
        }
        let vmid = entry.vmid;
        Ok((!why.is_empty()).then_some(Self { vmid, why }))
    }

    /// What was found.
    pub fn found(&self) -> String {
        format!("the host's view is not its .vmx: {}", self.why.join("; "))
    }

    /// What is done about it.
    pub fn change(&self, at: &VmAt) -> String {
        let (host, vm) = (&at.host, &at.vm);
        format!(
            "{host} reads the .vmx of {vm} again, whose view of it is another: {}",
            self.why.join("; ")
        )
    }

    /// By what.
    pub fn command(&self, at: &VmAt) -> ShownCommand {
        shown_for(&at.host, &at.vm, Known::Is(self.vmid), commands::reload)
    }

    /// Makes the host read the file, and proves that its view is that file.
    ///
    /// # Errors
    /// The host refused it, its view still differs, or the write was lost.
    pub async fn mend(&self, ctx: &Ctx, at: &VmAt) -> Result<(), ActError> {
        read_again(ctx, at, self.vmid).await?;
        let entry = registered::look(ctx, at, Lane::Control).await?.entry;
        let Some(entry) = entry.filter(Entry::is_valid) else {
            return Err(ActError::Failed(Fault::new(
                format!("{} cannot read the .vmx of {}", at.host, at.vm),
                at.host.as_str(),
                "it was told to read it again (vmsvc/reload); nothing was started",
                "look at its files; then register it again (register), and retry",
            )));
        };
        match Self::look(ctx, at, &entry).await? {
            None => Ok(()),
            Some(stale) => Err(ActError::Failed(Fault::new(
                format!("{} was not started: {}", at.vm, stale.found()),
                at.host.as_str(),
                "its host was told to read the file again (vmsvc/reload), and still has another view",
                "compare vmsvc/device.getdevices with the .vmx there, and mend the file; then retry",
            ))),
        }
    }
}

/// A VM's devices as its host has them.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn devices(ctx: &Ctx, at: &VmAt, vmid: Vmid) -> Result<Devices, Fault> {
    let (command, doing) = (commands::devices(vmid), "reading the VM's devices");
    ctx.read(&at.host, Lane::Control, &command, Devices::parse, doing)
        .await
}

/// Makes a host read a VM's .vmx again.
///
/// # Errors
/// The host refused it, or the write was lost.
pub(super) async fn read_again(ctx: &Ctx, at: &VmAt, vmid: Vmid) -> Result<(), ActError> {
    let doing = format!("making {} read the .vmx of {} again", at.host, at.vm);
    ctx.order(&at.host, &commands::reload(vmid), check_silent, &doing)
        .await?;
    was_read(ctx, at).await
}

/// Keeps that the host has read the .vmx that lies there now, where its name is known.
///
/// # Errors
/// The run no longer waits for this action.
pub(super) async fn was_read(ctx: &Ctx, at: &VmAt) -> Result<(), ActError> {
    if at.vmx.is_none() {
        return Ok(());
    }
    let (vm, host, path) = (at.vm.clone(), at.host.clone(), at.vmx_path());
    ctx.link.fact(Fact::ConfigRead { vm, host, path }).await
}

/// The place with the name of the file that the entry stands for.
fn own_file(at: &VmAt, entry: &Entry) -> VmAt {
    let vmx = file_name(&entry.summary.path).map(str::to_owned);
    VmAt { vmx, ..at.clone() }
}

/// Whether the run gave the VM another .vmx since its host read it last.
fn is_unread(facts: &[Fact], at: &VmAt) -> bool {
    let last = last_word(facts, &at.vm, &at.host, &at.vmx_path());
    matches!(last, Some(Fact::OriginalKept { .. }))
}

/// The last that the run told of a .vmx: that it was replaced, or that its host read it.
pub(super) fn last_word<'a>(
    facts: &'a [Fact],
    vm: &VmName,
    host: &HostName,
    file: &str,
) -> Option<&'a Fact> {
    facts.iter().rev().find(|fact| match fact {
        Fact::ConfigRead {
            vm: of,
            host: on,
            path,
        }
        | Fact::OriginalKept {
            vm: of,
            host: on,
            path,
            ..
        } => of == vm && on == host && path == file,
        _ => false,
    })
}

/// In what a host's view differs from the file, as far as both tell.
fn differences(
    at: &VmAt,
    vmx: &Vmx,
    entry: &Entry,
    devices: &Devices,
    volumes: &Volumes,
) -> Vec<String> {
    let mut found = Vec::new();
    let uuid = vmx.get("uuid.bios").and_then(|uuid| BiosUuid::parse(&uuid));
    if let (Some(own), Some(its)) = (uuid, entry.summary.uuid_bios)
        && own != its
    {
        found.push(format!("uuid.bios {own} in the file, {its} on the host"));
    }
    for adapter in vmx.adapters().iter().filter(|adapter| adapter.present) {
        let mut its = devices.adapters.iter();
        let its = its.find(|its| its.vmx_name().as_ref() == Some(&adapter.name));
        let its = its.and_then(|its| its.network.as_ref());
        if let (Some(own), Some(its)) = (&adapter.network_name, its)
            && own != its
        {
            let name = &adapter.name;
            found.push(format!(
                "{name} joined to {own} in the file, to {its} on the host"
            ));
        }
    }
    // A host that lists no disk at all does not tell of them.
    if devices.disks.is_empty() {
        return found;
    }
    let folder = at.folder_path();
    let own = vmx.disk_files().into_iter();
    let own = own.map(|disk| plain_path(&path_on_host(&disk, &folder)));
    let own: Vec<String> = own.collect();
    let its = devices.disks.iter().map(|disk| disk.file.as_str());
    let its: Vec<String> = its.map(|file| plain_path(&on_its_host(file))).collect();
    let is_one = |one: &str, other: &str| {
        let rest = |path| within(path).map_or(path, |(_, rest)| rest);
        rest(one) == rest(other) && volumes.may_be_one(one, other)
    };
    let lacks = |disks: &[String], disk: &str| !disks.iter().any(|other| is_one(disk, other));
    let unseen = own.iter().filter(|disk| lacks(&its, disk));
    found.extend(unseen.map(|disk| format!("{disk} in the file, not on the host")));
    let gone = its.iter().filter(|disk| lacks(&own, disk));
    found.extend(gone.map(|disk| format!("{disk} on the host, not in the file")));
    found
}

/// `[datastore] folder/disk.vmdk` as a path.
fn on_its_host(file: &str) -> String {
    split_datastore_path(file).map_or_else(|| file.to_owned(), |(store, path)| on_host(store, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::{entry, place, two_datastores};
    use crate::hypervisor::esxi::devices::{Adapter, Disk};

    const FILE: &str = "uuid.bios = \"56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c 0d\"\nethernet0.present = \"TRUE\"\n\
        ethernet0.networkName = \"VM Network\"\nscsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\n\
        scsi0:0.fileName = \"sql01.vmdk\"\nscsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"/vmfs/volumes/bbb-2/db/big.vmdk\"\n";

    fn devices(network: Option<&str>, disks: &[&str]) -> Devices {
        let disk = |file: &&str| Disk {
            key: 2000,
            file: (*file).to_owned(),
            capacity: None,
        };
        Devices {
            adapters: vec![Adapter {
                key: 4000,
                label: String::new(),
                network: network.map(str::to_owned),
                mac: None,
                connected: false,
                start_connected: true,
            }],
            disks: disks.iter().map(disk).collect(),
        }
    }

    fn between(devices: &Devices, uuid: &str) -> Vec<String> {
        let mut entry = entry(PowerState::Off, "connected");
        entry.summary.uuid_bios = BiosUuid::parse(uuid);
        let vmx = Vmx::parse(FILE.as_bytes()).unwrap();
        let at = place(Some("sql01.vmx"));
        differences(&at, &vmx, &entry, devices, &two_datastores())
    }

    #[test]
    fn a_view_is_the_file_however_its_datastores_are_spelt() {
        const UUID: &str = "564d0001-0203-0405-0607-08090a0b0c0d";
        let own = "[local1] sql01/sql01.vmdk";
        for second in [
            "[local2] db/big.vmdk",
            "[bbb-2] db/big.vmdk",
            "[local2] sql01/../db/./big.vmdk",
        ] {
            let view = devices(Some("VM Network"), &[own, second]);
            assert_eq!(between(&view, UUID), [""; 0]);
            assert_eq!(between(&view, ""), [""; 0], "it told of no identity");
        }
        let silent = devices(None, &[]);
        assert_eq!(between(&silent, UUID), [""; 0], "what is not told");
        let view = devices(Some("Tier2"), &[own, "[local1] db/big.vmdk"]);
        assert_eq!(
            between(&view, "564d0001-0203-0405-0607-08090a0b0c0e"),
            [
                "uuid.bios 564d0001-0203-0405-0607-08090a0b0c0d in the file, \
                 564d0001-0203-0405-0607-08090a0b0c0e on the host",
                "ethernet0 joined to VM Network in the file, to Tier2 on the host",
                "/vmfs/volumes/bbb-2/db/big.vmdk in the file, not on the host",
                "/vmfs/volumes/local1/db/big.vmdk on the host, not in the file",
            ]
        );
    }

    #[test]
    fn a_file_that_was_replaced_is_unread_until_the_host_was_made_to_read_it() {
        let at = place(Some("sql01.vmx"));
        let (vm, host, path) = (at.vm.clone(), at.host.clone(), at.vmx_path());
        let replaced = |path: &str| Fact::OriginalKept {
            vm: vm.clone(),
            host: host.clone(),
            aside: format!("{path}.aside"),
            path: path.to_owned(),
            bytes: None,
        };
        let read = Fact::ConfigRead {
            vm: vm.clone(),
            host: host.clone(),
            path: path.clone(),
        };
        assert!(is_unread(&[read.clone(), replaced(&path)], &at));
        assert!(!is_unread(&[replaced(&path), read], &at));
        let disk = at.file_path("sql01.vmdk");
        assert!(!is_unread(&[replaced(&disk)], &at));
    }
}
