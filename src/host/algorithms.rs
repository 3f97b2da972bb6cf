//! Why two sides agreed on no algorithm.
//!
//! libssh2 gives a host that is too old and a connection that died in mid-handshake the same
//! error. A server's offer is sent before anything is encrypted, so a second connection reads it.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::sanitise::sanitise;
use super::wire::Wire;

/// How long each part of the offer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest line before the offer, and number of them; RFC 4253 section 4.2.
const MAX_LINE: usize = 255;
const MAX_LINES: usize = 50;
/// Longest offer, RFC 4253 section 6.1.
const MAX_PACKET: usize = 35_000;
const MSG_KEXINIT: u8 = 20;
const COOKIE: usize = 16;

/// Names of algorithms, by what they are for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Algorithms {
    pub(super) key_exchange: Vec<String>,
    pub(super) host_key: Vec<String>,
    pub(super) cipher: Vec<String>,
}

/// Asks a server, over a new connection, what it offers.
pub(super) fn offered_by(mut socket: Wire) -> io::Result<Algorithms> {
    socket.set_patience(PATIENCE)?;
    socket.write_all(b"SSH-2.0-Lifeboat\r\n")?;
    read_offer(&mut socket)
}

fn read_offer(from: &mut impl Read) -> io::Result<Algorithms> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut lines = 0;
    while !read_line(from)?.starts_with(b"SSH-") {
        lines += 1;
        if lines > MAX_LINES {
            return Err(invalid());
        }
    }
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [a, b, c, d, padding] = head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let payload = length
        .checked_sub(1 + usize::from(padding))
        .ok_or_else(invalid)?;
    if length > MAX_PACKET {
        return Err(invalid());
    }
    let mut packet = vec![0; payload];
    from.read_exact(&mut packet)?;
    parse(&packet).ok_or_else(invalid)
}

fn read_line(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= MAX_LINE {
        from.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(line);
        }
        line.extend(byte);
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// The lists of a `SSH_MSG_KEXINIT`, RFC 4253 section 7.1.
fn parse(packet: &[u8]) -> Option<Algorithms> {
    let (&kind, rest) = packet.split_first()?;
    let mut rest = rest.get(COOKIE..).filter(|_| kind == MSG_KEXINIT)?;
    let mut names = || {
        let (length, tail) = rest.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let (list, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
        rest = tail;
        Some(
            sanitise(list)
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    Some(Algorithms {
        key_exchange: names()?,
        host_key: names()?,
        cipher: names()?,
    })
}

impl Algorithms {
    /// What `offered` lacks of these, in words; `None` where there is something of each in common.
    pub(super) fn missing_in(&self, offered: &Self) -> Option<String> {
        let lacks = [
            ("key exchange", &self.key_exchange, &offered.key_exchange),
            ("host key", &self.host_key, &offered.host_key),
            ("cipher", &self.cipher, &offered.cipher),
        ]
        .into_iter()
        .filter(|(_, ours, theirs)| !ours.iter().any(|name| theirs.contains(name)))
        .map(|(what, _, theirs)| format!("for {what} the host offers only {}", theirs.join(", ")))
        .collect::<Vec<_>>();
        (!lacks.is_empty()).then(|| lacks.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offer(lists: [&str; 3]) -> Vec<u8> {
        let mut payload = vec![MSG_KEXINIT];
        payload.extend([9; COOKIE]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.bytes());
        }
        let mut bytes = b"hello\r\nSSH-2.0-x\r\n".to_vec();
        bytes.extend(u32::try_from(payload.len() + 5).unwrap().to_be_bytes());
        bytes.push(4);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn an_offer_is_read_and_what_is_missing_named() {
        let theirs = read_offer(&mut &offer(["k1,k2", "ssh-rsa,ssh-dss", "c1"])[..]).unwrap();
        assert_eq!(theirs.host_key, ["ssh-rsa", "ssh-dss"]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut ours = Algorithms {
            key_exchange: names(&["k2"]),
            host_key: names(&["rsa-sha2-512"]),
            cipher: names(&["c1"]),
        };
        let missing = ours.missing_in(&theirs).unwrap();
        assert_eq!(
            missing,
            "for host key the host offers only ssh-rsa, ssh-dss"
        );
        ours.host_key = names(&["ssh-dss"]);
        assert_eq!(ours.missing_in(&theirs), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..80,
        ) {
            let _ = read_offer(&mut &bytes[..]);
            let whole = offer(["k1", "h1", "c1"]);
            let _ = read_offer(&mut &whole[..cut.min(whole.len())]);
            let mut spoilt = whole[..whole.len() / 2].to_vec();
            spoilt.extend(bytes);
            let _ = read_offer(&mut &spoilt[..]);
        }
    }
}
