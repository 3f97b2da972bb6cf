//! Asking an address whether it answers: from a host on its network by what that host has, else from
//! the console. Who asked is part of every answer.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::host::{HostCommand, HostError, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Ping, Seen, TcpAnswer, TcpTool};
use crate::names::{HostName, VmName};
use crate::runbook::model::{HostAddress, Mode, Rung, SiteRole, Vm};

use super::context::Ctx;
use super::ownership::{Heard, Look, Sign, Way};

/// How long one port may take to answer, in seconds.
const SECONDS: u8 = 3;
/// The same for the console's own connections.
const PATIENCE: Duration = Duration::from_secs(SECONDS as u64);
/// How long the console's own `ping` may take.
const PING: Duration = Duration::from_secs(10);

/// Who asked, and how.
#[derive(Clone, Debug)]
struct Asker {
    by: String,
    way: Way,
    near: bool,
}

impl Asker {
    fn host(host: &HostName, tool: impl std::fmt::Display, way: Way) -> Self {
        Self {
            by: format!("{host} ({tool})"),
            way,
            near: true,
        }
    }

    fn console(tool: &str, way: Way) -> Self {
        let by = if tool.is_empty() {
            "the console".to_owned()
        } else {
            format!("the console ({tool})")
        };
        Self {
            by,
            way,
            near: false,
        }
    }

    fn look(&self, target: &str, heard: Heard, said: impl Into<String>) -> Look {
        Look {
            target: target.to_owned(),
            by: self.by.clone(),
            heard,
            said: said.into(),
            way: self.way,
            near: self.near,
            open: false,
        }
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
/// pass through the hosts of a site. A physical server there is asked itself, where the runbook lists it
/// as a host.
pub(super) async fn sign(ctx: &Ctx, vm: &VmName, role: SiteRole) -> Sign {
    let mut looks = Vec::new();
    for target in targets(ctx, vm) {
        looks.push(ask(ctx, &target).await);
    }
    let spec = ctx.runbook.vms.get(vm);
    if spec.is_some_and(|vm| vm.place(role).is_none()) {
        let site = ctx.runbook.site_with(role);
        let of_site = ctx.runbook.hosts_of(&site);
        for (name, host) in of_site.filter(|(_, host)| host.guest.as_ref() == Some(vm)) {
            looks.push(ask_server(ctx, name, &host.address).await);
        }
    }
    Sign {
        looks,
        ..Sign::default()
    }
}

/// Asks one address of a VM that the runbook does not name, from the place that sees its network.
pub(super) async fn ask_alone(ctx: &Ctx, vm: &VmName, address: IpAddr) -> Look {
    let host = address.to_string();
    let spec = ctx.runbook.vms.get(vm);
    let from = spec.and_then(|spec| probe_from(ctx, spec, &host));
    let target = Target {
        host,
        port: None,
        from,
    };
    ask(ctx, &target).await
}

/// Other VMs of the runbook that would answer there too.
pub(super) fn sharing<'a>(ctx: &'a Ctx, vm: &VmName, look: &Look) -> Vec<&'a VmName> {
    let answers = |other: &&VmName| {
        let mut targets = targets(ctx, other).into_iter();
        *other != vm && targets.any(|target| target.name() == look.target)
    };
    ctx.runbook.vms.keys().filter(answers).collect()
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

/// Asks a physical server over SSH, on the way that leads to it: it answers only while it runs.
async fn ask_server(ctx: &Ctx, name: &HostName, address: &HostAddress) -> Look {
    let target = format!("{name} ({address})");
    let Some(host) = ctx.hosts.host(name) else {
        let by = Asker::console("SSH", port_way(&address.host));
        return by.look(&target, Heard::Unknown, "is no host of this run");
    };
    let reply = host.read(Lane::Control, &HostCommand::read(["true"])).await;
    let straight = host.is_reached_directly().then(|| host.address());
    over_ssh(ctx, &target, straight, reply).await
}

/// What a reply over SSH says of the machine: one that lets nobody in is there. One that is merely slow
/// says nothing by that: whether its port takes a connection does, where it is reached straight.
async fn over_ssh(
    ctx: &Ctx,
    target: &str,
    straight: Option<&HostAddress>,
    reply: Result<Output, HostError>,
) -> Look {
    if let (Err(HostError::TimedOut { .. }), Some(address)) = (&reply, straight) {
        return ask_port_from_console(ctx, target, &address.host, address.port).await;
    }
    let way = straight.map_or(Way::Port, |address| port_way(&address.host));
    let (heard, said) = said_over_ssh(reply, way);
    Look {
        open: heard == Heard::Answer,
        ..Asker::console("SSH", way).look(target, heard, said)
    }
}

fn said_over_ssh(reply: Result<Output, HostError>, way: Way) -> (Heard, String) {
    match reply {
        Ok(_) => (Heard::Answer, "answers".to_owned()),
        Err(HostError::Refused { .. }) if way == Way::LoopbackPort => {
            (Heard::Silence, "nothing listens there".to_owned())
        }
        Err(
            error @ (HostError::Refused { .. }
            | HostError::LoginRefused { .. }
            | HostError::HostKeyChanged { .. }
            | HostError::HostKeyUnknown { .. }
            | HostError::NoCommonAlgorithm { .. }),
        ) => (
            Heard::Answer,
            format!("{error}, so some machine has the address"),
        ),
        Err(error) => (Heard::Unknown, format!("could not be asked: {error}")),
    }
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
            let by = Asker::host(from, tool, port_way(host));
            match TcpAnswer::parse(tool, &output) {
                Ok(answer) => return judge(&target, &by, host, answer),
                Err(DriverFault::ToolMissing { .. }) => {}
                Err(fault) => return by.look(&target, Heard::Unknown, fault.to_string()),
            }
        }
    }
    ask_port_from_console(ctx, &target, host, port).await
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

