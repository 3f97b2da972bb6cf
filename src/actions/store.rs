//! The datastore that a VM's files arrive on: which volume its label means, and what room it has.

use crate::engine::Fact;
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::storage::Volumes;

use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::words::size;

/// The VM's datastore on its host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Store {
    /// There is no datastore with that label; there are these.
    Missing(Vec<String>),
    /// The label means another volume than when the run first used it.
    Changed {
        /// The volume then.
        was: String,
        /// The volume now.
        is: String,
    },
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
        let command = commands::volumes();
        let doing = "reading the volumes";
        let volumes = ctx
            .read(&at.host, Lane::Control, &command, Volumes::parse, doing)
            .await?;
        let Some(volume) = volumes
            .labelled(&at.datastore)
            .filter(|volume| volume.mounted)
        else {
            let labels = volumes.0.iter().filter(|volume| volume.is_datastore());
            return Ok(Self::Missing(
                labels.map(|volume| volume.label.clone()).collect(),
            ));
        };
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
                "mount it, or correct its label in the runbook, then retry",
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

    /// Keeps which volume the label means.
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
