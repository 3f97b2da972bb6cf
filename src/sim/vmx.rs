//! A small reader and writer of .vmx and .vmdk descriptors, as hostd would rewrite them.

/// A .vmx: keys in order, compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vmx {
    entries: Vec<(String, String)>,
}

impl Vmx {
    /// Reads a file; `None` where it holds a key twice or a line that is none, which makes a VM
    /// invalid.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut vmx = Self::default();
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once('=')?;
            let key = key.trim();
            let value = value.trim();
            let value = value
                .strip_prefix('"')
                .and_then(|v| v.strip_suffix('"'))
                .unwrap_or(value);
            if key.is_empty() || vmx.get(key).is_some() {
                return None;
            }
            vmx.entries.push((key.to_owned(), unescape(value)));
        }
        Some(vmx).filter(|vmx| !vmx.entries.is_empty())
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, v)| v.as_str())
    }

    /// Whether a key says TRUE.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Sets a key, at the end if it is new.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        match self
            .entries
            .iter_mut()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
        {
            Some(entry) => value.clone_into(&mut entry.1),
            None => self.entries.push((key.to_owned(), value.to_owned())),
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.entries
            .retain(|(name, _)| !name.eq_ignore_ascii_case(key));
    }

    /// All keys and values in order.
    pub(crate) fn entries(&self) -> &[(String, String)] {
        &self.entries
    }

    /// The adapters that are present: `ethernet0` …
    pub(crate) fn adapters(&self) -> Vec<String> {
        (0..10)
            .map(|n| format!("ethernet{n}"))
            .filter(|name| self.is_true(&format!("{name}.present")))
            .collect()
    }

    /// The MAC address of an adapter.
    pub(crate) fn mac(&self, adapter: &str) -> Option<&str> {
        let fixed = self.get(&format!("{adapter}.addressType")) == Some("static");
        let key = if fixed { "address" } else { "generatedAddress" };
        self.get(&format!("{adapter}.{key}"))
    }

    /// Disk descriptors as written: device and file name.
    pub(crate) fn disks(&self) -> Vec<(String, String)> {
        let mut disks = Vec::new();
        for (key, value) in &self.entries {
            let Some(device) = key.strip_suffix(".fileName") else {
                continue;
            };
            let present = self.is_true(&format!("{device}.present"));
            if present && value.to_ascii_lowercase().ends_with(".vmdk") {
                disks.push((device.to_owned(), value.clone()));
            }
        }
        disks
    }

    /// As hostd writes it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.entries {
            text.push_str(&format!("{key} = \"{}\"\n", escape(value)));
        }
        text
    }
}

fn escape(value: &str) -> String {
    value
        .replace('|', "|7C")
        .replace('"', "|22")
        .replace('\n', "|0A")
}

fn unescape(value: &str) -> String {
    let mut done = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('|') {
        done.push_str(rest.get(..at).unwrap_or_default());
        let code = rest
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                done.push(char::from(code));
                rest = rest.get(at + 3..).unwrap_or_default();
            }
            None => {
                done.push('|');
                rest = rest.get(at + 1..).unwrap_or_default();
            }
        }
    }
    done.push_str(rest);
    done
}

/// One extent of a disk: bytes and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// The file beside the descriptor.
    pub(crate) file: String,
}

/// The extents that a descriptor names; empty where it is none.
pub(crate) fn extents(descriptor: &str) -> Vec<Extent> {
    if !descriptor.trim_start().starts_with("# Disk DescriptorFile") {
        return Vec::new();
    }
    let mut extents = Vec::new();
    for line in descriptor.lines() {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("RW" | "RDONLY")) {
            continue;
        }
        let sectors = words.next().and_then(|text| text.parse::<u64>().ok());
        let file = line.split('"').nth(1);
        if let (Some(sectors), Some(file)) = (sectors, file) {
            extents.push(Extent {
                bytes: sectors.saturating_mul(512),
                file: file.to_owned(),
            });
        }
    }
    extents
}

/// How a disk takes its space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Blocks are taken when they are written.
    Thin,
    /// All blocks are taken at once.
    Thick,
}

/// A descriptor for one flat extent, as ESXi 8 writes it.
pub(crate) fn descriptor(flat: &str, bytes: u64, cid: u32, uuid: &str, format: Format) -> String {
    let sectors = bytes / 512;
    let cylinders = (sectors / (255 * 63)).max(1);
    let thin = if format == Format::Thin {
        "ddb.thinProvisioned = \"1\"\n"
    } else {
        ""
    };
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\nparentCID=ffffffff\ncreateType=\"vmfs\"\n\n\
         # Extent description\nRW {sectors} VMFS \"{flat}\"\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.adapterType = \"lsilogic\"\nddb.deletable = \"true\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n{thin}ddb.toolsInstallType = \"4\"\n\
         ddb.toolsVersion = \"12325\"\nddb.uuid = \"{uuid}\"\nddb.virtualHWVersion = \"19\"\n"
    )
}
