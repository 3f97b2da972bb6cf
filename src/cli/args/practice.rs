//! What practice and the simulated site take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::runbook::parse_size;

use super::StartArgs;

/// 64 MiB: large enough to watch, small enough to wait for.
const DEFAULT_SCALE: u64 = 64 << 20;

/// What the simulated site takes.
#[derive(Args, Clone, Copy, Debug)]
pub struct SiteArgs {
    /// Makes the site's details; the same seed gives the same site
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than life its machines are
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = parse_speed)]
    pub speed: f64,
    /// Bytes of each disk, such as 16MiB
    #[arg(long, default_value = "64MiB", value_name = "SIZE", value_parser = parse_scale)]
    pub scale: u64,
}

/// What practice takes.
#[derive(Args, Debug)]
pub struct PracticeArgs {
    /// The runbook [default: the bundled one]
    pub runbook: Option<PathBuf>,
    /// What happens to the protected site
    #[arg(long, value_enum, default_value_t)]
    pub scenario: Scenario,
    #[command(flatten)]
    pub site: SiteArgs,
    #[command(flatten)]
    pub start: StartArgs,
}

impl PracticeArgs {
    /// The practice that `lifeboat practice RUNBOOK` starts.
    #[must_use]
    pub fn of(runbook: Option<PathBuf>) -> Self {
        let site = SiteArgs {
            seed: 1,
            speed: 1.0,
            scale: DEFAULT_SCALE,
        };
        Self {
            runbook,
            scenario: Scenario::default(),
            site,
            start: StartArgs::default(),
        }
    }
}

/// What happens to the protected site in a practice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// It goes dark before the first step, and is back, its VMs off, before the way home
    #[default]
    Dark,
    /// It answers all the time and its VMs run: the fence has to stop them
    Alive,
}

/// What the simulated site alone takes.
#[derive(Args, Debug)]
pub struct SimArgs {
    /// The runbook whose hosts are imitated
    pub runbook: PathBuf,
    /// Write a runbook with the site's addresses, keys and logins, for `lifeboat run`
    #[arg(long, value_name = "FILE")]
    pub emit: Option<PathBuf>,
    #[command(flatten)]
    pub site: SiteArgs,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("say a number from 0.1 to 1000".to_owned()),
    }
}

fn parse_scale(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (64 << 10..=1 << 40).contains(&size) {
        Ok(size)
    } else {
        Err("say a size from 64KiB to 1TiB".to_owned())
    }
}
