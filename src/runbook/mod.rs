//! A runbook file: text to typed values with places, every problem at once. Pure.
pub mod model;
