//! Which restore point is used.

use super::layout::Stamp;
use super::point::Point;
use crate::runbook::model::PointChoice;

/// The point that is used, and the newer ones that were passed over because they are not sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What is restored.
    pub point: Point,
    /// Newer points that would have been chosen, by their folders, each with what speaks against it.
    pub passed_over: Vec<(String, String)>,
}

/// Why no point is used. `Display` is a lower-case fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPoint {
    /// There are no points at all.
    #[error("there is no restore point")]
    None,
    /// None of those asked for is sound.
    #[error("{}", no_sound(.passed_over))]
    NoneSound {
        /// All of them, newest first, each with what speaks against it.
        passed_over: Vec<(String, String)>,
    },
    /// The one asked for does not exist.
    #[error("there is no restore point {stamp}{}", remedy(.newest_sound.as_ref()))]
    Absent {
        /// As asked for.
        stamp: String,
        /// What could be used instead.
        newest_sound: Option<String>,
    },
    /// The one asked for is not sound.
    #[error("restore point {stamp} cannot be used: {flaws}{}", remedy(.newest_sound.as_ref()))]
    Unsound {
        /// Its folder.
        stamp: String,
        /// What speaks against it.
        flaws: String,
        /// What could be used instead.
        newest_sound: Option<String>,
    },
    /// Nothing is that old.
    #[error("there is no restore point from before {time}")]
    NoneBefore {
        /// As asked for.
        time: String,
    },
    /// The VM was stopped for a last copy, and no point has been made since.
    #[error(
        "restore point {stamp} was taken before the VM stopped: what it wrote since is not in it"
    )]
    BeforeStop {
        /// The newest that would have been used.
        stamp: String,
    },
    /// The time asked for is none.
    #[error("`{0}` is not a time such as 2026-01-02T03:04:05Z")]
    BadTime(String),
}

fn remedy(newest_sound: Option<&String>) -> String {
    newest_sound
        .map(|stamp| format!("; the newest sound one is {stamp}"))
        .unwrap_or_default()
}

fn no_sound(passed_over: &[(String, String)]) -> String {
    /// More than anybody reads; the rest is counted.
    const SHOWN: usize = 4;
    let list: Vec<String> = passed_over
        .iter()
        .take(SHOWN)
        .map(|(name, flaws)| format!("{name}: {flaws}"))
        .collect();
    let more = match passed_over.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" | and {n} older"),
    };
    format!("no restore point is sound: {}{more}", list.join(" | "))
}

/// Chooses among a VM's points, in any order. `latest` and `before` take the newest sound one.
///
/// # Errors
/// See [`NoPoint`].
pub fn choose(points: &[Point], choice: &PointChoice) -> Result<Chosen, NoPoint> {
    let mut newest_first: Vec<&Point> = points.iter().collect();
    // Of two of one moment the order that they came in stands.
    newest_first.sort_by_key(|point| std::cmp::Reverse(point.stamp));
    if newest_first.is_empty() {
        return Err(NoPoint::None);
    }
    match choice {
        PointChoice::Latest => newest_sound(&newest_first),
        PointChoice::Before(time) => {
            let limit: jiff::Timestamp =
                time.parse().map_err(|_| NoPoint::BadTime(time.clone()))?;
            newest_first.retain(|point| point.stamp.time() <= limit);
            if newest_first.is_empty() {
                return Err(NoPoint::NoneBefore { time: time.clone() });
            }
            newest_sound(&newest_first)
        }
        PointChoice::Stamp(text) => by_name(&newest_first, text),
    }
}

/// The point in the folder of this name, else the sound one of this moment: there may be two, `-full`
/// and `-incr`.
fn by_name(newest_first: &[&Point], text: &str) -> Result<Chosen, NoPoint> {
    let newest_sound = newest_first.iter().find(|point| point.is_sound());
    let newest_sound = newest_sound.map(|point| point.name.clone());
    let stamp = text.parse::<Stamp>().ok();
    let exact = newest_first
        .iter()
        .any(|point| point.name == text && stamp.is_none());
    let wanted = |point: &&&Point| {
        if exact {
            point.name == text
        } else {
            Some(point.stamp) == stamp
        }
    };
    let Some(first) = newest_first.iter().find(wanted) else {
        return Err(NoPoint::Absent {
            stamp: text.to_owned(),
            newest_sound,
        });
    };
    let mut found = newest_first.iter().filter(wanted);
    match found.find(|point| point.is_sound()) {
        Some(point) => Ok(Chosen {
            point: (**point).clone(),
            passed_over: Vec::new(),
        }),
        None => Err(NoPoint::Unsound {
            stamp: first.name.clone(),
            flaws: first.flaws_in_words(),
            newest_sound,
        }),
    }
}

