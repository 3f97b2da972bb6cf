//! What hostd tells about a VM: `get.summary`, `get.guest`, `get.config`, tasks and the rest.

mod devices;
mod tasks;

use std::sync::Arc;

pub(super) use self::devices::{devices, networks};
pub(super) use self::tasks::{task, tasklist};
use super::guest::{GuestFacts, facts};
use super::inventory::{datastore_path, guest_id};
use super::value::{Fault, Value};
use super::vim_cmd::titled;
use super::{Registered, State, power};
use crate::sim::host::SimHost;
use crate::sim::seed::dashed;
use crate::sim::vfs::used;
use crate::sim::vmx::Vmx;

/// What most answers need of one VM.
struct View {
    vm: Registered,
    config: Vmx,
    name: String,
    on: bool,
    facts: Option<GuestFacts>,
    /// Tools run now; else `facts` are the last recorded ones.
    tools: bool,
}

fn view(host: &SimHost, state: &State, id: &str) -> Result<View, Fault> {
    let vm = state.find(id)?.clone();
    let config = state.configs.get(&vm.id).cloned();
    let Some(config) = config else {
        return Err(Fault::new(
            "vim.fault.InvalidState",
            "The operation is not allowed in the current state.",
        ));
    };
    let live = facts(host, state, vm.id);
    let tools = live.is_some();
    Ok(View {
        name: state.name(&vm),
        on: state.running.contains_key(&vm.id),
        facts: live.or_else(|| vm.facts.clone()),
        tools,
        vm,
        config,
    })
}

fn number(config: &Vmx, key: &str, default: u64) -> u64 {
    config
        .get(key)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(default)
}

fn guest_name(config: &Vmx) -> &'static str {
    match config.get("guestOS").unwrap_or_default() {
        "debian12-64" => "Debian GNU/Linux 12 (64-bit)",
        "windows2019srv-64" => "Microsoft Windows Server 2019 (64-bit)",
        "rhel8-64" => "Red Hat Enterprise Linux 8 (64-bit)",
        "centos9-64" => "CentOS 9 (64-bit)",
        _ => "Other (64-bit)",
    }
}

fn tools_words(view: &View) -> (&'static str, &'static str, &'static str) {
    match (view.tools, &view.facts) {
        // open-vm-tools are "unmanaged", and that is healthy.
        (true, _) => ("toolsOk", "guestToolsUnmanaged", "guestToolsRunning"),
        (false, Some(_)) => (
            "toolsNotRunning",
            "guestToolsUnmanaged",
            "guestToolsNotRunning",
        ),
        (false, None) if view.on => (
            "toolsNotRunning",
            "guestToolsUnmanaged",
            "guestToolsNotRunning",
        ),
        (false, None) => (
            "toolsNotInstalled",
            "guestToolsNotInstalled",
            "guestToolsNotRunning",
        ),
    }
}

fn runtime_value(host: &SimHost, state: &State, view: &View) -> Value {
    let running = state.running.get(&view.vm.id);
    let boot = running
        .filter(|running| running.question.is_none())
        .map(|running| {
            running
                .booted
                .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
                .to_string()
        });
    let question = running
        .and_then(|running| running.question.as_ref())
        .map_or(
            Value::Null("vim.vm.QuestionInfo"),
            super::question::Question::value,
        );
    let _ = host;
    Value::Object(
        "vim.vm.RuntimeInfo",
        vec![
            ("host", Value::Reference("vim.HostSystem:ha-host".into())),
            ("connectionState", Value::text("connected")),
            (
                "powerState",
                Value::text(if view.on { "poweredOn" } else { "poweredOff" }),
            ),
            ("faultToleranceState", Value::text("notConfigured")),
            (
                "dasVmProtection",
                Value::Null("vim.vm.RuntimeInfo.DasProtectionState"),
            ),
            ("toolsInstallerMounted", Value::bare(false)),
            ("suspendTime", Value::Unset),
            ("bootTime", Value::maybe(boot)),
            ("suspendInterval", Value::bare(0)),
            ("question", question),
            ("memoryOverhead", Value::Unset),
            (
                "maxCpuUsage",
                Value::bare(2400 * number(&view.config, "numvcpus", 1)),
            ),
            (
                "maxMemoryUsage",
                Value::bare(number(&view.config, "memSize", 32)),
            ),
            ("numMksConnections", Value::bare(0)),
            ("recordReplayState", Value::text("inactive")),
            ("cleanPowerOff", Value::Unset),
            ("needSecondaryReason", Value::Unset),
            ("onlineStandby", Value::bare(false)),
            ("minRequiredEVCModeKey", Value::Unset),
            ("consolidationNeeded", Value::bare(false)),
        ],
    )
}

