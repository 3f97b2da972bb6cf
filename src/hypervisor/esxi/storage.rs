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

    /// What a person reads who knows it by this name: that, and its label where that is another.
    #[must_use]
    pub fn called(&self, name: &str) -> String {
        if self.label.is_empty() || self.label == name {
            return name.to_owned();
        }
        format!("{name} ({})", self.label)
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

    /// The volume that a datastore's name means: the one with that label, else the one with that UUID,
    /// which is its folder below `/vmfs/volumes`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Volume> {
        let wanted = |is: fn(&Volume) -> &str| {
            let mut volumes = self.0.iter();
            volumes.find(|volume| !name.is_empty() && is(volume) == name)
        };
        wanted(|volume| &volume.label).or_else(|| wanted(|volume| &volume.uuid))
    }

    /// What the host's inventory calls a datastore, however that is named: by its label, where it has one.
    #[must_use]
    pub fn label_of<'a>(&'a self, name: &'a str) -> &'a str {
        let label = self.named(name).map(|volume| volume.label.as_str());
        label.filter(|label| !label.is_empty()).unwrap_or(name)
    }

    /// Whether two names mean one volume of this host.
    #[must_use]
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        let uuid = |name| self.named(name).map(|volume| volume.uuid.as_str());
        one == other || uuid(one).is_some_and(|its| uuid(other) == Some(its))
    }

    /// The volume that a path below `/vmfs/volumes` lies on.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&Volume> {
        self.named(path.strip_prefix("/vmfs/volumes/")?.split('/').next()?)
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
        match split.and_then(|(name, file)| Some((self.named(name)?, file))) {
            Some((volume, "")) => format!("/vmfs/volumes/{}", volume.uuid),
            Some((volume, file)) => format!("/vmfs/volumes/{}/{file}", volume.uuid),
            None => path.to_owned(),
        }
    }
}

/// Whether a datastore's name may be a volume's UUID and no label: `5cc5b591-875b0190-c587-001871eaca38`,
/// of NFS `0dc8b7c6-2f3a1a11`.
#[must_use]
pub fn may_be_uuid(name: &str) -> bool {
    let is_hex = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_hexdigit());
    name.split_once('-').is_some_and(|(first, rest)| {
        first.len() == 8 && is_hex(first) && rest.split('-').all(is_hex)
    })
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
        let local = volumes.named("local 1").unwrap();
        assert_eq!(
            (local.size, local.free, local.uuid.as_str()),
            (200, 100, "aaa-1")
        );
        assert!(local.is_datastore());
        assert_eq!(volumes.0[1].label, "");
        assert!(volumes.named("").is_none());
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
                volumes.named("local 1").unwrap().holds_objects(),
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
    fn a_datastore_is_found_by_its_label_and_by_its_uuid() {
        let volumes = Volumes::parse(&Output::of(CSV)).unwrap();
        assert!(volumes.named("aaa-1").is_some());
        assert_eq!(volumes.named("aaa-1"), volumes.named("local 1"));
        assert_eq!(volumes.label_of("aaa-1"), "local 1");
        assert_eq!(volumes.label_of("local 1"), "local 1");
        assert_eq!(volumes.label_of("bbb-2"), "bbb-2", "it has no label");
        assert_eq!(volumes.label_of("not there"), "not there");
        assert!(volumes.are_one("aaa-1", "local 1"));
        assert!(!volumes.are_one("aaa-1", "isos") && !volumes.are_one("aaa-1", "not there"));
        // A label means what it meant, be it another volume's UUID.
        let volumes = Volumes::parse(&Output::of(&CSV.replace("isos", "aaa-1"))).unwrap();
        assert_eq!(volumes.named("aaa-1").unwrap().uuid, "ddd-4");
    }

    #[test]
    fn a_uuid_is_told_from_a_label_by_its_look() {
        for (name, may_be) in [
            ("5cc5b591-875b0190-c587-001871eaca38", true),
            ("0dc8b7c6-2f3a1a11", true),
            ("local1", false),
            ("deadbeef", false),
            ("5cc5b591-875b0190-nas1", false),
            ("5cc5b591-", false),
            ("2024-backup", false),
            ("", false),
        ] {
            assert_eq!(may_be_uuid(name), may_be, "{name}");
        }
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