fn newest_sound(newest_first: &[&Point]) -> Result<Chosen, NoPoint> {
    let mut passed_over = Vec::new();
    for point in newest_first {
        if point.is_sound() {
            return Ok(Chosen {
                point: (*point).clone(),
                passed_over,
            });
        }
        passed_over.push((point.name.clone(), point.flaws_in_words()));
    }
    Err(NoPoint::NoneSound { passed_over })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Dated, Flaw, PointKind};

    fn point(stamp: &str, sound: bool) -> Point {
        Point {
            stamp: stamp.parse().unwrap(),
            dated: Dated::Name,
            kind: PointKind::Full,
            name: stamp.to_owned(),
            path: format!("/b/{stamp}"),
            files: Vec::new(),
            logs: Vec::new(),
            left_behind: Vec::new(),
            verified: true,
            renamed: Vec::new(),
            remarks: Vec::new(),
            flaws: if sound {
                Vec::new()
            } else {
                vec![Flaw::NoSums]
            },
        }
    }

    const OLD: &str = "20260101T000000Z";
    const MID: &str = "20260102T000000Z";
    const NEW: &str = "20260103T000000Z";

    #[test]
    fn the_newest_sound_point_is_taken_and_newer_ones_are_named() {
        let points = [point(MID, true), point(NEW, false), point(OLD, true)];
        let chosen = choose(&points, &PointChoice::Latest).unwrap();
        assert_eq!(chosen.point.stamp.to_string(), MID);
        assert_eq!(chosen.passed_over.len(), 1);
        assert_eq!(chosen.passed_over[0].0, NEW);
        let before = PointChoice::Before("2026-01-01T23:59:59Z".to_owned());
        assert_eq!(
            choose(&points, &before).unwrap().point.stamp.to_string(),
            OLD
        );
        let exactly = PointChoice::Before("2026-01-02T01:00:00+01:00".to_owned());
        assert_eq!(
            choose(&points, &exactly).unwrap().point.stamp.to_string(),
            MID
        );
        let stamp = PointChoice::Stamp(OLD.to_owned());
        assert_eq!(
            choose(&points, &stamp).unwrap().point.stamp.to_string(),
            OLD
        );
    }

    #[test]
    fn two_points_of_one_second_are_told_apart_by_their_folders() {
        let of = |suffix: &str, sound| Point {
            name: format!("{MID}-{suffix}"),
            ..point(MID, sound)
        };
        let choose = |points: &[Point], text: &str| {
            let chosen = choose(points, &PointChoice::Stamp(text.to_owned()));
            chosen.map_or_else(|why| why.to_string(), |chosen| chosen.point.name)
        };
        let both = [of("incr", true), of("full", true)];
        assert_eq!(choose(&both, MID), format!("{MID}-incr"));
        assert_eq!(choose(&both, &format!("{MID}-full")), format!("{MID}-full"));
        let torn = [of("incr", false), of("full", true)];
        assert_eq!(choose(&torn, MID), format!("{MID}-full"));
        assert!(choose(&torn, &format!("{MID}-incr")).contains("newest sound one is"));
        assert!(choose(&torn, &format!("{MID}-other")).contains("there is no restore point"));
    }

    #[test]
    fn what_cannot_be_chosen_says_why_and_what_can() {
        let points = [point(MID, true), point(NEW, false)];
        let no = |points: &[Point], choice| choose(points, &choice).unwrap_err().to_string();
        assert_eq!(no(&[], PointChoice::Latest), "there is no restore point");
        assert_eq!(
            no(&points, PointChoice::Stamp(NEW.to_owned())),
            format!(
                "restore point {NEW} cannot be used: it has no SHA256SUMS (is the backup still \
                 being written?); the newest sound one is {MID}"
            )
        );
        assert_eq!(
            no(&points, PointChoice::Stamp(OLD.to_owned())),
            format!("there is no restore point {OLD}; the newest sound one is {MID}")
        );
        assert_eq!(
            no(
                &points,
                PointChoice::Before("2026-01-01T00:00:00Z".to_owned())
            ),
            "there is no restore point from before 2026-01-01T00:00:00Z"
        );
        assert_eq!(
            no(&points, PointChoice::Before("yesterday".to_owned())),
            "`yesterday` is not a time such as 2026-01-02T03:04:05Z"
        );
        let none = no(&[point(NEW, false), point(OLD, false)], PointChoice::Latest);
        assert!(
            none.starts_with(&format!("no restore point is sound: {NEW}: it has no")),
            "{none}"
        );
        assert!(none.contains(&format!(" | {OLD}: ")), "{none}");
    }
}