/// `vmsvc/get.summary ID`
pub(super) fn summary(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    let (status, version, running) = tools_words(&view);
    let age = state
        .running
        .get(&view.vm.id)
        .map(|running| running.ahead + host.pace.site(running.since.elapsed()));
    let folder = view
        .vm
        .path
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder);
    let committed = host
        .vfs
        .real(folder, true)
        .map(|real| used(&real))
        .unwrap_or(0);
    let host_name = view
        .facts
        .as_ref()
        .and_then(|facts| facts.host_name.clone());
    let address = view.facts.as_ref().and_then(|facts| facts.address.clone());
    let known = view.facts.is_some();
    let value = Value::Object(
        "vim.vm.Summary",
        vec![
            (
                "vm",
                Value::Reference(format!("vim.VirtualMachine:{}", view.vm.id)),
            ),
            ("runtime", runtime_value(host, &state, &view)),
            (
                "guest",
                Value::Object(
                    "vim.vm.Summary.GuestSummary",
                    vec![
                        (
                            "guestId",
                            Value::maybe(known.then(|| guest_id(&view.config))),
                        ),
                        (
                            "guestFullName",
                            Value::maybe(known.then(|| guest_name(&view.config))),
                        ),
                        ("toolsStatus", Value::text(status)),
                        ("toolsVersionStatus", Value::text(version)),
                        ("toolsVersionStatus2", Value::text(version)),
                        ("toolsRunningStatus", Value::text(running)),
                        ("hostName", Value::maybe(host_name)),
                        ("ipAddress", Value::maybe(address)),
                        ("hwVersion", Value::Unset),
                    ],
                ),
            ),
            (
                "config",
                Value::Object(
                    "vim.vm.Summary.ConfigSummary",
                    vec![
                        ("name", Value::text(view.name.clone())),
                        ("template", Value::bare(false)),
                        (
                            "vmPathName",
                            Value::text(datastore_path(host, &view.vm.path)),
                        ),
                        (
                            "memorySizeMB",
                            Value::bare(number(&view.config, "memSize", 32)),
                        ),
                        ("cpuReservation", Value::bare(0)),
                        ("memoryReservation", Value::bare(0)),
                        ("numCpu", Value::bare(number(&view.config, "numvcpus", 1))),
                        (
                            "numEthernetCards",
                            Value::bare(view.config.adapters().len()),
                        ),
                        ("numVirtualDisks", Value::bare(view.config.disks().len())),
                        (
                            "uuid",
                            Value::text(dashed(view.config.get("uuid.bios").unwrap_or_default())),
                        ),
                        (
                            "instanceUuid",
                            Value::text(dashed(view.config.get("vc.uuid").unwrap_or_default())),
                        ),
                        ("guestId", Value::text(guest_id(&view.config))),
                        ("guestFullName", Value::text(guest_name(&view.config))),
                        (
                            "annotation",
                            Value::text(view.config.get("annotation").unwrap_or_default()),
                        ),
                        ("product", Value::Null("vim.vApp.ProductInfo")),
                        ("installBootRequired", Value::bare(false)),
                        ("ftInfo", Value::Null("vim.vm.FaultToleranceConfigInfo")),
                        ("managedBy", Value::Null("vim.ext.ManagedByInfo")),
                    ],
                ),
            ),
            (
                "storage",
                Value::Object(
                    "vim.vm.Summary.StorageSummary",
                    vec![
                        ("committed", Value::bare(committed)),
                        ("uncommitted", Value::bare(0)),
                        ("unshared", Value::bare(committed)),
                        (
                            "timestamp",
                            Value::text(
                                jiff::Timestamp::now()
                                    .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
                                    .to_string(),
                            ),
                        ),
                    ],
                ),
            ),
            (
                "quickStats",
                Value::Object(
                    "vim.vm.Summary.QuickStats",
                    vec![
                        ("overallCpuUsage", stat(&view, 120)),
                        ("overallCpuDemand", stat(&view, 130)),
                        (
                            "guestMemoryUsage",
                            stat(&view, number(&view.config, "memSize", 32) / 4),
                        ),
                        (
                            "hostMemoryUsage",
                            stat(&view, number(&view.config, "memSize", 32) / 2),
                        ),
                        (
                            "guestHeartbeatStatus",
                            Value::text(if view.tools { "green" } else { "gray" }),
                        ),
                        (
                            "uptimeSeconds",
                            age.map_or(Value::Unset, |age| Value::bare(age as u64)),
                        ),
                    ],
                ),
            ),
            (
                "overallStatus",
                Value::text(if view.tools || !view.on {
                    "green"
                } else {
                    "yellow"
                }),
            ),
            (
                "customValue",
                Value::List("vim.CustomFieldsManager.Value", Vec::new()),
            ),
        ],
    );
    Ok(titled("Listsummary:", &value))
}

fn stat(view: &View, value: u64) -> Value {
    if view.on {
        Value::bare(value)
    } else {
        Value::bare(0)
    }
}

