//! The edits that make a `.vmx` fit another site: adapters and identity.

use super::vmx::{Vmx, VmxError};
use crate::runbook::model::{Identity, MacPolicy};

/// What one adapter is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterFit {
    /// `ethernet0`.
    pub adapter: String,
    /// The port group to join, case-sensitive.
    pub portgroup: String,
    /// What becomes of its MAC address.
    pub mac: MacPolicy,
    /// Whether it comes up plugged in.
    pub start_connected: bool,
}

/// What [`fit_adapters`] found beside its task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Adapters that the VM sees and that were not named: they stay joined to what they were.
    pub unnamed: Vec<String>,
}

/// Why a `.vmx` cannot be made to fit; it is then unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Its keys cannot be read.
    #[error("the .vmx is encrypted and cannot be edited")]
    Encrypted,
    /// The VM has no such adapter.
    #[error("the VM has no adapter {adapter}; it has {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    NoAdapter {
        /// As asked for.
        adapter: String,
        /// What it has.
        known: Vec<String>,
    },
    /// An edit was refused.
    #[error(transparent)]
    Vmx(#[from] VmxError),
}

/// Joins adapters to port groups of a standard switch: sets `networkName`, takes out what ties them
/// to a distributed or opaque switch, applies the MAC policy, sets `startConnected`, and takes out
/// `msg.autoAnswer`, which would let the VM decide questions by itself. All or nothing.
///
/// # Errors
/// See [`FitError`]; the `.vmx` is then as it was.
pub fn fit_adapters(vmx: &mut Vmx, wanted: &[AdapterFit]) -> Result<Fitted, FitError> {
    if vmx.is_encrypted() {
        return Err(FitError::Encrypted);
    }
    let known: Vec<String> = vmx
        .adapters()
        .into_iter()
        .filter(|a| a.present)
        .map(|a| a.name)
        .collect();
    let mut edited = vmx.clone();
    for fit in wanted {
        let name = fit.adapter.to_ascii_lowercase();
        if !known.contains(&name) {
            return Err(FitError::NoAdapter {
                adapter: fit.adapter.clone(),
                known,
            });
        }
        fit_one(&mut edited, &name, fit)?;
    }
    edited.remove("msg.autoAnswer");
    *vmx = edited;
    let named = |name: &String| {
        wanted
            .iter()
            .any(|fit| fit.adapter.eq_ignore_ascii_case(name))
    };
    Ok(Fitted {
        unnamed: known.into_iter().filter(|name| !named(name)).collect(),
    })
}

fn fit_one(vmx: &mut Vmx, name: &str, fit: &AdapterFit) -> Result<(), VmxError> {
    let key = |suffix: &str| format!("{name}.{suffix}");
    vmx.set(&key("networkName"), &fit.portgroup)?;
    let adapter = vmx
        .adapters()
        .into_iter()
        .find(|adapter| adapter.name == name);
    for tie in adapter.iter().flat_map(|adapter| &adapter.switch_keys) {
        vmx.remove(tie);
    }
    if fit.mac == MacPolicy::Generate {
        vmx.set(&key("addressType"), "generated")?;
        for suffix in [
            "address",
            "generatedAddress",
            "generatedAddressOffset",
            "checkMACAddress",
        ] {
            vmx.remove(&key(suffix));
        }
    }
    // Absent means plugged in.
    if adapter.is_some_and(|adapter| adapter.start_connected != fit.start_connected) {
        let value = if fit.start_connected { "TRUE" } else { "FALSE" };
        vmx.set(&key("startConnected"), value)?;
    }
    Ok(())
}

/// Tells the host in advance whether the VM was moved (it keeps UUID and MAC) or copied (it gets
/// new ones), so that it does not stop at the question at power-on.
///
/// # Errors
/// See [`FitError`]; the `.vmx` is then as it was.
pub fn fit_identity(vmx: &mut Vmx, identity: Identity) -> Result<(), FitError> {
    if vmx.is_encrypted() {
        return Err(FitError::Encrypted);
    }
    let action = match identity {
        Identity::Moved => "keep",
        Identity::Copied => "create",
    };
    vmx.set("uuid.action", action)?;
    Ok(())
}
