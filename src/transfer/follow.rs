//! The destination's sum, taken while the file still arrives.
//!
//! The host sums what has arrived from the start on, and is told how far that is: up to where every
//! write is confirmed and nothing will be written again. So its sum is ready soon after the last
//! byte, and it is the sum of the whole file like any other. Where a host cannot do that, or the
//! link drops at the wrong moment, the sum is taken afterwards instead.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::ranges::FINE;
use super::sums::Sum;
use super::target::{SummedBy, Work, time_for};
use crate::host::Dialogue;
use crate::hypervisor::shell::{self, Sha256};

/// Smaller files are summed at once.
const WORTH: u64 = 8 << 20;
/// A host that says nothing for so long while its sum is waited for is no longer waited for.
const STALLED: Duration = Duration::from_secs(600);
/// The host is told of so many new bytes at a time.
const STEP: u64 = 8 << 20;

/// A host that sums one file while it arrives, or not.
#[derive(Default)]
pub(super) struct Follow {
    running: Option<Dialogue>,
    /// Up to here it was told to go.
    told: u64,
}

impl Follow {
    /// Whether the host sums along.
    pub(super) fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// Starts over: what was summed so far may no longer be what is there.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Starts summing a file of the target that is open for writing, unless it is being summed.
    pub(super) async fn start<W>(&mut self, work: &Work<W>, name: &str, bytes: u64) {
        if self.is_on() || bytes < WORTH {
            return;
        }
        let to = &work.to;
        let command = shell::sha256_arriving(&to.path(name)).deadline(time_for(bytes));
        self.forget();
        match to.host.converse(to.lane, &command).await {
            Ok(running) => self.running = running,
            Err(why) => tracing::info!("{name} is summed afterwards: {why}"),
        }
        if self.is_on() {
            work.meter.summed(0, Instant::now());
        }
    }

    /// Everything before `place` is there, and stays as it is.
    pub(super) async fn reach<W>(&mut self, work: &Work<W>, place: u64) {
        let place = place / FINE * FINE;
        let Some(running) = &mut self.running else {
            return;
        };
        if place < self.told.saturating_add(STEP) {
            return;
        }
        let summed = place_in(&running.said().borrow());
        work.meter.summed(summed, Instant::now());
        let told = running.tell(&(place / FINE).to_string()).await;
        self.told = place;
        if let Err(why) = told {
            tracing::info!("the sum is taken afterwards: {why}");
            self.forget();
        }
    }

    /// All of it is there: the sum. `None` where it must be taken now.
    pub(super) async fn finish<W>(mut self, work: &Work<W>) -> Option<(Sum, SummedBy)> {
        let mut running = self.running.take()?;
        running.tell("end").await.ok()?;
        let mut said = running.said();
        let stalled = async {
            while let Ok(said_more) = timeout(STALLED, said.changed()).await {
                if said_more.is_err() {
                    // It has ended: what it came to is there at once.
                    std::future::pending().await
                }
                let place = place_in(&said.borrow_and_update());
                work.meter.summed(place, Instant::now());
            }
        };
        let output = tokio::select! {
            output = running.finish() => output,
            () = stalled => {
                tracing::info!("the sum is taken again: the host got no further with it");
                return None;
            }
        };
        let found = match output.map(|output| Sha256::parse(&output)) {
            Ok(Ok(found)) => found,
            Ok(Err(why)) => {
                tracing::info!("the sum is taken again: {why}");
                return None;
            }
            Err(why) => {
                tracing::info!("the sum is taken again: {why}");
                return None;
            }
        };
        let sum = found.hex.parse().ok()?;
        Some((sum, SummedBy::Host(found.tool)))
    }
}

/// Bytes that are in the sum, as the host says in mebibytes.
fn place_in(said: &str) -> u64 {
    let mebibytes = said.trim().parse::<u64>();
    mebibytes.unwrap_or_default().saturating_mul(FINE)
}
