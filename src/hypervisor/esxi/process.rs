//! The VMs that run on a host right now: `esxcli vm process list`.
//!
//! It lists running VMs only. None running prints nothing, which a swallowed error does too, so an
//! empty list counts only with status 0 and a closing line that the same command printed.

use super::faults::check;
use super::table;
use super::uuid::BiosUuid;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

/// The line that [`running`](super::commands::running) prints after a list that succeeded.
pub const SENTINEL: &str = "lifeboat: end of the list";

/// A VM that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningVm {
    /// Its main world's number.
    pub world_id: u64,
    /// Its identity; `None` where the host printed none that can be compared, so that it could be
    /// any VM.
    pub uuid_bios: Option<BiosUuid>,
    /// Its .vmx, on the volume's UUID path.
    pub config_file: String,
    /// Its display name.
    pub name: String,
}

impl RunningVm {
    /// Whether it is the VM that is registered with this .vmx, a path within its datastore: the file
    /// and the uuid.bios tell, as far as both are known, and not the name, which can change.
    #[must_use]
    pub fn is_from(&self, vmx: &str, uuid_bios: Option<&BiosUuid>) -> bool {
        let mut known = self.uuid_bios.as_ref().zip(uuid_bios).into_iter();
        let folder = self.config_file.strip_suffix(vmx);
        folder.is_some_and(|folder| folder.ends_with('/')) && known.all(|(its, given)| its == given)
    }

    /// Reads the reply of [`running`](super::commands::running).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply without the closing line; a record without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        check(output)?;
        let text = output.text();
        let Some(list) = text.trim_end().strip_suffix(SENTINEL) else {
            return Err(unexpected(
                "the list of running VMs",
                "a list without its end",
            ));
        };
        if !(list.is_empty() || list.ends_with('\n')) {
            return Err(unexpected(
                "the list of running VMs",
                "a list that ends in the middle",
            ));
        }
        let records = table::parse(list, "the list of running VMs")?;
        records
            .iter()
            .map(|record| {
                let what = "a running VM";
                Ok(Self {
                    world_id: record.number("World ID", what)?,
                    uuid_bios: BiosUuid::parse(record.need("UUID", what)?),
                    config_file: record.need("Config File", what)?.to_owned(),
                    name: shown(record.need("Display Name", what)?),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "56 4d c4 d7 de eb 77 81-dc 69 4e 96 d4 c6 18 4f";

    fn reply(list: &str) -> Output {
        Output::of(&format!("{list}{SENTINEL}\n"))
    }

    #[test]
    fn csv_and_text_tell_the_same() {
        let csv = format!(
            "ConfigFile,DisplayName,ProcessID,UUID,VMXCartelID,WorldID,\n/vmfs/volumes/5cc/a b/a b.vmx,a b,0,{UUID},107651,107654,\n"
        );
        let text = format!(
            "a b\n   World ID: 107654\n   Process ID: 0\n   VMX Cartel ID: 107651\n   UUID: {UUID}\n   Display Name: a b\n   Config File: /vmfs/volumes/5cc/a b/a b.vmx\n"
        );
        let wanted = RunningVm {
            world_id: 107_654,
            uuid_bios: BiosUuid::parse("564dc4d7-deeb-7781-dc69-4e96d4c6184f"),
            config_file: "/vmfs/volumes/5cc/a b/a b.vmx".into(),
            name: "a b".into(),
        };
        assert_eq!(RunningVm::parse_all(&reply(&csv)), Ok(vec![wanted.clone()]));
        assert_eq!(RunningVm::parse_all(&reply(&text)), Ok(vec![wanted]));
    }

    #[test]
    fn an_empty_list_needs_status_0_and_its_end() {
        assert_eq!(RunningVm::parse_all(&reply("")), Ok(Vec::new()));
        assert_eq!(RunningVm::parse_all(&reply("\n")), Ok(Vec::new()));
        assert!(RunningVm::parse_all(&Output::default()).is_err());
        assert!(
            RunningVm::parse_all(&Output {
                status: 1,
                ..reply("")
            })
            .is_err()
        );
        assert!(
            RunningVm::parse_all(&Output {
                truncated: true,
                ..reply("")
            })
            .is_err()
        );
        let down = Output {
            stdout: "Connect to localhost failed: Connection failure\n".into(),
            status: 1,
            ..Output::default()
        };
        assert!(matches!(
            RunningVm::parse_all(&down),
            Err(DriverFault::HostdDown { .. })
        ));
    }

    #[test]
    fn a_vm_named_like_the_end_is_not_the_end() {
        let text =
            format!("{SENTINEL}\n   World ID: 1\n   UUID: {UUID}\n   Display Name: {SENTINEL}\n");
        let cut = Output {
            stdout: text.into(),
            ..Output::default()
        };
        assert!(RunningVm::parse_all(&cut).is_err());
    }

    #[test]
    fn a_uuid_that_cannot_be_compared_is_told() {
        let text = "x\n   World ID: 1\n   UUID: n/a\n   Display Name: x\n   Config File: /x.vmx\n";
        assert_eq!(
            RunningVm::parse_all(&reply(text)).unwrap()[0].uuid_bios,
            None
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "(.{0,30}\n   World ID: [0-9]{1,30}\n)?(.{0,60}\n){0,6}") {
            let _ = RunningVm::parse_all(&reply(&text));
        }
    }
}
