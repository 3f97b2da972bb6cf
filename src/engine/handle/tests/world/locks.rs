//! Locks: another console drives VMs of this world too, and the runs keep off each other by a lock
//! beside each VM's folder. It is taken before a run's first command, given back at its end, and
//! broken only by a person who types why.

use super::super::*;
use super::jobs::Act;
use super::looks::Seen;
use super::promises::{Broken, ensure};
use super::shapes::{HOSTS, Kind, VMS};
use super::site::Write;
use super::{Bug, Mischief, World};
use crate::engine::{AttestRequest, Entry, Fact, RunEvent};
use crate::names::OpId;

/// What a lock names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A run of this console, and what the lock was taken for.
    Run(u32, u64),
    /// The other console's, by number.
    Other(u32),
}

/// The locks of the VMs, and the other console at each of them.
#[derive(Default)]
pub(super) struct Locks {
    pub(super) owners: [Option<Owner>; 2],
    /// The other console drives it, by the number of its lock.
    drives: [Option<u32>; 2],
    /// The number of this console's run: a journal that begins anew is another one.
    pub(super) run: u32,
    taken: u32,
    /// Releases that may still take effect, and which lock each is about.
    pub(super) releases: Vec<(usize, Owner)>,
    /// A lock that could not be given back since the run last sent something.
    left: [bool; 2],
}

impl Locks {
    pub(super) fn is_ours(&self, vm: usize) -> bool {
        matches!(self.owners[vm], Some(Owner::Run(run, _)) if run == self.run)
    }

    /// Whether it is the one that this run took at that turn: a release may still take an older one.
    pub(super) fn is_of(&self, vm: usize, turn: u64) -> bool {
        self.owners[vm] == Some(Owner::Run(self.run, turn))
    }

    /// A lock of this run that a release may still take away, which then knows it by this name only.
    fn in_danger(&self, vm: usize) -> Option<Owner> {
        let owner = self.owners[vm].filter(|_| self.is_ours(vm))?;
        self.releases.contains(&(vm, owner)).then_some(owner)
    }

    /// A release leaves.
    pub(super) fn releasing(&mut self, vm: usize) {
        self.releases
            .extend(self.owners[vm].map(|owner| (vm, owner)));
    }

    /// Takes a lock that nobody has; `of` is what a command was to break.
    pub(super) fn take(&mut self, vm: usize, of: Option<Owner>, turn: u64) {
        if self.owners[vm] == of {
            self.owners[vm] = Some(Owner::Run(self.run, turn));
        }
    }

    fn release(&mut self, vm: usize, owner: Owner) {
        if self.owners[vm] == Some(owner) {
            self.owners[vm] = None;
        }
    }

    /// This console sends something about a VM.
    pub(super) fn sends(&mut self, vm: usize) -> Result<(), Broken> {
        self.left[vm] = false;
        ensure(self.is_ours(vm), 3, || {
            format!(
                "vm{vm} is written to while its lock names {:?}",
                self.owners[vm]
            )
        })
    }

    /// The journal has lost what the run held.
    pub(super) fn forgotten(&mut self) {
        self.releases.clear();
        self.left = [true; 2];
    }

    /// The run ends: it holds nothing that it could have given back.
    pub(super) fn ended(&self) -> Result<(), Broken> {
        let kept = (0..VMS.len()).find(|vm| self.is_ours(*vm) && !self.left[*vm]);
        ensure(kept.is_none(), 3, || {
            format!("the run is over and still holds the lock of VM {kept:?}")
        })
    }
}

/// How far the end of the run is with giving its locks back.
#[derive(Clone, Debug)]
pub(super) struct Closer {
    left: Vec<usize>,
    tries: u8,
    waits: Option<Waits>,
}

#[derive(Clone, Debug, PartialEq)]
enum Waits {
    Grant(u64),
    Kept(u64),
    Sent(OpId),
}

impl Closer {
    pub(super) fn new(state: &RunState) -> Self {
        let wanted = |vm: &usize| {
            let mut locks = state.locks().into_iter();
            locks.any(|fact| matches!(fact, Fact::LockWanted { vm: Some(of), .. } if of.as_str() == VMS[*vm]))
        };
        Self {
            left: (0..VMS.len()).filter(wanted).collect(),
            tries: 0,
            waits: None,
        }
    }

    pub(super) fn can_go_on(&self) -> bool {
        !matches!(self.waits, Some(Waits::Grant(_) | Waits::Kept(_)))
    }

    pub(super) fn waits_for_grant(&self, ticket: u64) -> bool {
        self.waits == Some(Waits::Grant(ticket))
    }

