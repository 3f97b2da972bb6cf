//! `vim-cmd`: its commands, and how faults look. Faults go to standard output with status 1.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::value::{Fault, Value};
use super::{hostsvc, inventory, power, question, report};
use crate::sim::commands::{Call, Outcome};
use crate::sim::host::SimHost;

/// What the log-in of each call takes, in site seconds.
const LOGIN_TAKES: f64 = 0.25;

/// `vim-cmd NAMESPACE/COMMAND [ARGS]`
pub(super) fn run(call: &mut Call) -> Outcome {
    let Some((command, args)) = call.args.split_first() else {
        call.out(HELP)?;
        return Ok(0);
    };
    let (command, args) = (command.clone(), operands(args));
    call.process.pause(call.host.pace.real(LOGIN_TAKES))?;
    let host = Arc::clone(&call.host);
    let Some(esxi) = &host.esxi else {
        return Ok(127);
    };
    if !esxi.hostd_is_up() {
        call.out("Failed to login: Connection reset by peer\n")?;
        return Ok(1);
    }
    let args = match args {
        Ok(args) => args,
        Err(option) => {
            // What a real one says of it is in no capture.
            call.err(&format!("vim-cmd: invalid option -- '{option}'\n"));
            return Ok(1);
        }
    };
    let first = args.first().map_or("", String::as_str);
    if needs_vm(&command) && first.is_empty() {
        call.out(&format!("Insufficient arguments.\n{}", usage(&command)))?;
        return Ok(1);
    }
    match command.as_str() {
        "help" | "/" => print(call, HELP),
        "vmsvc/getallvms" => {
            let (rows, skipped) = inventory::getallvms(&host, &esxi.lock());
            call.err(&skipped);
            print(call, &rows)
        }
        "vmsvc/power.getstate" => {
            let state = esxi.lock();
            let shown = state
                .find(first)
                .map(|vm| match state.running.contains_key(&vm.id) {
                    true => "Retrieved runtime info\nPowered on\n",
                    false => "Retrieved runtime info\nPowered off\n",
                });
            drop(state);
            answer(call, shown.map(str::to_owned))
        }
        "vmsvc/power.on" => power_on(call, &host, first),
        "vmsvc/power.off" => power_verb(
            call,
            "Powering off VM:",
            "Power off failed",
            power::off(&host, first),
        ),
        "vmsvc/power.reset" => {
            let reset = power::off(&host, first).and_then(|()| power::on(&host, first).map(|_| ()));
            power_verb(call, "Reset VM:", "Reset failed", reset)
        }
        "vmsvc/power.shutdown" => answer(
            call,
            power::shutdown(&host, first, false).map(|()| String::new()),
        ),
        "vmsvc/power.reboot" => answer(
            call,
            power::shutdown(&host, first, true).map(|()| String::new()),
        ),
        "vmsvc/message" => {
            let text = question::message(&host, &args);
            answer(call, text)
        }
        "vmsvc/reload" => answer(
            call,
            inventory::reload(&host, first).map(|()| String::new()),
        ),
        "vmsvc/unregister" => answer(
            call,
            inventory::unregister(&host, first).map(|()| String::new()),
        ),
        "vmsvc/destroy" => answer(
            call,
            inventory::destroy(&host, first).map(|()| String::new()),
        ),
        "vmsvc/snapshot.get" => {
            let found = esxi
                .lock()
                .find(first)
                .map(|_| "Get Snapshot:\n".to_owned());
            answer(call, found)
        }
        "vmsvc/get.summary" => answer(call, report::summary(&host, first)),
        "vmsvc/get.guest" => answer(call, report::guest(&host, first)),
        "vmsvc/get.config" => answer(call, report::config(&host, first)),
        "vmsvc/get.runtime" => answer(call, report::runtime(&host, first)),
        "vmsvc/get.networks" => answer(call, report::networks(&host, first)),
        "vmsvc/get.tasklist" => answer(call, report::tasklist(&host, first)),
        "vmsvc/device.getdevices" => answer(call, report::devices(&host, first)),
        "vmsvc/device.connection" => answer(
            call,
            power::switch_device(&host, &args).map(|()| String::new()),
        ),
        "vimsvc/license" => answer(call, Ok(LICENCES.to_owned())),
        "vimsvc/task_info" => answer(call, report::task(&host, first)),
        "solo/registervm" => {
            let registered = inventory::register(&host, first, args.get(1).map(String::as_str));
            answer(call, registered.map(|id| format!("{id}\n")))
        }
        _ => match hostsvc::run(&host, &command, &args) {
            Some(shown) => answer(call, shown),
            None => {
                call.out(&format!("Invalid command '{}'.\n", command))?;
                Ok(1)
            }
        },
    }
}

