//! The smallest HTTP client there is: one request, and the status of its answer.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::host::{HostCommand, Lane, Output};
use crate::names::HostName;

use super::context::Ctx;
use super::reach::resolve;

/// How long one request may take, in seconds.
const SECONDS: &str = "10";
/// The same for the console's own requests.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are looked at.
const HEAD: u64 = 4096;

/// An `http://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Name or address, without brackets.
    pub host: String,
    /// 80 where the address gives none.
    pub port: u16,
    /// From the first slash on.
    pub path: String,
    /// As it stands in the address, for the Host header.
    authority: String,
}

impl Url {
    /// Takes an address apart; `None` for anything but plain HTTP.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => 80,
        };
        let plain = |c: char| c.is_ascii_graphic();
        (!host.is_empty() && text.chars().all(plain) && !authority.contains('@')).then(|| Self {
            host: host.to_owned(),
            port,
            path,
            authority: authority.to_owned(),
        })
    }
}

/// The status that a request was answered with, and who asked.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn status(
    ctx: &Ctx,
    from: Option<&HostName>,
    url: &str,
) -> Result<(u16, String), String> {
    match from {
        Some(from) => status_from(ctx, from, url).await,
        None => status_from_console(ctx, url)
            .await
            .map(|status| (status, "the console".to_owned())),
    }
}

async fn status_from(ctx: &Ctx, from: &HostName, url: &str) -> Result<(u16, String), String> {
    let host = ctx
        .hosts
        .host(from)
        .ok_or_else(|| format!("{from} is not a host of this run"))?;
    let curl = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        SECONDS,
        url,
    ];
    // Of a failed look it is for the caller to take another.
    let wget = [
        "wget",
        "-S",
        "-t",
        "1",
        "-O",
        "/dev/null",
        "-T",
        SECONDS,
        url,
    ];
    for (tool, words) in [("curl", &curl[..]), ("wget", &wget[..])] {
        let command = HostCommand::read(words.iter().copied()).deadline(PATIENCE * 2);
        let output = host
            .read(Lane::Control, &command)
            .await
            .map_err(|error| error.to_string())?;
        if output.status == 127 {
            continue;
        }
        let by = format!("{from} ({tool})");
        let status = if tool == "curl" {
            curl_status(&output)
        } else {
            wget_status(&output)
        };
        return match status {
            Some(status) => Ok((status, by)),
            None => Err(format!(
                "no answer (asked by {by}, exit status {})",
                output.status
            )),
        };
    }
    Err(format!("{from} has neither curl nor wget"))
}

/// curl prints 000 where no answer came.
fn curl_status(output: &Output) -> Option<u16> {
    output
        .text()
        .trim()
        .parse()
        .ok()
        .filter(|status| *status != 0)
}

/// wget prints the heads of all answers, and follows redirections: the first one is what the address
/// itself answers, and what curl tells.
fn wget_status(output: &Output) -> Option<u16> {
    let text = format!("{}\n{}", output.text(), output.error_text());
    text.lines().find_map(|line| status_line(line.trim()))
}

fn status_line(line: &str) -> Option<u16> {
    let (_, rest) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    rest.trim_start().get(..3)?.parse().ok()
}

async fn status_from_console(ctx: &Ctx, url: &str) -> Result<u16, String> {
    let url = Url::parse(url).ok_or_else(|| format!("{url} is no http:// address"))?;
    let addresses = resolve(ctx, &url.host, url.port).await?;
    let asked = timeout(PATIENCE, request(&addresses, &url)).await;
    let head = asked
        .map_err(|_| "no answer in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let line = head.lines().next().unwrap_or_default().trim().to_owned();
    status_line(&line).ok_or_else(|| "the answer is not HTTP".to_owned())
}

/// Asks whichever of the addresses accepts first: one that is silent holds up none of the others.
async fn request(addresses: &[SocketAddr], url: &Url) -> std::io::Result<String> {
    let connects = addresses
        .iter()
        .map(|address| Box::pin(TcpStream::connect(*address)));
    let (mut stream, _) = select_ok(connects).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: lifeboat\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path, url.authority
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut limited = stream.take(HEAD);
    while !head.contains(&b'\n') {
        if limited.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url = |text| Url::parse(text).map(|url| (url.host, url.port, url.path));
        let is = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            url("http://10.20.0.13/health"),
            is("10.20.0.13", 80, "/health")
        );
        assert_eq!(url("http://web:8080?x=1"), is("web", 8080, "/?x=1"));
        assert_eq!(url("http://[::1]:81/a#b"), is("::1", 81, "/a"));
        for wrong in [
            "https://x/",
            "http://",
            "http://x:y/",
            "http://a@b/",
            "http://x/\r\nHost: y",
            "x",
        ] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    /// Whoever waits to be let in there is answered with nothing at all: the queue is full.
    async fn silent() -> (std::net::TcpListener, Vec<TcpStream>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap().into_std().unwrap();
        let (address, mut waiting) = (listener.local_addr().unwrap(), Vec::new());
        let short = Duration::from_millis(200);
        while let Ok(stream) = timeout(short, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (listener, waiting)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_holds_up_none_of_the_others() {
        let (silent, _waiting) = silent().await;
        let answers = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [silent.local_addr(), answers.local_addr()].map(Result::unwrap);
        let answering = async {
            let (mut stream, _) = answers.accept().await.unwrap();
            let said = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            said.await.unwrap();
        };
        let url = Url::parse("http://web/").unwrap();
        let asked = async { tokio::join!(request(&addresses, &url), answering) };
        let (head, ()) = timeout(PATIENCE, asked).await.unwrap();
        assert_eq!(
            status_line(head.unwrap().lines().next().unwrap()),
            Some(204)
        );
    }

    #[test]
    fn a_status_is_read_from_what_each_tool_prints() {
        let said = |stdout: &str, stderr: &str| Output {
            stdout: stdout.into(),
            stderr: stderr.into(),
            ..Output::default()
        };
        assert_eq!(curl_status(&said("200", "")), Some(200));
        assert_eq!(curl_status(&said("000", "")), None);
        let wget = said(
            "",
            "Connecting to x\n  HTTP/1.1 302 Found\n  Location: /b\n  HTTP/1.0 204 No Content\n",
        );
        assert_eq!(wget_status(&wget), Some(302));
        assert_eq!(wget_status(&said("", "connection refused")), None);
        assert_eq!(status_line("HTTP/1.1 503"), Some(503));
        assert_eq!(status_line("SSH-2.0-OpenSSH"), None);
    }
}
