//! What the adapters of VMs are joined to, as their .vmx files have it.

use super::vmx_lines::{Unread, lines_of};
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::vmfiles::{Adapter, Vmx};

/// Reads the reply of [`joined`](super::commands::joined) for that many files, in their order: the
/// adapters that each VM sees.
///
/// # Errors
///
/// The reply is not whole.
pub fn parse_all(
    output: &Output,
    files: usize,
) -> Result<Vec<Result<Vec<Adapter>, Unread>>, DriverFault> {
    let present = |vmx: Option<&Vmx>| {
        let adapters = vmx.map(Vmx::adapters).unwrap_or_default().into_iter();
        adapters.filter(|adapter| adapter.present).collect()
    };
    lines_of(output, files, "what VMs are joined to", present)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vm_with_its_present_adapters() {
        let lines = "ethernet0.present = \"TRUE\"\nethernet0.networkName = \"VM Network\"\n\
            ethernet1.present = \"FALSE\"\nethernet1.networkName = \"DMZ\"\n\
            ethernet2.present = \"TRUE\"\nethernet2.dvs.portId = \"7\"\n";
        let read = parse_all(&Output::of(&format!("file\n{lines}file\nfile\n")), 2).unwrap();
        let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
        let names: Vec<_> = read[0]
            .iter()
            .map(|its| its.network_name.as_deref())
            .collect();
        assert_eq!(names, [Some("VM Network"), None]);
        assert_eq!((read[0][1].switch_keys.len(), read[1].len()), (1, 0));
        assert!(parse_all(&Output::of("file\n"), 1).is_err());
    }
}