fn port_way(host: &str) -> Way {
    if is_loopback(host) {
        Way::LoopbackPort
    } else {
        Way::Port
    }
}

fn judge(target: &str, by: &Asker, host: &str, answer: TcpAnswer) -> Look {
    match answer {
        TcpAnswer::Open => Look {
            open: true,
            ..by.look(target, Heard::Answer, "accepts connections")
        },
        TcpAnswer::Refused if is_loopback(host) => {
            by.look(target, Heard::Silence, "nothing listens there")
        }
        TcpAnswer::Refused => by.look(
            target,
            Heard::Answer,
            "refuses connections, so some machine has the address",
        ),
        TcpAnswer::Silent => by.look(target, Heard::Silence, "no reply"),
    }
}

/// A name may have several addresses: what one of them answers counts, and silence only of all.
async fn ask_port_from_console(ctx: &Ctx, target: &str, host: &str, port: u16) -> Look {
    let by = Asker::console("", port_way(host));
    let addresses = match resolve(ctx, host, port).await {
        Ok(addresses) => addresses,
        Err(why) => return by.look(target, Heard::Unknown, why),
    };
    let looks = addresses.into_iter().map(async |address| {
        let tried = timeout(PATIENCE, TcpStream::connect(address)).await;
        let error = match tried {
            Ok(Ok(_)) => return judge(target, &by, host, TcpAnswer::Open),
            Err(_) => return judge(target, &by, host, TcpAnswer::Silent),
            Ok(Err(error)) => error,
        };
        match error.kind() {
            ErrorKind::ConnectionRefused => judge(target, &by, host, TcpAnswer::Refused),
            ErrorKind::TimedOut | ErrorKind::HostUnreachable => {
                judge(target, &by, host, TcpAnswer::Silent)
            }
            _ => by.look(
                target,
                Heard::Unknown,
                format!("could not be asked: {error}"),
            ),
        }
    });
    let weight = |look: &Look| {
        (
            look.open,
            look.heard == Heard::Answer,
            look.heard == Heard::Unknown,
        )
    };
    let heard = join_all(looks).await.into_iter().max_by_key(weight);
    heard.unwrap_or_else(|| by.look(target, Heard::Unknown, "it has no address"))
}

