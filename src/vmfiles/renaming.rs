//! Disks that get other names where they are brought: the texts that name them, every other byte as
//! it was.

use std::ops::Range;

use super::dictionary::Dictionary;
use super::vmdk::{Descriptor, declared_encoding, extent};
use super::vmsd::Vmsd;
use super::vmx::VmxError;
use super::{MAX_TEXT, text};

impl Descriptor {
    /// The text of a descriptor with other names for files: its extents, the disk below and the map
    /// of changed blocks. `new` gets each as written, and gives nothing for one that stays.
    ///
    /// # Errors
    /// [`VmxError::Unencodable`]: the text's own encoding has no place for a name.
    pub fn renamed(raw: &[u8], new: impl Fn(&str) -> Option<String>) -> Result<Vec<u8>, VmxError> {
        let label = declared_encoding(raw);
        let encoding = text::declared(label.as_deref());
        let mut renamed = Vec::with_capacity(raw.len());
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            let named = name_in(line, &text::decode(line.trim_ascii(), encoding));
            let written = named.as_ref().and_then(|(key, at)| {
                Some((key, at, text::decode(line.get(at.clone())?, encoding)))
            });
            let changed = written.and_then(|(key, at, written)| Some((key, at, new(&written)?)));
            let Some((key, at, name)) = changed else {
                renamed.extend_from_slice(line);
                continue;
            };
            let bytes = text::encode(&name, encoding).ok_or_else(|| VmxError::Unencodable {
                key: key.clone(),
                value: name.clone(),
                encoding: label.clone().unwrap_or_else(|| "UTF-8".to_owned()),
            })?;
            renamed.extend_from_slice(line.get(..at.start).unwrap_or_default());
            renamed.extend(bytes);
            renamed.extend_from_slice(line.get(at.end..).unwrap_or_default());
        }
        Ok(renamed)
    }
}

/// Where a line of a descriptor names a file, and under which key.
fn name_in(line: &[u8], decoded: &str) -> Option<(String, Range<usize>)> {
    let key = if extent(decoded).is_some() {
        "extent".to_owned()
    } else {
        let key = decoded.split_once('=')?.0.trim();
        let names = ["parentFileNameHint", "changeTrackPath"];
        let name = names.iter().find(|name| name.eq_ignore_ascii_case(key))?;
        (*name).to_owned()
    };
    let is_quote = |byte: &u8| *byte == b'"';
    let start = line.iter().position(is_quote)? + 1;
    // A name may hold a quote; the last one closes it.
    let end = line.iter().rposition(is_quote)?;
    (start < end).then_some((key, start..end))
}

impl Vmsd {
    /// The text of a catalogue with other names for disks. `new` gets each as written, and gives
    /// nothing for one that stays.
    ///
    /// # Errors
    /// [`VmxError::Unencodable`]: the text's own encoding has no place for a name.
    /// [`VmxError::TooLarge`]: it changes, and no more than that may have been read of it.
    pub fn renamed(raw: &[u8], new: impl Fn(&str) -> Option<String>) -> Result<Vec<u8>, VmxError> {
        let mut document = Dictionary::parse(raw);
        let is_disk = |key: &&str| {
            let mut parts = key.split('.');
            let mut next = || parts.next().unwrap_or_default().to_owned();
            next().starts_with("snapshot") && next().starts_with("disk") && next() == "filename"
        };
        let keys = document.keys_under("snapshot").filter(is_disk);
        let keys: Vec<String> = keys.map(str::to_owned).collect();
        for key in keys {
            let written = document.get(&key).unwrap_or_default();
            let Some(name) = new(&written).filter(|name| *name != written) else {
                continue;
            };
            if raw.len() > MAX_TEXT {
                return Err(VmxError::TooLarge { bytes: raw.len() });
            }
            let bytes = text::encode(&text::escape(&name), document.encoding());
            let bytes = bytes.ok_or_else(|| VmxError::Unencodable {
                key: key.clone(),
                value: name.clone(),
                encoding: document
                    .get(".encoding")
                    .unwrap_or_else(|| "UTF-8".to_owned()),
            })?;
            document.put(&key, &bytes);
        }
        Ok(document.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_names_its_files_anew_and_keeps_every_other_byte() {
        let text = "# Disk DescriptorFile\r\nversion=1\r\nCID=7\r\nparentCID=5\r\n\
            parentFileNameHint=\"/vmfs/volumes/d2/a/sql01.vmdk\"\r\ncreateType=\"vmfsSparse\"\r\n\
            RW 2048 VMFSSPARSE \"sql01-000001-delta.vmdk\"\r\nchangeTrackPath = \"sql01-000001-ctk.vmdk\" \r\n\
            ddb.comment = \"sql01.vmdk\"\r\n";
        let renamed = Descriptor::renamed(text.as_bytes(), |name| {
            let name = name.rsplit('/').next()?;
            name.starts_with("sql01")
                .then(|| name.replacen("sql01", "sql01_1", 1))
        });
        let expected = text
            .replace("/vmfs/volumes/d2/a/sql01.vmdk", "sql01_1.vmdk")
            .replace("sql01-000001", "sql01_1-000001");
        assert_eq!(String::from_utf8(renamed.unwrap()).unwrap(), expected);
        let same = Descriptor::renamed(text.as_bytes(), |_| None);
        assert_eq!(same.unwrap(), text.as_bytes());
    }

    #[test]
    fn a_catalogue_names_its_disks_anew_and_nothing_else() {
        let text = ".encoding = \"UTF-8\"\nsnapshot0.uid = \"1\"\nsnapshot0.filename = \"a.vmsn\"\n\
            snapshot0.disk0.fileName = \"a.vmdk\"\nsnapshot0.disk1.fileName = \"/vmfs/volumes/d2/a/a.vmdk\"\n";
        let renamed = Vmsd::renamed(text.as_bytes(), |name| {
            name.starts_with('/').then(|| "a_1.vmdk".to_owned())
        });
        let expected = text.replace("/vmfs/volumes/d2/a/a.vmdk", "a_1.vmdk");
        assert_eq!(String::from_utf8(renamed.unwrap()).unwrap(), expected);
        // What was not read to its end would be cut there.
        let mut long = text.as_bytes().to_vec();
        long.resize(MAX_TEXT + 1, b'\n');
        let other = |_: &str| Some("b.vmdk".to_owned());
        assert!(matches!(
            Vmsd::renamed(&long, other),
            Err(VmxError::TooLarge { .. })
        ));
        assert_eq!(
            Vmsd::renamed(&long, |name| Some(name.to_owned())),
            Ok(long.clone())
        );
        assert!(Vmsd::renamed(&long[1..], other).is_ok());
    }

    #[test]
    fn a_name_that_the_encoding_has_no_place_for_is_refused() {
        let text = "# Disk DescriptorFile\nencoding=\"windows-1252\"\nRW 8 VMFS \"a.vmdk\"\n";
        let renamed = Descriptor::renamed(text.as_bytes(), |_| Some("日.vmdk".to_owned()));
        assert!(
            matches!(renamed, Err(VmxError::Unencodable { .. })),
            "{renamed:?}"
        );
    }
}
