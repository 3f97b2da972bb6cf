//! `vim-cmd hostsvc/hostsummary`: a host's size, load and uptime in one call.

use super::faults::check;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

/// What a pane shows of a host. A figure that the host did not give is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSummary {
    /// E.g. `HPE ProLiant DL380`.
    pub model: String,
    /// All cores together, in MHz.
    pub cpu_mhz: Option<u64>,
    /// In use, in MHz.
    pub cpu_used_mhz: Option<u64>,
    /// Threads that VMs can run on.
    pub cpu_threads: Option<u64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// In use, in bytes.
    pub memory_used: Option<u64>,
    /// Since when it runs, in seconds.
    pub uptime: Option<u64>,
    /// Whether it takes no VMs for now.
    pub in_maintenance: Option<bool>,
    /// The address of the vCenter that manages it, as the host knows it.
    pub managed_by: Option<String>,
}

impl HostSummary {
    /// Reads the reply of [`host_summary`](super::commands::host_summary).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply that is no host's summary.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        check(output)?;
        let what = "the host's summary";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        let hardware = value.get("hardware");
        let memory = hardware.get("memorySize").number();
        if memory.is_none() {
            return Err(unexpected(what, &text));
        }
        let stats = value.get("quickStats");
        let words = [hardware.get("vendor"), hardware.get("model")]
            .map(|v| v.text().unwrap_or_default().trim());
        let cores = hardware.get("numCpuCores").number();
        Ok(Self {
            model: shown(words.join(" ").trim()),
            cpu_mhz: hardware
                .get("cpuMhz")
                .number()
                .zip(cores)
                .map(|(mhz, n)| mhz.saturating_mul(n)),
            cpu_used_mhz: stats.get("overallCpuUsage").number(),
            cpu_threads: hardware.get("numCpuThreads").number(),
            memory,
            memory_used: stats
                .get("overallMemoryUsage")
                .number()
                .map(|mib| mib.saturating_mul(1 << 20)),
            uptime: stats.get("uptime").number(),
            in_maintenance: value.at(&["runtime", "inMaintenanceMode"]).flag(),
            managed_by: value.get("managementServerIp").filled().map(shown),
        })
    }

    /// CPU in use, in per cent of all cores.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<u64> {
        self.cpu_used_mhz?
            .saturating_mul(100)
            .checked_div(self.cpu_mhz?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "(vim.host.Summary) {\n   host = 'vim.HostSystem:ha-host', \n   hardware = (vim.host.Summary.HardwareSummary) {\n      vendor = \"ACME\", \n      model = \"Box (Q35, 2009)\", \n      memorySize = 8589328384, \n      cpuMhz = 2000, \n      numCpuCores = 8, \n      numCpuThreads = 16\n   }, \n   runtime = (vim.host.RuntimeInfo) {\n      inMaintenanceMode = false\n   }, \n   \
        quickStats = (vim.host.Summary.QuickStats) {\n      overallCpuUsage = 1600, \n      overallMemoryUsage = 1850, \n      distributedCpuFairness = <unset>, \n      uptime = 72306\n   }, \n   overallStatus = \"green\", \n   managementServerIp = \"192.0.2.5\"\n}\n";

    #[test]
    fn figures_in_plain_units() {
        let summary = HostSummary::parse(&Output::of(TEXT)).unwrap();
        assert_eq!(summary.model, "ACME Box (Q35, 2009)");
        assert_eq!(
            (summary.cpu_mhz, summary.cpu_percent()),
            (Some(16_000), Some(10))
        );
        assert_eq!(summary.memory_used, Some(1850 << 20));
        assert_eq!(
            (summary.uptime, summary.in_maintenance),
            (Some(72_306), Some(false))
        );
        assert_eq!(summary.managed_by.as_deref(), Some("192.0.2.5"));
        assert!(HostSummary::parse(&Output::of("(vim.host.Summary) {\n}\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..TEXT.len(), noise in ".{0,40}") {
            let summary = HostSummary::parse(&Output::of(&format!("{}{noise}{}", &TEXT[..cut], &TEXT[cut..])));
            let _ = summary.map(|summary| summary.cpu_percent());
        }
    }
}
