//! Asking a port: from a host by what that host has, else by a connection of the console's own.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asker::Asker;
use super::targets::Target;
use crate::actions::context::Ctx;
use crate::actions::ownership::{Heard, Look, Way};
use crate::host::Lane;
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, TcpAnswer, TcpTool};
use crate::names::HostName;
use crate::runbook::model::Mode;

/// How long one port may take to answer, in seconds.
const SECONDS: u8 = 3;
/// The same for the console's own connections.
const PATIENCE: Duration = Duration::from_secs(SECONDS as u64);

/// Asks a port, from a host if it can, else from the console.
pub(in crate::actions) async fn ask(
    ctx: &Ctx,
    from: Option<&HostName>,
    host: &str,
    port: u16,
) -> Look {
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
    from_console(ctx, &target, host, port).await
}

fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

pub(super) fn port_way(host: &str) -> Way {
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
pub(super) async fn from_console(ctx: &Ctx, target: &str, host: &str, port: u16) -> Look {
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
pub(in crate::actions) async fn resolve(
    ctx: &Ctx,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_means_that_somebody_is_there_except_on_loopback() {
        let by = Asker::console("", Way::Port);
        let refused = |host| judge("t", &by, host, TcpAnswer::Refused).heard;
        assert_eq!(refused("10.20.0.11"), Heard::Answer);
        assert_eq!(refused("127.0.0.1"), Heard::Silence);
        assert_eq!(refused("::1"), Heard::Silence);
    }
}
