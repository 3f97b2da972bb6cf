//! Runs the tree: lists, pipelines, redirections, programs.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use super::ast::{Command, Item, Kind, List, Pipeline, Redirection, Target, Word};
use super::pattern;
use super::{Flow, Ran, Shell};
use crate::sim::commands::{self, Call, Halt};
use crate::sim::pipe::pipe;
use crate::sim::process::{Killed, Running};
use crate::sim::stdio::{OutFile, Sink, Source, Stdio};
use crate::sim::vfs::{WriteMode, absolute, reason};

const MAX_DEPTH: usize = 24;
const PIPE_BYTES: usize = 256 << 10;
/// Room for the recursion of nested scripts.
const STACK_BYTES: usize = 4 << 20;

impl Shell {
    /// A copy that runs apart (subshell, substitution, pipeline stage) in the same process.
    ///
    /// # Errors
    /// `Exit` where shells are nested without end.
    pub(super) fn nested(&self) -> Result<Self, Flow> {
        if self.depth >= MAX_DEPTH {
            self.complain(&format!("{}: too many nested shells\n", self.name));
            return Err(Flow::Exit(2));
        }
        let mut inner = self.clone();
        inner.depth += 1;
        Ok(inner)
    }

    /// Runs a list whose `exit` ends only itself.
    ///
    /// # Errors
    /// `Killed`.
    pub(super) fn run_apart(&mut self, list: &List) -> Ran {
        match self.run_list(list) {
            Ok(status) | Err(Flow::Exit(status)) => Ok(status),
            Err(Flow::Break(_) | Flow::Continue(_)) => Ok(self.status),
            Err(killed @ Flow::Killed(_)) => Err(killed),
        }
    }

    /// Runs commands in order.
    ///
    /// # Errors
    /// [`Flow`].
    pub(super) fn run_list(&mut self, list: &List) -> Ran {
        for item in list {
            if let Some(killed) = self.process.killed() {
                return Err(killed.into());
            }
            if item.background {
                self.start_background(item)?;
                self.status = 0;
                continue;
            }
            let mut status = self.run_pipeline(&item.first)?;
            let mut checked = item.rest.is_empty() && !item.first.negated;
            for (index, (and, pipeline)) in item.rest.iter().enumerate() {
                if *and == (status == 0) {
                    status = self.run_pipeline(pipeline)?;
                    checked = index + 1 == item.rest.len() && !pipeline.negated;
                }
            }
            self.status = status;
            if self.stop_on_error && status != 0 && checked {
                return Err(Flow::Exit(status));
            }
        }
        Ok(self.status)
    }

