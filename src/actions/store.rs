//! The datastore that a VM's files arrive on: which volume its name means, and what room it has.

use crate::engine::Fact;
use crate::error::Fault;
use crate::hypervisor::esxi::storage::Volumes;

use super::context::Ctx;
use super::datastores::volumes;
use super::link::ActError;
use super::place::{VmAt, folder_and_file};
use super::words::size;

/// The VM's datastore on its host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Store {
    /// There is no datastore of that name; there are these.
    Missing(Vec<String>),
    /// The name means another volume than when the run first used it.
    Changed {
        /// The volume then.
        was: String,
        /// The volume now.
        is: String,
    },
    /// Disks there are objects and not files: of this kind.
    Objects(String),
    /// It is there.
    Here {
        /// The volume.
        uuid: String,
        /// Bytes free.
        free: u64,
    },
}

impl Store {
    /// Looks the VM's datastore up.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt) -> Result<Self, Fault> {
        let volumes = volumes(ctx, &at.host).await?;
        let Some(volume) = volumes.named(&at.datastore).filter(|volume| volume.mounted) else {
            let labels = volumes.0.iter().filter(|volume| volume.is_datastore());
            return Ok(Self::Missing(
                labels.map(|volume| volume.label.clone()).collect(),
            ));
        };
        if volume.holds_objects() {
            return Ok(Self::Objects(volume.kind.clone()));
        }
        let seen = ctx.facts().find_map(|fact| match fact {
            Fact::DatastoreSeen { host, label, uuid }
                if *host == at.host && *label == at.datastore =>
            {
                Some(uuid.clone())
            }
            _ => None,
        });
        let is = volume.uuid.clone();
        Ok(match seen {
            Some(was) if was != is => Self::Changed { was, is },
            _ => Self::Here {
                uuid: is,
                free: volume.free,
            },
        })
    }

    /// Why the datastore cannot be used.
    pub fn fault(&self, at: &VmAt) -> Option<Fault> {
        let place = at.host.as_str();
        match self {
            Self::Here { .. } => None,
            Self::Missing(labels) => Some(Fault::new(
                format!(
                    "there is no datastore {}; there are {}",
                    at.datastore,
                    labels.join(", ")
                ),
                place,
                "nothing was changed",
                "mount it, or correct its name in the runbook, then retry",
            )),
            Self::Objects(kind) => Some(Fault::new(
                format!(
                    "datastore {} is of the kind {kind}: its disks are objects and not files, which is not supported",
                    at.datastore
                ),
                place,
                "nothing was changed",
                "place the VM on a VMFS or NFS datastore of that host in the runbook, then go on with that",
            )),
            Self::Changed { was, is } => Some(Fault::new(
                format!(
                    "datastore {} is not the volume that it was: {is}, it was {was}",
                    at.datastore
                ),
                place,
                "nothing was changed on the volume that bears the label now",
                "find out what was mounted under that label; mount the right volume, then retry",
            )),
        }
    }

    /// Keeps which volume the name means.
    ///
    /// # Errors
    /// The run no longer waits for this action.
    pub async fn keep(&self, ctx: &Ctx, at: &VmAt) -> Result<(), ActError> {
        let Self::Here { uuid, .. } = self else {
            return Ok(());
        };
        let (host, label, uuid) = (at.host.clone(), at.datastore.clone(), uuid.clone());
        let fact = Fact::DatastoreSeen { host, label, uuid };
        let same = fact.clone();
        ctx.keep_once(fact, |kept| *kept == same).await
    }
}

/// Why nothing is changed of a VM where its datastore's name means another volume than when the run
/// first used it; asks only where the run has.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn changed(ctx: &Ctx, at: &VmAt) -> Result<Option<Fault>, Fault> {
    let is_used = ctx.facts().any(|fact| {
        matches!(fact, Fact::DatastoreSeen { host, label, .. } if *host == at.host && *label == at.datastore)
    });
    if !is_used {
        return Ok(None);
    }
    let store = Store::look(ctx, at).await?;
    Ok(match store {
        Store::Changed { .. } => store.fault(at),
        _ => None,
    })
}

/// Whether a path names the VM's own .vmx, on its own datastore.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn is_own(ctx: &Ctx, at: &VmAt, path: &str) -> Result<bool, Fault> {
    Ok(at.is_at(path) && lies_there(&volumes(ctx, &at.host).await?, at, path))
}

/// Whether a file lies in the VM's own folder. One of that name may be on another datastore too; it is
/// told apart only where the host knows both.
fn lies_there(volumes: &Volumes, at: &VmAt, path: &str) -> bool {
    let own = at.folder_path();
    let both_known = volumes.of(path).is_some() && volumes.of(&own).is_some();
    let path = volumes.by_uuid(path);
    !both_known || folder_and_file(&path).0 == volumes.by_uuid(&own)
}

/// Why there is too little room, with figures.
pub(super) fn no_room(at: &VmAt, needed: u64, free: u64) -> Fault {
    Fault::new(
        format!(
            "datastore {} has {} free, and the files of {} take {}",
            at.datastore,
            size(free),
            at.vm,
            size(needed)
        ),
        at.host.as_str(),
        "nothing was changed",
        format!(
            "free {} there, or place the VM on another datastore; then retry",
            size(needed - free)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::{place, two_datastores};

    #[test]
    fn a_folder_of_that_name_on_another_datastore_is_another() {
        let at = place(None);
        let volumes = two_datastores();
        let there = |path: &str| lies_there(&volumes, &at, path);
        assert!(there("/vmfs/volumes/aaa-1/sql01/sql01.vmx"));
        assert!(there("/vmfs/volumes/local1/sql01/sql01.vmx"));
        assert!(!there("/vmfs/volumes/bbb-2/sql01/sql01.vmx"));
        assert!(!there("/vmfs/volumes/aaa-1/old/sql01/sql01.vmx"));
        assert!(there("/vmfs/volumes/ccc-3/sql01/sql01.vmx"), "who knows");
    }
}
