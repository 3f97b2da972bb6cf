//! One small file per subcommand.
pub mod load;
pub mod validate;
