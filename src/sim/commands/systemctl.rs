//! `systemctl`, for the units that a runbook's commands name.

use std::io::Write;

use super::{Call, Outcome};
use crate::sim::units;

/// `systemctl VERB [-q|--quiet] [--now] UNIT…`.
pub(super) fn systemctl(call: &mut Call) -> Outcome {
    let is_option = |arg: &&String| arg.starts_with('-');
    let options: Vec<&str> = call
        .args
        .iter()
        .filter(is_option)
        .map(String::as_str)
        .collect();
    let known = ["-q", "--quiet", "--now", "--no-pager"];
    if let Some(unknown) = options.iter().find(|option| !known.contains(option)) {
        return Ok(call.fail(&format!("unrecognized option '{unknown}'")));
    }
    let mut words = call.args.iter().filter(|arg| !is_option(arg)).cloned();
    let Some(verb) = words.next() else {
        call.err("Too few arguments.\n");
        return Ok(1);
    };
    let quiet = options.contains(&"-q") || options.contains(&"--quiet");
    let now = options.contains(&"--now");
    let mut ended = Vec::new();
    for unit in words {
        let unit = units::short(&unit);
        ended.push(match verb.as_str() {
            "is-active" => show(call, unit, quiet)?,
            "is-enabled" => show_enabled(call, unit, quiet)?,
            "start" | "stop" | "restart" => change(call, &verb, unit),
            "enable" | "disable" => enable(call, &verb, unit, now),
            _ => {
                call.err(&format!("Unknown command verb {verb}.\n"));
                1
            }
        });
    }
    if let Some(machine) = call.host.network.machine_of(&call.host.name) {
        machine.serve(&call.host.network);
    }
    // Of several that are asked about one is enough.
    let well = ended.contains(&0) && verb.starts_with("is-");
    let failed = ended.into_iter().find(|status| *status != 0);
    Ok(failed.filter(|_| !well).unwrap_or(0))
}

fn show(call: &Call, unit: &str, quiet: bool) -> Outcome {
    let active = units::is_active(call.host.vfs.root(), unit);
    if !quiet {
        call.out(if active { "active\n" } else { "inactive\n" })?;
    }
    Ok(if active { 0 } else { 3 })
}

fn show_enabled(call: &Call, unit: &str, quiet: bool) -> Outcome {
    let root = call.host.vfs.root();
    if !units::exists(root, unit) {
        call.err(&format!(
            "Failed to get unit file state for {unit}.service: No such file or directory\n"
        ));
        return Ok(1);
    }
    let enabled = units::is_enabled(root, unit);
    if !quiet {
        call.out(if enabled { "enabled\n" } else { "disabled\n" })?;
    }
    Ok(if enabled { 0 } else { 1 })
}

fn change(call: &Call, verb: &str, unit: &str) -> i32 {
    let root = call.host.vfs.root();
    if !units::exists(root, unit) {
        let missing = if verb == "stop" { "loaded" } else { "found" };
        call.err(&format!(
            "Failed to {verb} {unit}.service: Unit {unit}.service not {missing}.\n"
        ));
        return 5;
    }
    let starts = verb != "stop";
    let was = units::is_active(root, unit);
    if let Err(error) = units::set_active(root, unit, starts) {
        return call.fail_on(unit, &error);
    }
    if starts && !was {
        note_start(call, unit);
    }
    0
}

fn enable(call: &Call, verb: &str, unit: &str, now: bool) -> i32 {
    let root = call.host.vfs.root();
    let file = format!("/etc/systemd/system/{}", units::file_name(unit));
    if !units::exists(root, unit) {
        call.err(&format!(
            "Failed to {verb} unit: Unit file {unit}.service does not exist.\n"
        ));
        return 1;
    }
    let on = verb == "enable";
    let wanted = format!("/etc/systemd/system/multi-user.target.wants/{unit}.service");
    if on != units::is_enabled(root, unit) {
        call.err(&if on {
            format!("Created symlink {wanted} \u{2192} {file}.\n")
        } else {
            format!("Removed \"{wanted}\".\n")
        });
    }
    if let Err(error) = units::enable(root, unit, on) {
        return call.fail_on(unit, &error);
    }
    if now {
        return change(call, if on { "start" } else { "stop" }, unit);
    }
    0
}

/// An application that starts writes into its data, so that they differ from every copy of before.
fn note_start(call: &Call, unit: &str) {
    let data = format!("/srv/{unit}/data.db");
    let opened = call
        .host
        .vfs
        .real(&data, true)
        .and_then(|real| std::fs::File::options().append(true).open(real));
    if let Ok(mut file) = opened {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        // Data that cannot be written to do not stop a unit.
        let _ = writeln!(file, "{now} started on {}", call.host.name);
    }
}
