//! `lifeboat practice`: a failover and the way back on a simulated site, as one run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::engine::RunState;
use crate::error::Fault;
use crate::host::SshConfig;
use crate::journal::RunFolder;
use crate::plan::Plan;
use crate::runbook::model::{
    Auth, BackupForm, HostAddress, Mode, Runbook, Rung, Section, SiteRole,
};
use crate::runner::{RunHandle, Update};
use crate::sim::{Site, SiteOptions};

use super::args::{PracticeArgs, Scenario, SiteArgs};
use super::console::{Conclusion, Console};
use super::exit::{Exit, Failure};
use super::load::{load_bundled, load_runbook};
use super::logins::host_configs;
use super::start::{Order, Ready, discard_unbegun, launch, new_folder, prepare, sessions};

/// How long the task that watches a run may take to see that it has ended.
const CLOSING: Duration = Duration::from_secs(5);

/// What a resumed practice has to know of its site; lies in the run's folder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rehearsal {
    scenario: Scenario,
    seed: u64,
    speed: f64,
    scale: u64,
}

impl Rehearsal {
    fn new(scenario: Scenario, site: SiteArgs) -> Self {
        Self {
            scenario,
            seed: site.seed,
            speed: site.speed,
            scale: site.scale,
        }
    }

    fn path(folder: &RunFolder) -> PathBuf {
        folder.path.join("practice.json")
    }

    fn keep(self, folder: &RunFolder) -> Result<(), Failure> {
        let text = serde_json::to_vec(&self).unwrap_or_default();
        Ok(folder.write(&Self::path(folder), &text)?)
    }

    pub(super) fn of(folder: &RunFolder) -> Result<Self, Failure> {
        let path = Self::path(folder);
        std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
            .map_err(|why| {
                Failure::invalid(
                    format!("the practice's settings cannot be read: {why}"),
                    path.display().to_string(),
                    "start a new practice",
                )
            })
    }

    fn options(self, folder: &RunFolder) -> SiteOptions {
        SiteOptions {
            seed: self.seed,
            speed: self.speed,
            scale: self.scale,
            ..SiteOptions::new(folder.site())
        }
    }
}

/// Starts a practice and walks it.
pub(super) async fn practice(
    console: &mut Console,
    args: PracticeArgs,
) -> Result<Conclusion, Failure> {
    let loaded = match &args.runbook {
        Some(path) => load_runbook(path)?,
        None => load_bundled()?,
    };
    let home = (!loaded.runbook.failback.is_empty()).then_some(Section::Failback);
    let order = Order {
        loaded,
        path: args.runbook,
        mode: Mode::Practice,
        sections: std::iter::once(Section::Failover).chain(home).collect(),
        parent: None,
        from_drill: None,
        start: args.start,
        looks_first: false,
    };
    let ready = prepare(console, order).await?;
    let folder = new_folder(console, &ready.loaded)?;
    let rehearsal = Rehearsal::new(args.scenario, args.site);
    let answers = ready.answers.clone();
    match raise(console, ready, &folder, rehearsal).await {
        Ok((site, handle)) => {
            let stage = Stage {
                folder,
                site,
                rehearsal,
            };
            stage.walk(console, handle, answers).await
        }
        Err(failure) => {
            discard_unbegun(&folder);
            Err(failure)
        }
    }
}

/// Makes the site and starts the run on it.
async fn raise(
    console: &Console,
    ready: Ready,
    folder: &RunFolder,
    rehearsal: Rehearsal,
) -> Result<(Site, RunHandle), Failure> {
    rehearsal.keep(folder)?;
    let making = start_site(&ready.loaded.runbook, rehearsal.options(folder));
    let site = unless_interrupted(making).await?;
    let runbook = on_loopback(&ready.loaded.runbook, &site);
    if rehearsal.scenario == Scenario::Dark {
        site.go_dark(SiteRole::Protected);
    }
    let configs = host_configs(&runbook, &BTreeMap::new(), &[], &SshConfig::none())?;
    let hosts = sessions(console, &ready, configs);
    let handle = launch(console, ready, folder, runbook, hosts)?;
    Ok((site, handle))
}

