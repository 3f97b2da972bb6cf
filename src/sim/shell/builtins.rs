//! Commands that change the shell itself, and those that every shell has inside.

use std::sync::Arc;
use std::time::Duration;

use super::{Flow, Ran, Shell};
use crate::sim::commands::{self, Call, Halt};
use crate::sim::vfs::{absolute, reason};

/// Names that are programs elsewhere, but inside the shell need no process of their own.
const INSIDE: [&str; 9] = [
    "echo", "printf", "true", "false", "test", "[", "kill", "pwd", ":",
];

impl Shell {
    /// Runs a built-in; `None` where the name is none.
    pub(super) fn builtin(&mut self, name: &str, args: &[String]) -> Option<Ran> {
        let first = args.first().map(String::as_str);
        Some(match name {
            "exec" => self.replace_with(args),
            "exit" => Err(Flow::Exit(
                first
                    .and_then(|text| text.parse::<i32>().ok())
                    .unwrap_or(self.status)
                    & 255,
            )),
            "break" | "continue" => {
                let levels = first.and_then(|text| text.parse().ok()).unwrap_or(1);
                Err(if name == "break" {
                    Flow::Break(levels)
                } else {
                    Flow::Continue(levels)
                })
            }
            "cd" => Ok(self.change_folder(first)),
            "set" => Ok(self.set_options(args)),
            "shift" => {
                let count = first.and_then(|text| text.parse().ok()).unwrap_or(1);
                if count > self.args.len() {
                    Ok(1)
                } else {
                    self.args.drain(..count);
                    Ok(0)
                }
            }
            "export" | "readonly" | "local" => {
                for arg in args {
                    if let Some((name, value)) = arg.split_once('=') {
                        self.variables.insert(name.to_owned(), value.to_owned());
                    }
                }
                Ok(0)
            }
            "unset" => {
                for arg in args {
                    self.variables.remove(arg);
                }
                Ok(0)
            }
            "eval" => self.run_script(&args.join(" ")),
            "." => self.source(first),
            "read" => self.read_line(args),
            "trap" | "umask" | "ulimit" => Ok(0),
            "wait" => self.wait_children(args),
            "command" | "type" => return Some(self.command(name, args)),
            _ if INSIDE.contains(&name) => self.inside(name, args),
            _ => return None,
        })
    }

    fn inside(&mut self, name: &str, args: &[String]) -> Ran {
        let Some(program) = commands::find(&self.host, name) else {
            return Ok(127);
        };
        let mut call = Call {
            host: Arc::clone(&self.host),
            process: Arc::clone(&self.process),
            name: name.to_owned(),
            args: args.to_vec(),
            folder: self.folder.clone(),
            variables: self.variables.clone(),
            stdio: self.stdio.clone(),
            depth: self.depth,
        };
        match program(&mut call) {
            Ok(status) => Ok(status),
            Err(Halt::Killed(killed)) => Err(Flow::Killed(killed)),
            Err(Halt::BrokenPipe) => Err(Flow::Exit(141)),
            Err(Halt::Output(error)) => {
                self.complain(&format!("{}: write error: {}\n", self.name, reason(&error)));
                Ok(1)
            }
        }
    }

    fn change_folder(&mut self, to: Option<&str>) -> i32 {
        let home = self
            .variables
            .get("HOME")
            .cloned()
            .unwrap_or_else(|| "/".to_owned());
        let typed = match to {
            None => home,
            Some("-") => self.variables.get("OLDPWD").cloned().unwrap_or(home),
            Some(path) => path.to_owned(),
        };
        let path = absolute(&self.folder, &typed);
        let found = self.host.vfs.real(&path, true).and_then(|real| {
            let meta = std::fs::metadata(&real)?;
            if meta.is_dir() {
                Ok(real)
            } else {
                Err(std::io::ErrorKind::NotADirectory.into())
            }
        });
        match found {
            Ok(real) => {
                // As on ESXi, the prompt and `pwd` show the folder behind a datastore's label.
                let folder = self.host.vfs.shown(&real);
                let before = std::mem::replace(&mut self.folder, folder.clone());
                self.variables.insert("OLDPWD".to_owned(), before);
                self.variables.insert("PWD".to_owned(), folder);
                0
            }
            Err(error) => {
                self.complain(&format!(
                    "{}: cd: can't cd to {typed}: {}\n",
                    self.name,
                    reason(&error)
                ));
                2
            }
        }
    }

