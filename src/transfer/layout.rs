//! What the name of a folder says about the restore point in it: how it was made, and of when it is.
//!
//! Three layouts are told apart by their names alone, so that nobody has to declare one:
//! `20260102T030405Z[-full|-incr]`; what ghettoVCB writes, `web01-2026-01-02_03-04-05`, or `web01-0`
//! where it rotates by numbers (`VM_BACKUP_DIR_NAMING_CONVENTION` in ghettoVCB.sh); anything else.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use regex_lite::Regex;

/// The moment that a restore point holds, to the second, in UTC. `Display` is the folder's name
/// without its suffix, `20260102T030405Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(Timestamp);

/// The text is no stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form YYYYMMDDTHHMMSSZ")]
pub struct ParseStampError;

const FORM: &str = "%Y%m%dT%H%M%SZ";

impl Stamp {
    /// The moment itself.
    #[must_use]
    pub fn time(self) -> Timestamp {
        self.0
    }

    /// How much is lost if this point is used after an outage at that time: the actual RPO.
    /// Negative for a point made after the outage.
    #[must_use]
    pub fn age_at(self, outage: Timestamp) -> SignedDuration {
        outage.duration_since(self.0)
    }

    /// Before all others: that of a point of which no time is known.
    pub(super) const UNKNOWN: Self = Self(Timestamp::UNIX_EPOCH);

    /// The moment so many seconds after 1970 UTC; `None` outside of all calendars.
    #[must_use]
    pub fn at_second(second: i64) -> Option<Self> {
        Timestamp::from_second(second).ok().map(Self)
    }

    fn of_civil(time: DateTime) -> Option<Self> {
        TimeZone::UTC.to_timestamp(time).ok().map(Self)
    }
}

impl FromStr for Stamp {
    type Err = ParseStampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser of times is more generous than the format of folders.
        let digits = |range: std::ops::Range<usize>| {
            text.as_bytes()
                .get(range)
                .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
        };
        let shaped = text.len() == 16
            && digits(0..8)
            && text.as_bytes().get(8) == Some(&b'T')
            && digits(9..15)
            && text.ends_with('Z');
        let time = shaped
            .then(|| DateTime::strptime(FORM, text).ok())
            .flatten();
        time.and_then(Self::of_civil).ok_or(ParseStampError)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.strftime(FORM).to_string())
    }
}

/// How a restore point was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointKind {
    /// Every file is in its folder.
    Full,
    /// Files that had not changed lie in earlier points' folders.
    Incremental,
    /// ghettoVCB's: a whole VM, and a file that says how the backup went.
    GhettoVcb,
    /// Any other folder with a `.vmx`.
    Plain,
}

impl PointKind {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::GhettoVcb => "ghettoVCB",
            Self::Plain => "plain folder",
        }
    }
}

/// From what the time of a point is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// Its folder's name.
    Name,
    /// Its folder's name, which has a day and no time: the day's beginning, in UTC, is taken.
    Day,
    /// When its `.vmx` was last written.
    Configuration,
    /// When the archive was last written that it is packed in.
    Archive,
    /// What the tool that keeps it tells.
    Tool,
    /// Nothing: it counts as the oldest.
    Nothing,
}

impl Dated {
    /// What has to be said of a point whose time is known like this.
    #[must_use]
    pub fn remark(self, kind: PointKind) -> Option<&'static str> {
        match self {
            Self::Name if kind == PointKind::GhettoVcb => {
                Some("its time is from the folder's name, taken as UTC, which ESXi's clock shows")
            }
            Self::Name if kind == PointKind::Plain => {
                Some("its time is from the folder's name, taken as UTC")
            }
            Self::Name | Self::Tool => None,
            Self::Day => Some(
                "its name tells the day alone; counted from 00:00 UTC, it may be up to a day younger",
            ),
            Self::Configuration => Some(
                "its name tells no time; taken is when its .vmx was last written, which a copy may have changed",
            ),
            Self::Archive => {
                Some("its name tells no time; taken is when the archive was last written")
            }
            Self::Nothing => Some(
                "its name tells no time, and when the archive was written is not known: it counts as the oldest",
            ),
        }
    }
}

