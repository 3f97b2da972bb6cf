//! What hostd tells about the host itself: `hostsvc/*`.

use std::sync::Arc;

use super::value::{Fault, Value};
use super::{Autostart, State};
use crate::sim::host::SimHost;

/// Memory of the simulated machine, bytes.
pub(super) const MEMORY: u64 = 103_079_215_104;
/// Its cores.
pub(super) const CORES: u64 = 12;

/// Megabytes that the running VMs take.
pub(super) fn memory_used(state: &State) -> u64 {
    let vms: u64 = state
        .running
        .keys()
        .filter_map(|id| state.configs.get(id)?.get("memSize")?.parse::<u64>().ok())
        .sum();
    2100 + vms / 2
}

/// Runs a command; `None` where there is no such one.
pub(super) fn run(
    host: &Arc<SimHost>,
    command: &str,
    args: &[String],
) -> Option<Result<String, Fault>> {
    let esxi = host.esxi.as_ref()?;
    Some(match command {
        "hostsvc/hostsummary" => Ok(summary(host).print()),
        "hostsvc/runtimeinfo" => Ok(runtime(&esxi.lock()).print()),
        "hostsvc/autostartmanager/get_autostartseq" => Ok(sequence(&esxi.lock()).print()),
        "hostsvc/autostartmanager/get_defaults" => Ok(defaults().print()),
        "hostsvc/autostartmanager/update_autostartentry" => update(host, args),
        "hostsvc/maintenance_mode_enter" => Ok(maintenance(host, true)),
        "hostsvc/maintenance_mode_exit" => Ok(maintenance(host, false)),
        _ => return None,
    })
}

fn runtime(state: &State) -> Value {
    Value::Object(
        "vim.host.RuntimeInfo",
        vec![
            ("connectionState", Value::text("connected")),
            ("powerState", Value::text("poweredOn")),
            ("standbyMode", Value::Unset),
            ("inMaintenanceMode", Value::bare(state.saved.maintenance)),
            ("inQuarantineMode", Value::Unset),
            ("bootTime", Value::Unset),
            ("cpuCapacityForVm", Value::Unset),
            ("memoryCapacityForVm", Value::Unset),
            (
                "hostMaxVirtualDiskCapacity",
                Value::bare(68_169_720_922_112_u64),
            ),
        ],
    )
}

fn summary(host: &SimHost) -> Value {
    let Some(esxi) = &host.esxi else {
        return Value::Unset;
    };
    let state = esxi.lock();
    let hardware = Value::Object(
        "vim.host.Summary.HardwareSummary",
        vec![
            ("vendor", Value::text("Dell Inc.")),
            ("model", Value::text("PowerEdge R640")),
            ("uuid", Value::text(esxi.identity.uuid.clone())),
            ("memorySize", Value::bare(MEMORY)),
            (
                "cpuModel",
                Value::text("Intel(R) Xeon(R) Gold 6136 CPU @ 3.00GHz         "),
            ),
            ("cpuMhz", Value::bare(2993)),
            ("numCpuPkgs", Value::bare(1)),
            ("numCpuCores", Value::bare(CORES)),
            ("numCpuThreads", Value::bare(CORES * 2)),
            ("numNics", Value::bare(2)),
            ("numHBAs", Value::bare(2)),
        ],
    );
    let busy = 180 + 240 * state.running.len() as u64;
    Value::Object(
        "vim.host.Summary",
        vec![
            ("host", Value::Reference("vim.HostSystem:ha-host".into())),
            ("hardware", hardware),
            ("runtime", runtime(&state)),
            (
                "config",
                Value::Object(
                    "vim.host.Summary.ConfigSummary",
                    vec![
                        ("name", Value::text(host.hostname())),
                        ("port", Value::bare(902)),
                        (
                            "product",
                            Value::Object(
                                "vim.AboutInfo",
                                vec![
                                    ("name", Value::text("VMware ESXi")),
                                    ("fullName", Value::text("VMware ESXi 8.0.2 build-22380479")),
                                    ("version", Value::text("8.0.2")),
                                    ("build", Value::text("22380479")),
                                ],
                            ),
                        ),
                        ("vmotionEnabled", Value::bare(false)),
                    ],
                ),
            ),
            (
                "quickStats",
                Value::Object(
                    "vim.host.Summary.QuickStats",
                    vec![
                        ("overallCpuUsage", Value::bare(busy)),
                        ("overallMemoryUsage", Value::bare(memory_used(&state))),
                        ("distributedCpuFairness", Value::Unset),
                        ("distributedMemoryFairness", Value::Unset),
                        ("uptime", Value::bare(host.uptime_seconds())),
                    ],
                ),
            ),
            ("overallStatus", Value::text("green")),
            ("rebootRequired", Value::bare(false)),
        ],
    )
}

