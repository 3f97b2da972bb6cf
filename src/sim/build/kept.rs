//! Where the VMs of a new site lie, and what of them their hosts know.

use std::io;

use super::files::Files;
use super::told::Standing;
use super::{POINTS, SimVm, identity};
use crate::names::HostName;
use crate::runbook::model::{Place, SiteRole};
use crate::sim::SitePlan;
use crate::sim::esxi::{Autostart, Registered, Saved, place as location};
use crate::sim::host::Volume;

/// A VM at a place of the new site.
pub(super) struct Kept<'a> {
    /// The place.
    pub(super) place: &'a Place,
    /// The one that the runbook protects.
    original: bool,
    /// One that may be stopped for others.
    spare: bool,
    standing: Standing,
}

impl<'a> Kept<'a> {
    /// Where it runs on a good day.
    pub(super) fn home(vm: &'a SimVm, spare: bool) -> Option<Self> {
        let place = if spare {
            vm.vm.recovery.as_ref()
        } else {
            vm.vm.protected.as_ref()
        };
        Some(Self {
            place: place?,
            original: !spare,
            spare,
            standing: Standing {
                registered: true,
                on: true,
            },
        })
    }

    /// Where it stands ready.
    pub(super) fn standing(vm: &'a SimVm, standing: Standing) -> Option<Self> {
        Some(Self {
            place: vm.vm.recovery.as_ref()?,
            original: false,
            spare: false,
            standing,
        })
    }

    /// Writes its files, and enters it where the host knows it.
    ///
    /// # Errors
    /// As the file system's.
    pub(super) fn keep(
        &self,
        plan: &SitePlan,
        vm: &SimVm,
        (host, volumes): (&HostName, &[Volume]),
        saved: &mut Saved,
    ) -> io::Result<()> {
        let place = self.place;
        let wanted = volumes.iter().find(|v| v.is_called(&place.datastore));
        let Some(volume) = wanted.or(volumes.first()) else {
            return Ok(());
        };
        let files = match (self.original, self.spare) {
            (true, _) => Files::of(vm, Some(place)),
            (false, true) => Files::of(vm, None),
            (false, false) => Files::standing(vm, place),
        };
        let path = format!(
            "/vmfs/volumes/{}/{}/{}.vmx",
            volume.uuid, files.folder, files.stem
        );
        let uuid = identity(plan, host, "").uuid;
        let (generation, side) = if self.original {
            (POINTS, SiteRole::Protected)
        } else {
            (0, SiteRole::Recovery)
        };
        files.write(
            plan,
            vm,
            &volume.folder.join(&files.folder),
            |_| generation,
            &location(&uuid, &path),
            side,
        )?;
        if !self.standing.registered {
            return Ok(());
        }
        let id = saved.next;
        saved.next += 1;
        saved.vms.push(Registered {
            id,
            path,
            name: None,
            on: self.standing.on,
            facts: None,
        });
        if self.original && vm.vm.priority <= 3 {
            saved.autostart.push(Autostart {
                id,
                order: i32::try_from(saved.autostart.len() + 1).unwrap_or(1),
                start_action: "powerOn".into(),
                start_delay: -1,
                stop_action: "systemDefault".into(),
                stop_delay: -1,
                heartbeat: "systemDefault".into(),
            });
        }
        Ok(())
    }
}
