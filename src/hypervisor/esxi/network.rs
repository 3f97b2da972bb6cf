//! The networks of a host: standard switches, their port groups, physical adapters, neighbours.

use super::table::{self, Record, list};
use crate::host::Output;
use crate::hypervisor::DriverFault;

/// A port group of a standard switch. Distributed ones are in no list that a host prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortGroup {
    /// Its name; case counts.
    pub name: String,
    /// The switch that it belongs to.
    pub vswitch: String,
    /// Its VLAN: 0 none, 4095 all.
    pub vlan: u16,
    /// Adapters of running VMs that are joined to it.
    pub active_clients: u64,
}

impl PortGroup {
    /// Reads the reply of [`port_groups`](super::commands::port_groups).
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the port groups";
        let read = |record: &Record| {
            let vlan = record.number("VLAN ID", what)?;
            Ok(Self {
                name: record.need("Name", what)?.to_owned(),
                vswitch: record.need("Virtual Switch", what)?.to_owned(),
                vlan: u16::try_from(vlan).unwrap_or(u16::MAX),
                active_clients: record.number("Active Clients", what)?,
            })
        };
        table::records(output, what)?.iter().map(read).collect()
    }
}

/// A standard switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vswitch {
    /// Its name.
    pub name: String,
    /// Physical adapters that lead out of it; none means that nothing on it leaves the host.
    pub uplinks: Vec<String>,
    /// Port groups as listed. A name may hold a comma, so use [`PortGroup`] for names.
    pub port_groups: Vec<String>,
    /// Largest frame, in bytes.
    pub mtu: u64,
}

impl Vswitch {
    /// Reads the reply of [`vswitches`](super::commands::vswitches).
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the virtual switches";
        let read = |record: &Record| {
            Ok(Self {
                name: record.need("Name", what)?.to_owned(),
                uplinks: list(record.need("Uplinks", what)?),
                port_groups: list(record.need("Portgroups", what)?),
                mtu: record.number("MTU", what)?,
            })
        };
        table::records(output, what)?.iter().map(read).collect()
    }
}

/// A physical adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// E.g. `vmnic0`.
    pub name: String,
    /// Its address, lower case with colons.
    pub mac: String,
    /// Whether it has a link.
    pub up: bool,
}

impl Nic {
    /// Reads the reply of [`nics`](super::commands::nics); 5.x has one column `Link`, 6.x and
    /// later `Admin Status` and `Link Status`.
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the physical adapters";
        let read = |record: &Record| {
            let link = match record.get("Link Status") {
                Some(link) => link,
                None => record.need("Link", what)?,
            };
            Ok(Self {
                name: record.need("Name", what)?.to_owned(),
                mac: record.need("MAC Address", what)?.to_ascii_lowercase(),
                up: link.eq_ignore_ascii_case("up"),
            })
        };
        table::records(output, what)?.iter().map(read).collect()
    }
}

/// One of the host's own adapters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmknic {
    /// E.g. `vmk0`; empty where the host tells none.
    pub name: String,
    /// Its address, lower case with colons.
    pub mac: String,
    /// The switch that it is on; empty where the host tells none.
    pub vswitch: String,
    /// The port group that it is on; empty where the host tells none.
    pub port_group: String,
}

