//! Asking an address itself: by ping, and by what the asking machine knows of its MAC.

use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::asker::Asker;
use super::targets::Target;
use crate::actions::context::Ctx;
use crate::actions::ownership::{Heard, Look, Way};
use crate::actions::words::span;
use crate::host::{Host, HostCommand, Lane, Output};
use crate::hypervisor::shell::{self, Ping, Seen};
use crate::runbook::model::Mode;

/// How long the console's own `ping` may take.
const PING: Duration = Duration::from_secs(10);

/// How long an address is asked again whose entry is from before: Linux lets one stand for up to 45 s, and
/// takes 8 to find out that nobody answers any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks an address itself: ping, and right after it what the asking machine knows of its MAC.
pub(super) async fn ask(ctx: &Ctx, target: &Target) -> Look {
    let name = target.name();
    if let Some(from) = &target.from
        && let Some(host) = ctx.hosts.host(from)
        && let Ok((ping, arp)) = settled(ctx, &Machine::Host(host), &target.host).await
    {
        let by = |tool, way| Asker::host(from, tool, way);
        return heard(&name, by, ping, arp);
    }
    from_console(ctx, &name, &target.host).await
}

/// Who asks.
enum Machine {
    Host(Arc<Host>),
    Console,
}

impl Machine {
    /// # Errors
    /// Why there is no outcome, in words.
    async fn run(&self, command: &HostCommand) -> Result<Output, String> {
        match self {
            Self::Host(host) => host
                .read(Lane::Control, command)
                .await
                .map_err(|error| error.to_string()),
            Self::Console => run_here(command).await,
        }
    }
}

/// Asks until what the neighbour table says is from now.
async fn settled(ctx: &Ctx, by: &Machine, address: &str) -> Result<Answers, String> {
    let began = Instant::now();
    until_from_now(began, |tried| {
        if tried {
            ctx.doing(format!(
                "asking {address} for up to {}: it does not answer to ping, and when it answered to ARP is not known yet",
                span(PATIENCE)
            ));
        }
        once(by, address, began)
    })
    .await
}

/// What ping and the neighbour table say.
type Answers = (Ping, Option<Seen>);

/// Asks, which is told whether it was tried before, until the answers are from after it began.
async fn until_from_now<F>(began: Instant, ask: impl Fn(bool) -> F) -> Result<Answers, String>
where
    F: Future<Output = Result<Answers, String>>,
{
    let mut answers = ask(false).await?;
    while answers.0 == Ping::Silent
        && is_from_before(answers.1.as_ref())
        && began.elapsed() < PATIENCE
    {
        answers = ask(true).await?;
    }
    Ok(answers)
}

/// Whether an entry does not tell yet whether the address answers now. Each ping brings it on.
fn is_from_before(arp: Option<&Seen>) -> bool {
    matches!(arp, Some(Seen::Before(_) | Seen::Undated(_) | Seen::Asking))
}

async fn once(by: &Machine, address: &str, began: Instant) -> Result<Answers, String> {
    let output = by.run(&shell::ping(address)).await?;
    let ping = Ping::parse(&output).map_err(|fault| fault.to_string())?;
    if ping == Ping::Silent
        && let Ok(address) = address.parse()
    {
        for command in shell::neighbor(address) {
            let asked = began.elapsed();
            if let Ok(output) = by.run(&command).await
                && let Ok(seen) = Seen::parse(&output, asked)
            {
                return Ok((ping, Some(seen)));
            }
        }
    }
    Ok((ping, None))
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
        (Ping::Silent, Some(Seen::Answers(mac) | Seen::Undated(mac))) => by("ip neigh", Way::Arp)
            .look(
                target,
                Heard::Answer,
                format!("does not answer to ping, but to ARP, as {mac}"),
            ),
        (Ping::Silent, Some(Seen::Silent)) => {
            by("ping, ARP", Way::Arp).look(target, Heard::Silence, "no reply to ping, nor to ARP")
        }
        (Ping::Silent, Some(Seen::Before(mac))) => by("ip neigh", Way::Arp).look(
            target,
            Heard::Unknown,
            format!("does not answer to ping; to ARP, as {mac}, it did before it was asked"),
        ),
        (Ping::Silent, Some(Seen::Asking | Seen::Unknown) | None) => {
            by("ping", Way::Ping).look(target, Heard::Silence, "no reply to ping")
        }
    }
}

