//! `vim-cmd vmsvc/get.summary`: what hostd knows of one VM.

use super::guest::tools_run;
use super::inventory::{on_host, split_datastore_path};
use super::power::PowerState;
use super::uuid::BiosUuid;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{shown, unexpected};

/// The part of a VM's summary that anything depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmSummary {
    /// The display name.
    pub name: String,
    /// The label of the datastore that holds its .vmx.
    pub datastore: String,
    /// The .vmx within the datastore.
    pub path: String,
    /// Its identity.
    pub uuid_bios: Option<BiosUuid>,
    /// Whether it runs.
    pub power: PowerState,
    /// `connected`, or `invalid`, `orphaned`, `inaccessible`, `disconnected`.
    pub connection: String,
    /// A question holds it up.
    pub has_question: bool,
    /// When it was powered on, RFC 3339 in UTC.
    pub boot_time: Option<String>,
    /// Since when it serves, as hostd counts it, in seconds.
    pub uptime: Option<u64>,
    /// Whether the guest's tools run now.
    pub tools_running: bool,
    /// The guest's first address as the tools told last; stale while they do not run.
    pub ip_address: Option<String>,
    /// The tools' heartbeat: `gray` none, `green`, `yellow`, `red`.
    pub heartbeat: Option<String>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
    /// Virtual processors.
    pub cpus: Option<u64>,
    /// What people wrote into it.
    pub annotation: String,
}

impl VmSummary {
    /// When it was powered on.
    #[must_use]
    pub fn started(&self) -> Option<jiff::Timestamp> {
        self.boot_time.as_deref()?.parse().ok()
    }

