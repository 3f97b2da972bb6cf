//! One command line for a host.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a command does to the host that gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only looks; it may be sent at any time and again.
    Read,
    /// It changes something; it needs an [`Intent`](crate::journal::Intent).
    Write,
}

/// One command line for a host: words that are quoted when it is sent, what it does, how long it
/// may take, and the same line for people with secrets masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommand {
    words: Vec<String>,
    effect: Effect,
    deadline: Duration,
    stdin: Vec<u8>,
    max_output: usize,
    untold: bool,
    shared: bool,
}

impl HostCommand {
    /// Deadline of a command that names none.
    pub const DEADLINE: Duration = Duration::from_secs(60);
    /// Bytes kept of each stream of a command that names no limit.
    pub const MAX_OUTPUT: usize = 4 << 20;

    /// Bytes of a line that can be sent: libssh2 refuses a packet of 34,744 bytes, as if the
    /// connection had died, and a shell's greeting is marked within the same packet.
    pub const MAX_LINE: usize = 33 << 10;

    /// A command that only looks.
    pub fn read<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::new(Effect::Read, words)
    }

    /// A command that changes something.
    pub fn write<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::new(Effect::Write, words)
    }

    /// `sh -c SCRIPT _ ARGS…`: the script is constant text, values come as `$1`, `$2` …
    pub fn script<W: Into<String>>(
        effect: Effect,
        script: &str,
        args: impl IntoIterator<Item = W>,
    ) -> Self {
        let head = ["sh", "-c", script, "_"].map(str::to_owned);
        Self::new(
            effect,
            head.into_iter().chain(args.into_iter().map(Into::into)),
        )
    }

    /// As many of these words, from the first one on, as a script's line takes, and one at least; the
    /// others need another line.
    #[must_use]
    pub fn fitting<T: AsRef<str>>(words: &[T]) -> &[T] {
        // What is left is for the script itself.
        let mut room = Self::MAX_LINE - (8 << 10);
        let fits = |word: &&T| {
            let left = room.checked_sub(shell_words::quote(word.as_ref()).len() + 1);
            room = left.unwrap_or(0);
            left.is_some()
        };
        let count = words.iter().take_while(fits).count();
        words.get(..count.max(1)).unwrap_or(words)
    }

    fn new<W: Into<String>>(effect: Effect, words: impl IntoIterator<Item = W>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            effect,
            deadline: Self::DEADLINE,
            stdin: Vec::new(),
            max_output: Self::MAX_OUTPUT,
            untold: false,
            shared: false,
        }
    }

    /// The same command with another deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same command with something on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The same command with another limit on what is kept of each output stream, in bytes.
    #[must_use]
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// The same command, of which the sink is not told what it prints: somebody is to read that
    /// elsewhere, or it is what a VM's files hold.
    #[must_use]
    pub fn untold(mut self) -> Self {
        self.untold = true;
        self
    }

    /// The same question, sent once for all who ask it before it is sent.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Whether one answer does for all who asked before it was sent.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Its words, unquoted.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// What it does to the host.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How long it may take from sending to exit status.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        self.deadline
    }

    /// What goes to its standard input.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        &self.stdin
    }

    /// Bytes kept of each output stream.
    #[must_use]
    pub fn output_limit(&self) -> usize {
        self.max_output
    }

    /// Whether what it prints is kept from the sink.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.untold
    }

    /// The line as a POSIX shell reads it, each word quoted where needed.
    #[must_use]
    pub fn line(&self) -> String {
        shell_words::join(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_so_that_each_line_can_be_sent() {
        let words: Vec<String> = (0..900).map(|n| format!("it's {n:050}")).collect();
        let mut rest = words.as_slice();
        let mut lines = 0;
        while !rest.is_empty() {
            let some = HostCommand::fitting(rest);
            let command = HostCommand::script(Effect::Read, "true", some);
            assert!(command.line().len() < HostCommand::MAX_LINE);
            rest = &rest[some.len()..];
            lines += 1;
        }
        assert!((2..5).contains(&lines), "{lines}");
        let long = ["x".repeat(HostCommand::MAX_LINE)];
        assert_eq!(
            HostCommand::fitting(&long),
            long,
            "which is refused when it is sent"
        );
        assert_eq!(HostCommand::fitting(&[""; 0]), [""; 0]);
    }
}
