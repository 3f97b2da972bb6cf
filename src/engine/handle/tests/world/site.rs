//! What is true at the sites, whatever the console believes.

use super::promises::Broken;
use super::shapes::{Kind, Shape};

/// The other site, as far as one VM goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere {
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
    /// Every host answered no and the address is silent.
    Whole,
    /// Something could not be asked.
    Partial,
    /// Something says that it runs.
    Contradicts,
}

impl Elsewhere {
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

/// A command that left and may still take effect.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) op: u64,
    pub(super) step: usize,
    pub(super) part: u8,
    /// It does; else it takes back.
    pub(super) sets: bool,
    /// A person settled the step although this might still take effect.
    pub(super) disowned: bool,
}

pub(super) struct Site {
    /// One bit for each part of each step.
    pub(super) bits: Vec<u8>,
    pub(super) elsewhere: [Elsewhere; 2],
    pub(super) flights: Vec<Flight>,
}

impl Site {
    pub(super) fn full(shape: &Shape, step: usize) -> u8 {
        (1 << shape.work[step].parts) - 1
    }

    pub(super) fn is_done(&self, shape: &Shape, step: usize) -> bool {
        match shape.work[step].kind {
            Kind::Prompt => false,
            Kind::Fence => {
                let there = self.elsewhere[shape.work[step].vm];
                self.bits[step] == 1 && !there.runs
            }
            Kind::Copy | Kind::Write | Kind::PowerOn => self.bits[step] == Self::full(shape, step),
        }
    }

    /// All its commands did what they say; others may have changed the world since.
    pub(super) fn took_effect(&self, shape: &Shape, step: usize) -> bool {
        self.bits[step] == Self::full(shape, step)
    }

    /// A command that left takes effect.
    pub(super) fn land(&mut self, shape: &Shape, index: usize) -> Result<(), Broken> {
        let flight = self.flights.swap_remove(index);
        let work = &shape.work[flight.step];
        let bit = 1 << flight.part;
        let is_set = self.bits[flight.step] & bit != 0;
        let harmless = flight.disowned || matches!(work.kind, Kind::Copy | Kind::Fence);
        if is_set == flight.sets && !harmless {
            return Err(Broken::new(
                5,
                format!(
                    "write {} of step {} took effect a second time",
                    flight.op, flight.step
                ),
            ));
        }
        if flight.sets {
            self.bits[flight.step] |= bit;
        } else {
            self.bits[flight.step] &= !bit;
        }
        if work.kind == Kind::Fence && flight.sets {
            self.elsewhere[work.vm].runs = false;
        }
        Ok(())
    }

    pub(super) fn flight(&self, op: u64) -> Option<usize> {
        self.flights.iter().position(|flight| flight.op == op)
    }

    /// A host starts anew: its processes are gone.
    pub(super) fn reboot(&mut self, shape: &Shape, host: usize) {
        self.flights
            .retain(|flight| shape.work[flight.step].host != host);
    }
}
