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

    /// Whether it is of a release before 5.0, which lacks commands that a restore needs.
    #[must_use]
    pub fn is_before_5(&self) -> bool {
        let major = self.version.split('.').next();
        major
            .and_then(|major| major.parse::<u32>().ok())
            .is_some_and(|major| major < 5)
    }

    /// The newest virtual hardware that this release runs; `None` where the release is not known
    /// here.
    ///
    /// From Broadcom's KB 315655 (VMware's 1003746) and 2007240. A host of 6.7 calls itself 6.7.0
    /// with every update, so its Update 2 is known by its build, 13006603.
    #[must_use]
    pub fn newest_hardware(&self) -> Option<u32> {
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok);
        let (major, minor, update) = (next()?, next()?, next().unwrap_or(0));
        let build: u64 = self.build.parse().unwrap_or(0);
        match (major, minor, update) {
            (5, 0, _) => Some(8),
            (5, 1, _) => Some(9),
            (5, 5, _) => Some(10),
            (6, 0, _) => Some(11),
            (6, 5, _) => Some(13),
            (6, 7, _) => Some(if build >= 13_006_603 { 15 } else { 14 }),
            (7, 0, 0) => Some(17),
            (7, 0, 1) => Some(18),
            (7, 0, _) => Some(19),
            (8, 0, 0 | 1) => Some(20),
            (8, 0, _) => Some(21),
            (9, 0, _) => Some(22),
            _ => None,
        }
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

    #[test]
    fn one_line_or_two() {
        for text in [
            "VMware ESXi 7.0.3 build-20036589\n",
            "VMware ESXi 7.0.3 build-20036589\nVMware ESXi 7.0 Update 3\n",
        ] {
            let version = Version::parse(&Output::of(text)).unwrap();
            assert_eq!(version.to_string(), "VMware ESXi 7.0.3 build 20036589");
            assert_eq!(version.newest_hardware(), Some(19));
        }
    }

    #[test]
    fn each_release_has_its_newest_hardware() {
        for (release, newest) in [
            ("5.0.0 build-469512", Some(8)),
            ("5.1.0 build-799733", Some(9)),
            ("5.5.0 build-1331820", Some(10)),
            ("6.0.0 build-2494585", Some(11)),
            ("6.5.0 build-4564106", Some(13)),
            ("6.7.0 build-10302608", Some(14)),
            ("6.7.0 build-13006603", Some(15)),
            ("7.0.0 build-15843807", Some(17)),
            ("7.0.1 build-16850804", Some(18)),
            ("7.0.3 build-20036589", Some(19)),
            ("8.0.1 build-21495797", Some(20)),
            ("8.0.2 build-22380479", Some(21)),
            ("9.0.0 build-24755229", Some(22)),
            ("12.1.0 build-1", None),
        ] {
            let version = Version::parse(&Output::of(&format!("VMware ESXi {release}\n"))).unwrap();
            assert_eq!(version.newest_hardware(), newest, "{release}");
        }
    }

    #[test]
    fn anything_else_is_no_esxi() {
        for text in ["", "Linux\n", "VMware build-1\n"] {
            assert!(Version::parse(&Output::of(text)).is_err(), "{text}");
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
            let _ = Version::parse(&Output::of(&text)).map(|version| version.newest_hardware());
        }
    }
}
