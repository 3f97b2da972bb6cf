//! By what a VM is one of a kind: its uuid.bios and the MACs of its adapters, as its .vmx has them.

use super::uuid::BiosUuid;
use super::vmx_lines::{Unread, lines_of};
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::vmfiles::Vmx;

/// The identity that a .vmx gives its VM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its uuid.bios.
    pub uuid: Option<BiosUuid>,
    /// MACs of its present adapters, lower case with colons.
    pub macs: Vec<String>,
    /// The host makes a new one at its next start (`uuid.action = "create"`).
    pub is_new: bool,
}

impl Identity {
    /// The identity in a .vmx, or in those of its lines that bear it.
    #[must_use]
    pub fn of(vmx: &Vmx) -> Self {
        let action = vmx.get("uuid.action");
        let macs = vmx.adapters().into_iter().filter(|adapter| adapter.present);
        Self {
            uuid: vmx.uuid_bios().as_deref().and_then(BiosUuid::parse),
            macs: macs
                .filter_map(|adapter| Some(adapter.address?.to_ascii_lowercase()))
                .collect(),
            is_new: action.is_some_and(|action| action.eq_ignore_ascii_case("create")),
        }
    }

    /// What both have, in words.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Option<String> {
        if self.is_new || other.is_new {
            return None;
        }
        if let Some(uuid) = self.uuid.filter(|_| self.uuid == other.uuid) {
            return Some(format!("uuid.bios {uuid}"));
        }
        let mac = self.macs.iter().find(|mac| other.macs.contains(mac))?;
        Some(format!("MAC {mac}"))
    }
}

/// Reads the reply of [`identities`](super::commands::identities) for that many files, in their
/// order; one that was read and names none has no identity.
///
/// # Errors
///
/// The reply is not whole.
pub fn parse_all(
    output: &Output,
    files: usize,
) -> Result<Vec<Result<Identity, Unread>>, DriverFault> {
    lines_of(output, files, "the identities of VMs", |vmx| {
        vmx.map_or_else(Identity::default, Identity::of)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "uuid.bios = \"56 4d c4 d7 de eb 77 81-dc 69 4e 96 d4 c6 18 4f\"\n\
        ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\n\
        ethernet0.address = \"00:50:56:01:02:0A\"\nethernet0.generatedAddress = \"00:0c:29:00:00:01\"\n\
        ethernet1.present = \"FALSE\"\nethernet1.generatedAddress = \"00:0c:29:00:00:02\"\n";

    #[test]
    fn each_file_in_order_and_the_end_proven() {
        let two = format!("file\n{LINES}file\nfile\n");
        let read = parse_all(&Output::of(&two), 2).unwrap();
        let own = read[0].as_ref().unwrap();
        assert_eq!(own.macs, ["00:50:56:01:02:0a"]);
        assert!(own.uuid.is_some() && !own.is_new);
        assert_eq!(read[1], Ok(Identity::default()));
        for (torn, files) in [("", 0), (two.as_str(), 3), ("file\nuuid.bios", 1)] {
            assert!(parse_all(&Output::of(torn), files).is_err(), "{torn}");
        }
        assert_eq!(parse_all(&Output::of("file\n"), 0), Ok(vec![]));
    }

    #[test]
    fn nothing_known_is_nothing_shared() {
        let none = Identity::default();
        assert_eq!(none.shared_with(&none), None);
    }
}
