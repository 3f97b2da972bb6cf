//! The programs of a simulated host, in the spelling of BusyBox (ESXi) where it differs.

mod awk;
mod copy;
mod dd;
mod files;
mod find;
mod grep;
mod listing;
mod net;
mod packed;
mod place;
mod processes;
mod rsync;
mod scp;
mod sed;
mod sums;
mod system;
mod systemctl;
mod test;
mod text;
mod words;

pub(crate) use self::copy::{CopyError, copy_sparse};
pub(crate) use self::net::dev_tcp;
pub(crate) use self::sums::hex;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::host::SimHost;
use super::process::{Killed, Process};
use super::stdio::{Source, Stdio};
use super::vfs::{absolute, reason};

/// Why a program ends early.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A signal.
    Killed(Killed),
    /// Nobody reads its output any more.
    BrokenPipe,
    /// Its output could not be written.
    Output(io::Error),
}

impl From<Killed> for Halt {
    fn from(killed: Killed) -> Self {
        Self::Killed(killed)
    }
}

/// An exit status, or why it ended early.
pub(crate) type Outcome = Result<i32, Halt>;

/// A file's name as typed, and what is in it.
pub(crate) type Text = (String, Vec<u8>);

/// A program.
pub(crate) type Program = fn(&mut Call) -> Outcome;

/// One run of a program.
pub(crate) struct Call {
    /// Where it runs.
    pub(crate) host: Arc<SimHost>,
    /// Its process.
    pub(crate) process: Arc<Process>,
    /// As it was called, without the folder.
    pub(crate) name: String,
    /// Its arguments, without its name.
    pub(crate) args: Vec<String>,
    /// The working folder.
    pub(crate) folder: String,
    /// The environment.
    pub(crate) variables: BTreeMap<String, String>,
    /// The standard streams.
    pub(crate) stdio: Stdio,
    /// How deep in nested shells.
    pub(crate) depth: usize,
}

impl Call {
    /// Writes text to standard output.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn out(&self, text: &str) -> Result<(), Halt> {
        self.out_bytes(text.as_bytes())
    }

    /// Writes bytes to standard output.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn out_bytes(&self, bytes: &[u8]) -> Result<(), Halt> {
        let killed = || self.process.killed().is_some();
        self.stdio
            .stdout
            .write_all(bytes, &killed)
            .map_err(|error| self.halt(error))
    }

    /// Writes to standard error; a lost reader is not an error there.
    pub(crate) fn err(&self, text: &str) {
        let killed = || self.process.killed().is_some();
        let _ = self.stdio.stderr.write_all(text.as_bytes(), &killed);
    }

    /// Says `name: text` on standard error and gives 1.
    pub(crate) fn fail(&self, text: &str) -> i32 {
        self.err(&format!("{}: {text}\n", self.name));
        1
    }

    /// Says `name: path: reason` on standard error and gives 1.
    pub(crate) fn fail_on(&self, path: &str, error: &io::Error) -> i32 {
        self.fail(&format!("{path}: {}", reason(error)))
    }

    fn halt(&self, error: io::Error) -> Halt {
        match (self.process.killed(), error.kind()) {
            (Some(killed), _) => Halt::Killed(killed),
            (None, io::ErrorKind::BrokenPipe) => Halt::BrokenPipe,
            _ => Halt::Output(error),
        }
    }

    /// The absolute virtual path of an argument.
    pub(crate) fn path(&self, arg: &str) -> String {
        absolute(&self.folder, arg)
    }

    /// Ends here if it was killed.
    ///
    /// # Errors
    /// [`Halt::Killed`].
    pub(crate) fn check(&self) -> Result<(), Halt> {
        self.process
            .killed()
            .map_or(Ok(()), |killed| Err(killed.into()))
    }

    /// Reads from standard input; 0 is the end.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn input(&self, buffer: &mut [u8]) -> Result<usize, Halt> {
        self.read_from(&self.stdio.stdin, buffer)
    }

    /// Reads from a source; 0 is the end.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn read_from(&self, source: &Source, buffer: &mut [u8]) -> Result<usize, Halt> {
        let killed = || self.process.killed().is_some();
        source
            .read(buffer, &killed)
            .map_err(|error| self.halt(error))
    }

    /// A file argument, `-` being the standard input.
    ///
    /// # Errors
    /// As `open(2)`.
    pub(crate) fn source(&self, arg: &str) -> io::Result<Source> {
        match arg {
            "-" | "/dev/stdin" => Ok(self.stdio.stdin.clone()),
            "/dev/null" => Ok(Source::Null),
            "/dev/zero" => Ok(Source::Zero),
            _ => {
                let file = self.host.vfs.open(&self.path(arg))?;
                Ok(Source::File(Arc::new(std::sync::Mutex::new(file))))
            }
        }
    }

    /// Everything from a source, at most 64 MiB.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn read_all(&self, source: &Source) -> Result<Vec<u8>, Halt> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = self.read_from(source, &mut buffer)?;
            if count == 0 || all.len() > 64 << 20 {
                return Ok(all);
            }
            all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }

    /// The lines of the named files, or of the standard input where none is named. Unreadable files
    /// are complained of and counted.
    ///
    /// # Errors
    /// [`Halt`].
    pub(crate) fn texts(&self, files: &[String]) -> Result<(Vec<Text>, i32), Halt> {
        let mut texts = Vec::new();
        let mut status = 0;
        if files.is_empty() {
            return Ok((vec![("-".to_owned(), self.read_all(&self.stdio.stdin)?)], 0));
        }
        for file in files {
            match self.source(file) {
                Ok(source) => texts.push((file.clone(), self.read_all(&source)?)),
                Err(error) => status = self.fail_on(file, &error),
            }
        }
        Ok((texts, status))
    }

    /// Splits the arguments into single-letter options and operands. `valued` lists the letters
    /// that take a value.
    ///
    /// # Errors
    /// The exit status after a complaint about an unknown letter.
    pub(crate) fn options(&self, known: &str, valued: &str) -> Result<Options, i32> {
        let mut options = Options::default();
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                options.operands.extend(args.cloned());
                break;
            }
            let Some(letters) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                options.operands.push(arg.clone());
                continue;
            };
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                if valued.contains(letter) {
                    let rest: String = letters.by_ref().collect();
                    let value = if rest.is_empty() {
                        args.next().cloned()
                    } else {
                        Some(rest)
                    };
                    let Some(value) = value else {
                        return Err(
                            self.fail(&format!("option requires an argument -- '{letter}'"))
                        );
                    };
                    options.values.push((letter, value));
                } else if known.contains(letter) {
                    options.flags.push(letter);
                } else if letter == '-' {
                    return Err(self.fail(&format!("unrecognized option '{arg}'")));
                } else {
                    return Err(self.fail(&format!("invalid option -- '{letter}'")));
                }
            }
        }
        Ok(options)
    }
}