async fn from_console(ctx: &Ctx, name: &str, host: &str) -> Look {
    let by = Asker::console("ping", Way::Ping);
    if ctx.mode == Mode::Practice {
        return by.look(name, Heard::Unknown, "practice asks nothing off loopback");
    }
    match settled(ctx, &Machine::Console, host).await {
        Ok((ping, arp)) => heard(name, Asker::console, ping, arp),
        Err(why) => {
            let said = format!("could not be asked: {why}");
            by.look(name, Heard::Unknown, said)
        }
    }
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
    use std::cell::Cell;

    use super::*;

    fn before() -> Option<Seen> {
        Some(Seen::Before("00:50:56:01:02:03".into()))
    }

    /// How often it is asked where these are the answers in turn, the last of them for good, and what came of it.
    async fn asked(answers: &[Answers]) -> (usize, Answers) {
        let times = Cell::new(0);
        let said = until_from_now(Instant::now(), |tried| {
            assert_eq!(tried, times.get() > 0);
            let answer = answers[times.get().min(answers.len() - 1)].clone();
            times.set(times.get() + 1);
            async {
                // As long as three pings take that nobody answers.
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(answer)
            }
        });
        let said = said.await.unwrap();
        (times.get(), said)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_asked_until_its_entry_is_from_now() {
        let silent = |arp| (Ping::Silent, arp);
        let seen = Seen::Answers("00:50:56:01:02:03".into());
        for last in [Some(seen), Some(Seen::Silent)] {
            let turns = [before(), Some(Seen::Asking), last.clone()].map(silent);
            assert_eq!(asked(&turns).await, (3, silent(last)));
        }
        let answers = (Ping::Answers, before());
        assert_eq!(
            asked(&[silent(before()), answers.clone()]).await,
            (2, answers)
        );
        for at_once in [Some(Seen::Unknown), None] {
            assert_eq!(asked(&[silent(at_once.clone())]).await.0, 1, "{at_once:?}");
        }
        // Its machine is down, and its entry stays for good.
        let often = PATIENCE.as_secs().div_ceil(3) as usize;
        assert_eq!(asked(&[silent(before())]).await, (often, silent(before())));
    }

    #[test]
    fn arp_outweighs_a_ping_that_is_dropped() {
        let heard = |ping, arp| heard("10.20.0.11", Asker::console, ping, arp);
        let mac = || Some(Seen::Answers("00:50:56:01:02:03".into()));
        let undated = || Some(Seen::Undated("00:50:56:01:02:03".into()));
        for (ping, arp, want, way) in [
            (Ping::Answers, None, Heard::Answer, Way::Ping),
            (Ping::Silent, mac(), Heard::Answer, Way::Arp),
            (Ping::Silent, Some(Seen::Silent), Heard::Silence, Way::Arp),
            (Ping::Silent, before(), Heard::Unknown, Way::Arp),
            // Still there after all that time: it was confirmed meanwhile.
            (Ping::Silent, undated(), Heard::Answer, Way::Arp),
            (Ping::Silent, Some(Seen::Asking), Heard::Silence, Way::Ping),
            (Ping::Silent, Some(Seen::Unknown), Heard::Silence, Way::Ping),
            (Ping::Silent, None, Heard::Silence, Way::Ping),
        ] {
            let look = heard(ping, arp);
            assert_eq!((look.heard, look.way), (want, way), "{look:?}");
        }
        assert!(
            heard(Ping::Silent, mac())
                .said
                .contains("00:50:56:01:02:03")
        );
    }
}
