//! The files of one VM and its restore points.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{POINTS, SimVm, datastore_uuid, ghetto, identity, machines};
use crate::runbook::model::{Place, PointLayout, SiteRole};
use crate::sim::SitePlan;
use crate::sim::commands::hex;
use crate::sim::disks::Disk;
use crate::sim::esxi::place;
use crate::sim::seed::Draw;
use crate::sim::vmx::{Format, descriptor};

/// Names of a VM's files.
pub(super) struct Files {
    /// Below the datastore.
    pub(super) folder: String,
    /// What their names begin with.
    pub(super) stem: String,
    /// Whose UUIDs and MACs it has.
    bears: String,
}

impl Files {
    /// The names at a place, or the defaults.
    pub(super) fn of(vm: &SimVm, place: Option<&Place>) -> Self {
        let folder = place
            .map(|place| place.folder.clone())
            .filter(|folder| !folder.is_empty());
        let vmx = place
            .and_then(|place| place.vmx.as_deref())
            .map(|vmx| vmx.rsplit('/').next().unwrap_or(vmx));
        let stem = vmx
            .and_then(|vmx| vmx.strip_suffix(".vmx"))
            .unwrap_or(&vm.name);
        Self {
            folder: folder.unwrap_or_else(|| vm.name.clone()),
            stem: stem.to_owned(),
            bears: vm.name.clone(),
        }
    }

    /// The names of a VM that stands ready at a place: another machine than the one that it stands
    /// in for.
    pub(super) fn standing(vm: &SimVm, place: &Place) -> Self {
        Self {
            bears: format!("{} standing", vm.name),
            ..Self::of(vm, Some(place))
        }
    }

    fn disk(&self, index: usize) -> String {
        if index == 0 {
            self.stem.clone()
        } else {
            format!("{}_{index}", self.stem)
        }
    }