/// A command's words without the `--` behind which none is an option; before it a negative number is
/// taken for one, and refused.
fn operands(args: &[String]) -> Result<Vec<String>, char> {
    let end = args.iter().position(|arg| arg == "--");
    let (options, rest) = args.split_at(end.unwrap_or(args.len()));
    let digit = |arg: &String| {
        let option = arg.strip_prefix('-')?.chars().next()?;
        option.is_ascii_digit().then_some(option)
    };
    match options.iter().find_map(digit) {
        Some(digit) => Err(digit),
        None => Ok(options.iter().chain(rest.iter().skip(1)).cloned().collect()),
    }
}

/// A licence without an end.
const LICENCES: &str = "[200] Sending request for installed licenses...[200] Complete, result is:
   serial: 11111-22222-33333-44444-55555
   vmodl key: esx.enterprisePlus.cpuPackage
   name: VMware vSphere 8 Enterprise Plus
   total: 2
   used: 0
   unit: cpuPackage
   Properties:
     [ProductName] = VMware ESX Server
     [ProductVersion] = 8.0
[200] End of report.
";

fn needs_vm(command: &str) -> bool {
    (command.starts_with("vmsvc/") && command != "vmsvc/getallvms")
        || command == "solo/registervm"
        || command == "vimsvc/task_info"
}

fn usage(command: &str) -> String {
    let what = match command {
        "solo/registervm" => "cfg-path [name] [resourcepool id]",
        "vimsvc/task_info" => "task",
        _ => "vmid",
    };
    let short = command.rsplit('/').next().unwrap_or(command);
    format!("Usage: {short} {what}\n")
}

fn print(call: &Call, text: &str) -> Outcome {
    call.out(text)?;
    Ok(0)
}

fn answer(call: &Call, shown: Result<String, Fault>) -> Outcome {
    match shown {
        Ok(text) => print(call, &text),
        Err(fault) => {
            call.out(&fault.value().print())?;
            Ok(1)
        }
    }
}

fn power_verb(call: &Call, head: &str, failed: &str, done: Result<(), Fault>) -> Outcome {
    call.out(&format!("{head}\n"))?;
    match done {
        Ok(()) => Ok(0),
        Err(fault) if fault.kind == "vim.fault.NotFound" => answer(call, Err(fault)),
        // 6.0 and later give no reason here.
        Err(_) => {
            call.out(&format!("{failed}\n"))?;
            Ok(1)
        }
    }
}

/// `power.on` returns only when its task has ended: while a question is open, it hangs. Killing it
/// does not take the VM's power back.
fn power_on(call: &Call, host: &Arc<SimHost>, id: &str) -> Outcome {
    let Some(esxi) = &host.esxi else {
        return Ok(127);
    };
    let task = match power::on(host, id) {
        Ok(task) => task,
        Err(fault) => return answer(call, Err(fault)),
    };
    call.out("Powering on VM:\n")?;
    if esxi.faults.power_on_lingers.load(Ordering::Acquire) {
        return Ok(0);
    }
    let mut state = esxi.lock();
    let good = loop {
        let outcome = state
            .tasks
            .iter()
            .find(|entry| entry.key == task)
            .map(|entry| entry.outcome.clone());
        match outcome {
            Some(Some(outcome)) => break outcome.is_ok(),
            None => break false,
            Some(None) => {}
        }
        call.check()?;
        state = esxi
            .changed
            .wait_timeout(state, Duration::from_millis(100))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    };
    drop(state);
    if good && !esxi.faults.power_on_lies.load(Ordering::Acquire) {
        return Ok(0);
    }
    call.out("Power on failed\n")?;
    Ok(1)
}

/// A top-level value with the title that some commands print above it.
pub(super) fn titled(title: &str, value: &Value) -> String {
    format!("{title}\n\n{}", value.print())
}

const HELP: &str = "Commands available under /:\n\
hbrsvc/       internalsvc/  solo/         vmsvc/        \n\
hostsvc/      proxysvc/     vimsvc/       help   \n";
