//! Disk descriptors as several makers write them.

use crate::vmfiles::{Access, Descriptor, DescriptorError, Runnable};

const THIN: &str = r#"# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=1a2b3c4d
parentCID=ffffffff
createType="vmfs"

# Extent description
RW 167772160 VMFS "web01-flat.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.thinProvisioned = "1"
ddb.uuid = "60 00 C2 9c"
"#;

fn parse(text: &str) -> Descriptor {
    Descriptor::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_hosts_own_disk() {
    let disk = parse(THIN);
    assert_eq!(
        (disk.version, disk.cid, disk.parent_cid),
        (Some(1), Some(0x1a2b_3c4d), None)
    );
    assert_eq!(disk.capacity(), 80 << 30);
    assert_eq!(disk.files().collect::<Vec<_>>(), ["web01-flat.vmdk"]);
    assert_eq!(disk.extents[0].access, Access::ReadWrite);
    assert!(disk.ddb.contains_key("thinprovisioned") && !disk.is_link() && !disk.embedded);
    assert_eq!(disk.runnable(), Runnable::Yes);
    assert_eq!(
        disk.ddb.get("adaptertype").map(String::as_str),
        Some("lsilogic")
    );
    assert_eq!(parse(&THIN.replace('\n', "\r\n")), disk);
    assert_eq!(
        parse(&format!("{THIN}\0\0\0junk")),
        disk,
        "padding ends the text"
    );
    let thick = parse(&THIN.replace("ddb.thinProvisioned = \"1\"", ""));
    assert!(!thick.ddb.contains_key("thinprovisioned"));
}

#[test]
fn spellings_of_other_makers() {
    let odd = "# disk descriptorfile\nversion=2 \nencoding= #\"windows-1252\"\ncid=00000007\n\
        createType=\"twoGbMaxExtentFlat\"\nRW 4192256 FLAT \"a-f001.vmdk\" 0\n\
        rdonly  128  ZERO\nRW 63 FLAT \"part\"2\".img\" 9 partitionUUID x\n\
        changeTrackPath=\"a-ctk.vmdk\"\nddb.adapterType=\"ide\"\n";
    let disk = parse(odd);
    assert_eq!(disk.capacity(), (4_192_256 + 128 + 63) * 512);
    assert_eq!(
        disk.files().collect::<Vec<_>>(),
        ["a-f001.vmdk", "part\"2\".img"]
    );
    assert_eq!(
        (disk.extents[1].access, disk.extents[1].file.as_deref()),
        (Access::ReadOnly, None)
    );
    assert_eq!(disk.extents[2].offset, Some(9));
    assert_eq!(disk.change_map.as_deref(), Some("a-ctk.vmdk"));
    assert_eq!(disk.runnable(), Runnable::AfterConversion);
    let latin =
        b"# Disk DescriptorFile\nencoding=\"windows-1252\"\nRW 1 VMFS \"caf\xe9-flat.vmdk\"\n";
    let disk = Descriptor::parse(latin).unwrap();
    assert_eq!(disk.files().collect::<Vec<_>>(), ["café-flat.vmdk"]);
}

#[test]
fn a_snapshot_link_knows_the_disk_below() {
    let link = THIN
        .replace(
            "parentCID=ffffffff",
            "parentCID=00c0ffee\nparentFileNameHint=\"web01.vmdk\"",
        )
        .replace("\"vmfs\"", "\"seSparse\"");
    let disk = parse(&link);
    assert_eq!(
        (disk.parent_cid, disk.parent_hint.as_deref()),
        (Some(0x00c0_ffee), Some("web01.vmdk"))
    );
    assert!(disk.is_link());
}

#[test]
fn a_sparse_disk_holds_its_own_descriptor() {
    let mut disk = vec![0; 512 * 21];
    disk[..4].copy_from_slice(b"KDMV");
    disk[28..36].copy_from_slice(&1_u64.to_le_bytes());
    disk[36..44].copy_from_slice(&20_u64.to_le_bytes());
    let text = THIN.replace("\"vmfs\"", "\"monolithicSparse\"");
    disk[512..512 + text.len()].copy_from_slice(text.as_bytes());
    let parsed = Descriptor::parse(&disk).unwrap();
    assert!(parsed.embedded);
    assert_eq!(parsed.runnable(), Runnable::AfterConversion);
    let cut = Descriptor::parse(&disk[..600]).unwrap_err();
    assert_eq!(
        cut,
        DescriptorError::OutOfReach {
            from: 512,
            to: 512 * 21,
            have: 600
        }
    );
    disk[28..36].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(
        Descriptor::parse(&disk),
        Err(DescriptorError::NotADescriptor)
    );
    assert_eq!(
        Descriptor::parse(b"KDMV"),
        Err(DescriptorError::NotADescriptor)
    );
}

#[test]
fn what_is_broken_is_named() {
    assert_eq!(Descriptor::parse(b""), Err(DescriptorError::NotADescriptor));
    assert_eq!(
        Descriptor::parse(&[0; 4096]),
        Err(DescriptorError::NotADescriptor)
    );
    let none = Descriptor::parse(b"# Disk DescriptorFile\nversion=1\n");
    assert_eq!(none, Err(DescriptorError::NoExtents));
    for line in [
        "RW",
        "RW x VMFS \"a\"",
        "RW -1 VMFS \"a\"",
        "RW 99999999999999999999 VMFS \"a\"",
        "RW 36028797018963968 VMFS \"a\"",
        "RW 8 VMFS a-flat.vmdk",
        "RW 8 VMFS \"a-flat.vmdk",
        "RW 8 VMFS \"\"",
        "RW 8",
        "RW 8 @TYPE@ \"a\"",
    ] {
        let text = format!("# Disk DescriptorFile\nRW 1 ZERO\n{line}\n");
        let result = Descriptor::parse(text.as_bytes());
        // A word alone is no extent's line at all.
        if line == "RW" {
            assert!(result.is_ok());
        } else {
            let expected = DescriptorError::BadExtent {
                line: 3,
                text: line.to_owned(),
            };
            assert_eq!(result, Err(expected));
        }
    }
    let absurd = "# Disk DescriptorFile\nRW 36028797018963967 ZERO\nRW 36028797018963967 ZERO\n";
    assert_eq!(
        Descriptor::parse(absurd.as_bytes()),
        Err(DescriptorError::Absurd)
    );
    let cid = THIN.replace("CID=1a2b3c4d", "CID=#CID#");
    assert_eq!(
        Descriptor::parse(cid.as_bytes()).unwrap_err().to_string(),
        "`CID` is `#CID#`, not a number"
    );
}
