//! Whether a runbook could be walked now: what its hosts and backups tell, and what speaks against it.
//!
//! [`look`] asks every host at the same time and sends nothing but reads; a host that is silent costs
//! its own time limit and nobody else's. What came back is [`Seen`], in which an answer that did not
//! come is kept as such ([`Told`]). [`judge`] is pure: each judge reads what was seen and returns
//! [`Finding`]s, whose keys stay the same from one look to the next, so that [`changes`](changes()) can tell what
//! is new.

mod ask;
mod backups;
mod changes;
mod esxi;
mod finding;
mod judges;
mod open_drill;
mod rows;
mod seen;
mod task;
#[cfg(test)]
mod tests;
mod whereabouts;

pub use changes::{Change, carry_over, changes};
pub use finding::{Finding, Severity, is_ready};
pub use judges::judge;
pub use open_drill::{Holds, OpenDrill};
pub use seen::{
    Clock, EsxiSeen, Files, HostSeen, Leaving, Needs, PointsSeen, Registered, Seen, Shut, Silence,
    SpareSeen, Told, Used,
};
pub use task::{Rehearsal, Restore, Standing, Task, Unfinished};

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use jiff::Timestamp;

use crate::host::{Hosts, Lane};
use crate::hypervisor::shell::{self, Use};
use crate::names::HostName;
use crate::runbook::model::Driver;

use ask::Asker;

/// What is told while hosts answer: which one, how long it took, and whether it let us in.
pub type Tell<'a> = &'a (dyn Fn(&HostName, Duration, bool) + Sync);

/// Asks all hosts of the runbook, and reads the restore points of the task's VMs.
pub async fn look(task: &Task, hosts: &Hosts, tell: Tell<'_>) -> Seen {
    let at = Timestamp::now();
    let asked = task.runbook.hosts.keys().map(async |name| {
        let began = Instant::now();
        let answer = ask_host(task, hosts, name).await;
        tell(name, began.elapsed(), answer.0.is_ok());
        (name.clone(), answer)
    });
    let (told, here) = join(join_all(asked), backups::read(task, hosts, None)).await;
    let mut seen = Seen {
        at,
        points: here,
        ..Seen::default()
    };
    for (name, (host, points)) in told {
        seen.hosts.insert(name, host);
        seen.points.extend(points);
    }
    backups::look_outside(task, hosts, &mut seen).await;
    rows::confirm(task, hosts, &mut seen).await;
    whereabouts::look(task, hosts, &mut seen).await;
    seen
}

/// Everything that is asked of one host, and the points of the backups that it holds.
async fn ask_host(
    task: &Task,
    hosts: &Hosts,
    name: &HostName,
) -> (Result<HostSeen, Shut>, backups::Points) {
    let Some(host) = hosts.host(name) else {
        return (Err(Shut::unknown(name)), backups::Points::new());
    };
    let driver = host.driver();
    let mut asker = Asker::new(Arc::clone(&host));
    let (clock, round_trip) = match asker.open().await {
        Ok(opened) => opened,
        Err(shut) => return (Err(shut), backups::Points::new()),
    };
    let one_channel = host.opens_two_channels(Lane::Control).await == Ok(false);
    let lacks = lacks(&mut asker, task, name).await;
    let esxi = async {
        match driver {
            Driver::Esxi => Some(Box::new(esxi::ask(&mut asker, task, name).await)),
            Driver::Posix => None,
        }
    };
    let (esxi, points) = join(esxi, backups::read(task, hosts, Some(name))).await;
    let seen = HostSeen {
        clock,
        round_trip,
        slow_call: host.slow_call(),
        one_channel,
        lacks,
        esxi,
    };
    (Ok(seen), points)
}

/// The programs that a host lacks for what the task does there.
async fn lacks(asker: &mut Asker, task: &Task, host: &HostName) -> Told<Vec<String>> {
    let wanted = if task.places_on(host) {
        Use::Placing
    } else if task.reads_on(host) {
        Use::Reading
    } else {
        return Ok(Vec::new());
    };
    let asked = "which programs it has";
    asker
        .ask_extra(asked, shell::lacking(wanted), shell::parse_lacking)
        .await
}