/// Options and operands of one call.
#[derive(Debug, Default)]
pub(crate) struct Options {
    flags: Vec<char>,
    values: Vec<(char, String)>,
    /// What is no option.
    pub(crate) operands: Vec<String>,
}

/// The files that were named; standard input where none was.
pub(crate) fn or_stdin(files: Vec<String>) -> Vec<String> {
    if files.is_empty() {
        vec!["-".to_owned()]
    } else {
        files
    }
}

impl Options {
    /// The files that are read.
    pub(crate) fn files(&self) -> Vec<String> {
        or_stdin(self.operands.clone())
    }

    /// Whether a letter was given.
    pub(crate) fn has(&self, letter: char) -> bool {
        self.flags.contains(&letter)
    }

    /// The last value of a letter.
    pub(crate) fn value(&self, letter: char) -> Option<&str> {
        self.values
            .iter()
            .rev()
            .find(|(l, _)| *l == letter)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a letter.
    pub(crate) fn all(&self, letter: char) -> Vec<&str> {
        self.values
            .iter()
            .filter(|(l, _)| *l == letter)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// The program of that name on that host.
pub(crate) fn find(host: &SimHost, name: &str) -> Option<Program> {
    if let Some(program) = host.esxi.as_ref().and_then(|_| super::esxi::program(name)) {
        return Some(program);
    }
    let posix_only = [
        "bash",
        "curl",
        "perl",
        "rsync",
        "getent",
        "setsid",
        "nohup",
        "systemctl",
    ];
    if host.esxi.is_some() && posix_only.contains(&name) {
        return None;
    }
    Some(match name {
        "sh" | "ash" | "bash" | "busybox" => system::sh,
        "echo" => words::echo,
        "printf" => words::printf,
        "true" | ":" => |_| Ok(0),
        "false" => |_| Ok(1),
        "test" | "[" => test::test,
        "pwd" => words::pwd,
        "seq" => words::seq,
        "basename" => words::basename,
        "dirname" => words::dirname,
        "cat" => text::cat,
        "zcat" => packed::zcat,
        "head" => text::head,
        "tail" => text::tail,
        "wc" => text::wc,
        "sort" => text::sort,
        "uniq" => text::uniq,
        "cut" => text::cut,
        "tr" => text::tr,
        "tee" => text::tee,
        "xargs" => system::xargs,
        "grep" | "egrep" | "fgrep" => grep::grep,
        "sed" => sed::sed,
        "awk" => awk::awk,
        "ls" => listing::ls,
        "stat" => listing::stat,
        "du" => listing::du,
        "df" => place::df,
        "find" => find::find,
        "mkdir" => files::mkdir,
        "rmdir" => files::rmdir,
        "mv" => files::mv,
        "cp" => copy::cp,
        "rm" => files::rm,
        "touch" => files::touch,
        "chmod" => files::chmod,
        "chown" | "chgrp" => |_| Ok(0),
        "ln" => files::ln,
        "readlink" => files::readlink,
        "realpath" => files::realpath,
        "mktemp" => files::mktemp,
        "truncate" => files::truncate,
        "cmp" => sums::cmp,
        "dd" => dd::dd,
        "sha256sum" if !host.without_sums.load(Ordering::Acquire) => sums::sums,
        "sleep" => system::sleep,
        "date" => system::date,
        "uname" => system::uname,
        "hostname" => system::hostname,
        "uptime" => system::uptime,
        "id" => system::id,
        "whoami" => system::whoami,
        "env" => system::env,
        "nohup" | "setsid" => system::nohup,
        "which" => system::which,
        "kill" => processes::kill,
        "ps" => processes::ps,
        "pgrep" => processes::pgrep,
        "sync" => |_| Ok(0),
        "nproc" => |call| call.out("4\n").map(|()| 0),
        "timeout" => system::timeout,
        "logger" => system::logger,
        "systemctl" => systemctl::systemctl,
        "rsync" => rsync::rsync,
        "nc" => net::nc,
        "ping" => net::ping,
        "wget" => net::wget,
        "curl" => net::curl,
        "scp" => scp::scp,
        _ => return None,
    })
}
