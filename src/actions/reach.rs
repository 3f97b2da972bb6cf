//! Asking an address whether it answers: from a host on its network by what that host has, else from
//! the console. Who asked is part of every answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::host::{Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Ping, TcpAnswer, TcpTool};
use crate::names::{HostName, VmName};
use crate::runbook::model::{Mode, Rung, Vm};

use super::context::Ctx;
use super::ownership::{Heard, Look, Sign};

/// What is said of a port that something listens on.
pub(super) const ACCEPTS: &str = "accepts connections";
/// How long one port may take to answer, in seconds.
const SECONDS: u8 = 3;
/// The same for the console's own connections.
const PATIENCE: Duration = Duration::from_secs(SECONDS as u64);
/// How long the console's own `ping` may take.
const PING: Duration = Duration::from_secs(10);

fn look(target: &str, by: String, heard: Heard, said: impl Into<String>) -> Look {
    Look {
        target: target.to_owned(),
        by,
        heard,
        said: said.into(),
    }
}

/// What is asked about a VM.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    host: String,
    /// `None` asks the address itself, by ping and ARP.
    port: Option<u16>,
    from: Option<HostName>,
}

impl Target {
    fn name(&self) -> String {
        match self.port {
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// Asks every address of a VM and every port that its readiness ladder names: the sign that does not
/// pass through the hosts of a site.
pub(super) async fn sign(ctx: &Ctx, vm: &VmName) -> Sign {
    let mut looks = Vec::new();
    for target in targets(ctx, vm) {
        looks.push(ask(ctx, &target).await);
    }
    Sign { looks }
}

/// Where a VM would answer. An address whose network no place can see is left out.
fn targets(ctx: &Ctx, vm: &VmName) -> Vec<Target> {
    let Some(spec) = ctx.runbook.vms.get(vm) else {
        return Vec::new();
    };
    let mut targets: Vec<Target> = Vec::new();
    let mut add = |target: Target| {
        if !targets.contains(&target) {
            targets.push(target);
        }
    };
    for adapter in spec.adapters.values() {
        if let Some(address) = adapter.address
            && adapter.duplicate_probe
            && !address.is_loopback()
        {
            // On loopback every address replies, so the ports alone count there.
            let from = probe_from(ctx, spec, &address.to_string());
            add(Target {
                host: address.to_string(),
                port: None,
                from,
            });
        }
    }
    if let Some(server) = &spec.physical {
        let from = probe_from(ctx, spec, server);
        add(Target {
            host: server.clone(),
            port: None,
            from,
        });
    }
    for rung in &spec.ready {
        let Some((host, port)) = endpoint(spec, rung) else {
            continue;
        };
        let blind = spec.adapters.values().any(|adapter| {
            !adapter.duplicate_probe && adapter.address.is_some_and(|its| its.to_string() == host)
        });
        if !blind {
            let from = probe_from(ctx, spec, &host);
            add(Target {
                host,
                port: Some(port),
                from,
            });
        }
    }
    targets
}

/// Host and port of a rung, as far as the runbook tells them.
pub(super) fn endpoint(vm: &Vm, rung: &Rung) -> Option<(String, u16)> {
    match rung {
        Rung::Tools => None,
        Rung::Tcp {
            host: Some(host),
            port,
        } => Some((host.clone(), *port)),
        Rung::Tcp { host: None, port } => {
            let address = vm.adapters.values().find_map(|adapter| adapter.address)?;
            Some((address.to_string(), *port))
        }
        Rung::Http { url, .. } => super::http::Url::parse(url).map(|url| (url.host, url.port)),
    }
}

/// The host that can see an address: that of its adapter's network, else of the first one.
pub(super) fn probe_from(ctx: &Ctx, vm: &Vm, address: &str) -> Option<HostName> {
    let own = vm.adapters.values().find(|adapter| {
        adapter
            .address
            .is_some_and(|its| its.to_string() == address)
    });
    let network = own
        .or_else(|| vm.adapters.values().next())
        .map(|adapter| &adapter.network)?;
    ctx.runbook.networks.get(network)?.probe_from.clone()
}

async fn ask(ctx: &Ctx, target: &Target) -> Look {
    match target.port {
        Some(port) => ask_port(ctx, target.from.as_ref(), &target.host, port).await,
        None => ask_address(ctx, target).await,
    }
}

/// Asks a port, from a host if it can, else from the console.
pub(super) async fn ask_port(ctx: &Ctx, from: Option<&HostName>, host: &str, port: u16) -> Look {
    let target = Target {
        host: host.to_owned(),
        port: Some(port),
        from: None,
    }
    .name();
    if let Some(from) = from
        && let Some(asker) = ctx.hosts.host(from)
    {
        for tool in TcpTool::ALL {
            let command = shell::tcp(tool, host, port, SECONDS);
            let Ok(output) = asker.read(Lane::Control, &command).await else {
                break;
            };
            let by = format!("{from} ({tool})");
            match TcpAnswer::parse(tool, &output) {
                Ok(answer) => return judge(&target, by, host, answer),
                Err(DriverFault::ToolMissing { .. }) => {}
                Err(fault) => return look(&target, by, Heard::Unknown, fault.to_string()),
            }
        }
    }
    ask_port_from_console(ctx, &target, host, port).await
}

fn judge(target: &str, by: String, host: &str, answer: TcpAnswer) -> Look {
    let loopback = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    match answer {
        TcpAnswer::Open => look(target, by, Heard::Answer, ACCEPTS),
        TcpAnswer::Refused if loopback => look(target, by, Heard::Silence, "nothing listens there"),
        TcpAnswer::Refused => look(
            target,
            by,
            Heard::Answer,
            "refuses connections, so some machine has the address",
        ),
        TcpAnswer::Silent => look(target, by, Heard::Silence, "no reply"),
    }
}

async fn ask_port_from_console(ctx: &Ctx, target: &str, host: &str, port: u16) -> Look {
    let by = "the console".to_owned();
    let address = match resolve(ctx, host, port).await {
        Ok(address) => address,
        Err(why) => return look(target, by, Heard::Unknown, why),
    };
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => judge(target, by, host, TcpAnswer::Open),
        Err(_) => judge(target, by, host, TcpAnswer::Silent),
        Ok(Err(error)) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => judge(target, by, host, TcpAnswer::Refused),
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::HostUnreachable => {
                judge(target, by, host, TcpAnswer::Silent)
            }
            _ => look(
                target,
                by,
                Heard::Unknown,
                format!("could not be asked: {error}"),
            ),
        },
    }
}

/// Where the console may connect to. In practice that is loopback, whatever the runbook says.
///
/// # Errors
/// Why not, in words.
pub(super) async fn resolve(ctx: &Ctx, host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| format!("{host} was not resolved in time"))?;
    let mut found = found.map_err(|error| format!("{host} cannot be resolved: {error}"))?;
    let address = found
        .next()
        .ok_or_else(|| format!("{host} has no address"))?;
    if ctx.mode == Mode::Practice && !address.ip().is_loopback() {
        return Err(format!(
            "practice asks nothing off loopback, and {host} is not on it"
        ));
    }
    Ok(address)
}

