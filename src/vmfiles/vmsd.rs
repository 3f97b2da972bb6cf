//! The snapshot catalogue of a virtual machine.

use super::VmxError;
use super::dictionary::Dictionary;
use super::vmx::text_of;

/// A `.vmsd` file. An empty one, which is common, means no snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vmsd {
    /// In the catalogue's order.
    pub snapshots: Vec<Snapshot>,
    /// What `snapshot.numSnapshots` claims; it may differ from what is listed.
    pub claimed: Option<u32>,
}

/// One snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number within the VM.
    pub uid: Option<u32>,
    /// As people called it.
    pub name: Option<String>,
    /// Disks that were the VM's at that moment.
    pub disks: Vec<String>,
}

impl Vmsd {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// [`VmxError::TooLarge`] and [`VmxError::Binary`]; never [`VmxError::NoEntries`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VmxError> {
        let document = text_of(bytes)?;
        let mut numbers: Vec<u32> = document
            .keys_under("snapshot")
            .filter_map(snapshot_number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let snapshots = numbers
            .into_iter()
            .map(|number| snapshot(&document, number))
            .collect();
        let claimed = document.get("snapshot.numSnapshots");
        Ok(Self {
            snapshots,
            claimed: claimed.and_then(|text| text.trim().parse().ok()),
        })
    }

    /// How many snapshots there are: what is listed or what is claimed, whichever is more.
    #[must_use]
    pub fn count(&self) -> usize {
        let claimed = self
            .claimed
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0);
        self.snapshots.len().max(claimed)
    }
}

/// The number in `snapshot0.uid`.
fn snapshot_number(key: &str) -> Option<u32> {
    key.strip_prefix("snapshot")?
        .strip_suffix(".uid")?
        .parse()
        .ok()
}

fn snapshot(document: &Dictionary, number: u32) -> Snapshot {
    let prefix = format!("snapshot{number}.");
    let get = |key: &str| document.get(&format!("{prefix}{key}"));
    let disk = format!("{prefix}disk");
    let disks = document
        .keys_under(&disk)
        .filter(|key| key.ends_with(".filename"))
        .filter_map(|key| document.get(key))
        .collect();
    Snapshot {
        uid: get("uid").and_then(|uid| uid.trim().parse().ok()),
        name: get("displayName"),
        disks,
    }
}
