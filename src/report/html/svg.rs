//! The timeline as a drawing that can be read in black and white: each kind of step has a pattern of
//! its own, and every bar says what it is to whoever cannot see it.

use jiff::{SignedDuration, Timestamp};

use crate::names::VmName;
use crate::report::document::{Bar, Lane, Timeline};
use crate::report::legs::BRINGS_FILES;
use crate::report::text::{duration, time};

use super::{class, escaped};

/// Widths and heights, in the drawing's own units.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 112.0;
const RIGHT: f64 = 748.0;
const TOP: f64 = 34.0;
const LANE: f64 = 24.0;
const BAR: f64 = 14.0;
/// The room that a moment's words need.
const LABEL: f64 = 90.0;
/// The room of the time before the run, where that is so long that nothing else would be seen.
const BEFORE: f64 = 90.0;
/// Such a gap is longer than this many times the run.
const LONG_BEFORE: i128 = 2;
/// No more lanes go into one drawing: it must fit on a sheet.
const MOST_LANES: usize = 30;
/// No more ticks on an axis.
const MOST_TICKS: i64 = 8;
/// Seconds between ticks, from which the axis chooses.
const TICKS: [i64; 17] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 86_400, 604_800,
];
const LEGEND: [(&str, &str); 6] = [
    ("fence", "fence, stop"),
    ("files", "files"),
    ("place", "register, network"),
    ("start", "power on"),
    ("serve", "ready"),
    ("other", "other"),
];

/// The drawings of a timeline, each with as many lanes as fit on a sheet.
pub(super) fn draw(out: &mut String, timeline: &Timeline, drawings: &mut usize) {
    let (Some(from), Some(to)) = (timeline.from, timeline.to) else {
        return;
    };
    let axis = Axis::new(timeline, from, to);
    for lanes in timeline.lanes.chunks(MOST_LANES) {
        drawing(out, timeline, lanes, &axis, *drawings);
        *drawings += 1;
    }
}

fn drawing(out: &mut String, timeline: &Timeline, lanes: &[Lane], axis: &Axis, id: usize) {
    let bottom = TOP + LANE * lanes.len() as f64;
    out.push_str(&format!(
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-labelledby=\"t{id} d{id}\">\n\
         <title id=\"t{id}\">Timeline of the run</title>\n<desc id=\"d{id}\">{}</desc>\n",
        bottom + 44.0,
        escaped(&description(lanes, axis))
    ));
    if id == 0 {
        out.push_str(PATTERNS);
    }
    ticks(out, axis, bottom);
    marks(out, timeline, axis, bottom);
    for (at, lane) in lanes.iter().enumerate() {
        draw_lane(out, lane, axis, TOP + LANE * at as f64);
    }
    legend(out, bottom + 20.0);
    out.push_str("</svg>\n");
}

/// Patterns by which kinds of steps are told apart without colour.
const PATTERNS: &str = "<defs>\
<pattern id=\"p-fence\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"5\" stroke=\"currentColor\" stroke-width=\"2.4\"/></pattern>\
<pattern id=\"p-start\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><line x1=\"0\" y1=\"2\" x2=\"4\" y2=\"2\" stroke=\"currentColor\" stroke-width=\"1.6\"/></pattern>\
<pattern id=\"p-serve\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\"><circle cx=\"2.5\" cy=\"2.5\" r=\"1.1\" fill=\"currentColor\"/></pattern>\
</defs>\n";

fn draw_lane(out: &mut String, lane: &Lane, axis: &Axis, y: f64) {
    let name = lane.vm.as_ref().map_or("no VM", VmName::as_str);
    out.push_str(&format!(
        "<line class=\"grid\" x1=\"0\" y1=\"{y:.0}\" x2=\"{WIDTH}\" y2=\"{y:.0}\"/>\n\
         <text x=\"4\" y=\"{:.0}\">{}</text>\n",
        y + 16.0,
        escaped(&shortened(name))
    ));
    for bar in &lane.bars {
        draw_bar(out, bar, axis, y + (LANE - BAR) / 2.0);
    }
    let middle = y + LANE / 2.0;
    for at in &lane.serves {
        let x = axis.x(*at);
        out.push_str(&format!(
            "<path class=\"serves\" d=\"M{x:.1} {:.1} l5 5 l-5 5 l-5 -5 z\"><title>{}</title></path>\n",
            middle - 5.0,
            escaped(&format!("{name} serves since {}", time(*at)))
        ));
    }
    let Some(due) = lane.due else { return };
    let x = axis.x(due.min(axis.to));
    let (top, bottom) = (y + 1.0, y + LANE - 1.0);
    let shape = if due > axis.to {
        format!("M{:.1} {:.1} l5 5 l-5 5", RIGHT + 3.0, middle - 5.0)
    } else {
        format!("M{x:.1} {top:.1} V{bottom:.1}")
    };
    out.push_str(&format!(
        "<path class=\"due\" fill=\"none\" d=\"{shape}\"><title>{}</title></path>\n",
        escaped(&format!("{name} was to serve by {}", time(due)))
    ));
}

fn draw_bar(out: &mut String, bar: &Bar, axis: &Axis, y: f64) {
    let from = axis.x(bar.from);
    let width = (axis.x(bar.to) - from).max(1.5);
    let took = duration(bar.to.duration_since(bar.from));
    out.push_str(&format!(
        "<rect class=\"bar {} {}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\"><title>{}</title></rect>\n",
        kind(bar.verb),
        class(bar.tone),
        escaped(&format!("{}: {}, {took}", bar.step, bar.state))
    ));
}

fn kind(verb: &str) -> &'static str {
    match verb {
        "fence" | "shut_down" | "power_off" | "stop" => "fence",
        verb if BRINGS_FILES.contains(&verb) => "files",
        "register" | "network" | "unregister" => "place",
        "power_on" => "start",
        "ready" => "serve",
        _ => "other",
    }
}

