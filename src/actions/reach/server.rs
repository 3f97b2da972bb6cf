//! Asking a physical server over SSH, where the runbook lists it as a host.

use super::asker::Asker;
use super::port::{self, port_way};
use crate::actions::context::Ctx;
use crate::actions::ownership::{Heard, Look, Way};
use crate::host::{HostCommand, HostError, Lane, Output};
use crate::names::HostName;
use crate::runbook::model::HostAddress;

/// Asks a physical server over SSH, on the way that leads to it: it answers only while it runs.
pub(super) async fn ask(ctx: &Ctx, name: &HostName, address: &HostAddress) -> Look {
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
        return port::from_console(ctx, target, &address.host, address.port).await;
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::actions::tests::world::{World, out};
    use crate::host::tests::free_port;

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
            after: Duration::from_secs(3),
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
        // Nobody else comes to listen there once it is given up.
        let (host, port) = ("127.0.0.1".to_owned(), free_port());
        let hangs = TcpListener::bind((host.as_str(), port)).unwrap();
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
}