/// `vmsvc/get.guest ID`; of a VM that is off, what was known last.
pub(super) fn guest(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    let (status, version, running) = tools_words(&view);
    let facts = view.facts.clone();
    let known = facts.is_some();
    let nics = facts.as_ref().map_or(Value::Unset, |facts| {
        if facts
            .nics
            .iter()
            .all(|(_, _, addresses)| addresses.is_empty())
        {
            return Value::Unset;
        }
        let nics = facts
            .nics
            .iter()
            .enumerate()
            .map(|(index, (network, mac, addresses))| {
                Value::Object(
                    "vim.vm.GuestInfo.NicInfo",
                    vec![
                        ("network", Value::text(network.clone())),
                        (
                            "ipAddress",
                            Value::List(
                                "string",
                                addresses.iter().map(|a| Value::text(a.clone())).collect(),
                            ),
                        ),
                        ("macAddress", Value::text(mac.clone())),
                        ("connected", Value::bare(true)),
                        ("deviceConfigId", Value::bare(4000 + index)),
                    ],
                )
            });
        Value::List("vim.vm.GuestInfo.NicInfo", nics.collect())
    });
    let version_number = if known { "12325" } else { "0" };
    let install = if known {
        "guestToolsTypeOpenVMTools"
    } else {
        "guestToolsTypeUnknown"
    };
    let value = Value::Object(
        "vim.vm.GuestInfo",
        vec![
            ("toolsStatus", Value::text(status)),
            ("toolsVersionStatus", Value::text(version)),
            ("toolsVersionStatus2", Value::text(version)),
            ("toolsRunningStatus", Value::text(running)),
            ("toolsVersion", Value::text(version_number)),
            ("toolsInstallType", Value::text(install)),
            (
                "toolsUpdateStatus",
                Value::Null("vim.vm.GuestInfo.ToolsUpdateStatus"),
            ),
            (
                "guestId",
                Value::maybe(known.then(|| guest_id(&view.config))),
            ),
            ("guestFamily", Value::maybe(known.then_some("linuxGuest"))),
            (
                "guestFullName",
                Value::maybe(known.then(|| guest_name(&view.config))),
            ),
            (
                "hostName",
                Value::maybe(facts.as_ref().and_then(|facts| facts.host_name.clone())),
            ),
            (
                "ipAddress",
                Value::maybe(facts.as_ref().and_then(|facts| facts.address.clone())),
            ),
            ("net", nics),
            ("ipStack", Value::Unset),
            ("disk", Value::Unset),
            (
                "screen",
                Value::Object(
                    "vim.vm.GuestInfo.ScreenInfo",
                    vec![("width", Value::bare(1024)), ("height", Value::bare(768))],
                ),
            ),
            // Also without any tools it says "running": it is no sign of health.
            (
                "guestState",
                Value::text(if view.on { "running" } else { "notRunning" }),
            ),
            ("guestOperationsReady", Value::bare(view.tools)),
            ("interactiveGuestOperationsReady", Value::bare(false)),
            ("guestStateChangeSupported", Value::bare(view.tools)),
        ],
    );
    Ok(titled("Guest information:", &value))
}

/// `vmsvc/get.config ID`
pub(super) fn config(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    let shown = datastore_path(host, &view.vm.path);
    let folder = shown
        .rsplit_once('/')
        .map_or(shown.clone(), |(folder, _)| folder.to_owned());
    let extra = view.config.entries().iter().map(|(key, value)| {
        Value::Object(
            "vim.option.OptionValue",
            vec![
                ("key", Value::text(key.clone())),
                ("value", Value::text(value.clone())),
            ],
        )
    });
    let version = format!(
        "vmx-{:0>2}",
        view.config.get("virtualHW.version").unwrap_or("19")
    );
    let value = Value::Object(
        "vim.vm.ConfigInfo",
        vec![
            (
                "changeVersion",
                Value::text(jiff::Timestamp::now().to_string()),
            ),
            ("modified", Value::text("1970-01-01T00:00:00Z")),
            ("name", Value::text(view.name.clone())),
            ("guestFullName", Value::text(guest_name(&view.config))),
            ("version", Value::text(version)),
            (
                "uuid",
                Value::text(dashed(view.config.get("uuid.bios").unwrap_or_default())),
            ),
            (
                "instanceUuid",
                Value::text(dashed(view.config.get("vc.uuid").unwrap_or_default())),
            ),
            (
                "locationId",
                Value::text(dashed(view.config.get("uuid.location").unwrap_or_default())),
            ),
            ("template", Value::bare(false)),
            ("guestId", Value::text(guest_id(&view.config))),
            (
                "annotation",
                Value::text(view.config.get("annotation").unwrap_or_default()),
            ),
            (
                "files",
                Value::Object(
                    "vim.vm.FileInfo",
                    vec![
                        ("vmPathName", Value::text(shown.clone())),
                        ("snapshotDirectory", Value::text(folder.clone())),
                        ("suspendDirectory", Value::text(folder.clone())),
                        ("logDirectory", Value::text(folder)),
                    ],
                ),
            ),
            (
                "extraConfig",
                Value::List("vim.option.OptionValue", extra.collect()),
            ),
        ],
    );
    Ok(titled("Configuration:", &value))
}

/// `vmsvc/get.runtime ID`
pub(super) fn runtime(host: &Arc<SimHost>, id: &str) -> Result<String, Fault> {
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let state = esxi.lock();
    let view = view(host, &state, id)?;
    Ok(titled(
        "Runtime information",
        &runtime_value(host, &state, &view),
    ))
}

/// A VM's place as ESXi remembers it, for the site's builder.
pub(crate) fn place(host_uuid: &str, path: &str) -> String {
    power::location(host_uuid, path)
}
