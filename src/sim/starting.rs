//! Starting a site: what its guests' ports answer, and a station for each of its hosts.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpSocket;

use super::build::{self, SimVm, Told};
use super::esxi::{Esxi, GuestPlan};
use super::host::{HostParts, Pace, SimHost};
use super::network::{self, Network};
use super::plan::{Secrets, SitePlan};
use super::ssh::{self, Access, Door, keys};
use super::{Endpoint, SimError, Site, SiteOptions, Station};
use crate::names::{BackupName, HostName};
use crate::runbook::model::{Driver, Host, Runbook};

/// What the hosts of a site that starts have in common.
pub(super) struct Starting<'a> {
    runbook: &'a Runbook,
    options: &'a SiteOptions,
    plan: SitePlan,
    vms: Vec<SimVm>,
    told: Told,
    guests: Arc<BTreeMap<String, GuestPlan>>,
    network: Arc<Network>,
    pace: Pace,
    secrets: Secrets,
}

impl<'a> Starting<'a> {
    /// # Errors
    /// The site's keys cannot be read.
    pub(super) fn new(
        runbook: &'a Runbook,
        options: &'a SiteOptions,
        plan: SitePlan,
    ) -> Result<Self, SimError> {
        let vms = build::vms(runbook);
        let secrets = Secrets::load(&options.dir).map_err(|source| SimError::Files {
            what: "the keys",
            dir: options.dir.clone(),
            source,
        })?;
        Ok(Self {
            told: Told::of(runbook),
            guests: Arc::new(build::guests(&vms, plan.seed)),
            network: Arc::default(),
            pace: Pace::new(options.speed),
            runbook,
            options,
            plan,
            vms,
            secrets,
        })
    }

    /// Serves the ports on which the guests answer, on those that they had before.
    pub(super) async fn serve_guests(&mut self) -> Result<(), SimError> {
        for ((host, port), answer) in build::answers(&self.vms, self.plan.seed) {
            let label = format!("guest {host}:{port}");
            let served = self.network.add(&host, port, self.wanted(&label), answer);
            let real = served.await.map_err(|source| SimError::Port {
                what: label.clone(),
                source,
            })?;
            self.plan.ports.insert(label, real);
        }
        Ok(())
    }

    /// A host with its door; that of a machine of its own is shut until the machine runs.
    pub(super) async fn station(
        &mut self,
        name: &HostName,
        entry: &Host,
    ) -> Result<Station, SimError> {
        let host = self.host(name, entry)?;
        let (socket, address) = self.socket(name).await?;
        let vfs = Arc::clone(&host.vfs);
        self.network
            .add_host(name, &entry.address.host, address, vfs);
        let (door, endpoint) = self.door(entry, &host, socket, address)?;
        if let Some(guest) = &entry.guest {
            door.set_up(false);
            let vm = self.vms.iter().find(|vm| vm.name == guest.as_str());
            let protected = build::is_protected(self.runbook, &entry.site);
            let machine = build::machine(&self.told, vm, protected, &host, door.switch());
            self.network.set_host(name, false);
            self.network.add_machine(Arc::new(machine));
        }
        let site = self.runbook.sites.get(&entry.site);
        Ok(Station {
            host,
            role: site.map(|site| site.role),
            endpoint,
            door,
        })
    }

    fn host(&self, name: &HostName, entry: &Host) -> Result<Arc<SimHost>, SimError> {
        let dir = &self.options.dir;
        let folder = build::host_folder(dir, name);
        let esxi = match entry.driver {
            Driver::Esxi => {
                let identity = build::identity(&self.plan, name, &entry.address.host);
                let state = folder.join("state.json");
                let loaded = Esxi::load(state, identity, Arc::clone(&self.guests));
                Some(loaded.map_err(|error| self.files("a host's state", error))?)
            }
            Driver::Posix => None,
        };
        let parts = HostParts {
            name: name.clone(),
            site: entry.site.clone(),
            folder,
            pace: self.pace,
            volumes: build::volumes(dir, &self.plan, self.runbook, &self.vms, name),
            esxi,
            network: Arc::clone(&self.network),
        };
        let host = SimHost::new(parts);
        let host = host.map_err(|error| self.files("a host's folder", error))?;
        Ok(Arc::new(host))
    }

    /// Where a host's SSH server listens: on the port that it had before.
    async fn socket(&mut self, name: &HostName) -> Result<(TcpSocket, SocketAddr), SimError> {
        let label = format!("host {name}");
        let port = |source| SimError::Port {
            what: label.clone(),
            source,
        };
        let socket = network::bind_wanted(self.wanted(&label)).await;
        let socket = socket.map_err(port)?;
        let address = socket.local_addr().map_err(port)?;
        self.plan.ports.insert(label, address.port());
        Ok((socket, address))
    }

    fn door(
        &self,
        entry: &Host,
        host: &Arc<SimHost>,
        socket: TcpSocket,
        address: SocketAddr,
    ) -> Result<(Door, Endpoint), SimError> {
        let (options, secrets) = (self.options, &self.secrets);
        let kept = options.dir.join("keys").join(format!("host-{}", host.name));
        let key = keys::key_at(&kept, &keys::ecdsa());
        let key = key.map_err(|error| self.files("a host key", error))?;
        let endpoint = Endpoint {
            address,
            host_keys: vec![keys::fingerprint(&key)],
            user: entry.user.clone(),
            key_file: secrets.key_file.clone(),
            password: secrets.password.clone(),
        };
        let access = Arc::new(Access::new(
            entry.user.clone(),
            secrets.password.clone(),
            secrets.key.public_key().clone(),
            options.lock_after,
            options.unlock_after,
        ));
        let is_esxi = entry.driver == Driver::Esxi;
        let config = ssh::config(is_esxi, key, options.rekey_bytes);
        let door = Door::open(socket, Arc::clone(host), access, config);
        let door = door.map_err(|source| SimError::Port {
            what: format!("host {}", host.name),
            source,
        })?;
        Ok((door, endpoint))
    }

    /// The port that something of this name had before; 0 where it had none.
    fn wanted(&self, label: &str) -> u16 {
        self.plan.ports.get(label).copied().unwrap_or(0)
    }

    fn files(&self, what: &'static str, source: io::Error) -> SimError {
        SimError::Files {
            what,
            dir: self.options.dir.clone(),
            source,
        }
    }

    /// The site with its stations.
    pub(super) fn site(self, stations: BTreeMap<HostName, Station>) -> Site {
        Site {
            dir: self.options.dir.clone(),
            stations,
            backups: self.backup_folders(),
            network: self.network,
            guests: self.guests,
            plan: self.plan.into(),
        }
    }

    fn backup_folders(&self) -> BTreeMap<BackupName, PathBuf> {
        let dir = &self.options.dir;
        let mut folders = BTreeMap::new();
        for (name, backup) in &self.runbook.backups {
            let folder = match &backup.host {
                None => build::console_backup(dir, name),
                Some(host) => {
                    let volumes = build::volumes(dir, &self.plan, self.runbook, &self.vms, host);
                    build::real_backup(dir, host, &volumes, &build::folder_of(name, backup))
                }
            };
            folders.insert(name.clone(), folder);
        }
        folders
    }
}
