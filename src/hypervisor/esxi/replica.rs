//! `esxcli storage vmfs snapshot list`: copies of VMFS volumes that the host sees and has not
//! mounted. A replicated volume that is given to another host does not mount by itself.

use super::table::{self, Record};
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::shown;

/// A copy of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The label of the volume that it is a copy of.
    pub label: String,
    /// That volume's UUID.
    pub uuid: String,
    /// The host would mount it under its own UUID.
    pub can_mount: bool,
    /// Why it would not, in the host's words; empty where it would.
    pub why_not: String,
}

impl Replica {
    /// Reads the reply of [`replicas`](super::commands::replicas).
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the unmounted copies of volumes";
        let read = |record: &Record| {
            let why_not = record.get("Reason for un-mountability");
            Ok(Self {
                label: shown(record.need("Volume Name", what)?),
                uuid: record.need("VMFS UUID", what)?.to_owned(),
                can_mount: record.need("Can mount", what)?.eq_ignore_ascii_case("true"),
                why_not: shown(why_not.unwrap_or_default()),
            })
        };
        table::records(output, what)?.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_come_with_the_hosts_own_reason() {
        let blocks = "5fd23c30-16acc074-006d-d09466c6d6af\n   Volume Name: tier2\n   VMFS UUID: 5fd23c30-16acc074-006d-d09466c6d6af\n   \
            Can mount: false\n   Reason for un-mountability: the original volume is still online\n   Can resignature: true\n   \
            Reason for non-resignaturability: \n   Unresolved Extent Count: 1\n   \n";
        let csv = "Canmount,Canresignature,Reasonfornon-resignaturability,Reasonforun-mountability,UnresolvedExtentCount,VMFSUUID,VolumeName,\n\
            false,true,,the original volume is still online,1,5fd23c30-16acc074-006d-d09466c6d6af,tier2,\n";
        let wanted = Replica {
            label: "tier2".into(),
            uuid: "5fd23c30-16acc074-006d-d09466c6d6af".into(),
            can_mount: false,
            why_not: "the original volume is still online".into(),
        };
        for text in [blocks, csv] {
            assert_eq!(
                Replica::parse_all(&Output::of(text)),
                Ok(vec![wanted.clone()]),
                "{text}"
            );
        }
        assert_eq!(Replica::parse_all(&Output::of("")), Ok(Vec::new()));
        assert!(Replica::parse_all(&Output::of("a\n   Volume Name: x\n")).is_err());
    }
}
