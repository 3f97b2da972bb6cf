//! `lifeboat sim`: the simulated site of a runbook alone, in the foreground.

use std::io::Write;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::journal::{RunFolder, Store};
use crate::runbook::model::Runbook;
use crate::sim::{Site, SiteOptions};

use super::args::SimArgs;
use super::exit::{Exit, Failure};
use super::load::load_runbook;
use super::practice::start_site;

/// Serves the site until a signal comes, then deletes it.
pub(super) async fn serve(
    state: &Path,
    args: &SimArgs,
    out: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let loaded = load_runbook(&args.runbook)?;
    // Sites lie beside runs, one folder each, so that two of them never meet.
    let folder = Store::new(state).create_site(Clock::system().now())?;
    let options = SiteOptions {
        seed: args.site.seed,
        speed: args.site.speed,
        scale: args.site.scale,
        ..SiteOptions::new(folder.site())
    };
    let site = start_site(&loaded.runbook, options).await?;
    let served = announce_and_wait(&site, &loaded.runbook, &loaded.text, args, &folder, out).await;
    site.shutdown().await;
    if let Err(error) = std::fs::remove_dir_all(&folder.path) {
        tracing::warn!(%error, folder = %folder.path.display(), "the simulated site could not be deleted");
    }
    served.map(|()| Exit::Clean)
}

async fn announce_and_wait(
    site: &Site,
    runbook: &Runbook,
    text: &str,
    args: &SimArgs,
    folder: &RunFolder,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let cannot = |what: String| {
        Failure::invalid(
            what,
            args.runbook.display().to_string(),
            "see the message; then start it again",
        )
    };
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| cannot(error.to_string()))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| cannot(error.to_string()))?;
    if let Some(path) = &args.emit {
        let emitted = site.emit(text).map_err(|error| cannot(error.to_string()))?;
        crate::journal::write_private(path, emitted.as_bytes())
            .map_err(|error| cannot(format!("{} cannot be written: {error}", path.display())))?;
    }
    say(site, runbook, args, folder, out);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn say(site: &Site, runbook: &Runbook, args: &SimArgs, folder: &RunFolder, out: &mut dyn Write) {
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "the simulated site of {} serves until Ctrl-C; its files are in {}",
        runbook.name,
        folder.site().display()
    ));
    for name in runbook.hosts.keys() {
        if let Some(endpoint) = site.endpoint(name) {
            line(format!(
                "  {name}: ssh -i {} -p {} {}@{}   (or password {})",
                endpoint.key_file.display(),
                endpoint.address.port(),
                endpoint.user,
                endpoint.address.ip(),
                endpoint.password
            ));
        }
    }
    if let Some(path) = &args.emit {
        line(format!("drive it with: lifeboat run {}", path.display()));
    }
    let _ = out.flush();
}
