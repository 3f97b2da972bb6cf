//! Where a run's VMs run, as its facts tell: what the watch of the other site is measured against.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::fact::Fact;
use super::state::{FoundFact, RunState};
use super::taken_home::TakenBy;
use crate::names::{HostName, StepId, VmName, listed};
use crate::runbook::model::{Mode, Section, SiteRole};

impl Fact {
    /// What a lock is on, in words: `sql01 on lee-esx1`, or the host alone.
    #[must_use]
    pub fn locked(vm: Option<&VmName>, host: &HostName) -> String {
        vm.map_or_else(|| host.to_string(), |vm| format!("{vm} on {host}"))
    }

    /// What was decided about an adapter whose address nobody knows, in words.
    #[must_use]
    pub fn connection(&self) -> Option<String> {
        let Self::ConnectionDecided {
            vm,
            adapter,
            connected,
            by,
            ..
        } = self
        else {
            return None;
        };
        let how = if *connected {
            "connected it once the VM ran"
        } else {
            "left it so"
        };
        Some(format!(
            "{adapter} of {vm}, whose address is not known, was disconnected when it started; {by} {how}"
        ))
    }

    /// Where the watch saw what speaks against a VM's start.
    pub(super) fn seen_on(&self) -> Option<&HostName> {
        match self {
            Self::HostReturned { host, .. } | Self::RunsElsewhere { host, .. } => Some(host),
            Self::SplitBrain { also, .. } => Some(also),
            _ => None,
        }
    }

    /// What the watch of the other site has to say at once, wherever the run is followed.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        Some(match self {
            Self::HostReturned { host, vms, running } => answers_again(host, vms, running),
            Self::SplitBrain { vm, started, also } => runs_twice(vm, started, also),
            Self::RunsElsewhere { vm, host } => format!(
                "{vm} RUNS ON {host}, seen after it was seen off or vouched for; no start of it \
                 goes on before that is looked into"
            ),
            Self::RanSinceCopied { vm, host, seen } => format!(
                "{vm} HAS RUN ON {host} since its files were copied from there ({seen}): they are \
                 copied once more before it starts"
            ),
            _ => return None,
        })
    }
}

/// That a host which was silent about these VMs answers again.
pub(super) fn answers_again(host: &HostName, vms: &[VmName], running: &[VmName]) -> String {
    let before = match vms {
        [] => String::new(),
        _ => format!(" (silent before about {})", listed(vms)),
    };
    let runs = running_there(running);
    format!("{host} ANSWERS AGAIN; it runs {runs}{before}")
}

/// What a host runs of what the run is about.
pub(super) fn running_there(running: &[VmName]) -> String {
    match running {
        [] => "none of this run's VMs".to_owned(),
        _ => listed(running),
    }
}

/// That a VM runs at both sites.
pub(super) fn runs_twice(vm: &VmName, started: &HostName, also: &HostName) -> String {
    format!("{}: {vm} runs on {started} and on {also}", Split::ALARM)
}

/// A VM that runs at both sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Which VM.
    pub vm: VmName,
    /// Where this run started it.
    pub started: HostName,
    /// Where it was seen running too.
    pub also: HostName,
    /// When that was found.
    pub at: Timestamp,
}

impl Split {
    /// How a run stands while one of its VMs does.
    pub const STATE: &str = "recovery required (split brain)";
    /// The same where it rings.
    pub const ALARM: &str = "RECOVERY REQUIRED (split brain)";

    /// What is said of it where it rings.
    #[must_use]
    pub fn alarm(&self) -> String {
        runs_twice(&self.vm, &self.started, &self.also)
    }

