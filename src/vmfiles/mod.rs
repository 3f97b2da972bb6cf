//! vmfiles.
