//! What has changed with a look at a host, in words, with what can be done about it.

use serde::Serialize;

use super::{Listed, Lookout};
use crate::engine::owners::{Split, answers_again, running_there, runs_twice};
use crate::engine::{Chapter, Stage};
use crate::names::{HostName, RunId, VmName, listed};

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
        ours: Vec<VmName>,
    },
    /// Something answers at a host's address, and it does not tell what runs there.
    Refuses {
        /// Which host.
        host: HostName,
        /// Why.
        why: String,
        /// VMs that the run started there.
        ours: Vec<VmName>,
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
    /// A VM runs at the site that it left, and nothing tells whether it runs too where this run
    /// started it.
    Elsewhere {
        /// Which VM.
        vm: VmName,
        /// Where this run started it.
        started: HostName,
        /// Where it runs.
        also: HostName,
    },
    /// A VM that ran at both sites was seen off at one of them.
    Single {
        /// Which VM.
        vm: VmName,
        /// Where it does not run any more.
        off: HostName,
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
    },
}

impl Sign {
    pub(super) fn of_split(split: &Split) -> Self {
        Self::Split {
            vm: split.vm.clone(),
            started: split.started.clone(),
            also: split.also.clone(),
        }
    }

    /// Whether somebody has to hear of it at once.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Answers { .. } | Self::Single { .. } | Self::Well { .. } => false,
            Self::Silent { expected, .. } => !expected,
            Self::Returned { left, .. } => *left,
            Self::Refuses { .. }
            | Self::Split { .. }
            | Self::Away { .. }
            | Self::Elsewhere { .. }
            | Self::Off { .. } => true,
        }
    }

    /// What happened, in a line.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Answers { host, running } => {
                format!("{host} answers; it runs {}", running_there(running))
            }
            Self::Silent {
                host,
                why,
                expected: true,
                ..
            } => format!("{host} is silent, as it was when the VMs were started: {why}"),
            Self::Silent {
                host, why, ours, ..
            } => format!("{host} CANNOT BE REACHED: {why}{}", started_there(ours)),
            Self::Refuses { host, why, ours } => format!(
                "{host} IS THERE, AND DOES NOT TELL what it runs: {why}{}",
                started_there(ours)
            ),
            Self::Returned {
                host, vms, running, ..
            } => answers_again(host, vms, running),
            Self::Split { vm, started, also } => runs_twice(vm, started, also),
            Self::Away { vm, started, also } => format!(
                "{vm} RUNS ON {also}, and no longer on {started}, where this run started it"
            ),
            Self::Elsewhere { vm, started, also } => {
                format!("{vm} RUNS ON {also}; whether it runs on {started} too is not known yet")
            }
            Self::Single { vm, off } => {
                format!("{vm} runs at one site again: {off} does not run it any more")
            }
            Self::Off { vm, host } => {
                format!("{vm} IS NOT ON any more on {host}, where this run started it")
            }
            Self::Well { vm, host } => format!("{vm} runs again, on {host}"),
        }
    }

    /// What can be done about it where the run stands, the usual one first. `seen` tells what VMs are on
    /// their hosts' lists.
    #[must_use]
    pub fn ways(&self, run: &RunId, stage: &Stage, seen: &Lookout) -> Vec<String> {
        let shut_down = |vm, host| shut_down(vm, seen.listed(host, vm));
        let back = match stage {
            Stage::SplitIn(Chapter::Cleanup, _) => format!("lifeboat cleanup {run}"),
            _ => format!("lifeboat rollback {run}"),
        };
        let stays = stage.is_being_committed();
        match self {
            Self::Split { .. } if stage.is_walked() => vec![format!(
                "its fence step asks which copy lives, at the console that has the run, else: lifeboat resume {run}"
            )],
            Self::Split { started, also, vm } => {
                let here = format!(
                    "to keep the copy on {started}, shut the one on {also} down there: {}",
                    shut_down(vm, also)
                );
                let there = if stays {
                    format!(
                        "to keep the copy on {also}, shut the one on {started} down, and leave the commit that was begun, which removes what was there before the run: {}",
                        shut_down(vm, started)
                    )
                } else {
                    format!(
                        "to keep the copy on {also}: {back} stops and takes back all that this run started"
                    )
                };
                match stage {
                    Stage::SplitBefore(chapter, _) if *chapter != Chapter::Commit => vec![
                        there,
                        format!("{here}; and leave it: lifeboat {chapter} --leave {run}"),
                    ],
                    Stage::SplitIn(chapter, _) if *chapter != Chapter::Commit => vec![there],
                    _ => vec![here, there],
                }
            }
            Self::Away { started, also, vm } if stays => vec![format!(
                "shut it down on {also}, then start it on {started}: {}; a commit was begun, so nothing takes the run back",
                shut_down(vm, also)
            )],
            Self::Away { started, also, vm } => vec![
                format!("if {also} is to keep it: {back} takes back all that this run did"),
                format!(
                    "if not, shut it down on {also}, then start it on {started}: {}",
                    shut_down(vm, also)
                ),
            ],
            Self::Elsewhere { started, also, vm } => vec![format!(
                "see on {started} whether it runs there too (vim-cmd vmsvc/getallvms, then vmsvc/power.getstate), and who started {vm} on {also}"
            )],
            Self::Refuses { host, .. } => vec![format!(
                "see on the console of {host} which VMs run there; let it be asked (SSH, the login, its key): this watch looks again by itself"
            )],
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
}

fn shut_down(vm: &VmName, listed: Option<&Listed>) -> String {
    match listed {
        Some(Listed {
            vmid: Some(vmid),
            name,
        }) => format!(
            "vim-cmd vmsvc/power.shutdown {vmid} (listed there as {name} with vmid {vmid}: vim-cmd vmsvc/get.summary {vmid})"
        ),
        Some(Listed { vmid: None, name }) => format!(
            "from inside its guest, for {name} runs there without being registered; else esxcli vm process list tells its \
             World ID, and esxcli vm process kill -t soft -w \u{2039}World ID of {name}\u{203a} stops it"
        ),
        None => format!(
            "vim-cmd vmsvc/getallvms (its name there may be another than {vm}: esxcli vm process list tells the .vmx of \
             what runs), then vim-cmd vmsvc/power.shutdown \u{2039}vmid of {vm}\u{203a}"
        ),
    }
}

fn started_there(ours: &[VmName]) -> String {
    match ours {
        [] => String::new(),
        _ => format!("; this run started {} there", listed(ours)),
    }
}
