//! Programs about processes, time and the host itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Call, Halt, Outcome};
use crate::sim::process::Killed;
use crate::sim::shell::{Flow, Shell};
use crate::sim::stdio::Source;
use crate::sim::vfs::{WriteMode, reason};

/// A shell in this process, with the call's environment.
fn shell(call: &Call) -> Shell {
    Shell {
        host: Arc::clone(&call.host),
        process: Arc::clone(&call.process),
        variables: call.variables.clone(),
        name: call.name.clone(),
        args: Vec::new(),
        folder: call.folder.clone(),
        status: 0,
        substituted: None,
        last_background: None,
        stop_on_error: false,
        keep_files: false,
        stdio: call.stdio.clone(),
        depth: call.depth + 1,
    }
}

fn outcome(ran: Result<i32, Flow>) -> Outcome {
    match ran {
        Ok(status) | Err(Flow::Exit(status)) => Ok(status),
        Err(Flow::Break(_) | Flow::Continue(_)) => Ok(0),
        Err(Flow::Killed(killed)) => Err(killed.into()),
    }
}

/// Runs other words in a process of their own.
fn run_words(call: &Call, words: &[String], stdin: Option<Source>) -> Outcome {
    let mut shell = shell(call);
    if let Some(stdin) = stdin {
        shell.stdio.stdin = stdin;
    }
    outcome(shell.program_by_words(words))
}

/// `sh [-e] [-c SCRIPT [NAME ARGS]] [FILE ARGS]`
pub(super) fn sh(call: &mut Call) -> Outcome {
    if call.depth > 20 {
        return Ok(call.fail("too many nested shells"));
    }
    let mut shell = shell(call);
    let mut args = call.args.iter();
    let mut inline = false;
    let mut script = None;
    if call.name == "busybox" {
        let words = call.args.clone();
        return if words.is_empty() {
            Ok(0)
        } else {
            run_words(call, &words, None)
        };
    }
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            Some(letters) if !letters.is_empty() => {
                shell.stop_on_error |= letters.contains('e');
                if letters.contains('c') {
                    inline = true;
                    script = args.next().cloned();
                    break;
                }
                if letters.contains('s') {
                    break;
                }
            }
            _ => {
                script = Some(arg.clone());
                break;
            }
        }
    }
    let rest: Vec<String> = args.cloned().collect();
    let text = match (&script, inline) {
        (Some(text), true) => {
            if let Some((name, values)) = rest.split_first() {
                shell.name = name.clone();
                shell.args = values.to_vec();
            }
            text.clone()
        }
        (None, true) => return Ok(call.fail("-c requires an argument")),
        (Some(file), false) => {
            shell.name = file.clone();
            shell.args = rest;
            match call.host.vfs.read_text(&call.path(file)) {
                Ok(text) => text,
                Err(error) => {
                    call.fail(&format!("can't open '{file}': {}", reason(&error)));
                    return Ok(127);
                }
            }
        }
        (None, false) => {
            shell.args = rest;
            String::from_utf8_lossy(&call.read_all(&call.stdio.stdin)?).into_owned()
        }
    };
    outcome(shell.run_script(&text))
}

/// `xargs [-0] [-r] [-n N] [-I WORD] [command]`
pub(super) fn xargs(call: &mut Call) -> Outcome {
    let (mut zero, mut most, mut replace) = (false, usize::MAX, None);
    let mut quiet = false;
    let args = call.args.clone();
    let mut args = args.iter();
    let mut words: Vec<String> = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-0" => zero = true,
            "-r" => quiet = true,
            "-n" => {
                most = args
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(usize::MAX)
            }
            "-I" => replace = args.next().cloned(),
            _ => {
                words = std::iter::once(arg).chain(args.by_ref()).cloned().collect();
            }
        }
    }
    if words.is_empty() {
        words.push("echo".to_owned());
    }
    let bytes = call.read_all(&call.stdio.stdin)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let items: Vec<String> = if zero {
        text.split('\0')
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    } else if replace.is_some() {
        text.lines().map(str::to_owned).collect()
    } else {
        text.split_whitespace().map(str::to_owned).collect()
    };
    let mut status = 0;
    if let Some(mark) = replace {
        for item in &items {
            let line: Vec<String> = words.iter().map(|word| word.replace(&mark, item)).collect();
            status = status.max(run_words(call, &line, Some(Source::Null))?);
        }
    } else if !items.is_empty() || !quiet {
        let groups: Vec<&[String]> = if items.is_empty() {
            vec![&[]]
        } else {
            items.chunks(most.max(1).min(items.len())).collect()
        };
        for group in groups {
            let line: Vec<String> = words.iter().chain(group).cloned().collect();
            status = status.max(run_words(call, &line, Some(Source::Null))?);
        }
    }
    Ok(if status == 0 { 0 } else { 123 })
}

