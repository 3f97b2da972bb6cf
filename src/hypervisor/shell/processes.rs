//! One process by its number: whether it still is the command that was sent, and stopping it.
//!
//! A number may long belong to another process, so nothing is stopped unless the host still shows
//! the very command behind it, looked at in the same script right before.

use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, succeeded, unexpected, whole};
use crate::runbook::model::Driver;

/// Length of the text by which a command is recognised, at most, in bytes.
const NEEDLE: usize = 160;

/// What is behind a process's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// No process has that number: the command has ended.
    Ended,
    /// Something that does not look like the command; nothing was stopped. Either the command has
    /// ended and its number was given out again, or this host shows it in a way that is not
    /// known: the shown text is for a person to judge.
    Other {
        /// What the host shows.
        shown: String,
    },
    /// The command still runs; after a [`stop`], in spite of it.
    Running,
    /// The command still ran and was stopped.
    Stopped,
}

/// Shows the command line behind `$1`: Linux has it whole in /proc, others through ps, which must
/// first prove on this shell that it works.
const SHOW_POSIX: &str = r#"if [ -r /proc/self/cmdline ]; then
  shown=$(if [ -r "/proc/$1/cmdline" ]; then tr '\000\n\t' '   ' <"/proc/$1/cmdline"; fi)
else
  ps -o args= -p $$ >/dev/null || exit 5
  shown=$(ps -ww -o args= -p "$1" 2>/dev/null)
fi"#;

/// Shows the lines of VMware's own ps behind `$1`. Its columns are world, cartel, name, command;
/// each thread of a process is a line, and a process's number is its cartel's. Another make's
/// `ps -c` lists something else and no commands, which would pass for their end: it is known by its
/// heading, and /proc is read instead.
const SHOW_ESXI: &str = r#"all=$(ps -c 2>/dev/null)
case $all in
  *WID*)
    shown=$(printf '%s\n' "$all" | while read -r w c rest; do
      if [ "$w" = "$1" ] || [ "$c" = "$1" ]; then printf '%s\n' "$rest"; fi
    done);;
  *)
    if [ ! -r /proc/self/cmdline ]; then echo 'ps -c lists no worlds here' >&2; exit 5; fi
    shown=$(if [ -r "/proc/$1/cmdline" ]; then tr '\000\n\t' '   ' <"/proc/$1/cmdline"; fi);;
esac"#;

/// Prints the command line of each process, a line each.
const LIST: &str = r#"all=$(ps -c 2>/dev/null)
case $all in *WID*) printf '%s\n' "$all"; exit 0;; esac
if [ ! -r /proc/self/cmdline ]; then exec ps -ef; fi
for p in /proc/[0-9]*/cmdline; do
  if [ -r "$p" ]; then tr '\000\n\t' '   ' 2>/dev/null <"$p" && echo; fi
done"#;

/// Lists what runs on a host, with its command lines.
#[must_use]
pub fn list_processes() -> HostCommand {
    HostCommand::script(Effect::Read, LIST, Vec::<String>::new())
}

/// Compares what is shown with `$2`, and stops the process if `$3` says so: politely, then not.
const JUDGE: &str = r#"if [ -z "$shown" ]; then echo ended; exit 0; fi
case " $shown " in
  *"$2"*) ;;
  *) echo other; printf '%s\n' "$shown"; exit 0;;
esac
if [ "$3" != stop ]; then echo running; exit 0; fi
kill "$1" 2>/dev/null
for i in 1 2 3 4 5; do
  if ! kill -0 "$1" 2>/dev/null; then echo stopped; exit 0; fi
  sleep 1
done
kill -9 "$1" 2>/dev/null
for i in 1 2 3; do
  sleep 1
  if ! kill -0 "$1" 2>/dev/null; then echo stopped; exit 0; fi
done
echo running"#;

fn script(driver: Driver) -> String {
    let show = if driver == Driver::Esxi {
        SHOW_ESXI
    } else {
        SHOW_POSIX
    };
    format!("{show}\n{JUDGE}")
}

/// The part of a command by which its process is known again: what follows the program's name
/// (hosts show programs with or without their folder, and some behind an interpreter), up to the
/// first character that hosts show in different ways.
fn needle(command: &HostCommand) -> String {
    let words = command.words();
    let arguments = words.get(1..).unwrap_or_default().join(" ");
    if arguments.is_empty() {
        return format!("{} ", words.join(" "));
    }
    let text = arguments;
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let whole = text.len() <= NEEDLE && text.chars().all(|c| plain(&c));
    let text: String = text.chars().take_while(plain).take(NEEDLE).collect();
    // The blank keeps `power.on 12` from being taken for `power.on 123`.
    let end = if whole { " " } else { "" };
    format!(" {}{end}", text.trim_end())
}

/// Looks whether process `pid` still is `command`.
#[must_use]
pub fn trace(driver: Driver, pid: u32, command: &HostCommand) -> HostCommand {
    let words = [pid.to_string(), needle(command), "look".to_owned()];
    HostCommand::script(Effect::Read, &script(driver), words)
}

/// Stops process `pid` if it still is `command`: TERM, after 5 s KILL.
#[must_use]
pub fn stop(driver: Driver, pid: u32, command: &HostCommand) -> HostCommand {
    let words = [pid.to_string(), needle(command), "stop".to_owned()];
    HostCommand::script(Effect::Write, &script(driver), words)
}

impl Trace {
    /// Reads the reply of [`trace`] or [`stop`].
    ///
    /// # Errors
    ///
    /// The host cannot show its processes.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        whole(output)?;
        succeeded(output, "ps")?;
        let text = output.text();
        let (word, rest) = text.split_once('\n').unwrap_or((&text, ""));
        match word {
            "ended" => Ok(Self::Ended),
            "other" => Ok(Self::Other {
                shown: excerpt(rest),
            }),
            "running" => Ok(Self::Running),
            "stopped" => Ok(Self::Stopped),
            _ => Err(unexpected("whether the command still runs", &text)),
        }
    }
}

#[cfg(test)]
mod tests;
