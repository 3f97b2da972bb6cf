//! What is different between two looks.

use super::finding::{Finding, Severity};

/// How a finding differs from the look before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    New(Finding),
    /// It is there still, and something else depends on it now.
    Was(Severity, Finding),
    /// It is there no more.
    Gone(Finding),
}

impl Change {
    /// Whether things became worse by it, so that somebody should hear of it.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        match self {
            Self::New(finding) => finding.severity < Severity::Note,
            Self::Was(before, finding) => finding.severity < *before,
            Self::Gone(_) => false,
        }
    }
}

/// What changed, by key and severity: words alone, such as an age that grows, are no change.
#[must_use]
pub fn changes(before: &[Finding], now: &[Finding]) -> Vec<Change> {
    let of = |findings: &[Finding], key: &str| {
        let found = findings.iter().find(|finding| finding.key == key);
        found.map(|finding| finding.severity)
    };
    let here = now.iter().filter_map(|finding| {
        let finding = finding.clone();
        match of(before, &finding.key) {
            None => Some(Change::New(finding)),
            Some(severity) if severity != finding.severity => Some(Change::Was(severity, finding)),
            Some(_) => None,
        }
    });
    let gone = before
        .iter()
        .filter(|finding| of(now, &finding.key).is_none())
        .map(|finding| Change::Gone(finding.clone()));
    here.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn finding(key: &str, severity: Severity, what: &str) -> Finding {
        Finding {
            key: key.to_owned(),
            severity,
            vms: Vec::new(),
            fault: Fault::new(what, "", "", ""),
        }
    }

    #[test]
    fn words_alone_are_no_change_and_what_gets_worse_is_heard() {
        let before = [
            finding("a", Severity::Warning, "5 h old"),
            finding("b", Severity::Warning, "full soon"),
            finding("c", Severity::Blocker, "silent"),
        ];
        let now = [
            finding("a", Severity::Warning, "6 h old"),
            finding("b", Severity::Blocker, "full"),
            finding("d", Severity::Note, "to know"),
        ];
        let changed = changes(&before, &now);
        assert_eq!(
            changed,
            [
                Change::Was(Severity::Warning, now[1].clone()),
                Change::New(now[2].clone()),
                Change::Gone(before[2].clone()),
            ]
        );
        let worse: Vec<bool> = changed.iter().map(Change::is_worse).collect();
        assert_eq!(worse, [true, false, false]);
        assert!(changes(&now, &now).is_empty());
    }
}
