//! The watch of a run's hosts once its steps are over, until somebody says what becomes of it: what
//! each look tells, judged against what the run's facts say. Pure.
//!
//! It decides nothing and stops nothing. While steps are walked the engine itself watches, and acts
//! on what it sees.

mod look;
mod sign;

pub use look::Presence;
pub use sign::Sign;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::fact::Fact;
use super::input::Input;
use super::owners::{Split, Word};
use super::state::RunState;
use crate::names::{HostName, VmName};
use crate::runbook::model::{Runbook, SiteRole};
use look::{Look, Told, Whereabouts};

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
    /// The run's VMs that run there, or why it did not tell.
    pub running: Result<Vec<VmName>, Unheard>,
    /// What those are on the host's own list.
    pub listed: Vec<(VmName, Listed)>,
}

/// A VM on a host's own list: a person finds it there by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number; `None` where it runs without being registered.
    pub vmid: Option<u32>,
    /// What it is called there.
    pub name: String,
}

/// Why a host did not tell what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// In words.
    pub why: String,
    /// What is at its address.
    pub presence: Presence,
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

/// What was seen of a run so far.
#[derive(Clone, Debug)]
pub struct Lookout {
    roles: BTreeMap<HostName, SiteRole>,
    looks: BTreeMap<HostName, Look>,
    wrong: BTreeMap<VmName, Sign>,
    /// VMs that this watch saw at both sites.
    found: BTreeMap<VmName, Found>,
    /// Splits of the journal that were said to be over, by when they were found.
    over: BTreeMap<VmName, Timestamp>,
    /// What VMs that run are on their hosts' lists.
    listed: BTreeMap<(HostName, VmName), Listed>,
}

/// A split that this watch saw.
#[derive(Clone, Debug)]
struct Found {
    split: Split,
    /// The host that was seen not to run the VM any more.
    off: Option<HostName>,
}

impl Found {
    /// Whether the journal has it that the VM ran once since.
    fn is_kept(&self, state: &RunState) -> bool {
        let single = state.single_since(&self.split.vm);
        single.is_some_and(|at| at >= self.split.at)
    }
}

impl Lookout {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(runbook: &Runbook) -> Self {
        let hosts = runbook.hosts.keys();
        let roles = hosts.filter_map(|host| Some((host.clone(), runbook.role_of(host)?)));
        Self {
            roles: roles.collect(),
            looks: BTreeMap::new(),
            wrong: BTreeMap::new(),
            found: BTreeMap::new(),
            over: BTreeMap::new(),
            listed: BTreeMap::new(),
        }
    }

    /// What a VM is on a host's own list, as last told.
    pub(super) fn listed(&self, host: &HostName, vm: &VmName) -> Option<&Listed> {
        self.listed.get(&(host.clone(), vm.clone()))
    }

