//! Disks of hosted products for tests, written after VMware's "Virtual Disk Format 5.0".

use std::collections::BTreeMap;

const SECTOR: usize = 512;
const GRAIN: usize = 64 << 10;
const ENTRIES: usize = 512;

/// The types of hosted disks.
pub(crate) const TYPES: [&str; 5] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
];

/// The files of a disk of one of [`TYPES`] that holds `data` (whole sectors), in two pieces where
/// the type has pieces: the first of whole MiB, the second of one or a little more.
pub(crate) fn disk(create_type: &str, stem: &str, data: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let name = format!("{stem}.vmdk");
    let line = |bytes: usize, kind: &str, file: &str, rest: &str| {
        format!("RW {} {kind} \"{file}\"{rest}\n", bytes / SECTOR)
    };
    let head = format!(
        "# Disk DescriptorFile\nversion=1\nCID=1234abcd\nparentCID=ffffffff\ncreateType=\"{create_type}\"\n\n"
    );
    let foot = "\nddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"4\"\n";
    let split = (data.len() - (1 << 20)) >> 20 << 20;
    let pieces = |letter: char| {
        [&data[..split], &data[split..]]
            .into_iter()
            .zip(1..)
            .map(move |(data, number)| (format!("{stem}-{letter}{number:03}.vmdk"), data))
    };
    let mut files = BTreeMap::new();
    let mut text = head;
    match create_type {
        "monolithicSparse" | "streamOptimized" => {
            text += &line(data.len(), "SPARSE", "as-it-was-made.vmdk", "");
            text += foot;
            let stream = create_type == "streamOptimized";
            files.insert(name, sparse(data, &text, stream));
            return files;
        }
        "monolithicFlat" => {
            let flat = format!("{stem}-flat.vmdk");
            text += &line(data.len(), "FLAT", &flat, " 0");
            files.insert(flat, data.to_vec());
        }
        "twoGbMaxExtentFlat" => {
            for (file, data) in pieces('f') {
                text += &line(data.len(), "FLAT", &file, " 0");
                files.insert(file, data.to_vec());
            }
        }
        _ => {
            for (file, data) in pieces('s') {
                text += &line(data.len(), "SPARSE", &file, "");
                files.insert(file, sparse(data, "", false));
            }
        }
    }
    text += foot;
    files.insert(name, text.into_bytes());
    files
}

/// One sparse extent, with its descriptor inside if there is any.
pub(crate) fn sparse(data: &[u8], text: &str, stream: bool) -> Vec<u8> {
    let grains: Vec<Vec<u8>> = data
        .chunks(GRAIN)
        .map(|grain| {
            let mut grain = grain.to_vec();
            grain.resize(GRAIN, 0);
            grain
        })
        .collect();
    let tables = grains.len().div_ceil(ENTRIES);
    let described = if text.is_empty() { 0 } else { 20 };
    let directory = 1 + described;
    let directory_sectors = (tables * 4).div_ceil(SECTOR);
    let first_table = directory + directory_sectors;
    let overhead = if stream {
        128
    } else {
        (first_table + tables * 4).next_multiple_of(GRAIN / SECTOR)
    };
    let mut file = vec![0; overhead * SECTOR];
    file[SECTOR..SECTOR + text.len()].copy_from_slice(text.as_bytes());
    let mut entries = vec![0_u32; tables * ENTRIES];
    for (number, grain) in grains.iter().enumerate() {
        if grain.iter().all(|byte| *byte == 0) {
            continue;
        }
        entries[number] = u32::try_from(file.len() / SECTOR).unwrap();
        if stream {
            let deflated = miniz_oxide::deflate::compress_to_vec_zlib(grain, 6);
            let sector = (number * GRAIN / SECTOR) as u64;
            file.extend(sector.to_le_bytes());
            file.extend(u32::try_from(deflated.len()).unwrap().to_le_bytes());
            file.extend(deflated);
        } else {
            file.extend(grain);
        }
        pad(&mut file);
    }
    let bytes = |numbers: &[u32]| {
        numbers
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let header = |at: u64| header(data.len(), described, at, overhead, stream);
    if !stream {
        let sectors: Vec<u32> = (0..tables)
            .map(|table| u32::try_from(first_table + table * 4).unwrap())
            .collect();
        let at = directory * SECTOR;
        file[at..at + tables * 4].copy_from_slice(&bytes(&sectors));
        let at = first_table * SECTOR;
        file[at..at + entries.len() * 4].copy_from_slice(&bytes(&entries));
        file[..SECTOR].copy_from_slice(&header(directory as u64));
        return file;
    }
    let marker = |file: &mut Vec<u8>, sectors: u64, kind: u32| {
        file.extend(sectors.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        pad(file);
    };
    let mut sectors = Vec::new();
    for table in entries.chunks(ENTRIES) {
        if table.iter().all(|entry| *entry == 0) {
            sectors.push(0);
            continue;
        }
        marker(&mut file, 4, 1);
        sectors.push(u32::try_from(file.len() / SECTOR).unwrap());
        file.extend(bytes(table));
    }
    marker(&mut file, directory_sectors as u64, 2);
    let at = (file.len() / SECTOR) as u64;
    file.extend(bytes(&sectors));
    pad(&mut file);
    marker(&mut file, 1, 3);
    file.extend(header(at));
    file.extend([0; SECTOR]);
    file[..SECTOR].copy_from_slice(&header(u64::MAX));
    file
}

fn pad(file: &mut Vec<u8>) {
    file.resize(file.len().next_multiple_of(SECTOR), 0);
}

fn header(
    bytes: usize,
    described: usize,
    directory: u64,
    overhead: usize,
    stream: bool,
) -> Vec<u8> {
    let (version, flags): (u32, u32) = if stream { (3, 1 | 3 << 16) } else { (1, 1) };
    let mut header = b"KDMV".to_vec();
    header.extend(version.to_le_bytes());
    header.extend(flags.to_le_bytes());
    let place = u64::from(described > 0);
    for value in [
        (bytes / SECTOR) as u64,
        (GRAIN / SECTOR) as u64,
        place,
        described as u64,
    ] {
        header.extend(value.to_le_bytes());
    }
    header.extend(u32::try_from(ENTRIES).unwrap().to_le_bytes());
    for value in [0, directory, overhead as u64] {
        header.extend(value.to_le_bytes());
    }
    header.push(0);
    header.extend(b"\n \r\n");
    header.extend(u16::from(stream).to_le_bytes());
    header.resize(SECTOR, 0);
    header
}
