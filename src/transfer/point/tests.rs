use std::collections::BTreeMap;

use super::*;

const VMX: &str = "displayName = \"web01\"\nscsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\n\
    scsi0:0.fileName = \"web01.vmdk\"\n";
const DISK: &str = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
    createType=\"vmfs\"\nRW 8 VMFS \"web01-flat.vmdk\"\n";

/// A sound point of three files beside others that are not the VM's.
struct Folder {
    files: BTreeMap<&'static str, Vec<u8>>,
    sums: BTreeMap<&'static str, String>,
}

impl Folder {
    fn sound() -> Self {
        let mut folder = Self {
            files: BTreeMap::new(),
            sums: BTreeMap::new(),
        };
        folder.put("web01.vmx", VMX);
        folder.put("web01.vmdk", DISK);
        folder.put("web01-flat.vmdk", &"x".repeat(4096));
        folder.files.insert("STATUS.ok", Vec::new());
        folder
    }

    fn put(&mut self, name: &'static str, text: &str) {
        self.files.insert(name, text.as_bytes().to_vec());
        self.sums.insert(name, Sum::of(text.as_bytes()).to_string());
    }

    fn listing(&self) -> Vec<Listed> {
        let listed = |(name, bytes): (&&str, &Vec<u8>)| Listed {
            name: (*name).to_owned(),
            bytes: bytes.len() as u64,
            is_file: true,
        };
        self.files.iter().map(listed).collect()
    }

    fn point(&self, kind: PointKind) -> Point {
        let sums: String = self
            .sums
            .iter()
            .map(|(n, sum)| format!("{sum}  {n}\n"))
            .collect();
        let stamp = "20260102T030405Z".parse().unwrap();
        let mut point = Point::assess(
            (stamp, kind),
            "/backup/web01",
            &self.listing(),
            Some(sums.as_bytes()),
        );
        let texts = point
            .texts()
            .iter()
            .map(|file| (file.name.clone(), self.files[file.name.as_str()].clone()))
            .collect();
        point.check_texts(&texts);
        point
    }

    fn flaws(&self) -> String {
        self.point(PointKind::Full).flaws_in_words()
    }
}

#[test]
fn a_whole_point_is_sound_and_only_its_own() {
    let mut folder = Folder::sound();
    folder.put("web01.vswp", "swap");
    folder.put("vmware.log", "log");
    let point = folder.point(PointKind::Full);
    assert_eq!(point.flaws, []);
    let names: Vec<&str> = point.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["web01-flat.vmdk", "web01.vmdk", "web01.vmx"]);
    assert_eq!(point.vmx(), Some("web01.vmx"));
    let left: Vec<&str> = point
        .left_behind
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(left, ["vmware.log", "web01.vswp"]);
    assert_eq!(point.bytes(), 4096 + (VMX.len() + DISK.len()) as u64);
}

#[test]
fn each_flaw_is_named() {
    let without = |name| {
        let mut folder = Folder::sound();
        folder.files.remove(name);
        folder
    };
    let with = |name, text: &str| {
        let mut folder = Folder::sound();
        folder.put(name, text);
        folder
    };
    for (folder, expected) in [
        (
            without("web01-flat.vmdk"),
            "web01-flat.vmdk is named in SHA256SUMS but is not in the folder",
        ),
        (
            with("web01-flat.vmdk", "short"),
            "web01-flat.vmdk is shorter than its descriptor says: 5 bytes, not 4096",
        ),
        (
            with("web01-flat.vmdk", &"x".repeat(5000)),
            "web01-flat.vmdk is longer than its descriptor says: 5000 bytes, not 4096",
        ),
        (
            with("second.vmx", VMX),
            "it has several .vmx files: second.vmx, web01.vmx",
        ),
        (
            with("web01.vmx", "\0"),
            "web01.vmx cannot be read: not a text file: a zero byte on line 1",
        ),
        (
            with("web01.vmdk", "hello"),
            "web01.vmdk cannot be read: not a disk descriptor",
        ),
        (
            with(
                "web01.vmx",
                &VMX.replace("web01.vmdk", "/vmfs/volumes/x/other.vmdk"),
            ),
            "web01.vmx needs /vmfs/volumes/x/other.vmdk, which the point does not hold",
        ),
        (
            with("web01.vmdk", &DISK.replace("web01-flat", "other-flat")),
            "web01.vmdk needs other-flat.vmdk, which the point does not hold",
        ),
        (
            with(
                "web01.vmdk",
                &DISK.replace("CID=ffffffff", "CID=2\nparentFileNameHint=\"base.vmdk\""),
            ),
            "web01.vmdk needs base.vmdk, which the point does not hold",
        ),
        (
            with("web01.vmdk", &DISK.replace("\"vmfs\"", "\"custom\"")),
            "web01.vmdk is of the type custom, which an ESXi host cannot run, and cannot convert as it is",
        ),
        (
            with(
                "web01.vmdk",
                &DISK.replace("\"vmfs\"", "\"vmfsRawDeviceMap\""),
            ),
            "web01.vmdk points to a device of the other site: its data is not in the backup",
        ),
    ] {
        assert_eq!(folder.flaws(), expected);
    }
    let mut flipped = Folder::sound();
    flipped
        .files
        .insert("web01.vmx", VMX.replace("web01\"", "web02\"").into_bytes());
    assert_eq!(
        flipped.flaws(),
        "web01.vmx has changed since the backup: its sum is not the recorded one"
    );
    let mut none = Folder::sound();
    none.sums.clear();
    assert_eq!(none.flaws(), "SHA256SUMS names no file");
    let missing = without("web01-flat.vmdk").point(PointKind::Incremental);
    assert_eq!(
        missing.flaws[0],
        Flaw::Elsewhere {
            name: "web01-flat.vmdk".to_owned()
        }
    );
    let bare = Point::assess((missing.stamp, PointKind::Full), "/b", &[], None);
    assert_eq!(bare.flaws, [Flaw::NoSums]);
    let mut folder = Folder::sound().listing();
    folder
        .iter_mut()
        .for_each(|entry| entry.is_file = entry.name != "web01.vmx");
    let sums = format!("{}  web01.vmx\n", Sum::of(b""));
    let odd = Point::assess(
        (missing.stamp, PointKind::Full),
        "/b",
        &folder,
        Some(sums.as_bytes()),
    );
    assert_eq!(
        odd.flaws[0],
        Flaw::NotAFile {
            name: "web01.vmx".to_owned()
        }
    );
}

#[test]
fn folders_are_told_from_points_by_their_names() {
    for (name, kind) in [
        ("20260102T030405Z", Some(PointKind::Full)),
        ("20260102T030405Z-full", Some(PointKind::Full)),
        ("20260102T030405Z-incr", Some(PointKind::Incremental)),
        ("20260102T030405Z-other", None),
        ("20260102T030405", None),
        ("20261302T030405Z", None),
        ("20260102T250405Z", None),
        ("2026-1-2T030405Z", None),
        ("+0260102T030405Z", None),
        ("20260102t030405z", None),
        ("web01", None),
        ("", None),
    ] {
        assert_eq!(parse_point_name(name).map(|(_, kind)| kind), kind, "{name}");
    }
    let stamp: Stamp = "20260102T030405Z".parse().unwrap();
    assert_eq!(stamp.to_string(), "20260102T030405Z");
    assert_eq!(stamp.time().to_string(), "2026-01-02T03:04:05Z");
    let outage = "2026-01-02T04:04:05Z".parse().unwrap();
    assert_eq!(stamp.age_at(outage), SignedDuration::from_hours(1));
}