/// Moments, each with its words; those of two that stand close together are said at the first.
fn marks(out: &mut String, timeline: &Timeline, axis: &Axis, bottom: f64) {
    let mut labels: Vec<(f64, String)> = Vec::new();
    for mark in &timeline.marks {
        let x = axis.x(mark.at);
        out.push_str(&format!(
            "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{:.0}\" x2=\"{x:.1}\" y2=\"{bottom:.0}\"/>\n",
            TOP - 18.0
        ));
        match labels.last_mut() {
            Some((at, words)) if (x - *at).abs() < LABEL => {
                words.push_str(", ");
                words.push_str(&mark.what);
            }
            _ => labels.push((x, mark.what.clone())),
        }
    }
    for (x, words) in labels {
        out.push_str(&format!(
            "<text x=\"{:.1}\" y=\"11\">{}</text>\n",
            x - 3.0,
            escaped(&words)
        ));
    }
}

fn ticks(out: &mut String, axis: &Axis, bottom: f64) {
    for (at, label) in axis.ticks() {
        let x = axis.x(at);
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{:.0}\" x2=\"{x:.1}\" y2=\"{bottom:.0}\"/>\n\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{label}</text>\n",
            TOP - 4.0,
            TOP - 8.0
        ));
    }
    out.push_str(&format!(
        "<line class=\"grid\" x1=\"0\" y1=\"{bottom:.0}\" x2=\"{WIDTH}\" y2=\"{bottom:.0}\"/>\n"
    ));
}

fn legend(out: &mut String, y: f64) {
    let mut x = 4.0;
    for (kind, words) in LEGEND {
        out.push_str(&format!(
            "<rect class=\"bar {kind}\" x=\"{x:.0}\" y=\"{:.0}\" width=\"16\" height=\"10\"/><text x=\"{:.0}\" y=\"{y:.0}\">{words}</text>\n",
            y - 9.0,
            x + 20.0
        ));
        x += 34.0 + 6.0 * words.len() as f64;
    }
    out.push_str(&format!(
        "<path class=\"serves\" d=\"M{:.0} {:.0} l5 5 l-5 5 l-5 -5 z\"/><text x=\"{:.0}\" y=\"{y:.0}\">serves</text>\n\
         <path class=\"due\" d=\"M{:.0} {:.0} v12\"/><text x=\"{:.0}\" y=\"{y:.0}\">RTO objective (\u{203a} later)</text>\n",
        x + 6.0,
        y - 9.0,
        x + 15.0,
        x + 64.0,
        y - 10.0,
        x + 70.0
    ));
}

fn shortened(name: &str) -> String {
    const MOST: usize = 17;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['\u{2026}']).collect()
}

fn description(lanes: &[Lane], axis: &Axis) -> String {
    let mut said = format!(
        "From {} to {}, {}.",
        time(axis.from),
        time(axis.to),
        duration(axis.to.duration_since(axis.from))
    );
    for lane in lanes {
        let name = lane.vm.as_ref().map_or("no VM", VmName::as_str);
        let serves = lane.serves.last().map_or_else(
            || "was not seen to serve".to_owned(),
            |at| format!("serves since {}", time(*at)),
        );
        if lane.vm.is_some() {
            said.push_str(&format!(" {name}: {} steps, {serves}.", lane.bars.len()));
        }
    }
    said
}

/// From times to places. A long time between the loss of service and the run is drawn shortened.
struct Axis {
    from: Timestamp,
    /// Where the run itself begins.
    run: Timestamp,
    to: Timestamp,
    /// Where that is drawn.
    run_x: f64,
}

impl Axis {
    fn new(timeline: &Timeline, from: Timestamp, to: Timestamp) -> Self {
        let first = timeline
            .lanes
            .iter()
            .flat_map(|lane| &lane.bars)
            .map(|bar| bar.from)
            .min();
        let run = first.unwrap_or(from).clamp(from, to);
        let before = run.duration_since(from).as_millis();
        let itself = to.duration_since(run).as_millis().max(1);
        if before > LONG_BEFORE * itself {
            let run_x = LEFT + BEFORE;
            return Self {
                from,
                run,
                to,
                run_x,
            };
        }
        Self {
            from,
            run: from,
            to,
            run_x: LEFT,
        }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let part = |from: Timestamp, to: Timestamp| {
            let whole = to.duration_since(from).as_secs_f64();
            if whole <= 0.0 {
                return 0.0;
            }
            (at.duration_since(from).as_secs_f64() / whole).clamp(0.0, 1.0)
        };
        if at < self.run {
            LEFT + (self.run_x - LEFT) * part(self.from, self.run)
        } else {
            self.run_x + (RIGHT - self.run_x) * part(self.run, self.to)
        }
    }

    /// Round times since the beginning, with their labels.
    fn ticks(&self) -> Vec<(Timestamp, String)> {
        let length = self.to.duration_since(self.run).as_secs().max(1);
        let step = TICKS
            .into_iter()
            .find(|step| length / step <= MOST_TICKS)
            .unwrap_or(length);
        let first = self.run.duration_since(self.from).as_secs();
        let mut at = first.div_euclid(step) * step;
        let mut ticks = Vec::new();
        while at <= first + length {
            if let Ok(when) = self.from.checked_add(SignedDuration::from_secs(at))
                && when >= self.run
                && when <= self.to
            {
                ticks.push((when, elapsed(at)));
            }
            at += step;
        }
        ticks
    }
}

/// `T+1:02:03`.
fn elapsed(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("+{minutes}:{seconds:02}")
    } else {
        format!("+{hours}:{minutes:02}:{seconds:02}")
    }
}
