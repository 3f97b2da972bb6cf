//! The watch of a run's hosts once its steps are over, until somebody says what becomes of it: what
//! each look tells, judged against what the run's facts say. Pure.
//!
//! It decides nothing and stops nothing. While steps are walked the engine itself watches, and acts
//! on what it sees.

mod sign;

pub use sign::Sign;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::fact::Fact;
use super::input::Input;
use super::state::RunState;
use crate::names::{HostName, VmName};
use crate::runbook::model::{Runbook, SiteRole};

/// Looks in a row that a host which answered may miss: one may be the link's own trouble.
const MISSES: u32 = 2;

/// What one look at a host told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which host.
    pub host: HostName,
    /// The site it is of.
    pub role: SiteRole,
    /// When it was asked.
    pub asked: Timestamp,
    /// The run's VMs that run there, or why it could not be asked.
    pub running: Result<Vec<VmName>, String>,
}

impl From<Sighting> for Input {
    fn from(sighting: Sighting) -> Self {
        Self::HostSeen {
            host: sighting.host,
            role: sighting.role,
            asked: sighting.asked,
            running: sighting.running.ok(),
        }
    }
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
struct Look {
    /// When it last told what runs, and what that was.
    told: Option<(Timestamp, Vec<VmName>)>,
    /// Looks in a row that it missed.
    misses: u32,
    /// It was called silent.
    silent: Option<Sign>,
}

/// What was seen of a run so far.
#[derive(Clone, Debug)]
pub struct Lookout {
    roles: BTreeMap<HostName, SiteRole>,
    looks: BTreeMap<HostName, Look>,
    wrong: BTreeMap<VmName, Sign>,
    /// VMs that were seen as they should be since something was wrong with them.
    well: BTreeSet<VmName>,
}

impl Lookout {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(runbook: &Runbook) -> Self {
        let hosts = runbook.hosts.iter();
        let roles = hosts.filter_map(|(name, host)| {
            let site = runbook.sites.get(&host.site)?;
            Some((name.clone(), site.role))
        });
        Self {
            roles: roles.collect(),
            looks: BTreeMap::new(),
            wrong: BTreeMap::new(),
            well: BTreeSet::new(),
        }
    }

    /// Whether a host was looked at.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        let mut looks = self.looks.values();
        looks.any(|look| look.told.is_some() || look.silent.is_some())
    }

    /// What is wrong, as last seen.
    #[must_use]
    pub fn wrong(&self) -> Vec<Sign> {
        let silent = self.looks.values().filter_map(|look| look.silent.clone());
        let silent = silent.filter(Sign::is_alarm);
        self.wrong.values().cloned().chain(silent).collect()
    }

    /// Takes a look in, and says what has changed with it.
    pub fn take(&mut self, state: &RunState, sighting: &Sighting) -> Vec<Sign> {
        let mut signs: Vec<Sign> = self.take_host(state, sighting).into_iter().collect();
        let started = started(state);
        self.wrong.retain(|vm, _| started.contains(vm));
        for vm in &started {
            let Some(now) = self.condition(state, vm) else {
                continue;
            };
            match now {
                Sign::Well { .. } => {
                    if let Some(was) = self.known_wrong(state, vm) {
                        signs.push(well_after(now, &was));
                    }
                    self.wrong.remove(vm);
                    self.well.insert(vm.clone());
                }
                now if self.wrong.get(vm) != Some(&now) => {
                    self.well.remove(vm);
                    self.wrong.insert(vm.clone(), now.clone());
                    signs.push(now);
                }
                _ => {}
            }
        }
        signs
    }

    fn take_host(&mut self, state: &RunState, sighting: &Sighting) -> Option<Sign> {
        let host = &sighting.host;
        let left = self.is_of_the_site_left(state, host);
        let look = self.looks.entry(host.clone()).or_default();
        let silent_for = state.silent_for(host);
        let unheard = silent_for.iter().any(|(_, answered)| !answered);
        let running = match &sighting.running {
            Ok(running) => running.clone(),
            Err(why) => {
                look.misses += 1;
                let expected = unheard && look.told.is_none();
                if look.silent.is_some() || !(expected || look.misses >= MISSES) {
                    return None;
                }
                let sign = Sign::Silent {
                    host: host.clone(),
                    why: why.clone(),
                    expected,
                    started: started_there(state, host),
                };
                look.told = None;
                look.silent = Some(sign.clone());
                return Some(sign);
            }
        };
        look.misses = 0;
        let first = look.told.is_none();
        look.told = Some((sighting.asked, running.clone()));
        let was_silent = look.silent.take().is_some();
        let host = host.clone();
        if was_silent || (first && unheard) {
            let vms = silent_for.into_iter().map(|(vm, _)| vm).collect();
            return Some(Sign::Returned {
                host,
                vms,
                running,
                left,
            });
        }
        first.then_some(Sign::Answers { host, running })
    }

