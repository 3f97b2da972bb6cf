//! SFTP packets, version 3, as far as bulk data needs them (draft-ietf-secsh-filexfer-02).

use bytes::{Buf, Bytes, BytesMut};

pub(super) const INIT: u8 = 1;
pub(super) const VERSION: u8 = 2;
pub(super) const OPEN: u8 = 3;
pub(super) const CLOSE: u8 = 4;
pub(super) const READ: u8 = 5;
pub(super) const WRITE: u8 = 6;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
pub(super) const EXTENDED: u8 = 200;

/// Flags of [`OPEN`].
pub(super) const FOR_READING: u32 = 0x1;
pub(super) const FOR_WRITING: u32 = 0x2;
pub(super) const MAKE: u32 = 0x8;

/// Attributes that carry permissions.
pub(super) const HAS_PERMISSIONS: u32 = 0x4;

/// Codes of a status.
pub(super) const OK: u32 = 0;
pub(super) const END_OF_FILE: u32 = 1;
pub(super) const UNSUPPORTED: u32 = 8;

/// No server's answer is longer; OpenSSH's own limit is 256 KiB.
const LONGEST: usize = 1 << 20;

/// Bytes that come at a time, at most.
const MESSAGE: usize = 32 << 10;

/// A request on its way out.
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(kind: u8, number: u32) -> Self {
        let mut bytes = vec![0, 0, 0, 0, kind];
        bytes.extend(number.to_be_bytes());
        Self(bytes)
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn string(self, text: &[u8]) -> Self {
        let mut longer = self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        longer.0.extend(text);
        longer
    }

    /// The packet; `behind` bytes of data follow it.
    pub(super) fn finish(mut self, behind: u32) -> Vec<u8> {
        let own = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        if let Some(length) = self.0.first_chunk_mut::<4>() {
            *length = own.saturating_add(behind).to_be_bytes();
        }
        self.0
    }
}

/// What the server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status {
        code: u32,
        text: String,
    },
    Handle(Bytes),
    Data(Bytes),
    /// An answer to nothing that was asked.
    Other(u8),
}

/// Takes the next whole packet out of what arrived: its kind and the rest. `Err` if the server
/// does not speak SFTP.
pub(super) fn take(arrived: &mut BytesMut) -> Result<Option<(u8, Bytes)>, ()> {
    let Some(length) = arrived.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length == 0 || length > LONGEST {
        return Err(());
    }
    if arrived.len() < 4 + length {
        // Else its room is doubled until it fits, of which up to half is kept with it for nothing.
        arrived.reserve(4 + length + MESSAGE - arrived.len());
        return Ok(None);
    }
    arrived.advance(4);
    let mut packet = arrived.split_to(length).freeze();
    let kind = packet.get_u8();
    Ok(Some((kind, packet)))
}

/// The number of the request that a packet answers, and what it says.
pub(super) fn reply(kind: u8, mut body: Bytes) -> Option<(u32, Reply)> {
    let number = body.try_get_u32().ok()?;
    let reply = match kind {
        STATUS => Reply::Status {
            code: body.try_get_u32().ok()?,
            // Servers before version 3 send none.
            text: string(&mut body)
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .unwrap_or_default(),
        },
        HANDLE => Reply::Handle(string(&mut body)?),
        DATA => Reply::Data(string(&mut body)?),
        other => Reply::Other(other),
    };
    Some((number, reply))
}

fn string(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
    (length <= body.len()).then(|| body.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_the_length_of_what_follows_it() {
        let packet = Request::new(WRITE, 7).string(b"h").u64(9).u32(3).finish(3);
        assert_eq!(packet.len(), 4 + 1 + 4 + 5 + 8 + 4);
        assert_eq!(packet[..9], [0, 0, 0, 25, WRITE, 0, 0, 0, 7]);
    }

    #[test]
    fn answers_are_taken_as_they_come_and_nonsense_is_refused() {
        let mut whole = Request::new(STATUS, 5).u32(4).string(b"Failure").finish(0);
        whole.extend(Request::new(DATA, 6).string(b"xyz").finish(0));
        whole.extend(Request::new(105, 7).u32(1).u64(11).finish(0));
        let mut arrived = BytesMut::new();
        let mut replies = Vec::new();
        for byte in whole {
            arrived.extend([byte]);
            while let Some((kind, body)) = take(&mut arrived).unwrap() {
                replies.push(reply(kind, body).unwrap());
            }
        }
        let status = Reply::Status {
            code: 4,
            text: "Failure".into(),
        };
        assert_eq!(
            replies,
            [
                (5, status),
                (6, Reply::Data(Bytes::from_static(b"xyz"))),
                (7, Reply::Other(105))
            ]
        );
        assert!(take(&mut BytesMut::from(&b"SSH-2.0-banner"[..])).is_err());
        assert!(take(&mut BytesMut::from(&[0; 8][..])).is_err());
        for body in [&b""[..], &[0, 0, 0, 1], &[0, 0, 0, 1, 0, 0, 0, 9, 1]] {
            assert_eq!(reply(DATA, Bytes::copy_from_slice(body)), None);
        }
    }
}