/// Large disks take a while to make; until the run begins a signal just ends the program.
async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let signals = signal(SignalKind::interrupt()).and_then(|interrupt| {
        signal(SignalKind::terminate()).map(|terminate| (interrupt, terminate))
    });
    let Ok((mut interrupt, mut terminate)) = signals else {
        return work.await;
    };
    let interrupted = || {
        Failure::new(
            Exit::Resumable,
            "interrupted before the run began: nothing was started",
        )
    };
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(interrupted()),
        _ = terminate.recv() => Err(interrupted()),
    }
}

/// Serves the site of a practice that is taken up again, and maps its runbook to it.
pub(super) async fn take_up(
    folder: &RunFolder,
    runbook: &Runbook,
) -> Result<(Stage, Runbook), Failure> {
    let rehearsal = Rehearsal::of(folder)?;
    let site = start_site(runbook, rehearsal.options(folder)).await?;
    let mapped = on_loopback(runbook, &site);
    Ok((
        Stage {
            folder: folder.clone(),
            site,
            rehearsal,
        },
        mapped,
    ))
}

/// A practice's site while the run is walked.
pub(super) struct Stage {
    folder: RunFolder,
    site: Site,
    rehearsal: Rehearsal,
}

impl Stage {
    /// Walks the run; the protected site returns when the way out is over, and the site is deleted
    /// when the run is.
    pub(super) async fn walk(
        self,
        console: &mut Console,
        handle: RunHandle,
        answers: super::answers::Answers,
    ) -> Result<Conclusion, Failure> {
        let Self {
            folder,
            site,
            rehearsal,
        } = self;
        let site = Arc::new(site);
        let (handle, watch) = match rehearsal.scenario {
            Scenario::Dark => bring_back_when_over(handle, Arc::clone(&site)),
            Scenario::Alive => (handle, tokio::spawn(async {})),
        };
        let walked = console.walk(&folder, handle, answers, true).await;
        if tokio::time::timeout(CLOSING, watch).await.is_err() {
            tracing::warn!("the practice's watch did not end");
        }
        if let Some(site) = Arc::into_inner(site) {
            site.shutdown().await;
        }
        let conclusion = walked?;
        if conclusion.exit != Exit::Resumable
            && let Err(error) = std::fs::remove_dir_all(folder.site())
        {
            tracing::warn!(%error, site = %folder.site().display(), "the simulated site could not be deleted");
        }
        Ok(conclusion)
    }
}

/// Passes the run's updates on; when the last failover step is over, the protected site returns.
fn bring_back_when_over(mut handle: RunHandle, site: Arc<Site>) -> (RunHandle, JoinHandle<()>) {
    let (passed_on, seen) = mpsc::unbounded_channel();
    let mut updates = std::mem::replace(&mut handle.updates, seen);
    let mut state = RunState::fold(handle.past.iter().map(AsRef::as_ref));
    let plan = Arc::clone(&handle.plan);
    let mut is_away = !is_over(&plan, &state);
    let watch = tokio::spawn(async move {
        while let Some(update) = updates.recv().await {
            if let Update::Entry(entry) = &update {
                state.apply(entry);
                if is_away && is_over(&plan, &state) {
                    is_away = false;
                    site.come_back(SiteRole::Protected);
                }
            }
            if passed_on.send(update).is_err() {
                return;
            }
        }
    });
    (handle, watch)
}

fn is_over(plan: &Plan, state: &RunState) -> bool {
    let failover = format!("{}/", Section::Failover);
    plan.steps
        .iter()
        .filter(|step| step.id.as_str().starts_with(&failover))
        .all(|step| {
            let status = state.status(&step.id);
            status.is_met() || status.is_passed_over(step)
        })
}

pub(super) async fn start_site(runbook: &Runbook, options: SiteOptions) -> Result<Site, Failure> {
    let dir = options.dir.clone();
    Site::start(runbook, options).await.map_err(|error| {
        Failure::of(
            Exit::Invalid,
            &Fault::new(
                format!("the simulated site cannot be started: {error}"),
                dir.display().to_string(),
                "nothing was started",
                "check the state folder, its space and permissions, or give another with --state",
            ),
        )
    })
}

