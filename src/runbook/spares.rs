//! Which VMs of a host make room for those that are recovered there. Pure.

use super::drill::drill_of;
use super::model::{Place, Runbook, Vm};
use crate::names::{HostName, VmName};

impl Runbook {
    /// Whether a VM that a host has under this name, with its .vmx in this file (the names of its
    /// datastore, and the path), makes room: one of the keys stands for it, and it is neither a VM that the runbook recovers nor
    /// a drill's.
    #[must_use]
    pub fn makes_room(
        &self,
        keys: &[VmName],
        host: &HostName,
        vm: &str,
        (datastore, path): (&[&str], &str),
    ) -> bool {
        let is_here = |place: &Place| {
            let named = datastore.contains(&place.datastore.as_str());
            place.host == *host && (place.datastore.is_empty() || named)
        };
        let stands_for = |key: &VmName| {
            let place = self.vms.get(key).and_then(|vm| vm.recovery.as_ref());
            Vm::covers(key, vm) && place.is_some_and(is_here)
        };
        let lies_in = |place: &Place| {
            let inside = path.strip_prefix(&place.folder);
            is_here(place) && inside.is_some_and(|rest| rest.starts_with('/'))
        };
        let mut recovered = self.recoverable_vms();
        // A drill has its VMs in folders of its own, and stops nothing in theirs.
        let mut written = self
            .isolation
            .iter()
            .flat_map(|isolation| &isolation.written);
        keys.iter().any(stands_for)
            && drill_of(vm).is_none()
            && !written.any(lies_in)
            && !recovered.any(|(name, known)| {
                name.as_str().eq_ignore_ascii_case(vm)
                    || known.recovery.as_ref().is_some_and(lies_in)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::drill::isolated;
    use crate::runbook::{Limits, load};

    const TEXT: &str = include_str!("../../runbooks/v2v-image-restore.yaml");

    #[test]
    fn a_name_stands_for_what_it_fits_and_for_nothing_else() {
        let covers = |key: &str, vm| Vm::covers(&key.into(), vm);
        assert!(covers("lab-01", "lab-01") && !covers("lab-01", "lab-011"));
        assert!(covers("lab-*", "lab-") && covers("lab-*", "lab-1-old"));
        assert!(!covers("lab-*", "my-lab-1"));
        assert!(covers("*", "") && covers("a*a", "aa") && !covers("a*a", "a"));
        assert!(covers("a*b*c*d", "a-b-c-d") && !covers("a*b*c*d", "a-c-b-d"));
        assert!(covers("*é*", "née") && !covers("*é", "née"));
    }

    #[test]
    fn nothing_that_is_recovered_makes_room_and_nothing_of_a_drill() {
        let text = TEXT.replacen(
            "\nvms:\n",
            "\nvms:\n  \"*\": { recovery: { host: lee-esx1 }, role: expendable }\n",
            1,
        );
        let loaded = load("r.yaml", &text, &Limits::default());
        let runbook = loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .runbook;
        let keys = ["*".into()];
        let is = |host: &str, vm, datastore, path| {
            runbook.makes_room(&keys, &host.into(), vm, (&[datastore, "its uuid"], path))
        };
        assert!(is("lee-esx1", "lab-1", "local1", "lab-1/lab-1.vmx"));
        assert!(!is("lon-esx1", "lab-1", "local1", "lab-1/lab-1.vmx"));
        assert!(!is("lee-esx1", "sql01", "other", "x/x.vmx"));
        assert!(!is("lee-esx1", "renamed", "local1", "sql01/sql01.vmx"));
        assert!(!is("lee-esx1", "SQL01", "other", "x/x.vmx"));
        assert!(is("lee-esx1", "sql011", "local1", "sql011/sql011.vmx"));
        let drill = isolated(&runbook, &"20260102-030405-k7qd".into());
        let in_drill =
            |path| drill.makes_room(&keys, &"lee-esx1".into(), "standby", (&["local1"], path));
        assert!(!in_drill("sql01/sql01.vmx") && in_drill("lab-1/lab-1.vmx"));
        let drills = "drill-20260102-030405-k7qd-sql01";
        assert!(!is("lee-esx1", drills, "local1", "a/a.vmx"));
        let none: [VmName; 0] = [];
        let file = (&["local1"][..], "lab-1/lab-1.vmx");
        assert!(!runbook.makes_room(&none, &"lee-esx1".into(), "lab-1", file));
    }
}
