//! A frame as a picture, for the README: `LIFEBOAT_ASSETS=assets cargo test --lib tui::svg`.

use std::fmt::Write;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::fixture::{Bench, FULL, Story};

const CELL: (f32, f32) = (8.4, 17.0);
const MARGIN: f32 = 10.0;
const INK: &str = "#d8dee9";
const PAPER: &str = "#1b2230";

fn colour(colour: Color) -> Option<&'static str> {
    match colour {
        Color::Red => Some("#f7768e"),
        Color::Green => Some("#9ece6a"),
        Color::Yellow => Some("#e0af68"),
        Color::Blue => Some("#7aa2f7"),
        Color::Magenta => Some("#bb9af7"),
        Color::Cyan => Some("#7dcfff"),
        _ => None,
    }
}

fn look(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{PAPER}\"/>\n"
    );
    for y in 0..rows {
        let mut x = 0;
        while x < columns {
            let from = x;
            let style = look(&buffer[(x, y)]);
            let mut words = String::new();
            while x < columns && look(&buffer[(x, y)]) == style {
                words.push_str(buffer[(x, y)].symbol());
                x += 1;
            }
            run(&mut svg, (from, x - from, y), style, &words);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells of one look as one text, so that the grid holds with any font.
fn run(svg: &mut String, (x, cells, y): (u16, u16, u16), style: (Color, Modifier), words: &str) {
    let (foreground, modifier) = style;
    let reversed = modifier.contains(Modifier::REVERSED);
    let ink = colour(foreground).unwrap_or(INK);
    let left = MARGIN + f32::from(x) * CELL.0;
    let top = MARGIN + f32::from(y) * CELL.1;
    let width = f32::from(cells) * CELL.0;
    if reversed {
        let (_, height) = CELL;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{ink}\"/>"
        );
    }
    if words.trim().is_empty() {
        return;
    }
    let fill = if reversed { PAPER } else { ink };
    let weight = if modifier.contains(Modifier::BOLD) {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let opacity = if modifier.contains(Modifier::DIM) {
        " opacity=\"0.55\""
    } else {
        ""
    };
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let base = top + CELL.1 * 0.75;
    let _ = writeln!(
        svg,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\" \
         fill=\"{fill}\"{weight}{opacity}>{words}</text>"
    );
}

#[test]
fn the_run_screen_as_a_picture() {
    let mut bench = Bench::new(&Story::asking(), (120, 32));
    bench.theme = FULL;
    bench.with_hosts().wait(400);
    let picture = svg(bench.buffer());
    assert!(picture.contains("vim-cmd solo/registervm") && picture.ends_with("</svg>\n"));
    assert!(!picture.contains("&vmid") && picture.contains("‹vmid of"));
    if let Some(folder) = std::env::var_os("LIFEBOAT_ASSETS") {
        let folder = Path::new(&folder);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("run-screen.svg"), picture).unwrap();
    }
}
