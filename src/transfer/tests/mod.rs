//! Transfers against OpenSSH's server on loopback, over links that drop and runs that crash.

mod arriving;
mod cloning;
mod converting;
mod following;
mod interrupted;
mod looking;
mod patching;
mod printed;
mod seeding;
mod simulated;
mod site;
mod together;
mod unrecorded;
mod ways;
mod without_sftp;