/// Where the console may connect to. In practice that is loopback, whatever the runbook says.
///
/// # Errors
/// Why nowhere, in words.
pub(super) async fn resolve(ctx: &Ctx, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| format!("{host} was not resolved in time"))?;
    let found = found.map_err(|error| format!("{host} cannot be resolved: {error}"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(format!("{host} has no address"));
    }
    let off = |address: &SocketAddr| !address.ip().is_loopback();
    if ctx.mode == Mode::Practice && addresses.iter().any(off) {
        return Err(format!(
            "practice asks nothing off loopback, and {host} is not on it"
        ));
    }
    Ok(addresses)
}

/// Asks an address itself: ping, and right after it what the asking machine knows of its MAC.
async fn ask_address(ctx: &Ctx, target: &Target) -> Look {
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
    ask_address_from_console(ctx, &name, &target.host).await
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

async fn ask_address_from_console(ctx: &Ctx, name: &str, host: &str) -> Look {
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
    use std::net::TcpListener;

    use super::*;
    use crate::actions::tests::world::{World, out};

    #[test]
    fn a_refusal_means_that_somebody_is_there_except_on_loopback() {
        let by = Asker::console("", Way::Port);
        let refused = |host| judge("t", &by, host, TcpAnswer::Refused).heard;
        assert_eq!(refused("10.20.0.11"), Heard::Answer);
        assert_eq!(refused("127.0.0.1"), Heard::Silence);
        assert_eq!(refused("::1"), Heard::Silence);
    }

    #[test]
    fn a_server_that_lets_nobody_in_is_there_and_one_out_of_reach_was_not_asked() {
        let address = || "192.0.2.50:22".to_owned();
        let reason = "Network is unreachable".to_owned();
        let refused = || HostError::Refused { address: address() };
        for (reply, want) in [
            (Ok(Output::default()), Heard::Answer),
            (Err(refused()), Heard::Answer),
            (
                Err(HostError::LoginRefused {
                    user: "root".into(),
                    tried: vec![],
                }),
                Heard::Answer,
            ),
            (Err(timed_out()), Heard::Unknown),
            (
                Err(HostError::Unreachable {
                    address: address(),
                    reason,
                }),
                Heard::Unknown,
            ),
        ] {
            let said = format!("{reply:?}");
            assert_eq!(said_over_ssh(reply, Way::Port).0, want, "{said}");
        }
        let nobody = said_over_ssh(Err(refused()), Way::LoopbackPort);
        assert_eq!(nobody.0, Heard::Silence);
    }

    fn timed_out() -> HostError {
        HostError::TimedOut {
            what: "the handshake".into(),
            after: PATIENCE,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_whose_ssh_hangs_is_there_where_its_port_takes_a_connection() {
        let world = World::new().await;
        let step = world.step(&out("fence"));
        let ask = async |straight: Option<HostAddress>| {
            let ask = |ctx: Ctx| async move {
                over_ssh(&ctx, "crm01", straight.as_ref(), Err(timed_out())).await
            };
            world.run(&step, None, ask).await.heard
        };
        let (host, hangs) = ("127.0.0.1".to_owned(), TcpListener::bind("127.0.0.1:0"));
        let hangs = hangs.unwrap();
        let port = hangs.local_addr().unwrap().port();
        let address = || {
            Some(HostAddress {
                host: host.clone(),
                port,
            })
        };
        assert_eq!(ask(address()).await, Heard::Answer);
        assert_eq!(ask(None).await, Heard::Unknown, "behind another host");
        drop(hangs);
        assert_eq!(ask(address()).await, Heard::Silence);
        world.end().await;
    }

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
