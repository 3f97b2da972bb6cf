//! Host keys and the login key: made once, kept with mode 0600.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};

/// The key in this file, made there if it is not yet.
///
/// # Errors
/// The file cannot be read or written, or holds no key.
pub(crate) fn key_at(path: &Path, algorithm: &Algorithm) -> io::Result<PrivateKey> {
    if let Ok(text) = fs::read_to_string(path) {
        return PrivateKey::from_openssh(&text).map_err(io::Error::other);
    }
    let key = PrivateKey::random(&mut safe_rng(), algorithm.clone()).map_err(io::Error::other)?;
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    write_private(path, text.as_bytes())?;
    let public = key.public_key().to_openssh().map_err(io::Error::other)?;
    fs::write(path.with_extension("pub"), format!("{public}\n"))?;
    Ok(key)
}

/// The key type that an ESXi host in FIPS mode takes.
pub(crate) fn ecdsa() -> Algorithm {
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    }
}

/// `SHA256:…`
pub(crate) fn fingerprint(key: &PrivateKey) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}

/// Writes a file that only its owner reads, whole or not at all.
///
/// # Errors
/// As `open(2)`, `write(2)`, `rename(2)`.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)
}
