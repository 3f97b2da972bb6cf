//! Host keys that are unknown or changed: a host that shows one stays refused until a person has
//! compared it.

use crate::names::HostName;
use crate::telemetry::RefusedKey;

use super::dialog::{Dialog, Field, HostKey, Kind};
use super::{Page, Run};

/// A host key that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct UnknownKey {
    /// What was shown.
    pub key: RefusedKey,
    /// The person has closed the dialog: it opens at a key only.
    pub dismissed: bool,
}

impl Run {
    /// Keeps a key that a host shows now, unless it was accepted or is known to be shown.
    pub(super) fn take_host_key(&mut self, key: RefusedKey) {
        let shown = (key.host.clone(), key.shown.clone());
        let listed = self.host_keys.iter().any(|old| old.key == key);
        if !self.state.trusted.contains(&shown) && !listed {
            self.forget_key(&key.host);
            self.host_keys.push_back(UnknownKey {
                key,
                dismissed: false,
            });
        }
    }

    /// It was accepted.
    pub(in crate::tui) fn forget_key(&mut self, host: &HostName) {
        self.host_keys.retain(|unknown| unknown.key.host != *host);
    }

    /// The key of that host, where it is not accepted.
    pub(in crate::tui) fn unknown_key(&self, host: &HostName) -> Option<&RefusedKey> {
        let unknown = self.host_keys.iter().find(|key| key.key.host == *host)?;
        Some(&unknown.key)
    }

    /// The first key that nobody has looked at.
    pub(in crate::tui) fn new_key(&self) -> Option<&RefusedKey> {
        let unknown = self.host_keys.iter().find(|key| !key.dismissed)?;
        Some(&unknown.key)
    }

    /// The host stays refused, and the next one comes first.
    pub(in crate::tui) fn set_key_aside(&mut self, host: &HostName) {
        let at = self.host_keys.iter().position(|key| key.key.host == *host);
        if let Some(mut unknown) = at.and_then(|at| self.host_keys.remove(at)) {
            unknown.dismissed = true;
            self.host_keys.push_back(unknown);
        }
    }

    /// Which key a person wants to compare: that of the host on screen, else the first one.
    pub(in crate::tui) fn key_to_compare(&self) -> Option<&RefusedKey> {
        let on_screen = match self.ui.page {
            Page::Host(at) => self.host_order().get(at).copied(),
            _ => None,
        };
        let key = on_screen.and_then(|host| self.unknown_key(host));
        key.or_else(|| Some(&self.host_keys.front()?.key))
    }
}

/// The dialog in which a key is compared.
pub(in crate::tui) fn dialog(key: &RefusedKey) -> Dialog {
    Dialog::new(Kind::HostKey(HostKey {
        host: key.host.clone(),
        field: Field::default(),
    }))
}
