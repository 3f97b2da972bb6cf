//! Small programs of ESXi: `vmware`, `vmkload_mod`, `esxcfg-vswitch -l`, `vdf`, `/etc/init.d/hostd`.

use std::sync::atomic::Ordering;

use crate::sim::commands::{Call, Outcome};

/// `vmware -v | -l | -vl`
pub(super) fn vmware(call: &mut Call) -> Outcome {
    let flags: String = call
        .args
        .iter()
        .filter_map(|arg| arg.strip_prefix('-'))
        .collect();
    if !flags.contains(['v', 'l']) {
        return Ok(call.fail("usage: vmware [-v] [-l]"));
    }
    if flags.contains('v') {
        call.out("VMware ESXi 8.0.2 build-22380479\n")?;
    }
    if flags.contains('l') {
        call.out("VMware ESXi 8.0.2 Update 2\n")?;
    }
    Ok(0)
}

/// `esxcfg-vswitch -l`, layout of 7 as captured.
pub(super) fn esxcfg_vswitch(call: &mut Call) -> Outcome {
    if !call.args.iter().any(|arg| arg == "-l" || arg == "--list") {
        return Ok(call.fail("only -l is simulated"));
    }
    let Some(esxi) = &call.host.esxi else {
        return Ok(127);
    };
    let state = esxi.lock();
    let mut text = String::new();
    for switch in &state.saved.switches {
        let uplinks = switch.uplinks.join(",");
        text.push_str(
            "Switch Name      Num Ports   Used Ports  Configured Ports  MTU     Uplinks\n",
        );
        text.push_str(&format!(
            "{:<16} {:<11} {:<11} {:<17} {:<7} {uplinks}\n\n",
            switch.name,
            8960,
            4 + state.running.len(),
            switch.ports,
            1500
        ));
        text.push_str("  PortGroup Name                            VLAN ID  Used Ports  Uplinks\n");
        for group in state
            .saved
            .groups
            .iter()
            .filter(|group| group.switch == switch.name)
        {
            let used = super::esxcli::clients(&state, &group.name);
            text.push_str(&format!(
                "  {:<41} {:<8} {used:<11} {uplinks}\n",
                group.name, group.vlan
            ));
        }
        text.push('\n');
    }
    drop(state);
    call.out(&text)?;
    Ok(0)
}

/// `vdf -h`: ramdisks, in columns as captured.
pub(super) fn vdf(call: &mut Call) -> Outcome {
    call.out(
        "Ramdisk                   Size      Used Available Use% Mounted on\n\
         root                       32M        3M       28M  10% --\n\
         etc                        28M      412K       27M   1% --\n\
         var                        48M      520K       47M   1% --\n\
         tmp                       256M       60K      255M   0% --\n\
         hostdstats                166M        6M      159M   4% --\n",
    )?;
    Ok(0)
}

/// `/etc/init.d/hostd status | restart | start | stop`
pub(super) fn init_hostd(call: &mut Call) -> Outcome {
    let host = std::sync::Arc::clone(&call.host);
    let Some(esxi) = &host.esxi else {
        return Ok(127);
    };
    let up = esxi.hostd_is_up();
    match call.args.first().map(String::as_str) {
        Some("status") => {
            call.out(if up {
                "hostd is running.\n"
            } else {
                "hostd is not running.\n"
            })?;
            Ok(i32::from(!up))
        }
        Some("stop") => {
            call.out(
                "watchdog-hostd: Terminating watchdog process with PID 2098515\nhostd stopped.\n",
            )?;
            esxi.faults.hostd_down.store(true, Ordering::Release);
            Ok(0)
        }
        Some("start" | "restart") => {
            if up {
                call.out("watchdog-hostd: Terminating watchdog process with PID 2098515\nhostd stopped.\n")?;
            }
            esxi.faults.hostd_down.store(true, Ordering::Release);
            call.process.pause(call.host.pace.real(4.0))?;
            // Running VMs are left alone; what hostd remembered of finished tasks is gone.
            esxi.lock().tasks.retain(|task| task.outcome.is_none());
            esxi.faults.hostd_down.store(false, Ordering::Release);
            call.out("hostd started.\n")?;
            Ok(0)
        }
        _ => Ok(call.fail("usage: hostd {start|stop|restart|status}")),
    }
}

/// `vmkload_mod [-u] multiextent`, the one module that a recovery may need.
pub(super) fn vmkload_mod(call: &mut Call) -> Outcome {
    let host = std::sync::Arc::clone(&call.host);
    let Some(esxi) = &host.esxi else {
        return Ok(127);
    };
    let unload = call.args.iter().any(|arg| arg == "-u");
    if !call.args.iter().any(|arg| arg == "multiextent") {
        return Ok(call.fail("only multiextent is simulated"));
    }
    if esxi.multiextent.swap(!unload, Ordering::AcqRel) == unload {
        let word = if unload { "unloaded" } else { "loaded" };
        call.out(&format!("Module multiextent {word} successfully\n"))?;
        return Ok(0);
    }
    call.err("vmkmod: VMKModLoad: VMKernel_LoadKernelModule(multiextent): Busy\n");
    Ok(1)
}
