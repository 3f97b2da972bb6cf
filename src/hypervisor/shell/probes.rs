//! Whether an address answers, asked from a host by what that host has.
//!
//! Silence is evidence for a decision that can split a VM in two, so it is only ever read from a
//! reply that proves that the question was asked: an unknown text is an error, not silence.

use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use regex_lite::Regex;

use super::{SHORT, operand};
use crate::host::{HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected};

/// What asks on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpTool {
    /// netcat of any make that knows `-z`; ESXi has one.
    Nc,
    /// bash's `/dev/tcp`, under `timeout`.
    Bash,
    /// Its socket module.
    Python3,
}

impl TcpTool {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Nc, Self::Bash, Self::Python3];
}

impl fmt::Display for TcpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nc => "nc",
            Self::Bash => "bash",
            Self::Python3 => "python3",
        })
    }
}

/// What a connection attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpAnswer {
    /// Something listens there.
    Open,
    /// The address answered that nothing listens there; so something has the address.
    Refused,
    /// No answer within the time.
    Silent,
}

const PYTHON: &str = r#"import errno, socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except socket.timeout:
    print("silent")
except OSError as e:
    quiet = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN)
    print("silent" if e.errno in quiet else "error %s" % e)"#;

/// Tries to connect to a port for `seconds`, sending nothing.
#[must_use]
pub fn tcp(tool: TcpTool, address: &str, port: u16, seconds: u8) -> HostCommand {
    let (address, port, limit) = (operand(address), port.to_string(), seconds.to_string());
    let (address, port, limit) = (address.as_str(), port.as_str(), limit.as_str());
    let command = match tool {
        TcpTool::Nc => HostCommand::read(["nc", "-z", "-v", "-w", limit, address, port]),
        TcpTool::Bash => {
            let script = r#"exec 3<>"/dev/tcp/$1/$2""#;
            let head = [
                "env", "LC_ALL=C", "timeout", limit, "bash", "-c", script, "_",
            ];
            HostCommand::read([&head[..], &[address, port]].concat())
        }
        TcpTool::Python3 => HostCommand::read(["python3", "-c", PYTHON, address, port, limit]),
    };
    command
        .deadline(Duration::from_secs(u64::from(seconds) + 10))
        .max_output(SHORT)
}

impl TcpAnswer {
    /// Reads the reply of [`tcp`] with the same tool.
    ///
    /// # Errors
    ///
    /// [`DriverFault::ToolMissing`] where this host has no such tool, or one that cannot do this:
    /// try the next. [`DriverFault::Failed`] where the question could not be asked.
    pub fn parse(tool: TcpTool, output: &Output) -> Result<Self, DriverFault> {
        let text = format!("{}\n{}", output.text(), output.error_text()).to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let failed = || DriverFault::Failed {
            status: output.status,
            text: said(output),
        };
        if output.status == 127
            || has(&["usage", "invalid option", "illegal option", "unrecognized"])
        {
            return Err(DriverFault::ToolMissing {
                tool: tool.to_string(),
                text: said(output),
            });
        }
        match tool {
            TcpTool::Python3 => match text.trim() {
                "open" => Ok(Self::Open),
                "refused" => Ok(Self::Refused),
                "silent" => Ok(Self::Silent),
                _ => Err(failed()),
            },
            _ if output.status == 0 => Ok(Self::Open),
            _ if has(&["refused"]) => Ok(Self::Refused),
            _ if has(&["timed out", "timeout", "no route to host", "host is down"]) => {
                Ok(Self::Silent)
            }
            // The status of timeout(1).
            TcpTool::Bash if output.status == 124 => Ok(Self::Silent),
            // Some makes say nothing at all when the time is over.
            TcpTool::Nc if output.status == 1 && text.trim().is_empty() => Ok(Self::Silent),
            _ => Err(failed()),
        }
    }
}

/// Whether an address answers to ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// It does.
    Answers,
    /// No reply to any of them.
    Silent,
}

static RECEIVED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[1-9]\d* packets transmitted, (\d+) (?:packets )?received").ok());

/// Pings an address three times, a second each.
#[must_use]
pub fn ping(address: &str) -> HostCommand {
    let address = operand(address);
    HostCommand::read([
        "env",
        "LC_ALL=C",
        "ping",
        "-c",
        "3",
        "-W",
        "1",
        address.as_str(),
    ])
    .deadline(Duration::from_secs(20))
    .max_output(SHORT)
}

impl Ping {
    /// Reads the reply of [`ping`].
    ///
    /// # Errors
    ///
    /// No ping was sent: no such program, no right, no route, no such name.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        let text = output.text();
        let received = RECEIVED
            .as_ref()
            .and_then(|received| received.captures(&text));
        match received
            .as_ref()
            .and_then(|found| found.get(1))
            .map(|count| count.as_str())
        {
            Some("0") => Ok(Self::Silent),
            Some(_) => Ok(Self::Answers),
            None => {
                succeeded(output, "ping")?;
                Err(unexpected("the replies to ping", &said(output)))
            }
        }
    }
}

/// What a Linux host knows of the hardware behind an address of its own network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It answered to ARP (or its like for IPv6) since it was asked, with this MAC.
    Answers(String),
    /// It was asked and did not answer.
    Silent,
    /// It had this MAC when it answered last, before it was asked: Linux asks nobody again whose answer
    /// is not older than 15 to 45 s.
    Before(String),
    /// The same, or it answered since: this host does not say when.
    Undated(String),
    /// It is being asked.
    Asking,
    /// Nothing is known: it is on no network of this host.
    Unknown,
}

/// Asks for the neighbour's entry, right after a [`ping`], which makes the host ask: with the times of
/// each entry, and as it is asked where an `ip` has no option for them (BusyBox's tells them always).
#[must_use]
pub fn neighbor(address: IpAddr) -> [HostCommand; 2] {
    let address = address.to_string();
    [
        HostCommand::read(["ip", "-s", "neigh", "show", &address]),
        HostCommand::read(["ip", "neigh", "show", &address]),
    ]
}

impl Seen {
    /// Reads the reply of [`neighbor`] to somebody who began to ask that long ago.
    ///
    /// # Errors
    ///
    /// The host has no such `ip` command, as systems other than Linux have none.
    pub fn parse(output: &Output, asked: Duration) -> Result<Self, DriverFault> {
        succeeded(output, "ip")?;
        let text = output.text();
        let mut seen = Self::Unknown;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let behind = |name: &str| {
                let at = words.iter().position(|word| *word == name)?;
                words.get(at + 1).copied()
            };
            let mac = behind("lladdr").map(str::to_ascii_lowercase);
            // Of several networks that have an entry, the one that says most counts.
            seen = match (words.last(), mac) {
                (Some(&"REACHABLE"), Some(mac)) => match behind("used").and_then(confirmed) {
                    Some(ago) if ago <= asked.as_secs() => return Ok(Self::Answers(mac)),
                    Some(_) => Self::Before(mac),
                    None => Self::Undated(mac),
                },
                _ if matches!(seen, Self::Before(_) | Self::Undated(_)) => seen,
                (Some(&("FAILED" | "INCOMPLETE")), _) => Self::Silent,
                (Some(&("STALE" | "DELAY" | "PROBE")), _) if seen != Self::Silent => Self::Asking,
                _ => seen,
            };
        }
        Ok(seen)
    }
}

/// Seconds since an entry was confirmed, of `used/confirmed/updated`, to which some versions join the
/// next word: `9/9/9probes`.
fn confirmed(times: &str) -> Option<u64> {
    times.split('/').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
