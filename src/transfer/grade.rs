//! How what is lost stands to what may be lost.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a restore point's age stands to the objective. `Display` is the words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// It meets it.
    Within,
    /// Missed, by no more than once over.
    UpToTwice,
    /// Missed, up to four times of it.
    UpToFourTimes,
    /// Worse.
    Beyond,
}

impl Grade {
    /// Grades a loss.
    #[must_use]
    pub fn of(lost: Duration, rpo: Duration) -> Self {
        if lost <= rpo {
            Self::Within
        } else if lost <= rpo * 2 {
            Self::UpToTwice
        } else if lost <= rpo * 4 {
            Self::UpToFourTimes
        } else {
            Self::Beyond
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Within => "within",
            Self::UpToTwice => "up to twice",
            Self::UpToFourTimes => "up to four times",
            Self::Beyond => "beyond four times",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_belong_to_the_better_grade() {
        let rpo = Duration::from_secs(100);
        for (lost, grade) in [
            (0, Grade::Within),
            (100, Grade::Within),
            (101, Grade::UpToTwice),
            (200, Grade::UpToTwice),
            (400, Grade::UpToFourTimes),
            (401, Grade::Beyond),
        ] {
            assert_eq!(Grade::of(Duration::from_secs(lost), rpo), grade, "{lost}");
        }
    }
}
