//! Asking an address itself: by ping, and by what the asking machine knows of its MAC.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::asker::Asker;
use super::targets::Target;
use crate::actions::context::Ctx;
use crate::actions::ownership::{Heard, Look, Way};
use crate::host::{HostCommand, Lane, Output};
use crate::hypervisor::shell::{self, Ping, Seen};
use crate::runbook::model::Mode;

/// How long the console's own `ping` may take.
const PING: Duration = Duration::from_secs(10);

/// Asks an address itself: ping, and right after it what the asking machine knows of its MAC.
pub(super) async fn ask(ctx: &Ctx, target: &Target) -> Look {
    let name = target.name();
    if let Some(from) = &target.from
        && let Some(asker) = ctx.hosts.host(from)
        && let Ok(output) = asker.read(Lane::Control, &shell::ping(&target.host)).await
        && let Ok(ping) = Ping::parse(&output)
    {
        let arp = match target.host.parse() {
            Ok(address) if ping == Ping::Silent => {
                let entry = asker.read(Lane::Control, &shell::neighbor(address)).await;
                entry.ok().and_then(|output| Seen::parse(&output).ok())
            }
            _ => None,
        };
        let by = |tool, way| Asker::host(from, tool, way);
        return heard(&name, by, ping, arp);
    }
    from_console(ctx, &name, &target.host).await
}

/// What ping and the neighbour table say together. A machine on the same network may drop ping, but
/// not ARP.
fn heard(
    target: &str,
    by: impl Fn(&'static str, Way) -> Asker,
    ping: Ping,
    arp: Option<Seen>,
) -> Look {
    match (ping, arp) {
        (Ping::Answers, _) => by("ping", Way::Ping).look(target, Heard::Answer, "answers to ping"),
        (Ping::Silent, Some(Seen::Answers(mac))) => by("ip neigh", Way::Arp).look(
            target,
            Heard::Answer,
            format!("does not answer to ping, but to ARP, as {mac}"),
        ),
        (Ping::Silent, Some(Seen::Silent)) => {
            by("ping, ARP", Way::Arp).look(target, Heard::Silence, "no reply to ping, nor to ARP")
        }
        (Ping::Silent, Some(Seen::Unknown) | None) => {
            by("ping", Way::Ping).look(target, Heard::Silence, "no reply to ping")
        }
    }
}

async fn from_console(ctx: &Ctx, name: &str, host: &str) -> Look {
    let by = Asker::console("ping", Way::Ping);
    if ctx.mode == Mode::Practice {
        return by.look(name, Heard::Unknown, "practice asks nothing off loopback");
    }
    let unasked = |why: String| by.look(name, Heard::Unknown, format!("could not be asked: {why}"));
    let output = match run_here(&shell::ping(host)).await {
        Ok(output) => output,
        Err(why) => return unasked(why),
    };
    let ping = match Ping::parse(&output) {
        Ok(ping) => ping,
        Err(fault) => return unasked(fault.to_string()),
    };
    let arp = match host.parse() {
        Ok(address) if ping == Ping::Silent => run_here(&shell::neighbor(address))
            .await
            .ok()
            .and_then(|output| Seen::parse(&output).ok()),
        _ => None,
    };
    heard(name, Asker::console, ping, arp)
}

/// Runs a command that only looks on the console itself.
///
/// # Errors
/// Why there is no outcome, in words.
async fn run_here(command: &HostCommand) -> Result<Output, String> {
    let words = command.words();
    let (Some(program), Some(arguments)) = (words.first(), words.get(1..)) else {
        return Err("there is nothing to run".to_owned());
    };
    let ran = Command::new(program)
        .args(arguments)
        .kill_on_drop(true)
        .output();
    match timeout(PING, ran).await {
        Ok(Ok(output)) => Ok(Output {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
            ..Output::default()
        }),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("{program} did not end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arp_outweighs_a_ping_that_is_dropped() {
        let asked = |ping, arp| heard("10.20.0.11", Asker::console, ping, arp);
        let mac = || Some(Seen::Answers("00:50:56:01:02:03".into()));
        for (ping, arp, want, way) in [
            (Ping::Answers, None, Heard::Answer, Way::Ping),
            (Ping::Silent, mac(), Heard::Answer, Way::Arp),
            (Ping::Silent, Some(Seen::Silent), Heard::Silence, Way::Arp),
            (Ping::Silent, Some(Seen::Unknown), Heard::Silence, Way::Ping),
            (Ping::Silent, None, Heard::Silence, Way::Ping),
        ] {
            let look = asked(ping, arp);
            assert_eq!((look.heard, look.way), (want, way), "{look:?}");
        }
        assert!(
            asked(Ping::Silent, mac())
                .said
                .contains("00:50:56:01:02:03")
        );
    }
}
