//! Programs that ask the network: `nc`, `ping`, `wget`, `curl`. Guests of the site and loopback
//! can be reached; nothing else can.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::system::interruptible;
use super::{Call, Halt, Outcome};

fn connect(
    call: &Call,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<Result<TcpStream, String>, Halt> {
    let Some(address) = call.host.network.address(host, port) else {
        // Nobody has this address: packets vanish.
        call.process
            .pause(limit.min(call.host.pace.real(limit.as_secs_f64())))?;
        return Ok(Err("Connection timed out".to_owned()));
    };
    let opened = interruptible(call, move || TcpStream::connect_timeout(&address, limit))?;
    Ok(match opened {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Err("Connection refused".to_owned())
        }
        Some(Err(error)) => Err(error.to_string()),
        None => Err("Connection failed".to_owned()),
    })
}

/// `nc [-z] [-v] [-w SECONDS] HOST PORT`
pub(super) fn nc(call: &mut Call) -> Outcome {
    let options = match call.options("zvn46", "wi") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let [host, port] = options.operands.as_slice() else {
        return Ok(call.fail("usage: nc [-zv] [-w SECS] HOST PORT"));
    };
    let Ok(port) = port.parse::<u16>() else {
        return Ok(call.fail(&format!("port number invalid: {port}")));
    };
    let seconds = options
        .value('w')
        .and_then(|w| w.parse().ok())
        .unwrap_or(10)
        .clamp(1, 3600);
    match connect(call, host, port, Duration::from_secs(seconds))? {
        Ok(mut stream) => {
            if options.has('v') {
                call.err(&format!(
                    "Connection to {host} {port} port [tcp/*] succeeded!\n"
                ));
            }
            if !options.has('z') {
                let input = call.read_all(&call.stdio.stdin)?;
                let answer = interruptible(call, move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(seconds)));
                    let mut answer = Vec::new();
                    let _ = stream.write_all(&input);
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    let _ = stream.take(1 << 20).read_to_end(&mut answer);
                    answer
                })?;
                call.out_bytes(&answer.unwrap_or_default())?;
            }
            Ok(0)
        }
        Err(message) => {
            if options.has('v') {
                call.err(&format!(
                    "nc: connect to {host} port {port} (tcp) failed: {message}\n"
                ));
            }
            Ok(1)
        }
    }
}

/// `ping [-c N] [-W SECONDS] HOST`
pub(super) fn ping(call: &mut Call) -> Outcome {
    let options = match call.options("q46n", "cWwIis") {
        Ok(options) => options,
        Err(status) => return Ok(status),
    };
    let Some(host) = options.operands.first() else {
        return Ok(call.fail("missing host operand"));
    };
    let count: u32 = options
        .value('c')
        .and_then(|c| c.parse().ok())
        .unwrap_or(3)
        .clamp(1, 100);
    let alive = call.host.network.answers(host);
    call.out(&format!("PING {host} ({host}): 56 data bytes\n"))?;
    for number in 0..count {
        if alive {
            call.out(&format!(
                "64 bytes from {host}: icmp_seq={number} ttl=64 time=0.312 ms\n"
            ))?;
        }
        let last = number + 1 == count;
        if !last || !alive {
            call.process.pause(call.host.pace.real(1.0))?;
        }
    }
    let (got, loss) = if alive { (count, 0) } else { (0, 100) };
    call.out(&format!(
        "\n--- {host} ping statistics ---\n{count} packets transmitted, {got} packets received, {loss}% packet loss\n"
    ))?;
    Ok(i32::from(!alive))
}

struct Url {
    host: String,
    port: u16,
    path: String,
}

