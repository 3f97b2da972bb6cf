//! Words that a login shell prints before each command: an `echo` in `.bashrc`, a profile that greets.
//!
//! sshd runs every command through the login shell, so such words stand in front of what the command
//! prints, and no reply could be read. A host is listened to once. If it greets, every command begins
//! with a mark of ours and what comes before it is dropped; its SFTP server, which the same shell
//! starts, would greet too and is left alone.

use std::borrow::Cow;

use super::error::HostError;
use super::link::{Cancel, Limit, Link, Stopped};
use super::live::Stream;
use super::process::Process;
use super::shared::Shared;

/// The line that a command of a host that greets begins with.
const MARK: &str = "lifeboat-command-begins";
/// What is asked of a host to hear whether it greets.
const ASKED: &str = "echo; echo lifeboat-listens";
const ANSWER: &[u8] = b"\nlifeboat-listens\n";
/// Of what a host prints while it is listened to, so much is looked at.
const HEARD: usize = 64 << 10;

/// Listens to a host of which nobody knows yet whether its login shell greets, and lets `link` know.
pub(super) fn listen(host: &Shared, link: &mut Link, cancel: &Cancel) -> Result<(), HostError> {
    let greets = match host.greets() {
        Some(greets) => greets,
        None => {
            let limit = Limit::new(host.run.limits.login, cancel);
            let greets = hear(link, &limit)?;
            host.note_greeting(greets);
            greets
        }
    };
    link.set_greeted(greets);
    Ok(())
}

/// Whether something stands before what the shell was asked to print. A host that does not answer
/// like a shell at all is for the first command to tell of.
fn hear(link: &mut Link, limit: &Limit) -> Result<bool, HostError> {
    let what = |stopped: Stopped| stopped.during("listening to the login shell");
    let mut process = match Process::start(link, ASKED, limit) {
        Ok(process) => process,
        Err(not) if not.intact => return Ok(false),
        Err(not) => return Err(not.cause),
    };
    let mut heard = Vec::new();
    while !process.ended() && heard.len() < HEARD {
        let mut take = |stream: Stream, bytes: &[u8]| {
            if stream == Stream::Out {
                heard.extend_from_slice(bytes);
            }
        };
        process
            .exchange(link, limit, &[], true, &mut take)
            .map_err(what)?;
        process.settle(link, limit).map_err(what)?;
    }
    process.status(link, limit).map_err(what)?;
    Ok(heard.len() > ANSWER.len() && heard.ends_with(ANSWER))
}

/// The line that runs `line` on a host that greets.
pub(super) fn marked(line: &str) -> String {
    format!("echo {MARK}; {line}")
}

/// Drops what stands before the mark.
#[derive(Default)]
pub(super) struct Greeting {
    /// The end of what was dropped, in which the mark may have begun.
    tail: Vec<u8>,
    over: bool,
}

impl Greeting {
    /// What of `bytes` is the command's own.
    pub(super) fn strip<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.over {
            return Cow::Borrowed(bytes);
        }
        self.tail.extend_from_slice(bytes);
        let mark = [MARK.as_bytes(), b"\n"].concat();
        let mut places = self.tail.windows(mark.len());
        if let Some(at) = places.position(|window| window == mark) {
            self.over = true;
            return Cow::Owned(std::mem::take(&mut self.tail).split_off(at + mark.len()));
        }
        let excess = self.tail.len().saturating_sub(mark.len() - 1);
        self.tail.drain(..excess);
        Cow::Borrowed(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_mark_is_dropped_however_it_is_cut_up() {
        let printed = format!("Welcome\nlifeboat-command\n{MARK}\nits own\n{MARK}\n");
        for size in 1..=printed.len() {
            let mut greeting = Greeting::default();
            let pieces = printed.as_bytes().chunks(size);
            let own: Vec<u8> = pieces
                .flat_map(|piece| greeting.strip(piece).into_owned())
                .collect();
            let own = String::from_utf8(own).unwrap();
            assert_eq!(own, format!("its own\n{MARK}\n"), "in pieces of {size}");
        }
    }
}
