//! Which restore point is used.

use super::point::{Point, Stamp};
use crate::runbook::model::PointChoice;

/// The point that is used, and the newer ones that were passed over because they are not sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What is restored.
    pub point: Point,
    /// Newer points that would have been chosen, each with what speaks against it.
    pub passed_over: Vec<(Stamp, String)>,
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
        passed_over: Vec<(Stamp, String)>,
    },
    /// The one asked for does not exist.
    #[error("there is no restore point {stamp}{}", remedy(.newest_sound.as_ref()))]
    Absent {
        /// As asked for.
        stamp: String,
        /// What could be used instead.
        newest_sound: Option<Stamp>,
    },
    /// The one asked for is not sound.
    #[error("restore point {stamp} cannot be used: {flaws}{}", remedy(.newest_sound.as_ref()))]
    Unsound {
        /// As asked for.
        stamp: Stamp,
        /// What speaks against it.
        flaws: String,
        /// What could be used instead.
        newest_sound: Option<Stamp>,
    },
    /// Nothing is that old.
    #[error("there is no restore point from before {time}")]
    NoneBefore {
        /// As asked for.
        time: String,
    },
    /// The time asked for is none.
    #[error("`{0}` is not a time such as 2026-01-02T03:04:05Z")]
    BadTime(String),
}

fn remedy(newest_sound: Option<&Stamp>) -> String {
    newest_sound
        .map(|stamp| format!("; the newest sound one is {stamp}"))
        .unwrap_or_default()
}

fn no_sound(passed_over: &[(Stamp, String)]) -> String {
    let list: Vec<String> = passed_over
        .iter()
        .map(|(stamp, flaws)| format!("{stamp}: {flaws}"))
        .collect();
    format!("no restore point is sound: {}", list.join(" | "))
}

/// Chooses among a VM's points, in any order. `latest` and `before` take the newest sound one.
///
/// # Errors
/// See [`NoPoint`].
pub fn choose(points: &[Point], choice: &PointChoice) -> Result<Chosen, NoPoint> {
    let mut newest_first: Vec<&Point> = points.iter().collect();
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
        PointChoice::Stamp(text) => {
            let instead = newest_first
                .iter()
                .find(|point| point.is_sound())
                .map(|p| p.stamp);
            let wanted = text
                .split('-')
                .next()
                .and_then(|stamp| stamp.parse::<Stamp>().ok());
            let mut found = newest_first
                .iter()
                .filter(|point| Some(point.stamp) == wanted);
            let absent = || NoPoint::Absent {
                stamp: text.clone(),
                newest_sound: instead,
            };
            let first = *found.next().ok_or_else(absent)?;
            // Two folders of one moment, `-full` and `-incr`: the sound one serves.
            let point = std::iter::once(first)
                .chain(found.copied())
                .find(|p| p.is_sound());
            let unsound = || NoPoint::Unsound {
                stamp: first.stamp,
                flaws: first.flaws_in_words(),
                newest_sound: instead,
            };
            let point = point.ok_or_else(unsound)?.clone();
            Ok(Chosen {
                point,
                passed_over: Vec::new(),
            })
        }
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
        passed_over.push((point.stamp, point.flaws_in_words()));
    }
    Err(NoPoint::NoneSound { passed_over })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Flaw, PointKind};

    fn point(stamp: &str, sound: bool) -> Point {
        Point {
            stamp: stamp.parse().unwrap(),
            kind: PointKind::Full,
            path: format!("/b/{stamp}"),
            files: Vec::new(),
            left_behind: Vec::new(),
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
        assert_eq!(chosen.passed_over[0].0.to_string(), NEW);
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