    fn start_background(&mut self, item: &Item) -> Result<(), Flow> {
        let mut inner = self.nested()?;
        let running = self
            .processes()
            .start(self.process.pid, vec!["sh".to_owned()]);
        inner.process = Arc::clone(&running.process);
        inner.stdio.stdin = Source::Null;
        self.last_background = Some(inner.process.pid);
        self.process.adopt(inner.process.pid);
        let mut list = vec![item.clone()];
        for item in &mut list {
            item.background = false;
        }
        let spawned = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let _ = inner.run_apart(&list);
                drop(running);
            });
        if spawned.is_err() {
            self.complain(&format!("{}: can't fork\n", self.name));
            return Err(Flow::Exit(2));
        }
        Ok(())
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline) -> Ran {
        let status = match pipeline.commands.as_slice() {
            [only] => self.run_command(only)?,
            stages => self.run_stages(stages)?,
        };
        self.status = if pipeline.negated {
            i32::from(status == 0)
        } else {
            status
        };
        Ok(self.status)
    }

    fn run_stages(&mut self, stages: &[Command]) -> Ran {
        let Some((last, early)) = stages.split_last() else {
            return Ok(0);
        };
        let mut input = self.stdio.stdin.clone();
        let mut shells = Vec::new();
        for stage in early {
            let (reader, writer) = pipe(PIPE_BYTES);
            let mut shell = self.nested()?;
            shell.stdio.stdin = std::mem::replace(&mut input, Source::Pipe(Arc::new(reader)));
            shell.stdio.stdout = Sink::Pipe(writer);
            shells.push((shell, stage));
        }
        let mut tail = self.nested()?;
        tail.stdio.stdin = input;
        thread::scope(|scope| {
            for (mut shell, stage) in shells {
                let spawned =
                    thread::Builder::new()
                        .stack_size(STACK_BYTES)
                        .spawn_scoped(scope, move || {
                            let _ = shell.run_command(stage);
                        });
                if spawned.is_err() {
                    self.complain(&format!("{}: can't fork\n", self.name));
                    return Err(Flow::Exit(2));
                }
            }
            let outcome = tail.run_command(last);
            // Frees the read end, so that earlier stages end with a broken pipe.
            drop(tail);
            match outcome {
                Ok(status) | Err(Flow::Exit(status)) => Ok(status),
                Err(Flow::Break(_) | Flow::Continue(_)) => Ok(0),
                Err(killed @ Flow::Killed(_)) => Err(killed),
            }
        })
    }

    fn run_command(&mut self, command: &Command) -> Ran {
        let saved = self.stdio.clone();
        if let Kind::Simple { assignments, words } = &command.kind {
            let outcome = self.run_simple(assignments, words, &command.redirections);
            // `exec > file` without a command keeps its redirections.
            if !matches!(outcome, Ok((_, true))) {
                self.stdio = saved;
            }
            return outcome.map(|(status, _)| status);
        }
        let outcome = match self.redirect(&command.redirections)? {
            Some(status) => Ok(status),
            None => self.run_compound(&command.kind),
        };
        self.stdio = saved;
        outcome
    }

    fn run_compound(&mut self, kind: &Kind) -> Ran {
        match kind {
            Kind::Simple { .. } => Ok(0),
            Kind::Subshell(list) => self.nested()?.run_apart(list),
            Kind::Group(list) => self.run_list(list),
            Kind::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.condition(condition)? {
                        self.status = 0;
                        return self.run_list(body);
                    }
                }
                self.status = 0;
                self.run_list(otherwise)
            }
            Kind::Loop(wanted, condition, body) => self.run_loop(*wanted, condition, body),
            Kind::For(name, words, body) => {
                let values = match words {
                    Some(words) => self.fields(words)?,
                    None => self.args.clone(),
                };
                self.status = 0;
                for value in values {
                    self.variables.insert(name.clone(), value);
                    if !go_on(self.run_list(body).map(|_| ()))? {
                        break;
                    }
                }
                Ok(self.status)
            }
            Kind::Case(subject, arms) => {
                let text: Vec<char> = self.string(subject)?.chars().collect();
                self.status = 0;
                for (patterns, body) in arms {
                    for word in patterns {
                        if pattern::fits(&self.marked(word)?, &text) {
                            return self.run_list(body);
                        }
                    }
                }
                Ok(0)
            }
        }
    }

    /// Runs a condition, in which a failure does not end a `set -e` shell.
    fn condition(&mut self, list: &List) -> Result<bool, Flow> {
        let strict = std::mem::replace(&mut self.stop_on_error, false);
        let outcome = self.run_list(list);
        self.stop_on_error = strict;
        Ok(outcome? == 0)
    }

    fn run_loop(&mut self, wanted: bool, condition: &List, body: &List) -> Ran {
        let mut status = 0;
        while self.condition(condition)? == wanted {
            let outcome = self.run_list(body).map(|last| status = last);
            if !go_on(outcome)? {
                break;
            }
        }
        self.status = status;
        Ok(status)
    }

    /// The status, and whether the redirections stay (`exec` without a command).
    fn run_simple(
        &mut self,
        assignments: &[(String, Word)],
        words: &[Word],
        redirections: &[Redirection],
    ) -> Result<(i32, bool), Flow> {
        self.substituted = None;
        let fields = self.fields(words)?;
        if let Some(status) = self.redirect(redirections)? {
            return Ok((status, false));
        }
        let mut values = Vec::new();
        for (name, word) in assignments {
            values.push((name.clone(), self.string(word)?));
        }
        let Some((program, args)) = fields.split_first() else {
            self.variables.extend(values);
            // A plain assignment has the status of its last substitution, else 0.
            return Ok((self.substituted.unwrap_or(0), false));
        };
        if program == "exec" && args.is_empty() {
            self.variables.extend(values);
            return Ok((0, true));
        }
        let before: Vec<_> = values
            .iter()
            .map(|(name, _)| (name.clone(), self.variables.get(name).cloned()))
            .collect();
        self.variables.extend(values);
        let outcome = match self.builtin(program, args) {
            Some(outcome) => outcome,
            None => self.program_by_words(&fields),
        };
        for (name, value) in before {
            match value {
                Some(value) => self.variables.insert(name, value),
                None => self.variables.remove(&name),
            };
        }
        outcome.map(|status| (status, false))
    }

    /// Runs a program in a process of its own.
    ///
    /// # Errors
    /// [`Flow::Killed`].
    pub(crate) fn program_by_words(&mut self, words: &[String]) -> Ran {
        let running = self.processes().start(self.process.pid, words.to_vec());
        self.run_in(&running, words)
    }

    /// Runs a program in place of this shell.
    ///
    /// # Errors
    /// Always: `Exit` with its status, or `Killed`.
    pub(crate) fn replace_with(&mut self, words: &[String]) -> Ran {
        self.process.become_program(words.to_vec());
        let process = Arc::clone(&self.process);
        let status = self.call(&process, words)?;
        Err(Flow::Exit(status))
    }

    fn run_in(&mut self, running: &Running, words: &[String]) -> Ran {
        match self.call(&running.process, words) {
            // The child died of a signal; the shell itself lives on.
            Err(Flow::Killed(Killed(signal))) if self.process.killed().is_none() => {
                Ok(128 + signal)
            }
            outcome => outcome,
        }
    }

    fn call(&mut self, process: &Arc<crate::sim::process::Process>, words: &[String]) -> Ran {
        let Some((name, args)) = words.split_first() else {
            return Ok(0);
        };
        let short = name.rsplit('/').next().unwrap_or(name);
        let Some(program) = commands::find(&self.host, short) else {
            if let Some(script) = self.script_file(name) {
                return self.run_file(process, name, &script, args);
            }
            self.complain(&format!("sh: {name}: not found\n"));
            return Ok(127);
        };
        let mut call = Call {
            host: Arc::clone(&self.host),
            process: Arc::clone(process),
            name: short.to_owned(),
            args: args.to_vec(),
            folder: self.folder.clone(),
            variables: self.variables.clone(),
            stdio: self.stdio.clone(),
            depth: self.depth,
        };
        match program(&mut call) {
            Ok(status) => Ok(status),
            Err(Halt::Killed(killed)) => Err(Flow::Killed(killed)),
            Err(Halt::BrokenPipe) => Ok(141),
            Err(Halt::Output(error)) => {
                self.complain(&format!("{short}: write error: {}\n", reason(&error)));
                Ok(1)
            }
        }
    }

    /// A script of the host's own that is named by its path.
    fn script_file(&self, name: &str) -> Option<String> {
        if !name.contains('/') {
            return None;
        }
        self.host
            .vfs
            .read_text(&absolute(&self.folder, name))
            .ok()
            .filter(|text| text.starts_with("#!"))
    }

    fn run_file(
        &mut self,
        process: &Arc<crate::sim::process::Process>,
        name: &str,
        script: &str,
        args: &[String],
    ) -> Ran {
        let mut inner = self.nested()?;
        inner.process = Arc::clone(process);
        inner.name = name.to_owned();
        inner.args = args.to_vec();
        match inner.run_script(script) {
            Ok(status) | Err(Flow::Exit(status)) => Ok(status),
            Err(flow) => Err(flow),
        }
    }

    /// Applies redirections; a status means that one failed and the command must not run.
    fn redirect(&mut self, redirections: &[Redirection]) -> Result<Option<i32>, Flow> {
        for redirection in redirections {
            let word = match &redirection.target {
                Target::Read(word)
                | Target::Write(word)
                | Target::Append(word)
                | Target::Same(word) => self.string(word)?,
                Target::Here(text) => {
                    let text = text.get().cloned().unwrap_or_default();
                    let text = self.string(&text)?;
                    self.stdio.stdin =
                        Source::Bytes(Arc::new(Mutex::new(io::Cursor::new(text.into_bytes()))));
                    continue;
                }
            };
            if let Err(problem) = self.redirect_one(redirection, &word) {
                self.complain(&format!("{}: {problem}\n", self.name));
                return Ok(Some(1));
            }
        }
        Ok(None)
    }

    fn redirect_one(&mut self, redirection: &Redirection, word: &str) -> Result<(), String> {
        let fd = redirection.fd;
        match &redirection.target {
            Target::Read(_) => {
                self.stdio.stdin = self
                    .open_source(word)
                    .map_err(|error| format!("can't open {word}: {}", reason(&error)))?;
                Ok(())
            }
            Target::Same(_) => {
                let sink = match word {
                    "1" => self.stdio.stdout.clone(),
                    "2" => self.stdio.stderr.clone(),
                    "-" => Sink::Null,
                    "0" if fd == 0 => return Ok(()),
                    _ => return Err(format!("{word}: bad file descriptor")),
                };
                set_sink(&mut self.stdio, fd, sink, word)
            }
            Target::Write(_) | Target::Append(_) => {
                let append = matches!(redirection.target, Target::Append(_));
                let sink = self
                    .open_sink(word, append)
                    .map_err(|error| format!("can't create {word}: {}", reason(&error)))?;
                set_sink(&mut self.stdio, fd, sink, word)
            }
            Target::Here(_) => Ok(()),
        }
    }

    fn open_source(&self, word: &str) -> io::Result<Source> {
        match word {
            "/dev/null" => Ok(Source::Null),
            "/dev/zero" => Ok(Source::Zero),
            "/dev/stdin" => Ok(self.stdio.stdin.clone()),
            _ => {
                if let Some(opened) = self.dev_tcp(word) {
                    return opened.map(|()| Source::Null);
                }
                let file = self.host.vfs.open(&absolute(&self.folder, word))?;
                Ok(Source::File(Arc::new(Mutex::new(file))))
            }
        }
    }

    /// `bash` opens a connection for this path; what is sent there is not simulated.
    fn dev_tcp(&self, word: &str) -> Option<io::Result<()>> {
        if self.host.esxi.is_some() {
            return None;
        }
        Some(commands::dev_tcp(&self.host.network, word)?.map(drop))
    }

    fn open_sink(&self, word: &str, append: bool) -> io::Result<Sink> {
        match word {
            "/dev/null" => return Ok(Sink::Null),
            "/dev/stdout" => return Ok(self.stdio.stdout.clone()),
            "/dev/stderr" => return Ok(self.stdio.stderr.clone()),
            _ => {}
        }
        if let Some(opened) = self.dev_tcp(word) {
            return opened.map(|()| Sink::Null);
        }
        let new = self.keep_files && !append;
        let mode = WriteMode {
            append,
            truncate: !append,
            new,
            ..WriteMode::default()
        };
        let (file, real) = self
            .host
            .vfs
            .open_write(&absolute(&self.folder, word), mode)?;
        let vfs = Arc::clone(&self.host.vfs);
        Ok(Sink::File(Arc::new(OutFile {
            file: Mutex::new(file),
            real,
            vfs,
        })))
    }
}

fn set_sink(stdio: &mut Stdio, fd: u32, sink: Sink, word: &str) -> Result<(), String> {
    match fd {
        1 => stdio.stdout = sink,
        2 => stdio.stderr = sink,
        0 => {}
        _ => return Err(format!("{word}: bad file descriptor")),
    }
    Ok(())
}

/// Whether a loop goes on after its body ended like this.
fn go_on(outcome: Result<(), Flow>) -> Result<bool, Flow> {
    match outcome {
        Ok(()) | Err(Flow::Continue(0 | 1)) => Ok(true),
        Err(Flow::Break(0 | 1)) => Ok(false),
        Err(Flow::Break(levels)) => Err(Flow::Break(levels - 1)),
        Err(Flow::Continue(levels)) => Err(Flow::Continue(levels - 1)),
        Err(flow) => Err(flow),
    }
}