/// `sleep SECONDS`; site time, so `speed` shortens it.
pub(super) fn sleep(call: &mut Call) -> Outcome {
    let text = call.args.first().map_or("", String::as_str);
    let (digits, factor) = match text.chars().last() {
        Some('s') => (text.trim_end_matches('s'), 1.0),
        Some('m') => (text.trim_end_matches('m'), 60.0),
        _ => (text, 1.0),
    };
    let Ok(seconds) = digits.parse::<f64>() else {
        return Ok(call.fail(&format!("invalid number '{text}'")));
    };
    call.process.pause(call.host.pace.real(seconds * factor))?;
    Ok(0)
}

/// `date [-u] [-d @SECONDS] [+FORMAT]`
pub(super) fn date(call: &mut Call) -> Outcome {
    let mut time = Timestamp::now();
    let mut format = "%a %b %e %H:%M:%S UTC %Y".to_owned();
    let args = call.args.clone();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-u" => {}
            "-d" => {
                let text = args.next().map_or("", String::as_str);
                let parsed = text
                    .strip_prefix('@')
                    .and_then(|digits| digits.parse().ok());
                match parsed.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
                    Some(parsed) => time = parsed,
                    None => return Ok(call.fail(&format!("invalid date '{text}'"))),
                }
            }
            _ => match arg.strip_prefix('+') {
                Some(text) => format = text.to_owned(),
                None => return Ok(call.fail(&format!("invalid date '{arg}'"))),
            },
        }
    }
    let zoned = time.to_zoned(TimeZone::UTC);
    match jiff::fmt::strtime::format(&format, &zoned) {
        Ok(text) => {
            call.out(&format!("{text}\n"))?;
            Ok(0)
        }
        Err(_) => Ok(call.fail(&format!("invalid format '{format}'"))),
    }
}

/// `uname [-asnrm]`
pub(super) fn uname(call: &mut Call) -> Outcome {
    let esxi = call.host.esxi.is_some();
    let (system, release, machine) = if esxi {
        ("VMkernel", "8.0.2", "x86_64")
    } else {
        ("Linux", "6.1.0-18-amd64", "x86_64")
    };
    let text = match call.args.first().map(String::as_str) {
        None | Some("-s") => system.to_owned(),
        Some("-n") => call.host.hostname(),
        Some("-r") => release.to_owned(),
        Some("-m") => machine.to_owned(),
        // The form of 8.0.2 as captured.
        Some("-a") if esxi => format!(
            "VMkernel {} 8.0.2 #1 SMP Release build-22380479 Sep  4 2023 15:00:49 x86_64 x86_64 x86_64 ESXi",
            call.host.hostname()
        ),
        Some("-a") => format!(
            "Linux {} {release} #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 x86_64 GNU/Linux",
            call.host.hostname()
        ),
        Some(other) => return Ok(call.fail(&format!("invalid option {other}"))),
    };
    call.out(&format!("{text}\n"))?;
    Ok(0)
}

/// `hostname [-f|-s]`
pub(super) fn hostname(call: &mut Call) -> Outcome {
    call.out(&format!("{}\n", call.host.hostname()))?;
    Ok(0)
}

/// `uptime`
pub(super) fn uptime(call: &mut Call) -> Outcome {
    let seconds = call.host.uptime_seconds();
    let now = Timestamp::now().strftime("%H:%M:%S");
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    call.out(&format!(
        " {now} up {days} days, {hours:02}:{minutes:02}, load average: 0.08, 0.06, 0.05\n"
    ))?;
    Ok(0)
}

/// `id [-u|-un]`
pub(super) fn id(call: &mut Call) -> Outcome {
    let user = call.variables.get("USER").map_or("root", String::as_str);
    let number = if user == "root" { 0 } else { 1000 };
    let text = match call.args.first().map(String::as_str) {
        Some("-u" | "-g") => number.to_string(),
        Some("-un" | "-nu" | "-gn") => user.to_owned(),
        _ => format!("uid={number}({user}) gid={number}({user}) groups={number}({user})"),
    };
    call.out(&format!("{text}\n"))?;
    Ok(0)
}