    /// Its command leaves; gives the VM that it is about.
    pub(super) fn sends(&mut self, op: OpId) -> Option<usize> {
        self.waits = Some(Waits::Sent(op));
        self.left.last().copied()
    }

    pub(super) fn kept(&mut self, ticket: u64) {
        if self.waits == Some(Waits::Kept(ticket)) {
            self.waits = None;
            self.left.pop();
            self.tries = 0;
        }
    }

    fn gives_up(&mut self) {
        self.left.pop();
        self.tries = 0;
    }
}

impl World {
    /// The end of the run goes on with giving its locks back.
    pub(super) fn close(&mut self) -> Input {
        let Some(mut closer) = self.closer.take() else {
            return Input::Closed;
        };
        while let Some(vm) = closer.left.last().copied() {
            if let Some(Waits::Sent(op)) = closer.waits.take() {
                let said = self.released(vm, op, &mut closer);
                self.closer = Some(closer);
                return said;
            }
            if closer.tries > 3 || self.mischief(Mischief::Unreachable, 4) {
                self.site.locks.left[vm] = true;
                closer.gives_up();
                continue;
            }
            self.stop_what_locks(vm);
            self.ticket += 1;
            let (step, attempt, ticket) = (StepId::default(), Attempt::default(), self.ticket);
            let said = if self.site.locks.is_ours(vm) {
                closer.tries += 1;
                closer.waits = Some(Waits::Grant(ticket));
                Input::WriteWanted {
                    step,
                    attempt,
                    ticket,
                    host: HOSTS[2].into(),
                    bulk: false,
                    command: format!("unlock {vm}"),
                }
            } else {
                closer.waits = Some(Waits::Kept(ticket));
                let fact = Fact::LockReleased {
                    vm: Some(VMS[vm].into()),
                    host: HOSTS[2].into(),
                    path: VMS[vm].to_owned(),
                    how: "was removed".to_owned(),
                };
                Input::FactFound {
                    step,
                    attempt,
                    ticket,
                    fact,
                }
            };
            self.closer = Some(closer);
            return said;
        }
        Input::Closed
    }

    /// A lost command that the journal tells of can take the lock no more.
    fn stop_what_locks(&mut self, vm: usize) {
        let (shape, known) = (self.shape, &self.folded.ops);
        self.site.flights.retain(|flight| {
            let locks = flight.write.is_about_lock() && shape.work[flight.step].vm == vm;
            !locks || !known.contains_key(&OpId(flight.op))
        });
    }

    fn released(&mut self, vm: usize, op: OpId, closer: &mut Closer) -> Input {
        if self.mischief(Mischief::Fail, 8) {
            self.site.locks.releases.pop();
            self.site.locks.left[vm] = true;
            closer.gives_up();
            let why = "no session".to_owned();
            return Input::WriteNotSent { op, why };
        }
        if self.mischief(Mischief::Lost, 4) {
            let why = "cut".to_owned();
            return Input::WriteLost { op, why };
        }
        if let Some((vm, owner)) = self.site.locks.releases.pop() {
            self.site.locks.release(vm, owner);
        }
        Input::WriteFinished {
            op,
            exit: 0,
            took_ms: 1,
            output_sha256: None,
        }
    }

    /// The other console does something at a VM, and lost releases arrive.
    pub(super) fn others(&mut self) -> Result<(), Broken> {
        if !self.site.locks.releases.is_empty() && self.dice.one_in(6) {
            let (vm, owner) = self.site.locks.releases.remove(0);
            self.site.locks.release(vm, owner);
        }
        let vm = self.dice.below(VMS.len());
        let lock = self.site.locks.owners[vm];
        let Some(drives) = self.site.locks.drives[vm] else {
            if lock.is_none() && self.mischief(Mischief::Other, 12) {
                let locks = &mut self.site.locks;
                locks.taken += 1;
                locks.owners[vm] = Some(Owner::Other(locks.taken));
                locks.drives[vm] = Some(locks.taken);
                self.say(|_| format!("   another run takes vm{vm}"));
            }
            return Ok(());
        };
        if lock != Some(Owner::Other(drives)) {
            // It looks before each command, and finds itself held.
            self.site.locks.drives[vm] = None;
            return Ok(());
        }
        let (shape, site) = (self.shape, &self.site);
        let ours = site.flights.iter().find(|flight| {
            let work = &shape.work[flight.step];
            let counts = !flight.disowned && !flight.write.is_about_lock();
            work.vm == vm && counts && work.kind != Kind::Copy
        });
        ensure(ours.is_none(), 3, || {
            format!("another run writes to vm{vm} while {ours:?} is under way")
        })?;
        if self.dice.one_in(4) {
            self.site.locks.drives[vm] = None;
            // A console that is gone leaves its lock behind.
            if self.is_calm() || !self.dice.one_in(3) {
                self.site.locks.owners[vm] = None;
            }
            self.say(|world| {
                format!(
                    "   another run leaves vm{vm}: {:?}",
                    world.site.locks.owners[vm]
                )
            });
        }
        Ok(())
    }

