//! One task for each host: poll, tell, wait; longer where the host is slow or silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::engine::Presence;
use crate::host::{Host, HostError, Hosts};
use crate::names::{HostName, VmName};
use crate::runbook::model::{Backup, Driver, Place, Runbook, SiteRole, Vm};

use super::{HostFigures, LinkState, RefusedKey, esxi, posix};

/// Between two polls of a host that answers well.
const EVERY: Duration = Duration::from_secs(5);
/// A poll that takes longer than this is told as slow.
const SLOW: Duration = Duration::from_secs(5);
/// A host is left alone for so many times as long as a poll takes, and for more where each of its calls
/// takes long: those of steps wait until the poll's has ended.
const LEFT_ALONE: u32 = 4;
const SLOW_LEFT_ALONE: u32 = 9;
/// Between two polls of a host that is silent, at most: it may come back with VMs that run.
const SILENT: Duration = Duration::from_secs(20);
/// Between two polls of a host that lets nobody in, at most, and of one whose polls take long because they
/// wait for steps.
const RARELY: Duration = Duration::from_secs(60);

/// The running polls. Dropping them ends them.
#[derive(Debug)]
pub struct Panes(Vec<Pane>);

/// The polls of one host.
#[derive(Debug)]
struct Pane {
    host: HostName,
    task: JoinHandle<()>,
    at_once: Arc<Notify>,
}

impl Panes {
    /// The hosts that are polled.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.0.iter().map(|pane| &pane.host)
    }

    /// Polls a host without waiting for its turn; while a poll is under way, once more after it.
    pub fn look_at_once(&self, host: &HostName) {
        for pane in self.0.iter().filter(|pane| pane.host == *host) {
            pane.at_once.notify_one();
        }
    }
}

impl Drop for Panes {
    fn drop(&mut self) {
        for pane in &self.0 {
            pane.task.abort();
        }
    }
}

/// A VM of the runbook that has a place on the polled host.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) vm: VmName,
    /// The folder and, where the runbook names it, the .vmx within the datastore.
    pub(super) place: Place,
}

/// Polls every host of the runbook that it may; `tell` gets each host's figures whenever they change.
pub fn watch(
    hosts: &Hosts,
    runbook: &Runbook,
    clock: &Clock,
    tell: impl Fn(HostFigures) + Clone + Send + Sync + 'static,
) -> Panes {
    let asked = runbook.hosts.iter();
    let asked = asked.filter(|(name, _)| !runbook.is_left_alone(name));
    let tasks = asked.filter_map(|(name, listed)| {
        let host = hosts.host(name)?;
        let watched = watched_on(runbook, name);
        let folder = backup_folder(runbook, name);
        let (tell, clock, driver) = (tell.clone(), clock.clone(), listed.driver);
        let at_once = Arc::new(Notify::new());
        let wake = Arc::clone(&at_once);
        let task = tokio::spawn(async move {
            let mut poll = Poll {
                host,
                watched,
                folder,
                driver,
                last: None,
                known: esxi::Known::default(),
            };
            poll.repeat(&clock, tell, &wake).await;
        });
        Some(Pane {
            host: name.clone(),
            task,
            at_once,
        })
    });
    Panes(tasks.collect())
}

fn watched_on(runbook: &Runbook, host: &HostName) -> Vec<Watched> {
    let named = runbook.vms.iter().filter(|(name, _)| !Vm::is_pattern(name));
    named
        .flat_map(|(name, vm)| {
            [SiteRole::Protected, SiteRole::Recovery]
                .into_iter()
                .filter_map(|role| vm.place(role))
                .filter(|place| place.host == *host)
                .map(|place| Watched {
                    vm: name.clone(),
                    place: place.clone(),
                })
        })
        .collect()
}

fn backup_folder(runbook: &Runbook, host: &HostName) -> String {
    runbook
        .backups
        .values()
        .filter(|backup| backup.host.as_ref() == Some(host))
        .find_map(Backup::path)
        .unwrap_or("/")
        .to_owned()
}

struct Poll {
    host: Arc<Host>,
    watched: Vec<Watched>,
    folder: String,
    driver: Driver,
    last: Option<HostFigures>,
    known: esxi::Known,
}

impl Poll {
    async fn repeat(&mut self, clock: &Clock, tell: impl Fn(HostFigures), at_once: &Notify) {
        let mut failures = 0_u32;
        loop {
            let started = Instant::now();
            let figures = self.once(clock).await;
            let took = started.elapsed();
            let (link, slow_call) = (figures.link, figures.slow_call);
            failures = match link {
                LinkState::Up | LinkState::Slow => 0,
                _ => failures.saturating_add(1),
            };
            tell(figures.clone());
            self.last = Some(figures);
            let pause = if failures == 0 {
                left_alone(took, slow_call)
            } else {
                let silent = link == LinkState::Down;
                retry(failures, if silent { SILENT } else { RARELY })
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = at_once.notified() => {}
            }
        }
    }

