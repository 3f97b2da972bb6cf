//! What backup tools print. PURE.
//!
//! restic 0.14 to 0.18 and borg 1.2 were read for this; keys that are not needed are not looked at.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::super::layout::Stamp;
use super::super::sums::is_plain_name;
use crate::runbook::model::Prints;

/// A restore point as its tool names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolPoint {
    pub(super) stamp: Stamp,
    pub(super) id: String,
}

/// A file of a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolFile {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// The points that a tool printed, newest first; of several of one second, one.
pub(super) fn points(prints: Prints, printed: &[u8]) -> Result<Vec<ToolPoint>, String> {
    let text = text(printed)?;
    let mut points = match prints {
        Prints::Restic => restic_points(text)?,
        Prints::Borg => borg_points(text)?,
        Prints::Lines => line_points(text)?,
    };
    // A word that a tool takes for an option is no id.
    points.retain(|point| !point.id.is_empty() && !point.id.starts_with('-'));
    points.sort_by_key(|point| std::cmp::Reverse(point.stamp));
    points.dedup_by_key(|point| point.stamp);
    Ok(points)
}

/// The files that a tool printed which lie in `folder` itself.
pub(super) fn files(prints: Prints, printed: &[u8], folder: &str) -> Result<Vec<ToolFile>, String> {
    let text = text(printed)?;
    let mut files = match prints {
        Prints::Restic => node_files(text, folder, "file")?,
        Prints::Borg => node_files(text, folder, "-")?,
        Prints::Lines => line_files(text)?,
    };
    let mut seen = BTreeSet::new();
    files.retain(|file| is_plain_name(&file.name) && seen.insert(file.name.clone()));
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

fn text(printed: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(printed).map_err(|_| "it is no UTF-8 text".to_owned())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))
}

fn restic_points(text: &str) -> Result<Vec<ToolPoint>, String> {
    let value = json(text)?;
    // A repository without snapshots prints `null` or an empty list.
    let snapshots = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let point = |snapshot: &Value| {
        let id = snapshot.get("id").and_then(Value::as_str);
        let time = snapshot.get("time").and_then(Value::as_str);
        let hex = |id: &&str| id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = id.filter(hex).ok_or("a snapshot without an id")?;
        let stamp = time
            .and_then(|time| time.parse::<Timestamp>().ok())
            .and_then(stamp_of)
            .ok_or("a snapshot without a time")?;
        Ok(ToolPoint {
            stamp,
            id: id.to_owned(),
        })
    };
    let points: Result<_, &str> = snapshots.iter().map(point).collect();
    points.map_err(str::to_owned)
}

fn borg_points(text: &str) -> Result<Vec<ToolPoint>, String> {
    let value = json(text)?;
    let archives = value.get("archives").and_then(Value::as_array);
    let point = |archive: &Value| {
        let name = archive.get("name").and_then(Value::as_str);
        // Without a zone: that of the tool's environment, which is UTC.
        let time = archive.get("time").and_then(Value::as_str);
        let stamp = time
            .and_then(|time| time.parse::<DateTime>().ok())
            .and_then(|time| TimeZone::UTC.to_timestamp(time).ok())
            .and_then(stamp_of)
            .ok_or("an archive without a time")?;
        Ok(ToolPoint {
            stamp,
            id: name.ok_or("an archive without a name")?.to_owned(),
        })
    };
    let points: Result<_, &str> = archives
        .ok_or("there is no list of archives in it")?
        .iter()
        .map(point)
        .collect();
    points.map_err(str::to_owned)
}

fn line_points(text: &str) -> Result<Vec<ToolPoint>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let (mut points, mut odd) = (Vec::new(), None);
    for line in lines {
        let (time, id) = line.split_once(char::is_whitespace).unwrap_or((line, line));
        let stamp = time
            .parse::<Stamp>()
            .ok()
            .or_else(|| stamp_of(time.parse().ok()?));
        match stamp {
            Some(stamp) => points.push(ToolPoint {
                stamp,
                id: id.trim().to_owned(),
            }),
            None => odd = odd.or(Some(line)),
        }
    }
    match odd {
        // Other things may lie beside the points.
        Some(line) if points.is_empty() => {
            let line: String = line.chars().take(80).collect();
            Err(format!(
                "`{line}` does not begin with a time such as 20260102T030405Z"
            ))
        }
        _ => Ok(points),
    }
}

/// The second that a moment lies in.
fn stamp_of(time: Timestamp) -> Option<Stamp> {
    time.strftime("%Y%m%dT%H%M%SZ").to_string().parse().ok()
}

/// Lines of JSON, one for each file or folder: `restic ls --json`, `borg list --json-lines`.
fn node_files(text: &str, folder: &str, file: &str) -> Result<Vec<ToolFile>, String> {
    let folder = folder.trim_end_matches('/');
    let mut files = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let node = json(line)?;
        let word = |key: &str| node.get(key).and_then(Value::as_str);
        if word("type") != Some(file) {
            continue;
        }
        let Some(path) = word("path") else { continue };
        let name = path
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'));
        // What lies in a folder below is no part of the VM's own.
        let Some(name) = name.filter(|name| !name.contains('/')) else {
            continue;
        };
        // restic leaves out the size of an empty file.
        let bytes = node.get("size").map_or(Some(0), Value::as_u64);
        files.push(ToolFile {
            name: name.to_owned(),
            bytes: bytes.ok_or_else(|| format!("the size of {name} is no number"))?,
        });
    }
    Ok(files)
}

