//! A small site and a run on it, for the tests of the screens, and a bench that stands in for the
//! terminal.

mod bench;
mod proposals;
mod site;
mod story;

use jiff::Timestamp;

use super::theme::{ColourLevel, Theme};

pub(super) use bench::{Bench, bare, figures, parse, text};
pub(super) use proposals::{attested, declare, fault, power_on, question, register, typed, write};
pub(super) use site::{id, plan, runbook, there_and_back};
pub(super) use story::Story;

pub(super) const FULL: Theme = Theme {
    colour: ColourLevel::Sixteen,
    unicode: true,
    title: true,
};

pub(super) const PLAIN: Theme = Theme {
    colour: ColourLevel::Mono,
    unicode: false,
    title: false,
};

/// The run's start: 2026-01-02 03:04:05 UTC.
pub(super) const START: i64 = 1_767_323_045;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}
