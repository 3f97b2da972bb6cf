//! A datastore that is there and takes no files: mounted read-only, closed to this login, or gone behind
//! its mount. Whoever stops a VM in order to bring it there looks first, and so does a check.

use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::nfs::NfsMount;
use crate::hypervisor::esxi::storage::Volume;
use crate::hypervisor::shell::{self, Access};
use crate::names::HostName;

use super::context::Ctx;
use super::datastores;
use super::place::VmAt;

/// Why nothing can be brought to a VM's datastore, as far as a look tells.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn look(ctx: &Ctx, at: &VmAt) -> Result<Option<Fault>, Fault> {
    let name = at.datastore.as_str();
    let volumes = datastores::volumes(ctx, &at.host).await?;
    let volume = volumes.named(name);
    let called = volume.map_or_else(|| name.to_owned(), |volume| volume.called(name));
    let reason = match read_only_share(ctx, &at.host, volume).await {
        Some((label, namespace)) => Some(read_only(&called, label, namespace)),
        None => {
            let command = shell::access(&format!("/vmfs/volumes/{name}"));
            let (lane, doing) = (Lane::Control, "looking who may write to its datastore");
            let access = ctx.read(&at.host, lane, &command, Access::parse, doing);
            closed(&called, access.await?)
        }
    };
    Ok(reason.map(|(what, next)| {
        let next = format!("{next}; then retry");
        Fault::new(what, at.host.as_str(), "nothing was changed", next)
    }))
}

/// The label of a volume and the name space in which its mount is listed, where it is an NFS share that
/// is mounted read-only.
async fn read_only_share<'a>(
    ctx: &Ctx,
    host: &HostName,
    volume: Option<&'a Volume>,
) -> Option<(&'a str, &'static str)> {
    let (volume, namespace) = volume.and_then(|volume| Some((volume, volume.nfs()?)))?;
    let command = match namespace {
        "nfs41" => commands::nfs41_mounts(),
        _ => commands::nfs_mounts(),
    };
    let (lane, doing) = (Lane::Control, "reading the NFS mounts");
    let mounts = ctx.read(host, lane, &command, NfsMount::parse_all, doing);
    // Not every release tells it.
    let mounts = mounts.await.unwrap_or_default();
    let mut its = mounts.iter().filter(|mount| mount.label == volume.label);
    its.any(|mount| mount.read_only == Some(true))
        .then_some((volume.label.as_str(), namespace))
}

/// What is the matter with a datastore, and what to do about it.
pub type Reason = (String, String);

/// Nothing can be written there, whoever logs in.
pub fn read_only(called: &str, label: &str, namespace: &str) -> Reason {
    (
        format!(
            "datastore {called} is an NFS share that the host has mounted read-only (`esxcli storage {namespace} \
             list`): it takes no writes, and no VM can be powered on there"
        ),
        format!(
            "once you know who mounted it so, `esxcli storage {namespace} remove -v {label}` there and add it again \
             without --readonly, from an export that lets this host write; or place its VMs on another datastore in the \
             runbook"
        ),
    )
}

/// Why nothing can be written to a datastore that counts as mounted, as far as a look tells: that root may
/// write there proves nothing, for a read-only mount looks the same to it.
pub fn closed(called: &str, access: Access) -> Option<Reason> {
    let (what, next) = match access {
        Access::Open => return None,
        Access::Closed => (
            format!("datastore {called} takes no writes of this login (test -w)"),
            "log in as a user who may write there; of NFS look at its mount (`esxcli storage nfs list`) and its \
             export, too; or place its VMs on another datastore in the runbook",
        ),
        Access::Gone => (
            format!(
                "datastore {called} counts as mounted, but has no folder that can be opened (test -d)"
            ),
            "look at what it lies on: the path to its disk, of NFS its server (`esxcli storage nfs list`); or place \
             its VMs on another datastore in the runbook",
        ),
    };
    Some((what, next.to_owned()))
}
