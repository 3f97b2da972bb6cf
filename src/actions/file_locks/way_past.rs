//! What to do about a lock that is in the way: whose it may be, how that is seen where a host does not
//! tell it, and what lets it go.

use crate::names::{HostName, listed};
use crate::runbook::model::SiteRole;

use super::{Hold, Holder, Locks};

/// By what the management agent of a host is started anew; its VMs run on.
const RESTART: &str = "/etc/init.d/hostd restart there; what runs goes on";

impl Locks {
    /// What to do about the lock that [contradicts](Locks::contradiction).
    pub fn way_past(&self) -> Option<String> {
        Some(self.contradicting()?.way_past(self.by.as_ref()?))
    }

    /// The same of one that [contradicts beyond](Locks::contradiction_beyond) a site.
    pub fn way_past_beyond(&self, role: SiteRole) -> Option<String> {
        Some(self.contradicting_beyond(role)?.way_past(self.by.as_ref()?))
    }
}

impl Hold {
    /// What to do about it where this host has read it.
    fn way_past(&self, by: &HostName) -> String {
        let file = &self.file;
        let way = match &self.holder {
            Holder::Reader => format!(
                "let {by} tell what it runs ({RESTART}), or shut the VM down from inside its guest"
            ),
            Holder::LockFile => format!(
                "see on {by} whose it is: it bears the name of the host that made it (`cat {file}`). Where that host \
                 runs the VM, stop it there; where it went down and nothing runs the VM any more, the file is left over, \
                 and is removed by hand (`rm {file}`). Or let {by} tell what it runs ({RESTART}), for then the file \
                 alone holds up nothing"
            ),
            Holder::Listed(host, _) => format!(
                "stop the VM on {host}; where that does not answer, at its own console, or switch it off"
            ),
            Holder::Stranger { silent, .. } if silent.is_empty() => {
                "find that host (esxcli system uuid get ends in the MAC that its locks bear) and stop the VM there"
                    .to_owned()
            }
            Holder::Stranger { mac, silent } => format!(
                "see at the own console of {} whether {mac} is one of its MACs: `localcli network nic list` shows \
                 them while its management agent does not answer. Stop the VM on the host whose it is; one that cannot \
                 be reached at all has to be switched off, or to answer again",
                listed(silent)
            ),
            // Nobody can say who, and a person vouches.
            Holder::Several => "see on which host it runs, and stop it there".to_owned(),
        };
        format!("{way}; then retry")
    }
}