impl Vmknic {
    /// Reads the reply of [`vmknics`](super::commands::vmknics).
    ///
    /// # Errors
    ///
    /// A fault of the host; a list without its fields.
    pub fn parse_all(output: &Output) -> Result<Vec<Self>, DriverFault> {
        let what = "the host's own adapters";
        let read = |record: &Record| {
            let told = |field| record.get(field).unwrap_or_default().to_owned();
            Ok(Self {
                mac: record.need("MAC Address", what)?.to_ascii_lowercase(),
                name: told("Name"),
                vswitch: told("Portset"),
                port_group: told("Portgroup"),
            })
        };
        table::records(output, what)?.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn port_groups_in_csv_and_text() {
        let csv = "ActiveClients,Name,VLANID,VirtualSwitch,\n1,Management Network (1),28,vSwitch0,\n0,\"a, b\",4095,v 1,\n";
        let text = "Name                    Virtual Switch  Active Clients  VLAN ID\n\
                    ----------------------  --------------  --------------  -------\n\
                    Management Network (1)  vSwitch0                     1       28\n\
                    a, b                    v 1                          0     4095\n";
        let groups = PortGroup::parse_all(&Output::of(csv)).unwrap();
        assert_eq!(groups[0].name, "Management Network (1)");
        assert_eq!((groups[0].vlan, groups[0].active_clients), (28, 1));
        assert_eq!(groups[1].vswitch, "v 1");
        assert_eq!(PortGroup::parse_all(&Output::of(text)).unwrap(), groups);
        assert_eq!(PortGroup::parse_all(&Output::of("")), Ok(Vec::new()));
    }

    #[test]
    fn a_host_knows_the_macs_of_its_own_adapters() {
        let blocks = "vmk0\n   Name: vmk0\n   MAC Address: 00:50:56:6C:01:11\n   Enabled: true\n   Portset: vSwitch0\n   Portgroup: Management\n   MTU: 1500\n\
                      vmk1\n   Name: vmk1\n   MAC Address: 00:50:56:6c:01:12\n   Enabled: true\n   MTU: 9000\n";
        let csv = "Enabled,MACAddress,MTU,Name,\ntrue,00:50:56:6C:01:11,1500,vmk0,\ntrue,00:50:56:6c:01:12,9000,vmk1,\n";
        for text in [blocks, csv] {
            let own = Vmknic::parse_all(&Output::of(text)).unwrap();
            let macs: Vec<&str> = own.iter().map(|own| own.mac.as_str()).collect();
            assert_eq!(macs, ["00:50:56:6c:01:11", "00:50:56:6c:01:12"]);
            assert_eq!(own[1].name, "vmk1");
        }
        let first = Vmknic::parse_all(&Output::of(blocks)).unwrap().remove(0);
        assert_eq!(
            (first.vswitch.as_str(), first.port_group.as_str()),
            ("vSwitch0", "Management")
        );
    }

    #[test]
    fn switches_of_old_and_new_classes() {
        let block = |class: &str, uplinks: &str| {
            format!(
                "v S\n   Name: v S\n   Class: {class}\n   MTU: 1500\n   Beacon Required By: \n   Uplinks: {uplinks}\n   Portgroups: VM Network, x\n"
            )
        };
        for class in ["etherswitch", "cswitch"] {
            let text = format!("{}\n{}", block(class, "vmnic0, vmnic1"), block(class, ""));
            let switches = Vswitch::parse_all(&Output::of(&text)).unwrap();
            assert_eq!(switches[0].uplinks, ["vmnic0", "vmnic1"]);
            assert!(switches[1].uplinks.is_empty());
            assert_eq!(switches[1].port_groups, ["VM Network", "x"]);
        }
        let csv = "MTU,Name,Portgroups,Uplinks,\n9000,storage,\"nfs,iscsi,\",\"vmnic32,\",\n1500,alone,,,\n";
        let switches = Vswitch::parse_all(&Output::of(csv)).unwrap();
        assert_eq!((switches[0].mtu, switches[0].uplinks.len()), (9000, 1));
        assert!(switches[1].uplinks.is_empty());
    }

    #[test]
    fn adapters_of_5x_and_6x() {
        let old = "Name    PCI Device     Driver  Link  Speed  Duplex  MAC Address         MTU  Description\n\
                   ------  -------------  ------  ----  -----  ------  -----------------  ----  -----------\n\
                   vmnic0  0000:001:00.0  tg3     Up     1000  Full    68:5B:35:00:00:10  1500  A B C\n";
        let nic = Nic {
            name: "vmnic0".into(),
            mac: "68:5b:35:00:00:10".into(),
            up: true,
        };
        assert_eq!(Nic::parse_all(&Output::of(old)), Ok(vec![nic]));
        let new =
            "AdminStatus,Link,LinkStatus,MACAddress,Name,\nUp,Up,Down,68:5b:35:00:00:11,vmnic1,\n";
        assert!(!Nic::parse_all(&Output::of(new)).unwrap()[0].up);
    }

    proptest! {
        #[test]
        fn never_panics(text in "((Name|MTU),[A-Z]{1,4},\n)?(.{0,60}\n){0,6}") {
            let _ = PortGroup::parse_all(&Output::of(&text));
            let _ = Vswitch::parse_all(&Output::of(&text));
            let _ = Nic::parse_all(&Output::of(&text));
        }
    }
}