fn sequence(state: &State) -> Value {
    let entries = state.saved.autostart.iter().map(|entry| {
        Value::Object(
            "vim.host.AutoStartManager.AutoPowerInfo",
            vec![
                (
                    "key",
                    Value::Reference(format!("vim.VirtualMachine:{}", entry.id)),
                ),
                ("startOrder", Value::bare(entry.order)),
                ("startDelay", Value::bare(entry.start_delay)),
                ("waitForHeartbeat", Value::text(entry.heartbeat.clone())),
                ("startAction", Value::text(entry.start_action.clone())),
                ("stopDelay", Value::bare(entry.stop_delay)),
                ("stopAction", Value::text(entry.stop_action.clone())),
            ],
        )
    });
    Value::List("vim.host.AutoStartManager.AutoPowerInfo", entries.collect())
}

fn defaults() -> Value {
    Value::Object(
        "vim.host.AutoStartManager.SystemDefaults",
        vec![
            ("enabled", Value::bare(true)),
            ("startDelay", Value::bare(120)),
            ("stopDelay", Value::bare(120)),
            ("waitForHeartbeat", Value::bare(false)),
            ("stopAction", Value::text("PowerOff")),
        ],
    )
}

/// `update_autostartentry VMID START-ACTION START-DELAY START-ORDER STOP-ACTION STOP-DELAY
/// WAIT-FOR-HEARTBEAT`
fn update(host: &Arc<SimHost>, args: &[String]) -> Result<String, Fault> {
    let [
        id,
        start_action,
        start_delay,
        order,
        stop_action,
        stop_delay,
        heartbeat,
    ] = args
    else {
        return Err(Fault::new(
            "vmodl.fault.InvalidArgument",
            "A specified parameter was not correct: spec.powerInfo",
        ));
    };
    let Some(esxi) = &host.esxi else {
        return Err(Fault::no_vm(id));
    };
    let mut state = esxi.lock();
    let vm = state.find(id)?.id;
    let number = |text: &str| text.parse::<i32>().unwrap_or(-1);
    state.saved.autostart.retain(|entry| entry.id != vm);
    if !start_action.eq_ignore_ascii_case("none") {
        state.saved.autostart.push(Autostart {
            id: vm,
            order: number(order),
            start_action: start_action.clone(),
            start_delay: number(start_delay),
            stop_action: stop_action.clone(),
            stop_delay: number(stop_delay),
            heartbeat: heartbeat.clone(),
        });
        state.saved.autostart.sort_by_key(|entry| {
            if entry.order < 0 {
                i32::MAX
            } else {
                entry.order
            }
        });
    }
    esxi.save(host, &state);
    // No capture shows what it prints on success; callers read the sequence again.
    Ok(String::new())
}

fn maintenance(host: &Arc<SimHost>, enter: bool) -> String {
    let Some(esxi) = &host.esxi else {
        return String::new();
    };
    let mut state = esxi.lock();
    // With VMs running the task waits for them; here it then simply does not take effect.
    if !enter || state.running.is_empty() {
        state.saved.maintenance = enter;
        esxi.save(host, &state);
    }
    let word = if enter {
        "enterMaintenanceMode-20"
    } else {
        "exitMaintenanceMode-18"
    };
    format!("'vim.Task:haTask-ha-host-vim.HostSystem.{word}'\n")
}