    /// What a step has to hold before it does what it saw to do; while another run holds that,
    /// breaking its lock is all that is offered.
    pub(super) fn guard(&mut self, step: usize, seen: Seen) -> Seen {
        let vm = self.shape.work[step].vm;
        let sends = seen.acts.iter().any(|act| matches!(act, Act::Send(_)));
        let ignores = self.recipe.bug == Some(Bug::LockIgnored);
        let lock = self.site.locks.owners[vm];
        if !sends || (ignores && lock.is_some()) {
            return seen;
        }
        if let Some(owner) = self.site.locks.in_danger(vm) {
            self.ticket += 1;
            let mut seen = seen;
            let anew = Act::Send(Write::Break(owner, self.ticket));
            seen.acts.push_front(anew);
            return seen;
        }
        if self.site.locks.is_ours(vm) {
            let mut seen = seen;
            if Closer::new(&self.folded)
                .left
                .iter()
                .all(|held| *held != vm)
            {
                // Taken, and the journal has lost that.
                seen.acts.push_front(Act::Keep(wanted(vm)));
            }
            return seen;
        }
        let mut acts = vec![Act::Keep(wanted(vm))];
        self.ticket += 1;
        let turn = self.ticket;
        let Some(owner) = lock else {
            acts.push(Act::Send(Write::Lock(turn)));
            let mut seen = seen;
            for act in acts.into_iter().rev() {
                seen.acts.push_front(act);
            }
            return seen;
        };
        acts.push(Act::Keep(Fact::LockBroken {
            vm: Some(VMS[vm].into()),
            host: HOSTS[2].into(),
            path: VMS[vm].to_owned(),
            holder: format!("{owner:?}"),
            by: "alice".to_owned(),
            reason: "its console is gone".to_owned(),
        }));
        acts.push(Act::Send(Write::Break(owner, turn)));
        acts.push(Act::ShowAnew);
        let mut seen = Seen::needed(&format!("break {owner:?}"), acts);
        if let Some(proposal) = seen.proposal() {
            proposal.undo = None;
            proposal.typed = Some("the other run".to_owned());
            proposal.attest = Some(AttestRequest {
                vm: Some(VMS[vm].into()),
                statement: "nobody drives it any more".to_owned(),
                evidence: Vec::new(),
            });
        }
        seen
    }
}

impl World {
    /// What it takes to hold a VM before a step of it is taken back; `None` while another run has it.
    pub(super) fn hold(&mut self, vm: usize) -> Option<Vec<Act>> {
        let ignores = self.recipe.bug == Some(Bug::LockIgnored);
        if let Some(owner) = self.site.locks.in_danger(vm) {
            self.ticket += 1;
            return Some(vec![Act::Send(Write::Break(owner, self.ticket))]);
        }
        match self.site.locks.owners[vm] {
            _ if self.site.locks.is_ours(vm) => Some(Vec::new()),
            None => {
                self.ticket += 1;
                let lock = Act::Send(Write::Lock(self.ticket));
                Some(vec![Act::Keep(wanted(vm)), lock])
            }
            Some(_) => ignores.then(Vec::new),
        }
    }
}

fn wanted(vm: usize) -> Fact {
    Fact::LockWanted {
        vm: Some(VMS[vm].into()),
        host: HOSTS[2].into(),
        path: VMS[vm].to_owned(),
    }
}

/// A lock is broken for a reason that a person typed.
pub(super) fn judge(before: &RunState, entry: &Entry) -> Result<(), Broken> {
    let RunEvent::FactFound(Fact::LockBroken { holder, .. }) = &entry.event else {
        return Ok(());
    };
    let known = entry.step.as_ref().and_then(|id| before.steps.get(id));
    let said = known.and_then(|step| step.confirmation.as_deref());
    let shown = known.and_then(|step| step.proposal.as_deref());
    let typed = said.is_some_and(|said| said.typed.is_some() && said.attest.is_some());
    let this = shown.is_some_and(|shown| shown.then == format!("break {holder}"));
    ensure(typed && this, 3, || {
        format!("the lock of {holder} is broken for no reason")
    })
}
