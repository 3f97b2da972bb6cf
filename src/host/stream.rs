//! A program whose output is taken as it comes, in bounded memory: a backup tool that prints a disk.
//!
//! The shell around it reads the program's secrets from its own input, drops what is not wanted of
//! the output before it crosses the wire, tells the exit status at the end of standard error, and
//! then waits for a line. Where its input ends instead, because the console let go or the link died,
//! it ends the program.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::command::{Effect, HostCommand};
use super::config::Secret;
use super::error::HostError;
use super::file::FileError;
use super::lane::{Kept, LaneThread, Worker};
use super::link::{Cancel, Limit, Link};
use super::live::Stream;
use super::process::Process;
use super::sanitise::sanitise;

/// How long nothing may come. Tools that load the index of a large repository are silent for long.
const PATIENCE: Duration = Duration::from_secs(300);

/// Of standard error, its end.
const KEPT_MESSAGE: usize = 8 << 10;

/// What stands before the exit status on standard error.
const MARK: &str = "lifeboat-program-ended";

/// Takes secrets from the input: `NAME … --` come first.
const SECRETS: &str = r#"while [ "$1" != -- ]; do IFS= read -r value; export "$1=$value"; shift; done; shift
"#;

/// Runs a program to its end.
const RUN: &str = r#"exec "$@" </dev/null"#;

/// Runs a program whose output is taken from byte `$1` on (the first is 1). The pipeline is in the
/// background, so that the shell hears when nobody wants it any more; its group is its own (sshd).
const POUR: &str = r#"from=$1; shift
if [ "$from" = 1 ]; then
  { "$@" </dev/null; printf '\nlifeboat-program-ended %s\n' $? >&2; } &
else
  { "$@" </dev/null; printf '\nlifeboat-program-ended %s\n' $? >&2; } | tail -c "+$from" &
fi
if read -r value; then wait; exit 0; fi
kill 0"#;

/// A program with its words, and secrets in its environment. They travel on the shell's input and
/// stand on no command line.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<String>,
    secrets: Vec<(String, Secret)>,
}

impl Program {
    /// A program without secrets.
    #[must_use]
    pub fn new(words: Vec<String>) -> Self {
        Self {
            words,
            secrets: Vec::new(),
        }
    }

    /// The same with secrets, each under the name that it has in the program's environment. A
    /// secret of several lines is cut off behind the first.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Vec<(String, Secret)>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Its words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Its secrets, by their names in the environment.
    #[must_use]
    pub fn secrets(&self) -> &[(String, Secret)] {
        &self.secrets
    }

    /// The line for people: the words, quoted where needed.
    #[must_use]
    pub fn line(&self) -> String {
        shell_words::join(&self.words)
    }

    /// As a command that runs to its end and whose output is small.
    #[must_use]
    pub fn command(&self, effect: Effect) -> HostCommand {
        if self.secrets.is_empty() {
            return match effect {
                Effect::Read => HostCommand::read(self.words.clone()),
                Effect::Write => HostCommand::write(self.words.clone()),
            };
        }
        let script = format!("{SECRETS}{RUN}");
        HostCommand::script(effect, &script, self.args(None)).stdin(self.input().to_vec())
    }

    fn args(&self, from: Option<u64>) -> Vec<String> {
        let names = self.secrets.iter().map(|(name, _)| name.clone());
        let from = from.map(|from| (from.saturating_add(1)).to_string());
        names
            .chain(["--".to_owned()])
            .chain(from)
            .chain(self.words.iter().cloned())
            .collect()
    }

    fn input(&self) -> Zeroizing<Vec<u8>> {
        let mut input = Zeroizing::new(Vec::new());
        for (_, secret) in &self.secrets {
            let line = secret.expose().lines().next().unwrap_or_default();
            input.extend_from_slice(line.as_bytes());
            input.push(b'\n');
        }
        input
    }

