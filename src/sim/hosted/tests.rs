use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::vmfiles::images;

fn opened(folder: &Path, name: &str) -> Result<Hosted, Unreadable> {
    let vfs = Vfs::new(folder.to_owned());
    let mut head = std::fs::read(folder.join(name)).unwrap();
    head.truncate(Descriptor::PREFIX);
    Hosted::open(
        &vfs,
        &format!("/{name}"),
        &Descriptor::parse(&head).unwrap(),
    )
}

fn all(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut disk = opened(folder, name).map_err(|why| io::Error::other(why.said))?;
    let mut data = Vec::new();
    disk.read_to_end(&mut data)?;
    assert_eq!(data.len() as u64, disk.capacity());
    Ok(data)
}

/// Some data, holes, and a last grain that is not whole.
fn data() -> Vec<u8> {
    let mut data = vec![0; (3 << 20) + 8 * 512];
    for (at, byte) in data.iter_mut().enumerate() {
        if at % (1 << 20) < 150_000 || at > (3 << 20) {
            *byte = (at * 7 / 3 % 251) as u8;
        }
    }
    data
}

fn put(folder: &Path, create_type: &str, data: &[u8]) {
    for (name, bytes) in images::disk(create_type, "d", data) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn every_type_reads_as_what_was_written() {
    for create_type in images::TYPES {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), create_type, &data());
        assert!(
            all(folder.path(), "d.vmdk").unwrap() == data(),
            "{create_type}"
        );
    }
}

#[test]
fn what_is_cut_short_is_refused_wherever_it_is_cut() {
    for create_type in [
        "monolithicSparse",
        "streamOptimized",
        "twoGbMaxExtentSparse",
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), create_type, &data());
        let name = if create_type.starts_with("two") {
            "d-s001.vmdk"
        } else {
            "d.vmdk"
        };
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for length in [whole.len() - 512, whole.len() / 2, 70_000, 20_000] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(
                all(folder.path(), "d.vmdk").is_err(),
                "{create_type} at {length}"
            );
        }
        std::fs::remove_file(&path).unwrap();
        if create_type.starts_with("two") {
            let why = opened(folder.path(), "d.vmdk").err().unwrap();
            assert_eq!((why.path.as_str(), why.said), ("/d-s001.vmdk", MISSING));
        }
    }
}

/// `qemu-img` reads what the tests write, and what it writes is read.
#[test]
fn qemu_agrees() {
    let qemu = |args: &[&str], folder: &Path| {
        let mut run = std::process::Command::new("qemu-img");
        run.args(args).current_dir(folder).output()
    };
    let folder = tempfile::tempdir().unwrap();
    if qemu(&["--version"], folder.path()).is_err() {
        println!("SKIPPED: qemu-img is not installed (apt install qemu-utils)");
        return;
    }
    std::fs::write(folder.path().join("raw"), data()).unwrap();
    for create_type in images::TYPES {
        let subformat = format!("subformat={create_type}");
        let made = [
            "convert", "-f", "raw", "-O", "vmdk", "-o", &subformat, "raw", "q.vmdk",
        ];
        let made = qemu(&made, folder.path()).unwrap();
        assert!(made.status.success(), "{made:?}");
        let read = all(folder.path(), "q.vmdk").unwrap();
        assert!(read[..data().len()] == data(), "{create_type} by qemu-img");
        put(folder.path(), create_type, &data());
        // Split sparse disks are compared one way only: as qemu-img writes them.
        if create_type == "twoGbMaxExtentSparse" {
            continue;
        }
        let read = ["convert", "-f", "vmdk", "-O", "raw", "d.vmdk", "back"];
        let read = qemu(&read, folder.path()).unwrap();
        assert!(read.status.success(), "{create_type}: {read:?}");
        let back = std::fs::read(folder.path().join("back")).unwrap();
        assert!(back[..data().len()] == data(), "{create_type} for qemu-img");
        for name in std::fs::read_dir(folder.path()).unwrap().flatten() {
            if name.file_name() != "raw" {
                std::fs::remove_file(name.path()).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever bytes are bent, reading ends in data of the right length or in an error.
    #[test]
    fn no_bent_bytes_do_harm(
        stream in any::<bool>(),
        bends in proptest::collection::vec((0..12_000_usize, any::<u8>()), 1..8),
    ) {
        let mut small = vec![0; 1 << 20];
        small[100_000..300_000].fill(7);
        let text = "# Disk DescriptorFile\ncreateType=\"monolithicSparse\"\nRW 2048 SPARSE \"x\"\n";
        let mut bytes = images::sparse(&small, text, stream);
        let tail = bytes.len().saturating_sub(3000);
        for (at, byte) in bends {
            // Headers, tables and footers; not the descriptor, which says how much to read.
            let at = if at < 512 { at } else { tail + at % 3000 };
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("d.vmdk"), &bytes).unwrap();
        bytes.truncate(Descriptor::PREFIX);
        if Descriptor::parse(&bytes).is_ok_and(|disk| disk.capacity() == 1 << 20)
            && let Ok(data) = all(folder.path(), "d.vmdk")
        {
            prop_assert_eq!(data.len(), 1 << 20);
        }
    }
}