    /// Whether the run started its VMs at the other site than this host's.
    fn is_of_the_site_left(&self, state: &RunState, host: &HostName) -> bool {
        let role = self.roles.get(host).copied();
        let mut started = started(state).into_iter();
        started.any(|vm| {
            let on = state.started_on(&vm).and_then(|(on, _)| self.roles.get(on));
            on.is_some_and(|on| Some(on.other()) == role)
        })
    }

    /// How a VM that the run started stands, as far as those who are to tell told it.
    fn condition(&self, state: &RunState, vm: &VmName) -> Option<Sign> {
        let (started, since) = state.started_on(vm)?;
        let role = *self.roles.get(started)?;
        let (mut home, mut also, mut own) = (None, None, None);
        for (host, look) in &self.looks {
            // What was asked before the VM was started here says nothing of it.
            let Some((_, running)) = look.told.as_ref().filter(|(asked, _)| *asked > since) else {
                continue;
            };
            let runs = running.contains(vm);
            let is_here = self.roles.get(host) == Some(&role);
            if host == started {
                own = Some(runs);
            }
            match (runs, is_here) {
                (true, true) => home = Some(host),
                (true, false) => also = Some(host),
                (false, _) => {}
            }
        }
        let (vm, started) = (vm.clone(), started.clone());
        Some(match (home, also, own) {
            (None, Some(also), Some(false)) => Sign::Away {
                vm,
                started,
                also: also.clone(),
            },
            // A host that cannot be asked may run it still.
            (home, Some(also), _) => Sign::Split {
                vm,
                started: home.cloned().unwrap_or(started),
                also: also.clone(),
            },
            (_, None, _) if self.may_hide_it(state, &vm) => return None,
            (Some(home), None, _) => Sign::Well {
                vm,
                host: home.clone(),
                ended: None,
            },
            // While steps are walked they may be about to stop it.
            (None, None, Some(_)) if state.own_end.is_some() => Sign::Off { vm, host: started },
            (None, None, _) => return None,
        })
    }

    /// What is wrong with a VM, as this watch saw it, or whoever watched before.
    fn known_wrong(&self, state: &RunState, vm: &VmName) -> Option<Sign> {
        if let Some(sign) = self.wrong.get(vm) {
            return Some(sign.clone());
        }
        let mut splits = state.splits().into_iter();
        let split = splits.find(|split| split.vm == *vm && !self.well.contains(vm))?;
        Some(Sign::Split {
            vm: split.vm,
            started: split.started,
            also: split.also,
        })
    }

    /// Whether it was seen running on a host of the other site that does not tell now.
    fn may_hide_it(&self, state: &RunState, vm: &VmName) -> bool {
        match self.known_wrong(state, vm) {
            Some(Sign::Split { also, .. } | Sign::Away { also, .. }) => {
                self.looks.get(&also).is_none_or(|look| look.told.is_none())
            }
            _ => false,
        }
    }
}

/// The VM runs as it should, after this was wrong with it.
fn well_after(now: Sign, was: &Sign) -> Sign {
    match (now, was) {
        (Sign::Well { vm, host, .. }, Sign::Split { also, .. }) => Sign::Well {
            vm,
            host,
            ended: Some(also.clone()),
        },
        (now, _) => now,
    }
}

/// VMs that the run started and has not stopped since.
fn started(state: &RunState) -> BTreeSet<VmName> {
    let powered_on = state.facts_of(|fact| match fact {
        Fact::PoweredOn { vm, .. } => Some(vm),
        _ => None,
    });
    let standing = powered_on.filter(|vm| state.started_on(vm).is_some());
    standing.cloned().collect()
}

fn started_there(state: &RunState, host: &HostName) -> Vec<VmName> {
    let is_there = |vm: &VmName| state.started_on(vm).is_some_and(|(on, _)| on == host);
    started(state).into_iter().filter(is_there).collect()
}

#[cfg(test)]
mod tests;
