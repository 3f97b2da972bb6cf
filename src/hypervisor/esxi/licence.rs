//! `vim-cmd vimsvc/license --show`: what the host may run on, and until when.

use jiff::Timestamp;

use super::faults::check;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

/// The serial that stands for none: the host is being evaluated.
const NO_SERIAL: &str = "00000-00000-00000-00000-00000";

/// One licence. Its serial is compared and never kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licence {
    /// Its name, e.g. `VMware vSphere 8 Standard`.
    pub name: String,
    /// It is no licence that was bought, but the time that every new host is given.
    pub evaluation: bool,
    /// When it ends; `None` for one without an end.
    pub expires: Option<Timestamp>,
}

impl Licence {
    /// Reads the reply of [`licences`](super::commands::licences).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply that names no licence.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        check(output)?;
        let text = output.text();
        let mut licences: Vec<Self> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(serial) = line.strip_prefix("serial:") {
                licences.push(Self {
                    evaluation: serial.trim() == NO_SERIAL,
                    ..Self::default()
                });
            }
            let Some(licence) = licences.last_mut() else {
                continue;
            };
            if let Some(key) = line.strip_prefix("vmodl key:") {
                licence.evaluation |= key.trim().split('.').any(|word| word == "eval");
            } else if let Some(name) = line.strip_prefix("name:") {
                licence.name = shown(name.trim());
            } else if let Some(at) = line.strip_prefix("[expirationDate] =") {
                licence.expires = at.trim().parse().ok();
            }
        }
        licences.retain(|licence| !licence.name.is_empty());
        if licences.is_empty() {
            return Err(unexpected("the host's licences", &text));
        }
        Ok(licences)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str =
        "[200] Sending request for installed licenses...[200] Complete, result is:\n";
    const END: &str = "\n[200] End of report.\n";

    #[test]
    fn an_evaluation_has_an_end() {
        let text = format!(
            "{HEAD}   serial: 00000-00000-00000-00000-00000\n   vmodl key: esx.eval.entitlement.cpuCoreMin\n   \
             name: VMware ESX Server\n   total: 1\n   used: 1\n   unit: host\n   Properties:\n     \
             [system_time] = 2026-01-02T03:04:05.093875Z\n     [expirationDate] = 2026-02-02T18:40:52Z\n     \
             [expirationHours] = 2042\n     [Localized] = <Not supported type for value: [N5]>\n{END}"
        );
        let licence = Licence {
            name: "VMware ESX Server".into(),
            evaluation: true,
            expires: Some("2026-02-02T18:40:52Z".parse().unwrap()),
        };
        assert_eq!(Licence::parse_all(&Output::of(&text)), Ok(vec![licence]));
    }

    #[test]
    fn a_bought_one_may_have_none() {
        let text = format!(
            "{HEAD}  serial: ABCDE-FGHIJ-KLMNO-PQRST-UVWXY\n  vmodl key: esxBasic\n  name: vSphere 4 Hypervisor\n  total: 0\n  \
             used:  2\n  unit: cpuPackage:6core\n  Properties:\n    [ProductName] = VMware ESX Server\n{END}"
        );
        let licences = Licence::parse_all(&Output::of(&text)).unwrap();
        assert_eq!(licences[0].name, "vSphere 4 Hypervisor");
        assert!(!licences[0].evaluation && licences[0].expires.is_none());
        assert!(!format!("{licences:?}").contains("ABCDE"));
    }

    #[test]
    fn anything_else_tells_nothing() {
        for text in ["", "Invalid command 'vimsvc/license'.\n", HEAD] {
            assert!(Licence::parse_all(&Output::of(text)).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "((serial|name|vmodl key):.{0,20}\n|.{0,40}\n){0,8}") {
            let _ = Licence::parse_all(&Output::of(&text));
        }
    }
}
