//! The volumes of a host: `esxcli storage filesystem list`.

use super::table;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::unexpected;

/// A volume below `/vmfs/volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its path by UUID, e.g. `/vmfs/volumes/600d9cc6-915fbb51-f64b-d8d385d87c24`.
    pub mount_point: String,
    /// Its label; empty where it has none.
    pub label: String,
    /// Its UUID, which stays when the label changes; NFS has a shorter one.
    pub uuid: String,
    /// Whether it can be used now.
    pub mounted: bool,
    /// `VMFS-6`, `VMFS-5`, `NFS`, `NFS41`, `vfat`, `VMFSOS`, `VFFS` …
    pub kind: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes free.
    pub free: u64,
}

impl Volume {
    /// Whether VMs may live here. The host keeps its own system on the others; a VM registers on
    /// them and then refuses to power on.
    #[must_use]
    pub fn is_datastore(&self) -> bool {
        let system = ["vfat", "VFFS", "VMFSOS", "VMFS-L"];
        self.mounted
            && !self.label.is_empty()
            && !system
                .iter()
                .any(|kind| self.kind.eq_ignore_ascii_case(kind))
            && !self.label.starts_with("OSDATA-")
            && !matches!(self.label.as_str(), "BOOTBANK1" | "BOOTBANK2")
    }

    /// The name space of `esxcli storage` that its mount is listed in, of an NFS share.
    #[must_use]
    pub fn nfs(&self) -> Option<&'static str> {
        match self.kind.to_ascii_uppercase().as_str() {
            "NFS" => Some("nfs"),
            "NFS41" => Some("nfs41"),
            _ => None,
        }
    }

    /// Whether the data of disks on it are objects and no files, as on vSAN and vVols: a file that is
    /// written there is none of them.
    #[must_use]
    pub fn holds_objects(&self) -> bool {
        let kinds = ["vsan", "VVOL"];
        kinds
            .iter()
            .any(|kind| self.kind.eq_ignore_ascii_case(kind))
    }
}

/// All volumes of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volumes(pub Vec<Volume>);