/// Asks an address itself: ping, and right after it what the asking host knows of its MAC.
async fn ask_address(ctx: &Ctx, target: &Target) -> Look {
    let name = target.name();
    if let Some(from) = &target.from
        && let Some(asker) = ctx.hosts.host(from)
        && let Ok(output) = asker.read(Lane::Control, &shell::ping(&target.host)).await
        && let Ok(ping) = Ping::parse(&output)
    {
        let by = format!("{from} (ping)");
        if ping == Ping::Answers {
            return look(&name, by, Heard::Answer, "answers to ping");
        }
        if let Ok(address) = target.host.parse()
            && let Ok(output) = asker.read(Lane::Control, &shell::neighbor(address)).await
            && let Ok(shell::Seen::Answers(mac)) = shell::Seen::parse(&output)
        {
            let said = format!("does not answer to ping, but to ARP, as {mac}");
            return look(&name, format!("{from} (ip neigh)"), Heard::Answer, said);
        }
        return look(&name, by, Heard::Silence, "no reply to ping");
    }
    ask_address_from_console(ctx, &name, &target.host).await
}

async fn ask_address_from_console(ctx: &Ctx, name: &str, host: &str) -> Look {
    let by = "the console (ping)".to_owned();
    if ctx.mode == Mode::Practice {
        return look(
            name,
            by,
            Heard::Unknown,
            "practice asks nothing off loopback",
        );
    }
    let command = shell::ping(host);
    let words = command.words();
    let (Some(program), Some(arguments)) = (words.first(), words.get(1..)) else {
        return look(name, by, Heard::Unknown, "could not be asked");
    };
    let ran = Command::new(program)
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = match timeout(PING, ran).await {
        Ok(Ok(output)) => Output {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
            ..Output::default()
        },
        Ok(Err(error)) => {
            return look(
                name,
                by,
                Heard::Unknown,
                format!("could not be asked: {error}"),
            );
        }
        Err(_) => return look(name, by, Heard::Unknown, "ping did not end"),
    };
    match Ping::parse(&output) {
        Ok(Ping::Answers) => look(name, by, Heard::Answer, "answers to ping"),
        Ok(Ping::Silent) => look(name, by, Heard::Silence, "no reply to ping"),
        Err(fault) => look(
            name,
            by,
            Heard::Unknown,
            format!("could not be asked: {fault}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_means_that_somebody_is_there_except_on_loopback() {
        let refused = |host| judge("t", String::new(), host, TcpAnswer::Refused).heard;
        assert_eq!(refused("10.20.0.11"), Heard::Answer);
        assert_eq!(refused("127.0.0.1"), Heard::Silence);
        assert_eq!(refused("::1"), Heard::Silence);
    }
}
