//! Probes: what `check`, `wait` and `hand_off` look at, and what a prompt shows beside an answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{BackupName, HostName, SiteName};

/// Something that can be looked at and is as expected or not. As a runbook's, it may hold `${…}`;
/// as a plan's, it does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A VM.
    Vm {
        /// VM name or `${vm}`.
        vm: String,
        /// Where; `None` is the site that the section brings VMs up at.
        site: Option<SiteName>,
        /// What of it.
        sign: VmSign,
    },
    /// A port accepts connections.
    Tcp {
        /// A host of the runbook, or a name or address outside it.
        host: String,
        /// The port; `None` is the one at which the runbook reaches the host.
        port: Option<u16>,
        /// Who asks; `None` is the console.
        from: Option<HostName>,
    },
    /// An HTTP request is answered.
    Http {
        /// `http://…`
        url: String,
        /// The expected status.
        status: u16,
        /// Who asks; `None` is the console.
        from: Option<HostName>,
    },
    /// What a command prints that only looks.
    Command {
        /// The command.
        look: Look,
        /// What is expected of it.
        expect: Expect,
    },
    /// Two commands that only look print the same.
    Compare(Box<[Look; 2]>),
    /// The newest sound restore point is as young as this.
    Point {
        /// VM name or `${vm}`.
        vm: String,
        /// In which backup; `None` is the VM's own.
        backup: Option<BackupName>,
        /// How young.
        young: Young,
    },
    /// A person vouched for something, and that is not too long ago.
    Attested {
        /// For what.
        what: String,
        /// When, as `YYYY-MM-DD`.
        dated: String,
        /// Who.
        by: Option<String>,
        /// How often it has to be done again.
        every: Duration,
    },
}

/// How young a restore point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Young {
    /// Not older than this; `None` is the VM's RPO.
    Within(Option<Duration>),
    /// Taken since the run brought the VM up where it runs: it is protected again.
    SinceMove,
}

/// What a VM shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VmSign {
    /// It runs.
    On,
    /// It does not run.
    Off,
    /// Its tools run.
    Tools,
    /// Every rung of its readiness ladder is reached.
    Ready,
}

/// A command that only looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Where it runs.
    pub host: HostName,
    /// Its words.
    pub argv: Vec<String>,
}

/// What is expected of what a command prints; its status has to be 0 in any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Nothing beyond that.
    Success,
    /// This text, without the white space around it.
    Equals(String),
    /// A regular expression that matches somewhere in it.
    Matches(String),
    /// Its first number lies within these.
    Within {
        /// Not less.
        at_least: Option<f64>,
        /// Not more.
        at_most: Option<f64>,
    },
}

impl Probe {
    /// The VM as written, a name or `${vm}`, if it is about one.
    #[must_use]
    pub fn vm(&self) -> Option<&str> {
        match self {
            Self::Vm { vm, .. } | Self::Point { vm, .. } => Some(vm),
            _ => None,
        }
    }

    /// What it looks at, in a word or two: a VM, a host, an address, what was attested.
    #[must_use]
    pub fn about(&self) -> Vec<&str> {
        match self {
            Self::Vm { vm, .. } | Self::Point { vm, .. } => vec![vm],
            Self::Tcp { host, .. } => vec![host],
            Self::Http { url, .. } => vec![url],
            Self::Command { .. } | Self::Compare(_) => {
                self.looks().iter().map(|look| look.host.as_str()).collect()
            }
            Self::Attested { what, .. } => vec![what],
        }
    }

    /// The commands that it sends as the runbook has them.
    #[must_use]
    pub fn looks(&self) -> &[Look] {
        match self {
            Self::Command { look, .. } => std::slice::from_ref(look),
            Self::Compare(both) => both.as_slice(),
            _ => &[],
        }
    }

    /// The same with every text replaced.
    ///
    /// # Errors
    /// What `fill` says of a text.
    pub fn filled<E>(&self, fill: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        let look = |look: &Look| -> Result<Look, E> {
            Ok(Look {
                host: look.host.clone(),
                argv: look
                    .argv
                    .iter()
                    .map(|word| fill(word))
                    .collect::<Result<_, _>>()?,
            })
        };
        let mut filled = self.clone();
        match &mut filled {
            Self::Vm { vm, .. } | Self::Point { vm, .. } => *vm = fill(vm)?,
            Self::Tcp { host, .. } => *host = fill(host)?,
            Self::Http { url, .. } => *url = fill(url)?,
            Self::Command { look: one, expect } => {
                *one = look(one)?;
                if let Expect::Equals(text) = expect {
                    *text = fill(text)?;
                }
            }
            Self::Compare(both) => {
                for one in both.iter_mut() {
                    *one = look(one)?;
                }
            }
            Self::Attested {
                what, dated, by, ..
            } => {
                *what = fill(what)?;
                *dated = fill(dated)?;
                *by = by.as_deref().map(fill).transpose()?;
            }
        }
        Ok(filled)
    }
}
