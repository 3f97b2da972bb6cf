//! What is true at the sites, whatever the console believes.

use super::locks::{Locks, Owner};
use super::promises::Broken;
use super::shapes::{Kind, Shape};

/// The other site, as far as one VM goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    /// The VM runs there.
    pub(super) runs: bool,
    /// Its host does not answer the console.
    pub(super) dark: bool,
    /// Its address answers if it runs.
    pub(super) reachable: bool,
}

/// What a look at the other site gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its host answered no and the address is silent.
    Whole,
    /// Something could not be asked.
    Partial,
    /// Something says that it runs.
    Contradicts,
}

impl Home {
    /// What its host says; where a start is under way the address may be answered by that.
    pub(super) fn told(self) -> Evidence {
        match (self.dark, self.runs) {
            (true, _) => Evidence::Partial,
            (false, true) => Evidence::Contradicts,
            (false, false) => Evidence::Whole,
        }
    }

    pub(super) fn look(self) -> Evidence {
        if self.runs && (!self.dark || self.reachable) {
            Evidence::Contradicts
        } else if self.dark {
            Evidence::Partial
        } else {
            Evidence::Whole
        }
    }
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// One part of its step.
    Set(u8),
    /// Takes that part back.
    Clear(u8),
    /// Stops the VM of its step at home.
    StopHome,
    /// Stops it at the recovery site.
    StopHere,
    /// Takes back a part of another step.
    Take(usize, u8),
    /// Takes the lock of its VM, which nobody has.
    Lock(u64),
    /// Takes it in its owner's stead.
    Break(Owner, u64),
}

impl Write {
    /// It changes nothing but who holds the VM.
    pub(super) fn is_about_lock(self) -> bool {
        matches!(self, Self::Lock(_) | Self::Break(..))
    }
}

/// A command that left and may still take effect.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) op: u64,
    pub(super) step: usize,
    pub(super) write: Write,
    /// A person settled the step although this might still take effect.
    pub(super) disowned: bool,
    /// A start whose question was answered: its host tells of it, and whoever looks waits for it.
    pub(super) told: bool,
}

pub(super) struct Site {
    /// One bit for each part of each step.
    pub(super) bits: Vec<u8>,
    pub(super) homes: [Home; 2],
    /// VMs whose start waits on a question: it goes on once somebody answers that, whoever sent it.
    pub(super) begun: [bool; 2],
    /// VMs that ran at the recovery site and were stopped there, as the copy that does not live.
    pub(super) given_up: [bool; 2],
    pub(super) flights: Vec<Flight>,
    pub(super) locks: Locks,
}

impl Site {
    pub(super) fn full(shape: &Shape, step: usize) -> u8 {
        (1 << shape.work[step].parts) - 1
    }

    pub(super) fn is_done(&self, shape: &Shape, step: usize) -> bool {
        self.bits[step] == Self::full(shape, step)
    }

    /// All its commands did what they say; others may have changed the world since.
    pub(super) fn took_effect(&self, shape: &Shape, step: usize) -> bool {
        let work = &shape.work[step];
        if work.kind == Kind::Back {
            return self.is_gone(shape, work.of);
        }
        let given_up = work.kind == Kind::PowerOn && self.given_up[work.vm];
        given_up || self.is_done(shape, step)
    }

    /// Nothing of a step stands, a start that waits on its question included.
    pub(super) fn is_gone(&self, shape: &Shape, step: usize) -> bool {
        self.bits[step] == 0 && !self.is_begun(shape, step)
    }

    /// Whether what a step starts waits on its question.
    pub(super) fn is_begun(&self, shape: &Shape, step: usize) -> bool {
        let work = &shape.work[step];
        work.kind == Kind::PowerOn && self.begun[work.vm]
    }

    /// The parts of a step of which something stands.
    pub(super) fn standing(
        &self,
        shape: &Shape,
        step: usize,
    ) -> impl DoubleEndedIterator<Item = u8> {
        let bits = self.bits[step] | u8::from(self.is_begun(shape, step));
        (0..8).filter(move |part| bits & (1 << part) != 0)
    }

