//! `vmware -v`: which ESXi this is.

use std::fmt;

use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{succeeded, unexpected};

/// A host's product, version and build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// E.g. `VMware ESXi`.
    pub product: String,
    /// E.g. `8.0.2`.
    pub version: String,
    /// E.g. `22380479`.
    pub build: String,
}

impl Version {
    /// Reads the reply of [`version`](super::commands::version); `vmware -lv` has a second line
    /// with the update's name, which is left aside.
    ///
    /// # Errors
    ///
    /// The host has no such command, so it is no ESXi; any other text.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        succeeded(output, "vmware")?;
        let text = output.text();
        let line = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let read = || {
            let (head, build) = line.trim().split_once(" build-")?;
            let (product, version) = head.rsplit_once(' ')?;
            let dotted = version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.');
            (dotted && product.starts_with("VMware")).then(|| Self {
                product: product.to_owned(),
                version: version.to_owned(),
                build: build.to_owned(),
            })
        };
        read().ok_or_else(|| unexpected("the host's version", &text))
    }

    /// The first number of the version.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} build {}", self.product, self.version, self.build)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(stdout: &str) -> Output {
        Output {
            stdout: stdout.into(),
            ..Output::default()
        }
    }

    #[test]
    fn one_line_or_two() {
        for text in [
            "VMware ESXi 7.0.3 build-20036589\n",
            "VMware ESXi 7.0.3 build-20036589\nVMware ESXi 7.0 Update 3\n",
        ] {
            let version = Version::parse(&reply(text)).unwrap();
            assert_eq!(version.to_string(), "VMware ESXi 7.0.3 build 20036589");
            assert_eq!(version.major(), Some(7));
        }
    }

    #[test]
    fn anything_else_is_no_esxi() {
        for text in ["", "Linux\n", "VMware build-1\n"] {
            assert!(Version::parse(&reply(text)).is_err(), "{text}");
        }
        let none = Output {
            status: 127,
            stderr: "sh: vmware: not found".into(),
            ..Output::default()
        };
        assert!(matches!(
            Version::parse(&none),
            Err(DriverFault::ToolMissing { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}( build-.{0,20})?") {
            let _ = Version::parse(&reply(&text)).map(|version| version.major());
        }
    }
}