    /// Writes a VM's files, each disk of the generation that its number gives, and gives their names.
    pub(super) fn write(
        &self,
        plan: &SitePlan,
        vm: &SimVm,
        folder: &Path,
        generation: impl Fn(usize) -> u64,
        location: &str,
        side: SiteRole,
    ) -> io::Result<Vec<String>> {
        fs::create_dir_all(folder)?;
        let mut names = vec![
            format!("{}.vmx", self.stem),
            format!("{}.nvram", self.stem),
            format!("{}.vmsd", self.stem),
        ];
        let mode = |name: &str, mode| {
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode))
        };
        fs::write(folder.join(&names[0]), self.vmx(plan, vm, location, side))?;
        mode(&names[0], 0o755)?;
        let nvram = Draw::new(plan.seed, &format!("nvram {}", vm.name)).bytes(8684);
        fs::write(folder.join(&names[1]), nvram)?;
        mode(&names[1], 0o600)?;
        fs::write(folder.join(&names[2]), "")?;
        mode(&names[2], 0o644)?;
        for index in 0..vm.disks {
            let disk = self.disk(index);
            let generation = generation(index);
            let (text, flat) = (format!("{disk}.vmdk"), format!("{disk}-flat.vmdk"));
            let mut draw = Draw::new(plan.seed, &format!("disk {} {index} {generation}", vm.name));
            let cid = u32::try_from(draw.below(0xffff_fffe)).unwrap_or(1).max(1);
            let uuid = Draw::new(plan.seed, &format!("disk uuid {} {index}", vm.name)).vmx_uuid();
            fs::write(
                folder.join(&text),
                descriptor(&flat, plan.scale, cid, &uuid, Format::Thin),
            )?;
            let content = Disk {
                seed: plan.seed,
                guest: &vm.name,
                index,
                bytes: plan.scale,
                generation,
            };
            content.write(&folder.join(&flat))?;
            mode(&text, 0o600)?;
            mode(&flat, 0o600)?;
            names.extend([text, flat]);
        }
        Ok(names)
    }

    fn vmx(&self, plan: &SitePlan, vm: &SimVm, location: &str, side: SiteRole) -> String {
        let uuid = Draw::new(plan.seed, &format!("uuid {}", self.bears)).vmx_uuid();
        let instance = Draw::new(plan.seed, &format!("instance {}", self.bears))
            .vmx_uuid()
            .replacen("56 4d", "52 1f", 1);
        let tail: String = uuid
            .split(' ')
            .rev()
            .take(3)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join(":");
        let memory = 2048 + 2048 * Draw::new(plan.seed, &format!("memory {}", vm.name)).below(3);
        let mut text = format!(
            ".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"19\"\nvmci0.present = \"TRUE\"\n\
             floppy0.present = \"FALSE\"\nnumvcpus = \"2\"\nmemSize = \"{memory}\"\npowerType.suspend = \"soft\"\n\
             tools.upgrade.policy = \"manual\"\nsched.cpu.units = \"mhz\"\nsched.cpu.affinity = \"all\"\n\
             nvram = \"{stem}.nvram\"\ndisplayName = \"{name}\"\nguestOS = \"debian12-64\"\n\
             uuid.bios = \"{uuid}\"\nuuid.location = \"{location}\"\nvc.uuid = \"{instance}\"\n\
             scsi0.present = \"TRUE\"\nscsi0.virtualDev = \"pvscsi\"\n",
            stem = self.stem,
            name = vm.name,
        );
        for index in 0..vm.disks {
            text.push_str(&format!(
                "scsi0:{index}.present = \"TRUE\"\nscsi0:{index}.deviceType = \"scsi-hardDisk\"\nscsi0:{index}.fileName = \"{}.vmdk\"\n",
                self.disk(index)
            ));
        }
        for (index, (adapter, protected, recovery)) in vm.adapters.iter().enumerate() {
            let group = if side == SiteRole::Protected {
                protected
            } else {
                recovery
            };
            let mac = if index == 0 {
                format!("00:0c:29:{tail}")
            } else {
                let bytes = Draw::new(plan.seed, &format!("mac {} {adapter}", self.bears)).bytes(3);
                format!(
                    "00:0c:29:{}",
                    bytes
                        .iter()
                        .map(|b| format!("{b:02x}"))
                        .collect::<Vec<_>>()
                        .join(":")
                )
            };
            text.push_str(&format!(
                "{adapter}.present = \"TRUE\"\n{adapter}.virtualDev = \"vmxnet3\"\n{adapter}.networkName = \"{group}\"\n\
                 {adapter}.addressType = \"generated\"\n{adapter}.generatedAddress = \"{mac}\"\n\
                 {adapter}.generatedAddressOffset = \"{}\"\n",
                index * 10
            ));
        }
        text.push_str(
            "tools.syncTime = \"FALSE\"\ncleanShutdown = \"TRUE\"\nsoftPowerOff = \"FALSE\"\n",
        );
        text
    }
}