/// The same runbook with every address, login and port of the simulated site.
fn on_loopback(runbook: &Runbook, site: &Site) -> Runbook {
    let mut mapped = runbook.clone();
    for (name, host) in &mut mapped.hosts {
        if let Some(endpoint) = site.endpoint(name) {
            host.address = HostAddress {
                host: endpoint.address.ip().to_string(),
                port: endpoint.address.port(),
            };
            host.user.clone_from(&endpoint.user);
            host.auth = vec![Auth::Key(endpoint.key_file.clone())];
            host.host_key.clone_from(&endpoint.host_keys);
            host.jump = None;
        }
    }
    for (name, backup) in &mut mapped.backups {
        // What a tool holds is held by the site's own packed files, so that no repository and, for
        // one without a host, no program of this machine is used.
        if backup.tool().is_some() && backup.host.is_some() {
            backup.form = BackupForm::Tool(Site::packed(name));
        } else if backup.host.is_none()
            && let Some(path) = site.backup_path(name)
        {
            backup.form = BackupForm::Folder(path.display().to_string());
        }
    }
    for vm in mapped.vms.values_mut() {
        let guest = vm.adapters.values().find_map(|adapter| adapter.address);
        for rung in &mut vm.ready {
            map_rung(rung, guest, |host, port| site.guest_address(host, port));
        }
        for adapter in vm.adapters.values_mut() {
            if adapter.address.is_some() {
                adapter.address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
            }
        }
    }
    mapped
}

fn map_rung(
    rung: &mut Rung,
    guest: Option<IpAddr>,
    served_at: impl Fn(&str, u16) -> Option<std::net::SocketAddr>,
) {
    match rung {
        Rung::Tools => {}
        Rung::Tcp { host, port } => {
            let Some(asked) = host
                .clone()
                .or_else(|| guest.map(|guest| guest.to_string()))
            else {
                return;
            };
            if let Some(real) = served_at(&asked, *port) {
                *host = Some(real.ip().to_string());
                *port = real.port();
            }
        }
        Rung::Http { url, .. } => {
            let Some((host, port, rest)) = split_url(url) else {
                return;
            };
            if let Some(real) = served_at(&host, port) {
                *url = format!("http://{real}{rest}");
            }
        }
    }
}

/// Host, port and the rest of an `http://` URL.
fn split_url(url: &str) -> Option<(String, u16, String)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, port) = inner.split_once(']')?;
        let port = port
            .strip_prefix(':')
            .map_or(Some(80), |port| port.parse().ok())?;
        return Some((host.to_owned(), port, path.to_owned()));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?, path.to_owned())),
        None => Some((authority.to_owned(), 80, path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_mapped_to_where_the_guest_is_served() {
        let guest = Some(IpAddr::V4(Ipv4Addr::new(10, 20, 0, 11)));
        let served = |host: &str, port: u16| {
            (host == "10.20.0.11" && (port == 1433 || port == 80))
                .then(|| std::net::SocketAddr::from(([127, 0, 0, 1], 40_000 + port)))
        };
        let mapped = |mut rung: Rung| {
            map_rung(&mut rung, guest, served);
            rung
        };
        let tcp = |host: Option<&str>, port| Rung::Tcp {
            host: host.map(str::to_owned),
            port,
        };
        assert_eq!(mapped(tcp(None, 1433)), tcp(Some("127.0.0.1"), 41_433));
        assert_eq!(
            mapped(tcp(Some("10.20.0.11"), 1433)),
            tcp(Some("127.0.0.1"), 41_433)
        );
        assert_eq!(mapped(tcp(None, 7)), tcp(None, 7));
        let http = |url: &str| Rung::Http {
            url: url.to_owned(),
            status: 200,
            from: None,
        };
        assert_eq!(
            mapped(http("http://10.20.0.11/health?x")),
            http("http://127.0.0.1:40080/health?x")
        );
    }

    #[test]
    fn urls_are_taken_apart() {
        let split = |url| split_url(url).map(|(host, port, rest)| format!("{host} {port} {rest}"));
        assert_eq!(
            split("http://10.0.0.1:8080/x").as_deref(),
            Some("10.0.0.1 8080 /x")
        );
        assert_eq!(split("http://web01").as_deref(), Some("web01 80 "));
        assert_eq!(
            split("http://[2001:db8::1]:81/").as_deref(),
            Some("2001:db8::1 81 /")
        );
        assert_eq!(
            split("http://[2001:db8::1]?q").as_deref(),
            Some("2001:db8::1 80 ?q")
        );
        assert_eq!(split("https://web01/"), None);
        assert_eq!(split("http://web01:x/"), None);
    }
}