/// What a folder's name says. Nothing in it is checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A stamp, and whether its suffix says `-full`.
    Stamped {
        /// The moment.
        stamp: Stamp,
        /// `-full`, `-incr` or nothing.
        says: Option<PointKind>,
    },
    /// As ghettoVCB names folders; by number where there is no time.
    GhettoVcb(Option<Stamp>),
    /// Anything else; a restore point if it holds a `.vmx`.
    Plain(Option<(Stamp, Dated)>),
}

impl Layout {
    /// What the name of a folder below that of the VM says; `.` is that of the VM itself.
    pub(super) fn of(name: &str, vm: &str) -> Self {
        let (stamp, suffix) = name.split_once('-').unwrap_or((name, ""));
        // Some storage keeps names in small letters.
        if let Ok(stamp) = stamp.to_ascii_uppercase().parse() {
            match suffix {
                "" if !name.ends_with('-') => return Self::Stamped { stamp, says: None },
                "full" | "incr" => {
                    let says = if suffix == "full" {
                        PointKind::Full
                    } else {
                        PointKind::Incremental
                    };
                    return Self::Stamped {
                        stamp,
                        says: Some(says),
                    };
                }
                _ => {}
            }
        }
        if let Some(stamp) = ghetto_time(name) {
            return Self::GhettoVcb(Some(stamp));
        }
        let number = name
            .strip_prefix(vm)
            .and_then(|rest| rest.strip_prefix('-'));
        let numbered = number.is_some_and(|number| {
            (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if numbered {
            return Self::GhettoVcb(None);
        }
        Self::Plain(any_time(name))
    }

    /// The time that the name tells.
    pub(super) fn stamp(self) -> Option<Stamp> {
        match self {
            Self::Stamped { stamp, .. } => Some(stamp),
            Self::GhettoVcb(stamp) => stamp,
            Self::Plain(told) => told.map(|(stamp, _)| stamp),
        }
    }
}

/// The time in `<VM>-2026-01-02_03-04-05`; an hour below ten may have a blank before it (`%k`).
fn ghetto_time(name: &str) -> Option<Stamp> {
    let at = name.len().checked_sub(20)?;
    let (vm, time) = name.split_at_checked(at)?;
    let shaped = time.bytes().enumerate().all(|(at, byte)| match at {
        0 | 5 | 8 | 14 | 17 => byte == b'-',
        11 => byte == b'_',
        12 => byte == b' ' || byte.is_ascii_digit(),
        _ => byte.is_ascii_digit(),
    });
    if !shaped || vm.is_empty() {
        return None;
    }
    let time = time.replace("_ ", "_0");
    Stamp::of_civil(DateTime::strptime("-%Y-%m-%d_%H-%M-%S", &time).ok()?)
}

static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:^|\D)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?:[Tt_ .-]?(\d{2})[-:_.h]?(\d{2})(?:[-:_.m]?(\d{2}))?[Zz]?)?(?:\D|$)",
    )
    .ok()
});