/// The restore points of one VM below a backup's folder, oldest first, as backups leave them that
/// keep to the VM's RPO: the newest is between an eighth and three quarters of an interval old. The
/// .vmx of a VM that was `lived_in` has lines that mean something at its old place alone.
pub(super) fn build_points(
    plan: &SitePlan,
    vm: &SimVm,
    backup: &Path,
    layout: PointLayout,
    lived_in: bool,
    by_file: bool,
) -> io::Result<()> {
    let files = Files::of(vm, vm.vm.protected.as_ref());
    let every = vm.backed_up_every;
    let mut draw = Draw::new(plan.seed, &format!("backup time {}", vm.name));
    let spread = u64::try_from(every * 5 / 8).unwrap_or(1);
    let newest = plan.created - every / 8 - i64::try_from(draw.below(spread)).unwrap_or_default();
    // Where it ran when it was backed up: the .vmx of a point remembers that place.
    let mut leftovers = String::new();
    let location = match &vm.vm.protected {
        Some(home) => {
            let uuid = identity(plan, &home.host, "").uuid;
            let volume = datastore_uuid(plan, &home.host, &home.datastore);
            if lived_in {
                leftovers = left_over(&volume, &files);
            }
            place(
                &uuid,
                &format!("/vmfs/volumes/{volume}/{}/{}.vmx", files.folder, files.stem),
            )
        }
        None => place("", &vm.name),
    };
    // Beside disks of data the system's own changes from one full backup to the next alone.
    let resting = layout == PointLayout::Incremental && vm.disks > 1;
    let mut recorded = BTreeMap::new();
    for generation in 0..POINTS {
        let age = i64::try_from(POINTS - 1 - generation).unwrap_or(0);
        let time = Timestamp::from_second(newest - age * every).map_err(io::Error::other)?;
        let folder = backup.join(&vm.name).join(match layout {
            PointLayout::Full => time.strftime("%Y%m%dT%H%M%SZ").to_string(),
            PointLayout::Incremental if generation == 0 => {
                time.strftime("%Y%m%dT%H%M%SZ-full").to_string()
            }
            PointLayout::Incremental => time.strftime("%Y%m%dT%H%M%SZ-incr").to_string(),
            PointLayout::GhettoVcb => {
                let time = time.strftime("%Y-%m-%d_%H-%M-%S");
                format!("{}-{time}", vm.name)
            }
        });
        if by_file {
            machines::write(plan, &vm.name, &folder, generation)?;
            continue;
        }
        let names = files.write(
            plan,
            vm,
            &folder,
            |disk| {
                if resting && disk == 0 { 0 } else { generation }
            },
            &location,
            SiteRole::Protected,
        )?;
        if let Some(vmx) = names.first().map(|name| folder.join(name)) {
            let mut file = fs::File::options().append(true).open(vmx)?;
            io::Write::write_all(&mut file, leftovers.as_bytes())?;
        }
        let when = time
            .checked_add(SignedDuration::from_mins(4))
            .map_err(io::Error::other)?;
        let mut sums = String::new();
        for name in names {
            let path = folder.join(&name);
            let is_disk = name.ends_with(".vmdk");
            if layout == PointLayout::GhettoVcb && name.ends_with(".vmsd") {
                // It copies the .vmx and the nvram, and clones the disks.
                fs::remove_file(&path)?;
                continue;
            }
            let sum = sum(&path)?;
            sums.push_str(&format!("{sum}  {name}\n"));
            let before = recorded.insert(name, sum.clone());
            if layout == PointLayout::Incremental && is_disk && before == Some(sum) {
                fs::remove_file(&path)?;
                continue;
            }
            fs::File::options()
                .append(true)
                .open(&path)?
                .set_modified(when.into())?;
        }
        if layout == PointLayout::GhettoVcb {
            if vm.disks > 1 {
                let last = files.disk(vm.disks - 1);
                ghetto::set_apart(&folder, &files.stem, &last, &other_volume(plan, vm))?;
            }
            fs::write(folder.join("STATUS.ok"), "Successfully completed backup\n")?;
        } else {
            fs::write(folder.join("SHA256SUMS"), sums)?;
        }
    }
    Ok(())
}

/// Another datastore of the host that a VM comes from.
fn other_volume(plan: &SitePlan, vm: &SimVm) -> String {
    let home = vm.vm.protected.as_ref();
    let mac = home.map_or_else(String::new, |home| identity(plan, &home.host, "").mac);
    Draw::new(plan.seed, &format!("other volume {}", vm.name)).volume_uuid(&mac)
}

/// The CD that it was installed from, and the swap file that it ran with when it was backed up.
fn left_over(volume: &str, files: &Files) -> String {
    let (folder, stem) = (&files.folder, &files.stem);
    format!(
        "ide1:0.present = \"TRUE\"\nide1:0.deviceType = \"cdrom-image\"\n\
         ide1:0.fileName = \"/vmfs/volumes/{volume}/iso/debian-12.4.0-amd64-netinst.iso\"\n\
         sched.swap.derivedName = \"/vmfs/volumes/{volume}/{folder}/{stem}-5d0c8f12.vswp\"\n"
    )
}

fn sum(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = io::Read::read(&mut file, &mut buffer)?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}