    fn streamed(&self, from: u64) -> String {
        let script = format!("{SECRETS}{POUR}");
        let head = ["sh", "-c", &script, "_"].map(str::to_owned);
        shell_words::join(head.into_iter().chain(self.args(Some(from))))
    }
}

/// How a program ended whose output was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputEnd {
    /// Its exit status.
    pub status: i32,
    /// The end of what it said on standard error, without control characters.
    pub said: String,
}

/// The output of a program on a host. Dropping it ends the program there.
pub struct RemoteOutput {
    lane: Arc<LaneThread>,
    id: u64,
}

impl RemoteOutput {
    pub(super) fn new(lane: Arc<LaneThread>, id: u64) -> Self {
        Self { lane, id }
    }

    /// The next `len` bytes; fewer only at the end.
    ///
    /// # Errors
    /// The connection died, or nothing came for five minutes.
    pub async fn read(&mut self, len: usize) -> Result<Vec<u8>, HostError> {
        let id = self.id;
        let call = self.lane.call(move |worker, cancel| {
            worker.with_stream(id, cancel, |stream, link, limit| {
                stream.read(link, limit, len)
            })
        });
        call.await?
    }

    /// How the program ended. To be asked once everything was read: what is not is dropped.
    ///
    /// # Errors
    /// As [`RemoteOutput::read`]; or the host never told its exit status.
    pub async fn end(self) -> Result<OutputEnd, HostError> {
        let id = self.id;
        let call = self.lane.call(move |worker, cancel| {
            worker.with_stream(id, cancel, |stream, link, limit| stream.end(link, limit))
        });
        call.await?
    }
}

impl Drop for RemoteOutput {
    fn drop(&mut self) {
        let id = self.id;
        // Closing its channel ends the input of the shell around it.
        self.lane.post(move |worker, _| {
            worker.streams.remove(&id);
        });
    }
}

/// A program as its session's thread holds it.
pub(super) struct Streaming {
    process: Process,
    input: Zeroizing<Vec<u8>>,
    /// Bytes that nobody asked for yet.
    output: VecDeque<u8>,
    message: Vec<u8>,
    told: bool,
}

impl Streaming {
    fn read(&mut self, link: &mut Link, limit: &Limit, len: usize) -> Result<Vec<u8>, FileError> {
        while self.output.len() < len && !self.process.ended() {
            self.exchange(link, limit)?;
            self.process.settle(link, limit).map_err(broken)?;
        }
        let len = len.min(self.output.len());
        Ok(self.output.drain(..len).collect())
    }

    fn exchange(&mut self, link: &mut Link, limit: &Limit) -> Result<(), FileError> {
        let Self {
            process,
            input,
            output,
            message,
            ..
        } = self;
        let (written, _) = process
            .exchange(
                link,
                limit,
                input,
                false,
                &mut |stream, bytes| match stream {
                    Stream::Out => output.extend(bytes),
                    Stream::Err => {
                        message.extend_from_slice(bytes);
                        let over = message.len().saturating_sub(KEPT_MESSAGE);
                        message.drain(..over);
                    }
                },
            )
            .map_err(broken)?;
        self.input.drain(..written);
        if !self.told && status_in(&self.message).is_some() {
            // The shell waits for this line, so that it does not take our silence for an end.
            self.told = true;
            self.input.push(b'\n');
        }
        Ok(())
    }

    fn end(&mut self, link: &mut Link, limit: &Limit) -> Result<OutputEnd, FileError> {
        while !self.process.ended() {
            self.output.clear();
            self.read(link, limit, 1)?;
        }
        let _ = self.process.status(link, limit).map_err(broken)?;
        let Some((status, said)) = status_in(&self.message) else {
            let said = sanitise(&self.message);
            let detail = format!("a program ended without telling how: {}", said.trim());
            return Err(FileError::Refused(HostError::Lost(detail)));
        };
        Ok(OutputEnd {
            status,
            said: sanitise(said).trim().to_owned(),
        })
    }
}