    /// `sql01 runs on lee-esx1 and on lon-esx1`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{} runs on {} and on {}", self.vm, self.started, self.also)
    }

    /// The host of it that does not run the VM any more, as far as the hosts told since it was found.
    /// A VM that another host of that site runs was moved there, by its cluster or by a person.
    pub(super) fn seen_off(&self, words: &[Word<'_>]) -> Option<&HostName> {
        let is_off = |host: &&&HostName| {
            let mut of_host = words.iter().filter(|word| word.host == **host);
            of_host.next().is_some_and(|told| {
                let mut of_site = words.iter().filter(|word| word.role == told.role);
                of_site.all(|word| !word.runs)
            })
        };
        [&self.also, &self.started].iter().find(is_off).copied()
    }

    /// That it was found.
    pub(super) fn begun(&self) -> Fact {
        Fact::SplitBrain {
            vm: self.vm.clone(),
            started: self.started.clone(),
            also: self.also.clone(),
        }
    }

    /// That it is over, for this host does not run the VM any more.
    pub(super) fn ended(&self, off: &HostName) -> Fact {
        Fact::SplitBrainEnded {
            vm: self.vm.clone(),
            how: format!("{off} does not run it any more (esxcli vm process list)"),
        }
    }
}

/// What a host told of a VM since a split of it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) host: &'a HostName,
    pub(super) role: SiteRole,
    /// Whether the VM runs there.
    pub(super) runs: bool,
}

impl RunState {
    /// Takes in that a failback has VMs now, as the journal does where the run is taken up.
    pub fn take_home(&mut self, taken: &TakenBy) {
        self.home.push(taken.clone());
        self.facts.push(FoundFact {
            at: self.last_at.unwrap_or_default(),
            step: None,
            fact: Fact::TakenHome(taken.clone()),
        });
    }

    /// Whether a failback has the VM: it is not for this run to watch, nor to protect.
    pub(super) fn is_taken_home(&self, vm: &VmName) -> bool {
        self.home.iter().any(|taken| taken.holds(vm))
    }

