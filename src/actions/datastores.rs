//! The names of a host's datastores: a runbook has the label or the UUID of one, an inventory its label.

use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::storage::{Volumes, may_be_uuid};
use crate::names::HostName;

use super::context::Ctx;
use super::place::VmAt;

/// What a host calls the datastores that it was asked about.
#[derive(Default)]
pub(super) struct Datastores(Volumes);

impl Datastores {
    /// Asks the host where one of the names may be a UUID: labels are what its inventory has.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look<'a>(
        ctx: &Ctx,
        host: &HostName,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Fault> {
        if names.into_iter().any(may_be_uuid) {
            return volumes(ctx, host).await.map(Self);
        }
        Ok(Self::default())
    }

    /// The same of every datastore of the host on which the runbook places a VM.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn of_places(ctx: &Ctx, host: &HostName) -> Result<Self, Fault> {
        let places = ctx.runbook.places_on(host);
        Self::look(ctx, host, places.map(|place| place.datastore.as_str())).await
    }

    /// What the host's inventory calls a datastore.
    pub fn label_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.label_of(name)
    }

    /// All names of the datastore that the inventory calls so.
    pub fn names_of<'a>(&'a self, label: &'a str) -> Vec<&'a str> {
        let uuid = self.0.named(label).map(|volume| volume.uuid.as_str());
        std::iter::once(label).chain(uuid).collect()
    }

    /// Whether two names mean one datastore.
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        self.0.are_one(one, other)
    }
}

/// The place by the datastore's label, which is how its host lists what lies there.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn as_listed(ctx: &Ctx, at: &VmAt) -> Result<VmAt, Fault> {
    let datastores = Datastores::look(ctx, &at.host, [at.datastore.as_str()]).await?;
    let datastore = datastores.label_of(&at.datastore).to_owned();
    Ok(VmAt {
        datastore,
        ..at.clone()
    })
}

/// A host's volumes.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn volumes(ctx: &Ctx, host: &HostName) -> Result<Volumes, Fault> {
    let (lane, command) = (Lane::Control, commands::volumes());
    let doing = "reading the volumes";
    ctx.read(host, lane, &command, Volumes::parse, doing).await
}
