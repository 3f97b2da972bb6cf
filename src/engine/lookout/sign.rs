//! What has changed with a look at a host, in words, with what can be done about it.

use serde::Serialize;

use crate::engine::fact::Fact;
use crate::names::{HostName, RunId, VmName};

/// Something that has changed since the looks before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Sign {
    /// A host answers the first look.
    Answers {
        /// Which host.
        host: HostName,
        /// The run's VMs that run there.
        running: Vec<VmName>,
    },
    /// A host cannot be asked.
    Silent {
        /// Which host.
        host: HostName,
        /// Why.
        why: String,
        /// It was silent when the run looked for the owners of VMs, and is so still.
        expected: bool,
        /// VMs that the run started there.
        started: Vec<VmName>,
    },
    /// A host that was silent answers again.
    Returned {
        /// Which host.
        host: HostName,
        /// VMs for which it was silent when the run looked for their owner.
        vms: Vec<VmName>,
        /// The run's VMs that run there.
        running: Vec<VmName>,
        /// It is of the site that the run's VMs left.
        left: bool,
    },
    /// Recovery required: a VM runs at both sites.
    Split {
        /// Which VM.
        vm: VmName,
        /// Where this run started it.
        started: HostName,
        /// Where it runs too.
        also: HostName,
    },
    /// A VM runs at the site that it left, and no longer where this run started it.
    Away {
        /// Which VM.
        vm: VmName,
        /// Where this run started it.
        started: HostName,
        /// Where it runs.
        also: HostName,
    },
    /// A VM that this run started is not on any more.
    Off {
        /// Which VM.
        vm: VmName,
        /// Where this run started it.
        host: HostName,
    },
    /// A VM of which something was wrong runs as it should.
    Well {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// A host of the other site that ran it too, and does not any more.
        ended: Option<HostName>,
    },
}

impl Sign {
    /// Whether somebody has to hear of it at once.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Answers { .. } | Self::Well { .. } => false,
            Self::Silent { expected, .. } => !expected,
            Self::Returned { left, .. } => *left,
            Self::Split { .. } | Self::Away { .. } | Self::Off { .. } => true,
        }
    }

    /// What happened, in a line.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Answers { host, running } => format!("{host} answers; it runs {}", vms(running)),
            Self::Silent {
                host,
                why,
                expected: true,
                ..
            } => format!("{host} is silent, as it was when the VMs were started: {why}"),
            Self::Silent {
                host, why, started, ..
            } if started.is_empty() => format!("{host} CANNOT BE REACHED: {why}"),
            Self::Silent {
                host, why, started, ..
            } => format!(
                "{host} CANNOT BE REACHED: {why}; this run started {} there",
                names(started)
            ),
            Self::Returned {
                host,
                vms: of,
                running,
                ..
            } => {
                let before = match of.len() {
                    0 => String::new(),
                    _ => format!(" (silent before about {})", names(of)),
                };
                format!("{host} ANSWERS AGAIN{before}; it runs {}", vms(running))
            }
            Self::Split { vm, started, also } => {
                format!("RECOVERY REQUIRED (split brain): {vm} runs on {started} and on {also}")
            }
            Self::Away { vm, started, also } => format!(
                "{vm} RUNS ON {also}, and no longer on {started}, where this run started it"
            ),
            Self::Off { vm, host } => {
                format!("{vm} IS NOT ON any more on {host}, where this run started it")
            }
            Self::Well {
                vm,
                host,
                ended: Some(also),
            } => format!("{vm} runs at one site again: on {host}, and on {also} no more"),
            Self::Well { vm, host, .. } => format!("{vm} runs again, on {host}"),
        }
    }

    /// What can be done about it, the usual one first. `walked`: the run's own steps are not over, so
    /// that they ask.
    #[must_use]
    pub fn ways(&self, run: &RunId, walked: bool) -> Vec<String> {
        let back = format!("lifeboat rollback {run}");
        match self {
            Self::Split { .. } if walked => vec![format!(
                "its fence step asks which copy lives, at the console that has the run, else: lifeboat resume {run}"
            )],
            Self::Split { started, also, vm } => vec![
                format!(
                    "to keep the copy on {started}, shut the one on {also} down there: {}",
                    shut_down(vm)
                ),
                format!(
                    "to keep the copy on {also}: {back} stops and takes back all that this run started"
                ),
            ],
            Self::Away { started, also, vm } => vec![
                format!("if {also} is to keep it: {back} takes back all that this run did"),
                format!(
                    "if not, shut it down on {also}, then start it on {started}: {}",
                    shut_down(vm)
                ),
            ],
            Self::Off { vm, host } => vec![format!(
                "find out on {host} who stopped {vm} and why; start it only while no other copy runs"
            )],
            Self::Returned {
                host, left: true, ..
            } => vec![format!(
                "see on {host} that nothing starts this run's VMs there: vim-cmd hostsvc/autostartmanager/get_autostartseq"
            )],
            Self::Silent {
                expected: false, ..
            } => {
                vec!["nobody sees what runs there until it answers: look at it, its network and its site".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// What of it belongs in the run's journal: who owns a VM.
    #[must_use]
    pub fn evidence(&self) -> Option<Fact> {
        Some(match self {
            Self::Returned {
                host, vms, running, ..
            } if !vms.is_empty() => Fact::HostReturned {
                host: host.clone(),
                vms: vms.clone(),
                running: running.clone(),
            },
            Self::Split { vm, started, also } => Fact::SplitBrain {
                vm: vm.clone(),
                started: started.clone(),
                also: also.clone(),
            },
            Self::Well {
                vm,
                ended: Some(also),
                ..
            } => Fact::SplitBrainEnded {
                vm: vm.clone(),
                how: format!("{also} does not run it any more (esxcli vm process list)"),
            },
            _ => return None,
        })
    }
}

fn shut_down(vm: &VmName) -> String {
    format!(
        "vim-cmd vmsvc/getallvms, then vim-cmd vmsvc/power.shutdown \u{2039}vmid of {vm}\u{203a}"
    )
}

fn names(vms: &[VmName]) -> String {
    let names: Vec<&str> = vms.iter().map(VmName::as_str).collect();
    names.join(", ")
}

fn vms(running: &[VmName]) -> String {
    if running.is_empty() {
        "none of this run's VMs".to_owned()
    } else {
        names(running)
    }
}