impl Volumes {
    /// Reads the reply of [`volumes`](super::commands::volumes).
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        let what = "the volumes";
        let records = table::records(output, what)?;
        if records.is_empty() {
            // A host always has the volumes that it started from.
            return Err(unexpected(what, "an empty list"));
        }
        let volumes = records.iter().map(|record| {
            Ok(Volume {
                mount_point: record.need("Mount Point", what)?.to_owned(),
                label: record.need("Volume Name", what)?.to_owned(),
                uuid: record.need("UUID", what)?.to_owned(),
                mounted: record.need("Mounted", what)?.eq_ignore_ascii_case("true"),
                kind: record.need("Type", what)?.to_owned(),
                size: record.number("Size", what)?,
                free: record.number("Free", what)?,
            })
        });
        volumes.collect::<Result<_, _>>().map(Self)
    }

    /// The volume with this label.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Option<&Volume> {
        self.0
            .iter()
            .find(|volume| !label.is_empty() && volume.label == label)
    }

    /// The volume that a path below `/vmfs/volumes` lies on.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&Volume> {
        let name = path.strip_prefix("/vmfs/volumes/")?.split('/').next()?;
        let by_uuid = || self.0.iter().find(|volume| volume.uuid == name);
        self.labelled(name).or_else(by_uuid)
    }

    /// Whether two paths below `/vmfs/volumes` may name one file. Files of one name are told apart only
    /// where the host knows the volumes of both.
    #[must_use]
    pub fn may_be_one(&self, one: &str, other: &str) -> bool {
        let both_known = self.of(one).is_some() && self.of(other).is_some();
        !both_known || self.by_uuid(one) == self.by_uuid(other)
    }

    /// A path below `/vmfs/volumes` with the volume's UUID instead of its label, so that two
    /// spellings of one file compare equal. Other paths come back as they are.
    #[must_use]
    pub fn by_uuid(&self, path: &str) -> String {
        let rest = path.strip_prefix("/vmfs/volumes/");
        let split = rest.map(|rest| rest.split_once('/').unwrap_or((rest, "")));
        match split.and_then(|(label, file)| Some((self.labelled(label)?, file))) {
            Some((volume, "")) => format!("/vmfs/volumes/{}", volume.uuid),
            Some((volume, file)) => format!("/vmfs/volumes/{}/{file}", volume.uuid),
            None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSV: &str = "Free,MountPoint,Mounted,Size,Type,UUID,VolumeName,\n\
        100,/vmfs/volumes/aaa-1,true,200,VMFS-6,aaa-1,local 1,\n\
        5,/vmfs/volumes/bbb-2,true,9,vfat,bbb-2,,\n\
        7,/vmfs/volumes/ccc-3,true,9,VMFSOS,ccc-3,OSDATA-ccc-3,\n\
        0,/vmfs/volumes/ddd-4,false,0,NFS41,ddd-4,isos,\n";

    #[test]
    fn volumes_with_and_without_labels() {
        let volumes = Volumes::parse(&Output::of(CSV)).unwrap();
        let local = volumes.labelled("local 1").unwrap();
        assert_eq!(
            (local.size, local.free, local.uuid.as_str()),
            (200, 100, "aaa-1")
        );
        assert!(local.is_datastore());
        assert_eq!(volumes.0[1].label, "");
        assert!(volumes.labelled("").is_none());
        let usable: Vec<_> = volumes.0.iter().map(Volume::is_datastore).collect();
        assert_eq!(usable, [true, false, false, false]);
    }

    #[test]
    fn where_disks_are_objects_is_told_by_the_kind() {
        for (kind, objects) in [
            ("vsan", true),
            ("VVOL", true),
            ("VMFS-6", false),
            ("NFS", false),
        ] {
            let volumes = Volumes::parse(&Output::of(&CSV.replace("VMFS-6", kind))).unwrap();
            assert_eq!(
                volumes.labelled("local 1").unwrap().holds_objects(),
                objects,
                "{kind}"
            );
        }
    }

    #[test]
    fn the_text_form_of_5x_tells_the_same() {
        let text = "Mount Point            Volume Name  UUID   Mounted  Type     Size  Free\n\
                    ---------------------  -----------  -----  -------  ------  -----  ----\n\
                    /vmfs/volumes/aaa-1    local 1      aaa-1     true  VMFS-5    200   100\n\
                    /vmfs/volumes/bbb-2                 bbb-2     true  vfat        9     5\n";
        let volumes = Volumes::parse(&Output::of(text)).unwrap();
        assert_eq!(volumes.0[0].label, "local 1");
        assert_eq!(volumes.0[1].label, "");
        assert_eq!(volumes.0[1].free, 5);
    }

    #[test]
    fn two_spellings_of_one_file_become_equal() {
        let volumes = Volumes::parse(&Output::of(CSV)).unwrap();
        let by_uuid = "/vmfs/volumes/aaa-1/a b/a.vmx";
        assert_eq!(volumes.by_uuid("/vmfs/volumes/local 1/a b/a.vmx"), by_uuid);
        assert_eq!(volumes.by_uuid(by_uuid), by_uuid);
        assert_eq!(
            volumes.by_uuid("/vmfs/volumes/local 1"),
            "/vmfs/volumes/aaa-1"
        );
        assert_eq!(volumes.by_uuid("/elsewhere/x"), "/elsewhere/x");
        assert!(
            volumes.of(by_uuid).is_some()
                && volumes.of(by_uuid) == volumes.of("/vmfs/volumes/local 1")
        );
        assert_eq!(volumes.of("/vmfs/volumes/other/x"), None);
    }

    #[test]
    fn an_empty_list_is_no_answer() {
        assert!(Volumes::parse(&Output::of("")).is_err());
        assert!(Volumes::parse(&Output::of("Free,MountPoint,\n1,x,\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(Free,MountPoint,Mounted,Size,Type,UUID,VolumeName,\n)?(.{0,60}\n){0,6}", path in ".{0,60}") {
            if let Ok(volumes) = Volumes::parse(&Output::of(&text)) {
                let _ = volumes.by_uuid(&path);
            }
        }
    }
}