fn line_files(text: &str) -> Result<Vec<ToolFile>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let file = |line: &str| {
        let (bytes, name) = line.split_once(char::is_whitespace)?;
        Some(ToolFile {
            name: name.trim_start().to_owned(),
            bytes: bytes.parse().ok()?,
        })
    };
    lines
        .map(|line| {
            file(line).ok_or_else(|| {
                let line: String = line.chars().take(80).collect();
                format!("`{line}` is not of the form BYTES NAME")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(prints: Prints, text: &str) -> Result<Vec<(String, String)>, String> {
        let points = points(prints, text.as_bytes())?;
        let told = |point: ToolPoint| (point.stamp.to_string(), point.id);
        Ok(points.into_iter().map(told).collect())
    }

    fn pair(stamp: &str, id: &str) -> (String, String) {
        (stamp.to_owned(), id.to_owned())
    }

    fn listed(prints: Prints, text: &str, folder: &str) -> Result<Vec<(String, u64)>, String> {
        let files = files(prints, text.as_bytes(), folder)?;
        Ok(files.into_iter().map(|f| (f.name, f.bytes)).collect())
    }

    #[test]
    fn restic_tells_snapshots_and_nodes() {
        let snapshots = r#"[{"time":"2026-01-02T04:04:05.117949627+01:00","paths":["/vms"],"id":"6fc52a","short_id":"6f"},
            {"time":"2026-01-03T03:04:05Z","id":"aa01"}]"#;
        assert_eq!(
            told(Prints::Restic, snapshots).unwrap(),
            [
                pair("20260103T030405Z", "aa01"),
                pair("20260102T030405Z", "6fc52a")
            ]
        );
        for none in ["null", "[]"] {
            assert_eq!(told(Prints::Restic, none).unwrap(), []);
        }
        for bad in [
            "",
            "[{}]",
            r#"[{"id":"--x","time":"2026-01-03T03:04:05Z"}]"#,
        ] {
            assert!(told(Prints::Restic, bad).is_err(), "{bad}");
        }
        let nodes = concat!(
            r#"{"time":"2026-01-02T03:04:05Z","id":"6f","struct_type":"snapshot"}"#,
            "\n",
            r#"{"name":"sql01","type":"dir","path":"/vms/sql01","struct_type":"node"}"#,
            "\n",
            r#"{"name":"b","type":"file","path":"/vms/sql01/b","size":300000,"struct_type":"node"}"#,
            "\n",
            r#"{"name":"e","type":"file","path":"/vms/sql01/e","struct_type":"node"}"#,
            "\n",
            r#"{"name":"l","type":"symlink","path":"/vms/sql01/l","struct_type":"node"}"#,
            "\n",
            r#"{"name":"o","type":"file","path":"/vms/sql01/sub/o","size":1,"struct_type":"node"}"#,
            "\n",
            r#"{"name":"o","type":"file","path":"/vms/sql011/o","size":1,"struct_type":"node"}"#,
            "\n",
        );
        assert_eq!(
            listed(Prints::Restic, nodes, "/vms/sql01/").unwrap(),
            [("b".to_owned(), 300_000), ("e".to_owned(), 0)]
        );
    }

    #[test]
    fn borg_tells_archives_and_items() {
        let archives = r#"{"archives":[{"name":"sql01-1","time":"2026-01-02T03:04:05.000000"}],"repository":{}}"#;
        assert_eq!(
            told(Prints::Borg, archives).unwrap(),
            [pair("20260102T030405Z", "sql01-1")]
        );
        assert!(told(Prints::Borg, "{}").is_err());
        let items = concat!(
            r#"{"type": "d", "path": "vms/sql01", "size": 0}"#,
            "\n",
            r#"{"type": "-", "path": "vms/sql01/a.vmx", "size": 3}"#,
            "\n",
        );
        assert_eq!(
            listed(Prints::Borg, items, "vms/sql01").unwrap(),
            [("a.vmx".to_owned(), 3)]
        );
    }

    #[test]
    fn lines_begin_with_a_time_or_a_size() {
        let lines = "20260102T030405Z\nlost+found\n2026-01-03T03:04:05Z nightly 7\n20260102T030405Z again\n20260104T030405Z --x\n";
        assert_eq!(
            told(Prints::Lines, lines).unwrap(),
            [
                pair("20260103T030405Z", "nightly 7"),
                pair("20260102T030405Z", "20260102T030405Z")
            ]
        );
        assert_eq!(told(Prints::Lines, "\n").unwrap(), []);
        assert!(
            told(Prints::Lines, "total 8\n")
                .unwrap_err()
                .contains("total 8")
        );
        assert_eq!(
            listed(Prints::Lines, "12 a b.vmdk\n 7\tx\n1 ../y\n9 x\n", "").unwrap(),
            [("a b.vmdk".to_owned(), 12), ("x".to_owned(), 7)]
        );
        assert!(listed(Prints::Lines, "a b\n", "").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9 \n-]{0,120}") {
            for prints in [Prints::Restic, Prints::Borg, Prints::Lines] {
                for printed in [bytes.as_slice(), text.as_bytes()] {
                    let _ = points(prints, printed);
                    let _ = files(prints, printed, "/x");
                }
            }
        }
    }
}