    /// A start that is under way comes to its question.
    pub(super) fn asks(&mut self, shape: &Shape, flight: usize) {
        let flight = self.flights.swap_remove(flight);
        self.begun[shape.work[flight.step].vm] = true;
    }

    /// Somebody answered it: the start is under way again.
    pub(super) fn goes_on(&mut self, shape: &Shape, step: usize, op: u64) {
        self.begun[shape.work[step].vm] = false;
        self.flights.push(Flight {
            op,
            step,
            write: Write::Set(0),
            disowned: false,
            told: true,
        });
    }

    /// A look at a step waits for the start that its host tells of.
    pub(super) fn wait_for_start(&mut self, shape: &Shape, step: usize) -> Result<(), Broken> {
        let mut flights = self.flights.iter();
        match flights.position(|flight| flight.step == step && flight.told) {
            Some(flight) => self.land(shape, flight),
            None => Ok(()),
        }
    }

    /// Whether the VM runs at the recovery site.
    pub(super) fn runs_here(&self, shape: &Shape, vm: usize) -> bool {
        shape.starts[vm].is_some_and(|step| self.bits[step] & 1 == 1)
    }

    /// Whether what a command is to do is so.
    pub(super) fn stands(&self, shape: &Shape, step: usize, write: Write) -> bool {
        let vm = shape.work[step].vm;
        match write {
            Write::Set(part) => self.bits[step] & (1 << part) != 0,
            Write::Clear(part) => self.standing(shape, step).all(|its| its != part),
            Write::StopHome => !self.homes[vm].runs,
            Write::StopHere => !self.runs_here(shape, vm),
            Write::Take(of, part) => self.standing(shape, of).all(|its| its != part),
            Write::Lock(turn) | Write::Break(_, turn) => self.locks.is_of(vm, turn),
        }
    }

    /// A command that left takes effect.
    pub(super) fn land(&mut self, shape: &Shape, index: usize) -> Result<(), Broken> {
        let flight = self.flights.swap_remove(index);
        let (step, work) = (flight.step, &shape.work[flight.step]);
        let harmless = flight.disowned
            || matches!(work.kind, Kind::Copy | Kind::Fence)
            || flight.write.is_about_lock();
        if self.stands(shape, step, flight.write) && !harmless {
            return Err(Broken::new(
                5,
                format!(
                    "write {} of step {step} took effect a second time",
                    flight.op
                ),
            ));
        }
        match flight.write {
            Write::Set(part) => {
                self.bits[step] |= 1 << part;
                self.begun[work.vm] &= work.kind != Kind::PowerOn || part != 0;
                self.given_up[work.vm] &= work.kind != Kind::PowerOn;
            }
            Write::Clear(part) => self.clear(shape, step, part),
            Write::Take(of, part) => self.clear(shape, of, part),
            Write::StopHome => self.homes[work.vm].runs = false,
            Write::Lock(turn) => self.locks.take(work.vm, None, turn),
            Write::Break(owner, turn) => self.locks.take(work.vm, Some(owner), turn),
            Write::StopHere => {
                if let Some(started) = shape.starts[work.vm] {
                    self.bits[started] &= !1;
                    self.given_up[work.vm] = true;
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self, shape: &Shape, step: usize, part: u8) {
        self.bits[step] &= !(1 << part);
        let work = &shape.work[step];
        self.begun[work.vm] &= work.kind != Kind::PowerOn || part != 0;
    }

    pub(super) fn flight(&self, op: u64) -> Option<usize> {
        self.flights.iter().position(|flight| flight.op == op)
    }

    /// A host starts anew: its processes are gone.
    pub(super) fn reboot(&mut self, shape: &Shape, host: usize) {
        for (begun, start) in self.begun.iter_mut().zip(shape.starts) {
            *begun &= start.is_none_or(|step| shape.work[step].host != host);
        }
        self.flights.retain(|flight| {
            let work = &shape.work[flight.step];
            let there = match flight.write {
                Write::StopHere => shape.starts[work.vm].map(|step| shape.work[step].host),
                _ => Some(work.host),
            };
            there != Some(host)
        });
    }
}
