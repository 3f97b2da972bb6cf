//! `vim-cmd vmsvc/get.guest`: what the guest's tools told.

use std::net::IpAddr;

use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

/// What the tools told last. Of a VM that is off, or whose tools do not run, it is history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Whether the tools run now (`guestToolsRunning`, also while they execute scripts). The
    /// guest's own `guestState` says `running` without any tools, so it tells nothing.
    pub tools_running: bool,
    /// `toolsOk`, `toolsOld`, `toolsNotRunning`, `toolsNotInstalled`. Tools that the guest's own
    /// distribution brought are in order though they count as unmanaged.
    pub tools_status: Option<String>,
    /// The guest's name for itself.
    pub host_name: Option<String>,
    /// Its addresses, the primary one first, each once.
    pub addresses: Vec<IpAddr>,
    /// Its adapters.
    pub adapters: Vec<GuestAdapter>,
}

/// One adapter as the guest sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestAdapter {
    /// The port group that it is joined to.
    pub network: Option<String>,
    /// Its MAC, lower case with colons.
    pub mac: Option<String>,
    /// The addresses on it.
    pub addresses: Vec<IpAddr>,
}

impl Guest {
    /// Reads the reply of [`guest`](super::commands::guest).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply that is no guest information.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        super::faults::check(output)?;
        let what = "what the guest's tools told";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        if value.type_name() != Some("vim.vm.GuestInfo") {
            return Err(unexpected(what, &text));
        }
        let adapters: Vec<_> = value.get("net").items().iter().map(adapter).collect();
        let primary = value
            .get("ipAddress")
            .text()
            .and_then(|text| text.parse().ok());
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in primary
            .into_iter()
            .chain(adapters.iter().flat_map(|a| a.addresses.clone()))
        {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Self {
            tools_running: tools_run(&value),
            tools_status: value.get("toolsStatus").filled().map(shown),
            host_name: value.get("hostName").filled().map(shown),
            addresses,
            adapters,
        })
    }

    /// The first address that others can use: not link-local, which comes first while the guest
    /// still waits for its real one.
    #[must_use]
    pub fn usable_address(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(is_usable)
    }
}

/// Whether the tools run that a host tells of; they do, too, while they execute scripts.
pub(super) fn tools_run(told: &Value) -> bool {
    let status = told.get("toolsRunningStatus").text();
    matches!(
        status,
        Some("guestToolsRunning" | "guestToolsExecutingScripts")
    )
}

impl GuestAdapter {
    /// Its addresses that others can use.
    pub fn usable_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().filter(is_usable)
    }
}

fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback() && !v6.is_unspecified(),
    }
}

fn adapter(value: &Value) -> GuestAdapter {
    let addresses = value.get("ipAddress").items().iter();
    GuestAdapter {
        network: value.get("network").filled().map(str::to_owned),
        mac: value
            .get("macAddress")
            .filled()
            .map(str::to_ascii_lowercase),
        addresses: addresses
            .filter_map(|item| item.text()?.parse().ok())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUNNING: &str = "Guest information:\n\n(vim.vm.GuestInfo) {\n   toolsStatus = \"toolsOk\", \n   toolsVersionStatus2 = \"guestToolsUnmanaged\", \n   toolsRunningStatus = \"guestToolsRunning\", \n   \
        hostName = \"sql01\", \n   ipAddress = \"fe80::1\", \n   net = (vim.vm.GuestInfo.NicInfo) [\n      (vim.vm.GuestInfo.NicInfo) {\n         network = \"VM Network\", \n         ipAddress = (string) [\n            \
        \"192.0.2.9\", \n            \"fe80::1\"\n         ], \n         macAddress = \"00:0C:29:62:E8:6D\"\n      }\n   ], \n   guestState = \"running\"\n}\n";

    #[test]
    fn tools_that_execute_scripts_run() {
        for (status, runs) in [
            ("guestToolsRunning", true),
            ("guestToolsExecutingScripts", true),
            ("guestToolsNotRunning", false),
        ] {
            let text = RUNNING.replace("guestToolsRunning", status);
            assert_eq!(
                Guest::parse(&Output::of(&text)).unwrap().tools_running,
                runs
            );
        }
    }

    #[test]
    fn a_serving_guest() {
        let guest = Guest::parse(&Output::of(RUNNING)).unwrap();
        assert!(guest.tools_running);
        assert_eq!(guest.addresses.len(), 2);
        assert_eq!(guest.usable_address(), "192.0.2.9".parse().ok());
        assert_eq!(guest.adapters[0].mac.as_deref(), Some("00:0c:29:62:e8:6d"));
        assert_eq!(guest.adapters[0].network.as_deref(), Some("VM Network"));
    }

    #[test]
    fn no_tools_and_no_address_yet() {
        let text = "Guest information:\n\n(vim.vm.GuestInfo) {\n   toolsStatus = \"toolsNotInstalled\",\n   toolsRunningStatus = \"guestToolsNotRunning\",\n   ipAddress = <unset>,\n   net = <unset>,\n   guestState = \"running\",\n   customizationInfo = (vim.vm.GuestInfo.CustomizationInfo) {\n      errorMsg = <unset>\n   }\n}\n";
        let guest = Guest::parse(&Output::of(text)).unwrap();
        assert!(!guest.tools_running && guest.addresses.is_empty());
        let early = Guest {
            addresses: vec!["169.254.1.2".parse().unwrap(), "fe80::2".parse().unwrap()],
            ..guest
        };
        assert_eq!(early.usable_address(), None);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..RUNNING.len(), noise in ".{0,40}") {
            let _ = Guest::parse(&Output::of(&format!("{}{noise}{}", &RUNNING[..cut], &RUNNING[cut..])));
        }
    }
}
