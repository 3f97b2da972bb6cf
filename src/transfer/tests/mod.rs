//! Transfers against OpenSSH's server on loopback, over links that drop and runs that crash.

mod arriving;
mod cloning;
mod interrupted;
mod looking;
mod printed;
mod simulated;
mod site;
