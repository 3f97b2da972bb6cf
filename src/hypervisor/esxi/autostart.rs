//! Which VMs start with the host: `hostsvc/autostartmanager`.

use super::Vmid;
use super::faults::check;
use super::value::Value;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::unexpected;

pub use crate::engine::AutostartEntry;

impl AutostartEntry {
    /// Reads the reply of [`autostart`](super::commands::autostart): each VM that has an entry.
    ///
    /// # Errors
    ///
    /// A fault of the host; an entry without its VM.
    pub fn parse_all(output: &Output) -> Result<Vec<(Vmid, Self)>, DriverFault> {
        check(output)?;
        let what = "the start order";
        let text = output.text();
        let value = Value::parse(&text, what)?;
        let Value::List(entries) = &value else {
            return Err(unexpected(what, &text));
        };
        let read = |entry: &Value| {
            let key = entry
                .get("key")
                .text()
                .and_then(|key| key.strip_prefix("vim.VirtualMachine:"));
            let vmid = key.and_then(|id| id.parse().ok()).map(Vmid);
            Ok((
                vmid.ok_or_else(|| unexpected(what, "an entry without its VM"))?,
                Self::from_value(entry),
            ))
        };
        entries.iter().map(read).collect()
    }

    fn from_value(entry: &Value) -> Self {
        let word = |name: &str| {
            entry
                .get(name)
                .filled()
                .unwrap_or("systemDefault")
                .to_owned()
        };
        let number = |name: &str| entry.get(name).signed().unwrap_or(-1);
        Self {
            start_action: word("startAction"),
            start_delay: number("startDelay"),
            start_order: number("startOrder"),
            stop_action: word("stopAction"),
            stop_delay: number("stopDelay"),
            wait_for_heartbeat: word("waitForHeartbeat"),
        }
    }

    /// Its words, in the order in which a host takes them.
    pub(super) fn words(&self) -> [String; 6] {
        [
            self.start_action.clone(),
            self.start_delay.to_string(),
            self.start_order.to_string(),
            self.stop_action.clone(),
            self.stop_delay.to_string(),
            self.wait_for_heartbeat.clone(),
        ]
    }

    /// Whether one of its words begins like an option.
    #[must_use]
    pub fn has_dash(&self) -> bool {
        self.words().iter().any(|word| word.starts_with('-'))
    }

    /// Whether the VM would start when the host does.
    #[must_use]
    pub fn starts(&self) -> bool {
        !self.start_action.eq_ignore_ascii_case("none")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hypervisor::esxi::commands;

    const TWO: &str = "(vim.host.AutoStartManager.AutoPowerInfo) [\n   (vim.host.AutoStartManager.AutoPowerInfo) {\n      key = 'vim.VirtualMachine:3', \n      startOrder = 1, \n      startDelay = 120, \n      waitForHeartbeat = \"no\", \n      startAction = \"powerOn\", \n      stopDelay = -1, \n      stopAction = \"systemDefault\"\n   }, \n   \
        (vim.host.AutoStartManager.AutoPowerInfo) {\n      key = 'vim.VirtualMachine:13', \n      startAction = \"none\"\n   }\n]\n";

    #[test]
    fn entries_come_with_their_vms_and_go_back_as_they_were() {
        let entries = AutostartEntry::parse_all(&Output::of(TWO)).unwrap();
        assert_eq!((entries[0].0, entries[1].0), (Vmid(3), Vmid(13)));
        assert!(entries[0].1.starts() && !entries[1].1.starts());
        let restore = |ends| {
            let command = commands::update_autostart_restore(Vmid(7), &entries[0].1, ends);
            command.line()
        };
        assert_eq!(
            restore(true),
            "vim-cmd hostsvc/autostartmanager/update_autostartentry -- 7 powerOn 120 1 systemDefault -1 no"
        );
        assert_eq!(
            restore(false),
            "vim-cmd hostsvc/autostartmanager/update_autostartentry 7 powerOn 120 1 systemDefault -1 no"
        );
        let plain = AutostartEntry {
            stop_delay: 0,
            ..entries[0].1.clone()
        };
        assert!(entries[0].1.has_dash() && !plain.has_dash());
    }

    #[test]
    fn none_and_noise() {
        assert_eq!(
            AutostartEntry::parse_all(&Output::of(
                "(vim.host.AutoStartManager.AutoPowerInfo) []\n"
            )),
            Ok(Vec::new())
        );
        assert!(AutostartEntry::parse_all(&Output::of("")).is_err());
        assert!(
            AutostartEntry::parse_all(&Output::of(
                "(x) [\n   (y) {\n      key = 'vim.Task:1'\n   }\n]\n"
            ))
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0..TWO.len(), noise in ".{0,40}") {
            let _ = AutostartEntry::parse_all(&Output::of(&format!("{}{noise}{}", &TWO[..cut], &TWO[cut..])));
        }
    }
}
