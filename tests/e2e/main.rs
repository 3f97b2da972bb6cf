//! The whole thing from outside: the real binary, in a real terminal or without one, against real
//! SSH servers (the simulated site's and OpenSSH's).
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a scenario that cannot be set up fails, and figures are printed"
)]

mod bad_input;
mod bastion;
mod cable;
mod check;
mod drill;
mod ending;
mod figures;
mod kill;
mod looking;
mod openssh;
mod owners;
mod people;
#[path = "../../src/host/tests/ports.rs"]
mod ports;
mod practice;
mod program;
mod prompts;
mod rivals;
mod runbooks;
mod sinks;
mod site;
mod storm;
mod terminal;