/// `whoami`
pub(super) fn whoami(call: &mut Call) -> Outcome {
    let user = call.variables.get("USER").map_or("root", String::as_str);
    call.out(&format!("{user}\n"))?;
    Ok(0)
}

/// `env [NAME=VALUE…] [command]`
pub(super) fn env(call: &mut Call) -> Outcome {
    let args = call.args.clone();
    let mut args = args.iter().peekable();
    while let Some((name, value)) = args.peek().and_then(|arg| arg.split_once('=')) {
        call.variables.insert(name.to_owned(), value.to_owned());
        args.next();
    }
    let words: Vec<String> = args.cloned().collect();
    if !words.is_empty() {
        return run_words(call, &words, None);
    }
    for (name, value) in call.variables.clone() {
        call.out(&format!("{name}={value}\n"))?;
    }
    Ok(0)
}

/// `timeout SECONDS command`; 143 when it had to end it, as BusyBox says it.
pub(super) fn timeout(call: &mut Call) -> Outcome {
    let Some((limit, words)) = call
        .args
        .split_first()
        .filter(|(_, words)| !words.is_empty())
    else {
        return Ok(call.fail("usage: timeout SECS PROG ARGS"));
    };
    let Ok(seconds) = limit.trim_end_matches('s').parse::<f64>() else {
        return Ok(call.fail(&format!("invalid number '{limit}'")));
    };
    let running = call.host.processes.start(call.process.pid, words.to_vec());
    let child = Arc::clone(&running.process);
    let mut inner = shell(call);
    inner.process = Arc::clone(&child);
    let words = words.to_vec();
    let thread = std::thread::spawn(move || {
        let ended = outcome(inner.replace_with(&words));
        drop(running);
        ended
    });
    let end = std::time::Instant::now() + call.host.pace.real(seconds);
    while !thread.is_finished() {
        if std::time::Instant::now() >= end {
            child.kill(15);
        }
        call.process.pause(Duration::from_millis(5))?;
    }
    match thread.join() {
        Ok(Err(Halt::Killed(Killed(signal)))) => Ok(128 + signal),
        Ok(ended) => ended,
        Err(_) => Ok(1),
    }
}

/// `nohup command`, `setsid command`
pub(super) fn nohup(call: &mut Call) -> Outcome {
    let words = call.args.clone();
    if words.is_empty() {
        Ok(call.fail("missing operand"))
    } else {
        run_words(call, &words, None)
    }
}

/// `which names`
pub(super) fn which(call: &mut Call) -> Outcome {
    let mut status = 0;
    for name in call.args.clone() {
        match call.host.program_path(&name) {
            Some(path) => call.out(&format!("{path}\n"))?,
            None => status = 1,
        }
    }
    Ok(status)
}

/// `logger [-t TAG] words`: a line in the system's log.
pub(super) fn logger(call: &mut Call) -> Outcome {
    let options = match call.options("s", "tp") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let tag = options.value('t').unwrap_or("root");
    let text = if options.operands.is_empty() {
        String::from_utf8_lossy(&call.read_all(&call.stdio.stdin)?)
            .trim_end()
            .to_owned()
    } else {
        options.operands.join(" ")
    };
    let log = if call.host.esxi.is_some() {
        "/var/log/syslog.log"
    } else {
        "/var/log/syslog"
    };
    let line = format!(
        "{} {} {tag}: {text}\n",
        Timestamp::now(),
        call.host.hostname()
    );
    let mode = WriteMode {
        append: true,
        ..WriteMode::default()
    };
    let written = call
        .host
        .vfs
        .open_write(log, mode)
        .and_then(|(mut file, _)| std::io::Write::write_all(&mut file, line.as_bytes()));
    Ok(written.map_or_else(|error| call.fail_on(log, &error), |()| 0))
}

/// Runs a blocking piece of work on a thread of its own, so that a signal ends the wait for it.
///
/// # Errors
/// [`Halt::Killed`].
pub(super) fn interruptible<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Halt> {
    let slot = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&slot);
    let thread = std::thread::spawn(move || {
        let value = work();
        *inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
    });
    while !thread.is_finished() {
        call.process
            .pause(Duration::from_millis(2))
            .map_err(|Killed(n)| Halt::Killed(Killed(n)))?;
    }
    let value = slot
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    Ok(value)
}