    async fn once(&mut self, clock: &Clock) -> HostFigures {
        let mut figures = self.last.clone().unwrap_or_else(|| HostFigures {
            host: self.host.name().clone(),
            ..HostFigures::default()
        });
        let (started, asked) = (Instant::now(), clock.now());
        (figures.began, figures.asked) = (asked, None);
        let answer = match self.driver {
            Driver::Esxi => {
                let known = (&mut self.known, self.host.slow_call().is_some());
                esxi::poll(&self.host, &self.watched, known, &mut figures).await
            }
            Driver::Posix => posix::poll(&self.host, &self.folder, &mut figures).await,
        };
        let took = started.elapsed();
        figures.slow_call = self.host.slow_call();
        match answer {
            Ok(trouble) => {
                figures.link = if took > SLOW || figures.slow_call.is_some() {
                    LinkState::Slow
                } else {
                    LinkState::Up
                };
                figures.presence = Presence::Answers;
                figures.answered = Some(clock.now());
                figures.poll_took = Some(took);
                figures.trouble = trouble;
                figures.refused_key = None;
                figures.asked = figures.asked.map(|_| asked);
            }
            Err(error) => {
                figures.asked = None;
                let (by, cause) = error.origin(self.host.name());
                (figures.link, figures.presence) = meaning(&error);
                figures.refused_key = refused_key(by, cause);
                figures.trouble = Some(error.fault(self.host.name()).what);
            }
        }
        figures
    }
}

/// What an error says of the link to a host, and of the host itself: what a hop on the way says, or
/// leaves unsaid, tells nothing of that.
fn meaning(error: &HostError) -> (LinkState, Presence) {
    match error {
        HostError::Hop { cause, .. } => (meaning(cause).0, Presence::Dark),
        HostError::Refused { .. } => (LinkState::Down, Presence::NoServer),
        HostError::HostKeyUnknown { .. }
        | HostError::HostKeyChanged { .. }
        | HostError::LoginRefused { .. } => (LinkState::Refused, Presence::Answers),
        HostError::NoCommonAlgorithm { .. }
        | HostError::Handshake { .. }
        | HostError::TooLong { .. }
        | HostError::NotRun(_)
        | HostError::File { .. }
        | HostError::TooMuchOutput(_) => (LinkState::Down, Presence::Answers),
        HostError::NotForwarded { .. } | HostError::NoWay(_) | HostError::PolicyRefused(_) => {
            (LinkState::Refused, Presence::Dark)
        }
        HostError::Unreachable { .. }
        | HostError::TimedOut { .. }
        | HostError::UnreachableFromHop { .. }
        | HostError::Lost(_)
        | HostError::Cancelled
        | HostError::Closed => (LinkState::Down, Presence::Dark),
    }
}

fn refused_key(by: &HostName, error: &HostError) -> Option<RefusedKey> {
    match error {
        HostError::HostKeyUnknown {
            fingerprint,
            key_type,
            known,
        }
        | HostError::HostKeyChanged {
            fingerprint,
            key_type,
            known,
        } => Some(RefusedKey {
            host: by.clone(),
            key_type: key_type.clone(),
            shown: fingerprint.clone(),
            known: known.clone(),
        }),
        _ => None,
    }
}

/// How long a host that answers is left alone after a poll. A poll may have waited for calls of steps, so
/// what one of a slow host costs is reckoned from its calls.
fn left_alone(took: Duration, slow_call: Option<Duration>) -> Duration {
    match slow_call {
        Some(call) => call.saturating_mul(esxi::CALLS_OF_SLOW * SLOW_LEFT_ALONE),
        None => took.saturating_mul(LEFT_ALONE).clamp(EVERY, RARELY),
    }
}

/// How long until one that failed so often is asked again: ever longer.
fn retry(failures: u32, most: Duration) -> Duration {
    EVERY.saturating_mul(1 << failures.min(4)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_refuses_is_there_and_one_behind_a_hop_that_refuses_may_not_be() {
        let refused = HostError::LoginRefused {
            user: "root".into(),
            tried: Vec::new(),
        };
        let refuses = (LinkState::Refused, Presence::Answers);
        assert_eq!(meaning(&refused), refuses);
        let of_hop = HostError::Hop {
            hop: "bastion".into(),
            cause: Box::new(refused),
        };
        let unseen = (LinkState::Refused, Presence::Dark);
        assert_eq!(meaning(&of_hop), unseen);
        let address = "10.0.0.1:22".to_owned();
        let no_server = (LinkState::Down, Presence::NoServer);
        assert_eq!(meaning(&HostError::Refused { address }), no_server);
        let lost = HostError::Lost("reset".into());
        assert_eq!(meaning(&lost), (LinkState::Down, Presence::Dark));
    }

    #[test]
    fn polls_take_a_fifth_of_a_hosts_time_at_most_and_of_a_slow_hosts_a_tenth() {
        let seconds = Duration::from_secs;
        assert_eq!(left_alone(Duration::from_millis(300), None), EVERY);
        assert_eq!(left_alone(seconds(6), None), seconds(24));
        assert_eq!(
            left_alone(seconds(900), None),
            RARELY,
            "it waited for steps"
        );
        let call = seconds(10);
        for took in [call * 2, seconds(900)] {
            let pause = left_alone(took, Some(call));
            let share = (call * esxi::CALLS_OF_SLOW).div_duration_f64(pause);
            assert!(share < 0.12, "{share}");
        }
    }

    #[test]
    fn one_that_is_silent_is_asked_less_often() {
        assert_eq!(retry(1, RARELY), EVERY * 2);
        assert_eq!(retry(40, RARELY), RARELY);
        assert_eq!(retry(40, SILENT), SILENT);
    }
}
