//! What a command left behind.

use std::time::Duration;

/// The result of a command that ran to its end. Exit status 0 alone proves nothing: `vim-cmd`
/// prints its faults on stdout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + signal where a signal ended it.
    pub status: i32,
    /// Standard output, as sent, up to the command's limit.
    pub stdout: Vec<u8>,
    /// Standard error, as sent, up to the command's limit.
    pub stderr: Vec<u8>,
    /// From sending to exit status.
    pub took: Duration,
    /// More came than was kept.
    pub truncated: bool,
}

impl Output {
    /// Standard output as text: invalid UTF-8 replaced; control characters still in it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, likewise.
    #[must_use]
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What a command that succeeded printed.
    #[cfg(test)]
    pub(crate) fn of(stdout: &str) -> Self {
        Self {
            stdout: stdout.into(),
            ..Self::default()
        }
    }
}
