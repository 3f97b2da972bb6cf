//! Which files of a VM's folder make up the VM.

use super::Descriptor;

/// What a file of a VM's folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The configuration.
    Vmx,
    /// A disk's descriptor, or a disk that holds its own.
    Descriptor,
    /// A disk's data (`-flat`, `-delta`, `-sesparse`, `-sNNN`, `-fNNN`): what bulk transfers move.
    Extent,
    /// BIOS or EFI variables.
    Nvram,
    /// The snapshot catalogue.
    Vmsd,
    /// A snapshot's or a suspended VM's state.
    State,
    /// A log.
    Log,
    /// Something that must never be carried to another place.
    LeftBehind(LeftBehind),
    /// Anything else.
    Other,
}

/// Why a file is never carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftBehind {
    /// The host makes it at power-on, sized to the VM's memory.
    Swap,
    /// It says that a host has the VM open.
    Lock,
    /// A writer's own copy.
    WorkingCopy,
    /// A map of changed blocks that no longer fits a restored disk.
    ChangeMap,
}

impl LeftBehind {
    /// For people, as the end of a sentence: `web01.vswp is …`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Swap => "swap space, made anew at power-on",
            Self::Lock => "a lock of the host that had the VM open",
            Self::WorkingCopy => "a host's working copy of the .vmx",
            Self::ChangeMap => "a changed-block map that does not fit a restored disk",
        }
    }
}

impl FileKind {
    /// What a file of this name is, by its name alone: for a disk's own file see
    /// [`FileKind::with_text`].
    #[must_use]
    pub fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let extension = lower
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        match extension {
            "vmx~" => Self::LeftBehind(LeftBehind::WorkingCopy),
            "lck" => Self::LeftBehind(LeftBehind::Lock),
            _ if lower.starts_with(".lck-") => Self::LeftBehind(LeftBehind::Lock),
            "vswp" => Self::LeftBehind(LeftBehind::Swap),
            "vmx" => Self::Vmx,
            "nvram" => Self::Nvram,
            "vmsd" => Self::Vmsd,
            "vmsn" | "vmss" | "vmem" => Self::State,
            "log" | "hlog" => Self::Log,
            "vmdk" => vmdk(&lower),
            _ => Self::Other,
        }
    }

    /// The same, of a file whose text was read. A disk whose name ends as a disk's data does, as those
    /// of a VM called `db-s001`, is told from data by how it begins.
    #[must_use]
    pub fn with_text(name: &str, text: Option<&[u8]>) -> Self {
        match Self::of(name) {
            kind if kind.is_disk_data() && text.is_some_and(Descriptor::begins) => Self::Descriptor,
            kind => kind,
        }
    }

    /// Whether a file of this name may be a descriptor in spite of it: if it is no longer than one.
    #[must_use]
    pub fn may_be_descriptor(name: &str, bytes: u64) -> bool {
        Self::of(name).is_disk_data() && bytes <= Descriptor::PREFIX as u64
    }

    /// What lies beside a disk's descriptor, under a longer name.
    #[must_use]
    pub fn is_disk_data(self) -> bool {
        matches!(self, Self::Extent | Self::LeftBehind(LeftBehind::ChangeMap))
    }
}

fn vmdk(lower: &str) -> FileKind {
    let stem = lower.strip_suffix(".vmdk").unwrap_or(lower);
    let tail = stem.rsplit_once('-').map_or("", |(_, tail)| tail);
    match tail {
        "ctk" => FileKind::LeftBehind(LeftBehind::ChangeMap),
        "flat" | "delta" | "sesparse" => FileKind::Extent,
        _ if numbered(tail) => FileKind::Extent,
        _ => FileKind::Descriptor,
    }
}

/// `s001`, `f012`: a part of a disk that is split into pieces.
fn numbered(tail: &str) -> bool {
    let digits = tail.strip_prefix('s').or_else(|| tail.strip_prefix('f'));
    digits.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The disk whose changed blocks a file of this name maps, if it is such a map: `web01.vmdk` of
/// `web01-ctk.vmdk`.
#[must_use]
pub fn mapped_disk(name: &str) -> Option<String> {
    let end = "-ctk.vmdk";
    let (stem, tail) = name.split_at_checked(name.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end)
        .then(|| format!("{stem}.vmdk"))
}

/// What the disk is called, without its end, of which the descriptor of this name is a snapshot: `web01`
/// of `web01-000002.vmdk`.
#[must_use]
pub fn snapshot_of(descriptor: &str) -> Option<&str> {
    let (disk, number) = descriptor.strip_suffix(".vmdk")?.rsplit_once('-')?;
    let numbered = number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered.then_some(disk)
}

/// Whether a file of so many bytes is the data of a flat disk, whose size never changes; that of others
/// grows as their VM runs.
#[must_use]
pub fn is_flat(name: &str, bytes: u64) -> bool {
    name.ends_with("-flat.vmdk") && !FileKind::may_be_descriptor(name, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_vms_folder_is_told_apart() {
        for (name, kind) in [
            ("web01.vmx", FileKind::Vmx),
            ("WEB01.VMX", FileKind::Vmx),
            ("web01.vmdk", FileKind::Descriptor),
            ("web01-000001.vmdk", FileKind::Descriptor),
            ("web-flatter.vmdk", FileKind::Descriptor),
            ("web01-flat.vmdk", FileKind::Extent),
            ("web01-000001-sesparse.vmdk", FileKind::Extent),
            ("web01-000001-delta.vmdk", FileKind::Extent),
            ("web01-s001.vmdk", FileKind::Extent),
            ("web01-f012.vmdk", FileKind::Extent),
            ("web01.nvram", FileKind::Nvram),
            ("web01.vmsd", FileKind::Vmsd),
            ("web01-Snapshot1.vmsn", FileKind::State),
            ("vmware-3.log", FileKind::Log),
            (
                "web01-7cc630f0.vswp",
                FileKind::LeftBehind(LeftBehind::Swap),
            ),
            (
                "vmx-web01-26d7a4e9-1.vswp",
                FileKind::LeftBehind(LeftBehind::Swap),
            ),
            ("web01.vmx.lck", FileKind::LeftBehind(LeftBehind::Lock)),
            (
                ".lck-0000000000000001",
                FileKind::LeftBehind(LeftBehind::Lock),
            ),
            ("web01.vmx~", FileKind::LeftBehind(LeftBehind::WorkingCopy)),
            (
                "web01-ctk.vmdk",
                FileKind::LeftBehind(LeftBehind::ChangeMap),
            ),
            (
                "web01-000001-ctk.vmdk",
                FileKind::LeftBehind(LeftBehind::ChangeMap),
            ),
            ("web01.vmxf", FileKind::Other),
            ("", FileKind::Other),
        ] {
            assert_eq!(FileKind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn the_disk_of_a_snapshot_and_of_a_map_is_told_by_their_names() {
        assert_eq!(snapshot_of("web01-000002.vmdk"), Some("web01"));
        for other in [
            "web01.vmdk",
            "web01-00002.vmdk",
            "web01-00000a.vmdk",
            "web01-000002",
        ] {
            assert_eq!(snapshot_of(other), None, "{other}");
        }
        let disk = mapped_disk("a/web01-000001-CTK.vmdk");
        assert_eq!(disk.as_deref(), Some("a/web01-000001.vmdk"));
        for other in ["web01.vmdk", "ctk.vmdk", "é-ctk.vmd", ""] {
            assert_eq!(mapped_disk(other), None, "{other}");
        }
    }
}