fn url(text: &str) -> Option<Url> {
    let rest = text.strip_prefix("http://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, port.parse().ok()?),
        _ => (authority, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Url {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

/// The status, the head and the body of the answer to a GET.
type Answer = (u16, String, Vec<u8>);

fn get(call: &Call, url: &Url, limit: Duration) -> Result<Result<Answer, String>, Halt> {
    let mut stream = match connect(call, &url.host, url.port, limit)? {
        Ok(stream) => stream,
        Err(message) => return Ok(Err(message)),
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: {}\r\n\r\n",
        url.path, url.host, call.name
    );
    let answer = interruptible(call, move || {
        let _ = stream.set_read_timeout(Some(limit));
        let mut answer = Vec::new();
        stream.write_all(request.as_bytes())?;
        stream.take(8 << 20).read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    })?;
    let bytes = match answer {
        Some(Ok(bytes)) => bytes,
        Some(Err(error)) => return Ok(Err(error.to_string())),
        None => return Ok(Err("read failed".to_owned())),
    };
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok());
    let Some(status) = status else {
        return Ok(Err("empty reply from server".to_owned()));
    };
    Ok(Ok((
        status,
        head,
        bytes.get(end..).unwrap_or_default().to_vec(),
    )))
}

/// `wget [-q] [-S] [--spider] [-O FILE] [-T SECONDS] URL`
pub(super) fn wget(call: &mut Call) -> Outcome {
    let mut target = None;
    let (mut show_head, mut quiet, mut spider) = (false, false, false);
    let (mut link, mut seconds) = (None, 10);
    let args = call.args.clone();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-q" => quiet = true,
            "-S" => show_head = true,
            "-s" | "--spider" => spider = true,
            "-O" => target = args.next().cloned(),
            "-qO-" | "-O-" => target = Some("-".to_owned()),
            "-T" | "-t" => seconds = args.next().and_then(|n| n.parse().ok()).unwrap_or(10),
            _ => link = Some(arg.clone()),
        }
    }
    let Some(link) = link else {
        return Ok(call.fail("missing URL"));
    };
    let Some(url) = url(&link) else {
        return Ok(call.fail(&format!("not an http or ftp url: {link}")));
    };
    let (status, head, body) = match get(call, &url, Duration::from_secs(seconds.clamp(1, 600)))? {
        Ok(answer) => answer,
        Err(message) => {
            return Ok(call.fail(&format!(
                "can't connect to remote host ({}): {message}",
                url.host
            )));
        }
    };
    if show_head {
        for line in head.lines().filter(|line| !line.is_empty()) {
            call.err(&format!("  {line}\n"));
        }
    }
    if status >= 400 {
        let line = head.lines().next().unwrap_or_default();
        return Ok(call.fail(&format!("server returned error: {line}")));
    }
    if spider {
        if !quiet {
            call.err("remote file exists\n");
        }
        return Ok(0);
    }
    let name = url
        .path
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or("index.html");
    match target.as_deref() {
        Some("-") => call.out_bytes(&body)?,
        other => {
            let path = call.path(other.unwrap_or(name));
            if path != "/dev/null" {
                let mode = crate::sim::vfs::WriteMode {
                    truncate: true,
                    ..Default::default()
                };
                let written = call
                    .host
                    .vfs
                    .open_write(&path, mode)
                    .and_then(|(mut file, _)| file.write_all(&body));
                if let Err(error) = written {
                    return Ok(call.fail_on(&path, &error));
                }
            }
        }
    }
    Ok(0)
}

/// `curl [-sSfIk] [-o FILE] [-w FORMAT] [-m SECONDS] URL`
pub(super) fn curl(call: &mut Call) -> Outcome {
    let (mut target, mut format, mut link) = (None, None, None);
    let (mut fail, mut head_only, mut silent, mut loud) = (false, false, false, false);
    let mut seconds = 10.0_f64;
    let args = call.args.clone();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-o" | "--output" => target = args.next().cloned(),
            "-w" | "--write-out" => format = args.next().cloned(),
            "-m" | "--max-time" | "--connect-timeout" => {
                seconds = args.next().and_then(|n| n.parse().ok()).unwrap_or(10.0);
            }
            "--silent" => silent = true,
            "--show-error" => loud = true,
            "--fail" => fail = true,
            "--head" => head_only = true,
            flags if flags.starts_with('-') && !flags.starts_with("--") => {
                silent |= flags.contains('s');
                loud |= flags.contains('S');
                fail |= flags.contains('f');
                head_only |= flags.contains('I');
                if flags.ends_with('o') {
                    target = args.next().cloned();
                } else if flags.ends_with('w') {
                    format = args.next().cloned();
                } else if flags.ends_with('m') {
                    seconds = args.next().and_then(|n| n.parse().ok()).unwrap_or(10.0);
                }
            }
            flag if flag.starts_with("--") => {}
            _ => link = Some(arg.clone()),
        }
    }
    let Some(url) = link.as_deref().and_then(url) else {
        call.err("curl: (3) URL rejected\n");
        return Ok(3);
    };
    let complain = |call: &Call, text: &str| {
        if !silent || loud {
            call.err(&format!("curl: {text}\n"));
        }
    };
    let written_out = |code: u16| {
        format.as_deref().map(|f| {
            f.replace("%{http_code}", &format!("{code:03}"))
                .replace("\\n", "\n")
        })
    };
    let limit = Duration::from_secs_f64(seconds.clamp(0.1, 600.0));
    let (status, head, body) = match get(call, &url, limit)? {
        Ok(answer) => answer,
        Err(message) => {
            if let Some(text) = written_out(0) {
                call.out(&text)?;
            }
            complain(
                call,
                &format!(
                    "(7) Failed to connect to {} port {}: {message}",
                    url.host, url.port
                ),
            );
            return Ok(if message.contains("timed out") { 28 } else { 7 });
        }
    };
    let failed = fail && status >= 400;
    if !failed {
        let body = if head_only { head.into_bytes() } else { body };
        match target.as_deref() {
            Some("/dev/null") => {}
            Some(path) if path != "-" => {
                let mode = crate::sim::vfs::WriteMode {
                    truncate: true,
                    ..Default::default()
                };
                let written = call
                    .host
                    .vfs
                    .open_write(&call.path(path), mode)
                    .and_then(|(mut file, _)| file.write_all(&body));
                if let Err(error) = written {
                    complain(call, &format!("(23) {error}"));
                    return Ok(23);
                }
            }
            _ => call.out_bytes(&body)?,
        }
    }
    if let Some(text) = written_out(status) {
        call.out(&text)?;
    }
    if failed {
        complain(
            call,
            &format!("(22) The requested URL returned error: {status}"),
        );
        return Ok(22);
    }
    Ok(0)
}

/// A connection as `bash` makes it for `/dev/tcp/HOST/PORT`.
pub(crate) fn dev_tcp(
    network: &crate::sim::network::Network,
    path: &str,
) -> Option<std::io::Result<TcpStream>> {
    let (host, port) = path.strip_prefix("/dev/tcp/")?.split_once('/')?;
    let address: Option<SocketAddr> = port
        .parse()
        .ok()
        .and_then(|port| network.address(host, port));
    Some(match address {
        Some(address) => TcpStream::connect_timeout(&address, Duration::from_secs(5)),
        None => Err(std::io::ErrorKind::TimedOut.into()),
    })
}