    fn set_options(&mut self, args: &[String]) -> i32 {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--" => {
                    self.args = args.cloned().collect();
                    return 0;
                }
                "-o" | "+o" => {
                    let on = arg == "-o";
                    match args.next().map(String::as_str) {
                        Some("errexit") => self.stop_on_error = on,
                        Some("noclobber") => self.keep_files = on,
                        _ => {}
                    }
                }
                flags if flags.starts_with(['-', '+']) => {
                    let on = flags.starts_with('-');
                    if flags.contains('e') {
                        self.stop_on_error = on;
                    }
                    if flags.contains('C') {
                        self.keep_files = on;
                    }
                }
                _ => {
                    self.args = std::iter::once(arg).chain(args).cloned().collect();
                    return 0;
                }
            }
        }
        0
    }

    fn source(&mut self, path: Option<&str>) -> Ran {
        let Some(path) = path else { return Ok(2) };
        match self.host.vfs.read_text(&absolute(&self.folder, path)) {
            Ok(script) => self.run_script(&script),
            Err(error) => {
                self.complain(&format!(
                    "{}: .: can't open '{path}': {}\n",
                    self.name,
                    reason(&error)
                ));
                Err(Flow::Exit(2))
            }
        }
    }

    /// `read [-r] name …`: one line, byte by byte, so that the next command finds the rest.
    fn read_line(&mut self, args: &[String]) -> Ran {
        let raw = args.iter().any(|arg| arg == "-r");
        let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
        let process = Arc::clone(&self.process);
        let killed = || process.killed().is_some();
        let mut line = Vec::new();
        let mut byte = [0_u8];
        let mut ended = false;
        loop {
            match self.stdio.stdin.read(&mut byte, &killed) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(_) if byte == *b"\n" => {
                    if !raw && line.last() == Some(&b'\\') {
                        line.pop();
                        continue;
                    }
                    break;
                }
                Ok(_) => line.extend_from_slice(&byte),
                Err(_) => {
                    if let Some(killed) = self.process.killed() {
                        return Err(killed.into());
                    }
                    return Ok(1);
                }
            }
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let separators = self
            .variables
            .get("IFS")
            .cloned()
            .unwrap_or_else(|| " \t\n".to_owned());
        let is_separator = |c: char| separators.contains(c);
        let blank = |c: char| separators.contains(c) && c.is_whitespace();
        let mut rest = text.trim_matches(blank);
        for (index, name) in names.iter().enumerate() {
            let value = if index + 1 == names.len() {
                rest.to_owned()
            } else {
                let (value, left) = rest.split_once(is_separator).unwrap_or((rest, ""));
                rest = left.trim_start_matches(blank);
                value.to_owned()
            };
            self.variables.insert((*name).clone(), value);
        }
        Ok(i32::from(ended && line.is_empty()))
    }

    fn wait_children(&mut self, args: &[String]) -> Ran {
        let wanted: Vec<u32> = if args.is_empty() {
            self.process.children()
        } else {
            args.iter().filter_map(|arg| arg.parse().ok()).collect()
        };
        while wanted
            .iter()
            .any(|pid| self.processes().find(*pid).is_some())
        {
            self.process.pause(Duration::from_millis(20))?;
        }
        Ok(0)
    }

    /// `command -v name`, `type name`, or `command name …`.
    fn command(&mut self, name: &str, args: &[String]) -> Ran {
        let look = name == "type" || args.first().is_some_and(|arg| arg == "-v" || arg == "-V");
        if !look {
            let Some((program, rest)) = args.split_first() else {
                return Ok(0);
            };
            if let Some(outcome) = self.builtin(program, rest) {
                return outcome;
            }
            let words = args.to_vec();
            return self.program_by_words(&words);
        }
        let mut status = 0;
        for wanted in args.iter().filter(|arg| !arg.starts_with("-")) {
            let shown = match self.host.program_path(wanted) {
                Some(path) => path,
                None if self.is_builtin(wanted) => wanted.clone(),
                None => {
                    status = 127;
                    continue;
                }
            };
            let line = if name == "type" {
                format!("{wanted} is {shown}\n")
            } else {
                format!("{shown}\n")
            };
            let process = Arc::clone(&self.process);
            let killed = || process.killed().is_some();
            if self
                .stdio
                .stdout
                .write_all(line.as_bytes(), &killed)
                .is_err()
            {
                return Ok(1);
            }
        }
        Ok(status)
    }

    fn is_builtin(&self, name: &str) -> bool {
        INSIDE.contains(&name)
            || [
                "cd", "exit", "exec", "set", "shift", "export", "read", "eval", "wait", "command",
            ]
            .contains(&name)
    }
}
