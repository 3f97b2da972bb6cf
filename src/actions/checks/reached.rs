//! Looking whether something answers over the network.

use crate::actions::context::Ctx;
use crate::actions::{http, reach};
use crate::names::HostName;
use crate::runbook::model::Mode;

use super::Looked;

/// What practice says of what lies outside its site.
const OUTSIDE: &str = "not asked: practice asks nothing outside the simulated site";

pub(super) async fn tcp(
    ctx: &Ctx,
    host: &str,
    port: Option<u16>,
    from: Option<&HostName>,
) -> Looked {
    let listed = ctx.runbook.hosts.get(host).map(|host| &host.address);
    let address = listed.map_or(host, |its| its.host.as_str());
    let its_own = listed.map(|its| its.port);
    let Some(number) = port.or(its_own) else {
        return Err("no port is given".to_owned());
    };
    // The simulated host serves the one port at which it is reached.
    if is_outside(ctx, address) || (ctx.mode == Mode::Practice && port.is_some()) {
        return Ok(OUTSIDE.to_owned());
    }
    reach::ask_port(ctx, from, address, number).await.accepts()
}

pub(super) async fn http_status(
    ctx: &Ctx,
    url: &str,
    status: u16,
    from: Option<&HostName>,
) -> Looked {
    if http::Url::parse(url).is_some_and(|url| is_outside(ctx, &url.host)) {
        return Ok(OUTSIDE.to_owned());
    }
    match http::status(ctx, from, url).await {
        Ok((got, by)) if got == status => Ok(format!("status {got} (asked by {by})")),
        Ok((got, by)) => Err(format!("status {got}, not {status} (asked by {by})")),
        Err(why) => Err(why),
    }
}

/// Whether practice leaves an address alone.
fn is_outside(ctx: &Ctx, host: &str) -> bool {
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    ctx.mode == Mode::Practice && !loopback
}