    /// Reads the reply of [`summary`](super::commands::summary).
    ///
    /// # Errors
    ///
    /// A fault of the host; a reply without name, file or power state.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        super::faults::check(output)?;
        let what = "the VM's summary";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        if value.type_name() != Some("vim.vm.Summary") {
            return Err(unexpected(what, &text));
        }
        let missing = |field: &str| unexpected(what, &format!("a summary without {field}"));
        let (runtime, guest, config) = (
            value.get("runtime"),
            value.get("guest"),
            value.get("config"),
        );
        let file = config
            .get("vmPathName")
            .text()
            .and_then(split_datastore_path);
        let (datastore, path) = file.ok_or_else(|| missing("vmPathName"))?;
        let power = runtime
            .get("powerState")
            .text()
            .and_then(PowerState::from_hostd);
        let owned = |value: &Value| value.filled().map(shown);
        Ok(Self {
            name: shown(config.get("name").text().ok_or_else(|| missing("name"))?),
            datastore: datastore.to_owned(),
            path: path.to_owned(),
            uuid_bios: config.get("uuid").text().and_then(BiosUuid::parse),
            power: power.ok_or_else(|| missing("powerState"))?,
            connection: owned(runtime.get("connectionState")).unwrap_or_else(|| "unknown".into()),
            has_question: !runtime.get("question").is_unset(),
            boot_time: owned(runtime.get("bootTime")),
            uptime: value.at(&["quickStats", "uptimeSeconds"]).number(),
            tools_running: tools_run(guest),
            ip_address: owned(guest.get("ipAddress")),
            heartbeat: owned(value.at(&["quickStats", "guestHeartbeatStatus"])),
            memory_mib: config.get("memorySizeMB").number(),
            cpus: config.get("numCpu").number(),
            annotation: shown(config.get("annotation").text().unwrap_or_default()),
        })
    }

    /// What was told of a number, if it is the VM of that file.
    ///
    /// # Errors
    ///
    /// What the host answered instead.
    pub fn only_of(
        told: Result<Self, DriverFault>,
        datastore: &str,
        path: &str,
    ) -> Result<Option<Self>, DriverFault> {
        match told {
            Ok(now) if now.datastore == datastore && now.path == path => Ok(Some(now)),
            Ok(_) | Err(DriverFault::NotFound { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The .vmx as a path on the host.
    #[must_use]
    pub fn vmx_path(&self) -> String {
        on_host(&self.datastore, &self.path)
    }
}

#[cfg(test)]
pub(in crate::hypervisor) mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: &str = "Listsummary:\n\n(vim.vm.Summary) {\n   vm = 'vim.VirtualMachine:5', \n   runtime = (vim.vm.RuntimeInfo) {\n      \
        connectionState = \"connected\", \n      powerState = \"poweredOn\", \n      bootTime = \"2026-01-02T03:04:05.000006Z\", \n      \
        question = (vim.vm.QuestionInfo) {\n         id = \"3\", \n         text = \"msg.uuid.altered:Moved?\n\nOr copied?\", \n         choice = (vim.option.ChoiceOption) {\n            defaultIndex = 2\n         }\n      }\n   }, \n   \
        guest = (vim.vm.Summary.GuestSummary) {\n      toolsRunningStatus = \"guestToolsRunning\", \n      ipAddress = \"192.0.2.9\"\n   }, \n   \
        config = (vim.vm.Summary.ConfigSummary) {\n      name = \"a \"b\" c\", \n      vmPathName = \"[ds 1] a [b]/a.vmx\", \n      memorySizeMB = 4096, \n      numCpu = 2, \n      \
        uuid = \"564dc4d7-deeb-7781-dc69-4e96d4c6184f\", \n      instanceUuid = \"\", \n      annotation = \"first\nname = \"forged\"\nlast\"\n   }, \n   \
        quickStats = (vim.vm.Summary.QuickStats) {\n      guestHeartbeatStatus = \"green\", \n      uptimeSeconds = 61\n   }, \n   overallStatus = \"green\"\n}\n";

    #[test]
    fn a_running_vm_with_a_question_and_a_note() {
        let summary = VmSummary::parse(&Output::of(NEW)).unwrap();
        assert_eq!(summary.name, "a \"b\" c");
        assert_eq!(summary.vmx_path(), "/vmfs/volumes/ds 1/a [b]/a.vmx");
        assert_eq!(summary.power, PowerState::On);
        assert!(summary.has_question && summary.tools_running);
        assert_eq!(summary.ip_address.as_deref(), Some("192.0.2.9"));
        assert_eq!(
            (summary.uptime, summary.memory_mib, summary.cpus),
            (Some(61), Some(4096), Some(2))
        );
        assert!(summary.annotation.starts_with("first\n"));
        assert!(summary.uuid_bios.is_some());
    }

    #[test]
    fn old_layout_off_and_nothing_known_of_the_guest() {
        let text = "Listsummary:\n(vim.vm.Summary) {\n  dynamicType = <unset>,\n  runtime = (vim.vm.RuntimeInfo) {\n     dynamicType = <unset>,\n     connectionState = \"connected\",\n     powerState = \"poweredOff\",\n     bootTime = <unset>,\n     question = (vim.vm.QuestionInfo) null,\n  },\n  guest = (vim.vm.Summary.GuestSummary) {\n     ipAddress = <unset>,\n  },\n  config = (vim.vm.Summary.ConfigSummary) {\n     name = \"x\",\n     vmPathName = \"[d] x/x.vmx\",\n  },\n}\n";
        let summary = VmSummary::parse(&Output::of(text)).unwrap();
        assert_eq!(summary.power, PowerState::Off);
        assert!(!summary.has_question && !summary.tools_running);
        assert_eq!(
            (summary.boot_time, summary.ip_address, summary.uuid_bios),
            (None, None, None)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = NEW.replace("powerState", "otherState");
        let fault = VmSummary::parse(&Output::of(&text)).unwrap_err();
        assert!(fault.to_string().contains("powerState"), "{fault}");
        assert!(VmSummary::parse(&Output::of(&NEW[..NEW.len() / 2])).is_err());
        assert!(VmSummary::parse(&Output::of("(vim.Other) {\n}\n")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..NEW.len(), noise in ".{0,40}") {
            let _ = VmSummary::parse(&Output::of(&NEW[..cut]));
            let _ = VmSummary::parse(&Output::of(&format!("{}{noise}{}", &NEW[..cut], &NEW[cut..])));
        }
    }
}
