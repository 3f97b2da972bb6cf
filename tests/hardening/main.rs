//! What holds whatever a host sends or a file holds, and that the promises have their evidence.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a broken promise fails the test, and figures are printed"
)]

mod fuzz;
mod mutate;
mod promises;
mod quoting;
mod targets;