    /// Whether a host was looked at.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        let mut looks = self.looks.values();
        looks.any(|look| look.told.is_some() || look.unheard.is_some())
    }

    /// What is wrong, as last seen.
    #[must_use]
    pub fn wrong(&self) -> Vec<Sign> {
        let unheard = self.looks.values().filter_map(|look| look.unheard.as_ref());
        let unheard = unheard.map(|(sign, _)| sign.clone()).filter(Sign::is_alarm);
        self.wrong.values().cloned().chain(unheard).collect()
    }

    /// Takes a look in, and says what has changed with it.
    pub fn take(&mut self, state: &RunState, sighting: &Sighting) -> Vec<Sign> {
        for (vm, listed) in &sighting.listed {
            let of = (sighting.host.clone(), vm.clone());
            self.listed.insert(of, listed.clone());
        }
        let changed = match &sighting.running {
            Ok(running) => self.heard(state, sighting, running),
            Err(unheard) => self.not_heard(state, &sighting.host, unheard),
        };
        let mut signs: Vec<Sign> = changed.into_iter().collect();
        let watched = watched(state);
        self.wrong.retain(|vm, _| watched.contains(vm));
        self.found
            .retain(|vm, found| watched.contains(vm) && !found.is_kept(state));
        signs.extend(self.splits_over(state));
        for vm in &watched {
            match self.condition(state, vm) {
                Some(now @ Sign::Well { .. }) => {
                    signs.extend(self.wrong.remove(vm).map(|_| now));
                }
                Some(now) if self.wrong.get(vm) != Some(&now) => {
                    self.wrong.insert(vm.clone(), now.clone());
                    signs.push(now);
                }
                _ => {}
            }
        }
        signs
    }

    /// What of all that was seen belongs in the run's journal and is not there: who owns a VM. Until
    /// it is, it is handed out again.
    #[must_use]
    pub fn evidence(&self, state: &RunState) -> Vec<Fact> {
        let ended = state.own_end.as_ref().map(|(at, _)| *at);
        // One that was begun while steps were left stopped them.
        let begun = || state.leavable().map(|begun| begun.at);
        let Some(ended) = ended.or_else(begun) else {
            return Vec::new();
        };
        let returned = self.looks.iter().filter_map(|(host, look)| {
            let told = look.told.as_ref().filter(|told| told.asked > ended)?;
            let vms = not_answered_for(state, host);
            (!vms.is_empty()).then(|| Fact::HostReturned {
                host: host.clone(),
                vms,
                running: told.running(),
            })
        });
        let known = state.splits();
        // One that is over is told whole.
        let found = self.not_kept(state, &known).flat_map(|found| {
            let over = found.off.as_ref().map(|off| found.split.ended(off));
            [Some(found.split.begun()), over]
        });
        let begun: Vec<Fact> = found.flatten().collect();
        let over = known.iter();
        let over = over.filter_map(|split| Some(split.ended(self.seen_off(split)?)));
        returned.chain(begun).chain(over).collect()
    }

    fn heard(&mut self, state: &RunState, sighting: &Sighting, running: &[VmName]) -> Option<Sign> {
        let host = sighting.host.clone();
        let left = self.is_of_the_site_left(state, &host);
        let was_dark = !not_answered_for(state, &host).is_empty();
        let look = self.looks.entry(host.clone()).or_default();
        look.misses = 0;
        let first = look.told.is_none();
        let told = Told::after(look.told.as_ref(), sighting.asked, running);
        (look.told, look.before) = (Some(told), None);
        let was_unheard = look.unheard.take().is_some();
        let running = running.to_vec();
        if was_unheard || (first && was_dark) {
            let silent_for = state.silent_for(&host).into_iter();
            return Some(Sign::Returned {
                host,
                vms: silent_for.map(|(vm, _)| vm).collect(),
                running,
                left,
            });
        }
        first.then_some(Sign::Answers { host, running })
    }

    fn not_heard(&mut self, state: &RunState, host: &HostName, unheard: &Unheard) -> Option<Sign> {
        let was_dark = !not_answered_for(state, host).is_empty();
        let look = self.looks.entry(host.clone()).or_default();
        look.misses = look.misses.saturating_add(1);
        let before = look.unheard.as_ref().map(|(_, before)| before);
        let change = before.map(|before| unheard.presence.cmp(before));
        let is_said = match change {
            // Whoever stirs may start its VMs.
            Some(Ordering::Greater) => true,
            Some(Ordering::Less) => look.misses >= MISSES,
            Some(Ordering::Equal) => {
                look.misses = 0;
                false
            }
            None => (was_dark && look.told.is_none()) || look.misses >= MISSES,
        };
        if !is_said {
            return None;
        }
        let stirs = change.map_or(unheard.presence == Presence::Answers, Ordering::is_gt);
        let (host, why, ours) = (
            host.clone(),
            unheard.why.clone(),
            started_there(state, host),
        );
        let sign = if stirs {
            Sign::Refuses { host, why, ours }
        } else {
            Sign::Silent {
                host,
                why,
                expected: was_dark && look.told.is_none(),
                ours,
            }
        };
        look.before = look.told.take().or(look.before.take());
        look.misses = 0;
        look.unheard = Some((sign.clone(), unheard.presence));
        Some(sign)
    }

    /// Whether the run started its VMs at the other site than this host's.
    fn is_of_the_site_left(&self, state: &RunState, host: &HostName) -> bool {
        let role = self.roles.get(host).copied();
        let mut watched = watched(state).into_iter();
        watched.any(|vm| {
            let on = state.started_on(&vm).and_then(|(on, _)| self.roles.get(on));
            on.is_some_and(|on| Some(on.other()) == role)
        })
    }

    /// Says once of each split that a copy of it was seen off, whoever saw the split.
    fn splits_over(&mut self, state: &RunState) -> Vec<Sign> {
        let mut signs = Vec::new();
        let known = state.splits();
        let found = self.not_kept(state, &known);
        let own = found.filter(|found| found.off.is_none());
        let own: Vec<Split> = own.map(|found| found.split.clone()).collect();
        for split in known.into_iter().chain(own) {
            let Some(off) = self.seen_off(&split).cloned() else {
                continue;
            };
            let vm = split.vm;
            let own = self.found.get_mut(&vm);
            let is_first = own.is_some_and(|found| found.off.replace(off.clone()).is_none());
            if is_first || self.over.get(&vm) != Some(&split.at) {
                signs.push(Sign::Single {
                    vm: vm.clone(),
                    off,
                });
                self.wrong.remove(&vm);
            }
            self.over.insert(vm, split.at);
        }
        signs
    }

    /// Splits that this watch saw and that the journal does not have.
    fn not_kept(&self, state: &RunState, known: &[Split]) -> impl Iterator<Item = &Found> {
        let is_known = |found: &Found| known.iter().any(|known| known.vm == found.split.vm);
        let found = self.found.values();
        found.filter(move |found| !is_known(found) && !found.is_kept(state))
    }

    /// The host of a split that has told since that it does not run the VM.
    fn seen_off<'a>(&self, split: &'a Split) -> Option<&'a HostName> {
        let words = self.looks.iter().filter_map(|(host, look)| {
            Some(Word {
                host,
                role: *self.roles.get(host)?,
                runs: look.runs(&split.vm, split.at)?,
            })
        });
        split.seen_off(&words.collect::<Vec<_>>())
    }

    /// How a VM that the run started stands, as far as those who are to tell told it.
    fn condition(&mut self, state: &RunState, vm: &VmName) -> Option<Sign> {
        let seen = self.whereabouts(state, vm)?;
        let split = seen.split(vm);
        let home = seen.here.first().map(|stay| stay.host.clone());
        let also = seen.there.first().map(|stay| stay.host.clone());
        let (own, started, vm) = (seen.own, seen.started.clone(), vm.clone());
        if let Some(split) = split {
            let sign = Sign::of_split(&split);
            if self.found.get(&vm).is_none_or(|found| found.off.is_some()) {
                self.found.insert(vm, Found { split, off: None });
            }
            return Some(sign);
        }
        Some(match (home, also, own) {
            (None, Some(also), Some(false)) => Sign::Away { vm, started, also },
            // The host where it was started may run it still.
            (home, Some(also), _) => match self.known_split(state, &vm) {
                Some(split) => Sign::of_split(&split),
                None => Sign::Elsewhere {
                    vm,
                    started: home.unwrap_or(started),
                    also,
                },
            },
            (_, None, _) if self.may_hide_it(state, &vm) => return None,
            (Some(host), None, _) => Sign::Well { vm, host },
            // While steps are walked they may be about to stop it.
            (None, None, Some(_)) if state.own_end.is_some() => Sign::Off { vm, host: started },
            (None, None, _) => return None,
        })
    }

    fn whereabouts<'a>(&'a self, state: &'a RunState, vm: &VmName) -> Option<Whereabouts<'a>> {
        let (started, at) = state.started_on(vm)?;
        let role = *self.roles.get(started)?;
        // What was asked before the VM was started here, or seen to run once, says nothing of it.
        let since = state.single_since(vm).map_or(at, |single| single.max(at));
        let mut seen = Whereabouts {
            started,
            own: None,
            here: Vec::new(),
            there: Vec::new(),
        };
        for (host, look) in &self.looks {
            let Some(told) = look.told.as_ref().filter(|told| told.asked > since) else {
                continue;
            };
            if host == started {
                seen.own = Some(told.runs(vm));
            }
            let stay = told.stay(host, vm, since);
            if self.roles.get(host) == Some(&role) {
                seen.here.extend(stay);
            } else {
                seen.there.extend(stay);
            }
        }
        Some(seen)
    }

    /// A VM that runs at both sites, as this watch saw it, or whoever watched before.
    fn known_split(&self, state: &RunState, vm: &VmName) -> Option<Split> {
        let mut splits = state.splits().into_iter();
        let known = splits.find(|split| split.vm == *vm);
        let own = self.found.get(vm).filter(|found| found.off.is_none());
        own.map(|found| found.split.clone()).or(known)
    }

    /// Whether it was seen running on a host of the other site that has not told since that it does
    /// not.
    fn may_hide_it(&self, state: &RunState, vm: &VmName) -> bool {
        let is_hidden =
            |host: &HostName| self.looks.get(host).is_none_or(|look| look.told.is_none());
        let was = match self.wrong.get(vm) {
            Some(Sign::Away { also, .. } | Sign::Elsewhere { also, .. }) => is_hidden(also),
            _ => false,
        };
        let split = self.known_split(state, vm);
        was || split.is_some_and(|split| self.seen_off(&split).is_none())
    }
}

/// VMs for which a host was silent when their owner was last looked for, and has not answered since.
fn not_answered_for(state: &RunState, host: &HostName) -> Vec<VmName> {
    let silent_for = state.silent_for(host).into_iter();
    let open = silent_for.filter(|(_, answered)| !answered);
    open.map(|(vm, _)| vm).collect()
}

/// VMs that the run started and has not stopped since, and that no failback took home.
fn watched(state: &RunState) -> BTreeSet<VmName> {
    let mut started = state.started();
    started.retain(|vm| !state.is_taken_home(vm));
    started
}

fn started_there(state: &RunState, host: &HostName) -> Vec<VmName> {
    let is_there = |vm: &VmName| state.started_on(vm).is_some_and(|(on, _)| on == host);
    watched(state).into_iter().filter(is_there).collect()
}

#[cfg(test)]
mod tests;
