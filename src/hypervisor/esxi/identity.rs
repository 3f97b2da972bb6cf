//! By what a VM is one of a kind: its uuid.bios and the MACs of its adapters, as its .vmx has them.

use super::uuid::BiosUuid;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected, whole};
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
/// order; a file that cannot be read has no identity.
///
/// # Errors
///
/// The reply is not whole.
pub fn parse_all(output: &Output, files: usize) -> Result<Vec<Identity>, DriverFault> {
    lines_of(output, files, "the identities of VMs", |vmx| {
        vmx.map_or_else(Identity::default, Identity::of)
    })
}

/// Reads lines of that many .vmx files, each file behind a line of its own and that line once more at
/// the end; a file that cannot be read has none.
///
/// # Errors
///
/// The reply is not whole.
pub(super) fn lines_of<T>(
    output: &Output,
    files: usize,
    what: &'static str,
    read: impl Fn(Option<&Vmx>) -> T,
) -> Result<Vec<T>, DriverFault> {
    succeeded(output, "sh")?;
    whole(output)?;
    let text = output.text();
    let parts = text.split("file\n").skip(1);
    let mut found: Vec<T> = parts
        .map(|part| read(Vmx::parse(part.as_bytes()).ok().as_ref()))
        .collect();
    // The last part is the mark of the end, and has no lines.
    if found.pop().is_some() && found.len() == files && text.ends_with("file\n") {
        Ok(found)
    } else {
        Err(unexpected(what, &said(output)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::esxi::commands;

    const LINES: &str = "uuid.bios = \"56 4d c4 d7 de eb 77 81-dc 69 4e 96 d4 c6 18 4f\"\n\
        ethernet0.present = \"TRUE\"\nethernet0.addressType = \"static\"\n\
        ethernet0.address = \"00:50:56:01:02:0A\"\nethernet0.generatedAddress = \"00:0c:29:00:00:01\"\n\
        ethernet1.present = \"FALSE\"\nethernet1.generatedAddress = \"00:0c:29:00:00:02\"\n";

    #[test]
    fn each_file_in_order_and_the_end_proven() {
        let two = format!("file\n{LINES}file\nfile\n");
        let read = parse_all(&Output::of(&two), 2).unwrap();
        assert_eq!(read[0].macs, ["00:50:56:01:02:0a"]);
        assert!(read[0].uuid.is_some() && !read[0].is_new);
        assert_eq!(read[1], Identity::default());
        for (torn, files) in [("", 0), (two.as_str(), 3), ("file\nuuid.bios", 1)] {
            assert!(parse_all(&Output::of(torn), files).is_err(), "{torn}");
        }
        assert_eq!(parse_all(&Output::of("file\n"), 0), Ok(vec![]));
    }

    #[test]
    fn the_paths_of_a_host_with_many_vms_do_not_make_its_line_longer() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let dir = tempfile::tempdir().unwrap();
        let name = |n: usize| dir.path().join(format!(" pool-{n:060}\\ .vmx"));
        let paths: Vec<String> = (0..600).map(|n| name(n).display().to_string()).collect();
        std::fs::write(name(0), LINES).unwrap();
        std::fs::write(name(599), LINES).unwrap();
        for command in [commands::identities(&paths), commands::joined(&paths)] {
            assert!(command.line().len() < 1000);
            let mut child = Command::new("sh")
                .args(["-c", &command.line()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(command.input()).unwrap();
            drop(stdin);
            let stdout = child.wait_with_output().unwrap().stdout;
            let output = Output::of(&String::from_utf8(stdout).unwrap());
            let read = lines_of(&output, 600, "lines", |vmx| {
                vmx.is_some_and(|vmx| !vmx.adapters().is_empty())
            });
            let found: Vec<usize> = (0..600).filter(|at| read.as_ref().unwrap()[*at]).collect();
            assert_eq!(found, [0, 599]);
        }
    }

    #[test]
    fn nothing_known_is_nothing_shared() {
        let none = Identity::default();
        assert_eq!(none.shared_with(&none), None);
    }
}
