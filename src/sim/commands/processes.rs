//! `kill`, `ps`, `pgrep`.

use super::{Call, Outcome};

/// `kill [-SIGNAL] pids`; signal 0 only asks.
pub(super) fn kill(call: &mut Call) -> Outcome {
    let mut signal = 15;
    let mut pids = Vec::new();
    let args = call.args.clone();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "-s" {
            signal = args
                .next()
                .and_then(|name| signal_number(name))
                .unwrap_or(15);
        } else if let Some(name) = arg.strip_prefix('-').filter(|_| pids.is_empty()) {
            match signal_number(name) {
                Some(number) => signal = number,
                None => return Ok(call.fail(&format!("bad signal name '{name}'"))),
            }
        } else {
            pids.push(arg.clone());
        }
    }
    let mut status = 0;
    for text in pids {
        let Ok(pid) = text.parse::<u32>() else {
            status = call.fail(&format!("invalid number '{text}'"));
            continue;
        };
        match call.host.processes.find(pid) {
            Some(process) if signal != 0 => process.kill(signal),
            Some(_) => {}
            None => {
                // ash names itself in front of the built-in.
                call.err(&format!("sh: can't kill pid {pid}: No such process\n"));
                status = 1;
            }
        }
    }
    Ok(status)
}

fn signal_number(name: &str) -> Option<i32> {
    match name.strip_prefix("SIG").unwrap_or(name) {
        "0" => Some(0),
        "1" | "HUP" => Some(1),
        "2" | "INT" => Some(2),
        "3" | "QUIT" => Some(3),
        "9" | "KILL" => Some(9),
        "15" | "TERM" => Some(15),
        other => other.parse().ok().filter(|n| (1..32).contains(n)),
    }
}

/// `ps`: VMware's own on ESXi (`-c` shows whole command lines), else procps in the forms
/// `ps -o LIST [-p PIDS]`, `ps -e…`, `ps aux`.
pub(super) fn ps(call: &mut Call) -> Outcome {
    if call.host.esxi.is_some() {
        return worlds(call);
    }
    let mut columns: Option<Vec<(String, Option<String>)>> = None;
    let mut wanted: Option<Vec<u32>> = None;
    let mut full = false;
    let args = call.args.clone();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (flag, glued) = arg.split_at(arg.len().min(2));
        let mut value = || {
            if glued.is_empty() {
                args.next().cloned().unwrap_or_default()
            } else {
                glued.to_owned()
            }
        };
        match flag {
            "-o" => {
                let list = columns.get_or_insert_default();
                for column in value().split(',') {
                    match column.split_once('=') {
                        Some((name, title)) => list.push((name.to_owned(), Some(title.to_owned()))),
                        None => list.push((column.to_owned(), None)),
                    }
                }
            }
            "-p" => {
                let list = value();
                wanted = Some(
                    list.split([',', ' '])
                        .filter_map(|pid| pid.parse().ok())
                        .collect(),
                );
            }
            _ => full = true,
        }
    }
    let columns = columns.unwrap_or_else(|| {
        let names: &[&str] = if full {
            &["user", "pid", "ppid", "args"]
        } else {
            &["pid", "tty", "time", "comm"]
        };
        names
            .iter()
            .map(|name| ((*name).to_owned(), None))
            .collect()
    });
    let title = |(name, title): &(String, Option<String>)| {
        title.clone().unwrap_or_else(|| match name.as_str() {
            "args" | "cmd" | "command" => "COMMAND".to_owned(),
            "comm" => "COMMAND".to_owned(),
            other => other.to_uppercase(),
        })
    };
    let titles: Vec<String> = columns.iter().map(title).collect();
    if titles.iter().any(|title| !title.is_empty()) {
        call.out(&row(&columns, &titles))?;
    }
    let mut found = false;
    for process in call.host.processes.all() {
        if wanted
            .as_ref()
            .is_some_and(|pids| !pids.contains(&process.pid))
        {
            continue;
        }
        found = true;
        let args = process.args();
        let cells: Vec<String> = columns
            .iter()
            .map(|(name, _)| match name.as_str() {
                "pid" => process.pid.to_string(),
                "ppid" => process.parent.to_string(),
                "user" | "uid" => "root".to_owned(),
                "comm" => args.first().cloned().unwrap_or_default(),
                "args" | "cmd" | "command" => args.join(" "),
                "time" => "00:00:00".to_owned(),
                "stat" | "s" | "state" => "S".to_owned(),
                _ => "?".to_owned(),
            })
            .collect();
        call.out(&row(&columns, &cells))?;
    }
    Ok(i32::from(wanted.is_some() && !found))
}

fn row(columns: &[(String, Option<String>)], cells: &[String]) -> String {
    let mut parts = Vec::new();
    for (index, ((name, _), cell)) in columns.iter().zip(cells).enumerate() {
        let last = index + 1 == columns.len();
        parts.push(match name.as_str() {
            "pid" | "ppid" => format!("{cell:>7}"),
            _ if last => cell.clone(),
            _ => format!("{cell:<8}"),
        });
    }
    format!("{}\n", parts.join(" "))
}

/// `ps [-c]` of ESXi. No capture of it was found: the columns are from knowledge.
fn worlds(call: &Call) -> Outcome {
    let whole = call
        .args
        .iter()
        .any(|arg| arg.starts_with('-') && arg.contains('c'));
    call.out("WID      CID      World Name            Command\n")?;
    let mut lines = Vec::new();
    if let Some(esxi) = &call.host.esxi {
        for (world, cartel, name) in esxi.worlds() {
            lines.push((world, cartel, format!("vmm0:{name}"), "/bin/vmx".to_owned()));
            lines.push((cartel, cartel, "vmx".to_owned(), "/bin/vmx".to_owned()));
        }
    }
    for process in call.host.processes.all() {
        let args = process.args();
        let program = args.first().cloned().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
        let command = if whole { args.join(" ") } else { program };
        lines.push((process.pid, process.pid, name, command));
    }
    lines.sort();
    for (world, cartel, name, command) in lines {
        call.out(&format!("{world:<8} {cartel:<8} {name:<20}  {command}\n"))?;
    }
    Ok(0)
}

/// `pgrep [-f] PATTERN`
pub(super) fn pgrep(call: &mut Call) -> Outcome {
    let options = match call.options("flx", "") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let Some(pattern) = options.operands.first() else {
        return Ok(call.fail("no pattern"));
    };
    let regex = match super::grep::compile(pattern, true, false) {
        Ok(regex) => regex,
        Err(message) => return Ok(call.fail(&message)),
    };
    let mut status = 1;
    for process in call.host.processes.all() {
        let args = process.args();
        let text = if options.has('f') {
            args.join(" ")
        } else {
            args.first().cloned().unwrap_or_default()
        };
        if process.pid != call.process.pid && regex.is_match(&text) {
            status = 0;
            let line = if options.has('l') {
                format!("{} {text}\n", process.pid)
            } else {
                format!("{}\n", process.pid)
            };
            call.out(&line)?;
        }
    }
    Ok(status)
}
