//! The whole thing from outside: the real binary, in a real terminal or without one, against real
//! SSH servers (the simulated site's and OpenSSH's).

mod bad_input;
mod cable;
mod figures;
mod kill;
mod openssh;
mod practice;
mod program;
mod site;
mod terminal;
