//! Everything "random" at a site: derived from its seed and a label, so that a site can be made
//! again exactly.

use sha2::{Digest, Sha256};

/// A stream of numbers for one label.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The stream of this label at a site with this seed.
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(seed.to_le_bytes());
        hasher.update(label.as_bytes());
        let digest = hasher.finalize();
        let mut first = [0; 8];
        for (slot, byte) in first.iter_mut().zip(digest.iter()) {
            *slot = *byte;
        }
        Self(u64::from_le_bytes(first))
    }

    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit` (0 where the limit is 0).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// Sixteen bytes as `uuid.bios` spells them.
    pub(crate) fn vmx_uuid(&mut self) -> String {
        let mut bytes = self.bytes(16);
        // What ESXi makes begins with 56 4d ("VM").
        for (slot, byte) in bytes.iter_mut().zip([0x56, 0x4d]) {
            *slot = byte;
        }
        spell_uuid(&bytes)
    }

    /// A VMFS-6 volume's UUID, `8-8-4-12`, ending in the maker's MAC.
    pub(crate) fn volume_uuid(&mut self, mac: &str) -> String {
        let (a, b, c) = (self.next(), self.next(), self.next());
        // The first group is a time; this range lies in the years 2021 to 2023.
        let time = 0x6000_0000 + (a & 0x03ff_ffff);
        format!(
            "{time:08x}-{:08x}-{:04x}-{}",
            b & 0xffff_ffff,
            c & 0xffff,
            mac.replace(':', "")
        )
    }
}

/// `56 4d … -…`: sixteen bytes, a hyphen in the middle.
pub(crate) fn spell_uuid(bytes: &[u8]) -> String {
    let group = |part: &[u8]| {
        part.iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (left, right) = bytes.split_at(bytes.len() / 2);
    format!("{}-{}", group(left), group(right))
}

/// A UUID in the spelling of .vmx as the dashed one (`8-4-4-4-12`).
pub(crate) fn dashed(vmx_uuid: &str) -> String {
    let hex: String = vmx_uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