/// A time anywhere in a name: `sql01_2026-01-02_0304`, `backup-20260102`.
fn any_time(name: &str) -> Option<(Stamp, Dated)> {
    let found = TIME.as_ref()?.captures(name)?;
    let number = |group: usize| found.get(group)?.as_str().parse::<i16>().ok();
    let small = |group: usize| number(group).and_then(|number| i8::try_from(number).ok());
    let year = number(1).filter(|year| (1990..2200).contains(year))?;
    let time = |hour, minute, second| {
        DateTime::new(year, small(2)?, small(3)?, hour, minute, second, 0).ok()
    };
    match (small(4), small(5)) {
        (Some(hour), Some(minute)) => {
            let time = time(hour, minute, small(6).unwrap_or_default())?;
            Some((Stamp::of_civil(time)?, Dated::Name))
        }
        _ => Some((Stamp::of_civil(time(0, 0, 0)?)?, Dated::Day)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(name: &str) -> String {
        let time = |stamp: Option<Stamp>| stamp.map_or("-".to_owned(), |stamp| stamp.to_string());
        match Layout::of(name, "web01") {
            Layout::Stamped { stamp, says } => {
                let says = says.map_or("none", PointKind::as_str);
                format!("stamped {stamp} {says}")
            }
            Layout::GhettoVcb(stamp) => format!("ghetto {}", time(stamp)),
            Layout::Plain(Some((stamp, dated))) => format!("plain {stamp} {dated:?}"),
            Layout::Plain(None) => "plain -".to_owned(),
        }
    }

    #[test]
    fn of_a_time_that_the_tool_told_nothing_has_to_be_said() {
        assert!(Dated::Name.remark(PointKind::Plain).is_some());
        assert_eq!(Dated::Tool.remark(PointKind::Plain), None);
    }

    #[test]
    fn folders_are_told_apart_by_their_names() {
        for (name, expected) in [
            ("20260102T030405Z", "stamped 20260102T030405Z none"),
            ("20260102T030405Z-full", "stamped 20260102T030405Z full"),
            (
                "20260102T030405Z-incr",
                "stamped 20260102T030405Z incremental",
            ),
            ("20260102t030405z", "stamped 20260102T030405Z none"),
            (
                "20260102t030405z-incr",
                "stamped 20260102T030405Z incremental",
            ),
            ("sql01-20260102t0304z", "plain 20260102T030400Z Name"),
            ("20260102T030405Z-other", "plain 20260102T030405Z Name"),
            ("20260102T030405Z-", "plain 20260102T030405Z Name"),
            ("20261302T030405Z", "plain -"),
            ("20260102T250405Z", "plain -"),
            ("+0260102T030405Z", "plain -"),
            ("web01-2026-01-02_03-04-05", "ghetto 20260102T030405Z"),
            ("web01-2026-01-02_ 3-04-05", "ghetto 20260102T030405Z"),
            ("Web 01-2026-01-02_03-04-05", "ghetto 20260102T030405Z"),
            ("web01-2026-02-30_03-04-05", "plain -"),
            ("-2026-01-02_03-04-05", "plain 20260102T030405Z Name"),
            ("web01-0", "ghetto -"),
            ("web01-12", "ghetto -"),
            ("other-12", "plain -"),
            ("web01-2026-01-02", "plain 20260102T000000Z Day"),
            ("backup_202601020304", "plain 20260102T030400Z Name"),
            ("2026.01.02 03:04", "plain 20260102T030400Z Name"),
            ("1601-01-01", "plain -"),
            ("x1234567890123456", "plain -"),
            ("lost+found", "plain -"),
            (".", "plain -"),
            ("", "plain -"),
        ] {
            assert_eq!(told(name), expected, "{name}");
        }
    }

    #[test]
    fn a_stamp_is_its_text_and_its_age() {
        let stamp: Stamp = "20260102T030405Z".parse().unwrap();
        assert_eq!(stamp.to_string(), "20260102T030405Z");
        assert_eq!(stamp.time().to_string(), "2026-01-02T03:04:05Z");
        let outage = "2026-01-02T04:04:05Z".parse().unwrap();
        assert_eq!(stamp.age_at(outage), SignedDuration::from_hours(1));
        assert_eq!(Stamp::at_second(stamp.time().as_second()), Some(stamp));
        assert_eq!(Stamp::at_second(i64::MAX), None);
        for text in [
            "20260102T030405",
            "2026-1-2T030405Z",
            "20260102t030405z",
            "",
        ] {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_of_some_layout(name in "\\PC{0,40}|[0-9TZ_-]{0,30}", second in 0..4_000_000_000_i64) {
            let _ = Layout::of(&name, "web01");
            let _ = Layout::of(&name, "");
            let stamp = Stamp::at_second(second).unwrap();
            let says = None;
            prop_assert_eq!(Layout::of(&stamp.to_string(), "x"), Layout::Stamped { stamp, says });
            let ghetto = format!("{name}x-{}", stamp.time().strftime("%Y-%m-%d_%H-%M-%S"));
            prop_assert_eq!(Layout::of(&ghetto, "x"), Layout::GhettoVcb(Some(stamp)));
        }
    }
}
