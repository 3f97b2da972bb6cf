//! What is kept of a site, and how its folder is taken or made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ssh::keys;
use super::{SimError, SiteOptions, build, commands, esxi};
use crate::runbook::model::{Runbook, SiteRole};

/// What is kept of a site beside its files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SitePlan {
    /// 1.
    pub(super) format: u32,
    /// What everything is drawn from.
    pub(super) seed: u64,
    /// Bytes per disk.
    pub(super) scale: u64,
    /// When it was made, seconds since 1970.
    pub(super) created: i64,
    /// Loopback ports by what they serve.
    pub(super) ports: BTreeMap<String, u16>,
    /// Roles of the sites that are dark.
    pub(super) dark: Vec<SiteRole>,
}

const PLAN: &str = "site.json";
const MARKER: &str = ".lifeboat-site";
/// The login key and password of a site.
pub(super) struct Secrets {
    /// The private key.
    pub(super) key: russh::keys::PrivateKey,
    /// Where it lies.
    pub(super) key_file: PathBuf,
    /// In clear.
    pub(super) password: String,
}

impl Secrets {
    /// Reads them, or makes them.
    pub(super) fn load(dir: &Path) -> io::Result<Self> {
        let folder = dir.join("keys");
        fs::create_dir_all(&folder)?;
        let key_file = folder.join("login");
        let key = keys::key_at(&key_file, &keys::ecdsa())?;
        let file = folder.join("password");
        let password = match fs::read_to_string(&file) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => {
                let mut bytes = [0; 9];
                getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
                let text = commands::hex(&bytes);
                keys::write_private(&file, text.as_bytes())?;
                text
            }
        };
        Ok(Self {
            key,
            key_file,
            password,
        })
    }
}

/// Writes the plan whole or not at all.
pub(super) fn write_plan(dir: &Path, plan: &SitePlan) -> io::Result<()> {
    let text = serde_json::to_string_pretty(plan).map_err(io::Error::other)?;
    esxi::replace(&dir.join(PLAN), text.as_bytes())
}

/// Reads the plan of an existing site, or makes a new one; true when it is new.
pub(super) fn prepare(
    runbook: &Runbook,
    options: &SiteOptions,
) -> Result<(SitePlan, bool), SimError> {
    let dir = &options.dir;
    let files = |what: &'static str| {
        let dir = dir.clone();
        move |source: io::Error| SimError::Files { what, dir, source }
    };
    fs::create_dir_all(dir).map_err(files("the folder"))?;
    if let Ok(text) = fs::read_to_string(dir.join(PLAN)) {
        let plan: SitePlan = serde_json::from_str(&text)
            .map_err(io::Error::other)
            .map_err(files("the plan"))?;
        for host in runbook.hosts.keys() {
            if !build::host_folder(dir, host).is_dir() {
                return Err(SimError::OtherRunbook {
                    dir: dir.clone(),
                    host: host.to_string(),
                });
            }
        }
        return Ok((plan, false));
    }
    let mut entries = fs::read_dir(dir).map_err(files("the folder"))?;
    if !dir.join(MARKER).exists() && entries.next().is_some() {
        return Err(SimError::ForeignFolder { dir: dir.clone() });
    }
    fs::write(dir.join(MARKER), "This folder holds a simulated site.\n")
        .map_err(files("the folder"))?;
    let plan = SitePlan {
        format: 1,
        seed: options.seed,
        // Whole sectors, and room for what a guest writes.
        scale: options.scale.max(128 << 10) & !511,
        created: Timestamp::now().as_second(),
        ports: BTreeMap::new(),
        dark: Vec::new(),
    };
    build::build(dir, &plan, runbook).map_err(files("the files"))?;
    write_plan(dir, &plan).map_err(files("the plan"))?;
    Ok((plan, true))
}
