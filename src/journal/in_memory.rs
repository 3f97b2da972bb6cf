//! The journal's own lines without a file, for the simulated runs of the tests.

use std::sync::Arc;

use crate::engine::Entry;

use super::ZERO_HASH;
use super::line::{Expected, decode, encode};

/// The bytes of a journal.
pub(crate) fn write(entries: &[Arc<Entry>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut head = ZERO_HASH.to_owned();
    for entry in entries {
        let (line, hash) = encode(entry, &head).unwrap();
        bytes.extend_from_slice(line.as_bytes());
        head = hash;
    }
    bytes
}

/// The lines that can be read, up to the first that is torn.
pub(crate) fn read(bytes: &[u8]) -> Vec<Arc<Entry>> {
    let mut entries = Vec::new();
    let mut head = ZERO_HASH.to_owned();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let expected = Expected {
            seq: entries.len() as u64 + 1,
            prev: &head,
        };
        let (entry, hash) = decode(line, &expected).unwrap();
        entries.push(Arc::new(entry));
        head = hash;
    }
    entries
}