fn broken(stopped: super::link::Stopped) -> FileError {
    FileError::Broken {
        pid: None,
        cause: stopped.during("reading a program's output"),
    }
}

/// The exit status at the end of standard error, and what stands before it.
fn status_in(message: &[u8]) -> Option<(i32, &[u8])> {
    let end = message.strip_suffix(b"\n")?;
    let line = end.iter().rposition(|byte| *byte == b'\n')?;
    let (said, last) = end.split_at_checked(line)?;
    let last = std::str::from_utf8(last).ok()?.trim_start();
    let status = last.strip_prefix(MARK)?.trim().parse().ok()?;
    Some((status, said))
}

impl Kept for Streaming {
    fn all(worker: &mut Worker) -> &mut HashMap<u64, Self> {
        &mut worker.streams
    }
}

impl Worker {
    /// Starts a program; once more on a new session if the old one proves dead.
    pub(super) fn start_stream(
        &mut self,
        program: &Program,
        from: u64,
        cancel: &Cancel,
    ) -> Result<u64, HostError> {
        let line = program.streamed(from);
        loop {
            let (_, reused) = self.link(cancel)?;
            let limit = Limit::new(PATIENCE, cancel);
            self.drain_files(&limit);
            let (link, _) = self.link(cancel)?;
            match Process::start(link, &line, &limit) {
                Ok(process) => {
                    return Ok(self.keep(Streaming {
                        process,
                        input: program.input(),
                        output: VecDeque::new(),
                        message: Vec::new(),
                        told: false,
                    }));
                }
                Err(not) if not.intact => return Err(not.cause),
                Err(not) => {
                    self.drop_link();
                    if !(reused && matches!(not.cause, HostError::Lost(_))) {
                        return Err(not.cause);
                    }
                }
            }
        }
    }

    fn with_stream<T>(
        &mut self,
        id: u64,
        cancel: &Cancel,
        op: impl FnOnce(&mut Streaming, &mut Link, &Limit) -> Result<T, FileError>,
    ) -> Result<T, HostError> {
        let limit = Limit::new(PATIENCE, cancel);
        let result = self.with(id, &limit, |stream, link| op(stream, link, &limit));
        result.map_err(FileError::into_cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_the_last_line_alone() {
        let status = |text: &str| {
            status_in(text.as_bytes())
                .map(|(status, said)| (status, String::from_utf8_lossy(said).trim().to_owned()))
        };
        let of = |status, said: &str| Some((status, said.to_owned()));
        assert_eq!(status("\nlifeboat-program-ended 0\n"), of(0, ""));
        assert_eq!(
            status("it broke\nlifeboat-program-ended 12\n"),
            of(12, "it broke")
        );
        assert_eq!(status("lifeboat-program-ended 1\nmore\n"), None);
        assert_eq!(
            status("\nlifeboat-program-ended 1"),
            None,
            "not all of it came"
        );
        assert_eq!(status("\nlifeboat-program-ended x\n"), None);
        assert_eq!(status(""), None);
    }

    #[test]
    fn secrets_stand_on_no_command_line() {
        let secret = || vec![("KEY".to_owned(), Secret::new("hunter22\nsecond".to_owned()))];
        let program = Program::new(vec!["cat".into(), "a b".into()]).with_secrets(secret());
        let command = program.command(Effect::Read);
        for line in [
            command.line(),
            program.streamed(7),
            program.line(),
            format!("{program:?}"),
        ] {
            assert!(!line.contains("hunter22"), "{line}");
        }
        assert_eq!(command.input(), b"hunter22\n");
        assert!(
            program.streamed(7).ends_with("_ KEY -- 8 cat 'a b'"),
            "{}",
            program.streamed(7)
        );
        assert_eq!(
            Program::new(vec!["ls".into()]).command(Effect::Read).line(),
            "ls"
        );
    }
}
