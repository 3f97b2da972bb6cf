//! home
use super::exit::{Exit, Failure};
use std::path::PathBuf;
pub(super) async fn home(_state: Option<PathBuf>) -> Result<Exit, Failure> {
    Ok(Exit::Clean)
}