    /// VMs for which recovery is required: they run at both sites, in the order in which that was
    /// seen. One leaves the list when one of its copies was stopped or seen to run no more, when its
    /// fence has looked at both sites since and found its end, and when a failback took it home.
    #[must_use]
    pub fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> = Vec::new();
        for found in &self.facts {
            match &found.fact {
                Fact::SplitBrain { vm, started, also } => {
                    splits.retain(|split| split.vm != *vm);
                    splits.push(Split {
                        vm: vm.clone(),
                        started: started.clone(),
                        also: also.clone(),
                        at: found.at,
                    });
                }
                // A fence keeps its evidence when it is over.
                Fact::SplitBrainEnded { vm, .. } | Fact::OwnershipEvidence { vm, .. } => {
                    splits.retain(|split| split.vm != *vm);
                }
                Fact::TakenHome(taken) => splits.retain(|split| !taken.holds(&split.vm)),
                Fact::Stopped { vm, host, .. } => splits.retain(|split| {
                    split.vm != *vm || (split.started != *host && split.also != *host)
                }),
                _ => {}
            }
        }
        splits
    }

    /// When it was last found that the VM does not run at both sites, or was seen to it.
    pub(super) fn single_since(&self, vm: &VmName) -> Option<Timestamp> {
        let found = self.facts.iter().rev();
        let mut single = found.filter(|found| match &found.fact {
            Fact::SplitBrainEnded { vm: of, .. }
            | Fact::OwnershipEvidence { vm: of, .. }
            | Fact::Stopped { vm: of, .. } => of == vm,
            _ => false,
        });
        single.next().map(|found| found.at)
    }

    /// VMs that the run started and has not stopped since.
    pub(super) fn started(&self) -> BTreeSet<VmName> {
        let powered_on = self.facts_of(|fact| match fact {
            Fact::PoweredOn { vm, .. } => Some(vm),
            _ => None,
        });
        let standing = powered_on.filter(|vm| self.started_on(vm).is_some());
        standing.cloned().collect()
    }

    /// The host on which this run started the VM and has not stopped it since, and when that was
    /// known.
    #[must_use]
    pub fn started_on(&self, vm: &VmName) -> Option<(&HostName, Timestamp)> {
        let mut started = None;
        for found in &self.facts {
            match &found.fact {
                Fact::PoweredOn { vm: of, host } if of == vm => started = Some((host, found.at)),
                Fact::Stopped { vm: of, host, .. }
                    if of == vm && started.is_some_and(|(on, _)| on == host) =>
                {
                    started = None;
                }
                _ => {}
            }
        }
        started
    }

    /// The title of the site at which a step's section starts VMs.
    fn own_site(&self, step: Option<&StepId>) -> Option<&String> {
        let info = self.info.as_ref()?;
        let way_home = Section::Failback.as_str();
        let home =
            info.mode == Some(Mode::Failback) || step.is_some_and(|id| id.section() == way_home);
        let [protected, recovery] = &info.sites;
        Some(if home { protected } else { recovery })
    }

    /// Where the VM lives that this run had started: it ran at both sites, a person chose the other
    /// one, and this run's copy was stopped. The title of that site, and who chose.
    #[must_use]
    pub fn lives_elsewhere(&self, vm: &VmName) -> Option<(&str, &str)> {
        let (mut started, mut chosen, mut lives) = (None, None, None);
        for found in &self.facts {
            match &found.fact {
                Fact::PoweredOn { vm: of, host } if of == vm => {
                    (started, chosen, lives) = (Some(host), None, None);
                }
                Fact::SplitBrain { vm: of, .. } if of == vm => chosen = None,
                Fact::SurvivorChosen { vm: of, site, by } if of == vm => {
                    let own = self.own_site(found.step.as_ref());
                    chosen = (own != Some(site)).then_some((site.as_str(), by.as_str()));
                }
                Fact::Stopped { vm: of, host, .. } if of == vm && started == Some(host) => {
                    (started, lives) = (None, chosen);
                }
                _ => {}
            }
        }
        lives
    }

    /// Whether the newest word about the VM at a site is that it does not run there. What this run
    /// has started there itself since is to run there, until it is seen off once more.
    pub(super) fn is_seen_off(&self, vm: &VmName, is_here: impl Fn(&HostName) -> bool) -> bool {
        let mut words = self.facts_of(|fact| match fact {
            Fact::OwnershipEvidence { vm: of, .. } | Fact::Attested { vm: of, .. } if of == vm => {
                Some(true)
            }
            Fact::RunsElsewhere { vm: of, .. } if of == vm => Some(false),
            Fact::PoweredOn { vm: of, host } if of == vm && is_here(host) => Some(false),
            _ => None,
        });
        words.next().unwrap_or(false)
    }

    /// What was told last that speaks against the VM's start, unless somebody has looked or vouched
    /// for it since.
    #[must_use]
    pub fn told_against(&self, vm: &VmName) -> Option<&FoundFact> {
        let mut newest = self.facts.iter().rev();
        let word = newest.find(|found| match &found.fact {
            Fact::HostReturned { vms, .. } => vms.contains(vm),
            Fact::RunsElsewhere { vm: of, .. }
            | Fact::SplitBrain { vm: of, .. }
            | Fact::SplitBrainEnded { vm: of, .. }
            | Fact::OwnershipEvidence { vm: of, .. }
            | Fact::Attested { vm: of, .. } => of == vm,
            _ => false,
        })?;
        word.fact.alarm().is_some().then_some(word)
    }

    /// VMs for which a host was silent when their owner was last looked for, and whether it has
    /// answered since. Those that a failback took home are not among them.
    pub(super) fn silent_for(&self, host: &HostName) -> Vec<(VmName, bool)> {
        let mut silent: BTreeMap<&VmName, bool> = BTreeMap::new();
        for found in &self.facts {
            match &found.fact {
                Fact::OwnershipEvidence {
                    vm, silent: hosts, ..
                } => {
                    if hosts.contains(host) {
                        silent.insert(vm, false);
                    } else {
                        silent.remove(vm);
                    }
                }
                Fact::HostReturned { host: of, vms, .. } if of == host => {
                    for vm in vms {
                        silent.entry(vm).and_modify(|answered| *answered = true);
                    }
                }
                _ => {}
            }
        }
        let owned = silent.into_iter().filter(|(vm, _)| !self.is_taken_home(vm));
        owned.map(|(vm, answered)| (vm.clone(), answered)).collect()
    }
}
