//! A private key file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::decode_secret_key;
use russh::keys::ssh_key::private::{EcdsaKeypair, KeypairData, PrivateKey as Decoded};
use russh::keys::ssh_key::public::EcdsaPublicKey;
use zeroize::Zeroizing;

use super::config::expand_home;

/// How OpenSSH's own format begins, and the words for a key without a passphrase after it.
const OPENSSH: &[u8] = b"openssh-key-v1\0";
const PLAIN: &[u8] = b"\0\0\0\x04none";
const P256: &[u8] = b"ecdsa-sha2-nistp256";

pub(super) struct PrivateKey {
    /// As it was written.
    pub(super) text: Zeroizing<String>,
    ed25519: bool,
}

impl PrivateKey {
    /// Reads it; in words what is wrong with it otherwise.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(expand_home(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "it is not a private key".to_owned(),
            _ => error.to_string(),
        });
        Self::parse(Zeroizing::new(text?))
    }

    fn parse(text: Zeroizing<String>) -> Result<Self, String> {
        if !text.contains("PRIVATE KEY-----") {
            return Err("it is not a private key".to_owned());
        }
        let body = decoded(&text);
        let openssh = body.strip_prefix(OPENSSH);
        let encrypted =
            text.contains("ENCRYPTED") || openssh.is_some_and(|rest| !rest.starts_with(PLAIN));
        if encrypted {
            return Err(
                "it has a passphrase; add it to the agent (ssh-add) and use `agent`".to_owned(),
            );
        }
        let ed25519 =
            openssh.is_some_and(|rest| rest.windows(11).any(|word| word == b"ssh-ed25519"));
        Ok(Self { text, ed25519 })
    }

    /// For people, where it is told from the usual ones.
    pub(super) fn kind(&self) -> &'static str {
        if self.ed25519 { " (ed25519)" } else { "" }
    }

    /// As russh takes it; `None` where it cannot read it.
    pub(super) fn for_russh(&self) -> Option<Decoded> {
        let read = decode_secret_key(&self.text, None).ok();
        read.or_else(|| short_p256(&decoded(&self.text)))
    }
}

/// The bytes of a PEM file.
fn decoded(pem: &str) -> Zeroizing<Vec<u8>> {
    let body: Zeroizing<String> = Zeroizing::new(
        pem.lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"))
            .collect::<String>(),
    );
    Zeroizing::new(STANDARD.decode(body.as_bytes()).unwrap_or_default())
}

/// A P-256 key whose number begins with a zero byte, which one of 256 does: OpenSSH writes it in 31
/// bytes (RFC 4251 section 5, `mpint`), and russh's `ssh-key` 0.7 takes no fewer than 32.
fn short_p256(body: &[u8]) -> Option<Decoded> {
    let mut outer = body.strip_prefix(OPENSSH)?;
    // Cipher, the way to its key and that way's options; then the number of keys and the public one.
    for _ in 0..3 {
        string(&mut outer)?;
    }
    outer = outer.strip_prefix(&1u32.to_be_bytes())?;
    string(&mut outer)?;
    // Two equal numbers prove a passphrase.
    let mut inner = string(&mut outer)?.get(8..)?;
    if string(&mut inner)? != P256 {
        return None;
    }
    let _curve = string(&mut inner)?;
    let point = EcdsaPublicKey::from_sec1_bytes(string(&mut inner)?).ok()?;
    let number = string(&mut inner)?;
    let EcdsaPublicKey::NistP256(public) = point else {
        return None;
    };
    let mut padded = Zeroizing::new([0; 32]);
    let zeros = padded.len().checked_sub(number.len())?;
    padded[zeros..].copy_from_slice(number);
    let private = (*padded).into();
    let pair = EcdsaKeypair::NistP256 { public, private };
    Decoded::new(KeypairData::Ecdsa(pair), "").ok()
}

/// A string as RFC 4251 section 5 writes it; what follows it stays.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (string, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by ssh-keygen for this test alone.
    const SHORT: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQTHTZ0z65bOZ9f0m8OlRzlZGm/2eSkn
rAGvuRfX3i1Zc95o1sxhIDisvz7vtMgfTcJEWVszCSlg0qaB4C+nmXptAAAAoAHcwosB3M
KLAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMdNnTPrls5n1/Sb
w6VHOVkab/Z5KSesAa+5F9feLVlz3mjWzGEgOKy/Pu+0yB9NwkRZWzMJKWDSpoHgL6eZem
0AAAAfSN2WmRtUddKTzN5dHHFZ9TABq7IpBdj9gUSK9RrRnQAAAAdyb290QHZtAQI=
-----END OPENSSH PRIVATE KEY-----
";
    const PUBLIC: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMdNnTPrls5n1/Sbw6VHOVkab/Z5KSesAa+5F9feLVlz3mjWzGEgOKy/Pu+0yB9NwkRZWzMJKWDSpoHgL6eZem0=";

    #[test]
    fn a_key_whose_number_is_short_is_read_as_well() {
        assert!(
            decode_secret_key(SHORT, None).is_err(),
            "it reads them by now: `short_p256` has had its day"
        );
        let key = PrivateKey::parse(SHORT.to_owned().into()).unwrap();
        let key = key.for_russh().unwrap();
        let public = STANDARD.encode(key.public_key().to_bytes().unwrap());
        assert_eq!(public, PUBLIC);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(cut in 0usize..400, at in 0usize..400, byte: u8) {
            let mut body = decoded(SHORT).to_vec();
            let at = at % body.len();
            body[at] = byte;
            body.truncate(cut.min(body.len()));
            let _ = short_p256(&body);
        }
    }
}
